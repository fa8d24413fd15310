/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All analyses of a model, for those who show them.
 */
#include "ct_findings.h"

void ct_facts__compute(struct ct_facts *f, const struct ct_model *m)
{
	f->m = m;
	ct_parallelism__compute(&f->parallelism, m);
	ct_contention__compute(&f->contentions, m);
	ct_lines__compute(&f->lines, m);
	ct_wakers__compute(&f->wakers, m);
	ct_hangs__compute(&f->hangs, m);
	ct_sharing__compute(&f->sharing, m);
	ct_activity__compute(&f->activity, m);
	ct_program_kind__compute(&f->kind, m, &f->activity);
	ct_turns__compute(&f->turns, m, &f->contentions);
	ct_program_kind__turns(&f->kind, &f->turns);
	ct_critical_path__compute(&f->path, m);
	ct_what_if__compute(&f->what_if, m);
	ct_findings__compute(&f->findings, f);
}

void ct_facts__clear(struct ct_facts *f)
{
	ct_parallelism__clear(&f->parallelism);
	ct_contention__clear(&f->contentions);
	ct_lines__clear(&f->lines);
	ct_wakers__clear(&f->wakers);
	ct_hangs__clear(&f->hangs);
	ct_sharing__clear(&f->sharing);
	ct_activity__clear(&f->activity);
	ct_critical_path__clear(&f->path);
	ct_what_if__clear(&f->what_if);
	ct_findings__clear(&f->findings);
}
