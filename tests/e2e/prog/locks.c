/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two mutexes, three call sites, four threads, real waits; the truth goes to the file argv[1].
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "locks.h"

static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;

static void give(struct entry *e, pthread_mutex_t *lock)
{
	e->giving = now_ns();
	pthread_mutex_unlock(lock);
	e->gave = now_ns();
}

static void read_table(struct log *log)
{
	struct entry *e = begin(log, 0);

	e->line = __LINE__ + 1;
	pthread_mutex_lock(&first_lock);
	e->got = now_ns();
	pass_time(log);
	give(e, &first_lock);
}

static void write_table(struct log *log)
{
	struct entry *e = begin(log, 0);

	e->line = __LINE__ + 1;
	pthread_mutex_lock(&first_lock);
	e->got = now_ns();
	pass_time(log);
	pass_time(log);
	give(e, &first_lock);
}

static void write_journal(struct log *log)
{
	struct entry *e = begin(log, 1);

	e->line = __LINE__ + 1;
	pthread_mutex_lock(&second_lock);
	e->got = now_ns();
	pass_time(log);
	give(e, &second_lock);
}

static void *worker(void *arg)
{
	static void (*const sites[])(struct log *) = { read_table, write_table, write_journal };
	struct log *log = arg;

	while (log->cnt < ROUNDS) {
		sites[next_random(log) % 3](log);
		if (next_random(log) % 4 == 0)
			pass_time(log);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 2)
		return 2;
	for (int i = 0; i < THREADS; i++) {
		logs[i].random = i + 1;
		pthread_create(&threads[i], NULL, worker, &logs[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	print_logs(argv[1], &first_lock, &second_lock);
	return 0;
}
