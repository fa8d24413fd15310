/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model: what the events of a trace mean.  Threads with gap-free states, locks, waits, wakes.
 * Built once from a ct_source and const afterwards; no I/O, no clock, no environment. All times are
 * ns on the trace's clock; every cross-reference is an index into one of the model's arrays,
 * CT_NONE for "none". A share of what is here is inferred (the holder of a lock between two
 * sightings): each such thing carries a flag.
 */
#ifndef CT_MODEL_H
#define CT_MODEL_H

#include "ct_base.h"
#include "ct_trace.h"

/* State of a thread in a slice. Order is the order of columns and legends; names are the
 * contract's. */
enum ct_state {
	CT_RUNNING,  /* on a CPU */
	CT_RUNNABLE, /* woken or preempted, waits for a CPU (run-queue latency) */
	CT_LOCK,     /* blocked from here on: a mutex */
	CT_RWLOCK,
	CT_COND, /* condition variable */
	CT_SEM,
	CT_BARRIER,
	CT_JOIN,
	CT_FUTEX_OTHER, /* a futex of unknown use (once, other runtimes) */
	CT_SLEEP,
	CT_POLL, /* poll, select, epoll, io_uring: any of several things */
	CT_IO_DISK,
	CT_IO_NET,
	CT_PIPE,  /* pipes, FIFOs */
	CT_CHILD, /* waits for a child process */
	CT_FAULT, /* page fault or the address space's lock */
	CT_STOPPED,
	CT_OTHER,
	CT_STATES
};
const char *ct_state_name(enum ct_state s); /* "running", "lock", "io-disk", ... */
static inline bool ct_state_blocked(enum ct_state s)
{
	return s >= CT_LOCK;
}

#define CT_SLICE_CUT_START 1u /* began before the recording */
#define CT_SLICE_CUT_END 2u   /* had not ended when the recording (or what is left of it) did */
#define CT_SLICE_LOSS 4u      /* events were lost around it: state or end may be wrong */
/* RUNNABLE because the CPU was taken away, not because it was woken */
#define CT_SLICE_PREEMPTED 8u

/* One stretch of one state.  It ends where the thread's next slice starts; the last one ends at the
 * thread's end_ns. */
struct ct_slice {
	ct_ns start_ns;
	/* blocked: index of its ct_wait; RUNNABLE after a wait: that wait; else CT_NONE */
	u32 wait;
	u16 cpu;   /* RUNNING: where; else the CPU it last ran on */
	u8 state;  /* enum ct_state */
	u8 flags;  /* CT_SLICE_* */
};

/* One sleep: from the switch out to the waking. */
struct ct_wait {
	ct_ns start_ns;
	ct_ns end_ns;	/* when it was woken (the waking), or the thread's end when it never was */
	u32 thread;	/* who waits */
	u32 lock;	/* what for; CT_NONE: no futex */
	/* thread that held it when the wait began, as seen in the owner word; CT_NONE: unknown */
	u32 owner;
	u32 waker;	/* thread that ended it; CT_NONE: none of the traced */
	u32 stack;	/* user stack id of the waiter; 0: none */
	u32 target;	/* JOIN: the thread waited for; else CT_NONE */
	u16 nr;		/* syscall; CT_NR_NONE */
	u16 waker_nr;	/* syscall the waker was in */
	u8 state;	/* enum ct_state: the reason */
	u8 file;	/* enum ct_file */
	u8 flags;	/* CT_WAIT_* */
	u8 wake_flags;	/* CT_WAKE_* of the waking */
	u32 frame; /* frame id of the program's line that waits: first frame outside the C library
			   and the language's lock wrappers; 0: unknown */
	u32 fd;		/* descriptor of arg0 when file != CT_FILE_NONE */
};
#define CT_WAIT_TIMED 1u     /* has a timeout */
#define CT_WAIT_WOKEN 2u     /* a waking ended it (else: the recording did) */
/* the same thread waits for the same thing again without having got it */
#define CT_WAIT_SPURIOUS 4u
/* ended by its timeout (seen in the futex result, or a timer woke it) */
#define CT_WAIT_TIMED_OUT 8u
#define CT_WAIT_FOUND 16u    /* it was waiting already when recording began */
#define CT_WAIT_READERS 32u  /* a writer of a rwlock: readers alone are in its way */

enum ct_lock_kind {
	CT_LK_MUTEX,
	CT_LK_RWLOCK,
	CT_LK_COND,
	CT_LK_SEM,
	CT_LK_BARRIER,
	CT_LK_JOIN,
	CT_LK_FUTEX,
	CT_LK_KINDS
};
const char *ct_lock_kind_name(enum ct_lock_kind k); /* "mutex", "rwlock", "cond", ... */

/* Who held a lock when.  Holds of one lock do not overlap (readers of a rwlock are not holds). */
struct ct_hold {
	ct_ns start_ns, end_ns;
	u32 thread;
	u32 flags; /* CT_HOLD_* */
	u32 slice; /* of that thread: the first that ends after start_ns */
};
#define CT_HOLD_SEEN 1u	      /* the owner word named this thread during the stretch */
/* its start is a hand-over that was observed; else it is an upper bound */
#define CT_HOLD_START_SEEN 2u
#define CT_HOLD_END_SEEN 4u   /* its end is an observed release (a wake by the holder) */

struct ct_lock {
	u32 id;	     /* 1, 2, ... in order of first appearance: "L1" */
	/* index of the process; for shared (cross-process) futexes the first one seen */
	u32 process;
	u64 addr;
	u8 kind; /* enum ct_lock_kind */
	bool shared; /* other processes may use it, too (a futex that is not private) */
	bool tells_owner; /* it did once: else all that is known of holders is inferred */
	u8 pad[1];
	u32 twin; /* 1, 2, ... by address: locks that would have one name; 0: the only one */
	u32 max_waiters;
	u32 wait_cnt;	    /* sleeps on it, retries after a lost race included */
	ct_ns wait_ns;	    /* all of them, blocked time only */
	ct_ns max_wait_ns;
	ct_ns runnable_ns;  /* woken from it, but without a CPU */
	u32 wake_cnt;	    /* FUTEX: wake calls on it (0 without futex calls) */
	u32 wake_none_cnt;  /* of them, woke nobody */
	u32 eagain_cnt;	    /* FUTEX: waits refused because the value had changed */
	u32 timeout_cnt;
	CT_VEC(u32) waits;  /* indices of ct_wait, by start */
	CT_VEC(struct ct_hold) holds; /* by time; MUTEX and RWLOCK (writers) */
};

struct ct_thread {
	u32 tid, process; /* process: index */
	u32 parent;	  /* thread index; CT_NONE */
	u32 name;	  /* string id in the model's strings: the last name */
	ct_ns start_ns, end_ns; /* within the recording */
	u32 flags;	  /* CT_THREAD_* */
	u32 exit_code;	  /* as wait(2) */
	ct_ns state_ns[CT_STATES]; /* sums; they add up to end_ns - start_ns */
	/* the kernel's own account of its CPU time during the recording; 0: unknown */
	ct_ns cpu_ns;
	u64 voluntary, involuntary; /* switches recorded */
	u64 kernel_voluntary, kernel_involuntary; /* by the kernel's counters in the same time */
	u64 before_voluntary, before_involuntary; /* before recording began */
	ct_ns before_cpu_ns;
	u32 migrations;
	u32 wakeups;	  /* times it was woken */
	ct_ns runnable_max_ns; /* longest wait for a CPU */
	u32 runnable_cnt;
	u32 start_frame;  /* frame id of the function it started in; 0: unknown */
	u8 prio;
	CT_VEC(struct ct_slice) slices;
	CT_VEC(u32) touches; /* of watched variables: indices of ct_touch, by time */
};
#define CT_THREAD_FOUND 1u     /* existed when recording began */
#define CT_THREAD_ENDED 2u     /* its end was seen; else cut by the end of the recording */
#define CT_THREAD_COUNTED 4u   /* kernel_* are known */
#define CT_THREAD_LOSS 8u      /* events were lost while it lived */
#define CT_THREAD_ROOT 16u
/* it got more rights by exec (set-user-id, file capabilities) and ran on, unrecorded */
#define CT_THREAD_LET_GO 32u

struct ct_process {
	u32 pid;
	u32 name;	/* string id: the leader's last name */
	u32 parent;	/* process index; CT_NONE */
	u32 thread_cnt;
};

struct ct_wake { /* one waking of a thread, also those that ended no sleep */
	ct_ns ts;
	u32 waker; /* thread index; CT_NONE */
	u32 wakee;
	u16 nr;	   /* syscall of the waker */
	u8 flags;  /* CT_WAKE_* */
	u8 pad;
};

struct ct_cpu_sample {
	ct_ns ts;
	u32 thread, stack;
	u32 frame; /* the program's own innermost line, as in ct_wait; 0: none */
	u16 nr;	   /* syscall it was in, CT_NR_NONE: user code */
	u16 cpu;
};

/* ---- watched variables (--watch): model/touches.c ---- */

/* A variable, or 8 bytes of one, in one process: a fork has its own. */
struct ct_watched {
	u32 var;     /* number in the trace */
	u32 process; /* index */
	u64 addr;
	u32 size;    /* bytes: 1, 2, 4 or 8 */
	u32 type;    /* enum ct_watch_value */
	bool gaps;   /* not seen all the time until the end */
	CT_VEC(u32) touches; /* indices of ct_touch, by time */
	CT_VEC(struct ct_watch_span) spans; /* when it was watched, by time */
};
struct ct_watch_span {
	ct_ns start_ns, end_ns;
};

/* One access, as it happened: those of a thread are found with ct_thread.touches. */
struct ct_touch {
	ct_ns ts; /* right after the instruction (arm64: before it) */
	u64 ip;
	u64 before; /* value before a write; valid with CT_ACCESS_BEFORE */
	u64 after;  /* value read, or there after the write */
	u64 locks;  /* bit n: the thread held model->watch_locks.at[n] */
	u32 thread, watched; /* indices */
	u32 stack;	     /* user stack id; 0: none */
	u32 frame;	     /* frame id of the program's line; 0: unknown */
	u16 cpu;
	u8 how;	  /* CT_ACCESS_*; 0: the instruction is not known */
	u8 flags; /* CT_TOUCH_* */
};
/* accesses may be missing between the one before of this variable and this one */
#define CT_TOUCH_GAP 1u
/* its value was read from memory a moment later (arm64: earlier), when another thread may just have
 * written; CT_ACCESS_LATE without this one is as good as exact */
#define CT_TOUCH_VAGUE 4u
#define CT_TOUCH_PART 2u /* of some of its bytes only: what watches more than one thing */

struct ct_watch_lock_seen { /* slot of touch.locks */
	u64 addr;
	ct_ns since_ns; /* accesses before say nothing about it */
	u32 process; /* index; CT_NONE: the slot is not used */
	u32 pad;
};

struct ct_loss_span {
	ct_ns since_ns, until_ns;
	u32 cpu, kind, count;
};

struct ct_model {
	const struct ct_run *run;
	const struct ct_names *names;
	ct_ns start_ns, end_ns; /* of the run */
	struct ct_strtab *strings; /* thread and process names */
	CT_VEC(struct ct_process) processes;
	CT_VEC(struct ct_thread) threads; /* by start, then tid */
	CT_VEC(struct ct_lock) locks;
	CT_VEC(struct ct_wait) waits; /* by start */
	CT_VEC(struct ct_wake) wakes;
	CT_VEC(struct ct_cpu_sample) samples;
	CT_VEC(struct ct_watched) watched; /* by var, then process */
	CT_VEC(struct ct_touch) touches;   /* by time */
	CT_VEC(struct ct_watch_lock_seen) watch_locks; /* by slot */
	bool ownerless_locks; /* the watched program uses locks whose owner nobody can read */
	CT_VEC(struct ct_loss_span) losses;
	u64 lost_events;
	u64 event_cnt;
	u64 switch_cnt; /* SWITCH and BLOCK events */
	u64 anomalies;	/* events that contradict the state machine (0 unless events were lost) */
	bool complete;	/* the trace was finished */
};

/* Reads `source` to its end.  `names` may be NULL; both must outlive the model. */
struct ct_model *ct_model__build(struct ct_source *source, const struct ct_names *names);
void ct_model__free(struct ct_model *m);

static inline ct_ns ct_slice_end(const struct ct_thread *t, u32 i)
{
	return i + 1 < t->slices.cnt ? t->slices.at[i + 1].start_ns : t->end_ns;
}

/* CT_OTHER, and not for anything but a signal: pause(), sigsuspend(), sigtimedwait(). */
bool ct_wait_is_signal(const struct ct_model *m, const struct ct_wait *w);
/* What a wait is for, in a word: its state's name, or "signal". */
const char *ct_wait_word(const struct ct_model *m, const struct ct_wait *w);

/* "big_lock", "table+40", "heap by push (queue.c:12)", "shared by f (x.c:3) #2",
 * "stack of worker-2", "0x7f..."; buf returned. */
char *ct_lock_name(const struct ct_model *m, const struct ct_lock *l, char *buf, size_t size);
/* "counter", "stats.misses", "0x7f..."; buf returned. */
char *ct_watched_name(const struct ct_model *m, const struct ct_watched *w, char *buf, size_t size);
/* The lock of a bit of touch.locks, named as ct_lock_name does; buf returned. */
char *ct_watch_lock_name(const struct ct_model *m, u32 slot, char *buf, size_t size);
/* What the variable's bytes say: a number, or the bits of a double for a floating-point one; the
 * rest takes such values: as a number; `value` with the change from one to another; as text. */
i64 ct_watched_value(const struct ct_watched *w, u64 value);
double ct_watched_number(const struct ct_watched *w, i64 value);
/* How many writes of others, that come after touch number `at` of the variable, may have been in
 * memory when its value was read there (CT_TOUCH_VAGUE).  O(1). */
u32 ct_watched_ahead(const struct ct_model *m, const struct ct_watched *w, u32 at);
i64 ct_watched_changed(const struct ct_watched *w, i64 value, i64 from, i64 to);
#define CT_WATCHED_LEN 40
char *ct_watched_text(const struct ct_watched *w, i64 value, char buf[CT_WATCHED_LEN]);
/* "push (queue.c:12)", "push (libqueue.so+0x1234)", "libqueue.so+0x1234"; buf returned. */
char *ct_frame_name(const struct ct_names *names, u32 frame, char *buf, size_t size);
/* The hold in force at time t, or NULL. */
const struct ct_hold *ct_lock_holder(const struct ct_lock *l, ct_ns t);

#endif
