// SPDX-License-Identifier: BSD-2-Clause
//
// What a change would be worth: the recorded run as a bar, and under it the predicted ones.
import type { Store } from '../store';
import { formatNs } from '../time';
import { about } from '../words';

function Bar({
	name,
	ns,
	most,
	note,
	least,
}: {
	name: string;
	ns: number;
	most: number;
	note: string;
	least?: number;
}) {
	return (
		<tr>
			<th scope="row">{name}</th>
			<td class="bar">
				<div>
					<i style={{ width: `${(100 * ns) / most}%` }} />
					{least !== undefined && <b style={{ left: `${(100 * least) / most}%` }} />}
				</div>
			</td>
			<td class="number">{formatNs(ns)}</td>
			<td>{note}</td>
		</tr>
	);
}

// The summary names locks and threads by their numbers; people know them by name.
function inWords(store: Store, change: string): string {
	const { locks, summary } = store.model.data.meta;
	return change
		.replace(/\bL(\d+)\b/, (id, n: string) => locks.find((l) => l[0] === Number(n))?.[1] ?? id)
		.replace(/\bthread (\d+)\b/, (words, tid: string) => {
			const at = summary.threads.findIndex((t) => t.tid === Number(tid));
			return at < 0 ? words : store.model.threadNames[at];
		});
}

export function WhatIfBars({ store }: { store: Store }) {
	const { what_if: rows, what_if_replay: replay, run } = store.model.data.meta.summary;
	if (!replay.usable || !rows.length)
		return (
			<p class="dim">
				{replay.usable
					? 'No change that ctrace can replay would shorten this run.'
					: 'The replay differs too much from the recorded run: nothing is predicted.'}
			</p>
		);
	const most = Math.max(run.duration_ns, ...rows.map((r) => r.duration_ns));
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label="What if">
			<table class="whatif">
				<caption>
					How long the run would have taken, replayed with one thing changed. The mark in a bar: no less than
					this, as far as the recording tells. The replay itself is {about(store.model)}
					{(100 * replay.error).toFixed(1)} % off.
				</caption>
				<tbody>
					<Bar name="as recorded" ns={run.duration_ns} most={most} note="" />
					{rows.map((r, i) => (
						<Bar
							key={i}
							name={inWords(store, r.change)}
							ns={r.duration_ns}
							most={most}
							least={r.at_least_ns}
							note={`${about(store.model)}${r.speedup.toFixed(2)} times as fast; ${r.assumes}`}
						/>
					))}
				</tbody>
			</table>
		</div>
	);
}
