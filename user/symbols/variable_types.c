/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Types of variables in DWARF: their members, elements and sizes, what is a lock or the like, and
 * how the bytes of a scalar are meant.
 */
#include <dwarf.h>
#include <string.h>
#include "symbols/variables_int.h"

#define HAS_LOCK_DEPTH 4     /* structures in structures that are searched for a lock */

/* Offsets of the owner's tid: glibc's pthread_mutex_t and pthread_rwlock_t on 64 bits. */
#define MUTEX_OWNER 8
#define RWLOCK_OWNER 24

struct ct_variable *variables_add(
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

/* thread_local, on a stack, in a register, or nowhere. */
static bool is_variable_elsewhere(Dwarf_Die *die)
{
	return (dwarf_tag(die) == DW_TAG_variable || dwarf_tag(die) == DW_TAG_formal_parameter) &&
	       !dwarf_hasattr(die, DW_AT_declaration);
}

char *variables_name(Dwarf_Die *die)
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
		vaddr = 0;
		if (is_variable_at(&die, &vaddr) ||
			(p->homeless && is_variable_elsewhere(&die))) {
			char *name = variables_name(&die);
			bool done = name && p->visit(p, &die, vaddr, name);

			free(name);
			if (done)
				return true;
		}
		bool function = dwarf_tag(&die) == DW_TAG_subprogram;

		p->in_function += function;
		if (has_scope(dwarf_tag(&die)) && walk(p, &die, depth + 1))
			return true;
		p->in_function -= function;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

void variables_walk(struct pass *p)
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
bool variables_type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &next) &&
	       !dwarf_peel_type(&next, type);
}

bool variables_is_aggregate(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
}

u64 variables_size(Dwarf_Die *type)
{
	Dwarf_Word size;

	return dwarf_aggregate_size(type, &size) ? 0 : size;
}

/* Bits of a bit-field, from the start of the structure. */
static u64 first_bit(Dwarf_Die *member, u64 offset, u64 bits)
{
	Dwarf_Attribute attr;
	Dwarf_Word at = 0, storage = 0;
	Dwarf_Die type;

	if (dwarf_attr(member, DW_AT_data_bit_offset, &attr) && !dwarf_formudata(&attr, &at))
		return at;
	/* before DWARF 4: from the upper end of the storage */
	if (dwarf_attr(member, DW_AT_bit_offset, &attr) && !dwarf_formudata(&attr, &at)) {
		if (!dwarf_attr(member, DW_AT_byte_size, &attr) ||
			dwarf_formudata(&attr, &storage))
			storage = variables_type(member, &type) ? variables_size(&type) : 4;
		return offset * 8 + storage * 8 - at - bits;
	}
	return offset * 8;
}

bool variables_member(Dwarf_Die *member, u64 *offset, u64 *bytes, u64 *bits)
{
	Dwarf_Attribute attr;
	Dwarf_Word at = 0, width = 0;
	Dwarf_Die type;

	if (dwarf_attr(member, DW_AT_data_member_location, &attr) && dwarf_formudata(&attr, &at))
		return false;
	*offset = at;
	*bits = 0;
	*bytes = variables_type(member, &type) ? variables_size(&type) : 0;
	if (dwarf_attr(member, DW_AT_bit_size, &attr) && !dwarf_formudata(&attr, &width) && width) {
		u64 first = first_bit(member, at, width);

		*bits = width;
		*offset = first / 8;
		*bytes = (first + width + 7) / 8 - *offset;
	}
	return true;
}

bool variables_is_member(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return (tag == DW_TAG_member || tag == DW_TAG_inheritance) &&
	       !dwarf_hasattr(die, DW_AT_external); /* a static one is elsewhere */
}

/* Element type and count of an array; count 0: not known. */
bool variables_array(Dwarf_Die *array, Dwarf_Die *element, u64 *cnt)
{
	u64 all = variables_size(array), one;

	if (dwarf_tag(array) != DW_TAG_array_type || !variables_type(array, element))
		return false;
	one = variables_size(element);
	*cnt = one ? all / one : 0;
	return one != 0;
}

/* By the names of the types; with `<` at the end, of those that begin so. */
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
	{ "counting_semaphore<", "a semaphore", 0 },
	{ "barrier<", "a barrier", 0 },
};

static bool is_type_called(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	return wanted[len - 1] == '<' ? !strncmp(name, wanted, len) : !strcmp(name, wanted);
}

static const struct sync_type *sync_called(const char *name)
{
	for (u32 i = 0; name && i < CT_COUNT(sync_types); i++)
		if (is_type_called(name, sync_types[i].type))
			return &sync_types[i];
	return NULL;
}

/* NULL: it is something else. */
const struct sync_type *variables_sync(Dwarf_Die *die)
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
			dwarf_tag(&type) == DW_TAG_pointer_type || variables_is_aggregate(&type))
			return NULL;
	}
	return NULL;
}

/* Is it a lock whose owner can be read, or has it one in it? */
static bool has_lock(Dwarf_Die *typed, u32 depth)
{
	const struct sync_type *sync = variables_sync(typed);
	Dwarf_Die type, member;

	if (sync)
		return sync->owner != 0;
	if (depth > HAS_LOCK_DEPTH || !variables_type(typed, &type))
		return false;
	if (dwarf_tag(&type) == DW_TAG_array_type)
		return has_lock(&type, depth + 1);
	if (!variables_is_aggregate(&type) || dwarf_child(&type, &member))
		return false;
	do {
		if (variables_is_member(&member) && has_lock(&member, depth + 1))
			return true;
	} while (!dwarf_siblingof(&member, &member));
	return false;
}

/* ---- how the bytes are meant ---- */

static u32 value_type(Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Word encoding = 0;

	if (dwarf_tag(type) == DW_TAG_pointer_type || dwarf_tag(type) == DW_TAG_ptr_to_member_type)
		return CT_WATCH_UNSIGNED;
	if (dwarf_tag(type) != DW_TAG_base_type && dwarf_tag(type) != DW_TAG_enumeration_type)
		return CT_WATCH_SIGNED;
	if (!dwarf_attr(type, DW_AT_encoding, &attr) || dwarf_formudata(&attr, &encoding))
		return CT_WATCH_SIGNED;
	switch (encoding) {
	case DW_ATE_float:
		return CT_WATCH_FLOAT;
	case DW_ATE_unsigned:
	case DW_ATE_boolean:
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
		return CT_WATCH_UNSIGNED;
	default:
		return CT_WATCH_SIGNED;
	}
}

/* ---- the parts of a variable ---- */

static struct ct_variable *add_part(
	struct parts *q, const char *name, u64 vaddr, u64 size, bool member)
{
	struct ct_variable *v = variables_add(q->out, name, vaddr, size);

	v->rank = q->arrays ? CT_RANK_ELEMENT : member ? CT_RANK_MEMBER : CT_RANK_WHOLE;
	q->left--;
	return v;
}

/* Neighbours are one place in memory: the processor writes them together. */
static void add_bits(struct parts *q, const char *name, u64 vaddr, u64 bytes)
{
	if (q->take == PARTS_LOCKS || vaddr + bytes <= q->bits_end)
		return;
	struct ct_variable *v = add_part(q, name, vaddr, bytes, true);

	v->type = CT_WATCH_UNSIGNED;
	v->bits = true;
	q->bits_end = vaddr + bytes;
}

/* std::atomic is a class with nothing but the value in it. */
static bool is_atomic_value(const char *name)
{
	return name && (!strcmp(name, "_M_i") || !strcmp(name, "_M_base") ||
			       !strcmp(name, "_M_b") || !strcmp(name, "_M_p"));
}

static bool is_atomic_class(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return name && (!strncmp(name, "atomic<", 7) || !strncmp(name, "__atomic_base<", 14));
}

/* The classes of the standard library: what they have inside is none of the user's names. */
static bool is_inside_lock(Dwarf_Die *member, const char *own, u32 depth)
{
	Dwarf_Die type, first;

	if (!own || strncmp(own, "_M_", 3) || depth > HAS_LOCK_DEPTH)
		return false;
	if (variables_sync(member))
		return true;
	if (!variables_type(member, &type) || !variables_is_aggregate(&type) ||
		dwarf_child(&type, &first))
		return false;
	do {
		if (dwarf_tag(&first) == DW_TAG_member)
			return is_inside_lock(&first, dwarf_diename(&first), depth + 1);
	} while (!dwarf_siblingof(&first, &first));
	return false;
}

bool variables_is_inside(Dwarf_Die *type, Dwarf_Die *member, const char *own)
{
	return (is_atomic_class(type) && is_atomic_value(own)) || is_inside_lock(member, own, 0);
}

static void add_members(
	struct parts *q, Dwarf_Die *type, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die member;
	u64 offset, bytes, bits;

	if (dwarf_child(type, &member))
		return;
	do {
		if (!variables_is_member(&member) ||
			!variables_member(&member, &offset, &bytes, &bits))
			continue;
		const char *own = dwarf_tag(&member) == DW_TAG_inheritance
					  ? NULL
					  : dwarf_diename(&member);
		bool unnamed = !own || variables_is_inside(type, &member, own);
		char *longer = unnamed ? ct_strdup(name) : ct_asprintf("%s.%s", name, own);

		if (bits)
			add_bits(q, longer, vaddr + offset, bytes);
		else
			variables_parts(q, &member, longer, vaddr + offset, depth + 1);
		free(longer);
	} while (!dwarf_siblingof(&member, &member));
}

static void add_elements(
	struct parts *q, Dwarf_Die *array, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die element;
	u64 cnt, size, some;

	if (!variables_array(array, &element, &cnt))
		return;
	size = variables_size(&element);
	/* the first, the last, and some between; of arrays in arrays one */
	some = !q->sample ? cnt : q->arrays ? 1 : q->sample;
	some = some < cnt ? some : cnt;
	q->arrays++;
	for (u64 k = 0; k < some && q->left; k++) {
		u64 i = some > 1 ? k * (cnt - 1) / (some - 1) : 0;
		char *longer = ct_asprintf("%s[%llu]", name, (unsigned long long)i);

		/* the array has the element's type */
		variables_parts(q, array, longer, vaddr + i * size, depth + 1);
		free(longer);
	}
	q->arrays--;
}

static void add_sync(struct parts *q, const struct sync_type *sync, const char *name, u64 vaddr,
	u64 size)
{
	struct ct_variable *v;

	q->sync = sync->is;
	if (q->take == PARTS_VALUES || (q->take == PARTS_LOCKS && !sync->owner))
		return;
	v = variables_add(q->out, name, vaddr, size);
	v->owner = sync->owner;
	v->sync = sync->is;
	q->left--;
}

void variables_parts(struct parts *q, Dwarf_Die *typed, const char *name, u64 vaddr, u32 depth)
{
	Dwarf_Die type;
	const struct sync_type *sync;
	u64 size;

	if (!q->left || depth > NESTING_MAX || !variables_type(typed, &type))
		return;
	size = variables_size(&type);
	sync = variables_sync(typed);
	if (sync) {
		add_sync(q, sync, name, vaddr, size);
		return;
	}
	if (q->take == PARTS_LOCKS && dwarf_tag(&type) == DW_TAG_pointer_type &&
		has_lock(&type, 0)) {
		variables_add(q->out, name, vaddr, size);
		q->left--;
		return;
	}
	if (dwarf_tag(&type) == DW_TAG_array_type)
		add_elements(q, &type, name, vaddr, depth);
	else if (variables_is_aggregate(&type))
		add_members(q, &type, name, vaddr, depth);
	else if (q->take != PARTS_LOCKS && size)
		add_part(q, name, vaddr, size, dwarf_tag(typed) != DW_TAG_variable)->type =
			value_type(&type);
}
