/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/model/threads.c: states to the nanosecond. Each test is a trace of tests/traces whose story
 * and arithmetic are in its first comment.
 */
#include "model_load.h"

static void test_states(void **state)
{
	struct loaded l = load("states");
	const struct ct_thread *t = thread(l.m, 100);

	check_slices(t, { 1000, CT_RUNNING, 0 }, { 1200, CT_SLEEP, 0 }, { 1500, CT_RUNNABLE, 0 },
		{ 1550, CT_RUNNING, 0 }, { 1700, CT_RUNNABLE, CT_SLICE_PREEMPTED },
		{ 1750, CT_RUNNING, 0 });
	assert_int_equal(t->start_ns, 1000);
	assert_int_equal(t->end_ns, 1950);
	assert_int_equal(t->state_ns[CT_RUNNING], 550);
	assert_int_equal(t->state_ns[CT_SLEEP], 300);
	assert_int_equal(t->state_ns[CT_RUNNABLE], 100);
	assert_int_equal(t->slices.at[0].cpu, 0);
	assert_int_equal(t->slices.at[5].cpu, 1);
	assert_int_equal(t->voluntary, 2);
	assert_int_equal(t->involuntary, 1);
	assert_int_equal(t->before_voluntary, 4);
	assert_int_equal(t->before_involuntary, 1);
	assert_int_equal(t->before_cpu_ns, 220);
	assert_int_equal(t->kernel_voluntary, 2);
	assert_int_equal(t->kernel_involuntary, 1);
	assert_int_equal(t->cpu_ns, 550);
	assert_int_equal(t->migrations, 1);
	assert_int_equal(t->wakeups, 1);
	assert_int_equal(t->runnable_cnt, 2);
	assert_int_equal(t->runnable_max_ns, 50);
	assert_int_equal(t->exit_code, 0x300);
	assert_int_equal(t->flags, CT_THREAD_ROOT | CT_THREAD_ENDED | CT_THREAD_COUNTED);
	assert_string_equal(ct_strtab__get(l.m->strings, t->name), "prog");
	assert_int_equal(l.m->waits.cnt, 1);
	assert_int_equal(l.m->waits.at[0].waker, CT_NONE);
	assert_int_equal(l.m->waits.at[0].flags, CT_WAIT_WOKEN);
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	unload(&l);
}

static void test_wake_early(void **state)
{
	struct loaded l = load("wake_early");

	check_slices(thread(l.m, 101), { 1000, CT_RUNNABLE, CT_SLICE_CUT_START },
		{ 1050, CT_RUNNING, 0 }, { 2000, CT_FAULT, 0 }, { 2000, CT_RUNNABLE, 0 },
		{ 2400, CT_RUNNING, CT_SLICE_CUT_END });
	assert_int_equal(wait_of(l.m, 101, 0)->waker, thread_idx(l.m, 100));
	check_slices(thread(l.m, 102), { 1000, CT_RUNNING, CT_SLICE_CUT_START },
		{ 3000, CT_FAULT, 0 }, { 3500, CT_RUNNABLE, 0 }, { 3600, CT_RUNNING, 0 },
		{ 5000, CT_FAULT, 0 }, { 5000, CT_RUNNABLE, 0 }, { 5600, CT_RUNNING, 0 },
		{ 6920, CT_RUNNABLE, CT_SLICE_PREEMPTED }, { 6950, CT_RUNNING, 0 },
		{ 7000, CT_FAULT, 0 }, { 7300, CT_RUNNABLE, 0 },
		{ 7300, CT_RUNNING, CT_SLICE_CUT_END });
	assert_int_equal(wait_of(l.m, 102, 1)->waker, thread_idx(l.m, 100));
	assert_int_equal(wait_of(l.m, 102, 1)->wake_flags, CT_WAKE_QUEUED);
	assert_int_equal(wait_of(l.m, 102, 2)->waker, CT_NONE);
	assert_int_equal(l.m->anomalies, 1);
	check_invariants(l.m);
	unload(&l);
}

static void test_preempt(void **state)
{
	struct loaded l = load("preempt");
	const struct ct_thread *one = thread(l.m, 101), *two = thread(l.m, 102);

	check_slices(one, { 1000, CT_RUNNABLE, 0 }, { 1200, CT_RUNNING, 0 },
		{ 2000, CT_RUNNABLE, CT_SLICE_PREEMPTED }, { 3000, CT_RUNNING, 0 },
		{ 4000, CT_OTHER, CT_SLICE_CUT_END });
	check_slices(two, { 1300, CT_RUNNABLE, 0 }, { 2000, CT_RUNNING, 0 },
		{ 3000, CT_RUNNABLE, CT_SLICE_PREEMPTED }, { 4000, CT_RUNNING, CT_SLICE_CUT_END });
	assert_int_equal(one->voluntary, 1);
	assert_int_equal(one->involuntary, 1);
	assert_int_equal(two->voluntary, 0);
	assert_int_equal(two->involuntary, 1);
	assert_int_equal(two->parent, thread_idx(l.m, 101));
	/* a new thread has its creator's name until it gets its own */
	assert_string_equal(ct_strtab__get(l.m->strings, two->name), "one");
	assert_int_equal(one->end_ns, 6000);
	assert_int_equal(wait_of(l.m, 101, 0)->end_ns, 6000);
	assert_false(wait_of(l.m, 101, 0)->flags & CT_WAIT_WOKEN);
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	unload(&l);
}

static void test_loss(void **state)
{
	struct loaded l = load("loss");
	const struct ct_thread *t = thread(l.m, 101);

	check_slices(t, { 1000, CT_RUNNABLE, CT_SLICE_CUT_START }, { 1100, CT_RUNNING, 0 },
		{ 1150, CT_FAULT, 0 }, { 1180, CT_RUNNABLE, 0 },
		{ 1200, CT_RUNNING, CT_SLICE_LOSS }, { 3500, CT_OTHER, CT_SLICE_LOSS },
		{ 4000, CT_RUNNABLE, 0 }, { 4100, CT_RUNNING, 0 },
		{ 5000, CT_FAULT, CT_SLICE_CUT_END });
	assert_true(t->flags & CT_THREAD_LOSS);
	/* 102 might have been affected as well: nobody knows whose events they were */
	assert_true(thread(l.m, 102)->slices.at[0].flags & CT_SLICE_LOSS);
	assert_int_equal(l.m->lost_events, 7);
	assert_int_equal(l.m->losses.cnt, 1);
	assert_int_equal(l.m->losses.at[0].since_ns, 2000);
	assert_int_equal(l.m->anomalies, 1);
	check_invariants(l.m);
	unload(&l);
}

static void test_reuse(void **state)
{
	struct loaded l = load("reuse");
	const struct ct_thread *t = l.m->threads.at;

	assert_int_equal(l.m->threads.cnt, 4);
	assert_int_equal(t[1].tid, 101);
	assert_int_equal(t[1].end_ns, 2000);
	assert_true(t[1].flags & CT_THREAD_ENDED);
	assert_int_equal(t[2].tid, 101);
	assert_int_equal(t[2].start_ns, 3000);
	assert_int_equal(t[2].end_ns, 5000);
	assert_false(t[2].flags & CT_THREAD_ENDED);
	assert_true(t[2].flags & CT_THREAD_LOSS);
	check_slices(&t[2], { 3000, CT_RUNNABLE, 0 }, { 3100, CT_RUNNING, CT_SLICE_LOSS });
	assert_int_equal(t[3].start_ns, 5000);
	assert_int_equal(l.m->processes.cnt, 2);
	assert_int_equal(l.m->processes.at[t[3].process].pid, 101);
	assert_int_equal(l.m->processes.at[t[3].process].parent, t[0].process);
	assert_int_equal(l.m->processes.at[t[0].process].thread_cnt, 3);
	assert_int_equal(l.m->anomalies, 1);
	check_invariants(l.m);
	unload(&l);
}

static void test_exec_thread(void **state)
{
	struct loaded l = load("exec_thread");
	const struct ct_thread *caller = thread(l.m, 100);

	assert_int_equal(l.m->threads.cnt, 3);
	check_slices(caller, { 1000, CT_RUNNABLE, CT_SLICE_CUT_START }, { 1200, CT_RUNNING, 0 },
		{ 2600, CT_FAULT, 0 }, { 2700, CT_RUNNABLE, 0 }, { 2750, CT_RUNNING, 0 },
		{ 3500, CT_FAULT, CT_SLICE_CUT_END });
	assert_int_equal(caller->voluntary, 2);
	assert_string_equal(ct_strtab__get(l.m->strings, caller->name), "new");
	for (u32 i = 0; i < l.m->threads.cnt; i++)
		if (&l.m->threads.at[i] != caller)
			assert_true(l.m->threads.at[i].flags & CT_THREAD_ENDED);
	assert_int_equal(thread(l.m, 101)->end_ns, 2150);
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	unload(&l);
}

static void test_attach(void **state)
{
	const u32 cut = CT_SLICE_CUT_START | CT_SLICE_CUT_END;
	struct loaded l = load("attach");
	const struct ct_wait *w = wait_of(l.m, 101, 0);

	check_slices(thread(l.m, 101), { 1060, CT_LOCK, CT_SLICE_CUT_START },
		{ 3000, CT_RUNNABLE, 0 }, { 3050, CT_RUNNING, 0 },
		{ 4000, CT_SLEEP, CT_SLICE_CUT_END });
	assert_int_equal(w->start_ns, 1060);
	assert_int_equal(w->owner, thread_idx(l.m, 102));
	assert_int_equal(w->waker, thread_idx(l.m, 102));
	assert_int_equal(w->flags, CT_WAIT_FOUND | CT_WAIT_WOKEN);
	check_slices(thread(l.m, 102), { 1050, CT_RUNNING, cut });
	check_slices(thread(l.m, 103), { 1070, CT_SLEEP, cut });
	check_slices(thread(l.m, 104), { 1080, CT_RUNNING, cut });
	check_slices(thread(l.m, 105), { 1090, CT_OTHER, cut });
	check_slices(thread(l.m, 106), { 1095, CT_OTHER, CT_SLICE_CUT_START },
		{ 1100, CT_RUNNABLE, 0 }, { 1150, CT_RUNNING, CT_SLICE_CUT_END });
	check_slices(thread(l.m, 107), { 1300, CT_RUNNABLE, CT_SLICE_CUT_END });
	assert_int_equal(l.m->start_ns, 1050); /* nothing is known before */
	assert_int_equal(l.m->threads.at[0].tid, 102); /* by start, then tid */
	assert_int_equal(l.m->waits.at[l.m->waits.cnt - 1].start_ns, 4000);
	/* 102 held the lock as long as 101 is known to have waited, until it woke it */
	const struct ct_lock *lock = lock_at(l.m, 0x5000);
	assert_int_equal(lock->holds.at[0].start_ns, 1060);
	assert_int_equal(lock->holds.at[0].end_ns, 3000);
	assert_int_equal(lock->holds.at[0].thread, thread_idx(l.m, 102));
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_wake_early),
		cmocka_unit_test(test_preempt),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_exec_thread),
		cmocka_unit_test(test_attach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
