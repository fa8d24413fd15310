// SPDX-License-Identifier: BSD-2-Clause
//
// Two fingers on the timeline: the times that lay under them when they came down stay under them.
import { setView, type Store } from '../store';
import { toTime } from '../time_scale';

export const HOLD_MS = 400; // a finger that rests so long marks a stretch; one that moves at once moves the view
export const TAP_PX = 10; // a finger does not rest as still as a mouse
const NEAR_PX = 24; // fingers nearer than this tell no scale

interface Finger {
	x: number; // px of the lanes
	t: number; // ns
}

export class Pinch {
	private readonly fingers = new Map<number, Finger>();
	private gripped = false;

	constructor(private readonly store: Store) {}

	get two(): boolean {
		return this.fingers.size > 1;
	}

	down(id: number, x: number): void {
		this.fingers.set(id, { x, t: 0 });
		this.gripped = false;
	}

	up(id: number): void {
		this.fingers.delete(id);
		this.gripped = false;
	}

	move(id: number, x: number, width: number): void {
		const { store, fingers } = this;
		const finger = fingers.get(id);
		if (!finger) return;
		if (!this.gripped) for (const f of fingers.values()) f.t = toTime(store.view.value, f.x, width);
		finger.x = x;
		const [a, b] = [...fingers.values()].sort((p, q) => p.x - q.x);
		// the first time they are apart they take hold
		const apart = fingers.size === 2 && b.x - a.x >= NEAR_PX;
		const perPx = apart ? (b.t - a.t) / (b.x - a.x) : 0;
		this.gripped = apart;
		if (perPx <= 0) return;
		const t0 = a.t - a.x * perPx;
		setView(store, { t0, t1: t0 + perPx * width });
	}
}
