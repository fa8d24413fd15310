/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the recording itself costs: the kernel's own account of the time in our probes (bpf_stats,
 * since 5.8), looked at from the start until enough has been seen and then, where rights are kept,
 * for some milliseconds out of each second; and the collector's CPU time. Keeping the account makes
 * each run of a BPF program of the machine some 40 ns slower: two threads that hand a futex to and
 * fro paid 90 ns a switch for a first second of it (130 to 180 with futex calls).  It takes
 * CAP_SYS_ADMIN, so it is asked for before rights are given up; without that right the probes' part
 * stays unknown.
 *
 * The time in the probes is that of the windows, scaled to the whole by the records: an estimate,
 * and for a recording that ends within the first window, the account itself.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture/session_int.h"
#include "ctrace.skel.h"

/* The first window ends when either is reached: its mean is good then, or the program is so idle
 * that the account does no harm. */
#define FIRST_NS 1000000000ull
#define FIRST_RECORDS 20000
#define WINDOW_NS 20000000ull
#define EVERY_NS 1000000000ull
#define SCALE_RECORDS 1000 /* fewer say nothing of what a record costs: the time has to do */

static ct_ns own_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (ct_ns)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (ct_ns)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

/* Of all our programs, so far; it grows outside our windows while others keep the account. */
static ct_ns probes_ns(const struct bpf_object *o)
{
	struct bpf_program *p;
	ct_ns sum = 0;

	bpf_object__for_each_program(p, o)
	{
		struct bpf_prog_info info = { 0 };
		u32 size = sizeof(info);

		if (bpf_program__fd(p) >= 0 &&
			!bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
			sum += info.run_time_ns;
	}
	return sum;
}

static void open_window(struct ct_session *s, ct_ns now)
{
	struct ct_cost *c = &s->cost;

	c->fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	c->opened_ns = now;
	c->opened_records = s->stats.records;
	c->opened_probes_ns = probes_ns(s->skel->obj);
	c->refused = c->fd < 0;
}

static void close_window(struct ct_session *s, ct_ns now)
{
	struct ct_cost *c = &s->cost;

	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	c->looked_ns += now - c->opened_ns;
	c->looked_records += s->stats.records - c->opened_records;
	c->probes_ns += probes_ns(s->skel->obj) - c->opened_probes_ns;
}

void ct_cost__arm(struct ct_session *s)
{
	s->cost = (struct ct_cost){ .fd = -1 };
	open_window(s, 0);
}

void ct_cost__start(struct ct_session *s)
{
	struct ct_cost *c = &s->cost;

	c->start_ns = c->opened_ns = ct_now_ns();
	c->start_records = c->opened_records = s->stats.records;
	c->opened_probes_ns = probes_ns(s->skel->obj);
	c->own_cpu_ns = own_cpu_ns();
}

void ct_cost__step(struct ct_session *s, ct_ns now)
{
	struct ct_cost *c = &s->cost;
	bool first = c->opened_ns == c->start_ns;

	if (!c->start_ns || c->refused)
		return;
	if (c->fd >= 0 &&
		(now - c->opened_ns >= (first ? FIRST_NS : WINDOW_NS) ||
			(first && s->stats.records - c->opened_records >= FIRST_RECORDS)))
		close_window(s, now);
	else if (c->fd < 0 && now - c->opened_ns >= EVERY_NS)
		open_window(s, now);
}

/* How much of the recording there was for each unit of it that was looked at. */
static double scale(const struct ct_cost *c, ct_ns now, u64 records)
{
	if (c->looked_records >= SCALE_RECORDS)
		return (double)(records - c->start_records) / (double)c->looked_records;
	return c->looked_ns ? (double)(now - c->start_ns) / (double)c->looked_ns : 0;
}

void ct_cost__end(struct ct_session *s, struct ct_run *run)
{
	struct ct_cost *c = &s->cost;
	ct_ns now = ct_now_ns();

	if (!c->start_ns)
		return;
	close_window(s, now);
	run->cost_collector_ns = own_cpu_ns() - c->own_cpu_ns;
	run->cost_probes_ns = (ct_ns)((double)c->probes_ns * scale(c, now, s->stats.records));
	c->start_ns = 0;
}
