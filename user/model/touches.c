/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns watched variables and their accesses: whose they are, in which process (a fork has a
 * variable of its own), what was there before a write, and where accesses may be missing: a pause,
 * a turn of other variables, a loss.  Not: what any of it means (analysis/sharing.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "model/model_int.h"

/* ---- watching begins and ends ---- */

static struct watch_now *watch_at(struct build *b, u32 var)
{
	while (b->watch.cnt <= var)
		(void)ct_vec_push(&b->watch);
	return &b->watch.at[var];
}

#define VARS_MAX 100000u /* numbers beyond are nonsense */

void model_on_watch(struct build *b, const struct ct_event *e)
{
	const struct ct_watch *w = &e->watch;
	struct watch_now *now;

	if (!w->var || w->var > VARS_MAX) {
		b->m->anomalies++;
		return;
	}
	now = watch_at(b, w->var);
	now->known = true;
	now->addr = w->addr;
	now->size = w->size;
	now->tgid = w->tgid;
	if (w->on == CT_WATCH_ON && !now->on)
		ct_vec_push(&now->spans)->start_ns = b->ts;
	if (w->on != CT_WATCH_ON && now->on)
		now->spans.at[now->spans.cnt - 1].end_ns = b->ts;
	now->on = w->on == CT_WATCH_ON;
}

void model_on_watch_lock(struct build *b, const struct ct_event *e)
{
	const struct ct_watch_lock *l = &e->watch_lock;
	struct ct_model *m = b->m;

	if (l->slot >= CT_WATCH_LOCKS)
		return;
	if (!l->addr) {
		m->ownerless_locks = true;
		return;
	}
	while (m->watch_locks.cnt <= l->slot)
		ct_vec_push(&m->watch_locks)->process = CT_NONE;
	m->watch_locks.at[l->slot].addr = l->addr;
	m->watch_locks.at[l->slot].since_ns = b->ts;
	m->watch_locks.at[l->slot].process = model_process(b, l->tgid);
}

/* ---- accesses ---- */

void model_on_watch_type(struct build *b, const struct ct_event *e)
{
	if (e->watch_type.var && e->watch_type.var <= VARS_MAX)
		watch_at(b, e->watch_type.var)->type = e->watch_type.type;
}

static u32 watched_of(struct build *b, u32 var, u32 process)
{
	u32 w = ct_table__get(b->by_var, var, process);
	const struct watch_now *now = watch_at(b, var);

	if (w != CT_NONE)
		return w;
	w = b->m->watched.cnt;
	*ct_vec_push(&b->m->watched) = (struct ct_watched){
		.var = var, .process = process, .addr = now->addr, .size = now->size,
		.type = now->type };
	ct_table__set(b->by_var, var, process, w);
	return w;
}

/* Was something out of sight since `since`? */
static bool is_gap(const struct build *b, u32 var, ct_ns since_ns)
{
	const struct watch_now *now = &b->watch.at[var];
	u32 cnt = now->spans.cnt;

	return !cnt || now->spans.at[cnt - 1].start_ns > since_ns ||
	       (b->lost_access_ns && b->lost_access_ns >= since_ns);
}

static void fill_before(struct ct_touch *t, const struct ct_touch *last)
{
	if ((t->how & CT_ACCESS_BLIND) && last)
		t->after = last->after;
	if (!(t->how & CT_ACCESS_WRITE)) {
		t->before = t->after;
		t->how |= CT_ACCESS_BEFORE;
	} else if (!(t->how & CT_ACCESS_BEFORE) && last && !(t->flags & CT_TOUCH_GAP)) {
		t->before = last->after;
		t->how |= CT_ACCESS_BEFORE;
	}
}

/* The reading of the same thread before this write has found something else than memory had. */
static void correct_reading(struct build *b, const struct ct_watched *w, u32 thread, u64 found)
{
	for (u32 i = w->touches.cnt; i-- > 0;) {
		struct ct_touch *t = &b->m->touches.at[w->touches.at[i]];

		if (t->thread != thread)
			continue;
		if (t->how & CT_ACCESS_WRITE)
			return;
		t->after = found; /* and before it, what was there when it began */
		t->how &= ~CT_ACCESS_LATE;
		return;
	}
}

void model_on_access(struct build *b, const struct ct_event *e)
{
	const struct ct_access *a = &e->access;
	u32 t = model_thread(b, e->hdr.tid), w;
	struct ct_model *m = b->m;
	const struct ct_touch *last;
	struct ct_touch touch;

	if (t == CT_NONE) {
		model_stray(b, e->hdr.tid);
		return;
	}
	if (!a->var || a->var > VARS_MAX || !watch_at(b, a->var)->known) {
		m->anomalies++;
		return;
	}
	model_settle_running(b, t, e->cpu);
	w = watched_of(b, a->var, m->threads.at[t].process);
	struct ct_watched *watched = &m->watched.at[w];
	last = watched->touches.cnt
		       ? &m->touches.at[watched->touches.at[watched->touches.cnt - 1]]
		       : NULL;
	touch = (struct ct_touch){ .ts = b->ts, .ip = a->ip, .before = a->before,
		.after = a->value, .locks = a->locks, .thread = t, .watched = w,
		.stack = a->stack, .frame = model_stack(b, a->stack)->frame, .cpu = e->cpu,
		.how = a->how };
	if (a->size && a->size < watched->size)
		touch.flags |= CT_TOUCH_PART;
	if (last && is_gap(b, a->var, last->ts)) {
		touch.flags |= CT_TOUCH_GAP;
		watched->gaps = true;
	}
	if (touch.how & CT_ACCESS_FOUND) {
		correct_reading(b, watched, t, a->before);
		touch.how &= ~CT_ACCESS_FOUND;
	}
	fill_before(&touch, last);
	*ct_vec_push(&watched->touches) = m->touches.cnt;
	*ct_vec_push(&m->touches) = touch;
}

/* ---- the end ---- */

static void copy_spans(struct build *b, struct ct_watched *w)
{
	const struct watch_now *now = &b->watch.at[w->var];

	for (u32 i = 0; i < now->spans.cnt; i++) {
		struct ct_watch_span *s = ct_vec_push(&w->spans);

		*s = now->spans.at[i];
		if (!s->end_ns)
			s->end_ns = b->m->end_ns;
	}
	/* which variable a lost access was to, nobody knows; nor what came after the last seen */
	if (b->lost_access_ns)
		w->gaps = true;
	if (w->spans.cnt != 1 || w->spans.at[0].end_ns < b->m->end_ns)
		w->gaps = true;
}

/* ---- values that were read from memory after the access ---- */

#define TRAP_NS 50000u /* from an access to its time stamp, for sure, while nothing holds it up */
#define HELD_UP_NS 10000000u /* a machine's CPU may be taken from it there, for so long */
#define NEIGHBOURS 64u

/* May `other` have put its value there between the access and the reading of its value?  It has a
 * time stamp near, or it left the very same value and may have been held up. */
static bool may_be_of(const struct ct_touch *t, const struct ct_touch *other)
{
	ct_ns far_ns = t->ts > other->ts ? t->ts - other->ts : other->ts - t->ts;

	if (other->thread == t->thread || !(other->how & CT_ACCESS_WRITE))
		return false;
	return far_ns < TRAP_NS || (far_ns < HELD_UP_NS && other->after == t->after &&
					   other->ts > t->ts);
}

static bool is_vague(const struct ct_model *m, const struct ct_watched *w, u32 at)
{
	const struct ct_touch *t = &m->touches.at[w->touches.at[at]];

	for (u32 i = 1; i <= NEIGHBOURS; i++)
		if ((at >= i && may_be_of(t, &m->touches.at[w->touches.at[at - i]])) ||
			(at + i < w->touches.cnt &&
				may_be_of(t, &m->touches.at[w->touches.at[at + i]])))
			return true;
	return false;
}

u32 ct_watched_ahead(const struct ct_model *m, const struct ct_watched *w, u32 at)
{
	const struct ct_touch *t = &m->touches.at[w->touches.at[at]];
	u32 others = 0, ahead = 0;

	for (u32 i = at + 1; i < w->touches.cnt && i - at <= NEIGHBOURS; i++) {
		const struct ct_touch *other = &m->touches.at[w->touches.at[i]];

		others += other->thread != t->thread && (other->how & CT_ACCESS_WRITE);
		if (may_be_of(t, other))
			ahead = others;
	}
	return ahead;
}

static void mark_vague(struct ct_model *m, const struct ct_watched *w)
{
	bool early = m->run->arch && !strcmp(m->run->arch, "aarch64");

	for (u32 i = 0; i < w->touches.cnt; i++) {
		struct ct_touch *t = &m->touches.at[w->touches.at[i]];

		if ((t->how & CT_ACCESS_LATE) && (early || is_vague(m, w, i)))
			t->flags |= CT_TOUCH_VAGUE;
	}
}

/* Also those that nobody touched, and the accesses of each thread. */
void model_touches_finish(struct build *b)
{
	struct ct_model *m = b->m;

	for (u32 var = 1; var < b->watch.cnt; var++)
		if (b->watch.at[var].known)
			watched_of(b, var, model_process(b, b->watch.at[var].tgid));
	for (u32 i = 0; i < m->watched.cnt; i++) {
		copy_spans(b, &m->watched.at[i]);
		mark_vague(m, &m->watched.at[i]);
	}
	for (u32 i = 0; i < m->touches.cnt; i++)
		*ct_vec_push(&m->threads.at[m->touches.at[i].thread].touches) = i;
}

void model_touches_clear(struct build *b)
{
	for (u32 i = 0; i < b->watch.cnt; i++)
		ct_vec_free(&b->watch.at[i].spans);
	ct_vec_free(&b->watch);
	ct_table__free(b->by_var);
}

static i64 bits_of(double number)
{
	i64 bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

static double number_of(i64 bits)
{
	double number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

i64 ct_watched_value(const struct ct_watched *w, u64 value)
{
	bool is_signed = w->type == CT_WATCH_SIGNED;
	float single;

	if (w->type == CT_WATCH_FLOAT && w->size == 4) {
		memcpy(&single, &value, sizeof(single));
		return bits_of(single);
	}
	switch (w->size) {
	case 1:
		return is_signed ? (int8_t)value : (u8)value;
	case 2:
		return is_signed ? (int16_t)value : (u16)value;
	case 4:
		return is_signed ? (i64)(i32)value : (i64)(u32)value;
	default:
		return (i64)value;
	}
}

double ct_watched_number(const struct ct_watched *w, i64 value)
{
	if (w->type == CT_WATCH_FLOAT)
		return number_of(value);
	return w->type == CT_WATCH_UNSIGNED ? (double)(u64)value : (double)value;
}

i64 ct_watched_changed(const struct ct_watched *w, i64 value, i64 from, i64 to)
{
	if (w->type == CT_WATCH_FLOAT)
		return bits_of(number_of(value) + (number_of(to) - number_of(from)));
	return ct_watched_value(w, (u64)value + ((u64)to - (u64)from)); /* wraps as it does */
}

/* Where programs, their libraries, heaps and stacks are: no count gets that far. */
#define ADDRESS_MIN 0x550000000000u
#define ADDRESS_MAX 0x7fffffffffffu

char *ct_watched_text(const struct ct_watched *w, i64 value, char buf[CT_WATCHED_LEN])
{
	if (w->type == CT_WATCH_FLOAT)
		snprintf(buf, CT_WATCHED_LEN, "%.*g", w->size == 4 ? 7 : 15, number_of(value));
	else if (w->type == CT_WATCH_UNSIGNED && (u64)value >= ADDRESS_MIN &&
		 (u64)value <= ADDRESS_MAX)
		snprintf(buf, CT_WATCHED_LEN, "0x%" PRIx64, (u64)value);
	else if (w->type == CT_WATCH_UNSIGNED)
		snprintf(buf, CT_WATCHED_LEN, "%" PRIu64, (u64)value);
	else
		snprintf(buf, CT_WATCHED_LEN, "%" PRId64, value);
	return buf;
}
