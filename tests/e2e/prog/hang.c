/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hang SCENARIO: programs that will never go on, and programs that only look so.
 *
 * Each thread that is about to wait for what may never come says so on stdout, "reaching NS", in
 * CLOCK_MONOTONIC: the last one who does closes the ring.  Guilty ones never end; innocent ones end
 * by themselves after a few seconds, with status 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONG_S 3 /* of innocent waits: longer than any alarm takes */

static pthread_mutex_t locks[3] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER };
static pthread_rwlock_t tables[2] = { PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER };
static pthread_mutex_t ready_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready_cond = PTHREAD_COND_INITIALIZER;
static int ready;
static pthread_barrier_t start, meeting;
static sem_t full;
static pthread_t first_thread;
static int timer_pipe[2];

static void say_reaching(void)
{
	struct timespec t;
	char line[64];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(line, sizeof(line), "reaching %lld\n", t.tv_sec * 1000000000ll + t.tv_nsec);
	if (write(STDOUT_FILENO, line, n) != n)
		_exit(3);
}

static void nap(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static pthread_t run(void *(*fn)(void *), long n)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, (void *)n))
		exit(2);
	return thread;
}

static void run_all(void *(*fn)(void *), int cnt)
{
	pthread_t threads[4];

	pthread_barrier_init(&start, NULL, cnt);
	for (int i = 0; i < cnt; i++)
		threads[i] = run(fn, i);
	for (int i = 0; i < cnt; i++)
		pthread_join(threads[i], NULL);
}

/* ---- guilty ---- */

static void *take_two_of_three(void *arg)
{
	long i = (long)arg;

	pthread_mutex_lock(&locks[i]);
	pthread_barrier_wait(&start);
	say_reaching();
	pthread_mutex_lock(&locks[(i + 1) % 3]);
	return NULL;
}

static void ring3(void)
{
	run_all(take_two_of_three, 3);
}

static void *write_two(void *arg)
{
	long i = (long)arg;

	pthread_rwlock_wrlock(&tables[i]);
	pthread_barrier_wait(&start);
	say_reaching();
	pthread_rwlock_wrlock(&tables[!i]);
	return NULL;
}

static void rwlock(void)
{
	run_all(write_two, 2);
}

static void *leave_with_lock(void *arg)
{
	pthread_mutex_lock(&locks[0]);
	return arg;
}

/* Who comes later finds a lock whose owner has ended; a sleeper keeps the program from being stuck.
 */
static void abandoned(void)
{
	pthread_join(run(leave_with_lock, 0), NULL);
	nap(50);
	say_reaching();
	pthread_mutex_lock(&locks[0]);
}

static void *leave_while_wanted(void *arg)
{
	pthread_mutex_lock(&locks[0]);
	nap(200);
	say_reaching();
	return arg;
}

static void abandoned_waiter(void)
{
	pthread_t owner = run(leave_while_wanted, 0);

	pthread_detach(owner);
	nap(50);
	pthread_mutex_lock(&locks[0]);
}

static void *wait_for_signal(void *arg)
{
	pthread_mutex_lock(&ready_lock);
	say_reaching();
	pthread_cond_wait(
		&ready_cond, &ready_lock); /* what it waits for has been, and is not kept */
	pthread_mutex_unlock(&ready_lock);
	return arg;
}

static void lost_signal(void)
{
	pthread_cond_signal(&ready_cond);
	pthread_join(run(wait_for_signal, 0), NULL);
}

static void *come_to_meeting(void *arg)
{
	say_reaching();
	pthread_barrier_wait(&meeting);
	return arg;
}

static void barrier_short(void)
{
	pthread_barrier_init(&meeting, NULL, 4);
	run_all(come_to_meeting, 3);
}

static void *take_item(void *arg)
{
	say_reaching();
	sem_wait(&full);
	return arg;
}

static void semaphore(void)
{
	sem_init(&full, 0, 0);
	pthread_join(run(take_item, 0), NULL);
}

/* Of three: the C library notices two that join each other, and refuses. */
static void *join_main(void *arg)
{
	say_reaching();
	pthread_join(first_thread, NULL);
	return arg;
}

static void *join_joiner(void *arg)
{
	pthread_t other = run(join_main, 0);

	say_reaching();
	pthread_join(other, NULL);
	return arg;
}

static void join_ring(void)
{
	pthread_t other;

	first_thread = pthread_self();
	other = run(join_joiner, 0);
	say_reaching();
	pthread_join(other, NULL);
}

/* main joins a thread that waits for a lock that main holds */
static void *take_lock(void *arg)
{
	say_reaching();
	pthread_mutex_lock(&locks[0]);
	return arg;
}

static void join_lock(void)
{
	pthread_t other;

	pthread_mutex_lock(&locks[0]);
	other = run(take_lock, 0);
	say_reaching();
	pthread_join(other, NULL);
}

/* ---- guilty, of mutexes that hand on priority: the kernel refuses, the C library waits ---- */

static pthread_mutex_t heirs[3];

static void *live_on(void *arg)
{
	for (;;)
		nap(1000);
	return arg;
}

/* One more thread sleeps now and then: nobody can say that all of them wait. */
static void make_heirs(void)
{
	pthread_mutexattr_t inherit;

	pthread_mutexattr_init(&inherit);
	if (pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT))
		exit(2);
	for (int i = 0; i < 3; i++)
		pthread_mutex_init(&heirs[i], &inherit);
	run(live_on, 0);
}

static void *take_two_heirs(void *arg)
{
	long i = (long)arg;

	pthread_mutex_lock(&heirs[i]);
	pthread_barrier_wait(&start);
	say_reaching();
	pthread_mutex_lock(&heirs[(i + 1) % 3]);
	return NULL;
}

static void pi_ring3(void)
{
	make_heirs();
	run_all(take_two_heirs, 3);
}

static void *take_heir_twice(void *arg)
{
	pthread_mutex_lock(&heirs[0]);
	say_reaching();
	pthread_mutex_lock(&heirs[0]);
	return arg;
}

static void pi_self(void)
{
	make_heirs();
	pthread_join(run(take_heir_twice, 0), NULL);
}

/* ---- innocent ---- */

/* A semaphore on the stack of a thread that has such a mutex, beside the address of another one,
 * whose owner waits for the first: a ring, were the wait for the semaphore one for that other. */
static sem_t *on_stack;

static void *wait_on_stack(void *arg)
{
	struct {
		pthread_mutex_t *volatile other;
		sem_t sem;
	} mine = { .other = &heirs[1] };

	pthread_mutex_lock(&heirs[0]);
	sem_init(&mine.sem, 0, 0);
	__atomic_store_n(&on_stack, &mine.sem, __ATOMIC_RELEASE);
	pthread_barrier_wait(&start);
	sem_wait(&mine.sem);
	pthread_mutex_unlock(&heirs[0]);
	return arg;
}

static void *want_first(void *arg)
{
	pthread_mutex_lock(&heirs[1]);
	pthread_barrier_wait(&start);
	pthread_mutex_lock(&heirs[0]);
	pthread_mutex_unlock(&heirs[0]);
	pthread_mutex_unlock(&heirs[1]);
	return arg;
}

static void pi_innocent(void)
{
	pthread_t first, second;

	make_heirs();
	pthread_barrier_init(&start, NULL, 2);
	first = run(wait_on_stack, 0);
	second = run(want_first, 0);
	nap(LONG_S * 1000);
	sem_post(__atomic_load_n(&on_stack, __ATOMIC_ACQUIRE));
	pthread_join(first, NULL);
	pthread_join(second, NULL);
}

static void *signal_later(void *arg)
{
	nap(LONG_S * 1000);
	pthread_mutex_lock(&ready_lock);
	ready = 1;
	pthread_cond_broadcast(&ready_cond);
	pthread_mutex_unlock(&ready_lock);
	return arg;
}

static void cond_long(void)
{
	pthread_t other = run(signal_later, 0);

	pthread_mutex_lock(&ready_lock);
	while (!ready)
		pthread_cond_wait(&ready_cond, &ready_lock);
	pthread_mutex_unlock(&ready_lock);
	pthread_join(other, NULL);
}

static void *take_two_timed(void *arg)
{
	long i = (long)arg;
	struct timespec end;

	pthread_mutex_lock(&locks[i]);
	pthread_barrier_wait(&start);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LONG_S - i;
	if (!pthread_mutex_timedlock(&locks[!i], &end))
		pthread_mutex_unlock(&locks[!i]);
	pthread_mutex_unlock(&locks[i]);
	return NULL;
}

static void timed_locks(void)
{
	run_all(take_two_timed, 2);
}

static void *hold_long(void *arg)
{
	pthread_mutex_lock(&locks[0]);
	nap(LONG_S * 1000);
	pthread_mutex_unlock(&locks[0]);
	return arg;
}

static void long_hold(void)
{
	pthread_t other = run(hold_long, 0);

	nap(50);
	pthread_mutex_lock(&locks[0]);
	pthread_mutex_unlock(&locks[0]);
	pthread_join(other, NULL);
}

static void *take_in_order(void *arg)
{
	for (int i = 0; i < 400; i++) {
		pthread_mutex_lock(&locks[0]);
		pthread_mutex_lock(&locks[1]);
		nap(1);
		pthread_mutex_unlock(&locks[1]);
		pthread_mutex_unlock(&locks[0]);
	}
	return arg;
}

static void ordered(void)
{
	run_all(take_in_order, 4);
}

static void on_alarm(int sig)
{
	(void)sig;
	sem_post(&full);
}

/* All threads wait for a semaphore, which a signal's handler posts. */
static void handler_posts(void)
{
	sem_init(&full, 0, 0);
	signal(SIGALRM, on_alarm);
	alarm(LONG_S);
	while (sem_wait(&full) && errno == EINTR)
		;
}

static void *pass_on(void *arg)
{
	char c;

	if (read(timer_pipe[0], &c, 1) == 1)
		sem_post(&full);
	return arg;
}

static void cross(pthread_mutex_t *first, pthread_mutex_t *second)
{
	pthread_mutex_lock(first);
	nap(200);
	say_reaching();
	pthread_mutex_lock(second);
}

/* Parent and child, two locks in memory that both have, in two orders. */
static void two_processes(void)
{
	pthread_mutexattr_t both;
	pthread_mutex_t *pair = mmap(NULL, 2 * sizeof(*pair), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pair == MAP_FAILED)
		exit(2);
	pthread_mutexattr_init(&both);
	pthread_mutexattr_setpshared(&both, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&pair[0], &both);
	pthread_mutex_init(&pair[1], &both);
	if (fork()) {
		cross(&pair[0], &pair[1]);
	} else {
		alarm(60); /* the parent may be ended alone */
		cross(&pair[1], &pair[0]);
	}
}

/* The owner is a process that nobody has waited for yet: still listed, a zombie. */
static void abandoned_shared(void)
{
	pthread_mutexattr_t both;
	pthread_mutex_t *lock = mmap(NULL, sizeof(*lock), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (lock == MAP_FAILED)
		exit(2);
	pthread_mutexattr_init(&both);
	pthread_mutexattr_setpshared(&both, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(lock, &both);
	if (!fork()) {
		pthread_mutex_lock(lock);
		_exit(0);
	}
	nap(200);
	say_reaching();
	pthread_mutex_lock(lock);
}

/* As std::future and std::latch do: a word on the heap, and a call that does not say PRIVATE. */
static void *wait_for_result(void *arg)
{
	uint32_t *word = calloc(1, 4096);

	if (!word)
		exit(2);
	say_reaching();
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL);
	return arg;
}

static void result(void)
{
	run_all(wait_for_result, 2);
}

/* One thread waits for input from outside, which a child sends after a while. */
static void input(void)
{
	pthread_t reader;

	sem_init(&full, 0, 0);
	if (pipe(timer_pipe))
		exit(2);
	if (!fork()) {
		nap(LONG_S * 1000);
		_exit(write(timer_pipe[1], "x", 1) != 1);
	}
	reader = run(pass_on, 0);
	sem_wait(&full);
	pthread_join(reader, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "ring3", ring3 },
	{ "rwlock", rwlock },
	{ "abandoned", abandoned },
	{ "abandoned-waiter", abandoned_waiter },
	{ "lost-signal", lost_signal },
	{ "barrier-short", barrier_short },
	{ "semaphore", semaphore },
	{ "join-ring", join_ring },
	{ "join-lock", join_lock },
	{ "two-processes", two_processes },
	{ "abandoned-shared", abandoned_shared },
	{ "result", result },
	{ "pi-ring3", pi_ring3 },
	{ "pi-self", pi_self },
	{ "cond-long", cond_long },
	{ "pi-innocent", pi_innocent },
	{ "timed-locks", timed_locks },
	{ "long-hold", long_hold },
	{ "ordered", ordered },
	{ "handler-posts", handler_posts },
	{ "input", input },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name))
			continue;
		scenarios[i].run();
		return 0;
	}
	return 2;
}
