/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into ctrace: a library that reads ELF files and crashes, as one may on a file made for
 * it.  It does so in a process that has a limit on its CPU time, as the one that names places has.
 * With GREEDY in the environment it wants a terabyte, and ends the process when it is refused; with
 * ENDLESS it goes round and round, under what is left of the limit when it may have a second.
 */
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void *gelf_getehdr(void *elf, void *header)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CPU, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return NULL;
	if (getenv("ENDLESS")) {
		limit.rlim_cur = 1;
		setrlimit(RLIMIT_CPU, &limit);
		for (volatile int round = 0;; round++)
			;
	}
	if (!getenv("GREEDY"))
		abort();
	if (mmap(NULL, 1ul << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		_exit(125);
	return NULL;
}
