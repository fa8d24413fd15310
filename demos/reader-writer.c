/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader-writer [starving-writer | fair]
 *
 * The idea: a lock that many may read under can keep the one who writes out for ever.
 *
 * The picture: a notice board in a small room.  Readers may be in there together; the one who
 * changes the notices needs the room for himself and waits until it is empty.  But it never is:
 * before the last reader leaves, another one has come in.
 *
 * What to look for: with starving-writer the thread editor is blocked on board_lock from nearly the
 * start to nearly the end, and changes its first notice when the readers go home; whatever runs
 * meanwhile is a reader.  With fair the readers that come after the editor wait for it, a
 * little, and the notices change all day.
 *
 * What to change: in glibc, a lock that prefers writers (pthread_rwlockattr_setkind_np).  Better,
 * ask whether readers need to hold a lock for so long, or at all: see the demo snapshot.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include "demo.h"
#include "truth.h"

#define READERS 4
#define READS 160 /* of each reader */
#define READING (2 * DEMO_MS)
#define WALKING (DEMO_MS / 20) /* outside of the room, between two reads */
#define CHANGES 8
#define CHANGING (DEMO_MS / 5)
#define PAUSE_NS 8000000L /* between two changes */

enum { STARVING_WRITER, FAIR };
static const char *const variants[] = { "starving-writer", "fair", NULL };

static pthread_rwlock_t board_lock;
static long notices; /* changed only with board_lock for oneself */
static atomic_long reads, fresh_reads; /* of which fresh: those that saw a changed board */

static void *reader(void *arg)
{
	long me = (long)arg, seen = 0, fresh = 0;
	int line = 0;

	for (int i = 0; i < READS; i++) {
		line = __LINE__ + 1;
		pthread_rwlock_rdlock(&board_lock);
		fresh += notices > 0;
		seen += demo_work(i, READING) != 0;
		pthread_rwlock_unlock(&board_lock);
		seen -= demo_work(i, WALKING) == 0; /* never; the work is used */
	}
	atomic_fetch_add(&reads, seen);
	atomic_fetch_add(&fresh_reads, fresh);
	truth_site("board_lock", __func__, line);
	truth_thread(demo_name("reader", me).text);
	return NULL;
}

static void *editor(void *arg)
{
	uint64_t *longest_ns = arg;
	int line = 0;

	for (int i = 0; i < CHANGES; i++) {
		uint64_t wait_ns;

		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		wait_ns = demo_now_ns();
		line = __LINE__ + 1;
		pthread_rwlock_wrlock(&board_lock);
		wait_ns = demo_now_ns() - wait_ns;
		notices += demo_work(i, CHANGING) != 0;
		pthread_rwlock_unlock(&board_lock);
		if (wait_ns > *longest_ns)
			*longest_ns = wait_ns;
	}
	truth_site("board_lock", __func__, line);
	truth_thread("editor");
	return NULL;
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants);
	pthread_t readers[READERS], writer;
	pthread_rwlockattr_t attr;
	uint64_t longest_ns = 0;

	pthread_rwlockattr_init(&attr);
	if (variant == FAIR)
		pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&board_lock, &attr);
	truth_lock("board_lock", &board_lock);

	for (long i = 0; i < READERS; i++)
		readers[i] = demo_thread(demo_name("reader", i + 1).text, reader, (void *)(i + 1));
	writer = demo_thread("editor", editor, &longest_ns);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(writer, NULL);

	printf("%s: %ld reads and %ld changes, expected %d and %d; %ld reads saw a changed board; "
	       "the editor waited %.0f ms at worst\n",
	       variants[variant], (long)reads, notices, READERS * READS, CHANGES,
	       (long)fresh_reads, longest_ns / 1e6);
	truth_count("reads", reads);
	truth_count("changes", notices);
	truth_thread("main");
	return reads != READERS * READS || notices != CHANGES;
}
