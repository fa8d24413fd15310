/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the way from a trace's path to facts, for every command that reads one, and the messages
 * about files that cannot be read.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* The file as it was opened before rights were given up, or as it can be opened now; or -errno. */
static int open_file(const struct ct_opened *opened, const char *path)
{
	int fd = opened ? ct_opened__fd(opened, path) : -1;

	return fd >= 0 ? fd : ct_source__open_file(path);
}

static int open_source(struct ct_source **source, const struct ct_opened *opened, const char *path)
{
	char *why = NULL;
	int fd = opened ? ct_opened__fd(opened, path) : -1;
	int err = fd >= 0 ? ct_source__open_fd(source, fd, path, &why)
			  : ct_source__open(source, path, &why);

	if (err)
		ct_error("%s", why); /* names the path */
	free(why);
	return err;
}

/* Who records holds a lock on the file for as long as it lives (record_output.c). */
static bool is_being_recorded(const struct ct_opened *opened, const char *path)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd = open_file(opened, path);
	bool held;

	if (fd < 0)
		return false;
	held = !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type == F_WRLCK;
	close(fd);
	return held;
}

/* What is missing is known when everything has been read. */
static void warn_incomplete(
	struct ct_source *source, const struct ct_opened *opened, const char *path)
{
	const char *damage = ct_source__damage(source);

	if (!ct_source__complete(source) && is_being_recorded(opened, path))
		ct_warn("'%s' is still being recorded; what was written by now follows", path);
	else if (damage)
		ct_warn("'%s' is damaged: %s; what can be read of it follows", path, damage);
	else if (!ct_source__complete(source))
		ct_warn("'%s' was not finished: its recording was killed, or the disk was full; "
			"what was written by then follows",
			path);
}

static int open_study(
	struct ct_study *l, const struct ct_opened *opened, const char *path, bool again)
{
	int err;

	memset(l, 0, sizeof(*l));
	err = open_source(&l->source, opened, path);
	if (err)
		return err;
	l->model = ct_model__build(l->source, ct_source__names(l->source));
	if (!again)
		warn_incomplete(l->source, opened, path);
	ct_facts__compute(&l->facts, l->model);
	return 0;
}

int ct_study__open(struct ct_study *l, const struct ct_opened *opened, const char *path)
{
	return open_study(l, opened, path, false);
}

int ct_study__open_again(struct ct_study *l, const struct ct_opened *opened, const char *path)
{
	return open_study(l, opened, path, true);
}

void ct_study__close(struct ct_study *l)
{
	if (l->model) {
		ct_facts__clear(&l->facts);
		ct_model__free(l->model);
	}
	if (l->source)
		ct_source__free(l->source);
	memset(l, 0, sizeof(*l));
}
