/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for the locks of a model, which only the symbolizer of its processes can give.
 */
#include "cmd/hang.h"

static int by_address(const void *a, const void *b)
{
	const struct ct_addr_name *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void ct_locks__name(struct ct_symbolizer *sym, struct ct_names *names, const struct ct_model *m)
{
	for (u32 i = 0; i < m->locks.cnt; i++) {
		const struct ct_lock *l = &m->locks.at[i];

		ct_symbolizer__address(sym, names, m->processes.at[l->process].pid, l->addr,
			ct_vec_push(&names->addrs));
	}
	if (names->addrs.cnt)
		qsort(names->addrs.at, names->addrs.cnt, sizeof(*names->addrs.at), by_address);
}
