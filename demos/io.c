/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io [blocking | epoll]
 *
 * The idea: waiting can overlap, and one thread is enough for it.
 *
 * The picture: a cook orders from three hundred suppliers.  One way is to ring up the first, hold
 * the line until he answers, then ring up the second.  The other is to write three hundred
 * postcards and open the answers as they drop into the letter box.  Neither way needs a second
 * cook.
 *
 * What to look for: blocking spends the whole run blocked in read(2) on sockets, one after
 * another, and nothing runs meanwhile.  epoll sends all requests, rests in epoll_wait(2) and is
 * done in the time of a few answers.  The server is a process of its own here, so that it shows up
 * in the trace: it answers each request ANSWER_NS after it came, as a far-away one would.
 *
 * What to change: start all waits first, then wait for any of them (epoll, or threads for a few).
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
#define ANSWER_NS 4000000u /* how long an answer takes to arrive */
#define PRICE 3		   /* the answer to n is PRICE * n */

enum { BLOCKING, EPOLL };
static const char *const variants[] = { "blocking", "epoll", NULL };

struct line { /* a connection: the client's end and the server's */
	int client, server;
};

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
static void serve(struct line *lines)
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

static long order_one_by_one(struct line *lines)
{
	long sum = 0;

	for (int i = 0; i < REQUESTS; i++) {
		ask(lines[i].client, i);
		sum += hear(lines[i].client);
	}
	return sum;
}

static long order_all_at_once(struct line *lines)
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
	static struct line lines[REQUESTS];
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
		serve(lines);
		_exit(0);
	}

	pthread_setname_np(pthread_self(), "client");
	start_ns = demo_now_ns();
	sum = variant == EPOLL ? order_all_at_once(lines) : order_one_by_one(lines);
	printf("%s: %d answers in %lu ms, sum %ld, expected %ld\n", variants[variant], REQUESTS,
	       (unsigned long)((demo_now_ns() - start_ns) / 1000000), sum, expected);
	waitpid(server, NULL, 0);
	truth_count("answers", REQUESTS);
	truth_thread("client");
	return sum != expected;
}
