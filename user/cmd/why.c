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

#include "base/limit.h"
#include "cmd/hang.h"

#define THREADS_MAX 20 /* shown one by one */
#define LINES_MAX 4    /* of a stack */
#define NAMING_CPU_S 60 /* far more than the symbols of any program should need */

/* ---- looking ---- */

static bool tracing_is_restricted(void)
{
	char text[16];

	return !ct_proc__read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) &&
	       text[0] != '0';
}

static void explain(u32 pid, int err)
{
	if (err == -ESRCH && ct_snapshot__ended(pid))
		ct_error("process %u has ended and was not collected by its parent", pid);
	else if (err == -ESRCH)
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

	for (u32 i = 1; !err && i < look->threads.cnt; i++)
		if (look->threads.at[i].pid != look->threads.at[i - 1].pid &&
			ct_symbolizer__scan(sym, look->start_ns, look->threads.at[i].pid))
			ct_debug("no names for process %u", look->threads.at[i].pid);
	if (!err) {
		ct_look__stacks(look, sym, &stack_id);
		give_up_root(pid);
		ct_limit__reading(NAMING_CPU_S, 0);
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

/* The frame of a wait stands for all calls on its line. */
static bool same_place(const struct ct_names *names, u32 frame, u32 of_wait)
{
	const struct ct_frame *a, *b;

	if (frame == of_wait || frame >= names->frames.cnt || of_wait >= names->frames.cnt)
		return frame == of_wait;
	a = &names->frames.at[frame];
	b = &names->frames.at[of_wait];
	return b->line && a->line == b->line && a->function == b->function && a->file == b->file &&
	       a->module == b->module;
}

/* The program's own lines, from the one that waits outwards. */
static void print_stack(const struct ct_model *m, const struct ct_wait *w, u32 most)
{
	char raw[512], safe[1024];
	u32 cnt, shown = 0, start = m->threads.at[w->thread].start_frame;
	const u32 *frames = ct_names__stack(m->names, w->stack, &cnt);
	bool inside = !w->frame;

	for (u32 i = 0; i < cnt && shown < most; i++) {
		inside |= same_place(m->names, frames[i], w->frame);
		if (!inside || frames[i] >= m->names->frames.cnt ||
			(!same_place(m->names, frames[i], w->frame) &&
				!is_own(m->names, frames[i])))
			continue;
		ct_frame_name(m->names, frames[i], raw, sizeof(raw));
		printf("      %s\n", ct_fmt_safe(safe, sizeof(safe), raw));
		shown++;
		if (start && same_place(m->names, frames[i], start))
			break;
	}
}

/* "bob 12", "thread 12" */
static char *name_thread(const struct ct_model *m, u32 t)
{
	const char *name = ct_strtab__get(m->strings, m->threads.at[t].name);

	return ct_asprintf("%s %u", *name ? name : "thread", m->threads.at[t].tid);
}

/* ", held by bob 12, another process"; "" when nobody is known. */
static char *describe_owner(
	const struct ct_model *m, const struct ct_wait *w, const struct ct_looked_thread *looked)
{
	struct ct_task_stat st;
	char *who, *text;

	if (w->owner == CT_NONE && looked && looked->outside) {
		bool ours = looked->inner_tid == looked->tid; /* else nobody here has that id */
		bool named = ours && !ct_snapshot__stat(looked->outside, &st);

		return ct_asprintf(
			", held by %s %u%s, another process, which could not be looked at",
			named ? st.name : "thread", looked->outside,
			ours ? "" : " of its pid namespace");
	}
	if (w->owner == CT_NONE)
		return ct_strdup("");
	who = name_thread(m, w->owner);
	text = ct_asprintf(", held by %s%s", who,
		m->threads.at[w->owner].flags & CT_THREAD_ENDED ? ", which has ended"
		: m->threads.at[w->owner].process != m->threads.at[w->thread].process
			? ", another process"
			: "");
	free(who);
	return text;
}

static char *describe_wait(
	const struct ct_model *m, const struct ct_wait *w, const struct ct_looked_thread *looked)
{
	char lock[512], *who, *text;

	if (w->state == CT_JOIN && w->target != CT_NONE) {
		who = name_thread(m, w->target);
		text = ct_asprintf("waits for the end of %s", who);
	} else if (w->state == CT_JOIN) {
		return ct_strdup("waits for the end of a thread");
	} else if (w->lock != CT_NONE) {
		who = describe_owner(m, w, looked);
		text = ct_asprintf("waits for %s %s%s%s",
			ct_lock_kind_name(m->locks.at[w->lock].kind),
			ct_lock_name(m, &m->locks.at[w->lock], lock, sizeof(lock)), who,
			w->flags & CT_WAIT_TIMED ? " (with a timeout)" : "");
	} else {
		return ct_asprintf("waits: %s", ct_wait_word(m, w));
	}
	free(who);
	return text;
}

/* "goes on (woke 5 times in 520 ms), mostly sleeps at tick (x.c:12)" */
static char *describe_rest(
	const struct ct_model *m, const struct ct_look *look, const struct ct_looked_thread *looked)
{
	char span[CT_FMT_LEN], raw[512] = "";
	const char *call;
	u32 cnt;
	const u32 *frames = ct_names__stack(m->names, looked->resting_stack, &cnt);

	for (u32 i = 0; i < cnt && !*raw; i++)
		if (frames[i] < m->names->frames.cnt && is_own(m->names, frames[i]))
			ct_frame_name(m->names, frames[i], raw, sizeof(raw));
	ct_fmt_ns(span, look->end_ns - look->start_ns);
	call = ct_names__syscall(m->names, looked->wait.nr);
	return ct_asprintf("goes on (woke %u time%s in %s), mostly %s%s%s", looked->woken_cnt,
		looked->woken_cnt == 1 ? "" : "s", span,
		call && strstr(call, "nanosleep") ? "sleeps" : "waits", *raw ? " at " : "", raw);
}

static const struct ct_looked_thread *find_looked(const struct ct_look *look, u32 tid)
{
	for (u32 i = 0; i < look->threads.cnt; i++)
		if (look->threads.at[i].tid == tid)
			return &look->threads.at[i];
	return NULL;
}

static void print_thread(
	const struct ct_model *m, const struct ct_look *look, u32 t, bool verbose)
{
	const struct ct_thread *th = &m->threads.at[t];
	const struct ct_looked_thread *looked = find_looked(look, th->tid);
	u32 last = th->slices.cnt ? th->slices.at[th->slices.cnt - 1].wait : CT_NONE;
	const struct ct_wait *w = last == CT_NONE ? NULL : &m->waits.at[last];
	char *name = name_thread(m, t), safe[1024];
	char *what = w				? describe_wait(m, w, looked)
		     : looked && looked->rests ? describe_rest(m, look, looked)
						: ct_strdup("runs");

	printf("  %s ", ct_fmt_safe(safe, sizeof(safe), name));
	printf("%s\n", ct_fmt_safe(safe, sizeof(safe), what));
	if (w)
		print_stack(m, w, verbose ? 64 : LINES_MAX);
	free(what);
	free(name);
}

/* Those of the process that was asked about, or those of the others that had to be looked at. */
static void print_threads_of(
	const struct ct_model *m, const struct ct_look *look, bool others, bool verbose)
{
	u32 shown = 0, more = 0;

	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];

		if ((th->flags & CT_THREAD_ENDED) ||
			(m->processes.at[th->process].pid != look->threads.at[0].pid) != others)
			continue;
		if (!shown)
			printf(others ? "Threads of other processes, which hold locks\n"
				      : "Threads\n");
		if (shown < THREADS_MAX || verbose)
			print_thread(m, look, t, verbose);
		else
			more++;
		shown++;
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

/* That nobody waits for ever is only said when everybody who could be to blame was looked at. */
static void print_nothing_found(const struct ct_look *look, const struct ct_model *m)
{
	u32 unknown = 0;

	for (u32 i = 0; i < look->threads.cnt; i++) {
		if (!look->threads.at[i].outside)
			continue;
		printf("Not known whether it goes on: thread %u waits for a lock that another "
		       "process holds,\nwhich could not be looked at%s.\n",
			look->threads.at[i].tid, geteuid() ? "; try sudo" : "");
		return;
	}
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

/* 0 or -errno; -ECANCELED: it has been said. */
static int print_verdict(
	const struct ct_opts *opts, struct ct_verdict *v, const struct ct_look *look)
{
	struct ct_report_opts ro;

	if (opts->json) {
		const struct ct_export_in in = { .facts = &v->facts, .source = v->source };

		return ct_export__json(opts, &in, NULL, stdout);
	}
	ct_term__report_opts(&ro, stdout, opts->verbose);
	ct_report__write_hangs(&v->facts, &ro, stdout);
	if (!v->facts.hangs.at.cnt)
		print_nothing_found(look, v->model);
	printf("\n");
	print_threads_of(v->model, look, false, opts->verbose);
	print_threads_of(v->model, look, true, opts->verbose);
	return fflush(stdout) ? -errno : 0;
}

void ct_why_help(FILE *out)
{
	fputs("\nWho waits for whom in a process that runs already, with the program's own lines, "
	      "and\n"
	      "whether it will ever go on: deadlocks, locks whose owner has ended, threads that "
	      "all\n"
	      "wait for each other.  Locks are followed into other processes that hold them.  "
	      "Looks\n"
	      "for half a second and changes nothing.  Needs root, or to be the program's owner "
	      "where\n"
	      "the system allows that.\n"
	      "\nExit status: 90 when it will never go on, 0 when nothing says so, 125 on "
	      "failure.\n",
		out);
}

int ct_cmd_why(const struct ct_opts *opts)
{
	struct ct_verdict v = { 0 };
	struct ct_look look;
	const struct ct_traces none = { 0 };
	int err, code = CT_EXIT_FAILED;

	if (opts->json_file && ct_export__check(opts->json_file, &none, NULL))
		return code;
	err = ct_look__closely(&look, &opts->pid, 1, true);
	err = err ? err : judge(&look, &v, opts->pid);
	if (err) {
		explain(opts->pid, err);
	} else {
		err = print_verdict(opts, &v, &look);
		if (err && err != -ECANCELED)
			ct_error("cannot write to standard output: %s", strerror(-err));
		else if (!err)
			code = v.facts.hangs.at.cnt ? CT_EXIT_FOUND : 0;
	}
	if (v.names)
		ct_verdict__clear(&v);
	ct_look__clear(&look);
	return code;
}
