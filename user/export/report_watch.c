/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's watched variables: one line each (the map of what is shared), and under a variable
 * whose updates are lost the shortest interleaving that was seen, as a table to be read from the
 * top, each thread in a column of its own:
 *
 *     counter  8 bytes; read 8,001, written 8,000 times by 5 threads; unguarded
 *       worker-1 2,000 and 2,000; worker-3 ...
 *                    worker-1         worker-3
 *            0 ns    reads 512                         count_visit (race.c:57)
 *         91.2 us                     reads 512        count_visit (race.c:57)
 *          182 us                     writes 513       count_visit (race.c:57)
 *         8.04 ms    writes 513                        count_visit (race.c:57)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_watch_int.h"

#define NAME_SIZE 512
#define FACT_COLUMN 4u
#define TIME_END 14u
#define LANE_MIN 14u
#define LANE_MAX 22u
#define SHARERS 4u /* named one by one; with -v, all */

static enum ct_ink ink_of(const struct ct_shared *v)
{
	return v->sharing == CT_SHARE_UNGUARDED ? CT_INK_WARN
	       : v->sharing == CT_SHARE_MIXED	? CT_INK_ORANGE
						: CT_INK_PLAIN;
}

/* "once", "12,001 times" */
static const char *describe_count(const struct ct_report *r, char *buf, u64 n)
{
	char cnt[CT_FMT_LEN];

	if (n > 1)
		snprintf(buf, CT_FMT_LEN, "%s times", ct_report__count(r, cnt, n));
	else
		snprintf(buf, CT_FMT_LEN, "%s", n ? "once" : "never");
	return buf;
}

static char *describe_touches(const struct ct_report *r, const struct ct_shared *v)
{
	u32 size = r->m->watched.at[v->watched].size;
	const char *bytes = size == 1 ? "byte" : "bytes";
	char reads[CT_FMT_LEN], writes[CT_FMT_LEN];

	if (!v->users.cnt)
		return ct_asprintf("%" PRIu32 " %s", size, bytes);
	if (v->reads > 1 && v->writes > 1)
		return ct_asprintf("%" PRIu32 " %s, read %s and written %s times", size, bytes,
			ct_report__count(r, reads, v->reads),
			ct_report__count(r, writes, v->writes));
	return ct_asprintf("%" PRIu32 " %s, read %s, written %s", size, bytes,
		describe_count(r, reads, v->reads), describe_count(r, writes, v->writes));
}

static void write_variable(struct ct_report *r, const struct ct_shared *v, u32 more)
{
	const struct ct_watched *w = &r->m->watched.at[v->watched];
	char raw[NAME_SIZE];
	char *name = ct_page__safe(&r->page, ct_watched_name(r->m, w, raw, sizeof(raw)));
	char *setter = v->set_late == CT_NONE
			       ? NULL
			       : ct_report__thread(r, r->m->touches.at[v->set_late].thread);
	char *sharing = ct_watch_words(r->m, v, setter), *text, *safe;

	text = ct_asprintf("%s;", sharing);
	safe = ct_page__safe(&r->page, text);
	free(text);

	ct_page__shorten(&r->page, name, r->page.width / 2);
	ct_page__stop(&r->page, 2);
	ct_page__ink(&r->page, CT_INK_STRONG, false, name);
	if (more)
		ct_page__printf(&r->page, " and %" PRIu32 " more element%s", more,
			more == 1 ? "" : "s");
	ct_page__stop(&r->page, r->page.column + 2);
	ct_page__words(&r->page, FACT_COLUMN, ink_of(v), safe);
	ct_page__stop(&r->page, r->page.column + 1);
	text = describe_touches(r, v);
	ct_page__wrap(&r->page, FACT_COLUMN, text);
	free(text);
	free(safe);
	free(sharing);
	free(setter);
	free(name);
}

static void write_sharers(struct ct_report *r, const struct ct_shared *v)
{
	u32 shown = r->verbose || v->users.cnt <= SHARERS + 1 ? v->users.cnt : SHARERS;
	char *text = ct_strdup(""), *safe, *longer;

	if (v->users.cnt < 2 && !r->verbose)
		shown = 0;
	for (u32 i = 0; i < shown; i++) {
		const struct ct_sharer *u = &v->users.at[i];
		char reads[CT_FMT_LEN], writes[CT_FMT_LEN];
		char *name = ct_report__thread(r, u->thread);

		longer = ct_asprintf("%s%s%s %s/%s", text, i ? ", " : "read/written by ", name,
			ct_report__count(r, reads, u->reads),
			ct_report__count(r, writes, u->writes));
		free(name);
		free(text);
		text = longer;
	}
	if (shown && shown < v->users.cnt) {
		longer =
			ct_asprintf("%s, and %" PRIu32 " more threads", text, v->users.cnt - shown);
		free(text);
		text = longer;
	}
	if (shown) {
		safe = ct_page__safe(&r->page, text);
		ct_page__stop(&r->page, FACT_COLUMN);
		ct_page__wrap(&r->page, FACT_COLUMN, safe);
		free(safe);
	}
	free(text);
}

/* ---- the table of a lost update ---- */

static u32 lane_width(const struct ct_report *r)
{
	u32 width = (r->page.width - TIME_END) / 4;

	return width < LANE_MIN ? LANE_MIN : width > LANE_MAX ? LANE_MAX : width;
}

static void write_lanes(struct ct_report *r, const u32 threads[2])
{
	for (u32 i = 0; i < 2; i++) {
		char *name = ct_report__thread(r, threads[i]);

		ct_page__shorten(&r->page, name, lane_width(r) - 2);
		ct_page__stop(&r->page, TIME_END + 3 + i * lane_width(r));
		ct_page__ink(&r->page, CT_INK_STRONG, false, name);
		free(name);
	}
	ct_page__end(&r->page);
}

static const char *does(const struct ct_touch *t)
{
	if (!(t->how & CT_ACCESS_WRITE))
		return "reads";
	return t->how & CT_ACCESS_READ ? "makes it" : "writes";
}

static void write_touch(
	struct ct_report *r, const struct ct_touch *t, ct_ns since_ns, u32 lane, bool loses)
{
	const struct ct_watched *w = &r->m->watched.at[t->watched];
	char when[CT_FMT_LEN], value[CT_WATCHED_LEN];
	char *place = ct_report__place(r, t->frame), *what;

	ct_page__right(&r->page, TIME_END, ct_fmt_ns(when, t->ts - since_ns));
	ct_page__stop(&r->page, TIME_END + 3 + lane * lane_width(r));
	what = ct_asprintf(
		"%s %s", does(t), ct_watched_text(w, ct_watched_value(w, t->after), value));
	ct_page__ink(&r->page, loses ? CT_INK_WARN : CT_INK_PLAIN, false, what);
	ct_page__stop(&r->page, r->page.column + 2); /* a pointer may be wider than its lane */
	ct_page__stop(&r->page, TIME_END + 3 + 2 * lane_width(r));
	ct_report__fit_place(r, place, r->page.width - r->page.column);
	ct_page__put(&r->page, place);
	ct_page__end(&r->page);
	free(what);
	free(place);
}

static void write_witness(struct ct_report *r, const struct ct_shared *v)
{
	const struct ct_touch *touches = r->m->touches.at;
	const struct ct_touch *last = &touches[v->witness[v->witness_cnt - 1]];
	const struct ct_touch *first = &touches[v->witness[0]];
	u32 threads[2] = { last->thread, touches[v->witness[v->witness_cnt - 2]].thread };
	char times[CT_FMT_LEN], *text;

	text = v->lost == 1 ? ct_strdup("an update is lost, once in this run:")
			    : ct_asprintf("an update is lost, %s times in this run; the shortest:",
				      ct_report__count(r, times, v->lost));
	ct_page__wrap(&r->page, FACT_COLUMN, text);
	free(text);
	write_lanes(r, threads);
	for (u32 i = 0; i < v->witness_cnt; i++) {
		const struct ct_touch *t = &touches[v->witness[i]];

		write_touch(r, t, first->ts, t->thread == threads[1], t == last);
	}
}

static void write_sum(struct ct_report *r, const struct ct_shared *v)
{
	const struct ct_watched *w = &r->m->watched.at[v->watched];
	char values[3][CT_WATCHED_LEN], *text;

	if (!v->lost || !v->complete || !v->counter || v->expected == v->last)
		return;
	text = ct_asprintf("it began as %s, ended as %s, and should have ended as %s",
		ct_watched_text(w, v->first, values[0]), ct_watched_text(w, v->last, values[1]),
		ct_watched_text(w, v->expected, values[2]));
	ct_page__wrap(&r->page, FACT_COLUMN, text);
	free(text);
}

void ct_report__watch(struct ct_report *r)
{
	struct ct_watch_rows rows;
	char *view;

	if (!r->facts->sharing.at.cnt)
		return;
	view = ct_watch_describe_view(r);
	ct_report__heading(r, "Watched variables");
	ct_page__stop(&r->page, r->page.column + 2);
	ct_page__wrap(&r->page, 2, view);
	free(view);
	ct_watch_rows__make(&rows, r);
	for (u32 i = 0; i < rows.at.cnt; i++) {
		const struct ct_watch_row *row = &rows.at.at[i];

		write_variable(r, &row->v, row->more);
		write_sharers(r, &row->v);
		if (row->v.witness_cnt)
			write_witness(r, &row->v);
		write_sum(r, &row->v);
	}
	ct_watch_rows__say_rest(r, &rows);
	ct_watch_rows__clear(&rows);
}
