/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sides of runs as a page: the viewer (html.c) with several streams of data instead of one,
 * each in an element of its own:
 *
 *     <div class="ct-part" data-part="comparison" hidden>   section "DIFF"
 *     <div class="ct-part" data-part="a" hidden>            what a page of that run alone has, and
 *     <div class="ct-part" data-part="b" hidden>            section "NAME"; empty: left out
 *     <div class="ct-part" data-part="a0" hidden>           the same of A's first run, and so on,
 *                                                           of those that are short
 *
 * DIFF is the JSON of `ctrace diff --json` (diff_json.c), so that all three forms say the same, and
 * the words that the text form has for it (diff_words.c):
 *
 *   sentence          the headline as it is printed
 *   a, b              shown: the run that is part a or b, an index into runs; the side's
 *                     duration_words, least_words, most_words; each run: duration_words, outcome
 *   figures           title (of the group), label, a_words, b_words, change (these three with a ~
 *                     where lost events could have changed them), better (null: neither side is),
 *                     noise_low, noise_high (B's median between them is noise)
 *   findings          better (null: neither)
 *
 * NAME says what the run's threads and so on are called in the figures, by which a row of the table
 * finds its place in the timeline: threads [role], locks [name], lines [[frame, state, name]].
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"
#include "json_int.h"
#include "html_int.h"

#define NAME_SIZE 1024
#define SLICES_MAX (CT_HTML_SLICES_MAX / 2) /* a browser holds both sides' */

static void set_words(json_t *object, const char *key, u32 unit, double value)
{
	char buf[CT_FMT_LEN];

	set(object, key, ct_html__text(ct_figure_words(buf, unit, value)));
}

/* ---- the comparison ---- */

/* The run whose duration is nearest to the side's median: it stands for the others. */
u32 ct_diff_html__shown(const struct ct_diff *d, const struct ct_diff_side *side)
{
	const struct ct_difference *r =
		d->duration_idx == CT_NONE ? NULL : &d->at.at[d->duration_idx];
	double median = !r ? 0 : side == &d->a ? r->a.median : r->b.median, least = 0;
	u32 shown = 0;

	for (u32 i = 0; i < side->cnt; i++) {
		double off = (double)side->runs[i].duration_ns - median;

		off = off < 0 ? -off : off;
		if (i && off >= least)
			continue;
		least = off;
		shown = i;
	}
	return shown;
}

static void add_to_side(json_t *o, const struct ct_diff *d, const struct ct_diff_side *side)
{
	const struct ct_difference *r =
		d->duration_idx == CT_NONE ? NULL : &d->at.at[d->duration_idx];
	const struct ct_spread none = { 0 };
	const struct ct_spread *s = !r ? &none : side == &d->a ? &r->a : &r->b;
	json_t *runs = json_object_get(o, "runs");

	set(o, "shown", json_integer(ct_diff_html__shown(d, side)));
	set_words(o, "duration_words", CT_UNIT_NS, s->median);
	set_words(o, "least_words", CT_UNIT_NS, s->least);
	set_words(o, "most_words", CT_UNIT_NS, s->most);
	for (u32 i = 0; i < side->cnt; i++) {
		json_t *run = json_array_get(runs, i);
		char *outcome = ct_outcome_words(&side->runs[i]);

		set_words(run, "duration_words", CT_UNIT_NS, (double)side->runs[i].duration_ns);
		set(run, "outcome", ct_html__text(outcome));
		free(outcome);
	}
}

/* Less time is better; of a count or a ratio nobody can tell. */
static json_t *figure_better(const struct ct_difference *r)
{
	if (!r->beyond || r->unit != CT_UNIT_NS)
		return json_null();
	return json_boolean(r->b.median < r->a.median);
}

static void add_to_figure(json_t *o, const struct ct_difference *r)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN], change[CT_FMT_LEN], *label = ct_diff__label(r);

	set(o, "title", json_string(ct_diff__group_title(r->group)));
	set(o, "label", ct_html__text(label));
	set(o, "a_words", ct_html__text(ct_spread_words(a, r->unit, &r->a)));
	set(o, "b_words", ct_html__text(ct_spread_words(b, r->unit, &r->b)));
	set(o, "change", json_string(ct_diff__change(change, r)));
	set(o, "better", figure_better(r));
	set(o, "noise_low", json_real(r->noise_low));
	set(o, "noise_high", json_real(r->noise_high));
	free(label);
}

static void add_to_finding(json_t *o, const struct ct_diff *d, const struct ct_finding_change *c)
{
	enum ct_fate fate = ct_finding_fate(d, c);
	bool bad = c->a_severity > CT_SEV_INFO || c->b_severity > CT_SEV_INFO;
	bool better = fate == CT_FATE_GONE || fate == CT_FATE_MILDER;
	bool worse = fate == CT_FATE_NEW || fate == CT_FATE_WORSE;

	set(o, "better", bad && (better || worse) ? json_boolean(better) : json_null());
}

static json_t *comparison(const struct ct_diff_in *in)
{
	const struct ct_diff *d = in->diff;
	json_t *root = ct_diff__json(in), *list;
	char *headline = ct_diff__headline(d), *sentence = ct_asprintf("%s.", headline);

	set(root, "sentence", ct_html__text(sentence));
	free(sentence);
	free(headline);
	add_to_side(json_object_get(root, "a"), d, &d->a);
	add_to_side(json_object_get(root, "b"), d, &d->b);
	list = json_object_get(root, "figures");
	for (u32 i = 0; i < d->at.cnt; i++)
		add_to_figure(json_array_get(list, i), &d->at.at[i]);
	list = json_object_get(root, "findings");
	for (u32 i = 0; i < d->findings.cnt; i++)
		add_to_finding(json_array_get(list, i), d, &d->findings.at[i]);
	return root;
}

/* ---- a run ---- */

static json_t *names(const struct ct_facts *f)
{
	json_t *root = json_object(), *threads = json_array(), *locks = json_array();
	json_t *lines = json_array();
	char name[NAME_SIZE], *called;

	for (u32 i = 0; i < f->m->threads.cnt; i++) {
		called = ct_profile__role(f, i);
		json_array_append_new(threads, ct_html__text(called));
		free(called);
	}
	for (u32 i = 0; i < f->m->locks.cnt; i++) {
		called = ct_profile__lock(f, i);
		json_array_append_new(locks, ct_html__text(called));
		free(called);
	}
	for (u32 i = 0; i < f->lines.at.cnt; i++) {
		const struct ct_line_wait *l = &f->lines.at.at[i];
		json_t *row = json_array();

		ct_frame_name(f->m->names, l->frame, name, sizeof(name));
		json_array_append_new(row, json_integer(l->frame));
		json_array_append_new(row, json_integer(l->state));
		json_array_append_new(row, ct_html__text(l->frame ? name : ""));
		json_array_append_new(lines, row);
	}
	set(root, "threads", threads);
	set(root, "locks", locks);
	set(root, "lines", lines);
	return root;
}

static void open_part(const char *name, FILE *out)
{
	fprintf(out, "<div class=\"ct-part\" data-part=\"%s\" hidden>\n", name);
}

static int close_part(struct ct_pack *p, int err, FILE *out)
{
	int packed = ct_pack__end(p);

	fputs("</div>\n", out);
	return err ? err : packed;
}

int ct_diff_html__begin(const struct ct_diff_in *in, FILE *out)
{
	struct ct_pack p;
	int err = ct_html__begin(out);

	if (err)
		return err;
	open_part("comparison", out);
	ct_pack__begin(&p, out);
	return close_part(&p, ct_html__json(&p, "DIFF", comparison(in)), out);
}

static int write_part(const struct ct_export_in *run, FILE *out)
{
	struct ct_pack p;
	int err;

	ct_pack__begin(&p, out);
	err = ct_html__json(&p, "NAME", names(run->facts));
	err = err ? err : ct_html__run(&p, run);
	return close_part(&p, err, out);
}

int ct_diff_html__run(const struct ct_export_in *run, char side, FILE *out)
{
	const char name[2] = { side, '\0' };

	open_part(name, out);
	if (ct_html__slice_cnt(run->facts->m) > SLICES_MAX) {
		ct_warn("the timeline of side %c is left out of the page: it has more than %u "
			"slices",
			side - 'a' + 'A', SLICES_MAX);
		fputs("</div>\n", out);
		return 0;
	}
	return write_part(run, out);
}

int ct_diff_html__other(
	const struct ct_export_in *run, char side, u32 idx, u64 *room, FILE *out)
{
	u64 slices = ct_html__slice_cnt(run->facts->m);
	char name[16];

	if (slices > *room)
		return 1;
	*room -= slices;
	snprintf(name, sizeof(name), "%c%" PRIu32, side, idx);
	open_part(name, out);
	return write_part(run, out);
}

int ct_diff_html__end(FILE *out)
{
	ct_html__end(out);
	if (!ferror(out))
		return 0;
	return errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
}
