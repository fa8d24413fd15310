/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor: what it costs to have a BPF program on the tracepoints that ctrace uses, when the
 * program does nothing. empty switch|calls PROGRAM ARGS...: as --futex=switch (the scheduler's
 * tracepoints), or as --futex=calls (and the end of futex(2)); runs the program, and ends with it.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const scheduler[] = { "sched_switch", "sched_waking", "sched_wakeup_new",
	"sched_migrate_task", "sched_process_fork", "sched_process_exec", "sched_process_exit",
	"task_rename" };

static void fail(const char *what)
{
	fprintf(stderr, "empty: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int load_nothing(enum bpf_prog_type type)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "nothing", "Dual BSD/GPL", nothing, 2, NULL);

	if (fd < 0)
		fail("cannot load a program that does nothing");
	return fd;
}

static int tracepoint_id(const char *path)
{
	int id = -1;
	FILE *f = fopen(path, "r");

	if (f && fscanf(f, "%d", &id) != 1)
		id = -1;
	if (f)
		fclose(f);
	return id;
}

/* One event is enough: its program runs on every CPU. */
static void attach_to_futex(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr),
		.config = (__u64)tracepoint_id(
			"/sys/kernel/tracing/events/syscalls/sys_exit_futex/id") };
	int prog = load_nothing(BPF_PROG_TYPE_TRACEPOINT);
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) ||
		ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		fail("cannot attach to sys_exit_futex");
}

int main(int argc, char **argv)
{
	int status, prog;
	pid_t child;

	if (argc < 3 || (strcmp(argv[1], "switch") && strcmp(argv[1], "calls"))) {
		fprintf(stderr, "usage: empty switch|calls PROGRAM ARGS...\n");
		return 2;
	}
	prog = load_nothing(BPF_PROG_TYPE_RAW_TRACEPOINT);
	for (size_t i = 0; i < sizeof(scheduler) / sizeof(scheduler[0]); i++)
		if (bpf_raw_tracepoint_open(scheduler[i], prog) < 0)
			fail(scheduler[i]);
	if (!strcmp(argv[1], "calls"))
		attach_to_futex();
	child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		fail(argv[2]);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
