/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * critical-section [long | short]
 *
 * The idea: hold locks as briefly as possible, and never while waiting.
 *
 * The picture: four clerks enter orders into one ledger.  To know the price they ring up the
 * warehouse.  The one way is to take the ledger, then ring up, with the ledger on one's knees; the
 * other to ring up first, and to take the ledger for the moment of writing the line.
 *
 * What to look for: with long three clerks at any time are blocked on ledger_lock, and the one who
 * holds it is not running: it waits for the warehouse, in read(2).  No CPU is used and nothing gets
 * on.  With short the four calls overlap and ledger_lock is hardly ever waited for.
 *
 * What to change: do inside the lock only what needs the lock.  Ask, compute, read and write
 * outside; go in with the result.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include "demo.h"
#include "truth.h"

#define CLERKS 4
#define ORDERS 120 /* of each clerk */
#define ASKING_NS 2000000L /* until the warehouse has looked it up */
#define WRITING (DEMO_MS / 20)

enum { LONG, SHORT };
static const char *const variants[] = { "long", "short", NULL };
static int variant;

struct phone {
	int clerk, warehouse;
};
static struct phone phones[CLERKS];

static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static long ledger_lines, ledger_sum; /* guarded by it */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* The other end of one clerk's telephone. */
static void *storekeeper(void *arg)
{
	long me = (long)arg, item;

	while (read(phones[me].warehouse, &item, sizeof(item)) == sizeof(item)) {
		long price = item + 1;

		nanosleep(&(struct timespec){ .tv_nsec = ASKING_NS }, NULL);
		if (write(phones[me].warehouse, &price, sizeof(price)) < 0)
			fail("warehouse");
	}
	truth_thread(demo_name("store", me + 1).text);
	return NULL;
}

static long ask_price(long me, long item)
{
	long price;

	if (write(phones[me].clerk, &item, sizeof(item)) < 0 ||
	    read(phones[me].clerk, &price, sizeof(price)) < 0)
		fail("clerk");
	return price;
}

static void write_line(long price)
{
	ledger_lines += demo_work(price, WRITING) != 0;
	ledger_sum += price;
}

static void *clerk(void *arg)
{
	long me = (long)arg, price = 0;
	int line = 0;

	for (long item = 0; item < ORDERS; item++) {
		if (variant == SHORT)
			price = ask_price(me, item);
		line = __LINE__ + 1;
		pthread_mutex_lock(&ledger_lock);
		if (variant == LONG)
			price = ask_price(me, item);
		write_line(price);
		pthread_mutex_unlock(&ledger_lock);
	}
	shutdown(phones[me].clerk, SHUT_WR); /* hangs up */
	truth_site("ledger_lock", __func__, line);
	truth_thread(demo_name("clerk", me + 1).text);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t clerks[CLERKS], stores[CLERKS];
	long expected = CLERKS * (ORDERS * (ORDERS + 1L) / 2);
	uint64_t start_ns = demo_now_ns();

	variant = demo_variant(argc, argv, variants);
	truth_lock("ledger_lock", &ledger_lock);
	for (long i = 0; i < CLERKS; i++) {
			int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
			fail("socketpair");
		phones[i] = (struct phone){ .clerk = ends[0], .warehouse = ends[1] };
		stores[i] = demo_thread(demo_name("store", i + 1).text, storekeeper, (void *)i);
		clerks[i] = demo_thread(demo_name("clerk", i + 1).text, clerk, (void *)i);
	}
	for (int i = 0; i < CLERKS; i++) {
		pthread_join(clerks[i], NULL);
		pthread_join(stores[i], NULL);
	}

	printf("%s: %ld lines in %ld ms, sum %ld, expected %d and %ld\n", variants[variant],
	       ledger_lines, demo_ms_since(start_ns), ledger_sum, CLERKS * ORDERS, expected);
	truth_count("lines", ledger_lines);
	truth_thread("main");
	return ledger_lines != CLERKS * ORDERS || ledger_sum != expected;
}
