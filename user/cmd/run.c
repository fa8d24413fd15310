/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job: record a program, or what runs already, then report.  Composes the layers and owns
 * the order of things; what each step does is theirs:
 *
 *     arm the probes -> fork (it waits) or attach -> let go -> drain until the end
 *     -> names -> report
 *
 * The report is made from the file just written, as `ctrace report` would.  Nothing that goes wrong
 * after the program has started stops the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rights.h"
#include "capture/alarm.h"
#include "capture/capture.h"
#include "cmd/flight.h"
#include "capture/watch.h"
#include "cmd/hang.h"
#include "version.h"

/* The most that reading the program's symbols may take; far more than any program should need. */
#define NAMING_CPU_S 300
#define NAMING_WALL_S 600
#define NAMING_BYTES (8ull << 30)

/* Processes that are told to end do so one after the other: who waits for one that has gone is no
 * news. */
#define MUTE_NS 2000000000ull

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
	ct_ns mute_ns;		/* until then nothing is announced: the program was told to end */
	pid_t looker;		/* looks into a suspicion of the alarm; 0: nobody does */
	struct ct_flight flight;
	ct_ns from_ns;		/* -d counts from here: the program goes, or all are attached to */
	bool done;
	bool wrote_badly; /* the trace could not be written to its end */
	bool judged;	  /* the findings were made */
	bool failed;	  /* --json=FILE could not be written */
	off_t out_size;	  /* of standard output when the program was let go; -1: no file */
	bool found;	  /* one of them was what --fail-on named */
	bool finished;	  /* there is a trace, whole or not */
};

static ct_ns clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* ---- the output file ---- */

static char *default_path(const struct recording *r)
{
	const char *name = r->run.argv[0], *slash = strrchr(name, '/');

	name = slash ? slash + 1 : name;
	return ct_asprintf("%s.ctrace", name[0] ? name : "trace");
}

/* Where nobody named the file, the recording before this one is kept: one may want to compare. */
static void keep_previous(struct recording *r)
{
	if ((r->opts->output && !r->opts->keep_old) || access(r->path, F_OK))
		return;
	r->previous = ct_asprintf("%s.old", r->path);
	if (ct_rights__rename_as(&r->user, r->path, r->previous)) {
		free(r->previous);
		r->previous = NULL;
	}
}

/* A name typed wrong must not cost a source file: only a trace, or nothing, is overwritten. */
static bool may_overwrite(int fd)
{
	struct stat st;

	return fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size || ct_source__is_trace(fd);
}

/* Held while this process lives: who reads the trace meanwhile can tell why it has no end, and a
 * second recording cannot be written over the first.  A file system without locks does without. */
static bool claim(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	return fstat(fd, &st) || !S_ISREG(st.st_mode) || !fcntl(fd, F_OFD_SETLK, &lock) ||
	       (errno != EAGAIN && errno != EACCES);
}

static int refuse_output(struct recording *r, const char *why)
{
	ct_error("will not write over '%s': %s; name another place with -o FILE", r->path, why);
	return -EEXIST;
}

static int open_output(struct recording *r)
{
	r->path = r->opts->output ? ct_strdup(r->opts->output) : default_path(r);
	keep_previous(r);
	r->fd = ct_rights__open_as(&r->user, r->path, O_RDWR | O_CREAT | O_EXCL, 0644);
	r->created = r->fd >= 0;
	if (r->fd == -EEXIST)
		r->fd = ct_rights__open_as(&r->user, r->path, O_RDWR, 0644);
	if (r->fd < 0) {
		ct_error("cannot write the trace to '%s': %s; name another place with -o FILE",
			r->path, r->fd == -ELOOP ? "it is a symbolic link" : strerror(-r->fd));
		return r->fd;
	}
	if (!r->created && !may_overwrite(r->fd))
		return refuse_output(r, "it is not a trace");
	if (!claim(r->fd))
		return refuse_output(r, "another ctrace is recording to it");
	return 0;
}

/* The program did not start: what was there before stays. */
static void discard_output(struct recording *r)
{
	if (r->created)
		ct_rights__unlink_as(&r->user, r->path);
	if (r->previous)
		ct_rights__rename_as(&r->user, r->previous, r->path);
}

/* ---- what is known of the run before it starts ---- */

static u32 count_cpus(pid_t pid)
{
	cpu_set_t set;

	return sched_getaffinity(pid, sizeof(set), &set) ? (u32)sysconf(_SC_NPROCESSORS_ONLN)
							 : (u32)CPU_COUNT(&set);
}

static char **copy_words(char *const *words, int cnt)
{
	char **copy = ct_alloc((cnt + 1) * sizeof(*copy));

	for (int i = 0; i < cnt; i++)
		copy[i] = ct_strdup(words[i]);
	return copy;
}

static void describe_machine(struct ct_run *run)
{
	struct utsname u;

	uname(&u);
	run->arch = ct_strdup(u.machine);
	run->kernel = ct_strdup(u.release);
	run->host = ct_strdup(u.nodename);
	run->version = ct_strdup(CT_VERSION);
	run->libc = ct_strdup("");
	run->cpus_machine = sysconf(_SC_NPROCESSORS_ONLN);
}

static void describe_run(struct recording *r)
{
	const struct ct_opts *o = r->opts;
	struct ct_run *run = &r->run;

	run->attached = o->pid_cnt > 0;
	if (run->attached) {
		run->argv = ct_alloc((o->pid_cnt + 1) * sizeof(*run->argv));
		for (u32 i = 0; i < o->pid_cnt; i++) {
			char *before = run->pids;

			run->argv[i] = ct_snapshot__name(o->pids[i]);
			run->pids = ct_asprintf(
				"%s%s%u", before ? before : "", before ? "," : "", o->pids[i]);
			free(before);
		}
		run->pid = o->pids[0];
	} else {
		run->argv = copy_words(o->argv, o->argc);
	}
	for (u32 i = 0; i < o->label_cnt; i++)
		ct_run__add_label(run, o->labels[i]);
	run->sample_hz = o->sample_hz;
	run->stacks = o->stacks;
	run->futex_calls =
		o->futex == CT_FUTEX_DEFAULT ? !run->attached : o->futex == CT_FUTEX_CALLS;
	describe_machine(run);
	if (o->redact)
		ct_run__redact(run);
}

static void stamp_start(struct ct_run *run)
{
	run->start_ns = clock_ns(CLOCK_MONOTONIC);
	run->start_real_ns = clock_ns(CLOCK_REALTIME);
	run->boot_offset_ns = clock_ns(CLOCK_BOOTTIME) - run->start_ns;
	run->cpus = count_cpus(run->pid);
}

/* ---- starting ---- */

static int open_session(struct recording *r)
{
	const struct ct_session_opts so = { .stacks = r->run.stacks,
		.futex_calls = r->run.futex_calls,
		.sample_hz = r->run.sample_hz,
		.follow_secure = geteuid() == 0 && (!r->user.differs || r->opts->as_root),
		.watch = r->opts->watch != NULL,
		.shake = r->opts->shake,
		.buffer_bytes = r->opts->buffer_bytes };
	char *why = NULL;
	int err = ct_session__open(&r->session, &so, &why);

	if (err)
		ct_error("cannot record: %s", why ? why : strerror(-err));
	free(why);
	if (!err && r->run.futex_calls && !ct_session__has_futex_calls(r->session)) {
		r->run.futex_calls = false;
		if (access("/sys/kernel/tracing/", X_OK) && errno == EACCES)
			ct_warn("no futex calls, only what switches tell: without root tracefs "
				"cannot be read; --futex=switch asks for no more");
		else
			ct_warn("no futex calls, only what switches tell: tracefs is not there; "
				"mount -t tracefs nodev /sys/kernel/tracing");
	}
	return err;
}

/* The collector's own descriptors for what can happen.  Signals that end or stop are taken from
 * here, so that the program gets them first and the trace is finished whatever comes. */
static void open_signals(struct recording *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, &r->old_mask);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start_writer(struct recording *r)
{
	int err = ftruncate(r->fd, 0) ? -errno : 0;

	if (err == -EINVAL) /* a device: nothing to cut */
		err = 0;
	err = err ? err : ct_writer__new(&r->writer, r->fd, &r->run);
	r->names = ct_names__new();
	ct_syscall__names(r->names);
	/* now, so that also a recording that is never finished says what its calls were */
	if (!err)
		err = ct_writer__names(r->writer, r->names);
	if (err)
		ct_error("cannot write the trace to '%s': %s; the program runs on, unrecorded; "
			 "name another place with -o FILE",
			r->path, strerror(-err));
	return err;
}

/* A first word that is no program may be meant otherwise. */
static void say_not_started(const struct recording *r, int err)
{
	const char *name = r->opts->argv[0], *near = ct_cli__near_command(name);
	size_t len = strlen(name);
	struct stat st;

	if (strchr(name, '/') && !stat(name, &st) && S_ISDIR(st.st_mode))
		ct_error("cannot run '%s': it is a directory", name);
	else if (len > 7 && !strcmp(name + len - 7, ".ctrace") && !access(name, F_OK))
		ct_error("cannot run '%s': it is a trace; 'ctrace report %s' shows it", name, name);
	else if (err == -ENOENT && !strchr(name, '/') && !access(name, X_OK))
		ct_error("cannot run '%s': it is not in PATH; did you mean './%s'?", name, name);
	else if (err == -ENOENT && !strchr(name, '/') && near)
		ct_error("cannot run '%s': no such program; did you mean 'ctrace %s'?", name, near);
	else if (err == -ENOENT && !strchr(name, '/'))
		ct_error("cannot run '%s': no such program, and no command of ctrace; try 'ctrace "
			 "--help'",
			name);
	else
		ct_error("cannot run '%s': %s", name, strerror(-err));
}

static bool is_in_path(const char *name)
{
	const char *path = getenv("PATH");
	bool found = !path; /* then execvp() has a path of its own */

	while (!found && path) {
		int len = strcspn(path, ":");
		char *whole = ct_asprintf("%.*s%s/%s", len, path, len ? "" : ".", name);

		found = !access(whole, F_OK);
		free(whole);
		path = path[len] ? path + len + 1 : NULL;
	}
	return found;
}

/* `ctrace reprot x.ctrace` is no recording, and needs no root to be told so. */
static bool is_misspelt(const struct ct_opts *opts)
{
	return opts->argc && !strchr(opts->argv[0], '/') && ct_cli__near_command(opts->argv[0]) &&
	       access(opts->argv[0], F_OK) && !is_in_path(opts->argv[0]);
}

static int exit_code_of_start(int err)
{
	return err == -ENOENT ? 127 : 126;
}

/* A late collector loses events.  After the fork: the program keeps its own priority.  Where it is
 * refused, the rings must do. */
static void hurry(void)
{
	setpriority(PRIO_PROCESS, 0, -20);
}

/* How much is in the file that standard output is; -1: it is none, and nobody knows. */
static off_t stdout_size(void)
{
	struct stat st;

	return !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) ? st.st_size : -1;
}

/* The probes are loaded and hold their own rights: from here on this process has those of the user
 * who called, and what `keep` says.  With --as-root that user is root. */
static int give_up_rights(struct recording *r, u32 keep)
{
	int err;

	if (r->user.differs && r->opts->as_root)
		return 0;
	if (r->watch && keep) /* its registers are set anew while the program runs */
		return 0;
	if (geteuid() == 0 && !r->user.differs)
		keep |= CT_KEEP_FILES_KILL | (keep ? CT_KEEP_PTRACE : 0);
	err = ct_rights__settle(&r->user, keep);
	if (err)
		ct_error("cannot give up the rights that are no longer needed: %s", strerror(-err));
	return err;
}

/* ---- --watch ---- */

static int open_watch(struct recording *r)
{
	const struct ct_watch_opts wo = { .what = r->opts->watch, .shake = r->opts->shake,
		.seed = r->opts->seed,
		.as = r->user.differs && !r->opts->as_root ? &r->user : NULL };
	char *why = NULL;
	int err = ct_watcher__new(&r->watch, r->session, &wo, &why);

	if (err)
		ct_error("cannot watch: %s", why ? why : strerror(-err));
	free(why);
	return err;
}

static void announce_watch(const struct recording *r)
{
	char *text = ct_watcher__announce(r->watch);

	ct_info("%s", text);
	free(text);
}

/* It stands before its first instruction. Without what was asked for it does not run at all. */
static int watch_program(struct recording *r)
{
	char *why = NULL;
	int status = 0, err = ct_watcher__program(r->watch, r->target.pid, &status, &why);

	if (err == -ECHILD) { /* it could not even begin, and has said why */
		r->run.wait_status = status;
		r->run.ended = r->done = true;
		return 0;
	}
	if (err) {
		ct_error("cannot watch: %s", why ? why : strerror(-err));
		kill(r->target.pid, SIGKILL);
		waitpid(r->target.pid, NULL, 0);
		discard_output(r);
	} else {
		announce_watch(r);
	}
	free(why);
	return err ? CT_EXIT_FAILED : 0;
}

static int watch_attached(struct recording *r)
{
	char *why = NULL;
	int err = ct_watcher__process(r->watch, r->opts->pids[0], &why);

	if (err) {
		ct_error("cannot watch: %s", why ? why : strerror(-err));
		discard_output(r);
	} else {
		announce_watch(r);
	}
	free(why);
	return err ? CT_EXIT_FAILED : 0;
}

static int start_program(struct recording *r)
{
	const struct ct_user *as = r->user.differs && !r->opts->as_root ? &r->user : NULL;
	int err;

	r->target.stop = r->watch != NULL;
	err = ct_target__fork(&r->target, r->opts->argv, as, &r->old_mask);

	if (err) {
		ct_error("cannot fork: %s", strerror(-err));
		return CT_EXIT_FAILED;
	}
	hurry();
	r->run.pid = r->target.pid;
	ct_session__follow_images(r->session, r->run.pid);
	err = ct_snapshot__adopt_root(r->session, r->run.pid);
	if (err) {
		ct_error("the program ended before it began: %s", strerror(-err));
		return CT_EXIT_FAILED;
	}
	stamp_start(&r->run);
	r->out_size = stdout_size();
	err = ct_target__go(&r->target);
	if (err) {
		say_not_started(r, err);
		waitpid(r->target.pid, NULL, 0);
		discard_output(r);
		return exit_code_of_start(err);
	}
	/* its own processes' memory it may read without */
	if (give_up_rights(r, CT_KEEP_MAP_FILES))
		return CT_EXIT_FAILED;
	start_writer(r); /* a failure is said, and kept; the program runs */
	return r->watch ? watch_program(r) : 0;
}

static const char *why_not_attached(int err)
{
	if (err == -ESRCH)
		return "there is no such process";
	return err == -EPERM ? "it belongs to another user; run ctrace with sudo" : strerror(-err);
}

static int start_attached(struct recording *r)
{
	u32 i, attached = 0;
	int err;

	stamp_start(&r->run);
	if (start_writer(r))
		return CT_EXIT_FAILED;
	ct_session__sink(r->session, r->writer, r->sym); /* threads attached first may be busy */
	hurry();
	if (give_up_rights(r, CT_KEEP_PTRACE | CT_KEEP_MAP_FILES))
		return CT_EXIT_FAILED;
	for (i = 0; i < r->opts->pid_cnt; i++) {
		u32 pid = r->opts->pids[i];

		if (ct_snapshot__ended(pid)) {
			ct_error("process %u has ended and was not collected by its parent", pid);
			continue;
		}
		err = ct_snapshot__may_look(pid);
		if (!err)
			err = ct_snapshot__attach(r->session, r->sym, pid);
		if (err)
			ct_error("cannot attach to %u: %s", pid, why_not_attached(err));
		else
			attached++;
	}
	if (attached < r->opts->pid_cnt) {
		discard_output(r);
		return CT_EXIT_FAILED;
	}
	if (!r->opts->quiet)
		ct_info("recording %u process%s; Ctrl-C ends it", attached,
			attached == 1 ? "" : "es");
	return r->watch ? watch_attached(r) : 0;
}


/* ---- while it runs ---- */

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
	ct_ns now = clock_ns(CLOCK_MONOTONIC), start_ns = r->run.start_ns;
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
	r->wrote_badly = start_writer(r) != 0;
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
	if (give_up_rights(r, 0))
		return false;
	return !ct_verdict__make(&v, &look, r->sym, r->run.start_ns) &&
	       ct_verdict__tell(&v, s->tid, r->run.attached);
}

static void settle_suspicion(struct recording *r, int status)
{
	r->looker = 0;
	ct_alarm__settle(r->alarm, clock_ns(CLOCK_MONOTONIC),
		WIFEXITED(status) && WEXITSTATUS(status) == CT_EXIT_FOUND);
}

/* A look at processes takes a while, and reading their symbols: the collector must not wait for it,
 * so a copy of it does that. */
static void raise_alarm(struct recording *r)
{
	struct ct_suspicion s;
	pid_t pid;

	ct_ns now = clock_ns(CLOCK_MONOTONIC);

	if (!r->alarm || r->looker || now < r->mute_ns || !ct_alarm__check(r->alarm, now, &s))
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0) /* as urgent as the collector: a tenth of a second of CPU, once */
		_exit(tell_suspicion(r, &s) ? CT_EXIT_FOUND : 0);
	if (pid > 0)
		r->looker = pid;
}

static void reap(struct recording *r)
{
	int status;
	pid_t pid;

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
	r->mute_ns = clock_ns(CLOCK_MONOTONIC) + MUTE_NS;
	if (r->run.attached) {
		if (si->ssi_signo == SIGINT || si->ssi_signo == SIGTERM ||
			si->ssi_signo == SIGHUP || si->ssi_signo == SIGQUIT)
			r->done = true;
		return;
	}
	if (si->ssi_code != SI_KERNEL)
		kill(r->target.pid, si->ssi_signo);
}

static void take_signals(struct recording *r)
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

static void record(struct recording *r)
{
	ct_ns end = r->opts->duration_s > 0 ? r->from_ns + (ct_ns)(r->opts->duration_s * 1e9)
					    : UINT64_MAX;
	struct pollfd fds[2] = { { .fd = r->signal_fd, .events = POLLIN },
		{ .fd = ct_session__wait_fd(r->session), .events = POLLIN } };

	while (!r->done) {
		ct_ns now = clock_ns(CLOCK_MONOTONIC);
		int pause = ct_session__pause_ms(r->session);

		if (now >= end)
			break;
		if (end - now < (ct_ns)pause * 1000000)
			pause = (end - now) / 1000000 + 1;
		poll(fds, 2, pause);
		if (fds[1].revents)
			ct_session__rang(r->session);
		take_signals(r);
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
	r->run.end_ns = clock_ns(CLOCK_MONOTONIC);
	/* its other threads died before it; let the last of them leave the CPU */
	nanosleep(&ms, NULL);
}

static void finish_recording(struct recording *r)
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
		ct_writer__flush(r->writer, clock_ns(CLOCK_MONOTONIC));
	ct_session__stats(r->session, &st);
	ct_debug("%llu records, %llu bytes, %llu stacks copied (%llu not, %llu unreadable), %llu "
		 "lost, %llu drains",
		(unsigned long long)st.records, (unsigned long long)st.bytes,
		(unsigned long long)st.stacks, (unsigned long long)st.stacks_dropped,
		(unsigned long long)st.stacks_failed, (unsigned long long)st.lost,
		(unsigned long long)st.drains);
	if (st.let_go)
		ct_warn("%u program%s with rights of %s own (set-user-id) ran on, unrecorded",
			st.let_go, st.let_go == 1 ? "" : "s", st.let_go == 1 ? "its" : "their");
	if (st.image_events_lost)
		ct_warn("%llu mappings of code were lost: some functions may lack their names",
			(unsigned long long)st.image_events_lost);
	ct_session__free(r->session);
	r->session = NULL;
}

/* ---- after it: names and report ---- */

struct progress {
	ct_ns next_ns;
};

static void show_progress(void *arg, u32 done, u32 all)
{
	struct progress *p = arg;
	ct_ns now = clock_ns(CLOCK_MONOTONIC);

	if (now < p->next_ns)
		return;
	p->next_ns = now + 2000000000ull;
	ct_info("naming the places where threads waited: %u of %u stacks", done, all);
}

static void name_stacks(struct recording *r)
{
	struct progress p = { .next_ns = clock_ns(CLOCK_MONOTONIC) + 2000000000ull };

	ct_symbolizer__resolve(r->sym, r->names, show_progress, &p);
	free(r->run.libc);
	r->run.libc = ct_strdup(ct_symbolizer__libc(r->sym, r->run.pid));
}

static int print_json(struct recording *r, const struct ct_export_in *in)
{
	int err;

	if (!r->opts->json_file && !r->run.attached && stdout_size() > r->out_size &&
		r->out_size >= 0)
		ct_warn("the program's own output stands before the JSON; --json=FILE keeps them "
			"apart");
	err = ct_export__json(r->opts, in, r->path, stdout);
	r->failed = r->opts->json_file && err;
	return err;
}

static int print_report(struct recording *r, struct ct_source *source, const struct ct_facts *facts)
{
	struct ct_report_opts ro;

	if (r->opts->json) {
		const struct ct_export_in in = { facts, source };

		return print_json(r, &in);
	}
	if (r->opts->quiet || (r->opts->in_series && !r->opts->verbose))
		return 0;
	ct_term__report_opts(&ro, stderr, r->opts->verbose);
	return ct_report__write(facts, &ro, stderr);
}

/* The page belongs beside a trace that is a file; one on its way elsewhere has no place for it, and
 * where the trace had no room it would have none either. Of a series, `ctrace view` makes the page
 * that somebody wants to see. */
static void write_page(
	struct recording *r, struct ct_source *source, const struct ct_facts *facts)
{
	const struct ct_export_in in = { facts, source };
	struct stat st;
	char *page;

	if (r->opts->no_html || r->opts->in_series || r->wrote_badly || fstat(r->fd, &st) ||
		!S_ISREG(st.st_mode))
		return;
	page = ct_view__write_beside(&in, r->path);
	if (page && !r->opts->quiet)
		ct_info("the same with a timeline is in %s, for a browser ('%s view %s' opens it)",
			page, program_invocation_name, r->path);
	free(page);
}

/* The recording is read back from its file, through the same door as any trace; what could not be
 * written for lack of space is missing here, too, and said. */
static struct ct_source *read_back(const struct recording *r)
{
	struct ct_source *source;
	char self[64], *why = NULL;
	int err;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", r->fd);
	err = ct_source__open(&source, self, &why);
	if (err)
		ct_error("cannot read '%s' back: %s", r->path, why ? why : strerror(-err));
	free(why);
	return err ? NULL : source;
}

static void write_end(struct recording *r)
{
	int err = ct_writer__finish(r->writer, &r->run, r->names);

	if (err && !r->wrote_badly)
		ct_error("cannot finish '%s': %s; what was written before stays readable", r->path,
			strerror(-err));
}

static void name_and_write_end(struct recording *r)
{
	struct ct_source *source;
	struct ct_model *m;

	name_stacks(r);
	source = read_back(r);
	if (source) {
		m = ct_model__build(source, r->names);
		ct_locks__name(r->sym, r->names, m, r->watch);
		ct_model__free(m);
		ct_source__free(source);
	}
	if (r->run.redacted)
		ct_names__redact(r->names);
	write_end(r);
}

/* The program's files are whatever somebody put there, and the libraries that read them are large:
 * limits on time and memory, and a crash is not ours. */
static void limit_naming(void)
{
	const struct rlimit cpu = { NAMING_CPU_S, NAMING_CPU_S };
	const struct rlimit memory = { NAMING_BYTES, NAMING_BYTES };
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	alarm(NAMING_WALL_S);
}

static const char *what_ended(int status)
{
	if (!WIFSIGNALED(status))
		return "it took too much memory";
	switch (WTERMSIG(status)) {
	case SIGALRM:
	case SIGXCPU:
	case SIGKILL:
		return "it took too long";
	}
	return strsignal(WTERMSIG(status));
}

/* In a process of its own.  When that fails, what it wrote is taken back, and the trace ends
 * without names. */
static void finish_file(struct recording *r)
{
	off_t end = lseek(r->fd, 0, SEEK_CUR);
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		limit_naming();
		name_and_write_end(r);
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (pid > 0 && !status)
		return;
	ct_warn("cannot name the places where threads waited: reading the program's symbols failed "
		"(%s)", pid < 0 ? strerror(errno) : what_ended(status));
	if (ftruncate(r->fd, end) || lseek(r->fd, end, SEEK_SET) < 0)
		ct_debug("cannot take back what was written: %s", strerror(errno));
	write_end(r);
}

/* Does anybody ask what the recording means?  Of a series, who sums it up reads the trace. */
static bool is_asked_for(const struct recording *r)
{
	const struct ct_opts *o = r->opts;

	return o->json || o->fail_on || o->verbose || r->wrote_badly ||
	       (!o->in_series && (!o->quiet || !o->no_html));
}

/* What it means is worked out once, for the report, for --fail-on and for the page.  The model that
 * names were made by (name_and_write_end) is not this one: it says which addresses are locks, and
 * what they are called says, in turn, what a wait there is for. */
static void finish_trace(struct recording *r)
{
	struct ct_source *source;
	struct ct_facts facts;
	struct ct_model *m;
	int err;

	if (!r->writer) /* said when it could not be begun */
		return;
	err = ct_flight__join(&r->flight, &r->user, r->path, &r->fd, &r->writer, &r->run);
	if (err)
		ct_error("cannot join the two halves of '%s': %s; the older one is in '%s.part'",
			r->path, strerror(-err), r->path);
	finish_file(r);
	r->finished = true;
	source = read_back(r);
	if (!source)
		return;
	r->wrote_badly |= !ct_source__complete(source);
	if (!is_asked_for(r)) {
		ct_source__free(source);
		return;
	}
	m = ct_model__build(source, ct_source__names(source));
	if (!m->event_cnt && r->wrote_badly) {
		ct_error("nothing of the recording is in '%s': there was no room for it; name "
			 "another place with -o FILE",
			r->path);
		ct_model__free(m);
		ct_source__free(source);
		return;
	}
	ct_facts__compute(&facts, m);
	print_report(r, source, &facts);
	if (r->watch && ct_watcher__seed(r->watch) && !r->opts->in_series)
		ct_info("shaken with seed %llu: %llu lost updates",
			(unsigned long long)ct_watcher__seed(r->watch),
			(unsigned long long)ct_sharing__lost(&facts.sharing));
	r->judged = true;
	r->found = ct_fail_on__hit(r->opts, &facts.findings);
	if (!r->opts->quiet && !r->opts->in_series)
		ct_info("the trace is in %s%s%s ('%s report %s' shows this again)", r->path,
			r->previous ? ", the one before it in " : "",
			r->previous ? r->previous : "", program_invocation_name, r->path);
	write_page(r, source, &facts);
	ct_facts__clear(&facts);
	ct_model__free(m);
	ct_source__free(source);
}

/* --fail-on answers for the run: that nothing was found is only said when it was looked for. */
static int exit_code(const struct recording *r)
{
	if (r->found)
		return CT_EXIT_FOUND;
	if (r->failed || (r->opts->fail_on && !r->judged))
		return CT_EXIT_FAILED;
	if (r->run.attached || !r->run.ended)
		return 0;
	return WIFSIGNALED(r->run.wait_status) ? 128 + WTERMSIG(r->run.wait_status)
					       : WEXITSTATUS(r->run.wait_status);
}

/* -d is over and the program is not: its exit status is still ours to give. */
static void await_program(struct recording *r)
{
	struct pollfd fd = { .fd = r->signal_fd, .events = POLLIN };

	if (!r->run.attached && !r->run.ended && !r->opts->quiet)
		ct_info("the recording has ended; waiting for %s to end", r->run.argv[0]);
	while (!r->run.attached && !r->run.ended) {
		poll(&fd, 1, -1);
		take_signals(r);
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

static int run_recording(struct recording *r)
{
	int code;

	if (open_session(r) || open_output(r))
		return CT_EXIT_FAILED;
	open_signals(r);
	r->sym = ct_symbolizer__new();
	ct_session__sink(r->session, NULL, r->sym);
	r->alarm = r->opts->quiet ? NULL : ct_alarm__new();
	ct_session__watch(r->session, r->alarm);
	if (r->opts->watch && open_watch(r)) {
		discard_output(r);
		return CT_EXIT_FAILED;
	}
	code = r->run.attached ? start_attached(r) : start_program(r);
	r->from_ns = clock_ns(CLOCK_MONOTONIC);
	ct_session__cost_from_here(r->session);
	ct_flight__begin(&r->flight, r->opts->max_size, r->run.start_ns);
	if (code)
		return code;
	ct_session__sink(r->session, r->writer, r->sym);
	signal(SIGPIPE, SIG_IGN); /* only now: the program keeps what it was given */
	signal(SIGTTOU, SIG_IGN); /* the report may be written when the shell is in front */
	record(r);
	finish_recording(r);
	setpriority(PRIO_PROCESS, 0, 0);
	if (give_up_rights(r, 0))
		return CT_EXIT_FAILED;
	finish_trace(r);
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
	describe_run(&r);
	if (is_misspelt(opts)) {
		say_not_started(&r, -ENOENT);
		code = exit_code_of_start(-ENOENT);
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
