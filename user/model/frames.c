/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what a stack says: the program's own line (the first frame outside the C library, the loader
 * and the language's wrappers around locks and threads), which primitive's functions are on it, and
 * the function the thread started in.  Worked out once for each stack; three tables hold the
 * knowledge.  Not: reading symbols, printing names (names.c).
 *
 * A static program has the C library's functions in its own module, and inlined wrappers are in the
 * module of whoever uses them: names decide as much as modules do.
 */
#include <string.h>

#include "model/model_int.h"

/* Modules, by how their file name begins, whose frames are never the program's own. */
static const char *const library_modules[] = {
	"libc.so", "libc-2.", "ld-linux", "ld-2.", "ld-musl", "libpthread", "libstdc++.so",
	"libc++.so", "libc++abi", "libgcc_s", "librt", "[vdso]", "linux-vdso",
};

/* Functions, by how their names begin, that wrap a lock, a thread or a wait. */
static const char *const wrapper_functions[] = {
	"std::", "__gthread_", "__gnu_cxx::", "boost::mutex::", "boost::recursive_mutex::",
	"boost::shared_mutex::", "boost::timed_mutex::", "boost::unique_lock",
	"boost::lock_guard", "boost::condition_variable", "boost::thread::",
	"boost::this_thread::", "boost::posix::", "boost::detail::", "boost::sync::",
	"absl::Mutex", "absl::CondVar", "absl::lts_", "QMutex::", "QBasicMutex::",
	"QRecursiveMutex::", "QReadWriteLock::", "QWaitCondition::", "QSemaphore::", "QThread::",
	"QMutexLocker", "g_mutex_", "g_rec_mutex_", "g_rw_lock_", "g_cond_", "uv_mutex_",
	"uv_cond_", "uv_sem_", "uv_rwlock_", "uv_barrier_", "SDL_LockMutex", "SDL_CondWait",
	/* Rust: what stands between a program's function and the lock, or the thread's start */
	"core::ops::", "core::panic", "core::ptr::", "core::option::", "core::result::",
	"core::iter::", "core::cell::", "alloc::boxed::", "alloc::sync::", "alloc::vec::",
	"__rust_", "parking_lot::", "parking_lot_core::", "lock_api::", "crossbeam_utils::sync::",
	/* Go */
	"runtime.futex", "runtime.lock", "runtime.notesleep", "runtime.notetsleep",
};

/* Source files, by how their path begins, of Rust's own libraries: generic code of theirs is
 * compiled into the program. */
static const char *const library_files[] = {
	"/rustc/", "library/std/src/", "library/core/src/", "library/alloc/src/",
};

/* The C library's, once leading underscores, "GI_" and a version ("@GLIBC_2.34") are taken off. */
struct libc_function {
	const char *prefix;
	u8 hint; /* enum hint */
};
static const struct libc_function libc_functions[] = {
	{ "lll_lock_wait", HINT_MUTEX },
	{ "pthread_mutex_cond_lock", HINT_MUTEX },
	{ "pthread_mutex_", HINT_MUTEX },
	{ "mtx_lock", HINT_MUTEX },
	{ "mtx_timedlock", HINT_MUTEX },
	{ "pthread_rwlock_", HINT_RWLOCK },
	{ "pthread_cond_", HINT_COND },
	{ "cnd_wait", HINT_COND },
	{ "cnd_timedwait", HINT_COND },
	{ "new_sem_", HINT_SEM },
	{ "sem_wait", HINT_SEM },
	{ "sem_timedwait", HINT_SEM },
	{ "sem_clockwait", HINT_SEM },
	{ "pthread_barrier_", HINT_BARRIER },
	{ "pthread_join", HINT_JOIN },
	{ "pthread_timedjoin", HINT_JOIN },
	{ "pthread_clockjoin", HINT_JOIN },
	{ "thrd_join", HINT_JOIN },
	{ "pthread_once", HINT_FUTEX },
	{ "call_once", HINT_FUTEX },
	{ "futex_", HINT_NONE },
	{ "pthread_", HINT_NONE },
	{ "lll_", HINT_NONE },
	{ "internal_syscall", HINT_NONE },
	{ "syscall_cancel", HINT_NONE },
	{ "timedwait", HINT_NONE }, /* musl */
	{ "start_thread", HINT_NONE },
	{ "libc_start", HINT_NONE },
};

/* Names of other runtimes that say what their futex is, by part of the name without any '>': Rust's
 * "<std::sys::sync::mutex::futex::Mutex>::lock" has one or not, as the compiler was told. */
static const struct libc_function runtime_functions[] = {
	{ "::mutex::futex::Mutex::lock", HINT_BARE_MUTEX }, /* Rust's standard library */
	{ "::futex_mutex::Mutex::lock", HINT_BARE_MUTEX }, /* until 1.7x */
	{ "::condvar::futex::Condvar::wait", HINT_COND },
	{ "::futex_condvar::Condvar::wait", HINT_COND },
	{ "::rwlock::futex::RwLock::", HINT_FUTEX }, /* not glibc's layout */
	{ "::futex_rwlock::RwLock::", HINT_FUTEX },
	{ "::futex::Parker::park", HINT_FUTEX },
	{ "::once::futex::Once::", HINT_FUTEX },
	{ "parking_lot_core::", HINT_FUTEX }, /* waits at a word of the thread, not of the lock */
	{ "runtime.lock2", HINT_BARE_MUTEX }, /* Go's runtime: its own locks, not sync.Mutex */
	{ "runtime.notesleep", HINT_FUTEX },
	{ "runtime.notetsleep", HINT_FUTEX },
	{ "std::condition_variable", HINT_COND },
	{ "std::__1::condition_variable", HINT_COND },
	{ "std::__atomic_wait", HINT_FUTEX },
	{ "std::__1::__libcpp_atomic_wait", HINT_FUTEX },
	{ "std::__detail::__atomic", HINT_FUTEX },
};

/* Whole names, underscores off: more of the C library around system calls. */
static const char *const libc_names[] = {
	"sleep", "usleep", "thrd_sleep", "pause", "wait", "pread", "pwrite", "recv", "send",
	"accept", "fopen", "fread", "fwrite", "fgets", "getline", "getc", "fgetc", "fflush",
	"puts", "printf", "system", "popen", "pclose", "posix_spawn", "getaddrinfo", "syscall",
	"clone", "clone3", "thread_start", "start", "cp_begin", "cp_end", "syscall_cp",
	"syscall_cp_c", "syscall_cp_asm",
};

static bool begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * The demangled name of a function template begins with its return type:
 *     "std::vector<int> make<int>(unsigned long)"  ->  "make<int>(unsigned long)"
 * so the name proper begins after the last blank outside of <> and before the parameters.
 */
static const char *skip_return_type(const char *s)
{
	const char *start = s;
	int depth = 0;

	for (; *s; s++) {
		if (begins(s, "operator"))
			return start;
		if (*s == '<')
			depth++;
		else if (*s == '>')
			depth--;
		else if (depth == 0 && (*s == '(' || *s == '{') && s != start)
			return start;
		else if (depth == 0 && *s == ' ' && s[1] != '[')
			start = s + 1;
	}
	return start;
}

/* Rust's methods: "<std::sys::Thread>::join", "<&mut core::Option<F> as core::FnOnce>::call" */
static const char *skip_type_marks(const char *s)
{
	static const char *const marks[] = { "&", "mut ", "dyn " };

	if (*s != '<')
		return s;
	s++;
	for (u32 i = 0; i < CT_COUNT(marks); i++)
		if (begins(s, marks[i]))
			s += strlen(marks[i]);
	return s;
}

/* `part` has no '>'; those of s do not count. */
static bool contains(const char *s, const char *part)
{
	for (; *s; s++) {
		const char *at = s, *want = part;

		for (; *want && (*at == *want || *at == '>'); at++)
			want += *at == *want;
		if (!*want)
			return true;
	}
	return false;
}

/* "___pthread_mutex_lock", "__GI___pthread_mutex_lock", "pthread_mutex_lock@@GLIBC_2.2" alike. */
static const char *strip_libc_marks(const char *s)
{
	while (*s == '_' || begins(s, "GI_"))
		s += *s == '_' ? 1 : 3;
	return begins(s, "libc_") && !begins(s, "libc_start") ? s + 5 : s;
}

static const struct libc_function *libc_function_of(const char *function)
{
	const char *s = strip_libc_marks(function);

	for (u32 i = 0; i < CT_COUNT(libc_functions); i++)
		if (begins(s, libc_functions[i].prefix))
			return &libc_functions[i];
	return NULL;
}

/* "__read", "__poll_nocancel", "fread@@GLIBC_2.2.5" */
static bool is_libc_name(const char *function)
{
	char name[32];
	const char *s = strip_libc_marks(function);
	size_t len = strcspn(s, "@");
	char *cut;

	if (len >= sizeof(name))
		return false;
	memcpy(name, s, len);
	name[len] = '\0';
	cut = strstr(name, "_nocancel");
	if (cut)
		*cut = '\0';
	for (u32 i = 0; i < CT_COUNT(libc_names); i++)
		if (!strcmp(name, libc_names[i]))
			return true;
	return model_is_syscall_name(name);
}

static bool in_library(const struct ct_names *names, const struct ct_frame *f)
{
	const char *module = base_name(ct_strtab__get(names->strings, f->module));

	for (u32 i = 0; i < CT_COUNT(library_modules); i++)
		if (begins(module, library_modules[i]))
			return true;
	return false;
}

/* Templates and inlines of the C++ library are compiled into whoever uses them, and so are those of
 * Rust's. */
static bool is_library_file(const struct ct_names *names, const struct ct_frame *f)
{
	const char *file = ct_strtab__get(names->strings, f->file);

	for (u32 i = 0; i < CT_COUNT(library_files); i++)
		if (begins(file, library_files[i]))
			return true;
	return begins(file, "/usr/include/") || strstr(file, "/include/c++/");
}

/* `outer`: every frame further in was a wrapper; only then can "read" be the C library's read(). */
static bool is_wrapper(const struct ct_names *names, const struct ct_frame *f, bool outer)
{
	const char *function = ct_strtab__get(names->strings, f->function);

	if (in_library(names, f) || is_library_file(names, f))
		return true;
	if (!*function)
		return false;
	const char *name = skip_type_marks(skip_return_type(function));
	for (u32 i = 0; i < CT_COUNT(wrapper_functions); i++)
		if (begins(name, wrapper_functions[i]))
			return true;
	if (libc_function_of(name))
		return true;
	/* a function with a known source line that is called read() is the program's own */
	return outer && !f->line && is_libc_name(name);
}

static enum hint hint_of(const struct ct_names *names, const struct ct_frame *f)
{
	const char *function = ct_strtab__get(names->strings, f->function);
	const struct libc_function *libc = libc_function_of(function);

	if (libc)
		return libc->hint;
	for (u32 i = 0; i < CT_COUNT(runtime_functions); i++)
		if (contains(function, runtime_functions[i].prefix))
			return runtime_functions[i].hint;
	return HINT_NONE;
}

/* Does a stack that ends in this frame reach back to where threads start? */
static bool starts_threads(const struct ct_names *names, const struct ct_frame *f)
{
	static const char *const starts[] = { "start_thread", "clone", "libc_start", "start",
		"thread_start" };
	const char *s = strip_libc_marks(ct_strtab__get(names->strings, f->function));

	for (u32 i = 0; i < CT_COUNT(starts); i++)
		if (!strcmp(s, starts[i]) || (i < 3 && begins(s, starts[i])))
			return true;
	return false;
}

static u32 start_frame(const struct ct_names *names, const u32 *ids, u32 cnt)
{
	const struct ct_frame *frames = names->frames.at;

	if (!cnt || !starts_threads(names, &frames[ids[cnt - 1]]))
		return 0;
	for (u32 i = cnt; i-- > 0;)
		if (!starts_threads(names, &frames[ids[i]]) &&
			!is_wrapper(names, &frames[ids[i]], false))
			return ids[i];
	return 0;
}

/* A stack of wrappers only: the program's function is inlined into one of them, and there is no
 * debug information to tell. The nearest that may be it: outside of the lock's own functions. */
static u32 frame_around(const struct ct_names *names, const u32 *ids, u32 cnt)
{
	u32 i = 0;

	for (u32 k = 0; k < cnt; k++) {
		const struct ct_frame *f = &names->frames.at[ids[k]];
		if (!in_library(names, f) && hint_of(names, f))
			i = k + 1;
	}
	return i && i < cnt && !in_library(names, &names->frames.at[ids[i]]) ? ids[i] : 0;
}

/* One frame for all that people would call the same: several calls on one line are one place. */
static u32 same_place(struct build *b, u32 frame)
{
	const struct ct_frame *f = &b->names->frames.at[frame];
	u32 known;

	if (!frame || !f->line)
		return frame;
	known = ct_table__get(
		b->by_line, (u64)f->function << 32 | f->file, (u64)f->line << 32 | f->module);
	if (known != CT_NONE)
		return known;
	ct_table__set(b->by_line, (u64)f->function << 32 | f->file,
		(u64)f->line << 32 | f->module, frame);
	return frame;
}

static void read_stack(struct build *b, u32 stack, struct stack_now *s)
{
	const struct ct_names *names = b->names;
	u32 cnt;
	const u32 *ids = ct_names__stack(names, stack, &cnt);

	for (u32 i = 0; i < cnt && !s->frame; i++) {
		if (ids[i] == 0 || ids[i] >= names->frames.cnt)
			continue;
		const struct ct_frame *f = &names->frames.at[ids[i]];
		if (!s->hint)
			s->hint = hint_of(names, f);
		if (!is_wrapper(names, f, true))
			s->frame = same_place(b, ids[i]);
	}
	for (u32 i = 0; i < cnt; i++)
		if (ids[i] >= names->frames.cnt)
			return;
	s->start = same_place(b, start_frame(names, ids, cnt));
	if (!s->frame)
		s->frame = same_place(b, frame_around(names, ids, cnt));
}

const struct stack_now *model_stack(struct build *b, u32 stack)
{
	static const struct stack_now unknown;
	u32 known = b->names->stack_start.cnt;

	if (!stack || stack >= known)
		return &unknown;
	while (b->stacks.cnt < known)
		(void)ct_vec_push(&b->stacks);
	struct stack_now *s = &b->stacks.at[stack];
	if (!s->known) {
		s->known = true;
		read_stack(b, stack, s);
	}
	return s;
}
