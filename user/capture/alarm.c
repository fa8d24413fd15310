/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns what the collector remembers of each thread: when and in what it blocked last, when it ran
 * last. Records of different CPUs come in any order, so their times decide, not their order.  A
 * check is O(threads) and reads one lock's words for each thread that has waited for long; with
 * nobody waiting for long it is a walk through an array, ten times a second.
 *
 * Suspicions: a ring of owners and joins, each blocked for RING_NS; a lock whose owner is no thread
 * that lives; a process all of whose threads have waited for STUCK_NS.  None of them is a verdict:
 * a futex word may mean something else than it seems to, and time may pass between two readings.
 */
#include <string.h>
#include <sys/mman.h>
#include "capture/alarm.h"

#define CHECK_NS 100000000ull
#define RING_NS 200000000ull	/* most waits are shorter, and are never looked at */
#define STUCK_NS 400000000ull	/* with the time that the look takes, what the verdict wants */
#define FORGET_NS 1000000000ull /* after its end: no older record of it comes any more */
#define LOOKS_MOST 3		/* into one and the same sleep */
#define WRONG_MOST 6		/* each wrong suspicion of a kind doubles the time to the next */

#define FUTEX_WAIT 0u
#define FUTEX_LOCK_PI 6u
#define FUTEX_WAIT_BITSET 9u
#define FUTEX_CMD 0x7fu
#define FUTEX_PRIVATE 0x80u

struct watched {
	u32 tid, tgid;
	bool dead;
	bool found;	/* it slept already when it was found, and sleeps on */
	ct_ns block_ns; /* it went to sleep last; 0: not seen */
	ct_ns run_ns;	/* it came to a CPU last */
	struct ct_block block;
	u32 past_cnt;
	struct ct_past_wait past[CT_PAST_WAITS]; /* for locks, each lock once; in no order */
	u32 owner;   /* check: index of the thread that must act first; CT_NONE */
	bool orphan; /* check: the owner word names nobody alive */
	u32 colour;
};

struct watched_process {
	u32 tgid, live, stuck; /* check */
	u64 sum;	       /* check: over all its threads' sleeps */
	u32 tid;
	bool told;
};

struct ended {
	u32 idx;
	ct_ns end_ns;
};

enum raised_kind { RAISED_RING, RAISED_ORPHAN, RAISED_STUCK, RAISED_KINDS };
#define RAISED_TOLD RAISED_KINDS /* was right, and said */

struct ct_alarm {
	u32 *by_tid; /* tid -> index + 1; 0: none.  Untouched pages cost nothing */
	CT_VEC(struct watched) threads;
	CT_VEC(struct ended) ended; /* queue of threads whose place can be used again */
	u32 ended_head;
	CT_VEC(struct watched_process) processes;
	struct ct_table *by_tgid;
	struct ct_table *raised; /* suspicions: (sum, kind); those told: (key, RAISED_TOLD) */
	ct_ns next_ns;
	ct_ns patience_ns[RAISED_KINDS]; /* no suspicion of that kind before */
	u32 wrong_cnt[RAISED_KINDS];
	struct ct_suspicion last;
	enum raised_kind last_kind;
	u64 last_key;
	u16 nr_futex, nr_futex_wait;
};

#define BY_TID_SIZE (CT_TID_MAX * sizeof(u32))

struct ct_alarm *ct_alarm__new(void)
{
	struct ct_alarm *a = ct_alloc(sizeof(*a));

	a->by_tid = mmap(NULL, BY_TID_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->by_tid == MAP_FAILED) {
		free(a);
		return NULL;
	}
	a->by_tgid = ct_table__new();
	a->raised = ct_table__new();
	a->nr_futex = ct_syscall__number("futex");
	a->nr_futex_wait = ct_syscall__number("futex_wait");
	return a;
}

void ct_alarm__free(struct ct_alarm *a)
{
	if (!a)
		return;
	munmap(a->by_tid, BY_TID_SIZE);
	ct_vec_free(&a->threads);
	ct_vec_free(&a->ended);
	ct_vec_free(&a->processes);
	ct_table__free(a->by_tgid);
	ct_table__free(a->raised);
	free(a);
}

/* ---- taking notes ---- */

static struct watched *find(const struct ct_alarm *a, u32 tid)
{
	u32 i = tid < CT_TID_MAX ? a->by_tid[tid] : 0;

	return i ? &a->threads.at[i - 1] : NULL;
}

/* The place of a thread that ended long enough ago; CT_NONE: there is none. */
static u32 reuse_place(struct ct_alarm *a, ct_ns now_ns)
{
	while (a->ended_head < a->ended.cnt) {
		const struct ended *e = &a->ended.at[a->ended_head];
		struct watched *t = &a->threads.at[e->idx];

		if (e->end_ns + FORGET_NS > now_ns)
			return CT_NONE;
		a->ended_head++;
		if (!t->dead || t->block_ns != e->end_ns)
			continue; /* its tid came to life again */
		a->by_tid[t->tid] = 0;
		return t - a->threads.at;
	}
	a->ended.cnt = a->ended_head = 0;
	return CT_NONE;
}

static struct watched *add_thread(struct ct_alarm *a, u32 tid, ct_ns now_ns)
{
	u32 idx = reuse_place(a, now_ns);

	if (idx == CT_NONE) {
		idx = a->threads.cnt;
		(void)ct_vec_push(&a->threads);
	}
	a->threads.at[idx] = (struct watched){ .tid = tid };
	a->by_tid[tid] = idx + 1;
	return &a->threads.at[idx];
}

static struct watched *get(struct ct_alarm *a, u32 tid, ct_ns now_ns)
{
	struct watched *t = find(a, tid);

	return t || tid >= CT_TID_MAX ? t : add_thread(a, tid, now_ns);
}

static void see_new(struct ct_alarm *a, const struct ct_hdr *hdr, const struct ct_task_new *n)
{
	struct watched *t = get(a, hdr->tid, hdr->ts);

	if (!t)
		return;
	if (t->dead && t->block_ns < hdr->ts) /* its tid is used again */
		*t = (struct watched){ .tid = hdr->tid };
	t->tgid = n->tgid;
}

static void see_run(struct ct_alarm *a, u32 tid, ct_ns ts)
{
	struct watched *t = tid ? get(a, tid, ts) : NULL;

	if (t && t->run_ns < ts)
		t->run_ns = ts;
}

/* Where the wait for this lock is kept: in place of an older one for it, or of the oldest. */
static struct ct_past_wait *place_of_past(struct watched *t, u64 lock)
{
	struct ct_past_wait *oldest = &t->past[0];

	for (u32 i = 0; i < t->past_cnt; i++) {
		if (t->past[i].block.arg0 == lock)
			return &t->past[i];
		if (t->past[i].start_ns < oldest->start_ns)
			oldest = &t->past[i];
	}
	return t->past_cnt < CT_PAST_WAITS ? &t->past[t->past_cnt++] : oldest;
}

/* The last sleep is over: if it was for a lock, that is where the thread took it. */
static void keep_past(struct watched *t, ct_ns now_ns)
{
	struct ct_past_wait *p;

	if (!t->block_ns || !t->block.owner)
		return;
	p = place_of_past(t, t->block.arg0);
	p->start_ns = t->block_ns;
	p->end_ns = t->run_ns > t->block_ns && t->run_ns < now_ns ? t->run_ns : now_ns - 1;
	p->block = t->block;
}

static void see_block(struct ct_alarm *a, const struct ct_hdr *hdr, const struct ct_block *b)
{
	struct watched *t = get(a, hdr->tid, hdr->ts);

	if (!t || t->dead || t->block_ns >= hdr->ts)
		return;
	keep_past(t, hdr->ts);
	t->found = false;
	t->block_ns = hdr->ts;
	t->block = *b;
	if (b->state == CT_STATE_DEAD) {
		t->dead = true;
		*ct_vec_push(&a->ended) = (struct ended){ t - a->threads.at, hdr->ts };
	}
}

/* A thread that was found asleep. */
static void see_found(struct ct_alarm *a, const struct ct_hdr *hdr, const struct ct_found *f)
{
	struct watched *t = get(a, hdr->tid, hdr->ts);

	if (!t || t->block_ns || f->state == CT_STATE_RUNNABLE)
		return;
	t->found = true;
	t->block_ns = hdr->ts;
	t->block = (struct ct_block){ .state = f->state,
		.flags = f->flags,
		.nr = f->nr,
		.file = f->file,
		.owner = f->owner,
		.arg0 = f->arg0,
		.arg1 = f->arg1,
		.arg2 = f->arg2,
		.word = f->word,
		.stack = f->stack };
}

void ct_alarm__see(struct ct_alarm *a, const struct ct_hdr *hdr)
{
	const void *fields = hdr + 1;

	switch (hdr->kind) {
	case CT_SWITCH:
		see_run(a, ((const struct ct_switch *)fields)->next, hdr->ts);
		break;
	case CT_BLOCK:
		see_block(a, hdr, fields);
		see_run(a, ((const struct ct_block *)fields)->next, hdr->ts);
		break;
	case CT_TASK_NEW:
		see_new(a, hdr, fields);
		break;
	case CT_STATE:
		see_found(a, hdr, fields);
		break;
	}
}

/* ---- the walk ---- */

/* Asleep since before `since_ns` in a futex, and no timeout ends it. */
static bool waits_since(const struct ct_alarm *a, const struct watched *t, ct_ns since_ns)
{
	const struct ct_block *b = &t->block;

	return !t->dead && t->tgid && t->block_ns && t->block_ns > t->run_ns &&
	       t->block_ns <= since_ns && (b->nr == a->nr_futex || b->nr == a->nr_futex_wait) &&
	       !(b->flags & CT_SWITCH_TIMED) && b->state == CT_STATE_SLEEPING;
}

static u32 index_of(const struct ct_alarm *a, u32 tid)
{
	const struct watched *t = find(a, tid);

	return t && !t->dead ? (u32)(t - a->threads.at) : CT_NONE;
}

static u32 joined(const struct ct_alarm *a, const struct watched *t)
{
	u32 cmd = t->block.arg1 & FUTEX_CMD, idx;

	if ((t->block.arg1 & FUTEX_PRIVATE) || (cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET))
		return CT_NONE;
	idx = index_of(a, t->block.arg2);
	return idx != CT_NONE && a->threads.at[idx].tgid == t->tgid ? idx : CT_NONE;
}

/* The lock may have changed hands since the thread went to sleep. */
static void find_owner(struct ct_alarm *a, struct watched *t, struct ct_table *owners)
{
	u32 owner;

	t->owner = joined(a, t);
	if (t->owner != CT_NONE)
		return;
	owner = ct_table__get(owners, t->tgid, t->block.arg0);
	if (owner == CT_NONE) {
		owner = ct_inspect__owner(t->tid, t->block.arg0, t->block.arg1, t->block.arg2);
		ct_table__set(owners, t->tgid, t->block.arg0, owner);
	}
	if (!owner)
		return;
	t->owner = index_of(a, owner);
	t->orphan = t->owner == CT_NONE;
}

static u32 find_owners(struct ct_alarm *a, ct_ns now_ns)
{
	struct ct_table *owners = NULL;
	u32 cnt = 0;

	for (u32 i = 0; i < a->threads.cnt; i++) {
		struct watched *t = &a->threads.at[i];

		t->owner = CT_NONE;
		t->orphan = false;
		t->colour = 0;
		if (now_ns < RING_NS || !waits_since(a, t, now_ns - RING_NS))
			continue;
		owners = owners ? owners : ct_table__new();
		find_owner(a, t, owners);
		cnt++;
	}
	ct_table__free(owners);
	return cnt;
}

static u64 mix(u64 a, u64 b)
{
	u64 h = (a ^ b << 40) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 29;
}

/* One number for a thread's being in this very sleep; they are added up. */
static u64 sum_of(const struct watched *t)
{
	return mix(t->block_ns, t->tid);
}

/* One for its waiting for this lock, also when a signal made it start anew. */
static u64 key_of(const struct watched *t)
{
	return mix(t->block.arg0, t->tid);
}

/* Who sleeps on stays what it was, so each sleep is looked into a few times at most: more than
 * once, because an owner may be ending, or the machine too busy, at the first look. */
static bool suspect(struct ct_alarm *a, enum raised_kind kind, u64 sum, u64 key)
{
	u32 looks = ct_table__get(a->raised, sum, kind);

	looks = looks == CT_NONE ? 0 : looks;
	if (looks >= LOOKS_MOST || ct_table__get(a->raised, key, RAISED_TOLD) != CT_NONE)
		return false;
	ct_table__set(a->raised, sum, kind, looks + 1);
	a->last_kind = kind;
	a->last_key = key;
	return true;
}

static void add_suspect(struct ct_suspicion *s, const struct watched *t)
{
	s->tid = t->tid;
	for (u32 i = 0; i < s->pid_cnt; i++)
		if (s->pids[i] == t->tgid)
			return;
	if (s->pid_cnt < CT_SUSPECTS_MAX)
		s->pids[s->pid_cnt++] = t->tgid;
}

static bool raise_ring(struct ct_alarm *a, u32 start, struct ct_suspicion *s)
{
	u64 sum = 0, key = 0;
	u32 i = start;

	*s = (struct ct_suspicion){ 0 };
	do {
		sum += sum_of(&a->threads.at[i]);
		key += key_of(&a->threads.at[i]);
		add_suspect(s, &a->threads.at[i]);
		i = a->threads.at[i].owner;
	} while (i != start);
	return suspect(a, RAISED_RING, sum, key);
}

static bool find_ring(struct ct_alarm *a, struct ct_suspicion *s)
{
	for (u32 start = 0; start < a->threads.cnt; start++) {
		u32 i = start;

		while (a->threads.at[i].owner != CT_NONE && !a->threads.at[i].colour) {
			a->threads.at[i].colour = start + 1;
			i = a->threads.at[i].owner;
		}
		if (a->threads.at[i].owner != CT_NONE && a->threads.at[i].colour == start + 1 &&
			raise_ring(a, i, s))
			return true;
	}
	return false;
}

static bool find_orphan(struct ct_alarm *a, struct ct_suspicion *s)
{
	for (u32 i = 0; i < a->threads.cnt; i++) {
		const struct watched *t = &a->threads.at[i];

		/* one for all who wait for that lock */
		if (!t->orphan ||
			!suspect(a, RAISED_ORPHAN, sum_of(t), mix(t->block.arg0, t->tgid)))
			continue;
		*s = (struct ct_suspicion){ 0 };
		add_suspect(s, t);
		return true;
	}
	return false;
}

static struct watched_process *process_of(struct ct_alarm *a, u32 tgid)
{
	u32 i = ct_table__get(a->by_tgid, tgid, 0);

	if (i == CT_NONE) {
		i = a->processes.cnt;
		ct_table__set(a->by_tgid, tgid, 0, i);
		ct_vec_push(&a->processes)->tgid = tgid;
	}
	return &a->processes.at[i];
}

static bool find_stuck(struct ct_alarm *a, ct_ns now_ns, struct ct_suspicion *s)
{
	for (u32 i = 0; i < a->processes.cnt; i++)
		a->processes.at[i].live = a->processes.at[i].stuck = a->processes.at[i].sum = 0;
	for (u32 i = 0; i < a->threads.cnt; i++) {
		const struct watched *t = &a->threads.at[i];
		struct watched_process *p = t->dead || !t->tgid ? NULL : process_of(a, t->tgid);

		if (!p)
			continue;
		p->live++;
		p->stuck += now_ns > STUCK_NS && waits_since(a, t, now_ns - STUCK_NS);
		p->sum += sum_of(t);
		p->tid = t->tid;
	}
	for (u32 i = 0; i < a->processes.cnt; i++) {
		const struct watched_process *p = &a->processes.at[i];

		if (!p->live || p->live != p->stuck || p->told ||
			!suspect(a, RAISED_STUCK, p->sum, p->sum))
			continue;
		*s = (struct ct_suspicion){ .tid = p->tid, .pids = { p->tgid }, .pid_cnt = 1 };
		return true;
	}
	return false;
}

bool ct_alarm__check(struct ct_alarm *a, ct_ns now_ns, struct ct_suspicion *s)
{
	bool found;

	if (now_ns < a->next_ns)
		return false;
	a->next_ns = now_ns + CHECK_NS;
	if (!find_owners(a, now_ns))
		return false;
	found = find_ring(a, s) || (now_ns >= a->patience_ns[RAISED_ORPHAN] && find_orphan(a, s)) ||
		(now_ns >= a->patience_ns[RAISED_STUCK] && find_stuck(a, now_ns, s));
	if (found)
		a->last = *s;
	return found;
}

void ct_alarm__settle(struct ct_alarm *a, ct_ns now_ns, bool right)
{
	u32 wrong_cnt = a->wrong_cnt[a->last_kind];

	if (!right) {
		a->patience_ns[a->last_kind] = now_ns + (CHECK_NS << wrong_cnt);
		a->wrong_cnt[a->last_kind] += wrong_cnt < WRONG_MOST;
		return;
	}
	ct_table__set(a->raised, a->last_key, RAISED_TOLD, 1);
	for (u32 i = 0; i < a->last.pid_cnt; i++)
		process_of(a, a->last.pids[i])->told = true;
}

/* ---- remembering ---- */

static int by_start(const void *a, const void *b)
{
	const struct ct_past_wait *x = a, *y = b;

	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

/* Past waits may overlap where records came out of order: each is cut at the start of the next. */
static void recall_past(const struct watched *t, struct ct_looked_thread *to)
{
	to->past_cnt = t->past_cnt;
	memcpy(to->past, t->past, sizeof(to->past));
	if (to->past_cnt)
		qsort(to->past, to->past_cnt, sizeof(*to->past), by_start);
	for (u32 i = 0; i < to->past_cnt; i++) {
		ct_ns next_ns = i + 1 < to->past_cnt ? to->past[i + 1].start_ns : to->since_ns;

		if (to->past[i].end_ns >= next_ns)
			to->past[i].end_ns = next_ns - 1;
	}
}

/* Who is parked (parked.c) is seen at a word of its stack; what it wants was noted. */
static void recall_parked(const struct watched *t, struct ct_looked_thread *to)
{
	if ((t->block.arg1 & FUTEX_CMD) != FUTEX_LOCK_PI ||
		(to->wait.arg1 & FUTEX_CMD) != FUTEX_WAIT_BITSET ||
		to->wait.arg0 - to->sp >= CT_ON_STACK_BYTES)
		return;
	to->wait.arg0 = t->block.arg0;
	to->wait.arg1 = t->block.arg1;
	to->wait.word = t->block.word;
	to->wait.owner = t->block.owner;
}

/* Is this the sleep that was noted? */
static bool sleeps_on(const struct watched *t, const struct ct_looked_thread *to, ct_ns look_ns)
{
	return t && !t->dead && t->block_ns && t->block_ns > t->run_ns && t->block_ns < look_ns &&
	       t->block.arg0 == to->wait.arg0;
}

void ct_alarm__recall(const struct ct_alarm *a, struct ct_look *look)
{
	for (u32 i = 0; i < look->threads.cnt; i++) {
		struct ct_looked_thread *to = &look->threads.at[i];
		const struct watched *t = find(a, to->tid);

		if (t && to->waits)
			recall_parked(t, to);
		if (!sleeps_on(t, to, look->start_ns)) {
			to->since_ns = look->start_ns - 1; /* not known to have slept any longer */
		} else if (!t->found) {
			to->since_ns = t->block_ns;
			recall_past(t, to);
		}
	}
}
