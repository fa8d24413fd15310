/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to what prints several runs (diff_*.c, series_*.c): their sentences, which text and JSON
 * share.  Text from the traced programs is in them as it is; callers make it harmless.  Callers own
 * what is returned as char *.
 */
#ifndef CT_DIFF_INT_H
#define CT_DIFF_INT_H

#include <jansson.h>

#include "page.h"

char *ct_diff__headline(const struct ct_diff *d); /* the gain, and what it comes from */
/* What to keep in mind: losses, attached runs, different programs, ...; at most this many. */
#define CT_DIFF_REMARKS_MAX 12
u32 ct_diff__remarks(const struct ct_diff *d, char *remarks[CT_DIFF_REMARKS_MAX]);
char *ct_diff__noise(const struct ct_diff *d); /* what a difference had to be to count */
char *ct_diff__label(const struct ct_difference *r); /* "worker-* in work, lock" */
const char *ct_diff__fate(enum ct_fate fate);	       /* "gone", "new", ... */
const char *ct_diff__group(enum ct_group group);     /* "run", "critical path", ... */
const char *ct_diff__group_title(enum ct_group group); /* "Run", "Critical path", ... */
char *ct_diff__change(char buf[CT_FMT_LEN], const struct ct_difference *r); /* "gone", "+12 %" */

/* A value of its unit: "4.28 s", "1,234", "0.54". */
char *ct_figure_words(char buf[CT_FMT_LEN], u32 unit, double value);
/* The median, "~" before it where a loss may have changed it. */
char *ct_spread_words(char buf[CT_FMT_LEN], u32 unit, const struct ct_spread *s);
/* "exit status 3", "killed by signal 9", "did not end" */
char *ct_outcome_words(const struct ct_profile *p);

/* ---- a series (series.c, series_outcomes.c) ---- */
u32 ct_series__counted(const struct ct_series_in *in); /* runs whose figures count */
struct ct_spread ct_series__spread(const struct ct_series_in *in, const char *what); /* of them */
/* "deadlock, then exit status 124", "interrupted" */
char *ct_series__ending(const struct ct_series_in *in, u32 run);
void ct_series__outcomes(struct ct_page *page, const struct ct_series_in *in, bool verbose);

/* ---- JSON (diff_json.c) ---- */
json_t *ct_spread__json(u32 unit, const struct ct_spread *s);
json_t *ct_profile__json(const struct ct_profile *p, const char *name);
json_t *ct_diff__json(const struct ct_diff_in *in); /* all that --json says */
int ct_json__dump(json_t *root, FILE *out); /* and frees it */

#endif
