/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of the findings: figures, names, lists.  All text is kept by the search and lives as long;
 * names pass through as the program gave them.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "findings_int.h"

#define NAME_SIZE 1024
#define THREADS_MAX 3 /* named one by one */

static const char *keep(struct ct_search *s, char *text)
{
	*ct_vec_push(&s->scratch) = text;
	return text;
}

const char *ct_say(struct ct_search *s, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *text = ct_alloc((size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, args);
	va_end(args);
	return keep(s, text);
}

const char *ct_say_ns(struct ct_search *s, ct_ns ns)
{
	return keep(s, ct_fmt_ns(ct_alloc(CT_FMT_LEN), ns));
}

const char *ct_say_count(struct ct_search *s, u64 n)
{
	return keep(s, ct_fmt_count(ct_alloc(CT_FMT_LEN), n));
}

const char *ct_say_share(struct ct_search *s, u64 part, u64 whole)
{
	if (whole && (double)part * 100 >= (double)whole * 9.5)
		return part >= whole ? "100 %"
				     : ct_say(s, "%u %%",
					       (u32)((double)part * 100 / (double)whole + 0.5));
	return keep(s, ct_fmt_share(ct_alloc(CT_FMT_LEN), part, whole));
}

const char *ct_say_ratio(struct ct_search *s, double x)
{
	u64 hundredths = (u64)(x * 100 + 0.5);

	return x < 10 ? ct_say(s, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100) :
			ct_say(s, "%" PRIu64, (hundredths + 50) / 100);
}

static bool is_alone(const struct ct_model *m, u32 thread)
{
	for (u32 i = 0; i < m->threads.cnt; i++)
		if (i != thread && m->threads.at[i].name == m->threads.at[thread].name)
			return false;
	return true;
}

const char *ct_say_thread(struct ct_search *s, u32 thread)
{
	const struct ct_thread *t;
	const char *name;

	if (thread >= s->m->threads.cnt)
		return "somebody outside";
	t = &s->m->threads.at[thread];
	name = ct_strtab__get(s->m->strings, t->name);
	if (!*name)
		return ct_say(s, "thread %" PRIu32, t->tid);
	return is_alone(s->m, thread) ? name : ct_say(s, "%s %" PRIu32, name, t->tid);
}

const char *ct_say_threads(struct ct_search *s, const u32 *at, u32 cnt)
{
	u32 shown = cnt > THREADS_MAX + 1 ? THREADS_MAX : cnt;
	const char *text = cnt ? ct_say_thread(s, at[0]) : "no thread";

	for (u32 i = 1; i < shown; i++)
		text = ct_say(
			s, "%s%s%s", text, i + 1 == cnt ? " and " : ", ", ct_say_thread(s, at[i]));
	return shown == cnt ? text : ct_say(s, "%s and %" PRIu32 " more", text, cnt - shown);
}

const char *ct_say_lock(struct ct_search *s, u32 lock)
{
	static const char *const kinds[CT_LK_KINDS] = { [CT_LK_RWLOCK] = "the rwlock ",
		[CT_LK_COND] = "the condition variable ", [CT_LK_SEM] = "the semaphore ",
		[CT_LK_BARRIER] = "the barrier ", [CT_LK_FUTEX] = "the futex " };
	static const char heap[] = "heap by ", shared[] = "shared by ";
	char raw[NAME_SIZE];
	const struct ct_lock *l;

	if (lock >= s->m->locks.cnt)
		return "a lock";
	l = &s->m->locks.at[lock];
	ct_lock_name(s->m, l, raw, sizeof(raw));
	/* a name in a table; in a sentence it must be said what it is */
	if (!kinds[l->kind] && !strncmp(raw, heap, sizeof(heap) - 1))
		return ct_say(s, "the lock on the heap first waited for in %s",
			raw + sizeof(heap) - 1);
	if (!kinds[l->kind] && !strncmp(raw, shared, sizeof(shared) - 1))
		return ct_say(s, "the shared lock first waited for in %s",
			raw + sizeof(shared) - 1);
	return ct_say(s, "%s%s", kinds[l->kind] ? kinds[l->kind] : "", raw);
}

const char *ct_say_watched(struct ct_search *s, u32 watched)
{
	char raw[NAME_SIZE];

	return ct_say(s, "%s",
		ct_watched_name(s->m, &s->m->watched.at[watched], raw, sizeof(raw)));
}

const char *ct_say_at(struct ct_search *s, u32 frame)
{
	char raw[NAME_SIZE];

	if (!frame || !s->m->names)
		return "";
	return ct_say(s, " at %s", ct_frame_name(s->m->names, frame, raw, sizeof(raw)));
}

const char *ct_say_does(enum ct_state state)
{
	static const char *const does[CT_STATES] = { [CT_RUNNING] = "runs",
		[CT_RUNNABLE] = "waits for a CPU",
		[CT_LOCK] = "waits for a lock",
		[CT_RWLOCK] = "waits for a rwlock",
		[CT_COND] = "waits for a condition variable",
		[CT_SEM] = "waits for a semaphore",
		[CT_BARRIER] = "waits at a barrier",
		[CT_JOIN] = "waits for a thread's end",
		[CT_FUTEX_OTHER] = "waits for a futex",
		[CT_SLEEP] = "sleeps",
		[CT_POLL] = "waits in poll",
		[CT_IO_DISK] = "waits for the disk",
		[CT_IO_NET] = "waits for the network",
		[CT_PIPE] = "waits for a pipe",
		[CT_CHILD] = "waits for a child process",
		[CT_FAULT] = "waits for memory to be read in",
		[CT_STOPPED] = "is stopped",
		[CT_OTHER] = "waits in the kernel" };

	return state < CT_STATES ? does[state] : "waits";
}
