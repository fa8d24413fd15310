/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for addresses: unwinds stack snapshots with .eh_frame, names frames `function (file:line)`,
 * names globals.  Fed while recording (cheap: it only stores), works when recording has ended.  The
 * only folder that sees libelf, libdw and libiberty. Everything it reads (ELF, DWARF, snapshots) is
 * untrusted: a bad file costs its names, never the run.
 *
 * A process is a tgid; it may exec (its mappings are replaced) and fork (they are copied), so every
 * mapping is valid for a span of time.
 */
#ifndef CT_SYMBOLIZE_H
#define CT_SYMBOLIZE_H

#include "ct_base.h"
#include "ct_trace.h"

struct ct_symbolizer;

struct ct_snapshot {
	u32 id;	 /* stack id */
	u32 tid, tgid;
	ct_ns ts;
	u64 ip, sp, bp, lr;
	u64 top;	 /* end of the stack area, 0 unknown */
	bool after;	 /* ip is that of the instruction after the one meant */
	const void *bytes; /* memory from sp upwards */
	u32 len;
};

struct ct_symbolizer *ct_symbolizer__new(void);
void ct_symbolizer__free(struct ct_symbolizer *s);

/* The process maps [addr, addr+len) of `path` from file offset pgoff, executable.  ino: of the
 * file, by which one that has its path meanwhile is told from it; 0: not known. */
void ct_symbolizer__map(struct ct_symbolizer *s, ct_ns ts, u32 tgid, u64 addr, u64 len, u64 pgoff,
	const char *path, u64 ino);
void ct_symbolizer__exec(struct ct_symbolizer *s, ct_ns ts, u32 tgid);
void ct_symbolizer__fork(struct ct_symbolizer *s, ct_ns ts, u32 parent_tgid, u32 child_tgid);
/* All executable mappings of a live process, from /proc/TGID/maps.  0 or -errno. */
int ct_symbolizer__scan(struct ct_symbolizer *s, ct_ns ts, u32 tgid);
/* Copies the snapshot. When more than CT_SYMBOLIZER_PENDING bytes are held, the oldest are
 * unwound. */
#define CT_SYMBOLIZER_PENDING (24u << 20)
void ct_symbolizer__stack(struct ct_symbolizer *s, const struct ct_snapshot *snap);

/* Forgets all stacks but these. */
void ct_symbolizer__keep(struct ct_symbolizer *s, const u32 *ids, u32 cnt);

/* From now on the C library's frames get functions without lines: those cost most of the time. */
void ct_symbolizer__hurry(struct ct_symbolizer *s);

/* Unwinds and names every stack into `names` (strings, frames, stack_frames, stack_start).
 * Different ids with the same frames may share them. `progress` may be NULL; called with done and
 * all. */
void ct_symbolizer__resolve(struct ct_symbolizer *s, struct ct_names *names,
	void (*progress)(void *arg, u32 done, u32 all), void *arg);

/* What data address `addr` of the process is: a global by symbol, a thread's stack, heap. */
void ct_symbolizer__address(struct ct_symbolizer *s, struct ct_names *names, u32 tgid, u64 addr,
	struct ct_addr_name *out);

/* ---- variables of a file (symbols/variables.c): no symbolizer is needed ---- */
struct ct_variable {
	char *name; /* "stats.misses": of a scalar, what one instruction may touch alone */
	u64 addr;   /* in the process */
	u64 size;
	u32 type;  /* enum ct_watch_value */
	u64 owner; /* locks: offset of the word that has the owner's tid; 0: a pointer to one */
	const char *sync; /* "a mutex": what threads wait with, and no data; NULL */
	u8 rank;   /* CT_RANK_* */
	bool bits; /* bytes that hold bit-fields, all that are in them */
};
#define CT_RANK_WHOLE 0u  /* a variable of its own */
#define CT_RANK_MEMBER 1u
#define CT_RANK_ELEMENT 2u /* of an array, or a member of one */
struct ct_variables {
	u64 base; /* where the process has the file's first byte; set by the caller */
	CT_VEC(struct ct_variable) at;
};
void ct_variables__clear(struct ct_variables *v);
/* The variable, or its parts: NAME, NAME[3], NAME.member, scope::NAME.  -ENOENT: the file has
 * none; -EINVAL: it is not like that, *why says how; -ENOTDIR: likewise, it has no such member. */
int ct_variables__find(
	struct ct_variables *out, const char *path, const char *spec, char **why);
/* All that are locks, or have them in them, and whose owner can be read; and pointers to such. */
void ct_variables__locks(struct ct_variables *out, const char *path);
/* May the file keep threads apart by what has no owner: spin locks, atomic flags? */
bool ct_variables__ownerless(const char *path);
/* All others that DWARF knows, by their scalars; not what the C library synchronises with.  Of an
 * array so many elements, from the first to the last. */
void ct_variables__all(struct ct_variables *out, const char *path, u32 elements);
/* The names of both, one element of each array. */
void ct_variables__list(struct ct_variables *out, const char *path);
/* How far a name is from what somebody typed: 0 the same; CT_NONE: it is another one. */
u32 ct_variable_distance(const char *typed, const char *name);

/* "glibc", "musl" or "": by the C library that the process maps, or the symbols of a static one. */
const char *ct_symbolizer__libc(struct ct_symbolizer *s, u32 tgid);

#endif
