/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules: text to rule, and a run held against it.  Grammar in ct_rules.h.
 */
#include <errno.h>
#include <string.h>

#include "ct_rules.h"

#define NAME_SIZE 1024

/* ---- reading a rule ---- */

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* The next word, up to a blank or an operator; free it. */
static char *take_word(const char **at)
{
	const char *s = skip_blanks(*at);
	size_t len = strcspn(s, " \t<>=!");

	*at = s + len;
	return ct_strndup(s, len);
}

static bool take_op(const char **at, enum ct_rule_op *op)
{
	static const char *const ops[] = { "<=", ">=", "==", "!=", "<", ">" };
	static const enum ct_rule_op ids[] = { CT_OP_LE, CT_OP_GE, CT_OP_EQ, CT_OP_NE, CT_OP_LT,
		CT_OP_GT };
	const char *s = skip_blanks(*at);

	for (size_t i = 0; i < CT_COUNT(ops); i++) {
		if (strncmp(s, ops[i], strlen(ops[i])))
			continue;
		*op = ids[i];
		*at = s + strlen(ops[i]);
		return true;
	}
	return false;
}

static const struct {
	const char *name;
	enum ct_rule_unit unit;
	double factor;
} units[] = {
	{ "", CT_RULE_NUMBER, 1 },
	{ "%", CT_RULE_PERCENT, 1 },
	{ "ns", CT_RULE_NS, 1 },
	{ "us", CT_RULE_NS, 1e3 },
	{ "ms", CT_RULE_NS, 1e6 },
	{ "s", CT_RULE_NS, 1e9 },
	{ "min", CT_RULE_NS, 6e10 },
};

static bool take_value(const char **at, struct ct_rule *rule)
{
	const char *s = skip_blanks(*at);
	size_t len = strspn(s, "0123456789.");
	char *digits = ct_strndup(s, len), *end, *unit;
	bool good;

	rule->value = strtod(digits, &end);
	good = len && !*end;
	free(digits);
	s += len;
	unit = take_word(&s);
	*at = s;
	for (size_t i = 0; good && i < CT_COUNT(units); i++) {
		if (strcmp(units[i].name, unit))
			continue;
		rule->unit = units[i].unit;
		rule->value *= units[i].factor;
		free(unit);
		return true;
	}
	free(unit);
	return false;
}

static const struct {
	const char *name;
	enum ct_rule_kind kind;
} figures[] = {
	{ "duration", CT_RULE_DURATION },
	{ "mean_running", CT_RULE_MEAN_RUNNING },
	{ "threads", CT_RULE_THREADS },
	{ "switches", CT_RULE_SWITCHES },
	{ "exit_status", CT_RULE_EXIT_STATUS },
	{ "lost_events", CT_RULE_LOST_EVENTS },
};

static bool set_figure(struct ct_rule *rule, const char *name)
{
	enum ct_finding_kind finding = ct_finding_kind_of(name);

	for (size_t i = 0; i < CT_COUNT(figures); i++)
		if (!strcmp(figures[i].name, name)) {
			rule->kind = figures[i].kind;
			return true;
		}
	for (u32 s = 0; s < CT_STATES; s++)
		if (!strcmp(ct_state_name(s), name)) {
			rule->kind = CT_RULE_STATE;
			rule->what = s;
			return true;
		}
	if (finding == CT_FINDINGS)
		return false;
	rule->kind = CT_RULE_COST;
	rule->what = finding;
	return true;
}

/* What a figure is measured in. */
static bool fits(const struct ct_rule *rule)
{
	switch (rule->kind) {
	case CT_RULE_DURATION:
		return rule->unit == CT_RULE_NS;
	case CT_RULE_STATE:
	case CT_RULE_LOCK:
	case CT_RULE_COST:
		return rule->unit == CT_RULE_NS || rule->unit == CT_RULE_PERCENT;
	default:
		return rule->unit == CT_RULE_NUMBER;
	}
}

static char *parse_made(struct ct_rule *rule, const char *at, bool made)
{
	char *id = take_word(&at), *why = NULL;

	rule->kind = made ? CT_RULE_MADE : CT_RULE_NOT_MADE;
	rule->unit = CT_RULE_YES;
	rule->what = ct_finding_kind_of(id);
	if ((rule->what == CT_FINDINGS && strcmp(id, "any")) || *skip_blanks(at))
		why = ct_asprintf("no finding is called '%s%s'", id, at);
	free(id);
	return why;
}

/* lock:NAME may hold blanks: it goes on to the last operator. */
static char *take_lock_name(const char **at)
{
	const char *s = *at, *op = NULL;
	size_t len;

	for (const char *c = s; *c; c++)
		if (strchr("<>=!", *c) && (c == s || !strchr("<>=!", c[-1])))
			op = c;
	len = op ? (size_t)(op - s) : strlen(s);
	*at = s + len;
	while (len && s[len - 1] == ' ')
		len--;
	return ct_strndup(s, len);
}

static char *parse_figure(struct ct_rule *rule, const char *text)
{
	const char *at = skip_blanks(text);
	char *name;
	bool good;

	if (!strncmp(at, "lock:", 5)) {
		at += 5;
		rule->kind = CT_RULE_LOCK;
		rule->lock = take_lock_name(&at);
		good = *rule->lock != '\0';
	} else {
		name = take_word(&at);
		good = set_figure(rule, name);
		free(name);
	}
	if (!good)
		return ct_asprintf("the rule '%s' begins with no figure and no finding", text);
	if (!take_op(&at, &rule->op))
		return ct_asprintf("the rule '%s' lacks one of < <= > >= == != after its figure",
			text);
	if (!take_value(&at, rule) || *skip_blanks(at))
		return ct_asprintf("the rule '%s' does not end in a number, with ns, us, ms, s, "
				   "min or %% where it has a unit",
			text);
	return fits(rule) ? NULL
			  : ct_asprintf("the rule '%s' has the wrong unit for its figure", text);
}

int ct_rule__parse(struct ct_rule *rule, const char *text, char **why)
{
	const char *at = text;
	char *first = take_word(&at);

	*rule = (struct ct_rule){ 0 };
	if (!strcmp(first, "no") || !strcmp(first, "finding"))
		*why = parse_made(rule, at, first[0] == 'f');
	else
		*why = parse_figure(rule, text);
	free(first);
	if (!*why)
		return 0;
	ct_rule__clear(rule);
	return -EINVAL;
}

void ct_rule__clear(struct ct_rule *rule)
{
	free(rule->lock);
	*rule = (struct ct_rule){ 0 };
}

/* ---- a run ---- */

static bool is_made(const struct ct_facts *f, u32 what)
{
	for (u32 i = 0; i < f->findings.at.cnt; i++) {
		const struct ct_finding *x = &f->findings.at.at[i];

		if (what == CT_FINDINGS ? x->severity >= CT_SEV_MEDIUM : x->kind == what)
			return true;
	}
	return false;
}

/* The dearest of the kind: costs of several may be the same time. */
static double cost_of(const struct ct_facts *f, u32 kind)
{
	ct_ns cost_ns = 0;

	for (u32 i = 0; i < f->findings.at.cnt; i++)
		if (f->findings.at.at[i].kind == kind && f->findings.at.at[i].cost_ns > cost_ns)
			cost_ns = f->findings.at.at[i].cost_ns;
	return (double)cost_ns;
}

static double waits_for(const struct ct_model *m, const char *name)
{
	char raw[NAME_SIZE];
	double wait_ns = 0;

	for (u32 i = 0; i < m->locks.cnt; i++)
		if (!strcmp(ct_lock_name(m, &m->locks.at[i], raw, sizeof(raw)), name))
			wait_ns += (double)m->locks.at[i].wait_ns;
	return wait_ns;
}

static double value_of(const struct ct_rule *rule, const struct ct_facts *f, double *whole_ns)
{
	const struct ct_model *m = f->m;
	double state_ns = 0, life_ns = 0, switches = 0;

	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];

		life_ns += (double)(t->end_ns - t->start_ns);
		switches += (double)(t->voluntary + t->involuntary);
		state_ns += rule->kind == CT_RULE_STATE ? (double)t->state_ns[rule->what] : 0;
	}
	*whole_ns = rule->kind == CT_RULE_COST ? (double)(m->end_ns - m->start_ns) : life_ns;
	switch (rule->kind) {
	case CT_RULE_DURATION:
		return (double)(m->end_ns - m->start_ns + m->run->dropped_ns);
	case CT_RULE_STATE:
		return state_ns;
	case CT_RULE_LOCK:
		return waits_for(m, rule->lock);
	case CT_RULE_COST:
		return cost_of(f, rule->what);
	case CT_RULE_MEAN_RUNNING:
		return f->parallelism.mean_running;
	case CT_RULE_THREADS:
		return m->threads.cnt;
	case CT_RULE_SWITCHES:
		return switches;
	case CT_RULE_LOST_EVENTS:
		return (double)m->lost_events;
	case CT_RULE_EXIT_STATUS: { /* as a shell has it */
		u32 status = (u32)m->run->wait_status;

		return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
	}
	default:
		return is_made(f, rule->what);
	}
}

static bool holds(enum ct_rule_op op, double x, double y)
{
	switch (op) {
	case CT_OP_LT:
		return x < y;
	case CT_OP_LE:
		return x <= y;
	case CT_OP_GT:
		return x > y;
	case CT_OP_GE:
		return x >= y;
	case CT_OP_EQ:
		return x == y;
	default:
		return x != y;
	}
}

/* Can the trace tell?  Of one that was cut a figure could still have grown; of a program that ran
 * on unrecorded it is known how long it took, not what it did.  A finding that was made was seen;
 * that one was not made, or that nothing is wrong, is only known of a whole recording. */
static bool is_told(const struct ct_rule *rule, const struct ct_facts *f)
{
	const struct ct_run *run = f->m->run;

	switch (rule->kind) {
	case CT_RULE_EXIT_STATUS:
		return run->ended && !run->attached;
	case CT_RULE_DURATION:
	case CT_RULE_LOST_EVENTS:
		return f->m->complete;
	case CT_RULE_MADE:
	case CT_RULE_NOT_MADE:
		return (rule->what != CT_FIND_HEALTHY && is_made(f, rule->what)) ||
		       !ct_findings__doubt(f);
	case CT_RULE_COST:
		return !ct_findings__doubt(f);
	default:
		return f->m->complete && !ct_is_let_go(f->m);
	}
}

struct ct_judgement ct_rule__judge(const struct ct_rule *rule, const struct ct_facts *f)
{
	struct ct_judgement j = { .known = is_told(rule, f) };
	double whole_ns;

	j.lossy = f->m->lost_events && rule->kind != CT_RULE_DURATION &&
		rule->kind != CT_RULE_EXIT_STATUS && rule->kind != CT_RULE_LOST_EVENTS;
	j.value = value_of(rule, f, &whole_ns);
	if (rule->unit == CT_RULE_PERCENT)
		j.value = whole_ns ? j.value / whole_ns * 100 : 0;
	if (rule->unit == CT_RULE_YES)
		j.passed = j.known && (j.value != 0) == (rule->kind == CT_RULE_MADE);
	else
		j.passed = j.known && holds(rule->op, j.value, rule->value);
	return j;
}
