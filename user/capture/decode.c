/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of x86-64 that touched a watched variable: which one it was, whether it read or
 * wrote, and the very value, from the registers it left behind.
 *
 * The instruction ends at a known address and begins at an unknown one.  Code decoded from a wrong
 * byte falls into step with the real instructions after a few of them, so the bytes before the
 * place are decoded from each of them, and the beginning that most of these chains come through is
 * the right one; and its memory operand, computed from the registers, must be the variable, which
 * leaves no doubt where the registers of the address are still what they were.  That needs no
 * symbols, and works in code that was made at run time.
 *
 * The disassembler itself is Zydis.  arm64: decode_a64.c.
 */
#include "capture/decode.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define INSN_MAX 15u
#define FLAG_ZF 0x40u

enum rule {
	RULE_MEMORY,  /* nothing but memory tells */
	RULE_BLIND,   /* it only looks (cmp, test), and leaves no value: not worth a second trap */
	RULE_LOADED,  /* reg has what was read */
	RULE_STORED,  /* reg has what was written */
	RULE_IMM,     /* imm was written */
	RULE_PLUS,    /* memory, less imm, was there before */
	RULE_PLUS_REG, /* memory, less reg, was there before */
	RULE_MINUS_REG,
	RULE_OLD_IN_REG,  /* reg has what was there before (xchg, xadd) */
	RULE_CMPXCHG,	  /* by the zero flag: wrote reg, or read into rax */
};

struct candidate {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u32 votes;
	bool valid;
};

/* ---- operands ---- */

/* Number of a general register, of whatever width; -1: it is another kind. */
static int reg_number(ZydisRegister reg, u8 *shift)
{
	ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	*shift = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH ? 8 : 0;
	if (wide < ZYDIS_REGISTER_RAX || wide > ZYDIS_REGISTER_R15)
		return -1;
	return (int)(wide - ZYDIS_REGISTER_RAX);
}

static bool writes_reg(const struct candidate *c, int number)
{
	u8 shift;

	for (u32 i = 0; i < c->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &c->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
			(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
			reg_number(op->reg.value, &shift) == number)
			return true;
	}
	return false;
}

enum reach { REACH_NO, REACH_UNKNOWN, REACH_YES };

/* Adds the register to *at; false: it is not what it was when the address was computed. */
static bool add_register(const struct candidate *c, ZydisRegister reg, u64 scale,
	const struct ct_hit *hit, u64 *at)
{
	u8 shift;
	int n;

	if (reg == ZYDIS_REGISTER_NONE)
		return true;
	if (reg == ZYDIS_REGISTER_RIP) {
		*at += hit->ip;
		return true;
	}
	n = reg_number(reg, &shift);
	if (n < 0 || writes_reg(c, n))
		return false;
	*at += hit->reg[n] * scale;
	return true;
}

/* Does the operand touch the variable? */
static enum reach reaches(const struct candidate *c, const ZydisDecodedOperand *op,
	const struct ct_hit *hit, u64 addr, u32 size)
{
	u64 at = op->mem.disp.has_displacement ? (u64)op->mem.disp.value : 0;
	u32 bytes = op->size / 8;

	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
		return REACH_UNKNOWN;
	if (!add_register(c, op->mem.base, 1, hit, &at) ||
		!add_register(c, op->mem.index, op->mem.scale ? op->mem.scale : 1, hit, &at))
		return REACH_UNKNOWN;
	return at < addr + size && addr < at + (bytes ? bytes : 1) ? REACH_YES : REACH_NO;
}

/* The operand that touches the variable; NULL: none can have. */
static const ZydisDecodedOperand *find_operand(const struct candidate *c, const struct ct_hit *hit,
	u64 addr, u32 size, enum reach *best)
{
	const ZydisDecodedOperand *found = NULL;

	*best = REACH_NO;
	for (u32 i = 0; i < c->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &c->ops[i];
		enum reach reach;

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
			op->mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
			!(op->actions & (ZYDIS_OPERAND_ACTION_MASK_READ |
						ZYDIS_OPERAND_ACTION_MASK_WRITE)))
			continue;
		reach = reaches(c, op, hit, addr, size);
		if (reach > *best) {
			*best = reach;
			found = op;
		}
	}
	return found;
}

/* ---- which instruction ---- */

static void decode_all(struct candidate *at, const u8 *code, u32 len)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (u32 i = 0; i < len; i++)
		at[i].valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + i, len - i,
			&at[i].insn, at[i].ops));
}

/* A chain from each byte; the last instruction of one that ends exactly here gets its vote. */
static void vote(struct candidate *at, u32 len)
{
	for (u32 start = 0; start < len; start++) {
		u32 pos = start, last = start;

		while (pos < len && at[pos].valid) {
			last = pos;
			pos += at[pos].insn.length;
		}
		if (pos == len)
			at[last].votes++;
	}
}

static const struct candidate *elect(const struct candidate *at, u32 len, const struct ct_hit *hit,
	u64 addr, u32 size)
{
	const struct candidate *best = NULL;
	enum reach best_reach = REACH_NO, reach;

	for (u32 i = len > INSN_MAX ? len - INSN_MAX : 0; i < len; i++) {
		if (!at[i].votes || i + at[i].insn.length != len ||
			!find_operand(&at[i], hit, addr, size, &reach))
			continue;
		if (!best || reach > best_reach ||
			(reach == best_reach && at[i].votes > best->votes)) {
			best = &at[i];
			best_reach = reach;
		}
	}
	return best;
}

/* ---- what it does ---- */

/* The first visible operand that is not `mem`; NULL. */
static const ZydisDecodedOperand *other_operand(
	const struct candidate *c, const ZydisDecodedOperand *mem)
{
	for (u32 i = 0; i < c->insn.operand_count_visible; i++)
		if (&c->ops[i] != mem)
			return &c->ops[i];
	return NULL;
}

static bool take_register(struct ct_insn *insn, const ZydisDecodedOperand *op)
{
	int n = op && op->type == ZYDIS_OPERAND_TYPE_REGISTER
			? reg_number(op->reg.value, &insn->shift)
			: -1;

	if (n >= 0)
		insn->reg = n;
	return n >= 0;
}

static bool is_load(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_MOV || m == ZYDIS_MNEMONIC_MOVZX || m == ZYDIS_MNEMONIC_MOVSX ||
	       m == ZYDIS_MNEMONIC_MOVSXD;
}

/* Floating-point numbers and blocks, also what is added to a register; not a comparison. */
static bool is_vector_load(const ZydisDecodedOperand *other)
{
	return other && other->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       (other->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
	       ZydisRegisterGetClass(other->reg.value) >= ZYDIS_REGCLASS_MMX &&
	       ZydisRegisterGetClass(other->reg.value) <= ZYDIS_REGCLASS_ZMM;
}

/* Read and written by one instruction: what was there before, where that can be told. */
static void find_arithmetic(
	struct ct_insn *insn, const struct candidate *c, const ZydisDecodedOperand *other)
{
	bool is_imm = other && other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	switch (c->insn.mnemonic) {
	case ZYDIS_MNEMONIC_INC:
		insn->rule = RULE_PLUS;
		insn->imm = 1;
		break;
	case ZYDIS_MNEMONIC_DEC:
		insn->rule = RULE_PLUS;
		insn->imm = -1;
		break;
	case ZYDIS_MNEMONIC_ADD:
		if (is_imm) {
			insn->rule = RULE_PLUS;
			insn->imm = other->imm.value.s;
		} else if (take_register(insn, other)) {
			insn->rule = RULE_PLUS_REG;
		}
		break;
	case ZYDIS_MNEMONIC_SUB:
		if (is_imm) {
			insn->rule = RULE_PLUS;
			insn->imm = -other->imm.value.s;
		} else if (take_register(insn, other)) {
			insn->rule = RULE_MINUS_REG;
		}
		break;
	case ZYDIS_MNEMONIC_XCHG:
	case ZYDIS_MNEMONIC_XADD:
		if (take_register(insn, other))
			insn->rule = RULE_OLD_IN_REG;
		break;
	case ZYDIS_MNEMONIC_CMPXCHG:
		if (take_register(insn, other))
			insn->rule = RULE_CMPXCHG;
		break;
	default:
		break;
	}
}

static void find_rule(
	struct ct_insn *insn, const struct candidate *c, const ZydisDecodedOperand *mem)
{
	const ZydisDecodedOperand *other = other_operand(c, mem);
	u8 both = insn->how & (CT_ACCESS_READ | CT_ACCESS_WRITE);

	if (both == (CT_ACCESS_READ | CT_ACCESS_WRITE)) {
		find_arithmetic(insn, c, other);
	} else if (both == CT_ACCESS_READ) {
		if (is_load(c->insn.mnemonic) && take_register(insn, other))
			insn->rule = RULE_LOADED;
		else /* a vector register is not shown: memory tells what went into it */
			insn->rule = is_vector_load(other) ? RULE_MEMORY : RULE_BLIND;
	} else if (c->insn.mnemonic == ZYDIS_MNEMONIC_MOV) {
		if (other && other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			insn->rule = RULE_IMM;
			insn->imm = other->imm.value.s;
			insn->how |= CT_ACCESS_CONST;
		} else if (take_register(insn, other)) {
			insn->rule = RULE_STORED;
		}
	}
}

void ct_decode_x86__insn(struct ct_insn *insn, const u8 *code, u32 len, const struct ct_hit *hit,
	u64 addr, u32 size)
{
	struct candidate *at = ct_alloc((len + 1) * sizeof(*at));
	const struct candidate *c;
	const ZydisDecodedOperand *mem;
	enum reach reach;

	*insn = (struct ct_insn){ 0 };
	decode_all(at, code, len);
	vote(at, len);
	c = elect(at, len, hit, addr, size);
	mem = c ? find_operand(c, hit, addr, size, &reach) : NULL;
	if (mem) {
		if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			insn->how |= CT_ACCESS_READ;
		if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			insn->how |= CT_ACCESS_WRITE;
		if (c->insn.attributes & ZYDIS_ATTRIB_HAS_LOCK ||
			c->insn.mnemonic == ZYDIS_MNEMONIC_XCHG)
			insn->how |= CT_ACCESS_ATOMIC;
		insn->size = mem->size / 8;
		insn->len = c->insn.length;
		find_rule(insn, c, mem);
		insn->told = insn->rule == RULE_BLIND ||
			     (insn->size == size &&
				     (insn->rule == RULE_LOADED || insn->rule == RULE_STORED ||
					     insn->rule == RULE_IMM ||
					     insn->rule == RULE_CMPXCHG));
	}
	free(at);
}

/* ---- the values of one hit ---- */

static u64 low_bytes(u64 value, u32 size)
{
	return size >= 8 ? value : value & ((1ull << size * 8) - 1);
}

static void apply_rule(
	const struct ct_insn *insn, const struct ct_hit *hit, u32 size, struct ct_access *out)
{
	u64 reg = hit->reg[insn->reg] >> insn->shift;

	switch (insn->rule) {
	case RULE_LOADED:
	case RULE_STORED:
		out->value = reg;
		return;
	case RULE_IMM:
		out->value = insn->imm;
		return;
	case RULE_CMPXCHG:
		if (hit->flags & FLAG_ZF) {
			out->value = reg;
			out->before = hit->reg[0];
			out->how |= CT_ACCESS_BEFORE;
		} else { /* it only looked */
			out->value = hit->reg[0];
			out->how &= ~CT_ACCESS_WRITE;
		}
		return;
	case RULE_PLUS:
		out->before = out->value - insn->imm;
		break;
	case RULE_PLUS_REG:
		out->before = out->value - reg;
		break;
	case RULE_MINUS_REG:
		out->before = out->value + reg;
		break;
	case RULE_OLD_IN_REG:
		out->before = reg;
		break;
	default:
		out->how |= CT_ACCESS_LATE;
		return;
	}
	out->how |= CT_ACCESS_BEFORE | CT_ACCESS_LATE;
}

void ct_decode_x86__access(const struct ct_insn *insn, const struct ct_hit *hit, u64 addr, u32 size,
	struct ct_access *out)
{
	out->how = insn->how;
	out->size = insn->size;
	out->ip = hit->ip - insn->len;
	out->value = hit->value;
	out->before = 0;
	if (insn->rule == RULE_BLIND) {
		out->how |= CT_ACCESS_BLIND;
		out->value = 0;
	} else if (insn->how && insn->size == size) {
		apply_rule(insn, hit, size, out);
	} else if (insn->how) {
		out->how |= CT_ACCESS_LATE;
	}
	out->value = low_bytes(out->value, size);
	out->before = low_bytes(out->before, size);
}
