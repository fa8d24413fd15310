/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What differs between kernel versions and architectures, found out by existence, never by version
 * number.  Each block names the version and what changed.  Not here: features.
 */
#ifndef CTRACE_COMPAT_BPF_H
#define CTRACE_COMPAT_BPF_H

#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* bpf_task_pt_regs(): 5.15 (dd6e10fbd9fb).  Declared here because libbpf 1.1's own declaration and
 * ours of pt_regs agree, and because it is what the whole design rests on. */

#if defined(__TARGET_ARCH_x86)

struct pt_regs___x86 {
	unsigned long r10, r8, bp, dx, si, di, orig_ax, ip, sp;
} __attribute__((preserve_access_index));

struct thread_struct___x86 {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

struct task_struct___x86 {
	struct thread_struct___x86 thread;
} __attribute__((preserve_access_index));

#define REGS_TYPE struct pt_regs___x86
#define REG_NR(r) ((int)(r)->orig_ax)
#define REG_IP(r) ((r)->ip)
#define REG_SP(r) ((r)->sp)
#define REG_BP(r) ((r)->bp)
#define REG_LR(r) 0ul
#define CODE_BITS (~0ull)
#define REG_ARG0(r) ((r)->di)
#define REG_ARG1(r) ((r)->si)
#define REG_ARG2(r) ((r)->dx)
#define REG_ARG3(r) ((r)->r10)
#define REG_ARG4(r) ((r)->r8)

/* Base of the thread's TLS: glibc puts it at the top of every pthread's stack. */
static __always_inline u64 thread_pointer(struct task_struct *task)
{
	return ((struct task_struct___x86 *)task)->thread.fsbase;
}

/* arch/x86/include/uapi/asm/bpf_perf_event.h and ptrace.h: what a perf_event program is given. */
struct perf_hit {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
	u64 sample_period, addr;
};
#define HIT_IP(c) ((c)->ip)
#define HIT_CODE_END(ip) (ip) /* it stands behind the instruction */
#define HIT_STACK CT_STACK_AFTER

static __always_inline void copy_registers(struct ct_hit *h, const struct perf_hit *ctx)
{
	h->reg[0] = ctx->ax;
	h->reg[1] = ctx->cx;
	h->reg[2] = ctx->dx;
	h->reg[3] = ctx->bx;
	h->reg[4] = ctx->sp;
	h->reg[5] = ctx->bp;
	h->reg[6] = ctx->si;
	h->reg[7] = ctx->di;
	h->reg[8] = ctx->r8;
	h->reg[9] = ctx->r9;
	h->reg[10] = ctx->r10;
	h->reg[11] = ctx->r11;
	h->reg[12] = ctx->r12;
	h->reg[13] = ctx->r13;
	h->reg[14] = ctx->r14;
	h->reg[15] = ctx->r15;
	h->flags = ctx->flags;
}

/* x86 stores are not reordered with older stores: a plain one publishes a record. */
#define publish(ptr, value) (*(volatile u64 *)(ptr) = (value))

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs___aarch64 {
	u64 regs[31];
	u64 sp, pc, orig_x0;
	i32 syscallno;
} __attribute__((preserve_access_index));

struct thread_struct___arm64 {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));

struct task_struct___arm64 {
	struct thread_struct___arm64 thread;
} __attribute__((preserve_access_index));

/* struct user_pt_regs, arch/arm64/include/uapi/asm/ptrace.h: what a perf_event program is given.
 * A watchpoint fires before the access; the kernel then steps over it with the watchpoint off. */
struct perf_hit {
	u64 regs[31], sp, pc, pstate;
	u64 sample_period, addr;
};
#define HIT_IP(c) ((c)->pc)
#define HIT_CODE_END(ip) ((ip) + 4) /* it stands at the instruction */
#define HIT_STACK 0

static __always_inline void copy_registers(struct ct_hit *h, const struct perf_hit *ctx)
{
	u32 i;

#pragma unroll
	for (i = 0; i < 31; i++)
		h->reg[i] = ctx->regs[i];
	h->reg[31] = ctx->sp;
	h->flags = ctx->pstate;
}

#define REGS_TYPE struct pt_regs___aarch64
#define REG_NR(r) ((r)->syscallno)
#define REG_IP(r) ((r)->pc)
#define REG_SP(r) ((r)->sp)
#define REG_BP(r) ((r)->regs[29])
#define REG_LR(r) ((r)->regs[30])
#define CODE_BITS ((1ull << 48) - 1) /* above: the signature of a pointer */
#define REG_ARG0(r) ((r)->orig_x0)
#define REG_ARG1(r) ((r)->regs[1])
#define REG_ARG2(r) ((r)->regs[2])
#define REG_ARG3(r) ((r)->regs[3])
#define REG_ARG4(r) ((r)->regs[4])

static __always_inline u64 thread_pointer(struct task_struct *task)
{
	return ((struct task_struct___arm64 *)task)->thread.uw.tp_value;
}

/* A full barrier comes with BPF's atomic exchange; arm64 needs one before the publishing store. */
#define publish(ptr, value) ((void)__sync_lock_test_and_set((u64 *)(ptr), (value)))

#else
#error "ctrace knows the registers of x86_64 and arm64 only"
#endif

/* task_struct.state became __state in 5.14 (2f064a59a11f). */
struct task_struct___old {
	volatile long state;
} __attribute__((preserve_access_index));

static __always_inline u32 task_state_word(struct task_struct *task)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return old->state;
}

/* The CPU a task was last on: task_struct.cpu until 5.16, then thread_info.cpu (bcf9033e5449). */
struct task_struct___cpu {
	struct {
		u32 cpu;
	} thread_info;
	u32 cpu;
} __attribute__((preserve_access_index));

static __always_inline u32 task_last_cpu(struct task_struct *task)
{
	struct task_struct___cpu *t = (void *)task;

	if (bpf_core_field_exists(t->thread_info.cpu))
		return t->thread_info.cpu;
	return t->cpu;
}

/* task_struct.on_rq was an int for long and has one byte or two in 7.3: read as wide as it is. */
static __always_inline bool task_is_queued(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, on_rq) != 0;
}

/*
 * The preemption count tells whether a waking comes from an interrupt. arm64: in the task's
 * thread_info. x86: a per-CPU variable, __preempt_count (between 6.2, 64701838bf05, and 6.14,
 * 46e8fff6d45f, a member of pcpu_hot), whose address kernels without CONFIG_KALLSYMS_ALL do not
 * tell. But the run queue is per-CPU too, and a task points to it: the distance between the two is
 * in the kernel's BTF, and user space hands it over as preempt_delta (0: not found; then no waking
 * is known to be an interrupt's).
 *
 * Since 7.3 bits 16 to 23 count how often interrupts were disabled, and those of the
 * interrupts themselves are above: hardirq_mask and nmi_mask, handed over likewise, say which.
 */
struct task_struct___preempt {
	struct {
		struct {
			u32 count;
		} preempt;
	} thread_info;
} __attribute__((preserve_access_index));

struct rq;
struct cfs_rq___group { /* CONFIG_FAIR_GROUP_SCHED */
	struct rq *rq;
} __attribute__((preserve_access_index));

struct sched_entity___group {
	struct cfs_rq___group *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct___group {
	struct sched_entity___group se;
} __attribute__((preserve_access_index));

/* A kernel address becomes one that may be read by a load, which costs no call: 6.2
 * (a35b9af4ec2c). */
extern void *bpf_rdonly_cast(const void *addr, u32 btf_id) __ksym __weak;

/* The int at a kernel address; upid: some type that begins with one. */
static __always_inline u32 read_kernel_word(u64 addr, bool by_load)
{
	u32 word = 0;

	if (by_load)
		return ((struct upid *)bpf_rdonly_cast((void *)addr,
				bpf_core_type_id_kernel(struct upid)))->nr;
	bpf_probe_read_kernel(&word, sizeof(word), (void *)addr);
	return word;
}

static __always_inline u32 preempt_count_now(
	struct task_struct *current, i64 preempt_delta, bool by_load)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct___group *task = (void *)current;

	if (!preempt_delta || !bpf_core_field_exists(task->se.cfs_rq))
		return 0;
	return read_kernel_word((u64)task->se.cfs_rq->rq + preempt_delta, by_load);
#else
	return ((struct task_struct___preempt *)current)->thread_info.preempt.count;
#endif
}

#endif
