/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the page needs besides the columns, as JSON: the summary as `-f json` has it, and tables by
 * which the columns' numbers get their names.  Keys:
 *
 *   summary   of json.c; its threads are in the order of the model's, so that an index works
 *   states    [name], by enum ct_state
 *   strings   [text]; id 0 is ""
 *   frames    [[function, file, line, module, offset, inlined]]; string ids
 *   stacks    [[frame]] innermost first, by stack id
 *   syscalls  {nr: name}
 *   threads   [[process, parent + 1, start_frame, prio, flags]]
 *   processes [[pid, name]]
 *   locks     [[id, name, kind, process, address, waits, wait_ns, max_wait_ns, max_waiters,
 *             shared]]
 *   findings  [{threads, locks, frames: indices; hang: [[thread, wait + 1, owner + 1,
 *             holds + 1]]; watched: index}], in the order of the summary's
 *   wakers    [[waker + 1, wakee + 1]], in the order of the summary's: a tid may have been two
 *             threads
 *   losses    [[since_ns, until_ns, cpu, kind, count]]
 *   sources   of html_source.c
 *   watched, locksets   of html_touches.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "html_int.h"

#define NAME_SIZE 512

/* Marks that turn the direction of writing (U+200E, U+200F, U+202A to 202E, U+2066 to 2069) would
 * turn what stands beside a name, too; U+FFFD has three bytes, as they have. */
static void drop_directions(char *text)
{
	u8 *at = (u8 *)text;

	for (; (at = (u8 *)strchr((char *)at, 0xe2)) && at[1] && at[2]; at++) {
		u32 code = (at[1] & 0x3f) << 6 | (at[2] & 0x3f);

		if ((code | 1) == 0x0f || (code >= 0x2a && code <= 0x2e) ||
			(code >= 0x66 && code <= 0x69))
			memcpy(at, "\xef\xbf\xbd", 3);
	}
}

json_t *ct_html__text(const char *s)
{
	char *valid = ct_utf8_repair(s);
	json_t *value;

	drop_directions(valid);
	value = json_string(valid);
	free(valid);
	return value;
}

/* The same for what was made for other readers. */
static void drop_all_directions(json_t *at)
{
	if (json_is_string(at) && strchr(json_string_value(at), 0xe2)) {
		char *text = ct_strdup(json_string_value(at));

		drop_directions(text);
		json_string_set(at, text);
		free(text);
	}
	for (void *i = json_object_iter(at); i; i = json_object_iter_next(at, i))
		drop_all_directions(json_object_iter_value(i));
	for (size_t i = 0; i < json_array_size(at); i++)
		drop_all_directions(json_array_get(at, i));
}

static void add_number(json_t *array, u64 n)
{
	json_array_append_new(array, json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

static void add_index(json_t *array, u32 index)
{
	add_number(array, index == CT_NONE ? 0 : (u64)index + 1);
}

static json_t *states(void)
{
	json_t *names = json_array();

	for (u32 s = 0; s < CT_STATES; s++)
		json_array_append_new(names, json_string(ct_state_name(s)));
	return names;
}

static json_t *strings(const struct ct_names *names)
{
	json_t *texts = json_array();

	for (u32 i = 0; i < ct_strtab__count(names->strings); i++)
		json_array_append_new(texts, ct_html__text(ct_strtab__get(names->strings, i)));
	return texts;
}

static json_t *frames(const struct ct_names *names)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < names->frames.cnt; i++) {
		const struct ct_frame *f = &names->frames.at[i];
		json_t *row = json_array();
		add_number(row, f->function);
		add_number(row, f->file);
		add_number(row, f->line);
		add_number(row, f->module);
		add_number(row, f->offset);
		add_number(row, f->inlined);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *stacks(const struct ct_names *names)
{
	json_t *rows = json_array();
	u32 cnt;

	for (u32 i = 0; i < names->stack_start.cnt; i++) {
		const u32 *ids = ct_names__stack(names, i, &cnt);
		json_t *row = json_array();
		for (u32 k = 0; k < cnt; k++)
			add_number(row, ids[k]);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *syscalls(const struct ct_names *names)
{
	json_t *table = json_object();
	char key[16];

	for (u32 i = 0; i < names->syscalls.cnt; i++) {
		snprintf(key, sizeof(key), "%" PRIu32, names->syscalls.at[i].nr);
		json_object_set_new(table, key, ct_html__text(names->syscalls.at[i].name));
	}
	return table;
}

static json_t *threads(const struct ct_model *m)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];
		json_t *row = json_array();
		add_number(row, t->process);
		add_index(row, t->parent);
		add_number(row, t->start_frame);
		add_number(row, t->prio);
		add_number(row, t->flags);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *processes(const struct ct_model *m)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < m->processes.cnt; i++) {
		json_t *row = json_array();
		add_number(row, m->processes.at[i].pid);
		json_array_append_new(row, ct_html__text(ct_process_name(m, i)));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *lock_row(const struct ct_model *m, const struct ct_lock *l)
{
	char name[NAME_SIZE];
	json_t *row = json_array();

	add_number(row, l->id);
	json_array_append_new(row, ct_html__text(ct_lock_name(m, l, name, sizeof(name))));
	json_array_append_new(row, json_string(ct_lock_kind_name(l->kind)));
	add_number(row, l->process);
	json_array_append_new(row, json_sprintf("0x%" PRIx64, l->addr));
	add_number(row, l->wait_cnt);
	add_number(row, l->wait_ns);
	add_number(row, l->max_wait_ns);
	add_number(row, l->max_waiters);
	add_number(row, l->shared);
	return row;
}

static json_t *locks(const struct ct_model *m)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < m->locks.cnt; i++)
		json_array_append_new(rows, lock_row(m, &m->locks.at[i]));
	return rows;
}

static json_t *indices(const u32 *at, u32 cnt)
{
	json_t *list = json_array();

	for (u32 i = 0; i < cnt; i++)
		if (at[i] != CT_NONE)
			add_number(list, at[i]);
	return list;
}

static json_t *hang(const struct ct_hang *h, const u32 *wait_numbers)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < h->members.cnt; i++) {
		const struct ct_hang_member *member = &h->members.at[i];
		json_t *row = json_array();
		add_number(row, member->thread);
		add_index(row, member->wait == CT_NONE ? CT_NONE : wait_numbers[member->wait]);
		add_index(row, member->owner);
		add_index(row, member->holds);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *findings(const struct ct_facts *facts)
{
	u32 *wait_numbers = facts->findings.at.cnt ? ct_html__wait_numbers(facts->m) : NULL;
	json_t *rows = json_array();

	for (u32 i = 0; i < facts->findings.at.cnt; i++) {
		const struct ct_finding *f = &facts->findings.at.at[i];
		json_t *row = json_object();
		json_object_set_new(row, "threads", indices(f->threads.at, f->threads.cnt));
		json_object_set_new(row, "locks", indices(f->locks.at, f->locks.cnt));
		json_object_set_new(row, "frames", indices(f->frames.at, f->frames.cnt));
		if (f->hang != CT_NONE)
			json_object_set_new(row, "hang",
				hang(&facts->hangs.at.at[f->hang], wait_numbers));
		if (f->watched != CT_NONE)
			json_object_set_new(row, "watched", json_integer(f->watched));
		json_array_append_new(rows, row);
	}
	free(wait_numbers);
	return rows;
}

static json_t *wakers(const struct ct_wakers *w)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < w->at.cnt; i++) {
		json_t *row = json_array();
		add_index(row, w->at.at[i].waker);
		add_index(row, w->at.at[i].wakee);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *losses(const struct ct_model *m)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < m->losses.cnt; i++) {
		const struct ct_loss_span *l = &m->losses.at[i];
		const char *kind = ct_kind_name(l->kind);
		json_t *row = json_array();
		add_number(row, ct_html__since_start(m, l->since_ns));
		add_number(row, ct_html__since_start(m, l->until_ns));
		add_number(row, l->cpu);
		json_array_append_new(row, json_string(kind ? kind : "several"));
		add_number(row, l->count);
		json_array_append_new(rows, row);
	}
	return rows;
}

json_t *ct_html__meta(const struct ct_export_in *in)
{
	const struct ct_model *m = in->facts->m;
	struct ct_names *none = m->names ? NULL : ct_names__new();
	const struct ct_names *names = none ? none : m->names;
	json_t *meta = json_object(), *summary = ct_json__summary(in);

	drop_all_directions(summary);
	json_object_set_new(meta, "summary", summary);
	json_object_set_new(meta, "states", states());
	json_object_set_new(meta, "strings", strings(names));
	json_object_set_new(meta, "frames", frames(names));
	json_object_set_new(meta, "stacks", stacks(names));
	json_object_set_new(meta, "syscalls", syscalls(names));
	json_object_set_new(meta, "threads", threads(m));
	json_object_set_new(meta, "processes", processes(m));
	json_object_set_new(meta, "locks", locks(m));
	json_object_set_new(meta, "findings", findings(in->facts));
	json_object_set_new(meta, "wakers", wakers(&in->facts->wakers));
	json_object_set_new(meta, "losses", losses(m));
	json_object_set_new(meta, "sources", ct_html__sources(in));
	ct_html__watched(meta, in->facts);
	if (none)
		ct_names__free(none);
	return meta;
}
