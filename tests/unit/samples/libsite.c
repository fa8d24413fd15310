/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared library whose functions block. */
#include "site.h"

static int calls[8];
int site_calls[8];

void site_lock(pthread_mutex_t *lock)
{
	calls[3]++;
	site_calls[1]++;
	SITE("pthread_mutex_lock", "site_lock", 1);
	pthread_mutex_lock(lock);
	calls[3]--;
}

void site_lock_last(pthread_mutex_t *lock)
{
	SITE("-", "site_lock_last", 1);
	pthread_mutex_lock(lock);
}
