/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A first picture of a long trace, at the start of the page's data: it can be shown while the rest
 * is still being read.  Traces that are read at once have none.
 *
 *     OVER  columns (equal parts of the run), then for each thread in turn, for each column: how
 *           many states, and for each of them its number and its share of the column in 255ths
 */
#include <string.h>

#include "html_int.h"

#define COLUMNS 700u /* two pixels each on a large screen */
#define FROM_SLICES 3000000u
#define WHOLE 255u

/* ns in each state, by column. */
typedef ct_ns column_states[CT_STATES];

static void add_slice(column_states *sums, ct_ns run_ns, u8 state, ct_ns from, ct_ns until)
{
	u64 column = from * COLUMNS / run_ns;

	for (; from < until && column < COLUMNS; column++) {
		ct_ns end = ((column + 1) * run_ns + COLUMNS - 1) / COLUMNS;
		ct_ns to = until < end ? until : end;
		if (to <= from)
			continue;
		sums[column][state] += to - from;
		from = to;
	}
}

static void put_thread(
	struct ct_buf *b, column_states *sums, const struct ct_model *m, const struct ct_thread *t)
{
	ct_ns run_ns = m->end_ns - m->start_ns;

	memset(sums, 0, COLUMNS * sizeof(*sums));
	for (u32 i = 0; i < t->slices.cnt; i++)
		add_slice(sums, run_ns, t->slices.at[i].state,
			ct_html__since_start(m, t->slices.at[i].start_ns),
			ct_html__since_start(m, ct_slice_end(t, i)));
	for (u32 c = 0; c < COLUMNS; c++) {
		struct ct_buf states = { 0 };
		u32 cnt = 0;
		for (u32 s = 0; s < CT_STATES; s++) {
			u64 share = (sums[c][s] * COLUMNS * WHOLE + run_ns / 2) / run_ns;
			if (!share)
				continue;
			ct_html__number(&states, s);
			ct_html__number(&states, share > WHOLE ? WHOLE : share);
			cnt++;
		}
		ct_html__number(b, cnt);
		if (cnt)
			ct_buf_put(b, states.at, states.len);
		ct_buf_free(&states);
	}
}

void ct_html__overview(struct ct_pack *p, const struct ct_model *m)
{
	column_states *sums;
	struct ct_buf b = { 0 };

	/* the product with a run of a hundred days fits into 64 bits */
	if (ct_html__slice_cnt(m) < FROM_SLICES || m->end_ns <= m->start_ns)
		return;
	sums = ct_alloc(COLUMNS * sizeof(*sums));
	ct_html__number(&b, COLUMNS);
	for (u32 i = 0; i < m->threads.cnt; i++)
		put_thread(&b, sums, m, &m->threads.at[i]);
	ct_html__emit(p, "OVER", &b);
	ct_buf_free(&b);
	free(sums);
}
