// SPDX-License-Identifier: BSD-2-Clause
//
// Accesses to watched variables: marks at the foot of their threads' lanes and of the variables' own, counts in
// columns where marks would lie on each other, the value over time, and the arrows of a lost update.
import type { Lane } from '../layout';
import {
	ATOMIC,
	countBefore,
	doesWhat,
	eachBin,
	heightOf,
	LOSES,
	nearest,
	READ,
	UNKNOWN,
	UPDATE,
	type TouchList,
	valueOf,
} from '../touches';
import { barOf, clampX, fit, setFont, xOf, yOf, type Scene } from './overlay';

const MARK = 4; // px: half a mark
const APART = 10; // px: marks closer than this become ticks
const CROWD = 0.4; // accesses for each px of the lane: more are shown as columns
const COLUMN = 2; // px

const listOf = (s: Scene, lane: Lane): TouchList =>
	lane.kind === 'variable' ? s.model.touches.byVariable[lane.index] : s.model.touches.byThread[lane.index];

const colourOf = (s: Scene, kind: number): string =>
	kind === LOSES ? s.palette.loss : kind === READ || kind === UNKNOWN ? s.palette.read : s.palette.write;

// Shapes that can be told apart in one colour: ring, square, diamond, ring with a cross, cross, struck square.
export function drawMark(g: CanvasRenderingContext2D, kind: number, x: number, y: number, back: string): void {
	g.lineWidth = 1.6;
	g.beginPath();
	if (kind === READ || kind === ATOMIC) {
		g.arc(x, y, MARK - 0.6, 0, 7);
		if (kind === ATOMIC) {
			g.moveTo(x - MARK, y);
			g.lineTo(x + MARK, y);
			g.moveTo(x, y - MARK);
			g.lineTo(x, y + MARK);
		}
		g.stroke();
	} else if (kind === UPDATE) {
		g.moveTo(x - MARK - 1, y);
		g.lineTo(x, y - MARK - 1);
		g.lineTo(x + MARK + 1, y);
		g.lineTo(x, y + MARK + 1);
		g.fill();
	} else if (kind === UNKNOWN) {
		g.moveTo(x - 3, y - 3);
		g.lineTo(x + 3, y + 3);
		g.moveTo(x - 3, y + 3);
		g.lineTo(x + 3, y - 3);
		g.stroke();
	} else {
		g.rect(x - 3.5, y - 3.5, 7, 7);
		g.fill();
		if (kind !== LOSES) return;
		g.strokeStyle = back;
		g.beginPath();
		g.moveTo(x - 3.5, y - 3.5);
		g.lineTo(x + 3.5, y + 3.5);
		g.moveTo(x - 3.5, y + 3.5);
		g.lineTo(x + 3.5, y - 3.5);
		g.stroke();
	}
}

// ---- one by one ----

function drawSome(s: Scene, lane: Lane, list: TouchList, first: number, last: number): void {
	const { g, palette } = s;
	const { touches } = s.model;
	const top = yOf(s, lane) + barOf(lane);
	const middle = top + lane.band / 2 - 1;
	const at = (k: number) => (k < first ? -1e9 : k >= last ? 1e9 : xOf(s, touches.time[list.ids[k]]));
	setFont(s, '11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	for (let k = first, before = at(first - 1), x = at(k); k < last; k++) {
		const id = list.ids[k];
		const kind = touches.kind[id];
		const next = at(k + 1);
		g.fillStyle = g.strokeStyle = colourOf(s, kind);
		if (Math.min(x - before, next - x) < APART) {
			// a reading is half as high as a write
			const high = kind === READ || kind === UNKNOWN ? 5 : 11;
			g.fillRect(x - 0.75, top + 12 - high, 1.5, high);
		} else {
			drawMark(g, kind, x, middle, palette.lane);
			drawNote(s, lane, id, x + MARK + 4, middle, Math.min(next, s.left + s.width + 40) - x - 3 * MARK - 4);
		}
		before = x;
		x = next;
	}
}

// A number is written whole or not at all; a variable's lane has its value above, so it names the thread.
function drawNote(s: Scene, lane: Lane, id: number, x: number, y: number, room: number): void {
	const { g, palette, model } = s;
	if (room < 12) return;
	const texts =
		lane.kind === 'variable'
			? [fit(s, model.threadNames[model.touches.thread[id]], room)]
			: [doesWhat(model.touches, id), valueOf(model.touches, id)];
	const text = texts.find((t) => t.length > 1 && g.measureText(t).width <= room) ?? '';
	g.fillStyle = palette.text;
	if (text) g.fillText(text, x, y + 0.5);
}

// ---- many: how many in each column, to one scale for all lanes ----

function busiest(s: Scene, lanes: Lane[], columns: number): number {
	let most = 1;
	for (const lane of lanes)
		eachBin(s.model.touches, listOf(s, lane), s.view.t0, s.view.t1, columns, (_, c) => {
			most = Math.max(most, c.all);
		});
	return most;
}

function drawCrowd(s: Scene, lane: Lane, columns: number, most: number): void {
	const { g, palette } = s;
	const foot = yOf(s, lane) + lane.height - 2;
	const room = lane.band - 3;
	const bars: [string, (c: { all: number; writes: number; losses: number }) => number][] = [
		[palette.read, (c) => c.all],
		[palette.write, (c) => c.writes],
		[palette.loss, (c) => c.losses],
	];
	for (const [colour, count] of bars) {
		g.fillStyle = colour;
		eachBin(s.model.touches, listOf(s, lane), s.view.t0, s.view.t1, columns, (x, c) => {
			const n = count(c);
			if (!n) return;
			// by the root, so that few are seen beside many; the parts of a column are to scale
			const high = Math.max(1.5, room * Math.sqrt(c.all / most) * (n / c.all));
			g.fillRect(s.left + (x * s.width) / columns, foot - high, s.width / columns + 0.3, high);
		});
	}
}

// ---- the value over time ----

// Zoomed in: a box for each value, as long as it stood.
function drawBoxes(s: Scene, lane: Lane, list: TouchList, first: number, last: number): null {
	const { g, palette } = s;
	const { time, value } = s.model.touches;
	const y = yOf(s, lane) + 2;
	const high = barOf(lane) - 4;
	setFont(s, '11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	const box = (from: number, x1: number) => {
		const x0 = clampX(s, xOf(s, time[list.ids[from]]));
		g.strokeStyle = palette.dim;
		g.lineWidth = 1;
		g.strokeRect(x0 + 0.5, y + 0.5, Math.max(0.5, x1 - x0 - 1), high - 1);
		const text = x1 - x0 > 12 ? fit(s, valueOf(s.model.touches, list.ids[from]), x1 - x0 - 8) : '';
		g.fillStyle = palette.text;
		if (text) g.fillText(text, x0 + 5, y + high / 2 + 0.5);
	};
	let from = Math.max(0, first - 1);
	if (from >= last) return null;
	for (let k = from + 1; k < last; k++) {
		if (value[list.ids[k]] === value[list.ids[from]]) continue;
		box(from, clampX(s, xOf(s, time[list.ids[k]])));
		from = k;
	}
	box(from, s.left + s.width);
	return null;
}

type CurvePoint = [x: number, value: number, id: number];
type Ends = [first: CurvePoint, last: CurvePoint];

// Zoomed out: a line between the least and the greatest of the columns' last values.
function drawCurve(s: Scene, lane: Lane, list: TouchList): Ends | null {
	const { g, palette, view } = s;
	const { touches } = s.model;
	const columns = Math.max(1, Math.floor(s.width / COLUMN));
	const points: CurvePoint[] = [];
	let [low, high] = [Infinity, -Infinity];
	for (let x = 0, k = 0; x <= columns; x++) {
		k = countBefore(touches, list, view.t0 + (x * (view.t1 - view.t0)) / columns, k);
		if (!k) continue;
		const id = list.ids[k - 1];
		const value = heightOf(touches, id);
		points.push([s.left + (x * s.width) / columns, value, id]);
		low = Math.min(low, value);
		high = Math.max(high, value);
	}
	const [top, room] = [yOf(s, lane) + 4, barOf(lane) - 8];
	const yFor = (value: number) => top + room - (high > low ? ((value - low) / (high - low)) * room : room / 2);
	g.strokeStyle = palette.write;
	g.lineWidth = 1.5;
	g.beginPath();
	points.forEach(([x, value], i) => (i ? g.lineTo(x, yFor(value)) : g.moveTo(x, yFor(value))));
	g.stroke();
	return points.length ? [points[0], points[points.length - 1]] : null;
}

// The values at both ends of the curve.
function drawEnds(s: Scene, lane: Lane, [first, last]: Ends): void {
	const { g, palette } = s;
	const y = yOf(s, lane) + 3;
	setFont(s, '11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	const note = (text: string, x: number) => {
		g.fillStyle = palette.lane;
		g.fillRect(x - 2, y, g.measureText(text).width + 4, 13);
		g.fillStyle = palette.text;
		g.fillText(text, x, y + 7);
	};
	const text = valueOf(s.model.touches, last[2]);
	note(valueOf(s.model.touches, first[2]), first[0] + 4);
	note(text, last[0] - g.measureText(text).width - 6);
}

// Where a variable was not watched nothing is known of it.
function drawBlind(s: Scene, lane: Lane): void {
	const { g, palette, view } = s;
	const { spans } = s.model.data.meta.watched[lane.index];
	const y = yOf(s, lane);
	const hide = (t0: number, t1: number) => {
		if (t1 <= view.t0 || t0 >= view.t1) return;
		const [x0, x1] = [clampX(s, xOf(s, t0)), clampX(s, xOf(s, t1))];
		if (x1 - x0 < 0.3) return;
		g.fillStyle = palette.paper;
		g.fillRect(x0, y + 1, x1 - x0, lane.height - 2);
		g.save();
		g.beginPath();
		g.rect(x0, y + 1, x1 - x0, lane.height - 2);
		g.clip();
		g.strokeStyle = palette.line;
		g.lineWidth = 1;
		g.beginPath();
		for (let x = x0 - (x0 % 6) - lane.height; x < x1; x += 6) {
			g.moveTo(x, y + lane.height);
			g.lineTo(x + lane.height, y);
		}
		g.stroke();
		g.restore();
		if (x1 - x0 < 90) return;
		setFont(s, '11px system-ui, sans-serif');
		g.fillStyle = palette.dim;
		g.fillText('not watched', x0 + 6, y + lane.height / 2);
	};
	let until = 0;
	for (const [from, to] of spans) {
		hide(until, from);
		until = to;
	}
	hide(until, s.model.data.end);
}

// ---- all of a scene ----

export function drawMarks(s: Scene): void {
	const { touches } = s.model;
	const lanes = s.lanes.filter((l) => l.band > 0);
	const columns = Math.max(1, Math.floor(s.width / COLUMN));
	const crowds: Lane[] = [];
	for (const lane of lanes) {
		const list = listOf(s, lane);
		const first = countBefore(touches, list, s.view.t0);
		const last = countBefore(touches, list, s.view.t1, first);
		const crowded = last - first > s.width * CROWD;
		if (lane.kind === 'variable') {
			const ends = crowded ? drawCurve(s, lane, list) : drawBoxes(s, lane, list, first, last);
			drawBlind(s, lane);
			if (ends) drawEnds(s, lane, ends);
		}
		if (crowded) crowds.push(lane);
		else drawSome(s, lane, list, first, last);
	}
	const threads = crowds.filter((l) => l.kind === 'thread');
	const variables = crowds.filter((l) => l.kind === 'variable');
	for (const group of [threads, variables]) {
		const most = group.length ? busiest(s, group, columns) : 1;
		for (const lane of group) drawCrowd(s, lane, columns, most);
	}
}

// ---- a lost update, and what is selected ----

interface Point {
	x: number;
	y: number;
}

function placeOfTouch(s: Scene, id: number, kind: Lane['kind'] = 'thread'): Point | null {
	const { touches } = s.model;
	const index = kind === 'thread' ? touches.thread[id] : touches.variable[id];
	const lane = s.all.find((l) => l.kind === kind && l.index === index);
	return lane ? { x: xOf(s, touches.time[id]), y: yOf(s, lane) + barOf(lane) + lane.band / 2 - 1 } : null;
}

function drawRing(s: Scene, at: Point | null, colour: string): void {
	const { g, palette } = s;
	if (!at) return;
	for (const [ink, wide] of [
		[palette.paper, 4.5],
		[colour, 2],
	] as const) {
		g.strokeStyle = ink;
		g.lineWidth = wide;
		g.beginPath();
		g.arc(at.x, at.y, MARK + 3.5, 0, 7);
		g.stroke();
	}
}

// From one mark to another, ending before its ring.
function drawLink(s: Scene, from: Point, to: Point, colour: string): void {
	const { g, palette } = s;
	const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
	const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
	const room = MARK + 6;
	if (length < 2 * room) return;
	const [x0, y0] = [from.x + dx * room, from.y + dy * room];
	const [x1, y1] = [to.x - dx * room, to.y - dy * room];
	for (const [ink, wide] of [
		[palette.paper, 6],
		[colour, 2.4],
	] as const) {
		g.strokeStyle = ink;
		g.lineWidth = wide;
		g.beginPath();
		g.moveTo(x0, y0);
		g.lineTo(x1 - dx * 5, y1 - dy * 5);
		g.stroke();
	}
	g.fillStyle = colour;
	g.beginPath();
	g.moveTo(x1, y1);
	g.lineTo(x1 - dx * 9 + dy * 5, y1 - dy * 9 - dx * 5);
	g.lineTo(x1 - dx * 9 - dy * 5, y1 - dy * 9 + dx * 5);
	g.fill();
}

// The arrows between accesses that belong together, in order, each with what it did where there is room.
export function linksOf(s: Pick<Scene, 'model'>, selected: number, shown: number[]): [number, number][] {
	const { lost, old, over, stale } = s.model.touches;
	const write = selected < 0 ? -1 : lost[selected] >= 0 ? selected : Math.max(over[selected], stale[selected]);
	if (write >= 0)
		return [
			[old[write], lost[write]],
			[lost[write], write],
		];
	return shown.length === 2 ? [[shown[0], shown[1]]] : [];
}

// What it did, in the room up to the next mark that is shown in the same lane, or only the number.
function drawTag(s: Scene, id: number, at: Point, next: number): void {
	const { g, palette } = s;
	const { touches } = s.model;
	setFont(s, '600 11px system-ui, sans-serif');
	g.textBaseline = 'middle';
	const x = at.x + MARK + 6;
	const room = Math.min(next - MARK - 6, s.left + s.width) - x - 6;
	const text = [doesWhat(touches, id), valueOf(touches, id)].find((t) => g.measureText(t).width <= room);
	if (!text) return;
	// what the mark's own note says lies under it, and may be longer
	const wide = Math.min(room, g.measureText(doesWhat(touches, id)).width) + 6;
	g.fillStyle = palette.lane;
	g.fillRect(x, at.y - 7, wide, 14);
	g.fillStyle = palette.text;
	g.fillText(text, x + 3, at.y + 0.5);
}

export function drawTouched(s: Scene, selected: number, shown: number[]): void {
	const { g, palette } = s;
	const links = linksOf(s, selected, shown);
	const ids = new Set([...shown, ...links.flat()]);
	if (selected >= 0) ids.add(selected);
	if (!ids.size) return;
	for (const [from, to] of links) {
		const [a, b] = [placeOfTouch(s, from), placeOfTouch(s, to)];
		if (a && b) drawLink(s, a, b, palette.loss);
	}
	const shownAt = [...ids].sort((a, b) => a - b).map((id) => ({ id, at: placeOfTouch(s, id) }));
	shownAt.forEach(({ id, at }, i) => {
		const ink = id === selected ? palette.accent : palette.loss;
		drawRing(s, placeOfTouch(s, id, 'variable'), ink);
		if (!at) return;
		g.fillStyle = palette.lane;
		g.beginPath();
		g.arc(at.x, at.y, MARK + 3, 0, 7);
		g.fill();
		g.fillStyle = g.strokeStyle = colourOf(s, s.model.touches.kind[id]);
		drawMark(g, s.model.touches.kind[id], at.x, at.y, palette.lane);
		drawRing(s, at, ink);
		const next = shownAt.slice(i + 1).find((other) => other.at?.y === at.y)?.at;
		drawTag(s, id, at, next ? next.x : Infinity);
	});
}

// The access under the pointer, or -1, and how many lie so near that they cannot be told apart.
export function pickTouch(
	s: Pick<Scene, 'model' | 'view' | 'width'>,
	lane: Lane,
	t: number,
	inBand: boolean,
): { id: number; t0: number; t1: number; crowd: boolean } | null {
	if (!lane.band || (!inBand && lane.kind !== 'variable')) return null;
	const { touches } = s.model;
	const list = lane.kind === 'variable' ? touches.byVariable[lane.index] : touches.byThread[lane.index];
	const perPx = (s.view.t1 - s.view.t0) / s.width;
	const id = nearest(touches, list, t, 7 * perPx);
	if (id < 0) return null;
	const [t0, t1] = [t - 2 * perPx, t + 2 * perPx];
	const near = countBefore(touches, list, t1) - countBefore(touches, list, t0);
	return { id, t0, t1, crowd: near > 1 };
}
