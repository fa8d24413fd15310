/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipeline [slow-stage | balanced]
 *
 * The idea: message passing through bounded queues, and that a pipeline is as fast as its slowest
 * stage.
 *
 * The picture: a bakery: one kneads, one bakes, one packs, and between them stand two shelves with
 * room for four loaves.  If baking takes ten times as long as the rest, the first shelf is always
 * full, the second always empty, and two people lean on the wall.
 *
 * What to look for: with slow-stage the thread baker runs all the time; kneader is blocked where it
 * puts a loaf down (dough_shelf is full), packer where it takes one (bread_shelf is empty).  A
 * bounded queue holds back whoever is too fast: that is what it is for.  With balanced the work of
 * a loaf, the same in all, is spread evenly, and all three run if there are CPUs for them.
 *
 * What to change: make the slow stage faster, divide it, or put more threads on it.  Making any
 * other stage faster changes nothing.  (Try it.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include "demo.h"
#include "truth.h"

#define LOAVES 350
#define ROOM 4 /* on a shelf */
#define WORK (3 * DEMO_MS) /* for a loaf, all stages together */

enum { SLOW_STAGE, BALANCED };
static const char *const variants[] = { "slow-stage", "balanced", NULL };
static int variant;

struct shelf {
	pthread_mutex_t lock;
	pthread_cond_t not_full, not_empty;
	long loaves[ROOM];
	int first, cnt;
};
#define EMPTY_SHELF                                                                                \
	{ .lock = PTHREAD_MUTEX_INITIALIZER, .not_full = PTHREAD_COND_INITIALIZER,                 \
	  .not_empty = PTHREAD_COND_INITIALIZER }
static struct shelf dough_shelf = EMPTY_SHELF, bread_shelf = EMPTY_SHELF;

static void put(struct shelf *shelf, long loaf)
{
	pthread_mutex_lock(&shelf->lock);
	while (shelf->cnt == ROOM)
		pthread_cond_wait(&shelf->not_full, &shelf->lock);
	shelf->loaves[(shelf->first + shelf->cnt++) % ROOM] = loaf;
	pthread_cond_signal(&shelf->not_empty);
	pthread_mutex_unlock(&shelf->lock);
}

static long take(struct shelf *shelf)
{
	long loaf;

	pthread_mutex_lock(&shelf->lock);
	while (shelf->cnt == 0)
		pthread_cond_wait(&shelf->not_empty, &shelf->lock);
	loaf = shelf->loaves[shelf->first];
	shelf->first = (shelf->first + 1) % ROOM;
	shelf->cnt--;
	pthread_cond_signal(&shelf->not_full);
	pthread_mutex_unlock(&shelf->lock);
	return loaf;
}

/* The twelfths of the work that a stage has to do; they are twelve in all. */
static long work_on(long loaf, int twelfths_slow, int twelfths_balanced)
{
	int twelfths = variant == BALANCED ? twelfths_balanced : twelfths_slow;

	return loaf + (demo_work(loaf, (long)WORK / 12 * twelfths) != 0);
}

static void *kneader(void *arg)
{
	for (long i = 0; i < LOAVES; i++)
		put(&dough_shelf, work_on(0, 1, 4));
	truth_thread("kneader");
	return arg;
}

static void *baker(void *arg)
{
	for (long i = 0; i < LOAVES; i++)
		put(&bread_shelf, work_on(take(&dough_shelf), 10, 4));
	truth_thread("baker");
	return arg;
}

static void *packer(void *arg)
{
	long steps = 0;

	for (long i = 0; i < LOAVES; i++)
		steps += work_on(take(&bread_shelf), 1, 4);
	truth_thread("packer");
	*(long *)arg = steps;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t stages[3];
	uint64_t start_ns = demo_now_ns();
	long steps;

	variant = demo_variant(argc, argv, variants);
	truth_lock("dough_shelf", &dough_shelf.lock);
	truth_lock("bread_shelf", &bread_shelf.lock);
	stages[0] = demo_thread("kneader", kneader, NULL);
	stages[1] = demo_thread("baker", baker, NULL);
	stages[2] = demo_thread("packer", packer, &steps);
	for (int i = 0; i < 3; i++)
		pthread_join(stages[i], NULL);

	printf("%s: %d loaves in %ld ms went through %ld hands, expected %d\n", variants[variant],
	       LOAVES, demo_ms_since(start_ns), steps, 3 * LOAVES);
	truth_count("steps", steps);
	truth_thread("main");
	return steps != 3 * LOAVES;
}
