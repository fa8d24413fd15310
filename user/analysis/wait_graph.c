/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who waits for whom at a moment, and who will for ever: rings of threads (deadlock), locks whose
 * owner has ended (abandoned), processes in which everybody waits for somebody (stuck).
 *
 * What never ends is only seen from its end: the program is killed, or the recording is over.  Each
 * thread's last wait that only another thread could have ended, and none did, is a candidate; the
 * graph is looked at just before the first of the candidates that ended together did.
 *
 *     alice  ...|--- lock A (bob has it) -----------|x     killed: the threads of a program are all
 *     bob    ......|--- lock B (alice has it) ------|x     woken at once, then end
 *                  ^ since                         ^ the moment
 *
 * A wait that a timer, a device, another program or a descriptor may end is no edge, nor is one
 * with a timeout.  Stuck is said only of a process that was killed or outlived the recording: one
 * that went on and ended by itself was waiting for a signal and its handler.  Of a process that was
 * attached to, it is not known whether it has such a handler: then a wait for a semaphore, which a
 * handler may post, is not held against it.
 */
#include <string.h>

#include "ct_findings.h"
#include "search.h"

/* Threads of a killed program are woken within microseconds of each other; what is further apart
 * was ended for different reasons. */
#define TOGETHER_NS 10000000u
/* A thread that ends with a lock is seen to have left it behind when somebody waits that long: a
 * kill ends owner and waiter together. */
#define ABANDONED_NS 100000000u
/* A program that is killed may look as if it were in a ring for the moment in which its threads go:
 * stress-ng's mutex workers once did for 13 us, in a recording that had lost events. */
#define RING_NS 1000000u
/* All threads may wait for each other for a moment while one of them is woken by a slow machine. */
#define STUCK_NS 500000000u

const char *ct_hang_id(enum ct_hang_kind k)
{
	static const char *const ids[CT_HANG_KINDS] = { [CT_HANG_DEADLOCK] = "deadlock",
		[CT_HANG_ABANDONED] = "abandoned-lock",
		[CT_HANG_STUCK] = "stuck" };

	return k < CT_HANG_KINDS ? ids[k] : "";
}

/* ---- the graph at a moment ------------------------------------------------------------------- */

/* The slice that the thread is in; CT_NONE: it does not live then. */
static u32 slice_at(const struct ct_thread *t, ct_ns at_ns)
{
	u32 low = 0, high = t->slices.cnt;

	if (!t->slices.cnt || at_ns < t->slices.at[0].start_ns || at_ns >= t->end_ns)
		return CT_NONE;
	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;
		if (t->slices.at[mid].start_ns <= at_ns)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static bool lives_at(const struct ct_thread *t, ct_ns at_ns)
{
	return slice_at(t, at_ns) != CT_NONE;
}

/* Waits that end when another thread does something, and not before. */
static bool needs_a_thread(const struct ct_wait *w)
{
	return w->state >= CT_LOCK && w->state <= CT_FUTEX_OTHER && !(w->flags & CT_WAIT_TIMED);
}

/* Has the thread that had the lock when w began let go of it since?  The one that it woke may need
 * long for a CPU, and the one that let go may have ended meanwhile. */
static bool let_go(const struct ct_lock *l, const struct ct_wait *w, ct_ns at_ns)
{
	for (u32 i = CT_FIRST_AT(l->holds, end_ns, w->start_ns); i < l->holds.cnt; i++) {
		const struct ct_hold *h = &l->holds.at[i];
		if (h->end_ns > at_ns)
			return false;
		if (h->thread == w->owner && (h->flags & CT_HOLD_END_SEEN))
			return true;
	}
	return false;
}

static u32 owner_at(const struct ct_model *m, const struct ct_wait *w, ct_ns at_ns)
{
	const struct ct_hold *hold;
	const struct ct_lock *l;

	if (w->state == CT_JOIN)
		return w->target;
	if (w->lock == CT_NONE || (w->state != CT_LOCK && w->state != CT_RWLOCK))
		return CT_NONE;
	l = &m->locks.at[w->lock];
	hold = ct_lock_holder(l, at_ns);
	if (hold)
		return hold->thread;
	return w->owner == CT_NONE || let_go(l, w, at_ns) ? CT_NONE : w->owner;
}

void ct_wait_graph__compute(struct ct_wait_graph *g, const struct ct_model *m, ct_ns at_ns)
{
	g->at_ns = at_ns;
	g->cnt = m->threads.cnt;
	g->nodes = ct_alloc((g->cnt + 1) * sizeof(*g->nodes));
	for (u32 t = 0; t < g->cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		u32 s = slice_at(th, at_ns);
		u32 wait = s == CT_NONE ? CT_NONE : th->slices.at[s].wait;

		g->nodes[t] = (struct ct_wait_node){ CT_NONE, CT_NONE };
		if (wait == CT_NONE || !ct_state_blocked(th->slices.at[s].state) ||
			!needs_a_thread(&m->waits.at[wait]))
			continue;
		g->nodes[t].wait = wait;
		g->nodes[t].owner = owner_at(m, &m->waits.at[wait], at_ns);
	}
}

void ct_wait_graph__clear(struct ct_wait_graph *g)
{
	free(g->nodes);
	*g = (struct ct_wait_graph){ 0 };
}

/* ---- which waits never ended ---------------------------------------------------------------- */

static bool is_call(const struct ct_model *m, u32 nr, const char *const *names)
{
	const char *name = nr == CT_NR_NONE || !m->names ? NULL : ct_names__syscall(m->names, nr);

	for (; name && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* Ended with the thread or by a signal, not because somebody did what it waited for. */
static bool ended_from_outside(const struct ct_model *m, const struct ct_wait *w)
{
	static const char *const killers[] = { "exit_group", "execve", "execveat", "kill", "tkill",
		"tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", NULL };
	bool shared = w->lock != CT_NONE && m->locks.at[w->lock].shared;

	if (!(w->flags & CT_WAIT_WOKEN) || w->waker == CT_NONE)
		return true;
	if (!shared && m->threads.at[w->waker].process != m->threads.at[w->thread].process)
		return true;
	return is_call(m, w->waker_nr, killers);
}

struct search {
	const struct ct_model *m;
	struct ct_hangs *out;
	u32 *last;		/* [threads] candidate wait, or CT_NONE */
	struct ct_wait_graph g; /* at the moment */
	u32 *colour;		/* [threads] of the walk that was there first, 0: none yet */
	bool *hung;		/* [processes] something was found in it at this moment */
	u32 *ring;		/* [threads] index of the hang + 1 that it belongs to */
};

static void find_candidates(struct search *s)
{
	const struct ct_model *m = s->m;

	memset(s->last, -1, m->threads.cnt * sizeof(*s->last));
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (w->state >= CT_LOCK && w->state <= CT_FUTEX_OTHER)
			s->last[w->thread] = i;
	}
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_wait *w = s->last[t] == CT_NONE ? NULL : &m->waits.at[s->last[t]];
		if (w && (!needs_a_thread(w) || !ended_from_outside(m, w)))
			s->last[t] = CT_NONE;
	}
}

static int compare_times(const void *a, const void *b)
{
	ct_ns x = *(const ct_ns *)a, y = *(const ct_ns *)b;

	return x < y ? -1 : x > y;
}

/* Does the thread at this moment wait, never to be woken by what it waits for? */
static bool lasts(const struct search *s, u32 t)
{
	return s->g.nodes[t].wait != CT_NONE && s->g.nodes[t].wait == s->last[t];
}

/* ---- findings ------------------------------------------------------------------------------- */

static u32 wait_before(const struct ct_model *m, u32 t, u32 lock, ct_ns before_ns)
{
	const struct ct_lock *l = lock == CT_NONE ? NULL : &m->locks.at[lock];

	for (u32 i = l ? l->waits.cnt : 0; i-- > 0;) {
		const struct ct_wait *w = &m->waits.at[l->waits.at[i]];
		if (w->thread == t && w->end_ns <= before_ns && w->start_ns < before_ns &&
			!(w->flags & (CT_WAIT_TIMED_OUT | CT_WAIT_SPURIOUS)))
			return l->waits.at[i];
	}
	return CT_NONE;
}

static void add_member(struct search *s, struct ct_hang *h, u32 t, u32 holds)
{
	u32 wait = s->g.nodes[t].wait;

	*ct_vec_push(&h->members) = (struct ct_hang_member){ .thread = t,
		.wait = wait,
		.owner = s->g.nodes[t].owner,
		.holds = holds,
		.took = wait_before(s->m, t, holds, s->m->waits.at[wait].start_ns) };
}

static bool lost_meanwhile(const struct ct_model *m, const struct ct_wait *w)
{
	const struct ct_thread *t = &m->threads.at[w->thread];
	u32 s = slice_at(t, w->start_ns);

	return s != CT_NONE && (t->slices.at[s].flags & CT_SLICE_LOSS);
}

/* From the last one's going to wait to the first one's end. */
static void sum_up(struct search *s, struct ct_hang *h)
{
	const struct ct_model *m = s->m;

	h->process = m->threads.at[h->members.at[0].thread].process;
	h->until_ns = UINT64_MAX;
	h->seen = true;
	for (u32 i = 0; i < h->members.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[h->members.at[i].wait];
		if (w->start_ns >= h->since_ns) {
			h->since_before = w->flags & CT_WAIT_FOUND;
			h->since_ns = w->start_ns;
		}
		if (w->end_ns < h->until_ns) {
			h->until_ns = w->end_ns;
			h->to_end = !(w->flags & CT_WAIT_WOKEN);
		}
		h->seen &= !lost_meanwhile(m, w);
	}
}

static bool same_hang(const struct ct_hang *a, const struct ct_hang *b)
{
	return a->kind == b->kind && a->members.cnt == b->members.cnt &&
	       a->members.at[0].wait == b->members.at[0].wait;
}

static void clear_hang(struct ct_hang *h)
{
	ct_vec_free(&h->members);
	ct_vec_free(&h->behind);
}

/* Takes h, if it lasted that long; a hang that an earlier moment showed, too, is one. */
static void add_hang(struct search *s, struct ct_hang *h, ct_ns at_least_ns)
{
	sum_up(s, h);
	if (h->until_ns < h->since_ns + at_least_ns) {
		clear_hang(h);
		return;
	}
	for (u32 i = 0; i < h->members.cnt; i++)
		s->hung[s->m->threads.at[h->members.at[i].thread].process] = true;
	for (u32 i = 0; i < s->out->at.cnt; i++)
		if (same_hang(&s->out->at.at[i], h)) {
			clear_hang(h);
			return;
		}
	*ct_vec_push(&s->out->at) = *h;
	for (u32 i = 0; i < h->members.cnt; i++)
		s->ring[h->members.at[i].thread] = s->out->at.cnt;
}

/* The ring through t, from its lowest thread on. */
static void add_ring(struct search *s, u32 t)
{
	struct ct_hang h = { .kind = CT_HANG_DEADLOCK };
	u32 first = t, before = t;

	for (u32 i = s->g.nodes[t].owner; i != t; i = s->g.nodes[i].owner)
		first = i < first ? i : first;
	while (s->g.nodes[before].owner != first)
		before = s->g.nodes[before].owner;
	t = first;
	do {
		const struct ct_wait *w = &s->m->waits.at[s->g.nodes[before].wait];
		add_member(s, &h, t, w->lock);
		before = t;
		t = s->g.nodes[t].owner;
	} while (t != first);
	add_hang(s, &h, RING_NS);
}

static bool can_follow(const struct search *s, u32 t)
{
	return t != CT_NONE && lasts(s, t) && s->g.nodes[t].owner != CT_NONE;
}

/* Each thread waits for one at most: a walk either ends or comes back to itself. */
static void find_rings(struct search *s)
{
	memset(s->colour, 0, s->g.cnt * sizeof(*s->colour));
	for (u32 start = 0; start < s->g.cnt; start++) {
		u32 t = start;
		while (can_follow(s, t) && !s->colour[t]) {
			s->colour[t] = start + 1;
			t = s->g.nodes[t].owner;
		}
		if (can_follow(s, t) && s->colour[t] == start + 1)
			add_ring(s, t);
	}
}

static bool is_abandoned(const struct search *s, u32 t)
{
	u32 owner = s->g.nodes[t].owner;
	const struct ct_wait *w;

	if (!can_follow(s, t))
		return false;
	w = &s->m->waits.at[s->g.nodes[t].wait];
	if (w->state == CT_JOIN)
		return false;
	const struct ct_thread *o = &s->m->threads.at[owner];
	/* a signal that kills ends all threads of a process; hundreds of them take a while to go */
	if ((o->exit_code & 0x7f) && o->process == s->m->threads.at[t].process)
		return false;
	return (o->flags & CT_THREAD_ENDED) && o->end_ns + ABANDONED_NS <= w->end_ns;
}

/* One finding for each lock that was left behind. */
static void find_abandoned(struct search *s)
{
	const struct ct_model *m = s->m;

	for (u32 t = 0; t < s->g.cnt; t++) {
		struct ct_hang h = { .kind = CT_HANG_ABANDONED };
		u32 lock;

		if (s->colour[t] == CT_NONE || !is_abandoned(s, t))
			continue;
		lock = m->waits.at[s->g.nodes[t].wait].lock;
		for (u32 i = t; i < s->g.cnt; i++) {
			if (!is_abandoned(s, i) || m->waits.at[s->g.nodes[i].wait].lock != lock)
				continue;
			add_member(s, &h, i, CT_NONE);
			s->colour[i] = CT_NONE; /* told */
		}
		add_hang(s, &h, 0);
	}
}

static bool may_be_posted(const struct ct_wait *w)
{
	return w->state == CT_SEM || w->state == CT_FUTEX_OTHER;
}

/* Is this one more thread that can do nothing until another one of its process does something? */
static bool is_stuck(const struct search *s, u32 t)
{
	const struct ct_thread *th = &s->m->threads.at[t];
	const struct ct_wait *w;

	if (!lasts(s, t))
		return false;
	if ((th->flags & CT_THREAD_ENDED) && !(th->exit_code & 0x7f))
		return false;
	w = &s->m->waits.at[s->g.nodes[t].wait];
	if (w->lock != CT_NONE && s->m->locks.at[w->lock].shared)
		return false;
	return !(s->m->run->attached && may_be_posted(w));
}

static void add_stuck(struct search *s, u32 process)
{
	struct ct_hang h = { .kind = CT_HANG_STUCK };

	for (u32 t = 0; t < s->g.cnt; t++)
		if (s->m->threads.at[t].process == process &&
			lives_at(&s->m->threads.at[t], s->g.at_ns))
			add_member(s, &h, t, CT_NONE);
	add_hang(s, &h, STUCK_NS);
}

static void find_stuck(struct search *s)
{
	const struct ct_model *m = s->m;
	u32 *alive = ct_alloc((m->processes.cnt + 1) * sizeof(*alive));
	u32 *stuck = ct_alloc((m->processes.cnt + 1) * sizeof(*stuck));

	for (u32 t = 0; t < s->g.cnt; t++) {
		if (!lives_at(&m->threads.at[t], s->g.at_ns))
			continue;
		alive[m->threads.at[t].process]++;
		stuck[m->threads.at[t].process] += is_stuck(s, t);
	}
	for (u32 p = 0; p < m->processes.cnt; p++)
		if (alive[p] && alive[p] == stuck[p] && !s->hung[p])
			add_stuck(s, p);
	free(stuck);
	free(alive);
}

/* The hang + 1 that the thread waits for in the end; CT_NONE: none.  Whom the walk met is told the
 * answer, so that nobody is passed twice. */
static u32 leads_to(struct search *s, u32 *known, u32 t)
{
	u32 to = t, steps = 0;

	while (!s->ring[to] && !known[to]) {
		known[to] = CT_NONE; /* if it comes back here */
		if (!can_follow(s, to))
			break;
		to = s->g.nodes[to].owner;
		steps++;
	}
	u32 hang = s->ring[to] ? s->ring[to] : known[to];
	for (; steps; steps--, t = s->g.nodes[t].owner)
		known[t] = hang;
	return hang;
}

/* Those who wait for a member, or for one who does. */
static void find_behind(struct search *s)
{
	u32 *known = ct_alloc(((size_t)s->g.cnt + 1) * sizeof(*known));

	for (u32 t = 0; t < s->g.cnt; t++) {
		u32 hang = s->ring[t] ? CT_NONE : leads_to(s, known, t);
		if (hang != CT_NONE)
			*ct_vec_push(&s->out->at.at[hang - 1].behind) = s->g.nodes[t].wait;
	}
	free(known);
}

static void look(struct search *s, ct_ns at_ns)
{
	ct_wait_graph__compute(&s->g, s->m, at_ns);
	memset(s->hung, 0, s->m->processes.cnt * sizeof(*s->hung));
	memset(s->ring, 0, s->g.cnt * sizeof(*s->ring));
	find_rings(s);
	find_abandoned(s);
	find_behind(s);
	find_stuck(s);
	ct_wait_graph__clear(&s->g);
}

/* ---- moments -------------------------------------------------------------------------------- */

static void look_at_ends(struct search *s)
{
	CT_VEC(ct_ns) ends = { 0 }, moments = { 0 };
	ct_ns together_ns = 0; /* first of those that ended together */

	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		const struct ct_wait *w =
			s->last[t] == CT_NONE ? NULL : &s->m->waits.at[s->last[t]];
		if (w && w->end_ns > w->start_ns)
			*ct_vec_push(&ends) = w->end_ns;
	}
	if (ends.cnt)
		qsort(ends.at, ends.cnt, sizeof(*ends.at), compare_times);
	for (u32 i = 0; i < ends.cnt; i++) {
		if (i && ends.at[i] - together_ns < TOGETHER_NS)
			continue;
		together_ns = ends.at[i];
		*ct_vec_push(&moments) = together_ns - 1;
	}
	for (u32 i = moments.cnt > CT_HANG_MOMENTS ? moments.cnt - CT_HANG_MOMENTS : 0;
		i < moments.cnt; i++)
		look(s, moments.at[i]);
	ct_vec_free(&moments);
	ct_vec_free(&ends);
}

static int compare_hangs(const void *a, const void *b)
{
	const struct ct_hang *x = a, *y = b;

	if (x->since_ns != y->since_ns)
		return x->since_ns < y->since_ns ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->members.at[0].thread < y->members.at[0].thread ? -1 : 1;
}

void ct_hangs__compute(struct ct_hangs *h, const struct ct_model *m)
{
	struct search s = { .m = m, .out = h };
	u32 cnt = m->threads.cnt + 1;

	*h = (struct ct_hangs){ 0 };
	s.last = ct_alloc(cnt * sizeof(*s.last));
	s.colour = ct_alloc(cnt * sizeof(*s.colour));
	s.ring = ct_alloc(cnt * sizeof(*s.ring));
	s.hung = ct_alloc((m->processes.cnt + 1) * sizeof(*s.hung));
	find_candidates(&s);
	look_at_ends(&s);
	if (h->at.cnt)
		qsort(h->at.at, h->at.cnt, sizeof(*h->at.at), compare_hangs);
	free(s.hung);
	free(s.ring);
	free(s.colour);
	free(s.last);
}

void ct_hangs__clear(struct ct_hangs *h)
{
	for (u32 i = 0; i < h->at.cnt; i++)
		clear_hang(&h->at.at[i]);
	ct_vec_free(&h->at);
}
