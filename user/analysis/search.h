/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where in time: bisection of rows that are in the order of one of their times.
 */
#ifndef CT_SEARCH_H
#define CT_SEARCH_H

#include "ct_base.h"

/* Index of the first row whose time is at_ns or later; cnt: none.  `time`: that of the first row,
 * in rows of `stride` bytes. */
static inline u32 ct_first_at(const ct_ns *time, size_t stride, u32 cnt, ct_ns at_ns)
{
	u32 low = 0, high = cnt;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		const ct_ns *t = (const void *)((const u8 *)time + mid * stride);

		if (*t < at_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The same of a growing array, by the name of the field. */
#define CT_FIRST_AT(vec, field, at_ns)                                                             \
	((vec).cnt ? ct_first_at(&(vec).at[0].field, sizeof(*(vec).at), (vec).cnt, at_ns) : 0)

#endif
