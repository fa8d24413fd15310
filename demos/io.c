/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io [blocking | threads | event-loop]
 *
 * The idea: waiting can overlap, and one thread is enough for it.
 *
 * The picture: a cook orders from three hundred suppliers.  One way is to ring up the first, hold
 * the line until he answers, then ring up the second.  Another is to give twelve helpers a
 * telephone each.  The third is to write three hundred postcards and open the answers as they drop
 * into the letter box: for that not even a second cook is needed.
 *
 * What to look for: with blocking, client is blocked in read(2) on sockets for the whole run, one
 * after another, and nothing runs meanwhile.  With threads the same waits lie under each other in
 * twelve rows.  With event-loop one thread sends all requests, rests in epoll_wait(2) and is done
 * in the time of a few answers.  (The server is a process of its own, so that it shows up in the
 * trace; it answers each request four milliseconds after it came, as a far-away one would.)
 *
 * What to change: start all waits first, then wait for any of them: threads for a few, an event
 * loop for hundreds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "demo.h"
#include "truth.h"

#define REQUESTS 300
#define HELPERS 12 /* threads */
#define ANSWER_NS 4000000u /* how long an answer takes to arrive */
#define PRICE 3		   /* the answer to n is PRICE * n */

enum { BLOCKING, THREADS, EVENT_LOOP };
static const char *const variants[] = { "blocking", "threads", "event-loop", NULL };

struct line { /* a connection: the client's end and the server's */
	int client, server;
};
static struct line lines[REQUESTS];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void ask(int fd, long question)
{
	if (write(fd, &question, sizeof(question)) != sizeof(question))
		fail("write");
}

static long hear(int fd)
{
	long answer;

	if (read(fd, &answer, sizeof(answer)) != sizeof(answer))
		fail("read");
	return answer;
}

/* Milliseconds from now to due_ns for epoll_wait(2): rounded up, 0 when it is past, -1 for 0. */
static int wait_ms(uint64_t due_ns)
{
	uint64_t now_ns = demo_now_ns();

	if (due_ns == 0)
		return -1;
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / 1000000 + 1);
}

/* Answers REQUESTS questions, each ANSWER_NS after it came. */
static void serve(void)
{
	static struct {
		int fd;
		uint64_t due_ns;
	} queue[REQUESTS];
	int asked = 0, answered = 0;
	int epoll = epoll_create1(0);

	for (int i = 0; i < REQUESTS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = lines[i].server };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, lines[i].server, &e))
			fail("epoll_ctl");
	}
	while (answered < REQUESTS) {
		uint64_t due_ns = answered < asked ? queue[answered].due_ns : 0;
		struct epoll_event e;

		if (epoll_wait(epoll, &e, 1, wait_ms(due_ns)) > 0) {
			queue[asked].fd = e.data.fd;
			queue[asked++].due_ns = demo_now_ns() + ANSWER_NS;
			epoll_ctl(epoll, EPOLL_CTL_MOD, e.data.fd, &(struct epoll_event){ 0 });
		}
		while (answered < asked && queue[answered].due_ns <= demo_now_ns()) {
			int fd = queue[answered++].fd;

			ask(fd, PRICE * hear(fd));
		}
	}
	truth_thread("server");
}

/* The requests first, first + step, ... */
static long order_one_by_one(int first, int step)
{
	long sum = 0;

	for (int i = first; i < REQUESTS; i += step) {
		ask(lines[i].client, i);
		sum += hear(lines[i].client);
	}
	return sum;
}

static void *helper(void *arg)
{
	long me = (long)arg, sum = order_one_by_one(me, HELPERS);

	truth_thread(demo_name("helper", me + 1).text);
	return (void *)sum;
}

static long order_with_helpers(void)
{
	pthread_t helpers[HELPERS];
	long sum = 0;

	for (long i = 0; i < HELPERS; i++)
		helpers[i] = demo_thread(demo_name("helper", i + 1).text, helper, (void *)i);
	for (int i = 0; i < HELPERS; i++) {
		void *part;

		pthread_join(helpers[i], &part);
		sum += (long)part;
	}
	return sum;
}

static long order_all_at_once(void)
{
	int epoll = epoll_create1(0);
	long sum = 0;

	for (int i = 0; i < REQUESTS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = lines[i].client };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, lines[i].client, &e))
			fail("epoll_ctl");
		ask(lines[i].client, i);
	}
	for (int answers = 0; answers < REQUESTS;) {
		struct epoll_event ready[REQUESTS];
		int n = epoll_wait(epoll, ready, REQUESTS, -1);

		for (int i = 0; i < n; i++)
			sum += hear(ready[i].data.fd);
		answers += n > 0 ? n : 0;
	}
	return sum;
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants);
	long sum, expected = 0;
	uint64_t start_ns;
	pid_t server;

	for (int i = 0; i < REQUESTS; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
			fail("socketpair");
		lines[i] = (struct line){ .client = ends[0], .server = ends[1] };
		expected += PRICE * i;
	}
	server = fork();
	if (server < 0)
		fail("fork");
	if (server == 0) {
		pthread_setname_np(pthread_self(), "server");
		serve();
		_exit(0);
	}

	pthread_setname_np(pthread_self(), "client");
	start_ns = demo_now_ns();
	if (variant == EVENT_LOOP)
		sum = order_all_at_once();
	else if (variant == THREADS)
		sum = order_with_helpers();
	else
		sum = order_one_by_one(0, 1);
	printf("%s: %d answers in %lu ms, sum %ld, expected %ld\n", variants[variant], REQUESTS,
	       (unsigned long)((demo_now_ns() - start_ns) / 1000000), sum, expected);
	waitpid(server, NULL, 0);
	truth_count("answers", REQUESTS);
	truth_thread("client");
	return sum != expected;
}
