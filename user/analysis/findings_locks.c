/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings on mutexes and rwlocks: contention, holders that block, convoys, programs that run one
 * thread at a time because of a lock.
 *
 * A queue's time is wall time with at least one waiter. Of it, these parts are not the lock's
 * fault: what fell to another finding (deadlock, herd); when the program's own threads used all
 * CPUs, so that nobody could have run instead; when the holder was kept off the CPU for longer than
 * a wake-up takes, by others. Times in which the holder was blocked are held-while-blocked, the
 * rest is contention. All are unions over time: what several waiters lose together counts once.
 *
 * A writer kept out by readers is another matter: that the CPUs were busy is no excuse, because
 * they were busy with those who keep it out, and more CPUs would not let it in.
 */
#include <string.h>

#include "findings_int.h"

struct ct_queue { /* one lock's */
	u32 lock;
	ct_ns all_ns;	  /* with a waiter */
	ct_ns spare_ns;	  /* of it, with a CPU to spare */
	ct_ns delayed_ns; /* of it, the holder was off the CPU for too long */
	ct_ns blocked_ns; /* of it, the holder was blocked, not by another lock */
	ct_ns blocked_state_ns[CT_STATES];
	ct_ns guessed_ns;	 /* of blocked_ns, in holds that nobody saw */
	ct_ns first_ns, last_ns; /* first wait's start, last wait's end */
	ct_ns wait_ns;		 /* of all waiters */
	u32 waits;
	u32 blocked_frame; /* where a holder was blocked for longest */
	u32 blocked_thread;
	ct_ns blocked_max_ns;
};

static bool is_key(const struct ct_lock *l)
{
	return l->kind == CT_LK_MUTEX || l->kind == CT_LK_RWLOCK;
}

/* ---- what holders did while others waited ---- */

static bool is_elsewhere(enum ct_state s)
{
	return ct_is_outside(s) || s == CT_POLL || s == CT_CHILD;
}

static void add_blocked(struct ct_queue *q, const struct ct_search *s, const struct ct_hold *h,
	const struct ct_slice *sl, ct_ns ns)
{
	q->blocked_ns += ns;
	q->blocked_state_ns[sl->state] += ns;
	if (!(h->flags & (CT_HOLD_SEEN | CT_HOLD_START_SEEN)) ||
		!s->m->locks.at[q->lock].tells_owner)
		q->guessed_ns += ns;
	if (ns > q->blocked_max_ns) {
		q->blocked_max_ns = ns;
		q->blocked_thread = h->thread;
		q->blocked_frame = sl->wait == CT_NONE ? 0 : s->m->waits.at[sl->wait].frame;
	}
}

/* The hold h within [from, to), in which somebody waits. */
static void add_hold(struct ct_queue *q, const struct ct_search *s, const struct ct_hold *h,
	ct_ns from_ns, ct_ns to_ns)
{
	const struct ct_thread *t = &s->m->threads.at[h->thread];
	ct_ns latency_ns = ct_threshold_ns(CT_T_WAKE_LATENCY_US);

	from_ns = h->start_ns > from_ns ? h->start_ns : from_ns;
	to_ns = h->end_ns < to_ns ? h->end_ns : to_ns;
	u32 near = h->slice;
	for (u32 i = ct_slice_find_near(t, from_ns, &near); i < t->slices.cnt && from_ns < to_ns;
		i++) {
		const struct ct_slice *sl = &t->slices.at[i];
		ct_ns end_ns = ct_slice_end(t, i) < to_ns ? ct_slice_end(t, i) : to_ns;
		if (sl->start_ns > from_ns)
			from_ns = sl->start_ns;
		if (end_ns <= from_ns)
			continue;
		if (sl->state == CT_RUNNABLE && end_ns - from_ns > latency_ns)
			q->delayed_ns += ct_activity__spare(
				&s->f->activity, from_ns + latency_ns, end_ns);
		else if (is_elsewhere(sl->state))
			add_blocked(q, s, h, sl, end_ns - from_ns);
		from_ns = end_ns;
	}
}

static void add_stretch(
	struct ct_queue *q, const struct ct_search *s, ct_ns from_ns, ct_ns to_ns, u32 *hold)
{
	const struct ct_lock *l = &s->m->locks.at[q->lock];

	q->all_ns += to_ns - from_ns;
	q->spare_ns += ct_activity__spare(&s->f->activity, from_ns, to_ns);
	while (*hold < l->holds.cnt && l->holds.at[*hold].end_ns <= from_ns)
		*hold += 1;
	for (u32 k = *hold; k < l->holds.cnt && l->holds.at[k].start_ns < to_ns; k++)
		add_hold(q, s, &l->holds.at[k], from_ns, to_ns);
}

static void study_queue(struct ct_queue *q, const struct ct_search *s, u32 lock)
{
	const struct ct_lock *l = &s->m->locks.at[lock];
	ct_ns from_ns = 0, to_ns = 0;
	u32 hold = 0;

	*q = (struct ct_queue){ .lock = lock, .first_ns = UINT64_MAX, .blocked_thread = CT_NONE };
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &s->m->waits.at[l->waits.at[i]];
		if (s->told[l->waits.at[i]] || w->end_ns <= w->start_ns)
			continue;
		if (w->start_ns > to_ns) {
			if (to_ns > from_ns)
				add_stretch(q, s, from_ns, to_ns, &hold);
			from_ns = w->start_ns;
		}
		to_ns = w->end_ns > to_ns ? w->end_ns : to_ns;
		q->first_ns = w->start_ns < q->first_ns ? w->start_ns : q->first_ns;
		q->last_ns = to_ns;
		q->wait_ns += w->end_ns - w->start_ns;
		q->waits++;
	}
	if (to_ns > from_ns)
		add_stretch(q, s, from_ns, to_ns, &hold);
}

/* That of contention i.  What other findings account for is known before it is first asked. */
static const struct ct_queue *queue_of(struct ct_search *s, u32 i)
{
	u32 cnt = s->f->contentions.at.cnt;

	if (!s->queues) {
		s->queues = ct_alloc(((size_t)cnt + 1) * sizeof(*s->queues));
		for (u32 k = 0; k < cnt; k++) {
			u32 lock = s->f->contentions.at.at[k].lock;
			if (is_key(&s->m->locks.at[lock]))
				study_queue(&s->queues[k], s, lock);
		}
	}
	return &s->queues[i];
}

static ct_ns minus(ct_ns a, ct_ns b)
{
	return a > b ? a - b : 0;
}

/* What the queue cost by itself. */
static ct_ns queue_cost(const struct ct_queue *q)
{
	return minus(q->spare_ns, q->delayed_ns + q->blocked_ns);
}

/* ---- who and where ---- */

/* The waiters' lines, those that wait longest first, as far as they are a tenth of the first. */
static void list_sites(struct ct_finding *f, const struct ct_contention *c)
{
	for (u32 i = 0; i < c->sites.cnt; i++)
		if (c->sites.at[i].wait_ns * 10 >= c->sites.at[0].wait_ns)
			ct_found__frame(f, c->sites.at[i].frame);
}

/* Waiters, those that waited longest first, then holders. */
static void list_people(struct ct_search *s, struct ct_finding *f, const struct ct_contention *c)
{
	ct_marks__clear(s);
	for (u32 i = 0; i < f->threads.cnt; i++)
		ct_marks__set(s, f->threads.at[i]);
	for (u32 i = 0; i < c->blamed.cnt; i++)
		if (ct_marks__set(s, c->blamed.at[i].waiter))
			*ct_vec_push(&f->threads) = c->blamed.at[i].waiter;
	for (u32 i = 0; i < c->blamed.cnt; i++)
		if (c->blamed.at[i].owner != CT_NONE && ct_marks__set(s, c->blamed.at[i].owner))
			*ct_vec_push(&f->threads) = c->blamed.at[i].owner;
}

static u32 count_waiters(struct ct_search *s, const struct ct_contention *c)
{
	u32 cnt = 0;

	ct_marks__clear(s);
	for (u32 i = 0; i < c->blamed.cnt; i++)
		cnt += ct_marks__set(s, c->blamed.at[i].waiter);
	return cnt;
}

static const char *first_site(struct ct_search *s, const struct ct_contention *c)
{
	return c->sites.cnt ? ct_say_at(s, c->sites.at[0].frame) : "";
}

static struct ct_finding *new_finding(struct ct_search *s, enum ct_finding_kind kind, ct_ns cost_ns,
	bool seen, const struct ct_contention *c)
{
	struct ct_finding *f = ct_found__new(s, kind, cost_ns, seen);

	ct_found__lock(f, c->lock);
	list_people(s, f, c);
	list_sites(f, c);
	return f;
}

/* ---- lock-held-while-blocked ---- */

static enum ct_state longest_state(const struct ct_queue *q)
{
	u32 best = CT_SLEEP;

	for (u32 i = 0; i < CT_STATES; i++)
		if (q->blocked_state_ns[i] > q->blocked_state_ns[best])
			best = i;
	return best;
}

static void tell_held(
	struct ct_search *s, const struct ct_queue *q, const struct ct_contention *c)
{
	const char *lock = ct_say_lock(s, q->lock);
	const char *does = ct_say_does(longest_state(q)), *where = ct_say_at(s, q->blocked_frame);
	const char *who = ct_say_thread(s, q->blocked_thread);
	struct ct_finding *f = ct_found__new(s, CT_FIND_LOCK_HELD_WHILE_BLOCKED, q->blocked_ns,
		q->guessed_ns * 2 < q->blocked_ns);

	ct_found__lock(f, q->lock);
	ct_found__frame(f, q->blocked_frame);
	list_sites(f, c);
	ct_found__thread(f, q->blocked_thread);
	list_people(s, f, c);
	f->title = ct_asprintf("%s is held by a thread that %s", lock, does);
	f->evidence = ct_asprintf(
		"For %s, %s of the run, others waited for %s while its holder was blocked: "
		"for example %s, which %s%s.",
		ct_say_ns(s, q->blocked_ns), ct_say_share(s, q->blocked_ns, s->duration_ns), lock,
		who, does, where);
	f->advice = ct_asprintf(
		"Do what %s%s before taking %s or after giving it back, and go in with the "
		"result.",
		does, where, lock);
}

void ct_find_held_while_blocked(struct ct_search *s)
{
	for (u32 i = 0; i < s->f->contentions.at.cnt; i++) {
		const struct ct_contention *c = &s->f->contentions.at.at[i];
		if (!is_key(&s->m->locks.at[c->lock]))
			continue;
		const struct ct_queue *q = queue_of(s, i);
		if (ct_worth(s, q->blocked_ns) &&
			ct_is_share(q->blocked_ns, q->all_ns, CT_T_HELD_SHARE))
			tell_held(s, q, c);
	}
	ct_find_held_keys(s);
}

/* ---- lock-contention ---- */

/* Readers of a rwlock are no holds; who ended a wait for it was inside. */
static void list_wakers(struct ct_search *s, struct ct_finding *f, u32 lock)
{
	const struct ct_lock *l = &s->m->locks.at[lock];

	ct_marks__clear(s);
	for (u32 i = 0; i < f->threads.cnt; i++)
		ct_marks__set(s, f->threads.at[i]);
	for (u32 i = 0; i < l->waits.cnt; i++) {
		u32 waker = s->m->waits.at[l->waits.at[i]].waker;
		if (waker != CT_NONE && ct_marks__set(s, waker))
			*ct_vec_push(&f->threads) = waker;
	}
}

/* The replay of the run without this lock's waits; NULL: it was not asked, or is not believed. */
static const struct ct_prediction *find_prediction(const struct ct_search *s, u32 lock)
{
	const struct ct_what_if *w = &s->f->what_if;

	for (u32 i = 0; w->usable && i < w->at.cnt; i++)
		if (w->at.at[i].change == CT_CHANGE_LOCK_FREE && w->at.at[i].lock == lock)
			return &w->at.at[i];
	return NULL;
}

/* The replay says that the run is as long without this lock's waits. */
static bool saves_nothing(const struct ct_search *s, u32 lock)
{
	const struct ct_prediction *p = find_prediction(s, lock);

	return p && !ct_worth(s, minus(s->duration_ns, p->duration_ns));
}

/* The thread that computes most, if it does so for most of the run, with the lock in hand while
 * others queue for it, and next to nothing runs beside it; else CT_NONE.  The replay leaves each
 * thread the work that it had, also where that one had the turns of all others: what keeps the run
 * long without the lock is then no bound. */
static u32 taken_by(const struct ct_search *s, u32 lock, ct_ns *held_ns)
{
	const struct ct_lock *l = &s->m->locks.at[lock];
	ct_ns most_ns = 0;
	u32 best = CT_NONE;

	for (u32 t = 0; t < s->m->threads.cnt; t++)
		if (s->m->threads.at[t].state_ns[CT_RUNNING] > most_ns) {
			most_ns = s->m->threads.at[t].state_ns[CT_RUNNING];
			best = t;
		}
	*held_ns = 0;
	if (!ct_is_share(most_ns, s->duration_ns, CT_T_TAKER_SHARE) ||
		s->f->parallelism.mean_running * 100 > (double)ct_threshold(CT_T_SERIAL_RUNNING))
		return CT_NONE;
	for (u32 i = 0; i < l->holds.cnt; i++)
		if (l->holds.at[i].thread == best)
			*held_ns += l->holds.at[i].end_ns - l->holds.at[i].start_ns;
	return *held_ns >= most_ns / 2 ? best : CT_NONE;
}

/* What that thread could have left to others, at most. */
static ct_ns shareable(const struct ct_search *s, ct_ns held_ns, u32 waiters)
{
	u32 cpus = s->f->activity.cpus, lanes = waiters + 1 < cpus ? waiters + 1 : cpus;

	return held_ns - held_ns / lanes;
}

/* A queue costs the time in which a CPU was free for those who stood in it, and no more than the
 * run would be shorter without it. Where that is nothing, the waits are still worth a word, but not
 * more: what the threads would do instead is wait for something else. */
static ct_ns at_most_saved(const struct ct_search *s, u32 lock, ct_ns cost_ns)
{
	const struct ct_prediction *p = find_prediction(s, lock);
	ct_ns saving_ns = p ? minus(s->duration_ns, p->duration_ns) : cost_ns;

	return saving_ns < cost_ns && !saves_nothing(s, lock) ? saving_ns : cost_ns;
}

static const char *say_prediction(struct ct_search *s, u32 lock)
{
	const struct ct_prediction *p = find_prediction(s, lock);

	if (!p)
		return "";
	if (saves_nothing(s, lock))
		return " Without these waits alone the run would hardly have been shorter: its "
		       "threads would have waited for something else.";
	return ct_say(s, " Without these waits it would have taken about %s instead of %s.",
		ct_say_ns(s, p->duration_ns), ct_say_ns(s, s->duration_ns));
}

/* Nobody of the recorded was ever seen with it, and who let the waiters in was none of them: the
 * lock is in memory that another program has, too. */
static bool is_held_outside(const struct ct_search *s, const struct ct_lock *l)
{
	u32 woken = 0;

	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &s->m->waits.at[l->waits.at[i]];
		bool foreign = w->wake_flags & CT_WAKE_FOREIGN;
		if (w->owner != CT_NONE || ((w->flags & CT_WAIT_WOKEN) && !foreign))
			return false;
		woken += foreign;
	}
	return l->shared && woken;
}

static void tell_outside(
	struct ct_search *s, const struct ct_queue *q, const struct ct_contention *c)
{
	const char *lock = ct_say_lock(s, q->lock), *site = first_site(s, c);
	struct ct_finding *f = new_finding(s, CT_FIND_LOCK_CONTENTION, queue_cost(q), true, c);

	f->title = ct_asprintf(
		"%s is held by a thread of another program that was not recorded", lock);
	f->evidence = ct_asprintf(
		"For %s, %s of the run, %s waited for %s%s. None of the recorded threads had it, "
		"and each wait was ended by a thread of another program.%s",
		ct_say_ns(s, q->all_ns), ct_say_share(s, q->all_ns, s->duration_ns),
		ct_say_threads(s, f->threads.at, f->threads.cnt), lock, site,
		say_prediction(s, q->lock));
	f->advice = ct_asprintf(
		"See what the other program does with %s in its hands: record both (start them "
		"from one shell script, or give both to -p), and have it hold the lock for less.",
		lock);
}

static void tell_contention(
	struct ct_search *s, const struct ct_queue *q, const struct ct_contention *c)
{
	const struct ct_lock *l = &s->m->locks.at[q->lock];
	const char *lock = ct_say_lock(s, q->lock), *site = first_site(s, c);
	u32 waiters = count_waiters(s, c), taker;
	ct_ns cost_ns = at_most_saved(s, q->lock, queue_cost(q)), held_ns, more_ns;
	struct ct_finding *f;

	taker = taken_by(s, q->lock, &held_ns);
	more_ns = taker == CT_NONE ? 0 : shareable(s, held_ns, waiters);
	more_ns = more_ns < queue_cost(q) ? more_ns : queue_cost(q);
	if (!ct_worth(s, more_ns) || (more_ns <= cost_ns && !saves_nothing(s, q->lock)))
		taker = CT_NONE;
	f = new_finding(s, CT_FIND_LOCK_CONTENTION, taker == CT_NONE ? cost_ns : more_ns, true, c);
	if (taker == CT_NONE && saves_nothing(s, q->lock) && f->severity > CT_SEV_LOW)
		f->severity = CT_SEV_LOW;
	f->title = waiters > 1 ? ct_asprintf("everyone queues for %s", lock)
			       : ct_asprintf("%s waits for %s",
					 ct_say_thread(s, c->blamed.at[0].waiter), lock);
	f->evidence = ct_asprintf("%u thread%s waited %s time%s for %s, %s in all and up to %u at "
				  "once, most%s; for %s of "
				  "the run somebody stood in the queue.%s",
		waiters, waiters == 1 ? "" : "s", ct_say_count(s, q->waits),
		q->waits == 1 ? "" : "s", lock, ct_say_ns(s, q->wait_ns), l->max_waiters,
		*site ? site : " in code without names", ct_say_share(s, q->all_ns, s->duration_ns),
		taker == CT_NONE
			? say_prediction(s, q->lock)
			: ct_say(s, " %s had most of the turns, %s in all; without the lock others "
				    "could have had them at the same time.",
				  ct_say_thread(s, taker), ct_say_ns(s, held_ns)));
	if (l->kind == CT_LK_RWLOCK)
		list_wakers(s, f, q->lock);
	f->advice = ct_asprintf(
		"Hold %s for less: take out of it what shares nothing%s, give each part of "
		"the data a lock of its own, or let each thread collect by itself and "
		"merge at the end.",
		lock, *site ? ct_say(s, ", starting%s", site) : "");
}

/* Of a wait, what no writer's hold covers: then readers had the lock. */
static ct_ns readers_part(const struct ct_lock *l, const struct ct_wait *w)
{
	ct_ns held_ns = 0;

	for (u32 i = 0; i < l->holds.cnt && l->holds.at[i].start_ns < w->end_ns; i++) {
		const struct ct_hold *h = &l->holds.at[i];
		ct_ns from_ns = h->start_ns > w->start_ns ? h->start_ns : w->start_ns;
		ct_ns to_ns = h->end_ns < w->end_ns ? h->end_ns : w->end_ns;
		if (to_ns > from_ns)
			held_ns += to_ns - from_ns;
	}
	return minus(w->end_ns - w->start_ns, held_ns);
}

/* Was one of the readers seen to end it, or do they keep the writer out to the end? */
static bool waits_for_readers(const struct ct_wait *w)
{
	return w->waker != CT_NONE ||
	       ((w->flags & CT_WAIT_READERS) && !(w->flags & CT_WAIT_WOKEN));
}

/* The longest wait for readers of this rwlock; CT_NONE. */
static u32 find_starved(const struct ct_search *s, const struct ct_lock *l, ct_ns *part_ns)
{
	u32 best = CT_NONE;

	*part_ns = 0;
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &s->m->waits.at[l->waits.at[i]];
		ct_ns ns = 0;
		if (!s->told[l->waits.at[i]] && waits_for_readers(w))
			ns = readers_part(l, w);
		if (ns > *part_ns) {
			*part_ns = ns;
			best = l->waits.at[i];
		}
	}
	return best;
}

/* Readers that find the lock free are never seen to take it. The one who let the writer in at last,
 * if one did, is known to be one, and with it those that do the same and ran meanwhile. */
static void list_readers(struct ct_search *s, struct ct_finding *f, const struct ct_wait *w)
{
	if (w->waker == CT_NONE)
		return;
	ct_found__thread(f, w->waker);
	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		const struct ct_thread *th = &s->m->threads.at[t];
		if (t != w->thread && th->start_ns < w->end_ns && th->end_ns > w->start_ns &&
			ct_same_role(s->m, t, w->waker))
			ct_found__thread(f, t);
	}
}

static const char *say_readers(
	struct ct_search *s, const struct ct_finding *f, const struct ct_wait *w)
{
	if (w->waker == CT_NONE)
		return "; and so it was to the end.";
	return ct_say(s, " (%s). It was %s who let it in.",
		ct_say_threads(s, f->threads.at + 1, f->threads.cnt - 1),
		ct_say_thread(s, w->waker));
}

static void tell_starved(struct ct_search *s, const struct ct_contention *c, u32 wait, ct_ns ns)
{
	const struct ct_wait *w = &s->m->waits.at[wait];
	const char *lock = ct_say_lock(s, c->lock), *who = ct_say_thread(s, w->thread);
	struct ct_finding *f = ct_found__new(s, CT_FIND_LOCK_CONTENTION, ns, true);

	ct_found__lock(f, c->lock);
	ct_found__thread(f, w->thread);
	list_readers(s, f, w);
	ct_found__frame(f, w->frame);
	list_sites(f, c);
	f->title = ct_asprintf("readers keep %s out of %s", who, lock);
	f->evidence = ct_asprintf(
		"%s waited %s, %s of the run, for %s%s: no writer had it, but readers came "
		"before the last one had left%s",
		who, ct_say_ns(s, ns), ct_say_share(s, ns, s->duration_ns), lock,
		ct_say_at(s, w->frame), say_readers(s, f, w));
	f->advice = ct_asprintf(
		"Let writers of %s go first (glibc: pthread_rwlockattr_setkind_np with "
		"PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), hold it for less while reading, "
		"or publish finished versions by one pointer, so that readers need no lock.",
		lock);
}

/* True when a writer of this lock starved, and that is told. */
static bool find_starvation(struct ct_search *s, const struct ct_contention *c)
{
	const struct ct_lock *l = &s->m->locks.at[c->lock];
	ct_ns ns;
	u32 wait = l->kind == CT_LK_RWLOCK ? find_starved(s, l, &ns) : CT_NONE;

	if (wait == CT_NONE || !ct_worth(s, ns) ||
		!ct_is_share(ns, s->duration_ns, CT_T_STARVED_SHARE))
		return false;
	tell_starved(s, c, wait, ns);
	return true;
}

void ct_find_contention(struct ct_search *s)
{
	for (u32 i = 0; i < s->f->contentions.at.cnt; i++) {
		const struct ct_contention *c = &s->f->contentions.at.at[i];
		if (!is_key(&s->m->locks.at[c->lock]))
			continue;
		const struct ct_queue *q = queue_of(s, i);
		if (!find_starvation(s, c) && ct_worth(s, queue_cost(q)) &&
			(!saves_nothing(s, c->lock) ||
				ct_is_share(queue_cost(q), s->duration_ns, CT_T_MEDIUM_SHARE)))
			is_held_outside(s, &s->m->locks.at[c->lock]) ? tell_outside(s, q, c)
								     : tell_contention(s, q, c);
	}
}

/* ---- lock-convoy ---- */

static bool is_convoy(const struct ct_search *s, const struct ct_queue *q)
{
	ct_ns span_ns = q->last_ns - q->first_ns;

	return q->waits >= ct_threshold(CT_T_CONVOY_WAITS) &&
	       ct_is_share(q->all_ns, span_ns, CT_T_CONVOY_BUSY_SHARE) &&
	       ct_worth(s, queue_cost(q)) &&
	       q->all_ns / q->waits <= ct_threshold_ns(CT_T_CONVOY_HOLD_US);
}

void ct_find_convoy(struct ct_search *s)
{
	for (u32 i = 0; i < s->f->contentions.at.cnt; i++) {
		const struct ct_contention *c = &s->f->contentions.at.at[i];
		if (!is_key(&s->m->locks.at[c->lock]))
			continue;
		const struct ct_queue *q = queue_of(s, i);
		if (!is_convoy(s, q))
			continue;
		const char *lock = ct_say_lock(s, c->lock);
		struct ct_finding *f = new_finding(
			s, CT_FIND_LOCK_CONVOY, at_most_saved(s, c->lock, queue_cost(q)), true, c);
		f->title = ct_asprintf("the queue for %s never empties", lock);
		f->evidence = ct_asprintf("From the first wait to the last, somebody queued for %s "
					  "%s of the time, %s "
					  "waiters on average, and it was handed over every %s.",
			lock, ct_say_share(s, q->all_ns, q->last_ns - q->first_ns),
			ct_say_ratio(s, (double)q->wait_ns / (double)q->all_ns),
			ct_say_ns(s, q->all_ns / q->waits));
		f->advice = ct_asprintf(
			"Take %s less often: do several pieces of work each time, or let each "
			"thread have its own share and merge at the end.",
			lock);
	}
}

/* ---- serialized ---- */

static bool find_queue_alone(struct ct_search *s)
{
	const struct ct_parallelism *p = &s->f->parallelism;
	ct_ns lock_ns = p->alone_state_ns[CT_LOCK], rwlock_ns = p->alone_state_ns[CT_RWLOCK];
	ct_ns alone_ns = lock_ns > rwlock_ns ? lock_ns : rwlock_ns;
	const struct ct_contention *c = NULL;

	for (u32 i = 0; i < s->f->contentions.at.cnt && !c; i++)
		if (is_key(&s->m->locks.at[s->f->contentions.at.at[i].lock]))
			c = &s->f->contentions.at.at[i];
	if (!c || s->f->hangs.at.cnt || !ct_worth(s, alone_ns) ||
		!ct_is_share(alone_ns, s->duration_ns, CT_T_SERIAL_SHARE) ||
		p->mean_running * 100 > (double)ct_threshold(CT_T_SERIAL_RUNNING))
		return false;
	const char *lock = ct_say_lock(s, c->lock);
	struct ct_finding *f =
		new_finding(s, CT_FIND_SERIALIZED, at_most_saved(s, c->lock, alone_ns), true, c);
	f->title = ct_strdup("many threads, one at a time");
	f->evidence = ct_asprintf(
		"%u threads took part, and %s ran on average on %u CPUs; for %s, %s of the "
		"run, exactly one ran and a CPU was free while others waited for a "
		"lock, mostly %s.",
		f->threads.cnt, ct_say_ratio(s, p->mean_running), s->m->run->cpus,
		ct_say_ns(s, alone_ns), ct_say_share(s, alone_ns, s->duration_ns), lock);
	f->advice = ct_asprintf(
		"Make %s guard less, or do the work in one thread: it would take no longer.", lock);
	return true;
}

/* By a lock's queue, which needs CPUs that are free; else by who wants one. */
void ct_find_serialized(struct ct_search *s)
{
	if (!find_queue_alone(s))
		ct_find_turns(s);
}
