// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: what is worked out once from the data: lanes of threads, locks and CPUs as tracks, and names.
import type { Data, Slices } from './load';
import { readTouches, type Touches } from './touches';
import { findSlice, makeTrack, type Track } from './visible';

// ---- classes of states: what has a colour of its own ----
export const RUNNING = 0;
export const RUNNABLE = 1;
export const LOCK = 2;
export const SYNC = 3;
export const IO = 4;
export const REST = 5;
export const OTHER = 6;
export const CLASS_WORDS = [
	'running',
	'waits for a CPU',
	'waits for a lock',
	'waits for another thread',
	'waits for I/O',
	'sleeps or has nothing to do',
	'other waits',
];

const CLASS_OF: Record<string, number> = {
	running: RUNNING,
	runnable: RUNNABLE,
	lock: LOCK,
	rwlock: LOCK,
	cond: SYNC,
	sem: SYNC,
	barrier: SYNC,
	join: SYNC,
	futex: SYNC,
	child: SYNC,
	'io-disk': IO,
	'io-net': IO,
	pipe: IO,
	sleep: REST,
	poll: REST,
};

export function classOf(state: string): number {
	return CLASS_OF[state] ?? OTHER;
}

// ---- lanes of locks ----
export const FREE = 0;
export const HELD = 1;
export const HELD_WANTED = 2;
export const WANTED = 3;
export const LOCK_WORDS = [
	'nobody known to hold it',
	'held',
	'held while others want it',
	'waited for, nobody known to hold it',
];

export interface LockLane extends Track {
	holder: Int32Array; // -1: not known
	waiters: Uint16Array;
}

export interface CpuLane extends Track {
	thread: Int32Array; // -1: none of this program
}

export const CPU_COLOURS = 4; // tints of running, so that neighbours differ

export interface Model {
	data: Data;
	threads: Track[];
	locks: LockLane[];
	cpus: CpuLane[];
	cpuNumbers: number[]; // of cpus
	waitsOfLock: Int32Array[];
	threadNames: string[];
	touches: Touches; // accesses to watched variables
}

// Who has the lock and how many want it, over the whole run: a merge of three sorted lists, the starts and
// ends of waits and the holds.
export function lockLane(data: Data, lock: number, waits: Int32Array): LockLane {
	const holds = data.holds[lock];
	const starts = Float64Array.from(waits, (w) => data.waits.start[w]).sort();
	const ends = Float64Array.from(waits, (w) => data.waits.end[w]).sort();
	const most = 2 * (waits.length + holds.n) + 2;
	const start = new Float64Array(most);
	const of = new Uint8Array(most);
	const holder = new Int32Array(most).fill(-1);
	const waiters = new Uint16Array(most);
	let [n, who, cnt, s, e, h] = [1, -1, 0, 0, 0, 0]; // h: twice the hold, + 1 once it has begun
	for (;;) {
		const begins = s < starts.length ? starts[s] : Infinity;
		const finishes = e < ends.length ? ends[e] : Infinity;
		const hold = h >> 1;
		const changes = hold < holds.n ? (h & 1 ? holds.end[hold] : holds.start[hold]) : Infinity;
		const t = Math.min(begins, finishes, changes);
		if (t === Infinity) break;
		if (changes === t) who = h++ & 1 ? -1 : holds.thread[hold];
		else if (begins === t) s++;
		else e++;
		cnt = s - e;
		if (t > start[n - 1]) start[n++] = t;
		holder[n - 1] = who;
		waiters[n - 1] = cnt;
		of[n - 1] = who < 0 ? (cnt > 0 ? WANTED : FREE) : cnt > 0 ? HELD_WANTED : HELD;
	}
	start[n] = Math.max(data.end, start[n - 1]);
	const track = makeTrack(start.slice(0, n + 1), of.slice(0, n), 4);
	return { ...track, holder: holder.slice(0, n), waiters: waiters.slice(0, n) };
}

// ---- lanes of CPUs ----

interface Runs {
	n: number;
	begin: Float64Array;
	end: Float64Array;
	thread: Int32Array;
	ends: number[]; // where each thread's runs end: within a thread they are in order
}

function collectRuns(data: Data, running: number): Map<number, Runs> {
	const counts = new Map<number, number>();
	for (const s of data.slices)
		for (let i = 0; i < s.n; i++)
			if (s.state[i] === running) counts.set(s.cpu[i], (counts.get(s.cpu[i]) ?? 0) + 1);
	const all = new Map<number, Runs>();
	for (const [cpu, cnt] of counts)
		all.set(cpu, {
			n: 0,
			begin: new Float64Array(cnt),
			end: new Float64Array(cnt),
			thread: new Int32Array(cnt),
			ends: [],
		});
	data.slices.forEach((s, t) => {
		for (let i = 0; i < s.n; i++) {
			if (s.state[i] !== running) continue;
			const runs = all.get(s.cpu[i]) as Runs;
			runs.begin[runs.n] = s.start[i];
			runs.end[runs.n] = s.start[i + 1];
			runs.thread[runs.n++] = t;
		}
		for (const runs of all.values())
			if (runs.n > (runs.ends[runs.ends.length - 1] ?? 0)) runs.ends.push(runs.n);
	});
	return all;
}

// The order of all runs by time: the threads' lists merged two by two.
function mergeRuns(runs: Runs): Uint32Array {
	const { begin, n } = runs;
	let from = new Uint32Array(n).map((_, i) => i);
	let to = new Uint32Array(n);
	let ends = runs.ends;
	while (ends.length > 1) {
		const merged: number[] = [];
		for (let k = 0, low = 0; k < ends.length; k += 2) {
			const middle = ends[k];
			const high = ends[k + 1] ?? middle;
			for (let i = low, a = low, b = middle; i < high; i++)
				to[i] = b >= high || (a < middle && begin[from[a]] <= begin[from[b]]) ? from[a++] : from[b++];
			if (high === middle) to.set(from.subarray(low, middle), low);
			merged.push(high);
			low = high;
		}
		[from, to] = [to, from];
		ends = merged;
	}
	return from;
}

// Runs of one CPU in order of time, gaps between them as idle.
function cpuLane(data: Data, runs: Runs): CpuLane {
	const start = new Float64Array(2 * runs.n + 2);
	const thread = new Int32Array(2 * runs.n + 1);
	let n = 0;
	let now = 0;
	const add = (t: number, who: number) => {
		start[n] = t;
		thread[n++] = who;
	};
	for (const i of mergeRuns(runs)) {
		if (runs.begin[i] > now) add(now, -1);
		add(Math.max(runs.begin[i], now), runs.thread[i]);
		now = Math.max(now, runs.end[i]);
	}
	if (data.end > now) add(now, -1);
	start[n] = Math.max(now, data.end);
	const of = new Uint8Array(n);
	for (let i = 0; i < n; i++) of[i] = thread[i] < 0 ? 0 : 1 + (thread[i] % CPU_COLOURS);
	return { ...makeTrack(start.slice(0, n + 1), of, CPU_COLOURS + 1), thread: thread.slice(0, n) };
}

function groupWaits(data: Data): Int32Array[] {
	const { lock, n } = data.waits;
	const counts = new Int32Array(data.meta.locks.length);
	for (let w = 0; w < n; w++) if (lock[w] >= 0) counts[lock[w]]++;
	const groups = Array.from(counts, (cnt) => new Int32Array(cnt));
	counts.fill(0);
	for (let w = 0; w < n; w++) if (lock[w] >= 0) groups[lock[w]][counts[lock[w]]++] = w;
	return groups;
}

// Names that nobody else has: the tid is added where two threads share one.
export function threadNames(rows: { name: string; tid: number }[]): string[] {
	const seen = new Map<string, number>();
	for (const row of rows) seen.set(row.name, (seen.get(row.name) ?? 0) + 1);
	return rows.map((r) => (r.name && seen.get(r.name) === 1 ? r.name : `${r.name || 'thread'} ${r.tid}`));
}

function threadTrack(s: Slices, classes: Uint8Array): Track {
	const of = new Uint8Array(s.n);
	for (let i = 0; i < s.n; i++) of[i] = classes[s.state[i]];
	return makeTrack(s.start, of, CLASS_WORDS.length);
}

export function buildModel(data: Data): Model {
	const classes = Uint8Array.from(data.meta.states, classOf);
	const waitsOfLock = groupWaits(data);
	const runs = collectRuns(data, data.meta.states.indexOf('running'));
	const cpuNumbers = [...runs.keys()].sort((a, b) => a - b);
	return {
		data,
		waitsOfLock,
		cpuNumbers,
		threads: data.slices.map((s) => threadTrack(s, classes)),
		locks: data.meta.locks.map((_, l) => lockLane(data, l, waitsOfLock[l])),
		cpus: cpuNumbers.map((cpu) => cpuLane(data, runs.get(cpu) as Runs)),
		threadNames: threadNames(data.meta.summary.threads),
		touches: readTouches(data.extra, data.meta),
	};
}

// The slice of a thread at time t, or -1.
export function sliceAt(model: Model, thread: number, t: number): number {
	const s = model.data.slices[thread];
	const at = findSlice(s, t);
	return at >= s.n ? -1 : at;
}

// How many holds of the lock began at or before t.
export function holdsBefore(data: Data, lock: number, t: number): number {
	const holds = data.holds[lock];
	let lo = 0;
	let hi = holds.n;
	while (lo < hi) {
		const middle = (lo + hi) >> 1;
		if (holds.start[middle] <= t) lo = middle + 1;
		else hi = middle;
	}
	return lo;
}

// The hold in force at t, an index into the lock's holds, or -1.
export function holdAt(data: Data, lock: number, t: number): number {
	const last = holdsBefore(data, lock, t) - 1;
	return last >= 0 && data.holds[lock].end[last] > t ? last : -1;
}
