// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: how much time a lane spent in each class of state within an interval, exact to the nanosecond
// and cheap at any zoom.  Prefix sums stand at every BLOCK slices; an answer is a search and a walk of
// at most BLOCK slices.
const BLOCK = 32;

// A lane: slice k is [start[k], start[k + 1]) and of class `of[k]`.
export interface Track {
	n: number;
	start: Float64Array; // n + 1
	of: Uint8Array;
	classes: number;
	sums: Float64Array; // [block * classes + class]: time before the block's first slice
}

export function makeTrack(start: Float64Array, of: Uint8Array, classes: number): Track {
	const n = of.length;
	const sums = new Float64Array((Math.ceil(n / BLOCK) + 1) * classes);
	const total = new Float64Array(classes);
	for (let i = 0; i < n; i++) {
		if (i % BLOCK === 0) sums.set(total, (i / BLOCK) * classes);
		total[of[i]] += start[i + 1] - start[i];
	}
	if (n % BLOCK === 0) sums.set(total, (n / BLOCK) * classes);
	return { n, start, of, classes, sums };
}

// The slice that holds time t: the last one that starts at or before it; -1 before the first, n at or
// after the end.  A hint near the answer makes it quicker.
export function findSlice(track: { n: number; start: Float64Array }, t: number, hint = 0): number {
	const { start, n } = track;
	if (!n || t < start[0]) return -1;
	if (t >= start[n]) return n;
	let lo = hint > 0 && hint < n && start[hint] <= t ? hint : 0;
	let hi = lo + 1;
	for (let step = 1; hi < n && start[hi] <= t; step *= 2) {
		lo = hi;
		hi += step;
	}
	if (hi > n) hi = n;
	while (hi - lo > 1) {
		const middle = (lo + hi) >> 1;
		if (start[middle] <= t) lo = middle;
		else hi = middle;
	}
	return lo;
}

// Time in each class before t, into out; returns the slice at t, a hint for the next call.
export function timeBefore(track: Track, t: number, hint: number, out: Float64Array): number {
	const { start, of, classes, sums, n } = track;
	const at = findSlice(track, t, hint);
	if (at < 0) {
		out.fill(0);
		return at;
	}
	const block = Math.floor(at / BLOCK);
	for (let c = 0; c < classes; c++) out[c] = sums[block * classes + c];
	for (let i = block * BLOCK; i < at; i++) out[of[i]] += start[i + 1] - start[i];
	if (at < n) out[of[at]] += t - start[at];
	return at;
}

// Calls paint for each of `width` columns of [t0, t1): the time in each class, and the slice that fills
// the whole column, or -1.  `time` is used again for the next column.
export function eachColumn(
	track: Track,
	t0: number,
	t1: number,
	width: number,
	paint: (x: number, whole: number, time: Float64Array) => void,
): void {
	const step = (t1 - t0) / width;
	const [before, after] = [new Float64Array(track.classes), new Float64Array(track.classes)];
	const time = new Float64Array(track.classes);
	let hint = timeBefore(track, t0, 0, before);
	let known = t0; // the time that `before` is about
	if (hint >= track.n) return;
	for (let x = 0; x < width; x++) {
		const until = t0 + (x + 1) * step;
		if (hint >= 0 && hint < track.n && until <= track.start[hint + 1]) {
			paint(x, hint, time);
			continue;
		}
		// columns that one slice filled were passed over: the sums at this one's start
		const from = t0 + x * step;
		if (known !== from) {
			hint = timeBefore(track, from, Math.max(hint, 0), before);
			known = from;
			if (hint >= 0 && hint < track.n && until <= track.start[hint + 1]) {
				paint(x, hint, time);
				continue;
			}
		}
		const next = timeBefore(track, until, Math.max(hint, 0), after);
		if (next < 0) continue;
		for (let c = 0; c < track.classes; c++) time[c] = after[c] - before[c];
		before.set(after);
		known = until;
		paint(x, -1, time);
		hint = next;
		if (next >= track.n) return;
	}
}
