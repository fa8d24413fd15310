/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's verdict: the run in one sentence, then the findings, the costliest first, each with
 * what shows it, the idea behind it, and what to do. A consequence stands under its cause and says
 * only what it is; what is information (kind of work, healthy) is one paragraph. Threads that wait
 * for ever are drawn by report_hangs.c.
 *
 *     Verdict  everyone queues for big_lock: up to 812 ms, 97 % of the run
 *
 *     high  lock-contention: everyone queues for big_lock (812 ms, 97 %)
 *           4 threads waited 11,993 times for big_lock, ...
 *           Idea: everyone queues on one key: ...
 *           Try: hold big_lock for less: ...
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hang_text.h"
#include "report_int.h"

#define TEXT_COLUMN 6u
#define SHOWN 6u /* findings; with -v, all */

static const enum ct_ink inks[CT_SEVERITIES] = { [CT_SEV_INFO] = CT_INK_DIM,
	[CT_SEV_LOW] = CT_INK_YELLOW,
	[CT_SEV_MEDIUM] = CT_INK_ORANGE,
	[CT_SEV_HIGH] = CT_INK_WARN };

char *ct_finding_title(const struct ct_facts *facts, const struct ct_finding *f)
{
	char *title, *doubted;

	if (f->hang == CT_NONE)
		return ct_strdup(f->title);
	title = ct_hang_title(facts->m, &facts->hangs.at.at[f->hang]);
	if (f->severity != CT_SEV_INFO)
		return title;
	doubted = ct_asprintf("it seems that %s", title);
	free(title);
	return doubted;
}

char *ct_finding_evidence(const struct ct_facts *facts, const struct ct_finding *f)
{
	return f->hang == CT_NONE ? ct_strdup(f->evidence) :
				    ct_hang_evidence(facts->m, &facts->hangs.at.at[f->hang]);
}

const char *ct_finding_words(const struct ct_facts *facts, const struct ct_finding *f)
{
	return f->hang == CT_NONE ? ct_finding_lesson(f->kind) :
				    ct_hang_lesson(&facts->hangs.at.at[f->hang]);
}

const char *ct_finding_advice(const struct ct_facts *facts, const struct ct_finding *f)
{
	return f->hang == CT_NONE ? f->advice : ct_hang_advice(&facts->hangs.at.at[f->hang]);
}

static char *name_cost(const struct ct_report *r, const struct ct_finding *f)
{
	char cost[CT_FMT_LEN], share[CT_FMT_LEN];

	if (f->watched != CT_NONE) /* a wrong value */
		return ct_strdup("seen");
	return ct_asprintf("%s, %s", ct_report__ns(r, cost, f->cost_ns),
		ct_report__share(share, f->cost_ns, r->m->end_ns - r->m->start_ns, r->lossy));
}

/* ---- the sentence ---- */

static const struct ct_finding *find_kind(
	const struct ct_finding_list *l, enum ct_finding_kind kind)
{
	for (u32 i = 0; i < l->at.cnt; i++)
		if (l->at.at[i].kind == kind)
			return &l->at.at[i];
	return NULL;
}

/* "; the work is CPU-bound" */
static const char *name_work(const struct ct_finding_list *l)
{
	if (find_kind(l, CT_FIND_CPU_BOUND))
		return "; the work is CPU-bound";
	return find_kind(l, CT_FIND_IO_BOUND) ? "; the work is I/O-bound" : "";
}

static char *describe_verdict(struct ct_report *r, const struct ct_finding *first)
{
	const struct ct_finding_list *l = &r->facts->findings;
	const struct ct_finding *healthy = find_kind(l, CT_FIND_HEALTHY);
	char *title = ct_finding_title(r->facts, first), *cost = name_cost(r, first), *text;

	if (healthy)
		text = ct_asprintf("healthy: %s%s", healthy->title, name_work(l));
	else if (first->hang != CT_NONE || first->watched != CT_NONE ||
		 first->severity == CT_SEV_INFO)
		text = ct_asprintf("%s", title);
	else
		text = ct_asprintf("%s: up to %s of the run", title, cost);
	free(cost);
	free(title);
	return text;
}

void ct_report__verdict(struct ct_report *r)
{
	char *text, *shown;

	if (r->facts->findings.at.cnt)
		text = describe_verdict(r, &r->facts->findings.at.at[0]);
	else
		text = ct_asprintf("the recording allows none: %s", ct_findings__doubt(r->facts));
	shown = ct_page__safe(&r->page, text);
	ct_report__heading(r, "Verdict");
	ct_page__stop(&r->page, r->page.column + 2);
	ct_page__wrap(&r->page, 2, shown);
	free(shown);
	free(text);
}

/* ---- the findings ---- */

static void write_paragraph(struct ct_report *r, const char *lead, const char *text)
{
	char *shown = ct_page__safe(&r->page, text);

	ct_page__stop(&r->page, TEXT_COLUMN);
	if (*lead) {
		ct_page__ink(&r->page, CT_INK_STRONG, false, lead);
		ct_page__stop(&r->page, r->page.column + 1);
	}
	ct_page__wrap(&r->page, TEXT_COLUMN, shown);
	free(shown);
}

static void write_title(struct ct_report *r, const struct ct_finding *f)
{
	const struct ct_finding_list *l = &r->facts->findings;
	char *cost = name_cost(r, f), *text, *shown;
	const char *cause = f->cause == CT_NONE ? "" : ct_finding_id(l->at.at[f->cause].kind);

	text = ct_asprintf(": %s (%s%s)%s%s%s", f->title, f->seen ? "" : "inferred; ", cost,
		*cause ? "; follows from " : "", cause, *cause ? " above" : "");
	shown = ct_page__safe(&r->page, text);
	ct_page__ink(&r->page, inks[f->severity], false, ct_severity_name(f->severity));
	ct_page__stop(&r->page, TEXT_COLUMN + (f->severity == CT_SEV_MEDIUM));
	ct_page__ink(&r->page, CT_INK_STRONG, false, ct_finding_id(f->kind));
	ct_page__wrap(&r->page, TEXT_COLUMN, shown);
	free(shown);
	free(text);
	free(cost);
}

static void write_finding(struct ct_report *r, const struct ct_finding *f)
{
	bool brief = f->cause != CT_NONE && !r->verbose;

	write_title(r, f);
	write_paragraph(r, "", f->evidence);
	if (brief)
		return;
	write_paragraph(r, "Idea:", ct_finding_lesson(f->kind));
	write_paragraph(r, "Try:", f->advice);
}

/* healthy, and the kind of work: one line, and what fits. */
static void write_information(struct ct_report *r, const struct ct_finding *f)
{
	char *text;

	ct_page__ink(&r->page, CT_INK_DIM, false, ct_severity_name(f->severity));
	ct_page__stop(&r->page, TEXT_COLUMN);
	ct_page__ink(&r->page, CT_INK_STRONG, false, ct_finding_id(f->kind));
	text = ct_asprintf(": %s %s", f->evidence, f->advice);
	char *shown = ct_page__safe(&r->page, text);
	ct_page__wrap(&r->page, TEXT_COLUMN, shown);
	free(shown);
	free(text);
}

void ct_report__findings(struct ct_report *r)
{
	const struct ct_finding_list *l = &r->facts->findings;
	u32 shown = 0, left = 0;

	for (u32 i = 0; i < l->at.cnt; i++) {
		const struct ct_finding *f = &l->at.at[i];
		if (f->hang != CT_NONE)
			continue;
		if (f->severity != CT_SEV_INFO && shown++ >= SHOWN && !r->verbose) {
			left++;
			continue;
		}
		if (f->severity == CT_SEV_INFO)
			write_information(r, f);
		else
			write_finding(r, f);
	}
	if (left) {
		ct_page__stop(&r->page, TEXT_COLUMN);
		ct_page__printf(&r->page, "and %" PRIu32 " more (-v)", left);
		ct_page__end(&r->page);
	}
}
