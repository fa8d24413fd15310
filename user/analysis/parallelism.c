/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many threads ran at once.  One sweep over the slices of all threads in order of time: a heap
 * holds each thread's next change of state.  O(slices x log threads) time, O(threads) memory.
 * Threads of one CPU never overlap, so the count is that of CPUs in use by the program.
 *
 * A thread is alone when it is the only one that runs, some thread waits, and no more threads want
 * a CPU than there are: who is runnable while CPUs seem free stands behind other programs on the
 * busy ones, and nothing could be gained there.
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
	u32 in_state[CT_STATES]; /* threads */
	u64 runner_sum;		 /* of the indices of those that run: with one, which */
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

static void count_alone(struct sweep *s, ct_ns ns)
{
	struct ct_parallelism *p = s->p;
	bool waits = false;

	if (s->in_state[CT_RUNNING] != 1 || 1 + s->in_state[CT_RUNNABLE] >= s->m->run->cpus)
		return;
	for (u32 i = CT_LOCK; i < CT_STATES; i++) {
		if (!s->in_state[i])
			continue;
		waits = true;
		p->alone_state_ns[i] += ns;
	}
	if (!waits)
		return;
	if (s->in_state[CT_RUNNABLE])
		p->alone_state_ns[CT_RUNNABLE] += ns;
	p->alone_ns += ns;
	p->alone_thread_ns[s->runner_sum] += ns;
}

static void advance_to(struct sweep *s, ct_ns at)
{
	struct ct_parallelism *p = s->p;
	u32 running = s->in_state[CT_RUNNING];

	if (at > s->now) {
		while (p->cnt <= running) {
			if (p->cnt == s->cap) {
				s->cap = s->cap ? s->cap * 2 : 16;
				p->running_ns = ct_realloc(p->running_ns, s->cap * sizeof(ct_ns));
			}
			p->running_ns[p->cnt++] = 0;
		}
		p->running_ns[running] += at - s->now;
		if (s->in_state[CT_RUNNABLE])
			p->wait_cpu_ns += at - s->now;
		count_alone(s, at - s->now);
		s->now = at;
	}
}

static void enter_state(struct sweep *s, u32 state, u32 thread)
{
	s->in_state[state]++;
	if (state == CT_RUNNING)
		s->runner_sum += thread;
}

static void leave_state(struct sweep *s, u32 state, u32 thread)
{
	s->in_state[state]--;
	if (state == CT_RUNNING)
		s->runner_sum -= thread;
}

static void step(struct sweep *s)
{
	struct cursor *c = &s->heap[0];
	const struct ct_thread *th = &s->m->threads.at[c->thread];

	advance_to(s, c->at);
	if (c->slice)
		leave_state(s, th->slices.at[c->slice - 1].state, c->thread);
	if (c->slice == th->slices.cnt) {
		s->heap[0] = s->heap[--s->heap_cnt];
	} else {
		enter_state(s, th->slices.at[c->slice].state, c->thread);
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
	p->alone_thread_ns = ct_alloc((size_t)m->threads.cnt * sizeof(ct_ns));
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
	free(p->alone_thread_ns);
	*p = (struct ct_parallelism){ 0 };
}
