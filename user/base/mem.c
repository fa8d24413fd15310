/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is always there: allocation, growing arrays, byte buffers.  A request that cannot be
 * met ends the program here with one line on stderr (exit 125, ctrace's own failure), so no caller
 * checks.  Arrays and buffers double: n elements cost O(n) copies in all.  Sizes are checked for
 * overflow before they are multiplied.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ct_base.h"

#define EXIT_OWN_FAILURE 125
#define VEC_FIRST_CNT 8u
#define BUF_FIRST_SIZE 64u

/* No stdio: it may itself want memory. */
static _Noreturn void die_of_size(const char *what)
{
	static const char head[] = "ctrace: ";
	if (write(STDERR_FILENO, head, sizeof(head) - 1) < 0 ||
		write(STDERR_FILENO, what, strlen(what)) < 0)
		_exit(EXIT_OWN_FAILURE);
	_exit(EXIT_OWN_FAILURE);
}

static _Noreturn void die_of_memory(void)
{
	die_of_size("out of memory\n");
}

void *ct_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		die_of_memory();
	return p;
}

void *ct_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);
	if (!q)
		die_of_memory();
	return q;
}

char *ct_strdup(const char *s)
{
	return ct_strndup(s, strlen(s));
}

char *ct_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	if (len == SIZE_MAX)
		die_of_memory();
	char *p = ct_realloc(NULL, len + 1);
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *ct_asprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (len < 0)
		die_of_memory();
	return s;
}

void *ct_vec_grow(void *at, u32 *cnt, u32 *cap, size_t elem_size)
{
	if (*cnt == *cap) {
		if (*cap >= CT_NONE - 1)
			die_of_size("an array has more than 4,294,967,294 elements\n");
		u32 more = *cap > (CT_NONE - 1) / 2 ? CT_NONE - 1 : *cap * 2;
		if (more < VEC_FIRST_CNT)
			more = VEC_FIRST_CNT;
		size_t size;
		if (__builtin_mul_overflow(more, elem_size, &size))
			die_of_memory();
		at = ct_realloc(at, size);
		*cap = more;
	}
	memset((char *)at + (size_t)*cnt * elem_size, 0, elem_size);
	*cnt += 1;
	return at;
}

void ct_buf_reserve(struct ct_buf *b, size_t more)
{
	size_t need;
	if (__builtin_add_overflow(b->len, more, &need) || need > SSIZE_MAX)
		die_of_memory();
	if (need <= b->cap)
		return;
	size_t cap = b->cap > SSIZE_MAX / 2 ? need : b->cap * 2;
	if (cap < need)
		cap = need;
	if (cap < BUF_FIRST_SIZE)
		cap = BUF_FIRST_SIZE;
	b->at = ct_realloc(b->at, cap);
	b->cap = cap;
}

void ct_buf_put(struct ct_buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	ct_buf_reserve(b, n);
	memcpy(b->at + b->len, p, n);
	b->len += n;
}

void ct_buf_free(struct ct_buf *b)
{
	free(b->at);
	*b = (struct ct_buf){ 0 };
}
