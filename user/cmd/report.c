/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `ctrace report TRACE`: the report of a recorded trace, as text or JSON, on standard output.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cmd/cmd.h"

static int write_report(const struct ct_study *l, const struct ct_opts *opts)
{
	struct ct_export_in in = { .facts = &l->facts, .source = l->source };
	struct ct_report_opts ro;

	if (opts->json)
		return ct_export__json(opts, &in, opts->trace, stdout);
	if (opts->quiet)
		return 0;
	ct_term__report_opts(&ro, stdout, opts->verbose);
	return ct_report__write(&l->facts, &ro, stdout);
}

int ct_cmd_report(const struct ct_opts *opts)
{
	const struct ct_traces traces = { &opts->trace, 1 };
	struct ct_opened opened = { 0 };
	struct ct_study l;
	int err, code;

	signal(SIGPIPE, SIG_DFL); /* `| head`: end quietly, whatever our caller had set */
	err = ct_opened__begin(&opened, &traces, opts->json_file, NULL);
	err = err ? err : ct_study__open(&l, &opened, opts->trace);
	ct_opened__end(&opened);
	if (err)
		return CT_EXIT_FAILED;
	err = write_report(&l, opts);
	if (!err && fflush(stdout))
		err = -errno;
	if (err && err != -ECANCELED)
		ct_error("cannot write the report: %s", strerror(-err));
	code = ct_fail_on__judge(opts, &l.facts);
	ct_study__close(&l);
	return err ? CT_EXIT_FAILED : code;
}
