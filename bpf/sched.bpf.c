/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The scheduler: sched_switch (who leaves a CPU, why, who comes), sched_waking and sched_wakeup_new
 * (who wakes whom), sched_migrate_task. Runs with the run queue locked: time, filter, state, emit.
 */
#include "filter.bpf.h"
#include "emit.bpf.h"
#include "stack.bpf.h"
#include "wait.bpf.h"

/* include/linux/sched.h; the values are the same since 4.14 */
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4
#define TASK_TRACED 0x8
#define TASK_PARKED 0x40
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400

/* include/linux/preempt.h; what lies above it moved (compat.bpf.h) */
#define SOFTIRQ_SERVING 0x100

static __always_inline u8 state_code(u32 state)
{
	if (state & TASK_DEAD)
		return CT_STATE_DEAD;
	if (state & TASK_INTERRUPTIBLE)
		return CT_STATE_SLEEPING;
	if (state & TASK_UNINTERRUPTIBLE)
		return state & TASK_NOLOAD ? CT_STATE_IDLE : CT_STATE_DISK;
	if (state & TASK_STOPPED)
		return CT_STATE_STOPPED;
	if (state & TASK_TRACED)
		return CT_STATE_TRACED;
	if (state & TASK_PARKED)
		return CT_STATE_PARKED;
	/* TASK_WAKING (kernels that read the state late), frozen, an rt lock: asleep all the
	 * same */
	return CT_STATE_SLEEPING;
}

static __always_inline void emit_counts(struct task_struct *task, u64 ts)
{
	const u32 bytes = RECORD_BYTES(ct_task_counts);
	struct ct_hdr *hdr = emit_begin(CT_TASK_COUNTS, bytes, ts);
	struct ct_task_counts *c;

	if (!hdr)
		return;
	c = (void *)(hdr + 1);
	c->voluntary = task->nvcsw;
	c->involuntary = task->nivcsw;
	c->cpu_ns = task->se.sum_exec_runtime;
	emit_end(hdr, task->pid, CT_TASK_COUNTS, bytes);
}

static __always_inline void emit_switch(u32 prev, u32 next, bool preempt,
	struct task_struct *prev_task, struct task_struct *next_task, u64 ts)
{
	const u32 bytes = RECORD_BYTES(ct_switch);
	struct ct_hdr *hdr = emit_begin(CT_SWITCH, bytes, ts);
	struct ct_switch *s;

	if (!hdr)
		return;
	s = (void *)(hdr + 1);
	s->next = next;
	s->state = CT_STATE_RUNNABLE;
	s->flags = preempt ? CT_SWITCH_PREEMPTED : 0;
	s->prio = prev ? prev_task->prio : 0;
	s->next_prio = next ? next_task->prio : 0;
	emit_end(hdr, prev, CT_SWITCH, bytes);
}

static __always_inline void emit_block(
	struct task_struct *prev, u32 next, struct task_struct *next_task, u32 state, u64 ts)
{
	const u32 bytes = RECORD_BYTES(ct_block);
	REGS_TYPE *regs = (void *)bpf_task_pt_regs(prev);
	u8 code = state_code(state);
	u32 stack = 0;
	struct ct_hdr *hdr;
	struct ct_block *b;

	if (code == CT_STATE_DEAD) {
		emit_counts(prev, ts);
		forget_tid(prev->pid);
	} else {
		stack = stack_id(prev, regs, ts);
		if (futex_calls)
			note_futex_sleep(prev->pid, regs);
	}
	hdr = emit_begin(CT_BLOCK, bytes, ts);
	if (!hdr)
		return;
	b = (void *)(hdr + 1);
	b->next = next;
	b->state = code;
	b->flags = BPF_CORE_READ_BITFIELD(prev, in_iowait) ? CT_SWITCH_IOWAIT : 0;
	b->prio = prev->prio;
	b->next_prio = next ? next_task->prio : 0;
	b->stack = stack;
	if (with_stacks && !stack && code != CT_STATE_DEAD)
		b->flags |= CT_SWITCH_NO_STACK;
	fill_wait(b, prev, regs);
	emit_end(hdr, prev->pid, CT_BLOCK, bytes);
}

static __always_inline int handle_switch(
	bool preempt, struct task_struct *prev, struct task_struct *next, u32 state)
{
	u32 prev_tid = prev->pid, next_tid = next->pid;
	bool ours = is_traced(prev_tid);
	u64 ts;

	if (!is_traced(next_tid)) {
		if (!ours)
			return 0;
		next_tid = 0;
	}
	ts = bpf_ktime_get_ns();
	if (ours && !preempt && state)
		emit_block(prev, next_tid, next, state, ts);
	else
		emit_switch(ours ? prev_tid : 0, next_tid, preempt, prev, next, ts);
	return 0;
}

/* The state the thread left with is an argument since 5.18 (fa2c3254d7cf); reading it from the
 * task, as the second form does, may find that a waker has overwritten it. User space loads the one
 * that fits. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	unsigned int state)
{
	return handle_switch(preempt, prev, next, state);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(on_switch_3args, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return handle_switch(preempt, prev, next, task_state_word(prev));
}

static __always_inline u8 interrupt_flags(struct task_struct *current)
{
	u32 count = preempt_count_now(current, preempt_delta, has_rdonly_cast);

	if (count & nmi_mask)
		return CT_WAKE_NMI;
	if (count & hardirq_mask)
		return CT_WAKE_HARDIRQ;
	return count & SOFTIRQ_SERVING ? CT_WAKE_SOFTIRQ : 0;
}

/* The waker, if it is traced, and the call it is in. */
static __always_inline u32 note_waker(struct task_struct *current, u8 flags, int *nr)
{
	u32 tid = current->pid;
	REGS_TYPE *regs;

	if (!is_traced(tid))
		return 0;
	regs = (void *)bpf_task_pt_regs(current);
	*nr = REG_NR(regs);
	if (futex_calls && !(flags & (CT_WAKE_HARDIRQ | CT_WAKE_SOFTIRQ | CT_WAKE_NMI)))
		note_futex_wake(tid, regs);
	return tid;
}

static __always_inline int handle_waking(struct task_struct *task, u8 flags)
{
	const u32 bytes = RECORD_BYTES(ct_waking);
	struct task_struct *current;
	struct ct_waking *w;
	struct ct_hdr *hdr;
	int nr = -1;
	u32 waker;

	if (!is_traced(task->pid))
		return 0;
	current = bpf_get_current_task_btf();
	flags |= interrupt_flags(current);
	waker = note_waker(current, flags, &nr);
	hdr = emit_begin(CT_WAKING, bytes, bpf_ktime_get_ns());
	if (!hdr)
		return 0;
	w = (void *)(hdr + 1);
	w->waker = waker;
	w->prio = task->prio;
	if (task_is_queued(task))
		flags |= CT_WAKE_QUEUED;
	if (!waker && current->pid)
		flags |= CT_WAKE_FOREIGN;
	w->nr = nr < 0 || nr >= CT_NR_NONE ? CT_NR_NONE : nr;
	w->flags = flags;
	emit_end(hdr, task->pid, CT_WAKING, bytes);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	return handle_waking(task, 0);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	return handle_waking(task, CT_WAKE_NEW);
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct *task, int dest_cpu)
{
	const u32 bytes = RECORD_BYTES(ct_migrate);
	struct ct_migrate *m;
	struct ct_hdr *hdr;

	if (!is_traced(task->pid))
		return 0;
	hdr = emit_begin(CT_MIGRATE, bytes, bpf_ktime_get_ns());
	if (!hdr)
		return 0;
	m = (void *)(hdr + 1);
	m->to_cpu = dest_cpu;
	m->from_cpu = task_last_cpu(task);
	emit_end(hdr, task->pid, CT_MIGRATE, bytes);
	return 0;
}
