/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A series of runs as JSON, schema 1; integer nanoseconds, null for unknown, keys are only added.
 *
 *   wanted        runs that were asked for
 *   interrupted   the last one was
 *   seed          that --shake began with; not there when nothing was shaken
 *   runs          for each: as in diff_json.c, and number (from 1), seed (of --shake, likewise)
 *   duration_ns, mean_running   median least most, without an interrupted run; lossy: as there
 *   exit_status   {"0": runs, ...}, likewise
 *   findings      id severity runs first (number of the first run that has it)
 *   outcomes      ending (words), hang (id of the finding, or null), runs, first; most runs first
 *   watch         for each watched variable: name, runs (that watched it), lost_runs,
 *                 unguarded_runs, first_lost (or null), exact_runs (whose final value is known),
 *                 right_runs (and right), expected (null: not one), lost and last: from to runs
 *   judged        runs that these four count: one that was interrupted is only when it hung
 *   bad           runs, first (or null), trace (of that run, or null), rate_least and rate_most:
 *                 what part of all runs may be bad, with 95 % certainty
 */
#include <inttypes.h>
#include <stdio.h>

#include "diff_int.h"
#include "json_int.h"

#define SCHEMA 1

/* Runs have numbers from 1. */
static json_t *number_of(u32 run)
{
	return run == CT_NONE ? json_null() : json_integer((json_int_t)run + 1);
}

static json_t *run_list(const struct ct_series_in *in)
{
	json_t *list = json_array();

	for (u32 i = 0; i < in->cnt; i++) {
		json_t *o = ct_profile__json(&in->runs[i], in->names[i]);

		set(o, "number", number_of(i));
		if (in->seeds)
			set(o, "seed", json_integer((json_int_t)in->seeds[i]));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *status_counts(const struct ct_series_in *in)
{
	json_t *o = json_object();

	for (u32 i = 0; i < ct_series__counted(in); i++) {
		const struct ct_profile *p = &in->runs[i];
		char key[16] = "null";
		json_t *old;

		if (p->ended && !p->attached)
			snprintf(key, sizeof(key), "%" PRIu32, ct_shell_status(p->wait_status));
		old = json_object_get(o, key);
		set(o, key, json_integer(old ? json_integer_value(old) + 1 : 1));
	}
	return o;
}

static json_t *finding_counts(const struct ct_outcomes *out)
{
	json_t *list = json_array();

	for (u32 i = 0; i < out->findings.cnt; i++) {
		const struct ct_finding_runs *f = &out->findings.at[i];
		json_t *o = json_object();

		set(o, "id", json_string(ct_finding_id(f->kind)));
		set(o, "severity", json_string(ct_severity_name(f->severity)));
		set(o, "runs", json_integer(f->runs));
		set(o, "first", number_of(f->first));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *outcome_list(const struct ct_series_in *in)
{
	json_t *list = json_array();

	for (u32 i = 0; i < in->outcomes->at.cnt; i++) {
		const struct ct_outcome *a = &in->outcomes->at.at[i];
		json_t *o = json_object();
		char *ending = ct_series__ending(in, a->first);

		set(o, "ending", text(ending));
		set(o, "hang",
			a->hang == CT_HANG_KINDS ? json_null() : json_string(ct_hang_id(a->hang)));
		set(o, "runs", json_integer(a->runs));
		set(o, "first", number_of(a->first));
		json_array_append_new(list, o);
		free(ending);
	}
	return list;
}

static json_t *bin_list(const struct ct_bins *bins)
{
	json_t *list = json_array();

	for (u32 i = 0; i < bins->at.cnt; i++) {
		json_t *o = json_object();

		set(o, "from", json_integer(bins->at.at[i].from));
		set(o, "to", json_integer(bins->at.at[i].to));
		set(o, "runs", json_integer(bins->at.at[i].runs));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *variable_list(const struct ct_outcomes *out)
{
	json_t *list = json_array();

	for (u32 i = 0; i < out->variables.cnt; i++) {
		const struct ct_variable_runs *v = &out->variables.at[i];
		json_t *o = json_object();

		set(o, "name", text(v->name));
		set(o, "runs", json_integer(v->runs));
		set(o, "lost_runs", json_integer(v->lost_runs));
		set(o, "unguarded_runs", json_integer(v->unguarded_runs));
		set(o, "first_lost", number_of(v->first_lost));
		set(o, "exact_runs", json_integer(v->exact_runs));
		set(o, "right_runs", json_integer(v->right_runs));
		set(o, "expected", v->one_expected ? json_integer(v->expected) : json_null());
		set(o, "lost", bin_list(&v->lost));
		set(o, "last", bin_list(&v->last));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *bad_object(const struct ct_series_in *in)
{
	const struct ct_outcomes *out = in->outcomes;
	json_t *o = json_object();

	set(o, "runs", json_integer(out->bad_runs));
	set(o, "first", number_of(out->first_bad));
	set(o, "trace", out->first_bad == CT_NONE ? json_null() : text(in->names[out->first_bad]));
	set(o, "rate_least", json_real(out->least));
	set(o, "rate_most", json_real(out->most));
	return o;
}

int ct_series__write_json(const struct ct_series_in *in, FILE *out)
{
	json_t *root = json_object();
	struct ct_spread duration = ct_series__spread(in, "duration");
	struct ct_spread mean = ct_series__spread(in, "mean_running");

	set(root, "schema", json_integer(SCHEMA));
	set(root, "wanted", json_integer(in->wanted));
	set(root, "interrupted", json_boolean(in->interrupted));
	if (in->seeds)
		set(root, "seed", json_integer((json_int_t)in->seeds[0]));
	set(root, "runs", run_list(in));
	set(root, "duration_ns", ct_spread__json(CT_UNIT_NS, &duration));
	set(root, "mean_running", ct_spread__json(CT_UNIT_RATIO, &mean));
	set(root, "exit_status", status_counts(in));
	set(root, "findings", finding_counts(in->outcomes));
	set(root, "judged", json_integer(in->outcomes->runs));
	set(root, "outcomes", outcome_list(in));
	if (in->outcomes->variables.cnt)
		set(root, "watch", variable_list(in->outcomes));
	set(root, "bad", bad_object(in));
	return ct_json__dump(root, out);
}
