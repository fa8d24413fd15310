/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: words in, a const struct ct_opts out.  One table of options drives parsing and
 * help (cli.c).  No side effects: nothing is printed and no file is touched while parsing; who
 * calls prints *why.
 */
#ifndef CT_CLI_H
#define CT_CLI_H

#include <stdio.h>
#include "ct_base.h"

#define CT_EXIT_FAILED 125 /* ctrace itself failed; as env(1) has it */
#define CT_FAIL_ON_ANY (1u << 31) /* any finding of medium or high severity */
#define CT_EXIT_FOUND 90   /* what was looked for was found: why: a deadlock or the like */

enum ct_command {
	CT_CMD_RUN, /* record: a program, or -p */
	CT_CMD_REPORT,
	CT_CMD_EXPORT,
	CT_CMD_DOCTOR,
	CT_CMD_WHY,
	CT_CMD_DEMO,
	CT_CMD_DIFF,
	CT_CMD_CHECK,
	CT_CMD_VIEW,
	CT_CMD_HELP, /* --help: of topic, on stdout */
	CT_CMD_VERSION,
	CT_CMD_USAGE, /* nothing at all was asked for: the short usage, as an error */
};

enum ct_futex_depth { CT_FUTEX_DEFAULT, CT_FUTEX_CALLS, CT_FUTEX_SWITCH };

/* Pointers are into the words that were parsed, but for pids and words themselves. */
struct ct_opts {
	enum ct_command command;
	enum ct_command topic; /* HELP: of which command */
	char **argv; /* RUN: the program and its arguments, NULL-terminated; argc 0 with -p */
	int argc;
	u32 *pids; /* -p, each once, in the order given */
	u32 pid_cnt;
	double duration_s;  /* -d; 0: until it ends, or -p and Ctrl-C */
	const char *output; /* -o; NULL: the default of the command; EXPORT, DIFF: "-" is stdout */
	/* DEMO: NAME, VARIANT, what the demo itself takes; may be none.  DIFF, CHECK: the traces */
	const char **words;
	u32 word_cnt;
	u32 split_idx; /* DIFF: the first word after "--"; CT_NONE: there was no "--" */
	const char **rules; /* CHECK: --rule */
	u32 rule_cnt;
	const char *trace;  /* REPORT, EXPORT, VIEW */
	const char *format; /* EXPORT, DIFF: -f; NULL: none was given */
	u32 pid;	    /* WHY */
	u32 fail_on; /* bits by enum ct_finding_kind, and CT_FAIL_ON_ANY; 0: not given */
	u32 runs;	/* -r: so many recordings, one after the other; 0: one, not a series */
	bool keep_old;	/* of a series: the trace that is there already is kept, as without -o */
	bool in_series; /* of a series, this run: no report of its own unless verbose */
	const char **labels; /* --label: "KEY=VALUE", each key once, sorted by it */
	u32 label_cnt;
	bool redact;
	bool quiet, verbose;
	bool json;	       /* the report as JSON */
	const char *json_file; /* where to; NULL: standard output */
	bool no_html;	       /* no page beside the trace */
	bool stacks; /* user stacks are recorded (--stack) */
	bool as_root;
	u32 sample_hz;		   /* 0: no CPU samples */
	enum ct_futex_depth futex; /* DEFAULT: calls for a program, switch for -p */
	u64 max_size; /* of the trace: the newest so many bytes are kept; 0: all */
	size_t buffer_bytes;	   /* all rings together; 0: the default */
	const char *watch; /* --watch: names of variables, or "auto"; NULL: none */
	bool shake;
	u64 seed; /* --shake=SEED; 0: chosen */
};

/* 0, or -EINVAL and one sentence for the user in *why (free() it; no newline, no "ctrace: "), which
 * names the word and the next step.  Sets opts either way; ct_cli__clear it. */
int ct_cli__parse(struct ct_opts *opts, int argc, char **argv, char **why);
void ct_cli__clear(struct ct_opts *opts);

/* The command whose name is like this word but for a letter or two; NULL: none. */
const char *ct_cli__near_command(const char *word);

void ct_cli__usage(FILE *out); /* the short form */
void ct_cli__help(FILE *out, enum ct_command topic);

#endif
