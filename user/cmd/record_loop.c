/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the time between start and end: draining, signals and what they mean for the program, a full
 * trace, the look into threads that wait for ever, and the last records after the end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/rights.h"
#include "cmd/hang.h"
#include "cmd/record_int.h"

/* Processes that are told to end do so one after the other: who waits for one that has gone is no
 * news. */
#define MUTE_NS 2000000000ull

/* For what a look into threads that wait may take, for which the report waits; a tenth of a second
 * is usual. */
#define LOOK_CPU_S 30
#define LOOK_WALL_S 60

static void drain(struct recording *r)
{
	int err = ct_session__drain(r->session);

	if (!err || r->wrote_badly)
		return;
	r->wrote_badly = true;
	ct_error("cannot write more to '%s': %s; what is written so far stays readable, the "
		 "program runs on",
		r->path, strerror(-err));
}

/* --max-size: a generation of the trace is full, and a new one begins. */
static void turn_over(struct recording *r)
{
	ct_ns now = record_clock_ns(CLOCK_MONOTONIC), start_ns = r->run.start_ns;
	int err;

	if (r->wrote_badly || !ct_flight__is_full(&r->flight, r->writer))
		return;
	err = ct_writer__flush(r->writer, now);
	err = err ? err : ct_flight__turn(&r->flight, &r->user, r->path, &r->fd, now);
	if (err) {
		ct_error("cannot begin '%s' anew: %s; it grows beyond --max-size", r->path,
			strerror(-err));
		r->flight.most = 0;
		return;
	}
	ct_writer__free(r->writer);
	r->writer = NULL;
	ct_names__free(r->names);
	r->run.start_ns = now;
	r->wrote_badly = record_start_writer(r) != 0;
	r->run.start_ns = start_ns;
	ct_session__sink(r->session, r->writer, r->sym);
	if (!r->wrote_badly)
		ct_snapshot__introduce_all(r->session, r->sym);
}

/* The program was stopped from its terminal: stop with it, as a shell's job does. */
static void stop_too(struct recording *r)
{
	drain(r);
	raise(SIGSTOP);
}

/* ---- who waits for ever, told at once ---- */

/* In a copy of the collector; its symbolizer has the mappings and the stacks of past waits. */
static bool tell_suspicion(struct recording *r, const struct ct_suspicion *s)
{
	struct ct_look look;
	struct ct_verdict v = { 0 };
	u32 stack_id = ct_session__new_stack_id(r->session);

	if (ct_look__closely(&look, s->pids, s->pid_cnt, false))
		return false;
	ct_alarm__recall(r->alarm, &look);
	ct_look__keep_stacks(&look, r->sym);
	for (u32 i = 0; i < s->pid_cnt; i++)
		ct_symbolizer__scan(r->sym, look.start_ns, s->pids[i]);
	ct_look__stacks(&look, r->sym, &stack_id);
	if (record_give_up_rights(r, 0))
		return false;
	ct_limit__reading(LOOK_CPU_S, LOOK_WALL_S);
	return !ct_verdict__make(&v, &look, r->sym, r->run.start_ns) &&
	       ct_verdict__tell(&v, s->tid, r->run.attached);
}

/* The report is to say the same, and by then the program may have gone: whose memory it is that the
 * threads wait at is looked up now. */
static void settle_suspicion(struct recording *r, int status)
{
	bool right = WIFEXITED(status) && WEXITSTATUS(status) == CT_EXIT_FOUND;
	ct_ns now = record_clock_ns(CLOCK_MONOTONIC);

	r->looker = 0;
	ct_alarm__settle(r->alarm, now, right);
	for (u32 i = 0; right && i < r->suspicion.pid_cnt; i++)
		ct_symbolizer__scan(r->sym, now, r->suspicion.pids[i]);
}

/* A look at processes takes a while, and reading their symbols: the collector must not wait for it,
 * so a copy of it does that. */
static void raise_alarm(struct recording *r)
{
	struct ct_suspicion s;
	pid_t pid;

	ct_ns now = record_clock_ns(CLOCK_MONOTONIC);

	if (!r->alarm || r->looker || now < r->mute_ns || !ct_alarm__check(r->alarm, now, &s))
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(tell_suspicion(r, &s) ? CT_EXIT_FOUND : 0);
	if (pid > 0) {
		r->looker = pid;
		r->suspicion = s;
	}
}

/* Reaping a program of many threads is where one must not come before them (hurry()). */
static void let_it_pass(struct recording *r)
{
	siginfo_t end = { 0 };

	if (r->target.pid > 0 && !r->done &&
		!waitid(P_PID, (id_t)r->target.pid, &end, WEXITED | WNOHANG | WNOWAIT) &&
		end.si_pid)
		record_step_back(r);
}

static void reap(struct recording *r)
{
	int status;
	pid_t pid;

	let_it_pass(r);
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid == r->looker)
			settle_suspicion(r, status);
		if (pid != r->target.pid)
			continue;
		if (WIFSTOPPED(status)) {
			if (WSTOPSIG(status) != SIGSTOP)
				stop_too(r);
			continue;
		}
		r->run.wait_status = status;
		r->run.ended = true;
		r->done = true;
	}
}

/* A signal to ctrace alone goes to the program; one from the terminal reached it already. */
static void pass_on(struct recording *r, const struct signalfd_siginfo *si)
{
	r->mute_ns = record_clock_ns(CLOCK_MONOTONIC) + MUTE_NS;
	if (r->run.attached) {
		if (si->ssi_signo == SIGINT || si->ssi_signo == SIGTERM ||
			si->ssi_signo == SIGHUP || si->ssi_signo == SIGQUIT)
			r->done = true;
		return;
	}
	if (si->ssi_code != SI_KERNEL)
		kill(r->target.pid, si->ssi_signo);
}

void record_take_signals(struct recording *r)
{
	struct signalfd_siginfo si;

	while (read(r->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(r);
		else
			pass_on(r, &si);
	}
}

static bool all_gone(const struct recording *r)
{
	for (u32 i = 0; i < r->opts->pid_cnt; i++) {
		u32 pid = r->opts->pids[i];

		if ((!kill(pid, 0) || errno == EPERM) && !ct_snapshot__ended(pid))
			return false;
	}
	return true;
}

void record_drain_until_end(struct recording *r)
{
	ct_ns end = r->opts->duration_s > 0 ? r->from_ns + (ct_ns)(r->opts->duration_s * 1e9)
					    : UINT64_MAX;
	struct pollfd fds[2] = { { .fd = r->signal_fd, .events = POLLIN },
		{ .fd = ct_session__wait_fd(r->session), .events = POLLIN } };

	while (!r->done) {
		ct_ns now = record_clock_ns(CLOCK_MONOTONIC);
		int pause = ct_session__pause_ms(r->session);

		if (now >= end)
			break;
		if (end - now < (ct_ns)pause * 1000000)
			pause = (end - now) / 1000000 + 1;
		poll(fds, 2, pause);
		if (fds[1].revents)
			ct_session__rang(r->session);
		record_take_signals(r);
		drain(r);
		turn_over(r);
		raise_alarm(r);
		if (r->run.attached && all_gone(r)) {
			r->run.ended = true;
			break;
		}
	}
}

/* The dead switch of a thread comes a moment after wait(2) tells of its end. */
static void await_last_switch(struct recording *r)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 100 && ct_session__traces(r->session, r->run.pid); i++)
		nanosleep(&ms, NULL);
	r->run.end_ns = record_clock_ns(CLOCK_MONOTONIC);
	/* its other threads died before it; let the last of them leave the CPU */
	nanosleep(&ms, NULL);
}

void record_stop(struct recording *r)
{
	struct ct_session_stats st;
	ct_ns detached;

	if (r->run.ended && !r->run.attached)
		await_last_switch(r);
	detached = ct_snapshot__detach_all(r->session);
	if (!r->run.end_ns)
		r->run.end_ns = detached;
	ct_session__cost_to_here(r->session, &r->run);
	ct_session__stop(r->session);
	drain(r);
	if (r->looker)
		waitpid(r->looker, NULL, 0); /* what it has to say comes before the report */
	r->looker = 0;
	/* the file is read back before it is finished: the locks of its last second need names */
	if (r->writer && !r->wrote_badly)
		ct_writer__flush(r->writer, record_clock_ns(CLOCK_MONOTONIC));
	ct_session__stats(r->session, &st);
	ct_debug("%llu records, %llu bytes, %llu stacks copied (%llu not, %llu unreadable), %llu "
		 "lost, %llu drains",
		(unsigned long long)st.records, (unsigned long long)st.bytes,
		(unsigned long long)st.stacks, (unsigned long long)st.stacks_dropped,
		(unsigned long long)st.stacks_failed, (unsigned long long)st.lost,
		(unsigned long long)st.drains);
	r->let_go = st.let_go;
	if (st.image_events_lost)
		ct_warn("%llu mappings of code were lost: some functions may lack their names",
			(unsigned long long)st.image_events_lost);
	ct_session__free(r->session);
	r->session = NULL;
}
