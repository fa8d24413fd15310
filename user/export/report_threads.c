/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's threads: one row each, with its bar, the shares of its life and what it waited for
 * most.
 *
 * Up to ROWS threads have a row of their own, in the order in which they started.  More are put
 * together by name, numbers apart ("worker-* (40 threads)"; the program's first thread stays
 * alone), and their times are added up; if there are still too many rows, those with the most work
 * or contention stay and the rest is one row.  No thread is left out of the sums.
 *
 * Shares are of a thread's life; "waiting" is all blocked time (off-CPU and not runnable).
 * O(threads + slices) time; the bars' cells exist for one row at a time.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_int.h"

#define ROWS 12u
#define ROWS_VERBOSE 200u
#define INDENT 2u
#define NARROW 80u /* below this many columns: short headings, short names */
#define BAR_MAX 100u

struct row {
	char *label;
	char *mostly; /* place; NULL: it never waited */
	char *mostly_short;
	CT_VEC(u32) threads; /* indices, by start */
	ct_ns state_ns[CT_SHOWN];
	ct_ns life_ns;
	ct_ns work_ns; /* what it is ranked by */
	u32 first;     /* its first thread: breaks ties */
	u32 reason;    /* state it waited in most; CT_SHOWN: none */
	bool lossy;
};

struct table {
	CT_VEC(struct row) rows;
	struct ct_table *by_key;
	struct ct_strtab *keys;
	u32 label_width, bar_width, figure_width[3], reason_width, place_width;
	bool short_places;
	bool used[CT_SHOWN_LOST + 1];
};

/* ---- which threads make a row ---- */

/* "worker-12" -> "worker-*" */
static char *name_pattern(const char *name)
{
	char *pattern = ct_alloc(strlen(name) + 2);
	char *to = pattern;
	while (*name) {
		if (!isdigit((u8)*name)) {
			*to++ = *name++;
			continue;
		}
		name += strspn(name, "0123456789");
		*to++ = '*';
	}
	return pattern;
}

/* What a thread mostly did: busy (on a CPU or ready for one), or the state it waited in longest.
 * Threads of one name that differ in it are not shown as one: the odd one out is what to look
 * for. */
static u32 habit_of(const struct ct_thread *t)
{
	ct_ns busy = t->state_ns[CT_RUNNING] + t->state_ns[CT_RUNNABLE];
	u32 most = CT_RUNNING;

	if (2 * busy > t->end_ns - t->start_ns)
		return CT_RUNNING;
	for (u32 s = CT_RUNNABLE + 1; s < CT_STATES; s++)
		if (t->state_ns[s] > (most == CT_RUNNING ? 0 : t->state_ns[most]))
			most = s;
	return most;
}

static u32 row_for(struct table *t, const struct ct_model *m, u32 thread, bool grouped)
{
	char *pattern = name_pattern(ct_thread_name(m, thread));
	char *text = ct_asprintf("%s\n%u", pattern, habit_of(&m->threads.at[thread]));
	u32 key = ct_strtab__add(t->keys, text);
	bool root = m->threads.at[thread].flags & CT_THREAD_ROOT;
	u64 apart = grouped && !root ? 0 : (u64)thread + 1;
	free(pattern);
	free(text);
	u32 row = ct_table__get(t->by_key, key, apart);
	if (row != CT_NONE)
		return row;
	row = t->rows.cnt;
	ct_table__set(t->by_key, key, apart, row);
	ct_vec_push(&t->rows)->first = thread;
	return row;
}

static void add_thread(struct row *row, const struct ct_model *m, u32 thread)
{
	const struct ct_thread *t = &m->threads.at[thread];
	*ct_vec_push(&row->threads) = thread;
	row->life_ns += t->end_ns - t->start_ns;
	row->lossy |= !!(t->flags & CT_THREAD_LOSS);
	for (u32 s = 0; s < CT_STATES; s++)
		row->state_ns[s] += t->state_ns[s];
	for (u32 i = 0; i < t->slices.cnt && t->state_ns[CT_OTHER]; i++) {
		const struct ct_slice *s = &t->slices.at[i];

		if (ct_shown_state(m, s) != CT_SHOWN_SIGNAL)
			continue;
		row->state_ns[CT_OTHER] -= ct_slice_end(t, i) - s->start_ns;
		row->state_ns[CT_SHOWN_SIGNAL] += ct_slice_end(t, i) - s->start_ns;
	}
}

/* What a row is ranked by: the time in which it had something to do, done or held up. */
static ct_ns work_of(const struct row *row)
{
	static const u8 rest[] = { CT_SLEEP, CT_POLL, CT_COND, CT_JOIN, CT_CHILD, CT_STOPPED };
	ct_ns work_ns = row->life_ns;
	for (u32 i = 0; i < CT_COUNT(rest); i++)
		work_ns -= row->state_ns[rest[i]];
	return work_ns;
}

static int compare_work(const void *a, const void *b)
{
	const struct row *x = a;
	const struct row *y = b;
	if (x->work_ns != y->work_ns)
		return x->work_ns > y->work_ns ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

/* All rows from `keep` on become one. */
static void merge_rest(struct table *t, const struct ct_model *m, u32 keep)
{
	struct row *rest = &t->rows.at[keep];
	for (u32 i = keep + 1; i < t->rows.cnt; i++) {
		struct row *row = &t->rows.at[i];
		for (u32 j = 0; j < row->threads.cnt; j++)
			add_thread(rest, m, row->threads.at[j]);
		ct_vec_free(&row->threads);
	}
	rest->label = ct_asprintf("others (%" PRIu32 " threads)", rest->threads.cnt);
	t->rows.cnt = keep + 1;
}

static bool all_same_name(const struct ct_model *m, const struct row *row)
{
	for (u32 i = 1; i < row->threads.cnt; i++) {
		if (m->threads.at[row->threads.at[i]].name != m->threads.at[row->first].name)
			return false;
	}
	return true;
}

static u32 label_most(const struct ct_page *page)
{
	return page->width < NARROW ? 12 : page->width < 100 ? 20 : 28;
}

/* Threads that nobody named have the program's name: then the function they started in is shown,
 * too, where there is room. */
static char *thread_label(const struct ct_report *r, u32 thread)
{
	const struct ct_model *m = r->m;
	const struct ct_thread *t = &m->threads.at[thread];
	char *label = ct_report__thread(r, thread), raw[512], *start, *longer;

	if (!t->start_frame || t->tid == m->processes.at[t->process].pid ||
		t->name != m->processes.at[t->process].name)
		return label;
	ct_frame_name(m->names, t->start_frame, raw, sizeof(raw));
	if (strstr(raw, " ("))
		*strstr(raw, " (") = '\0';
	start = ct_page__safe(&r->page, raw);
	longer = ct_asprintf("%s %s", label, start);
	free(start);
	if (ct_columns(longer) > label_most(&r->page)) {
		free(longer);
		return label;
	}
	free(label);
	return longer;
}

static char *row_label(const struct ct_report *r, const struct row *row)
{
	if (row->threads.cnt == 1)
		return thread_label(r, row->first);
	const char *name = ct_thread_name(r->m, row->first);
	char *pattern = all_same_name(r->m, row) ? ct_strdup(name) : name_pattern(name);
	char *safe = ct_page__safe(&r->page, *pattern ? pattern : "no name");
	const char *word = r->page.width < 100 ? "" : " threads";
	char *label = ct_asprintf("%s (%" PRIu32 "%s)", safe, row->threads.cnt, word);
	free(pattern);
	free(safe);
	return label;
}

static void collect_rows(struct table *t, const struct ct_report *r)
{
	u32 most = r->verbose ? ROWS_VERBOSE : ROWS;
	bool grouped = r->m->threads.cnt > most;
	t->by_key = ct_table__new();
	t->keys = ct_strtab__new();
	for (u32 i = 0; i < r->m->threads.cnt; i++) {
		u32 row = row_for(t, r->m, i, grouped);
		add_thread(&t->rows.at[row], r->m, i);
	}
	if (t->rows.cnt > most) {
		for (u32 i = 0; i < t->rows.cnt; i++)
			t->rows.at[i].work_ns = work_of(&t->rows.at[i]);
		qsort(t->rows.at, t->rows.cnt, sizeof(*t->rows.at), compare_work);
		merge_rest(t, r->m, most - 1);
	}
	for (u32 i = 0; i < t->rows.cnt; i++) {
		if (!t->rows.at[i].label)
			t->rows.at[i].label = row_label(r, &t->rows.at[i]);
	}
}

/* ---- what a row waited for most ---- */

struct spot {
	u32 frame;
	ct_ns ns;
};

struct spots {
	struct ct_table *by_frame;
	CT_VEC(struct spot) at;
};

static void add_spots(struct spots *spots, const struct ct_model *m, u32 thread, u32 reason)
{
	const struct ct_thread *t = &m->threads.at[thread];
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		if (ct_shown_state(m, s) != reason || s->wait >= m->waits.cnt)
			continue;
		u32 frame = m->waits.at[s->wait].frame;
		u32 j = ct_table__get(spots->by_frame, frame, 0);
		if (j == CT_NONE) {
			j = spots->at.cnt;
			ct_table__set(spots->by_frame, frame, 0, j);
			ct_vec_push(&spots->at)->frame = frame;
		}
		spots->at.at[j].ns += ct_slice_end(t, i) - s->start_ns;
	}
}

/* The frame with the most time in the row's reason; the first one of equals. */
static u32 worst_frame(const struct ct_model *m, const struct row *row)
{
	struct spots spots = { .by_frame = ct_table__new() };
	struct spot worst = { 0 };
	for (u32 i = 0; i < row->threads.cnt; i++)
		add_spots(&spots, m, row->threads.at[i], row->reason);
	for (u32 i = 0; i < spots.at.cnt; i++) {
		if (spots.at.at[i].ns > worst.ns)
			worst = spots.at.at[i];
	}
	ct_table__free(spots.by_frame);
	ct_vec_free(&spots.at);
	return worst.frame;
}

/* "push (queue.c:12)" -> "queue.c:12"; what has no line stays. */
static char *short_place(const char *place)
{
	const char *open = strrchr(place, '(');
	size_t len = strlen(place);
	if (!open || open == place || open[-1] != ' ' || place[len - 1] != ')')
		return ct_strdup(place);
	return ct_strndup(open + 1, (size_t)(place + len - open) - 2);
}

static void find_reason(const struct ct_report *r, struct row *row)
{
	row->reason = CT_LOCK;
	for (u32 s = CT_LOCK; s < CT_SHOWN; s++) {
		if (row->state_ns[s] > row->state_ns[row->reason])
			row->reason = s;
	}
	if (!row->state_ns[row->reason]) {
		row->reason = CT_SHOWN;
		return;
	}
	row->mostly = ct_report__place(r, worst_frame(r->m, row));
	row->mostly_short = short_place(row->mostly);
}

static const char *reason_word(u32 reason)
{
	return reason == CT_SHOWN ? "" : ct_shown_name(reason);
}

/* ---- the table ---- */

static u32 widest_place(const struct table *t, bool short_form)
{
	u32 widest = 0;
	for (u32 i = 0; i < t->rows.cnt; i++) {
		const struct row *row = &t->rows.at[i];
		const char *place = short_form ? row->mostly_short : row->mostly;
		u32 columns = place ? ct_columns(place) : 0;
		if (columns > widest)
			widest = columns;
	}
	return widest;
}

static u32 min_u32(u32 a, u32 b)
{
	return a < b ? a : b;
}

static const char *mostly_heading(const struct ct_page *page)
{
	return page->width < 100 ? "mostly for" : "waits mostly for";
}

/* The bar gets half of what names and figures leave, more when the places need less. */
static void lay_out(struct table *t, const struct ct_page *page)
{
	bool narrow = page->width < NARROW;
	u32 label_max = label_most(page);
	u32 figures = 0;
	static const u8 wide_figures[] = { 7, 8, 7 };
	t->label_width = 7; /* the heading */
	for (u32 i = 0; i < 3; i++) {
		t->figure_width[i] = narrow ? 6 : wide_figures[i];
		figures += t->figure_width[i] + (narrow ? 0 : 1);
	}
	for (u32 i = 0; i < t->rows.cnt; i++) {
		struct row *row = &t->rows.at[i];
		ct_page__shorten(page, row->label, label_max);
		u32 columns = ct_columns(row->label) + INDENT;
		u32 reason = (u32)strlen(reason_word(row->reason));
		t->label_width = columns > t->label_width ? columns : t->label_width;
		t->reason_width = reason > t->reason_width ? reason : t->reason_width;
	}
	u32 heading = (u32)strlen(mostly_heading(page));
	u32 rest = page->width - t->label_width - 1 - 1 - figures - 2 - t->reason_width - 1;
	u32 half = rest / 2;
	u32 wanted = widest_place(t, false);
	t->short_places = wanted > rest - half;
	if (t->short_places)
		wanted = widest_place(t, true);
	if (wanted + t->reason_width + 1 < heading)
		wanted = heading - t->reason_width - 1;
	t->place_width = min_u32(wanted, rest - half);
	t->bar_width = min_u32(rest - t->place_width, BAR_MAX);
}

static void write_head(struct table *t, struct ct_report *r)
{
	static const char *const wide[] = { "running", "runnable", "waiting" };
	static const char *const narrow[] = { "run", "ready", "wait" };
	struct ct_page *page = &r->page;
	bool is_narrow = page->width < NARROW;
	char end[CT_FMT_LEN];
	ct_page__ink(page, CT_INK_STRONG, false, "Threads");
	ct_page__stop(page, t->label_width + 1);
	ct_page__ink(page, CT_INK_DIM, false, "0");
	u32 column = t->label_width + 1 + t->bar_width;
	ct_fmt_ns(end, r->m->end_ns - r->m->start_ns);
	ct_page__stop(page, column - min_u32(column, ct_columns(end)));
	ct_page__ink(page, CT_INK_DIM, false, end);
	column += 1;
	for (u32 i = 0; i < 3; i++) {
		column += t->figure_width[i] + !is_narrow;
		ct_page__right(page, column, is_narrow ? narrow[i] : wide[i]);
	}
	ct_page__stop(page, column + 2);
	ct_page__put(page, mostly_heading(page));
	ct_page__end(page);
}

static void write_row(struct table *t, struct ct_report *r, struct row *row)
{
	struct ct_page *page = &r->page;
	ct_ns running = row->state_ns[CT_RUNNING];
	ct_ns runnable = row->state_ns[CT_RUNNABLE];
	ct_ns figures[] = { running, runnable, row->life_ns - running - runnable };
	struct ct_bar bar;
	ct_page__stop(page, INDENT);
	ct_page__put(page, row->label);
	ct_page__stop(page, t->label_width + 1);
	ct_bar__init(&bar, t->bar_width);
	for (u32 i = 0; i < row->threads.cnt; i++)
		ct_bar__add(&bar, r->m, &r->m->threads.at[row->threads.at[i]]);
	ct_bar__draw(&bar, page, t->used);
	ct_bar__clear(&bar);
	u32 column = t->label_width + 1 + t->bar_width + 1;
	for (u32 i = 0; i < 3; i++) {
		char share[CT_FMT_LEN];
		column += t->figure_width[i] + (page->width >= NARROW);
		ct_page__right(page, column,
			ct_report__share(share, figures[i], row->life_ns, row->lossy));
	}
	ct_page__stop(page, column + 2);
	ct_page__put(page, reason_word(row->reason));
	ct_page__stop(page, column + 2 + t->reason_width + 1);
	char *place = t->short_places ? row->mostly_short : row->mostly;
	if (place) {
		ct_report__fit_place(r, place, page->width - min_u32(page->column, page->width));
		ct_page__put(page, place);
	}
	ct_page__end(page);
}

/* Only what the bars show. */
static void write_legend(const struct table *t, struct ct_page *page)
{
	ct_page__stop(page, INDENT);
	for (u32 s = 0; s <= CT_SHOWN_LOST; s++) {
		if (!t->used[s])
			continue;
		const struct ct_look *look = ct_look_of(s);
		const char *name = ct_shown_name(s);
		const char *more = s == CT_RUNNABLE ? " (waits for a CPU)" : "";
		if (page->column + 4 + strlen(name) + strlen(more) > page->width) {
			ct_page__end(page);
			ct_page__stop(page, INDENT);
		}
		ct_page__ink(page, look->ink, look->filled,
			page->unicode ? look->unicode : look->ascii);
		ct_page__stop(page, page->column + 1);
		ct_page__ink(page, CT_INK_DIM, false, name);
		ct_page__ink(page, CT_INK_DIM, false, more);
		ct_page__stop(page, page->column + 3);
	}
	ct_page__end(page);
}

static void write_group_hint(const struct table *t, struct ct_page *page)
{
	for (u32 i = 0; i < t->rows.cnt; i++) {
		if (t->rows.at[i].threads.cnt < 2)
			continue;
		ct_page__stop(page, INDENT);
		ct_page__ink(page, CT_INK_DIM, false,
			"(N threads): alike, and shown as one; -v shows each");
		ct_page__end(page);
		return;
	}
}

static void clear_table(struct table *t)
{
	for (u32 i = 0; i < t->rows.cnt; i++) {
		free(t->rows.at[i].label);
		free(t->rows.at[i].mostly);
		free(t->rows.at[i].mostly_short);
		ct_vec_free(&t->rows.at[i].threads);
	}
	ct_vec_free(&t->rows);
	ct_table__free(t->by_key);
	ct_strtab__free(t->keys);
}

void ct_report__threads(struct ct_report *r)
{
	struct table t = { 0 };
	collect_rows(&t, r);
	for (u32 i = 0; i < t.rows.cnt; i++)
		find_reason(r, &t.rows.at[i]);
	if (t.rows.cnt) {
		lay_out(&t, &r->page);
		ct_page__end(&r->page);
		write_head(&t, r);
		for (u32 i = 0; i < t.rows.cnt; i++)
			write_row(&t, r, &t.rows.at[i]);
		write_legend(&t, &r->page);
		write_group_hint(&t, &r->page);
	}
	clear_table(&t);
}
