/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replay: runs the programs of replay_work.c on a number of CPUs, as a discrete-event
 * simulation.
 *
 * CPUs: a ready thread takes any free one; with more ready threads than CPUs each runs for a time
 * slice, and whoever had least CPU time comes next (who slept gets at most a slice of credit).  A
 * woken thread reaches its CPU after the latency that the recording shows.
 * Locks: whoever asks when it is free has it; the others queue; the first of the queue is woken
 * when it is given back, and asks again, as with a futex. Waits: each recorded waking is one token,
 * from the same point of the waker's program to the same wait.  A token that is there already is no
 * wait.
 *
 * When nobody can go on though some wait for locks, the holders were inferred wrongly: the lock is
 * taken from whoever has it, and counted.  Same work, same change, same result: ties go by thread.
 * O(ops x log threads); memory O(threads + waits).
 */
#include "analysis/replay.h"

#define SLICE_NS 3000000u /* the kernel's base slice, scaled as for a few CPUs */
/* A replay of more CPU time than these take gets longer slices: a trace from outside may claim
 * centuries. A quarter of an hour stays exact. */
#define SLICES_MAX 300000u
#define NO_EVENT CT_NONE

enum sim_state {
	SIM_ABSENT, /* not created yet */
	SIM_COMING, /* woken or delayed: ready at its event */
	SIM_READY,
	SIM_RUNNING,
	SIM_PARKED, /* waits for a lock, a token, a meeting */
	SIM_DONE,
};

enum token {
	TOKEN_NONE,
	TOKEN_POSTED,
	TOKEN_OPEN, /* IO_OVERLAP: not posted when the thread came by, which did not stop for it */
};

struct sim_thread {
	u32 op, end;	/* next op, and where the program ends */
	u32 state;	/* enum sim_state */
	u32 heap_at;	/* place of its event in the heap; NO_EVENT */
	ct_ns at_ns;	/* time of its event */
	ct_ns left_ns;	/* of the COMPUTE that it is in */
	ct_ns used_ns;	/* CPU time so far, with credit: who has least runs next */
	ct_ns since_ns; /* RUNNING: accounted until then */
	ct_ns slice_end_ns;
	ct_ns io_end_ns; /* IO_OVERLAP: when the last thing it did not stop for is over */
	u32 io_open;	 /* IO_OVERLAP: tokens it did not stop for */
	u32 next;	 /* in the queue that it stands in */
	u32 part;	 /* LOCK_SPLIT: which part it has or wants */
	u32 uses;	 /* LOCK_SPLIT: how often it asked */
	double pace;	 /* of COMPUTE */
};

struct sim_lock {
	u32 owner, head, tail;
};

struct sim_round {
	u32 come, head; /* who waits there */
};

struct sim {
	const struct ct_work *w;
	const struct ct_prediction *change;
	struct sim_thread *threads;
	struct sim_lock *locks; /* [locks + parts]: the parts of a split lock come last */
	struct sim_round *rounds;
	u8 *tokens;  /* by wait: enum token */
	u32 *events; /* heap of threads by (at_ns, thread) */
	u32 event_cnt;
	u32 *ready; /* heap of threads by (used_ns, thread) */
	u32 ready_cnt;
	u32 *running; /* threads on CPUs */
	u32 running_cnt, cpus;
	ct_ns now_ns, least_used_ns, slice_ns;
	struct ct_replay_result result;
};

/* ---- events ---- */

static bool event_before(const struct sim *s, u32 a, u32 b)
{
	const struct sim_thread *x = &s->threads[a], *y = &s->threads[b];

	return x->at_ns != y->at_ns ? x->at_ns < y->at_ns : a < b;
}

static void place_event(struct sim *s, u32 i, u32 t)
{
	s->events[i] = t;
	s->threads[t].heap_at = i;
}

static void sift_event(struct sim *s, u32 i)
{
	u32 t = s->events[i];

	while (i && event_before(s, t, s->events[(i - 1) / 2])) {
		place_event(s, i, s->events[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		u32 child = 2 * i + 1;
		if (child >= s->event_cnt)
			break;
		if (child + 1 < s->event_cnt &&
			event_before(s, s->events[child + 1], s->events[child]))
			child++;
		if (!event_before(s, s->events[child], t))
			break;
		place_event(s, i, s->events[child]);
		i = child;
	}
	place_event(s, i, t);
}

static void set_event(struct sim *s, u32 t, ct_ns at)
{
	s->threads[t].at_ns = at;
	if (s->threads[t].heap_at == NO_EVENT)
		place_event(s, s->event_cnt++, t);
	sift_event(s, s->threads[t].heap_at);
}

static u32 pop_event(struct sim *s)
{
	u32 t = s->events[0];

	s->threads[t].heap_at = NO_EVENT;
	s->event_cnt--;
	if (s->event_cnt) {
		place_event(s, 0, s->events[s->event_cnt]);
		sift_event(s, 0);
	}
	return t;
}

/* ---- CPUs ---- */

static bool ready_before(const struct sim *s, u32 a, u32 b)
{
	const struct sim_thread *x = &s->threads[a], *y = &s->threads[b];

	return x->used_ns != y->used_ns ? x->used_ns < y->used_ns : a < b;
}

static void push_ready(struct sim *s, u32 t)
{
	u32 i = s->ready_cnt++;

	s->threads[t].state = SIM_READY;
	for (; i && ready_before(s, t, s->ready[(i - 1) / 2]); i = (i - 1) / 2)
		s->ready[i] = s->ready[(i - 1) / 2];
	s->ready[i] = t;
}

static u32 pop_ready(struct sim *s)
{
	u32 first = s->ready[0], t = s->ready[--s->ready_cnt], i = 0;

	for (;;) {
		u32 child = 2 * i + 1;
		if (child >= s->ready_cnt)
			break;
		if (child + 1 < s->ready_cnt &&
			ready_before(s, s->ready[child + 1], s->ready[child]))
			child++;
		if (!ready_before(s, s->ready[child], t))
			break;
		s->ready[i] = s->ready[child];
		i = child;
	}
	s->ready[i] = t;
	return first;
}

/* When a running thread is looked at next: its COMPUTE is over, or its slice if somebody wants in.
 */
static void plan(struct sim *s, u32 t)
{
	struct sim_thread *th = &s->threads[t];
	ct_ns at = s->now_ns + th->left_ns;

	if (s->ready_cnt && th->slice_end_ns < at)
		at = th->slice_end_ns > s->now_ns ? th->slice_end_ns : s->now_ns;
	set_event(s, t, at);
}

static void account(struct sim *s, u32 t)
{
	struct sim_thread *th = &s->threads[t];
	ct_ns ns = s->now_ns - th->since_ns;

	th->since_ns = s->now_ns;
	th->used_ns += ns;
	th->left_ns -= ns < th->left_ns ? ns : th->left_ns;
}

static void enqueue(struct sim *s, u32 t)
{
	struct sim_thread *th = &s->threads[t];
	ct_ns floor_ns = s->least_used_ns > s->slice_ns ? s->least_used_ns - s->slice_ns : 0;

	if (th->used_ns < floor_ns)
		th->used_ns = floor_ns;
	push_ready(s, t);
	if (s->running_cnt < s->cpus || s->ready_cnt > 1)
		return;
	/* the first to want in: slices count from now on */
	for (u32 i = 0; i < s->running_cnt; i++) {
		account(s, s->running[i]);
		plan(s, s->running[i]);
	}
}

static void leave_cpu(struct sim *s, u32 t)
{
	for (u32 i = 0; i < s->running_cnt; i++)
		if (s->running[i] == t) {
			s->running[i] = s->running[--s->running_cnt];
			return;
		}
}

static void wake(struct sim *s, u32 t)
{
	s->threads[t].state = SIM_COMING;
	set_event(s, t, s->now_ns + s->w->latency_ns);
}

/* ---- ops: each returns whether the thread goes on ---- */

bool ct_is_io(u32 state)
{
	switch (state) {
	case CT_SLEEP:
	case CT_POLL:
	case CT_IO_DISK:
	case CT_IO_NET:
	case CT_PIPE:
	case CT_FAULT:
		return true;
	}
	return false;
}

static bool do_compute(struct sim *s, u32 t, u64 ns)
{
	s->threads[t].left_ns = (ct_ns)((double)ns * s->threads[t].pace + 0.5);
	s->threads[t].op++;
	if (!s->threads[t].left_ns)
		return true;
	plan(s, t);
	return false;
}

static bool do_delay(struct sim *s, u32 t, const struct ct_op *op)
{
	struct sim_thread *th = &s->threads[t];
	ct_ns end = s->now_ns + op->arg;

	th->op++;
	if (ct_is_io(op->state)) {
		if (s->change->change == CT_CHANGE_IO_FREE)
			return true;
		if (s->change->change == CT_CHANGE_IO_OVERLAP) {
			th->io_end_ns = th->io_end_ns > end ? th->io_end_ns : end;
			return true;
		}
	}
	th->state = SIM_COMING;
	set_event(s, t, end + s->w->latency_ns);
	return false;
}

static bool do_await(struct sim *s, u32 t, const struct ct_op *op)
{
	struct sim_thread *th = &s->threads[t];
	u32 lock = s->w->m->waits.at[op->arg].lock;
	bool freed = s->change->change == CT_CHANGE_LOCK_FREE && lock != CT_NONE &&
		     lock == s->change->lock;

	th->op++;
	if (s->tokens[op->arg] == TOKEN_POSTED || freed)
		return true;
	if (ct_is_io(op->state) && s->change->change == CT_CHANGE_IO_OVERLAP) {
		s->tokens[op->arg] = TOKEN_OPEN;
		th->io_open++;
		return true;
	}
	th->state = SIM_PARKED;
	return false;
}

static bool is_parked_for(const struct sim *s, u32 t, u32 wait)
{
	const struct sim_thread *th = &s->threads[t];

	if (th->state != SIM_PARKED || th->op == s->w->first[t])
		return false;
	const struct ct_op *op = &s->w->ops.at[th->op - 1];
	return op->kind == CT_OP_AWAIT && op->arg == wait;
}

static void do_post(struct sim *s, u32 wait)
{
	u32 t = s->w->m->waits.at[wait].thread;
	struct sim_thread *th = &s->threads[t];
	bool open = s->tokens[wait] == TOKEN_OPEN;

	s->tokens[wait] = TOKEN_POSTED;
	if (open) {
		th->io_open--;
		if (th->state == SIM_PARKED && th->op == th->end && !th->io_open)
			wake(s, t);
	} else if (is_parked_for(s, t, wait)) {
		wake(s, t);
	}
}

static bool do_meet(struct sim *s, u32 t, u32 round)
{
	struct sim_round *r = &s->rounds[round];

	s->threads[t].op++;
	if (++r->come < s->w->round_size[round]) {
		s->threads[t].next = r->head;
		r->head = t;
		s->threads[t].state = SIM_PARKED;
		return false;
	}
	while (r->head != CT_NONE) {
		u32 first = r->head;
		r->head = s->threads[first].next;
		s->threads[first].next = CT_NONE;
		wake(s, first);
	}
	return true;
}

/* The lock that thread t means: itself, a part of it, or none. */
static struct sim_lock *lock_of(struct sim *s, u32 t, u32 lock, bool asks)
{
	struct sim_thread *th = &s->threads[t];

	if (lock != s->change->lock)
		return &s->locks[lock];
	if (s->change->change == CT_CHANGE_LOCK_FREE)
		return NULL;
	if (s->change->change != CT_CHANGE_LOCK_SPLIT)
		return &s->locks[lock];
	if (asks) { /* any spread will do that is the same every time */
		u64 x = ((u64)t << 32 | th->uses++) * 0x9e3779b97f4a7c15ull;
		th->part = (u32)(x >> 40) % s->change->parts;
	}
	return &s->locks[s->w->m->locks.cnt + th->part];
}

static bool do_acquire(struct sim *s, u32 t, u32 lock)
{
	struct sim_lock *l = lock_of(s, t, lock, s->threads[t].next == CT_NONE);

	s->threads[t].next = CT_NONE;
	if (!l || l->owner == CT_NONE || l->owner == t) {
		if (l)
			l->owner = t;
		s->threads[t].op++;
		return true;
	}
	if (l->head == CT_NONE)
		l->head = t;
	else
		s->threads[l->tail].next = t;
	l->tail = t;
	s->threads[t].state = SIM_PARKED;
	return false;
}

static void do_release(struct sim *s, u32 t, u32 lock)
{
	struct sim_lock *l = lock_of(s, t, lock, false);

	if (!l || l->owner != t)
		return;
	l->owner = CT_NONE;
	u32 first = l->head;
	if (first == CT_NONE)
		return;
	l->head = s->threads[first].next;
	s->threads[first].next = first; /* marks that it asks again: for the same part */
	wake(s, first);
}

static void finish(struct sim *s, u32 t)
{
	struct sim_thread *th = &s->threads[t];

	if (th->io_open) {
		th->state = SIM_PARKED;
		return;
	}
	if (th->io_end_ns > s->now_ns) {
		th->state = SIM_COMING;
		set_event(s, t, th->io_end_ns);
		return;
	}
	th->state = SIM_DONE;
	s->result.end_ns = s->now_ns;
}

/* Runs a thread's ops until one takes time. */
static void run_ops(struct sim *s, u32 t)
{
	struct sim_thread *th = &s->threads[t];
	bool on = true;

	while (on && th->op < th->end) {
		const struct ct_op *op = &s->w->ops.at[th->op];
		switch (op->kind) {
		case CT_OP_COMPUTE:
			on = do_compute(s, t, op->arg);
			break;
		case CT_OP_DELAY:
			on = do_delay(s, t, op);
			break;
		case CT_OP_AWAIT:
			on = do_await(s, t, op);
			break;
		case CT_OP_MEET:
			on = do_meet(s, t, op->arg);
			break;
		case CT_OP_ACQUIRE:
			on = do_acquire(s, t, op->arg);
			break;
		case CT_OP_RELEASE:
			do_release(s, t, op->arg);
			th->op++;
			break;
		case CT_OP_POST:
			do_post(s, op->arg);
			th->op++;
			break;
		case CT_OP_SPAWN:
			if (s->threads[op->arg].state == SIM_ABSENT)
				wake(s, op->arg);
			th->op++;
			break;
		}
	}
	if (on)
		finish(s, t);
	if (th->state != SIM_RUNNING)
		leave_cpu(s, t);
}

/* ---- the loop ---- */

static void fill_cpus(struct sim *s)
{
	while (s->ready_cnt && s->running_cnt < s->cpus) {
		u32 t = pop_ready(s);
		struct sim_thread *th = &s->threads[t];
		th->state = SIM_RUNNING;
		th->since_ns = s->now_ns;
		th->slice_end_ns = s->now_ns + s->slice_ns;
		if (s->least_used_ns < th->used_ns)
			s->least_used_ns = th->used_ns;
		s->running[s->running_cnt++] = t;
		if (th->left_ns)
			plan(s, t);
		else
			run_ops(s, t);
	}
}

static void step(struct sim *s)
{
	u32 t = pop_event(s);
	struct sim_thread *th = &s->threads[t];

	s->now_ns = th->at_ns;
	if (th->state == SIM_COMING) {
		enqueue(s, t);
	} else if (th->state == SIM_RUNNING) {
		account(s, t);
		if (!th->left_ns) {
			run_ops(s, t);
		} else if (s->ready_cnt && th->slice_end_ns <= s->now_ns) {
			leave_cpu(s, t);
			push_ready(s, t);
		} else {
			plan(s, t);
		}
	}
	fill_cpus(s);
}

/* Nobody can go on.  The first thread that waits for a lock takes it; false: none does. */
static bool force_lock(struct sim *s)
{
	for (u32 i = 0; i < s->w->m->locks.cnt + s->change->parts; i++) {
		u32 first = s->locks[i].head;
		if (first == CT_NONE)
			continue;
		s->locks[i].head = s->threads[first].next;
		s->locks[i].owner = CT_NONE;
		s->threads[first].next = first;
		s->result.forced_cnt++;
		wake(s, first);
		return true;
	}
	return false;
}

static void set_pace(struct sim *s)
{
	const struct ct_prediction *c = s->change;
	const struct ct_thread *threads = s->w->m->threads.at;
	u32 cnt = 0;
	double sum = 0;

	if (c->change == CT_CHANGE_HALF_WORK)
		s->threads[c->thread].pace = 0.5;
	if (c->change != CT_CHANGE_EVEN_WORK)
		return;
	const struct ct_thread *one = &threads[c->thread];
	for (u32 t = 0; t < s->w->m->threads.cnt; t++)
		if (threads[t].process == one->process &&
			threads[t].start_frame == one->start_frame) {
			sum += (double)s->w->cpu_ns[t];
			cnt++;
		}
	for (u32 t = 0; t < s->w->m->threads.cnt; t++)
		if (threads[t].process == one->process &&
			threads[t].start_frame == one->start_frame && s->w->cpu_ns[t])
			s->threads[t].pace = sum / cnt / (double)s->w->cpu_ns[t];
}

static ct_ns choose_slice(const struct ct_work *w)
{
	double sum = 0;

	for (u32 t = 0; t < w->m->threads.cnt; t++)
		sum += (double)w->cpu_ns[t];
	return sum / SLICES_MAX > SLICE_NS ? (ct_ns)(sum / SLICES_MAX) : SLICE_NS;
}

static void sim_init(struct sim *s, const struct ct_work *w)
{
	u32 threads = w->m->threads.cnt;
	size_t locks = (size_t)w->m->locks.cnt + s->change->parts;

	s->slice_ns = choose_slice(w);
	s->threads = ct_alloc(threads * sizeof(*s->threads));
	s->locks = ct_alloc(locks * sizeof(*s->locks));
	s->rounds = ct_alloc(w->round_cnt * sizeof(*s->rounds));
	s->tokens = ct_alloc(w->m->waits.cnt * sizeof(*s->tokens));
	s->events = ct_alloc(threads * sizeof(*s->events));
	s->ready = ct_alloc(threads * sizeof(*s->ready));
	s->running = ct_alloc(threads * sizeof(*s->running));
	for (size_t i = 0; i < locks; i++)
		s->locks[i] = (struct sim_lock){ CT_NONE, CT_NONE, CT_NONE };
	for (u32 i = 0; i < w->round_cnt; i++)
		s->rounds[i].head = CT_NONE;
	for (u32 t = 0; t < threads; t++)
		s->threads[t] = (struct sim_thread){ .op = w->first[t],
			.end = w->first[t + 1],
			.heap_at = NO_EVENT,
			.next = CT_NONE,
			.pace = 1 };
	set_pace(s);
	for (u32 t = 0; t < threads; t++) {
		const struct ct_thread *th = &w->m->threads.at[t];
		if (th->slices.cnt &&
			(th->parent == CT_NONE || !w->m->threads.at[th->parent].slices.cnt)) {
			s->threads[t].state = SIM_COMING;
			set_event(s, t, 0);
		}
	}
}

struct ct_replay_result ct_replay(
	const struct ct_work *w, const struct ct_prediction *change, u32 cpus)
{
	/* parts means locks for a split only */
	struct ct_prediction c = *change;
	struct sim s = { .w = w, .change = &c, .cpus = cpus };

	if (c.change == CT_CHANGE_CPUS)
		s.cpus = c.parts ? c.parts : w->m->threads.cnt;
	if (c.change != CT_CHANGE_LOCK_SPLIT)
		c.parts = 0;
	sim_init(&s, w);
	do {
		while (s.event_cnt)
			step(&s);
	} while (force_lock(&s));
	for (u32 t = 0; t < w->m->threads.cnt; t++)
		s.result.stuck_cnt += s.threads[t].op < s.threads[t].end;
	free(s.threads);
	free(s.locks);
	free(s.rounds);
	free(s.tokens);
	free(s.events);
	free(s.ready);
	free(s.running);
	return s.result;
}
