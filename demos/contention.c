/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contention [one-lock | sharded]
 *
 * The idea: contention, and locking more than is shared.
 *
 * The picture: four librarians sort books onto sixteen shelves.  There is one key for the whole
 * library, so three of them always stand in the corridor, however many librarians are hired.  Give
 * each shelf a key of its own and they hardly ever meet.
 *
 * What to look for: with one-lock, four threads and about one of them running; the others blocked
 * on big_lock, at the line that takes it.  More cores change nothing.  With sharded the same work
 * under the same kind of lock, and as many threads run as there are cores.
 *
 * What to change: let a lock guard the smallest thing that needs guarding.  (Better still: hash
 * the book before taking the lock at all.  Try it.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include "demo.h"
#include "truth.h"

#define WORKERS 4
#define BOOKS 4000 /* of each worker */
#define SHELVES 16
#define SORTING 60000 /* steps of work with the key in hand */
#define FETCHING 6000 /* and without it */

enum { ONE_LOCK, SHARDED };
static const char *const variants[] = { "one-lock", "sharded", NULL };
static int variant;

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t shelf_lock[SHELVES];
static long books_on_shelf[SHELVES];

static void *worker(void *arg)
{
	long me = (long)arg;
	char name[16];
	int line = 0;

	for (long i = 0; i < BOOKS; i++) {
		uint64_t book = demo_work(me * BOOKS + i, FETCHING);
		int shelf = book % SHELVES;
		pthread_mutex_t *lock = variant == SHARDED ? &shelf_lock[shelf] : &big_lock;

		line = __LINE__ + 1;
		pthread_mutex_lock(lock);
		/* the result is used, so that the compiler cannot leave the work out */
		books_on_shelf[shelf] += demo_work(book, SORTING) != 0;
		pthread_mutex_unlock(lock);
	}

	truth_site(variant == SHARDED ? "shelf_lock" : "big_lock", __func__, line);
	snprintf(name, sizeof(name), "worker-%ld", me);
	truth_thread(name);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t workers[WORKERS];
	long sum = 0;

	variant = demo_variant(argc, argv, variants);
	for (int i = 0; i < SHELVES; i++)
		pthread_mutex_init(&shelf_lock[i], NULL);
	truth_lock("big_lock", &big_lock);
	truth_lock("shelf_lock", shelf_lock);

	for (long i = 0; i < WORKERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "worker-%ld", i + 1);
		workers[i] = demo_thread(name, worker, (void *)(i + 1));
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);

	for (int i = 0; i < SHELVES; i++)
		sum += books_on_shelf[i];
	printf("%s: %d workers shelved %ld books, expected %d\n", variants[variant], WORKERS, sum,
	       WORKERS * BOOKS);
	truth_count("books", sum);
	truth_thread("main");
	return sum != WORKERS * BOOKS;
}
