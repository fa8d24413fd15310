/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * argv[1] threads at once: each waits at a barrier, naps, and ends.  Exits with 0 when all were
 * there.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void *member(void *arg)
{
	pthread_barrier_wait(&barrier);
	usleep(1000);
	return arg;
}

int main(int argc, char **argv)
{
	int cnt = argc > 1 ? atoi(argv[1]) : 2000, started = 0;
	pthread_t *threads = calloc(cnt, sizeof(*threads));
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 16384);
	pthread_barrier_init(&barrier, NULL, cnt);
	while (started < cnt && !pthread_create(&threads[started], &attr, member, NULL))
		started++;
	if (started < cnt) {
		fprintf(stderr, "only %d threads could be started\n", started);
		return 1;
	}
	for (int i = 0; i < cnt; i++)
		pthread_join(threads[i], NULL);
	printf("%d threads\n", cnt);
	return 0;
}
