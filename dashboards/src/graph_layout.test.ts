// SPDX-License-Identifier: BSD-2-Clause
// The wait-for graph's layout: nothing lies over anything else, and every arrow leads from its box to its box.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOutGraph, type Edge, type Shape } from './graph_layout';

const LABEL = 16; // px: how high
const widthOf = (thread: number) => 70 + ((thread * 37) % 60);
const edge = (from: number, to: number): Edge => ({ from, to, label: 40 + ((from * 29) % 90) });
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

interface Area {
	what: string;
	x: number;
	y: number;
	width: number;
	height: number;
}

const apart = (a: Area, b: Area): boolean =>
	Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;

function areas(shape: Shape, edges: Edge[]): Area[] {
	return [
		...[...shape.boxes.values()].map((b) => ({ ...b, what: `box ${b.thread}` })),
		...shape.lines.map(({ label }, i) => ({
			what: `label ${i}`,
			...label,
			width: edges[i].label,
			height: LABEL,
		})),
	];
}

// Whether the straight piece passes through the inner part of the area.
function crosses(a: { x: number; y: number }, b: { x: number; y: number }, area: Area): boolean {
	for (let i = 0; i <= 200; i++) {
		const [x, y] = [a.x + ((b.x - a.x) * i) / 200, a.y + ((b.y - a.y) * i) / 200];
		if (Math.abs(x - area.x) < area.width / 2 - 1 && Math.abs(y - area.y) < area.height / 2 - 1) return true;
	}
	return false;
}

function checkShape(name: string, edges: Edge[]): Shape {
	const shape = layOutGraph(edges, widthOf);
	const all = areas(shape, edges);
	const threads = new Set(edges.flatMap((e) => [e.from, e.to]));
	assert.equal(shape.boxes.size, threads.size, name);
	for (const [i, a] of all.entries()) {
		assert.ok(a.x - a.width / 2 >= 0 && a.y - a.height / 2 >= 0, `${name}: ${a.what} begins outside`);
		assert.ok(a.x + a.width / 2 <= shape.width && a.y + a.height / 2 <= shape.height, `${name}: ${a.what} ends outside`);
		for (const b of all.slice(i + 1)) assert.ok(apart(a, b), `${name}: ${a.what} lies over ${b.what}`);
	}
	shape.lines.forEach(({ points }, i) => {
		const ends = [points[0], points[points.length - 1]];
		[edges[i].from, edges[i].to].forEach((t, k) => {
			const box = shape.boxes.get(t)!;
			const [dx, dy] = [Math.abs(ends[k].x - box.x) - box.width / 2, Math.abs(ends[k].y - box.y) - box.height / 2];
			assert.ok(Math.abs(Math.max(dx, dy)) < 1e-6, `${name}: edge ${i} is not at the border of box ${t}`);
		});
		for (const box of all.filter((a) => a.what.startsWith('box')))
			points.slice(1).forEach((p, k) =>
				assert.ok(!crosses(points[k], p, box), `${name}: edge ${i} goes through ${box.what}`),
			);
	});
	return shape;
}

test('rings, alone and with who waits for their members', () => {
	for (const n of [1, 2, 3, 4, 5, 8, 14, 15, 30]) {
		const ring = range(n).map((i) => edge(i, (i + 1) % n));
		checkShape(`ring of ${n}`, ring);
		checkShape(`ring of ${n} with a waiter`, [...ring, edge(100, 0)]);
		checkShape(`ring of ${n} with trees`, [...ring, edge(100, 0), edge(101, 0), edge(102, 101), edge(103, n - 1)]);
	}
	const two = [edge(0, 1), edge(1, 0), edge(5, 6), edge(6, 7), edge(7, 5), edge(10, 11)];
	checkShape('two rings and a chain', two);
});

test('chains, stars and trees grow to the left of what they wait for', () => {
	for (const n of [1, 2, 12, 30]) {
		const chain = checkShape(`chain of ${n}`, range(n).map((i) => edge(i, i + 1)));
		for (const i of range(n)) assert.ok(chain.boxes.get(i)!.x < chain.boxes.get(i + 1)!.x, 'in order');
		const star = checkShape(`star of ${n}`, range(n).map((i) => edge(i + 1, 0)));
		for (const i of range(n)) assert.ok(star.boxes.get(i + 1)!.x < star.boxes.get(0)!.x);
	}
	checkShape('a tree', range(29).map((i) => edge(i + 1, Math.floor(i / 3))));
	checkShape('a forest', range(30).map((i) => edge(i, 40 + (i % 4))));
	const drawn = checkShape('three waiters, by hand', [edge(1, 0), edge(2, 0), edge(3, 0)]);
	assert.equal(drawn.boxes.get(0)!.y, drawn.boxes.get(2)!.y, 'in their middle');
});
