/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May a program keep its threads apart by means of its own: spin locks, flags, a runtime's mutexes?
 * They have no owner that could be read, so that who holds them cannot be blamed for holding
 * nothing.  Two signs: instructions that a lock is made of (compare and exchange, test and set, an
 * exchange whose old value counts); and variables of atomic types (DWARF) that somebody may wait
 * for: a global one when a loop looks at it, any other one. Atomic counters alone are no sign.
 *
 * Looked at is the program's own code, which has debug information when anything has; a file
 * without any is looked at as a whole.  Once for a recording; O(code).
 */
#include <dwarf.h>
#include <string.h>
#include "symbols/symbols_int.h"

#if defined(__x86_64__)
#include <Zydis/Zydis.h>
#endif

#define NESTING_MAX 24
#define ATOMIC_SIZE 8 /* bytes, at most */
#define LOOP_BYTES 192 /* of a loop that waits */
#define CODE_MOST (16u << 20) /* more is taken to have everything in it */
#define USE_INSNS 8	      /* in which the old value is looked at, when it is */

/* ---- types ---- */

static bool is_atomic_type(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);
	const char *name;

	if (tag == DW_TAG_atomic_type)
		return true;
	if (tag != DW_TAG_structure_type && tag != DW_TAG_class_type)
		return false;
	name = dwarf_diename(die);
	return name && !dwarf_hasattr(die, DW_AT_declaration) &&
	       (!strncmp(name, "atomic<", 7) || !strncmp(name, "__atomic_", 9) ||
		       !strcmp(name, "atomic_flag"));
}

/* Of something that has a type: through names, pointers and arrays. */
static bool leads_to_atomic(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die type = *die;

	for (u32 i = 0; i < NESTING_MAX && dwarf_attr(&type, DW_AT_type, &attr); i++) {
		if (!dwarf_formref_die(&attr, &type))
			return false;
		if (is_atomic_type(&type))
			return true;
	}
	return false;
}

static bool has_parts(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_namespace || tag == DW_TAG_subprogram ||
	       tag == DW_TAG_lexical_block;
}

struct globals { /* that are atomic */
	CT_VEC(u64) at;
};

/* Takes a global one, and one that is declared here and defined elsewhere. */
static bool take_global(struct globals *g, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t cnt;

	if (dwarf_hasattr(die, DW_AT_declaration))
		return true;
	if (!dwarf_attr(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &cnt) ||
		cnt != 1 || ops[0].atom != DW_OP_addr)
		return false;
	*ct_vec_push(&g->at) = ops[0].number;
	return true;
}

/* Variables, parameters and members: a header alone brings the types, but nothing that has one.
 * True: some that are not global. */
static bool has_atomics(struct globals *g, Dwarf_Die *parent, u32 depth)
{
	Dwarf_Die die;

	if (depth > NESTING_MAX || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if ((tag == DW_TAG_variable || tag == DW_TAG_member ||
			    tag == DW_TAG_formal_parameter) &&
			!dwarf_hasattr(&die, DW_AT_artificial) && leads_to_atomic(&die) &&
			(tag != DW_TAG_variable || !take_global(g, &die)))
			return true;
		if (has_parts(tag) && !is_atomic_type(&die) && has_atomics(g, &die, depth + 1))
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

/* ---- instructions ---- */

struct code {
	const u8 *at;
	u64 len, vaddr;
	const struct globals *atomics;
};

#if defined(__x86_64__)

struct insn {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

static bool touches_memory(const struct insn *i)
{
	for (u32 k = 0; k < i->insn.operand_count_visible; k++)
		if (i->ops[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return true;
	return false;
}

static bool decode(const ZydisDecoder *d, const struct code *c, u64 pos, struct insn *i)
{
	return ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(d, c->at + pos, c->len - pos, &i->insn, i->ops));
}

static ZydisRegister wide(ZydisRegister reg)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

static bool uses(const struct insn *i, ZydisRegister reg, ZydisOperandActions how)
{
	for (u32 k = 0; k < i->insn.operand_count; k++) {
		const ZydisDecodedOperand *op = &i->ops[k];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && wide(op->reg.value) == reg &&
			(op->actions & how))
			return true;
		if ((how & ZYDIS_OPERAND_ACTION_MASK_READ) &&
			op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
			(wide(op->mem.base) == reg || wide(op->mem.index) == reg))
			return true;
	}
	return false;
}

/* xor %eax,%eax: the old value does not count, though it is read. */
static bool is_zeroing(const struct insn *i)
{
	return i->insn.mnemonic == ZYDIS_MNEMONIC_XOR &&
	       i->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       i->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       i->ops[0].reg.value == i->ops[1].reg.value;
}

/* An exchange whose old value nobody looks at is a store. */
static bool is_old_value_used(
	const ZydisDecoder *d, const struct code *c, u64 pos, const struct insn *exchange)
{
	ZydisRegister reg = ZYDIS_REGISTER_NONE;
	struct insn i;

	for (u32 k = 0; k < exchange->insn.operand_count_visible; k++)
		if (exchange->ops[k].type == ZYDIS_OPERAND_TYPE_REGISTER)
			reg = wide(exchange->ops[k].reg.value);
	for (u32 k = 0; k < USE_INSNS && decode(d, c, pos, &i); k++, pos += i.insn.length) {
		if (!is_zeroing(&i) && uses(&i, reg, ZYDIS_OPERAND_ACTION_MASK_READ))
			return true;
		if (uses(&i, reg, ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
			i.insn.meta.category == ZYDIS_CATEGORY_CALL ||
			i.insn.meta.category == ZYDIS_CATEGORY_RET)
			break;
	}
	return false;
}

static bool makes_lock(const ZydisDecoder *d, const struct code *c, u64 pos)
{
	struct insn i;

	if (!decode(d, c, pos, &i) || !touches_memory(&i))
		return false;
	switch (i.insn.mnemonic) {
	case ZYDIS_MNEMONIC_CMPXCHG:
	case ZYDIS_MNEMONIC_CMPXCHG8B:
	case ZYDIS_MNEMONIC_CMPXCHG16B:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
		return i.insn.attributes & ZYDIS_ATTRIB_HAS_LOCK;
	case ZYDIS_MNEMONIC_XCHG:
		return is_old_value_used(d, c, pos + i.insn.length, &i);
	default:
		return false;
	}
}

/* The global that it names by its address, to read it or to pass it on; 0: none, or it changes
 * it. */
static u64 looks_at(const struct insn *i, u64 vaddr)
{
	for (u32 k = 0; k < i->insn.operand_count_visible; k++) {
		const ZydisDecodedOperand *op = &i->ops[k];
		u64 at;

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
			op->mem.index != ZYDIS_REGISTER_NONE || !op->mem.disp.has_displacement ||
			(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		at = (u64)op->mem.disp.value;
		if (op->mem.base == ZYDIS_REGISTER_RIP)
			return at + vaddr + i->insn.length;
		return op->mem.base == ZYDIS_REGISTER_NONE ? at : 0;
	}
	return 0;
}

/* A loop from `from` to the jump at `to` that looks at an atomic global: it may wait for it.  What
 * returns on the way is no loop. */
static bool waits_between(const ZydisDecoder *d, const struct code *c, u64 from, u64 to)
{
	struct insn i;
	bool looks = false;

	for (u64 pos = from; pos < to; pos += i.insn.length) {
		if (!decode(d, c, pos, &i) || i.insn.meta.category == ZYDIS_CATEGORY_RET)
			return false;
		u64 at = looks_at(&i, c->vaddr + pos);

		for (u32 k = 0; at && k < c->atomics->at.cnt; k++)
			looks |= at - c->atomics->at.at[k] < ATOMIC_SIZE;
	}
	return looks;
}

static bool ends_waiting(const ZydisDecoder *d, const struct code *c, u64 pos,
	const ZydisDecodedInstruction *jump)
{
	i64 to = (i64)pos + jump->length;

	if (!c->atomics->at.cnt || (jump->meta.category != ZYDIS_CATEGORY_COND_BR &&
					   jump->meta.category != ZYDIS_CATEGORY_UNCOND_BR))
		return false;
	if (!jump->raw.imm[0].is_relative)
		return false;
	to += jump->raw.imm[0].value.s;
	return to >= 0 && (u64)to < pos && pos - (u64)to <= LOOP_BYTES &&
	       waits_between(d, c, (u64)to, pos);
}

static bool has_lock_in(const struct code *c)
{
	ZydisDecoder d;
	ZydisDecodedInstruction insn;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (u64 pos = 0; pos < c->len;) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
			    &d, NULL, c->at + pos, c->len - pos, &insn))) {
			pos++; /* a table among the code */
			continue;
		}
		if (makes_lock(&d, c, pos) || ends_waiting(&d, c, pos, &insn))
			return true;
		pos += insn.length;
	}
	return false;
}

#else

/* Load and store exclusive, compare and swap, swap: their places in arm64's encoding. */
static bool has_lock_in(const struct code *c)
{
	if (c->atomics->at.cnt) /* which loops look at them is not asked */
		return true;
	for (u64 pos = 0; pos + 4 <= c->len; pos += 4) {
		u32 insn = c->at[pos] | c->at[pos + 1] << 8 | c->at[pos + 2] << 16 |
			   (u32)c->at[pos + 3] << 24;

		if ((insn & 0x3f800000) == 0x08000000 ||  /* ldxr, stxr, casp */
			(insn & 0x3fa07c00) == 0x08a07c00 || /* cas */
			(insn & 0x3f20fc00) == 0x38208000)   /* swp */
			return true;
	}
	return false;
}

#endif

/* ---- a file ---- */

static bool has_lock_between(struct ct_elf *f, const struct globals *g, u64 lo, u64 hi)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;

	while ((section = elf_nextscn(f->elf, section))) {
		if (!gelf_getshdr(section, &shdr) || shdr.sh_type != SHT_PROGBITS ||
			!(shdr.sh_flags & SHF_EXECINSTR) || hi <= shdr.sh_addr ||
			lo >= shdr.sh_addr + shdr.sh_size)
			continue;
		Elf_Data *data = elf_rawdata(section, NULL);
		u64 from = lo > shdr.sh_addr ? lo - shdr.sh_addr : 0;
		u64 to = hi - shdr.sh_addr < shdr.sh_size ? hi - shdr.sh_addr : shdr.sh_size;

		if (!data || !data->d_buf || to > data->d_size)
			continue;
		struct code c = { (const u8 *)data->d_buf + from, to - from,
			shdr.sh_addr + from, g };

		if (has_lock_in(&c))
			return true;
	}
	return false;
}

/* True: some of its code has such instructions, or it has too much of it. */
static bool is_doubtful_unit(struct ct_elf *f, const struct globals *g, Dwarf_Die *unit, u64 *left)
{
	Dwarf_Addr base, lo, hi;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(unit, at, &base, &lo, &hi)) > 0) {
		if (hi - lo > *left || has_lock_between(f, g, lo, hi))
			return true;
		*left -= hi - lo;
	}
	return false;
}

/* All units twice: what is atomic, and who looks at it. */
static bool is_doubtful(struct ct_elf *f, struct globals *g, u32 *units)
{
	u64 left = CODE_MOST;
	Dwarf_Die die;

	for (u32 pass = 0; pass < 2 && f->dbg; pass++) {
		Dwarf_CU *cu = NULL;

		for (*units = 0; *units < CT_UNITS_MAX; ++*units) {
			if (dwarf_get_units(f->dbg, cu, &cu, NULL, NULL, &die, NULL))
				break;
			if (dwarf_tag(&die) != DW_TAG_compile_unit)
				continue;
			if (pass ? is_doubtful_unit(f, g, &die, &left) : has_atomics(g, &die, 0))
				return true;
		}
	}
	return false;
}

bool ct_has_own_locks(struct ct_elf *f)
{
	struct globals g = { 0 };
	u32 units = 0;
	bool may = is_doubtful(f, &g, &units) ||
		   (!units && has_lock_between(f, &g, 0, UINT64_MAX));

	ct_vec_free(&g.at);
	return may;
}
