/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run in figures that other runs of the program have too: by group, name and what is counted.
 * Names are made so that they survive another run (no ids, no addresses) and a small change of the
 * source (locks of the heap without their line).  O(threads + locks + lines, times the figures).
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ct_diff.h"
#include "analysis/sweep.h"

#define NAME_SIZE 1024
#define COMM_LEN 15 /* what the kernel keeps of a program's name */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct ct_figure *find(
	const struct ct_profile *p, u32 group, const char *name, const char *what)
{
	for (u32 i = 0; i < p->figures.cnt; i++) {
		struct ct_figure *f = &p->figures.at[i];

		if (f->group == group && !strcmp(f->what, what) && !strcmp(f->name, name))
			return f;
	}
	return NULL;
}

static void add(struct ct_profile *p, u32 group, u32 unit, const char *name, const char *what,
	double value)
{
	struct ct_figure *f = find(p, group, name, what);

	if (!value)
		return;
	if (!f) {
		f = ct_vec_push(&p->figures);
		*f = (struct ct_figure){ .group = group, .unit = unit, .name = ct_strdup(name),
			.what = what };
	}
	f->value += value;
}

static void add_run(struct ct_profile *p, u32 unit, const char *what, double value)
{
	add(p, CT_GROUP_RUN, unit, "", what, value);
}

/* ---- names ---- */

/* "worker-12" -> "worker-*", in place */
static void star_digits(char *s)
{
	char *to = s;

	for (const char *from = s; *from; from++) {
		if (!isdigit((u8)*from))
			*to++ = *from;
		else if (to == s || to[-1] != '*')
			*to++ = '*';
	}
	*to = '\0';
}

/* A name that is only the program's says nothing, and differs between two programs. */
static char *role_of(const struct ct_model *m, const char *program, u32 thread)
{
	const struct ct_thread *t = &m->threads.at[thread];
	bool leader = t->process < m->processes.cnt && m->processes.at[t->process].pid == t->tid;
	char *name = ct_strdup(ct_strtab__get(m->strings, t->name)), *role;
	const char *start = "";

	if (t->start_frame && m->names && t->start_frame < m->names->frames.cnt)
		start = ct_strtab__get(
			m->names->strings, m->names->frames.at[t->start_frame].function);
	if (!*name || !strncmp(name, program, COMM_LEN)) {
		free(name);
		name = ct_strdup(leader ? "main" : "unnamed");
	}
	star_digits(name);
	role = leader || !*start ? ct_strdup(name) : ct_asprintf("%s in %s", name, start);
	free(name);
	return role;
}

/* "heap by push (queue.c:12)" -> "heap by push (queue.c)": lines move */
static void strip_line(char *s)
{
	size_t len = strlen(s), at;

	if (!len || s[len - 1] != ')')
		return;
	for (at = len - 1; at && isdigit((u8)s[at - 1]); at--)
		;
	if (at && at < len - 1 && s[at - 1] == ':')
		strcpy(s + at - 1, ")");
}

static char *lock_name(const struct ct_facts *f, u32 lock)
{
	const struct ct_lock *l = &f->m->locks.at[lock];
	char raw[NAME_SIZE], place[NAME_SIZE];
	const char *kind = ct_lock_kind_name(l->kind);

	ct_lock_name(f->m, l, raw, sizeof(raw));
	if (!strncmp(raw, "stack of ", 9))
		star_digits(raw);
	strip_line(raw);
	if (!strstr(raw, "0x"))
		return ct_strdup(raw);
	for (u32 i = 0; i < f->contentions.at.cnt; i++) {
		const struct ct_contention *c = &f->contentions.at.at[i];

		if (c->lock != lock || !c->sites.cnt || !c->sites.at[0].frame)
			continue;
		ct_frame_name(f->m->names, c->sites.at[0].frame, place, sizeof(place));
		strip_line(place);
		return ct_asprintf("%s of %s", kind, place);
	}
	return ct_asprintf("unnamed %s", kind);
}

/* ---- groups ---- */

static void take_run(struct ct_profile *p, const struct ct_facts *f)
{
	const struct ct_model *m = f->m;
	double voluntary = 0, involuntary = 0, running = 0, runnable = 0, migrations = 0;

	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];

		voluntary += (double)t->voluntary;
		involuntary += (double)t->involuntary;
		migrations += t->migrations;
		running += (double)t->state_ns[CT_RUNNING];
		runnable += (double)t->state_ns[CT_RUNNABLE];
	}
	add_run(p, CT_UNIT_NS, "duration", (double)p->duration_ns);
	add_run(p, CT_UNIT_RATIO, "mean_running", f->parallelism.mean_running);
	add_run(p, CT_UNIT_NS, "running", running);
	add_run(p, CT_UNIT_NS, "runnable", runnable);
	add_run(p, CT_UNIT_COUNT, "voluntary switches", voluntary);
	add_run(p, CT_UNIT_COUNT, "involuntary switches", involuntary);
	add_run(p, CT_UNIT_COUNT, "migrations", migrations);
	add_run(p, CT_UNIT_COUNT, "threads", m->threads.cnt);
}

static void take_others(struct ct_profile *p, const struct ct_model *m)
{
	double cpus_ns = (double)m->run->cpus * (double)p->duration_ns, others_ns = 0;
	struct ct_sweep s;

	ct_sweep__init(&s, m);
	while (ct_sweep__step(&s)) {
		u32 running = s.in_state[CT_RUNNING], runnable = s.in_state[CT_RUNNABLE];
		u32 free_cpus = running < m->run->cpus ? m->run->cpus - running : 0;

		others_ns += (double)(s.to_ns - s.from_ns) *
			     (runnable < free_cpus ? runnable : free_cpus);
	}
	ct_sweep__clear(&s);
	p->others_share = cpus_ns ? others_ns / cpus_ns : 0;
}

static void take_path(struct ct_profile *p, const struct ct_facts *f)
{
	for (u32 i = 0; i < f->path.reasons.cnt; i++) {
		const struct ct_path_share *s = &f->path.reasons.at[i];
		char *name;

		if (s->lock == CT_NONE || s->lock >= f->m->locks.cnt)
			name = ct_strdup(ct_state_name(s->state));
		else
			name = lock_name(f, s->lock);
		add(p, CT_GROUP_PATH, CT_UNIT_NS, name,
			s->lock == CT_NONE ? "critical path" : "critical path, for the lock",
			(double)s->ns);
		free(name);
	}
}

static void take_threads(struct ct_profile *p, const struct ct_model *m)
{
	for (u32 i = 0; i < m->threads.cnt; i++) {
		char *role = role_of(m, p->program, i);

		add(p, CT_GROUP_THREAD, CT_UNIT_COUNT, role, "threads", 1);
		for (u32 s = 0; s < CT_STATES; s++)
			add(p, CT_GROUP_THREAD, CT_UNIT_NS, role, ct_state_name(s),
				(double)m->threads.at[i].state_ns[s]);
		free(role);
	}
}

static void take_locks(struct ct_profile *p, const struct ct_facts *f)
{
	for (u32 i = 0; i < f->contentions.at.cnt; i++) {
		u32 lock = f->contentions.at.at[i].lock;
		const struct ct_lock *l = &f->m->locks.at[lock];
		char *name = lock_name(f, lock);

		add(p, CT_GROUP_LOCK, CT_UNIT_COUNT, name, "waits", l->wait_cnt);
		add(p, CT_GROUP_LOCK, CT_UNIT_NS, name, "wait", (double)l->wait_ns);
		free(name);
	}
}

static void take_lines(struct ct_profile *p, const struct ct_facts *f)
{
	char name[NAME_SIZE];

	for (u32 i = 0; i < f->lines.at.cnt; i++) {
		const struct ct_line_wait *l = &f->lines.at.at[i];

		if (!l->frame)
			continue;
		ct_frame_name(f->m->names, l->frame, name, sizeof(name));
		add(p, CT_GROUP_LINE, CT_UNIT_NS, name, ct_state_name(l->state),
			(double)l->wait_ns);
	}
}

static void take_findings(struct ct_profile *p, const struct ct_finding_list *l)
{
	for (u32 k = 0; k < CT_FINDINGS; k++) {
		struct ct_made *made = NULL;

		for (u32 i = 0; i < l->at.cnt; i++) {
			const struct ct_finding *f = &l->at.at[i];

			if (f->kind != k)
				continue;
			made = made ? made : ct_vec_push(&p->made);
			made->kind = k;
			made->severity = f->severity > made->severity ? f->severity
								      : made->severity;
		}
	}
}

/* Distributions over many runs are of whole numbers. */
static i64 whole(const struct ct_watched *watched, i64 value)
{
	double number = ct_watched_number(watched, value);

	if (watched->type != CT_WATCH_FLOAT)
		return value;
	return number > -9e18 && number < 9e18 ? (i64)number : 0;
}

/* A variable that several processes have is one: no final value is its own. */
static void add_watched(struct ct_profile *p, const char *name, const struct ct_shared *v,
	const struct ct_watched *watched)
{
	for (u32 i = 0; i < p->watched.cnt; i++) {
		struct ct_watched_run *w = &p->watched.at[i];

		if (strcmp(w->name, name))
			continue;
		w->lost += v->lost;
		w->sharing = v->sharing > w->sharing ? v->sharing : w->sharing;
		w->complete = false;
		return;
	}
	*ct_vec_push(&p->watched) = (struct ct_watched_run){ .name = ct_strdup(name),
		.sharing = v->sharing,
		.lost = v->lost,
		.complete = v->complete && v->counter,
		.last = whole(watched, v->last),
		.expected = whole(watched, v->expected) };
}

static void take_watched(struct ct_profile *p, const struct ct_facts *f)
{
	char raw[NAME_SIZE];

	for (u32 i = 0; i < f->sharing.at.cnt; i++) {
		const struct ct_shared *v = &f->sharing.at.at[i];

		const struct ct_watched *w = &f->m->watched.at[v->watched];

		add_watched(p, ct_watched_name(f->m, w, raw, sizeof(raw)), v, w);
	}
}

static char *command_of(const struct ct_run *run)
{
	char *line = ct_strdup("");

	for (char **arg = run->argv; arg && *arg; arg++) {
		bool first = arg == run->argv;
		char *longer = ct_asprintf("%s%s%s", line, first ? "" : " ",
			first ? base_name(*arg) : *arg);

		free(line);
		line = longer;
	}
	return line;
}

void ct_profile__compute(struct ct_profile *p, const struct ct_facts *f)
{
	const struct ct_run *run = f->m->run;
	const char *program = run->argv && run->argv[0] ? run->argv[0] : "";

	*p = (struct ct_profile){ .program = ct_strdup(base_name(program)),
		.command = command_of(run),
		.attached = run->attached,
		.complete = f->m->complete,
		.ended = run->ended,
		.wait_status = run->wait_status,
		.lost_events = f->m->lost_events,
		.duration_ns = f->m->end_ns - f->m->start_ns };
	for (char **label = run->labels; label && *label; label++)
		*ct_vec_push(&p->labels) = ct_strdup(*label);
	take_run(p, f);
	take_others(p, f->m);
	take_path(p, f);
	take_threads(p, f->m);
	take_locks(p, f);
	take_lines(p, f);
	take_findings(p, &f->findings);
	take_watched(p, f);
}

char *ct_profile__role(const struct ct_facts *f, u32 thread)
{
	char **argv = f->m->run->argv;

	return role_of(f->m, base_name(argv && argv[0] ? argv[0] : ""), thread);
}

char *ct_profile__lock(const struct ct_facts *f, u32 lock)
{
	return lock_name(f, lock);
}

void ct_profile__clear(struct ct_profile *p)
{
	free(p->program);
	free(p->command);
	for (u32 i = 0; i < p->labels.cnt; i++)
		free(p->labels.at[i]);
	for (u32 i = 0; i < p->figures.cnt; i++)
		free(p->figures.at[i].name);
	for (u32 i = 0; i < p->watched.cnt; i++)
		free(p->watched.at[i].name);
	ct_vec_free(&p->labels);
	ct_vec_free(&p->figures);
	ct_vec_free(&p->made);
	ct_vec_free(&p->watched);
	*p = (struct ct_profile){ 0 };
}

double ct_profile__get(
	const struct ct_profile *p, enum ct_group group, const char *name, const char *what)
{
	const struct ct_figure *f = find(p, group, name, what);

	return f ? f->value : 0;
}
