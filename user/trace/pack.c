/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of a trace file other than events, both ways: the file's header, the chunks' headers, the
 * run, the names.  Layouts are in format.h.  Little-endian or varints, so the host's order of bytes
 * does not show.  The unpacking halves read bytes from outside: they check every count and index,
 * and what they return needs no more checking.
 */
#include <errno.h>
#include <zlib.h>

#include "format.h"

/* ---- plain numbers --------------------------------------------------------------------------- */

static void put_le(u8 *at, u64 n, u32 size)
{
	for (u32 i = 0; i < size; i++)
		at[i] = (u8)(n >> (8 * i));
}

static u64 get_le(const u8 *at, u32 size)
{
	u64 n = 0;
	for (u32 i = 0; i < size; i++)
		n |= (u64)at[i] << (8 * i);
	return n;
}

void ct_buf_varint(struct ct_buf *b, u64 n)
{
	ct_buf_reserve(b, CT_VARINT_MAX);
	for (; n >= 0x80; n >>= 7)
		b->at[b->len++] = (u8)(n | 0x80);
	b->at[b->len++] = (u8)n;
}

static void put_string(struct ct_buf *b, const char *s)
{
	size_t len = s ? strlen(s) : 0;
	ct_buf_varint(b, len);
	ct_buf_put(b, s, len);
}

static u32 take_u32(struct ct_cursor *c, bool *bad)
{
	u64 n = ct_take_varint(c, bad);
	*bad |= n > UINT32_MAX;
	return (u32)n;
}

/* A count of things of at least one byte each. */
static u32 take_count(struct ct_cursor *c, bool *bad)
{
	u32 n = take_u32(c, bad);
	*bad |= n > (u64)(c->end - c->at);
	return *bad ? 0 : n;
}

/* A new string (free it), "" when bad.  A NUL inside would make two readings of one name. */
static char *take_string(struct ct_cursor *c, bool *bad)
{
	u32 len = take_count(c, bad);
	*bad |= len && memchr(c->at, 0, len);
	if (*bad)
		return ct_strdup("");
	char *s = ct_strndup((const char *)c->at, len);
	c->at += len;
	return s;
}

/* ---- headers --------------------------------------------------------------------------------- */

u32 ct_crc(const void *p, size_t size)
{
	return (u32)crc32(0, p, (uInt)size);
}

static u32 header_crc(const u8 *header, u32 size)
{
	return ct_crc(header, size - 4);
}

void ct_chunk_seal(u8 header[CT_CHUNK_HEADER_LEN])
{
	put_le(header + 60, header_crc(header, CT_CHUNK_HEADER_LEN), 4);
}

void ct_file_header_pack(u8 out[CT_FILE_HEADER_LEN])
{
	memset(out, 0, CT_FILE_HEADER_LEN);
	memcpy(out, CT_FILE_MAGIC, CT_FILE_MAGIC_LEN);
	put_le(out + 8, CT_FORMAT_VERSION, 2);
	put_le(out + 10, CT_FORMAT_MINOR, 2);
	put_le(out + 28, header_crc(out, CT_FILE_HEADER_LEN), 4);
}

int ct_file_header_unpack(const u8 in[CT_FILE_HEADER_LEN], u32 *major)
{
	*major = (u32)get_le(in + 8, 2);
	if (memcmp(in, CT_FILE_MAGIC, CT_FILE_MAGIC_LEN))
		return -EPROTO;
	/* First of all: a newer header may be summed otherwise. */
	if (*major > CT_FORMAT_VERSION)
		return -EPROTONOSUPPORT;
	if (!*major || get_le(in + 28, 4) != header_crc(in, CT_FILE_HEADER_LEN))
		return -EBADMSG;
	return 0;
}

void ct_chunk_pack(u8 out[CT_CHUNK_HEADER_LEN], const struct ct_chunk *c)
{
	memset(out, 0, CT_CHUNK_HEADER_LEN);
	put_le(out, CT_CHUNK_MAGIC, 4);
	put_le(out + 4, c->type, 1);
	put_le(out + 5, c->codec, 1);
	put_le(out + 6, c->cpu, 2);
	put_le(out + 8, c->raw_size, 4);
	put_le(out + 12, c->stored_size, 4);
	put_le(out + 16, c->cnt, 4);
	put_le(out + 20, c->crc, 4);
	put_le(out + 24, c->first_seq, 8);
	put_le(out + 32, c->min_ts, 8);
	put_le(out + 40, c->max_ts, 8);
	put_le(out + 48, c->idx, 4);
	ct_chunk_seal(out);
}

/* Sizes that no writer makes are refused before anything is allocated for them. */
static bool is_chunk_sane(const struct ct_chunk *c)
{
	if (c->type == CT_CHUNK_NAMES)
		return c->raw_size <= CT_RAW_NAMES_MAX;
	if (c->type != CT_CHUNK_EVENTS)
		return c->raw_size <= CT_RAW_OTHER_MAX;
	return c->raw_size <= CT_RAW_EVENTS_MAX && c->cnt && c->cnt <= CT_RAW_EVENTS_MAX &&
	       c->cnt <= c->stored_size && c->cpu < CT_CPU_MAX && c->min_ts <= c->max_ts &&
	       c->first_seq <= UINT64_MAX - c->cnt;
}

bool ct_chunk_unpack(const u8 in[CT_CHUNK_HEADER_LEN], struct ct_chunk *c)
{
	if (get_le(in, 4) != CT_CHUNK_MAGIC ||
		get_le(in + 60, 4) != header_crc(in, CT_CHUNK_HEADER_LEN))
		return false;
	*c = (struct ct_chunk){
		.type = in[4],
		.codec = in[5],
		.cpu = (u16)get_le(in + 6, 2),
		.raw_size = (u32)get_le(in + 8, 4),
		.stored_size = (u32)get_le(in + 12, 4),
		.cnt = (u32)get_le(in + 16, 4),
		.crc = (u32)get_le(in + 20, 4),
		.first_seq = get_le(in + 24, 8),
		.min_ts = get_le(in + 32, 8),
		.max_ts = get_le(in + 40, 8),
		.idx = (u32)get_le(in + 48, 4),
	};
	return is_chunk_sane(c);
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Tags of the run's keys: append-only, 0 is none. */
enum run_tag {
	RUN_ARG = 1,
	RUN_PID = 2,
	RUN_ATTACHED = 3,
	RUN_ENDED = 4,
	RUN_WAIT_STATUS = 5,
	RUN_START = 6,
	RUN_END = 7,
	RUN_START_REAL = 8,
	RUN_BOOT_OFFSET = 9,
	RUN_CPUS = 10,
	RUN_CPUS_MACHINE = 11,
	RUN_SAMPLE_HZ = 12,
	RUN_FUTEX_CALLS = 13,
	RUN_STACKS = 14,
	RUN_ARCH = 15,
	RUN_KERNEL = 16,
	RUN_LIBC = 17,
	RUN_VERSION = 18,
	RUN_HOST = 19,
	RUN_LABEL = 20, /* once per label; from 1.1 on */
	RUN_REDACTED = 21,
	RUN_PIDS = 22, /* from 1.1 on */
	RUN_COST_PROBES = 24, /* from 1.1 on */
	RUN_COST_COLLECTOR = 25,
	RUN_DROPPED = 26,
};

static void put_tagged_text(struct ct_buf *out, enum run_tag tag, const char *s)
{
	ct_buf_varint(out, tag);
	put_string(out, s);
}

static void put_tagged(struct ct_buf *out, enum run_tag tag, u64 n)
{
	struct ct_buf value = { 0 };
	ct_buf_varint(&value, n);
	ct_buf_varint(out, tag);
	ct_buf_varint(out, value.len);
	ct_buf_put(out, value.at, value.len);
	ct_buf_free(&value);
}

void ct_run__pack(const struct ct_run *run, struct ct_buf *out)
{
	for (char **arg = run->argv; arg && *arg; arg++)
		put_tagged_text(out, RUN_ARG, *arg);
	put_tagged(out, RUN_PID, run->pid);
	put_tagged(out, RUN_ATTACHED, run->attached);
	put_tagged(out, RUN_ENDED, run->ended);
	put_tagged(out, RUN_WAIT_STATUS, (u32)run->wait_status);
	put_tagged(out, RUN_START, run->start_ns);
	put_tagged(out, RUN_END, run->end_ns);
	put_tagged(out, RUN_START_REAL, run->start_real_ns);
	put_tagged(out, RUN_BOOT_OFFSET, run->boot_offset_ns);
	put_tagged(out, RUN_CPUS, run->cpus);
	put_tagged(out, RUN_CPUS_MACHINE, run->cpus_machine);
	put_tagged(out, RUN_SAMPLE_HZ, run->sample_hz);
	put_tagged(out, RUN_FUTEX_CALLS, run->futex_calls);
	put_tagged(out, RUN_STACKS, run->stacks);
	put_tagged_text(out, RUN_ARCH, run->arch);
	put_tagged_text(out, RUN_KERNEL, run->kernel);
	put_tagged_text(out, RUN_LIBC, run->libc);
	put_tagged_text(out, RUN_VERSION, run->version);
	put_tagged_text(out, RUN_HOST, run->host);
	if (run->cost_collector_ns) {
		put_tagged(out, RUN_COST_PROBES, run->cost_probes_ns);
		put_tagged(out, RUN_COST_COLLECTOR, run->cost_collector_ns);
	}
	if (run->dropped_ns)
		put_tagged(out, RUN_DROPPED, run->dropped_ns);
	for (char **label = run->labels; label && *label; label++)
		put_tagged_text(out, RUN_LABEL, *label);
	if (run->redacted)
		put_tagged(out, RUN_REDACTED, 1);
	if (run->pids && *run->pids)
		put_tagged_text(out, RUN_PIDS, run->pids);
}

static void set_text(char **to, char *s)
{
	free(*to);
	*to = s;
}

/* c is the value of one tag; false: no number belongs to this tag. */
static bool unpack_run_number(struct ct_run *run, u32 tag, struct ct_cursor *c, bool *bad)
{
	u32 *const u32s[] = {
		[RUN_PID] = &run->pid,
		[RUN_CPUS] = &run->cpus,
		[RUN_CPUS_MACHINE] = &run->cpus_machine,
		[RUN_SAMPLE_HZ] = &run->sample_hz,
	};
	u64 *const u64s[] = {
		[RUN_START] = &run->start_ns,
		[RUN_COST_PROBES] = &run->cost_probes_ns,
		[RUN_COST_COLLECTOR] = &run->cost_collector_ns,
		[RUN_DROPPED] = &run->dropped_ns,
		[RUN_END] = &run->end_ns,
		[RUN_START_REAL] = &run->start_real_ns,
		[RUN_BOOT_OFFSET] = &run->boot_offset_ns,
	};
	bool *const bools[] = {
		[RUN_ATTACHED] = &run->attached,
		[RUN_ENDED] = &run->ended,
		[RUN_FUTEX_CALLS] = &run->futex_calls,
		[RUN_STACKS] = &run->stacks,
		[RUN_REDACTED] = &run->redacted,
	};
	if (tag < CT_COUNT(u32s) && u32s[tag])
		*u32s[tag] = take_u32(c, bad);
	else if (tag < CT_COUNT(u64s) && u64s[tag])
		*u64s[tag] = ct_take_varint(c, bad);
	else if (tag < CT_COUNT(bools) && bools[tag])
		*bools[tag] = ct_take_varint(c, bad) != 0;
	else if (tag == RUN_WAIT_STATUS)
		run->wait_status = (int)take_u32(c, bad);
	else
		return false;
	return true;
}

static void unpack_run_text(struct ct_run *run, u32 tag, const struct ct_cursor *c, bool *bad)
{
	char **const texts[] = {
		[RUN_ARCH] = &run->arch,
		[RUN_KERNEL] = &run->kernel,
		[RUN_LIBC] = &run->libc,
		[RUN_VERSION] = &run->version,
		[RUN_HOST] = &run->host,
		[RUN_PIDS] = &run->pids,
	};
	size_t len = (size_t)(c->end - c->at);
	bool is_text = tag < CT_COUNT(texts) && texts[tag];
	if (tag != RUN_ARG && tag != RUN_LABEL && !is_text)
		return; /* from the future */
	*bad |= len && memchr(c->at, 0, len);
	char *s = len ? ct_strndup((const char *)c->at, len) : ct_strdup("");
	if (is_text)
		set_text(texts[tag], s);
	else if (tag == RUN_ARG)
		ct_run__add_arg(run, s);
	if (tag == RUN_LABEL) {
		ct_run__add_label(run, s);
		free(s);
	}
}

int ct_run__unpack(struct ct_run *run, const u8 *p, size_t size)
{
	char **const texts[] = { &run->arch, &run->kernel, &run->libc, &run->version, &run->host,
		&run->pids };
	struct ct_cursor c = { p, p + size };
	bool bad = false;
	*run = (struct ct_run){ .argv = ct_alloc(sizeof(*run->argv)) };
	while (!bad && c.at < c.end) {
		u32 tag = take_u32(&c, &bad);
		u32 len = take_count(&c, &bad);
		if (bad)
			break;
		struct ct_cursor value = { c.at, c.at + len };
		c.at += len;
		if (!unpack_run_number(run, tag, &value, &bad))
			unpack_run_text(run, tag, &value, &bad);
	}
	for (u32 i = 0; i < CT_COUNT(texts); i++)
		if (!*texts[i])
			set_text(texts[i], ct_strdup(""));
	if (bad)
		ct_run__clear(run);
	return bad ? -EBADMSG : 0;
}

/* ---- the names ------------------------------------------------------------------------------- */

static void pack_frames(const struct ct_names *names, struct ct_buf *out)
{
	ct_buf_varint(out, names->frames.cnt ? names->frames.cnt - 1 : 0);
	for (u32 i = 1; i < names->frames.cnt; i++) {
		const struct ct_frame *f = &names->frames.at[i];
		ct_buf_varint(out, f->function);
		ct_buf_varint(out, f->file);
		ct_buf_varint(out, f->line);
		ct_buf_varint(out, f->module);
		ct_buf_varint(out, f->offset);
		ct_buf_varint(out, f->inlined);
	}
}

static void pack_stacks(const struct ct_names *names, struct ct_buf *out)
{
	u32 stacks = names->stack_start.cnt > 1 ? names->stack_start.cnt - 2 : 0;
	ct_buf_varint(out, stacks);
	for (u32 stack = 1; stack <= stacks; stack++) {
		u32 cnt;
		const u32 *frames = ct_names__stack(names, stack, &cnt);
		ct_buf_varint(out, cnt);
		for (u32 i = 0; i < cnt; i++)
			ct_buf_varint(out, frames[i]);
	}
}

static void pack_addrs(const struct ct_names *names, struct ct_buf *out)
{
	ct_buf_varint(out, names->addrs.cnt);
	for (u32 i = 0; i < names->addrs.cnt; i++) {
		const struct ct_addr_name *a = &names->addrs.at[i];
		ct_buf_varint(out, a->tgid);
		ct_buf_varint(out, a->kind);
		ct_buf_varint(out, a->addr);
		ct_buf_varint(out, a->symbol);
		ct_buf_varint(out, a->thread);
		ct_buf_varint(out, a->offset);
		ct_buf_varint(out, a->module);
	}
}

static void pack_loops(const struct ct_names *names, struct ct_buf *out)
{
	u32 cnt = 0;

	for (u32 i = 0; i < names->loops.cnt; i++)
		cnt += names->loops.at[i].loop != CT_LOOP_UNKNOWN;
	if (!cnt)
		return;
	ct_buf_varint(out, cnt);
	for (u32 i = 0; i < names->loops.cnt; i++) {
		if (names->loops.at[i].loop == CT_LOOP_UNKNOWN)
			continue;
		ct_buf_varint(out, i);
		ct_buf_varint(out, names->loops.at[i].loop);
		ct_buf_varint(out, names->loops.at[i].frame);
	}
}

void ct_names__pack(const struct ct_names *names, struct ct_buf *out)
{
	u32 strings = ct_strtab__count(names->strings);
	ct_buf_varint(out, strings - 1);
	for (u32 id = 1; id < strings; id++)
		put_string(out, ct_strtab__get(names->strings, id));
	pack_frames(names, out);
	pack_stacks(names, out);
	pack_addrs(names, out);
	ct_buf_varint(out, names->syscalls.cnt);
	for (u32 i = 0; i < names->syscalls.cnt; i++) {
		ct_buf_varint(out, names->syscalls.at[i].nr);
		put_string(out, names->syscalls.at[i].name);
	}
	pack_loops(names, out);
}

static u32 take_string_id(struct ct_cursor *c, const struct ct_names *names, bool *bad)
{
	u32 id = take_u32(c, bad);
	*bad |= id >= ct_strtab__count(names->strings);
	return id;
}

static void unpack_strings(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 cnt = take_count(c, bad);
	for (u32 id = 1; id <= cnt && !*bad; id++) {
		char *s = take_string(c, bad);
		*bad |= ct_strtab__add(names->strings, s) != id;
		free(s);
	}
}

static void unpack_frames(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 cnt = take_count(c, bad);
	for (u32 i = 0; i < cnt && !*bad; i++) {
		struct ct_frame *f = ct_vec_push(&names->frames);
		f->function = take_string_id(c, names, bad);
		f->file = take_string_id(c, names, bad);
		f->line = take_u32(c, bad);
		f->module = take_string_id(c, names, bad);
		f->offset = ct_take_varint(c, bad);
		f->inlined = take_u32(c, bad);
	}
}

static void unpack_stacks(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 stacks = take_count(c, bad);
	CT_VEC(u32) frames = { 0 };
	for (u32 stack = 1; stack <= stacks && !*bad; stack++) {
		u32 cnt = take_count(c, bad);
		frames.cnt = 0;
		for (u32 i = 0; i < cnt && !*bad; i++) {
			u32 frame = take_u32(c, bad);
			*bad |= frame >= names->frames.cnt;
			*ct_vec_push(&frames) = frame;
		}
		ct_names__add_stack(names, stack, frames.at, frames.cnt);
	}
	ct_vec_free(&frames);
}

static void unpack_addrs(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 cnt = take_count(c, bad);
	for (u32 i = 0; i < cnt && !*bad; i++) {
		struct ct_addr_name *a = ct_vec_push(&names->addrs);
		a->tgid = take_u32(c, bad);
		a->kind = take_u32(c, bad);
		a->addr = ct_take_varint(c, bad);
		a->symbol = take_string_id(c, names, bad);
		a->thread = take_u32(c, bad);
		a->offset = ct_take_varint(c, bad);
		a->module = take_string_id(c, names, bad);
		*bad |= a->kind > CT_ADDR_SHARED;
	}
	ct_names__sort_addrs(names);
}

static void unpack_syscalls(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 cnt = take_count(c, bad);
	for (u32 i = 0; i < cnt && !*bad; i++) {
		struct ct_syscall_name *s = ct_vec_push(&names->syscalls);
		s->nr = take_u32(c, bad);
		s->name = take_string(c, bad);
	}
}

/* Older traces have none. */
static void unpack_loops(struct ct_names *names, struct ct_cursor *c, bool *bad)
{
	u32 cnt = *bad || c->at == c->end ? 0 : take_count(c, bad);

	for (u32 i = 0; i < cnt && !*bad; i++) {
		u32 stack = take_u32(c, bad);
		struct ct_stack_loop loop = { .loop = take_u32(c, bad) };
		loop.frame = take_u32(c, bad);
		if (*bad || loop.loop > CT_LOOP_LOOKS) /* a kind from the future */
			continue;
		*bad |= !ct_names__add_loop(names, stack, loop);
	}
}

int ct_names__unpack(struct ct_names *names, const u8 *p, size_t size)
{
	struct ct_cursor c = { p, p + size };
	bool bad = false;
	unpack_strings(names, &c, &bad);
	unpack_frames(names, &c, &bad);
	unpack_stacks(names, &c, &bad);
	unpack_addrs(names, &c, &bad);
	unpack_syscalls(names, &c, &bad);
	unpack_loops(names, &c, &bad);
	return bad ? -EBADMSG : 0; /* what follows is from the future */
}
