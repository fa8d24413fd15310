/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/cmd/export.c and report.c as a user meets them: which file is written, what is never
 * overwritten, what is left behind when writing fails.  What stands in the files is for the tests
 * of the exporters.
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

#define SOMEBODY 54321 /* an id that no user database is likely to know */

static const char trace_text[] = "# ctrace text trace 1\n"
				 "run argv=./demo pid=100 start=0 end=10_000\n"
				 "0 0 task_new 100 tgid=100 flags=root\n"
				 "0 0 task_name 100 name=demo\n"
				 "1_000 0 switch 0 next=100\n"
				 "9_000 0 switch 100 next=0 state=X\n"
				 "end\n";

static char dir[64], before[4096];
static char said[1024]; /* on stderr, by the last command */

static void put(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static int make_place(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ct_export.XXXXXX");
	assert_non_null(getcwd(before, sizeof(before)));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	put("run.ctrace", trace_text);
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

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : st.st_size;
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
		if (opts.quiet)
			ct_log_set_level(CT_LOG_QUIET);
		_exit(ct_command__row(opts.command)->run(&opts));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(err);
	said[fread(said, 1, sizeof(said) - 1, err)] = '\0';
	fclose(err);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN_TO(out, ...) run((char *[]){ "ctrace", __VA_ARGS__, NULL }, out)
#define RUN(...) RUN_TO("/dev/null", __VA_ARGS__)

static void assert_said(const char *line)
{
	char expected[1024];

	snprintf(expected, sizeof(expected), "ctrace: %s\n", line);
	assert_string_equal(said, expected);
}

static void test_the_file_is_named_after_the_trace(void **state)
{
	(void)state;
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json"), 0);
	assert_said("wrote run.json");
	assert_true(size_of("run.json") > 0);
	assert_int_equal(rename("run.ctrace", "run.old"), 0);
	assert_int_equal(RUN("export", "--quiet", "run.old", "-f", "csv"), 0);
	assert_string_equal(said, "");
	assert_true(size_of("run.old.csv") > 0);
	assert_int_equal(count_files(), 3);
}

static void test_an_older_export_is_replaced(void **state)
{
	(void)state;
	put("x", "old and no trace at all, so that what is left of it would not be read");
	assert_int_equal(RUN("export", "run.ctrace", "-f", "text", "-o", "x"), 0);
	assert_int_equal(RUN("export", "x", "-f", "json", "-o", "y"), 0); /* so it is whole */
	assert_int_equal(count_files(), 3);
}

static void test_to_standard_output(void **state)
{
	(void)state;
	assert_int_equal(RUN_TO("a", "export", "run.ctrace", "-f", "json", "-o", "-"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN_TO("b", "export", "run.ctrace", "-f", "json", "-o", "/dev/stdout"), 0);
	assert_int_equal(RUN_TO("c", "report", "run.ctrace", "--json"), 0);
	assert_true(size_of("a") > 0);
	assert_int_equal(size_of("a"), size_of("b"));
	assert_int_equal(size_of("a"), size_of("c"));
	assert_int_equal(RUN_TO("d", "report", "run.ctrace"), 0);
	assert_true(size_of("d") > 0);
}

static void test_what_is_not_overwritten(void **state)
{
	(void)state;
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "./run.ctrace"), 125);
	assert_said("'./run.ctrace' is the trace itself; name another file");
	assert_int_equal(link("run.ctrace", "other"), 0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "other"), 125);
	assert_int_equal(size_of("run.ctrace"), strlen(trace_text));
	assert_int_equal(unlink("other"), 0);

	put("precious", "x");
	assert_int_equal(symlink("precious", "link"), 0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "link"), 125);
	assert_said(
		"'link' is a symbolic link, which is not followed; name the file itself");
	assert_int_equal(size_of("precious"), 1);

	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "d"), 125);
	assert_said("cannot write 'd': Is a directory; name another file");
	assert_int_equal(count_files(), 4);
}

/* Where nobody named the file, another's stays, and each format knows its own. */
static void test_what_nobody_named_is_replaced_only_by_its_like(void **state)
{
	(void)state;
	for (const struct ct_exporter *e = ct_exporters; e->name; e++) {
		char *path = ct_asprintf("run%s", e->suffix), *line, text[32];
		FILE *in;

		if (!strcmp(e->name, "html") && !ct_html__present())
			continue;
		put(path, "mine; 7 things");
		assert_int_equal(RUN("export", "run.ctrace", "-f", (char *)e->name), 125);
		line = ct_asprintf(
			"'%s' is there and not by ctrace; name another place with -o FILE", path);
		assert_said(line);
		in = fopen(path, "r");
		assert_non_null(fgets(text, sizeof(text), in));
		fclose(in);
		assert_string_equal(text, "mine; 7 things");
		/* named, it gives way; and what is there then is this format's */
		assert_int_equal(RUN("export", "run.ctrace", "-f", (char *)e->name, "-o", path), 0);
		assert_int_equal(RUN("export", "run.ctrace", "-f", (char *)e->name), 0);
		free(line);
		free(path);
	}
}

/* One of those that are kept for the tests of the format; this test was started beside it. */
static void copy_sample(const char *to)
{
	char *command = ct_asprintf("cp '%s/tests/format/format1.ctrace' %s", before, to);

	assert_int_equal(system(command), 0);
	free(command);
}

static void test_a_trace_is_not_written_over(void **state)
{
	char *line = "'other' is a trace, which could not be made again; name another file";

	(void)state;
	copy_sample("other");
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "other"), 125);
	assert_said(line);
	assert_int_equal(RUN("report", "run.ctrace", "--json=other"), 125);
	assert_said(line);
	assert_int_equal(RUN("report", "other", "--quiet"), 0);
}

static void test_descriptors_that_were_given(void **state)
{
	char path[32];
	int fd = open("given", O_WRONLY | O_CREAT, 0644);

	(void)state;
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", path), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json"), 0);
	assert_int_equal(size_of("given"), size_of("run.json"));
	/* what ctrace opens itself nobody gave */
	assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	snprintf(path, sizeof(path), "--json=/dev/fd/%d", fd);
	assert_int_equal(RUN("report", "run.ctrace", path), 125);
	assert_non_null(strstr(said, "Bad file descriptor"));
	close(fd);
	assert_int_equal(RUN("report", "run.ctrace", "--json=/dev/fd/999"), 125);
	assert_int_equal(RUN_TO("out", "report", "run.ctrace", "--json=/dev/stdout"), 0);
	assert_int_equal(size_of("out"), size_of("run.json"));
}

/* Not /dev/null: should it be renamed over one day, the machine shall survive the test. */
static void test_what_is_no_file_is_written_to_and_stays(void **state)
{
	struct stat st;
	char got[8] = "";
	int fd;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "text", "-o", "fifo"), 0);
	assert_int_equal(read(fd, got, 7), 7);
	assert_string_equal(got, "# ctrac");
	close(fd);
	assert_int_equal(stat("fifo", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

static void test_a_full_standard_output(void **state)
{
	(void)state;
	assert_int_equal(RUN_TO("/dev/full", "export", "run.ctrace", "-f", "csv", "-o", "-"), 125);
	assert_said("cannot write to standard output: No space left on device");
	assert_int_equal(RUN_TO("/dev/full", "report", "run.ctrace"), 125);
	assert_said("cannot write the report: No space left on device");
}

/* Inherited by the command, which cannot say then why it failed: its stderr is a file, too. */
static void limit_files(rlim_t size)
{
	struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

	signal(SIGXFSZ, size ? SIG_DFL : SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_nothing_is_left_of_a_failed_export(void **state)
{
	(void)state;
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "no/such/dir"), 125);
	assert_said("cannot write 'no/such/dir': No such file or directory; name another file");
	put("x", "old");
	/* as when a disk is full: from the first byte on, files do not grow */
	limit_files(0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json", "-o", "x"), 125);
	limit_files(RLIM_INFINITY);
	assert_int_equal(size_of("x"), 3);
	assert_int_equal(count_files(), 2);
}

static void test_formats_are_listed(void **state)
{
	(void)state;
	assert_int_equal(RUN("export", "run.ctrace", "-f", "pdf"), 125);
	assert_non_null(strstr(said, "there is no format 'pdf' in this version; -f takes one of "));
	assert_int_equal(RUN("export", "run.ctrace"), 125);
	assert_non_null(strstr(said, "export to which format? -f takes one of "));
	for (const struct ct_exporter *e = ct_exporters; e->name; e++)
		assert_non_null(strstr(said, e->name));
	assert_int_equal(count_files(), 1);
}

static void test_files_that_are_no_traces(void **state)
{
	(void)state;
	put("empty", "");
	put("foreign",
		"\177ELF\001\002\003, and so much more that it could well be the head of a trace, "
		"which has 64 bytes");
	assert_int_equal(RUN("report", "missing"), 125);
	assert_said("missing: No such file or directory");
	assert_int_equal(RUN("report", "."), 125);
	assert_said(".: is a directory, not a trace");
	assert_int_equal(RUN("report", "empty"), 125);
	assert_said("empty: is empty: nothing was recorded");
	assert_int_equal(RUN("report", "foreign"), 125);
	assert_said("foreign: is not a trace of ctrace");
	assert_int_equal(RUN("export", "foreign", "-f", "json"), 125);
	assert_said("foreign: is not a trace of ctrace");
	assert_int_equal(count_files(), 3);
}

static void test_an_unfinished_trace_is_read_with_a_warning(void **state)
{
	char text[sizeof(trace_text)];

	(void)state;
	strcpy(text, trace_text);
	*strstr(text, " end=10_000") = '#';
	*strstr(text, "end\n") = '\0';
	put("cut.ctrace", text);
	assert_int_equal(RUN("report", "cut.ctrace"), 0);
	assert_non_null(strstr(said, "ctrace: warning: 'cut.ctrace' was not finished"));
	assert_int_equal(RUN("report", "run.ctrace"), 0);
	assert_string_equal(said, "");
}

static void test_under_sudo_files_belong_to_the_caller(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	setenv("SUDO_UID", "54321", 1);
	setenv("SUDO_GID", "54321", 1);
	/* root may write here, the caller may not */
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json"), 125);
	assert_said("cannot write 'run.json': Permission denied; name another place with -o FILE");
	assert_int_equal(count_files(), 1);
	assert_int_equal(chown(".", SOMEBODY, SOMEBODY), 0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json"), 0);
	assert_int_equal(stat("run.json", &st), 0);
	assert_int_equal(st.st_uid, SOMEBODY);
	assert_int_equal(st.st_gid, SOMEBODY);
	/* and what the caller made read-only stays */
	assert_int_equal(chmod("run.json", 0444), 0);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "json"), 125);
	assert_said("cannot write 'run.json': Permission denied; name another place with -o FILE");
	setenv("SUDO_UID", "me", 1);
	assert_int_equal(RUN("export", "run.ctrace", "-f", "csv"), 125);
	assert_said("SUDO_UID and SUDO_GID do not name the user who called; unset them");
	assert_int_equal(count_files(), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_file_is_named_after_the_trace),
		TEST(test_an_older_export_is_replaced),
		TEST(test_to_standard_output),
		TEST(test_what_is_not_overwritten),
		TEST(test_what_nobody_named_is_replaced_only_by_its_like),
		TEST(test_a_trace_is_not_written_over),
		TEST(test_descriptors_that_were_given),
		TEST(test_what_is_no_file_is_written_to_and_stays),
		TEST(test_a_full_standard_output),
		TEST(test_nothing_is_left_of_a_failed_export),
		TEST(test_formats_are_listed),
		TEST(test_files_that_are_no_traces),
		TEST(test_an_unfinished_trace_is_read_with_a_warning),
		TEST(test_under_sudo_files_belong_to_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
