// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: what is added up for a range of time and a set of threads: states, flame graphs, who waits for
// whom, and the place in the timeline that proves a finding.
import { holdAt, sliceAt, type Model } from './model';
import { findSlice } from './visible';
import { placeOf } from './words';

export interface Range {
	t0: number;
	t1: number;
}

// ns by state, of the threads for which `wanted` is true.
export function sumStates(model: Model, range: Range, wanted: (thread: number) => boolean): Float64Array {
	const sums = new Float64Array(model.data.meta.states.length);
	const byState = model.data.slices[0]?.kinds.state;
	model.data.slices.forEach((s, t) => {
		if (!wanted(t)) return;
		for (let i = Math.max(0, findSlice(s, range.t0)); i < s.n && s.start[i] < range.t1; i++) {
			const ns = Math.min(s.start[i + 1], range.t1) - Math.max(s.start[i], range.t0);
			if (ns > 0) sums[byState[s.kind[i]]] += ns;
		}
	});
	return sums;
}

// ---- flame graphs ----

export interface Flame {
	name: string;
	ns: number;
	frame: number; // 0: none
	children: Map<string, Flame>;
}

const newFlame = (name: string, frame = 0): Flame => ({ name, ns: 0, frame, children: new Map() });

function child(flame: Flame, name: string, frame: number): Flame {
	let found = flame.children.get(name);
	if (!found) flame.children.set(name, (found = newFlame(name, frame)));
	return found;
}

function addStack(
	model: Model,
	root: Flame,
	first: string,
	stack: number,
	lastFrame: number,
	ns: number,
): void {
	const frames = model.data.meta.stacks[stack] ?? (lastFrame ? [lastFrame] : []);
	let at = child(root, first, 0);
	root.ns += ns;
	at.ns += ns;
	for (let i = frames.length - 1; i >= 0; i--) {
		const place = placeOf(model, frames[i]);
		at = child(at, place.text || 'not known', frames[i]);
		at.ns += ns;
	}
	if (!frames.length) child(at, 'no stack', 0).ns += ns;
}

// Blocked time by reason, then by stack from the outermost function inwards.
export function offCpuFlame(model: Model, range: Range, wanted: (thread: number) => boolean): Flame {
	const { waits, meta } = model.data;
	const root = newFlame('all waits');
	// by what they were for first: that is few
	const { kinds, kind } = waits;
	const sums = new Float64Array(kinds.n);
	for (let w = 0; w < waits.n; w++) {
		const ns = Math.min(waits.end[w], range.t1) - Math.max(waits.start[w], range.t0);
		if (ns > 0 && waits.thread[w] >= 0 && wanted(waits.thread[w])) sums[kind[w]] += ns;
	}
	sums.forEach((ns, k) => {
		if (ns) addStack(model, root, meta.states[kinds.state[k]], kinds.stack[k], kinds.frame[k], ns);
	});
	return root;
}

// CPU samples, each standing for the time between two of them.
export function onCpuFlame(model: Model, range: Range, wanted: (thread: number) => boolean): Flame {
	const { samples, meta } = model.data;
	const hz = meta.summary.run.cpu_samples_hz;
	const root = newFlame('all samples');
	for (let i = 0; hz && i < samples.n; i++) {
		const [t, thread] = [samples.time[i], samples.thread[i]];
		if (t < range.t0 || t >= range.t1 || thread < 0 || !wanted(thread)) continue;
		addStack(model, root, model.threadNames[thread], samples.stack[i], 0, 1e9 / hz);
	}
	return root;
}

// ---- who waits for whom at a moment ----

export interface WaitEdge {
	from: number; // thread
	to: number;
	lock: number; // -1: joins it
}

export function waitEdges(model: Model, t: number): WaitEdge[] {
	const { data } = model;
	const edges: WaitEdge[] = [];
	data.slices.forEach((s, thread) => {
		const slice = sliceAt(model, thread, t);
		const w = slice < 0 || s.stateAt(slice) < 2 ? -1 : s.waitAt(slice);
		if (w < 0) return;
		const { kind, kinds, owner } = data.waits;
		const [target, lock] = [kinds.target[kind[w]], kinds.lock[kind[w]]];
		if (target >= 0) edges.push({ from: thread, to: target, lock: -1 });
		else if (lock >= 0) {
			const hold = holdAt(data, lock, t);
			const to = hold >= 0 ? data.holds[lock].thread[hold] : owner[w];
			if (to >= 0) edges.push({ from: thread, to, lock });
		}
	});
	return edges;
}

// Threads that are in a ring of edges; each has at most one edge out.
export function inRing(edges: WaitEdge[]): Set<number> {
	const next = new Map(edges.map((e) => [e.from, e.to]));
	const ring = new Set<number>();
	for (const first of next.keys()) {
		let at: number | undefined = first;
		for (let i = 0; i <= next.size && at !== undefined; i++) {
			at = next.get(at);
			if (at === first) {
				ring.add(first);
				break;
			}
		}
	}
	return ring;
}

// ---- the place in the timeline that proves a finding ----

export interface Proof {
	range: Range;
	thread: number; // -1: none in particular
	slice: number;
}

type WaitTest = (lock: number, frame: number, thread: number) => boolean;

// `limit`, ns: longer ones are not what is looked for.
function longestWait(model: Model, fits: WaitTest, limit = Infinity): number {
	const { kind, kinds, thread, start, end, n } = model.data.waits;
	const { lock, frame } = kinds;
	let best = -1;
	let most = -1;
	for (let w = 0; w < n; w++) {
		const k = kind[w];
		const ns = end[w] - start[w];
		if (ns <= most || ns > limit || thread[w] < 0 || !fits(lock[k], frame[k], thread[w])) continue;
		best = w;
		most = ns;
	}
	return best;
}

// What these findings say is that there are many waits of a kind: one that stands out proves nothing.
const MANY = ['waiting-not-overlapped', 'switch-storm'];
const STEPS = 8; // sizes that are told apart, to a doubling
const OUTLIER = 1.25; // times the wait that has as much waiting in shorter ones as in longer ones

function outlierFrom(model: Model, fits: WaitTest): number {
	const { kind, kinds, thread, start, end, n } = model.data.waits;
	const bySize = new Float64Array(STEPS * 64);
	for (let w = 0; w < n; w++) {
		const k = kind[w];
		const ns = end[w] - start[w];
		if (ns >= 1 && thread[w] >= 0 && fits(kinds.lock[k], kinds.frame[k], thread[w]))
			bySize[Math.floor(STEPS * Math.log2(ns))] += ns;
	}
	let rest = bySize.reduce((sum, ns) => sum + ns, 0) / 2;
	const size = bySize.findIndex((ns) => (rest -= ns) < 0);
	return size < 0 ? Infinity : OUTLIER * 2 ** ((size + 1) / STEPS);
}

function ofWait(model: Model, w: number): Proof {
	const { waits } = model.data;
	const thread = waits.thread[w];
	return {
		range: { t0: waits.start[w], t1: waits.end[w] },
		thread,
		slice: sliceAt(model, thread, waits.start[w]),
	};
}

// With the ones before and after it.
function withNeighbours({ t0, t1 }: Range, end: number): Range {
	const room = 2 * (t1 - t0);
	return { t0: Math.max(0, t0 - room), t1: Math.min(end, t1 + room) };
}

function longestRun(model: Model, threads: number[]): Proof | null {
	let best: Proof | null = null;
	for (const thread of threads) {
		const s = model.data.slices[thread];
		for (let i = 0; i < s.n; i++) {
			const [t0, t1] = [s.start[i], s.start[i + 1]];
			if (!s.stateAt(i) && (!best || t1 - t0 > best.range.t1 - best.range.t0))
				best = { range: { t0, t1 }, thread, slice: i };
		}
	}
	return best;
}

export function proofOf(model: Model, finding: number): Proof {
	const { meta, end } = model.data;
	const row = meta.summary.findings[finding];
	const about = meta.findings[finding];
	const threads = new Set(about.threads);
	const frames = new Set(about.frames);
	const locks = new Set(about.locks);

	if (row.since_ns !== undefined && row.until_ns !== undefined) {
		const thread = about.threads[0] ?? -1;
		const slice = thread < 0 ? -1 : sliceAt(model, thread, (row.since_ns + row.until_ns) / 2);
		return { range: { t0: row.since_ns, t1: row.until_ns }, thread, slice };
	}
	const tests: WaitTest[] = [
		(lock, frame) => locks.has(lock) && frames.has(frame),
		(lock) => locks.has(lock),
		(_, frame, thread) => frames.has(frame) && threads.has(thread),
		(_, frame) => frames.has(frame),
	];
	for (const test of tests) {
		if (!locks.size && !frames.size) break;
		const many = MANY.includes(row.id);
		const w = longestWait(model, test, many ? outlierFrom(model, test) : Infinity);
		if (w < 0) continue;
		const proof = ofWait(model, w);
		return many ? { ...proof, range: withNeighbours(proof.range, end) } : proof;
	}
	const whole: Proof = { range: { t0: 0, t1: end }, thread: about.threads[0] ?? -1, slice: -1 };
	if (row.id === 'imbalance' || row.id === 'serialized' || row.id === 'oversubscribed') return whole;
	return (threads.size && longestRun(model, about.threads)) || whole;
}
