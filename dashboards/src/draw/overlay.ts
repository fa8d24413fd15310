// SPDX-License-Identifier: BSD-2-Clause
//
// What lies over the lanes: the ruler, names of slices, the critical path, losses, cuts, selection and cursor;
// wake-ups are in arrows.ts, accesses in marks.ts.  (context, scale, items) -> pixels; coordinates are CSS px.
import type { Lane } from '../layout';
import type { Model } from '../model';
import type { Lit } from '../store';
import { formatCount, formatMark, formatNs, rulerStep } from '../time';
import { toX, type View } from '../time_scale';
import { findSlice } from '../visible';
import { sliceLabel, type Ref } from '../words';
import { css, type Palette } from './colours';

export interface Scene {
	g: CanvasRenderingContext2D;
	model: Model;
	palette: Palette;
	view: View;
	left: number; // of the lanes
	width: number; // of the lanes
	top: number; // of the lanes: below the ruler
	height: number; // of the lanes in view
	scroll: number;
	lanes: Lane[]; // those in view
	all: Lane[];
	font: string; // of g: to ask g is slow
}

export function setFont(s: Scene, font: string): void {
	if (s.font !== font) s.g.font = font;
	s.font = font;
}

export const xOf = (s: Scene, t: number) => s.left + toX(s.view, t, s.width);
export const yOf = (s: Scene, lane: Lane) => s.top + lane.y - s.scroll;
export const clampX = (s: Scene, x: number) => Math.min(Math.max(x, s.left), s.left + s.width);

// The height of a lane's states, above its accesses.
export const barOf = (lane: Lane) => lane.height - lane.band;

export function drawRuler(s: Scene): void {
	const { g, palette, view } = s;
	const step = rulerStep(((view.t1 - view.t0) / s.width) * 110);
	g.fillStyle = palette.paper;
	g.fillRect(0, 0, s.left + s.width, s.top);
	setFont(s, '11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	g.fillStyle = palette.dim;
	g.strokeStyle = palette.line;
	g.lineWidth = 1;
	g.beginPath();
	for (let t = Math.ceil(view.t0 / step) * step; t <= view.t1; t += step) {
		const x = Math.round(xOf(s, t)) + 0.5;
		g.moveTo(x, s.top - 8);
		g.lineTo(x, s.top);
		if (x < s.left + s.width - 40) g.fillText(formatMark(t, step), x + 4, s.top / 2);
	}
	g.stroke();
	g.fillText(`${formatNs(view.t1 - view.t0)} in view`, 8, s.top / 2);
}

// Widths of texts: the same few are asked for in every frame.
const widths = new Map<string, number>();
const WIDTHS_MOST = 5000;

export function textWidth({ g, font }: Scene, text: string): number {
	const key = font + text;
	let width = widths.get(key);
	if (width !== undefined) return width;
	if (widths.size >= WIDTHS_MOST) widths.clear();
	width = g.measureText(text).width;
	widths.set(key, width);
	return width;
}

export function fit(s: Scene, text: string, width: number): string {
	if (textWidth(s, text) <= width) return text;
	let n = text.length;
	while (n > 1 && textWidth(s, `${text.slice(0, n)}…`) > width) n = Math.floor(n * 0.85);
	return n > 1 ? `${text.slice(0, n)}…` : '';
}

const isLit = (lit: Lit, lane: Lane): boolean =>
	(lane.kind === 'thread' && lit.threads.has(lane.index)) ||
	(lane.kind === 'lock' && lit.locks.has(lane.index)) ||
	(lane.kind === 'variable' && !!lit.variables?.has(lane.index));

export function drawGutter(s: Scene, lit: Lit, selected: number): void {
	const { g, palette } = s;
	g.fillStyle = palette.paper;
	g.fillRect(0, s.top, s.left, s.height);
	g.textBaseline = 'middle';
	for (const lane of s.lanes) {
		const y = yOf(s, lane);
		const on = isLit(lit, lane);
		const bold = lane.kind === 'head' || on || (lane.kind === 'thread' && lane.index === selected);
		setFont(s, `${bold ? '600 ' : ''}12px system-ui, sans-serif`);
		g.fillStyle = lane.kind === 'head' ? palette.dim : palette.text;
		if (on) {
			g.fillRect(2, y + 2, 4, lane.height - 4);
		}
		const indent = lane.kind === 'head' ? 8 : 14;
		const room = s.left - indent - 6;
		// rather a process's name alone than a piece of its id
		const whole = lane.kind !== 'head' || textWidth(s, lane.name) <= room;
		const name = whole ? lane.name : lane.name.replace(/ \(pid \d+\)$/, '');
		g.fillText(fit(s, name, room), indent, y + lane.height / 2 + 1);
	}
}

const LABEL_PX = 34;
const LABELS_MOST = 600; // slices looked at for each lane

function label(s: Scene, text: string, x0: number, x1: number, lane: Lane, back: string, ink: string): void {
	const { g } = s;
	const shown = fit(s, text, x1 - x0 - 8);
	if (!shown) return;
	const y = yOf(s, lane) + barOf(lane) / 2 + 0.5;
	g.fillStyle = back;
	g.fillRect(x0 + 2, y - 7, textWidth(s, shown) + 4, 14);
	g.fillStyle = ink;
	g.fillText(shown, x0 + 4, y);
}

interface Wide {
	i: number;
	x0: number;
	x1: number;
}

// Slices that are wide enough for a name.
function wideSlices(s: Scene, track: { n: number; start: Float64Array }): Wide[] {
	const out: Wide[] = [];
	let i = Math.max(0, findSlice(track, s.view.t0));
	for (let looked = 0; i < track.n && track.start[i] < s.view.t1 && looked < LABELS_MOST; i++, looked++) {
		const x0 = clampX(s, xOf(s, track.start[i]));
		const x1 = clampX(s, xOf(s, track.start[i + 1]));
		if (x1 - x0 >= LABEL_PX) out.push({ i, x0, x1 });
	}
	return out;
}

function lockLabel(model: Model, lock: number, i: number): string {
	const lane = model.locks[lock];
	const holder = lane.holder[i] >= 0 ? model.threadNames[lane.holder[i]] : '';
	const queue = lane.waiters[i] ? `${lane.waiters[i]} wait` : '';
	return [holder, queue].filter(Boolean).join('; ');
}

export function drawNames(s: Scene): void {
	const { g, model, palette } = s;
	setFont(s, '11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	for (const lane of s.lanes) {
		if (lane.kind === 'head' || lane.kind === 'variable') continue;
		const track =
			lane.kind === 'thread'
				? model.threads[lane.index]
				: lane.kind === 'lock'
					? model.locks[lane.index]
					: model.cpus[lane.index];
		// a sketch has no names
		if (lane.kind === 'thread' && model.data.slices[lane.index].n !== track.n) continue;
		for (const { i, x0, x1 } of wideSlices(s, track)) {
			const inks =
				lane.kind === 'thread' ? palette.states : lane.kind === 'lock' ? palette.locks : palette.cpus;
			const ink = inks[track.of[i]];
			let text = '';
			if (lane.kind === 'thread') text = sliceLabel(model, lane.index, i);
			else if (lane.kind === 'lock') text = track.of[i] ? lockLabel(model, lane.index, i) : '';
			else
				text =
					model.cpus[lane.index].thread[i] < 0 ? '' : model.threadNames[model.cpus[lane.index].thread[i]];
			if (text) label(s, text, x0, x1, lane, css(ink), ink.text);
			if (x1 - x0 > 3 && x0 > s.left) {
				g.fillStyle = palette.paper;
				g.fillRect(x0 - 0.5, yOf(s, lane) + 2, 1, barOf(lane) - 4);
			}
		}
	}
}

const laneOfThread = (s: Scene, thread: number): Lane | undefined =>
	s.lanes.find((l) => l.kind === 'thread' && l.index === thread);

export function drawPath(s: Scene): void {
	const { g, palette, model, view } = s;
	const { path } = model.data;
	let i = Math.max(0, findSlice(path, view.t0));
	let lastX = -9;
	let lastY = 0;
	g.strokeStyle = palette.accent;
	g.lineWidth = 2.5;
	g.beginPath();
	for (; i < path.n && path.start[i] < view.t1; i++) {
		const lane = laneOfThread(s, path.thread[i]);
		if (!lane) continue;
		const x0 = clampX(s, xOf(s, path.start[i]));
		const x1 = clampX(s, xOf(s, path.start[i + 1]));
		if (x1 - lastX < 0.5) continue;
		const y = yOf(s, lane) + barOf(lane) - 2.5;
		if (lastX >= 0 && y !== lastY) {
			g.moveTo(x0, lastY);
			g.lineTo(x0, y);
		}
		g.moveTo(x0, y);
		g.lineTo(Math.max(x1, x0 + 0.6), y);
		lastX = x1;
		lastY = y;
	}
	g.stroke();
}

// Losses overlap: each CPU and kind of event has its own.  What touches on the screen is one band.
export function drawLosses(s: Scene): void {
	const { g, palette, model } = s;
	const right = s.left + s.width;
	const seen = model.data.meta.losses
		.map(([since, until, , , count]) => ({ from: xOf(s, since), to: xOf(s, until), count }))
		.filter(({ from, to }) => to >= s.left && from <= right)
		.sort((a, b) => a.from - b.from);
	const bands: typeof seen = [];
	for (const one of seen) {
		const last = bands[bands.length - 1];
		if (last && one.from <= last.to + 1) {
			last.to = Math.max(last.to, one.to);
			last.count += one.count;
		} else {
			bands.push(one);
		}
	}
	for (const { from, to, count } of bands) {
		const x0 = clampX(s, from);
		const x1 = Math.max(clampX(s, to), x0 + 2);
		g.fillStyle = palette.dark ? 'rgb(255 255 255 / 25%)' : 'rgb(0 0 0 / 22%)';
		g.fillRect(x0, s.top, x1 - x0, s.height);
		setFont(s, '600 11px system-ui, sans-serif');
		g.fillStyle = palette.text;
		const words = `${formatCount(count)} event${count === 1 ? '' : 's'} lost`;
		if (g.measureText(words).width + 8 < x1 - x0) g.fillText(words, x0 + 4, s.top + s.height - 10);
	}
}

// A jagged edge where a slice began before, or had not ended with, the recording.
export function drawCuts(s: Scene): void {
	const { g, model, palette } = s;
	g.fillStyle = palette.text;
	const notch = (x: number, y: number, h: number, side: number) => {
		for (let k = 0; k < 3; k++) {
			g.beginPath();
			g.moveTo(x, y + (k * h) / 3);
			g.lineTo(x + side * 4, y + ((k + 0.5) * h) / 3);
			g.lineTo(x, y + ((k + 1) * h) / 3);
			g.fill();
		}
	};
	for (const lane of s.lanes) {
		if (lane.kind !== 'thread') continue;
		const slices = model.data.slices[lane.index];
		const { n } = slices;
		if (!n) continue;
		const [first, last] = [xOf(s, slices.start[0]), xOf(s, slices.start[n])];
		if (slices.flagsAt(0) & 1 && first >= s.left - 1)
			notch(Math.max(first, s.left), yOf(s, lane) + 2, barOf(lane) - 4, 1);
		if (slices.flagsAt(n - 1) & 2 && last <= s.left + s.width + 1)
			notch(Math.min(last, s.left + s.width), yOf(s, lane) + 2, barOf(lane) - 4, -1);
	}
}

export function drawLit(s: Scene, lit: Lit): void {
	const { g, palette } = s;
	if (!lit.threads.size && !lit.locks.size && !lit.variables?.size) return;
	// what is not lit steps back
	g.fillStyle = palette.dark ? 'rgb(20 24 29 / 60%)' : 'rgb(255 255 255 / 62%)';
	for (const lane of s.lanes) {
		if (!isLit(lit, lane) && lane.kind !== 'head' && lane.kind !== 'cpu')
			g.fillRect(s.left, yOf(s, lane), s.width, lane.height);
	}
}

export function drawSelection(s: Scene, selected: Ref | null): void {
	const { g, palette, model } = s;
	const lane = selected && laneOfThread(s, selected.thread);
	if (!selected || !lane) return;
	const slices = model.data.slices[selected.thread];
	const x0 = clampX(s, xOf(s, slices.start[selected.slice]));
	const x1 = clampX(s, xOf(s, slices.start[selected.slice + 1]));
	g.strokeStyle = palette.paper;
	g.lineWidth = 4;
	g.strokeRect(x0 - 1, yOf(s, lane) + 1, Math.max(3, x1 - x0 + 2), barOf(lane) - 2);
	g.strokeStyle = palette.accent;
	g.lineWidth = 2;
	g.strokeRect(x0 - 1, yOf(s, lane) + 1, Math.max(3, x1 - x0 + 2), barOf(lane) - 2);
}

export function drawRange(s: Scene, range: { t0: number; t1: number } | null, cursor: number | null): void {
	const { g, palette } = s;
	if (range) {
		const x0 = clampX(s, xOf(s, range.t0));
		const x1 = clampX(s, xOf(s, range.t1));
		g.fillStyle = palette.dark ? 'rgb(255 255 255 / 14%)' : 'rgb(0 60 120 / 12%)';
		g.fillRect(x0, 0, x1 - x0, s.top + s.height);
		g.fillStyle = palette.text;
		g.fillRect(x0 - 0.5, 0, 1, s.top + s.height);
		g.fillRect(x1 - 0.5, 0, 1, s.top + s.height);
	}
	if (cursor !== null && cursor >= s.view.t0 && cursor <= s.view.t1) {
		g.strokeStyle = palette.dim;
		g.setLineDash([3, 3]);
		g.lineWidth = 1;
		g.beginPath();
		g.moveTo(xOf(s, cursor), s.top);
		g.lineTo(xOf(s, cursor), s.top + s.height);
		g.stroke();
		g.setLineDash([]);
	}
}
