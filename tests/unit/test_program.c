/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said of a whole program: when one thread ran alone (user/analysis/parallelism.c), which
 * kind of work it does and what fits such work (user/analysis/kind.c).
 */
#include "model_load.h"

/* parallel.ctt: on three CPUs 101 is alone while 102 sleeps, 5000-7000, and 102 while 101 joins it,
 * 9000-10000.  While 102 only waits for a CPU nobody is said to be alone. */
static void test_alone(void **state)
{
	struct loaded l = load("parallel");
	struct ct_parallelism p;

	ct_parallelism__compute(&p, l.m);
	assert_int_equal(p.alone_ns, 3000);
	assert_int_equal(p.alone_state_ns[CT_SLEEP], 2000);
	assert_int_equal(p.alone_state_ns[CT_JOIN], 1000);
	assert_int_equal(p.alone_state_ns[CT_RUNNABLE], 0);
	assert_int_equal(p.alone_thread_ns[thread_idx(l.m, 101)], 2000);
	assert_int_equal(p.alone_thread_ns[thread_idx(l.m, 102)], 1000);
	ct_parallelism__clear(&p);
	unload(&l);
}

/* queue.ctt, four CPUs: whoever holds the lock is alone while another one waits and the rest is
 * asleep. */
static void test_alone_for_a_lock(void **state)
{
	struct loaded l = load("queue");
	struct ct_parallelism p;
	ct_ns by_thread = 0;

	ct_parallelism__compute(&p, l.m);
	for (u32 i = 0; i < l.m->threads.cnt; i++)
		by_thread += p.alone_thread_ns[i];
	assert_int_equal(by_thread, p.alone_ns);
	/* 101 runs to the end: alone while 102 to 104 wait 3000-5000, 5000-5010 (102 runnable),
	 * 6000-7100 (102 asleep, runnable), 9000-9010 (103 runnable; 102 runs: not), ... */
	assert_int_equal(p.alone_thread_ns[thread_idx(l.m, 101)], p.alone_ns);
	assert_int_equal(p.alone_ns, 2000 + 10 + 1000 + 100);
	assert_int_equal(p.alone_state_ns[CT_LOCK], p.alone_ns);
	assert_int_equal(p.alone_state_ns[CT_SLEEP], 1000);
	assert_int_equal(p.alone_state_ns[CT_RUNNABLE], 110);
	ct_parallelism__clear(&p);
	unload(&l);
}

/* No CPU was free: nobody could have run beside the one that did. */
static void test_alone_on_one_cpu(void **state)
{
	struct loaded l = load("parallel");
	struct ct_run run = *l.m->run;
	struct ct_parallelism p;

	run.cpus = 1;
	l.m->run = &run;
	ct_parallelism__compute(&p, l.m);
	assert_int_equal(p.alone_ns, 0);
	assert_int_equal(p.running_ns[1], 6000);
	ct_parallelism__clear(&p);
	unload(&l);
}

static void add_thread(struct ct_model *m, enum ct_state a, ct_ns a_ns, enum ct_state b, ct_ns b_ns)
{
	struct ct_thread *t = ct_vec_push(&m->threads);

	t->state_ns[a] += a_ns;
	t->state_ns[b] += b_ns;
	t->end_ns = a_ns + b_ns;
}

#define MS 1000000ull

static void test_program_kind(void **state)
{
	const struct {
		enum ct_state a, b;
		ct_ns a_ns, b_ns;
		enum ct_work_kind kind;
		enum ct_fit fit;
	} cases[] = {
		{ CT_RUNNING, CT_LOCK, 300 * MS, 700 * MS, CT_WORK_CPU, CT_FIT_THREADS },
		{ CT_IO_NET, CT_RUNNING, 900 * MS, 50 * MS, CT_WORK_IO, CT_FIT_ASYNC },
		{ CT_IO_DISK, CT_RUNNABLE, 600 * MS, 400 * MS, CT_WORK_IO, CT_FIT_THREADS },
		{ CT_IO_DISK, CT_RUNNING, 400 * MS, 600 * MS, CT_WORK_MIXED, CT_FIT_THREADS },
		{ CT_SLEEP, CT_RUNNING, 900 * MS, 10 * MS, CT_WORK_IDLE, CT_FIT_ASYNC },
		{ CT_RUNNING, CT_JOIN, 5 * MS, 5 * MS, CT_WORK_WAITING,
			CT_FIT_SEQUENTIAL }, /* too little beside the waits */
		{ CT_POLL, CT_JOIN, 500 * MS, 500 * MS, CT_WORK_IDLE, CT_FIT_SEQUENTIAL },
	};

	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		struct ct_model m = { 0 };
		struct ct_program_kind k;
		add_thread(&m, cases[i].a, cases[i].a_ns, cases[i].b, cases[i].b_ns);
		add_thread(&m, CT_JOIN, 1000 * MS, CT_JOIN,
			0); /* who only waits for threads says nothing */
		ct_program_kind__compute(&k, &m, NULL);
		assert_string_equal(ct_work_kind_name(k.kind), ct_work_kind_name(cases[i].kind));
		assert_string_equal(ct_fit_name(k.fit), ct_fit_name(cases[i].fit));
		assert_int_equal(k.cpu_ns + k.io_ns + k.sleep_ns + k.peers_ns + k.rest_ns,
			cases[i].a_ns + cases[i].b_ns + 1000 * MS);
		ct_vec_free(&m.threads);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_alone_for_a_lock),
		cmocka_unit_test(test_alone_on_one_cpu),
		cmocka_unit_test(test_program_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
