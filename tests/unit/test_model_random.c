/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model on traces of a simulated machine: CPUs, a scheduler, threads that take glibc's mutex
 * (with its barging, lost races and wakings that come before the sleep), sleep and are preempted.
 * The simulation knows the truth: who held which lock when, how often each thread was switched.
 * Fixed seeds, so a failure repeats.
 *
 *   - states add up, counts match, nothing contradicts
 *   - lock-wait time is charged to the thread that held the lock
 *   - with events taken away at random: still gap-free, still no overlap, contradictions counted
 *
 * CT_MODEL_EVENTS=5000000 measures how fast the model reads (what it said: user/model/build.c);
 * CT_MODEL_SCORES=1 prints the shares instead of judging them.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "model_load.h"

#define MAX_CPUS 8
#define MAX_THREADS 32
#define LOCKS 2
#define TID 101 /* of the first thread */
#define NEVER UINT64_MAX

enum phase { THINK, TRY, SLOW, QUEUE, GO_SLEEP, CRITICAL, REST_INSIDE, UNLOCK, WAKE, DONE };
enum place { QUEUED_FOR_CPU, ON_CPU, ASLEEP, COMING };

struct sim_thread {
	enum phase phase;
	enum place place;
	u64 left;  /* ns of CPU until the phase is over */
	u64 timer; /* ASLEEP: it wakes by itself; COMING: it reaches the run queue */
	u32 lock;
	bool woken_early;
	u64 voluntary, involuntary;
};

struct sim_lock {
	u32 word, owner; /* owner: thread + 1 */
	u32 queue[MAX_THREADS], queued;
};

struct truth {
	u64 start, end;
	u32 thread;
};

struct sim_cpu {
	u32 thread; /* CT_NONE: idle */
	u64 since, slice_end;
};

struct plan { /* what differs between runs */
	const char *name;
	u32 cpus, threads;
	u32 think_ns, hold_ns;
	u32 rest_every; /* one in so many holds sleeps inside; 0: none */
	bool calls;
	double least; /* share of the lock-wait time that must be charged to the right thread */
};

struct sim {
	const struct plan *plan;
	FILE *out;
	u64 rng, now, last;
	u64 events, max_events;
	double drop;
	struct sim_cpu cpu[MAX_CPUS];
	struct sim_thread th[MAX_THREADS];
	struct sim_lock lock[LOCKS];
	u32 runq[MAX_THREADS], runq_cnt;
	CT_VEC(struct truth) truth[LOCKS];
};

static u64 rnd(struct sim *s, u64 n)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return n ? s->rng % n : 0;
}

/* Every event has a time of its own, so that no order is left to chance. */
static void emit(struct sim *s, u32 cpu, const char *fmt, ...) CT_PRINTF(3, 4);
static void emit(struct sim *s, u32 cpu, const char *fmt, ...)
{
	va_list ap;

	if (s->now <= s->last)
		s->now = s->last + 1;
	s->last = s->now;
	s->events++;
	if (s->drop > 0 && rnd(s, 1000000) < s->drop * 1e6)
		return;
	fprintf(s->out, "%" PRIu64 " %u ", s->now, cpu);
	va_start(ap, fmt);
	vfprintf(s->out, fmt, ap);
	va_end(ap);
	fputc('\n', s->out);
}

static void take_lock(struct sim *s, u32 t, u32 word)
{
	struct sim_lock *l = &s->lock[s->th[t].lock];
	struct truth *h = ct_vec_push(&s->truth[s->th[t].lock]);

	l->word = word;
	l->owner = t + 1;
	*h = (struct truth){ .start = s->now, .end = NEVER, .thread = t };
	s->th[t].phase = CRITICAL;
	s->th[t].left = 1 + rnd(s, 2 * s->plan->hold_ns);
}

static u32 pick_next(struct sim *s)
{
	if (!s->runq_cnt)
		return CT_NONE;
	u32 t = s->runq[0];
	memmove(s->runq, s->runq + 1, --s->runq_cnt * sizeof(*s->runq));
	return t;
}

static void come_to_cpu(struct sim *s, u32 cpu, u32 t)
{
	s->cpu[cpu] =
		(struct sim_cpu){ .thread = t, .since = s->now, .slice_end = s->now + 3000000 };
	if (t != CT_NONE)
		s->th[t].place = ON_CPU;
}

static u32 tid_of(u32 t)
{
	return t == CT_NONE ? 0 : TID + t;
}

static void sleep_now(struct sim *s, u32 cpu, const char *why)
{
	u32 t = s->cpu[cpu].thread, next = pick_next(s);

	s->th[t].voluntary++;
	s->th[t].place = ASLEEP;
	emit(s, cpu, "block %u next=%u state=S %s", tid_of(t), tid_of(next), why);
	come_to_cpu(s, cpu, next);
}

static void send_waking(struct sim *s, u32 t, u32 cpu, const char *how)
{
	emit(s, cpu, "waking %u %s", tid_of(t), how);
	s->th[t].place = COMING;
	s->th[t].timer = s->now + 500 + rnd(s, rnd(s, 4) ? 5000 : 60000);
}

static void wake_waiter(struct sim *s, u32 cpu, u32 me)
{
	struct sim_lock *l = &s->lock[s->th[me].lock];
	u32 woken = l->queued != 0;
	char how[48];

	snprintf(how, sizeof(how), "waker=%u nr=futex", tid_of(me));
	if (woken) {
		u32 t = l->queue[0];
		memmove(l->queue, l->queue + 1, --l->queued * sizeof(*l->queue));
		if (s->th[t].place == ASLEEP) {
			send_waking(s, t, cpu, how);
			/* it had not left its run queue: it does not sleep */
		} else if (s->th[t].place != ON_CPU || rnd(s, 2)) {
			strcat(how, " flags=queued");
			emit(s, cpu, "waking %u %s", tid_of(t), how);
			s->th[t].phase = SLOW;
			s->th[t].left = 200;
		} else {
			emit(s, cpu, "waking %u %s", tid_of(t), how);
			s->th[t].woken_early = true;
		}
	}
	if (s->plan->calls)
		emit(s, cpu, "futex %u nr=futex result=%u addr=0x%x op=0x81 val=1", tid_of(me),
			woken, 0x5000 + s->th[me].lock * 64);
}

static void start_thinking(struct sim *s, u32 t)
{
	s->th[t].phase = THINK;
	s->th[t].left = 1 + rnd(s, 2 * s->plan->think_ns);
}

static void go_to_sleep(struct sim *s, u32 cpu, u32 t)
{
	struct sim_thread *th = &s->th[t];
	struct sim_lock *l = &s->lock[th->lock];
	char why[128];

	snprintf(why, sizeof(why), "nr=futex arg0=0x%x arg1=0x80 arg2=2 owner=%u word=%u stack=%u",
		0x5000 + th->lock * 64, l->owner ? TID + l->owner - 1 : 0, l->word, 1 + th->lock);
	th->phase = SLOW;
	th->left = 300;
	sleep_now(s, cpu, why);
	if (th->woken_early) {
		th->woken_early = false;
		th->place = COMING;
		th->timer = s->now + 500 + rnd(s, 5000);
	}
}

static void unlock(struct sim *s, u32 t)
{
	struct sim_lock *l = &s->lock[s->th[t].lock];
	bool contended = l->word == 2;

	s->truth[s->th[t].lock].at[s->truth[s->th[t].lock].cnt - 1].end = s->now;
	l->word = l->owner = 0;
	s->th[t].phase = WAKE;
	s->th[t].left = 400;
	if (!contended)
		start_thinking(s, t);
}

/* The thread on this CPU has come to the end of its phase. */
static void end_phase(struct sim *s, u32 cpu)
{
	u32 t = s->cpu[cpu].thread;
	struct sim_thread *th = &s->th[t];
	struct sim_lock *l = &s->lock[th->lock];

	switch (th->phase) {
	case THINK:
		th->lock = rnd(s, 4) == 0;
		th->phase = TRY;
		th->left = 20;
		break;
	case TRY:
		if (!l->word) {
			take_lock(s, t, 1);
			break;
		}
		/* fall through */
	case SLOW:
		if (!l->word) {
			take_lock(s, t, 2);
			break;
		}
		l->word = 2;
		th->phase = QUEUE;
		th->left = 300;
		break;
	case QUEUE: /* futex(2) looks at the word once more */
		th->phase = l->word == 2 ? GO_SLEEP : SLOW;
		th->left = 300;
		if (th->phase == GO_SLEEP)
			l->queue[l->queued++] = t;
		break;
	case GO_SLEEP:
		go_to_sleep(s, cpu, t);
		break;
	case CRITICAL:
		th->phase = UNLOCK;
		th->left = 30;
		if (s->plan->rest_every && !rnd(s, s->plan->rest_every)) {
			th->timer = s->now + 20000 + rnd(s, 100000);
			sleep_now(s, cpu, "nr=clock_nanosleep");
		}
		break;
	case UNLOCK:
		unlock(s, t);
		break;
	case WAKE:
		wake_waiter(s, cpu, t);
		start_thinking(s, t);
		break;
	default:
		break;
	}
}

static void preempt(struct sim *s, u32 cpu)
{
	u32 t = s->cpu[cpu].thread, next = pick_next(s);

	if (next == CT_NONE || s->th[t].woken_early) { /* (it is leaving anyway) */
		if (next != CT_NONE) {
			memmove(s->runq + 1, s->runq, s->runq_cnt++ * sizeof(*s->runq));
			s->runq[0] = next;
		}
		s->cpu[cpu].slice_end = s->now + 3000000;
		return;
	}
	s->th[t].involuntary++;
	s->th[t].place = QUEUED_FOR_CPU;
	s->runq[s->runq_cnt++] = t;
	emit(s, cpu, "switch %u next=%u flags=preempted", tid_of(t), tid_of(next));
	come_to_cpu(s, cpu, next);
}

static void reach_run_queue(struct sim *s, u32 t)
{
	s->th[t].place = QUEUED_FOR_CPU;
	s->th[t].timer = NEVER;
	for (u32 c = 0; c < s->plan->cpus; c++)
		if (s->cpu[c].thread == CT_NONE) {
			emit(s, c, "switch 0 next=%u", tid_of(t));
			come_to_cpu(s, c, t);
			return;
		}
	if (rnd(s, 3)) { /* a sleeper has credit: it takes the CPU from somebody */
		memmove(s->runq + 1, s->runq, s->runq_cnt++ * sizeof(*s->runq));
		s->runq[0] = t;
		preempt(s, rnd(s, s->plan->cpus));
	} else {
		s->runq[s->runq_cnt++] = t;
	}
}

static u64 next_time(const struct sim *s)
{
	u64 at = NEVER;

	for (u32 c = 0; c < s->plan->cpus; c++) {
		if (s->cpu[c].thread == CT_NONE)
			continue;
		u64 end = s->now + s->th[s->cpu[c].thread].left;
		end = end < s->cpu[c].slice_end ? end : s->cpu[c].slice_end;
		at = end < at ? end : at;
	}
	for (u32 t = 0; t < s->plan->threads; t++)
		if (s->th[t].place != ON_CPU && s->th[t].timer < at)
			at = s->th[t].timer;
	return at > s->now ? at : s->now;
}

static void step(struct sim *s)
{
	u64 at = next_time(s), ns = at - s->now;

	s->now = at;
	for (u32 c = 0; c < s->plan->cpus; c++)
		if (s->cpu[c].thread != CT_NONE) {
			struct sim_thread *th = &s->th[s->cpu[c].thread];
			th->left -= ns < th->left ? ns : th->left;
		}
	for (u32 c = 0; c < s->plan->cpus; c++) {
		if (s->cpu[c].thread == CT_NONE)
			continue;
		if (s->cpu[c].slice_end <= s->now)
			preempt(s, c);
		else if (!s->th[s->cpu[c].thread].left)
			end_phase(s, c);
	}
	for (u32 t = 0; t < s->plan->threads; t++) {
		struct sim_thread *th = &s->th[t];
		if (th->place == ON_CPU || th->timer > s->now)
			continue;
		if (th->place == ASLEEP)
			send_waking(s, t, 0, "flags=hardirq");
		else
			reach_run_queue(s, t);
	}
}

static void begin(struct sim *s)
{
	fprintf(s->out,
		"run argv=./sim pid=100 start=1000 cpus=%u futex=%s libc=glibc\n"
		"syscall 202 futex\nsyscall 230 clock_nanosleep\n"
		"frame 1 function=a file=/a.c line=1\nframe 2 function=b file=/b.c line=2\n"
		"stack 1 1\nstack 2 2\n",
		s->plan->cpus, s->plan->calls ? "calls" : "switch");
	s->now = 1000;
	for (u32 c = 0; c < s->plan->cpus; c++)
		come_to_cpu(s, c, CT_NONE);
	for (u32 t = 0; t < s->plan->threads; t++) {
		fprintf(s->out, "%" PRIu64 " 0 task_new %u tgid=100\n", s->now, tid_of(t));
		s->th[t].place = COMING;
		s->th[t].timer = s->now + 10 + rnd(s, 1000);
		start_thinking(s, t);
	}
}

static void simulate(struct sim *s, const char *path)
{
	s->out = fopen(path, "w");
	assert_non_null(s->out);
	begin(s);
	while (s->events < s->max_events)
		step(s);
	/* in a whole trace, the kernel's own counters */
	for (u32 t = 0; t < s->plan->threads && s->drop == 0; t++)
		emit(s, 0, "task_counts %u voluntary=%" PRIu64 " involuntary=%" PRIu64 " cpu_ns=1",
			tid_of(t), s->th[t].voluntary, s->th[t].involuntary);
	fprintf(s->out, "end\n");
	fclose(s->out);
}

static struct loaded load_sim(
	struct sim *s, const struct plan *plan, u64 seed, u64 events, double drop)
{
	char path[] = "/tmp/ct_model.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	*s = (struct sim){ .plan = plan,
		.rng = seed * 0x9e3779b97f4a7c15ull + 1,
		.max_events = events,
		.drop = drop };
	for (u32 t = 0; t < MAX_THREADS; t++)
		s->th[t].timer = NEVER;
	simulate(s, path);
	struct loaded l = load_path(path);
	unlink(path);
	return l;
}

static void free_truth(struct sim *s)
{
	for (u32 i = 0; i < LOCKS; i++)
		ct_vec_free(&s->truth[i]);
}

/* ---- the truth about blame ------------------------------------------------------------------- */

struct score {
	u64 held;   /* lock-wait time while somebody held the lock */
	u64 right;  /* of it, charged to that one */
	u64 wrong;  /* charged to somebody else; the rest is nobody's */
	u64 freely; /* lock-wait time while nobody held the lock */
};

static void score_overlap(struct score *sc, const struct ct_model *m, const struct ct_lock *l,
	u64 a, u64 b, u32 holder, u32 *hold)
{
	while (*hold < l->holds.cnt && l->holds.at[*hold].end_ns <= a)
		*hold += 1;
	sc->held += b - a;
	for (u32 i = *hold; i < l->holds.cnt && l->holds.at[i].start_ns < b; i++) {
		const struct ct_hold *h = &l->holds.at[i];
		u64 from = h->start_ns > a ? h->start_ns : a, to = h->end_ns < b ? h->end_ns : b;
		if (m->threads.at[h->thread].tid == TID + holder)
			sc->right += to - from;
		else
			sc->wrong += to - from;
	}
}

static void score_lock(struct score *sc, const struct sim *s, const struct ct_model *m, u32 lock)
{
	const struct ct_lock *l = lock_at(m, 0x5000 + lock * 64);
	u32 first = 0;

	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[l->waits.at[i]];
		u32 hold = 0, low = 0, high = l->holds.cnt;
		u64 covered = 0;
		while (low < high) {
			u32 mid = (low + high) / 2;
			if (l->holds.at[mid].end_ns <= w->start_ns)
				low = mid + 1;
			else
				high = mid;
		}
		hold = low;
		while (first < s->truth[lock].cnt && s->truth[lock].at[first].end < w->start_ns)
			first++;
		for (u32 k = first; k < s->truth[lock].cnt; k++) {
			const struct truth *t = &s->truth[lock].at[k];
			u64 a = t->start > w->start_ns ? t->start : w->start_ns;
			u64 b = t->end < w->end_ns ? t->end : w->end_ns;
			if (t->start >= w->end_ns)
				break;
			if (a < b) {
				score_overlap(sc, m, l, a, b, t->thread, &hold);
				covered += b - a;
			}
		}
		sc->freely += w->end_ns - w->start_ns - covered;
	}
}

/* A hold that begins and ends while a woken waiter is on its way to a CPU leaves no trace.  That is
 * rare where holds are longer than wake-ups. Where they are shorter most are of this kind, and of
 * the little time in which the lock is held at all only so much is charged rightly. */
static const struct plan plans[] = {
	{ "two threads, two CPUs", 2, 2, 10000, 10000, 0, false, 0.9999 },
	{ "as many CPUs as threads", 4, 4, 6000, 60000, 0, false, 0.995 },
	{ "more threads than CPUs", 2, 6, 6000, 60000, 0, false, 0.99 },
	{ "the same, with futex calls", 2, 6, 6000, 60000, 0, true, 0.99 },
	{ "sleeping with the lock", 4, 8, 30000, 10000, 3, false, 0.98 },
	{ "short holds", 2, 4, 2000, 2000, 0, false, 0.70 },
	{ "many threads", 4, 32, 50000, 30000, 50, true, 0.97 },
};

static void test_whole(void **state)
{
	for (u32 i = 0; i < CT_COUNT(plans); i++)
		for (u64 seed = 1; seed <= 3; seed++) {
			struct sim s;
			struct loaded l = load_sim(&s, &plans[i], seed, 20000, 0);
			struct score sc = { 0 };

			check_invariants(l.m);
			assert_int_equal(l.m->anomalies, 0);
			assert_int_equal(l.m->lost_events, 0);
			for (u32 t = 0; t < plans[i].threads; t++) {
				const struct ct_thread *th = thread(l.m, TID + t);
				assert_int_equal(th->voluntary, th->kernel_voluntary);
				assert_int_equal(th->involuntary, th->kernel_involuntary);
				assert_int_equal(th->voluntary, s.th[t].voluntary);
			}
			for (u32 k = 0; k < LOCKS; k++)
				score_lock(&sc, &s, l.m, k);
			if (getenv("CT_MODEL_SCORES"))
				print_message("%-28s right %.3f %% wrong %.3f %% free %.3f %%\n",
					plans[i].name, 100.0 * sc.right / sc.held,
					100.0 * sc.wrong / sc.held, 100.0 * sc.freely / sc.held);
			else if (sc.right < plans[i].least * sc.held)
				fail_msg("%s, seed %" PRIu64
					 ": %.2f %% of the lock-wait time is charged "
					 "rightly, %.2f %% wrongly",
					plans[i].name, seed, 100.0 * sc.right / sc.held,
					100.0 * sc.wrong / sc.held);
			free_truth(&s);
			unload(&l);
		}
}

static void test_damaged(void **state)
{
	static const double drops[] = { 0.0005, 0.01, 0.1, 0.5 };

	for (u32 i = 0; i < CT_COUNT(plans); i++)
		for (u32 d = 0; d < CT_COUNT(drops); d++) {
			struct sim s;
			struct loaded l = load_sim(&s, &plans[i], 7 + d, 20000, drops[d]);
			struct ct_facts f;

			check_invariants(l.m);
			assert_true(l.m->anomalies > 0);
			ct_facts__compute(&f, l.m);
			ct_facts__clear(&f);
			free_truth(&s);
			unload(&l);
		}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void test_speed(void **state)
{
	const char *events = getenv("CT_MODEL_EVENTS");
	struct sim s;

	if (!events) {
		print_message("SKIP: only where CT_MODEL_EVENTS says how many events\n");
		skip();
	}
	struct loaded l = load_sim(&s, &plans[6], 1, strtoull(events, NULL, 0), 0);
	u64 cnt = l.m->event_cnt;
	ct_model__free(l.m);
	ct_source__rewind(l.source);
	double start = seconds();
	while (ct_source__next(l.source))
		;
	double read = seconds() - start;
	ct_source__rewind(l.source);
	start = seconds();
	l.m = ct_model__build(l.source, NULL);
	double built = seconds() - start;
	struct ct_facts f;
	start = seconds();
	ct_facts__compute(&f, l.m);
	print_message("%" PRIu64
		      " events: reading %.0f ns, model %.0f ns, facts %.0f ns an event\n",
		cnt, read / cnt * 1e9, (built - read) / cnt * 1e9, (seconds() - start) / cnt * 1e9);
	ct_facts__clear(&f);
	free_truth(&s);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_speed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
