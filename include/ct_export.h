/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exporters: facts in, bytes out. One table, read by `ctrace export`, its --help and the
 * README. An exporter writes to the FILE it is given and does no arithmetic beyond formatting; same
 * trace, same bytes, whatever the locale, time zone or machine.
 */
#ifndef CT_EXPORT_H
#define CT_EXPORT_H

#include <stdio.h>
#include "ct_diff.h"
#include "ct_outcomes.h"
#include "ct_findings.h"
#include "ct_rules.h"

struct ct_export_in {
	const struct ct_facts *facts;
	/* for exporters that want the events themselves; rewound by them */
	struct ct_source *source;
	bool just_recorded; /* by this process: what it names is the program's, not a stranger's */
};

struct ct_exporter {
	const char *name;   /* of -f */
	const char *suffix; /* of the default output file: ".json" */
	const char *meaning;
	int (*write)(const struct ct_export_in *in, FILE *out); /* 0 or -errno (ferror) */
	const char *sign; /* among the first bytes of each of its files; or else: */
	bool (*like)(const char *head, size_t len); /* what they look like */
};
extern const struct ct_exporter ct_exporters[]; /* ends with name == NULL */
const struct ct_exporter *ct_exporter__find(const char *name); /* NULL: no such format */
/* Do these first bytes look like a file that it wrote? */
#define CT_EXPORT_HEAD 512
bool ct_exporter__wrote(const struct ct_exporter *e, const char *head, size_t len);
/* Was the page's viewer built into this ctrace?  Else "html" can only say so. */
bool ct_html__present(void);

/* The report that people read. */
struct ct_report_opts {
	bool colour;
	bool unicode; /* block characters for the bars; else ASCII */
	u32 width;    /* columns; 0: 80 */
	bool verbose;
};
int ct_report__write(const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out);
/* Of it, only who waits for ever; nothing when nobody does. */
int ct_report__write_hangs(
	const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out);

/* ---- several runs ---- */
/* Two sides beside each other; the traces' names in the order of the sides' runs. */
struct ct_diff_in {
	const struct ct_diff *diff;
	const char *const *a_names, *const *b_names;
};
int ct_diff__write(const struct ct_diff_in *in, const struct ct_report_opts *opts, FILE *out);
int ct_diff__write_json(const struct ct_diff_in *in, FILE *out);
/* As a page, in this order: the comparison, which says of which run of each side (an index) the
 * timeline is shown first; those of A and of B; other runs that can be chosen in its place, as far
 * as there is room for their slices; the end.  0 or -errno; what is left out is said. */
int ct_diff_html__begin(const struct ct_diff_in *in, FILE *out);
u32 ct_diff_html__shown(const struct ct_diff *d, const struct ct_diff_side *side);
int ct_diff_html__run(const struct ct_export_in *run, char side, FILE *out); /* 'a', then 'b' */
/* `idx`: in the side.  Takes its slices off `room`; 1: there is no room. */
int ct_diff_html__other(
	const struct ct_export_in *run, char side, u32 idx, u64 *room, FILE *out);
#define CT_DIFF_HTML_ROOM 1500000u /* slices of all other runs: some 5 MB of page */
int ct_diff_html__end(FILE *out);

/* A series of runs of one program (-r). */
struct ct_series_in {
	const struct ct_profile *runs;
	const struct ct_outcomes *outcomes;
	const char *const *names; /* of the traces */
	u32 cnt, wanted;	  /* cnt < wanted: it was ended before */
	/* the last one was: it is listed, and counted only among the outcomes, if it hung before */
	bool interrupted;
	const u64 *seeds;  /* [cnt] of --shake; NULL: not shaken */
};
int ct_series__write(const struct ct_series_in *in, const struct ct_report_opts *opts, FILE *out);
int ct_series__write_json(const struct ct_series_in *in, FILE *out);

/* Runs held against rules. */
struct ct_checked {
	const char *name;
	struct ct_judgement *judgements; /* one for each rule; NULL: the trace cannot be read */
	bool passed;
};
struct ct_check_in {
	const struct ct_rule *rules;
	const char *const *texts; /* of the rules */
	u32 rule_cnt;
	const struct ct_checked *runs;
	u32 run_cnt, passed_cnt;
};
void ct_check__write(const struct ct_check_in *in, FILE *out);
int ct_check__write_json(const struct ct_check_in *in, FILE *out);

#endif
