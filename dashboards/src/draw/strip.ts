// SPDX-License-Identifier: BSD-2-Clause
//
// How many threads did what, over time: ran, had no CPU, waited.  Exact sums in each column.
import { RUNNABLE, RUNNING, type Model } from '../model';
import type { View } from '../time_scale';
import { eachColumn } from '../visible';

export interface Strip {
	width: number;
	// mean number of threads in each column
	running: Float64Array;
	runnable: Float64Array;
	blocked: Float64Array;
	most: number; // alive at once, at most
}

export function computeStrip(model: Model, view: View, width: number): Strip {
	const [running, runnable, blocked] = [0, 1, 2].map(() => new Float64Array(width));
	const perColumn = (view.t1 - view.t0) / width;
	for (const track of model.threads)
		eachColumn(track, view.t0, view.t1, width, (x, whole, time) => {
			if (whole >= 0) {
				const c = track.of[whole];
				(c === RUNNING ? running : c === RUNNABLE ? runnable : blocked)[x] += 1;
				return;
			}
			running[x] += time[RUNNING] / perColumn;
			runnable[x] += time[RUNNABLE] / perColumn;
			for (let c = 2; c < time.length; c++) blocked[x] += time[c] / perColumn;
		});
	let most = 1;
	for (let x = 0; x < width; x++) most = Math.max(most, running[x] + runnable[x] + blocked[x]);
	return { width, running, runnable, blocked, most };
}

export function drawStrip(
	g: CanvasRenderingContext2D,
	strip: Strip,
	left: number,
	top: number,
	height: number,
	colours: string[], // running, runnable, blocked
	column: number, // px
): void {
	const unit = height / Math.ceil(strip.most - 1e-9);
	for (let x = 0; x < strip.width; x++) {
		let y = top + height;
		[strip.running[x], strip.runnable[x], strip.blocked[x]].forEach((n, i) => {
			const h = n * unit;
			if (h <= 0) return;
			g.fillStyle = colours[i];
			g.fillRect(left + x * column, y - h, column + 0.5, h);
			y -= h;
		});
	}
}
