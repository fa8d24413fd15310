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
	const perPx = (view.t1 - view.t0) / width;
	if (stack.length < width * height) stack = new Uint8Array(width * height);
	stack.fill(NONE, 0, width * height);
	eachColumn(track, view.t0, view.t1, width, (x, whole, time) => {
		const top = x * height;
		if (whole >= 0) {
			stack.fill(track.of[whole], top, top + height);
			return;
		}
		let bottom = height;
		let sum = 0;
		for (const c of order) {
			if (!time[c]) continue;
			sum += time[c];
			const until = Math.max(0, height - Math.round((sum / perPx) * height));
			if (until < bottom) stack.fill(c, top + until, top + bottom);
			bottom = Math.min(bottom, until);
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
	for (let y = first; y < last; y++) {
		const row = y * width;
		const tileRow = ((y - top) % TILE) * TILE;
		for (let x = 0, at = y - top, tx = 0; x < width; x++, at += height) {
			const c = stack[at];
			if (c !== NONE) px[row + x] = tiles[c * TILE * TILE + tileRow + tx];
			if (++tx === TILE) tx = 0;
		}
	}
}
