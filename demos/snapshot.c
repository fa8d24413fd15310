/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot [locked | immutable]
 *
 * The idea: immutable data needs no lock.
 *
 * The picture: a price list hangs in the shop, with one key to its glass case: whoever wants to
 * read a price takes the key, and so does the one who changes prices.  Or the list is printed: who
 * reads takes the sheet that lies on top, and new prices are a new sheet laid upon it.  A sheet
 * that is out is never written on again.
 *
 * What to look for: with locked four shoppers queue on prices_lock, though all of them only read.
 * With immutable nobody waits for anybody, as many run as there are CPUs, and everyone still sees a
 * list that fits together: the old one or the new one, never half of each (it is checked).
 *
 * What to change: build the new version aside, then publish it with one atomic pointer store.  (The
 * old sheets are thrown away at the end here, when nobody reads any more; a program that runs for
 * long counts its readers, or waits for them: RCU, hazard pointers, garbage collection.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define SHOPPERS 4
#define VISITS 4000 /* of each shopper */
#define PRICES 64
#define CHANGES 70 /* of all prices */
#define PAUSE_NS 5000000L
#define COMPARING (DEMO_MS / 20) /* over the list */
#define WALKING (DEMO_MS / 200)	 /* without it */

enum { LOCKED, IMMUTABLE };
static const char *const variants[] = { "locked", "immutable", NULL };
static int variant;

struct list {
	long prices[PRICES]; /* all the same in a list that fits together */
};
static pthread_mutex_t prices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list shared_list;		       /* locked: guarded by it */
static struct list sheets[CHANGES + 1];	       /* immutable: each written once */
static struct list *_Atomic top_sheet = sheets; /* the one that counts */

/* Whether the list fits together, after long study of it. */
static int study(const struct list *list, long visit)
{
	long price = list->prices[visit % PRICES];

	if (demo_work(visit, COMPARING) == 0)
		return 0;
	return list->prices[(visit * 7) % PRICES] == price;
}

static void *shopper(void *arg)
{
	long me = (long)arg, good = 0;
	int line = 0;

	for (long visit = 0; visit < VISITS; visit++) {
		if (demo_work(visit, WALKING) == 0)
			continue; /* never; the work is used */
		if (variant == IMMUTABLE) {
			good += study(atomic_load(&top_sheet), visit);
			continue;
		}
		line = __LINE__ + 1;
		pthread_mutex_lock(&prices_lock);
		good += study(&shared_list, visit);
		pthread_mutex_unlock(&prices_lock);
	}
	if (variant == LOCKED)
		truth_site("prices_lock", __func__, line);
	truth_thread(demo_name("shopper", me).text);
	return (void *)good;
}

static void set_all(struct list *list, long price)
{
	for (int i = 0; i < PRICES; i++)
		list->prices[i] = price;
}

static void *shopkeeper(void *arg)
{
	for (long change = 1; change <= CHANGES; change++) {
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		if (variant == IMMUTABLE) {
			set_all(&sheets[change], change);
			atomic_store(&top_sheet, &sheets[change]);
			continue;
		}
		pthread_mutex_lock(&prices_lock);
		set_all(&shared_list, change);
		pthread_mutex_unlock(&prices_lock);
	}
	truth_thread("shopkeeper");
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t shoppers[SHOPPERS], keeper;
	uint64_t start_ns = demo_now_ns();
	long good = 0;

	variant = demo_variant(argc, argv, variants);
	truth_lock("prices_lock", &prices_lock);
	keeper = demo_thread("shopkeeper", shopkeeper, NULL);
	for (long i = 0; i < SHOPPERS; i++)
		shoppers[i] = demo_thread(demo_name("shopper", i + 1).text, shopper,
					  (void *)(i + 1));
	for (int i = 0; i < SHOPPERS; i++) {
		void *seen;

		pthread_join(shoppers[i], &seen);
		good += (long)seen;
	}
	pthread_join(keeper, NULL);

	printf("%s: %ld visits in %ld ms saw a list that fits together, expected %d\n",
	       variants[variant], good, demo_ms_since(start_ns), SHOPPERS * VISITS);
	truth_count("visits", good);
	truth_thread("main");
	return good != SHOPPERS * VISITS;
}
