/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events of ctrace_events.def as tables: names, sizes, fields.  For code that treats all events
 * alike and is not hot (text form, messages, tests); the hot code of columns.c expands the list
 * itself.  Constant data only.
 */
#include "trace_int.h"

#define HOW_PLAIN CT_HOW_PLAIN
#define HOW_DELTA CT_HOW_DELTA
#define HOW_RAW CT_HOW_RAW

/* One array of fields per event: fields_of_switch[], ... */
#define CT_EVENT(id, UPPER, lower, meaning) static const struct ct_field fields_of_##lower[] = {
#define CT_FIELD(lower, type, field, how_, meaning)                                                \
	{ .name = #field,                                                                          \
		.offset = offsetof(struct ct_##lower, field),                                      \
		.size = sizeof(type),                                                              \
		.how = HOW_##how_,                                                                 \
		.is_signed = (type)-1 < (type)1,                                                   \
		.is_nr = sizeof(#field) == 3 && #field[0] == 'n' && #field[1] == 'r' },
#define CT_EVENT_END(lower)                                                                        \
	}                                                                                          \
	;
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END

static const struct ct_kind_info kinds[CT_KIND_END] = {
#define CT_EVENT(id, UPPER, lower, meaning)                                                        \
	[id] = { .name = #lower,                                                                   \
		.fields = fields_of_##lower,                                                       \
		.field_cnt = CT_COUNT(fields_of_##lower),                                          \
		.size = sizeof(struct ct_##lower) },
#define CT_FIELD(lower, type, field, how, meaning)
#define CT_EVENT_END(lower)
#include "ctrace_events.def"
#undef CT_EVENT
#undef CT_FIELD
#undef CT_EVENT_END
};

const struct ct_kind_info *ct_kind_info(u32 kind)
{
	return kind < CT_COUNT(kinds) && kinds[kind].name ? &kinds[kind] : NULL;
}

const char *ct_kind_name(u32 kind)
{
	const struct ct_kind_info *info = ct_kind_info(kind);
	return info ? info->name : NULL;
}

u32 ct_kind_size(u32 kind)
{
	const struct ct_kind_info *info = ct_kind_info(kind);
	return info ? info->size : 0;
}

u64 ct_field_get(const struct ct_field *f, const void *body)
{
	const u8 *at = (const u8 *)body + f->offset;
	switch (f->size) {
	case 1:
		return f->is_signed ? (u64)(i64)(int8_t)*at : *at;
	case 2: {
		u16 v;
		memcpy(&v, at, sizeof(v));
		return f->is_signed ? (u64)(i64)(int16_t)v : v;
	}
	case 4: {
		u32 v;
		memcpy(&v, at, sizeof(v));
		return f->is_signed ? (u64)(i64)(i32)v : v;
	}
	default: {
		u64 v;
		memcpy(&v, at, sizeof(v));
		return v;
	}
	}
}

void ct_field_set(const struct ct_field *f, void *body, u64 value)
{
	u8 *at = (u8 *)body + f->offset;
	u16 v2 = (u16)value;
	u32 v4 = (u32)value;
	switch (f->size) {
	case 1:
		*at = (u8)value;
		return;
	case 2:
		memcpy(at, &v2, sizeof(v2));
		return;
	case 4:
		memcpy(at, &v4, sizeof(v4));
		return;
	default:
		memcpy(at, &value, sizeof(value));
	}
}

const char *ct_event_problem(const struct ct_event *ev)
{
	static const char bad_state[] = "is in a state that does not exist";
	switch (ev->hdr.kind) {
	case CT_SWITCH:
		return ev->switch_.state < CT_STATE_END ? NULL : bad_state;
	case CT_BLOCK:
		return ev->block.state < CT_STATE_END ? NULL : bad_state;
	case CT_STATE:
		return ev->found.state < CT_STATE_END ? NULL : bad_state;
	case CT_LOSS:
		return ev->loss.kind < CT_KIND_MAX ? NULL : "lost events of an impossible kind";
	case CT_WATCH:
		return ev->watch.on <= CT_WATCH_PAUSE && ev->watch.size <= 8
			       ? NULL
			       : "watches a variable in an impossible way";
	case CT_WATCH_LOCK:
		return ev->watch_lock.slot < CT_WATCH_LOCKS ? NULL : "names an impossible lock";
	case CT_WATCH_TYPE:
		return ev->watch_type.type <= CT_WATCH_FLOAT ? NULL : "has an impossible type";
	case CT_STACK:
		return "belongs in a ring, not in a trace";
	default:
		return NULL;
	}
}
