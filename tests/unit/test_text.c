/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form: what is written reads back equal, what is left out is filled in, and what is wrong
 * is told with its line. */
#include "trace_util.h"

static struct ct_source *read_text(const char *text)
{
	char *path = util_file(text, strlen(text));
	struct ct_source *s;
	char *why = NULL;
	if (ct_source__open(&s, path, &why))
		fail_msg("%s", why);
	util_drop(path);
	return s;
}

static char *write_text(struct ct_source *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_int_equal(ct_text__write(s, out), 0);
	fclose(out);
	assert_int_equal(strncmp(text, "# ctrace text trace 1\n", 22), 0);
	return text;
}

static const char story[] =
	"# a thread waits for a lock\n"
	"\n"
	"run argv=./demo argv=\"two words\" pid=100 start=0 end=10_000 wait_status=-1 "
	"futex=switch\n"
	"syscall 202 futex\n"
	"frame 1 function=push file=\"q.c\" line=12 offset=0x10 inlined=1\n"
	"frame 2 function=\"a \\\"b\\\" \\x07\\n\" module=/bin/demo\n"
	"stack 3 1 2\n"
	"addr 100 0x5000 kind=global symbol=big_lock offset=8\n"
	"3_400 0 switch 0 next=101 next_prio=120\n"
	"1_000 0 block 101 state=D nr=futex arg0=0x5000 owner=100 flags=timed|iowait|0x80 stack=3\n"
	"3_000\t1 waking 101 waker=100 nr=futex flags=queued # a comment\n"
	"3_400 0 task_name 101 name=\"wor\\x00ker\"\n"
	"5000 1 loss 0 since=4000 kind=switch count=3\n"
	"5000 0 futex 101 nr=0xca result=-110 addr=0xffff_ffff_ffff_ffff\n"
	"5001 0 block 101 file=sock state=Z";

static void test_story(void **state)
{
	struct ct_source *s = read_text(story);
	const struct ct_run *run = ct_source__run(s);
	const struct ct_names *names = ct_source__names(s);
	u32 cnt;
	assert_string_equal(run->argv[1], "two words");
	assert_null(run->argv[2]);
	assert_int_equal(run->end_ns, 10000);
	assert_int_equal(run->wait_status, -1);
	assert_int_equal(run->cpus, 2);
	assert_false(run->futex_calls);
	assert_true(run->stacks);
	assert_true(ct_source__complete(s));
	const u32 *frames = ct_names__stack(names, 3, &cnt);
	assert_int_equal(cnt, 2);
	assert_string_equal(
		util_string(names, names->frames.at[frames[1]].function), "a \"b\" \x07\n");
	assert_string_equal(
		util_string(names, ct_names__addr(names, 100, 0x5000)->symbol), "big_lock");
	const struct ct_event *ev = ct_source__next(s);
	assert_int_equal(ev->hdr.ts, 1000);
	assert_int_equal(ev->hdr.kind, CT_BLOCK);
	assert_int_equal(ev->hdr.tid, 101);
	assert_int_equal(ev->block.state, CT_STATE_DISK);
	assert_int_equal(ev->block.nr, 202);
	assert_int_equal(ev->block.arg0, 0x5000);
	assert_int_equal(ev->block.owner, 100);
	assert_int_equal(ev->block.stack, 3);
	assert_int_equal(ev->block.flags, 0x80 | CT_SWITCH_TIMED | CT_SWITCH_IOWAIT);
	ev = ct_source__next(s);
	assert_int_equal(ev->cpu, 1);
	assert_int_equal(ev->waking.flags, CT_WAKE_QUEUED);
	ev = ct_source__next(s); /* equal times: the file's order */
	assert_int_equal(ev->hdr.kind, CT_SWITCH);
	ev = ct_source__next(s);
	assert_memory_equal(&ev->task_name, "wor\0ker\0\0\0\0\0\0\0\0", 16);
	ev = ct_source__next(s); /* equal times: the lower CPU */
	assert_int_equal(ev->futex.result, -110);
	assert_int_equal(ev->futex.nr, 202);
	assert_int_equal(ev->futex.addr, UINT64_MAX);
	ev = ct_source__next(s);
	assert_int_equal(ev->loss.kind, CT_SWITCH);
	ev = ct_source__next(s);
	assert_int_equal(ev->block.state, CT_STATE_DEAD);
	assert_int_equal(ev->block.file, CT_FILE_SOCK);
	assert_int_equal(ev->block.nr, CT_NR_NONE);
	assert_null(ct_source__next(s));
	ct_source__free(s);
}

static void test_written_twice(void **state)
{
	struct ct_source *s = read_text(story);
	char *once = write_text(s);
	struct ct_source *t = read_text(once);
	char *twice = write_text(t);
	assert_string_equal(once, twice);
	assert_non_null(strstr(once, "1000 0 block 101 state=D flags=timed|iowait|0x80 nr=futex"));
	free(once);
	free(twice);
	ct_source__free(s);
	ct_source__free(t);
}

static void put_lines(FILE *out, const struct util_events *ev)
{
	for (u32 i = 0; i < ev->list.cnt; i++) {
		const struct ct_event *e = &ev->list.at[i];
		const struct ct_kind_info *info = ct_kind_info(e->hdr.kind);
		fprintf(out, "%llu %u %s %u", (unsigned long long)e->hdr.ts, e->cpu, info->name,
			e->hdr.tid);
		for (u32 f = 0; f < info->field_cnt; f++) {
			u64 n = ct_field_get(&info->fields[f], &e->task_new);
			if (info->fields[f].is_signed)
				fprintf(out, " %s=%lld", info->fields[f].name, (long long)n);
			else
				fprintf(out, " %s=%llu", info->fields[f].name,
					(unsigned long long)n);
		}
		fputc('\n', out);
	}
}

/* Random events of every kind: given as plain numbers, written by ctrace, read again. */
static void test_all_kinds(void **state)
{
	struct util_events ev = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	util_make_events(&ev, 3000, 17, 4711);
	put_lines(out, &ev);
	fclose(out);
	struct ct_source *s = read_text(text);
	char *written = write_text(s);
	struct ct_source *again = read_text(written);
	for (u32 i = 0; i < ev.list.cnt; i++) {
		util_assert_event(&ev.list.at[i], ct_source__next(again));
	}
	assert_null(ct_source__next(again));
	assert_false(ct_source__complete(again));
	assert_int_equal(ct_source__run(again)->start_ns, ev.list.at[0].hdr.ts);
	assert_int_equal(ct_source__run(again)->end_ns, ev.list.at[ev.list.cnt - 1].hdr.ts);
	ct_source__free(s);
	ct_source__free(again);
	free(text);
	free(written);
	ct_vec_free(&ev.list);
}

/* A whole trace from a file, as text, is the same trace. */
static void test_from_file(void **state)
{
	char *path = util_file(NULL, 0);
	int fd = open(path, O_RDWR);
	struct ct_run run = util_run(1000, 0);
	struct ct_names *names = util_names();
	struct util_events ev = { 0 };
	struct ct_writer *w;
	char *why;
	struct ct_source *s;
	util_make_events(&ev, 500, 2000, 77);
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	for (u32 i = 0; i < ev.list.cnt; i++)
		util_give(w, &ev.list.at[i]);
	run = util_run(1000, ev.list.at[499].hdr.ts);
	assert_int_equal(ct_writer__finish(w, &run, names), 0);
	ct_writer__free(w);
	close(fd);
	assert_int_equal(ct_source__open(&s, path, &why), 0);
	char *text = write_text(s);
	struct ct_source *t = read_text(text);
	util_assert_run(&run, ct_source__run(t));
	util_assert_names(names, ct_source__names(t));
	assert_true(ct_source__complete(t));
	for (u32 i = 0; i < ev.list.cnt; i++)
		util_assert_event(&ev.list.at[i], ct_source__next(t));
	ct_source__free(s);
	ct_source__free(t);
	free(text);
	ct_names__free(names);
	ct_vec_free(&ev.list);
	util_drop(path);
}

/* A recording that was cut stays one. */
static void test_incomplete(void **state)
{
	struct ct_source *s = read_text("run start=1 end=9 complete=0\n5 0 switch 1\n");
	assert_false(ct_source__complete(s));
	char *text = write_text(s);
	struct ct_source *t = read_text(text);
	assert_false(ct_source__complete(t));
	assert_int_equal(ct_source__run(t)->end_ns, 9);
	free(text);
	ct_source__free(s);
	ct_source__free(t);
}

static void assert_wrong(const char *line, const char *sentence)
{
	char *text = ct_asprintf("# one\nsyscall 1 write\n%s\n1 0 switch 0\n", line);
	char *path = util_file(text, strlen(text));
	struct ct_source *s;
	char *why = NULL;
	int err = ct_source__open(&s, path, &why);
	if (err != -EBADMSG || !strstr(why, ": line 3: ") || !strstr(why, sentence))
		fail_msg("'%s' gives %d, '%s'", line, err, why ? why : "");
	free(why);
	free(text);
	util_drop(path);
}

/* A file that is something else is not quoted. */
static void test_other_file(void **state)
{
	static const char text[] = "root:secret\n";
	char *path = util_file(text, strlen(text));
	struct ct_source *s;
	char *why = NULL;

	assert_int_equal(ct_source__open(&s, path, &why), -EPROTO);
	assert_non_null(strstr(why, "neither a recording of ctrace nor the text form"));
	assert_null(strstr(why, "secret"));
	free(why);
	util_drop(path);
}

static void test_wrong_lines(void **state)
{
	assert_wrong("hello", "'hello' begins no line");
	assert_wrong("\x1b[31m", "\\x1B[31m");
	assert_wrong("1", "the CPU is missing");
	assert_wrong("1 0", "the kind of event is missing");
	assert_wrong("1 0 switch", "the thread is missing");
	assert_wrong("1 0 dance 5", "'dance' is not a kind of event");
	assert_wrong("1 0 stack 5", "belongs in a ring");
	assert_wrong("1x 0 switch 5", "'1x' is not a number");
	assert_wrong("18446744073709551616 0 switch 5", "is not a number");
	assert_wrong("1 1024 switch 5", "at most 1023");
	assert_wrong("1 0 switch 4294967296", "at most 4294967295");
	assert_wrong("1 0 switch 5 prio=256", "prio=256: is too big, at most 255");
	assert_wrong("1 0 switch 5 prio=-1", "is not a number");
	assert_wrong("1 0 switch 5 owner=1", "switch has no field 'owner'");
	assert_wrong("1 0 switch 5 120", "FIELD=VALUE");
	assert_wrong("1 0 switch 5 next=1 next=1", "given twice");
	assert_wrong("1 0 switch 5 state=Q", "R S D T t X P I");
	assert_wrong("1 0 switch 5 state=9", "a state that does not exist");
	assert_wrong("1 0 switch 5 flags=timed|", "flags");
	assert_wrong("1 0 block 5 nr=futex", "no `syscall NR NAME` line above");
	assert_wrong("1 0 block 5 file=tape", "is not known");
	assert_wrong("1 0 futex 5 result=2147483648", "that fits");
	assert_wrong("1 0 futex 5 result=-2147483649", "that fits");
	assert_wrong("1 0 task_name 5 name=12345678901234567", "longer than 16");
	assert_wrong("1 0 task_name 5 name=\"abc", "not closed");
	assert_wrong("run argv=\"\\q\"", "a backslash is followed by");
	assert_wrong("run argv=\"\\x0\"", "a backslash is followed by");
	assert_wrong("run argv=\"\\x00\"", "NUL");
	assert_wrong("run speed=1", "a run has no such key");
	assert_wrong("run pid", "a run has no such key");
	assert_wrong("run ended=2", "at most 1");
	assert_wrong("frame 2", "the next one is 1");
	assert_wrong("frame 1 colour=red", "no such key");
	assert_wrong("stack 0", "ascend");
	assert_wrong("stack 1 1", "no line above declares this frame");
	assert_wrong("stack 99999999", "too big");
	assert_wrong("addr 1", "the address is missing");
	assert_wrong("addr 1 2 kind=moon", "is not known");
	assert_wrong("syscall 65535 none", "at most 65534");
	assert_wrong("end now", "one word too many");
}

/* Text that was changed at random: never a crash, and every refusal has its line. */
static void test_hostile(void **state)
{
	struct util_random r = { 31337 };
	char *path = util_file(NULL, 0);
	for (u32 i = 0; i < 5000; i++) {
		char text[sizeof(story)];
		struct ct_source *s;
		char *why = NULL;
		memcpy(text, story, sizeof(text));
		for (u32 k = 0; k < 1 + i % 4; k++)
			text[util_random(&r) % (sizeof(text) - 1)] =
				" \n=\"\\#|09xz_-\x80"[util_random(&r) % 14];
		util_set_file(path, text, sizeof(text) - 1);
		int err = ct_source__open(&s, path, &why);
		if (!err) {
			while (ct_source__next(s))
				;
			ct_source__free(s);
		} else {
			assert_non_null(why);
			assert_true(err == -EPROTO || strstr(why, ": line "));
		}
		free(why);
	}
	util_drop(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_written_twice),
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_from_file),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_wrong_lines),
		cmocka_unit_test(test_other_file),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
