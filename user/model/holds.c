/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the reading of evidence: who held a lock when. One pass over the evidence of a lock in order
 * of time, one over its waits. Input and output are arrays; nothing here looks at events.
 *
 * Between two pieces of evidence the holder is the one that both agree on.  Where they do not:
 *
 *     FREED by A ... SEEN B       B got in between (barging: glibc wakes a waiter but does not hand
 *                                 over). B's from the earliest moment at which it can have taken
 *                                 the lock
 *     FREED by A ... RUN B        the lock was free until the woken thread ran. The gap is B's if
 *                                 it is shorter than HANDOVER_NS: B is the next owner, whoever
 *                                 waits longer waits for B already, and a barger in so short a gap
 *                                 would as a rule have sent B back to sleep. A longer gap is A's as
 *                                 long as it stays awake (all of it, if this lock's holders were
 *                                 seen asleep), if enough of this lock's long gaps have ended with
 *                                 A having it again; else nobody's
 *     SEEN A ... FREED by B       A stays: B let go before A took it, and woke late
 *     RUN A ... FREED by B        A had not got it yet: B's until then, A's from there on
 *     RUN A ... SEEN B            A let go without a wake: nobody waited; or never had it
 *     SEEN A ... RUN B            B takes it as soon as A lets go
 *
 * Who holds a lock while others queue wakes one when he lets go.  So a hold without an observed end
 * lasts as long as somebody queues; once nobody does, nothing is known, and the hold ends there.
 */
#include "model/model_int.h"

#define HANDOVER_NS 50000u
/* One in so many long gaps must be seen to end with A having the lock again. What A takes and gives
 * back within a gap leaves no trace, so what is seen is the least of it. Measured on five threads,
 * two locks and two CPUs, against the program's own record: of the lock-wait time while somebody
 * held the lock, 99.8 and 99.5 % (switch, calls) are charged to that thread; asking for every
 * second gap, 97.2 and 97.7 %. */
#define RETAKEN_SHARE 8u

struct reader { /* of one lock's evidence */
	struct build *b;
	struct ct_lock *lock;
	u32 cur;	 /* holder; CT_NONE: not known */
	ct_ns since_ns;	 /* of cur; of not knowing */
	ct_ns sure_ns;	 /* last evidence for cur */
	u32 flags;	 /* CT_HOLD_* of cur */
	u32 heir;	 /* woken, runs, will have it after cur */
	ct_ns heir_ns;
	u32 freed_by;	 /* who let go last */
	bool held_asleep;
	bool retaken;	 /* as a rule by that one, before the woken thread runs */
	u32 wait;	 /* busy period of the queue: next wait to look at, and the period so far */
	ct_ns busy_start, busy_end;
};

/* The busy period that ends after t, or the last one. */
static void find_busy(struct reader *r, ct_ns t)
{
	const struct ct_lock *l = r->lock;

	while (r->wait < l->waits.cnt) {
		const struct ct_wait *w = &r->b->m->waits.at[l->waits.at[r->wait]];
		if (w->start_ns > r->busy_end) {
			if (r->busy_end > t)
				return;
			r->busy_start = w->start_ns;
			r->busy_end = w->end_ns;
		} else if (w->end_ns > r->busy_end) {
			r->busy_end = w->end_ns;
		}
		r->wait++;
	}
}

/* Where a hold ends of which nobody saw the end. */
static ct_ns trim_end(struct reader *r, ct_ns end)
{
	find_busy(r, r->sure_ns);
	if (r->busy_start > r->sure_ns || r->busy_end <= r->sure_ns)
		return r->sure_ns;
	return r->busy_end < end ? r->busy_end : end;
}

static void emit_hold(struct reader *r, u32 t, ct_ns start, ct_ns end, u32 flags)
{
	struct ct_lock *l = r->lock;
	struct ct_hold *last = l->holds.cnt ? &l->holds.at[l->holds.cnt - 1] : NULL;

	if (last && start < last->end_ns)
		start = last->end_ns;
	if (start >= end)
		return;
	if (last && last->thread == t && last->end_ns == start &&
		!(last->flags & CT_HOLD_END_SEEN)) {
		last->end_ns = end;
		last->flags |= flags;
		return;
	}
	*ct_vec_push(&l->holds) =
		(struct ct_hold){ .start_ns = start, .end_ns = end, .thread = t, .flags = flags };
}

static void set_holder(struct reader *r, u32 t, ct_ns since, ct_ns sure, u32 flags)
{
	r->cur = t;
	r->since_ns = since;
	r->sure_ns = sure;
	r->flags = flags;
	if (t == r->heir)
		r->heir = CT_NONE;
}

/* cur's hold is over at `end` at the latest, unobserved. */
static void close_unseen(struct reader *r, ct_ns end)
{
	if (r->cur != CT_NONE)
		emit_hold(r, r->cur, r->since_ns, trim_end(r, end), r->flags);
}

static ct_ns from_ns(const struct reader *r, const struct evidence *e)
{
	ct_ns from = e->ts - e->back_ns;

	return from > r->since_ns ? from : r->since_ns;
}

/* Holds on the strength of having run after its wake-up alone. */
static bool only_ran(const struct reader *r)
{
	return r->cur != CT_NONE && !(r->flags & CT_HOLD_SEEN);
}

static void read_seen(struct reader *r, const struct evidence *e)
{
	if (r->cur == e->thread) {
		r->flags |= CT_HOLD_SEEN;
		r->sure_ns = e->ts;
	} else if (r->cur == CT_NONE) {
		set_holder(r, e->thread, from_ns(r, e), e->ts, CT_HOLD_SEEN);
	} else if (only_ran(r)) {
		ct_ns from = from_ns(r, e);
		close_unseen(r, from);
		set_holder(r, e->thread, from, e->ts, CT_HOLD_SEEN);
	} else if (r->heir == e->thread) {
		close_unseen(r, r->heir_ns);
		set_holder(r, e->thread, r->heir_ns, e->ts, CT_HOLD_SEEN | CT_HOLD_START_SEEN);
	} else {
		close_unseen(r, e->ts);
		set_holder(r, e->thread, e->ts, e->ts, CT_HOLD_SEEN);
	}
}

static void free_lock(struct reader *r, u32 by, ct_ns at)
{
	u32 heir = r->heir;

	r->freed_by = by;
	set_holder(r, CT_NONE, at, at, 0);
	if (heir != CT_NONE)
		set_holder(r, heir, at, at, CT_HOLD_START_SEEN);
}

static void read_freed(struct reader *r, const struct evidence *e)
{
	if (r->cur == e->thread) {
		emit_hold(r, r->cur, r->since_ns, e->ts, r->flags | CT_HOLD_END_SEEN);
		free_lock(r, e->thread, e->ts);
	} else if (r->cur == CT_NONE) {
		emit_hold(r, e->thread, from_ns(r, e), e->ts, CT_HOLD_END_SEEN);
		free_lock(r, e->thread, e->ts);
	} else if (only_ran(r)) {
		emit_hold(r, e->thread, from_ns(r, e), e->ts, CT_HOLD_END_SEEN);
		set_holder(r, r->cur, e->ts, e->ts, CT_HOLD_START_SEEN);
	} else if (r->heir == e->thread) {
		close_unseen(r, r->heir_ns);
		emit_hold(r, e->thread, r->heir_ns, e->ts, CT_HOLD_START_SEEN | CT_HOLD_END_SEEN);
		r->heir = CT_NONE;
		free_lock(r, e->thread, e->ts);
	}
}

/* Until when thread t, on or off a CPU, does not sleep; from `at` on, at most to `end`. */
static ct_ns awake_until(const struct ct_thread *t, ct_ns at, ct_ns end)
{
	u32 low = 0, high = t->slices.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (ct_slice_end(t, mid) <= at)
			low = mid + 1;
		else
			high = mid;
	}
	while (low < t->slices.cnt && !ct_state_blocked(t->slices.at[low].state))
		low++;
	if (low == t->slices.cnt)
		return t->end_ns < end ? t->end_ns : end;
	return t->slices.at[low].start_ns < end ? t->slices.at[low].start_ns : end;
}

/* A gap that is too long for a hand-over: see the top. */
static void fill_gap(struct reader *r, ct_ns end)
{
	const struct ct_thread *by;

	if (r->freed_by == CT_NONE || !r->retaken)
		return;
	by = &r->b->m->threads.at[r->freed_by];
	if (!r->held_asleep)
		end = awake_until(by, r->since_ns, end);
	else if (by->end_ns < end)
		end = by->end_ns;
	emit_hold(r, r->freed_by, r->since_ns, end, 0);
}

static void read_run(struct reader *r, const struct evidence *e)
{
	if (r->cur == e->thread) {
		r->sure_ns = e->ts;
	} else if (r->cur == CT_NONE) {
		bool handed = r->lock->holds.cnt && e->ts - r->since_ns <= HANDOVER_NS;
		if (!handed)
			fill_gap(r, e->ts);
		set_holder(r, e->thread, handed ? r->since_ns : e->ts, e->ts, CT_HOLD_START_SEEN);
	} else {
		r->heir = e->thread;
		r->heir_ns = e->ts;
	}
}

static void read_not(struct reader *r, const struct evidence *e)
{
	if (r->heir == e->thread)
		r->heir = CT_NONE;
	if (r->cur != e->thread)
		return;
	close_unseen(r, e->ts);
	free_lock(r, e->thread, e->ts);
}

static void read_one(struct reader *r, const struct evidence *e)
{
	switch (e->kind) {
	case EV_SEEN:
		read_seen(r, e);
		break;
	case EV_FREED:
		read_freed(r, e);
		break;
	case EV_RUN:
		read_run(r, e);
		break;
	case EV_NOT:
		read_not(r, e);
		break;
	}
}

/* Of the gaps that are too long for a hand-over, how do most end? */
static bool is_retaken(const struct lock_now *now)
{
	u32 freed_by = CT_NONE, again = 0, handed = 0;
	ct_ns freed_ns = 0;

	for (u32 i = 0; i < now->evidence.cnt; i++) {
		const struct evidence *e = &now->evidence.at[i];
		if (e->kind == EV_VOID)
			continue;
		if (freed_by != CT_NONE && e->ts - freed_ns > HANDOVER_NS) {
			again += e->kind == EV_SEEN && e->thread == freed_by;
			handed += e->kind == EV_RUN;
		}
		freed_by = e->kind == EV_FREED ? e->thread : CT_NONE;
		freed_ns = e->ts;
	}
	return again * RETAKEN_SHARE > handed;
}

/* Reads and drops the evidence of a lock. */
void model_holds(struct build *b, u32 lock)
{
	struct lock_now *now = &b->locks.at[lock];
	struct ct_lock *l = &b->m->locks.at[lock];
	struct reader r = { .b = b, .lock = l, .cur = CT_NONE, .heir = CT_NONE,
		.freed_by = CT_NONE, .held_asleep = now->held_asleep };

	if (l->kind == CT_LK_MUTEX || l->kind == CT_LK_RWLOCK) {
		r.retaken = l->kind == CT_LK_MUTEX && is_retaken(now);
		for (u32 i = 0; i < now->evidence.cnt; i++)
			read_one(&r, &now->evidence.at[i]);
		close_unseen(&r, b->m->end_ns);
	}
	ct_vec_free(&now->evidence);
}

const struct ct_hold *ct_lock_holder(const struct ct_lock *l, ct_ns t)
{
	u32 low = 0, high = l->holds.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (l->holds.at[mid].end_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->holds.cnt && l->holds.at[low].start_ns <= t ? &l->holds.at[low] : NULL;
}
