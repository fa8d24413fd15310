/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel refuses a priority-inheritance mutex whose owners wait, in turn, for the thread that
 * asks (EDEADLK), or whose owner has ended (ESRCH).  Unless the mutex was made to tell of it,
 * pthread_mutex_lock() then waits for ever, at a word of its own stack that nobody else knows
 * (__pthread_mutex_lock_full() of glibc 2.34 to 2.41).  So the last one of a ring is in no queue of
 * the lock that it wants:
 *
 *     FUTEX  LOCK_PI, -EDEADLK, at the mutex          what it wants
 *     BLOCK  WAIT_BITSET, value 0, at its stack       how it waits: becomes LOCK_PI at the mutex
 *
 * Only the thread's next record counts: a mutex that tells lets it go on.  A semaphore on its stack
 * is told by its own words.  Needs the futex calls: nothing on the stack says which mutex it was.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include "capture/parked.h"

#define FUTEX_LOCK_PI 6u
#define FUTEX_LOCK_PI2 13u
#define FUTEX_CMD 0x7fu
#define FUTEX_PRIVATE 0x80u
#define FUTEX_TID 0x3fffffffu

static bool is_refusal(const struct ct_futex *f)
{
	u32 cmd = f->op & FUTEX_CMD;

	return (cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2) &&
	       (f->result == -EDEADLK || f->result == -ESRCH);
}

static bool read_at(u32 tid, u64 addr, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)addr, size };

	return process_vm_readv(tid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* sem_t { value, waiters, private, ... }, with this thread among its waiters */
static bool is_semaphore(u32 tid, u64 addr)
{
	u32 words[3];

	return read_at(tid, addr, words, sizeof(words)) && words[1] && words[1] <= CT_TID_MAX &&
	       (!words[2] || words[2] == FUTEX_PRIVATE);
}

static void mend(struct ct_block *b, u32 tid, u64 mutex)
{
	u32 word;

	if (is_semaphore(tid, b->arg0) || !read_at(tid, mutex, &word, sizeof(word)) ||
		!(word & FUTEX_TID))
		return;
	b->arg0 = mutex;
	b->arg1 = FUTEX_LOCK_PI | (b->arg1 & FUTEX_PRIVATE);
	b->word = word;
	b->owner = word & FUTEX_TID;
}

/* The mutex that was the last thing this thread was refused; 0: something else came after it. */
static u64 take_refused(struct ct_parked *p, u32 tid)
{
	u64 addr = 0;

	for (u32 i = 0; i < p->cnt; i++)
		if (p->at[i].tid == tid) {
			addr = p->at[i].addr;
			p->at[i--] = p->at[--p->cnt];
		}
	return addr;
}

void ct_parked__see(struct ct_parked *p, struct ct_hdr *hdr)
{
	const struct ct_futex *f = (const void *)(hdr + 1);
	struct ct_block *b = (void *)(hdr + 1);
	bool on_stack;
	u64 mutex;

	if (hdr->kind != CT_FUTEX && hdr->kind != CT_BLOCK)
		return;
	mutex = p->cnt ? take_refused(p, hdr->tid) : 0;
	if (hdr->kind == CT_BLOCK) {
		on_stack = b->flags & CT_SWITCH_ON_STACK;
		b->flags &= ~CT_SWITCH_ON_STACK;
		if (on_stack && mutex)
			mend(b, hdr->tid, mutex);
	} else if (is_refusal(f) && p->cnt < CT_REFUSED_MOST) {
		p->at[p->cnt++] = (struct ct_refused){ hdr->tid, f->addr };
	}
}
