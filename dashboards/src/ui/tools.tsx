// SPDX-License-Identifier: BSD-2-Clause
//
// Buttons over the timeline that one run and two beside each other have: what is in view, where to go next.
import { nextFinding, runEnd, setView, showNextLoss, touchesOf, type Store } from '../store';
import { zoomAt } from '../time_scale';

export function MoveTools({ store, whole }: { store: Store; whole: string }) {
	const zoom = (factor: number) => {
		const { t0, t1 } = store.view.value;
		setView(store, zoomAt(store.view.value, (t0 + t1) / 2, factor, runEnd(store)));
	};
	const button = (words: string, key: string, act: () => void) => (
		<button type="button" onClick={act}>
			{words} <kbd>{key}</kbd>
		</button>
	);
	return (
		<>
			{button('Zoom in', 'W', () => zoom(0.5))}
			{button('out', 'S', () => zoom(2))}
			{button(whole, '0', () => setView(store, { t0: 0, t1: runEnd(store) }))}
			{button('Next finding', 'N', () => nextFinding(store, 1))}
			{touchesOf(store).byVariable.some((v) => v.losses[v.n] > 0) &&
				button('Next lost update', 'L', () => showNextLoss(store))}
			<label>
				<input
					type="checkbox"
					checked={store.path.value}
					onChange={(e) => (store.path.value = e.currentTarget.checked)}
				/>{' '}
				Critical path <kbd>C</kbd>
			</label>
		</>
	);
}
