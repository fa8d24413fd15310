/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * "Is this thread ours": one bit per thread id in an array that user space maps. An array lookup is
 * inlined by the verifier, so a foreign thread costs a handful of instructions. No emission here.
 */
#ifndef CTRACE_FILTER_BPF_H
#define CTRACE_FILTER_BPF_H

#include "ctrace.bpf.h"

static __always_inline u64 *tid_word(u32 tid)
{
	u32 key = tid / 64;

	return bpf_map_lookup_elem(&tids, &key);
}

static __always_inline bool is_traced(u32 tid)
{
	u64 *word = tid_word(tid);

	return word && (*word >> (tid & 63)) & 1;
}

static __always_inline void trace_tid(u32 tid)
{
	u64 *word = tid_word(tid);

	if (word)
		__sync_fetch_and_or(word, 1ull << (tid & 63));
}

static __always_inline void forget_tid(u32 tid)
{
	u64 *word = tid_word(tid);

	if (word)
		__sync_fetch_and_and(word, ~(1ull << (tid & 63)));
}

#endif
