/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The only user of the rings.  A probe calls emit_begin(), fills the fields, and emit_end(); what
 * cannot be taken is counted by kind. Safe against nested interrupts on the same CPU: positions are
 * taken by an atomic add, and a record counts only when its header word has been stored.
 */
#ifndef CTRACE_EMIT_BPF_H
#define CTRACE_EMIT_BPF_H

#include "ctrace.bpf.h"

/* The times first: the reader takes the counter's word that they are there. */
static __always_inline void count_loss(struct ct_ring_ctl *ctl, u32 kind, u64 ts)
{
	if (!ctl->lost_since)
		ctl->lost_since = ts;
	if (ctl->lost_ts < ts)
		ctl->lost_ts = ts;
	__sync_fetch_and_add(&ctl->lost[kind & (CT_KIND_MAX - 1)], 1);
}

static __always_inline void ring_doorbell_once(struct ct_ring_ctl *ctl, u32 cpu)
{
	if (ctl->busy)
		return;
	ctl->busy = 1;
	/* the kernel defers the wake-up to an irq_work: allowed under the run-queue lock */
	bpf_ringbuf_output(&doorbell, &cpu, sizeof(cpu), BPF_RB_FORCE_WAKEUP);
}

/* Room for a record of `bytes` (header included, multiple of 8); NULL when the ring is full.  The
 * pointer reaches CT_SEG_SLACK bytes at least. */
static __always_inline struct ct_hdr *emit_begin(u32 kind, u32 bytes, u64 ts)
{
	u32 cpu = bpf_get_smp_processor_id(), key = cpu;
	struct ct_ring_ctl *ctl = bpf_map_lookup_elem(&ring_ctl, &key);
	struct ct_hdr *hdr;
	u64 pos, used;
	void *segment;

	if (!ctl) /* for the verifier: there is one for each CPU that this machine can have */
		return NULL;
	used = *(volatile u64 *)&ctl->head + bytes - *(volatile u64 *)&ctl->tail;
	if (used > ring_limit) {
		count_loss(ctl, kind, ts);
		return NULL;
	}
	if (used > ring_doorbell)
		ring_doorbell_once(ctl, cpu);
	pos = __sync_fetch_and_add(&ctl->head, bytes);
	key = cpu * (segment_mask + 1) + ((pos / CT_SEG_BYTES) & segment_mask);
	segment = bpf_map_lookup_elem(&rings, &key);
	if (!segment) { /* a CPU that came after loading: it has counters alone */
		count_loss(ctl, kind, ts);
		return NULL;
	}
	/* the low bits are 0, but the verifier wants to see it: arm64 publishes by an atomic */
	hdr = segment + (pos & (CT_SEG_BYTES - 8));
	hdr->ts = ts;
	return hdr;
}

static __always_inline void emit_end(struct ct_hdr *hdr, u32 tid, u32 kind, u32 bytes)
{
	publish(hdr, (u64)tid | (u64)kind << 32 | (u64)(bytes / 8) << 48);
}

#define RECORD_BYTES(type) (sizeof(struct ct_hdr) + sizeof(struct type))

#endif
