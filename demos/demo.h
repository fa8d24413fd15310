/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all demos share and what is not their story: choosing the variant, starting a named thread,
 * a piece of computing that no compiler removes, the time.  Nothing here waits, locks or prints
 * (but for bad usage), so all that a trace of a demo shows is in the demo's own file.
 */
#ifndef DEMO_H
#define DEMO_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Which of the variants argv[1] names; without it the first, which is always the wrong one.  An
 * unknown one ends the program with status 2.  The list ends with NULL. */
static inline int demo_variant(int argc, char **argv, const char *const *variants)
{
	if (argc < 2)
		return 0;
	for (int i = 0; variants[i]; i++)
		if (strcmp(argv[1], variants[i]) == 0)
			return i;
	fprintf(stderr, "%s: no variant '%s'; there are:", program_invocation_short_name, argv[1]);
	for (int i = 0; variants[i]; i++)
		fprintf(stderr, " %s", variants[i]);
	fprintf(stderr, "\n");
	exit(2);
}

/* argv[2] as a number above 0, or `otherwise` without it. */
static inline long demo_number(int argc, char **argv, const char *meaning, long otherwise)
{
	char *end;
	long n;

	if (argc < 3)
		return otherwise;
	n = strtol(argv[2], &end, 10);
	if (n > 0 && *end == '\0')
		return n;
	fprintf(stderr, "%s: %s must be a number above 0, not '%s'\n",
		program_invocation_short_name, meaning, argv[2]);
	exit(2);
}

static inline pthread_t demo_thread(const char *name, void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg)) {
		perror("pthread_create");
		exit(1);
	}
	pthread_setname_np(thread, name);
	return thread;
}

struct demo_name {
	char text[16]; /* as long as the kernel lets the name of a thread be */
};

/* "worker-3": one of several threads that do the same. */
static inline struct demo_name demo_name(const char *role, long n)
{
	struct demo_name name;

	snprintf(name.text, sizeof(name.text), "%.10s-%u", role, (unsigned int)n % 10000);
	return name;
}

#define DEMO_MS 500000 /* steps of demo_work() that take about a millisecond */

/* Computing: `steps` dependent steps of a nanosecond or two each. */
static inline uint64_t demo_work(uint64_t seed, long steps)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

	for (long i = 0; i < steps; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

/* How many CPUs this process may use. */
static inline int demo_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
}

/* From here on the calling thread, and those that it starts, share one CPU. */
static inline void demo_one_cpu(void)
{
	cpu_set_t cpus;
	int first = 0;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return;
	while (!CPU_ISSET(first, &cpus))
		first++;
	CPU_ZERO(&cpus);
	CPU_SET(first, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static inline uint64_t demo_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline long demo_ms_since(uint64_t start_ns)
{
	return (long)((demo_now_ns() - start_ns) / 1000000);
}

#endif
