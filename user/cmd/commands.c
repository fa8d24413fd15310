/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the command table: what the first word of the command line may be, and what --help says of
 * it. A new command is a row here, a function in cmd.h and an id in cli.h.
 */
#include <string.h>

#include "cmd/cmd.h"

const struct ct_command_row ct_commands[] = {
	{ CT_CMD_RUN, NULL, ct_cmd_run, "[OPTIONS] [--] PROGRAM [ARGS...]",
		"record a program, report", NULL },
	{ CT_CMD_RUN, NULL, ct_cmd_run, "[OPTIONS] -p PID[,PID...]", "record what runs already",
		NULL },
	{ CT_CMD_REPORT, "report", ct_cmd_report, "report [OPTIONS] TRACE",
		"the report of a trace again", NULL },
	{ CT_CMD_EXPORT, "export", ct_cmd_export, "export TRACE -f FORMAT [-o FILE]",
		"a trace in another form", ct_export_help },
	{ CT_CMD_VIEW, "view", ct_cmd_view, "view TRACE [-o FILE]",
		"its page, in the browser", ct_view_help },
	{ CT_CMD_DIFF, "diff", ct_cmd_diff, "diff A B", "what differs between two runs",
		ct_diff_help },
	{ CT_CMD_CHECK, "check", ct_cmd_check, "check TRACE... --rule RULE",
		"how runs stand against rules", ct_check_help },
	{ CT_CMD_WHY, "why", ct_cmd_why, "why PID", "what a hung program waits for",
		ct_why_help },
	{ CT_CMD_DEMO, "demo", ct_cmd_demo, "demo [OPTIONS] [NAME [VARIANT]]",
		"the list of demos, or runs one", ct_demo_help },
	{ CT_CMD_DOCTOR, "doctor", ct_cmd_doctor, "doctor", "what this machine can record", NULL },
	{ 0 },
};

const struct ct_command_row *ct_command__row(enum ct_command command)
{
	for (const struct ct_command_row *row = ct_commands; row->usage; row++)
		if (row->command == command)
			return row;
	return NULL;
}

const struct ct_command_row *ct_command__find(const char *name)
{
	for (const struct ct_command_row *row = ct_commands; row->usage; row++)
		if (row->name && !strcmp(row->name, name))
			return row;
	return NULL;
}
