/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch MODE [TIMES [wait [taken]]]: shared variables in the ways of programs, for --watch.
 *
 *   three      by_m1 under m1, by_m2 under m2, by_none under nothing; fixed is read only
 *   check      check-then-act: while (seats > 0) seats--, with no lock
 *   lazy       double-checked initialisation: ready is read with no lock, and written under one
 *   through    read and write in functions of their own
 *   member     a member of a structure in an array
 *   library    a variable of a shared library (-DLIBRARY builds that)
 *   flag       one byte, set by one thread and read by the others
 *   barrier    threads write in turn, a barrier between them
 *   signal     handed over under a lock that is let go before: condition variable
 *   semaphore  a semaphore as a lock
 *   heap       a mutex on the heap
 *   spin       a spin lock (-DSPIN: a program that uses one is judged by other rules)
 *   rwlock     a lock for readers and writers
 *   set        everyone sets a number, nobody reads it before
 *   forks      a child process has a variable of its own
 *
 * A third word: begin when a line comes in; a fourth one: and have all debug registers.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef LIBRARY

volatile long shared_hits;

void library_hit(void)
{
	shared_hits = shared_hits + 1;
}

#else

#define WORKERS 3

void library_hit(void);

static volatile long by_m1, by_m2, by_none, seats, total, phase_sum, handed, guarded, latest;
static volatile int fixed = 7;
static volatile char stop_flag, ready;
static volatile long *answer;
static struct { int id; volatile long hits; } stats[4];
static pthread_mutex_t m1 = PTHREAD_MUTEX_INITIALIZER, m2 = PTHREAD_MUTEX_INITIALIZER, *on_heap;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
#ifdef SPIN
static pthread_spinlock_t spin;
#endif
static long times = 200;
static volatile int turn;

static void three(long me)
{
	for (long i = 0; i < times; i++) {
		pthread_mutex_lock(&m1);
		by_m1 = by_m1 + fixed;
		pthread_mutex_unlock(&m1);
		pthread_mutex_lock(&m2);
		by_m2 = by_m2 + fixed;
		pthread_mutex_unlock(&m2);
		by_none = by_none + fixed;
	}
}

static void check(long me)
{
	while (seats > 0)
		seats = seats - 1;
}

static void lazy(long me)
{
	for (long i = 0; i < times; i++) {
		if (!ready) {
			pthread_mutex_lock(&m1);
			if (!ready) {
				answer = malloc(sizeof(*answer));
				*answer = 42;
				__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
			}
			pthread_mutex_unlock(&m1);
		}
		if (*answer != 42)
			abort();
	}
}

static __attribute__((noinline)) long get_total(void)
{
	return total;
}

static __attribute__((noinline)) void set_total(long n)
{
	total = n;
}

static void through(long me)
{
	for (long i = 0; i < times; i++)
		set_total(get_total() + 1);
}

static void member(long me)
{
	for (long i = 0; i < times; i++)
		stats[2].hits = stats[2].hits + 1;
}

static void library(long me)
{
	for (long i = 0; i < times; i++)
		library_hit();
}

static void flag(long me)
{
	if (me == 1) {
		usleep(20000);
		stop_flag = 1;
		return;
	}
	while (!stop_flag)
		usleep(1000);
}

static void at_barrier(long me)
{
	for (long i = 0; i < times; i++) {
		if (i % WORKERS == me - 1)
			phase_sum = phase_sum + 1;
		pthread_barrier_wait(&barrier);
	}
}

static void by_signal(long me)
{
	for (long i = 0; i < times; i++) {
		pthread_mutex_lock(&m1);
		while (turn != me - 1)
			pthread_cond_wait(&cond, &m1);
		pthread_mutex_unlock(&m1);
		handed = handed + 1; /* its turn: nobody else touches it */
		pthread_mutex_lock(&m1);
		turn = (turn + 1) % WORKERS;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&m1);
	}
}

static void by_semaphore(long me)
{
	for (long i = 0; i < times; i++) {
		sem_wait(&semaphore);
		guarded = guarded + 1;
		sem_post(&semaphore);
	}
}

static void by_spin(long me)
{
#ifdef SPIN
	for (long i = 0; i < times; i++) {
		pthread_spin_lock(&spin);
		guarded = guarded + 1;
		pthread_spin_unlock(&spin);
	}
#endif
}

static void by_heap(long me)
{
	for (long i = 0; i < times; i++) {
		pthread_mutex_lock(on_heap);
		guarded = guarded + 1;
		pthread_mutex_unlock(on_heap);
	}
}

static void by_rwlock(long me)
{
	long seen = 0;

	for (long i = 0; i < times; i++) {
		pthread_rwlock_rdlock(&rwlock);
		seen += guarded;
		pthread_rwlock_unlock(&rwlock);
		pthread_rwlock_wrlock(&rwlock);
		guarded = guarded + 1;
		pthread_rwlock_unlock(&rwlock);
	}
	if (seen < 0)
		abort();
}

static void set(long me)
{
	for (long i = 0; i < times; i++)
		latest = i;
}

static void forks(long me)
{
	if (me == 1 && !fork()) {
		for (long i = 0; i < times; i++)
			guarded = guarded + 1;
		_exit(0);
	}
	if (me == 1)
		wait(NULL);
	if (me == 2)
		for (long i = 0; i < times; i++)
			guarded = guarded + 1;
}

static const struct {
	const char *name;
	void (*run)(long me);
	volatile long *counts;
} modes[] = {
	{ "three", three, &by_none }, { "check", check, &seats }, { "lazy", lazy, NULL },
	{ "through", through, &total }, { "member", member, &stats[2].hits },
	{ "library", library, NULL }, { "flag", flag, NULL },
	{ "barrier", at_barrier, &phase_sum }, { "signal", by_signal, &handed },
	{ "semaphore", by_semaphore, &guarded },
	{ "spin", by_spin, &guarded }, { "heap", by_heap, &guarded },
	{ "rwlock", by_rwlock, &guarded }, { "set", set, &latest }, { "forks", forks, &guarded },
};
static size_t mode;

/* As a debugger would. */
static int take_registers(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W, .bp_len = 8, .exclude_kernel = 1 };
	static long mine[4];

	for (int i = 0; i < 4; i++) {
		attr.bp_addr = (unsigned long)&mine[i];
		if (syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) < 0)
			return 0;
	}
	return 1;
}

static void *run(void *arg)
{
	modes[mode].run((long)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t workers[WORKERS];

	for (mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
		if (argc > 1 && !strcmp(argv[1], modes[mode].name))
			break;
	if (mode == sizeof(modes) / sizeof(*modes))
		return 2;
	if (argc > 2)
		times = atol(argv[2]);
	seats = 3 * times;
	on_heap = malloc(sizeof(*on_heap));
	pthread_mutex_init(on_heap, NULL);
	pthread_barrier_init(&barrier, NULL, WORKERS);
	sem_init(&semaphore, 0, 1);
#ifdef SPIN
	pthread_spin_init(&spin, 0);
#endif
	if (argc > 4)
		puts(take_registers() ? "taken" : "free");
	fflush(stdout);
	if (argc > 3) /* until somebody has attached */
		getchar();
	for (long i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, run, (void *)(i + 1));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	printf("%ld\n", modes[mode].counts ? *modes[mode].counts : 0);
	return 0;
}

#endif
