/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hand-built models for the tests of what comes right of the model: a world is made, threads are
 * added and given slices one after the other, and the facts are filled in by hand.  What the real
 * model would have counted (sums by state) world_finish() counts.  Times are milliseconds of the
 * run.
 */
#ifndef WORLD_H
#define WORLD_H

#include <string.h>

#include "ct_export.h"

#define WORLD_START ((ct_ns)5000000000) /* of the run, on the trace's clock */
#define WORLD_MS ((ct_ns)1000000)

struct world {
	char *argv[4];
	struct ct_run run;
	struct ct_names *names;
	struct ct_model m;
	struct ct_facts facts;
	ct_ns running_ns[3];
};

static inline void world_init(struct world *w, const char *program, ct_ns duration_ms)
{
	memset(w, 0, sizeof(*w));
	w->argv[0] = (char *)program;
	w->run = (struct ct_run){ .argv = w->argv, .pid = 100, .ended = true, .cpus = 2,
		.cpus_machine = 4, .sample_hz = 1000, .futex_calls = true, .stacks = true,
		.arch = "x86_64", .kernel = "6.1.0", .libc = "glibc", .version = "v1",
		.host = "lab", .start_ns = WORLD_START,
		.end_ns = WORLD_START + duration_ms * WORLD_MS,
		.start_real_ns = 1700000000000000042 };
	w->names = ct_names__new();
	w->m.run = &w->run;
	w->m.names = w->names;
	w->m.start_ns = w->run.start_ns;
	w->m.end_ns = w->run.end_ns;
	w->m.strings = ct_strtab__new();
	w->m.complete = true;
	w->facts.m = &w->m;
}

static inline u32 world_process(struct world *w, u32 pid, const char *name)
{
	*ct_vec_push(&w->m.processes) = (struct ct_process){ .pid = pid, .parent = CT_NONE,
		.name = ct_strtab__add(w->m.strings, name) };
	return w->m.processes.cnt - 1;
}

static inline u32 world_thread(struct world *w, u32 process, u32 tid, const char *name,
	ct_ns start_ms)
{
	struct ct_thread *t = ct_vec_push(&w->m.threads);
	t->tid = tid;
	t->process = process;
	t->parent = CT_NONE;
	t->name = ct_strtab__add(w->m.strings, name);
	t->start_ns = t->end_ns = WORLD_START + start_ms * WORLD_MS;
	t->flags = CT_THREAD_ENDED | CT_THREAD_COUNTED;
	w->m.processes.at[process].thread_cnt++;
	return w->m.threads.cnt - 1;
}

/* The thread's next state, for so long. */
static inline struct ct_slice *world_slice(struct world *w, u32 thread, u32 state, ct_ns ns,
	u32 wait)
{
	struct ct_thread *t = &w->m.threads.at[thread];
	struct ct_slice *s = ct_vec_push(&t->slices);
	*s = (struct ct_slice){ .start_ns = t->end_ns, .state = (u8)state, .wait = wait,
		.cpu = (u16)(thread % 2) };
	t->end_ns += ns;
	t->state_ns[state] += ns;
	return s;
}

/* A slice of waiting with its wait. */
static inline struct ct_wait *world_wait(struct world *w, u32 thread, u32 state, ct_ns ns,
	u32 frame, u32 lock)
{
	struct ct_wait *wait = ct_vec_push(&w->m.waits);
	*wait = (struct ct_wait){ .start_ns = w->m.threads.at[thread].end_ns, .thread = thread,
		.end_ns = w->m.threads.at[thread].end_ns + ns, .lock = lock, .owner = CT_NONE,
		.waker = CT_NONE, .target = CT_NONE, .state = (u8)state, .frame = frame,
		.nr = CT_NR_NONE, .waker_nr = CT_NR_NONE, .flags = CT_WAIT_WOKEN };
	world_slice(w, thread, state, ns, w->m.waits.cnt - 1);
	return wait;
}

static inline u32 world_frame(struct world *w, const char *function, const char *file, u32 line)
{
	struct ct_names *n = w->names;
	if (!n->frames.cnt)
		*ct_vec_push(&n->frames) = (struct ct_frame){ 0 };
	*ct_vec_push(&n->frames) = (struct ct_frame){ .line = line,
		.function = ct_strtab__add(n->strings, function),
		.file = ct_strtab__add(n->strings, file),
		.module = ct_strtab__add(n->strings, "/usr/bin/shop"), .offset = 0x1234 };
	return n->frames.cnt - 1;
}

/* A stack of these frames, innermost first; its id. */
static inline u32 world_stack(struct world *w, const u32 *frames, u32 cnt)
{
	struct ct_names *n = w->names;
	while (n->stack_start.cnt < 2) /* stack 0 is empty; sentinel */
		*ct_vec_push(&n->stack_start) = 0;
	for (u32 i = 0; i < cnt; i++)
		*ct_vec_push(&n->stack_frames) = frames[i];
	*ct_vec_push(&n->stack_start) = n->stack_frames.cnt;
	return n->stack_start.cnt - 2;
}

static inline u32 world_lock(struct world *w, u32 kind, u64 addr)
{
	u32 id = w->m.locks.cnt + 1;
	*ct_vec_push(&w->m.locks) = (struct ct_lock){ .id = id, .addr = addr,
		.kind = (u8)kind };
	return w->m.locks.cnt - 1;
}

static inline struct ct_contention *world_contention(struct world *w, u32 lock)
{
	struct ct_contention *c = ct_vec_push(&w->facts.contentions.at);
	c->lock = lock;
	return c;
}

static inline void world_free(struct world *w)
{
	for (u32 i = 0; i < w->m.threads.cnt; i++)
		ct_vec_free(&w->m.threads.at[i].slices);
	for (u32 i = 0; i < w->m.locks.cnt; i++)
		ct_vec_free(&w->m.locks.at[i].holds);
	for (u32 i = 0; i < w->facts.contentions.at.cnt; i++) {
		ct_vec_free(&w->facts.contentions.at.at[i].sites);
		ct_vec_free(&w->facts.contentions.at.at[i].blamed);
	}
	ct_vec_free(&w->facts.contentions.at);
	ct_vec_free(&w->facts.lines.at);
	ct_vec_free(&w->facts.wakers.at);
	ct_critical_path__clear(&w->facts.path);
	ct_what_if__clear(&w->facts.what_if);
	ct_vec_free(&w->m.threads);
	ct_vec_free(&w->m.processes);
	ct_vec_free(&w->m.locks);
	ct_vec_free(&w->m.waits);
	ct_vec_free(&w->m.samples);
	ct_vec_free(&w->m.losses);
	ct_strtab__free(w->m.strings);
	ct_names__free(w->names);
}

static inline void world_line(struct world *w, u32 frame, u32 state, u32 waits, ct_ns wait_ns,
	ct_ns max_ns, u32 threads)
{
	*ct_vec_push(&w->facts.lines.at) = (struct ct_line_wait){ .frame = frame, .state = state,
		.waits = waits, .wait_ns = wait_ns, .max_ns = max_ns, .threads = threads };
}

/* The worker's life: it takes what it wants 600 times, then restocks from the disk. */
static inline void world_shop_worker(struct world *w, u32 worker, u32 stack, u32 take, u32 restock)
{
	for (u32 i = 0; i < 600; i++) {
		world_slice(w, worker, CT_RUNNING, 300000, CT_NONE);
		struct ct_wait *wait = world_wait(w, worker, CT_LOCK, 700000,
			i % 9 ? take : restock, 0);
		wait->owner = wait->waker = 1 + worker % 3;
		wait->stack = stack;
		world_slice(w, worker, CT_RUNNABLE, 50000, w->m.waits.cnt - 1);
	}
	world_wait(w, worker, CT_IO_DISK, 30 * WORLD_MS * worker, restock, CT_NONE);
}

static inline void world_shop_lock(struct world *w, u32 take, u32 restock)
{
	struct ct_lock *lock = &w->m.locks.at[0];
	lock->wait_cnt = 1800;
	lock->wait_ns = 1260 * WORLD_MS;
	lock->max_wait_ns = 700000;
	lock->max_waiters = 2;
	*ct_vec_push(&lock->holds) = (struct ct_hold){ .start_ns = WORLD_START,
		.end_ns = WORLD_START + WORLD_MS, .thread = 1, .flags = CT_HOLD_SEEN };
	struct ct_contention *c = world_contention(w, 0);
	*ct_vec_push(&c->sites) = (struct ct_site){ take, 1599, 1119300000, 700000 };
	*ct_vec_push(&c->sites) = (struct ct_site){ restock, 201, 140700000, 700000 };
	*ct_vec_push(&c->blamed) = (struct ct_blame){ 1, 2, 600, 420 * WORLD_MS };
	*ct_vec_push(&c->blamed) = (struct ct_blame){ 2, 3, 600, 419 * WORLD_MS };
	*ct_vec_push(&c->blamed) = (struct ct_blame){ 3, 1, 600, 418 * WORLD_MS };
	*ct_vec_push(&c->blamed) = (struct ct_blame){ 3, CT_NONE, 2, 1 * WORLD_MS };
	c->hold_state_ns[CT_RUNNING] = 900 * WORLD_MS;
	c->hold_state_ns[CT_RUNNABLE] = 100 * WORLD_MS;
	c->hold_state_ns[CT_IO_DISK] = 257 * WORLD_MS;
}

/* What the run consists of, and what changes would be worth. */
static inline void world_shop_path(struct world *w, u32 join)
{
	struct ct_critical_path *p = &w->facts.path;
	struct ct_path_share held = { .ns = 500 * WORLD_MS, .thread = 2, .state = CT_RUNNING,
		.lock = 0, .threads = 3 };
	struct ct_path_share joined = { .ns = 300 * WORLD_MS, .thread = 0, .state = CT_JOIN,
		.lock = CT_NONE, .frame = join, .threads = 1 };
	p->duration_ns = 800 * WORLD_MS;
	*ct_vec_push(&p->shares) = *ct_vec_push(&p->reasons) = *ct_vec_push(&p->lines) = held;
	*ct_vec_push(&p->shares) = *ct_vec_push(&p->reasons) = *ct_vec_push(&p->lines) = joined;
	w->facts.what_if = (struct ct_what_if){ .duration_ns = 800 * WORLD_MS,
		.baseline_ns = 760 * WORLD_MS, .baseline_error = -0.05, .cpus = w->run.cpus,
		.usable = true };
	*ct_vec_push(&w->facts.what_if.at) = (struct ct_prediction){ .change = CT_CHANGE_LOCK_FREE,
		.lock = 0, .thread = CT_NONE, .duration_ns = 400 * WORLD_MS,
		.least_ns = 380 * WORLD_MS, .saves_ns = 420 * WORLD_MS, .speedup = 2 };
	*ct_vec_push(&w->facts.what_if.at) = (struct ct_prediction){ .change = CT_CHANGE_HALF_WORK,
		.lock = CT_NONE, .thread = 1, .duration_ns = 799 * WORLD_MS,
		.least_ns = 759 * WORLD_MS, .saves_ns = 41 * WORLD_MS, .speedup = 1.00125 };
}

/* Main starts three workers that contend for one lock, 800 ms. */
static inline void world_shop(struct world *w)
{
	world_init(w, "./shop", 800);
	w->argv[1] = (char *)"--big lock";
	u32 process = world_process(w, 100, "shop");
	u32 join = world_frame(w, "main", "/src/shop.c", 80);
	u32 take = world_frame(w, "take_from_shelf", "/src/shop.c", 42);
	u32 restock = world_frame(w, "restock", "/src/shop.c", 57);
	u32 frames[2] = { take, join };
	u32 stack = world_stack(w, frames, 2);
	world_lock(w, CT_LK_MUTEX, 0x404040);
	u32 first = world_thread(w, process, 100, "shop", 0);
	w->m.threads.at[first].flags |= CT_THREAD_ROOT;
	world_slice(w, first, CT_RUNNING, 20 * WORLD_MS, CT_NONE);
	world_wait(w, first, CT_JOIN, 770 * WORLD_MS, join, CT_NONE);
	world_slice(w, first, CT_RUNNING, 10 * WORLD_MS, CT_NONE);
	for (u32 i = 1; i <= 3; i++) {
		char name[16] = "worker-0";
		name[7] = (char)('0' + i);
		u32 worker = world_thread(w, process, 100 + i, name, 20 + i);
		world_shop_worker(w, worker, stack, take, restock);
	}
	world_shop_lock(w, take, restock);
	world_line(w, take, CT_LOCK, 1599, 1119300000, 700000, 3);
	world_line(w, join, CT_JOIN, 1, 770 * WORLD_MS, 770 * WORLD_MS, 1);
	world_line(w, restock, CT_IO_DISK, 3, 180 * WORLD_MS, 90 * WORLD_MS, 3);
	*ct_vec_push(&w->facts.wakers.at) = (struct ct_waker_pair){ 2, 1, 600, 420 * WORLD_MS };
	*ct_vec_push(&w->facts.wakers.at) = (struct ct_waker_pair){ CT_NONE, 1, 1, 30 * WORLD_MS };
	w->running_ns[0] = 170 * WORLD_MS;
	w->running_ns[1] = 600 * WORLD_MS;
	w->running_ns[2] = 30 * WORLD_MS;
	w->facts.parallelism = (struct ct_parallelism){ .running_ns = w->running_ns, .cnt = 3,
		.mean_running = 0.825, .duration_ns = 800 * WORLD_MS,
		.wait_cpu_ns = 90 * WORLD_MS };
	*ct_vec_push(&w->m.samples) = (struct ct_cpu_sample){ .thread = 1, .stack = stack };
	world_shop_path(w, join);
}

#endif
