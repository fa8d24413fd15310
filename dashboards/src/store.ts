// SPDX-License-Identifier: BSD-2-Clause
//
// Owns what the person at the page has chosen: the part in view, the selection, what is lit up, filters.
// One object; what can be worked out from it is not in it.
import { signal, type Signal } from '@preact/signals';
import { makeLanes, type Lane, type SortBy } from './layout';
import { sliceAt, type MergedLanes, type Model } from './model';
import { proofOf, type Range } from './sums';
import { around, clampView, type View } from './time_scale';
import { followTouch, neighbour, nextLoss, spanOf, touchWords, type Counts, type Touches } from './touches';
import { describeSlice, follow, type Ref } from './words';

export type Tab =
	| 'threads'
	| 'watched'
	| 'locks'
	| 'lines'
	| 'wakers'
	| 'offcpu'
	| 'oncpu'
	| 'graph'
	| 'path'
	| 'parallel'
	| 'whatif'
	| 'notes';

export interface Lit {
	threads: Set<number>;
	locks: Set<number>;
	frames: Set<number>;
	variables?: Set<number>;
}

// What lies under the pointer on a lane's accesses.
export interface Hover {
	x: number; // px of the window
	y: number;
	id: number;
	crowd: Counts | null; // too many to tell one
}

export const noLight = (): Lit => ({ threads: new Set(), locks: new Set(), frames: new Set() });

export interface Store {
	model: Model;
	end: number; // ns: of what can be in view; the run's, or that of the longer of two
	mostAlive: number; // threads in the strips, at least: two runs have one scale
	view: Signal<View>;
	selected: Signal<Ref | null>;
	touch: Signal<number>; // an access to a watched variable is selected, and no slice; -1: none
	hover: Signal<Hover | null>;
	lockAt: Signal<{ lock: number; t: number } | null>; // a lock's lane was clicked
	history: (Ref | number)[]; // number: an access
	range: Signal<Range | null>;
	cursor: Signal<number | null>; // ns
	lit: Signal<Lit>;
	finding: Signal<number>; // -1: none
	shown: Signal<number>; // how often a finding was shown: the page scrolls each time
	wanted: Signal<number>; // how often something was to be seen in the timeline: it scrolls if it is out of sight
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
		touch: signal(-1),
		hover: signal(null),
		lockAt: signal(null),
		history: [],
		range: signal(null),
		cursor: signal(null),
		lit: signal(noLight()),
		finding: signal(-1),
		shown: signal(0),
		wanted: signal(0),
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

// For elements: a sketch has none, and what shows them is to be shown anew once they are there.
export function touchesOf(store: Store): Touches {
	void store.lanesRead.value;
	return store.model.touches;
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
	store.touch.value = -1;
	store.lockAt.value = null;
	if (!ref) return;
	const s = store.model.data.slices[ref.thread];
	const [t0, t1] = [s.start[ref.slice], s.start[ref.slice + 1]];
	store.cursor.value = (t0 + t1) / 2;
	if (!move) return;
	bringIntoView(store, t0, t1);
	reveal(store, ref.thread);
}

// An access that is off the screen comes into it, and one among others that lie on it is moved apart from them.
export function selectTouch(store: Store, id: number, move = true): void {
	const { touches } = store.model;
	if (id >= touches.n) return;
	store.selected.value = null;
	store.lockAt.value = null;
	store.touch.value = id;
	if (id < 0) return;
	const t = touches.time[id];
	store.cursor.value = t;
	if (!move) return;
	const { t0, t1 } = spanOf(touches, id);
	const { view } = store;
	const span = view.value.t1 - view.value.t0;
	if (t1 - t0 < span / 60) setView(store, around(t0 - (t1 - t0), t1 + (t1 - t0), runEnd(store)));
	else if (t < view.value.t0 || t > view.value.t1) setView(store, { t0: t - span / 2, t1: t + span / 2 });
	reveal(store, touches.thread[id]);
}

export function goOn(store: Store): void {
	const touch = store.touch.value;
	if (touch >= 0) {
		const next = followTouch(store.model.touches, touch);
		if (next < 0) return;
		store.history.push(touch);
		selectTouch(store, next);
		return;
	}
	const from = store.selected.value;
	const to = from && follow(store.model, from);
	if (!from || !to) return;
	store.history.push(from);
	select(store, to);
}

export function goBack(store: Store): void {
	const to = store.history.pop();
	if (typeof to === 'number') selectTouch(store, to);
	else if (to) select(store, to);
}

export function step(store: Store, by: number): void {
	const { touches } = store.model;
	if (store.touch.value >= 0) {
		const next = neighbour(touches.byThread[touches.thread[store.touch.value]], store.touch.value, by);
		if (next >= 0) selectTouch(store, next);
		return;
	}
	const at = store.selected.value;
	if (!at) {
		const first = lanesOf(store).find((l) => l.kind === 'thread');
		const { t0, t1 } = store.view.value;
		const cursor = store.cursor.value;
		const t = cursor !== null && cursor >= t0 && cursor <= t1 ? cursor : (t0 + t1) / 2;
		if (first) select(store, { thread: first.index, slice: Math.max(0, sliceAt(store.model, first.index, t)) });
		return;
	}
	const slice = at.slice + by;
	if (slice >= 0 && slice < store.model.data.slices[at.thread].n) select(store, { thread: at.thread, slice });
}

// The access before or after, whichever thread's it is: of the selected one's variable, else the one at the cursor.
export function stepTouch(store: Store, by: number): void {
	const { touches } = store.model;
	const id = store.touch.value;
	if (!touches.n) return;
	if (id >= 0) {
		const next = neighbour(touches.byVariable[touches.variable[id]], id, by);
		if (next >= 0) selectTouch(store, next);
		return;
	}
	const t = store.cursor.value ?? store.view.value.t0;
	const after = touches.time.findIndex((time) => time >= t);
	const first = after < 0 ? touches.n : after;
	selectTouch(store, Math.min(Math.max(by > 0 ? first : first - 1, 0), touches.n - 1));
}

export function showNextLoss(store: Store): void {
	const next = nextLoss(store.model.touches, store.touch.value);
	if (next < 0) return;
	selectTouch(store, next);
	store.wanted.value++;
}

// The accesses that prove what is shown: of a finding about a variable, else none.
export function provenBy(store: Store): number[] {
	const { meta } = store.model.data;
	const row = meta.summary.findings[store.finding.value];
	const watched = meta.watched?.[meta.findings[store.finding.value]?.watched ?? -1];
	if (!row || !watched || !store.model.touches.n) return [];
	return row.id === 'lost-update' ? watched.witness : watched.racy;
}

function showTouches(store: Store, ids: number[]): void {
	const { touches } = store.model;
	const last = ids[ids.length - 1];
	selectTouch(store, last, false);
	setView(store, around(touches.time[ids[0]], touches.time[last], runEnd(store)));
	reveal(store, touches.thread[last]);
	store.tab.value = 'watched';
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
		variables: new Set(about.watched === undefined ? [] : [about.watched]),
	};
	const touched = provenBy(store);
	if (touched.length) showTouches(store, touched);
	else showSlices(store, finding);
	store.shown.value++;
	store.said.value = `Finding: ${model.data.meta.summary.findings[finding].title}`;
}

function showSlices(store: Store, finding: number): void {
	const { model } = store;
	const proof = proofOf(model, finding);
	const { t0, t1 } = proof.range;
	setView(store, around(t0, t1, runEnd(store)));
	if (proof.slice >= 0) select(store, { thread: proof.thread, slice: proof.slice }, false);
	else select(store, null);
	store.cursor.value = (t0 + t1) / 2;
	if (proof.thread >= 0) reveal(store, proof.thread);
	if (model.data.meta.findings[finding].hang) store.tab.value = 'graph';
}

export function nextFinding(store: Store, by: number): void {
	const n = store.model.data.meta.findings.length;
	if (n) showFinding(store, (store.finding.value + by + n + (store.finding.value < 0 && by < 0 ? 1 : 0)) % n);
}

export function clearAll(store: Store): void {
	select(store, null);
	store.range.value = null;
	store.lit.value = noLight();
	store.finding.value = -1;
	store.filter.value = '';
	store.onlyLit.value = false;
}

// What is selected, in a sentence.
export function selectedWords(store: Store): string {
	const { model } = store;
	const touch = store.touch.value;
	if (touch >= 0) return `${model.threadNames[model.touches.thread[touch]]} ${touchWords(model, touch)}`;
	return store.selected.value ? describeSlice(model, store.selected.value).title : '';
}

// The range that tables and flame graphs are about: what was marked, else what is in view.
export const chosenRange = (store: Store): Range => store.range.value ?? store.view.value;
