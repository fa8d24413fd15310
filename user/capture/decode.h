/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the instruction did that a debug register has caught: x86 stops after the access, so it is
 * the one that ends where the thread stands (decode.c); arm64 stops before it, at the instruction
 * (decode_a64.c).  Both are built everywhere, for their tests.
 */
#ifndef CT_DECODE_H
#define CT_DECODE_H

#include "ct_base.h"
#include "ct_abi.h"

/* One place in a program; found once, used for each hit there. */
struct ct_insn {
	u8 how;	   /* CT_ACCESS_READ, WRITE, ATOMIC, CONST; 0: could not be told */
	u8 size;   /* bytes touched */
	u8 len;	   /* of the instruction */
	u8 rule;   /* how its values follow from the registers, see decode.c */
	u8 reg;	   /* that holds the value, or the operand of the arithmetic */
	u8 shift;  /* 8: its second byte (ah) */
	bool told; /* memory need not be read for the value */
	bool spins; /* fails whenever it is watched, and the program then tries again */
	i64 imm;   /* operand that is a number; of A64 the instruction */
	u8 code[CT_WATCH_CODE_BYTES]; /* of A64: up to and with the instruction */
};

/* `code` ends with the instruction.  The variable's bytes are [addr, addr + size).  Cost: some
 * 0.1 ms on x86. */
void ct_decode_x86__insn(struct ct_insn *insn, const u8 *code, u32 len, const struct ct_hit *hit,
	u64 addr, u32 size);
void ct_decode_a64__insn(struct ct_insn *insn, const u8 *code, u32 len, const struct ct_hit *hit,
	u64 addr, u32 size);
/* Fills how, size, ip, value and before from the registers of one hit.  O(1). */
void ct_decode_x86__access(const struct ct_insn *insn, const struct ct_hit *hit, u64 addr, u32 size,
	struct ct_access *out);
void ct_decode_a64__access(const struct ct_insn *insn, const struct ct_hit *hit, u64 addr, u32 size,
	struct ct_access *out);
/* What the instruction `load` at `ip` has found in the variable, from the registers of a later hit
 * of its thread, `hit` at `at`; false: they do not tell.  For hits that come before accesses. */
bool ct_decode_a64__found(const struct ct_insn *load, u64 ip, const struct ct_insn *at,
	const struct ct_hit *hit, u32 size, u64 *value);

static inline bool ct_decode_x86__found(const struct ct_insn *load, u64 ip,
	const struct ct_insn *at, const struct ct_hit *hit, u32 size, u64 *value)
{
	return false;
}

#if defined(__aarch64__)
#define ct_decode__found ct_decode_a64__found
#define ct_decode__insn ct_decode_a64__insn
#define ct_decode__access ct_decode_a64__access
#else
#define ct_decode__found ct_decode_x86__found
#define ct_decode__insn ct_decode_x86__insn
#define ct_decode__access ct_decode_x86__access
#endif

#endif
