// SPDX-License-Identifier: BSD-2-Clause
//
// Owns what the person at the page has chosen: the part in view, the selection, what is lit up, filters.
// One object; what can be worked out from it is not in it.
import { signal, type Signal } from '@preact/signals';
import { makeLanes, type Lane, type SortBy } from './layout';
import type { MergedLanes, Model } from './model';
import { proofOf, type Range } from './sums';
import { around, clampView, type View } from './time_scale';
import { follow, type Ref } from './words';

export type Tab =
	'threads' | 'locks' | 'lines' | 'wakers' | 'offcpu' | 'oncpu' | 'graph' | 'whatif' | 'notes';

export interface Lit {
	threads: Set<number>;
	locks: Set<number>;
	frames: Set<number>;
}

export const noLight = (): Lit => ({ threads: new Set(), locks: new Set(), frames: new Set() });

export interface Store {
	model: Model;
	end: number; // ns: of what can be in view; the run's, or that of the longer of two
	mostAlive: number; // threads in the strips, at least: two runs have one scale
	view: Signal<View>;
	selected: Signal<Ref | null>;
	lockAt: Signal<{ lock: number; t: number } | null>; // a lock's lane was clicked
	history: Ref[];
	range: Signal<Range | null>;
	cursor: Signal<number | null>; // ns
	lit: Signal<Lit>;
	finding: Signal<number>; // -1: none
	shown: Signal<number>; // how often a finding was shown: the page scrolls each time
	sort: Signal<SortBy>;
	filter: Signal<string>;
	onlyLit: Signal<boolean>;
	path: Signal<boolean>; // the critical path is drawn
	tab: Signal<Tab>;
	help: Signal<boolean>;
	search: Signal<boolean>;
	theme: Signal<'auto' | 'light' | 'dark'>;
	notes: Signal<string>;
	said: Signal<string>; // for the live region
	showLane: Signal<Lane | null>; // the timeline scrolls there
	// the model is a sketch: as yet, or for ever
	reading: Signal<boolean>;
	tooLarge: Signal<boolean>;
	lanesRead: Signal<number>; // grows when the model has got more lanes
}

export function makeStore(model: Model): Store {
	const end = Math.max(1, model.data.end);
	return {
		model,
		end,
		mostAlive: 0,
		view: signal({ t0: 0, t1: end }),
		selected: signal(null),
		lockAt: signal(null),
		history: [],
		range: signal(null),
		cursor: signal(null),
		lit: signal(noLight()),
		finding: signal(-1),
		shown: signal(0),
		sort: signal('start'),
		filter: signal(''),
		onlyLit: signal(false),
		path: signal(false),
		tab: signal('threads'),
		help: signal(false),
		search: signal(false),
		theme: signal('auto'),
		notes: signal(''),
		said: signal(''),
		showLane: signal(null),
		reading: signal(false),
		tooLarge: signal(false),
		lanesRead: signal(0),
	};
}

// The whole model in place of its sketch.
export function setModel(store: Store, model: Model): void {
	Object.assign(store.model, model);
	store.reading.value = false;
	store.lanesRead.value++;
}

export function addLanes(store: Store, lanes: MergedLanes): void {
	Object.assign(store.model, lanes);
	store.lanesRead.value++;
}

// Two runs beside each other, aligned at their starts: what is in view and how it is shown is one, the
// selection is each one's own.
export function pairStores(a: Store, b: Store): void {
	a.end = b.end = Math.max(a.end, b.end);
	a.view.value = { t0: 0, t1: a.end };
	Object.assign(b, { view: a.view, sort: a.sort, path: a.path, theme: a.theme, help: a.help });
}

export const runEnd = (store: Store): number => store.end;

export function setView(store: Store, view: View): void {
	store.view.value = clampView(view, runEnd(store));
}

// Asked for in every frame, and the same in most.
const lanesKept = new WeakMap<Store, { key: unknown[]; lanes: Lane[] }>();

export function lanesOf(store: Store): Lane[] {
	const only = store.onlyLit.value ? store.lit.value : undefined;
	const key = [store.lanesRead.value, store.sort.value, store.filter.value, only];
	const kept = lanesKept.get(store);
	if (kept && key.every((part, i) => part === kept.key[i])) return kept.lanes;
	const lanes = makeLanes(store.model, { sort: store.sort.value, filter: store.filter.value, only });
	lanesKept.set(store, { key, lanes });
	return lanes;
}

export function reveal(store: Store, thread: number): void {
	let lane = lanesOf(store).find((l) => l.kind === 'thread' && l.index === thread);
	if (!lane) {
		store.filter.value = '';
		store.onlyLit.value = false;
		lane = lanesOf(store).find((l) => l.kind === 'thread' && l.index === thread);
	}
	if (lane) store.showLane.value = { ...lane };
}

// Makes the slice visible where it is not, or is too small to be seen.
function bringIntoView(store: Store, t0: number, t1: number): void {
	const { view } = store;
	const span = view.value.t1 - view.value.t0;
	if (t1 - t0 > span || t1 - t0 < span / 200) setView(store, around(t0, t1, runEnd(store)));
	else if (t0 < view.value.t0 || t1 > view.value.t1) {
		const middle = (t0 + t1) / 2;
		setView(store, { t0: middle - span / 2, t1: middle + span / 2 });
	}
}

export function select(store: Store, ref: Ref | null, move = true): void {
	if (ref && store.reading.value) return;
	store.selected.value = ref;
	store.lockAt.value = null;
	if (!ref) return;
	const s = store.model.data.slices[ref.thread];
	const [t0, t1] = [s.start[ref.slice], s.start[ref.slice + 1]];
	store.cursor.value = (t0 + t1) / 2;
	if (!move) return;
	bringIntoView(store, t0, t1);
	reveal(store, ref.thread);
}

export function goOn(store: Store): void {
	const from = store.selected.value;
	const to = from && follow(store.model, from);
	if (!from || !to) return;
	store.history.push(from);
	select(store, to);
}

export function goBack(store: Store): void {
	const to = store.history.pop();
	if (to) select(store, to);
}

export function step(store: Store, by: number): void {
	const at = store.selected.value;
	if (!at) {
		const first = lanesOf(store).find((l) => l.kind === 'thread');
		if (first) select(store, { thread: first.index, slice: 0 });
		return;
	}
	const slice = at.slice + by;
	if (slice >= 0 && slice < store.model.data.slices[at.thread].n) select(store, { thread: at.thread, slice });
}

export function showFinding(store: Store, finding: number): void {
	const { model } = store;
	const about = model.data.meta.findings[finding];
	if (!about) return;
	store.finding.value = finding;
	store.lit.value = {
		threads: new Set(about.threads),
		locks: new Set(about.locks),
		frames: new Set(about.frames),
	};
	const proof = proofOf(model, finding);
	const { t0, t1 } = proof.range;
	setView(store, around(t0, t1, runEnd(store)));
	if (proof.slice >= 0) select(store, { thread: proof.thread, slice: proof.slice }, false);
	else store.selected.value = null;
	store.cursor.value = (t0 + t1) / 2;
	if (proof.thread >= 0) reveal(store, proof.thread);
	if (about.hang) store.tab.value = 'graph';
	store.shown.value++;
	store.said.value = `Finding: ${model.data.meta.summary.findings[finding].title}`;
}

export function nextFinding(store: Store, by: number): void {
	const n = store.model.data.meta.findings.length;
	if (n) showFinding(store, (store.finding.value + by + n + (store.finding.value < 0 && by < 0 ? 1 : 0)) % n);
}

export function clearAll(store: Store): void {
	store.selected.value = null;
	store.lockAt.value = null;
	store.range.value = null;
	store.lit.value = noLight();
	store.finding.value = -1;
	store.filter.value = '';
	store.onlyLit.value = false;
}

// The range that tables and flame graphs are about: what was marked, else what is in view.
export const chosenRange = (store: Store): Range => store.range.value ?? store.view.value;
