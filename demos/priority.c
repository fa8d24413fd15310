/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * priority [inversion | priority-inheritance]
 *
 * The idea: priority inversion: the important waits for the unimportant.
 *
 * The picture: the trainee has the key of the archive when the director wants to go in, so the
 * director waits for the trainee; that cannot be helped.  But then the head clerk comes, who
 * outranks the trainee, and keeps him from working.  Now the director waits for the head clerk,
 * who does not even know about it.
 *
 * What to look for: with inversion director is blocked on archive_lock for tens of milliseconds,
 * and trainee, who holds it, is not running but runnable: clerk has the CPU.  (All three share one
 * CPU here.)  With priority-inheritance the trainee borrows the director's priority for as long as
 * it holds the key, and the wait is as long as the trainee's work with it: the clerk comes after.
 *
 * What to change: pthread_mutexattr_setprotocol(PTHREAD_PRIO_INHERIT), for locks that threads of
 * different priorities share.  Or do not let them share one.
 *
 * Real-time priorities need a right that not everyone has ('ctrace demo' gives it when run by
 * root).  Without it inversion is made with nice values, and priority-inheritance, which works on
 * real-time priorities alone, says so and ends with status 3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/resource.h>
#include "demo.h"
#include "truth.h"

#define ROUNDS 25
#define FILING (4 * DEMO_MS)   /* the trainee's work, with the key */
#define READING (1 * DEMO_MS)  /* the director's, with the key */
#define WRITING (25 * DEMO_MS) /* the clerk's, without */
#define PAUSE_NS 10000000L     /* real-time threads leave the CPU to others now and then */
#define NO_RIGHT 3	       /* exit status */

enum { INVERSION, PRIORITY_INHERITANCE };
static const char *const variants[] = { "inversion", "priority-inheritance", NULL };

enum { DIRECTOR, CLERK, TRAINEE, PEOPLE };
static const struct {
	const char *name;
	int realtime; /* SCHED_FIFO; 0: an ordinary thread */
	int nice;     /* where real-time priorities are not allowed */
} people[PEOPLE] = { { "director", 2, 0 }, { "clerk", 1, 0 }, { "trainee", 0, 15 } };

static pthread_mutex_t archive_lock;
static sem_t begin[PEOPLE], done; /* a round */
static uint64_t longest_ns;	  /* that the director waited */
static long files;		  /* guarded by archive_lock */

static bool allow_realtime(void)
{
	struct sched_param param = { .sched_priority = people[DIRECTOR].realtime };
	bool allowed = sched_setscheduler(0, SCHED_FIFO, &param) == 0;

	param.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &param);
	return allowed;
}

static void take_rank(int who)
{
	struct sched_param param = { .sched_priority = people[who].realtime };

	if (param.sched_priority == 0 || sched_setscheduler(0, SCHED_FIFO, &param))
		setpriority(PRIO_PROCESS, gettid(), people[who].nice);
}

static void *trainee(void *arg)
{
	int line = 0;

	take_rank(TRAINEE);
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&begin[TRAINEE]);
		line = __LINE__ + 1;
		pthread_mutex_lock(&archive_lock);
		sem_post(&begin[DIRECTOR]); /* now that the key is taken, the others come */
		sem_post(&begin[CLERK]);
		files += demo_work(i, FILING) != 0;
		pthread_mutex_unlock(&archive_lock);
		sem_post(&done);
	}
	truth_site("archive_lock", __func__, line);
	truth_thread("trainee");
	return arg;
}

static void *director(void *arg)
{
	int line = 0;

	take_rank(DIRECTOR);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t wait_ns;

		sem_wait(&begin[DIRECTOR]);
		wait_ns = demo_now_ns();
		line = __LINE__ + 1;
		pthread_mutex_lock(&archive_lock);
		wait_ns = demo_now_ns() - wait_ns;
		files += demo_work(i, READING) != 0;
		pthread_mutex_unlock(&archive_lock);
		if (wait_ns > longest_ns)
			longest_ns = wait_ns;
		sem_post(&done);
	}
	truth_site("archive_lock", __func__, line);
	truth_thread("director");
	return arg;
}

static void *clerk(void *arg)
{
	uint64_t letters = (uintptr_t)arg;

	take_rank(CLERK);
	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&begin[CLERK]);
		letters = demo_work(letters, WRITING);
		sem_post(&done);
	}
	truth_thread("clerk");
	return (void *)(uintptr_t)letters; /* used, so that no compiler leaves the work out */
}

int main(int argc, char **argv)
{
	static void *(*const work[PEOPLE])(void *) = { director, clerk, trainee };
	int variant = demo_variant(argc, argv, variants);
	bool realtime = allow_realtime();
	pthread_mutexattr_t attr;
	pthread_t threads[PEOPLE];

	if (variant == PRIORITY_INHERITANCE && !realtime) {
		fprintf(stderr, "priority: priority-inheritance needs the right to real-time "
				"priorities (root, or ulimit -r 2)\n");
		return NO_RIGHT;
	}
	pthread_mutexattr_init(&attr);
	if (variant == PRIORITY_INHERITANCE)
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&archive_lock, &attr);
	truth_lock("archive_lock", &archive_lock);

	sem_init(&done, 0, 0);
	demo_one_cpu();
	for (int i = 0; i < PEOPLE; i++) {
		sem_init(&begin[i], 0, 0);
		threads[i] = demo_thread(people[i].name, work[i], NULL);
	}
	for (int i = 0; i < ROUNDS; i++) {
		sem_post(&begin[TRAINEE]);
		for (int who = 0; who < PEOPLE; who++)
			sem_wait(&done);
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	for (int i = 0; i < PEOPLE; i++)
		pthread_join(threads[i], NULL);

	printf("%s (%s): %ld files moved, expected %d; the director waited %.1f ms at worst\n",
	       variants[variant], realtime ? "real-time priorities" : "nice values", files,
	       2 * ROUNDS, longest_ns / 1e6);
	truth_count("files", files);
	truth_thread("main");
	return files != 2 * ROUNDS;
}
