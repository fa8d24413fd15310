/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a watched variable a counter (or a balance, a level): are all its changes sums, so that it can
 * be said what it should have come to?  See counting.c for the rule.
 */
#ifndef CTRACE_ANALYSIS_COUNTING_H
#define CTRACE_ANALYSIS_COUNTING_H

#include "ct_model.h"

#define CT_DELTAS_MAX 8u
#define CT_WRITERS_MAX 32u /* instructions; more: no counter */

struct ct_deltas {
	double at[CT_DELTAS_MAX];
	u32 cnt; /* CT_DELTAS_MAX + 1: more */
};
struct ct_count_place { /* an instruction that writes */
	u64 ip;
	struct ct_deltas found; /* from what was there right before */
	struct ct_deltas read;	/* from what its thread had read before */
	double first;		/* values it left, to tell three apart */
	double second;
	u32 values;
	bool update;   /* reads and writes at once */
	bool exchange; /* puts what follows from an older reading, atomically */
};
struct ct_counting {
	struct ct_count_place at[CT_WRITERS_MAX];
	u32 cnt;
	bool set; /* to what does not follow from any reading, while others use it */
	bool counter;
	bool up, down;
	double delta; /* of every change; 0: they differ */
};
void ct_counting__learn(
	struct ct_counting *c, const struct ct_model *m, const struct ct_watched *w);
bool ct_counting__exchanges(const struct ct_counting *c, u64 ip);
/* Is the last value seen the last one, and was every value that was read left by someone seen? */
bool ct_counting__is_settled(const struct ct_model *m, const struct ct_watched *w);

#endif
