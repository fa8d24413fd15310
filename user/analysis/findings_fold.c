/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the folding of findings that say the same of many locks: five hundred locks of one array,
 * all waited for at one line, are one finding. Alike are findings of one kind, about one lock each,
 * whose names differ in no more than where in the array or on whose stack the lock is, and whose
 * first line is the same.
 *
 * Waits for different locks overlap, so that what they cost together lies between the dearest and
 * the sum; it is never more than the time in which a CPU was free for those who waited.
 */
#include <string.h>

#include "findings_int.h"

struct pile { /* findings that are alike */
	u32 first; /* index of the one with most cost */
	u32 cnt;
	ct_ns sum_ns;
};

struct fold {
	struct ct_search *s;
	struct ct_strtab *texts;
	struct ct_table *index; /* (id of the text, 0) -> piles */
	CT_VEC(struct pile) piles;
	u32 *pile; /* [findings] its pile; CT_NONE */
};

/* "table+40" -> "table", "stack of worker-2" -> "stack of". */
static const char *pattern_of(struct ct_search *s, u32 lock)
{
	const char *name = ct_say_lock(s, lock);
	const char *plus = strrchr(name, '+');

	if (!strncmp(name, "stack of ", 9))
		return "stack of";
	if (!strncmp(name, "0x", 2))
		return "0x";
	if (!plus || !plus[1] || plus[1 + strspn(plus + 1, "0123456789abcdefx")])
		return name;
	return ct_say(s, "%.*s", (int)(plus - name), name);
}

static void sort_in(struct fold *fold, u32 i)
{
	const struct ct_finding *f = &fold->s->out->at.at[i];
	const char *text;
	u32 id, h;

	fold->pile[i] = CT_NONE;
	if (f->hang != CT_NONE || f->locks.cnt != 1 || !f->frames.cnt)
		return;
	text = ct_say(fold->s, "%u %u %s", f->kind, f->frames.at[0],
		pattern_of(fold->s, f->locks.at[0]));
	id = ct_strtab__add(fold->texts, text);
	h = ct_table__get(fold->index, id, 0);
	if (h == CT_NONE) {
		h = fold->piles.cnt;
		*ct_vec_push(&fold->piles) = (struct pile){ .first = i };
		ct_table__set(fold->index, id, 0, h);
	}
	struct pile *pile = &fold->piles.at[h];
	if (f->cost_ns > fold->s->out->at.at[pile->first].cost_ns)
		pile->first = i;
	pile->cnt++;
	pile->sum_ns += f->cost_ns;
	fold->pile[i] = h;
}

static bool is_folded(const struct fold *fold, u32 i)
{
	return fold->pile[i] != CT_NONE &&
	       fold->piles.at[fold->pile[i]].cnt >= ct_threshold(CT_T_FOLD_LOCKS);
}

/* Its threads, locks and lines join those of the first. */
static void join(struct ct_search *s, struct ct_finding *to, const struct ct_finding *f)
{
	for (u32 k = 0; k < f->threads.cnt; k++)
		if (ct_marks__set(s, f->threads.at[k]))
			*ct_vec_push(&to->threads) = f->threads.at[k];
	if (to->locks.cnt < ct_threshold(CT_T_FOLD_LISTED))
		ct_found__lock(to, f->locks.at[0]);
	for (u32 k = 0; k < f->frames.cnt; k++)
		ct_found__frame(to, f->frames.at[k]);
	to->seen &= f->seen;
}

static void say_together(struct ct_search *s, struct ct_finding *f, const struct pile *h)
{
	char *title = ct_asprintf("%s, and so it is with %s more locks like it", f->title,
		ct_say_count(s, h->cnt - 1));
	char *evidence = ct_asprintf(
		"The same is true of %s locks%s, %s if all of it is added up; this is the worst of "
		"them, %s by itself.%s %s",
		ct_say_count(s, h->cnt), ct_say_at(s, f->frames.at[0]), ct_say_ns(s, h->sum_ns),
		ct_say_ns(s, f->cost_ns),
		h->cnt > f->locks.cnt ? ct_say(s, " The %s that cost most are listed.",
						ct_say_count(s, f->locks.cnt)) :
					"",
		f->evidence);

	free(f->title);
	free(f->evidence);
	f->title = title;
	f->evidence = evidence;
}

static void fold_pile(struct fold *fold, u32 h, const u32 *order, u32 cnt)
{
	struct ct_search *s = fold->s;
	const struct pile *pile = &fold->piles.at[h];
	struct ct_finding *first = &s->out->at.at[pile->first];
	ct_ns spare_ns = ct_activity__spare(&s->f->activity, s->m->start_ns, s->m->end_ns);
	ct_ns cost_ns = pile->sum_ns < spare_ns ? pile->sum_ns : spare_ns;

	ct_marks__clear(s);
	for (u32 k = 0; k < first->threads.cnt; k++)
		ct_marks__set(s, first->threads.at[k]);
	for (u32 i = 0; i < cnt; i++)
		if (fold->pile[order[i]] == h && order[i] != pile->first)
			join(s, first, &s->out->at.at[order[i]]);
	say_together(s, first, pile);
	ct_found__cost(s, first, cost_ns > first->cost_ns ? cost_ns : first->cost_ns);
}

/* Those that another one speaks for are taken out. */
static void drop_folded(struct fold *fold)
{
	struct ct_finding_list *l = fold->s->out;
	u32 cnt = 0;

	for (u32 i = 0; i < l->at.cnt; i++) {
		if (is_folded(fold, i) && fold->piles.at[fold->pile[i]].first != i)
			ct_finding__clear(&l->at.at[i]);
		else
			l->at.at[cnt++] = l->at.at[i];
	}
	l->at.cnt = cnt;
}

struct by_cost {
	ct_ns cost_ns;
	u32 index;
};

static int compare_costs(const void *a, const void *b)
{
	const struct by_cost *x = a, *y = b;

	if (x->cost_ns != y->cost_ns)
		return x->cost_ns > y->cost_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Indices of the findings, most cost first. */
static u32 *order_findings(const struct ct_finding_list *l)
{
	struct by_cost *by = ct_alloc(((size_t)l->at.cnt + 1) * sizeof(*by));
	u32 *order = ct_alloc(((size_t)l->at.cnt + 1) * sizeof(*order));

	for (u32 i = 0; i < l->at.cnt; i++)
		by[i] = (struct by_cost){ l->at.at[i].cost_ns, i };
	if (l->at.cnt)
		qsort(by, l->at.cnt, sizeof(*by), compare_costs);
	for (u32 i = 0; i < l->at.cnt; i++)
		order[i] = by[i].index;
	free(by);
	return order;
}

void ct_findings__fold(struct ct_search *s)
{
	struct fold fold = { .s = s, .texts = ct_strtab__new(), .index = ct_table__new() };
	u32 *order = order_findings(s->out);

	fold.pile = ct_alloc(((size_t)s->out->at.cnt + 1) * sizeof(*fold.pile));
	for (u32 i = 0; i < s->out->at.cnt; i++)
		sort_in(&fold, i);
	for (u32 h = 0; h < fold.piles.cnt; h++)
		if (fold.piles.at[h].cnt >= ct_threshold(CT_T_FOLD_LOCKS))
			fold_pile(&fold, h, order, s->out->at.cnt);
	drop_folded(&fold);
	free(order);
	free(fold.pile);
	ct_vec_free(&fold.piles);
	ct_table__free(fold.index);
	ct_strtab__free(fold.texts);
}
