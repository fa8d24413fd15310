/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract between bpf/ and user/: what a record in a ring looks like and how a ring is laid
 * out. Expands ctrace_events.def into ids, structs and static asserts. Declarations only; no libc,
 * no vmlinux.h, no libbpf header: whoever includes it has defined u8, u16, u32, u64 and i32 before
 * (user/: ct_base.h; bpf/: kernel.bpf.h).
 */
#ifndef CT_ABI_H
#define CT_ABI_H

/* Limits.  Each one that can be reached is counted when it is. */
#define CT_NAME_LEN 16		       /* bytes of a thread's name, the kernel's TASK_COMM_LEN */
#define CT_TID_MAX (4u << 20)	       /* tids the filter can hold: the kernel's PID_MAX_LIMIT */
#define CT_STACK_KEY_BYTES 512	       /* of the stack's top that tell one stack from another */
#define CT_STACK_COPY_BYTES (16u << 10) /* at most, copied once for each new stack */
#define CT_STACK_KEYS 16384	       /* stacks known to the kernel side at a time */
#define CT_CPU_MAX 1024
#define CT_WATCH_SLOTS 4	/* variables watched at a time: the debug registers of x86 */
#define CT_WATCH_LOCKS 64	/* locks of which accesses say whether they are held */
#define CT_WATCH_POINTERS 32	/* globals that may lead to a lock */
#define CT_WATCH_CODE_BYTES 64	/* of the program, up to and with the instruction of a hit */

#define CT_NR_NONE 0xffffu /* "not in a syscall"; no architecture has that many */

/* First bytes of every record.  Written last, as one 8-byte store: a record whose kind is 0 is not
 * finished yet (the reader zeroes what it has consumed). */
struct ct_hdr {
	u32 tid;   /* subject thread; 0: none of the traced */
	u8 kind;   /* enum ct_kind */
	u8 pad;	   /* 0 */
	u16 words; /* length of the record in 8-byte words, this header and what follows included */
	u64 ts;	   /* ns, CLOCK_MONOTONIC */
};

enum ct_kind {
#define CT_EVENT(id, UPPER, lower, meaning) CT_##UPPER = id,
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
	CT_KIND_END = 18, /* one past the last id */
	CT_HIT = 31,	  /* ring only, see struct ct_hit */
	CT_KIND_MAX = 32, /* room of tables that are indexed by kind */
};

/* struct ct_<event>: the fields after the header. */
#define CT_EVENT(id, UPPER, lower, meaning) struct ct_##lower {
#define CT_FIELD(lower, type, name, how, meaning) type name;
#define CT_EVENT_END(lower)                                                                        \
	}                                                                                          \
	;                                                                                          \
	_Static_assert(sizeof(struct ct_##lower) % 8 == 0, #lower " is not whole 8-byte words");
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

/* What the scheduler says of a thread that leaves the CPU; the letter is that of ps(1). */
enum ct_task_state {
	CT_STATE_RUNNABLE = 0,	/* R: still wants the CPU */
	CT_STATE_SLEEPING = 1,	/* S: waits, a signal ends it */
	CT_STATE_DISK = 2,	/* D: waits, nothing but the event ends it */
	CT_STATE_STOPPED = 3,	/* T */
	CT_STATE_TRACED = 4,	/* t */
	CT_STATE_DEAD = 5,	/* X, Z: its last switch */
	CT_STATE_PARKED = 6,	/* P */
	CT_STATE_IDLE = 7,	/* I */
	CT_STATE_END = 8,
};

/* Kind of file behind a descriptor that a thread waits on: S_IFMT >> 12, and two of our own. */
enum ct_file {
	CT_FILE_NONE = 0,
	CT_FILE_FIFO = 1,
	CT_FILE_CHR = 2,
	CT_FILE_DIR = 4,
	CT_FILE_BLK = 6,
	CT_FILE_REG = 8,
	CT_FILE_ANON = 9, /* an anonymous inode: eventfd, timerfd, epoll, ... */
	CT_FILE_LNK = 10,
	CT_FILE_SOCK = 12,
};

#define CT_TASK_FOUND 1u  /* it existed when recording began */
#define CT_TASK_ROOT 2u	  /* the first thread of the program that ctrace started */
#define CT_TASK_UNSURE 4u /* its counters moved while tracing began: not to be compared */

#define CT_SWITCH_PREEMPTED 1u /* the scheduler took the CPU away (involuntary) */
#define CT_SWITCH_TIMED 2u     /* the futex wait has a timeout */
#define CT_SWITCH_IOWAIT 4u    /* the kernel counts it as waiting for a disk */
#define CT_SWITCH_NO_STACK 8u  /* a stack was wanted and could not be had (budget, fault) */
#define CT_SWITCH_ON_STACK 16u /* from the probe alone: the futex word is on the thread's stack */
#define CT_ON_STACK_BYTES 512u /* ... this close above its stack pointer */

#define CT_WAKE_HARDIRQ 1u /* sent from a hardware interrupt: hdr's waker only happened to run */
#define CT_WAKE_SOFTIRQ 2u /* from a soft interrupt */
#define CT_WAKE_NMI 4u
/* the woken one had not left its run queue: it may not have slept at all */
#define CT_WAKE_QUEUED 8u
#define CT_WAKE_NEW 16u	   /* first wake-up of a new thread */
#define CT_WAKE_FOREIGN 32u /* waker is 0 because another program's thread ran, not the idle task */

#define CT_STACK_AFTER 1u /* ip is that of the instruction after the one meant */

enum ct_watch_on {
	CT_WATCH_OFF = 0,   /* no longer */
	CT_WATCH_ON = 1,
	CT_WATCH_PAUSE = 2, /* not seen for a while, because it is touched too often; ON ends it */
};

enum ct_watch_value {
	CT_WATCH_SIGNED = 0,
	CT_WATCH_UNSIGNED = 1, /* pointers and truth values, too */
	CT_WATCH_FLOAT = 2,    /* of 4 or 8 bytes */
};

#define CT_ACCESS_READ 1u
#define CT_ACCESS_WRITE 2u
#define CT_ACCESS_ATOMIC 4u  /* by one instruction that no other CPU can come between */
#define CT_ACCESS_CONST 8u   /* writes a number that is part of the instruction */
#define CT_ACCESS_BEFORE 16u /* `before` is known from the instruction itself */
/* the instruction does not tell the value: read from memory a moment later (arm64: earlier) */
#define CT_ACCESS_LATE 32u
/* a write that tells what this thread's last reading found, which was read from memory too early:
 * that is in `before` */
#define CT_ACCESS_FOUND 128u
#define CT_ACCESS_BLIND 64u /* the value was not taken: shown as what was there before */

/* An instruction that touched a watched variable, as the probe knows it, by CPU. */
struct ct_watch_place {
	u64 ip;
	u32 tgid, cpu;
};
struct ct_watch_place_state {
	u32 is;	    /* CT_WATCH_PLACE_*; 0: nothing is known */
	u32 looked; /* hits at which a mutex may have been looked for */
};
#define CT_WATCH_PLACE_SENT 1u /* its code has been sent */
#define CT_WATCH_PLACE_TOLD 2u /* and memory need not be read for the value */

/*
 * What a debug register's hit leaves in a ring, for the reader to make an ACCESS of (kind CT_HIT,
 * never in a trace): the registers, in the order of their numbers in instructions; code bytes
 * follow the record when the place is a new one, the instruction's own last.  x86 stops after the
 * access and shows what the instruction has left, arm64 before it.
 */
#if defined(__aarch64__) || defined(__TARGET_ARCH_arm64)
#define CT_HIT_REGS 32 /* x0..x30 sp */
#define CT_HIT_SP 31
#else
#define CT_HIT_REGS 16 /* rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
#define CT_HIT_SP 4
#endif
#define CT_HIT_RWLOCK 1u
struct ct_hit {
	u64 ip; /* x86: of the next instruction; arm64: of the one that accesses */
	u64 reg[CT_HIT_REGS];
	u64 flags; /* pstate on arm64 */
	u64 addr;  /* of the debug register */
	/* memory at addr, a moment after the instruction (arm64: before); 0: registers tell it */
	u64 value;
	u64 locks; /* bit n: holds lock n */
	/* a locked mutex of this thread that a register, its stack or a global leads to, or a
	 * rwlock that it writes under: CT_HIT_RWLOCK is added to the address; 0: none */
	u64 mutex;
	u32 tgid;
	u32 var;
	u32 stack;
	u32 code; /* bytes that follow */
};

/* A lock whose owner word is compared with the thread at each hit. */
struct ct_watch_lock_at {
	u64 owner_addr; /* of a u32 with the owner's tid in its own pid namespace */
};

/*
 * Rings.  One per CPU, made of `segments` array elements of CT_SEG_BYTES + CT_SEG_SLACK bytes that
 * user space maps.  head and tail only grow; position p is in segment (p / CT_SEG_BYTES) % segments
 * at offset p % CT_SEG_BYTES; a record that starts in a segment ends in its slack, so it is never
 * split, and the next one starts at p + 8 * words all the same.
 *
 *   elem:  |<------------ CT_SEG_BYTES ------------>|<- CT_SEG_SLACK ->|
 *                                    [ record that crosses the end ]
 *   next:  |........[ the next record: its start is what the last one left over ]
 *
 * The writer (BPF, possibly nested in an interrupt) reserves with an atomic add on head, fills the
 * record and stores its header word last. The reader takes finished records, zeroes them, moves
 * tail.
 */
#define CT_SEG_BYTES (1u << 20)
#define CT_SEG_SLACK (32u << 10)
#define CT_RING_MARGIN (96u << 10) /* kept free: reservations of nested interrupts */

struct ct_ring_ctl {
	u64 head;      /* bytes reserved so far; writer */
	u64 lost_ts;   /* time of the newest loss; writer */
	/* time of the first loss after the reader last looked (it stores 0); both */
	u64 lost_since;
	u64 stacks_dropped; /* stacks not taken because the budget of this tick was used up */
	u64 stacks_failed;  /* stacks not taken because user memory could not be read */
	u64 busy;	    /* set by the writer when it rang the doorbell, cleared by the reader */
	/* stacks that may still be copied; the reader refills it at each drain */
	u64 stack_budget;
	u64 pad0;
	u64 lost[CT_KIND_MAX]; /* events lost, by kind; writer */
	u64 tail;	       /* bytes consumed; reader, on a cache line of its own */
	u64 pad1[7];
};

_Static_assert(sizeof(struct ct_hdr) == 16, "header is two words");
_Static_assert(sizeof(struct ct_ring_ctl) == 384, "ctl is six cache lines");

#endif
