/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what comes before a command reads a trace, which may be anybody's and made to harm: whether
 * its output can be written is found out, the traces are opened, with whatever rights ctrace was
 * called, and then these are given up.  Not a byte of a trace is read before.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/cmd.h"

#define FILES_TO_READ 16 /* that reading one trace and writing its output take */

/* A directory may have more traces than a process may open as a rule.  How many may be now. */
static u64 allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > FILES_TO_READ ? limit.rlim_cur - FILES_TO_READ : 0;
}

/* What cannot be opened now is tried again when it is read, with the rights that are left then, and
 * who reads it says so. */
static void open_all(struct ct_opened *opened, const struct ct_traces *traces)
{
	u64 most = allow_many_files();

	for (u32 i = 0; i < traces->cnt; i++) {
		int fd = ct_source__open_file(traces->at[i]);

		if (fd >= 0 && (u64)fd >= most) {
			close(fd);
			break;
		}
		if (fd >= 0)
			*ct_vec_push(&opened->at) = (struct ct_opened_file){ traces->at[i], fd };
	}
}

/* Where files are made for this output: its directory, or what is no regular file itself. */
static char *place_of(const char *output)
{
	const char *slash = strrchr(output, '/');
	struct stat st;

	if (!lstat(output, &st) && !S_ISREG(st.st_mode))
		return ct_strdup(output);
	return slash ? ct_strndup(output, slash - output + 1) : ct_strdup(".");
}

static int confine(struct ct_user *user, const char *output)
{
	char *place = output && !ct_export__is_stream(output) ? place_of(output) : NULL;
	bool other = user->differs, is_root = !geteuid() && !other;
	int err = ct_rights__confine(user, is_root && place ? CT_KEEP_FILES : 0, place);

	free(place);
	if (err)
		ct_error("cannot give up the rights that reading a trace does not need: %s%s",
			strerror(-err), other ? "; unset SUDO_UID and SUDO_GID" : "");
	return err;
}

int ct_opened__begin(struct ct_opened *opened, const struct ct_traces *traces, const char *output,
	const struct ct_exporter *own)
{
	struct ct_user user;
	int err = ct_rights__caller(&user);

	*opened = (struct ct_opened){ 0 };
	if (err) {
		ct_error("SUDO_UID and SUDO_GID do not name the user who called; unset them");
		return err;
	}
	err = ct_export__check(output ? output : "-", traces, own);
	if (!err && !geteuid())
		open_all(opened, traces);
	err = err ? err : confine(&user, output);
	ct_rights__clear(&user);
	return err;
}

/* A second descriptor, for who reads it will close it. */
int ct_opened__fd(const struct ct_opened *opened, const char *path)
{
	for (u32 i = 0; i < opened->at.cnt; i++)
		if (!strcmp(opened->at.at[i].path, path))
			return fcntl(opened->at.at[i].fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

void ct_opened__end(struct ct_opened *opened)
{
	for (u32 i = 0; i < opened->at.cnt; i++)
		close(opened->at.at[i].fd);
	ct_vec_free(&opened->at);
}
