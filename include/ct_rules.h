/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that a run can be held against (`ctrace check`), and the verdict (analysis/rules.c).
 *
 *     rule     no FINDING | finding FINDING | FIGURE OP VALUE
 *     FINDING  an id ("deadlock"), or `any`: of medium or high severity
 *     OP       < <= > >= == !=
 *     FIGURE                                               VALUE
 *       duration                                           time
 *       running runnable lock io-disk ... (any state):     time, or % of the threads' time
 *         all threads together
 *       lock:NAME  waits for that lock, all together       time, or % of the threads' time
 *       a finding's id: what it costs (0: not made)        time, or % of the duration
 *       mean_running  threads running at once              number
 *       threads switches exit_status lost_events           number
 *     time     a number with ns, us, ms, s or min
 *
 * Words are separated by blanks, which OP does not need.
 */
#ifndef CT_RULES_H
#define CT_RULES_H

#include "ct_findings.h"

enum ct_rule_kind {
	CT_RULE_NOT_MADE,
	CT_RULE_MADE,
	CT_RULE_DURATION,
	CT_RULE_STATE,
	CT_RULE_LOCK,
	CT_RULE_COST,
	CT_RULE_MEAN_RUNNING,
	CT_RULE_THREADS,
	CT_RULE_SWITCHES,
	CT_RULE_EXIT_STATUS,
	CT_RULE_LOST_EVENTS,
	CT_RULE_KINDS
};
enum ct_rule_op { CT_OP_LT, CT_OP_LE, CT_OP_GT, CT_OP_GE, CT_OP_EQ, CT_OP_NE, CT_OPS };
enum ct_rule_unit { CT_RULE_NUMBER, CT_RULE_NS, CT_RULE_PERCENT, CT_RULE_YES };

struct ct_rule {
	enum ct_rule_kind kind;
	enum ct_rule_op op;
	enum ct_rule_unit unit; /* of `value`, and of what a run has; YES: made or not */
	u32 what;	/* enum ct_state, enum ct_finding_kind (CT_FINDINGS: any) */
	char *lock;	/* LOCK: its name */
	double value;
};
/* 0, or -EINVAL and a sentence in *why (free it). */
int ct_rule__parse(struct ct_rule *rule, const char *text, char **why);
void ct_rule__clear(struct ct_rule *rule);

struct ct_judgement {
	bool passed;
	bool known; /* the trace tells; what it does not tell does not pass */
	bool lossy; /* events were lost, which may have changed the value */
	double value;
};
struct ct_judgement ct_rule__judge(const struct ct_rule *rule, const struct ct_facts *facts);

#endif
