/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose every name is an attack: threads, functions, locks, source files.  Four threads
 * queue for one lock, so that all of the names are worth telling.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

/* names in the symbol table, as the assembler takes them */
pthread_mutex_t big __asm__("\"lock\\033[31m</script><img src=x>;\\nx\"") =
	PTHREAD_MUTEX_INITIALIZER;
static void hold(void) __asm__("\"hold\\033]0;owned\\007;</script> 9\\n8\"");

static const char *const names[] = { "\033[2J\033[1;1H", "a\nb\r\tc 1", "</script><b>x",
	"\xff\xfe\xc0\x80\xed\xa0\x80", "\"q\\,;'=1+1|\"" };

/* DWARF has the file's name */
#line 1 "evil\033[31m</script>\\nfile;\xff.c"
static void hold(void)
{
	pthread_mutex_lock(&big);
	usleep(5000);
	pthread_mutex_unlock(&big);
}

static void *run(void *name)
{
	prctl(PR_SET_NAME, name);
	for (int i = 0; i < 10; i++)
		hold();
	return NULL;
}

int main(void)
{
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		pthread_create(&threads[i], NULL, run, (void *)names[i]);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
