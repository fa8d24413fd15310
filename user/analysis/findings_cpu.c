/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings on how CPUs are used: too many switches, too many threads, work dealt out unevenly.
 *
 * Time that a thread was runnable because other programs had the CPUs is never the program's fault:
 * queues count behind its own threads only (activity.c), uneven loads are compared by CPU time, not
 * by when the threads were done.
 */
#include <string.h>

#include "findings_int.h"

/* ---- switch-storm ---- */

static u32 most_switching(const struct ct_model *m)
{
	u32 most = 0;

	for (u32 t = 1; t < m->threads.cnt; t++)
		if (m->threads.at[t].voluntary + m->threads.at[t].involuntary >
			m->threads.at[most].voluntary + m->threads.at[most].involuntary)
			most = t;
	return most;
}

/* The reason and line of the waits that make the most switches. */
static const struct ct_line_wait *most_waits(const struct ct_search *s)
{
	const struct ct_line_wait *most = NULL;

	for (u32 i = 0; i < s->f->lines.at.cnt; i++)
		if (!most || s->f->lines.at.at[i].waits > most->waits)
			most = &s->f->lines.at.at[i];
	return most;
}

void ct_find_storm(struct ct_search *s)
{
	const struct ct_activity *a = &s->f->activity;
	ct_ns cost_ns = a->switches * a->switch_ns;
	const struct ct_line_wait *line = most_waits(s);

	if (!ct_worth(s, cost_ns) || !ct_is_share(cost_ns, a->cpu_ns, CT_T_SWITCH_SHARE) || !line)
		return;
	const char *where = ct_say_at(s, line->frame), *does = ct_say_does(line->state);
	u32 most = most_switching(s->m);
	u64 most_cnt = s->m->threads.at[most].voluntary + s->m->threads.at[most].involuntary;
	struct ct_finding *f = ct_found__new(s, CT_FIND_SWITCH_STORM, cost_ns, a->switch_measured);
	for (u32 t = 0; t < s->m->threads.cnt; t++)
		if ((s->m->threads.at[t].voluntary + s->m->threads.at[t].involuntary) * 10 >=
			most_cnt)
			*ct_vec_push(&f->threads) = t;
	ct_found__frame(f, line->frame);
	f->title = ct_strdup("switching costs as much as the work");
	f->evidence = ct_asprintf("%s switches, one for every %s of computing, at %s or more each "
				  "(%s) make %s, %s of the "
				  "CPU time; most are where a thread %s%s.",
		ct_say_count(s, a->switches),
		ct_say_ns(s, a->cpu_ns / (a->switches ? a->switches : 1)),
		ct_say_ns(s, a->switch_ns),
		a->switch_measured ? "measured in this run, recording included" : "assumed",
		ct_say_ns(s, cost_ns),
		ct_say_share(s, cost_ns < a->cpu_ns ? cost_ns : a->cpu_ns, a->cpu_ns), does, where);
	f->advice = ct_asprintf(
		"Hand over more at once%s: collect a hundred pieces of work for each wake-up, or "
		"let one thread do both sides.",
		where);
}

/* ---- oversubscribed ---- */

/* CPU-bound by what it does when it may: little of its life is spent blocked. */
static bool wants_cpu(const struct ct_thread *t)
{
	return ct_thread_kind(t) == CT_WORK_CPU;
}

void ct_find_crowd(struct ct_search *s)
{
	const struct ct_model *m = s->m;
	ct_ns queue_ns = 0, wait_ns = 0, on_cpu_ns = 0;
	u32 cnt = 0, cpus = m->run->cpus ? m->run->cpus : 1;
	u64 preempted = 0;

	for (u32 t = 0; t < m->threads.cnt; t++) {
		if (!wants_cpu(&m->threads.at[t]))
			continue;
		cnt++;
		queue_ns += s->f->activity.own_queue_ns[t];
		wait_ns += m->threads.at[t].state_ns[CT_RUNNABLE];
		on_cpu_ns += m->threads.at[t].state_ns[CT_RUNNING];
		preempted += m->threads.at[t].involuntary;
	}
	if (cnt <= cpus * ct_threshold(CT_T_CROWD_PER_CPU) ||
		!ct_is_share(s->f->activity.crowded_ns, s->duration_ns, CT_T_CROWD_SHARE) ||
		!ct_is_share(queue_ns, wait_ns, CT_T_CROWD_OWN_SHARE) ||
		!ct_worth(s, queue_ns / cnt))
		return;
	struct ct_finding *f = ct_found__new(s, CT_FIND_OVERSUBSCRIBED, queue_ns / cnt, true);
	for (u32 t = 0; t < m->threads.cnt; t++)
		if (wants_cpu(&m->threads.at[t]))
			*ct_vec_push(&f->threads) = t;
	f->title =
		ct_asprintf("%u computing threads for %u CPU%s", cnt, cpus, cpus == 1 ? "" : "s");
	f->evidence = ct_asprintf("For %s of the run, %s threads on average wanted one of %u "
				  "CPU%s; each of %u computing "
				  "threads ran for %s and stood in line behind its fellows for %s "
				  "on average, and they "
				  "were preempted %s times.",
		ct_say_share(s, s->f->activity.crowded_ns, s->duration_ns),
		ct_say_ratio(s, s->f->activity.crowd),
		cpus, cpus == 1 ? "" : "s", cnt, ct_say_ns(s, on_cpu_ns / cnt),
		ct_say_ns(s, queue_ns / cnt), ct_say_count(s, preempted));
	f->advice = ct_asprintf(
		"Start %u of these threads, one for each CPU, and share the same work among them.",
		cpus);
}

/* ---- imbalance ---- */

struct role { /* of ct_same_role */
	u32 first; /* thread */
	u32 cnt;
	ct_ns most_ns, sum_ns; /* CPU time */
	ct_ns first_end_ns;    /* when the first of them was done */
	u32 busiest;
	u32 next; /* role with the same key; CT_NONE */
};

/* "worker-12" and "worker-3" are alike: what remains without digits at the end. */
static size_t stem_length(const char *name)
{
	size_t len = strlen(name);

	while (len &&
		((name[len - 1] >= '0' && name[len - 1] <= '9') || strchr("-_ #:", name[len - 1])))
		len--;
	return len;
}

static u32 start_function(const struct ct_model *m, u32 thread)
{
	u32 frame = m->threads.at[thread].start_frame;

	return m->names && frame < m->names->frames.cnt ? m->names->frames.at[frame].function : 0;
}

/* A thread that was given no name has its process's. */
static bool is_named(const struct ct_model *m, u32 thread)
{
	const struct ct_thread *t = &m->threads.at[thread];

	return m->processes.at[t->process].name != t->name;
}

/* Where the start functions are not known, names have to tell. */
static bool may_start_alike(const struct ct_model *m, u32 a, u32 b)
{
	u32 x = start_function(m, a), y = start_function(m, b);

	return x && y ? x == y : is_named(m, a) && is_named(m, b);
}

bool ct_same_role(const struct ct_model *m, u32 a, u32 b)
{
	const struct ct_thread *x = &m->threads.at[a], *y = &m->threads.at[b];
	const char *p = ct_strtab__get(m->strings, x->name),
		   *q = ct_strtab__get(m->strings, y->name);
	size_t len = stem_length(p);

	return x->process == y->process && x->parent == y->parent && may_start_alike(m, a, b) &&
	       len == stem_length(q) && !memcmp(p, q, len);
}

#define SAMPLES_MIN 30u

/* CPU time that was the thread's own.  A hypervisor that takes the CPU away meanwhile is not seen
 * in the switches, hardly in the kernel's account, but in the samples, which it cannot tick: the
 * least of the three counts. */
static ct_ns *measure_work(const struct ct_model *m)
{
	ct_ns *work_ns = ct_alloc(((size_t)m->threads.cnt + 1) * sizeof(*work_ns));
	u32 hz = m->run->sample_hz;

	for (u32 i = 0; hz && i < m->samples.cnt; i++)
		work_ns[m->samples.at[i].thread] += 1000000000u / hz;
	for (u32 t = 0; t < m->threads.cnt; t++) {
		const struct ct_thread *th = &m->threads.at[t];
		ct_ns most_ns = th->state_ns[CT_RUNNING];
		if (th->cpu_ns && th->cpu_ns < most_ns)
			most_ns = th->cpu_ns;
		/* fewer samples than that differ by a third and more by chance alone */
		if (work_ns[t] > most_ns || work_ns[t] * hz < SAMPLES_MIN * 1000000000ull)
			work_ns[t] = most_ns;
	}
	return work_ns;
}

/* [from, to): some of the role are done while others go on. */
struct gap {
	ct_ns from_ns, to_ns;
};

static int compare_gaps(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	return x->to_ns < y->to_ns ? -1 : x->to_ns > y->to_ns;
}

/* Waits of the role at barriers, and from a thread's end to the moment when the one who joins it or
 * another of the role goes on. */
static bool makes_gap(
	const u32 *role_of, u32 role, const struct role *r, const struct ct_wait *w, struct gap *g)
{
	u32 target = w->target;

	if (w->state == CT_BARRIER && role_of[w->thread] == role) {
		*g = (struct gap){ w->start_ns, w->end_ns };
		return true;
	}
	if (w->state != CT_JOIN || target == CT_NONE || role_of[target] != role)
		return false;
	*g = (struct gap){ r->first_end_ns, w->end_ns };
	if (g->from_ns < w->start_ns)
		g->from_ns = w->start_ns;
	return g->from_ns < g->to_ns;
}

/* Of the time with some of the role done, that in which a CPU was to spare. */
static ct_ns sum_gaps(
	const struct ct_search *s, const u32 *role_of, u32 role, const struct role *r)
{
	CT_VEC(struct gap) gaps = { 0 };
	struct gap g;
	ct_ns sum_ns = 0, at_ns = 0;

	for (u32 i = 0; i < s->m->waits.cnt; i++)
		if (makes_gap(role_of, role, r, &s->m->waits.at[i], &g))
			*ct_vec_push(&gaps) = g;
	if (gaps.cnt)
		qsort(gaps.at, gaps.cnt, sizeof(*gaps.at), compare_gaps);
	for (u32 i = 0; i < gaps.cnt; i++) {
		ct_ns from_ns = gaps.at[i].from_ns > at_ns ? gaps.at[i].from_ns : at_ns;
		if (gaps.at[i].to_ns <= from_ns)
			continue;
		sum_ns += ct_activity__spare(&s->f->activity, from_ns, gaps.at[i].to_ns);
		at_ns = gaps.at[i].to_ns;
	}
	ct_vec_free(&gaps);
	return sum_ns;
}

static void tell_imbalance(
	struct ct_search *s, const u32 *role_of, u32 role, const struct role *r, ct_ns cost_ns)
{
	const char *who = ct_say_thread(s, r->busiest);
	ct_ns others_ns = (r->sum_ns - r->most_ns) / (r->cnt - 1);
	struct ct_finding *f = ct_found__new(s, CT_FIND_IMBALANCE, cost_ns, true);
	const struct ct_line_wait *line = NULL;

	ct_found__thread(f, r->busiest);
	for (u32 t = 0; t < s->m->threads.cnt; t++)
		if (role_of[t] == role && t != r->busiest)
			*ct_vec_push(&f->threads) = t;
	for (u32 i = 0; i < s->f->lines.at.cnt && !line; i++)
		if (s->f->lines.at.at[i].state == CT_BARRIER ||
			s->f->lines.at.at[i].state == CT_JOIN)
			line = &s->f->lines.at.at[i];
	if (line)
		ct_found__frame(f, line->frame);
	for (u32 i = 0; i < s->m->waits.cnt; i++)
		if (s->m->waits.at[i].state == CT_BARRIER &&
			role_of[s->m->waits.at[i].thread] == role)
			ct_found__lock(f, s->m->waits.at[i].lock);
	f->title = ct_asprintf("%s does more than the others of its kind", who);
	f->evidence = ct_asprintf(
		"%s computed for %s, the other %u of its kind for %s on average; they were done "
		"early and waited%s, and sharing the work evenly would save up to %s.",
		who, ct_say_ns(s, r->most_ns), r->cnt - 1, ct_say_ns(s, others_ns),
		line ? ct_say_at(s, line->frame) : "", ct_say_ns(s, cost_ns));
	f->advice = ct_asprintf(
		"Cut the work of %s into smaller pieces and let whoever is free take the next one.",
		who);
}

static void judge_role(struct ct_search *s, const u32 *role_of, u32 role, const struct role *r)
{
	u32 lanes = r->cnt < s->f->activity.cpus ? r->cnt : s->f->activity.cpus;
	ct_ns mean_ns = r->sum_ns / r->cnt, uneven_ns = r->most_ns - mean_ns, cost_ns;

	if (r->cnt < ct_threshold(CT_T_ROLE_THREADS) || lanes < 2 || !ct_worth(s, uneven_ns) ||
		!ct_is_share(uneven_ns, mean_ns, CT_T_UNEVEN_SHARE))
		return;
	/* while one goes on alone, at most all lanes but its own could have helped */
	cost_ns = sum_gaps(s, role_of, role, r) / lanes * (lanes - 1);
	cost_ns = cost_ns < uneven_ns ? cost_ns : uneven_ns;
	if (ct_worth(s, cost_ns))
		tell_imbalance(s, role_of, role, r, cost_ns);
}

/* What threads of one role have in common as a key, so that few roles are compared. */
struct roles {
	const struct ct_model *m;
	CT_VEC(struct role) at;
	struct ct_strtab *stems;    /* of names, without digits at the end */
	struct ct_table *stem_of;   /* name -> stem */
	struct ct_table *family_of; /* process, parent -> number */
	struct ct_table *first;	    /* family, stem -> the first role */
	u32 families;
};

static u32 stem_of(struct roles *r, u32 name)
{
	u32 id = ct_table__get(r->stem_of, name, 0);

	if (id != CT_NONE)
		return id;
	char *stem = ct_strdup(ct_strtab__get(r->m->strings, name));
	stem[stem_length(stem)] = 0;
	id = ct_strtab__add(r->stems, stem);
	ct_table__set(r->stem_of, name, 0, id);
	free(stem);
	return id;
}

static u32 family_of(struct roles *r, const struct ct_thread *t)
{
	u32 id = ct_table__get(r->family_of, t->process, t->parent);

	if (id == CT_NONE) {
		id = r->families++;
		ct_table__set(r->family_of, t->process, t->parent, id);
	}
	return id;
}

/* The role that the thread is of; a new one, if it is of none so far. */
static u32 find_role(struct roles *r, u32 thread)
{
	const struct ct_thread *t = &r->m->threads.at[thread];
	u32 idx = r->at.cnt, last = CT_NONE;

	*ct_vec_push(&r->at) = (struct role){
		.first = thread, .first_end_ns = UINT64_MAX, .busiest = thread, .next = CT_NONE };
	/* nobody is ever found to do the same: it has neither a name nor a known start */
	if (!start_function(r->m, thread) && !is_named(r->m, thread))
		return idx;
	u32 family = family_of(r, t), stem = stem_of(r, t->name);
	for (u32 i = ct_table__get(r->first, family, stem); i != CT_NONE; i = r->at.at[i].next) {
		if (ct_same_role(r->m, r->at.at[i].first, thread)) {
			r->at.cnt--;
			return i;
		}
		last = i;
	}
	if (last == CT_NONE)
		ct_table__set(r->first, family, stem, idx);
	else
		r->at.at[last].next = idx;
	return idx;
}

/* All threads into roles; role_of says which. */
static u32 *assign_roles(struct roles *r, const ct_ns *work_ns)
{
	u32 *role_of = ct_alloc(((size_t)r->m->threads.cnt + 1) * sizeof(*role_of));

	for (u32 t = 0; t < r->m->threads.cnt; t++) {
		role_of[t] = find_role(r, t);
		struct role *role = &r->at.at[role_of[t]];
		role->cnt++;
		role->sum_ns += work_ns[t];
		if (work_ns[t] > role->most_ns) {
			role->most_ns = work_ns[t];
			role->busiest = t;
		}
		if (r->m->threads.at[t].end_ns < role->first_end_ns)
			role->first_end_ns = r->m->threads.at[t].end_ns;
	}
	return role_of;
}

void ct_find_imbalance(struct ct_search *s)
{
	struct roles r = { .m = s->m, .stems = ct_strtab__new(), .stem_of = ct_table__new(),
		.family_of = ct_table__new(), .first = ct_table__new() };
	ct_ns *work_ns = measure_work(s->m);
	u32 *role_of = assign_roles(&r, work_ns);

	for (u32 i = 0; i < r.at.cnt; i++)
		judge_role(s, role_of, i, &r.at.at[i]);
	ct_vec_free(&r.at);
	ct_table__free(r.first);
	ct_table__free(r.family_of);
	ct_table__free(r.stem_of);
	ct_strtab__free(r.stems);
	free(role_of);
	free(work_ns);
}
