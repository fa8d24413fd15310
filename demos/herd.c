/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * herd [broadcast | signal]
 *
 * The idea: wake as many as there is work for.
 *
 * The picture: sixteen porters doze in a hotel lobby.  A guest arrives with one suitcase and the
 * bell rings for all of them: sixteen jump up, one takes the suitcase, fifteen sit down again.  A
 * bell that wakes one does the same work and lets the others sleep.
 *
 * What to look for: with broadcast every suitcase wakes all porters: fifteen of sixteen wake-ups
 * find nothing, go through lobby_lock one after another and wait again, and the switches of each
 * thread are sixteen times the suitcases that it carried.  With signal there is about one wake-up
 * for a suitcase.
 *
 * What to change: signal, where any one of those that wait will do.  Broadcast is for news that
 * concern all of them: the end of the day.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include "demo.h"
#include "truth.h"

#define PORTERS 16
#define SUITCASES 700
#define PAUSE_NS 1000000L /* between two guests */
#define CARRYING (DEMO_MS / 10)

enum { BROADCAST, SIGNAL };
static const char *const variants[] = { "broadcast", "signal", NULL };
static int variant;

static pthread_mutex_t lobby_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
static int suitcases; /* in the lobby; guarded by lobby_lock, as the next two */
static bool closed;
static long carried, wakeups;

static bool take_suitcase(void)
{
	bool taken;

	pthread_mutex_lock(&lobby_lock);
	while (suitcases == 0 && !closed) {
		pthread_cond_wait(&bell, &lobby_lock);
		wakeups++;
	}
	taken = suitcases > 0;
	suitcases -= taken;
	carried += taken;
	pthread_mutex_unlock(&lobby_lock);
	return taken;
}

static void *porter(void *arg)
{
	uint64_t hands = (long)arg;

	while (take_suitcase())
		hands = demo_work(hands, CARRYING);
	truth_thread(demo_name("porter", (long)arg).text);
	return (void *)(uintptr_t)hands; /* used, so that the compiler cannot leave the work out */
}

static void bring_suitcase(void)
{
	pthread_mutex_lock(&lobby_lock);
	suitcases++;
	if (variant == BROADCAST)
		pthread_cond_broadcast(&bell);
	else
		pthread_cond_signal(&bell);
	pthread_mutex_unlock(&lobby_lock);
}

static void close_lobby(void)
{
	pthread_mutex_lock(&lobby_lock);
	closed = true;
	pthread_cond_broadcast(&bell);
	pthread_mutex_unlock(&lobby_lock);
}

int main(int argc, char **argv)
{
	pthread_t porters[PORTERS];

	variant = demo_variant(argc, argv, variants);
	truth_lock("lobby_lock", &lobby_lock);
	for (long i = 0; i < PORTERS; i++)
		porters[i] = demo_thread(demo_name("porter", i + 1).text, porter, (void *)(i + 1));
	for (int i = 0; i < SUITCASES; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		bring_suitcase();
	}
	close_lobby();
	for (int i = 0; i < PORTERS; i++)
		pthread_join(porters[i], NULL);

	printf("%s: %ld suitcases carried, expected %d; %ld wake-ups for them\n", variants[variant],
	       carried, SUITCASES, wakeups);
	truth_count("suitcases", carried);
	truth_thread("main");
	return carried != SUITCASES;
}
