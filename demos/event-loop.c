/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event-loop [blocked | compute | clean]
 *
 * The idea: never block the receptionist.
 *
 * The picture: one receptionist serves eight guests, because each question takes a moment.  If she
 * walks down to the archive for one guest and waits there, or works through a ledger at the
 * counter, seven others stand and look at an empty desk, or at her back.  If she sends for the file
 * and goes on, nobody notices.
 *
 * What to look for: the thread receptionist.  With clean it rests in epoll_wait(2) nearly all of
 * the time and its bursts are short.  With blocked it sleeps elsewhere, in the handler, while
 * guests whose questions lie ready wait for it.  With compute it hardly rests at all: long bursts
 * of computing, in which everybody waits.  The printed wait of the guests is what they feel.
 *
 * What to change: in a handler, nothing that waits: start it and let its end be one more event (a
 * timer here; a socket, a pipe).  Nothing that computes long: give it to a thread of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include "demo.h"
#include "truth.h"

#define GUESTS 8
#define QUESTIONS 40 /* of each guest */
#define THINKING_NS 8000000L
#define OPENING_NS 5000000L
#define ARCHIVE_EVERY 4 /* each fourth question needs a file from the archive */
#define ARCHIVE_NS 12000000L
#define LOOKING (DEMO_MS / 20)	  /* the work for a question */
#define LEDGER (DEMO_MS * 4)	  /* and if all ledgers must be read for it */
#define ANSWER(question) ((question)*2 + 1)

enum { BLOCKED, COMPUTE, CLEAN };
static const char *const variants[] = { "blocked", "compute", "clean", NULL };
static int variant;

struct guest {
	int here, desk; /* the two ends of the connection */
	int timer;	/* clean: rings when the file is there */
	long question;	/* that waits for it */
	long answered;
	uint64_t wait_ns, longest_ns;
};
static struct guest guests[GUESTS];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *guest(void *arg)
{
	struct guest *me = arg;

	for (long question = 0; question < QUESTIONS; question++) {
		uint64_t start_ns = demo_now_ns(), wait_ns;
		long answer;

		if (write(me->here, &question, sizeof(question)) < 0 ||
		    read(me->here, &answer, sizeof(answer)) < 0)
			fail("guest");
		wait_ns = demo_now_ns() - start_ns;
		me->answered += answer == ANSWER(question);
		me->wait_ns += wait_ns;
		if (wait_ns > me->longest_ns)
			me->longest_ns = wait_ns;
		nanosleep(&(struct timespec){ .tv_nsec = THINKING_NS }, NULL);
	}
	truth_thread(demo_name("guest", me - guests + 1).text);
	return NULL;
}

static void answer(struct guest *g)
{
	long text = ANSWER(g->question);

	if (write(g->desk, &text, sizeof(text)) < 0)
		fail("write");
}

/* The handler of a question.  True when the answer is given. */
static bool handle(struct guest *g)
{
	struct itimerspec until = { .it_value.tv_nsec = ARCHIVE_NS };

	if (demo_work(g->question, variant == COMPUTE ? LEDGER : LOOKING) == 0)
		fail("work"); /* never; the work is used */
	if ((g->question + (g - guests)) % ARCHIVE_EVERY || variant == COMPUTE) {
		answer(g);
		return true;
	}
	if (variant == BLOCKED) {
		nanosleep(&until.it_value, NULL);
		answer(g);
		return true;
	}
	if (timerfd_settime(g->timer, 0, &until, NULL))
		fail("timerfd_settime");
	return false;
}

static int receive(const struct epoll_event *event)
{
	struct guest *g = &guests[event->data.u32 / 2];
	uint64_t rings;

	if (event->data.u32 % 2) { /* the timer: the file is there */
		if (read(g->timer, &rings, sizeof(rings)) < 0)
			fail("timer");
		answer(g);
		return 1;
	}
	if (read(g->desk, &g->question, sizeof(g->question)) < 0)
		fail("desk");
	return handle(g);
}

static void *receptionist(void *arg)
{
	int epoll = epoll_create1(0), answered = 0;

	for (uint32_t i = 0; i < GUESTS; i++) {
		struct epoll_event question = { .events = EPOLLIN, .data.u32 = 2 * i };
		struct epoll_event file = { .events = EPOLLIN, .data.u32 = 2 * i + 1 };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, guests[i].desk, &question) ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, guests[i].timer, &file))
			fail("epoll_ctl");
	}
	while (answered < GUESTS * QUESTIONS) {
		struct epoll_event ready[GUESTS];
		int n = epoll_wait(epoll, ready, GUESTS, -1);

		for (int i = 0; i < n; i++)
			answered += receive(&ready[i]);
	}
	truth_thread("receptionist");
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t desk, threads[GUESTS];
	uint64_t wait_ns = 0, longest_ns = 0;
	long answered = 0;

	variant = demo_variant(argc, argv, variants);
	for (int i = 0; i < GUESTS; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
			fail("socketpair");
		guests[i] = (struct guest){ .here = ends[0], .desk = ends[1],
					    .timer = timerfd_create(CLOCK_MONOTONIC, 0) };
	}
	desk = demo_thread("receptionist", receptionist, NULL);
	nanosleep(&(struct timespec){ .tv_nsec = OPENING_NS }, NULL); /* she is there first */
	for (int i = 0; i < GUESTS; i++)
		threads[i] = demo_thread(demo_name("guest", i + 1).text, guest, &guests[i]);
	for (int i = 0; i < GUESTS; i++) {
		pthread_join(threads[i], NULL);
		answered += guests[i].answered;
		wait_ns += guests[i].wait_ns;
		if (guests[i].longest_ns > longest_ns)
			longest_ns = guests[i].longest_ns;
	}
	pthread_join(desk, NULL);

	printf("%s: %ld right answers, expected %d; a guest waits %.1f ms, at worst %.1f ms\n",
	       variants[variant], answered, GUESTS * QUESTIONS,
	       wait_ns / 1e6 / (GUESTS * QUESTIONS), longest_ns / 1e6);
	truth_count("answers", answered);
	truth_thread("main");
	return answered != GUESTS * QUESTIONS;
}
