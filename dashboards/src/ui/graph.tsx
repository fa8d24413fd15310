// SPDX-License-Identifier: BSD-2-Clause
//
// Who waits for whom at the cursor: threads as boxes, an arrow from who waits to who has the lock.  A ring
// is a deadlock, and drawn as one.
import { layOutGraph, type Shape } from '../graph_layout';
import { shortName } from '../names';
import { select, type Store } from '../store';
import { inRing, waitEdges, type WaitEdge } from '../sums';
import { formatNs } from '../time';
import { sliceAt } from '../model';
import { lockName } from '../words';

const CHAR = 7.4; // px of the font
const MOST = 60; // threads drawn; the others are in the table of threads

// The words below have the whole name.
const labelOf = (store: Store, edge: WaitEdge): string =>
	edge.lock < 0 ? 'joins' : shortName(lockName(store.model, edge.lock), 40);

function layOut(store: Store, edges: WaitEdge[]): Shape {
	const { threadNames } = store.model;
	return layOutGraph(
		edges.map((edge) => ({ ...edge, label: labelOf(store, edge).length * CHAR })),
		(thread) => Math.max(70, threadNames[thread].length * CHAR + 20),
	);
}

export function WaitGraph({ store }: { store: Store }) {
	const { model } = store;
	const t = store.cursor.value ?? (store.view.value.t0 + store.view.value.t1) / 2;
	const all = waitEdges(model, t);
	const ring = inRing(all);
	const edges = [...all].sort((a, b) => Number(ring.has(b.from)) - Number(ring.has(a.from))).slice(0, MOST);
	if (!edges.length)
		return (
			<p class="dim">
				At {formatNs(t)} no thread waits for another one that is known. Click into the timeline to choose a
				moment.
			</p>
		);
	const shape = layOut(store, edges);
	const words = edges.map(
		(e) =>
			`${model.threadNames[e.from]} waits for ${model.threadNames[e.to]}${e.lock < 0 ? ' to end' : `, which has ${lockName(model, e.lock)}`}`,
	);
	const go = (thread: number) => {
		const slice = sliceAt(model, thread, t);
		if (slice >= 0) select(store, { thread, slice });
	};
	return (
		<div>
			<p>
				At {formatNs(t)}
				{ring.size ? (
					<b>
						:{' '}
						{ring.size === 1
							? 'a thread waits for itself'
							: `a ring of ${ring.size} threads, each waits for the next`}
						. While it lasts nobody in it can go on.
					</b>
				) : (
					'. No ring: whoever stands at the end of the arrows can go on.'
				)}
			</p>
			<div class="scroll" tabIndex={0} role="region" aria-label="Wait-for graph">
				<svg
					class="graph"
					width={shape.width}
					height={shape.height}
					viewBox={`0 0 ${shape.width} ${shape.height}`}
					role="img"
					aria-label={words.join('; ')}
				>
					<defs>
						<marker
							id="tip"
							viewBox="0 0 8 8"
							refX="7"
							refY="4"
							markerWidth="11"
							markerHeight="11"
							markerUnits="userSpaceOnUse"
							orient="auto"
						>
							<path d="M0 0 L8 4 L0 8 z" />
						</marker>
					</defs>
					{shape.lines.map(({ points }, i) => (
						<path
							key={i}
							class={ring.has(edges[i].from) && ring.has(edges[i].to) ? 'edge ring' : 'edge'}
							d={`M${points.map((p) => `${p.x} ${p.y}`).join(' L')}`}
							marker-end="url(#tip)"
						/>
					))}
					{shape.lines.map(({ label }, i) => (
						<g key={i} class="label">
							<rect
								x={label.x - (labelOf(store, edges[i]).length * CHAR) / 2}
								y={label.y - 8}
								width={labelOf(store, edges[i]).length * CHAR}
								height={16}
							/>
							<text x={label.x} y={label.y + 4} text-anchor="middle">
								{labelOf(store, edges[i])}
							</text>
						</g>
					))}
					{[...shape.boxes.values()].map((n) => (
						<g key={n.thread} class={ring.has(n.thread) ? 'node ring' : 'node'} onClick={() => go(n.thread)}>
							<rect x={n.x - n.width / 2} y={n.y - n.height / 2} width={n.width} height={n.height} rx="5" />
							<text x={n.x} y={n.y + 4} text-anchor="middle">
								{model.threadNames[n.thread]}
							</text>
						</g>
					))}
				</svg>
			</div>
			<ul>
				{words.map((w, i) => (
					<li key={i}>
						<button type="button" class="link" onClick={() => go(edges[i].from)}>
							{w}
						</button>
					</li>
				))}
			</ul>
			{all.length > MOST && <p class="dim">and {all.length - MOST} more that wait.</p>}
		</div>
	);
}
