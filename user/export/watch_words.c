/* SPDX-License-Identifier: BSD-2-Clause */
/* What report and page say of a watched variable: shared? mutable? guarded by what? */
#include <string.h>

#include "export_int.h"

#define NAME_SIZE 512

static char *name_locks(const struct ct_model *m, u64 locks)
{
	char raw[NAME_SIZE];
	char *text = ct_strdup("");

	for (u32 i = 0; i < CT_WATCH_LOCKS && locks != UINT64_MAX; i++) {
		if (!(locks >> i & 1))
			continue;
		char *longer = ct_asprintf("%s%s%s", text, *text ? " and " : "",
			ct_watch_lock_name(m, i, raw, sizeof(raw)));
		free(text);
		text = longer;
	}
	return text;
}

char *ct_watch_words(const struct ct_model *m, const struct ct_shared *v, const char *setter)
{
	static const char *const words[CT_SHARINGS] = {
		[CT_SHARE_UNTOUCHED] = "not touched while it was watched",
		[CT_SHARE_ONE_THREAD] = "one thread's own",
		[CT_SHARE_HANDED_ON] = "handed from thread to thread, one at a time",
		[CT_SHARE_READ_ONLY] = "shared, immutable after its start",
		[CT_SHARE_ONE_WRITER] = "shared, written by one thread, with no lock",
		[CT_SHARE_ATOMIC] = "shared, atomic",
		[CT_SHARE_GUARDED] = "shared, guarded by ",
		[CT_SHARE_GUARDED_WRITES] = "shared, written under ",
		[CT_SHARE_MIXED] = "shared, written in turn",
		[CT_SHARE_UNGUARDED] = "shared, UNGUARDED",
	};
	char *locks = name_locks(m, v->guarded_lost ? v->half_locks : v->shown_locks);
	const char *more = "", *what = "";

	if (v->guarded_lost) {
		char *halves = ct_asprintf("shared, %s%s at each access, but NOT from the read to "
					   "the write",
			*locks ? "guarded by " : "atomic", locks);

		free(locks);
		return halves;
	}

	if (v->set_late != CT_NONE) {
		free(locks);
		return ct_asprintf("shared, set %sby %s after the others had begun; read by "
				   "others with no lock",
			v->writes == 1 ? "once " : "", setter);
	}
	if (v->sharing == CT_SHARE_GUARDED || v->sharing == CT_SHARE_GUARDED_WRITES)
		what = locks;
	if (v->sharing == CT_SHARE_GUARDED_WRITES)
		more = "; some read outside of it, or under its read lock";
	if (v->sharing == CT_SHARE_MIXED)
		more = v->unclear ? "; by locks or messages that cannot be seen, if at all"
				  : ", with no lock in common";
	char *text = ct_asprintf("%s%s%s", words[v->sharing], what, more);

	free(locks);
	return text;
}
