/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the answer to "why does this thread sleep": system call, kind of file, futex operation,
 * value and owner, and the functions on its stack -> a state, and for a futex which lock. Two
 * tables hold the knowledge: system calls by name (calls[]) and futex waits by form
 * (futex_rules[]), first match wins. Not: identity of locks (locks.c), names on stacks (frames.c).
 *
 * How the primitives look, from glibc 2.36 (and what differs elsewhere):
 *   mutex                 WAIT          val 2           at the mutex; owner 8 bytes on
 *   robust mutex, musl    WAIT          waiters bit|tid at the word
 *   PI mutex              LOCK_PI                       at the mutex
 *   condition variable    WAIT_BITSET   val 0           at +0x28 or +0x2c
 *                                       any val         (2.41) at +0x20 or +0x24
 *   semaphore             WAIT_BITSET   val 0           at the semaphore
 *   rwlock                WAIT_BITSET   val 3           reader at +8, writer at +12
 *                                       val 2           writer at +8: readers are still inside
 *   barrier               WAIT          the round       at +4
 *   join                  WAIT_BITSET   tid joined      not PRIVATE (older: WAIT)
 *   Rust's Mutex          WAIT_BITSET   val 2           at the mutex, no time limit; no owner: the
 *                                                       data that it guards is behind it
 */
#include <string.h>

#include "model/model_int.h"

/* ---- system calls ---------------------------------------------------------------------------- */

struct call {
	const char *name;
	u8 what; /* SYS_* */
};

static const struct call calls[] = {
	{ "futex", SYS_FUTEX },
	{ "futex_wait", SYS_FUTEX },
	{ "futex_waitv", SYS_FUTEX },
	{ "futex_wake", SYS_FUTEX },
	{ "futex_requeue", SYS_FUTEX },
	{ "futex_time64", SYS_FUTEX },

	{ "nanosleep", SYS_SLEEP },
	{ "clock_nanosleep", SYS_SLEEP },
	{ "clock_nanosleep_time64", SYS_SLEEP },

	{ "poll", SYS_POLL },
	{ "ppoll", SYS_POLL },
	{ "select", SYS_POLL },
	{ "_newselect", SYS_POLL },
	{ "pselect6", SYS_POLL },
	{ "epoll_wait", SYS_POLL },
	{ "epoll_pwait", SYS_POLL },
	{ "epoll_pwait2", SYS_POLL },
	{ "io_uring_enter", SYS_POLL },
	{ "io_getevents", SYS_POLL },
	{ "io_pgetevents", SYS_POLL },

	{ "read", SYS_FILE },
	{ "write", SYS_FILE | SYS_SENDS },
	{ "readv", SYS_FILE },
	{ "writev", SYS_FILE | SYS_SENDS },
	{ "pread64", SYS_FILE },
	{ "pwrite64", SYS_FILE },
	{ "preadv", SYS_FILE },
	{ "pwritev", SYS_FILE },
	{ "preadv2", SYS_FILE },
	{ "pwritev2", SYS_FILE },
	{ "sendfile", SYS_FILE },
	{ "sendfile64", SYS_FILE },
	{ "splice", SYS_FILE },
	{ "tee", SYS_FILE },
	{ "vmsplice", SYS_FILE },
	{ "copy_file_range", SYS_FILE },

	{ "accept", SYS_NET },
	{ "accept4", SYS_NET },
	{ "connect", SYS_NET | SYS_SENDS },
	{ "recvfrom", SYS_NET },
	{ "recvmsg", SYS_NET },
	{ "recvmmsg", SYS_NET },
	{ "sendto", SYS_NET | SYS_SENDS },
	{ "sendmsg", SYS_NET | SYS_SENDS },
	{ "sendmmsg", SYS_NET | SYS_SENDS },
	{ "shutdown", SYS_NET },

	{ "fsync", SYS_DISK },
	{ "fdatasync", SYS_DISK },
	{ "sync", SYS_DISK },
	{ "syncfs", SYS_DISK },
	{ "sync_file_range", SYS_DISK },
	{ "msync", SYS_DISK },
	{ "fallocate", SYS_DISK },
	{ "readahead", SYS_DISK },
	{ "fadvise64", SYS_DISK },

	{ "open", SYS_PATH },
	{ "openat", SYS_PATH },
	{ "openat2", SYS_PATH },
	{ "creat", SYS_PATH },
	{ "close", SYS_PATH },
	{ "rename", SYS_PATH },
	{ "renameat", SYS_PATH },
	{ "renameat2", SYS_PATH },
	{ "unlink", SYS_PATH },
	{ "unlinkat", SYS_PATH },
	{ "mkdir", SYS_PATH },
	{ "mkdirat", SYS_PATH },
	{ "rmdir", SYS_PATH },
	{ "link", SYS_PATH },
	{ "linkat", SYS_PATH },
	{ "symlink", SYS_PATH },
	{ "symlinkat", SYS_PATH },
	{ "readlink", SYS_PATH },
	{ "readlinkat", SYS_PATH },
	{ "stat", SYS_PATH },
	{ "lstat", SYS_PATH },
	{ "fstat", SYS_PATH },
	{ "newfstatat", SYS_PATH },
	{ "statx", SYS_PATH },
	{ "access", SYS_PATH },
	{ "faccessat", SYS_PATH },
	{ "faccessat2", SYS_PATH },
	{ "truncate", SYS_PATH },
	{ "ftruncate", SYS_PATH },
	{ "getdents", SYS_PATH },
	{ "getdents64", SYS_PATH },
	{ "execve", SYS_PATH },
	{ "execveat", SYS_PATH },
	{ "io_submit", SYS_PATH },

	{ "wait4", SYS_CHILD },
	{ "waitid", SYS_CHILD },
	{ "waitpid", SYS_CHILD },
	{ "vfork", SYS_CLONE },
	{ "clone", SYS_CLONE },
	{ "clone3", SYS_CLONE },
	{ "fork", SYS_CLONE },

	{ "semop", SYS_SEM },
	{ "semtimedop", SYS_SEM },
	{ "msgrcv", SYS_PIPE },
	{ "msgsnd", SYS_PIPE },
	{ "mq_timedsend", SYS_PIPE },
	{ "mq_timedreceive", SYS_PIPE },

	{ "mmap", SYS_MEMORY },
	{ "mmap2", SYS_MEMORY },
	{ "munmap", SYS_MEMORY },
	{ "mremap", SYS_MEMORY },
	{ "mprotect", SYS_MEMORY },
	{ "brk", SYS_MEMORY },
	{ "madvise", SYS_MEMORY },

	{ "pause", SYS_OTHER },
	{ "rt_sigsuspend", SYS_OTHER },
	{ "rt_sigtimedwait", SYS_OTHER },
	{ "flock", SYS_OTHER },
	{ "fcntl", SYS_OTHER },
	{ "ioctl", SYS_OTHER },
};

static u8 call_by_name(const char *name)
{
	for (u32 i = 0; i < CT_COUNT(calls); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].what;
	return SYS_OTHER;
}

bool model_is_syscall_name(const char *name)
{
	for (u32 i = 0; i < CT_COUNT(calls); i++)
		if (!strcmp(calls[i].name, name))
			return true;
	return false;
}

void model_reasons_init(struct build *b)
{
	for (u32 i = 0; i < b->names->syscalls.cnt; i++) {
		const struct ct_syscall_name *s = &b->names->syscalls.at[i];
		if (s->nr < SYS_CNT)
			b->sys[s->nr] = call_by_name(s->name);
	}
}

u32 model_sys(const struct build *b, u32 nr)
{
	return nr < SYS_CNT ? b->sys[nr] : SYS_OTHER;
}

static enum ct_state by_file(const struct sleep *s)
{
	switch (s->file) {
	case CT_FILE_SOCK:
		return CT_IO_NET;
	case CT_FILE_FIFO:
		return CT_PIPE;
	case CT_FILE_REG:
	case CT_FILE_BLK:
	case CT_FILE_DIR:
	case CT_FILE_LNK:
		return CT_IO_DISK;
	case CT_FILE_ANON: /* eventfd, timerfd, signalfd: waits for an event */
		return CT_POLL;
	}
	return CT_OTHER; /* a terminal, or nobody knows */
}

static enum ct_state by_call(const struct sleep *s, u32 what)
{
	bool disk = s->state == CT_STATE_DISK;

	switch (what & SYS_CLASS) {
	case SYS_SLEEP:
		return CT_SLEEP;
	case SYS_POLL:
		return CT_POLL;
	case SYS_FILE:
		return by_file(s);
	case SYS_NET:
		return CT_IO_NET;
	case SYS_DISK:
		return CT_IO_DISK;
	case SYS_PATH:
		return disk ? CT_IO_DISK : CT_OTHER;
	case SYS_CHILD:
		return CT_CHILD;
	case SYS_CLONE:
		return disk ? CT_CHILD : CT_OTHER;
	case SYS_SEM:
		return CT_SEM;
	case SYS_PIPE:
		return CT_PIPE;
	case SYS_MEMORY:
		return CT_FAULT;
	}
	return CT_OTHER;
}

/* ---- futexes --------------------------------------------------------------------------------- */

struct futex_wait { /* one wait, as the rules see it */
	u32 cmd, val;
	bool private, shared, realtime, timed, musl; /* shared: maybe, with other processes */
	bool has_owner; /* the owner word names a thread that may hold it */
	bool val_is_tid; /* of another thread of the process */
	bool in_symbol;	 /* the address lies in a variable, this far from its start: */
	u64 offset;
	u64 addr;
	enum hint hint;
};

static bool is_pi(const struct futex_wait *w)
{
	return w->cmd == OP_LOCK_PI || w->cmd == OP_LOCK_PI2;
}

static bool is_requeue_pi(const struct futex_wait *w)
{
	return w->cmd == OP_WAIT_REQUEUE_PI;
}

/* A mutex taken again inside pthread_cond_wait() has that function on its stack: the owner tells.
 * pthread_mutex_timedlock() waits with an absolute time; so do others, but no thread stands two
 * words after theirs. */
static bool is_owned_mutex(const struct futex_wait *w)
{
	return (w->cmd == OP_WAIT || (w->cmd == OP_WAIT_BITSET && w->timed)) && w->val == 2 &&
	       w->has_owner;
}

static bool is_tid_word(const struct futex_wait *w)
{
	return w->cmd == OP_WAIT && (w->val & ~WORD_TID) && w->has_owner;
}

static bool is_join(const struct futex_wait *w)
{
	if (w->private || !w->val_is_tid)
		return false;
	return w->cmd == OP_WAIT_BITSET || (w->cmd == OP_WAIT && w->val != 2);
}

static bool hints_bare_mutex(const struct futex_wait *w)
{
	return w->hint == HINT_BARE_MUTEX;
}

static bool hints_mutex(const struct futex_wait *w)
{
	return w->hint == HINT_MUTEX;
}

static bool hints_rwlock(const struct futex_wait *w)
{
	return w->hint == HINT_RWLOCK;
}

static bool hints_cond(const struct futex_wait *w)
{
	return w->hint == HINT_COND;
}

static bool hints_sem(const struct futex_wait *w)
{
	return w->hint == HINT_SEM;
}

static bool hints_barrier(const struct futex_wait *w)
{
	return w->hint == HINT_BARRIER;
}

static bool hints_join(const struct futex_wait *w)
{
	return w->hint == HINT_JOIN;
}

static bool hints_futex(const struct futex_wait *w)
{
	return w->hint == HINT_FUTEX;
}

/* musl: a normal mutex's word is EBUSY, 16 */
static bool is_musl_mutex(const struct futex_wait *w)
{
	return w->musl && w->cmd == OP_WAIT && w->val == (WORD_WAITERS | 16);
}

static bool is_musl_sem(const struct futex_wait *w)
{
	return w->musl && w->cmd == OP_WAIT && (w->val == WORD_WAITERS || w->val == UINT32_MAX);
}

static bool is_musl(const struct futex_wait *w)
{
	return w->musl;
}

static bool is_mutex(const struct futex_wait *w)
{
	return w->cmd == OP_WAIT && w->val == 2;
}

static bool is_barrier(const struct futex_wait *w)
{
	return w->cmd == OP_WAIT && w->in_symbol && w->offset == 4;
}

/* glibc waits with an absolute time, by default of the real-time clock, also when there is none */
static bool is_glibc_timed(const struct futex_wait *w)
{
	return w->cmd == OP_WAIT_BITSET && (w->realtime || w->timed);
}

static bool is_rwlock(const struct futex_wait *w)
{
	return is_glibc_timed(w) && (w->val == 3 || (w->val == 2 && w->addr % 8 == 0));
}

static bool is_cond(const struct futex_wait *w)
{
	if (!is_glibc_timed(w) || w->val != 0)
		return false;
	if (w->in_symbol && w->offset < 0x30)
		return w->offset >= 0x20;
	/* both are aligned to 16 where malloc or the linker places them alone: +0x28 and +0x2c are
	 * not */
	return w->addr % 16 == 8 || w->addr % 8 == 4;
}

static bool is_sem(const struct futex_wait *w)
{
	return is_glibc_timed(w) && w->val == 0;
}

static bool is_futex(const struct futex_wait *w)
{
	return true;
}

static const struct futex_rule {
	bool (*matches)(const struct futex_wait *w);
	u8 state, lock_kind;
} futex_rules[] = {
	{ is_pi, CT_LOCK, CT_LK_MUTEX },
	{ is_requeue_pi, CT_COND, CT_LK_COND },
	{ hints_bare_mutex, CT_LOCK, CT_LK_MUTEX }, /* what looks like an owner is none */
	{ is_owned_mutex, CT_LOCK, CT_LK_MUTEX },
	{ is_tid_word, CT_LOCK, CT_LK_MUTEX },
	{ is_join, CT_JOIN, CT_LK_JOIN },
	{ hints_mutex, CT_LOCK, CT_LK_MUTEX },
	{ hints_rwlock, CT_RWLOCK, CT_LK_RWLOCK },
	{ hints_cond, CT_COND, CT_LK_COND },
	{ hints_sem, CT_SEM, CT_LK_SEM },
	{ hints_barrier, CT_BARRIER, CT_LK_BARRIER },
	{ hints_join, CT_JOIN, CT_LK_JOIN },
	{ hints_futex, CT_FUTEX_OTHER, CT_LK_FUTEX },
	{ is_musl_mutex, CT_LOCK, CT_LK_MUTEX },
	{ is_musl_sem, CT_SEM, CT_LK_SEM },
	{ is_musl, CT_FUTEX_OTHER, CT_LK_FUTEX },
	{ is_mutex, CT_LOCK, CT_LK_MUTEX },
	{ is_barrier, CT_BARRIER, CT_LK_BARRIER },
	{ is_rwlock, CT_RWLOCK, CT_LK_RWLOCK },
	{ is_cond, CT_COND, CT_LK_COND },
	{ is_sem, CT_SEM, CT_LK_SEM },
	{ is_futex, CT_FUTEX_OTHER, CT_LK_FUTEX },
};

/* An owner counts if it is a thread of the process (of the traced, for a shared lock); also one
 * that has ended: then it took the lock with it. */
static u32 accept_owner(struct build *b, u32 t, u32 tid, bool shared)
{
	u32 owner = tid ? ct_table__get(b->by_tid, tid, 0) : CT_NONE;

	if (owner == CT_NONE)
		return CT_NONE;
	bool same = b->m->threads.at[owner].process == b->m->threads.at[t].process;
	return same || shared ? owner : CT_NONE;
}

static u32 find_owner(struct build *b, u32 t, const struct sleep *s, const struct futex_wait *w)
{
	u32 owner = accept_owner(b, t, s->owner, w->shared);

	if (owner == CT_NONE && is_pi(w))
		owner = accept_owner(b, t, s->word & WORD_TID, w->shared);
	if (owner == CT_NONE && w->cmd == OP_WAIT && (w->val & ~WORD_TID))
		owner = accept_owner(b, t, w->val & WORD_TID, w->shared);
	return owner;
}

/* Readers that let writers go first (PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) wait on the
 * count of readers, which comes first in glibc's rwlock, with the flag that says so:
 * PTHREAD_RWLOCK_RWAITING, nptl/pthread_rwlock_common.c, 2.25 to 2.41.  The other words hold 3 at
 * most. */
#define RWLOCK_RWAITING 4u

/* Where the primitive begins: its waits may be on different words of it. */
static u64 start_of(const struct futex_wait *w, u32 kind)
{
	u64 addr = w->addr;

	switch (kind) {
	case CT_LK_RWLOCK:
		if (!w->musl && addr % 8 == 0 && (w->val & RWLOCK_RWAITING))
			return addr;
		return addr - (addr % 8 == 4 ? 12 : 8);
	/* two groups of waiters, 4 bytes apart; where they are differs by version */
	case CT_LK_COND:
		return addr & ~7ull;
	}
	return addr;
}

static enum role role_of(const struct futex_wait *w, u32 kind)
{
	if (kind == CT_LK_MUTEX)
		return is_pi(w) ? ROLE_HEIR : ROLE_OWNER;
	if (kind != CT_LK_RWLOCK)
		return ROLE_NONE;
	if (w->addr % 8 == 4)
		return ROLE_WRITER;
	return w->val == 2 ? ROLE_WRITER_PHASE : ROLE_READER;
}

/* May another process use the futex, too?  A call that does not say PRIVATE leaves it open
 * (std::atomic's wait, std::future); memory that is the process's own settles it. */
bool model_is_shared(const struct build *b, u32 process, u64 addr, u32 op)
{
	const struct ct_addr_name *a;

	if (op & OP_PRIVATE)
		return false;
	a = ct_names__addr(b->names, b->m->processes.at[process].pid, addr);
	return !a || a->kind == CT_ADDR_UNKNOWN || a->kind == CT_ADDR_SHARED;
}

static void read_futex(struct build *b, u32 t, const struct sleep *s, struct futex_wait *w)
{
	const struct ct_thread *th = &b->m->threads.at[t];
	u32 pid = b->m->processes.at[th->process].pid;
	const struct ct_addr_name *a = ct_names__addr(b->names, pid, s->arg0);
	u32 target = model_thread(b, s->arg2);

	*w = (struct futex_wait){ .cmd = s->arg1 & OP_CMD_MASK, .val = s->arg2,
		.private = s->arg1 & OP_PRIVATE, .realtime = s->arg1 & 0x100,
		.shared = model_is_shared(b, th->process, s->arg0, s->arg1),
		.timed = s->flags & CT_SWITCH_TIMED, .musl = b->musl, .addr = s->arg0,
		.hint = model_stack(b, s->stack)->hint };
	w->has_owner = find_owner(b, t, s, w) != CT_NONE;
	w->val_is_tid = target != CT_NONE && target != t &&
			b->m->threads.at[target].process == th->process;
	if (a && a->kind == CT_ADDR_GLOBAL && a->symbol) {
		w->in_symbol = true;
		w->offset = a->offset;
	}
}

static void futex_reason(struct build *b, u32 t, const struct sleep *s, struct reason *r)
{
	const struct futex_rule *rule = futex_rules;
	struct futex_wait w;

	read_futex(b, t, s, &w);
	while (!rule->matches(&w))
		rule++;
	r->state = rule->state;
	r->lock_kind = rule->lock_kind;
	r->shared = w.shared;
	if (r->lock_kind == CT_LK_JOIN) {
		if (w.val_is_tid)
			r->target = model_thread(b, w.val);
		return;
	}
	r->has_lock = true;
	r->word = s->arg0;
	r->addr = start_of(&w, r->lock_kind);
	r->role = role_of(&w, r->lock_kind);
	if (r->role != ROLE_NONE && !hints_bare_mutex(&w))
		r->owner = find_owner(b, t, s, &w);
}

void model_reason(struct build *b, u32 t, const struct sleep *s, struct reason *r)
{
	u32 what = model_sys(b, s->nr);

	*r = (struct reason){ .owner = CT_NONE, .target = CT_NONE };
	if (s->state == CT_STATE_STOPPED || s->state == CT_STATE_TRACED) {
		r->state = CT_STOPPED;
	} else if (s->nr == CT_NR_NONE) {
		r->state = CT_FAULT;
	} else if (what == SYS_FUTEX) {
		futex_reason(b, t, s, r);
	} else {
		r->state = by_call(s, what);
		if (r->state == CT_OTHER && (s->flags & CT_SWITCH_IOWAIT))
			r->state = CT_IO_DISK;
	}
}
