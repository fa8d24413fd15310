/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generations of a trace: see flight.h. Each can be read by itself, since the threads are
 * introduced anew at its beginning (capture/snapshot.c), so that what a killed ctrace leaves is
 * readable, too. Joining reads the events of both in order and writes them anew, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/aside.h"
#include "cmd/flight.h"

#define PART ".part"
#define JOIN ".join"
#define SYNC_EVENTS 65536u

void ct_flight__begin(struct ct_flight *f, u64 max_size, ct_ns start_ns)
{
	/* a generation is found to be full a little late, and the names come on top */
	*f = (struct ct_flight){
		.most = max_size / 2 - max_size / 16, .older_fd = -1, .start_ns = start_ns
	};
}

bool ct_flight__is_full(const struct ct_flight *f, const struct ct_writer *w)
{
	return f->most && w && ct_writer__bytes(w) >= f->most;
}

static int open_new(const struct ct_user *user, const char *path)
{
	return ct_rights__open_as(user, path, O_RDWR | O_CREAT | O_EXCL, 0644);
}

int ct_flight__turn(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd,
	ct_ns now)
{
	char *part = ct_asprintf("%s" PART, path);
	int err = ct_rights__rename_as(user, path, part), new_fd;

	if (err == -ENOENT) /* somebody removed it: this process still has it */
		err = 0;
	new_fd = err ? err : open_new(user, path);

	if (!err && new_fd < 0)
		ct_rights__rename_as(user, part, path);
	free(part);
	if (new_fd < 0)
		return new_fd;
	if (f->older_fd >= 0)
		ct_aside__close(f->older_fd);
	f->older_fd = *fd;
	f->older_start_ns = f->start_ns;
	f->start_ns = now;
	*fd = new_fd;
	return 0;
}

/* An event as it stood in its ring. */
static int write_event(struct ct_writer *w, const struct ct_event *e, struct ct_buf *record)
{
	u32 size = ct_kind_size(e->hdr.kind);
	struct ct_hdr hdr = e->hdr;

	hdr.words = (u16)((sizeof(hdr) + size) / 8);
	record->len = 0;
	ct_buf_put(record, &hdr, sizeof(hdr));
	ct_buf_put(record, (const u8 *)e + offsetof(struct ct_event, block), size);
	return ct_writer__records(w, e->cpu, record->at, record->len);
}

static int copy_events(struct ct_writer *w, int fd)
{
	struct ct_buf record = { 0 };
	const struct ct_event *e;
	struct ct_source *source;
	char self[64], *why = NULL;
	u32 cnt = 0;
	int err;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	err = ct_source__open(&source, self, &why);
	free(why);
	while (!err && (e = ct_source__next(source))) {
		ct_ns ts = e->hdr.ts;

		err = write_event(w, e, &record);
		if (!err && ++cnt % SYNC_EVENTS == 0)
			err = ct_writer__sync(w, ts);
	}
	if (source)
		ct_source__free(source);
	ct_buf_free(&record);
	return err;
}

static int write_joined(struct ct_flight *f, int fd, int joined, struct ct_writer **w,
	const struct ct_run *run)
{
	int err = ct_writer__new(w, joined, run);

	err = err ? err : copy_events(*w, f->older_fd);
	err = err ? err : copy_events(*w, fd);
	return err ? err : ct_writer__flush(*w, run->end_ns);
}

/* What recording took, of the part that is kept. */
static void share_cost(struct ct_run *run)
{
	double kept_ns = (double)(run->end_ns - run->start_ns);
	double share = kept_ns / (kept_ns + (double)run->dropped_ns);

	run->cost_probes_ns = (ct_ns)((double)run->cost_probes_ns * share);
	run->cost_collector_ns = (ct_ns)((double)run->cost_collector_ns * share);
}

/* The joined file takes the place of both. */
static int take_place(const struct ct_user *user, const char *path)
{
	char *join = ct_asprintf("%s" JOIN, path), *part = ct_asprintf("%s" PART, path);
	int err = ct_rights__rename_as(user, join, path);

	if (!err)
		ct_rights__unlink_as(user, part);
	free(join);
	free(part);
	return err;
}

int ct_flight__join(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd,
	struct ct_writer **w, struct ct_run *run)
{
	char *join = ct_asprintf("%s" JOIN, path);
	struct ct_writer *joined_writer = NULL;
	int joined = -1, err = 0;

	if (f->older_fd < 0)
		goto out;
	run->dropped_ns = f->older_start_ns - run->start_ns;
	run->start_ns = f->older_start_ns;
	ct_rights__unlink_as(user, join);
	joined = open_new(user, join);
	err = joined < 0 ? joined : write_joined(f, *fd, joined, &joined_writer, run);
	err = err ? err : take_place(user, path);
	if (err) {
		if (joined_writer)
			ct_writer__free(joined_writer);
		if (joined >= 0) {
			close(joined);
			ct_rights__unlink_as(user, join);
		}
		run->dropped_ns += f->start_ns - run->start_ns;
		run->start_ns = f->start_ns;
		goto out;
	}
	share_cost(run);
	ct_writer__free(*w);
	close(*fd);
	*w = joined_writer;
	*fd = joined;
out:
	if (f->older_fd >= 0 && !err) {
		close(f->older_fd);
		f->older_fd = -1;
	}
	free(join);
	return err;
}

bool ct_flight__older_is_larger(const struct ct_flight *f, int fd)
{
	struct stat older, newer;

	return f->older_fd >= 0 && !fstat(f->older_fd, &older) && !fstat(fd, &newer) &&
	       older.st_size > newer.st_size;
}

int ct_flight__swap(struct ct_flight *f, const struct ct_user *user, const char *path, int *fd)
{
	char *part = ct_asprintf("%s" PART, path), *aside = ct_asprintf("%s" JOIN, path);
	int older = f->older_fd, err = ct_rights__rename_as(user, path, aside);

	if (!err) {
		err = ct_rights__rename_as(user, part, path);
		ct_rights__rename_as(user, aside, err ? path : part);
	}
	if (!err) {
		f->older_fd = *fd;
		*fd = older;
	}
	free(aside);
	free(part);
	return err;
}

int ct_flight__fall_back(
	struct ct_flight *f, const struct ct_user *user, const char *path, int *fd)
{
	char *part;
	int err;

	if (f->older_fd < 0)
		return -ENOENT;
	part = ct_asprintf("%s" PART, path);
	err = ct_rights__rename_as(user, part, path);
	free(part);
	if (err)
		return err;
	close(*fd);
	*fd = f->older_fd;
	f->older_fd = -1;
	return 0;
}
