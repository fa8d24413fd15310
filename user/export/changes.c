/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the words for a prediction: what is changed, and what must hold for the prediction to come
 * true.  One row for each change.
 */
#include <inttypes.h>

#include "export_int.h"

static const struct change_words {
	const char *id, *assumption;
} words[CT_CHANGES] = {
	[CT_CHANGE_NONE] = { "none", "nothing is changed" },
	[CT_CHANGE_LOCK_FREE] = { "lock-free", "what the lock guards can be done by several "
					       "threads at once, without another lock" },
	[CT_CHANGE_LOCK_SPLIT] = { "lock-split",
		"each use needs one part only, and all parts are used alike" },
	[CT_CHANGE_CPUS] = { "cpus",
		"no other program uses them, and no lock gets in the way that did not before" },
	[CT_CHANGE_IO_FREE] = { "io-free", "every answer is there at once" },
	[CT_CHANGE_IO_OVERLAP] = { "io-overlap", "no wait needs the result of the one before, and "
						 "devices and peers serve all at once" },
	[CT_CHANGE_HALF_WORK] = { "half-work", "everything else does the same work as before" },
	[CT_CHANGE_EVEN_WORK] = { "even-work", "the work can be divided in any proportion" },
};

const char *ct_change_id(enum ct_change change)
{
	return words[change < CT_CHANGES ? change : CT_CHANGE_NONE].id;
}

const char *ct_change_assumption(enum ct_change change)
{
	return words[change < CT_CHANGES ? change : CT_CHANGE_NONE].assumption;
}

char *ct_change_words(const char *lock, const char *thread, const struct ct_prediction *p)
{
	switch (p->change) {
	case CT_CHANGE_LOCK_FREE:
		return ct_asprintf("no waits on %s", lock);
	case CT_CHANGE_LOCK_SPLIT:
		return ct_asprintf("%s split in %" PRIu32, lock, p->parts);
	case CT_CHANGE_CPUS:
		if (!p->parts)
			return ct_strdup("a CPU for each thread");
		return ct_asprintf("%" PRIu32 " CPU%s", p->parts, p->parts == 1 ? "" : "s");
	case CT_CHANGE_IO_FREE:
		return ct_strdup("I/O and sleep take no time");
	case CT_CHANGE_IO_OVERLAP:
		return ct_strdup("I/O and sleep overlap");
	case CT_CHANGE_HALF_WORK:
		return ct_asprintf("half the computing of %s", thread);
	case CT_CHANGE_EVEN_WORK:
		return ct_asprintf("computing shared evenly by %s and its like", thread);
	default:
		return ct_strdup("nothing");
	}
}

char *ct_change_text(const struct ct_model *m, const struct ct_prediction *p)
{
	char *lock = p->lock < m->locks.cnt ? ct_asprintf("L%" PRIu32, m->locks.at[p->lock].id)
					    : ct_strdup("");
	char *thread = p->thread < m->threads.cnt
			       ? ct_asprintf("thread %" PRIu32, m->threads.at[p->thread].tid)
			       : ct_strdup("");
	char *text = ct_change_words(lock, thread, p);
	free(lock);
	free(thread);
	return text;
}
