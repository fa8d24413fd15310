/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what a process can still do that reads a stranger's trace: with the ids of the user who
 * called, no capabilities, no exec that gives rights, and, by Landlock, no file written but in the
 * places where its output goes, no program started, no connection made, no other process signalled.
 * All of it is for good.  Reading files stays allowed: the page has lines of source.
 *
 * What the kernel's Landlock cannot do is left out, by its version, as its manual says; a kernel
 * without it (before 5.13, or not switched on) leaves what the ids and capabilities do.  The
 * numbers are here because headers as old as the kernels that are aimed at lack them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rights.h"

#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define ASK_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG (1ull << 8)
#define FS_REMOVE_MAKE (0x1ff0ull) /* remove, and make, files of all kinds */
#define FS_REFER (1ull << 13)	   /* version 2 */
#define FS_TRUNCATE (1ull << 14)   /* 3 */
#define FS_IOCTL_DEV (1ull << 15)  /* 5 */
#define NET_TCP 3ull		   /* 4: bind, connect */
#define SCOPE_ALL 3ull		   /* 6: abstract sockets, signals */

struct ruleset {
	u64 fs, net, scoped;
};

struct beneath {
	u64 allowed;
	i32 parent_fd;
} __attribute__((packed));

/* The kernel takes a size that is larger than its own when what it does not know is zero. */
static struct ruleset forbidden(long version)
{
	struct ruleset r = { .fs = FS_EXECUTE | FS_WRITE_FILE | FS_REMOVE_MAKE };

	if (version >= 2)
		r.fs |= FS_REFER;
	if (version >= 3)
		r.fs |= FS_TRUNCATE;
	if (version >= 4)
		r.net = NET_TCP;
	if (version >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_ALL;
	return r;
}

/* A directory where a file is written under another name and renamed; or what is no file. */
static void allow_place(int ruleset, const char *place, u64 known)
{
	struct beneath rule = { .parent_fd = open(place, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (rule.parent_fd < 0)
		return; /* who writes there says what is wrong */
	rule.allowed = FS_WRITE_FILE | FS_TRUNCATE;
	if (!fstat(rule.parent_fd, &st) && S_ISDIR(st.st_mode))
		rule.allowed |= FS_MAKE_REG | FS_REMOVE_FILE;
	rule.allowed &= known;
	if (syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0))
		ct_debug("cannot allow writing to '%s'", place);
	close(rule.parent_fd);
}

static int open_ruleset(const char *place)
{
	long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
	struct ruleset r = forbidden(version);
	int fd = version < 1 ? -1 : (int)syscall(CREATE_RULESET, &r, sizeof(r), 0);

	if (fd >= 0 && place)
		allow_place(fd, place, r.fs);
	return fd;
}

int ct_rights__confine(struct ct_user *user, u32 keep, const char *place)
{
	int ruleset = open_ruleset(place); /* while the place can be reached */
	int err = ct_rights__settle(user, keep);

	if (ruleset < 0) {
		ct_debug("this kernel has no Landlock");
		return err;
	}
	if (!err && syscall(RESTRICT_SELF, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}
