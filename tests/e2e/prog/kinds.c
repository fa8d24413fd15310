/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kinds FILE   every kind of event that there is, many of each, until FILE exists: threads that
 *              hand a turn to each other, that compute (more of them than CPUs), that change their
 *              name and their CPU, that end at once, and children that are born, become another
 *              program and end
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose;
static volatile int over;
static const char *self;

static void pause_us(long us)
{
	struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static void *hand_over(void *arg)
{
	int me = arg != NULL;

	pthread_mutex_lock(&lock);
	while (!over) {
		while (whose != me && !over)
			pthread_cond_wait(&turn, &lock);
		whose = !me;
		pthread_cond_signal(&turn);
	}
	pthread_cond_signal(&turn);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void *spin(void *arg)
{
	for (volatile unsigned long i = 0; !over; i++)
		if (i % 100000 == 0)
			sched_yield();
	return NULL;
}

/* Futex calls whose results no other event tells: as many as fill a small ring before anybody can
 * look. */
static void be_refused(int times)
{
	static int word;

	while (times--)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

static void *wander(void *arg)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	for (unsigned i = 0; !over; i++) {
		cpu_set_t set;
		char name[16];

		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		sched_setaffinity(0, sizeof(set), &set);
		snprintf(name, sizeof(name), "step-%u", i);
		prctl(PR_SET_NAME, name);
		if (i % 32 == 0)
			be_refused(3000);
		pause_us(200);
	}
	return NULL;
}

static void *nothing(void *arg)
{
	return NULL;
}

static void *breed(void *arg)
{
	while (!over) {
		pthread_t thread;
		pid_t pid = fork();

		if (!pid) {
			execl(self, self, (char *)NULL);
			_exit(1);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		if (!pthread_create(&thread, NULL, nothing, NULL))
			pthread_join(thread, NULL);
		pause_us(500);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*const work[])(void *) = { hand_over, hand_over, wander, breed, spin, spin, spin };
	const int cnt = sizeof(work) / sizeof(work[0]);
	pthread_t threads[sizeof(work) / sizeof(work[0])];

	if (argc != 2) /* a child that has become another program */
		return 0;
	self = argv[0];
	for (int i = 0; i < cnt; i++)
		pthread_create(&threads[i], NULL, work[i], i == 1 ? "" : NULL);
	while (access(argv[1], F_OK))
		pause_us(5000);
	over = 1;
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&turn);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < cnt; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
