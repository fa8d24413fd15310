/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Why a thread blocks, from what is still there when it leaves the CPU: the registers with which it
 * entered the kernel (system call and arguments), the futex word and its owner, the kind of file
 * behind its descriptor. Evidence only; what it means is decided in user/model/.
 */
#ifndef CTRACE_WAIT_BPF_H
#define CTRACE_WAIT_BPF_H

#include "ctrace.bpf.h"

/* include/uapi/linux/futex.h */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_LOCK_PI 6
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2 13
#define FUTEX_CMD 0x7f
#define FUTEX_PRIVATE 128
#define FUTEX_TID_MASK 0x3fffffff

struct futex_args {
	u64 addr;
	u32 op, val;
	bool timed, is_futex;
};

struct waitv_entry { /* struct futex_waitv, include/uapi/linux/futex.h, 5.16 */
	u64 val, uaddr;
	u32 flags, reserved;
};

/* The 6.7 calls and futex_waitv are brought into the classic form: operation, value. */
static __always_inline void read_futex_args(REGS_TYPE *regs, int nr, struct futex_args *a)
{
	struct waitv_entry first = {};

	a->addr = REG_ARG0(regs);
	a->op = REG_ARG1(regs);
	a->val = REG_ARG2(regs);
	a->timed = false;
	a->is_futex = true;
	if (nr == nr_futex) {
		u32 cmd = a->op & FUTEX_CMD;

		if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI ||
			cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI)
			a->timed = REG_ARG3(regs) != 0;
	} else if (nr == nr_futex_wait) { /* addr, val, mask, flags, timeout, clock */
		a->op = FUTEX_WAIT_BITSET | (REG_ARG3(regs) & FUTEX_PRIVATE);
		a->val = REG_ARG1(regs);
		a->timed = REG_ARG4(regs) != 0;
	} else if (nr == nr_futex_waitv) { /* waiters, count, flags, timeout, clock */
		bpf_probe_read_user(&first, sizeof(first), (void *)a->addr);
		a->addr = first.uaddr;
		a->op = FUTEX_WAIT_BITSET | (first.flags & FUTEX_PRIVATE);
		a->val = first.val;
		a->timed = REG_ARG3(regs) != 0;
	} else {
		a->is_futex = false;
	}
}

/*
 * Owner of the lock at a futex word. Layouts: glibc nptl/pthread_mutex_t and pthread_rwlock_t, 2.17
 * to 2.41: mutex { lock, count, owner, ... } waits on lock with value 2 (WAIT; with a timeout,
 * WAIT_BITSET); robust and PI mutexes and
 * musl's keep the tid in the word itself; rwlock { readers, writers, wrphase_futex, writers_futex,
 * pad, pad, cur_writer } waits on wrphase_futex (readers, 8-aligned) or writers_futex (writers)
 * with value 3.
 */
static __always_inline u32 lock_owner(const struct futex_args *a, const u32 words[6])
{
	u32 cmd = a->op & FUTEX_CMD;

	if (cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2)
		return words[0] & FUTEX_TID_MASK;
	if ((cmd == FUTEX_WAIT || (cmd == FUTEX_WAIT_BITSET && a->timed)) && a->val == 2)
		return words[2];
	if (a->val & 0x80000000)
		return a->val & FUTEX_TID_MASK;
	if (cmd == FUTEX_WAIT_BITSET && a->val == 3)
		return a->addr & 4 ? words[3] : words[4];
	return 0;
}

/* Does the memory at the futex tell more than the call?  A plain wait sleeps only if its
 * word has the value that it gives. */
static __always_inline bool needs_words(const struct futex_args *a)
{
	u32 cmd = a->op & FUTEX_CMD;

	if (cmd == FUTEX_WAIT)
		return a->val == 2;
	return cmd != FUTEX_WAIT_BITSET || (a->timed && a->val == 2) || a->val == 3;
}

/* A thread that the C library parks waits so (user/capture/parked.c). */
static __always_inline bool waits_on_stack(const struct futex_args *a, u64 sp)
{
	return (a->op & FUTEX_CMD) == FUTEX_WAIT_BITSET && !a->val && !a->timed &&
	       a->addr - sp < CT_ON_STACK_BYTES;
}

static __always_inline void fill_futex(struct ct_block *b, const struct futex_args *a, u64 sp)
{
	u32 words[6] = { a->val };

	b->arg0 = a->addr;
	b->arg1 = a->op;
	b->arg2 = a->val;
	if (a->timed)
		b->flags |= CT_SWITCH_TIMED;
	if (waits_on_stack(a, sp))
		b->flags |= CT_SWITCH_ON_STACK;
	if (needs_words(a) && bpf_probe_read_user(words, sizeof(words), (void *)a->addr) &&
		bpf_probe_read_user(words, sizeof(words[0]), (void *)a->addr))
		return;
	b->word = words[0];
	b->owner = lock_owner(a, words);
}

/* Did a thread wake another in the futex call it is in?  By tid % FUTEX_WAKES; where two share a
 * place, one of them may be forgotten: then its call is recorded, too. */
static __always_inline void note_futex_wake(u32 tid)
{
	u32 slot = tid % FUTEX_WAKES;
	u32 *at = bpf_map_lookup_elem(&futex_wakes, &slot);

	if (at)
		*at = tid;
}

static __always_inline bool take_futex_wake(u32 tid)
{
	u32 slot = tid % FUTEX_WAKES;
	u32 *at = bpf_map_lookup_elem(&futex_wakes, &slot);

	if (!at || *at != tid)
		return false;
	*at = 0;
	return true;
}

/* Kind of file behind descriptor `fd` of the current task. */
static __always_inline u8 file_kind(struct task_struct *task, u32 fd)
{
	struct files_struct *files = task->files;
	struct file *file = NULL;
	struct inode *inode = NULL;
	struct fdtable *fdt;
	u16 mode = 0;

	if (!files)
		return CT_FILE_NONE;
	fdt = files->fdt;
	if (!fdt || fd >= fdt->max_fds)
		return CT_FILE_NONE;
	if (bpf_probe_read_kernel(&file, sizeof(file), fdt->fd + fd) || !file)
		return CT_FILE_NONE;
	if (bpf_core_read(&inode, sizeof(inode), &file->f_inode) || !inode)
		return CT_FILE_NONE;
	bpf_core_read(&mode, sizeof(mode), &inode->i_mode);
	return mode >> 12 ? mode >> 12 : CT_FILE_ANON;
}

static __always_inline bool takes_fd(int nr)
{
	return nr >= 0 && nr < 512 && (fd_calls[(nr >> 6) & 7] >> (nr & 63)) & 1;
}

static __always_inline void fill_wait(struct ct_block *b, struct task_struct *task, REGS_TYPE *regs)
{
	int nr = REG_NR(regs);
	struct futex_args futex;

	b->nr = nr < 0 || nr >= CT_NR_NONE ? CT_NR_NONE : nr;
	b->file = CT_FILE_NONE;
	b->pad0 = 0;
	b->owner = b->word = 0;
	b->arg0 = b->arg1 = b->arg2 = 0;
	if (nr < 0)
		return;
	read_futex_args(regs, nr, &futex);
	if (futex.is_futex) {
		fill_futex(b, &futex, REG_SP(regs));
		return;
	}
	b->arg0 = REG_ARG0(regs);
	b->arg1 = REG_ARG1(regs);
	b->arg2 = REG_ARG2(regs);
	if (takes_fd(nr))
		b->file = file_kind(task, b->arg0);
}

#endif
