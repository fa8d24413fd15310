/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of user/model/ and user/analysis/ share: load a text trace from tests/traces (or
 * $CT_TRACES), find things in its model by the names that the trace uses, compare slices.
 */
#ifndef MODEL_LOAD_H
#define MODEL_LOAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ct_findings.h"

struct loaded {
	struct ct_source *source;
	struct ct_model *m;
};

static inline struct loaded load_path(const char *path)
{
	struct loaded l = { 0 };
	char *why = NULL;

	if (ct_source__open(&l.source, path, &why))
		fail_msg("%s: %s", path, why ? why : "?");
	free(why);
	l.m = ct_model__build(l.source, NULL);
	return l;
}

static inline struct loaded load(const char *name)
{
	const char *dir = getenv("CT_TRACES");
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.ctt", dir ? dir : "tests/traces", name);
	return load_path(path);
}

static inline void unload(struct loaded *l)
{
	ct_model__free(l->m);
	ct_source__free(l->source);
}

/* The newest thread of that tid. */
static inline u32 thread_idx(const struct ct_model *m, u32 tid)
{
	u32 found = CT_NONE;

	for (u32 i = 0; i < m->threads.cnt; i++)
		if (m->threads.at[i].tid == tid)
			found = i;
	if (found == CT_NONE)
		fail_msg("no thread %u", tid);
	return found;
}

static inline const struct ct_thread *thread(const struct ct_model *m, u32 tid)
{
	return &m->threads.at[thread_idx(m, tid)];
}

static inline const struct ct_lock *lock_at(const struct ct_model *m, u64 addr)
{
	for (u32 i = 0; i < m->locks.cnt; i++)
		if (m->locks.at[i].addr == addr)
			return &m->locks.at[i];
	fail_msg("no lock at 0x%llx", (unsigned long long)addr);
	return NULL;
}

/* The n-th wait of a thread, from 0. */
static inline const struct ct_wait *wait_of(const struct ct_model *m, u32 tid, u32 n)
{
	u32 t = thread_idx(m, tid);

	for (u32 i = 0; i < m->waits.cnt; i++)
		if (m->waits.at[i].thread == t && n-- == 0)
			return &m->waits.at[i];
	fail_msg("thread %u has too few waits", tid);
	return NULL;
}

struct want {
	ct_ns start;
	enum ct_state state;
	u32 flags;
};

static inline void check_slices_at(const struct ct_thread *t, const struct want *want, u32 cnt,
	const char *file, int line)
{
	for (u32 i = 0; i < cnt && i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		if (s->start_ns != want[i].start || s->state != want[i].state ||
			s->flags != want[i].flags) {
			print_error("slice %u of %u: %llu %s flags %u, expected %llu %s flags %u\n",
				i, t->tid, (unsigned long long)s->start_ns, ct_state_name(s->state),
				s->flags, (unsigned long long)want[i].start,
				ct_state_name(want[i].state), want[i].flags);
			_fail(file, line);
		}
	}
	_assert_int_equal(t->slices.cnt, cnt, file, line);
}
#define check_slices(t, ...)                                                                       \
	check_slices_at(t, (const struct want[]){ __VA_ARGS__ },                                   \
		CT_COUNT(((const struct want[]){ __VA_ARGS__ })), __FILE__, __LINE__)

/* What holds for every model, whatever the trace. */
static inline void check_invariants(const struct ct_model *m)
{
	for (u32 i = 0; i < m->threads.cnt; i++) {
		const struct ct_thread *t = &m->threads.at[i];
		ct_ns sum = 0, at = t->start_ns;
		for (u32 s = 0; s < CT_STATES; s++)
			sum += t->state_ns[s];
		assert_int_equal(sum, t->end_ns - t->start_ns);
		if (t->slices.cnt)
			assert_int_equal(t->slices.at[0].start_ns, t->start_ns);
		for (u32 k = 0; k < t->slices.cnt; k++) {
			const struct ct_slice *s = &t->slices.at[k];
			assert_true(s->start_ns >= at);
			assert_true(ct_slice_end(t, k) >= s->start_ns);
			assert_true(s->state < CT_STATES);
			if (ct_state_blocked(s->state)) {
				assert_true(s->wait < m->waits.cnt);
				assert_int_equal(m->waits.at[s->wait].thread, i);
				assert_int_equal(m->waits.at[s->wait].start_ns, s->start_ns);
				assert_int_equal(m->waits.at[s->wait].end_ns, ct_slice_end(t, k));
			}
			at = s->start_ns;
		}
		if (i)
			assert_true(m->threads.at[i - 1].start_ns <= t->start_ns);
	}
	for (u32 i = 1; i < m->waits.cnt; i++)
		assert_true(m->waits.at[i - 1].start_ns <= m->waits.at[i].start_ns);
	for (u32 i = 0; i < m->locks.cnt; i++) {
		const struct ct_lock *l = &m->locks.at[i];
		for (u32 k = 0; k < l->holds.cnt; k++) {
			assert_true(l->holds.at[k].start_ns < l->holds.at[k].end_ns);
			assert_true(l->holds.at[k].thread < m->threads.cnt);
			if (k)
				assert_true(l->holds.at[k - 1].end_ns <= l->holds.at[k].start_ns);
		}
	}
}

#endif
