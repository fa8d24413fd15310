/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages for the user: one line each, on stderr, in one write so that they do not tear when the
 * traced program writes to the same terminal.  A newline at the end is added here, never by the
 * caller; names in it come from anywhere, and are made harmless for the terminal.  The level is the
 * one thing that is set once, by option parsing, and read ever after.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ct_base.h"

#define LINE_SIZE 4096

/* The only mutable state of this folder: a process has one stderr. */
static enum ct_log_level log_level = CT_LOG_NORMAL;

void ct_log_set_level(enum ct_log_level level)
{
	log_level = level;
}

static void write_line(const char *prefix, const char *fmt, va_list ap)
{
	char text[LINE_SIZE], line[LINE_SIZE];
	size_t len = strlen(prefix);
	memcpy(line, prefix, len);
	vsnprintf(text, sizeof(text), fmt, ap);
	ct_fmt_safe(line + len, sizeof(line) - len - 1, text);
	len = strlen(line);
	line[len++] = '\n';
	/* Nobody is left to tell when stderr itself is gone. */
	for (size_t done = 0; done < len;) {
		ssize_t w = write(STDERR_FILENO, line + done, len - done);
		if (w <= 0)
			return;
		done += (size_t)w;
	}
}

#define WRITE_LINE(prefix, fmt)                                                                    \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		write_line(prefix, fmt, ap);                                                       \
		va_end(ap);                                                                        \
	} while (0)

void ct_error(const char *fmt, ...)
{
	WRITE_LINE("ctrace: ", fmt);
}

void ct_warn(const char *fmt, ...)
{
	if (log_level >= CT_LOG_NORMAL)
		WRITE_LINE("ctrace: warning: ", fmt);
}

void ct_info(const char *fmt, ...)
{
	if (log_level >= CT_LOG_NORMAL)
		WRITE_LINE("ctrace: ", fmt);
}

void ct_debug(const char *fmt, ...)
{
	if (log_level >= CT_LOG_VERBOSE)
		WRITE_LINE("ctrace: ", fmt);
}
