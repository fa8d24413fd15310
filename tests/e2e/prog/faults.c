/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults forks N     N children, one after the other, each ends at once
 * faults stacks N    N waits from as many different stacks
 * faults beat FILE   two threads hand a turn to each other until FILE exists; then prints "done"
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int forks(int cnt)
{
	for (int i = 0; i < cnt; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	printf("%d children\n", cnt);
	return 0;
}

static void wait_a_bit(void)
{
	struct timespec ns = { .tv_nsec = 1 };

	nanosleep(&ns, NULL);
}

static int right(unsigned path, int depth);

/* each bit of the path is one more frame of either of two functions */
__attribute__((noinline)) static int left(unsigned path, int depth)
{
	if (!depth) {
		wait_a_bit();
		return 0;
	}
	return 1 + (path & 1 ? right(path >> 1, depth - 1) : left(path >> 1, depth - 1));
}

__attribute__((noinline)) static int right(unsigned path, int depth)
{
	if (!depth) {
		wait_a_bit();
		return 0;
	}
	return 2 + (path & 1 ? right(path >> 1, depth - 1) : left(path >> 1, depth - 1));
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose, over;
static const char *until;

static void *beat(void *arg)
{
	int me = arg != NULL;

	pthread_mutex_lock(&lock);
	for (long i = 0; !over; i++) {
		while (whose != me && !over)
			pthread_cond_wait(&turn, &lock);
		whose = !me;
		over |= !me && i % 1000 == 0 && !access(until, F_OK);
		pthread_cond_signal(&turn);
	}
	pthread_cond_signal(&turn);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t other;

	if (argc != 3)
		return 2;
	if (!strcmp(argv[1], "forks"))
		return forks(atoi(argv[2]));
	if (!strcmp(argv[1], "stacks")) {
		int sum = 0;

		for (int i = 0; i < atoi(argv[2]); i++)
			sum += left(i, 16);
		printf("%d\n", sum);
		return 0;
	}
	until = argv[2];
	pthread_create(&other, NULL, beat, "");
	beat(NULL);
	pthread_join(other, NULL);
	puts("done");
	return 0;
}
