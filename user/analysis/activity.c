/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How busy the CPUs were with the program's own threads, in one sweep: when a CPU was to spare, who
 * queued for a CPU behind threads of the program itself and not of others, when nothing ran because
 * of a single wait, and what a switch costs.
 *
 * Whose fault a wait for a CPU is: each CPU has a clock that runs while a thread of the program is
 * on it. What that clock shows more at the end of a thread's wait is the time that it queued behind
 * its own kind; the rest goes to other programs. The CPU is the one that it gets in the end, or the
 * one that it was on before, whichever was busier.
 *
 * Cost of a switch: the slices that end in a voluntary switch cannot be shorter than the way in and
 * the way out, so the shortest of them, by the 5th percentile, say what a switch costs with all
 * that belongs to it (the recording, too).
 */
#include "findings_int.h"
#include "sweep.h"

#define COST_STEP_NS 100u
#define COST_CELLS 64u

struct watch {
	struct ct_activity *a;
	struct ct_sweep sweep;
	const struct ct_model *m;
	u32 cpu_cnt; /* highest that occurs + 1 */
	ct_ns *busy_ns, *busy_since_ns; /* [CPU] its clock; when it began to run */
	u32 *busy;		       /* [CPU] threads on it: 0 or 1 */
	ct_ns (*queued_from)[2];	       /* [threads] the two clocks when it began to queue */
	u32 outside;		       /* threads that wait for the outside */
	u64 outside_sum;	       /* of their indices: with one, which */
	u32 *sole_wait;		       /* [threads] last wait that was the only one */
	ct_ns *sole_ns;		       /* [threads] of it */
	double crowd_ns;	       /* threads x ns */
};

bool ct_is_outside(enum ct_state s)
{
	return s == CT_SLEEP || s == CT_IO_DISK || s == CT_IO_NET || s == CT_PIPE || s == CT_FAULT;
}

/* ---- clocks of the CPUs ---- */

static ct_ns read_clock(const struct watch *w, u32 cpu, ct_ns at_ns)
{
	return w->busy_ns[cpu] + (w->busy[cpu] ? at_ns - w->busy_since_ns[cpu] : 0);
}

static u32 next_cpu(const struct ct_thread *t, u32 slice)
{
	const struct ct_slice *next = slice + 1 < t->slices.cnt ? &t->slices.at[slice + 1] : NULL;

	return next && next->state == CT_RUNNING ? next->cpu : t->slices.at[slice].cpu;
}

static void begin_slice(struct watch *w, u32 thread, u32 slice, ct_ns at_ns)
{
	const struct ct_thread *t = &w->m->threads.at[thread];
	const struct ct_slice *sl = &t->slices.at[slice];

	if (sl->state == CT_RUNNING && !w->busy[sl->cpu]++)
		w->busy_since_ns[sl->cpu] = at_ns;
	if (sl->state == CT_RUNNABLE) {
		w->queued_from[thread][0] = read_clock(w, sl->cpu, at_ns);
		w->queued_from[thread][1] = read_clock(w, next_cpu(t, slice), at_ns);
	}
	if (ct_is_outside(sl->state)) {
		w->outside++;
		w->outside_sum += thread;
	}
}

static void end_slice(struct watch *w, u32 thread, u32 slice, ct_ns at_ns)
{
	const struct ct_thread *t = &w->m->threads.at[thread];
	const struct ct_slice *sl = &t->slices.at[slice];

	if (sl->state == CT_RUNNING && !--w->busy[sl->cpu])
		w->busy_ns[sl->cpu] += at_ns - w->busy_since_ns[sl->cpu];
	if (sl->state == CT_RUNNABLE) {
		ct_ns here = read_clock(w, sl->cpu, at_ns) - w->queued_from[thread][0];
		ct_ns there = read_clock(w, next_cpu(t, slice), at_ns) - w->queued_from[thread][1];
		w->a->own_queue_ns[thread] += here > there ? here : there;
	}
	if (ct_is_outside(sl->state)) {
		w->outside--;
		w->outside_sum -= thread;
	}
}

static void on_change(struct ct_sweep *s, u32 thread, u32 old_slice, u32 new_slice)
{
	if (old_slice != CT_NONE)
		end_slice(s->arg, thread, old_slice, s->to_ns);
	if (new_slice != CT_NONE)
		begin_slice(s->arg, thread, new_slice, s->to_ns);
}

/* ---- what a stretch adds ---- */

static void add_step(struct watch *w, bool spare, ct_ns from_ns)
{
	struct ct_activity *a = w->a;
	const struct ct_activity_step *last = a->steps.cnt ? &a->steps.at[a->steps.cnt - 1] : NULL;
	ct_ns before_ns = 0;

	if (last && last->spare == spare)
		return;
	if (last)
		before_ns = last->spare_ns + (last->spare ? from_ns - last->at_ns : 0);
	*ct_vec_push(&a->steps) = (struct ct_activity_step){
		.at_ns = from_ns, .spare_ns = before_ns, .spare = spare
	};
}

/* The current slice of a thread at the sweep's time. */
static u32 wait_now(const struct ct_thread *t, ct_ns at_ns)
{
	u32 i = ct_slice_find(t, at_ns);

	return i < t->slices.cnt ? t->slices.at[i].wait : CT_NONE;
}

/* Waiting for other threads of the program, by way of which somebody else could be waited for. */
static u32 count_peers(const struct ct_sweep *s)
{
	return s->in_state[CT_LOCK] + s->in_state[CT_RWLOCK] + s->in_state[CT_COND] +
	       s->in_state[CT_SEM] + s->in_state[CT_BARRIER] + s->in_state[CT_FUTEX_OTHER];
}

static void add_sole(struct watch *w, ct_ns ns)
{
	const struct ct_sweep *s = &w->sweep;
	u32 t = (u32)w->outside_sum;
	u32 wait;

	if (w->outside != 1 || s->in_state[CT_RUNNING] || s->in_state[CT_RUNNABLE] ||
		count_peers(s))
		return;
	wait = wait_now(&w->m->threads.at[t], s->from_ns);
	if (wait == CT_NONE)
		return;
	struct ct_sole_wait *sole = &w->a->sole[t];
	if (wait != w->sole_wait[t]) {
		w->sole_wait[t] = wait;
		w->sole_ns[t] = 0;
		sole->waits++;
	}
	w->sole_ns[t] += ns;
	sole->ns += ns;
	if (sole->max_ns < w->sole_ns[t])
		sole->max_ns = w->sole_ns[t];
}

static void add_stretch(struct watch *w)
{
	const struct ct_sweep *s = &w->sweep;
	ct_ns ns = s->to_ns - s->from_ns;
	u32 running = s->in_state[CT_RUNNING], cpus = w->m->run->cpus ? w->m->run->cpus : 1;
	u32 demand = running + s->in_state[CT_RUNNABLE];

	add_step(w, running < w->a->cpus, s->from_ns);
	w->a->cpu_ns += ns * running;
	if (demand > cpus * ct_threshold(CT_T_CROWD_PER_CPU)) {
		w->a->crowded_ns += ns;
		w->crowd_ns += (double)ns * demand;
	}
	add_sole(w, ns);
}

ct_ns ct_activity__spare(const struct ct_activity *a, ct_ns from_ns, ct_ns to_ns)
{
	ct_ns sum[2] = { 0 };

	for (u32 side = 0; side < 2; side++) {
		ct_ns at_ns = side ? to_ns : from_ns;
		u32 low = 0, high = a->steps.cnt;
		while (low < high) {
			u32 mid = low + (high - low) / 2;
			if (a->steps.at[mid].at_ns <= at_ns)
				low = mid + 1;
			else
				high = mid;
		}
		if (!low)
			continue;
		const struct ct_activity_step *st = &a->steps.at[low - 1];
		sum[side] = st->spare_ns + (st->spare ? at_ns - st->at_ns : 0);
	}
	return sum[1] > sum[0] ? sum[1] - sum[0] : 0;
}

/* ---- what a switch costs ---- */

static void measure_switches(struct ct_activity *a, const struct ct_model *m)
{
	u64 cells[COST_CELLS + 1] = { 0 }, all = 0, sum = 0;

	a->switch_ns = ct_threshold(CT_T_SWITCH_COST_MIN_NS);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		a->switches += th->voluntary + th->involuntary;
		for (u32 i = 0; i + 1 < th->slices.cnt; i++) {
			if (th->slices.at[i].state != CT_RUNNING ||
				!ct_state_blocked(th->slices.at[i + 1].state))
				continue;
			ct_ns cell =
				(ct_slice_end(th, i) - th->slices.at[i].start_ns) / COST_STEP_NS;
			cells[cell < COST_CELLS ? cell : COST_CELLS]++;
			all++;
		}
	}
	if (all < ct_threshold(CT_T_SWITCH_SLICES))
		return;
	a->switch_measured = true;
	for (u32 i = 0; i <= COST_CELLS; i++) {
		sum += cells[i];
		if (sum * 20 < all)
			continue;
		ct_ns ns = (ct_ns)i * COST_STEP_NS, max = ct_threshold(CT_T_SWITCH_COST_MAX_NS);
		if (ns > a->switch_ns)
			a->switch_ns = ns < max ? ns : max;
		return;
	}
}

/* Where the thread ran once it had settled: what binds itself to a CPU does so when it begins. */
static void add_settled(const struct ct_thread *t, bool *settled)
{
	u32 cnt = t->slices.cnt;
	ct_ns start_ns = cnt ? t->slices.at[0].start_ns : 0;
	ct_ns life_ns = cnt ? ct_slice_end(t, cnt - 1) - start_ns : 0;

	for (u32 i = 0; i < cnt; i++)
		if (t->slices.at[i].state == CT_RUNNING &&
			t->slices.at[i].start_ns > start_ns + life_ns / 10)
			settled[t->slices.at[i].cpu] = true;
}

static bool is_trifle(ct_ns ns, ct_ns all_ns)
{
	return (double)ns * 1000 < (double)all_ns * (double)ct_threshold(CT_T_USED_PERMILLE);
}

/* CPUs that took more than a trifle of the program's time, or on which threads that did still ran
 * when they had settled: a program that binds itself to one CPU has no other to spare, whatever the
 * machine has; but threads that a lock lets run one at a time need no more than one, either. */
static u32 count_used(const struct ct_model *m, u32 cpu_cnt)
{
	ct_ns *ran_ns = ct_alloc(cpu_cnt * sizeof(*ran_ns)), all_ns = 0;
	ct_ns *own_ns = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*own_ns));
	bool *settled = ct_alloc(cpu_cnt * sizeof(*settled));
	u32 used = 0, most = m->run->cpus ? m->run->cpus : 1;

	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		for (u32 i = 0; i < th->slices.cnt; i++) {
			ct_ns ns = ct_slice_end(th, i) - th->slices.at[i].start_ns;
			if (th->slices.at[i].state != CT_RUNNING)
				continue;
			ran_ns[th->slices.at[i].cpu] += ns;
			own_ns[t] += ns;
			all_ns += ns;
		}
	}
	for (u32 t = 0; t < m->threads.cnt; t++)
		if (!is_trifle(own_ns[t], all_ns))
			add_settled(&m->threads.at[t], settled);
	for (u32 i = 0; i < cpu_cnt; i++)
		used += !is_trifle(ran_ns[i], all_ns) || settled[i];
	free(settled);
	free(own_ns);
	free(ran_ns);
	return !used ? 1 : used < most ? used : most;
}

static u32 count_cpus(const struct ct_model *m)
{
	u32 cnt = 1;

	for (u32 t = 0; t < m->threads.cnt; t++)
		for (u32 i = 0; i < m->threads.at[t].slices.cnt; i++)
			if (m->threads.at[t].slices.at[i].cpu >= cnt)
				cnt = m->threads.at[t].slices.at[i].cpu + 1u;
	return cnt;
}

void ct_activity__compute(struct ct_activity *a, const struct ct_model *m)
{
	struct watch w = { .a = a, .m = m, .cpu_cnt = count_cpus(m) };
	size_t threads = (size_t)m->threads.cnt + 1;

	*a = (struct ct_activity){ .cpus = count_used(m, w.cpu_cnt) };
	a->own_queue_ns = ct_alloc(threads * sizeof(*a->own_queue_ns));
	a->sole = ct_alloc(threads * sizeof(*a->sole));
	w.busy_ns = ct_alloc(w.cpu_cnt * sizeof(*w.busy_ns));
	w.busy_since_ns = ct_alloc(w.cpu_cnt * sizeof(*w.busy_since_ns));
	w.busy = ct_alloc(w.cpu_cnt * sizeof(*w.busy));
	w.queued_from = ct_alloc(threads * sizeof(*w.queued_from));
	w.sole_wait = ct_alloc(threads * sizeof(*w.sole_wait));
	w.sole_ns = ct_alloc(threads * sizeof(*w.sole_ns));
	for (size_t i = 0; i < threads; i++)
		w.sole_wait[i] = CT_NONE;
	ct_sweep__init(&w.sweep, m);
	w.sweep.changed = on_change;
	w.sweep.arg = &w;
	while (ct_sweep__step(&w.sweep))
		add_stretch(&w);
	ct_sweep__clear(&w.sweep);
	a->crowd = a->crowded_ns ? w.crowd_ns / (double)a->crowded_ns : 0;
	measure_switches(a, m);
	free(w.busy_ns);
	free(w.busy_since_ns);
	free(w.busy);
	free(w.queued_from);
	free(w.sole_wait);
	free(w.sole_ns);
}

void ct_activity__clear(struct ct_activity *a)
{
	ct_vec_free(&a->steps);
	free(a->own_queue_ns);
	free(a->sole);
	*a = (struct ct_activity){ 0 };
}
