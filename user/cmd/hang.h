/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a look at running threads to a verdict: the look becomes a small trace, the trace a model,
 * and the model is judged by the same analysis as any recording.  Shared by `ctrace why` and by the
 * announcement while recording.
 */
#ifndef CT_HANG_H
#define CT_HANG_H

#include "capture/inspect.h"
#include "cmd/cmd.h"

/* Two looks; with patience, at those who hold locks in other processes, too, and a third one, after
 * half a second, where nobody runs all the time.  Without it,
 * since when they wait must be known from elsewhere.  Errors are take's. */
int ct_look__closely(struct ct_look *look, const u32 *pids, u32 pid_cnt, bool patient);
/* The symbolizer forgets all stacks but those of past waits in the look. */
void ct_look__keep_stacks(const struct ct_look *look, struct ct_symbolizer *sym);

struct ct_verdict {
	struct ct_run run;
	struct ct_names *names;
	struct ct_source *source;
	struct ct_model *model;
	struct ct_facts facts; /* all of them */
};
/* Takes the stacks' names from `sym`, which has been given them.  `start_ns`: since when the
 * program was watched; 0: it was not.  0 or -errno. */
int ct_verdict__make(struct ct_verdict *v, const struct ct_look *look, struct ct_symbolizer *sym,
	ct_ns start_ns);
/* Says on stderr, in one piece, what thread `tid` is part of, if it waits for ever; else false. */
bool ct_verdict__tell(struct ct_verdict *v, u32 tid, bool attached);
void ct_verdict__clear(struct ct_verdict *v);

struct ct_watcher;
/* Names the addresses of the model's locks and watched variables (names.c); watch may be NULL. */
void ct_locks__name(struct ct_symbolizer *sym, struct ct_names *names, const struct ct_model *m,
	const struct ct_watcher *watch);

#endif
