/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose rights these are.  Under sudo ctrace has root's rights, but every file that it writes
 * belongs to the user who called sudo and is opened with no more than that user's rights: else a
 * link planted in a directory of theirs would let them write anywhere.  Not for the traced program
 * itself, which gives up its rights for good (capture/target.c).
 */
#ifndef CT_RIGHTS_H
#define CT_RIGHTS_H

#include <sys/types.h>
#include "ct_base.h"

struct ct_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary ones, gid among them */
	int group_cnt;
	char *name;   /* "": no such entry in the user database */
	char *home;   /* "" likewise */
	char *shell;  /* "" likewise */
	bool differs; /* not the user whose rights this process has: it was started by sudo */
};

/* Who called: the user in SUDO_UID and SUDO_GID when root runs under sudo, else the real user.
 * -EINVAL: these variables hold no ids (nobody is guessed then); out is empty. */
int ct_rights__caller(struct ct_user *out);
void ct_rights__clear(struct ct_user *user);

/* open(2), rename(2), unlink(2) with that user's rights, for the calling thread alone; 0 (a
 * descriptor) or -errno.  open_as adds O_CLOEXEC and O_NOFOLLOW: a path whose last part is a
 * symbolic link gives -ELOOP. */
int ct_rights__open_as(const struct ct_user *user, const char *path, int flags, mode_t mode);
int ct_rights__rename_as(const struct ct_user *user, const char *from, const char *to);
int ct_rights__unlink_as(const struct ct_user *user, const char *path);

/* Gives up root for that user's rights, for good and the whole process; 0, or -errno. */
int ct_rights__give_up(const struct ct_user *user);
/* Capabilities that a recording may go on to need (bits of a mask). */
#define CT_KEEP_PTRACE 1u     /* other users' processes: their memory, their mappings */
#define CT_KEEP_MAP_FILES 2u  /* mapped files that have no path any longer */
#define CT_KEEP_FILES_KILL 4u /* of root itself: files in any directory, signals to anybody */
#define CT_KEEP_FILES 8u      /* of root itself: files in any directory, of any owner */

/* For good, for the whole process: that user's ids, and no capability but those of `keep` that are
 * there now.  user->differs is false afterwards.  0 or -errno; then nothing may go on. */
int ct_rights__settle(struct ct_user *user, u32 keep);
/* The same, before bytes are read that a stranger may have made; and where the kernel has Landlock,
 * no file is written from then on but in `place` (a directory, or something that is no regular
 * file; NULL: nowhere), no program started and no connection made (confine.c). */
int ct_rights__confine(struct ct_user *user, u32 keep, const char *place);
/* Whether this process may look into those of others, as ptrace(2) would ask. */
bool ct_rights__may_ptrace_others(void);

#endif
