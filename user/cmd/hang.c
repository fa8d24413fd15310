/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the way from a look to a verdict.  The trace lives in memory; it is written and read by the
 * same code as a file.  What only the system knows, and no trace, is taken into account here: a
 * process with signal handlers may be woken by one, a process whose memory is shared by another
 * process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cmd/hang.h"
#include "version.h"

#define SHORT_NS                                                                                   \
	120000000ull	     /* between two looks: longer than ends of owner and waiter are apart */
#define LONG_NS 520000000ull /* for who seems stuck: longer than all may wait by chance */

static void sleep_until(ct_ns end_ns)
{
	struct timespec t = { .tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

int ct_look__closely(struct ct_look *look, const u32 *pids, u32 pid_cnt, bool patient)
{
	int err = ct_look__take(look, pids, pid_cnt);

	if (err)
		return err;
	if (patient)
		ct_look__follow(look);
	sleep_until(look->start_ns + SHORT_NS);
	ct_look__again(look);
	if (patient && ct_look__all_rest(look)) {
		sleep_until(look->start_ns + LONG_NS);
		ct_look__again(look);
	}
	return look->threads.cnt ? 0 : -ESRCH;
}

void ct_look__keep_stacks(const struct ct_look *look, struct ct_symbolizer *sym)
{
	CT_VEC(u32) ids = { 0 };

	for (u32 i = 0; i < look->threads.cnt; i++)
		for (u32 k = 0; k < look->threads.at[i].past_cnt; k++)
			*ct_vec_push(&ids) = look->threads.at[i].past[k].block.stack;
	ct_symbolizer__keep(sym, ids.at, ids.cnt);
	ct_vec_free(&ids);
}

static void describe_run(struct ct_run *run, const struct ct_look *look)
{
	const struct ct_looked_thread *first = &look->threads.at[0];
	struct utsname u;

	uname(&u);
	run->pid = first->pid;
	run->argv = ct_alloc(2 * sizeof(*run->argv));
	run->argv[0] = ct_snapshot__name(first->pid);
	run->end_ns = look->end_ns;
	run->cpus = run->cpus_machine = sysconf(_SC_NPROCESSORS_ONLN);
	run->stacks = true;
	run->arch = ct_strdup(u.machine);
	run->kernel = ct_strdup(u.release);
	run->host = ct_strdup(u.nodename);
	run->version = ct_strdup(CT_VERSION);
	run->libc = ct_strdup("");
}

static int write_trace(struct ct_verdict *v, const struct ct_look *look, int fd)
{
	struct ct_writer *w;
	ct_ns first_ns;
	int err = ct_writer__new(&w, fd, &v->run);

	if (err)
		return err;
	first_ns = ct_look__write(look, w);
	if (!v->run.start_ns || v->run.start_ns > first_ns)
		v->run.start_ns = first_ns;
	err = ct_writer__finish(w, &v->run, v->names);
	ct_writer__free(w);
	return err;
}

static int read_trace(struct ct_verdict *v, int fd)
{
	char path[64], *why = NULL;
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = ct_source__open(&v->source, path, &why);
	if (err)
		ct_debug("%s", why ? why : strerror(-err));
	free(why);
	return err;
}

/* A semaphore may be posted by a signal's handler, and memory that is shared changed by another
 * process: such a process is not stuck. */
static bool may_be_helped(
	const struct ct_look *look, const struct ct_model *m, const struct ct_hang *h)
{
	if (h->kind != CT_HANG_STUCK)
		return false;
	if (look->shares_memory)
		return true;
	for (u32 i = 0; look->handles_signals && i < h->members.cnt; i++) {
		u32 state = m->waits.at[h->members.at[i].wait].state;
		if (state == CT_SEM || state == CT_FUTEX_OTHER)
			return true;
	}
	return false;
}

static void drop_helped(struct ct_verdict *v, const struct ct_look *look)
{
	struct ct_hangs *hangs = &v->facts.hangs;
	u32 kept = 0;

	for (u32 i = 0; i < hangs->at.cnt; i++) {
		if (!may_be_helped(look, v->model, &hangs->at.at[i])) {
			hangs->at.at[kept++] = hangs->at.at[i];
			continue;
		}
		ct_vec_free(&hangs->at.at[i].members);
		ct_vec_free(&hangs->at.at[i].behind);
	}
	hangs->at.cnt = kept;
}

int ct_verdict__make(
	struct ct_verdict *v, const struct ct_look *look, struct ct_symbolizer *sym, ct_ns start_ns)
{
	int fd, err;

	*v = (struct ct_verdict){ .names = ct_names__new(), .run = { .start_ns = start_ns } };
	describe_run(&v->run, look);
	ct_syscall__names(v->names);
	ct_symbolizer__hurry(sym);
	ct_symbolizer__resolve(sym, v->names, NULL, NULL);
	free(v->run.libc);
	v->run.libc = ct_strdup(ct_symbolizer__libc(sym, v->run.pid));
	fd = memfd_create("ctrace", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_trace(v, look, fd);
	err = err ? err : read_trace(v, fd);
	close(fd);
	if (err)
		return err;
	/* twice: what a lock is called helps to tell what it is */
	v->model = ct_model__build(v->source, v->names);
	ct_locks__name(sym, v->names, v->model, NULL);
	ct_model__free(v->model);
	err = ct_source__rewind(v->source);
	v->model = ct_model__build(v->source, v->names);
	ct_facts__compute(&v->facts, v->model);
	drop_helped(v, look);
	ct_findings__clear(&v->facts.findings); /* a look says nothing of what things cost */
	ct_findings__of_hangs(&v->facts.findings, &v->facts);
	return err;
}

static bool is_in(const struct ct_model *m, const struct ct_hang *h, u32 tid)
{
	for (u32 i = 0; i < h->members.cnt; i++)
		if (m->threads.at[h->members.at[i].thread].tid == tid)
			return true;
	return false;
}

/* Leaves what the thread is part of: the rest was told before, or will be. */
static void keep_hangs_of(struct ct_verdict *v, u32 tid)
{
	struct ct_hangs *hangs = &v->facts.hangs;
	u32 kept = 0;

	for (u32 i = 0; i < hangs->at.cnt; i++) {
		if (is_in(v->model, &hangs->at.at[i], tid)) {
			hangs->at.at[kept++] = hangs->at.at[i];
			continue;
		}
		ct_vec_free(&hangs->at.at[i].members);
		ct_vec_free(&hangs->at.at[i].behind);
	}
	hangs->at.cnt = kept;
}

bool ct_verdict__tell(struct ct_verdict *v, u32 tid, bool attached)
{
	struct ct_report_opts ro;
	char *text = NULL;
	size_t len = 0, done = 0;
	ssize_t n = 1;
	FILE *out;

	keep_hangs_of(v, tid);
	if (!v->facts.hangs.at.cnt)
		return false;
	ct_term__report_opts(&ro, stderr, false);
	out = open_memstream(&text, &len);
	if (!out)
		return false;
	fprintf(out, "ctrace: this will not go on by itself; Ctrl-C ends the %s:\n",
		attached ? "recording" : "program");
	ct_report__write_hangs(&v->facts, &ro, out);
	fclose(out);
	for (; done < len && n > 0; done += n)
		n = write(STDERR_FILENO, text + done, len - done);
	free(text);
	return true;
}

void ct_verdict__clear(struct ct_verdict *v)
{
	if (v->model) {
		ct_facts__clear(&v->facts);
		ct_model__free(v->model);
	}
	if (v->source)
		ct_source__free(v->source);
	ct_names__free(v->names);
	ct_run__clear(&v->run);
}
