/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch_guilty: threads set `latest` with nothing between them, and count in an atomic number
 * beside it, which nobody waits for and which so excuses nothing.  -DTYPES: they count in numbers
 * of other kinds than signed ones.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 3
#define TIMES 1500

#ifdef TYPES

static volatile double sum;
static volatile unsigned char small = 200;
static volatile unsigned large = 4000000000u;

static void *run(void *arg)
{
	for (long i = 0; i < 400; i++) {
		sum = sum + 0.5;
		small = small + 1;
		large = large + 1;
	}
	return arg;
}

static void tell(void)
{
	printf("%.1f %u %u\n", sum, small, large);
}

#else

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

static void tell(void)
{
	printf("%ld\n", counted);
}

#endif

int main(void)
{
	pthread_t workers[WORKERS];

	for (long i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, run, (void *)i);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	tell();
	return 0;
}
