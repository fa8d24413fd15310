// SPDX-License-Identifier: BSD-2-Clause
//
// The page from top to bottom: verdict and findings, how parallel, timeline and details, tables.
import type { ReadonlySignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Palette } from '../draw/colours';
import type { SortBy } from '../layout';
import { selectedWords, touchesOf, type Store, type Tab } from '../store';
import { formatCount, formatNs } from '../time';
import { about, exitWords } from '../words';
import { Details } from './details';
import { Findings } from './findings';
import { FlameGraph } from './flame';
import { WaitGraph } from './graph';
import { Help } from './help';
import { Later } from './later';
import { Notes, type Original } from './notes';
import { Parallelism } from './parallel';
import { PathShares } from './path';
import { Search } from './search';
import { Strips } from './strip';
import { Lines, Locks, Threads, Wakers, Watched } from './tables';
import { Legend, Timeline } from './timeline';
import { Trust } from './trust';
import { MoveTools } from './tools';
import { WhatIfBars } from './what_if';

const TABS: [Tab, string][] = [
	['threads', 'Threads'],
	['watched', 'Watched variables'], // where there are any
	['locks', 'Locks'],
	['lines', 'Lines'],
	['wakers', 'Wakers'],
	['offcpu', 'Off CPU'],
	['oncpu', 'On CPU'],
	['graph', 'Who waits for whom'],
	['path', 'Critical path'],
	['parallel', 'Parallelism'],
	['whatif', 'What if'],
	['notes', 'Notes'],
];

function Head({ store }: { store: Store }) {
	const { run, threads, loss } = store.model.data.meta.summary;
	return (
		<header>
			<p class="run">
				<b>{run.argv.join(' ') || 'a run'}</b> ran for {formatNs(run.duration_ns)}
				{exitWords(run.exit_status)}; {about(store.model)}
				{formatCount(threads.length)} thread{threads.length === 1 ? '' : 's'} on {run.cpus} CPU
				{run.cpus === 1 ? '' : 's'}
				<span class="dim">
					{' '}
					{run.host && `on ${run.host}, `}
					<span class="date">
						{run.start_time?.slice(0, 16).replace('T', ' ')} {run.start_time ? 'UTC' : ''}
					</span>
				</span>
			</p>
			<p class="tools">
				<button type="button" onClick={() => (store.search.value = true)}>
					Search <kbd>/</kbd>
				</button>
				<button
					type="button"
					onClick={() =>
						(store.theme.value = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark')
					}
				>
					Light or dark <kbd>T</kbd>
				</button>
				<button type="button" onClick={() => (store.help.value = true)}>
					Help <kbd>?</kbd>
				</button>
			</p>
			{(loss.events > 0 || loss.damage || !run.complete || run.unrecorded) && (
				<p class="warning" role="note">
					{loss.events > 0 &&
						`${formatCount(loss.events)} events were lost: figures marked ~ may be off, most of all near the grey bands. `}
					{loss.damage && `A part of the trace could not be read: ${loss.damage}. `}
					{run.unrecorded &&
						`${run.unrecorded.map((p) => p.name).join(', ')} got more rights than the caller's and ran on, unrecorded. `}
					{!run.complete && 'The recording was not finished: it shows what was written by then.'}
				</p>
			)}
		</header>
	);
}

function Tools({ store }: { store: Store }) {
	return (
		<div class="tools">
			<MoveTools store={store} whole="Whole run" />
			<label>
				<input
					type="checkbox"
					checked={store.onlyLit.value}
					onChange={(e) => (store.onlyLit.value = e.currentTarget.checked)}
				/>{' '}
				Only what is lit <kbd>O</kbd>
			</label>
			<label>
				Order{' '}
				<select
					value={store.sort.value}
					onChange={(e) => (store.sort.value = e.currentTarget.value as SortBy)}
				>
					<option value="start">by start</option>
					<option value="name">by name</option>
					<option value="blocked">by time blocked</option>
				</select>
			</label>
			<label>
				Show threads named{' '}
				<input
					type="text"
					size={10}
					value={store.filter.value}
					onInput={(e) => (store.filter.value = e.currentTarget.value)}
				/>
			</label>
		</div>
	);
}

interface PanelsOf {
	store: Store;
	colours: ReadonlySignal<Palette>;
	original: Original;
}

function Panel({ store, tab, colours, original }: PanelsOf & { tab: Tab }): ComponentChildren {
	switch (tab) {
		case 'threads':
			return <Threads store={store} />;
		case 'watched':
			return <Watched store={store} />;
		case 'locks':
			return <Locks store={store} />;
		case 'lines':
			return <Lines store={store} />;
		case 'wakers':
			return <Wakers store={store} />;
		case 'offcpu':
			return <FlameGraph key="off" store={store} kind="off" />;
		case 'oncpu':
			return <FlameGraph key="on" store={store} kind="on" />;
		case 'graph':
			return <WaitGraph store={store} />;
		case 'path':
			return <PathShares store={store} colours={colours} />;
		case 'parallel':
			return <Parallelism store={store} colours={colours} />;
		case 'whatif':
			return <WhatIfBars store={store} />;
		case 'notes':
			return <Notes store={store} original={original} />;
	}
}

export function Tabs({ store, colours, original }: PanelsOf) {
	const tabs = store.model.data.meta.summary.watch ? TABS : TABS.filter(([id]) => id !== 'watched');
	// of two runs the other one may have watched variables
	const chosen = tabs.some(([id]) => id === store.tab.value) ? store.tab.value : 'threads';
	const move = (by: number) => {
		const at = tabs.findIndex(([id]) => id === chosen);
		const [id] = tabs[(at + by + tabs.length) % tabs.length];
		store.tab.value = id;
		document.getElementById(`tab-${id}`)?.focus();
	};
	return (
		<section class="tables" aria-label="Tables and graphs">
			<div role="tablist" aria-label="Tables and graphs">
				{tabs.map(([id, name]) => {
					const on = chosen === id;
					return (
						<button
							key={id}
							id={`tab-${id}`}
							type="button"
							role="tab"
							aria-selected={on}
							aria-controls="panel"
							tabIndex={on ? 0 : -1}
							onClick={() => (store.tab.value = id)}
							onKeyDown={(e) => {
								if (e.key === 'ArrowRight') move(1);
								else if (e.key === 'ArrowLeft') move(-1);
							}}
						>
							{name}
						</button>
					);
				})}
			</div>
			<div role="tabpanel" id="panel" aria-labelledby={`tab-${chosen}`}>
				<Panel store={store} tab={chosen} colours={colours} original={original} />
			</div>
		</section>
	);
}

export function App({ store, colours, original }: PanelsOf) {
	const said = selectedWords(store) || store.said.value;
	return (
		<>
			<Head store={store} />
			<Findings store={store} />
			<section class="time" aria-label="Timeline">
				<Strips store={store} colours={colours} />
				<Tools store={store} />
				<Timeline store={store} colours={colours} />
				<Legend
					colours={colours.value}
					lock={store.model.locks.length > 0}
					marks={touchesOf(store).n > 0}
				/>
			</section>
			<p id="said" class="hidden" role="status" aria-live="polite">
				{said}
			</p>
			<Details store={store} />
			<Later>
				<Tabs store={store} colours={colours} original={original} />
				<Trust store={store} />
			</Later>
			<Search store={store} />
			<Help store={store} />
		</>
	);
}
