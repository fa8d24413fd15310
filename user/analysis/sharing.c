/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is made of the accesses to a watched variable: who shares it, what guards it, and which
 * updates are lost.  Two questions, asked separately:
 *
 * Is an update lost?  A thread reads, another one writes, the first one writes what follows from
 * its old reading: that is seen, value by value, or it is not.  Register values order what time
 * stamps alone could not: a reading that has another thread's value came after its write, whatever
 * the clocks of two CPUs say.  A lock or an atomic instruction at each access is no excuse, where
 * the values prove that the two changes began from the same number; and where all changes are sums
 * (counting.h) and all were seen, what is missing at the end was lost, caught in the act or not.
 *
 * Is it unprotected?  Eraser's states, with three things added so that good programs stay in the
 * clear.  A thread that has ended, or that woke (or created) the other one since, came before it:
 * the variable was handed on.  What begins to be shared keeps nothing of its first owner's time.
 * And only writes accuse: two threads write, not in one instruction, and hold no lock in common.
 *
 *     untouched -> one thread -> read by others -> written by others -> unguarded
 *                      ^  handed on: ended, created, woken  |
 *                      +------------------------------------+
 *
 * Cost: O(accesses x threads of the variable); for pairs of writes that look bad, O(wakings in
 * between), at most PAIRS_MAX of them.
 */
#include <math.h>
#include <string.h>

#include "ct_findings.h"
#include "analysis/counting.h"
#include "analysis/search.h"

#define PHASES_MIN 3u	   /* sleeps at barriers that make a habit */
#define PAIRS_MAX 2000u	   /* pairs of writes looked into, for each variable */
#define WAKINGS_MAX 20000u /* between two writes; more: they are taken to be in order */
/* Of two writes on two CPUs the second has come before the first one's thread could go on from its
 * debug exception: what orders the two would have taken longer. */
#define TOGETHER_NS 1000u
#define TOGETHER_MIN 2u		 /* times: a clock that is off is off once */
#define LATE_NS 100000u		 /* from an access to the look at memory for its value, at most */
#define LOOK_BACK 1000u		 /* accesses, for what a thread had read before it wrote */
#define EXIT_NS 5000000u	 /* from being joined to the last switch, as a rule */
#define EXIT_MOST_NS 1000000000u /* on a busy machine, where a wake-up must prove it */

struct user {	    /* a thread and this variable */
	u32 sharer; /* index */
	u32 read;   /* its newest access, if that read and nothing was written since; CT_NONE */
	u32 seq;    /* place of that access among the variable's */
	u32 write;  /* its newest plain write since the variable is shared; CT_NONE */
	ct_ns last_ns;
	ct_ns final_ns; /* its last access of all */
	bool known;
};

struct study {
	const struct ct_model *m;
	const struct ct_watched *w;
	struct ct_shared *out;
	struct user *users;  /* [threads] */
	CT_VEC(u32) threads; /* that are known */
	u8 *unclear;	     /* [threads] it may be kept apart by what leaves no trace */
	u32 doubt[2];	     /* touches: the first pair of two such; CT_NONE */
	u32 together[2];     /* touches: the last pair of writes at the same time; CT_NONE */
	u32 together_cnt;
	u8 *reached;	 /* [threads] scratch of precedes() */
	u32 owner;	 /* the one thread; CT_NONE: it is shared */
	ct_ns learnt_ns; /* since then all locks are known that were ever held at it */
	u32 pairs;
	u32 looks; /* at readings of what was set late: as many at most */
	bool written; /* since it is shared */
	bool plain;   /* with plain writes */
	u32 writers;  /* threads with plain writes since it is shared */
	bool handed_on;
	/* the sum of what everyone meant to add */
	bool summed;
	i64 expected;
	bool early; /* the processor stops before an access */
	struct ct_counting counting;
	u32 set_touch; /* the newest plain write of all; CT_NONE */
	bool vague;    /* a value that counts may be another one than memory had then */
	/* the first value was read when others may have added to it: the beginning, and
	 * with it the sum, may be too far on by so many changes */
	bool began_vague;
	double too_far;
	bool plain_updates; /* of all writes, also before it is shared */
};

static const struct ct_touch *touch_at(const struct study *s, u32 seq)
{
	return &s->m->touches.at[s->w->touches.at[seq]];
}

static bool reads(const struct ct_touch *t)
{
	return t->how & CT_ACCESS_READ;
}

static bool writes(const struct ct_touch *t)
{
	return t->how & CT_ACCESS_WRITE;
}

static bool is_plain_write(const struct ct_touch *t)
{
	return writes(t) && !(t->how & CT_ACCESS_ATOMIC);
}

/* Processors that stop before the access: what it found was read from memory before it happened,
 * and others may have come in between. */
static bool is_early(const struct study *s, const struct ct_touch *t)
{
	return (t->how & CT_ACCESS_LATE) && s->early;
}

/* ---- what came before what ---- */

/* Was what thread a did at from_ns over, for sure, when b did something at to_ns?  Too much counts
 * as over: a doubt never accuses. */
static bool precedes(struct study *s, u32 a, ct_ns from_ns, u32 b, ct_ns to_ns)
{
	const struct ct_model *m = s->m;
	const struct ct_thread *ta = &m->threads.at[a];
	u32 first = CT_FIRST_AT(m->wakes, ts, from_ns);

	if ((ta->flags & CT_THREAD_ENDED) && ta->end_ns <= to_ns)
		return true;
	memset(s->reached, 0, m->threads.cnt);
	s->reached[a] = 1;
	for (u32 i = first; i < m->wakes.cnt && m->wakes.at[i].ts <= to_ns; i++) {
		const struct ct_wake *w = &m->wakes.at[i];

		if (i - first > WAKINGS_MAX)
			return true;
		if (w->waker != CT_NONE && s->reached[w->waker])
			s->reached[w->wakee] = 1;
		if (s->reached[b])
			return true;
	}
	return false;
}

/* A barrier is passed together: who slept in it and who woke him have both seen what the other did
 * before. */
static bool met_at_barrier(const struct study *s, u32 a, ct_ns from_ns, u32 b, ct_ns to_ns)
{
	const struct ct_model *m = s->m;

	for (u32 i = CT_FIRST_AT(m->waits, start_ns, from_ns); i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];

		if (w->start_ns > to_ns)
			break;
		if (w->state != CT_BARRIER || w->end_ns > to_ns)
			continue;
		if (w->thread == a || w->thread == b || w->waker == a || w->waker == b)
			return true;
	}
	return false;
}

/* ---- the states ---- */

/* Of this phase: since it began to be shared, or has one owner again. */
static enum ct_sharing phase_state(const struct study *s)
{
	if (s->owner != CT_NONE)
		return s->handed_on ? CT_SHARE_HANDED_ON : CT_SHARE_ONE_THREAD;
	if (!s->written)
		return CT_SHARE_READ_ONLY;
	if (!s->plain)
		return CT_SHARE_ATOMIC;
	if (s->out->locks)
		return CT_SHARE_GUARDED;
	if (s->writers <= 1)
		return CT_SHARE_ONE_WRITER;
	return s->out->write_locks ? CT_SHARE_GUARDED_WRITES : CT_SHARE_MIXED;
}

/* A variable that is handed back to one thread at the end was shared all the same: the phase with
 * most sharing counts. */
static void end_phase(struct study *s)
{
	enum ct_sharing state = phase_state(s);

	if (state < s->out->sharing)
		return;
	s->out->sharing = state;
	s->out->shown_locks = state == CT_SHARE_GUARDED		 ? s->out->locks
			      : state == CT_SHARE_GUARDED_WRITES ? s->out->write_locks
								 : 0;
}

static void keep_to(struct study *s, u32 thread)
{
	end_phase(s);
	s->owner = thread;
	for (u32 i = 0; i < s->threads.cnt; i++) {
		struct user *u = &s->users[s->threads.at[i]];

		u->write = CT_NONE;
	}
	s->writers = 0;
	s->written = s->plain = false;
	s->out->locks = s->out->write_locks = UINT64_MAX;
}

/* Its end is its last switch; who joins it can run before that: it was woken, or found it so. */
static bool has_gone(struct study *s, u32 thread, ct_ns last_ns, const struct ct_touch *t)
{
	const struct ct_thread *th = &s->m->threads.at[thread];

	if (!(th->flags & CT_THREAD_ENDED) || th->end_ns > t->ts + EXIT_MOST_NS ||
		s->users[thread].final_ns > t->ts)
		return false;
	return th->end_ns <= t->ts + EXIT_NS || precedes(s, thread, last_ns, t->thread, t->ts);
}

/* Have all others that touched it done so before this? */
static bool others_are_past(struct study *s, const struct ct_touch *t)
{
	for (u32 i = 0; i < s->threads.cnt; i++) {
		u32 other = s->threads.at[i];

		if (other == t->thread)
			continue;
		if (has_gone(s, other, s->users[other].last_ns, t))
			continue;
		/* it has not touched it since this thread was created */
		if (s->users[other].last_ns <= s->m->threads.at[t->thread].start_ns &&
			!(s->m->threads.at[t->thread].flags & CT_THREAD_FOUND))
			continue;
		return false;
	}
	return true;
}

static void note_together(struct study *s, const struct ct_touch *t, u32 touch, u32 was_touch)
{
	const struct ct_touch *was = &s->m->touches.at[was_touch];

	if (s->early || was->cpu == t->cpu || t->ts - was->ts >= TOGETHER_NS)
		return;
	s->together[0] = was_touch;
	s->together[1] = touch;
	s->together_cnt++;
}

/* Two writes with nothing between them that would keep them apart: the accusation. */
static void accuse(struct study *s, const struct ct_touch *t, u32 touch)
{
	for (u32 i = 0; i < s->threads.cnt; i++) {
		u32 other = s->threads.at[i];
		const struct user *u = &s->users[other];
		const struct ct_touch *was;
		bool unclear;
		u32 *pair;

		if (other == t->thread || u->write == CT_NONE || s->out->racy[0] != CT_NONE)
			continue;
		note_together(s, t, touch, u->write);
		unclear = s->unclear[other] && s->unclear[t->thread];
		pair = unclear ? s->doubt : s->out->racy;
		was = &s->m->touches.at[u->write];
		if (pair[0] != CT_NONE || (was->locks & t->locks) || was->ts < s->learnt_ns ||
			s->pairs++ >= PAIRS_MAX)
			continue;
		if (precedes(s, other, was->ts, t->thread, t->ts) ||
			met_at_barrier(s, other, was->ts, t->thread, t->ts))
			continue;
		pair[0] = u->write;
		pair[1] = touch;
	}
}

/* Set by another thread when this one had begun, and read with nothing that orders the two. */
static void note_set_late(struct study *s, const struct ct_touch *t)
{
	const struct ct_thread *reader = &s->m->threads.at[t->thread];
	const struct ct_touch *was;

	if (s->set_touch == CT_NONE || s->out->set_late != CT_NONE || writes(t) || s->written)
		return;
	was = &s->m->touches.at[s->set_touch];
	if (was->thread == t->thread || was->ts < s->learnt_ns || (was->locks & t->locks) ||
		reader->start_ns > was->ts || (s->unclear[was->thread] && s->unclear[t->thread]) ||
		s->looks++ >= PAIRS_MAX)
		return;
	if (!precedes(s, was->thread, was->ts, t->thread, t->ts) &&
		!met_at_barrier(s, was->thread, was->ts, t->thread, t->ts))
		s->out->set_late = s->set_touch;
}

static void step_shared(struct study *s, const struct ct_touch *t, u32 touch)
{
	struct user *u = &s->users[t->thread];

	note_set_late(s, t);
	if (t->ts >= s->learnt_ns)
		s->out->locks &= t->locks;
	if (!writes(t))
		return;
	s->written = true;
	if (!is_plain_write(t))
		return;
	s->plain = true;
	if (t->flags & CT_TOUCH_PART)
		return;
	if (t->ts >= s->learnt_ns)
		s->out->write_locks &= t->locks;
	accuse(s, t, touch);
	s->writers += u->write == CT_NONE;
	u->write = touch;
}

static void step_state(struct study *s, const struct ct_touch *t, u32 touch)
{
	if (s->owner == t->thread)
		return;
	if (others_are_past(s, t)) {
		s->handed_on |= s->threads.cnt > 1;
		keep_to(s, t->thread);
		return;
	}
	s->owner = CT_NONE;
	step_shared(s, t, touch);
}

static enum ct_sharing classify(const struct study *s)
{
	const struct ct_shared *o = s->out;

	if (!s->w->touches.cnt)
		return CT_SHARE_UNTOUCHED;
	if (o->racy[0] != CT_NONE || o->lost)
		return CT_SHARE_UNGUARDED;
	if (o->users.cnt == 1)
		return CT_SHARE_ONE_THREAD;
	return (enum ct_sharing)o->sharing;
}

/* ---- lost updates ---- */

static void offer_witness(struct study *s, u32 read_seq, u32 foreign_seq, u32 write_seq, bool late)
{
	struct ct_shared *o = s->out;
	const struct ct_touch *f = touch_at(s, foreign_seq);
	u32 rank = write_seq - read_seq + (late ? 1000 : 0), other = CT_NONE;

	/* what the other one had read before it wrote */
	for (u32 i = foreign_seq; i-- > 0 && foreign_seq - i < 64;) {
		const struct ct_touch *t = touch_at(s, i);

		if (t->thread != f->thread)
			continue;
		if (reads(t) && !writes(t))
			other = i;
		break;
	}
	if (other == CT_NONE && !reads(f))
		rank += 100; /* it does not show a reading */
	if (other != CT_NONE && touch_at(s, other)->after != touch_at(s, read_seq)->after)
		rank += 50; /* two that read the same number are understood at once */
	if (o->witness_cnt && rank >= o->witness_rank)
		return;
	o->witness_rank = rank;
	o->witness_cnt = 0;
	if (other != CT_NONE && other < read_seq)
		o->witness[o->witness_cnt++] = s->w->touches.at[other];
	o->witness[o->witness_cnt++] = s->w->touches.at[read_seq];
	if (other != CT_NONE && other > read_seq)
		o->witness[o->witness_cnt++] = s->w->touches.at[other];
	o->witness[o->witness_cnt++] = s->w->touches.at[foreign_seq];
	o->witness[o->witness_cnt++] = s->w->touches.at[write_seq];
}

/* Under one lock at all three, or atomic: only the values prove it, of what is a counter. It began
 * from the same number as the other one; by what is set without a look nothing is lost. */
static bool began_alike(const struct study *s, u32 foreign_seq, const struct ct_touch *r)
{
	const struct ct_touch *f = touch_at(s, foreign_seq);

	if (!s->counting.counter || f->ts <= r->ts)
		return false;
	if (reads(f) && !ct_counting__exchanges(&s->counting, f->ip))
		return (f->how & CT_ACCESS_BEFORE) && f->before == r->after;
	for (u32 i = foreign_seq; i-- > 0 && foreign_seq - i < LOOK_BACK;) {
		const struct ct_touch *t = touch_at(s, i);

		if (t->thread != f->thread)
			continue;
		return reads(t) && !writes(t) && t->after == r->after;
	}
	return false;
}

/* An atomic exchange of what follows from an older reading: it replaced something else. */
static bool is_stale_exchange(
	const struct study *s, const struct ct_touch *t, const struct ct_touch *r)
{
	return s->counting.counter && ct_counting__exchanges(&s->counting, t->ip) &&
	       t->before != r->after;
}

static void note_guards(struct study *s, u64 locks, bool atomic)
{
	s->out->half_locks |= locks;
	s->out->half_atomic |= atomic;
	s->out->guarded_lost += locks || atomic;
}

/* Writes of others since this thread's reading, which has not seen them.  The write at `seq` puts
 * something in their place that does not know of them. */
static void find_lost(struct study *s, const struct ct_touch *t, u32 seq)
{
	const struct user *u = &s->users[t->thread];
	bool exchange, proved = false;
	u32 from, last = CT_NONE;
	const struct ct_touch *r;

	if (u->read == CT_NONE || !writes(t) || (t->how & CT_ACCESS_CONST))
		return;
	r = touch_at(s, u->seq);
	exchange = reads(t) && is_stale_exchange(s, t, r);
	if ((!is_plain_write(t) || reads(t)) && !exchange)
		return;
	if ((t->flags | r->flags) & CT_TOUCH_PART || is_early(s, r))
		return;
	from = u->seq + 1;
	for (u32 i = from; i < seq; i++) /* what it has read tells which it had seen */
		if (writes(touch_at(s, i)) && touch_at(s, i)->after == r->after &&
			touch_at(s, i)->thread != t->thread)
			from = i + 1;
	for (u32 i = from; i < seq; i++) {
		const struct ct_touch *f = touch_at(s, i);

		if (f->thread == t->thread || !writes(f) || (f->flags & CT_TOUCH_PART) ||
			((f->how & CT_ACCESS_BEFORE) && f->before == f->after))
			continue;
		if (f->locks & r->locks & t->locks)
			proved |= began_alike(s, i, r);
		if (!(f->locks & r->locks & t->locks) || proved)
			last = i;
	}
	if (last == CT_NONE)
		return;
	s->out->lost++;
	note_guards(s, touch_at(s, last)->locks & r->locks & t->locks, exchange);
	*ct_vec_push(&s->out->losses) = (struct ct_lost){
		.read = u->read, .foreign = s->w->touches.at[last], .write = s->w->touches.at[seq]
	};
	offer_witness(
		s, u->seq, last, seq, (r->how | t->how | touch_at(s, last)->how) & CT_ACCESS_LATE);
}

/* ---- what the value should have been ---- */

#define BEGINNING 256u /* touches: later ones have more losses before them, and tell less */

/* What was in memory at this touch, and what others may have put there early, against the sum of
 * all changes until then: losses make the value smaller, so that the least difference is the most
 * that the sum can be wrong from its beginning. */
static void look_how_far(struct study *s, const struct ct_touch *t, u32 seq)
{
	double by = s->counting.delta, changes;

	if (!s->began_vague || seq >= BEGINNING || by == 0)
		return;
	changes = (ct_watched_number(s->w, s->expected) -
			  ct_watched_number(s->w, ct_watched_value(s->w, t->after))) /
		  by;
	if (t->flags & CT_TOUCH_VAGUE)
		changes += ct_watched_ahead(s->m, s->w, seq);
	if (changes < s->too_far)
		s->too_far = changes > 0 ? changes : 0;
}

enum beginning {
	BEGAN_ANYHOW, /* nothing can be said */
	BEGAN_FROM,   /* there, or further on */
	BEGAN_AT,
};

/* Takes back what the sum may have counted twice. */
static enum beginning settle_beginning(struct study *s)
{
	struct ct_shared *o = s->out;
	i64 by;

	if (!s->began_vague || !s->counting.counter)
		return BEGAN_AT;
	if (s->counting.delta == 0 || s->w->type == CT_WATCH_FLOAT || isinf(s->too_far))
		return BEGAN_ANYHOW;
	by = (i64)(s->too_far * s->counting.delta);
	o->first = ct_watched_changed(s->w, o->first, by, 0);
	s->expected = ct_watched_changed(s->w, s->expected, by, 0);
	return by && s->plain_updates ? BEGAN_FROM : BEGAN_AT; /* atomic updates lose nothing */
}

/* An update that did not find what was there after the access before it; a write after a reading
 * that is not certain. */
static bool is_vague(const struct study *s, const struct ct_touch *t, u32 seq)
{
	const struct user *u = &s->users[t->thread];
	const struct ct_touch *r, *was;

	if (reads(t))
		return is_early(s, t) && seq && touch_at(s, seq - 1)->after != t->before;
	if (u->read == CT_NONE)
		return false;
	r = touch_at(s, u->seq);
	if (is_early(s, r))
		return true;
	if (!(r->how & CT_ACCESS_LATE) || !u->seq)
		return false;
	/* read from memory after the instruction: this write may have come in between */
	was = touch_at(s, u->seq - 1);
	return writes(was) && was->thread != t->thread && r->ts - was->ts < LATE_NS;
}

static void add_up(struct study *s, const struct ct_touch *t, u32 seq)
{
	const struct user *u = &s->users[t->thread];
	i64 after = ct_watched_value(s->w, t->after);

	if (!s->summed && (t->how & CT_ACCESS_BLIND))
		return;
	if (!s->summed) {
		s->expected =
			ct_watched_value(s->w, t->how & CT_ACCESS_BEFORE ? t->before : t->after);
		s->out->first = s->expected;
		s->summed = true;
		s->began_vague = reads(t) && (t->flags & CT_TOUCH_VAGUE);
		s->too_far = INFINITY;
		if (!writes(t) || !(t->how & CT_ACCESS_BEFORE))
			return;
	}
	if (!writes(t))
		return;
	s->vague |= is_vague(s, t, seq);
	if (reads(t) && (t->how & CT_ACCESS_BEFORE) &&
		!(u->read != CT_NONE && ct_counting__exchanges(&s->counting, t->ip)))
		/* in one instruction */
		s->expected = ct_watched_changed(
			s->w, s->expected, ct_watched_value(s->w, t->before), after);
	else if (u->read != CT_NONE && !(t->how & CT_ACCESS_CONST))
		s->expected = ct_watched_changed(s->w, s->expected,
			ct_watched_value(s->w, touch_at(s, u->seq)->after), after);
	else
		s->expected = after; /* it was set */
	look_how_far(s, t, seq);
}

/* ---- one variable ---- */

static struct ct_sharer *sharer_of(struct study *s, u32 thread)
{
	struct user *u = &s->users[thread];

	if (!u->known) {
		*u = (struct user){ .known = true,
			.final_ns = u->final_ns,
			.sharer = s->out->users.cnt,
			.read = CT_NONE,
			.write = CT_NONE };
		*ct_vec_push(&s->threads) = thread;
		ct_vec_push(&s->out->users)->thread = thread;
	}
	return &s->out->users.at[u->sharer];
}

static void step(struct study *s, u32 seq)
{
	u32 touch = s->w->touches.at[seq];
	const struct ct_touch *t = &s->m->touches.at[touch];
	struct ct_sharer *sharer = sharer_of(s, t->thread);
	struct user *u = &s->users[t->thread];

	if (t->flags & CT_TOUCH_GAP) /* readings from before the gap prove nothing */
		for (u32 i = 0; i < s->threads.cnt; i++)
			s->users[s->threads.at[i]].read = CT_NONE;
	sharer->reads += reads(t);
	sharer->writes += writes(t);
	s->out->reads += reads(t);
	s->out->writes += writes(t);
	s->out->unknown += !reads(t) && !writes(t);
	if (seq == 0)
		s->owner = t->thread;
	step_state(s, t, touch);
	find_lost(s, t, seq);
	add_up(s, t, seq);
	s->plain_updates |= is_plain_write(t);
	if (writes(t))
		s->set_touch = is_plain_write(t) ? touch : CT_NONE;
	u->last_ns = t->ts;
	/* a reading that left no value takes none from the one before */
	if (!(t->how & CT_ACCESS_BLIND) || writes(t)) {
		u->read = reads(t) && !writes(t) ? touch : CT_NONE;
		u->seq = seq;
	}
}

/* A lock that was learnt late may have been held before, too. */
static ct_ns when_learnt(const struct study *s)
{
	ct_ns learnt_ns = 0;
	u64 held = 0;

	for (u32 i = 0; i < s->w->touches.cnt; i++)
		held |= touch_at(s, i)->locks;
	for (u32 i = 0; i < s->m->watch_locks.cnt; i++)
		if (held >> i & 1 && s->m->watch_locks.at[i].since_ns > learnt_ns)
			learnt_ns = s->m->watch_locks.at[i].since_ns;
	return learnt_ns;
}

/* By how much the sum is short, where that is certain: of a counter whose end is known, and whose
 * changes all go one way. Accesses that were not seen would make the value too large, not too
 * small; small numbers wrap, and would hide that. */
static void find_missing(struct study *s, bool seen)
{
	const struct ct_counting *c = &s->counting;
	struct ct_shared *o = s->out;
	double missing;

	o->counter = c->counter;
	o->delta = c->delta;
	if (!seen || !o->counter || o->users.cnt < 2 || o->expected == o->last ||
		c->up == c->down || s->w->size < 4 || !ct_counting__is_settled(s->m, s->w))
		return;
	missing = ct_watched_number(s->w, o->expected) - ct_watched_number(s->w, o->last);
	if (c->down)
		missing = -missing;
	if (missing <= 0)
		return;
	o->is_short = true;
	if (o->delta != 0) {
		double undone = missing / (c->down ? -o->delta : o->delta);

		o->undone = undone + 0.5 < (double)o->writes ? (u64)(undone + 0.5) : o->writes;
	}
	if (!o->lost)
		o->lost = o->undone ? (u32)o->undone : 1;
}

static void study_variable(struct study *s)
{
	struct ct_shared *o = s->out;
	u32 cnt = s->w->touches.cnt;
	enum beginning began;
	bool seen;

	o->racy[0] = o->racy[1] = s->doubt[0] = s->doubt[1] = CT_NONE;
	o->locks = o->write_locks = UINT64_MAX;
	s->owner = o->set_late = s->set_touch = CT_NONE;
	ct_counting__learn(&s->counting, s->m, s->w);
	s->learnt_ns = when_learnt(s);
	for (u32 i = 0; i < cnt; i++)
		s->users[touch_at(s, i)->thread].final_ns = touch_at(s, i)->ts;
	for (u32 i = 0; i < cnt; i++)
		step(s, i);
	for (u32 i = 0; i < s->threads.cnt; i++)
		s->users[s->threads.at[i]].known = false;
	end_phase(s);
	seen = !s->w->gaps && cnt && !o->unknown && !s->vague;
	began = settle_beginning(s);
	o->complete = seen && began == BEGAN_AT;
	o->expected = s->expected;
	if (cnt)
		o->last = ct_watched_value(s->w, touch_at(s, cnt - 1)->after);
	find_missing(s, seen && began != BEGAN_ANYHOW);
	/* a lost update shows that nothing keeps them apart, whatever they use; and so does this */
	if (o->racy[0] == CT_NONE && s->together_cnt >= TOGETHER_MIN)
		memcpy(o->racy, s->together, sizeof(o->racy));
	if (o->racy[0] == CT_NONE && o->lost)
		memcpy(o->racy, s->doubt, sizeof(o->racy));
	o->sharing = classify(s);
	if (o->set_late != CT_NONE && o->sharing == CT_SHARE_READ_ONLY)
		o->sharing = CT_SHARE_ONE_WRITER;
	else
		o->set_late = CT_NONE;
	o->unclear = o->sharing == CT_SHARE_MIXED && s->doubt[0] != CT_NONE;
	ct_vec_free(&s->threads);
}

/* Does who waits so hear from a thread of its process that something is ready for it? It may have
 * heard so without a wait as well, when that thread was early. */
static bool is_message(const struct ct_model *m, const struct ct_wait *w)
{
	switch (w->state) {
	case CT_SEM:
	case CT_COND:
	case CT_FUTEX_OTHER:
		return true;
	case CT_PIPE:
	case CT_IO_NET:
	case CT_POLL:
		return w->waker != CT_NONE && w->waker != w->thread &&
		       m->threads.at[w->waker].process == m->threads.at[w->thread].process;
	default:
		return false;
	}
}

/* Locks whose owner nobody can read may guard anything; and who waits for a condition, a semaphore
 * or a pipe may have been given the variable with it, also when it came at once. Who comes to a
 * barrier again and again works in phases, and when all come at once nobody sleeps there, so that
 * the meeting is not seen; one barrier that all start from proves nothing of that kind. */
static void mark_unclear(u8 *unclear, const struct ct_model *m)
{
	bool no_owners = !m->run->libc || strcmp(m->run->libc, "glibc") || m->ownerless_locks;
	u32 *meetings = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*meetings));

	if (no_owners)
		memset(unclear, 1, m->threads.cnt);
	for (u32 i = 0; i < m->waits.cnt; i++)
		if (m->waits.at[i].state == CT_BARRIER &&
			++meetings[m->waits.at[i].thread] >= PHASES_MIN)
			unclear[m->waits.at[i].thread] = 1;
	free(meetings);
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];

		if (!is_message(m, w))
			continue;
		unclear[w->thread] = 1;
		if (w->waker != CT_NONE)
			unclear[w->waker] = 1;
	}
}

void ct_sharing__compute(struct ct_sharings *l, const struct ct_model *m)
{
	struct study base = { .m = m, .early = m->run->arch && !strcmp(m->run->arch, "aarch64") };

	*l = (struct ct_sharings){ 0 };
	if (!m->watched.cnt)
		return;
	base.users = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*base.users));
	base.reached = ct_alloc((size_t)m->threads.cnt + 1);
	base.unclear = ct_alloc((size_t)m->threads.cnt + 1);
	mark_unclear(base.unclear, m);
	for (u32 i = 0; i < m->watched.cnt; i++) {
		struct study s = base;

		s.w = &m->watched.at[i];
		s.out = ct_vec_push(&l->at);
		s.out->watched = i;
		study_variable(&s);
	}
	free(base.users);
	free(base.reached);
	free(base.unclear);
}

void ct_sharing__clear(struct ct_sharings *l)
{
	for (u32 i = 0; i < l->at.cnt; i++) {
		ct_vec_free(&l->at.at[i].users);
		ct_vec_free(&l->at.at[i].losses);
	}
	ct_vec_free(&l->at);
}

u64 ct_sharing__lost(const struct ct_sharings *l)
{
	u64 lost = 0;

	for (u32 i = 0; i < l->at.cnt; i++)
		lost += l->at.at[i].lost;
	return lost;
}

const char *ct_sharing_id(enum ct_sharing s)
{
	static const char *const ids[CT_SHARINGS] = { "untouched", "one-thread", "handed-on",
		"read-only", "one-writer", "atomic", "guarded", "guarded-writes", "mixed",
		"unguarded" };

	return s < CT_SHARINGS ? ids[s] : "";
}
