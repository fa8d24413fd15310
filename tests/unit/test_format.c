/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traces of tests/format/: one per format version that was released, which must read as it did
 * then, and broken ones (made by tests/format/break.py), which must be refused or told as the table
 * says.  Run from the root of the tree, as `make check` does.  A new format's file is written by
 * `CT_FORMAT_WRITE=1 test_format` and then kept for good.
 */
#include "trace_util.h"

#define FORMAT_DIR "tests/format/"
#define START_NS 5000000000ull
#define EVENTS 60u

/* The same trace for all time: change it, and the files prove nothing any more. */
static void write_format(const char *path)
{
	struct util_events ev = { 0 };
	struct ct_run run = util_run(START_NS, 0);
	struct ct_names *names = util_names();
	struct ct_writer *w;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	util_make_events(&ev, EVENTS, START_NS, 20260101);
	for (u32 i = 0; i < EVENTS; i++) {
		if (i == EVENTS / 2)
			ct_writer__sync(w, ev.list.at[i].hdr.ts + 1000000000);
		util_give(w, &ev.list.at[i]);
	}
	run = util_run(START_NS, ev.list.at[EVENTS - 1].hdr.ts + 1);
	assert_int_equal(ct_writer__finish(w, &run, names), 0);
	ct_writer__free(w);
	ct_names__free(names);
	ct_vec_free(&ev.list);
	close(fd);
}

static void write_text(const char *path, const char *to)
{
	struct ct_source *s;
	char *why = NULL;
	FILE *out = fopen(to, "w");
	assert_non_null(out);
	assert_int_equal(ct_source__open(&s, path, &why), 0);
	assert_int_equal(ct_text__write(s, out), 0);
	fclose(out);
	ct_source__free(s);
}

/* Each format, and what it said when it was new. */
static void check_format(const char *name)
{
	struct ct_buf was = { 0 };
	struct ct_buf is = { 0 };
	char *path = util_file(NULL, 0);
	char *trace = ct_asprintf(FORMAT_DIR "%s.ctrace", name);
	char *text = ct_asprintf(FORMAT_DIR "%s.ctt", name);
	write_text(trace, path);
	util_slurp(text, &was);
	free(text);
	free(trace);
	util_slurp(path, &is);
	assert_int_equal(was.len, is.len);
	assert_memory_equal(was.at, is.at, was.len);
	ct_buf_free(&was);
	ct_buf_free(&is);
	util_drop(path);
}

static void test_format1(void **state)
{
	check_format("format1");
}

/* The run has labels and is redacted; then one with watched variables. */
static void test_format1_1(void **state)
{
	check_format("format1.1");
	check_format("format1.1-watch");
}

static const struct {
	const char *file;
	int err;
	const char *sentence; /* of why, or of the damage; NULL: none, but not complete */
} broken[] = {
	{ "newer.ctrace", -EPROTONOSUPPORT, "made by a newer ctrace (format 2)" },
	{ "header.ctrace", -EBADMSG, "its header is damaged" },
	{ "foreign.ctrace", -EPROTO, "is not a trace of ctrace" },
	{ "empty.ctrace", -ENODATA, "is empty" },
	{ "norun.ctrace", -EBADMSG, "what it says of its run cannot be read" },
	{ "killed.ctrace", 0, NULL },
	{ "cut.ctrace", 0, "it is cut" },
	{ "events.ctrace", 0, "events are lost" },
	{ "order.ctrace", 0, "chunks" },
	{ "bomb.ctrace", 0, "events are lost" },
	{ "tail.ctrace", 0, "follow its end" },
};

static void test_broken(void **state)
{
	for (u32 i = 0; i < CT_COUNT(broken); i++) {
		char *path = ct_asprintf(FORMAT_DIR "%s", broken[i].file);
		const char *sentence = broken[i].sentence;
		struct ct_source *s;
		char *why = NULL;
		int err = ct_source__open(&s, path, &why);
		if (err != broken[i].err)
			fail_msg("%s: %d, %s", path, err, why ? why : "");
		if (err) {
			assert_non_null(strstr(why, sentence));
		} else {
			while (ct_source__next(s))
				;
			const char *damage = ct_source__damage(s);
			if (sentence && (!damage || !strstr(damage, sentence)))
				fail_msg("%s: %s", path, damage ? damage : "no damage");
			if (!sentence) {
				assert_null(damage);
				assert_false(ct_source__complete(s));
			}
			ct_source__free(s);
		}
		free(why);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format1),
		cmocka_unit_test(test_format1_1),
		cmocka_unit_test(test_broken),
	};
	if (getenv("CT_FORMAT_WRITE")) {
		write_format(FORMAT_DIR "format1.1.ctrace");
		write_text(FORMAT_DIR "format1.1.ctrace", FORMAT_DIR "format1.1.ctt");
		return 0;
	}
	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
