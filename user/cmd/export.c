/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace export TRACE -f FORMAT`: a trace in another form.
 *
 * A file is written under another name beside the wanted one and renamed when it is complete, so
 * that neither a full disk nor Ctrl-C leaves half of one, and an older export stays until the new
 * one is there.  What is no regular file (/dev/null, a FIFO) is written to as it is, and so is a
 * descriptor that the caller gave (-, /dev/stdout, what a shell makes of >(command)).  Under sudo
 * all this is done with the caller's rights.
 *
 * What is there already: a symbolic link is not followed, whoever asks, for root would write where
 * somebody else wants; a trace is not written over, for it cannot be made again.  Any other file
 * that the user named gives way, as with cc or tar; one that nobody named, only when ctrace wrote
 * it.  The recording has the same rules, where only a trace gives way (record_output.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* Why what is there stays, beside errors of the system. */
#define IS_OWN_TRACE -EEXIST
#define IS_TRACE -ENOTUNIQ
#define IS_FOREIGN -EALREADY
#define IS_NO_FILE -ENOTSUP

static int check_contents(const struct target *t, const struct ct_exporter *own)
{
	char head[CT_EXPORT_HEAD];
	ssize_t len;
	bool trace;
	int fd = ct_rights__open_as(&t->user, t->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return own ? fd : 0; /* may only be written to */
	trace = ct_source__is_trace(fd);
	len = pread(fd, head, sizeof(head), 0);
	close(fd);
	if (trace)
		return IS_TRACE;
	return !own || !len || (len > 0 && ct_exporter__wrote(own, head, len)) ? 0 : IS_FOREIGN;
}

static bool is_one_of(const struct stat *st, const struct ct_traces *traces)
{
	struct stat of_trace;

	for (u32 i = 0; i < traces->cnt; i++)
		if (!stat(traces->at[i], &of_trace) && st->st_dev == of_trace.st_dev &&
			st->st_ino == of_trace.st_ino)
			return true;
	return false;
}

/* Whether the file at path, if there is one, may be replaced.  *direct: it is no regular file; a
 * FIFO that somebody put where a file is expected would keep us waiting for a reader. */
static int check_existing(struct target *t, const struct ct_traces *traces,
	const struct ct_exporter *own, bool *direct)
{
	struct stat st;
	int fd, err;

	*direct = false;
	if (lstat(t->path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (is_one_of(&st, traces))
		return IS_OWN_TRACE;
	*direct = !S_ISREG(st.st_mode);
	if (*direct)
		return own ? IS_NO_FILE : 0;
	t->mode = st.st_mode & 0777;
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	err = check_contents(t, own);
	if (err)
		return err;
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

static int open_target(struct target *t, bool direct)
{
	const char *path = t->path;
	int fd, flags = O_WRONLY | O_NOCTTY;

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

static void explain(const char *path, int err, bool unasked)
{
	const char *next = unasked ? "name another place with -o FILE" : "name another file";

	if (was_said(err))
		return;
	if (err == IS_OWN_TRACE)
		ct_error("'%s' is the trace itself; %s", path, next);
	else if (err == IS_TRACE)
		ct_error("'%s' is a trace, which could not be made again; %s", path, next);
	else if (err == IS_FOREIGN)
		ct_error("'%s' is there and not by ctrace; %s", path, next);
	else if (err == IS_NO_FILE)
		ct_error("'%s' is there and is no regular file; %s", path, next);
	else if (err == -ELOOP)
		ct_error("'%s' is a symbolic link, which is not followed; name the file itself",
			path);
	else
		ct_error("cannot write '%s': %s; %s", path, strerror(-err), next);
}

/* ---- descriptors that were given ---- */

static bool is_descriptor(const char *path, int *fd)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
	unsigned long number;
	char *end;

	*fd = !strcmp(path, "/dev/stderr") ? STDERR_FILENO : STDOUT_FILENO;
	if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/stderr"))
		return true;
	for (size_t i = 0; i < CT_COUNT(folders); i++) {
		size_t len = strlen(folders[i]);

		if (strncmp(path, folders[i], len) || !strchr("0123456789", path[len]))
			continue;
		number = strtoul(path + len, &end, 10);
		*fd = (int)number;
		return end > path + len && !*end && number <= INT_MAX;
	}
	return false;
}

bool ct_export__is_stream(const char *output)
{
	int fd;

	return output && is_descriptor(output, &fd);
}

/* Those that ctrace opens itself are closed at exec: nobody can have given them. */
static int check_descriptor(int fd, const char *path, const struct ct_traces *traces)
{
	int flags = fcntl(fd, F_GETFD);
	struct stat st;

	if (flags < 0 || (fd > STDERR_FILENO && (flags & FD_CLOEXEC))) {
		ct_error("cannot write to %s: %s", path, strerror(EBADF));
		return -EBADF;
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && is_one_of(&st, traces)) {
		ct_error("%s is the trace itself; name another file",
			fd == STDOUT_FILENO ? "standard output" : path);
		return IS_OWN_TRACE;
	}
	return 0;
}

static int write_to_descriptor(const struct ct_writer *w, int fd, const char *path)
{
	struct sink sink;
	FILE *out;
	int err;

	fflush(stdout);
	out = open_sink(&sink, fd);
	err = out ? w->write(w->what, out) : -errno;
	if (out)
		err = close_sink(&sink, out, err);
	if (err && !was_said(err))
		ct_error("cannot write to %s: %s",
			fd == STDOUT_FILENO ? "standard output" : path, strerror(-err));
	return err;
}

/* ---- files ---- */

static int take_user(struct target *t)
{
	int err = ct_rights__caller(&t->user);

	if (err)
		ct_error("SUDO_UID and SUDO_GID do not name the user who called; unset them");
	return err;
}

int ct_export__write(
	const struct ct_writer *w, const char *path, const struct ct_traces *traces)
{
	struct target t = { .path = (char *)path };
	void (*limit)(int);
	bool direct;
	int fd, err;

	if (is_descriptor(path, &fd))
		return check_descriptor(fd, path, traces) ?: write_to_descriptor(w, fd, path);
	err = take_user(&t);
	if (err)
		return err;
	limit = signal(SIGXFSZ, SIG_IGN); /* told by write(2) instead */
	err = check_existing(&t, traces, w->own, &direct);
	err = err ? err : open_target(&t, direct);
	if (!err)
		err = w->write(w->what, t.file);
	err = close_target(&t, err);
	signal(SIGXFSZ, limit);
	if (err)
		explain(path, err, w->own != NULL);
	ct_rights__clear(&t.user);
	return err;
}

/* By making the file and taking it away: nothing else tells of read-only file systems, quotas and
 * missing rights alike.  Not so what is no file: opening a FIFO is an event for its reader. */
int ct_export__check(
	const char *path, const struct ct_traces *traces, const struct ct_exporter *own)
{
	struct target t = { .path = (char *)path };
	bool direct;
	int fd, err;

	if (is_descriptor(path, &fd))
		return check_descriptor(fd, path, traces);
	err = take_user(&t);
	if (err)
		return err;
	err = check_existing(&t, traces, own, &direct);
	if (!err && !direct) {
		err = open_target(&t, direct);
		err = close_target(&t, err ? err : -ECANCELED);
		err = err == -ECANCELED ? 0 : err;
	}
	if (err)
		explain(path, err, own != NULL);
	ct_rights__clear(&t.user);
	return err;
}

bool ct_export__gives_way(const struct ct_exporter *own, const char *path)
{
	struct target t = { .path = (char *)path };
	const struct ct_traces none = { 0 };
	bool direct;
	int err;

	if (ct_rights__caller(&t.user))
		return true; /* who writes says what is wrong */
	err = check_existing(&t, &none, own, &direct);
	ct_rights__clear(&t.user);
	return err != -ELOOP && err != IS_TRACE && err != IS_FOREIGN && err != IS_NO_FILE;
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
	const struct ct_writer w = { write_exported, &x, unasked ? e : NULL };
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

int ct_export__stdout(const struct ct_writer *w)
{
	signal(SIGPIPE, SIG_DFL); /* `| head`: end quietly, whatever our caller had set */
	return write_to_descriptor(w, STDOUT_FILENO, "-");
}

int ct_export__json_out(
	const struct ct_opts *opts, const struct ct_writer *w, const struct ct_traces *traces)
{
	return opts->json_file ? ct_export__write(w, opts->json_file, traces)
			       : ct_export__stdout(w);
}

int ct_cmd_export(const struct ct_opts *opts)
{
	const struct ct_exporter *e = pick_exporter(opts);
	const struct ct_traces traces = { &opts->trace, 1 };
	struct ct_opened opened = { 0 };
	struct ct_study l;
	char *path;
	int err;

	if (!e)
		return CT_EXIT_FAILED;
	signal(SIGPIPE, SIG_DFL); /* `| head`: end quietly, whatever our caller had set */
	path = opts->output ? ct_strdup(opts->output)
			    : ct_export__default_path(opts->trace, e->suffix);
	err = ct_opened__begin(&opened, &traces, path, opts->output ? NULL : e);
	err = err ? err : ct_study__open(&l, &opened, opts->trace);
	if (!err) {
		const struct ct_export_in in = { .facts = &l.facts, .source = l.source };

		err = ct_export__file(e, &in, path, opts->trace, !opts->output);
		ct_study__close(&l);
	}
	if (!err && !ct_export__is_stream(path))
		ct_info("wrote %s", path);
	ct_opened__end(&opened);
	free(path);
	return err ? CT_EXIT_FAILED : 0;
}
