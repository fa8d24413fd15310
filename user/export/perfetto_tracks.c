/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracks for Perfetto, and the slices on them:
 *
 *   thread    its waits, named by what for, with the stack that waits; what it holds, where that
 *             nests; an instant where it wakes somebody, and one where it runs again, with an arrow
 *             between the two
 *   lock      under its process: who holds it
 *   findings  one track each, over the stretch of time that the finding is about
 *   losses    of a CPU: where events were lost, and how many so far
 *   counters  threads that run, threads that wait for a CPU (perfetto_sched.c fills them)
 *
 * Slices of one track must nest.  A thread's waits do; its holds need not (locks are not always
 * released in the opposite order), so on the thread's track are those that do, and on the lock's
 * all. Cost: O(n log n) in the waits and holds of a thread, one thread at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "perfetto_int.h"

#define NAME_SIZE 512
#define ANNOTATIONS_MAX 12u
#define EXPLICIT_ORDER 3u
#define UNIT_COUNT 2u

enum event_type { EVENT_BEGIN = 1, EVENT_END, EVENT_INSTANT };

/* An event that is put together: the message and what it points to. */
struct slice_event {
	struct pf_out *o;
	Ctrace__TracePacket packet;
	Ctrace__TrackEvent event;
	Ctrace__DebugAnnotation notes[ANNOTATIONS_MAX];
	Ctrace__DebugAnnotation *note_list[ANNOTATIONS_MAX];
	u64 category, flow;
};

static void begin_event(struct slice_event *e, struct pf_out *o, enum event_type type, u64 track,
	ct_ns at)
{
	memset(e, 0, sizeof(*e));
	e->o = o;
	ctrace__trace_packet__init(&e->packet);
	ctrace__track_event__init(&e->event);
	PF_SET(&e->packet, timestamp, pf_time(o, at));
	PF_SET(&e->event, type, type);
	PF_SET(&e->event, track_uuid, track);
	e->packet.track_event = &e->event;
	e->event.debug_annotations = e->note_list;
}

static void put_event(struct slice_event *e)
{
	pf_put(e->o, PF_TRACKS, &e->packet);
}

static void set_name(struct slice_event *e, const char *category, const char *name)
{
	e->category = pf_string(e->o, PF_TRACKS, PF_CATEGORY, category);
	e->event.n_category_iids = 1;
	e->event.category_iids = &e->category;
	PF_SET(&e->event, name_iid, pf_string(e->o, PF_TRACKS, PF_EVENT_NAME, name));
}

static Ctrace__DebugAnnotation *note(struct slice_event *e, const char *name)
{
	Ctrace__DebugAnnotation *n = &e->notes[e->event.n_debug_annotations];
	ctrace__debug_annotation__init(n);
	PF_SET(n, name_iid, pf_string(e->o, PF_TRACKS, PF_ANNOTATION_NAME, name));
	e->note_list[e->event.n_debug_annotations++] = n;
	return n;
}

static void note_text(struct slice_event *e, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	Ctrace__DebugAnnotation *n = note(e, name);
	PF_SET(n, string_value_iid, pf_string(e->o, PF_TRACKS, PF_ANNOTATION_VALUE, text));
}

static void note_count(struct slice_event *e, const char *name, u64 value)
{
	Ctrace__DebugAnnotation *n = note(e, name);
	PF_SET(n, uint_value, value);
}

static void note_share(struct slice_event *e, const char *name, double value)
{
	Ctrace__DebugAnnotation *n = note(e, name);
	PF_SET(n, double_value, value);
}

static void note_thread(struct slice_event *e, const char *name, u32 thread)
{
	const struct ct_model *m = e->o->m;
	if (thread >= m->threads.cnt)
		return;
	char *text = ct_asprintf("%s (%" PRIu32 ")", ct_thread_name(m, thread),
		m->threads.at[thread].tid);
	note_text(e, name, text);
	free(text);
}

static void note_line(struct slice_event *e, const char *name, u32 frame)
{
	char text[NAME_SIZE];
	if (frame && e->o->m->names)
		note_text(e, name, ct_frame_name(e->o->m->names, frame, text, sizeof(text)));
}

static void end_slice(struct pf_out *o, u64 track, ct_ns at)
{
	struct slice_event e;
	begin_event(&e, o, EVENT_END, track, at);
	put_event(&e);
}

/* ---- what tracks there are ------------------------------------------------------------------- */

static void put_track(struct pf_out *o, Ctrace__TrackDescriptor *d, u64 uuid, u64 parent,
	const char *name)
{
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	char *valid = name ? ct_utf8_repair(*name ? name : "?") : NULL;
	PF_SET(d, uuid, uuid);
	if (parent)
		PF_SET(d, parent_uuid, parent);
	d->name = valid;
	packet.track_descriptor = d;
	pf_put(o, PF_TRACKS, &packet);
	free(valid);
}

static void plain_track(struct pf_out *o, u64 uuid, u64 parent, const char *name)
{
	Ctrace__TrackDescriptor d = CTRACE__TRACK_DESCRIPTOR__INIT;
	put_track(o, &d, uuid, parent, name);
}

static void counter_track(struct pf_out *o, u64 uuid, const char *name)
{
	Ctrace__TrackDescriptor d = CTRACE__TRACK_DESCRIPTOR__INIT;
	Ctrace__TrackDescriptor__CounterDescriptor counter =
		CTRACE__TRACK_DESCRIPTOR__COUNTER_DESCRIPTOR__INIT;
	PF_SET(&counter, unit, UNIT_COUNT);
	d.counter = &counter;
	put_track(o, &d, uuid, 0, name);
}

static void process_track(struct pf_out *o, u32 process)
{
	Ctrace__TrackDescriptor d = CTRACE__TRACK_DESCRIPTOR__INIT;
	Ctrace__TrackDescriptor__ProcessDescriptor p =
		CTRACE__TRACK_DESCRIPTOR__PROCESS_DESCRIPTOR__INIT;
	char *name = ct_utf8_repair(ct_process_name(o->m, process));
	PF_SET(&p, pid, (i32)o->pids[process]);
	p.process_name = *name ? name : NULL;
	d.process = &p;
	put_track(o, &d, pf_uuid(PF_TRACK_PROCESS, process), 0, NULL);
	free(name);
}

static void thread_track(struct pf_out *o, u32 thread)
{
	Ctrace__TrackDescriptor d = CTRACE__TRACK_DESCRIPTOR__INIT;
	Ctrace__TrackDescriptor__ThreadDescriptor t =
		CTRACE__TRACK_DESCRIPTOR__THREAD_DESCRIPTOR__INIT;
	char *name = pf_thread_name(o, thread);
	PF_SET(&t, pid, (i32)o->pids[o->m->threads.at[thread].process]);
	PF_SET(&t, tid, (i32)o->tids[thread]);
	t.thread_name = *name ? name : NULL;
	d.thread = &t;
	put_track(o, &d, pf_uuid(PF_TRACK_THREAD, thread), 0, NULL);
	free(name);
}

static void lock_track(struct pf_out *o, u32 lock)
{
	const struct ct_lock *l = &o->m->locks.at[lock];
	char name[NAME_SIZE];
	char *text = ct_asprintf("L%" PRIu32 " %s (%s)", l->id,
		ct_lock_name(o->m, l, name, sizeof(name)), ct_lock_kind_name(l->kind));
	u64 parent = l->process < o->m->processes.cnt ? pf_uuid(PF_TRACK_LOCKS, l->process) : 0;
	plain_track(o, pf_uuid(PF_TRACK_LOCK, lock), parent, text);
	free(text);
}

static void locks_tracks(struct pf_out *o)
{
	bool *named = ct_alloc(o->m->processes.cnt + 1);
	for (u32 i = 0; i < o->m->locks.cnt; i++) {
		const struct ct_lock *l = &o->m->locks.at[i];
		if (!l->holds.cnt)
			continue;
		if (l->process < o->m->processes.cnt && !named[l->process]) {
			named[l->process] = true;
			plain_track(o, pf_uuid(PF_TRACK_LOCKS, l->process),
				pf_uuid(PF_TRACK_PROCESS, l->process), "Locks: who holds them");
		}
		lock_track(o, i);
	}
	free(named);
}

static void all_tracks(struct pf_out *o)
{
	counter_track(o, pf_uuid(PF_TRACK_COUNTER, PF_COUNT_RUNNING), "threads running");
	counter_track(o, pf_uuid(PF_TRACK_COUNTER, PF_COUNT_RUNNABLE), "threads waiting for a CPU");
	for (u32 i = 0; i < o->m->processes.cnt; i++)
		process_track(o, i);
	for (u32 i = 0; i < o->m->threads.cnt; i++)
		thread_track(o, i);
	locks_tracks(o);
}

/* ---- lists by thread ------------------------------------------------------------------------- */

/* Indices of things, those of each thread together: start[t] to start[t + 1]. */
struct by_thread {
	u32 *start, *at;
};

static void by_thread_init(struct by_thread *b, u32 threads, u32 cnt)
{
	b->start = ct_alloc((threads + 2) * sizeof(*b->start));
	b->at = ct_alloc(((size_t)cnt + 1) * sizeof(*b->at));
}

static void by_thread_count(struct by_thread *b, u32 thread)
{
	b->start[thread + 2]++;
}

static void by_thread_sum(struct by_thread *b, u32 threads)
{
	for (u32 i = 0; i < threads; i++)
		b->start[i + 2] += b->start[i + 1];
}

static void by_thread_add(struct by_thread *b, u32 thread, u32 what)
{
	b->at[b->start[thread + 1]++] = what;
}

static void by_thread_clear(struct by_thread *b)
{
	free(b->start);
	free(b->at);
}

/* Waits that each thread ended. */
static void wakes_by_thread(struct by_thread *b, const struct ct_model *m)
{
	u32 threads = m->threads.cnt;
	by_thread_init(b, threads, m->waits.cnt);
	for (u32 i = 0; i < m->waits.cnt; i++) {
		if (m->waits.at[i].waker < threads)
			by_thread_count(b, m->waits.at[i].waker);
	}
	by_thread_sum(b, threads);
	for (u32 i = 0; i < m->waits.cnt; i++) {
		if (m->waits.at[i].waker < threads)
			by_thread_add(b, m->waits.at[i].waker, i);
	}
}

struct held {
	const struct ct_hold *hold;
	u32 lock;
};

struct holds {
	CT_VEC(struct held) all;
	struct by_thread by;
};

static void holds_by_thread(struct holds *h, const struct ct_model *m)
{
	u32 threads = m->threads.cnt;
	*h = (struct holds){ 0 };
	for (u32 l = 0; l < m->locks.cnt; l++) {
		for (u32 i = 0; i < m->locks.at[l].holds.cnt; i++) {
			const struct ct_hold *hold = &m->locks.at[l].holds.at[i];
			if (hold->thread < threads)
				*ct_vec_push(&h->all) = (struct held){ hold, l };
		}
	}
	by_thread_init(&h->by, threads, h->all.cnt);
	for (u32 i = 0; i < h->all.cnt; i++)
		by_thread_count(&h->by, h->all.at[i].hold->thread);
	by_thread_sum(&h->by, threads);
	for (u32 i = 0; i < h->all.cnt; i++)
		by_thread_add(&h->by, h->all.at[i].hold->thread, i);
}

/* ---- a thread's track ------------------------------------------------------------------------ */

enum item_kind { ITEM_HOLD, ITEM_WAIT, ITEM_RUNS, ITEM_WAKES };

struct item {
	ct_ns start_ns, end_ns;
	u32 kind, index; /* index of a wait, or in holds.all */
};

struct lane {
	struct pf_out *o;
	const struct ct_model *m;
	u32 thread;
	u64 track;
	const struct holds *holds;
	CT_VEC(struct item) items;
	CT_VEC(ct_ns) open; /* ends of the slices that are open, innermost last */
};

/* Outer before inner. */
static int compare_items(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void add_item(struct lane *l, enum item_kind kind, u32 index, ct_ns start, ct_ns end)
{
	*ct_vec_push(&l->items) = (struct item){ start, end, kind, index };
}

static void add_waits(struct lane *l)
{
	const struct ct_thread *t = &l->m->threads.at[l->thread];
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		if (!ct_state_blocked(s->state) || s->wait >= l->m->waits.cnt)
			continue;
		const struct ct_wait *w = &l->m->waits.at[s->wait];
		add_item(l, ITEM_WAIT, s->wait, s->start_ns, ct_slice_end(t, i));
		u32 runs = i + 1;
		while (runs < t->slices.cnt && t->slices.at[runs].state == CT_RUNNABLE)
			runs++;
		if (w->waker < l->m->threads.cnt && runs < t->slices.cnt &&
			t->slices.at[runs].state == CT_RUNNING)
			add_item(l, ITEM_RUNS, s->wait, t->slices.at[runs].start_ns,
				t->slices.at[runs].start_ns);
	}
}

/* Does the stretch begin or end inside a wait of this thread's? */
static bool cuts_a_wait(const struct lane *l, u32 waits, ct_ns at)
{
	u32 low = 0;
	u32 high = waits;
	while (low < high) { /* first wait that starts at `at` or later */
		u32 middle = low + (high - low) / 2;
		if (l->items.at[middle].start_ns < at)
			low = middle + 1;
		else
			high = middle;
	}
	while (low > 0 && l->items.at[low - 1].kind != ITEM_WAIT)
		low--;
	return low > 0 && l->items.at[low - 1].end_ns > at;
}

static void add_holds(struct lane *l)
{
	u32 waits = l->items.cnt; /* by time */
	const struct by_thread *by = &l->holds->by;
	for (u32 i = by->start[l->thread]; i < by->start[l->thread + 1]; i++) {
		const struct ct_hold *h = l->holds->all.at[by->at[i]].hold;
		if (!cuts_a_wait(l, waits, h->start_ns) && !cuts_a_wait(l, waits, h->end_ns))
			add_item(l, ITEM_HOLD, by->at[i], h->start_ns, h->end_ns);
	}
}

static void add_wakes(struct lane *l, const struct by_thread *wakes)
{
	for (u32 i = wakes->start[l->thread]; i < wakes->start[l->thread + 1]; i++) {
		ct_ns at = l->m->waits.at[wakes->at[i]].end_ns;
		add_item(l, ITEM_WAKES, wakes->at[i], at, at);
	}
}

static void put_wait(struct lane *l, const struct item *item)
{
	const struct ct_wait *w = &l->m->waits.at[item->index];
	const struct ct_lock *lock = w->lock < l->m->locks.cnt ? &l->m->locks.at[w->lock] : NULL;
	char text[NAME_SIZE];
	struct slice_event e;
	begin_event(&e, l->o, EVENT_BEGIN, l->track, item->start_ns);
	if (lock) {
		char *name = ct_asprintf("waits for %s",
			ct_lock_name(l->m, lock, text, sizeof(text)));
		set_name(&e, "lock", name);
		free(name);
		PF_SET(&e.event, correlation_id, w->lock + 1);
		snprintf(text, sizeof(text), "L%" PRIu32, lock->id);
		note_text(&e, "lock", text);
	} else {
		snprintf(text, sizeof(text), "waits: %s", ct_state_name(w->state));
		set_name(&e, "wait", text);
	}
	note_text(&e, "reason", ct_state_name(w->state));
	note_thread(&e, "held by", w->owner);
	note_thread(&e, "waits for the end of", w->target);
	note_thread(&e, "woken by", w->waker);
	note_line(&e, "line", w->frame);
	u64 stack = pf_stack(l->o, PF_TRACKS, w->stack);
	if (stack)
		PF_SET(&e.event, callstack_iid, stack);
	put_event(&e);
}

static void name_hold(struct slice_event *e, const struct held *held, const char *name)
{
	set_name(e, "hold", name);
	PF_SET(&e->event, correlation_id, held->lock + 1);
	note_text(e, "certainty", held->hold->flags & CT_HOLD_SEEN ? "seen" : "inferred");
}

static void put_hold(struct lane *l, const struct item *item)
{
	const struct held *held = &l->holds->all.at[item->index];
	char text[NAME_SIZE];
	char *name = ct_asprintf("holds %s",
		ct_lock_name(l->m, &l->m->locks.at[held->lock], text, sizeof(text)));
	struct slice_event e;
	begin_event(&e, l->o, EVENT_BEGIN, l->track, item->start_ns);
	name_hold(&e, held, name);
	put_event(&e);
	free(name);
}

/* The arrow from who wakes to who is woken begins and ends at instants of its own: at the end of a
 * wait it would be drawn from the wait's beginning. */
static void put_instant(struct lane *l, const struct item *item)
{
	const struct ct_wait *w = &l->m->waits.at[item->index];
	bool wakes = item->kind == ITEM_WAKES;
	u32 other = wakes ? w->thread : w->waker;
	char *name = ct_asprintf(wakes ? "wakes %s" : "woken by %s", ct_thread_name(l->m, other));
	struct slice_event e;
	begin_event(&e, l->o, EVENT_INSTANT, l->track, item->start_ns);
	set_name(&e, "wake", name);
	e.flow = (u64)item->index + 1;
	if (wakes)
		e.event.n_flow_ids = 1, e.event.flow_ids = &e.flow;
	else
		e.event.n_terminating_flow_ids = 1, e.event.terminating_flow_ids = &e.flow;
	put_event(&e);
	free(name);
}

static void close_until(struct lane *l, ct_ns at)
{
	while (l->open.cnt && l->open.at[l->open.cnt - 1] <= at)
		end_slice(l->o, l->track, l->open.at[--l->open.cnt]);
}

static void put_item(struct lane *l, const struct item *item)
{
	close_until(l, item->start_ns);
	if (item->kind == ITEM_RUNS || item->kind == ITEM_WAKES) {
		put_instant(l, item);
		return;
	}
	/* two holds that cross; waits cross nothing */
	if (l->open.cnt && l->open.at[l->open.cnt - 1] < item->end_ns)
		return;
	if (item->kind == ITEM_WAIT)
		put_wait(l, item);
	else
		put_hold(l, item);
	*ct_vec_push(&l->open) = item->end_ns;
}

static void thread_events(struct lane *l, const struct by_thread *wakes)
{
	l->items.cnt = 0;
	l->track = pf_uuid(PF_TRACK_THREAD, l->thread);
	add_waits(l);
	add_holds(l);
	add_wakes(l, wakes);
	if (l->items.cnt)
		qsort(l->items.at, l->items.cnt, sizeof(*l->items.at), compare_items);
	for (u32 i = 0; i < l->items.cnt; i++)
		put_item(l, &l->items.at[i]);
	close_until(l, UINT64_MAX);
}

static void all_threads(struct pf_out *o, const struct holds *holds)
{
	struct by_thread wakes;
	struct lane l = { .o = o, .m = o->m, .holds = holds };
	wakes_by_thread(&wakes, o->m);
	for (l.thread = 0; l.thread < o->m->threads.cnt; l.thread++)
		thread_events(&l, &wakes);
	by_thread_clear(&wakes);
	ct_vec_free(&l.items);
	ct_vec_free(&l.open);
}

/* ---- the other tracks ------------------------------------------------------------------------ */

static void lock_holds(struct pf_out *o, const struct holds *holds)
{
	for (u32 i = 0; i < holds->all.cnt; i++) { /* lock by lock, by time */
		const struct held *held = &holds->all.at[i];
		u64 track = pf_uuid(PF_TRACK_LOCK, held->lock);
		struct slice_event e;
		begin_event(&e, o, EVENT_BEGIN, track, held->hold->start_ns);
		name_hold(&e, held, ct_thread_name(o->m, held->hold->thread));
		put_event(&e);
		end_slice(o, track, held->hold->end_ns);
	}
}

/* The stretch of time that a finding is about: the hang, the waits for its lock, the lives of its
 * threads, the run. */
static void finding_time(const struct ct_facts *facts, const struct ct_finding *f, ct_ns *start,
	ct_ns *end)
{
	const struct ct_model *m = facts->m;
	*start = m->start_ns;
	*end = m->end_ns;
	if (f->hang < facts->hangs.at.cnt) {
		*start = facts->hangs.at.at[f->hang].since_ns;
		*end = facts->hangs.at.at[f->hang].until_ns;
	} else if (f->locks.cnt && m->locks.at[f->locks.at[0]].waits.cnt) {
		const struct ct_lock *l = &m->locks.at[f->locks.at[0]];
		*start = m->waits.at[l->waits.at[0]].start_ns;
		*end = *start;
		for (u32 i = 0; i < l->waits.cnt; i++) {
			ct_ns ended = m->waits.at[l->waits.at[i]].end_ns;
			*end = ended > *end ? ended : *end;
		}
	}
}

static void put_finding(struct pf_out *o, const struct ct_facts *facts, u32 index)
{
	const struct ct_finding *f = &facts->findings.at.at[index];
	char *title = ct_finding_title(facts, f);
	char *evidence = ct_finding_evidence(facts, f);
	u64 track = pf_uuid(PF_TRACK_FINDINGS, index + 1);
	ct_ns start;
	ct_ns end;
	struct slice_event e;
	finding_time(facts, f, &start, &end);
	plain_track(o, track, pf_uuid(PF_TRACK_FINDINGS, 0), ct_finding_id(f->kind));
	begin_event(&e, o, EVENT_BEGIN, track, start);
	set_name(&e, "finding", title);
	note_text(&e, "id", ct_finding_id(f->kind));
	note_text(&e, "severity", ct_severity_name(f->severity));
	note_text(&e, "certainty", f->seen ? "seen" : "inferred");
	note_count(&e, "cost_ns", f->cost_ns);
	note_share(&e, "share", f->share);
	note_text(&e, "evidence", evidence);
	note_text(&e, "lesson", ct_finding_words(facts, f));
	note_text(&e, "advice", ct_finding_advice(facts, f));
	if (f->frames.cnt)
		note_line(&e, "line", f->frames.at[0]);
	put_event(&e);
	end_slice(o, track, end);
	free(title);
	free(evidence);
}

static void all_findings(struct pf_out *o, const struct ct_facts *facts)
{
	Ctrace__TrackDescriptor d = CTRACE__TRACK_DESCRIPTOR__INIT;
	if (!facts->findings.at.cnt)
		return;
	PF_SET(&d, child_ordering, EXPLICIT_ORDER);
	put_track(o, &d, pf_uuid(PF_TRACK_FINDINGS, 0), 0, "Findings of ctrace");
	for (u32 i = 0; i < facts->findings.at.cnt; i++)
		put_finding(o, facts, i);
}

/* Losses of one CPU come by time; what was lost at once, of several kinds, has the same stretch.
 * Where two stretches cross all the same, the later one begins where the one before ends. */
static void losses_of(struct pf_out *o, const struct ct_loss_span *first)
{
	const struct ct_model *m = o->m;
	u64 track = pf_uuid(PF_TRACK_LOSS, first->cpu);
	u64 count_track = pf_uuid(PF_TRACK_LOSS_COUNT, first->cpu);
	u64 lost = 0;
	const struct ct_loss_span *before = NULL;
	char name[64];
	snprintf(name, sizeof(name), "events lost, CPU %" PRIu32, first->cpu);
	plain_track(o, track, 0, name);
	counter_track(o, count_track, name);
	for (u32 i = 0; i < m->losses.cnt; i++) {
		const struct ct_loss_span *span = &m->losses.at[i];
		struct slice_event e;
		if (span->cpu != first->cpu)
			continue;
		ct_ns start = span->since_ns > m->start_ns ? span->since_ns : m->start_ns;
		bool same = before && before->since_ns == span->since_ns &&
			    before->until_ns == span->until_ns;
		if (before && !same && start < before->until_ns)
			start = before->until_ns;
		ct_ns end = span->until_ns > start ? span->until_ns : start;
		begin_event(&e, o, EVENT_BEGIN, track, start);
		const char *kind = ct_kind_name(span->kind);
		set_name(&e, "lost", kind ? kind : "several kinds");
		note_count(&e, "events", span->count);
		put_event(&e);
		end_slice(o, track, end);
		before = span;
		lost += span->count;
		pf_count(o, count_track, end, lost);
	}
}

static void all_losses(struct pf_out *o)
{
	struct ct_table *done = ct_table__new();
	for (u32 i = 0; i < o->m->losses.cnt; i++) {
		const struct ct_loss_span *span = &o->m->losses.at[i];
		if (ct_table__get(done, span->cpu, 0) != CT_NONE)
			continue;
		ct_table__set(done, span->cpu, 0, 1);
		losses_of(o, span);
	}
	ct_table__free(done);
}

void pf_write_tracks(struct pf_out *o, const struct ct_facts *facts)
{
	struct holds holds;
	holds_by_thread(&holds, o->m);
	all_tracks(o);
	all_findings(o, facts);
	all_losses(o);
	lock_holds(o, &holds);
	all_threads(o, &holds);
	by_thread_clear(&holds.by);
	ct_vec_free(&holds.all);
}
