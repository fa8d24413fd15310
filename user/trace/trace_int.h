/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/trace/: the events' fields as data (for the text form, names in messages, tests),
 * a whole trace in memory (what the text form parses into), and helpers that two files share.
 */
#ifndef CT_TRACE_INT_H
#define CT_TRACE_INT_H

#include <string.h>

#include "ct_trace.h"

/* How a field is written in its column; the names are those of ctrace_events.def. */
enum ct_how { CT_HOW_PLAIN, CT_HOW_DELTA, CT_HOW_RAW };

struct ct_field {
	const char *name;
	u16 offset; /* in the event's struct */
	u8 size;    /* bytes: 1, 2, 4 or 8 */
	u8 how;	    /* enum ct_how */
	bool is_signed;
	bool is_nr; /* a syscall number: absent is CT_NR_NONE, not 0 */
};

struct ct_kind_info {
	const char *name; /* NULL: no such kind */
	const struct ct_field *fields;
	u32 field_cnt;
	u32 size; /* bytes of the struct */
};

const struct ct_kind_info *ct_kind_info(u32 kind);	      /* NULL: no such kind */
u64 ct_field_get(const struct ct_field *f, const void *body); /* signed ones sign-extended */
void ct_field_set(const struct ct_field *f, void *body, u64 value);

/* What is impossible in an event from outside, so that nobody behind this door need ask; or NULL.
 */
const char *ct_event_problem(const struct ct_event *ev);

/* The event's fields, whatever its kind: they all start where the union does. */
static inline void *ct_event_body(struct ct_event *ev)
{
	return (u8 *)ev + offsetof(struct ct_event, task_new);
}

/* A trace whose events are all in memory, in the order (ts, cpu, seq). */
struct ct_loaded {
	struct ct_run run;
	struct ct_names *names;
	CT_VEC(struct ct_event) events;
	bool complete;
};
void ct_loaded__clear(struct ct_loaded *l);

/* Reads a text trace of `size` bytes.  0, or -EBADMSG and *why ("line 3: ..."; free it). */
int ct_text__parse(struct ct_loaded *out, const char *text, size_t size, char **why);

/* Makes argv one longer; takes `arg`. */
void ct_run__add_arg(struct ct_run *run, char *arg);
/* Appends the stack with this id; ids come in ascending order, gaps are unknown stacks. */
void ct_names__add_stack(struct ct_names *names, u32 stack, const u32 *frames, u32 cnt);
/* The loop of a stack that was added; false: there is no such stack, or the loop is none. */
bool ct_names__add_loop(struct ct_names *names, u32 stack, struct ct_stack_loop loop);
/* Sorts addrs as ct_names__addr wants them. */
void ct_names__sort_addrs(struct ct_names *names);

#endif
