/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the reading of what running threads wait for: /proc/TID/syscall, futex and owner words,
 * stacks. Some 30 us a thread.  What the layouts of words are: bpf/wait.bpf.h.  Not: what it means.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "capture/inspect.h"
#include "capture/session_int.h"

#define FUTEX_WAIT 0u
#define FUTEX_LOCK_PI 6u
#define FUTEX_WAIT_BITSET 9u
#define FUTEX_WAIT_REQUEUE_PI 11u
#define FUTEX_LOCK_PI2 13u
#define FUTEX_CMD 0x7fu
#define FUTEX_PRIVATE 0x80u
#define FUTEX_TID 0x3fffffffu

#define WORDS 6
#define USERS_MOST (4u << 20) /* of a mutex: as many as there can be threads */
#define MUTEX_KINDS 0x400u    /* glibc's kinds and flags lie below */

/* ---- /proc ---- */

int ct_proc__read(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;
	int err;

	if (!f)
		return -errno;
	errno = 0;
	n = fread(buf, 1, size - 1, f);
	err = ferror(f) ? -errno : n ? 0 : -ESRCH;
	buf[n] = 0;
	fclose(f);
	return err;
}

u8 ct_inspect__state(char letter)
{
	switch (letter) {
	case 'S':
		return CT_STATE_SLEEPING;
	case 'D':
		return CT_STATE_DISK;
	case 'T':
		return CT_STATE_STOPPED;
	case 't':
		return CT_STATE_TRACED;
	case 'X':
	case 'Z':
		return CT_STATE_DEAD;
	case 'I':
		return CT_STATE_IDLE;
	default:
		return CT_STATE_RUNNABLE;
	}
}

int ct_inspect__each_thread(u32 pid, int (*fn)(void *arg, u32 tid), void *arg)
{
	char path[64];
	struct dirent *e;
	DIR *d;
	int cnt = 0;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	d = opendir(path);
	if (!d)
		return -ESRCH;
	while ((e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]))
			cnt += fn(arg, strtoul(e->d_name, NULL, 10));
	closedir(d);
	return cnt;
}

static u8 file_kind(u32 tid, u64 fd)
{
	char path[64], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/fd/%llu", tid, (unsigned long long)fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return CT_FILE_NONE;
	target[n] = 0;
	if (!strncmp(target, "socket:", 7))
		return CT_FILE_SOCK;
	if (!strncmp(target, "pipe:", 5))
		return CT_FILE_FIFO;
	if (!strncmp(target, "anon_inode:", 11))
		return CT_FILE_ANON;
	return strncmp(target, "/dev/", 5) ? CT_FILE_REG : CT_FILE_CHR;
}

/* ---- futex words ---- */

static u32 owner_of(const struct ct_found *st, const u32 words[WORDS])
{
	u32 cmd = st->arg1 & FUTEX_CMD;

	if (cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2)
		return words[0] & FUTEX_TID;
	/* WAIT_BITSET: with a timeout; what else waits so has no thread's id there */
	if ((cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET) && st->arg2 == 2)
		return words[2];
	if (st->arg2 & 0x80000000)
		return st->arg2 & FUTEX_TID;
	if (cmd == FUTEX_WAIT_BITSET && st->arg2 == 3)
		return st->arg0 & 4 ? words[3] : words[4];
	return 0;
}

/* { lock, count, owner, nusers, kind }: other futexes of value 2 have other things behind them. */
static bool is_mutex(const struct ct_found *st, const u32 words[WORDS])
{
	return (st->arg1 & FUTEX_CMD) == FUTEX_WAIT && st->arg2 == 2 && words[0] == 2 && words[2] &&
	       words[3] && words[3] <= USERS_MOST && words[4] < MUTEX_KINDS;
}

static bool read_words(u32 tid, struct ct_found *st, bool *at_mutex)
{
	u32 words[WORDS] = { 0 };
	struct iovec local = { words, sizeof(words) }, remote = { (void *)st->arg0, sizeof(words) };

	if (process_vm_readv(tid, &local, 1, &remote, 1, 0) < (ssize_t)sizeof(words[0]))
		return false;
	st->word = words[0];
	st->owner = owner_of(st, words);
	*at_mutex = is_mutex(st, words);
	return true;
}

u32 ct_inspect__owner(u32 tid, u64 addr, u32 op, u32 val)
{
	struct ct_found st = { .arg0 = addr, .arg1 = op, .arg2 = val };
	bool at_mutex;

	return read_words(tid, &st, &at_mutex) ? st.owner : 0;
}

static bool has_timeout(u32 op, u64 arg3)
{
	u32 cmd = op & FUTEX_CMD;

	return arg3 && (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI ||
			       cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI);
}

/* The system call's arguments, the newer futex calls in the classic form. */
static void read_call(
	u32 tid, long nr, const unsigned long long a[6], struct ct_found *st, bool *at_mutex)
{
	st->nr = nr;
	st->arg0 = a[0];
	st->arg1 = a[1];
	st->arg2 = a[2];
	if (nr == ct_syscall__number("futex")) {
		st->flags = has_timeout(a[1], a[3]) ? CT_SWITCH_TIMED : 0;
		read_words(tid, st, at_mutex);
	} else if (nr ==
		   ct_syscall__number("futex_wait")) { /* addr, val, mask, flags, timeout, clock */
		st->arg1 = FUTEX_WAIT_BITSET | (a[3] & FUTEX_PRIVATE);
		st->arg2 = a[1];
		st->flags = a[4] ? CT_SWITCH_TIMED : 0;
		read_words(tid, st, at_mutex);
	} else if (nr == ct_syscall__number("futex_waitv")) {
		st->flags = CT_SWITCH_TIMED; /* any of several ends it: like a timeout, no edge */
	} else {
		st->file = file_kind(tid, a[0]);
	}
}

/* /proc/TID/syscall: "running", or "NR ARG0 .. ARG5 SP PC", or "-1 SP PC" outside of any call. */
int ct_inspect__wait(u32 tid, struct ct_found *st, u64 *ip, u64 *sp, bool *at_mutex)
{
	unsigned long long a[6], stack, pc;
	char path[64], buf[256];
	long nr = -1;
	int n, err;

	*at_mutex = false;
	snprintf(path, sizeof(path), "/proc/%u/syscall", tid);
	err = ct_proc__read(path, buf, sizeof(buf));
	if (err)
		return err;
	n = sscanf(buf, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &nr, &a[0], &a[1], &a[2],
		&a[3], &a[4], &a[5], &stack, &pc);
	if (n != 9 || nr < 0 || nr >= CT_NR_NONE)
		return -EAGAIN;
	read_call(tid, nr, a, st, at_mutex);
	*ip = pc;
	*sp = stack;
	return 0;
}

bool ct_inspect__stack(struct ct_symbolizer *sym, u32 tid, u32 tgid, u64 ip, u64 sp, u32 id)
{
	u8 *bytes = ct_alloc(CT_STACK_COPY_BYTES);
	struct iovec local = { bytes, CT_STACK_COPY_BYTES },
		     remote = { (void *)sp, CT_STACK_COPY_BYTES };
	struct ct_snapshot snap = { .id = id,
		.tid = tid,
		.tgid = tgid,
		.ts = ct_now_ns(),
		.ip = ip,
		.sp = sp,
		.bytes = bytes };
	ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);

	if (n > 0) {
		snap.len = n & ~7;
		ct_symbolizer__stack(sym, &snap);
	}
	free(bytes);
	return n > 0;
}

/* ---- a look at processes ---- */

struct looking {
	struct ct_look *look;
	u32 pid;
	int err; /* of the first thread that may not be looked at */
};

static void look_at(struct ct_looked_thread *t, const struct ct_task_stat *st, int *err)
{
	t->switches = st->voluntary + st->involuntary;
	t->waits = t->rests = false;
	t->inner_tid = st->inner_tid ? st->inner_tid : t->tid;
	memcpy(t->name, st->name, sizeof(t->name));
	t->wait = (struct ct_found){ .state = ct_inspect__state(st->state), .nr = CT_NR_NONE };
	if (t->wait.state != CT_STATE_SLEEPING && t->wait.state != CT_STATE_DISK)
		return;
	*err = ct_inspect__wait(t->tid, &t->wait, &t->ip, &t->sp, &t->at_mutex);
	t->waits = t->rests = !*err;
}

static int add_thread(void *arg, u32 tid)
{
	struct looking *k = arg;
	struct ct_task_stat st;
	struct ct_looked_thread *t;
	int err = 0;

	if (ct_snapshot__stat(tid, &st) || ct_inspect__state(st.state) == CT_STATE_DEAD)
		return 0;
	ct_table__set(k->look->by_tid, tid, 0, k->look->threads.cnt);
	t = ct_vec_push(&k->look->threads);
	t->pid = k->pid;
	t->tid = tid;
	t->voluntary = st.voluntary;
	look_at(t, &st, &err);
	if (!k->err && (err == -EPERM || err == -EACCES || err == -ENOENT))
		k->err = err;
	return 1;
}

/* Signals with a handler that a person, a timer or another program may send; not those that say
 * that the program broke, nor the two that the C library needs for itself. */
static bool has_handlers(const struct ct_task_stat *st)
{
	const int sent[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
		SIGPROF, SIGCHLD, SIGIO, SIGURG, SIGWINCH, SIGCONT, SIGPWR };
	u64 mask = ~0ull << 33; /* real-time signals but for the C library's 32 and 33 */

	for (size_t i = 0; i < CT_COUNT(sent); i++)
		mask |= 1ull << (sent[i] - 1);
	return st->caught & mask;
}

static bool shares_memory(u32 pid, u32 with)
{
	return with && with != pid && syscall(SYS_kcmp, pid, with, KCMP_VM, 0, 0) == 0;
}

/* A process made by clone(CLONE_VM), or its parent, can wake what waits in this one. */
static bool has_memory_in_common(u32 pid, u32 parent)
{
	char path[80];
	unsigned child;
	bool found = shares_memory(pid, parent);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/children", pid, pid);
	f = fopen(path, "re");
	while (f && !found && fscanf(f, "%u", &child) == 1)
		found = shares_memory(pid, child);
	if (f)
		fclose(f);
	return found;
}

int ct_look__take(struct ct_look *l, const u32 *pids, u32 pid_cnt)
{
	struct looking k = { .look = l };
	struct ct_task_stat st;

	*l = (struct ct_look){ .by_tid = ct_table__new() };
	for (u32 i = 0; i < pid_cnt; i++) {
		int err = ct_snapshot__stat(pids[i], &st);

		if (err)
			return i ? 0 : err == -ENOENT ? -ESRCH : err;
		k.pid = st.tgid;
		l->handles_signals |= has_handlers(&st);
		l->shares_memory |= has_memory_in_common(st.tgid, st.parent);
		ct_inspect__each_thread(st.tgid, add_thread, &k);
	}
	l->start_ns = l->end_ns = ct_now_ns();
	if (k.err)
		return k.err;
	return l->threads.cnt ? 0 : -ESRCH;
}

/* A thread that is new runs, whatever else. */
static int add_new_thread(void *arg, u32 tid)
{
	struct looking *k = arg;

	if (ct_table__get(k->look->by_tid, tid, 0) != CT_NONE || !add_thread(arg, tid))
		return 0;
	k->look->threads.at[k->look->threads.cnt - 1].waits = false;
	k->look->threads.at[k->look->threads.cnt - 1].rests = false;
	return 1;
}

static bool same_wait(const struct ct_looked_thread *a, const struct ct_looked_thread *b)
{
	return b->waits && a->switches == b->switches && a->wait.nr == b->wait.nr &&
	       a->wait.arg0 == b->wait.arg0 && a->wait.arg1 == b->wait.arg1 &&
	       a->wait.arg2 == b->wait.arg2 && a->sp == b->sp && a->ip == b->ip;
}

/* Takes what is there now; false: the thread has ended. */
static bool look_again(struct ct_looked_thread *t)
{
	struct ct_looked_thread now = *t;
	struct ct_task_stat st;
	int err = 0;

	if (ct_snapshot__stat(t->tid, &st) || ct_inspect__state(st.state) == CT_STATE_DEAD)
		return false;
	look_at(&now, &st, &err);
	now.rests &= t->rests;
	now.waits = t->waits && same_wait(t, &now);
	now.woken_cnt = st.voluntary - t->voluntary;
	*t = now;
	return true;
}

/* Is the owner word of this wait one that a thread of another process may have written? */
static bool may_be_outside(const struct ct_looked_thread *t)
{
	u32 cmd = t->wait.arg1 & FUTEX_CMD;

	if (!t->waits || !t->wait.owner || (t->wait.arg1 & FUTEX_PRIVATE))
		return false;
	return t->at_mutex || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       (t->wait.arg2 & 0x80000000) || (cmd == FUTEX_WAIT_BITSET && t->wait.arg2 == 3);
}

/* The process of the one that holds what t waits for, if it was not looked at yet and may be; else
 * 0.  Where the waiter has ids of its own for threads, nobody can be found by them. */
static u32 holder_process(const struct ct_look *l, const struct ct_looked_thread *t)
{
	char path[64], text[256];
	struct ct_task_stat st;
	u32 owner = t->wait.owner;

	if (!may_be_outside(t) || t->inner_tid != t->tid ||
		ct_table__get(l->by_tid, owner, 0) != CT_NONE || ct_snapshot__stat(owner, &st))
		return 0;
	snprintf(path, sizeof(path), "/proc/%u/syscall", owner);
	return ct_proc__read(path, text, sizeof(text)) ? 0 : st.tgid;
}

void ct_look__follow(struct ct_look *l)
{
	struct looking k = { .look = l };
	struct ct_task_stat st;

	for (u32 i = 0; i < l->threads.cnt; i++) {
		k.pid = holder_process(l, &l->threads.at[i]);
		if (!k.pid || ct_snapshot__stat(k.pid, &st))
			continue;
		l->handles_signals |= has_handlers(&st);
		l->shares_memory |= has_memory_in_common(k.pid, st.parent);
		ct_inspect__each_thread(k.pid, add_thread, &k);
	}
	l->start_ns = l->end_ns = ct_now_ns();
}

/* Owner words hold tids of the process's own pid namespace; who is none of its threads, and of no
 * other process, has ended. */
static void find_owner(struct ct_look *l, struct ct_table *by_inner, struct ct_looked_thread *t)
{
	char path[64];
	u32 owner = t->wait.owner, idx;

	t->owner_ended = false;
	t->outside = 0;
	if (!t->waits || !owner)
		return;
	idx = ct_table__get(by_inner, t->pid, owner);
	if (idx != CT_NONE) {
		t->wait.owner = l->threads.at[idx].tid;
		return;
	}
	if (ct_table__get(l->by_tid, owner, 0) != CT_NONE)
		return; /* of another process that was looked at, by a shared lock; or by chance */
	snprintf(path, sizeof(path), "/proc/%u/task/%u", owner, owner);
	/* one that nobody has waited for is still listed */
	t->owner_ended = t->at_mutex && ((t->wait.arg1 & FUTEX_PRIVATE) || access(path, F_OK) ||
						ct_snapshot__ended(owner));
	if (!t->owner_ended && may_be_outside(t))
		t->outside = owner;
}

static void find_owners(struct ct_look *l)
{
	struct ct_table *by_inner = ct_table__new();

	for (u32 i = 0; i < l->threads.cnt; i++)
		ct_table__set(by_inner, l->threads.at[i].pid, l->threads.at[i].inner_tid, i);
	for (u32 i = 0; i < l->threads.cnt; i++)
		find_owner(l, by_inner, &l->threads.at[i]);
	ct_table__free(by_inner);
}

void ct_look__again(struct ct_look *l)
{
	struct looking k = { .look = l };
	ct_ns now = ct_now_ns();
	u32 kept = 0, listed;

	for (u32 i = 0; i < l->threads.cnt; i++)
		if (look_again(&l->threads.at[i]))
			l->threads.at[kept++] = l->threads.at[i];
	l->threads.cnt = listed = kept;
	for (u32 i = 0; i < listed; i++) {
		if (i && l->threads.at[i].pid == k.pid)
			continue;
		k.pid = l->threads.at[i].pid;
		ct_inspect__each_thread(k.pid, add_new_thread, &k);
	}
	find_owners(l);
	l->end_ns = now;
}

bool ct_look__all_wait(const struct ct_look *l)
{
	for (u32 i = 0; i < l->threads.cnt; i++)
		if (!l->threads.at[i].waits)
			return false;
	return l->threads.cnt;
}

bool ct_look__all_rest(const struct ct_look *l)
{
	for (u32 i = 0; i < l->threads.cnt; i++)
		if (!l->threads.at[i].waits && !l->threads.at[i].rests)
			return false;
	return l->threads.cnt;
}

void ct_look__stacks(struct ct_look *l, struct ct_symbolizer *sym, u32 *stack_id)
{
	for (u32 i = 0; i < l->threads.cnt; i++) {
		struct ct_looked_thread *t = &l->threads.at[i];

		if ((!t->waits && !t->rests) ||
			!ct_inspect__stack(sym, t->tid, t->pid, t->ip, t->sp, *stack_id))
			continue;
		if (t->waits)
			t->wait.stack = (*stack_id)++;
		else
			t->resting_stack = (*stack_id)++;
	}
}

void ct_look__clear(struct ct_look *l)
{
	ct_vec_free(&l->threads);
	ct_table__free(l->by_tid);
	l->by_tid = NULL;
}

/* ---- as a trace ---- */

/* Each thread whose past is known gets a CPU of its own: its switches are then nobody else's. */
#define OWN_CPUS (CT_CPU_MAX - 1)
#define COMMON_CPU OWN_CPUS

struct stream {
	struct ct_writer *w;
	u32 cpu;
};

static void put(const struct stream *s, u32 kind, u32 tid, ct_ns ts, const void *fields)
{
	u32 size = ct_kind_size(kind);
	struct {
		struct ct_hdr hdr;
		u8 fields[sizeof(struct ct_block)];
	} rec = { .hdr = { .tid = tid,
			  .kind = kind,
			  .words = (sizeof(struct ct_hdr) + size) / 8,
			  .ts = ts } };

	memcpy(rec.fields, fields, size);
	ct_writer__records(s->w, s->cpu, &rec, sizeof(rec.hdr) + size);
}

static void put_thread(
	const struct stream *s, const struct ct_looked_thread *t, ct_ns ts, u32 flags)
{
	struct ct_task_new n = { .tgid = t->pid, .flags = flags | CT_TASK_UNSURE, .prio = 120 };
	struct ct_task_name name = { 0 };

	memcpy(&name, t->name, strnlen(t->name, sizeof(name)));
	put(s, CT_TASK_NEW, t->tid, ts, &n);
	put(s, CT_TASK_NAME, t->tid, ts, &name);
}

static void put_arrival(const struct stream *s, u32 tid, ct_ns ts)
{
	struct ct_switch sw = { .next = tid, .next_prio = 120 };

	put(s, CT_SWITCH, 0, ts, &sw);
}

static bool has_past(const struct ct_looked_thread *t, u32 idx)
{
	return t->waits && t->since_ns && idx < OWN_CPUS;
}

static ct_ns first_time(const struct ct_look *l)
{
	ct_ns first = l->start_ns;

	for (u32 i = 0; i < l->threads.cnt; i++) {
		const struct ct_looked_thread *t = &l->threads.at[i];
		ct_ns at = t->past_cnt ? t->past[0].start_ns : t->since_ns;

		if (has_past(t, i) && at < first)
			first = at;
	}
	return first > 2 ? first - 2 : 0; /* room for being created and coming to a CPU */
}

static void put_past(const struct stream *s, const struct ct_looked_thread *t)
{
	const struct ct_found *f = &t->wait;
	ct_ns ts = t->past_cnt ? t->past[0].start_ns : t->since_ns;
	struct ct_block now = { .state = f->state,
		.flags = f->flags,
		.prio = 120,
		.nr = f->nr,
		.file = f->file,
		.owner = f->owner,
		.arg0 = f->arg0,
		.arg1 = f->arg1,
		.arg2 = f->arg2,
		.word = f->word,
		.stack = f->stack };

	put_arrival(s, t->tid, ts - 1);
	for (u32 i = 0; i < t->past_cnt; i++) {
		struct ct_block b = t->past[i].block;

		b.next = 0;
		put(s, CT_BLOCK, t->tid, t->past[i].start_ns, &b);
		put_arrival(s, t->tid, t->past[i].end_ns);
	}
	put(s, CT_BLOCK, t->tid, t->since_ns, &now);
}

/* The tid that an owner word still names: a thread that was there and ended. */
static void put_ended(
	const struct stream *s, const struct ct_look *l, const struct ct_looked_thread *t, ct_ns ts)
{
	struct ct_looked_thread owner = { .pid = t->pid, .tid = t->wait.owner };
	struct ct_block dead = { .state = CT_STATE_DEAD, .nr = CT_NR_NONE };
	struct ct_task_exit end = { 0 };

	for (u32 i = 0; i < l->threads.cnt; i++) {
		const struct ct_looked_thread *other = &l->threads.at[i];
		if (other == t)
			break;
		if (other->owner_ended && other->wait.owner == owner.tid)
			return; /* put already */
	}
	put_thread(s, &owner, ts, CT_TASK_FOUND);
	put(s, CT_TASK_EXIT, owner.tid, ts, &end);
	put(s, CT_BLOCK, owner.tid, ts, &dead);
}

static void put_present(const struct stream *s, const struct ct_looked_thread *t, ct_ns ts)
{
	struct ct_found running = { .state = CT_STATE_RUNNABLE, .nr = CT_NR_NONE };

	put(s, CT_STATE, t->tid, ts, t->waits ? &t->wait : &running);
}

/* All threads first: an owner is known only by being one of them. */
ct_ns ct_look__write(const struct ct_look *l, struct ct_writer *w)
{
	struct stream common = { w, COMMON_CPU };
	ct_ns first = first_time(l);

	for (u32 i = 0; i < l->threads.cnt; i++) {
		const struct ct_looked_thread *t = &l->threads.at[i];

		put_thread(&common, t, first, has_past(t, i) ? 0 : CT_TASK_FOUND);
		if (t->owner_ended)
			put_ended(&common, l, t, first);
	}
	for (u32 i = 0; i < l->threads.cnt; i++) {
		const struct ct_looked_thread *t = &l->threads.at[i];
		struct stream own = { w, i };

		if (has_past(t, i))
			put_past(&own, t);
		else
			put_present(&common, t, first);
	}
	return first;
}
