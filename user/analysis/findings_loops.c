/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event loops: threads that rest in poll again and again, and between two rests serve what came.
 *
 *     |--poll--|run|--poll--|run|--sleep--|run|--poll--|     a handler that blocks
 *     |poll|----------run----------|poll|-----run------|     one that computes
 *
 * A loop's clients are the threads that asked it for something and wait until it ends their wait.
 * With clients in sight, a stall counts while two of them wait at least: one is being served, the
 * next one is not. Those who work for the loop rest until it ends their wait, too, and are no
 * clients:
 *
 *   loop    |poll|--waits for the result--|run|--poll--|
 *   worker  |run, run, run................|--waits for work, till the loop has some--|
 *
 * - Who waits for anything but a socket or a poll counts as a client only if it sent the loop
 *   something and woke it from a rest once. Of a socket it need not be seen: a loop that never
 *   rests is asked all the same.
 * - In a pipeline the one before waits for room and the one behind takes what is ready: neither
 *   asks for anything.
 * - Whose result the loop waits for, and who never woke it from a rest, works for it.
 * - Once the loop has rested, it had nothing left to do: who waits still, waits for something that
 *   was not there then, and not because of a stall before. Again but for sockets, where the answer
 *   may have been on its way from elsewhere meanwhile.
 *
 * A loop whose clients are elsewhere is judged by the stalls alone, but for those in which it waits
 * for its own process; nobody knows whether anybody waited, so it is inferred, and never more than
 * low. Where a single thread of another process wakes the loop, the two hold a dialogue, and nobody
 * else is kept waiting.
 */
#include <string.h>

#include "findings_int.h"

#define CALLERS 3 /* frames of where it computes that are named */

struct client_wait {
	ct_ns start_ns, end_ns; /* what of it a stall may have cost */
	ct_ns latest_ns; /* end of this or any before */
};

struct loop {
	u32 thread;
	u32 turns;	/* rests in poll */
	ct_ns first_ns; /* when the first one began */
	ct_ns end_ns;	/* of the thread */
	ct_ns rest_ns, run_ns, stall_ns;
	u32 stalls;
	ct_ns stall_max_ns;
	u32 stall_wait; /* the longest one */
	ct_ns stall_state_ns[CT_STATES];
	ct_ns burst_ns, burst_max_ns; /* long ones: their sum, the longest */
	u32 bursts;
	u32 clients;
	u32 requests; /* waits of clients on sockets, pipes or polls that it ended */
	CT_VEC(u32) rests; /* waits in poll, by time */
	CT_VEC(struct client_wait) waits; /* of clients, by start */
};

/* ---- who is served ---- */

static int compare_waits(const void *a, const void *b)
{
	const struct client_wait *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->end_ns < y->end_ns ? -1 : x->end_ns > y->end_ns;
}

/* What a thread is to the loop that is looked at. */
struct relation {
	u32 loop;     /* thread + 1 that the rest is about */
	bool asks;    /* sent it something and woke it from a rest */
	bool answers; /* ended a wait in a handler */
};

struct loop_search {
	struct ct_search *s;
	struct relation *known; /* [threads] */
};

static struct relation *relation_to(struct loop_search *ls, const struct loop *l, u32 thread)
{
	struct relation *r = &ls->known[thread];

	if (r->loop != l->thread + 1)
		*r = (struct relation){ .loop = l->thread + 1 };
	return r;
}

static bool is_call(const struct ct_model *m, u32 nr, const char *const *names)
{
	const char *name = nr == CT_NR_NONE || !m->names ? NULL : ct_names__syscall(m->names, nr);

	for (; name && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* Who takes what the loop has written wakes it, too: there is room again. */
static bool is_taking(const struct ct_model *m, u32 nr)
{
	static const char *const takers[] = { "read", "readv", "recvfrom", "recvmsg", "recvmmsg",
		"splice", NULL };

	return is_call(m, nr, takers);
}

/* For room in a pipe: what it has to say is said, and nobody is to answer. */
static bool is_for_room(const struct ct_model *m, const struct ct_wait *w)
{
	static const char *const writers[] = { "write", "writev", "splice", "tee", "vmsplice",
		"sendfile", NULL };

	return w->state == CT_PIPE && is_call(m, w->nr, writers);
}

/* Who ended the loop's own waits: its rests, and those of its handlers. */
static void relate(struct loop_search *ls, struct loop *l)
{
	const struct ct_search *s = ls->s;

	for (u32 i = s->first[l->thread]; i != CT_NONE; i = s->next[i]) {
		const struct ct_wait *w = &s->m->waits.at[i];
		if (w->state == CT_POLL)
			*ct_vec_push(&l->rests) = i;
		if (w->waker == CT_NONE || w->state == CT_LOCK || w->state == CT_RWLOCK)
			continue;
		struct relation *r = relation_to(ls, l, w->waker);
		r->asks |= w->state == CT_POLL && !is_taking(s->m, w->waker_nr);
		r->answers |= w->state != CT_POLL;
	}
}

/* Is it the wait of a client? */
static bool is_asked_for(
	const struct ct_model *m, const struct relation *r, const struct ct_wait *w)
{
	if (w->state == CT_LOCK || w->state == CT_RWLOCK || w->state == CT_JOIN ||
		w->state == CT_CHILD || is_for_room(m, w))
		return false;
	return r->asks || ((w->state == CT_IO_NET || w->state == CT_POLL) && !r->answers);
}

/* The end of the loop's last rest until then; 0: none. */
static ct_ns rested_until(const struct loop *l, const struct ct_model *m, ct_ns until_ns)
{
	u32 low = 0, high = l->rests.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (m->waits.at[l->rests.at[mid]].end_ns <= until_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? m->waits.at[l->rests.at[low - 1]].end_ns : 0;
}

static void add_client_wait(struct loop *l, const struct ct_model *m, const struct ct_wait *w)
{
	ct_ns since_ns = w->state == CT_IO_NET ? 0 : rested_until(l, m, w->end_ns);

	l->requests += w->state == CT_IO_NET || w->state == CT_PIPE || w->state == CT_POLL;
	*ct_vec_push(&l->waits) = (struct client_wait){
		since_ns > w->start_ns ? since_ns : w->start_ns, w->end_ns, 0 };
}

/* Waits for data that the loop ended. */
static void find_clients(struct loop_search *ls, struct loop *l)
{
	struct ct_search *s = ls->s;

	relate(ls, l);
	ct_marks__clear(s);
	for (u32 i = s->first_ended[l->thread]; i != CT_NONE; i = s->next_ended[i]) {
		const struct ct_wait *w = &s->m->waits.at[i];
		if (w->thread == l->thread ||
			!is_asked_for(s->m, relation_to(ls, l, w->thread), w))
			continue;
		l->clients += ct_marks__set(s, w->thread);
		add_client_wait(l, s->m, w);
	}
	if (l->waits.cnt)
		qsort(l->waits.at, l->waits.cnt, sizeof(*l->waits.at), compare_waits);
	for (u32 i = 0; i < l->waits.cnt; i++) {
		ct_ns before_ns = i ? l->waits.at[i - 1].latest_ns : 0;
		ct_ns end_ns = l->waits.at[i].end_ns;
		l->waits.at[i].latest_ns = end_ns > before_ns ? end_ns : before_ns;
	}
}

/* Does one thread of another process, and nobody else, wake it from its rests? */
static bool is_dialogue(const struct loop *l, const struct ct_search *s)
{
	const struct ct_model *m = s->m;
	u32 only = CT_NONE;

	for (u32 i = s->first[l->thread]; i != CT_NONE; i = s->next[i]) {
		const struct ct_wait *w = &m->waits.at[i];
		if (w->state != CT_POLL || !(w->flags & CT_WAIT_WOKEN))
			continue;
		if (w->waker == CT_NONE || (only != CT_NONE && w->waker != only))
			return false;
		only = w->waker;
	}
	return only != CT_NONE && m->threads.at[only].process != m->threads.at[l->thread].process;
}

/* The first wait before which all had ended by then. */
static u32 skip_ended(const struct loop *l, ct_ns at_ns)
{
	u32 low = 0, high = l->waits.cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (l->waits.at[mid].latest_ns <= at_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Time in [from, to) in which at least two clients wait. */
static ct_ns others_wait(const struct loop *l, ct_ns from_ns, ct_ns to_ns)
{
	ct_ns first_end_ns = 0, second_end_ns = 0, sum_ns = 0, at_ns = from_ns;

	/* Sorted by start: the two latest ends so far bound the time with two waiting. */
	for (u32 i = skip_ended(l, from_ns); i < l->waits.cnt && l->waits.at[i].start_ns < to_ns;
		i++) {
		const struct client_wait *w = &l->waits.at[i];
		ct_ns until_ns;
		if (w->end_ns <= from_ns)
			continue;
		until_ns = first_end_ns < w->end_ns ? first_end_ns : w->end_ns;
		if (until_ns > second_end_ns)
			second_end_ns = until_ns;
		if (w->end_ns > first_end_ns)
			first_end_ns = w->end_ns;
		ct_ns start_ns = w->start_ns > at_ns ? w->start_ns : at_ns;
		ct_ns end_ns = second_end_ns < to_ns ? second_end_ns : to_ns;
		if (end_ns > start_ns) {
			sum_ns += end_ns - start_ns;
			at_ns = end_ns;
		}
	}
	return sum_ns;
}

/* ---- what the loop does ---- */

/* The loop waits for its own process: it asked for that itself, and nobody is seen to suffer. */
static bool is_for_own(const struct ct_model *m, u32 wait)
{
	const struct ct_wait *w = wait == CT_NONE ? NULL : &m->waits.at[wait];

	if (!w || w->state == CT_LOCK || w->state == CT_RWLOCK)
		return false;
	if (w->state >= CT_COND && w->state <= CT_FUTEX_OTHER)
		return true;
	return w->waker != CT_NONE &&
	       m->threads.at[w->waker].process == m->threads.at[w->thread].process;
}

static void add_stall(
	struct loop *l, const struct ct_model *m, const struct ct_thread *t, u32 slice)
{
	const struct ct_slice *sl = &t->slices.at[slice];
	ct_ns end_ns = ct_slice_end(t, slice), ns = end_ns - sl->start_ns;

	if (ns < ct_threshold_ns(CT_T_LOOP_STALL_MS) || sl->state == CT_STOPPED)
		return;
	if (l->clients)
		ns = others_wait(l, sl->start_ns, end_ns);
	else if (is_for_own(m, sl->wait))
		return;
	if (!ns)
		return;
	l->stalls++;
	l->stall_ns += ns;
	l->stall_state_ns[sl->state] += ns;
	if (end_ns - sl->start_ns > l->stall_max_ns) {
		l->stall_max_ns = end_ns - sl->start_ns;
		l->stall_wait = sl->wait;
	}
}

static void end_burst(struct loop *l, ct_ns *burst_ns)
{
	if (*burst_ns >= ct_threshold_ns(CT_T_LOOP_BURST_MS)) {
		l->bursts++;
		l->burst_ns += *burst_ns;
	}
	if (*burst_ns > l->burst_max_ns)
		l->burst_max_ns = *burst_ns;
	*burst_ns = 0;
}

static void study_turns(struct loop *l, const struct ct_model *m)
{
	const struct ct_thread *t = &m->threads.at[l->thread];
	ct_ns burst_ns = 0;
	u32 last = t->slices.cnt;

	/* What follows the last rest is no turn any more: the thread ends, or does something
	 * else. */
	while (last && t->slices.at[last - 1].state != CT_POLL)
		last--;
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *sl = &t->slices.at[i];
		ct_ns ns = ct_slice_end(t, i) - sl->start_ns;
		if (sl->state == CT_POLL) {
			end_burst(l, &burst_ns);
			l->rest_ns += ns;
			continue;
		}
		if (sl->start_ns < l->first_ns)
			continue;
		if (sl->state == CT_RUNNING) {
			l->run_ns += ns;
			burst_ns += ns;
		} else if (ct_state_blocked(sl->state) && i < last) {
			add_stall(l, m, t, i);
		}
	}
	end_burst(l, &burst_ns);
}

static bool polls(struct loop *l, const struct ct_model *m, u32 thread)
{
	const struct ct_thread *t = &m->threads.at[thread];

	*l = (struct loop){ .thread = thread, .end_ns = t->end_ns, .first_ns = UINT64_MAX,
		.stall_wait = CT_NONE };
	for (u32 i = 0; i < t->slices.cnt; i++) {
		if (t->slices.at[i].state != CT_POLL)
			continue;
		if (!l->turns++)
			l->first_ns = t->slices.at[i].start_ns;
	}
	return l->turns > 0;
}

/* Fills l; false: the thread is no event loop. Of one that serves clients, a single rest is enough:
 * the more it has to do, the less it rests. */
static bool is_loop(struct loop *l, struct loop_search *ls, u32 thread)
{
	const struct ct_search *s = ls->s;

	if (!polls(l, s->m, thread) || is_dialogue(l, s))
		return false;
	find_clients(ls, l);
	if (l->turns < ct_threshold(CT_T_LOOP_TURNS) && l->clients < 2)
		return false;
	study_turns(l, s->m);
	return true;
}

/* ---- telling ---- */

static void tell_blocked(struct ct_search *s, const struct loop *l)
{
	const struct ct_wait *w = l->stall_wait == CT_NONE ? NULL : &s->m->waits.at[l->stall_wait];
	const char *who = ct_say_thread(s, l->thread), *where = w ? ct_say_at(s, w->frame) : "";
	const char *does = w ? ct_say_does(w->state) : "waits";
	struct ct_finding *f =
		ct_found__new(s, CT_FIND_BLOCKED_EVENT_LOOP, l->stall_ns, l->clients > 0);

	if (!l->clients && f->severity > CT_SEV_LOW)
		f->severity = CT_SEV_LOW;
	ct_found__thread(f, l->thread);
	if (w) {
		ct_found__lock(f, w->lock);
		ct_found__frame(f, w->frame);
	}
	f->title = ct_asprintf("the event loop %s blocks in a handler", who);
	f->evidence = ct_asprintf(
		"%s, which rested %s times in poll, %s%s between two rests: %s times it was "
		"blocked like that for longer than a millisecond, at worst for %s, and for %s of "
		"the run %s.",
		who, ct_say_count(s, l->turns), does, where, ct_say_count(s, l->stalls),
		ct_say_ns(s, l->stall_max_ns), ct_say_share(s, l->stall_ns, s->duration_ns),
		l->clients ? "two or more of those it serves waited meanwhile"
			   : "whoever it serves had to wait");
	f->advice = ct_asprintf(
		"Do not let %s wait%s: start it and let its end be one more event (a timer, a "
		"socket, a pipe), or hand it to another thread.",
		who, where);
}

/* Those that the test lets through are told. */
static void find_loops(struct ct_search *s,
	bool (*is_bad)(const struct ct_search *s, const struct loop *l),
	void (*tell)(struct ct_search *s, const struct loop *l))
{
	struct loop_search ls = { .s = s };
	struct loop l;

	ls.known = ct_alloc(((size_t)s->m->threads.cnt + 1) * sizeof(*ls.known));
	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		if (is_loop(&l, &ls, t) && is_bad(s, &l))
			tell(s, &l);
		ct_vec_free(&l.waits);
		ct_vec_free(&l.rests);
	}
	free(ls.known);
}

static bool blocks(const struct ct_search *s, const struct loop *l)
{
	return l->stalls >= ct_threshold(CT_T_LOOP_STALLS) && ct_worth(s, l->stall_ns);
}

void ct_find_blocked_loops(struct ct_search *s)
{
	find_loops(s, blocks, tell_blocked);
}

/* The stack that most samples of the thread found; 0: none. */
static u32 busiest_stack(const struct ct_search *s, u32 thread)
{
	struct ct_table *counts = ct_table__new();
	u32 best = 0, most = 0;

	for (u32 i = 0; i < s->m->samples.cnt; i++) {
		const struct ct_cpu_sample *c = &s->m->samples.at[i];
		if (c->thread != thread || !c->stack)
			continue;
		u32 n = ct_table__get(counts, c->stack, 0);
		n = n == CT_NONE ? 1 : n + 1;
		ct_table__set(counts, c->stack, 0, n);
		if (n > most) {
			most = n;
			best = c->stack;
		}
	}
	ct_table__free(counts);
	return best;
}

/* Where it computes, and who called that: the handler is one of them. */
static u32 add_places(struct ct_finding *f, const struct ct_search *s, u32 thread)
{
	u32 cnt = 0;
	const u32 *frames =
		s->m->names ? ct_names__stack(s->m->names, busiest_stack(s, thread), &cnt) : NULL;

	for (u32 i = 0; i < cnt && i < CALLERS; i++)
		ct_found__frame(f, frames[i]);
	return cnt ? frames[0] : 0;
}

static void tell_computing(struct ct_search *s, const struct loop *l)
{
	ct_ns life_ns = l->end_ns - l->first_ns;
	struct ct_finding *f = ct_found__new(s, CT_FIND_ASYNC_ON_CPU_WORK, l->burst_ns, true);
	u32 frame = add_places(f, s, l->thread);
	const char *who = ct_say_thread(s, l->thread), *where = ct_say_at(s, frame);

	ct_found__thread(f, l->thread);
	f->title = ct_asprintf("the event loop %s computes instead of waiting", who);
	f->evidence = ct_asprintf("Of %s, %s rested %s in poll and computed %s, in bursts of up to "
				  "%s, %s of them longer "
				  "than 10 ms%s%s; whoever else had come stood and waited.",
		ct_say_ns(s, life_ns), who, ct_say_share(s, l->rest_ns, life_ns),
		ct_say_share(s, l->run_ns, life_ns), ct_say_ns(s, l->burst_max_ns),
		ct_say_count(s, l->bursts), *where ? ", mostly" : "", where);
	f->advice = ct_asprintf(
		"Give the computing%s to threads, one for each CPU, and let %s only take "
		"requests and hand out answers.",
		where, who);
}

/* Long bursts again and again; or one that never ends, in which the loop served many all the same:
 * when something is ready whenever it asks, poll(2) returns at once and there is no rest to see. */
static bool bursts_are_habit(const struct loop *l)
{
	u32 often = ct_threshold(CT_T_LOOP_STALLS);

	return l->bursts >= often ||
	       (l->clients > 1 && l->requests >= ct_threshold(CT_T_LOOP_TURNS) * l->clients &&
		       l->burst_ns >= often * ct_threshold_ns(CT_T_LOOP_BURST_MS));
}

static bool computes(const struct ct_search *s, const struct loop *l)
{
	return ct_worth(s, l->burst_ns) && bursts_are_habit(l) &&
	       !ct_is_share(l->rest_ns, l->end_ns - l->first_ns, CT_T_LOOP_REST_SHARE) &&
	       l->burst_ns * 2 >= l->run_ns && l->run_ns > l->stall_ns;
}

void ct_find_computing_loops(struct ct_search *s)
{
	find_loops(s, computes, tell_computing);
}
