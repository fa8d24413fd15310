/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch_guilty: threads set `latest` with nothing between them, and count in an atomic number beside
 * it, which nobody waits for and which so excuses nothing.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 3
#define TIMES 1500

static volatile long latest;
static atomic_long counted;

static void *run(void *arg)
{
	for (long i = 0; i < TIMES; i++) {
		latest = (long)arg;
		counted++;
	}
	return NULL;
}

int main(void)
{
	pthread_t workers[WORKERS];

	for (long i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, run, (void *)i);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	printf("%ld\n", counted);
	return 0;
}
