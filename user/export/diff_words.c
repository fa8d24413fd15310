/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sentences about two sides of runs: the gain first, then what it comes from, which is what the
 * critical path lost or won most by.  No arithmetic beyond ratios.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diff_int.h"

#define OTHERS_SHARE 0.1 /* of the CPUs: what is worth a word */
#define PLURAL(n) ((n) == 1 ? "" : "s")

static const char *const groups[CT_GROUPS] = {
	[CT_GROUP_RUN] = "run",
	[CT_GROUP_PATH] = "critical path",
	[CT_GROUP_THREAD] = "threads",
	[CT_GROUP_LOCK] = "locks",
	[CT_GROUP_LINE] = "lines",
};

const char *ct_diff__group(enum ct_group group)
{
	return groups[group];
}

const char *ct_diff__group_title(enum ct_group group)
{
	static const char *const titles[CT_GROUPS] = { [CT_GROUP_RUN] = "Run",
		[CT_GROUP_PATH] = "Critical path", [CT_GROUP_THREAD] = "Threads",
		[CT_GROUP_LOCK] = "Locks", [CT_GROUP_LINE] = "Lines that wait" };

	return titles[group];
}

const char *ct_diff__fate(enum ct_fate fate)
{
	static const char *const fates[] = { [CT_FATE_SAME] = "same", [CT_FATE_GONE] = "gone",
		[CT_FATE_NEW] = "new", [CT_FATE_RARER] = "rarer",
		[CT_FATE_OFTENER] = "more often", [CT_FATE_MILDER] = "milder",
		[CT_FATE_WORSE] = "worse" };

	return fates[fate];
}

char *ct_figure_words(char buf[CT_FMT_LEN], u32 unit, double value)
{
	u64 hundredths = (u64)(value * 100 + 0.5);

	if (unit == CT_UNIT_NS)
		return ct_fmt_ns(buf, (ct_ns)(value + 0.5));
	if (unit == CT_UNIT_COUNT)
		return ct_fmt_count(buf, (u64)(value + 0.5));
	snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
	return buf;
}

char *ct_spread_words(char buf[CT_FMT_LEN], u32 unit, const struct ct_spread *s)
{
	char words[CT_FMT_LEN];

	ct_figure_words(words, unit, s->median);
	snprintf(buf, CT_FMT_LEN, "%s%.*s", s->lossy ? "~" : "", CT_FMT_LEN - 2, words);
	return buf;
}

char *ct_diff__change(char buf[CT_FMT_LEN], const struct ct_difference *r)
{
	const char *about = r->a.lossy || r->b.lossy ? "~" : "";
	double a = r->a.median, b = r->b.median;

	if (!a)
		snprintf(buf, CT_FMT_LEN, b ? "new" : "");
	else if (!b)
		snprintf(buf, CT_FMT_LEN, "gone");
	else if (b >= 10 * a)
		snprintf(buf, CT_FMT_LEN, "%sx %" PRIu64, about, (u64)(b / a + 0.5));
	else if (b >= a)
		snprintf(buf, CT_FMT_LEN, "%s+%" PRIu64 " %%", about,
			(u64)((b - a) / a * 100 + 0.5));
	else if (b * 100 < a)
		snprintf(buf, CT_FMT_LEN, "%s-99 %%", about);
	else
		snprintf(buf, CT_FMT_LEN, "%s-%" PRIu64 " %%", about,
			(u64)((a - b) / a * 100 + 0.5));
	return buf;
}

char *ct_outcome_words(const struct ct_profile *p)
{
	u32 signal = (u32)p->wait_status & 0x7f;

	if (!p->complete)
		return ct_strdup("recording cut");
	if (p->attached)
		return ct_strdup("attached");
	if (!p->ended)
		return ct_strdup("did not end");
	if (signal)
		return ct_asprintf("killed by signal %" PRIu32, signal);
	return ct_asprintf("exit status %" PRIu32, ct_shell_status(p->wait_status));
}

char *ct_diff__label(const struct ct_difference *r)
{
	static const struct {
		const char *what, *label;
	} run_labels[] = {
		{ "mean_running", "threads running at once, mean" },
		{ "running", "running, all threads" },
		{ "runnable", "waiting for a CPU, all threads" },
	};
	const char *colon = strrchr(r->name_b, ':');

	for (u32 i = 0; r->group == CT_GROUP_RUN && i < CT_COUNT(run_labels); i++)
		if (!strcmp(run_labels[i].what, r->what))
			return ct_strdup(run_labels[i].label);
	if (r->group == CT_GROUP_RUN)
		return ct_strdup(r->what);
	if (r->group == CT_GROUP_PATH)
		return ct_asprintf("%s%s",
			strcmp(r->what, "critical path") ? "waiting for or holding " : "", r->name);
	if (r->group == CT_GROUP_LOCK)
		return ct_asprintf(
			"%s, %s", r->name, strcmp(r->what, "wait") ? r->what : "wait time");
	if (r->name != r->name_b && colon)
		return ct_asprintf("%.*s, now %s, %s", (int)strcspn(r->name, ")"), r->name,
			colon + 1, r->what);
	return ct_asprintf("%s, %s", r->name, r->what);
}

/* ---- the headline ---- */

static const char *activity(const char *state)
{
	static const struct {
		const char *state, *words;
	} table[] = {
		{ "running", "computing" },
		{ "runnable", "waiting for a CPU" },
		{ "sleep", "sleeping" },
		{ "poll", "waiting in poll" },
		{ "io-disk", "waiting for the disk" },
		{ "io-net", "waiting for the network" },
		{ "pipe", "waiting for pipes" },
		{ "child", "waiting for children" },
		{ "join", "waiting for threads to end" },
		{ "lock", "waiting for locks" },
		{ "cond", "waiting for condition variables" },
		{ "barrier", "waiting at barriers" },
	};

	for (u32 i = 0; i < CT_COUNT(table); i++)
		if (!strcmp(table[i].state, state))
			return table[i].words;
	return state;
}

static char *lock_cause(const struct ct_difference *wait)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN];

	ct_spread_words(a, CT_UNIT_NS, &wait->a);
	ct_spread_words(b, CT_UNIT_NS, &wait->b);
	if (!wait->b.median)
		return ct_asprintf("%s's waits are gone (%s in all)", wait->name, a);
	if (!wait->a.median)
		return ct_asprintf("%s's waits are new (%s in all)", wait->name, b);
	return ct_asprintf("threads wait %s for %s (%s in all, %s before)",
		wait->b.median < wait->a.median ? "less" : "longer", wait->name, b, a);
}

static char *thread_cause(const struct ct_difference *r)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN];

	return ct_asprintf("%s spend%s %s %s (%s before)", r->name,
		strchr(r->name, '*') ? "" : "s", ct_spread_words(b, CT_UNIT_NS, &r->b),
		activity(r->what), ct_spread_words(a, CT_UNIT_NS, &r->a));
}

static char *cause_words(const struct ct_diff *d)
{
	const struct ct_difference *cause, *wait;
	char a[CT_FMT_LEN], b[CT_FMT_LEN];
	bool less;

	if (d->cause_idx == CT_NONE)
		return ct_strdup("no single cause stands out");
	cause = &d->at.at[d->cause_idx];
	less = cause->b.median < cause->a.median;
	wait = d->wait_idx == CT_NONE ? NULL : &d->at.at[d->wait_idx];
	if (wait && wait->beyond && (wait->b.median < wait->a.median) == less)
		return lock_cause(wait);
	if (cause->group == CT_GROUP_THREAD)
		return thread_cause(cause);
	ct_spread_words(a, CT_UNIT_NS, &cause->a);
	ct_spread_words(b, CT_UNIT_NS, &cause->b);
	if (strcmp(cause->what, "critical path"))
		return ct_asprintf("%s of its critical path goes by for %s (%s, %s before)",
			less ? "less" : "more", cause->name, b, a);
	return ct_asprintf("%s %s on its critical path (%s, %s before)", less ? "less" : "more",
		activity(cause->name), b, a);
}

static bool is_hang(u32 kind)
{
	return kind == CT_FIND_DEADLOCK || kind == CT_FIND_STUCK || kind == CT_FIND_ABANDONED_LOCK;
}

/* Before any duration: threads that wait for ever, on one side alone. */
static char *hang_headline(const struct ct_diff *d)
{
	for (u32 i = 0; i < d->findings.cnt; i++) {
		const struct ct_finding_change *c = &d->findings.at[i];
		enum ct_fate fate = ct_finding_fate(d, c);

		if (!is_hang(c->kind) || fate == CT_FATE_SAME)
			continue;
		if (fate == CT_FATE_GONE)
			return ct_asprintf("B does not hang as A does: the %s is gone",
				ct_finding_id(c->kind));
		if (fate == CT_FATE_NEW)
			return ct_asprintf("B hangs and A does not: the %s is new",
				ct_finding_id(c->kind));
		return ct_asprintf("%s in %" PRIu32 " of %" PRIu32 " runs of A, in %" PRIu32
				   " of %" PRIu32 " of B",
			ct_finding_id(c->kind), c->a_runs, d->a.cnt, c->b_runs, d->b.cnt);
	}
	return NULL;
}

/* Waits for a lock that are gone, and waits for another one that are new, belong together. */
static char *other_change(const struct ct_diff *d)
{
	char *less = NULL, *more = NULL, *both;

	if (d->lock_less_idx != CT_NONE)
		less = lock_cause(&d->at.at[d->lock_less_idx]);
	if (d->lock_more_idx != CT_NONE)
		more = lock_cause(&d->at.at[d->lock_more_idx]);
	if (!less && !more)
		return d->thread_idx == CT_NONE ? NULL : thread_cause(&d->at.at[d->thread_idx]);
	both = ct_asprintf("%s%s%s", less ? less : "", less && more ? ", and " : "",
		more ? more : "");
	free(less);
	free(more);
	return both;
}

static char *same_headline(const struct ct_diff *d, const char *a, const char *b)
{
	char *what, *line;
	u32 others = 0;

	for (u32 i = 0; i < d->at.cnt; i++)
		others += d->at.at[i].beyond;
	if (!others)
		return ct_asprintf("No difference beyond the noise: A took %s, B %s", a, b);
	what = other_change(d);
	if (!what)
		what = ct_asprintf("%" PRIu32 " other figure%s differ%s", others, PLURAL(others),
			others == 1 ? "s" : "");
	line = ct_asprintf("B takes as long as A as far as the noise tells (%s, A took %s), but %s",
		b, a, what);
	free(what);
	return line;
}

char *ct_diff__headline(const struct ct_diff *d)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN], times[CT_FMT_LEN], *cause, *line;
	const struct ct_difference *r;
	bool faster;

	line = hang_headline(d);
	if (line)
		return line;
	if (d->duration_idx == CT_NONE)
		return ct_strdup("Nothing was recorded that could be compared");
	r = &d->at.at[d->duration_idx];
	ct_figure_words(a, CT_UNIT_NS, r->a.median);
	ct_figure_words(b, CT_UNIT_NS, r->b.median);
	if (!r->beyond || !r->a.median || !r->b.median)
		return same_headline(d, a, b);
	faster = r->b.median < r->a.median;
	ct_figure_words(times, CT_UNIT_RATIO,
		faster ? r->a.median / r->b.median : r->b.median / r->a.median);
	cause = cause_words(d);
	line = ct_asprintf("B %s %s times as %s (%s, A took %s): %s", faster ? "is" : "takes",
		times, faster ? "fast" : "long", b, a, cause);
	free(cause);
	return line;
}

/* ---- what to keep in mind ---- */

static void remark(char **remarks, u32 *cnt, char *text)
{
	if (*cnt < CT_DIFF_REMARKS_MAX)
		remarks[(*cnt)++] = text;
	else
		free(text);
}

static void remark_side(
	const struct ct_diff_side *s, const char *side, char **remarks, u32 *cnt)
{
	char lost[CT_FMT_LEN];

	if (s->lost_events)
		remark(remarks, cnt,
			ct_asprintf("%s lost %s event%s: its figures may be off", side,
				ct_fmt_count(lost, s->lost_events), PLURAL(s->lost_events)));
	if (s->attached_cnt)
		remark(remarks, cnt,
			ct_asprintf("%s was attached to (%" PRIu32 " of %" PRIu32
				    " runs): its duration is how long ctrace watched",
				side, s->attached_cnt, s->cnt));
	if (s->cut_cnt)
		remark(remarks, cnt,
			ct_asprintf("%s did not end by itself (%" PRIu32 " of %" PRIu32
				    " runs): its duration says when it was ended",
				side, s->cut_cnt, s->cnt));
	if (s->failed_cnt)
		remark(remarks, cnt,
			ct_asprintf("%s ended with another exit status than 0 (%" PRIu32
				    " of %" PRIu32 " runs)",
				side, s->failed_cnt, s->cnt));
}

u32 ct_diff__remarks(const struct ct_diff *d, char *remarks[CT_DIFF_REMARKS_MAX])
{
	u32 cnt = 0;

	if (!d->same_program)
		remark(remarks, &cnt,
			ct_asprintf("different programs (A is %s, B is %s): what has the same name "
				    "is compared",
				d->a.runs[0].program, d->b.runs[0].program));
	if (d->a.others_share > d->b.others_share + OTHERS_SHARE ||
		d->b.others_share > d->a.others_share + OTHERS_SHARE)
		remark(remarks, &cnt,
			ct_asprintf("a busy machine: other programs had %u %% of the CPU time "
				    "while A wanted it, %u %% while B did, which makes a run "
				    "longer",
				(u32)(d->a.others_share * 100 + 0.5),
				(u32)(d->b.others_share * 100 + 0.5)));
	remark_side(&d->a, "A", remarks, &cnt);
	remark_side(&d->b, "B", remarks, &cnt);
	return cnt;
}

char *ct_diff__noise(const struct ct_diff *d)
{
	switch (d->noise) {
	case CT_NOISE_RANKS:
		return ct_strdup("a difference counts that a rank test (Mann and Whitney, 1947) "
				 "gives at most 1 % to chance, and that is more than 2 %");
	case CT_NOISE_RANGES:
		return ct_strdup("a difference counts when the runs of the two sides do not "
				 "overlap and their medians are twice as far apart as either "
				 "side's runs, or the nearest runs by a factor of three, and "
				 "more than 2 %; five runs a side tell finer ones");
	default:
		return ct_strdup("with fewer than three runs a side the noise is assumed: 5 % of "
				 "the duration, 20 % of other times, half of any count; -r N "
				 "gives better");
	}
}
