// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: what is worked out once from the data: lanes of threads, locks and CPUs as tracks, and names.
import type { Data, Slices } from './load';
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
	'wanted, holder not known',
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
	waitsOfLock: Int32Array[];
	threadNames: string[];
}

interface Edge {
	t: number;
	waiters: number; // + or - 1
	holder: number | null; // -1: released
}

function lockEdges(data: Data, lock: number, waits: Int32Array): Edge[] {
	const holds = data.holds[lock];
	const edges: Edge[] = [];
	for (const w of waits) {
		edges.push({ t: data.waits.start[w], waiters: 1, holder: null });
		edges.push({ t: data.waits.end[w], waiters: -1, holder: null });
	}
	for (let i = 0; i < holds.n; i++) {
		edges.push({ t: holds.start[i], waiters: 0, holder: holds.thread[i] });
		if (i + 1 === holds.n || holds.start[i + 1] > holds.end[i])
			edges.push({ t: holds.end[i], waiters: 0, holder: -1 });
	}
	return edges.sort((a, b) => a.t - b.t);
}

// Who has the lock and how many want it, over the whole run.
export function lockLane(data: Data, lock: number, waits: Int32Array): LockLane {
	const start = [0];
	const of = [FREE];
	const holder = [-1];
	const waiters = [0];
	let [who, cnt] = [-1, 0];
	for (const edge of lockEdges(data, lock, waits)) {
		cnt += edge.waiters;
		if (edge.holder !== null) who = edge.holder;
		const last = start.length - 1;
		const at = edge.t > start[last] ? last + 1 : last;
		start[at] = Math.max(edge.t, start[last]);
		holder[at] = who;
		waiters[at] = cnt;
		of[at] = who < 0 ? (cnt > 0 ? WANTED : FREE) : cnt > 0 ? HELD_WANTED : HELD;
	}
	start.push(Math.max(data.end, start[start.length - 1]));
	const track = makeTrack(Float64Array.from(start), Uint8Array.from(of), 4);
	return { ...track, holder: Int32Array.from(holder), waiters: Uint16Array.from(waiters) };
}

function countCpus(data: Data, running: number): Map<number, number> {
	const counts = new Map<number, number>();
	for (const s of data.slices)
		for (let i = 0; i < s.n; i++)
			if (s.state[i] === running) counts.set(s.cpu[i], (counts.get(s.cpu[i]) ?? 0) + 1);
	return counts;
}

// Runs of one CPU in order of time, gaps between them as idle.
function cpuLane(data: Data, cpu: number, count: number, running: number): CpuLane {
	const begin = new Float64Array(count);
	const end = new Float64Array(count);
	const who = new Int32Array(count);
	let n = 0;
	data.slices.forEach((s, t) => {
		for (let i = 0; i < s.n; i++) {
			if (s.state[i] !== running || s.cpu[i] !== cpu) continue;
			begin[n] = s.start[i];
			end[n] = s.start[i + 1];
			who[n++] = t;
		}
	});
	const order = new Uint32Array(n).map((_, i) => i).sort((a, b) => begin[a] - begin[b]);
	const start: number[] = [];
	const thread: number[] = [];
	let now = 0;
	for (const i of order) {
		if (begin[i] > now) {
			start.push(now);
			thread.push(-1);
		}
		start.push(Math.max(begin[i], now));
		thread.push(who[i]);
		now = Math.max(now, end[i]);
	}
	if (data.end > now) {
		start.push(now);
		thread.push(-1);
		now = data.end;
	}
	start.push(now);
	const of = Uint8Array.from(thread, (t) => (t < 0 ? 0 : 1 + (t % CPU_COLOURS)));
	const track = makeTrack(Float64Array.from(start), of, CPU_COLOURS + 1);
	return { ...track, thread: Int32Array.from(thread) };
}

function groupWaits(data: Data): Int32Array[] {
	const groups: number[][] = data.meta.locks.map(() => []);
	for (let w = 0; w < data.waits.n; w++) if (data.waits.lock[w] >= 0) groups[data.waits.lock[w]].push(w);
	return groups.map((g) => Int32Array.from(g));
}

// Names that nobody else has: the tid is added where two threads share one.
export function threadNames(rows: { name: string; tid: number }[]): string[] {
	const seen = new Map<string, number>();
	for (const row of rows) seen.set(row.name, (seen.get(row.name) ?? 0) + 1);
	return rows.map((r) => (r.name && seen.get(r.name) === 1 ? r.name : `${r.name || 'thread'} ${r.tid}`));
}

export const cpuNumbers = (data: Data): number[] =>
	[...countCpus(data, data.meta.states.indexOf('running')).keys()].sort((a, b) => a - b);

export function buildModel(data: Data): Model & { cpuNumbers: number[] } {
	const classes = Uint8Array.from(data.meta.states, classOf);
	const running = data.meta.states.indexOf('running');
	const threads = data.slices.map((s: Slices) =>
		makeTrack(
			s.start,
			s.state.map((c) => classes[c]),
			7,
		),
	);
	const waitsOfLock = groupWaits(data);
	const counts = countCpus(data, running);
	const numbers = [...counts.keys()].sort((a, b) => a - b);
	return {
		data,
		threads,
		waitsOfLock,
		locks: data.meta.locks.map((_, l) => lockLane(data, l, waitsOfLock[l])),
		cpus: numbers.map((cpu) => cpuLane(data, cpu, counts.get(cpu) ?? 0, running)),
		cpuNumbers: numbers,
		threadNames: threadNames(data.meta.summary.threads),
	};
}

// The slice of a thread at time t, or -1.
export function sliceAt(model: Model, thread: number, t: number): number {
	const s = model.data.slices[thread];
	const at = findSlice(s, t);
	return at >= s.n ? -1 : at;
}

// The hold in force at t, an index into the lock's holds, or -1.
export function holdAt(data: Data, lock: number, t: number): number {
	const holds = data.holds[lock];
	let lo = 0;
	let hi = holds.n;
	while (lo < hi) {
		const middle = (lo + hi) >> 1;
		if (holds.start[middle] <= t) lo = middle + 1;
		else hi = middle;
	}
	return lo > 0 && holds.end[lo - 1] > t ? lo - 1 : -1;
}
