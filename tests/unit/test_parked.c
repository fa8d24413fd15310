/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/capture/parked.c: which record of a thread becomes the wait for the mutex that it was
 * refused.  The mutex and the words on the stack are this test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "capture/parked.h"

#define LOCK_PI 0x86u /* private */
#define WAIT 0x189u   /* WAIT_BITSET, private, by the clock */
#define OWNER 1234u

static u32 mutex[5] = { 0x80000000 | OWNER, 1, OWNER, 1, 0x20 };

static void see_call(struct ct_parked *p, u32 op, i32 result)
{
	struct {
		struct ct_hdr hdr;
		struct ct_futex f;
	} rec = { { .kind = CT_FUTEX, .tid = (u32)getpid() },
		{ .addr = (u64)mutex, .op = op, .result = result } };

	ct_parked__see(p, &rec.hdr);
}

static struct ct_block see_wait(struct ct_parked *p, const u32 *word, u8 flags)
{
	struct {
		struct ct_hdr hdr;
		struct ct_block b;
	} rec = { { .kind = CT_BLOCK, .tid = (u32)getpid() },
		{ .arg0 = (u64)word, .arg1 = WAIT, .flags = flags } };

	ct_parked__see(p, &rec.hdr);
	assert_false(rec.b.flags & CT_SWITCH_ON_STACK); /* nobody else knows it */
	return rec.b;
}

static void test_parked(void **state)
{
	static const i32 refusals[] = { -EDEADLK, -ESRCH };
	u32 word[4] = { 0, 0, 77, 0 };

	(void)state;
	for (u32 i = 0; i < CT_COUNT(refusals); i++) {
		struct ct_parked p = { 0 };
		struct ct_block b;

		see_call(&p, LOCK_PI, refusals[i]);
		b = see_wait(&p, word, CT_SWITCH_ON_STACK);
		assert_true(b.arg0 == (u64)mutex);
		assert_int_equal(b.arg1, LOCK_PI);
		assert_int_equal(b.owner, OWNER);
		assert_int_equal(b.word, mutex[0]);
		/* once: the next wait is another one */
		b = see_wait(&p, word, CT_SWITCH_ON_STACK);
		assert_true(b.arg0 == (u64)word);
	}
}

static void test_not_parked(void **state)
{
	u32 word[4] = { 0, 0, 77, 0 }, semaphore[4] = { 0, 1, 0, 0 };
	struct ct_parked p = { 0 };

	(void)state;
	/* it got the mutex; the call was interrupted */
	see_call(&p, LOCK_PI, 0);
	assert_true(see_wait(&p, word, CT_SWITCH_ON_STACK).arg0 == (u64)word);
	see_call(&p, LOCK_PI, -EINTR);
	assert_true(see_wait(&p, word, CT_SWITCH_ON_STACK).arg0 == (u64)word);
	/* refused, and told so: it went on to something else */
	see_call(&p, LOCK_PI, -EDEADLK);
	assert_true(see_wait(&p, word, 0).arg0 == (u64)word);
	see_call(&p, LOCK_PI, -EDEADLK);
	see_call(&p, 0x81, 0);
	assert_true(see_wait(&p, word, CT_SWITCH_ON_STACK).arg0 == (u64)word);
	see_call(&p, LOCK_PI, -EDEADLK);
	assert_true(see_wait(&p, semaphore, CT_SWITCH_ON_STACK).arg0 == (u64)semaphore);
	/* a mutex that is free by now */
	see_call(&p, LOCK_PI, -EDEADLK);
	mutex[0] = 0;
	assert_true(see_wait(&p, word, CT_SWITCH_ON_STACK).arg0 == (u64)word);
	mutex[0] = 0x80000000 | OWNER;
	assert_int_equal(p.cnt, 0);
}

static void test_many_refusals(void **state)
{
	struct ct_parked p = { 0 };

	(void)state;
	for (u32 i = 0; i < 2 * CT_REFUSED_MOST; i++) {
		struct {
			struct ct_hdr hdr;
			struct ct_futex f;
		} rec = { { .kind = CT_FUTEX, .tid = 1 + i },
			{ .addr = (u64)mutex, .op = LOCK_PI, .result = -EDEADLK } };

		ct_parked__see(&p, &rec.hdr);
	}
	assert_int_equal(p.cnt, CT_REFUSED_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_not_parked),
		cmocka_unit_test(test_many_refusals),
	};

	return cmocka_run_group_tests_name("parked", tests, NULL, NULL);
}
