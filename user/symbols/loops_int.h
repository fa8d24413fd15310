/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What loops.c and loop_turns.c say to each other: the instructions of one turn of a loop, decoded.
 */
#ifndef CT_LOOPS_INT_H
#define CT_LOOPS_INT_H

#include "symbols/symbols_int.h"

#if defined(__x86_64__)
#include <Zydis/Zydis.h>

#define CT_TURN_MAX 192 /* instructions of one turn: more is no loop that only looks */

struct ct_turn_insn {
	u64 addr;
	u32 depth; /* calls that it is inside of */
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};
bool ct_code__decode(const ZydisDecoder *decoder, const struct ct_code *code, u64 addr,
	struct ct_turn_insn *out);
enum ct_turns { /* what a loop with these instructions does */
	CT_TURNS_WORK,
	CT_TURNS_IDLE, /* neither: at most it counts */
	CT_TURNS_LOOK, /* waits for memory to change */
};
enum ct_turns ct_turns__judge(const struct ct_turn_insn *way, u32 cnt);
#endif

#endif
