/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A second opinion on what happened: counts the events of one program and its children, kind by
 * kind, without a ring that could be full.  Shares nothing with bpf/: its own set of threads, in a
 * hash, its own reading of the tracepoints, system calls through sys_exit instead of the tracepoint
 * of each, samples through the timer itself.
 * The set begins with the exec of a program of a given name; what is counted is since then.
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum { BPF_ANY };
enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2 };

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "count.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct rq;
struct cfs_rq {
	struct rq *rq;
};
struct sched_entity {
	struct cfs_rq *cfs_rq;
};
struct task_struct {
	int pid, tgid;
	char comm[16];
	struct task_struct *real_parent;
	struct sched_entity se;
};
struct hrtimer {
	void *function;
};
struct hw_perf_event {
	struct hrtimer hrtimer;
};
struct perf_event {
	struct hw_perf_event hw;
	struct task_struct *owner;
};
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long orig_ax, si;
};
#define CALL_OF(regs) ((int)(regs)->orig_ax)
#define SECOND_OF(regs) ((regs)->si)
#else
struct pt_regs {
	__u64 regs[31];
	int syscallno;
};
#define CALL_OF(regs) ((regs)->syscallno)
#define SECOND_OF(regs) ((regs)->regs[1])
#endif
#pragma clang attribute pop

#define TASK_DEAD 0x80 /* include/linux/sched.h */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, int);
	__type(value, char);
} ours SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, int);
	__type(value, char);
} told SEC(".maps"); /* threads whose events tell what the futex call they are in returns: this */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNT_END);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count_config);
} config SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
int tracer; /* process that started the program */

static __always_inline void count(__u32 what)
{
	__u64 *cnt = bpf_map_lookup_elem(&counts, &what);

	if (cnt)
		__sync_fetch_and_add(cnt, 1);
}

static __always_inline int is_ours(int tid)
{
	return bpf_map_lookup_elem(&ours, &tid) != 0;
}

static __always_inline void add(int tid)
{
	char one = 1;

	if (bpf_map_update_elem(&ours, &tid, &one, BPF_ANY))
		count(COUNT_UNKNOWN);
}

SEC("tp_btf/sched_process_exec")
int exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	int old = ctx[1], tid = task->pid, i;
	__u32 zero = 0;
	struct count_config *c = bpf_map_lookup_elem(&config, &zero);
	char name[16];

	if (!c)
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), task->comm);
	for (i = 0; i < 16 && name[i] == c->name[i] && name[i]; i++)
		;
	if (i < 16 && name[i] == c->name[i] && !tracer)
		tracer = task->real_parent->tgid;
	else if (!is_ours(old))
		return 0;
	if (old != tid)
		bpf_map_delete_elem(&ours, &old);
	add(tid);
	count(COUNT_TASK_EXEC);
	count(COUNT_TASK_NAME);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int fork(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];

	if (!is_ours(parent->pid))
		return 0;
	add(child->pid);
	count(COUNT_TASK_NEW);
	count(COUNT_TASK_NAME);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int leave(__u64 *ctx)
{
	if (is_ours(((struct task_struct *)ctx[0])->pid))
		count(COUNT_TASK_EXIT);
	return 0;
}

SEC("tp_btf/task_rename")
int rename(__u64 *ctx)
{
	if (is_ours(((struct task_struct *)ctx[0])->pid))
		count(COUNT_TASK_NAME);
	return 0;
}

static __always_inline void tell(struct task_struct *task, int is_waking, char result)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u32 zero = 0;
	struct count_config *c = bpf_map_lookup_elem(&config, &zero);
	int tid = task->pid, nr = CALL_OF(regs), op = SECOND_OF(regs) & 127;

	if (!c)
		return;
	if (nr == c->calls[COUNT_WAIT])
		op = 0;
	else if (nr == c->calls[COUNT_WAKE])
		op = 1;
	else if (nr != c->calls[COUNT_CLASSIC])
		return;
	/* FUTEX_WAIT and FUTEX_WAIT_BITSET; FUTEX_WAKE and FUTEX_WAKE_BITSET */
	if (is_waking ? op == 1 || op == 10 : op == 0 || op == 9)
		bpf_map_update_elem(&told, &tid, &result, BPF_ANY);
}

SEC("tp_btf/sched_switch")
int change(__u64 *ctx)
{
	struct task_struct *from = (void *)ctx[1], *to = (void *)ctx[2];
	int tid = from->pid, leaves = is_ours(tid), waits = !ctx[0] && (__u32)ctx[3];

	if (!leaves && !is_ours(to->pid))
		return 0;
	count(leaves && waits ? COUNT_BLOCK : COUNT_SWITCH);
	if (leaves && waits && ctx[3] & TASK_DEAD) {
		count(COUNT_TASK_COUNTS);
		bpf_map_delete_elem(&ours, &tid);
	} else if (leaves && waits) {
		tell(from, 0, 0);
	}
	return 0;
}

SEC("tp_btf/sched_waking")
int waking(__u64 *ctx)
{
	struct task_struct *current = bpf_get_current_task_btf();

	if (!is_ours(((struct task_struct *)ctx[0])->pid))
		return 0;
	count(COUNT_WAKING);
	if (is_ours(current->pid))
		tell(current, 1, 1);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int first_waking(__u64 *ctx)
{
	if (is_ours(((struct task_struct *)ctx[0])->pid))
		count(COUNT_WAKING);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int migrate(__u64 *ctx)
{
	if (is_ours(((struct task_struct *)ctx[0])->pid))
		count(COUNT_MIGRATE);
	return 0;
}

/* A sleep that was ended by a waking, and the waking of one thread, are told by other events. */
SEC("tp_btf/sys_exit")
int call(__u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	__u32 zero = 0, i;
	struct count_config *c = bpf_map_lookup_elem(&config, &zero);
	int nr = CALL_OF(regs), tid = bpf_get_current_pid_tgid();
	char *known;

	if (!c || !is_ours(tid))
		return 0;
	known = bpf_map_lookup_elem(&told, &tid);
	for (i = 0; i < COUNT_CALLS; i++)
		if (c->calls[i] == nr && !(known && *known == (long)ctx[1]))
			count(COUNT_FUTEX);
	bpf_map_delete_elem(&told, &tid);
	return 0;
}

/*
 * While bpf_prog_active is not 0 the kernel runs no program of a perf event on this CPU.  It is a
 * variable of each CPU, as the run queue is, to which the running thread leads.
 */
static __always_inline int is_refused(struct task_struct *current, __s64 from_rq)
{
	char *rq = 0;
	int active = 0;

	bpf_core_read(&rq, sizeof(rq), &current->se.cfs_rq->rq);
	bpf_probe_read_kernel(&active, sizeof(active), rq + from_rq);
	return active;
}

/* The tracer's sampling timer runs out on a CPU, and a thread of ours is on it. */
SEC("tp_btf/hrtimer_expire_entry")
int tick(__u64 *ctx)
{
	struct hrtimer *timer = (void *)ctx[0];
	__u32 zero = 0;
	struct count_config *c = bpf_map_lookup_elem(&config, &zero);
	struct perf_event *event;
	struct task_struct *owner = 0;
	int tgid = 0;

	if (!c || !tracer || (__u64)timer->function != c->tick ||
		!is_ours(bpf_get_current_pid_tgid()))
		return 0;
	event = (void *)timer - bpf_core_field_offset(struct perf_event, hw.hrtimer);
	bpf_core_read(&owner, sizeof(owner), &event->owner);
	if (owner)
		bpf_core_read(&tgid, sizeof(tgid), &owner->tgid);
	if (tgid != tracer)
		return 0;
	if (is_refused((void *)bpf_get_current_task_btf(), c->active_from_rq))
		count(COUNT_REFUSED);
	else
		count(COUNT_SAMPLE);
	return 0;
}
