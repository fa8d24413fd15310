/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of A64 that are about to touch a variable, from their words and the registers
 * before: what each does, with which value, and what a load has found by the registers of a later
 * store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "capture/decode.h"

#define ADDR 0x410010ull
#define IP 0x401200ull
#define R CT_ACCESS_READ
#define W CT_ACCESS_WRITE
#define A CT_ACCESS_ATOMIC
#define C CT_ACCESS_CONST
#define B CT_ACCESS_BEFORE
#define L CT_ACCESS_LATE
#define BLIND CT_ACCESS_BLIND

static const struct {
	const char *what;
	u32 word, size;
	u64 x0, x1, x2, memory;
	u8 how;
	u64 value, before;
} cases[] = {
	{ "ldr x3, [x0]", 0xf9400003, 8, ADDR, 0, 0, 463, R | L, 463, 0 },
	{ "str x1, [x0]", 0xf9000001, 8, ADDR, 464, 0, 463, W, 464, 0 },
	{ "str w1, [x0, #16]", 0xb9001001, 4, ADDR - 16, 0x100000005, 0, 4, W, 5, 0 },
	{ "strb w1, [x0, x2]", 0x38226801, 1, ADDR - 3, 0x1ff, 3, 0, W, 0xff, 0 },
	{ "str x1, [x0, w2, sxtw #3]", 0xf822d801, 8, ADDR + 8, 7, 0xffffffff, 0, W, 7, 0 },
	{ "str xzr, [x0]", 0xf900001f, 8, ADDR, 1, 0, 5, W | C, 0, 0 },
	{ "str x1, [x0], #8", 0xf8008401, 8, ADDR, 9, 0, 5, W, 9, 0 },
	{ "str x1, [x0, #-16]!", 0xf81f0c01, 8, ADDR + 16, 9, 0, 5, W, 9, 0 },
	{ "stur w1, [x0, #-4]", 0xb81fc001, 4, ADDR + 4, 9, 0, 5, W, 9, 0 },
	{ "ldrsw x3, [x0]", 0xb9800003, 4, ADDR, 0, 0, 0xffffffff, R | L, 0xffffffff, 0 },
	{ "stp x2, x1, [x0, #-8]", 0xa93f8402, 8, ADDR, 11, 12, 5, W, 11, 0 },
	{ "stp x1, x2, [x0]", 0xa9000801, 8, ADDR, 11, 12, 5, W, 11, 0 },
	{ "ldp x3, x4, [x0]", 0xa9401003, 8, ADDR, 0, 0, 5, R | L, 5, 0 },
	{ "ldr x3, pc+0xee10", 0x58077083, 8, 0, 0, 0, 6, R | L, 6, 0 },
	{ "strb w1, [x0] of 4 bytes", 0x39000001, 4, ADDR + 1, 0xff, 0, 0x11223344, W | L,
		0x1122ff44, 0 },
	{ "str x1, [x0] over 4 bytes", 0xf9000001, 4, ADDR - 4, 0x500000006, 0, 0, W, 5, 0 },
	{ "str d0, [x0]", 0xfd000000, 8, ADDR, 0, 0, 5, W | BLIND, 0, 0 },
	{ "stp q0, q1, [x0]", 0xad000400, 8, ADDR - 16, 0, 0, 5, W | BLIND, 0, 0 },
	{ "st1 {v0.16b}, [x0]", 0x4c007000, 8, ADDR, 0, 0, 5, W | BLIND, 0, 0 },
	{ "ldr q0, [x0]", 0x3dc00000, 8, ADDR, 0, 0, 5, R | L, 5, 0 },
	{ "ldadd x1, x3, [x0]", 0xf8210003, 8, ADDR, 2, 0, 40, R | W | A | B | L, 42, 40 },
	{ "ldaddal x1, x3, [x0]", 0xf8e10003, 8, ADDR, 2, 0, 40, R | W | A | B | L, 42, 40 },
	{ "ldclr w1, w3, [x0]", 0xb8211003, 4, ADDR, 0xf0, 0, 0xff, R | W | A | B | L, 0x0f, 0xff },
	{ "ldset w1, w3, [x0]", 0xb8213003, 4, ADDR, 0xf0, 0, 0x0f, R | W | A | B | L, 0xff, 0x0f },
	{ "ldeor w1, w3, [x0]", 0xb8212003, 4, ADDR, 0xff, 0, 0x0f, R | W | A | B | L, 0xf0, 0x0f },
	{ "ldsmax w1, w3, [x0]", 0xb8214003, 4, ADDR, 1, 0, 0xffffffff, R | W | A | B | L, 1,
		0xffffffff },
	{ "ldumax w1, w3, [x0]", 0xb8216003, 4, ADDR, 1, 0, 0xffffffff, R | W | A | B | L,
		0xffffffff, 0xffffffff },
	{ "swpal w1, w3, [x0]", 0xb8e18003, 4, ADDR, 1, 0, 9, R | W | A | B | L, 1, 9 },
	{ "casal x1, x2, [x0]: taken", 0xc8e1fc02, 8, ADDR, 5, 6, 5, R | W | A | B | L, 6, 5 },
	{ "casal x1, x2, [x0]: not", 0xc8e1fc02, 8, ADDR, 5, 6, 7, R | A | L, 7, 0 },
	{ "ldar x3, [x0]", 0xc8dffc03, 8, ADDR, 0, 0, 7, R | A | L, 7, 0 },
	{ "ldapr x3, [x0]", 0xf8bfc003, 8, ADDR, 0, 0, 7, R | A | L, 7, 0 },
	{ "stlr x1, [x0]", 0xc89ffc01, 8, ADDR, 3, 0, 7, W | A, 3, 0 },
	{ "ldaxr x3, [x0]", 0xc85ffc03, 8, ADDR, 0, 0, 7, R | W | A | L | BLIND, 0, 0 },
	{ "another variable", 0xf9000001, 8, ADDR + 8, 1, 0, 3, 0, 3, 0 },
	{ "prfm pldl1keep, [x0]", 0xf9800000, 8, ADDR, 0, 0, 3, 0, 3, 0 },
	{ "add x1, x0, #1", 0x91000401, 8, ADDR, 0, 0, 3, 0, 3, 0 },
};

static void fill(u8 *code, const u32 *words, u32 cnt)
{
	for (u32 i = 0; i < CT_WATCH_CODE_BYTES; i += 4)
		memcpy(code + i, "\x1f\x20\x03\xd5", 4); /* nop */
	memcpy(code + CT_WATCH_CODE_BYTES - cnt * 4, words, cnt * 4);
}

static void test_each(void **state)
{
	(void)state;
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		u8 code[CT_WATCH_CODE_BYTES];
		struct ct_hit hit = { .ip = IP, .value = cases[i].memory,
			.reg = { cases[i].x0, cases[i].x1, cases[i].x2 } };
		struct ct_access got = { 0 };
		struct ct_insn insn;

		fill(code, &cases[i].word, 1);
		ct_decode_a64__insn(&insn, code, sizeof(code), &hit, ADDR, cases[i].size);
		if (insn.told)
			hit.value = 0;
		ct_decode_a64__access(&insn, &hit, ADDR, cases[i].size, &got);
		if (got.how != cases[i].how || got.value != cases[i].value ||
			got.before != cases[i].before || got.ip != IP)
			fail_msg("%s: how %x value %llx before %llx", cases[i].what, got.how,
				(unsigned long long)got.value, (unsigned long long)got.before);
		assert_int_equal(insn.spins, cases[i].word == 0xc85ffc03);
	}
}

/* Whether a number of the code's is stored: its way to the register is followed backwards. */
static void test_constants(void **state)
{
	static const struct {
		u32 words[3], how;
	} stores[] = {
		{ { 0xd503201f, 0x52800021, 0xb9000001 }, W | C }, /* mov w1, #1 */
		{ { 0x52800021, 0x35000041, 0xb9000001 }, W | C }, /* cbnz between */
		{ { 0x52800021, 0xb9000401, 0xb9000001 }, W | C }, /* another store of it */
		{ { 0x52800021, 0x11000421, 0xb9000001 }, W }, /* add w1, w1, #1 */
		{ { 0x52800021, 0xb9400001, 0xb9000001 }, W }, /* ldr w1, [x0] */
		{ { 0x52800021, 0x14000002, 0xb9000001 }, W }, /* b: it came from elsewhere */
	};
	struct ct_hit hit = { .ip = IP, .reg = { ADDR, 1 } };

	(void)state;
	for (u32 i = 0; i < CT_COUNT(stores); i++) {
		u8 code[CT_WATCH_CODE_BYTES];
		struct ct_insn insn;

		fill(code, stores[i].words, 3);
		ct_decode_a64__insn(&insn, code, sizeof(code), &hit, ADDR, 4);
		if (insn.how != stores[i].how)
			fail_msg("store %u: how %x", i, insn.how);
	}
}

/* x8 or another register has what was loaded, plus a number, when the store comes. */
static void test_found(void **state)
{
	static const struct {
		u32 words[4]; /* the load first, the store last */
		u64 x8, x9;
		u64 found; /* 0: nobody knows */
	} ways[] = {
		{ { 0xf9400008, 0x91000508, 0xd503201f, 0xf9000008 }, 42, 0, 41 }, /* add 1 */
		{ { 0xf9400008, 0xd1000d09, 0xd503201f, 0xf9000009 }, 42, 39, 42 }, /* sub x9, x8 */
		{ { 0xf9400008, 0xaa0803e9, 0xd2800008, 0xf9000009 }, 0, 40, 40 }, /* mov x9, x8 */
		{ { 0xf9400008, 0xb4000048, 0x91000508, 0xf9000008 }, 42, 0, 41 }, /* cbz between */
		{ { 0xf9400008, 0x8b090108, 0xd503201f, 0xf9000008 }, 42, 1, 0 }, /* add x8, x9 */
		{ { 0xf9400008, 0x94000010, 0xd503201f, 0xf9000008 }, 42, 0, 0 }, /* a call */
		{ { 0xf9400008, 0x14000010, 0xd503201f, 0xf9000008 }, 42, 0, 0 }, /* a jump */
		{ { 0xf9400008, 0x11000508, 0xd503201f, 0xf9000008 }, 42, 0, 0 }, /* w8: cut */
	};

	(void)state;
	for (u32 i = 0; i < CT_COUNT(ways); i++) {
		u8 code[CT_WATCH_CODE_BYTES];
		struct ct_hit hit = { .ip = IP, .reg = { ADDR } };
		struct ct_insn load, store;
		u64 value = 0;

		fill(code, ways[i].words, 1);
		ct_decode_a64__insn(&load, code, sizeof(code), &hit, ADDR, 8);
		assert_int_equal(load.how, R);
		hit.ip = IP + 12;
		hit.reg[8] = ways[i].x8;
		hit.reg[9] = ways[i].x9;
		fill(code, ways[i].words, 4);
		ct_decode_a64__insn(&store, code, sizeof(code), &hit, ADDR, 8);
		assert_int_equal(store.how & ~C, W);
		if (ct_decode_a64__found(&load, IP, &store, &hit, 8, &value) != !!ways[i].found ||
			value != ways[i].found)
			fail_msg("way %u: found %llu", i, (unsigned long long)value);
		/* too far away */
		assert_false(ct_decode_a64__found(&load, IP - 4096, &store, &hit, 8, &value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
