/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/model/reasons.c, frames.c, names.c: why a thread waits, for which lock, on which line.
 */
#include "model_load.h"

struct expect {
	enum ct_state state;
	u64 addr; /* of the lock; 0: none */
	u32 owner; /* tid; 0: none */
};

static void check_waits(const struct ct_model *m, u32 tid, const struct expect *e, u32 cnt)
{
	for (u32 i = 0; i < cnt; i++) {
		const struct ct_wait *w = wait_of(m, tid, i);
		u32 owner = w->owner == CT_NONE ? 0 : m->threads.at[w->owner].tid;
		u64 addr = w->lock == CT_NONE ? 0 : m->locks.at[w->lock].addr;
		if (w->state != e[i].state || owner != e[i].owner || addr != e[i].addr)
			fail_msg("wait %u: %s 0x%llx owner %u, expected %s 0x%llx owner %u", i,
				ct_state_name(w->state), (unsigned long long)addr, owner,
				ct_state_name(e[i].state), (unsigned long long)e[i].addr,
				e[i].owner);
	}
}

static void test_primitives(void **state)
{
	static const struct expect e[] = {
		{ CT_LOCK, 0x5000, 102 }, { CT_LOCK, 0x5100, 200 }, { CT_LOCK, 0x5200, 0 },
		{ CT_LOCK, 0x5300, 102 }, { CT_LOCK, 0x5400, 102 }, { CT_COND, 0x7128, 0 },
		{ CT_COND, 0x7128, 0 }, { CT_COND, 0x6038, 0 }, { CT_COND, 0x6078, 0 },
		{ CT_SEM, 0x7200, 0 }, { CT_SEM, 0x6100, 0 }, { CT_BARRIER, 0x7004, 0 },
		{ CT_FUTEX_OTHER, 0x6204, 0 }, { CT_RWLOCK, 0x8000, 102 }, { CT_RWLOCK, 0x8000, 0 },
		{ CT_RWLOCK, 0x8000, 0 }, { CT_JOIN, 0, 0 }, { CT_FUTEX_OTHER, 0x9994, 0 },
		{ CT_LOCK, 0x5500, 102 }, { CT_LOCK, 0x5600, 102 },
	};
	struct loaded l = load("primitives");
	char buf[64];

	check_waits(l.m, 101, e, CT_COUNT(e));
	assert_int_equal(l.m->waits.cnt, CT_COUNT(e) + 2); /* 102 and 200 slept all the time */
	assert_int_equal(lock_at(l.m, 0x8000)->wait_cnt, 3);
	assert_int_equal(lock_at(l.m, 0x8000)->wait_ns, 30);
	assert_int_equal(lock_at(l.m, 0x8000)->kind, CT_LK_RWLOCK);
	assert_int_equal(lock_at(l.m, 0x7128)->wait_cnt, 2);
	assert_int_equal(wait_of(l.m, 101, 16)->target, thread_idx(l.m, 102));
	assert_int_equal(wait_of(l.m, 101, 18)->flags,
		CT_WAIT_TIMED | CT_WAIT_WOKEN | CT_WAIT_TIMED_OUT);
	assert_int_equal(lock_at(l.m, 0x5500)->timeout_cnt, 1);
	assert_string_equal(ct_lock_name(l.m, lock_at(l.m, 0x7128), buf, sizeof(buf)), "ready");
	assert_string_equal(ct_lock_name(l.m, lock_at(l.m, 0x7004), buf, sizeof(buf)), "gate");
	assert_string_equal(ct_lock_name(l.m, lock_at(l.m, 0x7200), buf, sizeof(buf)), "slots");
	assert_string_equal(ct_lock_name(l.m, lock_at(l.m, 0x5000), buf, sizeof(buf)), "0x5000");
	assert_int_equal(l.m->anomalies, 0);
	check_invariants(l.m);
	unload(&l);
}

static void test_musl(void **state)
{
	static const struct expect e[] = {
		{ CT_LOCK, 0x5004, 102 },
		{ CT_LOCK, 0x5104, 0 },
		{ CT_SEM, 0x5200, 0 },
		{ CT_FUTEX_OTHER, 0x5300, 0 },
	};
	struct loaded l = load("musl");
	char buf[64];

	check_waits(l.m, 101, e, CT_COUNT(e));
	assert_string_equal(ct_lock_name(l.m, lock_at(l.m, 0x5004), buf, sizeof(buf)), "m");
	check_invariants(l.m);
	unload(&l);
}

static void test_stacks(void **state)
{
	static const struct expect e[] = {
		{ CT_BARRIER, 0x5004, 0 }, { CT_LOCK, 0x5100, 102 }, { CT_LOCK, 0x5200, 102 },
		{ CT_LOCK, 0x5300, 102 }, { CT_SEM, 0x5438, 0 }, { CT_PIPE, 0, 0 },
		{ CT_LOCK, 0x5500, 102 },
	};
	static const char *const lines[] = { "worker (prog.c:20)", "worker (prog.c:20)",
		"push (queue.cc:33)", "take (static.c:5)", "worker (prog.c:20)", "read (prog.c:50)",
		"std::vector<int, std::allocator<int> > make<int> (queue.cc:40)" };
	struct loaded l = load("stacks");
	char buf[128];

	check_waits(l.m, 101, e, CT_COUNT(e));
	for (u32 i = 0; i < CT_COUNT(lines); i++)
		assert_string_equal(ct_frame_name(l.m->names, wait_of(l.m, 101, i)->frame, buf,
					    sizeof(buf)),
			lines[i]);
	assert_int_equal(thread(l.m, 101)->start_frame, 2);
	assert_string_equal(ct_frame_name(l.m->names, 3, buf, sizeof(buf)),
		"pthread_barrier_wait (libc.so.6+0x300)");
	assert_string_equal(ct_frame_name(l.m->names, 0, buf, sizeof(buf)), "unknown");
	assert_int_equal(wait_of(l.m, 101, 5)->fd, 7);
	check_invariants(l.m);
	unload(&l);
}

/* What tells a long C++ name apart is its end. */
static void test_long_names(void **state)
{
	static const char list[] = "std::map<std::string, std::vector<std::pair<int, long> > >";
	struct ct_names *names = ct_names__new();
	char buf[1024], *lists = ct_asprintf("%s, %s, %s, %s, %s", list, list, list, list, list);
	struct {
		char *name;
		const char *shown;
	} cases[] = {
		{ ct_asprintf("Cache<%s>::find<%s>(int)", lists, list),
			"Cache<...>::find<...> (a.cc:5)" },
		{ ct_asprintf("Cache<%s>::operator<(int)", lists),
			"Cache<...>::operator< (a.cc:5)" },
		{ ct_asprintf("Cache<%s>::operator<<::end(int)", lists),
			"Cache<...>::operator<<::end (a.cc:5)" },
		{ ct_asprintf("f<decltype(p->next), %s>(int)", lists), "f<...> (a.cc:5)" },
		{ ct_strdup("Cache<int>::find(int)"), "Cache<int>::find (a.cc:5)" },
	};

	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		*ct_vec_push(&names->frames) = (struct ct_frame){
			.function = ct_strtab__add(names->strings, cases[i].name),
			.file = ct_strtab__add(names->strings, "/src/a.cc"), .line = 5 };
		assert_string_equal(ct_frame_name(names, names->frames.cnt - 1, buf, sizeof(buf)),
			cases[i].shown);
		free(cases[i].name);
	}
	free(lists);
	ct_names__free(names);
}

static void test_rwlock_readers(void **state)
{
	static const struct expect e[] = {
		{ CT_RWLOCK, 0x8000, 0 }, { CT_RWLOCK, 0x8000, 0 }, { CT_RWLOCK, 0x8000, 0 },
	};
	struct loaded l = load("rwlock_readers");

	check_waits(l.m, 101, e, CT_COUNT(e));
	assert_int_equal(l.m->locks.cnt, 1);
	unload(&l);
}

static void test_runtimes(void **state)
{
	static const struct expect e[] = {
		{ CT_LOCK, 0x5000, 0 }, { CT_LOCK, 0x5100, 0 }, { CT_LOCK, 0x5200, 0 },
		{ CT_COND, 0x5300, 0 }, { CT_FUTEX_OTHER, 0x5400, 0 },
		{ CT_FUTEX_OTHER, 0x5500, 0 }, { CT_LOCK, 0x5600, 0 },
		{ CT_FUTEX_OTHER, 0x5700, 0 }, { CT_LOCK, 0x5800, 0 },
	};
	struct loaded l = load("runtimes");
	char buf[128];

	check_waits(l.m, 101, e, CT_COUNT(e));
	for (u32 i = 0; i + 1 < CT_COUNT(e); i++)
		assert_string_equal(ct_frame_name(l.m->names, wait_of(l.m, 101, i)->frame, buf,
					    sizeof(buf)),
			"take (p.rs:7)");
	/* all of it wrappers: what the program's function was inlined into */
	assert_int_equal(wait_of(l.m, 101, CT_COUNT(e) - 1)->frame, 2);
	check_invariants(l.m);
	unload(&l);
}

static void test_syscalls(void **state)
{
	static const enum ct_state want[] = { CT_IO_NET, CT_PIPE, CT_IO_DISK, CT_OTHER, CT_POLL,
		CT_POLL, CT_POLL, CT_IO_NET, CT_CHILD, CT_CHILD, CT_SEM, CT_PIPE, CT_IO_DISK,
		CT_SLEEP, CT_IO_DISK, CT_OTHER, CT_FAULT, CT_FAULT, CT_IO_DISK, CT_STOPPED,
		CT_OTHER };
	struct loaded l = load("syscalls");

	for (u32 i = 0; i < CT_COUNT(want); i++)
		if (wait_of(l.m, 101, i)->state != want[i])
			fail_msg("wait %u is %s, expected %s", i,
				ct_state_name(wait_of(l.m, 101, i)->state), ct_state_name(want[i]));
	/* loopback delivers in the sender's context; other interrupts only happened to hit 102 */
	assert_int_equal(wait_of(l.m, 101, 0)->waker, thread_idx(l.m, 102));
	assert_int_equal(wait_of(l.m, 101, 1)->waker, CT_NONE);
	assert_int_equal(wait_of(l.m, 101, 2)->waker, CT_NONE);
	assert_int_equal(l.m->locks.cnt, 0);
	check_invariants(l.m);
	unload(&l);
}

static void test_names(void **state)
{
	assert_string_equal(ct_state_name(CT_RUNNING), "running");
	assert_string_equal(ct_state_name(CT_IO_DISK), "io-disk");
	assert_string_equal(ct_state_name(CT_OTHER), "other");
	assert_string_equal(ct_lock_kind_name(CT_LK_MUTEX), "mutex");
	for (u32 s = 0; s < CT_STATES; s++)
		assert_non_null(ct_state_name(s));
	for (u32 k = 0; k < CT_LK_KINDS; k++)
		assert_non_null(ct_lock_kind_name(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_primitives),
		cmocka_unit_test(test_musl),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_rwlock_readers),
		cmocka_unit_test(test_runtimes),
		cmocka_unit_test(test_syscalls),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
