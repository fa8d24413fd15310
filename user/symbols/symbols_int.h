/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of user/symbols say to each other; nobody else includes it.
 *
 *     addr_map.c     (process, time, address) -> mapping of a file
 *     elf_file.c     one ELF file: opening it safely, segments, CFI, its separate debug file
 *     elf_syms.c     its symbol tables
 *     demangle.c     a linker symbol -> what a person wrote
 *     dwarf_lines.c  its lines and inlined calls
 *     call_sites.c   what the call before a return address called; jumps that lead out of functions
 *     x86_length.c   where one instruction ends and the next begins
 *     tail_calls.c   the functions between a caller and who runs, that jumped on and left no frame
 *     loops.c        the loop around an instruction
 *     loop_turns.c   whether that loop works or only looks
 *     unwind.c       snapshot -> return addresses
 *     variables.c    data by its name; variable_types.c: what it is; variable_names.c: how it is
 *                    called
 *     symbolize.c    the public face: places, stacks, names
 *
 * Addresses inside a file ("vaddr") are those of its symbol table.  Strings returned by an ELF file
 * live as long as it does.
 */
#ifndef CT_SYMBOLS_INT_H
#define CT_SYMBOLS_INT_H

#include <elfutils/libdw.h>
#include <gelf.h>
#include "ct_base.h"
#include "symbols/symbolize.h"

/* Limits on what a file may make us do.  Beyond them it costs its names. */
#define CT_FRAMES_MAX 127		  /* frames unwound of one stack */
#define CT_INLINES_MAX 32		  /* inlined calls named at one address */
#define CT_SYMS_MAX (4u << 20)		  /* symbols of one table */
#define CT_SEGMENTS_MAX 256		  /* program headers */
#define CT_SECTIONS_MAX 65536		  /* section headers */
#define CT_DWARF_BYTES_MAX (1ull << 30)	  /* DWARF of one file, decompressed */
#define CT_TABLES_BYTES_MAX (1ull << 30)	  /* symbols, names, .eh_frame of one file */
#define CT_FILES_BYTES_MAX (4ull << 30)	  /* what is read whole, of all files together */
#define CT_DIES_MAX (16u << 20)		  /* DIEs visited in one unit */
#define CT_UNITS_MAX (1u << 20)		  /* units of one file */
#define CT_RANGES_MAX (8u << 20)	  /* address ranges of one file or unit */
#define CT_HELD_FDS_MAX 256		  /* files held open while recording */
#define CT_STACK_ID_MAX (16u << 20)	  /* stack ids beyond are not kept */

/* ---- elf_file.c ---- */
struct ct_segment {
	u64 offset, vaddr, filesz, memsz;
	bool exec;
};
struct ct_file_id { /* tells one content of a path from the next */
	u64 dev, ino, size, mtime_ns;
};
struct ct_elf_syms;
struct ct_files;
struct ct_dwarf;
struct ct_call_sites;
struct ct_elf_vars;
struct ct_elf {
	char *path;	      /* as mapped, without " (deleted)" */
	const char *debug_root; /* "/usr/lib/debug" */
	int fd;		      /* -1: not open now */
	bool has_id;	      /* id is known: the path leads to this file only while it has it */
	struct ct_file_id id;
	void *image;	      /* vdso: its bytes; NULL otherwise */
	size_t image_size;
	u64 *taken;	      /* bytes that all files together take; NULL: nobody counts */
	bool loaded;	      /* the fields below were filled in, as far as possible */
	Elf *elf;	      /* NULL: no ELF file, or unreadable */
	bool wide;	      /* 64 bit */
	bool native;	      /* of this machine: can be unwound */
	bool libc;	      /* a C library: its names have public twins */
	CT_VEC(struct ct_segment) segs;
	Dwarf_CFI *cfi;	      /* .eh_frame */
	bool debug_sought, debug_loaded;
	bool own_dwarf;
	int debug_fd;	      /* separate debug file; -1: none */
	Elf *debug_elf;	      /* NULL: none */
	Dwarf *dbg;	      /* of elf or debug_elf; NULL: none */
	struct ct_elf_syms *syms;      /* NULL until asked for */
	struct ct_dwarf *dwarf;	       /* NULL until asked for */
	struct ct_call_sites *calls;   /* NULL until asked for */
	struct ct_elf_vars *vars;      /* NULL until asked for */
};
/* Opens a regular file for reading, without the side effects that opening a device or a FIFO
 * has. */
int ct_open_regular(const char *path, struct ct_file_id *id); /* fd or -errno */
struct ct_elf *ct_elf__new(const char *path, const char *debug_root);
struct ct_elf *ct_elf__new_vdso(const char *debug_root);
void ct_elf__free(struct ct_elf *f);
void ct_elf__load(struct ct_elf *f);	       /* cheap after the first call */
void ct_elf__find_debug(struct ct_elf *f);     /* sets debug_elf */
void ct_elf__load_debug(struct ct_elf *f);     /* sets dbg, too: unpacks all DWARF there is */
/* The vaddr of byte `offset` of the file; the file offset itself when no segment holds it. */
u64 ct_elf__vaddr(struct ct_elf *f, u64 offset);
bool ct_elf__in_segment(struct ct_elf *f, u64 vaddr, bool exec);
/* Copies n bytes of the file's content at vaddr; false when they are not all there. */
bool ct_elf__read(struct ct_elf *f, u64 vaddr, void *to, size_t n);
/* Section contents by walking headers; NULL when there is no such section or it is too large. */
Elf_Data *ct_elf_section(Elf *elf, const char *name, GElf_Shdr *shdr);

/* ---- elf_syms.c ---- */
struct ct_sym {
	u64 addr, size;
	const char *name; /* raw, version suffix included */
	u64 end;	  /* of the section, for symbols without size */
	u8 object;	  /* 1: data */
	u8 rank;	  /* of the name, lower is better */
	u8 exported;	  /* in .dynsym and defined */
};
/* The symbol that contains vaddr, or NULL. */
const struct ct_sym *ct_elf__func(struct ct_elf *f, u64 vaddr);
const struct ct_sym *ct_elf__object(struct ct_elf *f, u64 vaddr);
const struct ct_sym *ct_elf__find(struct ct_elf *f, const char *name); /* exported function */
bool ct_elf__has_symbol(struct ct_elf *f, const char *name);	       /* any table, any kind */
void ct_elf_syms__free(struct ct_elf_syms *s);
/* The name that people know: without version and clone suffix; in a C library the public one. */
char *ct_elf__plain_name(struct ct_elf *f, const char *raw); /* free() it */

/* ---- demangle.c ---- */
char *ct_demangle(const char *raw); /* free() it; a copy of raw when it is not mangled */

/* ---- variable_names.c ---- */
/* "accounts[2].m", what DWARF has at vaddr; *offset: bytes into it; NULL: not known; free() it.
 * `symbol` is what the variable is called that begins at symbol_vaddr; NULL: not known. */
char *ct_elf__member_at(
	struct ct_elf *f, u64 vaddr, const char *symbol, u64 symbol_vaddr, u64 *offset);
void ct_elf_vars__free(struct ct_elf_vars *v);

/* ---- own_locks.c ---- */
bool ct_has_own_locks(struct ct_elf *f);

/* ---- dwarf_lines.c ---- */
struct ct_place_name { /* one frame; strings live as long as the ELF file */
	const char *function; /* linker name if there is one, else the plain one; NULL: unknown */
	const char *file;     /* NULL: unknown */
	u32 line;
	bool inlined;
};
/* Frames at vaddr, innermost first; the last one is the function itself.  0: nothing known. */
u32 ct_elf__lines(struct ct_elf *f, u64 vaddr, struct ct_place_name out[CT_INLINES_MAX + 1]);
void ct_dwarf__free(struct ct_dwarf *d);

/* ---- x86_length.c ---- */
#define CT_X86_BYTES 24 /* that may be looked at: an instruction and what it might have had */
u32 ct_x86__length(const u8 code[CT_X86_BYTES]); /* in bytes; 0: no instruction */
u32 ct_x86__operand_bytes(const u8 *modrm);	 /* that byte, a scale byte and a distance */

/* ---- call_sites.c ---- */
struct ct_call {
	const char *name; /* function of another file, by its linker name; NULL: */
	u64 vaddr;	  /* function of this file */
};
/* What the call instruction that ends at `ret` calls; false: not known. */
bool ct_elf__call_before(struct ct_elf *f, u64 ret, struct ct_call *call);
/* Does a call through a pointer end at `ret`? */
bool ct_elf__pointer_call_before(struct ct_elf *f, u64 ret);
/* The jumps in function `in` until `take` returns true: the address of that one, 0: of none. */
u64 ct_elf__each_jump(struct ct_elf *f, const struct ct_sym *in,
	bool (*take)(void *arg, u64 at, const struct ct_call *to), void *arg);
void ct_call_sites__free(struct ct_call_sites *c);

/* ---- loops.c ---- */
#define CT_LOOP_LEVELS 6 /* the function that ran, and its callers, that may have the loop */
struct ct_code { /* where instructions are read */
	bool (*read)(void *arg, u64 addr, void *to, u32 n);
	void *arg;
};
/* What the smallest loop around at[0] does.  at[1], ... : where that function and its callers
 * return to. *level, with CT_LOOP_LOOKS: whose loop it is, 0 the function of at[0]. */
enum ct_loop ct_loop__judge(const struct ct_code *code, const u64 *at, u32 cnt, u32 *level);

/* ---- tail_calls.c ---- */
#define CT_TAIL_CALLS_MAX 16 /* functions in a row, each of which jumped to the next */
struct ct_tail_call { /* a function that ended in a jump */
	struct ct_elf *elf;
	u64 jump; /* vaddr */
};
/* The jumps by which function `called` of `f` leads to the function at `vaddr` of `to`, first the
 * last one; 0: there is no such way.  `files`: it may lead through these, too; NULL: a
 * shorter search, between f and `to` alone. */
u32 ct_tail_calls__find(const struct ct_files *files, struct ct_elf *f,
	const struct ct_sym *called, struct ct_elf *to, u64 vaddr,
	struct ct_tail_call out[CT_TAIL_CALLS_MAX]);

/* ---- addr_map.c ---- */
struct ct_mapping {
	u64 addr, len, pgoff;
	ct_ns ts;
	u32 file; /* index in the symbolizer's files; CT_NONE: anonymous */
	u32 seq;
};
struct ct_maps;
struct ct_maps *ct_maps__new(void);
void ct_maps__free(struct ct_maps *m);
void ct_maps__map(struct ct_maps *m, u32 tgid, const struct ct_mapping *mapping);
void ct_maps__exec(struct ct_maps *m, ct_ns ts, u32 tgid);
void ct_maps__fork(struct ct_maps *m, ct_ns ts, u32 parent, u32 child);
/* The mapping that holds addr at that time.  Valid until the next map, exec or fork. */
const struct ct_mapping *ct_maps__find(struct ct_maps *m, u32 tgid, ct_ns ts, u64 addr);
/* Every mapping that the process ever had, newest program first, until `take` returns true. */
bool ct_maps__each(struct ct_maps *m, u32 tgid,
	bool (*take)(void *arg, const struct ct_mapping *mapping), void *arg);

/* ---- unwind.c ---- */
struct ct_pc {
	u64 pc;	    /* where execution is or returns to */
	bool exact; /* pc is the next instruction; false: it is a return address */
};
struct ct_unwind_where { /* address -> file, asked of the symbolizer */
	struct ct_elf *elf; /* NULL: anonymous, or no file */
	u32 file;	    /* its index; CT_NONE: none */
	u64 vaddr;
};
struct ct_unwinder;
typedef bool (*ct_unwind_locate)(void *arg, u64 addr, struct ct_unwind_where *where);
struct ct_unwinder *ct_unwinder__new(void);
void ct_unwinder__free(struct ct_unwinder *u);
u32 ct_unwinder__run(struct ct_unwinder *u, const struct ct_snapshot *snap, bool names_only,
	ct_unwind_locate locate, void *arg, struct ct_pc out[CT_FRAMES_MAX]);

/* ---- files.c ---- */
struct ct_files {
	const char *debug_root;
	CT_VEC(struct ct_elf *) at;
	struct ct_strtab *paths;
	struct ct_table *by_inode, *by_path;
	u32 held; /* files held open */
	u64 taken; /* bytes read whole of all of them */
};
void ct_files__init(struct ct_files *files);
void ct_files__clear(struct ct_files *files);
/* The file that the process maps at [addr, addr + len) under that name; CT_NONE: none (anonymous).
 * Looks at the file system now, so that a file replaced or deleted later keeps its names. */
u32 ct_files__get(
	struct ct_files *files, u32 tgid, u64 addr, u64 len, const char *path, u64 ino);
/* The file's vaddr of an address of the mapping. */
u64 ct_files__vaddr(const struct ct_files *files, const struct ct_mapping *mapping, u64 addr);

/* ---- places.c ---- */
#define CT_FILE_ANON_MAP CT_NONE	 /* a place in anonymous memory */
#define CT_FILE_NOWHERE (CT_NONE - 1) /* a place where nothing is mapped */
struct ct_place { /* an instruction of a file */
	u64 addr;	/* vaddr; elsewhere the address itself */
	u32 file;	/* index, or one of the above */
	bool entry;	/* stands for the function that begins there, not for a line of it */
	bool named;
	u32 first, cnt; /* ids of its frames, innermost first, when named */
};
struct ct_chain { /* of places.chained: the functions between a caller and a callee */
	u32 first, cnt;
};
struct ct_places {
	struct ct_files *files;
	CT_VEC(struct ct_place) at;
	struct ct_table *by_addr; /* (addr, file and entry) -> place */
	struct ct_table *between; /* (caller, callee) -> index in chains; NO_CHAIN: none */
	CT_VEC(struct ct_chain) chains;
	CT_VEC(u32) chained; /* places */
	/* no lines of the C library: its DWARF may be large, and packed */
	bool hurry;
};
void ct_places__init(struct ct_places *p, struct ct_files *files);
void ct_places__clear(struct ct_places *p);
u32 ct_places__get(struct ct_places *p, u32 file, u64 addr, bool entry);
const struct ct_place *ct_places__name(struct ct_places *p, struct ct_names *names, u32 place);
/* The places in the functions that `caller` called and that jumped on, at last to the one of
 * `callee`: such functions leave no frames of their own.  Innermost first; cnt is 0: there are
 * none. Valid until the next call. */
const u32 *ct_places__between(struct ct_places *p, u32 caller, u32 callee, u32 *cnt);

/* ---- data_names.c ---- */
struct ct_area { /* memory whose use is known */
	u64 lo, hi;
	u32 tgid;
	u32 kind; /* enum ct_addr_kind */
	u32 tid;  /* CT_ADDR_STACK */
	u32 path; /* string id in files.paths; 0: none */
};
struct ct_areas {
	CT_VEC(struct ct_area) stacks; /* one per thread seen */
	struct ct_table *stack_by;     /* (tgid, tid) -> stacks */
	CT_VEC(struct ct_area) scanned; /* data mappings found by a scan, oldest first */
};
void ct_areas__init(struct ct_areas *a);
void ct_areas__clear(struct ct_areas *a);
void ct_areas__see_stack(struct ct_areas *a, const struct ct_snapshot *snap);

/* ---- symbolize.c ---- */
struct ct_trace { /* an unwound stack: its part of trace_places */
	u32 first, cnt;
	bool judged; /* the loop there is known, as far as it will be: */
	u32 loop;    /* enum ct_loop */
	u32 level;   /* CT_LOOP_LOOKS: of the places, whose it is */
};
struct ct_symbolizer {
	char *debug_root;
	struct ct_files files;
	struct ct_maps *maps;
	struct ct_areas areas;
	struct ct_places places;
	struct ct_unwinder *unwinder;
	CT_VEC(struct ct_snapshot) pending; /* bytes owned; oldest first */
	size_t pending_bytes;
	CT_VEC(u32) trace_places; /* place, and TRACE_EXACT */
	CT_VEC(struct ct_trace) traces;
	u32 judged; /* of them */
	struct ct_table *trace_by; /* (hash, probe) -> trace */
	CT_VEC(u32) stack_trace;   /* stack id -> trace + 1; 0: none */
};
/* For tests: where separate debug files are looked for, before anything is mapped. */
void ct_symbolizer__set_debug_root(struct ct_symbolizer *s, const char *root);

#endif
