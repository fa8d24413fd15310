/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exporters and the report on hand-built models: hostile names, exact keys, parseable rows,
 * lines that stay within the page, bars whose cells add up to the shares.  Each expectation is a
 * fact of the world that was built, not a copy of what was printed; byte-exact output is what
 * tests/golden is for.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "export/html_int.h"
#include "export/report_int.h"
#include "world.h"

/* A thread's name as a program may set it; the last byte is half of a UTF-8 sequence. */
#define HOSTILE "=a;\"b\",\n\033[31mc \xc3"

/* Two characters of two columns each. */
#define WIDE "\xe6\x97\xa5\xe6\x9c\xac"
#define WIDE_CUT "\xe6\x97\xa5\xe2\x80\xa6" /* the first of them and an ellipsis */

static char *export_as(const struct world *w, const char *format)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct ct_export_in in = { .facts = &w->facts };
	const struct ct_exporter *e = ct_exporter__find(format);
	assert_non_null(e);
	assert_int_equal(e->write(&in, out), 0);
	fclose(out);
	assert_int_equal(strlen(text), size);
	return text;
}

static char *report_as(const struct world *w, u32 width, bool unicode, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct ct_report_opts opts = { .width = width, .unicode = unicode, .colour = colour };
	assert_int_equal(ct_report__write(&w->facts, &opts, out), 0);
	fclose(out);
	assert_int_equal(strlen(text), size);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* A world where every text from outside is hostile. */
static void world_hostile(struct world *w)
{
	world_init(w, HOSTILE, 100);
	u32 process = world_process(w, 7, HOSTILE);
	u32 frame = world_frame(w, HOSTILE " ", HOSTILE, 3);
	u32 stack = world_stack(w, &frame, 1);
	world_lock(w, CT_LK_MUTEX, 0x10);
	u32 thread = world_thread(w, process, 7, HOSTILE, 0);
	world_slice(w, thread, CT_RUNNING, 40 * WORLD_MS, CT_NONE);
	world_wait(w, thread, CT_LOCK, 60 * WORLD_MS, frame, 0)->stack = stack;
	struct ct_contention *c = world_contention(w, 0);
	*ct_vec_push(&c->sites) = (struct ct_site){ frame, 1, 60 * WORLD_MS, 60 * WORLD_MS };
	*ct_vec_push(&c->blamed) = (struct ct_blame){ 0, 0, 1, 60 * WORLD_MS };
	world_line(w, frame, CT_SLEEP, 1, 60 * WORLD_MS, 60 * WORLD_MS, 1);
}

/* ---- the table ---- */

static void test_table(void **state)
{
	u32 cnt = 0;
	for (const struct ct_exporter *e = ct_exporters; e->name; e++, cnt++) {
		assert_ptr_equal(ct_exporter__find(e->name), e);
		assert_int_equal(e->suffix[0], '.');
		assert_non_null(e->write);
	}
	assert_true(cnt >= 4);
	assert_null(ct_exporter__find("jso"));
	assert_null(ct_exporter__find(""));
}

/* ---- JSON ---- */

/* The object's keys, in order, with spaces between. */
static void assert_keys(json_t *object, const char *keys)
{
	char text[1024] = "";
	const char *key;
	json_t *value;
	assert_true(json_is_object(object));
	json_object_foreach(object, key, value) {
		strcat(text, *text ? " " : "");
		strcat(text, key);
	}
	assert_string_equal(text, keys);
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	return root;
}

static json_t *at(json_t *root, const char *list, size_t i)
{
	json_t *item = json_array_get(json_object_get(root, list), i);
	assert_non_null(item);
	return item;
}

static json_int_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_json_keys(void **state)
{
	struct world w;
	world_shop(&w);
	char *text = export_as(&w, "json");
	json_t *root = parse(text);
	json_t *lock = at(root, "locks", 0);
	assert_keys(root, "schema run loss threads locks parallelism lines wakers work "
			  "critical_path critical_path_lines what_if what_if_replay findings");
	assert_keys(json_object_get(root, "run"),
		"argv pid exit_status duration_ns cpus kernel ctrace attached ended complete "
		"start_time cpus_machine arch libc host futex stacks cpu_samples_hz switches "
		"events processes cost");
	assert_keys(json_object_get(root, "loss"),
		"events by_cpu by_kind waits_without_stack damage anomalies");
	assert_keys(at(root, "threads", 1),
		"tid pid name start_ns end_ns running_ns runnable_ns blocked_ns switches "
		"migrations kind cpu_ns switches_before kernel_switches switches_agree "
		"runnable_max_ns wakeups found ended exit_status cut lossy");
	assert_keys(json_object_get(at(root, "threads", 1), "blocked_ns"), "lock io-disk");
	assert_keys(json_object_get(at(root, "threads", 1), "switches"), "voluntary involuntary");
	assert_keys(lock, "id name address kind waits wait_ns max_wait_ns max_waiters sites "
			  "blocked_by pid runnable_ns wakes wakes_of_none timeouts refused "
			  "holders_ns holds");
	assert_keys(at(lock, "sites", 0), "function file line waits wait_ns max_wait_ns");
	assert_keys(at(lock, "blocked_by", 0), "waiter owner waits wait_ns");
	assert_keys(json_object_get(root, "parallelism"),
		"mean_running running_ns wait_cpu_ns alone_ns alone_waiting_ns alone_threads");
	assert_keys(at(root, "critical_path", 0), "tid reason lock ns share");
	assert_keys(at(root, "what_if", 0), "change duration_ns speedup at_least_ns "
					    "saves_at_most_ns kind lock tid parts assumes");
	assert_keys(at(root, "lines", 0),
		"function file line reason waits wait_ns max_wait_ns threads");
	assert_keys(at(root, "wakers", 0), "waker wakee wakes ended_ns");
	json_decref(root);
	free(text);
	world_free(&w);
}

static void test_json_values(void **state)
{
	struct world w;
	world_shop(&w);
	w.m.threads.at[1].voluntary = 5;
	w.m.threads.at[1].kernel_voluntary = 6;
	w.m.threads.at[2].flags &= ~CT_THREAD_COUNTED;
	char *text = export_as(&w, "json");
	json_t *root = parse(text);
	json_t *lock = at(root, "locks", 0);
	json_t *thread = at(root, "threads", 1);
	assert_int_equal(number(json_object_get(root, "run"), "duration_ns"), 800 * WORLD_MS);
	assert_string_equal(json_string_value(json_object_get(lock, "id")), "L1");
	assert_string_equal(json_string_value(json_object_get(lock, "address")), "0x404040");
	assert_int_equal(number(at(lock, "blocked_by", 0), "waiter"), 101);
	assert_int_equal(number(at(lock, "blocked_by", 0), "owner"), 102);
	assert_true(json_is_null(json_object_get(at(lock, "blocked_by", 3), "owner")));
	assert_true(json_is_null(json_object_get(at(root, "wakers", 1), "waker")));
	assert_int_equal(number(thread, "start_ns"), 21 * WORLD_MS);
	assert_int_equal(number(thread, "running_ns"), 180 * WORLD_MS);
	assert_int_equal(number(json_object_get(thread, "blocked_ns"), "lock"), 420 * WORLD_MS);
	assert_true(json_is_true(json_object_get(at(root, "threads", 0), "switches_agree")));
	assert_true(json_is_false(json_object_get(thread, "switches_agree")));
	assert_true(json_is_null(json_object_get(at(root, "threads", 2), "switches_agree")));
	json_decref(root);
	free(text);
	world_free(&w);
}

static void test_json_hostile(void **state)
{
	struct world w;
	world_hostile(&w);
	char *text = export_as(&w, "json");
	json_t *root = parse(text);
	const char *name = json_string_value(json_object_get(at(root, "threads", 0), "name"));
	assert_string_equal(name, "=a;\"b\",\n\033[31mc \\xC3");
	json_decref(root);
	free(text);
	world_free(&w);
}

/* A terminal obeys U+009B as it does ESC [, and U+202E turns the line around. */
static void test_json_on_a_terminal(void **state)
{
	static const char name[] = "a\xc2\x9b" "31m\xe2\x80\xae\xc3\xa4";
	struct world w;

	world_init(&w, "p", 100);
	u32 thread = world_thread(&w, world_process(&w, 7, name), 7, name, 0);
	u32 frame = world_frame(&w, name, "f.c", 3);
	world_lock(&w, CT_LK_MUTEX, 0x10);
	world_slice(&w, thread, CT_RUNNING, 40 * WORLD_MS, CT_NONE);
	u32 stack = world_stack(&w, &frame, 1);
	world_wait(&w, thread, CT_LOCK, 60 * WORLD_MS, frame, 0)->stack = stack;
	for (u32 i = 0; i < 2; i++) {
		char *text = export_as(&w, i ? "json" : "speedscope");

		assert_has(text, "a\\u009b31m\\u202e\xc3\xa4");
		assert_null(strstr(text, "\xc2\x9b"));
		assert_null(strstr(text, "\xe2\x80\xae"));
		json_decref(parse(text));
		free(text);
	}
	world_free(&w);
}

/* A browser turns what stands beside such a mark around, too; other letters stay. */
static void test_page_directions(void **state)
{
	json_t *text = ct_html__text("a\xe2\x80\xae" "b\xe2\x81\xa6\xe2\x80\xa6\xe2\x80\x8f\xe2");

	assert_string_equal(json_string_value(text), "a\xef\xbf\xbd" "b\xef\xbf\xbd\xe2\x80\xa6"
		"\xef\xbf\xbd\\xE2");
	json_decref(text);
}

/* No bytes whatever may make the JSON invalid or end it early. */
static void test_json_bytes(void **state)
{
	u32 seed = 1;
	for (u32 round = 0; round < 2000; round++) {
		char name[16] = "";
		for (u32 i = 0; i < 15; i++) {
			seed = seed * 1664525 + 1013904223;
			name[i] = (char)((seed >> 24) % 255 + 1);
		}
		char *repaired = ct_utf8_repair(name);
		json_t *string = json_string(repaired);
		assert_non_null(string);
		json_decref(string);
		free(repaired);
	}
}

static void assert_run(struct world *w, const char *key, const char *dumped)
{
	char *text = export_as(w, "json");
	json_t *root = parse(text);
	char *value = json_dumps(json_object_get(json_object_get(root, "run"), key),
		JSON_ENCODE_ANY);
	assert_string_equal(value, dumped);
	free(value);
	json_decref(root);
	free(text);
}

static void test_json_run(void **state)
{
	struct world w;
	world_shop(&w);
	assert_run(&w, "exit_status", "0");
	w.run.wait_status = 3 << 8;
	assert_run(&w, "exit_status", "3");
	w.run.wait_status = 9;
	assert_run(&w, "exit_status", "137");
	w.run.wait_status = 11 | 0x80; /* with a core dump */
	assert_run(&w, "exit_status", "139");
	w.run.ended = false;
	assert_run(&w, "exit_status", "null");
	w.run.ended = w.run.attached = true;
	assert_run(&w, "exit_status", "null");
	assert_run(&w, "start_time", "\"2023-11-14T22:13:20.000000042Z\"");
	w.run.start_real_ns = 951782400000000000; /* a leap day */
	assert_run(&w, "start_time", "\"2000-02-29T00:00:00.000000000Z\"");
	w.run.start_real_ns = 4107542399999999999; /* 2100 has none */
	assert_run(&w, "start_time", "\"2100-02-28T23:59:59.999999999Z\"");
	w.run.start_real_ns = 0;
	assert_run(&w, "start_time", "null");
	world_free(&w);
}

/* ---- CSV ---- */

/* Takes one field off *at by RFC 4180; true when another follows in the row. */
static bool next_field(const char **at, char *field)
{
	const char *c = *at;
	bool quoted = *c == '"';
	c += quoted;
	while (quoted ? *c != '"' || c[1] == '"' : *c != ',' && *c != '\r') {
		assert_true(*c && (quoted || (*c != '"' && *c != '\n')));
		c += *c == '"';
		*field++ = *c++;
	}
	*field = '\0';
	c += quoted;
	*at = c + 1;
	if (*c == ',')
		return true;
	assert_memory_equal(c, "\r\n", 2);
	*at = c + 2;
	return false;
}

struct csv {
	char field[20000][14][64];
	u32 rows;
};

static struct csv *parse_csv(const char *text)
{
	struct csv *csv = ct_alloc(sizeof(*csv));
	while (*text) {
		u32 i = 0;
		assert_true(csv->rows < CT_COUNT(csv->field));
		while (next_field(&text, csv->field[csv->rows][i++]))
			assert_true(i < 14);
		assert_int_equal(i, 14);
		csv->rows++;
	}
	return csv;
}

static void test_csv_rows(void **state)
{
	struct world w;
	u64 lock_ns = 0;
	u64 all_ns = 0;
	world_shop(&w);
	char *text = export_as(&w, "csv");
	struct csv *csv = parse_csv(text);
	assert_int_equal(csv->rows, 1 + 3 + 3 * 1801);
	assert_string_equal(csv->field[0][13], "flags");
	for (u32 i = 1; i < csv->rows; i++) {
		u64 ns = strtoull(csv->field[i][4], NULL, 10);
		all_ns += ns;
		if (strcmp(csv->field[i][5], "lock"))
			continue;
		lock_ns += ns;
		assert_memory_equal(csv->field[i][7], "L1 ", 3);
		assert_string_equal(csv->field[i][11], "/src/shop.c");
	}
	assert_int_equal(lock_ns, 1260 * WORLD_MS);
	for (u32 i = 0; i < w.m.threads.cnt; i++)
		all_ns -= w.m.threads.at[i].end_ns - w.m.threads.at[i].start_ns;
	assert_int_equal(all_ns, 0);
	free(csv);
	free(text);
	world_free(&w);
}

static void test_csv_hostile(void **state)
{
	struct world w;
	world_hostile(&w);
	w.m.threads.at[0].slices.at[0].flags = CT_SLICE_CUT_START | CT_SLICE_LOSS;
	char *text = export_as(&w, "csv");
	struct csv *csv = parse_csv(text);
	assert_int_equal(csv->rows, 3);
	assert_string_equal(csv->field[1][2], "'=a;\"b\",\\x0A\\x1B[31mc \\xC3");
	assert_string_equal(csv->field[2][10], "'=a;\"b\",\\x0A\\x1B[31mc \\xC3 ");
	assert_string_equal(csv->field[1][13], "cut-start loss");
	free(csv);
	free(text);
	world_free(&w);
}

/* A comma alone is reason enough for quotes, so is a quote; a plain name has none. No byte is left
 * that ends a line or that a terminal acts on. */
static void test_csv_quotes(void **state)
{
	static const char *const cases[][2] = { { "a\nb", "a\\x0Ab" }, { "a\rb", "a\\x0Db" },
		{ "a\"b", "\"a\"\"b\"" }, { "a,b", "\"a,b\"" }, { "a b", "a b" }, { "-1", "'-1" },
		{ "@x", "'@x" }, { "+x", "'+x" }, { "\t=x", "\\x09=x" },
		{ "\033]0;x\a", "\\x1B]0;x\\x07" }, { "\xe2\x80\xaex", "\\xE2\\x80\\xAEx" } };
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		struct world w;
		world_init(&w, "p", 100);
		u32 t = world_thread(&w, world_process(&w, 1, "p"), 1, cases[i][0], 0);
		world_slice(&w, t, CT_RUNNING, 5, CT_NONE);
		char *text = export_as(&w, "csv");
		char *row = ct_asprintf("\r\n1,1,%s,0,5,running,0,,,,,,,\r\n", cases[i][1]);
		assert_has(text, row);
		free(row);
		free(text);
		world_free(&w);
	}
}

/* ---- folded ---- */

static u64 sum_folded(const char *text, const char *reason)
{
	u64 sum = 0;
	char *lines = ct_strdup(text);
	char *rest = lines;
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		char *figure = strrchr(line, ' ');
		assert_non_null(figure);
		assert_true(figure[-1] == ']');
		*figure = '\0';
		size_t len = strlen(line);
		size_t want = strlen(reason);
		if (len >= want && !strcmp(line + len - want, reason))
			sum += strtoull(figure + 1, NULL, 10);
	}
	free(lines);
	return sum;
}

static void test_folded(void **state)
{
	struct world w;
	world_shop(&w);
	char *text = export_as(&w, "folded");
	assert_int_equal(sum_folded(text, ";[lock]"), 1260 * WORLD_MS);
	assert_int_equal(sum_folded(text, ";[join]"), 770 * WORLD_MS);
	assert_int_equal(sum_folded(text, ";[io-disk]"), 180 * WORLD_MS);
	assert_int_equal(sum_folded(text, ";[runnable]"), 90 * WORLD_MS);
	assert_int_equal(sum_folded(text, ";[running]"), 1 * WORLD_MS); /* one sample at 1000 Hz */
	assert_has(text, "shop;worker-2;main;take_from_shelf;[lock] 420000000\n");
	free(text);
	world_free(&w);
}

/* Threads of one name are one line. */
static void test_folded_merges(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	for (u32 i = 0; i < 3; i++) {
		u32 t = world_thread(&w, process, 1 + i, "same", 0);
		world_wait(&w, t, CT_SLEEP, 10, 0, CT_NONE);
	}
	char *text = export_as(&w, "folded");
	assert_string_equal(text, "p;same;[sleep] 30\n");
	free(text);
	world_free(&w);
}

static void test_folded_hostile(void **state)
{
	struct world w;
	world_hostile(&w);
	char *text = export_as(&w, "folded");
	const char *name = "=a:\"b\",\\x0A\\x1B[31mc \\xC3";
	char *expected = ct_asprintf("%s;%s;%s;[lock] 60000000\n", name, name, name);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	world_free(&w);
}

/* ---- the report ---- */

/* Takes colours out of a line; whatever other control byte there is stays and is found. */
static void strip_colours(char *line)
{
	char *to = line;
	for (char *c = line; *c;) {
		if (c[0] == '\033' && c[1] == '[' && c[2 + strspn(c + 2, "0123456789;")] == 'm')
			c += 3 + strspn(c + 2, "0123456789;");
		else
			*to++ = *c++;
	}
	*to = '\0';
}

/* By the C library's own idea of a character's width. */
static u32 width_of(const char *line)
{
	wchar_t wide[4096];
	size_t len = mbstowcs(wide, line, CT_COUNT(wide));
	assert_true(len < CT_COUNT(wide));
	int columns = wcswidth(wide, len);
	if (columns < 0)
		fail_msg("a control character in: %s", line);
	return (u32)columns;
}

static void check_lines(const char *text, u32 width, bool unicode, bool colour)
{
	char *lines = ct_strdup(text);
	char *rest = lines;
	for (char *line; (line = strsep(&rest, "\n"));) {
		assert_true(colour || !strchr(line, '\033'));
		strip_colours(line);
		if (width_of(line) > width)
			fail_msg("%u columns, not %u: %s", width_of(line), width, line);
		size_t len = strlen(line);
		if (len && line[len - 1] == ' ')
			fail_msg("a space at the end of: '%s'", line);
		for (size_t i = 0; !unicode && i < len; i++)
			assert_true((u8)line[i] < 0x80);
	}
	free(lines);
}

static void check_widths(const struct world *w)
{
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (u32 width = 60; width <= 200; width++) {
		for (u32 how = 0; how < 4; how++) {
			char *text = report_as(w, width, how & 1, how & 2);
			check_lines(text, width, how & 1, how & 2);
			free(text);
		}
	}
	setlocale(LC_CTYPE, "C");
}

static void test_report_widths(void **state)
{
	struct world w;
	world_shop(&w);
	check_widths(&w);
	world_free(&w);
	world_hostile(&w);
	check_widths(&w);
	world_free(&w);
}

/* Names of 200 bytes, names of wide characters, functions of 300. */
static void test_report_long_names(void **state)
{
	struct world w;
	char name[201];
	char function[301];
	memset(name, 'n', 200);
	name[200] = '\0';
	memset(function, 'f', 300);
	function[300] = '\0';
	world_init(&w, name, 100);
	u32 process = world_process(&w, 1, name);
	u32 frame = world_frame(&w, function, "/a/" WIDE ".c", 123456);
	world_lock(&w, CT_LK_MUTEX, 0x10);
	w.m.locks.at[0].wait_ns = 100 * WORLD_MS;
	struct ct_contention *c = world_contention(&w, 0);
	*ct_vec_push(&c->sites) = (struct ct_site){ frame, 1, 60 * WORLD_MS, 60 * WORLD_MS };
	for (u32 i = 0; i < 3; i++) {
		u32 t = world_thread(&w, process, 4000000 + i,
			i ? name : WIDE WIDE "\xcc\x81", 0);
		world_wait(&w, t, CT_LOCK, 100 * WORLD_MS, frame, 0);
		*ct_vec_push(&c->blamed) = (struct ct_blame){ t, t, 1, 60 * WORLD_MS };
	}
	world_line(&w, frame, CT_IO_DISK, 1, 60 * WORLD_MS, 60 * WORLD_MS, 1);
	check_widths(&w);
	char *text = report_as(&w, 80, true, false);
	assert_has(text, WIDE ".c:123456"); /* the line survives */
	free(text);
	world_free(&w);
}

/* What the run consists of, and which single change would have been worth what. */
static void test_report_path(void **state)
{
	struct world w;
	world_shop(&w);
	char *text = report_as(&w, 120, false, false);
	assert_non_null(strstr(text, "Critical path  what the 800 ms consist of"));
	assert_non_null(strstr(text, "63 %     500 ms    running, holding 0x404040: worker-2 "));
	assert_non_null(strstr(text, "38 %     300 ms    join in main (shop.c:80): shop"));
	assert_non_null(strstr(text, "What if  replayed, the run takes 760 ms, 5 % too little, "));
	assert_non_null(strstr(text, "400 ms    2.00x    no waits on 0x404040 (saves 400 ms, 50 %; "
				     "at most 420 ms)"));
	assert_null(strstr(text, "half the computing")); /* worth next to nothing */
	free(text);
	w.facts.what_if.usable = false;
	w.facts.what_if.at.cnt = 0;
	text = report_as(&w, 120, false, false);
	assert_non_null(strstr(text, "too far from what it took to predict anything"));
	assert_null(strstr(text, "no waits on"));
	free(text);
	world_free(&w);
}

/* What each change is called: ids for programs, names for people. */
static void test_change_texts(void **state)
{
	struct world w;
	world_shop(&w);
	const struct {
		struct ct_prediction p;
		const char *text;
	} cases[] = {
		{ { .change = CT_CHANGE_LOCK_FREE, .lock = 0, .thread = CT_NONE },
			"no waits on L1" },
		{ { .change = CT_CHANGE_LOCK_SPLIT, .lock = 0, .thread = CT_NONE, .parts = 16 },
			"L1 split in 16" },
		{ { .change = CT_CHANGE_CPUS, .lock = CT_NONE, .thread = CT_NONE, .parts = 1 },
			"1 CPU" },
		{ { .change = CT_CHANGE_CPUS, .lock = CT_NONE, .thread = CT_NONE },
			"a CPU for each thread" },
		{ { .change = CT_CHANGE_EVEN_WORK, .lock = CT_NONE, .thread = 1 },
			"computing shared evenly by thread 101 and its like" },
	};
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		char *text = ct_change_text(&w.m, &cases[i].p);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
	for (u32 i = 0; i < CT_CHANGES; i++) {
		assert_true(*ct_change_id(i) && *ct_change_assumption(i));
		for (u32 k = 0; k < i; k++)
			assert_string_not_equal(ct_change_id(i), ct_change_id(k));
	}
	world_free(&w);
}

static void test_report_facts(void **state)
{
	struct world w;
	world_shop(&w);
	char *text = report_as(&w, 120, true, false);
	assert_has(text, "./shop --big lock: exit status 0 after 800 ms; 0.71 of 2 CPUs used; "
			 "4 threads\n");
	assert_has(text, "1,800 waits, 1.26 s in all, longest 700 us");
	assert_has(text, "89 %  take_from_shelf (shop.c:42)");
	assert_has(text, "420 ms  worker-1 waited for worker-2 (600 waits)");
	assert_has(text, "meanwhile running 72 %, waiting (io-disk) 20 %, runnable 8 %");
	assert_has(text, "exactly one ran 75 % of the time");
	assert_has(text, "agree for 4 of 4 threads");
	assert_has(text, "Lost events  none");
	assert_null(strchr(text, '~'));
	free(text);
	w.argv[0] = (char *)"/a/path/that/takes/more/than/half/of/the/page/by/its/own/length/shop";
	text = report_as(&w, 120, true, false);
	assert_memory_equal(text, "shop --big lock: ", 17);
	free(text);
	w.m.threads.at[1].kernel_voluntary = 6;
	w.facts.contentions.at.at[0].blamed.at[0].owner = 1;
	w.run.wait_status = 11;
	text = report_as(&w, 120, true, false);
	assert_has(text, "agree for 3 of 4 threads");
	assert_has(text, "worker-1 waited for itself");
	assert_has(text, "worker-1: recorded 0 voluntary and 0 involuntary, "
			 "the kernel counts 6 and 0");
	assert_has(text, "killed by SIGSEGV after 800 ms");
	free(text);
	w.run.ended = false;
	text = report_as(&w, 120, true, false);
	assert_has(text, "still running after 800 ms, when the recording ended");
	assert_null(strstr(text, "was cut"));
	free(text);
	w.m.complete = false;
	text = report_as(&w, 120, true, false);
	assert_has(text, "recorded for 800 ms");
	assert_has(text, "the recording was cut: what follows is its first 800 ms");
	free(text);
	world_free(&w);
}

static void test_report_attached(void **state)
{
	struct world w;
	world_shop(&w);
	w.run.attached = true;
	w.run.ended = false;
	w.m.threads.at[0].flags = CT_THREAD_FOUND;
	w.m.threads.at[1].flags = CT_THREAD_FOUND;
	char *text = report_as(&w, 120, true, false);
	assert_has(text, "watched for 800 ms;");
	assert_has(text, "attached: 2 threads were already running");
	assert_has(text, "agree for 2 of 2 threads");
	free(text);
	world_free(&w);
}

static u32 count_lines(const char *text)
{
	u32 cnt = 0;
	for (; (text = strchr(text, '\n')); text++)
		cnt++;
	return cnt;
}

/* worker-1 .. worker-40 and the main thread: a row for those that work, one for those that wait. */
static void test_report_groups(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	world_slice(&w, world_thread(&w, process, 1, "p", 0), CT_RUNNING, 100 * WORLD_MS, CT_NONE);
	for (u32 i = 1; i <= 40; i++) {
		char name[32];
		snprintf(name, sizeof(name), "worker-%u", i);
		u32 t = world_thread(&w, process, 1 + i, name, 0);
		world_slice(&w, t, CT_RUNNING, (i <= 10 ? 100 : 0) * WORLD_MS, CT_NONE);
		world_wait(&w, t, CT_POLL, (i <= 10 ? 0 : 100) * WORLD_MS, 0, CT_NONE);
	}
	char *text = report_as(&w, 120, false, false);
	assert_has(text, "worker-* (10 threads)"); /* busy */
	assert_has(text, "worker-* (30 threads)"); /* waiting: not the same */
	assert_has(text, "100 %      0 %     0 %\n");
	assert_has(text, "  0 %      0 %   100 %  poll");
	assert_null(strstr(text, "worker-1 "));
	free(text);
	world_free(&w);
}

/* Threads of one name keep it, digits and all. */
static void test_report_same_names(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	for (u32 i = 0; i < 13; i++) {
		u32 t = world_thread(&w, process, 70 + i, "python3", 0);
		world_slice(&w, t, CT_RUNNING, 100, CT_NONE);
	}
	char *text = report_as(&w, 120, true, false);
	assert_has(text, "python3 (13 threads)");
	free(text);
	w.m.threads.cnt = 12; /* few enough for a row each: the tid tells them apart */
	text = report_as(&w, 120, true, false);
	assert_has(text, "  python3 70 ");
	assert_has(text, "  python3 81 ");
	free(text);
	w.m.threads.cnt = 13;
	w.m.threads.at[0].flags |= CT_THREAD_ROOT; /* the first thread is no worker */
	text = report_as(&w, 120, true, false);
	assert_has(text, "  python3 70 ");
	assert_has(text, "python3 (12 threads)");
	free(text);
	w.m.threads.at[0].name = 0;
	text = report_as(&w, 120, true, false);
	assert_has(text, "  thread 70 ");
	free(text);
	world_free(&w);
}

/* Cheap locks are counted, not told; sites that cost nothing are left out. */
static void test_report_cheap_locks(void **state)
{
	struct world w;
	world_shop(&w);
	world_contention(&w, world_lock(&w, CT_LK_RWLOCK, 0x77));
	w.m.locks.at[1].wait_ns = 799999;
	struct ct_contention *c = &w.facts.contentions.at.at[0];
	*ct_vec_push(&c->sites) = (struct ct_site){ 1, 1, 0, 0 };
	char *text = report_as(&w, 120, true, false);
	assert_has(text, "  and 1 more lock, 800 us of waiting in all\n");
	assert_null(strstr(text, "rwlock"));
	assert_null(strstr(text, "0 %  main"));
	free(text);
	w.m.locks.at[0].wait_ns = 1;
	text = report_as(&w, 120, true, false);
	assert_has(text, "  2 locks, 800 us of waiting in all\n");
	free(text);
	world_free(&w);
}

/* 5,000 threads of as many names: a page, not a book, and the rest is one row. */
static void test_report_many(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	for (u32 i = 0; i < 5000; i++) {
		char name[16] = { (char)('a' + i % 26), (char)('a' + i / 26 % 26),
			(char)('a' + i / 676 % 26) };
		u32 t = world_thread(&w, process, 1 + i, name, 0);
		world_slice(&w, t, CT_RUNNING, i == 4321 ? 100 * WORLD_MS : 1000, CT_NONE);
		world_wait(&w, t, CT_SLEEP, i == 4321 ? 0 : 99999000, 0, CT_NONE);
	}
	char *text = report_as(&w, 100, true, false);
	assert_true(count_lines(text) < 30);
	assert_has(text, "others (4989 threads)");
	const char *busiest = strstr(text, "\n  fkg "); /* thread 4321 */
	assert_non_null(busiest);
	assert_true(busiest < strstr(text, "\n  aaa "));
	free(text);
	check_widths(&w);
	world_free(&w);
}

/* One thread, no lock, no time. */
static void test_report_least(void **state)
{
	struct world w;
	world_init(&w, "true", 0);
	u32 process = world_process(&w, 1, "true");
	world_thread(&w, process, 1, "true", 0);
	w.m.names = NULL;
	check_widths(&w);
	char *text = report_as(&w, 80, true, false);
	assert_null(strstr(text, "Locks"));
	assert_null(strstr(text, "Other waits"));
	assert_null(strstr(text, "Parallelism"));
	free(text);
	free(export_as(&w, "json"));
	free(export_as(&w, "csv"));
	free(export_as(&w, "folded"));
	world_free(&w);
}

/* Losses are told by every format. */
static void test_loss(void **state)
{
	struct world w;
	world_shop(&w);
	w.m.lost_events = 12;
	struct ct_loss_span first = { WORLD_START, WORLD_START + WORLD_MS, 1, CT_WAKING, 4 };
	struct ct_loss_span second = { WORLD_START, WORLD_START + WORLD_MS, 0, CT_SWITCH, 3 };
	struct ct_loss_span third = { WORLD_START, WORLD_START + WORLD_MS, 1, CT_WAKING, 5 };
	*ct_vec_push(&w.m.losses) = first;
	*ct_vec_push(&w.m.losses) = second;
	*ct_vec_push(&w.m.losses) = third;
	w.m.threads.at[1].flags |= CT_THREAD_LOSS;
	char *text = report_as(&w, 200, true, false);
	assert_has(text, "12 events (CPU 0: 3 switch; CPU 1: 9 waking); figures marked ~ may");
	assert_has(text, "~27 %");
	free(text);
	text = export_as(&w, "csv");
	assert_has(text, "0,0,,0,1000000,lost-events,1,,,,,,,4 waking\r\n");
	free(text);
	text = export_as(&w, "folded");
	assert_has(text, "[lost 12 events] 1\n");
	free(text);
	text = export_as(&w, "json");
	json_t *root = parse(text);
	json_t *loss = json_object_get(root, "loss");
	assert_int_equal(number(loss, "events"), 12);
	assert_int_equal(number(json_object_get(loss, "by_cpu"), "1"), 9);
	assert_int_equal(number(json_object_get(loss, "by_kind"), "switch"), 3);
	json_decref(root);
	free(text);
	world_free(&w);
}

/* Nothing was lost, and yet switches were not seen: that is said, too. */
static void test_unseen_switches(void **state)
{
	struct world w;
	world_shop(&w);
	w.m.anomalies = 0;
	char *text = report_as(&w, 200, true, false);
	assert_has(text, "Lost events  none\n");
	free(text);
	w.m.anomalies = 1;
	text = report_as(&w, 200, true, false);
	assert_has(text, "none; 1 time a thread was found on a CPU without having been seen to "
			 "come (the kernel did not report it; other tracers do not see it either)");
	free(text);
	world_free(&w);
}

/* Same facts, same bytes: again, and under another locale and time zone. */
static void test_same_bytes(void **state)
{
	static const char *const formats[] = { "json", "csv", "folded" };
	struct world w;
	world_shop(&w);
	for (u32 i = 0; i < CT_COUNT(formats); i++) {
		char *first = export_as(&w, formats[i]);
		setenv("TZ", "Asia/Kathmandu", 1);
		assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
		char *second = export_as(&w, formats[i]);
		setlocale(LC_ALL, "C");
		unsetenv("TZ");
		assert_string_equal(first, second);
		free(first);
		free(second);
	}
	world_free(&w);
}

/* ---- the bar ---- */

static char *draw(const struct world *w, u32 thread, u32 cells)
{
	char *text = NULL;
	size_t size;
	bool used[CT_SHOWN_LOST + 1];
	struct ct_bar bar;
	struct ct_page page = { .out = open_memstream(&text, &size), .width = 1000 };
	ct_bar__init(&bar, cells);
	ct_bar__add(&bar, &w->m, &w->m.threads.at[thread]);
	ct_bar__draw(&bar, &page, used);
	ct_bar__clear(&bar);
	fclose(page.out);
	return text;
}

static u32 count_char(const char *s, char c)
{
	u32 cnt = 0;
	for (; *s; s++)
		cnt += *s == c;
	return cnt;
}

/* A phase is shown where it was; states that alternate are shown as often as their share. */
static void test_bar(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	u32 t = world_thread(&w, process, 1, "p", 10);
	for (u32 i = 0; i < 4000; i++) { /* 40 ms: 40 % running, 60 % lock */
		world_slice(&w, t, CT_RUNNING, 4000, CT_NONE);
		world_wait(&w, t, CT_LOCK, 6000, 0, CT_NONE);
	}
	world_wait(&w, t, CT_JOIN, 30 * WORLD_MS, 0, CT_NONE);
	char *bar = draw(&w, t, 100);
	assert_int_equal(strlen(bar), 80); /* blank from 80 ms on, and no blank is written */
	assert_int_equal(strspn(bar, " "), 10);
	assert_int_equal(strspn(bar + 10, "L#"), 40);
	assert_int_equal(strspn(bar + 50, "j"), 30);
	assert_in_range(count_char(bar, '#'), 15, 17);
	assert_in_range(count_char(bar, 'L'), 23, 25);
	free(bar);
	world_free(&w);
}

/* A cell never shows a state that did not occur in it. */
static void test_bar_honest(void **state)
{
	struct world w;
	world_init(&w, "p", 100);
	u32 process = world_process(&w, 1, "p");
	u32 t = world_thread(&w, process, 1, "p", 0);
	world_slice(&w, t, CT_RUNNING, 14 * WORLD_MS, CT_NONE); /* owed 0.4 of a cell ... */
	world_wait(&w, t, CT_SLEEP, 86 * WORLD_MS, 0, CT_NONE);
	char *bar = draw(&w, t, 10);
	assert_string_equal(bar, "#.........");
	free(bar);
	world_free(&w);
}

/* ---- small parts ---- */

static void test_share(void **state)
{
	char buf[CT_FMT_LEN];
	assert_string_equal(ct_report__share(buf, 0, 100, false), "0 %");
	assert_string_equal(ct_report__share(buf, 1, 1000, false), "<1 %");
	assert_string_equal(ct_report__share(buf, 999, 1000, false), ">99 %");
	assert_string_equal(ct_report__share(buf, 1000, 1000, false), "100 %");
	assert_string_equal(ct_report__share(buf, 496, 1000, true), "~50 %");
	assert_string_equal(ct_report__share(buf, 5, 0, false), "0 %");
	assert_string_equal(ct_report__share(buf, UINT64_MAX / 2, UINT64_MAX, false), "50 %");
}

static void test_ratio(void **state)
{
	char buf[CT_FMT_LEN];
	assert_string_equal(ct_report__ratio(buf, 5, 4), "1.25");
	assert_string_equal(ct_report__ratio(buf, 199, 100000), "<0.01");
	assert_string_equal(ct_report__ratio(buf, 501, 100000), "0.01");
	assert_string_equal(ct_report__ratio(buf, 0, 100000), "0.00");
	assert_string_equal(ct_report__ratio(buf, 5, 0), "0.00");
	assert_string_equal(ct_report__ratio(buf, UINT64_MAX, UINT64_MAX), "1.00");
}

static void test_fit_place(void **state)
{
	static const struct {
		u32 columns;
		const char *fitted;
	} cases[] = {
		{ 40, "take_from_shelf (shop.c:42)" },	{ 27, "take_from_shelf (shop.c:42)" },
		{ 26, "take_from_sh.. (shop.c:42)" },	{ 16, "ta.. (shop.c:42)" },
		{ 15, "shop.c:42" },			{ 9, "shop.c:42" },
		{ 8, "...c:42" },			{ 2, ".." },
	};
	struct ct_report r = { .page = { .unicode = false } };
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		char place[] = "take_from_shelf (shop.c:42)";
		ct_report__fit_place(&r, place, cases[i].columns);
		assert_string_equal(place, cases[i].fitted);
	}
}

static void test_shorten(void **state)
{
	static const struct {
		const char *text;
		u32 columns;
		const char *cut;
	} cases[] = {
		{ "abc", 3, "abc" }, { "abcdef", 3, "ab\xe2\x80\xa6" },
		{ "abc", 2, "\xe2\x80\xa6" }, /* no byte more than before */
		{ "ab", 1, "a" }, { "abcdef", 0, "" }, { WIDE WIDE, 4, WIDE_CUT },
	};
	struct ct_page page = { .unicode = true };
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		char *text = ct_strdup(cases[i].text);
		ct_page__shorten(&page, text, cases[i].columns);
		assert_string_equal(text, cases[i].cut);
		free(text);
	}
}

static void test_wrap(void **state)
{
	char *text = NULL;
	size_t size;
	struct ct_page page = { .out = open_memstream(&text, &size), .width = 12 };
	ct_page__put(&page, "Head:");
	ct_page__stop(&page, 6);
	ct_page__wrap(&page, 2, "some words, 30 ms long and averyverylongword end");
	fclose(page.out);
	assert_string_equal(text, "Head: some\n  words,\n  30 ms long\n  and\n  averyveryl\n"
				  "  end\n");
	free(text);
}

static void test_columns(void **state)
{
	static const char *const texts[] = { "", "abc", "\xc3\xa9", "e\xcc\x81", WIDE,
		"\xf0\x9f\x98\x80x", "\xed\x95\x9c", "\xef\xbc\xa1",
		"\xe2\x96\x88\xe2\x80\xa6", "\xe2\x80\x8b" };
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (u32 i = 0; i < CT_COUNT(texts); i++)
		assert_int_equal(ct_columns(texts[i]), width_of(texts[i]));
	setlocale(LC_CTYPE, "C");
	assert_int_equal(ct_columns_fit(WIDE, 3), 3);
	assert_int_equal(ct_columns_fit("e\xcc\x81x", 1), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json_keys),
		cmocka_unit_test(test_json_values),
		cmocka_unit_test(test_json_hostile),
		cmocka_unit_test(test_json_on_a_terminal),
		cmocka_unit_test(test_page_directions),
		cmocka_unit_test(test_json_bytes),
		cmocka_unit_test(test_json_run),
		cmocka_unit_test(test_csv_rows),
		cmocka_unit_test(test_csv_hostile),
		cmocka_unit_test(test_csv_quotes),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_folded_merges),
		cmocka_unit_test(test_folded_hostile),
		cmocka_unit_test(test_report_widths),
		cmocka_unit_test(test_report_long_names),
		cmocka_unit_test(test_report_path),
		cmocka_unit_test(test_change_texts),
		cmocka_unit_test(test_report_facts),
		cmocka_unit_test(test_report_attached),
		cmocka_unit_test(test_report_groups),
		cmocka_unit_test(test_report_same_names),
		cmocka_unit_test(test_report_cheap_locks),
		cmocka_unit_test(test_report_many),
		cmocka_unit_test(test_report_least),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_unseen_switches),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_bar_honest),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_fit_place),
		cmocka_unit_test(test_shorten),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
