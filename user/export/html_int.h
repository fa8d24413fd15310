/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the page: one file of HTML with the viewer and the data of one trace (html.c).
 *
 * The data is a stream of sections, gzipped, in base64, in script elements of at most
 * CT_PACK_CHUNK characters (a browser silently empties one that is very long).  The stream:
 *
 *     "CTPAGE1\n"   then sections, then the section "END " of length 0
 *     section       tag: 4 bytes of ASCII, u32 zero, length: u64 little endian, then the bytes
 *
 * A reader skips tags it does not know, so new kinds of data can be added; gzip's own checksum
 * tells of anything missing.  html_columns.c and html_touches.c list the tags of the columns; META
 * is JSON (html_meta.c).
 */
#ifndef CT_HTML_INT_H
#define CT_HTML_INT_H

#include <jansson.h>
#include <zlib.h>

#include "export_int.h"

#define CT_PACK_CHUNK (8u << 20)	  /* characters of base64 in one element */
#define CT_HTML_SLICES_MAX 60000000u /* more than a browser can hold */

/* ---- html_pack.c ---- */
struct ct_pack {
	FILE *out;
	z_stream z;
	u8 *raw;     /* compressed bytes that are not written yet: whole triples, for base64 */
	size_t len;
	size_t chars; /* in the element that is open */
	int err;
};
void ct_pack__begin(struct ct_pack *p, FILE *out);
void ct_pack__put(struct ct_pack *p, const void *bytes, size_t len);
void ct_pack__section(struct ct_pack *p, const char tag[5], const void *bytes, size_t len);
int ct_pack__end(struct ct_pack *p); /* 0 or -errno */

/* ---- numbers of a column: see html_columns.c ---- */
static inline void put_number(struct ct_buf *b, u64 n)
{
	ct_buf_reserve(b, 10);
	while (n > 127) {
		b->at[b->len++] = (u8)(n | 128);
		n >>= 7;
	}
	b->at[b->len++] = (u8)n;
}

static inline void put_byte(struct ct_buf *b, u8 byte)
{
	ct_buf_reserve(b, 1);
	b->at[b->len++] = byte;
}

static inline void put_index(struct ct_buf *b, u32 index)
{
	put_number(b, index == CT_NONE ? 0 : (u64)index + 1);
}

static inline u64 zigzag(u64 now, u64 before)
{
	i64 step = (i64)(now - before);

	return (u64)step << 1 ^ (u64)(step >> 63);
}

/* A section and an empty buffer again. */
static inline void emit(struct ct_pack *p, const char tag[5], struct ct_buf *b)
{
	ct_pack__section(p, tag, b->at, b->len);
	b->len = 0;
}

static inline ct_ns since_start(const struct ct_model *m, ct_ns t)
{
	return t > m->start_ns ? t - m->start_ns : 0;
}

/* ---- html_columns.c ---- */
u64 ct_html__slice_cnt(const struct ct_model *m);
void ct_html__columns(struct ct_pack *p, const struct ct_facts *facts);

/* ---- html_meta.c ---- */
json_t *ct_html__meta(const struct ct_export_in *in);
json_t *ct_html__text(const char *s); /* any bytes; what is no UTF-8 becomes "\xNN" */

/* ---- html_touches.c ---- */
void ct_html__watched(json_t *meta, const struct ct_facts *facts); /* adds two keys */
void ct_html__touches(struct ct_pack *p, const struct ct_facts *facts);

/* ---- html_source.c ---- */
/* Lines of source around what the findings and locks point at, as far as the calling user may read
 * them. */
json_t *ct_html__sources(const struct ct_facts *facts);

/* ---- json.c ---- */
json_t *ct_json__summary(const struct ct_export_in *in);

#endif
