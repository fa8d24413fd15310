/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --watch: variables, debug registers and the accesses that they catch.  A debug register belongs
 * to a thread; perf events of threads that are there, inherited by what these create, cover a
 * program.  Four variables of at most 8 bytes at a time; --watch=auto gives each its turn.
 */
#ifndef CT_WATCH_H
#define CT_WATCH_H

#include "capture/capture.h"

struct ct_watcher;

struct ct_watch_opts {
	const char *what; /* NAME[,NAME...] or "auto" */
	bool shake;	  /* delays at accesses, and at the lock operations of glibc */
	u64 seed;	  /* of the delays; 0: chosen */
	const struct ct_user *as; /* files are read with these rights; NULL: with ours */
};

/* 0, or -errno and one line in *why: no debug registers, all of them taken. */
int ct_watcher__new(
	struct ct_watcher **w, struct ct_session *s, const struct ct_watch_opts *opts, char **why);
/* The program that ct_target__go left stopped: finds the variables when its libraries are mapped
 * and before its first instruction, watches them, and lets it run.  -ECHILD: it has ended before
 * that, *status is as wait(2) gives it. -ECANCELED: *why is the list of variables that was asked
 * for instead. Otherwise, when it fails, the program is still stopped. */
int ct_watcher__program(struct ct_watcher *w, u32 pid, int *status, char **why);
/* All threads of a process that runs, and of its children; after ct_snapshot__attach. */
int ct_watcher__process(struct ct_watcher *w, u32 pid, char **why);
/* One line for the user: what is watched, and what it costs. */
char *ct_watcher__announce(const struct ct_watcher *w);
/* And lines that say how something was understood; NULL. */
const char *ct_watcher__notes(const struct ct_watcher *w);
u64 ct_watch_any_seed(void); /* of six digits: to be typed again */
u64 ct_watcher__seed(const struct ct_watcher *w); /* of --shake; 0: not shaken */
/* Pauses, turns: to be called again after so many ms. */
int ct_watcher__tick(struct ct_watcher *w, ct_ns now_ns);
/* Every record that comes from the rings: locks are learnt from them. */
void ct_watcher__see(struct ct_watcher *w, const struct ct_hdr *hdr);
/* Of a CT_HIT, which follows its header. */
void ct_watcher__access(struct ct_watcher *w, const struct ct_hdr *hdr, struct ct_access *out);
/* "stats.misses" of a number in the trace; NULL: no such one. */
const char *ct_watcher__name(const struct ct_watcher *w, u32 var);
void ct_watcher__stop(struct ct_watcher *w); /* no more hits */
void ct_watcher__free(struct ct_watcher *w);

/* ---- finding them (watch_find.c) ---- */
struct ct_watch_var {
	char *name;
	u64 addr;
	u32 size; /* 1, 2, 4 or 8; addr is a multiple */
	u32 type;  /* enum ct_watch_value */
	u8 rank;   /* CT_RANK_* */
	bool barred; /* the program cannot go on while it is watched */
	bool had_turn;
};
struct ct_watch_found {
	CT_VEC(struct ct_watch_var) vars;
	CT_VEC(struct ct_variable) locks;
	CT_VEC(u64) pointers; /* addresses of globals that lead to locks */
	bool ownerless; /* it may use locks whose owner nobody can read */
	char *notes; /* lines to be told to the user; NULL */
	char *list;  /* of CT_WATCH_HELP: what could be watched, one in a line; NULL */
};
#define CT_WATCH_AUTO "auto"
#define CT_WATCH_HELP "help" /* as a name; if the program has none such: lists all */
/* In a process that is mapped.  Reads the files in a child process with the user's rights. */
int ct_watch_find(
	struct ct_watch_found *out, u32 pid, const struct ct_watch_opts *opts, char **why);
void ct_watch_found__clear(struct ct_watch_found *f);
/* The C library that has the mutexes of a process, if it is the system's own; NULL; free() it. */
char *ct_watch_find_libc(u32 pid);

/* ---- debug registers (watch_perf.c) ---- */
/* One register of one thread, and of what it will create.  A descriptor, or -errno. */
int ct_watch_open(u32 tid, u64 addr, u32 size, bool enabled);
/* The same, and its copies, elsewhere. */
int ct_watch_move(int fd, u64 addr, u32 size, bool enabled);
char *ct_watch_open_error(int err);	       /* one line for the user; free() it */

#endif
