/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the runs of a series came out, as text: a row with a bar for each ending, each finding and
 * each part of a distribution, the first bad run with what shows it again, and what so few runs
 * cannot rule out.
 *
 *     Outcome      exit status 0                  4 of 5 runs  ################
 *                  killed by signal 11            1 of 5 runs  ####
 *     Findings     lost-update, high              3 of 5 runs  ############
 *     counter      an update was lost             3 of 5 runs  ############
 *       lost       0                              2 of 5 runs  ########
 *                  1 to 99                        3 of 5 runs  ############
 *     First bad    run 2 (killed by signal 11): ...
 *     Evidence     4 of 5 runs went wrong; ...
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"

#define LABEL_COLUMN 13u
#define COUNT_END 58u
#define COUNT_END_LEAST 50u /* on a narrow page */
#define BAR_LEAST 8u	    /* a shorter one tells nothing */
#define BAR_MOST 40u
#define QUIET_VARIABLES 4u /* so many are listed though nothing was found about them */

char *ct_series__ending(const struct ct_series_in *in, u32 run)
{
	const struct ct_profile *p = &in->runs[run];
	enum ct_hang_kind hang = ct_profile__hang(p);
	char *end = in->interrupted && run + 1 == in->cnt ? ct_strdup("interrupted")
							   : ct_outcome_words(p);
	char *whole;

	if (hang == CT_HANG_KINDS)
		return end;
	whole = ct_asprintf("%s, then %s", ct_hang_id(hang), end);
	free(end);
	return whole;
}

/* ---- rows ---- */

static void write_title(struct ct_page *page, const char *title)
{
	char *safe = ct_page__safe(page, title);

	ct_page__shorten(page, safe, page->width / 2);
	ct_page__ink(page, CT_INK_STRONG, false, safe);
	if (page->column + 1 >= LABEL_COLUMN)
		ct_page__end(page);
	free(safe);
}

static void write_row(
	struct ct_page *page, const char *title, const char *label, u32 runs, u32 of)
{
	u32 end = page->width < COUNT_END + BAR_LEAST ? COUNT_END_LEAST : COUNT_END;
	u32 bar = page->width - end - 2;
	char *count = ct_asprintf("%" PRIu32 " of %" PRIu32 " run%s", runs, of, of == 1 ? "" : "s");

	write_title(page, title);
	ct_page__stop(page, LABEL_COLUMN);
	ct_page__put(page, label);
	ct_page__stop(page, page->column + 2); /* whatever the label's length */
	ct_page__right(page, end, count);
	ct_page__stop(page, end + 2);
	if (bar >= BAR_LEAST)
		ct_page__bar(page, runs, of, bar < BAR_MOST ? bar : BAR_MOST);
	ct_page__end(page);
	free(count);
}

static void write_text(struct ct_page *page, const char *title, const char *text)
{
	char *safe = ct_page__safe(page, text);

	write_title(page, title);
	ct_page__stop(page, LABEL_COLUMN);
	ct_page__wrap(page, LABEL_COLUMN, safe);
	free(safe);
}

static void write_endings(struct ct_page *page, const struct ct_series_in *in)
{
	const struct ct_outcomes *o = in->outcomes;

	for (u32 i = 0; i < o->at.cnt; i++) {
		char *ending = ct_series__ending(in, o->at.at[i].first);

		write_row(page, i ? "" : "Outcome", ending, o->at.at[i].runs, o->runs);
		free(ending);
	}
}

static void write_findings(struct ct_page *page, const struct ct_outcomes *o)
{
	for (u32 i = 0; i < o->findings.cnt; i++) {
		const struct ct_finding_runs *f = &o->findings.at[i];
		bool told = f->severity > CT_SEV_INFO;
		char *label = ct_asprintf("%s%s%s", ct_finding_id(f->kind), told ? ", " : "",
			told ? ct_severity_name(f->severity) : "");

		write_row(page, i ? "" : "Findings", label, f->runs, o->runs);
		free(label);
	}
}

/* ---- watched variables ---- */

static void write_bins(struct ct_page *page, const char *title, const struct ct_bins *bins, u32 of)
{
	for (u32 i = 0; i < bins->at.cnt; i++) {
		const struct ct_bin *b = &bins->at.at[i];
		char *label = b->from == b->to
				      ? ct_asprintf("%" PRId64, b->from)
				      : ct_asprintf("%" PRId64 " to %" PRId64, b->from, b->to);

		write_row(page, i ? "" : title, label, b->runs, of);
		free(label);
	}
}

static void write_variable(struct ct_page *page, const struct ct_variable_runs *v)
{
	char *text;

	write_row(page, v->name, "an update was lost", v->lost_runs, v->runs);
	if (v->unguarded_runs)
		write_row(page, "", "shared, unguarded", v->unguarded_runs, v->runs);
	if (v->lost_runs)
		write_bins(page, "  lost", &v->lost, v->runs);
	if (!v->exact_runs || (v->right_runs == v->exact_runs && v->last.at.cnt > 1))
		return; /* not known; or as it should be, whatever that is in each run */
	write_bins(page, "  ended as", &v->last, v->exact_runs);
	if (v->right_runs == v->exact_runs)
		return;
	text = v->one_expected ? ct_asprintf("should be %" PRId64 ", and was in %" PRIu32
					     " of %" PRIu32 " runs",
					 v->expected, v->right_runs, v->exact_runs)
			       : ct_asprintf("as it should be, in %" PRIu32 " of %" PRIu32 " runs",
					 v->right_runs, v->exact_runs);
	write_text(page, "", text);
	free(text);
}

static void write_variables(struct ct_page *page, const struct ct_outcomes *o, bool verbose)
{
	for (u32 i = 0; i < o->variables.cnt; i++) {
		const struct ct_variable_runs *v = &o->variables.at[i];

		if (v->lost_runs || v->unguarded_runs || verbose ||
			o->variables.cnt <= QUIET_VARIABLES)
			write_variable(page, v);
	}
}

/* ---- what follows ---- */

/* What is wrong with a run that ended well. */
static const char *fault_of(const struct ct_profile *p)
{
	for (u32 i = 0; i < p->made.cnt; i++)
		if (p->made.at[i].kind == CT_FIND_LOST_UPDATE ||
			p->made.at[i].kind == CT_FIND_UNPROTECTED_SHARING)
			return ct_finding_id(p->made.at[i].kind);
	return "a finding of --fail-on";
}

static void write_first_bad(struct ct_page *page, const struct ct_series_in *in)
{
	u32 run = in->outcomes->first_bad;
	const struct ct_profile *p = &in->runs[run == CT_NONE ? 0 : run];
	bool well = !p->wait_status && ct_profile__hang(p) == CT_HANG_KINDS;
	char *ending, *again, *text;

	if (run == CT_NONE)
		return;
	ending = ct_series__ending(in, run);
	again = in->seeds ? ct_asprintf("; --shake=%" PRIu64 " repeats its delays", in->seeds[run])
			  : ct_strdup("");
	text = ct_asprintf("run %" PRIu32 " (%s%s%s): 'ctrace report %s' shows it%s", run + 1,
		ending, well ? ", " : "", well ? fault_of(p) : "", in->names[run], again);
	write_text(page, "First bad", text);
	free(text);
	free(again);
	free(ending);
}

/* A bound is never rounded to what it does not hold for: down to 1 % at least, up to 99 %. */
static u32 percent_up(double x)
{
	u32 whole = (u32)(x * 100);

	return whole < x * 100 ? whole + 1 : whole;
}

static bool has_unseen(const struct ct_outcomes *o)
{
	for (u32 i = 0; i < o->variables.cnt; i++)
		if (!o->variables.at[i].lost_runs)
			return true;
	return !o->bad_runs;
}

/* How sure: CT_OUTCOMES_SURE. */
static void write_evidence(struct ct_page *page, const struct ct_outcomes *o)
{
	char *wrong = ct_asprintf("%" PRIu32 " of %" PRIu32 " run%s went wrong", o->bad_runs,
		o->runs, o->runs == 1 ? "" : "s");
	char *unseen = ct_strdup(""), *text;
	double least, most;

	ct_rate_bounds(0, o->runs, &least, &most);
	if (has_unseen(o)) {
		free(unseen);
		unseen = ct_asprintf("What was seen in none of them may still happen in up to "
				     "%" PRIu32 " %% of all runs (with 95 %% certainty: about 3 in "
				     "N).",
			percent_up(most));
	}
	if (!o->bad_runs)
		text = ct_asprintf("%s. %s", wrong, unseen);
	else
		text = ct_asprintf("%s; with 95 %% certainty it is %" PRIu32 " to %" PRIu32
				   " %% of all that there could be. %s",
			wrong, (u32)(o->least * 100), percent_up(o->most), unseen);
	write_text(page, "Evidence", text);
	free(text);
	free(unseen);
	free(wrong);
}

void ct_series__outcomes(struct ct_page *page, const struct ct_series_in *in, bool verbose)
{
	if (!in->outcomes->runs)
		return;
	write_endings(page, in);
	write_findings(page, in->outcomes);
	write_variables(page, in->outcomes, verbose);
	write_first_bad(page, in);
	write_evidence(page, in->outcomes);
}
