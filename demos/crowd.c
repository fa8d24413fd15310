/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd [too-many | right-sized]
 *
 * The idea: more threads are not faster.
 *
 * The picture: a kitchen has two stoves.  Two cooks keep both of them hot.  With thirty cooks in
 * the room the stoves are as hot as before, the cooks queue for them, and a dish that takes a
 * minute is on the stove for a minute and in the queue for fifteen.
 *
 * What to look for: too-many starts sixteen threads for each CPU (it asks how many it may use).
 * All want to compute, so nearly all of them are runnable, waiting for a CPU, nearly all of the
 * time, and each is preempted again and again.  right-sized starts one for each CPU, does the same
 * work in the same time, and hardly anybody waits.
 *
 * What to change: for computing, as many threads as there are CPUs.  More of them need more
 * memory, more switches and more patience, and compute nothing sooner.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define COOKS_PER_CPU 16
#define DISHES_PER_CPU 192 /* so that it takes as long on a large machine as on a small one */
#define COOKING (3 * DEMO_MS)
#define COOKS_MAX 1024 /* enough for 64 CPUs; a larger machine gets no larger crowd */

enum { TOO_MANY, RIGHT_SIZED };
static const char *const variants[] = { "too-many", "right-sized", NULL };

static long dishes, cooks; /* set before the cooks start */
static atomic_long served;

static void *cook(void *arg)
{
	long me = (long)arg, done = 0;

	/* the dishes are dealt out beforehand: the cooks share nothing but the stoves */
	for (long i = me; i < dishes; i += cooks)
		done += demo_work(i, COOKING) != 0;
	atomic_fetch_add(&served, done);
	truth_thread(demo_name("cook", me + 1).text);
	return NULL;
}

int main(int argc, char **argv)
{
	static pthread_t threads[COOKS_MAX];
	int variant = demo_variant(argc, argv, variants), cpus = demo_cpus();
	uint64_t start_ns = demo_now_ns();

	dishes = (long)DISHES_PER_CPU * cpus;
	cooks = variant == TOO_MANY ? (long)COOKS_PER_CPU * cpus : cpus;
	if (cooks > COOKS_MAX)
		cooks = COOKS_MAX;
	for (long i = 0; i < cooks; i++)
		threads[i] = demo_thread(demo_name("cook", i + 1).text, cook, (void *)i);
	for (long i = 0; i < cooks; i++)
		pthread_join(threads[i], NULL);

	printf("%s: %ld cooks on %d CPUs served %ld dishes in %ld ms, expected %ld\n",
	       variants[variant], cooks, cpus, (long)served, demo_ms_since(start_ns), dishes);
	truth_count("dishes", served);
	truth_thread("main");
	return served != dishes;
}
