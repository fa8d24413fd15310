// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: how many threads ran at once: rows of the histogram as the report has them, and the longest stretch of each.

export interface RunningRow {
	first: number; // as many threads ran
	last: number;
	ns: number;
}

// 0, 1, 2, ... while they are few, then 3 and 4, 5 to 8, 9 to 16, ...
function lastOfRow(first: number, cnt: number): number {
	if (cnt <= 7 || first < 3) return first;
	let last = 4;
	while (last < first) last *= 2;
	return Math.min(last, cnt - 1);
}

// By how many ran -> by rows.
export function runningRows(running: number[]): RunningRow[] {
	const rows: RunningRow[] = [];
	for (let first = 0; first < running.length; ) {
		const last = lastOfRow(first, running.length);
		const ns = running.slice(first, last + 1).reduce((sum, n) => sum + n, 0);
		rows.push({ first, last, ns });
		first = last + 1;
	}
	return rows;
}

interface Lane {
	n: number;
	start: Float64Array;
	thread: Int32Array; // -1: idle
}

// The longest time on end in which `first` to `last` CPUs were taken by the program's threads; null: there is none.
export function longestStretch(cpus: Lane[], first: number, last: number): { t0: number; t1: number } | null {
	const at = cpus.map(() => 0);
	const isBusy = (c: number) => at[c] < cpus[c].n && cpus[c].thread[at[c]] >= 0;
	let busy = cpus.filter((_, c) => isBusy(c)).length;
	let best: { t0: number; t1: number } | null = null;
	let since = busy >= first && busy <= last ? 0 : -1;
	for (;;) {
		let t = Infinity;
		for (let c = 0; c < cpus.length; c++) if (at[c] < cpus[c].n) t = Math.min(t, cpus[c].start[at[c] + 1]);
		if (t === Infinity) break;
		let ends = true; // of all lanes
		for (let c = 0; c < cpus.length; c++) {
			while (at[c] < cpus[c].n && cpus[c].start[at[c] + 1] <= t) {
				busy -= Number(isBusy(c));
				at[c]++;
				busy += Number(isBusy(c));
			}
			ends &&= at[c] === cpus[c].n;
		}
		const inside = !ends && busy >= first && busy <= last;
		if (since >= 0 && !inside) {
			if (!best || t - since > best.t1 - best.t0) best = { t0: since, t1: t };
			since = -1;
		} else if (since < 0 && inside) since = t;
	}
	return best;
}
