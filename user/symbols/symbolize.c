/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbolizer's public face: takes mappings and snapshots while recording, gives names at the
 * end.
 *
 *     snapshot --unwind--> pcs --addr_map--> places --ELF, DWARF--> frames
 *                          \___ a trace: its places, kept once for all equal stacks ___/
 *
 * A snapshot weighs up to 16 KiB, a trace some dozen bytes: when too many snapshots wait, the
 * oldest half is unwound (which reads .eh_frame, not DWARF). Names are made by resolve alone, in
 * the order of stack ids, so that the same recording gives the same ids whenever snapshots were
 * unwound.
 */
#include <string.h>
#include "symbols/symbols_int.h"

#define TRACE_EXACT 0x80000000u /* of an item of trace_places: no call led out of this place */
#define PROGRESS_STEP 64
#define JUDGED_MAX (1u << 15) /* different stacks whose loops are looked for */

/* ---- life ---- */

struct ct_symbolizer *ct_symbolizer__new(void)
{
	struct ct_symbolizer *s = ct_alloc(sizeof(*s));
	s->maps = ct_maps__new();
	s->unwinder = ct_unwinder__new();
	s->trace_by = ct_table__new();
	ct_files__init(&s->files);
	ct_areas__init(&s->areas);
	ct_places__init(&s->places, &s->files);
	ct_symbolizer__set_debug_root(s, "/usr/lib/debug");
	return s;
}

void ct_symbolizer__set_debug_root(struct ct_symbolizer *s, const char *root)
{
	free(s->debug_root);
	s->debug_root = ct_strdup(root);
	s->files.debug_root = s->debug_root;
}

void ct_symbolizer__free(struct ct_symbolizer *s)
{
	if (!s)
		return;
	for (u32 i = 0; i < s->pending.cnt; i++)
		free((void *)s->pending.at[i].bytes);
	ct_vec_free(&s->pending);
	ct_unwinder__free(s->unwinder); /* before the files: its rows belong to their CFI */
	ct_places__clear(&s->places);
	ct_areas__clear(&s->areas);
	ct_maps__free(s->maps);
	ct_files__clear(&s->files);
	ct_vec_free(&s->trace_places);
	ct_vec_free(&s->traces);
	ct_vec_free(&s->stack_trace);
	ct_table__free(s->trace_by);
	free(s->debug_root);
	free(s);
}

/* ---- mappings ---- */

void ct_symbolizer__map(struct ct_symbolizer *s, ct_ns ts, u32 tgid, u64 addr, u64 len, u64 pgoff,
	const char *path, u64 ino)
{
	struct ct_mapping m = { .addr = addr, .len = len, .pgoff = pgoff, .ts = ts };
	m.file = ct_files__get(&s->files, tgid, addr, len, path, ino);
	ct_maps__map(s->maps, tgid, &m);
}

void ct_symbolizer__exec(struct ct_symbolizer *s, ct_ns ts, u32 tgid)
{
	ct_maps__exec(s->maps, ts, tgid);
}

void ct_symbolizer__fork(struct ct_symbolizer *s, ct_ns ts, u32 parent_tgid, u32 child_tgid)
{
	ct_maps__fork(s->maps, ts, parent_tgid, child_tgid);
}

/* ---- snapshot -> trace ---- */

struct locating {
	struct ct_symbolizer *s;
	u32 tgid;
	ct_ns ts;
};

static bool locate(void *arg, u64 addr, struct ct_unwind_where *where)
{
	const struct locating *l = arg;
	const struct ct_mapping *m = ct_maps__find(l->s->maps, l->tgid, l->ts, addr);
	if (!m)
		return false;
	*where = (struct ct_unwind_where){ .file = m->file, .vaddr = addr };
	if (m->file == CT_NONE)
		return true;
	where->vaddr = ct_files__vaddr(&l->s->files, m, addr);
	where->elf = l->s->files.at.at[m->file];
	return true;
}

/* A 32-bit program's stack has another shape; its vdso is not ours. */
static bool is_narrow(struct locating *l, u64 ip)
{
	struct ct_unwind_where where;
	if (!locate(l, ip, &where) || !where.elf)
		return false;
	return where.elf->image ? ip <= UINT32_MAX : where.elf->elf && !where.elf->wide;
}

static u32 find_place(struct locating *l, const struct ct_pc *pc)
{
	struct ct_unwind_where where;
	u64 addr = pc->exact ? pc->pc : pc->pc - 1;
	if (!locate(l, addr, &where))
		return ct_places__get(&l->s->places, CT_FILE_NOWHERE, addr, false);
	return ct_places__get(&l->s->places, where.file, where.vaddr, false);
}

static u64 hash_items(const u32 *items, u32 cnt)
{
	u64 h = cnt;
	for (u32 i = 0; i < cnt; i++) {
		h = (h ^ items[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h;
}

static bool is_trace(const struct ct_symbolizer *s, u32 idx, const u32 *items, u32 cnt)
{
	const struct ct_trace *t = &s->traces.at[idx];
	return t->cnt == cnt &&
		!memcmp(s->trace_places.at + t->first, items, cnt * sizeof(*items));
}

static u32 intern_trace(struct ct_symbolizer *s, const u32 *items, u32 cnt)
{
	u64 hash = hash_items(items, cnt);
	u64 probe = 0;
	u32 idx;
	while ((idx = ct_table__get(s->trace_by, hash, probe)) != CT_NONE) {
		if (is_trace(s, idx, items, cnt))
			return idx;
		probe++;
	}
	idx = s->traces.cnt;
	*ct_vec_push(&s->traces) = (struct ct_trace){
		.first = s->trace_places.cnt, .cnt = cnt };
	for (u32 i = 0; i < cnt; i++)
		*ct_vec_push(&s->trace_places) = items[i];
	ct_table__set(s->trace_by, hash, probe, idx);
	return idx;
}

static void unwind_snapshot(struct ct_symbolizer *s, const struct ct_snapshot *snap)
{
	struct ct_pc pcs[CT_FRAMES_MAX];
	u32 items[CT_FRAMES_MAX];
	struct locating l = { s, snap->tgid, snap->ts };
	u32 cnt = ct_unwinder__run(s->unwinder, snap, is_narrow(&l, snap->ip), locate, &l, pcs);
	if (cnt && snap->after)
		pcs[0].exact = false; /* named by the instruction that ends here */
	for (u32 i = 0; i < cnt; i++)
		items[i] = find_place(&l, &pcs[i]) | (pcs[i].exact ? TRACE_EXACT : 0);
	s->stack_trace.at[snap->id] = intern_trace(s, items, cnt) + 1;
}

/* Unwinds the oldest until no more than `keep` bytes wait. */
static void unwind_pending(struct ct_symbolizer *s, size_t keep,
	void (*progress)(void *arg, u32 done, u32 all), void *arg)
{
	u32 done = 0;
	u32 all = s->pending.cnt;
	while (done < all && s->pending_bytes > keep) {
		struct ct_snapshot *snap = &s->pending.at[done++];
		unwind_snapshot(s, snap);
		s->pending_bytes -= sizeof(*snap) + snap->len;
		free((void *)snap->bytes);
		if (progress && done % PROGRESS_STEP == 0)
			progress(arg, done, all);
	}
	if (done < all)
		memmove(s->pending.at, s->pending.at + done, (all - done) * sizeof(*s->pending.at));
	s->pending.cnt = all - done;
}

void ct_symbolizer__stack(struct ct_symbolizer *s, const struct ct_snapshot *snap)
{
	if (!snap->id || snap->id > CT_STACK_ID_MAX)
		return;
	while (s->stack_trace.cnt <= snap->id)
		*ct_vec_push(&s->stack_trace) = 0;
	if (s->stack_trace.at[snap->id])
		return;
	s->stack_trace.at[snap->id] = CT_NONE; /* taken */
	ct_areas__see_stack(&s->areas, snap);
	struct ct_snapshot *kept = ct_vec_push(&s->pending);
	*kept = *snap;
	void *bytes = ct_alloc(snap->len ? snap->len : 1);
	if (snap->len)
		memcpy(bytes, snap->bytes, snap->len);
	kept->bytes = bytes;
	s->pending_bytes += sizeof(*kept) + snap->len;
	if (s->pending_bytes > CT_SYMBOLIZER_PENDING)
		unwind_pending(s, CT_SYMBOLIZER_PENDING / 2, NULL, NULL);
}

void ct_symbolizer__hurry(struct ct_symbolizer *s)
{
	s->places.hurry = true;
}

void ct_symbolizer__keep(struct ct_symbolizer *s, const u32 *ids, u32 cnt)
{
	bool *kept = ct_alloc(s->stack_trace.cnt + 1);
	u32 left = 0;
	for (u32 i = 0; i < cnt; i++) {
		if (ids[i] < s->stack_trace.cnt)
			kept[ids[i]] = true;
	}
	for (u32 id = 0; id < s->stack_trace.cnt; id++) {
		if (!kept[id])
			s->stack_trace.at[id] = 0;
	}
	for (u32 i = 0; i < s->pending.cnt; i++) {
		struct ct_snapshot *snap = &s->pending.at[i];
		if (kept[snap->id]) {
			s->pending.at[left++] = *snap;
			continue;
		}
		s->pending_bytes -= sizeof(*snap) + snap->len;
		free((void *)snap->bytes);
	}
	s->pending.cnt = left;
	free(kept);
}

/* ---- trace -> names ---- */

static void add_place(struct ct_symbolizer *s, struct ct_names *names, u32 place)
{
	const struct ct_place *p = ct_places__name(&s->places, names, place);
	for (u32 i = 0; i < p->cnt; i++)
		*ct_vec_push(&names->stack_frames) = p->first + i;
}

static bool read_code(void *arg, u64 addr, void *to, u32 n)
{
	return ct_elf__read(arg, addr, to, n);
}

/* Whether the thread was seen where its code only looks; whose samples count is a matter of the
 * analysis. Behind a system call, as most stacks are, there is nothing to be judged. */
static void judge_loop(struct ct_symbolizer *s, struct ct_trace *t)
{
	u64 at[CT_LOOP_LEVELS];
	u8 call[2];
	u32 cnt = 0, file = CT_NONE;

	if (t->judged || !t->cnt || s->judged >= JUDGED_MAX)
		return;
	t->judged = true;
	for (; cnt < t->cnt && cnt < CT_LOOP_LEVELS; cnt++) {
		u32 item = s->trace_places.at[t->first + cnt];
		const struct ct_place *p = &s->places.at.at[item & ~TRACE_EXACT];
		if (!cnt)
			file = p->file;
		if (!(item & TRACE_EXACT) != (cnt > 0) || p->file != file)
			break;
		at[cnt] = p->addr + (cnt > 0);
	}
	if (!cnt || file >= s->files.at.cnt)
		return;
	struct ct_elf *f = s->files.at.at[file];
	ct_elf__load(f);
	if (f->image || !f->native || !f->wide)
		return;
	if (ct_elf__read(f, at[0] - 2, call, 2) && !memcmp(call, "\x0f\x05", 2))
		return;
	s->judged++;
	t->loop = ct_loop__judge(&(struct ct_code){ read_code, f }, at, cnt, &t->level);
}

static void add_loop(struct ct_symbolizer *s, struct ct_names *names, u32 frame,
	const struct ct_trace *t)
{
	struct ct_stack_loop loop = { .loop = t->loop, .frame = frame };

	if (t->loop == CT_LOOP_UNKNOWN)
		return;
	while (names->loops.cnt + 1 < names->stack_start.cnt)
		(void)ct_vec_push(&names->loops);
	*ct_vec_push(&names->loops) = loop;
}

static void add_trace(struct ct_symbolizer *s, struct ct_names *names, struct ct_trace *t)
{
	u32 start = names->stack_frames.cnt, frame = 0;

	judge_loop(s, t);
	for (u32 i = 0; i < t->cnt; i++) {
		u32 item = s->trace_places.at[t->first + i];
		u32 place = item & ~TRACE_EXACT;
		if (i && !(item & TRACE_EXACT)) {
			u32 callee = s->trace_places.at[t->first + i - 1] & ~TRACE_EXACT;
			u32 cnt;
			const u32 *jumped = ct_places__between(&s->places, place, callee, &cnt);
			for (u32 k = 0; k < cnt; k++)
				add_place(s, names, jumped[k]);
		}
		if (i == t->level)
			frame = names->stack_frames.cnt - start;
		add_place(s, names, place);
	}
	add_loop(s, names, frame, t);
}

void ct_symbolizer__resolve(struct ct_symbolizer *s, struct ct_names *names,
	void (*progress)(void *arg, u32 done, u32 all), void *arg)
{
	u32 all = s->stack_trace.cnt;
	unwind_pending(s, 0, progress, arg);
	if (!names->frames.cnt)
		(void)ct_vec_push(&names->frames);
	for (u32 i = 0; i < s->places.at.cnt; i++)
		s->places.at.at[i].named = false; /* the ids of another `names` */
	names->stack_frames.cnt = names->stack_start.cnt = names->loops.cnt = 0;
	for (u32 id = 0; id < all; id++) {
		*ct_vec_push(&names->stack_start) = names->stack_frames.cnt;
		if (s->stack_trace.at[id])
			add_trace(s, names, &s->traces.at[s->stack_trace.at[id] - 1]);
		if (progress && id % PROGRESS_STEP == 0)
			progress(arg, id, all);
	}
	*ct_vec_push(&names->stack_start) = names->stack_frames.cnt;
	if (progress)
		progress(arg, all, all);
}
