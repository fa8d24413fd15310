// SPDX-License-Identifier: BSD-2-Clause
//
// Threads, locks, lines and wakers as tables: sortable, and each row leads into the timeline.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { noLight, select, selectTouch, touchesOf, type Store } from '../store';
import { formatCount, formatNs, formatShare } from '../time';
import { sliceAt } from '../model';
import { stateWords } from '../words';

interface Col<Row> {
	title: string;
	value: (row: Row) => number | string;
	show?: (row: Row) => ComponentChildren;
}

const ROWS = 200; // shown at first; all of them are sorted

function compare(a: number | string, b: number | string): number {
	return typeof a === 'number' && typeof b === 'number'
		? a - b
		: String(a).localeCompare(String(b), 'en', { numeric: true });
}

function Table<Row>(props: {
	store: Store;
	caption: string;
	rows: Row[];
	cols: Col<Row>[];
	sort: number;
	go: (row: Row) => void;
	lit?: (row: Row) => boolean;
}) {
	const sort = useSignal({ col: props.sort, down: true });
	const all = useSignal(false);
	const { cols } = props;
	const { col, down } = sort.value;
	const rows = [...props.rows].sort(
		(a, b) => compare(cols[col].value(a), cols[col].value(b)) * (down ? -1 : 1),
	);
	const shown = all.value ? rows : rows.slice(0, ROWS);
	if (!rows.length) return <p class="dim">{props.caption}: none.</p>;
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label={props.caption}>
			<table>
				<caption>{props.caption}</caption>
				<thead>
					<tr>
						{cols.map((c, i) => (
							<th
								key={c.title}
								scope="col"
								aria-sort={i === col ? (down ? 'descending' : 'ascending') : 'none'}
							>
								<button
									type="button"
									onClick={() =>
										(sort.value = { col: i, down: i === col ? !down : typeof c.value(rows[0]) === 'number' })
									}
								>
									{c.title}
									{i === col ? (down ? ' ▾' : ' ▴') : ''}
								</button>
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{shown.map((row, i) => (
						<tr key={i} class={props.lit?.(row) ? 'lit' : ''}>
							{cols.map((c, k) => {
								const text = c.show ? c.show(row) : c.value(row);
								const number = typeof c.value(row) === 'number';
								return k === 0 ? (
									<th key={k} scope="row">
										<button
											type="button"
											class="link"
											onClick={() => {
												props.go(row);
												props.store.wanted.value++;
											}}
										>
											{text || '(no name)'}
										</button>
									</th>
								) : (
									<td key={k} class={number ? 'number' : ''}>
										{text}
									</td>
								);
							})}
						</tr>
					))}
				</tbody>
			</table>
			{shown.length < rows.length && (
				<button type="button" onClick={() => (all.value = true)}>
					Show all {formatCount(rows.length)}
				</button>
			)}
		</div>
	);
}

// ---- what a row leads to ----

function lightThread(store: Store, thread: number): void {
	const lit = { ...noLight(), threads: new Set([thread]) };
	store.lit.value = lit;
	const s = store.model.data.slices[thread];
	if (!s.n) return;
	const at = sliceAt(store.model, thread, store.cursor.value ?? s.start[0]);
	select(store, { thread, slice: Math.max(0, at) }, false);
	store.showLane.value = null;
	select(store, { thread, slice: Math.max(0, at) });
}

function longest(store: Store, fits: (w: number) => boolean): number {
	const { waits } = store.model.data;
	let best = -1;
	for (let w = 0; w < waits.n; w++)
		if (
			fits(w) &&
			waits.thread[w] >= 0 &&
			(best < 0 || waits.end[w] - waits.start[w] > waits.end[best] - waits.start[best])
		)
			best = w;
	return best;
}

function goToWait(store: Store, w: number): void {
	if (w < 0) return;
	const { waits } = store.model.data;
	const thread = waits.thread[w];
	const slice = sliceAt(store.model, thread, waits.start[w]);
	if (slice >= 0) select(store, { thread, slice });
}

function lightLock(store: Store, lock: number): void {
	const { waits } = store.model.data;
	const threads = new Set([...store.model.waitsOfLock[lock]].map((w) => waits.thread[w]));
	store.lit.value = { threads, locks: new Set([lock]), frames: new Set() };
	goToWait(
		store,
		longest(store, (w) => waits.at('lock', w) === lock),
	);
}

// ---- the tables ----

const blocked = (t: { blocked_ns: Record<string, number> }) =>
	Object.values(t.blocked_ns).reduce((a, b) => a + b, 0);

function mostly(t: { blocked_ns: Record<string, number> }): string {
	const [first] = Object.entries(t.blocked_ns).sort((a, b) => b[1] - a[1]);
	return first ? stateWords(first[0]) : '';
}

export function Threads({ store }: { store: Store }) {
	const rows = store.model.data.meta.summary.threads.map((t, i) => ({ ...t, i }));
	const life = (t: (typeof rows)[number]) => t.end_ns - t.start_ns;
	const part = (ns: number, t: (typeof rows)[number]) => `${formatNs(ns)}, ${formatShare(ns, life(t))}`;
	return (
		<Table
			store={store}
			caption="What each thread did with its life"
			rows={rows}
			sort={5}
			go={(t) => lightThread(store, t.i)}
			lit={(t) => store.lit.value.threads.has(t.i)}
			cols={[
				{ title: 'Thread', value: (t) => store.model.threadNames[t.i] },
				{ title: 'tid', value: (t) => t.tid },
				{ title: 'lived', value: life, show: (t) => formatNs(life(t)) },
				{ title: 'running', value: (t) => t.running_ns, show: (t) => part(t.running_ns, t) },
				{ title: 'no CPU', value: (t) => t.runnable_ns, show: (t) => part(t.runnable_ns, t) },
				{ title: 'waiting', value: blocked, show: (t) => part(blocked(t), t) },
				{ title: 'mostly', value: mostly },
				{ title: 'switches', value: (t) => t.switches.voluntary + t.switches.involuntary },
				{ title: 'moves', value: (t) => t.migrations },
				{ title: 'kind', value: (t) => t.kind },
			]}
		/>
	);
}

// The map of what is shared.  A row leads to the access that tells most about its variable.
export function Watched({ store }: { store: Store }) {
	const { meta } = store.model.data;
	const { byVariable } = touchesOf(store);
	const rows = (meta.summary.watch ?? []).map((w, i) => ({ ...w, ...meta.watched[i], i }));
	const go = (w: (typeof rows)[number]) => {
		store.lit.value = { ...noLight(), threads: new Set(w.threads), variables: new Set([w.i]) };
		const id = w.witness[w.witness.length - 1] ?? w.racy[1] ?? byVariable[w.i].ids[0];
		if (id !== undefined) selectTouch(store, id);
	};
	return (
		<Table
			store={store}
			caption="Watched variables: who shares what, and what guards it. What was not seen in this run may happen in another"
			rows={rows}
			sort={6}
			go={go}
			lit={(w) => !!store.lit.value.variables?.has(w.i)}
			cols={[
				{ title: 'Variable', value: (w) => w.name },
				{ title: 'bytes', value: (w) => w.size },
				{ title: 'reads', value: (w) => w.reads, show: (w) => formatCount(w.reads) },
				{ title: 'writes', value: (w) => w.writes, show: (w) => formatCount(w.writes) },
				{ title: 'threads', value: (w) => w.threads.length },
				{ title: 'verdict', value: (w) => w.words },
				{ title: 'lost updates', value: (w) => w.lost_updates, show: (w) => formatCount(w.lost_updates) },
				{ title: 'guarded by', value: (w) => w.locks.join(', ') },
				{ title: 'seen', value: (w) => (w.complete ? 'every access' : 'a sample') },
			]}
		/>
	);
}

export function Locks({ store }: { store: Store }) {
	const { meta } = store.model.data;
	const rows = meta.locks
		.map(([, name, kind, , address, waits, ns, max, queue], i) => ({
			i,
			name,
			kind,
			address,
			waits,
			ns,
			max,
			queue,
		}))
		.filter((l) => l.waits > 0);
	return (
		<Table
			store={store}
			caption="Locks that threads waited for"
			rows={rows}
			sort={3}
			go={(l) => lightLock(store, l.i)}
			lit={(l) => store.lit.value.locks.has(l.i)}
			cols={[
				{ title: 'Lock', value: (l) => l.name },
				{ title: 'kind', value: (l) => l.kind },
				{ title: 'waits', value: (l) => l.waits, show: (l) => formatCount(l.waits) },
				{ title: 'waited', value: (l) => l.ns, show: (l) => formatNs(l.ns) },
				{ title: 'longest', value: (l) => l.max, show: (l) => formatNs(l.max) },
				{ title: 'most in queue', value: (l) => l.queue },
				{ title: 'address', value: (l) => l.address },
			]}
		/>
	);
}

export function Lines({ store }: { store: Store }) {
	const { data } = store.model;
	const rows = data.meta.summary.lines;
	const name = (l: (typeof rows)[number]) => {
		const file = l.file?.slice(l.file.lastIndexOf('/') + 1);
		return `${l.function ?? 'not known'}${file ? ` (${file}:${l.line})` : ''}`;
	};
	const fits = (l: (typeof rows)[number], w: number) => {
		const [fn, file, line] = data.meta.frames[data.waits.at('frame', w)] ?? [0, 0, 0];
		if (data.meta.states[data.waits.at('state', w)] !== l.reason) return false;
		return (
			data.meta.strings[file] === (l.file ?? '') &&
			line === (l.line ?? 0) &&
			(l.function === null || data.meta.strings[fn] === l.function || !data.meta.strings[fn])
		);
	};
	const isLit = (l: (typeof rows)[number]) =>
		[...store.lit.value.frames].some(
			(f) =>
				data.meta.strings[data.meta.frames[f]?.[1]] === l.file &&
				data.meta.frames[f]?.[2] === l.line &&
				l.line !== null,
		);
	return (
		<Table
			store={store}
			caption="Lines of the program that waited; a row leads to its longest wait"
			rows={rows}
			sort={3}
			go={(l) =>
				goToWait(
					store,
					longest(store, (w) => fits(l, w)),
				)
			}
			lit={isLit}
			cols={[
				{ title: 'Line', value: name },
				{ title: 'for', value: (l) => stateWords(l.reason) },
				{ title: 'waits', value: (l) => l.waits, show: (l) => formatCount(l.waits) },
				{ title: 'waited', value: (l) => l.wait_ns, show: (l) => formatNs(l.wait_ns) },
				{ title: 'longest', value: (l) => l.max_wait_ns, show: (l) => formatNs(l.max_wait_ns) },
				{ title: 'threads', value: (l) => l.threads },
			]}
		/>
	);
}

export function Wakers({ store }: { store: Store }) {
	const { data } = store.model;
	const rows = data.meta.summary.wakers.map((w, i) => {
		const [from, to] = data.meta.wakers[i];
		return { ...w, from: from - 1, to: to - 1 };
	});
	const name = (thread: number) =>
		thread < 0 ? 'interrupt or other program' : store.model.threadNames[thread];
	return (
		<Table
			store={store}
			caption="Who woke whom, and the blocked time that this ended; a row leads to the longest wait"
			rows={rows}
			sort={3}
			go={(r) => {
				store.lit.value = { ...noLight(), threads: new Set([r.from, r.to].filter((t) => t >= 0)) };
				goToWait(
					store,
					longest(store, (w) => data.waits.waker[w] === r.from && data.waits.thread[w] === r.to),
				);
			}}
			cols={[
				{ title: 'Waker', value: (r) => name(r.from) },
				{ title: 'woke', value: (r) => name(r.to) },
				{ title: 'times', value: (r) => r.wakes, show: (r) => formatCount(r.wakes) },
				{ title: 'ended waits of', value: (r) => r.ended_ns, show: (r) => formatNs(r.ended_ns) },
			]}
		/>
	);
}
