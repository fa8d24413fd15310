// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: where the boxes of the wait-for graph stand.  A thread waits for one other at most, so each part of the
// graph is a tree whose root waits for nobody, or a ring with trees at its members; both can be drawn without
// a crossing.  Trees grow to the left of what they wait for; rings are round, or a column where trees hang on.
export interface Point {
	x: number;
	y: number;
}
export interface Box extends Point {
	thread: number;
	width: number;
	height: number;
}
export interface Line {
	points: Point[];
	label: Point; // its middle
}
export interface Shape {
	width: number;
	height: number;
	boxes: Map<number, Box>; // by thread
	lines: Line[]; // as the edges
}
export interface Edge {
	from: number;
	to: number;
	label: number; // px: how wide
}

const HEIGHT = 30; // px of a box
const ROW = 44;
const RING_ROW = 78; // with a label between
const GAP = 34; // beside a label: room for the arrow
const EDGE = 14; // around it all
const ROUND_MOST = 14; // members of a ring that is drawn round

class Layout {
	readonly boxes = new Map<number, Box>();
	readonly lines: Line[];
	private readonly edgeOf = new Map<number, number>(); // by thread: the edge to what it waits for
	private readonly waiters = new Map<number, number[]>();
	readonly ring: Set<number>;
	private bottom = EDGE;

	constructor(
		private readonly edges: Edge[],
		private readonly widthOf: (thread: number) => number,
	) {
		this.lines = edges.map(() => ({ points: [], label: { x: 0, y: 0 } }));
		edges.forEach(({ from, to }, i) => {
			this.edgeOf.set(from, i);
			this.waiters.set(to, [...(this.waiters.get(to) ?? []), from]);
		});
		this.ring = new Set(edges.map((e) => e.from).filter((t) => this.ringOf(t).length));
	}

	private next(thread: number): number | undefined {
		const i = this.edgeOf.get(thread);
		return i === undefined ? undefined : this.edges[i].to;
	}

	// The members of the ring that the thread is in, from it on.
	private ringOf(thread: number): number[] {
		const members = [thread];
		for (let at = this.next(thread); at !== undefined && members.length <= this.edges.length; at = this.next(at)) {
			if (at === thread) return members;
			members.push(at);
		}
		return [];
	}

	private outside(thread: number): number[] {
		return (this.waiters.get(thread) ?? []).filter((t) => !this.ring.has(t));
	}

	private labelOf = (thread: number): number => this.edges[this.edgeOf.get(thread) as number].label;

	private put(thread: number, x: number, y: number): Box {
		const box = { thread, x, y, width: this.widthOf(thread), height: HEIGHT };
		this.boxes.set(thread, box);
		return box;
	}

	private line(thread: number, points: Point[], label: Point): void {
		this.lines[this.edgeOf.get(thread) as number] = { points, label };
	}

	// Waiters by how far they are from the root.
	private ranks(roots: number[]): number[][] {
		const ranks = [roots];
		for (let rank = roots; rank.length; ) {
			rank = rank.flatMap((t) => this.outside(t));
			if (rank.length) ranks.push(rank);
		}
		return ranks;
	}

	// The tree with its root's middle at x of the rank, from `top` on; gives where it ends.
	private tree(root: number, rank: number, middles: number[], top: number, step: number): number {
		const under = this.outside(root);
		let bottom = top;
		for (const t of under) bottom = this.tree(t, rank + 1, middles, bottom, ROW);
		bottom = Math.max(bottom, top + step);
		const rows = under.map((t) => (this.boxes.get(t) as Box).y);
		const y = rows.length ? (rows[0] + rows[rows.length - 1]) / 2 : top + HEIGHT / 2;
		const to = this.put(root, middles[rank], y);
		for (const t of under) {
			const box = this.boxes.get(t) as Box;
			const [right, left] = [box.x + box.width / 2, to.x - to.width / 2];
			const turn = right + 12 + this.labelOf(t);
			const points = [{ x: right, y: box.y }, { x: turn, y: box.y }, { x: left, y }];
			this.line(t, points, { x: right + 6 + this.labelOf(t) / 2, y: box.y });
		}
		return bottom;
	}

	// Trees one under the other, their roots in one column at the right; gives that column.
	private forest(roots: number[], step: number): { left: number; right: number; middle: number } {
		const ranks = this.ranks(roots);
		const widths = ranks.map((rank) => Math.max(...rank.map(this.widthOf)));
		const labels = ranks.map((rank, i) => (i ? Math.max(...rank.map(this.labelOf)) : 0));
		const middles: number[] = [];
		let x = EDGE;
		for (let i = ranks.length - 1; i >= 0; i--) {
			middles[i] = x + widths[i] / 2;
			x += widths[i] + labels[i] + (i ? GAP : 0);
		}
		for (const root of roots) this.bottom = this.tree(root, 0, middles, this.bottom, step);
		return { left: middles[0] - widths[0] / 2, right: x, middle: middles[0] };
	}

	private round(members: number[]): void {
		const width = Math.max(...members.map(this.widthOf));
		const label = Math.max(...members.map(this.labelOf));
		// neighbours are as far apart as their boxes and the label between want, across or upright: 1/1.3² + 1/1.6² < 1
		const apart = 2 * Math.sin(Math.PI / members.length);
		const [rx, ry] = [(1.3 * (width + label)) / apart, (1.6 * (HEIGHT + 18)) / apart];
		const middle = { x: EDGE + rx + Math.max(width, label) / 2, y: this.bottom + ry + HEIGHT / 2 };
		members.forEach((t, i) => {
			const angle = (2 * Math.PI * i) / members.length - Math.PI / 2;
			this.put(t, middle.x + rx * Math.cos(angle), middle.y + ry * Math.sin(angle));
		});
		members.forEach((t, i) => {
			const [a, b] = [t, members[(i + 1) % members.length]].map((m) => this.boxes.get(m) as Box);
			this.line(t, [leave(a, b), leave(b, a)], { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
		});
		this.bottom += 2 * ry + ROW;
	}

	// One under the other, each waits for the next; the last one's line leads back around them all.
	private column(members: number[]): void {
		const { middle, right } = this.forest(members, RING_ROW);
		members.slice(0, -1).forEach((t, i) => {
			const [a, b] = [t, members[i + 1]].map((m) => this.boxes.get(m) as Box);
			const [from, to] = [a.y + HEIGHT / 2, b.y - HEIGHT / 2];
			this.line(t, [{ x: middle, y: from }, { x: middle, y: to }], { x: middle, y: (from + to) / 2 });
		});
		const last = members[members.length - 1];
		const [a, b] = [this.boxes.get(last) as Box, this.boxes.get(members[0]) as Box];
		const label = this.labelOf(last);
		const x = right + Math.max(GAP, label / 2 + 8);
		// a thread that waits for itself: out above its middle and in below
		const apart = members.length > 1 ? 0 : HEIGHT / 4;
		const points = [
			{ x: a.x + a.width / 2, y: a.y - apart },
			{ x, y: a.y - apart },
			{ x, y: b.y + apart },
			{ x: b.x + b.width / 2, y: b.y + apart },
		];
		if (members.length > 1) this.line(last, points, { x, y: (a.y + b.y) / 2 });
		else this.line(last, points, { x: x + label / 2 + 4, y: a.y });
	}

	run(): Shape {
		const seen = new Set<number>();
		for (const t of this.ring) {
			if (seen.has(t)) continue;
			const members = this.ringOf(t);
			for (const m of members) seen.add(m);
			const alone = members.every((m) => !this.outside(m).length);
			if (alone && members.length > 2 && members.length <= ROUND_MOST) this.round(members);
			else this.column(members);
			this.bottom += 10;
		}
		const roots = [...this.waiters.keys()].filter((t) => !this.edgeOf.has(t));
		if (roots.length) this.forest(roots, ROW);
		const { boxes, lines, edges } = this;
		const right = [
			...[...boxes.values()].map((b) => b.x + b.width / 2),
			...lines.map((l, i) => l.label.x + edges[i].label / 2),
		];
		const low = [...boxes.values()].map((b) => b.y + b.height / 2);
		return { width: Math.max(0, ...right) + EDGE, height: Math.max(0, ...low) + EDGE, boxes, lines };
	}
}

// Where the line between the middles of two boxes leaves the first.
function leave(a: Box, b: Box): Point {
	const [dx, dy] = [b.x - a.x, b.y - a.y];
	const part = Math.min(a.width / 2 / Math.abs(dx), a.height / 2 / Math.abs(dy));
	return { x: a.x + part * dx, y: a.y + part * dy };
}

export const layOutGraph = (edges: Edge[], widthOf: (thread: number) => number): Shape =>
	new Layout(edges, widthOf).run();
