/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the change of file rights to the user who called sudo, around one system call at a time.
 *
 * The file system ids (setfsuid(2)) are changed, not the effective ones: they belong to one thread,
 * leave CAP_SETUID and CAP_SETGID in place for the way back, and take away exactly the capabilities
 * that would override file permissions.  The C library's setgroups() would change every thread of
 * the process, so the system call is made directly.  Order: groups, gid, uid.  A change that cannot
 * be undone ends the program: it would go on with rights that nobody expects.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rights.h"

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

#ifndef CAP_CHECKPOINT_RESTORE /* 5.9 */
#define CAP_CHECKPOINT_RESTORE 40
#endif

struct saved_rights {
	uid_t fsuid;
	gid_t fsgid;
	gid_t *groups;
	int group_cnt;
};

static bool parse_id(const char *text, u32 *id)
{
	char *end;
	unsigned long v;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (*end || errno || v >= UINT32_MAX) /* (uid_t)-1 means "no change" to the kernel */
		return false;
	*id = v;
	return true;
}

static void list_groups(struct ct_user *user)
{
	int cap = 64, cnt = cap;

	user->groups = ct_alloc(cap * sizeof(gid_t));
	if (!user->name[0]) {
		user->groups[0] = user->gid;
		user->group_cnt = 1;
		return;
	}
	/* when there are more, cnt is how many */
	while (getgrouplist(user->name, user->gid, user->groups, &cnt) < 0 && cnt > cap &&
		cnt <= GROUPS_MAX) {
		cap = cnt;
		user->groups = ct_realloc(user->groups, cap * sizeof(gid_t));
	}
	user->group_cnt = cnt < cap ? cnt : cap;
}

static void fill_user(struct ct_user *out, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	out->uid = uid;
	out->gid = gid;
	out->name = ct_strdup(pw ? pw->pw_name : "");
	out->home = ct_strdup(pw ? pw->pw_dir : "");
	out->shell = ct_strdup(pw ? pw->pw_shell : "");
	list_groups(out);
}

int ct_rights__caller(struct ct_user *out)
{
	const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");
	u32 uid, gid;

	memset(out, 0, sizeof(*out));
	/* anybody can set the variables, but only root can act on them */
	if (getuid() != 0 || !sudo_uid) {
		fill_user(out, getuid(), getgid());
		return 0;
	}
	if (!parse_id(sudo_uid, &uid) || !parse_id(sudo_gid, &gid))
		return -EINVAL;
	fill_user(out, uid, gid);
	out->differs = uid != 0;
	return 0;
}

void ct_rights__clear(struct ct_user *user)
{
	free(user->groups);
	free(user->name);
	free(user->home);
	free(user->shell);
	memset(user, 0, sizeof(*user));
}

static void save_rights(struct saved_rights *s)
{
	s->fsuid = setfsuid(-1); /* an invalid id changes nothing and tells what is */
	s->fsgid = setfsgid(-1);
	s->group_cnt = getgroups(0, NULL);
	s->groups = ct_alloc((s->group_cnt + 1) * sizeof(gid_t));
	s->group_cnt = getgroups(s->group_cnt, s->groups);
}

static bool set_rights(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	return (gid_t)setfsgid(-1) == gid && (uid_t)setfsuid(-1) == uid;
}

static void restore_rights(struct saved_rights *s)
{
	if (!set_rights(s->fsuid, s->fsgid) ||
		syscall(SYS_setgroups, (size_t)s->group_cnt, s->groups)) {
		ct_error("cannot get back the rights that ctrace was started with");
		abort();
	}
	free(s->groups);
}

static int enter_rights(const struct ct_user *user, struct saved_rights *s)
{
	if (!user->differs)
		return 0;
	save_rights(s);
	if (syscall(SYS_setgroups, (size_t)user->group_cnt, user->groups)) {
		free(s->groups);
		return -EPERM;
	}
	if (set_rights(user->uid, user->gid))
		return 0;
	restore_rights(s);
	return -EPERM;
}

/* Returns rc, where a call's -1 is turned into -errno. */
static int leave_rights(const struct ct_user *user, struct saved_rights *s, int rc)
{
	int err = rc < 0 ? -errno : rc;

	if (user->differs)
		restore_rights(s);
	return err;
}

int ct_rights__open_as(const struct ct_user *user, const char *path, int flags, mode_t mode)
{
	struct saved_rights s;
	int err = enter_rights(user, &s);

	if (err)
		return err;
	return leave_rights(user, &s, open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

int ct_rights__rename_as(const struct ct_user *user, const char *from, const char *to)
{
	struct saved_rights s;
	int err = enter_rights(user, &s);

	if (err)
		return err;
	return leave_rights(user, &s, rename(from, to));
}

int ct_rights__unlink_as(const struct ct_user *user, const char *path)
{
	struct saved_rights s;
	int err = enter_rights(user, &s);

	if (err)
		return err;
	return leave_rights(user, &s, unlink(path));
}

int ct_rights__give_up(const struct ct_user *user)
{
	if (!user->differs)
		return 0;
	if (setgroups(user->group_cnt, user->groups) ||
		setresgid(user->gid, user->gid, user->gid) ||
		setresuid(user->uid, user->uid, user->uid))
		return -errno;
	return 0;
}

/* ---- for good ---- */

static u64 permitted_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data))
		return 0;
	return data[0].permitted | (u64)data[1].permitted << 32;
}

static int set_caps(u64 caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (int i = 0; i < 2; i++)
		data[i].permitted = data[i].effective = caps >> 32 * i;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static u64 caps_of(u32 keep)
{
	u64 caps = 0;

	if (keep & CT_KEEP_PTRACE)
		caps |= 1ull << CAP_SYS_PTRACE;
	if (keep & CT_KEEP_MAP_FILES)
		caps |= 1ull << CAP_CHECKPOINT_RESTORE;
	if (keep & CT_KEEP_FILES_KILL)
		caps |= 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_KILL;
	if (keep & CT_KEEP_FILES)
		caps |= 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_CHOWN | 1ull << CAP_FOWNER;
	return caps;
}

int ct_rights__settle(struct ct_user *user, u32 keep)
{
	u64 caps = permitted_caps() & caps_of(keep);

	if (user->differs) {
		/* else the change of ids takes all capabilities away */
		if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
			setgroups(user->group_cnt, user->groups) ||
			setresgid(user->gid, user->gid, user->gid) ||
			setresuid(user->uid, user->uid, user->uid))
			return -errno;
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
		user->differs = false;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return set_caps(caps);
}

bool ct_rights__may_ptrace_others(void)
{
	return permitted_caps() >> CAP_SYS_PTRACE & 1;
}
