/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to `ctrace diff`: what is compared (diff.c), and where that goes (diff_out.c).
 */
#ifndef CT_CMD_DIFF_H
#define CT_CMD_DIFF_H

#include "cmd/cmd.h"

struct ct_compared {
	struct ct_diff_in in;
	const struct ct_opts *opts;
};

/* Is there the form that -f names?  Says so if not. */
bool ct_diff_out__known(const struct ct_opts *opts);
/* Says what went wrong; 0 or -errno. */
int ct_diff_out__write(const struct ct_compared *c, const struct ct_traces *traces);

#endif
