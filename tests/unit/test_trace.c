/* SPDX-License-Identifier: BSD-2-Clause */
/* The trace file: what goes in comes out, and nothing that is done to the file goes unnoticed. */
#include "trace_util.h"

#include "trace/columns.h"
#include "trace/format.h"

#define START_NS 1000000000ull

/* Writes all events in the order given, a sync after every `batch`. */
static char *write_trace(const struct util_events *ev, u32 batch, bool finish)
{
	char *path = util_file(NULL, 0);
	int fd = open(path, O_RDWR);
	struct ct_run run = util_run(START_NS, 0);
	struct ct_names *names = util_names();
	struct ct_writer *w;
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	for (u32 i = 0; i < ev->list.cnt; i++) {
		if (i && i % batch == 0)
			assert_int_equal(ct_writer__sync(w, ev->list.at[i].hdr.ts), 0);
		util_give(w, &ev->list.at[i]);
	}
	run = util_run(START_NS, ev->list.at[ev->list.cnt - 1].hdr.ts + 1);
	if (finish)
		assert_int_equal(ct_writer__finish(w, &run, names), 0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, ct_writer__bytes(w));
	ct_writer__free(w);
	ct_names__free(names);
	close(fd);
	return path;
}

static struct ct_source *open_trace(const char *path)
{
	struct ct_source *s;
	char *why = NULL;
	int err = ct_source__open(&s, path, &why);
	if (err)
		fail_msg("%s", why);
	assert_null(why);
	return s;
}

static void assert_refused(const void *p, size_t size, int err, const char *sentence)
{
	char *path = util_file(p, size);
	struct ct_source *s;
	char *why = NULL;
	assert_int_equal(ct_source__open(&s, path, &why), err);
	assert_null(s);
	assert_non_null(strstr(why, sentence));
	free(why);
	util_drop(path);
}

static void round_trip(u32 cnt, u32 batch, u64 seed)
{
	struct util_events ev = { 0 };
	util_make_events(&ev, cnt, START_NS, seed);
	char *path = write_trace(&ev, batch, true);
	struct ct_source *s = open_trace(path);
	struct ct_run run = util_run(START_NS, ev.list.at[cnt - 1].hdr.ts + 1);
	struct ct_names *names = util_names();
	for (u32 pass = 0; pass < 2; pass++) {
		for (u32 i = 0; i < cnt; i++) {
			const struct ct_event *got = ct_source__next(s);
			util_assert_event(&ev.list.at[i], got);
			assert_int_equal(ev.list.at[i].seq, got->seq);
		}
		assert_null(ct_source__next(s));
		assert_int_equal(ct_source__rewind(s), 0);
	}
	assert_true(ct_source__complete(s));
	assert_null(ct_source__damage(s));
	util_assert_run(&run, ct_source__run(s));
	util_assert_names(names, ct_source__names(s));
	ct_names__free(names);
	ct_source__free(s);
	util_drop(path);
	ct_vec_free(&ev.list);
}

static void test_round_trip(void **state)
{
	round_trip(20000, 700, 88172645463325252ull);
	round_trip(60000, 100000, 12345);
	round_trip(1, 1, 99);
}

/* Equal times, and times at the edges of what a step can be. */
static void test_times(void **state)
{
	static const ct_ns times[] = { 0, 0, 1, 255, 256, 256, 1ull << 32, 1ull << 63,
		UINT64_MAX - 1, UINT64_MAX - 1 };
	struct util_events ev = { 0 };
	for (u32 i = 0; i < CT_COUNT(times); i++) {
		struct ct_event e = { .hdr = { 5, CT_SWITCH, 0, 3, times[i] }, .cpu = 0, .seq = i };
		e.switch_.next = i;
		*ct_vec_push(&ev.list) = e;
	}
	char *path = write_trace(&ev, 100, true);
	struct ct_source *s = open_trace(path);
	for (u32 i = 0; i < CT_COUNT(times); i++)
		util_assert_event(&ev.list.at[i], ct_source__next(s));
	assert_null(ct_source__next(s));
	ct_source__free(s);
	util_drop(path);
	ct_vec_free(&ev.list);
}

/* Nested interrupts shift events by some places, a late batch by thousands. */
static void test_order(void **state)
{
	struct util_events ev = { 0 };
	struct util_events mixed = { 0 };
	struct util_random r = { 7 };
	util_make_events(&ev, 8000, START_NS, 5);
	for (u32 i = 0; i < ev.list.cnt; i++)
		ev.list.at[i].hdr.ts = START_NS + i + 1; /* no ties: one right order */
	for (u32 i = 0; i < ev.list.cnt; i++)
		if (i % 50 || i > 4000)
			*ct_vec_push(&mixed.list) = ev.list.at[i];
	for (u32 i = 0; i < ev.list.cnt; i++)
		if (i % 50 == 0 && i <= 4000)
			*ct_vec_push(&mixed.list) = ev.list.at[i];
	for (u32 i = 0; i + 40 < mixed.list.cnt; i += 20) {
		u32 a = i + (u32)(util_random(&r) % 40);
		struct ct_event t = mixed.list.at[a];
		mixed.list.at[a] = mixed.list.at[i];
		mixed.list.at[i] = t;
	}
	char *path = write_trace(&mixed, 100000, true);
	struct ct_source *s = open_trace(path);
	u32 seq[UTIL_CPUS] = { 0 };
	for (u32 i = 0; i < ev.list.cnt; i++) {
		const struct ct_event *got = ct_source__next(s);
		util_assert_event(&ev.list.at[i], got);
		assert_int_equal(got->seq, seq[got->cpu]++);
	}
	assert_null(ct_source__next(s));
	assert_null(ct_source__damage(s));
	ct_source__free(s);
	util_drop(path);
	ct_vec_free(&ev.list);
	ct_vec_free(&mixed.list);
}

/* Cut at every byte: what is read is a beginning of what was written, whole up to its end. */
static void test_killed(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	u32 most = 0;
	util_make_events(&ev, 300, START_NS, 3);
	char *path = write_trace(&ev, 60, true);
	char *why;
	util_slurp(path, &bytes);
	for (size_t size = 0; size < bytes.len; size++) {
		struct ct_source *s;
		u32 cnt = 0;
		assert_int_equal(truncate(path, 0), 0);
		util_set_file(path, bytes.at, size);
		if (ct_source__open(&s, path, &why)) {
			assert_int_equal(most, 0);
			free(why);
			continue;
		}
		assert_false(ct_source__complete(s));
		ct_ns end = ct_source__run(s)->end_ns;
		for (const struct ct_event *got; (got = ct_source__next(s)); cnt++) {
			assert_true(got->hdr.ts < end);
			util_assert_event(&ev.list.at[cnt], got);
		}
		if (cnt < ev.list.cnt)
			assert_true(ev.list.at[cnt].hdr.ts >= end);
		assert_true(cnt >= most);
		most = cnt;
		ct_source__free(s);
	}
	assert_int_equal(most, ev.list.cnt);
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

static bool is_same_event(const struct ct_event *a, const struct ct_event *b)
{
	return !memcmp(&a->hdr, &b->hdr, sizeof(a->hdr)) && a->cpu == b->cpu &&
	       !memcmp(&a->task_new, &b->task_new, ct_kind_size(a->hdr.kind));
}

/* True when the file gives exactly these events.  Others than these must be losses, and count. */
static bool is_unharmed(struct ct_source *s, const struct util_events *ev, u64 *lost)
{
	u32 i = 0;
	bool same = ct_source__complete(s);
	*lost = 0;
	for (const struct ct_event *got; (got = ct_source__next(s));) {
		u32 k = i;
		while (k < ev->list.cnt && !is_same_event(&ev->list.at[k], got))
			k++;
		same &= k == i;
		if (k < ev->list.cnt) {
			i = k + 1;
			continue;
		}
		if (got->hdr.kind != CT_LOSS)
			fail_msg("an event that was never written");
		*lost += got->loss.count;
	}
	return same && i == ev->list.cnt;
}

static void flip_and_read(const char *path, const struct util_events *ev)
{
	struct ct_source *s;
	char *why = NULL;
	u64 lost;
	if (ct_source__open(&s, path, &why)) {
		assert_non_null(why);
		free(why);
		return;
	}
	struct ct_run run = util_run(START_NS, ev->list.at[ev->list.cnt - 1].hdr.ts + 1);
	struct ct_names *names = util_names();
	bool same = is_unharmed(s, ev, &lost);
	if (!ct_source__damage(s)) {
		assert_true(same);
		util_assert_run(&run, ct_source__run(s));
		util_assert_names(names, ct_source__names(s));
	}
	ct_names__free(names);
	ct_source__free(s);
}

/* One bit wrong, anywhere: an error, or damage that is told, or the same trace. */
static void test_flipped(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	util_make_events(&ev, 120, START_NS, 11);
	char *path = write_trace(&ev, 40, true);
	util_slurp(path, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		u8 was = bytes.at[i];
		bytes.at[i] ^= (u8)(1u << (i % 8));
		util_set_file(path, bytes.at, bytes.len);
		flip_and_read(path, &ev);
		bytes.at[i] = was;
	}
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

/* Where the chunks of the file begin. */
static u32 find_chunks(const struct ct_buf *bytes, size_t at[], u32 cap)
{
	u32 cnt = 0;
	struct ct_chunk c;
	for (size_t i = CT_FILE_HEADER_LEN; i < bytes->len && cnt < cap;) {
		assert_true(ct_chunk_unpack(bytes->at + i, &c));
		at[cnt++] = i;
		i += CT_CHUNK_HEADER_LEN + c.stored_size;
	}
	return cnt;
}

/* A chunk of events that is destroyed, header or payload, or cut out: the rest is read, and every
 * event is either read or counted as lost. */
static void test_lost_chunk(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	size_t at[64];
	struct ct_chunk c;
	u32 tried = 0;
	util_make_events(&ev, 2000, START_NS, 21);
	char *path = write_trace(&ev, 300, true);
	util_slurp(path, &bytes);
	u32 chunks = find_chunks(&bytes, at, CT_COUNT(at));
	for (u32 i = 0; i < chunks * 3; i++) {
		struct ct_buf broken = { 0 };
		size_t from = at[i / 3];
		assert_true(ct_chunk_unpack(bytes.at + from, &c));
		if (c.type != CT_CHUNK_EVENTS)
			continue;
		ct_buf_put(&broken, bytes.at, bytes.len);
		if (i % 3 == 0)
			broken.at[from + 2] ^= 1;
		else if (i % 3 == 1)
			broken.at[from + CT_CHUNK_HEADER_LEN + c.stored_size / 2] ^= 1;
		else
			memmove(broken.at + from, bytes.at + from + 64 + c.stored_size,
				bytes.len - from - 64 - c.stored_size),
				broken.len -= 64 + c.stored_size;
		util_set_file(path, broken.at, broken.len);
		struct ct_source *s = open_trace(path);
		u64 lost;
		u64 got = 0;
		assert_false(is_unharmed(s, &ev, &lost));
		u64 written_losses = 0;
		for (u32 k = 0; k < ev.list.cnt; k++)
			written_losses += ev.list.at[k].hdr.kind == CT_LOSS;
		ct_source__rewind(s);
		u64 losses = 0;
		for (const struct ct_event *e; (e = ct_source__next(s)); got++)
			losses += e->hdr.kind == CT_LOSS;
		assert_int_equal(lost, c.cnt);
		assert_int_equal(got - 1 + c.cnt, ev.list.cnt);
		assert_true(losses <= written_losses + 1);
		assert_true(ct_source__complete(s));
		assert_non_null(ct_source__damage(s));
		ct_source__free(s);
		ct_buf_free(&broken);
		tried++;
	}
	assert_true(tried > 10);
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

static void test_refused(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	struct ct_source *s;
	char *why = NULL;
	util_make_events(&ev, 10, START_NS, 1);
	char *path = write_trace(&ev, 100, true);
	util_slurp(path, &bytes);
	bytes.at[8] = 9;
	assert_refused(bytes.at, bytes.len, -EPROTONOSUPPORT,
		"made by a newer ctrace (format 9); this one reads up to 1");
	assert_refused(bytes.at, 20, -EPROTO, "too short");
	assert_refused("", 0, -ENODATA, "is empty");
	assert_refused("\x7f"
		       "ELF\2\1\1\0 and so on, for more than one header",
		40, -EPROTO, "is not a trace of ctrace");
	assert_int_equal(ct_source__open(&s, "/tmp", &why), -EISDIR);
	free(why);
	assert_int_equal(ct_source__open(&s, "/tmp/no/such/file", &why), -ENOENT);
	free(why);
	assert_int_equal(ct_source__open(&s, "/dev/null", &why), -EPROTO);
	free(why);
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

/* A full disk: the error comes once there is something to write, and stays. */
static void test_full_disk(void **state)
{
	struct util_events ev = { 0 };
	struct ct_run run = util_run(START_NS, 0);
	struct ct_writer *w;
	int full = open("/dev/full", O_WRONLY);
	int null = open("/dev/null", O_WRONLY);
	assert_true(full >= 0 && null >= 0);
	assert_int_equal(ct_writer__new(&w, full, &run), -ENOSPC);
	int fd = dup(null);
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	u64 before = ct_writer__bytes(w);
	assert_int_equal(dup2(full, fd), fd);
	util_make_events(&ev, 100, START_NS, 1);
	for (u32 i = 0; i < ev.list.cnt; i++)
		util_give(w, &ev.list.at[i]);
	assert_int_equal(ct_writer__sync(w, START_NS * 100), -ENOSPC);
	assert_int_equal(dup2(null, fd), fd);
	assert_int_equal(ct_writer__sync(w, START_NS * 200), -ENOSPC);
	assert_int_equal(ct_writer__records(w, 0, "", 0), -ENOSPC);
	assert_int_equal(ct_writer__finish(w, &run, NULL), -ENOSPC);
	assert_int_equal(ct_writer__bytes(w), before);
	ct_writer__free(w);
	close(fd);
	close(full);
	close(null);
	ct_vec_free(&ev.list);
}

/* Stacks are left out; what is no record is refused and harms nothing. */
static void test_records(void **state)
{
	char *path = util_file(NULL, 0);
	int fd = open(path, O_RDWR);
	struct ct_run run = util_run(START_NS, 0);
	struct util_random r = { 9 };
	struct ct_names *names = util_names();
	struct ct_writer *w;
	struct ct_event stack = util_event(&r, CT_STACK);
	struct ct_event sw = util_event(&r, CT_SWITCH);
	struct ct_buf b = { 0 };
	sw.cpu = 1;
	sw.hdr.ts = START_NS;
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	util_put_record(&b, &stack, 5);
	util_put_record(&b, &sw, 0);
	assert_int_equal(ct_writer__records(w, 1, b.at, b.len), 0);
	assert_int_equal(ct_writer__records(w, 1, b.at, b.len - 8), -EINVAL);
	assert_int_equal(ct_writer__records(w, CT_CPU_MAX, b.at, b.len), -EINVAL);
	b.at[4] = 31;
	assert_int_equal(ct_writer__records(w, 1, b.at, b.len), -EINVAL);
	run.end_ns = START_NS + 1;
	assert_int_equal(ct_writer__finish(w, &run, names), 0);
	ct_writer__free(w);
	close(fd);
	struct ct_source *s = open_trace(path);
	util_assert_event(&sw, ct_source__next(s));
	assert_null(ct_source__next(s));
	ct_source__free(s);
	ct_names__free(names);
	ct_buf_free(&b);
	util_drop(path);
}

/* Names that were written before the writer was killed are there. */
static void test_early_names(void **state)
{
	char *path = util_file(NULL, 0);
	int fd = open(path, O_RDWR);
	struct ct_run run = util_run(START_NS, 0);
	struct ct_names *names = util_names();
	struct ct_writer *w;
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	assert_int_equal(ct_writer__names(w, names), 0);
	ct_writer__free(w);
	close(fd);
	struct ct_source *s = open_trace(path);
	assert_false(ct_source__complete(s));
	util_assert_names(names, ct_source__names(s));
	assert_int_equal(ct_source__run(s)->end_ns, START_NS);
	ct_source__free(s);
	ct_names__free(names);
	util_drop(path);
}

/* Bytes changed and the sums made good again: nothing may crash, whatever is read. */
static void test_hostile(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	struct util_random r = { 4242 };
	size_t at[64];
	struct ct_chunk c;
	util_make_events(&ev, 400, START_NS, 31);
	char *path = write_trace(&ev, 100, true);
	util_slurp(path, &bytes);
	u32 chunks = find_chunks(&bytes, at, CT_COUNT(at));
	for (u32 i = 0; i < 4000; i++) {
		struct ct_buf broken = { 0 };
		size_t from = at[util_random(&r) % chunks];
		struct ct_source *s;
		char *why = NULL;
		ct_buf_put(&broken, bytes.at, bytes.len);
		assert_true(ct_chunk_unpack(bytes.at + from, &c));
		u8 *payload = broken.at + from + CT_CHUNK_HEADER_LEN;
		if (i % 4 == 0)
			broken.at[from + 4 + util_random(&r) % 56] = (u8)util_random(&r);
		else if (i % 4 == 1)
			c.cnt = c.stored_size ? 1 + (u32)util_random(&r) % c.stored_size : 0;
		else if (c.stored_size)
			payload[util_random(&r) % c.stored_size] = (u8)util_random(&r);
		if (i % 4) {
			c.crc = ct_crc(payload, c.stored_size);
			ct_chunk_pack(broken.at + from, &c);
		} else {
			ct_chunk_seal(broken.at + from);
		}
		util_set_file(path, broken.at, broken.len);
		if (!ct_source__open(&s, path, &why)) {
			ct_ns last = 0;
			for (const struct ct_event *got; (got = ct_source__next(s));) {
				assert_true(got->hdr.ts >= last);
				assert_non_null(ct_kind_name(got->hdr.kind));
				last = got->hdr.ts;
			}
			ct_source__free(s);
		}
		free(why);
		ct_buf_free(&broken);
	}
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

/* A mark in the middle of what is in the file: what lies behind it is not whole and is left out. */
static void test_behind_mark(void **state)
{
	struct util_events ev = { 0 };
	struct ct_run run = util_run(START_NS, 0);
	struct ct_writer *w;
	char *path = util_file(NULL, 0);
	int fd = open(path, O_RDWR);
	u32 cnt = 0;
	util_make_events(&ev, 2000, START_NS, 8);
	ct_ns until = ev.list.at[1000].hdr.ts;
	assert_true(until > START_NS + 1000000000);
	assert_int_equal(ct_writer__new(&w, fd, &run), 0);
	for (u32 i = 0; i < ev.list.cnt; i++)
		util_give(w, &ev.list.at[i]);
	assert_int_equal(ct_writer__sync(w, until), 0);
	ct_writer__free(w);
	close(fd);
	struct ct_source *s = open_trace(path);
	for (; ev.list.at[cnt].hdr.ts < until; cnt++)
		util_assert_event(&ev.list.at[cnt], ct_source__next(s));
	assert_null(ct_source__next(s));
	assert_null(ct_source__next(s));
	assert_int_equal(ct_source__run(s)->end_ns, until);
	assert_false(ct_source__complete(s));
	ct_source__free(s);
	util_drop(path);
	ct_vec_free(&ev.list);
}

/* A gap lies between its neighbours in time, not somewhere before the next mark. */
static void test_gap_span(void **state)
{
	struct util_events ev = { 0 };
	struct ct_buf bytes = { 0 };
	struct ct_chunk c[4];
	size_t at[16];
	for (u32 i = 0; i < 3 * CT_CHUNK_EVENTS_MAX; i++) {
		struct ct_event e = { .hdr = { 5, CT_SWITCH, 0, 3, START_NS + i * 10 } };
		e.switch_.next = i % 7;
		*ct_vec_push(&ev.list) = e;
	}
	char *path = write_trace(&ev, CT_NONE, true);
	util_slurp(path, &bytes);
	assert_true(find_chunks(&bytes, at, CT_COUNT(at)) > 4);
	for (u32 i = 0; i < 4; i++)
		assert_true(ct_chunk_unpack(bytes.at + at[i], &c[i]));
	bytes.at[at[2] + 9] ^= 1;
	util_set_file(path, bytes.at, bytes.len);
	struct ct_source *s = open_trace(path);
	u32 losses = 0;
	for (const struct ct_event *got; (got = ct_source__next(s));) {
		if (got->hdr.kind != CT_LOSS)
			continue;
		losses++;
		assert_int_equal(got->loss.since, c[1].max_ts);
		assert_int_equal(got->hdr.ts, c[3].min_ts);
		assert_int_equal(got->loss.count, CT_CHUNK_EVENTS_MAX);
		assert_int_equal(got->loss.kind, 0);
	}
	assert_int_equal(losses, 1);
	assert_non_null(strstr(ct_source__damage(s), "1 of its chunks are missing"));
	ct_source__free(s);
	util_drop(path);
	ct_buf_free(&bytes);
	ct_vec_free(&ev.list);
}

static void assert_names_sound(const struct ct_names *n)
{
	u32 strings = ct_strtab__count(n->strings);
	for (u32 i = 0; i < n->frames.cnt; i++) {
		assert_true(n->frames.at[i].function < strings);
		assert_true(n->frames.at[i].file < strings);
		assert_true(n->frames.at[i].module < strings);
	}
	for (u32 i = 0; i < n->stack_frames.cnt; i++)
		assert_true(n->stack_frames.at[i] < n->frames.cnt);
	for (u32 i = 0; i < n->addrs.cnt; i++) {
		assert_true(n->addrs.at[i].symbol < strings);
		assert_true(n->addrs.at[i].module < strings);
		assert_true(n->addrs.at[i].kind <= CT_ADDR_SHARED);
	}
}

/* The packed bytes themselves, behind sums and zlib: names that are taken are sound. */
static void test_hostile_names(void **state)
{
	struct ct_names *names = util_names();
	struct ct_buf raw = { 0 };
	struct util_random r = { 99 };
	u32 taken = 0;
	ct_names__pack(names, &raw);
	for (u32 i = 0; i < 20000; i++) {
		struct ct_names *n = ct_names__new();
		u8 *bytes = ct_alloc(raw.len); /* exactly: reading past it is caught */
		memcpy(bytes, raw.at, raw.len);
		bytes[util_random(&r) % raw.len] = (u8)(util_random(&r) >> 20);
		size_t size = i % 3 ? raw.len : util_random(&r) % raw.len;
		if (!ct_names__unpack(n, bytes, size)) {
			assert_names_sound(n);
			taken++;
		}
		free(bytes);
		ct_names__free(n);
	}
	assert_true(taken > 100 && taken < 19900);
	ct_names__free(names);
	ct_buf_free(&raw);
}

static u32 decode_all(const struct ct_buf *plain, const struct ct_buf *packed, u32 cnt)
{
	struct ct_event ev = { 0 };
	u32 got = 0;
	struct ct_decoder *d = ct_decoder__new(plain->at, cnt, packed->at, packed->len, START_NS);
	while (d && ct_decoder__next(d, &ev) > 0) {
		got++;
		assert_null(ev.hdr.kind ? ct_event_problem(&ev) : NULL);
	}
	ct_decoder__free(d);
	return got;
}

static void test_hostile_columns(void **state)
{
	struct util_events ev = { 0 };
	struct ct_encoder *e = ct_encoder__new();
	struct ct_buf plain = { 0 };
	struct ct_buf packed = { 0 };
	struct util_random r = { 5 };
	u32 spoilt = 0;
	util_make_events(&ev, 200, START_NS, 6);
	for (u32 i = 0; i < ev.list.cnt; i++)
		ct_encoder__add(e, &ev.list.at[i].hdr, &ev.list.at[i].task_new);
	ct_encoder__take(e, &plain, &packed);
	assert_int_equal(decode_all(&plain, &packed, ev.list.cnt), ev.list.cnt);
	for (u32 i = 0; i < 20000; i++) {
		struct ct_buf broken = { 0 };
		ct_buf_put(&broken, packed.at, packed.len);
		broken.at[util_random(&r) % packed.len] = (u8)(util_random(&r) >> 20);
		spoilt += decode_all(&plain, &broken, ev.list.cnt) < ev.list.cnt;
		ct_buf_free(&broken);
	}
	assert_true(spoilt > 100);
	ct_encoder__free(e);
	ct_buf_free(&plain);
	ct_buf_free(&packed);
	ct_vec_free(&ev.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_lost_chunk),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_early_names),
		cmocka_unit_test(test_behind_mark),
		cmocka_unit_test(test_gap_span),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hostile_columns),
	};
	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
