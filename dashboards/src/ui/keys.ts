// SPDX-License-Identifier: BSD-2-Clause
//
// The keyboard.  Letters by the physical key, so that WASD lies where the hand expects it on any layout.
import {
	clearAll,
	goBack,
	goOn,
	lanesOf,
	nextFinding,
	runEnd,
	select,
	setView,
	showNextLoss,
	step,
	stepTouch,
	type Store,
} from '../store';
import { sliceAt } from '../model';
import { around, pan, zoomAt } from '../time_scale';
import { spanOf } from '../touches';

function zoom(store: Store, factor: number): void {
	const { t0, t1 } = store.view.value;
	const cursor = store.cursor.value;
	const at = cursor !== null && cursor >= t0 && cursor <= t1 ? cursor : (t0 + t1) / 2;
	setView(store, zoomAt(store.view.value, at, factor, runEnd(store)));
}

function move(store: Store, part: number): void {
	setView(store, pan(store.view.value, part, runEnd(store)));
}

function zoomToSelection(store: Store): void {
	const [range, ref, touch] = [store.range.value, store.selected.value, store.touch.value];
	if (range) setView(store, range);
	else if (touch >= 0) {
		const { t0, t1 } = spanOf(store.model.touches, touch);
		setView(store, around(t0, t1, runEnd(store)));
	}
	else if (ref) {
		const s = store.model.data.slices[ref.thread];
		setView(store, around(s.start[ref.slice], s.start[ref.slice + 1], runEnd(store)));
	}
}

// The thread above or below, at the same time.
function otherThread(store: Store, by: number): void {
	const threads = lanesOf(store).filter((l) => l.kind === 'thread');
	const { touches } = store.model;
	const here = store.touch.value >= 0 ? touches.thread[store.touch.value] : store.selected.value?.thread;
	const at = threads.findIndex((l) => l.index === here);
	const lane = threads[at < 0 ? 0 : Math.min(Math.max(at + by, 0), threads.length - 1)];
	if (!lane) return;
	const t = store.cursor.value ?? (store.view.value.t0 + store.view.value.t1) / 2;
	const slice = sliceAt(store.model, lane.index, t);
	const last = store.model.data.slices[lane.index].n - 1;
	select(store, { thread: lane.index, slice: slice < 0 ? Math.max(0, t > 0 ? last : 0) : slice }, false);
	store.cursor.value = t;
	store.showLane.value = { ...lane };
}

const NEXT_THEME = { auto: 'dark', dark: 'light', light: 'auto' } as const;

function escape(store: Store): void {
	if (store.help.value || store.search.value) store.help.value = store.search.value = false;
	else clearAll(store);
}

// By KeyboardEvent.code.
const BY_PLACE: Record<string, (store: Store) => void> = {
	KeyW: (s) => zoom(s, 0.6),
	KeyS: (s) => zoom(s, 1 / 0.6),
	KeyA: (s) => move(s, -0.2),
	KeyD: (s) => move(s, 0.2),
	ArrowLeft: (s) => move(s, -0.2),
	ArrowRight: (s) => move(s, 0.2),
	KeyF: zoomToSelection,
	Digit0: (s) => setView(s, { t0: 0, t1: runEnd(s) }),
	Numpad0: (s) => setView(s, { t0: 0, t1: runEnd(s) }),
	KeyN: (s) => nextFinding(s, 1),
	KeyP: (s) => nextFinding(s, -1),
	KeyC: (s) => (s.path.value = !s.path.value),
	KeyO: (s) => (s.onlyLit.value = !s.onlyLit.value),
	KeyJ: (s) => stepTouch(s, -1),
	KeyK: (s) => stepTouch(s, 1),
	KeyL: showNextLoss,
	KeyG: (s) => (s.tab.value = 'graph'),
	KeyT: (s) => (s.theme.value = NEXT_THEME[s.theme.value]),
};

// By what the key types.
const BY_SIGN: Record<string, (store: Store) => void> = {
	',': (s) => step(s, -1),
	'.': (s) => step(s, 1),
	'/': (s) => (s.search.value = true),
	'?': (s) => (s.help.value = !s.help.value),
	Escape: escape,
	Backspace: goBack,
};

// Only where the timeline has the focus: elsewhere they scroll and press buttons.
const IN_TIMELINE: Record<string, (store: Store) => void> = {
	ArrowUp: (s) => otherThread(s, -1),
	ArrowDown: (s) => otherThread(s, 1),
	Enter: goOn,
};

export function listenKeys(storeOf: () => Store | null): void {
	window.addEventListener('keydown', (e) => {
		const target = e.target as HTMLElement;
		if (e.ctrlKey || e.metaKey || e.altKey) return;
		if (target.matches('input, textarea, select')) return;
		const inTimeline = target.matches('canvas') || target === document.body;
		const arrow = e.code.startsWith('Arrow');
		if (arrow && !inTimeline) return;
		const store = storeOf();
		const act = (inTimeline && IN_TIMELINE[e.key]) || BY_SIGN[e.key] || BY_PLACE[e.code];
		if (!act || !store) return;
		e.preventDefault();
		act(store);
	});
}
