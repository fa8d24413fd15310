/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of source for the page, read while it is written, with no more rights than the user has who
 * called (base/rights.h).  Which file is meant comes from the trace, and a trace may come from
 * anybody: only regular files with a suffix of a source file are opened, and only the lines around
 * what a finding or a lock points at are copied.
 *
 *   sources   {string id of the file: {path, newer, from: [first line of each piece],
 *             text: [[line]]}}
 *
 * A compiler that was given a relative path leaves it relative; it is looked for in the folders
 * above the program's own file, then from the working directory.  newer: the file was changed after
 * the recording, its lines may have moved.  A redacted trace names no folder: it gets no lines, for
 * they would be those of any file of that name.
 *
 * Of a trace that came from elsewhere nothing is copied: the page would show its sender, to whom it
 * may be sent back, lines of files that he can only guess at.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/rights.h"
#include "html_int.h"

#define FILE_MAX (4u << 20) /* a larger file is no source that somebody wrote */
#define LINES_BEFORE 6u
#define LINES_AFTER 6u
#define LINE_MAX_LEN 400u
#define PLACES_MAX 200u /* shown lines come with pieces of about a kilobyte each */
#define SITES_MAX 4u	/* of each lock */

struct places {
	CT_VEC(u32) frames;
	bool public_only; /* files that everybody may read: root, who may read all, has no own */
};

static bool is_source(const char *path)
{
	static const char *const suffixes[] = { ".c", ".h", ".cc", ".cpp", ".cxx", ".c++", ".hh",
		".hpp", ".hxx", ".inl", ".ipp", ".rs", ".go", ".s", ".S", ".d", ".zig", ".nim",
		".f", ".f90", ".F90", ".ml", ".hs", ".swift", ".m", ".mm", ".pyx", ".v", ".cr" };
	const char *dot = strrchr(ct_base_name(path), '.');

	for (size_t i = 0; dot && i < CT_COUNT(suffixes); i++)
		if (!strcmp(dot, suffixes[i]))
			return true;
	return false;
}

static void add_place(struct places *p, const struct ct_names *names, u32 frame)
{
	struct ct_place place = ct_frame_place(names, frame);

	if (p->frames.cnt >= PLACES_MAX || !place.line || !is_source(place.file))
		return;
	for (u32 i = 0; i < p->frames.cnt; i++)
		if (p->frames.at[i] == frame)
			return;
	*ct_vec_push(&p->frames) = frame;
}

/* Each line once: there are many more accesses than lines. */
static void collect_accesses(struct places *p, const struct ct_model *m)
{
	u8 *seen = ct_alloc((size_t)m->names->frames.cnt + 1);

	for (u32 i = 0; i < m->touches.cnt; i++) {
		u32 frame = m->touches.at[i].frame;
		if (frame >= m->names->frames.cnt || seen[frame])
			continue;
		seen[frame] = 1;
		add_place(p, m->names, frame);
	}
	free(seen);
}

static void collect_places(struct places *p, const struct ct_facts *facts)
{
	const struct ct_names *names = facts->m->names;

	for (u32 i = 0; i < facts->findings.at.cnt; i++) {
		const struct ct_finding *f = &facts->findings.at.at[i];
		for (u32 k = 0; k < f->frames.cnt; k++)
			add_place(p, names, f->frames.at[k]);
	}
	for (u32 i = 0; i < facts->contentions.at.cnt; i++) {
		const struct ct_contention *c = &facts->contentions.at.at[i];
		for (u32 k = 0; k < c->sites.cnt && k < SITES_MAX; k++)
			add_place(p, names, c->sites.at[k].frame);
	}
	for (u32 i = 0; i < facts->lines.at.cnt; i++)
		add_place(p, names, facts->lines.at.at[i].frame);
	collect_accesses(p, facts->m);
}

/* ---- finding and reading a file ---- */

/* The file, and each directory above it. */
static bool is_public(const char *path)
{
	char *whole = realpath(path, NULL), *slash;
	struct stat st;
	bool may = whole && !stat(whole, &st) && (st.st_mode & S_IROTH);

	while (may && (slash = strrchr(whole, '/')) && slash > whole) {
		*slash = 0;
		may = !stat(whole, &st) && (st.st_mode & S_IXOTH);
	}
	free(whole);
	return may;
}

/* The whole text, with a 0 behind it; NULL: not readable, or not what source is like. */
static char *read_file(const struct ct_user *user, const char *path, struct stat *st)
{
	int fd = ct_rights__open_as(user, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	size_t len = 0;
	ssize_t n = 1;
	char *text;

	if (fd < 0)
		return NULL;
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_size > FILE_MAX) {
		close(fd);
		return NULL;
	}
	text = ct_alloc(st->st_size + 1);
	while (len < (size_t)st->st_size && n > 0) {
		n = read(fd, text + len, st->st_size - len);
		len += n > 0 ? n : 0;
	}
	close(fd);
	if (strlen(text) == len)
		return text;
	free(text); /* bytes that are 0: no text */
	return NULL;
}

static char *read_beside_module(
	const struct ct_user *user, const struct ct_place *place, char **path, struct stat *st)
{
	char *dir = ct_strdup(place->module), *slash, *text = NULL;

	while (!text && (slash = strrchr(dir, '/')) && slash > dir) {
		*slash = 0;
		*path = ct_asprintf("%s/%s", dir, place->file);
		text = read_file(user, *path, st);
		if (!text)
			free(*path);
	}
	free(dir);
	return text;
}

static char *find_file(
	const struct ct_user *user, const struct ct_place *place, char **path, struct stat *st)
{
	char *text = NULL;

	if (place->file[0] != '/')
		text = read_beside_module(user, place, path, st);
	if (text)
		return text;
	*path = ct_strdup(place->file);
	text = read_file(user, *path, st);
	if (!text)
		free(*path);
	return text;
}

/* ---- its lines ---- */

static json_t *line_text(const char *at, size_t len)
{
	char *line = ct_strndup(at, len < LINE_MAX_LEN ? len : LINE_MAX_LEN);
	json_t *value = ct_html__text(line);

	free(line);
	return value;
}

/* Lines [from, to] of a text, fewer where it ends. */
static json_t *piece(const char *text, u32 from, u32 to)
{
	json_t *lines = json_array();
	u32 number = 1;

	for (const char *at = text; *at && number <= to; number++) {
		size_t len = strcspn(at, "\n");
		if (number >= from)
			json_array_append_new(lines, line_text(at, len));
		at += len + (at[len] == '\n');
	}
	return lines;
}

static void add_piece(json_t *source, const char *text, u32 line)
{
	u32 from = line > LINES_BEFORE ? line - LINES_BEFORE : 1;

	json_array_append_new(json_object_get(source, "from"), json_integer(from));
	json_array_append_new(json_object_get(source, "text"),
		piece(text, from, line + LINES_AFTER));
}

static json_t *new_source(const struct ct_model *m, const char *path, const struct stat *st)
{
	json_t *source = json_object();
	u64 changed = (u64)st->st_mtime * 1000000000u;
	bool newer = m->run->start_real_ns && changed > m->run->start_real_ns;

	json_object_set_new(source, "path", ct_html__text(path));
	json_object_set_new(source, "newer", json_boolean(newer));
	json_object_set_new(source, "from", json_array());
	json_object_set_new(source, "text", json_array());
	return source;
}

/* All places in the file of place number `first`, which none before it is in. */
static void add_file(json_t *sources, const struct ct_model *m, const struct ct_user *user,
	const struct places *p, u32 first)
{
	const struct ct_frame *frames = m->names->frames.at;
	u32 file = frames[p->frames.at[first]].file;
	struct ct_place place = ct_frame_place(m->names, p->frames.at[first]);
	struct stat st;
	char key[16], *path, *text = find_file(user, &place, &path, &st);
	json_t *source;

	if (text && p->public_only && !is_public(path)) {
		free(path);
		free(text);
		text = NULL;
	}
	if (!text)
		return;
	source = new_source(m, path, &st);
	for (u32 i = first; i < p->frames.cnt; i++)
		if (frames[p->frames.at[i]].file == file)
			add_piece(source, text, frames[p->frames.at[i]].line);
	snprintf(key, sizeof(key), "%" PRIu32, file);
	json_object_set_new(sources, key, source);
	free(path);
	free(text);
}

static bool is_first_of_file(const struct ct_names *names, const struct places *p, u32 place)
{
	for (u32 i = 0; i < place; i++)
		if (names->frames.at[p->frames.at[i]].file ==
			names->frames.at[p->frames.at[place]].file)
			return false;
	return true;
}

/* A trace may name any file of this machine, and its page be mailed: to its sender, perhaps.  It is
 * no stranger's when it was recorded here, and is the reader's own file. */
static bool is_strange(const struct ct_export_in *in, const struct ct_user *user)
{
	const char *host = in->facts->m->run->host;
	struct utsname u;

	if (in->just_recorded)
		return false;
	if (uname(&u) || !host || strcmp(host, u.nodename))
		return true;
	return !in->source || (user->uid && ct_source__owner(in->source) != user->uid);
}

json_t *ct_html__sources(const struct ct_export_in *in)
{
	const struct ct_facts *facts = in->facts;
	json_t *sources = json_object();
	struct places p = { 0 };
	struct ct_user user;

	if (!facts->m->names || facts->m->run->redacted || ct_rights__caller(&user))
		return sources;
	if (!is_strange(in, &user))
		collect_places(&p, facts);
	p.public_only = !user.uid && !in->just_recorded;
	for (u32 i = 0; i < p.frames.cnt; i++)
		if (is_first_of_file(facts->m->names, &p, i))
			add_file(sources, facts->m, &user, &p, i);
	ct_rights__clear(&user);
	ct_vec_free(&p.frames);
	return sources;
}
