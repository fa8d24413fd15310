/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contention [one-lock | sharded | atomic | local-then-merge]
 *
 * The idea: contention, and locking more than is shared.
 *
 * The picture: four librarians sort books onto sixteen shelves.  There is one key for the whole
 * library, so three of them always stand in the corridor, however many librarians are hired.  Give
 * each shelf a key of its own and they hardly ever meet.
 *
 * What to look for: with one-lock, four threads and about one of them running; the others blocked
 * on big_lock, at the line that takes it.  More cores change nothing.  With sharded the same work
 * under the same kind of lock, and as many threads run as there are cores.  With atomic and with
 * local-then-merge the row of a worker has no waiting in it at all.
 *
 * What to change: let a lock guard the smallest thing that needs guarding (sharded).  Better: sort
 * without any key, and count the book with one atomic addition (atomic).  Best: count on a slip of
 * your own and add it to the others' once, at the end (local-then-merge): what is not shared needs
 * no agreement.
 */
#define _GNU_SOURCE
#include <errno.h>
#include "demo.h"
#include "truth.h"

#define WORKERS 4
#define BOOKS 3000 /* of each worker */
#define SHELVES 16
#define SORTING 60000 /* steps of work, in the locked variants with the key in hand */
#define FETCHING 6000 /* and always without it */

enum { ONE_LOCK, SHARDED, ATOMIC, LOCAL_THEN_MERGE };
static const char *const variants[] = { "one-lock", "sharded", "atomic", "local-then-merge", NULL };
static int variant;

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t shelf_lock[SHELVES];
static long books_on_shelf[SHELVES];

/* The result of the work is used, so that the compiler cannot leave it out. */
static long sort_book(uint64_t book)
{
	return demo_work(book, SORTING) != 0;
}

static void merge(const long *slip)
{
	pthread_mutex_lock(&big_lock);
	for (int shelf = 0; shelf < SHELVES; shelf++)
		books_on_shelf[shelf] += slip[shelf];
	pthread_mutex_unlock(&big_lock);
}

static void *worker(void *arg)
{
	long me = (long)arg, slip[SHELVES] = { 0 };
	int line = 0;

	for (long i = 0; i < BOOKS; i++) {
		uint64_t book = demo_work(me * BOOKS + i, FETCHING);
		int shelf = book % SHELVES;

		if (variant == ATOMIC) {
			__atomic_fetch_add(&books_on_shelf[shelf], sort_book(book),
					   __ATOMIC_RELAXED);
		} else if (variant == LOCAL_THEN_MERGE) {
			slip[shelf] += sort_book(book);
		} else {
			pthread_mutex_t *lock = variant == SHARDED ? &shelf_lock[shelf] : &big_lock;

			line = __LINE__ + 1;
			pthread_mutex_lock(lock);
			books_on_shelf[shelf] += sort_book(book);
			pthread_mutex_unlock(lock);
		}
	}
	if (variant == LOCAL_THEN_MERGE)
		merge(slip);

	if (line)
		truth_site(variant == SHARDED ? "shelf_lock" : "big_lock", __func__, line);
	truth_thread(demo_name("worker", me).text);
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

	for (long i = 0; i < WORKERS; i++)
		workers[i] = demo_thread(demo_name("worker", i + 1).text, worker, (void *)(i + 1));
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
