/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash map from a pair of u64 to a u32: open addressing with linear probing, at most two thirds
 * full, doubled when fuller.  get and set are O(1) expected.  There is no removal and no iteration:
 * whoever wants an order keeps an array and stores indexes into it here, so that nothing that is
 * printed depends on hashing.  The hash is fixed (no seed): same input, same table.
 */
#include "ct_base.h"

#define FIRST_SLOTS 16u

struct slot {
	u64 a, b;
	u32 value;
	u32 used;
};

struct ct_table {
	struct slot *slots;
	u32 mask; /* slots - 1, slots a power of two */
	u32 cnt;
};

/* Addresses and tids differ in few bits, and linear probing punishes a hash that keeps them
 * together: multiply, fold, multiply. */
static u32 hash_pair(u64 a, u64 b)
{
	u64 h = (a ^ (b * 0x9e3779b97f4a7c15ull) ^ (b >> 32)) * 0xbf58476d1ce4e5b9ull;
	h ^= h >> 31;
	h *= 0x94d049bb133111ebull;
	return (u32)(h >> 32);
}

static struct slot *find_slot(const struct ct_table *t, u64 a, u64 b)
{
	for (u32 i = hash_pair(a, b) & t->mask;; i = (i + 1) & t->mask) {
		struct slot *s = &t->slots[i];
		if (!s->used || (s->a == a && s->b == b))
			return s;
	}
}

static void double_table(struct ct_table *t)
{
	struct slot *old = t->slots;
	u32 old_cnt = t->mask + 1;
	t->slots = ct_alloc((size_t)old_cnt * 2 * sizeof(*old));
	t->mask = old_cnt * 2 - 1;
	for (u32 i = 0; i < old_cnt; i++)
		if (old[i].used)
			*find_slot(t, old[i].a, old[i].b) = old[i];
	free(old);
}

struct ct_table *ct_table__new(void)
{
	struct ct_table *t = ct_alloc(sizeof(*t));
	t->slots = ct_alloc(FIRST_SLOTS * sizeof(*t->slots));
	t->mask = FIRST_SLOTS - 1;
	return t;
}

void ct_table__free(struct ct_table *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

u32 ct_table__get(const struct ct_table *t, u64 a, u64 b)
{
	const struct slot *s = find_slot(t, a, b);
	return s->used ? s->value : CT_NONE;
}

void ct_table__set(struct ct_table *t, u64 a, u64 b, u32 value)
{
	struct slot *s = find_slot(t, a, b);
	if (!s->used) {
		if ((u64)(t->cnt + 1) * 3 > (u64)(t->mask + 1) * 2) {
			double_table(t);
			s = find_slot(t, a, b);
		}
		t->cnt++;
	}
	*s = (struct slot){ .a = a, .b = b, .value = value, .used = 1 };
}
