// SPDX-License-Identifier: BSD-2-Clause
//
// Flame graphs of the range that is marked or in view, and of the threads that are lit: a box is as wide
// as its share of the time; a click makes a box the whole.
import { useSignal } from '@preact/signals';
import { shortName } from '../names';
import { chosenRange, type Store } from '../store';
import { offCpuFlame, onCpuFlame, type Flame } from '../sums';
import { formatNs, formatShare } from '../time';
import { stateWords } from '../words';

const LEAST = 0.004; // of the whole: narrower boxes are left out
const ROW = 20;

interface Box {
	flame: Flame;
	path: string[];
	x: number;
	width: number;
	depth: number;
}

function layOut(root: Flame, path: string[]): Box[] {
	const boxes: Box[] = [];
	const visit = (flame: Flame, at: string[], x: number, depth: number) => {
		const width = root.ns ? flame.ns / root.ns : 0;
		if (width < LEAST) return;
		boxes.push({ flame, path: at, x, width, depth });
		let left = x;
		for (const next of [...flame.children.values()].sort((a, b) => b.ns - a.ns)) {
			visit(next, [...at, next.name], left, depth + 1);
			left += next.ns / root.ns;
		}
	};
	visit(root, path, 0, 0);
	return boxes;
}

function descend(root: Flame, path: string[]): { flame: Flame; path: string[] } {
	let flame = root;
	const done: string[] = [];
	for (const name of path) {
		const next = flame.children.get(name);
		if (!next) break;
		flame = next;
		done.push(name);
	}
	return { flame, path: done };
}

export function FlameGraph({ store, kind }: { store: Store; kind: 'off' | 'on' }) {
	const zoom = useSignal<string[]>([]);
	const range = chosenRange(store);
	const lit = store.lit.value.threads;
	const wanted = (t: number) => !lit.size || lit.has(t);
	const root =
		kind === 'off' ? offCpuFlame(store.model, range, wanted) : onCpuFlame(store.model, range, wanted);
	const { flame, path } = descend(root, zoom.value);
	const boxes = layOut(flame, path);
	const depth = boxes.reduce((most, b) => Math.max(most, b.depth), 0) + 1;
	const about = `${lit.size ? `${lit.size} lit thread${lit.size === 1 ? '' : 's'}` : 'all threads'}, ${store.range.value ? 'marked range' : 'part in view'}`;
	if (!root.ns)
		return (
			<p class="dim">
				{kind === 'off'
					? 'Nobody waited'
					: store.model.data.meta.summary.run.cpu_samples_hz
						? 'No samples'
						: 'This trace has no CPU samples'}{' '}
				({about}).
			</p>
		);
	return (
		<div>
			<p class="dim">
				{kind === 'off'
					? 'Waiting by reason, then by where in the program, outermost function first'
					: 'What ran, by CPU samples: thread, then functions, outermost first'}
				; {about}, {formatNs(root.ns)}.
				{path.length > 0 && (
					<button type="button" onClick={() => (zoom.value = path.slice(0, -1))}>
						One step out
					</button>
				)}
			</p>
			<div class="flame" style={{ height: `${depth * ROW}px` }}>
				{boxes.map((b) => {
					const name = kind === 'off' && b.path.length === 1 ? stateWords(b.flame.name) : b.flame.name;
					const label = `${name}: ${formatNs(b.flame.ns)}, ${formatShare(b.flame.ns, root.ns)}`;
					return (
						<button
							key={b.path.join('\n')}
							type="button"
							class={`tone${b.path.length % 3}`}
							title={label}
							aria-label={label}
							style={{ left: `${100 * b.x}%`, width: `${100 * b.width}%`, top: `${b.depth * ROW}px` }}
							onClick={() => (zoom.value = b.path)}
						>
							{shortName(name, 72)}
						</button>
					);
				})}
			</div>
		</div>
	);
}
