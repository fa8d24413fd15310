/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many threads ran at once.  One sweep over the slices of all threads in order of time: a heap
 * holds each thread's next change of state.  O(slices x log threads) time, O(threads) memory.
 * Threads of one CPU never overlap, so the count is that of CPUs in use by the program.
 */
#include "ct_findings.h"

struct cursor {
	ct_ns at;   /* of the next change */
	u32 thread;
	u32 slice;  /* that begins then; slices.cnt: the thread ends */
};

struct sweep {
	const struct ct_model *m;
	struct ct_parallelism *p;
	struct cursor *heap;
	u32 heap_cnt;
	u32 running, runnable;
	u32 cap;
	ct_ns now;
};

static bool before(const struct cursor *a, const struct cursor *b)
{
	return a->at != b->at ? a->at < b->at : a->thread < b->thread;
}

static void sift_down(struct sweep *s, u32 i)
{
	struct cursor c = s->heap[i];

	for (;;) {
		u32 child = 2 * i + 1;
		if (child >= s->heap_cnt)
			break;
		if (child + 1 < s->heap_cnt && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &c))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = c;
}

static void fill_heap(struct sweep *s)
{
	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		const struct ct_thread *th = &s->m->threads.at[t];
		if (th->slices.cnt)
			s->heap[s->heap_cnt++] = (struct cursor){ th->slices.at[0].start_ns, t, 0 };
	}
	for (u32 i = s->heap_cnt / 2; i-- > 0;)
		sift_down(s, i);
}

static void advance_to(struct sweep *s, ct_ns at)
{
	struct ct_parallelism *p = s->p;

	if (at > s->now) {
		while (p->cnt <= s->running) {
			if (p->cnt == s->cap) {
				s->cap = s->cap ? s->cap * 2 : 16;
				p->running_ns = ct_realloc(p->running_ns, s->cap * sizeof(ct_ns));
			}
			p->running_ns[p->cnt++] = 0;
		}
		p->running_ns[s->running] += at - s->now;
		if (s->runnable)
			p->wait_cpu_ns += at - s->now;
		s->now = at;
	}
}

static void count_state(struct sweep *s, u32 state, u32 by)
{
	if (state == CT_RUNNING)
		s->running += by;
	else if (state == CT_RUNNABLE)
		s->runnable += by;
}

static void step(struct sweep *s)
{
	struct cursor *c = &s->heap[0];
	const struct ct_thread *th = &s->m->threads.at[c->thread];

	advance_to(s, c->at);
	if (c->slice)
		count_state(s, th->slices.at[c->slice - 1].state, -1u);
	if (c->slice == th->slices.cnt) {
		s->heap[0] = s->heap[--s->heap_cnt];
	} else {
		count_state(s, th->slices.at[c->slice].state, 1);
		c->at = ct_slice_end(th, c->slice);
		c->slice++;
	}
	if (s->heap_cnt)
		sift_down(s, 0);
}

void ct_parallelism__compute(struct ct_parallelism *p, const struct ct_model *m)
{
	struct sweep s = { .m = m, .p = p, .now = m->start_ns };
	double sum = 0;

	*p = (struct ct_parallelism){ .duration_ns = m->end_ns - m->start_ns };
	s.heap = ct_alloc((size_t)m->threads.cnt * sizeof(*s.heap));
	fill_heap(&s);
	while (s.heap_cnt)
		step(&s);
	advance_to(&s, m->end_ns);
	free(s.heap);
	for (u32 n = 0; n < p->cnt; n++)
		sum += (double)n * p->running_ns[n];
	p->mean_running = p->duration_ns ? sum / p->duration_ns : 0;
}

void ct_parallelism__clear(struct ct_parallelism *p)
{
	free(p->running_ns);
	*p = (struct ct_parallelism){ 0 };
}
