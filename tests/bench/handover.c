/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dearest thing for a tracer of context switches: two threads that hand a futex to and fro and
 * do nothing else. handover CPUS COUNT: both threads on CPU 0 (CPUS 1) or wherever they like (2);
 * prints nanoseconds per switch, measured by itself.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int there, back;
static int count;

static void await(_Atomic int *word, int old)
{
	while (atomic_load(word) == old)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static void hand(_Atomic int *word, int value)
{
	atomic_store(word, value);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *partner(void *arg)
{
	(void)arg;
	for (int i = 0; i < count; i++) {
		await(&there, i);
		hand(&back, i + 1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	cpu_set_t set;
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: handover CPUS COUNT\n");
		return 2;
	}
	count = atoi(argv[2]);
	if (atoi(argv[1]) == 1) {
		CPU_ZERO(&set);
		CPU_SET(sched_getcpu(), &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	pthread_create(&thread, NULL, partner, NULL);
	for (int i = 0; i < count; i++) {
		hand(&there, i + 1);
		await(&back, i);
	}
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.1f\n",
		((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / (2.0 * count));
	return 0;
}
