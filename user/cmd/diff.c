/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace diff A B`: which traces each side is made of, read one after the other and kept as
 * figures only, and the comparison (diff_out.c writes it).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "cmd/diff.h"

struct side {
	struct ct_paths paths;
	struct ct_profile *runs;
};

/* ---- reading ---- */

static int read_side(struct side *s, const struct ct_opened *opened)
{
	struct ct_study study;

	s->runs = ct_alloc((s->paths.at.cnt + 1) * sizeof(*s->runs));
	for (u32 i = 0; i < s->paths.at.cnt; i++) {
		if (ct_study__open(&study, opened, s->paths.at.at[i]))
			return -EINVAL;
		ct_profile__compute(&s->runs[i], &study.facts);
		ct_study__close(&study);
	}
	return 0;
}

static int find_side(struct side *s, const char *const *words, u32 cnt)
{
	for (u32 i = 0; i < cnt; i++) {
		int err = ct_paths__add(&s->paths, words[i]);

		if (err)
			return err;
	}
	return 0;
}

static void clear_side(struct side *s)
{
	for (u32 i = 0; i < s->paths.at.cnt; i++)
		if (s->runs && s->runs[i].program)
			ct_profile__clear(&s->runs[i]);
	free(s->runs);
	ct_paths__clear(&s->paths);
}

static int compare(struct ct_compared *c, const struct side *a, const struct side *b,
	const struct ct_traces *traces)
{
	struct ct_diff d;
	int err;

	ct_diff__compute(&d, a->runs, a->paths.at.cnt, b->runs, b->paths.at.cnt);
	c->in = (struct ct_diff_in){ .diff = &d,
		.a_names = (const char *const *)a->paths.at.at,
		.b_names = (const char *const *)b->paths.at.at };
	err = ct_diff_out__write(c, traces);
	ct_diff__clear(&d);
	return err;
}

static int read_and_compare(const struct ct_opts *opts, const struct ct_diff_form *form,
	struct side *a, struct side *b)
{
	u32 a_cnt = a->paths.at.cnt, b_cnt = b->paths.at.cnt;
	const char **all = ct_alloc((a_cnt + b_cnt) * sizeof(*all));
	const struct ct_traces traces = { all, a_cnt + b_cnt };
	struct ct_opened opened = { 0 };
	struct ct_compared c = { .opts = opts, .form = form, .opened = &opened };
	const char *newer = b_cnt ? b->paths.at.at[0] : "";
	char *path = ct_diff_out__path(opts, form, newer, &c.own);
	int err;

	c.path = path;
	for (u32 i = 0; i < a_cnt; i++)
		all[i] = a->paths.at.at[i];
	for (u32 i = 0; i < b_cnt; i++)
		all[a_cnt + i] = b->paths.at.at[i];
	err = ct_opened__begin(&opened, &traces, path, c.own);
	err = err ? err : read_side(a, &opened);
	err = err ? err : read_side(b, &opened);
	err = err ? err : compare(&c, a, b, &traces);
	ct_opened__end(&opened);
	free(path);
	free(all);
	return err;
}

int ct_cmd_diff(const struct ct_opts *opts)
{
	u32 split = opts->split_idx == CT_NONE ? 1 : opts->split_idx;
	const char *const *words = (const char *const *)opts->words;
	const struct ct_diff_form *form = ct_diff_out__form(opts);
	struct side a = { 0 }, b = { 0 };
	int err;

	signal(SIGPIPE, SIG_DFL); /* `| head`: end quietly, whatever our caller had set */
	if (!form)
		return CT_EXIT_FAILED;
	err = find_side(&a, words, split);
	err = err ? err : find_side(&b, words + split, opts->word_cnt - split);
	err = err ? err : read_and_compare(opts, form, &a, &b);
	clear_side(&a);
	clear_side(&b);
	return err ? CT_EXIT_FAILED : 0;
}

void ct_diff_help(FILE *out)
{
	fputs("\nA and B are a trace each, or several runs ('ctrace -r 5 PROGRAM' records them):\n"
	      "  ctrace diff before.ctrace after.ctrace\n"
	      "  ctrace diff old.1.ctrace,old.2.ctrace new.1.ctrace,new.2.ctrace\n"
	      "  ctrace diff 'old.*.ctrace' 'new.*.ctrace'   a pattern, in quotes\n"
	      "  ctrace diff old.*.ctrace -- new.*.ctrace    or as the shell spells it out\n"
	      "  ctrace diff old/ new/                       a directory: its *.ctrace\n"
	      "\nRuns are aligned by what things are called, not by time: threads by name (digits\n"
	      "do not count) and start function, locks by name, waits by line and reason.\n"
	      "Figures are those of the middle run (median). Shown is what differs beyond the\n"
	      "noise and by more than 1 % of the run. What counts as noise:\n"
	      "  five runs a side or more: what a rank test (Mann and Whitney, 1947; exact,\n"
	      "    two-sided) gives more than 1 % to chance, or is less than 2 %;\n"
	      "  three or four: runs of the two sides overlap, or their medians are less than\n"
	      "    twice as far apart as the runs of one side and the nearest runs less than a\n"
	      "    factor of three, or less than 2 %;\n"
	      "  fewer: the same, or less than 5 % of the duration, 20 % of any other time,\n"
	      "    half of any count (assumed: one run does not tell how the next would be).\n"
	      "\n-f html: a page for a browser with the same in pictures, and under it the middle\n"
	      "run of each side as timelines on one scale of time; short runs can be chosen in\n"
	      "its place. Without -o it goes beside B, as after.diff.html.\n"
	      "\n--json or -f json: headline, speedup (null: none beyond the noise), noise, a and\n"
	      "b (runs: trace, duration_ns, exit_status, findings, labels), figures (group,\n"
	      "name, what, unit, a and b with median, least, most, lossy where lost events may\n"
	      "have changed them, which the text marks with ~; beyond_noise), findings (id,\n"
	      "a_runs, b_runs, change: gone, new, rarer, \"more often\", milder, worse, same),\n"
	      "remarks.\n"
	      "The exit status is 0 whether something differs or not, 125 when ctrace failed.\n",
		out);
}
