/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader of trace files with bytes as they are: headers, sums, sizes, cut ends.  Sums
 * keep most inputs from the payloads, which fuzz_trace.c goes into.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file = { .fd = -1 };
	struct ct_source *s;
	char *why = NULL;

	fuzz_put(&file, data, size);
	if (ct_source__open(&s, file.path, &why)) {
		if (!why)
			abort(); /* it must say what is wrong */
		free(why);
		return 0;
	}
	fuzz_read_events(s);
	ct_source__damage(s);
	ct_source__free(s);
	return 0;
}
