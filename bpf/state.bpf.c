/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Every map and every configuration word of the kernel side.  No programs.
 *   tids        one bit per thread id: is it traced (see filter.bpf.h)
 *   ring_ctl    positions and loss counters of each CPU's ring
 *   rings       the rings' memory (layout: ct_abi.h), mapped by user space
 *   spans       where a process has library code (see stack.bpf.h)
 *   stack_keys  fingerprint of a stack -> its id
 *   scratch     room for one stack's top, per CPU
 *   stack_memos where a thread waited last, per CPU
 *   futex_told  what a thread's records tell of the result of the futex call it is in
 *   doorbell    wakes the reader when a ring fills up; carries no data
 *   watch_places  instructions that touched a watched variable, their code sent already
 */
#include "ctrace.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile bool with_stacks = true;
const volatile bool follow_secure = false;
const volatile u32 segment_mask = 0;
const volatile u64 ring_limit = CT_SEG_BYTES - CT_RING_MARGIN;
const volatile u64 ring_doorbell = CT_SEG_BYTES / 2;
const volatile bool futex_calls = false;
const volatile u64 fd_calls[8] = {};
const volatile i64 preempt_delta = 0;
const volatile bool has_rdonly_cast = false;
const volatile u32 hardirq_mask = 0xf0000, nmi_mask = 0xf00000;
const volatile u16 nr_futex = CT_NR_NONE, nr_futex_wait = CT_NR_NONE, nr_futex_wake = CT_NR_NONE,
		   nr_futex_waitv = CT_NR_NONE, nr_futex_requeue = CT_NR_NONE;

struct tids_map tids SEC(".maps");
struct ring_ctl_map ring_ctl SEC(".maps");
struct rings_map rings SEC(".maps");
struct spans_map spans SEC(".maps");
struct stack_keys_map stack_keys SEC(".maps");
struct scratch_map scratch SEC(".maps");
struct stack_memos_map stack_memos SEC(".maps");
struct futex_told_map futex_told SEC(".maps");
struct doorbell_map doorbell SEC(".maps");
struct watch_places_map watch_places SEC(".maps");

u32 stack_seq = 0;
u32 secure_cnt = 0;
u64 watch_addr[CT_WATCH_SLOTS] = {};
u32 watch_var[CT_WATCH_SLOTS] = {};
u32 watch_size[CT_WATCH_SLOTS] = {};
struct ct_watch_lock_at watch_locks[CT_WATCH_LOCKS] = {};
u32 watch_lock_cnt = 0;
u64 watch_held = 0;
u64 watch_pointers[CT_WATCH_POINTERS] = {};
u32 watch_pointer_cnt = 0;
u64 watch_hits = 0;
u32 watch_trial = 0;
u64 watch_trial_value = 0;
u64 watch_direct = 0;
u64 watch_guess = 0;
u64 shake_seed = 0;
u32 shake_base = 0;
u32 shake_cnt[SHAKE_THREADS] = {};
