// SPDX-License-Identifier: BSD-2-Clause
// The main thread (0) and two workers (1, 2) over 10,240 ns, drawn 1000 px wide: at each multiple of 10 ns the
// main thread wakes worker 1, at each multiple of 40 ns worker 2 wakes the main thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lane } from './layout';
import type { Model } from './model';
import type { Ref } from './words';
import { drawArrows } from './draw/arrows';
import { palette } from './draw/colours';
import type { Scene } from './draw/overlay';

const END = 10_240;
const wakes: [waker: number, woken: number, t: number][] = [];
for (let t = 10; t < END; t += 10) wakes.push([0, 1, t]);
for (let t = 40; t < END; t += 40) wakes.push([2, 0, t]);

// Slices are waits here: of thread 2 slice 0 was ended by thread 1, that of thread 1 by nobody known.
function modelOf(list: typeof wakes, chain: Record<number, number> = {}): Model {
	const column = (k: number) => Int32Array.from(list, (w) => w[k]);
	const slice = (thread: number) => ({
		n: 1,
		start: Float64Array.from([0, END]),
		stateAt: () => 2,
		waitAt: () => chain[thread] ?? -1,
	});
	return {
		threads: [0, 1, 2].map(() => ({})),
		data: {
			slices: [0, 1, 2].map(slice),
			waits: {
				n: list.length,
				waker: column(0),
				thread: column(1),
				end: Float64Array.from(column(2)),
				start: new Float64Array(list.length),
				at: () => -1,
			},
		},
	} as unknown as Model;
}

interface Line {
	x: number;
	y0: number;
	y1: number;
	wide: number;
	ink: unknown;
}

// What was drawn: lines up or down, without what lies under them in the colour of paper, and the notes.
function drawn(model: Model, t0: number, t1: number, selected: Ref = { thread: 0, slice: 0 }) {
	const lines: Line[] = [];
	const notes: string[] = [];
	let at = { x: 0, y: 0 };
	let to = { x: 0, y: 0 };
	const g = {
		lineWidth: 0,
		strokeStyle: '',
		beginPath: () => {},
		arc: () => {},
		fill: () => {},
		fillRect: () => {},
		moveTo: (x: number, y: number) => (at = { x, y }),
		lineTo: (x: number, y: number) => (to = { x, y }),
		stroke() {
			lines.push({ x: at.x, y0: at.y, y1: to.y, wide: this.lineWidth, ink: this.strokeStyle });
		},
		fillText: (text: string) => notes.push(text),
		measureText: (text: string) => ({ width: 6 * text.length }),
	};
	const lanes = [0, 1, 2].map(
		(index): Lane => ({ kind: 'thread', index, name: '', y: 22 * index, height: 22, band: 0 }),
	);
	const colours = palette(false);
	const scene = { g, model, palette: colours, view: { t0, t1 }, left: 0, width: 1000, lanes, all: lanes };
	drawArrows({ ...scene, top: 0, height: 66, scroll: 0, font: '' } as unknown as Scene, selected);
	return { lines: lines.filter((l) => l.ink === colours.accent), notes };
}

test('zoomed out, each stretch has one arrow for each pair, with their number', () => {
	const { lines, notes } = drawn(modelOf(wakes), 0, END);
	// 110 px are 1126 ns, so a stretch is 2048 ns or 200 px: five of them, two pairs
	assert.equal(lines.length, 10);
	const numbers = notes.map(Number).sort((a, b) => a - b);
	assert.deepEqual(numbers, [51, 51, 51, 51, 51, 204, 204, 205, 205, 205]);
	assert.equal(
		notes.reduce((sum, n) => sum + Number(n), 0),
		wakes.length,
	);
	assert.deepEqual(
		lines.map((l) => l.x),
		[50, 150, 250, 350, 450, 550, 650, 750, 850, 950],
	);
});

test('more wake-ups make a thicker arrow', () => {
	const { lines } = drawn(modelOf(wakes), 0, END);
	const down = lines.filter((l) => l.y1 > l.y0).map((l) => l.wide);
	const up = lines.filter((l) => l.y1 < l.y0).map((l) => l.wide);
	assert.ok(down.length === 5 && up.length === 5);
	assert.ok(Math.min(...down) > Math.max(...up) + 1);
	assert.ok(lines.every((l) => l.wide <= 3.5));
});

test('wherever the view is moved to, an arrow that stays in it keeps its time and its number', () => {
	const model = modelOf(wakes);
	const before = drawn(model, 1000, 6120);
	const after = drawn(model, 1300, 6420); // by 300 ns of 5.12 for each px
	const times = (d: typeof before, t0: number) => new Set(d.lines.map((l) => Math.round(t0 + l.x * 5.12)));
	const stays = [...times(before, 1000)].filter((t) => t > 1300 && t < 6120);
	assert.ok(stays.length > 6);
	for (const t of stays) assert.ok(times(after, 1300).has(t), String(t));
});

test('zoomed in, each wake-up has its arrow at its time', () => {
	const { lines, notes } = drawn(modelOf(wakes), 100, 200);
	assert.deepEqual(notes, []);
	assert.deepEqual(
		[...new Set(lines.map((l) => Math.round(l.x)))].sort((a, b) => a - b),
		[0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000],
	);
	assert.equal(lines.length, 14); // at 120, 160 and 200 there is another one, upwards
});

test('over them: who ended the selected wait, and the chain that Enter follows', () => {
	// thread 1 was woken by 0 at 5000 ns, 2 by 1 at 7000 ns; 2 is selected
	const list: typeof wakes = [
		[0, 1, 5000],
		[1, 2, 7000],
	];
	const model = modelOf(list, { 1: 0, 2: 1 });
	const { lines } = drawn(model, 0, END, { thread: 2, slice: 0 });
	const xs = lines.map((l) => Math.round((l.x * END) / 1000));
	assert.deepEqual(xs, [7000, 7000, 5000]); // its only wake-up as such, then as the first of the chain
	assert.equal(lines[1].wide, 2);
});

test('a ring of waits that nobody ends has no arrows, and an end', () => {
	const list: typeof wakes = [
		[-1, 1, END],
		[-1, 2, END],
	];
	const model = modelOf(list, { 1: 0, 2: 1 });
	Object.assign(model.data.waits, { at: (field: string, w: number) => (field === 'target' ? 2 - w : -1) });
	assert.equal(drawn(model, 0, END, { thread: 1, slice: 0 }).lines.length, 0);
});
