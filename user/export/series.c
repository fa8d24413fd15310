/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A series of runs summed up, as text and as JSON: how long they took and how much that differs,
 * how they ended, which findings were made in how many.  A run that Ctrl-C ended is listed and not
 * counted.
 *
 * JSON, schema 1: wanted (runs), interrupted (the last one was); runs: as in diff_json.c;
 * duration_ns, mean_running: median least most; exit_status: {"0": runs, ...}; findings: id
 * severity runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"

#define SCHEMA 1
#define WIDTH_DEFAULT 80u
#define WIDTH_LEAST 60u
#define RUNS_LISTED 20u /* verbose: all */
#define PLURAL(n) ((n) == 1 ? "" : "s")

static u32 counted(const struct ct_series_in *in)
{
	return in->cnt - (in->interrupted && in->cnt ? 1 : 0);
}

static struct ct_spread spread_of(const struct ct_series_in *in, const char *what)
{
	u32 cnt = counted(in);
	double *values = ct_alloc((cnt + 1) * sizeof(*values));
	struct ct_spread s;

	for (u32 i = 0; i < cnt; i++)
		values[i] = ct_profile__get(&in->runs[i], CT_GROUP_RUN, "", what);
	s = ct_spread_of(values, cnt ? cnt : 1);
	free(values);
	return s;
}

static u32 count_made(const struct ct_series_in *in, u32 kind, u32 *severity)
{
	u32 runs = 0;

	*severity = 0;
	for (u32 i = 0; i < counted(in); i++)
		for (u32 k = 0; k < in->runs[i].made.cnt; k++) {
			const struct ct_made *made = &in->runs[i].made.at[k];

			if (made->kind != kind)
				continue;
			runs++;
			*severity = made->severity > *severity ? made->severity : *severity;
		}
	return runs;
}

/* ---- text ---- */

static void write_range(struct ct_page *page, const char *title, u32 unit, struct ct_spread s)
{
	char median[CT_FMT_LEN], least[CT_FMT_LEN], most[CT_FMT_LEN], off[CT_FMT_LEN];

	ct_figure_words(median, unit, s.median);
	ct_figure_words(least, unit, s.least);
	ct_figure_words(most, unit, s.most);
	ct_fmt_share(off, (u64)((s.most - s.least) * 1000), (u64)(s.median * 1000));
	ct_page__ink(page, CT_INK_STRONG, false, title);
	ct_page__stop(page, 13);
	ct_page__printf(page, "%s (median), %s to %s: %s apart", median, least, most, off);
	ct_page__end(page);
}

static void write_runs(struct ct_page *page, const struct ct_series_in *in, bool verbose)
{
	for (u32 i = 0; i < in->cnt; i++) {
		bool last = i + 1 == in->cnt;
		char took[CT_FMT_LEN], *outcome, *name;

		if (i >= RUNS_LISTED && !last && !verbose)
			continue;
		outcome = ct_outcome_words(&in->runs[i]);
		name = ct_page__safe(page, in->names[i]);
		ct_page__printf(page, "  run %" PRIu32, i + 1);
		ct_page__right(page, 20, ct_fmt_ns(took, in->runs[i].duration_ns));
		ct_page__stop(page, 22);
		ct_page__put(page, in->interrupted && last ? "interrupted" : outcome);
		ct_page__stop(page, 44);
		ct_page__put(page, name);
		ct_page__end(page);
		free(name);
		free(outcome);
	}
}

static char *outcomes(const struct ct_series_in *in)
{
	u32 cnt = counted(in);
	char *line = ct_strdup("");

	for (u32 i = 0; i < cnt; i++) {
		char *outcome = ct_outcome_words(&in->runs[i]), *longer;
		u32 same = 0;
		bool said = false;

		for (u32 k = 0; k < cnt; k++) {
			char *other = ct_outcome_words(&in->runs[k]);

			said |= k < i && !strcmp(outcome, other);
			same += !strcmp(outcome, other);
			free(other);
		}
		if (!said) {
			longer = ct_asprintf("%s%s%s in %" PRIu32 " of %" PRIu32 " runs", line,
				*line ? ", " : "", outcome, same, cnt);
			free(line);
			line = longer;
		}
		free(outcome);
	}
	return line;
}

static void write_findings(struct ct_page *page, const struct ct_series_in *in)
{
	const char *title = "Findings";

	for (u32 k = 0; k < CT_FINDINGS; k++) {
		u32 severity, runs = count_made(in, k, &severity);

		if (!runs)
			continue;
		ct_page__ink(page, CT_INK_STRONG, false, title);
		ct_page__stop(page, 13);
		ct_page__printf(page, "%s%s%s in %" PRIu32 " of %" PRIu32 " runs", ct_finding_id(k),
			severity > CT_SEV_INFO ? ", " : "",
			severity > CT_SEV_INFO ? ct_severity_name(severity) : "", runs,
			counted(in));
		ct_page__end(page);
		title = "";
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
	if (counted(in)) {
		char *ends = outcomes(in);

		write_range(&page, "Duration", CT_UNIT_NS, spread_of(in, "duration"));
		write_range(&page, "Ran at once", CT_UNIT_RATIO, spread_of(in, "mean_running"));
		ct_page__ink(&page, CT_INK_STRONG, false, "Outcome");
		ct_page__stop(&page, 13);
		ct_page__wrap(&page, 13, ends);
		write_findings(&page, in);
		free(ends);
	}
	write_loss(&page, in);
	free(all);
	free(program);
	return ferror(out) ? -EIO : 0;
}

/* ---- JSON ---- */

static json_t *status_counts(const struct ct_series_in *in)
{
	json_t *o = json_object();

	for (u32 i = 0; i < counted(in); i++) {
		const struct ct_profile *p = &in->runs[i];
		char key[16] = "null";
		json_t *old;

		if (p->ended && !p->attached)
			snprintf(key, sizeof(key), "%" PRIu32, ct_shell_status(p->wait_status));
		old = json_object_get(o, key);
		json_object_set_new(
			o, key, json_integer(old ? json_integer_value(old) + 1 : 1));
	}
	return o;
}

static json_t *finding_counts(const struct ct_series_in *in)
{
	json_t *rows = json_array();

	for (u32 k = 0; k < CT_FINDINGS; k++) {
		u32 severity, runs = count_made(in, k, &severity);
		json_t *o;

		if (!runs)
			continue;
		o = json_object();
		json_object_set_new(o, "id", json_string(ct_finding_id(k)));
		json_object_set_new(o, "severity", json_string(ct_severity_name(severity)));
		json_object_set_new(o, "runs", json_integer(runs));
		json_array_append_new(rows, o);
	}
	return rows;
}

int ct_series__write_json(const struct ct_series_in *in, FILE *out)
{
	json_t *root = json_object(), *runs = json_array();
	struct ct_spread duration = spread_of(in, "duration");
	struct ct_spread mean = spread_of(in, "mean_running");

	for (u32 i = 0; i < in->cnt; i++)
		json_array_append_new(runs, ct_profile__json(&in->runs[i], in->names[i]));
	json_object_set_new(root, "schema", json_integer(SCHEMA));
	json_object_set_new(root, "wanted", json_integer(in->wanted));
	json_object_set_new(root, "interrupted", json_boolean(in->interrupted));
	json_object_set_new(root, "runs", runs);
	json_object_set_new(root, "duration_ns", ct_spread__json(CT_UNIT_NS, &duration));
	json_object_set_new(root, "mean_running", ct_spread__json(CT_UNIT_RATIO, &mean));
	json_object_set_new(root, "exit_status", status_counts(in));
	json_object_set_new(root, "findings", finding_counts(in));
	return ct_json__dump(root, out);
}
