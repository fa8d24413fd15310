/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to user/trace/: a trace file as a list of chunks (reader.c), and its events in order
 * (order.c).
 */
#ifndef CT_READER_H
#define CT_READER_H

#include "columns.h"
#include "format.h"

/* Some events of one CPU: a chunk, or a gap where one was. */
struct ct_piece {
	struct ct_chunk chunk; /* min_ts, max_ts, cpu, first_seq and cnt are good for a gap too */
	u64 at;		       /* of the payload in the file; 0: a gap */
	bool reported;	       /* that it is damaged */
};

struct ct_reader;
/* Reads the file's headers, run and names; fd becomes the reader's.  *why says what is wrong. */
int ct_reader__new(struct ct_reader **r, int fd, u64 size, char **why);
void ct_reader__free(struct ct_reader *r);

u32 ct_reader__piece_cnt(const struct ct_reader *r);
struct ct_piece *ct_reader__piece(struct ct_reader *r, u32 i); /* by (min_ts, cpu, first_seq) */
/* The payload as stored, and its packed part unpacked; both appended to empty buffers. */
int ct_reader__unpack(struct ct_reader *r, const struct ct_piece *piece, struct ct_buf *stored,
	struct ct_buf *unpacked);
/* `lost` events of the piece cannot be read; counts each piece once. */
void ct_reader__report(struct ct_reader *r, struct ct_piece *piece, u64 lost);
/* `cnt` events so far were of kinds from the future. */
void ct_reader__report_unknown(struct ct_reader *r, u64 cnt);
ct_ns ct_reader__limit(const struct ct_reader *r); /* events from here on are not whole */

const struct ct_run *ct_reader__run(const struct ct_reader *r);
const struct ct_names *ct_reader__names(const struct ct_reader *r);
bool ct_reader__complete(const struct ct_reader *r);
const char *ct_reader__damage(struct ct_reader *r);

struct ct_order;
struct ct_order *ct_order__new(struct ct_reader *r);
void ct_order__free(struct ct_order *o);
const struct ct_event *ct_order__next(struct ct_order *o);

#endif
