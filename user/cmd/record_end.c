/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what follows the recording: names, which end the trace, and the report, the findings and the
 * page, which are made from the file just written, as `ctrace report` would.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/rights.h"
#include "cmd/hang.h"
#include "cmd/record_int.h"

/* The most that reading the program's symbols may take; far more than any program should need. */
#define NAMING_CPU_S 300
#define NAMING_WALL_S 600

struct progress {
	ct_ns next_ns;
};

static void show_progress(void *arg, u32 done, u32 all)
{
	struct progress *p = arg;
	ct_ns now = record_clock_ns(CLOCK_MONOTONIC);

	if (now < p->next_ns)
		return;
	p->next_ns = now + 2000000000ull;
	ct_info("naming the places where threads waited: %u of %u stacks", done, all);
}

static void name_stacks(struct recording *r)
{
	struct progress p = { .next_ns = record_clock_ns(CLOCK_MONOTONIC) + 2000000000ull };

	ct_symbolizer__resolve(r->sym, r->names, show_progress, &p);
	free(r->run.libc);
	r->run.libc = ct_strdup(ct_symbolizer__libc(r->sym, r->run.pid));
}

static int print_json(struct recording *r, const struct ct_export_in *in)
{
	int err;

	if ((!r->opts->json_file || ct_export__is_stream(r->opts->json_file)) &&
		!r->run.attached && record_stdout_size() > r->out_size && r->out_size >= 0)
		ct_warn("the program's own output stands before the JSON; --json=FILE keeps them "
			"apart");
	err = ct_export__json(r->opts, in, r->path, stdout);
	r->failed = r->opts->json_file && err;
	return err;
}

/* The report names them. */
static void warn_of_let_go(const struct recording *r)
{
	if (r->let_go)
		ct_warn("%u program%s with more rights than the caller's (set-user-id, "
			"set-group-id or file capabilities) ran on, unrecorded",
			r->let_go, r->let_go == 1 ? "" : "s");
}

static int print_report(struct recording *r, struct ct_source *source, const struct ct_facts *facts)
{
	struct ct_report_opts ro;

	if (r->opts->json) {
		const struct ct_export_in in = { .facts = facts, .source = source };

		warn_of_let_go(r);
		return print_json(r, &in);
	}
	if (r->opts->quiet || (r->opts->in_series && !r->opts->verbose))
		return 0;
	ct_term__report_opts(&ro, stderr, r->opts->verbose);
	return ct_report__write(facts, &ro, stderr);
}

/* The page belongs beside a trace that is a file; one on its way elsewhere has no place for it, and
 * where the trace had no room it would have none either. Of a series, `ctrace view` makes the page
 * that somebody wants to see. */
static void write_page(
	struct recording *r, struct ct_source *source, const struct ct_facts *facts)
{
	const struct ct_export_in in = { .facts = facts, .source = source, .just_recorded = true };
	struct stat st;
	char *page;

	if (r->opts->no_html || r->opts->in_series || r->wrote_badly || fstat(r->fd, &st) ||
		!S_ISREG(st.st_mode))
		return;
	page = ct_view__write_beside(&in, r->path);
	if (page && !r->opts->quiet)
		ct_info("the same with a timeline is in %s, for a browser ('%s view %s' opens it)",
			page, program_invocation_name, r->path);
	free(page);
}

/* The recording is read back from its file, through the same door as any trace; what could not be
 * written for lack of space is missing here, too, and said. */
static struct ct_source *read_back(const struct recording *r, int fd, bool say)
{
	struct ct_source *source;
	char self[64], *why = NULL;
	int err;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	err = ct_source__open(&source, self, &why);
	if (err && say) {
		/* "PATH: WHY", of a path that only this process knows */
		const char *colon = why ? strstr(why, ": ") : NULL;

		ct_error("cannot read '%s' back: %s", r->path, colon ? colon + 2 : strerror(-err));
	}
	free(why);
	return err ? NULL : source;
}

static void write_end(struct recording *r)
{
	int err = ct_writer__finish(r->writer, &r->run, r->names);

	if (err && !r->wrote_badly)
		ct_error("cannot finish '%s': %s; what was written before stays readable", r->path,
			strerror(-err));
}

static void name_and_write_end(struct recording *r)
{
	struct ct_source *source;
	struct ct_model *m;

	name_stacks(r);
	source = read_back(r, r->fd, false); /* read_whole() says it */
	if (source) {
		m = ct_model__build(source, r->names);
		ct_locks__name(r->sym, r->names, m, r->watch);
		ct_model__free(m);
		ct_source__free(source);
	}
	if (r->run.redacted)
		ct_names__redact(r->names);
	write_end(r);
}

/* In a process of its own.  When that fails, what it wrote is taken back, and the trace ends
 * without names. */
static void finish_file(struct recording *r)
{
	off_t end = lseek(r->fd, 0, SEEK_CUR);
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		ct_limit__reading(NAMING_CPU_S, NAMING_WALL_S);
		name_and_write_end(r);
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (pid > 0 && !status)
		return;
	ct_warn("cannot name the places where threads waited: reading the program's symbols failed "
		"(%s)", pid < 0 ? strerror(errno) : ct_limit__what_ended(status));
	if (ftruncate(r->fd, end) || lseek(r->fd, end, SEEK_SET) < 0)
		ct_debug("cannot take back what was written: %s", strerror(errno));
	write_end(r);
}

/* Does anybody ask what the recording means?  Of a series, who sums it up reads the trace. */
static bool is_asked_for(const struct recording *r)
{
	const struct ct_opts *o = r->opts;

	return o->json || o->fail_on || o->verbose || r->wrote_badly ||
	       (!o->in_series && (!o->quiet || !o->no_html));
}

/* --max-size: nothing of the newest half could be written; is there an older one? */
static bool fall_back(struct recording *r)
{
	if (r->shows_older || ct_flight__fall_back(&r->flight, &r->user, r->path, &r->fd))
		return false;
	r->join_err = 0;
	ct_warn("there was no room for the newest half of the recording; '%s' holds the older one",
		r->path);
	return true;
}

/* Halves that cannot be joined, as a rule for lack of room, both stay; the one that holds more is
 * what is reported. */
static void join_and_name(struct recording *r)
{
	bool older;

	r->join_err = ct_flight__join(&r->flight, &r->user, r->path, &r->fd, &r->writer, &r->run);
	older = r->join_err && ct_flight__older_is_larger(&r->flight, r->fd);
	finish_file(r);
	r->shows_older = older && !ct_flight__swap(&r->flight, &r->user, r->path, &r->fd);
}

/* Only when it is certain that it stays so: fall_back(). */
static void say_not_joined(const struct recording *r)
{
	const char *why = strerror(-r->join_err);

	if (r->shows_older)
		ct_error("cannot join the two halves of '%s': %s; it holds the older one, which "
			 "tells more; the newer one is in '%s.part'",
			r->path, why, r->path);
	else if (r->join_err)
		ct_error("cannot join the two halves of '%s': %s; the older one is in '%s.part'",
			r->path, why, r->path);
}

/* What the file holds by now; NULL: said, and r->lost. */
static struct ct_source *read_whole(struct recording *r)
{
	struct ct_source *source;

	record_keep_output(r);
	source = r->lost ? NULL : read_back(r, r->fd, true);
	r->lost = !source;
	r->finished = source != NULL;
	r->wrote_badly |= source && !ct_source__complete(source);
	return source;
}

/* What the recording means is worked out once, for the report, for --fail-on and for the page. */
struct outcome {
	struct ct_source *source;
	struct ct_source *named; /* has the names, when source has none; else NULL */
	struct ct_model *m;
};

/* The older half of two has no names; the newer one's are those of both, if they found room. */
static struct ct_source *read_names(const struct recording *r)
{
	struct ct_source *newer = r->shows_older ? read_back(r, r->flight.older_fd, false) : NULL;

	if (newer && !ct_source__complete(newer)) {
		ct_source__free(newer);
		newer = NULL;
	}
	return newer;
}

/* The model that names were made by (name_and_write_end) is not this one: it says which addresses
 * are locks, and what they are called says, in turn, what a wait there is for. */
static void build(const struct recording *r, struct outcome *o)
{
	o->named = read_names(r);
	o->m = ct_model__build(
		o->source, ct_source__names(o->named ? o->named : o->source));
}

static void clear_outcome(struct outcome *o)
{
	if (o->m)
		ct_model__free(o->m);
	ct_source__free(o->source);
	ct_source__free(o->named);
	*o = (struct outcome){ 0 };
}

/* false: there is nothing to be reported, and that was said, or nobody asks. */
static bool work_out(struct recording *r, struct outcome *o)
{
	o->source = read_whole(r);
	if (!o->source || !is_asked_for(r)) {
		say_not_joined(r);
		if (o->source)
			warn_of_let_go(r);
		return false;
	}
	build(r, o);
	if (!o->m->event_cnt && r->wrote_badly && fall_back(r)) {
		clear_outcome(o);
		o->source = read_whole(r);
		if (!o->source)
			return false;
		build(r, o);
	}
	say_not_joined(r);
	if (o->m->event_cnt || !r->wrote_badly)
		return true;
	ct_error("nothing of the recording is in '%s': there was no room for it%s; name another "
		 "place with -o FILE",
		r->path, r->opts->json ? ", and no JSON is written" : "");
	r->lost = true;
	return false;
}

static void tell(struct recording *r, const struct outcome *o)
{
	struct ct_facts facts;
	int code;

	ct_facts__compute(&facts, o->m);
	print_report(r, o->source, &facts);
	if (r->watch && ct_watcher__seed(r->watch) && !r->opts->in_series)
		ct_info("shaken with seed %llu: %llu lost updates",
			(unsigned long long)ct_watcher__seed(r->watch),
			(unsigned long long)ct_sharing__lost(&facts.sharing));
	code = ct_fail_on__judge(r->opts, &facts);
	r->judged = code != CT_EXIT_FAILED;
	r->found = code == CT_EXIT_FOUND;
	if (!r->opts->quiet && !r->opts->in_series)
		ct_info("the trace is in %s%s%s ('%s report %s' shows this again)", r->path,
			r->previous ? ", the one before it in " : "",
			r->previous ? r->previous : "", program_invocation_name, r->path);
	write_page(r, o->source, &facts);
	ct_facts__clear(&facts);
}

void record_finish_trace(struct recording *r)
{
	struct outcome o = { 0 };

	if (r->writer) {
		join_and_name(r);
	} else if (!fall_back(r)) { /* said when it could not be begun */
		r->lost = true;
		return;
	}
	if (work_out(r, &o))
		tell(r, &o);
	clear_outcome(&o);
}
