/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A series of runs summed up, as text: each run, how long they took and how much that differs, and
 * how they came out (series_outcomes.c).  A run that Ctrl-C ended is listed, and no figure counts
 * it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"

#define WIDTH_DEFAULT 80u
#define WIDTH_LEAST 60u
#define RUNS_LISTED 20u /* verbose: all */
#define PLURAL(n) ((n) == 1 ? "" : "s")

u32 ct_series__counted(const struct ct_series_in *in)
{
	return in->cnt - (in->interrupted && in->cnt ? 1 : 0);
}

struct ct_spread ct_series__spread(const struct ct_series_in *in, const char *what)
{
	u32 cnt = ct_series__counted(in);
	double *values = ct_alloc((cnt + 1) * sizeof(*values));
	struct ct_spread s;

	bool lossy = false;

	for (u32 i = 0; i < cnt; i++) {
		values[i] = ct_profile__get(&in->runs[i], CT_GROUP_RUN, "", what);
		lossy |= in->runs[i].lost_events > 0;
	}
	s = ct_spread_of(values, cnt ? cnt : 1);
	s.lossy = lossy && strcmp(what, "duration"); /* that the clock says */
	free(values);
	return s;
}

/* ---- text ---- */

static void write_range(struct ct_page *page, const char *title, u32 unit, struct ct_spread s)
{
	char median[CT_FMT_LEN], least[CT_FMT_LEN], most[CT_FMT_LEN], off[CT_FMT_LEN];

	ct_spread_words(median, unit, &s);
	ct_figure_words(least, unit, s.least);
	ct_figure_words(most, unit, s.most);
	ct_fmt_share(off, (u64)((s.most - s.least) * 1000), (u64)(s.median * 1000));
	ct_page__ink(page, CT_INK_STRONG, false, title);
	ct_page__stop(page, 13);
	ct_page__printf(page, "%s (median), %s%s to %s: %s apart", median, s.lossy ? "~" : "",
		least, most, off);
	ct_page__end(page);
}

/* What a run shook with and lost, beside its ending. */
static void write_watched(struct ct_page *page, const struct ct_series_in *in, u32 run)
{
	const struct ct_profile *p = &in->runs[run];
	char count[CT_FMT_LEN];
	u64 lost = 0;

	if (in->seeds) {
		ct_page__printf(page, "seed %" PRIu64, in->seeds[run]);
		ct_page__stop(page, page->column + 2);
	}
	for (u32 i = 0; i < p->watched.cnt; i++)
		lost += p->watched.at[i].lost;
	if (p->watched.cnt) {
		ct_page__printf(page, "%s lost", ct_fmt_count(count, lost));
		ct_page__stop(page, page->column + 2);
	}
}

static void write_runs(struct ct_page *page, const struct ct_series_in *in, bool verbose)
{
	u32 column = 20;

	for (u32 i = 0; i < in->cnt; i++) {
		char *ending = ct_series__ending(in, i);

		column = ct_columns(ending) > column ? ct_columns(ending) : column;
		free(ending);
	}
	for (u32 i = 0; i < in->cnt; i++) {
		char took[CT_FMT_LEN], *ending, *name;

		if (i >= RUNS_LISTED && i + 1 < in->cnt && i != in->outcomes->first_bad && !verbose)
			continue;
		ending = ct_series__ending(in, i);
		name = ct_page__safe(page, in->names[i]);
		ct_page__printf(page, "  run %" PRIu32, i + 1);
		ct_page__right(page, 20, ct_fmt_ns(took, in->runs[i].duration_ns));
		ct_page__stop(page, 22);
		ct_page__put(page, ending);
		ct_page__stop(page, 22 + column + 2);
		write_watched(page, in, i);
		/* the name of a file is of no use without its end */
		if (page->column + ct_columns(name) > page->width) {
			ct_page__end(page);
			ct_page__stop(page, 22);
		}
		ct_page__put(page, name);
		ct_page__end(page);
		free(name);
		free(ending);
	}
}

static void write_loss(struct ct_page *page, const struct ct_series_in *in)
{
	char lost[CT_FMT_LEN];
	u64 events = 0;
	u32 runs = 0;

	for (u32 i = 0; i < in->cnt; i++) {
		events += in->runs[i].lost_events;
		runs += in->runs[i].lost_events > 0;
	}
	ct_page__ink(page, CT_INK_STRONG, false, "Lost events");
	ct_page__stop(page, 13);
	if (events)
		ct_page__printf(page, "%s in %" PRIu32 " run%s: figures may be off",
			ct_fmt_count(lost, events), runs, PLURAL(runs));
	else
		ct_page__put(page, "none");
	ct_page__end(page);
}

int ct_series__write(const struct ct_series_in *in, const struct ct_report_opts *opts, FILE *out)
{
	u32 width = opts->width ? opts->width : WIDTH_DEFAULT;
	struct ct_page page = { .out = out, .colour = opts->colour, .unicode = opts->unicode,
		.width = width < WIDTH_LEAST ? WIDTH_LEAST : width };
	char *program, *all;

	if (!in->cnt)
		return 0;
	program = ct_page__safe(&page, in->runs[0].program);
	all = in->cnt < in->wanted ? ct_asprintf(" of %" PRIu32, in->wanted) : ct_strdup("");
	ct_page__ink(&page, CT_INK_STRONG, false, program);
	ct_page__printf(&page, ": %" PRIu32 "%s run%s", in->cnt, all, PLURAL(in->cnt));
	ct_page__end(&page);
	write_runs(&page, in, opts->verbose);
	if (ct_series__counted(in)) {
		write_range(&page, "Duration", CT_UNIT_NS, ct_series__spread(in, "duration"));
		write_range(&page, "Ran at once", CT_UNIT_RATIO,
			ct_series__spread(in, "mean_running"));
	}
	ct_series__outcomes(&page, in, opts->verbose);
	write_loss(&page, in);
	free(all);
	free(program);
	return ferror(out) ? -EIO : 0;
}
