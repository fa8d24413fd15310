/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/cmd/diff.c and diff_out.c as a user meets them: where -f and -o put the comparison, what is
 * never overwritten, what is said of traces that cannot be read.  What it says of runs is for
 * test_diff.c and tests/diff/, how the page looks for tests/page/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cmd/cmd.h"

#define NEED_PAGE()                                                                                \
	do {                                                                                       \
		(void)state;                                                                       \
		if (!ct_html__present()) {                                                         \
			print_message("# SKIP built without the page\n");                          \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static const char trace_text[] = "# ctrace text trace 1\n"
				 "run argv=./demo pid=100 start=0 end=10_000\n"
				 "0 0 task_new 100 tgid=100 flags=root\n"
				 "0 0 task_name 100 name=demo\n"
				 "1_000 0 switch 0 next=100\n"
				 "9_000 0 switch 100 next=0 state=X\n";

static char dir[64], before[4096];
static char said[2048]; /* on stderr, by the last command */

static void put(const char *name, const char *text, const char *more)
{
	FILE *out = fopen(name, "w");

	assert_non_null(out);
	fputs(text, out);
	fputs(more, out);
	assert_int_equal(fclose(out), 0);
}

static int make_place(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ct_diff.XXXXXX");
	assert_non_null(getcwd(before, sizeof(before)));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	put("a.ctrace", trace_text, "end\n");
	put("b.ctrace", trace_text, "end\n");
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	return 0;
}

static int remove_place(void **state)
{
	DIR *d = opendir(".");
	struct dirent *e;

	(void)state;
	while (d && (e = readdir(d)))
		if (unlink(e->d_name))
			rmdir(e->d_name);
	closedir(d);
	assert_int_equal(chdir(before), 0);
	return rmdir(dir);
}

static int count_files(void)
{
	DIR *d = opendir(".");
	int cnt = 0;

	while (readdir(d))
		cnt++;
	closedir(d);
	return cnt - 2;
}

static char *text_of(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = ct_alloc(1 << 20);

	assert_non_null(in);
	text[fread(text, 1, (1 << 20) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static bool has(const char *name, const char *part)
{
	char *text = text_of(name);
	bool found = strstr(text, part) != NULL;

	free(text);
	return found;
}

static void assert_same_text(const char *x, const char *y)
{
	char *a = text_of(x), *b = text_of(y);

	assert_true(a[0]);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

/* Parses and runs a command line in a child, whose stdout is `out`; keeps what it says. */
static int run(char **argv, const char *out)
{
	FILE *err = tmpfile();
	int status, argc = 0;
	pid_t pid;

	while (argv[argc])
		argc++;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		struct ct_opts opts;
		char *why;
		int fd = open(out, O_WRONLY | O_CREAT, 0644);

		if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fileno(err), STDERR_FILENO) < 0 ||
			ct_cli__parse(&opts, argc, argv, &why))
			_exit(99);
		_exit(ct_command__row(opts.command)->run(&opts));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(err);
	said[fread(said, 1, sizeof(said) - 1, err)] = '\0';
	fclose(err);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define DIFF_TO(out, ...) run((char *[]){ "ctrace", "diff", __VA_ARGS__, NULL }, out)
#define DIFF(...) DIFF_TO("/dev/null", __VA_ARGS__)

static void assert_said(const char *line)
{
	char expected[2048];

	snprintf(expected, sizeof(expected), "ctrace: %s\n", line);
	assert_string_equal(said, expected);
}

static void test_the_page_goes_beside_b(void **state)
{
	NEED_PAGE();
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html"), 0);
	assert_said("wrote b.diff.html");
	assert_true(has("b.diff.html", "<meta name=\"generator\" content=\"ctrace\">"));
	for (const char *const *part = (const char *const[]){ "comparison", "a", "b", NULL };
		*part; part++) {
		char *tag = ct_asprintf("data-part=\"%s\"", *part);

		assert_true(has("b.diff.html", tag));
		free(tag);
	}
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html"), 0); /* its own: replaced */
	assert_int_equal(count_files(), 3);
	put("b.diff.html", "mine", "");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html"), 125);
	assert_said("'b.diff.html' is there and not by ctrace; name another place with -o FILE");
	assert_true(has("b.diff.html", "mine"));
	/* asked for by name, as an export */
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html", "-o", "b.diff.html"), 0);
	assert_false(has("b.diff.html", "mine"));
	assert_int_equal(count_files(), 3);
}

static void test_the_same_wherever_it_goes(void **state)
{
	NEED_PAGE();
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html", "-o", "x"), 0);
	assert_int_equal(DIFF_TO("y", "a.ctrace", "b.ctrace", "-f", "html", "-o", "-"), 0);
	assert_string_equal(said, "");
	assert_same_text("x", "y");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html", "-o", "x"), 0);
	assert_same_text("x", "y");
}

static void test_text_and_json(void **state)
{
	(void)state;
	assert_int_equal(DIFF_TO("x", "a.ctrace", "b.ctrace"), 0);
	assert_int_equal(DIFF_TO("y", "a.ctrace", "b.ctrace", "-f", "text"), 0);
	assert_same_text("x", "y");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "text", "-o", "y"), 0);
	assert_said("wrote y");
	assert_same_text("x", "y");
	assert_int_equal(DIFF_TO("j", "a.ctrace", "b.ctrace", "--json"), 0);
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "json", "-o", "k"), 0);
	assert_same_text("j", "k");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "--json=k"), 0);
	assert_same_text("j", "k");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "pdf"), 125);
	assert_said("diff has no format 'pdf'; -f takes one of text, json, html");
}

static void test_what_is_not_overwritten(void **state)
{
	static const char *const traces[] = { "a.ctrace", "b.ctrace", "c.ctrace", "./b.ctrace",
		NULL };

	(void)state;
	put("c.ctrace", trace_text, "end\n");
	for (const char *const *name = traces; *name; name++) {
		char *line = ct_asprintf("'%s' is the trace itself; name another file", *name);

		assert_int_equal(DIFF("a.ctrace", "b.ctrace,c.ctrace", "-f", "json", "-o",
					 (char *)*name),
			125);
		assert_said(line);
		free(line);
	}
	assert_true(has("b.ctrace", "end\n"));
	put("precious", "x", "");
	assert_int_equal(symlink("precious", "link"), 0);
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "json", "-o", "link"), 125);
	assert_said("'link' is a symbolic link, which is not followed; name the file itself");
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "json", "-o", "d"), 125);
	assert_said("cannot write 'd': Is a directory; name another file");
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "json", "-o", "no/such/dir"), 125);
	assert_said("cannot write 'no/such/dir': No such file or directory; name another file");
	assert_int_equal(count_files(), 6);
}

static void limit_files(rlim_t size)
{
	struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

	signal(SIGXFSZ, size ? SIG_DFL : SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_nothing_is_left_of_a_page_that_failed(void **state)
{
	NEED_PAGE();
	put("x", "old", "");
	limit_files(0); /* as when a disk is full */
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html", "-o", "x"), 125);
	limit_files(RLIM_INFINITY);
	assert_true(has("x", "old"));
	assert_int_equal(count_files(), 3);
	assert_int_equal(
		DIFF_TO("/dev/full", "a.ctrace", "b.ctrace", "-f", "html", "-o", "-"), 125);
	assert_said("cannot write to standard output: No space left on device");
}

static void test_files_that_are_no_traces(void **state)
{
	(void)state;
	put("foreign", "<html>this is a page and no trace of anything at all, however long", "");
	assert_int_equal(DIFF("missing", "b.ctrace", "-f", "html"), 125);
	assert_said("missing: No such file or directory");
	assert_int_equal(DIFF("a.ctrace", "foreign", "-f", "html", "-o", "x"), 125);
	assert_said("foreign: it is neither a recording of ctrace nor the text form of one");
	assert_int_equal(DIFF("a.ctrace", ".", "-f", "html", "-o", "x"), 0);
	assert_int_equal(unlink("x"), 0);
	assert_int_equal(count_files(), 3);
}

/* The runs that are drawn are read twice; what is missing in them is said once. */
static void test_an_unfinished_trace_is_warned_of_once(void **state)
{
	static const char warning[] = "'b.ctrace' was not finished";
	const char *first;

	NEED_PAGE();
	put("b.ctrace", "run argv=./demo pid=100 start=0 end=10_000 complete=0\n",
		strstr(trace_text, "0 0 task_new"));
	assert_int_equal(DIFF("a.ctrace", "b.ctrace", "-f", "html"), 0);
	first = strstr(said, warning);
	assert_non_null(first);
	assert_null(strstr(first + strlen(warning), "not finished"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_page_goes_beside_b),
		TEST(test_the_same_wherever_it_goes),
		TEST(test_text_and_json),
		TEST(test_what_is_not_overwritten),
		TEST(test_nothing_is_left_of_a_page_that_failed),
		TEST(test_files_that_are_no_traces),
		TEST(test_an_unfinished_trace_is_warned_of_once),
	};

	return cmocka_run_group_tests_name("cmd_diff", tests, NULL, NULL);
}
