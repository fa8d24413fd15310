// SPDX-License-Identifier: BSD-2-Clause
//
// Search: threads, watched variables, locks, lines and findings by a part of their name.  A hit leads to the longest
// wait of what it is.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { noLight, showFinding, type Store } from '../store';
import { placeOf } from '../words';
import { goToLongest, goToThread, goToVariable, lightLock } from './go';
import { Long } from './long';

interface Hit {
	kind: string;
	name: string;
	go: () => void;
}

const MOST = 30;

export function findHits(store: Store, text: string): Hit[] {
	const { model } = store;
	const { meta, waits } = model.data;
	const hits: Hit[] = [];
	const wanted = text.toLowerCase();
	const add = (kind: string, name: string, go: () => void) => {
		if (hits.length < MOST && name.toLowerCase().includes(wanted)) hits.push({ kind, name, go });
	};
	// the timeline comes into sight, as from the rows of tables
	const lead = (go: () => void) => () => {
		go();
		store.wanted.value++;
	};
	meta.summary.findings.forEach((f, i) =>
		add('finding', `${f.title} (${f.id})`, () => showFinding(store, i)),
	);
	meta.summary.threads.forEach((t, i) =>
		add('thread', `${model.threadNames[i]} (tid ${t.tid})`, lead(() => goToThread(store, i))),
	);
	meta.summary.watch?.forEach((w, i) => add('variable', w.name, lead(() => goToVariable(store, i))));
	meta.locks.forEach((l, i) => add('lock', `${l[1]} (${l[2]})`, lead(() => lightLock(store, i))));
	const lines = new Map<string, Set<number>>(); // a line may have several places in the program
	for (const frame of waits.kinds.frame) {
		const { text: line } = placeOf(model, frame);
		if (line) lines.set(line, (lines.get(line) ?? new Set()).add(frame));
	}
	for (const [line, frames] of lines)
		add(
			'line',
			line,
			lead(() => {
				store.lit.value = { ...noLight(), frames };
				goToLongest(store, (w) => frames.has(waits.at('frame', w)));
			}),
		);
	return hits;
}

// `of` is where its timeline is, where there are two.
export function Search({ store, of = '' }: { store: Store; of?: string }) {
	const text = useSignal('');
	const input = useRef<HTMLInputElement>(null);
	useLayoutEffect(() => {
		if (!store.search.value) return;
		input.current?.focus();
		input.current?.select(); // what was looked for last
	}, [store.search.value]);
	if (!store.search.value) return null;
	const hits = text.value.trim() ? findHits(store, text.value.trim()) : [];
	const close = () => {
		store.search.value = false;
		document.querySelector<HTMLElement>(`${of} .lanes canvas`)?.focus({ preventScroll: true });
	};
	const take = (hit: Hit | undefined) => {
		if (!hit) return;
		close();
		hit.go();
	};
	return (
		<div class="dialog" role="dialog" aria-label="Search">
			<form
				onSubmit={(e) => {
					e.preventDefault();
					take(hits[0]);
				}}
			>
				<label>
					Search threads, variables, locks, lines, findings
					<input
						ref={input}
						type="search"
						value={text.value}
						onInput={(e) => (text.value = e.currentTarget.value)}
						onKeyDown={(e) => e.key === 'Escape' && close()}
					/>
				</label>
			</form>
			<ul class="hits">
				{hits.map((hit, i) => (
					<li key={i}>
						<button type="button" class="link" onClick={() => take(hit)}>
							<span class="severity">{hit.kind}</span> <Long text={hit.name} />
						</button>
					</li>
				))}
				{text.value.trim() && !hits.length && <li class="dim">Nothing has that in its name.</li>}
			</ul>
		</div>
	);
}
