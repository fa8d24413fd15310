/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thundering herds: one thread wakes many that wait for the same thing; nearly all look, find
 * nothing, and wait for it again.
 *
 * Waits for one condition variable, futex or descriptor that the same thread ended microseconds
 * apart are one wake-up. A woken thread went back when its next wait, but for the mutex on the way,
 * is for the same thing, and it computed next to nothing in between. At least one of the herd must
 * have gone on: where all come back at once, each has done its share of something short (a barrier
 * made of a condition variable). The cost is the wall time from the wake-up until the last idle one
 * slept.
 */
#include <string.h>

#include "findings_int.h"

struct herd { /* the wake-ups of one thing, so far */
	ct_ns cost_ns;
	ct_ns last_end_ns; /* up to here, cost is counted */
	u32 times, woken, back;
	u32 max_woken;
};

struct member {
	u32 wait;
	u32 again; /* the wait in which it went back; CT_NONE: it did not */
	ct_ns ran_ns;
};

struct hunt {
	struct ct_search *s;
	struct ct_table *index; /* (key, waker) -> open */
	struct open {		/* the wake-up that goes on for one thing */
		u64 key_a, key_b;
		ct_ns last_ns;
		u32 waker;
		CT_VEC(u32) waits;
	} *open;
	u32 open_cnt, open_cap;
	struct ct_table *herd_of; /* thing -> herds */
	CT_VEC(struct herd) herds;
	CT_VEC(u32) example; /* [herds] a wait of it */
};

static bool may_be_herd(const struct ct_wait *w)
{
	return (w->flags & CT_WAIT_WOKEN) && w->waker != CT_NONE && w->waker != w->thread &&
	       (w->state == CT_COND || w->state == CT_FUTEX_OTHER || w->state == CT_POLL ||
		       w->state == CT_SEM);
}

/* What it waits for: a lock, or a descriptor of its process. */
static void key_of(const struct ct_model *m, const struct ct_wait *w, u64 *a, u64 *b)
{
	*a = w->lock != CT_NONE ? w->lock : (1ull << 32) | m->threads.at[w->thread].process;
	*b = w->lock != CT_NONE ? 0 : 1 + (u64)w->fd;
}

/* Time on a CPU in [from, to). */
static ct_ns ran_between(const struct ct_thread *t, ct_ns from_ns, ct_ns to_ns)
{
	ct_ns ran_ns = 0;

	for (u32 i = ct_slice_find(t, from_ns); i < t->slices.cnt; i++) {
		const struct ct_slice *sl = &t->slices.at[i];
		if (sl->start_ns >= to_ns)
			break;
		if (sl->state == CT_RUNNING)
			ran_ns += (ct_slice_end(t, i) < to_ns ? ct_slice_end(t, i) : to_ns) -
				  (sl->start_ns > from_ns ? sl->start_ns : from_ns);
	}
	return ran_ns;
}

static bool same_thing(const struct ct_model *m, const struct ct_wait *a, const struct ct_wait *b)
{
	u64 a1, a2, b1, b2;

	key_of(m, a, &a1, &a2);
	key_of(m, b, &b1, &b2);
	return a->state == b->state && a1 == b1 && a2 == b2;
}

/* Follows one that was woken to its next wait that is none for a mutex. */
static struct member follow(struct hunt *h, u32 wait)
{
	const struct ct_model *m = h->s->m;
	const struct ct_wait *w = &m->waits.at[wait];
	struct member member = { .wait = wait, .again = CT_NONE };
	u32 i = h->s->next[wait];

	while (i != CT_NONE &&
		(m->waits.at[i].state == CT_LOCK || m->waits.at[i].state == CT_RWLOCK))
		i = h->s->next[i];
	ct_ns until_ns = i == CT_NONE ? m->threads.at[w->thread].end_ns : m->waits.at[i].start_ns;
	member.ran_ns = ran_between(&m->threads.at[w->thread], w->end_ns, until_ns);
	if (i != CT_NONE && same_thing(m, w, &m->waits.at[i]) &&
		member.ran_ns <= ct_threshold_ns(CT_T_HERD_WORK_US))
		member.again = i;
	return member;
}

static struct herd *herd_for(struct hunt *h, const struct open *o)
{
	u32 i = ct_table__get(h->herd_of, o->key_a, o->key_b);

	if (i == CT_NONE) {
		i = h->herds.cnt;
		h->herds.at = ct_vec_grow(
			h->herds.at, &h->herds.cnt, &h->herds.cap, sizeof(*h->herds.at));
		*ct_vec_push(&h->example) = o->waits.at[0];
		ct_table__set(h->herd_of, o->key_a, o->key_b, i);
	}
	return &h->herds.at[i];
}

static void mark_locks(struct hunt *h, const struct member *member)
{
	for (u32 i = h->s->next[member->wait]; i != member->again; i = h->s->next[i])
		h->s->told[i] |= 2; /* counts once it is known that there is a herd */
}

static void add_herd(struct hunt *h, const struct open *o, const struct member *members, u32 back)
{
	const struct ct_model *m = h->s->m;
	struct herd *herd = herd_for(h, o);
	ct_ns from_ns = m->waits.at[o->waits.at[0]].end_ns, to_ns = from_ns;

	for (u32 i = 0; i < o->waits.cnt; i++) {
		if (members[i].again == CT_NONE)
			continue;
		ct_ns end_ns = m->waits.at[members[i].again].start_ns;
		to_ns = end_ns > to_ns ? end_ns : to_ns;
		mark_locks(h, &members[i]);
	}
	if (from_ns < herd->last_end_ns)
		from_ns = herd->last_end_ns;
	if (to_ns > from_ns) {
		herd->cost_ns += to_ns - from_ns;
		herd->last_end_ns = to_ns;
	}
	herd->times++;
	herd->woken += o->waits.cnt;
	herd->back += back;
	if (herd->max_woken < o->waits.cnt)
		herd->max_woken = o->waits.cnt;
}

/* No more are woken by this call: was it a herd? */
static void close_wakeup(struct hunt *h, struct open *o)
{
	u32 cnt = o->waits.cnt, back = 0;

	if (cnt >= ct_threshold(CT_T_HERD_WOKEN)) {
		struct member *members = ct_alloc(cnt * sizeof(*members));
		ct_ns most_ns = 0, sum_ns = 0;
		for (u32 i = 0; i < cnt; i++) {
			members[i] = follow(h, o->waits.at[i]);
			back += members[i].again != CT_NONE;
			sum_ns += members[i].ran_ns;
			most_ns = members[i].ran_ns > most_ns ? members[i].ran_ns : most_ns;
		}
		bool one_went_on = back < cnt || most_ns * cnt >= 3 * sum_ns;
		if (one_went_on && ct_is_share(back, cnt, CT_T_HERD_BACK_SHARE))
			add_herd(h, o, members, back);
		free(members);
	}
	ct_vec_free(&o->waits);
}

/* Who is woken a second time went back before: that is another wake-up. */
static bool has_member(const struct hunt *h, const struct open *o, u32 thread)
{
	for (u32 i = o->waits.cnt; i-- > 0;)
		if (h->s->m->waits.at[o->waits.at[i]].thread == thread)
			return true;
	return false;
}

static struct open *open_for(struct hunt *h, const struct ct_wait *w)
{
	u64 a, b;
	u32 i;

	key_of(h->s->m, w, &a, &b);
	i = ct_table__get(h->index, a, b);
	if (i == CT_NONE) {
		i = h->open_cnt;
		h->open = ct_vec_grow(h->open, &h->open_cnt, &h->open_cap, sizeof(*h->open));
		h->open[i] = (struct open){ .key_a = a, .key_b = b, .waker = CT_NONE };
		ct_table__set(h->index, a, b, i);
	}
	return &h->open[i];
}

static void take_waits(struct hunt *h)
{
	const struct ct_model *m = h->s->m;
	CT_VEC(struct ct_wait_end) ends = { 0 };

	for (u32 i = 0; i < m->waits.cnt; i++)
		if (may_be_herd(&m->waits.at[i]))
			*ct_vec_push(&ends) = (struct ct_wait_end){ m->waits.at[i].end_ns, i };
	if (ends.cnt)
		qsort(ends.at, ends.cnt, sizeof(*ends.at), ct_wait_end__compare);
	for (u32 i = 0; i < ends.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[ends.at[i].wait];
		struct open *o = open_for(h, w);
		if (o->waits.cnt &&
			(o->waker != w->waker || has_member(h, o, w->thread) ||
				w->end_ns - o->last_ns > ct_threshold_ns(CT_T_HERD_GAP_US)))
			close_wakeup(h, o);
		*ct_vec_push(&o->waits) = ends.at[i].wait;
		o->waker = w->waker;
		o->last_ns = w->end_ns;
	}
	for (u32 i = 0; i < h->open_cnt; i++)
		close_wakeup(h, &h->open[i]);
	ct_vec_free(&ends);
}

/* ---- telling ---- */

static void list_herd(struct ct_search *s, struct ct_finding *f, const struct ct_wait *w)
{
	ct_marks__clear(s);
	for (u32 i = 0; i < s->m->waits.cnt; i++) {
		u32 thread = s->m->waits.at[i].thread;
		if (same_thing(s->m, w, &s->m->waits.at[i]) && thread != w->waker &&
			ct_marks__set(s, thread))
			*ct_vec_push(&f->threads) = thread;
	}
}

static void tell_herd(struct hunt *h, const struct herd *herd, u32 example)
{
	struct ct_search *s = h->s;
	const struct ct_wait *w = &s->m->waits.at[example];
	const char *what =
		w->lock != CT_NONE ? ct_say_lock(s, w->lock) : ct_say(s, "descriptor %u", w->fd);
	const char *waker = ct_say_thread(s, w->waker), *where = ct_say_at(s, w->frame);
	struct ct_finding *f = ct_found__new(s, CT_FIND_THUNDERING_HERD, herd->cost_ns, true);

	ct_found__thread(f, w->waker);
	list_herd(s, f, w);
	ct_found__lock(f, w->lock);
	ct_found__frame(f, w->frame);
	f->title = ct_asprintf("many are woken by %s, one proceeds", what);
	f->evidence = ct_asprintf(
		"%s times %s woke up to %u threads that waited for %s%s; of %s woken, %s (%s) "
		"found nothing to do and waited again. For %s of the run such a herd was on its "
		"feet.",
		ct_say_count(s, herd->times), waker, herd->max_woken, what, where,
		ct_say_count(s, herd->woken), ct_say_count(s, herd->back),
		ct_say_share(s, herd->back, herd->woken),
		ct_say_share(s, herd->cost_ns, s->duration_ns));
	f->advice = ct_asprintf(
		"Wake as many as there is work for: signal instead of broadcast for %s, or a "
		"semaphore that counts the work.",
		what);
}

/* Waits for the mutex that a herd made are the herd's, where there is one. */
static void settle_locks(struct ct_search *s, bool found)
{
	for (u32 i = 0; i < s->m->waits.cnt; i++)
		s->told[i] = (s->told[i] & 1) | (found && (s->told[i] & 2) ? 1 : 0);
}

void ct_find_herd(struct ct_search *s)
{
	struct hunt h = { .s = s, .index = ct_table__new(), .herd_of = ct_table__new() };
	bool found = false;

	take_waits(&h);
	for (u32 i = 0; i < h.herds.cnt; i++) {
		if (h.herds.at[i].times < ct_threshold(CT_T_HERD_TIMES) ||
			!ct_worth(s, h.herds.at[i].cost_ns))
			continue;
		tell_herd(&h, &h.herds.at[i], h.example.at[i]);
		found = true;
	}
	settle_locks(s, found);
	ct_vec_free(&h.herds);
	ct_vec_free(&h.example);
	free(h.open);
	ct_table__free(h.index);
	ct_table__free(h.herd_of);
}
