// SPDX-License-Identifier: BSD-2-Clause
//
// The keys, and how to read the page.  The table is also what keys.ts is tested against.
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Store } from '../store';

export const KEYS: [keys: string, what: string][] = [
	['W S', 'zoom in, out (by the place of the keys, whatever they are called)'],
	['A D, ← →', 'move to the left, right'],
	['↑ ↓', 'in the timeline: the thread above, below'],
	['F', 'zoom to the selection or the marked range'],
	['0', 'the whole run'],
	[', .', 'slice before, after; with an access selected, that of the same thread'],
	['J K', 'access to the watched variable before, after, whichever thread’s'],
	['L', 'next lost update'],
	['Enter', 'go to the cause: who woke it, who has the lock'],
	['Backspace', 'back along that chain'],
	['N P', 'next, previous finding'],
	['C', 'critical path on or off'],
	['O', 'only the threads and locks that are lit, or all'],
	['G', 'who waits for whom at the cursor'],
	['/', 'search'],
	['T', 'light, dark, as the system'],
	['Esc', 'close, forget the selection'],
	['?', 'this help'],
];

// Of two runs side by side.
const KEYS_OF_TWO: typeof KEYS = [
	...KEYS,
	['X', 'to the other of the two runs: keys are for the one that has the focus'],
];

export function Help({ store, two = false }: { store: Store; two?: boolean }) {
	const close = useRef<HTMLButtonElement>(null);
	useLayoutEffect(() => {
		if (store.help.value) close.current?.focus();
	}, [store.help.value]);
	if (!store.help.value) return null;
	return (
		<div class="dialog" role="dialog" aria-label="Help">
			<button ref={close} type="button" class="close" onClick={() => (store.help.value = false)}>
				Close
			</button>
			<h2>How to read this page</h2>
			{two && (
				<p>
					A is what was, B what is now. Of each pair of bars the upper one is A. The hatched part is the noise
					around A: a B that ends in it says nothing. The thin line at a bar's end goes from the least to the
					most of several runs. <b>A click on a row goes to the place in both timelines that shows it.</b>
				</p>
			)}
			<p hidden={two}>
				The sentence at the top is the verdict; each card under it is something that costs time, with the
				lines of the program it points at.{' '}
				<b>A click on a card goes to the place in the timeline that proves it.</b>
			</p>
			<p>
				In the timeline each lane is a thread, a watched variable, a lock or a CPU. Zoomed out, a column of pixels shows the true
				shares of what happened in it. A thread that <i>waits for a CPU</i> is ready and has none; one that{' '}
				<i>waits for a lock</i> could not go on until somebody let go of it. An arrow goes from who woke to who
				was woken; with a number it stands for so many.
			</p>
			{store.model.data.meta.summary.watch && (
				<p>
					Under a thread stand its accesses to the watched variables, a mark for each or, where there are too
					many, how many: <i>readings</i>, <i>writes</i>, and writes by which an update is lost. The pointer
					on a mark shows value, line and lock. A variable has a lane, too: its value over time. The arrows of
					a lost update go from the reading that is old, to what another thread wrote meanwhile, to the write
					that knows nothing of it.
				</p>
			)}
			<table class="keys">
				<tbody>
					{(two ? KEYS_OF_TWO : KEYS).map(([keys, what]) => (
						<tr key={keys}>
							<th scope="row">
								<kbd>{keys}</kbd>
							</th>
							<td>{what}</td>
						</tr>
					))}
				</tbody>
			</table>
			<p>
				With fingers, in the timeline: a tap selects, one finger moves it, two zoom; a finger that rests, then
				moves, marks a stretch. In the strip above it a finger moves the part in view.
			</p>
			<p>
				With the pointer: click selects, drag marks a stretch, Shift and drag moves, Ctrl and wheel zooms.
			</p>
			<p class="dim">
				This page is one file and sends nothing anywhere; it can be mailed or handed in.
			</p>
		</div>
	);
}
