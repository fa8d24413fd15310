/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The critical path: the chain of running and waiting that made the run as long as it was.  Walked
 * backward from the end of the run; each step either goes back over a stretch of the thread that
 * the path is on, or, where that thread was blocked, over to what made it wait:
 *
 *     running, runnable     the stretch is on the path (runnable: it waited for a CPU)
 *     mutex, rwlock         the thread that held it last before the wait ended, so that a queue
 *                           of hand-overs leads through all holders, each for the time it held
 *     woken by a thread     that thread, at the moment of the waking (join: the thread that ended)
 *     timer, device, nobody the wait itself is on the path
 *     before its first      its creator
 *
 *     A  ====wait=========|===             path, from its end:  A, B while it held the lock that A
 *     B  =====|hold=======|....                                 wanted, C while it held it, ...
 *     C  |hold|
 *
 * Having gone over, it stays with the other thread: what that one did before it took the lock or
 * set out to wake delayed the end just as much, while the one who waited had time to spare.
 *
 * Where it ends: with the last thread to end of the program that was recorded; of processes
 * attached to, with the thread that ran last.  What is left of the run after its end, or before the
 * start of a thread without a creator, is that thread's with state CT_OTHER.
 *
 * The segments tile [start, end] of the run without gap or overlap: asserted.  Every step goes back
 * in time or marks a thread that was not yet met at this moment (two threads that wait for each
 * other: one of the waits is on the path).  O(segments x log slices) time, O(threads + samples)
 * memory besides the result.
 */
#include <assert.h>

#include "ct_findings.h"
#include "analysis/search.h"

struct walk {
	const struct ct_model *m;
	struct ct_critical_path *p;
	u32 thread;	     /* where the path is: this thread, */
	ct_ns at_ns;	     /* just before this moment, */
	u32 slice;	     /* in this one of its slices */
	u32 lock;	     /* came here because this thread held it, */
	ct_ns held_since_ns; /* since then */
	u64 moment;	     /* counts the times at which the path goes over to other threads */
	u64 *met;	     /* by thread: the moment at which the path last came to it */
	u32 *sample_start;   /* by thread: its first in samples; [threads] is a sentinel */
	u32 *samples;	     /* indices of model samples by (thread, time) */
};

/* ---- samples: which line a running thread was on ---- */

static void sort_samples(struct walk *w)
{
	const struct ct_model *m = w->m;
	u32 *next;

	w->sample_start = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(u32));
	w->samples = ct_alloc((size_t)m->samples.cnt * sizeof(u32));
	next = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(u32));
	for (u32 i = 0; i < m->samples.cnt; i++)
		w->sample_start[m->samples.at[i].thread + 1]++;
	for (u32 t = 0; t < m->threads.cnt; t++) {
		w->sample_start[t + 1] += w->sample_start[t];
		next[t] = w->sample_start[t];
	}
	for (u32 i = 0; i < m->samples.cnt; i++)
		w->samples[next[m->samples.at[i].thread]++] = i;
	free(next);
}

/* The first sample of the thread at or after t. */
static u32 find_sample(const struct walk *w, u32 thread, ct_ns t)
{
	u32 low = w->sample_start[thread], high = w->sample_start[thread + 1];

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (w->m->samples.at[w->samples[mid]].ts < t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The program's own line; where it is in a library without its lines, the innermost frame in the
 * module that the thread started in; else its innermost. */
static u32 sample_frame(const struct walk *w, u32 sample)
{
	const struct ct_names *names = w->m->names;
	const struct ct_cpu_sample *s = &w->m->samples.at[w->samples[sample]];
	u32 start = w->m->threads.at[s->thread].start_frame, cnt;
	const u32 *ids = ct_names__stack(names, s->stack, &cnt);

	for (u32 i = 0; i < cnt && start && !s->frame && start < names->frames.cnt; i++)
		if (ids[i] < names->frames.cnt &&
			names->frames.at[ids[i]].module == names->frames.at[start].module)
			return ids[i];
	return s->frame ? s->frame : cnt ? ids[0] : 0;
}

/* ---- segments, from the last to the first ---- */

static void put(struct walk *w, ct_ns start, u32 state, u32 lock, u32 frame)
{
	struct ct_critical_path *p = w->p;
	struct ct_path_segment *last =
		p->segments.cnt ? &p->segments.at[p->segments.cnt - 1] : NULL;

	if (start >= w->at_ns)
		return;
	if (last && last->thread == w->thread && last->state == state && last->lock == lock &&
		last->frame == frame)
		last->start_ns = start;
	else
		*ct_vec_push(&p->segments) = (struct ct_path_segment){ .start_ns = start,
			.end_ns = w->at_ns,
			.thread = w->thread,
			.state = state,
			.lock = lock,
			.frame = frame };
	w->at_ns = start;
	w->moment++;
}

/* A stretch of running: each sample stands for the time that is nearer to it than to the next one.
 */
static void put_running(struct walk *w, ct_ns start, u32 lock)
{
	u32 first = find_sample(w, w->thread, start), i = find_sample(w, w->thread, w->at_ns);

	if (first == i) {
		put(w, start, CT_RUNNING, lock, 0);
		return;
	}
	while (i-- > first) {
		ct_ns from = start;
		if (i > first) {
			ct_ns a = w->m->samples.at[w->samples[i - 1]].ts;
			from = a + (w->m->samples.at[w->samples[i]].ts - a) / 2;
		}
		put(w, from, CT_RUNNING, lock, sample_frame(w, i));
	}
}

static void put_stretch(struct walk *w, ct_ns start, const struct ct_slice *s, u32 lock)
{
	const struct ct_wait *wait =
		ct_state_blocked(s->state) && s->wait != CT_NONE ? &w->m->waits.at[s->wait] : NULL;

	if (s->state == CT_RUNNING)
		put_running(w, start, lock);
	else
		put(w, start, s->state, wait && wait->lock != CT_NONE ? wait->lock : lock,
			wait ? wait->frame : 0);
}

/* The path goes back over the slice that it is in. */
static void pass_slice(struct walk *w)
{
	const struct ct_slice *s = &w->m->threads.at[w->thread].slices.at[w->slice];
	ct_ns start = s->start_ns > w->m->start_ns ? s->start_ns : w->m->start_ns;

	if (w->lock != CT_NONE && w->held_since_ns > start && w->held_since_ns < w->at_ns)
		put_stretch(w, w->held_since_ns, s, w->lock);
	if (w->held_since_ns >= w->at_ns)
		w->lock = CT_NONE;
	put_stretch(w, start, s, w->lock);
}

/* ---- who made it wait ---- */

static bool is_there(const struct walk *w, u32 thread)
{
	const struct ct_thread *th = &w->m->threads.at[thread];

	return th->slices.cnt && th->slices.at[0].start_ns < w->at_ns && w->at_ns <= th->end_ns;
}

/* The last slice that begins before `at`; one such exists. */
static u32 slice_before(const struct ct_thread *th, ct_ns at)
{
	u32 low = 0, high = th->slices.cnt;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;
		if (th->slices.at[mid].start_ns < at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void enter(struct walk *w, u32 thread, u32 lock, ct_ns held_since_ns)
{
	w->met[thread] = w->moment;
	w->thread = thread;
	w->slice = slice_before(&w->m->threads.at[thread], w->at_ns);
	w->lock = lock;
	w->held_since_ns = held_since_ns;
}

/* Goes over to a thread, unless that leads nowhere. */
static bool go_over(struct walk *w, u32 thread, u32 lock, ct_ns held_since_ns)
{
	if (thread == CT_NONE || !is_there(w, thread) || w->met[thread] == w->moment)
		return false;
	enter(w, thread, lock, held_since_ns);
	return true;
}

/* Before its first slice there is its creator, who is gone back over in any case: no circles here.
 */
static void go_to_creator(struct walk *w)
{
	u32 creator = w->m->threads.at[w->thread].parent;

	if (go_over(w, creator, CT_NONE, 0))
		return;
	w->lock = CT_NONE;
	if (creator != CT_NONE && is_there(w, creator)) {
		enter(w, creator, CT_NONE, 0);
		pass_slice(w);
	} else {
		put(w, w->m->start_ns, CT_OTHER, CT_NONE, 0);
	}
}

/* The hold in force just before t. */
static const struct ct_hold *hold_before(const struct ct_lock *l, ct_ns t)
{
	u32 i = CT_FIRST_AT(l->holds, end_ns, t);

	return i < l->holds.cnt && l->holds.at[i].start_ns < t ? &l->holds.at[i] : NULL;
}

static bool go_to_holder(struct walk *w, const struct ct_wait *wait)
{
	if (wait->lock == CT_NONE)
		return false;
	const struct ct_hold *h = hold_before(&w->m->locks.at[wait->lock], w->at_ns);
	return h && go_over(w, h->thread, wait->lock, h->start_ns);
}

/* The waker of a mutex is its holder too, or was until it let go: the wait names the lock. */
static bool go_to_waker(struct walk *w, const struct ct_wait *wait)
{
	bool ended = (wait->flags & CT_WAIT_WOKEN) && wait->end_ns == w->at_ns;

	if (!ended)
		return wait->state == CT_JOIN && go_over(w, wait->target, CT_NONE, 0);
	return go_over(w, wait->waker, CT_NONE, 0);
}

/* From a blocked thread to what it waited for; false: nobody, or the circle is closed. */
static bool leave_wait(struct walk *w, const struct ct_slice *s)
{
	const struct ct_wait *wait = s->wait == CT_NONE ? NULL : &w->m->waits.at[s->wait];

	if (!wait || (wait->flags & CT_WAIT_TIMED_OUT))
		return false;
	w->met[w->thread] = w->moment;
	return go_to_holder(w, wait) || go_to_waker(w, wait);
}

/* ---- the walk ---- */

static bool ran_later(const struct ct_thread *a, const struct ct_thread *b)
{
	ct_ns at[2] = { 0, 0 };
	const struct ct_thread *both[2] = { a, b };

	for (u32 k = 0; k < 2; k++)
		for (u32 i = both[k]->slices.cnt; i-- > 0 && !at[k];)
			if (both[k]->slices.at[i].state == CT_RUNNING)
				at[k] = ct_slice_end(both[k], i);
	return at[0] > at[1];
}

/* The thread that the path ends with. */
static u32 last_thread(const struct ct_model *m)
{
	u32 root = CT_NONE, last = CT_NONE;

	for (u32 i = 0; i < m->threads.cnt && root == CT_NONE; i++)
		if ((m->threads.at[i].flags & CT_THREAD_ROOT) && m->threads.at[i].slices.cnt)
			root = i;
	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *th = &m->threads.at[i];
		if (!th->slices.cnt)
			continue;
		if (root != CT_NONE && th->process != m->threads.at[root].process)
			continue;
		if (last == CT_NONE)
			last = i;
		else if (root != CT_NONE && th->end_ns != m->threads.at[last].end_ns)
			last = th->end_ns > m->threads.at[last].end_ns ? i : last;
		else if (root != CT_NONE)
			last = i == root ? i : last;
		else if (ran_later(th, &m->threads.at[last]))
			last = i;
	}
	return last;
}

static void step(struct walk *w)
{
	const struct ct_thread *th = &w->m->threads.at[w->thread];

	while (w->slice && th->slices.at[w->slice].start_ns >= w->at_ns)
		w->slice--;
	const struct ct_slice *s = &th->slices.at[w->slice];
	if (s->start_ns >= w->at_ns)
		go_to_creator(w);
	else if (!ct_state_blocked(s->state) || !leave_wait(w, s))
		pass_slice(w);
}

static void walk_back(struct walk *w)
{
	w->thread = last_thread(w->m);
	w->lock = CT_NONE;
	if (w->thread == CT_NONE || w->m->threads.at[w->thread].end_ns <= w->m->start_ns) {
		put(w, w->m->start_ns, CT_OTHER, CT_NONE, 0);
		return;
	}
	put(w, w->m->threads.at[w->thread].end_ns, CT_OTHER, CT_NONE, 0);
	w->slice = w->m->threads.at[w->thread].slices.cnt - 1;
	while (w->at_ns > w->m->start_ns)
		step(w);
}

static void reverse(struct ct_critical_path *p)
{
	for (u32 i = 0, k = p->segments.cnt; i + 1 < k; i++) {
		struct ct_path_segment s = p->segments.at[--k];
		p->segments.at[k] = p->segments.at[i];
		p->segments.at[i] = s;
	}
}

/* ---- shares ---- */

static int compare_shares(const void *a, const void *b)
{
	const struct ct_path_share *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

typedef CT_VEC(struct ct_path_share) share_rows;

/* One row for each (who, state, lock); who is a thread or a frame. */
static void add_share(
	share_rows *rows, struct ct_table *idx, const struct ct_path_share *key, ct_ns ns)
{
	u64 who = (u64)key->thread << 32 | key->frame, what = (u64)key->state << 32 | key->lock;
	u32 i = ct_table__get(idx, who, what);

	if (i == CT_NONE) {
		i = rows->cnt;
		*ct_vec_push(rows) = *key;
		ct_table__set(idx, who, what, i);
	}
	rows->at[i].ns += ns;
}

static ct_ns sum_segments(const struct ct_critical_path *p, share_rows *rows, bool by_line)
{
	struct ct_table *idx = ct_table__new();
	ct_ns sum_ns = 0;

	for (u32 i = 0; i < p->segments.cnt; i++) {
		const struct ct_path_segment *s = &p->segments.at[i];
		struct ct_path_share key = { .thread = by_line ? CT_NONE : s->thread,
			.state = s->state,
			.lock = s->lock,
			.frame = by_line ? s->frame : 0 };
		add_share(rows, idx, &key, s->end_ns - s->start_ns);
	}
	ct_table__free(idx);
	if (rows->cnt)
		qsort(rows->at, rows->cnt, sizeof(*rows->at), compare_shares);
	for (u32 i = 0; i < rows->cnt; i++)
		sum_ns += rows->at[i].ns;
	return sum_ns;
}

/* Shares come with the most first: the first thread of a reason is the one with most of it. */
static ct_ns sum_reasons(const struct ct_critical_path *p, share_rows *rows)
{
	struct ct_table *idx = ct_table__new();
	ct_ns sum_ns = 0;

	for (u32 i = 0; i < p->shares.cnt; i++) {
		const struct ct_path_share *s = &p->shares.at[i];
		u32 k = ct_table__get(idx, s->state, s->lock);
		if (k == CT_NONE) {
			k = rows->cnt;
			*ct_vec_push(rows) = *s;
			rows->at[k].ns = 0;
			ct_table__set(idx, s->state, s->lock, k);
		}
		rows->at[k].ns += s->ns;
		rows->at[k].threads++;
		sum_ns += s->ns;
	}
	ct_table__free(idx);
	if (rows->cnt)
		qsort(rows->at, rows->cnt, sizeof(*rows->at), compare_shares);
	return sum_ns;
}

static void sum_path(struct ct_critical_path *p)
{
	share_rows rows[3] = { 0 };
	ct_ns shares_ns = sum_segments(p, &rows[0], false);
	ct_ns lines_ns = sum_segments(p, &rows[1], true);

	p->shares.at = rows[0].at;
	p->shares.cnt = rows[0].cnt;
	p->lines.at = rows[1].at;
	p->lines.cnt = rows[1].cnt;
	ct_ns reasons_ns = sum_reasons(p, &rows[2]);
	p->reasons.at = rows[2].at;
	p->reasons.cnt = rows[2].cnt;
	assert(shares_ns == p->duration_ns && lines_ns == p->duration_ns);
	assert(reasons_ns == p->duration_ns);
	(void)shares_ns;
	(void)lines_ns;
	(void)reasons_ns;
}

static void check_tiling(const struct ct_critical_path *p, const struct ct_model *m)
{
	ct_ns at = m->start_ns;

	for (u32 i = 0; i < p->segments.cnt; i++) {
		assert(p->segments.at[i].start_ns == at);
		assert(p->segments.at[i].end_ns > at);
		at = p->segments.at[i].end_ns;
	}
	assert(at == m->end_ns);
	(void)at;
}

void ct_critical_path__compute(struct ct_critical_path *p, const struct ct_model *m)
{
	struct walk w = { .m = m, .p = p, .at_ns = m->end_ns, .moment = 1 };

	*p = (struct ct_critical_path){ .duration_ns = m->end_ns - m->start_ns };
	w.met = ct_alloc((size_t)m->threads.cnt * sizeof(*w.met));
	sort_samples(&w);
	walk_back(&w);
	reverse(p);
	check_tiling(p, m);
	sum_path(p);
	free(w.met);
	free(w.sample_start);
	free(w.samples);
}

void ct_critical_path__clear(struct ct_critical_path *p)
{
	ct_vec_free(&p->segments);
	ct_vec_free(&p->shares);
	ct_vec_free(&p->lines);
	ct_vec_free(&p->reasons);
}
