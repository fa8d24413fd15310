// SPDX-License-Identifier: BSD-2-Clause
//
// The timeline as an element: its canvas, the pointer on it, and its scrolling.  Drawing is in draw/.
import { useSignalEffect, type ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { drawArrows } from '../draw/arrows';
import { css, makeTiles, type Palette } from '../draw/colours';
import { paintTrack, type Raster } from '../draw/lanes';
import { drawEnd } from '../draw/end';
import { drawMarks, drawTouched, pickTouch } from '../draw/marks';
import * as overlay from '../draw/overlay';
import { laneAt, lanesHeight, type Lane } from '../layout';
import { LOCK_WORDS, CLASS_WORDS } from '../model';
import { lanesOf, provenBy, runEnd, select, selectTouch, setView, type Store } from '../store';
import { countIn } from '../touches';
import { findSlice } from '../visible';
import { pan, toTime, zoomAt } from '../time_scale';
import { HOLD_MS, Pinch, TAP_PX } from './fingers';
import { onPrint } from './print';
import { HoverNote, MarksLegend } from './touches';

export const RULER = 24;
const STATE_ORDER = [0, 1, 2, 3, 4, 6, 5];
const LOCK_ORDER = [2, 3, 1];
const CPU_ORDER = [1, 2, 3, 4];
const PAPER_MOST = 6000; // px of lanes on paper
const CLICK_PX = 4; // a drag shorter than this is a click

export const gutter = (width: number): number => (width < 600 ? 96 : 168);

interface Inks {
	of: Palette;
	states: Uint32Array;
	locks: Uint32Array;
	cpus: Uint32Array;
	lane: number;
	paper: number;
}

function makeInks(p: Palette): Inks {
	const plain = (hex: string) => {
		const n = parseInt(hex.slice(1), 16);
		return (255 << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16);
	};
	return {
		of: p,
		states: makeTiles(p.states),
		locks: makeTiles(p.locks),
		cpus: makeTiles(p.cpus),
		lane: plain(p.lane),
		paper: plain(p.paper),
	};
}

function paintLanes(
	store: Store,
	inks: Inks,
	raster: Raster,
	lanes: Lane[],
	scroll: number,
	ratio: number,
): void {
	const { model } = store;
	const view = store.view.value;
	raster.px.fill(inks.paper);
	for (const lane of lanes) {
		if (lane.kind === 'head') continue;
		const top = Math.round((lane.y - scroll + 1) * ratio);
		const whole = Math.round((lane.height - 2) * ratio);
		const height = Math.round((overlay.barOf(lane) - 2) * ratio);
		const [a, b] = [Math.max(0, top), Math.min(raster.height, top + whole)];
		if (b > a) raster.px.fill(inks.lane, a * raster.width, b * raster.width);
		if (lane.kind === 'thread')
			paintTrack(raster, model.threads[lane.index], view, top, height, inks.states, STATE_ORDER);
		else if (lane.kind === 'lock')
			paintTrack(raster, model.locks[lane.index], view, top, height, inks.locks, LOCK_ORDER);
		else if (lane.kind === 'cpu')
			paintTrack(raster, model.cpus[lane.index], view, top, height, inks.cpus, CPU_ORDER);
	}
}

class Painter {
	private raster: Raster | null = null;
	private image: ImageData | null = null;
	private inks: Inks | null = null;
	private painted: unknown[] = []; // what the raster shows

	constructor(
		private readonly store: Store,
		private readonly canvas: HTMLCanvasElement,
	) {}

	draw(p: Palette, width: number, height: number, scroll: number): void {
		const { store, canvas } = this;
		const ratio = Math.min(2, window.devicePixelRatio || 1);
		const left = gutter(width);
		const [w, h] = [
			Math.max(1, Math.round((width - left) * ratio)),
			Math.max(1, Math.round((height - RULER) * ratio)),
		];
		const g = canvas.getContext('2d', { alpha: false });
		if (!g) return;
		if (this.inks?.of !== p) this.inks = makeInks(p);
		if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(height * ratio);
		}
		if (!this.image || this.image.width !== w || this.image.height !== h) {
			this.image = g.createImageData(w, h);
			this.raster = { width: w, height: h, px: new Uint32Array(this.image.data.buffer) };
		}
		const all = lanesOf(store);
		const lanes = all.filter((l) => l.y + l.height > scroll && l.y < scroll + height - RULER);
		const { t0, t1 } = store.view.value;
		const wanted = [t0, t1, scroll, ratio, this.raster, this.inks, all];
		if (!wanted.every((part, i) => part === this.painted[i]))
			paintLanes(store, this.inks, this.raster as Raster, lanes, scroll, ratio);
		this.painted = wanted;
		g.setTransform(1, 0, 0, 1, 0, 0);
		g.fillStyle = p.paper;
		g.fillRect(0, 0, canvas.width, canvas.height);
		g.putImageData(this.image, Math.round(left * ratio), Math.round(RULER * ratio));
		g.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.over(g, p, { width, height, left, scroll, all }, lanes);
	}

	private over(
		g: CanvasRenderingContext2D,
		p: Palette,
		at: { width: number; height: number; left: number; scroll: number; all: Lane[] },
		lanes: Lane[],
	): void {
		const { store } = this;
		const scene: overlay.Scene = {
			g,
			lanes,
			all: at.all,
			palette: p,
			model: store.model,
			view: store.view.value,
			left: at.left,
			width: at.width - at.left,
			top: RULER,
			height: at.height - RULER,
			scroll: at.scroll,
			font: '',
		};
		const selected = store.selected.value;
		g.save();
		g.beginPath();
		g.rect(at.left, RULER, scene.width, scene.height);
		g.clip();
		overlay.drawNames(scene);
		drawMarks(scene);
		overlay.drawLit(scene, store.lit.value);
		drawEnd(scene, runEnd(store));
		overlay.drawLosses(scene);
		overlay.drawCuts(scene);
		if (store.path.value) overlay.drawPath(scene);
		if (selected) drawArrows(scene, selected);
		overlay.drawSelection(scene, selected);
		drawTouched(scene, store.touch.value, provenBy(store));
		g.restore();
		scene.font = '';
		const touched = store.touch.value < 0 ? -1 : store.model.touches.thread[store.touch.value];
		overlay.drawGutter(scene, store.lit.value, selected?.thread ?? touched);
		overlay.drawRuler(scene);
		g.save();
		g.beginPath();
		g.rect(at.left, 0, scene.width, at.height);
		g.clip();
		overlay.drawRange(scene, store.range.value, store.cursor.value);
		g.restore();
	}
}

// ---- the pointer ----

interface Spot {
	lane: Lane | null;
	t: number;
	width: number; // px of the lanes
	inBand: boolean; // at the lane's foot, where accesses are
}

const picked = (store: Store, { lane, t, width, inBand }: Spot) =>
	lane && pickTouch({ model: store.model, view: store.view.value, width }, lane, t, inBand);

function clickOn(store: Store, spot: Spot): void {
	const { lane, t } = spot;
	store.cursor.value = t;
	store.range.value = null;
	const touch = picked(store, spot);
	if (touch) {
		store.history = [];
		selectTouch(store, touch.id, touch.crowd);
		return;
	}
	if (!lane || lane.kind === 'head' || lane.kind === 'variable') {
		select(store, null);
		return;
	}
	if (lane.kind === 'lock') {
		select(store, null);
		store.lockAt.value = { lock: lane.index, t };
		return;
	}
	let thread = lane.index;
	if (lane.kind === 'cpu') {
		const cpu = store.model.cpus[lane.index];
		thread = cpu.thread[Math.min(Math.max(findSlice(cpu, t), 0), cpu.n - 1)] ?? -1;
		if (thread < 0) return;
	}
	const slice = findSlice(store.model.data.slices[thread], t);
	store.history = [];
	if (slice >= 0 && slice < store.model.data.slices[thread].n) select(store, { thread, slice }, false);
	else select(store, null);
}

function listen(store: Store, canvas: HTMLCanvasElement, box: HTMLElement): () => void {
	let down: { x: number; t: number; pan: boolean; lastX: number; moved: boolean } | null = null;
	let held = 0; // timer
	const pinch = new Pinch(store);
	const place = (e: PointerEvent | WheelEvent) => {
		const rect = canvas.getBoundingClientRect();
		const left = gutter(rect.width);
		const width = rect.width - left;
		return {
			x: e.clientX - rect.left,
			t: toTime(store.view.value, Math.min(Math.max(e.clientX - rect.left - left, 0), width), width),
			y: e.clientY - rect.top - RULER + box.scrollTop,
			left,
			width,
		};
	};
	const spotAt = (at: ReturnType<typeof place>): Spot => {
		const lane = laneAt(lanesOf(store), at.y);
		const inBand = !!lane && at.y >= lane.y + overlay.barOf(lane) - 1;
		return { lane, t: at.t, width: at.width, inBand };
	};
	// what lies under the pointer is said beside it
	const hover = (e: PointerEvent) => {
		const at = place(e);
		const spot = spotAt(at);
		const touch = at.x > gutter(canvas.clientWidth) && e.pointerType !== 'touch' ? picked(store, spot) : null;
		if (!touch || !spot.lane) {
			store.hover.value = null;
			return;
		}
		const { touches } = store.model;
		const { kind, index } = spot.lane;
		const list = kind === 'variable' ? touches.byVariable[index] : touches.byThread[index];
		store.hover.value = {
			x: e.clientX,
			y: e.clientY,
			id: touch.id,
			crowd: touch.crowd ? countIn(touches, list, touch.t0, touch.t1) : null,
		};
	};
	const onLeave = () => (store.hover.value = null);
	const letGo = (e: PointerEvent) => {
		pinch.up(e.pointerId);
		clearTimeout(held);
		down = null;
	};
	const onDown = (e: PointerEvent) => {
		if (e.button > 1) return;
		store.hover.value = null;
		const at = place(e);
		const finger = e.pointerType === 'touch';
		canvas.setPointerCapture(e.pointerId);
		canvas.focus({ preventScroll: true });
		clearTimeout(held);
		if (finger) pinch.down(e.pointerId, at.x - at.left);
		// the finger that stays when the other one goes means nothing any more
		down = pinch.two
			? null
			: { x: at.x, t: at.t, pan: finger || e.shiftKey || e.button === 1, lastX: at.x, moved: false };
		if (finger && down) held = window.setTimeout(() => rest(), HOLD_MS);
	};
	// A finger that rests marks from here on.
	const rest = () => {
		if (!down) return;
		down.pan = false;
		store.cursor.value = down.t;
	};
	const onMove = (e: PointerEvent) => {
		const at = place(e);
		const finger = e.pointerType === 'touch';
		if (pinch.two) {
			pinch.move(e.pointerId, at.x - at.left, at.width);
			return;
		}
		if (!down) {
			if (store.model.touches.n) hover(e);
			return;
		}
		down.moved ||= Math.abs(at.x - down.x) > (finger ? TAP_PX : CLICK_PX);
		if (finger && !down.moved) return;
		clearTimeout(held);
		if (down.pan) {
			setView(store, pan(store.view.value, (down.lastX - at.x) / at.width, runEnd(store)));
			down.lastX = at.x;
		} else if (down.moved) {
			store.range.value = { t0: Math.min(down.t, at.t), t1: Math.max(down.t, at.t) };
		}
	};
	const onUp = (e: PointerEvent) => {
		const click = down && !down.moved && (e.pointerType === 'touch' || !down.pan);
		letGo(e);
		if (click) clickOn(store, spotAt(place(e)));
	};
	const onWheel = (e: WheelEvent) => {
		const at = place(e);
		if (e.ctrlKey || e.altKey || e.metaKey) {
			e.preventDefault();
			setView(
				store,
				zoomAt(store.view.value, at.t, Math.exp(Math.max(-60, Math.min(60, e.deltaY)) / 140), runEnd(store)),
			);
		} else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
			e.preventDefault();
			setView(store, pan(store.view.value, (e.deltaX || e.deltaY) / at.width, runEnd(store)));
		}
	};
	canvas.addEventListener('pointerdown', onDown);
	canvas.addEventListener('pointermove', onMove);
	canvas.addEventListener('pointerleave', onLeave);
	canvas.addEventListener('pointerup', onUp);
	canvas.addEventListener('pointercancel', letGo);
	canvas.addEventListener('wheel', onWheel, { passive: false });
	return () => {
		canvas.removeEventListener('pointerdown', onDown);
		canvas.removeEventListener('pointermove', onMove);
		canvas.removeEventListener('pointerleave', onLeave);
		canvas.removeEventListener('pointerup', onUp);
		canvas.removeEventListener('pointercancel', letGo);
		canvas.removeEventListener('wheel', onWheel);
	};
}

export function Legend({ colours, lock, marks }: { colours: Palette; lock: boolean; marks: boolean }) {
	const swatch = (ink: Palette['states'][number]) => (
		<i class={`swatch ${ink.pattern}`} style={{ backgroundColor: css(ink) }} aria-hidden="true" />
	);
	return (
		<>
		<p class="legend">
			{CLASS_WORDS.map((word, i) => (
				<span key={word}>
					{swatch(colours.states[i])}
					{word}
				</span>
			))}
			{lock && <b>Locks:</b>}
			{lock &&
				LOCK_WORDS.map((word, i) =>
					i ? (
						<span key={word}>
							{swatch(colours.locks[i])}
							{word}
						</span>
					) : null,
				)}
		</p>
		{marks && <MarksLegend colours={colours} />}
		</>
	);
}

// After a click on a card or a row Enter is to go on along the chain, and not to click once more.  Who uses the
// keyboard stays where he is.
function takeFocus(canvas: HTMLCanvasElement | null): void {
	const here = document.activeElement;
	if (here instanceof HTMLButtonElement && !here.matches(':focus-visible')) canvas?.focus({ preventScroll: true });
}

const SEEN = 120; // px of it in sight are enough

export function Timeline({ store, colours }: { store: Store; colours: ReadonlySignal<Palette> }) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const box = useRef<HTMLDivElement>(null);
	const paint = useRef<() => void>(() => {});

	useEffect(() => {
		const [c, b] = [canvas.current, box.current];
		if (!c || !b) return;
		const painter = new Painter(store, c);
		let asked = 0;
		paint.current = () => {
			if (asked) return;
			asked = requestAnimationFrame(() => {
				asked = 0;
				if (!b.isConnected) return; // another run is in its place
				painter.draw(colours.value, b.clientWidth, b.clientHeight, b.scrollTop);
			});
		};
		paint.current();
		const sizes = new ResizeObserver(() => paint.current());
		sizes.observe(b);
		b.addEventListener('scroll', paint.current);
		const stop = listen(store, c, b);
		const screenHeight = b.style.height;
		const stopPrint = onPrint(
			() => {
				b.style.height = `${Math.min(PAPER_MOST, lanesHeight(lanesOf(store)) + RULER + 4)}px`;
				painter.draw(colours.value, b.clientWidth, b.clientHeight, 0);
			},
			() => {
				b.style.height = screenHeight;
				paint.current();
			},
		);
		return () => {
			sizes.disconnect();
			b.removeEventListener('scroll', paint.current);
			stop();
			stopPrint();
		};
	}, [store]);

	useSignalEffect(() => {
		for (const s of [
			store.view,
			store.selected,
			store.touch,
			store.range,
			store.cursor,
			store.lit,
			store.finding,
			store.path,
			store.sort,
			store.filter,
			store.onlyLit,
			store.lanesRead,
		])
			void s.value;
		void colours.value;
		paint.current();
	});
	useSignalEffect(() => {
		const lane = store.showLane.value;
		const b = box.current;
		if (!lane || !b) return;
		const [top, room] = [b.scrollTop, b.clientHeight - RULER];
		if (lane.y < top || lane.y + lane.height > top + room) b.scrollTop = Math.max(0, lane.y - room / 3);
	});
	useSignalEffect(() => {
		if (!store.shown.value) return;
		const hangs = store.model.data.meta.findings[store.finding.peek()]?.hang;
		// when the card has unfolded, which stays in sight as far as there is room; of a hang the graph tells most
		requestAnimationFrame(() => {
			box.current?.scrollIntoView({ block: 'nearest' });
			if (hangs) document.querySelector('[role=tabpanel]')?.scrollIntoView({ block: 'nearest' });
			takeFocus(canvas.current);
		});
	});
	useSignalEffect(() => {
		if (!store.wanted.value || !box.current) return;
		const { top, bottom } = box.current.getBoundingClientRect();
		if (Math.min(bottom, window.innerHeight) - Math.max(top, 0) < SEEN) box.current.scrollIntoView({ block: 'nearest' });
		takeFocus(canvas.current);
	});
	const height = lanesHeight(lanesOf(store)) + RULER + 2;
	return (
		<div class="lanes" ref={box} style={{ height: `min(${height + 2}px, 62vh)` }}>
			<canvas
				ref={canvas}
				tabIndex={0}
				role="application"
				aria-roledescription="timeline"
				aria-label="Timeline of threads, watched variables, locks and CPUs. Arrow keys or A and D move, W and S zoom, comma and full stop go from slice to slice, J and K from access to access, Enter goes to the cause. The tables below have the same data."
				aria-describedby="said"
			/>
			<HoverNote store={store} />
			<div class="spacer" style={{ height: `calc(${height}px - 100%)` }} aria-hidden="true" />
		</div>
	);
}
