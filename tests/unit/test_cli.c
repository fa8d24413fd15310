/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/cli.c: every option, every way of getting it wrong with its exact sentence, and what may
 * stand in the help.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cmd/cmd.h"

#define WORDS_MAX 16
#define DIFF_SIDES                                                                                 \
	"diff takes two sides: 'diff A B', or with several traces a side 'diff A1 A2 -- B1 B2'; "  \
	"try 'ctrace diff --help'"

/* Splits at single blanks; '' is an empty word.  "ctrace" is put before. */
struct words {
	char text[512];
	char *argv[WORDS_MAX + 1];
	int argc;
};

static void split(struct words *w, const char *line)
{
	char *save, *word;

	snprintf(w->text, sizeof(w->text), "ctrace %s", line);
	w->argc = 0;
	for (word = strtok_r(w->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(w->argc < WORDS_MAX);
		w->argv[w->argc++] = strcmp(word, "''") ? word : word + 2;
	}
	w->argv[w->argc] = NULL;
}

static void parse(struct ct_opts *opts, struct words *w, const char *line)
{
	char *why;

	split(w, line);
	if (ct_cli__parse(opts, w->argc, w->argv, &why))
		fail_msg("'%s' is refused: %s", line, why);
	assert_null(why);
}

static void test_defaults(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "./prog");
	assert_int_equal(o.command, CT_CMD_RUN);
	assert_int_equal(o.argc, 1);
	assert_string_equal(o.argv[0], "./prog");
	assert_null(o.argv[1]);
	assert_int_equal(o.pid_cnt, 0);
	assert_true(o.duration_s == 0);
	assert_null(o.output);
	assert_false(o.quiet || o.verbose || o.json || o.no_html || o.as_root);
	assert_true(o.stacks);
	assert_int_equal(o.sample_hz, 99);
	assert_int_equal(o.futex, CT_FUTEX_DEFAULT);
	assert_int_equal(o.buffer_bytes, 0);
	ct_cli__clear(&o);
}

static void test_every_option_of_a_recording(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w,
		"-o out --no-html --quiet -v --json --stack=off --cpu-samples=250 "
		"--futex=switch --as-root --buffer 64K prog");
	assert_string_equal(o.output, "out");
	assert_true(o.quiet && o.verbose && o.json && o.no_html && o.as_root);
	assert_false(o.stacks);
	assert_int_equal(o.sample_hz, 250);
	assert_int_equal(o.futex, CT_FUTEX_SWITCH);
	assert_int_equal(o.buffer_bytes, 65536);
	assert_string_equal(o.argv[0], "prog");
	ct_cli__clear(&o);
}

static void test_values_in_either_form(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "--stack on --cpu-samples off --futex calls --buffer=1g prog");
	assert_true(o.stacks);
	assert_int_equal(o.sample_hz, 0);
	assert_int_equal(o.futex, CT_FUTEX_CALLS);
	assert_int_equal(o.buffer_bytes, 1ul << 30);
	ct_cli__clear(&o);
	parse(&o, &w, "--buffer 1000000 prog");
	assert_int_equal(o.buffer_bytes, 1000000);
	ct_cli__clear(&o);
	parse(&o, &w, "--buffer 16M prog");
	assert_int_equal(o.buffer_bytes, 16 << 20);
	ct_cli__clear(&o);
}

static void test_pids(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "-p 12,34 -p 12,4194304 -d 0.5");
	assert_int_equal(o.command, CT_CMD_RUN);
	assert_int_equal(o.argc, 0);
	assert_int_equal(o.pid_cnt, 3);
	assert_int_equal(o.pids[0], 12);
	assert_int_equal(o.pids[1], 34);
	assert_int_equal(o.pids[2], 4194304);
	assert_true(o.duration_s == 0.5);
	ct_cli__clear(&o);
	assert_null(o.pids);
	parse(&o, &w, "-p7 -d10");
	assert_int_equal(o.pids[0], 7);
	assert_true(o.duration_s == 10);
	ct_cli__clear(&o);
	parse(&o, &w, "-d 3 ./prog");
	assert_true(o.duration_s == 3);
	ct_cli__clear(&o);
}

static void test_options_stop_at_the_program(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "-v prog --quiet -x -- --json");
	assert_true(o.verbose);
	assert_false(o.quiet || o.json);
	assert_int_equal(o.argc, 5);
	assert_string_equal(o.argv[1], "--quiet");
	assert_string_equal(o.argv[4], "--json");
	ct_cli__clear(&o);
}

static void test_names_of_commands_as_programs(void **state)
{
	static const char *const lines[] = { "-- report a", "-v -- diff a", "./report a", "-- -p a",
		"-o -- -- report a" };
	struct ct_opts o;
	struct words w;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(lines); i++) {
		parse(&o, &w, lines[i]);
		assert_int_equal(o.command, CT_CMD_RUN);
		assert_int_equal(o.argc, 2);
		assert_string_equal(o.argv[1], "a");
		ct_cli__clear(&o);
	}
	/* here "--" is the name of the file, and does not make a program of what follows */
	parse(&o, &w, "export a -o -- -f json");
	assert_string_equal(o.output, "--");
	ct_cli__clear(&o);
}

static void test_report(void **state)
{
	static const char *const lines[] = { "report t.ctrace --json -v",
		"report --json t.ctrace -v", "-v --json report t.ctrace",
		"report -v --json -- t.ctrace" };
	struct ct_opts o;
	struct words w;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(lines); i++) {
		parse(&o, &w, lines[i]);
		assert_int_equal(o.command, CT_CMD_REPORT);
		assert_string_equal(o.trace, "t.ctrace");
		assert_true(o.json && o.verbose);
		ct_cli__clear(&o);
	}
}

static void test_export(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "export t.ctrace -f json -o -");
	assert_int_equal(o.command, CT_CMD_EXPORT);
	assert_string_equal(o.trace, "t.ctrace");
	assert_string_equal(o.format, "json");
	assert_string_equal(o.output, "-");
	ct_cli__clear(&o);
	setenv("POSIXLY_CORRECT", "1", 1);
	parse(&o, &w, "export -fcsv t.ctrace --quiet");
	unsetenv("POSIXLY_CORRECT");
	assert_string_equal(o.format, "csv");
	assert_null(o.output);
	assert_true(o.quiet);
	ct_cli__clear(&o);
	parse(&o, &w, "export t.ctrace");
	assert_null(o.format);
	ct_cli__clear(&o);
}

static void test_what_ends_the_parsing(void **state)
{
	static const struct {
		const char *line;
		enum ct_command command, topic;
	} cases[] = {
		{ "", CT_CMD_USAGE, CT_CMD_RUN },
		{ "doctor", CT_CMD_DOCTOR, CT_CMD_RUN },
		{ "-h", CT_CMD_HELP, CT_CMD_RUN },
		{ "--help --bogus", CT_CMD_HELP, CT_CMD_RUN },
		{ "-v --help report", CT_CMD_HELP, CT_CMD_RUN },
		{ "report --help", CT_CMD_HELP, CT_CMD_REPORT },
		{ "export -h", CT_CMD_HELP, CT_CMD_EXPORT },
		{ "doctor -h", CT_CMD_HELP, CT_CMD_DOCTOR },
		{ "-V", CT_CMD_VERSION, CT_CMD_RUN },
		{ "--version", CT_CMD_VERSION, CT_CMD_RUN },
	};
	struct ct_opts o;
	struct words w;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(cases); i++) {
		parse(&o, &w, cases[i].line);
		assert_int_equal(o.command, cases[i].command);
		if (o.command == CT_CMD_HELP)
			assert_int_equal(o.topic, cases[i].topic);
		ct_cli__clear(&o);
	}
}

static const struct {
	const char *line, *why;
} errors[] = {
	/* unknown options */
	{ "--qiet prog", "unknown option '--qiet'; did you mean '--quiet'? Try 'ctrace --help'" },
	{ "--futx=calls prog",
		"unknown option '--futx'; did you mean '--futex'? Try 'ctrace --help'" },
	{ "--zzzzzz prog", "unknown option '--zzzzzz'; try 'ctrace --help'" },
	{ "--zzzzzz=abc prog", "unknown option '--zzzzzz'; try 'ctrace --help'" },
	{ "-x prog", "unknown option '-x'; try 'ctrace --help'" },
	{ "--quiet -vx prog", "unknown option '-x'; try 'ctrace --help'" },
	{ "report t --jsn",
		"unknown option '--jsn'; did you mean '--json'? Try 'ctrace report --help'" },
	{ "why -5", "unknown option '-5'; try 'ctrace why --help'" },
	{ "export t -f", "'-f' needs a value: FORMAT; try 'ctrace export --help'" },
	/* values that are missing, or too many */
	{ "-o", "'-o' needs a value: FILE; try 'ctrace --help'" },
	{ "-p", "'-p' needs a value: PID[,PID...]; try 'ctrace --help'" },
	{ "--stack", "'--stack' needs a value: on|off; try 'ctrace --help'" },
	{ "--quiet=1 prog", "'--quiet' takes no value; try 'ctrace --help'" },
	{ "--json= prog", "--json= takes the name of a file, which is empty here" },
	{ "--help=1", "'--help' takes no value; try 'ctrace --help'" },
	{ "-o '' prog", "-o takes the name of a file, which is empty here" },
	/* values that are wrong */
	{ "-p abc", "'abc' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p 12,", "'' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p ,12", "'' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p 0", "'0' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p -5", "'-5' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p 12,4194305,7", "'4194305' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p 12x", "'12x' is not a process id; -p takes numbers: -p 12,34" },
	{ "-p 99999999999999999999",
		"'99999999999999999999' is not a process id; -p takes numbers: "
		"-p 12,34" },
	{ "-p 1 -d abc", "'abc' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d 0", "'0' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d -1", "'-1' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d inf", "'inf' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d 1.2.3", "'1.2.3' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d 0x10", "'0x10' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d .", "'.' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d ''", "'' is not a number of seconds; -d takes one such as 10 or 0.5" },
	{ "-p 1 -d 1000000001",
		"'1000000001' is not a number of seconds; -d takes one such as 10 or "
		"0.5" },
	{ "--stack=yes prog", "--stack takes on or off, not 'yes'" },
	{ "--cpu-samples=0 prog", "--cpu-samples takes off or 1 to 10000 per second, not '0'" },
	{ "--cpu-samples=10001 prog",
		"--cpu-samples takes off or 1 to 10000 per second, not '10001'" },
	{ "--cpu-samples=on prog", "--cpu-samples takes off or 1 to 10000 per second, not 'on'" },
	{ "--futex=all prog", "--futex takes calls or switch, not 'all'" },
	{ "--buffer 63K prog", "--buffer takes a size from 64K to 1G, not '63K'" },
	{ "--buffer 1025M prog", "--buffer takes a size from 64K to 1G, not '1025M'" },
	{ "--buffer 64 prog", "--buffer takes a size from 64K to 1G, not '64'" },
	{ "--buffer 1T prog", "--buffer takes a size from 64K to 1G, not '1T'" },
	{ "--buffer 64KB prog", "--buffer takes a size from 64K to 1G, not '64KB'" },
	{ "--buffer 18446744073709551615G p", "--buffer takes a size from 64K to 1G, not "
					      "'18446744073709551615G'" },
	/* what does not go together */
	{ "-v", "no program to run; try 'ctrace --help'" },
	{ "--", "no program to run; try 'ctrace --help'" },
	{ "-p 12 ./prog",
		"-p attaches to what runs already, so './prog' cannot be started too; leave "
		"out one of them" },
	{ "-f json ./prog", "'-f' is for 'ctrace export'; try 'ctrace --help'" },
	{ "report", "report of which trace? Try 'ctrace report --help'" },
	{ "export -f json", "export of which trace? Try 'ctrace export --help'" },
	{ "view", "view of which trace? Try 'ctrace view --help'" },
	{ "view a -f html", "'-f' is not an option of view; try 'ctrace view --help'" },
	{ "report a b", "report takes one trace, and 'b' is one more; try 'ctrace report --help'" },
	{ "report a -- b",
		"report takes one trace, and 'b' is one more; try 'ctrace report --help'" },
	{ "report a -f json", "'-f' is not an option of report; try 'ctrace report --help'" },
	{ "report -o x a", "'-o' is not an option of report; try 'ctrace report --help'" },
	{ "-p 1 report a", "'-p' is not an option of report; try 'ctrace report --help'" },
	{ "export a --json", "'--json' is not an option of export; try 'ctrace export --help'" },
	{ "--as-root export a",
		"'--as-root' is not an option of export; try 'ctrace export --help'" },
	{ "doctor --quiet", "'--quiet' is not an option of doctor; try 'ctrace doctor --help'" },
	{ "doctor a", "doctor takes no argument, and 'a' is one; try 'ctrace doctor'" },
	{ "why", "why of which process? Try 'ctrace why --help'" },
	{ "why 0", "'0' is not a process id; why takes a number: why 1234" },
	{ "why 12x", "'12x' is not a process id; why takes a number: why 1234" },
	{ "why 4194305", "'4194305' is not a process id; why takes a number: why 1234" },
	{ "why 12 13", "why takes one process, and '13' is one more; try 'ctrace why --help'" },
	{ "why -o x 12", "'-o' is not an option of why; try 'ctrace why --help'" },
	/* what the contract names and this version lacks */
	{ "room", "'room' is not in this version" },
	{ "demo -p 12", "'-p' is not an option of demo; try 'ctrace demo --help'" },
	{ "demo -f csv race", "'-f' is not an option of demo; try 'ctrace demo --help'" },
	{ "--watch x, prog", "--watch takes names of variables: --watch counter,table[3]" },
	{ "--watch", "'--watch' needs a value: NAME[,NAME...]; try 'ctrace --help'" },
	{ "--shake prog", "--shake delays accesses, so it needs --watch NAME" },
	{ "--shake=x --watch y prog", "--shake takes a number from 1 as its seed, not 'x'" },
	{ "--watch x -p 1,2", "--watch looks into one process: give -p one of them" },
	{ "report --watch x t",
		"'--watch' is not an option of report; try 'ctrace report --help'" },
	{ "--locks prog", "'--locks' is not in this version" },
	{ "--fail-on=lock-order prog", "the finding 'lock-order' is not in this version" },
	{ "--fail-on any why 12", "'--fail-on' is not an option of why; try 'ctrace why --help'" },
	{ "--max-size 1K prog", "--max-size takes a size from 256K to 1024G, not '1K'" },
	{ "--max-size 9999G prog", "--max-size takes a size from 256K to 1024G, not '9999G'" },
	{ "report a --redact",
		"'--redact' is not an option of report; try 'ctrace report --help'" },
	/* several runs */
	{ "-r 0 prog", "-r takes how many runs to record, 1 to 1000, not '0'" },
	{ "-r x prog", "-r takes how many runs to record, 1 to 1000, not 'x'" },
	{ "-r 2 -p 12", "-r starts a program again and again, and with -p none is started; leave "
			"out one of them" },
	{ "--label lab prog", "--label takes KEY=VALUE of at most 256 bytes, not 'lab'" },
	{ "--label =3 prog", "--label takes KEY=VALUE of at most 256 bytes, not '=3'" },
	{ "--label a=1 --label a=2 prog", "the label 'a' is given twice" },
	{ "diff a", DIFF_SIDES },
	{ "diff a b c", DIFF_SIDES },
	{ "diff -- a b", DIFF_SIDES },
	{ "diff a b --", DIFF_SIDES },
	{ "diff a b -o x", "-o is for -f: say what to write, such as 'diff A B -f html -o FILE'" },
	{ "diff a b --json -f html",
		"-f and --json both say what to write; leave out one of them" },
	{ "check --rule x", "check of which trace? Try 'ctrace check --help'" },
	{ "check a", "check against which rule? Try 'ctrace check --help'" },
	{ "--rule x prog", "'--rule' is for 'ctrace check'; try 'ctrace --help'" },
};

static void test_every_error_has_its_sentence(void **state)
{
	struct ct_opts o;
	struct words w;
	char *why;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(errors); i++) {
		split(&w, errors[i].line);
		if (ct_cli__parse(&o, w.argc, w.argv, &why) != -EINVAL)
			fail_msg("'%s' is accepted", errors[i].line);
		if (strcmp(why, errors[i].why))
			fail_msg("'%s': %s", errors[i].line, why);
		assert_null(strchr(why, '\n'));
		free(why);
		ct_cli__clear(&o);
	}
}

/* What a printing function prints. */
static char *printed(void (*print)(FILE *out, enum ct_command topic), enum ct_command topic)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out, topic);
	fclose(out);
	return text;
}

static void print_usage(FILE *out, enum ct_command topic)
{
	ct_cli__usage(out);
}

static void check_layout(const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > 80)
			fail_msg("%zu columns: %.*s", len, (int)len, line);
		assert_true(len == 0 || line[len - 1] != ' ');
		assert_int_equal(line[len], '\n');
		line += len + 1;
	}
}

static void test_help_fits_the_screen(void **state)
{
	static const enum ct_command topics[] = { CT_CMD_RUN, CT_CMD_REPORT, CT_CMD_EXPORT,
		CT_CMD_DOCTOR, CT_CMD_DEMO, CT_CMD_DIFF, CT_CMD_CHECK };
	char *text;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(topics); i++) {
		text = printed(ct_cli__help, topics[i]);
		assert_true(strlen(text) > 60);
		check_layout(text);
		free(text);
	}
	text = printed(print_usage, CT_CMD_RUN);
	check_layout(text);
	free(text);
}

static void test_why(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "why --json 1234 -v");
	assert_int_equal(o.command, CT_CMD_WHY);
	assert_int_equal(o.pid, 1234);
	assert_true(o.json && o.verbose);
	ct_cli__clear(&o);
}

static void test_demo(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "demo");
	assert_int_equal(o.command, CT_CMD_DEMO);
	assert_int_equal(o.word_cnt, 0);
	ct_cli__clear(&o);
	parse(&o, &w, "--json demo race -o x plain 1000 --quiet");
	assert_int_equal(o.command, CT_CMD_DEMO);
	assert_int_equal(o.word_cnt, 3);
	assert_string_equal(o.words[0], "race");
	assert_string_equal(o.words[1], "plain");
	assert_string_equal(o.words[2], "1000");
	assert_string_equal(o.output, "x");
	assert_true(o.json && o.quiet);
	ct_cli__clear(&o);
}

static void test_series(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "prog");
	assert_int_equal(o.runs, 0);
	assert_int_equal(o.label_cnt, 0);
	assert_false(o.redact);
	ct_cli__clear(&o);
	parse(&o, &w, "-r 5 --label b=2=3 --label a= --redact prog -r 6");
	assert_int_equal(o.runs, 5);
	assert_true(o.redact);
	assert_int_equal(o.label_cnt, 2);
	assert_string_equal(o.labels[0], "a="); /* sorted */
	assert_string_equal(o.labels[1], "b=2=3");
	ct_cli__clear(&o);
}

static void test_diff_and_check(void **state)
{
	struct ct_opts o;
	struct words w;

	(void)state;
	parse(&o, &w, "diff a b --json");
	assert_int_equal(o.command, CT_CMD_DIFF);
	assert_int_equal(o.word_cnt, 2);
	assert_int_equal(o.split_idx, CT_NONE);
	assert_true(o.json);
	ct_cli__clear(&o);
	parse(&o, &w, "diff a b -f html -o page.html");
	assert_string_equal(o.format, "html");
	assert_string_equal(o.output, "page.html");
	ct_cli__clear(&o);
	parse(&o, &w, "diff a -v b -- c");
	assert_int_equal(o.word_cnt, 3);
	assert_int_equal(o.split_idx, 2);
	assert_string_equal(o.words[2], "c");
	ct_cli__clear(&o);
	parse(&o, &w, "check a b --rule x --rule y --quiet");
	assert_int_equal(o.command, CT_CMD_CHECK);
	assert_int_equal(o.word_cnt, 2);
	assert_int_equal(o.rule_cnt, 2);
	assert_string_equal(o.rules[1], "y");
	assert_true(o.quiet);
	ct_cli__clear(&o);
}

static void test_fail_on(void **state)
{
	struct ct_opts o;
	struct words w;
	char *why;

	(void)state;
	parse(&o, &w, "prog");
	assert_int_equal(o.fail_on, 0);
	ct_cli__clear(&o);
	parse(&o, &w, "--fail-on=deadlock,lock-contention prog");
	assert_int_equal(o.fail_on, 1u << CT_FIND_DEADLOCK | 1u << CT_FIND_LOCK_CONTENTION);
	ct_cli__clear(&o);
	parse(&o, &w, "report x.ctrace --fail-on any");
	assert_int_equal(o.fail_on, CT_FAIL_ON_ANY);
	ct_cli__clear(&o);

	char *unknown[] = { "ctrace", "--fail-on", "stuck,no-such", "prog", NULL };
	assert_int_equal(ct_cli__parse(&o, 4, unknown, &why), -EINVAL);
	assert_non_null(strstr(why, "no finding is called 'no-such'"));
	assert_non_null(strstr(why, " deadlock ")); /* names the choices */
	assert_null(strchr(why, '\n'));
	free(why);
	ct_cli__clear(&o);
	unknown[2] = "";
	assert_int_equal(ct_cli__parse(&o, 4, unknown, &why), -EINVAL);
	free(why);
	ct_cli__clear(&o);
}

static void test_help_has_all_that_is_here_and_no_more(void **state)
{
	static const char *const here[] = { "-p PID", "-d SECONDS", "-o FILE", "--json",
		"--futex=", "--stack=", "--cpu-samples=", "--as-root", "--quiet", "  -v ",
		"-r N", "--label=", "--redact", "ctrace diff A B", "ctrace check TRACE...",
		"-h, --help", "-V, --version", "--buffer=SIZE", "--fail-on=ID", "ctrace report",
		"ctrace export", "ctrace view TRACE", "--no-html", "ctrace why PID", "ctrace demo",
		"--watch", "--shake", "ctrace doctor", "Examples:" };
	static const char *const absent[] = { "--locks", "ctrace room" };
	char *text = printed(ct_cli__help, CT_CMD_RUN);

	(void)state;
	for (size_t i = 0; i < CT_COUNT(here); i++)
		if (!strstr(text, here[i]))
			fail_msg("--help lacks %s", here[i]);
	for (size_t i = 0; i < CT_COUNT(absent); i++)
		if (strstr(text, absent[i]))
			fail_msg("--help promises %s", absent[i]);
	free(text);
}

static void test_json_takes_a_file_or_none(void **state)
{
	static const struct {
		const char *line, *file;
	} cases[] = { { "--json prog", NULL }, { "--json=a.json prog", "a.json" },
		{ "--json=- prog", NULL }, { "report t --json=b", "b" },
		{ "why --json 12", NULL } };
	struct ct_opts o;
	struct words w;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(cases); i++) {
		parse(&o, &w, cases[i].line);
		assert_true(o.json);
		if (cases[i].file)
			assert_string_equal(o.json_file, cases[i].file);
		else
			assert_null(o.json_file);
		ct_cli__clear(&o);
	}
}

static void test_words_near_a_command(void **state)
{
	(void)state;
	assert_string_equal(ct_cli__near_command("reprot"), "report");
	assert_string_equal(ct_cli__near_command("exprot"), "export");
	assert_string_equal(ct_cli__near_command("docter"), "doctor");
	assert_string_equal(ct_cli__near_command("wyh"), "why");
	assert_null(ct_cli__near_command("server"));
	assert_null(ct_cli__near_command("sort"));
	assert_null(ct_cli__near_command("ls"));
}

static void test_findings_are_listed_where_they_are_asked_for(void **state)
{
	static const enum ct_command with[] = { CT_CMD_RUN, CT_CMD_REPORT, CT_CMD_DEMO };
	char *text;

	(void)state;
	for (size_t i = 0; i < CT_COUNT(with); i++) {
		text = printed(ct_cli__help, with[i]);
		for (u32 k = 0; k < CT_FINDINGS; k++)
			assert_non_null(strstr(text, ct_finding_id(k)));
		free(text);
	}
	text = printed(ct_cli__help, CT_CMD_WHY);
	assert_null(strstr(text, "lock-convoy"));
	free(text);
}

static void test_help_of_export_lists_the_formats(void **state)
{
	char *text = printed(ct_cli__help, CT_CMD_EXPORT);

	(void)state;
	for (const struct ct_exporter *e = ct_exporters; e->name; e++)
		assert_non_null(strstr(text, e->meaning));
	assert_non_null(strstr(text, "-f FORMAT"));
	assert_null(strstr(text, "--json"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_option_of_a_recording),
		cmocka_unit_test(test_values_in_either_form),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_options_stop_at_the_program),
		cmocka_unit_test(test_names_of_commands_as_programs),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_what_ends_the_parsing),
		cmocka_unit_test(test_every_error_has_its_sentence),
		cmocka_unit_test(test_help_fits_the_screen),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_demo),
		cmocka_unit_test(test_series),
		cmocka_unit_test(test_diff_and_check),
		cmocka_unit_test(test_fail_on),
		cmocka_unit_test(test_help_has_all_that_is_here_and_no_more),
		cmocka_unit_test(test_json_takes_a_file_or_none),
		cmocka_unit_test(test_words_near_a_command),
		cmocka_unit_test(test_findings_are_listed_where_they_are_asked_for),
		cmocka_unit_test(test_help_of_export_lists_the_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
