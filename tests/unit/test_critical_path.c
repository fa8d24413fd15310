/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/analysis/critical_path.c: on text traces worked out by hand (their first lines tell how), to
 * the nanosecond; and on random traces, whatever they mean: the path tiles the run, and its shares
 * add up.
 */
#include <unistd.h>

#include "model_load.h"

struct seg {
	ct_ns start;
	u32 tid;
	enum ct_state state;
	u64 lock; /* address; 0: none */
	u32 frame;
};

static bool same_segment(
	const struct ct_model *m, const struct ct_path_segment *s, const struct seg *want)
{
	u64 lock = s->lock == CT_NONE ? 0 : m->locks.at[s->lock].addr;

	return s->start_ns == want->start && m->threads.at[s->thread].tid == want->tid &&
	       s->state == want->state && lock == want->lock && s->frame == want->frame;
}

static void check_sums(const struct ct_critical_path *p, const struct ct_model *m)
{
	ct_ns at = m->start_ns, shares = 0, lines = 0;

	for (u32 i = 0; i < p->segments.cnt; i++) {
		assert_int_equal(p->segments.at[i].start_ns, at);
		assert_true(p->segments.at[i].end_ns > at);
		at = p->segments.at[i].end_ns;
	}
	assert_int_equal(at, m->end_ns);
	for (u32 i = 0; i < p->shares.cnt; i++)
		shares += p->shares.at[i].ns;
	for (u32 i = 0; i < p->lines.cnt; i++)
		lines += p->lines.at[i].ns;
	assert_int_equal(shares, m->end_ns - m->start_ns);
	assert_int_equal(lines, m->end_ns - m->start_ns);
}

static void check_path_at(
	const char *trace, const struct seg *want, u32 cnt, const char *file, int line)
{
	struct loaded l = load(trace);
	struct ct_critical_path p;
	bool good;

	ct_critical_path__compute(&p, l.m);
	good = p.segments.cnt == cnt;
	for (u32 i = 0; i < p.segments.cnt && good; i++)
		good = same_segment(l.m, &p.segments.at[i], &want[i]);
	for (u32 i = 0; i < p.segments.cnt && !good; i++) {
		const struct ct_path_segment *s = &p.segments.at[i];
		print_error("%llu %u %s 0x%llx frame %u\n", (unsigned long long)s->start_ns,
			l.m->threads.at[s->thread].tid, ct_state_name(s->state),
			s->lock == CT_NONE ? 0ull : (unsigned long long)l.m->locks.at[s->lock].addr,
			s->frame);
	}
	check_sums(&p, l.m);
	ct_critical_path__clear(&p);
	unload(&l);
	if (!good)
		_fail(file, line);
}
#define check_path(trace, ...)                                                                     \
	check_path_at(trace, (const struct seg[]){ __VA_ARGS__ },                                  \
		CT_COUNT(((const struct seg[]){ __VA_ARGS__ })), __FILE__, __LINE__)

static void test_fork_join(void **state)
{
	check_path("path_fork_join", { 1000, 101, CT_RUNNING, 0, 0 },
		{ 2500, 103, CT_RUNNABLE, 0, 0 }, { 2600, 103, CT_RUNNING, 0, 0 },
		{ 6000, 103, CT_SLEEP, 0, 2 }, { 7000, 103, CT_RUNNABLE, 0, 0 },
		{ 7500, 103, CT_RUNNING, 0, 0 }, { 12000, 101, CT_RUNNABLE, 0, 0 },
		{ 12100, 101, CT_RUNNING, 0, 0 });
}

static void test_shares(void **state)
{
	struct loaded l = load("path_fork_join");
	struct ct_critical_path p;

	ct_critical_path__compute(&p, l.m);
	assert_int_equal(p.duration_ns, 12000);
	assert_int_equal(p.shares.cnt, 5);
	assert_int_equal(p.shares.at[0].thread, thread_idx(l.m, 103));
	assert_int_equal(p.shares.at[0].state, CT_RUNNING);
	assert_int_equal(p.shares.at[0].ns, 3400 + 4500);
	assert_int_equal(p.shares.at[1].thread, thread_idx(l.m, 101));
	assert_int_equal(p.shares.at[1].ns, 1500 + 900);
	assert_int_equal(p.shares.at[2].state, CT_SLEEP);
	assert_int_equal(p.shares.at[2].ns, 1000);
	assert_int_equal(p.shares.at[3].state, CT_RUNNABLE);
	assert_int_equal(p.shares.at[3].ns, 600);
	assert_int_equal(p.shares.at[4].ns, 100);
	assert_int_equal(
		p.lines.cnt, 3); /* running nobody knows where, runnable, asleep in line 5 */
	assert_int_equal(p.lines.at[0].ns, 3400 + 4500 + 1500 + 900);
	assert_int_equal(p.lines.at[1].frame, 2);
	assert_int_equal(p.lines.at[1].ns, 1000);
	ct_critical_path__clear(&p);
	unload(&l);
}

static void test_queue(void **state)
{
	check_path("path_queue", { 1000, 101, CT_RUNNING, 0, 0 },
		{ 2000, 101, CT_RUNNING, 0x5000, 0 }, { 5000, 102, CT_RUNNABLE, 0x5000, 0 },
		{ 5010, 102, CT_RUNNING, 0x5000, 0 }, { 6000, 102, CT_SLEEP, 0x5000, 2 },
		{ 7000, 102, CT_RUNNABLE, 0x5000, 0 }, { 7100, 102, CT_RUNNING, 0x5000, 0 },
		{ 9000, 103, CT_RUNNABLE, 0x5000, 0 }, { 9010, 103, CT_RUNNING, 0x5000, 0 },
		{ 12000, 104, CT_RUNNABLE, 0, 0 }, { 12020, 104, CT_RUNNING, 0, 0 });
}

static void test_pipeline(void **state)
{
	check_path("path_pipeline", { 1000, 101, CT_RUNNING, 0, 0 },
		{ 4000, 102, CT_RUNNABLE, 0, 0 }, { 4100, 102, CT_RUNNING, 0, 0 },
		{ 7000, 103, CT_RUNNABLE, 0, 0 }, { 7200, 103, CT_RUNNING, 0, 0 },
		{ 10000, 103, CT_OTHER, 0, 0 });
}

static void test_barrier_and_disk(void **state)
{
	check_path("path_barrier", { 1000, 101, CT_RUNNING, 0, 0 },
		{ 1300, 103, CT_RUNNABLE, 0, 0 }, { 1400, 103, CT_RUNNING, 0, 0 },
		{ 2000, 103, CT_IO_DISK, 0, 1 }, { 6000, 103, CT_RUNNABLE, 0, 0 },
		{ 6050, 103, CT_RUNNING, 0, 0 }, { 7000, 101, CT_RUNNABLE, 0, 0 },
		{ 7100, 101, CT_RUNNING, 0, 0 }, { 7500, 101, CT_SLEEP, 0, 0 },
		{ 9500, 101, CT_RUNNABLE, 0, 0 }, { 9600, 101, CT_RUNNING, 0, 0 });
}

static void test_circle(void **state)
{
	check_path("path_circle", { 1000, 101, CT_RUNNING, 0, 0 }, { 1300, 103, CT_RUNNABLE, 0, 0 },
		{ 1400, 103, CT_RUNNING, 0, 0 }, { 2500, 103, CT_LOCK, 0x5000, 0 });
}

/* What runs there is told by samples: each stands for the time nearer to it than to its neighbours.
 */
static void test_samples(void **state)
{
	check_path("path_samples", { 1000, 101, CT_RUNNING, 0, 1 }, { 3000, 101, CT_RUNNING, 0, 2 },
		{ 5499, 101, CT_RUNNING, 0, 1 }, { 7000, 101, CT_SLEEP, 0, 0 },
		{ 8000, 101, CT_RUNNABLE, 0, 0 }, { 8100, 101, CT_RUNNING, 0, 0 });
}

/* Attached: no beginning, no end; the path ends with the thread that ran last. */
static void test_attached(void **state)
{
	struct loaded l = load("path_attached");
	struct ct_critical_path p;

	ct_critical_path__compute(&p, l.m);
	check_sums(&p, l.m);
	assert_int_equal(p.segments.cnt, 4);
	assert_int_equal(p.segments.at[0].thread, thread_idx(l.m, 102));
	assert_int_equal(p.segments.at[0].end_ns, 4000);
	assert_int_equal(p.segments.at[1].state, CT_RUNNABLE);
	assert_int_equal(p.segments.at[2].thread, thread_idx(l.m, 101));
	assert_int_equal(p.segments.at[2].end_ns, 6000);
	assert_int_equal(p.segments.at[3].state, CT_POLL);
	assert_int_equal(p.segments.at[3].end_ns, 9000);
	ct_critical_path__clear(&p);
	unload(&l);
}

/* ---- random traces ---- */

struct random {
	u64 x;
};

static u32 pick(struct random *r, u32 below)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return (u32)(r->x >> 33) % below;
}

enum { THREADS = 6, CPUS = 3, EVENTS = 400 };

/* Threads that block for anything, are woken by anybody, begin, end and are lost; many things
 * happen at the same moment.  Mostly sound, so that the states are varied; every 16th event is
 * nonsense. */
static void write_random(FILE *f, u64 seed)
{
	static const char *const reasons[] = { "nr=futex arg0=0x5000 arg1=0x80 arg2=2",
		"nr=futex arg0=0x6000 arg1=0x80 arg2=2", "nr=futex arg0=0x6038 arg1=0x189 arg2=0",
		"nr=read file=fifo arg0=3", "nr=clock_nanosleep",
		"nr=futex arg0=0x9990 arg1=0x109 arg2=102",
		"nr=futex arg0=0x7000 arg1=0x80 arg2=2 flags=timed", "" };
	struct random r = { seed * 0x9e3779b97f4a7c15ull + 1 };
	u32 on_cpu[CPUS] = { 101 }, at = 1000;

	fprintf(f,
		"run argv=./x pid=101 start=1000 cpus=3%s\nsyscall 0 read\nsyscall 202 futex\n"
		"syscall 230 clock_nanosleep\nframe 1 function=f file=f.c line=3 module=/f\nstack "
		"1 1\n",
		pick(&r, 2) ? " attached=1" : "");
	fprintf(f, "500 0 task_new 101 tgid=101 flags=root\n600 0 switch 0 next=101\n"
		   "1000 0 task_exec 101 old_tid=101\n");
	for (u32 t = 102; t < 101 + THREADS; t++)
		fprintf(f, "%u %u task_new %u tgid=101 parent=%u\n", 1000 + pick(&r, 5) * 100, 0u,
			t, pick(&r, 4) ? 101 + pick(&r, t - 101) : 0);
	for (u32 i = 0; i < EVENTS; i++) {
		u32 cpu = pick(&r, CPUS), tid = 101 + pick(&r, THREADS),
		    next = 101 + pick(&r, THREADS);
		at += pick(&r, 4) ? pick(&r, 60) : 0;
		for (u32 c = 0; c < CPUS; c++)
			if (on_cpu[c] == next && pick(&r, 16))
				next = 0;
		switch (pick(&r, 5)) {
		case 0:
			fprintf(f, "%u %u waking %u waker=%u nr=futex%s\n", at, cpu, tid,
				on_cpu[cpu], pick(&r, 4) ? "" : " flags=hardirq");
			break;
		case 1:
			fprintf(f, "%u %u sample %u stack=1\n", at, cpu, on_cpu[cpu]);
			break;
		case 2:
			fprintf(f, "%u %u switch %u next=%u\n", at, cpu, on_cpu[cpu], next);
			on_cpu[cpu] = next;
			break;
		default:
			if (!on_cpu[cpu])
				continue;
			fprintf(f, "%u %u block %u next=%u state=%c %s owner=%u\n", at, cpu,
				on_cpu[cpu], next, pick(&r, 64) ? 'S' : 'X', reasons[pick(&r, 8)],
				tid);
			on_cpu[cpu] = next;
		}
	}
	fprintf(f, "%u 0 switch 0 next=0\n", at + pick(&r, 50));
}

static void test_random(void **state)
{
	char path[] = "/tmp/ct_path.XXXXXX";
	int fd = mkstemp(path);
	u64 descents = 0;

	assert_true(fd >= 0);
	close(fd);
	for (u64 seed = 1; seed <= 400; seed++) {
		FILE *f = fopen(path, "w");
		struct ct_critical_path p;
		write_random(f, seed);
		fclose(f);
		struct loaded l = load_path(path);
		ct_critical_path__compute(&p, l.m);
		check_sums(&p, l.m);
		for (u32 i = 1; i < p.segments.cnt; i++)
			descents += p.segments.at[i].thread != p.segments.at[i - 1].thread;
		ct_critical_path__clear(&p);
		unload(&l);
	}
	remove(path);
	assert_true(descents > 1000); /* the generator makes traces that have a path */
}

/* Every text trace there is, whatever it was written for. */
static void test_all_traces(void **state)
{
	static const char *const names[] = { "attach", "barging", "early_lock", "exec_thread",
		"handover", "loss", "musl", "parallel", "preempt", "primitives", "queue", "reuse",
		"stacks", "states", "syscalls", "wake_early" };

	for (u32 i = 0; i < CT_COUNT(names); i++) {
		struct loaded l = load(names[i]);
		struct ct_critical_path p;
		ct_critical_path__compute(&p, l.m);
		check_sums(&p, l.m);
		ct_critical_path__clear(&p);
		unload(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork_join),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_barrier_and_disk),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_all_traces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
