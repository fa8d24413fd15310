/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/model/: what is known while events are read and forgotten when the model is done.
 * `now` runs beside model->threads, `locks` beside model->locks: same index, same thing. Pushing to
 * an array moves it: no pointer into one is kept across a push.
 */
#ifndef CT_MODEL_INT_H
#define CT_MODEL_INT_H

#include "ct_model.h"

/* include/uapi/linux/futex.h; the newer calls are brought into this form by the probes. */
#define OP_WAIT 0u
#define OP_WAKE 1u
#define OP_REQUEUE 3u
#define OP_CMP_REQUEUE 4u
#define OP_WAKE_OP 5u
#define OP_LOCK_PI 6u
#define OP_UNLOCK_PI 7u
#define OP_WAIT_BITSET 9u
#define OP_WAKE_BITSET 10u
#define OP_WAIT_REQUEUE_PI 11u
#define OP_CMP_REQUEUE_PI 12u
#define OP_LOCK_PI2 13u
#define OP_CMD_MASK 0x7fu
#define OP_PRIVATE 0x80u
#define WORD_WAITERS 0x80000000u
#define WORD_OWNER_DIED 0x40000000u
#define WORD_TID 0x3fffffffu

enum doing {
	DOING_UNSURE, /* alive, but nothing says whether it runs, waits or sleeps */
	DOING_RUNNING,
	DOING_RUNNABLE,
	DOING_BLOCKED,
	DOING_ENDED,
};

/* What a wait means for who holds the lock. */
enum role {
	ROLE_NONE,	   /* no lock that has a holder */
	ROLE_OWNER,	   /* wants a mutex */
	ROLE_HEIR,	   /* wants a PI mutex: it owns it from the moment it is woken */
	ROLE_WRITER,	   /* wants a rwlock for itself */
	ROLE_WRITER_PHASE, /* the same, and only readers are in its way */
	ROLE_READER,
};

struct thread_now {
	u8 doing;     /* enum doing */
	/* it has slices: false for ctrace's own child before it becomes the program */
	bool recording;
	bool seen;    /* an event said what it does */
	bool exiting;
	bool runs_at_start; /* a STATE event found it running or runnable */
	bool has_pending;
	bool released; /* since it last woke, it woke somebody from acq_lock */
	/* threads it woke from there since its last recorded wake call */
	u32 woken_lock, woken_cnt;
	u8 role;       /* of the open wait, enum role */
	u32 cpu;       /* where it runs, or ran last */
	/* BLOCKED: the open wait; RUNNABLE: the wait it was woken from, until it runs */
	u32 wait;
	struct ct_wake pending; /* a waking that came while it ran */
	ct_ns run_ns;	/* it last came to a CPU */
	ct_ns was_off_ns; /* and had left one before */
	ct_ns off_ns;	/* it last left a CPU */
	ct_ns exec_ns;	/* it last became another program */
	ct_ns awake_ns; /* CPU time since it first ran after its last sleep */
	u32 acq_lock;	/* lock it may have got since its last sleep, which was for it */
	u32 acq_evidence;
	u32 acq_wait;
	u32 last_wait;	/* the newest of its waits for a lock */
	ct_ns acq_ns;
	u32 last_lock;	/* lock it waited for last, and when it ran again */
	ct_ns last_lock_ns;
};

struct cpu_now {
	u32 thread; /* who runs here; CT_NONE: none of the traced, or not known */
	ct_ns switch_ns; /* the last switch seen here */
};

enum evidence_kind {
	EV_VOID,
	EV_SEEN, /* the owner word names the thread */
	EV_FREED, /* the thread has just let go: it wakes a waiter */
	/* the thread, woken from its wait, runs and does not wait again: takes it from here on */
	EV_RUN,
	EV_NOT,	 /* the thread does not hold it: it waits for it */
};

struct evidence {
	u64 ts : 60;
	u64 kind : 4; /* enum evidence_kind */
	u32 thread;
	u32 back_ns; /* SEEN, FREED: it cannot have held it for longer than this before ts */
};

struct lock_now {
	u32 queued;    /* waiters now */
	ct_ns busy_ns; /* the queue has not been empty since */
	ct_ns freed_ns; /* last FREED */
	bool held_asleep; /* a holder was seen to sleep, for something else, with it */
	CT_VEC(struct evidence) evidence; /* by time */
};

/* What a stack says, worked out once for each. */
struct stack_now {
	bool known;
	u8 hint;   /* enum hint */
	u32 frame; /* the program's own line */
	u32 start; /* the function the thread started in */
};

enum hint { /* which primitive's functions are on the stack */
	HINT_NONE,
	HINT_MUTEX,
	HINT_BARE_MUTEX, /* whose memory does not tell the owner */
	HINT_RWLOCK,
	HINT_COND,
	HINT_SEM,
	HINT_BARRIER,
	HINT_JOIN,
	HINT_FUTEX, /* known to be none of these */
};

enum sys_class { /* what waiting in a system call means; by number, from its name */
	SYS_OTHER,
	SYS_FUTEX,
	SYS_SLEEP,
	SYS_POLL,
	SYS_FILE, /* depends on the file */
	SYS_NET,
	SYS_DISK,
	SYS_PATH, /* a disk if it cannot be interrupted */
	SYS_CHILD,
	SYS_CLONE, /* a child (vfork) if it cannot be interrupted */
	SYS_SEM,
	SYS_PIPE,
	SYS_MEMORY,
};
#define SYS_CLASS 0x1fu
#define SYS_SENDS 0x80u /* loopback delivers in the sender's context */
#define SYS_CNT 1024u	/* numbers known; the rest are SYS_OTHER */

/* Why a thread sleeps: BLOCK and STATE alike. */
struct sleep {
	u8 state, flags, file;
	u16 nr;
	u32 owner, arg1, arg2, word, stack;
	u64 arg0;
};

/* What reasons.c makes of it. */
struct reason {
	u8 state;     /* enum ct_state */
	u8 lock_kind; /* enum ct_lock_kind, if has_lock */
	u8 role;      /* enum role */
	bool has_lock, shared;
	u64 addr;   /* of the primitive */
	u64 word;   /* of the futex in it */
	u32 owner;  /* thread index or CT_NONE */
	u32 target; /* JOIN */
};

struct watch_now { /* a number of WATCH events */
	bool known, on;
	u64 addr;
	u32 size, tgid, type;
	CT_VEC(struct ct_watch_span) spans; /* the open one ends at 0 */
};

struct build {
	struct ct_model *m;
	const struct ct_names *names;
	bool musl, calls;
	CT_VEC(struct thread_now) now;
	CT_VEC(struct lock_now) locks;
	CT_VEC(struct cpu_now) cpus;
	CT_VEC(struct stack_now) stacks;
	struct ct_table *by_line; /* see frames.c: (function, file, line) -> a frame of it */
	struct ct_table *by_tid;  /* tid -> thread, the newest of that tid */
	struct ct_table *by_pid;  /* pid -> process */
	struct ct_table *by_addr; /* see locks.c */
	struct ct_table *strays;  /* tid nobody introduced -> index in stray_cnt */
	CT_VEC(u32) stray_cnt;	  /* events of it */
	u8 sys[SYS_CNT];	  /* SYS_* by number */
	struct ct_table *by_var; /* (var, process) -> watched */
	CT_VEC(struct watch_now) watch; /* by var */
	ct_ns lost_access_ns; /* newest loss of accesses, whatever variable they were of */
	ct_ns ts;
	u32 late_waits; /* waits that began before they were pushed */
};

/* ---- per-kind handlers: one for each event of the schema, or the build fails ---- */
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	void model_on_##lower(struct build *b, const struct ct_event *e);
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

/* threads.c */
u32 model_thread(struct build *b, u32 tid); /* alive, or CT_NONE */
u32 model_process(struct build *b, u32 pid); /* made when there is none */
void model_stray(struct build *b, u32 tid); /* an event of a thread that nobody introduced */
void model_push_slice(struct build *b, u32 t, ct_ns at, enum ct_state s, u32 wait, u32 flags);
void model_settle_running(struct build *b, u32 t, u32 cpu);
void model_settle_blocked(struct build *b, u32 t);
void model_finish_thread(struct build *b, u32 t, ct_ns at);

/* waits.c */
u32 model_wait_open(struct build *b, u32 t, ct_ns start, const struct sleep *s, u32 flags);
void model_wake(struct build *b, u32 t, ct_ns at, const struct ct_wake *w);
void model_first_run(struct build *b, u32 t);

/* reasons.c */
void model_reasons_init(struct build *b);
void model_reason(struct build *b, u32 t, const struct sleep *s, struct reason *r);
bool model_is_shared(const struct build *b, u32 process, u64 addr, u32 op);
u32 model_sys(const struct build *b, u32 nr); /* SYS_* class and flags */
bool model_is_syscall_name(const char *name); /* without its leading underscores */

/* frames.c */
const struct stack_now *model_stack(struct build *b, u32 stack);

/* locks.c */
u32 model_lock(struct build *b, u32 process, const struct reason *r);
void model_lock_blocked(struct build *b, u32 t, u32 wait, const struct reason *r);
void model_lock_woken(struct build *b, u32 t, u32 wait);
void model_lock_ran(struct build *b, u32 t, u32 wait);

/* touches.c */
void model_touches_finish(struct build *b);
void model_touches_clear(struct build *b);

/* holds.c */
void model_holds(struct build *b, u32 lock);

/* names.c */
void model_number_twins(struct ct_model *m);

/* finish.c */
void model_finish(struct build *b);

#endif
