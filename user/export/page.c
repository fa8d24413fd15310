/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See page.h.  Colours are the eight of Okabe and Ito, which people with any kind of colour vision
 * tell apart, as the nearest of the 256 that terminals have; each is also a background with dark
 * letters.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "page.h"

struct range {
	u32 first, last;
};

/* What takes no column: combining marks, joiners, variation selectors. */
static const struct range zero_wide[] = {
	{ 0x00ad, 0x00ad },   { 0x0300, 0x036f },   { 0x0483, 0x0489 },	  { 0x0591, 0x05bd },
	{ 0x05bf, 0x05bf },   { 0x05c1, 0x05c2 },   { 0x05c4, 0x05c5 },	  { 0x0610, 0x061a },
	{ 0x064b, 0x065f },   { 0x0670, 0x0670 },   { 0x06d6, 0x06dc },	  { 0x06df, 0x06e4 },
	{ 0x0900, 0x0902 },   { 0x093a, 0x093a },   { 0x093c, 0x093c },	  { 0x0941, 0x0948 },
	{ 0x094d, 0x094d },   { 0x0e31, 0x0e31 },   { 0x0e34, 0x0e3a },	  { 0x0e47, 0x0e4e },
	{ 0x1ab0, 0x1aff },   { 0x1dc0, 0x1dff },   { 0x200b, 0x200f },	  { 0x2028, 0x202e },
	{ 0x2060, 0x2064 },   { 0x20d0, 0x20f0 },   { 0x302a, 0x302d },	  { 0x3099, 0x309a },
	{ 0xfe00, 0xfe0f },   { 0xfe20, 0xfe2f },   { 0xfeff, 0xfeff },	  { 0xe0100, 0xe01ef },
};

/* What takes two: East Asian wide and full-width characters, pictographs. */
static const struct range two_wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },	  { 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 },   { 0x23f3, 0x23f3 },   { 0x25fd, 0x25fe },	  { 0x2614, 0x2615 },
	{ 0x2648, 0x2653 },   { 0x267f, 0x267f },   { 0x2693, 0x2693 },	  { 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab },   { 0x26bd, 0x26be },   { 0x26c4, 0x26c5 },	  { 0x26ce, 0x26ce },
	{ 0x26d4, 0x26d4 },   { 0x26ea, 0x26ea },   { 0x26f2, 0x26f3 },	  { 0x26f5, 0x26f5 },
	{ 0x26fa, 0x26fa },   { 0x26fd, 0x26fd },   { 0x2705, 0x2705 },	  { 0x270a, 0x270b },
	{ 0x2728, 0x2728 },   { 0x274c, 0x274c },   { 0x274e, 0x274e },	  { 0x2753, 0x2755 },
	{ 0x2757, 0x2757 },   { 0x2795, 0x2797 },   { 0x27b0, 0x27b0 },	  { 0x27bf, 0x27bf },
	{ 0x2b1b, 0x2b1c },   { 0x2b50, 0x2b50 },   { 0x2b55, 0x2b55 },	  { 0x2e80, 0x303e },
	{ 0x3041, 0x33ff },   { 0x3400, 0x4dbf },   { 0x4e00, 0xa4cf },	  { 0xa960, 0xa97c },
	{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe10, 0xfe19 },	  { 0xfe30, 0xfe6b },
	{ 0xff01, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x16fe0, 0x18aff }, { 0x1b000, 0x1b2ff },
	{ 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a },
	{ 0x1f200, 0x1f320 }, { 0x1f32d, 0x1f335 }, { 0x1f337, 0x1f37c }, { 0x1f37e, 0x1f393 },
	{ 0x1f3a0, 0x1f3ca }, { 0x1f3cf, 0x1f3d3 }, { 0x1f3e0, 0x1f3f0 }, { 0x1f3f4, 0x1f3f4 },
	{ 0x1f3f8, 0x1f43e }, { 0x1f440, 0x1f440 }, { 0x1f442, 0x1f4fc }, { 0x1f4ff, 0x1f53d },
	{ 0x1f54b, 0x1f567 }, { 0x1f57a, 0x1f57a }, { 0x1f595, 0x1f596 }, { 0x1f5a4, 0x1f5a4 },
	{ 0x1f5fb, 0x1f64f }, { 0x1f680, 0x1f6c5 }, { 0x1f6cc, 0x1f6cc }, { 0x1f6d0, 0x1f6d2 },
	{ 0x1f6d5, 0x1f6df }, { 0x1f6eb, 0x1f6ec }, { 0x1f6f4, 0x1f6fc }, { 0x1f7e0, 0x1f7eb },
	{ 0x1f90c, 0x1f93a }, { 0x1f93c, 0x1f945 }, { 0x1f947, 0x1f9ff }, { 0x1fa70, 0x1faff },
	{ 0x20000, 0x3fffd },
};

static bool in_ranges(const struct range *ranges, u32 cnt, u32 code)
{
	while (cnt) {
		u32 middle = cnt / 2;
		if (code < ranges[middle].first)
			cnt = middle;
		else if (code <= ranges[middle].last)
			return true;
		else
			ranges += middle + 1, cnt -= middle + 1;
	}
	return false;
}

static u32 code_columns(u32 code)
{
	if (code < 0x300)
		return code != 0xad;
	if (in_ranges(zero_wide, CT_COUNT(zero_wide), code))
		return 0;
	return in_ranges(two_wide, CT_COUNT(two_wide), code) ? 2 : 1;
}

size_t ct_columns_fit(const char *s, u32 columns)
{
	const char *at = s;
	while (*at) {
		u32 code;
		u32 len = ct_utf8_decode(at, &code);
		u32 wide = len ? code_columns(code) : 1;
		if (wide > columns)
			break;
		columns -= wide;
		at += len ? len : 1;
	}
	return (size_t)(at - s);
}

u32 ct_columns(const char *s)
{
	u32 columns = 0;
	while (*s) {
		u32 code;
		u32 len = ct_utf8_decode(s, &code);
		columns += len ? code_columns(code) : 1;
		s += len ? len : 1;
	}
	return columns;
}

/* SGR parameters; the first of a pair for letters, the second for a filled cell. */
static const char *const inks[CT_INKS][2] = {
	[CT_INK_PLAIN] = { "", "" },
	[CT_INK_STRONG] = { "1", "1" },
	[CT_INK_DIM] = { "2", "2" },
	[CT_INK_WARN] = { "1;38;5;166", "1;38;5;166" },
	[CT_INK_GREEN] = { "38;5;36", "48;5;36;38;5;16" },
	[CT_INK_ORANGE] = { "38;5;178", "48;5;178;38;5;16" },
	[CT_INK_VERMILLION] = { "38;5;166", "48;5;166;38;5;16" },
	[CT_INK_PURPLE] = { "38;5;175", "48;5;175;38;5;16" },
	[CT_INK_YELLOW] = { "38;5;227", "48;5;227;38;5;16" },
	[CT_INK_BLUE] = { "38;5;32", "48;5;32;38;5;16" },
	[CT_INK_SKY] = { "38;5;74", "48;5;74;38;5;16" },
	[CT_INK_GREY] = { "38;5;245", "38;5;245" },
};

void ct_page__ink(struct ct_page *p, enum ct_ink ink, bool filled, const char *s)
{
	u32 room = p->column < p->width ? p->width - p->column : 0;
	size_t len = ct_columns_fit(s, room);
	bool cut = s[len] != '\0';
	while (cut && len && s[len - 1] == ' ')
		len--;
	if (!len)
		return;
	const char *sgr = p->colour ? inks[ink][filled] : "";
	fprintf(p->out, "%*s", (int)p->gap, "");
	p->gap = 0;
	if (*sgr)
		fprintf(p->out, "\033[%sm", sgr);
	fwrite(s, 1, len, p->out);
	if (*sgr)
		fputs("\033[0m", p->out);
	/* cut text: nothing may follow it on this line */
	p->column = cut ? p->width : p->column + ct_columns(s);
}

void ct_page__put(struct ct_page *p, const char *s)
{
	ct_page__ink(p, CT_INK_PLAIN, false, s);
}

void ct_page__printf(struct ct_page *p, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	ct_page__put(p, s);
	free(s);
}

void ct_page__stop(struct ct_page *p, u32 column)
{
	if (column <= p->column)
		return;
	p->gap += column - p->column;
	p->column = column;
}

void ct_page__right(struct ct_page *p, u32 column, const char *s)
{
	u32 columns = ct_columns(s);
	ct_page__stop(p, columns < column ? column - columns : 0);
	ct_page__put(p, s);
}

void ct_page__end(struct ct_page *p)
{
	fputc('\n', p->out);
	p->column = p->gap = 0;
}

/* A figure and its unit ("8 %", "3 threads") stay on one line. */
static size_t word_length(const char *s)
{
	size_t len = strcspn(s, " ");
	while (len && s[len] == ' ' && s[len - 1] >= '0' && s[len - 1] <= '9')
		len += 1 + strcspn(s + len + 1, " ");
	return len;
}

void ct_page__words(struct ct_page *p, u32 indent, enum ct_ink ink, const char *s)
{
	bool first = true;
	while (*s) {
		s += strspn(s, " ");
		char *word = ct_strndup(s, word_length(s));
		s += strlen(word);
		bool alone = p->column <= indent; /* a word that fits nowhere is cut */
		if (!alone && p->column + !first + ct_columns(word) > p->width)
			ct_page__end(p), first = true;
		if (first)
			ct_page__stop(p, indent);
		else
			ct_page__stop(p, p->column + 1);
		first = false;
		ct_page__ink(p, ink, false, word);
		free(word);
	}
}

void ct_page__wrap(struct ct_page *p, u32 indent, const char *s)
{
	ct_page__words(p, indent, CT_INK_PLAIN, s);
	ct_page__end(p);
}

char *ct_page__safe(const struct ct_page *p, const char *s)
{
	size_t size = 4 * strlen(s) + 1;
	char *safe = ct_fmt_safe(ct_alloc(size), size, s);
	if (p->unicode)
		return safe;
	char *ascii = ct_alloc(4 * strlen(safe) + 1);
	char *to = ascii;
	for (const char *c = safe; *c; c++) {
		if ((u8)*c < 0x80)
			*to++ = *c;
		else
			to += snprintf(to, 5, "\\x%02X", (u8)*c);
	}
	free(safe);
	return ascii;
}

void ct_page__shorten(const struct ct_page *p, char *s, u32 columns)
{
	const char *mark = p->unicode ? "\xe2\x80\xa6" : "..";
	u32 mark_columns = p->unicode ? 1 : 2;
	if (ct_columns(s) <= columns)
		return;
	size_t room = strlen(s);
	size_t len = ct_columns_fit(s, columns > mark_columns ? columns - mark_columns : 0);
	if (columns < mark_columns || room < strlen(mark)) {
		s[ct_columns_fit(s, columns)] = '\0';
		return;
	}
	while (len + strlen(mark) > room || ((u8)s[len] & 0xc0) == 0x80)
		len--; /* by whole characters: the mark may be longer than what it replaces */
	strcpy(s + len, mark);
}

void ct_page__shorten_start(const struct ct_page *p, char *s, u32 columns)
{
	const char *mark = p->unicode ? "\xe2\x80\xa6" : "..";
	u32 mark_columns = p->unicode ? 1 : 2;
	u32 all = ct_columns(s);
	char *rest;

	if (all <= columns)
		return;
	if (columns < mark_columns) {
		s[ct_columns_fit(s, columns)] = '\0';
		return;
	}
	/* at least as many columns go as the mark and the cut need; then whole characters */
	rest = s + ct_columns_fit(s, all - (columns - mark_columns) + 1);
	while (ct_columns(rest) > columns - mark_columns)
		rest += ct_columns_fit(rest, 1) ? ct_columns_fit(rest, 1) : 1;
	rest = ct_strdup(rest);
	sprintf(s, "%s%s", mark, rest);
	free(rest);
}

void ct_page__bar(struct ct_page *p, u64 part, u64 whole, u32 columns)
{
	static const char *const eighths[] = { "", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d",
		"\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89" };
	u64 length = whole ? (u64)((unsigned __int128)part * columns * 8 / whole) : 0;

	if (!length && part)
		length = 1;
	if (!p->unicode)
		length = (length + 7) / 8 * 8;
	for (u64 i = 0; i < length / 8; i++)
		ct_page__ink(p, CT_INK_GREEN, false, p->unicode ? "\xe2\x96\x88" : "#");
	ct_page__ink(p, CT_INK_GREEN, false, eighths[length % 8]);
}
