// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: what is worked out once from the data: lanes of threads, locks and CPUs as tracks, and names.
import { emptyData, type Data, type Holds, type Sketch, type Slices } from './load';
import type { Meta } from './meta';
import { readTouches, type Touches } from './touches';
import { eachColumn, findSlice, makeMixture, makeTrack, type Track } from './visible';

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

// The locks that have lanes, the one waited for longest first.  That a thread is joined is no lock.
export function lockOrder({ locks }: Meta, waitsOfLock: Int32Array[]): number[] {
	return locks
		.map((_, l) => l)
		.filter((l) => waitsOfLock[l].length > 0 && locks[l][2] !== 'join')
		.sort((a, b) => locks[b][6] - locks[a][6] || a - b);
}

export interface LockLane extends Track {
	holder: Int32Array; // -1: not known
	waiters: Uint16Array;
}

export interface CpuLane extends Track {
	thread: Int32Array; // -1: none of this program
}

export const CPU_COLOURS = 4; // tints of running, so that neighbours differ

// How many threads did what in each of some equal parts of the run.
export interface Strip {
	width: number;
	// mean number of threads in each column
	running: Float64Array;
	runnable: Float64Array;
	blocked: Float64Array;
	most: number; // alive at once, at most
}

// Lanes that are put together from several threads: they come later, some of them from another worker.
export interface SomeLanes {
	locks: Map<number, LockLane>;
	cpus: Map<number, CpuLane>; // by the CPU's number
}

export interface MergedLanes {
	locks: LockLane[];
	cpus: CpuLane[];
	cpuNumbers: number[]; // of cpus
}

export interface Model extends MergedLanes {
	data: Data;
	threads: Track[];
	overview: Strip; // the whole run
	waitsOfLock: Int32Array[];
	threadNames: string[];
	touches: Touches; // accesses to watched variables
}

// Some sorted lists, one after the other, as one: merged two by two.  `value` gives what is compared.
function mergeLists<T extends Float64Array | Uint32Array>(
	list: T,
	listEnds: number[],
	value: Float64Array | null, // of the list's entries; null: the entries themselves
): T {
	let from = list;
	let to = list.slice() as T;
	let ends = listEnds;
	while (ends.length > 1) {
		const merged: number[] = [];
		for (let k = 0, low = 0; k < ends.length; k += 2) {
			const middle = ends[k];
			const high = ends[k + 1] ?? middle;
			let [a, b, i] = [low, middle, low];
			while (a < middle && b < high) {
				const [x, y] = [from[a], from[b]];
				if (value ? value[x] <= value[y] : x <= y) {
					to[i++] = x;
					a++;
				} else {
					to[i++] = y;
					b++;
				}
			}
			if (a < middle) to.set(from.subarray(a, middle), i);
			else if (b < high) to.set(from.subarray(b, high), i);
			merged.push(high);
			low = high;
		}
		[from, to] = [to, from];
		ends = merged;
	}
	return from;
}

// Times of some waits, and where each stretch of them that is in order ends: those of one thread mostly are.
interface Times {
	times: Float64Array;
	ends: number[];
}

function timesOf(times: Float64Array, waits: Int32Array): Times {
	const out = new Float64Array(waits.length);
	const ends: number[] = [];
	for (let i = 0; i < waits.length; i++) {
		out[i] = times[waits[i]];
		if (i && out[i] < out[i - 1]) ends.push(i);
	}
	ends.push(waits.length);
	return { times: out, ends };
}

interface LockParts {
	holds: Holds;
	starts: Times;
	ends: Times;
}

// Who has the lock and how many want it, over the whole run: a merge of three sorted lists, the starts and
// ends of waits and the holds.
function lockLane(parts: LockParts, end: number): LockLane {
	const { holds } = parts;
	const starts = mergeLists(parts.starts.times, parts.starts.ends, null);
	const ends = mergeLists(parts.ends.times, parts.ends.ends, null);
	const most = 2 * (starts.length + holds.n) + 2;
	const start = new Float64Array(most);
	const of = new Uint8Array(most);
	const holder = new Int32Array(most);
	const waiters = new Uint16Array(most);
	holder[0] = -1;
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
	start[n] = Math.max(end, start[n - 1]);
	// memory that was never written to costs nothing
	const track = makeTrack(start.subarray(0, n + 1), of.subarray(0, n), 4);
	return { ...track, holder: holder.subarray(0, n), waiters: waiters.subarray(0, n) };
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
	const all = new Map<number, Runs>();
	const kinds = data.slices[0]?.kinds;
	if (!kinds) return all;
	const counts = new Uint32Array(kinds.n);
	for (const { kind, n } of data.slices) for (let i = 0; i < n; i++) counts[kind[i]]++;
	const cnt = new Map<number, number>();
	for (let k = 0; k < kinds.n; k++)
		if (kinds.state[k] === running && counts[k])
			cnt.set(kinds.cpu[k], (cnt.get(kinds.cpu[k]) ?? 0) + counts[k]);
	for (const [cpu, n] of cnt)
		all.set(cpu, {
			n: 0,
			begin: new Float64Array(n),
			end: new Float64Array(n),
			thread: new Int32Array(n),
			ends: [],
		});
	const runsOf = Array.from(kinds.cpu, (cpu, k) => (kinds.state[k] === running && all.get(cpu)) || null);
	data.slices.forEach(({ kind, start, n }, t) => {
		for (let i = 0; i < n; i++) {
			const runs = runsOf[kind[i]];
			if (!runs) continue;
			runs.begin[runs.n] = start[i];
			runs.end[runs.n] = start[i + 1];
			runs.thread[runs.n++] = t;
		}
		for (const runs of all.values())
			if (runs.n > (runs.ends[runs.ends.length - 1] ?? 0)) runs.ends.push(runs.n);
	});
	return all;
}

// Runs of one CPU in order of time, gaps between them as idle.
function cpuLane(runs: Runs, end: number): CpuLane {
	const start = new Float64Array(2 * runs.n + 2);
	const thread = new Int32Array(2 * runs.n + 1);
	let n = 0;
	let now = 0;
	const add = (t: number, who: number) => {
		start[n] = t;
		thread[n++] = who;
	};
	const order = new Uint32Array(runs.n);
	for (let i = 0; i < runs.n; i++) order[i] = i;
	for (const i of mergeLists(order, runs.ends, runs.begin)) {
		if (runs.begin[i] > now) add(now, -1);
		add(Math.max(runs.begin[i], now), runs.thread[i]);
		now = Math.max(now, runs.end[i]);
	}
	if (end > now) add(now, -1);
	start[n] = Math.max(now, end);
	const of = new Uint8Array(n);
	for (let i = 0; i < n; i++) of[i] = thread[i] < 0 ? 0 : 1 + (thread[i] % CPU_COLOURS);
	return { ...makeTrack(start.subarray(0, n + 1), of, CPU_COLOURS + 1), thread: thread.subarray(0, n) };
}

function groupWaits(data: Data): Int32Array[] {
	const { kind, kinds, n } = data.waits;
	const counts = new Int32Array(data.meta.locks.length);
	for (let w = 0; w < n; w++) {
		const lock = kinds.lock[kind[w]];
		if (lock >= 0) counts[lock]++;
	}
	const groups = Array.from(counts, (cnt) => new Int32Array(cnt));
	counts.fill(0);
	for (let w = 0; w < n; w++) {
		const lock = kinds.lock[kind[w]];
		if (lock >= 0) groups[lock][counts[lock]++] = w;
	}
	return groups;
}

// Names that nobody else has: the tid is added where two threads share one.
export function threadNames(rows: { name: string; tid: number }[]): string[] {
	const seen = new Map<string, number>();
	for (const row of rows) seen.set(row.name, (seen.get(row.name) ?? 0) + 1);
	return rows.map((r) =>
		r.name.trim() && seen.get(r.name) === 1 ? r.name : `${r.name.trim() || 'thread'} ${r.tid}`,
	);
}

function threadTrack(s: Slices, classes: Uint8Array): Track {
	const of = new Uint8Array(s.n);
	const byKind = Uint8Array.from(s.kinds.state, (state) => classes[state]);
	for (let i = 0; i < s.n; i++) of[i] = byKind[s.kind[i]];
	return makeTrack(s.start, of, CLASS_WORDS.length);
}

const OVERVIEW = 1024; // columns

function overviewOf(threads: Track[], end: number): Strip {
	const sum = new StripSum(threads, 0, Math.max(1, end), OVERVIEW);
	sum.add(Infinity);
	return sum.strip();
}

// Adds up a strip lane by lane, as far as there is time.
export class StripSum {
	private next = 0; // lane
	private readonly of: [Float64Array, Float64Array, Float64Array];

	constructor(
		private readonly threads: Track[],
		private readonly t0: number,
		private readonly t1: number,
		private readonly width: number,
	) {
		this.of = [new Float64Array(width), new Float64Array(width), new Float64Array(width)];
	}

	// Until then, by performance.now(); true once all lanes are in.
	add(until: number): boolean {
		const [running, runnable, blocked] = this.of;
		const perColumn = (this.t1 - this.t0) / this.width;
		for (; this.next < this.threads.length; this.next++) {
			if (until !== Infinity && performance.now() > until) return false;
			const track = this.threads[this.next];
			eachColumn(track, this.t0, this.t1, this.width, (x, whole, time) => {
				if (whole >= 0) {
					const c = track.of[whole];
					(c === RUNNING ? running : c === RUNNABLE ? runnable : blocked)[x] += 1;
					return;
				}
				running[x] += time[RUNNING] / perColumn;
				runnable[x] += time[RUNNABLE] / perColumn;
				for (let c = 2; c < time.length; c++) blocked[x] += time[c] / perColumn;
			});
		}
		return true;
	}

	strip(): Strip {
		const [running, runnable, blocked] = this.of;
		let most = 1;
		for (let x = 0; x < this.width; x++) most = Math.max(most, running[x] + runnable[x] + blocked[x]);
		return { width: this.width, running, runnable, blocked, most };
	}
}

// What the merged lanes are made of, taken out of the data: those may be handed over meanwhile.
export interface Parts {
	end: number;
	locks: Map<number, LockParts>;
	runs: Map<number, Runs>; // by the CPU's number
}

const copyHolds = (h: Holds): Holds => ({
	...h,
	start: h.start.slice(),
	end: h.end.slice(),
	thread: h.thread.slice(),
	flags: new Uint8Array(0),
});

function takeParts(data: Data, waitsOfLock: Int32Array[]): Parts {
	const { waits, holds, meta, end } = data;
	const partsOf = (list: Int32Array, lock: number): LockParts => ({
		holds: copyHolds(holds[lock]),
		starts: timesOf(waits.start, list),
		ends: timesOf(waits.end, list),
	});
	return {
		end,
		locks: new Map(lockOrder(meta, waitsOfLock).map((lock) => [lock, partsOf(waitsOfLock[lock], lock)])),
		runs: collectRuns(data, meta.states.indexOf('running')),
	};
}

const HELPER_SHARE = 0.65; // it has begun while tracks of threads are made

// For whoever made them, and for a helper.
export function splitParts({ end, locks, runs }: Parts): [Parts, Parts] {
	const sides = [0, 1].map((): Parts => ({ end, locks: new Map(), runs: new Map() }));
	const entries: [number, (to: Parts) => void][] = [
		...[...locks].map(([lock, l]): [number, (to: Parts) => void] => [
			2 * (l.holds.n + l.starts.times.length),
			(to) => to.locks.set(lock, l),
		]),
		...[...runs].map(([cpu, r]): [number, (to: Parts) => void] => [3 * r.n, (to) => to.runs.set(cpu, r)]),
	];
	const total = entries.reduce((sum, [work]) => sum + work, 0);
	let given = 0;
	for (const [work, put] of entries.sort(([a], [b]) => b - a)) {
		const give = given + work / 2 < total * HELPER_SHARE;
		put(sides[Number(give)]);
		if (give) given += work;
	}
	return [sides[0], sides[1]];
}

export const mergeLanes = ({ end, locks, runs }: Parts): SomeLanes => ({
	locks: new Map([...locks].map(([lock, parts]) => [lock, lockLane(parts, end)])),
	cpus: new Map([...runs].map(([cpu, parts]) => [cpu, cpuLane(parts, end)])),
});

export function joinLanes(model: Model, some: SomeLanes[]): MergedLanes {
	const cpus = some.flatMap((lanes) => [...lanes.cpus]).sort(([a], [b]) => a - b);
	const locks = new Map(some.flatMap((lanes) => [...lanes.locks]));
	return {
		locks: model.locks.map((empty, lock) => locks.get(lock) ?? empty),
		cpus: cpus.map(([, lane]) => lane),
		cpuNumbers: cpus.map(([cpu]) => cpu),
	};
}

const emptyLane = (): LockLane => ({
	...makeTrack(new Float64Array(1), new Uint8Array(0), LOCK_WORDS.length),
	holder: new Int32Array(0),
	waiters: new Uint16Array(0),
});

function modelOf(data: Data, threads: Track[], waitsOfLock: Int32Array[]): Model {
	const none = emptyLane();
	return {
		data,
		waitsOfLock,
		threads,
		overview: overviewOf(threads, data.end),
		locks: data.meta.locks.map(() => none),
		cpus: [],
		cpuNumbers: [],
		threadNames: threadNames(data.meta.summary.threads),
		touches: readTouches(data.extra, data.meta),
	};
}

// The model without the merged lanes, and what those are made of, as soon as that has been taken.
export function beginModel(
	data: Data,
	onParts: (parts: Parts) => void = () => {},
): { model: Model; parts: Parts } {
	const classes = Uint8Array.from(data.meta.states, classOf);
	const waitsOfLock = groupWaits(data);
	const parts = takeParts(data, waitsOfLock);
	onParts(parts);
	const threads = data.slices.map((s) => threadTrack(s, classes));
	return { model: modelOf(data, threads, waitsOfLock), parts };
}

// A model for the time in which the data are still being read: pictures of threads, and nothing to select.
export function sketchModel(meta: Meta, sketches: Sketch[]): Model {
	const data = emptyData(meta);
	const classes = Uint8Array.from(meta.states, classOf);
	const threads = sketches.map(({ columns, column, state, ns }) => {
		const of = state.map((code) => classes[code]);
		return makeMixture(meta.summary.run.duration_ns, columns, CLASS_WORDS.length, { column, of, ns });
	});
	return modelOf(data, threads, groupWaits(data));
}

export function buildModel(data: Data): Model {
	const { model, parts } = beginModel(data);
	return Object.assign(model, joinLanes(model, [mergeLanes(parts)]));
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
