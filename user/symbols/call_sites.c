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
 * A call's bytes before a known return address are read with certainty; jumps are found by reading
 * a function's instructions from the first one on.  Which of the jumps were taken: tail_calls.c.
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

/* `call *operand` is ff, and 2 in the middle of the next byte. */
bool ct_elf__pointer_call_before(struct ct_elf *f, u64 ret)
{
	u8 code[8]; /* one more than the call has: where a scale byte would be */
	u32 most = sizeof(code) - 1;
	if (ret < most || !ct_elf__read(f, ret - most, code, most))
		return false;
	code[most] = 0;
	for (u32 len = 2; len <= most; len++) {
		const u8 *at = code + most - len;
		if (at[0] == 0xff && (at[1] >> 3 & 7) == 2 &&
			ct_x86__operand_bytes(at + 1) == len - 1)
			return true;
	}
	return false;
}

/* Where a jump of `len` bytes leads: e9 or eb and a distance, on a condition 0f 80 to 0f 8f or 70
 * to 7f; ff 25 and the distance to a slot.  False: it is none. */
static bool read_jump(struct ct_elf *f, const u8 *code, u32 len, u64 next, struct ct_call *to)
{
	code += code[0] == 0xf2; /* bnd */
	bool near = code[0] == 0xe9 || (code[0] == 0x0f && code[1] >> 4 == 8);
	bool close = code[0] == 0xeb || code[0] >> 4 == 7;
	*to = (struct ct_call){ 0 };
	if (near || close) {
		u64 target = next + (u64)(near ? read_distance(code + (code[0] == 0x0f) + 1) :
						 (signed char)code[1]);
		if (!ct_elf__in_segment(f, target, true))
			return false;
		to->name = name_stub(f, target);
		to->vaddr = to->name ? 0 : target;
		return true;
	}
	if (len < 6 || code[0] != 0xff || code[1] != 0x25)
		return false;
	to->name = name_slot(f, next + (u64)read_distance(code + 2));
	return to->name;
}

u64 ct_elf__each_jump(struct ct_elf *f, const struct ct_sym *in,
	bool (*take)(void *arg, u64 at, const struct ct_call *to), void *arg)
{
	u64 found = 0;
	struct ct_call to;
	if (in->size > FUNCTION_BYTES_MAX)
		return 0;
	u8 *code = ct_alloc(in->size + CT_X86_BYTES);
	bool ok = ct_elf__read(f, in->addr, code, in->size);
	for (u32 i = 0; ok && !found && i < in->size;) {
		u32 len = ct_x86__length(code + i);
		u64 at = in->addr + i;
		i += len ? len : 1;
		if (len > 1 && i <= in->size &&
			read_jump(f, code + i - len, len, in->addr + i, &to) && take(arg, at, &to))
			found = at;
	}
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

/* `blr register` */
bool ct_elf__pointer_call_before(struct ct_elf *f, u64 ret)
{
	u32 code;
	return ret >= 4 && ct_elf__read(f, ret - 4, &code, 4) && (code & 0xfffffc1f) == 0xd63f0000;
}

u64 ct_elf__each_jump(struct ct_elf *f, const struct ct_sym *in,
	bool (*take)(void *arg, u64 at, const struct ct_call *to), void *arg)
{
	u64 found = 0;
	if (in->size < 4 || in->size > FUNCTION_BYTES_MAX)
		return 0;
	size_t cnt = in->size / 4;
	u32 *code = ct_alloc(cnt * 4);
	bool ok = ct_elf__read(f, in->addr, code, cnt * 4);
	for (size_t i = 0; ok && !found && i < cnt; i++) {
		u64 at = in->addr + 4 * i;
		struct ct_call to = { 0 };
		if (code[i] >> 26 != 0x05)
			continue;
		to.vaddr = branch_target(code[i], at);
		to.name = name_stub(f, to.vaddr);
		if (take(arg, at, &to))
			found = at;
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

bool ct_elf__pointer_call_before(struct ct_elf *f, u64 ret)
{
	return false;
}

u64 ct_elf__each_jump(struct ct_elf *f, const struct ct_sym *in,
	bool (*take)(void *arg, u64 at, const struct ct_call *to), void *arg)
{
	return 0;
}

#endif
