/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines and inlined calls at an address, from DWARF.
 *
 * Two indexes, each built when first needed: address -> unit, over the ranges of all units (there
 * may be no .debug_aranges: clang writes none), and address -> function, within one unit. The first
 * costs one pass over the unit headers of the file, the second one pass over the unit; a lookup
 * after that is O(log n) plus the blocks of one function. Split units (.dwo) are not opened: the
 * DWARF says where they are, and must not make us open what it likes.
 */
#include <dwarf.h>
#include <string.h>
#include "symbols/symbols_int.h"

#define NESTING_MAX 64 /* DIEs inside each other */
#define OVERLAP_MAX 64 /* ranges looked at before an address for one that contains it */

struct range {
	u64 lo, hi;
	u32 owner; /* index of the unit, or of the function's DIE */
};
struct ranges {
	CT_VEC(struct range) at; /* by lo, larger first */
};
struct unit {
	Dwarf_Die die;
	bool indexed;
	struct ranges funcs;
	CT_VEC(Dwarf_Die) dies; /* of the functions */
};
struct ct_dwarf {
	struct ranges all; /* of the units */
	CT_VEC(struct unit) units;
	CT_VEC(char *) made; /* names that are not in the DWARF as they are */
};

/* ---- ranges ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a;
	const struct range *y = b;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi > y->hi ? -1 : 1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

static void sort_ranges(struct ranges *r)
{
	if (r->at.cnt)
		qsort(r->at.at, r->at.cnt, sizeof(*r->at.at), compare_ranges);
}

/* What the linker threw away still has a range in the DWARF, at address 0. */
static bool add_ranges(struct ranges *r, Dwarf_Die *die, u32 owner)
{
	Dwarf_Addr base, lo, hi;
	ptrdiff_t at = 0;
	bool any = false;
	while ((at = dwarf_ranges(die, at, &base, &lo, &hi)) > 0 && r->at.cnt < CT_RANGES_MAX) {
		if (!lo || lo >= hi)
			continue;
		*ct_vec_push(&r->at) = (struct range){ .lo = lo, .hi = hi, .owner = owner };
		any = true;
	}
	return any;
}

/* The innermost range that holds vaddr: the one that starts last. */
static const struct range *find_range(const struct ranges *r, u64 vaddr)
{
	u32 low = 0;
	u32 cnt = r->at.cnt;
	while (cnt) {
		u32 half = cnt / 2;
		if (r->at.at[low + half].lo <= vaddr) {
			low += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	for (u32 i = low; i-- > 0 && low - i <= OVERLAP_MAX;)
		if (vaddr < r->at.at[i].hi)
			return &r->at.at[i];
	return NULL;
}

/* ---- units ---- */

static struct ct_dwarf *index_units(struct ct_elf *f)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	struct ct_dwarf *d = ct_alloc(sizeof(*d));
	for (u32 i = 0; i < CT_UNITS_MAX; i++) {
		if (dwarf_get_units(f->dbg, cu, &cu, NULL, NULL, &die, NULL))
			break;
		u32 owner = d->units.cnt;
		if (dwarf_tag(&die) == DW_TAG_compile_unit && add_ranges(&d->all, &die, owner))
			ct_vec_push(&d->units)->die = die;
	}
	sort_ranges(&d->all);
	return d;
}

void ct_dwarf__free(struct ct_dwarf *d)
{
	if (!d)
		return;
	for (u32 i = 0; i < d->units.cnt; i++) {
		ct_vec_free(&d->units.at[i].funcs.at);
		ct_vec_free(&d->units.at[i].dies);
	}
	for (u32 i = 0; i < d->made.cnt; i++)
		free(d->made.at[i]);
	ct_vec_free(&d->made);
	ct_vec_free(&d->units);
	ct_vec_free(&d->all.at);
	free(d);
}

/* ---- functions of a unit ---- */

/* Functions may lie in namespaces and classes, and in other functions (lambdas, local classes). */
static void index_functions(struct unit *u, Dwarf_Die *parent, u32 depth, u32 *budget)
{
	Dwarf_Die die;
	if (depth > NESTING_MAX || dwarf_child(parent, &die))
		return;
	do {
		if (!*budget)
			return;
		--*budget;
		if (dwarf_tag(&die) == DW_TAG_subprogram &&
			add_ranges(&u->funcs, &die, u->dies.cnt))
			*ct_vec_push(&u->dies) = die;
		index_functions(u, &die, depth + 1, budget);
	} while (!dwarf_siblingof(&die, &die));
}

static Dwarf_Die *find_function(struct unit *u, u64 vaddr)
{
	if (!u->indexed) {
		u32 budget = CT_DIES_MAX;
		u->indexed = true;
		index_functions(u, &u->die, 0, &budget);
		sort_ranges(&u->funcs);
	}
	const struct range *r = find_range(&u->funcs, vaddr);
	return r ? &u->dies.at[r->owner] : NULL;
}

/* ---- inlined calls ---- */

struct chain {
	Dwarf_Die calls[CT_INLINES_MAX]; /* outermost first */
	u32 cnt;
	u32 budget;
};

static bool is_block(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* Blocks may come without addresses of their own; then those inside count. */
static bool may_hold(Dwarf_Die *die, u64 vaddr)
{
	if (dwarf_haspc(die, vaddr) > 0)
		return true;
	return is_block(dwarf_tag(die)) && !dwarf_hasattr(die, DW_AT_ranges) &&
		!dwarf_hasattr(die, DW_AT_low_pc);
}

static bool follow_inlines(struct chain *c, Dwarf_Die *parent, u64 vaddr, u32 depth)
{
	Dwarf_Die die;
	if (depth > NESTING_MAX || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		bool inlined = tag == DW_TAG_inlined_subroutine;
		if (!c->budget || c->cnt == CT_INLINES_MAX)
			return true;
		c->budget--;
		if ((!inlined && !is_block(tag)) || !may_hold(&die, vaddr))
			continue;
		if (inlined)
			c->calls[c->cnt++] = die;
		if (follow_inlines(c, &die, vaddr, depth + 1) || inlined)
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

/* ---- names and lines ---- */

/* The DIE of the source: of an inlined call or an instance, that in its class. */
static Dwarf_Die find_declaration(Dwarf_Die *die)
{
	Dwarf_Die decl = *die;
	Dwarf_Attribute attr;
	for (u32 i = 0; i < 8; i++) {
		Dwarf_Die to;
		if (!dwarf_attr(&decl, DW_AT_abstract_origin, &attr) &&
			!dwarf_attr(&decl, DW_AT_specification, &attr))
			break;
		if (!dwarf_formref_die(&attr, &to))
			break;
		decl = to;
	}
	return decl;
}

static const char *name_die(struct ct_dwarf *d, Dwarf_Die *die, u32 depth);

/* GCC calls every lambda "operator()"; what tells them apart is the function that they stand in.
 * As the demangler writes it, but for the number, which the DWARF does not have. */
static const char *name_lambda(struct ct_dwarf *d, Dwarf_Die *die, u32 depth)
{
	Dwarf_Die decl = find_declaration(die);
	Dwarf_Die *scopes = NULL;
	const char *parameters = "()>";
	const char *outer = NULL;
	int cnt = dwarf_getscopes_die(&decl, &scopes);
	for (int i = 1; i < cnt && !outer && depth < 4; i++) {
		const char *name = dwarf_diename(&scopes[i]);
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
			outer = name_die(d, &scopes[i], depth + 1);
		else if (i == 1 && name && !strncmp(name, "<lambda(", 8))
			parameters = name + 7;
	}
	free(scopes);
	if (!outer)
		return NULL;
	char *plain = ct_demangle(outer);
	char *text = ct_asprintf("%s::{lambda%.*s}::operator()()", plain,
		(int)strlen(parameters) - 1, parameters);
	free(plain);
	*ct_vec_push(&d->made) = text;
	return text;
}

static const char *name_die(struct ct_dwarf *d, Dwarf_Die *die, u32 depth)
{
	Dwarf_Attribute attr;
	const char *name = NULL;
	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
		dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		name = dwarf_formstring(&attr);
	if (name)
		return name;
	name = dwarf_diename(die);
	if (!name || strcmp(name, "operator()"))
		return name;
	const char *lambda = name_lambda(d, die, depth);
	return lambda ? lambda : name;
}

static u32 read_number(Dwarf_Die *die, u32 what)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;
	if (!dwarf_attr(die, what, &attr) || dwarf_formudata(&attr, &value) || value > INT32_MAX)
		return 0;
	return (u32)value;
}

static void name_call_site(struct unit *u, Dwarf_Die *call, struct ct_place_name *out)
{
	Dwarf_Files *files;
	size_t cnt;
	out->line = read_number(call, DW_AT_call_line);
	u32 idx = read_number(call, DW_AT_call_file);
	if (!dwarf_getsrcfiles(&u->die, &files, &cnt) && idx < cnt)
		out->file = dwarf_filesrc(files, idx, NULL, NULL);
}

static void name_line(struct unit *u, u64 vaddr, struct ct_place_name *out)
{
	int line = 0;
	Dwarf_Line *found = dwarf_getsrc_die(&u->die, vaddr);
	if (!found || dwarf_lineno(found, &line) || line <= 0)
		return; /* line 0: the compiler says that it is nobody's */
	out->line = (u32)line;
	out->file = dwarf_linesrc(found, NULL, NULL);
}

/* Frame i is the i-th inlined call from the inside, the last one the function: each stands at the
 * line where it calls the one before it. */
static u32 name_frames(struct ct_dwarf *d, struct unit *u, Dwarf_Die *function, struct chain *c,
	u64 vaddr, struct ct_place_name *out)
{
	for (u32 i = 0; i <= c->cnt; i++) {
		bool inlined = i < c->cnt;
		out[i] = (struct ct_place_name){ .inlined = inlined };
		if (inlined)
			out[i].function = name_die(d, &c->calls[c->cnt - 1 - i], 0);
		else if (function)
			out[i].function = name_die(d, function, 0);
		if (i)
			name_call_site(u, &c->calls[c->cnt - i], &out[i]);
		else
			name_line(u, vaddr, &out[i]);
	}
	return c->cnt + 1;
}

u32 ct_elf__lines(struct ct_elf *f, u64 vaddr, struct ct_place_name out[CT_INLINES_MAX + 1])
{
	struct chain c = { .budget = CT_DIES_MAX };
	ct_elf__load_debug(f);
	if (!f->dbg)
		return 0;
	if (!f->dwarf)
		f->dwarf = index_units(f);
	const struct range *r = find_range(&f->dwarf->all, vaddr);
	if (!r)
		return 0;
	struct unit *u = &f->dwarf->units.at[r->owner];
	Dwarf_Die *function = find_function(u, vaddr);
	if (function)
		follow_inlines(&c, function, vaddr, 0);
	return name_frames(f->dwarf, u, function, &c, vaddr, out);
}
