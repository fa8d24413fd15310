/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The race witness: a debug register of the CPU stopped a thread that has just touched a watched
 * variable, or on arm64 is about to.  The registers are copied as they are, because they hold the
 * very value that was read or written (memory may have changed since), and the locks' owner words
 * are compared with the thread, so that no lock or unlock needs a probe.  What the instruction was
 * is decided in user/capture/decode.c from the code bytes, which are sent once for each place.
 */
#include "filter.bpf.h"
#include "emit.bpf.h"
#include "stack.bpf.h"

/* Its number in its own pid namespace: what the C library writes into owner words. */
static __always_inline u32 inner_tid(struct task_struct *task)
{
	struct pid *pid = task->thread_pid;
	u32 level = 0, nr = task->pid;

	if (pid)
		level = BPF_CORE_READ(pid, level);
	/* at most 32 levels of 16 bytes; 6.1's verifier wants to see a bound of the product */
	if (level && level <= 32)
		bpf_core_read(&nr, sizeof(nr),
			(void *)&pid->numbers[0].nr +
				(level * bpf_core_type_size(struct upid) & 1023));
	/* one load of nr, from the stack: the verifier refuses one that may also be of the task */
	return *(volatile u32 *)&nr;
}

/*
 * Functions that are not static are verified once, each for itself, and what they return is any
 * number: with all of it in one program 6.1's verifier gave up after a million instructions.
 */
__noinline u64 held_locks(u32 me)
{
	u32 cnt = watch_lock_cnt, i, owner;
	u64 held = 0;

	for (i = 0; i < CT_WATCH_LOCKS; i++) {
		if (i >= cnt)
			break;
		owner = 0;
		bpf_probe_read_user(&owner, sizeof(owner), (void *)watch_locks[i].owner_addr);
		if (owner == me)
			held |= 1ull << i;
	}
	if (held & ~watch_held) /* of two at once one may be late: it is set the next time */
		watch_held |= held;
	return held;
}

#if !defined(__TARGET_ARCH_arm64)
/*
 * The kernel's reading of the variable meets the debug register, too, and costs a second trap:
 * 75 us on some virtual machines.  Where the kernel maps all memory the same bytes have another
 * address, which no register watches; the page table leads there.  It cannot change meanwhile:
 * who takes a page away waits until this CPU, whose interrupts are off, has flushed it.
 */
#define PAGE_PRESENT 1u
#define PAGE_LARGE 0x80u
#define PAGE_FRAME 0x000ffffffffff000ull

__noinline u64 direct_address(u64 addr, u64 pgd)
{
	u64 table = pgd, entry = 0, base = watch_direct, size;
	u32 shift = 39, level;

#pragma unroll
	for (level = 0; level < 4; level++, shift -= 9) {
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
			    (void *)(table + (addr >> shift & 511) * 8)) ||
			!(entry & PAGE_PRESENT))
			return 0;
		size = 1ull << shift;
		if (level == 3 || (level && (entry & PAGE_LARGE)))
			return base + (entry & PAGE_FRAME & ~(size - 1)) + (addr & (size - 1));
		table = base + (entry & PAGE_FRAME);
	}
	return 0;
}

static __always_inline bool read_directly(
	struct task_struct *task, u64 addr, u32 size, u64 *value)
{
	u64 at = watch_direct ? direct_address(addr, (u64)BPF_CORE_READ(task, mm, pgd)) : 0;

	if (!at)
		return false;
	if (size == 8)
		return !bpf_probe_read_kernel(value, 8, (void *)at);
	if (size == 4)
		return !bpf_probe_read_kernel(value, 4, (void *)at);
	if (size == 2)
		return !bpf_probe_read_kernel(value, 2, (void *)at);
	return !bpf_probe_read_kernel(value, 1, (void *)at);
}
#endif

__noinline u64 read_value(u64 addr, u32 size)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 value = 0;

	(void)task;
#if !defined(__TARGET_ARCH_arm64)
	if (read_directly(task, addr, size, &value))
		return value;
	value = 0;
#endif
	/* the verifier wants to see each size */
	if (size == 8)
		bpf_probe_read_user(&value, 8, (void *)addr);
	else if (size == 4)
		bpf_probe_read_user(&value, 4, (void *)addr);
	else if (size == 2)
		bpf_probe_read_user(&value, 2, (void *)addr);
	else
		bpf_probe_read_user(&value, 1, (void *)addr);
	return value;
}

static __always_inline int slot_of(u64 addr)
{
	u32 i;

#pragma unroll
	for (i = 0; i < CT_WATCH_SLOTS; i++)
		if (watch_var[i] && watch_addr[i] == addr)
			return i;
	return -1;
}

/* What is known of this place on this CPU, whose ring is read in order. */
static __always_inline struct ct_watch_place_state *place_state(u64 ip, u32 tgid)
{
	struct ct_watch_place place = { .ip = ip, .tgid = tgid, .cpu = bpf_get_smp_processor_id() };
	struct ct_watch_place_state *state = bpf_map_lookup_elem(&watch_places, &place), none = {};

	if (state)
		return state;
	bpf_map_update_elem(&watch_places, &place, &none, BPF_ANY);
	return bpf_map_lookup_elem(&watch_places, &place);
}

/*
 * A mutex on the heap that nobody has waited for yet is known to nobody.  But who holds one is
 * about to unlock it, so its address, or that of the object it is in, is in a register, on the
 * stack, or in a global pointer; and a locked one of glibc looks like this:
 *
 *     mutex   { 1 or 2, count, my tid, users, kind, ... }
 *     rwlock  { readers and two bits of the writer, ..., 0, 0, my tid }
 *
 * Looked for at the first LOOKS hits of a place among several threads, 20 to 100 us each, and at
 * few after these: the same place may have been passed without a lock before.
 */
#define LOOKS 16
#define LOOKS_RARE 64	/* then at one in so many */
#define LOOK_STACK 192	/* words of the stack */
#define LOOK_CHUNKS 4	/* of an object, 128 bytes each */
#define CHUNK_WORDS 32
#define LOCK_WORDS 8	/* that tell a lock */
#define USERS_MOST 65536
#define KIND_MOST 512
#define RWLOCK_HELD 3 /* phase of the writer, and locked by it */

struct chunk {
	u32 at[CHUNK_WORDS + LOCK_WORDS];
};

__noinline u64 mutex_in(u64 addr, u32 me)
{
	struct chunk o;
	u32 chunk, i;

	if (addr < 4096 || (addr & 7))
		return 0;
	for (chunk = 0; chunk < LOOK_CHUNKS; chunk++, addr += CHUNK_WORDS * 4) {
		if (bpf_probe_read_user(&o, sizeof(o), (void *)addr))
			return 0;
#pragma unroll
		for (i = 0; i < CHUNK_WORDS; i += 2) {
			if (o.at[i + 2] == me && (o.at[i] == 1 || o.at[i] == 2) &&
				o.at[i + 3] - 1 < USERS_MOST && o.at[i + 4] < KIND_MOST)
				return addr + i * 4;
			if (o.at[i + 6] == me && !o.at[i + 4] && !o.at[i + 5] &&
				(o.at[i] & RWLOCK_HELD) == RWLOCK_HELD)
				return (addr + i * 4) | CT_HIT_RWLOCK;
		}
	}
	return 0;
}

__noinline u64 mutex_by(u64 pointer, u32 me)
{
	u64 addr = 0;

	if (bpf_probe_read_user(&addr, sizeof(addr), (void *)pointer))
		return 0;
	return mutex_in(addr, me);
}

__noinline u64 mutex_by_global(u32 me)
{
	u64 found = 0;
	u32 i;

	for (i = 0; i < CT_WATCH_POINTERS && i < watch_pointer_cnt && !found; i++)
		found = mutex_by(watch_pointers[i], me);
	return found;
}

__noinline u64 mutex_by_stack(u64 sp, u32 me)
{
	u64 found = 0;
	u32 i;

	for (i = 0; i < LOOK_STACK && !found; i++)
		found = mutex_by(sp + i * 8, me);
	return found;
}

static __always_inline u64 find_mutex(const struct ct_hit *h, u32 me)
{
	u64 found = 0;
	u32 i;

	for (i = 0; i < CT_HIT_REGS && !found; i++)
		found = mutex_in(h->reg[i & (CT_HIT_REGS - 1)], me);
	found = found ? found : mutex_by_global(me);
	return found ? found : mutex_by_stack(h->reg[CT_HIT_SP], me);
}

/* Is it time to look for one? */
static __always_inline bool is_look_due(
	struct task_struct *task, struct ct_watch_place_state *place)
{
	if (!place || BPF_CORE_READ(task, signal, nr_threads) < 2)
		return false;
	place->looked++;
	return place->looked <= LOOKS || place->looked % LOOKS_RARE == 0;
}

static __always_inline void copy_code(struct ct_hit *h)
{
	u64 end = HIT_CODE_END(h->ip);
	void *to = h + 1;

	if (!h->code)
		return;
	/* a function at the very start of a mapping has less before it */
	if (bpf_probe_read_user(to, CT_WATCH_CODE_BYTES, (void *)(end - CT_WATCH_CODE_BYTES)) &&
		bpf_probe_read_user(to + CT_WATCH_CODE_BYTES - 16, 16, (void *)(end - 16)))
		h->code = 0;
}

/*
 * --shake: one access or lock operation in eight takes 30 to 285 us longer, so that other threads
 * come in between.  Which ones follows from the seed, the thread and how many it has had.  A
 * program at a breakpoint cannot sleep: the CPU is kept busy, and the other ones go on.
 */
#define SHAKE_ONE_IN 8
#define SHAKE_LEAST_NS 30000
#define SHAKE_UNIT_NS 1000
#define SHAKE_LOOPS 4096 /* for the verifier; of some 70 ns each */

static __always_inline void shake(u32 tid, u64 start_ns)
{
	u32 slot = (tid - shake_base) & (SHAKE_THREADS - 1), i;
	u64 die, delay_ns;

	if (!shake_seed)
		return;
	die = (shake_seed + slot * 0x632be59bd9b4e019ull + shake_cnt[slot]++) * HASH_MUL;
	die = (die ^ die >> 32) * HASH_MUL;
	die ^= die >> 29;
	if (die % SHAKE_ONE_IN)
		return;
	delay_ns = SHAKE_LEAST_NS + (die >> 40 & 255) * SHAKE_UNIT_NS;
	for (i = 0; i < SHAKE_LOOPS; i++)
		if (bpf_ktime_get_ns() - start_ns >= delay_ns)
			break;
}

SEC("?uprobe")
int on_lock_call(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (is_traced(task->pid))
		shake(task->pid, bpf_ktime_get_ns());
	return 0;
}

#define GIB (1ull << 30)

/* The recorder's own hits, by which it learns what one costs. */
static __always_inline void try_price(struct task_struct *task, u64 addr)
{
	if (task->pid != watch_trial)
		return;
#if !defined(__TARGET_ARCH_arm64)
	if (watch_guess) {
		u64 value = 0;

		watch_direct = ((u64)BPF_CORE_READ(task, mm, pgd) & ~(GIB - 1)) -
			       (watch_guess - 1) * GIB;
		read_directly(task, addr, 8, &value);
		watch_trial_value = value;
		return;
	}
#endif
	watch_trial_value = read_value(addr, 8);
}

SEC("?perf_event")
int on_access(struct perf_hit *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 bytes = sizeof(struct ct_hdr) + sizeof(struct ct_hit), stack, code, me;
	u64 addr = ctx->addr, ip = HIT_IP(ctx), ts;
	struct ct_hdr *hdr;
	struct ct_hit *h;
	struct ct_watch_place_state *place;
	u64 value = 0, locks;
	int slot;

	if (!is_traced(task->pid)) {
		try_price(task, addr);
		return 0;
	}
	slot = slot_of(addr);
	if (slot < 0 || slot >= CT_WATCH_SLOTS)
		return 0;
	place = place_state(ip, task->tgid);
	/* Soon, because others may write it.  And only where the registers do not tell: this read
	 * meets the same debug register, now from the kernel, and costs a second trap. */
	if (!place || place->is != CT_WATCH_PLACE_TOLD)
		value = read_value(addr, watch_size[slot]);
	ts = bpf_ktime_get_ns();
	__sync_fetch_and_add(&watch_hits, 1);
	me = inner_tid(task);
	locks = held_locks(me);
	stack = stack_id_of(task, (void *)bpf_task_pt_regs(task), ts, HIT_STACK);
	code = place && !place->is ? CT_WATCH_CODE_BYTES : 0;
	bytes += code;
	hdr = emit_begin(CT_HIT, bytes, ts);
	if (!hdr)
		return 0;
	h = (void *)(hdr + 1);
	h->ip = ip;
	copy_registers(h, ctx);
	h->mutex = 0;
	if (is_look_due(task, place))
		h->mutex = find_mutex(h, me);
	if (code)
		place->is = CT_WATCH_PLACE_SENT;
	h->addr = addr;
	h->value = value;
	h->locks = locks;
	h->tgid = task->tgid;
	h->var = watch_var[slot];
	h->stack = stack;
	h->code = code;
	copy_code(h);
	emit_end(hdr, task->pid, CT_HIT, bytes);
	shake(task->pid, ts);
	return 0;
}
