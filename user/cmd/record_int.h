/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the recording (run.c, record_*.c): its state, and what its rooms do for each other.
 */
#ifndef CT_RECORD_INT_H
#define CT_RECORD_INT_H

#include <sched.h>
#include "capture/alarm.h"
#include "capture/capture.h"
#include "capture/watch.h"
#include "cmd/cmd.h"
#include "cmd/flight.h"

struct recording {
	const struct ct_opts *opts;
	struct ct_user user; /* who called */
	struct ct_session *session;
	struct ct_symbolizer *sym;
	struct ct_writer *writer;
	struct ct_names *names;
	struct ct_run run;
	struct ct_target target;
	char *path;	/* of the trace */
	char *previous; /* where the one before it was put; NULL: there was none */
	int fd;
	bool created; /* the file was not there before */
	int signal_fd;
	sigset_t old_mask;	/* that ctrace was started with */
	struct ct_alarm *alarm; /* NULL: quiet */
	struct ct_watcher *watch; /* NULL: no --watch */
	bool listed; /* --watch help: that was all that was asked for */
	ct_ns mute_ns;		/* until then nothing is announced: the program was told to end */
	pid_t looker;		/* looks into a suspicion of the alarm; 0: nobody does */
	struct ct_suspicion suspicion; /* that it looks into */
	struct ct_flight flight;
	ct_ns from_ns;		/* -d counts from here: the program goes, or all are attached to */
	bool done;
	bool wrote_badly; /* the trace could not be written to its end */
	bool judged;	  /* the findings were made */
	bool failed;	  /* --json=FILE could not be written */
	bool hurries;	  /* before all others; below: how ctrace was called */
	int nice, policy;
	struct sched_param priority;
	int join_err;	  /* of the two halves that --max-size keeps; not said yet */
	bool shows_older; /* of them: it holds more, and is the trace; the newer one is path.part */
	bool lost;	  /* nothing of the recording is left anywhere */
	u32 let_go;	  /* programs that got more rights and ran on, unrecorded */
	off_t out_size;	  /* of standard output when the program was let go; -1: no file */
	bool found;	  /* one of them was what --fail-on named */
	bool finished;	  /* there is a trace, whole or not */
};

/* A function that can fail says what is wrong: 0 or -errno, or where it says so an exit code. */

/* ---- record_output.c ---- */
int record_open_output(struct recording *r);
void record_keep_output(struct recording *r); /* at its end: removed or moved? r->path, r->lost */
void record_discard_output(struct recording *r); /* what was there before stays */

/* ---- record_start.c ---- */
ct_ns record_clock_ns(clockid_t id);
void record_describe(struct recording *r); /* what is known before it starts */
int record_open_session(struct recording *r);
void record_open_signals(struct recording *r);
int record_open_watch(struct recording *r);
int record_start_writer(struct recording *r);
int record_start_program(struct recording *r);	/* exit code */
int record_start_attached(struct recording *r); /* exit code */
bool record_is_misspelt(const struct ct_opts *opts); /* a command, and no program */
void record_say_not_started(const struct recording *r, int err);
int record_exit_code(int err); /* of a program that cannot be started */
void record_step_back(const struct recording *r); /* no longer before all, but soon */
void record_calm_down(struct recording *r);	  /* events do not wait for what comes now */
int record_give_up_rights(struct recording *r, u32 keep);
off_t record_stdout_size(void); /* -1: it is no file, and nobody knows */

/* ---- record_loop.c ---- */
void record_drain_until_end(struct recording *r);
void record_take_signals(struct recording *r);
void record_stop(struct recording *r); /* the last records; the session is freed */

/* ---- record_end.c ---- */
void record_finish_trace(struct recording *r);

#endif
