/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbol tables of one ELF file: .symtab (of the file, else of its separate debug file) and
 * .dynsym together, as one array of functions and one of data, sorted by address, one name per
 * address.  Loading costs O(n log n) once; a lookup O(log n).
 *
 * A symbol names the addresses inside it and no others: a library without .symtab has holes between
 * its exported functions, and what lies in a hole is not the function before it.  Only assembly,
 * whose symbols have no size, may own what follows it, up to the next symbol or the section's end.
 */
#include <string.h>
#include "symbols/symbols_int.h"

#define NESTING_MAX 32 /* symbols looked at before an address for one that contains it */

struct ct_elf_syms {
	CT_VEC(struct ct_sym) funcs;   /* by address */
	CT_VEC(struct ct_sym) objects; /* by address */
	CT_VEC(struct ct_sym) exports; /* functions of .dynsym, by name */
};

/* ---- names ---- */

static size_t raw_len(const char *raw)
{
	return strcspn(raw, "@"); /* without "@@VERSION" */
}

static int compare_raw(const char *a, const char *b)
{
	size_t na = raw_len(a);
	size_t nb = raw_len(b);
	int order = memcmp(a, b, na < nb ? na : nb);
	return order ? order : (na > nb) - (na < nb);
}

/* Of several names for one address the one without leading underscores is the one that people
 * call, then a global one, then one that is not a mere alias (weak).  Mangled names start with an
 * underscore that does not count. */
static u8 rank_name(const char *name, u32 bind)
{
	bool mangled = name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
	size_t underscores = mangled ? 0 : strspn(name, "_");
	u8 rank = (u8)(underscores < 32 ? underscores : 32) * 4;
	return rank + (bind == STB_LOCAL ? 2 : bind == STB_WEAK);
}

/* ---- loading ---- */

static bool is_label(const char *name)
{
	return !name[0] || name[0] == '$' || !strncmp(name, ".L", 2);
}

/* Data: 1, code: 0, neither: -1. */
static int classify(const GElf_Sym *sym, const GElf_Shdr *section)
{
	switch (GELF_ST_TYPE(sym->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
		return 0;
	case STT_OBJECT:
	case STT_COMMON:
		return sym->st_size ? 1 : -1; /* the linker's own marks have no size */
	case STT_NOTYPE:
		return section && section->sh_flags & SHF_EXECINSTR ? 0 : -1;
	default:
		return -1;
	}
}

static void add_symbol(struct ct_elf_syms *s, Elf *elf, const GElf_Sym *sym, const char *name,
	bool dynamic)
{
	GElf_Shdr section;
	bool has_section = false;
	if (sym->st_shndx == SHN_UNDEF || is_label(name))
		return;
	if (sym->st_shndx < SHN_LORESERVE)
		has_section = gelf_getshdr(elf_getscn(elf, sym->st_shndx), &section);
	int object = classify(sym, has_section ? &section : NULL);
	if (object < 0 || sym->st_value + sym->st_size < sym->st_value)
		return;
	struct ct_sym made = {
		.addr = sym->st_value,
		.size = sym->st_size,
		.name = name,
		.end = has_section ? section.sh_addr + section.sh_size : 0,
		.object = (u8)object,
		.rank = rank_name(name, GELF_ST_BIND(sym->st_info)),
		.exported = dynamic,
	};
	if (object) {
		*ct_vec_push(&s->objects) = made;
		return;
	}
	*ct_vec_push(&s->funcs) = made;
	if (dynamic)
		*ct_vec_push(&s->exports) = made;
}

/* True when the file has a table of that type. */
static bool read_table(struct ct_elf_syms *s, Elf *elf, u32 type)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	GElf_Sym sym;
	bool found = false;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != type || !shdr.sh_entsize)
			continue;
		Elf_Data *data = elf_getdata(scn, NULL);
		u64 cnt = shdr.sh_size / shdr.sh_entsize;
		for (u64 i = 1; data && i < cnt && i < CT_SYMS_MAX; i++) {
			if (!gelf_getsym(data, (int)i, &sym))
				break;
			const char *name = elf_strptr(elf, shdr.sh_link, sym.st_name);
			if (name)
				add_symbol(s, elf, &sym, name, type == SHT_DYNSYM);
			found = true;
		}
	}
	return found;
}

static int compare_syms(const void *a, const void *b)
{
	const struct ct_sym *x = a;
	const struct ct_sym *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return compare_raw(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
	const struct ct_sym *x = a;
	const struct ct_sym *y = b;
	int order = compare_raw(x->name, y->name);
	return order ? order : (x->addr > y->addr) - (x->addr < y->addr);
}

/* Sorts; of the names for one address the best is kept, with the largest size that any had. */
static u32 sort_symbols(struct ct_sym *at, u32 cnt)
{
	u32 kept = 0;
	if (!cnt)
		return 0;
	qsort(at, cnt, sizeof(*at), compare_syms);
	for (u32 i = 1; i < cnt; i++) {
		if (at[i].addr != at[kept].addr) {
			at[++kept] = at[i];
			continue;
		}
		if (at[i].size > at[kept].size)
			at[kept].size = at[i].size;
	}
	return kept + 1;
}

static struct ct_elf_syms *load_symbols(struct ct_elf *f)
{
	ct_elf__load(f);
	if (f->syms)
		return f->syms;
	struct ct_elf_syms *s = f->syms = ct_alloc(sizeof(*s));
	if (!f->elf)
		return s;
	read_table(s, f->elf, SHT_DYNSYM);
	if (!read_table(s, f->elf, SHT_SYMTAB)) {
		ct_elf__find_debug(f);
		if (f->debug_elf)
			read_table(s, f->debug_elf, SHT_SYMTAB);
	}
	s->funcs.cnt = sort_symbols(s->funcs.at, s->funcs.cnt);
	s->objects.cnt = sort_symbols(s->objects.at, s->objects.cnt);
	if (s->exports.cnt)
		qsort(s->exports.at, s->exports.cnt, sizeof(*s->exports.at), compare_names);
	return s;
}

void ct_elf_syms__free(struct ct_elf_syms *s)
{
	if (!s)
		return;
	ct_vec_free(&s->funcs);
	ct_vec_free(&s->objects);
	ct_vec_free(&s->exports);
	free(s);
}

/* ---- lookup ---- */

static u32 count_up_to(const struct ct_sym *at, u32 cnt, u64 vaddr)
{
	u32 low = 0;
	while (cnt) {
		u32 half = cnt / 2;
		if (at[low + half].addr <= vaddr) {
			low += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	return low;
}

static const struct ct_sym *find_symbol(const struct ct_sym *at, u32 cnt, u64 vaddr)
{
	u32 up_to = count_up_to(at, cnt, vaddr);
	for (u32 i = up_to; i-- > 0 && up_to - i <= NESTING_MAX;)
		if (vaddr - at[i].addr < at[i].size)
			return &at[i];
	if (up_to && !at[up_to - 1].size && vaddr < at[up_to - 1].end)
		return &at[up_to - 1];
	return NULL;
}

const struct ct_sym *ct_elf__func(struct ct_elf *f, u64 vaddr)
{
	struct ct_elf_syms *s = load_symbols(f);
	return find_symbol(s->funcs.at, s->funcs.cnt, vaddr);
}

const struct ct_sym *ct_elf__object(struct ct_elf *f, u64 vaddr)
{
	struct ct_elf_syms *s = load_symbols(f);
	return find_symbol(s->objects.at, s->objects.cnt, vaddr);
}

const struct ct_sym *ct_elf__find(struct ct_elf *f, const char *name)
{
	struct ct_elf_syms *s = load_symbols(f);
	u32 low = 0;
	u32 high = s->exports.cnt;
	while (low < high) {
		u32 mid = low + (high - low) / 2;
		int order = compare_raw(s->exports.at[mid].name, name);
		if (!order)
			return &s->exports.at[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool ct_elf__has_symbol(struct ct_elf *f, const char *name)
{
	struct ct_elf_syms *s = load_symbols(f);
	for (u32 i = 0; i < s->funcs.cnt; i++)
		if (!compare_raw(s->funcs.at[i].name, name))
			return true;
	for (u32 i = 0; i < s->objects.cnt; i++)
		if (!compare_raw(s->objects.at[i].name, name))
			return true;
	return false;
}

/* ---- plain names ---- */

/* What compilers append to the name of a copy or a part of a function. */
static size_t without_clones(const char *name, size_t len)
{
	static const char *const marks[] = { ".constprop.", ".isra.", ".part.", ".cold",
		".lto_priv.", ".llvm.", ".localalias" };
	for (size_t i = 1; i < len; i++) {
		if (name[i] != '.')
			continue;
		for (u32 k = 0; k < CT_COUNT(marks); k++)
			if (!strncmp(name + i, marks[k], strlen(marks[k])))
				return i;
	}
	return len;
}

/* "__pthread_mutex_lock" is "pthread_mutex_lock" in a library that exports both; "__GI_" is how
 * glibc calls its own functions inside. */
static const char *public_twin(struct ct_elf *f, const char *name)
{
	if (!strncmp(name, "__GI_", 5))
		name += 5;
	const char *twin = name + strspn(name, "_");
	return twin != name && *twin && ct_elf__find(f, twin) ? twin : name;
}

char *ct_elf__plain_name(struct ct_elf *f, const char *raw)
{
	char *name = ct_strndup(raw, without_clones(raw, raw_len(raw)));
	if (!f->libc)
		return name;
	char *plain = ct_strdup(public_twin(f, name));
	free(name);
	return plain;
}
