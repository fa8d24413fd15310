/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the exporters share: text from outside turned into valid UTF-8, names and places looked up
 * with an answer for every index, losses added up.  Pure; looks nothing up in the system.  Knows no
 * format.
 */
#include <stdio.h>
#include <inttypes.h>
#include <string.h>

#include "export_int.h"

u32 ct_utf8_decode(const char *text, u32 *code)
{
	const u8 *s = (const u8 *)text;
	u32 len;
	u32 least;
	if (s[0] < 0x80) {
		*code = s[0];
		return 1;
	}
	if ((s[0] & 0xe0) == 0xc0)
		len = 2, least = 0x80, *code = s[0] & 0x1f;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3, least = 0x800, *code = s[0] & 0x0f;
	else if ((s[0] & 0xf8) == 0xf0)
		len = 4, least = 0x10000, *code = s[0] & 0x07;
	else
		return 0;
	for (u32 i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
	return *code < least || *code > 0x10ffff || surrogate ? 0 : len;
}

char *ct_utf8_repair(const char *s)
{
	char *out = ct_alloc(4 * strlen(s) + 1);
	size_t len = 0;
	while (*s) {
		u32 code;
		u32 n = ct_utf8_decode(s, &code);
		if (n)
			memcpy(out + len, s, n);
		else
			snprintf(out + len, 5, "\\x%02X", (u8)*s);
		len += n ? n : 4;
		s += n ? n : 1;
	}
	return out;
}

/* As in base/fmt.c, which makes text for people of the same. */
static bool is_obeyed(u32 code)
{
	return (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

int ct_json_bytes(const char *bytes, size_t size, void *out)
{
	for (size_t i = 0; i < size;) {
		u32 code, n = ct_utf8_decode(bytes + i, &code);

		if (n && is_obeyed(code))
			fprintf(out, "\\u%04x", code);
		else
			fwrite(bytes + i, 1, n ? n : 1, out);
		i += n ? n : 1;
	}
	return ferror(out) ? -1 : 0;
}

const char *ct_thread_name(const struct ct_model *m, u32 thread_idx)
{
	if (thread_idx >= m->threads.cnt)
		return "";
	return ct_strtab__get(m->strings, m->threads.at[thread_idx].name);
}

u32 *ct_thread_names(const struct ct_model *m)
{
	u32 *name_cnt = ct_alloc(ct_strtab__count(m->strings) * sizeof(*name_cnt));

	for (u32 i = 0; i < m->threads.cnt; i++)
		name_cnt[m->threads.at[i].name]++;
	return name_cnt;
}

char *ct_thread_label(const struct ct_model *m, const u32 *name_cnt, u32 thread_idx)
{
	const struct ct_thread *t = &m->threads.at[thread_idx];
	const char *name = ct_thread_name(m, thread_idx);

	if (!name[strspn(name, " ")])
		return ct_asprintf("thread %" PRIu32, t->tid);
	return name_cnt[t->name] < 2 ? ct_strdup(name) : ct_asprintf("%s %" PRIu32, name, t->tid);
}

const char *ct_process_name(const struct ct_model *m, u32 process_idx)
{
	if (process_idx >= m->processes.cnt)
		return "";
	return ct_strtab__get(m->strings, m->processes.at[process_idx].name);
}

u32 ct_thread_pid(const struct ct_model *m, u32 thread_idx)
{
	u32 process_idx = m->threads.at[thread_idx].process;
	return process_idx < m->processes.cnt ? m->processes.at[process_idx].pid : 0;
}

const char *ct_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

struct ct_place ct_frame_place(const struct ct_names *names, u32 frame)
{
	if (!names || !frame || frame >= names->frames.cnt)
		return (struct ct_place){ .function = "", .file = "", .module = "" };
	const struct ct_frame *f = &names->frames.at[frame];
	return (struct ct_place){
		.function = ct_strtab__get(names->strings, f->function),
		.file = ct_strtab__get(names->strings, f->file),
		.module = ct_strtab__get(names->strings, f->module),
		.line = f->line,
		.offset = f->offset,
	};
}

u32 ct_shell_status(int wait_status)
{
	u32 signal = (u32)wait_status & 0x7f;
	return signal ? 128 + signal : ((u32)wait_status >> 8 & 0xff);
}

enum ct_agreement ct_switches_agree(const struct ct_thread *t)
{
	if (!(t->flags & CT_THREAD_COUNTED))
		return CT_AGREE_UNKNOWN;
	bool same = t->voluntary == t->kernel_voluntary &&
		    t->involuntary == t->kernel_involuntary;
	return same ? CT_AGREE_YES : CT_AGREE_NO;
}

static int compare_losses(const void *a, const void *b)
{
	const struct ct_loss_span *x = a;
	const struct ct_loss_span *y = b;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->kind == y->kind ? 0 : x->kind < y->kind ? -1 : 1;
}

static void merge_loss(struct ct_loss_sums *sums, const struct ct_loss_span *loss)
{
	struct ct_loss_span *last = sums->at.cnt ? &sums->at.at[sums->at.cnt - 1] : NULL;
	if (!last || compare_losses(last, loss)) {
		*ct_vec_push(&sums->at) = *loss;
		return;
	}
	last->count += loss->count;
	if (loss->since_ns < last->since_ns)
		last->since_ns = loss->since_ns;
	if (loss->until_ns > last->until_ns)
		last->until_ns = loss->until_ns;
}

void ct_loss_sums__compute(struct ct_loss_sums *sums, const struct ct_model *m)
{
	*sums = (struct ct_loss_sums){ 0 };
	if (!m->losses.cnt)
		return;
	size_t size = m->losses.cnt * sizeof(*m->losses.at);
	struct ct_loss_span *sorted = ct_alloc(size);
	memcpy(sorted, m->losses.at, size);
	qsort(sorted, m->losses.cnt, sizeof(*sorted), compare_losses);
	for (u32 i = 0; i < m->losses.cnt; i++)
		merge_loss(sums, &sorted[i]);
	free(sorted);
}
