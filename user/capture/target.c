/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program to run: fork, wait until the probes watch the child, give up root, exec.  Nothing of
 * ctrace reaches the program: signals and their mask, the terminal, descriptors are as they were.
 * Rights are given up in the order groups, gid, uid: after setuid the other two would be refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "capture/capture.h"

static int take_rights(const struct ct_user *as)
{
	if (setgroups(as->group_cnt, as->groups) || setresgid(as->gid, as->gid, as->gid) ||
		setresuid(as->uid, as->uid, as->uid))
		return -errno;
	if (as->home[0])
		setenv("HOME", as->home, 1);
	if (as->name[0]) {
		setenv("USER", as->name, 1);
		setenv("LOGNAME", as->name, 1);
	}
	if (as->shell[0])
		setenv("SHELL", as->shell, 1);
	return 0;
}

static void run_child(char *const argv[], const struct ct_user *as, const sigset_t *mask, int go_fd,
	int error_fd)
{
	char byte;
	ssize_t n;
	int err = 0;

	do
		n = read(go_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1) /* ctrace is gone: nobody would see what happens */
		_exit(125);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (as)
		err = take_rights(as);
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(error_fd, &err, sizeof(err)) != sizeof(err))
		_exit(125);
	_exit(125);
}

int ct_target__fork(struct ct_target *t, char *const argv[], const struct ct_user *as,
	const sigset_t *mask)
{
	int go[2], error[2];

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(error, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return -errno;
	}
	t->pid = fork();
	if (t->pid < 0)
		return -errno;
	if (!t->pid) {
		close(go[1]);
		close(error[0]);
		run_child(argv, as, mask, go[0], error[1]);
	}
	close(go[0]);
	close(error[1]);
	t->go_fd = go[1];
	t->error_fd = error[0];
	return 0;
}

int ct_target__go(struct ct_target *t)
{
	int err = 0;
	ssize_t n;

	if (write(t->go_fd, "", 1) != 1)
		err = -errno;
	close(t->go_fd);
	t->go_fd = -1;
	if (err)
		return err;
	do
		n = read(t->error_fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	close(t->error_fd);
	t->error_fd = -1;
	return n == sizeof(err) ? err : 0;
}
