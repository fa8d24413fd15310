/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the findings: what their searches share.  A search looks at the facts, and for each
 * thing that it finds calls ct_found__new() and fills in cost, threads, locks, lines and words;
 * findings.c judges severity, links causes and ranks.  Files by family: findings_locks.c,
 * findings_herd.c, findings_priority.c, findings_loops.c, findings_waits.c, findings_cpu.c,
 * findings_spin.c, findings_turns.c, findings_watch.c; findings_fold.c makes one of many alike.
 */
#ifndef CT_FINDINGS_INT_H
#define CT_FINDINGS_INT_H

#include "ct_findings.h"

/* ---- thresholds (thresholds.c): each one named, with its reason, in one table ---- */
enum ct_threshold_id {
	CT_T_COST_SHARE,
	CT_T_COST_MS,
	CT_T_MEDIUM_SHARE,
	CT_T_HIGH_SHARE,
	CT_T_LOSS_SHARE,
	CT_T_WAKE_LATENCY_US,
	CT_T_HELD_SHARE,
	CT_T_CONVOY_BUSY_SHARE,
	CT_T_CONVOY_HOLD_US,
	CT_T_CONVOY_WAITS,
	CT_T_STARVED_SHARE,
	CT_T_SERIAL_SHARE,
	CT_T_SERIAL_RUNNING,
	CT_T_TAKER_SHARE,
	CT_T_TURNS,
	CT_T_TURN_INSIDE,
	CT_T_TURN_MOST,
	CT_T_TURN_US,
	CT_T_KEY_INSIDE,
	CT_T_PERMITS,
	CT_T_HERD_WOKEN,
	CT_T_HERD_GAP_US,
	CT_T_HERD_WORK_US,
	CT_T_HERD_BACK_SHARE,
	CT_T_HERD_TIMES,
	CT_T_LOOP_TURNS,
	CT_T_LOOP_STALL_MS,
	CT_T_LOOP_STALLS,
	CT_T_LOOP_REST_SHARE,
	CT_T_LOOP_BURST_MS,
	CT_T_SEQUENCE_WAITS,
	CT_T_SEQUENCE_SHARE,
	CT_T_SWITCH_SHARE,
	CT_T_SWITCH_COST_MIN_NS,
	CT_T_SWITCH_COST_MAX_NS,
	CT_T_SWITCH_SLICES,
	CT_T_CROWD_PER_CPU,
	CT_T_CROWD_SHARE,
	CT_T_CROWD_OWN_SHARE,
	CT_T_FOREIGN_SHARE,
	CT_T_ROLE_THREADS,
	CT_T_UNEVEN_SHARE,
	CT_T_USED_PERMILLE,
	CT_T_PACE_SHARE,
	CT_T_SPIN_SAMPLES,
	CT_T_SPIN_PLACES,
	CT_T_SPIN_SHARE,
	CT_T_SPIN_TURNS,
	CT_T_INVERSION_WAITS,
	CT_T_FOLD_LOCKS,
	CT_T_FOLD_LISTED,
	CT_THRESHOLDS
};
u64 ct_threshold(enum ct_threshold_id id);
ct_ns ct_threshold_ns(enum ct_threshold_id id); /* by its unit: ns, us, ms */

/* ---- a search ---- */
struct ct_search {
	const struct ct_facts *f;
	const struct ct_model *m;
	ct_ns duration_ns;
	u8 *told;  /* [waits] another finding accounts for this wait already */
	u32 *marks; /* [threads] of ct_marks: in the set, if equal to mark */
	u32 mark;
	struct ct_queue *queues; /* [contentions] of findings_locks.c, when first asked for; NULL */
	u32 *first, *next; /* [threads], [waits]: a thread's waits, by start; CT_NONE */
	u32 *first_ended, *next_ended; /* the same: the waits that a thread ended, by their start */
	struct ct_finding_list *out;
	CT_VEC(char *) scratch; /* of ct_say */
};
/* Valid until the next call, or a change of the list. */
struct ct_finding *ct_found__new(
	struct ct_search *s, enum ct_finding_kind kind, ct_ns cost_ns, bool seen);
void ct_found__thread(struct ct_finding *f, u32 thread); /* each once; CT_NONE and 0 are left out */
void ct_found__lock(struct ct_finding *f, u32 lock);
void ct_found__frame(struct ct_finding *f, u32 frame);
/* A set of threads, for a moment: set says whether it is new in it. */
void ct_marks__clear(struct ct_search *s);
bool ct_marks__set(struct ct_search *s, u32 thread);
bool ct_marks__has(const struct ct_search *s, u32 thread);
/* Is so much time worth being spoken of? */
bool ct_worth(const struct ct_search *s, ct_ns cost_ns);
bool ct_is_share(u64 part, u64 whole, enum ct_threshold_id percent);
u32 ct_slice_find(const struct ct_thread *t, ct_ns at_ns); /* first that ends after at_ns */
/* The same; *near is where it is looked for, and what was found: O(log distance) forwards. */
u32 ct_slice_find_near(const struct ct_thread *t, ct_ns at_ns, u32 *near);
/* Do they do the same: one process, one creator, one start function, names alike? */
/* A wait in the order in which waits ended; the same instant: as in the model. */
struct ct_wait_end {
	ct_ns end_ns;
	u32 wait;
};
int ct_wait_end__compare(const void *a, const void *b); /* for qsort */
bool ct_same_role(const struct ct_model *m, u32 a, u32 b);
bool ct_is_outside(enum ct_state s); /* a sleep, a device, a network: no other thread ends it */

/* Another cost than it was made with, and the severity that goes with it. */
void ct_found__cost(struct ct_search *s, struct ct_finding *f, ct_ns cost_ns);
void ct_finding__clear(struct ct_finding *f);
void ct_findings__fold(struct ct_search *s); /* what is said of many locks is said once */

void ct_find_hangs(struct ct_search *s);
void ct_find_lost_updates(struct ct_search *s);
void ct_find_unprotected(struct ct_search *s);
void ct_find_held_while_blocked(struct ct_search *s);
void ct_find_contention(struct ct_search *s);
void ct_find_held_keys(struct ct_search *s);
void ct_find_turns(struct ct_search *s);
void ct_find_convoy(struct ct_search *s);
void ct_find_serialized(struct ct_search *s);
void ct_find_herd(struct ct_search *s);
void ct_find_priority_inversion(struct ct_search *s);
void ct_find_blocked_loops(struct ct_search *s);
void ct_find_computing_loops(struct ct_search *s);
void ct_find_waits_in_sequence(struct ct_search *s);
void ct_find_storm(struct ct_search *s);
void ct_find_crowd(struct ct_search *s);
void ct_find_imbalance(struct ct_search *s);
void ct_find_spinning(struct ct_search *s);
void ct_find_io_bound(struct ct_search *s);
void ct_find_cpu_bound(struct ct_search *s);
void ct_find_healthy(struct ct_search *s);

/* ---- words (findings_say.c): text that lives as long as the search ---- */
const char *ct_say(struct ct_search *s, const char *fmt, ...) CT_PRINTF(2, 3);
const char *ct_say_ns(struct ct_search *s, ct_ns ns);
const char *ct_say_count(struct ct_search *s, u64 n);
const char *ct_say_share(struct ct_search *s, u64 part, u64 whole);	 /* "97 %", "3.2 %" */
const char *ct_say_ratio(struct ct_search *s, double x);		 /* "1.03" */
const char *ct_say_thread(struct ct_search *s, u32 thread);		 /* "worker-1" */
const char *ct_say_threads(struct ct_search *s, const u32 *at, u32 cnt); /* "a, b and 3 more" */
const char *ct_say_lock(struct ct_search *s, u32 lock);
const char *ct_say_watched(struct ct_search *s, u32 watched);
const char *ct_say_at(struct ct_search *s, u32 frame); /* " at push (queue.c:12)"; "" */
const char *ct_say_does(enum ct_state s);	       /* "sleeps", "waits for the disk" */

#endif
