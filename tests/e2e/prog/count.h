/* SPDX-License-Identifier: BSD-2-Clause */
/* What count.bpf.c and count.c share.  Nothing of ctrace's own. */
#ifndef COUNT_H
#define COUNT_H

/* futex(2) and its younger relatives */
enum { COUNT_CLASSIC, COUNT_WAITV, COUNT_WAKE, COUNT_WAIT, COUNT_REQUEUE, COUNT_CALLS };

struct count_config {
	char name[16];
	unsigned long long tick; /* address of the function that perf's timers call */
	long long active_from_rq; /* bytes from a CPU's run queue to its bpf_prog_active */
	int calls[COUNT_CALLS];	 /* their numbers */
};

/* As the kinds of events are called in a trace, but for the last two. */
enum {
	COUNT_TASK_NEW,
	COUNT_TASK_NAME,
	COUNT_TASK_EXEC,
	COUNT_TASK_EXIT,
	COUNT_TASK_COUNTS,
	COUNT_SWITCH,
	COUNT_BLOCK,
	COUNT_WAKING,
	COUNT_MIGRATE,
	COUNT_FUTEX,
	COUNT_SAMPLE,
	COUNT_REFUSED, /* ticks at which the kernel runs no program of a perf event */
	COUNT_UNKNOWN, /* threads that found no room here: the count is worth nothing */
	COUNT_END,
};

#endif
