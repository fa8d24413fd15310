/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * juggling [one-core | many-cores]
 *
 * The idea: concurrency is not parallelism.
 *
 * The picture: a juggler keeps three balls going with one hand: each ball gets a touch, then the
 * next, and all of them stay in the air.  That is concurrency.  Three jugglers with a ball each
 * are parallelism.  The balls cannot tell the difference, but for how long it takes.
 *
 * What to look for: one-core binds the program to one CPU.  All three threads get on, in turns of
 * a few milliseconds, and at no moment do two of them run: each is runnable two thirds of the time.
 * With many-cores as many run at once as there are CPUs, and the same work is done sooner.
 *
 * What to change: nothing is wrong here.  Threads let work take turns; only CPUs let it happen at
 * the same time.  Try many-cores under taskset -c 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include "demo.h"
#include "truth.h"

#define BALLS 3
#define THROWS 300 /* of each ball */

enum { ONE_CORE, MANY_CORES };
static const char *const variants[] = { "one-core", "many-cores", NULL };

static int catches[BALLS]; /* each ball has its own: nothing is shared */

static void *ball(void *arg)
{
	long me = (long)arg;
	uint64_t hand = me;

	for (int i = 0; i < THROWS; i++) {
		hand = demo_work(hand, DEMO_MS);
		catches[me] += hand != 0;
	}
	truth_thread(demo_name("ball", me + 1).text);
	return NULL;
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants);
	uint64_t start_ns = demo_now_ns();
	pthread_t balls[BALLS];
	int sum = 0;

	if (variant == ONE_CORE)
		demo_one_cpu();
	for (long i = 0; i < BALLS; i++)
		balls[i] = demo_thread(demo_name("ball", i + 1).text, ball, (void *)i);
	for (int i = 0; i < BALLS; i++) {
		pthread_join(balls[i], NULL);
		sum += catches[i];
	}

	printf("%s: %d catches in %ld ms on %d of the CPUs, expected %d\n", variants[variant], sum,
	       demo_ms_since(start_ns), demo_cpus(), BALLS * THROWS);
	truth_count("catches", sum);
	truth_thread("main");
	return sum != BALLS * THROWS;
}
