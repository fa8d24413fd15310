/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which watched variables get a row in the report, and how much of the run was seen of them.
 * Elements of one array of which the same can be said share a row; what had no turn under
 * --watch=auto, and what is left out, is counted.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_watch_int.h"

#define NAME_SIZE 512

/* ---- turns ---- */

/* When its process began to have several threads at once; start of the run: from the beginning, or
 * never. */
static ct_ns company_since(const struct ct_model *m, u32 process)
{
	ct_ns since_ns = UINT64_MAX;

	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];

		if (t->process == process && t->tid != m->processes.at[process].pid &&
			t->start_ns < since_ns)
			since_ns = t->start_ns;
	}
	return since_ns == UINT64_MAX ? m->start_ns : since_ns;
}

bool ct_watch_had_turn(const struct ct_model *m, const struct ct_watched *w)
{
	ct_ns since_ns = company_since(m, w->process);

	for (u32 i = 0; i < w->spans.cnt; i++)
		if (w->spans.at[i].end_ns > since_ns)
			return true;
	return w->touches.cnt > 0;
}

/* ---- elements of an array ---- */

/* The same but for numbers in brackets? */
static bool is_same_array(const char *a, const char *b)
{
	if (!strchr(a, '['))
		return false;
	while (*a && *a == *b) {
		bool index = *a == '[';

		a++;
		b++;
		if (!index || !isdigit((unsigned char)*a) || !isdigit((unsigned char)*b))
			continue;
		a += strspn(a, "0123456789");
		b += strspn(b, "0123456789");
	}
	return !*a && !*b;
}

/* Nothing but its place tells it from the others. */
static bool is_plain(const struct ct_shared *v)
{
	return !v->witness_cnt && v->racy[0] == CT_NONE;
}

/* The same can be said of both, or of one there is little to say: it was seen too rarely. */
static bool is_said_alike(const struct ct_shared *a, const struct ct_shared *b)
{
	if (a->sharing <= CT_SHARE_HANDED_ON || b->sharing <= CT_SHARE_HANDED_ON)
		return true;
	return a->sharing == b->sharing && a->shown_locks == b->shown_locks &&
	       a->unclear == b->unclear;
}

static bool is_alike(
	const struct ct_report *r, const struct ct_shared *a, const struct ct_shared *b)
{
	const struct ct_watched *x = &r->m->watched.at[a->watched];
	const struct ct_watched *y = &r->m->watched.at[b->watched];
	char one[NAME_SIZE], other[NAME_SIZE];

	return x->process == y->process && x->size == y->size && is_said_alike(a, b) &&
	       is_plain(a) && is_plain(b) &&
	       is_same_array(ct_watched_name(r->m, x, one, sizeof(one)),
		       ct_watched_name(r->m, y, other, sizeof(other)));
}

static void add_user(struct ct_shared *to, const struct ct_sharer *u)
{
	for (u32 i = 0; i < to->users.cnt; i++)
		if (to->users.at[i].thread == u->thread) {
			to->users.at[i].reads += u->reads;
			to->users.at[i].writes += u->writes;
			return;
		}
	*ct_vec_push(&to->users) = *u;
}

static void add_element(struct ct_watch_row *row, const struct ct_shared *v)
{
	if (v->sharing > row->v.sharing) {
		row->v.sharing = v->sharing;
		row->v.shown_locks = v->shown_locks;
		row->v.unclear = v->unclear;
	}
	row->v.reads += v->reads;
	row->v.writes += v->writes;
	row->v.unknown += v->unknown;
	row->more++;
	for (u32 i = 0; i < v->users.cnt; i++)
		add_user(&row->v, &v->users.at[i]);
}

static struct ct_watch_row row_of(const struct ct_shared *v)
{
	struct ct_watch_row row = { .v = *v };

	/* its own list of users: others are added to it */
	row.v.users.at = NULL;
	row.v.users.cnt = row.v.users.cap = 0;
	for (u32 i = 0; i < v->users.cnt; i++)
		*ct_vec_push(&row.v.users) = v->users.at[i];
	return row;
}

void ct_watch_rows__make(struct ct_watch_rows *out, const struct ct_report *r)
{
	const struct ct_sharings *l = &r->facts->sharing;
	bool some = !r->verbose && l->at.cnt > CT_WATCH_SLOTS;

	*out = (struct ct_watch_rows){ 0 };
	for (u32 i = 0; i < l->at.cnt; i++) {
		const struct ct_shared *v = &l->at.at[i];
		u32 k = 0;

		if (!ct_watch_had_turn(r->m, &r->m->watched.at[v->watched])) {
			out->turnless++;
			continue;
		}
		if (some && v->users.cnt < 2) {
			out->unshared++;
			continue;
		}
		while (some && k < out->at.cnt && !is_alike(r, &out->at.at[k].v, v))
			k++;
		if (some && k < out->at.cnt)
			add_element(&out->at.at[k], v);
		else if (some && out->at.cnt >= CT_WATCH_ROWS)
			out->beyond++;
		else
			*ct_vec_push(&out->at) = row_of(v);
	}
}

void ct_watch_rows__clear(struct ct_watch_rows *rows)
{
	for (u32 i = 0; i < rows->at.cnt; i++)
		ct_vec_free(&rows->at.at[i].v.users);
	ct_vec_free(&rows->at);
}

/* ---- what has no row ---- */

static void say(struct ct_report *r, u32 cnt, const char *one, const char *several)
{
	char *text;

	if (!cnt)
		return;
	text = ct_asprintf("%" PRIu32 " %s", cnt, cnt == 1 ? one : several);
	ct_page__wrap(&r->page, 2, text);
	free(text);
}

void ct_watch_rows__say_rest(struct ct_report *r, const struct ct_watch_rows *rows)
{
	say(r, rows->beyond, "more is shared (-v)", "more are shared (-v)");
	say(r, rows->unshared, "more was touched by one thread, or none, in its turns (-v)",
		"more were touched by one thread, or none, in their turns (-v)");
	say(r, rows->turnless,
		"had no turn while there were several threads: run longer, or name it",
		"had no turn while there were several threads: run longer, or name them");
}

/* ---- how much of it was seen ---- */

struct view {
	ct_ns least_ns; /* that one of them was watched */
	/* writes of the counter of which least was seen, by how far its values are apart */
	u64 seen, missed;
	bool gaps;
};

/* Of a variable that every write changes by the same: that many more must have been there. */
static void count_missed(const struct ct_model *m, const struct ct_watched *w, struct view *view)
{
	const struct ct_touch *last = NULL;
	u64 step = 0, far = 0, writes = 0;

	for (u32 i = 0; i < w->touches.cnt; i++) {
		const struct ct_touch *t = &m->touches.at[w->touches.at[i]];

		if (last && (t->flags & CT_TOUCH_GAP) && (t->how & CT_ACCESS_BEFORE))
			far += t->before - last->after;
		last = t;
		if (!(t->how & CT_ACCESS_WRITE))
			continue;
		writes++;
		if (!(t->how & CT_ACCESS_BEFORE) || (t->how & CT_ACCESS_CONST))
			return;
		if (!step)
			step = t->after - t->before;
		if (!step || t->after - t->before != step)
			return;
	}
	if (!step || far / step > UINT32_MAX || far % step)
		return;
	if (view->seen && far / step * view->seen <= view->missed * writes)
		return;
	view->seen = writes;
	view->missed = far / step;
}

static struct view look(const struct ct_report *r)
{
	struct view view = { .least_ns = UINT64_MAX };

	for (u32 i = 0; i < r->m->watched.cnt; i++) {
		const struct ct_watched *w = &r->m->watched.at[i];
		ct_ns seen_ns = 0;

		if (!ct_watch_had_turn(r->m, w)) {
			view.gaps = true;
			continue;
		}
		for (u32 k = 0; k < w->spans.cnt; k++)
			seen_ns += w->spans.at[k].end_ns - w->spans.at[k].start_ns;
		view.least_ns = seen_ns < view.least_ns ? seen_ns : view.least_ns;
		view.gaps |= w->spans.cnt != 1 || w->gaps;
		count_missed(r->m, w, &view);
	}
	return view;
}

/* A program that is not watched runs many times as fast as one that is: the share of the time is
 * not that of the accesses. */
char *ct_watch_describe_view(const struct ct_report *r)
{
	ct_ns run_ns = r->m->end_ns - r->m->start_ns;
	struct view view = look(r);
	char share[CT_FMT_LEN];

	if (r->lossy)
		return ct_asprintf("a sample: some were lost%s; more may have happened",
			view.gaps ? ", and not all asked for" : "");
	if (!view.gaps)
		return ct_strdup("every access; what did not happen in this run may in another");
	if (view.least_ns == UINT64_MAX)
		return ct_strdup("a sample: none had a turn; run longer");
	if (view.missed && view.seen * run_ns / (view.seen + view.missed) < view.least_ns)
		return ct_asprintf("a sample: of the variable least seen, %s of its writes, by the "
				   "values that were missed; more may have happened",
			ct_report__share(share, view.seen, view.seen + view.missed, false));
	ct_report__share(share, view.least_ns, run_ns, false);
	return ct_asprintf("a sample: each for %s%s of the time, perhaps far fewer of its accesses "
			   "(a watched program is slower); more may have happened",
		*share == '>' ? "" : "at least ", share);
}
