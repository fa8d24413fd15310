/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exporters whose output other programs read (perfetto, speedscope, openmetrics), on hand-built
 * models: hostile names, an empty run, losses, many locks.  Perfetto's packets are unpacked again
 * and held to what its readers rely on; that the trace processor itself is content is shown by
 * tests/e2e/perfetto.py.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "export/export_int.h"
#include "perfetto.pb-c.h"
#include "world.h"

/* A name as a program may set it; the last byte is half of a UTF-8 sequence. */
#define HOSTILE "=a;\"b\\\",\n\033[31mc \xc3"
#define HOSTILE_VALID "=a;\"b\\\",\n\033[31mc \\xC3"
#define SEQS 4
#define TIDS 128

static char *export_as(const struct world *w, const char *format, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	struct ct_export_in in = { .facts = &w->facts };
	const struct ct_exporter *e = ct_exporter__find(format);
	assert_non_null(e);
	assert_int_equal(e->write(&in, out), 0);
	fclose(out);
	return text;
}

/* Every text from outside is hostile; a lock is held, somebody was woken. */
static void world_hostile(struct world *w)
{
	world_init(w, HOSTILE, 100);
	w->run.host = w->run.kernel = w->run.version = (char *)HOSTILE;
	u32 process = world_process(w, 7, HOSTILE);
	u32 frame = world_frame(w, HOSTILE " ", HOSTILE, 3);
	u32 stack = world_stack(w, &frame, 1);
	world_lock(w, CT_LK_MUTEX, 0x10);
	u32 first = world_thread(w, process, 7, HOSTILE, 0);
	u32 second = world_thread(w, process, 8, HOSTILE, 0);
	world_slice(w, first, CT_RUNNING, 40 * WORLD_MS, CT_NONE);
	struct ct_wait *wait = world_wait(w, first, CT_LOCK, 50 * WORLD_MS, frame, 0);
	wait->stack = stack;
	wait->owner = wait->waker = second;
	world_slice(w, first, CT_RUNNABLE, 5 * WORLD_MS, w->m.waits.cnt - 1);
	world_slice(w, first, CT_RUNNING, 5 * WORLD_MS, CT_NONE);
	world_slice(w, second, CT_RUNNING, 100 * WORLD_MS, CT_NONE);
	*ct_vec_push(&w->m.locks.at[0].holds) = (struct ct_hold){
		.start_ns = WORLD_START, .end_ns = WORLD_START + 90 * WORLD_MS, .thread = second,
		.flags = CT_HOLD_SEEN
	};
	*ct_vec_push(&w->m.samples) = (struct ct_cpu_sample){
		.ts = WORLD_START, .thread = first, .stack = stack
	};
	world_contention(w, 0);
	w->m.locks.at[0].wait_cnt = 1;
	w->m.locks.at[0].wait_ns = 50 * WORLD_MS;
}

/* ---- Perfetto: what its readers rely on ------------------------------------------------------ */

struct reading {
	struct ct_table *known; /* (sequence and table, id): an id that has been introduced */
	struct ct_table *tracks;
	bool begun[SEQS];
	struct ct_table *depth; /* (track): slices open */
	u32 open, flows, ends;
	u64 running_ns[TIDS];
	u64 switch_at[TIDS]; /* by CPU */
	i32 current[TIDS];
};

static void learn(struct reading *r, u32 seq, u32 table, u64 id)
{
	assert_int_not_equal(id, 0);
	assert_int_equal(ct_table__get(r->known, seq << 8 | table, id), CT_NONE);
	ct_table__set(r->known, seq << 8 | table, id, 1);
}

static void assert_known(const struct reading *r, u32 seq, u32 table, u64 id)
{
	if (ct_table__get(r->known, seq << 8 | table, id) == CT_NONE)
		fail_msg("id %u of table %u is not known to sequence %u", (u32)id, table, seq);
}

static void assert_valid(const char *text)
{
	char *repaired = ct_utf8_repair(text);
	assert_string_equal(text, repaired);
	free(repaired);
}

static void read_strings(struct reading *r, u32 seq, u32 table, Ctrace__InternedString **list,
	size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		learn(r, seq, table, list[i]->iid);
		assert_valid(list[i]->str);
	}
}

static void read_interned(struct reading *r, u32 seq, const Ctrace__InternedData *d)
{
	read_strings(r, seq, 1, d->event_categories, d->n_event_categories);
	read_strings(r, seq, 2, d->event_names, d->n_event_names);
	read_strings(r, seq, 3, d->debug_annotation_names, d->n_debug_annotation_names);
	read_strings(r, seq, 5, d->function_names, d->n_function_names);
	read_strings(r, seq, 17, d->mapping_paths, d->n_mapping_paths);
	read_strings(r, seq, 18, d->source_paths, d->n_source_paths);
	read_strings(r, seq, 26, d->kernel_symbols, d->n_kernel_symbols);
	read_strings(r, seq, 29, d->debug_annotation_string_values,
		d->n_debug_annotation_string_values);
	for (size_t i = 0; i < d->n_mappings; i++)
		learn(r, seq, 19, d->mappings[i]->iid);
	for (size_t i = 0; i < d->n_frames; i++) {
		learn(r, seq, 6, d->frames[i]->iid);
		assert_known(r, seq, 5, d->frames[i]->function_name_id);
		assert_known(r, seq, 19, d->frames[i]->mapping_id);
	}
	for (size_t i = 0; i < d->n_callstacks; i++) {
		learn(r, seq, 7, d->callstacks[i]->iid);
		for (size_t j = 0; j < d->callstacks[i]->n_frame_ids; j++)
			assert_known(r, seq, 6, d->callstacks[i]->frame_ids[j]);
	}
}

static void read_event(struct reading *r, u32 seq, const Ctrace__TrackEvent *e)
{
	assert_int_not_equal(ct_table__get(r->tracks, e->track_uuid, 0), CT_NONE);
	u32 depth = ct_table__get(r->depth, e->track_uuid, 0);
	depth = depth == CT_NONE ? 0 : depth;
	if (e->type == 2)
		assert_true(depth > 0);
	ct_table__set(r->depth, e->track_uuid, 0, depth + (e->type == 1) - (e->type == 2));
	r->open += (e->type == 1) - (e->type == 2);
	if (e->has_name_iid)
		assert_known(r, seq, 2, e->name_iid);
	if (e->has_callstack_iid)
		assert_known(r, seq, 7, e->callstack_iid);
	for (size_t i = 0; i < e->n_category_iids; i++)
		assert_known(r, seq, 1, e->category_iids[i]);
	for (size_t i = 0; i < e->n_debug_annotations; i++) {
		assert_known(r, seq, 3, e->debug_annotations[i]->name_iid);
		if (e->debug_annotations[i]->has_string_value_iid)
			assert_known(r, seq, 29, e->debug_annotations[i]->string_value_iid);
	}
	r->flows += e->n_flow_ids;
	r->ends += e->n_terminating_flow_ids;
}

static void read_switches(struct reading *r, u32 cpu, const Ctrace__CompactSched *k)
{
	size_t cnt = k->n_switch_timestamp;
	u64 at = 0;
	assert_true(cpu < TIDS);
	assert_int_equal(k->n_switch_prev_state, cnt);
	assert_int_equal(k->n_switch_next_pid, cnt);
	assert_int_equal(k->n_switch_next_prio, cnt);
	assert_int_equal(k->n_switch_next_comm_index, cnt);
	for (size_t i = 0; i < cnt; i++) {
		at += k->switch_timestamp[i];
		assert_true(at >= r->switch_at[cpu] && k->switch_next_pid[i] < TIDS);
		assert_true(k->switch_next_comm_index[i] < k->n_intern_table);
		assert_true(k->switch_prev_state[i] <= 0x1ff);
		if (r->current[cpu])
			r->running_ns[r->current[cpu]] += at - r->switch_at[cpu];
		r->switch_at[cpu] = at;
		r->current[cpu] = k->switch_next_pid[i];
	}
	for (size_t i = 0; i < k->n_intern_table; i++)
		assert_valid(k->intern_table[i]);
}

static void read_wakings(const Ctrace__CompactSched *k)
{
	size_t cnt = k->n_waking_timestamp;
	assert_int_equal(k->n_waking_pid, cnt);
	assert_int_equal(k->n_waking_target_cpu, cnt);
	assert_int_equal(k->n_waking_prio, cnt);
	assert_int_equal(k->n_waking_comm_index, cnt);
	assert_int_equal(k->n_waking_common_flags, cnt);
	for (size_t i = 0; i < cnt; i++)
		assert_true(k->waking_comm_index[i] < k->n_intern_table);
}

static void read_packet(struct reading *r, const Ctrace__TracePacket *p)
{
	u32 seq = p->trusted_packet_sequence_id;
	assert_true(seq > 0 && seq < SEQS);
	assert_int_equal(p->sequence_flags, r->begun[seq] ? 2 : 3);
	assert_int_not_equal(p->machine_id, 0);
	r->begun[seq] = true;
	if (p->interned_data)
		read_interned(r, seq, p->interned_data);
	if (p->track_descriptor) {
		const Ctrace__TrackDescriptor *d = p->track_descriptor;
		assert_int_equal(ct_table__get(r->tracks, d->uuid, 0), CT_NONE);
		ct_table__set(r->tracks, d->uuid, 0, 1);
		if (d->has_parent_uuid)
			assert_int_not_equal(ct_table__get(r->tracks, d->parent_uuid, 0), CT_NONE);
		assert_valid(d->name ? d->name : "");
	}
	if (p->track_event)
		read_event(r, seq, p->track_event);
	if (p->perf_sample && p->perf_sample->has_callstack_iid)
		assert_known(r, seq, 7, p->perf_sample->callstack_iid);
	if (p->ftrace_events && p->ftrace_events->compact_sched) {
		read_switches(r, p->ftrace_events->cpu, p->ftrace_events->compact_sched);
		read_wakings(p->ftrace_events->compact_sched);
	}
}

/* Reads the whole export; what it found is in *r. */
static void read_perfetto(const struct world *w, struct reading *r)
{
	size_t size;
	char *bytes = export_as(w, "perfetto", &size);
	Ctrace__Trace *trace = ctrace__trace__unpack(NULL, size, (u8 *)bytes);
	assert_non_null(trace);
	*r = (struct reading){ .known = ct_table__new(), .tracks = ct_table__new(),
		.depth = ct_table__new() };
	for (size_t i = 0; i < trace->n_packet; i++) {
		assert_int_equal(trace->packet[i]->base.n_unknown_fields, 0);
		read_packet(r, trace->packet[i]);
	}
	assert_int_equal(r->open, 0);
	assert_true(r->ends <= r->flows);
	for (u32 cpu = 0; cpu < TIDS; cpu++)
		assert_int_equal(r->current[cpu], 0);
	ctrace__trace__free_unpacked(trace, NULL);
	ct_table__free(r->known);
	ct_table__free(r->tracks);
	ct_table__free(r->depth);
	free(bytes);
}

static void test_perfetto_shop(void **state)
{
	struct world w;
	struct reading r;
	world_shop(&w);
	read_perfetto(&w, &r);
	for (u32 i = 0; i < w.m.threads.cnt; i++) {
		const struct ct_thread *t = &w.m.threads.at[i];
		assert_int_equal(r.running_ns[t->tid], t->state_ns[CT_RUNNING]);
	}
	/* each wait for the lock was ended by a thread; three did not run after their last one */
	assert_int_equal(r.flows, 1800);
	assert_int_equal(r.ends, 1797);
	world_free(&w);
}

static void test_perfetto_hostile(void **state)
{
	struct world w;
	struct reading r;
	world_hostile(&w);
	struct ct_loss_span loss = { WORLD_START, WORLD_START + WORLD_MS, 1, CT_WAKING, 4 };
	*ct_vec_push(&w.m.losses) = loss;
	*ct_vec_push(&w.m.losses) = loss;
	read_perfetto(&w, &r);
	assert_int_equal(r.running_ns[7], 45 * WORLD_MS);
	assert_int_equal(r.flows, 1);
	world_free(&w);
}

/* One tid, two threads at once, and a third after them: each has its time. */
static void test_perfetto_same_tid(void **state)
{
	struct world w;
	struct reading r;
	world_init(&w, "twice", 30);
	u32 process = world_process(&w, 5, "twice");
	for (u32 i = 0; i < 3; i++) {
		u32 thread = world_thread(&w, process, 5, "same", i < 2 ? 0 : 20);
		world_slice(&w, thread, CT_RUNNING, (i + 1) * WORLD_MS, CT_NONE);
	}
	read_perfetto(&w, &r);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(r.running_ns[5 + i], (i + 1) * WORLD_MS);
	world_free(&w);
}

/* On another CPU at the very time at which it leaves one, and no time on it in between: the first
 * end comes before the second beginning, whatever order a reader looks at CPUs in. */
static void test_perfetto_jumps(void **state)
{
	struct world w;
	struct reading r;
	world_init(&w, "jumps", 30);
	u32 thread = world_thread(&w, world_process(&w, 5, "jumps"), 5, "jumps", 0);
	for (u32 i = 0; i < 3; i++) {
		ct_ns ns = i == 1 ? 0 : 10 * WORLD_MS;
		world_slice(&w, thread, CT_RUNNING, ns, CT_NONE)->cpu = (u16)i;
		if (i < 2)
			world_slice(&w, thread, CT_RUNNABLE, 0, CT_NONE);
	}
	read_perfetto(&w, &r);
	assert_int_equal(r.running_ns[5], 20 * WORLD_MS - 1);
	world_free(&w);
}

/* ---- speedscope ------------------------------------------------------------------------------ */

static json_t *speedscope_of(const struct world *w)
{
	size_t size;
	json_error_t error;
	char *text = export_as(w, "speedscope", &size);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static void check_profile(json_t *profile, size_t frames)
{
	json_t *samples = json_object_get(profile, "samples");
	json_t *weights = json_object_get(profile, "weights");
	json_int_t sum = 0;
	size_t i;
	json_t *stack;
	assert_string_equal(json_string_value(json_object_get(profile, "type")), "sampled");
	assert_int_equal(json_array_size(samples), json_array_size(weights));
	json_array_foreach(samples, i, stack) {
		sum += json_integer_value(json_array_get(weights, i));
		for (size_t j = 0; j < json_array_size(stack); j++)
			assert_true((size_t)json_integer_value(json_array_get(stack, j)) < frames);
	}
	assert_int_equal(sum, json_integer_value(json_object_get(profile, "endValue")));
}

static void test_speedscope_hostile(void **state)
{
	struct world w;
	world_hostile(&w);
	json_t *root = speedscope_of(&w);
	json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
	json_t *profiles = json_object_get(root, "profiles");
	json_t *frame = json_array_get(frames, 1);
	assert_string_equal(json_string_value(json_object_get(frame, "name")), HOSTILE_VALID " ");
	assert_string_equal(json_string_value(json_object_get(frame, "file")), HOSTILE_VALID);
	assert_int_equal(json_array_size(profiles), 2); /* the second thread never waits */
	for (size_t i = 0; i < json_array_size(profiles); i++)
		check_profile(json_array_get(profiles, i), json_array_size(frames));
	json_t *off = json_array_get(profiles, 0);
	assert_int_equal(json_integer_value(json_object_get(off, "endValue")), 55 * WORLD_MS);
	json_decref(root);
	world_free(&w);
}

/* ---- OpenMetrics ----------------------------------------------------------------------------- */

/* The part of the line after `start`, up to its end; free() it. */
static char *rest_of_line(const char *text, const char *start)
{
	const char *at = strstr(text, start);
	if (!at)
		fail_msg("'%s' is not in:\n%s", start, text);
	at += strlen(start);
	return ct_strndup(at, strcspn(at, "\n"));
}

/* Lines are comments or samples of the family last announced, families come once, # EOF ends. */
static void check_metrics(const char *text)
{
	char family[128] = "";
	u32 families = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert_non_null(strchr(line, '\n'));
		if (!strncmp(line, "# EOF\n", 6)) {
			assert_string_equal(line, "# EOF\n");
			break;
		}
		if (!strncmp(line, "# TYPE ", 7)) {
			char again[160];
			assert_int_equal(sscanf(line, "# TYPE %127s", family), 1);
			snprintf(again, sizeof(again), "# TYPE %s ", family);
			assert_null(strstr(line + 1, again));
			families++;
		}
		if (*line != '#')
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
	}
	assert_true(families > 10);
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
}

static void test_openmetrics_hostile(void **state)
{
	struct world w;
	size_t size;
	world_hostile(&w);
	char *text = export_as(&w, "openmetrics", &size);
	check_metrics(text);
	char *label = rest_of_line(text, "ctrace_cpus{");
	assert_string_equal(label, "machine=\"=a;\\\"b\\\\\\\",\\n\033[31mc \\\\xC3\","
				   "program=\"=a;\\\"b\\\\\\\",\\n\033[31mc \\\\xC3\"}"
				   " 2 1700000000.100000042");
	free(label);
	free(text);
	world_free(&w);
}

/* Locks beyond the first fifty names are one. */
static void test_openmetrics_many_locks(void **state)
{
	struct world w;
	size_t size;
	world_init(&w, "many", 100);
	world_process(&w, 7, "many");
	for (u32 i = 0; i < 60; i++) {
		world_lock(&w, CT_LK_MUTEX, 0x1000 + 0x100 * i);
		w.m.locks.at[i].wait_cnt = 3;
		w.m.locks.at[i].wait_ns = 1500000000;
		world_contention(&w, i);
	}
	char *text = export_as(&w, "openmetrics", &size);
	u32 lines = 0;
	check_metrics(text);
	for (const char *at = text; (at = strstr(at, "\nctrace_lock_waits{")); at++)
		lines++;
	assert_int_equal(lines, 51);
	char *rest = rest_of_line(text, "ctrace_lock_wait_seconds{machine=\"lab\",program=\"many\","
					"lock=\"other locks\",kind=\"mutex\"} ");
	assert_string_equal(rest, "15.000000000 1700000000.100000042");
	free(rest);
	free(text);
	world_free(&w);
}

/* ---- nothing --------------------------------------------------------------------------------- */

static void test_empty(void **state)
{
	struct world w;
	struct reading r;
	size_t size;
	world_init(&w, "", 0);
	w.argv[0] = NULL;
	w.run.host = w.run.kernel = w.run.arch = w.run.version = NULL;
	w.run.start_real_ns = 0;
	read_perfetto(&w, &r);
	json_t *root = speedscope_of(&w);
	assert_int_equal(json_array_size(json_object_get(root, "profiles")), 0);
	json_decref(root);
	char *text = export_as(&w, "openmetrics", &size);
	check_metrics(text);
	assert_non_null(strstr(text, "ctrace_threads{machine=\"\",program=\"\"} 0\n"));
	free(text);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perfetto_shop),
		cmocka_unit_test(test_perfetto_hostile),
		cmocka_unit_test(test_perfetto_same_tid),
		cmocka_unit_test(test_perfetto_jumps),
		cmocka_unit_test(test_speedscope_hostile),
		cmocka_unit_test(test_openmetrics_hostile),
		cmocka_unit_test(test_openmetrics_many_locks),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
