/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread for each way to block, each blocked for good; says which line of it blocks in which
 * call (site.h), so that a test can compare what it reads from the stacks.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include "site.h"

#define ALWAYS static inline __attribute__((always_inline))
#define NEVER static __attribute__((noinline))

static struct {
	int pad[10];
	pthread_mutex_t lock;
} keeper = { .lock = PTHREAD_MUTEX_INITIALIZER };
pthread_mutex_t big_lock; /* .bss, exported */
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static int silent[2]; /* a pipe that nobody writes to */
static pthread_t sleeper;
static pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mine_too = PTHREAD_MUTEX_INITIALIZER;

static void *wait_mutex(void *arg)
{
	SITE("pthread_mutex_lock", "wait_mutex", 1);
	pthread_mutex_lock(&keeper.lock);
	return arg;
}

static void *wait_cond(void *arg)
{
	pthread_mutex_lock(&mine);
	SITE("pthread_cond_wait", "wait_cond", 1);
	pthread_cond_wait(&never, &mine);
	return arg;
}

static void *wait_cond_timed(void *arg)
{
	struct timespec far = { .tv_sec = 1L << 40 };
	pthread_mutex_lock(&mine_too);
	SITE("pthread_cond_timedwait", "wait_cond_timed", 1);
	pthread_cond_timedwait(&never, &mine_too, &far);
	return arg;
}

static void *wait_sem(void *arg)
{
	SITE("sem_wait", "wait_sem", 1);
	sem_wait(&sem);
	return arg;
}

static void *wait_sem_timed(void *arg)
{
	struct timespec far = { .tv_sec = 1L << 40 };
	SITE("sem_timedwait", "wait_sem_timed", 1);
	sem_timedwait(&sem, &far);
	return arg;
}

static void *wait_read_lock(void *arg)
{
	SITE("pthread_rwlock_rdlock", "wait_read_lock", 1);
	pthread_rwlock_rdlock(&rwlock);
	return arg;
}

static void *wait_write_lock(void *arg)
{
	SITE("pthread_rwlock_wrlock", "wait_write_lock", 1);
	pthread_rwlock_wrlock(&rwlock);
	return arg;
}

static void *wait_barrier(void *arg)
{
	SITE("pthread_barrier_wait", "wait_barrier", 1);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void *wait_join(void *arg)
{
	SITE("pthread_join", "wait_join", 1);
	pthread_join(sleeper, NULL);
	return arg;
}

static void *wait_read(void *arg)
{
	char byte;
	SITE("read", "wait_read", 1);
	if (read(silent[0], &byte, 1) < 0)
		_exit(3);
	return arg;
}

static void *wait_poll(void *arg)
{
	struct pollfd fd = { .fd = silent[0], .events = POLLIN };
	SITE("poll", "wait_poll", 1);
	poll(&fd, 1, -1);
	return arg;
}

static void *wait_epoll(void *arg)
{
	struct epoll_event event;
	int fd = epoll_create1(0);
	SITE("epoll_wait", "wait_epoll", 1);
	epoll_wait(fd, &event, 1, -1);
	return arg;
}

static void *wait_sleep(void *arg)
{
	struct timespec long_time = { .tv_sec = 1000000 };
	SITE("-", "wait_sleep", 1);
	nanosleep(&long_time, NULL);
	return arg;
}

#ifdef WITH_LIB
static void *wait_library(void *arg)
{
	SITE("pthread_mutex_lock", "wait_library", 1);
	site_lock(&keeper.lock);
	return arg;
}
#endif

/* Inlined twice over: three frames at one address. */
ALWAYS void inner_lock(pthread_mutex_t *lock)
{
	SITE("pthread_mutex_lock", "inner_lock", 1);
	pthread_mutex_lock(lock);
}

ALWAYS void outer_lock(pthread_mutex_t *lock)
{
	SITE("-", "outer_lock", 1);
	inner_lock(lock);
}

static void *wait_inlined(void *arg)
{
	SITE("-", "wait_inlined", 1);
	outer_lock(&keeper.lock);
	return arg;
}

/* Ends in a call: with optimization it jumps there and leaves no frame. */
NEVER ssize_t last_read(int fd, char *byte)
{
	SITE("read", "last_read", 1);
	return read(fd, byte, 1);
}

static void *wait_tail(void *arg)
{
	char byte;
	SITE("-", "wait_tail", 1);
	if (last_read(silent[0], &byte) < 0)
		_exit(3);
	return arg;
}

/* Two jumps in a row, the first of them over so short a way that it has two bytes; which of the
 * calls is the last is known only when it runs. */
NEVER ssize_t chain_end(int fd, char *byte)
{
	SITE("read", "chain_end", 1);
	return read(fd, byte, 1);
}

NEVER ssize_t chain_middle(int fd, char *byte)
{
	SITE("-", "chain_middle", 3);
	if (sites_said < 0)
		return last_read(fd, byte);
	return chain_end(fd, byte);
}

static void *wait_chain(void *arg)
{
	char byte;
	SITE("-", "wait_chain", 1);
	if (chain_middle(silent[0], &byte) < 0)
		_exit(3);
	return arg;
}

#ifdef WITH_LIB
/* Jumps to a function of a library that jumps to one of the C library. */
NEVER void enter_library(pthread_mutex_t *lock)
{
	SITE("-", "enter_library", 1);
	site_lock_last(lock);
}

static void *wait_library_tail(void *arg)
{
	SITE("pthread_mutex_lock", "wait_library_tail", 1);
	enter_library(&keeper.lock);
	silent[1]++;
	return arg;
}
#endif

#if defined(__x86_64__) && !defined(NO_MACHINE_CODE)
NEVER void called_from_machine_code(void)
{
	SITE("pthread_mutex_lock", "called_from_machine_code", 1);
	pthread_mutex_lock(&keeper.lock);
	silent[0]++;
}

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret: code without unwind information. */
static void *wait_machine_code(void *arg)
{
	static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*run)(void (*)(void));
	if (page == MAP_FAILED)
		_exit(3);
	memcpy(page, code, sizeof(code));
	memcpy(&run, &page, sizeof(run));
	SITE("-", "wait_machine_code", 1);
	run(called_from_machine_code);
	return arg;
}

/* A leaf of machine code that blocks by itself: mov $34,%eax (pause); syscall; ret. */
static void *wait_leaf(void *arg)
{
	static const unsigned char code[] = { 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*run)(void);
	if (page == MAP_FAILED)
		_exit(3);
	memcpy(page, code, sizeof(code));
	memcpy(&run, &page, sizeof(run));
	SITE("-", "wait_leaf", 1);
	run();
	return arg;
}
/* Blocks where a signal interrupted it. */
static void on_signal(int signal)
{
	SITE("pthread_mutex_lock", "on_signal", 1);
	pthread_mutex_lock(&keeper.lock);
	silent[0] += signal;
}

static void *wait_in_handler(void *arg)
{
	signal(SIGUSR1, on_signal);
	SITE("raise", "wait_in_handler", 1);
	raise(SIGUSR1);
	return arg;
}

/* The interrupted instruction is the first of its line: the byte before it is another's. */
static void *wait_in_trap(void *arg)
{
	signal(SIGILL, on_signal);
	SITE("pthread_mutex_lock", "wait_in_trap", 1);
	__builtin_trap();
	return arg;
}
#endif

/* Its last instruction is a call, so that it would return to where another function begins. */
NEVER __attribute__((noreturn)) void never_returns(void)
{
	SITE("pthread_mutex_lock", "never_returns", 1);
	pthread_mutex_lock(&keeper.lock);
	_exit(0);
}

NEVER void ends_in_call(void)
{
	SITE("-", "ends_in_call", 1);
	never_returns();
}

static void *wait_noreturn(void *arg)
{
	SITE("-", "wait_noreturn", 1);
	ends_in_call();
	return arg;
}

static void *(*const waiters[])(void *) = {
	wait_mutex, wait_cond, wait_cond_timed, wait_sem, wait_sem_timed, wait_read_lock,
	wait_write_lock, wait_barrier, wait_join, wait_read, wait_poll, wait_epoll, wait_inlined,
	wait_tail, wait_chain, wait_noreturn,
#ifdef WITH_LIB
	wait_library, wait_library_tail,
#endif
#if defined(__x86_64__) && !defined(NO_MACHINE_CODE)
	wait_machine_code, wait_leaf, wait_in_handler, wait_in_trap,
#endif
};

static void say_data(void *local)
{
	printf("data keeper %p %zu\n", (void *)&keeper.lock, sizeof(keeper.pad));
	printf("data big_lock %p 8\n", (void *)((char *)&big_lock + 8));
	printf("data rwlock %p 0\n", (void *)&rwlock);
	printf("heap %p\n", malloc(64));
	printf("stack %d %p\n", (int)getpid(), local);
	fflush(stdout);
}

int main(void)
{
	int local;
	pthread_t thread;
	pthread_mutex_lock(&keeper.lock);
	pthread_mutex_lock(&big_lock);
	pthread_rwlock_wrlock(&rwlock);
	pthread_barrier_init(&barrier, NULL, 2);
	sem_init(&sem, 0, 0);
	if (pipe(silent))
		return 3;
	say_data(&local);
	if (pthread_create(&sleeper, NULL, wait_sleep, NULL))
		return 3;
	for (size_t i = 0; i < sizeof(waiters) / sizeof(waiters[0]); i++)
		if (pthread_create(&thread, NULL, waiters[i], NULL))
			return 3;
	await_sites(1 + (int)(sizeof(waiters) / sizeof(waiters[0])));
	SITE("pause", "main", 3);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
