/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the Perfetto exporter: packets go out one after the other (perfetto_out.c), those of
 * scheduling (perfetto_sched.c) and those of tracks (perfetto_tracks.c); perfetto.c puts them
 * together.  Which messages and fields there are: perfetto.proto.
 */
#ifndef CT_PERFETTO_INT_H
#define CT_PERFETTO_INT_H

#include "export_int.h"
#include "perfetto.pb-c.h"

/* An optional field of a message; `message` is evaluated twice. */
#define PF_SET(message, field, value) ((message)->has_##field = 1, (message)->field = (value))

/* Sequences: ids are interned within one. */
enum pf_seq_id {
	PF_SCHED,
	PF_TRACKS,
	PF_SAMPLES,
	PF_SEQS
};

/* Tables of interned strings. */
enum pf_strings {
	PF_CATEGORY,
	PF_EVENT_NAME,
	PF_ANNOTATION_NAME,
	PF_ANNOTATION_VALUE,
	PF_FUNCTION,
	PF_MAPPING_PATH,
	PF_SOURCE_PATH,
	PF_KERNEL_SYMBOL,
	PF_STRINGS
};

struct pf_seq {
	bool begun;
	struct ct_strtab *texts[PF_STRINGS];
	struct ct_table *mappings; /* module's string id -> 1 */
	bool *frame_known, *stack_known;
	/* what the next packet has to say first */
	CT_VEC(Ctrace__InternedString) strings[PF_STRINGS];
	CT_VEC(Ctrace__Mapping) new_mappings;
	CT_VEC(Ctrace__Frame) new_frames;
	CT_VEC(Ctrace__Callstack) new_stacks;
};

struct pf_out {
	FILE *out;
	const struct ct_model *m;
	u32 machine_id;
	struct pf_seq seqs[PF_SEQS];
	struct ct_buf packed;
	/* [threads], [processes]: ids that no other one of the trace has */
	u32 *tids, *pids;
};

void pf_out_init(struct pf_out *o, const struct ct_model *m, FILE *out);
void pf_out_clear(struct pf_out *o);
/* Its name, valid UTF-8, with its tid if that is not what it goes by here; free() it. */
char *pf_thread_name(const struct pf_out *o, u32 thread);
/* On the trace's clock there, BOOTTIME. */
u64 pf_time(const struct pf_out *o, ct_ns t);
/* Sets the sequence, and takes along what has been interned since its last packet. */
void pf_put(struct pf_out *o, enum pf_seq_id seq, Ctrace__TracePacket *packet);
/* Ids for pf_put's packet to use; made known by it. */
u64 pf_string(struct pf_out *o, enum pf_seq_id seq, enum pf_strings table, const char *text);
u64 pf_stack(struct pf_out *o, enum pf_seq_id seq, u32 stack); /* 0: nothing is known of it */

/* Tracks are told by their uuid: an index and what it counts. */
enum pf_track {
	PF_TRACK_PROCESS,
	PF_TRACK_THREAD,
	PF_TRACK_LOCKS, /* of a process: what its locks' tracks are under */
	PF_TRACK_LOCK,
	PF_TRACK_FINDINGS, /* 0: what the others are under */
	PF_TRACK_COUNTER,  /* enum pf_counter */
	PF_TRACK_LOSS,	   /* of a CPU */
	PF_TRACK_LOSS_COUNT,
	PF_TRACK_KINDS
};
enum pf_counter { PF_COUNT_RUNNING, PF_COUNT_RUNNABLE, PF_COUNTERS };
u64 pf_uuid(enum pf_track kind, u32 index);
void pf_count(struct pf_out *o, u64 track, ct_ns t, u64 value);

/* Switches, wakings, reasons, and the counters that follow from them: a merge of all threads'
 * slices by time. `source` may be NULL: it adds what the model does not keep (the letter of a
 * sleeper's state, priorities, CPUs of wakings). */
int pf_write_sched(struct pf_out *o, struct ct_source *source);
/* Tracks, and what is on them: waits, holds, wakes, findings, losses. */
void pf_write_tracks(struct pf_out *o, const struct ct_facts *facts);

#endif
