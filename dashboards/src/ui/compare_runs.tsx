// SPDX-License-Identifier: BSD-2-Clause
//
// A run of each side in time, one under the other, aligned at their starts and moved together.
import type { ReadonlySignal } from '@preact/signals';
import type { Palette } from '../draw/colours';
import type { Store } from '../store';
import { Tabs } from './app';
import { drawnOf, isThere, pickRun, runOf, SIDES, type Compared, type SideName } from './compare';
import { Details, isNothing } from './details';
import { Strips } from './strip';
import { Legend, Timeline } from './timeline';
import { MoveTools } from './tools';
import { Trust } from './trust';

// Which row it is about that is lit up: the table has been scrolled away.
function About({ c }: { c: Compared }) {
	const f = c.chosen.value;
	const back = () => {
		document.getElementById('changes')?.scrollIntoView({ block: 'start' });
		document.querySelector<HTMLElement>('.pairs tr.lit .link')?.focus({ preventScroll: true });
	};
	if (!f) return null;
	return (
		<p class="about">
			<b>{f.label}</b>: A {f.a_words}, B {f.b_words}, {f.beyond_noise ? f.change : 'which is noise'}{' '}
			<button type="button" onClick={back}>
				Back to the table
			</button>
		</p>
	);
}

// Which run of a side is drawn, and a choice where others are in the page.
function Choice({ c, side }: { c: Compared; side: SideName }) {
	const { runs, shown } = c.comparison[side];
	const picked = c.picked.value[side];
	const there = runs.map((_, i) => i).filter((i) => isThere(c, side, i));
	const middle = (i: number) => (i === shown ? ', the nearest to their median' : '');
	if (runs.length < 2) return null;
	const left = runs.length - there.length;
	return (
		<p class="choice dim">
			{there.length > 1 ? (
				<label>
					Drawn:{' '}
					<select
						value={String(picked)}
						onChange={(e) => void pickRun(c, side, Number(e.currentTarget.value))}
					>
						{there.map((i) => (
							<option key={i} value={String(i)}>
								{`run ${i + 1} of ${runs.length}: ${runs[i].duration_words}${middle(i)}`}
							</option>
						))}
					</select>
				</label>
			) : (
				`Drawn: run ${picked + 1} of ${runs.length}${middle(picked)}.`
			)}
			{left > 0 && ` ${left} of the runs ${left === 1 ? 'is' : 'are'} too long to be in this page, too; ctrace view TRACE shows one alone.`}
		</p>
	);
}

function SideInTime({ c, side, colours }: { c: Compared; side: SideName; colours: ReadonlySignal<Palette> }) {
	const run = c.runs.value?.[side];
	const about = runOf(c, side);
	const use = () => (c.active.value = side);
	return (
		<div
			class={`side ${side}`}
			role="group"
			aria-label={`Run of side ${side.toUpperCase()}`}
			onFocusCapture={use}
			onPointerDownCapture={use}
		>
			<h3>
				<b class={`badge ${side}`}>{side.toUpperCase()}</b> {about.command}, {about.duration_words}{' '}
				<span class="dim">{about.trace}</span>
			</h3>
			<Choice c={c} side={side} />
			{!run && <p role="status">Reading the run.</p>}
			{typeof run === 'string' && (
				<p class="warning" role="alert">
					The run cannot be drawn. {run}
				</p>
			)}
			{run && typeof run !== 'string' && (
				<div key={c.settled}>
					<Strips store={run.store} colours={colours} />
					<Timeline store={run.store} colours={colours} />
				</div>
			)}
		</div>
	);
}

export function BothRuns({ c, colours }: { c: Compared; colours: ReadonlySignal<Palette> }) {
	const drawn = SIDES.map((side) => drawnOf(c, side)).flatMap((d) => (d ? [d.store] : []));
	const active = drawnOf(c, c.active.value)?.store ?? drawn[0];
	const chosen = SIDES.filter((side) => {
		const store = drawnOf(c, side)?.store;
		return store && !isNothing(store);
	});
	return (
		<section class="time" aria-labelledby="in-time">
			<h2 id="in-time">Both runs in time, from their starts, on one scale</h2>
			<About c={c} />
			{active && (
				<div class="tools">
					<MoveTools store={active} whole="Both runs whole" />
				</div>
			)}
			{SIDES.map((side) => (
				<SideInTime key={side} c={c} side={side} colours={colours} />
			))}
			<Legend
				colours={colours.value}
				lock={drawn.some((s) => s.model.locks.length > 0)}
				marks={drawn.some((s) => s.model.touches.n > 0)}
			/>
			{!chosen.length && drawn.length > 0 && (
				<p class="details dim">
					Click a row above to see where it comes from, or a slice to learn what it is
					<span class="of-keys">
						; <kbd>?</kbd> shows all keys
					</span>
					.
				</p>
			)}
			<div class="both">
				{chosen.map((side) => (
					<div key={side}>
						<h3>
							<b class={`badge ${side}`}>{side.toUpperCase()}</b>
						</h3>
						<Details store={drawnOf(c, side)?.store as Store} of={` in ${side.toUpperCase()}`} />
					</div>
				))}
			</div>
		</section>
	);
}

// Tables, flame graphs and the rest of the run that has the focus.
export function SideTables({ c, colours }: { c: Compared; colours: ReadonlySignal<Palette> }) {
	const drawn = SIDES.filter((side) => drawnOf(c, side));
	const side = drawn.includes(c.active.value) ? c.active.value : drawn[0];
	const store = side && drawnOf(c, side)?.store;
	if (!store) return null;
	return (
		<div class="of-side" data-lossy={store.model.data.meta.summary.loss.events > 0 ? '' : undefined}>
			<h2>Tables and graphs of one run</h2>
			<div class="tools" role="group" aria-label="Of which run">
				{drawn.map((s) => (
					<button key={s} type="button" aria-pressed={s === side} onClick={() => (c.active.value = s)}>
						<b class={`badge ${s}`}>{s.toUpperCase()}</b> {runOf(c, s).command}
					</button>
				))}
				<kbd>X</kbd>
			</div>
			<Tabs key={`${side}${c.settled}`} store={store} colours={colours} original={c.original} />
			<Trust store={store} />
		</div>
	);
}
