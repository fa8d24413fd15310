/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes what is inside the chunks of a trace file, and all that is behind the reader: model,
 * findings, report, exports.  An input is a file whose sums, sizes and numbers of chunks are made
 * right before it is read, so that a changed byte is not just a wrong sum: a chunk begins where its
 * magic stands and ends where the next one does.
 */
#include "fuzz.h"
#include "trace/format.h"

static const u8 magic[4] = { CT_CHUNK_MAGIC & 0xff, CT_CHUNK_MAGIC >> 8 & 0xff,
	CT_CHUNK_MAGIC >> 16 & 0xff, CT_CHUNK_MAGIC >> 24 };

/* A chunk of `size` bytes, header included, made whole. */
static void mend_chunk(struct ct_buf *out, const u8 *at, size_t size, u32 idx)
{
	u8 header[CT_CHUNK_HEADER_LEN], sealed[CT_CHUNK_HEADER_LEN];
	struct ct_chunk c;
	u32 plain;

	memcpy(header, at, sizeof(header));
	ct_chunk_seal(header);
	if (!ct_chunk_unpack(header, &c))
		return;
	c.stored_size = (u32)(size - sizeof(header));
	c.idx = idx;
	if (c.type == CT_CHUNK_EVENTS && c.cnt > c.stored_size)
		c.cnt = c.stored_size / 2;
	plain = c.type == CT_CHUNK_EVENTS ? c.cnt : 0;
	if (c.codec == CT_CODEC_PLAIN)
		c.raw_size = c.stored_size - plain;
	c.crc = ct_crc(at + sizeof(header), c.stored_size);
	ct_chunk_pack(sealed, &c);
	ct_buf_put(out, sealed, sizeof(sealed));
	ct_buf_put(out, at + sizeof(header), c.stored_size);
}

static void mend_file(struct ct_buf *out, const u8 *data, size_t size)
{
	u8 header[CT_FILE_HEADER_LEN];
	const u8 *end = data + size;
	const u8 *at = memmem(data, size, magic, sizeof(magic)), *next;
	u32 idx = 0;

	ct_file_header_pack(header);
	ct_buf_put(out, header, sizeof(header));
	for (; at; at = next) {
		next = memmem(at + 1, (size_t)(end - at - 1), magic, sizeof(magic));
		if ((next ? next : end) - at >= CT_CHUNK_HEADER_LEN)
			mend_chunk(out, at, (size_t)((next ? next : end) - at), idx++);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file = { .fd = -1 };
	struct ct_buf mended = { 0 };
	struct ct_source *s;
	char *why = NULL;

	mend_file(&mended, data, size);
	fuzz_put(&file, mended.at, mended.len);
	ct_buf_free(&mended);
	if (ct_source__open(&s, file.path, &why)) {
		free(why);
		return 0;
	}
	if (fuzz_read_events(s)) {
		ct_source__rewind(s);
		ct_source__damage(s);
		fuzz_export(s, (u32)size);
	}
	ct_source__free(s);
	return 0;
}
