/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From names to addresses, in a process whose libraries are mapped: its files are read by a child
 * process with no more rights than the user has, which tells what it found in lines:
 *
 *     v ADDRESS SIZE TYPE NAME   a variable; TYPE is of enum ct_watch_value
 *     l ADDRESS OWNER NAME       a lock; OWNER is the offset of the owner's word
 *     p ADDRESS                  a pointer to a lock, or to what has one in it
 *     o                          it may use locks that have no owner
 *     e WORDS                    it cannot be done
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "capture/watch.h"

#define BYTES_MAX 8u /* of a debug register */

struct module {
	char *path;
	u64 base;
};

struct modules {
	CT_VEC(struct module) at; /* the program first */
};

/* ---- the process's files ---- */

static void add_module(struct modules *m, const char *path, u64 base)
{
	for (u32 i = 0; i < m->at.cnt; i++)
		if (!strcmp(m->at.at[i].path, path))
			return;
	*ct_vec_push(&m->at) = (struct module){ ct_strdup(path), base };
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
	char path[64], *line = NULL;
	unsigned long long start, offset;
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
		if (sscanf(line, "%llx-%*x %*s %llx %*s %*s %n", &start, &offset, &at) < 2 || !at ||
			offset || line[at] != '/')
			continue;
		add_module(m, line + at, start);
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
}

/* Of the system: its variables and locks are nobody's lesson, and reading them takes long. */
static bool is_system(const char *path)
{
	return !strncmp(path, "/lib", 4) || !strncmp(path, "/usr/lib", 8);
}

/* ---- in the child ---- */

static void tell_error(FILE *out, char *why)
{
	for (char *c = why; *c; c++)
		if (*c == '\n')
			*c = ' ';
	fprintf(out, "e %s\n", why);
	free(why);
}

static void tell_var(FILE *out, const char *name, u64 addr, u64 size, u32 type)
{
	if (!strchr(name, '\n'))
		fprintf(out, "v %" PRIx64 " %" PRIu64 " %" PRIu32 " %s\n", addr, size, type, name);
}

/* *ADDRESS:SIZE */
static bool find_address(FILE *out, const char *spec)
{
	char *end;
	u64 addr = strtoull(spec + 1, &end, 0), size;

	if (*end != ':' || end == spec + 1)
		return false;
	size = strtoull(end + 1, &end, 0);
	if (*end || !size)
		return false;
	tell_var(out, spec, addr, size, CT_WATCH_SIGNED);
	return true;
}

static void find_name(FILE *out, const struct modules *m, const char *spec)
{
	char *why = NULL;

	if (spec[0] == '*' && find_address(out, spec))
		return;
	for (u32 i = 0; i < m->at.cnt; i++) {
		struct ct_variables found = { .base = m->at.at[i].base };
		int err = ct_variables__find(&found, m->at.at[i].path, spec, &why);

		for (u32 k = 0; !err && k < found.at.cnt; k++)
			tell_var(out, found.at.at[k].name, found.at.at[k].addr,
				found.at.at[k].size, found.at.at[k].type);
		ct_variables__clear(&found);
		if (err == -EINVAL)
			tell_error(out, why);
		if (err != -ENOENT)
			return;
	}
	tell_error(out, ct_asprintf("no variable '%s' in the program or the libraries that it "
				    "starts with; for one without a name: '*ADDRESS:SIZE'",
				spec));
}

static void find_names(FILE *out, const struct modules *m, const char *what)
{
	for (const char *at = what;; at++) {
		size_t len = strcspn(at, ",");
		char *spec = ct_strndup(at, len);

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

		if (i && is_system(m->at.at[i].path))
			continue;
		ct_variables__all(&found, m->at.at[i].path);
		for (u32 k = 0; k < found.at.cnt; k++)
			tell_var(out, found.at.at[k].name, found.at.at[k].addr,
				found.at.at[k].size, found.at.at[k].type);
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

static void give_up_rights(const struct ct_user *as)
{
	if (as && (setgroups(as->group_cnt, as->groups) || setresgid(as->gid, as->gid, as->gid) ||
			  setresuid(as->uid, as->uid, as->uid)))
		_exit(1);
}

static void look(int fd, const struct modules *m, const struct ct_watch_opts *opts)
{
	FILE *out = fdopen(fd, "w");

	if (!out)
		_exit(1);
	give_up_rights(opts->as);
	if (!strcmp(opts->what, "auto"))
		find_all(out, m);
	else
		find_names(out, m, opts->what);
	find_locks(out, m);
	find_ownerless(out, m);
	_exit(fclose(out) ? 1 : 0);
}

/* ---- what it told ---- */

/* A register takes 1, 2, 4 or 8 bytes at a multiple of that. */
static void add_var(
	struct ct_watch_found *out, const char *name, u64 addr, u64 size, u32 type)
{
	u64 end = addr + size;

	while (addr < end) {
		u32 part = BYTES_MAX;

		while (addr % part || addr + part > end)
			part /= 2;
		*ct_vec_push(&out->vars) = (struct ct_watch_var){
			.name = end - size == addr ? ct_strdup(name)
						   : ct_asprintf("%s+%" PRIu64, name,
							     addr - (end - size)),
			.addr = addr, .size = part,
			.type = part == size || type != CT_WATCH_FLOAT ? type : CT_WATCH_SIGNED };
		addr += part;
	}
}

static void take_line(struct ct_watch_found *out, char *line, char **why)
{
	unsigned long long addr, n;
	int at = 0;

	line[strcspn(line, "\n")] = 0;
	if (line[0] == 'e' && !*why)
		*why = ct_strdup(line + 2);
	out->ownerless |= line[0] == 'o';
	if (line[0] == 'p' && sscanf(line + 1, " %llx", &addr) == 1)
		*ct_vec_push(&out->pointers) = addr;
	if (sscanf(line + 1, " %llx %llu %n", &addr, &n, &at) < 2 || !at)
		return;
	if (line[0] == 'v') {
		char *name;
		u32 type = strtoul(line + 1 + at, &name, 10);

		add_var(out, name + 1, addr, n, type);
	}
	if (line[0] == 'l')
		*ct_vec_push(&out->locks) = (struct ct_variable){
			.name = ct_strdup(line + 1 + at), .addr = addr, .owner = n };
}

static int listen_to(struct ct_watch_found *out, int fd, char **why)
{
	char *line = NULL;
	size_t size = 0;
	FILE *in = fdopen(fd, "r");

	if (!in)
		return -errno;
	while (getline(&line, &size, in) > 0)
		take_line(out, line, why);
	free(line);
	fclose(in);
	return 0;
}

int ct_watch_find(struct ct_watch_found *out, u32 pid, const struct ct_watch_opts *opts, char **why)
{
	struct modules m = { 0 };
	int fds[2], status = 0, err = list_modules(&m, pid);
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
	err = child < 0 ? -errno : listen_to(out, fds[0], why);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	clear_modules(&m);
	if (!err && !*why && status)
		*why = ct_strdup("the program's files could not be read");
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
	ct_vec_free(&f->vars);
	ct_vec_free(&f->locks);
	ct_vec_free(&f->pointers);
}
