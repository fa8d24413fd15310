/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ct_source: the next event in order, wherever it comes from.  Tells a .ctrace file from a text
 * trace by its first bytes, opens the one or the other, and words what is wrong with a file for the
 * user.  Holds no format knowledge beyond that first look.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"
#include "reader.h"

#define TEXT_SIZE_MAX (1ull << 30) /* it is held in memory */
#define LOOK_SIZE 4

struct ct_source {
	struct ct_reader *reader; /* of a file; NULL: a text trace */
	struct ct_order *order;
	struct ct_loaded loaded; /* of a text trace */
	u32 next_idx;
	u32 owner;
};

bool ct_source__is_trace(int fd)
{
	char start[CT_FILE_MAGIC_LEN];

	return pread(fd, start, sizeof(start), 0) == sizeof(start) &&
	       !memcmp(start, CT_FILE_MAGIC, sizeof(start));
}

/* *why = "PATH: TEXT"; returns err. */
static int explain(char **why, const char *path, int err, const char *text)
{
	char safe[256];
	*why = ct_asprintf("%s: %s", ct_fmt_safe(safe, sizeof(safe), path), text);
	return err;
}

/* A regular file with something in it; fd stays the caller's. */
static int look_at_file(int fd, const char *path, struct stat *st, char **why)
{
	int err = 0;
	const char *text = NULL;

	if (fstat(fd, st))
		err = -errno, text = strerror(errno);
	else if (S_ISDIR(st->st_mode))
		err = -EISDIR, text = "is a directory, not a trace";
	else if (!S_ISREG(st->st_mode))
		err = -EPROTO, text = "is not a regular file, so not a trace";
	else if (!st->st_size)
		err = -ENODATA, text = "is empty: nothing was recorded";
	return err ? explain(why, path, err, text) : 0;
}

/* Blank or printable from the start; bytes beyond ASCII may be UTF-8 in a comment. */
static bool looks_like_text(const u8 *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isprint(bytes[i]) && !isspace(bytes[i]) && bytes[i] < 0x80)
			return false;
	return size && bytes[0] < 0x80;
}

static int read_whole(int fd, size_t size, struct ct_buf *text)
{
	ct_buf_reserve(text, size);
	while (text->len < size) {
		ssize_t n = pread(fd, text->at + text->len, size - text->len, (off_t)text->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break; /* it became shorter meanwhile */
		text->len += (size_t)n;
	}
	return 0;
}

static int open_text(
	struct ct_source *s, int fd, const struct stat *st, const char *path, char **why)
{
	struct ct_buf text = { 0 };
	if ((u64)st->st_size > TEXT_SIZE_MAX)
		return explain(why, path, -EFBIG, "a text trace of more than 1 GiB");
	int err = read_whole(fd, (size_t)st->st_size, &text);
	if (err) {
		explain(why, path, err, strerror(-err));
	} else {
		char *text_why = NULL;
		err = ct_text__parse(&s->loaded, (const char *)text.at, text.len, &text_why);
		if (err)
			explain(why, path, err, text_why);
		free(text_why);
	}
	ct_buf_free(&text);
	return err;
}

/* fd becomes the reader's. */
static int open_binary(
	struct ct_source *s, int fd, const struct stat *st, const char *path, char **why)
{
	char *text = NULL;
	int err = ct_reader__new(&s->reader, fd, (u64)st->st_size, &text);
	if (err)
		explain(why, path, err, text);
	else
		s->order = ct_order__new(s->reader);
	free(text);
	return err;
}

/* fd is used up. */
static int open_by_look(
	struct ct_source *s, int fd, const struct stat *st, const char *path, char **why)
{
	u8 look[LOOK_SIZE];
	ssize_t size = pread(fd, look, sizeof(look), 0);
	int err = size < 0 ? -errno : 0;
	if (!err && !looks_like_text(look, (size_t)size))
		return open_binary(s, fd, st, path, why);
	if (!err)
		err = open_text(s, fd, st, path, why);
	else
		explain(why, path, err, strerror(-err));
	close(fd);
	return err;
}

int ct_source__open_fd(struct ct_source **out, int fd, const char *path, char **why)
{
	struct stat st;
	char *text = NULL;
	struct ct_source *s = NULL;
	int err = look_at_file(fd, path, &st, &text);
	if (err) {
		close(fd);
	} else {
		s = ct_alloc(sizeof(*s));
		s->owner = st.st_uid;
		err = open_by_look(s, fd, &st, path, &text);
	}
	if (err) {
		ct_source__free(s);
		s = NULL;
	}
	*out = s;
	if (why)
		*why = text;
	else
		free(text);
	return err;
}

int ct_source__open_file(const char *path)
{
	/* O_NONBLOCK: a FIFO that nobody writes to must not hang the open. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int ct_source__open(struct ct_source **out, const char *path, char **why)
{
	char *text = NULL;
	int fd = ct_source__open_file(path);

	if (fd >= 0)
		return ct_source__open_fd(out, fd, path, why);
	explain(&text, path, fd, strerror(-fd));
	*out = NULL;
	if (why)
		*why = text;
	else
		free(text);
	return fd;
}

const struct ct_event *ct_source__next(struct ct_source *s)
{
	if (s->reader)
		return ct_order__next(s->order);
	if (s->next_idx >= s->loaded.events.cnt)
		return NULL;
	return &s->loaded.events.at[s->next_idx++];
}

int ct_source__rewind(struct ct_source *s)
{
	if (s->reader) {
		ct_order__free(s->order);
		s->order = ct_order__new(s->reader);
	}
	s->next_idx = 0;
	return 0;
}

const struct ct_run *ct_source__run(const struct ct_source *s)
{
	return s->reader ? ct_reader__run(s->reader) : &s->loaded.run;
}

const struct ct_names *ct_source__names(const struct ct_source *s)
{
	return s->reader ? ct_reader__names(s->reader) : s->loaded.names;
}

bool ct_source__complete(const struct ct_source *s)
{
	return s->reader ? ct_reader__complete(s->reader) : s->loaded.complete;
}

const char *ct_source__damage(const struct ct_source *s)
{
	return s->reader ? ct_reader__damage(s->reader) : NULL;
}

u32 ct_source__owner(const struct ct_source *s)
{
	return s->owner;
}

void ct_source__free(struct ct_source *s)
{
	if (!s)
		return;
	ct_order__free(s->order);
	ct_reader__free(s->reader);
	ct_loaded__clear(&s->loaded);
	free(s);
}
