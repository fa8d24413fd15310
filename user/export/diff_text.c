/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sides of runs for people: the gain in one sentence, who was compared, then a table of what
 * differs beyond the noise, most of each group first, and the findings that came and went.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"

#define WIDTH_DEFAULT 80u
#define WIDTH_LEAST 60u
#define COLUMN 11u	 /* of A, of B, of the change */
#define COMMAND 48u
#define ROWS_OF_GROUP 6u /* verbose: all */
#define PLURAL(n) ((n) == 1 ? "" : "s")

struct diff_page {
	const struct ct_diff *d;
	struct ct_page page;
	bool verbose;
	u32 a_end, b_end, change_end; /* columns */
};


static void wrap_safe(struct ct_page *page, u32 indent, const char *s)
{
	char *safe = ct_page__safe(page, s);

	ct_page__wrap(page, indent, safe);
	free(safe);
}

/* ---- who ---- */

static char *side_words(const struct ct_page *page, const struct ct_diff_side *s,
	const char *const *names, double least, double most)
{
	char from[CT_FMT_LEN], to[CT_FMT_LEN];
	char *labels = ct_strdup(""), *words, *range;
	const struct ct_profile *p = &s->runs[0];
	char *command = ct_page__safe(page, p->command);

	ct_page__shorten(page, command, COMMAND);
	for (u32 i = 0; i < p->labels.cnt; i++) {
		char *longer = ct_asprintf("%s; %s", labels, p->labels.at[i]);

		free(labels);
		labels = longer;
	}
	ct_figure_words(from, CT_UNIT_NS, least);
	ct_figure_words(to, CT_UNIT_NS, most);
	range = strcmp(from, to) ? ct_asprintf("%s to %s", from, to) : ct_strdup(from);
	words = s->cnt == 1 ? ct_asprintf("%s: %s, %s%s", names[0], command, range, labels)
			    : ct_asprintf("%s and %" PRIu32 " more: %s, %" PRIu32 " runs of %s%s",
				      names[0], s->cnt - 1, command, s->cnt, range, labels);
	free(command);
	free(range);
	free(labels);
	return words;
}

static void write_sides(struct diff_page *p, const struct ct_diff_in *in)
{
	static const struct ct_spread none = { 0 };
	const struct ct_diff *d = p->d;
	bool known = d->duration_idx != CT_NONE;
	const struct ct_spread *a = known ? &d->at.at[d->duration_idx].a : &none;
	const struct ct_spread *b = known ? &d->at.at[d->duration_idx].b : &none;
	char *words = side_words(&p->page, &d->a, in->a_names, a->least, a->most);

	ct_page__put(&p->page, "A ");
	wrap_safe(&p->page, 2, words);
	free(words);
	words = side_words(&p->page, &d->b, in->b_names, b->least, b->most);
	ct_page__put(&p->page, "B ");
	wrap_safe(&p->page, 2, words);
	free(words);
}

static void write_remarks(struct diff_page *p)
{
	char *remarks[CT_DIFF_REMARKS_MAX], *noise = ct_diff__noise(p->d);
	u32 cnt = ct_diff__remarks(p->d, remarks);

	for (u32 i = 0; i < cnt; i++) {
		ct_page__ink(&p->page, CT_INK_WARN, false, "note:");
		ct_page__stop(&p->page, p->page.column + 1);
		wrap_safe(&p->page, 2, remarks[i]);
		free(remarks[i]);
	}
	ct_page__ink(&p->page, CT_INK_DIM, false, "noise:");
	ct_page__stop(&p->page, p->page.column + 1);
	ct_page__wrap(&p->page, 2, noise);
	free(noise);
}

/* ---- the table ---- */

static void write_row(struct diff_page *p, const struct ct_difference *r)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN], change[CT_FMT_LEN];
	char *label = ct_diff__label(r), *safe = ct_page__safe(&p->page, label);
	bool better = r->b.median < r->a.median; /* of times: less is better */

	ct_page__shorten(&p->page, safe, p->a_end - COLUMN - 2);
	ct_page__stop(&p->page, 2);
	ct_page__put(&p->page, safe);
	ct_page__right(&p->page, p->a_end, ct_spread_words(a, r->unit, &r->a));
	ct_page__right(&p->page, p->b_end, ct_spread_words(b, r->unit, &r->b));
	ct_diff__change(change, r);
	if (!r->beyond)
		snprintf(change, sizeof(change), "noise");
	ct_page__stop(&p->page, p->change_end - ct_columns(change));
	ct_page__ink(&p->page,
		!r->beyond || r->unit != CT_UNIT_NS ? CT_INK_PLAIN
			: better		    ? CT_INK_GREEN
						    : CT_INK_VERMILLION,
		false, change);
	ct_page__end(&p->page);
	free(safe);
	free(label);
}

static void write_heading(struct diff_page *p, u32 group)
{
	ct_page__end(&p->page);
	ct_page__ink(&p->page, CT_INK_STRONG, false, ct_diff__group_title(group));
	ct_page__right(&p->page, p->a_end, "A");
	ct_page__right(&p->page, p->b_end, "B");
	ct_page__right(&p->page, p->change_end, "change");
	ct_page__end(&p->page);
}

static void write_group(struct diff_page *p, u32 group)
{
	u32 shown = 0, left = 0;

	for (u32 i = 0; i < p->d->at.cnt; i++) {
		const struct ct_difference *r = &p->d->at.at[i];

		if (r->group != group || (!r->beyond && i != p->d->duration_idx))
			continue;
		if (shown >= ROWS_OF_GROUP && !p->verbose) {
			left++;
			continue;
		}
		if (!shown++)
			write_heading(p, group);
		write_row(p, r);
	}
	if (!left)
		return;
	ct_page__stop(&p->page, 2);
	ct_page__printf(&p->page, "and %" PRIu32 " more (-v)", left);
	ct_page__end(&p->page);
}

/* ---- findings ---- */

static void write_finding(struct diff_page *p, const struct ct_finding_change *c)
{
	enum ct_fate fate = ct_finding_fate(p->d, c);
	bool one = p->d->a.cnt == 1 && p->d->b.cnt == 1;
	bool bad = c->a_severity > CT_SEV_INFO || c->b_severity > CT_SEV_INFO;
	bool better = fate == CT_FATE_GONE || fate == CT_FATE_MILDER;
	bool worse = fate == CT_FATE_NEW || fate == CT_FATE_WORSE;

	ct_page__stop(&p->page, 2);
	ct_page__ink(&p->page,
		bad && better  ? CT_INK_GREEN
			: bad && worse ? CT_INK_VERMILLION
				       : CT_INK_PLAIN,
		false, ct_diff__fate(fate));
	ct_page__stop(&p->page, 14);
	ct_page__put(&p->page, ct_finding_id(c->kind));
	if (bad && c->a_runs && c->b_runs && c->a_severity != c->b_severity)
		ct_page__printf(&p->page, ", %s, was %s", ct_severity_name(c->b_severity),
			ct_severity_name(c->a_severity));
	else if (bad)
		ct_page__printf(&p->page, ", %s",
			ct_severity_name(c->a_runs ? c->a_severity : c->b_severity));
	if (!one)
		ct_page__printf(&p->page, " (%" PRIu32 " of %" PRIu32 " runs of A, %" PRIu32
			" of %" PRIu32 " of B)",
			c->a_runs, p->d->a.cnt, c->b_runs, p->d->b.cnt);
	ct_page__end(&p->page);
}

static void write_findings(struct diff_page *p)
{
	bool any = false;

	for (u32 i = 0; i < p->d->findings.cnt; i++) {
		const struct ct_finding_change *c = &p->d->findings.at[i];

		if (ct_finding_fate(p->d, c) == CT_FATE_SAME && !p->verbose)
			continue;
		if (!any) {
			ct_page__end(&p->page);
			ct_page__ink(&p->page, CT_INK_STRONG, false, "Findings");
			ct_page__end(&p->page);
		}
		any = true;
		write_finding(p, c);
	}
}

int ct_diff__write(const struct ct_diff_in *in, const struct ct_report_opts *opts, FILE *out)
{
	u32 width = opts->width ? opts->width : WIDTH_DEFAULT;
	char *headline = ct_diff__headline(in->diff), *whole;
	struct diff_page p = {
		.d = in->diff,
		.page = { .out = out, .colour = opts->colour, .unicode = opts->unicode,
			.width = width < WIDTH_LEAST ? WIDTH_LEAST : width },
		.verbose = opts->verbose,
	};

	/* a figure far from its name is hard to read */
	p.change_end = p.page.width > 100 ? 100 : p.page.width;
	p.b_end = p.change_end - COLUMN;
	p.a_end = p.b_end - COLUMN;
	whole = ct_asprintf("%s.", headline);
	wrap_safe(&p.page, 0, whole);
	free(whole);
	free(headline);
	write_sides(&p, in);
	write_remarks(&p);
	for (u32 group = 0; group < CT_GROUPS; group++)
		write_group(&p, group);
	write_findings(&p);
	return ferror(out) ? -EIO : 0;
}
