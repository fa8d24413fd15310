/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls and jumps in a file's code: what the call before a return address called, and which jump
 * ended a function.
 *
 * At -O2 a function whose last act is a call jumps instead and leaves no frame: glibc's
 * pthread_join is such a one, and so is many a wrapper around read or pthread_mutex_lock. Its name
 * is still in the caller's call instruction, and its line is that of the jump. Calls to other files
 * go through a table of addresses that the dynamic linker fills by name, so the relocations tell
 * the name.
 *
 * A call's bytes before a known return address are read with certainty.  A jump is searched by its
 * bytes: opcode and a 32-bit distance that leads exactly to the function sought, which code has by
 * chance once in four thousand million bytes.
 */
#include <string.h>
#include "symbols/symbols_int.h"

#define RELOCATIONS_MAX (1u << 20)
#define FUNCTION_BYTES_MAX (64u << 10) /* of a function searched for its jump */

struct slot {
	u64 vaddr;	  /* of the address table's entry */
	const char *name; /* of the function whose address it takes */
};
struct ct_call_sites {
	CT_VEC(struct slot) slots; /* by vaddr */
};

/* ---- the address table ---- */

static bool is_function_slot(u32 type)
{
#if defined(__x86_64__)
	return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
#elif defined(__aarch64__)
	return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
#else
	return false;
#endif
}

static void read_relocations(struct ct_call_sites *c, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	GElf_Rela rela;
	GElf_Sym sym;
	GElf_Shdr table_shdr;
	Elf_Data *data = elf_getdata(scn, NULL);
	Elf_Scn *table = elf_getscn(elf, shdr->sh_link);
	if (!data || !table || !gelf_getshdr(table, &table_shdr))
		return;
	Elf_Data *syms = elf_getdata(table, NULL);
	u64 cnt = shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
	for (u64 i = 0; syms && i < cnt && i < RELOCATIONS_MAX; i++) {
		if (!gelf_getrela(data, (int)i, &rela))
			break;
		if (!is_function_slot((u32)GELF_R_TYPE(rela.r_info)) ||
			!gelf_getsym(syms, (int)GELF_R_SYM(rela.r_info), &sym))
			continue;
		const char *name = elf_strptr(elf, table_shdr.sh_link, sym.st_name);
		if (name && name[0])
			*ct_vec_push(&c->slots) = (struct slot){ rela.r_offset, name };
	}
}

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a;
	const struct slot *y = b;
	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct ct_call_sites *load_slots(struct ct_elf *f)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	if (f->calls)
		return f->calls;
	struct ct_call_sites *c = f->calls = ct_alloc(sizeof(*c));
	while (f->elf && (scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_RELA)
			read_relocations(c, f->elf, scn, &shdr);
	if (c->slots.cnt)
		qsort(c->slots.at, c->slots.cnt, sizeof(*c->slots.at), compare_slots);
	return c;
}

void ct_call_sites__free(struct ct_call_sites *c)
{
	if (!c)
		return;
	ct_vec_free(&c->slots);
	free(c);
}

static const char *name_slot(struct ct_elf *f, u64 vaddr)
{
	struct ct_call_sites *c = load_slots(f);
	u32 low = 0;
	u32 high = c->slots.cnt;
	while (low < high) {
		u32 mid = low + (high - low) / 2;
		if (c->slots.at[mid].vaddr == vaddr)
			return c->slots.at[mid].name;
		if (c->slots.at[mid].vaddr < vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* ---- instructions ---- */

/* Is the target of a jump in `from`, a name or an address there, the function at `vaddr` of
 * `to`? */
static inline bool is_function(struct ct_elf *from, const char *name, u64 target, struct ct_elf *to,
	u64 vaddr)
{
	if (!name)
		return from == to && target == vaddr;
	const struct ct_sym *sym = ct_elf__find(to, name);
	return sym && sym->addr == vaddr;
}

#if defined(__x86_64__)

static i64 read_distance(const u8 *at)
{
	i32 distance;
	memcpy(&distance, at, 4);
	return distance;
}

/* A stub is `endbr64` (maybe), then `bnd` (maybe) `jmp *slot(%rip)`. */
static const char *name_stub(struct ct_elf *f, u64 vaddr)
{
	u8 code[11];
	u32 at = 0;
	if (!ct_elf__read(f, vaddr, code, sizeof(code)))
		return NULL;
	if (!memcmp(code, "\xf3\x0f\x1e\xfa", 4))
		at = 4;
	at += code[at] == 0xf2;
	if (code[at] != 0xff || code[at + 1] != 0x25)
		return NULL;
	return name_slot(f, vaddr + at + 6 + (u64)read_distance(code + at + 2));
}

/* `call target` is e8 and a distance; `call *slot(%rip)` is ff 15 and a distance. */
bool ct_elf__call_before(struct ct_elf *f, u64 ret, struct ct_call *call)
{
	u8 code[6];
	*call = (struct ct_call){ 0 };
	if (ret < sizeof(code) || !ct_elf__read(f, ret - sizeof(code), code, sizeof(code)))
		return false;
	u64 target = ret + (u64)read_distance(code + 2);
	if (code[0] == 0xff && code[1] == 0x15)
		call->name = name_slot(f, target);
	else if (code[1] == 0xe8)
		call->name = name_stub(f, target);
	else
		return false;
	if (!call->name && code[1] == 0xe8)
		call->vaddr = target;
	return call->name || call->vaddr;
}

/* A jump is e9 and a distance, or ff 25 and the distance to a slot; false: `code` is neither. */
static bool read_jump(struct ct_elf *f, const u8 *code, u64 vaddr, const char **name, u64 *target)
{
	*name = NULL;
	*target = 0;
	if (code[0] == 0xe9) {
		*target = vaddr + 5 + (u64)read_distance(code + 1);
		if (!ct_elf__in_segment(f, *target, true))
			return false;
		*name = name_stub(f, *target);
		return true;
	}
	if (code[0] != 0xff || code[1] != 0x25)
		return false;
	*name = name_slot(f, vaddr + 6 + (u64)read_distance(code + 2));
	return *name;
}

u64 ct_elf__jump(struct ct_elf *from, const struct ct_sym *in, struct ct_elf *to, u64 vaddr)
{
	u64 found = 0;
	const char *name;
	u64 target;
	if (in->size < 5 || in->size > FUNCTION_BYTES_MAX)
		return 0;
	/* a jump of 5 bytes may be the last: one more is looked at */
	u8 *code = ct_alloc(in->size + 1);
	bool ok = ct_elf__read(from, in->addr, code, in->size);
	for (size_t i = 0; ok && !found && i + 5 <= in->size; i++)
		if (read_jump(from, code + i, in->addr + i, &name, &target) &&
			is_function(from, name, target, to, vaddr))
			found = in->addr + i;
	free(code);
	return found;
}

#elif defined(__aarch64__)

/* `bl` and `b` hold a distance in words in their low 26 bits. */
static u64 branch_target(u32 code, u64 vaddr)
{
	i64 words = (i64)((u64)(code & 0x03ffffff) << 38) >> 38;
	return vaddr + (u64)(words * 4);
}

/* A stub is `bti c` (maybe), `adrp x16, page`, `ldr x17, [x16, #slot]`. */
static const char *name_stub(struct ct_elf *f, u64 vaddr)
{
	u32 code[3];
	if (!ct_elf__read(f, vaddr, code, sizeof(code)))
		return NULL;
	u32 at = code[0] == 0xd503245f;
	if ((code[at] & 0x9f00001f) != 0x90000010 || (code[at + 1] & 0xffc003ff) != 0xf9400211)
		return NULL;
	u64 pages = ((code[at] >> 3) & 0x1ffffc) | ((code[at] >> 29) & 3);
	i64 distance = (i64)(pages << 43) >> 43;
	u64 page = ((vaddr + 4 * at) & ~0xfffull) + ((u64)distance << 12);
	return name_slot(f, page + ((code[at + 1] >> 10) & 0xfff) * 8);
}

bool ct_elf__call_before(struct ct_elf *f, u64 ret, struct ct_call *call)
{
	u32 code;
	*call = (struct ct_call){ 0 };
	if (ret < 4 || !ct_elf__read(f, ret - 4, &code, 4) || code >> 26 != 0x25)
		return false;
	u64 target = branch_target(code, ret - 4);
	call->name = name_stub(f, target);
	if (!call->name)
		call->vaddr = target;
	return true;
}

u64 ct_elf__jump(struct ct_elf *from, const struct ct_sym *in, struct ct_elf *to, u64 vaddr)
{
	u64 found = 0;
	if (in->size < 4 || in->size > FUNCTION_BYTES_MAX)
		return 0;
	size_t cnt = in->size / 4;
	u32 *code = ct_alloc(cnt * 4);
	bool ok = ct_elf__read(from, in->addr, code, cnt * 4);
	for (size_t i = 0; ok && !found && i < cnt; i++) {
		u64 target = branch_target(code[i], in->addr + 4 * i);
		if (code[i] >> 26 == 0x05 &&
			is_function(from, name_stub(from, target), target, to, vaddr))
			found = in->addr + 4 * i;
	}
	free(code);
	return found;
}

#else

bool ct_elf__call_before(struct ct_elf *f, u64 ret, struct ct_call *call)
{
	*call = (struct ct_call){ 0 };
	return false;
}

u64 ct_elf__jump(struct ct_elf *from, const struct ct_sym *in, struct ct_elf *to, u64 vaddr)
{
	return 0;
}

#endif
