/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks with their time, one line each, for flamegraph.pl, speedscope, inferno:
 *
 *     process;thread;outermost;...;innermost;[lock] 310000000
 *
 * The number is nanoseconds.  Off-CPU time is exact: each wait's own time by its stack, its reason
 * as the last frame, and the wait for a CPU after it (run-queue latency) as [runnable].  On-CPU
 * time is sampled: each sample of a running thread stands for one tick (1e9 / sample_hz ns), as
 * [running].  Lost events are a line of weight 1, so that no flame graph hides them.  Threads of
 * the same name and stack are one line; lines are sorted by their bytes.  Cost: O(slices +
 * samples), then one line of text per different stack of each thread.
 *
 * ';' in a name becomes ':', control bytes and what is no UTF-8 "\xNN"; spaces at an end are cut.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export_int.h"

#define FRAME_SIZE 1024
#define NS_PER_S 1000000000u

struct folded_stack {
	u32 thread, stack, state;
	ct_ns ns;
};

struct folded_line {
	const char *text; /* owned by the string table */
	ct_ns ns;
};

struct folding {
	const struct ct_model *m;
	struct ct_table *index; /* (thread, stack and state) -> stacks */
	CT_VEC(struct folded_stack) stacks;
	struct ct_strtab *texts;
	struct ct_table *line_index; /* (id in texts, 0) -> lines */
	CT_VEC(struct folded_line) lines;
};

static void add_stack(struct folding *f, u32 thread, u32 stack, u32 state, ct_ns ns)
{
	u64 key = (u64)stack << 8 | state;
	u32 i = ct_table__get(f->index, thread, key);
	if (i == CT_NONE) {
		i = f->stacks.cnt;
		ct_table__set(f->index, thread, key, i);
		*ct_vec_push(&f->stacks) = (struct folded_stack){ thread, stack, state, 0 };
	}
	f->stacks.at[i].ns += ns;
}

static void add_thread(struct folding *f, u32 thread)
{
	const struct ct_thread *t = &f->m->threads.at[thread];
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		if (s->state == CT_RUNNING)
			continue;
		u32 stack = s->wait < f->m->waits.cnt ? f->m->waits.at[s->wait].stack : 0;
		add_stack(f, thread, stack, s->state, ct_slice_end(t, i) - s->start_ns);
	}
}

static void add_samples(struct folding *f)
{
	if (!f->m->run->sample_hz)
		return;
	for (u32 i = 0; i < f->m->samples.cnt; i++) {
		const struct ct_cpu_sample *s = &f->m->samples.at[i];
		add_stack(f, s->thread, s->stack, CT_RUNNING, NS_PER_S / f->m->run->sample_hz);
	}
}

static void put_frame(struct ct_buf *line, const char *raw)
{
	char text[FRAME_SIZE];
	ct_fmt_safe(text, sizeof(text), raw);
	size_t len = strlen(text);
	while (len && text[len - 1] == ' ')
		len--;
	char *from = text + strspn(text, " ");
	if (!len) {
		from = strcpy(text, "?");
		len = 1;
	}
	for (char *c = from; *c; c++) {
		if (*c == ';')
			*c = ':';
	}
	ct_buf_put(line, from, (size_t)(text + len - from));
	ct_buf_put(line, ";", 1);
}

static void put_place(struct ct_buf *line, const struct ct_names *names, u32 frame)
{
	struct ct_place place = ct_frame_place(names, frame);
	char text[FRAME_SIZE];
	const char *name = place.function;
	if (!*name && *place.module) {
		snprintf(text, sizeof(text), "%s+0x%" PRIx64, ct_base_name(place.module),
			place.offset);
		name = text;
	}
	put_frame(line, name);
}

static void put_line(struct folding *f, struct ct_buf *line, const struct folded_stack *s)
{
	const struct ct_model *m = f->m;
	u32 cnt = 0;
	const u32 *frames = m->names ? ct_names__stack(m->names, s->stack, &cnt) : NULL;
	line->len = 0;
	put_frame(line, ct_process_name(m, m->threads.at[s->thread].process));
	put_frame(line, ct_thread_name(m, s->thread));
	for (u32 i = cnt; i > 0; i--)
		put_place(line, m->names, frames[i - 1]);
	const char *state = ct_state_name(s->state);
	ct_buf_put(line, "[", 1);
	ct_buf_put(line, state, strlen(state));
	ct_buf_put(line, "]", 2); /* with the end of the string */
}

/* Threads that share a name share their lines. */
static void merge_lines(struct folding *f)
{
	struct ct_buf line = { 0 };
	for (u32 i = 0; i < f->stacks.cnt; i++) {
		put_line(f, &line, &f->stacks.at[i]);
		u32 text = ct_strtab__add(f->texts, (const char *)line.at);
		u32 j = ct_table__get(f->line_index, text, 0);
		if (j == CT_NONE) {
			j = f->lines.cnt;
			ct_table__set(f->line_index, text, 0, j);
			ct_vec_push(&f->lines)->text = ct_strtab__get(f->texts, text);
		}
		f->lines.at[j].ns += f->stacks.at[i].ns;
	}
	ct_buf_free(&line);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct folded_line *)a)->text, ((const struct folded_line *)b)->text);
}

static void write_lines(struct folding *f, FILE *out)
{
	if (f->lines.cnt)
		qsort(f->lines.at, f->lines.cnt, sizeof(*f->lines.at), compare_lines);
	for (u32 i = 0; i < f->lines.cnt; i++) {
		if (f->lines.at[i].ns)
			fprintf(out, "%s %" PRIu64 "\n", f->lines.at[i].text, f->lines.at[i].ns);
	}
	if (f->m->lost_events)
		fprintf(out, "[lost %" PRIu64 " events] 1\n", f->m->lost_events);
}

int ct_folded__write(const struct ct_export_in *in, FILE *out)
{
	struct folding f = {
		.m = in->facts->m,
		.index = ct_table__new(),
		.texts = ct_strtab__new(),
		.line_index = ct_table__new(),
	};
	for (u32 i = 0; i < f.m->threads.cnt; i++)
		add_thread(&f, i);
	add_samples(&f);
	merge_lines(&f);
	write_lines(&f, out);
	ct_vec_free(&f.stacks);
	ct_vec_free(&f.lines);
	ct_table__free(f.index);
	ct_table__free(f.line_index);
	ct_strtab__free(f.texts);
	return ferror(out) ? -EIO : 0;
}
