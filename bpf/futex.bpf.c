/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Futex calls with their results (--futex=calls): one record when a call returns; its arguments are
 * still in the registers saved at entry, so the entry needs no probe (half the price).  A call that
 * never returns is seen by the switch that puts it to sleep.  What other records say already is
 * not said again (wait.bpf.h): that a sleep was ended by a waking, that a call woke the one thread
 * whose WAKING names it.  Not here: deciding who held a lock.
 */
#include "filter.bpf.h"
#include "emit.bpf.h"
#include "wait.bpf.h"

struct syscall_exit { /* format of tracepoint syscalls/sys_exit_*, stable since 2.6.32 */
	u64 common;
	i64 nr;
	i64 ret;
};

struct requeue_args { /* futex_requeue(2), 6.7: an array of two struct futex_waitv */
	struct waitv_entry from, to;
};

static __always_inline void fill_futex_call(struct ct_futex *f, REGS_TYPE *regs, u32 nr, i32 ret)
{
	u64 array = REG_ARG0(regs);

	f->addr = array;
	f->addr2 = 0;
	f->op = REG_ARG1(regs);
	f->val = REG_ARG2(regs);
	if (nr == nr_futex) {
		f->addr2 = REG_ARG4(regs);
	} else if (nr == nr_futex_wait) { /* addr, val, mask, flags */
		f->op = FUTEX_WAIT_BITSET | (REG_ARG3(regs) & FUTEX_PRIVATE);
		f->val = REG_ARG1(regs);
	} else if (nr == nr_futex_wake) { /* addr, mask, count, flags */
		f->op = FUTEX_WAKE_BITSET | (REG_ARG3(regs) & FUTEX_PRIVATE);
	} else if (nr == nr_futex_waitv) {
		struct waitv_entry entry = {};
		u32 which = ret > 0 ? ret & 127 : 0;

		bpf_probe_read_user(&entry, sizeof(entry), (void *)(array + which * sizeof(entry)));
		f->addr = entry.uaddr;
		f->op = FUTEX_WAIT_BITSET | (entry.flags & FUTEX_PRIVATE);
		f->val = entry.val;
	} else if (nr == nr_futex_requeue) { /* waiters, flags, wake, requeue */
		struct requeue_args pair = {};

		bpf_probe_read_user(&pair, sizeof(pair), (void *)array);
		f->addr = pair.from.uaddr;
		f->addr2 = pair.to.uaddr;
		f->op = 3 /* FUTEX_REQUEUE */ | (pair.from.flags & FUTEX_PRIVATE);
	}
}

static __always_inline int handle_futex(u32 nr, i64 ret)
{
	const u32 bytes = RECORD_BYTES(ct_futex);
	struct task_struct *task = bpf_get_current_task_btf();
	struct ct_futex *f;
	struct ct_hdr *hdr;
	u32 told;

	if (!is_traced(task->pid))
		return 0;
	told = take_futex_told(task->pid);
	if (told && told == ret + FUTEX_TOLD)
		return 0;
	hdr = emit_begin(CT_FUTEX, bytes, bpf_ktime_get_ns());
	if (!hdr)
		return 0;
	f = (void *)(hdr + 1);
	f->nr = nr;
	f->pad0 = 0;
	f->result = ret;
	fill_futex_call(f, (void *)bpf_task_pt_regs(task), nr, ret);
	emit_end(hdr, task->pid, CT_FUTEX, bytes);
	return 0;
}

SEC("?tp/syscalls/sys_exit_futex")
int on_futex(struct syscall_exit *ctx)
{
	return handle_futex(nr_futex, ctx->ret);
}

SEC("?tp/syscalls/sys_exit_futex_wait")
int on_futex_wait(struct syscall_exit *ctx)
{
	return handle_futex(nr_futex_wait, ctx->ret);
}

SEC("?tp/syscalls/sys_exit_futex_wake")
int on_futex_wake(struct syscall_exit *ctx)
{
	return handle_futex(nr_futex_wake, ctx->ret);
}

SEC("?tp/syscalls/sys_exit_futex_waitv")
int on_futex_waitv(struct syscall_exit *ctx)
{
	return handle_futex(nr_futex_waitv, ctx->ret);
}

SEC("?tp/syscalls/sys_exit_futex_requeue")
int on_futex_requeue(struct syscall_exit *ctx)
{
	return handle_futex(nr_futex_requeue, ctx->ret);
}
