/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the merge of all threads' slices by time: a heap holds each thread's next change of state.
 * Changes at one moment are taken in order of the threads' indices.  Must not judge: what a stretch
 * means is the caller's.
 */
#include "sweep.h"

static bool is_before(const struct ct_sweep_cursor *a, const struct ct_sweep_cursor *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->thread < b->thread;
}

static void sift_down(struct ct_sweep *s, u32 i)
{
	struct ct_sweep_cursor c = s->heap[i];

	for (;;) {
		u32 child = 2 * i + 1;
		if (child >= s->heap_cnt)
			break;
		if (child + 1 < s->heap_cnt && is_before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!is_before(&s->heap[child], &c))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = c;
}

void ct_sweep__init(struct ct_sweep *s, const struct ct_model *m)
{
	*s = (struct ct_sweep){ .m = m, .from_ns = m->start_ns, .to_ns = m->start_ns };
	s->heap = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*s->heap));
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		if (th->slices.cnt)
			s->heap[s->heap_cnt++] =
				(struct ct_sweep_cursor){ th->slices.at[0].start_ns, t, 0 };
	}
	for (u32 i = s->heap_cnt / 2; i-- > 0;)
		sift_down(s, i);
}

/* The first of the changes that are due. */
static void take_change(struct ct_sweep *s)
{
	struct ct_sweep_cursor *c = &s->heap[0];
	const struct ct_thread *th = &s->m->threads.at[c->thread];
	bool ends = c->slice == th->slices.cnt;

	if (c->slice)
		s->in_state[th->slices.at[c->slice - 1].state]--;
	if (!ends)
		s->in_state[th->slices.at[c->slice].state]++;
	if (s->changed)
		s->changed(
			s, c->thread, c->slice ? c->slice - 1 : CT_NONE, ends ? CT_NONE : c->slice);
	if (ends)
		s->heap[0] = s->heap[--s->heap_cnt];
	else
		c->at_ns = ct_slice_end(th, c->slice++);
	if (s->heap_cnt)
		sift_down(s, 0);
}

bool ct_sweep__step(struct ct_sweep *s)
{
	s->from_ns = s->to_ns;
	while (s->heap_cnt && s->heap[0].at_ns <= s->to_ns)
		take_change(s);
	if (s->heap_cnt)
		s->to_ns = s->heap[0].at_ns;
	else if (s->to_ns < s->m->end_ns)
		s->to_ns = s->m->end_ns;
	return s->to_ns > s->from_ns;
}

void ct_sweep__clear(struct ct_sweep *s)
{
	free(s->heap);
	s->heap = NULL;
}
