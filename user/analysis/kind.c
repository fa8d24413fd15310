/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kind of work a thread does, from the shares of its life that its states took.  The rules are
 * rows of one table, first match wins.
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
	/* of what it does or waits for, the CPU is most by far: more cores or less work would help */
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
