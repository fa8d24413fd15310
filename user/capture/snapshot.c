/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can only be had from /proc while the traced threads live: their counters when tracing begins and
 * ends, and, on attach, what each is doing at that moment.  Not timelines.
 *
 * Counters and events must meet without gap: a thread's counters are read before and after its bit is
 * set; when they agree, nothing happened in between and events count from exactly there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "capture/inspect.h"
#include "capture/session_int.h"

#define ADOPT_TRIES 20

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
	if (sscanf(close + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d", &out->state,
		    &prio) != 2)
		return -ESRCH;
	out->prio = prio + 100; /* /proc counts from the lowest real-time priority */
	return 0;
}

int ct_snapshot__stat(u32 tid, struct ct_task_stat *out)
{
	char path[64], buf[4096];
	int err;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%u/stat", tid);
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
	snprintf(path, sizeof(path), "/proc/%u/schedstat", tid); /* its first figure; may be absent */
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

/* Sets the bit at a moment at which the counters stand still; false: they never did. */
static bool trace_at_rest(struct ct_session *s, u32 tid, struct ct_task_stat *st, int *err)
{
	struct ct_task_stat before;

	for (int i = 0; i < ADOPT_TRIES; i++) {
		*err = ct_snapshot__stat(tid, &before);
		if (*err)
			return false;
		ct_session__trace(s, tid);
		*err = ct_snapshot__stat(tid, st);
		if (*err)
			return false;
		if (same_counts(&before, st))
			return true;
		if (i + 1 < ADOPT_TRIES)
			ct_session__forget(s, tid);
	}
	return false;
}

int ct_snapshot__adopt(struct ct_session *s, u32 tid, u32 flags)
{
	struct ct_task_stat st;
	int err = 0;
	bool exact;
	ct_ns ts;

	if (flags & CT_TASK_ROOT) /* it goes to sleep on its pipe soon: let it */
		for (int i = 0; i < 1000 && !ct_snapshot__stat(tid, &st) && st.state != 'S'; i++)
			sleep_ns(100000);
	exact = trace_at_rest(s, tid, &st, &err);
	if (err) {
		ct_session__forget(s, tid);
		return err;
	}
	ts = ct_now_ns();
	struct ct_task_new n = { .tgid = st.tgid, .flags = flags | (exact ? 0 : CT_TASK_UNSURE),
		.prio = st.prio, .voluntary = st.voluntary, .involuntary = st.involuntary,
		.cpu_ns = st.cpu_ns };
	ct_session__inject(s, CT_TASK_NEW, tid, ts, &n);
	inject_name(s, tid, ts, st.name);
	return 0;
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
	struct ct_symbolizer *sym;
	CT_VEC(u32) tids;
};

/* 1 when the thread was not traced yet. */
static int adopt_new(void *arg, u32 tid)
{
	struct attach_arg *a = arg;

	if (ct_session__traces(a->s, tid) || ct_snapshot__adopt(a->s, tid, CT_TASK_FOUND))
		return 0;
	*ct_vec_push(&a->tids) = tid;
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
	f = fopen(path, "re"); /* absent without CONFIG_PROC_CHILDREN: then only the process itself */
	while (f && fscanf(f, "%u", &child) == 1)
		*ct_vec_push(&found->pids) = child;
	if (f)
		fclose(f);
	return 0;
}

int ct_snapshot__attach(struct ct_session *s, struct ct_symbolizer *sym, u32 pid)
{
	struct attach_arg a = { .s = s, .sym = sym };
	struct pid_list list = { 0 };
	int n, err = 0;

	*ct_vec_push(&list.pids) = pid;
	for (u32 i = 0; i < list.pids.cnt; i++) {
		ct_session__follow_images(s, list.pids.at[i]);
		/* until no thread is new: one that exists was created either before its creator was
		 * traced, and is found here, or after, and the fork probe has it */
		do
			n = ct_inspect__each_thread(list.pids.at[i], adopt_new, &a);
		while (n > 0);
		if (n < 0 && i == 0)
			err = n;
		ct_inspect__each_thread(list.pids.at[i], list_children, &list);
	}
	for (u32 i = 0; i < a.tids.cnt; i++)
		inject_state(s, sym, a.tids.at[i]);
	if (!err && !a.tids.cnt)
		err = -ESRCH;
	ct_vec_free(&a.tids);
	ct_vec_free(&list.pids);
	return err;
}

/* ---- the end ---- */

void ct_snapshot__detach_all(struct ct_session *s)
{
	struct ct_task_stat before, after;

	for (u32 word = 0; word < CT_TID_MAX / 64; word++) {
		u64 bits = s->tids[word];

		for (; bits; bits &= bits - 1) {
			u32 tid = word * 64 + __builtin_ctzll(bits);
			bool there = !ct_snapshot__stat(tid, &before);

			ct_session__forget(s, tid);
			if (!there || ct_snapshot__stat(tid, &after) || !same_counts(&before, &after))
				continue; /* its counters at the end of its events are not known */
			struct ct_task_counts c = { .voluntary = after.voluntary,
				.involuntary = after.involuntary, .cpu_ns = after.cpu_ns };
			ct_session__inject(s, CT_TASK_COUNTS, tid, ct_now_ns(), &c);
		}
	}
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
