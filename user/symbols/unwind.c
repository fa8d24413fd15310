/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshot -> return addresses, by call frame information (.eh_frame, else .debug_frame), with the
 * frame pointer where there is none.  libdw finds and runs the CFI; what it says of one address (a
 * row: how to get the caller's stack pointer, return address and saved registers) is kept per file
 * and address, so that it is worked out once, whatever the process and however many stacks stand
 * there.  That is why this does not go through libdwfl's own unwinder, which starts anew for every
 * address space.  Memory is read from the snapshot alone.
 *
 * Measured (test_rate of tests/unit/test_symbols.c, which prints it; one core of a busy virtual
 * machine): 70,000 to 160,000 stacks/s of some 10 frames, named, once each address was met; a
 * file's first DWARF costs a pass over its units, 150 ms for Debian's libc6-dbg, nearly all of it
 * decompression.
 */
#include <dwarf.h>
#include <string.h>
#include "symbols/symbols_int.h"

#if defined(__aarch64__)
enum { REG_CNT = 32, REG_BP = 29, REG_RA = 30, REG_SP = 31 };
static const u8 kept_regs[] = { 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30 };
#else
enum { REG_CNT = 17, REG_BP = 6, REG_SP = 7, REG_RA = 16 };
static const u8 kept_regs[] = { 3, 6, 12, 13, 14, 15, 16 };
#endif
#define KEPT_CNT CT_COUNT(kept_regs)

#define EXPR_STACK 32
#define EXPR_OPS_MAX 256
#define SEARCH_BYTES 1024 /* of the stack, for a return address that nothing else tells */
#define LOW_ADDRESSES 4096 /* no code lies there */

/* Pointer authentication keeps a signature in the high bits of a return address. */
#if defined(__aarch64__)
#define CODE_BITS ((1ull << 48) - 1)
#else
#define CODE_BITS UINT64_MAX
#endif

enum rule_kind {
	RULE_SAME,	/* the caller has it as it is */
	RULE_UNDEFINED, /* lost */
	RULE_AT_CFA,	/* stored at cfa + off */
	RULE_REG_OFF,	/* is register `reg` + off */
	RULE_EXPR,	/* ask libdw again and compute */
};
struct rule {
	u8 kind, reg;
	i32 off;
};
struct row {
	struct rule cfa;
	struct rule regs[KEPT_CNT];
	u8 ra_reg;
	/* of a signal trampoline: the caller was interrupted, it did not call */
	bool signal;
	Dwarf_Frame *frame; /* kept when a rule is RULE_EXPR */
};
struct ct_unwinder {
	struct ct_table *rows_by; /* (file, vaddr) -> index, NO_ROW: none */
	CT_VEC(struct row) rows;
};
#define NO_ROW (CT_NONE - 1)

struct state {
	const struct ct_snapshot *snap;
	u64 reg[REG_CNT];
	u64 known; /* bit per register */
	u64 pc;
	bool exact;
};

struct ct_unwinder *ct_unwinder__new(void)
{
	struct ct_unwinder *u = ct_alloc(sizeof(*u));
	u->rows_by = ct_table__new();
	return u;
}

void ct_unwinder__free(struct ct_unwinder *u)
{
	if (!u)
		return;
	for (u32 i = 0; i < u->rows.cnt; i++)
		free(u->rows.at[i].frame);
	ct_vec_free(&u->rows);
	ct_table__free(u->rows_by);
	free(u);
}

/* ---- rows ---- */

static bool fits(u64 v)
{
	return (i64)v >= INT32_MIN && (i64)v <= INT32_MAX;
}

static struct rule read_cfa(Dwarf_Frame *frame)
{
	Dwarf_Op *ops;
	size_t cnt;
	if (dwarf_frame_cfa(frame, &ops, &cnt) || !cnt)
		return (struct rule){ .kind = RULE_UNDEFINED };
	if (cnt == 1 && ops[0].atom == DW_OP_bregx && ops[0].number < REG_CNT &&
		fits(ops[0].number2))
		return (struct rule){ RULE_REG_OFF, (u8)ops[0].number, (i32)ops[0].number2 };
	if (cnt == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom < DW_OP_breg0 + REG_CNT &&
		fits(ops[0].number))
		return (struct rule){ RULE_REG_OFF, (u8)(ops[0].atom - DW_OP_breg0),
			(i32)ops[0].number };
	return (struct rule){ .kind = RULE_EXPR };
}

static struct rule read_register(Dwarf_Frame *frame, int reg)
{
	Dwarf_Op mem[3];
	Dwarf_Op *ops;
	size_t cnt;
	if (dwarf_frame_register(frame, reg, mem, &ops, &cnt))
		return (struct rule){ .kind = RULE_UNDEFINED };
	if (!cnt)
		return (struct rule){ .kind = ops ? RULE_UNDEFINED : RULE_SAME };
	if (ops[0].atom == DW_OP_call_frame_cfa && cnt == 1)
		return (struct rule){ RULE_AT_CFA, 0, 0 };
	if (ops[0].atom == DW_OP_call_frame_cfa && cnt == 2 && ops[1].atom == DW_OP_plus_uconst &&
		fits(ops[1].number))
		return (struct rule){ RULE_AT_CFA, 0, (i32)ops[1].number };
	return (struct rule){ .kind = RULE_EXPR };
}

static bool fill_row(struct row *row, Dwarf_Frame *frame)
{
	Dwarf_Addr start, end;
	bool expr;
	int ra = dwarf_frame_info(frame, &start, &end, &row->signal);
	row->cfa = read_cfa(frame);
	if (ra < 0 || ra >= REG_CNT || row->cfa.kind == RULE_UNDEFINED)
		return false;
	row->ra_reg = (u8)ra;
	expr = row->cfa.kind == RULE_EXPR;
	for (u32 i = 0; i < KEPT_CNT; i++) {
		row->regs[i] = read_register(frame, kept_regs[i]);
		expr |= row->regs[i].kind == RULE_EXPR;
	}
	row->frame = expr ? frame : NULL;
	return true;
}

static Dwarf_Frame *find_frame(struct ct_elf *f, u64 vaddr)
{
	Dwarf_Frame *frame = NULL;
	if (f->cfi && !dwarf_cfi_addrframe(f->cfi, vaddr, &frame))
		return frame;
	ct_elf__load_debug(f);
	Dwarf_CFI *cfi = f->dbg ? dwarf_getcfi(f->dbg) : NULL;
	if (cfi && !dwarf_cfi_addrframe(cfi, vaddr, &frame))
		return frame;
	return NULL;
}

/* NULL when nothing is known.  Valid until the next call. */
static const struct row *find_row(struct ct_unwinder *u, const struct ct_unwind_where *w)
{
	if (!w->elf || !w->elf->native)
		return NULL;
	u32 idx = ct_table__get(u->rows_by, w->vaddr, w->file);
	if (idx == CT_NONE) {
		struct row row = { .frame = NULL };
		Dwarf_Frame *frame = find_frame(w->elf, w->vaddr);
		bool ok = frame && fill_row(&row, frame);
		idx = ok ? u->rows.cnt : NO_ROW;
		if (ok)
			*ct_vec_push(&u->rows) = row;
		if (frame && !row.frame)
			free(frame);
		ct_table__set(u->rows_by, w->vaddr, w->file, idx);
	}
	return idx == NO_ROW ? NULL : &u->rows.at[idx];
}

/* ---- values ---- */

static bool get_reg(const struct state *s, u64 reg, u64 *value)
{
	if (reg >= REG_CNT || !(s->known >> reg & 1))
		return false;
	*value = s->reg[reg];
	return true;
}

static void set_reg(struct state *s, u32 reg, u64 value)
{
	s->reg[reg] = value;
	s->known |= 1ull << reg;
}

static bool read_stack(const struct state *s, u64 addr, u64 *value)
{
	u64 at = addr - s->snap->sp;
	if (addr < s->snap->sp || s->snap->len < 8 || at > s->snap->len - 8)
		return false;
	memcpy(value, (const char *)s->snap->bytes + at, 8);
	return true;
}

struct expr {
	u64 at[EXPR_STACK];
	u32 cnt;
};

static bool push(struct expr *e, u64 value)
{
	if (e->cnt == EXPR_STACK)
		return false;
	e->at[e->cnt++] = value;
	return true;
}

/* Two values off, one on. */
static bool combine(struct expr *e, u8 atom)
{
	if (e->cnt < 2)
		return false;
	u64 b = e->at[--e->cnt];
	u64 *a = &e->at[e->cnt - 1];
	switch (atom) {
	case DW_OP_plus: *a += b; return true;
	case DW_OP_minus: *a -= b; return true;
	case DW_OP_mul: *a *= b; return true;
	case DW_OP_and: *a &= b; return true;
	case DW_OP_or: *a |= b; return true;
	case DW_OP_xor: *a ^= b; return true;
	case DW_OP_shl: *a = b < 64 ? *a << b : 0; return true;
	case DW_OP_shr: *a = b < 64 ? *a >> b : 0; return true;
	case DW_OP_eq: *a = *a == b; return true;
	case DW_OP_ne: *a = *a != b; return true;
	case DW_OP_ge: *a = (i64)*a >= (i64)b; return true;
	case DW_OP_gt: *a = (i64)*a > (i64)b; return true;
	case DW_OP_le: *a = (i64)*a <= (i64)b; return true;
	case DW_OP_lt: *a = (i64)*a < (i64)b; return true;
	default: return false;
	}
}

static bool push_reg_off(struct expr *e, const struct state *s, u64 reg, u64 off)
{
	u64 value;
	return get_reg(s, reg, &value) && push(e, value + off);
}

static bool run_op(struct expr *e, const struct state *s, const Dwarf_Op *op, u64 cfa)
{
	u64 *top = e->cnt ? &e->at[e->cnt - 1] : NULL;
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(e, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_reg_off(e, s, op->atom - DW_OP_breg0, op->number);
	switch (op->atom) {
	case DW_OP_bregx:
		return push_reg_off(e, s, op->number, op->number2);
	case DW_OP_addr:
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(e, op->number);
	case DW_OP_call_frame_cfa:
		return push(e, cfa);
	case DW_OP_dup:
		return top && push(e, *top);
	case DW_OP_drop:
		return top && e->cnt--;
	case DW_OP_deref:
		return top && read_stack(s, *top, top);
	case DW_OP_plus_uconst:
		return top && (*top += op->number, true);
	case DW_OP_neg:
		return top && (*top = -*top, true);
	case DW_OP_not:
		return top && (*top = ~*top, true);
	case DW_OP_nop:
		return true;
	default:
		return combine(e, op->atom);
	}
}

/* The address or value that the operations leave on top; *is_value tells which. */
static bool run_expr(const struct state *s, const Dwarf_Op *ops, size_t cnt, u64 cfa, u64 *result,
	bool *is_value)
{
	struct expr e = { .cnt = 0 };
	*is_value = false;
	if (!cnt || cnt > EXPR_OPS_MAX)
		return false;
	for (size_t i = 0; i < cnt; i++) {
		if (ops[i].atom == DW_OP_stack_value) {
			*is_value = true;
			break;
		}
		if (!run_op(&e, s, &ops[i], cfa))
			return false;
	}
	if (!e.cnt)
		return false;
	*result = e.at[e.cnt - 1];
	return true;
}

static bool compute_cfa(const struct state *s, const struct row *row, u64 *cfa)
{
	Dwarf_Op *ops;
	size_t cnt;
	bool is_value;
	if (row->cfa.kind == RULE_REG_OFF) {
		if (!get_reg(s, row->cfa.reg, cfa))
			return false;
		*cfa += (u64)(i64)row->cfa.off;
		return true;
	}
	return !dwarf_frame_cfa(row->frame, &ops, &cnt) &&
		run_expr(s, ops, cnt, 0, cfa, &is_value);
}

/* A register's location: a register, a value or a place in memory. */
static bool compute_location(const struct state *s, const struct row *row, int reg, u64 cfa,
	u64 *value)
{
	Dwarf_Op mem[3];
	Dwarf_Op *ops;
	size_t cnt;
	bool is_value;
	if (dwarf_frame_register(row->frame, reg, mem, &ops, &cnt) || !cnt)
		return false;
	if (cnt == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
		return get_reg(s, ops[0].atom - DW_OP_reg0, value);
	if (cnt == 1 && ops[0].atom == DW_OP_regx)
		return get_reg(s, ops[0].number, value);
	if (!run_expr(s, ops, cnt, cfa, value, &is_value))
		return false;
	return is_value || read_stack(s, *value, value);
}

static bool compute_reg(const struct state *s, const struct row *row, u32 kept, u64 cfa, u64 *value)
{
	const struct rule *rule = &row->regs[kept];
	switch (rule->kind) {
	case RULE_SAME:
		return get_reg(s, kept_regs[kept], value);
	case RULE_AT_CFA:
		return read_stack(s, cfa + (u64)(i64)rule->off, value);
	case RULE_EXPR:
		return compute_location(s, row, kept_regs[kept], cfa, value);
	default:
		return false;
	}
}

/* ---- return addresses ---- */

struct walk {
	struct ct_unwinder *u;
	ct_unwind_locate locate;
	void *arg;
};

static bool is_code(const struct walk *w, u64 pc)
{
	struct ct_unwind_where where;
	return pc >= LOW_ADDRESSES && w->locate(w->arg, pc - 1, &where);
}

/* Is `ret` where a call to the function that runs at `callee` returns to, or a call to one that
 * jumped there? The call must say so: stacks are full of old return addresses. */
static bool returns_from(const struct walk *w, u64 ret, const struct ct_unwind_where *callee)
{
	struct ct_unwind_where where;
	struct ct_call call;
	struct ct_tail_call jumps[CT_TAIL_CALLS_MAX];
	if (ret < LOW_ADDRESSES || !w->locate(w->arg, ret - 1, &where) || !where.elf ||
		!ct_elf__call_before(where.elf, where.vaddr + 1, &call))
		return false;
	const struct ct_sym *runs = ct_elf__func(callee->elf, callee->vaddr);
	const struct ct_sym *called = NULL;
	if (call.name)
		called = ct_elf__find(callee->elf, call.name);
	else if (where.elf == callee->elf)
		called = ct_elf__func(where.elf, call.vaddr);
	if (!called || !runs)
		return false;
	return called->addr == runs->addr ||
		ct_tail_calls__find(NULL, call.name ? callee->elf : where.elf, called, callee->elf,
			runs->addr, jumps);
}

/* ---- the frame pointer, when the snapshot was taken without it ---- */

#if defined(__x86_64__)

/* Functions with a frame pointer begin with push %rbp, mov %rsp,%rbp, pushes of other registers and
 * sub $size,%rsp: so far above the stack pointer is the frame pointer.  0: it is not such a one. */
static u64 read_frame_size(const struct ct_unwind_where *where)
{
	static const u8 enter[] = { 0x55, 0x48, 0x89, 0xe5 };
	static const u8 branch_mark[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	u8 code[48];
	u64 size = 0;
	u32 i = 0;
	const struct ct_sym *sym = where->elf ? ct_elf__func(where->elf, where->vaddr) : NULL;
	if (!sym || !ct_elf__read(where->elf, sym->addr, code, sizeof(code)))
		return 0;
	if (!memcmp(code, branch_mark, sizeof(branch_mark)))
		i += sizeof(branch_mark);
	if (memcmp(code + i, enter, sizeof(enter)))
		return 0;
	i += sizeof(enter);
	for (; i < 24; size += 8) {
		if (code[i] == 0x41 && (code[i + 1] & 0xf8) == 0x50)
			i += 2;
		else if ((code[i] & 0xf8) == 0x50)
			i++;
		else
			break;
	}
	if (code[i] != 0x48 || code[i + 2] != 0xec)
		return size;
	if (code[i + 1] == 0x83)
		return size + code[i + 3];
	i32 big;
	memcpy(&big, code + i + 3, sizeof(big));
	return code[i + 1] == 0x81 && big > 0 ? size + (u64)big : size;
}

/* A call through a pointer, or the kernel's of a signal handler, which returns to a trampoline. */
static bool returns_from_pointer(const struct walk *w, u64 ret)
{
	struct ct_unwind_where where;
	if (ret < LOW_ADDRESSES)
		return false;
	if (w->locate(w->arg, ret - 1, &where) && where.elf &&
		ct_elf__pointer_call_before(where.elf, where.vaddr + 1))
		return true;
	const struct row *row = w->locate(w->arg, ret, &where) ? find_row(w->u, &where) : NULL;
	return row && row->signal;
}

enum how { /* a function was called, by what is in front of the return address */
	BY_NAME,
	BY_POINTER,
	BY_UNKNOWN, /* code that lies in no file */
	HOW_CNT,
};

static bool is_return(const struct walk *w, u64 ret, const struct ct_unwind_where *callee,
	enum how how)
{
	struct ct_unwind_where where;
	if (how == BY_NAME)
		return returns_from(w, ret, callee);
	if (how == BY_POINTER)
		return returns_from_pointer(w, ret);
	return ret >= LOW_ADDRESSES && w->locate(w->arg, ret - 1, &where) && !where.elf;
}

/* With that frame pointer, is there a return address where the row says that it is? */
static bool fits_frame(const struct state *s, const struct row *row, const struct walk *w,
	const struct ct_unwind_where *where, u64 bp, enum how how, u64 *cfa)
{
	struct state with = *s;
	u64 ret;
	set_reg(&with, REG_BP, bp);
	return compute_cfa(&with, row, cfa) && *cfa > s->reg[REG_SP] &&
		read_stack(s, *cfa - 8, &ret) && is_return(w, ret, where, how);
}

/* The callee did not save the frame pointer, so nothing tells it. Old frames may lie in the memory
 * of this one: what the function's own code says comes first, then the nearest that fits. */
static bool guess_cfa(struct state *s, const struct row *row, const struct walk *w,
	const struct ct_unwind_where *where, u64 *cfa)
{
	u64 bp;
	u64 sp = s->reg[REG_SP];
	u64 end = s->snap->sp + s->snap->len;
	if (!where->elf || get_reg(s, REG_BP, &bp))
		return false;
	bp = sp + read_frame_size(where);
	for (enum how how = BY_NAME; how < HOW_CNT; how++)
		if (fits_frame(s, row, w, where, bp, how, cfa))
			goto found;
	for (enum how how = BY_NAME; how < BY_UNKNOWN; how++)
		for (bp = sp; bp < end; bp += 8)
			if (fits_frame(s, row, w, where, bp, how, cfa))
				goto found;
	return false;
found:
	set_reg(s, REG_BP, bp);
	return true;
}

#else

static bool guess_cfa(struct state *s, const struct row *row, const struct walk *w,
	const struct ct_unwind_where *where, u64 *cfa)
{
	return false;
}

#endif

/* ---- one frame up ---- */

static bool step_by_row(struct state *s, const struct row *row, const struct walk *w,
	const struct ct_unwind_where *where, bool first)
{
	u64 cfa, value;
	struct state next = { .snap = s->snap };
	if (!compute_cfa(s, row, &cfa) && !guess_cfa(s, row, w, where, &cfa))
		return false;
	/* A stack only shrinks on the way out: anything else would go round in circles. */
	if (!row->signal && (cfa < s->reg[REG_SP] || (cfa == s->reg[REG_SP] && !first)))
		return false;
	for (u32 i = 0; i < KEPT_CNT; i++)
		if (compute_reg(s, row, i, cfa, &value))
			set_reg(&next, kept_regs[i], value);
	if (!get_reg(&next, row->ra_reg, &next.pc))
		return false;
	next.pc &= CODE_BITS;
	set_reg(&next, REG_SP, cfa);
	next.exact = row->signal;
	*s = next;
	return true;
}

static void set_caller(struct state *s, u64 pc, u64 sp, u64 bp)
{
	struct state next = { .snap = s->snap, .pc = pc };
	set_reg(&next, REG_SP, sp);
	if (bp)
		set_reg(&next, REG_BP, bp);
	*s = next;
}

/* Hand-written assembly and compiled-at-run-time code keep a frame pointer, mostly. */
static bool step_by_frame_pointer(struct state *s, const struct walk *w)
{
	u64 bp, pc, caller_bp;
	if (!get_reg(s, REG_BP, &bp) || bp < s->reg[REG_SP] || bp % 8)
		return false;
	if (!read_stack(s, bp, &caller_bp) || !read_stack(s, bp + 8, &pc))
		return false;
	pc &= CODE_BITS;
	if (!is_code(w, pc))
		return false;
	set_caller(s, pc, bp + 16, caller_bp);
	return true;
}

/* A leaf without unwind information: the return address is where the call put it. */
static bool step_by_leaf(struct state *s, const struct walk *w)
{
	u64 bp = 0;
	u64 sp = s->reg[REG_SP];
	u64 pc;
#if defined(__aarch64__)
	pc = s->snap->lr & CODE_BITS;
#else
	if (!read_stack(s, sp, &pc))
		return false;
	sp += 8;
#endif
	if (!is_code(w, pc))
		return false;
	get_reg(s, REG_BP, &bp);
	set_caller(s, pc, sp, bp);
	return true;
}

/* C libraries are built without unwind information and frame pointers, some of them (musl): the
 * nearest address on the stack that provably is our return address. */
static bool step_by_search(
	struct state *s, const struct walk *w, const struct ct_unwind_where *where)
{
	u64 bp = 0;
	u64 pc;
	if (!where->elf)
		return false;
	get_reg(s, REG_BP, &bp);
	for (u64 sp = s->reg[REG_SP]; sp < s->reg[REG_SP] + SEARCH_BYTES; sp += 8) {
		if (!read_stack(s, sp, &pc))
			return false;
		if (!returns_from(w, pc, where))
			continue;
		set_caller(s, pc, sp + 8, bp);
		return true;
	}
	return false;
}

static bool step(struct state *s, const struct walk *w, bool first)
{
	struct ct_unwind_where where;
	if (!w->locate(w->arg, s->exact ? s->pc : s->pc - 1, &where))
		return first && (step_by_leaf(s, w) || step_by_frame_pointer(s, w));
	const struct row *found = find_row(w->u, &where);
	if (found) {
		const struct row row = *found; /* a copy: on the way more rows may be found */
		return step_by_row(s, &row, w, &where, first);
	}
	return (first && step_by_leaf(s, w)) || step_by_search(s, w, &where) ||
		step_by_frame_pointer(s, w);
}

u32 ct_unwinder__run(struct ct_unwinder *u, const struct ct_snapshot *snap, bool names_only,
	ct_unwind_locate locate, void *arg, struct ct_pc out[CT_FRAMES_MAX])
{
	struct walk w = { .u = u, .locate = locate, .arg = arg };
	struct state s = { .snap = snap, .pc = snap->ip, .exact = true };
	u32 cnt = 0;
	set_reg(&s, REG_SP, snap->sp);
	if (snap->bp)
		set_reg(&s, REG_BP, snap->bp);
	if (snap->lr)
		set_reg(&s, REG_RA, snap->lr);
	for (;;) {
		out[cnt++] = (struct ct_pc){ .pc = s.pc, .exact = s.exact };
		if (names_only || cnt == CT_FRAMES_MAX || !step(&s, &w, cnt == 1))
			return cnt;
		/* The frame just left was a signal's trampoline: nobody called it, so its first
		 * instruction is what its return address names. */
		if (s.exact)
			out[cnt - 1].exact = true;
		if (s.exact ? s.pc < LOW_ADDRESSES : !is_code(&w, s.pc))
			return cnt;
	}
}
