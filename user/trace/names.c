/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run's description and the names of a trace as plain memory: making, freeing, looking up.
 * Finding a stack is O(1), an address O(log n) (whoever fills addrs sorts them), a syscall's name
 * O(1) in a whole table, O(n) in a part of one (n: some hundreds at most).
 */
#include "trace_int.h"

void ct_run__clear(struct ct_run *run)
{
	for (char **arg = run->argv; arg && *arg; arg++)
		free(*arg);
	free(run->argv);
	free(run->arch);
	free(run->kernel);
	free(run->libc);
	free(run->version);
	free(run->host);
	for (char **label = run->labels; label && *label; label++)
		free(*label);
	free(run->labels);
	free(run->pids);
	*run = (struct ct_run){ 0 };
}

static char **add_word(char **words, char *word)
{
	size_t cnt = 0;
	while (words && words[cnt])
		cnt++;
	words = ct_realloc(words, (cnt + 2) * sizeof(*words));
	words[cnt] = word;
	words[cnt + 1] = NULL;
	return words;
}

void ct_run__add_arg(struct ct_run *run, char *arg)
{
	run->argv = add_word(run->argv, arg);
}

void ct_run__add_label(struct ct_run *run, const char *label)
{
	run->labels = add_word(run->labels, ct_strdup(label));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

void ct_run__redact(struct ct_run *run)
{
	char **args = run->argv;
	for (char **name = args; run->attached && name && *name; name++) {
		char *bare = ct_strdup(base_name(*name));
		free(*name);
		*name = bare;
	}
	if (args && *args && !run->attached) {
		char *program = ct_strdup(base_name(args[0]));
		for (char **arg = args; *arg; arg++)
			free(*arg);
		args[0] = program;
		args[1] = NULL;
	}
	free(run->host);
	run->host = ct_strdup("");
	run->redacted = true;
}

/* A new table, as the old one would still hold the paths. */
void ct_names__redact(struct ct_names *names)
{
	struct ct_strtab *old = names->strings;
	struct ct_strtab *bare = ct_strtab__new();
	for (u32 i = 0; i < names->frames.cnt; i++) {
		struct ct_frame *f = &names->frames.at[i];
		f->function = ct_strtab__add(bare, ct_strtab__get(old, f->function));
		f->file = ct_strtab__add(bare, base_name(ct_strtab__get(old, f->file)));
		f->module = ct_strtab__add(bare, base_name(ct_strtab__get(old, f->module)));
	}
	for (u32 i = 0; i < names->addrs.cnt; i++) {
		struct ct_addr_name *a = &names->addrs.at[i];
		a->symbol = ct_strtab__add(bare, ct_strtab__get(old, a->symbol));
		a->module = ct_strtab__add(bare, base_name(ct_strtab__get(old, a->module)));
	}
	ct_strtab__free(old);
	names->strings = bare;
}

struct ct_names *ct_names__new(void)
{
	struct ct_names *names = ct_alloc(sizeof(*names));
	names->strings = ct_strtab__new();
	(void)ct_vec_push(&names->frames);
	return names;
}

void ct_names__free(struct ct_names *names)
{
	if (!names)
		return;
	for (u32 i = 0; i < names->syscalls.cnt; i++)
		free((char *)names->syscalls.at[i].name);
	ct_strtab__free(names->strings);
	ct_vec_free(&names->frames);
	ct_vec_free(&names->stack_frames);
	ct_vec_free(&names->stack_start);
	ct_vec_free(&names->loops);
	ct_vec_free(&names->addrs);
	ct_vec_free(&names->syscalls);
	free(names);
}

void ct_names__add_stack(struct ct_names *names, u32 stack, const u32 *frames, u32 cnt)
{
	if (!names->stack_start.cnt)
		*ct_vec_push(&names->stack_start) = 0;
	while (names->stack_start.cnt - 1 <= stack)
		*ct_vec_push(&names->stack_start) = names->stack_frames.cnt;
	for (u32 i = 0; i < cnt; i++)
		*ct_vec_push(&names->stack_frames) = frames[i];
	names->stack_start.at[names->stack_start.cnt - 1] = names->stack_frames.cnt;
}

const u32 *ct_names__stack(const struct ct_names *names, u32 stack, u32 *cnt)
{
	*cnt = 0;
	if (!stack || !names->stack_start.cnt || stack >= names->stack_start.cnt - 1)
		return NULL;
	u32 start = names->stack_start.at[stack];
	*cnt = names->stack_start.at[stack + 1] - start;
	return *cnt ? &names->stack_frames.at[start] : NULL;
}

bool ct_names__add_loop(struct ct_names *names, u32 stack, struct ct_stack_loop loop)
{
	u32 cnt;

	if (!ct_names__stack(names, stack, &cnt) || loop.loop > CT_LOOP_LOOKS || loop.frame >= cnt)
		return false;
	while (names->loops.cnt <= stack)
		(void)ct_vec_push(&names->loops);
	names->loops.at[stack] = loop;
	return true;
}

struct ct_stack_loop ct_names__loop(const struct ct_names *names, u32 stack)
{
	return stack < names->loops.cnt ? names->loops.at[stack] : (struct ct_stack_loop){ 0 };
}

const char *ct_names__syscall(const struct ct_names *names, u32 nr)
{
	/* A whole table has number n at position n. */
	if (nr < names->syscalls.cnt && names->syscalls.at[nr].nr == nr)
		return names->syscalls.at[nr].name;
	for (u32 i = 0; i < names->syscalls.cnt; i++)
		if (names->syscalls.at[i].nr == nr)
			return names->syscalls.at[i].name;
	return NULL;
}

static int compare_addr(const struct ct_addr_name *a, u32 tgid, u64 addr)
{
	if (a->tgid != tgid)
		return a->tgid < tgid ? -1 : 1;
	return a->addr < addr ? -1 : a->addr > addr;
}

static int compare_addrs(const void *a, const void *b)
{
	const struct ct_addr_name *y = b;
	return compare_addr(a, y->tgid, y->addr);
}

void ct_names__sort_addrs(struct ct_names *names)
{
	if (names->addrs.cnt)
		qsort(names->addrs.at, names->addrs.cnt, sizeof(*names->addrs.at), compare_addrs);
}

const struct ct_addr_name *ct_names__addr(const struct ct_names *names, u32 tgid, u64 addr)
{
	u32 low = 0;
	u32 high = names->addrs.cnt;
	while (low < high) {
		u32 mid = low + (high - low) / 2;
		int order = compare_addr(&names->addrs.at[mid], tgid, addr);
		if (!order)
			return &names->addrs.at[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
