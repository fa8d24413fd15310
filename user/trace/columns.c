/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The columns of a chunk of events, both ways, and the guesses that make them small (format.h
 * describes both).  The hottest code of user/: one straight function per kind, expanded from
 * ctrace_events.def, no pointers to functions, no table of fields at run time.
 *
 * Encoder and decoder must guess alike: each guess is made in one place, from struct guess, which
 * both feed with the same events through learn().
 */
#include <errno.h>

#include "columns.h"
#include "format.h"

/* Threads whose last event of a kind is remembered, by the low bits of the tid; kinds that come
 * once per thread remember one. */
enum {
	MEMORY_task_new = 1,
	MEMORY_task_name = 1,
	MEMORY_task_exec = 1,
	MEMORY_task_exit = 1,
	MEMORY_task_counts = 1,
	MEMORY_switch = 256,
	MEMORY_block = 256,
	MEMORY_waking = 256,
	MEMORY_migrate = 64,
	MEMORY_futex = 256,
	MEMORY_sample = 64,
	MEMORY_stack = 1,
	MEMORY_loss = 1,
	MEMORY_found = 1,
	MEMORY_watch = 1,
	MEMORY_access = 256,
	MEMORY_watch_lock = 1,
	MEMORY_watch_type = 1,
};

#define WAKEES 256u /* (waker, thread it woke before) -> thread it wakes next */

/* struct last_<event>: what each thread's last event of the kind said. */
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	struct last_##lower {                                                                      \
		u32 newest;                                                                        \
		u32 tid[MEMORY_##lower];                                                           \
		struct ct_##lower body[MEMORY_##lower];                                            \
	};
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

struct guess {
	u32 running; /* thread on this CPU */
	u32 woken;   /* newest one woken since the last switch here; 0: none */
	u32 prio;    /* of the last thread that was switched to */
	u32 last_wakee;
	u32 wakee[WAKEES];
#define CT_EVENT(id, UPPER, lower, meaning) struct last_##lower of_##lower;
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
};

/* Numbers of columns: COLUMN_block_next, ...; a kind's begin at kind * CT_COLUMNS_PER_KIND. */
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	enum { COLUMN_MASK_##lower = (id)*CT_COLUMNS_PER_KIND, COLUMN_TID_##lower,
#define CT_FIELD(lower, type, name, how, meaning) COLUMN_##lower##_##name,
#define CT_EVENT_END(lower)                                                                        \
	COLUMN_END_##lower,                                                                        \
	}                                                                                          \
	;                                                                                          \
	_Static_assert(COLUMN_END_##lower - COLUMN_MASK_##lower <= CT_COLUMNS_PER_KIND,            \
		#lower " has too many fields");
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

#define COLUMNS (CT_KIND_END * CT_COLUMNS_PER_KIND)
#define FIELD_BIT(lower, name) (1u << (COLUMN_##lower##_##name - COLUMN_TID_##lower - 1))

/* ---- guesses --------------------------------------------------------------------------------- */

static u32 *wakee_slot(struct guess *g)
{
	return &g->wakee[(g->running * 31 + g->last_wakee) % WAKEES];
}

static inline u32 guess_tid(struct guess *g, u32 kind)
{
	if (kind == CT_WAKING)
		return *wakee_slot(g);
	if (kind == CT_MIGRATE)
		return g->woken;
	return g->running;
}

/* Who runs next, when `last` ran after this thread's last switch. */
static inline u32 guess_next(const struct guess *g, u32 last)
{
	return g->woken ? g->woken : last;
}

static inline u8 guess_next_prio(const struct guess *g, u32 next)
{
	return next ? (u8)g->prio : 0;
}

static inline void learn_switch(struct guess *g, u32 next, u8 next_prio)
{
	g->running = next;
	g->woken = 0;
	if (next)
		g->prio = next_prio;
}

static inline void learn_waking(struct guess *g, u32 tid)
{
	*wakee_slot(g) = tid;
	g->last_wakee = tid;
	g->woken = tid;
}

/* ---- encoding -------------------------------------------------------------------------------- */

struct column {
	u8 *at;
	u32 len, cap;
};

struct ct_encoder {
	u32 cnt;
	ct_ns first_ts, last_ts, min_ts, max_ts;
	ct_ns newest[CT_WINDOW]; /* [i % CT_WINDOW]: latest time up to event i */
	size_t memory;		 /* capacity of all columns */
	size_t bytes;
	struct guess guess;
	struct column columns[COLUMNS];
};

static __attribute__((noinline)) void grow_column(struct ct_encoder *e, struct column *c)
{
	u32 cap = c->cap ? c->cap * 2 : 256;
	c->at = ct_realloc(c->at, cap);
	e->memory += cap - c->cap;
	c->cap = cap;
}

static inline u8 *column_room(struct ct_encoder *e, u32 column)
{
	struct column *c = &e->columns[column];
	if (__builtin_expect(c->cap - c->len < CT_VARINT_MAX, 0))
		grow_column(e, c);
	return c->at + c->len;
}

static inline void put_byte(struct ct_encoder *e, u32 column, u8 byte)
{
	*column_room(e, column) = byte;
	e->columns[column].len++;
	e->bytes++;
}

static inline void put_varint(struct ct_encoder *e, u32 column, u64 n)
{
	u8 *at = column_room(e, column);
	u32 len = 0;
	for (; n >= 0x80; n >>= 7)
		at[len++] = (u8)(n | 0x80);
	at[len++] = (u8)n;
	e->columns[column].len += len;
	e->bytes += len;
}

static inline void put_raw(struct ct_encoder *e, u32 column, const void *p, u32 size)
{
	memcpy(column_room(e, column), p, size);
	e->columns[column].len += size;
	e->bytes += size;
}

static inline u64 zigzag(u64 n)
{
	return n << 1 ^ -(n >> 63);
}

#define PUT_PLAIN(column, now, was) put_varint(e, column, (u64)(now))
#define PUT_DELTA(column, now, was) put_varint(e, column, zigzag((u64)(now) - (u64)(was)))
#define PUT_RAW(column, now, was) put_raw(e, column, &(now), sizeof(now))

/* Kinds whose fields can be guessed from more than the thread's last event; each returns the mask
 * of what it has already written. */
#define put_guessed_task_new(e, now, was) 0
#define put_guessed_task_name(e, now, was) 0
#define put_guessed_task_exec(e, now, was) 0
#define put_guessed_task_exit(e, now, was) 0
#define put_guessed_task_counts(e, now, was) 0
#define put_guessed_migrate(e, now, was) 0
#define put_guessed_futex(e, now, was) 0
#define put_guessed_sample(e, now, was) 0
#define put_guessed_stack(e, now, was) 0
#define put_guessed_loss(e, now, was) 0
#define put_guessed_found(e, now, was) 0
#define put_guessed_watch(e, now, was) 0
#define put_guessed_access(e, now, was) 0
#define put_guessed_watch_lock(e, now, was) 0
#define put_guessed_watch_type(e, now, was) 0

#define PUT_GUESSED_NEXT(lower)                                                                    \
	static inline u32 put_guessed_##lower(                                                     \
		struct ct_encoder *e, const struct ct_##lower *now, struct ct_##lower *was)        \
	{                                                                                          \
		u32 mask = 0;                                                                      \
		if (now->next != guess_next(&e->guess, was->next)) {                               \
			put_varint(e, COLUMN_##lower##_next, now->next);                           \
			mask = FIELD_BIT(lower, next);                                             \
		}                                                                                  \
		was->next = now->next;                                                             \
		was->next_prio = guess_next_prio(&e->guess, now->next);                            \
		return mask;                                                                       \
	}
PUT_GUESSED_NEXT(switch)
PUT_GUESSED_NEXT(block)

static inline u32 put_guessed_waking(
	struct ct_encoder *e, const struct ct_waking *now, struct ct_waking *was)
{
	was->waker = e->guess.running;
	return 0;
}

/* put_<event>: writes what differs from the guess; returns the mask of fields that did. */
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	static u32 put_##lower(struct ct_encoder *e, u32 tid, const void *body)                    \
	{                                                                                          \
		struct last_##lower *last = &e->guess.of_##lower;                                  \
		u32 slot = tid % CT_COUNT(last->tid);                                              \
		struct ct_##lower now;                                                             \
		struct ct_##lower was = last->body[last->tid[slot] == tid ? slot : last->newest];  \
		memcpy(&now, body, sizeof(now));                                                   \
		u32 mask = put_guessed_##lower(e, &now, &was);
#define CT_FIELD(lower, type, name, how, meaning)                                                  \
	if (now.name != was.name) {                                                                \
		PUT_##how(COLUMN_##lower##_##name, now.name, was.name);                            \
		mask |= FIELD_BIT(lower, name);                                                    \
	}
#define CT_EVENT_END(lower)                                                                        \
	if (mask)                                                                                  \
		put_varint(e, COLUMN_MASK_##lower, mask);                                          \
	last->tid[slot] = tid;                                                                     \
	last->body[slot] = now;                                                                    \
	last->newest = slot;                                                                       \
	return mask;                                                                               \
	}
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

static u32 put_body(struct ct_encoder *e, u32 kind, u32 tid, const void *body)
{
	switch (kind) {
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	case CT_##UPPER:                                                                           \
		return put_##lower(e, tid, body);
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
	default:
		return 0;
	}
}

_Static_assert(offsetof(struct ct_switch, next_prio) == offsetof(struct ct_block, next_prio),
	"a BLOCK begins like a SWITCH");

static inline void learn_event(struct guess *g, u32 kind, u32 tid, const void *body)
{
	struct ct_switch s;
	if (kind == CT_SWITCH || kind == CT_BLOCK) {
		memcpy(&s, body, sizeof(s));
		learn_switch(g, s.next, s.next_prio);
	} else if (kind == CT_WAKING) {
		learn_waking(g, tid);
	}
}

struct ct_encoder *ct_encoder__new(void)
{
	return ct_alloc(sizeof(struct ct_encoder));
}

void ct_encoder__free(struct ct_encoder *e)
{
	if (!e)
		return;
	for (u32 i = 0; i < COLUMNS; i++)
		free(e->columns[i].at);
	free(e);
}

/* The distance to the event before; the top bit of the kind says that it is backwards. */
static inline u8 put_time(struct ct_encoder *e, ct_ns ts)
{
	u8 flag = 0;
	u64 step_ns = ts - e->last_ts;
	if (ts < e->last_ts) {
		step_ns = e->last_ts - ts;
		flag = CT_KIND_BACKWARDS;
	}
	put_byte(e, CT_COLUMN_TIME_LOW, (u8)step_ns);
	put_varint(e, CT_COLUMN_TIME_HIGH, step_ns >> 8);
	e->last_ts = ts;
	return flag;
}

static inline void note_time(struct ct_encoder *e, ct_ns ts)
{
	if (!e->cnt) {
		e->first_ts = e->last_ts = e->min_ts = e->max_ts = ts;
		return;
	}
	if (ts < e->min_ts)
		e->min_ts = ts;
	if (ts > e->max_ts)
		e->max_ts = ts;
}

void ct_encoder__add(struct ct_encoder *e, const struct ct_hdr *hdr, const void *body)
{
	u8 kind = hdr->kind;
	note_time(e, hdr->ts);
	kind |= put_time(e, hdr->ts);
	if (hdr->tid != guess_tid(&e->guess, hdr->kind)) {
		put_varint(e, hdr->kind * CT_COLUMNS_PER_KIND + CT_COLUMN_TID, hdr->tid);
		kind |= CT_KIND_HAS_TID;
	}
	if (put_body(e, hdr->kind, hdr->tid, body))
		kind |= CT_KIND_HAS_MASK;
	put_byte(e, CT_COLUMN_KIND, kind);
	learn_event(&e->guess, hdr->kind, hdr->tid, body);
	e->newest[e->cnt++ % CT_WINDOW] = e->max_ts;
}

u32 ct_encoder__count(const struct ct_encoder *e)
{
	return e->cnt;
}

size_t ct_encoder__bytes(const struct ct_encoder *e)
{
	return e->bytes;
}

size_t ct_encoder__memory(const struct ct_encoder *e)
{
	return e->memory;
}

ct_ns ct_encoder__min_ts(const struct ct_encoder *e)
{
	return e->min_ts;
}

ct_ns ct_encoder__max_ts(const struct ct_encoder *e)
{
	return e->max_ts;
}

bool ct_encoder__too_late(const struct ct_encoder *e, ct_ns ts)
{
	return e->cnt >= CT_WINDOW && ts < e->newest[e->cnt % CT_WINDOW];
}

void ct_encoder__take(const struct ct_encoder *e, struct ct_buf *plain, struct ct_buf *packed)
{
	const struct column *low = &e->columns[CT_COLUMN_TIME_LOW];
	ct_buf_put(plain, low->at, low->len);
	ct_buf_varint(packed, e->first_ts - e->min_ts);
	for (u32 i = 0; i < COLUMNS; i++) {
		if (i == CT_COLUMN_TIME_LOW || !e->columns[i].len)
			continue;
		ct_buf_varint(packed, i);
		ct_buf_varint(packed, e->columns[i].len);
	}
	ct_buf_varint(packed, CT_COLUMN_LAST);
	for (u32 i = 0; i < COLUMNS; i++)
		if (i != CT_COLUMN_TIME_LOW)
			ct_buf_put(packed, e->columns[i].at, e->columns[i].len);
}

void ct_encoder__reset(struct ct_encoder *e, bool shrink)
{
	for (u32 i = 0; i < COLUMNS; i++) {
		struct column *c = &e->columns[i];
		c->len = 0;
		if (!shrink)
			continue;
		free(c->at);
		*c = (struct column){ 0 };
	}
	if (shrink)
		e->memory = 0;
	e->cnt = 0;
	e->bytes = 0;
	memset(&e->guess, 0, sizeof(e->guess));
}

/* ---- decoding -------------------------------------------------------------------------------- */

struct ct_decoder {
	u32 left;
	bool bad;
	ct_ns last_ts;
	struct guess guess;
	struct ct_cursor columns[COLUMNS];
};

static inline u64 get_varint(struct ct_decoder *d, u32 column)
{
	return ct_take_varint(&d->columns[column], &d->bad);
}

static inline u8 get_byte(struct ct_decoder *d, u32 column)
{
	struct ct_cursor *c = &d->columns[column];
	if (c->at < c->end)
		return *c->at++;
	d->bad = true;
	return 0;
}

static inline void get_raw(struct ct_decoder *d, u32 column, void *p, size_t size)
{
	struct ct_cursor *c = &d->columns[column];
	if ((size_t)(c->end - c->at) < size) {
		d->bad = true;
		memset(p, 0, size);
		return;
	}
	memcpy(p, c->at, size);
	c->at += size;
}

static inline u64 unzigzag(u64 n)
{
	return n >> 1 ^ -(n & 1);
}

/* A value that its field cannot hold was not written by a writer. */
#define GET_VALUE(value, now)                                                                      \
	do {                                                                                       \
		u64 wide = (value);                                                                \
		(now) = (__typeof__(now))wide;                                                     \
		d->bad |= (u64)(now) != wide;                                                      \
	} while (0)
#define GET_PLAIN(column, now, was) GET_VALUE(get_varint(d, column), now)
#define GET_DELTA(column, now, was) GET_VALUE((u64)(was) + unzigzag(get_varint(d, column)), now)
#define GET_RAW(column, now, was) get_raw(d, column, &(now), sizeof(now))

#define get_guessed_task_new(d, mask, was) ((void)0)
#define get_guessed_task_name(d, mask, was) ((void)0)
#define get_guessed_task_exec(d, mask, was) ((void)0)
#define get_guessed_task_exit(d, mask, was) ((void)0)
#define get_guessed_task_counts(d, mask, was) ((void)0)
#define get_guessed_migrate(d, mask, was) ((void)0)
#define get_guessed_futex(d, mask, was) ((void)0)
#define get_guessed_sample(d, mask, was) ((void)0)
#define get_guessed_stack(d, mask, was) ((void)0)
#define get_guessed_loss(d, mask, was) ((void)0)
#define get_guessed_found(d, mask, was) ((void)0)
#define get_guessed_watch(d, mask, was) ((void)0)
#define get_guessed_access(d, mask, was) ((void)0)
#define get_guessed_watch_lock(d, mask, was) ((void)0)
#define get_guessed_watch_type(d, mask, was) ((void)0)

#define GET_GUESSED_NEXT(lower)                                                                    \
	static inline void get_guessed_##lower(                                                    \
		struct ct_decoder *d, u32 *mask, struct ct_##lower *was)                           \
	{                                                                                          \
		was->next = guess_next(&d->guess, was->next);                                      \
		if (*mask & FIELD_BIT(lower, next))                                                \
			GET_VALUE(get_varint(d, COLUMN_##lower##_next), was->next);                \
		*mask &= ~FIELD_BIT(lower, next);                                                  \
		was->next_prio = guess_next_prio(&d->guess, was->next);                            \
	}
GET_GUESSED_NEXT(switch)
GET_GUESSED_NEXT(block)

static inline void get_guessed_waking(struct ct_decoder *d, const u32 *mask, struct ct_waking *was)
{
	was->waker = d->guess.running;
}

/* get_<event>: the guess, with the fields of the mask replaced from the columns. */
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	static void get_##lower(struct ct_decoder *d, u32 tid, u32 mask, void *body)               \
	{                                                                                          \
		struct last_##lower *last = &d->guess.of_##lower;                                  \
		u32 slot = tid % CT_COUNT(last->tid);                                              \
		struct ct_##lower was = last->body[last->tid[slot] == tid ? slot : last->newest];  \
		get_guessed_##lower(d, &mask, &was);                                               \
		struct ct_##lower now = was;
#define CT_FIELD(lower, type, name, how, meaning)                                                  \
	if (mask & FIELD_BIT(lower, name))                                                         \
		GET_##how(COLUMN_##lower##_##name, now.name, was.name);
#define CT_EVENT_END(lower)                                                                        \
	last->tid[slot] = tid;                                                                     \
	last->body[slot] = now;                                                                    \
	last->newest = slot;                                                                       \
	memcpy(body, &now, sizeof(now));                                                           \
	}
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

static void get_body(struct ct_decoder *d, u32 kind, u32 tid, u32 mask, void *body)
{
	switch (kind) {
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	case CT_##UPPER:                                                                           \
		get_##lower(d, tid, mask, body);                                                   \
		break;
#define CT_FIELD(lower, type, name, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
	default:
		break;
	}
}

/* Lays the cursors over the columns that the directory names.  Columns of unknown numbers belong to
 * kinds or fields from the future: passed over. */
static bool place_columns(struct ct_decoder *d, struct ct_cursor directory)
{
	struct ct_cursor list = directory;
	bool bad = false;
	u64 column;
	while ((column = ct_take_varint(&directory, &bad)) != CT_COLUMN_LAST && !bad)
		(void)ct_take_varint(&directory, &bad);
	const u8 *at = directory.at;
	while (!bad && (column = ct_take_varint(&list, &bad)) != CT_COLUMN_LAST) {
		u64 len = ct_take_varint(&list, &bad);
		if (bad || len > (u64)(directory.end - at))
			return false;
		if (column < COLUMNS && column != CT_COLUMN_TIME_LOW) {
			if (d->columns[column].at)
				return false;
			d->columns[column] = (struct ct_cursor){ at, at + len };
		}
		at += len;
	}
	return !bad && at == directory.end;
}

struct ct_decoder *ct_decoder__new(
	const u8 *plain, u32 cnt, const u8 *packed, size_t size, ct_ns min_ts)
{
	struct ct_decoder *d = ct_alloc(sizeof(*d));
	struct ct_cursor directory = { packed, packed + size };
	d->left = cnt;
	d->last_ts = min_ts + ct_take_varint(&directory, &d->bad);
	d->columns[CT_COLUMN_TIME_LOW] = (struct ct_cursor){ plain, plain + cnt };
	if (!d->bad && place_columns(d, directory))
		return d;
	free(d);
	return NULL;
}

void ct_decoder__free(struct ct_decoder *d)
{
	free(d);
}

static inline ct_ns get_time(struct ct_decoder *d, bool backwards)
{
	u64 low = get_byte(d, CT_COLUMN_TIME_LOW);
	u64 high = get_varint(d, CT_COLUMN_TIME_HIGH);
	u64 step_ns = high << 8 | low;
	d->bad |= high >> 56 != 0;
	d->last_ts = backwards ? d->last_ts - step_ns : d->last_ts + step_ns;
	return d->last_ts;
}

int ct_decoder__next(struct ct_decoder *d, struct ct_event *ev)
{
	if (!d->left)
		return 0;
	d->left--;
	u8 byte = get_byte(d, CT_COLUMN_KIND);
	u32 kind = byte & CT_KIND_BITS;
	ev->hdr = (struct ct_hdr){ .ts = get_time(d, byte & CT_KIND_BACKWARDS) };
	u32 size = ct_kind_size(kind);
	if (!size)
		return kind && !d->bad ? 1 : -EBADMSG;
	u32 columns = kind * CT_COLUMNS_PER_KIND;
	u32 mask = 0;
	GET_VALUE(guess_tid(&d->guess, kind), ev->hdr.tid);
	if (byte & CT_KIND_HAS_TID)
		GET_VALUE(get_varint(d, columns + CT_COLUMN_TID), ev->hdr.tid);
	if (byte & CT_KIND_HAS_MASK)
		GET_VALUE(get_varint(d, columns), mask);
	ev->hdr.kind = (u8)kind;
	ev->hdr.words = (u16)((sizeof(ev->hdr) + size) / 8);
	memset(ct_event_body(ev), 0, sizeof(*ev) - offsetof(struct ct_event, task_new));
	get_body(d, kind, ev->hdr.tid, mask, ct_event_body(ev));
	learn_event(&d->guess, kind, ev->hdr.tid, ct_event_body(ev));
	return d->bad || ct_event_problem(ev) ? -EBADMSG : 1;
}
