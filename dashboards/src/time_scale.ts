// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: the part of the run that is in view, and ns <-> px.

export interface View {
	t0: number;
	t1: number;
}

const MIN_SPAN_NS = 200; // below this there is nothing more to see

// Within the run, at least MIN_SPAN_NS wide.
export function clampView(view: View, end: number): View {
	const span = Math.min(Math.max(view.t1 - view.t0, Math.min(MIN_SPAN_NS, end)), end);
	const t0 = Math.min(Math.max(view.t0, 0), end - span);
	return { t0, t1: t0 + span };
}

// factor < 1 goes in; the time `at` stays where it is.
export function zoomAt(view: View, at: number, factor: number, end: number): View {
	const span = (view.t1 - view.t0) * factor;
	const part = (at - view.t0) / (view.t1 - view.t0);
	return clampView({ t0: at - part * span, t1: at + (1 - part) * span }, end);
}

export function pan(view: View, part: number, end: number): View {
	const by = (view.t1 - view.t0) * part;
	return clampView({ t0: view.t0 + by, t1: view.t1 + by }, end);
}

// Room on both sides of [a, b].
export function around(a: number, b: number, end: number): View {
	const room = Math.max((b - a) * 0.6, 500);
	return clampView({ t0: a - room, t1: b + room }, end);
}

export function toX(view: View, t: number, width: number): number {
	return ((t - view.t0) / (view.t1 - view.t0)) * width;
}

export function toTime(view: View, x: number, width: number): number {
	return view.t0 + (x / width) * (view.t1 - view.t0);
}
