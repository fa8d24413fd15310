/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the table of options, parsing and the help text.  Every option is one row: what it is
 * called, which commands take it, what it sets, what --help says.  An option or a command that the
 * contract names and this version lacks has a row too, so that it is refused by name: silently
 * taking 'diff' for a program to run would be worse than not having it.
 *
 * Two passes with one getopt_long() loop: the words up to the first that is not an option, and,
 * when that word is a command, the words after it in any order.  What a command does not take is
 * refused whichever side of it the option stood on.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cmd/cmd.h"

#define SAMPLE_HZ_DEFAULT 99 /* not 100: never in step with what programs do every 10 ms */
#define SAMPLE_HZ_MAX 10000
#define PID_MAX 4194304 /* the kernel's PID_MAX_LIMIT */
#define DURATION_MAX_S 1e9
#define RUNS_MAX 1000
#define LABEL_MAX 256 /* bytes */
#define BUFFER_MIN (64ul << 10)
#define BUFFER_MAX (1ul << 30)
#define KEPT_MIN (256u << 10)
#define KEPT_MAX (1ull << 40)
#define HELP_COLUMN 26 /* where meanings start */
#define HELP_WIDTH 80

enum long_only {
	OPT_NO_HTML = 256,
	OPT_QUIET,
	OPT_JSON,
	OPT_STACK,
	OPT_CPU_SAMPLES,
	OPT_FUTEX,
	OPT_AS_ROOT,
	OPT_BUFFER,
	OPT_WATCH,
	OPT_SHAKE,
	OPT_LOCKS,
	OPT_FAIL_ON,
	OPT_MAX_SIZE,
	OPT_LABEL,
	OPT_REDACT,
	OPT_RULE,
};

enum rank {
	COMMON, /* in --help */
	RARE,	/* in --help, under "rarely needed" */
	LATER,	/* not in this version */
};

#define RUN (1u << CT_CMD_RUN)
#define REPORT (1u << CT_CMD_REPORT)
#define EXPORT (1u << CT_CMD_EXPORT)
#define DOCTOR (1u << CT_CMD_DOCTOR)
#define WHY (1u << CT_CMD_WHY)
#define DEMO (1u << CT_CMD_DEMO)
#define DIFF (1u << CT_CMD_DIFF)
#define CHECK (1u << CT_CMD_CHECK)
#define VIEW (1u << CT_CMD_VIEW)
#define RECORD (RUN | DEMO)
#define ANY (RUN | REPORT | EXPORT | DOCTOR | WHY | DEMO | DIFF | CHECK | VIEW)

struct option_row {
	int id;		  /* its letter, or enum long_only */
	const char *name; /* without "--"; NULL: has a letter only */
	const char *arg;  /* what it takes; NULL: nothing */
	u32 commands;	  /* that take it */
	enum rank rank;
	bool optional; /* the value may be left out; then it is NULL */
	/* either sets a flag, or takes a value; neither: parse_words() acts on it */
	size_t flag; /* offset of a bool in struct ct_opts; 0: none */
	char *(*set)(struct ct_opts *opts, const char *value); /* NULL, or what is wrong with it */
	const char *meaning;
};

/* ---- values ---- */

static bool parse_u64(const char *text, u64 *out, const char **rest)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	*rest = end;
	return !errno;
}

static char *add_pid(struct ct_opts *opts, u32 pid)
{
	for (u32 i = 0; i < opts->pid_cnt; i++)
		if (opts->pids[i] == pid)
			return NULL;
	opts->pids = ct_realloc(opts->pids, (opts->pid_cnt + 1) * sizeof(u32));
	opts->pids[opts->pid_cnt++] = pid;
	return NULL;
}

static char *set_pids(struct ct_opts *opts, const char *value)
{
	const char *at = value, *rest;
	u64 pid;

	do {
		if (!parse_u64(at, &pid, &rest) || !pid || pid > PID_MAX ||
			(*rest && *rest != ',')) {
			int len = strcspn(at, ",");
			return ct_asprintf(
				"'%.*s' is not a process id; -p takes numbers: -p 12,34", len, at);
		}
		add_pid(opts, pid);
		at = rest + 1;
	} while (*rest);
	return NULL;
}

static char *set_duration(struct ct_opts *opts, const char *value)
{
	char *end = NULL;
	double s = 0;

	/* strtod alone would take "inf", "0x1p3" and " 1" too */
	if (value[0] && strspn(value, "0123456789.") == strlen(value))
		s = strtod(value, &end);
	if (!end || *end || s <= 0 || s > DURATION_MAX_S)
		return ct_asprintf(
			"'%s' is not a number of seconds; -d takes one such as 10 or 0.5", value);
	opts->duration_s = s;
	return NULL;
}

static char *set_output(struct ct_opts *opts, const char *value)
{
	if (!value[0])
		return ct_strdup("-o takes the name of a file, which is empty here");
	opts->output = value;
	return NULL;
}

static char *set_format(struct ct_opts *opts, const char *value)
{
	opts->format = value;
	return NULL;
}

static char *set_json(struct ct_opts *opts, const char *value)
{
	if (value && !value[0])
		return ct_strdup("--json= takes the name of a file, which is empty here");
	opts->json = true;
	opts->json_file = value && strcmp(value, "-") ? value : NULL;
	return NULL;
}

static char *set_stack(struct ct_opts *opts, const char *value)
{
	opts->stacks = !strcmp(value, "on");
	if (opts->stacks || !strcmp(value, "off"))
		return NULL;
	return ct_asprintf("--stack takes on or off, not '%s'", value);
}

static char *set_cpu_samples(struct ct_opts *opts, const char *value)
{
	const char *rest;
	u64 hz = 0;

	if (strcmp(value, "off") &&
		(!parse_u64(value, &hz, &rest) || *rest || !hz || hz > SAMPLE_HZ_MAX))
		return ct_asprintf("--cpu-samples takes off or 1 to %d per second, not '%s'",
			SAMPLE_HZ_MAX, value);
	opts->sample_hz = hz;
	return NULL;
}

static char *set_futex(struct ct_opts *opts, const char *value)
{
	if (!strcmp(value, "calls"))
		opts->futex = CT_FUTEX_CALLS;
	else if (!strcmp(value, "switch"))
		opts->futex = CT_FUTEX_SWITCH;
	else
		return ct_asprintf("--futex takes calls or switch, not '%s'", value);
	return NULL;
}

/* "64M": a number, and what it counts. */
static bool parse_size(const char *value, u64 least, u64 most, u64 *n)
{
	static const char units[] = "kmg";
	const char *rest, *unit;

	if (!parse_u64(value, n, &rest))
		return false;
	unit = *rest ? strchr(units, *rest | 0x20) : NULL;
	if (unit) {
		if (*n > most) /* and the shift stays within 64 bits */
			return false;
		*n <<= 10 * (unit - units + 1);
		rest++;
	}
	return !*rest && *n >= least && *n <= most;
}

static char *set_buffer(struct ct_opts *opts, const char *value)
{
	u64 n;

	if (!parse_size(value, BUFFER_MIN, BUFFER_MAX, &n))
		return ct_asprintf("--buffer takes a size from 64K to 1G, not '%s'", value);
	opts->buffer_bytes = n;
	return NULL;
}

static char *set_max_size(struct ct_opts *opts, const char *value)
{
	if (!parse_size(value, KEPT_MIN, KEPT_MAX, &opts->max_size))
		return ct_asprintf("--max-size takes a size from 256K to 1024G, not '%s'", value);
	return NULL;
}

static char *set_watch(struct ct_opts *opts, const char *value)
{
	if (!value[0] || value[0] == ',' || value[strlen(value) - 1] == ',' ||
		strstr(value, ",,"))
		return ct_strdup("--watch takes names of variables: --watch counter,table[3]");
	opts->watch = value;
	return NULL;
}

static char *set_shake(struct ct_opts *opts, const char *value)
{
	const char *rest;

	opts->shake = true;
	if (value && (!parse_u64(value, &opts->seed, &rest) || *rest || !opts->seed))
		return ct_asprintf("--shake takes a number from 1 as its seed, not '%s'", value);
	return NULL;
}

static char *explain_finding(const char *id, int len)
{
	static const char *const later[] = { "lock-order" };
	char *list, *why;

	for (size_t i = 0; i < CT_COUNT(later); i++)
		if (!strncmp(later[i], id, len) && !later[i][len])
			return ct_asprintf("the finding '%s' is not in this version", later[i]);
	list = ct_strdup("any");
	for (u32 k = 0; k < CT_FINDINGS; k++) {
		char *longer = ct_asprintf("%s %s", list, ct_finding_id(k));

		free(list);
		list = longer;
	}
	why = ct_asprintf(
		"no finding is called '%.*s'; --fail-on takes some of: %s", len, id, list);
	free(list);
	return why;
}

static char *set_fail_on(struct ct_opts *opts, const char *value)
{
	for (const char *at = value;; at++) {
		int len = strcspn(at, ",");
		char *id = ct_strndup(at, len);
		enum ct_finding_kind kind = ct_finding_kind_of(id);
		bool any = !strcmp(id, "any");

		free(id);
		if (!any && kind == CT_FINDINGS)
			return explain_finding(at, len);
		opts->fail_on |= any ? CT_FAIL_ON_ANY : 1u << kind;
		at += len;
		if (!*at)
			return NULL;
	}
}

static char *set_runs(struct ct_opts *opts, const char *value)
{
	const char *rest;
	u64 n;

	if (!parse_u64(value, &n, &rest) || *rest || !n || n > RUNS_MAX)
		return ct_asprintf("-r takes how many runs to record, 1 to %d, not '%s'", RUNS_MAX,
			value);
	opts->runs = n;
	return NULL;
}

static void add_text(const char ***list, u32 *cnt, const char *text)
{
	*list = ct_realloc(*list, (*cnt + 1) * sizeof(**list));
	(*list)[(*cnt)++] = text;
}

/* Sorted by key, so that runs with the same labels have them in the same order. */
static char *set_label(struct ct_opts *opts, const char *value)
{
	size_t len = strcspn(value, "=");
	u32 i = opts->label_cnt;

	if (!len || !value[len] || strlen(value) > LABEL_MAX)
		return ct_asprintf("--label takes KEY=VALUE of at most %d bytes, not '%s'",
			LABEL_MAX, value);
	for (u32 k = 0; k < opts->label_cnt; k++)
		if (!strncmp(opts->labels[k], value, len + 1))
			return ct_asprintf(
				"the label '%.*s' is given twice", (int)len, value);
	add_text(&opts->labels, &opts->label_cnt, value);
	for (; i && strcmp(opts->labels[i - 1], value) > 0; i--)
		opts->labels[i] = opts->labels[i - 1];
	opts->labels[i] = value;
	return NULL;
}

static char *set_rule(struct ct_opts *opts, const char *value)
{
	add_text(&opts->rules, &opts->rule_cnt, value);
	return NULL;
}

/* ---- the options ---- */

#define FLAG(field) .flag = offsetof(struct ct_opts, field)

static const struct option_row rows[] = {
	{ 'p', NULL, "PID[,PID...]", RUN, COMMON, .set = set_pids,
		.meaning = "attach to these processes: all their threads, and\n"
			   "their children from now on" },
	{ 'd', NULL, "SECONDS", RECORD, COMMON, .set = set_duration,
		.meaning = "end the recording after so long (0.5 is fine); else it\n"
			   "ends with the program, or with -p at Ctrl-C; PROGRAM\n"
			   "runs on, and ctrace then waits for it" },
	{ 'f', NULL, "FORMAT", EXPORT, COMMON, .set = set_format, .meaning = "the form to write" },
	{ 'f', NULL, "text|json|html", DIFF, COMMON, .set = set_format,
		.meaning = "the form to write (default: text); html is a page\n"
			   "for a browser" },
	{ 'o', NULL, "FILE", RECORD, COMMON, .set = set_output,
		.meaning = "the trace (default: PROGRAM.ctrace, in the working\n"
			   "directory)" },
	{ 'o', NULL, "FILE", EXPORT, COMMON, .set = set_output,
		.meaning = "where to; - is standard output (default: TRACE with\n"
			   "the suffix of the format); FILE is replaced, whatever\n"
			   "it was, but no trace, and no symbolic link is followed" },
	{ 'o', NULL, "FILE", VIEW, COMMON, .set = set_output,
		.meaning = "where the page goes (default: TRACE with the suffix\n"
			   ".html); FILE is replaced, but no trace and no link" },
	{ 'o', NULL, "FILE", DIFF, COMMON, .set = set_output,
		.meaning = "where -f goes; - is standard output (default: there,\n"
			   "and of html B with the suffix .diff.html); FILE is\n"
			   "replaced, but no trace and no link" },
	{ OPT_JSON, "json", "FILE", RECORD, COMMON, .optional = true, .set = set_json,
		.meaning = "the report as JSON: in FILE, which is replaced (but no\n"
			   "trace and no link); without FILE on standard output,\n"
			   "after whatever PROGRAM writes there" },
	{ OPT_JSON, "json", "FILE", REPORT | WHY | DIFF | CHECK, COMMON, .optional = true,
		.set = set_json,
		.meaning = "as JSON, on standard output or in FILE, which is\n"
			   "replaced (but no trace and no link)" },
	{ OPT_FUTEX, "futex", "calls|switch", RECORD, COMMON, .set = set_futex,
		.meaning = "how locks are seen: in every futex call (default for\n"
			   "a program), or only where a thread blocks (default for\n"
			   "-p: cheaper, and costs other programs nothing)" },
	{ OPT_STACK, "stack", "on|off", RECORD, COMMON, .set = set_stack,
		.meaning = "which lines wait (default: on)" },
	{ OPT_CPU_SAMPLES, "cpu-samples", "HZ|off", RECORD, COMMON, .set = set_cpu_samples,
		.meaning = "what running threads do, so often a second\n"
			   "(default: 99)" },
	{ OPT_AS_ROOT, "as-root", NULL, RECORD, COMMON, FLAG(as_root),
		.meaning = "under sudo, run the program as root; without it, it\n"
			   "runs as the user who called sudo" },
	{ 'r', NULL, "N", RECORD, COMMON, .set = set_runs,
		.meaning = "record N runs one after the other into\n"
			   "PROGRAM.1.ctrace and on, and sum them up: for diff,\n"
			   "and for what goes wrong only sometimes: in how many\n"
			   "runs, and which one to look at" },
	{ OPT_LABEL, "label", "KEY=VALUE", RECORD, COMMON, .set = set_label,
		.meaning = "what the trace shall say about where it comes from;\n"
			   "may be given several times" },
	{ OPT_REDACT, "redact", NULL, RECORD, COMMON, FLAG(redact),
		.meaning = "no arguments, directories and host name in the trace:\n"
			   "to share it" },
	{ OPT_RULE, "rule", "RULE", CHECK, COMMON, .set = set_rule,
		.meaning = "what each run must be; may be given several times" },
	{ OPT_NO_HTML, "no-html", NULL, RECORD, COMMON, FLAG(no_html),
		.meaning = "no page for the browser beside the trace" },
	{ OPT_WATCH, "watch", "NAME[,NAME...]", RECORD, COMMON, .set = set_watch,
		.meaning = "see each access to these variables: who reads and\n"
			   "writes which value, under which lock, and which update\n"
			   "is lost; NAME, NAME[3], NAME.member, '*ADDRESS:SIZE',\n"
			   "or auto: all there are, by turns; help: their names" },
	{ OPT_SHAKE, "shake", "SEED", RECORD, COMMON, .set = set_shake, .optional = true,
		.meaning = "with --watch: short random delays at accesses and\n"
			   "locks, so that a race shows sooner; a seed repeats\n"
			   "them; with -r each run has its own, made of SEED" },
	{ OPT_FAIL_ON, "fail-on", "ID[,ID...]", RECORD | REPORT, COMMON, .set = set_fail_on,
		.meaning = "exit with 90 when one of these findings is made; any\n"
			   "stands for those of medium or high severity" },
	{ OPT_QUIET, "quiet", NULL, RECORD | REPORT | EXPORT | CHECK | VIEW, COMMON, FLAG(quiet),
		.meaning = "no report, no notes; errors only" },
	{ 'v', NULL, NULL, ANY, COMMON, FLAG(verbose), .meaning = "say more" },
	{ 'h', "help", NULL, ANY, COMMON, .meaning = "this text; after a command, its own" },
	{ 'V', "version", NULL, ANY, COMMON, .meaning = "the version of ctrace" },
	{ OPT_MAX_SIZE, "max-size", "SIZE", RECORD, RARE, .set = set_max_size,
		.meaning = "flight recorder: keep the newest SIZE of the trace,\n"
			   "256K to 1024G; on disk twice that, at the very end" },
	{ OPT_BUFFER, "buffer", "SIZE", RECORD, RARE, .set = set_buffer,
		.meaning = "memory for events on their way, all CPUs together:\n"
			   "64K to 1G; more if a report says that events were lost" },
	{ OPT_LOCKS, "locks", NULL, ANY, LATER, .meaning = NULL },
};

static const char *const later_commands[] = { "room" };

/* ---- parsing ---- */

struct parse {
	struct ct_opts *opts;
	char *why;
	u32 seen[CT_COUNT(rows)]; /* rows of the options that were given, in order, each once */
	u32 seen_cnt;
	bool done; /* -h or -V: what follows does not matter */
};

struct getopt_tables {
	char letters[3 + 2 * CT_COUNT(rows)];
	struct option names[CT_COUNT(rows) + 1];
};

static bool is_listed(const struct getopt_tables *t, u32 name_cnt, const char *name)
{
	for (u32 i = 0; i < name_cnt; i++)
		if (!strcmp(t->names[i].name, name))
			return true;
	return false;
}

/* `order`: '+' stops at the first word that is no option, '-' takes options between words. */
static void make_tables(struct getopt_tables *t, char order)
{
	char *letter = t->letters;
	u32 name_cnt = 0;

	memset(t, 0, sizeof(*t));
	*letter++ = order;
	*letter++ = ':'; /* a missing argument is told from an unknown option */
	for (size_t i = 0; i < CT_COUNT(rows); i++) {
		if (rows[i].id < 256 && !strchr(t->letters, rows[i].id)) {
			*letter++ = rows[i].id;
			if (rows[i].arg)
				*letter++ = ':';
		}
		if (rows[i].name && !is_listed(t, name_cnt, rows[i].name))
			t->names[name_cnt++] = (struct option){ rows[i].name,
				rows[i].optional ? optional_argument
				: rows[i].arg	 ? required_argument
						 : no_argument,
				NULL, rows[i].id };
	}
}

/* The first row of that id; some have two, which set the same and mean it differently. */
static u32 find_row(int id)
{
	for (u32 i = 0; i < CT_COUNT(rows); i++)
		if (rows[i].id == id)
			return i;
	return CT_NONE;
}

/* "-p" or "--json", as a user knows it; static text would need a buffer, so it is the caller's. */
static char *option_name(int id)
{
	const struct option_row *row = &rows[find_row(id)];

	return row->name ? ct_asprintf("--%s", row->name) : ct_asprintf("-%c", row->id);
}

/* How many letters must be put in, taken out or changed to make b of a. */
static u32 edit_distance(const char *a, const char *b)
{
	u32 row[32], len = strlen(b);

	if (len >= CT_COUNT(row))
		return CT_NONE;
	for (u32 j = 0; j <= len; j++)
		row[j] = j;
	for (u32 i = 0; a[i]; i++) {
		u32 diagonal = row[0];

		row[0] = i + 1;
		for (u32 j = 1; j <= len; j++) {
			u32 best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

static const char *nearest_name(const char *word)
{
	u32 best = 1 + strlen(word) / 3, d;
	const char *name = NULL;

	for (size_t i = 0; i < CT_COUNT(rows); i++) {
		if (!rows[i].name || rows[i].rank == LATER)
			continue;
		d = edit_distance(word, rows[i].name);
		if (d < best || (d == best && !name)) {
			best = d;
			name = rows[i].name;
		}
	}
	return name;
}

const char *ct_cli__near_command(const char *word)
{
	u32 best = 2 + strlen(word) / 3, d;
	const char *name = NULL;

	for (const struct ct_command_row *row = ct_commands; row->usage; row++) {
		d = row->name && word[0] == row->name[0] ? edit_distance(word, row->name) : CT_NONE;
		if (d < best) {
			best = d;
			name = row->name;
		}
	}
	return name;
}

/* "ctrace --help", or that of the command that the words are for. */
static char *help_of(const struct parse *p)
{
	const struct ct_command_row *row = ct_command__row(p->opts->command);

	return row->name ? ct_asprintf("ctrace %s --help", row->name) : ct_strdup("ctrace --help");
}

static char *explain_unknown(const struct parse *p, const char *word)
{
	char *name = ct_strndup(word, strcspn(word, "=")), *help = help_of(p), *why;
	const char *near = nearest_name(name + 2);

	if (near)
		why = ct_asprintf(
			"unknown option '%s'; did you mean '--%s'? Try '%s'", name, near, help);
	else
		why = ct_asprintf("unknown option '%s'; try '%s'", name, help);
	free(help);
	free(name);
	return why;
}

/* After getopt_long() said '?': unknown, or a value for an option that takes none. */
static char *explain_refused(const struct parse *p, char **argv)
{
	char *name, *help, *why;

	if (!optopt) /* a long one; it has been stepped over */
		return explain_unknown(p, argv[optind - 1]);
	help = help_of(p);
	if (find_row(optopt) == CT_NONE) {
		why = ct_asprintf("unknown option '-%c'; try '%s'", optopt, help);
	} else {
		name = option_name(optopt);
		why = ct_asprintf("'%s' takes no value; try '%s'", name, help);
		free(name);
	}
	free(help);
	return why;
}

static char *explain_missing(const struct parse *p)
{
	u32 i = find_row(optopt);
	char *name = option_name(optopt), *help = help_of(p), *why;

	why = rows[i].rank == LATER
		      ? ct_asprintf("'%s' is not in this version", name)
		      : ct_asprintf("'%s' needs a value: %s; try '%s'", name, rows[i].arg, help);
	free(help);
	free(name);
	return why;
}

static void note_seen(struct parse *p, u32 i)
{
	for (u32 k = 0; k < p->seen_cnt; k++)
		if (p->seen[k] == i)
			return;
	p->seen[p->seen_cnt++] = i;
}

static void take_option(struct parse *p, int id)
{
	u32 i = find_row(id);

	if (rows[i].rank == LATER) {
		char *name = option_name(id);

		p->why = ct_asprintf("'%s' is not in this version", name);
		free(name);
		return;
	}
	note_seen(p, i);
	if (id == 'h' || id == 'V') {
		p->opts->topic = p->opts->command;
		p->opts->command = id == 'h' ? CT_CMD_HELP : CT_CMD_VERSION;
		p->done = true;
	} else if (rows[i].flag) {
		*(bool *)((char *)p->opts + rows[i].flag) = true;
	} else {
		p->why = rows[i].set(p->opts, optarg);
	}
}

static void take_pid(struct parse *p, const char *word)
{
	const char *rest;
	u64 pid;

	if (p->opts->pid)
		p->why = ct_asprintf("why takes one process, and '%s' is one more; "
				     "try 'ctrace why --help'",
			word);
	else if (!parse_u64(word, &pid, &rest) || *rest || !pid || pid > PID_MAX)
		p->why = ct_asprintf(
			"'%s' is not a process id; why takes a number: why 1234", word);
	else
		p->opts->pid = pid;
}

static void add_word(struct ct_opts *opts, const char *word)
{
	add_text(&opts->words, &opts->word_cnt, word);
}

/* The word after a command: there is room for one, the trace or the process; a demo takes any. */
static void take_word(struct parse *p, const char *word)
{
	const char *name = ct_command__row(p->opts->command)->name;

	if (p->opts->command == CT_CMD_DOCTOR)
		p->why = ct_asprintf(
			"doctor takes no argument, and '%s' is one; try 'ctrace doctor'", word);
	else if (p->opts->command == CT_CMD_WHY)
		take_pid(p, word);
	else if ((1u << p->opts->command) & (DEMO | DIFF | CHECK))
		add_word(p->opts, word);
	else if (p->opts->trace)
		p->why = ct_asprintf(
			"%s takes one trace, and '%s' is one more; try 'ctrace %s --help'", name,
			word, name);
	else
		p->opts->trace = word;
}

/* Returns the index of the first word not looked at.  *dashes: a "--" stood before it. */
static int parse_words(struct parse *p, char order, int argc, char **argv, bool *dashes)
{
	struct getopt_tables t;
	int id, before;

	make_tables(&t, order);
	opterr = 0;
	optind = 0; /* start afresh, as both glibc and musl have it */
	*dashes = false;
	while (!p->why && !p->done) {
		before = optind ? optind : 1;
		id = getopt_long(argc, argv, t.letters, t.names, NULL);
		if (id == -1) {
			*dashes = optind > before;
			break;
		}
		if (id == '?')
			p->why = explain_refused(p, argv);
		else if (id == ':')
			p->why = explain_missing(p);
		else if (id == 1)
			take_word(p, optarg);
		else
			take_option(p, id);
	}
	return optind;
}

static bool command_takes(enum ct_command command, int id)
{
	for (size_t i = 0; i < CT_COUNT(rows); i++)
		if (rows[i].id == id && rows[i].commands & 1u << command)
			return true;
	return false;
}

static void check_belong(struct parse *p)
{
	const struct ct_command_row *command = ct_command__row(p->opts->command);

	for (u32 k = 0; k < p->seen_cnt && !p->why; k++) {
		int id = rows[p->seen[k]].id;
		char *name;

		if (command_takes(p->opts->command, id))
			continue;
		name = option_name(id);
		if (command->name)
			p->why = ct_asprintf("'%s' is not an option of %s; try 'ctrace %s --help'",
				name, command->name, command->name);
		else
			p->why = ct_asprintf("'%s' is for 'ctrace %s'; try 'ctrace --help'", name,
				command_takes(CT_CMD_CHECK, id) ? "check" : "export");
		free(name);
	}
}

static void check_words(struct parse *p)
{
	const struct ct_opts *o = p->opts;
	bool split = o->split_idx != CT_NONE;

	if (p->why)
		return;
	if (o->command == CT_CMD_DIFF &&
		(split ? !o->split_idx || o->split_idx == o->word_cnt : o->word_cnt != 2))
		p->why = ct_strdup("diff takes two sides: 'diff A B', or with several traces a "
				   "side 'diff A1 A2 -- B1 B2'; try 'ctrace diff --help'");
	else if (o->command == CT_CMD_DIFF && o->format && o->json)
		p->why = ct_strdup("-f and --json both say what to write; leave out one of them");
	else if (o->command == CT_CMD_DIFF && o->output && !o->format)
		p->why = ct_strdup("-o is for -f: say what to write, such as 'diff A B -f html -o "
				   "FILE'");
	else if (o->command == CT_CMD_CHECK && !o->word_cnt)
		p->why = ct_strdup("check of which trace? Try 'ctrace check --help'");
	else if (o->command == CT_CMD_CHECK && !o->rule_cnt)
		p->why = ct_strdup("check against which rule? Try 'ctrace check --help'");
}

static void parse_command(struct parse *p, int argc, char **argv)
{
	const char *name = argv[0];
	bool dashes;
	int i = parse_words(p, '-', argc, argv, &dashes);

	p->opts->split_idx = dashes ? p->opts->word_cnt : CT_NONE;
	for (; i < argc && !p->why && !p->done; i++)
		take_word(p, argv[i]);
	if (p->why || p->done)
		return;
	check_belong(p);
	check_words(p);
	if (!p->why && p->opts->command == CT_CMD_WHY && !p->opts->pid)
		p->why = ct_strdup("why of which process? Try 'ctrace why --help'");
	else if (!p->why && !p->opts->trace && (1u << p->opts->command) & (REPORT | EXPORT | VIEW))
		p->why = ct_asprintf("%s of which trace? Try 'ctrace %s --help'", name, name);
}

static void check_run(struct parse *p)
{
	struct ct_opts *opts = p->opts;

	check_belong(p);
	if (p->why)
		return;
	if (opts->pid_cnt && opts->argc)
		p->why = ct_asprintf(
			"-p attaches to what runs already, so '%s' cannot be started too; "
			"leave out one of them",
			opts->argv[0]);
	else if (opts->shake && !opts->watch)
		p->why = ct_strdup("--shake delays accesses, so it needs --watch NAME");
	else if (opts->watch && opts->pid_cnt > 1)
		p->why = ct_strdup("--watch looks into one process: give -p one of them");
	else if (!opts->pid_cnt && !opts->argc)
		p->why = ct_strdup("no program to run; try 'ctrace --help'");
	else if (opts->pid_cnt && opts->runs)
		p->why = ct_strdup("-r starts a program again and again, and with -p none is "
				   "started; leave out one of them");
}

static bool is_later(const char *word)
{
	for (size_t i = 0; i < CT_COUNT(later_commands); i++)
		if (!strcmp(later_commands[i], word))
			return true;
	return false;
}

static void parse_all(struct parse *p, int argc, char **argv)
{
	const struct ct_command_row *row;
	bool dashes;
	int i = parse_words(p, '+', argc, argv, &dashes);

	if (p->why || p->done)
		return;
	row = i < argc && !dashes ? ct_command__find(argv[i]) : NULL;
	if (row) {
		p->opts->command = row->command;
		parse_command(p, argc - i, argv + i);
	} else if (i < argc && !dashes && is_later(argv[i])) {
		p->why = ct_asprintf("'%s' is not in this version", argv[i]);
	} else {
		p->opts->argv = argv + i;
		p->opts->argc = argc - i;
		check_run(p);
	}
}

int ct_cli__parse(struct ct_opts *opts, int argc, char **argv, char **why)
{
	struct parse p = { .opts = opts };

	*opts = (struct ct_opts){ .stacks = true, .sample_hz = SAMPLE_HZ_DEFAULT };
	*why = NULL;
	if (argc <= 1) {
		opts->command = CT_CMD_USAGE;
		return 0;
	}
	parse_all(&p, argc, argv);
	*why = p.why;
	return p.why ? -EINVAL : 0;
}

void ct_cli__clear(struct ct_opts *opts)
{
	free(opts->pids);
	free(opts->words);
	free(opts->rules);
	free(opts->labels);
	memset(opts, 0, sizeof(*opts));
}

/* ---- help ---- */

void ct_cli__usage(FILE *out)
{
	const char *lead = "Usage:";

	for (const struct ct_command_row *row = ct_commands; row->usage; row++) {
		fprintf(out, "%-6s ctrace %-34s %s\n", lead, row->usage, row->meaning);
		lead = "";
	}
	fprintf(out, "Try 'ctrace --help'.\n");
}

static void print_option(FILE *out, const struct option_row *row)
{
	char head[64];
	const char *line = row->meaning;
	int n;

	if (row->id < 256 && row->name)
		n = snprintf(head, sizeof(head), "  -%c, --%s", row->id, row->name);
	else if (row->name)
		n = snprintf(head, sizeof(head), "  --%s", row->name);
	else
		n = snprintf(head, sizeof(head), "  -%c", row->id);
	if (row->arg)
		snprintf(head + n, sizeof(head) - n, "%s%c%s%s", row->optional ? "[" : "",
			row->name ? '=' : ' ', row->arg, row->optional ? "]" : "");
	fprintf(out, "%-*s", HELP_COLUMN, head);
	for (;;) {
		int len = strcspn(line, "\n");

		fprintf(out, "%.*s\n", len, line);
		if (!line[len])
			break;
		fprintf(out, "%*s", HELP_COLUMN, "");
		line += len + 1;
	}
}

static void print_options(FILE *out, enum ct_command topic, enum rank rank, const char *title)
{
	bool any = false;

	for (size_t i = 0; i < CT_COUNT(rows); i++) {
		if (rows[i].rank != rank || !(rows[i].commands & 1u << topic))
			continue;
		if (!any)
			fprintf(out, "\n%s:\n", title);
		any = true;
		print_option(out, &rows[i]);
	}
}

/* What may follow --fail-on. */
static void print_finding_ids(FILE *out)
{
	u32 column = 0;

	fputs("\nFindings, for --fail-on:", out);
	for (u32 k = 0; k < CT_FINDINGS; k++) {
		const char *id = ct_finding_id(k);

		if (!k || column + 2 + strlen(id) > HELP_WIDTH) {
			fputs(k ? ",\n " : "\n ", out);
			column = 1;
		} else {
			fputc(',', out);
			column++;
		}
		column += fprintf(out, " %s", id);
	}
	fputc('\n', out);
}

static void help_run(FILE *out)
{
	fputs("ctrace: why do the threads of a program wait, who makes them wait, and where?\n\n",
		out);
	for (const struct ct_command_row *row = ct_commands; row->usage; row++)
		fprintf(out, "  %sctrace %-34s %s\n",
			row->command == CT_CMD_RUN ? "sudo " : "     ", row->usage, row->meaning);
	fputs("\nOptions stop at the first word that is not one: what follows PROGRAM is its own.\n"
	      "A program with the name of a command can be run by its path, or after '--'.\n",
		out);
	print_options(out, CT_CMD_RUN, COMMON, "Options");
	print_options(out, CT_CMD_RUN, RARE, "Rarely needed");
	print_finding_ids(out);
	fputs("\nExamples:\n"
	      "  sudo ctrace ./server --port 8080         record, report, write server.ctrace\n"
	      "  sudo ctrace -p 1234 -d 10                ten seconds of a running process\n"
	      "  sudo ctrace --json=app.json ./app        for scripts\n"
	      "  sudo ctrace why 1234                     it hangs: who waits for whom?\n"
	      "  sudo ctrace -r 5 ./app                   five runs, app.1.ctrace and on\n"
	      "  ctrace report server.ctrace              read it again; needs no root\n"
	      "  ctrace view server.ctrace                the page with its timeline\n"
	      "  ctrace export server.ctrace -f json -o - | jq .locks\n"
	      "\nThe report goes to standard error; in a pipe, or with NO_COLOR, without colours.\n"
	      "The exit status is the program's (128 + signal when one killed it); 90 when\n"
	      "--fail-on names a finding that was made, 125 when ctrace failed or the trace\n"
	      "does not tell, 126 when the program cannot be run, 127 when it does not exist.\n"
	      "With -r it is that of the first run that did not end with 0, and 90 when any run\n"
	      "had the finding; Ctrl-C ends the series.\n",
		out);
}

void ct_cli__help(FILE *out, enum ct_command topic)
{
	const struct ct_command_row *row = ct_command__row(topic);

	if (topic == CT_CMD_RUN) {
		help_run(out);
		return;
	}
	fprintf(out, "Usage: ctrace %s\n\nWrites %s.\n", row->usage, row->meaning);
	if (row->help)
		row->help(out);
	print_options(out, topic, COMMON, "Options");
	if (command_takes(topic, OPT_FAIL_ON))
		print_finding_ids(out);
}
