/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/model/touches.c and user/analysis/sharing.c on text traces with known answers: who shares a
 * variable and how, the shortest witness of a lost update, what the value should have been.
 */
#include "model_load.h"

static const struct ct_shared *variable(
	const struct ct_model *m, const struct ct_sharings *l, const char *name)
{
	char raw[256];

	for (u32 i = 0; i < l->at.cnt; i++)
		if (!strcmp(ct_watched_name(m, &m->watched.at[l->at.at[i].watched], raw,
				    sizeof(raw)),
			    name))
			return &l->at.at[i];
	fail_msg("no variable %s", name);
	return NULL;
}

static void test_lost(void **state)
{
	struct loaded l = load("find_lost");
	struct ct_sharings s;
	const struct ct_shared *v;
	static const u32 tids[] = { 101, 102, 102, 101 };
	static const u64 values[] = { 9, 9, 10, 10 };

	(void)state;
	ct_sharing__compute(&s, l.m);
	v = variable(l.m, &s, "counter");
	assert_int_equal(v->sharing, CT_SHARE_UNGUARDED);
	assert_int_equal(v->lost, 2);
	assert_true(v->complete);
	assert_int_equal(v->first, 5);
	assert_int_equal(v->last, 12);
	assert_int_equal(v->expected, 15);
	assert_int_equal(v->witness_cnt, 4);
	for (u32 i = 0; i < 4; i++) {
		const struct ct_touch *t = &l.m->touches.at[v->witness[i]];
		assert_int_equal(l.m->threads.at[t->thread].tid, tids[i]);
		assert_int_equal(t->after, values[i]);
		assert_int_equal(!!(t->how & CT_ACCESS_WRITE), i >= 2);
	}
	/* both losses: who read what, what was lost, what went over it */
	assert_int_equal(v->losses.cnt, 2);
	for (u32 i = 0; i < 2; i++) {
		const struct ct_lost *x = &v->losses.at[i];
		assert_int_equal(l.m->touches.at[x->read].after, i ? 9 : 5);
		assert_int_equal(l.m->touches.at[x->foreign].after, i ? 10 : 7);
		assert_int_equal(l.m->touches.at[x->write].after, i ? 10 : 6);
	}
	/* the value before the last write is that of the other thread */
	assert_int_equal(l.m->touches.at[v->witness[3]].before, 10);
	ct_sharing__clear(&s);
	unload(&l);
}

/* Values that were read from memory: which may be another thread's. */
static void test_vague(void **state)
{
	static const bool vague[] = { false, true, true, true, false };
	struct loaded l = load("watch_turns");
	u32 cnt = 0;

	(void)state;
	for (u32 i = 0; i < l.m->touches.cnt; i++) {
		const struct ct_touch *t = &l.m->touches.at[i];

		if (!(t->how & CT_ACCESS_LATE)) {
			assert_false(t->flags & CT_TOUCH_VAGUE);
			continue;
		}
		assert_true(cnt < CT_COUNT(vague));
		assert_int_equal(!!(t->flags & CT_TOUCH_VAGUE), vague[cnt]);
		cnt++;
	}
	assert_int_equal(cnt, CT_COUNT(vague));
	unload(&l);
}

/* One access of an instruction that could not be told: the sum is not exact any more. */
static void test_unknown(void **state)
{
	struct loaded l = load("find_lost");
	struct ct_touch *last = &l.m->touches.at[l.m->touches.cnt - 1];
	struct ct_sharings s;

	(void)state;
	last->how = CT_ACCESS_BEFORE; /* as the model leaves it */
	ct_sharing__compute(&s, l.m);
	assert_int_equal(variable(l.m, &s, "counter")->unknown, 1);
	assert_false(variable(l.m, &s, "counter")->complete);
	ct_sharing__clear(&s);
	unload(&l);
}

static void test_not_lost(void **state)
{
	struct loaded l = load("find_lost_not");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	assert_int_equal(variable(l.m, &s, "counter")->sharing, CT_SHARE_GUARDED);
	assert_int_equal(variable(l.m, &s, "counter")->shown_locks, 1);
	assert_int_equal(variable(l.m, &s, "counter")->expected, 12);
	assert_int_equal(variable(l.m, &s, "total")->sharing, CT_SHARE_ATOMIC);
	assert_int_equal(variable(l.m, &s, "total")->expected, 6);
	assert_int_equal(variable(l.m, &s, "flag")->sharing, CT_SHARE_ONE_WRITER);
	for (u32 i = 0; i < s.at.cnt; i++)
		assert_int_equal(s.at.at[i].lost, 0);
	ct_sharing__clear(&s);
	unload(&l);
}

/* What no pair of plain accesses shows: by the sum, in spite of locks, by an exchange. */
static void test_halves(void **state)
{
	static const struct {
		const char *name;
		u32 lost, guarded;
		u64 undone;
		bool counter;
		enum ct_sharing sharing;
	} rows[] = {
		{ "hits", 1, 0, 1, true, CT_SHARE_UNGUARDED },
		{ "stock", 1, 1, 1, true, CT_SHARE_UNGUARDED },
		{ "seq", 1, 1, 1, true, CT_SHARE_UNGUARDED },
		{ "right", 0, 0, 0, true, CT_SHARE_GUARDED },
		{ "top", 1, 0, 0, false, CT_SHARE_UNGUARDED },
	};
	struct loaded l = load("find_lost_halves");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		const struct ct_shared *v = variable(l.m, &s, rows[i].name);
		if (v->lost != rows[i].lost || v->guarded_lost != rows[i].guarded ||
			v->undone != rows[i].undone || v->counter != rows[i].counter ||
			v->sharing != rows[i].sharing)
			fail_msg("%s: lost %u, guarded %u, undone %u, counter %d, %s",
				rows[i].name, v->lost, v->guarded_lost, (u32)v->undone,
				v->counter, ct_sharing_id(v->sharing));
	}
	assert_int_equal(variable(l.m, &s, "hits")->witness_cnt, 0);
	assert_int_equal(variable(l.m, &s, "stock")->half_locks, 1);
	assert_true(variable(l.m, &s, "seq")->half_atomic);
	assert_int_equal(variable(l.m, &s, "instance")->sharing, CT_SHARE_ONE_WRITER);
	assert_true(variable(l.m, &s, "instance")->set_late != CT_NONE);
	assert_true(variable(l.m, &s, "right")->set_late == CT_NONE);
	ct_sharing__clear(&s);
	unload(&l);
}

/* The last stamp may be off: who went on from that value came later, and nothing is missing. */
static void test_swapped_end(void **state)
{
	struct loaded l = load("find_lost_halves");
	struct ct_touch *t = &l.m->touches.at[1];
	struct ct_watched *w = &l.m->watched.at[0];
	struct ct_sharings s;

	(void)state;
	w->touches.cnt = 3; /* 0 to 1, 2 to 3 by anna; 1 to 2 by ben, with a late stamp */
	t[0].before = 2;
	t[0].after = 3;
	ct_sharing__compute(&s, l.m);
	assert_int_equal(variable(l.m, &s, "hits")->expected, 3);
	assert_int_equal(variable(l.m, &s, "hits")->last, 2);
	assert_int_equal(variable(l.m, &s, "hits")->lost, 0);
	ct_sharing__clear(&s);
	unload(&l);
}

/* In order in this run, and nothing that says why: what the verdict calls not proved safe. */
static void test_unproved(void **state)
{
	struct loaded l = load("watch_unproved");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	assert_int_equal(variable(l.m, &s, "turn")->sharing, CT_SHARE_MIXED);
	assert_int_equal(variable(l.m, &s, "turn")->racy[0], CT_NONE);
	assert_int_equal(variable(l.m, &s, "set")->sharing, CT_SHARE_ONE_WRITER);
	assert_int_equal(
		l.m->threads.at[l.m->touches.at[variable(l.m, &s, "set")->set_late].thread].tid,
		103);
	ct_sharing__clear(&s);
	unload(&l);
}

static void test_phases(void **state)
{
	static const struct {
		const char *name;
		enum ct_sharing sharing;
	} rows[] = { { "config", CT_SHARE_READ_ONLY }, { "work", CT_SHARE_HANDED_ON },
		{ "turn", CT_SHARE_HANDED_ON }, { "late", CT_SHARE_ONE_WRITER },
		{ "own", CT_SHARE_ONE_THREAD } };
	struct loaded l = load("watch_phases");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		const struct ct_shared *v = variable(l.m, &s, rows[i].name);
		if (v->sharing != rows[i].sharing)
			fail_msg("%s: %s", rows[i].name, ct_sharing_id(v->sharing));
		assert_int_equal(v->racy[0], CT_NONE);
		assert_int_equal(v->lost, 0); /* late: its reading is from before the pause */
	}
	assert_false(variable(l.m, &s, "late")->complete);
	assert_true(variable(l.m, &s, "work")->complete);
	/* accesses of a thread are found with it */
	assert_int_equal(l.m->threads.at[thread_idx(l.m, 102)].touches.cnt, 4);
	ct_sharing__clear(&s);
	unload(&l);
}

static void test_unprotected(void **state)
{
	struct loaded l = load("find_unprotected");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	assert_int_equal(variable(l.m, &s, "counter")->sharing, CT_SHARE_UNGUARDED);
	assert_int_equal(variable(l.m, &s, "mixed")->sharing, CT_SHARE_UNGUARDED);
	assert_int_equal(variable(l.m, &s, "guarded")->sharing, CT_SHARE_GUARDED);
	assert_int_equal(variable(l.m, &s, "guarded")->shown_locks, 1); /* a_lock, not b_lock */
	assert_int_equal(variable(l.m, &s, "skewed")->lost, 0);
	assert_int_equal(variable(l.m, &s, "paused")->lost, 0);
	assert_int_equal(variable(l.m, &s, "paused")->sharing, CT_SHARE_UNGUARDED);
	ct_sharing__clear(&s);
	unload(&l);
}

/* The first value may have had others' updates in it: nobody is accused of that, and what is lost
 * later is found all the same. */
static void test_began_vague(void **state)
{
	static const struct {
		const char *name;
		i64 first, last, expected;
		u32 lost;
		bool complete, is_short;
	} rows[] = {
		{ "tickets", 0, 4, 4, 0, true, false },
		{ "left", 10, 6, 6, 0, true, false },
		{ "hits", 0, 6, 7, 1, false, true },
		{ "sizes", 3, 9, 12, 0, false, false },
		{ "peeked", 0, 4, 4, 0, true, false },
	};
	struct loaded l = load("watch_began");
	struct ct_sharings s;

	(void)state;
	ct_sharing__compute(&s, l.m);
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		const struct ct_shared *v = variable(l.m, &s, rows[i].name);
		if (v->first != rows[i].first || v->last != rows[i].last ||
			v->expected != rows[i].expected || v->lost != rows[i].lost ||
			v->complete != rows[i].complete || v->is_short != rows[i].is_short)
			fail_msg("%s: from %d to %d, expected %d, lost %u, complete %d, short %d",
				rows[i].name, (int)v->first, (int)v->last, (int)v->expected,
				v->lost, v->complete, v->is_short);
	}
	ct_sharing__clear(&s);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_vague),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_not_lost),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_swapped_end),
		cmocka_unit_test(test_began_vague),
		cmocka_unit_test(test_unproved),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_unprotected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
