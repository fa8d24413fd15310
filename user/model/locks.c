/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the identity of locks, their queues, and the evidence of who held them, which is collected
 * here in order of time and read in holds.c when the trace has ended.
 *
 * Identity is (process, address of the primitive); for futexes that processes share, the address. A
 * table finds it by two keys: (process, address) is the lock last seen there; (process + kind,
 * address) tells apart what used the same memory one after the other.
 */
#include <errno.h>

#include "model/model_int.h"

#define SHARED UINT32_MAX /* in place of the process */

/* A woken waiter that lost the race goes back to sleep within microseconds of CPU time (wake-up,
 * one exchange, futex call); taking the lock, using it, giving it back and coming again takes
 * longer in all but the smallest loops.  Decides only where nothing better is known. */
#define RETRY_NS 10000u

/* ---- identity -------------------------------------------------------------------------------- */

static u64 key_of(u32 process, bool shared, u32 kind_plus_1)
{
	return (u64)kind_plus_1 << 32 | (shared ? SHARED : process);
}

static u32 add_lock(struct build *b, u32 process, const struct reason *r)
{
	u32 idx = b->m->locks.cnt;
	struct ct_lock *l = ct_vec_push(&b->m->locks);

	(void)ct_vec_push(&b->locks);
	l->id = idx + 1;
	l->process = process;
	l->addr = r->addr;
	l->kind = r->lock_kind;
	l->shared = r->shared;
	return idx;
}

static u32 find_lock(struct build *b, u32 process, const struct reason *r)
{
	u64 any = key_of(process, r->shared, 0);
	u64 typed = key_of(process, r->shared, 1 + r->lock_kind);
	u32 idx = ct_table__get(b->by_addr, any, r->addr);

	if (idx != CT_NONE) {
		struct ct_lock *l = &b->m->locks.at[idx];
		if (l->kind == CT_LK_FUTEX)
			l->kind = r->lock_kind; /* now it is known */
		if (l->kind == r->lock_kind || r->lock_kind == CT_LK_FUTEX)
			return idx;
		idx = ct_table__get(b->by_addr, typed, r->addr);
	}
	if (idx == CT_NONE)
		idx = add_lock(b, process, r);
	ct_table__set(b->by_addr, any, r->addr, idx);
	ct_table__set(b->by_addr, typed, r->addr, idx);
	return idx;
}

u32 model_lock(struct build *b, u32 process, const struct reason *r)
{
	u32 idx = find_lock(b, process, r);

	/* a futex call names a word of the primitive, not its start */
	if (r->word != r->addr)
		ct_table__set(b->by_addr, key_of(process, r->shared, 0), r->word, idx);
	return idx;
}

/* ---- evidence ------------------------------------------------------------------------------- */

/* Since when can thread t have held it?  Not from before somebody else let go, not from before it
 * last waited for it itself, not from before it next came to a CPU after that; and nothing is
 * claimed of a time when nobody waited. */
static ct_ns earliest_hold(struct build *b, u32 lock, u32 t)
{
	const struct lock_now *l = &b->locks.at[lock];
	const struct thread_now *now = &b->now.at[t];
	ct_ns lo = l->queued ? l->busy_ns : b->ts;

	if (lo < l->freed_ns)
		lo = l->freed_ns;
	if (now->last_lock == lock && lo < now->last_lock_ns)
		lo = now->last_lock_ns;
	if (now->was_off_ns <= lo && lo < now->run_ns)
		lo = now->run_ns;
	return lo < b->ts ? lo : b->ts;
}

static u32 add_evidence(
	struct build *b, u32 lock, enum evidence_kind kind, u32 t, ct_ns at, ct_ns from)
{
	struct lock_now *l = &b->locks.at[lock];
	u32 idx = l->evidence.cnt;
	struct evidence *e = ct_vec_push(&l->evidence);

	if (idx && at < l->evidence.at[idx - 1].ts)
		at = l->evidence.at[idx - 1].ts;
	e->ts = at;
	e->kind = kind;
	e->thread = t;
	e->back_ns = from >= at ? 0 : at - from > UINT32_MAX ? UINT32_MAX : at - from;
	if (kind == EV_FREED)
		l->freed_ns = at;
	return idx;
}

/* Did the thread, since it last woke from its wait for this lock, never have it? */
static bool is_retry(struct build *b, u32 t, u32 lock, u32 stack)
{
	const struct thread_now *now = &b->now.at[t];
	const struct lock_now *l = &b->locks.at[lock];
	const struct ct_lock *ml = &b->m->locks.at[lock];

	if (now->acq_lock != lock || now->released)
		return false;
	u32 before = b->m->waits.at[now->acq_wait].stack;
	if (before && stack && before != stack)
		return false;
	if (ml->kind == CT_LK_MUTEX) {
		/* who got it by waiting wakes the next one when he lets go: somebody was waiting
		 * all the time and was not woken, or no wake call was made at all */
		if (l->queued && l->busy_ns <= now->acq_ns)
			return true;
		if (b->calls && !b->musl)
			return true;
	}
	return now->awake_ns < RETRY_NS;
}

static bool can_retry(u32 kind)
{
	return kind == CT_LK_MUTEX || kind == CT_LK_RWLOCK || kind == CT_LK_SEM;
}

static void settle_attempt(struct build *b, u32 t, u32 lock, u32 stack)
{
	struct thread_now *now = &b->now.at[t];

	if (is_retry(b, t, lock, stack)) {
		b->m->waits.at[now->acq_wait].flags |= CT_WAIT_SPURIOUS;
		if (now->acq_evidence != CT_NONE)
			b->locks.at[lock].evidence.at[now->acq_evidence].kind = EV_VOID;
	}
	now->acq_lock = CT_NONE;
}

static void see_owner(struct build *b, u32 t, u32 lock, u32 owner, ct_ns start)
{
	u32 kind = b->m->locks.at[lock].kind;

	if (kind != CT_LK_MUTEX && kind != CT_LK_RWLOCK)
		return;
	if (owner == CT_NONE) {
		add_evidence(b, lock, EV_NOT, t, b->ts, b->ts);
		return;
	}
	if (owner != t && b->now.at[owner].doing == DOING_BLOCKED)
		b->locks.at[lock].held_asleep = true;
	b->m->locks.at[lock].tells_owner = true;
	ct_ns from = earliest_hold(b, lock, owner);
	if (start < from) /* it was waiting when recording began */
		from = start;
	add_evidence(b, lock, EV_SEEN, owner, b->ts, from);
}

void model_lock_blocked(struct build *b, u32 t, u32 wait, const struct reason *r)
{
	u32 process = b->m->threads.at[t].process;
	struct ct_wait *w = &b->m->waits.at[wait];
	u32 lock = r->has_lock ? model_lock(b, process, r) : CT_NONE;
	struct thread_now *now = &b->now.at[t];

	if (now->acq_lock != CT_NONE)
		settle_attempt(b, t, lock, w->stack);
	now->role = r->role;
	if (lock == CT_NONE)
		return;
	w->lock = lock;
	struct ct_lock *ml = &b->m->locks.at[lock];
	*ct_vec_push(&ml->waits) = wait;
	ml->wait_cnt++;
	/* b->now.at[t].doing is still RUNNING: a thread may wait for a lock that it holds itself */
	see_owner(b, t, lock, r->owner, w->start_ns);
	struct lock_now *l = &b->locks.at[lock];
	if (!l->queued++)
		l->busy_ns = w->start_ns;
	if (ml->max_waiters < l->queued)
		ml->max_waiters = l->queued;
}

/* ---- waking and running again ---------------------------------------------------------------- */

static bool woken_by_futex(struct build *b, const struct ct_wait *w)
{
	return w->waker != CT_NONE && (model_sys(b, w->waker_nr) & SYS_CLASS) == SYS_FUTEX;
}

static void note_release(struct build *b, u32 lock, u32 t, ct_ns at, bool seen_since)
{
	struct thread_now *now = &b->now.at[t];

	if (now->acq_lock == lock)
		now->released = true;
	/* woken before it was asleep: its look at the owner word is the younger one */
	if (!seen_since)
		add_evidence(b, lock, EV_FREED, t, at, earliest_hold(b, lock, t));
}

/* A waking by a futex call stands for a call of its own (those that woke one thread have no record)
 * until a record says that the call woke several. */
static void count_waking(struct build *b, u32 lock, u32 waker)
{
	struct thread_now *now = &b->now.at[waker];

	if (!b->calls)
		return;
	b->m->locks.at[lock].wake_cnt++;
	if (now->woken_lock != lock)
		now->woken_cnt = 0;
	now->woken_lock = lock;
	now->woken_cnt++;
	if (now->acq_lock == lock)
		now->released = true;
}

/* The wait for the lock is over: by a waking, or with the thread. */
void model_lock_woken(struct build *b, u32 t, u32 wait)
{
	const struct ct_wait *w = &b->m->waits.at[wait];
	u32 role = b->now.at[t].role;

	if (w->lock == CT_NONE)
		return;
	if (woken_by_futex(b, w)) {
		count_waking(b, w->lock, w->waker);
		/* a writer that waits for readers is woken by the last of them: no release of a
		 * holder */
		if (role == ROLE_OWNER || role == ROLE_HEIR || role == ROLE_WRITER ||
			role == ROLE_READER)
			note_release(b, w->lock, w->waker, w->end_ns,
				w->end_ns == w->start_ns && w->owner != CT_NONE);
		if (role == ROLE_HEIR)
			add_evidence(b, w->lock, EV_RUN, t, w->end_ns, w->end_ns);
	}
	b->locks.at[w->lock].queued--;
}

/* The thread runs for the first time after its wait. */
void model_lock_ran(struct build *b, u32 t, u32 wait)
{
	const struct ct_wait *w = &b->m->waits.at[wait];
	struct thread_now *now = &b->now.at[t];

	now->acq_lock = CT_NONE;
	if (w->lock == CT_NONE)
		return;
	now->last_lock = w->lock;
	now->last_lock_ns = now->run_ns;
	now->last_wait = wait;
	if (!can_retry(b->m->locks.at[w->lock].kind) || (w->flags & CT_WAIT_TIMED_OUT))
		return;
	if (now->role == ROLE_HEIR)
		return; /* it has it since the waking */
	now->acq_lock = w->lock;
	now->acq_wait = wait;
	now->acq_ns = now->run_ns;
	now->released = false;
	now->acq_evidence = CT_NONE;
	if (now->role == ROLE_OWNER || now->role == ROLE_WRITER || now->role == ROLE_WRITER_PHASE)
		now->acq_evidence = add_evidence(b, w->lock, EV_RUN, t, now->run_ns, now->run_ns);
}

/* ---- futex calls with their results ---------------------------------------------------------- */

static u32 least(u32 a, u32 b)
{
	return a < b ? a : b;
}

static void count_wake(struct build *b, u32 lock, u32 t, const struct ct_futex *f, u32 cmd)
{
	struct ct_lock *l = &b->m->locks.at[lock];
	struct thread_now *now = &b->now.at[t];
	bool nobody = f->result == 0 && cmd != OP_UNLOCK_PI;
	/* of a requeue, the result counts those that were moved, too */
	u32 most = cmd == OP_UNLOCK_PI ? 1 : f->result < 0 ? 0 : least(f->result, f->val);

	if (now->woken_lock == lock)
		l->wake_cnt -= least(now->woken_cnt, most);
	now->woken_cnt = 0;
	l->wake_cnt++;
	if (nobody)
		l->wake_none_cnt++;
	if (now->acq_lock == lock)
		now->released = true;
	/* who woke somebody has been seen by the waking itself */
	if (nobody && l->kind == CT_LK_MUTEX)
		note_release(b, lock, t, b->ts, false);
}

static void count_wait(struct build *b, u32 lock, u32 t, i32 result)
{
	struct ct_lock *l = &b->m->locks.at[lock];
	struct thread_now *now = &b->now.at[t];

	if (result == -EAGAIN)
		l->eagain_cnt++;
	if (result != -ETIMEDOUT || now->last_lock != lock)
		return;
	b->m->waits.at[now->last_wait].flags |= CT_WAIT_TIMED_OUT;
	if (now->acq_lock == lock && now->acq_evidence != CT_NONE)
		b->locks.at[lock].evidence.at[now->acq_evidence].kind = EV_VOID;
	now->acq_lock = CT_NONE;
}

void model_on_futex(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);
	u32 cmd = e->futex.op & OP_CMD_MASK;

	if (t == CT_NONE) {
		model_stray(b, e->hdr.tid);
		return;
	}
	model_settle_running(b, t, e->cpu);
	u32 process = b->m->threads.at[t].process;
	bool shared = model_is_shared(b, process, e->futex.addr, e->futex.op);
	u32 lock = ct_table__get(b->by_addr, key_of(process, shared, 0), e->futex.addr);
	if (lock == CT_NONE || !b->now.at[t].recording)
		return;
	switch (cmd) {
	case OP_WAKE:
	case OP_WAKE_BITSET:
	case OP_WAKE_OP:
	case OP_UNLOCK_PI:
	case OP_REQUEUE:
	case OP_CMP_REQUEUE:
	case OP_CMP_REQUEUE_PI:
		count_wake(b, lock, t, &e->futex, cmd);
		break;
	default:
		count_wait(b, lock, t, e->futex.result);
	}
}
