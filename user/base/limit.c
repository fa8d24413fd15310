/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the limits of processes that read what may have been made to harm: CPU time, time, memory,
 * and no core file, for it would hold what was read.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limit.h"

#define BYTES_MAX (8ull << 30)

/* No more than half the machine, which has other things to do. */
static u64 bytes_allowed(void)
{
	u64 half = (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE) / 2;

	return half < BYTES_MAX ? half : BYTES_MAX;
}

void ct_limit__reading(u32 cpu_s, u32 wall_s)
{
	const struct rlimit cpu = { cpu_s, cpu_s };
	const struct rlimit memory = { bytes_allowed(), bytes_allowed() };
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	alarm(wall_s);
}

const char *ct_limit__what_ended(int wait_status)
{
	if (!WIFSIGNALED(wait_status))
		return "it took too much memory";
	switch (WTERMSIG(wait_status)) {
	case SIGALRM:
	case SIGXCPU:
	case SIGKILL:
		return "it took too long";
	}
	return strsignal(WTERMSIG(wait_status));
}
