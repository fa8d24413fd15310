/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace why PID`: a program that hangs and that ctrace never saw before: who waits for whom, with
 * the program's own lines, and whether it will ever go on.  Exit code 90 when it will not.  Looks
 * twice or three times within half a second; changes nothing in the program, needs no BPF.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/hang.h"

#define THREADS_MAX 20 /* shown one by one */
#define LINES_MAX 4    /* of a stack */

/* ---- looking ---- */

static bool tracing_is_restricted(void)
{
	char text[16];

	return !ct_proc__read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) &&
	       text[0] != '0';
}

static void explain(u32 pid, int err)
{
	if (err == -ESRCH)
		ct_error("there is no process %u; 'ps -e' lists them", pid);
	else if (err == -EPERM || err == -EACCES)
		ct_error("may not look into process %u%s; try 'sudo ctrace why %u'", pid,
			geteuid() && tracing_is_restricted() ? ": kernel.yama.ptrace_scope lets "
							       "only root look into a program that "
							       "is not its child"
							     : "",
			pid);
	else if (err == -ENOENT)
		ct_error("this kernel does not show what threads wait for (/proc/PID/syscall)");
	else
		ct_error("cannot look into process %u: %s", pid, strerror(-err));
}

/* Files of the program are read with no more rights than its user has. */
static void give_up_root(u32 pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (geteuid() || stat(path, &st) || !st.st_uid)
		return;
	if (setgroups(0, NULL) || setresgid(st.st_gid, st.st_gid, st.st_gid) ||
		setresuid(st.st_uid, st.st_uid, st.st_uid))
		ct_debug("cannot give up root: %s", strerror(errno));
}

static int judge(struct ct_look *look, struct ct_verdict *v, u32 pid)
{
	struct ct_symbolizer *sym = ct_symbolizer__new();
	u32 stack_id = 1;
	int err = ct_symbolizer__scan(sym, look->start_ns, look->threads.at[0].pid);

	if (!err) {
		ct_look__stacks(look, sym, &stack_id);
		give_up_root(pid);
		err = ct_verdict__make(v, look, sym, look->start_ns);
	}
	ct_symbolizer__free(sym);
	return err;
}

/* ---- printing ---- */

/* The C library's and the loader's lines, before main() and below a thread's function. */
static bool is_own(const struct ct_names *names, u32 frame)
{
	static const char *const libraries[] = { "libc.so", "libc-", "libpthread", "ld-linux",
		"ld-musl" };
	const struct ct_frame *f = &names->frames.at[frame];
	const char *module = ct_strtab__get(names->strings, f->module),
		   *slash = strrchr(module, '/');

	for (size_t i = 0; i < CT_COUNT(libraries); i++)
		if (!strncmp(slash ? slash + 1 : module, libraries[i], strlen(libraries[i])))
			return false;
	return f->function || f->line;
}

/* The program's own lines, from the one that waits outwards. */
static void print_stack(const struct ct_model *m, const struct ct_wait *w, u32 most)
{
	char raw[512], safe[1024];
	u32 cnt, shown = 0, start = m->threads.at[w->thread].start_frame;
	const u32 *frames = ct_names__stack(m->names, w->stack, &cnt);
	bool inside = !w->frame;

	for (u32 i = 0; i < cnt && shown < most; i++) {
		inside |= frames[i] == w->frame;
		if (!inside || frames[i] >= m->names->frames.cnt ||
			(frames[i] != w->frame && !is_own(m->names, frames[i])))
			continue;
		ct_frame_name(m->names, frames[i], raw, sizeof(raw));
		printf("      %s\n", ct_fmt_safe(safe, sizeof(safe), raw));
		shown++;
		if (start && frames[i] == start)
			break;
	}
}

static char *describe_wait(const struct ct_model *m, const struct ct_wait *w)
{
	char lock[512], owner[64] = "";
	u32 whom = w->state == CT_JOIN ? w->target : w->owner;

	if (whom != CT_NONE)
		snprintf(owner, sizeof(owner), "%s %s %u",
			w->state == CT_JOIN ? " of" : ", held by",
			ct_strtab__get(m->strings, m->threads.at[whom].name),
			m->threads.at[whom].tid);
	if (w->lock != CT_NONE)
		return ct_asprintf("waits for %s %s%s%s",
			ct_lock_kind_name(m->locks.at[w->lock].kind),
			ct_lock_name(m, &m->locks.at[w->lock], lock, sizeof(lock)), owner,
			w->flags & CT_WAIT_TIMED ? " (with a timeout)" : "");
	if (w->state == CT_JOIN)
		return ct_asprintf("waits for the end%s", *owner ? owner : " of a thread");
	return ct_asprintf("waits: %s", ct_state_name(w->state));
}

static void print_thread(const struct ct_model *m, u32 t, bool verbose)
{
	const struct ct_thread *th = &m->threads.at[t];
	u32 last = th->slices.cnt ? th->slices.at[th->slices.cnt - 1].wait : CT_NONE;
	const struct ct_wait *w = last == CT_NONE ? NULL : &m->waits.at[last];
	char *what = w ? describe_wait(m, w) : ct_strdup("runs");
	char safe[1024];

	printf("  %s %u ", ct_fmt_safe(safe, sizeof(safe), ct_strtab__get(m->strings, th->name)),
		th->tid);
	printf("%s\n", ct_fmt_safe(safe, sizeof(safe), what));
	if (w)
		print_stack(m, w, verbose ? 64 : LINES_MAX);
	free(what);
}

static void print_threads(const struct ct_model *m, bool verbose)
{
	u32 shown = 0, more = 0;

	printf("Threads\n");
	for (u32 t = 0; t < m->threads.cnt; t++) {
		if (m->threads.at[t].flags & CT_THREAD_ENDED)
			continue;
		if (shown < THREADS_MAX || verbose) {
			print_thread(m, t, verbose);
			shown++;
		} else {
			more++;
		}
	}
	if (more)
		printf("  and %u more (-v shows all)\n", more);
}

/* Waits for a mutex without a time limit whose owner no memory tells: some of Rust's, say. */
static bool waits_for_unknown(const struct ct_model *m, u32 t)
{
	const struct ct_thread *th = &m->threads.at[t];
	u32 last = th->slices.cnt ? th->slices.at[th->slices.cnt - 1].wait : CT_NONE;
	const struct ct_wait *w = last == CT_NONE ? NULL : &m->waits.at[last];

	return w && !(th->flags & CT_THREAD_ENDED) && w->state == CT_LOCK && w->owner == CT_NONE &&
	       !(w->flags & CT_WAIT_TIMED);
}

static void print_no_hang(const struct ct_model *m)
{
	u32 unknown = 0;

	for (u32 t = 0; t < m->threads.cnt; t++)
		unknown += waits_for_unknown(m, t);
	if (unknown > 1)
		printf("No deadlock that can be seen, and none ruled out: %u threads wait, without "
		       "a time limit,\nfor mutexes that do not say who holds them. They may wait "
		       "for each other: compare their lines.\n",
			unknown);
	else
		printf("No deadlock: nobody here waits for ever, as far as can be seen.\n");
}

static int print_verdict(const struct ct_opts *opts, struct ct_verdict *v)
{
	struct ct_report_opts ro;

	if (opts->json) {
		const struct ct_export_in in = { &v->facts, v->source };

		return ct_exporter__find("json")->write(&in, stdout);
	}
	ct_term__report_opts(&ro, stdout, opts->verbose);
	ct_report__write_hangs(&v->facts, &ro, stdout);
	if (!v->facts.hangs.at.cnt)
		print_no_hang(v->model);
	printf("\n");
	print_threads(v->model, opts->verbose);
	return fflush(stdout) ? -errno : 0;
}

void ct_why_help(FILE *out)
{
	fputs("\nWho waits for whom in a process that runs already, with the program's own lines, "
	      "and\n"
	      "whether it will ever go on: deadlocks, locks whose owner has ended, threads that "
	      "all\n"
	      "wait for each other.  Looks for half a second and changes nothing.  Needs root, or "
	      "to be\n"
	      "the program's owner where the system allows that.\n"
	      "\nExit status: 90 when it will never go on, 0 when nothing says so, 125 on "
	      "failure.\n",
		out);
}

int ct_cmd_why(const struct ct_opts *opts)
{
	struct ct_verdict v = { 0 };
	struct ct_look look;
	int err, code = CT_EXIT_FAILED;

	err = ct_look__closely(&look, &opts->pid, 1, true);
	err = err ? err : judge(&look, &v, opts->pid);
	if (err) {
		explain(opts->pid, err);
	} else if (print_verdict(opts, &v)) {
		ct_error("cannot write to standard output: %s", strerror(errno));
	} else {
		code = v.facts.hangs.at.cnt ? CT_EXIT_FOUND : 0;
	}
	if (v.names)
		ct_verdict__clear(&v);
	ct_look__clear(&look);
	return code;
}
