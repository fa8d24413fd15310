// SPDX-License-Identifier: BSD-2-Clause
//
// Accesses to watched variables as elements: the selected one in words, the one under the pointer, a finding's
// accesses as a table that is read from the top, and what the marks mean.
import { useEffect, useRef } from 'preact/hooks';
import type { Palette } from '../draw/colours';
import { drawMark } from '../draw/marks';
import { goBack, goOn, runEnd, selectTouch, setView, stepTouch, touchesOf, type Store } from '../store';
import { shortName } from '../names';
import { formatNs, formatSpan } from '../time';
import { around } from '../time_scale';
import {
	ATOMIC,
	atomicWords,
	countWords,
	doesWhat,
	followTouchWords,
	locksHeld,
	lockWords,
	LOSES,
	MARK_WORDS,
	READ,
	spanOf,
	touchFacts,
	touchWords,
	UPDATE,
	variableName,
	WRITE,
} from '../touches';
import { placeOf, stackOf } from '../words';
import { Stack } from './details';
import { SourcePiece } from './findings';
import { Long } from './long';

// To the tenth of a microsecond: accesses are close together.
const momentWords = (t: number) => (t < 1e6 ? formatNs(t) : formatSpan(t, t + 1e4).split(' to ')[0]);

export function TouchDetails({ store }: { store: Store }) {
	const id = store.touch.value;
	if (id < 0) return null;
	const { model } = store;
	const t = model.touches;
	const next = followTouchWords(model, id);
	const place = placeOf(model, t.frame[id]);
	return (
		<div class="slice">
			<div>
				<h2>
					{model.threadNames[t.thread[id]]} {touchWords(model, id)}
				</h2>
				<p class="dim">
					{momentWords(t.time[id])} after the start, on CPU {t.cpu[id]}
					{place.text && `, at ${place.text}`}.
				</p>
				<ul>
					{touchFacts(model, id).map((f) => (
						<li key={f}>{f}</li>
					))}
				</ul>
				<p class="buttons">
					{next && (
						<button type="button" onClick={() => goOn(store)}>
							Go to {next} <kbd>Enter</kbd>
						</button>
					)}
					{store.history.length > 0 && (
						<button type="button" onClick={() => goBack(store)}>
							Back <kbd>Backspace</kbd>
						</button>
					)}
					<button type="button" onClick={() => stepTouch(store, -1)}>
						Access before <kbd>J</kbd>
					</button>
					<button type="button" onClick={() => stepTouch(store, 1)}>
						after <kbd>K</kbd>
					</button>
					<button
						type="button"
						onClick={() => {
							const { t0, t1 } = spanOf(t, id);
							setView(store, around(t0, t1, runEnd(store)));
						}}
					>
						Zoom to it <kbd>F</kbd>
					</button>
				</p>
				<Stack places={stackOf(model, t.stack[id])} />
			</div>
			<div>{t.frame[id] > 0 && <SourcePiece store={store} frame={t.frame[id]} />}</div>
		</div>
	);
}

// Beside the pointer.  What it says the selection says, too: it is for the eye alone.
export function HoverNote({ store }: { store: Store }) {
	const at = store.hover.value;
	if (!at) return null;
	const { model } = store;
	const t = model.touches;
	const style: Record<string, string> = {};
	if (at.x > window.innerWidth * 0.6) style.right = `${window.innerWidth - at.x + 10}px`;
	else style.left = `${at.x + 12}px`;
	if (at.y > window.innerHeight * 0.7) style.bottom = `${window.innerHeight - at.y + 12}px`;
	else style.top = `${at.y + 14}px`;
	return (
		<div class="hover" style={style} aria-hidden="true">
			{at.crowd ? (
				<b>{countWords(at.crowd)}; zoom in to see each</b>
			) : (
				<>
					<b>
						{model.threadNames[t.thread[at.id]]} {touchWords(model, at.id)}
					</b>
					<span>{shortName(placeOf(model, t.frame[at.id]).text, 72) || 'line not known'}</span>
					<span>{lockWords(model, at.id)}</span>
					<span>{atomicWords(t, at.id)}</span>
					{t.kind[at.id] === LOSES && <span class="loss">It goes over an update that it has not seen.</span>}
					{t.over[at.id] >= 0 && <span class="loss">This update is lost.</span>}
				</>
			)}
		</div>
	);
}

// ---- the accesses that prove a finding ----

// Its part in the loss.
function partOf(store: Store, id: number): string {
	const t = store.model.touches;
	if (t.lost[id] >= 0) return 'over it, unseen';
	if (t.over[id] >= 0) return 'is lost';
	return t.stale[id] >= 0 ? 'old soon' : '';
}

export function Witness({ store, finding }: { store: Store; finding: number }) {
	const { model } = store;
	const { meta } = model.data;
	const watched = meta.findings[finding].watched;
	if (watched === undefined) return null;
	const lost = meta.summary.findings[finding].id === 'lost-update';
	const ids = lost ? meta.watched[watched].witness : meta.watched[watched].racy;
	const t = touchesOf(store);
	if (!ids.length || !t.n) return null;
	const threads = [...new Set([...ids].reverse().map((id) => t.thread[id]))]; // first: whose write is the last
	const name = variableName(model, watched);
	return (
		<div class="scroll wide" tabIndex={0} role="region" aria-label={`Accesses to ${name}, from the top`}>
			<table class="witness">
				<caption>
					{lost ? `The shortest loss of an update of ${name} that was seen` : `Two writes of ${name} that nothing keeps apart`};
					a row leads to its place in the timeline
				</caption>
				<thead>
					<tr>
						<th scope="col">after</th>
						{threads.map((thread) => (
							<th key={thread} scope="col">
								{model.threadNames[thread]}
							</th>
						))}
						<th scope="col">where</th>
						<th scope="col">locks held</th>
						<th scope="col">CPU</th>
					</tr>
				</thead>
				<tbody>
					{ids.map((id) => (
						<tr key={id} class={store.touch.value === id ? 'lit' : ''}>
							<th scope="row">
								<button
									type="button"
									class="link"
									onClick={() => {
										selectTouch(store, id);
										store.wanted.value++;
									}}
								>
									{formatNs(t.time[id] - t.time[ids[0]])}
								</button>
							</th>
							{threads.map((thread) => (
								<td key={thread}>
									{thread === t.thread[id] && (
										<>
											<b>{doesWhat(t, id)}</b> {partOf(store, id) && <em>({partOf(store, id)})</em>}
										</>
									)}
								</td>
							))}
							<td>
								<Long text={placeOf(model, t.frame[id]).text || 'not known'} />
							</td>
							<td>{locksHeld(model, id) || 'none'}</td>
							<td class="number">{t.cpu[id]}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

// ---- the legend ----

function Mark({ kind, colours: p }: { kind: number; colours: Palette }) {
	const canvas = useRef<HTMLCanvasElement>(null);
	useEffect(() => {
		const g = canvas.current?.getContext('2d');
		if (!g) return;
		g.setTransform(2, 0, 0, 2, 0, 0);
		g.clearRect(0, 0, 14, 14);
		g.fillStyle = g.strokeStyle = kind === LOSES ? p.loss : kind === READ ? p.read : p.write;
		drawMark(g, kind, 7, 7, p.paper);
	}, [kind, p]);
	return <canvas ref={canvas} class="mark" width={28} height={28} aria-hidden="true" />;
}

export function MarksLegend({ colours }: { colours: Palette }) {
	return (
		<p class="legend">
			<b>Accesses to watched variables:</b>
			{[READ, WRITE, UPDATE, ATOMIC, LOSES].map((kind) => (
				<span key={kind}>
					<Mark kind={kind} colours={colours} />
					{MARK_WORDS[kind]}
				</span>
			))}
			<span>close together: a high tick is a write, a low one a read; columns: how many</span>
		</p>
	);
}
