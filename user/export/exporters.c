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

/* A stack, a space, a number: the format has no room for a sign. */
static bool like_folded(const char *head, size_t len)
{
	const char *end = memchr(head, '\n', len), *at = end ? end : head + len;
	const char *digits = at;

	while (at > head && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return at < digits && at > head && at[-1] == ' ' && memchr(head, ';', at - head);
}

/* A packet (field 1 of a trace) with a snapshot of clocks (field 6) first. */
static bool like_perfetto(const char *head, size_t len)
{
	return len > 3 && head[0] == 0x0a && !(head[1] & 0x80) && head[2] == 0x32;
}

const struct ct_exporter ct_exporters[] = {
	{ "json", ".json", "summary of the run, its threads, locks and waits", ct_json__write,
		.sign = "{\n \"schema\": " },
	{ "csv", ".csv", "a row for each state of each thread, for spreadsheets", ct_csv__write,
		.sign = "tid,pid,name,start_ns,duration_ns,state," },
	{ "perfetto", ".pftrace", "a trace for Perfetto's viewer and its SQL", ct_perfetto__write,
		.like = like_perfetto },
	{ "folded", ".folded", "time by stack, on and off the CPU, for flame graphs",
		ct_folded__write, .like = like_folded },
	{ "speedscope", ".speedscope.json", "the same, thread by thread and in order",
		ct_speedscope__write, .sign = "\n\"exporter\":\"ctrace " },
	{ "openmetrics", ".om", "figures of the run, for Prometheus", ct_openmetrics__write,
		.sign = "# TYPE ctrace_run info" },
	{ "text", ".ctt", "a line for each event; ctrace reads it back", write_text,
		.sign = "# ctrace text trace " },
	{ "html", ".html", "one page for a browser: verdict, timeline, tables", ct_html__write,
		.sign = "<meta name=\"generator\" content=\"ctrace\">" },
	{ 0 },
};

bool ct_exporter__wrote(const struct ct_exporter *e, const char *head, size_t len)
{
	return e->sign ? memmem(head, len, e->sign, strlen(e->sign)) != NULL : e->like(head, len);
}

const struct ct_exporter *ct_exporter__find(const char *name)
{
	for (const struct ct_exporter *e = ct_exporters; e->name; e++) {
		if (strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}
