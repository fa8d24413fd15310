/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said of threads that wait for ever, in words: the report, the JSON summary and the live
 * announcement say the same.  Names are safe to print; callers free what they are given.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hang_text.h"

#define NAME_SIZE 1024
#define EVIDENCE_MEMBERS 8 /* of a ring that a paragraph names one by one */

static char *safe(const char *s)
{
	size_t size = 4 * strlen(s) + 1;
	char *buf = ct_alloc(size);

	return ct_fmt_safe(buf, size, s);
}

char *ct_hang_thread(const struct ct_model *m, u32 thread_idx)
{
	char *name = safe(ct_thread_name(m, thread_idx));
	char *full = ct_asprintf(
		"%s%s%" PRIu32, *name ? name : "thread", " ", m->threads.at[thread_idx].tid);

	free(name);
	return full;
}

char *ct_hang_lock(const struct ct_model *m, u32 lock)
{
	char raw[NAME_SIZE];

	return safe(ct_lock_name(m, &m->locks.at[lock], raw, sizeof(raw)));
}

char *ct_hang_place(const struct ct_model *m, u32 wait)
{
	char raw[NAME_SIZE];
	u32 frame = wait == CT_NONE ? 0 : m->waits.at[wait].frame;

	return frame && m->names ? safe(ct_frame_name(m->names, frame, raw, sizeof(raw)))
				 : ct_strdup("");
}

/* What a wait is for, without its line: "pen_lock", "the end of bob 12", "semaphore full". */
char *ct_hang_wants(const struct ct_model *m, u32 wait)
{
	static const char *const kinds[CT_LK_KINDS] = { [CT_LK_RWLOCK] = "rwlock ",
		[CT_LK_COND] = "condition variable ",
		[CT_LK_SEM] = "semaphore ",
		[CT_LK_BARRIER] = "barrier ",
		[CT_LK_FUTEX] = "futex " };
	const struct ct_wait *w = &m->waits.at[wait];
	char *name, *text;

	if (w->state == CT_JOIN && w->target != CT_NONE) {
		name = ct_hang_thread(m, w->target);
		text = ct_asprintf("the end of %s", name);
	} else if (w->lock != CT_NONE) {
		const char *kind = kinds[m->locks.at[w->lock].kind];
		name = ct_hang_lock(m, w->lock);
		text = ct_asprintf("%s%s", kind ? kind : "", name);
	} else {
		name = NULL;
		text = ct_strdup(
			w->state == CT_JOIN ? "the end of a thread" : ct_state_name(w->state));
	}
	free(name);
	return text;
}

static bool alone(const struct ct_hang *h)
{
	return h->members.cnt == 1;
}

/* Appends, separated. */
static void add(char **list, const char *separator, char *item)
{
	char *longer = ct_asprintf("%s%s%s", *list, **list ? separator : "", item);

	free(item);
	free(*list);
	*list = longer;
}

static char *name_some(const struct ct_model *m, const struct ct_hang *h)
{
	u32 cnt = h->members.cnt;
	bool same = false;

	for (u32 i = 1; i < cnt; i++)
		same |= m->threads.at[h->members.at[i].thread].name ==
			m->threads.at[h->members.at[i - 1].thread].name;
	if (cnt > 3 || same)
		return ct_asprintf("%" PRIu32 " threads", cnt);
	char *list = ct_strdup("");
	for (u32 i = 0; i < cnt; i++)
		add(&list, i + 1 == cnt ? " and " : ", ",
			safe(ct_thread_name(m, h->members.at[i].thread)));
	return list;
}

char *ct_hang_title(const struct ct_model *m, const struct ct_hang *h)
{
	char *who = name_some(m, h), *lock, *title;

	switch (h->kind) {
	case CT_HANG_DEADLOCK:
		title = alone(h) ? ct_asprintf("%s waits for a lock that it holds itself", who)
				 : ct_asprintf("%s wait for each other, for ever", who);
		break;
	case CT_HANG_ABANDONED:
		lock = ct_hang_lock(m, m->waits.at[h->members.at[0].wait].lock);
		title = ct_asprintf(
			"%s wait%s for %s, whose owner has ended", who, alone(h) ? "s" : "", lock);
		free(lock);
		break;
	default:
		if (alone(h))
			title = ct_asprintf(
				"the only thread, %s, waits for what only another could do", who);
		else if (h->members.cnt == 2)
			title = ct_strdup("both threads wait, and nobody is left to wake them");
		else
			title = ct_asprintf("all %" PRIu32
					    " threads wait, and nobody is left to wake them",
				h->members.cnt);
	}
	free(who);
	return title;
}

char *ct_hang_when(const struct ct_model *m, const struct ct_hang *h)
{
	char from[CT_FMT_LEN], held[CT_FMT_LEN];

	ct_fmt_ns(from, h->since_ns > m->start_ns ? h->since_ns - m->start_ns : 0);
	ct_fmt_ns(held, h->until_ns - h->since_ns);
	if (h->since_before)
		return ct_asprintf("since before ctrace looked%s%s",
			h->to_end ? "" : "; ended from outside after ", h->to_end ? "" : held);
	return ct_asprintf("since %s after the start, for %s, %s", from, held,
		h->to_end ? "and still so when this was written"
			  : "until the program was ended from outside");
}

/* "alice 12 holds A and waits for B at f (x.c:3)" */
static char *describe_member(const struct ct_model *m, const struct ct_hang_member *member)
{
	char *who = ct_hang_thread(m, member->thread), *wants = ct_hang_wants(m, member->wait);
	char *at = ct_hang_place(m, member->wait);
	char *holds = member->holds == CT_NONE ? ct_strdup("") : ct_hang_lock(m, member->holds);
	char *text = ct_asprintf("%s %s%s%swaits for %s%s%s", who, *holds ? "holds " : "", holds,
		*holds ? " and " : "", wants, *at ? " at " : "", at);

	free(holds);
	free(at);
	free(wants);
	free(who);
	return text;
}

/* Woken by a futex call, before it was all over. */
static bool was_signalled(
	const struct ct_model *m, const struct ct_hang *h, const struct ct_wait *w)
{
	const char *call = m->names && w->waker_nr != CT_NR_NONE
				   ? ct_names__syscall(m->names, w->waker_nr)
				   : NULL;

	return (w->flags & CT_WAIT_WOKEN) && w->waker != CT_NONE && w->end_ns < h->until_ns &&
	       call && !strncmp(call, "futex", 5);
}

static char *describe_signal(const struct ct_model *m, u32 lock, const struct ct_wait *last)
{
	char at[CT_FMT_LEN], end[CT_FMT_LEN];
	char *name = ct_hang_lock(m, lock), *who, *text;
	const struct ct_thread *waker = last ? &m->threads.at[last->waker] : NULL;

	if (!last) {
		text = ct_asprintf("nobody was seen to be woken by %s, ever", name);
		free(name);
		return text;
	}
	who = ct_hang_thread(m, last->waker);
	ct_fmt_ns(at, last->end_ns - m->start_ns);
	ct_fmt_ns(end, waker->end_ns - m->start_ns);
	if (waker->flags & CT_THREAD_ENDED)
		text = ct_asprintf("%s last woke somebody at %s, when %s signalled it; %s ended at "
				   "%s",
			name, at, who, who, end);
	else
		text = ct_asprintf(
			"%s last woke somebody at %s, when %s signalled it", name, at, who);
	free(who);
	free(name);
	return text;
}

char *ct_hang_signals(const struct ct_model *m, const struct ct_hang *h)
{
	const struct ct_wait *last = NULL;
	u32 lock = CT_NONE;

	for (u32 i = 0; i < h->members.cnt && lock == CT_NONE; i++) {
		const struct ct_wait *w = &m->waits.at[h->members.at[i].wait];
		if (w->lock != CT_NONE && (w->state == CT_COND || w->state == CT_SEM))
			lock = w->lock;
	}
	/* a look at what runs has no past */
	if (h->kind != CT_HANG_STUCK || lock == CT_NONE || !m->wakes.cnt || m->run->attached)
		return ct_strdup("");
	for (u32 i = 0; i < m->locks.at[lock].waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[m->locks.at[lock].waits.at[i]];
		if (was_signalled(m, h, w) && (!last || w->end_ns > last->end_ns))
			last = w;
	}
	return describe_signal(m, lock, last);
}

char *ct_hang_evidence(const struct ct_model *m, const struct ct_hang *h)
{
	char *list = ct_strdup(""), *when = ct_hang_when(m, h), *text, *owner = NULL;
	u32 shown = h->members.cnt > EVIDENCE_MEMBERS ? EVIDENCE_MEMBERS : h->members.cnt;

	for (u32 i = 0; i < shown; i++)
		add(&list, "; ", describe_member(m, &h->members.at[i]));
	if (shown < h->members.cnt)
		add(&list, "; ", ct_asprintf("and %" PRIu32 " more", h->members.cnt - shown));
	if (h->kind == CT_HANG_ABANDONED) {
		owner = ct_hang_thread(m, h->members.at[0].owner);
		add(&list, "; ", ct_asprintf("its owner word names %s, which has ended", owner));
		free(owner);
	}
	owner = ct_hang_signals(m, h);
	if (*owner)
		add(&list, "; ", ct_strdup(owner));
	free(owner);
	text = ct_asprintf("%s: %s.", list, when);
	free(when);
	free(list);
	return text;
}

const char *ct_hang_lesson(const struct ct_hang *h)
{
	switch (h->kind) {
	case CT_HANG_DEADLOCK:
		return "Deadlock: everyone waits for what another one holds, and nobody lets go. "
		       "No lock is at fault; the order in which they are taken is.";
	case CT_HANG_ABANDONED:
		return "The key was taken home: who ends with a lock in hand locks it for ever.";
	default:
		return "Everyone waits, and no key is involved: a signal was sent before anybody "
		       "waited for it, or one that was counted on never comes.";
	}
}

const char *ct_hang_advice(const struct ct_hang *h)
{
	switch (h->kind) {
	case CT_HANG_DEADLOCK:
		return alone(h) ? "Do not lock it again: split the function into one that locks "
				  "and one that expects it locked; or make the mutex recursive."
				: "Agree on one order and take these locks in it everywhere; or "
				  "take only one at a time.";
	case CT_HANG_ABANDONED:
		return "Unlock on every way out of the function, also on errors and cancellation; "
		       "or use a robust mutex.";
	default:
		return "Keep what is waited for in a variable, change it under the lock, and test "
		       "it in a loop before waiting. Is every change followed by a signal or a "
		       "broadcast? Make sure that whoever is counted on arrives.";
	}
}
