/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each lock cost, on which lines, and who made whom wait. A wait is split over the holds that
 * it overlaps, so a long queue is charged to those who held the lock, not to the one who happened
 * to wake the waiter; what falls on no hold is nobody's (CT_NONE).
 *
 * A lock's waits are taken thread by thread: within one they do not overlap and are in order of
 * time, so finding the first hold of each is a merge. O(waits x log waits + overlaps of waits with
 * holds) for each lock; memory O(threads) besides the result.
 */
#include "findings_int.h"

struct acc { /* one waiter's time, by owner */
	u32 waits, last_wait;
	ct_ns ns;
};

struct work {
	const struct ct_model *m;
	const struct ct_lock *lock;
	struct ct_contention *c;
	struct acc *by_owner; /* [threads + 1]; the last one is nobody */
	u32 *touched;
	u32 touched_cnt;
	struct ct_table *site_idx;
};

/* ---- lines ----------------------------------------------------------------------------------- */

static void add_site(struct work *w, const struct ct_wait *wait)
{
	u64 lock = w->c->lock;
	u32 i = ct_table__get(w->site_idx, lock, wait->frame);
	ct_ns ns = wait->end_ns - wait->start_ns;

	if (i == CT_NONE) {
		i = w->c->sites.cnt;
		ct_vec_push(&w->c->sites)->frame = wait->frame;
		ct_table__set(w->site_idx, lock, wait->frame, i);
	}
	struct ct_site *s = &w->c->sites.at[i];
	s->waits++;
	s->wait_ns += ns;
	if (s->max_ns < ns)
		s->max_ns = ns;
}

static int compare_sites(const void *a, const void *b)
{
	const struct ct_site *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* ---- blame ----------------------------------------------------------------------------------- */

static void charge(struct work *w, u32 owner, u32 wait, ct_ns ns)
{
	u32 slot = owner == CT_NONE ? w->m->threads.cnt : owner;
	struct acc *a = &w->by_owner[slot];

	if (!a->waits)
		w->touched[w->touched_cnt++] = slot;
	if (!a->waits || a->last_wait != wait)
		a->waits++;
	a->last_wait = wait;
	a->ns += ns;
}

/* Splits one wait; *hold is the first hold that ends after the waiter's last wait began. */
static void split_wait(struct work *w, u32 idx, u32 *hold)
{
	const struct ct_wait *wait = &w->m->waits.at[idx];
	const struct ct_lock *l = w->lock;
	ct_ns at = wait->start_ns;

	while (*hold < l->holds.cnt && l->holds.at[*hold].end_ns <= at)
		*hold += 1;
	for (u32 i = *hold; i < l->holds.cnt && l->holds.at[i].start_ns < wait->end_ns; i++) {
		const struct ct_hold *h = &l->holds.at[i];
		ct_ns end = h->end_ns < wait->end_ns ? h->end_ns : wait->end_ns;
		if (h->start_ns > at) {
			charge(w, CT_NONE, idx, h->start_ns - at);
			at = h->start_ns;
		}
		charge(w, h->thread, idx, end - at);
		at = end;
	}
	if (at < wait->end_ns)
		charge(w, CT_NONE, idx, wait->end_ns - at);
}

static void flush_waiter(struct work *w, u32 waiter)
{
	for (u32 i = 0; i < w->touched_cnt; i++) {
		u32 slot = w->touched[i];
		struct acc *a = &w->by_owner[slot];
		*ct_vec_push(&w->c->blamed) = (struct ct_blame){ .waiter = waiter,
			.owner = slot == w->m->threads.cnt ? CT_NONE : slot,
			.waits = a->waits, .wait_ns = a->ns };
		*a = (struct acc){ 0 };
	}
	w->touched_cnt = 0;
}

struct by_waiter {
	u32 thread, wait;
};

static int compare_waiters(const void *a, const void *b)
{
	const struct by_waiter *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->wait < y->wait ? -1 : x->wait > y->wait;
}

/* First hold that ends after t. */
static u32 find_hold(const struct ct_lock *l, ct_ns t)
{
	u32 low = 0, high = l->holds.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (l->holds.at[mid].end_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void blame_owners(struct work *w)
{
	u32 cnt = w->lock->waits.cnt;
	struct by_waiter *order = ct_alloc((size_t)cnt * sizeof(*order));
	u32 hold = 0;

	for (u32 i = 0; i < cnt; i++) {
		u32 wait = w->lock->waits.at[i];
		order[i] = (struct by_waiter){ w->m->waits.at[wait].thread, wait };
	}
	qsort(order, cnt, sizeof(*order), compare_waiters);
	for (u32 i = 0; i < cnt; i++) {
		if (!i || order[i].thread != order[i - 1].thread)
			hold = find_hold(w->lock, w->m->waits.at[order[i].wait].start_ns);
		split_wait(w, order[i].wait, &hold);
		if (i + 1 == cnt || order[i + 1].thread != order[i].thread)
			flush_waiter(w, order[i].thread);
	}
	free(order);
}

static int compare_blames(const void *a, const void *b)
{
	const struct ct_blame *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	if (x->waiter != y->waiter)
		return x->waiter < y->waiter ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

/* ---- what holders did meanwhile -------------------------------------------------------------- */

/* The part of a hold within [start, end). */
static void add_holder_states(struct work *w, const struct ct_hold *h, ct_ns start, ct_ns end)
{
	const struct ct_thread *th = &w->m->threads.at[h->thread];
	u32 near = h->slice;

	start = h->start_ns > start ? h->start_ns : start;
	end = h->end_ns < end ? h->end_ns : end;
	for (u32 i = ct_slice_find_near(th, start, &near); i < th->slices.cnt && start < end; i++) {
		ct_ns slice_end = ct_slice_end(th, i) < end ? ct_slice_end(th, i) : end;
		if (th->slices.at[i].start_ns > start)
			start = th->slices.at[i].start_ns;
		if (slice_end > start) {
			w->c->hold_state_ns[th->slices.at[i].state] += slice_end - start;
			start = slice_end;
		}
	}
}

/* Time counts once, however many wait: the stretches with at least one waiter, cut by the holds. */
static void watch_holders(struct work *w)
{
	const struct ct_lock *l = w->lock;
	u32 hold = 0;

	for (u32 i = 0; i < l->waits.cnt;) {
		ct_ns start = w->m->waits.at[l->waits.at[i]].start_ns;
		ct_ns end = start;
		for (; i < l->waits.cnt; i++) {
			const struct ct_wait *wait = &w->m->waits.at[l->waits.at[i]];
			if (wait->start_ns > end)
				break;
			if (wait->end_ns > end)
				end = wait->end_ns;
		}
		while (hold < l->holds.cnt && l->holds.at[hold].end_ns <= start)
			hold++;
		for (u32 k = hold; k < l->holds.cnt && l->holds.at[k].start_ns < end; k++)
			add_holder_states(w, &l->holds.at[k], start, end);
	}
}

static void sum_holder_states(struct ct_contention *c)
{
	for (u32 s = 0; s < CT_STATES; s++) {
		if (s == CT_RUNNING)
			c->hold_running_ns += c->hold_state_ns[s];
		else if (s == CT_RUNNABLE)
			c->hold_runnable_ns += c->hold_state_ns[s];
		else
			c->hold_blocked_ns += c->hold_state_ns[s];
	}
}

/* ---- all ------------------------------------------------------------------------------------- */

static void compute_lock(struct work *w)
{
	for (u32 i = 0; i < w->lock->waits.cnt; i++)
		add_site(w, &w->m->waits.at[w->lock->waits.at[i]]);
	if (w->lock->kind == CT_LK_MUTEX || w->lock->kind == CT_LK_RWLOCK) {
		blame_owners(w);
		watch_holders(w);
		sum_holder_states(w->c);
	}
	qsort(w->c->sites.at, w->c->sites.cnt, sizeof(struct ct_site), compare_sites);
	if (w->c->blamed.cnt)
		qsort(w->c->blamed.at, w->c->blamed.cnt, sizeof(struct ct_blame), compare_blames);
}

struct rank {
	struct ct_contention c;
	ct_ns wait_ns;
};

static int compare_locks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	return x->c.lock < y->c.lock ? -1 : x->c.lock > y->c.lock;
}

static void rank_locks(struct ct_contentions *c, const struct ct_model *m)
{
	struct rank *ranks = ct_alloc((size_t)c->at.cnt * sizeof(*ranks));

	for (u32 i = 0; i < c->at.cnt; i++)
		ranks[i] = (struct rank){ c->at.at[i], m->locks.at[c->at.at[i].lock].wait_ns };
	qsort(ranks, c->at.cnt, sizeof(*ranks), compare_locks);
	for (u32 i = 0; i < c->at.cnt; i++)
		c->at.at[i] = ranks[i].c;
	free(ranks);
}

void ct_contention__compute(struct ct_contentions *c, const struct ct_model *m)
{
	struct work w = { .m = m };

	*c = (struct ct_contentions){ 0 };
	w.by_owner = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*w.by_owner));
	w.touched = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*w.touched));
	w.site_idx = ct_table__new();
	for (u32 i = 0; i < m->locks.cnt; i++) {
		if (!m->locks.at[i].waits.cnt)
			continue;
		w.lock = &m->locks.at[i];
		w.c = ct_vec_push(&c->at);
		w.c->lock = i;
		compute_lock(&w);
	}
	rank_locks(c, m);
	free(w.by_owner);
	free(w.touched);
	ct_table__free(w.site_idx);
}

void ct_contention__clear(struct ct_contentions *c)
{
	for (u32 i = 0; i < c->at.cnt; i++) {
		ct_vec_free(&c->at.at[i].sites);
		ct_vec_free(&c->at.at[i].blamed);
	}
	ct_vec_free(&c->at);
}
