/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions between a caller and the function that runs, when each of them ended by jumping to
 * the next (a tail call, at -O2) and so left no frame. Jumps are followed from the function called,
 * nearest first, until one leads to the function that runs: the shortest way is taken. A part of a
 * function that the compiler moved elsewhere ("f.cold") is a step of the way, too.
 */
#include <string.h>
#include "symbols/symbols_int.h"

#define MET_MAX 128 /* functions looked at for one way; a dispatcher jumps to many */
#define MET_UNWINDING 16 /* the same while a stack is searched: asked of each word that fits */
#define START CT_NONE

struct met {
	struct ct_elf *elf;
	const struct ct_sym *sym;
	u32 from; /* who jumped here, START: nobody */
	u64 jump; /* where, in it */
};
struct search {
	const struct ct_files *files;
	struct ct_elf *to;
	u64 vaddr;
	struct met met[MET_MAX];
	u32 cnt;
	u32 most;
	u32 now; /* whose jumps are being read */
};

/* The function of that name, in the file of who runs, the one that jumps, or any other. */
static const struct ct_sym *find_named(const struct search *s, const char *name,
	struct ct_elf **elf)
{
	struct ct_elf *const first[] = { s->to, s->met[s->now].elf };
	u32 others = s->files ? s->files->at.cnt : 0;
	for (u32 i = 0; i < CT_COUNT(first) + others; i++) {
		*elf = i < CT_COUNT(first) ? first[i] : s->files->at.at[i - CT_COUNT(first)];
		const struct ct_sym *sym = ct_elf__find(*elf, name);
		if (sym)
			return sym;
	}
	return NULL;
}

static bool is_part(const struct ct_sym *sym, const struct ct_sym *of)
{
	const char *cold = strstr(sym->name, ".cold");
	size_t n = cold ? (size_t)(cold - sym->name) : 0;
	return n && !strncmp(sym->name, of->name, n);
}

/* A jump leads out of the function to where another one begins; the rest stay inside. */
static const struct ct_sym *find_target(const struct search *s, const struct ct_call *to,
	struct ct_elf **elf)
{
	const struct met *now = &s->met[s->now];
	if (to->name)
		return find_named(s, to->name, elf);
	*elf = now->elf;
	if (to->vaddr - now->sym->addr < now->sym->size)
		return NULL;
	const struct ct_sym *sym = ct_elf__func(now->elf, to->vaddr);
	return sym && (sym->addr == to->vaddr || is_part(sym, now->sym)) ? sym : NULL;
}

/* True when it leads to the function sought. */
static bool take_jump(void *arg, u64 at, const struct ct_call *to)
{
	struct search *s = arg;
	struct ct_elf *elf;
	const struct ct_sym *sym = find_target(s, to, &elf);
	if (!sym)
		return false;
	if (elf == s->to && sym->addr == s->vaddr)
		return true;
	for (u32 i = 0; i < s->cnt; i++)
		if (s->met[i].elf == elf && s->met[i].sym->addr == sym->addr)
			return false;
	if (s->cnt < s->most)
		s->met[s->cnt++] = (struct met){ elf, sym, s->now, at };
	return false;
}

u32 ct_tail_calls__find(const struct ct_files *files, struct ct_elf *f,
	const struct ct_sym *called, struct ct_elf *to, u64 vaddr,
	struct ct_tail_call out[CT_TAIL_CALLS_MAX])
{
	struct search s = { .files = files, .to = to, .vaddr = vaddr, .cnt = 1,
		.most = files ? MET_MAX : MET_UNWINDING, .met[0] = { f, called, START, 0 } };
	u64 jump = 0;
	u32 cnt = 0;
	for (; !jump && s.now < s.cnt; s.now++)
		jump = ct_elf__each_jump(s.met[s.now].elf, s.met[s.now].sym, take_jump, &s);
	if (!jump)
		return 0;
	for (u32 i = s.now - 1; i != START && cnt < CT_TAIL_CALLS_MAX; i = s.met[i].from) {
		out[cnt++] = (struct ct_tail_call){ s.met[i].elf, jump };
		jump = s.met[i].jump;
	}
	return cnt;
}
