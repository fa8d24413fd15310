/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a sample states the truth about itself: lines on stdout that test_symbols reads.
 *     site TID CALL FUNCTION FILE LINE   the thread's stack holds this frame, and one of CALL
 *                                        ("-": any);
 *                                        FUNCTION ending in "(": the rest is anything
 *     data NAME ADDRESS OFFSET           ADDRESS is OFFSET bytes into the global NAME
 *     heap ADDRESS, stack TID ADDRESS    what these addresses are
 *     ready                              everything that will block does, or is about to
 */
#ifndef SITE_H
#define SITE_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sites_said;

/* One line of output is one write: threads do not interleave. */
__attribute__((noinline)) static void say_site(const char *call, const char *function,
	const char *path, int line)
{
	char text[256];
	const char *slash = strrchr(path, '/');
	int n = snprintf(text, sizeof(text), "site %ld %s %s %s %d\n", (long)syscall(SYS_gettid),
		call, function, slash ? slash + 1 : path, line);
	if (write(1, text, (size_t)n) != n)
		_exit(3);
	__atomic_add_fetch(&sites_said, 1, __ATOMIC_SEQ_CST);
}

/* Until that many threads have said where they block, and had time to. */
static inline void await_sites(int cnt)
{
	while (__atomic_load_n(&sites_said, __ATOMIC_SEQ_CST) < cnt)
		usleep(1000);
	usleep(20000);
}

/* The call stands `below` lines further down. */
#define SITE(call, function, below) say_site(call, function, __FILE__, __LINE__ + (below))

void site_lock(pthread_mutex_t *lock); /* in libsite.so: says its site, then locks */
void site_lock_last(pthread_mutex_t *lock); /* the same, as the last thing that it does */

#endif
