/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this machine and this user can do, found out by trying: for `ctrace doctor`, and for a
 * session that could not start and has to say why.
 */
#ifndef CT_FEATURES_H
#define CT_FEATURES_H

#include "ct_base.h"

enum ct_answer { CT_ANSWER_YES, CT_ANSWER_NO, CT_ANSWER_FACT };

struct ct_feature {
	const char *name;
	bool needed; /* NO means that nothing can be recorded; else something is missing from it */
	enum ct_answer answer;
	char *found; /* what was seen, and of an optional NO what is lost */
	char *mend;  /* the next step; NULL: none, or that of an earlier NO */
};

struct ct_features {
	CT_VEC(struct ct_feature) at; /* a cause comes before what it causes */
};

/* Tries everything: loads a few BPF programs and opens perf events, and closes them again; about a
 * tenth of a second.  Prints nothing. */
void ct_features__probe(struct ct_features *features);
void ct_features__clear(struct ct_features *features);
/* The first needed thing that is missing, or NULL. */
const struct ct_feature *ct_features__missing(const struct ct_features *features);

/* NULL when all that recording needs is there, else one sentence with the next step; free() it. */
char *ct_features__why_not(void);
/* False in a pid namespace other than the machine's first: what is recorded could not be told
 * apart. */
bool ct_features__sees_ids(void);

#endif
