/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns wait and wake edges: each sleep from the switch out to its waking, and who ended it. A
 * waking may come before the sleeper has left its CPU; it is kept (threads.c: pending) and used
 * when the sleeper leaves, or when it comes back without another one. Not: states of threads,
 * holders.
 */
#include "model/model_int.h"

u32 model_wait_open(struct build *b, u32 t, ct_ns start, const struct sleep *s, u32 flags)
{
	struct reason r;

	b->now.at[t].role = ROLE_NONE;
	if (!b->now.at[t].recording)
		return CT_NONE;
	model_reason(b, t, s, &r);
	const struct stack_now *stack = model_stack(b, s->stack);
	u32 idx = b->m->waits.cnt;
	struct ct_wait *w = ct_vec_push(&b->m->waits);

	w->start_ns = w->end_ns = start;
	w->thread = t;
	w->lock = w->waker = CT_NONE;
	w->owner = r.owner;
	w->target = r.target;
	w->stack = s->stack;
	w->frame = stack->frame;
	w->nr = s->nr;
	w->waker_nr = CT_NR_NONE;
	w->state = r.state;
	w->file = s->file;
	w->fd = s->file != CT_FILE_NONE ? s->arg0 : 0;
	w->flags = flags | (s->flags & CT_SWITCH_TIMED ? CT_WAIT_TIMED : 0) |
		   (r.role == ROLE_WRITER_PHASE ? CT_WAIT_READERS : 0);
	if (start < b->ts)
		b->late_waits++;
	if (!b->m->threads.at[t].start_frame)
		b->m->threads.at[t].start_frame = stack->start;
	model_lock_blocked(b, t, idx, &r);
	return idx;
}

/* A futex wait with a timeout is never ended from an interrupt but by its timer. */
static bool timer_ended(const struct ct_wait *w)
{
	return (w->flags & CT_WAIT_TIMED) && (w->wake_flags & (CT_WAKE_HARDIRQ | CT_WAKE_SOFTIRQ));
}

/* The blocked thread is runnable from `at` on. */
void model_wake(struct build *b, u32 t, ct_ns at, const struct ct_wake *wake)
{
	struct thread_now *now = &b->now.at[t];
	u32 wait = now->wait;

	now->doing = DOING_RUNNABLE;
	now->seen = true;
	if (wait != CT_NONE) {
		struct ct_wait *w = &b->m->waits.at[wait];
		w->end_ns = at;
		w->waker = wake->waker;
		w->waker_nr = wake->nr;
		w->wake_flags = wake->flags;
		w->flags |= CT_WAIT_WOKEN;
		if (timer_ended(w))
			w->flags |= CT_WAIT_TIMED_OUT;
		b->m->threads.at[t].wakeups++;
		model_lock_woken(b, t, wait);
	}
	model_push_slice(b, t, at, CT_RUNNABLE, wait, 0);
}

/* It runs for the first time since it was woken. */
void model_first_run(struct build *b, u32 t)
{
	struct thread_now *now = &b->now.at[t];
	u32 wait = now->wait;

	now->wait = CT_NONE;
	now->awake_ns = 0;
	model_lock_ran(b, t, wait);
}

/* The thread that sent the waking.  From an interrupt it is whoever happened to run, except that
 * loopback delivers a packet in a soft interrupt on top of the call that sent it. */
static u32 waker_of(struct build *b, const struct ct_waking *w)
{
	if (w->flags & (CT_WAKE_HARDIRQ | CT_WAKE_NMI))
		return CT_NONE;
	if ((w->flags & CT_WAKE_SOFTIRQ) && !(model_sys(b, w->nr) & SYS_SENDS))
		return CT_NONE;
	return model_thread(b, w->waker);
}

void model_on_waking(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);

	if (t == CT_NONE) {
		if (ct_table__get(b->by_tid, e->hdr.tid, 0) == CT_NONE)
			model_stray(b, e->hdr.tid);
		return;
	}
	u32 current = model_thread(b, e->waking.waker);
	if (current != CT_NONE && b->now.at[current].doing == DOING_UNSURE)
		model_settle_running(b, current, e->cpu);
	struct thread_now *now = &b->now.at[t];
	struct ct_wake wake = { .ts = b->ts, .waker = waker_of(b, &e->waking), .wakee = t,
		.nr = e->waking.nr, .flags = e->waking.flags };

	if (now->recording)
		*ct_vec_push(&b->m->wakes) = wake;
	if (now->doing == DOING_UNSURE && !(wake.flags & CT_WAKE_QUEUED))
		model_settle_blocked(b, t);
	if (now->doing == DOING_BLOCKED) {
		model_wake(b, t, b->ts, &wake);
	} else if (now->doing == DOING_RUNNABLE) {
		if (!(wake.flags & (CT_WAKE_QUEUED | CT_WAKE_NEW)))
			b->m->anomalies++; /* it must have slept in between */
	} else {
		now->pending = wake;
		now->has_pending = true;
	}
}
