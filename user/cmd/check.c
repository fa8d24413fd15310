/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace check TRACE... --rule RULE`: holds each run against each rule.  One unreadable trace does
 * not keep the others from being graded.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cmd/cmd.h"

static int parse_rules(const struct ct_opts *opts, struct ct_rule *rules)
{
	for (u32 i = 0; i < opts->rule_cnt; i++) {
		char *why;

		if (!ct_rule__parse(&rules[i], opts->rules[i], &why))
			continue;
		ct_error("%s; 'ctrace check --help' has all rules", why);
		free(why);
		return -EINVAL;
	}
	return 0;
}

static void grade(struct ct_checked *run, const struct ct_opened *opened,
	const struct ct_opts *opts, const struct ct_rule *rules)
{
	struct ct_study study;

	if (ct_study__open(&study, opened, run->name))
		return;
	run->judgements = ct_alloc(opts->rule_cnt * sizeof(*run->judgements));
	run->passed = true;
	for (u32 i = 0; i < opts->rule_cnt; i++) {
		run->judgements[i] = ct_rule__judge(&rules[i], &study.facts);
		run->passed &= run->judgements[i].passed;
	}
	if (study.model->lost_events)
		ct_warn("'%s' lost %llu events: its figures may be off", run->name,
			(unsigned long long)study.model->lost_events);
	ct_study__close(&study);
}

static int write_json(const void *what, FILE *out)
{
	return ct_check__write_json(what, out);
}

static int print_verdicts(
	const struct ct_opts *opts, const struct ct_check_in *in, const struct ct_paths *paths)
{
	const struct ct_writer w = { .write = write_json, .what = in };
	const struct ct_traces traces = { (const char *const *)paths->at.at, paths->at.cnt };

	if (opts->json)
		return ct_export__json_out(opts, &w, &traces);
	if (!opts->quiet)
		ct_check__write(in, stdout);
	if (!fflush(stdout))
		return 0;
	ct_error("cannot write the verdicts: %s", strerror(errno));
	return -EIO;
}

static int grade_all(const struct ct_opts *opts, const struct ct_opened *opened,
	const struct ct_rule *rules, const struct ct_paths *paths)
{
	struct ct_checked *runs = ct_alloc((paths->at.cnt + 1) * sizeof(*runs));
	struct ct_check_in in = { .rules = rules,
		.rule_cnt = opts->rule_cnt,
		.texts = opts->rules,
		.runs = runs,
		.run_cnt = paths->at.cnt };
	bool unread = false;
	int err;

	for (u32 i = 0; i < in.run_cnt; i++) {
		runs[i].name = paths->at.at[i];
		grade(&runs[i], opened, opts, rules);
		in.passed_cnt += runs[i].passed;
		unread |= !runs[i].judgements;
	}
	err = print_verdicts(opts, &in, paths);
	for (u32 i = 0; i < in.run_cnt; i++)
		free(runs[i].judgements);
	free(runs);
	return err || unread ? CT_EXIT_FAILED : in.passed_cnt < in.run_cnt ? CT_EXIT_FOUND : 0;
}

static int open_and_grade(
	const struct ct_opts *opts, const struct ct_rule *rules, const struct ct_paths *paths)
{
	const struct ct_traces traces = { (const char *const *)paths->at.at, paths->at.cnt };
	struct ct_opened opened = { 0 };
	int code = ct_opened__begin(&opened, &traces, opts->json_file, NULL)
			   ? CT_EXIT_FAILED
			   : grade_all(opts, &opened, rules, paths);

	ct_opened__end(&opened);
	return code;
}

int ct_cmd_check(const struct ct_opts *opts)
{
	struct ct_rule *rules = ct_alloc(opts->rule_cnt * sizeof(*rules));
	struct ct_paths paths = { 0 };
	int code = CT_EXIT_FAILED;

	signal(SIGPIPE, SIG_DFL);
	if (!parse_rules(opts, rules)) {
		bool all = true;

		for (u32 i = 0; i < opts->word_cnt && all; i++)
			all = !ct_paths__add(&paths, opts->words[i]);
		if (all)
			code = open_and_grade(opts, rules, &paths);
	}
	for (u32 i = 0; i < opts->rule_cnt; i++)
		ct_rule__clear(&rules[i]);
	free(rules);
	ct_paths__clear(&paths);
	return code;
}

void ct_check_help(FILE *out)
{
	fputs("\nTRACE is a trace, or a directory: its *.ctrace. A RULE is one of:\n"
	      "  no FINDING              it was not made; FINDING is an id such as deadlock, or\n"
	      "                          any: of medium or high severity\n"
	      "  finding FINDING         it was made: finding healthy\n"
	      "  FIGURE OP VALUE         OP is one of < <= > >= == !=; FIGURE is one of\n"
	      "    duration              a time: 500us, 20ms, 1.5s, 2min\n"
	      "    running, runnable, lock, cond, sleep, io-disk, ... (any state)\n"
	      "                          of all threads together: a time, or % of their lives\n"
	      "    lock:NAME             waits for that lock: likewise\n"
	      "    lock-contention, ...  what that finding costs: a time, or % of the run\n"
	      "    mean_running          how many threads ran at once: a number\n"
	      "    threads, switches, exit_status, lost_events\n"
	      "\nExamples:\n"
	      "  ctrace check submissions/ --rule 'no deadlock' --rule 'exit_status == 0'\n"
	      "  ctrace check run.ctrace --rule 'duration < 2s' --rule 'lock:big_lock < 5%'\n"
	      "\nA trace that was cut, that lost too much, or of a program that ran on\n"
	      "unrecorded does not tell what was not there: 'no FINDING' is not kept then,\n"
	      "nor are figures.\n"
	      "\nThe exit status is 0 when every run keeps every rule, 90 when one does not (what\n"
	      "a trace does not tell is not kept), 125 when a rule or trace cannot be read.\n",
		out);
}
