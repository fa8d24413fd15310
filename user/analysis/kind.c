/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kind of work a thread does, from the shares of its life that its states took; and the same
 * for a program, with the way of programming that fits.  The rules are rows of tables, first match
 * wins.
 */
#include "ct_findings.h"

static const char *const kind_names[CT_WORK_KINDS] = {
	[CT_WORK_IDLE] = "idle",
	[CT_WORK_CPU] = "cpu-bound",
	[CT_WORK_IO] = "io-bound",
	[CT_WORK_MIXED] = "mixed",
	[CT_WORK_WAITING] = "waiting",
};

const char *ct_work_kind_name(enum ct_work_kind k)
{
	return k < CT_WORK_KINDS ? kind_names[k] : "mixed";
}

enum group { /* of states */
	WANTS_CPU,
	WAITS_FOR_IO,
	WAITS_FOR_THREADS,
	RESTS,
	GROUPS
};

static const u8 group_of[CT_STATES] = {
	[CT_RUNNING] = WANTS_CPU,
	[CT_RUNNABLE] = WANTS_CPU, /* a faster CPU, or one more, would help just as well */
	[CT_LOCK] = WAITS_FOR_THREADS,
	[CT_RWLOCK] = WAITS_FOR_THREADS,
	[CT_COND] = WAITS_FOR_THREADS,
	[CT_SEM] = WAITS_FOR_THREADS,
	[CT_BARRIER] = WAITS_FOR_THREADS,
	[CT_JOIN] = WAITS_FOR_THREADS,
	[CT_FUTEX_OTHER] = WAITS_FOR_THREADS,
	[CT_SLEEP] = RESTS,
	[CT_POLL] = RESTS, /* nothing to do: an event loop between events */
	[CT_IO_DISK] = WAITS_FOR_IO,
	[CT_IO_NET] = WAITS_FOR_IO,
	[CT_PIPE] = WAITS_FOR_IO,
	[CT_CHILD] = WAITS_FOR_THREADS,
	[CT_FAULT] = WAITS_FOR_IO, /* the page comes from a file or from swap */
	[CT_STOPPED] = RESTS,
	[CT_OTHER] = RESTS,
};

/* Shares are of the thread's life, in percent. */
static const struct {
	u8 kind;
	u8 min[GROUPS];
} rules[] = {
	/* of what it does or waits for, the CPU is most by far: more cores or less work would
	 * help */
	{ CT_WORK_CPU, { [WANTS_CPU] = 70 } },
	/* the device is what it waits for: overlapping the waits would help */
	{ CT_WORK_IO, { [WAITS_FOR_IO] = 50 } },
	/* neither alone: taking either away leaves a fifth or more of its life with the other */
	{ CT_WORK_MIXED, { [WANTS_CPU] = 20, [WAITS_FOR_IO] = 20 } },
	/* other threads decide when it goes on */
	{ CT_WORK_WAITING, { [WAITS_FOR_THREADS] = 50 } },
	/* it rests nearly all the time; what it does between does not add up to a tenth */
	{ CT_WORK_IDLE, { [RESTS] = 90 } },
	/* nothing is most of it */
	{ CT_WORK_MIXED, { 0 } },
};

enum ct_work_kind ct_thread_kind(const struct ct_thread *t)
{
	ct_ns life = t->end_ns - t->start_ns;
	ct_ns sum[GROUPS] = { 0 };

	if (!life)
		return CT_WORK_IDLE;
	for (u32 s = 0; s < CT_STATES; s++)
		sum[group_of[s]] += t->state_ns[s];
	for (u32 i = 0; i < CT_COUNT(rules); i++) {
		u32 g = 0;
		while (g < GROUPS && (double)sum[g] * 100 >= (double)life * rules[i].min[g])
			g++;
		if (g == GROUPS)
			return rules[i].kind;
	}
	return CT_WORK_MIXED;
}

/* ---- the program ---- */

static const char *const fit_names[CT_FITS] = {
	[CT_FIT_SEQUENTIAL] = "sequential",
	[CT_FIT_ASYNC] = "async",
	[CT_FIT_THREADS] = "threads",
	[CT_FIT_PROCESSES] = "processes",
};

const char *ct_fit_name(enum ct_fit f)
{
	return f < CT_FITS ? fit_names[f] : "sequential";
}

/* Less to share out or to overlap than this, and the cost of starting threads, or an event loop, is
 * what would be seen: some 20 to 100 us for each thread. */
#define WORTH_NS 10000000u
/* Percent: next to nothing is done, all wait for each other; that is a hang rather than work. */
#define MOST 90u

/* Shares are percent of cpu_ns + io_ns + sleep_ns, the time that depends on no other thread: long
 * waits for other threads say how the program is built now, not what its work is.  Nor do waits for
 * a CPU that another program had: they are left out. */
static const struct fit_rule {
	u8 kind, fit;
	u8 min_cpu, min_io, min_wait; /* wait: I/O and sleep */
} fit_rules[] = {
	/* many hands: the work itself is what takes long */
	{ CT_WORK_CPU, CT_FIT_THREADS, .min_cpu = 70 },
	/* waits overlap in one thread, and the work between them fits in it */
	{ CT_WORK_IO, CT_FIT_ASYNC, .min_io = 50, .min_wait = 80 },
	/* the same, but there is work for more than one CPU between the waits */
	{ CT_WORK_IO, CT_FIT_THREADS, .min_io = 50 },
	/* both: threads wait and compute at once */
	{ CT_WORK_MIXED, CT_FIT_THREADS, .min_cpu = 20, .min_io = 20 },
	/* next to no work, and waits by its own wish: they overlap as I/O does */
	{ CT_WORK_IDLE, CT_FIT_ASYNC, .min_wait = 80 },
	{ CT_WORK_MIXED, CT_FIT_THREADS, .min_cpu = 0 },
};

static void sum_states(struct ct_program_kind *k, const struct ct_thread *t)
{
	for (u32 s = 0; s < CT_STATES; s++) {
		if (s == CT_SLEEP)
			k->sleep_ns += t->state_ns[s];
		else if (group_of[s] == WANTS_CPU)
			k->cpu_ns += t->state_ns[s];
		else if (group_of[s] == WAITS_FOR_IO)
			k->io_ns += t->state_ns[s];
		else if (group_of[s] == WAITS_FOR_THREADS)
			k->peers_ns += t->state_ns[s];
		else
			k->rest_ns += t->state_ns[s];
	}
}

/* A pipe between two recorded threads is no device: the one waits for what the other makes. */
static void move_pipes(struct ct_program_kind *k, const struct ct_model *m)
{
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (w->state != CT_PIPE || w->waker == CT_NONE)
			continue;
		k->io_ns -= w->end_ns - w->start_ns;
		k->peers_ns += w->end_ns - w->start_ns;
	}
}

static bool is_share(ct_ns part_ns, ct_ns whole_ns, u32 percent)
{
	return (double)part_ns * 100 >= (double)whole_ns * percent;
}

/* Waits for a CPU that another program had. */
static ct_ns sum_foreign(const struct ct_model *m, const struct ct_activity *a)
{
	ct_ns sum_ns = 0;

	for (u32 t = 0; a && t < m->threads.cnt; t++) {
		ct_ns queue_ns = m->threads.at[t].state_ns[CT_RUNNABLE];
		if (queue_ns > a->own_queue_ns[t])
			sum_ns += queue_ns - a->own_queue_ns[t];
	}
	return sum_ns;
}

void ct_program_kind__compute(
	struct ct_program_kind *k, const struct ct_model *m, const struct ct_activity *a)
{
	const struct fit_rule *r = fit_rules;

	*k = (struct ct_program_kind){ .kind = CT_WORK_IDLE, .fit = CT_FIT_SEQUENTIAL };
	for (u32 i = 0; i < m->threads.cnt; i++)
		sum_states(k, &m->threads.at[i]);
	move_pipes(k, m);
	ct_ns cpu_ns = k->cpu_ns - sum_foreign(m, a), own_ns = cpu_ns + k->io_ns + k->sleep_ns;
	if (!own_ns)
		return;
	if (own_ns < WORTH_NS && is_share(k->peers_ns, own_ns + k->peers_ns, MOST)) {
		k->kind = CT_WORK_WAITING;
		return;
	}
	while (!is_share(cpu_ns, own_ns, r->min_cpu) || !is_share(k->io_ns, own_ns, r->min_io) ||
		!is_share(k->io_ns + k->sleep_ns, own_ns, r->min_wait))
		r++;
	k->kind = r->kind;
	if (own_ns >= WORTH_NS)
		k->fit = r->fit;
}

void ct_program_kind__turns(struct ct_program_kind *k, const struct ct_turns *t)
{
	if (t->lock != CT_NONE && t->interpreter && k->fit == CT_FIT_THREADS)
		k->fit = CT_FIT_PROCESSES;
}
