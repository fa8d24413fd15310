/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's locks (who holds up whom) and its other waits (everything else by line and reason).
 *
 * Locks are mutexes and rwlocks, the costliest first.  Condition variables, semaphores, barriers,
 * joins and futexes of unknown use are waited for by design as often as not, so they stand with the
 * other waits, where the line says what they are.  Facts only: what a wait was worth is no matter
 * of this file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_int.h"

#define LOCKS 3u
#define SITES 3u
#define PAIRS 3u
#define LINES 5u
#define VERBOSE_TIMES 8u /* so many more of each with -v */
#define NAME_SIZE 512
#define FACT_COLUMN 4u
#define FIGURE_END 18u /* of the figures before a site or a pair */

static u32 how_many(const struct ct_report *r, u32 usual)
{
	return r->verbose ? usual * VERBOSE_TIMES : usual;
}

static bool is_exclusion(const struct ct_report *r, const struct ct_contention *c)
{
	u32 kind = r->m->locks.at[c->lock].kind;
	return kind == CT_LK_MUTEX || kind == CT_LK_RWLOCK;
}

static void write_lock_line(struct ct_report *r, const struct ct_lock *lock)
{
	char raw[NAME_SIZE];
	char waits[CT_FMT_LEN];
	char sum[CT_FMT_LEN];
	char longest[CT_FMT_LEN];
	char *name = ct_page__safe(&r->page, ct_lock_name(r->m, lock, raw, sizeof(raw)));
	ct_page__shorten(&r->page, name, r->page.width / 2);
	char *facts = ct_asprintf("%s, %s %s, %s in all, longest %s",
		ct_lock_kind_name(lock->kind), ct_report__count(r, waits, lock->wait_cnt),
		lock->wait_cnt == 1 ? "wait" : "waits", ct_report__ns(r, sum, lock->wait_ns),
		ct_report__ns(r, longest, lock->max_wait_ns));
	ct_page__stop(&r->page, 2);
	ct_page__ink(&r->page, CT_INK_VERMILLION, false, name);
	ct_page__stop(&r->page, r->page.column + 2);
	ct_page__wrap(&r->page, FACT_COLUMN, facts);
	free(facts);
	free(name);
}

static void start_fact(struct ct_report *r, const char *word, const char *figure)
{
	ct_page__stop(&r->page, FACT_COLUMN);
	ct_page__ink(&r->page, CT_INK_DIM, false, word);
	ct_page__right(&r->page, FIGURE_END, figure);
	ct_page__stop(&r->page, FIGURE_END + 2);
}

static void write_queue(struct ct_report *r, const struct ct_lock *lock)
{
	char ratio[CT_FMT_LEN], most[CT_FMT_LEN];
	char *mean = ct_asprintf("%s%s", ct_report__about(r),
		ct_report__ratio(ratio, lock->wait_ns, r->m->end_ns - r->m->start_ns));
	start_fact(r, "queue", mean);
	free(mean);
	ct_page__printf(&r->page, "threads on average, %s at most",
		ct_report__count(r, most, lock->max_waiters));
	ct_page__end(&r->page);
}

/* The place takes the rest of the line. */
static void put_place(struct ct_report *r, u32 frame)
{
	char *place = ct_report__place(r, frame);
	const char *unknown = "line not known";
	ct_report__fit_place(r, place, r->page.width - r->page.column);
	ct_page__put(&r->page, *place ? place : unknown);
	free(place);
}

static void write_sites(struct ct_report *r, const struct ct_contention *c, ct_ns whole_ns)
{
	u32 cnt = how_many(r, SITES);
	u32 all = c->sites.cnt;
	while (all > 1 && !c->sites.at[all - 1].wait_ns) /* what cost nothing is not worth a line */
		all--;
	for (u32 i = 0; i < all && i < cnt; i++) {
		char share[CT_FMT_LEN];
		start_fact(r, i ? "" : "where", ct_report__share(share, c->sites.at[i].wait_ns,
							whole_ns, r->lossy));
		put_place(r, c->sites.at[i].frame);
		ct_page__end(&r->page);
	}
	if (all > cnt) {
		start_fact(r, "", "");
		ct_page__printf(&r->page, "and %" PRIu32 " more", all - cnt);
		ct_page__end(&r->page);
	}
}

static void write_pair(struct ct_report *r, const struct ct_blame *b, bool readers)
{
	char waits[CT_FMT_LEN];
	char *waiter = ct_report__thread(r, b->waiter);
	char *owner = b->owner == CT_NONE   ? ct_strdup(readers ? "readers" : "an unknown holder") :
		      b->owner == b->waiter ? ct_strdup("itself") :
					      ct_report__thread(r, b->owner);
	char *pair = ct_asprintf("%s waited for %s (%s %s)", waiter, owner,
		ct_report__count(r, waits, b->waits), b->waits == 1 ? "wait" : "waits");
	ct_page__wrap(&r->page, FIGURE_END + 2, pair);
	free(pair);
	free(owner);
	free(waiter);
}

static void write_pairs(struct ct_report *r, const struct ct_contention *c)
{
	/* a writer is known by its hold; who else keeps others out of a rwlock reads */
	bool readers = r->m->locks.at[c->lock].kind == CT_LK_RWLOCK;
	u32 cnt = how_many(r, PAIRS);
	ct_ns rest_ns = 0;
	char time[CT_FMT_LEN];
	for (u32 i = 0; i < c->blamed.cnt; i++) {
		if (i >= cnt) {
			rest_ns += c->blamed.at[i].wait_ns;
			continue;
		}
		start_fact(r, i ? "" : "who", ct_report__ns(r, time, c->blamed.at[i].wait_ns));
		write_pair(r, &c->blamed.at[i], readers);
	}
	if (c->blamed.cnt > cnt) {
		start_fact(r, "", ct_report__ns(r, time, rest_ns));
		ct_page__printf(&r->page, "in %" PRIu32 " more %s", c->blamed.cnt - cnt,
			c->blamed.cnt - cnt == 1 ? "pair" : "pairs");
		ct_page__end(&r->page);
	}
}

/* "running 71 %, waiting (io-disk) 29 %", most first; "" when no holder is known. */
static char *list_states(const struct ct_report *r, const ct_ns state_ns[CT_STATES])
{
	ct_ns left[CT_STATES];
	ct_ns whole = 0;
	char *list = ct_strdup("");
	memcpy(left, state_ns, sizeof(left));
	for (u32 s = 0; s < CT_STATES; s++)
		whole += left[s];
	for (;;) {
		char share[CT_FMT_LEN];
		u32 most = 0;
		for (u32 s = 1; s < CT_STATES; s++)
			most = left[s] > left[most] ? s : most;
		if (!left[most])
			return list;
		ct_report__share(share, left[most], whole, r->lossy);
		bool waits = ct_state_blocked(most);
		char *longer = ct_asprintf("%s%s%s%s%s %s", list, *list ? ", " : "",
			waits ? "waiting (" : "", ct_state_name(most), waits ? ")" : "", share);
		free(list);
		list = longer;
		left[most] = 0;
	}
}

static bool all_holds_seen(const struct ct_lock *lock)
{
	for (u32 i = 0; i < lock->holds.cnt; i++) {
		if (!(lock->holds.at[i].flags & CT_HOLD_SEEN))
			return false;
	}
	return true;
}

/* "known for 2 % of the waits; " where it is for less than nine tenths of them. */
static char *name_known(const struct ct_report *r, const struct ct_contention *c)
{
	ct_ns known_ns = 0, all_ns = 0;
	char share[CT_FMT_LEN];

	for (u32 i = 0; i < c->blamed.cnt; i++) {
		all_ns += c->blamed.at[i].wait_ns;
		known_ns += c->blamed.at[i].owner == CT_NONE ? 0 : c->blamed.at[i].wait_ns;
	}
	if (known_ns >= all_ns / 10 * 9)
		return ct_strdup("");
	ct_report__share(share, known_ns, all_ns, r->lossy);
	return ct_asprintf("known for %s of the waits; ", share);
}

static void write_holder(struct ct_report *r, const struct ct_contention *c)
{
	char *states = list_states(r, c->hold_state_ns), *known = name_known(r, c);
	bool seen = all_holds_seen(&r->m->locks.at[c->lock]);
	char *text = !*states ? ct_strdup("not known") :
				ct_asprintf("%smeanwhile %s%s", known, states,
					seen ? "" : " (partly inferred from wake-ups)");
	start_fact(r, "holder", "");
	ct_page__wrap(&r->page, FIGURE_END + 2, text);
	free(text);
	free(known);
	free(states);
}

static void write_rest(struct ct_report *r, u32 cnt, bool more, ct_ns wait_ns)
{
	char time[CT_FMT_LEN];
	ct_page__stop(&r->page, 2);
	ct_page__printf(&r->page, "%s%" PRIu32 " %slock%s, %s of waiting in all",
		more ? "and " : "", cnt, more ? "more " : "", cnt == 1 ? "" : "s",
		ct_report__ns(r, time, wait_ns));
	ct_page__end(&r->page);
}

/* A lock that all in all cost less than a thousandth of the run is only counted. */
static bool is_worth_telling(const struct ct_report *r, const struct ct_lock *lock)
{
	return r->verbose || lock->wait_ns >= (r->m->end_ns - r->m->start_ns) / 1000;
}

static void write_heading(struct ct_report *r)
{
	ct_report__heading(r, "Locks that threads waited for");
	ct_page__end(&r->page);
}

void ct_report__locks(struct ct_report *r)
{
	u32 told = 0;
	u32 rest = 0;
	ct_ns rest_ns = 0;
	for (u32 i = 0; i < r->facts->contentions.at.cnt; i++) {
		const struct ct_contention *c = &r->facts->contentions.at.at[i];
		const struct ct_lock *lock = &r->m->locks.at[c->lock];
		if (!is_exclusion(r, c))
			continue;
		if (!told && !rest)
			write_heading(r);
		if (told >= how_many(r, LOCKS) || !is_worth_telling(r, lock)) {
			rest++;
			rest_ns += lock->wait_ns;
			continue;
		}
		told++;
		write_lock_line(r, lock);
		write_queue(r, lock);
		write_sites(r, c, lock->wait_ns);
		write_pairs(r, c);
		write_holder(r, c);
	}
	if (rest)
		write_rest(r, rest, told > 0, rest_ns);
}

/* ---- other waits ---- */

/* A narrow page leaves out two columns, so that the place has room. */
struct wait_columns {
	u32 sum, longest, waits, threads, place; /* right ends; 0: left out */
};

static struct wait_columns lay_out_waits(const struct ct_page *page)
{
	if (page->width < 80)
		return (struct wait_columns){ .sum = 22, .waits = 30, .place = 32 };
	return (struct wait_columns){ .sum = 22, .longest = 33, .waits = 43, .threads = 52,
		.place = 54 };
}

static void put_column(struct ct_page *page, u32 end, const char *s)
{
	if (end)
		ct_page__right(page, end, s);
}

static void write_wait_head(struct ct_report *r)
{
	struct wait_columns at = lay_out_waits(&r->page);
	ct_report__heading(r, "Other waits");
	put_column(&r->page, at.sum, "in all");
	put_column(&r->page, at.longest, "longest");
	put_column(&r->page, at.waits, "waits");
	put_column(&r->page, at.threads, "threads");
	ct_page__stop(&r->page, at.place);
	ct_page__put(&r->page, "where");
	ct_page__end(&r->page);
}

static void write_wait(struct ct_report *r, const struct ct_line_wait *line)
{
	struct wait_columns at = lay_out_waits(&r->page);
	char buf[CT_FMT_LEN];
	ct_page__stop(&r->page, 2);
	ct_page__put(&r->page, line->signal ? "signal" : ct_state_name(line->state));
	put_column(&r->page, at.sum, ct_report__ns(r, buf, line->wait_ns));
	put_column(&r->page, at.longest, ct_report__ns(r, buf, line->max_ns));
	put_column(&r->page, at.waits, ct_report__count(r, buf, line->waits));
	put_column(&r->page, at.threads, ct_report__count(r, buf, line->threads));
	ct_page__stop(&r->page, at.place);
	put_place(r, line->frame);
	ct_page__end(&r->page);
}

void ct_report__waits(struct ct_report *r)
{
	u32 cnt = 0;
	ct_ns rest_ns = 0;
	for (u32 i = 0; i < r->facts->lines.at.cnt; i++) {
		const struct ct_line_wait *line = &r->facts->lines.at.at[i];
		if (line->state == CT_LOCK || line->state == CT_RWLOCK || !line->wait_ns)
			continue;
		if (!cnt)
			write_wait_head(r);
		if (cnt++ < how_many(r, LINES))
			write_wait(r, line);
		else
			rest_ns += line->wait_ns;
	}
	if (cnt > how_many(r, LINES)) {
		char time[CT_FMT_LEN];
		ct_page__stop(&r->page, 2);
		ct_page__printf(&r->page, "and %" PRIu32 " more, %s in all",
			cnt - how_many(r, LINES), ct_report__ns(r, time, rest_ns));
		ct_page__end(&r->page);
	}
}
