/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the threads of running processes do at this moment, from /proc and their memory alone: no
 * BPF. Needs the right to trace them (root, or their owner where the system allows it).
 *
 *     take     every thread: state, system call, futex and owner words
 *     again    the same some time later: who ran in between no longer counts as waiting
 *     stacks   of those who wait, to the symbolizer
 *     write    all of it as the records of a trace
 *
 * A look is not taken at one instant.  What two looks agree on did not change in between, so all of
 * it was true at once, at every moment from start_ns to end_ns.
 */
#ifndef CT_INSPECT_H
#define CT_INSPECT_H

#include "capture/capture.h"

#define CT_PAST_WAITS 6 /* kept of a thread: its last waits for different locks */

struct ct_past_wait {
	ct_ns end_ns; /* it ran again */
	ct_ns start_ns;
	struct ct_block block; /* as it was recorded */
};

struct ct_looked_thread {
	u32 pid, tid;
	u32 inner_tid; /* as the thread sees itself in its pid namespace: what owner words hold */
	char name[CT_NAME_LEN + 1];
	u64 switches;
	u64 voluntary; /* of them, in the first look */
	bool waits;    /* stood still in a system call; else `wait` is void */
	bool at_mutex; /* the futex word has glibc's mutex around it, with the owner in it */
	bool owner_ended;
	bool rests;	   /* stood in a system call at every look, but ran in between */
	u32 woken_cnt;	   /* between the first look and the last */
	u32 resting_stack; /* where it rests; 0: unknown */
	u32 outside; /* tid that holds what it waits for, of a process not looked at; 0: none */
	struct ct_found wait;
	u64 ip, sp;
	ct_ns since_ns; /* it waits since then; 0: since before all this.  Not filled in here */
	u32 past_cnt;
	struct ct_past_wait past[CT_PAST_WAITS]; /* by time.  Not filled in here */
};

struct ct_look {
	ct_ns start_ns, end_ns; /* what is in here held from then to then */
	bool handles_signals;	/* some process has handlers that another program can set off */
	bool shares_memory;	/* some process shares all its memory with another one */
	CT_VEC(struct ct_looked_thread) threads; /* by process as given, then as /proc lists them */
	struct ct_table *by_tid;		 /* those that were ever listed */
};

/* 0; -ESRCH no such process; -EPERM, -EACCES; -ENOENT: this kernel does not show system calls. */
int ct_look__take(struct ct_look *l, const u32 *pids, u32 pid_cnt);
/* Adds the processes whose threads hold what is waited for here, and theirs in turn, as far as they
 * may be looked at: to be called between take and again. */
void ct_look__follow(struct ct_look *l);
void ct_look__again(struct ct_look *l);
bool ct_look__all_wait(const struct ct_look *l);
bool ct_look__all_rest(const struct ct_look *l); /* or wait */
/* Copies the stacks of those who wait or rest; each gets the next id, which is counted up. */
void ct_look__stacks(struct ct_look *l, struct ct_symbolizer *sym, u32 *stack_id);
/* As records: threads, their past waits, what each does.  Returns the first time in it. */
ct_ns ct_look__write(const struct ct_look *l, struct ct_writer *w);
void ct_look__clear(struct ct_look *l);

/* ---- pieces, also for snapshot.c ---- */
int ct_proc__read(const char *path, char *buf, size_t size); /* as text; 0 or -errno, never empty */
/* What a thread waits for (state is the caller's).  -EAGAIN: it runs. */
int ct_inspect__wait(u32 tid, struct ct_found *st, u64 *ip, u64 *sp, bool *at_mutex);
/* Who has the lock that a thread waits for at this futex, as the lock says now; 0: nobody known. */
u32 ct_inspect__owner(u32 tid, u64 addr, u32 op, u32 val);
/* Copies its stack from sp on and hands it to the symbolizer under this id; false: unreadable. */
bool ct_inspect__stack(struct ct_symbolizer *sym, u32 tid, u32 tgid, u64 ip, u64 sp, u32 id);
u8 ct_inspect__state(char letter); /* of /proc/PID/stat -> enum ct_task_state */
/* fn for each thread of the process; the sum of what it returns, or -errno. */
int ct_inspect__each_thread(u32 pid, int (*fn)(void *arg, u32 tid), void *arg);

#endif
