/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job: record a program, or what runs already, then report.  Composes the layers and owns
 * the order of things; what each step does is theirs:
 *
 *     arm the probes -> fork (it waits) or attach -> let go -> drain until the end -> names ->
 * report
 *
 * The report is made from the file just written, as `ctrace report` would.  Nothing that goes wrong
 * after the program has started stops the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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
#include "capture/watch.h"
#include "cmd/hang.h"
#include "version.h"

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
	pid_t looker;		/* looks into a suspicion of the alarm; 0: nobody does */
	bool done;
	bool wrote_badly; /* the trace could not be written to its end */
	bool judged;	  /* the findings were made */
	bool found;	  /* one of them was what --fail-on named */
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
	if (r->opts->output || access(r->path, F_OK))
		return;
	r->previous = ct_asprintf("%s.old", r->path);
	if (ct_rights__rename_as(&r->user, r->path, r->previous)) {
		free(r->previous);
		r->previous = NULL;
	}
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
		for (u32 i = 0; i < o->pid_cnt; i++)
			run->argv[i] = ct_snapshot__name(o->pids[i]);
		run->pid = o->pids[0];
	} else {
		run->argv = copy_words(o->argv, o->argc);
	}
	run->sample_hz = o->sample_hz;
	run->stacks = o->stacks;
	run->futex_calls =
		o->futex == CT_FUTEX_DEFAULT ? !run->attached : o->futex == CT_FUTEX_CALLS;
	describe_machine(run);
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
		ct_warn("no futex calls, only what switches tell: tracefs is not there; mount -t "
			"tracefs nodev /sys/kernel/tracing");
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
		ct_error("cannot write the trace to '%s': %s; the program runs on, unrecorded",
			r->path, strerror(-err));
	return err;
}

/* A first word that is no program may be meant otherwise. */
static void say_not_started(const struct recording *r, int err)
{
	const char *name = r->opts->argv[0];
	size_t len = strlen(name);

	if (len > 7 && !strcmp(name + len - 7, ".ctrace") && !access(name, F_OK))
		ct_error("cannot run '%s': it is a trace; 'ctrace report %s' shows it", name, name);
	else if (err == -ENOENT && !strchr(name, '/') && !access(name, X_OK))
		ct_error("cannot run '%s': it is not in PATH; did you mean './%s'?", name, name);
	else if (err == -ENOENT && !strchr(name, '/'))
		ct_error("cannot run '%s': no such program, and no command of ctrace; try 'ctrace "
			 "--help'",
			name);
	else
		ct_error("cannot run '%s': %s", name, strerror(-err));
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
	err = ct_target__go(&r->target);
	if (err) {
		say_not_started(r, err);
		waitpid(r->target.pid, NULL, 0);
		discard_output(r);
		return exit_code_of_start(err);
	}
	start_writer(r); /* a failure is said, and kept; the program runs */
	return r->watch ? watch_program(r) : 0;
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
	for (i = 0; i < r->opts->pid_cnt; i++) {
		err = ct_snapshot__attach(r->session, r->sym, r->opts->pids[i]);
		if (err)
			ct_error("cannot attach to %u: %s", r->opts->pids[i],
				err == -ESRCH ? "there is no such process" : strerror(-err));
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

/* The symbols of the program are read with no more rights than its user has. */
static void give_up_root(const struct recording *r)
{
	const struct ct_user *u = &r->user;

	if (!u->differs || r->opts->as_root)
		return;
	if (setgroups(u->group_cnt, u->groups) || setresgid(u->gid, u->gid, u->gid) ||
		setresuid(u->uid, u->uid, u->uid))
		ct_debug("cannot give up root: %s", strerror(errno));
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
	give_up_root(r);
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

	if (!r->alarm || r->looker || !ct_alarm__check(r->alarm, clock_ns(CLOCK_MONOTONIC), &s))
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

/* A process that has ended may stay for as long as its parent does not ask for its status. */
static bool is_zombie(u32 pid)
{
	char path[64];
	struct ct_task_stat stat;
	struct stat tasks;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	/* a leader that ended before its other threads is a zombie too: "." and ".." and it alone
	 */
	return !ct_snapshot__stat(pid, &stat) && stat.state == 'Z' && !lstat(path, &tasks) &&
	       tasks.st_nlink <= 3;
}

static bool all_gone(const struct recording *r)
{
	for (u32 i = 0; i < r->opts->pid_cnt; i++) {
		u32 pid = r->opts->pids[i];

		if ((!kill(pid, 0) || errno == EPERM) && !is_zombie(pid))
			return false;
	}
	return true;
}

static void record(struct recording *r)
{
	ct_ns end = r->opts->duration_s > 0 ? r->run.start_ns + (ct_ns)(r->opts->duration_s * 1e9)
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
	nanosleep(&ms,
		NULL); /* its other threads died before it; let the last of them leave the CPU */
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
	ct_session__stop(r->session);
	drain(r);
	if (r->looker)
		waitpid(r->looker, NULL, 0); /* what it has to say comes before the report */
	r->looker = 0;
	/* the file is read back before it is finished: the locks of its last second need names, too
	 */
	if (!r->wrote_badly)
		ct_writer__flush(r->writer, clock_ns(CLOCK_MONOTONIC));
	ct_session__stats(r->session, &st);
	ct_debug("%llu records, %llu bytes, %llu stacks copied (%llu not, %llu unreadable), %llu "
		 "lost, %llu drains",
		(unsigned long long)st.records, (unsigned long long)st.bytes,
		(unsigned long long)st.stacks, (unsigned long long)st.stacks_dropped,
		(unsigned long long)st.stacks_failed, (unsigned long long)st.lost,
		(unsigned long long)st.drains);
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

static int print_report(struct recording *r, struct ct_source *source, const struct ct_facts *facts)
{
	struct ct_report_opts ro;

	if (r->opts->json) {
		const struct ct_export_in in = { facts, source };

		return ct_exporter__find("json")->write(&in, stdout);
	}
	if (r->opts->quiet)
		return 0;
	ct_term__report_opts(&ro, stderr, r->opts->verbose);
	return ct_report__write(facts, &ro, stderr);
}

/* The recording is read back from its file, through the same door as any trace; what could not be
 * written for lack of space is missing here, too, and said. */
static void finish_trace(struct recording *r)
{
	struct ct_source *source;
	struct ct_facts facts;
	struct ct_model *m;
	char self[64], *why = NULL;
	int err;

	if (!r->writer) /* said when it could not be begun */
		return;
	name_stacks(r);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", r->fd);
	err = ct_source__open(&source, self, &why);
	if (err) {
		ct_error("cannot read '%s' back: %s", r->path, why ? why : strerror(-err));
		free(why);
		return;
	}
	m = ct_model__build(source, r->names);
	ct_locks__name(r->sym, r->names, m, r->watch);
	ct_model__free(m);
	ct_source__free(source);
	err = ct_writer__finish(r->writer, &r->run, r->names);
	if (err && !r->wrote_badly)
		ct_error("cannot finish '%s': %s; what was written before stays readable", r->path,
			strerror(-err));
	if (ct_source__open(&source, self, &why)) {
		free(why);
		return;
	}
	m = ct_model__build(source, r->names);
	ct_facts__compute(&facts, m);
	print_report(r, source, &facts);
	if (r->watch && ct_watcher__seed(r->watch))
		ct_info("shaken with seed %llu: %llu lost updates",
			(unsigned long long)ct_watcher__seed(r->watch),
			(unsigned long long)ct_sharing__lost(&facts.sharing));
	r->judged = true;
	r->found = ct_fail_on__hit(r->opts, &facts.findings);
	if (!r->opts->quiet)
		ct_info("the trace is in %s%s%s ('%s report %s' shows this again)", r->path,
			r->previous ? ", the one before it in " : "",
			r->previous ? r->previous : "", program_invocation_name, r->path);
	ct_facts__clear(&facts);
	ct_model__free(m);
	ct_source__free(source);
}

/* --fail-on answers for the run: that nothing was found is only said when it was looked for. */
static int exit_code(const struct recording *r)
{
	if (r->found)
		return CT_EXIT_FOUND;
	if (r->opts->fail_on && !r->judged)
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
	if (code)
		return code;
	ct_session__sink(r->session, r->writer, r->sym);
	signal(SIGPIPE, SIG_IGN); /* only now: the program keeps what it was given */
	signal(SIGTTOU, SIG_IGN); /* the report may be written when the shell is in front */
	record(r);
	finish_recording(r);
	setpriority(PRIO_PROCESS, 0, 0);
	give_up_root(r);
	finish_trace(r);
	await_program(r);
	return exit_code(r);
}

int ct_cmd_run(const struct ct_opts *opts)
{
	struct recording r = { .opts = opts, .fd = -1, .signal_fd = -1 };
	int code, err = ct_rights__caller(&r.user);

	if (err) {
		ct_error("SUDO_UID and SUDO_GID hold no user: unset them, or call ctrace by sudo");
		return CT_EXIT_FAILED;
	}
	describe_run(&r);
	code = run_recording(&r);
	clear(&r);
	return code;
}
