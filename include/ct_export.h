/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exporters: facts in, bytes out. One table, read by `ctrace export`, its --help and the
 * README. An exporter writes to the FILE it is given and does no arithmetic beyond formatting; same
 * trace, same bytes, whatever the locale, time zone or machine.
 */
#ifndef CT_EXPORT_H
#define CT_EXPORT_H

#include <stdio.h>
#include "ct_findings.h"

struct ct_export_in {
	const struct ct_facts *facts;
	/* for exporters that want the events themselves; rewound by them */
	struct ct_source *source;
};

struct ct_exporter {
	const char *name;   /* of -f */
	const char *suffix; /* of the default output file: ".json" */
	const char *meaning;
	int (*write)(const struct ct_export_in *in, FILE *out); /* 0 or -errno (ferror) */
};
extern const struct ct_exporter ct_exporters[]; /* ends with name == NULL */
const struct ct_exporter *ct_exporter__find(const char *name); /* NULL: no such format */
/* Was the page's viewer built into this ctrace?  Else "html" can only say so. */
bool ct_html__present(void);

/* The report that people read. */
struct ct_report_opts {
	bool colour;
	bool unicode; /* block characters for the bars; else ASCII */
	u32 width;    /* columns; 0: 80 */
	bool verbose;
};
int ct_report__write(const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out);
/* Of it, only who waits for ever; nothing when nobody does. */
int ct_report__write_hangs(
	const struct ct_facts *facts, const struct ct_report_opts *opts, FILE *out);

#endif
