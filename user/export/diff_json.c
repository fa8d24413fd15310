/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sides of runs as JSON, schema 1; keys in the order of this file, and what holds for the
 * summary of one run (json.c) holds here: integer nanoseconds, null for unknown, keys are only
 * added.
 *
 *   headline      the sentence that the text begins with
 *   speedup       A's median duration / B's; null when the noise hides the difference
 *   noise         assumed (fewer than three runs on a side), ranges, ranks; noise_words says it
 *   same_program
 *   a, b          runs: for each trace program command exit_status duration_ns attached complete
 *                 lost_events labels findings; watch, where variables were watched: name sharing
 *                 lost_updates last expected (the two null unless every access was seen)
 *   figures       group (run, critical path, threads, locks, lines), name, name_b (a line that
 *                 moved), what, unit (ns, count, ratio), a and b: median least most, lossy (true,
 *                 where lost events may have changed them); beyond_noise.  All of them, also those
 *                 that do not differ
 *   findings      id a_severity b_severity a_runs b_runs change (gone new rarer "more often"
 *                 milder worse same), lossy likewise
 *   remarks       what to keep in mind
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"
#include "json_int.h"

#define SCHEMA 1
#define REAL_DIGITS 6

static json_t *number(u32 unit, double value)
{
	return unit == CT_UNIT_RATIO ? json_real(value) : json_integer((json_int_t)(value + 0.5));
}

json_t *ct_spread__json(u32 unit, const struct ct_spread *s)
{
	json_t *o = json_object();

	set(o, "median", number(unit, s->median));
	set(o, "least", number(unit, s->least));
	set(o, "most", number(unit, s->most));
	if (s->lossy)
		set(o, "lossy", json_true());
	return o;
}

static json_t *label_object(const struct ct_profile *p)
{
	json_t *o = json_object();

	for (u32 i = 0; i < p->labels.cnt; i++) {
		const char *label = p->labels.at[i];
		size_t len = strcspn(label, "=");
		char *raw = ct_strndup(label, len), *key = ct_utf8_repair(raw);

		set(o, key, text(label[len] ? label + len + 1 : ""));
		free(key);
		free(raw);
	}
	return o;
}

static json_t *watch_list(const struct ct_profile *p)
{
	json_t *list = json_array();

	for (u32 i = 0; i < p->watched.cnt; i++) {
		const struct ct_watched_run *w = &p->watched.at[i];
		json_t *o = json_object();

		set(o, "name", text(w->name));
		set(o, "sharing", json_string(ct_sharing_id(w->sharing)));
		set(o, "lost_updates", json_integer(w->lost));
		set(o, "last", w->complete ? json_integer(w->last) : json_null());
		set(o, "expected", w->complete ? json_integer(w->expected) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

json_t *ct_profile__json(const struct ct_profile *p, const char *name)
{
	json_t *o = json_object(), *findings = json_array();

	for (u32 i = 0; i < p->made.cnt; i++)
		json_array_append_new(findings, json_string(ct_finding_id(p->made.at[i].kind)));
	set(o, "trace", text(name));
	set(o, "program", text(p->program));
	set(o, "command", text(p->command));
	set(o, "exit_status",
		p->ended && !p->attached ? json_integer(ct_shell_status(p->wait_status))
					 : json_null());
	set(o, "duration_ns", json_integer((json_int_t)p->duration_ns));
	set(o, "attached", json_boolean(p->attached));
	set(o, "complete", json_boolean(p->complete));
	set(o, "lost_events", json_integer((json_int_t)p->lost_events));
	set(o, "labels", label_object(p));
	set(o, "findings", findings);
	if (p->watched.cnt)
		set(o, "watch", watch_list(p));
	return o;
}

int ct_json__dump(json_t *root, FILE *out)
{
	int error = json_dump_callback(
		root, ct_json_bytes, out, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS));

	json_decref(root);
	fputc('\n', out);
	return error || ferror(out) ? -EIO : 0;
}

static json_t *side_object(const struct ct_diff_side *s, const char *const *names)
{
	json_t *o = json_object(), *runs = json_array();

	for (u32 i = 0; i < s->cnt; i++)
		json_array_append_new(runs, ct_profile__json(&s->runs[i], names[i]));
	set(o, "runs", runs);
	return o;
}

static json_t *figure_object(const struct ct_difference *r)
{
	static const char *const units[CT_UNITS] = { "ns", "count", "ratio" };
	json_t *o = json_object();

	set(o, "group", json_string(ct_diff__group(r->group)));
	set(o, "name", text(r->name));
	if (strcmp(r->name, r->name_b))
		set(o, "name_b", text(r->name_b));
	set(o, "what", json_string(r->what));
	set(o, "unit", json_string(units[r->unit]));
	set(o, "a", ct_spread__json(r->unit, &r->a));
	set(o, "b", ct_spread__json(r->unit, &r->b));
	set(o, "beyond_noise", json_boolean(r->beyond));
	return o;
}

static json_t *finding_object(const struct ct_diff *d, const struct ct_finding_change *c)
{
	json_t *o = json_object();

	set(o, "id", json_string(ct_finding_id(c->kind)));
	set(o, "a_severity",
		c->a_runs ? json_string(ct_severity_name(c->a_severity)) : json_null());
	set(o, "b_severity",
		c->b_runs ? json_string(ct_severity_name(c->b_severity)) : json_null());
	set(o, "a_runs", json_integer(c->a_runs));
	set(o, "b_runs", json_integer(c->b_runs));
	set(o, "change", json_string(ct_diff__fate(ct_finding_fate(d, c))));
	if (d->a.lost_events || d->b.lost_events)
		set(o, "lossy", json_true());
	return o;
}

static void set_words(json_t *root, const struct ct_diff *d)
{
	static const char *const kinds[CT_NOISES] = { "assumed", "ranges", "ranks" };
	const struct ct_difference *r =
		d->duration_idx == CT_NONE ? NULL : &d->at.at[d->duration_idx];
	char *headline = ct_diff__headline(d), *noise = ct_diff__noise(d);
	bool known = r && r->beyond && r->b.median;

	set(root, "headline", text(headline));
	set(root, "speedup", known ? json_real(r->a.median / r->b.median) : json_null());
	set(root, "noise", json_string(kinds[d->noise]));
	set(root, "noise_words", text(noise));
	set(root, "same_program", json_boolean(d->same_program));
	free(noise);
	free(headline);
}

static json_t *remark_list(const struct ct_diff *d)
{
	char *remarks[CT_DIFF_REMARKS_MAX];
	u32 cnt = ct_diff__remarks(d, remarks);
	json_t *list = json_array();

	for (u32 i = 0; i < cnt; i++) {
		json_array_append_new(list, text(remarks[i]));
		free(remarks[i]);
	}
	return list;
}

json_t *ct_diff__json(const struct ct_diff_in *in)
{
	const struct ct_diff *d = in->diff;
	json_t *root = json_object(), *figures = json_array(), *findings = json_array();

	for (u32 i = 0; i < d->at.cnt; i++)
		json_array_append_new(figures, figure_object(&d->at.at[i]));
	for (u32 i = 0; i < d->findings.cnt; i++)
		json_array_append_new(findings, finding_object(d, &d->findings.at[i]));
	set(root, "schema", json_integer(SCHEMA));
	set_words(root, d);
	set(root, "a", side_object(&d->a, in->a_names));
	set(root, "b", side_object(&d->b, in->b_names));
	set(root, "figures", figures);
	set(root, "findings", findings);
	set(root, "remarks", remark_list(d));
	return root;
}

int ct_diff__write_json(const struct ct_diff_in *in, FILE *out)
{
	return ct_json__dump(ct_diff__json(in), out);
}
