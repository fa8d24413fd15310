/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the loop "next event -> apply" and the table of handlers by kind, which is expanded from the
 * schema: an event without a handler does not link.  Not: the rules of any one object.
 *
 * Cost: one pass, O(1) expected for each event (hash tables by tid, pid and lock address), then
 * finish.c. Measured by `CT_MODEL_EVENTS=5000000 test_model_random` (5 million events of 32 threads
 * on two locks, -O2, a 2-core virtual machine): 0.19 us an event, sums and holders included, and 80
 * bytes of model for each; all analyses together another 0.24 us.
 */
#include "model/model_int.h"

typedef void handler(struct build *b, const struct ct_event *e);

static handler *const handlers[CT_KIND_MAX] = {
#define CT_EVENT(id, UPPER, lower, meaning) [CT_##UPPER] = model_on_##lower,
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
};

static void build_init(struct build *b, struct ct_model *m, struct ct_source *source)
{
	b->m = m;
	b->names = m->names;
	b->musl = m->run->libc && !__builtin_strcmp(m->run->libc, "musl");
	b->calls = m->run->futex_calls;
	b->by_line = ct_table__new();
	b->by_tid = ct_table__new();
	b->by_pid = ct_table__new();
	b->by_addr = ct_table__new();
	b->strays = ct_table__new();
	b->by_var = ct_table__new();
	model_reasons_init(b);
}

static void build_clear(struct build *b)
{
	ct_vec_free(&b->now);
	ct_vec_free(&b->locks);
	ct_vec_free(&b->cpus);
	ct_vec_free(&b->stacks);
	ct_vec_free(&b->stray_cnt);
	ct_table__free(b->by_line);
	ct_table__free(b->by_tid);
	ct_table__free(b->by_pid);
	ct_table__free(b->by_addr);
	ct_table__free(b->strays);
	model_touches_clear(b);
}

static void apply(struct build *b, const struct ct_event *e)
{
	struct ct_model *m = b->m;

	if (!m->event_cnt && !m->start_ns)
		m->start_ns = e->hdr.ts;
	m->event_cnt++;
	if (e->hdr.kind >= CT_KIND_MAX || !handlers[e->hdr.kind] || e->cpu >= CT_CPU_MAX) {
		m->anomalies++;
		return;
	}
	/* the source promises an order; without it no time below adds up */
	if (e->hdr.ts < b->ts) {
		m->anomalies++;
		struct ct_event late = *e;
		late.hdr.ts = b->ts;
		handlers[e->hdr.kind](b, &late);
		return;
	}
	b->ts = e->hdr.ts;
	handlers[e->hdr.kind](b, e);
}

struct ct_model *ct_model__build(struct ct_source *source, const struct ct_names *names)
{
	struct ct_model *m = ct_alloc(sizeof(*m));
	struct build b = { 0 };
	const struct ct_event *e;

	m->run = ct_source__run(source);
	m->names = names ? names : ct_source__names(source);
	m->start_ns = m->run->start_ns;
	m->strings = ct_strtab__new();
	build_init(&b, m, source);
	while ((e = ct_source__next(source)))
		apply(&b, e);
	m->complete = ct_source__complete(source);
	model_finish(&b);
	build_clear(&b);
	return m;
}

void ct_model__free(struct ct_model *m)
{
	if (!m)
		return;
	for (u32 i = 0; i < m->threads.cnt; i++) {
		ct_vec_free(&m->threads.at[i].slices);
		ct_vec_free(&m->threads.at[i].touches);
	}
	for (u32 i = 0; i < m->watched.cnt; i++) {
		ct_vec_free(&m->watched.at[i].touches);
		ct_vec_free(&m->watched.at[i].spans);
	}
	ct_vec_free(&m->watched);
	ct_vec_free(&m->touches);
	ct_vec_free(&m->watch_locks);
	for (u32 i = 0; i < m->locks.cnt; i++) {
		ct_vec_free(&m->locks.at[i].waits);
		ct_vec_free(&m->locks.at[i].holds);
	}
	ct_vec_free(&m->processes);
	ct_vec_free(&m->threads);
	ct_vec_free(&m->locks);
	ct_vec_free(&m->waits);
	ct_vec_free(&m->wakes);
	ct_vec_free(&m->samples);
	ct_vec_free(&m->losses);
	ct_strtab__free(m->strings);
	free(m);
}
