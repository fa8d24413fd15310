/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the smallest loop around an instruction that ran, in the program's code.
 *
 * From the instruction on, every way is followed, breadth first, until one leads back to where it
 * began. Calls of functions of the same file are followed into, and returns lead to who is known
 * to have called: at -O0 the loop is in one function and what it looks with, std::atomic::load, in
 * another. What leads out of the file (a call through a table or pointer, a system call) ends a
 * way: who does that in each turn does more than look. What a turn of the loop does: loop_turns.c.
 */
#include <string.h>
#include "symbols/loops_int.h"

#define NODES_MAX 512 /* instructions seen before the search is given up */
#define DEPTH_MAX 8   /* calls inside calls */
#define CALLS_MAX 64  /* different ones followed */
#define TRIES_MAX 16  /* other ways round, where the smallest neither works nor looks */

#if defined(__x86_64__)

struct call { /* who is returned to */
	u64 ret;
	u32 outer; /* index of the call that this one is inside of; NONE_OUTER */
	u32 depth;
};
struct node {
	u64 addr;
	u32 call, from;
};
struct search {
	const struct ct_code *code;
	ZydisDecoder decoder;
	struct node nodes[NODES_MAX];
	u32 cnt;
	struct call calls[CALLS_MAX];
	u32 call_cnt;
	u64 shut_from, shut_to; /* a branch that is not followed; 0: none */
	u32 back; /* node whose successor is the first one; CT_NONE: none yet */
};

bool ct_code__decode(
	const ZydisDecoder *decoder, const struct ct_code *code, u64 addr, struct ct_turn_insn *out)
{
	u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
	u32 len = sizeof(bytes);

	while (len && !code->read(code->arg, addr, bytes, len)) /* near the end of a segment */
		len--;
	out->addr = addr;
	return len && ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(decoder, bytes, len, &out->insn, out->ops));
}

static void visit(struct search *s, u64 addr, u32 call, u32 from)
{
	for (u32 i = 0; i < s->cnt; i++) {
		if (s->nodes[i].addr != addr || s->nodes[i].call != call)
			continue;
		if (!i && s->back == CT_NONE)
			s->back = from;
		return;
	}
	if (s->cnt < NODES_MAX)
		s->nodes[s->cnt++] = (struct node){ addr, call, from };
}

static u32 enter(struct search *s, u64 ret, u32 outer)
{
	u32 depth = s->calls[outer].depth + 1;

	for (u32 i = 1; i < s->call_cnt; i++)
		if (s->calls[i].ret == ret && s->calls[i].outer == outer)
			return i;
	if (depth > CT_LOOP_LEVELS + DEPTH_MAX || s->call_cnt == CALLS_MAX)
		return CT_NONE;
	s->calls[s->call_cnt] = (struct call){ ret, outer, depth };
	return s->call_cnt++;
}

static bool near_target(const struct ct_turn_insn *i, u64 *target)
{
	const ZydisDecodedOperand *op = &i->ops[0];

	if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op->imm.is_relative)
		return false;
	*target = i->addr + i->insn.length + (u64)op->imm.value.s;
	return true;
}

static void branch(struct search *s, u64 to, u32 from)
{
	if (s->nodes[from].addr != s->shut_from || to != s->shut_to)
		visit(s, to, s->nodes[from].call, from);
}

static void follow(struct search *s, u32 at, const struct ct_turn_insn *i)
{
	struct node n = s->nodes[at];
	u64 next = n.addr + i->insn.length, target;
	u32 call;

	switch (i->insn.meta.category) {
	case ZYDIS_CATEGORY_RET:
		if (n.call)
			visit(s, s->calls[n.call].ret, s->calls[n.call].outer, at);
		return;
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (near_target(i, &target))
			visit(s, target, n.call, at);
		return;
	case ZYDIS_CATEGORY_COND_BR:
		if (near_target(i, &target))
			branch(s, target, at);
		branch(s, next, at);
		return;
	case ZYDIS_CATEGORY_CALL:
		call = near_target(i, &target) ? enter(s, next, n.call) : CT_NONE;
		if (call != CT_NONE)
			visit(s, target, call, at);
		return;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_INTERRUPT:
		return;
	default:
		visit(s, next, n.call, at);
	}
}

/* The way round, in order; how many callers out it goes is *level. */
static u32 read_way(const struct search *s, u32 first_call, struct ct_turn_insn *way, u32 *level)
{
	u32 cnt = 0, depth = s->calls[first_call].depth, low = depth, pos;

	for (u32 i = s->back; i != CT_NONE; i = s->nodes[i].from)
		cnt++;
	if (cnt > CT_TURN_MAX)
		return 0;
	pos = cnt;
	for (u32 i = s->back; i != CT_NONE; i = s->nodes[i].from) {
		struct ct_turn_insn *insn = &way[--pos];
		if (!ct_code__decode(&s->decoder, s->code, s->nodes[i].addr, insn))
			return 0;
		insn->depth = s->calls[s->nodes[i].call].depth;
		if (insn->depth < low)
			low = insn->depth;
	}
	*level = depth - low;
	return cnt;
}

static u32 find_way(struct search *s, u64 at, u32 call, struct ct_turn_insn *way, u32 *level)
{
	struct ct_turn_insn insn;

	s->cnt = 0;
	s->back = CT_NONE;
	visit(s, at, call, CT_NONE);
	for (u32 i = 0; i < s->cnt && s->back == CT_NONE; i++)
		if (ct_code__decode(&s->decoder, s->code, s->nodes[i].addr, &insn))
			follow(s, i, &insn);
	return s->back == CT_NONE ? 0 : read_way(s, call, way, level);
}

/* At -O0 the shortest way may be one that is never gone: past the second half of a condition that
 * the first half decides, and on as if it had been met. */
static bool looks_elsewhere(struct search *s, u64 at, u32 call, const struct ct_turn_insn *way,
	u32 cnt, u32 *level)
{
	struct ct_turn_insn *other = ct_alloc(CT_TURN_MAX * sizeof(*other));
	bool looks = false;

	for (u32 i = 0, tries = 0; i < cnt && !looks && tries < TRIES_MAX; i++) {
		if (way[i].insn.meta.category != ZYDIS_CATEGORY_COND_BR)
			continue;
		tries++;
		s->shut_from = way[i].addr;
		s->shut_to = way[(i + 1) % cnt].addr;
		u32 len = find_way(s, at, call, other, level);
		looks = len && ct_turns__judge(other, len) == CT_TURNS_LOOK;
	}
	free(other);
	return looks;
}

enum ct_loop ct_loop__judge(const struct ct_code *code, const u64 *at, u32 cnt, u32 *level)
{
	struct search *s;
	struct ct_turn_insn *way, insn;
	ZydisDecoder decoder;
	enum ct_turns turns = CT_TURNS_WORK;
	u32 first, len, whose;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ct_code__decode(&decoder, code, at[0], &insn))
		return CT_LOOP_UNKNOWN;
	s = ct_alloc(sizeof(*s));
	way = ct_alloc(CT_TURN_MAX * sizeof(*way));
	s->code = code;
	s->decoder = decoder;
	s->call_cnt = 1;
	for (u32 i = cnt < CT_LOOP_LEVELS ? cnt : CT_LOOP_LEVELS; i-- > 1;)
		(void)enter(s, at[i], s->call_cnt - 1);
	first = s->call_cnt - 1;
	len = find_way(s, at[0], first, way, &whose);
	if (len)
		turns = ct_turns__judge(way, len);
	if (turns == CT_TURNS_IDLE && looks_elsewhere(s, at[0], first, way, len, &whose))
		turns = CT_TURNS_LOOK;
	if (turns == CT_TURNS_LOOK)
		*level = whose;
	free(way);
	free(s);
	return turns == CT_TURNS_LOOK ? CT_LOOP_LOOKS : CT_LOOP_WORK;
}

#else

enum ct_loop ct_loop__judge(const struct ct_code *code, const u64 *at, u32 cnt, u32 *level)
{
	return CT_LOOP_UNKNOWN;
}

#endif
