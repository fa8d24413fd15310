/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four threads, each puts its books away, 2 ms a book with a lock held: `one-lock` has one lock for
 * all, `split` one for each thread.  They sleep, so how long it takes (200 or 50 ms) hangs on no
 * other program.  An exit status may follow.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS 4
#define BOOKS 25

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t shelf_locks[THREADS];
static int split;

static void *shelve(void *arg)
{
	pthread_mutex_t *lock = split ? &shelf_locks[(long)arg] : &big_lock;
	const struct timespec book = { .tv_nsec = 2000000 };
	char name[16];

	snprintf(name, sizeof(name), "shelver-%ld", (long)arg);
	pthread_setname_np(pthread_self(), name);
	for (int i = 0; i < BOOKS; i++) {
		pthread_mutex_lock(lock);
		nanosleep(&book, NULL);
		pthread_mutex_unlock(lock);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	split = argc > 1 && !strcmp(argv[1], "split");
	for (long i = 0; i < THREADS; i++) {
		pthread_mutex_init(&shelf_locks[i], NULL);
		pthread_create(&threads[i], NULL, shelve, (void *)i);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return argc > 2 ? atoi(argv[2]) : 0;
}
