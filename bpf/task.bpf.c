/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Life of tasks, and with it membership of the traced set: what a traced thread creates is traced
 * from its first instruction; a thread leaves the set with its last switch (sched.bpf.c).
 */
#include "filter.bpf.h"
#include "emit.bpf.h"

static __always_inline void emit_name(struct task_struct *task, const void *name, u64 ts)
{
	const u32 bytes = RECORD_BYTES(ct_task_name);
	struct ct_hdr *hdr = emit_begin(CT_TASK_NAME, bytes, ts);
	struct ct_task_name *n;

	if (!hdr)
		return;
	n = (void *)(hdr + 1);
	n->name0 = n->name1 = 0;
	bpf_probe_read_kernel_str(n, sizeof(*n), name);
	emit_end(hdr, task->pid, CT_TASK_NAME, bytes);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	const u32 bytes = RECORD_BYTES(ct_task_new);
	u64 ts;
	struct ct_task_new *n;
	struct ct_hdr *hdr;

	if (!is_traced(parent->pid))
		return 0;
	trace_tid(child->pid);
	ts = bpf_ktime_get_ns();
	hdr = emit_begin(CT_TASK_NEW, bytes, ts);
	if (hdr) {
		n = (void *)(hdr + 1);
		n->tgid = child->tgid;
		n->parent = parent->pid;
		n->flags = 0;
		n->prio = child->prio;
		n->voluntary = child->nvcsw;
		n->involuntary = child->nivcsw;
		n->cpu_ns = child->se.sum_exec_runtime;
		emit_end(hdr, child->pid, CT_TASK_NEW, bytes);
	}
	emit_name(child, child->comm, ts); /* counted on its own when it is lost, too */
	return 0;
}

/* A program that gets more rights than its caller has (set-user-id) is no longer the caller's to
 * look into: as if it had ended here.  Its children are never ours. */
static __always_inline void let_go(struct task_struct *task, u64 ts)
{
	struct ct_hdr *hdr = emit_begin(CT_TASK_COUNTS, RECORD_BYTES(ct_task_counts), ts);
	struct ct_task_counts *c;
	struct ct_block *b;

	forget_tid(task->pid);
	__sync_fetch_and_add(&secure_cnt, 1);
	if (hdr) {
		c = (void *)(hdr + 1);
		c->voluntary = task->nvcsw + 1; /* the record below counts as one */
		c->involuntary = task->nivcsw;
		c->cpu_ns = task->se.sum_exec_runtime;
		emit_end(hdr, task->pid, CT_TASK_COUNTS, RECORD_BYTES(ct_task_counts));
	}
	hdr = emit_begin(CT_BLOCK, RECORD_BYTES(ct_block), ts);
	if (!hdr)
		return;
	b = (void *)(hdr + 1);
	__builtin_memset(b, 0, sizeof(*b));
	b->state = CT_STATE_DEAD;
	b->prio = task->prio;
	b->nr = CT_NR_NONE;
	emit_end(hdr, task->pid, CT_BLOCK, RECORD_BYTES(ct_block));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	const u32 bytes = RECORD_BYTES(ct_task_exec);
	struct ct_task_exec *e;
	struct ct_hdr *hdr;
	u32 old = old_pid;
	u64 ts;

	/* a thread that is not the leader takes the leader's id: its own is free again */
	if (!is_traced(old) && !is_traced(task->pid))
		return 0;
	if (old != task->pid) {
		forget_tid(old);
		trace_tid(task->pid);
	}
	ts = bpf_ktime_get_ns();
	hdr = emit_begin(CT_TASK_EXEC, bytes, ts);
	if (hdr) {
		e = (void *)(hdr + 1);
		e->old_tid = old;
		e->pad0 = 0;
		emit_end(hdr, task->pid, CT_TASK_EXEC, bytes);
	}
	emit_name(task, task->comm, ts);
	if (!follow_secure && BPF_CORE_READ_BITFIELD(bprm, secureexec))
		let_go(task, ts);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	const u32 bytes = RECORD_BYTES(ct_task_exit);
	struct ct_task_exit *e;
	struct ct_hdr *hdr;

	if (!is_traced(task->pid))
		return 0;
	hdr = emit_begin(CT_TASK_EXIT, bytes, bpf_ktime_get_ns());
	if (!hdr)
		return 0;
	e = (void *)(hdr + 1);
	e->code = task->exit_code;
	e->pad0 = 0;
	emit_end(hdr, task->pid, CT_TASK_EXIT, bytes);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *name)
{
	if (is_traced(task->pid))
		emit_name(task, name, bpf_ktime_get_ns());
	return 0;
}
