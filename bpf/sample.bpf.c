/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What running threads do: a cpu-clock timer on each CPU (a software event, no hardware counters)
 * finds a traced thread and notes where it is.
 */
#include "filter.bpf.h"
#include "emit.bpf.h"
#include "stack.bpf.h"

SEC("?perf_event")
int on_sample(void *ctx)
{
	const u32 bytes = RECORD_BYTES(ct_sample);
	struct task_struct *task = bpf_get_current_task_btf();
	struct ct_sample *s;
	struct ct_hdr *hdr;
	REGS_TYPE *regs;
	u32 stack;
	int nr;
	u64 ts;

	if (!is_traced(task->pid))
		return 0;
	ts = bpf_ktime_get_ns();
	/* the registers with which it last entered the kernel: by this interrupt, or by a system
	 * call */
	regs = (void *)bpf_task_pt_regs(task);
	stack = stack_id(task, regs, ts);
	hdr = emit_begin(CT_SAMPLE, bytes, ts);
	if (!hdr)
		return 0;
	s = (void *)(hdr + 1);
	nr = REG_NR(regs);
	s->stack = stack;
	s->nr = nr < 0 || nr >= CT_NR_NONE ? CT_NR_NONE : nr;
	s->pad0 = 0;
	emit_end(hdr, task->pid, CT_SAMPLE, bytes);
	return 0;
}
