/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the entry of the process: standard descriptors, locale, the words of the command line, which
 * command, the exit code.  Traces nothing itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "version.h"

/* A descriptor that the caller closed must not become that of a trace, which a message would then
 * be written into.  Closed again at exec: the program finds what the caller left. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
			_exit(CT_EXIT_FAILED);
}

/* A set-user-id copy would run anybody's program with its owner's rights.  File capabilities, which
 * change no id, are how a group may record. */
static bool is_set_id(void)
{
	return getauxval(AT_SECURE) && (geteuid() != getuid() || getegid() != getgid());
}

static int finish_stdout(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	ct_error("cannot write to standard output: %s", strerror(errno));
	return CT_EXIT_FAILED;
}

static int run_command(const struct ct_opts *opts)
{
	switch (opts->command) {
	case CT_CMD_HELP:
		ct_cli__help(stdout, opts->topic);
		return finish_stdout();
	case CT_CMD_VERSION:
		printf("ctrace %s\n", CT_VERSION);
		return finish_stdout();
	case CT_CMD_USAGE:
		ct_cli__usage(stderr);
		return CT_EXIT_FAILED;
	default:
		return ct_command__row(opts->command)->run(opts);
	}
}

int main(int argc, char **argv)
{
	struct ct_opts opts;
	char *why;
	int code = CT_EXIT_FAILED;

	fill_standard_descriptors();
	if (is_set_id()) {
		ct_error("it is set-user-id or set-group-id, and would lend these rights to any "
			 "program; take that away (chmod ug-s), and see 'Security' in the README");
		return CT_EXIT_FAILED;
	}
	setlocale(LC_CTYPE, ""); /* for the character set alone: figures are the same everywhere */
	if (ct_cli__parse(&opts, argc, argv, &why)) {
		ct_error("%s", why);
		free(why);
	} else {
		if (opts.quiet)
			ct_log_set_level(CT_LOG_QUIET);
		else if (opts.verbose)
			ct_log_set_level(CT_LOG_VERBOSE);
		code = run_command(&opts);
	}
	ct_cli__clear(&opts);
	return code;
}
