/* SPDX-License-Identifier: BSD-2-Clause */
/* Private to capture/: what session.c, ring.c and images.c share. */
#ifndef CT_SESSION_INT_H
#define CT_SESSION_INT_H

#include "capture/alarm.h"
#include "capture/capture.h"
#include "capture/parked.h"
#include "capture/watch.h"

/* A probe may have taken its time stamp so long ago and not yet its place in the ring. */
#define CT_PROBE_NS 5000000ull

struct ct_images; /* images.c */

struct ct_rings { /* ring.c */
	u32 cpu_cnt;	     /* that have a ring: those there were at the start */
	u32 ctl_cnt;	     /* that this machine can have; of the others losses are counted */
	u32 segments;	     /* per CPU, a power of two */
	size_t segment_size; /* of one array element, as mapped */
	u64 limit;
	u8 *memory;
	size_t memory_size;
	struct ct_ring_ctl *ctl; /* [ctl_cnt] */
	size_t ctl_size;
	u64 (*lost_before)[CT_KIND_MAX]; /* [ctl_cnt] counters already reported */
	u64 stack_budget;		 /* per CPU and drain */
};

struct ct_cost { /* cost.c */
	int fd; /* keeps the kernel's account going; -1: between two windows */
	bool refused;
	ct_ns start_ns;	    /* of the recording; 0: not begun, or over */
	ct_ns opened_ns;    /* the newest window */
	ct_ns looked_ns;    /* all windows that were closed */
	/* taken from the rings: before the recording, before the newest window, in closed ones */
	u64 start_records, opened_records, looked_records;
	ct_ns opened_probes_ns, probes_ns; /* before the newest window, in closed ones */
	ct_ns own_cpu_ns;   /* of ctrace, at the start */
};

struct ct_session {
	struct ctrace_bpf *skel;
	struct ct_rings rings;
	u64 *tids; /* the filter's bits, mapped */
	size_t tids_size;
	struct ct_images *images;
	struct ct_parked parked;
	struct ct_writer *writer;
	struct ct_symbolizer *sym;
	struct ct_alarm *alarm; /* sees every record; NULL: none */
	struct ct_watcher *watch; /* makes accesses of hits, sees every record; NULL: none */
	struct ct_buf injected; /* records of our own, waiting for the next drain */
	int doorbell_fd;
	void *doorbell; /* libbpf's ring_buffer */
	int *sample_fds;
	u32 sample_cnt;
	void **sample_links;
	struct ct_session_stats stats;
	struct ct_cost cost;
	ct_ns last_drain_ns;
	u64 last_drain_bytes;
	int pause_ms;
	u64 drain_bytes; /* as in ct_session_opts */
	bool stopped;
	bool futex_calls; /* at least the futex call itself is recorded */
};

ct_ns ct_now_ns(void); /* CLOCK_MONOTONIC */

/* Hands every finished record to the writer or the symbolizer.  Returns 0 or the writer's -errno;
 * *behind is set when a record that was begun before this call is not finished yet. */
int ct_rings__drain(struct ct_session *s, bool *behind);
/* Bytes in the fullest ring now. */
u64 ct_rings__fill(const struct ct_rings *r);

void ct_cost__arm(struct ct_session *s); /* while all rights are there */
void ct_cost__start(struct ct_session *s);
void ct_cost__step(struct ct_session *s, ct_ns now); /* after each drain */
void ct_cost__end(struct ct_session *s, struct ct_run *run);

int ct_images__open(struct ct_images **images, u32 cpu_cnt, void *spans, char **why);
void ct_images__follow(struct ct_images *im, struct ct_symbolizer *sym, u32 tgid);
void ct_images__drain(struct ct_images *im, struct ct_symbolizer *sym, bool all);
u64 ct_images__lost(const struct ct_images *im);
void ct_images__free(struct ct_images *im);

#endif
