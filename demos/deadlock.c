/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deadlock [ab-ba | ordered] [SECONDS]
 *
 * The idea: deadlock, and the agreed order that makes it impossible.
 *
 * The picture: Alice and Bob write letters at one desk, with one pen and one sheet of paper.
 * Alice takes the pen and reaches for the paper; Bob has the paper and reaches for the pen.  Both
 * are polite, neither lets go.  They sit there still.
 *
 * What to look for: with ab-ba the program never ends: alice is blocked on paper_lock, which bob
 * holds, bob on pen_lock, which alice holds, and main waits to join them.  No thread uses any CPU.
 * Ctrl-C ends it; or give SECONDS, after which it gives up with exit status 3.
 *
 * What to change: everybody takes the pen first.  With ordered they still wait for each other now
 * and then, but in a line, never in a ring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include "demo.h"
#include "truth.h"

#define LETTERS 200	    /* of each writer */
#define WRITING_NS 2000000L /* holding one thing, and again holding both */
#define GAVE_UP 3	    /* exit status */

enum { AB_BA, ORDERED };
static const char *const variants[] = { "ab-ba", "ordered", NULL };
static int variant;

static pthread_mutex_t pen_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t paper_lock = PTHREAD_MUTEX_INITIALIZER;
static int letters; /* guarded by both locks */

static void write_slowly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = WRITING_NS }, NULL);
}

static void write_letter(void)
{
	write_slowly();
	letters++;
}

static void *alice(void *arg)
{
	int line = 0;

	for (int i = 0; i < LETTERS; i++) {
		pthread_mutex_lock(&pen_lock);
		write_slowly();
		line = __LINE__ + 1;
		pthread_mutex_lock(&paper_lock);
		write_letter();
		pthread_mutex_unlock(&paper_lock);
		pthread_mutex_unlock(&pen_lock);
	}
	truth_site("paper_lock", __func__, line);
	truth_thread("alice");
	return arg;
}

static void *bob(void *arg)
{
	pthread_mutex_t *first = variant == ORDERED ? &pen_lock : &paper_lock;
	pthread_mutex_t *second = variant == ORDERED ? &paper_lock : &pen_lock;
	int line = 0;

	for (int i = 0; i < LETTERS; i++) {
		pthread_mutex_lock(first);
		write_slowly();
		line = __LINE__ + 1;
		pthread_mutex_lock(second);
		write_letter();
		pthread_mutex_unlock(second);
		pthread_mutex_unlock(first);
	}
	truth_site(variant == ORDERED ? "paper_lock" : "pen_lock", __func__, line);
	truth_thread("bob");
	return arg;
}

static void give_up(int signal)
{
	static const char message[] = "deadlock: gave up waiting for alice and bob\n";
	ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)signal;
	(void)written; /* nothing can be done about it in a signal handler */
	_exit(GAVE_UP);
}

int main(int argc, char **argv)
{
	pthread_t writers[2];
	long seconds;

	variant = demo_variant(argc, argv, variants);
	seconds = demo_number(argc, argv, "SECONDS", 0);
	truth_lock("pen_lock", &pen_lock);
	truth_lock("paper_lock", &paper_lock);
	if (seconds) {
		signal(SIGALRM, give_up);
		alarm(seconds);
	}

	writers[0] = demo_thread("alice", alice, NULL);
	writers[1] = demo_thread("bob", bob, NULL);
	pthread_join(writers[0], NULL);
	pthread_join(writers[1], NULL);

	printf("%s: %d letters written, expected %d\n", variants[variant], letters, 2 * LETTERS);
	truth_count("letters", letters);
	truth_thread("main");
	return letters != 2 * LETTERS;
}
