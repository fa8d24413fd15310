/* SPDX-License-Identifier: BSD-2-Clause */
/* What everything stands on: arrays, buffers, tables, strings, figures, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ct_base.h"

static void test_vec(void **state)
{
	CT_VEC(u64) v = { 0 };
	for (u32 i = 0; i < 10000; i++) {
		u64 *elem = ct_vec_push(&v);
		assert_int_equal(*elem, 0);
		*elem = i * 3ull;
	}
	assert_int_equal(v.cnt, 10000);
	assert_true(v.cap >= v.cnt);
	for (u32 i = 0; i < v.cnt; i++)
		assert_int_equal(v.at[i], i * 3ull);
	v.cnt = 5;
	assert_int_equal(*ct_vec_push(&v), 0); /* zeroed again, not what stood there */
	ct_vec_free(&v);
	assert_null(v.at);
}

static void test_buf(void **state)
{
	struct ct_buf b = { 0 };
	for (u32 i = 0; i < 1000; i++)
		ct_buf_put(&b, "abcdefg", i % 8);
	assert_int_equal(b.len, 3500);
	assert_memory_equal(b.at + 1, "ababc", 5);
	ct_buf_put(&b, NULL, 0);
	ct_buf_reserve(&b, 100000);
	assert_true(b.cap - b.len >= 100000);
	ct_buf_free(&b);
	assert_int_equal(b.cap, 0);
}

static void test_strings(void **state)
{
	char *a = ct_strndup("abcdef", 3);
	char *b = ct_strndup("abc", 100);
	char *c = ct_asprintf("%s-%d", a, 7);
	assert_string_equal(a, "abc");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "abc-7");
	free(a);
	free(b);
	free(c);
}

/* Runs f in a child with stderr in a pipe; what it wrote, and its status. */
static int catch_stderr(void (*f)(void), char *text, size_t size)
{
	int fds[2];
	int status;
	size_t len = 0;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		f();
		_exit(0);
	}
	close(fds[1]);
	for (ssize_t n; len + 1 < size && (n = read(fds[0], text + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void want_too_much(void)
{
	struct ct_buf b = { .len = SIZE_MAX - 10 };
	ct_buf_reserve(&b, 100);
}

static void test_out_of_memory(void **state)
{
	char text[200];
	int status = catch_stderr(want_too_much, text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 125);
	assert_string_equal(text, "ctrace: out of memory\n");
}

static void say_all(void)
{
	static char big[10000];
	memset(big, 'x', sizeof(big) - 1);
	ct_error("e%d", 1);
	ct_warn("w%d", 1);
	ct_info("i%d", 1);
	ct_debug("d%d", 1);
	ct_log_set_level(CT_LOG_QUIET);
	ct_error("e2");
	ct_warn("w2");
	ct_info("i2");
	ct_log_set_level(CT_LOG_VERBOSE);
	ct_debug("d3");
	ct_error("%s", big);
}

static void test_log(void **state)
{
	static const char start[] = "ctrace: e1\nctrace: warning: w1\nctrace: i1\nctrace: e2\n"
				    "ctrace: d3\nctrace: xxx";
	char text[20000];
	assert_int_equal(catch_stderr(say_all, text, sizeof(text)), 0);
	assert_memory_equal(text, start, sizeof(start) - 1);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_true(strlen(text) < 5000); /* cut, but still a line */
}

/* Against the simplest thing that can be right: a list. */
static void test_table(void **state)
{
	static u64 a[3000];
	static u64 b[3000];
	static u32 value[3000];
	u32 cnt = 0;
	u64 r = 88172645463325252ull;
	struct ct_table *t = ct_table__new();
	assert_int_equal(ct_table__get(t, 0, 0), CT_NONE);
	for (u32 i = 0; i < 20000; i++) {
		r ^= r << 13, r ^= r >> 7, r ^= r << 17;
		u64 x = r % 60;
		u64 y = (r >> 8) % 50 << 32;
		u32 k = 0;
		while (k < cnt && (a[k] != x || b[k] != y))
			k++;
		assert_int_equal(ct_table__get(t, x, y), k < cnt ? value[k] : CT_NONE);
		a[k] = x;
		b[k] = y;
		value[k] = i;
		cnt += k == cnt;
		ct_table__set(t, x, y, i);
	}
	assert_true(cnt > 2500);
	for (u32 k = 0; k < cnt; k++)
		assert_int_equal(ct_table__get(t, a[k], b[k]), value[k]);
	ct_table__free(t);
	ct_table__free(NULL);
}

static void test_strtab(void **state)
{
	struct ct_strtab *t = ct_strtab__new();
	char name[100];
	assert_int_equal(ct_strtab__add(t, ""), 0);
	assert_int_equal(ct_strtab__count(t), 1);
	const char *first = NULL;
	for (u32 pass = 0; pass < 2; pass++)
		for (u32 i = 1; i <= 5000; i++) {
			snprintf(name, sizeof(name), "string %u %*s", i, (int)(i % 50), "");
			assert_int_equal(ct_strtab__add(t, name), i);
			if (i == 1 && !pass)
				first = ct_strtab__get(t, 1);
		}
	assert_ptr_equal(ct_strtab__get(t, 1), first); /* texts do not move */
	assert_string_equal(ct_strtab__get(t, 2), "string 2   ");
	assert_string_equal(ct_strtab__get(t, 5001), "");
	assert_string_equal(ct_strtab__get(t, CT_NONE), "");
	char *big = ct_alloc(200001);
	memset(big, 'b', 200000);
	assert_string_equal(ct_strtab__get(t, ct_strtab__add(t, big)), big);
	assert_int_equal(ct_strtab__add(t, "string 1  "), 1 + 0);
	free(big);
	ct_strtab__free(t);
}

static void assert_ns(ct_ns ns, const char *text)
{
	char buf[CT_FMT_LEN];
	assert_string_equal(ct_fmt_ns(buf, ns), text);
}

static void test_fmt_ns(void **state)
{
	assert_ns(0, "0 ns");
	assert_ns(999, "999 ns");
	assert_ns(1000, "1.00 us");
	assert_ns(1234, "1.23 us");
	assert_ns(9994, "9.99 us");
	assert_ns(9995, "10.0 us");
	assert_ns(99949, "99.9 us");
	assert_ns(99950, "100 us");
	assert_ns(999499, "999 us");
	assert_ns(999500, "1.00 ms");
	assert_ns(45600000, "45.6 ms");
	assert_ns(999499999, "999 ms");
	assert_ns(999500000, "1.00 s");
	assert_ns(7890000000, "7.89 s");
	assert_ns(59949999999, "59.9 s");
	assert_ns(59950000000, "1 min 0 s");
	assert_ns(200000000000, "3 min 20 s");
	assert_ns(3599499999999, "59 min 59 s");
	assert_ns(3599500000000, "1 h 0 min");
	assert_ns(UINT64_MAX, "5124095 h 34 min");
}

static void test_fmt_numbers(void **state)
{
	char b[CT_FMT_LEN];
	assert_string_equal(ct_fmt_count(b, 0), "0");
	assert_string_equal(ct_fmt_count(b, 999), "999");
	assert_string_equal(ct_fmt_count(b, 1000), "1,000");
	assert_string_equal(ct_fmt_count(b, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(ct_fmt_bytes(b, 1023), "1023 B");
	assert_string_equal(ct_fmt_bytes(b, 1024), "1.0 KiB");
	assert_string_equal(ct_fmt_bytes(b, 1048575), "1.0 MiB");
	assert_string_equal(ct_fmt_bytes(b, 1258291), "1.2 MiB");
	assert_string_equal(ct_fmt_bytes(b, UINT64_MAX), "16.0 EiB");
	assert_string_equal(ct_fmt_share(b, 0, 0), "0 %");
	assert_string_equal(ct_fmt_share(b, 0, 5), "0 %");
	assert_string_equal(ct_fmt_share(b, 5, 5), "100 %");
	assert_string_equal(ct_fmt_share(b, 1, 1001), "<0.1 %");
	assert_string_equal(ct_fmt_share(b, 1, 1000), "0.1 %");
	assert_string_equal(ct_fmt_share(b, 123, 1000), "12.3 %");
	assert_string_equal(ct_fmt_share(b, 99999, 100000), "99.9 %");
	assert_string_equal(ct_fmt_share(b, 3, 2), "150.0 %");
	assert_string_equal(ct_fmt_share(b, UINT64_MAX / 2, UINT64_MAX), "50.0 %");
}

static void assert_safe(const char *from, const char *to)
{
	char buf[64];
	assert_string_equal(ct_fmt_safe(buf, sizeof(buf), from), to);
}

static void test_fmt_safe(void **state)
{
	char buf[6];
	assert_safe("plain", "plain");
	assert_safe("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x94\x92",
		"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x94\x92");
	assert_safe("\x1b[31m\r\n\x7f", "\\x1B[31m\\x0D\\x0A\\x7F");
	assert_safe("\xff\xc3", "\\xFF\\xC3");
	assert_safe("\xc0\xaf\xed\xa0\x80", "\\xC0\\xAF\\xED\\xA0\\x80"); /* overlong, surrogate */
	assert_safe("\xc2\x9b", "\\xC2\\x9B");		/* a control of one byte */
	assert_safe("\xe2\x80\xae", "\\xE2\\x80\\xAE"); /* turns the line around */
	assert_safe("\xe2\x82", "\\xE2\\x82");
	assert_string_equal(ct_fmt_safe(buf, sizeof(buf),
				    "ab\x01"
				    "c"),
		"ab"); /* never half a \xNN */
	assert_string_equal(ct_fmt_safe(buf, sizeof(buf), "abcd\xc3\xaf"), "abcd");
	assert_string_equal(ct_fmt_safe(buf, 1, "abc"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vec),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_strtab),
		cmocka_unit_test(test_fmt_ns),
		cmocka_unit_test(test_fmt_numbers),
		cmocka_unit_test(test_fmt_safe),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
