// SPDX-License-Identifier: BSD-2-Clause
//
// Paints how many threads did what, over time: ran, had no CPU, waited.
import type { Strip } from '../model';

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
	const parts = [strip.running, strip.runnable, strip.blocked];
	const ground = new Float64Array(strip.width).fill(top + height);
	// colour by colour: to change it costs more than a rectangle
	parts.forEach((part, i) => {
		g.fillStyle = colours[i];
		for (let x = 0; x < strip.width; x++) {
			const h = part[x] * unit;
			if (h <= 0) continue;
			g.fillRect(left + x * column, ground[x] - h, column + 0.5, h);
			ground[x] -= h;
		}
	});
}
