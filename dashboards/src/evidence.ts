// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: from a row of the comparison to the place in one run's timeline that shows it: the threads, locks and
// lines it is about, and the longest slice that counts to it.
import type { Figure, Names } from './comparison';
import type { Model } from './model';
import { findSlice } from './visible';

export interface Evidence {
	threads: number[];
	locks: number[];
	frames: number[];
	thread: number; // of the slice; -1: none
	slice: number;
}

const indices = <T>(list: T[], fits: (item: T) => boolean): number[] =>
	list.map((item, i) => (fits(item) ? i : -1)).filter((i) => i >= 0);

// A thread whose start was not seen counts to the role whose start was: "worker-*" to "worker-* in work".
const isRole = (role: string, name: string): boolean => role === name || name.startsWith(`${role} in `);

// Many locks of one array are one: "shelf_lock+*".
const isLock = (lock: string, name: string): boolean => {
	const symbol = name.endsWith('+*') ? name.slice(0, -2) : null;
	return lock === name || (symbol !== null && (lock === symbol || lock.startsWith(`${symbol}+`)));
};

function longestSlice(model: Model, threads: number[], state: number): [number, number] {
	let found: [number, number] = [-1, -1];
	let most = 0;
	for (const t of threads) {
		const s = model.data.slices[t];
		const { state: states } = s;
		for (let i = 0; i < s.n; i++) {
			const ns = s.start[i + 1] - s.start[i];
			if (states[i] !== state || ns <= most) continue;
			most = ns;
			found = [t, i];
		}
	}
	return found;
}

function sliceAtTime(model: Model, thread: number, t: number): [number, number] {
	if (thread < 0) return [-1, -1];
	const s = model.data.slices[thread];
	const slice = findSlice(s, t);
	return slice >= 0 && slice < s.n ? [thread, slice] : [-1, -1];
}

function longestWait(model: Model, fits: (wait: number) => boolean): [number, number] {
	const { waits } = model.data;
	let found = -1;
	let most = 0;
	for (let w = 0; w < waits.n; w++) {
		const ns = waits.end[w] - waits.start[w];
		if (waits.thread[w] < 0 || ns <= most || !fits(w)) continue;
		most = ns;
		found = w;
	}
	return found < 0 ? [-1, -1] : sliceAtTime(model, waits.thread[found], waits.start[found]);
}

function longestOnPath(model: Model, fits: (segment: number) => boolean): [number, number] {
	const { path } = model.data;
	let found = -1;
	let most = 0;
	for (let i = 0; i < path.n; i++) {
		const ns = path.start[i + 1] - path.start[i];
		if (ns <= most || !fits(i)) continue;
		most = ns;
		found = i;
	}
	return found < 0 ? [-1, -1] : sliceAtTime(model, path.thread[found], path.start[found]);
}

// `side`: a line that moved has another name in B.
export function evidenceOf(model: Model, names: Names, figure: Figure, side: 'a' | 'b'): Evidence {
	const name = side === 'b' ? (figure.name_b ?? figure.name) : figure.name;
	const { waits, path, meta } = model.data;
	const state = meta.states.indexOf(figure.group === 'critical path' ? name : figure.what);
	const at: Evidence = { threads: [], locks: [], frames: [], thread: -1, slice: -1 };
	const put = ([thread, slice]: [number, number]) => Object.assign(at, { thread, slice });

	switch (figure.group) {
		case 'run':
			if (state >= 0) put(longestSlice(model, indices(names.threads, () => true), state));
			break;
		case 'threads':
			at.threads = indices(names.threads, (role) => isRole(role, name));
			put(longestSlice(model, at.threads, state));
			break;
		case 'locks': {
			at.locks = indices(names.locks, (lock) => isLock(lock, name));
			const wanted = new Set(at.locks);
			put(longestWait(model, (w) => wanted.has(waits.lock[w])));
			break;
		}
		case 'critical path': {
			const lock = figure.what !== 'critical path';
			if (lock) at.locks = indices(names.locks, (l) => isLock(l, name));
			const wanted = new Set(at.locks);
			put(longestOnPath(model, (i) => (lock ? wanted.has(path.lock[i]) : path.state[i] === state)));
			break;
		}
		case 'lines': {
			at.frames = names.lines.filter((l) => l[2] === name && l[1] === state).map((l) => l[0]);
			const wanted = new Set(at.frames);
			put(longestWait(model, (w) => waits.state[w] === state && wanted.has(waits.frame[w])));
			break;
		}
	}
	if (at.thread >= 0 && !at.threads.length) at.threads = [at.thread];
	return at;
}
