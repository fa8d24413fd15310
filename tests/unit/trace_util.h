/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of traces: random events of every kind from a fixed seed, records made of them, and a
 * trace file written from them.  Includes cmocka for its includer, in the order that it wants.
 */
#ifndef TRACE_UTIL_H
#define TRACE_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/trace_int.h"

#define UTIL_CPUS 3

struct util_events {
	CT_VEC(struct ct_event) list;
};

struct util_random {
	u64 state;
};

static inline u64 util_random(struct util_random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

/* Small numbers, big ones and the edges, each often. */
static inline u64 util_value(struct util_random *r)
{
	u64 n = util_random(r);
	switch (n % 5) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return n >> 8;
	default:
		return n >> 60;
	}
}

static inline struct ct_event util_event(struct util_random *r, u32 kind)
{
	struct ct_event ev = { .hdr = { .kind = (u8)kind } };
	const struct ct_kind_info *info = ct_kind_info(kind);
	ev.hdr.tid = util_random(r) % 4 ? 100 + (u32)(util_random(r) % 5) : (u32)util_value(r);
	ev.hdr.words = (u16)((sizeof(ev.hdr) + info->size) / 8);
	for (u32 i = 0; i < info->field_cnt; i++) {
		u64 n = util_value(r);
		if (!strcmp(info->fields[i].name, "state"))
			n %= CT_STATE_END;
		if (kind == CT_LOSS && !strcmp(info->fields[i].name, "kind"))
			n %= CT_KIND_MAX;
		if (kind == CT_WATCH && !strcmp(info->fields[i].name, "on"))
			n %= CT_WATCH_PAUSE + 1;
		if (kind == CT_WATCH && !strcmp(info->fields[i].name, "size"))
			n %= 9;
		if (kind == CT_WATCH_LOCK && !strcmp(info->fields[i].name, "slot"))
			n %= CT_WATCH_LOCKS;
		if (kind == CT_WATCH_TYPE && !strcmp(info->fields[i].name, "type"))
			n %= CT_WATCH_FLOAT + 1;
		ct_field_set(&info->fields[i], ct_event_body(&ev), n);
	}
	return ev;
}

/* Events of all kinds that a trace holds, on several CPUs, in the order (ts, cpu, seq), with ties.
 */
static inline void util_make_events(struct util_events *out, u32 cnt, ct_ns start, u64 seed)
{
	struct util_random r = { seed };
	u32 seq[UTIL_CPUS] = { 0 };
	ct_ns ts = start;
	u32 cpu = 0;
	while (out->list.cnt < cnt) {
		u32 kind = 1 + (u32)(util_random(&r) % (CT_KIND_END - 1));
		if (kind == CT_STACK)
			continue;
		struct ct_event ev = util_event(&r, kind);
		if (util_random(&r) % 16) {
			ts += 1 + util_random(&r) % (util_random(&r) % 8 ? 3000 : 90000000);
			cpu = (u32)(util_random(&r) % UTIL_CPUS);
		} else if (cpu + 1 < UTIL_CPUS) {
			cpu += util_random(&r) % 2;
		}
		ev.hdr.ts = ts;
		ev.cpu = cpu;
		ev.seq = seq[ev.cpu]++;
		*ct_vec_push(&out->list) = ev;
	}
}

static inline void util_put_record(struct ct_buf *b, const struct ct_event *ev, u32 extra_words)
{
	static const u8 extra[64] = { 0xee, 0xee };
	struct ct_hdr hdr = ev->hdr;
	hdr.words = (u16)(hdr.words + extra_words);
	ct_buf_put(b, &hdr, sizeof(hdr));
	ct_buf_put(b, &ev->task_new, ct_kind_size(hdr.kind));
	ct_buf_put(b, extra, extra_words * 8);
}

static inline void util_give(struct ct_writer *w, const struct ct_event *ev)
{
	struct ct_buf b = { 0 };
	util_put_record(&b, ev, ev->hdr.ts % 7 ? 0 : 2);
	assert_int_equal(ct_writer__records(w, ev->cpu, b.at, b.len), 0);
	ct_buf_free(&b);
}

static inline void util_assert_event(const struct ct_event *a, const struct ct_event *b)
{
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->hdr.ts, b->hdr.ts);
	assert_int_equal(a->hdr.kind, b->hdr.kind);
	assert_int_equal(a->hdr.tid, b->hdr.tid);
	assert_int_equal(a->hdr.words, b->hdr.words);
	assert_int_equal(a->cpu, b->cpu);
	assert_memory_equal(&a->task_new, &b->task_new, ct_kind_size(a->hdr.kind));
}

static inline struct ct_run util_run(ct_ns start, ct_ns end)
{
	static char *argv[] = { "./prog", "a \"b\"\n", "", NULL };
	static char *labels[] = { "lab=3", "note=a=b \"c\"\n", "empty=", NULL };
	return (struct ct_run){
		.argv = argv,
		.pid = 4711,
		.ended = end != 0,
		.wait_status = end ? 0x8b : 0,
		.start_ns = start,
		.end_ns = end,
		.start_real_ns = 1700000000123456789ull,
		.boot_offset_ns = 77,
		.cpus = 2,
		.cpus_machine = UTIL_CPUS,
		.sample_hz = 99,
		.futex_calls = true,
		.stacks = true,
		.arch = "x86_64",
		.kernel = "6.1",
		.libc = "glibc",
		.version = "1",
		.host = "\xff\xfe host",
		.labels = labels,
		.redacted = true,
	};
}

static inline struct ct_names *util_names(void)
{
	struct ct_names *n = ct_names__new();
	u32 function = ct_strtab__add(n->strings, "push(int, \"x\")");
	u32 file = ct_strtab__add(n->strings, "q.c");
	*ct_vec_push(&n->frames) = (struct ct_frame){ function, file, 12, 0, 0x1234, 1, 0 };
	*ct_vec_push(&n->frames) = (struct ct_frame){ 0, 0, 0, file, UINT64_MAX, 0, 0 };
	ct_names__add_stack(n, 1, (u32[]){ 1, 2, 1 }, 3);
	ct_names__add_stack(n, 4, (u32[]){ 2 }, 1);
	*ct_vec_push(&n->addrs) =
		(struct ct_addr_name){ 9, CT_ADDR_GLOBAL, 0x5000, function, 0, 8, file, 0 };
	*ct_vec_push(&n->addrs) = (struct ct_addr_name){ 9, CT_ADDR_STACK, 0x6000, 0, 77, 0, 0, 0 };
	*ct_vec_push(&n->syscalls) = (struct ct_syscall_name){ 0, ct_strdup("read") };
	*ct_vec_push(&n->syscalls) = (struct ct_syscall_name){ 202, ct_strdup("futex") };
	return n;
}

static inline void util_assert_run(const struct ct_run *a, const struct ct_run *b)
{
	u32 i = 0;
	for (; a->argv[i] && b->argv[i]; i++)
		assert_string_equal(a->argv[i], b->argv[i]);
	assert_null(a->argv[i]);
	assert_null(b->argv[i]);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->attached, b->attached);
	assert_int_equal(a->ended, b->ended);
	assert_int_equal(a->wait_status, b->wait_status);
	assert_int_equal(a->start_ns, b->start_ns);
	assert_int_equal(a->end_ns, b->end_ns);
	assert_int_equal(a->start_real_ns, b->start_real_ns);
	assert_int_equal(a->boot_offset_ns, b->boot_offset_ns);
	assert_int_equal(a->cpus, b->cpus);
	assert_int_equal(a->cpus_machine, b->cpus_machine);
	assert_int_equal(a->sample_hz, b->sample_hz);
	assert_int_equal(a->futex_calls, b->futex_calls);
	assert_int_equal(a->stacks, b->stacks);
	assert_string_equal(a->arch, b->arch);
	assert_string_equal(a->kernel, b->kernel);
	assert_string_equal(a->libc, b->libc);
	assert_string_equal(a->version, b->version);
	assert_string_equal(a->host, b->host);
	assert_int_equal(a->redacted, b->redacted);
	for (i = 0; a->labels[i] && b->labels[i]; i++)
		assert_string_equal(a->labels[i], b->labels[i]);
	assert_null(a->labels[i]);
	assert_null(b->labels[i]);
}

static inline const char *util_string(const struct ct_names *n, u32 id)
{
	return ct_strtab__get(n->strings, id);
}

static inline void util_assert_names(const struct ct_names *a, const struct ct_names *b)
{
	assert_int_equal(a->frames.cnt, b->frames.cnt);
	for (u32 i = 0; i < a->frames.cnt; i++) {
		const struct ct_frame *x = &a->frames.at[i];
		const struct ct_frame *y = &b->frames.at[i];
		assert_string_equal(util_string(a, x->function), util_string(b, y->function));
		assert_string_equal(util_string(a, x->file), util_string(b, y->file));
		assert_string_equal(util_string(a, x->module), util_string(b, y->module));
		assert_int_equal(x->line, y->line);
		assert_int_equal(x->offset, y->offset);
		assert_int_equal(x->inlined, y->inlined);
	}
	for (u32 stack = 0; stack < 6; stack++) {
		u32 x_cnt;
		u32 y_cnt;
		const u32 *x = ct_names__stack(a, stack, &x_cnt);
		const u32 *y = ct_names__stack(b, stack, &y_cnt);
		assert_int_equal(x_cnt, y_cnt);
		if (x_cnt)
			assert_memory_equal(x, y, x_cnt * sizeof(*x));
	}
	assert_int_equal(a->addrs.cnt, b->addrs.cnt);
	for (u32 i = 0; i < a->addrs.cnt; i++) {
		const struct ct_addr_name *x = &a->addrs.at[i];
		const struct ct_addr_name *y = ct_names__addr(b, x->tgid, x->addr);
		assert_non_null(y);
		assert_string_equal(util_string(a, x->symbol), util_string(b, y->symbol));
		assert_string_equal(util_string(a, x->module), util_string(b, y->module));
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->thread, y->thread);
		assert_int_equal(x->offset, y->offset);
	}
	assert_int_equal(a->syscalls.cnt, b->syscalls.cnt);
	for (u32 i = 0; i < a->syscalls.cnt; i++)
		assert_string_equal(
			a->syscalls.at[i].name, ct_names__syscall(b, a->syscalls.at[i].nr));
}

/* A new file with these bytes; unlink and free() the path. */
static inline char *util_file(const void *p, size_t size)
{
	char *path = ct_strdup("/tmp/ct_test.XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	if (size)
		assert_int_equal(write(fd, p, size), size);
	close(fd);
	return path;
}

static inline void util_set_file(const char *path, const void *p, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, size), size);
	close(fd);
}

static inline void util_slurp(const char *path, struct ct_buf *b)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	ct_buf_reserve(b, (size_t)st.st_size);
	b->len = (size_t)read(fd, b->at, (size_t)st.st_size);
	assert_int_equal(b->len, st.st_size);
	close(fd);
}

static inline void util_drop(char *path)
{
	unlink(path);
	free(path);
}

#endif
