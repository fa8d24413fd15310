/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/replay*.c and what_if.c: text traces whose replays were worked out by hand (their
 * first lines tell how), to the nanosecond; and that any trace can be replayed, with the same
 * result twice.
 */
#include <unistd.h>

#include "analysis/replay.h"
#include "model_load.h"

static struct ct_prediction change_of(enum ct_change change, u32 parts)
{
	return (struct ct_prediction){
		.change = change, .lock = CT_NONE, .thread = CT_NONE, .parts = parts
	};
}

static ct_ns replay(const struct ct_work *w, struct ct_prediction p)
{
	struct ct_replay_result r = ct_replay(w, &p, w->m->run->cpus);

	assert_int_equal(r.forced_cnt, 0);
	assert_int_equal(r.stuck_cnt, 0);
	return r.end_ns;
}

static ct_ns replay_half(const struct ct_work *w, u32 tid)
{
	struct ct_prediction p = change_of(CT_CHANGE_HALF_WORK, 0);

	p.thread = thread_idx(w->m, tid);
	return replay(w, p);
}

static struct loaded load_work(const char *name, struct ct_work *w)
{
	struct loaded l = load(name);

	check_invariants(l.m);
	ct_work__extract(w, l.m);
	assert_int_equal(w->latency_ns, 0);
	return l;
}

static void unload_work(struct loaded *l, struct ct_work *w)
{
	ct_work__clear(w);
	unload(l);
}

static void test_lock(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_lock", &w);
	struct ct_prediction p = change_of(CT_CHANGE_LOCK_FREE, 0);

	assert_int_equal(w.work_ns, 8000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 8000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 1)), 10000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 4)), 8000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 0)), 8000);
	p.lock = 0;
	assert_int_equal(replay(&w, p), 5000);
	p.change = CT_CHANGE_LOCK_SPLIT;
	p.parts = 1; /* no split at all */
	assert_int_equal(replay(&w, p), 8000);
	p.parts = 1000; /* they do not meet */
	assert_int_equal(replay(&w, p), 5000);
	assert_int_equal(replay_half(&w, 101), 6000);
	unload_work(&l, &w);
}

/* Taken before the holder fell asleep, though first seen held while it slept. */
static void test_held_asleep(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_held", &w);
	struct ct_prediction p = change_of(CT_CHANGE_LOCK_FREE, 0);

	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 8500);
	p.lock = 0;
	assert_int_equal(replay(&w, p), 7000);
	unload_work(&l, &w);
}

static void test_uneven(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_uneven", &w);
	struct ct_prediction p = change_of(CT_CHANGE_EVEN_WORK, 0);

	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 7000);
	p.thread = thread_idx(l.m, 103);
	assert_int_equal(replay(&w, p), 5000);
	assert_int_equal(replay_half(&w, 103), 4000);
	assert_int_equal(replay_half(&w, 102), 7000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 1)), 10000);
	unload_work(&l, &w);
}

static void test_io(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_io", &w);

	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 12000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_IO_FREE, 0)), 3000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_IO_OVERLAP, 0)), 6000);
	assert_int_equal(replay_half(&w, 101), 9000 + 1500);
	unload_work(&l, &w);
}

static void test_barrier(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_barrier", &w);

	assert_int_equal(w.round_cnt, 1);
	assert_int_equal(w.round_size[0], 2);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 9000);
	assert_int_equal(replay_half(&w, 103), 6500);
	assert_int_equal(replay_half(&w, 102), 7000);
	unload_work(&l, &w);
}

static void test_pipeline(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_pipeline", &w);

	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 11000);
	assert_int_equal(replay_half(&w, 101), 10000);
	assert_int_equal(replay_half(&w, 102), 6500);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 1)), 15000);
	unload_work(&l, &w);
}

static void test_slices(void **state)
{
	struct ct_work w;
	struct loaded l = load_work("replay_slices", &w);

	assert_int_equal(replay(&w, change_of(CT_CHANGE_NONE, 0)), 12000000);
	assert_int_equal(replay(&w, change_of(CT_CHANGE_CPUS, 1)), 18000000);
	unload_work(&l, &w);
}

static const struct ct_prediction *find(
	const struct ct_what_if *w, enum ct_change change, u32 parts)
{
	for (u32 i = 0; i < w->at.cnt; i++)
		if (w->at.at[i].change == change && w->at.at[i].parts == parts)
			return &w->at.at[i];
	return NULL;
}

static void test_predictions(void **state)
{
	struct loaded l = load("replay_lock");
	struct ct_what_if w;

	ct_what_if__compute(&w, l.m);
	assert_true(w.usable);
	assert_int_equal(w.duration_ns, 8000);
	assert_int_equal(w.baseline_ns, 8000);
	assert_true(w.baseline_error == 0);
	const struct ct_prediction *p = find(&w, CT_CHANGE_LOCK_FREE, 0);
	assert_non_null(p);
	assert_int_equal(p->duration_ns, 5000);
	assert_int_equal(p->saves_ns, 3000);
	assert_true(p->speedup > 1.599 && p->speedup < 1.601);
	p = find(&w, CT_CHANGE_CPUS, 1);
	assert_non_null(p);
	assert_int_equal(p->duration_ns, 10000);
	assert_int_equal(p->saves_ns, 0);
	assert_null(find(&w, CT_CHANGE_IO_FREE, 0)); /* it does none */
	for (u32 i = 1; i < w.at.cnt; i++)
		assert_true(w.at.at[i - 1].duration_ns <= w.at.at[i].duration_ns);
	ct_what_if__clear(&w);
	unload(&l);
}

/* What is not work stays: here the program ended 1000 before the recording did. */
static void test_rest(void **state)
{
	struct loaded l = load("replay_lock");
	struct ct_what_if w;

	l.m->end_ns += 1000;
	ct_what_if__compute(&w, l.m);
	const struct ct_prediction *p = find(&w, CT_CHANGE_LOCK_FREE, 0);
	assert_non_null(p);
	assert_int_equal(p->duration_ns, 6000);
	assert_int_equal(p->least_ns, 6000);
	assert_int_equal(p->saves_ns, 3000);
	ct_what_if__clear(&w);
	unload(&l);
}

/* What the replay does not know of counts as much after the change as before it, and not for the
 * bound: 102 was kept off a free CPU for 2000, which the replay gives it at once. */
static void test_scaling(void **state)
{
	struct loaded l = load("replay_late");
	struct ct_what_if w;

	ct_what_if__compute(&w, l.m);
	assert_int_equal(w.baseline_ns, 8000);
	assert_true(w.baseline_error > -0.2001 && w.baseline_error < -0.1999);
	const struct ct_prediction *p = find(&w, CT_CHANGE_LOCK_FREE, 0);
	assert_non_null(p);
	assert_int_equal(p->duration_ns, 10000 * 5 / 8);
	assert_int_equal(p->least_ns, 5000);
	assert_int_equal(p->saves_ns, 5000);
	ct_what_if__clear(&w);
	unload(&l);
}

static void test_even_work_is_asked(void **state)
{
	struct loaded l = load("replay_uneven");
	struct ct_what_if w;

	ct_what_if__compute(&w, l.m);
	const struct ct_prediction *p = find(&w, CT_CHANGE_EVEN_WORK, 0);
	assert_non_null(p);
	assert_int_equal(p->thread, thread_idx(l.m, 103));
	assert_int_equal(p->duration_ns, 5000);
	ct_what_if__clear(&w);
	unload(&l);
}

/* Two threads that wait for each other's lock in the replay, though never in the recording (holds
 * are inferred): the replay breaks a lock open, says so, and ends. */
static void test_forced(void **state)
{
	struct loaded l = load("replay_lock");
	struct ct_work w;
	struct ct_prediction same = change_of(CT_CHANGE_NONE, 0);

	struct ct_hold *h = &l.m->locks.at[0].holds.at[0];
	h->end_ns = 100000; /* never given back before the other one has to go on */
	ct_work__extract(&w, l.m);
	for (u32 i = w.first[0]; i < w.first[1]; i++)
		if (w.ops.at[i].kind == CT_OP_RELEASE)
			w.ops.at[i] = (struct ct_op){ .kind = CT_OP_COMPUTE };
	struct ct_replay_result r = ct_replay(&w, &same, 2);
	assert_int_equal(r.forced_cnt, 1);
	assert_int_equal(r.stuck_cnt, 0);
	assert_true(r.end_ns >= 8000);
	ct_work__clear(&w);
	unload(&l);
}

static void test_all_traces(void **state)
{
	static const char *const names[] = { "attach", "barging", "early_lock", "exec_thread",
		"handover", "loss", "musl", "parallel", "path_barrier", "path_circle",
		"path_fork_join", "path_pipeline", "path_queue", "preempt", "primitives", "queue",
		"reuse", "stacks", "states", "syscalls", "wake_early" };

	for (u32 i = 0; i < CT_COUNT(names); i++) {
		struct loaded l = load(names[i]);
		struct ct_what_if a, b;
		ct_what_if__compute(&a, l.m);
		ct_what_if__compute(&b, l.m);
		assert_int_equal(a.baseline_ns, b.baseline_ns);
		assert_int_equal(a.at.cnt, b.at.cnt);
		for (u32 k = 0; k < a.at.cnt; k++) {
			assert_int_equal(a.at.at[k].duration_ns, b.at.at[k].duration_ns);
			assert_true(a.at.at[k].least_ns <= a.at.at[k].duration_ns);
		}
		ct_what_if__clear(&a);
		ct_what_if__clear(&b);
		unload(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_held_asleep),
		cmocka_unit_test(test_uneven),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_predictions),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_even_work_is_asked),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_all_traces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
