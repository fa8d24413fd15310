/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slices of all threads and their waits as columns, for the page: most of its data.  Numbers
 * are LEB128, "+1" has 0 for none, times are ns from the run's start, as in html_columns.c.
 *
 * Few combinations of state, CPU and flags occur, so a slice has the number of its combination; the
 * same goes for what a wait was for.  The commonest have the lowest numbers.  Waits are numbered
 * as the threads' slices name them, one thread after the other, so that a slice need not say which.
 * Durations of one kind of state resemble each other, and their low bytes resemble nothing: each
 * kind of state has its own columns, and each byte of them, too.
 *
 *     for each thread in turn, its slices by time
 *     TCNT  slices of the thread              TFST  start of its first slice
 *     SKND  the combinations: state, flags, CPU, and its wait: 0 none, 1 the next one that no slice
 *           has named yet, 2 that of the slice of this thread which had one last, 3 as in SWAI
 *     SKIN  combination of each slice         SWAI  waits
 *     SLOx SMIx SHIx  durations: the lowest byte, the next one, the rest; x is R running, W waiting
 *           for a CPU, B blocked
 *
 *     for each wait in turn (start, end and thread are those of the blocked slices that name it;
 *     WEXC lists the waits for which that does not hold: index, thread, start, duration)
 *     WKND  the combinations: state, CT_WAIT_*, CT_WAKE_*, file, lock +1, target +1, stack, frame,
 *           syscall +1, the waker's +1, descriptor
 *     WKIN  combination of each wait          WOWN  owner +1      WWKR  waker +1
 */
#include "html_int.h"

/* Combinations that occur: equal ones have one number. */
struct kind {
	u64 a, b;
	u32 cnt, number;
};
struct kinds {
	struct ct_table *of;
	CT_VEC(struct kind) at; /* by number; once ranked: by rank */
	u32 *rank;		/* by number: 0 is the commonest */
};

static u32 kinds_add(struct kinds *k, u64 a, u64 b)
{
	u32 number = ct_table__get(k->of, a, b);

	if (number == CT_NONE) {
		number = k->at.cnt;
		ct_table__set(k->of, a, b, number);
		*ct_vec_push(&k->at) = (struct kind){ .a = a, .b = b, .number = number };
	}
	k->at.at[number].cnt++;
	return number;
}

static int by_count(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	if (x->cnt != y->cnt)
		return x->cnt < y->cnt ? 1 : -1;
	return x->number < y->number ? -1 : 1;
}

static void kinds_rank(struct kinds *k)
{
	if (k->at.cnt)
		qsort(k->at.at, k->at.cnt, sizeof(*k->at.at), by_count);
	k->rank = ct_alloc((k->at.cnt + 1) * sizeof(*k->rank));
	for (u32 i = 0; i < k->at.cnt; i++)
		k->rank[k->at.at[i].number] = i;
}

static void kinds_free(struct kinds *k)
{
	ct_table__free(k->of);
	ct_vec_free(&k->at);
	free(k->rank);
}

static void emit_ranks(struct ct_pack *p, const char tag[5], const struct kinds *k,
	const u32 *number, u64 cnt)
{
	struct ct_buf b = { 0 };

	for (u64 i = 0; i < cnt; i++)
		ct_html__number(&b, k->rank[number[i]]);
	ct_html__emit(p, tag, &b);
	ct_buf_free(&b);
}

/* ---- which wait is which ---- */

u32 *ct_html__wait_numbers(const struct ct_model *m)
{
	u32 *numbers = ct_alloc((m->waits.cnt + 1) * sizeof(*numbers)), next = 0;

	for (u32 i = 0; i < m->waits.cnt; i++)
		numbers[i] = CT_NONE;
	for (u32 t = 0; t < m->threads.cnt; t++)
		for (u32 i = 0; i < m->threads.at[t].slices.cnt; i++) {
			u32 wait = m->threads.at[t].slices.at[i].wait;
			if (wait != CT_NONE && numbers[wait] == CT_NONE)
				numbers[wait] = next++;
		}
	for (u32 i = 0; i < m->waits.cnt; i++)
		if (numbers[i] == CT_NONE)
			numbers[i] = next++;
	return numbers;
}

enum { WAIT_NONE, WAIT_NEXT, WAIT_SAME, WAIT_LISTED };

/* How a slice says which wait is its own; goes through all slices in turn. */
struct wait_cursor {
	const u32 *numbers;
	u32 next;	      /* not named yet */
	u32 last;	      /* that this thread named */
	struct ct_buf listed; /* SWAI */
};

static u64 say_wait(struct wait_cursor *c, u32 wait)
{
	u32 number;

	if (wait == CT_NONE)
		return WAIT_NONE;
	number = c->numbers[wait];
	if (number == c->last)
		return WAIT_SAME;
	c->last = number;
	if (number == c->next) {
		c->next++;
		return WAIT_NEXT;
	}
	ct_html__number(&c->listed, number);
	return WAIT_LISTED;
}

/* ---- slices ---- */

#define BLOCKED 2u /* states from here on share their columns of durations */

struct slice_columns {
	struct ct_buf low[BLOCKED + 1], middle[BLOCKED + 1], high[BLOCKED + 1];
	struct kinds kinds;
	struct wait_cursor wait;
	u32 *kind; /* of all slices */
	u64 cnt;
};

static void put_slice(struct slice_columns *c, const struct ct_slice *s, u64 ns)
{
	u32 x = s->state < BLOCKED ? s->state : BLOCKED;
	u64 wait = say_wait(&c->wait, s->wait);

	c->kind[c->cnt++] = kinds_add(&c->kinds,
		s->state | (u64)s->flags << 8 | (u64)s->cpu << 16 | wait << 32, 0);
	ct_html__byte(&c->low[x], (u8)ns);
	ct_html__byte(&c->middle[x], (u8)(ns >> 8));
	ct_html__number(&c->high[x], ns >> 16);
}

static void emit_slices(struct ct_pack *p, struct slice_columns *c)
{
	static const char *const tags[BLOCKED + 1][3] = { { "SLOR", "SMIR", "SHIR" },
		{ "SLOW", "SMIW", "SHIW" }, { "SLOB", "SMIB", "SHIB" } };
	struct ct_buf b = { 0 };

	kinds_rank(&c->kinds);
	for (u32 i = 0; i < c->kinds.at.cnt; i++) {
		u64 a = c->kinds.at.at[i].a;
		ct_html__number(&b, (u8)a);
		ct_html__number(&b, (u8)(a >> 8));
		ct_html__number(&b, (u16)(a >> 16));
		ct_html__number(&b, a >> 32);
	}
	ct_html__emit(p, "SKND", &b);
	emit_ranks(p, "SKIN", &c->kinds, c->kind, c->cnt);
	ct_html__emit(p, "SWAI", &c->wait.listed);
	for (u32 x = 0; x <= BLOCKED; x++) {
		ct_html__emit(p, tags[x][0], &c->low[x]);
		ct_html__emit(p, tags[x][1], &c->middle[x]);
		ct_html__emit(p, tags[x][2], &c->high[x]);
		ct_buf_free(&c->low[x]);
		ct_buf_free(&c->middle[x]);
		ct_buf_free(&c->high[x]);
	}
	ct_buf_free(&c->wait.listed);
	ct_buf_free(&b);
}

static void put_slices(struct ct_pack *p, const struct ct_model *m, const u32 *numbers)
{
	struct slice_columns c = { .wait.numbers = numbers, .kinds.of = ct_table__new() };
	struct ct_buf counts = { 0 }, first = { 0 };

	c.kind = ct_alloc((ct_html__slice_cnt(m) + 1) * sizeof(*c.kind));
	for (u32 k = 0; k < m->threads.cnt; k++) {
		const struct ct_thread *t = &m->threads.at[k];
		ct_html__number(&counts, t->slices.cnt);
		ct_html__number(&first,
			t->slices.cnt ? ct_html__since_start(m, t->slices.at[0].start_ns) : 0);
		c.wait.last = CT_NONE;
		for (u32 i = 0; i < t->slices.cnt; i++)
			put_slice(&c, &t->slices.at[i],
				ct_slice_end(t, i) - t->slices.at[i].start_ns);
	}
	ct_html__emit(p, "TCNT", &counts);
	ct_html__emit(p, "TFST", &first);
	emit_slices(p, &c);
	ct_buf_free(&counts);
	ct_buf_free(&first);
	kinds_free(&c.kinds);
	free(c.kind);
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

static void put_exceptions(struct ct_pack *p, const struct ct_model *m, const u32 *numbers)
{
	struct span *spans = spans_of_waits(m);
	struct ct_buf b = { 0 };

	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (spans[i].thread == w->thread && spans[i].start_ns == w->start_ns &&
			spans[i].end_ns == w->end_ns)
			continue;
		ct_html__number(&b, numbers[i]);
		ct_html__number(&b, w->thread);
		ct_html__number(&b, ct_html__since_start(m, w->start_ns));
		ct_html__number(&b, w->end_ns - w->start_ns);
	}
	free(spans);
	ct_html__emit(p, "WEXC", &b);
	ct_buf_free(&b);
}

/* A combination is made of two: what for and where are rarer than how it went. */
struct wait_kinds {
	struct kinds what, where;
};

static u32 wait_kind(struct wait_kinds *k, const struct ct_wait *w)
{
	u64 how = w->state | (u64)w->flags << 8 | (u64)w->wake_flags << 16 | (u64)w->file << 24 |
		  (u64)w->nr << 32 | (u64)w->waker_nr << 48;
	u32 where = kinds_add(&k->where, (u64)w->lock << 32 | w->target,
		(u64)w->stack << 32 | w->frame);

	return kinds_add(&k->what, how, (u64)where << 32 | w->fd);
}

static void emit_wait_kinds(
	struct ct_pack *p, const struct ct_model *m, struct wait_kinds *k)
{
	struct ct_buf b = { 0 };

	kinds_rank(&k->what);
	for (u32 i = 0; i < k->what.at.cnt; i++) {
		const struct kind *what = &k->what.at.at[i];
		const struct kind *where = &k->where.at.at[what->b >> 32];
		for (u32 byte = 0; byte < 4; byte++)
			ct_html__number(&b, (u8)(what->a >> 8 * byte));
		ct_html__index(&b, (u32)(where->a >> 32));
		ct_html__index(&b, (u32)where->a);
		ct_html__stack(&b, m, (u32)(where->b >> 32));
		ct_html__number(&b, (u32)where->b);
		ct_html__syscall(&b, (u16)(what->a >> 32));
		ct_html__syscall(&b, (u16)(what->a >> 48));
		ct_html__number(&b, (u32)what->b);
	}
	ct_html__emit(p, "WKND", &b);
	ct_buf_free(&b);
}

static void put_waits(struct ct_pack *p, const struct ct_model *m, const u32 *numbers)
{
	struct wait_kinds k = { { .of = ct_table__new() }, { .of = ct_table__new() } };
	u32 *order = ct_alloc((m->waits.cnt + 1) * sizeof(*order));
	u32 *kind = ct_alloc((m->waits.cnt + 1) * sizeof(*kind));
	struct ct_buf owner = { 0 }, waker = { 0 };

	for (u32 i = 0; i < m->waits.cnt; i++)
		order[numbers[i]] = i;
	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[order[i]];
		kind[i] = wait_kind(&k, w);
		ct_html__index(&owner, w->owner);
		ct_html__index(&waker, w->waker);
	}
	emit_wait_kinds(p, m, &k);
	emit_ranks(p, "WKIN", &k.what, kind, m->waits.cnt);
	ct_html__emit(p, "WOWN", &owner);
	ct_html__emit(p, "WWKR", &waker);
	kinds_free(&k.what);
	kinds_free(&k.where);
	ct_buf_free(&owner);
	ct_buf_free(&waker);
	free(order);
	free(kind);
}

void ct_html__threads(struct ct_pack *p, const struct ct_model *m)
{
	u32 *numbers = ct_html__wait_numbers(m);

	put_waits(p, m, numbers);
	put_slices(p, m, numbers);
	put_exceptions(p, m, numbers);
	free(numbers);
}
