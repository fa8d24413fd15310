/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to say of a name that cannot be watched: why a variable has no place in memory of its own,
 * and which name was meant.  And the name of a place inside a variable: `accounts[2].m`.
 */
#include <ctype.h>
#include <dwarf.h>
#include <string.h>
#include "symbols/variables_int.h"

/* ---- variables without an address ---- */

struct refusal {
	const char *name;
	char *why;
	bool local; /* that is on a stack: any other reason is a better one */
};

static bool is_called(const struct refusal *r, const char *name)
{
	size_t len = strlen(name), base = strlen(r->name);

	return !strcmp(name, r->name) ||
	       (len > base + 2 && !strcmp(name + len - base, r->name) &&
		       !strncmp(name + len - base - 2, "::", 2));
}

static bool is_in_threads(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t cnt;

	if (!dwarf_attr(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &cnt))
		return false;
	for (size_t i = 0; i < cnt; i++)
		if (ops[i].atom == DW_OP_GNU_push_tls_address ||
			ops[i].atom == DW_OP_form_tls_address)
			return true;
	return false;
}

char *variables_is_in_threads(const char *name)
{
	return ct_asprintf("'%s' is thread_local: each thread has one of its own, and nobody "
			   "shares it; that of one thread: '*ADDRESS:SIZE'", name);
}

static bool visit_homeless(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name)
{
	struct refusal *r = p->arg;
	bool local;

	if (vaddr || !is_called(r, name) || (r->why && !r->local))
		return false;
	local = p->in_function && !is_in_threads(die);
	if (local && r->why)
		return false;
	free(r->why);
	r->local = local;
	if (is_in_threads(die))
		r->why = variables_is_in_threads(r->name);
	else if (local)
		r->why = ct_asprintf("'%s' is a local variable, on the stack of whoever calls its "
				     "function: only those that live as long as the program can "
				     "be watched by name; one of them: '*ADDRESS:SIZE'",
			r->name);
	else
		r->why = ct_asprintf("'%s' is not in memory: the compiler has made it a constant, "
				     "or removed it", r->name);
	return false;
}

char *variables_refusal(struct ct_elf *f, const char *name)
{
	struct refusal r = { .name = name };
	struct pass p = { .file = f, .visit = visit_homeless, .arg = &r, .homeless = true };

	variables_walk(&p);
	return r.why;
}

/* ---- which name was meant ---- */

#define NAME_MAX_LEN 63u

/* Edits that make one word of the other: a letter more, less, another one, two the other way
 * round; upper and lower case are half the same. Twice as many, so that these can count one. */
static u32 edits(const char *a, const char *b)
{
	u32 row[3][NAME_MAX_LEN + 2], n = (u32)strlen(a), m = (u32)strlen(b);

	if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
		return CT_NONE;
	for (u32 k = 0; k <= m; k++)
		row[0][k] = 2 * k;
	for (u32 i = 1; i <= n; i++) {
		u32 *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = 2 * i;
		for (u32 k = 1; k <= m; k++) {
			u32 other = a[i - 1] == b[k - 1] ? 0
				    : tolower((u8)a[i - 1]) == tolower((u8)b[k - 1]) ? 1 : 2;
			u32 best = last[k - 1] + other;

			best = last[k] + 2 < best ? last[k] + 2 : best;
			best = now[k - 1] + 2 < best ? now[k - 1] + 2 : best;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
				before[k - 2] + 2 < best)
				best = before[k - 2] + 2;
			now[k] = best;
		}
	}
	return row[n % 3][m];
}

/* A third of its letters may be wrong. */
static u32 near(const char *typed, const char *name)
{
	u32 far = edits(typed, name), most = (u32)strlen(typed) / 3;

	return far == CT_NONE || far > 2 * (most ? most : 1) ? CT_NONE : far;
}

static const char *after_last(const char *name, const char *what)
{
	const char *found = name;

	for (const char *at = strstr(name, what); at; at = strstr(at + 1, what))
		found = at + strlen(what);
	return found;
}

u32 ct_variable_distance(const char *typed, const char *name)
{
	const char *bare = after_last(name, "::"), *member = after_last(name, ".");
	char *base = ct_strndup(bare, strcspn(bare, ".["));
	u32 best = near(typed, name), far;

	far = near(typed, bare);
	best = far < best ? far : best;
	far = near(typed, base);
	best = far != CT_NONE && far + 1 < best ? far + 1 : best;
	if (member != name) {
		far = near(typed, member);
		best = far != CT_NONE && far + 1 < best ? far + 1 : best;
	}
	if (best == CT_NONE && strlen(typed) > 2 && strcasestr(base, typed))
		best = 2 * (u32)(strlen(base) - strlen(typed)) + 2;
	free(base);
	return best;
}

/* ---- what is at an address ---- */

struct at {
	u64 lo, hi;
	Dwarf_Off die;
};

struct ct_elf_vars {
	CT_VEC(struct at) at;
};

static bool visit_placed(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name)
{
	struct ct_elf_vars *vars = p->arg;
	Dwarf_Die type;
	u64 size = variables_type(die, &type) ? variables_size(&type) : 0;

	(void)name;
	if (size)
		*ct_vec_push(&vars->at) =
			(struct at){ vaddr, vaddr + size, dwarf_dieoffset(die) };
	return vars->at.cnt >= VARIABLES_MAX;
}

static const struct ct_elf_vars *vars_of(struct ct_elf *f)
{
	struct pass p = { .file = f, .visit = visit_placed };

	if (!f->vars) {
		f->vars = ct_alloc(sizeof(*f->vars));
		ct_elf__load_debug(f);
		p.arg = f->vars;
		variables_walk(&p);
	}
	return f->vars;
}

/* The member that holds byte `*offset`, which becomes that in the member. */
static bool member_at(Dwarf_Die *type, u64 *offset, Dwarf_Die *found)
{
	u64 at, bytes, bits;

	if (dwarf_child(type, found))
		return false;
	do {
		if (variables_is_member(found) && variables_member(found, &at, &bytes, &bits) &&
			*offset >= at && *offset - at < bytes) {
			*offset -= at;
			return true;
		}
	} while (!dwarf_siblingof(found, found));
	return false;
}

/* One step into the type: `name` grows.  False: it is a scalar, or a gap between members. */
static bool step_in(Dwarf_Die *typed, u64 *offset, char **name)
{
	Dwarf_Die type, inner;
	const char *own;
	char *longer;
	u64 cnt, size;

	if (!variables_type(typed, &type))
		return false;
	if (variables_array(&type, &inner, &cnt)) {
		size = variables_size(&inner);
		longer = ct_asprintf("%s[%llu]", *name, (unsigned long long)(*offset / size));
		*offset %= size;
		*typed = type;
	} else if (variables_is_aggregate(&type) && member_at(&type, offset, &inner)) {
		own = dwarf_tag(&inner) == DW_TAG_inheritance ? NULL : dwarf_diename(&inner);
		longer = own && !variables_is_inside(&type, &inner, own)
				 ? ct_asprintf("%s.%s", *name, own)
				 : ct_strdup(*name);
		*typed = inner;
	} else {
		return false;
	}
	free(*name);
	*name = longer;
	return true;
}

char *ct_elf__member_at(
	struct ct_elf *f, u64 vaddr, const char *symbol, u64 symbol_vaddr, u64 *offset)
{
	const struct ct_elf_vars *vars = vars_of(f);
	Dwarf_Die die;
	char *name;
	u32 i = 0;

	while (i < vars->at.cnt && (vaddr < vars->at.at[i].lo || vaddr >= vars->at.at[i].hi))
		i++;
	if (i == vars->at.cnt || !dwarf_offdie(f->dbg, vars->at.at[i].die, &die))
		return NULL;
	/* the symbol has all scopes in its name, DWARF not for what has internal linkage */
	name = symbol && symbol_vaddr == vars->at.at[i].lo ? ct_strdup(symbol)
							    : variables_name(&die);
	if (!name)
		return NULL;
	*offset = vaddr - vars->at.at[i].lo;
	for (u32 depth = 0; depth < NESTING_MAX && !variables_sync(&die); depth++)
		if (!step_in(&die, offset, &name))
			return name;
	return name; /* what the C library has in its locks is nobody's name */
}

void ct_elf_vars__free(struct ct_elf_vars *v)
{
	if (v)
		ct_vec_free(&v->at);
	free(v);
}
