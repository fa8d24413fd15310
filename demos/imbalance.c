/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * imbalance [uneven | even | work-stealing]
 *
 * The idea: a team is done when its slowest member is.
 *
 * The picture: four postmen share a town by streets, sixteen letter boxes each.  But the boxes of
 * the last street are the tower blocks.  In the evening three of them sit in the pub and wait for
 * the fourth, every day.
 *
 * What to look for: with uneven the threads postman-1 to postman-3 run for a short while and are
 * then blocked at the barrier `pub` for most of the day; postman-4 runs alone and CPUs are idle.
 * With even and with work-stealing all four arrive nearly together.  (On a single CPU there is
 * nothing to gain: the one CPU is never idle.)
 *
 * What to change: deal the heavy pieces evenly (even: like cards, one to each in turn), or better,
 * since nobody knows beforehand what is heavy, let who is done take what others have left
 * to do (work-stealing).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define POSTMEN 4
#define STREET 16 /* boxes */
#define BOXES (POSTMEN * STREET)
#define DAYS 5
#define HOUSE (1 * DEMO_MS)
#define TOWER (12 * DEMO_MS) /* each box of the last street */

enum { UNEVEN, EVEN, WORK_STEALING };
static const char *const variants[] = { "uneven", "even", "work-stealing", NULL };
static int variant;

static pthread_barrier_t pub; /* where the day ends, for all of them together */
static atomic_int next_box[DAYS][POSTMEN]; /* of each street, that nobody has delivered to */
static atomic_int delivered[BOXES];

static void deliver(int box)
{
	long steps = box / STREET == POSTMEN - 1 ? TOWER : HOUSE;

	delivered[box] += demo_work(box, steps) != 0;
}

/* All boxes of the street that nobody else has taken. */
static void deliver_street(int day, int street)
{
	int box;

	while ((box = atomic_fetch_add(&next_box[day][street], 1)) < STREET)
		deliver(street * STREET + box);
}

static void work_a_day(int day, int me)
{
	if (variant == EVEN) {
		for (int box = me; box < BOXES; box += POSTMEN)
			deliver(box);
		return;
	}
	deliver_street(day, me);
	for (int i = 1; i < POSTMEN && variant == WORK_STEALING; i++)
		deliver_street(day, (me + i) % POSTMEN);
}

static void *postman(void *arg)
{
	long me = (long)arg;

	for (int day = 0; day < DAYS; day++) {
		work_a_day(day, me);
		pthread_barrier_wait(&pub);
	}
	truth_thread(demo_name("postman", me + 1).text);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t postmen[POSTMEN];
	uint64_t start_ns = demo_now_ns();
	int good = 0;

	variant = demo_variant(argc, argv, variants);
	pthread_barrier_init(&pub, NULL, POSTMEN);
	truth_lock("pub", &pub);
	for (long i = 0; i < POSTMEN; i++)
		postmen[i] = demo_thread(demo_name("postman", i + 1).text, postman, (void *)i);
	for (int i = 0; i < POSTMEN; i++)
		pthread_join(postmen[i], NULL);
	for (int i = 0; i < BOXES; i++)
		good += delivered[i] == DAYS;

	printf("%s: %d boxes with post on each of %d days after %ld ms, expected %d\n",
	       variants[variant], good, DAYS, demo_ms_since(start_ns), BOXES);
	truth_count("boxes", good);
	truth_thread("main");
	return good != BOXES;
}
