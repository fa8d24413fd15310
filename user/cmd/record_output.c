/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns which file a recording goes to, and that nothing is lost by it: only a trace is written
 * over, the one before is kept where nobody named the file, two recordings never share one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

	if (fstat(fd, &st) || S_ISCHR(st.st_mode)) /* /dev/null and the like */
		return true;
	return S_ISREG(st.st_mode) && (!st.st_size || ct_source__is_trace(fd));
}

/* In a directory that all may write to, somebody may have put a file of theirs there first: the
 * trace would be theirs. */
static bool is_own(const struct recording *r)
{
	struct stat st;

	return fstat(r->fd, &st) || !S_ISREG(st.st_mode) || st.st_uid == r->user.uid;
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
	r->path = r->opts->output ? ct_strdup(r->opts->output) : default_path(r);
	keep_previous(r);
	r->fd = ct_rights__open_as(&r->user, r->path, O_RDWR | O_CREAT | O_EXCL, 0644);
	r->created = r->fd >= 0;
	if (r->fd == -EEXIST)
		r->fd = ct_rights__open_as(&r->user, r->path, O_RDWR, 0644);
	if (r->fd < 0) {
		ct_error("cannot write the trace to '%s': %s; name another place with -o FILE",
			r->path, r->fd == -ELOOP ? "it is a symbolic link" : strerror(-r->fd));
		return r->fd;
	}
	if (!r->created && !may_overwrite(r->fd))
		return refuse_output(r, "it is not a trace");
	if (!r->created && !is_own(r))
		return refuse_output(r, "it belongs to another user");
	if (!claim(r->fd))
		return refuse_output(r, "another ctrace is recording to it");
	return 0;
}

/* The program did not start: what was there before stays. */
void record_discard_output(struct recording *r)
{
	if (r->created)
		ct_rights__unlink_as(&r->user, r->path);
	if (r->previous)
		ct_rights__rename_as(&r->user, r->previous, r->path);
}
