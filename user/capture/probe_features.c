/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the question what this machine can do, as a table of small experiments.  Each one tries the
 * thing itself and no version number: distributions patch, containers forbid, lockdown forbids
 * more. They run in the order of the table; one that depends on an earlier one which failed says so
 * and gives no advice of its own, so that the first advice is the right one.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/watch.h"
#include "capture/features.h"
#include "ct_abi.h"

#ifndef CAP_PERFMON /* 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

/* What experiments know of each other. */
struct lab {
	struct btf *btf; /* NULL: none */
	u64 caps;	 /* effective capabilities, as bits */
	bool rights;
	bool programs; /* BPF programs can be loaded */
};

static bool has_cap(const struct lab *lab, int cap)
{
	return lab->caps >> cap & 1;
}

/* ---- answers ---- */

#define yes(f, ...) give_answer(f, CT_ANSWER_YES, ct_asprintf(__VA_ARGS__), NULL)
#define fact(f, ...) give_answer(f, CT_ANSWER_FACT, ct_asprintf(__VA_ARGS__), NULL)
#define no(f, mend, ...) give_answer(f, CT_ANSWER_NO, ct_asprintf(__VA_ARGS__), mend)

static void give_answer(struct ct_feature *f, enum ct_answer answer, char *found, const char *mend)
{
	f->answer = answer;
	f->found = found;
	f->mend = mend ? ct_strdup(mend) : NULL;
}

/* First line of a small file; "" when it cannot be read. */
static void read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* ---- the distribution ---- */

/* Value of KEY in /etc/os-release, unquoted; "" when there is none. */
static void read_os_release(const char *key, char *buf, size_t size)
{
	FILE *in = fopen("/etc/os-release", "re");
	size_t len = strlen(key), skip;
	char line[256];

	buf[0] = '\0';
	while (in && fgets(line, sizeof(line), in)) {
		if (strncmp(line, key, len) || line[len] != '=')
			continue;
		skip = len + 1 + (line[len + 1] == '"' || line[len + 1] == '\'');
		line[skip + strcspn(line + skip, "\"'\n")] = '\0';
		ct_fmt_safe(buf, size, line + skip);
		break;
	}
	if (in)
		fclose(in);
}

/* The command that gives the C library's debug file. */
static const char *libc_debug_command(void)
{
	static const struct {
		const char *family; /* a word of ID or ID_LIKE */
		const char *command;
	} by_family[] = {
		{ "debian", "sudo apt-get install libc6-dbg" },
		{ "ubuntu", "sudo apt-get install libc6-dbg" },
		{ "fedora", "sudo dnf debuginfo-install glibc" },
		{ "rhel", "sudo dnf debuginfo-install glibc" },
		{ "suse", "sudo zypper install glibc-debuginfo" },
		{ "alpine", "sudo apk add musl-dbg" },
	};
	char id[64], like[64];

	read_os_release("ID", id, sizeof(id));
	read_os_release("ID_LIKE", like, sizeof(like));
	for (size_t i = 0; i < CT_COUNT(by_family); i++)
		if (strstr(id, by_family[i].family) || strstr(like, by_family[i].family))
			return by_family[i].command;
	return "install the debug information package of the C library";
}

/* ---- the kernel and who we are ---- */

static void try_kernel(struct lab *lab, struct ct_feature *f)
{
	char name[96];
	struct utsname u;

	uname(&u);
	read_os_release("PRETTY_NAME", name, sizeof(name));
	fact(f, "%s %s%s%s", u.sysname, u.release, name[0] ? ", " : "", name);
}

static void try_processor(struct lab *lab, struct ct_feature *f)
{
	struct utsname u;

	uname(&u);
#if defined(__x86_64__) || defined(__aarch64__)
	yes(f, "%s", u.machine);
#else
	no(f, "use a machine with an x86_64 or aarch64 processor, and ctrace built for it",
		"%s, with ctrace built for something else", u.machine);
#endif
}

static void try_rights(struct lab *lab, struct ct_feature *f)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capget, &head, data);
	lab->caps = data[0].effective | (u64)data[1].effective << 32;
	lab->rights =
		has_cap(lab, CAP_SYS_ADMIN) || (has_cap(lab, CAP_BPF) && has_cap(lab, CAP_PERFMON));
	if (lab->rights)
		yes(f, "%s", geteuid() == 0 ? "root" : "CAP_BPF and CAP_PERFMON, without root");
	else if (geteuid() == 0)
		no(f, "record outside of the container, or start it with --privileged",
			"root without CAP_BPF and CAP_PERFMON, as in a container");
	else
		no(f, "run ctrace with sudo", "not root, and no CAP_BPF and CAP_PERFMON");
}

static void try_btf(struct lab *lab, struct ct_feature *f)
{
	long err;

	lab->btf = btf__load_vmlinux_btf();
	err = libbpf_get_error(lab->btf);
	if (err) {
		lab->btf = NULL;
		no(f, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions' are",
			"/sys/kernel/btf/vmlinux: %s",
			access("/sys/kernel/btf/vmlinux", R_OK) ? strerror(errno) : strerror(-err));
		return;
	}
	yes(f, "%u types", btf__type_cnt(lab->btf));
}

static void try_lockdown(struct lab *lab, struct ct_feature *f)
{
	char line[64];

	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	if (strstr(line, "[confidentiality]"))
		no(f, "boot without lockdown=confidentiality",
			"confidentiality: BPF cannot read what is waited for");
	else if (!line[0])
		yes(f, "not in force");
	else
		yes(f, "%s",
			strstr(line, "[integrity]") ? "integrity, which does no harm" : "none");
}

/* Probes know threads by the machine's own ids.  The first pid namespace is always this one:
 * PROC_PID_INIT_INO, include/linux/proc_ns.h, since 3.8. */
bool ct_features__sees_ids(void)
{
	char link[64];
	ssize_t len = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	if (len < 0)
		return true; /* nobody to ask */
	link[len] = 0;
	return !strcmp(link, "pid:[4026531836]");
}

static void try_ids(struct lab *lab, struct ct_feature *f)
{
	if (ct_features__sees_ids())
		yes(f, "the machine's own");
	else
		no(f, "start the container with --pid=host, or record from outside it with -p PID",
			"those of a pid namespace: the probes know threads by the machine's own");
}

/* ---- BPF ---- */

static int load_at_switch(const struct lab *lab, const struct bpf_insn *insns, size_t cnt)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP);
	int id = btf__find_by_name_kind(lab->btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
	int fd;

	if (id < 0)
		return id;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "ct_try", "Dual BSD/GPL", insns, cnt, &opts);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Answers for an experiment that cannot be made, and returns true. */
static bool lacks(const struct lab *lab, struct ct_feature *f, bool programs)
{
	if (!lab->rights)
		no(f, NULL, "not allowed without the rights above");
	else if (!lab->btf)
		no(f, NULL, "not tried, without the types above");
	else if (programs && !lab->programs)
		no(f, NULL, "not tried, without the programs above");
	else
		return false;
	return true;
}

static void try_programs(struct lab *lab, struct ct_feature *f)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int err;

	if (lacks(lab, f, false))
		return;
	err = load_at_switch(lab, nothing, CT_COUNT(nothing));
	lab->programs = !err;
	if (!err)
		yes(f, "one loaded");
	else if (err == -EPERM)
		no(f, "in a container, start it with --privileged; else look for a policy in dmesg",
			"bpf(2) is forbidden, though the rights are there");
	else if (err == -ENOSYS)
		no(f, "boot a kernel built with CONFIG_BPF_SYSCALL=y, as distributions' are",
			"this kernel has no bpf(2)");
	else
		no(f, "boot a kernel from 5.15 on", "loading one failed: %s", strerror(-err));
}

static void try_tracepoints(struct lab *lab, struct ct_feature *f)
{
	static const char *const wanted[] = { "sched_switch", "sched_waking", "sched_wakeup_new",
		"sched_migrate_task", "sched_process_fork", "sched_process_exec",
		"sched_process_exit", "task_rename" };
	char name[64];

	if (!lab->btf) {
		no(f, NULL, "not tried, without the types above");
		return;
	}
	for (size_t i = 0; i < CT_COUNT(wanted); i++) {
		snprintf(name, sizeof(name), "btf_trace_%s", wanted[i]);
		if (btf__find_by_name_kind(lab->btf, name, BTF_KIND_TYPEDEF) < 0) {
			no(f,
				"boot a kernel built with CONFIG_TRACEPOINTS=y, as distributions' "
				"are",
				"there is no %s", wanted[i]);
			return;
		}
	}
	yes(f, "all %zu", CT_COUNT(wanted));
}

static void try_reasons(struct lab *lab, struct ct_feature *f)
{
	static const struct bpf_insn regs_of_prev[] = {
		/* prev is the second argument */
		{ .code = BPF_LDX | BPF_MEM | BPF_DW,
			.dst_reg = BPF_REG_1,
			.src_reg = BPF_REG_1,
			.off = 8 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_task_pt_regs },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int err;

	if (lacks(lab, f, true))
		return;
	err = load_at_switch(lab, regs_of_prev, CT_COUNT(regs_of_prev));
	if (err)
		no(f, "boot a kernel from 5.15 on", "bpf_task_pt_regs() is refused: %s",
			strerror(-err));
	else
		yes(f, "bpf_task_pt_regs()");
}

static int try_map(enum bpf_map_type type, bool mapped)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = mapped ? BPF_F_MMAPABLE : 0);
	u32 page = sysconf(_SC_PAGESIZE);
	void *p = NULL;
	int fd;

	if (mapped)
		fd = bpf_map_create(type, "ct_try", sizeof(u32), page, 1, &opts);
	else
		fd = bpf_map_create(type, "ct_try", 0, 0, page, &opts);
	if (fd < 0)
		return fd;
	if (mapped)
		p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	if (p)
		munmap(p, page);
	return 0;
}

static void try_rings(struct lab *lab, struct ct_feature *f)
{
	int err;

	if (!lab->rights) {
		lacks(lab, f, false);
		return;
	}
	err = try_map(BPF_MAP_TYPE_ARRAY, true);
	if (!err)
		err = try_map(BPF_MAP_TYPE_RINGBUF, false);
	if (err)
		no(f, "boot a kernel from 5.15 on", "maps that can be mapped are refused: %s",
			strerror(-err));
	else
		yes(f, "mapped arrays and a ring buffer");
}

static void try_cpus(struct lab *lab, struct ct_feature *f)
{
	int cnt = libbpf_num_possible_cpus();

	if (cnt > CT_CPU_MAX)
		no(f, "boot with possible_cpus=1024", "%d possible ones; ctrace has room for %d",
			cnt, CT_CPU_MAX);
	else
		yes(f, "%d possible, %ld online", cnt, sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- tracefs and perf ---- */

static void try_futex(struct lab *lab, struct ct_feature *f)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[96];
	int err = 0;

	for (size_t i = 0; i < CT_COUNT(roots); i++) {
		snprintf(path, sizeof(path), "%s/events/syscalls/sys_exit_futex/id", roots[i]);
		if (!access(path, R_OK)) {
			yes(f, "%s", roots[i]);
			return;
		}
		if (errno == EACCES)
			err = EACCES;
	}
	if (err)
		no(f, lab->rights ? "use --futex=switch, or run ctrace with sudo" : NULL,
			"tracefs cannot be read: no --futex=calls");
	else if (access("/sys/kernel/tracing/events", F_OK))
		no(f, "sudo mount -t tracefs nodev /sys/kernel/tracing, or use --futex=switch",
			"tracefs is not mounted: no --futex=calls");
	else
		no(f, "use --futex=switch, or boot a kernel built with CONFIG_FTRACE_SYSCALLS=y",
			"there is no sys_exit_futex: no --futex=calls");
}

/* pid as in perf_event_open(2); 0, or -errno. */
static int try_perf(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	int fd;

	attr->size = sizeof(*attr);
	fd = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static const char *perf_advice(const struct lab *lab, int err, const char *otherwise)
{
	if (err != -EPERM && err != -EACCES)
		return otherwise;
	return lab->rights ? "look for a policy that forbids perf_event_open(2), in a container too"
			   : NULL;
}

static int this_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : cpu;
}

static void try_samples(struct lab *lab, struct ct_feature *f)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000 };
	int err = try_perf(&attr, -1, this_cpu());

	if (err)
		no(f, perf_advice(lab, err, "use --cpu-samples=off"), "cpu-clock: %s",
			strerror(-err));
	else
		yes(f, "cpu-clock of every program");
}

static void try_mappings(struct lab *lab, struct ct_feature *f)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.task = 1,
		.comm = 1 };
	int err = try_perf(&attr, -1, this_cpu());

	if (err)
		no(f, perf_advice(lab, err, "boot a kernel built with CONFIG_PERF_EVENTS=y"),
			"%s: places would have no names", strerror(-err));
	else
		yes(f, "perf mmap events");
}

/* As --watch uses them.  All at once, since a debugger may have some. */
static void try_registers(struct lab *lab, struct ct_feature *f)
{
	u64 variables[CT_WATCH_SLOTS] __attribute__((aligned(8))) = { 0 };
	int fds[CT_WATCH_SLOTS], cnt = 0, err = 0;

	while (cnt < CT_WATCH_SLOTS && !err) {
		fds[cnt] = ct_watch_open(0, (u64)(uintptr_t)&variables[cnt], 8, true);
		if (fds[cnt] < 0)
			err = fds[cnt];
		else
			cnt++;
	}
	for (int i = 0; i < cnt; i++)
		close(fds[i]);
	if (err == -ENOSPC && cnt)
		yes(f, "--watch can see %d variables at a time, others are taken", cnt);
	else if (err == -ENOSPC)
		no(f, "end the debugger or tracer that uses them",
			"all taken: --watch cannot work");
	else if (err)
		no(f, perf_advice(lab, err, "use a machine that has them; many virtual ones do"),
			"%s: --watch cannot work", strerror(-err));
	else
		yes(f, "--watch can see %d variables at a time", cnt);
}

/* ---- processes and names ---- */

static void try_attach(struct lab *lab, struct ct_feature *f)
{
	char scope[16];

	read_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (scope[0] == '3')
		no(f, "boot without kernel.yama.ptrace_scope=3",
			"kernel.yama.ptrace_scope=3 hides them");
	else if (has_cap(lab, CAP_SYS_PTRACE))
		yes(f, "those of every user");
	else if (scope[0] == '1' || scope[0] == '2')
		no(f, "run ctrace with sudo, or: sudo sysctl kernel.yama.ptrace_scope=0",
			"kernel.yama.ptrace_scope=%c hides them", scope[0]);
	else
		no(f, lab->rights ? "run ctrace with sudo" : NULL, "your own only");
}

static void try_syscall_names(struct lab *lab, struct ct_feature *f)
{
	if (ct_syscall__number("futex") < 0)
		no(f, "build ctrace again, with the C library's headers", "the table lacks futex");
	else
		yes(f, "futex is %d", ct_syscall__number("futex"));
}

/* Names one address of the C library, as recording names those of stacks. */
static void name_address(u64 ip, struct ct_frame *out)
{
	u64 top[8] = { 0 };
	struct ct_snapshot snap = { .id = 1,
		.tid = getpid(),
		.tgid = getpid(),
		.ts = 1,
		.ip = ip,
		.sp = (uintptr_t)top,
		.bytes = top,
		.len = sizeof(top) };
	struct ct_symbolizer *s = ct_symbolizer__new();
	struct ct_names *names = ct_names__new();
	const u32 *frames = NULL;
	u32 cnt = 0;

	memset(out, 0, sizeof(*out));
	if (!ct_symbolizer__scan(s, 0, getpid())) {
		ct_symbolizer__stack(s, &snap);
		ct_symbolizer__resolve(s, names, NULL, NULL);
		frames = ct_names__stack(names, 1, &cnt);
	}
	if (cnt && frames[0] < names->frames.cnt)
		*out = names->frames.at[frames[0]];
	ct_names__free(names);
	ct_symbolizer__free(s);
}

static void try_names(struct lab *lab, struct ct_feature *f)
{
	struct ct_frame frame;

	name_address((uintptr_t)&getenv, &frame);
	if (frame.function)
		yes(f, "symbol tables and debug information are read");
	else
		no(f, "give ctrace the rights to read the C library's file",
			"a function of the C library cannot be named");
}

static void try_libc_lines(struct lab *lab, struct ct_feature *f)
{
	struct ct_frame frame;

	name_address((uintptr_t)&getenv, &frame);
	if (frame.line)
		yes(f, "its debug file is there");
	else
		no(f, libc_debug_command(), "no debug file (your own lines need none)");
}

/* ---- settings that are worth knowing ---- */

static void show_setting(
	struct ct_feature *f, const char *path, const char *const meanings[], int cnt)
{
	char value[16];
	int n;

	read_line(path, value, sizeof(value));
	n = value[0] ? (int)strtol(value, NULL, 10) : -1;
	if (!value[0])
		fact(f, "no such setting");
	else if (n >= 0 && n < cnt)
		fact(f, "%s (%s)", value, meanings[n]);
	else
		fact(f, "%s", value);
}

static void show_unprivileged(struct lab *lab, struct ct_feature *f)
{
	static const char *const meanings[] = { "users may load some BPF",
		"needs rights until reboot", "needs rights" };

	show_setting(f, "/proc/sys/kernel/unprivileged_bpf_disabled", meanings, CT_COUNT(meanings));
}

static void show_paranoid(struct lab *lab, struct ct_feature *f)
{
	static const char *const meanings[] = { "all but raw tracepoints",
		"own processes, kernel too", "own processes" };

	show_setting(f, "/proc/sys/kernel/perf_event_paranoid", meanings, CT_COUNT(meanings));
}

/* ---- the table ---- */

static const struct {
	const char *name;
	bool needed;
	void (*try)(struct lab *lab, struct ct_feature *f);
} experiments[] = {
	{ "kernel", false, try_kernel },
	{ "processor", true, try_processor },
	{ "rights", true, try_rights },
	{ "kernel types (BTF)", true, try_btf },
	{ "lockdown", true, try_lockdown },
	{ "process ids", true, try_ids },
	{ "BPF programs", true, try_programs },
	{ "scheduler tracepoints", true, try_tracepoints },
	{ "reasons for waiting", true, try_reasons },
	{ "event rings", true, try_rings },
	{ "CPUs", true, try_cpus },
	{ "mappings of programs", true, try_mappings },
	{ "futex tracepoints", false, try_futex },
	{ "CPU samples", false, try_samples },
	{ "debug registers", false, try_registers },
	{ "running processes (-p)", false, try_attach },
	{ "system call names", false, try_syscall_names },
	{ "function names", false, try_names },
	{ "lines in the C library", false, try_libc_lines },
	{ "unprivileged_bpf_disabled", false, show_unprivileged },
	{ "perf_event_paranoid", false, show_paranoid },
};

static void run_experiments(struct ct_features *features, bool needed_only)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct lab lab = { 0 };

	for (size_t i = 0; i < CT_COUNT(experiments); i++) {
		struct ct_feature *f;

		if (needed_only && !experiments[i].needed)
			continue;
		f = ct_vec_push(&features->at);
		f->name = experiments[i].name;
		f->needed = experiments[i].needed;
		experiments[i].try(&lab, f);
	}
	btf__free(lab.btf);
	libbpf_set_print(print);
}

void ct_features__probe(struct ct_features *features)
{
	memset(features, 0, sizeof(*features));
	run_experiments(features, false);
}

void ct_features__clear(struct ct_features *features)
{
	for (u32 i = 0; i < features->at.cnt; i++) {
		free(features->at.at[i].found);
		free(features->at.at[i].mend);
	}
	ct_vec_free(&features->at);
}

const struct ct_feature *ct_features__missing(const struct ct_features *features)
{
	for (u32 i = 0; i < features->at.cnt; i++)
		if (features->at.at[i].needed && features->at.at[i].answer == CT_ANSWER_NO)
			return &features->at.at[i];
	return NULL;
}

char *ct_features__why_not(void)
{
	struct ct_features features = { 0 };
	const struct ct_feature *f;
	char *why = NULL;

	run_experiments(&features, true);
	f = ct_features__missing(&features);
	if (f)
		why = ct_asprintf("%s: %s; to mend: %s", f->name, f->found,
			f->mend ? f->mend : "see 'ctrace doctor'");
	ct_features__clear(&features);
	return why;
}
