/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the symbolizer: the input is the file of a traced program (ELF, DWARF, .eh_frame), mapped
 * as the kernel would map it, with a stack full of addresses inside it.
 */
#include "fuzz.h"
#include "symbols/symbolize.h"

#define BASE 0x400000u
#define WORDS 512
#define STACK_AT 0x7ff000000000ull
#define TGID 100

static void add_stack(struct ct_symbolizer *sym, size_t size, u32 id)
{
	static u64 words[WORDS];
	struct ct_snapshot snap = { .id = id, .tid = TGID, .tgid = TGID, .ts = 20 + id,
		.ip = BASE + (id * 1299709ull) % (size + 1), .sp = STACK_AT, .bp = STACK_AT + 64,
		.top = STACK_AT + sizeof(words), .bytes = words, .len = sizeof(words) };

	for (u32 i = 0; i < WORDS; i++)
		words[i] = i % 3 ? BASE + (i * 7919ull * id) % (size + 1) : STACK_AT + i * 8;
	ct_symbolizer__stack(sym, &snap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file = { .fd = -1 };
	struct ct_symbolizer *sym = ct_symbolizer__new();
	struct ct_names *names = ct_names__new();
	struct ct_addr_name addr;

	fuzz_put(&file, data, size);
	ct_symbolizer__map(sym, 10, TGID, BASE, (size + 4096) & ~4095ull, 0, file.path, 0);
	for (u32 id = 1; id <= 6; id++)
		add_stack(sym, size, id);
	ct_symbolizer__resolve(sym, names, NULL, NULL);
	ct_symbolizer__address(sym, names, TGID, BASE + size / 2, &addr);
	ct_symbolizer__libc(sym, TGID);
	ct_names__free(names);
	ct_symbolizer__free(sym);
	return 0;
}
