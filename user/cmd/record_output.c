/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns which file a recording goes to, and that nothing is lost by it: only a trace is written
 * over, the one before is kept where nobody named the file, two recordings never share one, and
 * what was removed meanwhile is written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/record_int.h"

static char *default_path(const struct recording *r)
{
	const char *name = r->run.argv[0], *slash = strrchr(name, '/');

	name = slash ? slash + 1 : name;
	return ct_asprintf("%s.ctrace", name[0] ? name : "trace");
}

/* Where nobody named the file, the recording before this one is kept: one may want to compare. */
static void keep_previous(struct recording *r)
{
	if ((r->opts->output && !r->opts->keep_old) || access(r->path, F_OK))
		return;
	r->previous = ct_asprintf("%s.old", r->path);
	if (ct_rights__rename_as(&r->user, r->path, r->previous)) {
		free(r->previous);
		r->previous = NULL;
	}
}

/* A name typed wrong must not cost a source file or a disk: only a trace, or nothing, is written
 * over.  A FIFO would be full soon, and we wait for its reader for ever. */
static bool may_overwrite(int fd)
{
	struct stat st;

	return fstat(fd, &st) || !st.st_size || ct_source__is_trace(fd);
}

/* In a directory that all may write to, somebody may have put a file of theirs there first: the
 * trace would be theirs. */
static bool is_own(const struct recording *r)
{
	struct stat st;

	return fstat(r->fd, &st) || !S_ISREG(st.st_mode) || st.st_uid == r->user.uid;
}

/* The file is read back when it is whole: a FIFO or a device would swallow the recording. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) || S_ISREG(st.st_mode);
}

/* Held while this process lives: who reads the trace meanwhile can tell why it has no end, and a
 * second recording cannot be written over the first.  A file system without locks does without. */
static bool claim(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	return fstat(fd, &st) || !S_ISREG(st.st_mode) || !fcntl(fd, F_OFD_SETLK, &lock) ||
	       (errno != EAGAIN && errno != EACCES);
}

static int refuse_output(struct recording *r, const char *why)
{
	ct_error("will not write over '%s': %s; name another place with -o FILE", r->path, why);
	return -EEXIST;
}

int record_open_output(struct recording *r)
{
	if (ct_export__is_stream(r->opts->output)) {
		ct_error("a recording needs a file, so not '-o %s'; --json and 'ctrace export' "
			 "write to standard output",
			r->opts->output);
		return -EINVAL;
	}
	r->path = r->opts->output ? ct_strdup(r->opts->output) : default_path(r);
	keep_previous(r);
	r->fd = ct_rights__open_as(&r->user, r->path, O_RDWR | O_CREAT | O_EXCL, 0644);
	r->created = r->fd >= 0;
	if (r->fd == -EEXIST)
		r->fd = ct_rights__open_as(
			&r->user, r->path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0644);
	if (r->fd < 0) {
		ct_error("cannot write the trace to '%s': %s; name another place with -o FILE",
			r->path, r->fd == -ELOOP ? "it is a symbolic link" : strerror(-r->fd));
		return r->fd;
	}
	if (!is_file(r->fd))
		return refuse_output(r, "it is no regular file");
	if (!r->created && !may_overwrite(r->fd))
		return refuse_output(r, "it is not a trace");
	if (!r->created && !is_own(r))
		return refuse_output(r, "it belongs to another user");
	if (!claim(r->fd))
		return refuse_output(r, "another ctrace is recording to it");
	return 0;
}

/* ---- is it still there? ---- */

static bool is_at(const struct recording *r, const char *path)
{
	struct stat held, named;

	return !fstat(r->fd, &held) && !lstat(path, &named) && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

/* A file of no name cannot be given one again (linkat(2)): its bytes can. */
static int copy_to(struct recording *r, const char *path)
{
	struct stat st;
	off_t at = 0;
	int err = 0, fd = ct_rights__open_as(&r->user, path, O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return fd;
	if (fstat(r->fd, &st))
		err = -errno;
	while (!err && at < st.st_size) {
		ssize_t n = sendfile(fd, r->fd, &at, (size_t)(st.st_size - at));

		if (n <= 0)
			err = n < 0 ? -errno : -EIO;
	}
	if (err) {
		close(fd);
		ct_rights__unlink_as(&r->user, path);
		return err;
	}
	close(r->fd);
	r->fd = fd;
	return 0;
}

/* Where the file went, if it was only renamed; free it. */
static char *find_moved(const struct recording *r)
{
	char self[64], *path = ct_alloc(PATH_MAX);
	ssize_t len;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", r->fd);
	len = readlink(self, path, PATH_MAX - 1);
	path[len > 0 ? len : 0] = '\0';
	if (is_at(r, path))
		return path;
	free(path);
	return NULL;
}

static void rename_to(struct recording *r, char *path)
{
	free(r->path);
	r->path = path;
}

void record_keep_output(struct recording *r)
{
	struct stat st;
	char *other;
	int err;

	if (is_at(r, r->path))
		return;
	if (!fstat(r->fd, &st) && st.st_nlink && (other = find_moved(r))) {
		ct_warn("'%s' was moved while it was recorded; it is '%s' now", r->path, other);
		rename_to(r, other);
		return;
	}
	err = copy_to(r, r->path);
	if (!err) {
		ct_warn("'%s' was removed while it was recorded; it has been written again",
			r->path);
		return;
	}
	other = ct_asprintf("%s.kept", r->path);
	if (err == -EEXIST && !copy_to(r, other)) {
		ct_warn("another file took the place of '%s' while it was recorded; the trace is "
			"in '%s'",
			r->path, other);
		rename_to(r, other);
		return;
	}
	free(other);
	ct_error("'%s' was removed while it was recorded, and cannot be written again: %s; the "
		 "recording is lost",
		r->path, strerror(-err));
	r->lost = true;
}

/* The program did not start: what was there before stays. */
void record_discard_output(struct recording *r)
{
	if (r->created)
		ct_rights__unlink_as(&r->user, r->path);
	if (r->previous)
		ct_rights__rename_as(&r->user, r->previous, r->path);
}
