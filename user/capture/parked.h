/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that the C library has parked at a mutex which the kernel refused: told to wait for that
 * mutex, before anybody sees their records.
 */
#ifndef CT_PARKED_H
#define CT_PARKED_H

#include "ct_base.h"

#include "ct_abi.h"

#define CT_REFUSED_MOST 64 /* threads between a refusal and what they do next */

struct ct_refused {
	u32 tid;
	u64 addr; /* of the mutex */
};
struct ct_parked {
	struct ct_refused at[CT_REFUSED_MOST];
	u32 cnt;
};

/* Each record, in the order of its ring; a BLOCK of a parked thread is mended. */
void ct_parked__see(struct ct_parked *p, struct ct_hdr *hdr);

#endif
