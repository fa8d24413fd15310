/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share: bytes as a file that has a path, a place where all output goes, and the
 * way of a trace through everything that reads one.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ct_export.h"
#include "ct_trace.h"

/* libFuzzer's; declared here because it has no header for C. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

#define FUZZ_EVENTS_MAX 20000u /* of one input: a gap may stand for many, and time is short */

struct fuzz_file {
	int fd; /* -1: not made yet */
	char path[48];
};

/* Makes these bytes the file's whole content. */
static inline void fuzz_put(struct fuzz_file *f, const void *data, size_t size)
{
	if (f->fd < 0) {
		f->fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	}
	if (ftruncate(f->fd, 0) || pwrite(f->fd, data, size, 0) != (ssize_t)size)
		abort();
}

static ssize_t fuzz_swallow(void *cookie, const char *bytes, size_t size)
{
	return (ssize_t)size;
}

/* Takes everything and keeps nothing. */
static inline FILE *fuzz_sink(void)
{
	cookie_io_functions_t io = { .write = fuzz_swallow };
	FILE *out = fopencookie(NULL, "w", io);

	if (!out)
		abort();
	return out;
}

/* Every event, in order; false: there are too many of them to go on. */
static inline bool fuzz_read_events(struct ct_source *s)
{
	const struct ct_event *ev;
	ct_ns last = 0;
	u32 cnt = 0;

	while ((ev = ct_source__next(s)) && cnt++ < FUZZ_EVENTS_MAX) {
		if (ev->hdr.ts < last || !ct_kind_size(ev->hdr.kind))
			abort(); /* the reader's promises */
		last = ev->hdr.ts;
	}
	return !ev;
}

/* Model, findings, and one of the report and the exports: which, the input decides, so that one
 * input does not cost as much as all of them. */
static inline void fuzz_export(struct ct_source *s, u32 which)
{
	struct ct_report_opts opts = { .unicode = true, .width = 100, .verbose = true };
	struct ct_model *m = ct_model__build(s, ct_source__names(s));
	struct ct_facts facts;
	const struct ct_export_in in = { .facts = &facts, .source = s };
	const struct ct_exporter *e = ct_exporters;
	FILE *out = fuzz_sink();
	u32 cnt = 1;

	ct_facts__compute(&facts, m);
	while (e[cnt - 1].name)
		cnt++;
	which %= cnt; /* one more than there are exporters: the report */
	if (e[which].name)
		e[which].write(&in, out);
	else
		ct_report__write(&facts, &opts, out);
	fclose(out);
	ct_facts__clear(&facts);
	ct_model__free(m);
}

#endif
