/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts how the runs of a series came out.  A run that a person interrupted says nothing of the
 * program, unless it hung: then that is why it was interrupted.  O(runs^2) at worst, of a thousand
 * runs at most, and O(runs) for each watched variable.
 */
#include <string.h>

#include "ct_outcomes.h"

#define HALVINGS 60u /* of an interval: beyond what a double tells apart */

/* ---- rates ---- */

static double power(double x, u32 n)
{
	double all = 1;

	for (; n; n >>= 1, x *= x)
		if (n & 1)
			all *= x;
	return all;
}

/* Chance of at most `hits` in `runs` when each is one with chance p.  For p of at most a half the
 * first term does not vanish, with the thousand runs that a series may have. */
static double at_most(u32 hits, u32 runs, double p)
{
	double term, sum = 0;

	if (hits >= runs)
		return 1;
	if (p > 0.5)
		return 1 - at_most(runs - hits - 1, runs, 1 - p);
	term = power(1 - p, runs);
	for (u32 i = 0; i <= hits; i++) {
		sum += term;
		term *= (double)(runs - i) / (i + 1) * (p / (1 - p));
	}
	return sum < 1 ? sum : 1;
}

/* The rate at which `hits` or fewer are as rare as `tail`. */
static double most_of(u32 hits, u32 runs, double tail)
{
	double low = 0, high = 1;

	if (hits >= runs)
		return 1;
	for (u32 i = 0; i < HALVINGS; i++) {
		double mid = (low + high) / 2;

		if (at_most(hits, runs, mid) > tail)
			low = mid;
		else
			high = mid;
	}
	return high;
}

void ct_rate_bounds(u32 hits, u32 runs, double *least, double *most)
{
	double tail = 1 - CT_OUTCOMES_SURE;

	if (hits && hits < runs)
		tail /= 2;
	*most = most_of(hits, runs, tail);
	*least = 1 - most_of(runs - hits, runs, tail);
}

/* ---- distributions ---- */

struct values {
	CT_VEC(i64) at;
};

static int by_value(const void *a, const void *b)
{
	i64 x = *(const i64 *)a, y = *(const i64 *)b;

	return x < y ? -1 : x > y;
}

/* 1, 2, 5, 10, 20, ...: the first with which the span needs no more than so many bins. */
static __int128 step_of(__int128 span, u32 bins)
{
	__int128 step = 1;

	for (u32 i = 0; span / step >= bins; i++)
		step = i % 3 == 1 ? step / 2 * 5 : step * 2;
	return step;
}

static __int128 floor_to(__int128 value, __int128 step)
{
	__int128 rest = value % step;

	return value - (rest < 0 ? rest + step : rest);
}

static i64 clamp(__int128 value)
{
	return (i64)(value < INT64_MIN ? INT64_MIN : value > INT64_MAX ? INT64_MAX : value);
}

/* Sorted values; each has a bin of its own where they are few. */
static void fill_bins(struct ct_bins *out, const i64 *values, u32 cnt)
{
	__int128 step, from;
	u32 distinct = 0, i = 0;

	for (u32 k = 0; k < cnt; k++)
		distinct += !k || values[k] != values[k - 1];
	if (distinct <= CT_BINS_MAX) {
		for (; i < cnt; i++) {
			if (!i || values[i] != values[i - 1])
				*ct_vec_push(&out->at) = (struct ct_bin){ values[i], values[i], 0 };
			out->at.at[out->at.cnt - 1].runs++;
		}
		return;
	}
	/* one less: the first bin may begin before the first value */
	step = step_of((__int128)values[cnt - 1] - values[0], CT_BINS_MAX - 1);
	for (from = floor_to(values[0], step); i < cnt; from += step) {
		struct ct_bin bin = { clamp(from), clamp(from + step - 1), 0 };

		for (; i < cnt && values[i] <= bin.to; i++)
			bin.runs++;
		*ct_vec_push(&out->at) = bin;
	}
}

/* `zero_apart`: between none and one there is more than a difference of one. */
static void make_bins(struct ct_bins *out, struct values *v, bool zero_apart)
{
	u32 zeros = 0;

	if (v->at.cnt)
		qsort(v->at.at, v->at.cnt, sizeof(*v->at.at), by_value);
	while (zero_apart && zeros < v->at.cnt && !v->at.at[zeros])
		zeros++;
	if (zeros)
		*ct_vec_push(&out->at) = (struct ct_bin){ 0, 0, zeros };
	if (v->at.cnt > zeros)
		fill_bins(out, v->at.at + zeros, v->at.cnt - zeros);
	/* no loss is no part of the first range */
	if (zero_apart && out->at.cnt > (zeros > 0) && !out->at.at[zeros > 0].from)
		out->at.at[zeros > 0].from = 1;
}

/* ---- runs ---- */

static const struct ct_made *made_of(const struct ct_profile *p, u32 kind)
{
	for (u32 i = 0; i < p->made.cnt; i++)
		if (p->made.at[i].kind == kind)
			return &p->made.at[i];
	return NULL;
}

enum ct_hang_kind ct_profile__hang(const struct ct_profile *p)
{
	if (made_of(p, CT_FIND_DEADLOCK))
		return CT_HANG_DEADLOCK;
	if (made_of(p, CT_FIND_ABANDONED_LOCK))
		return CT_HANG_ABANDONED;
	return made_of(p, CT_FIND_STUCK) ? CT_HANG_STUCK : CT_HANG_KINDS;
}

static bool was_interrupted(const struct ct_outcomes_in *in, u32 run)
{
	return in->interrupted && run + 1 == in->cnt;
}

static bool is_judged(const struct ct_outcomes_in *in, u32 run)
{
	return !was_interrupted(in, run) || ct_profile__hang(&in->runs[run]) != CT_HANG_KINDS;
}

static bool is_bad(const struct ct_outcomes_in *in, u32 run)
{
	const struct ct_profile *p = &in->runs[run];

	return (in->found && in->found[run]) || (p->ended && p->wait_status) ||
	       ct_profile__hang(p) != CT_HANG_KINDS || made_of(p, CT_FIND_LOST_UPDATE) ||
	       made_of(p, CT_FIND_UNPROTECTED_SHARING);
}

/* An interrupted run ended as the person wished, whatever its status. */
static bool ended_alike(const struct ct_outcomes_in *in, u32 a, u32 b)
{
	const struct ct_profile *x = &in->runs[a], *y = &in->runs[b];

	if (was_interrupted(in, a) != was_interrupted(in, b))
		return false;
	return x->complete == y->complete && x->attached == y->attached &&
	       x->ended == y->ended && ct_profile__hang(x) == ct_profile__hang(y) &&
	       (!x->ended || x->wait_status == y->wait_status);
}

static void count_ending(struct ct_outcomes *o, const struct ct_outcomes_in *in, u32 run)
{
	for (u32 i = 0; i < o->at.cnt; i++)
		if (ended_alike(in, o->at.at[i].first, run)) {
			o->at.at[i].runs++;
			return;
		}
	*ct_vec_push(&o->at) = (struct ct_outcome){ ct_profile__hang(&in->runs[run]), 1, run };
}

static int by_runs(const void *a, const void *b)
{
	const struct ct_outcome *x = a, *y = b;

	if (x->runs != y->runs)
		return x->runs > y->runs ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void count_finding(struct ct_outcomes *o, const struct ct_outcomes_in *in, u32 kind)
{
	struct ct_finding_runs row = { .kind = kind, .first = CT_NONE };

	for (u32 i = 0; i < in->cnt; i++) {
		const struct ct_made *made = made_of(&in->runs[i], kind);

		if (!made || !is_judged(in, i))
			continue;
		row.runs++;
		row.first = row.first == CT_NONE ? i : row.first;
		row.severity = made->severity > row.severity ? made->severity : row.severity;
	}
	if (row.runs)
		*ct_vec_push(&o->findings) = row;
}

/* ---- watched variables ---- */

static const struct ct_watched_run *watched_of(const struct ct_profile *p, const char *name)
{
	for (u32 i = 0; i < p->watched.cnt; i++)
		if (!strcmp(p->watched.at[i].name, name))
			return &p->watched.at[i];
	return NULL;
}

static void count_run(
	struct ct_variable_runs *v, const struct ct_watched_run *w, u32 run, struct values *last)
{
	v->runs++;
	v->lost_runs += w->lost > 0;
	v->unguarded_runs += w->sharing == CT_SHARE_UNGUARDED;
	if (w->lost && v->first_lost == CT_NONE)
		v->first_lost = run;
	if (!w->complete)
		return;
	v->one_expected = v->exact_runs ? v->one_expected && v->expected == w->expected : true;
	v->expected = w->expected;
	v->exact_runs++;
	v->right_runs += w->last == w->expected;
	*ct_vec_push(&last->at) = w->last;
}

static void count_variable(struct ct_outcomes *o, const struct ct_outcomes_in *in, const char *name)
{
	struct ct_variable_runs v = { .name = name, .first_lost = CT_NONE };
	struct values lost = { 0 }, last = { 0 };

	for (u32 i = 0; i < in->cnt; i++) {
		const struct ct_watched_run *w = watched_of(&in->runs[i], name);

		if (!w || !is_judged(in, i))
			continue;
		*ct_vec_push(&lost.at) = w->lost;
		count_run(&v, w, i, &last);
	}
	make_bins(&v.lost, &lost, true);
	make_bins(&v.last, &last, false);
	*ct_vec_push(&o->variables) = v;
	ct_vec_free(&lost.at);
	ct_vec_free(&last.at);
}

static bool is_counted(const struct ct_outcomes *o, const char *name)
{
	for (u32 i = 0; i < o->variables.cnt; i++)
		if (!strcmp(o->variables.at[i].name, name))
			return true;
	return false;
}

static void count_variables(struct ct_outcomes *o, const struct ct_outcomes_in *in)
{
	for (u32 i = 0; i < in->cnt; i++)
		for (u32 k = 0; k < in->runs[i].watched.cnt && is_judged(in, i); k++)
			if (!is_counted(o, in->runs[i].watched.at[k].name))
				count_variable(o, in, in->runs[i].watched.at[k].name);
}

void ct_outcomes__compute(struct ct_outcomes *o, const struct ct_outcomes_in *in)
{
	*o = (struct ct_outcomes){ .first_bad = CT_NONE, .most = 1 };
	for (u32 i = 0; i < in->cnt; i++) {
		if (!is_judged(in, i))
			continue;
		o->runs++;
		count_ending(o, in, i);
		if (!is_bad(in, i))
			continue;
		o->bad_runs++;
		o->first_bad = o->first_bad == CT_NONE ? i : o->first_bad;
	}
	if (o->at.cnt)
		qsort(o->at.at, o->at.cnt, sizeof(*o->at.at), by_runs);
	for (u32 k = 0; k < CT_FINDINGS; k++)
		count_finding(o, in, k);
	count_variables(o, in);
	if (o->runs)
		ct_rate_bounds(o->bad_runs, o->runs, &o->least, &o->most);
}

void ct_outcomes__clear(struct ct_outcomes *o)
{
	for (u32 i = 0; i < o->variables.cnt; i++) {
		ct_vec_free(&o->variables.at[i].lost.at);
		ct_vec_free(&o->variables.at[i].last.at);
	}
	ct_vec_free(&o->at);
	ct_vec_free(&o->findings);
	ct_vec_free(&o->variables);
}
