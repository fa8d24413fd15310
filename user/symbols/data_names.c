/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a data address is: a global of a mapped file, a thread's stack, the heap; and which C
 * library a process uses. Globals are found through the executable mapping of their file: the
 * distance between where a file's code lies and where its headers put it is that of its data too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "symbols/symbols_int.h"

#define BELOW_SP 8192	       /* a thread may use that much more before it blocks again */
#define HEAP_REACH (64ull << 30) /* the break heap is that near after the main program's data */

void ct_areas__init(struct ct_areas *a)
{
	a->stack_by = ct_table__new();
}

void ct_areas__clear(struct ct_areas *a)
{
	ct_vec_free(&a->stacks);
	ct_vec_free(&a->scanned);
	ct_table__free(a->stack_by);
}

void ct_areas__see_stack(struct ct_areas *a, const struct ct_snapshot *snap)
{
	u64 lo = snap->sp > BELOW_SP ? snap->sp - BELOW_SP : 0;
	u64 hi = snap->top > snap->sp ? snap->top : snap->sp + snap->len;
	u32 idx = ct_table__get(a->stack_by, snap->tgid, snap->tid);
	if (idx == CT_NONE) {
		idx = a->stacks.cnt;
		*ct_vec_push(&a->stacks) = (struct ct_area){ lo, hi, snap->tgid, CT_ADDR_STACK,
			snap->tid, 0 };
		ct_table__set(a->stack_by, snap->tgid, snap->tid, idx);
		return;
	}
	struct ct_area *area = &a->stacks.at[idx];
	area->lo = lo < area->lo ? lo : area->lo;
	area->hi = hi > area->hi ? hi : area->hi;
}

/* ---- scanning a live process ---- */

struct maps_line {
	unsigned long long start, end, pgoff, ino;
	char perms[5];
	const char *path;
};

static bool read_maps_line(char *line, struct maps_line *m)
{
	int at = 0;
	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%llx-%llx %4s %llx %*s %llu %n", &m->start, &m->end, m->perms, &m->pgoff,
		    &m->ino, &at) < 5 ||
		!at || m->end <= m->start)
		return false;
	m->path = line + at;
	return true;
}

static void see_data(struct ct_symbolizer *s, u32 tgid, const struct maps_line *m)
{
	u32 kind;
	if (m->perms[1] != 'w')
		return;
	if (m->perms[3] == 's')
		kind = CT_ADDR_SHARED;
	else if (!strcmp(m->path, "[stack]"))
		kind = CT_ADDR_STACK;
	else if (!m->path[0] || !strcmp(m->path, "[heap]") || !strncmp(m->path, "[anon", 5))
		kind = CT_ADDR_HEAP;
	else
		return;
	*ct_vec_push(&s->areas.scanned) = (struct ct_area){
		.lo = m->start,
		.hi = m->end,
		.tgid = tgid,
		.kind = kind,
		.tid = kind == CT_ADDR_STACK ? tgid : 0,
		.path = kind == CT_ADDR_SHARED ? ct_strtab__add(s->files.paths, m->path) : 0,
	};
}

int ct_symbolizer__scan(struct ct_symbolizer *s, ct_ns ts, u32 tgid)
{
	char name[32];
	char *line = NULL;
	size_t size = 0;
	struct maps_line m;
	snprintf(name, sizeof(name), "/proc/%u/maps", tgid);
	FILE *in = fopen(name, "re");
	if (!in)
		return -errno;
	while (getline(&line, &size, in) > 0) {
		if (!read_maps_line(line, &m))
			continue;
		if (m.perms[2] == 'x')
			ct_symbolizer__map(s, ts, tgid, m.start, m.end - m.start, m.pgoff, m.path,
				m.ino);
		else
			see_data(s, tgid, &m);
	}
	int err = ferror(in) ? -EIO : 0;
	free(line);
	fclose(in);
	return err;
}

/* ---- naming an address ---- */

struct search {
	struct ct_symbolizer *s;
	struct ct_names *names;
	struct ct_addr_name *out;
	u64 addr;
	u64 lowest;	/* where the lowest file of the process begins */
	u64 lowest_end; /* and where its data ends */
};

static u64 image_end(const struct ct_elf *f)
{
	u64 end = 0;
	for (u32 i = 0; i < f->segs.cnt; i++)
		if (f->segs.at[i].vaddr + f->segs.at[i].memsz > end)
			end = f->segs.at[i].vaddr + f->segs.at[i].memsz;
	return end;
}

static void name_global(struct search *q, struct ct_elf *f, u64 vaddr)
{
	const struct ct_sym *sym = ct_elf__object(f, vaddr);
	char *plain = sym ? ct_elf__plain_name(f, sym->name) : NULL;
	char *text = plain ? ct_demangle(plain) : NULL, *member = NULL;

	q->out->kind = CT_ADDR_GLOBAL;
	q->out->offset = sym ? vaddr - sym->addr : vaddr;
	q->out->module = ct_strtab__add(q->names->strings, f->path);
	if (!f->libc)
		member = ct_elf__member_at(
			f, vaddr, text, sym ? sym->addr : 0, &q->out->offset);
	if (member || text)
		q->out->symbol = ct_strtab__add(q->names->strings, member ? member : text);
	free(member);
	free(text);
	free(plain);
}

static bool try_mapping(void *arg, const struct ct_mapping *m)
{
	struct search *q = arg;
	if (m->file == CT_NONE)
		return false;
	struct ct_elf *f = q->s->files.at.at[m->file];
	u64 bias = m->addr - ct_files__vaddr(&q->s->files, m, m->addr);
	if (!f->elf || f->image)
		return false;
	if (m->addr < q->lowest) {
		q->lowest = m->addr;
		q->lowest_end = image_end(f) + bias;
	}
	if (!ct_elf__in_segment(f, q->addr - bias, false))
		return false;
	name_global(q, f, q->addr - bias);
	return true;
}

/* The one seen last, where threads took turns on the same memory. */
static const struct ct_area *find_area(const struct ct_area *at, u32 cnt, u32 tgid, u64 addr)
{
	for (u32 i = cnt; i-- > 0;)
		if (at[i].tgid == tgid && addr >= at[i].lo && addr < at[i].hi)
			return &at[i];
	return NULL;
}

static bool name_area(struct search *q, u32 tgid)
{
	const struct ct_areas *a = &q->s->areas;
	const struct ct_area *found = find_area(a->stacks.at, a->stacks.cnt, tgid, q->addr);
	if (!found)
		found = find_area(a->scanned.at, a->scanned.cnt, tgid, q->addr);
	if (!found)
		return false;
	q->out->kind = found->kind;
	q->out->thread = found->tid;
	if (found->path)
		q->out->module = ct_strtab__add(q->names->strings,
			ct_strtab__get(q->s->files.paths, found->path));
	return true;
}

void ct_symbolizer__address(struct ct_symbolizer *s, struct ct_names *names, u32 tgid, u64 addr,
	struct ct_addr_name *out)
{
	struct search q = { s, names, out, addr, UINT64_MAX, 0 };
	*out = (struct ct_addr_name){ .tgid = tgid, .addr = addr, .kind = CT_ADDR_UNKNOWN };
	if (ct_maps__each(s->maps, tgid, try_mapping, &q) || name_area(&q, tgid))
		return;
	/* The main program lies lowest, and the heap that grows by brk(2) follows it. */
	if (q.lowest_end && addr >= q.lowest_end && addr - q.lowest_end < HEAP_REACH)
		out->kind = CT_ADDR_HEAP;
}

/* ---- the C library ---- */

struct libc_search {
	struct ct_symbolizer *s;
	const char *found;
};

static bool begins(const char *s, const char *head)
{
	return !strncmp(s, head, strlen(head));
}

static bool take_libc(void *arg, const struct ct_mapping *m)
{
	struct libc_search *q = arg;
	if (m->file == CT_NONE)
		return false;
	const char *path = q->s->files.at.at[m->file]->path;
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	if (begins(base, "ld-musl") || begins(base, "libc.musl"))
		q->found = "musl";
	else if (begins(base, "libc.so.6") || begins(base, "libc-2.") || begins(base, "ld-linux"))
		q->found = "glibc";
	return q->found;
}

/* glibc's start-up code brings a note of the oldest kernel; musl's does not. */
static bool take_static_libc(void *arg, const struct ct_mapping *m)
{
	struct libc_search *q = arg;
	GElf_Shdr shdr;
	if (m->file == CT_NONE)
		return false;
	struct ct_elf *f = q->s->files.at.at[m->file];
	ct_elf__load(f);
	if (!f->elf || f->image)
		return false;
	if (ct_elf__has_symbol(f, "__libc_setup_tls") ||
		ct_elf_section(f->elf, ".note.ABI-tag", &shdr))
		q->found = "glibc";
	else if (ct_elf__has_symbol(f, "__init_libc") ||
		 ct_elf__has_symbol(f, "libc_start_main_stage2"))
		q->found = "musl";
	return q->found;
}

const char *ct_symbolizer__libc(struct ct_symbolizer *s, u32 tgid)
{
	struct libc_search q = { s, NULL };
	if (!ct_maps__each(s->maps, tgid, take_libc, &q))
		ct_maps__each(s->maps, tgid, take_static_libc, &q);
	return q.found ? q.found : "";
}
