/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * race [plain | mutex | atomic] [VISITS]
 *
 * The idea: the race condition, and that it is intermittent.
 *
 * The picture: four doorkeepers count visitors on one blackboard.  Each reads the number, adds one
 * in his head, wipes it out and writes the new one.  When two read the same number, one visitor is
 * never counted.  It goes well most of the time, which is what makes it hard to find.
 *
 * What to look for: plain loses visits, a different number each time (on one core perhaps none).
 * Nobody waits for anybody, so the timeline looks perfect: a race is not seen in the waiting.
 * With mutex every visit is there and now and then a thread waits for counter_lock; with atomic
 * every visit is there and nobody waits.
 *
 * What to change: make read-add-write one step: under a mutex, or for a single number as an
 * atomic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define WORKERS 4
#define VISITS 1000000 /* each worker counts that many */
#define GREETING 500   /* steps of work between two counts */

enum { PLAIN, MUTEX, ATOMIC };
static const char *const variants[] = { "plain", "mutex", "atomic", NULL };
static int variant;
static long visits;

static volatile long counter; /* volatile: each count is a read and a write, as in a debug build */
static atomic_long atomic_counter;
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;

static int count_visit(void)
{
	switch (variant) {
	case PLAIN:
		counter = counter + 1;
		return __LINE__ - 1;
	case MUTEX:
		pthread_mutex_lock(&counter_lock);
		counter = counter + 1;
		pthread_mutex_unlock(&counter_lock);
		return __LINE__ - 3;
	default:
		atomic_fetch_add(&atomic_counter, 1);
		return __LINE__ - 1;
	}
}

static void *worker(void *arg)
{
	long me = (long)arg;
	uint64_t hand = me;
	char name[16];
	int line = 0;

	for (long i = 0; i < visits; i++) {
		hand = demo_work(hand, GREETING);
		line = count_visit();
	}

	if (variant == MUTEX)
		truth_site("counter_lock", "count_visit", line);
	snprintf(name, sizeof(name), "worker-%ld", me);
	truth_thread(name);
	return (void *)(uintptr_t)hand; /* used, so that the compiler cannot leave the work out */
}

int main(int argc, char **argv)
{
	pthread_t workers[WORKERS];
	long counted, expected;

	variant = demo_variant(argc, argv, variants);
	visits = demo_number(argc, argv, "VISITS", VISITS);
	expected = WORKERS * visits;
	truth_lock("counter_lock", &counter_lock);

	for (long i = 0; i < WORKERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "worker-%ld", i + 1);
		workers[i] = demo_thread(name, worker, (void *)(i + 1));
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);

	counted = variant == ATOMIC ? atomic_load(&atomic_counter) : counter;
	printf("%s: counted %ld of %ld visits, lost %ld\n", variants[variant], counted, expected,
	       expected - counted);
	truth_count("lost", expected - counted);
	truth_thread("main");
	/* losing visits is what plain is there to show; the others must not */
	return variant != PLAIN && counted != expected;
}
