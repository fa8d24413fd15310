// SPDX-License-Identifier: BSD-2-Clause
//
// The address says what is shown: #t=from,to&s=thread,slice&a=access&f=finding&tab=locks, so that a place can be
// sent to somebody who has the same file.
import { effect } from '@preact/signals';
import { select, selectTouch, setView, showFinding, type Store, type Tab } from '../store';

const TABS: Tab[] = ['threads', 'watched', 'locks', 'lines', 'wakers', 'offcpu', 'oncpu', 'graph', 'whatif', 'notes'];

const numbers = (text: string | null): number[] => (text ?? '').split(',').map(Number);

export function readLink(store: Store, hash: string): void {
	const link = new URLSearchParams(hash.replace(/^#/, ''));
	const { data } = store.model;
	if (link.has('f')) {
		const [f] = numbers(link.get('f'));
		if (Number.isInteger(f) && f >= 0 && f < data.meta.findings.length) showFinding(store, f);
	}
	if (link.has('t')) {
		const [t0, t1] = numbers(link.get('t'));
		if (Number.isFinite(t0) && Number.isFinite(t1) && t1 > t0) setView(store, { t0, t1 });
	}
	if (link.has('s')) {
		const [thread, slice] = numbers(link.get('s'));
		const there =
			Number.isInteger(thread) &&
			Number.isInteger(slice) &&
			data.slices[thread] &&
			slice >= 0 &&
			slice < data.slices[thread].n;
		if (there) select(store, { thread, slice }, false);
	}
	if (link.has('a')) {
		const [id] = numbers(link.get('a'));
		if (Number.isInteger(id) && id >= 0 && id < store.model.touches.n) selectTouch(store, id, false);
	}
	const tab = link.get('tab') as Tab;
	if (TABS.includes(tab) && (tab !== 'watched' || data.meta.summary.watch)) store.tab.value = tab;
}

function writeLink(store: Store): string {
	const { t0, t1 } = store.view.value;
	const parts = [`t=${Math.round(t0)},${Math.round(t1)}`];
	const ref = store.selected.value;
	if (store.finding.value >= 0) parts.push(`f=${store.finding.value}`);
	if (ref) parts.push(`s=${ref.thread},${ref.slice}`);
	if (store.touch.value >= 0) parts.push(`a=${store.touch.value}`);
	if (store.tab.value !== 'threads') parts.push(`tab=${store.tab.value}`);
	return `#${parts.join('&')}`;
}

export function keepLink(store: Store): void {
	let timer = 0;
	let first = true;
	readLink(store, location.hash);
	effect(() => {
		const link = writeLink(store);
		if (first) {
			first = false;
			return;
		}
		clearTimeout(timer);
		timer = window.setTimeout(() => {
			try {
				history.replaceState(null, '', link);
			} catch {
				// some browsers limit how often; the next change comes
			}
		}, 150);
	});
	window.addEventListener('hashchange', () => readLink(store, location.hash));
}
