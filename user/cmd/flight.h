/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flight recorder (--max-size): of a long recording the newest part is kept. The trace is
 * written in generations of half the size; when one is full, the one before it goes. In the end the
 * last two become one trace.
 */
#ifndef CT_FLIGHT_H
#define CT_FLIGHT_H

#include "base/rights.h"
#include "ct_trace.h"

struct ct_flight {
	u64 most;		/* bytes of a generation; 0: everything is kept */
	int older_fd;		/* the generation before; -1: there is none */
	ct_ns older_start_ns;	/* when it began */
	ct_ns start_ns;		/* when the present one began */
};
void ct_flight__begin(struct ct_flight *f, u64 max_size, ct_ns start_ns);
bool ct_flight__is_full(const struct ct_flight *f, const struct ct_writer *w);
/* The file at path becomes path.part, in place of the one that was; *fd is a new, empty one. 0 or
 * -errno; then nothing has changed. */
int ct_flight__turn(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd,
	ct_ns now);
/* Both generations as one trace at path, in *fd and *w; path.part goes. Without an older one
 * nothing is done. 0 or -errno: then the newest stays at path, the older one at path.part.
 * run->start_ns and run->dropped_ns are set. */
int ct_flight__join(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd,
	struct ct_writer **w, struct ct_run *run);
/* After that: does the older one hold more than the newest, in fd?  And: the older one becomes path
 * and *fd, the newest path.part.  0 or -errno: then nothing has changed. */
bool ct_flight__older_is_larger(const struct ct_flight *f, int fd);
int ct_flight__swap(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd);
/* After it, too, when nothing could be written to the newest: the older one becomes path and *fd.
 * 0 or -errno; -ENOENT: there is none. */
int ct_flight__fall_back(
	struct ct_flight *f, const struct ct_user *user, const char *path, int *fd);

#endif
