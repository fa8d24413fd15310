/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The session: life cycle of the skeleton, the configuration of the probes, the mapped rings, the
 * sampling timers.  Not here: reading records (ring.c), mappings (images.c).
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "base/aside.h"
#include "capture/session_int.h"
#include "capture/features.h"
#include "ctrace.skel.h"

/* Ring memory of all CPUs together, and the most for one: 16 MiB hold half a second of a CPU that
 * does nothing but futex calls (600,000/s of 56 bytes). 8 MiB were too few on a machine so busy
 * that the collector, for all its priority, did not write for 0.3 s: 4,046 events of stress-ng
 * --futex lost. */
#define RINGS_TOTAL (32u << 20)
#define RING_MOST (16u << 20)

/* A probe may still be at work on a record when its programs are off, for as long as whatever runs
 * this machine keeps its CPU from it: what is behind that record waits for it, this many ms. */
#define LAST_DRAINS 200

ct_ns ct_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int libbpf_message(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *text, *line, *save = NULL; /* a verifier log may be megabytes */

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, args) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		ct_debug("%s", line);
	free(text);
	return 0;
}

/* ---- configuration ---- */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* The highest number in a list such as 0-3,8-11, plus 1; 0: it cannot be read. */
static u32 cpus_of(const char *list)
{
	char path[64];
	unsigned last = 0;
	bool any = false;
	char sep;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", list);
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &last) == 1) {
		any = true;
		if (fscanf(f, "%c", &sep) != 1)
			break;
	}
	if (f)
		fclose(f);
	return any ? last + 1 : 0;
}

static u32 highest_cpu_plus_1(void)
{
	long cnt = sysconf(_SC_NPROCESSORS_ONLN); /* -1: it does not know either */
	u32 least = cnt > 0 ? (u32)cnt : 1, online = cpus_of("online");

	return online < least ? least : online;
}

static u32 choose_segments(const struct ct_session_opts *opts, u32 cpu_cnt)
{
	size_t each = (opts->buffer_bytes ? opts->buffer_bytes : RINGS_TOTAL) / cpu_cnt;
	u32 segments = 1;

	if (!opts->buffer_bytes && each > RING_MOST)
		each = RING_MOST;
	while (segments < 256 && (size_t)segments * CT_SEG_BYTES < each)
		segments *= 2;
	return segments;
}

static void configure_rings(struct ct_session *s, const struct ct_session_opts *opts)
{
	struct ct_rings *r = &s->rings;
	u64 most;

	r->cpu_cnt = highest_cpu_plus_1();
	r->ctl_cnt = cpus_of("possible");
	if (r->ctl_cnt < r->cpu_cnt)
		r->ctl_cnt = r->cpu_cnt;
	if (r->ctl_cnt > CT_CPU_MAX)
		r->ctl_cnt = CT_CPU_MAX;
	r->segments = choose_segments(opts, r->cpu_cnt);
	most = (u64)r->segments * CT_SEG_BYTES - CT_RING_MARGIN;
	r->limit = most;
	if (opts->buffer_bytes && opts->buffer_bytes / r->cpu_cnt < most)
		r->limit = opts->buffer_bytes / r->cpu_cnt;
	s->skel->rodata->segment_mask = r->segments - 1;
	s->skel->rodata->ring_limit = r->limit;
	s->skel->rodata->ring_doorbell = r->limit / 2;
	/* a quarter of the ring at most goes to stack copies between two drains */
	r->stack_budget = r->limit / 4 / CT_STACK_COPY_BYTES + 4;
	bpf_map__set_max_entries(s->skel->maps.ring_ctl, r->ctl_cnt);
	bpf_map__set_max_entries(s->skel->maps.rings, r->cpu_cnt * r->segments);
	r->segment_size = CT_SEG_BYTES + CT_SEG_SLACK;
}

static void mark_fd_calls(struct ct_session *s)
{
	static const char *const names[] = { "read", "write", "pread64", "pwrite64", "readv",
		"writev", "preadv", "pwritev", "preadv2", "pwritev2", "splice", "tee", "vmsplice",
		"sendfile", "copy_file_range", "getdents64", "fsync", "fdatasync",
		"sync_file_range", "ftruncate", "fallocate", "flock", "ioctl" };

	for (size_t i = 0; i < CT_COUNT(names); i++) {
		int nr = ct_syscall__number(names[i]);

		if (nr >= 0 && nr < 512)
			s->skel->rodata->fd_calls[nr / 64] |= 1ull << nr % 64;
	}
}

/* tracefs may be mounted in either place; a kernel without the call has no such folder */
static bool has_tracepoint(const char *group, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/%s/id", group, name);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), "/sys/kernel/debug/tracing/events/%s/%s/id", group, name);
	return !access(path, F_OK);
}

static u16 number_or_none(const char *name)
{
	int nr = ct_syscall__number(name);

	return nr < 0 ? CT_NR_NONE : (u32)nr;
}

/* Tracepoints of calls that this kernel has; none at all: tracefs is not there to look at. */
static void configure_futex(struct ct_session *s, bool calls)
{
	struct ctrace_bpf *k = s->skel;
	const struct {
		struct bpf_program *prog;
		const char *call;
	} progs[] = {
		{ k->progs.on_futex, "futex" },
		{ k->progs.on_futex_wait, "futex_wait" },
		{ k->progs.on_futex_wake, "futex_wake" },
		{ k->progs.on_futex_waitv, "futex_waitv" },
		{ k->progs.on_futex_requeue, "futex_requeue" },
	};
	char name[64];

	k->rodata->nr_futex = number_or_none("futex");
	k->rodata->nr_futex_wait = number_or_none("futex_wait");
	k->rodata->nr_futex_wake = number_or_none("futex_wake");
	k->rodata->nr_futex_waitv = number_or_none("futex_waitv");
	k->rodata->nr_futex_requeue = number_or_none("futex_requeue");
	for (size_t i = 0; calls && i < CT_COUNT(progs); i++) {
		snprintf(name, sizeof(name), "sys_exit_%s", progs[i].call);
		if (!has_tracepoint("syscalls", name))
			continue;
		bpf_program__set_autoload(progs[i].prog, true);
		s->futex_calls = true;
	}
	k->rodata->futex_calls = s->futex_calls;
}

/* ---- what only the kernel's BTF tells ---- */

/* Does sched_switch hand over the state the thread left with (5.18 on)? */
static bool switch_has_state(struct btf *btf)
{
	i32 id = btf__find_by_name_kind(btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	t = t ? btf__type_by_id(btf, t->type) : NULL; /* pointer */
	t = t ? btf__type_by_id(btf, t->type) : NULL; /* function prototype */
	/* the first parameter is the tracepoint's private data */
	return t && btf_is_func_proto(t) && btf_vlen(t) >= 5;
}

/* Offset of a per-CPU variable in its section; -1: there is none of that name. */
static i64 percpu_offset(struct btf *btf, const char *name)
{
	i32 id = btf__find_by_name_kind(btf, ".data..percpu", BTF_KIND_DATASEC);
	const struct btf_type *sec = id > 0 ? btf__type_by_id(btf, id) : NULL;
	const struct btf_var_secinfo *v = sec ? btf_var_secinfos(sec) : NULL;

	for (u32 i = 0; sec && i < btf_vlen(sec); i++)
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, v[i].type)->name_off),
			    name))
			return v[i].offset;
	return -1;
}

/* Bytes from the run queue to the preemption count, both per CPU; 0: not known (see
 * compat.bpf.h). */
static i64 find_preempt_delta(struct btf *btf)
{
	i64 runqueues = percpu_offset(btf, "runqueues"),
	    count = percpu_offset(btf, "__preempt_count");
	i32 id;

	if (count < 0) {
		count = percpu_offset(btf, "pcpu_hot");
		id = btf__find_by_name_kind(btf, "pcpu_hot", BTF_KIND_STRUCT);
		/* its first union holds an unnamed struct { current_task, preempt_count, ... } */
		count = count < 0 || id < 0 ? -1 : count + (i64)sizeof(void *);
	}
	return runqueues < 0 || count < 0 ? 0 : count - runqueues;
}

/* Kernels that count how often interrupts were disabled keep that in the preemption count, below
 * the bits of interrupts (see compat.bpf.h); the variable came with it. */
static void configure_interrupts(struct ct_session *s, struct btf *btf)
{
	s->skel->rodata->preempt_delta = find_preempt_delta(btf);
	s->skel->rodata->has_rdonly_cast =
		btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	if (btf__find_by_name_kind(btf, "local_interrupt_disable_state", BTF_KIND_VAR) < 0)
		return;
	s->skel->rodata->hardirq_mask = 0x0f000000;
	s->skel->rodata->nmi_mask = 0x10000000;
}

static void configure(struct ct_session *s, const struct ct_session_opts *opts)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has_state = btf && switch_has_state(btf);

	if (btf)
		configure_interrupts(s, btf);
	btf__free(btf);
	s->skel->rodata->with_stacks = opts->stacks;
	s->skel->rodata->follow_secure = opts->follow_secure;
	bpf_program__set_autoload(s->skel->progs.on_switch, has_state);
	bpf_program__set_autoload(s->skel->progs.on_switch_3args, !has_state);
	bpf_program__set_autoload(s->skel->progs.on_sample, opts->sample_hz > 0);
	bpf_program__set_autoload(s->skel->progs.on_access, opts->watch);
	bpf_program__set_autoload(s->skel->progs.on_lock_call, opts->shake);
	configure_rings(s, opts);
	configure_futex(s, opts->futex_calls);
	mark_fd_calls(s);
}

/* ---- loading ---- */

static int map_array(struct bpf_map *map, size_t size, void **out)
{
	*out = mmap(NULL, round_up(size, sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(map), 0);
	if (*out == MAP_FAILED) {
		*out = NULL;
		return -errno;
	}
	return 0;
}

static int map_memory(struct ct_session *s, char **why)
{
	struct ct_rings *r = &s->rings;
	void *spans = NULL;
	int err;

	r->ctl_size = r->ctl_cnt * sizeof(*r->ctl);
	r->memory_size = (size_t)r->cpu_cnt * r->segments * r->segment_size;
	s->tids_size = CT_TID_MAX / 8;
	err = map_array(s->skel->maps.ring_ctl, r->ctl_size, (void **)&r->ctl);
	err = err ? err : map_array(s->skel->maps.rings, r->memory_size, (void **)&r->memory);
	err = err ? err : map_array(s->skel->maps.tids, s->tids_size, (void **)&s->tids);
	err = err ? err : map_array(s->skel->maps.spans, 4096 * 24, &spans);
	if (err) {
		*why = ct_asprintf("cannot map the rings: %s", strerror(-err));
		return err;
	}
	r->lost_before = ct_alloc(r->ctl_cnt * sizeof(*r->lost_before));
	for (u32 cpu = 0; cpu < r->cpu_cnt; cpu++)
		r->ctl[cpu].stack_budget = r->stack_budget;
	return ct_images__open(&s->images, r->cpu_cnt, spans, why);
}

static int on_doorbell(void *arg, void *data, size_t size)
{
	return 0; /* it only wakes */
}

static int open_samples(struct ct_session *s, u32 hz, char **why)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = hz,
		.exclude_idle = 1 };

	s->sample_fds = ct_alloc(s->rings.cpu_cnt * sizeof(int));
	s->sample_links = ct_alloc(s->rings.cpu_cnt * sizeof(void *));
	for (u32 cpu = 0; cpu < s->rings.cpu_cnt; cpu++) {
		int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		struct bpf_link *link;

		if (fd < 0 && errno == ENODEV)
			continue;
		if (fd < 0) {
			*why = ct_asprintf(
				"cannot sample running threads (perf_event_open: %s); try "
				"--cpu-samples=off",
				strerror(errno));
			return -errno;
		}
		link = bpf_program__attach_perf_event(s->skel->progs.on_sample, fd);
		if (!link) {
			close(fd);
			*why = ct_asprintf("cannot attach to the sampling timer: %s; try "
					   "--cpu-samples=off",
				strerror(errno));
			return -errno;
		}
		s->sample_links[s->sample_cnt] = link;
		s->sample_fds[s->sample_cnt++] = fd;
	}
	return 0;
}

static int load(struct ct_session *s, char **why)
{
	int err = ct_features__sees_ids() ? ctrace_bpf__load(s->skel) : -ENOTSUP;
	char *reason;

	if (!err)
		return 0;
	reason = ct_features__why_not();
	*why = reason ? reason
		      : ct_asprintf("the kernel refused the probes: %s; 'ctrace -v' shows its "
				    "words, 'ctrace doctor' what is missing",
				strerror(-err));
	return err;
}

static int attach(struct ct_session *s, const struct ct_session_opts *opts, char **why)
{
	int err = ctrace_bpf__attach(s->skel);

	if (err) {
		*why = ct_asprintf(
			"cannot attach the probes: %s; see 'ctrace doctor'", strerror(-err));
		return err;
	}
	return opts->sample_hz ? open_samples(s, opts->sample_hz, why) : 0;
}

int ct_session__open(struct ct_session **out, const struct ct_session_opts *opts, char **why)
{
	struct ct_session *s = ct_alloc(sizeof(*s));
	int err = 0;

	*why = NULL;
	s->doorbell_fd = -1;
	s->drain_bytes = opts->drain_bytes;
	s->pause_ms = 20;
	libbpf_set_print(libbpf_message);
	s->skel = ctrace_bpf__open();
	if (!s->skel) {
		err = errno ? -errno : -EINVAL;
		*why = ct_asprintf("cannot open the probes: %s", strerror(-err));
		goto out;
	}
	configure(s, opts);
	err = load(s, why);
	err = err ? err : map_memory(s, why);
	if (err)
		goto out;
	s->doorbell =
		ring_buffer__new(bpf_map__fd(s->skel->maps.doorbell), on_doorbell, NULL, NULL);
	s->doorbell_fd = s->doorbell ? ring_buffer__epoll_fd(s->doorbell) : -1;
	err = attach(s, opts, why);
	if (!err)
		ct_cost__arm(s);
out:
	if (err)
		ct_session__free(s);
	else
		*out = s;
	return err;
}

void ct_session__watch(struct ct_session *s, struct ct_alarm *alarm)
{
	s->alarm = alarm;
}

void ct_session__sink(struct ct_session *s, struct ct_writer *w, struct ct_symbolizer *sym)
{
	s->writer = w;
	s->sym = sym;
	s->last_drain_ns = ct_now_ns();
}

/* ---- the traced set ---- */

void ct_session__trace(struct ct_session *s, u32 tid)
{
	if (tid < CT_TID_MAX)
		__atomic_fetch_or(&s->tids[tid / 64], 1ull << tid % 64, __ATOMIC_SEQ_CST);
}

void ct_session__forget(struct ct_session *s, u32 tid)
{
	if (tid < CT_TID_MAX)
		__atomic_fetch_and(&s->tids[tid / 64], ~(1ull << tid % 64), __ATOMIC_SEQ_CST);
}

bool ct_session__traces(const struct ct_session *s, u32 tid)
{
	return tid < CT_TID_MAX &&
	       __atomic_load_n(&s->tids[tid / 64], __ATOMIC_SEQ_CST) >> tid % 64 & 1;
}

void ct_session__follow_images(struct ct_session *s, u32 tgid)
{
	ct_images__follow(s->images, s->sym, tgid);
}

u32 ct_session__new_stack_id(struct ct_session *s)
{
	return __atomic_add_fetch(&s->skel->bss->stack_seq, 1, __ATOMIC_SEQ_CST);
}

void ct_session__inject(struct ct_session *s, u32 kind, u32 tid, ct_ns ts, const void *fields)
{
	u32 size = ct_kind_size(kind);
	struct ct_hdr hdr = {
		.tid = tid, .kind = kind, .words = (sizeof(hdr) + size) / 8, .ts = ts
	};
	size_t at = s->injected.len;

	ct_buf_put(&s->injected, &hdr, sizeof(hdr));
	ct_buf_put(&s->injected, fields, size);
	if (s->alarm)
		ct_alarm__see(s->alarm, (const void *)(s->injected.at + at));
}

/* ---- draining ---- */

int ct_session__wait_fd(const struct ct_session *s)
{
	return s->doorbell_fd;
}

void ct_session__rang(struct ct_session *s)
{
	if (s->doorbell)
		ring_buffer__consume(s->doorbell);
}

bool ct_session__has_futex_calls(const struct ct_session *s)
{
	return s->futex_calls;
}

int ct_session__pause_ms(const struct ct_session *s)
{
	return s->pause_ms;
}

/* Sleeps such that a ring is a quarter full at the next drain if the rate stays, or has as much as
 * is wanted at once: the doorbell is for bursts. At most 100 ms, so that what happens is on disk,
 * and seen, soon. */
static void adapt_pause(struct ct_session *s, u64 fill, ct_ns now)
{
	u64 want = s->rings.limit / 4, elapsed = now - s->last_drain_ns;

	if (s->drain_bytes && s->drain_bytes < want)
		want = s->drain_bytes;
	u64 ms = fill ? elapsed * want / fill / 1000000 : 100;

	s->pause_ms = ms > 100 ? 100 : ms < 2 ? 2 : ms;
}

int ct_session__drain(struct ct_session *s)
{
	ct_ns now = ct_now_ns();
	u64 fill = ct_rings__fill(&s->rings);
	bool behind;
	int err;

	adapt_pause(s, fill, now);
	if (s->watch) {
		int pause_ms = ct_watcher__tick(s->watch, now);

		s->pause_ms = pause_ms < s->pause_ms ? pause_ms : s->pause_ms;
	}
	for (u32 cpu = 0; cpu < s->rings.cpu_cnt; cpu++)
		s->rings.ctl[cpu].busy = 0;
	err = ct_rings__drain(s, &behind);
	for (u32 i = 0; s->stopped && behind && !err && i < LAST_DRAINS; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		err = ct_rings__drain(s, &behind);
	}
	ct_cost__step(s, now);
	ct_images__drain(s->images, s->sym, s->stopped);
	if (s->writer && !err && !behind)
		err = ct_writer__sync(s->writer, s->stopped ? now : now - CT_PROBE_NS);
	s->stats.drains++;
	s->last_drain_ns = now;
	return err;
}

static void close_samples(struct ct_session *s)
{
	for (u32 i = 0; i < s->sample_cnt; i++) {
		bpf_link__destroy(s->sample_links[i]); /* closes the event, too */
	}
	s->sample_cnt = 0;
}

/* Each waits for a grace period, 180 ms of the 370 that a recording of /bin/true took: all at once.
 * For libbpf, which closes them again afterwards, they are no descriptors any more. */
static void close_futex_links(struct ct_session *s)
{
	struct bpf_link *const links[] = { s->skel->links.on_futex, s->skel->links.on_futex_wait,
		s->skel->links.on_futex_wake, s->skel->links.on_futex_waitv,
		s->skel->links.on_futex_requeue };
	pid_t children[CT_COUNT(links)];

	for (u32 i = 0; i < CT_COUNT(links); i++)
		children[i] = links[i] ? ct_aside__close(bpf_link__fd(links[i])) : -1;
	for (u32 i = 0; i < CT_COUNT(links); i++)
		while (children[i] > 0 && waitpid(children[i], NULL, 0) < 0 && errno == EINTR)
			;
}

void ct_session__stop(struct ct_session *s)
{
	close_samples(s);
	if (s->watch)
		ct_watcher__stop(s->watch);
	close_futex_links(s);
	ctrace_bpf__detach(s->skel);
	s->stopped = true;
}

void ct_session__cost_from_here(struct ct_session *s)
{
	ct_cost__start(s);
}

void ct_session__cost_to_here(struct ct_session *s, struct ct_run *run)
{
	ct_cost__end(s, run);
}

void ct_session__stats(const struct ct_session *s, struct ct_session_stats *out)
{
	*out = s->stats;
	out->let_go = s->skel->bss->secure_cnt;
	out->image_events_lost = ct_images__lost(s->images);
	for (u32 cpu = 0; cpu < s->rings.cpu_cnt; cpu++) {
		out->stacks_dropped += s->rings.ctl[cpu].stacks_dropped;
		out->stacks_failed += s->rings.ctl[cpu].stacks_failed;
	}
}

void ct_session__free(struct ct_session *s)
{
	if (!s)
		return;
	close_samples(s);
	ct_images__free(s->images);
	if (s->rings.memory)
		munmap(s->rings.memory, s->rings.memory_size);
	if (s->rings.ctl)
		munmap(s->rings.ctl, round_up(s->rings.ctl_size, sysconf(_SC_PAGESIZE)));
	if (s->tids)
		munmap(s->tids, s->tids_size);
	ring_buffer__free(s->doorbell);
	ctrace_bpf__destroy(s->skel);
	ct_buf_free(&s->injected);
	free(s->rings.lost_before);
	free(s->sample_fds);
	free(s->sample_links);
	free(s);
}
