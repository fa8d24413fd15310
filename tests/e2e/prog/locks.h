/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The truth about two locks, for locks.c and locks.cc: a log of every acquisition, in memory set
 * aside beforehand, printed at the end.  For each: thread, lock, line of the call site, when the
 * thread asked, when it had it, when it began to give it back and when that was done.
 */
#ifndef LOCKS_H
#define LOCKS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 150
#define SPIN_MIN_NS 100000u
#define HOLD_MAX_NS 2000000u

struct entry {
	int tid, lock, line;
	uint64_t asked, got, giving, gave;
};
struct log {
	struct entry entries[ROUNDS];
	int cnt;
	uint64_t random;
};
static struct log logs[THREADS];

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint32_t next_random(struct log *log)
{
	log->random = log->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(log->random >> 33);
}

/* Holds for a while, computing or asleep. */
static inline void pass_time(struct log *log)
{
	uint64_t ns = SPIN_MIN_NS + next_random(log) % (HOLD_MAX_NS - SPIN_MIN_NS);
	uint64_t end = now_ns() + ns;
	struct timespec nap;

	if (next_random(log) % 2) {
		nap.tv_sec = 0;
		nap.tv_nsec = (long)ns;
		nanosleep(&nap, NULL);
		return;
	}
	while (now_ns() < end)
		;
}

static inline struct entry *begin(struct log *log, int lock)
{
	struct entry *e = &log->entries[log->cnt++];

	e->tid = (int)gettid();
	e->lock = lock;
	e->asked = now_ns();
	return e;
}

static inline void print_logs(const char *file, const void *a, const void *b)
{
	FILE *out = fopen(file, "w");

	if (!out)
		exit(1);
	fprintf(out, "{\"locks\":[\"%p\",\"%p\"],\"entries\":[\n", a, b);
	for (int i = 0; i < THREADS; i++)
		for (int j = 0; j < logs[i].cnt; j++) {
			const struct entry *e = &logs[i].entries[j];

			fprintf(out,
				"%s[%d,%d,%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]\n",
				i || j ? "," : "", e->tid, e->lock, e->line, e->asked, e->got,
				e->giving, e->gave);
		}
	fprintf(out, "]}\n");
	fclose(out);
}

#endif
