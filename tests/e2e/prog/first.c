/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose first instructions are what a test looks for: no C runtime starts it (build it
 * -static -nostartfiles); it sleeps NAP_MS at once, three times, and exits with status 9.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS 30

void _start(void)
{
	static const struct timespec nap = { .tv_nsec = NAP_MS * 1000000L };

	for (int i = 0; i < 3; i++)
		syscall(SYS_nanosleep, &nap, 0);
	syscall(SYS_exit_group, 9);
}
