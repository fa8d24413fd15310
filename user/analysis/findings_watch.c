/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings about watched variables: an update that was lost, and sharing that nothing guards.  Both
 * are wrong values, not lost time: they cost nothing, and stand before all that does.  Nothing is
 * said where nothing was found: the accesses of another run may come in another order.
 */
#include <inttypes.h>

#include "findings_int.h"

static struct ct_finding *found_in(struct ct_search *s, enum ct_finding_kind kind,
	const struct ct_shared *v, enum ct_severity severity)
{
	struct ct_finding *f = ct_found__new(s, kind, 0, true);

	f->severity = severity;
	f->seen = true; /* by the accesses themselves: events that were lost change nothing */
	f->watched = v->watched;
	return f;
}

static void add_touches(struct ct_search *s, struct ct_finding *f, const u32 *touches, u32 cnt)
{
	for (u32 i = cnt; i-- > 0;) {
		ct_found__thread(f, s->m->touches.at[touches[i]].thread);
		ct_found__frame(f, s->m->touches.at[touches[i]].frame);
	}
}

static const char *say_value(struct ct_search *s, const struct ct_watched *w, i64 value)
{
	char text[CT_WATCHED_LEN];

	return ct_say(s, "%s", ct_watched_text(w, value, text));
}

static const char *value_of(struct ct_search *s, u32 touch)
{
	const struct ct_touch *t = &s->m->touches.at[touch];
	const struct ct_watched *w = &s->m->watched.at[t->watched];

	return say_value(s, w, ct_watched_value(w, t->after));
}

/* What it came to. */
static const char *say_sum(struct ct_search *s, const struct ct_shared *v)
{
	const struct ct_watched *w = &s->m->watched.at[v->watched];

	if (!v->complete) /* or seen, but not the value of each */
		return w->gaps || v->unknown ? " Not every access was seen, so there may be more."
					     : "";
	if (!v->counter || v->expected == v->last)
		return "";
	return ct_say(s, " The last value is %s, and should be %s.", say_value(s, w, v->last),
		say_value(s, w, v->expected));
}

/* One loss can undo many: whatever others did since the old value was read. */
static const char *say_undone(struct ct_search *s, const struct ct_shared *v)
{
	if (!v->undone)
		return "";
	return ct_say(s, ", which undid %s of them", ct_say_count(s, v->undone));
}

static const char *say_guards(struct ct_search *s, const struct ct_shared *v)
{
	const char *locks = "";
	char raw[256];

	if (!v->guarded_lost)
		return "";
	for (u32 i = 0; i < CT_WATCH_LOCKS; i++)
		if (v->half_locks >> i & 1)
			locks = ct_say(s, "%s%s%s", locks, *locks ? " and " : "",
				ct_watch_lock_name(s->m, i, raw, sizeof(raw)));
	if (*locks)
		return ct_say(s,
			" Each access was guarded (by %s), but the update as a whole was "
			"not: the lock was released between the read and the write.",
			locks);
	return " Each access was atomic, but the update as a whole was not: others came in between "
	       "the read and the write.";
}

/* The accesses of the witness: reader of an old value, what the others did, its write. */
static const char *say_witness(struct ct_search *s, const struct ct_shared *v)
{
	u32 write = v->witness[v->witness_cnt - 1], foreign = v->witness[v->witness_cnt - 2];
	u32 a = s->m->touches.at[write].thread, b = s->m->touches.at[foreign].thread, read = write;

	for (u32 i = 0; i + 2 < v->witness_cnt; i++)
		if (s->m->touches.at[v->witness[i]].thread == a)
			read = v->witness[i];
	return ct_say(s,
		"%s read %s%s, %s wrote %s in the meantime, and then %s wrote "
		"%s, which knows nothing of that",
		ct_say_thread(s, a), value_of(s, read), ct_say_at(s, s->m->touches.at[read].frame),
		ct_say_thread(s, b), value_of(s, foreign), ct_say_thread(s, a), value_of(s, write));
}

/* Nobody was caught in the act: the sum alone shows it. */
static void say_missing(struct ct_search *s, struct ct_finding *f, const struct ct_shared *v)
{
	const struct ct_watched *w = &s->m->watched.at[v->watched];
	const char *name = ct_say_watched(s, v->watched);
	const char *least = v->complete ? "" : "at least ";

	for (u32 i = 0; i < v->users.cnt; i++)
		if (v->users.at[i].writes)
			ct_found__thread(f, v->users.at[i].thread);
	f->title = v->undone ? ct_asprintf("updates of %s are lost: %s%s of %s are missing", name,
				       least, ct_say_count(s, v->undone),
				       ct_say_count(s, v->writes))
			     : ct_asprintf("updates of %s are lost: its sum is short", name);
	f->evidence = ct_asprintf(
		"Every access was seen, and each of the %s writes left what its thread had found "
		"there %s. From %s%s that makes %s%s, and it ended as %s. None of the losses was "
		"caught as it happened.",
		ct_say_count(s, v->writes),
		v->delta > 0   ? "plus the same number"
		: v->delta < 0 ? "minus the same number"
			       : "and some more or less",
		v->delta < 0 ? ""  : least, say_value(s, w, v->first), v->delta < 0 ? "" : least,
		say_value(s, w, v->expected), say_value(s, w, v->last));
}

static void say_caught(struct ct_search *s, struct ct_finding *f, const struct ct_shared *v)
{
	add_touches(s, f, v->witness, v->witness_cnt);
	f->title = ct_asprintf("updates of %s are lost, %s time%s in this run",
		ct_say_watched(s, v->watched), ct_say_count(s, v->lost), v->lost == 1 ? "" : "s");
	f->evidence = ct_asprintf("%s. So it went %s time%s in %s writes%s.%s%s", say_witness(s, v),
		ct_say_count(s, v->lost), v->lost == 1 ? "" : "s", ct_say_count(s, v->writes),
		say_undone(s, v), say_sum(s, v), say_guards(s, v));
}

void ct_find_lost_updates(struct ct_search *s)
{
	for (u32 i = 0; i < s->f->sharing.at.cnt; i++) {
		const struct ct_shared *v = &s->f->sharing.at.at[i];
		struct ct_finding *f;

		if (!v->lost)
			continue;
		f = found_in(s, CT_FIND_LOST_UPDATE, v, CT_SEV_HIGH);
		if (v->witness_cnt)
			say_caught(s, f, v);
		else
			say_missing(s, f, v);
		f->advice = ct_asprintf(
			v->counter ? "Hold one mutex from the read to the write, in every thread "
				     "that changes %s; or, for one number, make it atomic and use "
				     "an atomic add; or let each thread count on its own and add "
				     "up at the end."
				   : "Hold one lock from the look at %s to the write that follows "
				     "from it, in every thread that does so: check and act must "
				     "be one step.",
			ct_say_watched(s, v->watched));
	}
}

static const char *say_locks(struct ct_search *s, const struct ct_touch *t)
{
	const char *text = "";
	char raw[256];

	for (u32 i = 0; i < CT_WATCH_LOCKS; i++)
		if (t->locks >> i & 1)
			text = ct_say(s, "%s%s%s", text, *text ? " and " : "",
				ct_watch_lock_name(s->m, i, raw, sizeof(raw)));
	return *text ? ct_say(s, " with %s", text) : " without a lock";
}

static const char *say_write(struct ct_search *s, u32 touch)
{
	const struct ct_touch *t = &s->m->touches.at[touch];

	return ct_say(
		s, "%s%s%s", ct_say_thread(s, t->thread), ct_say_at(s, t->frame), say_locks(s, t));
}

void ct_find_unprotected(struct ct_search *s)
{
	for (u32 i = 0; i < s->f->sharing.at.cnt; i++) {
		const struct ct_shared *v = &s->f->sharing.at.at[i];
		struct ct_finding *f;
		const char *name;

		if (v->racy[0] == CT_NONE)
			continue;
		name = ct_say_watched(s, v->watched);
		f = found_in(
			s, CT_FIND_UNPROTECTED_SHARING, v, v->lost ? CT_SEV_LOW : CT_SEV_MEDIUM);
		add_touches(s, f, v->racy, 2);
		f->title =
			ct_asprintf("several threads write %s, and nothing keeps them apart", name);
		f->evidence = ct_asprintf(
			"Written by %s; then by %s. They hold no lock in common, the instructions "
			"are not atomic, and neither thread waited for the other in between.%s",
			say_write(s, v->racy[0]), say_write(s, v->racy[1]),
			v->lost ? "" : " In this run no update was seen to be lost.");
		f->advice = ct_asprintf("Give %s one lock, taken for every access, or make it "
					"atomic, or do not share it.",
			name);
	}
}
