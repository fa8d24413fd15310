// SPDX-License-Identifier: BSD-2-Clause
//
// What is selected, in words: a slice with its stack and cause, a lock at a moment, or a range summed up.
import { formatNs, formatShare, formatSpan } from '../time';
import { findSlice } from '../visible';
import { describeSlice, lockName, stateWords, type Place } from '../words';
import { goBack, goOn, setView, type Store } from '../store';
import { sumStates } from '../sums';
import { LOCK_WORDS } from '../model';
import { around } from '../time_scale';
import { SourcePiece } from './findings';
import { TouchDetails } from './touches';

export function Stack({ places }: { places: Place[] }) {
	if (!places.length) return null;
	return (
		<details open>
			<summary>Where it was (innermost first)</summary>
			<ol class="stack">
				{places.map((p, i) => (
					<li key={i}>{p.text || 'not known'}</li>
				))}
			</ol>
		</details>
	);
}

function SliceDetails({ store }: { store: Store }) {
	const ref = store.selected.value;
	if (!ref) return null;
	const text = describeSlice(store.model, ref);
	const s = store.model.data.slices[ref.thread];
	const [t0, t1] = [s.start[ref.slice], s.start[ref.slice + 1]];
	return (
		<div class="slice">
			<div>
				<h2>{text.title}</h2>
				<p class="dim">From {formatSpan(t0, t1)} after the start.</p>
				<ul>
					{text.facts.map((f) => (
						<li key={f}>{f}</li>
					))}
				</ul>
				<p class="buttons">
					{text.next && (
						<button type="button" onClick={() => goOn(store)}>
							Go to {text.next} <kbd>Enter</kbd>
						</button>
					)}
					{store.history.length > 0 && (
						<button type="button" onClick={() => goBack(store)}>
							Back <kbd>Backspace</kbd>
						</button>
					)}
					<button
						type="button"
						onClick={() =>
							setView(store, around(s.start[ref.slice], s.start[ref.slice + 1], store.model.data.end))
						}
					>
						Zoom to it <kbd>F</kbd>
					</button>
				</p>
				<Stack places={text.stack} />
			</div>
			<div>{text.frame > 0 && <SourcePiece store={store} frame={text.frame} />}</div>
		</div>
	);
}

function LockDetails({ store }: { store: Store }) {
	const at = store.lockAt.value;
	if (!at) return null;
	const { model } = store;
	const lane = model.locks[at.lock];
	const i = Math.min(Math.max(findSlice(lane, at.t), 0), lane.n - 1);
	const waiting = [...model.waitsOfLock[at.lock]].filter(
		(w) => model.data.waits.start[w] <= at.t && model.data.waits.end[w] > at.t,
	);
	return (
		<div>
			<h2>
				{lockName(model, at.lock)} at {formatNs(at.t)}: {LOCK_WORDS[lane.of[i]]}
			</h2>
			<ul>
				{lane.holder[i] >= 0 && (
					<li>
						{model.threadNames[lane.holder[i]]} has it, for {formatNs(lane.start[i + 1] - lane.start[i])} or
						more.
					</li>
				)}
				{waiting.slice(0, 12).map((w) => (
					<li key={w}>
						{model.threadNames[model.data.waits.thread[w]]} waits for it, since{' '}
						{formatNs(at.t - model.data.waits.start[w])}.
					</li>
				))}
				{waiting.length > 12 && <li>and {waiting.length - 12} more.</li>}
			</ul>
		</div>
	);
}

function RangeDetails({ store }: { store: Store }) {
	const range = store.range.value;
	if (!range) return null;
	const { model } = store;
	const lit = store.lit.value.threads;
	const sums = sumStates(model, range, (t) => !lit.size || lit.has(t));
	const all = sums.reduce((a, b) => a + b, 0);
	const rows = [...sums].map((ns, i) => ({ ns, state: model.data.meta.states[i] })).filter((r) => r.ns > 0);
	rows.sort((a, b) => b.ns - a.ns);
	return (
		<div>
			<h2>{formatNs(range.t1 - range.t0)} marked</h2>
			<p class="dim">
				What {lit.size ? `${lit.size} lit threads` : 'all threads'} did in it; tables of the tabs Off CPU and
				On CPU are about it, too.
			</p>
			<table class="small">
				<tbody>
					{rows.map((r) => (
						<tr key={r.state}>
							<th scope="row">{stateWords(r.state)}</th>
							<td class="number">{formatNs(r.ns)}</td>
							<td class="number">{formatShare(r.ns, all)}</td>
						</tr>
					))}
				</tbody>
			</table>
			<p class="buttons">
				<button type="button" onClick={() => setView(store, range)}>
					Zoom to it <kbd>F</kbd>
				</button>
				<button type="button" onClick={() => (store.range.value = null)}>
					Forget it <kbd>Esc</kbd>
				</button>
			</p>
		</div>
	);
}

// That is selected.
export const isNothing = (store: Store): boolean =>
	!store.selected.value && store.touch.value < 0 && !store.range.value && !store.lockAt.value;

export function Details({ store, of = '' }: { store: Store; of?: string }) {
	const nothing = isNothing(store);
	return (
		<section class="details" aria-label={`What is selected${of}`}>
			{nothing && store.tooLarge.value && (
				<p role="alert">
					This browser has not enough memory for the slices of this trace. What is shown are the verdict, the
					tables and a coarse picture of the whole run; open the page on a larger machine, or record a shorter
					stretch.
				</p>
			)}
			{nothing && store.reading.value && !store.tooLarge.value && (
				<p class="dim" role="status">
					A first picture; the trace is still being read. In a moment slices can be selected and zoomed into.
				</p>
			)}
			{nothing && !store.reading.value && (
				<p class="dim">
					Click a slice to learn what it is, who ended it and where in the program it was
					{store.model.touches.n > 0 && ', or the mark of an access to a watched variable'};{' '}
					<span class="of-fingers">hold, then </span>drag to sum up a stretch
					<span class="of-keys">
						; <kbd>?</kbd> shows all keys
					</span>
					.
				</p>
			)}
			<RangeDetails store={store} />
			<SliceDetails store={store} />
			<TouchDetails store={store} />
			<LockDetails store={store} />
		</section>
	);
}
