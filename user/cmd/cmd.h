/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands: one function each, and what several of them share: a trace read into facts, and
 * what the terminal can show.  A command prints its own errors, one line each, and returns the exit
 * code.
 */
#ifndef CT_CMD_H
#define CT_CMD_H

#include "ct_base.h"
#include "ct_export.h"
#include "ct_findings.h"
#include "ct_trace.h"
#include "cli.h"

int ct_cmd_run(const struct ct_opts *opts);
int ct_cmd_report(const struct ct_opts *opts);
int ct_cmd_export(const struct ct_opts *opts);
int ct_cmd_demo(const struct ct_opts *opts);
int ct_cmd_doctor(const struct ct_opts *opts);
int ct_cmd_why(const struct ct_opts *opts);
int ct_cmd_diff(const struct ct_opts *opts);
int ct_cmd_check(const struct ct_opts *opts);
int ct_cmd_view(const struct ct_opts *opts);

/* The command table (commands.c).  A command with several forms has a row for each; the first one
 * carries its name. */
struct ct_command_row {
	enum ct_command command;
	const char *name; /* first word of the command line; NULL: none (run), or a further form */
	int (*run)(const struct ct_opts *opts);
	const char *usage;	 /* what follows "ctrace " */
	const char *meaning;	 /* one line, lower case, no full stop */
	void (*help)(FILE *out); /* more of its --help; may be NULL */
};
extern const struct ct_command_row ct_commands[];		       /* ends with usage == NULL */
const struct ct_command_row *ct_command__row(enum ct_command command); /* NULL: it has none */
const struct ct_command_row *ct_command__find(const char *name);       /* NULL: no such command */

void ct_export_help(FILE *out); /* the formats (export.c) */
void ct_demo_help(FILE *out);	/* what its words mean (demo.c) */
void ct_why_help(FILE *out);	/* exit codes, rights (why.c) */
void ct_diff_help(FILE *out);	/* sides, noise, keys (diff.c) */
void ct_check_help(FILE *out);	/* the rules (check.c) */
void ct_view_help(FILE *out);	/* who opens it (view.c) */

/* The page beside a trace that was just recorded (view.c): its path, or NULL with at most one line
 * on stderr why there is none. */
char *ct_view__write_beside(const struct ct_export_in *in, const char *trace);

/* ---- a trace, read (load.c) ---- */
struct ct_study {
	struct ct_source *source;
	struct ct_model *model;
	struct ct_facts facts;
};
/* Opens, builds and judges.  Says what is wrong with the file, on stderr: 0 or -errno; a trace of
 * which a part is missing is read as far as it goes, with a warning.  opened: may be NULL. */
struct ct_opened;
int ct_study__open(struct ct_study *l, const struct ct_opened *opened, const char *path);
/* The same of a trace that was open before: what is missing in it was said then. */
int ct_study__open_again(struct ct_study *l, const struct ct_opened *opened, const char *path);
void ct_study__close(struct ct_study *l);

/* ---- several traces (paths.c) ---- */
struct ct_paths {
	CT_VEC(char *) at;
};
/* Adds what the word stands for; says what is wrong with it: 0 or -errno. */
int ct_paths__add(struct ct_paths *paths, const char *word);
void ct_paths__clear(struct ct_paths *paths);
/* ---- exports to files (export.c) ---- */
struct ct_writer {
	int (*write)(const void *what, FILE *out); /* 0 or -errno; -ECANCELED: and said why */
	const void *what;
	/* the user did not name the file: only one that this exporter wrote is replaced */
	const struct ct_exporter *own;
};
struct ct_traces {
	const char *const *at;
	u32 cnt;
};
/* As the caller, whole or not at all; no trace is overwritten.  Says what went wrong; 0 or -errno.
 * A path that stands for a descriptor is written to as that. */
int ct_export__write(
	const struct ct_writer *w, const char *path, const struct ct_traces *traces);
/* Could it be, by what can be known before?  Says why not; 0 or -errno. */
int ct_export__check(
	const char *path, const struct ct_traces *traces, const struct ct_exporter *own);
int ct_export__stdout(const struct ct_writer *w);
/* --json of a command that compares traces: to its FILE, or to standard output. */
int ct_export__json_out(
	const struct ct_opts *opts, const struct ct_writer *w, const struct ct_traces *traces);
/* "-", "/dev/stdout", "/dev/fd/63" and the like: a descriptor that the caller gave */
bool ct_export__is_stream(const char *output);
/* Nobody named this file: is it free, or another of this exporter's? */
bool ct_export__gives_way(const struct ct_exporter *own, const char *path);
char *ct_export__default_path(const char *trace, const char *suffix); /* "a.ctrace" -> "a.json" */
/* The same of a trace; `trace` may be NULL; unasked: the user did not name the file. */
int ct_export__file(const struct ct_exporter *e, const struct ct_export_in *in, const char *path,
	const char *trace, bool unasked);
/* --json: to its FILE, or else to `out`.  -ECANCELED: it went wrong, and that was said. */
int ct_export__json(
	const struct ct_opts *opts, const struct ct_export_in *in, const char *trace, FILE *out);

/* ---- before a trace is read (opened.c) ---- */
struct ct_opened_file {
	const char *path;
	int fd;
};
struct ct_opened { /* traces that were opened as root */
	CT_VEC(struct ct_opened_file) at;
};
/* Makes sure of the output (NULL: there is no file; own: as of ct_writer), opens the traces, and
 * gives up root and more (base/rights.h), for good.  Says what went wrong; 0 or -errno. */
int ct_opened__begin(struct ct_opened *opened, const struct ct_traces *traces, const char *output,
	const struct ct_exporter *own);
int ct_opened__fd(const struct ct_opened *opened, const char *path); /* close() it; -1: not held */
void ct_opened__end(struct ct_opened *opened);

/* ---- --fail-on (fail_on.c) ---- */
/* Was one of the findings made that the options name?  Says which, unless quiet. */
/* CT_EXIT_FOUND, or 0, or CT_EXIT_FAILED where the trace does not tell; said. */
int ct_fail_on__judge(const struct ct_opts *opts, const struct ct_facts *facts);

/* ---- -r (series.c) ---- */
struct ct_recorded { /* of one recording */
	bool written;	  /* there is a trace */
	bool found;	  /* what --fail-on named */
};
/* Records once; what ct_cmd_run() does without -r.  `out` may be NULL. */
int ct_record__once(const struct ct_opts *opts, struct ct_recorded *out);
int ct_record__series(const struct ct_opts *opts);

/* ---- the terminal (term.c) ---- */
/* Colour, characters and width for a report on `out`: from the terminal, NO_COLOR, TERM, COLUMNS
 * and the locale's character set. */
void ct_term__report_opts(struct ct_report_opts *ro, FILE *out, bool verbose);

#endif
