/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row for each state of each thread, as RFC 4180 has it: CRLF, a header line, fields in double
 * quotes where needed, control characters as \xHH.  Rows are by thread (start, tid) and then by
 * time; O(slices), nothing is held.
 *
 *     tid,pid,name        the thread
 *     start_ns            when the state began, from the run's start
 *     duration_ns         how long it lasted
 *     state               "running", "runnable", "lock", ...
 *     cpu                 where it ran, or last ran
 *     lock                "L1 big_lock": the JSON summary's id, and the name
 *     owner               tid of who held the lock when the wait began; empty: unknown
 *     waker               tid of who ended the wait; empty: none of the traced.  Also on the
 *                         runnable row that follows the wait
 *     function,file,line  the program's line that waited
 *     flags               words with spaces between: cut-start cut-end loss preempted timed
 *                         timed-out found spurious
 *
 * Lost events are rows too, at the end: tid and pid 0, state "lost-events", the stretch of time,
 * the CPU, and how many of what in the flags.
 *
 * A spreadsheet takes a field that starts with = + - @ for a formula.  Names are chosen by the
 * traced program, so such a field gets a ' in front: what looks like a name stays one.  Whatever a
 * terminal would act on (escapes, line ends, marks of direction) and bytes that are no UTF-8 become
 * "\xNN", as in the text form: a row is one line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export_int.h"

#define NAME_SIZE 512

static void put_text(FILE *out, const char *s)
{
	size_t size = 4 * strlen(s) + 1;
	char *text = ct_fmt_safe(ct_alloc(size), size, s);
	bool formula = *s && strchr("=+-@", *s);
	bool quoted = text[strcspn(text, ",\"")] != '\0';
	if (quoted)
		fputc('"', out);
	if (formula)
		fputc('\'', out);
	for (const char *c = text; *c; c++) {
		if (*c == '"')
			fputc('"', out);
		fputc(*c, out);
	}
	if (quoted)
		fputc('"', out);
	free(text);
}

static void put_tid(FILE *out, const struct ct_model *m, u32 thread_idx)
{
	if (thread_idx < m->threads.cnt)
		fprintf(out, "%" PRIu32, m->threads.at[thread_idx].tid);
}

static void put_lock(FILE *out, const struct ct_model *m, u32 lock_idx)
{
	if (lock_idx >= m->locks.cnt)
		return;
	char name[NAME_SIZE];
	char text[NAME_SIZE + 16];
	const struct ct_lock *lock = &m->locks.at[lock_idx];
	snprintf(text, sizeof(text), "L%" PRIu32 " %s", lock->id,
		ct_lock_name(m, lock, name, sizeof(name)));
	put_text(out, text);
}

static void put_place(FILE *out, const struct ct_names *names, u32 frame)
{
	struct ct_place place = ct_frame_place(names, frame);
	char module[NAME_SIZE];
	const char *function = place.function;
	if (!*function && *place.module) {
		snprintf(module, sizeof(module), "%s+0x%" PRIx64, ct_base_name(place.module),
			place.offset);
		function = module;
	}
	put_text(out, function);
	fputc(',', out);
	put_text(out, place.file);
	fputc(',', out);
	if (place.line)
		fprintf(out, "%" PRIu32, place.line);
}

struct flag {
	u32 bit;
	const char *word;
};

static void put_flags(FILE *out, const struct ct_slice *s, const struct ct_wait *w)
{
	static const struct flag of_slice[] = {
		{ CT_SLICE_CUT_START, "cut-start" },
		{ CT_SLICE_CUT_END, "cut-end" },
		{ CT_SLICE_LOSS, "loss" },
		{ CT_SLICE_PREEMPTED, "preempted" },
	};
	static const struct flag of_wait[] = {
		{ CT_WAIT_TIMED, "timed" },
		{ CT_WAIT_TIMED_OUT, "timed-out" },
		{ CT_WAIT_FOUND, "found" },
		{ CT_WAIT_SPURIOUS, "spurious" },
	};
	const char *space = "";
	for (u32 i = 0; i < CT_COUNT(of_slice); i++) {
		if (s->flags & of_slice[i].bit)
			fprintf(out, "%s%s", space, of_slice[i].word), space = " ";
	}
	for (u32 i = 0; w && i < CT_COUNT(of_wait); i++) {
		if (w->flags & of_wait[i].bit)
			fprintf(out, "%s%s", space, of_wait[i].word), space = " ";
	}
}

static void put_slice(FILE *out, const struct ct_model *m, u32 thread_idx, u32 slice_idx)
{
	const struct ct_thread *t = &m->threads.at[thread_idx];
	const struct ct_slice *s = &t->slices.at[slice_idx];
	const struct ct_wait *ended = s->wait < m->waits.cnt ? &m->waits.at[s->wait] : NULL;
	const struct ct_wait *w = ct_state_blocked(s->state) ? ended : NULL;

	fprintf(out, "%" PRIu32 ",%" PRIu32 ",", t->tid, ct_thread_pid(m, thread_idx));
	put_text(out, ct_thread_name(m, thread_idx));
	fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%s,%u,", s->start_ns - m->start_ns,
		ct_slice_end(t, slice_idx) - s->start_ns, ct_state_name(s->state), s->cpu);
	put_lock(out, m, w ? w->lock : CT_NONE);
	fputc(',', out);
	put_tid(out, m, w ? w->owner : CT_NONE);
	fputc(',', out);
	put_tid(out, m, ended ? ended->waker : CT_NONE);
	fputc(',', out);
	put_place(out, m->names, w ? w->frame : 0);
	fputc(',', out);
	put_flags(out, s, w);
	fputs("\r\n", out);
}

static void put_loss(FILE *out, const struct ct_model *m, const struct ct_loss_span *loss)
{
	const char *kind = ct_kind_name(loss->kind);
	ct_ns since_ns = loss->since_ns > m->start_ns ? loss->since_ns : m->start_ns;
	ct_ns duration_ns = loss->until_ns > since_ns ? loss->until_ns - since_ns : 0;
	fprintf(out, "0,0,,%" PRIu64 ",%" PRIu64 ",lost-events,%" PRIu32, since_ns - m->start_ns,
		duration_ns, loss->cpu);
	fprintf(out, ",,,,,,,%" PRIu32 " %s\r\n", loss->count, kind ? kind : "of several kinds");
}

int ct_csv__write(const struct ct_export_in *in, FILE *out)
{
	const struct ct_model *m = in->facts->m;
	fputs("tid,pid,name,start_ns,duration_ns,state,cpu,lock,owner,waker,"
	      "function,file,line,flags\r\n", out);
	for (u32 t = 0; t < m->threads.cnt; t++) {
		for (u32 s = 0; s < m->threads.at[t].slices.cnt; s++)
			put_slice(out, m, t, s);
	}
	for (u32 i = 0; i < m->losses.cnt; i++)
		put_loss(out, m, &m->losses.at[i]);
	return ferror(out) ? -EIO : 0;
}
