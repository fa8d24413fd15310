/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * User stacks, cheaply. Walking frame pointers in the kernel costs a microsecond and loses the
 * caller of pthread_mutex_lock (glibc keeps no frame pointers), so nothing is walked here: the
 * first time a stack is met, its top CT_STACK_COPY_BYTES are copied and user space unwinds them
 * with .eh_frame; after that its fingerprint gives the same id again.
 *
 * The fingerprint covers the instruction pointer, the depth (distance from the thread pointer,
 * which glibc keeps at the stack's end) and, of the CT_STACK_KEY_BYTES above sp, the words that
 * look like code addresses, with their places. Locals and heap pointers do not enter, so the same
 * line waiting with other data keeps its id; another caller changes a return address and gets
 * another id. What "looks like code" is: inside the main program's text, or between lo and hi of
 * the process's spans entry (user space sets it from the mappings it is told of; before that, the
 * top of the mmap area). arm64 has the caller of a leaf in a register, which enters, too, and signs
 * return addresses in their high bits, which do not. A wrong guess costs a copy, never a wrong
 * stack, but for two deep call chains that agree in their top 512 bytes and in depth.
 *
 * A thread often waits where it waited last, with the stack pointer where it was: then only the
 * words that looked like code then are looked at again (stack_memo), on the same CPU.
 */
#ifndef CTRACE_STACK_BPF_H
#define CTRACE_STACK_BPF_H

#include "emit.bpf.h"

#define LIBS_GUESS (64ull << 20) /* where libraries are mapped, below mmap_base */
/* above sp: pointers to locals, where libraries lie below stacks */
#define STACK_REACH (8ull << 20)
#define HASH_MUL 0x9e3779b97f4a7c15ull

/* What stands for the program and its layout: a fork keeps both the open file and the random top of
 * the stack, so that 400 processes forked from one share their stacks; an exec changes them. */
static __always_inline u64 program_identity(struct mm_struct *mm)
{
	u64 file = 0;

	bpf_core_read(&file, sizeof(file), &mm->exe_file);
	return file ^ mm->start_stack << 16;
}

static __always_inline u64 add_word(u64 hash, u64 word, u32 i)
{
	return (hash ^ (word + i)) * HASH_MUL;
}

static __always_inline u64 fold(u64 hash)
{
	return hash ^ hash >> 32;
}

/* What is hashed before the words. */
static __always_inline u64 fingerprint_start(
	struct task_struct *task, struct mm_struct *mm, u64 ip, u64 sp)
{
	return (ip ^ program_identity(mm)) * HASH_MUL ^ (sp - thread_pointer(task));
}

/* Also which words looked like code, into memo: the verifier would follow each value of a
 * variable. */
static __always_inline u64 stack_fingerprint(struct task_struct *task, struct mm_struct *mm,
	const u64 *words, u32 cnt, u64 hash, u64 sp, struct stack_memo *memo)
{
	u64 text = mm->start_code, text_len = mm->end_code - text;
	u64 lo = mm->mmap_base - LIBS_GUESS, len = LIBS_GUESS;
	u32 slot = (u32)task->tgid % SPAN_SLOTS, i;
	struct span *span = bpf_map_lookup_elem(&spans, &slot);

	if (span && span->tgid == (u32)task->tgid) {
		lo = span->lo;
		len = span->hi - lo;
	}
#pragma unroll
	for (i = 0; i < CT_STACK_KEY_BYTES / 8; i++) {
		u64 word = words[i] & CODE_BITS;

		if (i < cnt && (word - text < text_len ||
				       (word - lo < len && word - sp >= STACK_REACH))) {
			hash = add_word(hash, word, i);
			memo->code |= 1ull << i;
			memo->bytes = 8 * (i + 1);
		}
	}
	return fold(hash);
}

/* bit_index[(bit * BIT_INDEX_MUL) >> 58] is the index of a bit: a De Bruijn sequence (Leiserson,
 * Prokop and Randall, "Using de Bruijn sequences to index a 1 in a computer word", 1998).  There is
 * no instruction for it. */
#define BIT_INDEX_MUL 0x03f79d71b4cb0a89ull
static const volatile u8 bit_index[64] = {
	0, 1, 48, 2, 57, 49, 28, 3, 61, 58, 50, 42, 38, 29, 17, 4,
	62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
	46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9, 13, 8, 7, 6
};

/* The id that the thread's last stack had, if this is the same one; 0 else.  Reads no more than is
 * compared. */
static __always_inline u32 recall(const struct stack_memo *memo, struct stack_words *words, u64 sp)
{
	u64 hash = memo->start, code = memo->code, bytes = memo->bytes;
	u32 k;

	if (bytes > CT_STACK_KEY_BYTES) /* for the verifier */
		return 0;
	if (bpf_probe_read_user(words->at, bytes, (void *)sp))
		return 0;
	for (k = 0; k < STACK_MEMO_WORDS && code; k++) {
		u64 bit = code & -code;
		u32 i = bit_index[bit * BIT_INDEX_MUL >> 58] & (CT_STACK_KEY_BYTES / 8 - 1);

		hash = add_word(hash, words->at[i] & CODE_BITS, i);
		code ^= bit;
	}
	return !code && fold(hash) == memo->key ? memo->id : 0;
}

/* Where the stack ends: at the thread pointer for a pthread, at the arguments for the first
 * thread. */
static __always_inline u64 stack_top(struct task_struct *task, struct mm_struct *mm, u64 sp)
{
	u64 tls = thread_pointer(task), start = mm->start_stack;

	if (tls > sp && (start < sp || tls < start))
		return tls;
	return start > sp ? start : 0;
}

/* Copies a new stack into the ring; its id, or 0 when it could not be had. */
static __always_inline u32 copy_stack(
	struct task_struct *task, struct mm_struct *mm, REGS_TYPE *regs, u64 ts, u64 key, u32 flags)
{
	u64 sp = REG_SP(regs), top = stack_top(task, mm, sp), want;
	u32 cpu = bpf_get_smp_processor_id(), bytes, id;
	struct ct_ring_ctl *ctl = bpf_map_lookup_elem(&ring_ctl, &cpu);
	struct ct_hdr *hdr;
	struct ct_stack *s;

	if (!ctl)
		return 0;
	if (!ctl->stack_budget) {
		ctl->stacks_dropped++;
		return 0;
	}
	want = top ? top - sp : CT_STACK_COPY_BYTES;
	bytes = want < CT_STACK_COPY_BYTES ? (u32)want & ~7u : CT_STACK_COPY_BYTES;
	hdr = emit_begin(CT_STACK, RECORD_BYTES(ct_stack) + bytes, ts);
	if (!hdr)
		return 0;
	s = (void *)(hdr + 1);
	id = __sync_fetch_and_add(&stack_seq, 1) + 1;
	*s = (struct ct_stack){ .id = id, .bytes = bytes, .tgid = task->tgid, .ip = REG_IP(regs),
		.sp = sp, .bp = REG_BP(regs), .lr = REG_LR(regs), .top = top, .flags = flags };
	if (bytes > CT_STACK_COPY_BYTES) /* for the verifier */
		bytes = CT_STACK_COPY_BYTES;
	if (bpf_probe_read_user(s + 1, bytes, (void *)sp)) {
		/* it runs into unmapped memory: take what surely is the innermost frames */
		s->bytes = CT_STACK_KEY_BYTES;
		if (bytes < CT_STACK_KEY_BYTES ||
			bpf_probe_read_user(s + 1, CT_STACK_KEY_BYTES, (void *)sp)) {
			s->bytes = 0;
			ctl->stacks_failed++;
			id = 0;
		}
	}
	ctl->stack_budget--;
	emit_end(hdr, task->pid, CT_STACK, RECORD_BYTES(ct_stack) + bytes);
	if (id)
		bpf_map_update_elem(&stack_keys, &key, &id, BPF_ANY);
	return id;
}

/* Id of the user stack of `task`, which is current; 0: none.  flags: CT_STACK_*. */
static __always_inline u32 stack_id_of(struct task_struct *task, REGS_TYPE *regs, u64 ts, u32 flags)
{
	struct mm_struct *mm = task->mm;
	u64 sp = REG_SP(regs), ip = REG_IP(regs) ^ REG_LR(regs) << 1, start, key;
	u32 zero = 0, cnt = CT_STACK_KEY_BYTES / 8, slot = (u32)task->pid % STACK_MEMOS;
	struct stack_words *words;
	struct stack_memo *memo;
	u32 *known, id;

	if (!with_stacks || !mm || !sp)
		return 0;
	words = bpf_map_lookup_elem(&scratch, &zero);
	memo = bpf_map_lookup_elem(&stack_memos, &slot);
	if (!words || !memo)
		return 0;
	if (memo->tid == (u32)task->pid && memo->sp == sp && memo->ip == ip &&
		memo->mm == (u64)mm) {
		id = recall(memo, words, sp);
		if (id)
			return id;
	}
	if (bpf_probe_read_user(words->at, sizeof(words->at), (void *)sp)) {
		cnt = 8; /* a tiny stack: its end is near */
		if (bpf_probe_read_user(words->at, 64, (void *)sp))
			return 0;
	}
	memo->code = memo->bytes = 0;
	start = fingerprint_start(task, mm, ip, sp);
	key = stack_fingerprint(task, mm, words->at, cnt, start, sp, memo);
	known = bpf_map_lookup_elem(&stack_keys, &key);
	id = known ? *known : copy_stack(task, mm, regs, ts, key, flags);
	memo->tid = id ? task->pid : 0;
	memo->id = id;
	memo->mm = (u64)mm;
	memo->sp = sp;
	memo->ip = ip;
	memo->start = start;
	memo->key = key;
	return id;
}

/* Id of the user stack of `task`, which is current; 0: none. */
static __always_inline u32 stack_id(struct task_struct *task, REGS_TYPE *regs, u64 ts)
{
	return stack_id_of(task, regs, ts, 0);
}

#endif
