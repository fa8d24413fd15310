/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs side by side: what one run comes to, in figures that another run of the program has too
 * (analysis/profile.c), and what differs between two sides of one or more runs each, beyond the
 * noise (analysis/diff.c).  Pure; names pass through as the traced programs gave them.
 *
 * What belongs together is found by what it is called in the program, never by time, thread ids or
 * addresses:
 *     threads   by role: their name with '*' for its digits, and the function they started in
 *     locks     by name; those without one by kind and the function that waits for them most;
 *               those of an array of more than CT_DIFF_ARRAY as one, "shelf_lock+*"
 *     lines     by function, file, line and reason; a line of the same function that only moved is
 *               the same
 */
#ifndef CT_DIFF_H
#define CT_DIFF_H

#include "ct_findings.h"

enum ct_group {
	CT_GROUP_RUN,	 /* of the run as a whole; no name */
	CT_GROUP_PATH,	 /* critical path, by lock, else by state: adds up to the duration */
	CT_GROUP_THREAD, /* by role and state, all threads of the role together */
	CT_GROUP_LOCK,
	CT_GROUP_LINE, /* by line and reason */
	CT_GROUPS
};
enum ct_unit { CT_UNIT_NS, CT_UNIT_COUNT, CT_UNIT_RATIO, CT_UNITS };

struct ct_figure {
	u32 group; /* enum ct_group */
	u32 unit;  /* enum ct_unit */
	char *name;
	const char *what; /* static: "duration", "running", "waits", "wait", ... */
	double value;
};
struct ct_made { /* a finding of a run */
	u32 kind;     /* enum ct_finding_kind */
	u32 severity; /* enum ct_severity, the highest of its kind */
};
struct ct_watched_run { /* a variable of --watch */
	char *name;
	u32 sharing;   /* enum ct_sharing */
	u32 lost;      /* updates */
	bool complete; /* a counter, and every access was seen: the two below are exact */
	i64 last, expected;
};
struct ct_profile {
	char *program; /* without its directory */
	char *command; /* the same with the arguments */
	bool attached, complete, ended;
	int wait_status;
	u64 lost_events;
	/* Of the CPUs' time, what its threads wanted and others had: runnable, and fewer running
	 * than there are CPUs. */
	double others_share;
	ct_ns duration_ns;
	CT_VEC(char *) labels;
	CT_VEC(struct ct_figure) figures; /* each (group, name, what) once */
	CT_VEC(struct ct_made) made;	  /* each kind once, by kind */
	CT_VEC(struct ct_watched_run) watched;
};
void ct_profile__compute(struct ct_profile *p, const struct ct_facts *f);
void ct_profile__clear(struct ct_profile *p);
/* What the threads and the locks of a run are called in its figures; the caller's. */
char *ct_profile__role(const struct ct_facts *f, u32 thread);
char *ct_profile__lock(const struct ct_facts *f, u32 lock);
/* 0 where the run has no such figure. */
double ct_profile__get(
	const struct ct_profile *p, enum ct_group group, const char *name, const char *what);

/* ---- two sides ---- */
#define CT_DIFF_ARRAY 4

enum ct_noise {
	CT_NOISE_ASSUMED, /* one run a side at least: of a size that is assumed */
	CT_NOISE_RANGES,  /* few runs: their ranges */
	CT_NOISE_RANKS,	  /* enough for a rank test */
	CT_NOISES
};
/* A difference must be larger than this part of the greater value, whatever the runs say.  With one
 * run, or two, nothing tells how much the next one would differ.  The parts of a run vary more than
 * the whole, as what one thread does not wait, another does. */
#define CT_DIFF_ASSUMED_RUN 0.05
#define CT_DIFF_ASSUMED_PART 0.20
#define CT_DIFF_ASSUMED_COUNT 0.50 /* switches and migrations hang on who else wants the CPUs */
#define CT_DIFF_LEAST 0.02
/* Three runs a side are apart by chance once in ten times, but seldom this many times as far as
 * either side's own runs are, or by such a factor from the nearest run of the other side. */
#define CT_DIFF_RANGES 2.0
#define CT_DIFF_FACTOR 3.0
/* ... and, times, than this part of the longer run (with an assumed noise: than that of the run);
 * counts than so many. */
#define CT_DIFF_LEAST_OF_RUN 0.01
#define CT_DIFF_LEAST_COUNT 10
/* Two-sided; not the usual 5 %, for a comparison looks at dozens of figures. */
#define CT_DIFF_RANK_LEVEL 0.01

struct ct_spread {
	double median, least, most;
	bool lossy; /* events were lost, which may have changed it: shown as "~" */
};
struct ct_difference {
	u32 group, unit;
	const char *name; /* as A has it, if A has it */
	const char *name_b;
	const char *what;
	struct ct_spread a, b;
	bool beyond; /* the noise, and large enough to matter */
	/* The noise around A's median, to be drawn: B's median between these does not count. What
	 * lies outside need not either, where a rank test judges; what counts lies outside. */
	double noise_low, noise_high;
};
struct ct_finding_change {
	u32 kind;
	u32 a_severity, b_severity; /* the highest of each side; 0 where it was not made */
	u32 a_runs, b_runs;	    /* in how many it was made */
};
struct ct_diff_side {
	const struct ct_profile *runs;
	u32 cnt;
	u32 attached_cnt, cut_cnt; /* runs that were attached to; that did not end by themselves */
	u32 failed_cnt;		   /* runs that ended with another status than 0 */
	u64 lost_events;
	double others_share; /* mean of the runs' */
};
struct ct_diff {
	struct ct_diff_side a, b;
	enum ct_noise noise;
	bool same_program;
	CT_VEC(struct ct_difference) at; /* by group; in it, largest difference first */
	u32 duration_idx;   /* index of the run's duration */
	/* What changed most in the direction of the duration: of the critical path, a lock's waits,
	 * or a state of threads; CT_NONE: nothing, or the duration did not change. */
	u32 cause_idx;
	u32 wait_idx; /* the wait time of the lock that it is about; CT_NONE */
	/* Whatever became of the duration, the largest other differences: the lock that B waits
	 * less for, the one that it waits more for, the state of threads; CT_NONE */
	u32 lock_less_idx, lock_more_idx, thread_idx;
	CT_VEC(struct ct_finding_change) findings; /* all that were made, most severe first */
	CT_VEC(char *) names;			   /* owned; some of those in `at` */
};
/* The profiles must outlive it; at least one a side. */
void ct_diff__compute(struct ct_diff *d, const struct ct_profile *a, u32 a_cnt,
	const struct ct_profile *b, u32 b_cnt);
void ct_diff__clear(struct ct_diff *d);

enum ct_fate {
	CT_FATE_SAME,
	CT_FATE_GONE, /* made in more than half the runs of A and in none of B's */
	CT_FATE_NEW,
	CT_FATE_RARER,
	CT_FATE_OFTENER,
	CT_FATE_MILDER, /* made as often, with another severity */
	CT_FATE_WORSE,
};
enum ct_fate ct_finding_fate(const struct ct_diff *d, const struct ct_finding_change *c);

/* Chance that values of one kind fall into two groups as unevenly as these by their ranks (exact
 * two-sided test of Wilcoxon, 1945, and Mann and Whitney, 1947; ties have mean ranks).  For more
 * than CT_RANKS_EXACT values 0 or 1: below CT_DIFF_RANK_LEVEL or not, by the normal curve. */
#define CT_RANKS_EXACT 40
double ct_rank_test(const double *a, u32 a_cnt, const double *b, u32 b_cnt);
struct ct_spread ct_spread_of(const double *values, u32 cnt);

#endif
