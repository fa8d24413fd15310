/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the analyses return: pure functions of a const model, no strings for people.  Each result is
 * owned by the caller and freed with the function beside it.  Sorting always has a full tie-break.
 */
#ifndef CT_FINDINGS_H
#define CT_FINDINGS_H

#include "ct_model.h"

/* ---- parallelism: how many threads ran at once (analysis/parallelism.c) ---- */
struct ct_parallelism {
	ct_ns *running_ns; /* [n]: time with exactly n threads of the program on a CPU */
	u32 cnt;	   /* entries; running_ns[cnt - 1] is the most that ever ran */
	double mean_running; /* mean over the run */
	ct_ns duration_ns;
	ct_ns wait_cpu_ns; /* time with at least one thread runnable and not running */
};
void ct_parallelism__compute(struct ct_parallelism *p, const struct ct_model *m);
void ct_parallelism__clear(struct ct_parallelism *p);

/* ---- contention: locks by what they cost (analysis/contention.c) ---- */
struct ct_site { /* a line that waits for a lock */
	u32 frame;
	u32 waits;
	ct_ns wait_ns;
	ct_ns max_ns;
};
struct ct_blame { /* waiter's time, while owner held the lock */
	u32 waiter;  /* thread index */
	u32 owner;   /* thread index; CT_NONE: nobody known held it */
	u32 waits;   /* waits of which a part falls on this owner */
	ct_ns wait_ns;
};
struct ct_contention {
	u32 lock; /* index into model->locks */
	CT_VEC(struct ct_site) sites;	    /* most wait time first */
	CT_VEC(struct ct_blame) blamed;	    /* most wait time first */
	ct_ns hold_running_ns, hold_runnable_ns, hold_blocked_ns; /* what holders did while others waited */
	ct_ns hold_state_ns[CT_STATES];	    /* the same by state */
};
struct ct_contentions {
	CT_VEC(struct ct_contention) at; /* most wait time first; locks with no wait are left out */
};
void ct_contention__compute(struct ct_contentions *c, const struct ct_model *m);
void ct_contention__clear(struct ct_contentions *c);

/* ---- waits by line and reason (analysis/lines.c) ---- */
struct ct_line_wait {
	u32 frame; /* 0: unknown */
	u32 state; /* enum ct_state */
	u32 waits;
	ct_ns wait_ns, max_ns;
	u32 threads; /* how many different threads waited there */
};
struct ct_lines {
	CT_VEC(struct ct_line_wait) at; /* most wait time first */
};
void ct_lines__compute(struct ct_lines *l, const struct ct_model *m);
void ct_lines__clear(struct ct_lines *l);

/* ---- who woke whom (analysis/wakers.c) ---- */
struct ct_waker_pair {
	u32 waker, wakee; /* thread indices; waker CT_NONE: interrupt, other program */
	u32 cnt;
	ct_ns ended_ns; /* blocked time that these wakes ended */
};
struct ct_wakers {
	CT_VEC(struct ct_waker_pair) at; /* most blocked time first */
};
void ct_wakers__compute(struct ct_wakers *w, const struct ct_model *m);
void ct_wakers__clear(struct ct_wakers *w);

/* ---- kind of work of a thread (analysis/kind.c) ---- */
enum ct_work_kind { CT_WORK_IDLE, CT_WORK_CPU, CT_WORK_IO, CT_WORK_MIXED, CT_WORK_WAITING, CT_WORK_KINDS };
const char *ct_work_kind_name(enum ct_work_kind k); /* "idle", "cpu-bound", "io-bound", "mixed", "waiting" */
enum ct_work_kind ct_thread_kind(const struct ct_thread *t);

/* ---- all of them, for exporters ---- */
struct ct_facts {
	const struct ct_model *m;
	struct ct_parallelism parallelism;
	struct ct_contentions contentions;
	struct ct_lines lines;
	struct ct_wakers wakers;
};
void ct_facts__compute(struct ct_facts *f, const struct ct_model *m);
void ct_facts__clear(struct ct_facts *f);

#endif
