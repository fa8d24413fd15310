/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events of a trace file in the order (ts, cpu, seq): a k-way merge over the pieces of all
 * CPUs. A piece is opened when the merge comes to its first time and closed when it is used up, so
 * about one per CPU is open at a time (two where a CPU's pieces overlap); what each holds is its
 * unpacked columns and a window.  Cost per event: one decoding and O(log pieces open).
 *
 * Inside a piece events stand in the order of their ring, where a nested interrupt's record may
 * come before the one it interrupted: a record is never more than CT_WINDOW places from its place
 * in time (the writer begins a new piece before it would be), so a sorted window of that many
 * events puts them right.  Equal times keep the ring's order.  seq counts the places after that.
 *
 * A piece that cannot be read, wholly or from some event on, gives one LOSS event at its last time.
 */
#include <errno.h>

#include "reader.h"

/* A writer makes a CPU's pieces overlap by two or three; each one open costs memory. */
#define OPEN_MAX 16

struct stream {
	struct ct_piece *piece;
	struct ct_buf stored, unpacked;
	struct ct_decoder *decoder; /* NULL: nothing more to decode */
	u32 decoded;		    /* events */
	u32 first, end;		    /* of the window's events */
	struct ct_event window[2 * CT_WINDOW + 2];
};

struct ct_order {
	struct ct_reader *reader;
	ct_ns limit_ns;
	u32 next_piece;
	struct stream **heap; /* by the first event of the window */
	u32 heap_cnt, heap_cap;
	u32 open_cnt[CT_CPU_MAX];
	u32 seq[CT_CPU_MAX];
	u64 unknown_cnt; /* events of kinds from the future */
	struct ct_event current;
};

/* ---- one stream ------------------------------------------------------------------------------ */

/* Moves the window's newest event to its place in time. */
static void sort_newest(struct stream *s)
{
	u32 i = s->end - 1;
	struct ct_event newest = s->window[i];
	while (i > s->first && s->window[i - 1].hdr.ts > newest.hdr.ts) {
		s->window[i] = s->window[i - 1];
		i--;
	}
	s->window[i] = newest;
}

static void put_loss(struct ct_order *o, struct stream *s, ct_ns since, u64 cnt)
{
	const struct ct_chunk *c = &s->piece->chunk;
	bool beyond = c->max_ts >= o->limit_ns && since < o->limit_ns;
	s->window[s->end++] = (struct ct_event){
		.hdr = {
			.kind = CT_LOSS,
			.words = (sizeof(struct ct_hdr) + sizeof(struct ct_loss)) / 8,
			.ts = beyond ? o->limit_ns - 1 : c->max_ts,
		},
		.cpu = c->cpu,
		.loss = { .since = since, .count = (u32)cnt },
	};
	sort_newest(s);
}

static void close_decoder(struct stream *s)
{
	ct_decoder__free(s->decoder);
	s->decoder = NULL;
}

/* The rest of the piece is lost; its last good event stands at the window's end. */
static void give_up(struct ct_order *o, struct stream *s)
{
	u64 lost = s->piece->chunk.cnt - s->decoded;
	ct_ns since = s->end > s->first ? s->window[s->end - 1].hdr.ts : s->piece->chunk.min_ts;
	close_decoder(s);
	ct_reader__report(o->reader, s->piece, lost);
	put_loss(o, s, since, lost);
}

static bool is_in_time(const struct ct_order *o, const struct stream *s, ct_ns ts)
{
	const struct ct_chunk *c = &s->piece->chunk;
	return ts >= c->min_ts && ts <= c->max_ts && ts >= o->current.hdr.ts;
}

static void decode_one(struct ct_order *o, struct stream *s)
{
	struct ct_event *ev = &s->window[s->end];
	int got = ct_decoder__next(s->decoder, ev);
	if (!got) {
		close_decoder(s);
		return;
	}
	if (got < 0 || !is_in_time(o, s, ev->hdr.ts)) {
		give_up(o, s);
		return;
	}
	s->decoded++;
	if (!ev->hdr.kind) {
		ct_reader__report_unknown(o->reader, ++o->unknown_cnt);
		return;
	}
	ev->cpu = s->piece->chunk.cpu;
	s->end++;
	if (s->end - s->first > 1 && ev->hdr.ts < ev[-1].hdr.ts)
		sort_newest(s);
}

static void fill_window(struct ct_order *o, struct stream *s)
{
	while (s->decoder && s->end - s->first <= CT_WINDOW) {
		if (s->end > 2 * CT_WINDOW) {
			memmove(s->window, s->window + s->first,
				(s->end - s->first) * sizeof(*s->window));
			s->end -= s->first;
			s->first = 0;
		}
		decode_one(o, s);
	}
}

static void open_decoder(struct ct_order *o, struct stream *s)
{
	const struct ct_chunk *c = &s->piece->chunk;
	bool too_many = o->open_cnt[c->cpu] > OPEN_MAX;
	if (s->piece->at && !too_many &&
		!ct_reader__unpack(o->reader, s->piece, &s->stored, &s->unpacked))
		s->decoder = ct_decoder__new(
			s->stored.at, c->cnt, s->unpacked.at, s->unpacked.len, c->min_ts);
	if (s->decoder)
		fill_window(o, s);
	else
		give_up(o, s);
}

static void free_stream(struct ct_order *o, struct stream *s)
{
	o->open_cnt[s->piece->chunk.cpu]--;
	ct_decoder__free(s->decoder);
	ct_buf_free(&s->stored);
	ct_buf_free(&s->unpacked);
	free(s);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool is_before(const struct stream *a, const struct stream *b)
{
	const struct ct_event *x = &a->window[a->first];
	const struct ct_event *y = &b->window[b->first];
	if (x->hdr.ts != y->hdr.ts)
		return x->hdr.ts < y->hdr.ts;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu;
	return a->piece->chunk.first_seq < b->piece->chunk.first_seq;
}

static void swap_streams(struct ct_order *o, u32 i, u32 j)
{
	struct stream *s = o->heap[i];
	o->heap[i] = o->heap[j];
	o->heap[j] = s;
}

static void sift_up(struct ct_order *o, u32 i)
{
	for (; i && is_before(o->heap[i], o->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap_streams(o, i, (i - 1) / 2);
}

static void sift_down(struct ct_order *o)
{
	for (u32 i = 0;;) {
		u32 first = i;
		for (u32 child = 2 * i + 1; child <= 2 * i + 2 && child < o->heap_cnt; child++)
			if (is_before(o->heap[child], o->heap[first]))
				first = child;
		if (first == i)
			return;
		swap_streams(o, i, first);
		i = first;
	}
}

static void open_next_piece(struct ct_order *o)
{
	struct stream *s = ct_realloc(NULL, sizeof(*s));
	memset(s, 0, offsetof(struct stream, window));
	s->piece = ct_reader__piece(o->reader, o->next_piece++);
	o->open_cnt[s->piece->chunk.cpu]++;
	open_decoder(o, s);
	if (s->first == s->end) {
		free_stream(o, s);
		return;
	}
	if (o->heap_cnt == o->heap_cap) {
		o->heap_cap = o->heap_cap ? o->heap_cap * 2 : 8;
		o->heap = ct_realloc(o->heap, o->heap_cap * sizeof(struct stream *));
	}
	o->heap[o->heap_cnt++] = s;
	sift_up(o, o->heap_cnt - 1);
}

/* Opens every piece that may hold the next event. */
static void open_due(struct ct_order *o)
{
	while (o->next_piece < ct_reader__piece_cnt(o->reader)) {
		ct_ns min_ts = ct_reader__piece(o->reader, o->next_piece)->chunk.min_ts;
		if (min_ts >= o->limit_ns)
			return;
		if (o->heap_cnt && min_ts > o->heap[0]->window[o->heap[0]->first].hdr.ts)
			return;
		open_next_piece(o);
	}
}

static void drop_first(struct ct_order *o)
{
	struct stream *s = o->heap[0];
	if (++s->first == s->end || s->decoder)
		fill_window(o, s);
	if (s->first == s->end) {
		free_stream(o, s);
		o->heap[0] = o->heap[--o->heap_cnt];
	}
	sift_down(o);
}

const struct ct_event *ct_order__next(struct ct_order *o)
{
	open_due(o);
	if (!o->heap_cnt)
		return NULL;
	const struct ct_event *ev = &o->heap[0]->window[o->heap[0]->first];
	if (ev->hdr.ts >= o->limit_ns)
		return NULL;
	o->current = *ev;
	o->current.seq = o->seq[ev->cpu]++;
	drop_first(o);
	return &o->current;
}

struct ct_order *ct_order__new(struct ct_reader *r)
{
	struct ct_order *o = ct_alloc(sizeof(*o));
	o->reader = r;
	o->limit_ns = ct_reader__limit(r);
	return o;
}

void ct_order__free(struct ct_order *o)
{
	if (!o)
		return;
	for (u32 i = 0; i < o->heap_cnt; i++)
		free_stream(o, o->heap[i]);
	free(o->heap);
	free(o);
}
