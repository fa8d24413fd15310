// SPDX-License-Identifier: BSD-2-Clause
//
// The critical path: what the run's time consists of, followed back from its end.  A row leads to its longest part.
import { useSignal, type ReadonlySignal } from '@preact/signals';
import type { Palette } from '../draw/colours';
import { classOf, sliceAt } from '../model';
import { pathPlace, reasonWords, sumPath, whoWords, type PathBy, type PathShare } from '../path';
import { select, type Store } from '../store';
import { formatNs, formatShare } from '../time';
import { about } from '../words';
import { Long } from './long';
import { Share } from './share';
import { Table, type Col } from './table';

const WAYS: [PathBy, string][] = [
	['reason', 'by what it did'],
	['thread', 'by thread'],
	['line', 'by line'],
];

function show(store: Store, row: PathShare): void {
	const { path } = store.model.data;
	const thread = path.thread[row.longest];
	const t = (path.start[row.longest] + path.start[row.longest + 1]) / 2;
	const slice = sliceAt(store.model, thread, t);
	store.path.value = true;
	store.lit.value = { threads: new Set(row.threads), locks: new Set(row.locks), frames: new Set() };
	if (slice >= 0) select(store, { thread, slice });
	store.cursor.value = t;
}

export function PathShares({ store, colours }: { store: Store; colours: ReadonlySignal<Palette> }) {
	const by = useSignal<PathBy>('reason');
	void store.lanesRead.value; // a sketch has none
	const { model } = store;
	const { path, meta } = model.data;
	const whole = path.start[path.n] - path.start[0];
	const inks = colours.value.states;
	const mostly = (row: PathShare, words: string) =>
		`${words}${words && row.frameNs < row.ns ? `, ${formatShare(row.frameNs, row.ns)}` : ''}`;
	const cols: Record<'reason' | 'thread' | 'line', Col<PathShare>> = {
		reason: { title: 'What', value: (r) => reasonWords(model, r), show: (r) => <Long text={reasonWords(model, r)} /> },
		thread: { title: 'Who', value: (r) => whoWords(model, r) },
		line: {
			title: 'Mostly at',
			value: (r) => pathPlace(model, r),
			show: (r) => <Long text={mostly(r, pathPlace(model, r) || (by.value === 'line' ? 'no line known' : ''))} />,
		},
	};
	const order: PathBy[] = [by.value, ...WAYS.map(([way]) => way).filter((way) => way !== by.value)];
	const [first, ...others] = order.map((way) => cols[way]);
	return (
		<>
			<div class="tools" role="group" aria-label="Add it up">
				{WAYS.map(([way, words]) => (
					<button key={way} type="button" aria-pressed={way === by.value} onClick={() => (by.value = way)}>
						{words}
					</button>
				))}
			</div>
			<Table
				key={by.value}
				store={store}
				caption={`Critical path: what the ${about(model)}${formatNs(whole)} consist of, followed back from the end through wakings and holders of locks; a row leads to its longest part`}
				rows={sumPath(model, by.value)}
				sort={2}
				go={(row) => show(store, row)}
				cols={[
					first,
					{
						title: 'of the run',
						value: (r) => r.ns,
						drawn: true,
						show: (r) => (
							<Share part={r.ns} whole={whole} ink={inks[classOf(meta.states[r.state])]} about={about(model)} />
						),
					},
					{ title: 'time', value: (r) => r.ns, show: (r) => formatNs(r.ns) },
					...others,
				]}
			/>
		</>
	);
}
