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
	marks: Float64Array; // [block]: start of its first slice, so that a search stays in few cache lines
	mixed?: number; // ns: there are no slices; blocks of this length, each with a mixture of classes
}

export function makeTrack(start: Float64Array, of: Uint8Array, classes: number): Track {
	const n = of.length;
	const blocks = Math.ceil(n / BLOCK);
	const sums = new Float64Array(blocks * classes);
	const marks = new Float64Array(blocks);
	const total = new Float64Array(classes);
	for (let block = 0, i = 0; block < blocks; block++) {
		const end = Math.min(n, i + BLOCK);
		for (let c = 0; c < classes; c++) sums[block * classes + c] = total[c];
		marks[block] = start[i];
		for (; i < end; i++) total[of[i]] += start[i + 1] - start[i];
	}
	return { n, start, of, classes, sums, marks };
}

// A track of which only the sums in equal parts of the run are known.
export function makeMixture(
	end: number,
	columns: number,
	classes: number,
	entries: { column: Uint16Array; of: Uint8Array; ns: Float64Array },
): Track {
	const sums = new Float64Array((columns + 1) * classes);
	const { column, of, ns } = entries;
	for (let i = 0; i < ns.length; i++) sums[(column[i] + 1) * classes + of[i]] += ns[i];
	for (let i = classes; i < sums.length; i++) sums[i] += sums[i - classes];
	return {
		n: 1,
		start: Float64Array.from([0, end]),
		of: new Uint8Array(1),
		classes,
		sums,
		marks: new Float64Array(1),
		mixed: end / columns,
	};
}

function mixedBefore({ sums, classes }: Track, length: number, t: number, out: Float64Array): void {
	const last = sums.length / classes - 2;
	const block = Math.min(Math.max(0, Math.floor(t / length)), last);
	const part = Math.min(Math.max(0, t / length - block), 1);
	for (let c = 0, at = block * classes; c < classes; c++)
		out[c] = sums[at + c] + part * (sums[at + classes + c] - sums[at + c]);
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

// The last of some sorted times that is at or before t, which the first one is.
function lastBefore(times: Float64Array, t: number, hint: number): number {
	let lo = times[hint] <= t ? hint : 0;
	let hi = lo + 1;
	for (let step = 1; hi < times.length && times[hi] <= t; step *= 2) {
		lo = hi;
		hi += step;
	}
	if (hi > times.length) hi = times.length;
	while (hi - lo > 1) {
		const middle = (lo + hi) >> 1;
		if (times[middle] <= t) lo = middle;
		else hi = middle;
	}
	return lo;
}

// Time in each class before t, into out; returns the slice at t, a hint for the next call.
export function timeBefore(track: Track, t: number, hint: number, out: Float64Array): number {
	const { start, of, classes, sums, n } = track;
	if (!n || t < start[0]) {
		out.fill(0);
		return -1;
	}
	const block = lastBefore(track.marks, t, hint > 0 && hint < n ? Math.floor(hint / BLOCK) : 0);
	for (let c = 0, at = block * classes; c < classes; c++) out[c] = sums[at + c];
	let i = block * BLOCK;
	let from = start[i];
	// the next block begins after t: this ends within the block
	for (; i < n; i++) {
		const until = start[i + 1];
		if (until > t) break;
		out[of[i]] += until - from;
		from = until;
	}
	if (i < n) out[of[i]] += t - from;
	return i;
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
	if (track.mixed) {
		mixedBefore(track, track.mixed, t0, before);
		for (let x = 0; x < width; x++) {
			mixedBefore(track, track.mixed, t0 + (x + 1) * step, after);
			for (let c = 0; c < track.classes; c++) {
				time[c] = after[c] - before[c];
				before[c] = after[c];
			}
			paint(x, -1, time);
		}
		return;
	}
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
		for (let c = 0; c < track.classes; c++) {
			time[c] = after[c] - before[c];
			before[c] = after[c];
		}
		known = until;
		paint(x, -1, time);
		hint = next;
		if (next >= track.n) return;
	}
}
