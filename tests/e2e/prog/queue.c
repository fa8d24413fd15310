/* SPDX-License-Identifier: BSD-2-Clause */
/* argv[1] threads queue for one mutex, argv[2] times each, and hold it while they nap. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t counter = PTHREAD_MUTEX_INITIALIZER;
static int turns;

static void *customer(void *arg)
{
	for (int i = 0; i < turns; i++) {
		pthread_mutex_lock(&counter);
		usleep(1);
		pthread_mutex_unlock(&counter);
	}
	return arg;
}

int main(int argc, char **argv)
{
	int cnt = argc > 1 ? atoi(argv[1]) : 400;
	pthread_t *threads = calloc(cnt, sizeof(*threads));

	turns = argc > 2 ? atoi(argv[2]) : 10;
	for (int i = 0; i < cnt; i++)
		if (pthread_create(&threads[i], NULL, customer, NULL))
			return 1;
	for (int i = 0; i < cnt; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
