/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader's side of the rings (layout: ct_abi.h): takes finished records in order, zeroes them
 * and moves the tail. Runs of records go to the trace writer as they lie; stack copies go to the
 * symbolizer, hits of debug registers to the watcher, which makes accesses of them; the alarm sees
 * each of the others. Never interprets one beyond its kind and its size.
 * Also turns the kernel side's loss counters into LOSS records, placed where the loss was.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include "capture/session_int.h"

static struct ct_hdr *record_at(const struct ct_rings *r, u32 cpu, u64 pos)
{
	u32 segment = cpu * r->segments + (pos / CT_SEG_BYTES & (r->segments - 1));

	return (void *)(r->memory + segment * r->segment_size + pos % CT_SEG_BYTES);
}

/* The header word, once the record is finished; 0 before. */
static u64 header_word(const struct ct_hdr *hdr)
{
	return atomic_load_explicit((const _Atomic u64 *)hdr, memory_order_acquire);
}

static int take_stack(struct ct_session *s, const struct ct_hdr *hdr)
{
	const struct ct_stack *st = (const void *)(hdr + 1);
	struct ct_snapshot snap = { .id = st->id, .tid = hdr->tid, .tgid = st->tgid, .ts = hdr->ts,
		.ip = st->ip, .sp = st->sp, .bp = st->bp, .lr = st->lr, .top = st->top,
		.after = st->flags & CT_STACK_AFTER,
		.bytes = st + 1, .len = st->bytes };

	s->stats.stacks++;
	if (st->bytes)
		ct_symbolizer__stack(s->sym, &snap);
	return 0;
}

/* A hit of a debug register becomes an ACCESS. */
static int take_hit(struct ct_session *s, u32 cpu, const struct ct_hdr *hdr)
{
	struct {
		struct ct_hdr hdr;
		struct ct_access access;
	} rec = { .hdr = { .tid = hdr->tid, .kind = CT_ACCESS, .words = sizeof(rec) / 8,
			  .ts = hdr->ts } };

	if (!s->watch || !s->writer)
		return 0;
	ct_watcher__access(s->watch, hdr, &rec.access);
	return ct_writer__records(s->writer, cpu, &rec, sizeof(rec));
}

/*
 * Writes a LOSS record for each kind of event that this CPU lost since the last drain.  The probes
 * go on meanwhile, and write the times before the counter: so the beginning is taken and cleared
 * first, the end last.  A loss that saw the old beginning and is counted after it was cleared has
 * none of its own: then it is younger than the last look.
 */
static int report_loss(struct ct_session *s, u32 cpu)
{
	struct ct_ring_ctl *ctl = &s->rings.ctl[cpu];
	u64 *before = s->rings.lost_before[cpu], lost[CT_KIND_MAX], all = 0;
	ct_ns since = atomic_exchange((_Atomic u64 *)&ctl->lost_since, 0);
	struct {
		struct ct_hdr hdr;
		struct ct_loss loss;
	} rec = { .hdr = { .kind = CT_LOSS, .words = sizeof(rec) / 8 } };
	int err = 0, e;

	for (u32 kind = 0; kind < CT_KIND_MAX; kind++) {
		lost[kind] = atomic_load((_Atomic u64 *)&ctl->lost[kind]) - before[kind];
		all += lost[kind];
	}
	if (!all) {
		if (since) /* its counter has not been seen yet: for the next look */
			atomic_store((_Atomic u64 *)&ctl->lost_since, since);
		return 0;
	}
	rec.hdr.ts = atomic_load((_Atomic u64 *)&ctl->lost_ts);
	if (!since)
		since = s->last_drain_ns > CT_PROBE_NS ? s->last_drain_ns - CT_PROBE_NS : 1;
	rec.loss.since = since < rec.hdr.ts ? since : rec.hdr.ts;
	s->stats.lost += all;
	for (u32 kind = 0; kind < CT_KIND_MAX; kind++) {
		before[kind] += lost[kind];
		rec.loss.kind = kind == CT_HIT ? CT_ACCESS : kind;
		while (lost[kind]) {
			rec.loss.count = lost[kind] > UINT32_MAX ? UINT32_MAX : lost[kind];
			lost[kind] -= rec.loss.count;
			e = s->writer ? ct_writer__records(s->writer, cpu, &rec, sizeof(rec)) : 0;
			err = err ? err : e;
		}
	}
	return err;
}

/* Passes on [from, to) of one segment and gives the memory back, zeroed. */
static int pass_run(struct ct_session *s, u32 cpu, struct ct_hdr *from, size_t size)
{
	int err = 0;

	if (!size)
		return 0;
	if (s->writer) /* none: the trace could not be begun, the program runs all the same */
		err = ct_writer__records(s->writer, cpu, from, size);
	memset(from, 0, size);
	return err;
}

static void move_tail(struct ct_ring_ctl *ctl, u64 tail)
{
	atomic_store_explicit((_Atomic u64 *)&ctl->tail, tail, memory_order_release);
}

static int drain_cpu(struct ct_session *s, u32 cpu, bool *behind)
{
	struct ct_ring_ctl *ctl = &s->rings.ctl[cpu];
	u64 head = atomic_load_explicit((_Atomic u64 *)&ctl->head, memory_order_acquire);
	u64 tail = ctl->tail, word;
	struct ct_hdr *run = NULL; /* records not yet passed on: run_size bytes from here */
	size_t run_size = 0;
	int err = 0, e;

	while (tail < head) {
		struct ct_hdr *hdr = record_at(&s->rings, cpu, tail);
		bool is_hit, is_kept; /* kept: it is not passed on as it lies */
		size_t size;

		word = header_word(hdr);
		if (!word) {
			*behind = true;
			break;
		}
		size = (word >> 48) * 8;
		is_hit = hdr->kind == CT_HIT;
		is_kept = is_hit || hdr->kind == CT_STACK;
		if (!run || hdr != (void *)((u8 *)run + run_size) || is_kept ||
			run_size > CT_SEG_SLACK) {
			e = pass_run(s, cpu, run, run_size);
			err = err ? err : e;
			move_tail(ctl, tail);
			run = hdr;
			run_size = 0;
		}
		s->stats.records++;
		s->stats.bytes += size;
		ct_parked__see(&s->parked, hdr);
		if (s->alarm && !is_hit)
			ct_alarm__see(s->alarm, hdr);
		if (s->watch)
			ct_watcher__see(s->watch, hdr);
		tail += size;
		if (is_kept) {
			e = is_hit ? take_hit(s, cpu, hdr) : take_stack(s, hdr);
			err = err ? err : e;
			memset(hdr, 0, size);
			move_tail(ctl, tail);
			run = NULL;
		} else {
			run_size += size;
		}
	}
	e = pass_run(s, cpu, run, run_size);
	err = err ? err : e;
	move_tail(ctl, tail);
	return err;
}

int ct_rings__drain(struct ct_session *s, bool *behind)
{
	int err = 0, e;

	*behind = false;
	for (u32 cpu = 0; cpu < s->rings.cpu_cnt; cpu++) {
		e = drain_cpu(s, cpu, behind);
		err = err ? err : e;
		e = report_loss(s, cpu); /* after: what was lost is younger than what was there */
		err = err ? err : e;
		s->rings.ctl[cpu].stack_budget = s->rings.stack_budget;
	}
	for (u32 cpu = s->rings.cpu_cnt; cpu < s->rings.ctl_cnt; cpu++) {
		e = report_loss(s, cpu); /* a CPU that came later */
		err = err ? err : e;
	}
	if (s->injected.len && s->writer) {
		e = ct_writer__records(
			s->writer, s->rings.cpu_cnt, s->injected.at, s->injected.len);
		err = err ? err : e;
		s->injected.len = 0;
	}
	return err;
}

u64 ct_rings__fill(const struct ct_rings *r)
{
	u64 most = 0;

	for (u32 cpu = 0; cpu < r->cpu_cnt; cpu++) {
		u64 used = r->ctl[cpu].head - r->ctl[cpu].tail;

		most = used > most ? used : most;
	}
	return most;
}
