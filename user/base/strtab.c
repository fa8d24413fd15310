/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interned strings: the same text always has the same id, ids count up from 0 in order of first
 * appearance, id 0 is "".  add is O(length) expected, get is O(1).  The texts lie in blocks that
 * never move, so a pointer from get stays good until the table is freed.
 */
#include <string.h>

#include "ct_base.h"

#define BLOCK_SIZE (64u << 10)
#define FIRST_SLOTS 64u

struct block {
	struct block *next;
	size_t used, size;
	char text[];
};

struct entry {
	const char *text;
	u64 hash;
};

struct ct_strtab {
	struct block *blocks; /* newest first; only the newest has room */
	CT_VEC(struct entry) entries;
	u32 *slots; /* entry index + 1; 0: free */
	u32 mask;
};

/* FNV-1a, 64 bits, folded once more because the low bits pick the slot. */
static u64 hash_text(const char *s, size_t *len)
{
	u64 h = 0xcbf29ce484222325ull;
	const char *p = s;
	for (; *p; p++)
		h = (h ^ (u8)*p) * 0x100000001b3ull;
	*len = (size_t)(p - s);
	return h ^ (h >> 32);
}

static const char *keep_text(struct ct_strtab *t, const char *s, size_t len)
{
	struct block *b = t->blocks;
	if (!b || b->size - b->used <= len) {
		size_t size = len + 1 > BLOCK_SIZE ? len + 1 : BLOCK_SIZE;
		b = ct_realloc(NULL, sizeof(*b) + size);
		*b = (struct block){ .next = t->blocks, .size = size };
		t->blocks = b;
	}
	char *at = b->text + b->used;
	memcpy(at, s, len + 1);
	b->used += len + 1;
	return at;
}

static u32 *find_slot(const struct ct_strtab *t, const char *s, u64 hash)
{
	for (u32 i = (u32)hash & t->mask;; i = (i + 1) & t->mask) {
		u32 *slot = &t->slots[i];
		if (!*slot)
			return slot;
		const struct entry *e = &t->entries.at[*slot - 1];
		if (e->hash == hash && !strcmp(e->text, s))
			return slot;
	}
}

static void double_slots(struct ct_strtab *t)
{
	u32 cnt = (t->mask + 1) * 2;
	free(t->slots);
	t->slots = ct_alloc((size_t)cnt * sizeof(*t->slots));
	t->mask = cnt - 1;
	for (u32 id = 0; id < t->entries.cnt; id++)
		*find_slot(t, t->entries.at[id].text, t->entries.at[id].hash) = id + 1;
}

struct ct_strtab *ct_strtab__new(void)
{
	struct ct_strtab *t = ct_alloc(sizeof(*t));
	t->slots = ct_alloc(FIRST_SLOTS * sizeof(*t->slots));
	t->mask = FIRST_SLOTS - 1;
	ct_strtab__add(t, "");
	return t;
}

void ct_strtab__free(struct ct_strtab *t)
{
	if (!t)
		return;
	while (t->blocks) {
		struct block *next = t->blocks->next;
		free(t->blocks);
		t->blocks = next;
	}
	ct_vec_free(&t->entries);
	free(t->slots);
	free(t);
}

u32 ct_strtab__add(struct ct_strtab *t, const char *s)
{
	size_t len;
	u64 hash = hash_text(s, &len);
	u32 *slot = find_slot(t, s, hash);
	if (*slot)
		return *slot - 1;
	if ((u64)(t->entries.cnt + 1) * 3 > (u64)(t->mask + 1) * 2) {
		double_slots(t);
		slot = find_slot(t, s, hash);
	}
	*ct_vec_push(&t->entries) = (struct entry){ keep_text(t, s, len), hash };
	*slot = t->entries.cnt;
	return t->entries.cnt - 1;
}

const char *ct_strtab__get(const struct ct_strtab *t, u32 id)
{
	return id < t->entries.cnt ? t->entries.at[id].text : "";
}

u32 ct_strtab__count(const struct ct_strtab *t)
{
	return t->entries.cnt;
}
