/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every folder of user/ stands on: integer names, times, growing arrays, an arena, messages.
 * Knows nothing of tracing.  Errors: functions return 0 or a negative errno; running out of memory
 * ends the program inside the allocator, so callers do not check.
 */
#ifndef CT_BASE_H
#define CT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef u64 ct_ns; /* nanoseconds: a time on the trace's clock, or a duration */

#define CT_NONE UINT32_MAX /* "no such index" */
#define CT_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* ---- memory (base/mem.c) ---- */
void *ct_alloc(size_t size);			    /* zeroed; never NULL */
void *ct_realloc(void *p, size_t size);		    /* never NULL */
char *ct_strdup(const char *s);
char *ct_strndup(const char *s, size_t n);
char *ct_asprintf(const char *fmt, ...) CT_PRINTF(1, 2); /* free() it */

/* Growing array: struct { T *at; u32 cnt, cap; } by CT_VEC(T); ct_vec_push returns the new element,
 * zeroed.  More than UINT32_MAX - 1 elements end the program. */
#define CT_VEC(T)                                                                                  \
	struct {                                                                                   \
		T *at;                                                                             \
		u32 cnt, cap;                                                                      \
	}
void *ct_vec_grow(void *at, u32 *cnt, u32 *cap, size_t elem_size);
#define ct_vec_push(v)                                                                             \
	((v)->at = ct_vec_grow((v)->at, &(v)->cnt, &(v)->cap, sizeof(*(v)->at)),                   \
		&(v)->at[(v)->cnt - 1])
#define ct_vec_free(v) (free((v)->at), (v)->at = NULL, (v)->cnt = (v)->cap = 0)

/* Byte buffer for encoders. */
struct ct_buf {
	u8 *at;
	size_t len, cap;
};
void ct_buf_reserve(struct ct_buf *b, size_t more); /* room for `more` bytes after len */
void ct_buf_put(struct ct_buf *b, const void *p, size_t n);
void ct_buf_free(struct ct_buf *b);

/* ---- hash map u64 pair -> u32, iteration is by the caller's own arrays (base/table.c) ---- */
struct ct_table; /* opaque; insertion never invalidates values */
struct ct_table *ct_table__new(void);
void ct_table__free(struct ct_table *t);
u32 ct_table__get(const struct ct_table *t, u64 a, u64 b);	  /* CT_NONE when absent */
void ct_table__set(struct ct_table *t, u64 a, u64 b, u32 value); /* inserts or replaces */

/* ---- interned strings: same text, same id; id 0 is "" (base/strtab.c) ---- */
struct ct_strtab;
struct ct_strtab *ct_strtab__new(void);
void ct_strtab__free(struct ct_strtab *t);
u32 ct_strtab__add(struct ct_strtab *t, const char *s);
const char *ct_strtab__get(const struct ct_strtab *t, u32 id); /* "" when id is unknown */
u32 ct_strtab__count(const struct ct_strtab *t);

/* ---- messages, all on stderr, each one line (base/log.c) ---- */
enum ct_log_level { CT_LOG_QUIET, CT_LOG_NORMAL, CT_LOG_VERBOSE };
void ct_log_set_level(enum ct_log_level level);
void ct_error(const char *fmt, ...) CT_PRINTF(1, 2); /* "ctrace: ..."; always shown */
void ct_warn(const char *fmt, ...) CT_PRINTF(1, 2);  /* "ctrace: warning: ..."; not when quiet */
void ct_info(const char *fmt, ...) CT_PRINTF(1, 2);  /* "ctrace: ..."; not when quiet */
void ct_debug(const char *fmt, ...) CT_PRINTF(1, 2); /* only with -v */

/* ---- figures for people (base/fmt.c); buf is returned; no locale ---- */
#define CT_FMT_LEN 32
/* "999 ns", "1.23 us", "45.6 ms", "7.89 s", "3 min 20 s" */
char *ct_fmt_ns(char buf[CT_FMT_LEN], ct_ns ns);
char *ct_fmt_count(char buf[CT_FMT_LEN], u64 n);	    /* "12,345" */
char *ct_fmt_bytes(char buf[CT_FMT_LEN], u64 n);	    /* "1.2 MiB" */
/* "12.3 %", "<0.1 %", "0 %", "100 %" */
char *ct_fmt_share(char buf[CT_FMT_LEN], u64 part, u64 whole);
/* Text from outside (names of threads, files, symbols) made harmless for a terminal: control bytes
 * and invalid UTF-8 become "\xNN". Returned in a buffer of the caller's; truncated to fit. */
char *ct_fmt_safe(char *buf, size_t size, const char *s);

#endif
