// SPDX-License-Identifier: BSD-2-Clause
//
// Where a row of a table or a hit of the search leads: to the longest wait of its thread, lock or line.
import { sliceAt } from '../model';
import { noLight, select, selectTouch, type Store } from '../store';

export function longestWait(store: Store, fits: (w: number) => boolean): number {
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

export function goToWait(store: Store, w: number): void {
	if (w < 0) return;
	const { waits } = store.model.data;
	const thread = waits.thread[w];
	const slice = sliceAt(store.model, thread, waits.start[w]);
	if (slice >= 0) select(store, { thread, slice });
}

export const goToLongest = (store: Store, fits: (w: number) => boolean): void =>
	goToWait(store, longestWait(store, fits));

export function lightLock(store: Store, lock: number): void {
	const { waits } = store.model.data;
	const threads = new Set([...store.model.waitsOfLock[lock]].map((w) => waits.thread[w]));
	store.lit.value = { threads, locks: new Set([lock]), frames: new Set() };
	goToLongest(store, (w) => waits.at('lock', w) === lock);
}

// One that never waited leads to its longest slice.
export function goToThread(store: Store, thread: number): void {
	const { waits, slices } = store.model.data;
	const { n, start } = slices[thread];
	store.lit.value = { ...noLight(), threads: new Set([thread]) };
	const w = longestWait(store, (i) => waits.thread[i] === thread);
	let slice = 0;
	for (let i = 1; i < n; i++) if (start[i + 1] - start[i] > start[slice + 1] - start[slice]) slice = i;
	if (w >= 0) goToWait(store, w);
	else if (n) select(store, { thread, slice });
}

// To the access that tells most about a watched variable.
export function goToVariable(store: Store, variable: number): void {
	const { threads, witness, racy } = store.model.data.meta.watched[variable];
	store.lit.value = { ...noLight(), threads: new Set(threads), variables: new Set([variable]) };
	const id = witness[witness.length - 1] ?? racy[1] ?? store.model.touches.byVariable[variable].ids[0];
	if (id !== undefined) selectTouch(store, id);
}
