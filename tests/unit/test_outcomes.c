/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/outcomes.c, export/series*.c: rates against published tables, distributions, what
 * counts as an ending, and the summary of a series, as text to the letter and as JSON; on profiles
 * built by hand.
 */
#include <jansson.h>

#include "ct_export.h"
#include "ct_outcomes.h"
#include "model_load.h"

#define MS 1000000ull
#define RUNS 6u

/* ---- rates ---- */

static void test_rates(void **state)
{
	/* Clopper-Pearson at 95 %: two-sided between, one-sided at the ends, where they are
	 * 1 - 0.05^(1/n) and 0.05^(1/n). */
	static const struct {
		u32 hits, runs;
		double least, most;
	} table[] = {
		{ 0, 1, 0, 0.95 },
		{ 0, 10, 0, 0.2589 },
		{ 0, 20, 0, 0.1391 },
		{ 0, 1000, 0, 0.0030 },
		{ 1, 10, 0.0025, 0.4450 },
		{ 5, 10, 0.1871, 0.8129 },
		{ 9, 10, 0.5550, 0.9975 },
		{ 500, 1000, 0.4685, 0.5315 },
		{ 5, 5, 0.5493, 1 },
		{ 1000, 1000, 0.9970, 1 },
	};

	(void)state;
	for (u32 i = 0; i < CT_COUNT(table); i++) {
		double least, most;

		ct_rate_bounds(table[i].hits, table[i].runs, &least, &most);
		if (least < table[i].least - 6e-5 || least > table[i].least + 6e-5 ||
			most < table[i].most - 6e-5 || most > table[i].most + 6e-5)
			fail_msg("%u of %u: %f to %f", table[i].hits, table[i].runs, least, most);
	}
}

/* ---- a series ---- */

struct series {
	struct ct_profile runs[RUNS];
	u64 seeds[RUNS];
	bool found[RUNS];
	struct ct_outcomes_in in;
	struct ct_outcomes out;
};

static void series_init(struct series *s)
{
	memset(s, 0, sizeof(*s));
	s->in = (struct ct_outcomes_in){ .runs = s->runs, .cnt = RUNS, .found = s->found };
	for (u32 i = 0; i < RUNS; i++) {
		struct ct_profile *p = &s->runs[i];

		*p = (struct ct_profile){ .program = ct_strdup("p"), .command = ct_strdup("p"),
			.complete = true, .ended = true, .duration_ns = (i + 1) * 100 * MS };
		*ct_vec_push(&p->figures) = (struct ct_figure){ CT_GROUP_RUN, CT_UNIT_NS,
			ct_strdup(""), "duration", (double)p->duration_ns };
		s->seeds[i] = 100000 + i;
	}
}

static void series_clear(struct series *s)
{
	ct_outcomes__clear(&s->out);
	for (u32 i = 0; i < RUNS; i++)
		ct_profile__clear(&s->runs[i]);
}

static void make(struct series *s, u32 run, enum ct_finding_kind kind)
{
	*ct_vec_push(&s->runs[run].made) = (struct ct_made){ kind, CT_SEV_HIGH };
}

static void watch(struct series *s, u32 run, const char *name, u32 lost, i64 last)
{
	*ct_vec_push(&s->runs[run].watched) = (struct ct_watched_run){ .name = ct_strdup(name),
		.sharing = lost ? CT_SHARE_UNGUARDED : CT_SHARE_GUARDED, .lost = lost,
		.complete = true, .last = last, .expected = 100 };
}

static void series_compute(struct series *s)
{
	ct_outcomes__clear(&s->out);
	ct_outcomes__compute(&s->out, &s->in);
}

static char *series_text(struct series *s, bool shaken, json_t **json)
{
	static const char *const names[RUNS] = { "p.1.ctrace", "p.2.ctrace", "p.3.ctrace",
		"p.4.ctrace", "p.5.ctrace", "p.6.ctrace" };
	const struct ct_series_in in = { .runs = s->runs, .outcomes = &s->out, .names = names,
		.cnt = s->in.cnt, .wanted = 10, .interrupted = s->in.interrupted,
		.seeds = shaken ? s->seeds : NULL };
	const struct ct_report_opts opts = { .width = 80 };
	char *text = NULL, *raw = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(ct_series__write(&in, &opts, out), 0);
	fclose(out);
	out = open_memstream(&raw, &size);
	assert_int_equal(ct_series__write_json(&in, out), 0);
	fclose(out);
	*json = json_loads(raw, 0, NULL);
	assert_non_null(*json);
	free(raw);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void test_endings(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	s.runs[1].wait_status = 0x300;
	s.runs[2].wait_status = 11; /* a signal */
	s.runs[3].wait_status = 0x300;
	make(&s, 3, CT_FIND_DEADLOCK); /* the same status, another ending */
	s.runs[4].wait_status = 0x300;
	s.runs[5].ended = false;
	series_compute(&s);
	assert_int_equal(s.out.runs, 6);
	assert_int_equal(s.out.at.cnt, 5);
	assert_int_equal(s.out.at.at[0].runs, 2); /* most runs first */
	assert_int_equal(s.out.at.at[0].first, 1);
	assert_int_equal(s.out.at.at[0].hang, CT_HANG_KINDS);
	assert_int_equal(s.out.at.at[1].first, 0); /* then the earliest */
	assert_int_equal(s.out.at.at[3].hang, CT_HANG_DEADLOCK);
	/* bad: the two with status 3, the signal, the deadlock; not one that ended with 0, nor one
	 * that goes on after -d */
	assert_int_equal(s.out.bad_runs, 4);
	assert_int_equal(s.out.first_bad, 1);
	s.found[0] = true;
	series_compute(&s);
	assert_int_equal(s.out.bad_runs, 5);
	assert_int_equal(s.out.first_bad, 0);
	series_clear(&s);
}

static void test_interrupted(void **state)
{
	struct series s;
	json_t *json;
	char *text;

	(void)state;
	series_init(&s);
	s.in.interrupted = true;
	s.in.cnt = 4;
	s.runs[1].wait_status = 0x300;
	make(&s, 1, CT_FIND_LOCK_CONTENTION);
	s.runs[3].wait_status = 2;
	make(&s, 3, CT_FIND_LOCK_CONTENTION);
	series_compute(&s);
	assert_int_equal(s.out.runs, 3);
	assert_int_equal(s.out.bad_runs, 1);
	text = series_text(&s, false, &json);
	assert_has(text, "p: 4 of 10 runs\n");
	/* it is listed, and counted nowhere */
	assert_has(text, "  run 4       400 ms  interrupted           p.4.ctrace\n");
	assert_has(text, "200 ms (median), 100 ms to 300 ms");
	assert_has(text, "exit status 0                     2 of 3 runs");
	assert_has(text, "lock-contention, high             1 of 3 runs");
	free(text);
	json_decref(json);
	/* ... unless it hung, which is why somebody interrupted it */
	make(&s, 3, CT_FIND_STUCK);
	series_compute(&s);
	assert_int_equal(s.out.runs, 4);
	assert_int_equal(s.out.bad_runs, 2);
	text = series_text(&s, false, &json);
	assert_has(text, "200 ms (median), 100 ms to 300 ms");
	assert_has(text, "stuck, then interrupted           1 of 4 runs");
	assert_has(text, "lock-contention, high             2 of 4 runs");
	assert_int_equal(json_integer_value(json_object_get(json, "judged")), 4);
	assert_int_equal(json_object_size(json_object_get(json, "exit_status")), 2);
	free(text);
	json_decref(json);
	series_clear(&s);
}

static void test_summary(void **state)
{
	static const char expected[] =
		"p: 6 of 10 runs\n"
		"  run 1       100 ms  exit status 0         seed 100000  0 lost  p.1.ctrace\n"
		"  run 2       200 ms  exit status 0         seed 100001  0 lost  p.2.ctrace\n"
		"  run 3       300 ms  exit status 0         seed 100002  7 lost  p.3.ctrace\n"
		"  run 4       400 ms  killed by signal 6    seed 100003  12 lost  p.4.ctrace\n"
		"  run 5       500 ms  exit status 0         seed 100004  0 lost  p.5.ctrace\n"
		"  run 6       600 ms  exit status 0         seed 100005  0 lost  p.6.ctrace\n"
		"Duration     350 ms (median), 100 ms to 600 ms: 142.9 % apart\n"
		"Ran at once  0.00 (median), 0.00 to 0.00: 0 % apart\n"
		"Outcome      exit status 0                     5 of 6 runs  #################\n"
		"             killed by signal 6                1 of 6 runs  ####\n"
		"Findings     lost-update, high                 2 of 6 runs  #######\n"
		"counter      an update was lost                2 of 6 runs  #######\n"
		"             shared, unguarded                 2 of 6 runs  #######\n"
		"  lost       0                                 4 of 6 runs  ##############\n"
		"             7                                 1 of 6 runs  ####\n"
		"             12                                1 of 6 runs  ####\n"
		"  ended as   88                                1 of 6 runs  ####\n"
		"             93                                1 of 6 runs  ####\n"
		"             100                               4 of 6 runs  ##############\n"
		"             should be 100, and was in 4 of 6 runs\n"
		"First bad    run 3 (exit status 0, lost-update): 'ctrace report p.3.ctrace'\n"
		"             shows it; --shake=100002 repeats its delays\n"
		"Evidence     2 of 6 runs went wrong; with 95 % certainty it is 4 to 78 % of all\n"
		"             that there could be.\n"
		"Lost events  none\n";
	static const u32 lost[RUNS] = { 0, 0, 7, 12, 0, 0 };
	struct series s;
	json_t *json, *variable, *bad;
	char *text;

	(void)state;
	series_init(&s);
	for (u32 i = 0; i < RUNS; i++) {
		watch(&s, i, "counter", lost[i], 100 - lost[i]);
		if (lost[i])
			make(&s, i, CT_FIND_LOST_UPDATE);
	}
	s.runs[3].wait_status = 6;
	series_compute(&s);
	text = series_text(&s, true, &json);
	fputs(text, stderr);	assert_string_equal(text, expected);
	variable = json_array_get(json_object_get(json, "watch"), 0);
	assert_int_equal(json_integer_value(json_object_get(variable, "lost_runs")), 2);
	assert_int_equal(json_integer_value(json_object_get(variable, "first_lost")), 3);
	assert_int_equal(json_integer_value(json_object_get(variable, "expected")), 100);
	assert_int_equal(json_array_size(json_object_get(variable, "lost")), 3);
	bad = json_object_get(json, "bad");
	assert_int_equal(json_integer_value(json_object_get(bad, "first")), 3);
	assert_string_equal(json_string_value(json_object_get(bad, "trace")), "p.3.ctrace");
	assert_int_equal(json_integer_value(json_object_get(json, "seed")), 100000);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(json, "runs"), 5), "seed")),
		100005);
	free(text);
	json_decref(json);
	series_clear(&s);
}

static void test_nothing_seen(void **state)
{
	struct series s;
	json_t *json;
	char *text;

	(void)state;
	series_init(&s);
	for (u32 i = 0; i < RUNS; i++)
		watch(&s, i, "counter", 0, 100);
	series_compute(&s);
	text = series_text(&s, false, &json);
	assert_has(text, "counter      an update was lost                0 of 6 runs\n");
	assert_has(text, "  ended as   100                               6 of 6 runs  ####");
	assert_null(strstr(text, "should be"));
	assert_null(strstr(text, "First bad"));
	assert_has(text, "0 of 6 runs went wrong. What was seen in none of them may still\n");
	assert_has(text, "happen in up to 40 % of all runs");
	assert_null(json_object_get(json, "seed"));
	assert_true(json_is_null(json_object_get(json_object_get(json, "bad"), "first")));
	free(text);
	json_decref(json);
	series_clear(&s);
}

/* ---- distributions ---- */

struct spread {
	CT_VEC(struct ct_profile) runs;
};

static void add_run(struct spread *d, u32 lost, i64 last)
{
	struct ct_profile *p = ct_vec_push(&d->runs);

	*p = (struct ct_profile){ .ended = true, .complete = true };
	*ct_vec_push(&p->watched) = (struct ct_watched_run){ .name = ct_strdup("v"), .lost = lost,
		.complete = true, .last = last, .expected = last };
}

/* Each value is in one bin, bins are in order and have no holes, and there are few of them. */
static void check_bins(const struct ct_bins *bins, u32 cnt, bool zero_apart)
{
	u32 all = 0;

	assert_true(bins->at.cnt && bins->at.cnt <= CT_BINS_MAX + zero_apart);
	for (u32 i = 0; i < bins->at.cnt; i++) {
		const struct ct_bin *b = &bins->at.at[i];

		assert_true(b->from <= b->to);
		if (i)
			assert_true(bins->at.at[i - 1].to < b->from);
		all += b->runs;
	}
	assert_int_equal(all, cnt);
}

static void test_distributions(void **state)
{
	struct spread d = { 0 };
	struct ct_outcomes o;
	const struct ct_variable_runs *v;

	(void)state;
	for (u32 i = 0; i < 5; i++)
		add_run(&d, 0, -100);
	for (u32 i = 1; i <= 95; i++)
		add_run(&d, i, (i64)i - 100);
	add_run(&d, 4000000000u, INT64_MAX); /* far away */
	add_run(&d, 3, INT64_MIN);
	ct_outcomes__compute(&o, &(struct ct_outcomes_in){ .runs = d.runs.at, .cnt = d.runs.cnt });
	assert_int_equal(o.variables.cnt, 1);
	v = &o.variables.at[0];
	check_bins(&v->lost, d.runs.cnt, true);
	check_bins(&v->last, d.runs.cnt, false);
	assert_int_equal(v->lost.at.at[0].to, 0); /* none is a bin of its own */
	assert_int_equal(v->lost.at.at[0].runs, 5);
	assert_int_equal(v->lost.at.at[1].from, 1);
	assert_int_equal(v->lost.at.at[1].runs, 96);
	ct_outcomes__clear(&o);
	/* without the far ones: round steps */
	ct_outcomes__compute(&o, &(struct ct_outcomes_in){ .runs = d.runs.at, .cnt = 100 });
	v = &o.variables.at[0];
	assert_int_equal(v->lost.at.cnt, 6);
	assert_int_equal(v->lost.at.at[1].from, 1);
	assert_int_equal(v->lost.at.at[1].to, 19);
	assert_int_equal(v->lost.at.at[5].from, 80);
	assert_int_equal(v->lost.at.at[5].runs, 16);
	assert_int_equal(v->last.at.at[0].from, -100);
	assert_int_equal(v->last.at.at[0].to, -81);
	assert_false(v->one_expected);
	ct_outcomes__clear(&o);
	for (u32 i = 0; i < d.runs.cnt; i++)
		ct_profile__clear(&d.runs.at[i]);
	ct_vec_free(&d.runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_endings),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_nothing_seen),
		cmocka_unit_test(test_distributions),
	};

	return cmocka_run_group_tests_name("outcomes", tests, NULL, NULL);
}
