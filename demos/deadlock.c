/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deadlock [ab-ba | philosophers | self | ordered] [SECONDS] [PHILOSOPHERS]
 *
 * The idea: deadlock, and the agreed order that makes it impossible.
 *
 * The picture: Alice and Bob write letters at one desk, with one pen and one sheet of paper.
 * Alice takes the pen and reaches for the paper; Bob has the paper and reaches for the pen.  Both
 * are polite, neither lets go.  They sit there still.  Philosophers around a table do the same with
 * forks: each takes the left one, then reaches for the right one (as many as you like; 5).  And who
 * is alone (self) can lock himself out: with the pen in hand he calls a function that takes the
 * pen.
 *
 * What to look for: with ab-ba the program never ends: alice is blocked on paper_lock, which bob
 * holds, bob on pen_lock, which alice holds, and main waits to join them.  No thread uses any CPU.
 * ctrace says so within a second.  Ctrl-C ends it; or give SECONDS (0: never), after which it gives
 * up with exit status 3.
 *
 * What to change: everybody takes the pen first.  With ordered they still wait for each other now
 * and then, but in a line, never in a ring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include "demo.h"
#include "truth.h"

#define LETTERS 100	      /* of each writer */
#define THINKING_NS 8000000u  /* from one letter to the next; both begin at the same stroke */
#define LOOKING_NS 100000L    /* up from the first thing in hand */
#define WRITING (DEMO_MS / 20) /* holding one thing, and again holding both */
#define GAVE_UP 3	      /* exit status */
#define PHILOSOPHERS 5
#define PHILOSOPHERS_MAX 1000

enum { AB_BA, PHILOSOPHER_TABLE, SELF, ORDERED };
static const char *const variants[] = { "ab-ba", "philosophers", "self", "ordered", NULL };
static int variant;

static pthread_mutex_t pen_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t paper_lock = PTHREAD_MUTEX_INITIALIZER;
static int letters; /* guarded by both locks */

static pthread_mutex_t forks[PHILOSOPHERS_MAX];
static long philosophers;
/* all take their left fork before anybody reaches for the right one */
static pthread_barrier_t dinner;

/* What to write, with empty hands: until the next stroke of the clock, which all hear. */
static void think(void)
{
	uint64_t next_ns = (demo_now_ns() / THINKING_NS + 1) * THINKING_NS;
	struct timespec stroke = { .tv_sec = (time_t)(next_ns / 1000000000u),
				   .tv_nsec = (long)(next_ns % 1000000000u) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &stroke, NULL);
}

static void write_a_line(void)
{
	if (demo_work(1, WRITING) == 0)
		letters = -LETTERS; /* never; the work is used */
}

/* With one thing in hand: a line, and a look around, in which the other one comes, on one core and
 * on many. */
static void look_around(void)
{
	write_a_line();
	nanosleep(&(struct timespec){ .tv_nsec = LOOKING_NS }, NULL);
}

static void write_letter(void)
{
	write_a_line();
	letters++;
}

/* Before reaching for what another one may have: the last one who says so closes the ring. */
static void say_reaching(void)
{
	truth_count("reaching_ns", (long)demo_now_ns());
}

static void *alice(void *arg)
{
	int line = 0;

	for (int i = 0; i < LETTERS; i++) {
		think();
		pthread_mutex_lock(&pen_lock);
		look_around();
		say_reaching();
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
		think();
		pthread_mutex_lock(first);
		look_around();
		say_reaching();
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

static void *philosopher(void *arg)
{
	long seat = (long)arg;
	pthread_mutex_t *left = &forks[seat], *right = &forks[(seat + 1) % philosophers];

	pthread_mutex_lock(left);
	pthread_barrier_wait(&dinner);
	think();
	say_reaching();
	pthread_mutex_lock(right);
	pthread_mutex_unlock(right);
	pthread_mutex_unlock(left);
	return NULL;
}

static void *carol(void *arg)
{
	pthread_mutex_lock(&pen_lock);
	write_letter();
	say_reaching();
	pthread_mutex_lock(&pen_lock); /* as if in a function that was written elsewhere */
	pthread_mutex_unlock(&pen_lock);
	pthread_mutex_unlock(&pen_lock);
	return arg;
}

static void give_up(int signal)
{
	static const char message[] = "deadlock: gave up waiting\n";
	ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)signal;
	(void)written; /* nothing can be done about it in a signal handler */
	_exit(GAVE_UP);
}

static int sit_at_table(void)
{
	static pthread_t threads[PHILOSOPHERS_MAX];

	pthread_barrier_init(&dinner, NULL, philosophers);
	for (long i = 0; i < philosophers; i++)
		pthread_mutex_init(&forks[i], NULL);
	for (long i = 0; i < philosophers; i++) {
		char name[32]; /* the kernel keeps 15 characters */

		snprintf(name, sizeof(name), "eater-%ld", i);
		threads[i] = demo_thread(name, philosopher, (void *)i);
	}
	for (long i = 0; i < philosophers; i++)
		pthread_join(threads[i], NULL);
	printf("philosophers: all %ld have eaten, which they should not have\n", philosophers);
	return 1;
}

static int write_letters(void)
{
	pthread_t writers[2];

	writers[0] = demo_thread("alice", alice, NULL);
	writers[1] = demo_thread("bob", bob, NULL);
	pthread_join(writers[0], NULL);
	pthread_join(writers[1], NULL);

	printf("%s: %d letters written, expected %d\n", variants[variant], letters, 2 * LETTERS);
	truth_count("letters", letters);
	truth_thread("main");
	return letters != 2 * LETTERS;
}

/* Numbers from argv[2] on; what is not there is what it is without it. */
static long number_at(int argc, char **argv, int at, const char *meaning, long otherwise, long most)
{
	char *end;
	long n;

	if (argc <= at)
		return otherwise;
	n = strtol(argv[at], &end, 10);
	if (*argv[at] && !*end && n >= 0 && n <= most)
		return n;
	fprintf(stderr, "deadlock: %s must be a number from 0 to %ld, not '%s'\n", meaning, most,
		argv[at]);
	exit(2);
}

int main(int argc, char **argv)
{
	long seconds;

	variant = demo_variant(argc, argv, variants);
	seconds = number_at(argc, argv, 2, "SECONDS", 0, 86400);
	philosophers = number_at(argc, argv, 3, "PHILOSOPHERS", PHILOSOPHERS, PHILOSOPHERS_MAX);
	truth_lock("pen_lock", &pen_lock);
	truth_lock("paper_lock", &paper_lock);
	if (seconds) {
		signal(SIGALRM, give_up);
		alarm(seconds);
	}
	if (variant == PHILOSOPHER_TABLE && philosophers)
		return sit_at_table();
	if (variant == SELF)
		return pthread_join(demo_thread("carol", carol, NULL), NULL);
	return write_letters();
}
