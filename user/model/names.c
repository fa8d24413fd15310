/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what things are called: states, kinds of locks, locks, frames. Each name is written into the
 * caller's buffer and cut to fit. Text from the traced program passes through as it is: whoever
 * prints it makes it harmless.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/model_int.h"

static const char *const state_names[CT_STATES] = {
	[CT_RUNNING] = "running",
	[CT_RUNNABLE] = "runnable",
	[CT_LOCK] = "lock",
	[CT_RWLOCK] = "rwlock",
	[CT_COND] = "cond",
	[CT_SEM] = "sem",
	[CT_BARRIER] = "barrier",
	[CT_JOIN] = "join",
	[CT_FUTEX_OTHER] = "futex",
	[CT_SLEEP] = "sleep",
	[CT_POLL] = "poll",
	[CT_IO_DISK] = "io-disk",
	[CT_IO_NET] = "io-net",
	[CT_PIPE] = "pipe",
	[CT_CHILD] = "child",
	[CT_FAULT] = "fault",
	[CT_STOPPED] = "stopped",
	[CT_OTHER] = "other",
};

const char *ct_state_name(enum ct_state s)
{
	return s < CT_STATES ? state_names[s] : "other";
}

bool ct_wait_is_signal(const struct ct_model *m, const struct ct_wait *w)
{
	static const char *const calls[] = { "pause", "rt_sigsuspend", "sigsuspend",
		"rt_sigtimedwait", "rt_sigtimedwait_time64" };
	const char *name = w->state == CT_OTHER && w->nr != CT_NR_NONE && m->names
				   ? ct_names__syscall(m->names, w->nr)
				   : NULL;

	for (size_t i = 0; name && i < CT_COUNT(calls); i++)
		if (!strcmp(name, calls[i]))
			return true;
	return false;
}

const char *ct_wait_word(const struct ct_model *m, const struct ct_wait *w)
{
	return ct_wait_is_signal(m, w) ? "signal" : ct_state_name(w->state);
}

static const char *const lock_kind_names[CT_LK_KINDS] = {
	[CT_LK_MUTEX] = "mutex",
	[CT_LK_RWLOCK] = "rwlock",
	[CT_LK_COND] = "cond",
	[CT_LK_SEM] = "sem",
	[CT_LK_BARRIER] = "barrier",
	[CT_LK_JOIN] = "join",
	[CT_LK_FUTEX] = "futex",
};

const char *ct_lock_kind_name(enum ct_lock_kind k)
{
	return k < CT_LK_KINDS ? lock_kind_names[k] : "futex";
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Length of a C++ name up to its parameter list, which says little beside a line and hides it where
 * the name is cut: `Queue::push` of `Queue::push(std::vector<int> const&) const`. */
static size_t without_parameters(const char *name, size_t len)
{
	static const char call[] = "operator()";
	size_t at, whole = len;
	int depth = 0;

	if (len > 6 && !strncmp(name + len - 6, " const", 6))
		len -= 6;
	for (at = len; at > 0; at--) {
		depth += name[at - 1] == ')';
		depth -= name[at - 1] == '(';
		if (!depth)
			break;
	}
	if (at < 2 || at >= len)
		return whole;
	at--;
	if (at + 2 >= sizeof(call) - 1 && len == at + 2 &&
		!strncmp(name + at + 2 - (sizeof(call) - 1), call, sizeof(call) - 1))
		return len; /* these are part of the name */
	return at;
}

/* A name that has no room loses what is in its lists of template arguments, rather than its end,
 * which says most: `Cache<...>::find` of `Cache<std::map<...>, ...>::find`.  `operator<` and its
 * like open no list. */
static void put_name(char *buf, size_t size, const char *before, const char *name, size_t len)
{
	static const char op[] = "operator";
	size_t at = (size_t)snprintf(buf, size, "%s", before), depth = 0;
	const size_t op_len = sizeof(op) - 1;
	bool in_op = false;

	if (at + len < size) {
		snprintf(buf + at, size - at, "%.*s", (int)len, name);
		return;
	}
	for (size_t i = 0; i < len && at + 1 < size; i++) {
		bool sign = name[i] && strchr("<>=", name[i]);

		in_op = sign && (in_op || (i >= op_len && !strncmp(name + i - op_len, op, op_len)));
		if (name[i] == '<' && i && !in_op && !depth++)
			at += (size_t)snprintf(buf + at, size - at, "<...>");
		if (!depth)
			buf[at++] = name[i];
		if (depth && name[i] == '>' && name[i - 1] != '-' && !in_op)
			depth--;
	}
	buf[at < size ? at : size - 1] = '\0';
}

/* "lambda in main" of `main::{lambda(int)#1}::operator()(int) const`, whichever of main's it is:
 * the line tells.  The parameters of other functions go. */
static void plain_function(const char *whole, char *buf, size_t size)
{
	const char *lambda = strstr(whole, "::{lambda(");

	if (!lambda)
		lambda = strstr(whole, "::$_"); /* clang's */
	if (lambda && lambda > whole && strstr(lambda, "::operator()"))
		put_name(buf, size, "lambda in ", whole,
			without_parameters(whole, (size_t)(lambda - whole)));
	else
		put_name(buf, size, "", whole, without_parameters(whole, strlen(whole)));
}

char *ct_frame_name(const struct ct_names *names, u32 frame, char *buf, size_t size)
{
	if (!names || !frame || frame >= names->frames.cnt) {
		snprintf(buf, size, "unknown");
		return buf;
	}
	const struct ct_frame *f = &names->frames.at[frame];
	const char *whole = ct_strtab__get(names->strings, f->function);
	char function[256];
	const char *file = base_name(ct_strtab__get(names->strings, f->file));
	const char *module = base_name(ct_strtab__get(names->strings, f->module));
	char place[160] = "";

	plain_function(whole, function, sizeof(function));
	if (*file && f->line)
		snprintf(place, sizeof(place), "%s:%u", file, f->line);
	else if (*module)
		snprintf(place, sizeof(place), "%s+0x%" PRIx64, module, f->offset);
	if (*function && *place)
		snprintf(buf, size, "%s (%s)", function, place);
	else if (*function || *place)
		snprintf(buf, size, "%s", *function ? function : place);
	else
		snprintf(buf, size, "unknown");
	return buf;
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* How far into each primitive its waits happen, glibc's layouts; a symbol at that distance is
 * it. */
static const struct {
	u8 kind;
	u8 offsets[5]; /* 0 ends */
} words[] = {
	{ CT_LK_RWLOCK, { 8, 12 } },
	{ CT_LK_COND, { 0x28, 0x2c, 0x20, 0x24 } },
	{ CT_LK_BARRIER, { 4 } },
	{ CT_LK_MUTEX, { 4 } }, /* musl */
};

static const u8 *offsets_of(const struct ct_model *m, u32 kind)
{
	static const u8 none[1] = { 0 };
	bool musl = m->run->libc && !strcmp(m->run->libc, "musl");

	for (size_t i = 0; i < CT_COUNT(words); i++)
		if (words[i].kind == kind && (kind != CT_LK_MUTEX || musl))
			return words[i].offsets;
	return none;
}

/* Names were worked out for the words that events name; a lock's address is where it begins. */
static const struct ct_addr_name *find_addr(const struct ct_model *m, const struct ct_lock *l)
{
	u32 pid = m->processes.at[l->process].pid;
	static const u8 inside[] = { 0, 4, 8, 12 };

	for (size_t i = 0; i < CT_COUNT(inside); i++) {
		const struct ct_addr_name *a = ct_names__addr(m->names, pid, l->addr + inside[i]);
		if (a)
			return a;
	}
	return NULL;
}

static void name_global(const struct ct_model *m, const struct ct_lock *l,
	const struct ct_addr_name *a, char *buf, size_t size)
{
	const char *symbol = ct_strtab__get(m->names->strings, a->symbol);
	u64 offset = a->offset;

	for (const u8 *o = offsets_of(m, l->kind); *o; o++)
		if (offset == *o)
			offset = 0;
	if (offset && l->kind == CT_LK_RWLOCK) /* it began before the word that was waited on */
		offset -= a->addr - l->addr <= offset ? a->addr - l->addr : 0;
	if (offset)
		snprintf(buf, size, "%s+%" PRIu64, symbol, offset);
	else
		snprintf(buf, size, "%s", symbol);
}

/* Memory without a name of its own: by the line that waits for it first. */
static void name_by_line(
	const struct ct_model *m, const struct ct_lock *l, const char *what, char *buf, size_t size)
{
	char line[256];

	for (u32 i = 0; i < l->waits.cnt; i++) {
		u32 frame = m->waits.at[l->waits.at[i]].frame;
		if (!frame)
			continue;
		snprintf(buf, size, "%s by %s", what,
			ct_frame_name(m->names, frame, line, sizeof(line)));
		return;
	}
	snprintf(buf, size, "%s 0x%" PRIx64, what, l->addr);
}

static void name_stack(const struct ct_model *m, const struct ct_lock *l,
	const struct ct_addr_name *a, char *buf, size_t size)
{
	const char *name = NULL;

	for (u32 i = 0; i < m->threads.cnt && a->thread; i++)
		if (m->threads.at[i].tid == a->thread && m->threads.at[i].process == l->process)
			name = ct_strtab__get(m->strings, m->threads.at[i].name);
	if (name && *name)
		snprintf(buf, size, "stack of %s", name);
	else if (a->thread)
		snprintf(buf, size, "stack of %u", a->thread);
	else
		name_by_line(m, l, "stack", buf, size);
}

/* A futex that is not private, in memory that is no file's, no stack and not the heap of brk(2): a
 * mapping for several processes. */
static bool lies_in_shared(const struct ct_lock *l, const struct ct_addr_name *a)
{
	bool primitive = l->kind != CT_LK_FUTEX && l->kind != CT_LK_JOIN;

	return a->kind == CT_ADDR_SHARED ||
	       (a->kind == CT_ADDR_UNKNOWN && l->shared && primitive);
}

static void name_lock(const struct ct_model *m, const struct ct_lock *l, char *buf, size_t size)
{
	const struct ct_addr_name *a = find_addr(m, l);

	if (a && a->kind == CT_ADDR_GLOBAL && a->symbol)
		name_global(m, l, a, buf, size);
	else if (a && a->kind == CT_ADDR_GLOBAL && a->module)
		snprintf(buf, size, "%s+0x%" PRIx64,
			base_name(ct_strtab__get(m->names->strings, a->module)), a->offset);
	else if (a && lies_in_shared(l, a))
		name_by_line(m, l, "shared", buf, size);
	else if (a && (a->kind == CT_ADDR_HEAP || a->kind == CT_ADDR_UNKNOWN))
		/* not in a file's mapping and not on a stack: an arena or a mapping of malloc's */
		name_by_line(m, l, "heap", buf, size);
	else if (a && a->kind == CT_ADDR_STACK)
		name_stack(m, l, a, buf, size);
	else
		snprintf(buf, size, "0x%" PRIx64, l->addr);
}

char *ct_lock_name(const struct ct_model *m, const struct ct_lock *l, char *buf, size_t size)
{
	size_t len;

	name_lock(m, l, buf, size);
	len = strlen(buf);
	if (l->twin)
		snprintf(buf + len, size - len, " #%u", l->twin);
	return buf;
}

/* ---- locks that would have one name ---- */

struct named {
	u32 name; /* string id */
	u32 lock;
	u64 addr;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->lock < y->lock ? -1 : x->lock > y->lock;
}

/* By the address, which is the same in the report, in a look at the running program and in the next
 * one.  Globals have names of their own; that of a copy in another process is its name, too. */
void model_number_twins(struct ct_model *m)
{
	struct named *all = ct_alloc((m->locks.cnt + 1) * sizeof(*all));
	struct ct_strtab *names = ct_strtab__new();
	char buf[512];
	u32 cnt = 0;

	for (u32 i = 0; i < m->locks.cnt && m->names; i++) {
		const struct ct_lock *l = &m->locks.at[i];
		const struct ct_addr_name *a = find_addr(m, l);

		if (!a || a->kind == CT_ADDR_GLOBAL || l->kind == CT_LK_JOIN)
			continue;
		name_lock(m, l, buf, sizeof(buf));
		all[cnt++] = (struct named){ ct_strtab__add(names, buf), i, l->addr };
	}
	qsort(all, cnt, sizeof(*all), compare_named);
	for (u32 i = 0, first = 0; i < cnt; i++) {
		if (all[i].name != all[first].name)
			first = i;
		if (i + 1 < cnt && all[i + 1].name == all[i].name)
			m->locks.at[all[i + 1].lock].twin = i + 2 - first;
		if (i > first)
			m->locks.at[all[first].lock].twin = 1;
	}
	ct_strtab__free(names);
	free(all);
}

/* A lock that nobody waited for is none of the model's, and has a name all the same. */
char *ct_watch_lock_name(const struct ct_model *m, u32 slot, char *buf, size_t size)
{
	struct ct_lock bare = { .kind = CT_LK_MUTEX };

	if (slot >= m->watch_locks.cnt || m->watch_locks.at[slot].process == CT_NONE) {
		snprintf(buf, size, "lock %u", slot);
		return buf;
	}
	bare.addr = m->watch_locks.at[slot].addr;
	bare.process = m->watch_locks.at[slot].process;
	for (u32 i = 0; i < m->locks.cnt; i++)
		if (m->locks.at[i].addr == bare.addr && m->locks.at[i].process == bare.process)
			return ct_lock_name(m, &m->locks.at[i], buf, size);
	return ct_lock_name(m, &bare, buf, size);
}

char *ct_watched_name(const struct ct_model *m, const struct ct_watched *w, char *buf, size_t size)
{
	const struct ct_addr_name *a =
		ct_names__addr(m->names, m->processes.at[w->process].pid, w->addr);

	if (a && a->symbol && a->offset)
		snprintf(buf, size, "%s+%" PRIu64, ct_strtab__get(m->names->strings, a->symbol),
			a->offset);
	else if (a && a->symbol)
		snprintf(buf, size, "%s", ct_strtab__get(m->names->strings, a->symbol));
	else
		snprintf(buf, size, "0x%" PRIx64, w->addr);
	return buf;
}
