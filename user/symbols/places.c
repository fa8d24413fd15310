/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places: an instruction of a file, and the frames that it stands for (a function, and the calls
 * inlined there).  A place is named once, however many stacks and processes pass it.
 *
 * The address of a frame that called is that of the last byte of its call instruction (return
 * address - 1): so the line is that of the call, and so frame.offset leads other tools to it too.
 */
#include <string.h>
#include "symbols/symbols_int.h"

#define NO_CHAIN (CT_NONE - 1)

void ct_places__init(struct ct_places *p, struct ct_files *files)
{
	p->files = files;
	p->by_addr = ct_table__new();
	p->between = ct_table__new();
}

void ct_places__clear(struct ct_places *p)
{
	ct_vec_free(&p->at);
	ct_table__free(p->by_addr);
	ct_table__free(p->between);
	ct_vec_free(&p->chains);
	ct_vec_free(&p->chained);
}

u32 ct_places__get(struct ct_places *p, u32 file, u64 addr, bool entry)
{
	u64 key = (u64)file << 1 | entry;
	u32 idx = ct_table__get(p->by_addr, addr, key);
	if (idx != CT_NONE)
		return idx;
	idx = p->at.cnt;
	*ct_vec_push(&p->at) = (struct ct_place){ .addr = addr, .file = file, .entry = entry };
	ct_table__set(p->by_addr, addr, key, idx);
	return idx;
}

/* ---- naming ---- */

/* "a/./b" and "a/x/../b" are "a/b". */
static char *clean_path(const char *path)
{
	char *out = ct_alloc(strlen(path) + 2);
	size_t len = 0;
	while (*path) {
		size_t n = strcspn(path, "/");
		bool up = n == 2 && !strncmp(path, "..", 2);
		char *slash = len ? memrchr(out, '/', len - 1) : NULL;
		char *last = slash ? slash + 1 : out;
		bool can_go_up = len > 1 && strncmp(last, "../", 3);
		if (up && can_go_up) {
			len = (size_t)(last - out);
		} else if (!(n == 1 && path[0] == '.') && !(n == 0 && len)) {
			memcpy(out + len, path, n);
			len += n;
			out[len++] = '/';
		}
		path += n + (path[n] == '/');
	}
	out[len ? len - 1 : 0] = 0;
	return out;
}

static u32 add_string(struct ct_names *names, char *owned)
{
	u32 id = ct_strtab__add(names->strings, owned);
	free(owned);
	return id;
}

static u32 name_function(struct ct_names *names, struct ct_elf *f, const char *raw)
{
	if (!raw || !raw[0])
		return 0;
	char *plain = ct_elf__plain_name(f, raw);
	char *text = ct_demangle(plain);
	free(plain);
	return add_string(names, text);
}

/* What a symbol contains is its own; DWARF knows functions that have none; a symbol without size
 * comes last, since its end is only guessed. */
static const char *choose_name(struct ct_elf *f, u64 vaddr, const char *from_dwarf)
{
	const struct ct_sym *sym = ct_elf__func(f, vaddr);
	if (sym && (sym->size || !from_dwarf))
		return sym->name;
	return from_dwarf;
}

static bool is_c_library(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	return !strncmp(base, "libc.so", 7) || !strncmp(base, "libc-2.", 7) ||
		!strncmp(base, "ld-", 3) || !strncmp(base, "libpthread", 10);
}

static void name_in_file(struct ct_places *p, struct ct_names *names, struct ct_place *place)
{
	struct ct_place_name found[CT_INLINES_MAX + 1] = { 0 };
	struct ct_elf *f = p->files->at.at[place->file];
	bool plain = place->entry || (p->hurry && is_c_library(f->path));
	u32 cnt = plain ? 0 : ct_elf__lines(f, place->addr, found);
	if (!cnt)
		cnt = 1;
	found[cnt - 1].function = choose_name(f, place->addr, found[cnt - 1].function);
	for (u32 i = 0; i < cnt; i++) {
		struct ct_frame frame = {
			.function = name_function(names, f, found[i].function),
			.line = found[i].line,
			.offset = place->addr,
			.inlined = found[i].inlined,
		};
		if (found[i].file)
			frame.file = add_string(names, clean_path(found[i].file));
		frame.module = ct_strtab__add(names->strings, f->path);
		*ct_vec_push(&names->frames) = frame;
	}
	place->cnt = cnt;
}

const struct ct_place *ct_places__name(struct ct_places *p, struct ct_names *names, u32 idx)
{
	struct ct_place *place = &p->at.at[idx];
	if (place->named)
		return place;
	place->named = true;
	place->first = names->frames.cnt;
	if (place->file < p->files->at.cnt) {
		name_in_file(p, names, place);
		return place;
	}
	struct ct_frame frame = { .offset = place->addr };
	if (place->file == CT_FILE_ANON_MAP)
		frame.module = ct_strtab__add(names->strings, "[anon]");
	*ct_vec_push(&names->frames) = frame;
	place->cnt = 1;
	return place;
}

/* ---- functions that jumped on ---- */

/* The function that the call at `caller` names, and its file; NULL: not known. */
static const struct ct_sym *find_called(struct ct_places *p, const struct ct_place *caller,
	const struct ct_place *callee, u32 *file)
{
	struct ct_call call;
	struct ct_elf *f = p->files->at.at[caller->file];
	*file = caller->file;
	if (!ct_elf__call_before(f, caller->addr + 1, &call))
		return NULL;
	if (!call.name) {
		const struct ct_sym *sym = ct_elf__func(f, call.vaddr);
		return sym && sym->addr == call.vaddr ? sym : NULL;
	}
	const u32 first[] = { callee->file, caller->file };
	const struct ct_sym *sym = NULL;
	for (u32 i = 0; !sym && i < CT_COUNT(first) + p->files->at.cnt; i++) {
		*file = i < CT_COUNT(first) ? first[i] : i - CT_COUNT(first);
		sym = ct_elf__find(p->files->at.at[*file], call.name);
	}
	return sym;
}

static bool same_function(struct ct_elf *f, const struct ct_sym *a, struct ct_elf *g,
	const struct ct_sym *b)
{
	char *x = ct_elf__plain_name(f, a->name);
	char *y = ct_elf__plain_name(g, b->name);
	bool same = !strcmp(x, y);
	free(x);
	free(y);
	return same;
}

static u32 file_of(const struct ct_files *files, const struct ct_elf *elf)
{
	u32 i = 0;
	while (files->at.at[i] != elf)
		i++;
	return i;
}

static void find_between(struct ct_places *p, const struct ct_place *caller,
	const struct ct_place *callee)
{
	struct ct_tail_call jumps[CT_TAIL_CALLS_MAX];
	u32 file;
	u32 files = p->files->at.cnt;
	if (caller->file >= files || callee->file >= files)
		return;
	const struct ct_sym *called = find_called(p, caller, callee, &file);
	if (!called || !called->size)
		return;
	if (file == callee->file && callee->addr - called->addr < called->size)
		return;
	struct ct_elf *f = p->files->at.at[file];
	struct ct_elf *g = p->files->at.at[callee->file];
	const struct ct_sym *runs = ct_elf__func(g, callee->addr);
	if (runs && same_function(f, called, g, runs))
		return;
	u32 cnt = runs ? ct_tail_calls__find(p->files, f, called, g, runs->addr, jumps) : 0;
	for (u32 i = 0; i < cnt; i++)
		*ct_vec_push(&p->chained) = ct_places__get(
			p, file_of(p->files, jumps[i].elf), jumps[i].jump, false);
	if (!cnt) /* it jumped through a pointer: which line did is not known */
		*ct_vec_push(&p->chained) = ct_places__get(p, file, called->addr, true);
}

const u32 *ct_places__between(struct ct_places *p, u32 caller, u32 callee, u32 *cnt)
{
	u32 found = ct_table__get(p->between, caller, callee);
	if (found == CT_NONE) {
		struct ct_place a = p->at.at[caller]; /* a copy: looking may add places */
		struct ct_place b = p->at.at[callee];
		u32 first = p->chained.cnt;
		find_between(p, &a, &b);
		found = p->chained.cnt > first ? p->chains.cnt : NO_CHAIN;
		if (found != NO_CHAIN)
			*ct_vec_push(&p->chains) =
				(struct ct_chain){ first, p->chained.cnt - first };
		ct_table__set(p->between, caller, callee, found);
	}
	*cnt = found == NO_CHAIN ? 0 : p->chains.at[found].cnt;
	return *cnt ? p->chained.at + p->chains.at[found].first : NULL;
}
