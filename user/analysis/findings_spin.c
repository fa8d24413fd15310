/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Busy waiting, from CPU samples. Four kinds are told: a loop around sched_yield(2), a spin lock
 * of the C library, a loop that asks for a lock without waiting for it (trylock), and a loop of the
 * program that does nothing but look.
 *
 * Whether a loop only looks was read from the program's code when the trace was made. A trace
 * without that (an older one, or another processor's) leaves an inference: all samples fall on one
 * line and a handful of instructions. A loop that computes on so few looks the same, so it counts
 * little, and only where other threads come and go meanwhile, for whom it can wait, and not where
 * all of them do the same there.
 *
 * Threads that take turns at spinning have few samples each: those of one role that are caught in
 * the same of the C library's functions are judged together.
 */
#include <string.h>

#include "findings_int.h"

enum spin { SPIN_NONE, SPIN_YIELD, SPIN_LOCK, SPIN_TRY, SPIN_LOOKS, SPIN_LOOP };

struct spinner {
	u32 thread;
	u32 samples;	 /* all of the thread */
	u32 yields;	 /* of them, in sched_yield */
	u32 locks;	 /* in a spin lock's code */
	u32 tries;	 /* in, or called from, a function that takes a lock if it is free */
	u32 looks;	 /* in a loop that is known to only look */
	u32 at_line;	 /* on its busiest line */
	u32 line_frame;
	u32 places;	 /* different instructions that make nine tenths of those */
	ct_ns running_ns;
	u32 fellows;	 /* other threads whose samples are counted here, too */
};

static const char *function_of(const struct ct_model *m, u32 frame)
{
	if (!m->names || frame >= m->names->frames.cnt)
		return "";
	return ct_strtab__get(m->names->strings, m->names->frames.at[frame].function);
}

static bool is_spin_lock(const char *function)
{
	static const char *const names[] = { "pthread_spin_lock", "__pthread_spin_lock" };

	for (u32 i = 0; i < CT_COUNT(names); i++)
		if (!strcmp(function, names[i]))
			return true;
	return false;
}

/* Any of the C library's, by whichever of its names: "__pthread_mutex_trylock",
 * "___pthread_rwlock_trywrlock64", "sem_trywait@@GLIBC_2.34", "__lll_trylock". */
static bool is_try(const char *function)
{
	static const char *const names[] = { "pthread_mutex_trylock", "pthread_rwlock_try",
		"pthread_spin_trylock", "sem_trywait", "lll_trylock", "mtx_trylock" };

	function += strspn(function, "_");
	for (u32 i = 0; i < CT_COUNT(names); i++)
		if (!strncmp(function, names[i], strlen(names[i])))
			return true;
	return false;
}

/* Who asks for the time again and again looks at a clock, not at what a thread does. */
static bool is_vdso(const struct ct_model *m, u32 frame)
{
	const struct ct_frame *f = &m->names->frames.at[frame];

	return !strcmp(ct_strtab__get(m->names->strings, f->module), "[vdso]");
}

struct place {
	u32 frame, samples;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples > y->samples ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static bool same_line(const struct ct_model *m, u32 a, u32 b)
{
	const struct ct_frame *x = &m->names->frames.at[a], *y = &m->names->frames.at[b];

	if (x->file || y->file)
		return x->file == y->file && x->line == y->line;
	return x->function == y->function && x->module == y->module;
}

/* The program's own frame of a sample: the one that called what is spun in. */
static u32 caller_of(const struct ct_cpu_sample *c, const u32 *frames, u32 cnt)
{
	if (c->frame)
		return c->frame;
	return cnt > 1 ? frames[1] : cnt ? frames[0] : 0;
}

/* The frame whose loop it is, or the program's own that has it from a library. */
static u32 looper_of(const struct ct_search *s, const struct ct_cpu_sample *c, const u32 *frames,
	u32 cnt, u32 at)
{
	for (u32 i = at; c->frame && i < cnt; i++)
		if (same_line(s->m, frames[i], c->frame))
			return c->frame;
	return frames[at];
}

/* Samples on the line of the busiest place, and how many instructions make nine tenths of them. */
static void count_places(struct spinner *sp, const struct ct_model *m, struct place *at, u32 cnt)
{
	u32 sum = 0;

	if (!cnt)
		return;
	qsort(at, cnt, sizeof(*at), compare_places);
	sp->line_frame = at[0].frame;
	for (u32 i = 0; i < cnt; i++)
		if (same_line(m, at[0].frame, at[i].frame))
			sp->at_line += at[i].samples;
	for (u32 i = 0; i < cnt && sum * 10 < sp->at_line * 9; i++) {
		if (!same_line(m, at[0].frame, at[i].frame))
			continue;
		sum += at[i].samples;
		sp->places++;
	}
}

struct tally {
	struct spinner sp;
	struct ct_table *index;
	CT_VEC(struct place) places;
};

static void add_place(struct tally *t, u32 frame)
{
	u32 i = ct_table__get(t->index, frame, 0);

	if (i == CT_NONE) {
		i = t->places.cnt;
		ct_vec_push(&t->places)->frame = frame;
		ct_table__set(t->index, frame, 0, i);
	}
	t->places.at[i].samples++;
}

/* Where the recorder read the code it knows; elsewhere (code that was made while running) nothing
 * is said. */
static void add_loop(struct tally *t, const struct ct_search *s, const struct ct_cpu_sample *c,
	const u32 *frames, u32 cnt)
{
	struct ct_stack_loop loop = ct_names__loop(s->m->names, c->stack);

	if (!s->m->names->loops.cnt) {
		add_place(t, frames[0]);
	} else if (loop.loop == CT_LOOP_LOOKS && loop.frame < cnt) {
		t->sp.looks++;
		add_place(t, looper_of(s, c, frames, cnt, loop.frame));
	}
}

static void add_sample(struct tally *t, const struct ct_search *s, const struct ct_cpu_sample *c)
{
	const char *call = c->nr == CT_NR_NONE ? NULL : ct_names__syscall(s->m->names, c->nr);
	u32 cnt;
	const u32 *frames = ct_names__stack(s->m->names, c->stack, &cnt);

	t->sp.samples++;
	if (call && !strcmp(call, "sched_yield")) {
		t->sp.yields++;
		t->sp.line_frame = caller_of(c, frames, cnt);
	}
	if (!cnt || call || is_vdso(s->m, frames[0]))
		return;
	for (u32 k = 0; k < cnt && k < 2; k++) {
		if (!is_try(function_of(s->m, frames[k])))
			continue;
		t->sp.tries++;
		t->sp.line_frame = k + 1 < cnt ? frames[k + 1] : frames[k];
		return;
	}
	if (is_spin_lock(function_of(s->m, frames[0]))) {
		t->sp.locks++;
		t->sp.line_frame = caller_of(c, frames, cnt);
		return;
	}
	add_loop(t, s, c, frames, cnt);
}

static enum spin kind_of(const struct spinner *sp)
{
	if (sp->samples < ct_threshold(CT_T_SPIN_SAMPLES))
		return SPIN_NONE;
	if (sp->yields * 3 >= sp->samples)
		return SPIN_YIELD;
	if (sp->locks * 3 >= sp->samples)
		return SPIN_LOCK;
	/* the loop around the call has its samples, too */
	if (sp->tries * 3 >= sp->samples)
		return SPIN_TRY;
	if (sp->looks)
		return sp->looks * 2 >= sp->samples ? SPIN_LOOKS : SPIN_NONE;
	if (ct_is_share(sp->at_line, sp->samples, CT_T_SPIN_SHARE) &&
		sp->places <= ct_threshold(CT_T_SPIN_PLACES))
		return SPIN_LOOP;
	return SPIN_NONE;
}

static u32 samples_of(const struct spinner *sp, enum spin kind)
{
	switch (kind) {
	case SPIN_YIELD:
		return sp->samples;
	case SPIN_LOCK:
		return sp->locks;
	case SPIN_TRY:
		return sp->tries;
	case SPIN_LOOKS:
		return sp->looks;
	default:
		return sp->at_line;
	}
}

static void tell_spinner(struct ct_search *s, const struct spinner *sp, enum spin kind)
{
	static const char *const ways[] = { [SPIN_YIELD] = "calling sched_yield again and again",
		[SPIN_LOCK] = "in a spin lock",
		[SPIN_TRY] = "trying to take a lock without waiting for it",
		[SPIN_LOOKS] = "in a loop of a few instructions that only looks",
		[SPIN_LOOP] = "in a loop of a few instructions that only looks" };
	u32 part = samples_of(sp, kind);
	ct_ns cost_ns = (ct_ns)((double)sp->running_ns * part / sp->samples);
	const char *who = ct_say_thread(s, sp->thread), *where = ct_say_at(s, sp->line_frame);

	if (sp->fellows)
		who = ct_say(s, "%s and %u more like it", who, sp->fellows);
	if (!ct_worth(s, cost_ns))
		return;
	struct ct_finding *f = ct_found__new(s, CT_FIND_BUSY_WAIT, cost_ns, kind != SPIN_LOOP);
	if (kind == SPIN_LOOP && f->severity > CT_SEV_LOW)
		f->severity = CT_SEV_LOW;
	ct_found__thread(f, sp->thread);
	ct_found__frame(f, sp->line_frame);
	f->title = ct_asprintf("%s wait%s without sleeping", who, sp->fellows ? "" : "s");
	f->evidence = ct_asprintf(
		"%s of %s samples found %s%s, %s: some %s of CPU time, spent to wait for what "
		"another thread does.",
		ct_say_count(s, part), ct_say_count(s, sp->samples), who, where, ways[kind],
		ct_say_ns(s, cost_ns));
	f->advice = ct_asprintf(
		"Let %s sleep until %s told%s: a condition variable, a semaphore, or a futex "
		"wait. Spin only for what takes a microsecond or two.",
		who, sp->fellows ? "they are" : "it is", where);
}

/* One that could do what is waited for: it computes, or sleeps and goes on again and again. Who
 * only starts the others and joins them is none. */
static bool is_active(const struct ct_search *s, const struct spinner *sp)
{
	return sp->samples >= ct_threshold(CT_T_SPIN_SAMPLES) ||
	       s->m->threads.at[sp->thread].voluntary >= ct_threshold(CT_T_SPIN_TURNS);
}

/* A line where all that is active is found is work, dealt out or not: nobody is there to be waited
 * for. */
static bool is_work(const struct ct_search *s, const struct tally *all, u32 t)
{
	u32 fellows = 0, alike = 0;

	for (u32 i = 0; i < s->m->threads.cnt; i++) {
		const struct spinner *sp = &all[i].sp;
		if (i == t || s->m->threads.at[i].process != s->m->threads.at[t].process ||
			!is_active(s, sp))
			continue;
		fellows++;
		alike += kind_of(sp) == SPIN_LOOP &&
			 same_line(s->m, sp->line_frame, all[t].sp.line_frame);
	}
	return alike == fellows;
}

/* ---- threads with too few samples of their own ---- */

typedef CT_VEC(struct spinner) pools;

static bool is_alike(
	const struct ct_search *s, const struct spinner *pool, const struct spinner *sp)
{
	const struct ct_thread *a = &s->m->threads.at[pool->thread];
	const struct ct_thread *b = &s->m->threads.at[sp->thread];

	/* names: the same program run again and again */
	return (a->name == b->name || ct_same_role(s->m, pool->thread, sp->thread)) &&
	       (!pool->line_frame || !sp->line_frame ||
		       same_line(s->m, pool->line_frame, sp->line_frame));
}

static void add_to_pool(const struct ct_search *s, pools *p, const struct spinner *sp)
{
	u32 i = 0;

	while (i < p->cnt && !is_alike(s, &p->at[i], sp))
		i++;
	if (i == p->cnt) {
		*ct_vec_push(p) = *sp;
		return;
	}
	struct spinner *pool = &p->at[i];
	pool->samples += sp->samples;
	pool->yields += sp->yields;
	pool->locks += sp->locks;
	pool->tries += sp->tries;
	pool->running_ns += sp->running_ns;
	pool->fellows++;
	if (!pool->line_frame)
		pool->line_frame = sp->line_frame;
}

static void tell_pools(struct ct_search *s, const struct tally *all)
{
	pools p = { 0 };

	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		struct spinner sp = all[t].sp;
		if (!sp.samples || sp.samples >= ct_threshold(CT_T_SPIN_SAMPLES))
			continue;
		if (!(sp.yields || sp.locks || sp.tries)) /* where it only computes is no matter */
			sp.line_frame = 0;
		add_to_pool(s, &p, &sp);
	}
	for (u32 i = 0; i < p.cnt; i++) {
		enum spin kind = p.at[i].fellows ? kind_of(&p.at[i]) : SPIN_NONE;
		if (kind != SPIN_NONE && kind < SPIN_LOOKS)
			tell_spinner(s, &p.at[i], kind);
	}
	ct_vec_free(&p);
}

void ct_find_spinning(struct ct_search *s)
{
	const struct ct_model *m = s->m;
	struct tally *all;

	if (!m->names || !m->samples.cnt)
		return;
	all = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*all));
	for (u32 t = 0; t < m->threads.cnt; t++)
		all[t] = (struct tally){ .sp.thread = t,
			.sp.running_ns = m->threads.at[t].state_ns[CT_RUNNING],
			.index = ct_table__new() };
	for (u32 i = 0; i < m->samples.cnt; i++)
		add_sample(&all[m->samples.at[i].thread], s, &m->samples.at[i]);
	for (u32 t = 0; t < m->threads.cnt; t++)
		if (!all[t].sp.line_frame)
			count_places(&all[t].sp, m, all[t].places.at, all[t].places.cnt);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		enum spin kind = kind_of(&all[t].sp);
		/* an access to a watched variable takes long: its line is not one that waits */
		if (kind >= SPIN_LOOKS && m->threads.at[t].touches.cnt)
			continue;
		if (kind != SPIN_NONE && !(kind == SPIN_LOOP && is_work(s, all, t)))
			tell_spinner(s, &all[t].sp, kind);
	}
	tell_pools(s, all);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		ct_table__free(all[t].index);
		ct_vec_free(&all[t].places);
	}
	free(all);
}
