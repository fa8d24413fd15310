/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/: parallelism, lines, wakers, kind of work.  (Contention: test_model_holds.c.)
 */
#include "model_load.h"

static void test_parallelism(void **state)
{
	struct loaded l = load("parallel");
	struct ct_parallelism p;

	ct_parallelism__compute(&p, l.m);
	assert_int_equal(p.cnt, 3);
	assert_int_equal(p.running_ns[0], 1000);
	assert_int_equal(p.running_ns[1], 6000);
	assert_int_equal(p.running_ns[2], 3000);
	assert_int_equal(p.duration_ns, 10000);
	assert_int_equal(p.wait_cpu_ns, 2000);
	assert_true(p.mean_running > 1.1999 && p.mean_running < 1.2001);
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	ct_parallelism__clear(&p);
	unload(&l);
}

static void test_lines(void **state)
{
	struct loaded l = load("parallel");
	struct ct_facts f;

	ct_facts__compute(&f, l.m);
	assert_int_equal(f.lines.at.cnt, 2);
	assert_int_equal(f.lines.at.at[0].frame, 2);
	assert_int_equal(f.lines.at.at[0].state, CT_SLEEP);
	assert_int_equal(f.lines.at.at[0].wait_ns, 2000);
	assert_int_equal(f.lines.at.at[0].threads, 1);
	assert_int_equal(f.lines.at.at[1].frame, 1);
	assert_int_equal(f.lines.at.at[1].state, CT_JOIN);
	assert_int_equal(f.lines.at.at[1].max_ns, 1000);
	assert_int_equal(f.contentions.at.cnt, 0); /* a join is no lock */
	ct_facts__clear(&f);
	unload(&l);
}

static void test_lines_share(void **state)
{
	struct loaded l = load("queue");
	struct ct_lines lines;

	ct_lines__compute(&lines, l.m);
	assert_int_equal(lines.at.at[0].frame, 2);
	assert_int_equal(lines.at.at[0].waits, 2);
	assert_int_equal(lines.at.at[0].threads, 2);
	assert_int_equal(lines.at.at[0].wait_ns, 6500 + 9000);
	ct_lines__clear(&lines);
	unload(&l);
}

static void test_wakers(void **state)
{
	struct loaded l = load("parallel");
	struct ct_wakers w;

	ct_wakers__compute(&w, l.m);
	assert_int_equal(w.at.cnt, 2); /* the first wake-up of a new thread ends no sleep */
	assert_int_equal(w.at.at[0].waker, CT_NONE);
	assert_int_equal(w.at.at[0].wakee, thread_idx(l.m, 102));
	assert_int_equal(w.at.at[0].ended_ns, 2000);
	assert_int_equal(w.at.at[1].waker, thread_idx(l.m, 102));
	assert_int_equal(w.at.at[1].ended_ns, 1000);
	assert_int_equal(w.at.at[1].cnt, 1);
	assert_int_equal(l.m->wakes.cnt, 3);
	ct_wakers__clear(&w);
	unload(&l);
}

static struct ct_thread life(ct_ns running, ct_ns disk, ct_ns lock, ct_ns poll)
{
	struct ct_thread t = { .end_ns = running + disk + lock + poll };

	t.state_ns[CT_RUNNING] = running;
	t.state_ns[CT_IO_DISK] = disk;
	t.state_ns[CT_LOCK] = lock;
	t.state_ns[CT_POLL] = poll;
	return t;
}

static void test_kind(void **state)
{
	const struct {
		struct ct_thread t;
		enum ct_work_kind kind;
	} cases[] = {
		{ life(70, 10, 10, 10), CT_WORK_CPU },
		{ life(10, 50, 20, 20), CT_WORK_IO },
		{ life(30, 25, 25, 20), CT_WORK_MIXED },
		{ life(20, 0, 60, 20), CT_WORK_WAITING },
		{ life(5, 0, 5, 90), CT_WORK_IDLE },
		{ life(0, 0, 0, 0), CT_WORK_IDLE },
		{ life(69, 0, 0, 31), CT_WORK_MIXED },
	};

	for (u32 i = 0; i < CT_COUNT(cases); i++)
		assert_string_equal(ct_work_kind_name(ct_thread_kind(&cases[i].t)),
			ct_work_kind_name(cases[i].kind));
	assert_string_equal(ct_work_kind_name(CT_WORK_CPU), "cpu-bound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parallelism),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_share),
		cmocka_unit_test(test_wakers),
		cmocka_unit_test(test_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
