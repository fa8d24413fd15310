// SPDX-License-Identifier: BSD-2-Clause
//
// Paints lanes as pixels: in each column the shares of the classes, stacked, exact to a pixel's height.
import { eachColumn, type Track } from '../visible';
import type { View } from '../time_scale';
import { tileAt } from './colours';

export interface Raster {
	width: number; // device px
	height: number;
	px: Uint32Array;
}

// From the bottom up in this order, so that what runs stands on the ground.
export function paintTrack(
	raster: Raster,
	track: Track,
	view: View,
	top: number, // device px
	height: number,
	tiles: Uint32Array[],
	order: number[],
): void {
	const { width, px } = raster;
	const first = Math.max(0, top);
	const last = Math.min(raster.height, top + height);
	if (last <= first) return;
	const perPx = (view.t1 - view.t0) / width;
	eachColumn(track, view.t0, view.t1, width, (x, whole, time) => {
		if (whole >= 0) {
			const t = tiles[track.of[whole]];
			for (let y = first; y < last; y++) px[y * width + x] = tileAt(t, x, y - top);
			return;
		}
		let bottom = top + height;
		let sum = 0;
		for (const c of order) {
			if (!time[c]) continue;
			sum += time[c];
			const until = Math.max(top, top + height - Math.round((sum / perPx) * height));
			for (let y = Math.min(bottom, last) - 1; y >= Math.max(until, first); y--)
				px[y * width + x] = tileAt(tiles[c], x, y - top);
			bottom = until;
		}
	});
}
