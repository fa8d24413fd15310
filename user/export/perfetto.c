/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace for Perfetto's viewer and its trace processor: protobuf, by protobuf-c and
 * perfetto.proto. This file writes what the run was (clocks, system, processes and their threads)
 * and the samples of the CPU; perfetto_tracks.c and perfetto_sched.c the rest.  A packet is written
 * as soon as it is full: no part of the file is held.
 *
 * Times are those of CLOCK_BOOTTIME, which the format assumes of scheduling; the clock snapshot
 * ties them to MONOTONIC and to the time of day, by which traces of several machines are laid side
 * by side: every packet carries a number that is made from the host's name.
 */
#include <errno.h>

#include "perfetto_int.h"

enum clock { CLOCK_OF_DAY = 1, CLOCK_MONO = 3, CLOCK_BOOT = 6 };
enum cpu_mode { MODE_KERNEL = 1, MODE_USER = 2 };

static void put_clocks(struct pf_out *o)
{
	const struct ct_model *m = o->m;
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__ClockSnapshot snapshot = CTRACE__CLOCK_SNAPSHOT__INIT;
	Ctrace__ClockSnapshot__Clock clocks[3];
	Ctrace__ClockSnapshot__Clock *list[] = { &clocks[0], &clocks[1], &clocks[2] };
	const u64 values[][2] = {
		{ CLOCK_BOOT, pf_time(o, m->start_ns) },
		{ CLOCK_MONO, m->start_ns },
		{ CLOCK_OF_DAY, m->run->start_real_ns },
	};
	for (u32 i = 0; i < CT_COUNT(clocks); i++) {
		ctrace__clock_snapshot__clock__init(&clocks[i]);
		PF_SET(&clocks[i], clock_id, (u32)values[i][0]);
		PF_SET(&clocks[i], timestamp, values[i][1]);
	}
	snapshot.clocks = list;
	snapshot.n_clocks = m->run->start_real_ns ? 3 : 2;
	PF_SET(&snapshot, primary_trace_clock, CLOCK_BOOT);
	packet.clock_snapshot = &snapshot;
	pf_put(o, PF_SCHED, &packet);
}

static void put_system(struct pf_out *o)
{
	const struct ct_run *run = o->m->run;
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__SystemInfo system = CTRACE__SYSTEM_INFO__INIT;
	Ctrace__SystemInfo__Utsname name = CTRACE__SYSTEM_INFO__UTSNAME__INIT;
	/* which letters stand for which states changed in 4.14; ours are those since */
	char *release = ct_utf8_repair(run->kernel && *run->kernel ? run->kernel : "4.14");
	char *machine = ct_utf8_repair(run->arch ? run->arch : "");
	char *host = ct_utf8_repair(run->host ? run->host : "");
	name.sysname = "Linux";
	name.release = release;
	name.machine = machine;
	system.utsname = &name;
	system.machine_name = host;
	PF_SET(&system, num_cpus, run->cpus_machine);
	packet.system_info = &system;
	pf_put(o, PF_SCHED, &packet);
	free(release);
	free(machine);
	free(host);
}

static void put_process(struct pf_out *o, u32 process)
{
	const struct ct_model *m = o->m;
	const struct ct_process *p = &m->processes.at[process];
	const char *name = ct_process_name(m, process);
	bool own = p->pid == m->run->pid && !m->run->attached && m->run->argv;
	if (!*name && own && m->run->argv[0])
		name = m->run->argv[0];
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__ProcessTree tree = CTRACE__PROCESS_TREE__INIT;
	Ctrace__ProcessTree__Process one = CTRACE__PROCESS_TREE__PROCESS__INIT;
	Ctrace__ProcessTree__Process *list[] = { &one };
	CT_VEC(char *) cmdline = { 0 };
	if (*name)
		*ct_vec_push(&cmdline) = ct_utf8_repair(name);
	for (char **arg = m->run->argv; own && *arg && arg[1]; arg++)
		*ct_vec_push(&cmdline) = ct_utf8_repair(arg[1]);
	PF_SET(&one, pid, (i32)o->pids[process]);
	PF_SET(&one, ppid, p->parent < m->processes.cnt ? (i32)o->pids[p->parent] : 0);
	one.n_cmdline = cmdline.cnt;
	one.cmdline = cmdline.at;
	tree.n_processes = 1;
	tree.processes = list;
	PF_SET(&packet, timestamp, pf_time(o, m->start_ns));
	packet.process_tree = &tree;
	pf_put(o, PF_SCHED, &packet);
	for (u32 i = 0; i < cmdline.cnt; i++)
		free(cmdline.at[i]);
	ct_vec_free(&cmdline);
}

static void put_thread(struct pf_out *o, u32 thread)
{
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__ProcessTree tree = CTRACE__PROCESS_TREE__INIT;
	Ctrace__ProcessTree__Thread one = CTRACE__PROCESS_TREE__THREAD__INIT;
	Ctrace__ProcessTree__Thread *list[] = { &one };
	char *name = pf_thread_name(o, thread);
	PF_SET(&one, tid, (i32)o->tids[thread]);
	PF_SET(&one, tgid, (i32)o->pids[o->m->threads.at[thread].process]);
	one.name = *name ? name : NULL;
	tree.n_threads = 1;
	tree.threads = list;
	PF_SET(&packet, timestamp, pf_time(o, o->m->start_ns));
	packet.process_tree = &tree;
	pf_put(o, PF_SCHED, &packet);
	free(name);
}

static void put_tree(struct pf_out *o)
{
	for (u32 i = 0; i < o->m->processes.cnt; i++)
		put_process(o, i);
	for (u32 i = 0; i < o->m->threads.cnt; i++)
		put_thread(o, i);
}

static void put_sample_defaults(struct pf_out *o)
{
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__TracePacketDefaults defaults = CTRACE__TRACE_PACKET_DEFAULTS__INIT;
	Ctrace__PerfSampleDefaults of_samples = CTRACE__PERF_SAMPLE_DEFAULTS__INIT;
	Ctrace__PerfSampleDefaults__Timebase timebase =
		CTRACE__PERF_SAMPLE_DEFAULTS__TIMEBASE__INIT;
	PF_SET(&timebase, frequency, o->m->run->sample_hz);
	timebase.name = "cpu-clock";
	of_samples.timebase = &timebase;
	defaults.perf_sample_defaults = &of_samples;
	packet.trace_packet_defaults = &defaults;
	pf_put(o, PF_SAMPLES, &packet);
}

static void put_samples(struct pf_out *o)
{
	const struct ct_model *m = o->m;
	if (m->samples.cnt)
		put_sample_defaults(o);
	for (u32 i = 0; i < m->samples.cnt; i++) {
		const struct ct_cpu_sample *s = &m->samples.at[i];
		Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
		Ctrace__PerfSample sample = CTRACE__PERF_SAMPLE__INIT;
		u64 stack = pf_stack(o, PF_SAMPLES, s->stack);
		PF_SET(&sample, cpu, s->cpu);
		PF_SET(&sample, pid, o->pids[m->threads.at[s->thread].process]);
		PF_SET(&sample, tid, o->tids[s->thread]);
		PF_SET(&sample, cpu_mode, s->nr == CT_NR_NONE ? MODE_USER : MODE_KERNEL);
		if (stack)
			PF_SET(&sample, callstack_iid, stack);
		PF_SET(&packet, timestamp, pf_time(o, s->ts));
		packet.perf_sample = &sample;
		pf_put(o, PF_SAMPLES, &packet);
	}
}

int ct_perfetto__write(const struct ct_export_in *in, FILE *out)
{
	struct pf_out o;
	pf_out_init(&o, in->facts->m, out);
	put_clocks(&o);
	put_system(&o);
	put_tree(&o);
	pf_write_tracks(&o, in->facts);
	int err = pf_write_sched(&o, in->source);
	put_samples(&o);
	pf_out_clear(&o);
	if (err)
		return err;
	return ferror(out) ? -EIO : 0;
}
