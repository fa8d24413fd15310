/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which variables are counters, so that a sum can be said of them.  The rule: since several threads
 * use it, every write leaves a value its thread has found there plus a delta, and
 *
 *     each instruction that writes always adds the same number                 count++, left--
 *     or there are CT_DELTAS_MAX different ones at most, some up, some down    balance += amount
 *
 * A maximum fits neither: it only goes up, by other steps each time from the same instruction.  Nor
 * does a pointer: its steps are too large.  A constant that is stored is no delta.
 *
 * An exchange that follows an atomic load (x = load, store x + 1, both atomic) looks like one
 * atomic update.  It is told from an atomic add by its deltas: those from what it replaced differ,
 * those from what its thread had read are the same.
 *
 * Cost: O(accesses x instructions that write), at most CT_WRITERS_MAX of them.
 */
#include <math.h>
#include <string.h>

#include "ct_base.h"
#include "analysis/counting.h"

#define DELTA_MOST 4294967296.0 /* beyond it is an address, or a hash */
#define NEAR 64u		/* accesses between which clocks may be off */
#define NEAR_NS 100000u		/* the same in time */
#define ROUNDING 1e-9		/* of floating-point sums */

struct reading {
	u32 touch; /* CT_NONE */
	bool known;
};

static bool reads(const struct ct_touch *t)
{
	return t->how & CT_ACCESS_READ;
}

static bool writes(const struct ct_touch *t)
{
	return t->how & CT_ACCESS_WRITE;
}

static double number(const struct ct_watched *w, u64 raw)
{
	return ct_watched_number(w, ct_watched_value(w, raw));
}

/* Of integers as they wrap; with a sign, as small as it can be. */
static double delta_of(const struct ct_watched *w, u64 from, u64 to)
{
	u64 diff = to - from;

	if (w->type == CT_WATCH_FLOAT)
		return number(w, to) - number(w, from);
	switch (w->size) {
	case 1:
		return (int8_t)diff;
	case 2:
		return (int16_t)diff;
	case 4:
		return (i32)diff;
	default:
		return (double)(i64)diff;
	}
}

static void add_delta(struct ct_deltas *d, double delta, double size)
{
	for (u32 i = 0; i < d->cnt && i < CT_DELTAS_MAX; i++)
		if (fabs(d->at[i] - delta) <= ROUNDING * size)
			return;
	if (d->cnt < CT_DELTAS_MAX)
		d->at[d->cnt] = delta;
	if (d->cnt <= CT_DELTAS_MAX)
		d->cnt++;
}

static struct ct_count_place *place_of(struct ct_counting *c, u64 ip)
{
	for (u32 i = 0; i < c->cnt; i++)
		if (c->at[i].ip == ip)
			return &c->at[i];
	if (c->cnt == CT_WRITERS_MAX)
		return NULL;
	c->at[c->cnt] = (struct ct_count_place){ .ip = ip };
	return &c->at[c->cnt++];
}

static void note_value(struct ct_count_place *p, double value)
{
	if (p->values == 0)
		p->first = value;
	else if (p->values == 1 && value != p->first)
		p->second = value;
	else if (p->values != 2 || value == p->first || value == p->second)
		return;
	p->values++;
}

static void learn_write(struct ct_counting *c, const struct ct_model *m, const struct ct_watched *w,
	const struct ct_touch *t, u32 reading)
{
	double size = w->type == CT_WATCH_FLOAT ? fabs(number(w, t->after)) : 0;
	bool update = reads(t) && (t->how & CT_ACCESS_BEFORE);
	struct ct_count_place *p;

	if (!update && (reading == CT_NONE || (t->how & CT_ACCESS_CONST))) {
		c->set = true;
		return;
	}
	p = place_of(c, t->ip);
	if (!p) {
		c->set = true;
		return;
	}
	note_value(p, number(w, t->after));
	p->update = update;
	if (update)
		add_delta(&p->found, delta_of(w, t->before, t->after), size);
	if (reading != CT_NONE)
		add_delta(&p->read, delta_of(w, m->touches.at[reading].after, t->after), size);
	else
		p->read.cnt = CT_DELTAS_MAX + 1;
}

static bool is_exchange(const struct ct_count_place *p)
{
	return p->update && p->found.cnt > 1 && p->read.cnt == 1 && p->values > 2 &&
	       p->read.at[0] != 0;
}

static const struct ct_deltas *deltas_of(const struct ct_count_place *p)
{
	return p->update && !p->exchange ? &p->found : &p->read;
}

static void judge(struct ct_counting *c)
{
	struct ct_deltas all = { 0 };
	bool same = true;

	for (u32 i = 0; i < c->cnt; i++) {
		const struct ct_deltas *d;

		c->at[i].exchange = is_exchange(&c->at[i]);
		d = deltas_of(&c->at[i]);
		same &= d->cnt == 1;
		for (u32 k = 0; k < d->cnt && k < CT_DELTAS_MAX; k++) {
			add_delta(&all, d->at[k], fabs(d->at[k]));
			c->up |= d->at[k] > 0;
			c->down |= d->at[k] < 0;
			c->set |= fabs(d->at[k]) >= DELTA_MOST;
		}
		if (d->cnt > CT_DELTAS_MAX)
			all.cnt = CT_DELTAS_MAX + 1;
	}
	c->counter = !c->set && c->cnt && all.cnt <= CT_DELTAS_MAX && (same || (c->up && c->down));
	c->delta = c->counter && all.cnt == 1 ? all.at[0] : 0;
}

void ct_counting__learn(struct ct_counting *c, const struct ct_model *m, const struct ct_watched *w)
{
	struct reading *readings = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*readings));
	u32 users = 0;

	*c = (struct ct_counting){ 0 };
	for (u32 i = 0; i < w->touches.cnt; i++) {
		u32 touch = w->touches.at[i];
		const struct ct_touch *t = &m->touches.at[touch];
		struct reading *r = &readings[t->thread];

		if (!r->known) {
			*r = (struct reading){ CT_NONE, true };
			if (++users == 2) /* what one thread sets up alone is its beginning */
				c->set = false;
		}
		if (t->flags & (CT_TOUCH_PART | CT_TOUCH_GAP) || !(reads(t) || writes(t)))
			c->set = true;
		if (writes(t))
			learn_write(c, m, w, t, r->touch);
		if (reads(t) && !writes(t) && !(t->how & CT_ACCESS_BLIND))
			r->touch = touch;
		else if (writes(t))
			r->touch = CT_NONE;
	}
	free(readings);
	judge(c);
}

bool ct_counting__exchanges(const struct ct_counting *c, u64 ip)
{
	for (u32 i = 0; i < c->cnt; i++)
		if (c->at[i].ip == ip)
			return c->at[i].exchange;
	return false;
}

/* ---- is the end the end? ---- */

static const struct ct_touch *at(const struct ct_model *m, const struct ct_watched *w, u32 i)
{
	return &m->touches.at[w->touches.at[i]];
}

/* Was what this one found left there by an access nearby, or there before all? */
static bool is_known_value(const struct ct_model *m, const struct ct_watched *w, u32 seq)
{
	const struct ct_touch *t = at(m, w, seq);
	u64 found = writes(t) ? t->before : t->after;
	u32 to = seq + NEAR < w->touches.cnt ? seq + NEAR : w->touches.cnt;

	for (u32 i = seq > NEAR ? seq - NEAR : 0; i < to; i++) {
		const struct ct_touch *o = at(m, w, i);

		/* an update's value is read from memory: another's write may show there first */
		if (i != seq && writes(o) && (o->after == found || o->before == found))
			return true;
		if (!i && i != seq && o->after == found)
			return true;
	}
	return !seq;
}

/* Did another thread go on from what the last access left?  Then that one's stamp is too late. */
static bool is_last(const struct ct_model *m, const struct ct_watched *w)
{
	u32 cnt = w->touches.cnt;
	const struct ct_touch *last = at(m, w, cnt - 1);

	for (u32 i = cnt - 1; i-- > 0 && cnt - i < NEAR;) {
		const struct ct_touch *t = at(m, w, i);

		if (last->ts - t->ts > NEAR_NS)
			break;
		if (t->thread == last->thread)
			continue;
		if (!writes(last) && writes(t) && t->after != last->after)
			return false;
		if (writes(last) && (writes(t) ? t->before : t->after) == last->after)
			return false;
	}
	return true;
}

bool ct_counting__is_settled(const struct ct_model *m, const struct ct_watched *w)
{
	u64 value = 0;
	bool any = false;

	if (!w->touches.cnt || !is_last(m, w))
		return false;
	for (u32 i = 0; i < w->touches.cnt; i++) {
		const struct ct_touch *t = at(m, w, i);

		/* what an update found is reckoned from memory a moment later: off by others' */
		if (reads(t) && !(writes(t) && (t->how & CT_ACCESS_LATE)) &&
			(!any || (writes(t) ? t->before : t->after) != value) &&
			!is_known_value(m, w, i))
			return false;
		value = t->after;
		any = true;
	}
	return true;
}
