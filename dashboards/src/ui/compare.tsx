// SPDX-License-Identifier: BSD-2-Clause
//
// Two sides of runs on one page: the sentence, how long, what changed, findings, then both runs in time.
// The comparison is there at once; the timelines follow when they have been read.
import { signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { render } from 'preact';
import { readComparison, readNames, type Comparison, type Figure, type Names, type Run } from '../comparison';
import type { Palette } from '../draw/colours';
import { evidenceOf, type Evidence } from '../evidence';
import { DataError, MemoryError } from '../sections';
import {
	addLanes,
	clearAll,
	makeStore,
	pairStores,
	reveal,
	runEnd,
	select,
	setView,
	showFinding,
	type Store,
} from '../store';
import { around } from '../time_scale';
import { inflate, whole } from '../unpack';
import { unbroken } from '../words';
import { readModel, type Reading } from '../worker';
import { Durations, Changes, FindingChanges } from './compare_bars';
import { BothRuns, SideTables } from './compare_runs';
import { paletteOf } from './dark';
import { Help } from './help';
import { listenKeys } from './keys';
import { keepComparedLink } from './link';
import { Prose } from './long';
import { readNotes, type Original } from './notes';
import { Search } from './search';

export type SideName = 'a' | 'b';

// A run that is drawn; or the sentence why it is not.
export interface Drawn {
	store: Store;
	names: Names;
}
export interface Compared {
	comparison: Comparison;
	picked: Signal<Record<SideName, number>>; // which runs those are
	settled: number; // how often two were put beside each other: their elements are made anew each time
	runs: Signal<Record<SideName, Drawn | string> | null>; // null: not read yet
	active: Signal<SideName>; // whose the keys are
	noiseToo: Signal<boolean>; // the table has all rows
	unfolded: Signal<ReadonlySet<string>>; // groups of it that are shown whole
	chosen: Signal<Figure | null>;
	theme: Store['theme'];
	help: Store['help'];
	tab: Store['tab'];
	notes: Store['notes'];
	said: Signal<string>;
	original: Original;
}

export const SIDES: SideName[] = ['a', 'b'];

export const runOf = (c: Compared, side: SideName): Run => c.comparison[side].runs[c.picked.value[side]];

// Where a run's data are: the one that is shown first has the side's name.
const partName = (c: Compared, side: SideName, run: number): string =>
	run === c.comparison[side].shown ? side : `${side}${run}`;

const textsOf = (c: Compared, part: string): string[] | undefined =>
	c.original.parts.find(({ name }) => name === part)?.texts;

// Whether the run can be drawn in place of the one that is.
export const isThere = (c: Compared, side: SideName, run: number): boolean =>
	run === c.comparison[side].shown || textsOf(c, partName(c, side, run)) !== undefined;

export function drawnOf(c: Compared, side: SideName): Drawn | null {
	const run = c.runs.value?.[side];
	return run && typeof run !== 'string' ? run : null;
}

const storesOf = (c: Compared): Store[] =>
	SIDES.map((side) => drawnOf(c, side)?.store).filter((s): s is Store => !!s);

// ---- from a row to its evidence ----

function light(store: Store, at: Evidence): void {
	clearAll(store);
	store.lit.value = {
		threads: new Set(at.threads),
		locks: new Set(at.locks),
		frames: new Set(at.frames),
	};
	if (at.thread < 0) return;
	select(store, { thread: at.thread, slice: at.slice }, false);
	reveal(store, at.thread);
}

export function showFigure(c: Compared, figure: Figure): void {
	const times: number[] = [];
	c.chosen.value = figure;
	for (const side of SIDES) {
		const drawn = drawnOf(c, side);
		if (!drawn) continue;
		const at = evidenceOf(drawn.store.model, drawn.names, figure, side);
		light(drawn.store, at);
		if (at.thread < 0) continue;
		const { start } = drawn.store.model.data.slices[at.thread];
		times.push(start[at.slice], start[at.slice + 1]);
	}
	const [first] = storesOf(c);
	if (!first) return;
	first.path.value = figure.group === 'critical path';
	setView(
		first,
		times.length
			? around(Math.min(...times), Math.max(...times), runEnd(first))
			: { t0: 0, t1: runEnd(first) },
	);
	first.shown.value++;
	c.said.value = `${figure.label}: A ${figure.a_words}, B ${figure.b_words}`;
}

export function findingIn(c: Compared, side: SideName, id: string): number {
	const drawn = drawnOf(c, side);
	return drawn ? drawn.store.model.data.meta.summary.findings.findIndex((f) => f.id === id) : -1;
}

export function showFindingOf(c: Compared, id: string): void {
	c.chosen.value = null;
	storesOf(c).forEach(clearAll);
	// the one shown last decides what is in view: A, where the finding is in both
	for (const side of ['b', 'a'] as const) {
		const at = findingIn(c, side, id);
		const drawn = drawnOf(c, side);
		if (at < 0 || !drawn) continue;
		showFinding(drawn.store, at);
		c.active.value = side;
	}
}

// ---- the page ----

function Head({ c }: { c: Compared }) {
	const other = () =>
		(c.theme.value = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
	return (
		<header>
			<p class="run">
				{SIDES.map((side) => (
					<span key={side} class="what">
						<b class={`badge ${side}`}>{side.toUpperCase()}</b> <b>{runOf(c, side).command}</b>
						<span class="dim">
							{' '}
							{runOf(c, side).trace}
							{c.comparison[side].runs.length > 1 && ` and ${c.comparison[side].runs.length - 1} more`}
							{Object.entries(runOf(c, side).labels).map(([key, value]) => `; ${key}=${value}`)}
						</span>
					</span>
				))}
			</p>
			<p class="tools">
				<button type="button" onClick={other}>
					Light or dark <kbd>T</kbd>
				</button>
				<button type="button" onClick={() => (c.help.value = true)}>
					Help <kbd>?</kbd>
				</button>
			</p>
			{c.comparison.remarks.map((remark) => (
				<p key={remark} class="warning" role="note">
					{remark.charAt(0).toUpperCase() + remark.slice(1)}.
				</p>
			))}
		</header>
	);
}

function Page({ c, colours }: { c: Compared; colours: ReadonlySignal<Palette> }) {
	const side = [c.active.value, ...SIDES].find((s) => drawnOf(c, s));
	const active = side && drawnOf(c, side);
	return (
		<div class="compare">
			<Head c={c} />
			<h1 id="verdict" class="verdict">
				<Prose text={unbroken(c.comparison.sentence)} />
			</h1>
			<Durations c={c} />
			<Changes c={c} />
			<FindingChanges c={c} />
			<BothRuns c={c} colours={colours} />
			<SideTables c={c} colours={colours} />
			<p id="said" class="hidden" role="status" aria-live="polite">
				{c.said.value}
			</p>
			{active && <Search key={`${side}${c.settled}`} store={active.store} of={`.side.${side}`} />}
			{active && <Help store={active.store} two />}
		</div>
	);
}

// ---- start-up ----

const partOf = (name: string): Element | null => document.querySelector(`.ct-part[data-part="${name}"]`);

async function readRun(part: Element | null): Promise<[Reading, Names] | string> {
	if (!part?.firstElementChild)
		return 'It is too long for a page that has two; ctrace view TRACE shows it alone.';
	try {
		const reading = await readModel(part);
		return [reading, readNames(reading.model.data.extra.get('NAME'))];
	} catch (error) {
		if (error instanceof DataError) return error.message;
		if (error instanceof MemoryError) return 'This browser has not enough memory for it.';
		throw error;
	}
}

// Both are one in what is in view, and to one scale.
function settle(c: Compared, runs: Record<SideName, Drawn | string>): void {
	const stores = SIDES.map((side) => runs[side]).flatMap((r) => (typeof r === 'string' ? [] : [r.store]));
	if (stores.length === 2) pairStores(stores[0], stores[1]);
	// the strips have one height
	const most = Math.max(0, ...stores.map((s) => s.model.overview.most));
	const { theme, help, tab, notes } = c;
	for (const store of stores) Object.assign(store, { theme, help, tab, notes, mostAlive: most });
	c.settled++;
	c.runs.value = runs;
}

const drawnFrom = (read: [Reading, Names] | string): Drawn | string =>
	typeof read === 'string' ? read : { store: makeStore(read[0].model), names: read[1] };

// The data elements of a part that was read or put aside, once more.
function elementOf(texts: string[]): Element {
	const part = document.createElement('div');
	for (const text of texts) {
		const element = document.createElement('script');
		element.type = 'application/octet-stream';
		element.className = 'ct-data';
		element.textContent = text;
		part.append(element);
	}
	return part;
}

// Draws another run of the side.
export async function pickRun(c: Compared, side: SideName, run: number): Promise<void> {
	if (!isThere(c, side, run) || run === c.picked.value[side]) return;
	c.picked.value = { ...c.picked.value, [side]: run };
	const read = await readRun(elementOf(textsOf(c, partName(c, side, run)) ?? []));
	if (!c.runs.value || c.picked.value[side] !== run) return; // another one was chosen meanwhile
	settle(c, { ...c.runs.value, [side]: drawnFrom(read) });
	if (c.chosen.value) showFigure(c, c.chosen.value);
	c.said.value = `Drawn of ${side.toUpperCase()}: run ${run + 1}, ${runOf(c, side).duration_words}`;
	await takeLanes(c, side, read);
}

// The lanes of locks and CPUs, which are put together last.
async function takeLanes(c: Compared, side: SideName, read: [Reading, Names] | string): Promise<void> {
	const drawn = drawnOf(c, side);
	if (!drawn || typeof read === 'string' || !read[0].lanes) return;
	try {
		addLanes(drawn.store, await read[0].lanes);
	} catch (error) {
		c.said.value = error instanceof Error ? error.message : String(error);
	}
}

// One selection of both: Escape forgets it whole, unless it closes what lies over the page.
function forget(c: Compared): void {
	if (storesOf(c).some((s) => s.help.value || s.search.value)) return;
	storesOf(c).forEach(clearAll);
	c.chosen.value = null;
}

function keysOf(c: Compared): void {
	// before any dialog has closed itself
	window.addEventListener('keydown', (e) => e.key === 'Escape' && forget(c), true);
	listenKeys(() => (drawnOf(c, c.active.value) ?? drawnOf(c, 'a') ?? drawnOf(c, 'b'))?.store ?? null);
	window.addEventListener('keydown', (e) => {
		if (e.code !== 'KeyX' || e.ctrlKey || e.metaKey || e.altKey) return;
		if ((e.target as HTMLElement).matches('input, textarea, select')) return;
		c.active.value = c.active.value === 'a' ? 'b' : 'a';
		document.querySelector<HTMLElement>(`.side.${c.active.value} .lanes canvas`)?.focus();
	});
}

// Runs that may be asked for later.
function putOthersAside(original: Original): void {
	for (const part of document.querySelectorAll<HTMLElement>('.ct-part')) {
		const name = part.dataset.part ?? '';
		if (!/^[ab]\d+$/.test(name)) continue;
		const scripts = [...part.querySelectorAll('script.ct-data')];
		original.parts.push({ name, texts: scripts.map((s) => s.textContent ?? '') });
		part.remove();
	}
}

export async function startComparison(app: HTMLElement, original: Original): Promise<void> {
	const { dataset } = document.documentElement;
	const now = () => String(Math.round(performance.now()));
	await whole(document);
	const { bytes, texts } = await inflate(partOf('comparison') ?? document);
	original.parts.push({ name: 'comparison', texts });
	putOthersAside(original);
	const comparison = readComparison(bytes);
	const c: Compared = {
		comparison,
		picked: signal({ a: comparison.a.shown, b: comparison.b.shown }),
		settled: 0,
		runs: signal(null),
		active: signal('a'),
		noiseToo: signal(false),
		unfolded: signal(new Set()),
		chosen: signal(null),
		theme: signal('auto'),
		help: signal(false),
		tab: signal('threads'),
		notes: signal(readNotes()),
		said: signal(''),
		original,
	};
	document.title = `ctrace: ${runOf(c, 'a').command} and ${runOf(c, 'b').command} compared`;
	app.textContent = '';
	keysOf(c);
	render(<Page c={c} colours={paletteOf(c.theme)} />, app);
	const [a, b] = await Promise.all(SIDES.map((side) => readRun(partOf(side))));
	[a, b].forEach((read, i) => {
		if (typeof read !== 'string') original.parts.push({ name: SIDES[i], texts: read[0].texts });
	});
	settle(c, { a: drawnFrom(a), b: drawnFrom(b) });
	keepComparedLink(c);
	dataset.ready = now();
	await Promise.all([takeLanes(c, 'a', a), takeLanes(c, 'b', b)]);
	dataset.whole = now();
}
