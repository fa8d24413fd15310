/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns the model into work that can be replayed: what each thread computes, waits for, wakes,
 * takes and gives back, in its own order, without the time that it lost to others.
 *
 *     running                     COMPUTE, cut where it wakes, creates, takes or lets go
 *     runnable                    nothing: the replay has its own CPUs
 *     mutex whose holders are known  ACQUIRE where it waits, or where its hold begins without a
 * wait; RELEASE where the hold ends.  Who gets it next is found anew barrier MEET: the last one to
 * come lets all go on, whoever that is else, woken by a thread     AWAIT here, POST in the waker at
 * that point of its program else                        DELAY as long as it took; to the end of the
 * recording: stops here
 *
 * A hold that is not known (nobody else queued) is taken to be as long as the middle one of its
 * lock, within the stretch of running that begins it.  O(n log n) in waits, holds and slices.
 */
#include "analysis/replay.h"

#define LATENCY_SAMPLES 65536u
/* A waking reaches a free CPU sooner than this; what is longer waited behind others. */
#define LATENCY_MAX_NS 100000u

struct mark { /* something a thread does at a moment */
	ct_ns ts;
	u32 kind; /* enum ct_op_kind */
	u32 arg;
	u32 thread;
};

struct extract {
	struct ct_work *w;
	const struct ct_model *m;
	struct mark *marks; /* by thread, then time */
	u32 *mark_start;    /* [threads + 1] */
	u32 *round_of;	    /* by wait: its round of a barrier, or CT_NONE */
	ct_ns *usual_ns;    /* by lock: the middle length of its holds */
	u32 *has;	    /* by lock: thread + 1 that has it in the program being written */
	bool *retries;	    /* by lock: its last wait was for nothing */
	CT_VEC(struct mark) raw;
	CT_VEC(struct mark) late; /* releases that no hold tells of, of this thread, by time */
	u32 mark, late_mark;	  /* next ones of this thread */
};

/* ---- which locks are locks ---- */

static int compare_ns(const void *a, const void *b)
{
	ct_ns x = *(const ct_ns *)a, y = *(const ct_ns *)b;

	return x < y ? -1 : x > y;
}

static ct_ns usual_hold(const struct ct_lock *l)
{
	ct_ns *ns = ct_alloc((size_t)l->holds.cnt * sizeof(*ns)), usual_ns = 0;

	for (u32 i = 0; i < l->holds.cnt; i++)
		ns[i] = l->holds.at[i].end_ns - l->holds.at[i].start_ns;
	if (l->holds.cnt) {
		qsort(ns, l->holds.cnt, sizeof(*ns), compare_ns);
		usual_ns = ns[l->holds.cnt / 2];
	}
	free(ns);
	return usual_ns;
}

static void judge_locks(struct extract *x)
{
	for (u32 i = 0; i < x->m->locks.cnt; i++) {
		const struct ct_lock *l = &x->m->locks.at[i];
		u32 real = 0;
		if (l->kind != CT_LK_MUTEX)
			continue;
		for (u32 k = 0; k < l->waits.cnt; k++)
			real += !(x->m->waits.at[l->waits.at[k]].flags & CT_WAIT_SPURIOUS);
		/* fewer holds than half the waits: who holds it is not known well enough */
		x->w->is_lock[i] = l->holds.cnt && l->holds.cnt * 2u >= real;
		x->usual_ns[i] = usual_hold(l);
	}
}

static bool is_lock_wait(const struct extract *x, const struct ct_wait *w)
{
	return w->lock != CT_NONE && x->w->is_lock[w->lock];
}

static bool has_waker(const struct ct_wait *w)
{
	return (w->flags & CT_WAIT_WOKEN) && w->waker != CT_NONE && w->waker != w->thread &&
	       !(w->flags & CT_WAIT_TIMED_OUT);
}

/* ---- barriers ---- */

struct meeting {
	ct_ns end_ns;
	u32 wait;
};

static int compare_meetings(const void *a, const void *b)
{
	const struct meeting *x = a, *y = b;

	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? -1 : 1;
	return x->wait < y->wait ? -1 : x->wait > y->wait;
}

/* Waits ended by one thread, all begun before the first of them ended. */
static void find_rounds_of(struct extract *x, const struct ct_lock *l, u32 *cap)
{
	struct meeting *at = ct_alloc((size_t)l->waits.cnt * sizeof(*at));
	const struct ct_wait *waits = x->m->waits.at, *first = NULL;
	u32 cnt = 0;

	for (u32 i = 0; i < l->waits.cnt; i++)
		if (has_waker(&waits[l->waits.at[i]]))
			at[cnt++] =
				(struct meeting){ waits[l->waits.at[i]].end_ns, l->waits.at[i] };
	qsort(at, cnt, sizeof(*at), compare_meetings);
	for (u32 i = 0; i < cnt; i++) {
		const struct ct_wait *wait = &waits[at[i].wait];
		if (!first || wait->waker != first->waker || wait->start_ns >= first->end_ns) {
			first = wait;
			if (x->w->round_cnt == *cap) {
				*cap = *cap ? *cap * 2 : 16;
				x->w->round_size = ct_realloc(x->w->round_size, *cap * sizeof(u32));
			}
			x->w->round_size[x->w->round_cnt++] = 1; /* the waker */
			*ct_vec_push(&x->raw) = (struct mark){ wait->end_ns, CT_OP_MEET,
				x->w->round_cnt - 1, wait->waker };
		}
		x->round_of[at[i].wait] = x->w->round_cnt - 1;
		x->w->round_size[x->w->round_cnt - 1]++;
	}
	free(at);
}

static void find_rounds(struct extract *x)
{
	u32 cap = 0;

	for (u32 i = 0; i < x->m->waits.cnt; i++)
		x->round_of[i] = CT_NONE;
	for (u32 i = 0; i < x->m->locks.cnt; i++)
		if (x->m->locks.at[i].kind == CT_LK_BARRIER)
			find_rounds_of(x, &x->m->locks.at[i], &cap);
}

/* ---- marks ---- */

/* When its thread took the lock, at the latest.  The first to see it held may do so while the
 * holder is blocked; but nobody takes a lock in his sleep. */
static ct_ns taken_ns(const struct ct_model *m, const struct ct_hold *h)
{
	const struct ct_thread *t = &m->threads.at[h->thread];
	const struct ct_slice *s = h->slice < t->slices.cnt ? &t->slices.at[h->slice] : NULL;

	return s && ct_state_blocked(s->state) && s->start_ns < h->start_ns &&
			       !(h->flags & CT_HOLD_START_SEEN) ?
		       s->start_ns :
		       h->start_ns;
}

static void collect_marks(struct extract *x)
{
	const struct ct_model *m = x->m;

	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (has_waker(w) && !is_lock_wait(x, w) && x->round_of[i] == CT_NONE)
			*ct_vec_push(&x->raw) = (struct mark){ w->end_ns, CT_OP_POST, i, w->waker };
	}
	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *th = &m->threads.at[i];
		if (th->parent != CT_NONE && th->slices.cnt && m->threads.at[th->parent].slices.cnt)
			*ct_vec_push(&x->raw) =
				(struct mark){ th->start_ns, CT_OP_SPAWN, i, th->parent };
	}
	for (u32 i = 0; i < m->locks.cnt; i++)
		for (u32 k = 0; x->w->is_lock[i] && k < m->locks.at[i].holds.cnt; k++) {
			const struct ct_hold *h = &m->locks.at[i].holds.at[k];
			*ct_vec_push(&x->raw) =
				(struct mark){ taken_ns(m, h), CT_OP_ACQUIRE, i, h->thread };
			*ct_vec_push(&x->raw) =
				(struct mark){ h->end_ns, CT_OP_RELEASE, i, h->thread };
		}
}

/* At one moment: first it lets go, then it wakes, then it takes. */
static u32 rank_of(u32 kind)
{
	return kind == CT_OP_RELEASE ? 0 : kind == CT_OP_ACQUIRE ? 2 : 1;
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	if (x->kind != y->kind && rank_of(x->kind) != rank_of(y->kind))
		return rank_of(x->kind) < rank_of(y->kind) ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->arg < y->arg ? -1 : x->arg > y->arg;
}

static void sort_marks(struct extract *x)
{
	u32 threads = x->m->threads.cnt;
	u32 *next = ct_alloc(((size_t)threads + 1) * sizeof(u32));

	x->marks = ct_alloc((size_t)x->raw.cnt * sizeof(*x->marks));
	x->mark_start = ct_alloc(((size_t)threads + 1) * sizeof(u32));
	for (u32 i = 0; i < x->raw.cnt; i++)
		x->mark_start[x->raw.at[i].thread + 1]++;
	for (u32 t = 0; t < threads; t++) {
		x->mark_start[t + 1] += x->mark_start[t];
		next[t] = x->mark_start[t];
	}
	for (u32 i = 0; i < x->raw.cnt; i++)
		x->marks[next[x->raw.at[i].thread]++] = x->raw.at[i];
	for (u32 t = 0; t < threads; t++)
		qsort(x->marks + x->mark_start[t], x->mark_start[t + 1] - x->mark_start[t],
			sizeof(*x->marks), compare_marks);
	ct_vec_free(&x->raw);
	free(next);
}

/* ---- writing a program ---- */

static void emit(struct extract *x, enum ct_op_kind kind, u32 state, u64 arg)
{
	*ct_vec_push(&x->w->ops) = (struct ct_op){ .kind = kind, .state = state, .arg = arg };
}

static void emit_mark(struct extract *x, u32 t, const struct mark *k)
{
	if (k->kind == CT_OP_ACQUIRE) {
		if (x->has[k->arg] == t + 1)
			return;
		x->has[k->arg] = t + 1;
	} else if (k->kind == CT_OP_RELEASE) {
		if (x->has[k->arg] != t + 1)
			return;
		x->has[k->arg] = 0;
	}
	emit(x, k->kind, 0, k->arg);
}

/* The next mark of this thread at or before `until`; NULL: none. */
static const struct mark *next_mark(struct extract *x, u32 t, ct_ns until)
{
	const struct mark *a = x->mark < x->mark_start[t + 1] ? &x->marks[x->mark] : NULL;
	const struct mark *b = x->late_mark < x->late.cnt ? &x->late.at[x->late_mark] : NULL;

	if (b && (!a || b->ts <= a->ts)) {
		if (b->ts > until)
			return NULL;
		x->late_mark++;
		return b;
	}
	if (!a || a->ts > until)
		return NULL;
	x->mark++;
	return a;
}

static void write_running(struct extract *x, u32 t, ct_ns start, ct_ns end)
{
	const struct mark *k;

	x->w->cpu_ns[t] += end - start;
	while ((k = next_mark(x, t, end))) {
		if (k->ts > start) {
			emit(x, CT_OP_COMPUTE, 0, k->ts - start);
			start = k->ts;
		}
		emit_mark(x, t, k);
	}
	if (end > start)
		emit(x, CT_OP_COMPUTE, 0, end - start);
}

/* Is it known that thread t held the lock when it ran again at `ts`? */
static bool hold_is_known(const struct ct_lock *l, u32 t, ct_ns ts)
{
	const struct ct_hold *h = ct_lock_holder(l, ts);

	return h && h->thread == t;
}

static void write_lock_wait(struct extract *x, u32 t, u32 slice, const struct ct_wait *wait)
{
	const struct ct_thread *th = &x->m->threads.at[t];
	u32 lock = wait->lock, run = slice + 1;
	bool spurious = wait->flags & CT_WAIT_SPURIOUS;

	if (x->has[lock] == t + 1 && !x->retries[lock]) {
		emit(x, CT_OP_RELEASE, 0, lock); /* no hold told of it */
		x->has[lock] = 0;
	}
	if (x->has[lock] != t + 1)
		emit(x, CT_OP_ACQUIRE, 0, lock);
	x->has[lock] = t + 1;
	x->retries[lock] = spurious;
	while (run < th->slices.cnt && th->slices.at[run].state != CT_RUNNING)
		run++;
	if (spurious || run == th->slices.cnt)
		return;
	ct_ns start = th->slices.at[run].start_ns, end = ct_slice_end(th, run);
	if (hold_is_known(&x->m->locks.at[lock], t, start))
		return;
	if (end - start > x->usual_ns[lock])
		end = start + x->usual_ns[lock];
	*ct_vec_push(&x->late) = (struct mark){ end, CT_OP_RELEASE, lock, t };
}

/* False: the wait had not ended when the recording did, and the program stops here. */
static bool write_blocked(struct extract *x, u32 t, u32 slice)
{
	const struct ct_slice *s = &x->m->threads.at[t].slices.at[slice];
	const struct ct_wait *wait = s->wait == CT_NONE ? NULL : &x->m->waits.at[s->wait];
	ct_ns ns = ct_slice_end(&x->m->threads.at[t], slice) - s->start_ns;

	if (!wait) {
		emit(x, CT_OP_DELAY, s->state, ns);
		return true;
	}
	if (!(wait->flags & CT_WAIT_WOKEN))
		return false;
	if (is_lock_wait(x, wait) && !(wait->flags & CT_WAIT_TIMED_OUT))
		write_lock_wait(x, t, slice, wait);
	else if (x->round_of[s->wait] != CT_NONE)
		emit(x, CT_OP_MEET, 0, x->round_of[s->wait]);
	else if (has_waker(wait) && !is_lock_wait(x, wait))
		emit(x, CT_OP_AWAIT, s->state, s->wait);
	else
		emit(x, CT_OP_DELAY, s->state, ns);
	return true;
}

static void drop_marks(struct extract *x, u32 t, ct_ns until)
{
	const struct mark *k;

	while ((k = next_mark(x, t, until)))
		emit_mark(x, t, k);
}

static void write_program(struct extract *x, u32 t)
{
	const struct ct_thread *th = &x->m->threads.at[t];
	ct_ns start = x->m->start_ns, last = start;
	bool orphan = th->parent == CT_NONE || !x->m->threads.at[th->parent].slices.cnt;

	x->mark = x->mark_start[t];
	x->late.cnt = x->late_mark = 0;
	if (orphan && th->slices.cnt && th->start_ns > start)
		emit(x, CT_OP_DELAY, CT_OTHER, th->start_ns - start);
	for (u32 i = 0; i < th->slices.cnt; i++) {
		const struct ct_slice *s = &th->slices.at[i];
		drop_marks(x, t, s->start_ns);
		if (s->state == CT_RUNNING) {
			write_running(x, t, s->start_ns, ct_slice_end(th, i));
			last = ct_slice_end(th, i);
		} else if (ct_state_blocked(s->state) && !write_blocked(x, t, i)) {
			break;
		}
	}
	drop_marks(x, t, UINT64_MAX);
	if (last - start > x->w->work_ns)
		x->w->work_ns = last - start;
}

/* ---- latency ---- */

/* Of the times between a waking and the CPU the lower quarter's end: the rest had to queue. */
static ct_ns usual_latency(const struct ct_model *m)
{
	ct_ns *ns = ct_alloc(LATENCY_SAMPLES * sizeof(*ns)), latency_ns = 0;
	u32 cnt = 0;

	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		for (u32 i = 1; i < th->slices.cnt && cnt < LATENCY_SAMPLES; i++)
			if (th->slices.at[i].state == CT_RUNNABLE &&
				th->slices.at[i].wait != CT_NONE)
				ns[cnt++] = ct_slice_end(th, i) - th->slices.at[i].start_ns;
	}
	if (cnt) {
		qsort(ns, cnt, sizeof(*ns), compare_ns);
		latency_ns = ns[cnt / 4];
	}
	free(ns);
	return latency_ns < LATENCY_MAX_NS ? latency_ns : LATENCY_MAX_NS;
}

void ct_work__extract(struct ct_work *w, const struct ct_model *m)
{
	struct extract x = { .w = w, .m = m };

	*w = (struct ct_work){ .m = m };
	w->first = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*w->first));
	w->cpu_ns = ct_alloc((size_t)m->threads.cnt * sizeof(*w->cpu_ns));
	w->is_lock = ct_alloc(m->locks.cnt * sizeof(*w->is_lock));
	w->latency_ns = usual_latency(m);
	x.round_of = ct_alloc((size_t)m->waits.cnt * sizeof(*x.round_of));
	x.usual_ns = ct_alloc(m->locks.cnt * sizeof(*x.usual_ns));
	x.has = ct_alloc(m->locks.cnt * sizeof(*x.has));
	x.retries = ct_alloc(m->locks.cnt * sizeof(*x.retries));
	judge_locks(&x);
	find_rounds(&x);
	collect_marks(&x);
	sort_marks(&x);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		w->first[t] = w->ops.cnt;
		write_program(&x, t);
	}
	w->first[m->threads.cnt] = w->ops.cnt;
	free(x.marks);
	free(x.mark_start);
	free(x.round_of);
	free(x.usual_ns);
	free(x.has);
	free(x.retries);
	ct_vec_free(&x.late);
}

void ct_work__clear(struct ct_work *w)
{
	ct_vec_free(&w->ops);
	free(w->first);
	free(w->cpu_ns);
	free(w->round_size);
	free(w->is_lock);
}
