/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's long lists as columns of numbers, for the page.  Numbers are LEB128 (seven bits a
 * byte, the lowest first); "+1" has 0 for none; "zz" is zigzag of the difference to the number
 * before it in the column.  Times are ns from the run's start.
 *
 * Slices and waits, most of it all, are in html_threads.c.  A page reads what it has while the rest
 * is being inflated, and slices need everything of theirs: so they are the last.
 *
 *     for each lock in turn, its holds by time
 *     LCNT  holds    HGAP  from the end of the one before (or 0)    HDUR    HTHR  thread    HFLG
 *
 *     PDUR PTHR PSTA PLCK PFRM   segments of the critical path, without a gap; PFST its start
 *     CTIM CTHR CSTK CNRS CCPU   CPU samples: zz of the time, thread, stack, syscall +1, CPU
 */
#include <string.h>

#include "html_int.h"

void ct_html__number(struct ct_buf *b, u64 n)
{
	ct_buf_reserve(b, 10);
	while (n > 127) {
		b->at[b->len++] = (u8)(n | 128);
		n >>= 7;
	}
	b->at[b->len++] = (u8)n;
}

void ct_html__byte(struct ct_buf *b, u8 byte)
{
	ct_buf_reserve(b, 1);
	b->at[b->len++] = byte;
}

void ct_html__index(struct ct_buf *b, u32 index)
{
	ct_html__number(b, index == CT_NONE ? 0 : (u64)index + 1);
}

void ct_html__syscall(struct ct_buf *b, u16 nr)
{
	ct_html__number(b, nr == CT_NR_NONE ? 0 : (u64)nr + 1);
}

void ct_html__stack(struct ct_buf *b, const struct ct_model *m, u32 stack)
{
	u32 cnt = m->names ? m->names->stack_start.cnt : 0;

	ct_html__number(b, stack < cnt ? stack : 0);
}

/* A section and an empty buffer again. */
void ct_html__emit(struct ct_pack *p, const char tag[5], struct ct_buf *b)
{
	ct_pack__section(p, tag, b->at, b->len);
	b->len = 0;
}

ct_ns ct_html__since_start(const struct ct_model *m, ct_ns t)
{
	return t > m->start_ns ? t - m->start_ns : 0;
}

u64 ct_html__slice_cnt(const struct ct_model *m)
{
	u64 cnt = 0;

	for (u32 i = 0; i < m->threads.cnt; i++)
		cnt += m->threads.at[i].slices.cnt;
	return cnt;
}

/* ---- holds, path, samples ---- */

static void put_hold(struct ct_buf b[4], const struct ct_model *m, const struct ct_hold *h,
	ct_ns *end_ns)
{
	ct_ns start = ct_html__since_start(m, h->start_ns);
	ct_ns end = ct_html__since_start(m, h->end_ns);

	ct_html__number(&b[0], start > *end_ns ? start - *end_ns : 0);
	ct_html__number(&b[1], end > start ? end - start : 0);
	ct_html__number(&b[2], h->thread);
	ct_html__number(&b[3], h->flags);
	*end_ns = end;
}

static void put_holds(struct ct_pack *p, const struct ct_model *m, struct ct_buf *cnts)
{
	static const char tags[4][5] = { "HGAP", "HDUR", "HTHR", "HFLG" };
	struct ct_buf b[4] = { 0 };

	for (u32 l = 0; l < m->locks.cnt; l++) {
		const struct ct_lock *lock = &m->locks.at[l];
		ct_ns end_ns = 0;
		ct_html__number(cnts, lock->holds.cnt);
		for (u32 i = 0; i < lock->holds.cnt; i++)
			put_hold(b, m, &lock->holds.at[i], &end_ns);
	}
	ct_html__emit(p, "LCNT", cnts);
	for (u32 i = 0; i < 4; i++) {
		ct_html__emit(p, tags[i], &b[i]);
		ct_buf_free(&b[i]);
	}
}

static void put_path(struct ct_pack *p, const struct ct_facts *facts, struct ct_buf *first)
{
	static const char tags[5][5] = { "PDUR", "PTHR", "PSTA", "PLCK", "PFRM" };
	const struct ct_critical_path *path = &facts->path;
	struct ct_buf b[5] = { 0 };
	bool nobodys = !path->segments.cnt || path->segments.at[0].thread == CT_NONE;
	u32 cnt = nobodys ? 0 : path->segments.cnt;

	for (u32 i = 0; i < cnt; i++) {
		const struct ct_path_segment *s = &path->segments.at[i];
		ct_html__number(&b[0], s->end_ns - s->start_ns);
		ct_html__number(&b[1], s->thread);
		ct_html__number(&b[2], s->state);
		ct_html__index(&b[3], s->lock);
		ct_html__number(&b[4], s->frame);
	}
	ct_html__number(first,
		cnt ? ct_html__since_start(facts->m, path->segments.at[0].start_ns) : 0);
	ct_html__emit(p, "PFST", first);
	for (u32 i = 0; i < 5; i++) {
		ct_html__emit(p, tags[i], &b[i]);
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
		ct_ns now = ct_html__since_start(m, s->ts);
		ct_html__number(&b[0], zigzag(now, before));
		ct_html__index(&b[1], s->thread);
		ct_html__stack(&b[2], m, s->stack);
		ct_html__syscall(&b[3], s->nr);
		ct_html__number(&b[4], s->cpu);
		before = now;
	}
	for (u32 i = 0; i < 5; i++) {
		ct_html__emit(p, tags[i], &b[i]);
		ct_buf_free(&b[i]);
	}
}

void ct_html__columns(struct ct_pack *p, const struct ct_facts *facts)
{
	struct ct_buf b = { 0 };

	put_holds(p, facts->m, &b);
	put_path(p, facts, &b);
	put_samples(p, facts->m);
	ct_html__threads(p, facts->m);
	ct_buf_free(&b);
}
