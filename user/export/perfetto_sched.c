/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scheduling for Perfetto: the slices of all threads, merged by time, become switches and wakings
 * of each CPU, in columns, a bundle at a time.  The reader works states out of them again, and
 * these rules make its states equal the model's:
 *
 *   who leaves a CPU   is who came to it last, so every CPU begins with a switch to nobody, which
 *                      is not shown, and foreign threads are a switch to thread 0
 *   who wakes          is who runs on the waking's CPU at that time.  Where that is not so, the
 *                      waking is written as a single event, which names its waker
 *   interrupts         their wakings carry a flag, and end the reader's critical path
 *   order              a waking that came before the sleeper had left is put after it; else the
 *                      reader would not count it
 *   found asleep       is told by a stay of no length on the CPU at the start; and so is an end
 *                      that was not seen
 *   two on one CPU     (what ran there was not known, or events were lost): one is shown on a CPU
 *                      beyond those of the machine
 *
 * The reason of a wait ("lock", "io-disk") goes where the kernel function it sleeps in would be.
 *
 * Cost: O(slices x log threads); held are a cursor for each thread and a bundle for each CPU.
 */
#include <string.h>

#include "perfetto_int.h"

#define BUNDLE_EVENTS 1024u /* of one CPU in one packet */
#define FLAG_HARDIRQ 0x08u  /* as the kernel's trace events have them */
#define FLAG_SOFTIRQ 0x10u
#define PREV_PREEMPTED 0x100
#define PREV_DEAD 0x10

/* What a thread does next; in the order of those at the same time. */
enum action {
	LEAVE,	/* the CPU */
	SLEEP,	/* first known of it: it sleeps */
	REASON, /* of the sleep */
	WAKE,
	ENTER, /* a CPU */
	VANISH, /* its end was not seen */
	NOTHING
};

struct cursor {
	u32 slice; /* the next action's */
	u8 action;
	ct_ns at_ns;
};

struct thread_now {
	struct cursor next;
	u8 state; /* enum ct_state; CT_STATES: none yet, or ended */
	bool running;
	u16 cpu;
	/* of its last events in the source; 0: none */
	ct_ns left_ns, woken_ns;
	u16 woken_cpu;
	u8 left_state, left_flags, prio;
};

struct single { /* an event outside the columns */
	Ctrace__FtraceEvent event;
	Ctrace__SchedBlockedReason reason;
	Ctrace__SchedWaking waking;
};

struct cpu_now {
	bool used, lost;
	u32 current; /* thread; CT_NONE: none of the traced */
	/* the switch that is not written yet: who comes may still turn up */
	bool pending;
	ct_ns switch_ns;
	i64 prev_state;
	u64 last_switch, last_waking; /* what times in the columns count from */
	struct ct_strtab *comms;
	CT_VEC(u64) switch_at;
	CT_VEC(i64) switch_prev;
	CT_VEC(i32) switch_next;
	CT_VEC(i32) switch_prio;
	CT_VEC(u32) switch_comm;
	CT_VEC(u64) waking_at;
	CT_VEC(i32) waking_pid;
	CT_VEC(i32) waking_cpu;
	CT_VEC(i32) waking_prio;
	CT_VEC(u32) waking_comm;
	CT_VEC(u32) waking_flags;
	CT_VEC(struct single) singles;
};

struct sched {
	struct pf_out *o;
	const struct ct_model *m;
	struct ct_source *source;
	const struct ct_event *event; /* not looked at yet */
	struct ct_table *by_tid;      /* tid -> thread that has it now */
	struct thread_now *now; /* [threads] */
	struct cpu_now *cpus;	/* [cpu_cnt] */
	u32 cpu_cnt;
	u32 *heap; /* threads by their next action */
	u32 heap_cnt;
	u32 count[PF_COUNTERS], told[PF_COUNTERS];
	ct_ns count_ns; /* what count is the state of */
	bool counted;
};

/* ---- the merge ------------------------------------------------------------------------------- */

static bool sooner(const struct sched *s, u32 a, u32 b)
{
	const struct cursor *x = &s->now[a].next;
	const struct cursor *y = &s->now[b].next;
	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns;
	if (x->action != y->action)
		return x->action < y->action;
	return a < b;
}

static void sift_down(struct sched *s, u32 i)
{
	u32 moved = s->heap[i];
	for (;;) {
		u32 child = 2 * i + 1;
		if (child >= s->heap_cnt)
			break;
		if (child + 1 < s->heap_cnt && sooner(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!sooner(s, s->heap[child], moved))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = moved;
}

/* Does it run on at the very time at which this slice ends?  (Where a switch was not seen.) */
static bool runs_on(const struct ct_thread *t, u32 slice)
{
	ct_ns end = ct_slice_end(t, slice);
	for (u32 i = slice + 1; i < t->slices.cnt && t->slices.at[i].start_ns == end; i++) {
		if (t->slices.at[i].state == CT_RUNNING)
			return true;
	}
	return false;
}

/* When a slice of running ends here.  Two on different CPUs must not touch: the reader would take
 * the end of the first for one of the second. */
static ct_ns leave_time(const struct ct_thread *t, u32 slice)
{
	ct_ns end = ct_slice_end(t, slice);
	return runs_on(t, slice) && end > t->slices.at[slice].start_ns ? end - 1 : end;
}

/* After the sleeper has left, and after its reason. */
static ct_ns wake_time(const struct ct_thread *t, u32 slice)
{
	ct_ns at = t->slices.at[slice].start_ns;
	ct_ns end = ct_slice_end(t, slice);
	ct_ns slept = slice ? t->slices.at[slice - 1].start_ns : 0;
	if (!slice || at > slept + 1)
		return at;
	return slept + 2 < end ? slept + 2 : slept + 1;
}

static bool sleeps(const struct ct_thread *t, u32 slice)
{
	return ct_state_blocked(t->slices.at[slice].state);
}

/* The first action of slices from `slice` on. */
static struct cursor action_from(const struct ct_model *m, const struct ct_thread *t, u32 slice)
{
	for (; slice < t->slices.cnt; slice++) {
		const struct ct_slice *s = &t->slices.at[slice];
		if (s->state == CT_RUNNING && ct_slice_end(t, slice) == s->start_ns &&
			runs_on(t, slice))
			continue;
		if (s->state == CT_RUNNING)
			return (struct cursor){ slice, ENTER, s->start_ns };
		if (sleeps(t, slice) && !slice)
			return (struct cursor){ slice, SLEEP, s->start_ns };
		if (sleeps(t, slice) && ct_slice_end(t, slice) > s->start_ns + 1)
			return (struct cursor){ slice, REASON, s->start_ns + 1 };
		if (s->state != CT_RUNNABLE || (slice && !sleeps(t, slice - 1)))
			continue;
		ct_ns at = wake_time(t, slice);
		if (at < ct_slice_end(t, slice) || slice + 1 == t->slices.cnt)
			return (struct cursor){ slice, WAKE, at };
	}
	bool seen = !slice || t->slices.at[slice - 1].state == CT_RUNNING ||
		    t->end_ns >= m->end_ns || t->end_ns <= t->slices.at[slice - 1].start_ns + 2;
	return seen ? (struct cursor){ slice, NOTHING, 0 }
		    : (struct cursor){ slice - 1, VANISH, t->end_ns };
}

static struct cursor action_after(
	const struct ct_model *m, const struct ct_thread *t, const struct cursor *done)
{
	u32 slice = done->slice;
	ct_ns start = t->slices.at[slice].start_ns;
	if (done->action == VANISH)
		return (struct cursor){ slice, NOTHING, 0 };
	if (done->action == ENTER)
		return (struct cursor){ slice, LEAVE, leave_time(t, slice) };
	if (done->action == SLEEP && ct_slice_end(t, slice) > start + 1)
		return (struct cursor){ slice, REASON, start + 1 };
	return action_from(m, t, slice + 1);
}

static void start_merge(struct sched *s)
{
	for (u32 i = 0; i < s->m->threads.cnt; i++) {
		s->now[i].next = action_from(s->m, &s->m->threads.at[i], 0);
		s->now[i].state = CT_STATES;
		s->now[i].prio = s->m->threads.at[i].prio;
		if (s->now[i].next.action != NOTHING)
			s->heap[s->heap_cnt++] = i;
	}
	for (u32 i = s->heap_cnt / 2; i > 0; i--)
		sift_down(s, i - 1);
}

/* ---- what only the events know --------------------------------------------------------------- */

static void see_left(struct sched *s, const struct ct_event *e, u32 state, u32 flags, u32 next,
	u32 next_prio)
{
	u32 t = ct_table__get(s->by_tid, e->hdr.tid, 0);
	if (e->hdr.tid && t != CT_NONE) {
		s->now[t].left_ns = e->hdr.ts;
		s->now[t].left_state = state;
		s->now[t].left_flags = flags;
	}
	t = ct_table__get(s->by_tid, next, 0);
	if (next && next_prio && t != CT_NONE)
		s->now[t].prio = next_prio;
}

static void see_event(struct sched *s, const struct ct_event *e)
{
	u32 t = ct_table__get(s->by_tid, e->hdr.tid, 0);
	if (e->hdr.kind == CT_SWITCH) {
		see_left(s, e, CT_STATE_RUNNABLE, e->switch_.flags, e->switch_.next,
			e->switch_.next_prio);
	} else if (e->hdr.kind == CT_BLOCK) {
		see_left(s, e, e->block.state, e->block.flags, e->block.next, e->block.next_prio);
	} else if (e->hdr.kind == CT_WAKING && t != CT_NONE) {
		s->now[t].woken_ns = e->hdr.ts;
		s->now[t].woken_cpu = e->cpu;
	} else if (e->hdr.kind == CT_LOSS && e->cpu < s->cpu_cnt) {
		s->cpus[e->cpu].lost = true;
	}
}

static void see_events(struct sched *s, ct_ns until)
{
	while (s->event && s->event->hdr.ts <= until) {
		see_event(s, s->event);
		s->event = ct_source__next(s->source);
	}
}

/* ---- columns --------------------------------------------------------------------------------- */

static i32 tid_of(const struct sched *s, u32 thread)
{
	return thread == CT_NONE ? 0 : (i32)s->o->tids[thread];
}

static u32 comm_index(const struct sched *s, struct cpu_now *c, u32 thread)
{
	char *name = thread == CT_NONE ? ct_strdup("idle or another program")
				       : pf_thread_name(s->o, thread);
	u32 index = ct_strtab__add(c->comms, name);
	free(name);
	return index;
}

static void add_switch(struct sched *s, struct cpu_now *c, ct_ns t, i64 prev_state, u32 next)
{
	u64 at = pf_time(s->o, t);
	*ct_vec_push(&c->switch_at) = at - c->last_switch;
	*ct_vec_push(&c->switch_prev) = prev_state;
	*ct_vec_push(&c->switch_next) = tid_of(s, next);
	*ct_vec_push(&c->switch_prio) = next == CT_NONE ? 0 : s->now[next].prio;
	*ct_vec_push(&c->switch_comm) = comm_index(s, c, next);
	c->last_switch = at;
}

static void settle_switch(struct sched *s, struct cpu_now *c)
{
	if (c->pending)
		add_switch(s, c, c->switch_ns, c->prev_state, c->current);
	c->pending = false;
}

static void set_columns(struct cpu_now *c, Ctrace__CompactSched *k, char **comms)
{
	for (u32 i = 0; i < ct_strtab__count(c->comms); i++)
		comms[i] = (char *)ct_strtab__get(c->comms, i);
	k->n_intern_table = ct_strtab__count(c->comms);
	k->intern_table = comms;
	k->n_switch_timestamp = k->n_switch_prev_state = k->n_switch_next_pid =
		k->n_switch_next_prio = k->n_switch_next_comm_index = c->switch_at.cnt;
	k->switch_timestamp = c->switch_at.at;
	k->switch_prev_state = c->switch_prev.at;
	k->switch_next_pid = c->switch_next.at;
	k->switch_next_prio = c->switch_prio.at;
	k->switch_next_comm_index = c->switch_comm.at;
	k->n_waking_timestamp = k->n_waking_pid = k->n_waking_target_cpu = k->n_waking_prio =
		k->n_waking_comm_index = k->n_waking_common_flags = c->waking_at.cnt;
	k->waking_timestamp = c->waking_at.at;
	k->waking_pid = c->waking_pid.at;
	k->waking_target_cpu = c->waking_cpu.at;
	k->waking_prio = c->waking_prio.at;
	k->waking_comm_index = c->waking_comm.at;
	k->waking_common_flags = c->waking_flags.at;
}

static void set_singles(struct cpu_now *c, Ctrace__FtraceEventBundle *bundle)
{
	bundle->n_event = c->singles.cnt;
	bundle->event = ct_alloc(c->singles.cnt * sizeof(*bundle->event) + 1);
	for (u32 i = 0; i < c->singles.cnt; i++) {
		struct single *e = &c->singles.at[i];
		bundle->event[i] = &e->event;
		if (e->reason.has_pid)
			e->event.sched_blocked_reason = &e->reason;
		if (e->waking.has_pid)
			e->event.sched_waking = &e->waking;
	}
}

static void forget_bundle(struct cpu_now *c)
{
	c->switch_at.cnt = c->switch_prev.cnt = c->switch_next.cnt = c->switch_prio.cnt =
		c->switch_comm.cnt = 0;
	c->waking_at.cnt = c->waking_pid.cnt = c->waking_cpu.cnt = c->waking_prio.cnt =
		c->waking_comm.cnt = c->waking_flags.cnt = 0;
	for (u32 i = 0; i < c->singles.cnt; i++)
		free(c->singles.at[i].waking.comm);
	c->singles.cnt = 0;
	c->last_switch = c->last_waking = 0;
	ct_strtab__free(c->comms);
	c->comms = ct_strtab__new();
	c->lost = false;
}

static void flush_cpu(struct sched *s, u32 cpu)
{
	struct cpu_now *c = &s->cpus[cpu];
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__FtraceEventBundle bundle = CTRACE__FTRACE_EVENT_BUNDLE__INIT;
	Ctrace__CompactSched columns = CTRACE__COMPACT_SCHED__INIT;
	if (!c->switch_at.cnt && !c->waking_at.cnt && !c->singles.cnt && !c->lost)
		return;
	char **comms = ct_alloc(ct_strtab__count(c->comms) * sizeof(*comms));
	set_columns(c, &columns, comms);
	set_singles(c, &bundle);
	PF_SET(&bundle, cpu, cpu);
	if (c->lost)
		PF_SET(&bundle, lost_events, true);
	if (c->switch_at.cnt || c->waking_at.cnt)
		bundle.compact_sched = &columns;
	packet.ftrace_events = &bundle;
	pf_put(s->o, PF_SCHED, &packet);
	free(bundle.event);
	free(comms);
	forget_bundle(c);
}

static void flush_if_full(struct sched *s, u32 cpu)
{
	const struct cpu_now *c = &s->cpus[cpu];
	if (c->switch_at.cnt + c->waking_at.cnt + c->singles.cnt >= BUNDLE_EVENTS)
		flush_cpu(s, cpu);
}

static struct single *add_single(struct sched *s, u32 cpu, ct_ns t, i32 running)
{
	struct single *e = ct_vec_push(&s->cpus[cpu].singles);
	ctrace__ftrace_event__init(&e->event);
	ctrace__sched_blocked_reason__init(&e->reason);
	ctrace__sched_waking__init(&e->waking);
	PF_SET(&e->event, timestamp, pf_time(s->o, t));
	PF_SET(&e->event, pid, (u32)running);
	return e;
}

/* ---- actions --------------------------------------------------------------------------------- */

static void set_state(struct sched *s, u32 thread, u32 state)
{
	u8 *old = &s->now[thread].state;
	s->count[PF_COUNT_RUNNING] += (state == CT_RUNNING) - (*old == CT_RUNNING);
	s->count[PF_COUNT_RUNNABLE] += (state == CT_RUNNABLE) - (*old == CT_RUNNABLE);
	*old = state;
}

static void tell_counts(struct sched *s)
{
	for (u32 i = 0; i < PF_COUNTERS; i++) {
		if (s->counted && s->count[i] == s->told[i])
			continue;
		pf_count(s->o, pf_uuid(PF_TRACK_COUNTER, i), s->count_ns, s->count[i]);
		s->told[i] = s->count[i];
	}
	s->counted = true;
}

/* The CPU goes to `next`, from whoever has it, who is then in prev_state. */
static void switch_to(struct sched *s, u32 cpu, ct_ns at, i64 prev_state, u32 next)
{
	struct cpu_now *c = &s->cpus[cpu];
	if (c->pending && c->switch_ns == at && c->current == CT_NONE) {
		c->current = next;
		return;
	}
	settle_switch(s, c);
	c->pending = true;
	c->switch_ns = at;
	c->prev_state = c->current == CT_NONE ? 0 : prev_state;
	c->current = next;
	flush_if_full(s, cpu);
}

/* How a task's state is written in a switch: a bit. */
static i64 state_bit(u32 code)
{
	static const i64 bits[CT_STATE_END] = {
		[CT_STATE_SLEEPING] = 1,
		[CT_STATE_DISK] = 2,
		[CT_STATE_STOPPED] = 4,
		[CT_STATE_TRACED] = 8,
		[CT_STATE_DEAD] = PREV_DEAD,
		[CT_STATE_PARKED] = 0x40,
		[CT_STATE_IDLE] = 0x80,
	};
	return code < CT_STATE_END && bits[code] ? bits[code] : 1;
}

static i64 prev_state_of(const struct sched *s, u32 thread, u32 next_slice)
{
	const struct ct_thread *t = &s->m->threads.at[thread];
	const struct thread_now *now = &s->now[thread];
	bool ended = t->flags & CT_THREAD_ENDED || t->end_ns < s->m->end_ns;
	if (next_slice >= t->slices.cnt)
		return ended ? PREV_DEAD : PREV_PREEMPTED;
	const struct ct_slice *next = &t->slices.at[next_slice];
	bool known = now->left_ns == next->start_ns && now->left_ns;
	if (next->state == CT_RUNNING)
		return PREV_PREEMPTED;
	if (next->state == CT_RUNNABLE) {
		bool yields = known && !(now->left_flags & CT_SWITCH_PREEMPTED);
		return yields || !(next->flags & CT_SLICE_PREEMPTED) ? 0 : PREV_PREEMPTED;
	}
	if (known && now->left_state != CT_STATE_RUNNABLE)
		return state_bit(now->left_state);
	if (next->state == CT_STOPPED)
		return state_bit(CT_STATE_STOPPED);
	bool uninterruptible = next->state == CT_IO_DISK || next->state == CT_FAULT;
	return state_bit(uninterruptible ? CT_STATE_DISK : CT_STATE_SLEEPING);
}

static void leave(struct sched *s, u32 thread, const struct cursor *a)
{
	const struct ct_thread *t = &s->m->threads.at[thread];
	struct thread_now *now = &s->now[thread];
	u32 next = a->slice + 1;
	if (now->running && s->cpus[now->cpu].current == thread)
		switch_to(s, now->cpu, a->at_ns, prev_state_of(s, thread, next), CT_NONE);
	now->running = false;
	set_state(s, thread, next < t->slices.cnt ? t->slices.at[next].state : CT_STATES);
}

static void use_cpu(struct sched *s, u32 cpu)
{
	s->cpus[cpu].used = true;
	add_switch(s, &s->cpus[cpu], s->m->start_ns, 0, CT_NONE);
}

/* This one, or if it is taken one beyond the machine's. */
static u32 free_cpu(struct sched *s, u32 cpu)
{
	if (s->cpus[cpu].current == CT_NONE)
		return cpu;
	for (u32 other = s->m->run->cpus_machine; other < s->cpu_cnt; other++) {
		if (s->cpus[other].current != CT_NONE)
			continue;
		if (!s->cpus[other].used)
			use_cpu(s, other);
		return other;
	}
	return cpu;
}

static void enter(struct sched *s, u32 thread, const struct cursor *a)
{
	u32 cpu = free_cpu(s, s->m->threads.at[thread].slices.at[a->slice].cpu);
	switch_to(s, cpu, a->at_ns, PREV_PREEMPTED, thread);
	s->now[thread].running = true;
	s->now[thread].cpu = cpu;
	set_state(s, thread, CT_RUNNING);
}

/* Of no length: it comes, and leaves in this state. */
static void stay(struct sched *s, u32 thread, u32 cpu, ct_ns at, i64 state)
{
	switch_to(s, cpu, at, 0, thread);
	switch_to(s, cpu, at, state, CT_NONE);
	s->now[thread].cpu = cpu;
}

static void begin_asleep(struct sched *s, u32 thread, const struct cursor *a)
{
	const struct ct_slice *slice = &s->m->threads.at[thread].slices.at[a->slice];
	stay(s, thread, free_cpu(s, slice->cpu), a->at_ns, prev_state_of(s, thread, a->slice));
	set_state(s, thread, slice->state);
}

static void vanish(struct sched *s, u32 thread, const struct cursor *a)
{
	stay(s, thread, free_cpu(s, s->now[thread].cpu), a->at_ns, PREV_DEAD);
	set_state(s, thread, CT_STATES);
}

static void give_reason(struct sched *s, u32 thread, const struct cursor *a)
{
	const struct ct_slice *slice = &s->m->threads.at[thread].slices.at[a->slice];
	const struct cpu_now *c = &s->cpus[slice->cpu];
	struct single *e = add_single(s, slice->cpu, a->at_ns, tid_of(s, c->current));
	PF_SET(&e->reason, pid, tid_of(s, thread));
	PF_SET(&e->reason, caller,
		pf_string(s->o, PF_SCHED, PF_KERNEL_SYMBOL, ct_state_name(slice->state)));
	PF_SET(&e->reason, io_wait, slice->state == CT_IO_DISK);
	flush_if_full(s, slice->cpu);
}

struct waking {
	u32 thread, waker;
	u32 wake_flags;
	u32 cpu;	/* where the waker is, or the event came from */
	u32 target_cpu; /* where the woken one runs next, if it does */
};

static struct waking describe_waking(const struct sched *s, u32 thread, const struct cursor *a)
{
	const struct ct_thread *t = &s->m->threads.at[thread];
	const struct ct_slice *slice = &t->slices.at[a->slice];
	bool waited = slice->wait < s->m->waits.cnt;
	const struct ct_wait *w = waited ? &s->m->waits.at[slice->wait] : NULL;
	bool runs = a->slice + 1 < t->slices.cnt && t->slices.at[a->slice + 1].state == CT_RUNNING;
	struct waking k = { .thread = thread, .waker = CT_NONE, .cpu = slice->cpu };
	k.target_cpu = runs ? t->slices.at[a->slice + 1].cpu : slice->cpu;
	if (w)
		k.waker = w->waker, k.wake_flags = w->wake_flags;
	else if (!a->slice && !(t->flags & CT_THREAD_FOUND))
		k.waker = t->parent;
	if (k.waker >= s->m->threads.cnt)
		k.waker = CT_NONE;
	if (k.waker != CT_NONE)
		k.cpu = s->now[k.waker].cpu;
	else if (s->now[thread].woken_ns && s->now[thread].woken_cpu < s->cpu_cnt)
		k.cpu = s->now[thread].woken_cpu;
	return k;
}

static u32 interrupt_flag(const struct waking *k)
{
	if (k->waker != CT_NONE) /* loopback delivers on top of the call that sends */
		return 0;
	if (k->wake_flags & (CT_WAKE_HARDIRQ | CT_WAKE_NMI))
		return FLAG_HARDIRQ;
	return k->wake_flags & CT_WAKE_SOFTIRQ ? FLAG_SOFTIRQ : 0;
}

/* Would the reader of the columns find the right waker? */
static bool columns_tell(const struct sched *s, const struct waking *k, ct_ns at)
{
	const struct cpu_now *c = &s->cpus[k->cpu];
	if ((c->pending && c->switch_ns >= at) || c->last_waking > pf_time(s->o, at))
		return false;
	return c->current == k->waker || (k->waker == CT_NONE && interrupt_flag(k));
}

static void add_waking(struct sched *s, const struct waking *k, ct_ns t)
{
	struct cpu_now *c = &s->cpus[k->cpu];
	u64 at = pf_time(s->o, t);
	*ct_vec_push(&c->waking_at) = at - c->last_waking;
	*ct_vec_push(&c->waking_pid) = tid_of(s, k->thread);
	*ct_vec_push(&c->waking_cpu) = (i32)k->target_cpu;
	*ct_vec_push(&c->waking_prio) = s->now[k->thread].prio;
	*ct_vec_push(&c->waking_comm) = comm_index(s, c, k->thread);
	*ct_vec_push(&c->waking_flags) = interrupt_flag(k);
	c->last_waking = at;
}

static void add_single_waking(struct sched *s, const struct waking *k, ct_ns at)
{
	struct single *e = add_single(s, k->cpu, at, tid_of(s, k->waker));
	PF_SET(&e->waking, pid, tid_of(s, k->thread));
	PF_SET(&e->waking, prio, s->now[k->thread].prio);
	PF_SET(&e->waking, success, 1);
	PF_SET(&e->waking, target_cpu, (i32)k->target_cpu);
	e->waking.comm = pf_thread_name(s->o, k->thread);
}

static void wake(struct sched *s, u32 thread, const struct cursor *a)
{
	struct waking k = describe_waking(s, thread, a);
	if (!s->cpus[k.cpu].used) /* an interrupt, or another program, where no thread ever was */
		use_cpu(s, k.cpu);
	if (columns_tell(s, &k, a->at_ns))
		add_waking(s, &k, a->at_ns);
	else
		add_single_waking(s, &k, a->at_ns);
	set_state(s, thread, CT_RUNNABLE);
	flush_if_full(s, k.cpu);
}

static void act(struct sched *s, u32 thread)
{
	static void (*const acts[])(struct sched *, u32, const struct cursor *) = {
		[LEAVE] = leave,
		[SLEEP] = begin_asleep,
		[REASON] = give_reason,
		[WAKE] = wake,
		[ENTER] = enter,
		[VANISH] = vanish,
	};
	const struct cursor *a = &s->now[thread].next;
	if (!a->slice)
		ct_table__set(s->by_tid, s->m->threads.at[thread].tid, 0, thread);
	if (a->at_ns > s->count_ns) {
		tell_counts(s);
		s->count_ns = a->at_ns;
	}
	see_events(s, a->at_ns);
	acts[a->action](s, thread, a);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Every CPU that a thread is on begins with nobody. */
static void start_cpus(struct sched *s)
{
	s->cpus = ct_alloc(CT_CPU_MAX * sizeof(*s->cpus));
	s->cpu_cnt = CT_CPU_MAX;
	for (u32 i = 0; i < s->m->threads.cnt; i++) {
		const struct ct_thread *t = &s->m->threads.at[i];
		for (u32 j = 0; j < t->slices.cnt; j++)
			s->cpus[t->slices.at[j].cpu].used = true;
	}
	for (u32 i = 0; i < s->cpu_cnt; i++) {
		s->cpus[i].current = CT_NONE;
		s->cpus[i].comms = ct_strtab__new();
		if (s->cpus[i].used)
			use_cpu(s, i);
	}
}

static void merge(struct sched *s)
{
	while (s->heap_cnt) {
		u32 thread = s->heap[0];
		struct cursor *next = &s->now[thread].next;
		act(s, thread);
		*next = action_after(s->m, &s->m->threads.at[thread], next);
		if (next->action == NOTHING)
			s->heap[0] = s->heap[--s->heap_cnt];
		if (s->heap_cnt)
			sift_down(s, 0);
	}
}

/* Every CPU ends with a switch to nobody, and the counters with the run. */
static void finish(struct sched *s)
{
	ct_ns end = s->m->end_ns > s->count_ns ? s->m->end_ns : s->count_ns;
	see_events(s, end);
	tell_counts(s);
	for (u32 i = 0; i < s->cpu_cnt; i++) {
		if (s->cpus[i].used)
			switch_to(s, i, end, PREV_PREEMPTED, CT_NONE);
		settle_switch(s, &s->cpus[i]);
		flush_cpu(s, i);
	}
	for (u32 i = 0; i < PF_COUNTERS; i++)
		pf_count(s->o, pf_uuid(PF_TRACK_COUNTER, i), end, 0);
}

static void clear(struct sched *s)
{
	for (u32 i = 0; i < s->cpu_cnt; i++) {
		struct cpu_now *c = &s->cpus[i];
		ct_strtab__free(c->comms);
		ct_vec_free(&c->switch_at);
		ct_vec_free(&c->switch_prev);
		ct_vec_free(&c->switch_next);
		ct_vec_free(&c->switch_prio);
		ct_vec_free(&c->switch_comm);
		ct_vec_free(&c->waking_at);
		ct_vec_free(&c->waking_pid);
		ct_vec_free(&c->waking_cpu);
		ct_vec_free(&c->waking_prio);
		ct_vec_free(&c->waking_comm);
		ct_vec_free(&c->waking_flags);
		ct_vec_free(&c->singles);
	}
	free(s->cpus);
	free(s->now);
	free(s->heap);
	ct_table__free(s->by_tid);
}

int pf_write_sched(struct pf_out *o, struct ct_source *source)
{
	const struct ct_model *m = o->m;
	int err = source ? ct_source__rewind(source) : 0;
	if (err)
		return err;
	struct sched s = {
		.o = o,
		.m = m,
		.source = source,
		.event = source ? ct_source__next(source) : NULL,
		.by_tid = ct_table__new(),
		.now = ct_alloc((m->threads.cnt + 1) * sizeof(*s.now)),
		.heap = ct_alloc((m->threads.cnt + 1) * sizeof(*s.heap)),
		.count_ns = m->start_ns,
	};
	start_cpus(&s);
	start_merge(&s);
	merge(&s);
	finish(&s);
	clear(&s);
	return 0;
}
