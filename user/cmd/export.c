/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace export TRACE -f FORMAT`: a trace in another form.
 *
 * A file is written under another name beside the wanted one and renamed when it is complete, so
 * that neither a full disk nor Ctrl-C leaves half of one, and an older export stays until the new
 * one is there.  What is no regular file (/dev/null, a FIFO) is written to as it is.  Under sudo
 * all this is done with the caller's rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/cmd.h"

/* stdio keeps no reason for what it could not write. */
struct sink {
	int fd;
	int err; /* -errno of the first failure */
};

static ssize_t write_sink(void *cookie, const char *bytes, size_t size)
{
	struct sink *s = cookie;
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(s->fd, bytes + done, size - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (!n || errno != EINTR) {
			s->err = s->err ? s->err : n ? -errno : -EIO;
			return 0; /* "an error", which -1 is not here (fopencookie(3)) */
		}
	}
	return (ssize_t)size;
}

static FILE *open_sink(struct sink *s, int fd)
{
	const cookie_io_functions_t io = { .write = write_sink };

	*s = (struct sink){ .fd = fd };
	return fopencookie(s, "w", io);
}

/* err, or the reason of what the exporters only know as failed. */
static int close_sink(struct sink *s, FILE *file, int err)
{
	if (fclose(file) && !err)
		err = -EIO;
	return s->err && (!err || err == -EIO) ? s->err : err;
}

struct target {
	struct ct_user user;
	char *path;
	char *temp;	  /* what is written; NULL: path itself */
	sigset_t signals; /* as they were, while there is a temp */
	struct sink sink;
	FILE *file;
	mode_t mode; /* of the file that is replaced; 0: there is none */
	uid_t uid;
	gid_t gid;
};

void ct_export_help(FILE *out)
{
	fputs("\nFormats:\n", out);
	for (const struct ct_exporter *e = ct_exporters; e->name; e++)
		fprintf(out, "  %-23s %s\n", e->name, e->meaning);
}

static char *list_formats(void)
{
	char *list = ct_strdup(""), *longer;

	for (const struct ct_exporter *e = ct_exporters; e->name; e++) {
		longer = ct_asprintf("%s%s%s", list, list[0] ? ", " : "", e->name);
		free(list);
		list = longer;
	}
	return list;
}

static const struct ct_exporter *pick_exporter(const struct ct_opts *opts)
{
	const struct ct_exporter *e = opts->format ? ct_exporter__find(opts->format) : NULL;
	char *list;

	if (e)
		return e;
	list = list_formats();
	if (opts->format)
		ct_error("there is no format '%s' in this version; -f takes one of %s",
			opts->format, list);
	else
		ct_error("export to which format? -f takes one of %s", list);
	free(list);
	return NULL;
}

/* "run.ctrace" -> "run.json" */
char *ct_export__default_path(const char *trace, const char *suffix)
{
	static const char *const ours[] = { ".ctrace", ".ctt" };
	size_t len = strlen(trace), end;

	for (size_t i = 0; i < CT_COUNT(ours); i++) {
		end = strlen(ours[i]);
		if (len > end && !strcmp(trace + len - end, ours[i]) &&
			trace[len - end - 1] != '/') {
			len -= end;
			break;
		}
	}
	return ct_asprintf("%.*s%s", (int)len, trace, suffix);
}

/* Whether the file at path, if there is one, may be replaced.  *direct: it is no regular file; a
 * FIFO that somebody put where a file is expected would keep us waiting for a reader. */
static int check_existing(
	struct target *t, const struct ct_traces *traces, bool unasked, bool *direct)
{
	struct stat st, of_trace;
	int fd;

	*direct = false;
	if (lstat(t->path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	for (u32 i = 0; i < traces->cnt; i++)
		if (!stat(traces->at[i], &of_trace) && st.st_dev == of_trace.st_dev &&
			st.st_ino == of_trace.st_ino)
			return -EEXIST;
	*direct = !S_ISREG(st.st_mode);
	if (*direct)
		return unasked ? -ENOTSUP : 0;
	t->mode = st.st_mode & 0777;
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	/* a rename asks for rights on the directory alone; a read-only file shall stay */
	fd = ct_rights__open_as(&t->user, t->path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static char *temp_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	return ct_asprintf(
		"%.*s.ctrace-%d.tmp", slash ? (int)(slash + 1 - path) : 0, path, (int)getpid());
}

/* Ctrl-C waits for the moment that takes: who is killed cannot delete what he has begun. */
static void hold_signals(sigset_t *before)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, before);
}

static int open_target(struct target *t, const struct ct_traces *traces, bool unasked)
{
	const char *path = t->path;
	bool direct;
	int fd, flags = O_WRONLY | O_NOCTTY;
	int err = check_existing(t, traces, unasked, &direct);

	if (err)
		return err;
	if (!direct) {
		path = t->temp = temp_path(t->path);
		flags |= O_CREAT | O_EXCL;
		hold_signals(&t->signals);
	}
	fd = ct_rights__open_as(&t->user, path, flags, 0666);
	if (fd < 0)
		return fd;
	/* it takes the place of somebody's file: theirs, if root did it */
	if (t->temp && t->mode && (fchmod(fd, t->mode) ||
			(!geteuid() && !t->user.differs && fchown(fd, t->uid, t->gid))))
		ct_debug("cannot keep the owner and mode of '%s': %s", t->path, strerror(errno));
	t->file = open_sink(&t->sink, fd);
	return t->file ? 0 : -errno;
}

/* Gives the file its name, or takes it away when err is set; returns err or what went wrong here.
 */
static int close_target(struct target *t, int err)
{
	if (t->file) {
		err = close_sink(&t->sink, t->file, err);
		if (close(t->sink.fd) && !err)
			err = -errno;
	}
	if (!t->temp)
		return err;
	if (!err)
		err = ct_rights__rename_as(&t->user, t->temp, t->path);
	if (err && t->file)
		ct_rights__unlink_as(&t->user, t->temp);
	free(t->temp);
	sigprocmask(SIG_SETMASK, &t->signals, NULL);
	return err;
}

/* By who writes: no viewer, too long a trace, a trace that cannot be read again. */
static bool was_said(int err)
{
	return err == -ENOSYS || err == -EOVERFLOW || err == -ECANCELED;
}

static void explain(const char *path, int err)
{
	if (was_said(err))
		return;
	if (err == -EEXIST)
		ct_error("'%s' is the trace itself; name another file", path);
	else if (err == -ELOOP)
		ct_error("'%s' is a symbolic link, which is not followed; name the file itself",
			path);
	else if (err == -ENOTSUP)
		ct_error("'%s' is there and is no regular file; name another file with -o", path);
	else
		ct_error("cannot write '%s': %s", path, strerror(-err));
}

int ct_export__write(
	const struct ct_writer *w, const char *path, const struct ct_traces *traces)
{
	struct target t = { .path = (char *)path };
	void (*limit)(int);
	int err = ct_rights__caller(&t.user);

	if (err) {
		ct_error("SUDO_UID and SUDO_GID do not name the user who called; unset them");
		return err;
	}
	limit = signal(SIGXFSZ, SIG_IGN); /* told by write(2) instead */
	err = open_target(&t, traces, w->unasked);
	if (!err)
		err = w->write(w->what, t.file);
	err = close_target(&t, err);
	signal(SIGXFSZ, limit);
	if (err)
		explain(path, err);
	ct_rights__clear(&t.user);
	return err;
}

struct exported {
	const struct ct_exporter *e;
	const struct ct_export_in *in;
};

static int write_exported(const void *what, FILE *out)
{
	const struct exported *x = what;

	return x->e->write(x->in, out);
}

int ct_export__file(const struct ct_exporter *e, const struct ct_export_in *in, const char *path,
	const char *trace, bool unasked)
{
	const struct exported x = { e, in };
	const struct ct_writer w = { write_exported, &x, unasked };
	const struct ct_traces traces = { &trace, trace != NULL };

	return ct_export__write(&w, path, &traces);
}

int ct_export__json(
	const struct ct_opts *opts, const struct ct_export_in *in, const char *trace, FILE *out)
{
	const struct ct_exporter *e = ct_exporter__find("json");

	if (opts->json_file)
		return ct_export__file(e, in, opts->json_file, trace, false) ? -ECANCELED : 0;
	return e->write(in, out);
}

bool ct_export__is_stdout(const char *output)
{
	return output && (!strcmp(output, "-") || !strcmp(output, "/dev/stdout"));
}

int ct_export__stdout(const struct ct_writer *w)
{
	struct sink sink;
	FILE *out;
	int err;

	signal(SIGPIPE, SIG_DFL); /* `| head`: end quietly, whatever our caller had set */
	fflush(stdout);
	out = open_sink(&sink, STDOUT_FILENO);
	err = out ? w->write(w->what, out) : -errno;
	if (out)
		err = close_sink(&sink, out, err);
	if (err && !was_said(err))
		ct_error("cannot write to standard output: %s", strerror(-err));
	return err;
}

int ct_export__json_out(
	const struct ct_opts *opts, const struct ct_writer *w, const struct ct_traces *traces)
{
	if (opts->json_file && !ct_export__is_stdout(opts->json_file))
		return ct_export__write(w, opts->json_file, traces);
	return ct_export__stdout(w);
}

static int export_study(
	const struct ct_exporter *e, const struct ct_study *l, const struct ct_opts *opts)
{
	const struct ct_export_in in = { .facts = &l->facts, .source = l->source };
	const struct exported x = { e, &in };
	const struct ct_writer w = { .write = write_exported, .what = &x };
	char *path;
	int err;

	if (ct_export__is_stdout(opts->output))
		return ct_export__stdout(&w);
	path = opts->output ? ct_strdup(opts->output)
			    : ct_export__default_path(opts->trace, e->suffix);
	err = ct_export__file(e, &in, path, opts->trace, !opts->output);
	if (!err)
		ct_info("wrote %s", path);
	free(path);
	return err;
}

int ct_cmd_export(const struct ct_opts *opts)
{
	const struct ct_exporter *e = pick_exporter(opts);
	struct ct_study l;
	int err;

	if (!e || ct_study__open(&l, opts->trace))
		return CT_EXIT_FAILED;
	err = export_study(e, &l, opts);
	ct_study__close(&l);
	return err ? CT_EXIT_FAILED : 0;
}
