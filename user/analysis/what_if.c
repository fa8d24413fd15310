/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one change would have been worth: the recorded work replayed (replay.c) as it was, which
 * says how well the replay fits, and with the change.  A prediction is the recorded time times the
 * ratio of the two replays: what the replay does not know of counts as much after the change as
 * before.
 *
 * The bound beside it counts nothing of that: the replay's own time, or the prediction if that is
 * less.  No run can be shorter, as far as the recording tells, so a change saves no more than up to
 * there.  It may save less: what would get in the way only after it (a lock that nobody had to wait
 * for before, a cache, a bus) has not been recorded.
 */
#include "analysis/replay.h"

/* Beyond this the replay is not of this run: nothing is predicted from it. */
#define ERROR_MAX 0.5
/* Replayed faster than it was by more than this: other programs had some of the CPUs.  Less than
 * this is also seen on idle machines, where the kernel keeps threads that wake each other on one
 * CPU. */
#define ERROR_CROWDED (-0.35)
/* Locks asked about, by what they cost: who has mended three measures again. */
#define LOCKS_MAX 3
#define SPLIT_PARTS 16 /* so many that a handful of threads seldom meet at one of them */
/* A lock's waits, a device's: less than this share of the run and no change there is worth a
 * replay. */
#define SHARE_MIN 0.01
/* Threads of a role: the longest computes this much more than the shortest, or they are even. */
#define UNEVEN 1.1

struct ask {
	struct ct_what_if *w;
	struct ct_work work;
	u32 cpus;
};

static struct ct_prediction change_of(enum ct_change change)
{
	return (struct ct_prediction){ .change = change, .lock = CT_NONE, .thread = CT_NONE };
}

static void predict(struct ask *a, struct ct_prediction p)
{
	struct ct_replay_result r = ct_replay(&a->work, &p, a->cpus);
	ct_ns run_ns = a->w->duration_ns, work_ns = a->work.work_ns;
	ct_ns rest_ns = run_ns > work_ns ? run_ns - work_ns : 0;
	double ratio = a->w->baseline_ns ? (double)r.end_ns / (double)a->w->baseline_ns : 1;
	ct_ns scaled_ns = (ct_ns)((double)work_ns * ratio + 0.5);

	p.duration_ns = rest_ns + scaled_ns;
	p.least_ns = rest_ns + (r.end_ns < scaled_ns ? r.end_ns : scaled_ns);
	p.saves_ns = p.least_ns < run_ns && p.duration_ns <= run_ns ? run_ns - p.least_ns : 0;
	p.speedup = p.duration_ns ? (double)a->w->duration_ns / (double)p.duration_ns : 1;
	*ct_vec_push(&a->w->at) = p;
}

/* ---- the baseline ---- */

static double error_of(const struct ask *a, ct_ns replayed_ns)
{
	double work_ns = (double)a->work.work_ns;

	return work_ns > 0 ? ((double)replayed_ns - work_ns) / work_ns : 0;
}

static struct ct_replay_result replay_as_it_was(struct ask *a, u32 cpus)
{
	struct ct_prediction same = change_of(CT_CHANGE_NONE);
	struct ct_replay_result r = ct_replay(&a->work, &same, cpus);

	a->w->baseline_ns = r.end_ns;
	a->w->forced_cnt = r.forced_cnt;
	a->w->baseline_error = error_of(a, r.end_ns);
	a->cpus = cpus;
	return r;
}

static double distance(double x)
{
	return x < 0 ? -x : x;
}

/* With fewer CPUs than there were, if that fits better: the others were busy with other programs.
 */
static void find_baseline(struct ask *a)
{
	u32 cpus = a->work.m->run->cpus ? a->work.m->run->cpus : 1, best = cpus;

	replay_as_it_was(a, cpus);
	double error = a->w->baseline_error;
	while (error < ERROR_CROWDED && cpus > 1) {
		replay_as_it_was(a, --cpus);
		if (distance(a->w->baseline_error) >= distance(error))
			break;
		error = a->w->baseline_error;
		best = cpus;
	}
	if (a->cpus != best)
		replay_as_it_was(a, best);
	a->w->cpus = best;
	a->w->usable = a->w->baseline_ns && distance(a->w->baseline_error) <= ERROR_MAX;
}

/* ---- which changes ---- */

struct lock_cost {
	ct_ns ns;
	u32 lock;
};

static int compare_costs(const void *a, const void *b)
{
	const struct lock_cost *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->lock < y->lock ? -1 : x->lock > y->lock;
}

static bool is_worth(const struct ask *a, ct_ns ns)
{
	return (double)ns >= SHARE_MIN * (double)a->w->duration_ns;
}

static void ask_locks(struct ask *a)
{
	const struct ct_model *m = a->work.m;
	struct lock_cost *costs = ct_alloc(m->locks.cnt * sizeof(*costs));
	u32 cnt = 0;

	for (u32 i = 0; i < m->locks.cnt; i++) {
		const struct ct_lock *l = &m->locks.at[i];
		bool known = a->work.is_lock[i] || l->kind == CT_LK_RWLOCK;
		if (known && is_worth(a, l->wait_ns))
			costs[cnt++] = (struct lock_cost){ l->wait_ns, i };
	}
	qsort(costs, cnt, sizeof(*costs), compare_costs);
	for (u32 i = 0; i < cnt && i < LOCKS_MAX; i++) {
		struct ct_prediction p = change_of(CT_CHANGE_LOCK_FREE);
		p.lock = costs[i].lock;
		predict(a, p);
		p.change = CT_CHANGE_LOCK_SPLIT;
		p.parts = SPLIT_PARTS;
		if (!i && a->work.is_lock[p.lock])
			predict(a, p);
	}
	free(costs);
}

static void ask_cpus(struct ask *a)
{
	struct ct_prediction p = change_of(CT_CHANGE_CPUS);
	u32 threads = a->work.m->threads.cnt;

	if (threads < 2)
		return;
	if (a->cpus > 1) {
		p.parts = 1;
		predict(a, p);
	}
	p.parts = 2 * a->work.m->run->cpus;
	predict(a, p);
	p.parts = 0;
	if (threads > 2 * a->work.m->run->cpus)
		predict(a, p);
}

static void ask_io(struct ask *a)
{
	ct_ns ns = 0;

	for (u32 t = 0; t < a->work.m->threads.cnt; t++) {
		const struct ct_thread *th = &a->work.m->threads.at[t];
		for (u32 i = CT_LOCK; i < CT_STATES; i++)
			ns += ct_is_io(i) ? th->state_ns[i] : 0;
	}
	if (!is_worth(a, ns))
		return;
	predict(a, change_of(CT_CHANGE_IO_FREE));
	predict(a, change_of(CT_CHANGE_IO_OVERLAP));
}

/* The thread that computes most. */
static void ask_half(struct ask *a)
{
	struct ct_prediction p = change_of(CT_CHANGE_HALF_WORK);

	for (u32 t = 0; t < a->work.m->threads.cnt; t++)
		if (a->work.cpu_ns[t] &&
			(p.thread == CT_NONE || a->work.cpu_ns[t] > a->work.cpu_ns[p.thread]))
			p.thread = t;
	if (p.thread != CT_NONE && is_worth(a, a->work.cpu_ns[p.thread]))
		predict(a, p);
}

/* Of the roles (threads of a process that started in one function) whose work is uneven, the one
 * whose longest thread computes most. */
static void ask_even(struct ask *a)
{
	const struct ct_thread *threads = a->work.m->threads.at;
	const ct_ns *cpu_ns = a->work.cpu_ns;
	struct ct_prediction p = change_of(CT_CHANGE_EVEN_WORK);

	for (u32 t = 0; t < a->work.m->threads.cnt; t++) {
		ct_ns least_ns = cpu_ns[t];
		if (!threads[t].start_frame || !is_worth(a, cpu_ns[t]))
			continue;
		if (p.thread != CT_NONE && cpu_ns[t] <= cpu_ns[p.thread])
			continue;
		for (u32 i = 0; i < a->work.m->threads.cnt; i++)
			if (threads[i].process == threads[t].process &&
				threads[i].start_frame == threads[t].start_frame &&
				cpu_ns[i] < least_ns)
				least_ns = cpu_ns[i];
		if ((double)cpu_ns[t] > UNEVEN * (double)least_ns)
			p.thread = t;
	}
	if (p.thread != CT_NONE)
		predict(a, p);
}

static int compare_predictions(const void *a, const void *b)
{
	const struct ct_prediction *x = a, *y = b;

	if (x->duration_ns != y->duration_ns)
		return x->duration_ns < y->duration_ns ? -1 : 1;
	if (x->change != y->change)
		return x->change < y->change ? -1 : 1;
	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->parts < y->parts ? -1 : x->parts > y->parts;
}

void ct_what_if__compute(struct ct_what_if *w, const struct ct_model *m)
{
	struct ask a = { .w = w };

	*w = (struct ct_what_if){ .duration_ns = m->end_ns - m->start_ns };
	ct_work__extract(&a.work, m);
	find_baseline(&a);
	if (w->usable) {
		ask_locks(&a);
		ask_cpus(&a);
		ask_io(&a);
		ask_half(&a);
		ask_even(&a);
	}
	if (w->at.cnt)
		qsort(w->at.at, w->at.cnt, sizeof(*w->at.at), compare_predictions);
	ct_work__clear(&a.work);
}

void ct_what_if__clear(struct ct_what_if *w)
{
	ct_vec_free(&w->at);
}
