/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The handful of kernel types that the probes read, as CO-RE flavours: only the fields used, in any
 * order; libbpf rewrites the offsets for the running kernel from its BTF.  Hand-kept instead of a
 * dump of vmlinux.h, so that building needs no BTF.  Not here: anything that differs between kernel
 * versions or architectures (compat.bpf.h).
 */
#ifndef CTRACE_KERNEL_BPF_H
#define CTRACE_KERNEL_BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

/* names that libbpf's own headers expect */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef signed char __s8;
typedef short __s16;
typedef i32 __s32;
typedef i64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum bpf_map_type_used { /* include/uapi/linux/bpf.h */
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	u64 sum_exec_runtime;
};

struct file;
struct mm_struct {
	unsigned long start_code, end_code, start_stack, mmap_base;
	void *pgd;
	struct file *exe_file;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct signal_struct { /* of a process */
	int nr_threads;
};

struct task_struct {
	struct pid *thread_pid;
	struct signal_struct *signal;
	unsigned int __state;
	int on_rq;
	int prio;
	int pid;
	int tgid;
	int exit_code;
	int exit_state;
	unsigned long nvcsw, nivcsw;
	struct sched_entity se;
	struct mm_struct *mm;
	struct files_struct *files;
	char comm[16];
	unsigned in_iowait : 1;
};

struct linux_binprm {
	unsigned secureexec : 1;
};

#pragma clang attribute pop

#endif
