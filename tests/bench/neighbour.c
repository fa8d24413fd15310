/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is not traced, and pays all the same: neighbour getpid COUNT prints nanoseconds for each
 * getpid(2), neighbour switch COUNT those for each switch of two threads that hand a byte to and
 * fro on one CPU, neighbour compute COUNT those for a thousand steps of computing.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];
static long count;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *answer(void *arg)
{
	char byte;

	for (long i = 0; i < count; i++)
		if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
			exit(1);
	return arg;
}

/* Two switches for each round. */
static double switches(void)
{
	pthread_t thread;
	cpu_set_t set;
	char byte = 0;
	double start;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (pipe(there) || pipe(back) || pthread_create(&thread, NULL, answer, NULL))
		exit(1);
	start = now_ns();
	for (long i = 0; i < count; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			exit(1);
	return (now_ns() - start) / (2.0 * (double)count);
}

static double getpids(void)
{
	double start = now_ns();

	for (long i = 0; i < count; i++)
		syscall(SYS_getpid);
	return (now_ns() - start) / (double)count;
}

static double computing(void)
{
	uint64_t x = 88172645463325252u;
	double start = now_ns();

	for (long i = 0; i < count * 1000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	if (!x)
		puts("never");
	return (now_ns() - start) / (double)count;
}

int main(int argc, char **argv)
{
	double ns;

	count = argc == 3 ? atol(argv[2]) : 0;
	if (count <= 0)
		return 2;
	if (!strcmp(argv[1], "getpid"))
		ns = getpids();
	else if (!strcmp(argv[1], "switch"))
		ns = switches();
	else if (!strcmp(argv[1], "compute"))
		ns = computing();
	else
		return 2;
	printf("%.2f\n", ns);
	return 0;
}
