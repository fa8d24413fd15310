/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From names to addresses, in a process whose libraries are mapped: its files are read by a child
 * process with no more rights than the user has and limits on what it takes, which tells what it
 * found in lines:
 *
 *     v ADDRESS SIZE TYPE RANK NAME   a variable; TYPE is of enum ct_watch_value
 *     l ADDRESS OWNER NAME       a lock; OWNER is the offset of the owner's word
 *     p ADDRESS                  a pointer to a lock, or to what has one in it
 *     o                          it may use locks that have no owner
 *     n WORDS                    to be told to the user
 *     h WORDS                    a line of the list that was asked for
 *     e WORDS                    it cannot be done
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/limit.h"
#include "base/rights.h"
#include "capture/watch.h"

#define BYTES_MAX 8u /* of a debug register */
#define GUESSES 3u
#define ELEMENTS 3u  /* of an array, for a map of everything */
#define PIECES_MAX 4u /* of what has no parts (a union), likewise */

/* The most that reading the program's files may take, which does not run meanwhile. */
#define LOOK_CPU_S 120
#define LOOK_WALL_S 240

struct module {
	char *path;
	u64 base, end; /* end: of its data, too */
};

struct region {
	u64 lo, hi;
	bool writable;
};

struct modules {
	CT_VEC(struct module) at; /* the program first */
	CT_VEC(struct region) regions; /* all that is mapped, by address */
};

/* ---- the process's files ---- */

static struct module *find_module(struct modules *m, const char *path)
{
	for (u32 i = 0; i < m->at.cnt; i++)
		if (!strcmp(m->at.at[i].path, path))
			return &m->at.at[i];
	return NULL;
}

static void take_mapping(struct modules *m, const char *path, u64 lo, u64 hi, u64 offset)
{
	struct module *was = path[0] == '/' ? find_module(m, path) : NULL;

	if (was)
		was->end = hi;
	else if (path[0] == '/' && !offset)
		*ct_vec_push(&m->at) = (struct module){ ct_strdup(path), lo, hi };
	else if (!path[0] && m->at.cnt && m->at.at[m->at.cnt - 1].end == lo)
		m->at.at[m->at.cnt - 1].end = hi; /* what the file has no bytes for */
}

static void swap_program_first(struct modules *m, u32 pid)
{
	char link[64], exe[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = 0;
	for (u32 i = 1; i < m->at.cnt; i++) {
		struct module first = m->at.at[0];

		if (strcmp(m->at.at[i].path, exe))
			continue;
		m->at.at[0] = m->at.at[i];
		m->at.at[i] = first;
	}
}

static int list_modules(struct modules *m, u32 pid)
{
	char path[64], rights[5], *line = NULL;
	unsigned long long start, end, offset;
	size_t size = 0;
	FILE *f;
	int at;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		at = 0;
		if (sscanf(line, "%llx-%llx %4s %llx %*s %*s %n", &start, &end, rights, &offset,
			    &at) < 4 || !at)
			continue;
		*ct_vec_push(&m->regions) = (struct region){ start, end, rights[1] == 'w' };
		take_mapping(m, line + at, start, end, offset);
	}
	free(line);
	fclose(f);
	swap_program_first(m, pid);
	return 0;
}

static void clear_modules(struct modules *m)
{
	for (u32 i = 0; i < m->at.cnt; i++)
		free(m->at.at[i].path);
	ct_vec_free(&m->at);
	ct_vec_free(&m->regions);
}

/* Of the system: its variables and locks are nobody's lesson, and reading them takes long. */
static bool is_system(const char *path)
{
	return !strncmp(path, "/lib", 4) || !strncmp(path, "/usr/lib", 8);
}

/* ---- in the child ---- */

static void tell_line(FILE *out, char kind, char *words)
{
	for (char *c = words; *c; c++)
		if (*c == '\n')
			*c = ' ';
	fprintf(out, "%c %s\n", kind, words);
	free(words);
}

static void tell_error(FILE *out, char *why)
{
	tell_line(out, 'e', why);
}

static void tell_var(FILE *out, const struct ct_variable *v)
{
	if (!strchr(v->name, '\n'))
		fprintf(out, "v %" PRIx64 " %" PRIu64 " %u %u %s\n", v->addr, v->size, v->type,
			v->rank, v->name);
}

/* ---- *ADDRESS:SIZE ---- */

static const struct region *region_of(const struct modules *m, u64 addr, u64 size)
{
	for (u32 i = 0; i < m->regions.cnt; i++)
		if (addr >= m->regions.at[i].lo && addr < m->regions.at[i].hi &&
			size <= m->regions.at[i].hi - addr)
			return &m->regions.at[i];
	return NULL;
}

/* As C writes numbers; and as nm does, 16 digits without a 0x. */
static bool read_address(const char *text, u64 *addr, u64 *size)
{
	bool nm = text[0] == '0' && text[1] != 'x' && text[1] != 'X';
	char *end;

	errno = 0;
	if (!strchr("0123456789abcdefABCDEF", *text))
		return false;
	*addr = strtoull(text, &end, nm ? 16 : 0);
	if (end == text || *end != ':' || !strchr("0123456789", end[1]))
		return false;
	*size = strtoull(end + 1, &end, 0);
	return !*end && *size && !errno;
}

/* Addresses of a file that is loaded anywhere begin at 0: those of nm are meant. */
static const struct region *find_region(
	FILE *out, const struct modules *m, const char *spec, u64 *addr, u64 size)
{
	const struct region *r = region_of(m, *addr, size);
	u64 base = m->at.cnt ? m->at.at[0].base : 0;

	if (r || !m->at.cnt || *addr >= m->at.at[0].end - base)
		return r;
	r = region_of(m, base + *addr, size);
	if (!r)
		return NULL;
	*addr += base;
	tell_line(out, 'n', ct_asprintf("%s is counted from where the program begins, 0x%" PRIx64
					", as nm does: 0x%" PRIx64, spec, base, *addr));
	return r;
}

static void say_pieces(FILE *out, const char *spec, u64 addr, u64 size)
{
	if (size <= BYTES_MAX && !(size & (size - 1)) && !(addr & (size - 1)))
		return;
	tell_line(out, 'n',
		ct_asprintf("%s is watched in pieces, each with a row of its own: a debug register "
			    "holds 1, 2, 4 or 8 bytes at a multiple of that", spec));
}

static void find_address(FILE *out, const struct modules *m, char *spec)
{
	const struct region *r;
	u64 addr, size;

	if (!read_address(spec + 1, &addr, &size)) {
		tell_error(out,
			ct_asprintf("'%s' is no address and size, as '*0x4088:8' is", spec));
		return;
	}
	r = find_region(out, m, spec, &addr, size);
	if (!r) {
		tell_error(out, ct_asprintf("'%s': nothing is mapped at 0x%" PRIx64 " now, or not "
					    "so much (memory that a program takes later can be "
					    "watched with -p)", spec, addr));
		return;
	}
	if (!r->writable)
		tell_line(out, 'n', ct_asprintf("%s is in memory that the program cannot write",
					    spec));
	say_pieces(out, spec, addr, size);
	tell_var(out, &(struct ct_variable){ .name = spec, .addr = addr, .size = size,
			      .type = CT_WATCH_SIGNED });
}

/* ---- names ---- */

static bool is_of_interest(const struct modules *m, u32 i)
{
	return !i || !is_system(m->at.at[i].path);
}

struct guess {
	char *name;
	u32 far;
};

/* The nearest first; of those that are as near, the one met first. */
static void take_guess(struct guess best[GUESSES], const char *name, u32 far)
{
	u32 at = GUESSES;

	for (u32 i = 0; i < GUESSES; i++)
		if (best[i].name && !strcmp(best[i].name, name))
			return;
	while (at > 0 && (!best[at - 1].name || far < best[at - 1].far))
		at--;
	if (at == GUESSES)
		return;
	free(best[GUESSES - 1].name);
	memmove(&best[at + 1], &best[at], (GUESSES - 1 - at) * sizeof(*best));
	best[at] = (struct guess){ ct_strdup(name), far };
}

/* "; did you mean 'hits' or 'lost_hits'?" */
static char *say_guesses(struct guess best[GUESSES])
{
	char *text = ct_strdup(best[0].name ? "; did you mean" : "; '--watch help' lists them");

	for (u32 i = 0; i < GUESSES && best[i].name; i++) {
		bool last = i + 1 == GUESSES || !best[i + 1].name;
		char *longer = ct_asprintf("%s%s '%s'%s", text, i ? " or" : "", best[i].name,
			last ? "?" : "");

		free(text);
		text = longer;
		free(best[i].name);
	}
	return text;
}

static char *guess_name(const struct modules *m, const char *spec)
{
	struct guess best[GUESSES] = { 0 };

	for (u32 i = 0; i < m->at.cnt; i++) {
		struct ct_variables all = { .base = m->at.at[i].base };

		if (is_of_interest(m, i))
			ct_variables__list(&all, m->at.at[i].path);
		for (u32 k = 0; k < all.at.cnt; k++) {
			u32 far = all.at.at[k].sync ? CT_NONE
						    : ct_variable_distance(spec,
							      all.at.at[k].name);

			if (far != CT_NONE)
				take_guess(best, all.at.at[k].name, far);
		}
		ct_variables__clear(&all);
	}
	return say_guesses(best);
}

static void tell_found(FILE *out, const struct ct_variable *v)
{
	if (v->bits)
		tell_line(out, 'n', ct_asprintf("%s is a bit-field: the byte%s that hold%s it %s "
						"watched whole, with all that is in %s", v->name,
					    v->size > 1 ? "s" : "", v->size > 1 ? "" : "s",
					    v->size > 1 ? "are" : "is",
					    v->size > 1 ? "them" : "it"));
	tell_var(out, v);
}

static void find_name(FILE *out, const struct modules *m, char *spec)
{
	char *why = NULL, *refusal = NULL, *guess;
	int err = -ENOENT;

	if (spec[0] == '*') {
		find_address(out, m, spec);
		return;
	}
	for (u32 i = 0; i < m->at.cnt && err == -ENOENT; i++) {
		struct ct_variables found = { .base = m->at.at[i].base };

		err = ct_variables__find(&found, m->at.at[i].path, spec, &why);
		for (u32 k = 0; !err && k < found.at.cnt; k++)
			tell_found(out, &found.at.at[k]);
		ct_variables__clear(&found);
		if (err == -ENOENT && why && !refusal)
			refusal = why; /* another file may have one of that name */
		else if (err == -ENOENT)
			free(why);
	}
	if (!err) {
		free(refusal);
		return;
	}
	if (err == -EINVAL || (err == -ENOENT && refusal)) {
		tell_error(out, err == -EINVAL ? why : refusal);
		return;
	}
	guess = guess_name(m, spec);
	if (err == -ENOTDIR)
		tell_error(out, ct_asprintf("%s%s", why, guess));
	else
		tell_error(out, ct_asprintf("no variable '%s' in the program or the libraries that "
					    "it starts with%s", spec, guess));
	free(guess);
}

/* ---- all of them ---- */

static void list_names(FILE *out, const struct modules *m)
{
	for (u32 i = 0; i < m->at.cnt; i++) {
		struct ct_variables all = { .base = m->at.at[i].base };

		if (is_of_interest(m, i))
			ct_variables__list(&all, m->at.at[i].path);
		for (u32 k = 0; k < all.at.cnt; k++) {
			const struct ct_variable *v = &all.at.at[k];

			tell_line(out, 'h', v->sync ? ct_asprintf("%s (%s)", v->name, v->sync)
						    : ct_strdup(v->name));
		}
		ct_variables__clear(&all);
	}
}

/* A variable may have that name. */
static bool is_help(const struct modules *m, const char *what)
{
	bool known = false;

	if (strcmp(what, CT_WATCH_HELP))
		return false;
	for (u32 i = 0; i < m->at.cnt && !known; i++) {
		struct ct_variables found = { .base = m->at.at[i].base };
		char *why = NULL;

		known = !ct_variables__find(&found, m->at.at[i].path, what, &why);
		free(why);
		ct_variables__clear(&found);
	}
	return !known;
}

static void find_names(FILE *out, const struct modules *m, const char *what)
{
	for (const char *at = what;; at++) {
		size_t len = strcspn(at, ",");
		char *spec = ct_strndup(at, len);

		if (!strcmp(spec, CT_WATCH_AUTO))
			tell_error(out, ct_strdup("'auto' goes over all variables by turns, and "
						  "cannot be watched together with others"));
		else
			find_name(out, m, spec);
		free(spec);
		at += len;
		if (!*at)
			return;
	}
}

static void find_all(FILE *out, const struct modules *m)
{
	for (u32 i = 0; i < m->at.cnt; i++) {
		struct ct_variables found = { .base = m->at.at[i].base };

		if (!is_of_interest(m, i))
			continue;
		ct_variables__all(&found, m->at.at[i].path, ELEMENTS);
		for (u32 k = 0; k < found.at.cnt; k++)
			tell_var(out, &found.at.at[k]);
		ct_variables__clear(&found);
	}
}

static void find_locks(FILE *out, const struct modules *m)
{
	for (u32 i = 0; i < m->at.cnt; i++) {
		struct ct_variables found = { .base = m->at.at[i].base };

		if (i && is_system(m->at.at[i].path))
			continue;
		ct_variables__locks(&found, m->at.at[i].path);
		for (u32 k = 0; k < found.at.cnt; k++) {
			const struct ct_variable *v = &found.at.at[k];

			if (v->owner)
				fprintf(out, "l %" PRIx64 " %" PRIu64 " %s\n", v->addr, v->owner,
					v->name);
			else
				fprintf(out, "p %" PRIx64 "\n", v->addr);
		}
		ct_variables__clear(&found);
	}
}

static void find_ownerless(FILE *out, const struct modules *m)
{
	for (u32 i = 0; i < m->at.cnt; i++)
		if ((!i || !is_system(m->at.at[i].path)) &&
			ct_variables__ownerless(m->at.at[i].path))
			fputs("o\n", out);
}

#define STILL_WITH_RIGHTS 2 /* exit status */

/* The user's own rights; of root itself, what it takes to see the files of its program. */
static void give_up_rights(const struct ct_user *as)
{
	struct ct_user user = as ? *as : (struct ct_user){ 0 };
	u32 keep = !as && !geteuid() ? CT_KEEP_PTRACE | CT_KEEP_MAP_FILES | CT_KEEP_FILES : 0;

	user.differs = as;
	if (ct_rights__settle(&user, keep))
		_exit(STILL_WITH_RIGHTS);
}

static void look(int fd, const struct modules *m, const struct ct_watch_opts *opts)
{
	FILE *out = fdopen(fd, "w");

	if (!out)
		_exit(1);
	give_up_rights(opts->as);
	ct_limit__reading(LOOK_CPU_S, LOOK_WALL_S);
	if (is_help(m, opts->what))
		list_names(out, m);
	else if (!strcmp(opts->what, CT_WATCH_AUTO))
		find_all(out, m);
	else
		find_names(out, m, opts->what);
	find_locks(out, m);
	find_ownerless(out, m);
	_exit(fclose(out) ? 1 : 0);
}

/* ---- what it told ---- */

/* A register takes 1, 2, 4 or 8 bytes at a multiple of that. */
static void add_var(struct ct_watch_found *out, const struct ct_variable *v, bool automatic)
{
	u64 at = v->addr, end = v->addr + v->size;

	for (u32 pieces = 0; at < end; pieces++) {
		u32 part = BYTES_MAX;

		while (at % part || at + part > end)
			part /= 2;
		if (automatic && pieces == PIECES_MAX)
			return;
		*ct_vec_push(&out->vars) = (struct ct_watch_var){
			.name = at == v->addr ? ct_strdup(v->name)
					      : ct_asprintf("%s+%" PRIu64, v->name, at - v->addr),
			.addr = at, .size = part,
			.type = part == v->size || v->type != CT_WATCH_FLOAT ? v->type
									     : CT_WATCH_SIGNED,
			.rank = pieces ? CT_RANK_ELEMENT : v->rank };
		at += part;
	}
}

static void add_text(char **text, const char *line)
{
	char *longer = ct_asprintf("%s%s%s", *text ? *text : "", *text ? "\n" : "", line);

	free(*text);
	*text = longer;
}

static void take_var(struct ct_watch_found *out, char *line, bool automatic)
{
	unsigned long long addr, size;
	unsigned type, rank;
	int at = 0;

	if (sscanf(line, " %llx %llu %u %u %n", &addr, &size, &type, &rank, &at) < 4 || !at)
		return;
	const struct ct_variable v = { .name = line + at, .addr = addr, .size = size,
		.type = type, .rank = (u8)rank };

	add_var(out, &v, automatic);
}

static void take_line(struct ct_watch_found *out, char *line, bool automatic, char **why)
{
	unsigned long long addr, n;
	int at = 0;

	line[strcspn(line, "\n")] = 0;
	switch (line[0]) {
	case 'e':
		if (!*why)
			*why = ct_strdup(line + 2);
		break;
	case 'n':
		add_text(&out->notes, line + 2);
		break;
	case 'h':
		add_text(&out->list, line + 2);
		break;
	case 'o':
		out->ownerless = true;
		break;
	case 'p':
		if (sscanf(line + 1, " %llx", &addr) == 1)
			*ct_vec_push(&out->pointers) = addr;
		break;
	case 'v':
		take_var(out, line + 1, automatic);
		break;
	case 'l':
		if (sscanf(line + 1, " %llx %llu %n", &addr, &n, &at) == 2 && at)
			*ct_vec_push(&out->locks) = (struct ct_variable){
				.name = ct_strdup(line + 1 + at), .addr = addr, .owner = n };
		break;
	default:
		break;
	}
}

/* What everyone calls a variable comes before members, and these before elements. */
static void sort_by_rank(struct ct_watch_found *out)
{
	struct ct_watch_var *sorted = ct_alloc((out->vars.cnt + 1) * sizeof(*sorted));
	u32 cnt = 0;

	for (u32 rank = CT_RANK_WHOLE; rank <= CT_RANK_ELEMENT; rank++)
		for (u32 i = 0; i < out->vars.cnt; i++)
			if (out->vars.at[i].rank == rank)
				sorted[cnt++] = out->vars.at[i];
	memcpy(out->vars.at, sorted, cnt * sizeof(*sorted));
	free(sorted);
}

static int listen_to(struct ct_watch_found *out, int fd, bool automatic, char **why)
{
	char *line = NULL;
	size_t size = 0;
	FILE *in = fdopen(fd, "r");

	if (!in)
		return -errno;
	while (getline(&line, &size, in) > 0)
		take_line(out, line, automatic, why);
	free(line);
	fclose(in);
	return 0;
}

int ct_watch_find(struct ct_watch_found *out, u32 pid, const struct ct_watch_opts *opts, char **why)
{
	struct modules m = { 0 };
	int fds[2], status = 0, err = list_modules(&m, pid);
	bool automatic = !strcmp(opts->what, CT_WATCH_AUTO);
	pid_t child;

	*why = NULL;
	*out = (struct ct_watch_found){ 0 };
	if (err || pipe2(fds, O_CLOEXEC))
		return err ? err : -errno;
	fflush(NULL);
	child = fork();
	if (!child) {
		close(fds[0]);
		look(fds[1], &m, opts);
	}
	close(fds[1]);
	err = child < 0 ? -errno : listen_to(out, fds[0], automatic, why);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	clear_modules(&m);
	if (!err && !*why && status)
		*why = ct_asprintf("reading the program's files failed: %s",
			WIFEXITED(status) && WEXITSTATUS(status) == STILL_WITH_RIGHTS
				? "rights could not be given up before"
				: ct_limit__what_ended(status));
	if (automatic && out->vars.cnt)
		sort_by_rank(out);
	return err ? err : *why ? -EINVAL : 0;
}

char *ct_watch_find_libc(u32 pid)
{
	struct modules m = { 0 };
	char *found = NULL;

	list_modules(&m, pid);
	for (u32 i = 0; i < m.at.cnt; i++) {
		const char *path = m.at.at[i].path;

		/* before glibc 2.34 the mutexes had a library of their own */
		if (!is_system(path) || (!strstr(path, "/libc.so.6") &&
						!strstr(path, "/libpthread.so.0")))
			continue;
		if (!found || strstr(path, "/libpthread")) {
			free(found);
			found = ct_strdup(path);
		}
	}
	clear_modules(&m);
	return found;
}

void ct_watch_found__clear(struct ct_watch_found *f)
{
	for (u32 i = 0; i < f->vars.cnt; i++)
		free(f->vars.at[i].name);
	for (u32 i = 0; i < f->locks.cnt; i++)
		free(f->locks.at[i].name);
	free(f->notes);
	free(f->list);
	ct_vec_free(&f->vars);
	ct_vec_free(&f->locks);
	ct_vec_free(&f->pointers);
}
