/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Figures for people, and text from outside made harmless.  Pure: no locale, no time zone, no
 * floating point, so the same trace prints the same bytes everywhere.  Times and sizes have three
 * digits that count; what rounds up to the next unit is shown in the next unit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ct_base.h"

#define NS_PER_US ((u64)1000)
#define NS_PER_MS ((u64)1000000)
#define NS_PER_S ((u64)1000000000)
#define S_PER_MIN ((u64)60)
#define S_PER_H ((u64)3600)

static u64 divide_rounded(u64 n, u64 by)
{
	return n / by + (n % by >= by - by / 2);
}

/* n / unit with three significant digits.  False when that rounds to `limit` units or more. */
static bool format_three_digits(char buf[CT_FMT_LEN], u64 n, u64 unit, u64 limit, const char *name)
{
	u64 hundredths = divide_rounded(n, unit / 100);
	if (hundredths < 1000) {
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%02" PRIu64 " %s", hundredths / 100,
			hundredths % 100, name);
		return true;
	}
	u64 tenths = divide_rounded(n, unit / 10);
	if (tenths < 1000) {
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
			name);
		return true;
	}
	u64 whole = divide_rounded(n, unit);
	snprintf(buf, CT_FMT_LEN, "%" PRIu64 " %s", whole, name);
	return whole < limit;
}

char *ct_fmt_ns(char buf[CT_FMT_LEN], ct_ns ns)
{
	if (ns < NS_PER_US) {
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 " ns", ns);
		return buf;
	}
	if (ns < NS_PER_MS && format_three_digits(buf, ns, NS_PER_US, 1000, "us"))
		return buf;
	if (ns < NS_PER_S && format_three_digits(buf, ns, NS_PER_MS, 1000, "ms"))
		return buf;
	/* 59.95 s and more would be printed as 60.0 s */
	if (ns < S_PER_MIN * NS_PER_S - NS_PER_S / 20 &&
		format_three_digits(buf, ns, NS_PER_S, 1000, "s"))
		return buf;
	u64 s = divide_rounded(ns, NS_PER_S);
	if (s < S_PER_H)
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 " min %" PRIu64 " s", s / S_PER_MIN,
			s % S_PER_MIN);
	else
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 " h %" PRIu64 " min", s / S_PER_H,
			s % S_PER_H / S_PER_MIN);
	return buf;
}

char *ct_fmt_count(char buf[CT_FMT_LEN], u64 n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *out = buf;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

char *ct_fmt_bytes(char buf[CT_FMT_LEN], u64 n)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	if (n < 1024) {
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 " B", n);
		return buf;
	}
	u32 unit = 0;
	u32 shift = 10;
	while (unit + 1 < CT_COUNT(units) && n >> shift >= 1024)
		unit++, shift += 10;
	/* tenths = n * 10 / 2^shift without overflow */
	u64 whole = n >> shift;
	u64 rest = n & ((1ull << shift) - 1);
	u64 tenths = whole * 10 + (((rest >> (shift - 10)) * 10 + 512) >> 10);
	if (tenths >= 10240 && unit + 1 < CT_COUNT(units)) {
		unit++;
		tenths = 10;
	}
	snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
		units[unit]);
	return buf;
}

char *ct_fmt_share(char buf[CT_FMT_LEN], u64 part, u64 whole)
{
	if (!whole || !part) {
		snprintf(buf, CT_FMT_LEN, "0 %%");
		return buf;
	}
	unsigned __int128 scaled = (unsigned __int128)part * 1000;
	u64 permille = (u64)((scaled + whole / 2) / whole);
	if (part == whole)
		snprintf(buf, CT_FMT_LEN, "100 %%");
	else if (scaled < whole)
		snprintf(buf, CT_FMT_LEN, "<0.1 %%");
	else if (part < whole && permille >= 1000)
		snprintf(buf, CT_FMT_LEN, "99.9 %%"); /* 100 % is said only of all of it */
	else
		snprintf(buf, CT_FMT_LEN, "%" PRIu64 ".%" PRIu64 " %%", permille / 10,
			permille % 10);
	return buf;
}

/* Length of the well-formed UTF-8 sequence at s that is safe to print; 0: there is none. */
static u32 safe_sequence(const u8 *s)
{
	u32 len;
	u32 min;
	u32 code;
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2, min = 0x80, code = s[0] & 0x1f;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3, min = 0x800, code = s[0] & 0x0f;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4, min = 0x10000, code = s[0] & 0x07;
	else
		return 0;
	for (u32 i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	bool surrogate = code >= 0xd800 && code <= 0xdfff;
	bool c1_control = code >= 0x80 && code < 0xa0;
	/* These reorder the line that they stand in, or end it. */
	bool direction = code == 0x2028 || code == 0x2029 || code == 0x200e || code == 0x200f ||
			 (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
	if (code < min || code > 0x10ffff || surrogate || c1_control || direction)
		return 0;
	return len;
}

char *ct_fmt_safe(char *buf, size_t size, const char *s)
{
	size_t len = 0;
	if (!size)
		return buf;
	while (*s) {
		u32 n = safe_sequence((const u8 *)s);
		u32 out = n ? n : 4;
		if (len + out + 1 > size)
			break;
		if (n)
			memcpy(buf + len, s, n);
		else
			snprintf(buf + len, 5, "\\x%02X", (u8)*s);
		len += out;
		s += n ? n : 1;
	}
	buf[len] = '\0';
	return buf;
}
