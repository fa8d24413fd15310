/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seed TRACE FILE: writes a trace, text or not, as a trace file whose chunks are not packed, to
 * begin the fuzzing of payloads with (fuzz_trace.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "trace/format.h"

static void write_events(struct ct_writer *w, struct ct_source *s)
{
	const struct ct_event *ev;
	struct ct_buf record = { 0 };

	while ((ev = ct_source__next(s))) {
		struct ct_hdr hdr = ev->hdr;

		record.len = 0;
		hdr.words = (u16)((sizeof(hdr) + ct_kind_size(hdr.kind)) / 8);
		ct_buf_put(&record, &hdr, sizeof(hdr));
		ct_buf_put(&record, &ev->task_new, ct_kind_size(hdr.kind));
		ct_writer__records(w, ev->cpu, record.at, record.len);
	}
	ct_buf_free(&record);
}

static void write_chunk(FILE *out, struct ct_chunk *c, const u8 *payload)
{
	u32 plain = c->type == CT_CHUNK_EVENTS ? c->cnt : 0;
	u8 *raw = ct_alloc(c->raw_size + 1), header[CT_CHUNK_HEADER_LEN];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)payload + plain,
		.avail_in = c->stored_size - plain, .next_out = raw, .avail_out = c->raw_size };

	if (c->codec == CT_CODEC_ZLIB) {
		inflateInit2(&z, -MAX_WBITS);
		inflate(&z, Z_FINISH);
		inflateEnd(&z);
	} else {
		memcpy(raw, payload + plain, c->raw_size);
	}
	c->codec = CT_CODEC_PLAIN;
	c->stored_size = plain + c->raw_size;
	ct_chunk_pack(header, c); /* the sum of the payload is the fuzzer's to make */
	fwrite(header, 1, sizeof(header), out);
	fwrite(payload, 1, plain, out);
	fwrite(raw, 1, c->raw_size, out);
	free(raw);
}

int main(int argc, char **argv)
{
	int fd = memfd_create("seed", 0);
	FILE *out = argc == 3 ? fopen(argv[2], "w") : NULL;
	struct ct_source *s;
	struct ct_writer *w;
	struct ct_chunk c;
	const u8 *bytes;
	size_t size, at = CT_FILE_HEADER_LEN;

	if (!out || ct_source__open(&s, argv[1], NULL))
		return 1;
	ct_writer__new(&w, fd, ct_source__run(s));
	write_events(w, s);
	ct_writer__finish(w, ct_source__run(s), ct_source__names(s));
	size = ct_writer__bytes(w);
	bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	fwrite(bytes, 1, at, out);
	while (at < size && ct_chunk_unpack(bytes + at, &c)) {
		struct ct_chunk copy = c;

		write_chunk(out, &copy, bytes + at + CT_CHUNK_HEADER_LEN);
		at += CT_CHUNK_HEADER_LEN + c.stored_size;
	}
	ct_writer__free(w);
	ct_source__free(s);
	return fclose(out) != 0;
}
