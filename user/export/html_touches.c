/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to watched variables for the page: columns of numbers as in html_columns.c, and the
 * tables that name what is in them.  Without --watch there are no columns.
 *
 *     for each access of the run, by time: an index into this list names an access
 *     AVAR  variable          ATIM  ns since the one before (first: since the start)
 *     ATHR  thread            ACPU  CPU
 *     AHOW  CT_ACCESS_*, a byte               AFLG  CT_TOUCH_*, a byte
 *     AVAL  value read or left there, signed (floating-point: bits of a double): zz to that of the
 *           variable's access before
 *     AOLD  of writes with CT_ACCESS_BEFORE only: what was there, zz to the same
 *     ALCK  locks held: index into "locksets"
 *     AFRM  frame             ASTK  stack
 *
 *     for each variable in turn, its lost updates by time
 *     XCNT  how many          XWRI  the write that lost it, since the one before
 *     XFOR  from the write that was lost to XWRI        XREA  from the old reading to that
 *
 * In the JSON part, with one row for each of the summary's "watch":
 *
 *   watched   [{threads: [index] as its threads, spans: [[since_ns, until_ns]] when it was watched,
 *             witness: [access], racy: [access], type: "signed", "unsigned" or "float",
 *             words: how it is shared, as the report says it}]
 *   locksets  [[name of a lock]]; 0 is none
 */
#include <inttypes.h>
#include <string.h>

#include "html_int.h"

#define NAME_SIZE 512

/* ---- which locks were held: few sets, many accesses ---- */

struct locksets {
	struct ct_table *known; /* by the bits */
	CT_VEC(u64) at;
};

static u32 lockset_of(struct locksets *l, u64 locks)
{
	u32 set = ct_table__get(l->known, locks, 0);

	if (set != CT_NONE)
		return set;
	set = l->at.cnt;
	*ct_vec_push(&l->at) = locks;
	ct_table__set(l->known, locks, 0, set);
	return set;
}

static void find_locksets(struct locksets *l, const struct ct_model *m)
{
	*l = (struct locksets){ .known = ct_table__new() };
	lockset_of(l, 0);
	for (u32 i = 0; i < m->touches.cnt; i++)
		lockset_of(l, m->touches.at[i].locks);
}

static void free_locksets(struct locksets *l)
{
	ct_table__free(l->known);
	ct_vec_free(&l->at);
}

/* ---- the JSON part ---- */

static json_t *lockset_names(const struct ct_model *m, u64 locks)
{
	json_t *names = json_array();
	char raw[NAME_SIZE];

	for (u32 slot = 0; slot < CT_WATCH_LOCKS; slot++)
		if (locks >> slot & 1)
			json_array_append_new(names,
				ct_html__text(ct_watch_lock_name(m, slot, raw, sizeof(raw))));
	return names;
}

static json_t *numbers(const u32 *at, u32 cnt)
{
	json_t *list = json_array();

	for (u32 i = 0; i < cnt; i++)
		json_array_append_new(list, json_integer(at[i]));
	return list;
}

static json_t *sharers(const struct ct_shared *v)
{
	json_t *list = json_array();

	for (u32 i = 0; i < v->users.cnt; i++)
		json_array_append_new(list, json_integer(v->users.at[i].thread));
	return list;
}

static json_t *spans(const struct ct_model *m, const struct ct_watched *w)
{
	json_t *list = json_array();

	for (u32 i = 0; i < w->spans.cnt; i++) {
		json_t *span = json_array();
		json_array_append_new(span,
			json_integer((json_int_t)ct_html__since_start(m, w->spans.at[i].start_ns)));
		json_array_append_new(span,
			json_integer((json_int_t)ct_html__since_start(m, w->spans.at[i].end_ns)));
		json_array_append_new(list, span);
	}
	return list;
}

static char *name_thread(const struct ct_model *m, u32 thread)
{
	u32 *name_cnt = ct_thread_names(m);
	char *name = ct_thread_label(m, name_cnt, thread);

	free(name_cnt);
	return name;
}

static json_t *words(const struct ct_model *m, const struct ct_shared *v)
{
	char *setter = v->set_late == CT_NONE
			       ? NULL
			       : name_thread(m, m->touches.at[v->set_late].thread);
	char *text = ct_watch_words(m, v, setter);
	json_t *json = ct_html__text(text);

	free(text);
	free(setter);
	return json;
}

static json_t *variable(const struct ct_model *m, const struct ct_shared *v)
{
	static const char *const types[] = { [CT_WATCH_SIGNED] = "signed",
		[CT_WATCH_UNSIGNED] = "unsigned", [CT_WATCH_FLOAT] = "float" };
	u32 type = m->watched.at[v->watched].type;
	json_t *row = json_object();

	json_object_set_new(row, "threads", sharers(v));
	json_object_set_new(row, "spans", spans(m, &m->watched.at[v->watched]));
	json_object_set_new(row, "witness", numbers(v->witness, v->witness_cnt));
	json_object_set_new(row, "racy", numbers(v->racy, v->racy[0] == CT_NONE ? 0 : 2));
	json_object_set_new(row, "type", json_string(type < CT_COUNT(types) ? types[type] : ""));
	json_object_set_new(row, "words", words(m, v));
	return row;
}

void ct_html__watched(json_t *meta, const struct ct_facts *facts)
{
	json_t *rows = json_array(), *sets = json_array();
	struct locksets l;

	for (u32 i = 0; i < facts->sharing.at.cnt; i++)
		json_array_append_new(rows, variable(facts->m, &facts->sharing.at.at[i]));
	find_locksets(&l, facts->m);
	for (u32 i = 0; i < l.at.cnt; i++)
		json_array_append_new(sets, lockset_names(facts->m, l.at.at[i]));
	free_locksets(&l);
	json_object_set_new(meta, "watched", rows);
	json_object_set_new(meta, "locksets", sets);
}

/* ---- the columns ---- */

enum column { AVAR, ATIM, ATHR, ACPU, AHOW, AFLG, AVAL, AOLD, ALCK, AFRM, ASTK, COLUMNS };
static const char tags[COLUMNS][5] = { "AVAR", "ATIM", "ATHR", "ACPU", "AHOW", "AFLG", "AVAL",
	"AOLD", "ALCK", "AFRM", "ASTK" };

static void put_values(
	struct ct_buf b[COLUMNS], const struct ct_model *m, const struct ct_touch *t, i64 *last)
{
	const struct ct_watched *w = &m->watched.at[t->watched];
	i64 value = ct_watched_value(w, t->after);

	ct_html__number(&b[AVAL], zigzag((u64)value, (u64)*last));
	if ((t->how & CT_ACCESS_WRITE) && (t->how & CT_ACCESS_BEFORE))
		ct_html__number(&b[AOLD], zigzag((u64)ct_watched_value(w, t->before), (u64)*last));
	*last = value;
}

static void put_touches(struct ct_pack *p, const struct ct_model *m)
{
	struct ct_buf b[COLUMNS] = { 0 };
	i64 *last = ct_alloc(((size_t)m->watched.cnt + 1) * sizeof(*last)); /* by variable */
	struct locksets l;
	ct_ns before = 0;

	find_locksets(&l, m);
	for (u32 i = 0; i < m->touches.cnt; i++) {
		const struct ct_touch *t = &m->touches.at[i];
		ct_ns now = ct_html__since_start(m, t->ts);
		ct_html__number(&b[AVAR], t->watched);
		ct_html__number(&b[ATIM], now - before);
		ct_html__number(&b[ATHR], t->thread);
		ct_html__number(&b[ACPU], t->cpu);
		ct_html__byte(&b[AHOW], t->how);
		ct_html__byte(&b[AFLG], t->flags);
		put_values(b, m, t, &last[t->watched]);
		ct_html__number(&b[ALCK], lockset_of(&l, t->locks));
		ct_html__number(&b[AFRM], t->frame);
		ct_html__stack(&b[ASTK], m, t->stack);
		before = now;
	}
	for (u32 c = 0; c < COLUMNS; c++) {
		ct_html__emit(p, tags[c], &b[c]);
		ct_buf_free(&b[c]);
	}
	free_locksets(&l);
	free(last);
}

static void put_losses(struct ct_pack *p, const struct ct_sharings *s)
{
	static const char lost_tags[4][5] = { "XCNT", "XWRI", "XFOR", "XREA" };
	struct ct_buf b[4] = { 0 };

	for (u32 i = 0; i < s->at.cnt; i++) {
		const struct ct_shared *v = &s->at.at[i];
		u32 before = 0;
		ct_html__number(&b[0], v->losses.cnt);
		for (u32 k = 0; k < v->losses.cnt; k++) {
			const struct ct_lost *x = &v->losses.at[k];
			ct_html__number(&b[1], x->write - before);
			ct_html__number(&b[2], x->write - x->foreign);
			ct_html__number(&b[3], x->foreign - x->read);
			before = x->write;
		}
	}
	for (u32 c = 0; c < 4; c++) {
		ct_html__emit(p, lost_tags[c], &b[c]);
		ct_buf_free(&b[c]);
	}
}

void ct_html__touches(struct ct_pack *p, const struct ct_facts *facts)
{
	if (!facts->m->watched.cnt)
		return;
	put_touches(p, facts->m);
	put_losses(p, &facts->sharing);
}
