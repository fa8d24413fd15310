// SPDX-License-Identifier: BSD-2-Clause
//
// Threads, locks, lines and wakers as tables: sortable, and each row leads into the timeline.
import type { LockSummary } from '../meta';
import { noLight, type Store } from '../store';
import { formatCount, formatNs, formatShare } from '../time';
import { stateBriefly, stateWords } from '../words';
import { goToLongest, goToThread, goToVariable, lightLock } from './go';
import { Long } from './long';
import { Table } from './table';

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
			caption="What each thread did with its life; a row leads to its longest wait"
			rows={rows}
			sort={5}
			go={(t) => goToThread(store, t.i)}
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
	const rows = (meta.summary.watch ?? []).map((w, i) => ({ ...w, ...meta.watched[i], i }));
	return (
		<Table
			store={store}
			caption="Watched variables: who shares what, and what guards it. What was not seen in this run may happen in another"
			rows={rows}
			sort={6}
			go={(w) => goToVariable(store, w.i)}
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

// ---- locks: who waits most for them where, and whose fault it is ----

const siteWords = (s: { function: string | null; file: string | null; line: number | null }): string => {
	const file = s.file?.slice(s.file.lastIndexOf('/') + 1);
	return `${s.function ?? 'not known'}${file ? ` (${file}:${s.line})` : ''}`;
};

const percent = (part: number, whole: number): string => formatShare(part, whole).replace(' ', '\u00a0');

// "work (p.c:11), 80 %": the line with most of the waiting.
function waitsAt(lock: LockSummary | undefined): string {
	const all = lock?.sites.reduce((sum, s) => sum + s.wait_ns, 0) ?? 0;
	const [site] = lock?.sites ?? [];
	if (!site || !lock) return '';
	const others = lock.sites.filter((s) => s.wait_ns > 0).length - 1;
	return `${siteWords(site)}${others > 0 ? `, ${percent(site.wait_ns, all)}` : ''}`;
}

// "ann, 59 %": who had the lock while others waited, with most of that time.
function heldBy(store: Store, lock: LockSummary | undefined, kind: string): string {
	const { threads } = store.model.data.meta.summary;
	const sums = new Map<number | null, number>();
	for (const b of lock?.blocked_by ?? []) sums.set(b.owner, (sums.get(b.owner) ?? 0) + b.wait_ns);
	const all = [...sums.values()].reduce((a, b) => a + b, 0);
	const [first] = [...sums].sort((a, b) => b[1] - a[1]);
	if (!first || !all) return '';
	const at = threads.findIndex((t) => t.tid === first[0]);
	const name = at < 0 ? (kind === 'rwlock' ? 'readers' : 'not known') : store.model.threadNames[at];
	return `${name}${sums.size > 1 ? `, ${percent(first[1], all)}` : ''}`;
}

// "runs 71 %; waits for the disk 29 %": what holders did then.
function holdersDid(lock: LockSummary | undefined): string {
	const times = Object.entries(lock?.holders_ns ?? {}).sort((a, b) => b[1] - a[1]);
	const all = times.reduce((sum, [, ns]) => sum + ns, 0);
	return times.map(([state, ns]) => `${stateBriefly(state)} ${percent(ns, all)}`).join('; ');
}

export function Locks({ store }: { store: Store }) {
	const { meta, end } = store.model.data;
	const told = new Map(meta.summary.locks.map((l) => [l.id, l]));
	const rows = meta.locks
		.map(([id, name, kind, , address, waits, ns, max, queue], i) => {
			const lock = told.get(`L${id}`);
			const more = { at: waitsAt(lock), by: heldBy(store, lock, kind), did: holdersDid(lock) };
			return { i, name, kind, address, waits, ns, max, queue, ...more };
		})
		.filter((l) => l.waits > 0);
	return (
		<Table
			store={store}
			caption="Locks that threads waited for: where, and what who had it did meanwhile; a row leads to the longest wait"
			rows={rows}
			sort={3}
			go={(l) => lightLock(store, l.i)}
			lit={(l) => store.lit.value.locks.has(l.i)}
			cols={[
				{ title: 'Lock', value: (l) => l.name, show: (l) => <Long text={l.name} /> },
				{ title: 'kind', value: (l) => l.kind },
				{ title: 'waits', value: (l) => l.waits, show: (l) => formatCount(l.waits) },
				{ title: 'waited', value: (l) => l.ns, show: (l) => formatNs(l.ns) },
				{ title: 'longest', value: (l) => l.max, show: (l) => formatNs(l.max) },
				{ title: 'queue', value: (l) => l.ns / end, show: (l) => (l.ns / end).toFixed(2) },
				{ title: 'at most', value: (l) => l.queue },
				{ title: 'waits most at', value: (l) => l.at, show: (l) => <Long text={l.at} /> },
				{ title: 'mostly held by', value: (l) => l.by },
				{ title: 'holders meanwhile', value: (l) => l.did },
				{ title: 'address', value: (l) => l.address },
			]}
		/>
	);
}

export function Lines({ store }: { store: Store }) {
	const { data } = store.model;
	const rows = data.meta.summary.lines;
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
			go={(l) => goToLongest(store, (w) => fits(l, w))}
			lit={isLit}
			cols={[
				{ title: 'Line', value: siteWords, show: (l) => <Long text={siteWords(l)} /> },
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
				goToLongest(store, (w) => data.waits.waker[w] === r.from && data.waits.thread[w] === r.to);
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
