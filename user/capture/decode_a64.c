/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of A64 that are about to touch a watched variable: which bytes, whether it reads or
 * writes, and the value.
 *
 * A watchpoint of arm64 fires before the access, so the registers are those that the address is
 * computed from and the value to be written is in one of them.  What is read has no register yet:
 * it is what memory had a moment before, and says so (CT_ACCESS_LATE); so is what an atomic
 * instruction found, from which what it leaves is computed.  What a vector register writes nobody
 * knows until the next access (CT_ACCESS_BLIND).
 *
 * That moment can be long: a thread may lose its CPU in it.  So when a thread that has read writes,
 * the instructions between are followed, and where what was read is still in a register, or is but
 * for a number added, that is what it has found (CT_ACCESS_FOUND).
 *
 * A trap between a load-exclusive and its store-exclusive makes the store fail, and the program
 * tries again, for ever: such a variable cannot be watched (insn.spins, user/capture/watch.c).
 * Compilers use them for processors of before Armv8.1 only.
 */
#include "capture/decode.h"

#include <string.h>

#define ZERO 31u /* the register that reads as 0; as a base: the stack pointer */
#define LOOK_BACK 12u /* instructions, for the one that made a constant */

enum op {
	OP_NONE,
	OP_LOAD,
	OP_STORE,
	OP_ADD, /* these read and write */
	OP_CLEAR,
	OP_XOR,
	OP_SET,
	OP_SMAX,
	OP_SMIN,
	OP_UMAX,
	OP_UMIN,
	OP_SWAP,
	OP_CAS,
	OP_CAS_PAIR,
};

struct a64 {
	enum op op;
	bool atomic, exclusive, vector;
	u8 bytes;	/* of one register */
	u8 cnt;		/* registers: 1 or 2 */
	u8 reg[2];	/* what is stored; of a CAS the new value */
	u8 operand;	/* of arithmetic; of a CAS what is expected */
	u8 base;	/* ZERO: the stack pointer */
	u8 index;	/* its number + 1; 0: none */
	u8 extend, shift; /* of the index */
	bool literal;	/* relative to the instruction */
	i64 off;
};

static u32 field(u32 code, u32 low, u32 width)
{
	return code >> low & ((1u << width) - 1);
}

static i64 signed_field(u32 code, u32 low, u32 width)
{
	return (i64)((u64)code << (64 - low - width)) >> (64 - width);
}

/* ---- the groups of loads and stores ---- */

/* ldxr, stxr, ldar, stlr, cas and their kin: the address is a register. */
static bool read_exclusive(struct a64 *a, u32 code)
{
	bool load = field(code, 22, 1), o2 = field(code, 23, 1), o1 = field(code, 21, 1);
	u32 size = field(code, 30, 2);

	if ((code & 0x3f000000) != 0x08000000)
		return false;
	a->bytes = 1 << size;
	a->operand = field(code, 16, 5);
	a->atomic = true;
	a->op = load ? OP_LOAD : OP_STORE;
	a->exclusive = !o2;
	if (o1 && o2) {
		a->op = OP_CAS;
	} else if (o1 && size < 2) {
		a->op = OP_CAS_PAIR;
		a->bytes = 4 << size;
		a->exclusive = false;
	}
	if (o1 && !o2)
		a->cnt = 2;
	return true;
}

/* ldp, stp: with or without a change of the base, before or after */
static bool read_pair(struct a64 *a, u32 code)
{
	u32 opc = field(code, 30, 2), mode = field(code, 23, 2);

	if ((code & 0x3a000000) != 0x28000000)
		return false;
	a->vector = field(code, 26, 1);
	a->bytes = a->vector ? 4 << opc : opc == 2 ? 8 : 4;
	a->cnt = 2;
	a->op = field(code, 22, 1) ? OP_LOAD : OP_STORE;
	if (opc == 3 || (opc == 1 && !a->vector && a->op == OP_STORE))
		return false; /* none, or a memory tag with it */
	a->off = mode == 1 ? 0 : signed_field(code, 15, 7) * a->bytes;
	return true;
}

static bool read_literal(struct a64 *a, u32 code)
{
	u32 opc = field(code, 30, 2);

	if ((code & 0x3b000000) != 0x18000000)
		return false;
	a->vector = field(code, 26, 1);
	if (opc == 3)
		return false; /* a prefetch, or none */
	a->bytes = a->vector ? 4 << opc : opc == 1 ? 8 : 4;
	a->op = OP_LOAD;
	a->literal = true;
	a->off = signed_field(code, 5, 19) * 4;
	return true;
}

/* ldadd and the like, swp; ldapr is among them */
static bool read_atomic(struct a64 *a, u32 code)
{
	static const u8 ops[] = { OP_ADD, OP_CLEAR, OP_XOR, OP_SET, OP_SMAX, OP_SMIN, OP_UMAX,
		OP_UMIN };
	u32 opc = field(code, 12, 3);

	a->atomic = true;
	a->operand = field(code, 16, 5);
	if (!field(code, 15, 1))
		a->op = ops[opc];
	else if (opc == 0)
		a->op = OP_SWAP;
	else if (opc == 4)
		a->op = OP_LOAD;
	return a->op != OP_NONE;
}

/* Whether it loads, and how many bytes. */
static bool read_size(struct a64 *a, u32 code)
{
	u32 opc = field(code, 22, 2), size = field(code, 30, 2);

	a->vector = field(code, 26, 1);
	a->bytes = 1 << size;
	if (a->vector && opc >= 2) {
		a->bytes = 16;
		a->op = opc == 3 ? OP_LOAD : OP_STORE;
		return size == 0;
	}
	a->op = opc ? OP_LOAD : OP_STORE;
	return !(size == 3 && opc >= 2); /* prefetch */
}

static bool read_register(struct a64 *a, u32 code)
{
	u32 mode = field(code, 10, 2);

	if ((code & 0x3a000000) != 0x38000000)
		return false;
	if ((code & 0x05200c00) == 0x00200000) {
		a->bytes = 1 << field(code, 30, 2);
		return read_atomic(a, code);
	}
	if (!read_size(a, code))
		return false;
	if (field(code, 24, 1)) {
		a->off = (i64)field(code, 10, 12) * a->bytes;
		return true;
	}
	if (!field(code, 21, 1)) {
		a->off = mode == 1 ? 0 : signed_field(code, 12, 9);
		return true;
	}
	if (mode != 2)
		return false;
	a->index = field(code, 16, 5) + 1;
	a->extend = field(code, 13, 3);
	a->shift = field(code, 12, 1) ? __builtin_ctz(a->bytes) : 0;
	return true;
}

/* ldapur, stlur */
static bool read_ordered(struct a64 *a, u32 code)
{
	if ((code & 0x3f200c00) != 0x19000000)
		return false;
	a->atomic = true;
	a->bytes = 1 << field(code, 30, 2);
	a->op = field(code, 22, 2) ? OP_LOAD : OP_STORE;
	a->off = signed_field(code, 12, 9);
	return true;
}

/* ld1 to ld4, st1 to st4: whole registers, or an element of each; up to 64 bytes */
static bool read_structure(struct a64 *a, u32 code)
{
	if ((code & 0xbe000000) != 0x0c000000)
		return false;
	a->vector = true;
	a->bytes = 64;
	a->op = field(code, 22, 1) ? OP_LOAD : OP_STORE;
	return true;
}

static bool read_code(struct a64 *a, u32 code)
{
	static bool (*const groups[])(struct a64 *, u32) = { read_exclusive, read_pair,
		read_literal, read_register, read_ordered, read_structure };

	for (u32 i = 0; i < CT_COUNT(groups); i++) {
		*a = (struct a64){ .cnt = 1, .base = field(code, 5, 5),
			.reg = { field(code, 0, 5), field(code, 10, 5) } };
		if (groups[i](a, code))
			return true;
	}
	return false;
}

/* ---- with the registers of a hit ---- */

static u64 get(const struct ct_hit *hit, u32 reg)
{
	return reg < ZERO && reg < CT_HIT_REGS ? hit->reg[reg] : 0;
}

static u64 extended(u64 value, u32 how)
{
	switch (how) {
	case 2: return (u32)value;
	case 6: return (u64)(i64)(i32)value;
	default: return value;
	}
}

static u64 address_of(const struct a64 *a, const struct ct_hit *hit)
{
	u64 base = a->base == ZERO ? hit->reg[CT_HIT_SP] : get(hit, a->base);

	if (a->literal)
		base = hit->ip;
	if (a->index)
		base += extended(get(hit, a->index - 1u), a->extend) << a->shift;
	return base + (u64)a->off;
}

static bool touches(const struct a64 *a, u64 at, u64 addr, u32 size)
{
	return at < addr + size && addr < at + (u64)a->bytes * a->cnt;
}

static u64 low_bytes(u64 value, u32 size)
{
	return size >= 8 ? value : value & ((1ull << size * 8) - 1);
}

/* What the variable has when `bytes` of `value` have been written at `at`. */
static u64 splice(u64 old, u64 addr, u32 size, u64 value, u64 at, u32 bytes)
{
	u8 mem[8];

	memcpy(mem, &old, 8);
	for (u32 i = 0; i < bytes && i < 8; i++)
		if (at + i >= addr && at + i < addr + size)
			mem[at + i - addr] = (u8)(value >> 8 * i);
	memcpy(&old, mem, 8);
	return old;
}

static i64 extend_sign(u64 value, u32 size)
{
	return (i64)(value << (64 - size * 8)) >> (64 - size * 8);
}

static u64 compute(enum op op, u64 old, u64 operand, u32 size)
{
	i64 a = extend_sign(old, size), b = extend_sign(operand, size);

	old = low_bytes(old, size);
	operand = low_bytes(operand, size);
	switch (op) {
	case OP_ADD: return old + operand;
	case OP_CLEAR: return old & ~operand;
	case OP_XOR: return old ^ operand;
	case OP_SET: return old | operand;
	case OP_SMAX: return a > b ? (u64)a : (u64)b;
	case OP_SMIN: return a < b ? (u64)a : (u64)b;
	case OP_UMAX: return old > operand ? old : operand;
	case OP_UMIN: return old < operand ? old : operand;
	default: return operand;
	}
}

/* ---- a constant? ---- */

static bool is_store(const struct a64 *a)
{
	return a->op == OP_STORE && !a->vector;
}

static bool makes_constant(u32 code)
{
	/* movz and movn; orr and orr of a pattern with the zero register, which is mov, too */
	return (code & 0x7f800000) == 0x52800000 || (code & 0x7f800000) == 0x12800000 ||
	       (code & 0x7f8003e0) == 0x320003e0 || (code & 0x7fffffe0) == 0x2a1f03e0;
}

/* Nothing comes through here from above: b, bl, br, blr, ret. */
static bool is_jump(u32 code)
{
	return (code & 0x7c000000) == 0x14000000 || (code & 0xfe000000) == 0xd6000000;
}

/* May it change the register?  Branches and stores have something else where others name it. */
static bool may_set(u32 code, u32 reg)
{
	struct a64 a;

	if ((code & 0x7e000000) == 0x34000000 || (code & 0x7e000000) == 0x36000000 ||
		(code & 0xfe000000) == 0x54000000)
		return false;
	if (read_code(&a, code)) {
		if (is_store(&a) && !a.exclusive && a.base != reg)
			return false;
		return a.reg[0] == reg || (a.cnt == 2 && a.reg[1] == reg) || a.operand == reg ||
		       a.base == reg;
	}
	return field(code, 0, 5) == reg;
}

/* Was the register given a number that is part of the code?  Read backwards from the store. */
static bool holds_constant(const u8 *code, u32 len, u32 reg)
{
	if (reg == ZERO)
		return true;
	for (u32 i = 1; i <= LOOK_BACK && (i + 1) * 4 <= len; i++) {
		u32 word;

		memcpy(&word, code + len - (i + 1) * 4, 4);
		if (is_jump(word))
			return false;
		if (may_set(word, reg))
			return makes_constant(word);
	}
	return false;
}

/* ---- what a load has found ---- */

#define CODE_WORDS (CT_WATCH_CODE_BYTES / 4)

struct trail {
	u32 known;    /* bit per register: it has what was loaded, plus off */
	u64 off[32];
	bool narrow;  /* 32 bits tell the whole value */
};

static void put(struct trail *t, u32 to, u32 from, u64 add, bool fits)
{
	bool known = fits && t->known >> from & 1;

	if (to == ZERO)
		return;
	t->off[to] = t->off[from] + add;
	t->known = (t->known & ~(1u << to)) | (u32)known << to;
}

/* One instruction further; false: there is no telling where it came from. */
static bool follow(struct trail *t, u32 code)
{
	bool fits = code >> 31 || t->narrow;
	u64 imm = (u64)field(code, 10, 12) << (field(code, 22, 1) ? 12 : 0);

	if ((code & 0x1f800000) == 0x11000000) { /* add and sub with a number */
		put(t, field(code, 0, 5), field(code, 5, 5), code >> 30 & 1 ? -imm : imm,
			fits && field(code, 5, 5) != ZERO);
		return true;
	}
	if ((code & 0x7fe0ffe0) == 0x2a0003e0) { /* mov */
		put(t, field(code, 0, 5), field(code, 16, 5), 0,
			fits && field(code, 16, 5) != ZERO);
		return true;
	}
	if (code >> 26 == 0x25 || (code & 0xfffffc1f) == 0xd63f0000) { /* calls: x19..x29 stay */
		t->known &= 0x3ff80000;
		return true;
	}
	if (!code || is_jump(code))
		return false;
	for (u32 reg = 0; reg < ZERO; reg++)
		if (t->known >> reg & 1 && may_set(code, reg))
			t->known &= ~(1u << reg);
	return true;
}

bool ct_decode_a64__found(const struct ct_insn *load, u64 ip, const struct ct_insn *at,
	const struct ct_hit *hit, u32 size, u64 *value)
{
	u64 words = (hit->ip - ip) / 4;
	u32 code[CODE_WORDS];
	struct trail t = { .narrow = size <= 4 };
	struct a64 a;

	memcpy(code, at->code, sizeof(code));
	if (!words || words >= CODE_WORDS || code[CODE_WORDS - 1 - words] != (u32)load->imm ||
		!read_code(&a, (u32)load->imm) || a.op != OP_LOAD || a.vector || a.cnt != 1 ||
		a.reg[0] == ZERO || a.bytes < size)
		return false;
	t.known = 1u << a.reg[0];
	for (u64 i = CODE_WORDS - words; i < CODE_WORDS - 1; i++)
		if (!follow(&t, code[i]))
			return false;
	for (u32 reg = 0; reg < ZERO; reg++)
		if (t.known >> reg & 1) {
			*value = low_bytes(get(hit, reg) - t.off[reg], size);
			return true;
		}
	return false;
}

/* ---- the face ---- */

void ct_decode_a64__insn(struct ct_insn *insn, const u8 *code, u32 len, const struct ct_hit *hit,
	u64 addr, u32 size)
{
	struct a64 a;
	u64 at;
	u32 word;

	*insn = (struct ct_insn){ 0 };
	if (len < 4)
		return;
	memcpy(&word, code + len - 4, 4);
	if (!read_code(&a, word))
		return;
	at = address_of(&a, hit);
	if (!touches(&a, at, addr, size))
		return;
	insn->imm = word;
	if (len == sizeof(insn->code))
		memcpy(insn->code, code, len);
	insn->how = a.op == OP_STORE ? CT_ACCESS_WRITE : CT_ACCESS_READ;
	if (a.op > OP_STORE || (a.op == OP_LOAD && a.exclusive)) /* it loads to store */
		insn->how |= CT_ACCESS_READ | CT_ACCESS_WRITE;
	insn->how |= a.atomic ? CT_ACCESS_ATOMIC : 0;
	insn->size = a.bytes * a.cnt;
	insn->spins = a.exclusive;
	insn->told = is_store(&a) && a.bytes == size && (addr - at) % size == 0;
	if (is_store(&a) && holds_constant(code, len, a.reg[a.cnt == 2 && at + a.bytes <= addr]))
		insn->how |= CT_ACCESS_CONST;
}

/* What a store leaves; false: nobody knows. */
static bool apply_store(const struct a64 *a, u64 at, const struct ct_hit *hit, u64 addr, u32 size,
	struct ct_access *out)
{
	if (a->vector)
		return false;
	for (u32 i = 0; i < a->cnt; i++)
		out->value = splice(out->value, addr, size, get(hit, a->reg[i]),
			at + i * a->bytes, a->bytes);
	return true;
}

/* What an instruction that reads and writes leaves; false: nobody knows. */
static bool apply_update(const struct a64 *a, u64 at, const struct ct_hit *hit, u64 addr, u32 size,
	struct ct_access *out)
{
	u64 operand = get(hit, a->operand);

	if (a->op == OP_CAS_PAIR || at != addr || a->bytes != size)
		return false;
	if (a->op == OP_CAS && low_bytes(operand, size) != low_bytes(hit->value, size)) {
		out->how &= ~CT_ACCESS_WRITE; /* it only looks */
		return true;
	}
	out->before = hit->value;
	out->how |= CT_ACCESS_BEFORE;
	out->value = a->op == OP_CAS ? get(hit, a->reg[0]) :
				       compute(a->op, hit->value, operand, size);
	return true;
}

void ct_decode_a64__access(const struct ct_insn *insn, const struct ct_hit *hit, u64 addr,
	u32 size, struct ct_access *out)
{
	struct a64 a;
	u64 at;
	bool known = true;

	out->how = insn->how;
	out->size = insn->size;
	out->ip = hit->ip;
	out->value = hit->value;
	out->before = 0;
	if (!insn->how || !read_code(&a, (u32)insn->imm))
		return;
	at = address_of(&a, hit);
	if (a.op == OP_STORE && !a.exclusive)
		known = apply_store(&a, at, hit, addr, size, out);
	else if (a.exclusive)
		known = false;
	else if (a.op != OP_LOAD)
		known = apply_update(&a, at, hit, addr, size, out);
	if (!known) {
		out->how |= CT_ACCESS_BLIND;
		out->value = 0;
	}
	if (a.op != OP_STORE || at > addr || at + (u64)a.bytes * a.cnt < addr + size)
		out->how |= CT_ACCESS_LATE;
	out->value = low_bytes(out->value, size);
	out->before = low_bytes(out->before, size);
}
