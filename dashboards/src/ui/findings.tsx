// SPDX-License-Identifier: BSD-2-Clause
//
// The verdict and the findings as cards, the costliest first, with the lines of source they point at.
import { showFinding, type Store } from '../store';
import { formatNs, formatShare } from '../time';
import { about, lineNumber, placeOf, sentenceOf, unbroken } from '../words';
import { Long, Prose } from './long';
import { Witness } from './touches';

// The verdict in one sentence, as the report has it.
export function verdictOf(store: Store): string {
	const { findings, run } = store.model.data.meta.summary;
	const first = findings[0];
	if (!first) return 'The recording allows no verdict.';
	if (findings.some((f) => f.id === 'healthy')) return 'Healthy: nothing here costs much time.';
	const title = sentenceOf(store.model, first.title);
	if (first.severity === 'info' || first.since_ns !== undefined || !first.cost_ns) return `${title}.`;
	return `${title}: up to ${about(store.model)}${formatNs(first.cost_ns)} of ${formatNs(run.duration_ns)} (${about(store.model)}${formatShare(first.cost_ns, run.duration_ns)}).`;
}

export function SourcePiece({ store, frame }: { store: Store; frame: number }) {
	const place = placeOf(store.model, frame);
	const source = store.model.data.meta.sources[String(place.fileId)];
	if (!place.text) return null;
	const piece = source
		? source.from.findIndex((from, i) => place.line >= from && place.line < from + source.text[i].length)
		: -1;
	return (
		<figure class="source">
			<figcaption>
				<Long text={place.text} />
				{source?.newer && piece >= 0 && <em> (the file was changed after the recording)</em>}
			</figcaption>
			{piece >= 0 && (
				<pre tabIndex={0} aria-label={`Lines around ${place.text}`}>
					{source.text[piece].map((line, i, { length }) => {
						const number = source.from[piece] + i;
						const last = source.from[piece] + length - 1;
						const here = number === place.line;
						return (
							<div key={number} class={here ? 'here' : ''}>
								<span class="number">{lineNumber(number, last, here)}</span>{' '}
								{line.replaceAll('\t', '    ')}
								{'\n'}
							</div>
						);
					})}
				</pre>
			)}
		</figure>
	);
}

// Frames with different lines, the first few.
function linesOf(store: Store, finding: number): number[] {
	const seen = new Set<string>();
	return store.model.data.meta.findings[finding].frames
		.filter((frame) => {
			const { text } = placeOf(store.model, frame);
			if (!text || seen.has(text)) return false;
			seen.add(text);
			return true;
		})
		.slice(0, 4);
}

function Card({ store, index }: { store: Store; index: number }) {
	const { meta, end } = store.model.data;
	const f = meta.summary.findings[index];
	const open = store.finding.value === index;
	const frames = linesOf(store, index);
	return (
		<li class={`card ${f.severity} ${open ? 'open' : ''}`}>
			<button type="button" class="show" aria-expanded={open} onClick={() => showFinding(store, index)}>
				<span class="severity">{f.severity === 'info' ? 'note' : f.severity}</span>
				<strong>
					<Prose text={f.title} />
				</strong>
				<span class="cost">
					{f.severity === 'info' || !f.cost_ns ? '' : `${about(store.model)}${formatNs(f.cost_ns)}, ${about(store.model)}${formatShare(f.cost_ns, end)} of the run`}
					{f.certainty === 'inferred' ? ' (inferred)' : ''}
				</span>
				{f.because_of && <span class="cost">follows from {f.because_of}</span>}
				<code>{f.id}</code>
				{f.lines.length > 0 && <span class="where">{f.lines.slice(0, 3).join(', ')}</span>}
			</button>
			{(open || (index === 0 && store.finding.value < 0)) && (
				<div class={frames.length ? 'body two' : 'body'}>
					<Witness store={store} finding={index} />
					<div>
						<p>
							<Prose text={f.evidence} />
						</p>
						{f.lesson && (
							<p>
								<b>Idea:</b> {f.lesson}
							</p>
						)}
						{f.advice && (
							<p>
								<b>Try:</b> {f.advice}
							</p>
						)}
					</div>
					<div>
						{frames.map((frame) => (
							<SourcePiece key={frame} store={store} frame={frame} />
						))}
					</div>
				</div>
			)}
		</li>
	);
}

export function Findings({ store }: { store: Store }) {
	const { findings } = store.model.data.meta.summary;
	return (
		<section aria-labelledby="verdict">
			<h1 id="verdict" class="verdict">
				<Prose text={unbroken(verdictOf(store))} />
			</h1>
			<ol class="cards">
				{findings.map((f, i) => (
					<Card key={`${f.id}${i}`} store={store} index={i} />
				))}
			</ol>
		</section>
	);
}
