/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can only be had from /proc while the traced threads live: their counters when tracing begins
 * and ends, and, on attach, what each is doing at that moment. Not timelines.
 *
 * Counters and events must meet without gap: a thread's counters are read before and after its bit
 * is set; when they agree, nothing happened in between and events count from exactly there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/inspect.h"
#include "capture/session_int.h"

#define ADOPT_TRIES 4 /* each waits some ms for all CPUs */

static u64 status_field(const char *status, const char *key, int base)
{
	const char *at = strstr(status, key);

	return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

/* NSpid has one id for each pid namespace, from ours to the task's own. */
static u32 last_number(const char *status, const char *key)
{
	const char *at = strstr(status, key);
	char *end = NULL;
	u32 last = 0;

	for (at = at ? at + strlen(key) : NULL; at && (*at == '\t' || *at == ' '); at = end)
		last = strtoul(at, &end, 10);
	return last;
}

/* /proc/TID/stat: "TID (name, may hold anything) STATE ..." with priority as the 18th field. */
static int parse_stat(char *text, struct ct_task_stat *out)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	int prio = 0;

	if (!open || !close || close < open)
		return -ESRCH;
	*close = 0;
	snprintf(out->name, sizeof(out->name), "%s", open + 1);
	if (sscanf(close + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d",
		    &out->state, &prio) != 2)
		return -ESRCH;
	out->prio = prio + 100; /* /proc counts from the lowest real-time priority */
	return 0;
}

int ct_snapshot__stat(u32 tid, struct ct_task_stat *out)
{
	char path[64], buf[4096];
	int err;

	memset(out, 0, sizeof(*out));
	/* that of the thread: of /proc/TID/stat the kernel makes the sum of all threads, which took
	 * 869 ms for 3,000 threads instead of 105 */
	snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", tid, tid);
	err = ct_proc__read(path, buf, sizeof(buf));
	err = err ? err : parse_stat(buf, out);
	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	err = err ? err : ct_proc__read(path, buf, sizeof(buf));
	if (err)
		return err;
	out->tgid = status_field(buf, "\nTgid:", 10);
	out->parent = status_field(buf, "\nPPid:", 10);
	out->inner_tid = last_number(buf, "\nNSpid:");
	out->caught = status_field(buf, "\nSigCgt:", 16);
	out->voluntary = status_field(buf, "\nvoluntary_ctxt_switches:", 10);
	out->involuntary = status_field(buf, "\nnonvoluntary_ctxt_switches:", 10);
	/* its first figure; may be absent */
	snprintf(path, sizeof(path), "/proc/%u/schedstat", tid);
	if (!ct_proc__read(path, buf, sizeof(buf)))
		out->cpu_ns = strtoull(buf, NULL, 10);
	return 0;
}

static bool same_counts(const struct ct_task_stat *a, const struct ct_task_stat *b)
{
	return a->voluntary == b->voluntary && a->involuntary == b->involuntary;
}

static void inject_name(struct ct_session *s, u32 tid, ct_ns ts, const char *name)
{
	struct ct_task_name n = { 0 };

	memcpy(&n, name, strnlen(name, sizeof(n)));
	ct_session__inject(s, CT_TASK_NAME, tid, ts, &n);
}

static void sleep_ns(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

/*
 * Waits until every switch that was under way on any CPU is over: the scheduler counts a switch
 * first and tells the probes a moment later, with preemption off, and this command waits for just
 * such stretches. Where it is refused (CPUs in nohz_full) counters may be off by that one switch.
 */
static void settle(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

struct adoptee {
	u32 tid;
	bool exact, gone;
	struct ct_task_stat before, now;
};

struct adoptees {
	CT_VEC(struct adoptee) at;
};

/* At the time its bit was set: an event after that is one more than its counters say, however long
 * it took to get here. */
static void introduce(struct ct_session *s, const struct adoptee *a, ct_ns ts, u32 flags)
{
	struct ct_task_new n = { .tgid = a->now.tgid, .prio = a->now.prio,
		.flags = flags | (a->exact ? 0 : CT_TASK_UNSURE),
		.voluntary = a->now.voluntary, .involuntary = a->now.involuntary,
		.cpu_ns = a->now.cpu_ns };

	ct_session__inject(s, CT_TASK_NEW, a->tid, ts, &n);
	inject_name(s, a->tid, ts, a->now.name);
}

/* One try to set the bits of those not adopted yet while their counters stand still; how many of
 * them moved. `last`: these are traced all the same. */
static u32 adopt_round(
	struct ct_session *s, struct adoptees *list, u32 from, u32 flags, bool last)
{
	u32 moved = 0;

	for (u32 i = from; i < list->at.cnt; i++)
		if (!list->at.at[i].exact)
			list->at.at[i].gone =
				ct_snapshot__stat(list->at.at[i].tid, &list->at.at[i].before);
	settle();
	for (u32 i = from; i < list->at.cnt; i++) {
		struct adoptee *a = &list->at.at[i];

		if (a->exact || a->gone)
			continue;
		ct_ns ts = ct_now_ns();
		ct_session__trace(s, a->tid);
		a->gone = ct_snapshot__stat(a->tid, &a->now);
		a->exact = !a->gone && same_counts(&a->before, &a->now);
		if (a->gone || (!a->exact && !last))
			ct_session__forget(s, a->tid);
		else
			introduce(s, a, ts, flags);
		moved += !a->gone && !a->exact;
	}
	return moved;
}

static void adopt_all(struct ct_session *s, struct adoptees *list, u32 from, u32 flags)
{
	for (u32 i = 0; i < ADOPT_TRIES; i++) {
		bool last = i + 1 == ADOPT_TRIES;

		if (!adopt_round(s, list, from, flags, last) || last)
			break;
		ct_session__drain(s); /* those adopted so far may be busy */
	}
}

int ct_snapshot__adopt_root(struct ct_session *s, u32 tid)
{
	struct adoptees one = { 0 };
	struct ct_task_stat st;
	bool gone;

	/* it goes to sleep on its pipe soon: let it */
	for (int i = 0; i < 1000 && !ct_snapshot__stat(tid, &st) && st.state != 'S'; i++)
		sleep_ns(100000);
	ct_vec_push(&one.at)->tid = tid;
	adopt_all(s, &one, 0, CT_TASK_ROOT);
	gone = one.at.at[0].gone;
	ct_vec_free(&one.at);
	return gone ? -ESRCH : 0;
}

/* ---- attach: what is each thread doing ---- */

static void inject_state(struct ct_session *s, struct ct_symbolizer *sym, u32 tid)
{
	struct ct_found st = { .nr = CT_NR_NONE };
	struct ct_task_stat stat;
	u64 ip, sp;
	bool at_mutex;

	if (ct_snapshot__stat(tid, &stat))
		return;
	st.state = ct_inspect__state(stat.state);
	if (st.state != CT_STATE_RUNNABLE && !ct_inspect__wait(tid, &st, &ip, &sp, &at_mutex)) {
		u32 id = ct_session__new_stack_id(s);

		st.stack = ct_inspect__stack(sym, tid, stat.tgid, ip, sp, id) ? id : 0;
	}
	ct_session__inject(s, CT_STATE, tid, ct_now_ns(), &st);
}

struct attach_arg {
	struct ct_session *s;
	struct adoptees list;
};

/* 1 when the thread was not traced yet. */
static int list_new(void *arg, u32 tid)
{
	struct attach_arg *a = arg;

	if (ct_session__traces(a->s, tid))
		return 0;
	ct_vec_push(&a->list.at)->tid = tid;
	return 1;
}

struct pid_list {
	CT_VEC(u32) pids;
};

static int list_children(void *arg, u32 tid)
{
	struct pid_list *found = arg;
	char path[64];
	unsigned child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/children", tid, tid);
	/* absent without CONFIG_PROC_CHILDREN: then only the process itself */
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &child) == 1)
		*ct_vec_push(&found->pids) = child;
	if (f)
		fclose(f);
	return 0;
}

/* Adopts every thread of a process; until none is new: one that exists was created either before
 * its creator was traced, and is found here, or after, and the fork probe has it. */
static int attach_process(struct attach_arg *a, u32 pid)
{
	for (int i = 0; i < 1000; i++) {
		u32 from = a->list.at.cnt;
		int n = ct_inspect__each_thread(pid, list_new, a);

		if (n <= 0)
			return n;
		adopt_all(a->s, &a->list, from, CT_TASK_FOUND);
	}
	return 0;
}

/* Reading memory asks for the same rights; there is nothing at address 0. */
int ct_snapshot__may_look(u32 pid)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return 0;
	/* no memory: a thread of the kernel, or one that has ended */
	return errno == EPERM || !ct_rights__may_ptrace_others() ? -EPERM : 0;
}

int ct_snapshot__attach(struct ct_session *s, struct ct_symbolizer *sym, u32 pid)
{
	struct attach_arg a = { .s = s };
	struct pid_list list = { 0 };
	int err = 0;
	u32 i;

	*ct_vec_push(&list.pids) = pid;
	for (i = 0; i < list.pids.cnt; i++) {
		if (i && ct_snapshot__may_look(list.pids.at[i]))
			continue; /* a child with rights of its own */
		ct_session__follow_images(s, list.pids.at[i]);
		err = attach_process(&a, list.pids.at[i]);
		if (err && i == 0)
			break;
		err = 0; /* a child may have ended meanwhile */
		ct_inspect__each_thread(list.pids.at[i], list_children, &list);
		ct_session__drain(s);
	}
	for (i = 0; i < a.list.at.cnt; i++) {
		inject_state(s, sym, a.list.at.at[i].tid);
		if (i % 8 == 7)
			ct_session__drain(s);
	}
	if (!err && !a.list.at.cnt)
		err = -ESRCH;
	ct_vec_free(&a.list.at);
	ct_vec_free(&list.pids);
	return err;
}

/* ---- the end ---- */

static void list_traced(struct ct_session *s, struct adoptees *list)
{
	for (u32 word = 0; word < CT_TID_MAX / 64; word++)
		for (u64 bits = s->tids[word]; bits; bits &= bits - 1)
			ct_vec_push(&list->at)->tid = word * 64 + __builtin_ctzll(bits);
}

void ct_snapshot__introduce_all(struct ct_session *s, struct ct_symbolizer *sym)
{
	struct adoptees list = { 0 };

	list_traced(s, &list);
	for (u32 i = 0; i < list.at.cnt; i++) {
		struct adoptee *a = &list.at.at[i];

		if (ct_snapshot__stat(a->tid, &a->now))
			continue;
		/* its counters may have moved since they were read: they are no starting point */
		struct ct_task_new n = { .tgid = a->now.tgid, .prio = a->now.prio,
			.flags = CT_TASK_FOUND | CT_TASK_UNSURE, .voluntary = a->now.voluntary,
			.involuntary = a->now.involuntary, .cpu_ns = a->now.cpu_ns };
		ct_ns ts = ct_now_ns();
		ct_session__inject(s, CT_TASK_NEW, a->tid, ts, &n);
		inject_name(s, a->tid, ts, a->now.name);
		inject_state(s, sym, a->tid);
	}
	ct_vec_free(&list.at);
}

/* All at once: from here on nothing is recorded. */
static void forget_all(struct ct_session *s)
{
	for (u32 word = 0; word < CT_TID_MAX / 64; word++)
		if (s->tids[word])
			__atomic_store_n(&s->tids[word], 0, __ATOMIC_SEQ_CST);
}

ct_ns ct_snapshot__detach_all(struct ct_session *s)
{
	struct adoptees list = { 0 };
	ct_ns end;

	list_traced(s, &list);
	if (!list.at.cnt)
		return ct_now_ns();
	for (u32 i = 0; i < list.at.cnt; i++)
		list.at.at[i].gone = ct_snapshot__stat(list.at.at[i].tid, &list.at.at[i].before);
	settle();
	forget_all(s);
	end = ct_now_ns();
	for (u32 i = 0; i < list.at.cnt; i++) {
		struct adoptee *a = &list.at.at[i];

		if (a->gone || ct_snapshot__stat(a->tid, &a->now) ||
			!same_counts(&a->before, &a->now))
			continue; /* its counters at the end of its events are not known */
		struct ct_task_counts c = { .voluntary = a->now.voluntary,
			.involuntary = a->now.involuntary, .cpu_ns = a->now.cpu_ns };
		ct_session__inject(s, CT_TASK_COUNTS, a->tid, end, &c);
	}
	ct_vec_free(&list.at);
	return end;
}

bool ct_snapshot__ended(u32 pid)
{
	char path[64];
	struct ct_task_stat st;
	struct stat tasks;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	/* a leader that ended before its other threads is a zombie too: "." and ".." and it alone
	 */
	return !ct_snapshot__stat(pid, &st) && st.state == 'Z' && !lstat(path, &tasks) &&
	       tasks.st_nlink <= 3;
}

char *ct_snapshot__name(u32 pid)
{
	struct ct_task_stat st;
	char path[64], exe[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = 0;
		return ct_strdup(exe);
	}
	return ct_strdup(ct_snapshot__stat(pid, &st) ? "" : st.name);
}
