/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that touched a variable, from their bytes and the registers they left: which one it
 * was among the bytes before, what it did, and with which value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "capture/decode.h"

#define ADDR 0x404010ull
#define IP 0x401200ull
#define R CT_ACCESS_READ
#define W CT_ACCESS_WRITE
#define A CT_ACCESS_ATOMIC
#define C CT_ACCESS_CONST
#define B CT_ACCESS_BEFORE
#define L CT_ACCESS_LATE
#define BLIND CT_ACCESS_BLIND
#define ZF 0x40

/* Displacement of ADDR from IP, low byte first, for operands relative to rip. */
#define RIP "\x10\x2e\x00\x00"

static const struct {
	const char *what;
	const char *bytes; /* of the instruction */
	u32 len, size;
	u64 rax, rcx, flags, memory;
	u8 how;
	u64 value, before;
} cases[] = {
	{ "mov rax, [x]", "\x48\x8b\x05" RIP, 7, 8, 463, 0, 0, 999, R, 463, 0 },
	{ "mov [x], rax", "\x48\x89\x05" RIP, 7, 8, 464, 0, 0, 999, W, 464, 0 },
	{ "mov ecx, [x]", "\x8b\x0d" RIP, 6, 4, 0, 7, 0, 999, R, 7, 0 },
	{ "mov dword [x], 5 is at the end", "\xc7\x05\x10\x2e\x00\x00\x05\x00\x00\x00", 10, 4, 0, 0,
		0, 9, W | C, 5, 0 },
	{ "movzx eax, byte [x]", "\x0f\xb6\x05" RIP, 7, 1, 1, 0, 0, 0, R, 1, 0 },
	{ "mov [x], cl", "\x88\x0d" RIP, 6, 1, 0, 0x1ff, 0, 0, W, 0xff, 0 },
	{ "mov [x], ah", "\x88\x25" RIP, 6, 1, 0x1234, 0, 0, 0, W, 0x12, 0 },
	{ "inc dword [x]", "\xff\x05" RIP, 6, 4, 0, 0, 0, 8, R | W | B | L, 8, 7 },
	{ "dec dword [x]", "\xff\x0d" RIP, 6, 4, 0, 0, 0, 8, R | W | B | L, 8, 9 },
	{ "add [x], rax", "\x48\x01\x05" RIP, 7, 8, 3, 0, 0, 10, R | W | B | L, 10, 7 },
	{ "sub [x], rax", "\x48\x29\x05" RIP, 7, 8, 3, 0, 0, 10, R | W | B | L, 10, 13 },
	{ "lock inc dword [x]", "\xf0\xff\x05" RIP, 7, 4, 0, 0, 0, 8, R | W | A | B | L, 8, 7 },
	{ "lock xadd [x], eax", "\xf0\x0f\xc1\x05" RIP, 8, 4, 7, 0, 0, 8, R | W | A | B | L, 8, 7 },
	{ "xchg [x], eax", "\x87\x05" RIP, 6, 4, 7, 0, 0, 1, R | W | A | B | L, 1, 7 },
	{ "lock cmpxchg [x], ecx: taken", "\xf0\x0f\xb1\x0d" RIP, 8, 4, 5, 6, ZF, 99,
		R | W | A | B, 6, 5 },
	{ "lock cmpxchg [x], ecx: not taken", "\xf0\x0f\xb1\x0d" RIP, 8, 4, 5, 6, 0, 99, R | A, 5,
		0 },
	{ "cmp eax, [x]", "\x3b\x05" RIP, 6, 4, 1, 0, 0, 0, R | BLIND, 0, 0 },
	{ "mov rax, [rcx]", "\x48\x8b\x01", 3, 8, 77, ADDR, 0, 0, R, 77, 0 },
	{ "mov rcx, [rcx]: its address is gone", "\x48\x8b\x09", 3, 8, 0, 77, 0, 0, R, 77, 0 },
	{ "mov [rcx+rax*8], rax", "\x48\x89\x04\xc1", 4, 8, 2, ADDR - 16, 0, 0, W, 2, 0 },
	{ "add eax, [x]: its value is gone", "\x03\x05" RIP, 6, 4, 9, 0, 0, 5, R | BLIND, 0, 0 },
	{ "movups [x], xmm0: more than the variable", "\x0f\x11\x05" RIP, 7, 8, 0, 0, 0, 42, W | L,
		42, 0 },
};

/* What may stand before it: a prologue, and bytes that look like a longer beginning. */
static const struct {
	const char *bytes;
	u32 len;
} before[] = {
	{ "\x55\x48\x89\xe5\x48\x83\xec\x10", 8 },
	{ "\x90\x90\x90\x90", 4 },
	{ "\xb8\x48\x48\x48\x48", 5 },	     /* mov eax, imm: ends in REX prefixes */
	{ "\xb9\xf0\xf0\xf0\xf0", 5 },	     /* mov ecx, imm: ends in lock prefixes */
	{ "\xe8\x0f\xb1\xff\xff", 5 },	     /* call */
	{ "\x48\x8b\x05\x18\x2e\x00\x00", 7 }, /* the same kind, another variable */
};

static void check_case(u32 i, u32 k)
{
	u8 code[CT_WATCH_CODE_BYTES];
	struct ct_hit hit = { .ip = IP, .flags = cases[i].flags, .value = cases[i].memory };
	struct ct_access got = { 0 };
	struct ct_insn insn;
	u32 at = sizeof(code) - cases[i].len;

	hit.reg[0] = cases[i].rax;
	hit.reg[1] = cases[i].rcx;
	memset(code, 0x90, sizeof(code));
	memcpy(code + at, cases[i].bytes, cases[i].len);
	memcpy(code + at - before[k].len, before[k].bytes, before[k].len);
	/* the displacement counts from the end of the instruction, which is IP for all of them */
	ct_decode_x86__insn(&insn, code, sizeof(code), &hit, ADDR, cases[i].size);
	ct_decode_x86__access(&insn, &hit, ADDR, cases[i].size, &got);
	if (got.how != cases[i].how || got.value != cases[i].value ||
		got.before != cases[i].before || got.ip != IP - cases[i].len)
		fail_msg("%s, after %u: how %x value %llu before %llu, %llu bytes",
			cases[i].what, k, got.how, (unsigned long long)got.value,
			(unsigned long long)got.before, (unsigned long long)(IP - got.ip));
}

static void test_each(void **state)
{
	(void)state;
	for (u32 i = 0; i < CT_COUNT(cases); i++)
		for (u32 k = 0; k < CT_COUNT(before); k++)
			check_case(i, k);
}

static void test_nothing_there(void **state)
{
	u8 code[CT_WATCH_CODE_BYTES];
	struct ct_hit hit = { .ip = IP, .value = 3 };
	struct ct_access got = { 0 };
	struct ct_insn insn;

	(void)state;
	memset(code, 0x06, sizeof(code)); /* no instruction on 64 bits */
	ct_decode_x86__insn(&insn, code, sizeof(code), &hit, ADDR, 4);
	ct_decode_x86__access(&insn, &hit, ADDR, 4, &got);
	assert_int_equal(got.how, 0);
	assert_int_equal(got.ip, IP);
	assert_int_equal(got.value, 3);
	/* an instruction that touches something else */
	memset(code, 0x90, sizeof(code));
	memcpy(code + sizeof(code) - 7, "\x48\x8b\x05\x18\x2e\x00\x00", 7);
	ct_decode_x86__insn(&insn, code, sizeof(code), &hit, ADDR, 4);
	assert_int_equal(insn.how, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_nothing_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
