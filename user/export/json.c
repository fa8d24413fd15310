/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON summary, schema 1: facts only, by jansson, keys in the order of this file.  Once
 * published a key keeps its name and meaning; keys may be added.  What has not been worked out has
 * no key at all. An empty list of findings says that the trace allows no verdict (nothing recorded,
 * or too much lost): a run in which nothing is wrong has the finding `healthy`.
 *
 * All times are integer nanoseconds, counted from the run's start unless the key says duration (a
 * state, a wait).  Unknown is null.  Names are as the program gave them; bytes that are no UTF-8
 * become the text "\xNN", as in the report.
 *
 *   run          argv pid exit_status duration_ns cpus kernel ctrace; attached ended complete
 *                start_time (UTC) cpus_machine arch libc host futex stacks cpu_samples_hz switches
 *                events processes cost (CPU time of recording: probes_ns, estimated; collector_ns);
 *                labels (an object), redacted (true), dropped_ns (time before the start that
 *                --max-size did not keep), unrecorded (name tid since_ns of what got more rights by
 *                exec and ran on): only where there are any
 *   loss         events; by_cpu by_kind waits_without_stack damage anomalies
 *   threads      tid pid name start_ns end_ns running_ns runnable_ns blocked_ns switches
 *                migrations kind; cpu_ns switches_before kernel_switches switches_agree
 *                runnable_max_ns wakeups found ended exit_status cut lossy
 *   locks        id name address kind waits wait_ns max_wait_ns max_waiters sites blocked_by; pid
 *                runnable_ns wakes wakes_of_none timeouts refused holders_ns holds;
 *                blocked_by_rest (pairs waits wait_ns: of those beyond the first 1,000 in
 *                blocked_by, whose number may grow with the square of the threads)
 *   parallelism  mean_running running_ns; wait_cpu_ns alone_ns alone_waiting_ns
 *                alone_threads
 *   work         kind of the whole program, what fits it, and the thread time this rests on
 *   critical_path  tid reason lock ns share; adds up to run.duration_ns
 *   critical_path_lines  the same by line
 *   what_if      change duration_ns speedup; at_least_ns saves_at_most_ns kind lock tid parts
 *                assumes
 *   what_if_replay  how well the replay that they rest on repeats the recorded run
 *   lines        waits by line and reason
 *   wakers       who woke whom, and the blocked time that this ended
 *   findings     id severity certainty cost_ns share threads locks lines evidence lesson advice;
 *                title because_of (id of the finding that it follows from);
 *                since_ns until_ns (of hangs)
 *
 * lossy (true): in each object of run, locks, parallelism, work and so on when events were lost,
 * since its figures may be off; threads have true or false, by whether a loss fell into their life.
 * exit_status is what a shell would give (128 + signal); null while the program ran on, or was not
 * ctrace's own.  blocked_ns has a key for each state in which the thread was.  switches_agree: does
 * what was recorded equal the kernel's own count (null: that is not known).  holders_ns: what
 * holders did while others waited; holds: how many stretches of holding are known, and in how many
 * the lock itself named the holder (the others are inferred from wake-ups).
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "html_int.h"
#include "json_int.h"

#define SCHEMA 1
#define NAME_SIZE 512
#define BLAMES_MOST 1000u
#define REAL_DIGITS 6
#define NS_PER_S 1000000000u
#define S_PER_DAY 86400u

static json_t *tid_or_null(const struct ct_model *m, u32 thread_idx)
{
	return thread_idx < m->threads.cnt ? integer(m->threads.at[thread_idx].tid) : json_null();
}

/* Days since 1970 as a date of the Gregorian calendar.  Not gmtime(): under some time zones' files
 * it counts leap seconds.  Years start in March here, so that a leap day is a year's last day. */
static void split_days(u64 days, u32 *year, u32 *month, u32 *day)
{
	u64 since_0000_03_01 = days + 719468;
	u64 era = since_0000_03_01 / 146097; /* of 400 years */
	u64 day_of_era = since_0000_03_01 % 146097;
	u64 year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
				  day_of_era / 146096) / 365;
	u64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	u64 month_from_march = (5 * day_of_year + 2) / 153;
	*day = (u32)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	*month = (u32)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	*year = (u32)(year_of_era + era * 400 + (*month <= 2));
}

/* RFC 3339, UTC; null where the trace does not know. */
static json_t *time_of_day(u64 real_ns)
{
	if (!real_ns)
		return json_null();
	u64 s = real_ns / NS_PER_S;
	u32 of_day = (u32)(s % S_PER_DAY);
	u32 year;
	u32 month;
	u32 day;
	split_days(s / S_PER_DAY, &year, &month, &day);
	return json_sprintf("%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year, month, day, of_day / 3600,
		of_day / 60 % 60, of_day % 60, (u32)(real_ns % NS_PER_S));
}

static json_t *run_argv(const struct ct_run *run)
{
	json_t *argv = json_array();
	for (char **arg = run->argv; arg && *arg; arg++)
		json_array_append_new(argv, text(*arg));
	return argv;
}

static json_t *run_processes(const struct ct_model *m)
{
	json_t *processes = json_array();
	for (u32 i = 0; i < m->processes.cnt; i++) {
		const struct ct_process *p = &m->processes.at[i];
		json_t *o = json_object();
		set(o, "pid", integer(p->pid));
		set(o, "name", text(ct_process_name(m, i)));
		set(o, "parent", p->parent < m->processes.cnt ?
				integer(m->processes.at[p->parent].pid) : json_null());
		set(o, "threads", integer(p->thread_cnt));
		json_array_append_new(processes, o);
	}
	return processes;
}

/* CPU time that recording took; null where it was not measured. */
static json_t *run_cost(const struct ct_run *run)
{
	json_t *o = json_object();

	set(o, "probes_ns", run->cost_probes_ns ? integer(run->cost_probes_ns) : json_null());
	set(o, "collector_ns",
		run->cost_collector_ns ? integer(run->cost_collector_ns) : json_null());
	return o;
}

static json_t *run_labels(const struct ct_run *run)
{
	json_t *labels = json_object();
	for (char **label = run->labels; *label; label++) {
		size_t len = strcspn(*label, "=");
		char *raw = ct_strndup(*label, len);
		char *key = ct_utf8_repair(raw);
		set(labels, key, text((*label)[len] ? *label + len + 1 : ""));
		free(key);
		free(raw);
	}
	return labels;
}

static json_t *run_unrecorded(const struct ct_model *m)
{
	json_t *rows = json_array();

	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];
		json_t *o;

		if (!(t->flags & CT_THREAD_LET_GO))
			continue;
		o = json_object();
		set(o, "name", text(ct_strtab__get(m->strings, t->name)));
		set(o, "tid", integer(t->tid));
		set(o, "since_ns", integer(t->end_ns - m->start_ns));
		json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *run_object(const struct ct_model *m)
{
	const struct ct_run *run = m->run;
	bool own_end = run->ended && !run->attached;
	json_t *o = json_object();
	set(o, "argv", run_argv(run));
	set(o, "pid", integer(run->pid));
	set(o, "exit_status", own_end ? integer(ct_shell_status(run->wait_status)) : json_null());
	set(o, "duration_ns", integer(m->end_ns - m->start_ns));
	set(o, "cpus", integer(run->cpus));
	set(o, "kernel", text(run->kernel));
	set(o, "ctrace", text(run->version));
	set(o, "attached", json_boolean(run->attached));
	set(o, "ended", json_boolean(run->ended));
	set(o, "complete", json_boolean(m->complete));
	set(o, "start_time", time_of_day(run->start_real_ns));
	set(o, "cpus_machine", integer(run->cpus_machine));
	set(o, "arch", text(run->arch));
	set(o, "libc", text(run->libc));
	set(o, "host", text(run->host));
	set(o, "futex", json_string(run->futex_calls ? "calls" : "switch"));
	set(o, "stacks", json_boolean(run->stacks));
	set(o, "cpu_samples_hz", integer(run->sample_hz));
	set(o, "switches", integer(m->switch_cnt));
	set(o, "events", integer(m->event_cnt));
	set(o, "processes", run_processes(m));
	set(o, "cost", run_cost(run));
	if (run->dropped_ns)
		set(o, "dropped_ns", integer(run->dropped_ns));
	if (run->labels)
		set(o, "labels", run_labels(run));
	if (run->redacted)
		set(o, "redacted", json_true());
	if (ct_is_let_go(m))
		set(o, "unrecorded", run_unrecorded(m));
	return o;
}

static void add_to(json_t *object, const char *key, u64 n)
{
	json_t *old = json_object_get(object, key);
	set(object, key, integer(n + (old ? (u64)json_integer_value(old) : 0)));
}

static u64 count_waits_without_stack(const struct ct_model *m)
{
	u64 cnt = 0;
	for (u32 i = 0; m->run->stacks && i < m->waits.cnt; i++)
		cnt += !m->waits.at[i].stack;
	return cnt;
}

static json_t *loss_object(const struct ct_export_in *in)
{
	const struct ct_model *m = in->facts->m;
	json_t *by_cpu = json_object();
	json_t *by_kind = json_object();
	struct ct_loss_sums sums;
	ct_loss_sums__compute(&sums, m);
	for (u32 i = 0; i < sums.at.cnt; i++) {
		char cpu[16];
		const char *kind = ct_kind_name(sums.at.at[i].kind);
		snprintf(cpu, sizeof(cpu), "%" PRIu32, sums.at.at[i].cpu);
		add_to(by_cpu, cpu, sums.at.at[i].count);
		add_to(by_kind, kind ? kind : "several", sums.at.at[i].count);
	}
	ct_vec_free(&sums.at);
	const char *damage = in->source ? ct_source__damage(in->source) : NULL;
	json_t *o = json_object();
	set(o, "events", integer(m->lost_events));
	set(o, "by_cpu", by_cpu);
	set(o, "by_kind", by_kind);
	set(o, "waits_without_stack", integer(count_waits_without_stack(m)));
	set(o, "damage", damage ? text(damage) : json_null());
	set(o, "anomalies", integer(m->anomalies));
	return o;
}

/* A key for each state in [first, CT_STATES) that took time. */
static json_t *state_times(const ct_ns state_ns[CT_STATES], enum ct_state first)
{
	json_t *o = json_object();
	for (u32 s = first; s < CT_STATES; s++) {
		if (state_ns[s])
			set(o, ct_state_name(s), integer(state_ns[s]));
	}
	return o;
}

static json_t *switch_counts(u64 voluntary, u64 involuntary)
{
	json_t *o = json_object();
	set(o, "voluntary", integer(voluntary));
	set(o, "involuntary", integer(involuntary));
	return o;
}

static json_t *thread_cut(const struct ct_thread *t)
{
	bool start = t->flags & CT_THREAD_FOUND;
	bool end = !(t->flags & CT_THREAD_ENDED);
	json_t *o = json_object();
	set(o, "start", json_boolean(start));
	set(o, "end", json_boolean(end));
	return o;
}

static void set_kernel_account(json_t *o, const struct ct_thread *t)
{
	static const char key[] = "switches_agree";
	enum ct_agreement agree = ct_switches_agree(t);
	bool known = agree != CT_AGREE_UNKNOWN;
	set(o, "cpu_ns", t->cpu_ns ? integer(t->cpu_ns) : json_null());
	set(o, "switches_before", switch_counts(t->before_voluntary, t->before_involuntary));
	set(o, "kernel_switches",
		known ? switch_counts(t->kernel_voluntary, t->kernel_involuntary) : json_null());
	set(o, key, known ? json_boolean(agree == CT_AGREE_YES) : json_null());
}

static json_t *thread_object(const struct ct_model *m, u32 i)
{
	const struct ct_thread *t = &m->threads.at[i];
	bool ended = t->flags & CT_THREAD_ENDED;
	bool found = t->flags & CT_THREAD_FOUND;
	bool lossy = t->flags & CT_THREAD_LOSS;
	json_t *o = json_object();
	set(o, "tid", integer(t->tid));
	set(o, "pid", integer(ct_thread_pid(m, i)));
	set(o, "name", text(ct_thread_name(m, i)));
	set(o, "start_ns", integer(t->start_ns - m->start_ns));
	set(o, "end_ns", integer(t->end_ns - m->start_ns));
	set(o, "running_ns", integer(t->state_ns[CT_RUNNING]));
	set(o, "runnable_ns", integer(t->state_ns[CT_RUNNABLE]));
	set(o, "blocked_ns", state_times(t->state_ns, CT_LOCK));
	set(o, "switches", switch_counts(t->voluntary, t->involuntary));
	set(o, "migrations", integer(t->migrations));
	set(o, "kind", json_string(ct_work_kind_name(ct_thread_kind(t))));
	set_kernel_account(o, t);
	set(o, "runnable_max_ns", integer(t->runnable_max_ns));
	set(o, "wakeups", integer(t->wakeups));
	set(o, "found", json_boolean(found));
	set(o, "ended", json_boolean(ended));
	set(o, "exit_status", ended ? integer(ct_shell_status((int)t->exit_code)) : json_null());
	set(o, "cut", thread_cut(t));
	set(o, "lossy", json_boolean(lossy));
	return o;
}

/* function, file, line of a frame; null where unknown. */
static void set_place(json_t *o, const struct ct_names *names, u32 frame)
{
	struct ct_place place = ct_frame_place(names, frame);
	json_t *function = json_null();
	if (*place.function) {
		function = text(place.function);
	} else if (*place.module) {
		char *module = ct_asprintf("%s+0x%" PRIx64, ct_base_name(place.module),
			place.offset);
		function = text(module);
		free(module);
	}
	set(o, "function", function);
	set(o, "file", *place.file ? text(place.file) : json_null());
	set(o, "line", place.line ? integer(place.line) : json_null());
}

static json_t *lock_sites(const struct ct_model *m, const struct ct_contention *c)
{
	json_t *sites = json_array();
	for (u32 i = 0; i < c->sites.cnt; i++) {
		const struct ct_site *site = &c->sites.at[i];
		json_t *o = json_object();
		set_place(o, m->names, site->frame);
		set(o, "waits", integer(site->waits));
		set(o, "wait_ns", integer(site->wait_ns));
		set(o, "max_wait_ns", integer(site->max_ns));
		json_array_append_new(sites, o);
	}
	return sites;
}

static json_t *lock_blames(const struct ct_model *m, const struct ct_contention *c)
{
	json_t *blames = json_array();
	for (u32 i = 0; i < c->blamed.cnt && i < BLAMES_MOST; i++) {
		const struct ct_blame *b = &c->blamed.at[i];
		json_t *o = json_object();
		set(o, "waiter", tid_or_null(m, b->waiter));
		set(o, "owner", tid_or_null(m, b->owner));
		set(o, "waits", integer(b->waits));
		set(o, "wait_ns", integer(b->wait_ns));
		json_array_append_new(blames, o);
	}
	return blames;
}

static json_t *rest_of_blames(const struct ct_contention *c)
{
	u64 waits = 0, wait_ns = 0;
	for (u32 i = BLAMES_MOST; i < c->blamed.cnt; i++) {
		waits += c->blamed.at[i].waits;
		wait_ns += c->blamed.at[i].wait_ns;
	}
	json_t *o = json_object();
	set(o, "pairs", integer(c->blamed.cnt - BLAMES_MOST));
	set(o, "waits", integer(waits));
	set(o, "wait_ns", integer(wait_ns));
	return o;
}

static json_t *lock_holds(const struct ct_lock *lock)
{
	u64 seen = 0;
	for (u32 i = 0; i < lock->holds.cnt; i++)
		seen += !!(lock->holds.at[i].flags & CT_HOLD_SEEN);
	json_t *o = json_object();
	set(o, "count", integer(lock->holds.cnt));
	set(o, "seen", integer(seen));
	return o;
}

static json_t *lock_object(const struct ct_model *m, const struct ct_contention *c)
{
	const struct ct_lock *lock = &m->locks.at[c->lock];
	u32 pid = lock->process < m->processes.cnt ? m->processes.at[lock->process].pid : 0;
	char name[NAME_SIZE];
	json_t *o = json_object();
	set(o, "id", json_sprintf("L%" PRIu32, lock->id));
	set(o, "name", text(ct_lock_name(m, lock, name, sizeof(name))));
	set(o, "address", json_sprintf("0x%" PRIx64, lock->addr));
	set(o, "kind", json_string(ct_lock_kind_name(lock->kind)));
	set(o, "waits", integer(lock->wait_cnt));
	set(o, "wait_ns", integer(lock->wait_ns));
	set(o, "max_wait_ns", integer(lock->max_wait_ns));
	set(o, "max_waiters", integer(lock->max_waiters));
	set(o, "sites", lock_sites(m, c));
	set(o, "blocked_by", lock_blames(m, c));
	if (c->blamed.cnt > BLAMES_MOST)
		set(o, "blocked_by_rest", rest_of_blames(c));
	set(o, "pid", integer(pid));
	set(o, "runnable_ns", integer(lock->runnable_ns));
	set(o, "wakes", integer(lock->wake_cnt));
	set(o, "wakes_of_none", integer(lock->wake_none_cnt));
	set(o, "timeouts", integer(lock->timeout_cnt));
	set(o, "refused", integer(lock->eagain_cnt));
	set(o, "holders_ns", state_times(c->hold_state_ns, CT_RUNNING));
	set(o, "holds", lock_holds(lock));
	return o;
}

static json_t *alone_threads(const struct ct_model *m, const struct ct_parallelism *p)
{
	json_t *rows = json_array();
	for (u32 i = 0; p->alone_thread_ns && i < m->threads.cnt; i++) {
		if (!p->alone_thread_ns[i])
			continue;
		json_t *o = json_object();
		set(o, "tid", tid_or_null(m, i));
		set(o, "ns", integer(p->alone_thread_ns[i]));
		json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *parallelism_object(const struct ct_model *m, const struct ct_parallelism *p)
{
	json_t *running = json_array();
	for (u32 i = 0; i < p->cnt; i++)
		json_array_append_new(running, integer(p->running_ns[i]));
	json_t *o = json_object();
	set(o, "mean_running", json_real(p->mean_running));
	set(o, "running_ns", running);
	set(o, "wait_cpu_ns", integer(p->wait_cpu_ns));
	set(o, "alone_ns", integer(p->alone_ns));
	set(o, "alone_waiting_ns", state_times(p->alone_state_ns, CT_RUNNABLE));
	set(o, "alone_threads", alone_threads(m, p));
	return o;
}

static json_t *work_object(const struct ct_program_kind *k)
{
	json_t *o = json_object();
	set(o, "kind", json_string(ct_work_kind_name(k->kind)));
	set(o, "fits", json_string(ct_fit_name(k->fit)));
	set(o, "cpu_ns", integer(k->cpu_ns));
	set(o, "io_ns", integer(k->io_ns));
	set(o, "sleep_ns", integer(k->sleep_ns));
	set(o, "threads_ns", integer(k->peers_ns));
	set(o, "rest_ns", integer(k->rest_ns));
	return o;
}

static json_t *lock_id_or_null(const struct ct_model *m, u32 lock)
{
	return lock < m->locks.cnt ? json_sprintf("L%" PRIu32, m->locks.at[lock].id) : json_null();
}

static void set_path_share(json_t *o, const struct ct_facts *facts, const struct ct_path_share *s)
{
	ct_ns whole_ns = facts->path.duration_ns;
	set(o, "reason", json_string(ct_state_name(s->state)));
	set(o, "lock", lock_id_or_null(facts->m, s->lock));
	set(o, "ns", integer(s->ns));
	set(o, "share", json_real(whole_ns ? (double)s->ns / (double)whole_ns : 0));
}

static json_t *critical_path(const struct ct_facts *facts)
{
	json_t *rows = json_array();
	for (u32 i = 0; i < facts->path.shares.cnt; i++) {
		const struct ct_path_share *s = &facts->path.shares.at[i];
		json_t *o = json_object();
		set(o, "tid", tid_or_null(facts->m, s->thread));
		set_path_share(o, facts, s);
		json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *critical_path_lines(const struct ct_facts *facts)
{
	json_t *rows = json_array();
	for (u32 i = 0; i < facts->path.lines.cnt; i++) {
		const struct ct_path_share *s = &facts->path.lines.at[i];
		json_t *o = json_object();
		set_place(o, facts->m->names, s->frame);
		set_path_share(o, facts, s);
		json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *prediction_object(const struct ct_model *m, const struct ct_prediction *p)
{
	char *change = ct_change_text(m, p);
	bool parts = p->change == CT_CHANGE_LOCK_SPLIT || p->change == CT_CHANGE_CPUS;
	json_t *o = json_object();
	set(o, "change", text(change));
	set(o, "duration_ns", integer(p->duration_ns));
	set(o, "speedup", json_real(p->speedup));
	set(o, "at_least_ns", integer(p->least_ns));
	set(o, "saves_at_most_ns", integer(p->saves_ns));
	set(o, "kind", json_string(ct_change_id(p->change)));
	set(o, "lock", lock_id_or_null(m, p->lock));
	set(o, "tid", tid_or_null(m, p->thread));
	set(o, "parts", parts && p->parts ? integer(p->parts) : json_null());
	set(o, "assumes", json_string(ct_change_assumption(p->change)));
	free(change);
	return o;
}

static json_t *what_if(const struct ct_facts *facts)
{
	json_t *rows = json_array();
	for (u32 i = 0; i < facts->what_if.at.cnt; i++)
		json_array_append_new(rows,
			prediction_object(facts->m, &facts->what_if.at.at[i]));
	return rows;
}

static json_t *what_if_replay(const struct ct_what_if *w)
{
	json_t *o = json_object();
	set(o, "duration_ns", integer(w->baseline_ns));
	set(o, "error", json_real(w->baseline_error));
	set(o, "cpus", integer(w->cpus));
	set(o, "locks_forced", integer(w->forced_cnt));
	set(o, "usable", json_boolean(w->usable));
	return o;
}

static json_t *line_object(const struct ct_model *m, const struct ct_line_wait *line)
{
	json_t *o = json_object();
	set_place(o, m->names, line->frame);
	set(o, "reason", json_string(ct_state_name(line->state)));
	set(o, "waits", integer(line->waits));
	set(o, "wait_ns", integer(line->wait_ns));
	set(o, "max_wait_ns", integer(line->max_ns));
	set(o, "threads", integer(line->threads));
	return o;
}

static json_t *waker_object(const struct ct_model *m, const struct ct_waker_pair *pair)
{
	json_t *o = json_object();
	set(o, "waker", tid_or_null(m, pair->waker));
	set(o, "wakee", tid_or_null(m, pair->wakee));
	set(o, "wakes", integer(pair->cnt));
	set(o, "ended_ns", integer(pair->ended_ns));
	return o;
}

static void set_lists(json_t *root, const struct ct_facts *facts)
{
	const struct ct_model *m = facts->m;
	json_t *threads = json_array();
	json_t *locks = json_array();
	json_t *lines = json_array();
	json_t *wakers = json_array();
	for (u32 i = 0; i < m->threads.cnt; i++)
		json_array_append_new(threads, thread_object(m, i));
	for (u32 i = 0; i < facts->contentions.at.cnt; i++)
		json_array_append_new(locks, lock_object(m, &facts->contentions.at.at[i]));
	for (u32 i = 0; i < facts->lines.at.cnt; i++)
		json_array_append_new(lines, line_object(m, &facts->lines.at.at[i]));
	for (u32 i = 0; i < facts->wakers.at.cnt; i++)
		json_array_append_new(wakers, waker_object(m, &facts->wakers.at.at[i]));
	set(root, "threads", threads);
	set(root, "locks", locks);
	set(root, "parallelism", parallelism_object(m, &facts->parallelism));
	set(root, "lines", lines);
	set(root, "wakers", wakers);
	set(root, "work", work_object(&facts->kind));
	set(root, "critical_path", critical_path(facts));
	set(root, "critical_path_lines", critical_path_lines(facts));
	set(root, "what_if", what_if(facts));
	set(root, "what_if_replay", what_if_replay(&facts->what_if));
}

/* ---- findings ---- */

static void add_lock_id(json_t *locks, const struct ct_model *m, u32 lock)
{
	char id[16];

	if (lock == CT_NONE)
		return;
	snprintf(id, sizeof(id), "L%" PRIu32, m->locks.at[lock].id);
	json_array_append_new(locks, json_string(id));
}

/* "file.c:12", each once; a place without a line says nothing here */
static void add_line(json_t *lines, struct ct_strtab *known, const struct ct_model *m, u32 frame)
{
	struct ct_place place = ct_frame_place(m->names, frame);
	u32 cnt = ct_strtab__count(known);
	char *line;

	if (!*place.file || !place.line)
		return;
	line = ct_asprintf("%s:%" PRIu32, ct_base_name(place.file), place.line);
	ct_strtab__add(known, line);
	if (ct_strtab__count(known) > cnt)
		json_array_append_new(lines, text(line));
	free(line);
}

static void set_owned(json_t *o, const char *key, char *value)
{
	set(o, key, text(value));
	free(value);
}

static json_t *finding_places(const struct ct_model *m, const struct ct_finding *f)
{
	struct ct_strtab *known = ct_strtab__new();
	json_t *lines = json_array();

	for (u32 i = 0; i < f->frames.cnt; i++)
		add_line(lines, known, m, f->frames.at[i]);
	ct_strtab__free(known);
	return lines;
}

static json_t *cause_or_null(const struct ct_finding_list *l, const struct ct_finding *f)
{
	return f->cause == CT_NONE ? json_null()
				   : json_string(ct_finding_id(l->at.at[f->cause].kind));
}

static void set_hang_times(json_t *o, const struct ct_facts *facts, const struct ct_finding *f)
{
	const struct ct_model *m = facts->m;
	const struct ct_hang *h;

	if (f->hang == CT_NONE)
		return;
	h = &facts->hangs.at.at[f->hang];
	set(o, "since_ns", integer(h->since_ns > m->start_ns ? h->since_ns - m->start_ns : 0));
	set(o, "until_ns", integer(h->until_ns - m->start_ns));
}

static json_t *finding_object(const struct ct_facts *facts, const struct ct_finding *f)
{
	const struct ct_model *m = facts->m;
	json_t *o = json_object(), *threads = json_array(), *locks = json_array();

	for (u32 i = 0; i < f->threads.cnt; i++)
		json_array_append_new(threads, tid_or_null(m, f->threads.at[i]));
	for (u32 i = 0; i < f->locks.cnt; i++)
		add_lock_id(locks, m, f->locks.at[i]);
	set(o, "id", json_string(ct_finding_id(f->kind)));
	set(o, "severity", json_string(ct_severity_name(f->severity)));
	set(o, "certainty", json_string(f->seen ? "seen" : "inferred"));
	set(o, "cost_ns", integer(f->cost_ns));
	set(o, "share", json_real(f->share));
	set(o, "threads", threads);
	set(o, "locks", locks);
	set(o, "lines", finding_places(m, f));
	set_owned(o, "evidence", ct_finding_evidence(facts, f));
	set(o, "lesson", text(ct_finding_words(facts, f)));
	set(o, "advice", text(ct_finding_advice(facts, f)));
	set_owned(o, "title", ct_finding_title(facts, f));
	set(o, "because_of", cause_or_null(&facts->findings, f));
	set_hang_times(o, facts, f);
	return o;
}

static void set_findings(json_t *root, const struct ct_facts *facts)
{
	json_t *findings = json_array();

	for (u32 i = 0; i < facts->findings.at.cnt; i++)
		json_array_append_new(findings, finding_object(facts, &facts->findings.at.at[i]));
	set(root, "findings", findings);
}

static void mark_object(json_t *value)
{
	if (json_is_object(value))
		set(value, "lossy", json_true());
}

/* What lost events may have changed says so: each object at the top and in the lists there.
 * Threads have their own mark: some were not touched. */
static void mark_lossy(json_t *root)
{
	for (void *it = json_object_iter(root); it; it = json_object_iter_next(root, it)) {
		const char *key = json_object_iter_key(it);
		json_t *value = json_object_iter_value(it);

		if (!strcmp(key, "loss") || !strcmp(key, "threads"))
			continue;
		mark_object(value);
		for (size_t i = 0; i < json_array_size(value); i++)
			mark_object(json_array_get(value, i));
	}
}

json_t *ct_json__summary(const struct ct_export_in *in)
{
	json_t *root = json_object();
	set(root, "schema", integer(SCHEMA));
	set(root, "run", run_object(in->facts->m));
	set(root, "loss", loss_object(in));
	set_lists(root, in->facts);
	if (in->facts->sharing.at.cnt)
		set(root, "watch", ct_json__watch(in->facts));
	set_findings(root, in->facts);
	if (in->facts->m->lost_events)
		mark_lossy(root);
	return root;
}

int ct_json__write(const struct ct_export_in *in, FILE *out)
{
	json_t *root = ct_json__summary(in);
	int error = json_dump_callback(
		root, ct_json_bytes, out, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(root);
	fputc('\n', out);
	return error || ferror(out) ? -EIO : 0;
}
