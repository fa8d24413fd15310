/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes in, script elements out: gzip, base64, elements of bounded length.  The alphabet of base64
 * has no '<', so nothing in the data can end an element.
 */
#include <errno.h>
#include <string.h>

#include "html_int.h"

#define LEVEL 6
#define GZIP (15 + 16)	       /* windowBits: the largest window, with gzip's header */
#define RAW_SIZE (48u << 10) /* a multiple of 3: base64 without padding but at the end */

static void open_element(struct ct_pack *p)
{
	fputs("<script type=\"application/octet-stream\" class=\"ct-data\">", p->out);
	p->chars = 0;
}

static void close_element(struct ct_pack *p)
{
	fputs("</script>\n", p->out);
}

/* Writes the first `len` raw bytes. */
static void write_base64(struct ct_pack *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[RAW_SIZE / 3 * 4];
	size_t cnt = 0;

	for (size_t i = 0; i < len; i += 3) {
		u32 more = (u32)(len - i);
		u32 bits = (u32)p->raw[i] << 16 | (more > 1 ? p->raw[i + 1] : 0u) << 8 |
			   (more > 2 ? p->raw[i + 2] : 0u);
		text[cnt++] = digits[bits >> 18];
		text[cnt++] = digits[bits >> 12 & 63];
		text[cnt++] = more > 1 ? digits[bits >> 6 & 63] : '=';
		text[cnt++] = more > 2 ? digits[bits & 63] : '=';
	}
	if (p->chars + cnt > CT_PACK_CHUNK) {
		close_element(p);
		open_element(p);
	}
	fwrite(text, 1, cnt, p->out);
	p->chars += cnt;
}

static void deflate_all(struct ct_pack *p, int flush)
{
	int rc;

	do {
		p->z.next_out = p->raw + p->len;
		p->z.avail_out = RAW_SIZE - (uInt)p->len;
		rc = deflate(&p->z, flush);
		p->len = RAW_SIZE - p->z.avail_out;
		if (p->len < RAW_SIZE)
			break;
		write_base64(p, p->len);
		p->len = 0;
	} while (rc == Z_OK);
	if (rc == Z_STREAM_ERROR)
		p->err = -EIO;
}

void ct_pack__begin(struct ct_pack *p, FILE *out)
{
	memset(p, 0, sizeof(*p));
	p->out = out;
	p->raw = ct_alloc(RAW_SIZE);
	if (deflateInit2(&p->z, LEVEL, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		p->err = -ENOMEM;
	open_element(p);
	ct_pack__put(p, "CTPAGE1\n", 8);
}

void ct_pack__put(struct ct_pack *p, const void *bytes, size_t len)
{
	const u8 *at = bytes;

	while (len && !p->err) {
		uInt part = len > (1u << 30) ? 1u << 30 : (uInt)len;
		p->z.next_in = (u8 *)at;
		p->z.avail_in = part;
		deflate_all(p, Z_NO_FLUSH);
		at += part;
		len -= part;
	}
}

void ct_pack__section(struct ct_pack *p, const char tag[5], const void *bytes, size_t len)
{
	u8 head[16] = { 0 };

	memcpy(head, tag, 4);
	for (u32 i = 0; i < 8; i++)
		head[8 + i] = (u8)((u64)len >> 8 * i);
	ct_pack__put(p, head, sizeof(head));
	ct_pack__put(p, bytes, len);
}

/* What the FILE met is for its owner to see. */
int ct_pack__end(struct ct_pack *p)
{
	ct_pack__section(p, "END ", NULL, 0);
	p->z.avail_in = 0;
	if (!p->err)
		deflate_all(p, Z_FINISH);
	write_base64(p, p->len);
	close_element(p);
	deflateEnd(&p->z);
	free(p->raw);
	return p->err;
}
