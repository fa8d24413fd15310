/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings on things that are used as locks and are none by name: threads that take turns because
 * of one (turns.c), and semaphores and futexes that are held by a thread that sleeps.
 *
 * Such a lock has no owner to read.  It is used as one when those who wait for it end most of each
 * other's waits; then who ends a wait had it, since it last got it or gave it away, and since the
 * one before it gave it away.  Several at once: it has several permits, and is no lock.
 */
#include <string.h>

#include "findings_int.h"

/* ---- serialized ---- */

static const char *say_thing(struct ct_search *s, const struct ct_turns *t)
{
	return t->interpreter ? "the interpreter's lock" : ct_say_lock(s, t->lock);
}

static void list_round(struct ct_search *s, struct ct_finding *f, u32 lock)
{
	const struct ct_lock *l = &s->m->locks.at[lock];

	ct_marks__clear(s);
	for (u32 i = 0; i < l->waits.cnt; i++) {
		u32 t = s->m->waits.at[l->waits.at[i]].thread;
		if (ct_marks__set(s, t))
			*ct_vec_push(&f->threads) = t;
	}
}

void ct_find_turns(struct ct_search *s)
{
	const struct ct_turns *t = &s->f->turns;
	u32 lanes = t->threads < s->m->run->cpus ? t->threads : s->m->run->cpus;
	ct_ns cost_ns;

	if (t->lock == CT_NONE || s->f->hangs.at.cnt || lanes < 2)
		return;
	cost_ns = t->alone_ns - t->alone_ns / lanes;
	if (!ct_worth(s, cost_ns))
		return;
	const char *thing = say_thing(s, t);
	struct ct_finding *f = ct_found__new(s, CT_FIND_SERIALIZED, cost_ns, false);
	ct_found__lock(f, t->lock);
	list_round(s, f, t->lock);
	for (u32 i = 0; i < s->f->contentions.at.cnt; i++) {
		const struct ct_contention *c = &s->f->contentions.at.at[i];
		if (c->lock == t->lock && c->sites.cnt)
			ct_found__frame(f, c->sites.at[0].frame);
	}
	f->title = ct_asprintf("many threads, one at a time, because of %s", thing);
	f->evidence = ct_asprintf(
		"For %s, %s of the run, exactly one of %u threads ran or wanted a CPU while others "
		"waited for %s; they took turns %s times, every %s. So it is however many CPUs "
		"there are.",
		ct_say_ns(s, t->alone_ns), ct_say_share(s, t->alone_ns, s->duration_ns), t->threads,
		thing, ct_say_count(s, t->turns), ct_say_ns(s, t->alone_ns / t->turns));
	f->advice = t->interpreter ?
			    ct_strdup("Threads of one interpreter overlap waiting, not computing: "
				      "give the computing to processes (multiprocessing, a process "
				      "pool), or to a library that lets go of the lock.") :
			    ct_asprintf("Make %s guard less, or do the work in one thread: it "
					"would take no longer.",
				    thing);
}

/* ---- lock-held-while-blocked ---- */

struct key {
	struct ct_search *s;
	u32 lock;
	ct_ns *since_ns; /* [threads] it got the thing, or gave it away, last; 0: never */
	u8 *got;	 /* [threads] it got it */
	ct_ns free_ns;	 /* the last one gave it away */
	ct_ns all_ns, blocked_ns, blocked_max_ns;
	ct_ns own_ns, clipped_ns; /* of holds whose start is known: whole, and without overlaps */
	ct_ns state_ns[CT_STATES];
	u32 releases, thread, frame;
};

static void add_slices(struct key *k, u32 thread, ct_ns from_ns, ct_ns to_ns)
{
	const struct ct_thread *t = &k->s->m->threads.at[thread];

	for (u32 i = ct_slice_find(t, from_ns); i < t->slices.cnt && from_ns < to_ns; i++) {
		const struct ct_slice *sl = &t->slices.at[i];
		ct_ns end_ns = ct_slice_end(t, i) < to_ns ? ct_slice_end(t, i) : to_ns;
		ct_ns ns = end_ns > from_ns ? end_ns - from_ns : 0;
		from_ns = end_ns > from_ns ? end_ns : from_ns;
		if (!ct_is_outside(sl->state))
			continue;
		k->blocked_ns += ns;
		k->state_ns[sl->state] += ns;
		if (ns > k->blocked_max_ns) {
			k->blocked_max_ns = ns;
			k->thread = thread;
			k->frame = sl->wait == CT_NONE ? 0 : k->s->m->waits.at[sl->wait].frame;
		}
	}
}

/* A wait ends: its waker gives away what it had. */
static void give_away(struct key *k, const struct ct_wait *w)
{
	ct_ns own_ns = k->since_ns[w->waker], from_ns = own_ns;

	if (from_ns < k->free_ns)
		from_ns = k->free_ns;
	if (k->got[w->waker]) {
		k->own_ns += w->end_ns - own_ns;
		k->clipped_ns += w->end_ns > from_ns ? w->end_ns - from_ns : 0;
	}
	k->releases++;
	k->since_ns[w->waker] = k->since_ns[w->thread] = k->free_ns = w->end_ns;
	k->got[w->waker] = 0;
	k->got[w->thread] = 1;
	if (from_ns < w->start_ns)
		from_ns = w->start_ns;
	if (from_ns >= w->end_ns)
		return;
	k->all_ns += w->end_ns - from_ns;
	add_slices(k, w->waker, from_ns, w->end_ns);
}

/* Most waits were ended by those who wait for it, too. */
static bool is_used_as_lock(struct ct_search *s, const struct ct_lock *l)
{
	u32 woken = 0, inside = 0;

	if (l->kind != CT_LK_SEM && l->kind != CT_LK_FUTEX)
		return false;
	ct_marks__clear(s);
	for (u32 i = 0; i < l->waits.cnt; i++)
		ct_marks__set(s, s->m->waits.at[l->waits.at[i]].thread);
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &s->m->waits.at[l->waits.at[i]];
		if (!(w->flags & CT_WAIT_WOKEN) || (w->flags & CT_WAIT_TIMED_OUT))
			continue;
		woken++;
		inside += w->waker != CT_NONE && ct_marks__has(s, w->waker);
	}
	return woken >= ct_threshold(CT_T_SEQUENCE_WAITS) &&
	       ct_is_share(inside, woken, CT_T_KEY_INSIDE);
}

static void study_key(struct key *k)
{
	const struct ct_model *m = k->s->m;
	const struct ct_lock *l = &m->locks.at[k->lock];
	struct ct_wait_end *order = ct_alloc(((size_t)l->waits.cnt + 1) * sizeof(*order));

	for (u32 i = 0; i < l->waits.cnt; i++)
		order[i] = (struct ct_wait_end){ m->waits.at[l->waits.at[i]].end_ns,
			l->waits.at[i] };
	qsort(order, l->waits.cnt, sizeof(*order), ct_wait_end__compare);
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[order[i].wait];
		if ((w->flags & CT_WAIT_WOKEN) && !(w->flags & CT_WAIT_TIMED_OUT) &&
			w->waker != CT_NONE && w->waker != w->thread)
			give_away(k, w);
	}
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[order[i].wait];
		k->since_ns[w->thread] = k->got[w->thread] = 0;
		if (w->waker != CT_NONE)
			k->since_ns[w->waker] = k->got[w->waker] = 0;
	}
	free(order);
}

static enum ct_state most_state(const struct key *k)
{
	u32 best = CT_SLEEP;

	for (u32 i = 0; i < CT_STATES; i++)
		if (k->state_ns[i] > k->state_ns[best])
			best = i;
	return best;
}

static void tell_key(struct key *k)
{
	struct ct_search *s = k->s;
	const char *lock = ct_say_lock(s, k->lock), *who = ct_say_thread(s, k->thread);
	const char *does = ct_say_does(most_state(k)), *where = ct_say_at(s, k->frame);
	struct ct_finding *f =
		ct_found__new(s, CT_FIND_LOCK_HELD_WHILE_BLOCKED, k->blocked_ns, false);

	ct_found__lock(f, k->lock);
	ct_found__frame(f, k->frame);
	ct_found__thread(f, k->thread);
	for (u32 i = 0; i < s->m->locks.at[k->lock].waits.cnt; i++)
		ct_found__thread(f, s->m->waits.at[s->m->locks.at[k->lock].waits.at[i]].thread);
	f->title = ct_asprintf("%s is used as a lock and held by a thread that %s", lock, does);
	f->evidence = ct_asprintf(
		"For %s, %s of the run, others waited for %s while the thread that ended their "
		"wait, and so had it, was blocked: for example %s, which %s%s. Those who wait for "
		"it end each other's waits, as with a lock.",
		ct_say_ns(s, k->blocked_ns), ct_say_share(s, k->blocked_ns, s->duration_ns), lock,
		who, does, where);
	f->advice = ct_asprintf(
		"Do what %s%s before taking %s or after giving it back, and go in with the "
		"result.",
		does, where, lock);
}

void ct_find_held_keys(struct ct_search *s)
{
	size_t threads = (size_t)s->m->threads.cnt + 1;
	ct_ns *since_ns = ct_alloc(threads * sizeof(*since_ns));
	u8 *got = ct_alloc(threads);

	for (u32 i = 0; i < s->m->locks.cnt; i++) {
		struct key k = { .s = s, .lock = i, .since_ns = since_ns, .got = got };
		if (s->m->locks.at[i].wait_ns < ct_threshold_ns(CT_T_COST_MS) ||
			!is_used_as_lock(s, &s->m->locks.at[i]))
			continue;
		study_key(&k);
		if (ct_worth(s, k.blocked_ns) &&
			k.releases >= ct_threshold(CT_T_SEQUENCE_WAITS) &&
			ct_is_share(k.blocked_ns, k.all_ns, CT_T_HELD_SHARE) &&
			!ct_is_share(k.own_ns - k.clipped_ns, k.own_ns, CT_T_PERMITS))
			tell_key(&k);
	}
	free(since_ns);
	free(got);
}
