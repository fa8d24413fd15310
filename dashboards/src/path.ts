// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: the critical path added up, by what its time went to, by thread or by line.  Each of the three adds up to
// the run.
import type { Model } from './model';
import { lockName, placeOf, stateBriefly } from './words';

export type PathBy = 'reason' | 'thread' | 'line';

export interface PathShare {
	ns: number;
	// with most of it
	state: number;
	lock: number; // -1: none
	thread: number;
	frame: number; // 0: none known
	frameNs: number; // of it
	threads: number[];
	locks: number[];
	longest: number; // segment
}

interface Part {
	thread: number;
	state: number;
	lock: number;
	frame: number;
	ns: number;
	longest: number;
}

// A path of millions of segments has few combinations.
function combine(model: Model): Part[] {
	const { path, meta } = model.data;
	const [frames, locks, states] = [meta.frames.length + 1, meta.locks.length + 1, meta.states.length];
	const parts = new Map<number, Part>();
	const length = (i: number) => path.start[i + 1] - path.start[i];
	for (let i = 0; i < path.n; i++) {
		const [thread, state, lock, frame] = [path.thread[i], path.state[i], path.lock[i], path.frame[i]];
		const key = ((thread * states + state) * locks + lock + 1) * frames + frame;
		let part = parts.get(key);
		if (!part) parts.set(key, (part = { thread, state, lock, frame, ns: 0, longest: i }));
		part.ns += length(i);
		if (length(i) > length(part.longest)) part.longest = i;
	}
	return [...parts.values()];
}

const KEYS: Record<PathBy, (p: Part) => string> = {
	reason: (p) => `${p.state} ${p.lock}`,
	thread: (p) => `${p.thread}`,
	line: (p) => `${p.frame} ${p.state} ${p.lock}`,
};

// The key with most time in some parts, and how much.
function most(parts: Part[], key: (p: Part) => number): [number, number] {
	const sums = new Map<number, number>();
	for (const p of parts) sums.set(key(p), (sums.get(key(p)) ?? 0) + p.ns);
	return [...sums].reduce((best, next) => (next[1] > best[1] ? next : best), [-1, -1]);
}

export function sumPath(model: Model, by: PathBy): PathShare[] {
	const { path, meta } = model.data;
	const groups = new Map<string, Part[]>();
	for (const part of combine(model)) {
		const key = KEYS[by](part);
		const group = groups.get(key);
		if (group) group.push(part);
		else groups.set(key, [part]);
	}
	const length = (i: number) => path.start[i + 1] - path.start[i];
	const shares = [...groups.values()].map((parts): PathShare => {
		const [reason] = most(parts, (p) => p.state * (meta.locks.length + 1) + p.lock + 1);
		const [frame, frameNs] = most(parts, (p) => p.frame);
		return {
			ns: parts.reduce((sum, p) => sum + p.ns, 0),
			state: Math.floor(reason / (meta.locks.length + 1)),
			lock: (reason % (meta.locks.length + 1)) - 1,
			thread: most(parts, (p) => p.thread)[0],
			frame,
			frameNs,
			threads: [...new Set(parts.map((p) => p.thread))],
			locks: [...new Set(parts.map((p) => p.lock))].filter((lock) => lock >= 0),
			longest: parts.reduce((a, b) => (length(b.longest) > length(a.longest) ? b : a)).longest,
		};
	});
	return shares.sort((a, b) => b.ns - a.ns);
}

// ---- in words ----

// "runs, holding big_lock": the holder's time, while the path's next thread waited for it.
export function reasonWords(model: Model, { state, lock }: PathShare): string {
	const name = model.data.meta.states[state];
	const words = stateBriefly(name);
	if (lock < 0) return words;
	const excludes = ['mutex', 'rwlock'].includes(model.data.meta.locks[lock][2]);
	const waits = name === 'lock' || name === 'rwlock' || !excludes;
	return waits ? `${words}: ${lockName(model, lock)}` : `${words}, holding ${lockName(model, lock)}`;
}

export function whoWords(model: Model, { thread, threads }: PathShare): string {
	const others = threads.length - 1;
	return `${model.threadNames[thread] ?? ''}${others ? ` and ${others} more` : ''}`;
}

// Where most of it was, if a line is known.
export const pathPlace = (model: Model, share: PathShare): string => placeOf(model, share.frame).text;
