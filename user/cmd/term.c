/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the question what may be written to a stream that a person reads: colours, characters beyond
 * ASCII, how wide.  The only place that asks the environment and the terminal for it.
 */
#include <langinfo.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 40
#define WIDTH_MAX 500

static bool wants_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no_color && no_color[0]) && term && term[0] && strcmp(term, "dumb");
}

static u32 find_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	long width = 0;

	if (!ioctl(fd, TIOCGWINSZ, &size))
		width = size.ws_col;
	if (!width && columns)
		width = strtol(columns, NULL, 10);
	if (width <= 0)
		return WIDTH_DEFAULT;
	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

void ct_term__report_opts(struct ct_report_opts *ro, FILE *out, bool verbose)
{
	int fd = fileno(out);

	*ro = (struct ct_report_opts){
		.colour = wants_colour(fd),
		.unicode = !strcasecmp(nl_langinfo(CODESET), "UTF-8"),
		.width = find_width(fd),
		.verbose = verbose,
	};
}
