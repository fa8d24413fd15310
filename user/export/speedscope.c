/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks with their time for speedscope's viewer, by its file format: the frames once, and for each
 * thread up to two profiles of samples in the order of time, weights in nanoseconds:
 *
 *     "worker-1 (101) off CPU"   each stretch without a CPU, exactly as long as it was: the stack
 *                                that waits, the reason as the innermost frame; run-queue latency
 *                                is [runnable] under the wait before it
 *     "worker-1 (101) on CPU"    each sample of a running thread stands for one tick
 *
 * Written as it goes, two passes over a thread's slices (stacks, then weights): nothing is held but
 * an order of the samples.  Lost events are said in the file's name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export_int.h"

/* how a reader knows the format */
#define SCHEMA "https://www.speedscope.app/file-format-schema.json"
#define NS_PER_S 1000000000u

/* One code point of valid text; its length. */
static u32 write_point(FILE *out, const char *at)
{
	u32 code, n = ct_utf8_decode(at, &code);

	ct_json_bytes(at, n ? n : 1, out);
	return n ? n : 1;
}

/* A string of JSON, quotes included: valid UTF-8, control characters escaped. */
static void put_string(FILE *out, const char *raw)
{
	char *text = ct_utf8_repair(raw);
	fputc('"', out);
	for (const u8 *c = (const u8 *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(out, "\\u%04x", *c);
		else
			c += write_point(out, (const char *)c) - 1;
	}
	fputc('"', out);
	free(text);
}

static u32 frame_count(const struct ct_model *m)
{
	return m->names && m->names->frames.cnt ? m->names->frames.cnt : 1;
}

static void put_frame(FILE *out, const struct ct_model *m, u32 frame)
{
	struct ct_place place = ct_frame_place(m->names, frame);
	char *module = NULL;
	const char *name = place.function;
	if (!*name && *place.module) {
		module = ct_asprintf("%s+0x%" PRIx64, ct_base_name(place.module), place.offset);
		name = module;
	}
	fputs(frame ? ",\n{\"name\":" : "{\"name\":", out);
	put_string(out, *name ? name : "?");
	if (*place.file) {
		fputs(",\"file\":", out);
		put_string(out, place.file);
	}
	if (place.line)
		fprintf(out, ",\"line\":%" PRIu32, place.line);
	fputc('}', out);
	free(module);
}

/* Indices are frame ids; after them come the states. */
static void put_frames(FILE *out, const struct ct_model *m)
{
	fputs("\"shared\":{\"frames\":[\n", out);
	for (u32 i = 0; i < frame_count(m); i++)
		put_frame(out, m, i);
	for (u32 s = 0; s < CT_STATES; s++)
		fprintf(out, ",\n{\"name\":\"[%s]\"}", ct_state_name(s));
	fputs("\n]}", out);
}

static void put_stack(FILE *out, const struct ct_model *m, u32 stack, u32 state)
{
	u32 cnt = 0;
	const u32 *frames = m->names ? ct_names__stack(m->names, stack, &cnt) : NULL;
	fputc('[', out);
	for (u32 i = cnt; i > 0; i--) {
		u32 frame = frames[i - 1] < frame_count(m) ? frames[i - 1] : 0;
		fprintf(out, "%" PRIu32 ",", frame);
	}
	fprintf(out, "%" PRIu32 "]", frame_count(m) + state);
}

static void begin_profile(FILE *out, const struct ct_model *m, u32 thread, const char *what,
	u64 end, bool *first)
{
	char *name = ct_asprintf("%s (%" PRIu32 ") %s", ct_thread_name(m, thread),
		m->threads.at[thread].tid, what);
	fputs(*first ? "\n" : ",\n", out);
	*first = false;
	fputs("{\"type\":\"sampled\",\"name\":", out);
	put_string(out, name);
	fprintf(out,
		",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":%" PRIu64
		",\"samples\":[",
		end);
	free(name);
}

/* ---- off CPU --------------------------------------------------------------------------------- */

static ct_ns off_cpu_ns(const struct ct_thread *t, u32 slice)
{
	bool off = t->slices.at[slice].state != CT_RUNNING;
	return off ? ct_slice_end(t, slice) - t->slices.at[slice].start_ns : 0;
}

static void put_off_cpu(FILE *out, const struct ct_model *m, u32 thread, bool *first)
{
	const struct ct_thread *t = &m->threads.at[thread];
	const char *comma = "";
	u64 total = 0;
	for (u32 i = 0; i < t->slices.cnt; i++)
		total += off_cpu_ns(t, i);
	if (!total)
		return;
	begin_profile(out, m, thread, "off CPU", total, first);
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		if (!off_cpu_ns(t, i))
			continue;
		fputs(comma, out);
		bool waited = s->wait < m->waits.cnt;
		put_stack(out, m, waited ? m->waits.at[s->wait].stack : 0, s->state);
		comma = ",";
	}
	comma = "],\"weights\":[";
	for (u32 i = 0; i < t->slices.cnt; i++) {
		if (!off_cpu_ns(t, i))
			continue;
		fprintf(out, "%s%" PRIu64, comma, off_cpu_ns(t, i));
		comma = ",";
	}
	fputs("]}", out);
}

/* ---- on CPU ---------------------------------------------------------------------------------- */

struct order { /* samples, those of each thread together, by time */
	u32 *start; /* [threads + 2]: thread t's are start[t] to start[t + 1] */
	u32 *at;
};

static void order_samples(struct order *o, const struct ct_model *m)
{
	u32 threads = m->threads.cnt;
	o->start = ct_alloc(((size_t)threads + 2) * sizeof(*o->start));
	o->at = ct_alloc(((size_t)m->samples.cnt + 1) * sizeof(*o->at));
	for (u32 i = 0; i < m->samples.cnt; i++)
		o->start[m->samples.at[i].thread + 2]++;
	for (u32 i = 0; i < threads; i++)
		o->start[i + 2] += o->start[i + 1];
	for (u32 i = 0; i < m->samples.cnt; i++)
		o->at[o->start[m->samples.at[i].thread + 1]++] = i;
}

static void put_on_cpu(FILE *out, const struct ct_model *m, u32 thread, const struct order *o,
	bool *first)
{
	u32 from = o->start[thread];
	u32 cnt = o->start[thread + 1] - from;
	u64 tick_ns = m->run->sample_hz ? NS_PER_S / m->run->sample_hz : 0;
	if (!cnt || !tick_ns)
		return;
	begin_profile(out, m, thread, "on CPU", cnt * tick_ns, first);
	for (u32 i = 0; i < cnt; i++) {
		fputs(i ? "," : "", out);
		put_stack(out, m, m->samples.at[o->at[from + i]].stack, CT_RUNNING);
	}
	for (u32 i = 0; i < cnt; i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "],\"weights\":[", tick_ns);
	fputs("]}", out);
}

static void put_profiles(FILE *out, const struct ct_model *m)
{
	struct order samples;
	bool first = true;
	order_samples(&samples, m);
	fputs(",\n\"profiles\":[", out);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		put_off_cpu(out, m, t, &first);
		put_on_cpu(out, m, t, &samples, &first);
	}
	fputs("\n]", out);
	free(samples.start);
	free(samples.at);
}

int ct_speedscope__write(const struct ct_export_in *in, FILE *out)
{
	const struct ct_model *m = in->facts->m;
	const char *program = m->run->argv && m->run->argv[0] ? m->run->argv[0] : "";
	char *lost = m->lost_events ? ct_asprintf(" (%" PRIu64 " events lost)", m->lost_events)
				    : ct_strdup("");
	char *name = ct_asprintf("%s%s", ct_base_name(program), lost);
	char *exporter = ct_asprintf("ctrace %s", m->run->version ? m->run->version : "");
	fputs("{\"$schema\":\"" SCHEMA "\",\n\"name\":", out);
	put_string(out, name);
	fputs(",\n\"exporter\":", out);
	put_string(out, exporter);
	fputs(",\n", out);
	put_frames(out, m);
	put_profiles(out, m);
	fputs("}\n", out);
	free(name);
	free(lost);
	free(exporter);
	return ferror(out) ? -EIO : 0;
}
