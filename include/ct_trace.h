/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace: what is written while recording and read back in time order. The writer takes raw ring
 * records; the source gives decoded events, one after the other, whether it reads a .ctrace file, a
 * text trace or memory. Layout of the file: user/trace/format.h. Errors: negative errno from the
 * system; -EBADMSG corrupt, -EPROTO not a trace, -EPROTONOSUPPORT made by a newer ctrace, -ENODATA
 * empty; each with a sentence for the user in *why.
 */
#ifndef CT_TRACE_H
#define CT_TRACE_H

#include "ct_base.h"
#include "ct_abi.h"

/* A decoded event.  The fields' member is named like the event, but a keyword cannot name one:
 * SWITCH's is switch_. */
#define switch switch_
struct ct_event {
	struct ct_hdr hdr;
	u32 cpu;
	u32 seq; /* position in its CPU's stream: breaks ties of time */
	union {
#define CT_EVENT(id, UPPER, lower, meaning) struct ct_##lower lower;
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
	};
};
#undef switch

const char *ct_kind_name(u32 kind);  /* "switch"; NULL: no such kind */
u32 ct_kind_size(u32 kind);	     /* bytes of struct ct_<event>; 0: no such kind */

/* ---- what a trace says of its run: written at the start, replaced at the end ---- */
struct ct_syscall_name {
	u32 nr;
	const char *name;
};

struct ct_run {
	/* NULL-terminated; the program and its arguments; for -p the processes' names */
	char **argv;
	u32 pid;     /* of the program, or the first one attached to */
	char *pids;  /* -p: all of them, "12,34"; else "" or NULL */
	bool attached;
	bool ended;	    /* false: the recording ended before the program did */
	int wait_status;    /* of the program, as wait(2) gives it, when ended && !attached */
	ct_ns start_ns;	    /* CLOCK_MONOTONIC when recording began (exec, or attach) */
	ct_ns end_ns;	    /* when it ended; 0 in a trace whose writer was killed */
	u64 start_real_ns;  /* CLOCK_REALTIME at start_ns */
	u64 boot_offset_ns; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC at start_ns */
	u32 cpus;	    /* CPUs that the program may run on (its affinity at start) */
	u32 cpus_machine;   /* CPUs online */
	u32 sample_hz;	    /* 0: no cpu samples */
	bool futex_calls;   /* FUTEX events are there */
	bool stacks;
	char *arch;    /* uname -m */
	char *kernel;  /* uname -r */
	char *libc;    /* "glibc" or "musl" or "" (unknown); decides where owner words are */
	char *version; /* of the ctrace that recorded it */
	char *host;
	/* CPU time of recording: in the probes (an estimate), of the collector; 0: unknown */
	ct_ns cost_probes_ns, cost_collector_ns;
	ct_ns dropped_ns; /* --max-size: so long before start_ns was not kept; 0: all is here */
	char **labels; /* "KEY=VALUE" each, NULL-terminated, as --label gave them; NULL: none */
	/* --redact: of argv the program's bare name, of files no directory, no host */
	bool redacted;
};
void ct_run__clear(struct ct_run *run); /* frees what it points to */
void ct_run__add_label(struct ct_run *run, const char *label);
/* Leaves out what --redact leaves out; of attached processes the programs' bare names stay. */
void ct_run__redact(struct ct_run *run);

/* ---- names: worked out when recording ends ---- */
struct ct_frame { /* one place in a program; ids start at 1, 0 is "unknown" */
	u32 function; /* string id; 0: unknown */
	u32 file;     /* string id of the source file; 0: unknown */
	u32 line;     /* 0: unknown */
	u32 module;   /* string id of the ELF file's path; 0: unknown */
	u64 offset;   /* address inside the module (as in its symbol table) */
	u32 inlined;  /* 1: this frame was inlined into the next outer one (same address) */
	u32 pad;
};
enum ct_addr_kind { CT_ADDR_UNKNOWN, CT_ADDR_GLOBAL, CT_ADDR_HEAP, CT_ADDR_STACK, CT_ADDR_SHARED };
struct ct_addr_name { /* what a lock's address is */
	u32 tgid;
	u32 kind;	/* enum ct_addr_kind */
	u64 addr;
	u32 symbol;	/* string id of the global; 0: none */
	u32 thread;	/* CT_ADDR_STACK: whose; 0: unknown */
	u64 offset;	/* addr - the symbol's address */
	u32 module;	/* string id */
	u32 pad;
};

/* What the code around the innermost instruction of a stack does, when it ran. */
enum ct_loop {
	CT_LOOP_UNKNOWN,
	CT_LOOP_WORK,  /* anything but: */
	CT_LOOP_LOOKS, /* goes round until memory changes that others can write */
};
struct ct_stack_loop {
	u32 loop;  /* enum ct_loop */
	u32 frame; /* CT_LOOP_LOOKS: place in the stack of the frame whose loop it is */
};

/* Strings, frames, stacks and address names of one trace.  Owned by whoever made it. */
struct ct_names {
	struct ct_strtab *strings;
	CT_VEC(struct ct_frame) frames;	    /* at[0] is the unknown frame */
	CT_VEC(u32) stack_frames;	    /* frame ids of all stacks, innermost first */
	/* stack id -> first index in stack_frames; at[cnt-1] is a sentinel; ids beyond: unknown */
	CT_VEC(u32) stack_start;
	/* stack id -> the loop that was found there; ids beyond: unknown */
	CT_VEC(struct ct_stack_loop) loops;
	CT_VEC(struct ct_addr_name) addrs;  /* sorted by (tgid, addr) */
	CT_VEC(struct ct_syscall_name) syscalls; /* names, owned (free) */
};
struct ct_names *ct_names__new(void);
void ct_names__free(struct ct_names *names);
/* Of files and modules only the last part of the path stays; ids of strings change. */
void ct_names__redact(struct ct_names *names);
/* Frame ids of a stack, innermost first; *cnt is 0 for an unknown one. */
const u32 *ct_names__stack(const struct ct_names *names, u32 stack, u32 *cnt);
struct ct_stack_loop ct_names__loop(const struct ct_names *names, u32 stack);
const char *ct_names__syscall(const struct ct_names *names, u32 nr); /* "futex"; NULL: unknown */
const struct ct_addr_name *ct_names__addr(const struct ct_names *names, u32 tgid, u64 addr);

/* ---- writing (trace/writer.c): not thread-safe ---- */
struct ct_writer;
/* Writes the file header and `run` to fd, which stays the caller's.  0 or -errno. */
int ct_writer__new(struct ct_writer **w, int fd, const struct ct_run *run);
/* Takes `size` bytes of whole ring records of one CPU, in ring order (STACK records left out by the
 * caller).  Buffers; may write.  An error is returned once and kept: later calls do nothing and
 * return it again, so that a full disk never stops the program. */
int ct_writer__records(struct ct_writer *w, u32 cpu, const void *records, size_t size);
/* Everything before `until` on every CPU has been handed in: writes what is buffered, and a mark,
 * when the last mark is a second old or much is buffered; so call it as often as is handy. */
int ct_writer__sync(struct ct_writer *w, ct_ns until);
/* The same without waiting for enough to be worth it: what was handed in can be read back now. */
int ct_writer__flush(struct ct_writer *w, ct_ns until);
/* Writes names as they are now, for a trace whose writer may be killed (syscalls, at the start);
 * the newest names in a file are the ones that count. */
int ct_writer__names(struct ct_writer *w, const struct ct_names *names);
/* The final chunks: names, and the run as it ended.  After it the file is complete. */
int ct_writer__finish(struct ct_writer *w, const struct ct_run *run, const struct ct_names *names);
u64 ct_writer__bytes(const struct ct_writer *w); /* written to fd so far */
void ct_writer__free(struct ct_writer *w);

/* ---- reading (trace/source.c) ---- */
struct ct_source;
/* Opens a .ctrace file, or a text trace (told apart by their first bytes). */
int ct_source__open(struct ct_source **s, const char *path, char **why);
/* The same in two steps, between which rights may be given up: a descriptor or -errno; then fd is
 * the source's, whatever comes, and path only names it. */
int ct_source__open_file(const char *path);
int ct_source__open_fd(struct ct_source **s, int fd, const char *path, char **why);
bool ct_source__is_trace(int fd); /* by its first bytes: a .ctrace file; leaves the position */
/* The next event in the order (time, cpu, seq); NULL at the end.  Valid until the next call. */
const struct ct_event *ct_source__next(struct ct_source *s);
int ct_source__rewind(struct ct_source *s);
const struct ct_run *ct_source__run(const struct ct_source *s);
const struct ct_names *ct_source__names(const struct ct_source *s); /* never NULL; may be empty */
bool ct_source__complete(const struct ct_source *s); /* false: its writer did not finish */
/* What could not be read (bad checksum in the middle, cut end): a sentence, or NULL. */
const char *ct_source__damage(const struct ct_source *s);
u32 ct_source__owner(const struct ct_source *s); /* user id of the file's */
void ct_source__free(struct ct_source *s);

/* ---- text form, both ways (trace/text.c): one line per event; grammar at the top of text.c --- */
#include <stdio.h>
int ct_text__write(struct ct_source *s, FILE *out);

#endif
