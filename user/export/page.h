/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of at most `width` display columns on a FILE, with colours and column stops.
 *
 * Text goes in from left to right; what does not fit is cut, so no caller can make a line too wide.
 * Gaps are written only when something follows them: no line ends with a space.  Columns are
 * counted as a terminal shows them (a wide character takes two, a combining one none), without a
 * locale.
 */
#ifndef CT_PAGE_H
#define CT_PAGE_H

#include "export_int.h"

enum ct_ink { /* meanings; page.c gives them their colours */
	CT_INK_PLAIN,
	CT_INK_STRONG, /* headings */
	CT_INK_DIM,
	CT_INK_WARN,
	CT_INK_GREEN,
	CT_INK_ORANGE,
	CT_INK_VERMILLION,
	CT_INK_PURPLE,
	CT_INK_YELLOW,
	CT_INK_BLUE,
	CT_INK_SKY,
	CT_INK_GREY,
	CT_INKS
};

struct ct_page {
	FILE *out;
	bool colour, unicode;
	u32 width;
	u32 column; /* of the next character, gap included */
	u32 gap;    /* columns skipped and not written yet */
};

u32 ct_columns(const char *s); /* display columns of valid UTF-8 without control characters */
/* Length in bytes of the longest start of s that takes at most `columns`. */
size_t ct_columns_fit(const char *s, u32 columns);

/* `filled` colours the background. */
void ct_page__ink(struct ct_page *p, enum ct_ink ink, bool filled, const char *s);
void ct_page__put(struct ct_page *p, const char *s);
void ct_page__printf(struct ct_page *p, const char *fmt, ...) CT_PRINTF(2, 3);
void ct_page__stop(struct ct_page *p, u32 column); /* go on at this column, if not yet past it */
void ct_page__right(struct ct_page *p, u32 column, const char *s); /* s ends before this column */
void ct_page__end(struct ct_page *p);
/* `part` of `whole` as a bar, the whole being so many columns; what is not nothing shows. */
void ct_page__bar(struct ct_page *p, u64 part, u64 whole, u32 columns);
/* Words of s from here on; lines after the first start at column `indent`. */
void ct_page__words(struct ct_page *p, u32 indent, enum ct_ink ink, const char *s);
/* The same in plain ink.  Ends the line. */
void ct_page__wrap(struct ct_page *p, u32 indent, const char *s);
/* Text from outside, harmless, in the page's characters; free() it. */
char *ct_page__safe(const struct ct_page *p, const char *s);
/* s cut in place to `columns`, with an ellipsis at its end where one fits. */
void ct_page__shorten(const struct ct_page *p, char *s, u32 columns);
/* The same from its start: the end of `long_file.c:42` is what counts.  s has room for the mark. */
void ct_page__shorten_start(const struct ct_page *p, char *s, u32 columns);

#endif
