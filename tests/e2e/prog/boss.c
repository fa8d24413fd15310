/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not a blocked event loop, though it looks like one: the boss rests in poll, gives a job to a pool
 * and waits for the result.  The next job comes when this one is done: whoever rests meanwhile is
 * the boss's own worker, for lack of work.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define JOBS 40
#define WORK_NS 30000000L
#define PAUSE_NS 40000000L

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static int waiting, results, closed;
static int desk[2];

static void rest(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void *worker(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!waiting && !closed)
			pthread_cond_wait(&work, &lock);
		if (!waiting)
			break;
		waiting--;
		pthread_mutex_unlock(&lock);
		rest(WORK_NS); /* asks a database */
		pthread_mutex_lock(&lock);
		results++;
		pthread_cond_signal(&done);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

static void *source(void *arg)
{
	for (int i = 0; i < JOBS; i++) {
		rest(PAUSE_NS);
		if (write(desk[1], "j", 1) != 1)
			perror("write");
	}
	close(desk[1]);
	return arg;
}

/* Waits for a job; 0: there will be none any more. */
static int next_job(void)
{
	struct pollfd ready = { .fd = desk[0], .events = POLLIN };
	char job;

	poll(&ready, 1, -1);
	return read(desk[0], &job, 1) == 1;
}

static void do_job(void)
{
	pthread_mutex_lock(&lock);
	waiting++;
	pthread_cond_signal(&work);
	while (!results)
		pthread_cond_wait(&done, &lock);
	results--;
	pthread_mutex_unlock(&lock);
}

int main(void)
{
	pthread_t workers[WORKERS], from;
	int jobs = 0;

	if (pipe(desk))
		return 1;
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, worker, NULL);
	pthread_create(&from, NULL, source, NULL);
	for (; next_job(); jobs++)
		do_job();
	pthread_mutex_lock(&lock);
	closed = 1;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(from, NULL);
	printf("%d jobs\n", jobs);
	return jobs != JOBS;
}
