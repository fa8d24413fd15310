/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of exporters: what `ctrace export -f` knows, in the order that --help shows.  A new
 * format is one file that writes it and one line here; nothing else names a format.
 */
#include <string.h>

#include "export_int.h"

static int write_text(const struct ct_export_in *in, FILE *out)
{
	return ct_text__write(in->source, out);
}

const struct ct_exporter ct_exporters[] = {
	{ "json", ".json", "summary of the run, its threads, locks and waits", ct_json__write },
	{ "csv", ".csv", "a row for each state of each thread, for spreadsheets", ct_csv__write },
	{ "perfetto", ".pftrace", "a trace for Perfetto's viewer and its SQL", ct_perfetto__write },
	{ "folded", ".folded", "time by stack, on and off the CPU, for flame graphs",
		ct_folded__write },
	{ "speedscope", ".speedscope.json", "the same, thread by thread and in order",
		ct_speedscope__write },
	{ "openmetrics", ".om", "figures of the run, for Prometheus", ct_openmetrics__write },
	{ "text", ".ctt", "a line for each event; ctrace reads it back", write_text },
	{ "html", ".html", "one page for a browser: verdict, timeline, tables", ct_html__write },
	{ NULL, NULL, NULL, NULL },
};

const struct ct_exporter *ct_exporter__find(const char *name)
{
	for (const struct ct_exporter *e = ct_exporters; e->name; e++) {
		if (strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}
