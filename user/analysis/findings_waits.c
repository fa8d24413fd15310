/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings on waits for the outside (sleeps, devices, networks): waits that stand one after the
 * other although nothing else happens, and the program's kind of work.
 *
 * What counts as waiting in sequence is time in which no thread runs or could, and exactly one
 * waits for the outside, while no lock or condition is waited for (somebody else's reasons may lie
 * behind that). Of the waits of each thread the longest one is not counted: the others could lie
 * under it. Left out is what is no waiting for results: accept(2), and of a program that was
 * attached to, whose waits may be those of a server for its clients, everything but sleeps and
 * disks.
 */
#include <string.h>

#include "findings_int.h"

/* ---- waiting-not-overlapped ---- */

static bool is_call(const struct ct_model *m, u32 nr, const char *name)
{
	const char *call = nr == CT_NR_NONE || !m->names ? NULL : ct_names__syscall(m->names, nr);

	return call && !strncmp(call, name, strlen(name));
}

static bool waits_for_clients(const struct ct_model *m, const struct ct_wait *w)
{
	if (is_call(m, w->nr, "accept") || w->file == CT_FILE_CHR)
		return true;
	return m->run->attached && (w->state == CT_IO_NET || w->state == CT_PIPE);
}

/* The line at which the thread waits longest for the outside; NULL: it is all for clients. */
static const struct ct_wait *main_wait(const struct ct_search *s, u32 thread)
{
	const struct ct_model *m = s->m;
	struct ct_table *rows = ct_table__new();
	CT_VEC(struct { ct_ns ns; u32 wait; }) sums = { 0 };
	u32 best = CT_NONE;

	for (u32 i = 0; i < m->waits.cnt; i++) {
		const struct ct_wait *w = &m->waits.at[i];
		if (w->thread != thread || !ct_is_outside(w->state))
			continue;
		u32 row = ct_table__get(rows, w->frame, w->state);
		if (row == CT_NONE) {
			row = sums.cnt;
			ct_vec_push(&sums)->wait = i;
			ct_table__set(rows, w->frame, w->state, row);
		}
		sums.at[row].ns += w->end_ns - w->start_ns;
		if (best == CT_NONE || sums.at[row].ns > sums.at[best].ns)
			best = row;
	}
	const struct ct_wait *w = best == CT_NONE ? NULL : &m->waits.at[sums.at[best].wait];
	ct_table__free(rows);
	ct_vec_free(&sums);
	return w && waits_for_clients(m, w) ? NULL : w;
}

/* The thread that waits longest in sequence; the sums of all in *all. */
static u32 sum_sequence(const struct ct_search *s, struct ct_sole_wait *all)
{
	u32 most = CT_NONE;

	*all = (struct ct_sole_wait){ 0 };
	for (u32 t = 0; t < s->m->threads.cnt; t++) {
		const struct ct_sole_wait *sole = &s->f->activity.sole[t];
		if (!sole->waits || !main_wait(s, t))
			continue;
		all->ns += sole->ns;
		all->waits += sole->waits;
		all->max_ns = sole->max_ns > all->max_ns ? sole->max_ns : all->max_ns;
		if (most == CT_NONE || sole->ns > s->f->activity.sole[most].ns)
			most = t;
	}
	return most;
}

void ct_find_waits_in_sequence(struct ct_search *s)
{
	struct ct_sole_wait all;
	u32 thread = sum_sequence(s, &all);
	ct_ns cost_ns = all.ns - all.max_ns;

	if (thread == CT_NONE || all.waits < ct_threshold(CT_T_SEQUENCE_WAITS) ||
		!ct_worth(s, cost_ns) || !ct_is_share(cost_ns, s->duration_ns, CT_T_SEQUENCE_SHARE))
		return;
	const struct ct_wait *w = main_wait(s, thread);
	const char *who = ct_say_thread(s, thread), *where = ct_say_at(s, w->frame);
	struct ct_finding *f = ct_found__new(s, CT_FIND_WAITING_NOT_OVERLAPPED, cost_ns, true);
	ct_found__thread(f, thread);
	for (u32 t = 0; t < s->m->threads.cnt; t++)
		if (s->f->activity.sole[t].ns * 10 >= s->f->activity.sole[thread].ns &&
			main_wait(s, t))
			ct_found__thread(f, t);
	ct_found__frame(f, w->frame);
	f->title = ct_asprintf("%s waits for one thing after another", who);
	f->evidence = ct_asprintf(
		"For %s, %s of the run, nothing ran at all and one single wait was under "
		"way, %s times in a row: %s mostly %s%s.",
		ct_say_ns(s, all.ns), ct_say_share(s, all.ns, s->duration_ns),
		ct_say_count(s, all.waits), who, ct_say_does(w->state), where);
	f->advice = ct_asprintf(
		"Start the waits%s together, then take the results as they come: one event loop "
		"for many, or a thread for each of a few. At best the run is as long as the "
		"longest of them, %s.",
		where, ct_say_ns(s, all.max_ns));
}

/* ---- the kind of work ---- */

static bool says_much(const struct ct_search *s)
{
	return s->duration_ns >=
		       ct_threshold_ns(CT_T_COST_MS) * 100 / ct_threshold(CT_T_COST_SHARE) &&
	       s->m->threads.cnt;
}

static const char *fit_words(enum ct_fit fit)
{
	static const char *const words[CT_FITS] = { [CT_FIT_SEQUENTIAL] =
							    "one thread, one thing after the other",
		[CT_FIT_ASYNC] =
			"one thread that waits for many things at once (async, an event loop)",
		[CT_FIT_THREADS] = "threads, as many as there are CPUs, or processes",
		[CT_FIT_PROCESSES] = "processes, because threads here run one at a time" };

	return fit < CT_FITS ? words[fit] : "";
}

static struct ct_finding *new_kind(struct ct_search *s, enum ct_finding_kind kind, ct_ns about_ns)
{
	const struct ct_program_kind *k = &s->f->kind;
	struct ct_finding *f = ct_found__new(s, kind, about_ns, true);

	f->evidence = ct_asprintf(
		"All threads together computed or waited for a CPU for %s, waited for I/O for "
		"%s, slept for %s and waited for each other for %s.",
		ct_say_ns(s, k->cpu_ns), ct_say_ns(s, k->io_ns), ct_say_ns(s, k->sleep_ns),
		ct_say_ns(s, k->peers_ns));
	f->advice = ct_asprintf("What fits such work: %s.", fit_words(k->fit));
	return f;
}

static void find_kind(struct ct_search *s, enum ct_finding_kind kind, enum ct_work_kind work,
	ct_ns about_ns, const char *title)
{
	struct ct_finding *f;

	if (s->f->kind.kind != work || !says_much(s) || !ct_worth(s, about_ns))
		return;
	f = new_kind(s, kind, about_ns);
	f->title = ct_strdup(title);
	for (u32 t = 0; t < s->m->threads.cnt; t++)
		if (ct_thread_kind(&s->m->threads.at[t]) == work)
			*ct_vec_push(&f->threads) = t;
}

void ct_find_io_bound(struct ct_search *s)
{
	const struct ct_parallelism *p = &s->f->parallelism;

	/* who waits for the answers of a thread that computes is bound by that */
	for (u32 i = 0; i < s->out->at.cnt; i++)
		if (s->out->at.at[i].kind == CT_FIND_ASYNC_ON_CPU_WORK)
			return;
	find_kind(s, CT_FIND_IO_BOUND, CT_WORK_IO, p->cnt ? p->running_ns[0] : 0,
		"the work is I/O-bound");
}

void ct_find_cpu_bound(struct ct_search *s)
{
	const struct ct_parallelism *p = &s->f->parallelism;

	find_kind(s, CT_FIND_CPU_BOUND, CT_WORK_CPU, p->cnt ? p->duration_ns - p->running_ns[0] : 0,
		"the work is CPU-bound");
}
