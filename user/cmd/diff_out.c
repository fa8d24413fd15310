/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the comparison of `ctrace diff` goes, and in which form: a table of forms, and the page,
 * for which runs of each side are read once more.
 */
#include <errno.h>
#include <string.h>

#include "cmd/diff.h"

static int write_text(const struct ct_compared *c, FILE *out)
{
	struct ct_report_opts ro;

	ct_term__report_opts(&ro, out, c->opts->verbose);
	return ct_diff__write(&c->in, &ro, out);
}

static int write_json(const struct ct_compared *c, FILE *out)
{
	return ct_diff__write_json(&c->in, out);
}

/* One after the other: two long traces need not be in memory at once. */
static int write_run(const struct ct_compared *c, const char *path, char side, FILE *out)
{
	struct ct_study study;
	int err;

	if (ct_study__open_again(&study, c->opened, path))
		return -ECANCELED;
	const struct ct_export_in in = { .facts = &study.facts, .source = study.source };
	err = ct_diff_html__run(&in, side, out);
	ct_study__close(&study);
	return err;
}

/* The side's runs but the one that is shown, as long as there is room. */
static int write_others(const struct ct_compared *c, char side, u64 *room, FILE *out)
{
	const struct ct_diff *d = c->in.diff;
	const struct ct_diff_side *of = side == 'a' ? &d->a : &d->b;
	const char *const *names = side == 'a' ? c->in.a_names : c->in.b_names;
	u32 shown = ct_diff_html__shown(d, of);
	int err = 0;

	for (u32 i = 0; i < of->cnt && err >= 0; i++) {
		struct ct_study study;

		if (i == shown)
			continue;
		if (ct_study__open_again(&study, c->opened, names[i]))
			return -ECANCELED;
		const struct ct_export_in in = { .facts = &study.facts, .source = study.source };
		err = ct_diff_html__other(&in, side, i, room, out);
		ct_study__close(&study);
	}
	return err < 0 ? err : 0;
}

static int write_page(const struct ct_compared *c, FILE *out)
{
	const struct ct_diff *d = c->in.diff;
	u64 room = CT_DIFF_HTML_ROOM;
	int err = ct_diff_html__begin(&c->in, out);

	err = err ? err : write_run(c, c->in.a_names[ct_diff_html__shown(d, &d->a)], 'a', out);
	err = err ? err : write_run(c, c->in.b_names[ct_diff_html__shown(d, &d->b)], 'b', out);
	err = err ? err : write_others(c, 'a', &room, out);
	err = err ? err : write_others(c, 'b', &room, out);
	return err ? err : ct_diff_html__end(out);
}

static const struct ct_diff_form {
	const char *name;   /* of -f */
	const char *suffix; /* of the file without -o; NULL: standard output */
	int (*write)(const struct ct_compared *c, FILE *out);
} forms[] = {
	{ "text", NULL, write_text },
	{ "json", NULL, write_json },
	{ "html", ".diff.html", write_page },
};

static int write_form(const void *what, FILE *out)
{
	const struct ct_compared *c = what;

	return c->form->write(c, out);
}

/* Without a name, beside the newer run, as no other command calls it. */
char *ct_diff_out__path(const struct ct_opts *opts, const struct ct_diff_form *form,
	const char *newer, const struct ct_exporter **own)
{
	const char *named = opts->json_file ? opts->json_file : opts->output;

	*own = NULL;
	if (named)
		return ct_strdup(named);
	if (!form->suffix)
		return NULL;
	*own = ct_exporter__find("html");
	return ct_export__default_path(newer, form->suffix);
}

const struct ct_diff_form *ct_diff_out__form(const struct ct_opts *opts)
{
	const char *name = opts->format ? opts->format : opts->json ? "json" : "text";

	for (u32 i = 0; i < CT_COUNT(forms); i++)
		if (!strcmp(forms[i].name, name))
			return &forms[i];
	ct_error("diff has no format '%s'; -f takes one of text, json, html", name);
	return NULL;
}

int ct_diff_out__write(const struct ct_compared *c, const struct ct_traces *traces)
{
	const struct ct_writer w = { .write = write_form, .what = c, .own = c->own };
	int err = c->path ? ct_export__write(&w, c->path, traces) : ct_export__stdout(&w);

	if (!err && c->path && !c->opts->json_file && !ct_export__is_stream(c->path))
		ct_info("wrote %s", c->path);
	return err;
}
