/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's critical path (what the run's time consists of, by reason) and its what-if (what
 * single changes would have been worth, at most).  Few lines: the figures of each thread and line
 * are in the JSON export.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_int.h"

#define REASONS 5u
#define CHANGES 4u
#define VERBOSE_TIMES 8u
#define NAME_SIZE 512
#define SHARE_END 10u  /* columns: of the share, */
#define FIGURE_END 21u /* of the time, */
#define SPEED_END 30u  /* of the speed-up; then words */
/* A change that is likely to save less than this part of the run is not worth a line. */
#define WORTH_PART 50u

static u32 how_many(const struct ct_report *r, u32 usual)
{
	return r->verbose ? usual * VERBOSE_TIMES : usual;
}

static char *lock_name(const struct ct_report *r, u32 lock)
{
	char raw[NAME_SIZE];
	if (lock >= r->m->locks.cnt)
		return ct_strdup("");
	char *name = ct_page__safe(
		&r->page, ct_lock_name(r->m, &r->m->locks.at[lock], raw, sizeof(raw)));
	ct_page__shorten(&r->page, name, r->page.width / 3);
	return name;
}

/* ---- critical path ---- */

static const char *state_words(u32 state)
{
	switch (state) {
	case CT_RUNNABLE:
		return "waiting for a CPU";
	case CT_OTHER:
		return "other";
	}
	return ct_state_name(state);
}

/* "running, holding big_lock": the holder's time, while the path's next thread waited for it. */
static char *reason_words(const struct ct_report *r, const struct ct_path_share *s)
{
	if (s->lock == CT_NONE)
		return ct_strdup(state_words(s->state));
	char *lock = lock_name(r, s->lock);
	u32 kind = r->m->locks.at[s->lock].kind;
	bool excludes = kind == CT_LK_MUTEX || kind == CT_LK_RWLOCK;
	bool waits = s->state == CT_LOCK || s->state == CT_RWLOCK || !excludes;
	char *text = ct_asprintf(waits ? "%s (%s)" : "%s, holding %s", state_words(s->state), lock);
	free(lock);
	return text;
}

/* The line with most of it; "" while it runs, or when no line is known. */
static char *reason_place(const struct ct_report *r, const struct ct_path_share *s)
{
	const struct ct_critical_path *p = &r->facts->path;
	for (u32 i = 0; i < p->lines.cnt && ct_state_blocked(s->state); i++) {
		const struct ct_path_share *line = &p->lines.at[i];
		if (line->state != s->state || line->lock != s->lock || !line->frame)
			continue;
		char *place = ct_report__place(r, line->frame);
		char *text = line->ns >= s->ns	     ? ct_asprintf(" in %s", place)
			     : line->ns * 2 >= s->ns ? ct_asprintf(", mostly in %s", place)
						     : ct_asprintf(", in %s and elsewhere", place);
		free(place);
		return text;
	}
	return ct_strdup("");
}

static void write_reason(struct ct_report *r, const struct ct_path_share *s)
{
	char share[CT_FMT_LEN], sum[CT_FMT_LEN];
	char *reason = reason_words(r, s);
	char *place = reason_place(r, s);
	char *name = s->thread == CT_NONE ? ct_strdup("?") : ct_report__thread(r, s->thread);
	ct_page__shorten(&r->page, name, r->page.width / 4);
	char *who = s->threads < 2 ? ct_strdup(name)
				   : ct_asprintf("%s and %" PRIu32 " more", name, s->threads - 1);
	ct_page__right(&r->page, SHARE_END,
		ct_report__share(share, s->ns, r->facts->path.duration_ns, r->lossy));
	ct_page__right(&r->page, FIGURE_END, ct_report__ns(r, sum, s->ns));
	ct_page__stop(&r->page, FIGURE_END + 2);
	char *text = ct_asprintf("%s%s: %s", reason, place, who);
	ct_page__wrap(&r->page, FIGURE_END + 4, text);
	free(text);
	free(who);
	free(name);
	free(place);
	free(reason);
}

void ct_report__path(struct ct_report *r)
{
	const struct ct_critical_path *p = &r->facts->path;
	ct_ns rest_ns = 0;
	char wall[CT_FMT_LEN];
	u32 cnt = how_many(r, REASONS);
	if (!p->reasons.cnt || r->m->threads.cnt < 2)
		return;
	ct_report__heading(r, "Critical path");
	ct_page__stop(&r->page, r->page.column + 2);
	char *text = ct_asprintf("what the %s consist of, followed back from the end through "
				 "wakings and holders of locks",
		ct_report__ns(r, wall, p->duration_ns));
	ct_page__wrap(&r->page, 2, text);
	free(text);
	for (u32 i = 0; i < p->reasons.cnt; i++) {
		if (i < cnt)
			write_reason(r, &p->reasons.at[i]);
		else
			rest_ns += p->reasons.at[i].ns;
	}
	if (p->reasons.cnt > cnt) {
		char rest[CT_FMT_LEN];
		ct_page__stop(&r->page, 2);
		ct_page__printf(&r->page, "and %" PRIu32 " more, %s in all", p->reasons.cnt - cnt,
			ct_report__ns(r, rest, rest_ns));
		ct_page__end(&r->page);
	}
}

/* ---- what if ---- */

/* "I/O overlap (saves 430 ms, 28 %; at most 640 ms)" */
static char *saving_words(const struct ct_report *r, const struct ct_prediction *p)
{
	char likely[CT_FMT_LEN], most[CT_FMT_LEN], share[CT_FMT_LEN];
	ct_ns run_ns = r->facts->what_if.duration_ns, likely_ns = run_ns - p->duration_ns;
	char *text = ct_asprintf("saves %s, %s", ct_report__ns(r, likely, likely_ns),
		ct_report__share(share, likely_ns, run_ns, r->lossy));
	ct_report__ns(r, most, p->saves_ns);
	if (p->saves_ns <= likely_ns || !strcmp(most, likely))
		return text;
	char *longer = ct_asprintf("%s; at most %s", text, most);
	free(text);
	return longer;
}

static char *change_words(struct ct_report *r, const struct ct_prediction *p)
{
	char *lock = lock_name(r, p->lock);
	char *thread =
		p->thread < r->m->threads.cnt ? ct_report__thread(r, p->thread) : ct_strdup("");
	ct_page__shorten(&r->page, thread, r->page.width / 4);
	char *words = ct_change_words(lock, thread, p);
	free(thread);
	free(lock);
	return words;
}

/* To the reader, who sees three digits. */
static bool come_to_the_same(const struct ct_prediction *p, const struct ct_prediction *other)
{
	char a[CT_FMT_LEN], b[CT_FMT_LEN], most[CT_FMT_LEN], others[CT_FMT_LEN];
	return !strcmp(ct_fmt_ns(a, p->duration_ns), ct_fmt_ns(b, other->duration_ns)) &&
	       !strcmp(ct_fmt_ns(most, p->saves_ns), ct_fmt_ns(others, other->saves_ns));
}

/* `cnt` changes that would come to the same. */
static void write_predictions(struct ct_report *r, const struct ct_prediction *p, u32 cnt)
{
	char wall[CT_FMT_LEN], speed[CT_FMT_LEN];
	char *words = change_words(r, p);
	for (u32 i = 1; i < cnt; i++) {
		char *other = change_words(r, &p[i]);
		char *longer = ct_asprintf("%s, or %s", words, other);
		free(other);
		free(words);
		words = longer;
	}
	char *faster = ct_asprintf("%s%sx", ct_report__about(r),
		ct_report__ratio(speed, r->facts->what_if.duration_ns, p->duration_ns));
	char *saves = saving_words(r, p);
	char *text = ct_asprintf("%s (%s)", words, saves);
	ct_page__right(&r->page, FIGURE_END, ct_report__ns(r, wall, p->duration_ns));
	ct_page__right(&r->page, SPEED_END, faster);
	ct_page__stop(&r->page, SPEED_END + 2);
	ct_page__wrap(&r->page, SPEED_END + 4, text);
	for (u32 i = 0; i < cnt && r->verbose; i++) {
		char *assumes = ct_asprintf("if %s", ct_change_assumption(p[i].change));
		if (!i || p[i].change != p[i - 1].change) {
			ct_page__stop(&r->page, SPEED_END + 4);
			ct_page__wrap(&r->page, SPEED_END + 4, assumes);
		}
		free(assumes);
	}
	free(text);
	free(saves);
	free(faster);
	free(words);
}

/* How well the replay fits: what no prediction can be better than. */
static char *describe_replay(const struct ct_report *r)
{
	const struct ct_what_if *w = &r->facts->what_if;
	char wall[CT_FMT_LEN], error[CT_FMT_LEN];
	bool less = w->baseline_error < 0;
	double off = less ? -w->baseline_error : w->baseline_error;
	u64 parts = (u64)(off * 1e6 + 0.5);
	char *cpus = w->cpus == r->m->run->cpus ? ct_strdup("")
						: ct_asprintf(" on %" PRIu32 " CPU%s, as others "
							      "seem to have had the rest",
							  w->cpus, w->cpus == 1 ? "" : "s");
	char *text = ct_asprintf("replayed%s, the run takes %s%s", cpus,
		ct_report__ns(r, wall, w->baseline_ns),
		w->usable ? "" : ": too far from what it took to predict anything");
	char *share = ct_report__share(error, parts, 1000000, r->lossy);
	char *longer = parts && w->usable
			       ? ct_asprintf("%s, %s too %s, which is allowed for", text, share,
					 less ? "little" : "much")
			       : ct_strdup(text);
	free(text);
	free(cpus);
	return longer;
}

static bool is_worth_a_line(const struct ct_report *r, const struct ct_prediction *p)
{
	ct_ns run_ns = r->facts->what_if.duration_ns;
	return p->duration_ns + run_ns / WORTH_PART <= run_ns && p->saves_ns;
}

void ct_report__what_if(struct ct_report *r)
{
	const struct ct_what_if *w = &r->facts->what_if;
	u32 cnt = 0;
	if (!w->baseline_ns || r->m->threads.cnt < 2)
		return;
	for (u32 i = 0; i < w->at.cnt; i++)
		cnt += is_worth_a_line(r, &w->at.at[i]);
	ct_report__heading(r, "What if");
	ct_page__stop(&r->page, r->page.column + 2);
	char *replay = describe_replay(r);
	char *text = ct_asprintf("%s%s", replay,
		!w->usable ? ""
		: cnt	   ? "; with one thing changed it would take about:"
			   : "; no single change asked about would save 2 % of it");
	ct_page__wrap(&r->page, 2, text);
	free(text);
	free(replay);
	for (u32 i = 0, told = 0, same; i < w->at.cnt && told < how_many(r, CHANGES); i += same) {
		const struct ct_prediction *p = &w->at.at[i];
		for (same = 1; i + same < w->at.cnt && come_to_the_same(p, &p[same]);)
			same++;
		if (is_worth_a_line(r, p))
			write_predictions(r, p, same), told++;
	}
}
