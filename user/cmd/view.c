/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace view TRACE`: writes the page of a trace and opens it in the browser of the user who
 * called, never as root: a browser with root's rights is a danger, and would not find the user's
 * session.  Where there is nobody's desktop, it says where the page is.  Also the page that each
 * recording leaves beside its trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/cmd.h"

#define OPENER "xdg-open" /* knows the desktop's browser; part of every desktop */

void ct_view_help(FILE *out)
{
	fputs("\nThe page is one file with everything in it: verdict, timeline, tables.  It needs\n"
	      "no network and can be mailed.  Under sudo it belongs to the user who called, and\n"
	      "is opened in that user's browser.\n",
		out);
}

/* ---- beside a recording ---- */

char *ct_view__write_beside(const struct ct_export_in *in, const char *trace)
{
	const struct ct_exporter *e = ct_exporter__find("html");
	char *path = ct_export__default_path(trace, e->suffix);
	int err = ct_html__present() ? 0 : -ENOSYS;

	if (!err && !ct_export__gives_way(e, path)) {
		ct_warn("no page was written: '%s' is there and not by ctrace", path);
		err = -EEXIST;
	}
	err = err ? err : ct_export__file(e, in, path, trace, true);
	if (!err)
		return path;
	free(path);
	return NULL;
}

/* ---- opening ---- */

static bool has_desktop(const struct ct_user *user)
{
	char *wayland = ct_asprintf("/run/user/%u/wayland-0", (u32)user->uid);
	bool there = getenv("DISPLAY") || getenv("WAYLAND_DISPLAY") || !access(wayland, F_OK);

	free(wayland);
	return there;
}

/* In the child: the user's rights for good, and the variables by which a desktop is found. */
static bool become(const struct ct_user *user)
{
	char *runtime = ct_asprintf("/run/user/%u", (u32)user->uid);
	char *bus = ct_asprintf("unix:path=%s/bus", runtime);

	if (user->differs) {
		if (setgroups(user->group_cnt, user->groups) ||
			setresgid(user->gid, user->gid, user->gid) ||
			setresuid(user->uid, user->uid, user->uid))
			return false;
		if (user->home[0])
			setenv("HOME", user->home, 1);
		if (user->name[0]) {
			setenv("USER", user->name, 1);
			setenv("LOGNAME", user->name, 1);
		}
		setenv("XDG_RUNTIME_DIR", runtime, 1);
		setenv("DBUS_SESSION_BUS_ADDRESS", bus, 0);
		if (!getenv("DISPLAY"))
			setenv("WAYLAND_DISPLAY", "wayland-0", 0);
	}
	free(runtime);
	free(bus);
	return geteuid() != 0;
}

/* The opener may stay for as long as the browser does: it is let go of, and only its failing to
 * start is told. */
static bool open_page(const struct ct_user *user, const char *path)
{
	int tell[2], quiet;
	char failed = 0;
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC))
		return false;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setsid();
		quiet = open("/dev/null", O_RDWR);
		for (int fd = 0; quiet >= 0 && fd < 3; fd++)
			dup2(quiet, fd);
		if (become(user))
			execlp(OPENER, OPENER, path, (char *)NULL);
		_exit(write(tell[1], "x", 1) == 1 ? 1 : 2);
	}
	close(tell[1]);
	if (pid > 0 && read(tell[0], &failed, 1) == 1)
		waitpid(pid, NULL, 0);
	close(tell[0]);
	return pid > 0 && !failed;
}

static void show(const struct ct_opts *opts, const char *path)
{
	char *whole = realpath(path, NULL);
	const char *where = whole ? whole : path;
	struct ct_user user;

	if (ct_rights__caller(&user)) {
		ct_info("the page is in %s", where);
	} else {
		if (user.uid && has_desktop(&user) && open_page(&user, where))
			ct_info("opening %s in the browser", where);
		else
			ct_info("the page is in %s: open it in a browser", where);
		ct_rights__clear(&user);
	}
	free(whole);
}

static int write_page(const struct ct_opts *opts, const char *path)
{
	const struct ct_exporter *e = ct_exporter__find("html");
	const struct ct_traces traces = { &opts->trace, 1 };
	struct ct_opened opened = { 0 };
	struct ct_study l;
	int err = ct_opened__begin(&opened, &traces, path, opts->output ? NULL : e);

	err = err ? err : ct_study__open(&l, &opened, opts->trace);
	if (!err) {
		const struct ct_export_in in = { .facts = &l.facts, .source = l.source };

		err = ct_export__file(e, &in, path, opts->trace, !opts->output);
		ct_study__close(&l);
	}
	ct_opened__end(&opened);
	return err;
}

/* In a process of its own: what reads a trace gives up more than a browser can do without. */
static int write_page_apart(const struct ct_opts *opts, const char *path)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int err = write_page(opts, path);

		fflush(NULL);
		_exit(err ? CT_EXIT_FAILED : 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		ct_error("cannot write the page: %s", strerror(errno));
	else if (WIFSIGNALED(status))
		ct_error("cannot write the page: %s", strsignal(WTERMSIG(status)));
	return pid < 0 || status ? -EIO : 0;
}

int ct_cmd_view(const struct ct_opts *opts)
{
	const struct ct_exporter *e = ct_exporter__find("html");
	char *path = opts->output ? ct_strdup(opts->output)
				  : ct_export__default_path(opts->trace, e->suffix);
	int err = write_page_apart(opts, path);

	if (!err && !ct_export__is_stream(path))
		show(opts, path);
	free(path);
	return err ? CT_EXIT_FAILED : 0;
}
