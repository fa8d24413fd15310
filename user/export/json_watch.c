/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key "watch" of the JSON summary, which is there when variables were watched:
 *
 *     [{"name": "counter", "address": "0x...", "size": 8, "pid": N, "sharing": "unguarded",
 *       "reads": N, "writes": N, "complete": true, "first": N, "last": N, "expected": N,
 *       "locks": ["big_lock"], "threads": [{"tid": N, "reads": N, "writes": N}],
 *       "lost_updates": N,
 *       "witness": [{"t_ns": N, "tid": N, "cpu": N, "access": "read", "atomic": false,
 *                    "value": N, "before": N|null, "exact": true,
 *                    "function": "...", "file": "...", "line": N,
 *                    "locks": []}],
 *       "unprotected": [two of the same]}]
 *
 * `exact`: the value is that of the access; else it was read from memory when another thread may
 * just have written, or is what was there before.
 * `sharing`: see ct_sharing_id(). `first`, `last` and `expected` are null unless complete,
 * `expected` also for what is no counter (analysis/counting.c).
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "json_int.h"

#define NAME_SIZE 512

static json_t *locks_of(const struct ct_model *m, u64 locks)
{
	json_t *list = json_array();
	char raw[NAME_SIZE];

	for (u32 i = 0; i < CT_WATCH_LOCKS && locks != UINT64_MAX; i++)
		if (locks >> i & 1)
			json_array_append_new(
				list, text(ct_watch_lock_name(m, i, raw, sizeof(raw))));
	return list;
}

static const char *access_id(const struct ct_touch *t)
{
	if (!(t->how & (CT_ACCESS_READ | CT_ACCESS_WRITE)))
		return "unknown";
	if (!(t->how & CT_ACCESS_WRITE))
		return "read";
	return t->how & CT_ACCESS_READ ? "update" : "write";
}

/* Infinity and what is no number have no place in JSON. */
static json_t *number(const struct ct_watched *w, i64 value)
{
	double real = ct_watched_number(w, value);

	if (w->type != CT_WATCH_FLOAT)
		return json_integer(value);
	return isfinite(real) ? json_real(real) : json_null();
}

static json_t *touch_object(const struct ct_model *m, u32 touch)
{
	const struct ct_touch *t = &m->touches.at[touch];
	const struct ct_watched *w = &m->watched.at[t->watched];
	struct ct_place place = ct_frame_place(m->names, t->frame);
	json_t *o = json_object();

	set(o, "t_ns", json_integer(t->ts > m->start_ns ? (json_int_t)(t->ts - m->start_ns) : 0));
	set(o, "tid", json_integer(m->threads.at[t->thread].tid));
	set(o, "cpu", json_integer(t->cpu));
	set(o, "access", json_string(access_id(t)));
	set(o, "atomic", json_boolean(t->how & CT_ACCESS_ATOMIC));
	set(o, "value", number(w, ct_watched_value(w, t->after)));
	set(o, "before", t->how & CT_ACCESS_BEFORE
				 ? number(w, ct_watched_value(w, t->before))
				 : json_null());
	set(o, "exact", json_boolean(!(t->how & CT_ACCESS_BLIND) && !(t->flags & CT_TOUCH_VAGUE)));
	set(o, "function", text(place.function));
	set(o, "file", text(place.file));
	set(o, "line", json_integer(place.line));
	set(o, "locks", locks_of(m, t->locks));
	return o;
}

static json_t *touch_list(const struct ct_model *m, const u32 *touches, u32 cnt)
{
	json_t *list = json_array();

	for (u32 i = 0; i < cnt; i++)
		json_array_append_new(list, touch_object(m, touches[i]));
	return list;
}

static json_t *sharers(const struct ct_model *m, const struct ct_shared *v)
{
	json_t *list = json_array();

	for (u32 i = 0; i < v->users.cnt; i++) {
		const struct ct_sharer *u = &v->users.at[i];
		json_t *o = json_object();

		set(o, "tid", json_integer(m->threads.at[u->thread].tid));
		set(o, "reads", json_integer((json_int_t)u->reads));
		set(o, "writes", json_integer((json_int_t)u->writes));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *exact(const struct ct_watched *w, const struct ct_shared *v, i64 value)
{
	return v->complete ? number(w, value) : json_null();
}

static json_t *variable_object(const struct ct_model *m, const struct ct_shared *v)
{
	const struct ct_watched *w = &m->watched.at[v->watched];
	json_t *o = json_object();
	char raw[NAME_SIZE];

	set(o, "name", text(ct_watched_name(m, w, raw, sizeof(raw))));
	snprintf(raw, sizeof(raw), "0x%" PRIx64, w->addr);
	set(o, "address", json_string(raw));
	set(o, "size", json_integer(w->size));
	set(o, "pid", json_integer(m->processes.at[w->process].pid));
	set(o, "sharing", json_string(ct_sharing_id(v->sharing)));
	set(o, "reads", json_integer((json_int_t)v->reads));
	set(o, "writes", json_integer((json_int_t)v->writes));
	set(o, "complete", json_boolean(v->complete));
	set(o, "first", exact(w, v, v->first));
	set(o, "last", exact(w, v, v->last));
	set(o, "expected", v->counter ? exact(w, v, v->expected) : json_null());
	set(o, "locks", locks_of(m, v->shown_locks));
	set(o, "threads", sharers(m, v));
	set(o, "lost_updates", json_integer(v->lost));
	set(o, "witness", touch_list(m, v->witness, v->witness_cnt));
	set(o, "unprotected", touch_list(m, v->racy, v->racy[0] == CT_NONE ? 0 : 2));
	return o;
}

json_t *ct_json__watch(const struct ct_facts *facts)
{
	json_t *list = json_array();

	for (u32 i = 0; i < facts->sharing.at.cnt; i++)
		json_array_append_new(
			list, variable_object(facts->m, &facts->sharing.at.at[i]));
	return list;
}
