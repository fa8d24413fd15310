/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctrace demo [NAME [VARIANT]]: lists the demos of the course by idea; records one, as any program
 * is recorded, and says under the report what to look at and what to try next.
 *
 * What is said is the demo's own story (generated from its first comment), so it holds for every
 * run and judges none: that is the report's part.  The demos are found beside ctrace or where
 * `make install` puts them.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define PRIORITY_MAX 2 /* the highest that a demo asks for (demos/priority.c) */
#define WIDTH_MIN 40

struct demo_row {
	const char *name;
	const char *variants; /* separated by a space; the first is the one that is wrong */
	const char *idea, *look, *change;
};
static const struct demo_row demos[] = {
#include "demo_table.h"
};

/* ---- words ---- */

/* The next word of *words, its length in *len; NULL: there is none. */
static const char *next_word(const char **words, int *len)
{
	const char *word = *words + strspn(*words, " ");

	*len = strcspn(word, " ");
	*words = word + *len;
	return *len ? word : NULL;
}

/* Prints a title and words in lines of at most `width` columns, `indent` of them blank. */
static void print_wrapped(FILE *out, const char *title, const char *words, int indent, int width)
{
	int len, column = fprintf(out, "%*s%s", indent, "", title);
	const char *word;

	while ((word = next_word(&words, &len))) {
		if (column > indent && column + 1 + len > width) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		column += fprintf(out, "%s%.*s", column > indent ? " " : "", len, word);
	}
	fputc('\n', out);
}

static int text_width(FILE *out)
{
	struct ct_report_opts ro;

	ct_term__report_opts(&ro, out, false);
	if (!ro.width || ro.width > 100)
		return ro.width ? 100 : 80;
	return ro.width < WIDTH_MIN ? WIDTH_MIN : (int)ro.width;
}

/* "one-core, many-cores" */
static char *join_variants(const struct demo_row *demo)
{
	const char *words = demo->variants, *word;
	char *list = ct_strdup("");
	int len;

	while ((word = next_word(&words, &len))) {
		char *longer = ct_asprintf("%s%s%.*s", list, list[0] ? ", " : "", len, word);

		free(list);
		list = longer;
	}
	return list;
}

/* ---- which ---- */

static const struct demo_row *find_demo(const char *name)
{
	for (size_t i = 0; i < CT_COUNT(demos); i++)
		if (!strcmp(demos[i].name, name))
			return &demos[i];
	return NULL;
}

static bool has_variant(const struct demo_row *demo, const char *name)
{
	const char *words = demo->variants, *word;
	int len;

	while ((word = next_word(&words, &len)))
		if ((int)strlen(name) == len && !strncmp(word, name, len))
			return true;
	return false;
}

static char *first_variant(const struct demo_row *demo)
{
	return ct_strndup(demo->variants, strcspn(demo->variants, " "));
}

static int refuse_name(const char *name)
{
	char *list = ct_strdup("");

	for (size_t i = 0; i < CT_COUNT(demos); i++) {
		char *longer = ct_asprintf("%s%s %s", list, i ? "," : "", demos[i].name);

		free(list);
		list = longer;
	}
	ct_error("no demo is called '%s'; there are:%s", name, list);
	free(list);
	return CT_EXIT_FAILED;
}

static int refuse_variant(const struct demo_row *demo, const char *variant)
{
	char *list = join_variants(demo);

	ct_error("the demo %s has no variant '%s'; there are: %s", demo->name, variant, list);
	free(list);
	return CT_EXIT_FAILED;
}

/* The binary: in demos/ beside ctrace, or in lib/ctrace/demos of its prefix; NULL: in neither. */
static char *find_binary(const char *name)
{
	static const char *const places[] = { "demos", "../lib/ctrace/demos" };
	char self[4096], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < CT_COUNT(places); i++) {
		path = ct_asprintf("%s/%s/%s", self, places[i], name);
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

/* ---- the two jobs ---- */

static int list_demos(void)
{
	int width = text_width(stdout);

	printf("The demos of the course; the first variant of each is the one to wonder about.\n"
	       "Run one:  sudo ctrace demo NAME [VARIANT]\n");
	for (size_t i = 0; i < CT_COUNT(demos); i++) {
		char *variants = join_variants(&demos[i]);

		printf("\n%s: %s\n", demos[i].name, variants);
		print_wrapped(stdout, "", demos[i].idea, 4, width);
		free(variants);
	}
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	ct_error("cannot write to standard output: %s", strerror(errno));
	return CT_EXIT_FAILED;
}

static void print_next(FILE *out, const struct demo_row *demo, const char *variant)
{
	const char *words = demo->variants, *word;
	int len;

	fprintf(out, "Try next:\n");
	while ((word = next_word(&words, &len)))
		if ((int)strlen(variant) != len || strncmp(word, variant, len))
			fprintf(out, "  sudo ctrace demo %s %.*s\n", demo->name, len, word);
}

static void print_lesson(FILE *out, const struct demo_row *demo, const char *variant)
{
	int width = text_width(out);

	fputc('\n', out);
	print_wrapped(out, "The idea:", demo->idea, 0, width);
	print_wrapped(out, "What to look for:", demo->look, 0, width);
	print_wrapped(out, "What to change:", demo->change, 0, width);
	print_next(out, demo, variant);
}

/* Only root may raise it.  Refused, the demo that needs it says so and does without. */
static void allow_priorities(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_RTPRIO, &limit) || limit.rlim_cur >= PRIORITY_MAX)
		return;
	limit.rlim_cur = PRIORITY_MAX;
	if (limit.rlim_max < PRIORITY_MAX)
		limit.rlim_max = PRIORITY_MAX;
	if (setrlimit(RLIMIT_RTPRIO, &limit))
		ct_debug("cannot allow real-time priorities: %s", strerror(errno));
}

/* ctrace's own failure, and that of starting a program: there is nothing to look at. */
static bool is_failure(int code)
{
	return code >= CT_EXIT_FAILED && code <= 127;
}

static int record_demo(const struct ct_opts *opts, const struct demo_row *demo, char *path,
	const char *variant)
{
	struct ct_opts run = *opts;
	char *output = ct_asprintf("%s-%s.ctrace", demo->name, variant);
	char **argv = ct_alloc((opts->word_cnt + 3) * sizeof(*argv));
	int code;

	argv[run.argc++] = path;
	argv[run.argc++] = (char *)variant;
	for (u32 i = 2; i < opts->word_cnt; i++)
		argv[run.argc++] = (char *)opts->words[i];
	argv[run.argc] = NULL;
	run.argv = argv;
	if (!run.output)
		run.output = output;
	allow_priorities();
	code = ct_cmd_run(&run);
	if (!run.quiet && !is_failure(code))
		print_lesson(stderr, demo, variant);
	free(argv);
	free(output);
	return code;
}

int ct_cmd_demo(const struct ct_opts *opts)
{
	const struct demo_row *demo;
	char *variant, *path;
	int code;

	if (!opts->word_cnt)
		return list_demos();
	demo = find_demo(opts->words[0]);
	if (!demo)
		return refuse_name(opts->words[0]);
	if (opts->word_cnt > 1 && !has_variant(demo, opts->words[1]))
		return refuse_variant(demo, opts->words[1]);
	path = find_binary(demo->name);
	if (!path) {
		ct_error("the program of the demo %s is not beside ctrace; 'make demos' builds it, "
			 "'make install' installs it",
			demo->name);
		return CT_EXIT_FAILED;
	}
	variant = opts->word_cnt > 1 ? ct_strdup(opts->words[1]) : first_variant(demo);
	code = record_demo(opts, demo, path, variant);
	free(variant);
	free(path);
	return code;
}

void ct_demo_help(FILE *out)
{
	fputs("\nWithout NAME, the list. Without VARIANT, the first one; words after it are the\n"
	      "demo's own. Recording needs what any recording needs (sudo). The trace is\n"
	      "NAME-VARIANT.ctrace unless -o says otherwise.\n",
		out);
}
