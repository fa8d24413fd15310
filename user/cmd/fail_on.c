/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what --fail-on means, for graders and CI: 90 in place of any other exit status when one of
 * the findings that it names was made, of whatever severity; `any` stands for what would keep a run
 * from being called healthy.
 */
#include "cmd/cmd.h"

_Static_assert(CT_FINDINGS < 31, "a bit for each finding, and one for any");

static bool is_meant(u32 fail_on, const struct ct_finding *f)
{
	return (fail_on & 1u << f->kind) ||
	       (fail_on & CT_FAIL_ON_ANY && f->severity >= CT_SEV_MEDIUM);
}

bool ct_fail_on__hit(const struct ct_opts *opts, const struct ct_finding_list *findings)
{
	for (u32 i = 0; i < findings->at.cnt; i++) {
		const struct ct_finding *f = &findings->at.at[i];

		if (!is_meant(opts->fail_on, f))
			continue;
		ct_info("found: %s, of %s severity (--fail-on)", ct_finding_id(f->kind),
			ct_severity_name(f->severity));
		return true;
	}
	return false;
}
