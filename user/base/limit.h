/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process may take that reads the files of a program: whatever somebody put there, with
 * libraries that are large.
 */
#ifndef CT_LIMIT_H
#define CT_LIMIT_H

#include "ct_base.h"

/* From here on this process ends when it takes more than that, or too much memory.  wall_s 0:
 * somebody waits for it who can end it. */
void ct_limit__reading(u32 cpu_s, u32 wall_s);
/* Why it ended, by the status that wait(2) gave; a text that stays. */
const char *ct_limit__what_ended(int wait_status);

#endif
