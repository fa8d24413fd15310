/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs held against rules, as text (a line for each run and rule) and as JSON.
 *
 * JSON, schema 1: passed (every rule in every run), runs: trace, passed, rules: rule, passed, value
 * (null: the trace does not tell; of `no` and `finding`: was it made), unit (ns, percent, number,
 * made), lossy (true, where lost events may have changed it).  A trace that cannot be read has
 * error in place of rules.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "diff_int.h"
#include "json_int.h"

#define SCHEMA 1

static char *value_words(char buf[CT_FMT_LEN], const struct ct_rule *rule,
	const struct ct_judgement *j)
{
	if (!j->known)
		snprintf(buf, CT_FMT_LEN, "the trace does not tell");
	else if (rule->unit == CT_RULE_YES)
		snprintf(buf, CT_FMT_LEN, j->value ? "it was made" : "it was not made");
	else if (rule->unit == CT_RULE_NS)
		ct_figure_words(buf, CT_UNIT_NS, j->value);
	else if (rule->unit == CT_RULE_PERCENT)
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%" PRIu64 " %%",
			(u64)(j->value * 10 + 0.5) / 10, (u64)(j->value * 10 + 0.5) % 10);
	else
		ct_figure_words(buf, rule->kind == CT_RULE_MEAN_RUNNING ? CT_UNIT_RATIO
									: CT_UNIT_COUNT,
			j->value);
	return buf;
}

static bool is_about(const struct ct_rule *rule, const struct ct_judgement *j)
{
	return j->lossy && j->known && rule->unit != CT_RULE_YES;
}

void ct_check__write(const struct ct_check_in *in, FILE *out)
{
	for (u32 i = 0; i < in->run_cnt; i++) {
		const struct ct_checked *run = &in->runs[i];
		char name[1024], value[CT_FMT_LEN], rule[512];

		ct_fmt_safe(name, sizeof(name), run->name);
		if (!run->judgements)
			fprintf(out, "error  %s: cannot be read\n", name);
		for (u32 k = 0; run->judgements && k < in->rule_cnt; k++)
			fprintf(out, "%s   %s: %s (%s%s)\n",
				run->judgements[k].passed ? "pass" : "FAIL", name,
				ct_fmt_safe(rule, sizeof(rule), in->texts[k]),
				is_about(&in->rules[k], &run->judgements[k]) ? "~" : "",
				value_words(value, &in->rules[k], &run->judgements[k]));
	}
	fprintf(out, "%" PRIu32 " of %" PRIu32 " runs pass\n", in->passed_cnt, in->run_cnt);
}

static json_t *value_of(const struct ct_rule *rule, const struct ct_judgement *j)
{
	if (!j->known)
		return json_null();
	if (rule->unit == CT_RULE_YES)
		return json_boolean(j->value != 0);
	if (rule->unit == CT_RULE_NS)
		return json_integer((json_int_t)j->value);
	return json_real(j->value);
}

static json_t *rule_objects(const struct ct_check_in *in, const struct ct_checked *run)
{
	static const char *const units[] = { [CT_RULE_NUMBER] = "number", [CT_RULE_NS] = "ns",
		[CT_RULE_PERCENT] = "percent", [CT_RULE_YES] = "made" };
	json_t *rows = json_array();

	for (u32 k = 0; k < in->rule_cnt; k++) {
		json_t *o = json_object();

		set(o, "rule", text(in->texts[k]));
		set(o, "passed", json_boolean(run->judgements[k].passed));
		set(o, "value", value_of(&in->rules[k], &run->judgements[k]));
		set(o, "unit", json_string(units[in->rules[k].unit]));
		if (run->judgements[k].lossy)
			set(o, "lossy", json_true());
		json_array_append_new(rows, o);
	}
	return rows;
}

int ct_check__write_json(const struct ct_check_in *in, FILE *out)
{
	json_t *root = json_object(), *runs = json_array();

	for (u32 i = 0; i < in->run_cnt; i++) {
		const struct ct_checked *run = &in->runs[i];
		json_t *o = json_object();

		set(o, "trace", text(run->name));
		set(o, "passed", json_boolean(run->passed));
		if (run->judgements)
			set(o, "rules", rule_objects(in, run));
		else
			set(o, "error", json_string("cannot be read"));
		json_array_append_new(runs, o);
	}
	set(root, "schema", json_integer(SCHEMA));
	set(root, "passed", json_boolean(in->passed_cnt == in->run_cnt));
	set(root, "runs", runs);
	return ct_json__dump(root, out);
}
