/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counter that three threads raise, by load-exclusive and store-exclusive where it is compiled
 * for arm64 as of Armv8.0 (-march=armv8-a -mno-outline-atomics).  Prints what it has come to.
 */
#include <pthread.h>
#include <stdio.h>

#define WORKERS 3
#define TIMES 500

static long counter;

static void *work(void *arg)
{
	for (int i = 0; i < TIMES; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
	return arg;
}

int main(void)
{
	pthread_t threads[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	printf("%ld\n", counter);
	return 0;
}
