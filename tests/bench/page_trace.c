/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes a trace of as many slices as wanted, for measuring the page: on each CPU eight threads take
 * turns, and wait for a lock, a pipe or a timer in between; a third of their slices is running, a
 * third waiting, a third without a CPU.  Times have a long tail.
 *
 *     page_trace SLICES CPUS OUT.ctrace
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ct_trace.h"

#define PER_CPU 8u
#define PID 1000u
#define ROUND_NS 20000000u /* handed to the writer at a time */
#define SLICES_PER_STEP 3u

struct cpu {
	struct ct_buf records;
	u64 now_ns, random;
	u32 step;
};

static u64 next_random(struct cpu *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

static void pass_time(struct cpu *c, u64 mean_ns)
{
	u64 r = next_random(c);

	c->now_ns += r % 16 ? mean_ns / 2 + (r >> 16) % mean_ns : (r >> 16) % (mean_ns * 12);
}

static void put(struct cpu *c, u8 kind, u32 tid, const void *body, size_t size)
{
	struct ct_hdr hdr = { .tid = tid, .kind = kind, .ts = c->now_ns };

	hdr.words = (u16)((sizeof(hdr) + size) / 8);
	ct_buf_put(&c->records, &hdr, sizeof(hdr));
	ct_buf_put(&c->records, body, size);
}

static u32 tid_of(u32 cpu, u32 turn)
{
	return PID + cpu * PER_CPU + turn % PER_CPU;
}

static void put_thread(struct cpu *c, u32 tid)
{
	struct ct_task_new new = { .tgid = PID, .flags = CT_TASK_FOUND, .prio = 120 };
	struct ct_task_name name = { 0 };
	char text[CT_NAME_LEN] = "";

	snprintf(text, sizeof(text), "worker-%u", tid - PID);
	memcpy(&name.name0, text, 8);
	memcpy(&name.name1, text + 8, 8);
	put(c, CT_TASK_NEW, tid, &new, sizeof(new));
	put(c, CT_TASK_NAME, tid, &name, sizeof(name));
}

static void begin(struct cpu *c, u32 cpu)
{
	struct ct_switch first = { .next = tid_of(cpu, 0), .next_prio = 120 };

	for (u32 i = 0; i < PER_CPU; i++)
		put_thread(c, tid_of(cpu, i));
	put(c, CT_SWITCH, 0, &first, sizeof(first));
}

/* The one that runs wakes the one after the next, then waits; the next one runs. */
static void take_turn(struct cpu *c, u32 cpu)
{
	u32 me = tid_of(cpu, c->step), next = tid_of(cpu, c->step + 1);
	struct ct_waking waking = { .waker = me, .nr = 202, .prio = 120 };
	struct ct_block block = { .next = next, .state = CT_STATE_SLEEPING, .prio = 120,
		.next_prio = 120 };

	pass_time(c, 3000);
	put(c, CT_WAKING, tid_of(cpu, c->step + 2), &waking, sizeof(waking));
	pass_time(c, 2000);
	if (me % 3 == 0) {
		block.nr = 202;
		block.owner = next;
		block.arg0 = 0x5000 + 64 * cpu;
		block.arg1 = 128;
		block.arg2 = block.word = 2;
	} else {
		block.nr = me % 3 == 1 ? 0 : 230;
		block.file = me % 3 == 1 ? CT_FILE_FIFO : CT_FILE_NONE;
		block.arg0 = me % 3 == 1 ? 5 : 0;
	}
	put(c, CT_BLOCK, me, &block, sizeof(block));
	c->step++;
}

static int write_all(struct ct_writer *w, struct cpu *cpus, u32 cpu_cnt, u64 slices)
{
	u64 steps = 0, until_ns = 0;
	int err = 0;

	for (u32 i = 0; i < cpu_cnt; i++)
		begin(&cpus[i], i);
	while (!err && steps * SLICES_PER_STEP < slices) {
		until_ns += ROUND_NS;
		for (u32 i = 0; i < cpu_cnt; i++) {
			for (; cpus[i].now_ns < until_ns; steps++)
				take_turn(&cpus[i], i);
			err = ct_writer__records(w, i, cpus[i].records.at, cpus[i].records.len);
			cpus[i].records.len = 0;
		}
		err = err ? err : ct_writer__sync(w, until_ns);
	}
	return err;
}

static struct ct_names *make_names(void)
{
	static const struct ct_syscall_name calls[] = { { 0, "read" }, { 202, "futex" },
		{ 230, "clock_nanosleep" } };
	struct ct_names *names = ct_names__new();

	for (size_t i = 0; i < CT_COUNT(calls); i++)
		*ct_vec_push(&names->syscalls) =
			(struct ct_syscall_name){ calls[i].nr, ct_strdup(calls[i].name) };
	return names;
}

int main(int argc, char **argv)
{
	u64 slices = argc > 3 ? strtoull(argv[1], NULL, 10) : 0;
	u32 cpu_cnt = argc > 3 ? (u32)atoi(argv[2]) : 0;
	char *run_argv[] = { "./made-up", NULL };
	struct ct_run run = { .argv = run_argv, .pid = PID, .cpus = cpu_cnt,
		.cpus_machine = cpu_cnt, .arch = "x86_64", .kernel = "", .libc = "glibc",
		.version = "", .host = "", .ended = true };
	struct ct_names *names = make_names();
	struct cpu *cpus = ct_alloc((cpu_cnt + 1) * sizeof(*cpus));
	struct ct_writer *w;
	int fd, err;

	if (!slices || !cpu_cnt) {
		fprintf(stderr, "usage: page_trace SLICES CPUS OUT.ctrace\n");
		return 2;
	}
	fd = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0644);
	err = fd < 0 ? 1 : ct_writer__new(&w, fd, &run);
	for (u32 i = 0; i < cpu_cnt; i++)
		cpus[i].random = 88172645463325252ull + i;
	err = err ? err : write_all(w, cpus, cpu_cnt, slices);
	for (u32 i = 0; i < cpu_cnt; i++)
		run.end_ns = cpus[i].now_ns > run.end_ns ? cpus[i].now_ns : run.end_ns;
	err = err ? err : ct_writer__finish(w, &run, names);
	if (err)
		fprintf(stderr, "page_trace: cannot write %s\n", argv[3]);
	return err != 0;
}
