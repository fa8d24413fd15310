/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switching [thousands | few]
 *
 * The idea: the cost of a context switch.
 *
 * The picture: one desk, two clerks: the first stamps a form, the second signs it.  If they change
 * seats for every single form, most of the day goes into getting up and sitting down.  If the first
 * stamps a whole stack before they change seats, the same forms are done in a fraction of the time.
 *
 * What to look for: with thousands the two threads hand over at every form, on one CPU: the report
 * counts two hundred thousand switches, and the CPU is busy all the time with little of it spent on
 * forms.  With few the hand-overs are two hundred, and the program takes the time that the forms
 * take.
 *
 * What to change: hand over more at once.  A switch costs microseconds; what is done between two
 * of them should cost much more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include "demo.h"
#include "truth.h"

#define FORMS 100000
#define HANDLING 200 /* steps of work for a form, of each clerk */
#define STACK 1000    /* forms on a desk that has room for a stack */

enum { THOUSANDS, FEW };
static const char *const variants[] = { "thousands", "few", NULL };
static int at_once; /* forms handed over together */

static uint64_t desk[STACK];
static sem_t stamped; /* the desk is full: the signer's turn */
static sem_t signed_; /* the desk is empty again: the stamper's turn */
static long forms_done;

static void *stamper(void *arg)
{
	for (int i = 0; i < FORMS; i += at_once) {
		for (int k = 0; k < at_once; k++)
			desk[k] = demo_work(i + k, HANDLING);
		sem_post(&stamped);
		sem_wait(&signed_);
	}
	truth_thread("stamper");
	return arg;
}

static void *signer(void *arg)
{
	for (int i = 0; i < FORMS; i += at_once) {
		sem_wait(&stamped);
		for (int k = 0; k < at_once; k++)
			forms_done += demo_work(desk[k], HANDLING) != 0;
		sem_post(&signed_);
	}
	truth_thread("signer");
	return arg;
}

int main(int argc, char **argv)
{
	int variant = demo_variant(argc, argv, variants);
	uint64_t start_ns = demo_now_ns();
	pthread_t clerks[2];

	at_once = variant == FEW ? STACK : 1;
	sem_init(&stamped, 0, 0);
	sem_init(&signed_, 0, 0);
	truth_lock("stamped", &stamped);
	truth_lock("signed_", &signed_);

	demo_one_cpu(); /* one desk */
	clerks[0] = demo_thread("stamper", stamper, NULL);
	clerks[1] = demo_thread("signer", signer, NULL);
	pthread_join(clerks[0], NULL);
	pthread_join(clerks[1], NULL);

	printf("%s: %ld forms in %ld ms, %d at a time, expected %d\n", variants[variant],
	       forms_done, demo_ms_since(start_ns), at_once, FORMS);
	truth_count("forms", forms_done);
	truth_thread("main");
	return forms_done != FORMS;
}
