/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for the locks of a model, which only the symbolizer of its processes can give, and for the
 * variables that were watched.
 */
#include "capture/watch.h"
#include "cmd/hang.h"

static int by_address(const void *a, const void *b)
{
	const struct ct_addr_name *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool is_named(const struct ct_names *names, u32 tgid, u64 addr)
{
	for (u32 i = 0; i < names->addrs.cnt; i++)
		if (names->addrs.at[i].tgid == tgid && names->addrs.at[i].addr == addr)
			return true;
	return false;
}

/* Locks that accesses were made under, and the variables themselves, as the user called them. */
static void name_watch(struct ct_symbolizer *sym, struct ct_names *names, const struct ct_model *m,
	const struct ct_watcher *watch)
{
	for (u32 i = 0; i < m->watch_locks.cnt; i++) {
		const struct ct_watch_lock_seen *l = &m->watch_locks.at[i];
		u32 pid = l->process == CT_NONE ? 0 : m->processes.at[l->process].pid;

		if (pid && !is_named(names, pid, l->addr))
			ct_symbolizer__address(
				sym, names, pid, l->addr, ct_vec_push(&names->addrs));
	}
	for (u32 i = 0; i < m->watched.cnt; i++) {
		const struct ct_watched *w = &m->watched.at[i];
		const char *name = ct_watcher__name(watch, w->var);
		u32 pid = m->processes.at[w->process].pid;

		if (name && !is_named(names, pid, w->addr))
			*ct_vec_push(&names->addrs) = (struct ct_addr_name){ .tgid = pid,
				.kind = CT_ADDR_GLOBAL, .addr = w->addr,
				.symbol = ct_strtab__add(names->strings, name) };
	}
}

void ct_locks__name(struct ct_symbolizer *sym, struct ct_names *names, const struct ct_model *m,
	const struct ct_watcher *watch)
{
	for (u32 i = 0; i < m->locks.cnt; i++) {
		const struct ct_lock *l = &m->locks.at[i];

		ct_symbolizer__address(sym, names, m->processes.at[l->process].pid, l->addr,
			ct_vec_push(&names->addrs));
	}
	if (watch)
		name_watch(sym, names, m, watch);
	if (names->addrs.cnt)
		qsort(names->addrs.at, names->addrs.cnt, sizeof(*names->addrs.at), by_address);
}
