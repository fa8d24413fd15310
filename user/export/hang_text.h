/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/export: threads that wait for ever, in words (hang_text.c).  Every char * is the
 * caller's and safe to print.
 */
#ifndef CT_HANG_TEXT_H
#define CT_HANG_TEXT_H

#include "export_int.h"

char *ct_hang_thread(const struct ct_model *m, u32 thread_idx); /* "alice 4713" */
char *ct_hang_lock(const struct ct_model *m, u32 lock);
char *ct_hang_place(const struct ct_model *m, u32 wait); /* the line that waits; "" */
char *ct_hang_wants(const struct ct_model *m, u32 wait); /* "pen_lock", "the end of bob 12" */
char *ct_hang_title(const struct ct_model *m, const struct ct_hang *h);
char *ct_hang_when(const struct ct_model *m, const struct ct_hang *h);
char *ct_hang_evidence(const struct ct_model *m, const struct ct_hang *h); /* one paragraph */
const char *ct_hang_lesson(const struct ct_hang *h);
/* Who last woke somebody by what is waited for, and whether he still lives; "" when that is not
 * known or does not matter. */
char *ct_hang_signals(const struct ct_model *m, const struct ct_hang *h);
const char *ct_hang_advice(const struct ct_hang *h);

#endif
