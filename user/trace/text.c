/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text form of a trace, both ways: for tests, which are written in it, and for `ctrace export
 * -f text`.  Writing and reading again gives an equal trace.
 *
 * A text trace is lines; '#' outside quotes starts a comment; blank lines are ignored.  What is
 * written begins with `# ctrace text trace 1`.  Words are separated by blanks:
 *
 *     event    TIME CPU KIND TID [FIELD=VALUE]...
 *     run      run KEY=VALUE...          (again: more keys of the same run)
 *     syscall  syscall NR NAME
 *     frame    frame ID [function=STR] [file=STR] [line=N] [module=STR] [offset=N] [inlined=0|1]
 *     stack    stack ID [FRAMEID...]     (innermost first)
 *     loop     loop STACKID work|looks [frame=N]   (the code around the innermost instruction:
 *                   whose loop it is, 0 the innermost frame's)
 *     addr     addr TGID ADDR [kind=global|heap|stack|shared|unknown] [symbol=STR] [offset=N]
 *                   [thread=TID] [module=STR]
 *     end      end                       (the recording was finished)
 *
 *     TIME     ns
 *     N        decimal or 0x hexadecimal, '_' between digits is ignored; '-' where signed
 *     STR      a word, or "..." with \" \\ \n \t \r \xHH
 *     KIND     as in ctrace_events.def, small letters; FIELD as there, and its range is checked.
 *              Fields left out are 0, `nr` is "not in a syscall".  In place of a number:
 *                state=   R S D T t X P I
 *                nr=      a name that a syscall line above declares
 *                file=    none fifo chr dir blk reg anon lnk sock
 *                flags=   words joined by '|': task_new found root; switch, block, found preempted
 *                         timed iowait no-stack; waking hardirq softirq nmi queued new foreign
 *                how=     (access) words joined by '|': read write atomic const before late
 *                         blind
 *                on=      (watch) on off pause
 *                type=    (watch_type) signed unsigned float
 *                kind=    (loss) the name of an event
 *                name=    (task_name) STR of at most 16 bytes
 *     KEY      argv=STR (once per argument) pid= attached= ended= wait_status= start= end=
 *              start_real= boot_offset= cost_probes= cost_collector= dropped= cpus=
 *              cpus_machine= sample_hz= futex=calls|switch stacks= arch= kernel= libc= version=
 *              host= complete= pids=12,34 label=STR (once per label) redacted=
 *
 * Frame ids count up from 1 and are declared before they are used; stack ids ascend, gaps are
 * unknown stacks.  Lines may be in any order of time: events are sorted by (time, CPU, place in the
 * file).  Not given: start is the first event's time, end the last one's, cpus one more than the
 * highest CPU, cpus_machine the same as cpus; futex=calls, stacks=1.  A trace is complete with an
 * `end` line or with end=, unless complete=0 says otherwise.
 *
 * Example, a thread that waits 2 us for a futex:
 *
 *     run argv=./demo pid=100 start=0 end=10_000
 *     syscall 202 futex
 *     1_000 0 block 101 next=0 state=S nr=futex arg0=0x5000 owner=100
 *     3_000 1 waking 101 waker=100 nr=futex
 *     3_400 0 switch 0 next=101
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "trace_int.h"

#define FIRST_LINE "# ctrace text trace 1\n"
#define STACKS_MAX (1u << 22) /* ids beyond are a mistake, and would cost memory */
#define ECHO_LEN 48	      /* of a word that a message repeats */

/* ---- names of values ------------------------------------------------------------------------- */

struct word {
	const char *name;
	u32 value;
};

static const char state_letters[CT_STATE_END + 1] = "RSDTtXPI";

static const struct word file_words[] = {
	{ "none", CT_FILE_NONE },
	{ "fifo", CT_FILE_FIFO },
	{ "chr", CT_FILE_CHR },
	{ "dir", CT_FILE_DIR },
	{ "blk", CT_FILE_BLK },
	{ "reg", CT_FILE_REG },
	{ "anon", CT_FILE_ANON },
	{ "lnk", CT_FILE_LNK },
	{ "sock", CT_FILE_SOCK },
	{ NULL, 0 },
};

static const struct word task_flags[] = {
	{ "found", CT_TASK_FOUND },
	{ "root", CT_TASK_ROOT },
	{ NULL, 0 },
};

static const struct word switch_flags[] = {
	{ "preempted", CT_SWITCH_PREEMPTED },
	{ "timed", CT_SWITCH_TIMED },
	{ "iowait", CT_SWITCH_IOWAIT },
	{ "no-stack", CT_SWITCH_NO_STACK },
	{ NULL, 0 },
};

static const struct word wake_flags[] = {
	{ "hardirq", CT_WAKE_HARDIRQ },
	{ "softirq", CT_WAKE_SOFTIRQ },
	{ "nmi", CT_WAKE_NMI },
	{ "queued", CT_WAKE_QUEUED },
	{ "new", CT_WAKE_NEW },
	{ "foreign", CT_WAKE_FOREIGN },
	{ NULL, 0 },
};

static const struct word access_words[] = {
	{ "read", CT_ACCESS_READ },
	{ "write", CT_ACCESS_WRITE },
	{ "atomic", CT_ACCESS_ATOMIC },
	{ "const", CT_ACCESS_CONST },
	{ "before", CT_ACCESS_BEFORE },
	{ "late", CT_ACCESS_LATE },
	{ "blind", CT_ACCESS_BLIND },
	{ "found", CT_ACCESS_FOUND },
	{ NULL, 0 },
};

static const struct word type_words[] = {
	{ "signed", CT_WATCH_SIGNED }, { "unsigned", CT_WATCH_UNSIGNED },
	{ "float", CT_WATCH_FLOAT }, { NULL, 0 },
};
static const struct word watch_words[] = {
	{ "off", CT_WATCH_OFF },
	{ "on", CT_WATCH_ON },
	{ "pause", CT_WATCH_PAUSE },
	{ NULL, 0 },
};

static const struct word loop_kinds[] = {
	{ "unknown", CT_LOOP_UNKNOWN },
	{ "work", CT_LOOP_WORK },
	{ "looks", CT_LOOP_LOOKS },
	{ NULL, 0 },
};

static const struct word addr_kinds[] = {
	{ "unknown", CT_ADDR_UNKNOWN },
	{ "global", CT_ADDR_GLOBAL },
	{ "heap", CT_ADDR_HEAP },
	{ "stack", CT_ADDR_STACK },
	{ "shared", CT_ADDR_SHARED },
	{ NULL, 0 },
};

static const struct word *flag_words(u32 kind)
{
	switch (kind) {
	case CT_TASK_NEW:
		return task_flags;
	case CT_SWITCH:
	case CT_BLOCK:
	case CT_STATE:
		return switch_flags;
	case CT_WAKING:
		return wake_flags;
	default:
		return NULL;
	}
}

static const struct word *find_word(const struct word *words, const char *name)
{
	for (; words && words->name; words++)
		if (!strcmp(words->name, name))
			return words;
	return NULL;
}

static const char *name_of_word(const struct word *words, u32 value)
{
	for (; words->name; words++)
		if (words->value == value)
			return words->name;
	return NULL;
}

/* ---- reading: lines and words ---------------------------------------------------------------- */

struct text_reader {
	struct ct_loaded *out;
	const char *at, *end; /* what is left of the file */
	u32 line;
	char *why;
	struct ct_buf key, value; /* the word last read, each NUL-terminated */
	bool quoted;		  /* its value was "..." */
	CT_VEC(u32) seqs;	  /* events so far, by CPU */
	CT_VEC(u32) frames;	  /* of the stack line being read */
	u32 known;		  /* lines so far that were of a kind a text trace has */
	u32 cpus;		  /* highest CPU + 1 */
	bool has_start, has_end, has_cpus, has_machine, says_complete, is_complete, saw_end;
};

static int CT_PRINTF(2, 3) fail_line(struct text_reader *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(r->why);
	r->why = ct_asprintf("line %u: %s", r->line, text);
	return -EBADMSG;
}

static const char *key_of(const struct text_reader *r)
{
	return (const char *)r->key.at;
}

static const char *value_of(const struct text_reader *r)
{
	return (const char *)r->value.at;
}

/* value.len counts the NUL. */
static size_t value_len(const struct text_reader *r)
{
	return r->value.len - 1;
}

static int fail_value(struct text_reader *r, const char *what)
{
	char key[ECHO_LEN];
	char value[ECHO_LEN];
	ct_fmt_safe(key, sizeof(key), key_of(r));
	ct_fmt_safe(value, sizeof(value), value_of(r));
	if (!*key)
		return fail_line(r, "'%s' %s", value, what);
	return fail_line(r, "%s=%s: %s", key, value, what);
}

static void put_char(struct ct_buf *b, char c)
{
	ct_buf_put(b, &c, 1);
}

static bool at_line_end(const struct text_reader *r)
{
	return r->at == r->end || *r->at == '\n' || *r->at == '#';
}

static void skip_blanks(struct text_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* at stands behind the backslash. */
static int read_escape(struct text_reader *r)
{
	static const char from[] = "\"\\ntr";
	static const char to[] = "\"\\\n\t\r";
	char c = r->at < r->end ? *r->at++ : '\n';
	const char *known = c ? strchr(from, c) : NULL;
	if (known) {
		put_char(&r->value, to[known - from]);
		return 0;
	}
	if (c != 'x' || r->end - r->at < 2 || hex_digit(r->at[0]) < 0 || hex_digit(r->at[1]) < 0)
		return fail_line(r, "a backslash is followed by one of \" \\ n t r xHH");
	put_char(&r->value, (char)(hex_digit(r->at[0]) << 4 | hex_digit(r->at[1])));
	r->at += 2;
	return 0;
}

/* at stands behind the opening quote. */
static int read_quoted(struct text_reader *r)
{
	r->quoted = true;
	while (r->at < r->end && *r->at != '\n') {
		char c = *r->at++;
		if (c == '"')
			return 0;
		if (c != '\\') {
			put_char(&r->value, c);
			continue;
		}
		int err = read_escape(r);
		if (err)
			return err;
	}
	return fail_line(r, "a quote is not closed");
}

/* The next word of the line: `value`, or `key=value`.  1, 0 at the end of the line, or an error. */
static int next_word(struct text_reader *r)
{
	r->key.len = r->value.len = 0;
	r->quoted = false;
	bool has_key = false;
	int err = 0;
	skip_blanks(r);
	if (at_line_end(r))
		return 0;
	while (!err && !at_line_end(r) && *r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
		char c = *r->at++;
		if (c == '"') {
			err = read_quoted(r);
		} else if (c == '=' && !has_key && !r->quoted) {
			has_key = true;
			ct_buf_put(&r->key, r->value.at, r->value.len);
			r->value.len = 0;
		} else {
			put_char(&r->value, c);
		}
	}
	put_char(&r->key, '\0');
	put_char(&r->value, '\0');
	return err ? err : 1;
}

/* A word without '='.  0, or an error that says what should have stood here. */
static int need_word(struct text_reader *r, const char *what)
{
	int got = next_word(r);
	if (got < 0)
		return got;
	if (!got)
		return fail_line(r, "%s is missing", what);
	if (r->key.len > 1)
		return fail_value(r, "found where a plain word belongs");
	return 0;
}

/* ---- reading: values ------------------------------------------------------------------------- */

static bool parse_digits(const char *s, u64 *n)
{
	u32 base = 10;
	bool any = false;
	*n = 0;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		base = 16, s += 2;
	for (; *s; s++) {
		if (*s == '_' && any)
			continue;
		int digit = hex_digit(*s);
		if (digit < 0 || digit >= (int)base || __builtin_mul_overflow(*n, base, n) ||
			__builtin_add_overflow(*n, (u32)digit, n))
			return false;
		any = true;
	}
	return any;
}

static int parse_number(struct text_reader *r, u64 max, u64 *n)
{
	char text[64];
	if (!parse_digits(value_of(r), n) || strlen(value_of(r)) != value_len(r))
		return fail_value(r, "is not a number");
	if (*n <= max)
		return 0;
	snprintf(text, sizeof(text), "is too big, at most %" PRIu64, max);
	return fail_value(r, text);
}

static int parse_u32(struct text_reader *r, u32 *n)
{
	u64 wide;
	int err = parse_number(r, UINT32_MAX, &wide);
	if (!err)
		*n = (u32)wide;
	return err;
}

static int parse_bool(struct text_reader *r, bool *b)
{
	u64 n;
	int err = parse_number(r, 1, &n);
	if (!err)
		*b = n;
	return err;
}

static int need_number(struct text_reader *r, const char *what, u64 max, u64 *n)
{
	int err = need_word(r, what);
	return err ? err : parse_number(r, max, n);
}

/* A string's id; the strings of a trace hold no NUL. */
static int parse_string(struct text_reader *r, u32 *id)
{
	if (strlen(value_of(r)) != value_len(r))
		return fail_value(r, "holds a NUL byte");
	*id = ct_strtab__add(r->out->names->strings, value_of(r));
	return 0;
}

static int parse_text(struct text_reader *r, char **text)
{
	if (strlen(value_of(r)) != value_len(r))
		return fail_value(r, "holds a NUL byte");
	free(*text);
	*text = ct_strdup(value_of(r));
	return 0;
}

static int parse_named(struct text_reader *r, const struct word *words, u64 max, u64 *n)
{
	const struct word *w = find_word(words, value_of(r));
	if (!w && !isdigit((u8)value_of(r)[0]))
		return fail_value(r, "is not known");
	if (!w)
		return parse_number(r, max, n);
	*n = w->value;
	return 0;
}

static int parse_flags(struct text_reader *r, const struct word *words, u64 max, u64 *n)
{
	char *text = ct_strdup(value_of(r));
	char *rest = text;
	int err = 0;
	*n = 0;
	for (char *part; !err && (part = strsep(&rest, "|"));) {
		const struct word *w = find_word(words, part);
		u64 bits = 0;
		if (w)
			bits = w->value;
		else if (!parse_digits(part, &bits) || bits > max)
			err = fail_value(r, "is not a number nor flags joined by '|'");
		*n |= bits;
	}
	free(text);
	return err;
}

static int parse_state(struct text_reader *r, u64 max, u64 *n)
{
	const char *text = value_of(r);
	if (isdigit((u8)text[0]))
		return parse_number(r, max, n);
	const char *letter = *text && !text[1] ? strchr(state_letters, *text) : NULL;
	if (*text == 'Z' && !text[1])
		letter = strchr(state_letters, 'X');
	if (!letter)
		return fail_value(r, "is not one of R S D T t X P I");
	*n = (u64)(letter - state_letters);
	return 0;
}

static int parse_syscall(struct text_reader *r, u64 max, u64 *n)
{
	if (isdigit((u8)value_of(r)[0]))
		return parse_number(r, max, n);
	const struct ct_names *names = r->out->names;
	for (u32 i = 0; i < names->syscalls.cnt; i++)
		if (!strcmp(names->syscalls.at[i].name, value_of(r))) {
			*n = names->syscalls.at[i].nr;
			return 0;
		}
	return fail_value(r, "no `syscall NR NAME` line above declares this name");
}

static int parse_event_kind(struct text_reader *r, u64 *n)
{
	for (u32 kind = 0; kind < CT_KIND_END; kind++)
		if (ct_kind_name(kind) && !strcmp(ct_kind_name(kind), value_of(r))) {
			*n = kind;
			return 0;
		}
	return -ENOENT;
}

static int parse_signed(struct text_reader *r, u32 bits, u64 *n)
{
	const char *text = value_of(r);
	bool minus = *text == '-';
	u64 limit = (1ull << (bits - 1)) - !minus;
	if (!parse_digits(text + minus, n) || *n > limit)
		return fail_value(r, "is not a number that fits");
	if (minus)
		*n = -*n;
	return 0;
}

static u64 max_of_field(const struct ct_field *f)
{
	return f->size == 8 ? UINT64_MAX : (1ull << (f->size * 8)) - 1;
}

static int parse_field_value(struct text_reader *r, u32 kind, const struct ct_field *f, u64 *n)
{
	u64 max = max_of_field(f);
	if (f->is_signed)
		return parse_signed(r, f->size * 8u, n);
	if (f->is_nr)
		return parse_syscall(r, max, n);
	if (!strcmp(f->name, "state"))
		return parse_state(r, max, n);
	if (!strcmp(f->name, "file"))
		return parse_named(r, file_words, max, n);
	if (!strcmp(f->name, "flags"))
		return parse_flags(r, flag_words(kind), max, n);
	if (kind == CT_ACCESS && !strcmp(f->name, "how"))
		return parse_flags(r, access_words, max, n);
	if (kind == CT_WATCH && !strcmp(f->name, "on"))
		return parse_named(r, watch_words, max, n);
	if (kind == CT_WATCH_TYPE && !strcmp(f->name, "type"))
		return parse_named(r, type_words, max, n);
	if (kind == CT_LOSS && !strcmp(f->name, "kind") && !parse_event_kind(r, n))
		return 0;
	return parse_number(r, max, n);
}

/* ---- reading: events ------------------------------------------------------------------------- */

static int read_task_name(struct text_reader *r, struct ct_event *ev)
{
	if (value_len(r) > CT_NAME_LEN)
		return fail_value(r, "is longer than 16 bytes");
	memset(&ev->task_name, 0, sizeof(ev->task_name));
	memcpy(&ev->task_name, value_of(r), value_len(r));
	return 0;
}

static int read_field(struct text_reader *r, struct ct_event *ev, u32 *seen)
{
	const struct ct_kind_info *info = ct_kind_info(ev->hdr.kind);
	if (ev->hdr.kind == CT_TASK_NAME && !strcmp(key_of(r), "name"))
		return read_task_name(r, ev);
	for (u32 i = 0; i < info->field_cnt; i++) {
		const struct ct_field *f = &info->fields[i];
		u64 n;
		if (strcmp(f->name, key_of(r)))
			continue;
		if (*seen >> i & 1)
			return fail_value(r, "is given twice");
		*seen |= 1u << i;
		int err = parse_field_value(r, ev->hdr.kind, f, &n);
		if (!err)
			ct_field_set(f, ct_event_body(ev), n);
		return err;
	}
	char key[ECHO_LEN];
	if (r->key.len <= 1)
		return fail_value(r, "stands where FIELD=VALUE belongs");
	return fail_line(
		r, "%s has no field '%s'", info->name, ct_fmt_safe(key, sizeof(key), key_of(r)));
}

static void set_absent_numbers(struct ct_event *ev)
{
	const struct ct_kind_info *info = ct_kind_info(ev->hdr.kind);
	for (u32 i = 0; i < info->field_cnt; i++)
		if (info->fields[i].is_nr)
			ct_field_set(&info->fields[i], ct_event_body(ev), CT_NR_NONE);
}

static u32 next_seq(struct text_reader *r, u32 cpu)
{
	while (r->seqs.cnt <= cpu)
		*ct_vec_push(&r->seqs) = 0;
	if (cpu >= r->cpus)
		r->cpus = cpu + 1;
	return r->seqs.at[cpu]++;
}

/* The time has been read as the line's first word. */
static int read_event(struct text_reader *r)
{
	struct ct_event ev = { 0 };
	u64 cpu = 0;
	u64 kind = 0;
	u64 tid = 0;
	u32 seen = 0;
	int err = parse_number(r, UINT64_MAX, &ev.hdr.ts);
	if (!err)
		err = need_number(r, "the CPU", CT_CPU_MAX - 1, &cpu);
	if (!err)
		err = need_word(r, "the kind of event");
	if (!err && parse_event_kind(r, &kind))
		err = fail_value(r, "is not a kind of event");
	if (!err)
		err = need_number(r, "the thread", UINT32_MAX, &tid);
	if (err)
		return err;
	ev.cpu = (u32)cpu;
	ev.seq = next_seq(r, ev.cpu);
	ev.hdr.tid = (u32)tid;
	ev.hdr.kind = (u8)kind;
	ev.hdr.words = (u16)((sizeof(ev.hdr) + ct_kind_size(ev.hdr.kind)) / 8);
	set_absent_numbers(&ev);
	int got;
	while ((got = next_word(r)) > 0) {
		err = read_field(r, &ev, &seen);
		if (err)
			return err;
	}
	const char *problem = ct_event_problem(&ev);
	if (!got && problem)
		return fail_line(r, "%s %s", ct_kind_name(ev.hdr.kind), problem);
	if (!got)
		*ct_vec_push(&r->out->events) = ev;
	return got;
}

/* ---- reading: the run and the names ---------------------------------------------------------- */

static int read_futex_depth(struct text_reader *r, struct ct_run *run)
{
	static const struct word depths[] = { { "switch", 0 }, { "calls", 1 }, { NULL, 0 } };
	const struct word *w = find_word(depths, value_of(r));
	if (!w)
		return fail_value(r, "is not calls nor switch");
	run->futex_calls = w->value;
	return 0;
}

static int read_arg(struct text_reader *r, struct ct_run *run)
{
	char *arg = NULL;
	int err = parse_text(r, &arg);
	if (!err)
		ct_run__add_arg(run, arg);
	return err;
}

/* Keys of the run by the type of what they set; -ENOENT when it is none of these. */
static int read_run_number(struct text_reader *r, struct ct_run *run)
{
	const struct {
		const char *key;
		u32 *n;
	} numbers[] = {
		{ "pid", &run->pid },
		{ "cpus", &run->cpus },
		{ "cpus_machine", &run->cpus_machine },
		{ "sample_hz", &run->sample_hz },
	};
	const struct {
		const char *key;
		u64 *n;
	} times[] = {
		{ "start", &run->start_ns },
		{ "end", &run->end_ns },
		{ "start_real", &run->start_real_ns },
		{ "boot_offset", &run->boot_offset_ns },
		{ "cost_probes", &run->cost_probes_ns },
		{ "cost_collector", &run->cost_collector_ns },
		{ "dropped", &run->dropped_ns },
	};
	for (u32 i = 0; i < CT_COUNT(numbers); i++)
		if (!strcmp(numbers[i].key, key_of(r)))
			return parse_u32(r, numbers[i].n);
	for (u32 i = 0; i < CT_COUNT(times); i++)
		if (!strcmp(times[i].key, key_of(r)))
			return parse_number(r, UINT64_MAX, times[i].n);
	return -ENOENT;
}

static int read_run_text(struct text_reader *r, struct ct_run *run)
{
	const struct {
		const char *key;
		char **text;
	} texts[] = {
		{ "arch", &run->arch },
		{ "kernel", &run->kernel },
		{ "libc", &run->libc },
		{ "version", &run->version },
		{ "host", &run->host },
		{ "pids", &run->pids },
	};
	const struct {
		const char *key;
		bool *b;
	} bools[] = {
		{ "attached", &run->attached },
		{ "ended", &run->ended },
		{ "stacks", &run->stacks },
		{ "redacted", &run->redacted },
		{ "complete", &r->is_complete },
	};
	for (u32 i = 0; i < CT_COUNT(texts); i++)
		if (!strcmp(texts[i].key, key_of(r)))
			return parse_text(r, texts[i].text);
	for (u32 i = 0; i < CT_COUNT(bools); i++)
		if (!strcmp(bools[i].key, key_of(r)))
			return parse_bool(r, bools[i].b);
	return -ENOENT;
}

static int read_label(struct text_reader *r, struct ct_run *run)
{
	char *label = NULL;
	int err = parse_text(r, &label);
	if (!err)
		ct_run__add_label(run, label);
	free(label);
	return err;
}

static int read_run_key(struct text_reader *r)
{
	struct ct_run *run = &r->out->run;
	if (!strcmp(key_of(r), "argv"))
		return read_arg(r, run);
	if (!strcmp(key_of(r), "label"))
		return read_label(r, run);
	if (!strcmp(key_of(r), "futex"))
		return read_futex_depth(r, run);
	if (!strcmp(key_of(r), "wait_status")) {
		u64 n;
		int err = parse_signed(r, 32, &n);
		if (!err)
			run->wait_status = (int)(i64)n;
		return err;
	}
	int err = read_run_number(r, run);
	if (err == -ENOENT)
		err = read_run_text(r, run);
	if (err == -ENOENT)
		return fail_value(r, "a run has no such key");
	r->has_start |= !strcmp(key_of(r), "start");
	r->has_end |= !strcmp(key_of(r), "end");
	r->has_cpus |= !strcmp(key_of(r), "cpus");
	r->has_machine |= !strcmp(key_of(r), "cpus_machine");
	r->says_complete |= !strcmp(key_of(r), "complete");
	return err;
}

static int read_run(struct text_reader *r)
{
	int got;
	while ((got = next_word(r)) > 0) {
		int err = read_run_key(r);
		if (err)
			return err;
	}
	return got;
}

static int read_syscall(struct text_reader *r)
{
	u64 nr;
	int err = need_number(r, "the syscall's number", CT_NR_NONE - 1, &nr);
	if (!err)
		err = need_word(r, "the syscall's name");
	if (err)
		return err;
	if (ct_names__syscall(r->out->names, (u32)nr))
		return fail_line(r, "syscall %u is declared twice", (u32)nr);
	char *name = NULL;
	err = parse_text(r, &name);
	if (!err)
		*ct_vec_push(&r->out->names->syscalls) = (struct ct_syscall_name){ (u32)nr, name };
	return err;
}

static int read_frame_key(struct text_reader *r, struct ct_frame *f)
{
	bool inlined;
	if (!strcmp(key_of(r), "function"))
		return parse_string(r, &f->function);
	if (!strcmp(key_of(r), "file"))
		return parse_string(r, &f->file);
	if (!strcmp(key_of(r), "line"))
		return parse_u32(r, &f->line);
	if (!strcmp(key_of(r), "module"))
		return parse_string(r, &f->module);
	if (!strcmp(key_of(r), "offset"))
		return parse_number(r, UINT64_MAX, &f->offset);
	if (strcmp(key_of(r), "inlined"))
		return fail_value(r, "a frame has no such key");
	int err = parse_bool(r, &inlined);
	if (!err)
		f->inlined = inlined;
	return err;
}

static int read_frame(struct text_reader *r)
{
	struct ct_names *names = r->out->names;
	struct ct_frame frame = { 0 };
	u64 id;
	int err = need_number(r, "the frame's id", UINT32_MAX, &id);
	if (err)
		return err;
	if (id != names->frames.cnt)
		return fail_line(
			r, "frame ids count up from 1; the next one is %u", names->frames.cnt);
	int got;
	while ((got = next_word(r)) > 0) {
		err = read_frame_key(r, &frame);
		if (err)
			return err;
	}
	if (!got)
		*ct_vec_push(&names->frames) = frame;
	return got;
}

static int read_stack(struct text_reader *r)
{
	struct ct_names *names = r->out->names;
	u64 id;
	u64 frame;
	int got;
	int err = need_number(r, "the stack's id", STACKS_MAX, &id);
	if (err)
		return err;
	if (!id || (names->stack_start.cnt && id < names->stack_start.cnt - 1))
		return fail_line(r, "stack ids ascend from 1");
	r->frames.cnt = 0;
	while ((got = next_word(r)) > 0) {
		err = parse_number(r, UINT32_MAX, &frame);
		if (err)
			return err;
		if (frame >= names->frames.cnt)
			return fail_value(r, "no line above declares this frame");
		*ct_vec_push(&r->frames) = (u32)frame;
	}
	if (!got)
		ct_names__add_stack(names, (u32)id, r->frames.at, r->frames.cnt);
	return got;
}

static int read_loop(struct text_reader *r)
{
	struct ct_stack_loop loop = { 0 };
	u64 stack = 0;
	u64 kind = 0;
	int got;
	int err = need_number(r, "the stack", STACKS_MAX, &stack);
	if (!err)
		err = need_word(r, "what the loop does");
	if (!err)
		err = parse_named(r, loop_kinds, CT_LOOP_LOOKS, &kind);
	if (err)
		return err;
	loop.loop = (u32)kind;
	while ((got = next_word(r)) > 0) {
		if (strcmp(key_of(r), "frame"))
			return fail_value(r, "a loop has no such key");
		err = parse_u32(r, &loop.frame);
		if (err)
			return err;
	}
	if (!got && !ct_names__add_loop(r->out->names, (u32)stack, loop))
		return fail_line(r, "no line above declares this stack with so many frames");
	return got;
}

static int read_addr_key(struct text_reader *r, struct ct_addr_name *a)
{
	u64 kind = 0;
	if (!strcmp(key_of(r), "symbol"))
		return parse_string(r, &a->symbol);
	if (!strcmp(key_of(r), "module"))
		return parse_string(r, &a->module);
	if (!strcmp(key_of(r), "thread"))
		return parse_u32(r, &a->thread);
	if (!strcmp(key_of(r), "offset"))
		return parse_number(r, UINT64_MAX, &a->offset);
	if (strcmp(key_of(r), "kind"))
		return fail_value(r, "an address has no such key");
	int err = parse_named(r, addr_kinds, CT_ADDR_SHARED, &kind);
	if (!err)
		a->kind = (u32)kind;
	return err;
}

static int read_addr(struct text_reader *r)
{
	struct ct_addr_name a = { 0 };
	u64 tgid;
	int got;
	int err = need_number(r, "the process", UINT32_MAX, &tgid);
	if (!err)
		err = need_number(r, "the address", UINT64_MAX, &a.addr);
	if (err)
		return err;
	a.tgid = (u32)tgid;
	while ((got = next_word(r)) > 0) {
		err = read_addr_key(r, &a);
		if (err)
			return err;
	}
	if (!got)
		*ct_vec_push(&r->out->names->addrs) = a;
	return got;
}

static int read_end(struct text_reader *r)
{
	r->saw_end = true;
	return 0;
}

/* ---- reading: the file ----------------------------------------------------------------------- */

static int read_line(struct text_reader *r)
{
	static const struct {
		const char *word;
		int (*read)(struct text_reader *r);
	} lines[] = {
		{ "run", read_run },
		{ "syscall", read_syscall },
		{ "frame", read_frame },
		{ "stack", read_stack },
		{ "loop", read_loop },
		{ "addr", read_addr },
		{ "end", read_end },
	};
	int got = next_word(r);
	if (got <= 0)
		return got;
	r->known++;
	if (r->key.len <= 1 && isdigit((u8)value_of(r)[0]))
		return read_event(r);
	for (u32 i = 0; i < CT_COUNT(lines); i++)
		if (r->key.len <= 1 && !strcmp(lines[i].word, value_of(r)))
			return lines[i].read(r);
	if (r->known == 1) { /* some other file: nobody wants its first line on the screen */
		r->why = ct_strdup("it is neither a recording of ctrace nor the text form of one");
		return -EPROTO;
	}
	return fail_value(r, "begins no line of a text trace");
}

static int read_lines(struct text_reader *r)
{
	while (r->at < r->end) {
		r->line++;
		int err = read_line(r);
		if (!err && next_word(r) > 0)
			err = fail_value(r, "is one word too many");
		if (err || r->why)
			return err ? err : -EBADMSG;
		while (r->at < r->end && *r->at != '\n')
			r->at++;
		if (r->at < r->end)
			r->at++;
	}
	return 0;
}

static int compare_events(const void *a, const void *b)
{
	const struct ct_event *x = a;
	const struct ct_event *y = b;
	if (x->hdr.ts != y->hdr.ts)
		return x->hdr.ts < y->hdr.ts ? -1 : 1;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Puts the events in order; seq then counts the places in each CPU's ordered stream. */
static void sort_events(struct text_reader *r)
{
	struct ct_loaded *out = r->out;
	if (out->events.cnt)
		qsort(out->events.at, out->events.cnt, sizeof(*out->events.at), compare_events);
	if (r->seqs.cnt)
		memset(r->seqs.at, 0, r->seqs.cnt * sizeof(*r->seqs.at));
	for (u32 i = 0; i < out->events.cnt; i++)
		out->events.at[i].seq = r->seqs.at[out->events.at[i].cpu]++;
}

static void fill_run(struct text_reader *r)
{
	struct ct_run *run = &r->out->run;
	u32 cnt = r->out->events.cnt;
	char **texts[] = { &run->arch, &run->kernel, &run->libc, &run->version, &run->host,
		&run->pids };
	if (!r->has_start && cnt)
		run->start_ns = r->out->events.at[0].hdr.ts;
	if (!r->has_end && cnt)
		run->end_ns = r->out->events.at[cnt - 1].hdr.ts;
	if (!r->has_cpus)
		run->cpus = r->cpus;
	if (!r->has_machine)
		run->cpus_machine = run->cpus;
	for (u32 i = 0; i < CT_COUNT(texts); i++)
		if (!*texts[i])
			*texts[i] = ct_strdup("");
	if (!run->argv)
		run->argv = ct_alloc(sizeof(*run->argv));
	r->out->complete = r->says_complete ? r->is_complete : r->saw_end || r->has_end;
}

void ct_loaded__clear(struct ct_loaded *l)
{
	ct_run__clear(&l->run);
	ct_names__free(l->names);
	l->names = NULL;
	ct_vec_free(&l->events);
}

int ct_text__parse(struct ct_loaded *out, const char *text, size_t size, char **why)
{
	struct text_reader r = { .out = out, .at = text, .end = text + size };
	*out = (struct ct_loaded){ .run = { .futex_calls = true, .stacks = true } };
	out->names = ct_names__new();
	int err = read_lines(&r);
	if (!err) {
		sort_events(&r);
		fill_run(&r);
		ct_names__sort_addrs(out->names);
	} else {
		ct_loaded__clear(out);
	}
	*why = r.why;
	ct_buf_free(&r.key);
	ct_buf_free(&r.value);
	ct_vec_free(&r.seqs);
	ct_vec_free(&r.frames);
	return err;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_quoted(FILE *out, const char *s, size_t len)
{
	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		u8 c = (u8)s[i];
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			putc(c, out);
		else
			fprintf(out, "\\x%02x", c);
	}
	putc('"', out);
}

static void write_text(FILE *out, const char *key, const char *s)
{
	if (!s || !*s)
		return;
	fprintf(out, " %s=", key);
	write_quoted(out, s, strlen(s));
}

static void write_flags(FILE *out, const struct word *words, u64 value)
{
	const char *between = "";
	for (; words && words->name; words++) {
		if (!(value & words->value))
			continue;
		fprintf(out, "%s%s", between, words->name);
		between = "|";
		value &= ~(u64)words->value;
	}
	if (value)
		fprintf(out, "%s0x%" PRIx64, between, value);
}

static void write_field_value(FILE *out, u32 kind, const struct ct_field *f, u64 n)
{
	const char *name = NULL;
	if (!strcmp(f->name, "flags")) {
		write_flags(out, flag_words(kind), n);
		return;
	}
	if (kind == CT_ACCESS && !strcmp(f->name, "how")) {
		write_flags(out, access_words, n);
		return;
	}
	if (kind == CT_WATCH && !strcmp(f->name, "on"))
		name = name_of_word(watch_words, (u32)n);
	if (kind == CT_WATCH_TYPE && !strcmp(f->name, "type"))
		name = name_of_word(type_words, (u32)n);
	if (!strcmp(f->name, "state") && n < CT_STATE_END) {
		putc(state_letters[n], out);
		return;
	}
	if (!strcmp(f->name, "file"))
		name = name_of_word(file_words, (u32)n);
	if (kind == CT_LOSS && !strcmp(f->name, "kind"))
		name = ct_kind_name((u32)n);
	if (name)
		fputs(name, out);
	else if (f->is_signed)
		fprintf(out, "%" PRId64, (i64)n);
	else if (f->size == 8 && (!strcmp(f->name, "arg0") || !strncmp(f->name, "addr", 4) ||
					    !strcmp(f->name, "ip")))
		fprintf(out, "0x%" PRIx64, n);
	else
		fprintf(out, "%" PRIu64, n);
}

/* Would it be read back as one plain word that is no number? */
static bool is_plain_name(const char *name)
{
	if (!isalpha((u8)*name) && *name != '_')
		return false;
	for (; *name; name++)
		if (!isalnum((u8)*name) && *name != '_')
			return false;
	return true;
}

/* Syscall names by number, NULL where the number itself is written: CT_NR_NONE + 1 pointers. */
static const char **write_syscalls(const struct ct_names *names, FILE *out)
{
	const char **by_nr = ct_alloc((CT_NR_NONE + 1) * sizeof(*by_nr));
	struct ct_strtab *seen = ct_strtab__new();
	for (u32 i = 0; i < names->syscalls.cnt; i++) {
		const struct ct_syscall_name *s = &names->syscalls.at[i];
		u32 cnt = ct_strtab__count(seen);
		fprintf(out, "syscall %u ", s->nr);
		write_quoted(out, s->name, strlen(s->name));
		putc('\n', out);
		ct_strtab__add(seen, s->name);
		if (s->nr < CT_NR_NONE && ct_strtab__count(seen) > cnt && is_plain_name(s->name))
			by_nr[s->nr] = s->name;
	}
	ct_strtab__free(seen);
	return by_nr;
}

static void write_task_name(const struct ct_event *ev, FILE *out)
{
	char name[CT_NAME_LEN];
	size_t len = sizeof(name);
	memcpy(name, &ev->task_name, sizeof(name));
	while (len && !name[len - 1])
		len--;
	fputs(" name=", out);
	write_quoted(out, name, len);
}

static void write_event(const struct ct_event *ev, const char **syscalls, FILE *out)
{
	const struct ct_kind_info *info = ct_kind_info(ev->hdr.kind);
	const void *body = &ev->task_new;
	fprintf(out, "%" PRIu64 " %u %s %u", ev->hdr.ts, ev->cpu, info->name, ev->hdr.tid);
	if (ev->hdr.kind == CT_TASK_NAME) {
		write_task_name(ev, out);
		putc('\n', out);
		return;
	}
	for (u32 i = 0; i < info->field_cnt; i++) {
		const struct ct_field *f = &info->fields[i];
		u64 n = ct_field_get(f, body);
		if (n == (f->is_nr ? CT_NR_NONE : 0))
			continue;
		fprintf(out, " %s=", f->name);
		const char *syscall = f->is_nr ? syscalls[n] : NULL;
		if (syscall)
			fputs(syscall, out);
		else
			write_field_value(out, ev->hdr.kind, f, n);
	}
	putc('\n', out);
}

static void write_run(const struct ct_run *run, bool complete, FILE *out)
{
	fputs("run", out);
	for (char **arg = run->argv; arg && *arg; arg++) {
		fputs(" argv=", out);
		write_quoted(out, *arg, strlen(*arg));
	}
	fprintf(out, " pid=%u attached=%d ended=%d wait_status=%d", run->pid, run->attached,
		run->ended, run->wait_status);
	fprintf(out, "\nrun start=%" PRIu64 " end=%" PRIu64 " start_real=%" PRIu64, run->start_ns,
		run->end_ns, run->start_real_ns);
	fprintf(out, " boot_offset=%" PRIu64 " complete=%d", run->boot_offset_ns, complete);
	if (run->cost_collector_ns)
		fprintf(out, " cost_probes=%" PRIu64 " cost_collector=%" PRIu64,
			run->cost_probes_ns, run->cost_collector_ns);
	if (run->dropped_ns)
		fprintf(out, " dropped=%" PRIu64, run->dropped_ns);
	fprintf(out, "\nrun cpus=%u cpus_machine=%u sample_hz=%u futex=%s stacks=%d", run->cpus,
		run->cpus_machine, run->sample_hz, run->futex_calls ? "calls" : "switch",
		run->stacks);
	fputs("\nrun", out);
	write_text(out, "arch", run->arch);
	write_text(out, "kernel", run->kernel);
	write_text(out, "libc", run->libc);
	write_text(out, "version", run->version);
	write_text(out, "host", run->host);
	for (char **label = run->labels; label && *label; label++)
		write_text(out, "label", *label);
	if (run->pids && *run->pids)
		write_text(out, "pids", run->pids);
	fputs(run->redacted ? " redacted=1\n" : "\n", out);
}

static void write_frames(const struct ct_names *names, FILE *out)
{
	for (u32 id = 1; id < names->frames.cnt; id++) {
		const struct ct_frame *f = &names->frames.at[id];
		fprintf(out, "frame %u", id);
		write_text(out, "function", ct_strtab__get(names->strings, f->function));
		write_text(out, "file", ct_strtab__get(names->strings, f->file));
		if (f->line)
			fprintf(out, " line=%u", f->line);
		write_text(out, "module", ct_strtab__get(names->strings, f->module));
		if (f->offset)
			fprintf(out, " offset=0x%" PRIx64, f->offset);
		fputs(f->inlined ? " inlined=1\n" : "\n", out);
	}
}

static void write_stacks(const struct ct_names *names, FILE *out)
{
	for (u32 stack = 1; names->stack_start.cnt && stack < names->stack_start.cnt - 1; stack++) {
		u32 cnt;
		const u32 *frames = ct_names__stack(names, stack, &cnt);
		fprintf(out, "stack %u", stack);
		for (u32 i = 0; i < cnt; i++)
			fprintf(out, " %u", frames[i]);
		putc('\n', out);
	}
}

static void write_loops(const struct ct_names *names, FILE *out)
{
	for (u32 stack = 0; stack < names->loops.cnt; stack++) {
		struct ct_stack_loop loop = names->loops.at[stack];
		if (loop.loop == CT_LOOP_UNKNOWN)
			continue;
		fprintf(out, "loop %u %s", stack, name_of_word(loop_kinds, loop.loop));
		if (loop.frame)
			fprintf(out, " frame=%u", loop.frame);
		putc('\n', out);
	}
}

static void write_addrs(const struct ct_names *names, FILE *out)
{
	for (u32 i = 0; i < names->addrs.cnt; i++) {
		const struct ct_addr_name *a = &names->addrs.at[i];
		const char *kind = name_of_word(addr_kinds, a->kind);
		fprintf(out, "addr %u 0x%" PRIx64 " kind=%s", a->tgid, a->addr,
			kind ? kind : "unknown");
		write_text(out, "symbol", ct_strtab__get(names->strings, a->symbol));
		if (a->offset)
			fprintf(out, " offset=%" PRIu64, a->offset);
		if (a->thread)
			fprintf(out, " thread=%u", a->thread);
		write_text(out, "module", ct_strtab__get(names->strings, a->module));
		putc('\n', out);
	}
}

int ct_text__write(struct ct_source *s, FILE *out)
{
	const struct ct_names *names = ct_source__names(s);
	const struct ct_event *ev;
	int err = ct_source__rewind(s);
	if (err)
		return err;
	fputs(FIRST_LINE, out);
	write_run(ct_source__run(s), ct_source__complete(s), out);
	const char **syscalls = write_syscalls(names, out);
	write_frames(names, out);
	write_stacks(names, out);
	write_loops(names, out);
	write_addrs(names, out);
	while ((ev = ct_source__next(s)))
		write_event(ev, syscalls, out);
	free(syscalls);
	if (ct_source__complete(s))
		fputs("end\n", out);
	return ferror(out) ? -EIO : 0;
}
