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

#define CT_PACK_CHUNK (1u << 20)	  /* characters of base64 in one element */
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
static inline u64 zigzag(u64 now, u64 before)
{
	u64 step = now - before;

	return step << 1 ^ -(step >> 63);
}

/* ---- html.c ---- */
/* The viewer up to its data, and from there on; -ENOSYS: it is not built in, and that was said. */
int ct_html__begin(FILE *out);
void ct_html__end(FILE *out);
int ct_html__json(struct ct_pack *p, const char tag[5], json_t *value); /* and frees it */
/* META, OVER and the columns. */
int ct_html__run(struct ct_pack *p, const struct ct_export_in *in);

/* ---- html_columns.c ---- */
u64 ct_html__slice_cnt(const struct ct_model *m);
void ct_html__columns(struct ct_pack *p, const struct ct_facts *facts);
/* To columns that are being made. */
void ct_html__number(struct ct_buf *b, u64 n);
void ct_html__byte(struct ct_buf *b, u8 byte);
void ct_html__index(struct ct_buf *b, u32 index);
void ct_html__syscall(struct ct_buf *b, u16 nr);
/* 0, none, when the trace names a stack that it does not have. */
void ct_html__stack(struct ct_buf *b, const struct ct_model *m, u32 stack);
ct_ns ct_html__since_start(const struct ct_model *m, ct_ns t);
/* A section of what is in the buffer, which is empty then. */
void ct_html__emit(struct ct_pack *p, const char tag[5], struct ct_buf *b);

/* ---- html_threads.c ---- */
void ct_html__threads(struct ct_pack *p, const struct ct_model *m);
/* By index in the model: the number of the wait in the page; free() it. */
u32 *ct_html__wait_numbers(const struct ct_model *m);

/* ---- html_overview.c ---- */
/* Right after META; nothing for a short trace. */
void ct_html__overview(struct ct_pack *p, const struct ct_model *m);

/* ---- html_meta.c ---- */
json_t *ct_html__meta(const struct ct_export_in *in);
json_t *ct_html__text(const char *s); /* any bytes; what is no UTF-8 becomes "\xNN" */

/* ---- html_touches.c ---- */
void ct_html__watched(json_t *meta, const struct ct_facts *facts); /* adds two keys */
void ct_html__touches(struct ct_pack *p, const struct ct_facts *facts);

/* ---- html_source.c ---- */
/* Lines of source around what the findings and locks point at, as far as the calling user may read
 * them; none of a trace that comes from elsewhere. */
json_t *ct_html__sources(const struct ct_export_in *in);

/* ---- json.c ---- */
json_t *ct_json__summary(const struct ct_export_in *in);

#endif
