/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who woke whom: one row for each pair, of the wakings that ended a sleep.  O(waits) expected.
 */
#include "ct_findings.h"

static int compare_pairs(const void *a, const void *b)
{
	const struct ct_waker_pair *x = a, *y = b;

	if (x->ended_ns != y->ended_ns)
		return x->ended_ns > y->ended_ns ? -1 : 1;
	if (x->waker != y->waker)
		return x->waker < y->waker ? -1 : 1;
	return x->wakee < y->wakee ? -1 : x->wakee > y->wakee;
}

void ct_wakers__compute(struct ct_wakers *w, const struct ct_model *m)
{
	struct ct_table *rows = ct_table__new();

	*w = (struct ct_wakers){ 0 };
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *wait = &m->waits.at[i];
		if (!(wait->flags & CT_WAIT_WOKEN))
			continue;
		u32 idx = ct_table__get(rows, wait->waker, wait->thread);
		if (idx == CT_NONE) {
			idx = w->at.cnt;
			*ct_vec_push(&w->at) = (struct ct_waker_pair){ .waker = wait->waker,
				.wakee = wait->thread };
			ct_table__set(rows, wait->waker, wait->thread, idx);
		}
		w->at.at[idx].cnt++;
		w->at.at[idx].ended_ns += wait->end_ns - wait->start_ns;
	}
	if (w->at.cnt)
		qsort(w->at.at, w->at.cnt, sizeof(*w->at.at), compare_pairs);
	ct_table__free(rows);
}

void ct_wakers__clear(struct ct_wakers *w)
{
	ct_vec_free(&w->at);
}
