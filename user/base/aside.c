/* SPDX-License-Identifier: BSD-2-Clause */
/* Owns a child that closes a descriptor: it shares the table of them. */
#include <signal.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/aside.h"

pid_t ct_aside__close(int fd)
{
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (child > 0)
		return child;
	close(fd);
	if (!child)
		_exit(0);
	return -1;
}
