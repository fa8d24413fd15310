/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority inversion: a thread waits for a lock whose holder is runnable and has no CPU, while on
 * that CPU a thread runs that is more important than the holder and not more important than the
 * waiter.
 *
 * The CPU is the one that the holder was on last. Lanes hold, for each CPU, who ran on it when;
 * they are only made where threads differ in priority. O(slices log slices), and O(log) for each
 * time that a holder was kept off its CPU.
 */
#include "findings_int.h"

struct lane_slice {
	ct_ns start_ns, end_ns;
	u32 cpu, thread;
};

struct inversion { /* of one lock */
	ct_ns cost_ns;
	u32 waits;
	u32 waiter, holder, between; /* of the longest one */
	u32 frame;
	ct_ns longest_ns;
};

struct lanes {
	CT_VEC(struct lane_slice) at; /* by CPU, then time */
};

static int compare_slices(const void *a, const void *b)
{
	const struct lane_slice *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static void fill_lanes(struct lanes *l, const struct ct_model *m)
{
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		for (u32 i = 0; i < th->slices.cnt; i++)
			if (th->slices.at[i].state == CT_RUNNING)
				*ct_vec_push(&l->at) =
					(struct lane_slice){ th->slices.at[i].start_ns,
						ct_slice_end(th, i), th->slices.at[i].cpu, t };
	}
	if (l->at.cnt)
		qsort(l->at.at, l->at.cnt, sizeof(*l->at.at), compare_slices);
}

/* The first slice on the CPU that ends after at_ns, or the one after all of that CPU. */
static u32 find_slice(const struct lanes *l, u32 cpu, ct_ns at_ns)
{
	u32 low = 0, high = l->at.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		const struct lane_slice *sl = &l->at.at[mid];
		if (sl->cpu < cpu || (sl->cpu == cpu && sl->end_ns <= at_ns))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct look {
	struct ct_search *s;
	struct lanes lanes;
	struct inversion inv;
};

/* Time in [from, to) in which a thread of a rank between ran on the CPU; *between is the one that
 * did for longest. */
static ct_ns kept_off(const struct look *k, const struct ct_wait *w, u32 holder, u32 cpu,
	ct_ns from_ns, ct_ns to_ns, u32 *between)
{
	const struct ct_thread *threads = k->s->m->threads.at;
	ct_ns sum_ns = 0, longest_ns = 0;

	for (u32 i = find_slice(&k->lanes, cpu, from_ns); i < k->lanes.at.cnt; i++) {
		const struct lane_slice *sl = &k->lanes.at.at[i];
		if (sl->cpu != cpu || sl->start_ns >= to_ns)
			break;
		if (threads[sl->thread].prio < threads[w->thread].prio ||
			threads[sl->thread].prio >= threads[holder].prio)
			continue;
		ct_ns ns = (sl->end_ns < to_ns ? sl->end_ns : to_ns) -
			   (sl->start_ns > from_ns ? sl->start_ns : from_ns);
		sum_ns += ns;
		if (ns > longest_ns) {
			longest_ns = ns;
			*between = sl->thread;
		}
	}
	return sum_ns;
}

static void add_wait(struct look *k, const struct ct_wait *w, const struct ct_hold *h)
{
	const struct ct_thread *holder = &k->s->m->threads.at[h->thread];
	ct_ns from_ns = h->start_ns > w->start_ns ? h->start_ns : w->start_ns;
	ct_ns to_ns = h->end_ns < w->end_ns ? h->end_ns : w->end_ns, sum_ns = 0;
	u32 between = CT_NONE, one = CT_NONE;
	ct_ns most_ns = 0;

	for (u32 i = ct_slice_find(holder, from_ns); i < holder->slices.cnt && from_ns < to_ns;
		i++) {
		ct_ns end_ns = ct_slice_end(holder, i) < to_ns ? ct_slice_end(holder, i) : to_ns;
		if (holder->slices.at[i].state == CT_RUNNABLE) {
			ct_ns ns = kept_off(
				k, w, h->thread, holder->slices.at[i].cpu, from_ns, end_ns, &one);
			sum_ns += ns;
			if (ns > most_ns) {
				most_ns = ns;
				between = one;
			}
		}
		from_ns = end_ns;
	}
	k->inv.cost_ns += sum_ns;
	k->inv.waits += sum_ns > 0;
	if (sum_ns <= k->inv.longest_ns)
		return;
	k->inv.longest_ns = sum_ns;
	k->inv.waiter = w->thread;
	k->inv.holder = h->thread;
	k->inv.between = between;
	k->inv.frame = w->frame;
}

static void tell_inversion(struct look *k, u32 lock)
{
	struct ct_search *s = k->s;
	const struct inversion *v = &k->inv;
	const char *name = ct_say_lock(s, lock), *waiter = ct_say_thread(s, v->waiter);
	const char *holder = ct_say_thread(s, v->holder), *between = ct_say_thread(s, v->between);
	struct ct_finding *f = ct_found__new(s, CT_FIND_PRIORITY_INVERSION, v->cost_ns, true);

	ct_found__thread(f, v->waiter);
	ct_found__thread(f, v->holder);
	ct_found__thread(f, v->between);
	ct_found__lock(f, lock);
	ct_found__frame(f, v->frame);
	f->title =
		ct_asprintf("%s waits for %s behind the less important %s", waiter, name, between);
	f->evidence = ct_asprintf("In %s wait%s for %s, %s in all, the holder %s (kernel priority "
				  "%u) was ready to run and "
				  "off the CPU because %s (%u) had it, while %s (%u; lower goes "
				  "first) waited%s; %s at "
				  "worst.",
		ct_say_count(s, v->waits), v->waits == 1 ? "" : "s", name, ct_say_ns(s, v->cost_ns),
		holder, s->m->threads.at[v->holder].prio, between,
		s->m->threads.at[v->between].prio, waiter, s->m->threads.at[v->waiter].prio,
		ct_say_at(s, v->frame), ct_say_ns(s, v->longest_ns));
	f->advice =
		ct_asprintf("Make %s a priority-inheritance mutex (pthread_mutexattr_setprotocol, "
			    "PTHREAD_PRIO_INHERIT), or do not let %s and %s share it.",
			name, waiter, holder);
}

static void look_at(struct look *k, u32 lock)
{
	const struct ct_model *m = k->s->m;
	const struct ct_lock *l = &m->locks.at[lock];
	u32 hold = 0;

	k->inv = (struct inversion){ .waiter = CT_NONE };
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[l->waits.at[i]];
		while (hold < l->holds.cnt && l->holds.at[hold].end_ns <= w->start_ns)
			hold++;
		for (u32 h = hold; h < l->holds.cnt && l->holds.at[h].start_ns < w->end_ns; h++)
			if (m->threads.at[w->thread].prio <
				m->threads.at[l->holds.at[h].thread].prio)
				add_wait(k, w, &l->holds.at[h]);
	}
	if (k->inv.waits >= ct_threshold(CT_T_INVERSION_WAITS) && ct_worth(k->s, k->inv.cost_ns))
		tell_inversion(k, lock);
}

static bool ranks_differ(const struct ct_model *m)
{
	for (u32 i = 1; i < m->threads.cnt; i++)
		if (m->threads.at[i].prio != m->threads.at[0].prio)
			return true;
	return false;
}

void ct_find_priority_inversion(struct ct_search *s)
{
	struct look k = { .s = s };

	if (!ranks_differ(s->m))
		return;
	fill_lanes(&k.lanes, s->m);
	for (u32 i = 0; i < s->m->locks.cnt; i++)
		if (s->m->locks.at[i].waits.cnt && s->m->locks.at[i].holds.cnt)
			look_at(&k, i);
	ct_vec_free(&k.lanes.at);
}
