/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the runs of a series came out: which endings there were and in how many runs, which findings,
 * which losses and final values of watched variables, and what so many runs can tell of all runs
 * that there could be.  Pure (analysis/outcomes.c); names are borrowed from the profiles.
 */
#ifndef CT_OUTCOMES_H
#define CT_OUTCOMES_H

#include "ct_diff.h"

/* How sure the bounds of a rate are: they are wrong for one series in twenty. */
#define CT_OUTCOMES_SURE 0.95
#define CT_BINS_MAX 8u /* rows of a distribution, and one more where the zero stands apart */

struct ct_outcome { /* an ending */
	u32 hang;  /* enum ct_hang_kind that it had come to before; CT_HANG_KINDS: none */
	u32 runs;
	u32 first; /* index of the first such run */
};
struct ct_finding_runs {
	u32 kind, severity; /* the highest */
	u32 runs, first;
};
struct ct_bin { /* from <= value <= to */
	i64 from, to;
	u32 runs;
};
struct ct_bins {
	CT_VEC(struct ct_bin) at; /* by value; a gap between two is a bin with no runs */
};
struct ct_variable_runs { /* a watched variable */
	const char *name;
	u32 runs; /* that watched it */
	u32 lost_runs, unguarded_runs;
	u32 first_lost;	     /* index of a run; CT_NONE */
	u32 exact_runs;	     /* that saw every access: their final values are known */
	u32 right_runs;	     /* of them, those that ended with what they should have */
	bool one_expected;   /* they all should have ended with `expected` */
	i64 expected;
	struct ct_bins lost; /* updates by run */
	struct ct_bins last; /* final values */
};
struct ct_outcomes {
	u32 runs; /* that are judged: all but one that was interrupted for no fault of its own */
	CT_VEC(struct ct_outcome) at;		    /* most runs first, then the earliest */
	CT_VEC(struct ct_finding_runs) findings;    /* by kind */
	CT_VEC(struct ct_variable_runs) variables;  /* as the first run has them */
	u32 bad_runs;  /* that ended badly, lost an update or had what --fail-on names */
	u32 first_bad; /* index of the first of them; CT_NONE */
	double least, most; /* of all runs, so large a part may be bad */
};
struct ct_outcomes_in {
	const struct ct_profile *runs;
	u32 cnt;
	bool interrupted;  /* the last one was */
	const bool *found; /* [cnt] it had what --fail-on names; NULL: none */
};
void ct_outcomes__compute(struct ct_outcomes *o, const struct ct_outcomes_in *in);
void ct_outcomes__clear(struct ct_outcomes *o);

/* The hang that a run came to; CT_HANG_KINDS: none. */
enum ct_hang_kind ct_profile__hang(const struct ct_profile *p);

/* Of what was seen in `hits` of `runs` runs, the least and the most frequent that it may be, at
 * CT_OUTCOMES_SURE (Clopper and Pearson, 1934; one-sided where nothing or all was hit: of nothing
 * in N, about 3 / N). */
void ct_rate_bounds(u32 hits, u32 runs, double *least, double *most);

#endif
