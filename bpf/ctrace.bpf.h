/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Private to bpf/: what state.bpf.c defines and the probes share. The configuration is read-only
 * data that user space fills in before loading, so branches of what is switched off vanish.
 */
#ifndef CTRACE_BPF_H
#define CTRACE_BPF_H

#include "kernel.bpf.h"
#include "../include/ct_abi.h"
#include "compat.bpf.h"

/* ---- configuration (rodata) ---- */
extern const volatile bool with_stacks;
extern const volatile bool follow_secure; /* also programs that get more rights by exec */
extern const volatile u32 segment_mask;	 /* segments of a CPU's ring, minus 1; a power of two */
extern const volatile u64 ring_limit;	 /* bytes of a ring that may be in use */
extern const volatile u64 ring_doorbell; /* bytes in use at which the reader is woken */
extern const volatile bool futex_calls;	 /* they are recorded, too */
/* bit n: the first argument of syscall n is a descriptor */
extern const volatile u64 fd_calls[8];
extern const volatile i64 preempt_delta;	 /* see compat.bpf.h */
extern const volatile bool has_rdonly_cast;	 /* likewise */
extern const volatile u32 hardirq_mask, nmi_mask; /* of the preemption count; likewise */
extern const volatile u16 nr_futex, nr_futex_wait, nr_futex_wake, nr_futex_waitv, nr_futex_requeue;

/* ---- maps ---- */
struct span { /* where a process has code, besides its main program */
	u64 tgid;
	u64 lo, hi;
};
#define SPAN_SLOTS 4096 /* by tgid % SPAN_SLOTS; a collision costs stack captures, not truth */

struct stack_words {
	u64 at[CT_STACK_KEY_BYTES / 8];
};

/* Where a thread waited last, seen from one CPU (see stack.bpf.h).  Another thread with the same
 * slot costs a look at the whole top of the stack, not truth. */
#define STACK_MEMOS 512
#define STACK_MEMO_WORDS 32
struct stack_memo {
	u64 mm, sp, ip;
	u64 start, key; /* the fingerprint before the words, and all of it */
	u64 code;	/* bit i: word i looked like code */
	u32 tid, id; /* 0: none */
	u64 bytes;   /* of the stack's top, up to the last of them */
};

struct tids_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CT_TID_MAX / 64);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
};
struct ring_ctl_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* CPUs; set before loading */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct ct_ring_ctl);
};
struct rings_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* CPUs x segments; set before loading */
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, 4);
	__uint(value_size, CT_SEG_BYTES + CT_SEG_SLACK);
};
struct spans_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SPAN_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct span);
};
struct stack_keys_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CT_STACK_KEYS);
	__type(key, u64);
	__type(value, u32);
};
struct scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_words);
};
struct stack_memos_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STACK_MEMOS);
	__type(key, u32);
	__type(value, struct stack_memo);
};
#define FUTEX_TOLD_SLOTS 4096
struct futex_told_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FUTEX_TOLD_SLOTS);
	__type(key, u32);
	__type(value, u64);
};
struct doorbell_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

extern struct tids_map tids SEC(".maps");
extern struct ring_ctl_map ring_ctl SEC(".maps");
extern struct rings_map rings SEC(".maps");
extern struct spans_map spans SEC(".maps");
extern struct stack_keys_map stack_keys SEC(".maps");
extern struct scratch_map scratch SEC(".maps");
extern struct stack_memos_map stack_memos SEC(".maps");
extern struct futex_told_map futex_told SEC(".maps");
extern struct doorbell_map doorbell SEC(".maps");

#define WATCH_PLACES 4096
struct watch_places_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WATCH_PLACES);
	__type(key, struct ct_watch_place);
	__type(value, struct ct_watch_place_state);
};
extern struct watch_places_map watch_places SEC(".maps");

extern u32 stack_seq; /* last stack id given */
extern u32 secure_cnt; /* programs let go because they got more rights */

/* ---- the watch: user space writes these while it runs ---- */
extern u64 watch_addr[CT_WATCH_SLOTS];
extern u32 watch_var[CT_WATCH_SLOTS]; /* 0: the slot is free */
extern u32 watch_size[CT_WATCH_SLOTS];
extern struct ct_watch_lock_at watch_locks[CT_WATCH_LOCKS];
extern u32 watch_lock_cnt;
extern u64 watch_held; /* bit n: somebody held lock n at an access; this side sets them */
extern u64 watch_pointers[CT_WATCH_POINTERS]; /* globals that point to locks, or what has one */
extern u32 watch_pointer_cnt;
extern u64 shake_seed; /* 0: no delays */
extern u32 shake_base; /* the first thread: those of two runs have the same distances to it */
#define SHAKE_THREADS 64
extern u32 shake_cnt[SHAKE_THREADS]; /* delays thrown so far, by thread */
extern u64 watch_hits; /* of traced threads, since the start; this side counts */
extern u64 watch_direct; /* where the kernel maps all memory; 0: unknown */
extern u64 watch_guess;	 /* n: try whether that is n - 1 GiB below the recorder's page table */
extern u32 watch_trial; /* tid of the recorder, while it measures what its hits cost; or 0 */
extern u64 watch_trial_value; /* what its last hit read */

#endif
