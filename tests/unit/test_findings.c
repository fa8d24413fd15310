/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/findings*.c: for each finding a text trace in which it must be made and one that
 * looks alike and in which it must not (tests/traces/find_*.ctt; their first lines say why, and how
 * the costs come about).  What every finding must have, whatever it says; and its keys in the JSON
 * summary.
 */
#include <jansson.h>
#include <unistd.h>

#include "ct_export.h"
#include "model_load.h"

struct row {
	enum ct_finding_kind kind;
	enum ct_severity severity;
	ct_ns cost_ns;
	bool inferred;
};

#define MS 1000000u
#define US 1000u
#define INFO CT_SEV_INFO
#define LOW CT_SEV_LOW
#define MEDIUM CT_SEV_MEDIUM
#define HIGH CT_SEV_HIGH
#define HEALTHY                                                                                    \
	{                                                                                          \
		CT_FIND_HEALTHY, INFO, 0, false                                                    \
	}

/* All findings of a trace that cost something, in order; the kinds of work are left out. */
static const struct {
	const char *trace;
	struct row rows[4];
	u32 cnt;
} cases[] = {
	{ "find_contention",
		{ { CT_FIND_LOCK_CONTENTION, HIGH, 36030 * US, false },
			{ CT_FIND_SERIALIZED, LOW, 36030 * US, false } },
		2 },
	{ "find_contention_one_sided",
		{ { CT_FIND_LOCK_CONTENTION, HIGH, 56890 * US, false },
			{ CT_FIND_SERIALIZED, LOW, 113780 * US, false } },
		2 },
	{ "find_contention_foreign", { HEALTHY }, 1 },
	{ "find_contention_full", { HEALTHY }, 1 },
	{ "find_starved", { { CT_FIND_LOCK_CONTENTION, HIGH, 80 * MS, false } }, 1 },
	{ "find_starved_still", { { CT_FIND_LOCK_CONTENTION, HIGH, 110 * MS, false } }, 1 },
	{ "find_starved_not", { HEALTHY }, 1 },
	{ "find_held",
		{ { CT_FIND_LOCK_HELD_WHILE_BLOCKED, HIGH, 60 * MS, false },
			{ CT_FIND_LOCK_CONTENTION, LOW, 12 * MS, false } },
		2 },
	{ "find_held_not", { HEALTHY }, 1 },
	{ "find_held_bare",
		{ { CT_FIND_LOCK_HELD_WHILE_BLOCKED, HIGH, 79520 * US, true } }, 1 },
	{ "find_convoy",
		{ { CT_FIND_LOCK_CONTENTION, HIGH, 19320 * US, false },
			{ CT_FIND_LOCK_CONVOY, LOW, 19320 * US, false },
			{ CT_FIND_SERIALIZED, LOW, 19320 * US, false } },
		3 },
	{ "find_convoy_not", { { CT_FIND_LOCK_CONTENTION, MEDIUM, 10400 * US, false } }, 1 },
	{ "find_serial_not", { HEALTHY }, 1 },
	{ "find_turns", { { CT_FIND_SERIALIZED, HIGH, 59800 * US, true } }, 1 },
	{ "find_turns_not", { HEALTHY }, 1 },
	{ "find_held_sem", { { CT_FIND_LOCK_HELD_WHILE_BLOCKED, HIGH, 109470 * US, true } }, 1 },
	{ "find_held_sem_not", { HEALTHY }, 1 },
	{ "find_crowd", { { CT_FIND_OVERSUBSCRIBED, MEDIUM, 100 * MS, false } }, 1 },
	{ "find_crowd_not", { HEALTHY }, 1 },
	{ "find_crowd_foreign", { HEALTHY }, 1 },
	{ "find_sequence", { { CT_FIND_WAITING_NOT_OVERLAPPED, HIGH, 90 * MS, false } }, 1 },
	{ "find_sequence_not", { HEALTHY }, 1 },
	{ "find_server", { HEALTHY }, 1 },
	{ "find_disk", { HEALTHY }, 1 },
	{ "find_async", { { CT_FIND_ASYNC_ON_CPU_WORK, HIGH, 107940 * US, false } }, 1 },
	{ "find_async_full", { { CT_FIND_ASYNC_ON_CPU_WORK, HIGH, 117990 * US, false } }, 1 },
	{ "find_async_not", { HEALTHY }, 1 },
	{ "find_async_feeder_not", { HEALTHY }, 1 },
	{ "find_loop", { { CT_FIND_BLOCKED_EVENT_LOOP, HIGH, 64 * MS, false } }, 1 },
	{ "find_loop_not", { HEALTHY }, 1 },
	{ "find_loop_future", { { CT_FIND_BLOCKED_EVENT_LOOP, HIGH, 64 * MS, false } }, 1 },
	{ "find_loop_boss_not", { HEALTHY }, 1 },
	{ "find_loop_prefork_not", { HEALTHY }, 1 },
	{ "find_loop_pool_not", { HEALTHY }, 1 },
	{ "find_loop_pipe_not", { HEALTHY }, 1 },
	{ "find_herd", { { CT_FIND_THUNDERING_HERD, MEDIUM, 6600 * US, false } }, 1 },
	{ "find_herd_not", { HEALTHY }, 1 },
	{ "find_spin", { { CT_FIND_BUSY_WAIT, LOW, 200 * MS, true }, HEALTHY }, 2 },
	{ "find_spin_not", { HEALTHY }, 1 },
	{ "find_spin_code", { { CT_FIND_BUSY_WAIT, HIGH, 200 * MS, false } }, 1 },
	{ "find_spin_code_not", { HEALTHY }, 1 },
	{ "find_spin_work_not", { HEALTHY }, 1 },
	{ "find_yield", { { CT_FIND_BUSY_WAIT, HIGH, 200 * MS, false } }, 1 },
	{ "find_try", { { CT_FIND_BUSY_WAIT, HIGH, 130 * MS, false } }, 1 },
	{ "find_try_not", { HEALTHY }, 1 },
	{ "find_fold", { { CT_FIND_LOCK_CONTENTION, HIGH, 87091 * US, false } }, 1 },
	{ "find_fold_not",
		{ { CT_FIND_LOCK_CONTENTION, LOW, 87 * MS, false },
			{ CT_FIND_LOCK_CONTENTION, LOW, 87 * MS, false }, HEALTHY },
		3 },
	{ "find_foreign", { { CT_FIND_LOCK_CONTENTION, HIGH, 80 * MS, false } }, 1 },
	{ "find_imbalance", { { CT_FIND_IMBALANCE, HIGH, 39 * MS, false } }, 1 },
	{ "find_imbalance_not", { HEALTHY }, 1 },
	{ "find_priority", { { CT_FIND_PRIORITY_INVERSION, HIGH, 79970 * US, false } }, 1 },
	{ "find_priority_not", { HEALTHY }, 1 },
	{ "find_loss", { { CT_FIND_LOCK_CONTENTION, INFO, 15 * MS, true } }, 1 },
	{ "find_deadlock", { { CT_FIND_DEADLOCK, HIGH, 980 * MS, false } }, 1 },
	{ "find_deadlock_loss", { { CT_FIND_DEADLOCK, INFO, 980 * MS, true } }, 1 },
	{ "find_abandoned", { { CT_FIND_ABANDONED_LOCK, HIGH, 980 * MS, false } }, 1 },
	{ "find_stuck", { { CT_FIND_STUCK, HIGH, 980 * MS, false } }, 1 },
	{ "find_lost",
		{ { CT_FIND_LOST_UPDATE, HIGH, 0, false },
			{ CT_FIND_UNPROTECTED_SHARING, LOW, 0, false } },
		2 },
	{ "find_lost_not", { HEALTHY }, 1 },
	{ "find_unprotected",
		{ { CT_FIND_UNPROTECTED_SHARING, MEDIUM, 0, false },
			{ CT_FIND_UNPROTECTED_SHARING, MEDIUM, 0, false },
			{ CT_FIND_UNPROTECTED_SHARING, MEDIUM, 0, false },
			{ CT_FIND_UNPROTECTED_SHARING, MEDIUM, 0, false } },
		4 },
	{ "watch_phases", { HEALTHY }, 1 },
};

static bool is_kind_of_work(const struct ct_finding *f)
{
	return f->kind == CT_FIND_IO_BOUND || f->kind == CT_FIND_CPU_BOUND;
}

/* What holds for each finding, whatever it is. */
static void check_form(const struct ct_facts *facts)
{
	const struct ct_finding_list *l = &facts->findings;

	for (u32 i = 0; i < l->at.cnt; i++) {
		const struct ct_finding *f = &l->at.at[i];

		assert_true(*ct_finding_id(f->kind) && *ct_finding_lesson(f->kind));
		assert_true(f->share >= 0 && f->share <= 1);
		if (f->hang == CT_NONE)
			assert_true(f->title && f->evidence && f->advice && *f->title &&
				    *f->evidence && *f->advice);
		for (u32 k = 0; k < f->threads.cnt; k++) {
			assert_true(f->threads.at[k] < facts->m->threads.cnt);
			for (u32 n = 0; n < k; n++)
				assert_int_not_equal(f->threads.at[n], f->threads.at[k]);
		}
		for (u32 k = 0; k < f->locks.cnt; k++)
			assert_true(f->locks.at[k] < facts->m->locks.cnt);
		if (f->cause != CT_NONE) { /* ranked below its cause, and not heavier */
			assert_true(f->cause < i);
			assert_true(f->severity <= LOW);
		}
		if (f->severity > INFO)
			assert_true(f->threads.cnt > 0);
	}
}

static bool is_row(const struct ct_finding *f, const struct row *r)
{
	return f->kind == r->kind && f->severity == r->severity && f->cost_ns == r->cost_ns &&
	       f->seen == !r->inferred;
}

static void print_row(const struct ct_finding *f)
{
	print_error("    made: %s %s %llu %s\n", ct_severity_name(f->severity),
		ct_finding_id(f->kind), (unsigned long long)f->cost_ns,
		f->seen ? "seen" : "inferred");
}

static void check_case(u32 c)
{
	struct loaded l = load(cases[c].trace);
	struct ct_facts f;
	u32 cnt = 0;
	bool good = true;

	check_invariants(l.m);
	ct_facts__compute(&f, l.m);
	check_form(&f);
	for (u32 i = 0; i < f.findings.at.cnt; i++) {
		const struct ct_finding *x = &f.findings.at.at[i];
		if (is_kind_of_work(x))
			continue;
		good &= cnt < cases[c].cnt && is_row(x, &cases[c].rows[cnt]);
		cnt++;
	}
	good &= cnt == cases[c].cnt;
	for (u32 i = 0; !good && i < f.findings.at.cnt; i++)
		print_row(&f.findings.at.at[i]);
	if (!good)
		fail_msg("%s", cases[c].trace);
	ct_facts__clear(&f);
	unload(&l);
}

static void test_each_fires_and_its_look_alike_does_not(void **state)
{
	for (u32 c = 0; c < CT_COUNT(cases); c++)
		check_case(c);
}

/* ---- the rest of a finding ---- */

static struct ct_facts judge(struct loaded *l, const char *trace)
{
	struct ct_facts f;

	*l = load(trace);
	ct_facts__compute(&f, l->m);
	return f;
}

static const struct ct_finding *find(const struct ct_facts *f, enum ct_finding_kind kind)
{
	for (u32 i = 0; i < f->findings.at.cnt; i++)
		if (f->findings.at.at[i].kind == kind)
			return &f->findings.at.at[i];
	return NULL;
}

static void drop(struct loaded *l, struct ct_facts *f)
{
	ct_facts__clear(f);
	unload(l);
}

static void check_kind_of_work(const char *trace, bool cpu, bool io)
{
	struct loaded l;
	struct ct_facts f = judge(&l, trace);

	assert_int_equal(!!find(&f, CT_FIND_CPU_BOUND), cpu);
	assert_int_equal(!!find(&f, CT_FIND_IO_BOUND), io);
	assert_non_null(find(&f, CT_FIND_HEALTHY)); /* a kind of work is nothing that is wrong */
	drop(&l, &f);
}

static void test_kinds_of_work(void **state)
{
	check_kind_of_work("find_crowd_not", true, false);
	check_kind_of_work("find_disk", false, true);
	check_kind_of_work("find_sequence_not", false, false);
}

static void test_names_whom_it_concerns(void **state)
{
	struct loaded l;
	struct ct_facts f = judge(&l, "find_priority");
	const struct ct_finding *x = find(&f, CT_FIND_PRIORITY_INVERSION);

	assert_int_equal(x->threads.at[0], thread_idx(l.m, 101)); /* who waits */
	assert_int_equal(x->threads.at[1], thread_idx(l.m, 103)); /* who has it */
	assert_int_equal(x->threads.at[2], thread_idx(l.m, 102)); /* who is in the way */
	assert_int_equal(x->locks.cnt, 1);
	assert_int_equal(l.m->locks.at[x->locks.at[0]].addr, 0x5000);
	assert_int_equal(x->frames.at[0], 1);
	assert_non_null(strstr(x->title, "clerk"));
	drop(&l, &f);

	f = judge(&l, "find_held");
	x = find(&f, CT_FIND_LOCK_HELD_WHILE_BLOCKED);
	assert_int_equal(x->threads.at[0], thread_idx(l.m, 101)); /* the holder */
	assert_int_equal(x->frames.at[0], 3);			  /* where it sleeps */
	assert_int_equal(x->frames.at[1], 1);			  /* where the others wait */
	assert_int_equal(find(&f, CT_FIND_LOCK_CONTENTION)->cause, 0);
	drop(&l, &f);

	f = judge(&l, "find_serial_not");
	assert_non_null(strstr(find(&f, CT_FIND_HEALTHY)->evidence, "bob computes most"));
	drop(&l, &f);

	f = judge(&l, "find_crowd_not");
	assert_non_null(
		strstr(find(&f, CT_FIND_HEALTHY)->evidence, "concurrency and not parallelism"));
	drop(&l, &f);

	f = judge(&l, "find_loss");
	assert_non_null(
		strstr(find(&f, CT_FIND_LOCK_CONTENTION)->evidence, "too many for a verdict"));
	drop(&l, &f);
}

/* ---- a storm, which takes thousands of switches ---- */

/* Two threads hand over `turns` times on one CPU, each runs run_ns between. */
static struct loaded load_hand_overs(u32 turns, u32 run_ns)
{
	char path[] = "/tmp/ct_find.XXXXXX";
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	u64 at_ns = 1000;
	struct loaded l;

	assert_non_null(out);
	fprintf(out,
		"run argv=./prog pid=100 start=0 end=%llu cpus=2 futex=switch\nsyscall 202 futex\n"
		"0 0 task_new 101 tgid=100 flags=found\n0 0 task_new 102 tgid=100 flags=found\n"
		"10 0 switch 0 next=101\n20 0 block 101 next=102 state=S nr=futex arg0=0x6100 "
		"arg1=0x189\n",
		(unsigned long long)(at_ns + (u64)turns * run_ns));
	for (u32 i = 0; i < turns; i++, at_ns += run_ns) {
		u32 me = i % 2 ? 101 : 102, other = i % 2 ? 102 : 101;
		fprintf(out, "%llu 0 waking %u waker=%u nr=futex\n", (unsigned long long)at_ns - 10,
			other, me);
		fprintf(out, "%llu 0 block %u next=%u state=S nr=futex arg0=0x6%u00 arg1=0x189\n",
			(unsigned long long)at_ns, me, other, 1 + i % 2);
	}
	fprintf(out, "end\n");
	fclose(out);
	l = load_path(path);
	unlink(path);
	return l;
}

static void test_storm(void **state)
{
	struct loaded l = load_hand_overs(4000, 3000);
	struct ct_facts f;
	const struct ct_finding *x;

	/* 3 us between two switches are as good as all switching: 4002 switches of 3 us, 100 %. */
	ct_facts__compute(&f, l.m);
	check_form(&f);
	x = find(&f, CT_FIND_SWITCH_STORM);
	assert_non_null(x);
	assert_int_equal(x->severity, HIGH);
	assert_int_equal(x->threads.cnt, 2);
	assert_true(x->seen);
	drop(&l, &f);

	/* 30 us of work between: at 4 us at most for a switch, 13 % of the CPU. */
	l = load_hand_overs(4000, 30000);
	ct_facts__compute(&f, l.m);
	assert_null(find(&f, CT_FIND_SWITCH_STORM));
	assert_non_null(find(&f, CT_FIND_HEALTHY));
	drop(&l, &f);

	/* as stormy as the first, but over before it cost anything */
	l = load_hand_overs(400, 3000);
	ct_facts__compute(&f, l.m);
	assert_null(find(&f, CT_FIND_SWITCH_STORM));
	drop(&l, &f);
}

/* ---- tables ---- */

static void test_ids(void **state)
{
	for (u32 k = 0; k < CT_FINDINGS; k++)
		assert_int_equal(ct_finding_kind_of(ct_finding_id(k)), k);
	assert_int_equal(ct_finding_kind_of("no-such"), CT_FINDINGS);
	assert_int_equal(ct_finding_kind_of(""), CT_FINDINGS);
}

static void test_thresholds_have_reasons(void **state)
{
	u32 cnt = 0;

	for (const struct ct_threshold *t = ct_thresholds; t->name; t++, cnt++) {
		assert_true(t->value > 0);
		assert_true(strlen(t->reason) > 10);
		for (const struct ct_threshold *u = ct_thresholds; u < t; u++)
			assert_string_not_equal(u->name, t->name);
	}
	assert_true(cnt > 30);
}

/* ---- JSON ---- */

static void check_keys(json_t *finding)
{
	static const char *const fixed[] = { "id", "severity", "certainty", "cost_ns", "share",
		"threads", "locks", "lines", "evidence", "lesson", "advice" };
	const char *key;
	json_t *value;
	u32 i = 0;

	json_object_foreach(finding, key, value)
	{
		if (i < CT_COUNT(fixed))
			assert_string_equal(key, fixed[i]);
		i++;
	}
	assert_true(i > CT_COUNT(fixed));
	assert_true(json_is_integer(json_object_get(finding, "cost_ns")));
	assert_true(json_is_real(json_object_get(finding, "share")));
	assert_true(json_is_array(json_object_get(finding, "lines")));
	assert_true(json_string_length(json_object_get(finding, "evidence")) > 0);
	assert_true(json_string_length(json_object_get(finding, "lesson")) > 0);
	assert_true(json_string_length(json_object_get(finding, "advice")) > 0);
}

static void test_json(void **state)
{
	for (u32 c = 0; c < CT_COUNT(cases); c++) {
		struct loaded l;
		struct ct_facts f = judge(&l, cases[c].trace);
		struct ct_export_in in = { .facts = &f, .source = l.source };
		char *text = NULL;
		size_t size = 0, i;
		json_t *root, *finding;
		FILE *out = open_memstream(&text, &size);

		assert_int_equal(ct_exporter__find("json")->write(&in, out), 0);
		fclose(out);
		root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(root);
		assert_int_equal(
			json_array_size(json_object_get(root, "findings")), f.findings.at.cnt);
		json_array_foreach(json_object_get(root, "findings"), i, finding)
		{
			check_keys(finding);
			assert_string_equal(json_string_value(json_object_get(finding, "id")),
				ct_finding_id(f.findings.at.at[i].kind));
		}
		json_decref(root);
		free(text);
		drop(&l, &f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fires_and_its_look_alike_does_not),
		cmocka_unit_test(test_kinds_of_work),
		cmocka_unit_test(test_names_whom_it_concerns),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_thresholds_have_reasons),
		cmocka_unit_test(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
