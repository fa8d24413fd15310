/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells a loop that only looks from one that works, by going round it a few times with values that
 * stand for whatever registers and memory hold.
 *
 * A loop only looks if nothing in it would ever become different as long as nobody else writes:
 * every address is the same in each turn, a condition that depends on memory which others can write
 * is the same in each turn, nothing is stored but on the own stack, and of what a turn leaves to
 * the next at most one value changes, by steps of the same size: how often it has looked. Asking
 * for a lock by a swap with a constant is a look, too: as long as the lock is held it changes
 * nothing. A loop around a pause instruction waits, whether it looks or only lets time pass.
 *
 * A value is base + offset: the base is a number made from all that the value was computed of.
 */
#include "symbols/loops_int.h"

#if defined(__x86_64__)

#define TURNS 4	     /* of which the last two are compared: the first ones settle the stack */
#define SLOTS_MAX 96 /* words of the stack */
#define RAX 0
#define RSP 4
#define RBP 5
#define REGS 16
#define BASE_OF_REG 0x100

struct value {
	u64 base; /* 0: a constant */
	u64 off;
	bool loaded; /* depends on memory that others may write */
	bool stack;  /* an address of the own stack */
	bool made;   /* of other values, by more than adding a constant */
};
struct cell { /* a register, or a word of the stack */
	struct value v, before; /* before: at the beginning of the turn */
	bool written, carried;	/* in this turn; carried: its value from the turn before was used */
};
struct slot {
	struct value addr;
	struct cell c;
};
struct turns {
	struct cell regs[REGS];
	struct slot slots[SLOTS_MAX];
	u32 slot_cnt;
	struct value flags;
	struct value conditions[CT_TURN_MAX]; /* of the branches, in the turn before */
	u64 inputs; /* a sum of what has to be the same in each turn */
	bool works, looks, pauses;
};

static u64 mix(u64 a, u64 b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15ull + 0x7f4a7c15;
	return a ^ a >> 29;
}

static u64 sum_of(struct value v)
{
	return mix(v.base, v.off + 1);
}

static bool same(struct value a, struct value b)
{
	return a.base == b.base && a.off == b.off;
}

static struct value constant(u64 n)
{
	return (struct value){ .off = n };
}

static struct value computed(u64 what, struct value a, struct value b)
{
	return (struct value){ .base = mix(mix(what, sum_of(a)), sum_of(b)),
		.loaded = a.loaded || b.loaded,
		.made = true };
}

static struct value held_at(u64 what, struct value addr, bool loaded)
{
	return (struct value){ .base = mix(what, sum_of(addr)), .loaded = loaded };
}

/* ---- registers and memory ---- */

static struct value use(struct cell *c)
{
	c->carried |= !c->written;
	return c->v;
}

static void set(struct cell *c, struct value v)
{
	c->v = v;
	c->written = true;
}

static struct cell *find_reg(struct turns *t, ZydisRegister reg)
{
	ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (wide < ZYDIS_REGISTER_RAX || wide > ZYDIS_REGISTER_R15)
		return NULL;
	return &t->regs[wide - ZYDIS_REGISTER_RAX];
}

static struct value use_reg(struct turns *t, ZydisRegister reg)
{
	struct cell *c = find_reg(t, reg);

	return c ? use(c) : constant(0);
}

static struct value address_of(
	struct turns *t, const struct ct_turn_insn *i, const ZydisDecodedOperand *op)
{
	struct value a = constant((u64)op->mem.disp.value);

	if (op->mem.base == ZYDIS_REGISTER_RIP) {
		a.off += i->addr + i->insn.length;
	} else if (op->mem.base != ZYDIS_REGISTER_NONE) {
		struct value base = use_reg(t, op->mem.base);
		base.off += a.off;
		a = base;
	}
	/* what %rbp held when the loop began is a frame if locals lie below it */
	a.stack |= a.base == BASE_OF_REG + RBP && (i64)a.off < 0;
	if (op->mem.index != ZYDIS_REGISTER_NONE) {
		struct value index = use_reg(t, op->mem.index);
		bool stack = a.stack;
		if (index.base)
			a = computed(op->mem.scale, a, index);
		else
			a.off += index.off * op->mem.scale;
		a.stack = stack;
	}
	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS) {
		a.base = mix(a.base, op->mem.segment);
		a.stack = true; /* of this thread alone, as the stack is */
	}
	return a;
}

static struct cell *find_slot(struct turns *t, struct value addr)
{
	for (u32 i = 0; i < t->slot_cnt; i++)
		if (same(t->slots[i].addr, addr))
			return &t->slots[i].c;
	if (t->slot_cnt == SLOTS_MAX) {
		t->works = true;
		return &t->slots[0].c;
	}
	struct slot *s = &t->slots[t->slot_cnt++];
	s->addr = addr;
	s->c.v = s->c.before = held_at('s', addr, false);
	return &s->c;
}

static struct value load(struct turns *t, struct value addr)
{
	t->inputs = mix(t->inputs, sum_of(addr));
	if (addr.stack)
		return use(find_slot(t, addr));
	return held_at('m', addr, true);
}

static void store(struct turns *t, struct value addr, struct value v)
{
	t->inputs = mix(t->inputs, sum_of(addr));
	if (addr.stack)
		set(find_slot(t, addr), v);
	else
		t->works = true;
}

static struct value use_op(
	struct turns *t, const struct ct_turn_insn *i, const ZydisDecodedOperand *op)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return constant(op->imm.value.u);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return load(t, address_of(t, i, op));
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (op->reg.value == ZYDIS_REGISTER_RFLAGS)
			return t->flags;
		return use_reg(t, op->reg.value);
	default:
		return constant(0);
	}
}

static void set_op(struct turns *t, const struct ct_turn_insn *i, const ZydisDecodedOperand *op,
	struct value v)
{
	struct cell *c;

	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		store(t, address_of(t, i, op), v);
	} else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		c = find_reg(t, op->reg.value);
		if (c)
			set(c, v);
		else if (op->reg.value == ZYDIS_REGISTER_RFLAGS)
			t->flags = v;
	}
}

/* ---- instructions ---- */

static void push(struct turns *t, struct value v)
{
	struct value top = use(&t->regs[RSP]);

	top.off -= 8;
	set(&t->regs[RSP], top);
	store(t, top, v);
}

static struct value pop(struct turns *t)
{
	struct value top = use(&t->regs[RSP]), v = load(t, top);

	top.off += 8;
	set(&t->regs[RSP], top);
	return v;
}

/* A caller's frame, also where the loop began inside of the function that it called. */
static void pop_frame(struct turns *t)
{
	struct value v = pop(t);

	v.stack = true;
	set(&t->regs[RBP], v);
}

static void add(struct turns *t, const struct ct_turn_insn *i, bool minus)
{
	struct value a = use_op(t, i, &i->ops[0]), b, sum;

	if (i->insn.mnemonic == ZYDIS_MNEMONIC_INC || i->insn.mnemonic == ZYDIS_MNEMONIC_DEC)
		b = constant(1);
	else
		b = use_op(t, i, &i->ops[1]);
	sum = computed(minus ? '-' : '+', a, b);
	t->flags = sum;
	if (!b.base) {
		sum = a;
		sum.off += minus ? -b.off : b.off;
	} else if (!a.base && !minus) {
		sum = b;
		sum.off += a.off;
	}
	set_op(t, i, &i->ops[0], sum);
}

/* A swap, or one on a condition: of a lock's word that is held, it changes nothing. */
static bool swap(struct turns *t, const struct ct_turn_insn *i)
{
	const ZydisDecodedOperand *mem = &i->ops[0], *other = &i->ops[1];
	bool compare = i->insn.mnemonic == ZYDIS_MNEMONIC_CMPXCHG;

	if (mem->type != ZYDIS_OPERAND_TYPE_MEMORY && !compare) {
		mem = &i->ops[1];
		other = &i->ops[0];
	}
	if (mem->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	struct value addr = address_of(t, i, mem), given = use_op(t, i, other);
	if (addr.stack)
		return false;
	struct value old = load(t, addr);
	t->inputs = mix(t->inputs, sum_of(given));
	/* one more than it was, or the like, is an update */
	t->works |= given.loaded || given.made || (given.base && given.off);
	if (compare) {
		t->flags = computed('c', old, use(&t->regs[RAX]));
		set(&t->regs[RAX], old);
	} else if (i->insn.mnemonic == ZYDIS_MNEMONIC_XCHG) {
		set_op(t, i, other, old);
	} else {
		t->flags = computed('b', old, given);
	}
	return true;
}

static bool is_counted(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
	case ZYDIS_REGCLASS_FLAGS:
	case ZYDIS_REGCLASS_IP:
		return true;
	default:
		return false;
	}
}

static bool is_product(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_MUL || m == ZYDIS_MNEMONIC_IMUL || m == ZYDIS_MNEMONIC_DIV ||
	       m == ZYDIS_MNEMONIC_IDIV;
}

/* All that is written comes from all that is read. */
static void compute(struct turns *t, const struct ct_turn_insn *i)
{
	struct value v = { .base = mix('i', i->insn.mnemonic) };

	for (u32 k = 0; k < i->insn.operand_count; k++) {
		const ZydisDecodedOperand *op = &i->ops[k];
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && !is_counted(op->reg.value))
			t->works = true; /* floating point, vectors, the machine's state */
		if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ||
			(op->actions & (ZYDIS_OPERAND_ACTION_MASK_READ |
					       ZYDIS_OPERAND_ACTION_CONDWRITE)))
			v = computed(i->insn.mnemonic, v, use_op(t, i, op));
	}
	if (is_product(i->insn.mnemonic))
		t->inputs = mix(t->inputs, sum_of(v));
	for (u32 k = 0; k < i->insn.operand_count; k++)
		if (i->ops[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			set_op(t, i, &i->ops[k], v);
	if (i->insn.meta.category == ZYDIS_CATEGORY_STRINGOP)
		t->works = true;
}

static bool is_same_register(const struct ct_turn_insn *i)
{
	return i->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       i->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       i->ops[0].reg.value == i->ops[1].reg.value;
}

static bool adds_nothing(const struct ct_turn_insn *i)
{
	return i->ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !i->ops[1].imm.value.u;
}

/* Where control goes is known: it is the way round. */
static bool step_branch(struct turns *t, const struct ct_turn_insn *i, u32 nr)
{
	switch (i->insn.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		t->looks |= t->flags.loaded && same(t->flags, t->conditions[nr]);
		t->conditions[nr] = t->flags;
		return true;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return true;
	case ZYDIS_CATEGORY_CALL:
		push(t, constant(i->addr + i->insn.length));
		return true;
	case ZYDIS_CATEGORY_RET:
		(void)pop(t);
		return true;
	default:
		return false;
	}
}

/* False: no case of its own. */
static bool step_stack(struct turns *t, const struct ct_turn_insn *i)
{
	switch (i->insn.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		push(t, use_op(t, i, &i->ops[0]));
		return true;
	case ZYDIS_MNEMONIC_POP:
		if (find_reg(t, i->ops[0].reg.value) == &t->regs[RBP])
			pop_frame(t);
		else
			set_op(t, i, &i->ops[0], pop(t));
		return true;
	case ZYDIS_MNEMONIC_LEAVE:
		set(&t->regs[RSP], use(&t->regs[RBP]));
		t->regs[RSP].v.stack = true;
		pop_frame(t);
		return true;
	default:
		return false;
	}
}

static bool step_plain(struct turns *t, const struct ct_turn_insn *i)
{
	switch (i->insn.mnemonic) {
	case ZYDIS_MNEMONIC_PAUSE:
		t->pauses = true;
		return true;
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_LFENCE:
	case ZYDIS_MNEMONIC_MFENCE:
	case ZYDIS_MNEMONIC_SFENCE:
	case ZYDIS_MNEMONIC_CDQE:
		return true;
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		set_op(t, i, &i->ops[0], use_op(t, i, &i->ops[1]));
		return true;
	case ZYDIS_MNEMONIC_LEA:
		set_op(t, i, &i->ops[0], address_of(t, i, &i->ops[1]));
		return true;
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
		t->flags = computed(i->insn.mnemonic, use_op(t, i, &i->ops[0]),
			use_op(t, i, &i->ops[1]));
		return true;
	default:
		return false;
	}
}

static bool step_arithmetic(struct turns *t, const struct ct_turn_insn *i)
{
	switch (i->insn.mnemonic) {
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_SUB:
		if (is_same_register(i)) {
			set_op(t, i, &i->ops[0], constant(0));
			t->flags = constant(0);
			return true;
		}
		if (i->insn.mnemonic == ZYDIS_MNEMONIC_XOR)
			return false;
		add(t, i, true);
		return true;
	case ZYDIS_MNEMONIC_DEC:
		add(t, i, true);
		return true;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_INC:
		add(t, i, false);
		return true;
	case ZYDIS_MNEMONIC_OR: /* `lock or $0, (%rsp)` is a fence */
		if (!adds_nothing(i))
			return false;
		add(t, i, false);
		return true;
	case ZYDIS_MNEMONIC_XCHG:
	case ZYDIS_MNEMONIC_CMPXCHG:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
		return swap(t, i);
	default:
		return false;
	}
}

/* ---- turns ---- */

static void begin_turn(struct turns *t)
{
	t->looks = false;
	t->inputs = 0;
	for (u32 i = 0; i < REGS; i++) {
		t->regs[i].before = t->regs[i].v;
		t->regs[i].written = t->regs[i].carried = false;
	}
	for (u32 i = 0; i < t->slot_cnt; i++) {
		t->slots[i].c.before = t->slots[i].c.v;
		t->slots[i].c.written = t->slots[i].c.carried = false;
	}
}

/* What goes on from turn to turn and changes: a counter, if the base stays.  Two are work. */
static void check_carried(struct turns *t, const struct cell *c, u64 *counter)
{
	if (!c->carried || same(c->v, c->before))
		return;
	if (c->v.base != c->before.base || (*counter != CT_NONE && *counter != c->v.base))
		t->works = true;
	*counter = c->v.base;
}

/* Where the outermost function of the loop has just branched, the least is in the air. */
static u32 find_head(const struct ct_turn_insn *way, u32 cnt)
{
	u32 head = 0, low = way[0].depth;

	for (u32 i = 0; i < cnt; i++)
		if (way[i].depth < low)
			low = way[i].depth;
	for (u32 i = 0; i < cnt; i++) {
		ZydisInstructionCategory c = way[i].insn.meta.category;
		if (way[i].depth == low &&
			(c == ZYDIS_CATEGORY_COND_BR || c == ZYDIS_CATEGORY_UNCOND_BR))
			head = (i + 1) % cnt;
	}
	return head;
}

static u64 go_round(struct turns *t, const struct ct_turn_insn *way, u32 cnt, u32 head)
{
	begin_turn(t);
	for (u32 k = 0; k < cnt && !t->works; k++) {
		const struct ct_turn_insn *i = &way[(head + k) % cnt];
		if (!step_branch(t, i, k) && !step_stack(t, i) && !step_plain(t, i) &&
			!step_arithmetic(t, i))
			compute(t, i);
	}
	return t->inputs;
}

enum ct_turns ct_turns__judge(const struct ct_turn_insn *way, u32 cnt)
{
	struct turns *t = ct_alloc(sizeof(*t));
	u32 head = find_head(way, cnt);
	u64 before = 0, inputs = 0, counter = CT_NONE;

	for (u32 i = 0; i < REGS; i++)
		t->regs[i].v = (struct value){ .base = BASE_OF_REG + i, .stack = i == RSP };
	for (u32 turn = 0; turn < TURNS; turn++) {
		before = inputs;
		inputs = go_round(t, way, cnt, head);
	}
	t->works |= inputs != before;
	for (u32 i = 0; i < REGS; i++)
		check_carried(t, &t->regs[i], &counter);
	for (u32 i = 0; i < t->slot_cnt; i++)
		check_carried(t, &t->slots[i].c, &counter);
	enum ct_turns found = t->works ? CT_TURNS_WORK :
		t->looks || t->pauses  ? CT_TURNS_LOOK :
					 CT_TURNS_IDLE;
	free(t);
	return found;
}

#endif
