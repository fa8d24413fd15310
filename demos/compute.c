/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compute [sequential | async | parallel]
 *
 * The idea: async gives no help to heavy computing; CPUs do.
 *
 * The picture: eight cameras send photos that have to be developed.  Developing takes twenty times
 * as long as sending.  A single person who orders all photos at once, and develops them as they
 * come in, has saved the little time of sending and still develops alone.  Four people are done
 * four times sooner, if there are four darkrooms.
 *
 * What to look for: sequential and async take nearly the same time: one thread runs, end to end,
 * and other CPUs are idle.  async shows a loop that is meant to rest in epoll_wait(2) and hardly
 * ever does; its bursts are eight photos long.  parallel keeps as many CPUs busy as there are, up
 * to four.
 *
 * What to change: ask first what the time goes into.  Waiting is what async overlaps; computing
 * needs more CPUs: threads, or processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "demo.h"
#include "truth.h"

#define CAMERAS 8
#define PAGES 7 /* of the album; each camera has a photo on every page */
#define DEVELOPERS 4 /* parallel */
#define SENDING_NS 1000000L
#define DEVELOPING (20 * DEMO_MS)

enum { SEQUENTIAL, ASYNC, PARALLEL };
static const char *const variants[] = { "sequential", "async", "parallel", NULL };

struct line { /* to a camera: our end and its own */
	int here, camera;
};
static struct line lines[CAMERAS];
static int developed[CAMERAS]; /* photos of each camera */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Stands for all cameras: sends a photo, a moment after it was asked for. */
static void *cameras(void *arg)
{
	struct pollfd asked[CAMERAS];

	for (int i = 0; i < CAMERAS; i++)
		asked[i] = (struct pollfd){ .fd = lines[i].camera, .events = POLLIN };
	for (int sent = 0; sent < CAMERAS * PAGES;) {
		poll(asked, CAMERAS, -1);
		nanosleep(&(struct timespec){ .tv_nsec = SENDING_NS }, NULL);
		for (int i = 0; i < CAMERAS; i++) {
			long photo;

			if (!(asked[i].revents & POLLIN))
				continue;
			if (read(lines[i].camera, &photo, sizeof(photo)) < 0 ||
			    write(lines[i].camera, &photo, sizeof(photo)) < 0)
				fail("camera");
			sent++;
		}
	}
	truth_thread("cameras");
	return arg;
}

static void ask(int camera, long photo)
{
	if (write(lines[camera].here, &photo, sizeof(photo)) < 0)
		fail("ask");
}

static void develop(int camera)
{
	long photo;

	if (read(lines[camera].here, &photo, sizeof(photo)) < 0)
		fail("develop");
	developed[camera] += demo_work(photo, DEVELOPING) != 0;
}

/* One after the other, of the cameras first, first + step, ... */
static void in_sequence(int first, int step)
{
	for (long page = 0; page < PAGES; page++) {
		for (int camera = first; camera < CAMERAS; camera += step) {
			ask(camera, page * CAMERAS + camera);
			develop(camera);
		}
	}
}

static void in_event_loop(void)
{
	int epoll = epoll_create1(0);

	for (uint32_t i = 0; i < CAMERAS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, lines[i].here, &e))
			fail("epoll_ctl");
	}
	for (long page = 0; page < PAGES; page++) {
		for (int i = 0; i < CAMERAS; i++)
			ask(i, page * CAMERAS + i);
		for (int ready = 0; ready < CAMERAS;) {
			struct epoll_event events[CAMERAS];
			int n = epoll_wait(epoll, events, CAMERAS, -1);

			for (int i = 0; i < n; i++)
				develop(events[i].data.u32);
			ready += n > 0 ? n : 0;
		}
	}
}

static void *developer(void *arg)
{

	in_sequence((long)arg, DEVELOPERS);
	truth_thread(demo_name("developer", (long)arg + 1).text);
	return NULL;
}

static void in_parallel(void)
{
	pthread_t developers[DEVELOPERS];

	for (long i = 0; i < DEVELOPERS; i++)
		developers[i] = demo_thread(demo_name("developer", i + 1).text, developer,
					    (void *)i);
	for (int i = 0; i < DEVELOPERS; i++)
		pthread_join(developers[i], NULL);
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants), photos = 0;
	uint64_t start_ns = demo_now_ns();
	pthread_t sender;

	for (int i = 0; i < CAMERAS; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
			fail("socketpair");
		lines[i] = (struct line){ .here = ends[0], .camera = ends[1] };
	}
	sender = demo_thread("cameras", cameras, NULL);
	if (variant == SEQUENTIAL)
		in_sequence(0, 1);
	else if (variant == ASYNC)
		in_event_loop();
	else
		in_parallel();
	pthread_join(sender, NULL);
	for (int i = 0; i < CAMERAS; i++)
		photos += developed[i];

	printf("%s: %d photos developed in %ld ms, expected %d\n", variants[variant], photos,
	       demo_ms_since(start_ns), CAMERAS * PAGES);
	truth_count("photos", photos);
	truth_thread("main");
	return photos != CAMERAS * PAGES;
}
