/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program to run: fork, wait until the probes watch the child, give up root, exec.  Nothing of
 * ctrace reaches the program: signals and their mask, the terminal, descriptors are as they were.
 * Rights are given up in the order groups, gid, uid: after setuid the other two would be refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
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
	int error_fd, bool stop)
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
	if (!err && stop && ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		err = -errno;
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
		run_child(argv, as, mask, go[0], error[1], t->stop);
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

/* ---- up to its first instruction ---- */

/* Where the dynamic linker will jump to; 0: not known. */
static u64 entry_of(pid_t pid)
{
	ElfW(auxv_t) aux;
	char path[64];
	u64 entry = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	f = fopen(path, "re");
	while (f && !entry && fread(&aux, sizeof(aux), 1, f) == 1)
		if (aux.a_type == AT_ENTRY)
			entry = aux.a_un.a_val;
	if (f)
		fclose(f);
	return entry;
}

/* Until it stops with a SIGTRAP; other signals are its own. */
static int await_trap(pid_t pid, int *status)
{
	for (;;) {
		if (waitpid(pid, status, __WALL) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!WIFSTOPPED(*status))
			return -ECHILD;
		if (WSTOPSIG(*status) == SIGTRAP)
			return 0;
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(*status)))
			return -errno;
	}
}

#ifdef __x86_64__

#define BREAK 0xccul /* int3 */
#define BREAK_MASK 0xfful

/* The break has been executed: the thread stands behind it. */
static int step_back(pid_t pid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return -errno;
	regs.rip--;
	return ptrace(PTRACE_SETREGS, pid, NULL, &regs) ? -errno : 0;
}

#else

#define BREAK 0xd4200000ul /* brk #0 */
#define BREAK_MASK 0xfffffffful

static int step_back(pid_t pid)
{
	return 0;
}

#endif

int ct_target__to_entry(pid_t pid, int *status)
{
	int err = await_trap(pid, status); /* of the exec */
	u64 entry = err ? 0 : entry_of(pid);
	long word;

	if (err)
		return err;
	if (!entry)
		return -ENOEXEC;
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)entry, NULL);
	if (errno || ptrace(PTRACE_POKETEXT, pid, (void *)entry,
			     (void *)((word & ~BREAK_MASK) | BREAK)))
		return -errno;
	if (ptrace(PTRACE_CONT, pid, NULL, NULL))
		return -errno;
	err = await_trap(pid, status);
	if (err)
		return err;
	if (ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)word))
		return -errno;
	return step_back(pid);
}

void ct_target__release(pid_t pid)
{
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}
