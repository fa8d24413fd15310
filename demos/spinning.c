/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spinning [busy-wait | condition-variable]
 *
 * The idea: waiting without burning a CPU.
 *
 * The picture: a guest who wants to know whether the meal is ready asks, and asks again, and asks
 * again, ten million times a second.  Or he sits down until the bell rings.  He eats at the same
 * time either way, and with the bell somebody else can use the chair in front of the counter.
 *
 * What to look for: with busy-wait the thread guest runs all the time and gets nothing done: it
 * reads `served` until cook changes it.  It looks busy, and that is all it is.  With
 * condition-variable it is blocked on `bell` nearly all of the time and uses no CPU, and the run
 * takes as long as before.
 *
 * What to change: sleep until told: a condition variable, a semaphore, a futex.  Spinning is for
 * waits shorter than a switch, a microsecond or two, by those who have measured them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define MEALS 60
#define COOKING_NS 20000000L
#define EATING (DEMO_MS / 2)

enum { BUSY_WAIT, CONDITION_VARIABLE };
static const char *const variants[] = { "busy-wait", "condition-variable", NULL };
static int variant;

static atomic_int served; /* meals, so far */
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;

static void await_meal(int meal)
{
	if (variant == BUSY_WAIT) {
		while (atomic_load(&served) < meal)
			;
		return;
	}
	pthread_mutex_lock(&counter_lock);
	while (atomic_load(&served) < meal)
		pthread_cond_wait(&bell, &counter_lock);
	pthread_mutex_unlock(&counter_lock);
}

static void serve_meal(void)
{
	if (variant == BUSY_WAIT) {
		atomic_fetch_add(&served, 1);
		return;
	}
	pthread_mutex_lock(&counter_lock);
	atomic_fetch_add(&served, 1);
	pthread_cond_signal(&bell);
	pthread_mutex_unlock(&counter_lock);
}

static void *guest(void *arg)
{
	long eaten = 0;

	for (int meal = 1; meal <= MEALS; meal++) {
		await_meal(meal);
		eaten += demo_work(meal, EATING) != 0;
	}
	truth_thread("guest");
	*(long *)arg = eaten;
	return NULL;
}

static void *cook(void *arg)
{
	for (int i = 0; i < MEALS; i++) {
		/* it is in the oven */
		nanosleep(&(struct timespec){ .tv_nsec = COOKING_NS }, NULL);
		serve_meal();
	}
	truth_thread("cook");
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	uint64_t start_ns = demo_now_ns();
	long eaten;

	variant = demo_variant(argc, argv, variants);
	truth_lock("counter_lock", &counter_lock);
	threads[0] = demo_thread("guest", guest, &eaten);
	threads[1] = demo_thread("cook", cook, NULL);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);

	printf("%s: %ld meals eaten in %ld ms, expected %d\n", variants[variant], eaten,
	       demo_ms_since(start_ns), MEALS);
	truth_count("meals", eaten);
	truth_thread("main");
	return eaten != MEALS;
}
