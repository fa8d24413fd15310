/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's long lists as columns of numbers, for the page.  Numbers are LEB128 (seven bits a
 * byte, the lowest first); "+1" has 0 for none; "zz" is zigzag of the difference to the number
 * before it in the column.  Times are ns from the run's start.
 *
 *     for each thread in turn, its slices by time
 *     TCNT  slices of the thread              TFST  start of its first slice
 *     SDUR  duration                          SSTA  state, a byte      SFLG  flags, a byte
 *     SCPU  CPU                               SWAI  0: no wait; else zz of its index, + 1
 *
 *     for each wait in turn (start, end and thread are those of the blocked slices that name it;
 *     WEXC lists the waits for which that does not hold: index, thread, start, duration)
 *     WSTA  state, a byte     WFLG  CT_WAIT_*, a byte    WWFL  CT_WAKE_*, a byte    WFIL  file
 *     WLCK  lock +1           WOWN  owner +1             WWKR  waker +1             WTGT  target +1
 *     WSTK  stack             WFRM  frame                WNRS  syscall +1           WWNR  waker's
 *     WFDS  descriptor
 *
 *     for each lock in turn, its holds by time
 *     LCNT  holds    HGAP  from the end of the one before (or 0)    HDUR    HTHR  thread    HFLG
 *
 *     PDUR PTHR PSTA PLCK PFRM   segments of the critical path, without a gap; PFST its start
 *     CTIM CTHR CSTK CNRS CCPU   CPU samples: zz of the time, thread, stack, syscall +1, CPU
 */
#include <string.h>

#include "html_int.h"

static void put_syscall(struct ct_buf *b, u16 nr)
{
	put_number(b, nr == CT_NR_NONE ? 0 : (u64)nr + 1);
}

u64 ct_html__slice_cnt(const struct ct_model *m)
{
	u64 cnt = 0;

	for (u32 i = 0; i < m->threads.cnt; i++)
		cnt += m->threads.at[i].slices.cnt;
	return cnt;
}

/* One column of the slices: its tag and what of a slice it holds. */
enum slice_column { SDUR, SSTA, SFLG, SCPU, SWAI, SLICE_COLUMNS };
static const char slice_tags[SLICE_COLUMNS][5] = { "SDUR", "SSTA", "SFLG", "SCPU", "SWAI" };

static void put_slice(
	struct ct_buf *b, enum slice_column c, const struct ct_thread *t, u32 i, u32 *wait)
{
	const struct ct_slice *s = &t->slices.at[i];

	switch (c) {
	case SDUR:
		put_number(b, ct_slice_end(t, i) - s->start_ns);
		break;
	case SSTA:
		put_byte(b, s->state);
		break;
	case SFLG:
		put_byte(b, s->flags);
		break;
	case SCPU:
		put_number(b, s->cpu);
		break;
	default:
		if (s->wait == CT_NONE) {
			put_number(b, 0);
			break;
		}
		put_number(b, zigzag(s->wait, *wait) + 1);
		*wait = s->wait;
	}
}

static void put_slices(struct ct_pack *p, const struct ct_model *m, struct ct_buf *b)
{
	/* of nothing there is no address to add to */
	const struct ct_thread *end = m->threads.cnt ? m->threads.at + m->threads.cnt : NULL, *t;

	for (t = m->threads.at; t < end; t++)
		put_number(b, t->slices.cnt);
	emit(p, "TCNT", b);
	for (t = m->threads.at; t < end; t++)
		put_number(b, t->slices.cnt ? since_start(m, t->slices.at[0].start_ns) : 0);
	emit(p, "TFST", b);
	for (enum slice_column c = 0; c < SLICE_COLUMNS; c++) {
		for (t = m->threads.at; t < end; t++) {
			u32 wait = 0;
			for (u32 i = 0; i < t->slices.cnt; i++)
				put_slice(b, c, t, i, &wait);
		}
		emit(p, slice_tags[c], b);
	}
}

/* ---- waits ---- */

struct span {
	ct_ns start_ns, end_ns;
	u32 thread;
};

/* What a reader works out from the slices. */
static struct span *spans_of_waits(const struct ct_model *m)
{
	struct span *spans = ct_alloc((m->waits.cnt + 1) * sizeof(*spans));

	for (u32 i = 0; i < m->waits.cnt; i++)
		spans[i].thread = CT_NONE;
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		for (u32 i = 0; i < th->slices.cnt; i++) {
			const struct ct_slice *s = &th->slices.at[i];
			if (s->wait == CT_NONE || !ct_state_blocked(s->state))
				continue;
			if (spans[s->wait].thread == CT_NONE)
				spans[s->wait].start_ns = s->start_ns;
			spans[s->wait].thread = t;
			spans[s->wait].end_ns = ct_slice_end(th, i);
		}
	}
	return spans;
}

static void put_exceptions(struct ct_pack *p, const struct ct_model *m, struct ct_buf *b)
{
	struct span *spans = spans_of_waits(m);

	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (spans[i].thread == w->thread && spans[i].start_ns == w->start_ns &&
			spans[i].end_ns == w->end_ns)
			continue;
		put_number(b, i);
		put_number(b, w->thread);
		put_number(b, since_start(m, w->start_ns));
		put_number(b, w->end_ns - w->start_ns);
	}
	free(spans);
	emit(p, "WEXC", b);
}

#define WAIT_COLUMN(tag, put)                                                                      \
	do {                                                                                       \
		for (const struct ct_wait *w = m->waits.at; w < end; w++)                          \
			put;                                                                       \
		emit(p, tag, b);                                                                   \
	} while (0)

static void put_waits(struct ct_pack *p, const struct ct_model *m, struct ct_buf *b)
{
	const struct ct_wait *end = m->waits.cnt ? m->waits.at + m->waits.cnt : NULL;

	WAIT_COLUMN("WSTA", put_byte(b, w->state));
	WAIT_COLUMN("WFLG", put_byte(b, w->flags));
	WAIT_COLUMN("WWFL", put_byte(b, w->wake_flags));
	WAIT_COLUMN("WFIL", put_byte(b, w->file));
	WAIT_COLUMN("WLCK", put_index(b, w->lock));
	WAIT_COLUMN("WOWN", put_index(b, w->owner));
	WAIT_COLUMN("WWKR", put_index(b, w->waker));
	WAIT_COLUMN("WTGT", put_index(b, w->target));
	WAIT_COLUMN("WSTK", put_number(b, w->stack));
	WAIT_COLUMN("WFRM", put_number(b, w->frame));
	WAIT_COLUMN("WNRS", put_syscall(b, w->nr));
	WAIT_COLUMN("WWNR", put_syscall(b, w->waker_nr));
	WAIT_COLUMN("WFDS", put_number(b, w->fd));
	put_exceptions(p, m, b);
}

/* ---- holds, path, samples ---- */

static void put_hold(struct ct_buf b[4], const struct ct_model *m, const struct ct_hold *h,
	ct_ns *end_ns)
{
	ct_ns start = since_start(m, h->start_ns), end = since_start(m, h->end_ns);

	put_number(&b[0], start > *end_ns ? start - *end_ns : 0);
	put_number(&b[1], end > start ? end - start : 0);
	put_number(&b[2], h->thread);
	put_number(&b[3], h->flags);
	*end_ns = end;
}

static void put_holds(struct ct_pack *p, const struct ct_model *m, struct ct_buf *cnts)
{
	static const char tags[4][5] = { "HGAP", "HDUR", "HTHR", "HFLG" };
	struct ct_buf b[4] = { 0 };

	for (u32 l = 0; l < m->locks.cnt; l++) {
		const struct ct_lock *lock = &m->locks.at[l];
		ct_ns end_ns = 0;
		put_number(cnts, lock->holds.cnt);
		for (u32 i = 0; i < lock->holds.cnt; i++)
			put_hold(b, m, &lock->holds.at[i], &end_ns);
	}
	emit(p, "LCNT", cnts);
	for (u32 i = 0; i < 4; i++) {
		emit(p, tags[i], &b[i]);
		ct_buf_free(&b[i]);
	}
}

static void put_path(struct ct_pack *p, const struct ct_facts *facts, struct ct_buf *first)
{
	static const char tags[5][5] = { "PDUR", "PTHR", "PSTA", "PLCK", "PFRM" };
	const struct ct_critical_path *path = &facts->path;
	struct ct_buf b[5] = { 0 };

	for (u32 i = 0; i < path->segments.cnt; i++) {
		const struct ct_path_segment *s = &path->segments.at[i];
		put_number(&b[0], s->end_ns - s->start_ns);
		put_number(&b[1], s->thread);
		put_number(&b[2], s->state);
		put_index(&b[3], s->lock);
		put_number(&b[4], s->frame);
	}
	put_number(first,
		path->segments.cnt ? since_start(facts->m, path->segments.at[0].start_ns) : 0);
	emit(p, "PFST", first);
	for (u32 i = 0; i < 5; i++) {
		emit(p, tags[i], &b[i]);
		ct_buf_free(&b[i]);
	}
}

static void put_samples(struct ct_pack *p, const struct ct_model *m)
{
	static const char tags[5][5] = { "CTIM", "CTHR", "CSTK", "CNRS", "CCPU" };
	struct ct_buf b[5] = { 0 };
	ct_ns before = 0;

	for (u32 i = 0; i < m->samples.cnt; i++) {
		const struct ct_cpu_sample *s = &m->samples.at[i];
		ct_ns now = since_start(m, s->ts);
		put_number(&b[0], zigzag(now, before));
		put_index(&b[1], s->thread);
		put_number(&b[2], s->stack);
		put_syscall(&b[3], s->nr);
		put_number(&b[4], s->cpu);
		before = now;
	}
	for (u32 i = 0; i < 5; i++) {
		emit(p, tags[i], &b[i]);
		ct_buf_free(&b[i]);
	}
}

void ct_html__columns(struct ct_pack *p, const struct ct_facts *facts)
{
	struct ct_buf b = { 0 };

	put_slices(p, facts->m, &b);
	put_waits(p, facts->m, &b);
	put_holds(p, facts->m, &b);
	put_path(p, facts, &b);
	put_samples(p, facts->m);
	ct_buf_free(&b);
}
