// SPDX-License-Identifier: BSD-2-Clause
//
// Where a run has ended while the other one, under which or over which it is drawn, goes on.
import { formatNs } from '../time';
import { toX } from '../time_scale';
import type { Scene } from './overlay';

export function drawEnd(scene: Scene, until: number): void {
	const { g, palette: p, model, view, left, width, top, height } = scene;
	const { end } = model.data;
	if (end >= until || view.t1 <= end) return;
	const x = left + Math.max(0, toX(view, end, width));
	g.fillStyle = p.paper;
	g.fillRect(x, top, left + width - x, height);
	g.fillStyle = p.dim;
	g.fillRect(x, top, 1.5, height);
	g.textBaseline = 'middle';
	g.font = '12px system-ui, sans-serif';
	const text = `ended after ${formatNs(end)}`;
	const room = left + width - x - 12;
	if (g.measureText(text).width < room) g.fillText(text, x + 6, top + 15);
}
