/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a demo states what it did, so that a test can hold a trace against it: JSON, one object a
 * line, on descriptor 3 when CTRACE_TRUTH=1 is in the environment and 3 is open; else nothing.
 *
 *     {"thread":"worker-1","tid":7,"pid":5,"t_ns":T,"voluntary":V,"involuntary":I,"cpu_ns":C}
 *          the kernel's own counters, exact at the moment T of CLOCK_MONOTONIC: the thread was not
 *          switched between reading them before T and reading them again after T; its CPU time at T
 *          lies between cpu_ns and cpu_end_ns
 *     {"lock":"big_lock","address":"0x404080"}
 *     {"site":"big_lock","function":"worker","line":42}       a line that takes this lock
 *     {"count":"lost","value":17}
 *
 * Each line is one write(2), so threads never mix theirs.  A thread states itself last, because
 * stating is work of its own.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRUTH_FD 3
#define TRUTH_TRIES 1000 /* readings until one is not cut by a switch; two are usual */

struct truth_switches {
	unsigned long voluntary, involuntary;
};

static inline int truth_wanted(void)
{
	const char *wanted = getenv("CTRACE_TRUTH");

	return wanted && strcmp(wanted, "1") == 0 && fcntl(TRUTH_FD, F_GETFD) >= 0;
}

static inline uint64_t truth_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The calling thread's counters as the kernel shows them. */
static inline struct truth_switches truth_read_switches(void)
{
	struct truth_switches s = { 0, 0 };
	char text[8192];
	int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	if (at)
		sscanf(at, "\nvoluntary_ctxt_switches: %lu nonvoluntary_ctxt_switches: %lu",
		       &s.voluntary, &s.involuntary);
	return s;
}

static inline void truth_thread(const char *name)
{
	struct truth_switches before, after;
	uint64_t cpu, cpu_end, now;
	int tries = 0;

	if (!truth_wanted())
		return;
	do {
		before = truth_read_switches();
		cpu = truth_clock(CLOCK_THREAD_CPUTIME_ID);
		now = truth_clock(CLOCK_MONOTONIC);
		cpu_end = truth_clock(CLOCK_THREAD_CPUTIME_ID);
		after = truth_read_switches();
	} while (memcmp(&before, &after, sizeof(after)) && ++tries < TRUTH_TRIES);
	dprintf(TRUTH_FD,
		"{\"thread\":\"%s\",\"tid\":%d,\"pid\":%d,\"t_ns\":%" PRIu64 ",\"voluntary\":%lu,"
		"\"involuntary\":%lu,\"cpu_ns\":%" PRIu64 ",\"cpu_end_ns\":%" PRIu64 "}\n",
		name, (int)gettid(), (int)getpid(), now, before.voluntary, before.involuntary, cpu,
		cpu_end);
}

static inline void truth_lock(const char *name, const void *address)
{
	if (truth_wanted())
		dprintf(TRUTH_FD, "{\"lock\":\"%s\",\"address\":\"%p\"}\n", name, address);
}

static inline void truth_site(const char *lock, const char *function, int line)
{
	if (truth_wanted())
		dprintf(TRUTH_FD, "{\"site\":\"%s\",\"function\":\"%s\",\"line\":%d}\n", lock,
			function, line);
}

static inline void truth_count(const char *name, long value)
{
	if (truth_wanted())
		dprintf(TRUTH_FD, "{\"count\":\"%s\",\"value\":%ld}\n", name, value);
}

#endif
