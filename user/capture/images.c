/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process has which code mapped where, over time: perf's side-band records (mmap2, comm with
 * its exec mark, fork) of all CPUs, filtered by process here. A per-process perf event would be
 * inherited by every thread and make each of its context switches dearer; a per-CPU one costs only
 * who maps code. The records of different CPUs are put in time order before they are applied, since
 * a process may fork on one CPU and exec on the next. Also tells the probes where a process's
 * libraries lie (spans).
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "capture/session_int.h"

#define IMAGE_PAGES 64 /* data pages of a CPU's buffer: some 2,000 mappings between two drains */

struct span { /* as in bpf/ctrace.bpf.h */
	u64 tgid, lo, hi;
};
#define SPAN_SLOTS 4096

enum image_kind { IMAGE_MAP, IMAGE_EXEC, IMAGE_FORK };
struct image_event {
	ct_ns ts;
	u32 seq;
	enum image_kind kind;
	u32 tgid, child;
	u64 addr, len, pgoff, ino;
	char *path; /* owned */
};

struct image_process {
	u32 tgid;
	bool has_program; /* its main program's mapping was seen since the last exec */
	char *program;
};

struct ct_images {
	u32 cpu_cnt;
	int *fds;
	void **buffers; /* perf_event_mmap_page and data */
	struct span *spans;
	CT_VEC(struct image_event) pending;
	struct ct_table *followed; /* tgid -> index of processes */
	CT_VEC(struct image_process) processes;
	u64 lost;
	u32 seq;
};

static size_t buffer_size(void)
{
	return (IMAGE_PAGES + 1) * (size_t)sysconf(_SC_PAGESIZE);
}

static int open_cpu(struct ct_images *im, u32 cpu)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr), .mmap = 1, .mmap2 = 1, .comm = 1, .comm_exec = 1, .task = 1,
		.sample_id_all = 1, .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.use_clockid = 1, .clockid = CLOCK_MONOTONIC, .watermark = 1,
		.wakeup_watermark = 1u << 20, .exclude_kernel = 1 };

	im->fds[cpu] = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (im->fds[cpu] < 0)
		return errno == ENODEV ? 0 : -errno; /* ENODEV: that CPU is off */
	im->buffers[cpu] =
		mmap(NULL, buffer_size(), PROT_READ | PROT_WRITE, MAP_SHARED, im->fds[cpu], 0);
	if (im->buffers[cpu] == MAP_FAILED) {
		im->buffers[cpu] = NULL;
		return -errno;
	}
	return 0;
}

int ct_images__open(struct ct_images **out, u32 cpu_cnt, void *spans, char **why)
{
	struct ct_images *im = ct_alloc(sizeof(*im));
	int err = 0;

	im->cpu_cnt = cpu_cnt;
	im->fds = ct_alloc(cpu_cnt * sizeof(*im->fds));
	im->buffers = ct_alloc(cpu_cnt * sizeof(*im->buffers));
	im->spans = spans;
	im->followed = ct_table__new();
	memset(im->fds, -1, cpu_cnt * sizeof(*im->fds));
	for (u32 cpu = 0; cpu < cpu_cnt && !err; cpu++)
		err = open_cpu(im, cpu);
	if (err) {
		*why = ct_asprintf("cannot watch which code is mapped (perf_event_open: %s); "
				   "run as root, or see 'ctrace doctor'", strerror(-err));
		ct_images__free(im);
		return err;
	}
	*out = im;
	return 0;
}

/* ---- reading perf's records ---- */

struct sample_id { /* at the end of every record: sample_type TID | TIME */
	u32 pid, tid;
	u64 time;
};

struct mmap2_record {
	struct perf_event_header header;
	u32 pid, tid;
	u64 addr, len, pgoff;
	u32 maj, min;
	u64 ino, ino_generation;
	u32 prot, flags;
	char filename[];
};

struct fork_record {
	struct perf_event_header header;
	u32 pid, ppid, tid, ptid;
	u64 time;
};

struct comm_record {
	struct perf_event_header header;
	u32 pid, tid;
	char comm[];
};

static struct image_event *add_event(struct ct_images *im, const struct perf_event_header *h,
	enum image_kind kind, u32 tgid)
{
	const struct sample_id *id = (const void *)((const u8 *)h + h->size - sizeof(*id));
	struct image_event *e = ct_vec_push(&im->pending);

	e->ts = id->time;
	e->seq = im->seq++;
	e->kind = kind;
	e->tgid = tgid;
	return e;
}

static void take_record(struct ct_images *im, const struct perf_event_header *h)
{
	const struct mmap2_record *m = (const void *)h;
	const struct fork_record *f = (const void *)h;
	const struct comm_record *c = (const void *)h;
	struct image_event *e;

	switch (h->type) {
	case PERF_RECORD_MMAP2:
		if (h->misc & PERF_RECORD_MISC_MMAP_DATA)
			return;
		e = add_event(im, h, IMAGE_MAP, m->pid);
		e->addr = m->addr;
		e->len = m->len;
		e->pgoff = m->pgoff;
		e->ino = m->ino;
		e->path = ct_strndup(m->filename, h->size - sizeof(*m) - sizeof(struct sample_id));
		break;
	case PERF_RECORD_COMM:
		if (h->misc & PERF_RECORD_MISC_COMM_EXEC)
			add_event(im, h, IMAGE_EXEC, c->pid);
		break;
	case PERF_RECORD_FORK:
		if (f->pid != f->ppid) /* else a thread */
			add_event(im, h, IMAGE_FORK, f->ppid)->child = f->pid;
		break;
	case PERF_RECORD_LOST:
		im->lost += ((const u64 *)(h + 1))[1];
		break;
	default:
		break;
	}
}

static void read_buffer(struct ct_images *im, struct perf_event_mmap_page *page)
{
	size_t size = IMAGE_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	const u8 *data = (const u8 *)page + sysconf(_SC_PAGESIZE);
	u64 head = atomic_load_explicit((_Atomic u64 *)&page->data_head, memory_order_acquire);
	u64 tail = page->data_tail;
	_Alignas(8) u8 copy[UINT16_MAX + 1];

	while (tail < head) {
		const struct perf_event_header *h = (const void *)(data + tail % size);
		u32 len = h->size;

		if (tail % size + len > size) { /* wraps: headers never do, they are 8-aligned */
			u32 first = size - tail % size;

			memcpy(copy, h, first);
			memcpy(copy + first, data, len - first);
			h = (const void *)copy;
		}
		take_record(im, h);
		tail += len;
	}
	atomic_store_explicit((_Atomic u64 *)&page->data_tail, tail, memory_order_release);
}

/* ---- applying them ---- */

static struct image_process *find_process(struct ct_images *im, u32 tgid)
{
	u32 i = ct_table__get(im->followed, tgid, 0);

	return i == CT_NONE ? NULL : &im->processes.at[i];
}

static struct image_process *follow(struct ct_images *im, u32 tgid)
{
	struct image_process *p = find_process(im, tgid);

	if (p)
		return p;
	ct_table__set(im->followed, tgid, 0, im->processes.cnt);
	p = ct_vec_push(&im->processes);
	p->tgid = tgid;
	return p;
}

static bool is_library(const struct image_process *p, const char *path)
{
	return path[0] == '/' && strncmp(path, "//", 2) &&
	       (!p->program || strcmp(p->program, path));
}

static void widen_span(struct ct_images *im, u32 tgid, u64 lo, u64 hi)
{
	struct span *s = &im->spans[tgid % SPAN_SLOTS];

	if (s->tgid == tgid) {
		lo = s->lo < lo ? s->lo : lo;
		hi = s->hi > hi ? s->hi : hi;
	}
	/* the probes may read it half written: they would make a new fingerprint, no more */
	s->tgid = 0;
	s->lo = lo;
	s->hi = hi;
	atomic_store_explicit((_Atomic u64 *)&s->tgid, tgid, memory_order_release);
}

static void reset_program(struct ct_images *im, struct image_process *p)
{
	struct span *s = &im->spans[p->tgid % SPAN_SLOTS];

	free(p->program);
	p->program = NULL;
	p->has_program = false;
	if (s->tgid == p->tgid)
		s->tgid = 0;
}

static void apply_map(struct ct_images *im, struct ct_symbolizer *sym, const struct image_event *e)
{
	struct image_process *p = find_process(im, e->tgid);

	if (!p)
		return;
	if (!p->has_program && e->path[0] == '/') { /* the kernel maps the program itself first */
		p->has_program = true;
		p->program = ct_strdup(e->path);
	} else if (is_library(p, e->path)) {
		widen_span(im, e->tgid, e->addr, e->addr + e->len);
	}
	ct_symbolizer__map(sym, e->ts, e->tgid, e->addr, e->len, e->pgoff, e->path, e->ino);
}

static void apply_fork(struct ct_images *im, struct ct_symbolizer *sym, const struct image_event *e)
{
	struct image_process *p = find_process(im, e->tgid), *child;
	struct span span = im->spans[e->tgid % SPAN_SLOTS];
	char *program;
	bool has;

	if (!p)
		return;
	program = p->program ? ct_strdup(p->program) : NULL;
	has = p->has_program;
	child = follow(im, e->child); /* may move p */
	free(child->program);
	child->program = program;
	child->has_program = has;
	if (span.tgid == e->tgid)
		widen_span(im, e->child, span.lo, span.hi);
	ct_symbolizer__fork(sym, e->ts, e->tgid, e->child);
}

static void apply(struct ct_images *im, struct ct_symbolizer *sym, const struct image_event *e)
{
	struct image_process *p;

	switch (e->kind) {
	case IMAGE_MAP:
		apply_map(im, sym, e);
		break;
	case IMAGE_FORK:
		apply_fork(im, sym, e);
		break;
	case IMAGE_EXEC:
		p = find_process(im, e->tgid);
		if (!p)
			break;
		reset_program(im, p);
		ct_symbolizer__exec(sym, e->ts, e->tgid);
		break;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct image_event *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Takes what is there; what is younger than the begin of this call waits for the next, since an
 * older record of another CPU may still come (`all`: nothing more will). */
void ct_images__drain(struct ct_images *im, struct ct_symbolizer *sym, bool all)
{
	ct_ns begin = ct_now_ns();
	u32 i;

	for (u32 cpu = 0; cpu < im->cpu_cnt; cpu++)
		if (im->buffers[cpu])
			read_buffer(im, im->buffers[cpu]);
	qsort(im->pending.at, im->pending.cnt, sizeof(*im->pending.at), by_time);
	for (i = 0; i < im->pending.cnt && (all || im->pending.at[i].ts < begin); i++) {
		apply(im, sym, &im->pending.at[i]);
		free(im->pending.at[i].path);
	}
	im->pending.cnt -= i;
	if (i && im->pending.cnt)
		memmove(im->pending.at, im->pending.at + i,
			im->pending.cnt * sizeof(*im->pending.at));
}

/* A process that exists: what it has mapped comes from /proc, what it maps from now on from
 * perf. */
void ct_images__follow(struct ct_images *im, struct ct_symbolizer *sym, u32 tgid)
{
	struct image_process *p = follow(im, tgid);
	char path[64], line[512], perms[8], file[256], exe[256];
	unsigned long lo, hi;
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = 0;
		free(p->program);
		p->program = ct_strdup(exe);
		p->has_program = true;
	}
	ct_symbolizer__scan(sym, ct_now_ns(), tgid);
	snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &lo, &hi, perms, file) == 4 &&
			perms[2] == 'x' && is_library(p, file))
			widen_span(im, tgid, lo, hi);
	}
	if (f)
		fclose(f);
}

u64 ct_images__lost(const struct ct_images *im)
{
	return im->lost;
}

void ct_images__free(struct ct_images *im)
{
	if (!im)
		return;
	for (u32 cpu = 0; cpu < im->cpu_cnt; cpu++) {
		if (im->buffers[cpu])
			munmap(im->buffers[cpu], buffer_size());
		if (im->fds[cpu] >= 0)
			close(im->fds[cpu]);
	}
	for (u32 i = 0; i < im->pending.cnt; i++)
		free(im->pending.at[i].path);
	for (u32 i = 0; i < im->processes.cnt; i++)
		free(im->processes.at[i].program);
	ct_vec_free(&im->pending);
	ct_vec_free(&im->processes);
	ct_table__free(im->followed);
	free(im->fds);
	free(im->buffers);
	free(im);
}
