/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * processes [processes | threads]
 *
 * The idea: processes and threads: what is shared, what a start costs, what a message costs.
 *
 * The picture: two firms do the same job.  In one, every worker has an office of his own and a copy
 * of the files; what he finds out, he has to send.  In the other all sit at one table: nothing
 * needs to be sent, and anybody can put his elbow into anybody's papers.
 *
 * What to look for: the printed figures: what a start and a message cost, and the tally.  Every
 * worker adds its jobs to the variable `tally`; with processes each adds to a copy of its own, and
 * in main it stays 0.  In the report, processes are several programs with a pid each, and main
 * waits for them in pipes and wait4(2); threads are one, and main waits on a semaphore and in join.
 *
 * What to change: nothing is wrong with either.  Threads are cheap and share; processes share
 * nothing that they do not send, and one that crashes does not take the others along.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "demo.h"
#include "truth.h"

#define STARTS 100  /* of helpers that do nothing */
#define MESSAGES 500 /* there and back */
#define WORKERS 4
#define JOBS 200 /* of each worker */

enum { PROCESSES, THREADS };
static const char *const variants[] = { "processes", "threads", NULL };
static int variant;

static atomic_long tally; /* what main sees of the jobs of the others */

/* A box for one message: between processes a pipe, in shared memory a variable and a semaphore. */
struct box {
	int pipe[2];
	sem_t full;
	long message;
};
static struct box requests, answers, results;

static void open_box(struct box *box)
{
	if (pipe(box->pipe) || sem_init(&box->full, 0, 0)) {
		perror("pipe");
		exit(1);
	}
}

static void put(struct box *box, long message)
{
	if (variant == THREADS) {
		box->message = message;
		sem_post(&box->full);
	} else if (write(box->pipe[1], &message, sizeof(message)) != sizeof(message)) {
		perror("write");
		exit(1);
	}
}

static long take(struct box *box)
{
	if (variant == THREADS) {
		sem_wait(&box->full);
		return box->message;
	}
	if (read(box->pipe[0], &box->message, sizeof(box->message)) != sizeof(box->message)) {
		perror("read");
		exit(1);
	}
	return box->message;
}

/* A thread or a process that runs the function and ends. */
union helper {
	pthread_t thread;
	pid_t process;
};

static union helper begin(const char *name, void *(*run)(void *), void *arg)
{
	union helper helper;

	if (variant == THREADS) {
		helper.thread = demo_thread(name, run, arg);
		return helper;
	}
	helper.process = fork();
	if (helper.process == 0) {
		pthread_setname_np(pthread_self(), name);
		run(arg);
		_exit(0);
	}
	return helper;
}

static void end(union helper helper)
{
	if (variant == THREADS)
		pthread_join(helper.thread, NULL);
	else
		waitpid(helper.process, NULL, 0);
}

static void *do_nothing(void *arg)
{
	pthread_setname_np(pthread_self(), "helper"); /* it is gone before anyone else could */
	return arg;
}

static void *echo(void *arg)
{
	for (int i = 0; i < MESSAGES; i++)
		put(&answers, take(&requests));
	truth_thread("echo");
	return arg;
}

static void *worker(void *arg)
{
	long done = 0;

	for (int i = 0; i < JOBS; i++)
		done += demo_work((long)arg + i, DEMO_MS) != 0;
	atomic_fetch_add(&tally, done);
	/* where the tally is not shared, main must be told */
	if (variant == PROCESSES)
		put(&results, done);
	truth_thread(demo_name("worker", (long)arg).text);
	return NULL;
}

static double cost_of_start_us(void)
{
	uint64_t start_ns = demo_now_ns();

	for (int i = 0; i < STARTS; i++)
		end(begin("helper", do_nothing, NULL));
	return (demo_now_ns() - start_ns) / 1000.0 / STARTS;
}

static double cost_of_message_us(void)
{
	union helper helper = begin("echo", echo, NULL);
	uint64_t start_ns = demo_now_ns();

	for (int i = 0; i < MESSAGES; i++) {
		put(&requests, i);
		take(&answers);
	}
	start_ns = demo_now_ns() - start_ns;
	end(helper);
	return start_ns / 1000.0 / MESSAGES / 2;
}

int main(int argc, char **argv)
{
	union helper workers[WORKERS];
	long sum = 0;

	variant = demo_variant(argc, argv, variants);
	open_box(&requests);
	open_box(&answers);
	open_box(&results);
	printf("%s: a start and its end cost %.0f us, ", variants[variant], cost_of_start_us());
	printf("a message %.1f us\n", cost_of_message_us());
	fflush(stdout); /* or each process would print what is left in its copy */

	for (long i = 0; i < WORKERS; i++)
		workers[i] = begin(demo_name("worker", i + 1).text, worker, (void *)(i + 1));
	for (int i = 0; i < WORKERS; i++)
		sum += variant == PROCESSES ? take(&results) : 0;
	for (int i = 0; i < WORKERS; i++)
		end(workers[i]);
	sum += atomic_load(&tally);

	printf("%s: %ld jobs done, expected %d; tally in main: %ld\n", variants[variant], sum,
	       WORKERS * JOBS, (long)tally);
	truth_count("jobs", sum);
	truth_thread("main");
	return sum != WORKERS * JOBS;
}
