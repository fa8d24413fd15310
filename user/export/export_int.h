/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/export: the exporters of the table, and how what came from outside (names of
 * threads, files, functions) and places in a program are put into words.  Callers own what a
 * function returns as char * unless it says otherwise.
 */
#ifndef CT_EXPORT_INT_H
#define CT_EXPORT_INT_H

#include "ct_export.h"

int ct_json__write(const struct ct_export_in *in, FILE *out);
int ct_csv__write(const struct ct_export_in *in, FILE *out);
int ct_folded__write(const struct ct_export_in *in, FILE *out);
int ct_perfetto__write(const struct ct_export_in *in, FILE *out);
int ct_speedscope__write(const struct ct_export_in *in, FILE *out);
int ct_openmetrics__write(const struct ct_export_in *in, FILE *out);
int ct_html__write(const struct ct_export_in *in, FILE *out);

/* ---- outside.c ---- */
/* Length of the well-formed UTF-8 sequence at s, its code point in *code; 0: not well-formed. */
u32 ct_utf8_decode(const char *s, u32 *code);
/* The same text as valid UTF-8: each byte that belongs to no well-formed sequence as "\xNN". */
char *ct_utf8_repair(const char *s);
/* Writes valid UTF-8 that is part of a JSON document; what a terminal would obey, or what turns
 * text around, becomes \uNNNN, which says the same.  As json_dump_callback() wants it; 0, -1. */
int ct_json_bytes(const char *bytes, size_t size, void *out);

const char *ct_thread_name(const struct ct_model *m, u32 thread_idx); /* "" when it has none */
u32 *ct_thread_names(const struct ct_model *m); /* [string id]: how many are called so; free() it */
/* A name that no other thread has, by those counts; the page has the same rule; free() it. */
char *ct_thread_label(const struct ct_model *m, const u32 *name_cnt, u32 thread_idx);
/* How a watched variable is shared; setter: who set it late, if somebody did; free() it. */
char *ct_watch_words(const struct ct_model *m, const struct ct_shared *v, const char *setter);
const char *ct_process_name(const struct ct_model *m, u32 process_idx);
u32 ct_thread_pid(const struct ct_model *m, u32 thread_idx);
const char *ct_base_name(const char *path); /* what follows the last '/' */

/* A frame in its parts; all "" and 0 where unknown. */
struct ct_place {
	const char *function, *file, *module;
	u32 line;
	u64 offset; /* in the module */
};
struct ct_place ct_frame_place(const struct ct_names *names, u32 frame);

/* What a shell would give for a wait(2) status: the exit value, or 128 + the signal. */
u32 ct_shell_status(int wait_status);

/* Do the switches recorded equal the kernel's own counts? */
enum ct_agreement { CT_AGREE_UNKNOWN, CT_AGREE_YES, CT_AGREE_NO };
enum ct_agreement ct_switches_agree(const struct ct_thread *t);

/* ---- changes.c ---- */
const char *ct_change_id(enum ct_change change); /* "lock-free" */
/* "no waits on L1"; the lock and the thread by id */
char *ct_change_text(const struct ct_model *m, const struct ct_prediction *p);
/* "no waits on big_lock" */
char *ct_change_words(const char *lock, const char *thread, const struct ct_prediction *p);
const char *ct_change_assumption(enum ct_change change); /* what has to be so for it to come true */

/* ---- words of findings, also of those that have theirs from the wait graph ---- */
char *ct_finding_title(const struct ct_facts *facts, const struct ct_finding *f);
char *ct_finding_evidence(const struct ct_facts *facts, const struct ct_finding *f);
/* the lesson */
const char *ct_finding_words(const struct ct_facts *facts, const struct ct_finding *f);
const char *ct_finding_advice(const struct ct_facts *facts, const struct ct_finding *f);

/* Losses added up by CPU and kind, by those; cnt is 0 when nothing was lost. */
struct ct_loss_sums {
	CT_VEC(struct ct_loss_span) at;
};
void ct_loss_sums__compute(struct ct_loss_sums *sums, const struct ct_model *m);

#endif
