/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing what takes long to close, aside: the last reference to a deleted file waits for its
 * pages to be written (200 to 450 ms on a busy disk), that to the link of a system call's
 * tracepoint for a grace period (17 to 60 ms).  A child that shares our descriptors closes it
 * meanwhile; until it has, all of them stay open, even when this process ends.
 */
#ifndef CT_ASIDE_H
#define CT_ASIDE_H

#include <sys/types.h>

/* Closes fd, which is not to be used from here on.  The child that does it, which the caller waits
 * for now or when SIGCHLD comes; -1: none could be had, and fd is closed. */
pid_t ct_aside__close(int fd);

#endif
