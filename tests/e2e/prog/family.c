/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing family, to be attached to: main says "ready" and waits for SIGUSR1; at each it starts
 * three named threads that nap five times, and a child that naps and becomes sleep(1); then it
 * waits for them all and prints "round N". SIGTERM ends it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_US 10000

static void *napper(void *arg)
{
	for (int i = 0; i < 5; i++)
		usleep(NAP_US);
	return arg;
}

static void one_round(void)
{
	pthread_t threads[3];
	pid_t child = fork();

	if (child == 0) {
		usleep(NAP_US);
		execl("/bin/sleep", "sleep", "0.05", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 3; i++) {
		char name[16];

		pthread_create(&threads[i], NULL, napper, NULL);
		snprintf(name, sizeof(name), "napper-%d", i + 1);
		pthread_setname_np(threads[i], name);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	waitpid(child, NULL, 0);
}

int main(void)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	for (int i = 1;; i++) {
		sigwait(&set, &signal);
		one_round();
		printf("round %d\n", i);
		fflush(stdout);
	}
}
