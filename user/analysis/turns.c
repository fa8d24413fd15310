/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Do threads take turns, one at a time, because of what they pass round among themselves: a
 * condition variable, a semaphore or a futex?  An interpreter's lock is the usual case.  (Mutexes
 * have owners to be read: findings_locks.c.)
 *
 * Asked is not how many ran, which other programs' load decides, but how many wanted to: running
 * and runnable together.  Time is taken in turns when exactly one thread wants a CPU, it is one of
 * those who wait for the thing now and then, and another of them waits for it meanwhile.  A thread
 * that wakes by its timeout, looks and waits on still waits.
 *
 * The thing is passed round when those who wait for it are those who end each other's waits; a
 * queue of work that somebody else fills is none.  O(waits), and one sweep for each of at most
 * CANDIDATES locks.
 */
#include <string.h>

#include "findings_int.h"
#include "sweep.h"

#define CANDIDATES 3
#define NEAR 8 /* slices that are looked at around one: who wakes and waits on has three or four */

enum role { AWAY, WANTS, WAITS };

struct round {
	const struct ct_model *m;
	struct ct_sweep sweep;
	u32 lock;
	u8 *member; /* [threads] waits for it now and then */
	u8 *role;   /* [threads] enum role */
	ct_ns *alone_ns; /* [threads] */
	u32 wants, waits;
	u64 wants_sum; /* of their indices: with one, which */
	u32 last;      /* the last one alone */
	struct ct_turns *out;
};

static bool is_woken(const struct ct_wait *w)
{
	return (w->flags & CT_WAIT_WOKEN) && !(w->flags & CT_WAIT_TIMED_OUT);
}

static bool is_passed_round(struct round *r, const struct ct_lock *l)
{
	u32 woken = 0, inside = 0;

	memset(r->member, 0, r->m->threads.cnt);
	r->out->threads = 0;
	for (u32 i = 0; i < l->waits.cnt; i++) {
		u8 *member = &r->member[r->m->waits.at[l->waits.at[i]].thread];
		r->out->threads += !*member;
		*member = 1;
	}
	for (u32 i = 0; i < l->waits.cnt; i++) {
		const struct ct_wait *w = &r->m->waits.at[l->waits.at[i]];
		if (!is_woken(w))
			continue;
		woken++;
		inside += w->waker != CT_NONE && r->member[w->waker];
	}
	return woken >= ct_threshold(CT_T_TURNS) && r->out->threads > 1 &&
	       ct_is_share(inside, woken, CT_T_TURN_INSIDE);
}

/* ---- who wants what ---- */

static const struct ct_wait *wait_of(const struct round *r, const struct ct_slice *sl)
{
	return ct_state_blocked(sl->state) && sl->wait != CT_NONE ? &r->m->waits.at[sl->wait]
								  : NULL;
}

/* Between two waits for the lock, of which the first brought it nothing. */
static bool waits_on(const struct round *r, const struct ct_thread *th, u32 slice)
{
	u32 from = slice, to = slice;
	ct_ns ran_ns = 0;

	while (from && slice - from < NEAR && !ct_state_blocked(th->slices.at[from].state))
		from--;
	while (to < th->slices.cnt && to - slice < NEAR &&
		!ct_state_blocked(th->slices.at[to].state))
		to++;
	if (to == th->slices.cnt)
		return false;
	const struct ct_wait *before = wait_of(r, &th->slices.at[from]);
	const struct ct_wait *after = wait_of(r, &th->slices.at[to]);
	for (u32 i = from; i < to; i++)
		if (th->slices.at[i].state == CT_RUNNING)
			ran_ns += ct_slice_end(th, i) - th->slices.at[i].start_ns;
	return before && after && before->lock == r->lock && after->lock == r->lock &&
	       (before->flags & (CT_WAIT_TIMED_OUT | CT_WAIT_SPURIOUS)) &&
	       ran_ns <= ct_threshold_ns(CT_T_HERD_WORK_US);
}

static enum role role_of(const struct round *r, u32 thread, u32 slice)
{
	const struct ct_thread *th = &r->m->threads.at[thread];
	const struct ct_slice *sl = &th->slices.at[slice];
	const struct ct_wait *w = wait_of(r, sl);

	if (ct_state_blocked(sl->state))
		return w && w->lock == r->lock ? WAITS : AWAY;
	return waits_on(r, th, slice) ? WAITS : WANTS;
}

static void on_change(struct ct_sweep *s, u32 thread, u32 old_slice, u32 new_slice)
{
	struct round *r = s->arg;
	u8 *role = &r->role[thread];

	if (*role == WANTS) {
		r->wants--;
		r->wants_sum -= thread;
	}
	r->waits -= *role == WAITS;
	*role = new_slice == CT_NONE ? AWAY : role_of(r, thread, new_slice);
	if (*role == WANTS) {
		r->wants++;
		r->wants_sum += thread;
	}
	r->waits += *role == WAITS;
}

static void measure(struct round *r)
{
	u32 threads = r->m->threads.cnt;

	memset(r->role, 0, threads);
	memset(r->alone_ns, 0, threads * sizeof(*r->alone_ns));
	r->wants = r->waits = 0;
	r->wants_sum = 0;
	r->last = CT_NONE;
	ct_sweep__init(&r->sweep, r->m);
	r->sweep.changed = on_change;
	r->sweep.arg = r;
	while (ct_sweep__step(&r->sweep)) {
		u32 t = (u32)r->wants_sum;
		if (r->wants != 1 || !r->waits || !r->member[t])
			continue;
		r->out->alone_ns += r->sweep.to_ns - r->sweep.from_ns;
		r->alone_ns[t] += r->sweep.to_ns - r->sweep.from_ns;
		r->out->turns += t != r->last;
		r->last = t;
	}
	ct_sweep__clear(&r->sweep);
	for (u32 t = 0; t < threads; t++)
		if (r->alone_ns[t] > r->out->most_ns)
			r->out->most_ns = r->alone_ns[t];
}

/* ---- whose lock ---- */

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static const char *function_of(const struct ct_model *m, u32 frame)
{
	return ct_strtab__get(m->names->strings, m->names->frames.at[frame].function);
}

/* CPython's take_gil() waits in pthread_cond_timedwait; where it has no name, its callers have. */
static bool is_interpreter_stack(const struct ct_model *m, u32 stack)
{
	u32 cnt, timed = CT_NONE;
	const u32 *frames = ct_names__stack(m->names, stack, &cnt);

	for (u32 i = 0; i < cnt; i++) {
		const char *function = function_of(m, frames[i]);
		if (starts_with(function, "take_gil") || starts_with(function, "gvl_acquire"))
			return true;
		if (starts_with(function, "pthread_cond_timedwait") ||
			starts_with(function, "pthread_cond_clockwait"))
			timed = i;
		if (timed != CT_NONE && i - timed <= 2 &&
			(starts_with(function, "PyEval_") || starts_with(function, "_PyEval_")))
			return true;
	}
	return false;
}

static bool is_interpreter(const struct ct_model *m, const struct ct_lock *l)
{
	char name[256];

	if (!m->names)
		return false;
	if (l->kind == CT_LK_COND &&
		starts_with(ct_lock_name(m, l, name, sizeof(name)), "_PyRuntime"))
		return true;
	for (u32 i = 0, seen = 0; i < l->waits.cnt && seen < NEAR; i++) {
		u32 stack = m->waits.at[l->waits.at[i]].stack;
		seen += stack != 0;
		if (stack && is_interpreter_stack(m, stack))
			return true;
	}
	return false;
}

/* ---- all ---- */

static bool is_turns(const struct round *r, ct_ns duration_ns)
{
	const struct ct_turns *t = r->out;

	return t->turns >= ct_threshold(CT_T_TURNS) &&
	       ct_is_share(t->alone_ns, duration_ns, CT_T_SERIAL_SHARE) &&
	       !ct_is_share(t->most_ns, t->alone_ns, CT_T_TURN_MOST) &&
	       t->alone_ns / t->turns >= ct_threshold_ns(CT_T_TURN_US);
}

void ct_turns__compute(
	struct ct_turns *out, const struct ct_model *m, const struct ct_contentions *c)
{
	struct round r = { .m = m, .out = out };
	ct_ns duration_ns = m->end_ns - m->start_ns;
	u32 asked = 0;
	bool found = false;

	r.member = ct_alloc((size_t)m->threads.cnt + 1);
	r.role = ct_alloc((size_t)m->threads.cnt + 1);
	r.alone_ns = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*r.alone_ns));
	for (u32 i = 0; i < c->at.cnt && asked < CANDIDATES && !found; i++) {
		const struct ct_lock *l = &m->locks.at[c->at.at[i].lock];
		*out = (struct ct_turns){ .lock = c->at.at[i].lock };
		if ((l->kind != CT_LK_COND && l->kind != CT_LK_SEM && l->kind != CT_LK_FUTEX) ||
			!ct_is_share(l->wait_ns, duration_ns, CT_T_SERIAL_SHARE) ||
			!is_passed_round(&r, l))
			continue;
		asked++;
		r.lock = out->lock;
		measure(&r);
		found = is_turns(&r, duration_ns);
	}
	if (found)
		out->interpreter = is_interpreter(m, &m->locks.at[out->lock]);
	else
		*out = (struct ct_turns){ .lock = CT_NONE };
	free(r.member);
	free(r.role);
	free(r.alone_ns);
}
