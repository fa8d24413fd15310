/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System call numbers and names of the architecture that ctrace was built for. The table is
 * generated from <sys/syscall.h> (user/gen/syscalls.sh). A trace carries the names, so that what
 * reads it needs no table of every architecture.
 */
#include <string.h>
#include <sys/syscall.h>
#include "capture/capture.h"

static const struct {
	int nr;
	const char *name;
} table[] = {
#include "syscall_table.h"
};

int ct_syscall__number(const char *name)
{
	for (size_t i = 0; i < CT_COUNT(table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].nr;
	return -1;
}

void ct_syscall__names(struct ct_names *names)
{
	for (size_t i = 0; i < CT_COUNT(table); i++) {
		struct ct_syscall_name *n = ct_vec_push(&names->syscalls);

		n->nr = table[i].nr;
		n->name = ct_strdup(table[i].name);
	}
}
