/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads that wait for each other's lock for ever, three calls deep. */
#include <pthread.h>

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t right = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static volatile int sink;

__attribute__((noinline)) void inner(pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock); /* inner */
}

__attribute__((noinline)) void outer(pthread_mutex_t *lock, int size)
{
	char room[size];
	room[0] = 1;
	sink = room[size - 1] + room[0];
	inner(lock); /* outer */
}

static void *go_right(void *arg)
{
	pthread_mutex_lock(&left);
	pthread_barrier_wait(&both);
	outer(&right, 100); /* go_right */
	sink = 1;
	return arg;
}

static void *go_left(void *arg)
{
	pthread_mutex_lock(&right);
	pthread_barrier_wait(&both);
	outer(&left, 200); /* go_left */
	sink = 1;
	return arg;
}

int main(void)
{
	pthread_t thread;

	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&thread, NULL, go_right, NULL);
	go_left(NULL);
	return 0;
}
