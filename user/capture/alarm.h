/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watch for threads that will wait for ever, while recording: a note of each thread's last
 * sleep, made from the records as they are drained, and now and then a walk along the owners.  What
 * it finds is a suspicion; who has it looks at the processes (inspect.h) before anything is said.
 */
#ifndef CT_ALARM_H
#define CT_ALARM_H

#include "capture/inspect.h"

struct ct_alarm;

#define CT_SUSPECTS_MAX 64 /* processes of one ring */
struct ct_suspicion {
	u32 tid; /* of one who would wait for ever */
	u32 pids[CT_SUSPECTS_MAX];
	u32 pid_cnt;
};

struct ct_alarm *ct_alarm__new(void);
void ct_alarm__free(struct ct_alarm *a);
/* Each record but stacks, from whatever CPU; some ns. */
void ct_alarm__see(struct ct_alarm *a, const struct ct_hdr *hdr);
/* Call as often as is handy: it does something ten times a second, if then.  What was told is not
 * raised again, what was wrong only twice more, however long it lasts. */
bool ct_alarm__check(struct ct_alarm *a, ct_ns now_ns, struct ct_suspicion *s);
/* What came of the last suspicion.  Right: it was told, its processes are not called stuck as well.
 * Wrong: the like of it is raised less eagerly (a ring always is at once). */
void ct_alarm__settle(struct ct_alarm *a, ct_ns now_ns, bool right);
/* Since when each thread waits (0: since before the recording), and its last waits for locks. */
void ct_alarm__recall(const struct ct_alarm *a, struct ct_look *look);

#endif
