/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recording, seen from the commands. A session owns the BPF programs, the rings and the perf events
 * that tell of mappings; it knows nothing of what records mean. Life of a session:
 *
 *     open      configure, load, attach: the probes are armed, no thread is traced yet
 *     trace     set a thread's bit: from now on it and what it creates are recorded
 *     wait      sleep until a ring fills up, a descriptor is ready or time is up
 *     drain     move finished records into the trace writer and the symbolizer
 *     stop      take the probes off; the last drain follows by itself
 *     free
 *
 * Everything here needs root, or CAP_BPF and CAP_PERFMON.
 */
#ifndef CT_CAPTURE_H
#define CT_CAPTURE_H

#include <signal.h>
#include <sys/types.h>
#include "ct_base.h"
#include "ct_trace.h"
#include "base/rights.h"
#include "symbols/symbolize.h"

/* ---- session (capture/session.c, ring.c, images.c) ---- */
struct ct_session_opts {
	bool stacks;
	bool futex_calls;
	u32 sample_hz;	     /* 0: no samples */
	/* also programs that get more rights than their caller's by exec (set-user-id) */
	bool follow_secure;
	bool watch;	     /* debug registers will be used (watch.h) */
	bool shake;	     /* and lock operations delayed */
	size_t buffer_bytes; /* of all rings together; 0: chosen */
	u64 drain_bytes;     /* no more of a ring than this between two drains, as a rule; 0: any */
};

struct ct_session_stats {
	u64 records;	    /* taken from the rings */
	u64 bytes;
	u64 stacks;	    /* copied */
	u64 stacks_dropped; /* not copied: more new ones than the budget of a tick */
	u64 stacks_failed;  /* not copied: unreadable memory */
	u64 lost;
	u64 drains;
	u32 let_go; /* programs that got more rights, and are not recorded since */
	u64 image_events_lost; /* mappings, forks and execs that perf lost: names may be missing */
};

struct ct_session;
/* 0 or -errno, with one line for the user in *why. */
int ct_session__open(struct ct_session **s, const struct ct_session_opts *opts, char **why);
/* Whether futex calls are recorded: they were asked for, and tracefs has their tracepoints. */
bool ct_session__has_futex_calls(const struct ct_session *s);
/* Where drained records go; both outlive the session's last drain. */
void ct_session__sink(struct ct_session *s, struct ct_writer *w, struct ct_symbolizer *sym);
/* Shows every record to the alarm, which outlives the last drain.  NULL: no more. */
struct ct_alarm;
void ct_session__watch(struct ct_session *s, struct ct_alarm *alarm);
void ct_session__trace(struct ct_session *s, u32 tid);
void ct_session__forget(struct ct_session *s, u32 tid);
/* false once it had its last switch */
bool ct_session__traces(const struct ct_session *s, u32 tid);
/* Mappings, forks and execs of this process are followed from now on. */
void ct_session__follow_images(struct ct_session *s, u32 tgid);
/* Puts a record of ctrace's own into the stream, in time order with what is drained later. */
void ct_session__inject(struct ct_session *s, u32 kind, u32 tid, ct_ns ts, const void *fields);
u32 ct_session__new_stack_id(struct ct_session *s);
int ct_session__wait_fd(const struct ct_session *s); /* readable when a ring is half full */
void ct_session__rang(struct ct_session *s);	     /* call when it was */
/* Time until the next drain is due at the present rate, ms. */
int ct_session__pause_ms(const struct ct_session *s);
int ct_session__drain(struct ct_session *s); /* 0 or the writer's sticky -errno */
void ct_session__stop(struct ct_session *s);
void ct_session__stats(const struct ct_session *s, struct ct_session_stats *out);
/* What recording costs is measured between these two, and written into the run. */
void ct_session__cost_from_here(struct ct_session *s);
void ct_session__cost_to_here(struct ct_session *s, struct ct_run *run);
void ct_session__free(struct ct_session *s);

/* ---- the program to run (capture/target.c) ---- */
struct ct_target {
	pid_t pid;
	/* a byte written to it lets the program start; its end makes the child give up */
	int go_fd;
	int error_fd; /* errno of a failed start comes from here; end of file: it runs */
	/* set before the fork: when go returns 0 the program stands before its first instruction,
	 * and is traced (ptrace) by us */
	bool stop;
};
/* Forks; the child waits for ct_target__go, then takes the user's rights (NULL: keeps ours) and the
 * signal mask that ctrace was started with. */
int ct_target__fork(struct ct_target *t, char *const argv[], const struct ct_user *as,
	const sigset_t *mask);
/* Returns 0 once the program has replaced the child, or the -errno of execve or of giving up
 * rights. */
int ct_target__go(struct ct_target *t);
/* A program that is traced from its exec on runs until its libraries are mapped, up to its own
 * first instruction, and stops there.  0, -errno, or -ECHILD: it ended before, *status is as
 * wait(2) gives it. */
int ct_target__to_entry(pid_t pid, int *status);
/* Is traced no more, and runs. */
void ct_target__release(pid_t pid);

/* ---- what /proc says (capture/snapshot.c) ---- */
struct ct_task_stat {
	char state; /* letter of /proc/PID/stat */
	u64 voluntary, involuntary;
	ct_ns cpu_ns;
	u32 tgid;
	u32 parent;    /* process */
	u32 inner_tid; /* its id in its own pid namespace; 0: the kernel does not say */
	u64 caught;    /* signals with a handler: bit N - 1 */
	u32 prio; /* kernel priority, as in task_new */
	char name[CT_NAME_LEN + 1];
};
int ct_snapshot__stat(u32 tid, struct ct_task_stat *out); /* 0 or -errno (-ESRCH) */
/* Starts tracing the child that will become the program, and injects TASK_NEW and TASK_NAME. */
int ct_snapshot__adopt_root(struct ct_session *s, u32 tid);
/* 0, or -EPERM: ptrace(2) would not let us look into that process. */
int ct_snapshot__may_look(u32 pid);
/* Adopts every thread of a process and of its descendants; injects what each is doing. */
int ct_snapshot__attach(struct ct_session *s, struct ct_symbolizer *sym, u32 pid);
/* Introduces every traced thread anew, as one that was found, for a trace that begins now. */
void ct_snapshot__introduce_all(struct ct_session *s, struct ct_symbolizer *sym);
/* Nothing is traced any longer; injects the final counters of threads where these can be had
 * exactly. The time at which it ended. */
ct_ns ct_snapshot__detach_all(struct ct_session *s);
/* The process has ended, all its threads, and its parent has not asked for its status. */
bool ct_snapshot__ended(u32 pid);
/* pid's name for a report: its command line's first word, or its comm. */
char *ct_snapshot__name(u32 pid);

/* ---- system call numbers (capture/syscalls.c) ---- */
int ct_syscall__number(const char *name); /* -1: this architecture has none of that name */
void ct_syscall__names(struct ct_names *names); /* all of them, for the trace */

#endif
