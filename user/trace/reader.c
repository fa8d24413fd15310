/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a trace file (format.h): the only parser of its bytes, which are trusted in nothing.  On
 * opening it walks from chunk header to chunk header (64 bytes read per chunk), takes in the run
 * and the names, and lists the pieces of events; a piece is read, checked and unpacked only when
 * order.c asks for it.  A header that does not add up is passed over by looking for the next one
 * that does; what is missing then shows by the numbers of the events, and becomes a gap.
 *
 * Nothing here ends the program or trusts a size: what is allocated for a chunk is bounded by
 * CT_RAW_*_MAX and by the size of the file.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "reader.h"

#define SEARCH_SIZE (64u << 10)

struct cpu_account {
	u64 next_seq;
	ct_ns last_ts;
	bool any;
};

struct ct_reader {
	int fd;
	u64 size;
	struct ct_run run;
	bool has_run;
	struct ct_names *names;
	bool ended;
	bool has_mark;
	ct_ns mark_ns;
	ct_ns limit_ns; /* events from here on are not whole */
	CT_VEC(struct ct_piece) pieces;
	u32 next_idx; /* of the next chunk */
	struct cpu_account cpus[CT_CPU_MAX];
	/* damage */
	u32 bad_chunks;	   /* chunks that are there and cannot be read */
	u32 absent_chunks; /* chunks that are not there */
	u64 lost_events;
	u64 unknown_events;
	u64 cut_bytes;	 /* at the end, of a chunk that is not whole */
	u64 after_bytes; /* behind the end mark */
	bool bad_names, bad_run;
	char *damage;
};

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Exactly `size` bytes, or an error. */
static int read_at(const struct ct_reader *r, u64 at, void *p, size_t size)
{
	u8 *to = p;
	while (size) {
		ssize_t n = pread(r->fd, to, size, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		to += n;
		at += (u64)n;
		size -= (size_t)n;
	}
	return 0;
}

static int inflate_into(struct ct_buf *out, const u8 *p, size_t size, u32 raw_size)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)size };
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	ct_buf_reserve(out, (size_t)raw_size + 1); /* one more: too long is seen */
	z.next_out = out->at;
	z.avail_out = raw_size + 1;
	int end = inflate(&z, Z_FINISH);
	bool whole = end == Z_STREAM_END && z.total_out == raw_size && !z.avail_in;
	inflateEnd(&z);
	out->len = whole ? raw_size : 0;
	return whole ? 0 : -EBADMSG;
}

int ct_reader__unpack(struct ct_reader *r, const struct ct_piece *piece, struct ct_buf *stored,
	struct ct_buf *unpacked)
{
	const struct ct_chunk *c = &piece->chunk;
	u32 plain = c->type == CT_CHUNK_EVENTS ? c->cnt : 0;
	ct_buf_reserve(stored, (size_t)c->stored_size + 1); /* somewhere, be it empty */
	ct_buf_reserve(unpacked, 1);
	int err = read_at(r, piece->at, stored->at, c->stored_size);
	if (err)
		return err;
	stored->len = c->stored_size;
	if (ct_crc(stored->at, c->stored_size) != c->crc || plain > c->stored_size)
		return -EBADMSG;
	if (c->codec == CT_CODEC_ZLIB)
		return inflate_into(unpacked, stored->at + plain, stored->len - plain, c->raw_size);
	if (c->codec != CT_CODEC_PLAIN || stored->len - plain != c->raw_size)
		return -EBADMSG;
	ct_buf_put(unpacked, stored->at + plain, c->raw_size);
	return 0;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static void add_gap(struct ct_reader *r, u32 cpu, u64 cnt, ct_ns until)
{
	struct cpu_account *a = &r->cpus[cpu];
	struct ct_piece *gap = ct_vec_push(&r->pieces);
	ct_ns since = a->any ? a->last_ts : r->run.start_ns;
	if (since > until)
		since = until;
	gap->chunk = (struct ct_chunk){
		.type = CT_CHUNK_EVENTS,
		.cpu = (u16)cpu,
		.cnt = cnt > UINT32_MAX ? UINT32_MAX : (u32)cnt,
		.first_seq = a->next_seq,
		.min_ts = since,
		.max_ts = until,
	};
	a->next_seq += cnt;
}

static int take_events(struct ct_reader *r, const struct ct_piece *piece)
{
	const struct ct_chunk *c = &piece->chunk;
	struct cpu_account *a = &r->cpus[c->cpu];
	if (c->first_seq < a->next_seq)
		return -EBADMSG; /* these numbers were there already */
	if (c->first_seq > a->next_seq)
		add_gap(r, c->cpu, c->first_seq - a->next_seq, c->min_ts);
	*ct_vec_push(&r->pieces) = *piece;
	a->next_seq = c->first_seq + c->cnt;
	if (!a->any || c->max_ts > a->last_ts)
		a->last_ts = c->max_ts;
	a->any = true;
	return 0;
}

static int take_run(struct ct_reader *r, const struct ct_buf *raw)
{
	struct ct_run run;
	int err = ct_run__unpack(&run, raw->at, raw->len);
	if (err)
		return err;
	ct_run__clear(&r->run);
	r->run = run;
	r->has_run = true;
	r->bad_run = false;
	return 0;
}

static int take_names(struct ct_reader *r, const struct ct_buf *raw)
{
	struct ct_names *names = ct_names__new();
	int err = ct_names__unpack(names, raw->at, raw->len);
	if (err) {
		ct_names__free(names);
		return err;
	}
	ct_names__free(r->names);
	r->names = names;
	r->bad_names = false;
	return 0;
}

/* A mark says how many events of each CPU stand before it: fewer are a gap. */
static int take_mark(struct ct_reader *r, const struct ct_chunk *c, const struct ct_buf *raw)
{
	struct ct_cursor at = { raw->at, raw->at + raw->len };
	bool bad = false;
	while (at.at < at.end) {
		u64 cpu = ct_take_varint(&at, &bad);
		u64 cnt = ct_take_varint(&at, &bad);
		if (bad || cpu >= CT_CPU_MAX)
			return -EBADMSG;
		if (cnt > r->cpus[cpu].next_seq)
			add_gap(r, (u32)cpu, cnt - r->cpus[cpu].next_seq, c->min_ts);
	}
	r->has_mark = true;
	r->mark_ns = c->min_ts;
	r->ended = c->type == CT_CHUNK_END;
	return 0;
}

static int take_chunk(struct ct_reader *r, const struct ct_piece *piece)
{
	struct ct_buf stored = { 0 };
	struct ct_buf raw = { 0 };
	u8 type = piece->chunk.type;
	if (type == CT_CHUNK_EVENTS)
		return take_events(r, piece);
	if (type != CT_CHUNK_RUN && type != CT_CHUNK_NAMES && type != CT_CHUNK_MARK &&
		type != CT_CHUNK_END)
		return 0; /* from the future */
	int err = ct_reader__unpack(r, piece, &stored, &raw);
	if (!err && type == CT_CHUNK_RUN)
		err = take_run(r, &raw);
	else if (!err && type == CT_CHUNK_NAMES)
		err = take_names(r, &raw);
	else if (!err)
		err = take_mark(r, &piece->chunk, &raw);
	r->bad_run |= err && type == CT_CHUNK_RUN;
	r->bad_names |= err && type == CT_CHUNK_NAMES;
	ct_buf_free(&stored);
	ct_buf_free(&raw);
	return err;
}

/* Is there a chunk at `at`, whole and not one that was there before? */
static bool find_chunk_at(const struct ct_reader *r, u64 at, struct ct_piece *piece)
{
	u8 header[CT_CHUNK_HEADER_LEN];
	if (r->size < CT_CHUNK_HEADER_LEN || at > r->size - CT_CHUNK_HEADER_LEN)
		return false;
	*piece = (struct ct_piece){ .at = at + CT_CHUNK_HEADER_LEN };
	return !read_at(r, at, header, sizeof(header)) && ct_chunk_unpack(header, &piece->chunk) &&
	       piece->chunk.idx >= r->next_idx && piece->chunk.stored_size <= r->size - piece->at;
}

/* The first place from `at` on where a chunk begins; 0: there is none. */
static u64 search_chunk(const struct ct_reader *r, u64 at, struct ct_piece *piece)
{
	static const u8 magic[4] = { CT_CHUNK_MAGIC & 0xff, CT_CHUNK_MAGIC >> 8 & 0xff,
		CT_CHUNK_MAGIC >> 16 & 0xff, CT_CHUNK_MAGIC >> 24 };
	u8 *block = ct_alloc(SEARCH_SIZE);
	u64 found = 0;
	while (!found && at + CT_CHUNK_HEADER_LEN <= r->size) {
		u64 left = r->size - at;
		size_t size = left < SEARCH_SIZE ? (size_t)left : SEARCH_SIZE;
		if (read_at(r, at, block, size))
			break;
		const u8 *from = block;
		const u8 *hit;
		while (!found &&
			(hit = memmem(from, size - (size_t)(from - block), magic, sizeof(magic)))) {
			if (find_chunk_at(r, at + (u64)(hit - block), piece))
				found = at + (u64)(hit - block);
			from = hit + 1;
		}
		at += size - (sizeof(magic) - 1);
	}
	free(block);
	return found;
}

static void walk_chunks(struct ct_reader *r)
{
	u64 at = CT_FILE_HEADER_LEN;
	while (at < r->size && !r->ended) {
		struct ct_piece piece;
		if (!find_chunk_at(r, at, &piece)) {
			if (!search_chunk(r, at + 1, &piece)) {
				r->cut_bytes = r->size - at;
				return;
			}
		}
		r->absent_chunks += piece.chunk.idx - r->next_idx;
		r->next_idx = piece.chunk.idx + 1;
		if (take_chunk(r, &piece))
			r->bad_chunks++;
		at = piece.at + piece.chunk.stored_size;
	}
	r->after_bytes = r->size - at;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct ct_chunk *x = &((const struct ct_piece *)a)->chunk;
	const struct ct_chunk *y = &((const struct ct_piece *)b)->chunk;
	if (x->min_ts != y->min_ts)
		return x->min_ts < y->min_ts ? -1 : 1;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void CT_PRINTF(2, 3) add_damage(struct ct_reader *r, const char *fmt, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	char *both = r->damage ? ct_asprintf("%s; %s", r->damage, text) : ct_strdup(text);
	free(r->damage);
	r->damage = both;
}

const char *ct_reader__damage(struct ct_reader *r)
{
	char n[CT_FMT_LEN];
	free(r->damage);
	r->damage = NULL;
	if (r->bad_chunks)
		add_damage(r, "%u of its chunks cannot be read", r->bad_chunks);
	if (r->absent_chunks)
		add_damage(r, "%u of its chunks are missing", r->absent_chunks);
	if (r->lost_events)
		add_damage(r, "%s events are lost", ct_fmt_count(n, r->lost_events));
	if (r->bad_run)
		add_damage(r, "what it says of the run's end cannot be read");
	if (r->bad_names)
		add_damage(r, "its names cannot be read");
	if (r->unknown_events)
		add_damage(r, "%s events are of kinds that this ctrace does not know",
			ct_fmt_count(n, r->unknown_events));
	if (r->cut_bytes)
		add_damage(r, "it is cut: its last %s bytes are no whole chunk",
			ct_fmt_count(n, r->cut_bytes));
	if (r->after_bytes)
		add_damage(r, "%s bytes follow its end", ct_fmt_count(n, r->after_bytes));
	return r->damage;
}

void ct_reader__report(struct ct_reader *r, struct ct_piece *piece, u64 lost)
{
	if (piece->reported)
		return;
	piece->reported = true;
	r->lost_events += lost;
	r->bad_chunks += piece->at != 0; /* a gap's chunk was counted where it was missed */
}

void ct_reader__report_unknown(struct ct_reader *r, u64 cnt)
{
	if (cnt > r->unknown_events)
		r->unknown_events = cnt;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int check_header(struct ct_reader *r, char **why)
{
	u8 header[CT_FILE_HEADER_LEN];
	u32 major = 0;
	if (r->size < sizeof(header)) {
		*why = ct_strdup("is too short to be a trace of ctrace");
		return -EPROTO;
	}
	int err = read_at(r, 0, header, sizeof(header));
	if (!err)
		err = ct_file_header_unpack(header, &major);
	if (err == -EPROTO)
		*why = ct_strdup("is not a trace of ctrace");
	else if (err == -EPROTONOSUPPORT)
		*why = ct_asprintf("made by a newer ctrace (format %u); this one reads up to %u",
			major, CT_FORMAT_VERSION);
	else if (err == -EBADMSG)
		*why = ct_strdup("its header is damaged");
	else if (err)
		*why = ct_strdup(strerror(-err));
	return err;
}

/* Where a recording that did not end stops: everything before its last mark is there.  The run is
 * written with its end only after all events. */
static void settle_end(struct ct_reader *r)
{
	r->limit_ns = UINT64_MAX;
	if (r->run.end_ns)
		return;
	if (!r->ended)
		r->limit_ns = r->has_mark ? r->mark_ns : 0;
	r->run.end_ns = r->has_mark ? r->mark_ns : r->run.start_ns;
}

int ct_reader__new(struct ct_reader **out, int fd, u64 size, char **why)
{
	struct ct_reader *r = ct_alloc(sizeof(*r));
	r->fd = fd;
	r->size = size;
	r->names = ct_names__new();
	int err = check_header(r, why);
	if (!err) {
		walk_chunks(r);
		if (!r->has_run) {
			err = -EBADMSG;
			*why = ct_strdup("what it says of its run cannot be read");
		}
	}
	if (err) {
		ct_reader__free(r);
		r = NULL;
	} else {
		settle_end(r);
		if (r->pieces.cnt)
			qsort(r->pieces.at, r->pieces.cnt, sizeof(*r->pieces.at), compare_pieces);
	}
	*out = r;
	return err;
}

void ct_reader__free(struct ct_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	ct_run__clear(&r->run);
	ct_names__free(r->names);
	ct_vec_free(&r->pieces);
	free(r->damage);
	free(r);
}

u32 ct_reader__piece_cnt(const struct ct_reader *r)
{
	return r->pieces.cnt;
}

struct ct_piece *ct_reader__piece(struct ct_reader *r, u32 i)
{
	return &r->pieces.at[i];
}

ct_ns ct_reader__limit(const struct ct_reader *r)
{
	return r->limit_ns;
}

const struct ct_run *ct_reader__run(const struct ct_reader *r)
{
	return &r->run;
}

const struct ct_names *ct_reader__names(const struct ct_reader *r)
{
	return r->names;
}

bool ct_reader__complete(const struct ct_reader *r)
{
	return r->ended;
}
