/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A linker symbol -> what a person wrote: `Queue::push(int)`, without return types.  C++ and Rust.
 *
 * A mangled name of some hundred bytes can stand for gigabytes of text, so the demangler writes
 * through a callback, which takes no memory from the heap, and is left as soon as the text is
 * longer than anybody would read.
 */
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>
#include "symbols/symbols_int.h"

#define MANGLED_MAX 4096
#define TEXT_MAX 1024 /* longer names are cut, and end in "..." */

struct text {
	jmp_buf full;
	size_t len;
	char at[TEXT_MAX + 1];
};

static void add_text(const char *s, size_t n, void *arg)
{
	struct text *t = arg;
	if (n > TEXT_MAX - t->len) {
		memcpy(t->at + t->len, s, TEXT_MAX - t->len);
		t->len = TEXT_MAX;
		memcpy(t->at + TEXT_MAX - 3, "...", 3);
		longjmp(t->full, 1);
	}
	memcpy(t->at + t->len, s, n);
	t->len += n;
}

static bool demangle_into(const char *raw, struct text *t)
{
	const int options = DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP;
	if (setjmp(t->full))
		return true;
	if (rust_demangle_callback(raw, options, add_text, t))
		return true;
	t->len = 0;
	return !strncmp(raw, "_Z", 2) && cplus_demangle_v3_callback(raw, options, add_text, t);
}

char *ct_demangle(const char *raw)
{
	if ((raw[0] != '_' || (raw[1] != 'Z' && raw[1] != 'R')) || strlen(raw) > MANGLED_MAX)
		return ct_strdup(raw);
	struct text *t = ct_alloc(sizeof(*t));
	bool ok = demangle_into(raw, t) && t->len;
	char *text = ok ? ct_strndup(t->at, t->len) : ct_strdup(raw);
	free(t);
	return text;
}
