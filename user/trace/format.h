/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace file, format 1, byte by byte; private to user/trace/.  A header, then chunks, appended
 * and never changed.  All plain numbers are little-endian.  A varint is LEB128: seven bits a byte,
 * low ones first, the top bit says that more follow.  zlib is raw deflate (no zlib header).
 *
 *     | header | RUN | NAMES? | EVENTS ... MARK | EVENTS ... MARK | ... | NAMES | RUN | END |
 *
 *     file header, 32 bytes
 *       0  8   89 "ctrace" 0a
 *       8  2   major: a reader that knows only smaller ones refuses the file
 *      10  2   minor: what is new may be passed over (chunk types, kinds, columns, tags of the run)
 *      12 16   0
 *      28  4   crc32 of bytes 0..27
 *
 *     chunk header, 64 bytes, then `stored size` bytes of payload
 *       0  4   0a "chk"
 *       4  1   type: 1 RUN, 2 EVENTS, 3 MARK, 4 NAMES, 5 END
 *       5  1   codec of the packed part: 0 as it is, 1 zlib
 *       6  2   EVENTS: the CPU
 *       8  4   raw size: of the packed part when unpacked
 *      12  4   stored size
 *      16  4   EVENTS: how many
 *      20  4   crc32 of the payload
 *      24  8   EVENTS: number of the first event among all of its CPU, from 0
 *      32  8   EVENTS: earliest time; MARK, END: until; RUN: start
 *      40  8   EVENTS: latest time; MARK, END: until; RUN: end
 *      48  4   number of the chunk, from 0
 *      52  8   0
 *      60  4   crc32 of bytes 0..59
 *
 * RUN     tags with values (tag, length of the value, value), see pack.c; the last RUN counts.
 * NAMES   strings, frames, stacks, addresses, syscalls, loops (of stacks; may be missing), see
 *         pack.c; the last NAMES count. What follows is new, and passed over.
 * MARK    every event before `until` stands before this chunk.  (CPU, events of it so far)... as
 *         varints: with the numbers of the events, a lost chunk shows as a gap of known size.
 * END     a MARK behind which nothing comes: the file is complete.
 * EVENTS  of one CPU, in the order of its ring.  `how many` bytes that are not worth packing (the
 *         low bytes of the time steps), then, packed, a directory and the columns:
 *
 *             varint   first event's time - earliest time
 *             varints  (column, length in bytes)..., 0
 *             bytes    the columns, in the order of the directory
 *
 *     column       holds
 *       1          a byte per event: bits 0..4 the kind (id in ctrace_events.def); 0x20 a tid is in
 *                  the tid column, else it was guessed right; 0x40 a mask is in the mask column,
 *                  else all fields were guessed right; 0x80 the time is before the last event's
 *       3          varint per event: step of time from the event before, >> 8
 *       k * 32     kind k: masks of the fields that were not guessed right, bit 0 the first field
 *       k * 32 + 1 tids that were not guessed right
 *       k * 32 + 2 and on: the fields of kind k in the order of ctrace_events.def, only values that
 *                  were not guessed right: PLAIN varint; DELTA zigzag varint of value - guess; RAW
 *                  the bytes
 *
 * Guesses, all from events earlier in the same chunk (columns.c):
 *     tid        the thread that runs (the last `next`); WAKING: whom this thread woke the last
 *                time after the newest wakee; MIGRATE: the newest wakee
 *     next       the newest thread woken since the last switch here; none: who followed this thread
 *                when it last was switched out
 *     next_prio  as at the last switch to a thread; 0 when next is 0
 *     waker      the thread that runs
 *     others     as in this thread's last event of the kind; none: in the last one of the kind
 *
 * Order: an event never stands more than CT_WINDOW places from its place in time; a record that
 * would begins a new chunk, so chunks of one CPU may overlap in time.
 *
 * What is not whole: without END the file counts up to its last MARK.  A chunk whose header or sum
 * is wrong is passed over and its events become one LOSS.
 *
 * Worked example: two threads on CPU 0 that hand over to each other
 *
 *     2000 waking 102 waker=101 nr=202 prio=120
 *     2300 switch 101 next=102 flags=preempted prio=120 next_prio=120
 *     3000 waking 101 waker=102 nr=202 prio=120
 *     3300 switch 102 next=101 flags=preempted prio=120 next_prio=120
 *
 *     plain   00 2c bc 2c                low bytes of the steps 0, 300, 700, 300
 *     packed  00                         the first event is the earliest
 *             01 04                      column 1 (kinds) has 4 bytes
 *             03 04                      column 3 (steps) has 4
 *             c0 01 01  c1 01 01         192 = 6 * 32 (SWITCH: masks) has 1, 193 (tids) has 1,
 *             c4 01 01  c5 01 01         196 (flags) has 1, 197 (prio) has 1,
 *             c6 01 01                   198 (next_prio) has 1
 *             80 02 01  81 02 02         256 = 8 * 32 (WAKING: masks) has 1, 257 (tids) has 2,
 *             82 02 02  83 02 02         258 (waker) has 2, 259 (nr) has 2,
 *             85 02 01  00               261 (prio) has 1; no more
 *             68 66 28 06                waking+mask+tid, switch+mask+tid, waking+tid, and the last
 *                                        switch, of which nothing had to be written
 *             00 01 02 01                steps >> 8
 *             1c  65  01  78  78         SWITCH: flags, prio and next_prio; 101; 1; 120; 120
 *             0b  66 65                  WAKING: waker, nr and prio; 102 and 101;
 *             65  ca 01  78              101; 202; 120
 *
 * Figures: a virtual machine with 2 cores that others use too (times +-15 %), zlib 1.2.13; bytes,
 * and ns of CPU, per event, by tests/bench/trace_size.c.  Made up: pingpong (waking and switch by
 * turns, steps jitter by some hundred ns; 2.56 bytes per switch), calls (with the futex calls), 40
 * threads (in random order), locks (8 threads, next and lock at random).  Recorded: pipe (perf
 * bench sched pipe -T; 2.03 bytes per switch), hackbench (-g 10 -l 300: 401 processes; 6.4 to 7.8
 * per switch), futex (stress-ng --futex 4).
 *
 *                    pingpong   calls      40 threads  locks      pipe       hackbench  futex
 *     level 1, taken 1.28   44  1.31   54  3.17  111  3.52  147  1.35   45  3.60  120  1.30   45
 *     level 2        1.27   46  1.29   52  3.12  118  3.43  160  1.33   47  3.57  129  1.29   47
 *     level 3        1.26   47  1.28   52  3.05  151  3.29  254  1.29   57  3.54  159  1.28   60
 *     level 4        1.24   52  1.25   59  3.03  159  3.27  236  1.28   53  3.49  145  1.25   70
 *     level 5        1.23   70  1.25   73  3.04  229  3.25  383  1.26   86  3.48  227  1.24   71
 *     level 6        1.23   68  1.24   76  3.02  372  3.18  562  1.24  134  3.46  295  1.23  127
 *     huffman only   1.64   46  2.42   67  3.63   90  5.04  132
 *     run lengths    1.64   58  2.21   74  3.62  115  5.05  156
 *     no zlib        3.01   29  5.51   40  6.13   37  9.37   41  3.14   29  5.75   36  3.55   29
 *     low bytes too  1.34   75  1.36   83  3.31  123  3.66  160  1.41   55  3.68  130  1.28   62
 *     steps whole    1.51   96  1.54   74  3.36  133  3.84  153  1.60   69  3.83  177  1.38   74
 *     4096 a chunk   1.32   43  1.36   65  3.27  118  3.60  175  1.39   62  3.74  164  1.35   50
 *     8192 a chunk   1.29   48  1.32   41  3.21  107  3.55  130  1.36   43  3.65  124  1.32   58
 *     32768 a chunk  1.27   41  1.30   48  3.12  102  3.47  131  1.34   48  3.57  124  1.30   43
 *
 *     low bytes too: packed with the rest; steps whole: one varint per step, packed
 *
 * `next` guessed as the oldest thread woken and not run yet was right in 0 to 34 % of the switches
 * of recorded hackbench, sysbench and stress-ng; as it is guessed now, in 30 to 65 %; both
 * always on pipe.
 *
 * Changes: 1 is the first format.
 * 1.1: tags 20 (a label, once for each), 21 (redacted), 22 (the ids of the processes attached to),
 * 24 and 25 (ns of CPU time that recording took in the probes and beside them), 26 (ns before the
 * start that were not kept) of the run; each is left out where there is nothing to say, and a
 * reader of 1.0 passes over them. And the kinds WATCH, ACCESS and WATCH_LOCK (15 to 17), for
 * watched variables; a reader of 1.0 passes over their columns. Later WATCH_TYPE (18) for those
 * that are no signed numbers, likewise.
 */
#ifndef CT_FORMAT_H
#define CT_FORMAT_H

#include "trace_int.h"

#define CT_FORMAT_VERSION 1 /* major */
#define CT_FORMAT_MINOR 1

#define CT_FILE_MAGIC                                                                              \
	"\x89"                                                                                     \
	"ctrace\n"
#define CT_FILE_MAGIC_LEN 8
#define CT_FILE_HEADER_LEN 32

#define CT_CHUNK_MAGIC 0x6b68630au /* "\nchk" */
#define CT_CHUNK_HEADER_LEN 64

enum ct_chunk_type {
	CT_CHUNK_RUN = 1,
	CT_CHUNK_EVENTS = 2,
	CT_CHUNK_MARK = 3,
	CT_CHUNK_NAMES = 4,
	CT_CHUNK_END = 5,
};

enum ct_codec {
	CT_CODEC_PLAIN = 0,
	CT_CODEC_ZLIB = 1,
};

/* A chunk's header. */
struct ct_chunk {
	u8 type;
	u8 codec;
	u16 cpu;
	u32 raw_size;
	u32 stored_size;
	u32 cnt;
	u32 crc;
	u64 first_seq;
	ct_ns min_ts, max_ts;
	u32 idx;
};

/* The writer closes a chunk of events at whichever it reaches first. */
#define CT_CHUNK_EVENTS_MAX 16384u
#define CT_CHUNK_BYTES_MAX (256u << 10)
/* Unpacked sizes, and counts of events, beyond which a chunk is not believed. */
#define CT_RAW_EVENTS_MAX (1u << 20)
#define CT_RAW_NAMES_MAX (256u << 20)
#define CT_RAW_OTHER_MAX (1u << 20)

#define CT_WINDOW 64u	  /* events */
#define CT_VARINT_MAX 10u /* bytes */

/* Column 1 of a chunk of events. */
#define CT_KIND_BITS 0x1fu
#define CT_KIND_HAS_TID 0x20u
#define CT_KIND_HAS_MASK 0x40u
#define CT_KIND_BACKWARDS 0x80u

/* Numbers of columns. */
#define CT_COLUMNS_PER_KIND 32u
#define CT_COLUMN_LAST 0u /* ends the directory */
#define CT_COLUMN_KIND 1u
#define CT_COLUMN_TIME_LOW 2u /* never in the directory: the plain part */
#define CT_COLUMN_TIME_HIGH 3u
#define CT_COLUMN_TID 1u /* of a kind's own */

/* ---- bytes (pack.c) ---- */
struct ct_cursor {
	const u8 *at, *end;
};
void ct_buf_varint(struct ct_buf *b, u64 n);

/* Sets *bad, and gives 0, when there is none. */
static inline u64 ct_take_varint(struct ct_cursor *c, bool *bad)
{
	u64 n = 0;
	for (u32 shift = 0; c->at < c->end && shift < 64; shift += 7) {
		u8 byte = *c->at++;
		if (shift == 63 && byte > 1)
			break;
		n |= (u64)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return n;
	}
	*bad = true;
	return 0;
}

void ct_file_header_pack(u8 out[CT_FILE_HEADER_LEN]);
/* 0, -EPROTO (no trace), -EPROTONOSUPPORT (*major is newer) or -EBADMSG. */
int ct_file_header_unpack(const u8 in[CT_FILE_HEADER_LEN], u32 *major);
u32 ct_crc(const void *p, size_t size);
void ct_chunk_seal(u8 header[CT_CHUNK_HEADER_LEN]); /* sums it up; pack has done that */
void ct_chunk_pack(u8 out[CT_CHUNK_HEADER_LEN], const struct ct_chunk *c);
bool ct_chunk_unpack(const u8 in[CT_CHUNK_HEADER_LEN], struct ct_chunk *c); /* false: no header */

void ct_run__pack(const struct ct_run *run, struct ct_buf *out);
int ct_run__unpack(struct ct_run *run, const u8 *p, size_t size); /* 0 or -EBADMSG */
void ct_names__pack(const struct ct_names *names, struct ct_buf *out);
int ct_names__unpack(struct ct_names *names, const u8 *p, size_t size); /* 0 or -EBADMSG */

#endif
