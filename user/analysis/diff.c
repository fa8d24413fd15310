/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What differs between two sides of runs: their figures put beside each other by name, and each
 * pair judged.  What a difference must be to count:
 *
 *   one run or two on a side   ranges apart, and either the medians twice as far as either range
 *                              is wide, or the nearest runs by a factor (a wait that is gone is
 *                              gone, however much it varied); and further than an assumed noise
 *   few runs a side            the same with a small floor in place of the assumption
 *   enough for a rank test at  that test, and the floor; it asks nothing of how times are
 *   the level (5 a side)       distributed, which have long tails
 *
 * and always: it is large enough to matter to the run.  O(runs x figures x figures).
 */
#include <string.h>

#include "ct_diff.h"

/* ---- judging two samples ---- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double *sorted(const double *values, u32 cnt)
{
	double *copy = ct_alloc((cnt + 1) * sizeof(*copy));

	memcpy(copy, values, cnt * sizeof(*copy));
	qsort(copy, cnt, sizeof(*copy), compare_doubles);
	return copy;
}

struct ct_spread ct_spread_of(const double *values, u32 cnt)
{
	double *s = sorted(values, cnt);
	struct ct_spread spread = { .median = (s[(cnt - 1) / 2] + s[cnt / 2]) / 2,
		.least = s[0],
		.most = s[cnt - 1] };

	free(s);
	return spread;
}

/* Twice the rank of x among the sorted: whole, also where equal values share a mean rank. */
static u32 double_rank(const double *s, u32 cnt, double x)
{
	u32 below = 0, equal = 0;

	for (u32 i = 0; i < cnt; i++) {
		below += s[i] < x;
		equal += s[i] == x;
	}
	return 2 * below + equal + 1;
}

/* Share of all choices of `pick` out of the ranks whose sum is as far from the middle as `sum`. */
static double count_choices(const u32 *ranks, u32 cnt, u32 pick, u32 sum)
{
	u32 most = 0, middle2; /* twice the middle */
	double all = 0, far = 0, *ways;

	for (u32 i = 0; i < cnt; i++)
		most += ranks[i];
	/* ways[k * (most + 1) + s]: choices of k ranks with sum s */
	ways = ct_alloc((size_t)(pick + 1) * (most + 1) * sizeof(*ways));
	ways[0] = 1;
	for (u32 i = 0; i < cnt; i++)
		for (u32 k = pick; k >= 1; k--)
			for (u32 s = most; s >= ranks[i]; s--)
				ways[k * (most + 1) + s] +=
					ways[(k - 1) * (most + 1) + s - ranks[i]];
	middle2 = 2 * pick * (cnt + 1);
	for (u32 s = 0; s <= most; s++) {
		u32 from = 2 * s > middle2 ? 2 * s - middle2 : middle2 - 2 * s;
		u32 seen = 2 * sum > middle2 ? 2 * sum - middle2 : middle2 - 2 * sum;

		all += ways[pick * (most + 1) + s];
		far += from >= seen ? ways[pick * (most + 1) + s] : 0;
	}
	free(ways);
	return far / all;
}

/* The sum of ranks less its mean, squared, against its variance: (z at 1 %, two-sided)^2 = 6.635.
 * The only level that is asked for. */
static double judge_many(const u32 *ranks, u32 cnt, u32 pick, u32 sum)
{
	double mean = (double)pick * (cnt + 1), spread = 0, off = (double)sum - mean;

	for (u32 i = 0; i < cnt; i++)
		spread += ((double)ranks[i] - (cnt + 1)) * ((double)ranks[i] - (cnt + 1));
	spread *= (double)pick * (cnt - pick) / ((double)cnt * (cnt - 1));
	return off * off > 6.635 * spread ? 0 : 1;
}

double ct_rank_test(const double *a, u32 a_cnt, const double *b, u32 b_cnt)
{
	u32 cnt = a_cnt + b_cnt, sum = 0;
	double *all = ct_alloc((cnt + 1) * sizeof(*all)), *s, chance;
	u32 *ranks = ct_alloc((cnt + 1) * sizeof(*ranks));

	memcpy(all, a, a_cnt * sizeof(*all));
	memcpy(all + a_cnt, b, b_cnt * sizeof(*all));
	s = sorted(all, cnt);
	for (u32 i = 0; i < cnt; i++) {
		ranks[i] = double_rank(s, cnt, all[i]);
		sum += i < a_cnt ? ranks[i] : 0;
	}
	chance = cnt <= CT_RANKS_EXACT ? count_choices(ranks, cnt, a_cnt, sum)
				       : judge_many(ranks, cnt, a_cnt, sum);
	free(ranks);
	free(s);
	free(all);
	return chance;
}

/* The least chance that so many runs can give: 2 of all ways to choose A's. */
static enum ct_noise noise_of(u32 a_cnt, u32 b_cnt)
{
	u32 fewer = a_cnt < b_cnt ? a_cnt : b_cnt;
	double ways = 1;

	if (fewer < 3)
		return CT_NOISE_ASSUMED;
	for (u32 i = 1; i <= fewer; i++)
		ways = ways * (a_cnt + b_cnt - fewer + i) / i;
	return 2 / ways <= CT_DIFF_RANK_LEVEL ? CT_NOISE_RANKS : CT_NOISE_RANGES;
}

static double distance(double x, double y)
{
	return x < y ? y - x : x - y;
}

static double wider(const struct ct_difference *r)
{
	double a = r->a.most - r->a.least, b = r->b.most - r->b.least;

	return a > b ? a : b;
}

static bool is_apart(const struct ct_difference *r)
{
	const struct ct_spread *low = r->a.median < r->b.median ? &r->a : &r->b;
	const struct ct_spread *high = low == &r->a ? &r->b : &r->a;

	return low->most < high->least &&
	       (high->median - low->median > CT_DIFF_RANGES * wider(r) ||
		       high->least > CT_DIFF_FACTOR * low->most);
}

/* What a difference must exceed: of the greater value this part, ... */
static double least_part(const struct ct_diff *d, const struct ct_difference *r)
{
	if (d->noise != CT_NOISE_ASSUMED)
		return CT_DIFF_LEAST;
	if (r->group == CT_GROUP_RUN && !strcmp(r->what, "duration"))
		return CT_DIFF_ASSUMED_RUN;
	return r->unit == CT_UNIT_COUNT ? CT_DIFF_ASSUMED_COUNT : CT_DIFF_ASSUMED_PART;
}

/* ... and of what matters to the run, so much (counts: at least so many). */
static double least_off(const struct ct_diff *d, const struct ct_difference *r, double run_ns)
{
	if (r->unit == CT_UNIT_NS)
		return run_ns * (d->noise == CT_NOISE_ASSUMED ? CT_DIFF_ASSUMED_RUN
							     : CT_DIFF_LEAST_OF_RUN);
	return r->unit == CT_UNIT_COUNT && strcmp(r->what, "threads") ? CT_DIFF_LEAST_COUNT : 0;
}

/* Large enough to matter, whatever the noise. */
static bool is_large(const struct ct_diff *d, const struct ct_difference *r, double run_ns)
{
	double off = distance(r->a.median, r->b.median), least = least_off(d, r, run_ns);
	double most = r->a.median > r->b.median ? r->a.median : r->b.median;

	if (off <= least_part(d, r) * most)
		return false;
	return r->unit == CT_UNIT_COUNT ? off >= least : off > least;
}

/* The part of the noise that can be drawn as a band: the floors, A's own runs, and what the ranges
 * of both ask for.  Of a difference that counts by another way (a factor, a rank test), no more
 * than leaves B out. */
static void set_noise(const struct ct_diff *d, struct ct_difference *r, double run_ns)
{
	double a = r->a.median, b = r->b.median, part = least_part(d, r);
	double half = least_off(d, r, run_ns), ranges = CT_DIFF_RANGES * wider(r);
	bool by_ranges = d->noise != CT_NOISE_RANKS && ranges > half;

	if (by_ranges && !(r->beyond && ranges >= distance(a, b)))
		half = ranges;
	r->noise_low = a * (1 - part) < a - half ? a * (1 - part) : a - half;
	r->noise_high = a / (1 - part) > a + half ? a / (1 - part) : a + half;
	if (r->a.least < r->noise_low && !(r->beyond && b < a && r->a.least <= b))
		r->noise_low = r->a.least;
	if (r->a.most > r->noise_high && !(r->beyond && b > a && r->a.most >= b))
		r->noise_high = r->a.most;
	if (r->noise_low < 0)
		r->noise_low = 0;
}

static bool is_beyond(const struct ct_diff *d, const struct ct_difference *r, double run_ns,
	const double *a, const double *b)
{
	if (!is_large(d, r, run_ns))
		return false;
	if (d->noise == CT_NOISE_RANKS)
		return ct_rank_test(a, d->a.cnt, b, d->b.cnt) <= CT_DIFF_RANK_LEVEL;
	return is_apart(r);
}

/* ---- the figures of both sides, by name ---- */

struct array { /* a symbol with locks in it: "shelf_lock+40" and more */
	const char *first;  /* of their names */
	size_t len;	    /* of the symbol */
	const char *joined; /* "shelf_lock+*" */
	CT_VEC(const char *) names;
};

struct pairs { /* a table of all figures: a row for each, a column for each run */
	struct ct_diff *d;
	CT_VEC(struct ct_difference) rows;
	CT_VEC(double *) values; /* [row][run]: A's, then B's */
	CT_VEC(struct array) arrays;
	u32 runs;
};

static const struct ct_profile *profile_at(const struct ct_diff *d, u32 run)
{
	return run < d->a.cnt ? &d->a.runs[run] : &d->b.runs[run - d->a.cnt];
}

/* A thread whose start is not known belongs to the role of that name, if there is only one. */
static const char *full_role(const struct ct_diff *d, const char *role)
{
	size_t len = strlen(role);
	const char *full = NULL;

	for (u32 run = 0; run < d->a.cnt + d->b.cnt; run++) {
		const struct ct_profile *p = profile_at(d, run);

		for (u32 i = 0; i < p->figures.cnt; i++) {
			const struct ct_figure *f = &p->figures.at[i];

			if (f->group != CT_GROUP_THREAD || strncmp(f->name, role, len) ||
				strncmp(f->name + len, " in ", 4))
				continue;
			if (full && strcmp(full, f->name))
				return role;
			full = f->name;
		}
	}
	return full ? full : role;
}

/* Length of "shelf_lock" in "shelf_lock+40"; 0: not such a name. */
static size_t symbol_length(const char *name)
{
	const char *plus = strrchr(name, '+');

	return plus && plus[1] && plus[1 + strspn(plus + 1, "0123456789")] == '\0'
		       ? (size_t)(plus - name)
		       : 0;
}

static struct array *find_array(struct pairs *p, const char *name)
{
	size_t len = symbol_length(name);

	for (u32 i = 0; len && i < p->arrays.cnt; i++) {
		struct array *a = &p->arrays.at[i];

		if (a->len == len && !strncmp(a->first, name, len))
			return a;
	}
	return NULL;
}

static void note_array(struct pairs *p, const char *name)
{
	struct array *a = find_array(p, name);

	if (!symbol_length(name))
		return;
	if (!a) {
		a = ct_vec_push(&p->arrays);
		*a = (struct array){ .first = name, .len = symbol_length(name) };
	}
	for (u32 i = 0; i < a->names.cnt; i++)
		if (!strcmp(a->names.at[i], name))
			return;
	*ct_vec_push(&a->names) = name;
	if (a->names.cnt <= CT_DIFF_ARRAY || a->joined)
		return;
	*ct_vec_push(&p->d->names) = ct_asprintf("%.*s+*", (int)a->len, name);
	a->joined = p->d->names.at[p->d->names.cnt - 1];
}

static void find_arrays(struct pairs *p)
{
	for (u32 run = 0; run < p->runs; run++) {
		const struct ct_profile *profile = profile_at(p->d, run);

		for (u32 i = 0; i < profile->figures.cnt; i++)
			if (profile->figures.at[i].group == CT_GROUP_LOCK)
				note_array(p, profile->figures.at[i].name);
	}
}

static const char *joined_name(struct pairs *p, const char *name)
{
	struct array *a = find_array(p, name);

	for (u32 i = 0; !a && i < p->arrays.cnt; i++) /* its first lock has no offset */
		if (strlen(name) == p->arrays.at[i].len &&
			!strncmp(p->arrays.at[i].first, name, p->arrays.at[i].len))
			a = &p->arrays.at[i];
	return a && a->joined ? a->joined : name;
}

static double *row_of(struct pairs *p, const struct ct_figure *f, const char *name)
{
	struct ct_difference *r;

	for (u32 i = 0; i < p->rows.cnt; i++) {
		r = &p->rows.at[i];
		if (r->group == f->group && !strcmp(r->what, f->what) && !strcmp(r->name, name))
			return p->values.at[i];
	}
	r = ct_vec_push(&p->rows);
	*r = (struct ct_difference){ .group = f->group, .unit = f->unit, .name = name,
		.name_b = name, .what = f->what };
	*ct_vec_push(&p->values) = ct_alloc((p->runs + 1) * sizeof(double));
	return p->values.at[p->values.cnt - 1];
}

static void take_profile(struct pairs *p, u32 run)
{
	const struct ct_profile *profile = profile_at(p->d, run);

	for (u32 i = 0; i < profile->figures.cnt; i++) {
		const struct ct_figure *f = &profile->figures.at[i];
		const char *name = f->name;

		if (f->group == CT_GROUP_THREAD)
			name = full_role(p->d, name);
		if (f->group == CT_GROUP_LOCK || f->group == CT_GROUP_PATH)
			name = joined_name(p, name);
		row_of(p, f, name)[run] += f->value;
	}
}

/* ---- lines that only moved ---- */

static bool is_absent(const struct pairs *p, u32 row, u32 from, u32 to)
{
	for (u32 run = from; run < to; run++)
		if (p->values.at[row][run])
			return false;
	return true;
}

/* "push (queue.c:12)" and "push (queue.c:14)": the same up to the line */
static bool is_same_function(const char *x, const char *y)
{
	const char *colon = strrchr(x, ':');

	return colon && !strncmp(x, y, (size_t)(colon - x) + 1) &&
	       strrchr(y, ':') == y + (colon - x);
}

/* The one row of B alone that could be this row of A alone; CT_NONE when there are several. */
static u32 find_moved(const struct pairs *p, u32 row, u32 from, u32 to)
{
	u32 found = CT_NONE;

	for (u32 i = 0; i < p->rows.cnt; i++) {
		if (i == row || p->rows.at[i].group != CT_GROUP_LINE ||
			strcmp(p->rows.at[i].what, p->rows.at[row].what) ||
			!is_same_function(p->rows.at[row].name, p->rows.at[i].name) ||
			!is_absent(p, i, from, to))
			continue;
		if (found != CT_NONE)
			return CT_NONE;
		found = i;
	}
	return found;
}

static void drop_row(struct pairs *p, u32 row)
{
	free(p->values.at[row]);
	for (u32 i = row + 1; i < p->rows.cnt; i++) {
		p->rows.at[i - 1] = p->rows.at[i];
		p->values.at[i - 1] = p->values.at[i];
	}
	p->rows.cnt--;
	p->values.cnt--;
}

static void join_moved(struct pairs *p)
{
	u32 a_cnt = p->d->a.cnt;

	for (u32 row = 0; row < p->rows.cnt; row++) {
		u32 other;

		if (p->rows.at[row].group != CT_GROUP_LINE || !is_absent(p, row, a_cnt, p->runs))
			continue;
		other = find_moved(p, row, 0, a_cnt);
		/* and the other way round it must be as clear */
		if (other == CT_NONE || find_moved(p, other, a_cnt, p->runs) != row)
			continue;
		for (u32 run = a_cnt; run < p->runs; run++)
			p->values.at[row][run] = p->values.at[other][run];
		p->rows.at[row].name_b = p->rows.at[other].name;
		drop_row(p, other);
		row -= other < row;
	}
}

/* ---- the whole ---- */

static int compare_rows(const void *a, const void *b)
{
	const struct ct_difference *x = a, *y = b;
	double x_off = distance(x->a.median, x->b.median);
	double y_off = distance(y->a.median, y->b.median);
	int order;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	if (x_off != y_off)
		return x_off > y_off ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order ? order : strcmp(x->what, y->what);
}

static void judge(struct ct_diff *d, struct pairs *p)
{
	double run_ns = 0;

	for (u32 i = 0; i < p->rows.cnt; i++) {
		struct ct_difference *r = &p->rows.at[i];
		const double *values = p->values.at[i];

		r->a = ct_spread_of(values, d->a.cnt);
		r->b = ct_spread_of(values + d->a.cnt, d->b.cnt);
		if (r->group == CT_GROUP_RUN && !strcmp(r->what, "duration"))
			run_ns = r->a.median > r->b.median ? r->a.median : r->b.median;
	}
	for (u32 i = 0; i < p->rows.cnt; i++) {
		const double *values = p->values.at[i];

		p->rows.at[i].beyond =
			is_beyond(d, &p->rows.at[i], run_ns, values, values + d->a.cnt);
		set_noise(d, &p->rows.at[i], run_ns);
		*ct_vec_push(&d->at) = p->rows.at[i];
	}
	if (d->at.cnt)
		qsort(d->at.at, d->at.cnt, sizeof(*d->at.at), compare_rows);
}

static u32 find_row(const struct ct_diff *d, u32 group, const char *name, const char *what)
{
	for (u32 i = 0; i < d->at.cnt; i++) {
		const struct ct_difference *r = &d->at.at[i];

		if (r->group == group && !strcmp(r->what, what) && !strcmp(r->name, name))
			return i;
	}
	return CT_NONE;
}

/* The largest of a group's times beyond the noise, of those that B has less or more of. */
static u32 find_largest(const struct ct_diff *d, u32 group, bool less, bool more)
{
	for (u32 i = 0; i < d->at.cnt; i++) {
		const struct ct_difference *r = &d->at.at[i]; /* largest first */
		bool is_less = r->b.median < r->a.median;

		if (r->group == group && r->unit == CT_UNIT_NS && r->beyond &&
			(is_less ? less : more))
			return i;
	}
	return CT_NONE;
}

/* The largest of a group's times that went the way the duration did. */
static u32 find_along(const struct ct_diff *d, u32 group)
{
	const struct ct_difference *run = &d->at.at[d->duration_idx];
	bool less = run->b.median < run->a.median;

	return find_largest(d, group, less, !less);
}

static double change_at(const struct ct_diff *d, u32 row)
{
	return row == CT_NONE ? 0 : distance(d->at.at[row].a.median, d->at.at[row].b.median);
}

/* The critical path adds up to the duration on either side, so what became of it explains what
 * became of the duration; the largest part of that is the cause to name.  A lock is a better answer
 * than what its holders did meanwhile (slept, say), if its waits changed as much as the run did. */
static void find_cause(struct ct_diff *d)
{
	u32 path, lock;

	d->duration_idx = find_row(d, CT_GROUP_RUN, "", "duration");
	d->cause_idx = d->wait_idx = CT_NONE;
	if (d->duration_idx == CT_NONE || !d->at.at[d->duration_idx].beyond)
		return;
	path = find_along(d, CT_GROUP_PATH);
	lock = find_along(d, CT_GROUP_LOCK);
	if (path != CT_NONE) /* CT_NONE, when it is about no lock */
		d->wait_idx = find_row(d, CT_GROUP_LOCK, d->at.at[path].name, "wait");
	d->cause_idx = path;
	if (path == CT_NONE || (d->wait_idx == CT_NONE &&
				       change_at(d, lock) >= change_at(d, d->duration_idx)))
		d->cause_idx = d->wait_idx = lock;
	if (d->cause_idx == CT_NONE)
		d->cause_idx = path != CT_NONE ? path : find_along(d, CT_GROUP_THREAD);
}

static void describe_side(struct ct_diff_side *s)
{
	for (u32 i = 0; i < s->cnt; i++) {
		const struct ct_profile *p = &s->runs[i];
		bool own_end = p->ended && !p->attached && p->complete;
		u32 signal = (u32)p->wait_status & 0x7f;

		s->attached_cnt += p->attached;
		s->cut_cnt += !p->attached && (!own_end || signal);
		s->failed_cnt += own_end && !signal && p->wait_status;
		s->lost_events += p->lost_events;
		s->others_share += p->others_share / s->cnt;
	}
}

/* The clock says how long a run was; all else is counted in events. */
static void mark_lossy(struct ct_diff *d)
{
	for (u32 i = 0; i < d->at.cnt; i++) {
		struct ct_difference *r = &d->at.at[i];
		bool clock = i == d->duration_idx;

		r->a.lossy = d->a.lost_events && !clock;
		r->b.lossy = d->b.lost_events && !clock;
	}
}

static void count_finding(struct ct_diff *d, const struct ct_made *made, bool of_a)
{
	struct ct_finding_change *c = NULL;
	u32 *severity;

	for (u32 i = 0; i < d->findings.cnt; i++)
		if (d->findings.at[i].kind == made->kind)
			c = &d->findings.at[i];
	if (!c) {
		c = ct_vec_push(&d->findings);
		c->kind = made->kind;
	}
	severity = of_a ? &c->a_severity : &c->b_severity;
	*severity = made->severity > *severity ? made->severity : *severity;
	*(of_a ? &c->a_runs : &c->b_runs) += 1;
}

static int compare_findings(const void *a, const void *b)
{
	const struct ct_finding_change *x = a, *y = b;
	u32 x_most = x->a_severity > x->b_severity ? x->a_severity : x->b_severity;
	u32 y_most = y->a_severity > y->b_severity ? y->a_severity : y->b_severity;

	if (x_most != y_most)
		return x_most > y_most ? -1 : 1;
	return x->kind < y->kind ? -1 : x->kind > y->kind;
}

void ct_diff__compute(struct ct_diff *d, const struct ct_profile *a, u32 a_cnt,
	const struct ct_profile *b, u32 b_cnt)
{
	struct pairs p = { .d = d, .runs = a_cnt + b_cnt };

	*d = (struct ct_diff){ .a = { .runs = a, .cnt = a_cnt }, .b = { .runs = b, .cnt = b_cnt },
		.noise = noise_of(a_cnt, b_cnt), .same_program = true };
	find_arrays(&p);
	for (u32 run = 0; run < p.runs; run++) {
		const struct ct_profile *profile = profile_at(d, run);

		take_profile(&p, run);
		d->same_program &= !strcmp(profile->program, a[0].program);
		for (u32 i = 0; i < profile->made.cnt; i++)
			count_finding(d, &profile->made.at[i], run < a_cnt);
	}
	join_moved(&p);
	for (u32 i = 0; i < p.arrays.cnt; i++)
		ct_vec_free(&p.arrays.at[i].names);
	ct_vec_free(&p.arrays);
	judge(d, &p);
	describe_side(&d->a);
	describe_side(&d->b);
	find_cause(d);
	mark_lossy(d);
	d->lock_less_idx = find_largest(d, CT_GROUP_LOCK, true, false);
	d->lock_more_idx = find_largest(d, CT_GROUP_LOCK, false, true);
	d->thread_idx = find_largest(d, CT_GROUP_THREAD, true, true);
	if (d->findings.cnt)
		qsort(d->findings.at, d->findings.cnt, sizeof(*d->findings.at), compare_findings);
	for (u32 i = 0; i < p.values.cnt; i++)
		free(p.values.at[i]);
	ct_vec_free(&p.values);
	ct_vec_free(&p.rows);
}

void ct_diff__clear(struct ct_diff *d)
{
	ct_vec_free(&d->at);
	ct_vec_free(&d->findings);
	for (u32 i = 0; i < d->names.cnt; i++)
		free(d->names.at[i]);
	ct_vec_free(&d->names);
	*d = (struct ct_diff){ 0 };
}

enum ct_fate ct_finding_fate(const struct ct_diff *d, const struct ct_finding_change *c)
{
	double a = (double)c->a_runs / d->a.cnt, b = (double)c->b_runs / d->b.cnt;

	if (a > 0.5 && !c->b_runs)
		return CT_FATE_GONE;
	if (b > 0.5 && !c->a_runs)
		return CT_FATE_NEW;
	if (a > 0.5 && b > 0.5 && c->a_severity != c->b_severity)
		return c->a_severity > c->b_severity ? CT_FATE_MILDER : CT_FATE_WORSE;
	if (a == b)
		return CT_FATE_SAME;
	return a > b ? CT_FATE_RARER : CT_FATE_OFTENER;
}
