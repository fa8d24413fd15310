/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/wait_graph.c: the wait-for graph at a moment, and who waits for ever: each kind in
 * its guilty forms, and what only looks like one.  Times in the traces are ms (the tests put the
 * zeros).
 *
 * Process 100 has threads 100 (main), 101, 102 and 103, each on a CPU of its own; they block as
 * each case says, and KILLED ends them all at 2000 ms by a signal from outside.
 */
#include <unistd.h>

#include "model_load.h"

#define M "_000_000" /* of ms */

#define HEAD                                                                                       \
	"run argv=./prog pid=100 start=0 end=2500" M " libc=glibc\n"                               \
	"syscall 202 futex\nsyscall 230 clock_nanosleep\nsyscall 7 poll\nsyscall 231 exit_group\n" \
	"syscall 61 wait4\nsyscall 59 execve\n"                                                    \
	"frame 1 function=first file=/src/p.c line=11 module=/src/p\n"                             \
	"frame 2 function=second file=/src/p.c line=22 module=/src/p\n"                            \
	"stack 1 1\nstack 2 2\n"                                                                   \
	"0 0 task_new 100 tgid=100\n0 1 task_new 101 tgid=100\n0 2 task_new 102 tgid=100\n"        \
	"0 3 task_new 103 tgid=100\n"                                                              \
	"1 0 switch 0 next=100\n1 1 switch 0 next=101\n1 2 switch 0 next=102\n"                    \
	"1 3 switch 0 next=103\n"

/* what a thread blocks in */
#define AT(ms, cpu, tid) #ms M " " #cpu " block " #tid " state=S nr="
#define LOCK(addr, by) "futex arg0=" #addr " arg1=0x80 arg2=2 word=2 owner=" #by " stack=1\n"
#define LOCK_TIMED(addr, by) "futex arg0=" #addr " arg1=0x80 arg2=2 owner=" #by " flags=timed\n"
#define WRITE(addr, by) "futex arg0=" #addr " arg1=0x189 arg2=3 owner=" #by "\n"
#define JOIN(tid) "futex arg0=0x9990 arg1=0x109 arg2=" #tid "\n"
#define COND(addr) "futex arg0=" #addr "8 arg1=0x189 arg2=0 stack=2\n"
#define SEM(addr) "futex arg0=" #addr "0 arg1=0x189 arg2=0 stack=2\n"
#define SHARED_SEM(addr) "futex arg0=" #addr "0 arg1=0x109 arg2=0\n"
#define SLEEP "clock_nanosleep\n"
#define POLL "poll\n"
#define CHILD "wait4\n"

/* how a thread ends: woken by nobody known, runs, exits with that status; all at once, or before */
#define END(us, cpu, tid, code)                                                                    \
	us "0 " #cpu " waking " #tid " flags=foreign\n" us "1 " #cpu " switch 0 next=" #tid        \
	   "\n" us "2 " #cpu " task_exit " #tid " code=" #code "\n" us "3 " #cpu " block " #tid    \
	   " state=X\n"
#define KILLED                                                                                     \
	END("2000_000_00", 0, 100, 2)                                                              \
	END("2000_000_01", 1, 101, 2) END("2000_000_02", 2, 102, 2) END("2000_000_03", 3, 103, 2)
#define EXITS(ms, cpu, tid)                                                                        \
#ms M " " #cpu " task_exit " #tid " code=0\n" #ms "_000_001 " #cpu " block " #tid          \
	      " state=X\n"

struct judged {
	struct loaded l;
	struct ct_hangs h;
};

static struct judged judge(const char *text)
{
	char path[] = "/tmp/ct_hangs.XXXXXX";
	struct judged j;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	j.l = load_path(path);
	unlink(path);
	check_invariants(j.l.m);
	ct_hangs__compute(&j.h, j.l.m);
	return j;
}

static void drop(struct judged *j)
{
	ct_hangs__clear(&j->h);
	unload(&j->l);
}

static void check_none(const char *text)
{
	struct judged j = judge(text);

	if (j.h.at.cnt)
		fail_msg("%s where there is none", ct_hang_id(j.h.at.at[0].kind));
	drop(&j);
}

/* One finding, of that kind, with these threads in this order. */
#define check_one(text, kind, ...)                                                                 \
	check_one_at(text, kind, (const u32[]){ __VA_ARGS__ },                                     \
		CT_COUNT(((const u32[]){ __VA_ARGS__ })), __LINE__)
static struct judged check_one_at(const char *text, u32 kind, const u32 *tids, u32 cnt, int line)
{
	struct judged j = judge(text);

	_assert_int_equal(j.h.at.cnt, 1, __FILE__, line);
	_assert_int_equal(j.h.at.at[0].kind, kind, __FILE__, line);
	_assert_int_equal(j.h.at.at[0].members.cnt, cnt, __FILE__, line);
	for (u32 i = 0; i < cnt; i++) {
		u32 t = j.h.at.at[0].members.at[i].thread;
		_assert_int_equal(j.l.m->threads.at[t].tid, tids[i], __FILE__, line);
	}
	return j;
}

static const char ring2[] = HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK(0x6000, 101)
	AT(30, 0, 100) JOIN(101) AT(40, 3, 103) SLEEP KILLED;

static void test_ring_of_two(void **state)
{
	struct judged j = check_one(ring2, CT_HANG_DEADLOCK, 101, 102);
	const struct ct_hang *h = &j.h.at.at[0];

	assert_int_equal(h->since_ns, 20000000);
	assert_int_equal(h->until_ns, 2000000010);
	assert_true(h->seen && !h->to_end && !h->since_before);
	assert_int_equal(j.l.m->locks.at[h->members.at[0].holds].addr, 0x6000);
	assert_int_equal(j.l.m->locks.at[h->members.at[1].holds].addr, 0x5000);
	assert_int_equal(h->members.at[0].took, CT_NONE);
	assert_int_equal(h->behind.cnt, 1); /* main joins; the sleeper has nothing to do with it */
	assert_int_equal(j.l.m->waits.at[h->behind.at[0]].thread, thread_idx(j.l.m, 100));
	drop(&j);
}

static void test_graph_at_a_moment(void **state)
{
	struct judged j = judge(ring2);
	struct ct_wait_graph g;
	u32 a = thread_idx(j.l.m, 101), b = thread_idx(j.l.m, 102);

	ct_wait_graph__compute(&g, j.l.m, 15000000);
	assert_int_equal(g.nodes[a].owner, b);
	assert_int_equal(g.nodes[b].wait, CT_NONE);
	ct_wait_graph__clear(&g);
	ct_wait_graph__compute(&g, j.l.m, 50000000);
	assert_int_equal(g.nodes[b].owner, a);
	assert_int_equal(g.nodes[thread_idx(j.l.m, 100)].owner, a);
	assert_int_equal(g.nodes[thread_idx(j.l.m, 103)].wait, CT_NONE); /* time ends its sleep */
	ct_wait_graph__clear(&g);
	drop(&j);
}

/* 101 waited for 0x6000 before it got it: that is the line where it took it. */
static void test_where_it_was_taken(void **state)
{
	struct judged j = check_one(
		HEAD AT(5, 1, 101) LOCK(0x6000,
			103) "6" M " 1 waking 101 waker=103 nr=futex\n"
			     "7" M " 1 switch 0 next=101\n" AT(10, 1, 101) LOCK(0x5000, 102)
				     AT(20, 2, 102) LOCK(0x6000, 101) AT(40, 3, 103) SLEEP KILLED,
		CT_HANG_DEADLOCK, 101, 102);
	const struct ct_hang_member *member = &j.h.at.at[0].members.at[0];

	assert_int_not_equal(member->took, CT_NONE);
	assert_int_equal(j.l.m->waits.at[member->took].start_ns, 5000000);
	drop(&j);
}

static void test_rings(void **state)
{
	struct judged j;

	j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK(0x6000, 103)
			      AT(30, 3, 103) LOCK(0x7000, 101) KILLED,
		CT_HANG_DEADLOCK, 101, 102, 103);
	drop(&j);
	j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 101) KILLED, CT_HANG_DEADLOCK, 101);
	drop(&j);
	j = check_one(HEAD AT(10, 1, 101) WRITE(0x500c, 102) AT(20, 2, 102) WRITE(0x600c, 101)
			      KILLED,
		CT_HANG_DEADLOCK, 101, 102);
	drop(&j);
	j = check_one(HEAD AT(10, 1, 101) JOIN(102) AT(20, 2, 102) JOIN(103) AT(30, 3, 103)
			      JOIN(101) KILLED,
		CT_HANG_DEADLOCK, 101, 102, 103);
	assert_int_equal(j.h.at.at[0].members.at[0].holds, CT_NONE);
	drop(&j);
	j = check_one(HEAD AT(10, 1, 101) JOIN(102) AT(20, 2, 102) LOCK(0x5000, 101) KILLED,
		CT_HANG_DEADLOCK, 101, 102);
	drop(&j);
}

/* Also when main gives up and exits: the others are killed by exit_group. */
static void test_ends_of_the_program(void **state)
{
	struct judged j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102)
					    LOCK(0x6000, 101) AT(30, 3, 103) SLEEP
		"2000" M " 1 waking 101 waker=100 nr=exit_group\n"
		"2000" M " 2 waking 102 waker=100 nr=exit_group\n",
		CT_HANG_DEADLOCK, 101, 102);

	drop(&j);
	j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK(0x6000, 101),
		CT_HANG_DEADLOCK, 101, 102);
	assert_true(j.h.at.at[0].to_end); /* the recording ended first */
	drop(&j);
}

static void test_no_ring(void **state)
{
	/* one of the two has a timeout */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK_TIMED(0x6000, 101)
			KILLED);
	/* the ring is open: 103 holds what 102 wants, and sleeps */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK(0x6000, 103)
			AT(30, 3, 103) SLEEP KILLED);
	/* it closes half a millisecond before the kill: nobody can have seen it hang */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102)
		"1999_500_000 2 block 102 state=S nr=" LOCK(0x6000, 101) KILLED);
	/* a join that comes */
	check_none(HEAD AT(10, 1, 101) JOIN(102) AT(20, 2, 102) SLEEP KILLED);
	/* the lock was handed on while both queued: 102 let 101's lock go to 103, then wants
	 * another */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(11, 3, 103) LOCK(
		0x5000, 102) "12" M " 3 waking 103 waker=102 nr=futex\n13" M
			     " 3 switch 0 next=103\n" AT(20, 2, 102) LOCK(0x6000, 101) KILLED);
}

static void test_abandoned(void **state)
{
	struct judged j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 102) EXITS(20, 2, 102) KILLED,
		CT_HANG_ABANDONED, 101);

	assert_int_equal(j.h.at.at[0].members.at[0].owner, thread_idx(j.l.m, 102));
	drop(&j);
	/* who comes when the owner has gone; and one more */
	j = check_one(HEAD EXITS(20, 2, 102) AT(30, 1, 101) LOCK(0x5000, 102) AT(40, 3, 103)
			      LOCK(0x5000, 102) KILLED,
		CT_HANG_ABANDONED, 101, 103);
	drop(&j);
	/* the owner ends with all the others */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102) KILLED);
	/* the owner lets it go, then ends; the thread that it woke gets no CPU until the kill */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(11, 3, 103) LOCK(
		0x5000, 102) "12" M " 2 waking 103 waker=102 nr=futex\n" EXITS(20, 2, 102) KILLED);
	/* somebody else lets it go */
	check_none(HEAD AT(10, 1, 101) LOCK(0x5000, 102)
			EXITS(20, 2, 102) "600" M " 1 waking 101 waker=103 nr=futex\n601" M
					  " 1 switch 0 next=101\n" AT(700, 1, 101) SLEEP);
}

/* The call would let other processes use the word; but it lies in memory of this one alone. */
static void test_stuck_in_own_memory(void **state)
{
	struct judged j = check_one(HEAD "addr 100 0x6000 kind=heap\n" AT(10, 0, 100)
					    JOIN(101) AT(20, 1, 101) COND(0x500) AT(30, 2, 102)
						    COND(0x500) AT(40, 3, 103)
							    SHARED_SEM(0x600) KILLED,
		CT_HANG_STUCK, 100, 101, 102, 103);

	drop(&j);
}

/* The main thread lets another one run the program that it turns into. */
static void test_ended_by_exec(void **state)
{
	struct judged j = check_one(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102)
					    LOCK(0x6000, 101) AT(30, 3, 103) SLEEP
		"2000" M " 1 waking 101 waker=100 nr=execve\n"
		"2000" M " 2 waking 102 waker=100 nr=execve\n",
		CT_HANG_DEADLOCK, 101, 102);

	drop(&j);
}

static void test_stuck(void **state)
{
	struct judged j = check_one(HEAD AT(10, 0, 100) JOIN(101) AT(20, 1, 101) COND(0x500) AT(30,
					    2, 102) COND(0x500) AT(40, 3, 103) SEM(0x600) KILLED,
		CT_HANG_STUCK, 100, 101, 102, 103);

	assert_int_equal(j.h.at.at[0].since_ns, 40000000);
	assert_int_equal(j.h.at.at[0].members.at[0].owner, thread_idx(j.l.m, 101));
	drop(&j);
}

#define THREE_WAIT AT(10, 0, 100) JOIN(101) AT(20, 1, 101) COND(0x500) AT(30, 2, 102) COND(0x500)

static void test_not_stuck(void **state)
{
	check_none(HEAD THREE_WAIT KILLED); /* 103 runs */
	check_none(HEAD THREE_WAIT AT(40, 3, 103) SLEEP KILLED);
	check_none(HEAD THREE_WAIT AT(40, 3, 103) POLL KILLED);
	check_none(HEAD THREE_WAIT AT(40, 3, 103) CHILD KILLED);
	check_none(HEAD THREE_WAIT AT(40, 3, 103) LOCK_TIMED(0x5000, 102) KILLED);
	check_none(HEAD THREE_WAIT AT(40, 3, 103) SHARED_SEM(0x600) KILLED);
	check_none(HEAD "addr 100 0x6000 kind=shared\n" THREE_WAIT AT(40, 3, 103)
			SHARED_SEM(0x600) KILLED);
	/* they all wait for less than half a second */
	check_none(HEAD THREE_WAIT AT(1600, 3, 103) SEM(0x600) KILLED);
	/* a handler got them going, and the program ended by itself */
	check_none(HEAD THREE_WAIT AT(40, 3, 103) SEM(0x600) END("2000_000_00", 0, 100, 0)
			END("2000_000_01", 1, 101, 0) END("2000_000_02", 2, 102, 0)
				END("2000_000_03", 3, 103, 0));
	/* a deadlock with everybody behind it is a deadlock */
	struct judged j = check_one(HEAD AT(10, 0, 100) JOIN(101) AT(20, 1, 101) LOCK(0x5000, 102)
					    AT(30, 2, 102) LOCK(0x6000, 101) AT(40, 3, 103)
						    LOCK(0x6000, 101) KILLED,
		CT_HANG_DEADLOCK, 101, 102);
	assert_int_equal(j.h.at.at[0].behind.cnt, 2);
	drop(&j);
}

/* Of a process that was attached to, nobody knows whether a handler posts its semaphores. */
static void test_attached(void **state)
{
	check_none(HEAD "run attached=1\n" THREE_WAIT AT(40, 3, 103) SEM(0x600));
	struct judged j = check_one(HEAD "run attached=1\n" THREE_WAIT AT(40, 3, 103) COND(0x600),
		CT_HANG_STUCK, 100, 101, 102, 103);
	assert_true(j.h.at.at[0].to_end);
	drop(&j);
}

static void test_loss_makes_it_unsure(void **state)
{
	struct judged j = judge(HEAD AT(10, 1, 101) LOCK(0x5000, 102) AT(20, 2, 102) LOCK(
		0x6000, 101) "500" M " 1 loss 0 since=400" M " kind=waking count=3\n" KILLED);

	assert_int_equal(j.h.at.cnt, 1);
	assert_false(j.h.at.at[0].seen);
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_of_two),
		cmocka_unit_test(test_graph_at_a_moment),
		cmocka_unit_test(test_where_it_was_taken),
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_ends_of_the_program),
		cmocka_unit_test(test_no_ring),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_stuck_in_own_memory),
		cmocka_unit_test(test_ended_by_exec),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_not_stuck),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_loss_makes_it_unsure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
