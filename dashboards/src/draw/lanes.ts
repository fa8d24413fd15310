// SPDX-License-Identifier: BSD-2-Clause
//
// Paints lanes as pixels: in each column the shares of the classes, stacked, exact to a pixel's height.
import { eachColumn, type Track } from '../visible';
import type { View } from '../time_scale';
import { TILE } from './colours';

export interface Raster {
	width: number; // device px
	height: number;
	px: Uint32Array;
}

const NONE = 255;
let stack = new Uint8Array(0); // of one lane: the class at [x * height + y], y from its top

// Classes in each column, from the bottom up in the given order, so that what runs stands on the ground.
function stackClasses(track: Track, view: View, width: number, height: number, order: number[]): void {
	const perNs = height / ((view.t1 - view.t0) / width);
	const { of } = track;
	if (stack.length < width * height) stack = new Uint8Array(width * height);
	const at = stack;
	at.fill(NONE, 0, width * height);
	// a few bytes at a time: loops beat calls of fill()
	eachColumn(track, view.t0, view.t1, width, (x, whole, time) => {
		const top = x * height;
		let bottom = top + height;
		if (whole >= 0) {
			const c = of[whole];
			while (bottom > top) at[--bottom] = c;
			return;
		}
		const ground = bottom;
		let sum = 0;
		for (let k = 0; k < order.length; k++) {
			const c = order[k];
			if (!time[c]) continue;
			sum += time[c];
			const until = Math.max(top, ground - Math.round(sum * perNs));
			while (bottom > until) at[--bottom] = c;
		}
	});
}

// Two passes, each along its memory: columns of classes first, then rows of pixels.
export function paintTrack(
	raster: Raster,
	track: Track,
	view: View,
	top: number, // device px
	height: number,
	tiles: Uint32Array, // of all classes, one after the other
	order: number[],
): void {
	const { width, px } = raster;
	const first = Math.max(0, top);
	const last = Math.min(raster.height, top + height);
	if (last <= first) return;
	stackClasses(track, view, width, height, order);
	const classes = stack;
	for (let y = first; y < last; y++) {
		const tileRow = ((y - top) % TILE) * TILE;
		let to = y * width;
		let at = y - top;
		for (let left = 0; left < width; left += TILE) {
			const part = Math.min(TILE, width - left);
			for (let tx = tileRow; tx < tileRow + part; tx++, at += height, to++) {
				const c = classes[at];
				if (c !== NONE) px[to] = tiles[c * (TILE * TILE) + tx];
			}
		}
	}
}
