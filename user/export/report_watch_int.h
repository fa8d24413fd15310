/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the report's watched variables: rows (report_watch_rows.c), and what they say
 * (report_watch.c).
 */
#ifndef CT_REPORT_WATCH_INT_H
#define CT_REPORT_WATCH_INT_H

#include "report_int.h"

#define CT_WATCH_ROWS 24u /* with -v, all */

struct ct_watch_row {
	struct ct_shared v; /* sums of all elements; the users are the row's own */
	u32 more;	    /* elements of the same array beside this one */
};
struct ct_watch_rows {
	CT_VEC(struct ct_watch_row) at;
	u32 beyond;   /* shared, and left out for their number */
	u32 unshared; /* in its turns touched by one thread, or none */
	u32 turnless; /* not watched while there were several threads */
};
void ct_watch_rows__make(struct ct_watch_rows *out, const struct ct_report *r);
void ct_watch_rows__clear(struct ct_watch_rows *rows);
void ct_watch_rows__say_rest(struct ct_report *r, const struct ct_watch_rows *rows);
bool ct_watch_had_turn(const struct ct_model *m, const struct ct_watched *w);
char *ct_watch_describe_view(const struct ct_report *r); /* free() it */

#endif
