/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the life and the state machine of threads, and their slices: each is closed by the next, so
 * a thread's slices are gap-free by construction. What a CPU says (who left it, who came) and what
 * is known of a thread must agree; where they do not, events are missing: the difference is
 * repaired on the spot, marked CT_SLICE_LOSS, and counted in model->anomalies.
 *
 *              new                 comes to a CPU
 *     (none) -----> RUNNABLE ----------------------> RUNNING ---> ENDED
 *                   ^      ^    SWITCH: preempted,   |
 *                   |      +--- yields --------------+
 *          waking   |                                | BLOCK
 *                   +----------- BLOCKED <-----------+
 *
 * A thread found when recording began is UNSURE until an event (or STATE) tells; its open slice
 * then gets its state after the fact. Not: why a thread blocks (reasons.c), who ended it (waits.c).
 */
#include <string.h>

#include "model/model_int.h"

/* ---- finding things -------------------------------------------------------------------------- */

u32 model_thread(struct build *b, u32 tid)
{
	u32 t = tid ? ct_table__get(b->by_tid, tid, 0) : CT_NONE;

	return t != CT_NONE && b->now.at[t].doing == DOING_ENDED ? CT_NONE : t;
}

void model_stray(struct build *b, u32 tid)
{
	u32 i = ct_table__get(b->strays, tid, 0);

	if (i == CT_NONE) {
		i = b->stray_cnt.cnt;
		(void)ct_vec_push(&b->stray_cnt);
		ct_table__set(b->strays, tid, 0, i);
	}
	b->stray_cnt.at[i]++;
}

static struct cpu_now *cpu_at(struct build *b, u32 cpu)
{
	while (b->cpus.cnt <= cpu)
		ct_vec_push(&b->cpus)->thread = CT_NONE;
	return &b->cpus.at[cpu];
}

u32 model_process(struct build *b, u32 pid)
{
	u32 p = ct_table__get(b->by_pid, pid, 0);

	if (p != CT_NONE)
		return p;
	p = b->m->processes.cnt;
	struct ct_process *proc = ct_vec_push(&b->m->processes);
	proc->pid = pid;
	proc->parent = CT_NONE;
	ct_table__set(b->by_pid, pid, 0, p);
	return p;
}

/* ---- slices ---------------------------------------------------------------------------------- */

void model_push_slice(struct build *b, u32 t, ct_ns at, enum ct_state s, u32 wait, u32 flags)
{
	const struct thread_now *now = &b->now.at[t];
	struct ct_slice *slice;

	if (!now->recording)
		return;
	slice = ct_vec_push(&b->m->threads.at[t].slices);
	slice->start_ns = at;
	slice->wait = wait;
	slice->cpu = now->cpu == CT_NONE ? 0 : now->cpu;
	slice->state = s;
	slice->flags = flags;
}

static struct ct_slice *last_slice(struct build *b, u32 t)
{
	struct ct_thread *th = &b->m->threads.at[t];

	return th->slices.cnt ? &th->slices.at[th->slices.cnt - 1] : NULL;
}

static ct_ns last_start(struct build *b, u32 t)
{
	const struct ct_slice *s = last_slice(b, t);

	return s ? s->start_ns : 0;
}

static void start_running(struct build *b, u32 t, ct_ns at, u32 cpu)
{
	struct thread_now *now = &b->now.at[t];

	now->doing = DOING_RUNNING;
	now->cpu = cpu;
	now->run_ns = at;
	now->was_off_ns = now->off_ns;
	now->has_pending = false;
	now->seen = true;
	cpu_at(b, cpu)->thread = t;
	model_push_slice(b, t, at, CT_RUNNING, CT_NONE, 0);
	if (now->wait != CT_NONE)
		model_first_run(b, t);
}

/* ---- a thread whose state was not known --------------------------------------------------- */

static void settle_running(struct build *b, u32 t, u32 cpu)
{
	struct thread_now *now = &b->now.at[t];
	struct ct_slice *s = last_slice(b, t);

	now->seen = true;
	now->doing = DOING_RUNNING;
	now->cpu = cpu;
	now->run_ns = s ? s->start_ns : b->ts;
	cpu_at(b, cpu)->thread = t;
	if (s) {
		s->state = CT_RUNNING;
		s->cpu = cpu;
	}
}

/* It was asleep, and nothing says why. */
void model_settle_blocked(struct build *b, u32 t)
{
	struct sleep unknown = { .state = CT_STATE_SLEEPING, .nr = SYS_CNT };
	struct ct_slice *s = last_slice(b, t);
	ct_ns start = s ? s->start_ns : b->ts;
	bool found = s && (s->flags & CT_SLICE_CUT_START);
	u32 wait = model_wait_open(b, t, start, &unknown, found ? CT_WAIT_FOUND : 0);

	b->now.at[t].doing = DOING_BLOCKED;
	b->now.at[t].wait = wait;
	b->now.at[t].off_ns = start;
	if (s) {
		s->state = CT_OTHER;
		s->wait = wait;
		if (wait != CT_NONE)
			b->m->waits.at[wait].nr = CT_NR_NONE;
	}
}

static void settle_runnable(struct build *b, u32 t)
{
	struct ct_slice *s = last_slice(b, t);

	b->now.at[t].doing = DOING_RUNNABLE;
	if (s)
		s->state = CT_RUNNABLE;
}

/* The thread was thought to run on a CPU where another one turns up: its leaving was not seen. */
static void displace(struct build *b, u32 t)
{
	struct thread_now *now = &b->now.at[t];

	b->m->anomalies++;
	now->doing = DOING_UNSURE;
	now->off_ns = b->ts;
	now->wait = CT_NONE;
	model_push_slice(b, t, b->ts, CT_RUNNABLE, CT_NONE, CT_SLICE_LOSS);
}

/* ---- leaving and coming -------------------------------------------------------------------- */

/* Coming to the CPU was not seen.  The earliest it can have been: after its last known change, and
 * after the last switch of this CPU. */
static void repair_running(struct build *b, u32 t, u32 cpu)
{
	struct thread_now *now = &b->now.at[t];
	ct_ns at = cpu_at(b, cpu)->switch_ns;
	struct ct_slice *s;

	b->m->anomalies++;
	if (now->doing == DOING_RUNNING && now->cpu < b->cpus.cnt &&
		b->cpus.at[now->cpu].thread == t)
		b->cpus.at[now->cpu].thread = CT_NONE;
	if (cpu_at(b, cpu)->thread != CT_NONE && cpu_at(b, cpu)->thread != t)
		displace(b, cpu_at(b, cpu)->thread);
	if (at < last_start(b, t))
		at = last_start(b, t);
	if (now->doing == DOING_BLOCKED) {
		struct ct_wake unknown = {
			.ts = at, .waker = CT_NONE, .wakee = t, .nr = CT_NR_NONE
		};
		model_wake(b, t, at, &unknown);
	}
	start_running(b, t, at, cpu);
	s = last_slice(b, t);
	if (s)
		s->flags |= CT_SLICE_LOSS;
}

/* The thread itself speaks, on this CPU: it runs there. */
void model_settle_running(struct build *b, u32 t, u32 cpu)
{
	struct thread_now *now = &b->now.at[t];

	now->seen = true;
	if (now->doing == DOING_UNSURE)
		settle_running(b, t, cpu);
	else if (now->doing != DOING_RUNNING || now->cpu != cpu)
		repair_running(b, t, cpu);
}

static void take_tid(struct build *b, u32 t, u32 tid)
{
	b->m->threads.at[t].tid = tid;
	ct_table__set(b->by_tid, tid, 0, t);
}

/* exec by a thread that is not the leader: the kernel exchanges the two ids some time before the
 * exec event, so that one thread's CPU speaks with the other's id. */
static bool ids_exchanged(struct build *b, u32 on_cpu, u32 said, u32 state)
{
	const struct ct_thread *threads = b->m->threads.at;

	if (said == CT_NONE || threads[on_cpu].process != threads[said].process)
		return false;
	if (b->now.at[said].doing == DOING_ENDED)
		return threads[said].tid == b->m->processes.at[threads[said].process].pid;
	return state == CT_STATE_DEAD && b->now.at[on_cpu].exiting && !b->now.at[said].exiting;
}

/* The thread that leaves this CPU, in state RUNNING; CT_NONE: none of the traced. */
static u32 leaving_thread(struct build *b, const struct ct_event *e, u32 state)
{
	u32 on_cpu = cpu_at(b, e->cpu)->thread;
	u32 said = e->hdr.tid ? ct_table__get(b->by_tid, e->hdr.tid, 0) : CT_NONE;

	if (on_cpu != CT_NONE && on_cpu != said) {
		if (ids_exchanged(b, on_cpu, said, state)) {
			if (b->now.at[said].doing == DOING_ENDED)
				take_tid(b, on_cpu, e->hdr.tid);
			return on_cpu;
		}
		displace(b, on_cpu);
		cpu_at(b, e->cpu)->thread = CT_NONE;
	}
	if (said == CT_NONE) {
		if (e->hdr.tid)
			model_stray(b, e->hdr.tid);
		return CT_NONE;
	}
	const struct thread_now *now = &b->now.at[said];
	if (now->doing == DOING_ENDED) {
		b->m->anomalies++;
		return CT_NONE;
	}
	model_settle_running(b, said, e->cpu);
	return said;
}

static void count_switch(struct build *b, u32 t, bool voluntary)
{
	struct ct_thread *th = &b->m->threads.at[t];

	if (b->now.at[t].recording)
		*(voluntary ? &th->voluntary : &th->involuntary) += 1;
	else
		*(voluntary ? &th->before_voluntary : &th->before_involuntary) += 1;
}

static void end_thread(struct build *b, u32 t, ct_ns at)
{
	b->m->threads.at[t].end_ns = at;
	b->m->threads.at[t].flags |= CT_THREAD_ENDED;
	b->now.at[t].doing = DOING_ENDED;
}

/* It left in a sleeping state; a waking that was on its way already may have made it runnable. */
static void block_thread(struct build *b, u32 t, const struct sleep *s)
{
	u32 wait = model_wait_open(b, t, b->ts, s, 0);
	struct thread_now *now = &b->now.at[t];
	enum ct_state state = wait == CT_NONE ? CT_OTHER : b->m->waits.at[wait].state;

	now->doing = DOING_BLOCKED;
	now->wait = wait;
	model_push_slice(b, t, b->ts, state, wait, 0);
	if (now->has_pending && !(now->pending.flags & CT_WAKE_QUEUED))
		model_wake(b, t, b->ts, &now->pending);
}

static void leave_cpu(struct build *b, u32 t, u32 state, u32 flags, const struct sleep *s)
{
	struct thread_now *now = &b->now.at[t];

	if (!now->recording)
		b->m->threads.at[t].before_cpu_ns += b->ts - now->run_ns;
	now->awake_ns += b->ts - now->run_ns;
	now->off_ns = b->ts;
	count_switch(b, t, state == CT_STATE_DEAD || (s && !(flags & CT_SWITCH_PREEMPTED)));
	if (state == CT_STATE_DEAD) {
		/* as if it had ended with the exec itself: bpf/task.bpf.c, let_go() */
		if (now->exec_ns == b->ts && !now->exiting)
			b->m->threads.at[t].flags |= CT_THREAD_LET_GO;
		end_thread(b, t, b->ts);
	} else if (s) {
		block_thread(b, t, s);
	} else {
		now->doing = DOING_RUNNABLE;
		now->wait = CT_NONE;
		model_push_slice(b, t, b->ts, CT_RUNNABLE, CT_NONE, CT_SLICE_PREEMPTED);
	}
}

/* A sleeper comes to a CPU and no waking was seen since it left: either one came before it left and
 * did count after all, or it was lost. */
static void wake_late(struct build *b, u32 t)
{
	struct thread_now *now = &b->now.at[t];
	struct ct_wake unknown = { .ts = b->ts, .waker = CT_NONE, .wakee = t, .nr = CT_NR_NONE };

	if (now->has_pending) {
		model_wake(b, t, now->off_ns, &now->pending);
		return;
	}
	b->m->anomalies++;
	model_wake(b, t, b->ts, &unknown);
}

static void enter_cpu(struct build *b, u32 tid, u32 cpu, u32 prio)
{
	u32 t = ct_table__get(b->by_tid, tid, 0);

	if (t == CT_NONE) {
		model_stray(b, tid);
		return;
	}
	struct thread_now *now = &b->now.at[t];
	switch (now->doing) {
	case DOING_ENDED:
		b->m->anomalies++;
		return;
	case DOING_RUNNING:
		repair_running(b, t, cpu);
		return;
	case DOING_BLOCKED:
		wake_late(b, t);
		break;
	case DOING_UNSURE:
		settle_runnable(b, t);
		break;
	}
	if (prio)
		b->m->threads.at[t].prio = prio;
	start_running(b, t, b->ts, cpu);
}

static void switch_threads(struct build *b, const struct ct_event *e, const struct ct_switch *sw,
	const struct sleep *s)
{
	u32 t = leaving_thread(b, e, sw->state);
	struct cpu_now *cpu;

	b->m->switch_cnt++;
	if (t != CT_NONE)
		leave_cpu(b, t, sw->state, sw->flags, s);
	cpu = cpu_at(b, e->cpu);
	cpu->thread = CT_NONE;
	cpu->switch_ns = b->ts;
	if (sw->next)
		enter_cpu(b, sw->next, e->cpu, sw->next_prio);
}

void model_on_switch(struct build *b, const struct ct_event *e)
{
	switch_threads(b, e, &e->switch_, NULL);
}

void model_on_block(struct build *b, const struct ct_event *e)
{
	const struct ct_block *k = &e->block;
	struct ct_switch sw = { .next = k->next, .state = k->state, .flags = k->flags,
		.prio = k->prio, .next_prio = k->next_prio };
	struct sleep s = { .state = k->state, .flags = k->flags, .file = k->file, .nr = k->nr,
		.owner = k->owner, .arg0 = k->arg0, .arg1 = k->arg1, .arg2 = k->arg2,
		.word = k->word, .stack = k->stack };

	switch_threads(b, e, &sw, &s);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* A thread that was found while it was being created is introduced twice. */
static bool introduced_already(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);

	if (t == CT_NONE)
		return false;
	struct ct_thread *th = &b->m->threads.at[t];
	bool same = b->m->processes.at[th->process].pid == e->task_new.tgid;
	if (same && (e->task_new.flags & CT_TASK_FOUND))
		return true;
	if (same && (th->flags & CT_THREAD_FOUND) && !b->now.at[t].seen && th->slices.cnt == 1) {
		th->flags &= ~CT_THREAD_FOUND;
		th->start_ns = th->slices.at[0].start_ns = b->ts;
		th->slices.at[0].flags = 0;
		settle_runnable(b, t);
		return true;
	}
	b->m->anomalies++; /* its end was lost */
	model_finish_thread(b, t, b->ts);
	return false;
}

/* Its end was not seen.  Once the run's end is known, that is why; before, its end was lost. */
void model_finish_thread(struct build *b, u32 t, ct_ns at)
{
	struct thread_now *now = &b->now.at[t];
	struct ct_slice *s;

	if (now->doing == DOING_RUNNING && now->cpu < b->cpus.cnt &&
		b->cpus.at[now->cpu].thread == t)
		b->cpus.at[now->cpu].thread = CT_NONE;
	if (now->doing == DOING_BLOCKED && now->wait != CT_NONE) {
		model_lock_woken(b, t, now->wait);
		b->m->waits.at[now->wait].end_ns = at;
	}
	now->doing = DOING_ENDED;
	b->m->threads.at[t].end_ns = at;
	s = last_slice(b, t);
	if (s)
		s->flags |= b->m->end_ns ? CT_SLICE_CUT_END : CT_SLICE_LOSS;
	if (!b->m->end_ns)
		b->m->threads.at[t].flags |= CT_THREAD_LOSS;
}

static u32 join_process(struct build *b, const struct ct_event *e, u32 parent)
{
	u32 p = ct_table__get(b->by_pid, e->task_new.tgid, 0);

	/* a leader that is created begins a process, also when its pid was used before */
	if (p != CT_NONE && e->hdr.tid == e->task_new.tgid && !(e->task_new.flags & CT_TASK_FOUND))
		ct_table__set(b->by_pid, e->task_new.tgid, 0, CT_NONE);
	p = model_process(b, e->task_new.tgid);
	struct ct_process *proc = &b->m->processes.at[p];
	if (parent != CT_NONE && proc->parent == CT_NONE && b->m->threads.at[parent].process != p)
		proc->parent = b->m->threads.at[parent].process;
	proc->thread_cnt++;
	return p;
}

static void forget_strays(struct build *b, u32 tid)
{
	u32 i = ct_table__get(b->strays, tid, 0);

	if (i != CT_NONE)
		b->stray_cnt.at[i] = 0;
}

static void start_recording(struct build *b, u32 t, ct_ns at, u32 flags)
{
	b->now.at[t].recording = true;
	b->m->threads.at[t].start_ns = at;
	model_push_slice(b, t, at, CT_RUNNABLE, CT_NONE, flags);
}

static u32 add_thread(struct build *b, const struct ct_event *e, u32 parent)
{
	u32 t = b->m->threads.cnt;
	u32 process = join_process(b, e, parent);
	struct ct_thread *th = ct_vec_push(&b->m->threads);
	struct thread_now *now = ct_vec_push(&b->now);

	th->tid = e->hdr.tid;
	th->process = process;
	th->parent = parent;
	th->name = parent == CT_NONE ? 0 : b->m->threads.at[parent].name;
	th->prio = e->task_new.prio;
	th->before_voluntary = e->task_new.voluntary;
	th->before_involuntary = e->task_new.involuntary;
	th->before_cpu_ns = e->task_new.cpu_ns;
	now->cpu = now->wait = now->acq_lock = now->last_lock = CT_NONE;
	ct_table__set(b->by_tid, th->tid, 0, t);
	return t;
}

void model_on_task_new(struct build *b, const struct ct_event *e)
{
	u32 flags = e->task_new.flags;

	if (introduced_already(b, e))
		return;
	u32 t = add_thread(b, e, model_thread(b, e->task_new.parent));
	struct ct_thread *th = &b->m->threads.at[t];

	/* to be compared with the kernel's counters, the starting point must be exact */
	if (!(flags & CT_TASK_UNSURE))
		th->flags |= CT_THREAD_COUNTED;
	if (flags & CT_TASK_ROOT) {
		th->flags |= CT_THREAD_ROOT;
		th->start_ns = b->ts;
	} else if (flags & CT_TASK_FOUND) {
		/* attaching takes a while, and nothing is known of a thread before its turn */
		if (!t && b->m->run->attached && b->m->start_ns < b->ts)
			b->m->start_ns = b->ts;
		th->flags |= CT_THREAD_FOUND;
		start_recording(b, t, b->ts, CT_SLICE_CUT_START);
	} else {
		b->now.at[t].doing = DOING_RUNNABLE;
		start_recording(b, t, b->ts, 0);
	}
	if (flags & (CT_TASK_FOUND | CT_TASK_ROOT))
		forget_strays(b, th->tid);
}

void model_on_task_name(struct build *b, const struct ct_event *e)
{
	u32 t = ct_table__get(b->by_tid, e->hdr.tid, 0);
	char name[CT_NAME_LEN + 1] = "";

	if (t == CT_NONE)
		return;
	memcpy(name, &e->task_name, CT_NAME_LEN);
	b->m->threads.at[t].name = ct_strtab__add(b->m->strings, name);
}

/* Of the threads that exec kills, those whose end was not seen end here. */
static void end_siblings(struct build *b, u32 t)
{
	for (u32 i = 0; i < b->m->threads.cnt; i++) {
		if (i == t || b->m->threads.at[i].process != b->m->threads.at[t].process)
			continue;
		if (b->now.at[i].doing == DOING_ENDED || b->now.at[i].exiting)
			continue;
		b->m->anomalies++;
		model_finish_thread(b, i, b->ts);
	}
}

void model_on_task_exec(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);
	u32 old = model_thread(b, e->task_exec.old_tid);

	if (e->task_exec.old_tid != e->hdr.tid && old != CT_NONE && old != t &&
		(t == CT_NONE || b->now.at[t].exiting || b->cpus.cnt <= e->cpu ||
			b->cpus.at[e->cpu].thread == old)) {
		take_tid(b, old, e->hdr.tid);
		t = old;
	}
	if (t == CT_NONE)
		return;
	struct thread_now *now = &b->now.at[t];
	if (!now->recording) {
		if (now->doing == DOING_RUNNING)
			b->m->threads.at[t].before_cpu_ns += b->ts - now->run_ns;
		now->doing = DOING_UNSURE;
		now->wait = CT_NONE;
		start_recording(b, t, b->ts, 0);
	}
	now->exec_ns = b->ts;
	model_settle_running(b, t, e->cpu);
	if (b->m->processes.at[b->m->threads.at[t].process].thread_cnt > 1)
		end_siblings(b, t);
}

void model_on_task_exit(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);

	if (t == CT_NONE)
		return;
	model_settle_running(b, t, e->cpu);
	b->m->threads.at[t].exit_code = e->task_exit.code;
	b->now.at[t].exiting = true;
}

void model_on_task_counts(struct build *b, const struct ct_event *e)
{
	u32 t = ct_table__get(b->by_tid, e->hdr.tid, 0);

	if (t == CT_NONE)
		return;
	struct ct_thread *th = &b->m->threads.at[t];
	/* totals for now: what was before is taken off at the end */
	th->kernel_voluntary = e->task_counts.voluntary;
	th->kernel_involuntary = e->task_counts.involuntary;
	th->cpu_ns = e->task_counts.cpu_ns;
}

void model_on_migrate(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);

	if (t != CT_NONE && b->now.at[t].recording)
		b->m->threads.at[t].migrations++;
}

void model_on_sample(struct build *b, const struct ct_event *e)
{
	u32 t = model_thread(b, e->hdr.tid);

	if (t == CT_NONE) {
		model_stray(b, e->hdr.tid);
		return;
	}
	model_settle_running(b, t, e->cpu);
	if (!b->now.at[t].recording)
		return;
	struct ct_cpu_sample *s = ct_vec_push(&b->m->samples);
	*s = (struct ct_cpu_sample){ .ts = b->ts, .thread = t, .stack = e->sample.stack,
		.frame = model_stack(b, e->sample.stack)->frame, .nr = e->sample.nr,
		.cpu = e->cpu };
	if (!b->m->threads.at[t].start_frame)
		b->m->threads.at[t].start_frame = model_stack(b, e->sample.stack)->start;
}

void model_on_found(struct build *b, const struct ct_event *e)
{
	const struct ct_found *st = &e->found;
	struct sleep s = { .state = st->state, .flags = st->flags, .file = st->file, .nr = st->nr,
		.owner = st->owner, .arg0 = st->arg0, .arg1 = st->arg1, .arg2 = st->arg2,
		.word = st->word, .stack = st->stack };
	u32 t = model_thread(b, e->hdr.tid);
	struct ct_slice *slice = t == CT_NONE ? NULL : last_slice(b, t);

	if (!slice || b->now.at[t].seen || b->now.at[t].doing != DOING_UNSURE)
		return;
	if (st->state == CT_STATE_RUNNABLE) {
		b->now.at[t].runs_at_start = true;
		return;
	}
	u32 wait = model_wait_open(b, t, slice->start_ns, &s, CT_WAIT_FOUND);
	b->now.at[t].doing = DOING_BLOCKED;
	b->now.at[t].seen = true;
	b->now.at[t].wait = slice->wait = wait;
	b->now.at[t].off_ns = slice->start_ns;
	slice->state = b->m->waits.at[wait].state;
}

void model_on_loss(struct build *b, const struct ct_event *e)
{
	struct ct_loss_span *l = ct_vec_push(&b->m->losses);

	*l = (struct ct_loss_span){ .since_ns = e->loss.since < b->ts ? e->loss.since : b->ts,
		.until_ns = b->ts, .cpu = e->cpu, .kind = e->loss.kind, .count = e->loss.count };
	b->m->lost_events += e->loss.count;
	if (e->loss.kind == CT_ACCESS || !e->loss.kind)
		b->lost_access_ns = b->ts;
}

/* Ring only: the recorder takes stacks out before it writes the trace. */
void model_on_stack(struct build *b, const struct ct_event *e)
{
}
