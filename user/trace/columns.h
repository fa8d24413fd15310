/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/trace/: the columns of a chunk of events, both ways.  What they look like is in
 * format.h.  An encoder takes records one by one and keeps bytes, not records; a decoder gives the
 * events back one by one, so neither holds a chunk's events.  Both keep the same guesses about what
 * comes next, and only what was guessed wrong is in the columns.
 */
#ifndef CT_COLUMNS_H
#define CT_COLUMNS_H

#include "trace_int.h"

struct ct_encoder;
struct ct_encoder *ct_encoder__new(void);
void ct_encoder__free(struct ct_encoder *e);
/* A record of a known kind; its body has that kind's size. */
void ct_encoder__add(struct ct_encoder *e, const struct ct_hdr *hdr, const void *body);
u32 ct_encoder__count(const struct ct_encoder *e);
size_t ct_encoder__bytes(const struct ct_encoder *e);  /* in columns so far */
size_t ct_encoder__memory(const struct ct_encoder *e); /* of columns, used or not */
ct_ns ct_encoder__min_ts(const struct ct_encoder *e);
ct_ns ct_encoder__max_ts(const struct ct_encoder *e);
/* Would a record of this time stand more than CT_WINDOW places behind its place in time? */
bool ct_encoder__too_late(const struct ct_encoder *e, ct_ns ts);
/* Appends the bytes that are worth compressing to `packed` and those that are not to `plain`. */
void ct_encoder__take(const struct ct_encoder *e, struct ct_buf *plain, struct ct_buf *packed);
/* Forgets the events; with `shrink` the memory too. */
void ct_encoder__reset(struct ct_encoder *e, bool shrink);

struct ct_decoder;
/* Over the bytes that take() gave, which must outlive it: `cnt` plain ones, and the unpacked rest.
 * NULL when the columns do not fit together. */
struct ct_decoder *ct_decoder__new(
	const u8 *plain, u32 cnt, const u8 *packed, size_t size, ct_ns min_ts);
void ct_decoder__free(struct ct_decoder *d);
/* The next event in the order of recording: hdr and body; the caller sets cpu and seq.  1, 0 at the
 * end, -EBADMSG.  An event of a kind from the future has hdr.kind 0. */
int ct_decoder__next(struct ct_decoder *d, struct ct_event *ev);

#endif
