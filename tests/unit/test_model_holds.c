/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/model/locks.c, holds.c and user/analysis/contention.c: who held a lock when, and who is
 * charged with whose waiting. The sums are worked out in the first comments of the traces.
 */
#include "model_load.h"

struct hold {
	ct_ns start, end;
	u32 tid, flags;
};

static void check_holds_at(
	const struct ct_model *m, u64 addr, const struct hold *want, u32 cnt, int line)
{
	const struct ct_lock *l = lock_at(m, addr);

	for (u32 i = 0; i < l->holds.cnt; i++) {
		const struct ct_hold *h = &l->holds.at[i];
		u32 tid = m->threads.at[h->thread].tid;
		if (i >= cnt || h->start_ns != want[i].start || h->end_ns != want[i].end ||
			tid != want[i].tid || h->flags != want[i].flags) {
			print_error("hold %u: %u %llu-%llu flags %u\n", i, tid,
				(unsigned long long)h->start_ns, (unsigned long long)h->end_ns,
				h->flags);
			_fail(__FILE__, line);
		}
	}
	_assert_int_equal(l->holds.cnt, cnt, __FILE__, line);
}
#define check_holds(m, addr, ...)                                                                  \
	check_holds_at(m, addr, (const struct hold[]){ __VA_ARGS__ },                              \
		CT_COUNT(((const struct hold[]){ __VA_ARGS__ })), __LINE__)

/* ns that `owner` (a tid; 0: nobody) made `waiter` wait */
static ct_ns blamed(const struct ct_contentions *c, const struct ct_model *m, u64 addr, u32 waiter,
	u32 owner)
{
	for (u32 i = 0; i < c->at.cnt; i++) {
		if (m->locks.at[c->at.at[i].lock].addr != addr)
			continue;
		for (u32 k = 0; k < c->at.at[i].blamed.cnt; k++) {
			const struct ct_blame *b = &c->at.at[i].blamed.at[k];
			u32 who = b->owner == CT_NONE ? 0 : m->threads.at[b->owner].tid;
			if (m->threads.at[b->waiter].tid == waiter && who == owner)
				return b->wait_ns;
		}
	}
	return 0;
}

static void check_blame_sums(const struct ct_contentions *c, const struct ct_model *m)
{
	for (u32 i = 0; i < c->at.cnt; i++) {
		const struct ct_lock *l = &m->locks.at[c->at.at[i].lock];
		ct_ns sum = 0;
		for (u32 k = 0; k < c->at.at[i].blamed.cnt; k++)
			sum += c->at.at[i].blamed.at[k].wait_ns;
		if (l->kind == CT_LK_MUTEX || l->kind == CT_LK_RWLOCK)
			assert_int_equal(sum, l->wait_ns);
	}
}

static void test_queue(void **state)
{
	struct loaded l = load("queue");
	struct ct_contentions c;

	ct_contention__compute(&c, l.m);
	check_holds(l.m, 0x5000, { 2000, 5000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 5000, 9000, 102, CT_HOLD_START_SEEN | CT_HOLD_END_SEEN },
		{ 9000, 12000, 103, CT_HOLD_START_SEEN | CT_HOLD_END_SEEN },
		{ 12000, 12020, 104, CT_HOLD_START_SEEN });
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 101), 3000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 101), 2500);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 102), 4000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 104, 101), 2000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 104, 102), 4000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 104, 103), 3000);
	assert_int_equal(c.at.cnt, 1);
	assert_int_equal(c.at.at[0].hold_blocked_ns, 1000);
	assert_int_equal(c.at.at[0].hold_state_ns[CT_SLEEP], 1000);
	assert_int_equal(c.at.at[0].hold_runnable_ns, 120);
	assert_int_equal(c.at.at[0].hold_running_ns, 10000 - 1000 - 120);
	assert_int_equal(c.at.at[0].sites.cnt, 2);
	assert_int_equal(c.at.at[0].sites.at[0].frame, 2);
	assert_int_equal(c.at.at[0].sites.at[0].wait_ns, 6500 + 9000);
	assert_int_equal(c.at.at[0].sites.at[0].max_ns, 9000);
	assert_int_equal(c.at.at[0].sites.at[1].waits, 1);
	const struct ct_lock *lock = lock_at(l.m, 0x5000);
	assert_int_equal(lock->max_waiters, 3);
	assert_int_equal(lock->wait_ns, 3000 + 6500 + 9000);
	assert_int_equal(lock->max_wait_ns, 9000);
	assert_int_equal(lock->runnable_ns, 10 + 10 + 20);
	assert_null(ct_lock_holder(lock, 1999));
	assert_int_equal(ct_lock_holder(lock, 4999)->thread, thread_idx(l.m, 101));
	assert_int_equal(ct_lock_holder(lock, 5000)->thread, thread_idx(l.m, 102));
	assert_null(ct_lock_holder(lock, 12020)); /* nobody waits: nothing is known */
	assert_int_equal(l.m->anomalies, 0);
	check_blame_sums(&c, l.m);
	check_invariants(l.m);
	ct_contention__clear(&c);
	unload(&l);
}

static void test_barging(void **state)
{
	struct loaded l = load("barging");
	struct ct_contentions c;

	ct_contention__compute(&c, l.m);
	check_holds(l.m, 0x5000, { 2000, 5000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 5000, 8000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 8100, 10000, 104, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 10000, 12000, 102, CT_HOLD_START_SEEN | CT_HOLD_END_SEEN },
		{ 12000, 12010, 103, CT_HOLD_START_SEEN });
	assert_true(wait_of(l.m, 102, 0)->flags & CT_WAIT_SPURIOUS);
	assert_false(wait_of(l.m, 102, 1)->flags & CT_WAIT_SPURIOUS);
	assert_true(wait_of(l.m, 103, 0)->flags & CT_WAIT_SPURIOUS);
	assert_int_equal(lock_at(l.m, 0x5000)->wait_cnt, 4);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 101), 3000 + 2700);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 0), 100);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 104), 1900);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 101), 5500);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 104), 1700);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 102), 2000);
	check_blame_sums(&c, l.m);
	check_invariants(l.m);
	ct_contention__clear(&c);
	unload(&l);
}

static void test_handover(void **state)
{
	const u32 start_end = CT_HOLD_START_SEEN | CT_HOLD_END_SEEN;
	struct loaded l = load("handover");
	struct ct_contentions c;

	ct_contention__compute(&c, l.m);
	check_holds(l.m, 0x5000, { 2000, 3000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 3000, 5000, 102, start_end });
	check_holds(l.m, 0x6000, { 11000, 12000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 12000, 14000, 102, start_end });
	check_holds(l.m, 0x7000, { 21000, 22000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 90000, 92000, 102, start_end }, { 92000, 93000, 103, start_end });
	assert_int_equal(blamed(&c, l.m, 0x7000, 103, 0), 68000);
	assert_int_equal(lock_at(l.m, 0x7000)->wake_cnt, 3);
	assert_int_equal(lock_at(l.m, 0x7000)->wake_none_cnt, 1);
	assert_int_equal(lock_at(l.m, 0x7000)->eagain_cnt, 1);
	check_holds(l.m, 0x8000, { 100000, 104000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 104000, 104010, 103, CT_HOLD_START_SEEN });
	assert_int_equal(lock_at(l.m, 0x8000)->timeout_cnt, 1);
	check_holds(l.m, 0x9000, { 110000, 120000, 101, CT_HOLD_SEEN });
	assert_int_equal(wait_of(l.m, 101, 0)->owner, thread_idx(l.m, 101));
	assert_int_equal(l.m->anomalies, 0);
	check_blame_sums(&c, l.m);
	check_invariants(l.m);
	ct_contention__clear(&c);
	unload(&l);
}

static void test_retaken(void **state)
{
	struct loaded l = load("retaken");
	struct ct_contentions c;

	ct_contention__compute(&c, l.m);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 101), 3000 + 14900 + 89900);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 0), 20000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 102, 103), 10000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 101), 207000);
	/* the part that is a habit, not a sighting, says so */
	assert_int_equal(ct_lock_holder(lock_at(l.m, 0x5000), 250000)->flags, 0);
	check_blame_sums(&c, l.m);
	check_invariants(l.m);
	ct_contention__clear(&c);
	unload(&l);
}

static void test_early_lock(void **state)
{
	struct loaded l = load("early_lock");
	struct ct_contentions c;

	ct_contention__compute(&c, l.m);
	assert_int_equal(wait_of(l.m, 102, 0)->start_ns, 4000);
	assert_int_equal(wait_of(l.m, 102, 0)->end_ns, 4000);
	check_holds(l.m, 0x5000, { 2000, 4000, 101, CT_HOLD_SEEN | CT_HOLD_END_SEEN },
		{ 4000, 6000, 102, CT_HOLD_START_SEEN | CT_HOLD_END_SEEN },
		{ 6000, 6010, 103, CT_HOLD_START_SEEN });
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 101), 2000);
	assert_int_equal(blamed(&c, l.m, 0x5000, 103, 102), 2000);
	check_blame_sums(&c, l.m);
	check_invariants(l.m);
	ct_contention__clear(&c);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_barging),
		cmocka_unit_test(test_handover),
		cmocka_unit_test(test_retaken),
		cmocka_unit_test(test_early_lock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
