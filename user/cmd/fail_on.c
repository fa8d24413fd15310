/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what --fail-on means, for graders and CI: 90 in place of any other exit status when one of
 * the findings that it names was made, of whatever severity; `any` stands for what would keep a run
 * from being called healthy.  That nothing was found is said of a whole recording alone: 125 where
 * the trace does not tell.
 */
#include "cmd/cmd.h"

_Static_assert(CT_FINDINGS < 31, "a bit for each finding, and one for any");

static bool is_meant(u32 fail_on, const struct ct_finding *f)
{
	return (fail_on & 1u << f->kind) ||
	       (fail_on & CT_FAIL_ON_ANY && f->severity >= CT_SEV_MEDIUM);
}

int ct_fail_on__judge(const struct ct_opts *opts, const struct ct_facts *facts)
{
	const struct ct_finding_list *findings = &facts->findings;
	const char *doubt;

	for (u32 i = 0; i < findings->at.cnt; i++) {
		const struct ct_finding *f = &findings->at.at[i];

		if (!is_meant(opts->fail_on, f))
			continue;
		ct_info("found: %s, of %s severity (--fail-on)", ct_finding_id(f->kind),
			ct_severity_name(f->severity));
		return CT_EXIT_FOUND;
	}
	doubt = opts->fail_on ? ct_findings__doubt(facts) : NULL;
	if (!doubt)
		return 0;
	ct_error("whether there is what --fail-on names the trace does not tell: %s", doubt);
	return CT_EXIT_FAILED;
}
