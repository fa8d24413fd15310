/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the table of findings (what each is called, its lesson, who searches for it), their
 * severity, what follows from what, and the ranking.  The searches are in findings_*.c, the figures
 * they judge by in thresholds.c.
 *
 * Severity is by share of the run: what a fix could give at most.  Three things lower it: rows that
 * describe the kind of work are information only; a consequence is never above low, because its
 * cause carries the weight; and where events were lost in such numbers that the cost is a guess,
 * the finding is information, and says so.
 */
#include <string.h>

#include "findings_int.h"

/* ---- the table ---- */

/* In this order: a search may rely on what those before it have found. */
static const struct finding_row {
	enum ct_finding_kind kind;
	const char *id;
	void (*find)(struct ct_search *s); /* NULL: the search of the row above finds it, too */
	enum ct_severity most;		   /* severity is never above */
	const char *lesson;
} rows[] = {
	{ CT_FIND_DEADLOCK, "deadlock", ct_find_hangs, CT_SEV_HIGH,
		"Deadlock: everyone waits for ever. Take locks in one agreed order." },
	{ CT_FIND_ABANDONED_LOCK, "abandoned-lock", NULL, CT_SEV_HIGH,
		"The key was taken home: who ends with a lock in hand locks it for ever." },
	{ CT_FIND_STUCK, "stuck", NULL, CT_SEV_HIGH,
		"Everyone waits for ever, and no key is involved: a signal was missed." },
	{ CT_FIND_LOST_UPDATE, "lost-update", ct_find_lost_updates, CT_SEV_HIGH,
		"Two hands, one item: both read the same value, both change it, and one change "
		"is gone. Reading, changing and writing must be one step." },
	{ CT_FIND_UNPROTECTED_SHARING, "unprotected-sharing", ct_find_unprotected, CT_SEV_HIGH,
		"Shared and mutable: what several threads write needs one lock that all of them "
		"take, or an atomic." },
	{ CT_FIND_THUNDERING_HERD, "thundering-herd", ct_find_herd, CT_SEV_HIGH,
		"Many are woken and one can proceed: the others get up, look, and go to sleep "
		"again." },
	{ CT_FIND_PRIORITY_INVERSION, "priority-inversion", ct_find_priority_inversion, CT_SEV_HIGH,
		"A thread of high priority waits for a lock, and its holder is kept off the CPU by "
		"threads that are less important than the one that waits." },
	{ CT_FIND_LOCK_HELD_WHILE_BLOCKED, "lock-held-while-blocked", ct_find_held_while_blocked,
		CT_SEV_HIGH,
		"Hold locks as briefly as possible: a lock that is held during a wait makes "
		"everyone else wait, too." },
	{ CT_FIND_LOCK_CONTENTION, "lock-contention", ct_find_contention, CT_SEV_HIGH,
		"Everyone queues on one key: the threads take turns, and more of them only make "
		"the queue longer." },
	{ CT_FIND_LOCK_CONVOY, "lock-convoy", ct_find_convoy, CT_SEV_HIGH,
		"Serialised on one lock: the queue never empties, so that each use of the lock "
		"costs a sleep, a wake-up and two switches, however short it is." },
	{ CT_FIND_SERIALIZED, "serialized", ct_find_serialized, CT_SEV_HIGH,
		"A correct program that is no better than a single-threaded one: locking brought "
		"safety, and took the parallelism." },
	{ CT_FIND_BUSY_WAIT, "busy-wait", ct_find_spinning, CT_SEV_HIGH,
		"Waiting that burns the CPU: it asks again and again for what another thread will "
		"do, and may even keep that thread off the CPU." },
	{ CT_FIND_BLOCKED_EVENT_LOOP, "blocked-event-loop", ct_find_blocked_loops, CT_SEV_HIGH,
		"Never block the receptionist: while the event loop waits for one thing, nobody "
		"else is served." },
	{ CT_FIND_ASYNC_ON_CPU_WORK, "async-on-cpu-work", ct_find_computing_loops, CT_SEV_HIGH,
		"Async gives no help to heavy compute: an event loop overlaps waiting, and "
		"computing is no waiting." },
	{ CT_FIND_WAITING_NOT_OVERLAPPED, "waiting-not-overlapped", ct_find_waits_in_sequence,
		CT_SEV_HIGH,
		"Waiting wastes time unless something else is done meanwhile: waits can overlap, "
		"one thread is enough for it." },
	{ CT_FIND_IMBALANCE, "imbalance", ct_find_imbalance, CT_SEV_HIGH,
		"Many hands, uneven loads: some finish early and wait, and the slowest one decides "
		"when all is done." },
	{ CT_FIND_SWITCH_STORM, "switch-storm", ct_find_storm, CT_SEV_HIGH,
		"The juggling costs more than it saves: each change from one thread to the next "
		"takes time in which nobody works." },
	{ CT_FIND_OVERSUBSCRIBED, "oversubscribed", ct_find_crowd, CT_SEV_MEDIUM,
		"More threads are not faster: computing goes as fast as there are CPUs, the other "
		"threads stand in line." },
	{ CT_FIND_HEALTHY, "healthy", ct_find_healthy, CT_SEV_INFO,
		"Nothing waits for long that need not wait." },
	{ CT_FIND_IO_BOUND, "io-bound", ct_find_io_bound, CT_SEV_INFO,
		"I/O-bound: the time goes into waiting. Match the tool to the bottleneck: overlap "
		"the waits; more cores do not help." },
	{ CT_FIND_CPU_BOUND, "cpu-bound", ct_find_cpu_bound, CT_SEV_INFO,
		"CPU-bound: the time goes into computing. Match the tool to the bottleneck: many "
		"hands on many cores; async does not help." },
};
_Static_assert(CT_COUNT(rows) == CT_FINDINGS, "each finding has a row");

static const struct finding_row *row_of(enum ct_finding_kind k)
{
	for (u32 i = 0; i < CT_COUNT(rows); i++)
		if (rows[i].kind == k)
			return &rows[i];
	return NULL;
}

const char *ct_finding_id(enum ct_finding_kind k)
{
	const struct finding_row *row = row_of(k);

	return row ? row->id : "";
}

const char *ct_finding_lesson(enum ct_finding_kind k)
{
	const struct finding_row *row = row_of(k);

	return row ? row->lesson : "";
}

enum ct_finding_kind ct_finding_kind_of(const char *id)
{
	for (u32 i = 0; i < CT_COUNT(rows); i++)
		if (!strcmp(rows[i].id, id))
			return rows[i].kind;
	return CT_FINDINGS;
}

const char *ct_severity_name(enum ct_severity s)
{
	static const char *const names[CT_SEVERITIES] = { "info", "low", "medium", "high" };

	return s < CT_SEVERITIES ? names[s] : "info";
}

/* ---- shared by the searches ---- */

bool ct_is_share(u64 part, u64 whole, enum ct_threshold_id percent)
{
	return whole && (double)part * 100 >= (double)whole * (double)ct_threshold(percent);
}

bool ct_worth(const struct ct_search *s, ct_ns cost_ns)
{
	return cost_ns >= ct_threshold_ns(CT_T_COST_MS) &&
	       ct_is_share(cost_ns, s->duration_ns, CT_T_COST_SHARE);
}

static u32 find_between(const struct ct_thread *t, ct_ns at_ns, u32 low, u32 high)
{
	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (ct_slice_end(t, mid) <= at_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int ct_wait_end__compare(const void *a, const void *b)
{
	const struct ct_wait_end *x = a, *y = b;

	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? -1 : 1;
	return x->wait < y->wait ? -1 : x->wait > y->wait;
}

u32 ct_slice_find(const struct ct_thread *t, ct_ns at_ns)
{
	return find_between(t, at_ns, 0, t->slices.cnt);
}

u32 ct_slice_find_near(const struct ct_thread *t, ct_ns at_ns, u32 *near)
{
	u32 low = *near < t->slices.cnt ? *near : 0, step = 1;

	if (low && ct_slice_end(t, low - 1) > at_ns) /* before it: from the start */
		return *near = find_between(t, at_ns, 0, low);
	while (low + step < t->slices.cnt && ct_slice_end(t, low + step) <= at_ns) {
		low += step;
		step *= 2;
	}
	u32 high = low + step < t->slices.cnt ? low + step : t->slices.cnt;
	return *near = find_between(t, at_ns, low, high);
}

void ct_marks__clear(struct ct_search *s)
{
	s->mark++;
}

bool ct_marks__has(const struct ct_search *s, u32 thread)
{
	return s->marks[thread] == s->mark;
}

bool ct_marks__set(struct ct_search *s, u32 thread)
{
	bool is_new = !ct_marks__has(s, thread);

	s->marks[thread] = s->mark;
	return is_new;
}

static bool guesses(const struct ct_search *s)
{
	u64 lost = s->m->lost_events;

	return ct_is_share(lost, s->m->event_cnt + lost, CT_T_LOSS_SHARE);
}

static enum ct_severity judge(const struct ct_search *s, enum ct_finding_kind kind, ct_ns cost_ns)
{
	enum ct_severity severity = CT_SEV_LOW, most = row_of(kind)->most;

	if (guesses(s))
		return CT_SEV_INFO;
	if (ct_is_share(cost_ns, s->duration_ns, CT_T_HIGH_SHARE))
		severity = CT_SEV_HIGH;
	else if (ct_is_share(cost_ns, s->duration_ns, CT_T_MEDIUM_SHARE))
		severity = CT_SEV_MEDIUM;
	return severity < most ? severity : most;
}

void ct_found__cost(struct ct_search *s, struct ct_finding *f, ct_ns cost_ns)
{
	f->cost_ns = cost_ns < s->duration_ns ? cost_ns : s->duration_ns;
	f->share = s->duration_ns ? (double)f->cost_ns / (double)s->duration_ns : 0;
	f->severity = judge(s, f->kind, f->cost_ns);
}

struct ct_finding *ct_found__new(
	struct ct_search *s, enum ct_finding_kind kind, ct_ns cost_ns, bool seen)
{
	struct ct_finding *f = ct_vec_push(&s->out->at);

	f->kind = kind;
	ct_found__cost(s, f, cost_ns);
	f->seen = seen && !s->m->lost_events;
	f->hang = f->cause = f->watched = CT_NONE;
	return f;
}

enum { THREADS, LOCKS, FRAMES }; /* the lists of a finding */

#define FEW 16 /* so many are looked through faster than a table is made */

/* The list grows without this, too: what came since is learned first. */
static bool is_in_table(struct ct_finding *f, u32 list, const u32 *at, u32 cnt, u32 x)
{
	if (!f->known)
		f->known = ct_table__new();
	for (u32 i = f->known_cnt[list]; i < cnt; i++)
		ct_table__set(f->known, at[i], list, i);
	f->known_cnt[list] = cnt;
	return ct_table__get(f->known, x, list) != CT_NONE;
}

static bool is_listed(struct ct_finding *f, u32 list, const u32 *at, u32 cnt, u32 x)
{
	if (cnt > FEW)
		return is_in_table(f, list, at, cnt, x);
	for (u32 i = 0; i < cnt; i++)
		if (at[i] == x)
			return true;
	return false;
}

void ct_found__thread(struct ct_finding *f, u32 thread)
{
	if (thread != CT_NONE && !is_listed(f, THREADS, f->threads.at, f->threads.cnt, thread))
		*ct_vec_push(&f->threads) = thread;
}

void ct_found__lock(struct ct_finding *f, u32 lock)
{
	if (lock != CT_NONE && !is_listed(f, LOCKS, f->locks.at, f->locks.cnt, lock))
		*ct_vec_push(&f->locks) = lock;
}

void ct_found__frame(struct ct_finding *f, u32 frame)
{
	if (frame && !is_listed(f, FRAMES, f->frames.at, f->frames.cnt, frame))
		*ct_vec_push(&f->frames) = frame;
}

/* ---- causes ---- */

static bool share_lock(const struct ct_finding *a, const struct ct_finding *b)
{
	for (u32 i = 0; i < a->locks.cnt; i++)
		for (u32 k = 0; k < b->locks.cnt; k++)
			if (a->locks.at[i] == b->locks.at[k])
				return true;
	return false;
}

static bool share_thread(const struct ct_finding *a, const struct ct_finding *b)
{
	for (u32 i = 0; i < a->threads.cnt; i++)
		for (u32 k = 0; k < b->threads.cnt; k++)
			if (a->threads.at[i] == b->threads.at[k])
				return true;
	return false;
}

/* What may follow from what, and by what the two are seen to belong together. */
static const struct {
	u8 effect, cause;
	bool (*belong)(const struct ct_finding *a, const struct ct_finding *b);
} causes[] = {
	{ CT_FIND_LOCK_CONTENTION, CT_FIND_LOCK_HELD_WHILE_BLOCKED, share_lock },
	{ CT_FIND_LOCK_CONTENTION, CT_FIND_PRIORITY_INVERSION, share_lock },
	{ CT_FIND_LOCK_CONTENTION, CT_FIND_THUNDERING_HERD, share_thread },
	{ CT_FIND_LOCK_CONVOY, CT_FIND_LOCK_CONTENTION, share_lock },
	{ CT_FIND_LOCK_CONVOY, CT_FIND_LOCK_HELD_WHILE_BLOCKED, share_lock },
	{ CT_FIND_SERIALIZED, CT_FIND_LOCK_CONTENTION, share_lock },
	{ CT_FIND_SERIALIZED, CT_FIND_LOCK_HELD_WHILE_BLOCKED, share_lock },
	{ CT_FIND_SWITCH_STORM, CT_FIND_LOCK_CONTENTION, share_thread },
	{ CT_FIND_SWITCH_STORM, CT_FIND_THUNDERING_HERD, share_thread },
	{ CT_FIND_SWITCH_STORM, CT_FIND_BUSY_WAIT, share_thread },
	{ CT_FIND_WAITING_NOT_OVERLAPPED, CT_FIND_BLOCKED_EVENT_LOOP, share_thread },
	/* who was kept waiting at a lock does its own waiting when all others are done */
	{ CT_FIND_WAITING_NOT_OVERLAPPED, CT_FIND_LOCK_CONTENTION, share_thread },
};

/* The one with the most cost; CT_NONE. */
static u32 find_cause(const struct ct_finding_list *l, u32 effect)
{
	u32 best = CT_NONE;

	for (u32 c = 0; c < CT_COUNT(causes); c++) {
		for (u32 i = 0; i < l->at.cnt; i++) {
			const struct ct_finding *f = &l->at.at[i];
			if (i == effect || causes[c].effect != l->at.at[effect].kind ||
				causes[c].cause != f->kind ||
				f->severity < l->at.at[effect].severity ||
				!causes[c].belong(&l->at.at[effect], f))
				continue;
			if (best == CT_NONE || f->cost_ns > l->at.at[best].cost_ns)
				best = i;
		}
	}
	return best;
}

static void link_causes(struct ct_finding_list *l)
{
	for (u32 i = 0; i < l->at.cnt; i++)
		l->at.at[i].cause = find_cause(l, i);
	for (u32 i = 0; i < l->at.cnt; i++)
		if (l->at.at[i].cause != CT_NONE && l->at.at[i].severity > CT_SEV_LOW)
			l->at.at[i].severity = CT_SEV_LOW;
}

/* ---- ranking ---- */

struct rank {
	struct ct_finding f;
	u32 index;     /* before */
	u32 root;      /* index of the first cause */
	u32 depth;     /* steps from it */
	ct_ns root_ns; /* its cost */
	/* 0: threads that wait for ever; 1: wrong values; 2: costs; 3: healthy; 4: information */
	u8 group;
};

static u8 group_of(const struct ct_finding *f)
{
	if (f->hang != CT_NONE)
		return 0;
	if (f->watched != CT_NONE)
		return 1;
	if (f->kind == CT_FIND_HEALTHY)
		return 3;
	return row_of(f->kind)->most == CT_SEV_INFO ? 4 : 2;
}

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->root_ns != y->root_ns)
		return x->root_ns > y->root_ns ? -1 : 1;
	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->f.cost_ns != y->f.cost_ns)
		return x->f.cost_ns > y->f.cost_ns ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void rank_findings(struct ct_finding_list *l)
{
	struct rank *ranks = ct_alloc((l->at.cnt + 1) * sizeof(*ranks));
	u32 *place = ct_alloc((l->at.cnt + 1) * sizeof(*place));

	for (u32 i = 0; i < l->at.cnt; i++) {
		struct rank *r = &ranks[i];
		*r = (struct rank){ .f = l->at.at[i], .index = i, .root = i };
		while (l->at.at[r->root].cause != CT_NONE) {
			r->root = l->at.at[r->root].cause;
			r->depth++;
		}
		r->root_ns = l->at.at[r->root].cost_ns;
		r->group = group_of(&r->f);
	}
	if (l->at.cnt)
		qsort(ranks, l->at.cnt, sizeof(*ranks), compare_ranks);
	for (u32 i = 0; i < l->at.cnt; i++)
		place[ranks[i].index] = i;
	for (u32 i = 0; i < l->at.cnt; i++) {
		l->at.at[i] = ranks[i].f;
		if (l->at.at[i].cause != CT_NONE)
			l->at.at[i].cause = place[l->at.at[i].cause];
	}
	free(place);
	free(ranks);
}

/* ---- threads that wait for ever ---- */

/* Rows for what the wait graph knows already.  Their waits are nobody else's. */
void ct_find_hangs(struct ct_search *s)
{
	static const u8 kinds[CT_HANG_KINDS] = { [CT_HANG_DEADLOCK] = CT_FIND_DEADLOCK,
		[CT_HANG_ABANDONED] = CT_FIND_ABANDONED_LOCK,
		[CT_HANG_STUCK] = CT_FIND_STUCK };

	for (u32 i = 0; i < s->f->hangs.at.cnt; i++) {
		const struct ct_hang *h = &s->f->hangs.at.at[i];
		struct ct_finding *f =
			ct_found__new(s, kinds[h->kind], h->until_ns - h->since_ns, true);

		/* for ever, however short the recording was; unless the end may have been lost */
		f->severity = h->seen || !guesses(s) ? CT_SEV_HIGH : CT_SEV_INFO;
		f->seen = h->seen;
		f->hang = i;
		for (u32 k = 0; k < h->members.cnt; k++) {
			const struct ct_wait *w = &s->m->waits.at[h->members.at[k].wait];
			ct_found__thread(f, h->members.at[k].thread);
			ct_found__lock(f, w->lock);
			ct_found__frame(f, w->frame);
			s->told[h->members.at[k].wait] = 1;
		}
		for (u32 k = 0; k < h->behind.cnt; k++)
			s->told[h->behind.at[k]] = 1;
	}
}

/* ---- all ---- */

/* Concurrency without parallelism, where it is so. */
static const char *say_turns(struct ct_search *s)
{
	u32 cnt = 0;

	for (u32 t = 0; t < s->m->threads.cnt; t++)
		cnt += ct_thread_kind(&s->m->threads.at[t]) == CT_WORK_CPU;
	if (cnt < 2 || s->f->activity.cpus > 1)
		return "";
	return ct_say(s,
		": %u of them took turns on one CPU, which is concurrency and not parallelism",
		cnt);
}

/* Which thread sets the pace, where one clearly does. */
static const char *say_pace(struct ct_search *s)
{
	const struct ct_thread *threads = s->m->threads.at;
	u32 first = CT_NONE, second = CT_NONE;

	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		if (first == CT_NONE ||
			threads[t].state_ns[CT_RUNNING] > threads[first].state_ns[CT_RUNNING]) {
			second = first;
			first = t;
		} else if (second == CT_NONE ||
			   threads[t].state_ns[CT_RUNNING] > threads[second].state_ns[CT_RUNNING]) {
			second = t;
		}
	}
	if (second == CT_NONE)
		return "";
	ct_ns most_ns = threads[first].state_ns[CT_RUNNING],
	      next_ns = threads[second].state_ns[CT_RUNNING];
	if (!ct_worth(s, next_ns) || !ct_is_share(most_ns - next_ns, next_ns, CT_T_PACE_SHARE))
		return "";
	return ct_say(s, "; %s computes most, %s, and sets the pace", ct_say_thread(s, first),
		ct_say_ns(s, most_ns));
}

/* Where the threads wanted a CPU and other programs had it. */
static const char *say_foreign(struct ct_search *s)
{
	ct_ns queue_ns = 0, own_ns = 0, running_ns = 0;

	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		queue_ns += s->m->threads.at[t].state_ns[CT_RUNNABLE];
		running_ns += s->m->threads.at[t].state_ns[CT_RUNNING];
		own_ns += s->f->activity.own_queue_ns[t];
	}
	ct_ns foreign_ns = queue_ns > own_ns ? queue_ns - own_ns : 0;
	if (!ct_worth(s, foreign_ns) ||
		!ct_is_share(foreign_ns, running_ns + queue_ns, CT_T_FOREIGN_SHARE))
		return "";
	return ct_say(s,
		" Other programs had the CPUs for %s of the time that its threads wanted one: on "
		"an idle machine it would look otherwise.",
		ct_say_share(s, foreign_ns, running_ns + queue_ns));
}

/* `root`: CT_THREAD_ROOT, the program itself alone; 0: any thread. */
static bool any_let_go(const struct ct_model *m, u32 root)
{
	const u32 wanted = CT_THREAD_LET_GO | root;

	for (u32 i = 0; i < m->threads.cnt; i++)
		if ((m->threads.at[i].flags & wanted) == wanted)
			return true;
	return false;
}

bool ct_is_let_go(const struct ct_model *m)
{
	return any_let_go(m, 0);
}

const char *ct_findings__doubt(const struct ct_facts *f)
{
	const struct ct_search s = { .m = f->m };

	if (!f->m->threads.cnt)
		return "nothing was recorded";
	if (any_let_go(f->m, 0))
		return "what got more rights ran on, unrecorded";
	if (!f->m->complete)
		return "the recording was cut";
	if (guesses(&s))
		return "too many events were lost";
	return f->findings.at.cnt ? NULL : "too little was recorded";
}

#define UNPROVED_MAX 3u /* named; of the others it is said how many */

/* Variables that several threads share with nothing seen that keeps them apart; NULL: none. */
static const char *say_unproved(struct ct_search *s)
{
	const char *names = NULL;
	u32 cnt = 0;

	for (u32 i = 0; i < s->f->sharing.at.cnt; i++) {
		const struct ct_shared *v = &s->f->sharing.at.at[i];

		if (v->sharing != CT_SHARE_MIXED && v->set_late == CT_NONE)
			continue;
		if (cnt++ < UNPROVED_MAX)
			names = names ? ct_say(s, "%s, %s", names, ct_say_watched(s, v->watched))
				      : ct_say_watched(s, v->watched);
	}
	return cnt > UNPROVED_MAX
		       ? ct_say(s, "%s and %s more", names, ct_say_count(s, cnt - UNPROVED_MAX))
		       : names;
}

#define MOSTLY_ASLEEP 0.05 /* threads that run on average */

void ct_find_healthy(struct ct_search *s)
{
	for (u32 i = 0; i < s->out->at.cnt; i++)
		if (s->out->at.at[i].severity >= CT_SEV_MEDIUM)
			return;
	if (!s->m->threads.cnt || guesses(s))
		return;
	struct ct_finding *f = ct_found__new(s, CT_FIND_HEALTHY, 0, true);
	u32 cnt = s->m->threads.cnt;
	bool brief = s->duration_ns < ct_threshold_ns(CT_T_COST_MS);
	const char *unproved = say_unproved(s);
	f->title = ct_asprintf("nothing here costs much time%s%s%s",
		unproved ? "; the sharing of " : "", unproved ? unproved : "",
		unproved ? " is not proved safe" : "");
	f->evidence = ct_asprintf("%s thread%s; %s ran at a time on average%s%s; %s%s.%s",
		ct_say_count(s, cnt), cnt == 1 ? "" : "s",
		ct_say_ratio(s, s->f->parallelism.mean_running), say_turns(s), say_pace(s),
		brief ? "too short a run to lose time in, "
		      : "none of the known ways to lose time takes a tenth of the run of ",
		ct_say_ns(s, s->duration_ns), say_foreign(s));
	f->advice =
		unproved ? ct_asprintf("Its time is fine. But nothing was seen that keeps the "
				       "threads apart at %s: no lock in common, no atomics. The "
				       "order of this run may be chance, and what was not seen may "
				       "still happen: try --shake and -r, and say what guards it.",
				   unproved)
		: s->f->parallelism.mean_running < MOSTLY_ASLEEP
			? ct_strdup("Leave it as it is: it hardly computes, and what it waits for "
				    "is outside of it. If it must be faster, wait less, or for "
				    "several things at once.")
			: ct_strdup("Leave it as it is; if it must be faster, do less work or use "
				    "a better algorithm.");
}

static void link_waits(struct ct_search *s)
{
	size_t threads = s->m->threads.cnt, waits = s->m->waits.cnt;

	s->first = ct_alloc((threads + 1) * sizeof(*s->first));
	s->next = ct_alloc((waits + 1) * sizeof(*s->next));
	s->first_ended = ct_alloc((threads + 1) * sizeof(*s->first_ended));
	s->next_ended = ct_alloc((waits + 1) * sizeof(*s->next_ended));
	memset(s->first, -1, threads * sizeof(*s->first));
	memset(s->first_ended, -1, threads * sizeof(*s->first_ended));
	for (u32 i = s->m->waits.cnt; i-- > 0;) {
		const struct ct_wait *w = &s->m->waits.at[i];
		s->next[i] = s->first[w->thread];
		s->first[w->thread] = i;
		if (w->waker == CT_NONE)
			continue;
		s->next_ended[i] = s->first_ended[w->waker];
		s->first_ended[w->waker] = i;
	}
}

static void say_losses(struct ct_search *s)
{
	for (u32 i = 0; s->m->lost_events && i < s->out->at.cnt; i++) {
		struct ct_finding *f = &s->out->at.at[i];
		if (!f->evidence)
			continue;
		char *more = ct_asprintf("%s %s events were lost, so the figures may be off%s.",
			f->evidence, ct_say_count(s, s->m->lost_events),
			guesses(s) ? ", too many for a verdict" : "");
		free(f->evidence);
		f->evidence = more;
	}
}

void ct_findings__compute(struct ct_finding_list *l, const struct ct_facts *f)
{
	struct ct_search s = {
		.f = f, .m = f->m, .out = l, .duration_ns = f->m->end_ns - f->m->start_ns
	};

	*l = (struct ct_finding_list){ 0 };
	if (any_let_go(f->m, CT_THREAD_ROOT)) /* what is left is how it was started */
		return;
	s.told = ct_alloc((size_t)s.m->waits.cnt + 1);
	s.marks = ct_alloc(((size_t)s.m->threads.cnt + 1) * sizeof(*s.marks));
	ct_marks__clear(&s);
	link_waits(&s);
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		if (rows[i].kind == CT_FIND_HEALTHY) {
			ct_findings__fold(&s);
			link_causes(l);
			/* that all is well, and what kind of work it is, goes for the whole */
			if (any_let_go(f->m, 0))
				break;
		}
		if (rows[i].find)
			rows[i].find(&s);
	}
	rank_findings(l);
	say_losses(&s);
	for (u32 i = 0; i < s.scratch.cnt; i++)
		free(s.scratch.at[i]);
	ct_vec_free(&s.scratch);
	free(s.first);
	free(s.next);
	free(s.first_ended);
	free(s.next_ended);
	free(s.told);
	free(s.marks);
	free(s.queues);
}

void ct_findings__of_hangs(struct ct_finding_list *l, const struct ct_facts *f)
{
	struct ct_search s = {
		.f = f, .m = f->m, .out = l, .duration_ns = f->m->end_ns - f->m->start_ns
	};

	*l = (struct ct_finding_list){ 0 };
	s.told = ct_alloc((size_t)s.m->waits.cnt + 1);
	ct_find_hangs(&s);
	rank_findings(l);
	free(s.told);
}

void ct_finding__clear(struct ct_finding *f)
{
	ct_vec_free(&f->threads);
	ct_vec_free(&f->locks);
	ct_vec_free(&f->frames);
	ct_table__free(f->known);
	free(f->title);
	free(f->evidence);
	free(f->advice);
}

void ct_findings__clear(struct ct_finding_list *l)
{
	for (u32 i = 0; i < l->at.cnt; i++)
		ct_finding__clear(&l->at.at[i]);
	ct_vec_free(&l->at);
}
