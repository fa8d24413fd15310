/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report that people read in ten seconds, top to bottom as they ask: what ran, the verdict (who
 * waits for ever, what costs time, and what to do), where each thread's time went, which locks cost
 * what and who held them, what else was waited for, how much ran at once, and whether all of it can
 * be trusted. Facts in plain sentences; the verdict alone judges.
 *
 * Never wider than the page; the same bytes for the same trace, options and width, whatever the
 * locale.  Every text from outside goes through ct_page__safe.  Owns the order of the sections and
 * the short ones; the long ones are report_findings.c, report_hangs.c, report_threads.c and
 * report_locks.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_int.h"

#define WIDTH_DEFAULT 80u
#define WIDTH_LEAST 60u
#define NAME_SIZE 1024
#define LET_GO_SHOWN 5u
#define PLURAL(n) ((n) == 1 ? "" : "s")

/* ---- shared by the sections ---- */

void ct_report__heading(struct ct_report *r, const char *title)
{
	ct_page__end(&r->page);
	ct_page__ink(&r->page, CT_INK_STRONG, false, title);
}

char *ct_report__thread(const struct ct_report *r, u32 thread_idx)
{
	char *raw = ct_thread_label(r->m, r->name_cnt, thread_idx);
	char *name = ct_page__safe(&r->page, raw);

	free(raw);
	return name;
}

char *ct_report__place(const struct ct_report *r, u32 frame)
{
	char raw[NAME_SIZE];
	if (!frame || !r->m->names)
		return ct_page__safe(&r->page, "");
	return ct_page__safe(&r->page, ct_frame_name(r->m->names, frame, raw, sizeof(raw)));
}

void ct_report__fit_place(const struct ct_report *r, char *place, u32 columns)
{
	char *file = strrchr(place, '(');
	if (ct_columns(place) <= columns)
		return;
	if (file && file > place && file[-1] == ' ') {
		char *tail = ct_strdup(file - 1);
		u32 tail_columns = ct_columns(tail);
		u32 room = columns > tail_columns ? columns - tail_columns : 0;
		file[-1] = '\0';
		if (room >= 4) {
			ct_page__shorten(&r->page, place, room);
			strcat(place, tail);
		} else { /* no room for the function: the line alone */
			strcpy(place, tail + 2);
			place[strlen(place) - 1] = '\0';
		}
		free(tail);
	}
	ct_page__shorten_start(&r->page, place, columns);
}

char *ct_report__share(char buf[CT_FMT_LEN], u64 part, u64 whole, bool lossy)
{
	const char *about = lossy ? "~" : "";
	unsigned __int128 hundred_parts = (unsigned __int128)part * 100;
	if (!part || !whole)
		snprintf(buf, CT_FMT_LEN, "%s0 %%", about);
	else if (part >= whole)
		snprintf(buf, CT_FMT_LEN, "%s100 %%", about);
	else if (hundred_parts < whole)
		snprintf(buf, CT_FMT_LEN, "%s<1 %%", about);
	else if (hundred_parts > (unsigned __int128)whole * 99)
		snprintf(buf, CT_FMT_LEN, "%s>99 %%", about);
	else
		snprintf(buf, CT_FMT_LEN, "%s%" PRIu64 " %%", about,
			(u64)((hundred_parts + whole / 2) / whole));
	return buf;
}

char *ct_report__ratio(char buf[CT_FMT_LEN], u64 n, u64 by)
{
	u64 hundredths = by ? (u64)(((unsigned __int128)n * 100 + by / 2) / by) : 0;
	if (n && by && !hundredths)
		snprintf(buf, CT_FMT_LEN, "<0.01");
	else
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%02" PRIu64, hundredths / 100,
			hundredths % 100);
	return buf;
}

const char *ct_report__about(const struct ct_report *r)
{
	return r->lossy ? "~" : "";
}

char *ct_report__ns(const struct ct_report *r, char buf[CT_FMT_LEN], ct_ns ns)
{
	char plain[CT_FMT_LEN];
	snprintf(buf, CT_FMT_LEN, "%s%.*s", ct_report__about(r), CT_FMT_LEN - 2,
		ct_fmt_ns(plain, ns));
	return buf;
}

char *ct_report__count(const struct ct_report *r, char buf[CT_FMT_LEN], u64 n)
{
	char plain[CT_FMT_LEN];
	snprintf(buf, CT_FMT_LEN, "%s%.*s", ct_report__about(r), CT_FMT_LEN - 2,
		ct_fmt_count(plain, n));
	return buf;
}

/* ---- what ran ---- */

/* "a (pid 12), b (pid 34)": what was attached to.  Older traces know the first one's id only. */
static char *join_attached(const struct ct_report *r, bool bare)
{
	const struct ct_run *run = r->m->run;
	const char *pids = run->pids && *run->pids ? run->pids : NULL;
	char *line = ct_strdup("");
	for (char **arg = run->argv; arg && *arg; arg++) {
		u64 pid = pids ? strtoull(pids, NULL, 10) : arg == run->argv ? run->pid : 0;
		char *safe = ct_page__safe(&r->page, bare ? ct_base_name(*arg) : *arg);
		char *id = pid ? ct_asprintf(" (pid %" PRIu64 ")", pid) : ct_strdup("");
		char *longer = ct_asprintf("%s%s%s%s", line, *line ? ", " : "", safe, id);
		free(id);
		free(safe);
		free(line);
		line = longer;
		pids = pids ? strchr(pids, ',') : NULL;
		pids = pids ? pids + 1 : NULL;
	}
	return line;
}

/* The command line; `bare` leaves out the directories of the program. */
static char *join_argv(const struct ct_report *r, bool bare)
{
	if (r->m->run->attached)
		return join_attached(r, bare);
	char *line = ct_strdup("");
	for (char **arg = r->m->run->argv; arg && *arg; arg++) {
		bool is_program = arg == r->m->run->argv;
		char *safe = ct_page__safe(&r->page,
			bare && is_program ? ct_base_name(*arg) : *arg);
		char *longer = ct_asprintf("%s%s%s", line, *line ? " " : "", safe);
		free(safe);
		free(line);
		line = longer;
	}
	return line;
}

static const char *signal_name(u32 signal)
{
	static const char *const names[] = { [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT",
		[4] = "SIGILL", [5] = "SIGTRAP", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE",
		[9] = "SIGKILL", [10] = "SIGUSR1", [11] = "SIGSEGV", [12] = "SIGUSR2",
		[13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM" };
	return signal < CT_COUNT(names) && names[signal] ? names[signal] : NULL;
}

static char *describe_end(const struct ct_model *m)
{
	const struct ct_run *run = m->run;
	char wall[CT_FMT_LEN];
	u32 signal = (u32)run->wait_status & 0x7f;
	const char *name = signal_name(signal);
	ct_fmt_ns(wall, m->end_ns - m->start_ns + run->dropped_ns);
	if (!m->complete)
		return ct_asprintf("recorded for %s", wall);
	if (run->attached)
		return ct_asprintf("watched for %s%s", wall, run->ended ? ", until it ended" : "");
	if (!run->ended)
		return ct_asprintf("still running after %s, when the recording ended", wall);
	if (name)
		return ct_asprintf("killed by %s after %s", name, wall);
	if (signal)
		return ct_asprintf("killed by signal %" PRIu32 " after %s", signal, wall);
	u32 status = ct_shell_status(run->wait_status);
	return ct_asprintf("exit status %" PRIu32 " after %s", status, wall);
}

static void write_run(struct ct_report *r)
{
	const struct ct_model *m = r->m;
	ct_ns running_ns = 0;
	char cpus[CT_FMT_LEN];
	char threads[CT_FMT_LEN];
	char processes[CT_FMT_LEN];
	for (u32 i = 0; i < m->threads.cnt; i++)
		running_ns += m->threads.at[i].state_ns[CT_RUNNING];
	char *program = join_argv(r, false);
	if (ct_columns(program) > r->page.width / 2) {
		free(program);
		program = join_argv(r, true);
	}
	char *end = describe_end(m);
	ct_page__shorten(&r->page, program, r->page.width / 2);
	char *where = m->processes.cnt < 2 ? ct_strdup("") :
					     ct_asprintf(" in %s processes",
						     ct_report__count(r, processes,
							     m->processes.cnt));
	char *facts = ct_asprintf("%s; %s%s of %" PRIu32 " CPU%s used; %s thread%s%s",
		end, ct_report__about(r),
		ct_report__ratio(cpus, running_ns, m->end_ns - m->start_ns), m->run->cpus,
		PLURAL(m->run->cpus), ct_report__count(r, threads, m->threads.cnt),
		PLURAL(m->threads.cnt), where);
	ct_page__ink(&r->page, CT_INK_STRONG, false, program);
	ct_page__put(&r->page, ":");
	ct_page__stop(&r->page, r->page.column + 1);
	ct_page__wrap(&r->page, 2, facts);
	free(facts);
	free(where);
	free(end);
	free(program);
}

/* What the trace was told to say of where it comes from, and what it does not say. */
static void write_labels(struct ct_report *r)
{
	const struct ct_run *run = r->m->run;
	char *list = ct_strdup("");
	for (char **label = run->labels; label && *label; label++) {
		char *longer = ct_asprintf("%s%s%s", list, *list ? ", " : "", *label);
		free(list);
		list = longer;
	}
	if (*list) {
		char *line = ct_asprintf("labels: %s", list);
		char *safe = ct_page__safe(&r->page, line);
		ct_page__wrap(&r->page, 2, safe);
		free(safe);
		free(line);
	}
	free(list);
	if (!run->redacted)
		return;
	ct_page__wrap(&r->page, 2, "redacted: no arguments, directories and host name are in here");
}

/* "passwd, su and 3 more" */
static void write_let_go(struct ct_report *r)
{
	const struct ct_model *m = r->m;
	char *names = ct_strdup(""), *longer;
	u32 cnt = 0;
	for (u32 i = 0; i < m->threads.cnt; i++) {
		if (!(m->threads.at[i].flags & CT_THREAD_LET_GO) || cnt++ >= LET_GO_SHOWN)
			continue;
		longer = ct_asprintf("%s%s%s", names, *names ? ", " : "",
			ct_strtab__get(m->strings, m->threads.at[i].name));
		free(names);
		names = longer;
	}
	if (cnt) {
		char more[32] = "";
		if (cnt > LET_GO_SHOWN)
			snprintf(more, sizeof(more), " and %" PRIu32 " more", cnt - LET_GO_SHOWN);
		char *safe = ct_page__safe(&r->page, names);
		longer = ct_asprintf("%s%s got more rights than the caller's (set-user-id, "
				     "set-group-id or file capabilities) and ran on; what happened "
				     "there is not in here",
			safe, more);
		ct_page__ink(&r->page, CT_INK_WARN, false, "unrecorded:");
		ct_page__stop(&r->page, r->page.column + 1);
		ct_page__wrap(&r->page, 2, longer);
		free(longer);
		free(safe);
	}
	free(names);
}

static void write_cuts(struct ct_report *r)
{
	const struct ct_model *m = r->m;
	u32 found = 0;
	char text[CT_FMT_LEN];
	for (u32 i = 0; i < m->threads.cnt; i++)
		found += !!(m->threads.at[i].flags & CT_THREAD_FOUND);
	if (m->run->attached) {
		char *line = ct_asprintf("attached: %s thread%s already running; what they did "
					 "before is not in here",
			ct_fmt_count(text, found), found == 1 ? " was" : "s were");
		ct_page__wrap(&r->page, 2, line);
		free(line);
	}
	if (m->run->dropped_ns) {
		char *line = ct_asprintf("this is the newest part of the recording (--max-size): "
					 "%s before it were not kept",
			ct_fmt_ns(text, m->run->dropped_ns));
		ct_page__wrap(&r->page, 2, line);
		free(line);
	}
	if (!m->complete) {
		ct_page__ink(&r->page, CT_INK_WARN, false, "the recording was cut:");
		char *line = !m->threads.cnt ? ct_strdup("nothing of it can be read") :
					       ct_asprintf("what follows is its first %s",
						       ct_fmt_ns(text, m->end_ns - m->start_ns));
		ct_page__stop(&r->page, r->page.column + 1);
		ct_page__wrap(&r->page, 2, line);
		free(line);
	}
}

/* ---- how much ran at once ---- */

/* Rows of the histogram: 0, 1, 2, ... while they are few, then 5-8, 9-16, ... */
static u32 last_of_row(u32 first, u32 cnt)
{
	if (cnt <= 7 || first < 3)
		return first;
	u32 last = 4;
	while (last < first)
		last *= 2;
	return last < cnt ? last : cnt - 1;
}

static void write_histogram(struct ct_report *r)
{
	const struct ct_parallelism *p = &r->facts->parallelism;
	for (u32 first = 0; first < p->cnt;) {
		u32 last = last_of_row(first, p->cnt);
		ct_ns ns = 0;
		char share[CT_FMT_LEN];
		for (u32 i = first; i <= last; i++)
			ns += p->running_ns[i];
		char *label = first == last ? ct_asprintf("%" PRIu32, first) :
					      ct_asprintf("%" PRIu32 "-%" PRIu32, first, last);
		ct_page__right(&r->page, 9, label);
		ct_page__put(&r->page, " running");
		ct_page__right(&r->page, 24,
			ct_report__share(share, ns, p->duration_ns, r->lossy));
		ct_page__stop(&r->page, 26);
		ct_page__bar(&r->page, ns, p->duration_ns, r->page.width < 100 ? 30 : 50);
		ct_page__end(&r->page);
		free(label);
		first = last + 1;
	}
}

/* Exactly one ran although CPUs were free and others waited: how long, who, and for what. */
static void write_alone(struct ct_report *r)
{
	const struct ct_parallelism *p = &r->facts->parallelism;
	u32 who = 0, what = CT_LOCK; /* not for an end, or for whatever comes: that tells nothing */
	char alone[CT_FMT_LEN], by[CT_FMT_LEN], waited[CT_FMT_LEN];
	if (!p->alone_thread_ns || p->alone_ns < p->duration_ns / 100 || !p->alone_ns)
		return;
	for (u32 i = 1; i < r->m->threads.cnt; i++)
		who = p->alone_thread_ns[i] > p->alone_thread_ns[who] ? i : who;
	for (u32 s = CT_LOCK; s < CT_STATES; s++)
		if (s != CT_JOIN && s != CT_CHILD && s != CT_POLL)
			what = p->alone_state_ns[s] > p->alone_state_ns[what] ? s : what;
	char *name = ct_report__thread(r, who);
	char *text =
		ct_asprintf("one ran alone, with a CPU free and others waiting, %s of the time "
			    "(most: %s, %s)",
			ct_report__share(alone, p->alone_ns, p->duration_ns, r->lossy), name,
			ct_report__share(by, p->alone_thread_ns[who], p->alone_ns, r->lossy));
	if (p->alone_state_ns[what]) {
		char *longer = ct_asprintf("%s; meanwhile somebody waited for %s %s of it", text,
			ct_state_name(what),
			ct_report__share(waited, p->alone_state_ns[what], p->alone_ns, r->lossy));
		free(text);
		text = longer;
	}
	ct_page__stop(&r->page, 2);
	ct_page__wrap(&r->page, 2, text);
	free(text);
	free(name);
}

static void write_work(struct ct_report *r)
{
	const struct ct_program_kind *k = &r->facts->kind;
	static const char *const fits[CT_FITS] = {
		[CT_FIT_SEQUENTIAL] = "one thread is enough for so little",
		[CT_FIT_ASYNC] = "its waits can overlap in one thread: an event loop fits",
		[CT_FIT_THREADS] = "threads fit",
		[CT_FIT_PROCESSES] = "processes fit: its threads run one at a time",
	};
	if ((!k->cpu_ns && !k->io_ns && !k->sleep_ns) || k->kind == CT_WORK_WAITING)
		return;
	char *text = ct_asprintf("the work as a whole is %s; %s", ct_work_kind_name(k->kind),
		fits[k->fit]);
	ct_page__stop(&r->page, 2);
	ct_page__wrap(&r->page, 2, text);
	free(text);
}

static void write_parallelism(struct ct_report *r)
{
	const struct ct_parallelism *p = &r->facts->parallelism;
	char mean[CT_FMT_LEN];
	char one[CT_FMT_LEN];
	char queued[CT_FMT_LEN];
	if (!p->cnt || !p->duration_ns)
		return;
	ct_report__heading(r, "Parallelism");
	ct_page__stop(&r->page, r->page.column + 2);
	char *text = ct_asprintf(
		"on average %s%s threads ran at once on %" PRIu32 " CPU%s; exactly one ran %s "
		"of the time; some thread waited for a CPU %s of the time",
		ct_report__about(r),
		ct_report__ratio(mean, (u64)(p->mean_running * 1e6 + 0.5), 1000000),
		r->m->run->cpus, PLURAL(r->m->run->cpus),
		ct_report__share(one, p->cnt > 1 ? p->running_ns[1] : 0, p->duration_ns, r->lossy),
		ct_report__share(queued, p->wait_cpu_ns, p->duration_ns, r->lossy));
	ct_page__wrap(&r->page, 2, text);
	free(text);
	write_histogram(r);
	write_alone(r);
	write_work(r);
}

/* Time on a CPU that the kernel did not count as the threads' own. */
static void write_stolen(struct ct_report *r)
{
	ct_ns on_cpu_ns = 0;
	ct_ns own_ns = 0;
	char on_cpu[CT_FMT_LEN];
	char own[CT_FMT_LEN];
	for (u32 i = 0; i < r->m->threads.cnt; i++) {
		if (!r->m->threads.at[i].cpu_ns)
			continue;
		on_cpu_ns += r->m->threads.at[i].state_ns[CT_RUNNING];
		own_ns += r->m->threads.at[i].cpu_ns;
	}
	if (on_cpu_ns <= own_ns || (on_cpu_ns - own_ns) < on_cpu_ns / 100)
		return;
	char *text = ct_asprintf("threads were on a CPU for %s, of which the kernel counts %s "
				 "as theirs; switching, interrupts or the hypervisor took the "
				 "rest%s",
		ct_report__ns(r, on_cpu, on_cpu_ns), ct_report__ns(r, own, own_ns),
		r->lossy ? ", or it is what the lost events would have told" : "");
	ct_page__stop(&r->page, 2);
	ct_page__wrap(&r->page, 2, text);
	free(text);
}

/* ---- what was lost ---- */

static char *list_losses(const struct ct_model *m)
{
	struct ct_loss_sums sums;
	u32 cpu = CT_NONE;
	char *list = ct_strdup("");
	ct_loss_sums__compute(&sums, m);
	for (u32 i = 0; i < sums.at.cnt; i++) {
		const struct ct_loss_span *loss = &sums.at.at[i];
		const char *kind = ct_kind_name(loss->kind);
		char cnt[CT_FMT_LEN];
		const char *gap = !i ? "" : "; ";
		char *head = loss->cpu == cpu ? ct_strdup(", ") :
						ct_asprintf("%sCPU %" PRIu32 ": ", gap, loss->cpu);
		char *longer = ct_asprintf("%s%s%s %s", list, head, ct_fmt_count(cnt, loss->count),
			kind ? kind : "of several kinds");
		cpu = loss->cpu;
		free(head);
		free(list);
		list = longer;
	}
	ct_vec_free(&sums.at);
	return list;
}

/* The machine's own gaps, which no buffer of ours could have kept. */
static char *say_unseen(const struct ct_report *r, const char *before)
{
	char cnt[CT_FMT_LEN];
	u64 n = r->m->anomalies;
	if (!n)
		return ct_strdup(before);
	return ct_asprintf("%s; %s time%s a thread was found on a CPU without having been seen to "
			   "come (the kernel did not report it; other tracers do not see it "
			   "either)",
		before, ct_fmt_count(cnt, n), PLURAL(n));
}

static void write_loss(struct ct_report *r)
{
	char cnt[CT_FMT_LEN];
	ct_report__heading(r, "Lost events");
	ct_page__stop(&r->page, r->page.column + 2);
	if (!r->m->lost_events) {
		char *none = say_unseen(r, r->m->complete ? "none" : "none before it was cut");
		ct_page__wrap(&r->page, 2, none);
		free(none);
		return;
	}
	char *losses = list_losses(r->m);
	char *text = ct_asprintf("%s event%s (%s); figures marked ~ may be off",
		ct_fmt_count(cnt, r->m->lost_events), PLURAL(r->m->lost_events), losses);
	ct_page__wrap(&r->page, 2, text);
	free(text);
	free(losses);
}

static void write_disagreement(struct ct_report *r, u32 thread_idx)
{
	const struct ct_thread *t = &r->m->threads.at[thread_idx];
	char *name = ct_report__thread(r, thread_idx);
	char *text = ct_asprintf("%s: recorded %" PRIu64 " voluntary and %" PRIu64
				 " involuntary, the kernel counts %" PRIu64 " and %" PRIu64,
		name, t->voluntary, t->involuntary, t->kernel_voluntary, t->kernel_involuntary);
	ct_page__stop(&r->page, 4);
	ct_page__wrap(&r->page, 6, text);
	free(text);
	free(name);
}

static void write_agreement(struct ct_report *r)
{
	u32 cnt[3] = { 0 };
	u32 shown = 0;
	char *text;
	for (u32 i = 0; i < r->m->threads.cnt; i++)
		cnt[ct_switches_agree(&r->m->threads.at[i])]++;
	u32 known = cnt[CT_AGREE_YES] + cnt[CT_AGREE_NO];
	if (!known)
		text = ct_strdup("the kernel's own switch counts are not in this trace");
	else
		text = ct_asprintf("the kernel's own switch counts agree for %" PRIu32
				   " of %" PRIu32 " thread%s%s",
			cnt[CT_AGREE_YES], known, PLURAL(known),
			known < r->m->threads.cnt ? "; of the others they are not known" : "");
	ct_page__stop(&r->page, 2);
	ct_page__wrap(&r->page, 2, text);
	free(text);
	for (u32 i = 0; i < r->m->threads.cnt && shown < (r->verbose ? 50 : 3); i++) {
		if (ct_switches_agree(&r->m->threads.at[i]) == CT_AGREE_NO)
			write_disagreement(r, i), shown++;
	}
	if (cnt[CT_AGREE_NO] > shown) {
		ct_page__stop(&r->page, 4);
		ct_page__printf(&r->page, "and %" PRIu32 " more", cnt[CT_AGREE_NO] - shown);
		ct_page__end(&r->page);
	}
}

/* What is known of the price of all this. */
static void write_cost(struct ct_report *r)
{
	const struct ct_run *run = r->m->run;
	char probes[CT_FMT_LEN], share[CT_FMT_LEN], collector[CT_FMT_LEN];
	ct_ns running_ns = 0;
	char *text;

	if (!run->cost_collector_ns)
		return;
	for (u32 i = 0; i < r->m->threads.cnt; i++)
		running_ns += r->m->threads.at[i].state_ns[CT_RUNNING];
	ct_fmt_ns(collector, run->cost_collector_ns);
	if (run->cost_probes_ns)
		text = ct_asprintf("some %s in the probes, %s of the time that the program was on "
				   "a CPU, and %s of CPU time beside it",
			ct_fmt_ns(probes, run->cost_probes_ns),
			ct_fmt_share(share, run->cost_probes_ns, running_ns), collector);
	else
		text = ct_asprintf("%s of CPU time beside the program; that of the probes is not "
				   "known",
			collector);
	ct_report__heading(r, "Recording took");
	ct_page__stop(&r->page, r->page.column + 2);
	ct_page__wrap(&r->page, 2, text);
	free(text);
	if (!run->futex_calls)
		return;
	ct_page__stop(&r->page, 2);
	ct_page__wrap(&r->page, 2,
		"meanwhile every system call on the machine was slower by some tens of "
		"nanoseconds; --futex=switch spares them that");
}

int ct_report__write(const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out)
{
	u32 width = opts->width ? opts->width : WIDTH_DEFAULT;
	struct ct_report r = {
		.facts = facts,
		.m = facts->m,
		.page = { .out = out, .colour = opts->colour, .unicode = opts->unicode,
			.width = width < WIDTH_LEAST ? WIDTH_LEAST : width },
		.verbose = opts->verbose,
		.lossy = facts->m->lost_events > 0,
	};
	r.name_cnt = ct_thread_names(facts->m);
	write_run(&r);
	write_labels(&r);
	write_cuts(&r);
	write_let_go(&r);
	ct_report__verdict(&r);
	ct_report__hangs(&r);
	ct_report__findings(&r);
	ct_report__watch(&r);
	ct_report__threads(&r);
	ct_report__locks(&r);
	ct_report__waits(&r);
	write_parallelism(&r);
	write_stolen(&r);
	ct_report__path(&r);
	ct_report__what_if(&r);
	write_loss(&r);
	write_agreement(&r);
	write_cost(&r);
	free(r.name_cnt);
	return ferror(out) ? -EIO : 0;
}
