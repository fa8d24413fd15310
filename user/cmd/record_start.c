/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the start of a recording: what is known of the run before it, probes, signals, the writer,
 * the program or the processes that are attached to, the variables that are watched; and the rights
 * that are given up when that is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rights.h"
#include "cmd/record_int.h"
#include "version.h"

ct_ns record_clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
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

void record_describe(struct recording *r)
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
	run->start_ns = record_clock_ns(CLOCK_MONOTONIC);
	run->start_real_ns = record_clock_ns(CLOCK_REALTIME);
	run->boot_offset_ns = record_clock_ns(CLOCK_BOOTTIME) - run->start_ns;
	run->cpus = count_cpus(run->pid);
}

/* ---- starting ---- */

int record_open_session(struct recording *r)
{
	const struct ct_session_opts so = { .stacks = r->run.stacks,
		.futex_calls = r->run.futex_calls,
		.sample_hz = r->run.sample_hz,
		.follow_secure = geteuid() == 0 && (!r->user.differs || r->opts->as_root),
		.watch = r->opts->watch != NULL,
		.shake = r->opts->shake,
		.buffer_bytes = r->opts->buffer_bytes,
		/* looked at between two drains; in the file it is a quarter to a tenth as large,
		 * and a generation has a sixteenth to spare (flight.c) */
		.drain_bytes = r->opts->max_size / 8 };
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
void record_open_signals(struct recording *r)
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

int record_start_writer(struct recording *r)
{
	int err;

	/* a limit on the size of files is told by write(2) then; the program, which was forked
	 * before, keeps what it was given */
	signal(SIGXFSZ, SIG_IGN);
	err = ftruncate(r->fd, 0) ? -errno : 0;

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
void record_say_not_started(const struct recording *r, int err)
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
bool record_is_misspelt(const struct ct_opts *opts)
{
	return opts->argc && !strchr(opts->argv[0], '/') && ct_cli__near_command(opts->argv[0]) &&
	       access(opts->argv[0], F_OK) && !is_in_path(opts->argv[0]);
}

int record_exit_code(int err)
{
	return err == -ENOENT ? 127 : 126;
}

/* sched_setattr(2); linux/sched/types.h has it, and so have newer C libraries in sched.h. */
struct sched_request {
	u32 size, policy;
	u64 flags;
	i32 nice;
	u32 priority;
	u64 runtime, deadline, period;
};
#define POLICY_DEADLINE 6u
#define FLAG_RESET_ON_FORK 1u
#define FLAG_RECLAIM 2u
#define COLLECTOR_NS 5000000u
#define PERIOD_NS 10000000u

/*
 * A late collector loses events.  Niceness alone counts only within its own session
 * (sched_autogroup): beside a busy one of somebody else it got no CPU for up to 1.3 s.  So it may
 * have half a CPU in each 10 ms before all others (SCHED_DEADLINE; GRUB gives it what is left over,
 * too), of which it takes 1 or 2 %.  After the fork: the program keeps its own priority.  Where
 * that is refused (a caller that is bound to some CPUs, a container), niceness must do, and the
 * rings.
 *
 * Not SCHED_FIFO: in a third of the runs of a program with 1,000 threads such a collector took
 * 950 ms of CPU, all that sched(7) leaves to real-time.  When it reaped the program, the kernel
 * walked its entries in /proc again and again until whoever held one let go, and that was kept from
 * the CPU by the collector itself (d_walk() below release_task(), 6.18).
 */
static void hurry(struct recording *r)
{
	const struct sched_request first = { .size = sizeof(first), .policy = POLICY_DEADLINE,
		.flags = FLAG_RESET_ON_FORK | FLAG_RECLAIM, .runtime = COLLECTOR_NS,
		.deadline = PERIOD_NS, .period = PERIOD_NS };

	r->nice = getpriority(PRIO_PROCESS, 0);
	r->policy = sched_getscheduler(0);
	sched_getparam(0, &r->priority);
	if (r->priority.sched_priority)
		return; /* real-time: the caller has seen to it */
	r->hurries = true;
	setpriority(PRIO_PROCESS, 0, -20);
	syscall(SYS_sched_setattr, 0, &first, 0);
}

/* The flag cannot be taken back without rights, and then does no harm. */
static void set_policy(int policy, const struct sched_param *priority)
{
	if (sched_setscheduler(0, policy, priority))
		sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, priority);
}

void record_step_back(const struct recording *r)
{
	if (r->hurries)
		set_policy(SCHED_OTHER, &(struct sched_param){ 0 });
}

void record_calm_down(struct recording *r)
{
	if (!r->hurries)
		return;
	set_policy(r->policy, &r->priority);
	setpriority(PRIO_PROCESS, 0, r->nice);
	r->hurries = false;
}

/* How much is in the file that standard output is; -1: it is none, and nobody knows. */
off_t record_stdout_size(void)
{
	struct stat st;

	return !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) ? st.st_size : -1;
}

/* The probes are loaded and hold their own rights: from here on this process has those of the user
 * who called, and what `keep` says.  With --as-root that user is root. */
int record_give_up_rights(struct recording *r, u32 keep)
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

int record_open_watch(struct recording *r)
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
	const char *notes = ct_watcher__notes(r->watch);

	ct_info("%s", text);
	free(text);
	for (const char *at = notes; at && *at; at += *at == '\n') {
		size_t len = strcspn(at, "\n");

		ct_info("%.*s", (int)len, at);
		at += len;
	}
}

/* What cannot be watched, or the list that was asked for; the exit status. */
static int say_unwatched(struct recording *r, int err, const char *why)
{
	record_discard_output(r);
	if (err == -ECANCELED) {
		puts(why);
		r->listed = true;
		return 0;
	}
	ct_error("cannot watch: %s", why ? why : strerror(-err));
	return CT_EXIT_FAILED;
}

/* It stands before its first instruction. Without what was asked for it does not run at all. */
static int watch_program(struct recording *r)
{
	char *why = NULL;
	int status = 0, code = 0;
	int err = ct_watcher__program(r->watch, r->target.pid, &status, &why);

	if (err == -ECHILD) { /* it could not even begin, and has said why */
		r->run.wait_status = status;
		r->run.ended = r->done = true;
		return 0;
	}
	if (err) {
		kill(r->target.pid, SIGKILL);
		waitpid(r->target.pid, NULL, 0);
		code = say_unwatched(r, err, why);
	} else {
		announce_watch(r);
	}
	free(why);
	return code;
}

static int watch_attached(struct recording *r)
{
	char *why = NULL;
	int err = ct_watcher__process(r->watch, r->opts->pids[0], &why), code = 0;

	if (err)
		code = say_unwatched(r, err, why);
	else
		announce_watch(r);
	free(why);
	return code;
}

int record_start_program(struct recording *r)
{
	const struct ct_user *as = r->user.differs && !r->opts->as_root ? &r->user : NULL;
	int err;

	r->target.stop = r->watch != NULL;
	err = ct_target__fork(&r->target, r->opts->argv, as, &r->old_mask);

	if (err) {
		ct_error("cannot fork: %s", strerror(-err));
		return CT_EXIT_FAILED;
	}
	hurry(r);
	r->run.pid = r->target.pid;
	ct_session__follow_images(r->session, r->run.pid);
	err = ct_snapshot__adopt_root(r->session, r->run.pid);
	if (err) {
		ct_error("the program ended before it began: %s", strerror(-err));
		return CT_EXIT_FAILED;
	}
	stamp_start(&r->run);
	r->out_size = record_stdout_size();
	err = ct_target__go(&r->target);
	if (err) {
		record_say_not_started(r, err);
		waitpid(r->target.pid, NULL, 0);
		record_discard_output(r);
		return record_exit_code(err);
	}
	/* its own processes' memory it may read without */
	if (record_give_up_rights(r, CT_KEEP_MAP_FILES))
		return CT_EXIT_FAILED;
	record_start_writer(r); /* a failure is said, and kept; the program runs */
	return r->watch ? watch_program(r) : 0;
}

/* The real user of a process, which /proc tells of everyone's. */
static bool is_own_process(const struct recording *r, u32 pid)
{
	char path[64], line[256];
	u32 uid = UINT32_MAX;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "Uid:", 4))
			uid = strtoul(line + 4, NULL, 10);
	if (status)
		fclose(status);
	return uid == r->user.uid;
}

static const char *why_not_attached(const struct recording *r, u32 pid, int err)
{
	if (err == -ESRCH)
		return "there is no such process";
	if (err != -EPERM)
		return strerror(-err);
	if (ct_rights__may_ptrace_others())
		return "the kernel refuses it also to root: a security module, or the container";
	if (is_own_process(r, pid))
		return "it has rights of its own (set-user-id, capabilities) or lets nobody look "
		       "into it (prctl(2), PR_SET_DUMPABLE); root may";
	return "it belongs to another user; run ctrace with sudo";
}

int record_start_attached(struct recording *r)
{
	u32 i, attached = 0;
	int err;

	stamp_start(&r->run);
	if (record_start_writer(r))
		return CT_EXIT_FAILED;
	ct_session__sink(r->session, r->writer, r->sym); /* threads attached first may be busy */
	hurry(r);
	if (record_give_up_rights(r, CT_KEEP_PTRACE | CT_KEEP_MAP_FILES))
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
			ct_error("cannot attach to %u: %s", pid, why_not_attached(r, pid, err));
		else
			attached++;
	}
	if (attached < r->opts->pid_cnt) {
		record_discard_output(r);
		return CT_EXIT_FAILED;
	}
	if (!r->opts->quiet)
		ct_info("recording %u process%s; Ctrl-C ends it", attached,
			attached == 1 ? "" : "es");
	return r->watch ? watch_attached(r) : 0;
}
