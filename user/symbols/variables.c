/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Variables of a file by what people call them: `hits`, `table[3]`, `stats.misses`, `Pool::live`.
 * DWARF gives the type, and with it members, elements and sizes; without it there are the symbol
 * tables, which know where a variable is and how large.  Also the other way: all writable
 * variables, and all that are or hold a lock whose owner can be read.
 *
 * One pass over the DIEs of the file for each call: this is asked once for a recording.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "symbols/variables_int.h"

/* glibc's pthread_mutex_t and pthread_rwlock_t on 64 bits: the owner's tid, the whole. */
#define MUTEX_OWNER 8
#define RWLOCK_OWNER 24
#define MUTEX_SIZE 40
#define RWLOCK_SIZE 56

void ct_variables__clear(struct ct_variables *v)
{
	for (u32 i = 0; i < v->at.cnt; i++)
		free(v->at.at[i].name);
	ct_vec_free(&v->at);
}

/* ---- one variable by name ---- */

struct wanted {
	const char *spec;
	char *base;	    /* the part of spec that names the variable */
	const char *suffix; /* what follows: members, elements */
	u64 vaddr;	    /* by the symbol table; 0: not there */
	u64 size;
	bool by_tail;	    /* spec is the last part of a longer name */
	char *why;
	bool no_member;
	u32 found;
};

/* With the scopes left out that the user left out. */
static bool is_called(const struct wanted *w, const char *name)
{
	size_t len = strlen(name), base = strlen(w->base);

	if (!w->by_tail)
		return !strcmp(name, w->base);
	return len > base + 2 && !strcmp(name + len - base, w->base) &&
	       !strncmp(name + len - base - 2, "::", 2);
}

/* Steps into `[3]` or `.member` of the type; false and w->why. */
static bool step_element(struct wanted *w, Dwarf_Die *type, const char **at, u64 *vaddr)
{
	Dwarf_Die element;
	char *end;
	u64 cnt, i = strtoull(*at + 1, &end, 0);

	if (*end != ']' || end == *at + 1)
		w->why = ct_asprintf("'%s' has no number in its brackets", w->spec);
	else if (!variables_array(type, &element, &cnt))
		w->why = ct_asprintf("'%.*s' is no array", (int)(*at - w->spec), w->spec);
	else if (i >= cnt)
		w->why = ct_asprintf("'%.*s' has %llu elements, from 0", (int)(*at - w->spec),
			w->spec, (unsigned long long)cnt);
	if (w->why)
		return false;
	*vaddr += i * variables_size(&element);
	*at = end + 1;
	return true;
}

static bool find_member(Dwarf_Die *type, const char *name, size_t len, Dwarf_Die *found,
	u64 *vaddr, u32 depth)
{
	Dwarf_Die member, inner;
	u64 offset, bytes, bits;

	if (depth > NESTING_MAX || dwarf_child(type, &member))
		return false;
	do {
		const char *own = dwarf_diename(&member);

		if (!variables_is_member(&member) ||
			!variables_member(&member, &offset, &bytes, &bits))
			continue;
		if (own && dwarf_tag(&member) == DW_TAG_member && strlen(own) == len &&
			!strncmp(own, name, len)) {
			*found = member;
			*vaddr += offset;
			return true;
		}
		/* a base class, or a structure without a name of its own */
		if ((!own || dwarf_tag(&member) == DW_TAG_inheritance) &&
			variables_type(&member, &inner)) {
			*vaddr += offset;
			if (find_member(&inner, name, len, found, vaddr, depth + 1))
				return true;
			*vaddr -= offset;
		}
	} while (!dwarf_siblingof(&member, &member));
	return false;
}

static bool step_member(struct wanted *w, Dwarf_Die *typed, Dwarf_Die *type, const char **at,
	u64 *vaddr)
{
	size_t len = strcspn(*at + 1, ".[");
	Dwarf_Die pointee;

	if (find_member(type, *at + 1, len, typed, vaddr, 0)) {
		*at += 1 + len;
		return true;
	}
	if (dwarf_tag(type) == DW_TAG_pointer_type && variables_type(type, &pointee))
		w->why = ct_asprintf("'%.*s' is a pointer: what it points to moves, and has no "
				     "name; watch its address: '*ADDRESS:SIZE'",
			(int)(*at - w->spec), w->spec);
	else
		w->why = ct_asprintf("'%.*s' has no member '%.*s'", (int)(*at - w->spec), w->spec,
			(int)len, *at + 1);
	w->no_member = true;
	return false;
}

/* Follows the suffix; `typed` becomes what has the type of what it leads to. */
static bool follow(struct wanted *w, Dwarf_Die *typed, u64 *vaddr)
{
	const char *at = w->suffix;
	Dwarf_Die type;

	while (*at) {
		if (!variables_type(typed, &type)) {
			w->why = ct_asprintf("the type of '%s' is not known", w->base);
			return false;
		}
		if (*at == '[') {
			if (!step_element(w, &type, &at, vaddr))
				return false;
			*typed = type; /* the array: its type is the element's */
			continue;
		}
		if (!step_member(w, typed, &type, &at, vaddr))
			return false;
	}
	return true;
}

/* What the name led to. */
static void add_found(struct wanted *w, struct ct_variables *out, Dwarf_Die *typed, u64 vaddr)
{
	struct parts parts = { .out = out, .left = PARTS_MAX };
	u64 offset, bytes, bits = 0;

	if (dwarf_tag(typed) == DW_TAG_member && variables_member(typed, &offset, &bytes, &bits) &&
		bits) {
		struct ct_variable *v = variables_add(out, w->spec, vaddr, bytes);

		v->type = CT_WATCH_UNSIGNED;
		v->bits = true;
		return;
	}
	variables_parts(&parts, typed, w->spec, vaddr, 0);
	if (!out->at.cnt && parts.sync)
		w->why = ct_asprintf("'%s' is %s, which ctrace knows by itself: watch what it is "
				     "for", w->spec, parts.sync);
	else if (!out->at.cnt)
		w->why = ct_asprintf("'%s' has nothing in it that could be watched", w->spec);
}

static bool visit_wanted(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name)
{
	struct wanted *w = p->arg;
	Dwarf_Die typed = *die;

	if (!is_called(w, name) && !(w->vaddr && vaddr == w->vaddr))
		return false;
	for (u32 i = 0; i < p->out->at.cnt; i++)
		if (p->out->at.at[i].addr == vaddr)
			return false; /* the same one, told twice */
	w->found++;
	if (!follow(w, &typed, &vaddr))
		return true;
	add_found(w, p->out, &typed, vaddr);
	return false;
}

/* ---- symbol tables: without DWARF ---- */

struct symbol_pass {
	struct ct_elf *file;
	u32 type; /* STT_* */
	void (*visit)(struct symbol_pass *p, const GElf_Sym *sym, const char *name);
	void *arg;
	struct ct_variables *out;
};

static void walk_symbols(struct symbol_pass *p, Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	GElf_Sym sym;

	while (elf && (scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || !shdr.sh_entsize ||
			(shdr.sh_type != SHT_SYMTAB && shdr.sh_type != SHT_DYNSYM))
			continue;
		Elf_Data *data = elf_getdata(scn, NULL);
		u64 cnt = shdr.sh_size / shdr.sh_entsize;
		for (u64 i = 1; data && i < cnt && i < CT_SYMS_MAX; i++) {
			if (!gelf_getsym(data, (int)i, &sym))
				break;
			const char *name = elf_strptr(elf, shdr.sh_link, sym.st_name);
			if (name && sym.st_size && sym.st_shndx != SHN_UNDEF &&
				GELF_ST_TYPE(sym.st_info) == p->type)
				p->visit(p, &sym, name);
		}
	}
}

/* A static variable of a function is called `count.0`; an imported one `count@VERSION`. */
static bool matches_symbol(const struct wanted *w, const char *raw)
{
	size_t len = strlen(w->base);
	char *plain;
	bool same;

	if (!strncmp(raw, w->base, len) &&
		(!raw[len] || raw[len] == '@' ||
			(raw[len] == '.' && strspn(raw + len + 1, "0123456789") ==
						    strlen(raw + len + 1))))
		return true;
	if (raw[0] != '_')
		return false;
	plain = ct_demangle(raw);
	same = is_called(w, plain);
	free(plain);
	return same;
}

static void visit_symbol(struct symbol_pass *p, const GElf_Sym *sym, const char *name)
{
	struct wanted *w = p->arg;

	if (!w->vaddr && matches_symbol(w, name)) {
		w->vaddr = sym->st_value;
		w->size = sym->st_size;
	}
}

static void find_symbol(struct ct_elf *f, struct wanted *w)
{
	struct symbol_pass p = { .file = f, .type = STT_OBJECT, .visit = visit_symbol,
		.arg = w };

	walk_symbols(&p, f->elf);
	if (!w->vaddr)
		walk_symbols(&p, f->debug_elf);
}

/* Why a name that the file knows is nothing to watch; NULL: it does not know it. */
static char *refuse(struct ct_elf *f, struct wanted *w)
{
	struct symbol_pass p = { .file = f, .type = STT_TLS, .visit = visit_symbol, .arg = w };
	char *why = variables_refusal(f, w->base);

	if (why)
		return why;
	walk_symbols(&p, f->elf);
	return w->size ? variables_is_in_threads(w->base) : NULL;
}

/* ---- the public face ---- */

/* From addresses of the file to those of the process. */
static void relocate(struct ct_variables *out, const struct ct_elf *f)
{
	u64 bias;

	if (!f->segs.cnt)
		return;
	bias = out->base - (f->segs.at[0].vaddr - f->segs.at[0].offset);
	for (u32 i = 0; i < out->at.cnt; i++)
		out->at.at[i].addr += bias;
}

static struct ct_elf *open_file(const char *path)
{
	struct ct_elf *f = ct_elf__new(path, "/usr/lib/debug");

	f->fd = ct_open_regular(path, &f->id);
	f->has_id = f->fd >= 0;
	ct_elf__load(f);
	if (f->elf)
		ct_elf__load_debug(f);
	return f;
}

static bool search(struct ct_elf *f, struct wanted *w, struct ct_variables *out)
{
	struct pass p = { .file = f, .visit = visit_wanted, .arg = w, .out = out };

	find_symbol(f, w);
	variables_walk(&p);
	if (w->why)
		return true;
	if (!w->found && w->vaddr) {
		if (*w->suffix)
			w->why = ct_asprintf("'%s' needs debug information: compile with -g",
				w->spec);
		else
			variables_add(out, w->spec, w->vaddr, w->size);
		return true;
	}
	return w->found > 0;
}

int ct_variables__find(
	struct ct_variables *out, const char *path, const char *spec, char **why)
{
	struct ct_elf *f = open_file(path);
	struct wanted w = { .spec = spec, .suffix = spec + strcspn(spec, ".[") };
	bool found;

	w.base = ct_strndup(spec, w.suffix - spec);
	found = f->elf && search(f, &w, out);
	if (!found && f->elf) {
		w.by_tail = true;
		found = search(f, &w, out);
	}
	if (!found && f->elf)
		w.why = refuse(f, &w);
	if (found && !w.why && w.found > 1)
		w.why = ct_asprintf("'%s' is the name of %u variables", spec, w.found);
	*why = w.why;
	free(w.base);
	relocate(out, f);
	ct_elf__free(f);
	if (found && *why)
		return w.no_member ? -ENOTDIR : -EINVAL;
	return found && out->at.cnt ? 0 : -ENOENT;
}

#define LISTED_ELEMENTS 1u /* of an array: the others are called likewise */

struct collect {
	struct parts parts;
	struct ct_elf *file;
	bool any;
};

/* In memory that the program may write, and that the dynamic linker does not close again. */
static bool is_writable(struct ct_elf *f, u64 vaddr)
{
	GElf_Phdr ph;
	size_t cnt = 0;
	bool writable = false;

	elf_getphdrnum(f->elf, &cnt);
	for (size_t i = 0; i < cnt && i < CT_SEGMENTS_MAX; i++) {
		if (!gelf_getphdr(f->elf, (int)i, &ph) || vaddr < ph.p_vaddr ||
			vaddr - ph.p_vaddr >= ph.p_memsz)
			continue;
		if (ph.p_type == PT_GNU_RELRO)
			return false;
		writable |= ph.p_type == PT_LOAD && ph.p_flags & PF_W;
	}
	return writable;
}

static bool visit_all(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name)
{
	struct collect *c = p->arg;

	c->any = true;
	if (is_writable(c->file, vaddr))
		variables_parts(&c->parts, die, name, vaddr, 0);
	return c->parts.out->at.cnt >= VARIABLES_MAX;
}

static void visit_lock_symbol(struct symbol_pass *p, const GElf_Sym *sym, const char *name)
{
	/* comparing a word that is no owner with a thread's number does no harm */
	if (sym->st_size == MUTEX_SIZE)
		variables_add(p->out, name, sym->st_value, sym->st_size)->owner = MUTEX_OWNER;
	else if (sym->st_size == RWLOCK_SIZE)
		variables_add(p->out, name, sym->st_value, sym->st_size)->owner = RWLOCK_OWNER;
}

static void collect(struct ct_variables *out, const char *path, const struct parts *parts)
{
	struct ct_elf *f = open_file(path);
	struct collect c = { .parts = *parts, .file = f };
	struct pass p = { .file = f, .visit = visit_all, .arg = &c, .out = out };
	struct symbol_pass symbols = { .file = f, .type = STT_OBJECT,
		.visit = visit_lock_symbol, .out = out };

	c.parts.out = out;
	c.parts.left = VARIABLES_MAX;
	if (f->elf)
		variables_walk(&p);
	if (f->elf && !c.any && parts->take == PARTS_LOCKS)
		walk_symbols(&symbols, f->elf);
	relocate(out, f);
	ct_elf__free(f);
}

void ct_variables__locks(struct ct_variables *out, const char *path)
{
	collect(out, path, &(struct parts){ .take = PARTS_LOCKS });
}

/* Among what the file takes from others, too: that is where a call of a library's function is. */
static bool imports(Elf *elf, const char *symbol)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Sym sym;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
			const char *name = elf_strptr(elf, header.sh_link, sym.st_name);

			if (name && !strcmp(name, symbol))
				return true;
		}
	}
	return false;
}

bool ct_variables__ownerless(const char *path)
{
	static const char spin[] = "pthread_spin_lock";
	struct ct_elf *f = open_file(path);
	bool may = f->elf &&
		   (imports(f->elf, spin) || ct_elf__has_symbol(f, spin) || ct_has_own_locks(f));

	ct_elf__free(f);
	return may;
}

void ct_variables__all(struct ct_variables *out, const char *path, u32 elements)
{
	collect(out, path, &(struct parts){ .take = PARTS_VALUES, .sample = elements });
}

void ct_variables__list(struct ct_variables *out, const char *path)
{
	collect(out, path, &(struct parts){ .take = PARTS_ALL, .sample = LISTED_ELEMENTS });
}
