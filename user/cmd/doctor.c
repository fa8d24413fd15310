/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace doctor`: what this machine and this user can do, one line each, and how to mend what is
 * missing.  Exit code 0 when recording can work.
 */
#include <errno.h>
#include <string.h>

#include "capture/features.h"
#include "cmd/cmd.h"

#define NAME_WIDTH 27

struct look {
	const char *word, *colour;
};

/* A needed NO stands out without colours too. */
static struct look look_of(const struct ct_feature *f)
{
	switch (f->answer) {
	case CT_ANSWER_YES:
		return (struct look){ "yes", "\033[32m" };
	case CT_ANSWER_NO:
		return f->needed ? (struct look){ "NO", "\033[1;31m" }
				 : (struct look){ "no", "\033[33m" };
	default:
		return (struct look){ "", "" };
	}
}

static void print_feature(const struct ct_feature *f, bool colour)
{
	struct look look = look_of(f);

	printf("  %s%-4s%s%-*s %s\n", colour ? look.colour : "", look.word,
		colour && look.colour[0] ? "\033[0m" : "", NAME_WIDTH, f->name, f->found);
	if (f->mend)
		printf("      to mend: %s\n", f->mend);
}

static void print_verdict(const struct ct_features *features)
{
	const struct ct_feature *missing = ct_features__missing(features);
	u32 no_cnt = 0;

	for (u32 i = 0; i < features->at.cnt; i++)
		no_cnt += features->at.at[i].answer == CT_ANSWER_NO;
	if (missing)
		printf("\nRecording cannot work: see %s. Reports and exports of traces can.\n",
			missing->name);
	else if (no_cnt)
		printf("\nRecording works, with less in it where a line says no.\n");
	else
		printf("\nRecording works.\n");
}

int ct_cmd_doctor(const struct ct_opts *opts)
{
	struct ct_report_opts ro;
	struct ct_features features;
	bool can_record;

	ct_term__report_opts(&ro, stdout, opts->verbose);
	ct_features__probe(&features);
	for (u32 i = 0; i < features.at.cnt; i++)
		print_feature(&features.at.at[i], ro.colour);
	print_verdict(&features);
	can_record = !ct_features__missing(&features);
	ct_features__clear(&features);
	if (fflush(stdout)) {
		ct_error("cannot write to standard output: %s", strerror(errno));
		return CT_EXIT_FAILED;
	}
	return can_record ? 0 : CT_EXIT_FAILED;
}
