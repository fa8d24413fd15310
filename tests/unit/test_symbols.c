/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/symbols: the lines and names that real programs state about themselves, in every way
 * programs are built (samples/); mappings over time; files that vanish, lie or are damaged; speed.
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

/* As `ctrace why` takes them, without the frame pointer, which no system call tells; and with it,
 * under another id. */
static void feed_bare(void *arg, struct ct_snapshot *snap)
{
	struct ct_snapshot bare = *snap;
	bare.bp = 0;
	ct_symbolizer__stack(arg, &bare);
	snap->id += SITES_MAX;
	ct_symbolizer__stack(arg, snap);
}

static bool sample_built(const char *path)
{
	return !access(path, X_OK);
}

static struct resolved resolve_by(struct sample *s, const char *path, const char *debug_root,
	void (*give)(void *arg, struct ct_snapshot *snap))
{
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	if (debug_root)
		ct_symbolizer__set_debug_root(r.sym, debug_root);
	assert_true(sample_start(s, path));
	assert_int_equal(ct_symbolizer__scan(r.sym, 500, (u32)s->pid), 0);
	if (!sample_stacks(s, give, r.sym)) {
		sample_stop(s);
		print_message("SKIP: no right to ptrace a child\n");
		skip();
	}
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	return r;
}

static struct resolved resolve_sample(struct sample *s, const char *path, const char *debug_root)
{
	return resolve_by(s, path, debug_root, feed);
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
enum { LINES = 1, NO_LINES = 2, CALLS = 4, DATA = 8, ALL = LINES | CALLS | DATA };

static u32 check_sites(const struct sample *s, const struct resolved *r, u32 what)
{
	u32 wrong = 0;
	for (u32 i = 0; i < s->site_cnt; i++) {
		const struct site *site = &s->sites[i];
		u32 stack = stack_of(s, site->tid);
		bool ok = stack;
		if (what & LINES)
			ok = ok && has_site(r, stack, site);
		if (what & NO_LINES && strcmp(site->file, "libsite.c"))
			ok = ok && !has_site(r, stack, site);
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

/* By its member where DWARF is there to tell, else by the distance from its beginning. */
static bool is_called(const struct resolved *r, const struct ct_addr_name *name,
	const struct datum *d)
{
	const char *symbol = str(r, name->symbol);

	if (!strcmp(symbol, "keeper.lock"))
		return !strcmp(d->name, "keeper") && d->offset && !name->offset;
	return !strcmp(symbol, d->name) && name->offset == d->offset;
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
			ok = name.kind == CT_ADDR_GLOBAL && is_called(r, &name, d);
		else if (!strcmp(d->kind, "heap"))
			ok = name.kind == CT_ADDR_HEAP;
		else if (!strcmp(d->kind, "stack"))
			ok = name.kind == CT_ADDR_STACK && name.thread == d->tid;
		if (ok)
			continue;
		wrong++;
		print_message("  %s %s: kind %u symbol '%s' offset %llu thread %u\n", d->kind,
			d->name, name.kind, str(r, name.symbol), (unsigned long long)name.offset,
			name.thread);
	}
	return wrong;
}

/* debug_root NULL: that of the samples. */
static void check_sample(const char *name, const char *debug_root, u32 what, const char *libc)
{
	struct sample s;
	char *path = sample_path(name);
	if (!sample_built(path)) {
		print_message("SKIP: %s: no compiler for it here\n", name);
		free(path);
		skip();
	}
	char *debug = sample_path("debug");
	struct resolved r = resolve_sample(&s, path, debug_root ? debug_root : debug);
	print_message("%s: %u sites, %u stacks\n", name, s.site_cnt, s.tid_cnt);
	u32 wrong = check_sites(&s, &r, what) + check_data(&s, &r, what);
	assert_true(s.site_cnt >= 4);
	assert_string_equal(ct_symbolizer__libc(r.sym, (u32)s.pid), libc);
	assert_string_equal(ct_symbolizer__libc(r.sym, 1u << 30), "");
	sample_stop(&s);
	done(&r);
	free(debug);
	free(path);
	assert_int_equal(wrong, 0);
}

#define SAMPLE(id, name, root, what, libc)                                                         \
	static void test_##id(void **state)                                                        \
	{                                                                                          \
		check_sample(name, root, what, libc);                                              \
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
SAMPLE(lld, "c-lld", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(statically, "c-static", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(musl_static, "c-musl-static", NO_DEBUG_ROOT, ALL, "musl")
SAMPLE(debug_by_id, "c-by-id", NULL, ALL, "glibc")
SAMPLE(debug_by_link, "c-by-link", NO_DEBUG_ROOT, ALL, "glibc")
SAMPLE(stripped, "c-stripped", NO_DEBUG_ROOT, NO_LINES | CALLS, "glibc")
SAMPLE(wrong_link, "c-wrong-link", NO_DEBUG_ROOT, NO_LINES | CALLS, "glibc")

/* ---- a snapshot made by hand ---- */

#define BASE 0x100000000ull
#define STACK 0x700000000000ull

static u64 next_random(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static u32 trace_of(struct ct_symbolizer *sym, struct ct_names *names, u32 tgid, ct_ns ts, u64 ip)
{
	static u64 bytes[4];
	struct ct_snapshot snap = { .id = 1, .tid = tgid, .tgid = tgid, .ts = ts, .ip = ip,
		.sp = STACK, .bytes = bytes, .len = sizeof(bytes) };
	u32 cnt;
	ct_symbolizer__stack(sym, &snap);
	ct_symbolizer__resolve(sym, names, NULL, NULL);
	const u32 *ids = ct_names__stack(names, 1, &cnt);
	return cnt ? ids[0] : 0;
}

/* ---- frames ---- */

/* Three functions at one address: the inlined ones first, each at the line where it calls. */
static void test_inlined(void **state)
{
	static const char *const names[] = { "inner_lock", "outer_lock", "wait_inlined" };
	struct sample s;
	char *path = sample_path("c-O2-nofp-pie");
	struct resolved r = resolve_sample(&s, path, NO_DEBUG_ROOT);
	u32 tid = 0;
	for (u32 i = 0; i < s.site_cnt; i++)
		if (!strcmp(s.sites[i].function, names[0]))
			tid = s.sites[i].tid;
	u32 stack = stack_of(&s, tid);
	u32 at = 0;
	while (frame_at(&r, stack, at) &&
		strcmp(str(&r, frame_at(&r, stack, at)->function), names[0]))
		at++;
	for (u32 i = 0; i < 3; i++) {
		const struct ct_frame *f = frame_at(&r, stack, at + i);
		assert_non_null(f);
		assert_string_equal(str(&r, f->function), names[i]);
		assert_int_equal(f->inlined, i < 2);
		assert_int_equal(f->offset, frame_at(&r, stack, at)->offset);
	}
	sample_stop(&s);
	done(&r);
	free(path);
}

#if defined(__x86_64__)
/* A signal's trampoline begins where the handler returns to: the byte before is not its own. */
static void test_trampoline(void **state)
{
	struct sample s;
	u32 found = 0;
	char *path = sample_path("c-static");
	struct resolved r = resolve_sample(&s, path, NO_DEBUG_ROOT);
	for (u32 i = 1; i <= s.tid_cnt; i++)
		found += has_function(&r, i, "__restore_rt");
	assert_int_equal(found, 2); /* two threads are in a handler */
	sample_stop(&s);
	done(&r);
	free(path);
}
#endif

#if defined(__x86_64__)
static bool same_stack(const struct resolved *r, u32 a, u32 b)
{
	u32 x, y;
	const u32 *left = ct_names__stack(r->names, a, &x);
	const u32 *right = ct_names__stack(r->names, b, &y);
	return x && x == y && !memcmp(left, right, x * sizeof(*left));
}

/* What no snapshot says, the frame pointer, the functions' own code and calls do. */
static void test_without_frame_pointer(void **state)
{
	static const char *const samples[] = { "c-O0-pie", "c-O0-nopie", "c-O2-pie",
		"cxx-O0-pie", "cxx-O2-pie", "c-O0-clang" };
	u32 wrong = 0;
	for (u32 i = 0; i < CT_COUNT(samples); i++) {
		struct sample s;
		char *path = sample_path(samples[i]);
		if (!sample_built(path)) {
			print_message("SKIP: %s: no compiler for it here\n", samples[i]);
			free(path);
			continue;
		}
		struct resolved r = resolve_by(&s, path, NO_DEBUG_ROOT, feed_bare);
		wrong += check_sites(&s, &r, LINES | CALLS);
		for (u32 k = 1; k <= s.tid_cnt; k++)
			if (!same_stack(&r, k, k + SITES_MAX) && ++wrong)
				print_stack(&r, k);
		sample_stop(&s);
		done(&r);
		free(path);
	}
	assert_int_equal(wrong, 0);
}
#endif

/* Stripped code has its module and an offset that leads another tool to the line. */
static void test_stripped_offsets(void **state)
{
	struct sample s;
	struct ct_place_name lines[CT_INLINES_MAX + 1];
	char *path = sample_path("c-stripped");
	char *twin_path = sample_path("c-O2-nofp-nopie");
	struct ct_elf *twin = ct_elf__new(twin_path, NO_DEBUG_ROOT);
	u32 found = 0;
	twin->fd = ct_open_regular(twin_path, &twin->id);
	struct resolved r = resolve_sample(&s, path, NO_DEBUG_ROOT);
	for (u32 i = 0; i < s.site_cnt; i++) {
		const struct ct_frame *f;
		u32 stack = stack_of(&s, s.sites[i].tid);
		for (u32 k = 0; (f = frame_at(&r, stack, k)); k++) {
			if (strcmp(str(&r, f->module), path))
				continue;
			u32 cnt = ct_elf__lines(twin, f->offset, lines);
			assert_int_equal(f->line, 0);
			for (u32 n = 0; n < cnt; n++)
				found += lines[n].line == s.sites[i].line &&
					!strcmp(lines[n].function, s.sites[i].function);
		}
	}
	/* what jumped on left no frame, and no symbol to tell of it */
	assert_in_range(found, s.site_cnt - 7, s.site_cnt);
	sample_stop(&s);
	done(&r);
	ct_elf__free(twin);
	free(twin_path);
	free(path);
}

/* A chain of frame pointers in code without unwind information. */
static u32 count_frames(const u64 *stack, u32 words)
{
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	struct ct_snapshot snap = { .id = 1,
		.tid = 7,
		.tgid = 7,
		.ts = 2,
		.ip = BASE + 1,
		.sp = STACK,
		.bp = STACK + 16,
		.bytes = stack,
		.len = words * 8 };
	u32 cnt;
#if defined(__aarch64__)
	snap.lr = stack[0]; /* where a call of x86 puts it is a register's place there */
#endif
	ct_symbolizer__map(r.sym, 1, 7, BASE, 4096, 0, "//anon", 0);
	ct_symbolizer__stack(r.sym, &snap);
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	ct_names__stack(r.names, 1, &cnt);
	done(&r);
	return cnt;
}

static void test_frame_pointers(void **state)
{
	u64 stack[512] = { 0 };
	for (u32 i = 0; i < 255; i++) {
		stack[2 + 2 * i] = STACK + 8 * (4 + 2 * i);
		stack[3 + 2 * i] = BASE + 100 + i;
	}
	assert_int_equal(count_frames(stack, 512), CT_FRAMES_MAX);
	assert_int_equal(count_frames(stack, 12), 6); /* the snapshot ends */
	stack[7] = BASE + 5000;			      /* not code */
	assert_int_equal(count_frames(stack, 512), 3);
	stack[7] = BASE + 102;
	stack[6] = STACK + 16; /* goes round */
	assert_int_equal(count_frames(stack, 512), 4);
	stack[0] = BASE + 50; /* the leaf's return address */
	stack[6] = STACK + 64;
	assert_int_equal(count_frames(stack, 12), 7);
}

static void test_vdso(void **state)
{
	struct ct_elf *own = ct_elf__new_vdso(NO_DEBUG_ROOT);
	const struct ct_sym *sym = ct_elf__find(own, "__vdso_clock_gettime");
	if (!sym)
		sym = ct_elf__find(own, "__kernel_clock_gettime");
	if (!sym) {
		print_message("SKIP: no vdso here\n");
		ct_elf__free(own);
		skip();
	}
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	u64 stack[4] = { BASE + 1 };
	struct ct_snapshot snap = { .id = 1,
		.tid = 7,
		.tgid = 7,
		.ts = 2,
		.sp = STACK,
		.lr = BASE + 1,
		.ip = STACK + 0x10000 + sym->addr,
		.bytes = stack,
		.len = sizeof(stack) };
	ct_symbolizer__map(r.sym, 1, 7, STACK + 0x10000, 0x2000, 0x7ff0000, "[vdso]", 0);
	ct_symbolizer__map(r.sym, 1, 7, BASE, 4096, 0, "//anon", 0);
	ct_symbolizer__stack(r.sym, &snap);
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	assert_string_equal(str(&r, frame_at(&r, 1, 0)->module), "[vdso]");
	assert_non_null(strstr(str(&r, frame_at(&r, 1, 0)->function), "clock_gettime"));
	assert_non_null(frame_at(&r, 1, 1));
	assert_string_equal(str(&r, frame_at(&r, 1, 1)->module), "[anon]");
	done(&r);
	ct_elf__free(own);
}

/* One of each form that instructions have. */
static void test_instruction_lengths(void **state)
{
	static const struct {
		u32 len;
		u8 code[CT_X86_BYTES];
	} rows[] = {
		{ 1, { 0xc3 } },
		{ 2, { 0xeb, 0xee } },
		{ 5, { 0xe9, 0x8b, 0xfe, 0xff, 0xff } },
		{ 6, { 0x0f, 0x84, 1, 2, 3, 4 } },
		{ 3, { 0x48, 0x89, 0xe5 } },		       /* mov %rsp,%rbp */
		{ 4, { 0xf3, 0x0f, 0x1e, 0xfa } },	       /* endbr64 */
		{ 7, { 0x48, 0x8d, 0x3d, 1, 2, 3, 4 } },       /* lea 1(%rip),%rdi */
		{ 9, { 0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0 } }, /* mov %fs:0,%rax */
		{ 10, { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 } },      /* movabs */
		{ 5, { 0x66, 0x81, 0xc1, 1, 2 } },		     /* add $1,%cx */
		{ 3, { 0xf6, 0xc1, 1 } },			     /* test $1,%cl */
		{ 2, { 0xf6, 0xd1 } },				     /* not %cl */
		{ 6, { 0xf7, 0xc1, 1, 2, 3, 4 } },		     /* test $1,%ecx */
		{ 10, { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 } },
		{ 5, { 0xc5, 0xf9, 0x70, 0xc0, 0 } },		     /* vpshufd */
		{ 6, { 0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1 } },	     /* vextracti128 */
		{ 6, { 0x62, 0xf1, 0x7e, 0x48, 0x6f, 0x06 } },	     /* vmovdqu32 */
		{ 0, { 0x06 } },
	};
	for (u32 i = 0; i < CT_COUNT(rows); i++)
		assert_int_equal(ct_x86__length(rows[i].code), rows[i].len);
}

/* ---- 32-bit, deleted, replaced, unreadable ---- */

static void test_narrow(void **state)
{
	struct sample s;
	char *path = sample_path("c-m32");
	if (!sample_built(path)) {
		print_message("SKIP: no compiler for 32 bit here\n");
		free(path);
		skip();
	}
	struct resolved r = resolve_sample(&s, path, NO_DEBUG_ROOT);
	for (u32 i = 1; i <= s.tid_cnt; i++) {
		u32 cnt;
		ct_names__stack(r.names, i, &cnt);
		assert_int_equal(cnt, 1);
	}
	sample_stop(&s);
	done(&r);
	free(path);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

/* The program's file is replaced after it was seen: its names stay right. */
static void check_gone(bool replace)
{
	struct sample s;
	char *path = sample_path("c-static");
	char *copy = sample_path("c-gone");
	copy_file(path, copy);
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	assert_true(sample_start(&s, copy));
	assert_int_equal(ct_symbolizer__scan(r.sym, 500, (u32)s.pid), 0);
	assert_int_equal(unlink(copy), 0);
	if (replace)
		copy_file("/proc/self/exe", copy);
	if (!sample_stacks(&s, feed, r.sym)) {
		sample_stop(&s);
		print_message("SKIP: no right to ptrace a child\n");
		skip();
	}
	sample_stop(&s);
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	assert_int_equal(check_sites(&s, &r, ALL), 0);
	unlink(copy);
	done(&r);
	free(copy);
	free(path);
}

static void test_deleted(void **state)
{
	check_gone(false);
}

static void test_replaced(void **state)
{
	check_gone(true);
}

/* What cannot be opened, or is no ELF file, still has its path and the offset in the file. */
static void test_unreadable(void **state)
{
	char dir[] = "/tmp/test_symbols.XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *fifo = ct_asprintf("%s/fifo", dir);
	char *text = ct_asprintf("%s/text", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	FILE *out = fopen(text, "w");
	fputs("not an ELF file", out);
	fclose(out);
	const char *paths[] = { "/nonexistent/prog", "/nonexistent/lib.so (deleted)", fifo, text,
		"/proc/self/mem", "/dev/zero", "/memfd:code (deleted)", dir };
	for (u32 i = 0; i < CT_COUNT(paths); i++) {
		struct resolved r = { ct_symbolizer__new(), ct_names__new() };
		ct_symbolizer__map(r.sym, 1, 1u << 30, BASE, 0x10000, 0x2000, paths[i], 0);
		u32 id = trace_of(r.sym, r.names, 1u << 30, 5, BASE + 0x123);
		const struct ct_frame *f = &r.names->frames.at[id];
		assert_int_equal(f->function, 0);
		assert_int_equal(f->offset, 0x2123);
		assert_int_equal(
			strncmp(str(&r, f->module), paths[i], strlen(str(&r, f->module))), 0);
		assert_null(strstr(str(&r, f->module), "deleted"));
		assert_string_not_equal(str(&r, f->module), "");
		done(&r);
	}
	unlink(fifo);
	unlink(text);
	rmdir(dir);
	free(fifo);
	free(text);
}

/* A process that is gone mapped another file than has the path now. */
static void test_replaced_unseen(void **state)
{
	char *path = sample_path("c-static");
	struct ct_elf *f = ct_elf__new(path, NO_DEBUG_ROOT);
	f->fd = ct_open_regular(path, &f->id);
	u64 at = ct_elf__func(f, 0) ? 0 : 1;
	for (u64 v = 0x400000; v < 0x500000 && at == 1; v++)
		if (ct_elf__func(f, v) && !strcmp(ct_elf__func(f, v)->name, "main"))
			at = v;
	assert_true(at > 1);
	for (u64 off = 0; off < 2; off++) {
		struct resolved r = { ct_symbolizer__new(), ct_names__new() };
		ct_symbolizer__map(
			r.sym, 1, 1u << 30, 0x400000, 0x100000, 0, path, f->id.ino + off);
		u32 id = trace_of(r.sym, r.names, 1u << 30, 5, at);
		assert_string_equal(str(&r, r.names->frames.at[id].function), off ? "" : "main");
		assert_string_equal(str(&r, r.names->frames.at[id].module), path);
		done(&r);
	}
	ct_elf__free(f);
	free(path);
}

/* A deleted file of a process that is gone: what has its path now is something else. */
static void test_deleted_unseen(void **state)
{
	char *path = sample_path("c-O2-nofp-pie");
	char *deleted = ct_asprintf("%s (deleted)", path);
	for (int gone = 0; gone < 2; gone++) {
		struct resolved r = { ct_symbolizer__new(), ct_names__new() };
		struct ct_elf *f = ct_elf__new(path, NO_DEBUG_ROOT);
		f->fd = ct_open_regular(path, &f->id);
		u64 at = ct_elf__find(f, "main") ? ct_elf__find(f, "main")->addr : 0;
		for (u64 v = 0x1000; !at && v < 0x20000; v++)
			if (ct_elf__func(f, v) && !strcmp(ct_elf__func(f, v)->name, "main"))
				at = v;
		assert_true(at);
		ct_symbolizer__map(r.sym, 1, 1u << 30, BASE, 0x20000, 0, gone ? deleted : path, 0);
		u32 id = trace_of(r.sym, r.names, 1u << 30, 5, BASE + at);
		assert_string_equal(str(&r, r.names->frames.at[id].function), gone ? "" : "main");
		assert_string_equal(str(&r, r.names->frames.at[id].module), path);
		ct_elf__free(f);
		done(&r);
	}
	free(deleted);
	free(path);
}

/* Without a scan, what follows the main program's data is its heap; nothing else is called so. */
static void test_heap_guess(void **state)
{
	static const char *const samples[] = { "c-O0-pie", "c-O0-nopie" };
	for (u32 i = 0; i < CT_COUNT(samples); i++) {
		struct sample s;
		struct ct_addr_name name;
		char *path = sample_path(samples[i]);
		struct resolved r = resolve_sample(&s, path, NO_DEBUG_ROOT);
		r.sym->areas.scanned.cnt = 0;
		for (u32 k = 0; k < s.datum_cnt; k++) {
			ct_symbolizer__address(r.sym, r.names, (u32)s.pid, s.data[k].addr, &name);
			assert_int_equal(
				name.kind == CT_ADDR_HEAP, !strcmp(s.data[k].kind, "heap"));
		}
		ct_symbolizer__address(r.sym, r.names, (u32)s.pid, 0x500000000000, &name);
		assert_int_equal(name.kind, CT_ADDR_UNKNOWN);
		ct_symbolizer__address(r.sym, r.names, (u32)s.pid, 16, &name);
		assert_int_equal(name.kind, CT_ADDR_UNKNOWN);
		sample_stop(&s);
		done(&r);
		free(path);
	}
}

/* ---- mappings over time ---- */

static const char *module_at(u32 tgid, ct_ns ts, u64 addr, struct resolved *r,
	void (*story)(struct ct_symbolizer *))
{
	static char found[64];
	r->sym = ct_symbolizer__new();
	r->names = ct_names__new();
	story(r->sym);
	u32 id = trace_of(r->sym, r->names, tgid, ts, addr);
	snprintf(found, sizeof(found), "%s", str(r, r->names->frames.at[id].module));
	done(r);
	return found;
}

static void tell_story(struct ct_symbolizer *sym)
{
	/* out of order, as the CPUs report it */
	ct_symbolizer__map(sym, 50, 10, BASE, 4096, 0, "/x/second", 0);
	ct_symbolizer__map(sym, 10, 10, BASE, 4096, 0, "/x/first", 0);
	ct_symbolizer__map(sym, 12, 10, BASE + 8192, 4096, 0, "/x/old_lib", 0);
	ct_symbolizer__fork(sym, 60, 10, 11);
	ct_symbolizer__map(sym, 70, 10, BASE + 8192, 4096, 0, "/x/new_lib", 0);
	ct_symbolizer__exec(sym, 100, 11);
	ct_symbolizer__map(sym, 99, 11, BASE + 16384, 4096, 0, "/x/early", 0);
	ct_symbolizer__map(sym, 110, 11, BASE, 4096, 0, "/x/third", 0);
	ct_symbolizer__map(sym, 110, 12, BASE, 4096, 0, "//anon", 0);
}

static void test_times(void **state)
{
	static const struct {
		u32 tgid;
		ct_ns ts;
		u64 addr;
		const char *module;
	} rows[] = {
		{ 10, 20, BASE, "/x/first" },
		{ 10, 55, BASE + 4095, "/x/second" },
		{ 10, 55, BASE + 4096, "" },
		{ 10, 65, BASE + 8192, "/x/old_lib" },
		{ 10, 75, BASE + 8192, "/x/new_lib" },
		{ 10, 5, BASE, "/x/first" }, /* reported late */
		{ 11, 65, BASE, "/x/second" },
		{ 11, 80, BASE + 8192, "/x/old_lib" }, /* as it was when it forked */
		{ 11, 120, BASE, "/x/third" },
		{ 11, 120, BASE + 8192, "" }, /* gone with the exec */
		{ 11, 120, BASE + 16384, "/x/early" }, /* reported just before its exec */
		{ 12, 120, BASE + 1, "[anon]" },
		{ 13, 120, BASE, "" },
	};
	struct resolved r;
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		const char *found =
			module_at(rows[i].tgid, rows[i].ts, rows[i].addr, &r, tell_story);
		if (strcmp(found, rows[i].module))
			print_message("  row %u: %s\n", i, found);
		assert_string_equal(found, rows[i].module);
	}
}

/* ---- names ---- */

static void test_demangle(void **state)
{
	static const char *const rows[][2] = {
		{ "main", "main" },
		{ "_Z3addii", "add(int, int)" },
		{ "_ZN5Queue4pushEi", "Queue::push(int)" },
		{ "_ZN5Queue4takeIlEET_S1_", "Queue::take<long>(long)" },
		{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "_Znot_mangled", "_Znot_mangled" },
		{ "_", "_" },
		{ "", "" },
	};
	for (u32 i = 0; i < CT_COUNT(rows); i++) {
		char *text = ct_demangle(rows[i][0]);
		assert_string_equal(text, rows[i][1]);
		free(text);
	}
}

/* Each argument is a pair of the one before: the text doubles with every five letters. */
static void test_demangle_bomb(void **state)
{
	char bomb[512] = "_Z1fI1a";
	for (int i = 0; i < 30; i++)
		snprintf(bomb + strlen(bomb), sizeof(bomb) - strlen(bomb), "1pIS%c_S%c_E",
			"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i],
			"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]);
	strcat(bomb, "Evv");
	char *text = ct_demangle(bomb);
	assert_true(strlen(text) <= 1024);
	free(text);
}

/* Exported functions of our own C library, of which only .dynsym is read. */
static void test_exported_names(void **state)
{
	struct ct_elf *f = NULL;
	static const char *const paths[] = { "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6",
		"/lib/aarch64-linux-gnu/libc.so.6", "/usr/lib/libc.so.6" };
	for (u32 i = 0; i < CT_COUNT(paths) && !f; i++) {
		struct ct_file_id id;
		int fd = ct_open_regular(paths[i], &id);
		if (fd >= 0) {
			f = ct_elf__new(paths[i], NO_DEBUG_ROOT);
			f->fd = fd;
		}
	}
	if (!f) {
		print_message("SKIP: no glibc here\n");
		skip();
	}
	static const char *const names[] = { "pthread_mutex_lock", "read", "poll", "sem_wait",
		"pthread_cond_wait", "nanosleep", "malloc" };
	for (u32 i = 0; i < CT_COUNT(names); i++) {
		const struct ct_sym *sym = ct_elf__find(f, names[i]);
		assert_non_null(sym);
		const struct ct_sym *found = ct_elf__func(f, sym->addr);
		char *plain = ct_elf__plain_name(f, found->name);
		if (strcmp(names[i], "malloc") && strcmp(names[i], "pthread_cond_wait"))
			assert_string_equal(plain, names[i]);
		free(plain);
		/* the hole behind a function is not the function */
		const struct ct_sym *after = ct_elf__func(f, found->addr + found->size);
		assert_true(after != found);
	}
	char *twin = ct_elf__plain_name(f, "__pthread_mutex_lock@@GLIBC_2.2.5");
	assert_string_equal(twin, "pthread_mutex_lock");
	free(twin);
	ct_elf__free(f);
}

/* ---- ids ---- */

static void test_ids(void **state)
{
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	static const u64 ips[] = { BASE + 32, BASE + 16, BASE + 32 };
	u64 bytes[1] = { 0 };
	ct_symbolizer__map(r.sym, 1, 7, BASE, 4096, 0, "/x/prog", 0);
	for (u32 i = 0; i < 3; i++) {
		struct ct_snapshot snap = { .id = 6 - i, .tid = 7, .tgid = 7, .ts = 2, .ip = ips[i],
			.sp = STACK, .bytes = bytes, .len = 8 };
		ct_symbolizer__stack(r.sym, &snap);
	}
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	u32 cnt;
	ct_names__stack(r.names, 3, &cnt);
	assert_int_equal(cnt, 0);
	assert_int_equal(ct_names__stack(r.names, 4, &cnt)[0], 1); /* ids in the order of stacks */
	assert_int_equal(ct_names__stack(r.names, 5, &cnt)[0], 2);
	assert_int_equal(ct_names__stack(r.names, 6, &cnt)[0], 1);
	assert_int_equal(r.names->frames.at[1].offset, 32);
	ct_names__stack(r.names, 7, &cnt);
	assert_int_equal(cnt, 0);
	done(&r);
}

/* ---- damaged files ---- */

struct bytes {
	u8 *at;
	size_t len;
};

static struct bytes read_whole(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && !fstat(fd, &st));
	struct bytes b = { ct_alloc((size_t)st.st_size), (size_t)st.st_size };
	assert_int_equal(read(fd, b.at, b.len), (ssize_t)b.len);
	close(fd);
	return b;
}

/* Flips bits anywhere, or in the headers only, or cuts the file short. */
static size_t damage(const struct bytes *in, u8 *out, u64 *seed)
{
	u64 kind = next_random(seed) % 4;
	u64 flips = 1 + next_random(seed) % 200;
	memcpy(out, in->at, in->len);
	if (kind == 0)
		return next_random(seed) % in->len;
	for (u64 i = 0; i < flips; i++) {
		size_t at = next_random(seed) % in->len;
		if (kind == 1)
			at %= 0x400;
		if (kind == 2)
			at = in->len - 1 - at % 0xa00;
		out[at] ^= (u8)(1u << next_random(seed) % 8);
	}
	return in->len;
}

static void use_damaged(const char *path, size_t len, u64 *seed)
{
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	struct ct_addr_name name;
	u64 stack[128];
	ct_symbolizer__set_debug_root(r.sym, NO_DEBUG_ROOT);
	ct_symbolizer__map(r.sym, 1, 7, BASE, 0x100000, 0, path, 0);
	for (u32 id = 1; id <= 40; id++) {
		for (u32 i = 0; i < CT_COUNT(stack); i++)
			stack[i] = i % 3 ? STACK + 8 * (next_random(seed) % 140) :
					   BASE + 0x1000 + next_random(seed) % 0x4000;
		struct ct_snapshot snap = { .id = id, .tid = 7, .tgid = 7, .ts = 2, .sp = STACK,
			.ip = BASE + 0x1000 + next_random(seed) % 0x4000, .bp = STACK + 64,
			.bytes = stack, .len = sizeof(stack), .top = STACK + sizeof(stack) };
		ct_symbolizer__stack(r.sym, &snap);
	}
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	for (u32 i = 0; i < 20; i++)
		ct_symbolizer__address(r.sym, r.names, 7, BASE + next_random(seed) % 0x8000, &name);
	ct_symbolizer__libc(r.sym, 7);
	done(&r);
}

static void check_damaged(const char *sample, u32 rounds)
{
	char dir[] = "/tmp/test_symbols.XXXXXX";
	char *path = sample_path(sample);
	struct bytes whole = read_whole(path);
	u8 *broken = ct_alloc(whole.len);
	u64 seed = 42;
	assert_non_null(mkdtemp(dir));
	char *copy = ct_asprintf("%s/broken", dir);
	for (u32 i = 0; i < rounds; i++) {
		size_t len = damage(&whole, broken, &seed);
		int fd = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		assert_int_equal(write(fd, broken, len), (ssize_t)len);
		close(fd);
		use_damaged(copy, len, &seed);
	}
	unlink(copy);
	rmdir(dir);
	free(copy);
	free(broken);
	free(whole.at);
	free(path);
}

static void test_damaged_c(void **state)
{
	check_damaged("c-O2-nofp-pie", 300);
	check_damaged("c-dwarf4", 200);
}

static void test_damaged_cxx(void **state)
{
	check_damaged("cxx-O2-nofp-pie", 60);
}

/* ---- files that are made to be large ---- */

#define GIB (1ull << 30)

static char *write_temp(const struct bytes *content)
{
	char *path = ct_strdup("/tmp/test_symbols.XXXXXX");
	int fd = mkstemp(path);
	assert_int_equal(write(fd, content->at, content->len), (ssize_t)content->len);
	close(fd);
	return path;
}

/* Gives section `name` a size, and the file, which is sparse, so much more room. */
static void enlarge(struct bytes *elf, const char *name, u64 size)
{
	Elf64_Ehdr *head = (void *)elf->at;
	Elf64_Shdr *sections = (void *)(elf->at + head->e_shoff);
	const char *names = (const char *)elf->at + sections[head->e_shstrndx].sh_offset;
	for (u32 i = 0; i < head->e_shnum; i++)
		if (!strcmp(names + sections[i].sh_name, name)) {
			sections[i].sh_size = size;
			return;
		}
	fail_msg("no section %s", name);
}

/* Whether a file that was changed so is read at all. */
static bool is_read(const struct bytes *elf, u64 size, u64 *taken)
{
	char *path = write_temp(elf);
	assert_int_equal(truncate(path, (off_t)size), 0);
	struct ct_elf *f = ct_elf__new(path, NO_DEBUG_ROOT);
	f->fd = ct_open_regular(path, &f->id);
	f->taken = taken;
	ct_elf__load(f);
	bool read = f->elf;
	ct_elf__free(f);
	unlink(path);
	free(path);
	return read;
}

static void test_sparse(void **state)
{
	static const char *const sections[] = { ".symtab", ".strtab", ".dynsym", ".eh_frame",
		".shstrtab", ".eh_frame_hdr" };
	char *path = sample_path("c-O2-nofp-pie");
	u64 taken = 0;
	u32 read = 0;
	for (u32 i = 0; i < CT_COUNT(sections); i++) {
		struct bytes elf = read_whole(path);
		assert_true(is_read(&elf, elf.len, NULL));
		enlarge(&elf, sections[i], 2 * GIB);
		assert_false(is_read(&elf, 3 * GIB, NULL));
		free(elf.at);
	}
	struct bytes elf = read_whole(path);
	Elf64_Ehdr *head = (void *)elf.at;
	enlarge(&elf, ".strtab", GIB - GIB / 4);
	while (read < 100 && is_read(&elf, GIB, &taken))
		read++;
	assert_int_equal(read, 5); /* all together no more than CT_FILES_BYTES_MAX */
	head->e_shnum = head->e_shstrndx = 0;
	head->e_shoff = 0;
	assert_true(is_read(&elf, elf.len, NULL));
	assert_false(is_read(&elf, 2 * GIB, NULL));
	free(elf.at);
	free(path);
}

/* Whoever has a lease on a file that he maps makes others wait who open it, for 45 s. */
static void test_lease(void **state)
{
	struct bytes content = { (u8 *)"x", 1 };
	char *path = write_temp(&content);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ct_file_id id;
	signal(SIGIO, SIG_IGN);
	if (!fcntl(fd, F_SETLEASE, F_WRLCK))
		assert_int_equal(ct_open_regular(path, &id), -EWOULDBLOCK);
	close(fd);
	unlink(path);
	free(path);
}

/* ---- cost ---- */

struct kept {
	struct ct_snapshot snap;
	u8 bytes[STACK_BYTES];
};
struct keeping {
	CT_VEC(struct kept) at;
};

static void keep(void *arg, struct ct_snapshot *snap)
{
	struct keeping *k = arg;
	struct kept *kept = ct_vec_push(&k->at);
	kept->snap = *snap;
	memcpy(kept->bytes, snap->bytes, snap->len);
}

static double now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Many stacks in little memory, and fast: the same threads under ever new ids. */
static void test_rate(void **state)
{
	enum { STACKS = 20000 };
	struct sample s;
	struct keeping k = { 0 };
	struct resolved r = { ct_symbolizer__new(), ct_names__new() };
	char *path = sample_path("cxx-O2-nofp-pie");
	assert_true(sample_start(&s, path));
	assert_int_equal(ct_symbolizer__scan(r.sym, 500, (u32)s.pid), 0);
	if (!sample_stacks(&s, keep, &k)) {
		sample_stop(&s);
		print_message("SKIP: no right to ptrace a child\n");
		skip();
	}
	sample_stop(&s);
	double start = now_s();
	for (u32 i = 0; i < STACKS; i++) {
		struct ct_snapshot snap = k.at.at[i % k.at.cnt].snap;
		snap.id = i + 1;
		snap.bytes = k.at.at[i % k.at.cnt].bytes;
		ct_symbolizer__stack(r.sym, &snap);
		assert_true(r.sym->pending_bytes <= CT_SYMBOLIZER_PENDING);
	}
	ct_symbolizer__resolve(r.sym, r.names, NULL, NULL);
	double took = now_s() - start;
	u32 cnt, last;
	ct_names__stack(r.names, 1, &cnt);
	ct_names__stack(r.names, STACKS - STACKS % k.at.cnt - k.at.cnt + 1, &last);
	print_message(
		"rate: %.0f stacks/s (%u, of %u frames and more)\n", STACKS / took, STACKS, cnt);
	assert_int_equal(cnt, last);
	assert_true(cnt > 3);
	assert_int_equal(r.sym->traces.cnt, k.at.cnt);
	assert_true(took < 20);
	ct_vec_free(&k.at);
	done(&r);
	free(path);
}

/* ---- names of variables ---- */

static void test_meant(void **state)
{
	static const struct {
		const char *typed, *near, *far; /* far: further than near, or another one */
	} cases[] = {
		{ "hits", "hits", "hit" },
		{ "hit", "hits", "history" },
		{ "Hits", "hits", "bits" },
		{ "htis", "hits", "hats" },
		{ "servd", "served", "reserve" },
		{ "balance", "bank::accounts[0].balance", "bank::ballast" },
		{ "rb.tial", "rb.tail", "rb.head" },
		{ "accounts", "bank::accounts[0].m", "amounts" },
		{ "count", "request_count", "conut_of_all_of_them" },
	};

	(void)state;
	for (u32 i = 0; i < CT_COUNT(cases); i++) {
		u32 near = ct_variable_distance(cases[i].typed, cases[i].near);

		print_message("%s\n", cases[i].typed);
		assert_int_not_equal(near, CT_NONE);
		assert_true(ct_variable_distance(cases[i].typed, cases[i].far) > near);
	}
	assert_int_equal(ct_variable_distance("hits", "hits"), 0);
	assert_int_equal(ct_variable_distance("x", "counter"), CT_NONE);
	assert_int_equal(ct_variable_distance("", "counter"), CT_NONE);
}

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
		cmocka_unit_test(test_lld),
		cmocka_unit_test(test_statically),
		cmocka_unit_test(test_musl_static),
		cmocka_unit_test(test_debug_by_id),
		cmocka_unit_test(test_debug_by_link),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_wrong_link),
		cmocka_unit_test(test_inlined),
		cmocka_unit_test(test_stripped_offsets),
#if defined(__x86_64__)
		cmocka_unit_test(test_trampoline),
		cmocka_unit_test(test_without_frame_pointer),
#endif
		cmocka_unit_test(test_frame_pointers),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_instruction_lengths),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_replaced_unseen),
		cmocka_unit_test(test_deleted_unseen),
		cmocka_unit_test(test_heap_guess),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_demangle_bomb),
		cmocka_unit_test(test_exported_names),
		cmocka_unit_test(test_meant),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_damaged_c),
		cmocka_unit_test(test_damaged_cxx),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
