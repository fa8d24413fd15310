/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/analysis/: recorded work as programs, one for each thread, and the engine that
 * runs them again with one thing changed.  what_if.c chooses the changes and reads the results.
 */
#ifndef CT_REPLAY_H
#define CT_REPLAY_H

#include "ct_findings.h"

enum ct_op_kind {
	CT_OP_COMPUTE, /* arg: ns on a CPU */
	CT_OP_DELAY,   /* arg: ns, and nobody ends it sooner; state: why */
	CT_OP_AWAIT,   /* arg: wait; until its waker has posted it, which may be already */
	CT_OP_POST,    /* arg: wait */
	CT_OP_MEET,    /* arg: round of a barrier; until all of it are there */
	CT_OP_ACQUIRE, /* arg: lock */
	CT_OP_RELEASE, /* arg: lock */
	CT_OP_SPAWN,   /* arg: thread */
};
struct ct_op {
	u64 kind : 4;  /* enum ct_op_kind */
	u64 state : 6; /* DELAY, AWAIT: enum ct_state */
	u64 arg : 54;
};

struct ct_work {
	const struct ct_model *m;
	CT_VEC(struct ct_op) ops;
	u32 *first;	 /* op of each thread; [threads] is a sentinel */
	ct_ns *cpu_ns;	 /* [threads]: sum of its COMPUTE */
	u32 *round_size; /* threads that meet in a round */
	u32 round_cnt;
	bool *is_lock;	  /* [locks]: replayed as a lock: ACQUIRE and RELEASE */
	ct_ns work_ns;	  /* from the run's start to the last recorded op */
	ct_ns latency_ns; /* from a waking to the CPU, when one is free */
};
void ct_work__extract(struct ct_work *w, const struct ct_model *m);
void ct_work__clear(struct ct_work *w);

struct ct_replay_result {
	ct_ns end_ns;	/* the last thread that finished its program; from 0 */
	u32 forced_cnt; /* locks broken open, because nobody could go on */
	u32 stuck_cnt;	/* threads that could not finish */
};
/* Runs the work with `change` (its fields but the results) on `cpus` CPUs; CT_CHANGE_CPUS
 * overrides. */
struct ct_replay_result ct_replay(
	const struct ct_work *w, const struct ct_prediction *change, u32 cpus);

/* States whose time IO_FREE and IO_OVERLAP are about. */
bool ct_is_io(u32 state);

#endif
