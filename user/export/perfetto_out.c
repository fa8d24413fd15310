/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of a Perfetto trace, one after the other onto a FILE, and the tables of interned strings
 * and stacks.  Each packet carries what its sequence has interned since the packet before, so that
 * nothing is held for longer than that; what is known already takes one bit a frame and a stack,
 * and each different text once.
 */
#include <inttypes.h>
#include <string.h>

#include "perfetto_int.h"

#define CLEARED 1u /* sequence_flags: interned ids begin anew */
#define NEEDED 2u  /* the packet may use interned ids */
#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

u64 pf_uuid(enum pf_track kind, u32 index)
{
	return ((u64)index + 1) * PF_TRACK_KINDS + kind;
}

u64 pf_time(const struct pf_out *o, ct_ns t)
{
	return t + o->m->run->boot_offset_ns;
}

/* From the host's name, which the trace holds: the same on whichever machine it is exported. */
static u32 machine_id(const char *host)
{
	u32 hash = FNV_BASIS;
	for (const char *c = host ? host : ""; *c; c++)
		hash = (hash ^ (u8)*c) * FNV_PRIME;
	return (hash & INT32_MAX) | 1;
}

static u32 highest_tid(const struct ct_model *m)
{
	u32 highest = 0;
	for (u32 i = 0; i < m->threads.cnt; i++) {
		if (highest < m->threads.at[i].tid)
			highest = m->threads.at[i].tid;
	}
	return highest;
}

/* A tid tells one thread from the others only while it lives: it is used again, and one that execs
 * takes its leader's.  The reader knows no such thing of two at once, and little of two one after
 * the other, so all but the first get ids above all others. */
static void give_ids(struct pf_out *o)
{
	const struct ct_model *m = o->m;
	struct ct_table *seen = ct_table__new();
	u32 highest = highest_tid(m);
	o->tids = ct_alloc((m->threads.cnt + 1) * sizeof(*o->tids));
	o->pids = ct_alloc((m->processes.cnt + 1) * sizeof(*o->pids));
	for (u32 i = 0; i < m->processes.cnt; i++)
		o->pids[i] = m->processes.at[i].pid;
	for (u32 i = 0; i < m->threads.cnt; i++) {
		u32 tid = m->threads.at[i].tid;
		bool again = ct_table__get(seen, tid, 0) != CT_NONE;
		bool leads_another = again && ct_thread_pid(m, i) == tid &&
				     ct_table__get(seen, tid, 0) != m->threads.at[i].process;
		o->tids[i] = again ? ++highest : tid;
		if (leads_another)
			o->pids[m->threads.at[i].process] = o->tids[i];
		if (!again)
			ct_table__set(seen, tid, 0, m->threads.at[i].process);
	}
	ct_table__free(seen);
}

char *pf_thread_name(const struct pf_out *o, u32 thread)
{
	u32 tid = o->m->threads.at[thread].tid;
	char *name = ct_utf8_repair(ct_thread_name(o->m, thread));
	if (tid == o->tids[thread])
		return name;
	char *longer = ct_asprintf("%s (tid %" PRIu32 " again)", name, tid);
	free(name);
	return longer;
}

void pf_out_init(struct pf_out *o, const struct ct_model *m, FILE *out)
{
	*o = (struct pf_out){ .out = out, .m = m, .machine_id = machine_id(m->run->host) };
	for (u32 i = 0; i < PF_SEQS; i++) {
		struct pf_seq *s = &o->seqs[i];
		for (u32 t = 0; t < PF_STRINGS; t++)
			s->texts[t] = ct_strtab__new();
		s->mappings = ct_table__new();
		s->frame_known = ct_alloc(m->names ? m->names->frames.cnt + 2 : 1);
		s->stack_known = ct_alloc(m->names ? m->names->stack_start.cnt + 1 : 1);
	}
	give_ids(o);
}

/* ---- interning ------------------------------------------------------------------------------- */

u64 pf_string(struct pf_out *o, enum pf_seq_id seq, enum pf_strings table, const char *text)
{
	struct pf_seq *s = &o->seqs[seq];
	u32 before = ct_strtab__count(s->texts[table]);
	char *valid = ct_utf8_repair(*text ? text : "?");
	u32 id = ct_strtab__add(s->texts[table], valid);
	free(valid);
	if (id >= before) {
		Ctrace__InternedString *new = ct_vec_push(&s->strings[table]);
		ctrace__interned_string__init(new);
		PF_SET(new, iid, id);
		new->str = (char *)ct_strtab__get(s->texts[table], id);
	}
	return id;
}

static u64 mapping(struct pf_out *o, enum pf_seq_id seq, const char *module)
{
	struct pf_seq *s = &o->seqs[seq];
	/* a path's parts are joined with a '/' before each */
	u64 path = pf_string(o, seq, PF_MAPPING_PATH, *module == '/' ? module + 1 : module);
	if (ct_table__get(s->mappings, path, 0) == CT_NONE) {
		ct_table__set(s->mappings, path, 0, 1);
		Ctrace__Mapping *new = ct_vec_push(&s->new_mappings);
		ctrace__mapping__init(new);
		PF_SET(new, iid, path);
		new->n_path_string_ids = 1;
		new->path_string_ids = ct_alloc(sizeof(*new->path_string_ids));
		*new->path_string_ids = path;
	}
	return path;
}

static u64 frame_id(struct pf_out *o, enum pf_seq_id seq, u32 frame)
{
	struct pf_seq *s = &o->seqs[seq];
	u32 cnt = o->m->names->frames.cnt;
	u32 iid = frame && frame < cnt ? frame : cnt + 1; /* ids start at 1 */
	if (s->frame_known[iid])
		return iid;
	s->frame_known[iid] = true;
	struct ct_place place = ct_frame_place(o->m->names, frame);
	u64 function = pf_string(o, seq, PF_FUNCTION, place.function);
	u64 module = mapping(o, seq, place.module);
	u64 file = *place.file ? pf_string(o, seq, PF_SOURCE_PATH, place.file) : 0;
	Ctrace__Frame *new = ct_vec_push(&s->new_frames);
	ctrace__frame__init(new);
	PF_SET(new, iid, iid);
	PF_SET(new, function_name_id, function);
	PF_SET(new, mapping_id, module);
	PF_SET(new, rel_pc, place.offset);
	if (file)
		PF_SET(new, source_path_iid, file);
	if (place.line)
		PF_SET(new, line_number, place.line);
	return iid;
}

u64 pf_stack(struct pf_out *o, enum pf_seq_id seq, u32 stack)
{
	struct pf_seq *s = &o->seqs[seq];
	u32 cnt = 0;
	const u32 *frames = o->m->names ? ct_names__stack(o->m->names, stack, &cnt) : NULL;
	if (!cnt)
		return 0;
	if (s->stack_known[stack])
		return stack;
	s->stack_known[stack] = true;
	u64 *ids = ct_alloc(cnt * sizeof(*ids));
	for (u32 i = 0; i < cnt; i++)
		ids[i] = frame_id(o, seq, frames[cnt - 1 - i]);
	Ctrace__Callstack *new = ct_vec_push(&s->new_stacks);
	ctrace__callstack__init(new);
	PF_SET(new, iid, stack);
	new->n_frame_ids = cnt;
	new->frame_ids = ids;
	return stack;
}

/* The pointers that protobuf-c wants to the elements of a vector. */
#define POINTERS(vec, list, n)                                                                     \
	do {                                                                                       \
		(n) = (vec)->cnt;                                                                  \
		(list) = (n) ? ct_alloc((n) * sizeof(*(list))) : NULL;                             \
		for (u32 i_ = 0; i_ < (n); i_++)                                                   \
			(list)[i_] = &(vec)->at[i_];                                               \
	} while (0)

static void set_strings(struct pf_seq *s, Ctrace__InternedData *d)
{
	POINTERS(&s->strings[PF_CATEGORY], d->event_categories, d->n_event_categories);
	POINTERS(&s->strings[PF_EVENT_NAME], d->event_names, d->n_event_names);
	POINTERS(&s->strings[PF_ANNOTATION_NAME], d->debug_annotation_names,
		d->n_debug_annotation_names);
	POINTERS(&s->strings[PF_ANNOTATION_VALUE], d->debug_annotation_string_values,
		d->n_debug_annotation_string_values);
	POINTERS(&s->strings[PF_FUNCTION], d->function_names, d->n_function_names);
	POINTERS(&s->strings[PF_MAPPING_PATH], d->mapping_paths, d->n_mapping_paths);
	POINTERS(&s->strings[PF_SOURCE_PATH], d->source_paths, d->n_source_paths);
	POINTERS(&s->strings[PF_KERNEL_SYMBOL], d->kernel_symbols, d->n_kernel_symbols);
	POINTERS(&s->new_mappings, d->mappings, d->n_mappings);
	POINTERS(&s->new_frames, d->frames, d->n_frames);
	POINTERS(&s->new_stacks, d->callstacks, d->n_callstacks);
}

static void free_lists(Ctrace__InternedData *d)
{
	free(d->event_categories);
	free(d->event_names);
	free(d->debug_annotation_names);
	free(d->debug_annotation_string_values);
	free(d->function_names);
	free(d->mapping_paths);
	free(d->source_paths);
	free(d->kernel_symbols);
	free(d->mappings);
	free(d->frames);
	free(d->callstacks);
}

static bool anything_new(const struct pf_seq *s)
{
	u32 cnt = s->new_stacks.cnt;
	for (u32 t = 0; t < PF_STRINGS; t++)
		cnt += s->strings[t].cnt;
	return cnt;
}

static void forget_new(struct pf_seq *s)
{
	for (u32 t = 0; t < PF_STRINGS; t++)
		s->strings[t].cnt = 0;
	for (u32 i = 0; i < s->new_mappings.cnt; i++)
		free(s->new_mappings.at[i].path_string_ids);
	for (u32 i = 0; i < s->new_stacks.cnt; i++)
		free(s->new_stacks.at[i].frame_ids);
	s->new_mappings.cnt = s->new_frames.cnt = s->new_stacks.cnt = 0;
}

void pf_out_clear(struct pf_out *o)
{
	for (u32 i = 0; i < PF_SEQS; i++) {
		struct pf_seq *s = &o->seqs[i];
		forget_new(s);
		for (u32 t = 0; t < PF_STRINGS; t++) {
			ct_strtab__free(s->texts[t]);
			ct_vec_free(&s->strings[t]);
		}
		ct_table__free(s->mappings);
		free(s->frame_known);
		free(s->stack_known);
		ct_vec_free(&s->new_mappings);
		ct_vec_free(&s->new_frames);
		ct_vec_free(&s->new_stacks);
	}
	ct_buf_free(&o->packed);
	free(o->tids);
	free(o->pids);
}

/* ---- packets --------------------------------------------------------------------------------- */

void pf_put(struct pf_out *o, enum pf_seq_id seq, Ctrace__TracePacket *packet)
{
	struct pf_seq *s = &o->seqs[seq];
	Ctrace__InternedData interned = CTRACE__INTERNED_DATA__INIT;
	if (anything_new(s)) {
		set_strings(s, &interned);
		packet->interned_data = &interned;
	}
	PF_SET(packet, trusted_packet_sequence_id, seq + 1);
	PF_SET(packet, sequence_flags, s->begun ? NEEDED : CLEARED | NEEDED);
	PF_SET(packet, machine_id, o->machine_id);
	s->begun = true;

	Ctrace__Trace trace = CTRACE__TRACE__INIT;
	trace.n_packet = 1;
	trace.packet = &packet;
	size_t size = ctrace__trace__get_packed_size(&trace);
	o->packed.len = 0;
	ct_buf_reserve(&o->packed, size);
	ctrace__trace__pack(&trace, o->packed.at);
	fwrite(o->packed.at, 1, size, o->out);
	packet->interned_data = NULL;
	free_lists(&interned);
	forget_new(s);
}

void pf_count(struct pf_out *o, u64 track, ct_ns t, u64 value)
{
	Ctrace__TracePacket packet = CTRACE__TRACE_PACKET__INIT;
	Ctrace__TrackEvent event = CTRACE__TRACK_EVENT__INIT;
	PF_SET(&event, type, 4);
	PF_SET(&event, track_uuid, track);
	PF_SET(&event, counter_value, (i64)value);
	PF_SET(&packet, timestamp, pf_time(o, t));
	packet.track_event = &event;
	pf_put(o, PF_TRACKS, &packet);
}
