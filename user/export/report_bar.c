/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bar of a thread: a small timeline of its states.
 *
 * Bar of shares, or timeline?  Shares are in figures beside it; when a thread started, ended,
 * changed its ways or got stuck is what figures cannot say.  So the bar is the run's time axis, the
 * same for all threads.  But a plain timeline of dominant states lies where states change faster
 * than a cell lasts: a worker that runs 30 % and waits 70 %, thousands of times a second, would
 * never seem to run.  Hence the time that a cell could not show is carried on to the next (error
 * diffusion, as in printing grey with black dots): each cell shows a state in which the thread
 * really was then, and along the bar as many cells show a state as its share is.
 *
 *     time    |  90 % lock, 10 % running  |  join   |      states:  L lock  # running  j join
 *     bar      LLLLLLLL#LLLLLLLLL#LLLLLLLL#jjjjjjjjj
 *
 * A stretch in which events were lost shows ~: what the thread did then is not known.
 *
 * A group of threads is drawn as their sum.  Letters tell the states apart without colour: capitals
 * where threads contend or wait for a device, small ones where a thread waits for another by
 * design, a mere dot or line where it rests.  Cost: O(slices + cells).
 */
#include "report_int.h"

#define FULL ((i64)1 << 20) /* a whole cell, in credit */

static const struct ct_look looks[CT_SHOWN_LOST + 1] = {
	[CT_RUNNING] = { "\xe2\x96\x88", "#", CT_INK_GREEN, false },
	[CT_RUNNABLE] = { "\xe2\x96\x92", "=", CT_INK_ORANGE, false },
	[CT_LOCK] = { "L", "L", CT_INK_VERMILLION, true },
	[CT_RWLOCK] = { "R", "R", CT_INK_VERMILLION, true },
	[CT_COND] = { "c", "c", CT_INK_PURPLE, false },
	[CT_SEM] = { "s", "s", CT_INK_PURPLE, false },
	[CT_BARRIER] = { "b", "b", CT_INK_PURPLE, true },
	[CT_JOIN] = { "j", "j", CT_INK_GREY, false },
	[CT_FUTEX_OTHER] = { "f", "f", CT_INK_PURPLE, true },
	[CT_SLEEP] = { "\xc2\xb7", ".", CT_INK_GREY, false },
	[CT_POLL] = { "_", "_", CT_INK_GREY, false },
	[CT_IO_DISK] = { "D", "D", CT_INK_BLUE, true },
	[CT_IO_NET] = { "N", "N", CT_INK_SKY, true },
	[CT_PIPE] = { "P", "P", CT_INK_SKY, true },
	[CT_CHILD] = { "k", "k", CT_INK_GREY, false },
	[CT_FAULT] = { "F", "F", CT_INK_YELLOW, true },
	[CT_STOPPED] = { "T", "T", CT_INK_GREY, false },
	[CT_OTHER] = { "?", "?", CT_INK_GREY, false },
	[CT_SHOWN_SIGNAL] = { "g", "g", CT_INK_GREY, false },
	[CT_SHOWN_LOST] = { "~", "~", CT_INK_WARN, false },
};

const struct ct_look *ct_look_of(u32 shown)
{
	return &looks[shown];
}

const char *ct_shown_name(u32 shown)
{
	if (shown == CT_SHOWN_LOST)
		return "events lost";
	return shown == CT_SHOWN_SIGNAL ? "signal" : ct_state_name(shown);
}

u32 ct_shown_state(const struct ct_model *m, const struct ct_slice *s)
{
	return s->state == CT_OTHER && s->wait < m->waits.cnt &&
			       ct_wait_is_signal(m, &m->waits.at[s->wait])
		       ? CT_SHOWN_SIGNAL
		       : s->state;
}

void ct_bar__init(struct ct_bar *bar, u32 cells)
{
	bar->cells = cells;
	bar->state_ns = ct_alloc(cells * sizeof(*bar->state_ns));
	bar->lost = ct_alloc(cells * sizeof(*bar->lost));
}

void ct_bar__clear(struct ct_bar *bar)
{
	free(bar->state_ns);
	free(bar->lost);
	*bar = (struct ct_bar){ 0 };
}

/* Where a cell begins, from the run's start. */
static ct_ns cell_start(ct_ns duration_ns, u32 cells, u32 cell)
{
	return (ct_ns)((unsigned __int128)duration_ns * cell / cells);
}

static void add_slice(struct ct_bar *bar, ct_ns duration_ns, u32 state, ct_ns from, ct_ns until)
{
	if (until > duration_ns)
		until = duration_ns;
	if (from >= until)
		return;
	u32 cell = (u32)((unsigned __int128)from * bar->cells / duration_ns);
	while (from < until && cell < bar->cells) {
		ct_ns end = cell_start(duration_ns, bar->cells, cell + 1);
		ct_ns stop = until < end ? until : end;
		if (stop > from) {
			bar->state_ns[cell][state] += stop - from;
			from = stop;
		}
		cell++;
	}
}

/* A span that a bar can show: the longer half of a cell. */
static void add_lost(struct ct_bar *bar, ct_ns duration_ns, ct_ns from, ct_ns until)
{
	for (u32 i = 0; i < bar->cells; i++) {
		ct_ns start = cell_start(duration_ns, bar->cells, i);
		ct_ns end = cell_start(duration_ns, bar->cells, i + 1);
		ct_ns since = from > start ? from : start, to = until < end ? until : end;

		bar->lost[i] |= to > since && to - since > (end - start) / 2;
	}
}

void ct_bar__add(struct ct_bar *bar, const struct ct_model *m, const struct ct_thread *t)
{
	for (u32 i = 0; i < t->slices.cnt; i++) {
		const struct ct_slice *s = &t->slices.at[i];
		add_slice(bar, m->end_ns - m->start_ns, ct_shown_state(m, s),
			s->start_ns - m->start_ns, ct_slice_end(t, i) - m->start_ns);
	}
	for (u32 i = 0; i < m->losses.cnt && (t->flags & CT_THREAD_LOSS); i++) {
		const struct ct_loss_span *l = &m->losses.at[i];
		if (l->until_ns > m->start_ns)
			add_lost(bar, m->end_ns - m->start_ns,
				l->since_ns > m->start_ns ? l->since_ns - m->start_ns : 0,
				l->until_ns - m->start_ns);
	}
}

/* The state that the cell shows: of those that occur in it, the one that is owed most. */
static u32 pick_state(const ct_ns state_ns[CT_SHOWN], i64 credit[CT_SHOWN])
{
	ct_ns whole = 0;
	u32 best = CT_SHOWN;
	for (u32 s = 0; s < CT_SHOWN; s++)
		whole += state_ns[s];
	for (u32 s = 0; s < CT_SHOWN; s++) {
		if (!state_ns[s])
			continue;
		credit[s] += (i64)((unsigned __int128)state_ns[s] * FULL / whole);
		if (best == CT_SHOWN || credit[s] > credit[best])
			best = s;
	}
	if (best < CT_SHOWN)
		credit[best] -= FULL;
	return best;
}

void ct_bar__draw(const struct ct_bar *bar, struct ct_page *page, bool used[CT_SHOWN_LOST + 1])
{
	i64 credit[CT_SHOWN] = { 0 };
	for (u32 i = 0; i < bar->cells; i++) {
		u32 s = pick_state(bar->state_ns[i], credit);
		if (s == CT_SHOWN) {
			ct_page__stop(page, page->column + 1);
			continue;
		}
		if (bar->lost[i])
			s = CT_SHOWN_LOST;
		const struct ct_look *look = &looks[s];
		used[s] = true;
		ct_page__ink(page, look->ink, look->filled,
			page->unicode ? look->unicode : look->ascii);
	}
}
