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
#include "symbols/symbols_int.h"

#define NESTING_MAX 24	   /* scopes in scopes, types in types */
#define HAS_LOCK_DEPTH 4     /* structures in structures that are searched for a lock */
#define PARTS_MAX 4096	   /* scalars of one variable */
#define VARIABLES_MAX 65536 /* of one file */

/* Offsets of the owner's tid: glibc's pthread_mutex_t and pthread_rwlock_t on 64 bits. */
#define MUTEX_OWNER 8
#define RWLOCK_OWNER 24
#define MUTEX_SIZE 40
#define RWLOCK_SIZE 56

struct pass {
	struct ct_elf *file;
	bool (*visit)(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name);
	void *arg;
	struct ct_variables *out;
};

void ct_variables__clear(struct ct_variables *v)
{
	for (u32 i = 0; i < v->at.cnt; i++)
		free(v->at.at[i].name);
	ct_vec_free(&v->at);
}

static struct ct_variable *add_variable(
	struct ct_variables *out, const char *name, u64 vaddr, u64 size)
{
	struct ct_variable *v = ct_vec_push(&out->at);

	*v = (struct ct_variable){ .name = ct_strdup(name), .addr = vaddr, .size = size };
	return v;
}

/* ---- DIEs ---- */

static bool is_variable_at(Dwarf_Die *die, u64 *vaddr)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t cnt;

	if (dwarf_tag(die) != DW_TAG_variable || !dwarf_attr(die, DW_AT_location, &attr) ||
		dwarf_getlocation(&attr, &ops, &cnt) || cnt != 1 || ops[0].atom != DW_OP_addr)
		return false;
	*vaddr = ops[0].number;
	return *vaddr != 0;
}

/* As a person writes it, with its scopes where the linker's name has them. */
static char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *raw = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr))
		raw = dwarf_formstring(&attr);
	if (raw)
		return ct_demangle(raw);
	if (dwarf_attr_integrate(die, DW_AT_name, &attr))
		raw = dwarf_formstring(&attr);
	return raw ? ct_strdup(raw) : NULL;
}

static bool has_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_subprogram ||
	       tag == DW_TAG_lexical_block || tag == DW_TAG_module;
}

/* True: enough seen. */
static bool walk(struct pass *p, Dwarf_Die *parent, u32 depth)
{
	Dwarf_Die die;
	u64 vaddr;

	if (depth > NESTING_MAX || dwarf_child(parent, &die))
		return false;
	do {
		if (is_variable_at(&die, &vaddr)) {
			char *name = name_of(&die);
			bool done = name && p->visit(p, &die, vaddr, name);

			free(name);
			if (done)
				return true;
		}
		if (has_scope(dwarf_tag(&die)) && walk(p, &die, depth + 1))
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

static void walk_file(struct pass *p)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;

	for (u32 i = 0; p->file->dbg && i < CT_UNITS_MAX; i++) {
		if (dwarf_get_units(p->file->dbg, cu, &cu, NULL, NULL, &die, NULL))
			return;
		if (dwarf_tag(&die) == DW_TAG_compile_unit && walk(p, &die, 0))
			return;
	}
}

/* ---- types ---- */

/* The type itself, without its names and qualifiers. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &next) &&
	       !dwarf_peel_type(&next, type);
}

static bool is_aggregate(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
}

static u64 size_of(Dwarf_Die *type)
{
	Dwarf_Word size;

	return dwarf_aggregate_size(type, &size) ? 0 : size;
}

/* Where a member begins in its structure; false: it has no fixed place, or is a few bits of a
 * word. */
static bool member_offset(Dwarf_Die *member, u64 *offset)
{
	Dwarf_Attribute attr;
	Dwarf_Word at = 0;

	if (dwarf_hasattr(member, DW_AT_bit_size))
		return false;
	if (dwarf_attr(member, DW_AT_data_member_location, &attr) && dwarf_formudata(&attr, &at))
		return false;
	*offset = at;
	return true;
}

static bool is_member(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return (tag == DW_TAG_member || tag == DW_TAG_inheritance) &&
	       !dwarf_hasattr(die, DW_AT_external); /* a static one is elsewhere */
}

/* Element type and count of an array; count 0: not known. */
static bool array_of(Dwarf_Die *array, Dwarf_Die *element, u64 *cnt)
{
	u64 all = size_of(array), one;

	if (dwarf_tag(array) != DW_TAG_array_type || !type_of(array, element))
		return false;
	one = size_of(element);
	*cnt = one ? all / one : 0;
	return one != 0;
}

/* What the C library synchronises threads with, by the names of the types. */
struct sync_type {
	const char *type, *is;
	u32 owner; /* offset of the owner's tid; 0: it has none that can be read */
};

static const struct sync_type sync_types[] = {
	{ "pthread_mutex_t", "a mutex", MUTEX_OWNER },
	{ "mtx_t", "a mutex", MUTEX_OWNER },
	{ "pthread_rwlock_t", "a lock for readers and writers", RWLOCK_OWNER },
	{ "pthread_spinlock_t", "a spin lock", 0 },
	{ "pthread_cond_t", "a condition variable", 0 },
	{ "cnd_t", "a condition variable", 0 },
	{ "sem_t", "a semaphore", 0 },
	{ "pthread_barrier_t", "a barrier", 0 },
	{ "pthread_once_t", "a once flag", 0 },
	{ "once_flag", "a once flag", 0 },
	{ "__once_flag", "a once flag", 0 },
	{ "atomic_flag", "an atomic flag", 0 },
	{ "latch", "a latch", 0 },
};

static const struct sync_type *sync_called(const char *name)
{
	for (u32 i = 0; name && i < CT_COUNT(sync_types); i++)
		if (!strcmp(name, sync_types[i].type))
			return &sync_types[i];
	return NULL;
}

/* NULL: it is something else. */
static const struct sync_type *sync_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die type = *die;

	/* the name is that of a typedef on the way to the type, or of a class */
	for (u32 i = 0; i < NESTING_MAX && dwarf_attr_integrate(&type, DW_AT_type, &attr); i++) {
		if (!dwarf_formref_die(&attr, &type))
			return NULL;
		const struct sync_type *sync = sync_called(dwarf_diename(&type));

		if (sync)
			return sync;
		if (dwarf_tag(&type) == DW_TAG_array_type ||
			dwarf_tag(&type) == DW_TAG_pointer_type || is_aggregate(&type))
			return NULL;
	}
	return NULL;
}

/* Is it a lock whose owner can be read, or has it one in it? */
static bool has_lock(Dwarf_Die *typed, u32 depth)
{
	const struct sync_type *sync = sync_of(typed);
	Dwarf_Die type, member;

	if (sync)
		return sync->owner != 0;
	if (depth > HAS_LOCK_DEPTH || !type_of(typed, &type))
		return false;
	if (dwarf_tag(&type) == DW_TAG_array_type)
		return has_lock(&type, depth + 1);
	if (!is_aggregate(&type) || dwarf_child(&type, &member))
		return false;
	do {
		if (is_member(&member) && has_lock(&member, depth + 1))
			return true;
	} while (!dwarf_siblingof(&member, &member));
	return false;
}

static u32 value_type(Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Word encoding;

	if (dwarf_tag(type) == DW_TAG_pointer_type)
		return CT_WATCH_UNSIGNED;
	if (dwarf_tag(type) != DW_TAG_base_type || !dwarf_attr(type, DW_AT_encoding, &attr) ||
		dwarf_formudata(&attr, &encoding))
		return CT_WATCH_SIGNED;
	if (encoding == DW_ATE_float && size_of(type) <= 8)
		return CT_WATCH_FLOAT;
	return encoding == DW_ATE_unsigned || encoding == DW_ATE_unsigned_char ||
			       encoding == DW_ATE_boolean || encoding == DW_ATE_UTF
		       ? CT_WATCH_UNSIGNED
		       : CT_WATCH_SIGNED;
}

/* ---- the parts of a variable: what one instruction may touch alone ---- */

struct parts {
	struct ct_variables *out;
	bool locks; /* take locks and pointers to them, else all that is none */
	u32 left;
	const char *sync; /* what the last lock or the like was that was met */
};

static void add_parts(struct parts *q, Dwarf_Die *typed, const char *name, u64 vaddr, u32 depth);

/* What libstdc++ and libc++ call the number in an atomic: nobody else does. */
static bool is_hidden(Dwarf_Die *type, const char *member)
{
	const char *name = dwarf_diename(type);

	return name && member[0] == '_' &&
	       (!strncmp(name, "atomic<", 7) || !strncmp(name, "__atomic_", 9));
}

static void add_members(
	struct parts *q, Dwarf_Die *type, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die member;
	u64 offset;

	if (dwarf_child(type, &member))
		return;
	do {
		if (!is_member(&member) || !member_offset(&member, &offset))
			continue;
		const char *own = dwarf_tag(&member) == DW_TAG_inheritance
					  ? NULL
					  : dwarf_diename(&member);
		char *longer = own && !is_hidden(type, own) ? ct_asprintf("%s.%s", name, own)
							    : ct_strdup(name);

		add_parts(q, &member, longer, vaddr + offset, depth + 1);
		free(longer);
	} while (!dwarf_siblingof(&member, &member));
}

static void add_elements(
	struct parts *q, Dwarf_Die *array, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die element;
	u64 cnt, size;

	if (!array_of(array, &element, &cnt))
		return;
	size = size_of(&element);
	for (u64 i = 0; i < cnt && q->left; i++) {
		char *longer = ct_asprintf("%s[%llu]", name, (unsigned long long)i);

		/* the array has the element's type */
		add_parts(q, array, longer, vaddr + i * size, depth + 1);
		free(longer);
	}
}

/* `typed` has a type: a variable, a member, an array. */
static void add_parts(struct parts *q, Dwarf_Die *typed, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die type;
	const struct sync_type *sync;
	u64 size;

	if (!q->left || depth > NESTING_MAX || !type_of(typed, &type))
		return;
	size = size_of(&type);
	sync = sync_of(typed);
	if (sync) {
		q->sync = sync->is;
		if (q->locks && sync->owner) {
			add_variable(q->out, name, vaddr, size)->owner = sync->owner;
			q->left--;
		}
		return;
	}
	if (q->locks && dwarf_tag(&type) == DW_TAG_pointer_type && has_lock(&type, 0)) {
		add_variable(q->out, name, vaddr, size);
		q->left--;
		return;
	}
	if (dwarf_tag(&type) == DW_TAG_array_type) {
		add_elements(q, &type, name, vaddr, depth);
	} else if (is_aggregate(&type)) {
		add_members(q, &type, name, vaddr, depth);
	} else if (!q->locks && size) {
		add_variable(q->out, name, vaddr, size)->type = value_type(&type);
		q->left--;
	}
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
	else if (!array_of(type, &element, &cnt))
		w->why = ct_asprintf("'%.*s' is no array", (int)(*at - w->spec), w->spec);
	else if (i >= cnt)
		w->why = ct_asprintf("'%.*s' has %llu elements, from 0", (int)(*at - w->spec),
			w->spec, (unsigned long long)cnt);
	if (w->why)
		return false;
	*vaddr += i * size_of(&element);
	*at = end + 1;
	return true;
}

static bool find_member(Dwarf_Die *type, const char *name, size_t len, Dwarf_Die *found,
	u64 *vaddr, u32 depth)
{
	Dwarf_Die member, inner;
	u64 offset;

	if (depth > NESTING_MAX || dwarf_child(type, &member))
		return false;
	do {
		const char *own = dwarf_diename(&member);

		if (!is_member(&member) || !member_offset(&member, &offset))
			continue;
		if (own && dwarf_tag(&member) == DW_TAG_member && strlen(own) == len &&
			!strncmp(own, name, len)) {
			*found = member;
			*vaddr += offset;
			return true;
		}
		/* a base class, or a structure without a name of its own */
		if ((!own || dwarf_tag(&member) == DW_TAG_inheritance) &&
			type_of(&member, &inner)) {
			*vaddr += offset;
			if (find_member(&inner, name, len, found, vaddr, depth + 1))
				return true;
			*vaddr -= offset;
		}
	} while (!dwarf_siblingof(&member, &member));
	return false;
}

/* Follows the suffix; `typed` becomes what has the type of what it leads to. */
static bool follow(struct wanted *w, Dwarf_Die *typed, u64 *vaddr)
{
	const char *at = w->suffix;
	Dwarf_Die type;

	while (*at) {
		if (!type_of(typed, &type)) {
			w->why = ct_asprintf("the type of '%s' is not known", w->base);
			return false;
		}
		if (*at == '[') {
			if (!step_element(w, &type, &at, vaddr))
				return false;
			*typed = type; /* the array: its type is the element's */
			continue;
		}
		size_t len = strcspn(at + 1, ".[");
		if (!find_member(&type, at + 1, len, typed, vaddr, 0)) {
			w->why = ct_asprintf("'%.*s' has no member '%.*s'", (int)(at - w->spec),
				w->spec, (int)len, at + 1);
			return false;
		}
		at += 1 + len;
	}
	return true;
}

static bool visit_wanted(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name)
{
	struct wanted *w = p->arg;
	Dwarf_Die typed = *die;
	struct parts parts = { .out = p->out, .left = PARTS_MAX };

	if (!is_called(w, name) && !(w->vaddr && vaddr == w->vaddr))
		return false;
	for (u32 i = 0; i < p->out->at.cnt; i++)
		if (p->out->at.at[i].addr == vaddr)
			return false; /* the same one, told twice */
	w->found++;
	if (!follow(w, &typed, &vaddr))
		return true;
	add_parts(&parts, &typed, w->spec, vaddr, 0);
	if (!p->out->at.cnt && parts.sync)
		w->why = ct_asprintf("'%s' is %s, which ctrace knows by itself: watch what it is "
				     "for", w->spec, parts.sync);
	return false;
}

/* ---- symbol tables: without DWARF ---- */

struct symbol_pass {
	struct ct_elf *file;
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
				GELF_ST_TYPE(sym.st_info) == STT_OBJECT)
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
	struct symbol_pass p = { .file = f, .visit = visit_symbol, .arg = w };

	walk_symbols(&p, f->elf);
	if (!w->vaddr)
		walk_symbols(&p, f->debug_elf);
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
	walk_file(&p);
	if (w->why)
		return true;
	if (!w->found && w->vaddr) {
		if (*w->suffix)
			w->why = ct_asprintf("'%s' needs debug information: compile with -g",
				w->spec);
		else
			add_variable(out, w->spec, w->vaddr, w->size);
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
	if (!w.why && w.found > 1)
		w.why = ct_asprintf("'%s' is the name of %u variables", spec, w.found);
	*why = w.why;
	free(w.base);
	relocate(out, f);
	ct_elf__free(f);
	if (*why)
		return -EINVAL;
	return found && out->at.cnt ? 0 : -ENOENT;
}

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
		add_parts(&c->parts, die, name, vaddr, 0);
	return c->parts.out->at.cnt >= VARIABLES_MAX;
}

static void visit_lock_symbol(struct symbol_pass *p, const GElf_Sym *sym, const char *name)
{
	/* comparing a word that is no owner with a thread's number does no harm */
	if (sym->st_size == MUTEX_SIZE)
		add_variable(p->out, name, sym->st_value, sym->st_size)->owner = MUTEX_OWNER;
	else if (sym->st_size == RWLOCK_SIZE)
		add_variable(p->out, name, sym->st_value, sym->st_size)->owner = RWLOCK_OWNER;
}

static void collect(struct ct_variables *out, const char *path, bool locks)
{
	struct ct_elf *f = open_file(path);
	struct collect c = { .parts = { .out = out, .locks = locks, .left = VARIABLES_MAX },
		.file = f };
	struct pass p = { .file = f, .visit = visit_all, .arg = &c, .out = out };
	struct symbol_pass symbols = { .file = f, .visit = visit_lock_symbol, .out = out };

	if (f->elf)
		walk_file(&p);
	if (f->elf && !c.any && locks)
		walk_symbols(&symbols, f->elf);
	relocate(out, f);
	ct_elf__free(f);
}

void ct_variables__locks(struct ct_variables *out, const char *path)
{
	collect(out, path, true);
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

void ct_variables__all(struct ct_variables *out, const char *path)
{
	collect(out, path, false);
}
