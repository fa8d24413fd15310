// SPDX-License-Identifier: BSD-2-Clause
//
// What a change would be worth: the recorded run as a bar, and under it the predicted ones.
import type { WhatIf } from '../meta';
import type { Store } from '../store';
import { formatNs, formatShare } from '../time';
import { about, unbroken } from '../words';
import { Prose } from './long';

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
			<th scope="row">
				<Prose text={name} />
			</th>
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

// How well the replay fits, which no prediction can be better than.
export function replayWords(store: Store): string {
	const { what_if_replay: replay, run } = store.model.data.meta.summary;
	const tilde = about(store.model);
	const cpus =
		replay.cpus && replay.cpus !== run.cpus
			? ` on ${replay.cpus} CPU${replay.cpus === 1 ? '' : 's'}, as others seem to have had the rest`
			: '';
	const off = formatShare(Math.abs(replay.error), 1);
	const took = `Replayed with nothing changed${cpus}, the work takes ${tilde}${formatNs(replay.duration_ns)}`;
	const wrong = `${tilde}${off} too ${replay.error < 0 ? 'little' : 'much'}`;
	if (!replay.usable) return `${took}, ${wrong}: too far from what it took to predict anything.`;
	return off === '0 %'
		? `${took}, as recorded.`
		: `${took}, ${wrong}; the times here are corrected for that.`;
}

function gainWords(store: Store, change: WhatIf): string {
	const { run } = store.model.data.meta.summary;
	const tilde = about(store.model);
	const saved = run.duration_ns - change.duration_ns;
	const saves =
		saved > 0 ? `: saves ${tilde}${formatNs(saved)}, ${tilde}${formatShare(saved, run.duration_ns)}` : '';
	const times = change.speedup.toFixed(2);
	const gain = times === '1.00' ? 'about as fast as it was' : `${tilde}${times} times as fast${saves}`;
	return `${gain}; if ${change.assumes}`;
}

export function WhatIfBars({ store }: { store: Store }) {
	const { what_if: rows, what_if_replay: replay, run } = store.model.data.meta.summary;
	if (!replay.duration_ns) return <p class="dim">There was nothing to replay.</p>;
	if (!replay.usable || !rows.length)
		return (
			<p class="dim">
				{unbroken(replayWords(store))}
				{replay.usable && ' No change that ctrace can replay would shorten this run.'}
			</p>
		);
	const most = Math.max(run.duration_ns, ...rows.map((r) => r.duration_ns));
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label="What if">
			<table class="whatif">
				<caption>
					How long the run would have taken with one thing changed, found by replaying it. The mark in a bar: no
					less than this, as far as the recording tells. {unbroken(replayWords(store))}
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
							note={unbroken(gainWords(store, r))}
						/>
					))}
				</tbody>
			</table>
		</div>
	);
}
