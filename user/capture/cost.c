/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the recording itself costs: the kernel's own account of the time in our probes (bpf_stats,
 * since 5.8), looked at for a second at the start and then, where rights are kept, for a few
 * milliseconds out of each second, since keeping it makes every BPF program of the machine some
 * 40 ns slower; and the collector's CPU time. The account takes CAP_SYS_ADMIN, so it is asked for
 * before rights are given up; without that right the probes' part stays unknown.
 *
 * The time in the probes is that of the windows, scaled to the whole: an estimate, and for a
 * recording shorter than the first window, the account itself.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture/session_int.h"
#include "ctrace.skel.h"

#define FIRST_NS 1000000000ull /* what is short is looked at from end to end */
#define WINDOW_NS 20000000ull
#define EVERY_NS 1000000000ull

static ct_ns own_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (ct_ns)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (ct_ns)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

static void open_window(struct ct_cost *c, ct_ns now)
{
	c->fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	c->opened_ns = now;
	c->refused = c->fd < 0;
}

static void close_window(struct ct_cost *c, ct_ns now)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	c->looked_ns += now - c->opened_ns;
}

void ct_cost__arm(struct ct_cost *c)
{
	*c = (struct ct_cost){ .fd = -1 };
	open_window(c, 0);
}

void ct_cost__start(struct ct_cost *c)
{
	c->start_ns = c->opened_ns = ct_now_ns();
	c->own_cpu_ns = own_cpu_ns();
}

void ct_cost__step(struct ct_cost *c, ct_ns now)
{
	ct_ns length = c->opened_ns == c->start_ns ? FIRST_NS : WINDOW_NS;

	if (!c->start_ns || c->refused)
		return;
	if (c->fd >= 0 && now - c->opened_ns >= length)
		close_window(c, now);
	else if (c->fd < 0 && now - c->opened_ns >= EVERY_NS)
		open_window(c, now);
}

/* Of all our programs, in the windows. */
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

void ct_cost__end(struct ct_cost *c, const struct ct_session *s, struct ct_run *run)
{
	ct_ns now = ct_now_ns();

	if (!c->start_ns)
		return;
	close_window(c, now);
	run->cost_collector_ns = own_cpu_ns() - c->own_cpu_ns;
	if (c->looked_ns)
		run->cost_probes_ns = (ct_ns)((double)probes_ns(s->skel->obj) *
					      (double)(now - c->start_ns) / (double)c->looked_ns);
	c->start_ns = 0;
}
