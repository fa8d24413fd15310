/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watch: which variables are in which registers of which threads, what a hit means, and how
 * much of it the program can bear.
 *
 *     register fires -> bpf/watch.bpf.c: HIT (registers, locks held) -> decode.c -> ACCESS
 *
 * Price.  A hit costs the program 1 to 2 us on bare metal and 10 to 15 us where a hypervisor has to
 * be asked; it is measured at the start.  A small run is seen whole: two seconds' worth of hits
 * are free.  After that hits may take half of one CPU's time: when a fifth of a second has had its
 * share, the registers are off until it is over, which is a pause in the trace.
 *
 * Locks.  Those that are globals are known from the start; those that somebody waits for are learnt
 * from the wait itself; and the probe looks for others that a thread has in its hands.
 */
#include "capture/watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "capture/decode.h"
#include "capture/session_int.h"
#include "ctrace.skel.h"

#define NS_PER_S 1000000000ull
#define PRICE_HITS 25	     /* that the price is measured by, so many times */
#define PRICE_TRIES 10
#define FREE_S 2	     /* hits that take so long, all together, are not limited */
#define HITS_LEAST 2000u     /* per second, whatever they cost */
#define HITS_MOST 100000u    /* and that the collector and a trace can take */
#define TIRED_HITS 2000000ull /* in all; beyond that a tenth of the hits will do */
#define WINDOW_NS 200000000ull
#define WINDOWS_PER_S 5
#define TURN_FIRST_NS 5000000ull /* auto: a turn at first, twice as long after each round */
#define TURN_MOST_NS 200000000ull
#define TURN_HITS 150u	     /* auto: enough of these four */
#define MAP_SHARE 10	     /* auto: such a part of the hits will do for a map */
#define TICK_MS 20
#define GIB (1ull << 30)
#define HOLES_GIB 8 /* that devices take between parts of the memory */

struct armed {
	int fd;
	u32 slot;
	struct bpf_link *link;
};

struct reading {
	u64 ip;
	ct_ns ts;
	u32 place; /* CT_NONE: what it found has been told, or is of no use any more */
};

struct ct_watcher {
	struct ct_session *s;
	struct ct_watch_opts opts;
	bool automatic;
	u32 tgid;
	struct ct_watch_found found; /* var number n is vars.at[n - 1] */
	u32 slot_var[CT_WATCH_SLOTS]; /* 0: free */
	CT_VEC(struct armed) armed;
	CT_VEC(ct_ns) armed_ns;	     /* of each thread, when it was */
	struct ct_table *armed_by;   /* tid -> armed_ns */
	struct ct_table *places;     /* (ip, tgid) -> insns */
	CT_VEC(struct ct_insn) insns;
	struct ct_table *readings_by; /* (tid, var) -> readings */
	CT_VEC(struct reading) readings; /* the last of each thread whose value came too early */
	struct bpf_link *lock_probes[2]; /* --shake */
	u64 lock_addr[CT_WATCH_LOCKS];
	u32 lock_cnt;
	u32 next_lock; /* where a slot is looked for when there is no free one */
	bool ownerless; /* the trace has been told that locks are not known */
	ct_ns price_ns, dear_ns; /* of a hit; of one whose value memory has to tell */
	u32 hits_per_s;
	u64 hits_free; /* before that counts */
	bool paused, stopped;
	ct_ns window_ns; /* the present second began */
	u64 window_hits; /* of watch_hits, when it did */
	ct_ns turn_ns;	 /* auto: the present turn ends */
	ct_ns turn_len_ns;
	u64 turn_hits;	 /* of watch_hits, when it began */
	u32 next_var;	 /* auto: first of the next turn, from 0 */
	bool several;	 /* auto: there have been several threads: from then on turns count */
	bool restart;	 /* auto: everyone's turn comes anew */
};

/* ---- the trace is told ---- */

static void inject_watch(struct ct_watcher *w, u32 var, enum ct_watch_on on)
{
	const struct ct_watch_var *v = &w->found.vars.at[var - 1];
	struct ct_watch ev = { .var = var, .tgid = w->tgid, .addr = v->addr, .size = v->size,
		.on = on };

	ct_session__inject(w->s, CT_WATCH, 0, ct_now_ns(), &ev);
}

static void inject_types(struct ct_watcher *w)
{
	for (u32 i = 0; i < w->found.vars.cnt; i++) {
		struct ct_watch_type ev = { .var = i + 1, .type = w->found.vars.at[i].type };

		if (ev.type != CT_WATCH_SIGNED)
			ct_session__inject(w->s, CT_WATCH_TYPE, 0, ct_now_ns(), &ev);
	}
}

static const struct ct_watch_var *var_in(const struct ct_watcher *w, u32 slot)
{
	return w->slot_var[slot] ? &w->found.vars.at[w->slot_var[slot] - 1] : NULL;
}

static bool is_barred(const struct ct_watcher *w, u32 slot)
{
	return var_in(w, slot) && var_in(w, slot)->barred;
}

static void inject_slots(struct ct_watcher *w, enum ct_watch_on on)
{
	for (u32 i = 0; i < CT_WATCH_SLOTS; i++)
		if (w->slot_var[i] && !is_barred(w, i))
			inject_watch(w, w->slot_var[i], on);
}

/* ---- locks ---- */

/* From now on nobody is accused for lack of a lock alone. */
static void tell_ownerless(struct ct_watcher *w)
{
	struct ct_watch_lock ev = { .tgid = w->tgid };

	if (w->ownerless)
		return;
	w->ownerless = true;
	ct_session__inject(w->s, CT_WATCH_LOCK, 0, ct_now_ns(), &ev);
}

/* A free one, or that of a lock which nobody has held at any access; CT_WATCH_LOCKS: none. */
static u32 slot_for_lock(struct ct_watcher *w)
{
	u64 held = __atomic_load_n(&w->s->skel->bss->watch_held, __ATOMIC_RELAXED);

	if (w->lock_cnt < CT_WATCH_LOCKS)
		return w->lock_cnt++;
	for (u32 i = 0; i < CT_WATCH_LOCKS; i++) {
		u32 slot = w->next_lock++ % CT_WATCH_LOCKS;

		if (!(held >> slot & 1))
			return slot;
	}
	return CT_WATCH_LOCKS;
}

/* Its slot; CT_WATCH_LOCKS: there is no more room. */
static u32 add_lock(struct ct_watcher *w, u64 lock, u64 owner_addr)
{
	struct ct_watch_lock ev = { .tgid = w->tgid, .addr = lock };

	for (u32 i = 0; i < w->lock_cnt; i++)
		if (w->lock_addr[i] == lock)
			return i;
	ev.slot = slot_for_lock(w);
	if (ev.slot == CT_WATCH_LOCKS) {
		tell_ownerless(w);
		return CT_WATCH_LOCKS;
	}
	w->lock_addr[ev.slot] = lock;
	__atomic_store_n(&w->s->skel->bss->watch_locks[ev.slot].owner_addr, owner_addr,
		__ATOMIC_RELAXED);
	__atomic_store_n(&w->s->skel->bss->watch_lock_cnt, w->lock_cnt, __ATOMIC_RELEASE);
	ct_session__inject(w->s, CT_WATCH_LOCK, 0, ct_now_ns(), &ev);
	return ev.slot;
}

/* The same layouts as in bpf/wait.bpf.h. */
static void learn_lock(struct ct_watcher *w, u64 addr, u32 op, u32 val)
{
	u32 cmd = op & FUTEX_CMD_MASK;

	if (cmd == FUTEX_WAIT && val == 2)
		add_lock(w, addr, addr + 8);
	else if (cmd == FUTEX_WAIT_BITSET && val == 3)
		add_lock(w, addr & 4 ? addr - 12 : addr - 8, addr & 4 ? addr + 12 : addr + 16);
}

/* ---- registers ---- */

/* A slot that has a variable. */
static int arm_slot(struct ct_watcher *w, u32 tid, u32 slot)
{
	const struct ct_watch_var *v = &w->found.vars.at[w->slot_var[slot] - 1];
	int fd = ct_watch_open(tid, v->addr, v->size, !w->paused && !v->barred);
	struct bpf_link *link;

	if (fd < 0)
		return fd;
	link = bpf_program__attach_perf_event(w->s->skel->progs.on_access, fd);
	if (!link) {
		int err = -errno;

		close(fd);
		return err ? err : -EINVAL;
	}
	*ct_vec_push(&w->armed) = (struct armed){ fd, slot, link };
	return 0;
}

static int arm_thread(struct ct_watcher *w, u32 tid)
{
	int err = 0;

	for (u32 slot = 0; slot < CT_WATCH_SLOTS && !err; slot++)
		if (w->slot_var[slot])
			err = arm_slot(w, tid, slot);
	ct_table__set(w->armed_by, tid, 0, w->armed_ns.cnt);
	*ct_vec_push(&w->armed_ns) = ct_now_ns();
	return err;
}

static void set_slot(struct ct_watcher *w, u32 slot, u32 var)
{
	struct ct_watch_var *v = &w->found.vars.at[var - 1];

	v->had_turn = true;
	w->slot_var[slot] = var;
	w->s->skel->bss->watch_addr[slot] = v->addr;
	w->s->skel->bss->watch_size[slot] = v->size;
	__atomic_store_n(&w->s->skel->bss->watch_var[slot], var, __ATOMIC_RELEASE);
}

static void disarm_all(struct ct_watcher *w)
{
	for (u32 i = 0; i < w->armed.cnt; i++)
		bpf_link__destroy(w->armed.at[i].link); /* closes the event, too */
	w->armed.cnt = 0;
	for (u32 i = 0; i < CT_COUNT(w->lock_probes); i++) {
		bpf_link__destroy(w->lock_probes[i]);
		w->lock_probes[i] = NULL;
	}
}

static void switch_all(struct ct_watcher *w, bool on)
{
	for (u32 i = 0; i < w->armed.cnt; i++) {
		bool arm = on && !is_barred(w, w->armed.at[i].slot);

		ioctl(w->armed.at[i].fd, arm ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
	}
}

/* ---- price ---- */

static ct_ns time_writes(volatile u64 *word)
{
	ct_ns start_ns = ct_now_ns();

	for (u32 i = 0; i < PRICE_HITS; i++)
		*word = i;
	return ct_now_ns() - start_ns;
}

/* The best of some tries: the others had company on their CPU. */
static ct_ns measure_hit(struct ct_watcher *w)
{
	volatile u64 word __attribute__((aligned(8))) = 0;
	ct_ns best_ns = UINT64_MAX, hits_ns;
	struct bpf_link *link;
	int fd = ct_watch_open(0, (u64)&word, 8, true);

	if (fd < 0)
		return 0;
	link = bpf_program__attach_perf_event(w->s->skel->progs.on_access, fd);
	for (u32 i = 0; i < PRICE_TRIES; i++) {
		hits_ns = time_writes(&word);
		best_ns = hits_ns < best_ns ? hits_ns : best_ns;
	}
	if (link)
		bpf_link__destroy(link);
	else
		close(fd);
	return best_ns / PRICE_HITS;
}

/* Is memory found at that guess?  By a value that nothing else has, and then by another one. */
static bool is_direct(struct ct_watcher *w, volatile u64 *word)
{
	for (u64 i = 0; i < 2; i++) {
		u64 mark = ct_now_ns() * 0x9e3779b97f4a7c15ull + i;

		*word = mark;
		if (__atomic_load_n(&w->s->skel->bss->watch_trial_value, __ATOMIC_RELAXED) != mark)
			return false;
	}
	return true;
}

/* Where the kernel maps all memory: some whole GiB below any page table; x86 alone. */
static void find_direct(struct ct_watcher *w)
{
	volatile u64 word __attribute__((aligned(8))) = 0;
	u64 most = (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE) / GIB + HOLES_GIB;
	struct bpf_link *link;
	bool found = false;
	int fd = ct_watch_open(0, (u64)&word, 8, true);

	if (fd < 0)
		return;
	link = bpf_program__attach_perf_event(w->s->skel->progs.on_access, fd);
	for (u64 guess = 1; link && !found && guess <= most; guess++) {
		w->s->skel->bss->watch_guess = guess;
		found = is_direct(w, &word);
	}
	w->s->skel->bss->watch_guess = 0;
	if (!found)
		w->s->skel->bss->watch_direct = 0;
	if (link)
		bpf_link__destroy(link);
	else
		close(fd);
}

/* Where registers do not tell the value, the probe reads it, and meets the debug register again. */
static void measure_price(struct ct_watcher *w)
{
	w->price_ns = measure_hit(w);
	w->s->skel->bss->watch_trial = (u32)gettid();
	find_direct(w);
	w->dear_ns = measure_hit(w);
	w->s->skel->bss->watch_trial = 0;
	if (w->dear_ns < w->price_ns)
		w->dear_ns = w->price_ns;
}

/* So that it holds for any access. */
static void set_budget(struct ct_watcher *w)
{
	u64 hits = w->dear_ns ? NS_PER_S / 2 / w->dear_ns : HITS_MOST;

	if (w->automatic)
		hits /= MAP_SHARE;
	else
		w->hits_free = (w->price_ns ? NS_PER_S / w->price_ns : HITS_MOST) * FREE_S;
	w->hits_per_s = hits < HITS_LEAST ? HITS_LEAST : hits > HITS_MOST ? HITS_MOST : hits;
}

/* ---- life ---- */

u64 ct_watch_any_seed(void)
{
	return ct_now_ns() / 1000 % 900000 + 100000;
}

int ct_watcher__new(
	struct ct_watcher **out, struct ct_session *s, const struct ct_watch_opts *opts, char **why)
{
	struct ct_watcher *w;
	u64 word __attribute__((aligned(8))) = 0;
	int fd;

	fd = ct_watch_open(0, (u64)&word, 8, false);
	if (fd < 0) {
		*why = ct_watch_open_error(fd);
		return fd;
	}
	close(fd);
	w = ct_alloc(sizeof(*w));
	w->s = s;
	w->opts = *opts;
	w->automatic = !strcmp(opts->what, CT_WATCH_AUTO);
	w->armed_by = ct_table__new();
	w->places = ct_table__new();
	w->readings_by = ct_table__new();
	measure_price(w);
	set_budget(w);
	w->turn_len_ns = TURN_FIRST_NS;
	if (w->opts.shake && !w->opts.seed)
		w->opts.seed = ct_watch_any_seed();
	s->watch = w;
	*out = w;
	return 0;
}

/* They are variables all the same, and the trace says so. */
static void tell_turnless(struct ct_watcher *w)
{
	for (u32 var = 1; var <= w->found.vars.cnt; var++)
		if (!w->found.vars.at[var - 1].had_turn)
			inject_watch(w, var, CT_WATCH_OFF);
}

void ct_watcher__stop(struct ct_watcher *w)
{
	disarm_all(w);
	tell_turnless(w);
	w->stopped = true; /* the end of the recording says the rest */
}

void ct_watcher__free(struct ct_watcher *w)
{
	if (!w)
		return;
	disarm_all(w);
	ct_watch_found__clear(&w->found);
	ct_table__free(w->armed_by);
	ct_table__free(w->places);
	ct_table__free(w->readings_by);
	ct_vec_free(&w->readings);
	ct_vec_free(&w->armed);
	ct_vec_free(&w->armed_ns);
	ct_vec_free(&w->insns);
	free(w);
}

/* ---- --shake ---- */

/* Lock operations are delayed too; where there is no glibc of the system's, accesses alone are. */
static void shake_locks(struct ct_watcher *w, u32 pid)
{
	static const char *const names[] = { "pthread_mutex_lock", "pthread_mutex_unlock" };
	char *libc = ct_watch_find_libc(pid);

	for (u32 i = 0; libc && i < CT_COUNT(names); i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .func_name = names[i]);

		w->lock_probes[i] = bpf_program__attach_uprobe_opts(
			w->s->skel->progs.on_lock_call, pid, libc, 0, &opts);
		if (!w->lock_probes[i])
			ct_debug("cannot delay %s: %s", names[i], strerror(errno));
	}
	free(libc);
}

static void begin_shaking(struct ct_watcher *w, u32 pid)
{
	if (!w->opts.shake)
		return;
	w->s->skel->bss->shake_base = pid;
	w->s->skel->bss->shake_seed = w->opts.seed;
	shake_locks(w, pid);
}

u64 ct_watcher__seed(const struct ct_watcher *w)
{
	return w->opts.shake ? w->opts.seed : 0;
}

/* ---- beginning ---- */

/* None, or more than there are registers. */
static int check_count(const struct ct_watcher *w, char **why)
{
	u32 cnt = w->found.vars.cnt;

	if (!cnt && w->automatic)
		*why = ct_strdup("no variables are known by name: compile with -g, or give one by "
				 "its name in 'nm' or its address: '*ADDRESS:SIZE'");
	else if (!cnt)
		*why = ct_asprintf("'%s' is no variable", w->opts.what);
	else if (!w->automatic && cnt > CT_WATCH_SLOTS)
		*why = ct_asprintf("'%s' needs %u debug registers of at most 8 bytes, and there "
				   "are %d: name at most %d variables, members or elements; "
				   "'--watch auto' goes over all by turns",
			w->opts.what, cnt, CT_WATCH_SLOTS, CT_WATCH_SLOTS);
	return !cnt ? -ENOENT : *why ? -E2BIG : 0;
}

static int find(struct ct_watcher *w, u32 pid, char **why)
{
	int err = ct_watch_find(&w->found, pid, &w->opts, why);

	w->tgid = pid;
	if (!err && w->found.list) {
		*why = ct_strdup(w->found.list);
		return -ECANCELED;
	}
	if (!err)
		err = check_count(w, why);
	if (err && !*why)
		*why = ct_asprintf("cannot look into process %u: %s", pid, strerror(-err));
	return err;
}

static void begin(struct ct_watcher *w)
{
	/* those beyond are learnt when somebody holds them */
	for (u32 i = 0; i < w->found.locks.cnt && i < CT_WATCH_LOCKS; i++)
		add_lock(w, w->found.locks.at[i].addr,
			w->found.locks.at[i].addr + w->found.locks.at[i].owner);
	for (u32 i = 0; i < w->found.pointers.cnt && i < CT_WATCH_POINTERS; i++)
		w->s->skel->bss->watch_pointers[i] = w->found.pointers.at[i];
	__atomic_store_n(&w->s->skel->bss->watch_pointer_cnt,
		w->found.pointers.cnt < CT_WATCH_POINTERS ? w->found.pointers.cnt
							  : CT_WATCH_POINTERS,
		__ATOMIC_RELEASE);
	if (w->found.ownerless)
		tell_ownerless(w);
	for (u32 i = 0; i < CT_WATCH_SLOTS && i < w->found.vars.cnt; i++)
		set_slot(w, i, i + 1);
	w->next_var = CT_WATCH_SLOTS % w->found.vars.cnt;
	inject_types(w);
	inject_slots(w, CT_WATCH_ON);
	w->window_ns = ct_now_ns();
	w->turn_ns = w->window_ns + w->turn_len_ns;
}

int ct_watcher__program(struct ct_watcher *w, u32 pid, int *status, char **why)
{
	int err = ct_target__to_entry(pid, status);

	if (err == -ECHILD)
		return err;
	if (err) {
		*why = ct_asprintf("cannot stop the program at its start: %s", strerror(-err));
		return err;
	}
	err = find(w, pid, why);
	if (err)
		return err;
	begin(w);
	begin_shaking(w, pid);
	err = arm_thread(w, pid);
	if (err)
		*why = ct_watch_open_error(err);
	else
		ct_target__release(pid);
	return err;
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int arm_traced(struct ct_watcher *w)
{
	u32 armed = 0;

	for (u32 word = 0; word < CT_TID_MAX / 64; word++)
		for (u64 bits = w->s->tids[word]; bits; bits &= bits - 1) {
			u32 tid = word * 64 + __builtin_ctzll(bits);
			int err;

			if (ct_table__get(w->armed_by, tid, 0) != CT_NONE)
				continue;
			err = arm_thread(w, tid);
			if (err && err != -ESRCH)
				return err;
			armed += !err;
		}
	return armed ? 0 : -ESRCH;
}

int ct_watcher__process(struct ct_watcher *w, u32 pid, char **why)
{
	int err = find(w, pid, why);

	if (err)
		return err;
	allow_descriptors();
	begin(w);
	begin_shaking(w, pid);
	err = arm_traced(w);
	if (err)
		*why = ct_watch_open_error(err);
	return err;
}

char *ct_watcher__announce(const struct ct_watcher *w)
{
	char price[CT_FMT_LEN], dear[CT_FMT_LEN], cnt[CT_FMT_LEN];
	char *what = w->automatic
			     ? ct_asprintf("%u variables and elements of arrays, %d at a time",
				       w->found.vars.cnt, CT_WATCH_SLOTS)
			     : ct_strdup(w->opts.what);
	char *limit = w->automatic
			      ? ct_strdup("a sample is seen, for a twentieth of a CPU at most")
			      : ct_asprintf("after %s of them a sample is seen, for half a CPU at "
					    "most",
					ct_fmt_count(cnt, w->hits_free));
	char *shaken = w->opts.shake ? ct_asprintf("; shaken: --shake=%llu repeats the delays",
					       (unsigned long long)w->opts.seed)
				     : ct_strdup("");
	char *text = ct_asprintf("watching %s: each access costs the program some %s of CPU time, "
				 "%s if one instruction reads and writes; %s%s",
		what, ct_fmt_ns(price, w->price_ns), ct_fmt_ns(dear, w->dear_ns), limit, shaken);

	free(shaken);
	free(limit);
	free(what);
	return text;
}

const char *ct_watcher__notes(const struct ct_watcher *w)
{
	return w->found.notes;
}

const char *ct_watcher__name(const struct ct_watcher *w, u32 var)
{
	return var && var <= w->found.vars.cnt ? w->found.vars.at[var - 1].name : NULL;
}

/* ---- while it runs ---- */

static void pause_hits(struct ct_watcher *w)
{
	inject_slots(w, CT_WATCH_PAUSE);
	switch_all(w, false);
	w->paused = true;
}

static void resume_hits(struct ct_watcher *w, ct_ns now_ns)
{
	w->paused = false;
	switch_all(w, true);
	inject_slots(w, CT_WATCH_ON);
	w->window_ns = now_ns;
	w->window_hits = w->s->skel->bss->watch_hits;
}

static void move_slot(struct ct_watcher *w, u32 slot, u32 var)
{
	const struct ct_watch_var *v = &w->found.vars.at[var - 1];

	w->s->skel->bss->watch_var[slot] = 0;
	for (u32 i = 0; i < w->armed.cnt; i++)
		if (w->armed.at[i].slot == slot)
			ct_watch_move(w->armed.at[i].fd, v->addr, v->size, !v->barred);
	set_slot(w, slot, var);
}

/*
 * The next four variables have their turn: those of their own first, then members, then elements
 * of arrays, and nobody again before all have had theirs.  A program that has one thread shares
 * nothing: when it has several, the turns begin again with the first one, and are short again.
 */
static void next_turn(struct ct_watcher *w, ct_ns now_ns)
{
	u32 cnt = w->found.vars.cnt;

	if (w->restart) {
		w->next_var = 0;
		w->turn_len_ns = TURN_FIRST_NS;
		w->restart = false;
	}
	inject_slots(w, CT_WATCH_OFF);
	for (u32 slot = 0; slot < CT_WATCH_SLOTS && w->slot_var[slot]; slot++) {
		move_slot(w, slot, w->next_var + 1);
		w->next_var = (w->next_var + 1) % cnt;
		if (!w->next_var && w->several && w->turn_len_ns < TURN_MOST_NS)
			w->turn_len_ns *= 2;
	}
	inject_slots(w, CT_WATCH_ON);
	w->turn_ns = now_ns + w->turn_len_ns;
	w->turn_hits = w->s->skel->bss->watch_hits;
}

/* One of the four may be touched all the time: then it is the others' turn earlier. */
static bool is_turn_over(const struct ct_watcher *w, u64 hits, ct_ns now_ns)
{
	return w->found.vars.cnt > CT_WATCH_SLOTS && !w->paused &&
	       (now_ns >= w->turn_ns || hits - w->turn_hits > TURN_HITS || w->restart);
}

int ct_watcher__tick(struct ct_watcher *w, ct_ns now_ns)
{
	u64 hits = w->s->skel->bss->watch_hits;
	u64 most = w->hits_per_s / WINDOWS_PER_S / (hits > TIRED_HITS ? 10 : 1);

	if (w->stopped || !w->armed.cnt)
		return TICK_MS;
	if (now_ns - w->window_ns >= WINDOW_NS) {
		if (w->paused)
			resume_hits(w, now_ns);
		w->window_ns = now_ns;
		w->window_hits = hits;
	} else if (!w->paused && hits > w->hits_free && hits - w->window_hits > most) {
		pause_hits(w);
	}
	if (!w->automatic)
		return TICK_MS;
	if (is_turn_over(w, hits, now_ns))
		next_turn(w, now_ns);
	return w->turn_len_ns < TICK_MS * 1000000ull ? (int)(w->turn_len_ns / 1000000) : TICK_MS;
}

/* A thread that was created before its creator had registers has inherited none. */
static void see_thread(struct ct_watcher *w, const struct ct_hdr *hdr, const struct ct_task_new *n)
{
	u32 parent = ct_table__get(w->armed_by, n->parent, 0);

	if (!w->armed_ns.cnt || (n->flags & CT_TASK_FOUND) ||
		ct_table__get(w->armed_by, hdr->tid, 0) != CT_NONE)
		return;
	if (parent != CT_NONE && w->armed_ns.at[parent] > hdr->ts)
		arm_thread(w, hdr->tid);
}

static void see_company(struct ct_watcher *w, const struct ct_hdr *hdr, const struct ct_task_new *n)
{
	if (!w->automatic || w->several || n->tgid != w->tgid || hdr->tid == n->tgid)
		return;
	w->several = w->restart = true;
}

void ct_watcher__see(struct ct_watcher *w, const struct ct_hdr *hdr)
{
	const struct ct_block *b = (const void *)(hdr + 1);

	if (w->stopped)
		return;
	if (hdr->kind == CT_TASK_NEW) {
		see_thread(w, hdr, (const void *)(hdr + 1));
		see_company(w, hdr, (const void *)(hdr + 1));
	}
	if (hdr->kind == CT_BLOCK && w->armed.cnt && b->owner && b->nr != CT_NR_NONE &&
		b->nr == w->s->skel->rodata->nr_futex)
		learn_lock(w, b->arg0, b->arg1, b->arg2);
}

/* The probe need not read memory at this place any more. */
static void tell_place(struct ct_watcher *w, const struct ct_hit *hit)
{
	int map = bpf_map__fd(w->s->skel->maps.watch_places);
	struct ct_watch_place place = { .ip = hit->ip, .tgid = hit->tgid };
	const struct ct_watch_place_state told = { .is = CT_WATCH_PLACE_TOLD };

	for (place.cpu = 0; place.cpu < w->s->rings.cpu_cnt; place.cpu++)
		bpf_map_update_elem(map, &place, &told, BPF_EXIST);
}

/* An instruction that fails whenever it is watched is tried again for ever: it is let go. */
static void bar(struct ct_watcher *w, u32 var)
{
	struct ct_watch_var *v = &w->found.vars.at[var - 1];

	if (v->barred)
		return;
	for (u32 i = 0; i < w->armed.cnt; i++)
		if (w->slot_var[w->armed.at[i].slot] == var)
			ioctl(w->armed.at[i].fd, PERF_EVENT_IOC_DISABLE, 0);
	inject_watch(w, var, CT_WATCH_OFF);
	v->barred = true;
	ct_warn("%s is no longer watched: the program changes it by exclusive loads and stores "
		"(ldxr, stxr), which never succeed when a watchpoint comes between; compiled for "
		"Armv8.1 or with -moutline-atomics it could be",
		v->name);
}

static struct reading *reading_of(struct ct_watcher *w, u32 tid, u32 var)
{
	u32 idx = ct_table__get(w->readings_by, tid, var);

	if (idx == CT_NONE) {
		idx = w->readings.cnt;
		ct_table__set(w->readings_by, tid, var, idx);
		ct_vec_push(&w->readings)->place = CT_NONE;
	}
	return &w->readings.at[idx];
}

/* A reading that was taken before it happened is corrected by the next write of its thread. */
static void correct_reading(struct ct_watcher *w, const struct ct_hdr *hdr, u32 place, u32 size,
	struct ct_access *out)
{
	const struct ct_hit *hit = (const void *)(hdr + 1);
	struct reading *r = reading_of(w, hdr->tid, hit->var);

	if (!(out->how & CT_ACCESS_WRITE)) {
		*r = (struct reading){ hit->ip, hdr->ts, out->how & CT_ACCESS_LATE ? place :
										     CT_NONE };
		return;
	}
	if (r->place != CT_NONE && r->ts < hdr->ts && !(out->how & CT_ACCESS_READ) &&
		ct_decode__found(&w->insns.at[r->place], r->ip, &w->insns.at[place], hit, size,
			&out->before))
		out->how |= CT_ACCESS_FOUND;
	r->place = CT_NONE;
}

void ct_watcher__access(struct ct_watcher *w, const struct ct_hdr *hdr, struct ct_access *out)
{
	const struct ct_hit *hit = (const void *)(hdr + 1);
	u32 place = ct_table__get(w->places, hit->ip, hit->tgid), size = 8;

	if (hit->var && hit->var <= w->found.vars.cnt)
		size = w->found.vars.at[hit->var - 1].size;
	if (place == CT_NONE && hit->code) {
		place = w->insns.cnt;
		ct_decode__insn(ct_vec_push(&w->insns), (const u8 *)(hit + 1), hit->code, hit,
			hit->addr, size);
		ct_table__set(w->places, hit->ip, hit->tgid, place);
	}
	if (place != CT_NONE && hit->code && w->insns.at[place].told)
		tell_place(w, hit);
	*out = (struct ct_access){ .var = hit->var, .stack = hit->stack, .ip = hit->ip,
		.value = hit->value, .locks = hit->locks };
	if (hit->mutex) {
		u64 lock = hit->mutex & ~(u64)CT_HIT_RWLOCK;
		u32 slot = add_lock(w, lock, lock + (lock == hit->mutex ? 8 : 24));

		out->locks |= slot < CT_WATCH_LOCKS ? 1ull << slot : 0;
	}
	if (place == CT_NONE)
		return;
	ct_decode__access(&w->insns.at[place], hit, hit->addr, size, out);
	if (w->insns.at[place].spins && hit->var && hit->var <= w->found.vars.cnt)
		bar(w, hit->var);
	correct_reading(w, hdr, place, size, out);
}
