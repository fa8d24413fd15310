/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops, from their bytes: which only look, and which work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "symbols/symbols_int.h"

#define BASE 0x401000ull
#define CODE(bytes) bytes, sizeof(bytes) - 1
#define LOOKS CT_LOOP_LOOKS
#define WORK CT_LOOP_WORK

/* Each begins at its first byte, leaves its loop at the last one, and is judged from each of its
 * instructions up to `end`. */
static const struct {
	const char *what;
	const char *bytes;
	u32 len;
	u32 loop; /* bytes of the loop */
	enum ct_loop expect;
} cases[] = {
	{ "mov eax, [rip+x]; test eax, eax; je",
		CODE("\x8b\x05\x00\x10\x00\x00\x85\xc0\x74\xf6\xc3"), 10, LOOKS },
	{ "cmp dword [rip+x], 0; je", CODE("\x83\x3d\x00\x10\x00\x00\x00\x74\xf7\xc3"), 9, LOOKS },
	{ "pause; mov eax, [rdi]; test; je", CODE("\xf3\x90\x8b\x07\x85\xc0\x74\xf8\xc3"), 8,
		LOOKS },
	{ "mov rax, [rbp-8]; mov eax, [rax+4]; test; je: a member, at -O0",
		CODE("\x48\x8b\x45\xf8\x8b\x40\x04\x85\xc0\x74\xf5\xc3"), 11, LOOKS },
	{ "mov eax, [rdi]; test; jne out; dec ecx; jne: so often and no more",
		CODE("\x8b\x07\x85\xc0\x75\x04\xff\xc9\x75\xf6\xc3"), 10, LOOKS },
	{ "add qword [rbp-8], 1; cmp dword [rip+x], 0; je: a counter on the stack",
		CODE("\x48\x83\x45\xf8\x01\x83\x3d\x00\x10\x00\x00\x00\x74\xf2\xc3"), 14, LOOKS },
	{ "mov eax, 1; xchg [rdi], eax; test; jne: a lock",
		CODE("\xb8\x01\x00\x00\x00\x87\x07\x85\xc0\x75\xf5\xc3"), 11, LOOKS },
	{ "xor eax, eax; lock cmpxchg [rdi], ecx; jne: a lock",
		CODE("\x31\xc0\xf0\x0f\xb1\x0f\x75\xf8\xc3"), 8, LOOKS },
	{ "lock bts dword [rdi], 0; jb: a lock", CODE("\xf0\x0f\xba\x2f\x00\x72\xf9\xc3"), 7,
		LOOKS },
	{ "pause; dec ecx; jne: time passes", CODE("\xf3\x90\xff\xc9\x75\xfa\xc3"), 6, LOOKS },
	{ "dec ecx; jne: no load", CODE("\xff\xc9\x75\xfc\xc3"), 4, WORK },
	{ "mov eax, [rsp+8]; test; je: the own stack",
		CODE("\x8b\x44\x24\x08\x85\xc0\x74\xf8\xc3"), 8, WORK },
	{ "mov rdi, [rdi]; test; jne: a list", CODE("\x48\x8b\x3f\x48\x85\xff\x75\xf8\xc3"), 8,
		WORK },
	{ "inc rdi; cmp byte [rdi], 0; jne: a text",
		CODE("\x48\xff\xc7\x80\x3f\x00\x75\xf8\xc3"), 8, WORK },
	{ "mov [rsi], eax; cmp dword [rdi], 0; je: it stores",
		CODE("\x89\x06\x83\x3f\x00\x74\xf9\xc3"), 7, WORK },
	{ "inc rcx; cmp rcx, [rdi]; jl: counts up to a limit",
		CODE("\x48\xff\xc1\x48\x3b\x0f\x7c\xf8\xc3"), 8, WORK },
	{ "inc rcx; add rax, rcx; cmp dword [rdi], 0; je: sums up until told",
		CODE("\x48\xff\xc1\x48\x01\xc8\x83\x3f\x00\x74\xf5\xc3"), 11, WORK },
	{ "imul rax, rcx; cmp dword [rdi], 0; je: a product grows until told",
		CODE("\x48\x0f\xaf\xc1\x83\x3f\x00\x74\xf7\xc3"), 9, WORK },
	{ "addsd xmm0, xmm1; cmp dword [rdi], 0; je: floating point",
		CODE("\xf2\x0f\x58\xc1\x83\x3f\x00\x74\xf7\xc3"), 9, WORK },
	{ "inc rcx; mov eax, [rdi+rcx*8]; cmp dword [rsi], 0; je: reads on until told",
		CODE("\x48\xff\xc1\x8b\x04\xcf\x83\x3e\x00\x74\xf5\xc3"), 11, WORK },
	{ "lock inc dword [rdi]; jne", CODE("\xf0\xff\x07\x75\xfb\xc3"), 5, WORK },
	{ "mov eax, [rdi]; lea ecx, [rax+1]; lock cmpxchg [rdi], ecx; jne: one more",
		CODE("\x8b\x07\x8d\x48\x01\xf0\x0f\xb1\x0f\x75\xf5\xc3"), 11, WORK },
	{ "syscall; test eax, eax; jne", CODE("\x0f\x05\x85\xc0\x75\xfa\xc3"), 6, WORK },
	{ "call rdi; cmp dword [rsi], 0; je", CODE("\xff\xd7\x83\x3e\x00\x74\xf9\xc3"), 7, WORK },
	{ "rep stosb; cmp dword [rsi], 0; je", CODE("\xf3\xaa\x83\x3e\x00\x74\xf9\xc3"), 7, WORK },
	{ "no loop at all", CODE("\x8b\x07\x85\xc0\xc3"), 4, WORK },
};

struct bytes {
	const char *at;
	u32 len;
};

static bool read_bytes(void *arg, u64 addr, void *to, u32 n)
{
	const struct bytes *b = arg;

	if (addr < BASE || addr - BASE >= b->len || n > b->len - (addr - BASE))
		return false;
	memcpy(to, b->at + (addr - BASE), n);
	return true;
}

static enum ct_loop judge(const char *code, u32 len, const u64 *at, u32 cnt, u32 *level)
{
	struct bytes b = { code, len };

	*level = CT_NONE;
	return ct_loop__judge(&(struct ct_code){ read_bytes, &b }, at, cnt, level);
}

static void each_loop(void **state)
{
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		for (u32 at = 0; at < cases[i].loop;) {
			u8 code[CT_X86_BYTES + 64] = { 0 };
			u32 level;
			u64 ip = BASE + at;
			memcpy(code, cases[i].bytes, cases[i].len);
			enum ct_loop got = judge(cases[i].bytes, cases[i].len, &ip, 1, &level);
			if (got != cases[i].expect)
				fail_msg("%s, at byte %u: %u", cases[i].what, at, got);
			assert_int_equal(level, got == LOOKS ? 0 : CT_NONE);
			at += ct_x86__length(code + at);
		}
	}
}

/* call 0x20; test eax, eax; je -9, and there: push rbp; mov rbp, rsp; mov eax, [rip+x]; pop rbp;
 * ret.  From inside of the function that looks, whose loop it is takes a return address. */
static void in_a_caller(void **state)
{
	static const char code[] =
		"\xe8\x1b\x00\x00\x00\x85\xc0\x74\xf7\xc3\xcc\xcc\xcc\xcc\xcc\xcc"
		"\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc"
		"\x55\x48\x89\xe5\x8b\x05\x00\x10\x00\x00\x5d\xc3";
	static const u32 inside[] = { 0x20, 0x21, 0x24, 0x2a, 0x2b };
	u32 level;

	for (u32 i = 0; i < CT_COUNT(inside); i++) {
		u64 at[] = { BASE + inside[i], BASE + 5 };
		assert_int_equal(judge(code, sizeof(code) - 1, at, 2, &level), LOOKS);
		assert_int_equal(level, 1);
		assert_int_equal(judge(code, sizeof(code) - 1, at, 1, &level), WORK);
	}
	u64 outside = BASE + 5;
	assert_int_equal(judge(code, sizeof(code) - 1, &outside, 1, &level), LOOKS);
	assert_int_equal(level, 0);
}

static void no_code(void **state)
{
	u64 at = BASE + 100;
	u32 level;

	assert_int_equal(judge("\x90", 1, &at, 1, &level), CT_LOOP_UNKNOWN);
	at = BASE;
	assert_int_equal(judge("\x06", 1, &at, 1, &level), CT_LOOP_UNKNOWN);
}

int main(void)
{
#if defined(__x86_64__)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_loop),
		cmocka_unit_test(in_a_caller),
		cmocka_unit_test(no_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
#else
	return 77;
#endif
}
