/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `-r N`: the same recording N times, one after the other, each with its trace, then a summary in
 * place of N reports.  Each run is recorded by a process of its own, for recording gives up root
 * when it is done; this one waits, passes signals on, and gives up root itself before it reads the
 * traces.  What ends the program by a signal ends the series: the run that is going on is finished
 * like any other.
 *
 * Exit status: 90 when any run had what --fail-on names; else that of the first run that did not
 * end with 0, for a bad run is bad whatever came after it; else 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rights.h"
#include "capture/watch.h"
#include "cmd/cmd.h"

/* Seeds are numbers of six digits.  This step has no factor in common with how many there are, so
 * no two runs have the same; and it is far, for delays of near seeds are alike. */
#define SEEDS 900000u
#define SEED_LEAST 100000u
#define SEED_STEP 556231u

struct series {
	const struct ct_opts *opts;
	struct ct_user user;
	sigset_t old_mask, mask;
	bool stopped; /* by a signal that asks for the end */
	bool interrupted; /* ... that the last run got */
	bool broken;  /* a recording failed: the next would, too */
	bool failed;  /* the same, or the runs could not be summed up */
	bool found;   /* in any run, what --fail-on named */
	int code;     /* of the first run that did not end with 0; of one that was not recorded */
	u64 seed;     /* of the first run; 0: they are not shaken */
	/* of each run that left a trace */
	CT_VEC(char *) paths;
	CT_VEC(u64) seeds;
	CT_VEC(bool) hits; /* --fail-on */
};

/* Each run has delays of its own; those of the first are the ones that --shake=SEED has without -r,
 * and what one run showed can be shown again without the runs before it. */
static u64 seed_of(const struct series *s, u32 number)
{
	u64 offset = number > 1 ? (u64)(number - 1) * SEED_STEP : 0;

	if (!s->seed || !offset)
		return s->seed;
	return SEED_LEAST + (s->seed % SEEDS + SEEDS - SEED_LEAST + offset) % SEEDS;
}

/* PROGRAM.ctrace -> PROGRAM.3.ctrace; another name gets its number at the end. */
static char *path_of(const struct ct_opts *opts, u32 number)
{
	static const char suffix[] = ".ctrace";
	const char *name = strrchr(opts->argv[0], '/');
	char *bare, *path;
	size_t len;

	name = name ? name + 1 : opts->argv[0];
	bare = opts->output ? ct_strdup(opts->output)
			    : ct_asprintf("%s%s", name[0] ? name : "trace", suffix);
	len = strlen(bare);
	if (len > strlen(suffix) && !strcmp(bare + len - strlen(suffix), suffix))
		path = ct_asprintf(
			"%.*s.%u%s", (int)(len - strlen(suffix)), bare, number, suffix);
	else
		path = ct_asprintf("%s.%u", bare, number);
	free(bare);
	return path;
}

/* ---- one run ---- */

static void record_in_child(const struct series *s, u32 number, char *path, int result_fd)
{
	struct ct_opts run = *s->opts;
	struct ct_recorded done = { 0 };
	int code;

	run.keep_old = true; /* nobody named each of these files */
	run.output = path;
	run.runs = 0;
	run.in_series = true;
	run.seed = seed_of(s, number);
	run.json = false;
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	code = ct_record__once(&run, &done);
	if (write(result_fd, &done, sizeof(done)) != sizeof(done))
		code = CT_EXIT_FAILED;
	fflush(NULL);
	_exit(code);
}

/* One from the terminal reached the recording and its program already. */
static void take_signal(struct series *s, const siginfo_t *si, pid_t pid)
{
	if (si->si_signo == SIGCHLD)
		return;
	if (si->si_signo != SIGUSR1 && si->si_signo != SIGUSR2)
		s->stopped = true, s->interrupted = pid != 0;
	if (si->si_code != SI_KERNEL && pid)
		kill(pid, si->si_signo);
}

/* Waits for the recording; its status as wait(2) gives it. */
static int await(struct series *s, pid_t pid)
{
	siginfo_t si;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0)
			return CT_EXIT_FAILED << 8;
		if (sigwaitinfo(&s->mask, &si) > 0)
			take_signal(s, &si, pid);
	}
}

static void announce(const struct series *s, u32 number, const char *path)
{
	char *seed = s->seed ? ct_asprintf(", --shake=%" PRIu64, seed_of(s, number))
			     : ct_strdup("");

	if (!s->opts->quiet)
		ct_info("run %u of %u: %s%s", number, s->opts->runs, path, seed);
	free(seed);
}

/* What a run that left no trace left. */
static void take_failure(struct series *s, int code)
{
	s->broken = s->failed = true;
	s->code = code < CT_EXIT_FAILED || code > 127 ? CT_EXIT_FAILED : code;
}

static void record_one(struct series *s, u32 number)
{
	struct ct_recorded done = { 0 };
	char *path = path_of(s->opts, number);
	int ends[2], status, code;
	pid_t pid;

	announce(s, number, path);
	fflush(NULL);
	pid = pipe(ends) ? -1 : fork();
	if (pid < 0) {
		ct_error("cannot start run %u: %s", number, strerror(errno));
		take_failure(s, CT_EXIT_FAILED);
		free(path);
		return;
	}
	if (!pid) {
		close(ends[0]);
		record_in_child(s, number, path, ends[1]);
	}
	close(ends[1]);
	status = await(s, pid);
	if (read(ends[0], &done, sizeof(done)) != sizeof(done))
		memset(&done, 0, sizeof(done));
	close(ends[0]);
	code = WIFSIGNALED(status) ? CT_EXIT_FAILED : WEXITSTATUS(status);
	if (!done.written) {
		take_failure(s, code);
		free(path);
		return;
	}
	s->found |= done.found;
	s->code = s->code ? s->code : done.found ? 0 : code;
	*ct_vec_push(&s->paths) = path;
	*ct_vec_push(&s->seeds) = seed_of(s, number);
	*ct_vec_push(&s->hits) = done.found;
}

/* ---- all of them ---- */

static void open_signals(struct series *s)
{
	static const int taken[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

	sigemptyset(&s->mask);
	for (size_t i = 0; i < CT_COUNT(taken); i++)
		sigaddset(&s->mask, taken[i]);
	sigprocmask(SIG_BLOCK, &s->mask, &s->old_mask);
}

/* A signal that came between two runs. */
static void look_for_signals(struct series *s)
{
	static const struct timespec now = { 0 };
	siginfo_t si;

	while (sigtimedwait(&s->mask, &si, &now) > 0)
		take_signal(s, &si, 0);
}

/* Whether it was moved; only a trace is. */
static bool move_aside(const struct series *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	bool moved = fd >= 0 && ct_source__is_trace(fd);
	char *old = ct_asprintf("%s.old", path);

	if (fd >= 0)
		close(fd);
	if (moved) /* root was given up, or the caller is to be root */
		moved = !(s->opts->as_root ? ct_rights__rename_as(&s->user, path, old)
					   : rename(path, old));
	if (moved)
		ct_info("'%s' was of an earlier series; it is '%s' now", path, old);
	free(old);
	return moved;
}

/* Traces of a longer series before this one would be taken for its own by a pattern. */
static void put_older_aside(const struct series *s)
{
	bool moved = true;

	for (u32 number = s->paths.cnt + 1; moved; number++) {
		char *path = path_of(s->opts, number);

		moved = move_aside(s, path);
		free(path);
	}
}

static int write_json(const void *what, FILE *out)
{
	return ct_series__write_json(what, out);
}

static int print_json(const struct series *s, const struct ct_series_in *in)
{
	const struct ct_writer w = { .write = write_json, .what = in };
	const struct ct_traces traces = { (const char *const *)s->paths.at, s->paths.cnt };

	return ct_export__json_out(s->opts, &w, &traces);
}

static int print_summary(
	const struct series *s, const struct ct_profile *runs, const struct ct_outcomes *outcomes)
{
	const struct ct_series_in in = { .runs = runs, .outcomes = outcomes,
		.names = (const char *const *)s->paths.at,
		.cnt = s->paths.cnt, .wanted = s->opts->runs,
		.interrupted = s->interrupted && !s->broken,
		.seeds = s->seed ? s->seeds.at : NULL };
	struct ct_report_opts ro;

	if (s->opts->json)
		return print_json(s, &in);
	if (s->opts->quiet)
		return 0;
	ct_term__report_opts(&ro, stderr, s->opts->verbose);
	return ct_series__write(&in, &ro, stderr);
}

/* Its own root is given up before the traces, made by and from the program, are read. */
static void sum_up(struct series *s)
{
	struct ct_profile *runs = ct_alloc((s->paths.cnt + 1) * sizeof(*runs));
	struct ct_outcomes_in oi = { .runs = runs, .cnt = s->paths.cnt, .found = s->hits.at,
		.interrupted = s->interrupted && !s->broken };
	struct ct_outcomes outcomes;
	struct ct_study study;

	if (!s->opts->as_root && ct_rights__give_up(&s->user))
		ct_debug("cannot give up root: %s", strerror(errno));
	for (u32 i = 0; i < s->paths.cnt; i++) {
		if (ct_study__open(&study, NULL, s->paths.at[i])) {
			s->failed = true;
			s->code = CT_EXIT_FAILED;
			goto out;
		}
		ct_profile__compute(&runs[i], &study.facts);
		ct_study__close(&study);
	}
	ct_outcomes__compute(&outcomes, &oi);
	if (print_summary(s, runs, &outcomes) && s->opts->json_file) {
		s->failed = true;
		s->code = CT_EXIT_FAILED;
	}
	ct_outcomes__clear(&outcomes);
	put_older_aside(s);
out:
	for (u32 i = 0; i < s->paths.cnt; i++)
		ct_profile__clear(&runs[i]);
	free(runs);
}

int ct_record__series(const struct ct_opts *opts)
{
	struct series s = { .opts = opts };
	const struct ct_traces none = { 0 };
	int code;

	if (ct_rights__caller(&s.user)) {
		ct_error("SUDO_UID and SUDO_GID hold no user: unset them, or call ctrace by sudo");
		return CT_EXIT_FAILED;
	}
	if (opts->json_file && ct_export__check(opts->json_file, &none, NULL)) {
		ct_rights__clear(&s.user);
		return CT_EXIT_FAILED;
	}
	open_signals(&s);
	if (opts->shake)
		s.seed = opts->seed ? opts->seed : ct_watch_any_seed();
	for (u32 i = 1; i <= opts->runs && !s.stopped && !s.broken; i++) {
		record_one(&s, i);
		if (i < opts->runs)
			look_for_signals(&s);
	}
	if (s.paths.cnt)
		sum_up(&s);
	code = s.found && !s.failed ? CT_EXIT_FOUND : s.code;
	for (u32 i = 0; i < s.paths.cnt; i++)
		free(s.paths.at[i]);
	ct_vec_free(&s.paths);
	ct_vec_free(&s.seeds);
	ct_vec_free(&s.hits);
	ct_rights__clear(&s.user);
	return code;
}
