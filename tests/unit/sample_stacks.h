/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a sample program (samples/) until it blocks, and taking the registers and stack of each
 * of its threads from outside: what the probes do, without BPF. Needs the right to ptrace one's
 * child.
 */
#ifndef SAMPLE_STACKS_H
#define SAMPLE_STACKS_H

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "symbols/symbolize.h"

#define SITES_MAX 64
#define STACK_BYTES 16384
#define SETTLE_US 10000
#define SETTLE_TRIES 1000

struct site {
	u32 tid;
	char call[64], function[96], file[32];
	u32 line;
};
struct datum {
	char kind[16], name[64];
	u64 addr, offset;
	u32 tid;
};
struct sample {
	pid_t pid;
	FILE *out;
	struct site sites[SITES_MAX];
	u32 site_cnt;
	struct datum data[SITES_MAX];
	u32 datum_cnt;
	u32 tids[SITES_MAX]; /* stack id - 1 -> thread */
	u32 tid_cnt;
};

/* Path of a file beside the test program: build products, and in it the samples. */
static char *sample_path(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	return ct_asprintf("%s/samples/%s", self, name);
}

static void read_truth(struct sample *s, const char *line)
{
	struct site *site = &s->sites[s->site_cnt];
	struct datum *d = &s->data[s->datum_cnt];
	unsigned long long addr = 0;
	unsigned long long offset = 0;
	if (s->site_cnt == SITES_MAX || s->datum_cnt == SITES_MAX)
		return;
	if (sscanf(line, "site %u %63s %95s %31s %u", &site->tid, site->call, site->function,
		    site->file, &site->line) == 5) {
		s->site_cnt++;
		return;
	}
	*d = (struct datum){ 0 };
	sscanf(line, "%15s", d->kind);
	if (sscanf(line, "data %63s %llx %llu", d->name, &addr, &offset) == 3 ||
		sscanf(line, "heap %llx", &addr) == 1 ||
		sscanf(line, "stack %u %llx", &d->tid, &addr) == 2) {
		d->addr = addr;
		d->offset = offset;
		s->datum_cnt++;
	}
}

static bool sample_start(struct sample *s, const char *path)
{
	int ends[2];
	char line[512];
	memset(s, 0, sizeof(*s));
	if (pipe(ends))
		return false;
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execl(path, path, NULL);
		_exit(127);
	}
	close(ends[1]);
	s->out = fdopen(ends[0], "r");
	while (fgets(line, sizeof(line), s->out)) {
		if (!strcmp(line, "ready\n"))
			return true;
		read_truth(s, line);
	}
	return false;
}

static void sample_stop(struct sample *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	if (s->out)
		fclose(s->out);
}

/* State letter of a thread: 'S' when it blocks. */
static char thread_state(pid_t pid, u32 tid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/task/%u/stat", (int)pid, tid);
	FILE *in = fopen(path, "re");
	char *end = in && fgets(text, sizeof(text), in) ? strrchr(text, ')') : NULL;
	if (in)
		fclose(in);
	return end ? end[2] : '?';
}

static bool attach(u32 tid)
{
	int status;
	return !ptrace(PTRACE_ATTACH, (pid_t)tid, NULL, NULL) &&
		waitpid((pid_t)tid, &status, __WALL) == (pid_t)tid;
}

/* Fills in registers and stack; `bytes` has room for STACK_BYTES. */
static bool take_snapshot(pid_t pid, u32 tid, void *bytes, struct ct_snapshot *snap)
{
	struct user_regs_struct regs;
	if (!attach(tid))
		return false;
	*snap = (struct ct_snapshot){ .tid = tid, .tgid = (u32)pid, .bytes = bytes };
#if defined(__x86_64__)
	bool ok = !ptrace(PTRACE_GETREGS, (pid_t)tid, NULL, &regs); /* of 32-bit threads too */
	snap->ip = regs.rip;
	snap->sp = regs.rsp;
	snap->bp = regs.rbp;
#elif defined(__aarch64__)
	struct iovec of_regs = { &regs, sizeof(regs) };
	bool ok = !ptrace(PTRACE_GETREGSET, (pid_t)tid, (void *)NT_PRSTATUS, &of_regs);
	snap->ip = regs.pc;
	snap->sp = regs.sp;
	snap->bp = regs.regs[29];
	snap->lr = regs.regs[30];
#endif
	ssize_t got = 0;
	for (size_t want = STACK_BYTES; ok && got <= 0 && want >= 512; want /= 2) {
		struct iovec to = { bytes, want };
		struct iovec from = { (void *)snap->sp, want }; /* the other's address */
		got = process_vm_readv(pid, &to, 1, &from, 1, 0);
	}
	snap->len = got > 0 ? (u32)got : 0;
	ptrace(PTRACE_DETACH, (pid_t)tid, NULL, NULL);
	return ok && snap->len;
}

static bool settle(const struct sample *s, u32 tid)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		if (thread_state(s->pid, tid) == 'S')
			return true;
		usleep(SETTLE_US);
	}
	return false;
}

/* Hands the stacks of all threads to `take`, with ids from 1 in the order of tids; how many. */
static u32 sample_stacks(
	struct sample *s, void (*take)(void *arg, struct ct_snapshot *snap), void *arg)
{
	char path[64];
	char *bytes = ct_alloc(STACK_BYTES);
	struct dirent **entries = NULL;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)s->pid);
	int n = scandir(path, &entries, NULL, versionsort);
	for (int i = 0; i < n; i++) {
		struct ct_snapshot snap;
		u32 tid = (u32)strtoul(entries[i]->d_name, NULL, 10);
		if (tid && s->tid_cnt < SITES_MAX && settle(s, tid) &&
			take_snapshot(s->pid, tid, bytes, &snap)) {
			s->tids[s->tid_cnt++] = tid;
			snap.id = s->tid_cnt;
			snap.ts = 1000;
			take(arg, &snap);
		}
		free(entries[i]);
	}
	free(entries);
	free(bytes);
	return s->tid_cnt;
}

#endif
