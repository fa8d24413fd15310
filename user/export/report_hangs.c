/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's section on threads that wait for ever: a ring is drawn as one, with what each holds
 * and wants.  It stands at the top, and is all that the live announcement and `ctrace why` print.
 *
 *     Deadlock: alice and bob wait for each other, for ever
 *       since 14.2 ms after the start, for 2.99 s, until the program was ended from outside
 *       .-> alice 4713 holds pen_lock
 *       |     wants paper_lock at alice (deadlock.c:47)
 *       |     which is held by
 *       |   bob 4714 holds paper_lock, which it waited for at bob (deadlock.c:66)
 *       |     wants pen_lock at bob (deadlock.c:69)
 *       '---- which is held by alice 4713
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hang_text.h"
#include "report_int.h"

#define MEMBERS_MAX 64 /* drawn one by one */
#define BEHIND_MAX 3

struct strokes { /* of the ring */
	const char *top, *side, *bottom;
};
static const struct strokes ascii = { "  .-> ", "  |   ", "  '---- " };
static const struct strokes unicode = { "  \xe2\x95\xad\xe2\x94\x80\xe2\x96\xb6 ",
	"  \xe2\x94\x82   ", "  \xe2\x95\xb0\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80 " };

static const char *const headings[CT_HANG_KINDS] = { [CT_HANG_DEADLOCK] = "Deadlock: ",
	[CT_HANG_ABANDONED] = "Abandoned lock: ",
	[CT_HANG_STUCK] = "Stuck: " };

/* The start, then the text, which goes on under itself when it is long; frees the text. */
static void put_line(struct ct_page *p, const char *start, char *text)
{
	char *shown = ct_page__safe(p, text);

	ct_page__ink(p, CT_INK_VERMILLION, false, start);
	ct_page__wrap(p, ct_columns(start), shown);
	free(shown);
	free(text);
}

static char *describe_holder(const struct ct_model *m, const struct ct_hang_member *member)
{
	char *who = ct_hang_thread(m, member->thread), *lock, *at, *text;

	if (member->holds == CT_NONE)
		return who;
	lock = ct_hang_lock(m, member->holds);
	at = ct_hang_place(m, member->took);
	text = ct_asprintf(
		"%s holds %s%s%s", who, lock, *at ? ", which it waited for at " : "", at);
	free(at);
	free(lock);
	free(who);
	return text;
}

static bool joins(const struct ct_model *m, u32 wait)
{
	return m->waits.at[wait].state == CT_JOIN;
}

static char *describe_want(const struct ct_model *m, u32 wait)
{
	char *wants = ct_hang_wants(m, wait), *at = ct_hang_place(m, wait);
	char *text = ct_asprintf("%s %s%s%s", joins(m, wait) ? "waits for" : "wants", wants,
		*at ? " at " : "", at);

	free(at);
	free(wants);
	return text;
}

static void draw_member(
	struct ct_report *r, const struct ct_hang *h, u32 i, const struct strokes *s)
{
	const struct ct_hang_member *member = &h->members.at[i];
	char *side = ct_asprintf("%s  ", s->side);

	put_line(&r->page, i ? s->side : s->top, describe_holder(r->m, member));
	put_line(&r->page, side, describe_want(r->m, member->wait));
	if (i + 1 < h->members.cnt)
		put_line(&r->page, side,
			ct_strdup(joins(r->m, member->wait) ? "which is" : "which is held by"));
	free(side);
}

static void draw_ring(struct ct_report *r, const struct ct_hang *h)
{
	const struct strokes *s = r->page.unicode ? &unicode : &ascii;
	u32 cnt = h->members.cnt;
	char *first = ct_hang_thread(r->m, h->members.at[0].thread);

	for (u32 i = 0; i < cnt && (i < MEMBERS_MAX || r->verbose); i++)
		draw_member(r, h, i, s);
	if (cnt > MEMBERS_MAX && !r->verbose)
		put_line(&r->page, s->side,
			ct_asprintf("... %" PRIu32 " more ...", cnt - MEMBERS_MAX));
	put_line(&r->page, s->bottom,
		ct_asprintf("which is %s%s",
			joins(r->m, h->members.at[cnt - 1].wait) ? "" : "held by ", first));
	free(first);
}

static void list_members(struct ct_report *r, const struct ct_hang *h)
{
	u32 cnt = h->members.cnt, shown = cnt > MEMBERS_MAX && !r->verbose ? MEMBERS_MAX : cnt;

	for (u32 i = 0; i < shown; i++) {
		char *who = ct_hang_thread(r->m, h->members.at[i].thread);
		char *want = describe_want(r->m, h->members.at[i].wait);

		put_line(&r->page, "    ", ct_asprintf("%s %s", who, want));
		free(want);
		free(who);
	}
	if (shown < cnt)
		put_line(&r->page, "    ", ct_asprintf("and %" PRIu32 " more", cnt - shown));
	char *signals = ct_hang_signals(r->m, h);
	if (*signals)
		put_line(&r->page, "    ", signals);
	else
		free(signals);
	if (h->kind == CT_HANG_ABANDONED) {
		char *owner = ct_hang_thread(r->m, h->members.at[0].owner);

		put_line(&r->page, "    ",
			ct_asprintf("which is held by %s, a thread that has ended", owner));
		free(owner);
	}
}

static void list_behind(struct ct_report *r, const struct ct_hang *h)
{
	u32 shown = h->behind.cnt > BEHIND_MAX && !r->verbose ? BEHIND_MAX : h->behind.cnt;

	for (u32 i = 0; i < shown; i++) {
		char *who = ct_hang_thread(r->m, r->m->waits.at[h->behind.at[i]].thread);
		char *want = describe_want(r->m, h->behind.at[i]);

		put_line(&r->page, "  ", ct_asprintf("behind them: %s %s", who, want));
		free(want);
		free(who);
	}
	if (shown < h->behind.cnt)
		put_line(&r->page, "  ",
			ct_asprintf("and %" PRIu32 " more behind them", h->behind.cnt - shown));
}

static void write_hang(struct ct_report *r, const struct ct_hang *h)
{
	ct_page__ink(&r->page, CT_INK_WARN, false, headings[h->kind]);
	put_line(&r->page, "", ct_hang_title(r->m, h));
	put_line(&r->page, "  ", ct_hang_when(r->m, h));
	if (!h->seen)
		put_line(
			&r->page, "  ", ct_strdup("events were lost meanwhile: this may be wrong"));
	if (h->kind == CT_HANG_DEADLOCK)
		draw_ring(r, h);
	else
		list_members(r, h);
	list_behind(r, h);
}

void ct_report__hangs(struct ct_report *r)
{
	const struct ct_hangs *hangs = &r->facts->hangs;

	for (u32 i = 0; i < hangs->at.cnt; i++) {
		ct_page__end(&r->page);
		write_hang(r, &hangs->at.at[i]);
		put_line(&r->page, "  ", ct_strdup(ct_hang_advice(&hangs->at.at[i])));
	}
}

int ct_report__write_hangs(
	const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out)
{
	struct ct_report r = { .facts = facts,
		.m = facts->m,
		.page = { .out = out,
			.colour = opts->colour,
			.unicode = opts->unicode,
			.width = opts->width ? opts->width : 80 },
		.verbose = opts->verbose };

	for (u32 i = 0; i < facts->hangs.at.cnt; i++)
		write_hang(&r, &facts->hangs.at.at[i]);
	return ferror(out) ? -EIO : 0;
}
