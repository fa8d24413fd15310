/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a trace file (format.h): records in, chunks out, append only.  Each CPU has an encoder
 * that holds a few bytes per event; a chunk is written when one is full, all of them when a sync
 * finds that the last mark is SYNC_NS old or much is held.  Costs per event about 30 ns for the
 * columns and 15 to 100 for zlib, by how regular the events are (table in format.h); memory about
 * 45 KiB per CPU that has events, plus columns, all together held to MEMORY_MAX.
 *
 * The first error of the file is kept and nothing is written after it: what is in the file stays
 * readable, and whoever records goes on.
 */
#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "columns.h"
#include "format.h"

#define SYNC_NS 1000000000ull /* at most this much is lost with a killed writer */
#define HELD_MAX (1u << 20)   /* bytes in columns that make a sync write */
/* At first less, and then as much as the file has: of a trace that is cut in its first second (a
 * full disk, kill -9) there is something to read, too. */
#define SYNC_MIN_NS 50000000ull
#define HELD_MIN (1u << 15)
#define MEMORY_MAX (6u << 20) /* of all columns; beyond, the fullest CPU is written early */
#define ZLIB_LEVEL 1

struct cpu {
	struct ct_encoder *encoder; /* NULL: no event yet */
	u64 written_cnt;	    /* events in chunks so far: seq of the next chunk's first */
	size_t held, memory;	    /* as last counted into the writer's */
};

struct ct_writer {
	int fd; /* the caller's */
	int err;
	u64 bytes;
	u32 chunk_cnt;
	ct_ns start_ns, mark_ns; /* the run's start; until of the last mark */
	size_t held;   /* bytes in the columns of all encoders */
	size_t memory; /* that these columns take */
	z_stream zlib;
	struct ct_buf payload, packed;
	struct cpu cpus[CT_CPU_MAX];
};

static int write_bytes(struct ct_writer *w, const void *p, size_t size)
{
	const u8 *at = p;
	while (size && !w->err) {
		ssize_t n = write(w->fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			w->err = n < 0 ? -errno : -EIO;
			break;
		}
		at += n;
		size -= (size_t)n;
		w->bytes += (u64)n;
	}
	return w->err;
}

/* Appends `raw`, packed, to the payload. */
static void deflate_into(struct ct_writer *w, const void *raw, size_t size)
{
	struct ct_buf *out = &w->payload;
	deflateReset(&w->zlib);
	ct_buf_reserve(out, deflateBound(&w->zlib, size));
	w->zlib.next_in = (Bytef *)(uintptr_t)raw;
	w->zlib.avail_in = (uInt)size;
	w->zlib.next_out = out->at + out->len;
	w->zlib.avail_out = (uInt)(out->cap - out->len);
	int end = deflate(&w->zlib, Z_FINISH);
	if (end != Z_STREAM_END && !w->err)
		w->err = -EIO; /* cannot happen: the bound is one */
	out->len = out->cap - w->zlib.avail_out;
}

/* Writes the payload under a header that `c` begins. */
static int write_chunk(struct ct_writer *w, struct ct_chunk *c)
{
	u8 header[CT_CHUNK_HEADER_LEN];
	c->stored_size = (u32)w->payload.len;
	c->crc = ct_crc(w->payload.at, w->payload.len);
	c->idx = w->chunk_cnt++;
	ct_chunk_pack(header, c);
	if (!write_bytes(w, header, sizeof(header)))
		write_bytes(w, w->payload.at, w->payload.len);
	return w->err;
}

static int write_packed_chunk(struct ct_writer *w, struct ct_chunk *c, const struct ct_buf *raw)
{
	c->codec = CT_CODEC_ZLIB;
	c->raw_size = (u32)raw->len;
	w->payload.len = 0;
	deflate_into(w, raw->at, raw->len);
	return write_chunk(w, c);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void count_held(struct ct_writer *w, struct cpu *cpu)
{
	size_t held = ct_encoder__bytes(cpu->encoder);
	size_t memory = ct_encoder__memory(cpu->encoder);
	w->held += held - cpu->held;
	w->memory += memory - cpu->memory;
	cpu->held = held;
	cpu->memory = memory;
}

static int flush_cpu(struct ct_writer *w, u32 cpu_idx)
{
	struct cpu *cpu = &w->cpus[cpu_idx];
	struct ct_encoder *e = cpu->encoder;
	if (!e || !ct_encoder__count(e))
		return w->err;
	struct ct_chunk c = {
		.type = CT_CHUNK_EVENTS,
		.codec = CT_CODEC_ZLIB,
		.cpu = (u16)cpu_idx,
		.cnt = ct_encoder__count(e),
		.first_seq = cpu->written_cnt,
		.min_ts = ct_encoder__min_ts(e),
		.max_ts = ct_encoder__max_ts(e),
	};
	w->payload.len = w->packed.len = 0;
	ct_encoder__take(e, &w->payload, &w->packed);
	c.raw_size = (u32)w->packed.len;
	deflate_into(w, w->packed.at, w->packed.len);
	cpu->written_cnt += c.cnt;
	ct_encoder__reset(e, w->memory > MEMORY_MAX / 2);
	count_held(w, cpu);
	return write_chunk(w, &c);
}

static int flush_all(struct ct_writer *w)
{
	for (u32 i = 0; i < CT_CPU_MAX; i++)
		flush_cpu(w, i);
	return w->err;
}

static int flush_fullest(struct ct_writer *w)
{
	u32 fullest = 0;
	size_t most = 0;
	for (u32 i = 0; i < CT_CPU_MAX; i++) {
		const struct ct_encoder *e = w->cpus[i].encoder;
		if (e && ct_encoder__bytes(e) > most) {
			fullest = i;
			most = ct_encoder__bytes(e);
		}
	}
	return flush_cpu(w, fullest);
}

static int add_record(struct ct_writer *w, u32 cpu_idx, const struct ct_hdr *hdr, const void *body)
{
	struct ct_encoder *e = w->cpus[cpu_idx].encoder;
	if (__builtin_expect(ct_encoder__too_late(e, hdr->ts), 0))
		flush_cpu(w, cpu_idx);
	ct_encoder__add(e, hdr, body);
	if (ct_encoder__count(e) >= CT_CHUNK_EVENTS_MAX ||
		ct_encoder__bytes(e) >= CT_CHUNK_BYTES_MAX)
		return flush_cpu(w, cpu_idx);
	return w->err;
}

/* The record at p, `left` bytes before the end; its size, or 0 when it is none. */
static size_t check_record(const u8 *p, size_t left, struct ct_hdr *hdr)
{
	if (left < sizeof(*hdr))
		return 0;
	memcpy(hdr, p, sizeof(*hdr));
	size_t size = hdr->words * 8u;
	u32 need = ct_kind_size(hdr->kind);
	return need && size >= sizeof(*hdr) + need && size <= left ? size : 0;
}

int ct_writer__records(struct ct_writer *w, u32 cpu, const void *records, size_t size)
{
	const u8 *at = records;
	int err = 0;
	if (w->err)
		return w->err;
	if (cpu >= CT_CPU_MAX)
		return -EINVAL;
	if (!w->cpus[cpu].encoder)
		w->cpus[cpu].encoder = ct_encoder__new();
	while (size && !err) {
		struct ct_hdr hdr;
		size_t step = check_record(at, size, &hdr);
		if (!step)
			err = -EINVAL;
		else if (hdr.kind != CT_STACK)
			err = add_record(w, cpu, &hdr, at + sizeof(hdr));
		at += step;
		size -= step;
	}
	count_held(w, &w->cpus[cpu]);
	if (w->memory > MEMORY_MAX && !err)
		err = flush_fullest(w);
	return err;
}

/* ---- marks ----------------------------------------------------------------------------------- */

/* A mark, or the end: how many events of each CPU the file holds by now. */
static int write_mark(struct ct_writer *w, enum ct_chunk_type type, ct_ns until)
{
	struct ct_chunk c = { .type = (u8)type, .min_ts = until, .max_ts = until };
	w->packed.len = 0;
	for (u32 i = 0; i < CT_CPU_MAX; i++) {
		if (!w->cpus[i].written_cnt)
			continue;
		ct_buf_varint(&w->packed, i);
		ct_buf_varint(&w->packed, w->cpus[i].written_cnt);
	}
	w->mark_ns = until;
	return write_packed_chunk(w, &c, &w->packed);
}

static u64 between(u64 least, u64 n, u64 most)
{
	return n < least ? least : n > most ? most : n;
}

int ct_writer__sync(struct ct_writer *w, ct_ns until)
{
	if (w->err)
		return w->err;
	ct_ns age = until > w->start_ns ? until - w->start_ns : 0;
	ct_ns since = until > w->mark_ns ? until - w->mark_ns : 0;
	ct_ns every = between(SYNC_MIN_NS, age / 2, SYNC_NS);
	bool due = since >= every || w->held >= between(HELD_MIN, w->bytes, HELD_MAX);
	return due ? ct_writer__flush(w, until) : 0;
}

int ct_writer__flush(struct ct_writer *w, ct_ns until)
{
	if (!w->err && !flush_all(w))
		write_mark(w, CT_CHUNK_MARK, until);
	return w->err;
}

/* ---- the run and the names ------------------------------------------------------------------- */

static int write_run(struct ct_writer *w, const struct ct_run *run)
{
	struct ct_chunk c = {
		.type = CT_CHUNK_RUN, .min_ts = run->start_ns, .max_ts = run->end_ns
	};
	w->packed.len = 0;
	ct_run__pack(run, &w->packed);
	return write_packed_chunk(w, &c, &w->packed);
}

static int write_names(struct ct_writer *w, const struct ct_names *names)
{
	struct ct_chunk c = { .type = CT_CHUNK_NAMES };
	struct ct_buf raw = { 0 };
	ct_names__pack(names, &raw);
	if (raw.len > CT_RAW_NAMES_MAX)
		w->err = -EFBIG;
	else
		write_packed_chunk(w, &c, &raw);
	ct_buf_free(&raw);
	return w->err;
}

int ct_writer__names(struct ct_writer *w, const struct ct_names *names)
{
	return w->err ? w->err : write_names(w, names);
}

int ct_writer__finish(struct ct_writer *w, const struct ct_run *run, const struct ct_names *names)
{
	if (w->err)
		return w->err;
	if (!flush_all(w) && !write_names(w, names) && !write_run(w, run))
		write_mark(w, CT_CHUNK_END, run->end_ns);
	return w->err;
}

/* ---- life ------------------------------------------------------------------------------------ */

int ct_writer__new(struct ct_writer **out, int fd, const struct ct_run *run)
{
	struct ct_writer *w = ct_alloc(sizeof(*w));
	u8 header[CT_FILE_HEADER_LEN];
	int err = 0;
	w->fd = fd;
	w->start_ns = w->mark_ns = run->start_ns;
	if (deflateInit2(&w->zlib, ZLIB_LEVEL, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		err = -ENOMEM;
	ct_file_header_pack(header);
	if (!err)
		err = write_bytes(w, header, sizeof(header));
	if (!err)
		err = write_run(w, run);
	if (err) {
		ct_writer__free(w);
		w = NULL;
	}
	*out = w;
	return err;
}

u64 ct_writer__bytes(const struct ct_writer *w)
{
	return w->bytes;
}

void ct_writer__free(struct ct_writer *w)
{
	if (!w)
		return;
	for (u32 i = 0; i < CT_CPU_MAX; i++)
		ct_encoder__free(w->cpus[i].encoder);
	deflateEnd(&w->zlib);
	ct_buf_free(&w->payload);
	ct_buf_free(&w->packed);
	free(w);
}
