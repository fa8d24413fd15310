/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run as figures, in OpenMetrics text (the form that Prometheus reads), for a class or a fleet:
 * files of many runs can be joined, family by family, and loaded.  Each family is contiguous, has
 * its type and meaning, and the file ends with "# EOF".  Every sample carries the time of day at
 * which the run ended, where the trace knows it, as loading files after the fact needs.
 *
 * Labels are few, so that a database does not grow by the run: no thread and no process ids, locks
 * by their names, and at most LOCKS_MAX of them, those that were waited for longest; the others are
 * added up under the name "other locks".  What came from outside is valid UTF-8, with \, " and line
 * ends escaped.
 *
 * Times are seconds with all nine digits: nothing is rounded.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export_int.h"

#define LOCKS_MAX 50u
#define NAME_SIZE 512
#define NS_PER_S 1000000000u

struct lock_sum { /* locks of one name and kind */
	char *name;
	u32 kind;
	u64 waits;
	ct_ns wait_ns, max_wait_ns, hold_ns;
	u32 max_waiters;
};

struct metrics {
	const struct ct_model *m;
	FILE *out;
	char *common; /* labels that every sample has */
	char *time;   /* " 1700000000.000000000", or "" */
	CT_VEC(struct lock_sum) locks;
};

/* A label's value, quotes included; free() it. */
static char *quote(const char *raw)
{
	char *text = ct_utf8_repair(raw);
	char *quoted = ct_alloc(2 * strlen(text) + 3);
	char *end = quoted;
	*end++ = '"';
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			*end++ = '\\';
		if (*c == '\n')
			*end++ = '\\';
		*end++ = *c == '\n' ? 'n' : *c;
	}
	*end = '"';
	free(text);
	return quoted;
}

static void family(struct metrics *k, const char *name, const char *type, const char *unit,
	const char *meaning)
{
	fprintf(k->out, "# TYPE ctrace_%s %s\n", name, type);
	if (*unit)
		fprintf(k->out, "# UNIT ctrace_%s %s\n", name, unit);
	fprintf(k->out, "# HELP ctrace_%s %s\n", name, meaning);
}

/* A sample: labels beyond the common ones as `,a="b"`. */
static void sample(struct metrics *k, const char *name, const char *labels, const char *value)
{
	fprintf(k->out, "ctrace_%s{%s%s} %s%s\n", name, k->common, labels, value, k->time);
}

static void sample_count(struct metrics *k, const char *name, const char *labels, u64 count)
{
	char value[32];
	snprintf(value, sizeof(value), "%" PRIu64, count);
	sample(k, name, labels, value);
}

static void sample_ns(struct metrics *k, const char *name, const char *labels, ct_ns ns)
{
	char value[48];
	snprintf(value, sizeof(value), "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);
	sample(k, name, labels, value);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void put_info(struct metrics *k)
{
	const struct ct_run *run = k->m->run;
	char *kernel = quote(run->kernel ? run->kernel : "");
	char *arch = quote(run->arch ? run->arch : "");
	char *version = quote(run->version ? run->version : "");
	char *labels = ct_asprintf(",kernel=%s,arch=%s,ctrace=%s,attached=\"%s\",complete=\"%s\"",
		kernel, arch, version, run->attached ? "true" : "false",
		k->m->complete ? "true" : "false");
	family(k, "run", "info", "", "What was recorded, and by what.");
	sample(k, "run_info", labels, "1");
	free(kernel);
	free(arch);
	free(version);
	free(labels);
}

static void put_run(struct metrics *k, const struct ct_facts *facts)
{
	const struct ct_model *m = k->m;
	put_info(k);
	family(k, "run_duration_seconds", "gauge", "seconds", "How long the run was.");
	sample_ns(k, "run_duration_seconds", "", m->end_ns - m->start_ns);
	family(k, "cpus", "gauge", "", "CPUs that the program was allowed to use.");
	sample_count(k, "cpus", "", m->run->cpus);
	family(k, "threads", "gauge", "", "Threads that were traced.");
	sample_count(k, "threads", "", m->threads.cnt);
	family(k, "processes", "gauge", "", "Processes that were traced.");
	sample_count(k, "processes", "", m->processes.cnt);
	family(k, "parallel_seconds", "gauge", "seconds",
		"Time with exactly so many threads on a CPU.");
	for (u32 i = 0; i < facts->parallelism.cnt; i++) {
		char labels[32];
		snprintf(labels, sizeof(labels), ",running=\"%" PRIu32 "\"", i);
		sample_ns(k, "parallel_seconds", labels, facts->parallelism.running_ns[i]);
	}
	family(k, "lost_events", "gauge", "", "Events that found no room: figures may be short.");
	sample_count(k, "lost_events", "", m->lost_events);
}

static void put_states(struct metrics *k)
{
	family(k, "thread_state_seconds", "gauge", "seconds",
		"Time of all threads together in each state.");
	for (u32 s = 0; s < CT_STATES; s++) {
		char labels[64];
		ct_ns sum = 0;
		for (u32 i = 0; i < k->m->threads.cnt; i++)
			sum += k->m->threads.at[i].state_ns[s];
		snprintf(labels, sizeof(labels), ",state=\"%s\"", ct_state_name(s));
		if (sum || s <= CT_RUNNABLE)
			sample_ns(k, "thread_state_seconds", labels, sum);
	}
}

static void put_switches(struct metrics *k)
{
	u64 voluntary = 0;
	u64 involuntary = 0;
	u64 migrations = 0;
	for (u32 i = 0; i < k->m->threads.cnt; i++) {
		voluntary += k->m->threads.at[i].voluntary;
		involuntary += k->m->threads.at[i].involuntary;
		migrations += k->m->threads.at[i].migrations;
	}
	family(k, "switches", "gauge", "", "Times that a thread left a CPU: to wait, or not.");
	sample_count(k, "switches", ",kind=\"voluntary\"", voluntary);
	sample_count(k, "switches", ",kind=\"involuntary\"", involuntary);
	family(k, "migrations", "gauge", "", "Times that a thread moved to another CPU.");
	sample_count(k, "migrations", "", migrations);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static struct lock_sum *lock_sum(struct metrics *k, const char *name, u32 kind)
{
	for (u32 i = 0; i < k->locks.cnt; i++) {
		if (k->locks.at[i].kind == kind && !strcmp(k->locks.at[i].name, name))
			return &k->locks.at[i];
	}
	if (k->locks.cnt >= LOCKS_MAX && strcmp(name, "other locks") != 0)
		return NULL;
	struct lock_sum *sum = ct_vec_push(&k->locks);
	sum->name = ct_strdup(name);
	sum->kind = kind;
	return sum;
}

/* The contentions come most wait time first, so the names that are kept are those that matter. */
static void sum_locks(struct metrics *k, const struct ct_facts *facts)
{
	for (u32 i = 0; i < facts->contentions.at.cnt; i++) {
		const struct ct_lock *lock = &k->m->locks.at[facts->contentions.at.at[i].lock];
		char name[NAME_SIZE];
		ct_lock_name(k->m, lock, name, sizeof(name));
		struct lock_sum *sum = lock_sum(k, name, lock->kind);
		if (!sum)
			sum = lock_sum(k, "other locks", lock->kind);
		sum->waits += lock->wait_cnt;
		sum->wait_ns += lock->wait_ns;
		if (sum->max_wait_ns < lock->max_wait_ns)
			sum->max_wait_ns = lock->max_wait_ns;
		if (sum->max_waiters < lock->max_waiters)
			sum->max_waiters = lock->max_waiters;
		for (u32 h = 0; h < lock->holds.cnt; h++)
			sum->hold_ns += lock->holds.at[h].end_ns - lock->holds.at[h].start_ns;
	}
}

enum lock_figure { LOCK_WAITS, LOCK_WAIT, LOCK_MAX_WAIT, LOCK_QUEUE, LOCK_HOLD };

static void put_lock_family(struct metrics *k, enum lock_figure figure, const char *name,
	const char *unit, const char *meaning)
{
	family(k, name, "gauge", unit, meaning);
	for (u32 i = 0; i < k->locks.cnt; i++) {
		const struct lock_sum *sum = &k->locks.at[i];
		char *lock = quote(sum->name);
		char *labels = ct_asprintf(",lock=%s,kind=\"%s\"", lock,
			ct_lock_kind_name(sum->kind));
		if (figure == LOCK_WAITS)
			sample_count(k, name, labels, sum->waits);
		else if (figure == LOCK_QUEUE)
			sample_count(k, name, labels, sum->max_waiters);
		else
			sample_ns(k, name, labels,
				figure == LOCK_WAIT	  ? sum->wait_ns
				: figure == LOCK_MAX_WAIT ? sum->max_wait_ns
							  : sum->hold_ns);
		free(lock);
		free(labels);
	}
}

static void put_locks(struct metrics *k, const struct ct_facts *facts)
{
	sum_locks(k, facts);
	put_lock_family(k, LOCK_WAITS, "lock_waits", "", "Sleeps on the lock.");
	put_lock_family(k, LOCK_WAIT, "lock_wait_seconds", "seconds",
		"Time of all threads together that they waited for the lock.");
	put_lock_family(k, LOCK_MAX_WAIT, "lock_longest_wait_seconds", "seconds",
		"The longest wait.");
	put_lock_family(k, LOCK_QUEUE, "lock_longest_queue", "",
		"Most threads that waited at once.");
	put_lock_family(k, LOCK_HOLD, "lock_hold_seconds", "seconds",
		"Time that the lock is known to have been held.");
	for (u32 i = 0; i < k->locks.cnt; i++)
		free(k->locks.at[i].name);
	ct_vec_free(&k->locks);
}

/* ---- findings -------------------------------------------------------------------------------- */

/* One sample for each id: there may be several findings of one kind. */
static void put_findings(struct metrics *k, const struct ct_facts *facts)
{
	u64 cnt[CT_FINDINGS] = { 0 };
	ct_ns cost_ns[CT_FINDINGS] = { 0 };
	for (u32 i = 0; i < facts->findings.at.cnt; i++) {
		const struct ct_finding *f = &facts->findings.at.at[i];
		cnt[f->kind]++;
		if (cost_ns[f->kind] < f->cost_ns)
			cost_ns[f->kind] = f->cost_ns;
	}
	for (u32 what = 0; what < 2; what++) {
		const char *name = what ? "finding_cost_seconds" : "findings";
		family(k, name, "gauge", what ? "seconds" : "",
			what ? "Wall time that the costliest of them takes at most."
			     : "Findings, by id.");
		for (u32 i = 0; i < CT_FINDINGS; i++) {
			char labels[64];
			snprintf(labels, sizeof(labels), ",id=\"%s\"", ct_finding_id(i));
			if (cnt[i] && what)
				sample_ns(k, name, labels, cost_ns[i]);
			else if (cnt[i])
				sample_count(k, name, labels, cnt[i]);
		}
	}
}

int ct_openmetrics__write(const struct ct_export_in *in, FILE *out)
{
	const struct ct_model *m = in->facts->m;
	struct metrics k = { .m = m, .out = out };
	char *machine = quote(m->run->host ? m->run->host : "");
	bool named = m->run->argv && m->run->argv[0];
	char *program = quote(named ? ct_base_name(m->run->argv[0]) : "");
	u64 ended_ns = m->run->start_real_ns + (m->end_ns - m->start_ns);
	k.common = ct_asprintf("machine=%s,program=%s", machine, program);
	k.time = m->run->start_real_ns ? ct_asprintf(" %" PRIu64 ".%09" PRIu64,
						 ended_ns / NS_PER_S, ended_ns % NS_PER_S)
				       : ct_strdup("");
	put_run(&k, in->facts);
	put_states(&k);
	put_switches(&k);
	put_locks(&k, in->facts);
	put_findings(&k, in->facts);
	fputs("# EOF\n", out);
	free(machine);
	free(program);
	free(k.common);
	free(k.time);
	return ferror(out) ? -EIO : 0;
}
