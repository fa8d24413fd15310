/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/capture/alarm.c: what raises a suspicion and what does not, from records alone.  Threads of
 * made up ids join each other: a lock's owner would be read from their memory, which is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "capture/alarm.h"

#define MS 1000000ull
#define BASE (CT_TID_MAX - 1000) /* tids that this machine hardly has */

struct record {
	struct ct_hdr hdr;
	union {
		struct ct_task_new new;
		struct ct_block block;
		struct ct_switch run;
		struct ct_found found;
	};
};

static void add_thread(struct ct_alarm *a, u32 tid, ct_ns ts)
{
	struct record r = { .hdr = { .tid = tid, .kind = CT_TASK_NEW, .ts = ts },
		.new = { .tgid = BASE } };

	ct_alarm__see(a, &r.hdr);
}

static void runs(struct ct_alarm *a, u32 tid, ct_ns ts)
{
	struct record r = { .hdr = { .kind = CT_SWITCH, .ts = ts }, .run = { .next = tid } };

	ct_alarm__see(a, &r.hdr);
}

static struct record futex(u32 tid, ct_ns ts, u64 addr, u32 op, u32 val)
{
	return (struct record){ .hdr = { .tid = tid, .kind = CT_BLOCK, .ts = ts },
		.block = { .state = CT_STATE_SLEEPING,
			.nr = ct_syscall__number("futex"),
			.arg0 = addr,
			.arg1 = op,
			.arg2 = val } };
}

static void joins(struct ct_alarm *a, u32 tid, u32 other, ct_ns ts)
{
	struct record r = futex(tid, ts, 0x9990, 0x109, other);

	ct_alarm__see(a, &r.hdr);
}

static void waits(struct ct_alarm *a, u32 tid, ct_ns ts, u32 flags)
{
	struct record r = futex(tid, ts, 0x5008, 0x189, 0);

	r.block.flags = flags;
	ct_alarm__see(a, &r.hdr);
}

static void ends(struct ct_alarm *a, u32 tid, ct_ns ts)
{
	struct record r = { .hdr = { .tid = tid, .kind = CT_BLOCK, .ts = ts },
		.block = { .state = CT_STATE_DEAD, .nr = CT_NR_NONE } };

	ct_alarm__see(a, &r.hdr);
}

static struct ct_alarm *three_threads(void)
{
	struct ct_alarm *a = ct_alarm__new();

	for (u32 i = 0; i < 3; i++) {
		add_thread(a, BASE + i, 1);
		runs(a, BASE + i, 2);
	}
	return a;
}

static void test_ring(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_suspicion s;

	joins(a, BASE, BASE + 1, 1000 * MS);
	joins(a, BASE + 1, BASE, 1100 * MS);
	assert_false(ct_alarm__check(a, 1250 * MS, &s)); /* closed a moment ago */
	assert_true(ct_alarm__check(a, 1400 * MS, &s));
	assert_true(s.tid == BASE || s.tid == BASE + 1);
	assert_int_equal(s.pid_cnt, 1);
	assert_int_equal(s.pids[0], BASE);
	ct_alarm__settle(a, 1500 * MS, false);
	assert_true(ct_alarm__check(a, 1600 * MS, &s)); /* at once again */
	ct_alarm__settle(a, 1700 * MS, true);
	assert_false(ct_alarm__check(a, 1800 * MS, &s)); /* it is told once */
	ct_alarm__free(a);
}

static void test_no_ring(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_suspicion s;

	joins(a, BASE, BASE + 1, 1000 * MS);
	joins(a, BASE + 1, BASE + 2, 1000 * MS); /* which runs */
	assert_false(ct_alarm__check(a, 2000 * MS, &s));
	/* records of another CPU, drained later, but older: it ran after it had slept */
	runs(a, BASE + 2, 2500 * MS);
	joins(a, BASE + 2, BASE, 2400 * MS);
	assert_false(ct_alarm__check(a, 3000 * MS, &s));
	joins(a, BASE + 2, BASE, 3000 * MS);
	assert_true(ct_alarm__check(a, 3300 * MS, &s));
	ct_alarm__free(a);
}

static void test_stuck(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_suspicion s;

	waits(a, BASE, 1000 * MS, 0);
	waits(a, BASE + 1, 1000 * MS, 0);
	waits(a, BASE + 2, 1000 * MS, CT_SWITCH_TIMED);
	assert_false(ct_alarm__check(a, 5000 * MS, &s));
	runs(a, BASE + 2, 5000 * MS);
	waits(a, BASE + 2, 5100 * MS, 0);
	assert_false(ct_alarm__check(a, 5300 * MS, &s));
	assert_true(ct_alarm__check(a, 5700 * MS, &s));
	ct_alarm__settle(a, 5900 * MS, true);
	runs(a, BASE + 2, 6000 * MS); /* a signal; the same again is not told again */
	waits(a, BASE + 2, 6001 * MS, 0);
	assert_false(ct_alarm__check(a, 9000 * MS, &s));
	ct_alarm__free(a);
}

static void test_ended_threads_do_not_count(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_suspicion s;

	waits(a, BASE, 1000 * MS, 0);
	waits(a, BASE + 1, 1000 * MS, 0);
	ends(a, BASE + 2, 1000 * MS);
	runs(a, BASE + 2, 900 * MS); /* drained late */
	assert_true(ct_alarm__check(a, 2000 * MS, &s));
	ct_alarm__free(a);

	a = three_threads();
	waits(a, BASE, 1000 * MS, 0);
	waits(a, BASE + 1, 1000 * MS, 0);
	ends(a, BASE + 2, 1000 * MS);
	add_thread(a, BASE + 2, 1001 * MS); /* its id is used again, by one that runs */
	runs(a, BASE + 2, 1002 * MS);
	assert_false(ct_alarm__check(a, 2000 * MS, &s));
	ct_alarm__free(a);
}

static void test_wrong_ones_make_patient(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_suspicion s;
	u32 raised = 0;

	for (ct_ns now = 1000 * MS; now < 61000 * MS; now += 1000 * MS) {
		for (u32 i = 0; i < 3; i++) {
			runs(a, BASE + i, now);
			waits(a, BASE + i, now + 1, 0);
		}
		if (ct_alarm__check(a, now + 900 * MS, &s)) {
			ct_alarm__settle(a, now + 900 * MS, false);
			raised++;
		}
	}
	assert_in_range(raised, 5, 20); /* of 60 */
	ct_alarm__free(a);
}

static void test_recalls(void **state)
{
	struct ct_alarm *a = three_threads();
	struct ct_look look = { .start_ns = 2000 * MS };
	struct record r = futex(BASE, 100 * MS, 0x7000, 0x80, 2);

	r.block.owner = BASE + 1;
	ct_alarm__see(a, &r.hdr);
	runs(a, BASE, 150 * MS);
	waits(a, BASE, 1000 * MS, 0);
	*ct_vec_push(&look.threads) =
		(struct ct_looked_thread){ .tid = BASE, .waits = true, .wait = { .arg0 = 0x5008 } };
	*ct_vec_push(&look.threads) = (struct ct_looked_thread){ .tid = BASE + 1, .waits = true };
	ct_alarm__recall(a, &look);
	assert_int_equal(look.threads.at[0].since_ns, 1000 * MS);
	assert_int_equal(look.threads.at[0].past_cnt, 1);
	assert_int_equal(look.threads.at[0].past[0].block.arg0, 0x7000);
	assert_int_equal(look.threads.at[0].past[0].end_ns, 150 * MS);
	assert_int_equal(
		look.threads.at[1].since_ns, 2000 * MS - 1); /* it went to sleep just now */
	ct_vec_free(&look.threads);
	ct_alarm__free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_no_ring),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_ended_threads_do_not_count),
		cmocka_unit_test(test_wrong_ones_make_patient),
		cmocka_unit_test(test_recalls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
