/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job: record a program, or what runs already, then report.  Composes the layers and owns
 * the order of things; what each step does is theirs:
 *
 *     arm the probes -> fork (it waits) or attach -> let go -> drain until the end
 *     -> names -> report
 *
 * Nothing that goes wrong after the program has started stops the program.  The rooms: which file
 * it goes to (record_output.c), the start (record_start.c), the time it runs (record_loop.c), names
 * and report (record_end.c).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/record_int.h"

/* --fail-on answers for the run: that nothing was found is only said when it was looked for.  A
 * failure of the program is passed on whatever became of the recording; success is not claimed
 * where there is none. */
static int exit_code(const struct recording *r)
{
	int code;

	if (r->found)
		return CT_EXIT_FOUND;
	if (r->failed || (r->opts->fail_on && !r->judged))
		return CT_EXIT_FAILED;
	if (r->run.attached || !r->run.ended)
		code = 0;
	else
		code = WIFSIGNALED(r->run.wait_status) ? 128 + WTERMSIG(r->run.wait_status)
						       : WEXITSTATUS(r->run.wait_status);
	return !code && r->lost ? CT_EXIT_FAILED : code;
}

/* -d is over and the program is not: its exit status is still ours to give. */
static void await_program(struct recording *r)
{
	struct pollfd fd = { .fd = r->signal_fd, .events = POLLIN };

	if (!r->run.attached && !r->run.ended && !r->opts->quiet)
		ct_info("the recording has ended; waiting for %s to end", r->run.argv[0]);
	while (!r->run.attached && !r->run.ended) {
		poll(&fd, 1, -1);
		record_take_signals(r);
	}
}

static void clear(struct recording *r)
{
	ct_watcher__free(r->watch);
	ct_session__free(r->session);
	ct_alarm__free(r->alarm);
	ct_symbolizer__free(r->sym);
	if (r->writer)
		ct_writer__free(r->writer);
	if (r->names)
		ct_names__free(r->names);
	ct_run__clear(&r->run);
	ct_rights__clear(&r->user);
	free(r->path);
	free(r->previous);
	if (r->fd >= 0)
		close(r->fd);
}

/* Before anything runs: a run may be long, and not be made again. */
static int check_json(struct recording *r)
{
	const struct ct_traces traces = { (const char *const *)&r->path, 1 };
	const char *file = r->opts->json_file;
	int err = file ? ct_export__check(file, &traces, NULL) : 0;

	if (err)
		record_discard_output(r);
	return err;
}

static int run_recording(struct recording *r)
{
	int code;

	if (record_open_session(r) || record_open_output(r) || check_json(r))
		return CT_EXIT_FAILED;
	record_open_signals(r);
	r->sym = ct_symbolizer__new();
	ct_session__sink(r->session, NULL, r->sym);
	r->alarm = r->opts->quiet ? NULL : ct_alarm__new();
	ct_session__watch(r->session, r->alarm);
	if (r->opts->watch && record_open_watch(r)) {
		record_discard_output(r);
		return CT_EXIT_FAILED;
	}
	code = r->run.attached ? record_start_attached(r) : record_start_program(r);
	r->from_ns = record_clock_ns(CLOCK_MONOTONIC);
	ct_session__cost_from_here(r->session);
	ct_flight__begin(&r->flight, r->opts->max_size, r->run.start_ns);
	if (code || r->listed) {
		record_calm_down(r);
		return code;
	}
	ct_session__sink(r->session, r->writer, r->sym);
	signal(SIGPIPE, SIG_IGN); /* only now: the program keeps what it was given */
	signal(SIGTTOU, SIG_IGN); /* the report may be written when the shell is in front */
	record_drain_until_end(r);
	record_stop(r);
	record_calm_down(r);
	if (record_give_up_rights(r, 0))
		return CT_EXIT_FAILED;
	record_finish_trace(r);
	await_program(r);
	return exit_code(r);
}

int ct_record__once(const struct ct_opts *opts, struct ct_recorded *out)
{
	struct recording r = { .opts = opts, .fd = -1, .signal_fd = -1 };
	int code, err = ct_rights__caller(&r.user);

	if (err) {
		ct_error("SUDO_UID and SUDO_GID hold no user: unset them, or call ctrace by sudo");
		return CT_EXIT_FAILED;
	}
	if (opts->as_root && geteuid() != 0) {
		ct_error("--as-root needs root: run ctrace with sudo");
		ct_rights__clear(&r.user);
		return CT_EXIT_FAILED;
	}
	record_describe(&r);
	if (record_is_misspelt(opts)) {
		record_say_not_started(&r, -ENOENT);
		code = record_exit_code(-ENOENT);
	} else {
		code = run_recording(&r);
	}
	if (out)
		*out = (struct ct_recorded){ .written = r.finished, .found = r.found };
	clear(&r);
	return code;
}

int ct_cmd_run(const struct ct_opts *opts)
{
	return opts->runs ? ct_record__series(opts) : ct_record__once(opts, NULL);
}
