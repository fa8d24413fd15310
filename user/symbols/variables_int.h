/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Variables in DWARF: what the files that find them (variables.c), name them (variable_names.c) and
 * know their types (variable_types.c) say to each other.
 */
#ifndef CT_VARIABLES_INT_H
#define CT_VARIABLES_INT_H

#include "symbols/symbols_int.h"

#define NESTING_MAX 24	   /* scopes in scopes, types in types */
#define PARTS_MAX 4096	   /* scalars of one variable */
#define VARIABLES_MAX 65536 /* of one file */

/* ---- variable_types.c ---- */
struct pass {
	struct ct_elf *file;
	/* vaddr 0: it has no address of its own; true: enough seen */
	bool (*visit)(struct pass *p, Dwarf_Die *die, u64 vaddr, const char *name);
	void *arg;
	struct ct_variables *out;
	bool homeless; /* those without an address, too */
	u32 in_function; /* where it is */
};
void variables_walk(struct pass *p);
struct ct_variable *variables_add(
	struct ct_variables *out, const char *name, u64 vaddr, u64 size);

/* What the C library synchronises threads with. */
struct sync_type {
	const char *type, *is;
	u32 owner; /* offset of the owner's tid; 0: it has none that can be read */
};
const struct sync_type *variables_sync(Dwarf_Die *typed); /* NULL: it is something else */

/* The type itself, without its names and qualifiers. */
bool variables_type(Dwarf_Die *typed, Dwarf_Die *type);
u64 variables_size(Dwarf_Die *type);
bool variables_is_aggregate(Dwarf_Die *type);
bool variables_is_member(Dwarf_Die *die);
/* As a person writes it, with its scopes where the linker's name has them; free() it. */
char *variables_name(Dwarf_Die *die);
/* Is the member the only thing in a class of the standard library: an atomic value, a lock? */
bool variables_is_inside(Dwarf_Die *type, Dwarf_Die *member, const char *own);
/* Element type and count of an array; count 0: not known. */
bool variables_array(Dwarf_Die *array, Dwarf_Die *element, u64 *cnt);
/* Where a member begins in its structure, and how many bytes hold it; *bits: those of a bit-field,
 * else 0.  False: it has no fixed place. */
bool variables_member(Dwarf_Die *member, u64 *offset, u64 *bytes, u64 *bits);

/* The parts of a variable: what one instruction may touch alone. */
struct parts {
	struct ct_variables *out;
	enum { PARTS_VALUES, PARTS_LOCKS, PARTS_ALL } take; /* LOCKS: pointers to them, too */
	u32 left;
	u32 sample; /* so many elements of an array; 0: all */
	u32 arrays; /* that it is in */
	const char *sync; /* what the last lock or the like was that was met */
	u64 bits_end; /* the bytes before belong to bit-fields that have been taken */
};
/* `typed` has a type: a variable, a member, an array. */
void variables_parts(struct parts *q, Dwarf_Die *typed, const char *name, u64 vaddr, u32 depth);

/* ---- variable_names.c ---- */
/* Why a name that the file knows cannot be watched; NULL: it does not know it.  free() it. */
char *variables_refusal(struct ct_elf *f, const char *name);
char *variables_is_in_threads(const char *name); /* the words for that */

#endif
