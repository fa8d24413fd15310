/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * count OBJECT NAME: counts (count.bpf.c) the events of the program that is called NAME, from its
 * exec on.  Prints "ready" when it counts, and one line of JSON when its input ends.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "count.h"

static const char *const names[COUNT_END] = { "task_new", "task_name", "task_exec", "task_exit",
	"task_counts", "switch", "block", "waking", "migrate", "futex", "sample", "refused",
	"unknown" };

static unsigned long long address_of(const char *symbol)
{
	unsigned long long at, found = 0;
	char line[512], name[256];
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*c %255s", &at, name) == 2 && !strcmp(name, symbol))
			found = at;
	if (f)
		fclose(f);
	return found;
}

/* In the kernel's section of variables of each CPU. */
static long long offset_of(struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, ".data..percpu", BTF_KIND_DATASEC);
	const struct btf_type *sec = id > 0 ? btf__type_by_id(btf, id) : NULL;
	const struct btf_var_secinfo *v = sec ? btf_var_secinfos(sec) : NULL;

	for (unsigned i = 0; sec && i < btf_vlen(sec); i++) {
		const struct btf_type *var = btf__type_by_id(btf, v[i].type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), name))
			return v[i].offset;
	}
	return -1;
}

static int fail(const char *what)
{
	fprintf(stderr, "count: %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	/* the four younger calls have one number everywhere */
	struct count_config config = { .calls = { SYS_futex, 449, 454, 455, 456 } };
	unsigned zero = 0;
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct btf *btf = btf__load_vmlinux_btf();
	long long active, rq;

	if (argc != 3)
		return 2;
	snprintf(config.name, sizeof(config.name), "%s", argv[2]);
	active = btf ? offset_of(btf, "bpf_prog_active") : -1;
	rq = btf ? offset_of(btf, "runqueues") : -1;
	config.active_from_rq = active - rq;
	config.tick = address_of("perf_swevent_hrtimer");
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj || bpf_object__load(obj))
		return fail("cannot load");
	if (active < 0 || rq < 0 || !config.tick)
		return fail("this kernel does not tell where its timers are");
	if (bpf_map_update_elem(
		    bpf_object__find_map_fd_by_name(obj, "config"), &zero, &config, BPF_ANY))
		return fail("cannot configure");
	bpf_object__for_each_program(prog, obj)
		if (!bpf_program__attach(prog))
			return fail(bpf_program__name(prog));
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	for (unsigned i = 0; i < COUNT_END; i++) {
		unsigned long long cnt = 0;

		bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(obj, "counts"), &i, &cnt);
		printf("%s\"%s\": %llu", i ? ", " : "{", names[i], cnt);
	}
	puts("}");
	return 0;
}
