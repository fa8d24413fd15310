/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the program waits: one row for each line and reason.  O(waits) expected.
 */
#include "ct_findings.h"

static struct ct_line_wait *line_of(
	struct ct_lines *l, struct ct_table *rows, const struct ct_wait *w, u32 *idx)
{
	*idx = ct_table__get(rows, w->frame, w->state);
	if (*idx == CT_NONE) {
		*idx = l->at.cnt;
		struct ct_line_wait *row = ct_vec_push(&l->at);
		row->frame = w->frame;
		row->state = w->state;
		ct_table__set(rows, w->frame, w->state, *idx);
	}
	return &l->at.at[*idx];
}

static int compare_lines(const void *a, const void *b)
{
	const struct ct_line_wait *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return x->state < y->state ? -1 : x->state > y->state;
}

void ct_lines__compute(struct ct_lines *l, const struct ct_model *m)
{
	struct ct_table *rows = ct_table__new();
	struct ct_table *threads = ct_table__new(); /* (row, thread) that were counted */
	u32 idx;

	*l = (struct ct_lines){ 0 };
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		struct ct_line_wait *row = line_of(l, rows, w, &idx);
		ct_ns ns = w->end_ns - w->start_ns;
		row->signal = ct_wait_is_signal(m, w) && (row->signal || !row->waits);
		row->waits++;
		row->wait_ns += ns;
		if (row->max_ns < ns)
			row->max_ns = ns;
		if (ct_table__get(threads, idx, w->thread) == CT_NONE) {
			ct_table__set(threads, idx, w->thread, 1);
			row->threads++;
		}
	}
	if (l->at.cnt)
		qsort(l->at.at, l->at.cnt, sizeof(*l->at.at), compare_lines);
	ct_table__free(rows);
	ct_table__free(threads);
}

void ct_lines__clear(struct ct_lines *l)
{
	ct_vec_free(&l->at);
}
