/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers by way of perf events: one register of one thread each, inherited by the threads
 * and processes that it creates.
 */
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "capture/watch.h"

static struct perf_event_attr describe(u64 addr, u32 size, bool enabled)
{
	/* another program, which a child may become, has something else at this address */
	return (struct perf_event_attr){ .type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(struct perf_event_attr),
		.sample_period = 1,
		.bp_type = HW_BREAKPOINT_RW,
		.bp_addr = addr,
		.bp_len = size,
		.disabled = !enabled,
		.inherit = 1,
		.remove_on_exec = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1 };
}

int ct_watch_open(u32 tid, u64 addr, u32 size, bool enabled)
{
	struct perf_event_attr attr = describe(addr, size, enabled);
	int fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == EINVAL) { /* before 5.13 */
		attr.remove_on_exec = 0;
		fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

int ct_watch_move(int fd, u64 addr, u32 size, bool enabled)
{
	struct perf_event_attr attr = describe(addr, size, enabled);

	if (!ioctl(fd, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, &attr))
		return 0;
	attr.remove_on_exec = 0;
	return ioctl(fd, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, &attr) ? -errno : 0;
}

char *ct_watch_open_error(int err)
{
	switch (-err) {
	case ENOSPC:
		return ct_strdup("all debug registers are taken: another debugger or tracer uses "
				 "them; end it, or watch fewer variables");
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
	case ENOSYS:
		return ct_strdup("this machine has no debug registers to watch with (some virtual "
				 "machines have none); see 'ctrace doctor'");
	case EACCES:
	case EPERM:
		return ct_strdup("the kernel refuses debug registers to this user; run ctrace as "
				 "root");
	default:
		return ct_asprintf("cannot set a debug register: %s", strerror(-err));
	}
}
