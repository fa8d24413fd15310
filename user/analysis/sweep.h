/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/analysis: all threads' slices in one pass by time. Each step is a stretch in
 * which no thread changes its state.
 *
 *     ct_sweep__init(&s, m);
 *     while (ct_sweep__step(&s))
 *             ... s.from_ns, s.to_ns, s.in_state[CT_RUNNING] ...
 *     ct_sweep__clear(&s);
 *
 * O(slices x log threads) time, O(threads) memory.  Stretches of no length are not shown; `changed`
 * is called for every change, also for those.
 */
#ifndef CT_SWEEP_H
#define CT_SWEEP_H

#include "ct_model.h"

struct ct_sweep {
	const struct ct_model *m;
	ct_ns from_ns, to_ns;	 /* the stretch */
	u32 in_state[CT_STATES]; /* threads */
	/* A thread goes from one slice to the next at s->to_ns; CT_NONE: it begins, it ends. */
	void (*changed)(struct ct_sweep *s, u32 thread, u32 old_slice, u32 new_slice);
	void *arg; /* of changed */
	struct ct_sweep_cursor {
		ct_ns at_ns; /* of the next change */
		u32 thread;
		u32 slice; /* that begins then; slices.cnt: the thread ends */
	} *heap;
	u32 heap_cnt;
};
void ct_sweep__init(struct ct_sweep *s, const struct ct_model *m);
bool ct_sweep__step(struct ct_sweep *s); /* false: everything is over */
void ct_sweep__clear(struct ct_sweep *s);

#endif
