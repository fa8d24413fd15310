// SPDX-License-Identifier: BSD-2-Clause
//
// Search: threads, watched variables, locks, lines and findings by a part of their name.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { noLight, select, selectTouch, showFinding, type Store } from '../store';
import { sliceAt } from '../model';
import { placeOf } from '../words';

interface Hit {
	kind: string;
	name: string;
	go: () => void;
}

const MOST = 30;

function firstWait(store: Store, fits: (w: number) => boolean): void {
	const { waits } = store.model.data;
	for (let w = 0; w < waits.n; w++) {
		if (!fits(w) || waits.thread[w] < 0) continue;
		const slice = sliceAt(store.model, waits.thread[w], waits.start[w]);
		if (slice >= 0) select(store, { thread: waits.thread[w], slice });
		return;
	}
}

export function findHits(store: Store, text: string): Hit[] {
	const { model } = store;
	const { meta, waits } = model.data;
	const hits: Hit[] = [];
	const wanted = text.toLowerCase();
	const add = (kind: string, name: string, go: () => void) => {
		if (hits.length < MOST && name.toLowerCase().includes(wanted)) hits.push({ kind, name, go });
	};
	meta.summary.findings.forEach((f, i) =>
		add('finding', `${f.title} (${f.id})`, () => showFinding(store, i)),
	);
	meta.summary.threads.forEach((t, i) =>
		add('thread', `${model.threadNames[i]} (tid ${t.tid})`, () => {
			store.lit.value = { ...noLight(), threads: new Set([i]) };
			select(store, { thread: i, slice: 0 });
		}),
	);
	meta.summary.watch?.forEach((w, i) =>
		add('variable', w.name, () => {
			store.lit.value = { ...noLight(), threads: new Set(meta.watched[i].threads), variables: new Set([i]) };
			const first = model.touches.byVariable[i].ids[0];
			if (first !== undefined) selectTouch(store, first);
		}),
	);
	meta.locks.forEach((l, i) =>
		add('lock', `${l[1]} (${l[2]})`, () => {
			store.lit.value = { ...noLight(), locks: new Set([i]) };
			firstWait(store, (w) => waits.kinds.lock[waits.kind[w]] === i);
		}),
	);
	const seen = new Set<number>();
	for (const frame of waits.kinds.frame) {
		if (seen.has(frame) || !frame) continue;
		seen.add(frame);
		add('line', placeOf(model, frame).text, () => firstWait(store, (w) => waits.kinds.frame[waits.kind[w]] === frame));
	}
	return hits;
}

// `of` is where its timeline is, where there are two.
export function Search({ store, of = '' }: { store: Store; of?: string }) {
	const text = useSignal('');
	const input = useRef<HTMLInputElement>(null);
	useLayoutEffect(() => {
		if (store.search.value) input.current?.focus();
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
							<span class="severity">{hit.kind}</span> {hit.name}
						</button>
					</li>
				))}
				{text.value.trim() && !hits.length && <li class="dim">Nothing has that in its name.</li>}
			</ul>
		</div>
	);
}
