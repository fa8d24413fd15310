/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/profile.c, diff.c and rules.c: the figures of tests/diff/, worked out by hand in
 * the traces' first lines; the rank test against published tables; which differences count, on
 * profiles built by hand.
 */
#include <unistd.h>

#include "ct_diff.h"
#include "ct_export.h"
#include "ct_rules.h"
#include "model_load.h"

#define MS 1e6

/* ---- a trace as a profile ---- */

static void profile(struct ct_profile *p, const char *path)
{
	struct loaded l = { 0 };
	struct ct_facts f;
	char *why = NULL;

	if (ct_source__open(&l.source, path, &why))
		fail_msg("%s", why);
	free(why);
	l.m = ct_model__build(l.source, ct_source__names(l.source));
	ct_facts__compute(&f, l.m);
	ct_profile__compute(p, &f);
	ct_facts__clear(&f);
	unload(&l);
}

static double get(const struct ct_profile *p, enum ct_group group, const char *name,
	const char *what)
{
	return ct_profile__get(p, group, name, what);
}

static void test_figures_of_one_lock(void **state)
{
	struct ct_profile p;
	double path = 0;

	profile(&p, "tests/diff/lock.a.ctt");
	assert_string_equal(p.program, "prog");
	assert_string_equal(p.command, "prog one-lock");
	assert_int_equal(p.labels.cnt, 1);
	assert_string_equal(p.labels.at[0], "lesson=7");
	assert_true(get(&p, CT_GROUP_RUN, "", "duration") == 100 * MS);
	assert_true(get(&p, CT_GROUP_RUN, "", "running") == 126 * MS);
	assert_true(get(&p, CT_GROUP_LOCK, "big_lock", "waits") == 2);
	assert_true(get(&p, CT_GROUP_LOCK, "big_lock", "wait") == 70 * MS);
	assert_true(get(&p, CT_GROUP_PATH, "running", "critical path") == 60 * MS);
	assert_true(get(&p, CT_GROUP_PATH, "big_lock", "critical path, for the lock") == 40 * MS);
	assert_true(get(&p, CT_GROUP_THREAD, "main", "running") == 65 * MS);
	assert_true(get(&p, CT_GROUP_THREAD, "main", "lock") == 30 * MS);
	assert_true(get(&p, CT_GROUP_THREAD, "worker-*", "running") == 59 * MS);
	assert_true(get(&p, CT_GROUP_THREAD, "worker-*", "lock") == 40 * MS);
	assert_true(get(&p, CT_GROUP_THREAD, "worker-*", "threads") == 1);
	assert_true(get(&p, CT_GROUP_THREAD, "napper-*", "sleep") == 20 * MS);
	assert_true(get(&p, CT_GROUP_LINE, "take (p.c:11)", "lock") == 70 * MS);
	assert_true(get(&p, CT_GROUP_LINE, "nap (p.c:33)", "sleep") == 20 * MS);
	assert_true(get(&p, CT_GROUP_LINE, "nap (p.c:33)", "lock") == 0);
	for (u32 i = 0; i < p.figures.cnt; i++)
		path += p.figures.at[i].group == CT_GROUP_PATH ? p.figures.at[i].value : 0;
	assert_true(path == 100 * MS);
	ct_profile__clear(&p);
}

static const struct ct_difference *row(
	const struct ct_diff *d, enum ct_group group, const char *name, const char *what)
{
	for (u32 i = 0; i < d->at.cnt; i++) {
		const struct ct_difference *r = &d->at.at[i];

		if (r->group == group && !strcmp(r->name, name) && !strcmp(r->what, what))
			return r;
	}
	fail_msg("no row %s, %s", name, what);
	return NULL;
}

static void check_row(const struct ct_diff *d, enum ct_group group, const char *name,
	const char *what, double a, double b, bool beyond)
{
	const struct ct_difference *r = row(d, group, name, what);

	if (r->a.median != a || r->b.median != b || r->beyond != beyond)
		fail_msg("%s, %s: %f %f %d", name, what, r->a.median, r->b.median, r->beyond);
}

/* What counts lies outside the band of noise; but for a rank test, what does not lies inside. */
static void check_band(const struct ct_diff *d, const struct ct_difference *r)
{
	bool inside = r->noise_low <= r->b.median && r->b.median <= r->noise_high;

	if (r->noise_low > r->a.median || r->noise_high < r->a.median ||
		(r->beyond ? inside : !inside && d->noise != CT_NOISE_RANKS))
		fail_msg("%s %s: %f in %f to %f, beyond %d", r->name, r->what, r->b.median,
			r->noise_low, r->noise_high, r->beyond);
}

static const struct ct_finding_change *change_of(const struct ct_diff *d, enum ct_finding_kind k)
{
	for (u32 i = 0; i < d->findings.cnt; i++)
		if (d->findings.at[i].kind == k)
			return &d->findings.at[i];
	fail_msg("no finding %s", ct_finding_id(k));
	return NULL;
}

static void test_one_lock_and_none(void **state)
{
	struct ct_profile a, b;
	struct ct_diff d;
	const struct ct_difference *moved;

	profile(&a, "tests/diff/lock.a.ctt");
	profile(&b, "tests/diff/lock.b.ctt");
	ct_diff__compute(&d, &a, 1, &b, 1);
	assert_int_equal(d.noise, CT_NOISE_ASSUMED);
	assert_true(d.same_program);
	check_row(&d, CT_GROUP_RUN, "", "duration", 100 * MS, 50 * MS, true);
	check_row(&d, CT_GROUP_LOCK, "big_lock", "wait", 70 * MS, 0, true);
	check_row(&d, CT_GROUP_LOCK, "big_lock", "waits", 2, 0, false); /* too few to say */
	check_row(&d, CT_GROUP_THREAD, "worker-*", "lock", 40 * MS, 0, true);
	check_row(&d, CT_GROUP_THREAD, "worker-*", "running", 59 * MS, 48 * MS, false); /* 19 % */
	check_row(&d, CT_GROUP_THREAD, "main", "running", 65 * MS, 50 * MS, true); /* 23 % */
	check_row(&d, CT_GROUP_THREAD, "napper-*", "sleep", 20 * MS, 40 * MS, true);
	moved = row(&d, CT_GROUP_LINE, "nap (p.c:33)", "sleep");
	assert_string_equal(moved->name_b, "nap (p.c:35)");
	assert_true(moved->a.median == 20 * MS && moved->b.median == 40 * MS);
	assert_string_equal(d.at.at[d.cause_idx].name, "big_lock");
	assert_string_equal(d.at.at[d.wait_idx].what, "wait");
	for (u32 i = 0; i < d.at.cnt; i++)
		check_band(&d, &d.at.at[i]);
	assert_int_equal(ct_finding_fate(&d, change_of(&d, CT_FIND_LOCK_CONTENTION)), CT_FATE_GONE);
	assert_int_equal(ct_finding_fate(&d, change_of(&d, CT_FIND_HEALTHY)), CT_FATE_NEW);
	ct_diff__clear(&d);
	/* the other way round */
	ct_diff__compute(&d, &b, 1, &a, 1);
	assert_string_equal(d.at.at[d.cause_idx].name, "big_lock");
	assert_int_equal(ct_finding_fate(&d, change_of(&d, CT_FIND_LOCK_CONTENTION)), CT_FATE_NEW);
	ct_diff__clear(&d);
	/* a run and itself */
	ct_diff__compute(&d, &a, 1, &a, 1);
	for (u32 i = 0; i < d.at.cnt; i++)
		assert_false(d.at.at[i].beyond);
	assert_int_equal(d.cause_idx, CT_NONE);
	ct_diff__clear(&d);
	ct_profile__clear(&a);
	ct_profile__clear(&b);
}

/* ---- the rank test ---- */

static void test_ranks(void **state)
{
	const double low[] = { 1, 2, 3, 4, 5 }, high[] = { 6, 7, 8, 9, 10 };
	/* Mann and Whitney, 1947, table I: for 3 and 4, U <= 1 has a chance of 2/35 on one side */
	const double three[] = { 1, 2, 4 }, four[] = { 3, 5, 6, 7 };
	const double same[] = { 4, 4, 4, 4, 4 };
	double a[30], b[30];

	assert_true(ct_rank_test(low, 5, high, 5) == 2.0 / 252);
	assert_true(ct_rank_test(high, 5, low, 5) == 2.0 / 252);
	assert_true(ct_rank_test(low, 3, high, 3) == 2.0 / 20);
	assert_true(ct_rank_test(three, 3, four, 4) == 2 * 2.0 / 35);
	assert_true(ct_rank_test(same, 5, same, 5) == 1);
	for (u32 i = 0; i < 30; i++) {
		a[i] = i;
		b[i] = i + 0.5;
	}
	assert_true(ct_rank_test(a, 30, b, 30) == 1); /* beyond the exact ones */
	for (u32 i = 0; i < 30; i++)
		b[i] = i + 15;
	assert_true(ct_rank_test(a, 30, b, 30) == 0);
}

static void test_spread(void **state)
{
	const double odd[] = { 5, 1, 3 }, even[] = { 4, 1, 3, 2 };
	struct ct_spread s = ct_spread_of(odd, 3);

	assert_true(s.median == 3 && s.least == 1 && s.most == 5);
	s = ct_spread_of(even, 4);
	assert_true(s.median == 2.5 && s.least == 1 && s.most == 4);
}

/* ---- which differences count ---- */

/* Runs with this duration (ms) each, and the same waits (ms) for a lock. */
struct made {
	struct ct_profile at[8];
	u32 cnt;
};

static void figure(struct ct_profile *p, u32 group, u32 unit, const char *name, const char *what,
	double value)
{
	if (value)
		*ct_vec_push(&p->figures) = (struct ct_figure){ .group = group, .unit = unit,
			.name = ct_strdup(name), .what = what, .value = value };
}

static struct ct_profile *add_run(struct made *m, double ms)
{
	struct ct_profile *p = &m->at[m->cnt++];

	*p = (struct ct_profile){ .program = ct_strdup("p"), .command = ct_strdup("p"),
		.complete = true, .ended = true, .duration_ns = (ct_ns)(ms * MS) };
	figure(p, CT_GROUP_RUN, CT_UNIT_NS, "", "duration", ms * MS);
	return p;
}

static struct made runs_of(const double *ms, u32 cnt)
{
	struct made m = { 0 };

	for (u32 i = 0; i < cnt; i++)
		add_run(&m, ms[i]);
	return m;
}

static void clear_runs(struct made *m)
{
	for (u32 i = 0; i < m->cnt; i++)
		ct_profile__clear(&m->at[i]);
}

#define RUNS(...)                                                                                  \
	runs_of((const double[]){ __VA_ARGS__ },                                                   \
		CT_COUNT(((const double[]){ __VA_ARGS__ })))

static void check_duration(struct made a, struct made b, enum ct_noise noise, bool beyond)
{
	struct ct_diff d;

	ct_diff__compute(&d, a.at, a.cnt, b.at, b.cnt);
	assert_int_equal(d.noise, noise);
	assert_int_equal(d.at.at[d.duration_idx].beyond, beyond);
	check_band(&d, &d.at.at[d.duration_idx]);
	ct_diff__clear(&d);
	clear_runs(&a);
	clear_runs(&b);
}

static void test_what_is_noise(void **state)
{
	/* one run: 5 % */
	check_duration(RUNS(100), RUNS(104), CT_NOISE_ASSUMED, false);
	check_duration(RUNS(100), RUNS(106), CT_NOISE_ASSUMED, true);
	check_duration(RUNS(106), RUNS(100), CT_NOISE_ASSUMED, true);
	/* one against several: it must be outside, and twice as far as they are wide */
	check_duration(RUNS(100), RUNS(104, 110, 120), CT_NOISE_ASSUMED, false);
	check_duration(RUNS(100), RUNS(149, 150, 160), CT_NOISE_ASSUMED, true);
	/* few: ranges */
	check_duration(RUNS(100, 101, 110), RUNS(109, 130, 131), CT_NOISE_RANGES, false);
	check_duration(RUNS(100, 101, 110), RUNS(111, 118, 120), CT_NOISE_RANGES, false);
	check_duration(RUNS(100, 101, 110), RUNS(120, 125, 126), CT_NOISE_RANGES, true);
	check_duration(RUNS(100, 100, 100), RUNS(101, 101, 101), CT_NOISE_RANGES, false); /* 1 % */
	check_duration(RUNS(100, 100, 100), RUNS(103, 103, 103), CT_NOISE_RANGES, true);
	/* wide, but by far */
	check_duration(RUNS(100, 150, 190), RUNS(580, 900, 1500), CT_NOISE_RANGES, true);
	check_duration(RUNS(100, 150, 190), RUNS(560, 900, 1500), CT_NOISE_RANGES, false);
	/* enough: ranks, wide as they are; one that is out of order is one too many */
	check_duration(RUNS(100, 110, 120, 130, 140), RUNS(141, 150, 160, 170, 180),
		CT_NOISE_RANKS, true);
	check_duration(RUNS(100, 110, 120, 130, 142), RUNS(141, 150, 160, 170, 180),
		CT_NOISE_RANKS, false);
}

static void test_small_parts_do_not_matter(void **state)
{
	struct made a = RUNS(1000, 1000, 1000), b = RUNS(1000, 1000, 1000);
	struct ct_diff d;

	for (u32 i = 0; i < 3; i++) {
		figure(&a.at[i], CT_GROUP_LOCK, CT_UNIT_NS, "small", "wait", 1 * MS);
		figure(&b.at[i], CT_GROUP_LOCK, CT_UNIT_NS, "small", "wait", 9 * MS);
		figure(&a.at[i], CT_GROUP_LOCK, CT_UNIT_NS, "large", "wait", 1 * MS);
		figure(&b.at[i], CT_GROUP_LOCK, CT_UNIT_NS, "large", "wait", 12 * MS);
		figure(&a.at[i], CT_GROUP_LOCK, CT_UNIT_COUNT, "large", "waits", 1);
		figure(&b.at[i], CT_GROUP_LOCK, CT_UNIT_COUNT, "large", "waits", 9);
	}
	ct_diff__compute(&d, a.at, 3, b.at, 3);
	assert_false(row(&d, CT_GROUP_LOCK, "small", "wait")->beyond); /* 0.8 % of the run */
	assert_true(row(&d, CT_GROUP_LOCK, "large", "wait")->beyond);
	assert_false(row(&d, CT_GROUP_LOCK, "large", "waits")->beyond); /* fewer than ten */
	assert_int_equal(d.lock_less_idx, CT_NONE);
	assert_string_equal(d.at.at[d.lock_more_idx].name, "large");
	ct_diff__clear(&d);
	clear_runs(&a);
	clear_runs(&b);
}

static void check_noise(struct made a, struct made b, double low, double high)
{
	const struct ct_difference *r;
	struct ct_diff d;

	ct_diff__compute(&d, a.at, a.cnt, b.at, b.cnt);
	r = &d.at.at[d.duration_idx];
	assert_float_equal(r->noise_low / MS, low, 0.001);
	assert_float_equal(r->noise_high / MS, high, 0.001);
	ct_diff__clear(&d);
	clear_runs(&a);
	clear_runs(&b);
}

static void test_how_wide_the_noise_is(void **state)
{
	/* 5 % of the longer: 95 of 100, 100 of 105.263 */
	check_noise(RUNS(100), RUNS(50), 95, 105.263);
	check_noise(RUNS(100), RUNS(200), 90, 110); /* 5 % of the longer run is more */
	/* twice the wider side's range; 2 % when that is narrow */
	check_noise(RUNS(100, 101, 102), RUNS(200, 201, 206), 89, 113);
	check_noise(RUNS(100, 100, 100), RUNS(50, 50, 50), 98, 102.041);
	/* a factor of three counts however wide: then A's own runs */
	check_noise(RUNS(100, 150, 190), RUNS(580, 900, 1500), 100, 190);
	/* ranks: the same, but where B's median is among them */
	check_noise(RUNS(100, 110, 120, 130, 140), RUNS(141, 150, 160, 170, 180), 100, 140);
	check_noise(RUNS(100, 110, 120, 130, 140, 150, 160, 172.6),
		RUNS(170, 171, 172, 173, 174, 200), 100, 137.755);
}

/* Threads whose start was not seen are of the role whose start was; an array of locks is one. */
static void test_what_belongs_together(void **state)
{
	static const char *const shelves[] = { "shelf", "shelf+40", "shelf+80", "shelf+120",
		"shelf+160", "shelf+200" };
	struct made a = RUNS(100), b = RUNS(100);
	struct ct_diff d;

	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "worker-* in work", "lock", 30 * MS);
	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "worker-*", "lock", 10 * MS);
	figure(b.at, CT_GROUP_THREAD, CT_UNIT_NS, "worker-*", "lock", 39 * MS);
	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "pool in read", "lock", 5 * MS);
	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "pool in write", "lock", 6 * MS);
	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "pool", "lock", 7 * MS);
	for (u32 i = 0; i < CT_COUNT(shelves); i++)
		figure(b.at, CT_GROUP_LOCK, CT_UNIT_NS, shelves[i], "wait", 1 * MS);
	figure(a.at, CT_GROUP_LOCK, CT_UNIT_NS, "server+8", "wait", 1 * MS);
	figure(a.at, CT_GROUP_LOCK, CT_UNIT_NS, "server+48", "wait", 2 * MS);
	ct_diff__compute(&d, a.at, 1, b.at, 1);
	check_row(&d, CT_GROUP_THREAD, "worker-* in work", "lock", 40 * MS, 39 * MS, false);
	check_row(&d, CT_GROUP_THREAD, "pool", "lock", 7 * MS, 0, true); /* of which? */
	check_row(&d, CT_GROUP_LOCK, "shelf+*", "wait", 0, 6 * MS, true);
	check_row(&d, CT_GROUP_LOCK, "server+8", "wait", 1 * MS, 0, false); /* two: told apart */
	ct_diff__clear(&d);
	clear_runs(&a);
	clear_runs(&b);
}

/* What is named as the cause of 100 ms becoming 40. */
static void check_cause(struct made *a, struct made *b, const char *name, bool is_wait)
{
	struct ct_diff d;

	ct_diff__compute(&d, a->at, 1, b->at, 1);
	if (!name)
		assert_int_equal(d.cause_idx, CT_NONE);
	else
		assert_string_equal(d.at.at[d.cause_idx].name, name);
	assert_int_equal(d.wait_idx != CT_NONE, is_wait);
	ct_diff__clear(&d);
}

static void test_causes(void **state)
{
	struct made a = RUNS(100), b = RUNS(40);

	check_cause(&a, &b, NULL, false);
	figure(b.at, CT_GROUP_THREAD, CT_UNIT_NS, "w", "cond", 50 * MS); /* more, not less */
	check_cause(&a, &b, NULL, false);
	figure(a.at, CT_GROUP_THREAD, CT_UNIT_NS, "v", "cond", 40 * MS);
	check_cause(&a, &b, "v", false);
	figure(a.at, CT_GROUP_LOCK, CT_UNIT_NS, "l", "wait", 10 * MS);
	check_cause(&a, &b, "l", true);
	figure(a.at, CT_GROUP_PATH, CT_UNIT_NS, "sleep", "critical path", 30 * MS);
	check_cause(&a, &b, "sleep", false); /* for the lock's waits are less than the gain */
	figure(a.at, CT_GROUP_LOCK, CT_UNIT_NS, "m", "wait", 60 * MS);
	check_cause(&a, &b, "m", true);
	figure(a.at, CT_GROUP_PATH, CT_UNIT_NS, "l", "critical path, for the lock", 31 * MS);
	check_cause(&a, &b, "l", true);
	clear_runs(&a);
	clear_runs(&b);
}

static void test_lines_that_moved(void **state)
{
	struct made a = RUNS(100), b = RUNS(100);
	struct ct_diff d;

	figure(a.at, CT_GROUP_LINE, CT_UNIT_NS, "f (p.c:1)", "lock", 10 * MS);
	figure(b.at, CT_GROUP_LINE, CT_UNIT_NS, "f (p.c:2)", "lock", 10 * MS);
	/* which of the two became which? */
	figure(a.at, CT_GROUP_LINE, CT_UNIT_NS, "g (p.c:5)", "lock", 10 * MS);
	figure(b.at, CT_GROUP_LINE, CT_UNIT_NS, "g (p.c:6)", "lock", 10 * MS);
	figure(b.at, CT_GROUP_LINE, CT_UNIT_NS, "g (p.c:7)", "lock", 10 * MS);
	/* another reason, another function: not the same */
	figure(a.at, CT_GROUP_LINE, CT_UNIT_NS, "h (p.c:8)", "lock", 10 * MS);
	figure(b.at, CT_GROUP_LINE, CT_UNIT_NS, "h (p.c:9)", "sleep", 10 * MS);
	figure(b.at, CT_GROUP_LINE, CT_UNIT_NS, "hh (p.c:9)", "lock", 10 * MS);
	ct_diff__compute(&d, a.at, 1, b.at, 1);
	check_row(&d, CT_GROUP_LINE, "f (p.c:1)", "lock", 10 * MS, 10 * MS, false);
	assert_string_equal(row(&d, CT_GROUP_LINE, "f (p.c:1)", "lock")->name_b, "f (p.c:2)");
	check_row(&d, CT_GROUP_LINE, "g (p.c:5)", "lock", 10 * MS, 0, true);
	check_row(&d, CT_GROUP_LINE, "g (p.c:6)", "lock", 0, 10 * MS, true);
	check_row(&d, CT_GROUP_LINE, "h (p.c:8)", "lock", 10 * MS, 0, true);
	ct_diff__clear(&d);
	clear_runs(&a);
	clear_runs(&b);
}

static void test_findings_come_and_go(void **state)
{
	/* runs of A and of B in which it was made, of three each; severities */
	static const struct {
		u32 a, b, a_severity, b_severity;
		enum ct_fate fate;
	} table[] = {
		{ 3, 0, 3, 0, CT_FATE_GONE },
		{ 2, 0, 3, 0, CT_FATE_GONE },
		{ 1, 0, 3, 0, CT_FATE_RARER },
		{ 0, 3, 0, 1, CT_FATE_NEW },
		{ 0, 1, 0, 1, CT_FATE_OFTENER },
		{ 3, 3, 2, 2, CT_FATE_SAME },
		{ 3, 3, 3, 1, CT_FATE_MILDER },
		{ 3, 2, 1, 3, CT_FATE_WORSE },
		{ 1, 1, 1, 3, CT_FATE_SAME },
	};

	for (u32 i = 0; i < CT_COUNT(table); i++) {
		struct made a = RUNS(100, 100, 100), b = RUNS(100, 100, 100);
		struct ct_diff d;

		for (u32 k = 0; k < 3; k++) {
			if (k < table[i].a)
				*ct_vec_push(&a.at[k].made) = (struct ct_made){ 4,
					table[i].a_severity };
			if (k < table[i].b)
				*ct_vec_push(&b.at[k].made) = (struct ct_made){ 4,
					table[i].b_severity };
		}
		ct_diff__compute(&d, a.at, 3, b.at, 3);
		assert_int_equal(ct_finding_fate(&d, change_of(&d, 4)), table[i].fate);
		ct_diff__clear(&d);
		clear_runs(&a);
		clear_runs(&b);
	}
}

/* ---- rules ---- */

struct ruled {
	const char *rule;
	bool passed;
};

/* `spoil` takes something away from what is known; NULL: nothing. */
static void check_rules(
	const char *trace, void (*spoil)(struct ct_model *m), const struct ruled *table, u32 cnt)
{
	struct loaded l = { 0 };
	struct ct_facts f;

	assert_int_equal(ct_source__open(&l.source, trace, NULL), 0);
	l.m = ct_model__build(l.source, ct_source__names(l.source));
	if (spoil)
		spoil(l.m);
	ct_facts__compute(&f, l.m);
	for (u32 i = 0; i < cnt; i++) {
		struct ct_rule rule;
		struct ct_judgement j;
		char *why;

		if (ct_rule__parse(&rule, table[i].rule, &why))
			fail_msg("%s", why);
		j = ct_rule__judge(&rule, &f);
		if (j.passed != table[i].passed)
			fail_msg("%s: %s: %d, %f", trace, table[i].rule, j.passed, j.value);
		ct_rule__clear(&rule);
	}
	ct_facts__clear(&f);
	unload(&l);
}

static void test_rules_hold_or_not(void **state)
{
	static const struct ruled table[] = {
		{ "duration < 101ms", true },
		{ "duration<100ms", false },
		{ "duration <= 0.1s", true },
		{ "duration != 100000us", false },
		{ "no deadlock", true },
		{ "no lock-contention", false },
		{ "no any", false },
		{ "finding lock-contention", true },
		{ "finding healthy", false },
		{ "  finding   any ", true },
		{ "lock:big_lock < 70ms", false },
		{ "lock:big_lock == 70ms", true },
		{ "lock:other_lock == 0ns", true },
		/* of 95 + 99 + 22 ms that the threads lived: 32.4 % */
		{ "lock:big_lock < 32%", false },
		{ "lock:big_lock < 33 %", true },
		{ "lock < 33%", true },
		{ "sleep >= 20ms", true },
		{ "running == 126ms", true },
		{ "mean_running > 1.25", true },
		{ "mean_running > 1.27", false },
		{ "threads == 3", true },
		{ "exit_status == 0", true },
		{ "lost_events > 0", false },
		{ "lock-contention < 35%", false },
		{ "deadlock < 1%", true },
	};

	check_rules("tests/diff/lock.a.ctt", NULL, table, CT_COUNT(table));
}

static void cut_off(struct ct_model *m)
{
	m->complete = false;
}

static void drop_first_second(struct ct_model *m)
{
	((struct ct_run *)(uintptr_t)m->run)->dropped_ns = 1000000000;
}

static void let_go_of_root(struct ct_model *m)
{
	for (u32 i = 0; i < m->threads.cnt; i++)
		if (m->threads.at[i].flags & CT_THREAD_LET_GO)
			m->threads.at[i].flags |= CT_THREAD_ROOT;
}

/* What a trace does not tell is not kept. */
static void test_rules_in_doubt(void **state)
{
	static const struct ruled cut[] = {
		{ "duration < 10s", false },
		{ "lost_events == 0", false },
		{ "threads < 100", false },
		{ "lock:big_lock < 99%", false },
		{ "no deadlock", false },
		{ "deadlock < 1%", false },
		{ "finding healthy", false },
		{ "finding lock-contention", true },
	};
	static const struct ruled raised[] = {
		{ "no any", false },
		{ "no deadlock", false },
		{ "finding healthy", false },
		{ "sleep < 99%", false },
		{ "exit_status == 0", true },
		{ "duration < 10s", true },
	};
	static const struct ruled dropped[] = {
		{ "duration < 1s", false },
		{ "duration == 1100ms", true },
		{ "no deadlock", true },
	};

	check_rules("tests/diff/lock.a.ctt", cut_off, cut, CT_COUNT(cut));
	check_rules("tests/traces/raised.ctt", NULL, raised, CT_COUNT(raised));
	check_rules("tests/traces/raised.ctt", let_go_of_root, raised, CT_COUNT(raised));
	check_rules("tests/diff/lock.a.ctt", drop_first_second, dropped, CT_COUNT(dropped));
}

/* What is counted in events may be wrong where some were lost; what clock and kernel say is not. */
static void test_rules_and_losses(void **state)
{
	static const struct {
		const char *rule;
		bool lossy;
	} table[] = { { "threads == 2", true }, { "running > 1ns", true }, { "no any", true },
		{ "duration < 1s", false }, { "lost_events == 7", false } };
	struct loaded l = { 0 };
	struct ct_facts f;

	assert_int_equal(ct_source__open(&l.source, "tests/traces/loss.ctt", NULL), 0);
	l.m = ct_model__build(l.source, ct_source__names(l.source));
	ct_facts__compute(&f, l.m);
	for (u32 i = 0; i < CT_COUNT(table); i++) {
		struct ct_rule rule;
		char *why;

		assert_int_equal(ct_rule__parse(&rule, table[i].rule, &why), 0);
		assert_int_equal(ct_rule__judge(&rule, &f).lossy, table[i].lossy);
		ct_rule__clear(&rule);
	}
	ct_facts__clear(&f);
	unload(&l);
}

static void test_rules_that_are_none(void **state)
{
	static const char *const bad[] = { "", "no", "no such", "no deadlock please", "finding",
		"duration", "duration <", "duration < 3", "duration < 3%", "duration < 3 s s",
		"duration =< 3s", "duration < 1.2.3s", "duration < -1s", "threads < 3ms",
		"lock: < 3ms", "lock < 3", "lock:a", "nonsense < 3", "lock-order < 3%",
		"mean_running > inf", "duration < 3 hours" };

	for (u32 i = 0; i < CT_COUNT(bad); i++) {
		struct ct_rule rule;
		char *why = NULL;

		if (!ct_rule__parse(&rule, bad[i], &why))
			fail_msg("'%s' is taken for a rule", bad[i]);
		assert_non_null(why);
		assert_null(strchr(why, '\n'));
		free(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_of_one_lock),
		cmocka_unit_test(test_one_lock_and_none),
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_what_is_noise),
		cmocka_unit_test(test_how_wide_the_noise_is),
		cmocka_unit_test(test_small_parts_do_not_matter),
		cmocka_unit_test(test_what_belongs_together),
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_lines_that_moved),
		cmocka_unit_test(test_findings_come_and_go),
		cmocka_unit_test(test_rules_hold_or_not),
		cmocka_unit_test(test_rules_and_losses),
		cmocka_unit_test(test_rules_in_doubt),
		cmocka_unit_test(test_rules_that_are_none),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
