/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch_innocent MODE: correct programs whose threads are kept apart by what is hard to see.  All
 * write `shared` (or bucket[150]); none may be accused.
 *
 *   striped    one mutex of 200 in an array
 *   deep       a mutex on the heap, known by a global pointer, held by a caller three frames up
 *   far        a mutex at the end of a large object on the heap, which main passed without it
 *   rwlock     a lock for readers and writers on the heap
 *   bit        a spin lock of its own: test and set
 *   compare    the same by compare and exchange
 *   ticket     the same by tickets
 *   turns      an atomic number says whose turn it is
 *   pipes      a byte goes round through pipes
 *   queue      handed to another thread and back through a queue
 *   posted     handed on by a semaphore that its poster never waits for
 *
 * Threads rest often, so that locks are seldom waited for and so not learnt from the waits.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 3
#define TIMES 200

static volatile long shared, bucket[200];
static pthread_mutex_t stripes[200], *on_heap;
static struct object {
	long before[30];
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
} *object;
static atomic_flag bit = ATOMIC_FLAG_INIT;
static atomic_int word, next_ticket, serving, turn;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_changed = PTHREAD_COND_INITIALIZER;
static int queued;
static int pipes[WORKERS + 1][2];
static sem_t posted;

static void rest(long me)
{
	usleep(100 * me);
}

static void striped(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		pthread_mutex_lock(&stripes[150]);
		bucket[150] = bucket[150] + 1;
		pthread_mutex_unlock(&stripes[150]);
	}
}

static __attribute__((noinline)) void inner(void)
{
	volatile char room[200];

	room[0] = 1;
	shared = shared + room[0];
}

static __attribute__((noinline)) void middle(void)
{
	volatile char room[200];

	room[0] = 1;
	inner();
	room[1] = 1;
}

static void deep(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		pthread_mutex_lock(on_heap);
		middle();
		pthread_mutex_unlock(on_heap);
	}
}

static void far(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		if (me)
			pthread_mutex_lock(&object->mutex);
		shared = shared + 1;
		if (me)
			pthread_mutex_unlock(&object->mutex);
	}
}

static void by_rwlock(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		pthread_rwlock_wrlock(&object->rwlock);
		shared = shared + 1;
		pthread_rwlock_unlock(&object->rwlock);
	}
}

static void by_bit(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		while (atomic_flag_test_and_set(&bit))
			;
		shared = i;
		atomic_flag_clear(&bit);
	}
}

static void by_compare(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		int expected = 0;

		while (!atomic_compare_exchange_weak(&word, &expected, 1))
			expected = 0;
		shared = i;
		atomic_store_explicit(&word, 0, memory_order_release);
	}
}

static void by_ticket(long me)
{
	for (long i = 0; i < TIMES; i++, rest(me)) {
		int mine = atomic_fetch_add(&next_ticket, 1);

		while (atomic_load(&serving) != mine)
			;
		shared = i;
		atomic_store_explicit(&serving, mine + 1, memory_order_release);
	}
}

static void by_turns(long me)
{
	for (long i = 0; i < TIMES; i++) {
		while (atomic_load_explicit(&turn, memory_order_acquire) != me)
			;
		shared = i;
		atomic_store_explicit(&turn, me % WORKERS + 1, memory_order_release);
	}
}

static void by_pipes(long me)
{
	char byte = 0;

	for (long i = 0; i < TIMES; i++) {
		if ((me > 1 || i) && read(pipes[me][0], &byte, 1) != 1)
			abort();
		shared = i;
		if (write(pipes[me % WORKERS + 1][1], &byte, 1) != 1)
			abort();
	}
}

static void by_queue(long me)
{
	for (long i = 0; i < TIMES && me <= 2; i++) {
		pthread_mutex_lock(&queue_lock);
		while (queued != (me == 2))
			pthread_cond_wait(&queue_changed, &queue_lock);
		pthread_mutex_unlock(&queue_lock);
		shared = i; /* the one that the queue says */
		pthread_mutex_lock(&queue_lock);
		queued = me == 1;
		pthread_cond_broadcast(&queue_changed);
		pthread_mutex_unlock(&queue_lock);
	}
}

static void by_post(long me)
{
	if (me == 1) {
		for (long i = 0; i < TIMES; i++) {
			shared = i;
			if (i % 2)
				rest(me);
		}
		sem_post(&posted);
	} else if (me == 2) {
		sem_wait(&posted);
		for (long i = 0; i < TIMES; i++)
			shared = i;
	}
}

static const struct {
	const char *name;
	void (*run)(long me);
} modes[] = { { "striped", striped }, { "deep", deep }, { "far", far }, { "rwlock", by_rwlock },
	{ "bit", by_bit }, { "compare", by_compare }, { "ticket", by_ticket },
	{ "turns", by_turns }, { "pipes", by_pipes }, { "queue", by_queue },
	{ "posted", by_post } };
static size_t mode;

static void *run(void *arg)
{
	modes[mode].run((long)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t workers[WORKERS];

	for (mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
		if (argc > 1 && !strcmp(argv[1], modes[mode].name))
			break;
	if (mode == sizeof(modes) / sizeof(*modes))
		return 2;
	for (int i = 0; i < 200; i++)
		pthread_mutex_init(&stripes[i], NULL);
	on_heap = malloc(sizeof(*on_heap));
	pthread_mutex_init(on_heap, NULL);
	object = calloc(1, sizeof(*object));
	pthread_mutex_init(&object->mutex, NULL);
	pthread_rwlock_init(&object->rwlock, NULL);
	for (int i = 1; i <= WORKERS; i++)
		if (pipe(pipes[i]))
			return 1;
	sem_init(&posted, 0, 0);
	turn = 1;
	if (modes[mode].run == far)
		far(0);
	for (long i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, run, (void *)(i + 1));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	return 0;
}
