/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what is done once, when the last event has been read: threads cut by the end, loss marks,
 * sums, holders, and the order of threads and waits that ct_model.h promises. O(model), and O(n log
 * n) in threads and losses.
 */
#include "model/model_int.h"

/* ---- ends ------------------------------------------------------------------------------------ */

static void settle_at_end(struct build *b, u32 t)
{
	if (b->now.at[t].doing != DOING_UNSURE)
		return;
	if (b->now.at[t].runs_at_start) /* nothing took its CPU away, all the time */
		model_settle_running(b, t, 0);
	else if (!b->now.at[t].seen)
		model_settle_blocked(b, t);
}

static void end_threads(struct build *b)
{
	struct ct_model *m = b->m;

	m->end_ns = m->run->end_ns > b->ts ? m->run->end_ns : b->ts;
	if (m->end_ns < m->start_ns)
		m->end_ns = m->start_ns;
	for (u32 t = 0; t < m->threads.cnt; t++) {
		if (b->now.at[t].doing == DOING_ENDED)
			continue;
		if (!b->now.at[t].recording) {
			m->threads.at[t].end_ns = m->threads.at[t].start_ns;
			continue;
		}
		settle_at_end(b, t);
		model_finish_thread(b, t, m->end_ns);
	}
	for (u32 i = 0; i < b->stray_cnt.cnt; i++)
		m->anomalies += b->stray_cnt.at[i];
}

/* ---- loss ------------------------------------------------------------------------------------ */

struct span {
	ct_ns start, end;
};
typedef CT_VEC(struct span) spans;

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* The union of all losses: sorted, apart from each other. */
static void merge_losses(const struct ct_model *m, spans *out)
{
	u32 cnt = 0;

	for (u32 i = 0; i < m->losses.cnt; i++) {
		struct span *s = ct_vec_push(out);
		s->start = m->losses.at[i].since_ns;
		s->end = m->losses.at[i].until_ns;
	}
	if (out->cnt)
		qsort(out->at, out->cnt, sizeof(*out->at), compare_spans);
	for (u32 i = 0; i < out->cnt; i++) {
		if (cnt && out->at[i].start <= out->at[cnt - 1].end) {
			if (out->at[cnt - 1].end < out->at[i].end)
				out->at[cnt - 1].end = out->at[i].end;
		} else {
			out->at[cnt++] = out->at[i];
		}
	}
	out->cnt = cnt;
}

static void mark_losses(struct ct_thread *th, const spans *losses)
{
	u32 k = 0;

	for (u32 i = 0; i < th->slices.cnt; i++) {
		while (k < losses->cnt && losses->at[k].end < th->slices.at[i].start_ns)
			k++;
		if (k == losses->cnt)
			return;
		if (losses->at[k].start > ct_slice_end(th, i))
			continue;
		th->slices.at[i].flags |= CT_SLICE_LOSS;
		th->flags |= CT_THREAD_LOSS;
	}
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void sum_slices(struct build *b, struct ct_thread *th)
{
	for (u32 i = 0; i < th->slices.cnt; i++) {
		const struct ct_slice *s = &th->slices.at[i];
		ct_ns ns = ct_slice_end(th, i) - s->start_ns;

		th->state_ns[s->state] += ns;
		if (s->state != CT_RUNNABLE)
			continue;
		th->runnable_cnt++;
		if (th->runnable_max_ns < ns)
			th->runnable_max_ns = ns;
		if (s->wait != CT_NONE && b->m->waits.at[s->wait].lock != CT_NONE)
			b->m->locks.at[b->m->waits.at[s->wait].lock].runnable_ns += ns;
	}
}

static void take_off(u64 *total, u64 before)
{
	*total = *total > before ? *total - before : 0;
}

/* The kernel's totals become those of the recording. */
static void settle_counts(struct ct_thread *th)
{
	if (!th->kernel_voluntary && !th->kernel_involuntary && !th->cpu_ns) {
		th->flags &= ~CT_THREAD_COUNTED; /* it never said */
		return;
	}
	take_off(&th->kernel_voluntary, th->before_voluntary);
	take_off(&th->kernel_involuntary, th->before_involuntary);
	take_off(&th->cpu_ns, th->before_cpu_ns);
}

static void sum_waits(struct ct_model *m)
{
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (w->lock == CT_NONE)
			continue;
		struct ct_lock *l = &m->locks.at[w->lock];
		ct_ns ns = w->end_ns - w->start_ns;
		l->wait_ns += ns;
		if (l->max_wait_ns < ns)
			l->max_wait_ns = ns;
		if (w->flags & CT_WAIT_TIMED_OUT)
			l->timeout_cnt++;
	}
}

static void name_processes(struct ct_model *m)
{
	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *th = &m->threads.at[i];
		struct ct_process *p = &m->processes.at[th->process];
		if (th->tid == p->pid || !p->name)
			p->name = th->name;
	}
}

/* ---- order ----------------------------------------------------------------------------------- */

struct place {
	ct_ns start;
	u32 tid, idx; /* tid: 0 for waits */
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->idx < y->idx ? -1 : x->idx > y->idx;
}

static void rename_waits(struct ct_model *m, const u32 *to)
{
	for (u32 t = 0; t < m->threads.cnt; t++)
		for (u32 i = 0; i < m->threads.at[t].slices.cnt; i++) {
			struct ct_slice *s = &m->threads.at[t].slices.at[i];
			if (s->wait != CT_NONE)
				s->wait = to[s->wait];
		}
	for (u32 i = 0; i < m->locks.cnt; i++)
		m->locks.at[i].waits.cnt = 0;
	for (u32 i = 0; i < m->waits.cnt; i++)
		if (m->waits.at[i].lock != CT_NONE)
			*ct_vec_push(&m->locks.at[m->waits.at[i].lock].waits) = i;
}

/* Waits are in order as they come, but for those that were learned of later than they began. */
static void order_waits(struct build *b)
{
	struct ct_model *m = b->m;
	u32 cnt = m->waits.cnt;

	if (!b->late_waits)
		return;
	struct place *places = ct_alloc((size_t)cnt * sizeof(*places));
	struct ct_wait *sorted = ct_alloc((size_t)cnt * sizeof(*sorted));
	u32 *to = ct_alloc((size_t)cnt * sizeof(*to));
	for (u32 i = 0; i < cnt; i++)
		places[i] = (struct place){ m->waits.at[i].start_ns, 0, i };
	qsort(places, cnt, sizeof(*places), compare_places);
	for (u32 i = 0; i < cnt; i++) {
		to[places[i].idx] = i;
		sorted[i] = m->waits.at[places[i].idx];
	}
	free(m->waits.at);
	m->waits.at = sorted;
	m->waits.cap = cnt;
	rename_waits(m, to);
	free(places);
	free(to);
}

static void rename_thread(const u32 *to, u32 *t)
{
	if (*t != CT_NONE)
		*t = to[*t];
}

static void rename_threads(struct ct_model *m, const u32 *to)
{
	for (u32 i = 0; i < m->threads.cnt; i++)
		rename_thread(to, &m->threads.at[i].parent);
	for (u32 i = 0; i < m->waits.cnt; i++) {
		rename_thread(to, &m->waits.at[i].thread);
		rename_thread(to, &m->waits.at[i].owner);
		rename_thread(to, &m->waits.at[i].waker);
		rename_thread(to, &m->waits.at[i].target);
	}
	for (u32 i = 0; i < m->wakes.cnt; i++) {
		rename_thread(to, &m->wakes.at[i].waker);
		rename_thread(to, &m->wakes.at[i].wakee);
	}
	for (u32 i = 0; i < m->samples.cnt; i++)
		rename_thread(to, &m->samples.at[i].thread);
	for (u32 i = 0; i < m->touches.cnt; i++)
		rename_thread(to, &m->touches.at[i].thread);
	for (u32 i = 0; i < m->locks.cnt; i++)
		for (u32 k = 0; k < m->locks.at[i].holds.cnt; k++)
			rename_thread(to, &m->locks.at[i].holds.at[k].thread);
}

static void order_threads(struct ct_model *m)
{
	u32 cnt = m->threads.cnt;
	struct place *places = ct_alloc((size_t)cnt * sizeof(*places));
	struct ct_thread *sorted;
	u32 *to, moved = 0;

	for (u32 i = 0; i < cnt; i++)
		places[i] = (struct place){ m->threads.at[i].start_ns, m->threads.at[i].tid, i };
	qsort(places, cnt, sizeof(*places), compare_places);
	for (u32 i = 0; i < cnt; i++)
		moved += places[i].idx != i;
	if (moved) {
		to = ct_alloc((size_t)cnt * sizeof(*to));
		sorted = ct_alloc((size_t)cnt * sizeof(*sorted));
		for (u32 i = 0; i < cnt; i++) {
			to[places[i].idx] = i;
			sorted[i] = m->threads.at[places[i].idx];
		}
		free(m->threads.at);
		m->threads.at = sorted;
		m->threads.cap = cnt;
		rename_threads(m, to);
		free(to);
	}
	free(places);
}

/* ---- holds and their slices ------------------------------------------------------------------ */

static u32 first_slice(const struct ct_thread *th, ct_ns at)
{
	u32 low = 0, high = th->slices.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (ct_slice_end(th, mid) <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Thread by thread: the slices of one fit in a cache, those of thousands of threads do not. */
static void place_holds(struct ct_model *m)
{
	struct ct_hold **order;
	size_t *from = ct_alloc(((size_t)m->threads.cnt + 2) * sizeof(*from)), sum = 0;

	for (u32 i = 0; i < m->locks.cnt; i++)
		for (u32 k = 0; k < m->locks.at[i].holds.cnt; k++)
			from[m->locks.at[i].holds.at[k].thread + 2]++;
	for (u32 t = 0; t < m->threads.cnt; t++)
		sum = from[t + 2] += sum;
	order = ct_alloc((sum + 1) * sizeof(struct ct_hold *));
	for (u32 i = 0; i < m->locks.cnt; i++)
		for (u32 k = 0; k < m->locks.at[i].holds.cnt; k++) {
			struct ct_hold *h = &m->locks.at[i].holds.at[k];
			order[from[h->thread + 1]++] = h;
		}
	for (size_t i = 0; i < sum; i++)
		order[i]->slice = first_slice(&m->threads.at[order[i]->thread], order[i]->start_ns);
	free(order);
	free(from);
}

void model_finish(struct build *b)
{
	struct ct_model *m = b->m;
	spans losses = { 0 };

	m->end_ns = 0;
	end_threads(b);
	merge_losses(m, &losses);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		mark_losses(&m->threads.at[t], &losses);
		sum_slices(b, &m->threads.at[t]);
		settle_counts(&m->threads.at[t]);
	}
	ct_vec_free(&losses);
	sum_waits(m);
	order_waits(b);
	for (u32 i = 0; i < m->locks.cnt; i++)
		model_holds(b, i);
	order_threads(m);
	place_holds(m);
	model_touches_finish(b);
	name_processes(m);
	model_number_twins(m);
}
