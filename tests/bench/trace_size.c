/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a trace costs: bytes of file and ns of CPU per event, on made-up streams, or on the events
 * of the traces that are named as arguments (written anew, one CPU after the other).  Prints one
 * line per stream; checks nothing (tests/unit/test_trace.c does).
 *
 *     make build/libctrace.a && cc -O2 -Iinclude tests/bench/trace_size.c build/libctrace.a -lz \
 *         -o build/trace_size && build/trace_size [TRACE...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ct_trace.h"

#define EVENTS 1000000u
#define BATCH (256u << 10) /* bytes handed in at once, as a collector would */

struct stream {
	struct ct_buf records;
	u64 now_ns;
	u64 random;
	u32 events, pairs;
};

static u64 next_random(struct stream *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random;
}

/* A step of about `mean_ns` with a long tail: seven of eight within +-12 %, one anything up to 8x.
 */
static void pass_time(struct stream *s, u64 mean_ns)
{
	u64 r = next_random(s);
	u64 spread = mean_ns / 4;
	if (r % 8)
		s->now_ns += mean_ns - spread / 2 + (r >> 16) % spread;
	else
		s->now_ns += mean_ns / 2 + (r >> 16) % (mean_ns * 8);
}

static void put(struct stream *s, u8 kind, u32 tid, const void *body, size_t size)
{
	struct ct_hdr hdr = { .tid = tid, .kind = kind, .ts = s->now_ns };
	hdr.words = (u16)((sizeof(hdr) + size) / 8);
	ct_buf_put(&s->records, &hdr, sizeof(hdr));
	ct_buf_put(&s->records, body, size);
	s->events++;
}

#define PUT(s, KIND, tid, ...)                                                                     \
	do {                                                                                       \
		struct ct_##KIND body_ = { __VA_ARGS__ };                                          \
		put(s, CT_ID_##KIND, tid, &body_, sizeof(body_));                                  \
	} while (0)
#define CT_ID_block CT_BLOCK
#define CT_ID_switch CT_SWITCH
#define CT_ID_waking CT_WAKING
#define CT_ID_migrate CT_MIGRATE
#define CT_ID_futex CT_FUTEX

/* Two threads that hand a futex to and fro on one CPU; with `calls` their futex calls too. */
static void make_pingpong(struct stream *s, bool calls)
{
	u32 me = 4711;
	u32 other = 4712;
	while (s->events < EVENTS) {
		pass_time(s, 600);
		PUT(s, waking, other, .waker = me, .nr = 202, .prio = 120);
		if (calls) {
			pass_time(s, 300);
			PUT(s, futex, me, .nr = 202, .result = 1, .addr = 0x7f0012345680, .op = 129,
				.val = 1);
		}
		pass_time(s, 900);
		PUT(s, block, me, .next = other, .state = CT_STATE_SLEEPING, .prio = 120,
			.next_prio = 120, .nr = 202, .owner = other, .arg0 = 0x7f0012345680,
			.arg1 = 128, .arg2 = 2, .word = 2, .stack = me == 4711 ? 7 : 9);
		if (calls) {
			pass_time(s, 400);
			PUT(s, futex, other, .nr = 202, .addr = 0x7f0012345680, .op = 128,
				.val = 2);
		}
		s->pairs++;
		u32 t = me;
		me = other;
		other = t;
	}
}

/* 20 senders and 20 receivers over sockets: one CPU's part of hackbench. */
static void make_hackbench(struct stream *s)
{
	u32 queue[64];
	u32 queued = 0;
	u32 running = 0;
	bool asleep[40] = { false };
	u32 aim[40] = { 0 };
	while (s->events < EVENTS) {
		u32 wakes = next_random(s) % 4;
		for (u32 i = 0; running && i < wakes; i++) {
			u32 to = (running < 1020 ? 20 : 0) + aim[running - 1000]++ % 20;
			pass_time(s, 700);
			if (!asleep[to])
				continue;
			asleep[to] = false;
			queue[queued++] = 1000 + to;
			PUT(s, waking, 1000 + to, .waker = running, .nr = 1, .prio = 120);
			if (next_random(s) % 8 == 0)
				PUT(s, migrate, 1000 + to, .to_cpu = 0, .from_cpu = 1);
		}
		u32 next = queued ? queue[0] : 0;
		if (!next) {
			u32 to = next_random(s) % 40;
			pass_time(s, 9000);
			PUT(s, waking, 1000 + to, .flags = CT_WAKE_FOREIGN, .nr = CT_NR_NONE,
				.prio = 120);
			asleep[to] = false;
			next = 1000 + to;
		} else {
			memmove(queue, queue + 1, --queued * sizeof(*queue));
		}
		pass_time(s, 1100);
		if (running && next_random(s) % 6 == 0 && queued < 40) {
			queue[queued++] = running;
			PUT(s, switch, running, .next = next, .flags = CT_SWITCH_PREEMPTED,
				.prio = 120, .next_prio = 120);
		} else if (running) {
			asleep[running - 1000] = true;
			PUT(s, block, running, .next = next, .state = CT_STATE_SLEEPING,
				.prio = 120, .next_prio = 120, .nr = running < 1020 ? 1 : 0,
				.file = CT_FILE_SOCK, .arg0 = 3 + next_random(s) % 20,
				.arg1 = 0x1000, .arg2 = 100, .stack = running < 1020 ? 3 : 4);
		} else {
			PUT(s, switch, 0, .next = next, .next_prio = 120);
		}
		s->pairs++;
		running = next;
	}
}

/* Eight threads over four mutexes and a condition variable whose word counts up. */
static void make_locks(struct stream *s)
{
	u32 next = 2000;
	u32 sequence = 0;
	while (s->events < EVENTS) {
		u32 me = next;
		next = 2000 + next_random(s) % 8;
		u32 lock = next_random(s) % 4;
		pass_time(s, 2500);
		PUT(s, waking, next, .waker = me, .nr = 202, .prio = 120);
		pass_time(s, 800);
		if (next_random(s) % 4) {
			PUT(s, block, me, .next = next, .state = CT_STATE_SLEEPING, .prio = 120,
				.next_prio = 120, .nr = 202, .owner = 2000 + next_random(s) % 8,
				.arg0 = 0x55550000 + 64 * lock, .arg1 = 128, .arg2 = 2, .word = 2,
				.stack = 10 + lock * 2 + (u32)(next_random(s) % 2));
		} else {
			sequence += 2;
			PUT(s, block, me, .next = next, .state = CT_STATE_SLEEPING, .prio = 120,
				.next_prio = 120, .nr = 202, .arg0 = 0x7ffd0028, .arg1 = 393,
				.arg2 = sequence, .word = sequence, .stack = 30);
		}
		s->pairs++;
	}
}

/* The events of one CPU of a trace. */
static void load_stream(struct stream *s, const char *path, u32 cpu)
{
	struct ct_source *source;
	char *why;
	if (ct_source__open(&source, path, &why)) {
		ct_error("%s", why);
		exit(1);
	}
	for (const struct ct_event *ev; (ev = ct_source__next(source));) {
		if (ev->cpu != cpu)
			continue;
		s->now_ns = ev->hdr.ts;
		s->pairs += ev->hdr.kind == CT_SWITCH || ev->hdr.kind == CT_BLOCK;
		put(s, ev->hdr.kind, ev->hdr.tid, &ev->task_new, ct_kind_size(ev->hdr.kind));
	}
	ct_source__free(source);
}

static double cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double write_stream(const struct stream *s, const char *path, u64 *bytes)
{
	struct ct_run run = { .start_ns = 0 };
	struct ct_names *names = ct_names__new();
	struct ct_writer *w;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ct_writer__new(&w, fd, &run))
		abort();
	double start = cpu_ns();
	size_t done = 0;
	while (done < s->records.len) {
		size_t end = done;
		struct ct_hdr hdr = { 0 };
		while (end < s->records.len && end - done < BATCH) {
			memcpy(&hdr, s->records.at + end, sizeof(hdr));
			end += hdr.words * 8u;
		}
		ct_writer__records(w, 0, s->records.at + done, end - done);
		ct_writer__sync(w, hdr.ts);
		done = end;
	}
	run.end_ns = s->now_ns;
	if (ct_writer__finish(w, &run, names))
		abort();
	double spent = cpu_ns() - start;
	*bytes = ct_writer__bytes(w);
	ct_writer__free(w);
	ct_names__free(names);
	close(fd);
	return spent;
}

static double read_stream(const char *path)
{
	struct ct_source *source;
	char *why;
	u32 cnt = 0;
	if (ct_source__open(&source, path, &why))
		abort();
	double start = cpu_ns();
	while (ct_source__next(source))
		cnt++;
	double spent = cpu_ns() - start;
	ct_source__free(source);
	return spent / cnt;
}

static void measure(const char *name, struct stream *s, const char *path)
{
	u64 bytes = 0;
	double best = 1e18;
	for (u32 i = 0; i < 3; i++) {
		double spent = write_stream(s, path, &bytes);
		if (spent < best)
			best = spent;
	}
	printf("%-16s %8u events %6.2f bytes/event %6.2f bytes/switch  write %5.1f ns/event  read "
	       "%5.1f\n",
		name, s->events, (double)bytes / s->events, (double)bytes / s->pairs,
		best / s->events, read_stream(path));
	ct_buf_free(&s->records);
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/trace_size.XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	struct stream s;
	for (int i = 1; i < argc; i++)
		for (u32 cpu = 0; cpu < 4; cpu++) {
			s = (struct stream){ 0 };
			load_stream(&s, argv[i], cpu);
			if (s.events)
				measure(argv[i], &s, path);
		}
	if (argc > 1)
		goto out;
	s = (struct stream){ .random = 88172645463325252ull, .now_ns = 1000000000 };
	make_pingpong(&s, false);
	measure("pingpong", &s, path);
	s = (struct stream){ .random = 88172645463325252ull, .now_ns = 1000000000 };
	make_pingpong(&s, true);
	measure("pingpong calls", &s, path);
	s = (struct stream){ .random = 88172645463325252ull, .now_ns = 1000000000 };
	make_hackbench(&s);
	measure("hackbench", &s, path);
	s = (struct stream){ .random = 88172645463325252ull, .now_ns = 1000000000 };
	make_locks(&s);
	measure("locks", &s, path);
out:
	close(fd);
	unlink(path);
	return 0;
}
