/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what things are called: states, kinds of locks, locks, frames. Each name is written into the
 * caller's buffer and cut to fit. Text from the traced program passes through as it is: whoever
 * prints it makes it harmless.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ct_model.h"

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
static size_t without_parameters(const char *name)
{
	size_t len = strlen(name), at;
	int depth = 0;

	if (len > 6 && !strcmp(name + len - 6, " const"))
		len -= 6;
	for (at = len; at > 0; at--) {
		depth += name[at - 1] == ')';
		depth -= name[at - 1] == '(';
		if (!depth)
			break;
	}
	return at > 1 && at < len ? at - 1 : strlen(name);
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

	snprintf(function, sizeof(function), "%.*s", (int)without_parameters(whole), whole);
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

char *ct_lock_name(const struct ct_model *m, const struct ct_lock *l, char *buf, size_t size)
{
	const struct ct_addr_name *a = find_addr(m, l);

	if (a && a->kind == CT_ADDR_GLOBAL && a->symbol)
		name_global(m, l, a, buf, size);
	else if (a && a->kind == CT_ADDR_GLOBAL && a->module)
		snprintf(buf, size, "%s+0x%" PRIx64,
			base_name(ct_strtab__get(m->names->strings, a->module)), a->offset);
	else if (a && (a->kind == CT_ADDR_HEAP || a->kind == CT_ADDR_UNKNOWN))
		/* not in a file's mapping and not on a stack: an arena or a mapping of malloc's */
		name_by_line(m, l, "heap", buf, size);
	else if (a && a->kind == CT_ADDR_STACK)
		name_stack(m, l, a, buf, size);
	else if (a && a->kind == CT_ADDR_SHARED)
		name_by_line(m, l, "shared", buf, size);
	else
		snprintf(buf, size, "0x%" PRIx64, l->addr);
	return buf;
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
