/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader of text traces, and all that is behind it: model, findings, report, exports.
 * What is read and written again must read as the same.
 */
#include "fuzz.h"

static char *write_text(struct ct_source *s, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	if (!out || ct_text__write(s, out) || fclose(out))
		abort();
	return text;
}

static void check_round_trip(struct ct_source *first)
{
	static struct fuzz_file file = { .fd = -1 };
	struct ct_source *second;
	size_t a_size, b_size;
	char *a = write_text(first, &a_size), *b, *why = NULL;

	fuzz_put(&file, a, a_size);
	if (ct_source__open(&second, file.path, &why)) {
		fprintf(stderr, "written, and refused: %s\n", why);
		abort();
	}
	b = write_text(second, &b_size);
	if (a_size != b_size || memcmp(a, b, a_size)) {
		fprintf(stderr, "first:\n%s\nsecond:\n%s\n", a, b);
		abort();
	}
	ct_source__free(second);
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file = { .fd = -1 };
	struct ct_source *s;
	char *why = NULL;
	struct ct_buf text = { 0 };

	ct_buf_put(&text, "#   \n", 5); /* it looks like a text */
	ct_buf_put(&text, data, size);
	fuzz_put(&file, text.at, text.len);
	ct_buf_free(&text);
	if (ct_source__open(&s, file.path, &why)) {
		free(why);
		return 0;
	}
	if (fuzz_read_events(s)) {
		ct_source__rewind(s);
		check_round_trip(s);
		ct_source__rewind(s);
		fuzz_export(s, (u32)size);
	}
	ct_source__free(s);
	return 0;
}
