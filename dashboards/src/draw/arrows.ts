// SPDX-License-Identifier: BSD-2-Clause
//
// Arrows of wake-ups, those that the selected thread had and gave.  Where they stand far apart there is one for
// each; where they would cover the lanes, one for each pair of threads and stretch of time, with how many it
// stands for.  Over them, whatever the zoom: who ended the selected slice, and the chain that Enter follows.
import type { Lane } from '../layout';
import type { Model } from '../model';
import { follow, type Ref } from '../words';
import { barOf, setFont, textWidth, xOf, yOf, type Scene } from './overlay';

// ---- what there is, worked out once for a selection ----

// All wake-ups of one thread by another.
interface Pair {
	from: number;
	to: number;
	times: Float64Array; // ascending
}

// The thread's wake-ups by pairs: waits of one thread are in order of time, but for the odd one.
function pairsOf(model: Model, thread: number): Pair[] {
	const { waker, thread: woken, end, n } = model.data.waits;
	const threads = model.threads.length;
	const counts = new Int32Array(2 * threads); // it woke the other; the other woke it
	const slot = (w: number) => (woken[w] === thread ? threads + waker[w] : woken[w]);
	const counted = (w: number) =>
		waker[w] >= 0 && woken[w] >= 0 && waker[w] !== woken[w] && (woken[w] === thread || waker[w] === thread);
	for (let w = 0; w < n; w++) if (counted(w)) counts[slot(w)]++;
	const pairs = new Map<number, Pair>();
	counts.forEach((cnt, k) => {
		const ends = k < threads ? { from: thread, to: k } : { from: k - threads, to: thread };
		if (cnt) pairs.set(k, { ...ends, times: new Float64Array(cnt) });
	});
	counts.fill(0);
	for (let w = 0; w < n; w++) {
		if (!counted(w)) continue;
		const k = slot(w);
		(pairs.get(k) as Pair).times[counts[k]++] = end[w];
	}
	for (const { times } of pairs.values())
		if (times.some((t, i) => i > 0 && t < times[i - 1])) times.sort();
	return [...pairs.values()];
}

interface Wake {
	from: number;
	to: number;
	t: number;
}

const CHAIN_MOST = 16; // slices
const CHAIN_APART = 6; // px

// Who ended the selected slice's wait, who that one's, as often as Enter leads to a waker.
function chainOf(model: Model, selected: Ref): Wake[] {
	const { slices, waits } = model.data;
	const chain: Wake[] = [];
	let at: Ref | null = selected;
	// of a ring in which nobody is ever woken there is no end
	for (let steps = 0; at && steps < CHAIN_MOST; steps++, at = follow(model, at)) {
		const w = slices[at.thread].waitAt(at.slice);
		const from = w < 0 ? -1 : waits.waker[w];
		if (from >= 0 && from !== at.thread) chain.push({ from, to: at.thread, t: waits.end[w] });
	}
	return chain;
}

interface Wakes {
	of: Ref;
	n: number; // of all waits: a sketch has none
	pairs: Pair[];
	chain: Wake[];
}

const lastWakes = new WeakMap<Model, Wakes>();

function wakesOf(model: Model, of: Ref): Wakes {
	const known = lastWakes.get(model);
	const { n } = model.data.waits;
	const same = known?.n === n && known.of.thread === of.thread;
	if (same && known.of.slice === of.slice) return known;
	const pairs = same ? known.pairs : pairsOf(model, of.thread);
	const wakes = { of, n, pairs, chain: chainOf(model, of) };
	lastWakes.set(model, wakes);
	return wakes;
}

function countBefore(times: Float64Array, t: number): number {
	let lo = 0;
	let hi = times.length;
	while (lo < hi) {
		const middle = (lo + hi) >> 1;
		if (times[middle] < t) lo = middle + 1;
		else hi = middle;
	}
	return lo;
}

// ---- one arrow ----

interface Look {
	wide: number; // px of the line
	alpha: number;
	halo: number; // px of paper on both sides, so that it is seen on any colour
}

function strokeArrow(s: Scene, x: number, from: Lane, to: Lane, { wide, alpha, halo }: Look): void {
	const { g, palette } = s;
	const way = to.y > from.y ? 1 : -1;
	const y0 = yOf(s, from) + barOf(from) / 2;
	const y1 = yOf(s, to) + (way > 0 ? 3 : barOf(to) - 3);
	const head = 3.5 + wide / 3;
	const dot = 1.6 + wide / 2;
	const path = (more: number) => {
		g.beginPath();
		g.arc(x, y0, dot + more, 0, 7);
		g.fill();
		g.beginPath();
		g.moveTo(x, y0);
		g.lineTo(x, y1 - way * 3);
		g.lineWidth = wide + 2 * more;
		g.stroke();
		g.beginPath();
		g.moveTo(x, y1 + way * (4 + more));
		g.lineTo(x - head - more, y1 - way * (3 + more));
		g.lineTo(x + head + more, y1 - way * (3 + more));
		g.fill();
	};
	g.globalAlpha = alpha;
	g.strokeStyle = g.fillStyle = palette.paper;
	if (halo) path(halo);
	g.strokeStyle = g.fillStyle = palette.accent;
	path(0);
	g.globalAlpha = 1;
}

// ---- many ----

const BIN_PX = 110; // stretches of time are at least so wide
const FEW = 12; // arrows of all pairs in a stretch: each is drawn
const NOTE_FONT = '600 10px system-ui, sans-serif';
const BUNDLES_MOST = 6; // in a stretch: those of the pairs with the most wake-ups in view

interface Shown extends Pair {
	src: Lane;
	dst: Lane;
	other: Lane; // not the selected thread's
	cnt: number; // in view
	alpha: number; // those that the selected thread gave are paler
}

function formatCrowd(n: number): string {
	if (n < 1000) return String(n);
	return n < 99_500 ? `${Number((n / 1000).toPrecision(2))}k` : `${Math.round(n / 1000)}k`;
}

// Those between lanes on the screen that happen in view.
function shownPairs(s: Scene, pairs: Pair[], thread: number): Shown[] {
	const lanes = new Map(s.lanes.filter((l) => l.kind === 'thread').map((l) => [l.index, l]));
	return pairs.flatMap((pair) => {
		const [src, dst] = [lanes.get(pair.from), lanes.get(pair.to)];
		const cnt = countBefore(pair.times, s.view.t1) - countBefore(pair.times, s.view.t0);
		if (!src || !dst || !cnt) return [];
		const mine = pair.to === thread;
		return [{ ...pair, src, dst, other: mine ? src : dst, cnt, alpha: mine ? 0.95 : 0.5 }];
	});
}

interface Note {
	x: number;
	y: number;
	text: string;
}

function drawNotes(s: Scene, notes: Note[]): void {
	const { g, palette } = s;
	setFont(s, NOTE_FONT);
	g.textBaseline = 'middle';
	for (const { x, y, text } of notes) {
		g.fillStyle = palette.paper;
		g.fillRect(x, y - 6, textWidth(s, text) + 4, 12);
		g.fillStyle = palette.text;
		g.fillText(text, x + 2, y + 0.5);
	}
}

interface Crowd {
	all: Shown[];
	drawn: Shown[]; // of those the ones that get bundles, in the order of the lanes
	most: number; // wake-ups for which a bundle is as wide as it gets
}

// Of one stretch: each arrow, or a bundle for each pair, beside each other.
function drawBin(s: Scene, { all, drawn, most }: Crowd, t0: number, t1: number): Note[] {
	const firsts = new Map(all.map((p) => [p, countBefore(p.times, t0)]));
	const count = (p: Shown) => countBefore(p.times, t1) - (firsts.get(p) ?? 0);
	const timeOf = (p: Shown, i: number) => p.times[(firsts.get(p) ?? 0) + i];
	const one = { wide: 1.2, halo: 0.8 };
	if (all.reduce((sum, p) => sum + count(p), 0) <= FEW) {
		for (const p of all)
			for (let i = count(p) - 1; i >= 0; i--)
				strokeArrow(s, xOf(s, timeOf(p, i)), p.src, p.dst, { ...one, alpha: p.alpha });
		return [];
	}
	const slot = (xOf(s, t1) - xOf(s, t0)) / drawn.length;
	setFont(s, NOTE_FONT);
	return drawn.flatMap((p, i) => {
		const n = count(p);
		if (!n) return [];
		const x = n === 1 ? xOf(s, timeOf(p, 0)) : xOf(s, t0) + (i + 0.5) * slot;
		const wide = 1 + 2.5 * Math.sqrt(Math.min(1, n / most));
		strokeArrow(s, x, p.src, p.dst, n === 1 ? { ...one, alpha: p.alpha } : { wide, halo: 1, alpha: p.alpha });
		const text = formatCrowd(n);
		const fits = n > 1 && textWidth(s, text) + 12 <= 2 * slot;
		return fits ? [{ x: x + 4, y: yOf(s, p.other) + barOf(p.other) / 2, text }] : [];
	});
}

function drawPairs(s: Scene, pairs: Pair[], thread: number): void {
	const span = s.view.t1 - s.view.t0;
	const all = shownPairs(s, pairs, thread).sort((a, b) => b.cnt - a.cnt);
	if (!all.length) return;
	const drawn = all.slice(0, BUNDLES_MOST).sort((a, b) => a.other.y - b.other.y || a.from - b.from);
	// the same stretches wherever the view is moved to, so that nothing flickers
	const step = 2 ** Math.ceil(Math.log2((span / s.width) * BIN_PX));
	const crowd = { all, drawn, most: Math.max(1, (all[0].cnt * step) / span) };
	const notes: Note[] = [];
	for (let t = Math.floor(s.view.t0 / step) * step; t < s.view.t1; t += step)
		notes.push(...drawBin(s, crowd, t, t + step));
	drawNotes(s, notes);
}

// From the waker down or up to the woken.
export function drawArrows(s: Scene, selected: Ref): void {
	const { pairs, chain } = wakesOf(s.model, selected);
	drawPairs(s, pairs, selected.thread);
	const laneOf = (thread: number) => s.all.find((l) => l.kind === 'thread' && l.index === thread);
	let last = Infinity; // px: those too near the one before are for who zooms in
	chain.forEach(({ from, to, t }, i) => {
		const [src, dst] = [laneOf(from), laneOf(to)];
		const x = xOf(s, t);
		if (!src || !dst || t < s.view.t0 || t > s.view.t1 || Math.abs(last - x) < CHAIN_APART) return;
		last = x;
		strokeArrow(s, x, src, dst, { wide: i ? 1.4 : 2, alpha: 1, halo: 1.2 });
	});
}
