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
	ct_ns *running_ns;   /* [n]: time with exactly n threads of the program on a CPU */
	u32 cnt;	     /* entries; running_ns[cnt - 1] is the most that ever ran */
	double mean_running; /* mean over the run */
	ct_ns duration_ns;
	ct_ns wait_cpu_ns; /* time with at least one thread runnable and not running */
	/* Alone: exactly one thread ran, a CPU was free for another one, and some thread waited. */
	ct_ns alone_ns;
	ct_ns alone_state_ns[CT_STATES]; /* of it, with some thread in that state; they overlap */
	ct_ns *alone_thread_ns;		 /* of it, time with this thread running; [threads] */
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
struct ct_blame {   /* waiter's time, while owner held the lock */
	u32 waiter; /* thread index */
	u32 owner;  /* thread index; CT_NONE: nobody known held it */
	u32 waits;  /* waits of which a part falls on this owner */
	ct_ns wait_ns;
};
struct ct_contention {
	u32 lock;			/* index into model->locks */
	CT_VEC(struct ct_site) sites;	/* most wait time first */
	CT_VEC(struct ct_blame) blamed; /* most wait time first */
	/* what holders did while others waited */
	ct_ns hold_running_ns, hold_runnable_ns, hold_blocked_ns;
	ct_ns hold_state_ns[CT_STATES]; /* the same by state */
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
	bool signal; /* CT_OTHER, and each of them for a signal */
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

/* ---- how busy the CPUs were with the program's own threads (activity.c) ---- */
struct ct_activity_step {
	ct_ns at_ns;	/* a step begins */
	ct_ns spare_ns; /* up to here: with fewer threads running than there are CPUs */
	bool spare;	/* in this step */
};
struct ct_sole_wait { /* nothing runs, and this thread's wait for the outside is the only one */
	ct_ns ns;     /* sum */
	u32 waits;    /* different ones */
	ct_ns max_ns; /* the longest */
};
struct ct_activity {
	CT_VEC(struct ct_activity_step) steps;
	ct_ns *own_queue_ns; /* [threads] runnable while another of the program's threads had the
				CPU */
	ct_ns crowded_ns;    /* with more than CT_T_CROWD_PER_CPU threads for each CPU */
	double crowd;	     /* mean of threads running or queued meanwhile */
	struct ct_sole_wait *sole; /* [threads] */
	ct_ns cpu_ns;		   /* all threads, running */
	u32 cpus;	 /* that the program could use: those that it did use, at most the run's */
	u64 switches;	 /* all threads, both kinds */
	ct_ns switch_ns; /* what one costs at least, from the trace itself */
	bool switch_measured; /* else: too few short slices, and it is CT_T_SWITCH_COST_MIN_NS */
};
void ct_activity__compute(struct ct_activity *a, const struct ct_model *m);
void ct_activity__clear(struct ct_activity *a);
/* Time in [from, to) in which a CPU was not used by the program.  O(log steps). */
ct_ns ct_activity__spare(const struct ct_activity *a, ct_ns from_ns, ct_ns to_ns);

/* ---- kind of work of a thread (analysis/kind.c) ---- */
enum ct_work_kind {
	CT_WORK_IDLE,
	CT_WORK_CPU,
	CT_WORK_IO,
	CT_WORK_MIXED,
	CT_WORK_WAITING,
	CT_WORK_KINDS
};
/* "idle", "cpu-bound", "io-bound", "mixed", "waiting" */
const char *ct_work_kind_name(enum ct_work_kind k);
enum ct_work_kind ct_thread_kind(const struct ct_thread *t);

/* The same for the whole program, and the way of programming that fits such work. */
enum ct_fit { CT_FIT_SEQUENTIAL, CT_FIT_ASYNC, CT_FIT_THREADS, CT_FIT_PROCESSES, CT_FITS };
const char *ct_fit_name(enum ct_fit f); /* "sequential", "async", "threads", "processes" */
struct ct_program_kind {
	enum ct_work_kind kind;
	enum ct_fit fit;
	ct_ns cpu_ns;	/* thread time running or waiting for a CPU */
	ct_ns io_ns;	/* waiting for devices, networks, pipes */
	ct_ns sleep_ns; /* asleep by its own wish: waiting that overlaps like I/O */
	ct_ns peers_ns; /* waiting for other threads */
	ct_ns rest_ns;	/* event loops and the like with nothing to do */
};
/* a: whose fault the waits for a CPU are; NULL: its own */
void ct_program_kind__compute(
	struct ct_program_kind *k, const struct ct_model *m, const struct ct_activity *a);

/* ---- threads that take turns at what they pass round among themselves (analysis/turns.c) ---- */
struct ct_turns {
	u32 lock;	  /* CT_NONE: none do */
	bool interpreter; /* it is the lock of an interpreter */
	u32 threads;	  /* that wait for it now and then */
	u32 turns;	  /* changes from one to another */
	ct_ns alone_ns;	  /* one of them wanted a CPU or had it, nobody else did, others waited */
	ct_ns most_ns;	  /* of it, of the thread that had most */
};
void ct_turns__compute(
	struct ct_turns *t, const struct ct_model *m, const struct ct_contentions *c);
/* No more than one thread at a time: others do not help such work, processes do. */
void ct_program_kind__turns(struct ct_program_kind *k, const struct ct_turns *t);

/* ---- critical path: what made the run as long as it was (analysis/critical_path.c) ---- */
struct ct_path_segment {
	ct_ns start_ns, end_ns;
	u32 thread;
	u32 state; /* enum ct_state of the thread */
	u32 lock;  /* blocked on a lock: that one; else the lock that this thread held meanwhile and
		      that the path's next thread waited for; CT_NONE */
	u32 frame; /* where it waits; running: where a sample found it; 0: unknown */
};
struct ct_path_share {
	ct_ns ns;
	u32 thread, state, lock, frame;
	u32 threads; /* reasons: how many; `thread` is the one with most */
};
struct ct_critical_path {
	/* of the run; what the segments, the shares and the lines each add up to */
	ct_ns duration_ns;
	/* by time; each begins where the one before ends */
	CT_VEC(struct ct_path_segment) segments;
	CT_VEC(struct ct_path_share) shares;  /* by (thread, state, lock), most first; no frame */
	CT_VEC(struct ct_path_share) reasons; /* by (state, lock), most first */
	CT_VEC(struct ct_path_share) lines;   /* by (frame, state, lock), most first; no thread */
};
void ct_critical_path__compute(struct ct_critical_path *p, const struct ct_model *m);
void ct_critical_path__clear(struct ct_critical_path *p);

/* ---- what-if: the recorded work replayed with one thing changed (analysis/what_if.c) ---- */
enum ct_change {		  /* explicit: exports and their readers know these numbers */
	CT_CHANGE_NONE = 0,	  /* the replay itself: the baseline */
	CT_CHANGE_LOCK_FREE = 1,  /* nobody waits for the lock */
	CT_CHANGE_LOCK_SPLIT = 2, /* `parts` locks in its place, each use takes one of them */
	CT_CHANGE_CPUS = 3,	  /* `parts` CPUs; 0: as many as there are threads */
	CT_CHANGE_IO_FREE = 4,	  /* I/O and sleeps take no time */
	CT_CHANGE_IO_OVERLAP = 5, /* they take as long, but no thread stops for them */
	CT_CHANGE_HALF_WORK = 6,  /* `thread` computes half as long */
	CT_CHANGE_EVEN_WORK = 7,  /* the threads of its role share the computing evenly */
	CT_CHANGES
};
struct ct_prediction {
	enum ct_change change;
	u32 lock, thread; /* CT_NONE where the change has none */
	u32 parts;
	ct_ns duration_ns; /* the run would have taken about this */
	ct_ns least_ns;	   /* and no less than this, as far as the recording tells */
	ct_ns saves_ns;	   /* so the change saves at most this; 0: nothing, or it costs */
	double speedup;	   /* recorded duration / duration_ns */
};
struct ct_what_if {
	ct_ns duration_ns;     /* of the recorded run */
	ct_ns baseline_ns;     /* of its replay with nothing changed */
	double baseline_error; /* of that against the recorded work: -0.1: a tenth too short */
	u32 forced_cnt;	       /* locks the replay broke open: holders were inferred wrongly */
	u32 cpus;	       /* of the replay; fewer than the run's if others kept some busy */
	bool usable;	       /* false: the replay differs too much, nothing is predicted */
	CT_VEC(struct ct_prediction) at; /* most saved first */
};
void ct_what_if__compute(struct ct_what_if *w, const struct ct_model *m);
void ct_what_if__clear(struct ct_what_if *w);

/* ---- who waits for whom, and who will for ever (analysis/wait_graph.c) ---- */
struct ct_wait_node { /* a thread at a moment */
	u32 wait;  /* index of the wait it is in, if only a thread can end it; CT_NONE: it does not
		      wait, or in a way that time, a device or another program may end */
	u32 owner; /* thread that must act first: it holds the lock, or is joined; CT_NONE: unknown,
		      or whoever comes (condition variable, semaphore, barrier) */
};
struct ct_wait_graph {
	ct_ns at_ns;
	struct ct_wait_node *nodes; /* [model->threads.cnt] */
	u32 cnt;
};
/* O(threads * log of what each has). */
void ct_wait_graph__compute(struct ct_wait_graph *g, const struct ct_model *m, ct_ns at_ns);
void ct_wait_graph__clear(struct ct_wait_graph *g);

enum ct_hang_kind {
	CT_HANG_DEADLOCK,  /* a ring of threads, each waits for the next; one alone: for itself */
	CT_HANG_ABANDONED, /* threads wait for a lock whose owner has ended */
	CT_HANG_STUCK,	   /* all threads of a process wait for what only one of them could do */
	CT_HANG_KINDS
};
const char *ct_hang_id(enum ct_hang_kind k); /* "deadlock", "abandoned-lock", "stuck" */
struct ct_hang_member {
	u32 thread;
	u32 wait;  /* that it is in */
	u32 owner; /* for whom: DEADLOCK: the next member; ABANDONED: who has ended; STUCK: CT_NONE,
		      or the thread it joins */
	/* DEADLOCK: lock that it has and the member before it wants; CT_NONE: is joined */
	u32 holds;
	u32 took;  /* last wait of its own for that lock; CT_NONE: it took it without one, or before
		      the recording */
};
struct ct_hang {
	u32 kind;    /* enum ct_hang_kind */
	u32 process; /* of the first member */
	/* it held from the last one's going to wait until the first was ended */
	ct_ns since_ns, until_ns;
	bool since_before; /* it held already when recording began */
	bool to_end;	   /* until the recording ended; else until the program was ended */
	bool seen;	   /* false: events were lost meanwhile */
	CT_VEC(struct ct_hang_member) members; /* DEADLOCK: in order of the ring; else by thread */
	CT_VEC(u32) behind; /* waits of other threads that wait for a member, if by way of others */
};
struct ct_hangs {
	CT_VEC(struct ct_hang) at; /* by since_ns, kind, first thread */
};
/* O(waits), and O(threads) for each of at most CT_HANG_MOMENTS moments. */
#define CT_HANG_MOMENTS 64
void ct_hangs__compute(struct ct_hangs *h, const struct ct_model *m);
void ct_hangs__clear(struct ct_hangs *h);

/* ---- watched variables: who shares what, and how (analysis/sharing.c) ---- */
enum ct_sharing {
	CT_SHARE_UNTOUCHED,
	CT_SHARE_ONE_THREAD,
	CT_SHARE_HANDED_ON, /* one thread at a time: it ended, created or woke the next one */
	CT_SHARE_READ_ONLY, /* by several, and not written since: immutable after its start */
	CT_SHARE_ONE_WRITER, /* others read, with no lock */
	CT_SHARE_ATOMIC,     /* all writes are atomic instructions */
	CT_SHARE_GUARDED,    /* a lock was held at each access since it is shared */
	CT_SHARE_GUARDED_WRITES, /* at each write; some read without it */
	CT_SHARE_MIXED,		 /* several write, no lock in common, and yet in order */
	CT_SHARE_UNGUARDED,
	CT_SHARINGS
};
const char *ct_sharing_id(enum ct_sharing s); /* "guarded" */
struct ct_sharer {
	u32 thread;
	u64 reads, writes; /* an instruction that does both counts as both */
};
struct ct_lost { /* touches: an update that was lost, from its reading on */
	u32 read, foreign, write; /* an old value; what another thread wrote; what went over it */
};
struct ct_shared {
	u32 watched; /* index into model->watched */
	u32 sharing; /* enum ct_sharing */
	u64 reads, writes, unknown;
	u64 locks, write_locks; /* slots held at all accesses, plain writes, of a phase */
	u64 shown_locks;	/* what guards it, if anything does */
	CT_VEC(struct ct_sharer) users; /* by first access */
	u32 racy[2];	 /* touches: plain writes of two threads, no lock in common; CT_NONE */
	bool unclear;	 /* MIXED, and perhaps by locks or messages that leave no trace */
	/* writes that put away what others had written since their thread read; where none was
	 * caught and some are missing at the end (is_short): how many are missing */
	u32 lost;
	CT_VEC(struct ct_lost) losses; /* each of them, by the time of its write */
	u32 witness[4];	 /* touches, by time: the shortest interleaving seen */
	u32 witness_cnt; /* 3: what the other thread had read was not seen; 0: nothing is lost */
	u32 witness_rank;
	bool complete;	 /* every access was seen: the three below are exact; else, of a variable
			  * that is_short, the first and the expected one may be less far on than
			  * they were */
	i64 first, last; /* values */
	i64 expected;	 /* the last value, had every thread's change counted: of a counter */
	bool counter;	 /* all changes are sums (analysis/counting.c): `expected` has a meaning */
	double delta;	 /* what every change adds; 0: they differ */
	bool is_short;	 /* for certain: the last value is short of the expected one */
	u64 undone;	 /* so many changes of `delta` are missing; 0: not known */
	u32 guarded_lost; /* of the lost: by accesses that each had a common lock, or were atomic */
	u64 half_locks;	 /* those locks */
	bool half_atomic;
	u32 set_late;	 /* touch: set after who reads it had begun, and no lock; CT_NONE */
};
struct ct_sharings {
	CT_VEC(struct ct_shared) at; /* as model->watched */
};
void ct_sharing__compute(struct ct_sharings *l, const struct ct_model *m);
void ct_sharing__clear(struct ct_sharings *l);
/* What came of a run, for the distribution over many: lost updates of all variables together. */
u64 ct_sharing__lost(const struct ct_sharings *l);

/* ---- findings: what costs time, and what to do about it (analysis/findings.c) ---- */
enum ct_finding_kind { /* a row of the table in findings.c each; the order breaks ties of cost */
	CT_FIND_DEADLOCK,
	CT_FIND_ABANDONED_LOCK,
	CT_FIND_STUCK,
	CT_FIND_LOST_UPDATE,
	CT_FIND_UNPROTECTED_SHARING,
	CT_FIND_PRIORITY_INVERSION,
	CT_FIND_LOCK_HELD_WHILE_BLOCKED,
	CT_FIND_THUNDERING_HERD,
	CT_FIND_LOCK_CONTENTION,
	CT_FIND_LOCK_CONVOY,
	CT_FIND_SERIALIZED,
	CT_FIND_BUSY_WAIT,
	CT_FIND_BLOCKED_EVENT_LOOP,
	CT_FIND_ASYNC_ON_CPU_WORK,
	CT_FIND_WAITING_NOT_OVERLAPPED,
	CT_FIND_IMBALANCE,
	CT_FIND_SWITCH_STORM,
	CT_FIND_OVERSUBSCRIBED,
	CT_FIND_HEALTHY,
	CT_FIND_IO_BOUND,
	CT_FIND_CPU_BOUND,
	CT_FINDINGS
};
const char *ct_finding_id(enum ct_finding_kind k);	 /* "lock-contention" */
const char *ct_finding_lesson(enum ct_finding_kind k);	 /* in the course's words; "" */
enum ct_finding_kind ct_finding_kind_of(const char *id); /* CT_FINDINGS: no such id */

enum ct_severity { CT_SEV_INFO, CT_SEV_LOW, CT_SEV_MEDIUM, CT_SEV_HIGH, CT_SEVERITIES };
const char *ct_severity_name(enum ct_severity s); /* "info", "low", "medium", "high" */

struct ct_finding {
	u8 kind;     /* enum ct_finding_kind */
	/* enum ct_severity; of a consequence at most low: its cause carries the weight */
	u8 severity;
	bool seen;   /* false: inferred */
	ct_ns cost_ns; /* wall time that is lost to it at most; of info rows: that it is about */
	double share;  /* cost_ns / the run's duration */
	u32 hang;      /* index into hangs: threads that wait for ever; CT_NONE */
	u32 watched;   /* index into watched and sharing: a wrong value, not a cost; CT_NONE */
	u32 cause;     /* index of the finding that this one follows from; CT_NONE */
	CT_VEC(u32) threads; /* indices, those concerned most first */
	CT_VEC(u32) locks;   /* indices */
	CT_VEC(u32) frames;  /* the lines, most concerned first */
	/* Text from the traced program passes through as it is: exporters make it harmless.  Hangs
	 * have their words from whoever prints them (export/hang_text.c), here they are NULL. */
	char *title, *evidence, *advice;
	/* Of the searches: what is in the lists above, by list, once they are long; NULL. */
	struct ct_table *known;
	u32 known_cnt[3];
};
struct ct_finding_list {
	/* most cost first, a consequence after its cause; info last */
	CT_VEC(struct ct_finding) at;
};
struct ct_facts;
/* Needs all other facts.  O(slices x log threads + waits + samples). */
void ct_findings__compute(struct ct_finding_list *l, const struct ct_facts *f);
/* Did some program get more rights by exec, and run on unrecorded? */
bool ct_is_let_go(const struct ct_model *m);
/* Why nothing follows from a finding that was not made: a sentence's end, as in "no verdict: WHY";
 * NULL: it does follow.  ("The trace does not tell", of rules and of --fail-on.) */
const char *ct_findings__doubt(const struct ct_facts *f);
/* Those about threads that wait for ever alone: all that a look at one moment can find. */
void ct_findings__of_hangs(struct ct_finding_list *l, const struct ct_facts *f);
void ct_findings__clear(struct ct_finding_list *l);

/* The figures that the findings are judged by. */
struct ct_threshold {
	const char *name;
	u64 value;
	const char *unit, *reason;
};
extern const struct ct_threshold ct_thresholds[]; /* ends with name == NULL */

/* ---- all of them, for exporters ---- */
struct ct_facts {
	const struct ct_model *m;
	struct ct_parallelism parallelism;
	struct ct_contentions contentions;
	struct ct_lines lines;
	struct ct_wakers wakers;
	struct ct_activity activity;
	struct ct_program_kind kind;
	struct ct_turns turns;
	struct ct_critical_path path;
	struct ct_what_if what_if;
	struct ct_hangs hangs;
	struct ct_sharings sharing;
	struct ct_finding_list findings;
};
void ct_facts__compute(struct ct_facts *f, const struct ct_model *m);
void ct_facts__clear(struct ct_facts *f);

#endif
