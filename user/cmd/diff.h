/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to `ctrace diff`: what is compared (diff.c), and where that goes (diff_out.c).
 */
#ifndef CT_CMD_DIFF_H
#define CT_CMD_DIFF_H

#include "cmd/cmd.h"

struct ct_diff_form;

struct ct_compared {
	struct ct_diff_in in;
	const struct ct_opts *opts;
	const struct ct_diff_form *form;
	const struct ct_opened *opened;
	const char *path; /* of the output; NULL: standard output */
	const struct ct_exporter *own; /* as of ct_writer */
};

/* What -f or --json names.  NULL: there is no such form, and that was said. */
const struct ct_diff_form *ct_diff_out__form(const struct ct_opts *opts);
/* Where it goes: free() it; NULL: standard output.  *own: as of ct_writer. */
char *ct_diff_out__path(const struct ct_opts *opts, const struct ct_diff_form *form,
	const char *newer, const struct ct_exporter **own);
/* Says what went wrong; 0 or -errno. */
int ct_diff_out__write(const struct ct_compared *c, const struct ct_traces *traces);

#endif
