/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/symbols: the lines and names that real programs state about themselves, in every way programs are
 * built (samples/); mappings over time; files that vanish, lie or are damaged; speed.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include "sample_stacks.h"
#include <cmocka.h>
#include "symbols/symbols_int.h"

#define NO_DEBUG_ROOT "/nonexistent"

/* ---- reading the result ---- */

struct resolved {
	struct ct_symbolizer *sym;
	struct ct_names *names;
};

static const char *str(const struct resolved *r, u32 id)
{
	return ct_strtab__get(r->names->strings, id);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static const struct ct_frame *frame_at(const struct resolved *r, u32 stack, u32 i)
{
	u32 cnt;
	const u32 *ids = ct_names__stack(r->names, stack, &cnt);
	return i < cnt ? &r->names->frames.at[ids[i]] : NULL;
}

static bool function_is(const char *name, const char *want)
{
	size_t n = strlen(want);
	bool open = n && want[n - 1] == '(';
	return open ? !strncmp(name, want, n) : !strcmp(name, want);
}

static void print_stack(const struct resolved *r, u32 stack)
{
	const struct ct_frame *f;
	for (u32 i = 0; (f = frame_at(r, stack, i)); i++)
		print_message("    %u %s (%s:%u) %s+0x%llx%s\n", i, str(r, f->function),
			base_name(str(r, f->file)), f->line, base_name(str(r, f->module)),
			(unsigned long long)f->offset, f->inlined ? " inlined" : "");
}

static bool has_function(const struct resolved *r, u32 stack, const char *name)
{
	const struct ct_frame *f;
	for (u32 i = 0; (f = frame_at(r, stack, i)); i++)
		if (!strcmp(str(r, f->function), name))
			return true;
	return false;
}

static bool has_site(const struct resolved *r, u32 stack, const struct site *want)
{
	const struct ct_frame *f;
	for (u32 i = 0; (f = frame_at(r, stack, i)); i++)
		if (function_is(str(r, f->function), want->function) && f->line == want->line &&
			!strcmp(base_name(str(r, f->file)), want->file))
			return true;
	return false;
}

/* ---- samples ---- */

static void feed(void *arg, struct ct_snapshot *snap)
{
	ct_symbolizer__stack(arg, snap);
}

static bool sample_built(const char *path)
{
	return !access(path, X_OK);
}

static struct resolved resolve_sample(struct sample *s, const char *path, const char *debug_root)
{
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	if (debug_root)
		ct_symbolizer__set_debug_root(r.sym, debug_root);
	assert_true(sample_start(s, path));
	assert_int_equal(ct_symbolizer__scan(r.sym, 500, (u32)s->pid), 0);
	if (!sample_stacks(s, feed, r.sym)) {
		sample_stop(s);
		print_message("SKIP: no right to ptrace a child\n");
		skip();
	}
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	return r;
}

static void done(struct resolved *r)
{
	ct_symbolizer__free(r->sym);
	ct_names__free(r->names);
}

static u32 stack_of(const struct sample *s, u32 tid)
{
	for (u32 i = 0; i < s->tid_cnt; i++)
		if (s->tids[i] == tid)
			return i + 1;
	return 0;
}

/* What a sample can be expected to tell. */
enum { LINES = 1, NAMES = 2, CALLS = 4, DATA = 8, ALL = 15 };

static u32 check_sites(const struct sample *s, const struct resolved *r, u32 what)
{
	u32 wrong = 0;
	for (u32 i = 0; i < s->site_cnt; i++) {
		const struct site *site = &s->sites[i];
		u32 stack = stack_of(s, site->tid);
		bool ok = stack;
		if (what & LINES)
			ok = ok && has_site(r, stack, site);
		if (what & CALLS && site->call[0] != '-')
			ok = ok && has_function(r, stack, site->call);
		if (ok)
			continue;
		wrong++;
		print_message("  not found: %s in %s (%s:%u)\n", site->call, site->function,
			site->file, site->line);
		print_stack(r, stack);
	}
	return wrong;
}

static u32 check_data(const struct sample *s, const struct resolved *r, u32 what)
{
	u32 wrong = 0;
	for (u32 i = 0; what & DATA && i < s->datum_cnt; i++) {
		const struct datum *d = &s->data[i];
		struct ct_addr_name name;
		ct_symbolizer__address(r->sym, r->names, (u32)s->pid, d->addr, &name);
		bool ok = false;
		if (!strcmp(d->kind, "data"))
			ok = name.kind == CT_ADDR_GLOBAL && name.offset == d->offset &&
				!strcmp(str(r, name.symbol), d->name);
		else if (!strcmp(d->kind, "heap"))
			ok = name.kind == CT_ADDR_HEAP;
		else if (!strcmp(d->kind, "stack"))
			ok = name.kind == CT_ADDR_STACK && name.thread == d->tid;
		if (ok)
			continue;
		wrong++;
		print_message("  %s %s: kind %u symbol '%s' offset %llu thread %u\n", d->kind, d->name,
			name.kind, str(r, name.symbol), (unsigned long long)name.offset, name.thread);
	}
	return wrong;
}

static void check_sample(const char *name, const char *debug_root, u32 what, const char *libc)
{
	struct sample s;
	char *path = sample_path(name);
	if (!sample_built(path)) {
		print_message("SKIP: %s: no compiler for it here\n", name);
		free(path);
		skip();
	}
	struct resolved r = resolve_sample(&s, path, debug_root);
	print_message("%s: %u sites, %u stacks\n", name, s.site_cnt, s.tid_cnt);
	u32 wrong = check_sites(&s, &r, what) + check_data(&s, &r, what);
	assert_true(s.site_cnt >= 4);
	assert_string_equal(ct_symbolizer__libc(r.sym, (u32)s.pid), libc);
	assert_string_equal(ct_symbolizer__libc(r.sym, 1u << 30), "");
	sample_stop(&s);
	done(&r);
	free(path);
	assert_int_equal(wrong, 0);
}

#define SAMPLE(id, name, root, what, libc)                                                         \
	static void test_##id(void **state)                                                        \
	{                                                                                          \
		char *debug = sample_path("debug");                                                \
		check_sample(name, (root) ? (root) : debug, what, libc);                           \
		free(debug);                                                                       \
	}
SAMPLE(c_O0_pie, "c-O0-pie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(c_O0_nopie, "c-O0-nopie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(c_O2_pie, "c-O2-pie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(c_O2_nopie, "c-O2-nopie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(c_O2_nofp_pie, "c-O2-nofp-pie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(c_O2_nofp_nopie, "c-O2-nofp-nopie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(cxx_O0_pie, "cxx-O0-pie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(cxx_O0_nopie, "cxx-O0-nopie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(cxx_O2_pie, "cxx-O2-pie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(cxx_O2_nopie, "cxx-O2-nopie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(cxx_O2_nofp_pie, "cxx-O2-nofp-pie", "/usr/lib/debug", ALL, "glibc")
SAMPLE(cxx_O2_nofp_nopie, "cxx-O2-nofp-nopie", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(noplt, "c-O2-noplt", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(dwarf4, "c-dwarf4", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(clang, "c-clang", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(statically, "c-static", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(musl_static, "c-musl-static", NO_DEBUG_ROOT, LINES, "musl")
SAMPLE(debug_by_id, "c-by-id", NULL, ALL, "glibc")
SAMPLE(debug_by_link, "c-by-link", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(stripped, "c-stripped", NO_DEBUG_ROOT, CALLS, "glibc")
SAMPLE(wrong_link, "c-wrong-link", NO_DEBUG_ROOT, CALLS, "glibc")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c_O0_pie),
		cmocka_unit_test(test_c_O0_nopie),
		cmocka_unit_test(test_c_O2_pie),
		cmocka_unit_test(test_c_O2_nopie),
		cmocka_unit_test(test_c_O2_nofp_pie),
		cmocka_unit_test(test_c_O2_nofp_nopie),
		cmocka_unit_test(test_cxx_O0_pie),
		cmocka_unit_test(test_cxx_O0_nopie),
		cmocka_unit_test(test_cxx_O2_pie),
		cmocka_unit_test(test_cxx_O2_nopie),
		cmocka_unit_test(test_cxx_O2_nofp_pie),
		cmocka_unit_test(test_cxx_O2_nofp_nopie),
		cmocka_unit_test(test_noplt),
		cmocka_unit_test(test_dwarf4),
		cmocka_unit_test(test_clang),
		cmocka_unit_test(test_statically),
		cmocka_unit_test(test_musl_static),
		cmocka_unit_test(test_debug_by_id),
		cmocka_unit_test(test_debug_by_link),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_wrong_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
