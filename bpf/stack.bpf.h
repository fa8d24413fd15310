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

static __always_inline u64 stack_fingerprint(struct task_struct *task, struct mm_struct *mm,
	const u64 *words, u32 cnt, REGS_TYPE *regs)
{
	u64 text = mm->start_code, text_len = mm->end_code - text;
	u64 lo = mm->mmap_base - LIBS_GUESS, len = LIBS_GUESS;
	u64 sp = REG_SP(regs), ip = REG_IP(regs) ^ REG_LR(regs) << 1;
	u64 hash = (ip ^ program_identity(mm)) * HASH_MUL ^ (sp - thread_pointer(task));
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
				       (word - lo < len && word - sp >= STACK_REACH)))
			hash = (hash ^ (word + i)) * HASH_MUL;
	}
	return hash ^ hash >> 32;
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
	u64 sp = REG_SP(regs), key;
	struct stack_words *words;
	u32 zero = 0, *id, cnt = CT_STACK_KEY_BYTES / 8;

	if (!with_stacks || !mm || !sp)
		return 0;
	words = bpf_map_lookup_elem(&scratch, &zero);
	if (!words)
		return 0;
	if (bpf_probe_read_user(words->at, sizeof(words->at), (void *)sp)) {
		cnt = 8; /* a tiny stack: its end is near */
		if (bpf_probe_read_user(words->at, 64, (void *)sp))
			return 0;
	}
	key = stack_fingerprint(task, mm, words->at, cnt, regs);
	id = bpf_map_lookup_elem(&stack_keys, &key);
	return id ? *id : copy_stack(task, mm, regs, ts, key, flags);
}

/* Id of the user stack of `task`, which is current; 0: none. */
static __always_inline u32 stack_id(struct task_struct *task, REGS_TYPE *regs, u64 ts)
{
	return stack_id_of(task, regs, ts, 0);
}

#endif
