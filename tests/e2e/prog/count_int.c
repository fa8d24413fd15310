/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says "ready", counts SIGINT for half a second after the first one, says how many came, and exits
 * with 40 + that number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count;

static void on_int(int signal)
{
	(void)signal;
	count++;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_int };
	struct timespec rest = { .tv_nsec = 500000000 };

	sigaction(SIGINT, &action, NULL);
	printf("ready\n");
	fflush(stdout);
	while (!count)
		usleep(10000);
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
	printf("count %d\n", (int)count);
	return 40 + count;
}
