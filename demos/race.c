/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * race [plain | mutex | atomic | messages | local-then-merge] [VISITS]
 *
 * The idea: the race condition, and that it is intermittent.
 *
 * The picture: four doorkeepers count visitors on one blackboard.  Each reads the number, adds one
 * in his head, wipes it out and writes the new one.  When two read the same number, one visitor is
 * never counted.  It goes well most of the time, which is what makes it hard to find.
 *
 * What to look for: plain loses visits, a different number each time (on one core perhaps none).
 * Nobody waits for anybody, so the timeline looks perfect: a race is not seen in the waiting.
 * In all other variants every visit is there: with mutex a thread waits for counter_lock now and
 * then; with atomic and with local-then-merge nobody waits; with messages the number belongs to the
 * thread bookkeeper, which is blocked reading its pipe until a slip comes.  With --watch counter
 * ctrace shows the moment itself: two doorkeepers read 5, both write 6.
 *
 * What to change: make read-add-write one step: under a mutex, or for a single number as an atomic.
 * Or do not share the number: let one thread own it and send it messages, or count on your own and
 * add up at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define WORKERS 4
#define VISITS 300000 /* each worker counts that many */
#define GREETING 500   /* steps of work between two counts */
#define SLIP 1000      /* messages: visits that one message tells of, at most */

enum { PLAIN, MUTEX, ATOMIC, MESSAGES, LOCAL_THEN_MERGE };
static const char *const variants[] = { "plain", "mutex", "atomic", "messages", "local-then-merge",
					NULL };
static int variant;
static long visits;

static volatile long counter; /* volatile: each count is a read and a write, as in a debug build */
static atomic_long atomic_counter;
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;

static int slips[2]; /* messages: a pipe to the bookkeeper */

static void send_slip(long visitors)
{
	if (write(slips[1], &visitors, sizeof(visitors)) != sizeof(visitors)) {
		perror("write");
		exit(1);
	}
}

/* `own` is the worker's own number. */
static int count_visit(long *own)
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
	case ATOMIC:
		atomic_fetch_add(&atomic_counter, 1);
		return __LINE__ - 1;
	default:
		++*own;
		return __LINE__ - 1;
	}
}

static void hand_over(long *own)
{
	if (variant == MESSAGES) {
		send_slip(*own);
	} else {
		pthread_mutex_lock(&counter_lock);
		counter = counter + *own;
		pthread_mutex_unlock(&counter_lock);
	}
	*own = 0;
}

/* The only one who touches the number, with messages; the end of the pipe ends it. */
static void *bookkeeper(void *arg)
{
	long visitors;

	while (read(slips[0], &visitors, sizeof(visitors)) == sizeof(visitors))
		counter = counter + visitors;
	truth_thread("bookkeeper");
	return arg;
}

static void *worker(void *arg)
{
	long me = (long)arg, own = 0;
	uint64_t hand = me;
	int line = 0;

	for (long i = 0; i < visits; i++) {
		hand = demo_work(hand, GREETING);
		line = count_visit(&own);
		if (variant == MESSAGES && own == SLIP)
			hand_over(&own);
	}
	if (own)
		hand_over(&own);

	if (variant == MUTEX)
		truth_site("counter_lock", "count_visit", line);
	truth_thread(demo_name("worker", me).text);
	return (void *)(uintptr_t)hand; /* used, so that the compiler cannot leave the work out */
}

int main(int argc, char **argv)
{
	pthread_t workers[WORKERS], owner = 0;
	long counted, expected;

	variant = demo_variant(argc, argv, variants);
	visits = demo_number(argc, argv, "VISITS", VISITS);
	expected = WORKERS * visits;
	truth_lock("counter_lock", &counter_lock);
	if (variant == MESSAGES) {
		if (pipe(slips)) {
			perror("pipe");
			return 1;
		}
		owner = demo_thread("bookkeeper", bookkeeper, NULL);
	}

	for (long i = 0; i < WORKERS; i++)
		workers[i] = demo_thread(demo_name("worker", i + 1).text, worker, (void *)(i + 1));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	if (variant == MESSAGES) {
		close(slips[1]);
		pthread_join(owner, NULL);
	}

	counted = variant == ATOMIC ? atomic_load(&atomic_counter) : counter;
	printf("%s: counted %ld of %ld visits, lost %ld\n", variants[variant], counted, expected,
	       expected - counted);
	truth_count("lost", expected - counted);
	truth_thread("main");
	/* losing visits is what plain is there to show; the others must not */
	return variant != PLAIN && counted != expected;
}
