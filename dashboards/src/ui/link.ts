// SPDX-License-Identifier: BSD-2-Clause
//
// The address says what is shown: #t=from,to&s=thread,slice&a=access&f=finding&tab=locks, so that a place can be
// sent to somebody who has the same file.  Of two runs: #t=from,to&row=figure&f=finding's id&on=b&tab=locks, and what
// is selected in each, sa and sb, aa and ab; which runs are drawn, ra and rb, if others than those shown first.
import { effect } from '@preact/signals';
import { select, selectTouch, setView, showFinding, type Store, type Tab } from '../store';
import { drawnOf, pickRun, showFigure, showFindingOf, SIDES, type Compared } from './compare';

const TABS = 'threads watched locks lines wakers offcpu oncpu graph path parallel whatif notes'.split(' ') as Tab[];

const numbers = (text: string | null): number[] => (text ?? '').split(',').map(Number);

function readView(store: Store, link: URLSearchParams): void {
	const [t0, t1] = numbers(link.get('t'));
	if (link.has('t') && Number.isFinite(t0) && Number.isFinite(t1) && t1 > t0) setView(store, { t0, t1 });
}

// What is selected; `of` is the side, of two.
function readSelected(store: Store, link: URLSearchParams, of = ''): void {
	const { slices } = store.model.data;
	const [thread, slice] = numbers(link.get(`s${of}`));
	const there = Number.isInteger(thread) && Number.isInteger(slice) && slice >= 0 && slice < (slices[thread]?.n ?? 0);
	if (link.has(`s${of}`) && there) select(store, { thread, slice }, false);
	const [id] = numbers(link.get(`a${of}`));
	if (link.has(`a${of}`) && Number.isInteger(id) && id >= 0 && id < store.model.touches.n)
		selectTouch(store, id, false);
}

function readTab(store: Store, link: URLSearchParams): void {
	const tab = link.get('tab') as Tab;
	if (TABS.includes(tab) && (tab !== 'watched' || store.model.data.meta.summary.watch)) store.tab.value = tab;
}

const paramsOf = (hash: string) => new URLSearchParams(hash.replace(/^#/, ''));

function readLink(store: Store, hash: string): void {
	const link = paramsOf(hash);
	const [f] = numbers(link.get('f'));
	if (link.has('f') && Number.isInteger(f) && f >= 0 && f < store.model.data.meta.findings.length)
		showFinding(store, f);
	readView(store, link);
	readSelected(store, link);
	readTab(store, link);
}

function viewWords({ view }: Store): string[] {
	const { t0, t1 } = view.value;
	return [`t=${Math.round(t0)},${Math.round(t1)}`];
}

function selectedWords(store: Store, of = ''): string[] {
	const ref = store.selected.value;
	const touch = store.touch.value;
	return [ref ? `s${of}=${ref.thread},${ref.slice}` : '', touch >= 0 ? `a${of}=${touch}` : ''].filter((w) => w);
}

const tabWords = ({ tab }: Store): string[] => (tab.value === 'threads' ? [] : [`tab=${tab.value}`]);

const writeLink = (store: Store): string[] => [
	...viewWords(store),
	...(store.finding.value >= 0 ? [`f=${store.finding.value}`] : []),
	...selectedWords(store),
	...tabWords(store),
];

// Keeps the address in step with what is shown, both ways.
function keep(read: (hash: string) => void, write: () => string[]): void {
	let timer = 0;
	let first = true;
	read(location.hash);
	effect(() => {
		const link = `#${write().join('&')}`;
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
	window.addEventListener('hashchange', () => read(location.hash));
}

export const keepLink = (store: Store): void =>
	keep(
		(hash) => readLink(store, hash),
		() => writeLink(store),
	);

// ---- two runs ----

const isNumber = (text: string | null): boolean => /^\d+$/.test(text ?? '');

async function readComparedLink(c: Compared, hash: string): Promise<void> {
	const link = paramsOf(hash);
	for (const side of SIDES)
		if (isNumber(link.get(`r${side}`))) await pickRun(c, side, Number(link.get(`r${side}`)));
	const [row] = numbers(link.get('row'));
	const figure = link.has('row') ? c.comparison.figures[row] : undefined;
	const finding = c.comparison.findings.find((f) => f.id === link.get('f'));
	if (finding) showFindingOf(c, finding.id);
	else if (figure) showFigure(c, figure);
	for (const side of SIDES) {
		const store = drawnOf(c, side)?.store;
		if (!store) continue;
		readView(store, link);
		readSelected(store, link, side);
		readTab(store, link);
	}
	const on = link.get('on');
	if (on === 'a' || on === 'b') c.active.value = on;
}

function writeComparedLink(c: Compared): string[] {
	const drawn = SIDES.flatMap((side) => {
		const store = drawnOf(c, side)?.store;
		return store ? [{ side, store }] : [];
	});
	const [first] = drawn;
	if (!first) return [];
	const shown = drawn.find(({ store }) => store.finding.value >= 0)?.store;
	const row = c.chosen.value ? c.comparison.figures.indexOf(c.chosen.value) : -1;
	return [
		...viewWords(first.store),
		...(row >= 0 ? [`row=${row}`] : []),
		...(shown ? [`f=${shown.model.data.meta.summary.findings[shown.finding.value].id}`] : []),
		...SIDES.filter((side) => c.picked.value[side] !== c.comparison[side].shown).map(
			(side) => `r${side}=${c.picked.value[side]}`,
		),
		...drawn.flatMap(({ side, store }) => selectedWords(store, side)),
		...(c.active.value === 'a' ? [] : [`on=${c.active.value}`]),
		...tabWords(first.store),
	];
}

export const keepComparedLink = (c: Compared): void =>
	keep(
		(hash) => void readComparedLink(c, hash),
		() => writeComparedLink(c),
	);
