// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: which lanes there are, in what order and where.  A new kind of lane is a kind here, a painter in draw/
// and words in ui/timeline.tsx.
import { lockOrder, type Model } from './model';
import { variableName, variableOrder } from './touches';

export type LaneKind = 'head' | 'thread' | 'variable' | 'lock' | 'cpu';
export type SortBy = 'start' | 'name' | 'blocked';

export interface Lane {
	kind: LaneKind;
	index: number; // of the thread, variable, lock or CPU
	name: string;
	y: number;
	height: number;
	band: number; // px at its foot for accesses to watched variables; 0: none
}

export const HEIGHT: Record<LaneKind, number> = { head: 20, thread: 22, variable: 22, lock: 22, cpu: 20 };
export const BAND = 15;
const LOCKS_SHOWN = 12; // further ones are in the table
const VARIABLES_SHOWN = 8; // likewise

export interface Order {
	sort: SortBy;
	filter: string; // a part of a thread's name
	// only these, unless there are none
	only?: {
		threads: ReadonlySet<number>;
		locks: ReadonlySet<number>;
		variables?: ReadonlySet<number>;
	};
}

function blockedOf(model: Model, thread: number): number {
	const row = model.data.meta.summary.threads[thread];
	return Object.values(row.blocked_ns).reduce((sum, ns) => sum + ns, 0);
}

function sortThreads(model: Model, threads: number[], by: SortBy): number[] {
	const rows = model.data.meta.summary.threads;
	const names = model.threadNames;
	const blocked = by === 'blocked' ? new Map(threads.map((t) => [t, blockedOf(model, t)])) : new Map<number, number>();
	const compare: Record<SortBy, (a: number, b: number) => number> = {
		start: (a, b) => rows[a].start_ns - rows[b].start_ns || a - b,
		name: (a, b) => names[a].localeCompare(names[b], 'en', { numeric: true }) || a - b,
		blocked: (a, b) => (blocked.get(b) ?? 0) - (blocked.get(a) ?? 0) || a - b,
	};
	return threads.sort(compare[by]);
}

export function makeLanes(model: Model, order: Order): Lane[] {
	const lanes: Lane[] = [];
	let y = 0;
	const add = (kind: LaneKind, index: number, name: string) => {
		const marked = kind === 'variable' || (kind === 'thread' && model.touches.byThread[index].n > 0);
		const band = marked ? BAND : 0;
		lanes.push({ kind, index, name, y, height: HEIGHT[kind] + band, band });
		y += HEIGHT[kind] + band;
	};
	const wanted = order.filter.toLowerCase();
	const fits = (name: string) => !wanted || name.toLowerCase().includes(wanted);
	const { meta } = model.data;

	const byProcess = new Map<number, number[]>();
	model.threads.forEach((_, t) => {
		if (!fits(model.threadNames[t]) || (order.only?.threads.size && !order.only.threads.has(t))) return;
		const process = meta.threads[t][0];
		const others = byProcess.get(process);
		if (others) others.push(t);
		else byProcess.set(process, [t]);
	});
	for (const [process, threads] of [...byProcess].sort((a, b) => a[0] - b[0])) {
		const [pid, name] = meta.processes[process] ?? [0, ''];
		add('head', process, meta.processes.length > 1 ? `${name} (pid ${pid})` : 'Threads');
		for (const t of sortThreads(model, threads, order.sort)) add('thread', t, model.threadNames[t]);
	}
	const variables = variableOrder(meta).filter(
		(v) => !order.only?.variables?.size || order.only.variables.has(v),
	);
	if (variables.length)
		add(
			'head',
			-3,
			variables.length > VARIABLES_SHOWN ? `Watched (${VARIABLES_SHOWN} of ${variables.length})` : 'Watched variables',
		);
	for (const v of variables.slice(0, VARIABLES_SHOWN)) add('variable', v, variableName(model, v));
	const locks = lockOrder(meta, model.waitsOfLock).filter((l) => !order.only?.locks.size || order.only.locks.has(l));
	if (locks.length)
		add('head', -1, locks.length > LOCKS_SHOWN ? `Locks (the ${LOCKS_SHOWN} waited for most)` : 'Locks');
	for (const l of locks.slice(0, LOCKS_SHOWN)) add('lock', l, meta.locks[l][1]);
	if (model.cpus.length) add('head', -2, 'CPUs');
	model.cpus.forEach((_, i) => add('cpu', i, `CPU ${model.cpuNumbers[i]}`));
	return lanes;
}

export const lanesHeight = (lanes: Lane[]): number => {
	const last = lanes[lanes.length - 1];
	return last ? last.y + last.height : 0;
};

export function laneAt(lanes: Lane[], y: number): Lane | null {
	return lanes.find((lane) => y >= lane.y && y < lane.y + lane.height) ?? null;
}
