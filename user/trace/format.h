/* SPDX-License-Identifier: BSD-2-Clause */
/* (layout comment to be written below) */
#ifndef CT_FORMAT_H
#define CT_FORMAT_H

#include "trace_int.h"

#define CT_FORMAT_VERSION 1 /* major: a reader of an older one refuses */
#define CT_FORMAT_MINOR 0   /* what an older reader may pass over */

#define CT_FILE_MAGIC "\x89" "ctrace\n"
#define CT_FILE_MAGIC_LEN 8
#define CT_FILE_HEADER_LEN 32

#define CT_CHUNK_MAGIC 0x6b68630aul /* "\nchk" */
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

#define CT_CHUNK_EVENTS_MAX 16384u
#define CT_CHUNK_BYTES_MAX (256u << 10)
#define CT_RAW_EVENTS_MAX (1u << 20)
#define CT_RAW_NAMES_MAX (256u << 20)
#define CT_RAW_OTHER_MAX (1u << 20)

#define CT_WINDOW 64u
#define CT_VARINT_MAX 10u

#define CT_KIND_BITS 0x1fu
#define CT_KIND_HAS_TID 0x20u
#define CT_KIND_HAS_MASK 0x40u
#define CT_KIND_BACKWARDS 0x80u

#define CT_COLUMNS_PER_KIND 32u
#define CT_COLUMN_LAST 0u
#define CT_COLUMN_KIND 1u
#define CT_COLUMN_TIME_LOW 2u
#define CT_COLUMN_TIME_HIGH 3u
#define CT_COLUMN_TID 1u

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
