/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lay where: the mappings of every process over time.
 *
 * map, exec and fork only append to a log; they may come in any order (each CPU reports its own).
 * The first find after that sorts the log by time and plays it: one space for each program that a
 * process ran, which begins at an exec, or at a fork with its parent's mappings behind it.  Playing
 * costs O(n log n), a find O(log n) in each space looked at.
 */
#include "symbols/symbols_int.h"

#define ANCESTORS_MAX 4096 /* forks, and programs of one process, looked through */

/* The kernel reports a new program's mappings shortly before it reports the exec itself. */
#define EXEC_LEAD_NS 1000000000ull

enum op_kind { OP_MAP, OP_EXEC, OP_FORK };
struct op {
	ct_ns ts;
	u32 seq; /* order of arrival: breaks ties */
	u32 kind;
	u32 tgid;
	u32 parent; /* OP_FORK */
	struct ct_mapping mapping; /* OP_MAP */
};
struct held {
	struct ct_mapping m;
	u64 max_end; /* largest end of this and all before it */
};
struct space {
	ct_ns start;
	u32 before;	/* the program that this process ran before; CT_NONE: none */
	u32 parent;	/* the space it was forked from; CT_NONE: none */
	CT_VEC(struct held) maps; /* by address, when settled */
};
struct ct_maps {
	CT_VEC(struct op) ops;
	bool settled;
	CT_VEC(struct space) spaces;
	struct ct_table *newest; /* tgid -> its last space */
};

struct ct_maps *ct_maps__new(void)
{
	struct ct_maps *m = ct_alloc(sizeof(*m));
	m->newest = ct_table__new();
	return m;
}

static void drop_spaces(struct ct_maps *m)
{
	for (u32 i = 0; i < m->spaces.cnt; i++)
		ct_vec_free(&m->spaces.at[i].maps);
	ct_vec_free(&m->spaces);
	ct_table__free(m->newest);
}

void ct_maps__free(struct ct_maps *m)
{
	if (!m)
		return;
	drop_spaces(m);
	ct_vec_free(&m->ops);
	free(m);
}

/* ---- the log ---- */

static struct op *add_op(struct ct_maps *m, ct_ns ts, enum op_kind kind, u32 tgid)
{
	u32 seq = m->ops.cnt;
	struct op *op = ct_vec_push(&m->ops);
	*op = (struct op){ .ts = ts, .seq = seq, .kind = kind, .tgid = tgid };
	m->settled = false;
	return op;
}

void ct_maps__map(struct ct_maps *m, u32 tgid, const struct ct_mapping *mapping)
{
	if (!mapping->len || mapping->addr + mapping->len < mapping->addr)
		return;
	struct op *op = add_op(m, mapping->ts, OP_MAP, tgid);
	op->mapping = *mapping;
	op->mapping.seq = op->seq;
}

void ct_maps__exec(struct ct_maps *m, ct_ns ts, u32 tgid)
{
	add_op(m, ts, OP_EXEC, tgid);
}

void ct_maps__fork(struct ct_maps *m, ct_ns ts, u32 parent, u32 child)
{
	add_op(m, ts, OP_FORK, child)->parent = parent;
}

/* ---- playing it ---- */

static int compare_ops(const void *a, const void *b)
{
	const struct op *x = a;
	const struct op *y = b;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static u32 add_space(struct ct_maps *m, u32 tgid, ct_ns start)
{
	u32 idx = m->spaces.cnt;
	*ct_vec_push(&m->spaces) = (struct space){
		.start = start,
		.before = ct_table__get(m->newest, tgid, 0),
		.parent = CT_NONE,
	};
	ct_table__set(m->newest, tgid, 0, idx);
	return idx;
}

static void play_op(struct ct_maps *m, const struct op *op)
{
	u32 idx = ct_table__get(m->newest, op->tgid, 0);
	u32 parent = op->kind == OP_FORK ? ct_table__get(m->newest, op->parent, 0) : CT_NONE;
	if (op->kind == OP_MAP) {
		if (idx == CT_NONE)
			idx = add_space(m, op->tgid, 0);
		ct_vec_push(&m->spaces.at[idx].maps)->m = op->mapping;
		return;
	}
	if (op->kind == OP_FORK && op->parent == op->tgid)
		return;
	idx = add_space(m, op->tgid, op->ts);
	m->spaces.at[idx].parent = parent;
}

static int compare_held(const void *a, const void *b)
{
	const struct held *x = a;
	const struct held *y = b;
	if (x->m.addr != y->m.addr)
		return x->m.addr < y->m.addr ? -1 : 1;
	return (x->m.seq > y->m.seq) - (x->m.seq < y->m.seq);
}

static void sort_space(struct space *s)
{
	u64 end = 0;
	if (s->maps.cnt)
		qsort(s->maps.at, s->maps.cnt, sizeof(*s->maps.at), compare_held);
	for (u32 i = 0; i < s->maps.cnt; i++) {
		const struct ct_mapping *map = &s->maps.at[i].m;
		if (map->addr + map->len > end)
			end = map->addr + map->len;
		s->maps.at[i].max_end = end;
	}
}

static void settle(struct ct_maps *m)
{
	if (m->settled)
		return;
	m->settled = true;
	drop_spaces(m);
	m->newest = ct_table__new();
	if (m->ops.cnt)
		qsort(m->ops.at, m->ops.cnt, sizeof(*m->ops.at), compare_ops);
	for (u32 i = 0; i < m->ops.cnt; i++)
		play_op(m, &m->ops.at[i]);
	for (u32 i = 0; i < m->spaces.cnt; i++)
		sort_space(&m->spaces.at[i]);
}

/* ---- finding ---- */

/* Of two mappings that hold an address: the newest made by then; else the first made later, because
 * a mapping may be reported (or scanned) after the stack that stands in it. */
static bool is_better(const struct ct_mapping *a, const struct ct_mapping *than, ct_ns ts)
{
	bool past = a->ts <= ts;
	if (past != (than->ts <= ts))
		return past;
	if (a->ts != than->ts)
		return (a->ts > than->ts) == past;
	return a->seq > than->seq;
}

static const struct ct_mapping *find_in_space(const struct space *s, ct_ns ts, u64 addr)
{
	const struct ct_mapping *best = NULL;
	u32 low = 0;
	u32 cnt = s->maps.cnt;
	while (cnt) {
		u32 half = cnt / 2;
		if (s->maps.at[low + half].m.addr <= addr) {
			low += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	for (u32 i = low; i-- > 0 && s->maps.at[i].max_end > addr;) {
		const struct ct_mapping *map = &s->maps.at[i].m;
		if (addr - map->addr < map->len && (!best || is_better(map, best, ts)))
			best = map;
	}
	return best;
}

static const struct ct_mapping *find_inherited(const struct ct_maps *m, u32 idx, ct_ns ts, u64 addr)
{
	for (u32 hops = 0; idx != CT_NONE && hops < ANCESTORS_MAX; hops++) {
		const struct space *s = &m->spaces.at[idx];
		const struct ct_mapping *found = find_in_space(s, ts, addr);
		if (found)
			return found;
		if (s->start < ts)
			ts = s->start; /* what the parent mapped later is not the child's */
		idx = s->parent;
	}
	return NULL;
}

const struct ct_mapping *ct_maps__find(struct ct_maps *m, u32 tgid, ct_ns ts, u64 addr)
{
	settle(m);
	u32 idx = ct_table__get(m->newest, tgid, 0);
	for (u32 hops = 0; idx != CT_NONE && hops < ANCESTORS_MAX; hops++) {
		const struct space *s = &m->spaces.at[idx];
		if (s->start <= ts || s->before == CT_NONE)
			break;
		idx = s->before;
	}
	if (idx == CT_NONE)
		return NULL;
	const struct ct_mapping *found = find_inherited(m, idx, ts, addr);
	u32 before = m->spaces.at[idx].before;
	if (found || before == CT_NONE)
		return found;
	ct_ns start = m->spaces.at[idx].start;
	found = find_in_space(&m->spaces.at[before], start, addr);
	return found && found->ts <= start && found->ts + EXEC_LEAD_NS >= start ? found : NULL;
}

static bool each_in_space(const struct ct_maps *m, u32 idx,
	bool (*take)(void *arg, const struct ct_mapping *mapping), void *arg)
{
	for (u32 hops = 0; idx != CT_NONE && hops < ANCESTORS_MAX; hops++) {
		const struct space *s = &m->spaces.at[idx];
		for (u32 i = 0; i < s->maps.cnt; i++)
			if (take(arg, &s->maps.at[i].m))
				return true;
		idx = s->parent;
	}
	return false;
}

bool ct_maps__each(struct ct_maps *m, u32 tgid,
	bool (*take)(void *arg, const struct ct_mapping *mapping), void *arg)
{
	settle(m);
	u32 idx = ct_table__get(m->newest, tgid, 0);
	for (u32 hops = 0; idx != CT_NONE && hops < ANCESTORS_MAX; hops++) {
		if (each_in_space(m, idx, take, arg))
			return true;
		idx = m->spaces.at[idx].before;
	}
	return false;
}
