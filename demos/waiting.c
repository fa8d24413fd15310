/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waiting [one-by-one | overlapped]
 *
 * The idea: waiting wastes time, and waits can overlap.
 *
 * The picture: breakfast.  Put the kettle on and look at it until it boils; then put the bread into
 * the toaster and look at that; then the eggs.  Or switch everything on and come back for each when
 * it rings.  Nobody works harder, and breakfast is ready when the slowest thing is.
 *
 * What to look for: with one-by-one one thread sleeps six times in a row and nothing else happens:
 * the row of cook is sleep from end to end, no CPU is used.  With overlapped the six sleeps lie
 * under each other, and the run is as long as the longest of them.
 *
 * What to change: start everything that does not need the result of something else, then wait.
 * Threads do that here; for hundreds of waits see the demo io.
 */
#define _GNU_SOURCE
#include <errno.h>
#include "demo.h"
#include "truth.h"

struct dish {
	const char *name;
	long ms; /* until it is ready */
	int ready;
};
static struct dish breakfast[] = {
	{ "kettle", 350, 0 }, { "toaster", 200, 0 }, { "eggs", 300, 0 },
	{ "oven", 250, 0 },   { "milk", 150, 0 },    { "coffee", 250, 0 },
};
#define DISHES ((int)(sizeof(breakfast) / sizeof(breakfast[0])))

enum { ONE_BY_ONE, OVERLAPPED };
static const char *const variants[] = { "one-by-one", "overlapped", NULL };

static void prepare(struct dish *dish)
{
	nanosleep(&(struct timespec){ .tv_nsec = dish->ms * 1000000 }, NULL);
	dish->ready = 1;
}

static void *prepare_in_thread(void *arg)
{
	struct dish *dish = arg;

	prepare(dish);
	truth_thread(dish->name);
	return NULL;
}

static void one_by_one(void)
{
	for (int i = 0; i < DISHES; i++)
		prepare(&breakfast[i]);
}

static void overlapped(void)
{
	pthread_t dishes[DISHES];

	for (int i = 0; i < DISHES; i++)
		dishes[i] = demo_thread(breakfast[i].name, prepare_in_thread, &breakfast[i]);
	for (int i = 0; i < DISHES; i++)
		pthread_join(dishes[i], NULL);
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants), ready = 0;
	uint64_t start_ns = demo_now_ns();

	pthread_setname_np(pthread_self(), "cook");
	if (variant == OVERLAPPED)
		overlapped();
	else
		one_by_one();
	for (int i = 0; i < DISHES; i++)
		ready += breakfast[i].ready;

	printf("%s: %d dishes ready after %ld ms, expected %d\n", variants[variant], ready,
	       demo_ms_since(start_ns), DISHES);
	truth_count("dishes", ready);
	truth_thread("cook");
	return ready != DISHES;
}
