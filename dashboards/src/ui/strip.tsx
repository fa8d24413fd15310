// SPDX-License-Identifier: BSD-2-Clause
//
// How parallel it was: the strip of the part in view, and the whole run as a minimap to move in.
import { useSignalEffect, type ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { css, type Palette } from '../draw/colours';
import { drawStrip } from '../draw/strip';
import { StripSum, type Strip } from '../model';
import { runEnd, setView, type Store } from '../store';
import { formatNs } from '../time';
import { about } from '../words';
import { onPrint } from './print';
import { gutter } from './timeline';

const COLUMN = 2; // px; all threads count in each
const SLOW_MS = 4; // in one frame: a strip that takes longer waits until the view stands still, and goes on
// in the next frame
const CALM_MS = 90;
const HEIGHT = 64;
const MAP_HEIGHT = 26;
const NARROW = 120; // px of the gutter: no room for the length of the run

function fitCanvas(
	canvas: HTMLCanvasElement,
	width: number,
	height: number,
): CanvasRenderingContext2D | null {
	const ratio = Math.min(2, window.devicePixelRatio || 1);
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	const g = canvas.getContext('2d', { alpha: false });
	g?.setTransform(ratio, 0, 0, ratio, 0, 0);
	return g;
}

const inks = (p: Palette) => [css(p.states[0]), css(p.states[1]), css(p.states[5])];

function beginStrip(store: Store, canvas: HTMLCanvasElement): StripSum {
	const width = canvas.clientWidth;
	const { t0, t1 } = store.view.value;
	const columns = Math.max(1, Math.floor((width - gutter(width)) / COLUMN));
	return new StripSum(store.model.threads, t0, t1, columns);
}

// To the height of the other run's, if there is one.
const scaled = (store: Store, strip: Strip): Strip => ({
	...strip,
	most: Math.max(strip.most, store.mostAlive),
});

function drawMain(store: Store, p: Palette, canvas: HTMLCanvasElement, sum: StripSum): void {
	const width = canvas.clientWidth;
	const left = gutter(width);
	const g = fitCanvas(canvas, width, HEIGHT);
	if (!g) return;
	const strip = scaled(store, sum.strip());
	const most = Math.ceil(strip.most - 1e-9);
	const { cpus } = store.model.data.meta.summary.run;
	g.fillStyle = p.paper;
	g.fillRect(0, 0, width, HEIGHT);
	g.fillStyle = p.lane;
	g.fillRect(left, 2, width - left, HEIGHT - 4);
	drawStrip(g, strip, left, 2, HEIGHT - 4, inks(p), COLUMN);
	g.font = '12px system-ui, sans-serif';
	g.fillStyle = p.text;
	g.fillText('How parallel', 8, 16);
	g.fillStyle = p.dim;
	g.font = '11px system-ui, sans-serif';
	g.fillText(`${most} thread${most === 1 ? '' : 's'}`, 8, 32);
	if (cpus < most) {
		const y = HEIGHT - 2 - ((HEIGHT - 4) * cpus) / most;
		g.fillText(`— ${cpus} CPU${cpus === 1 ? '' : 's'}`, 8, Math.min(Math.max(y + 4, 46), HEIGHT - 4));
		g.setLineDash([4, 3]);
		g.strokeStyle = p.accent;
		g.beginPath();
		g.moveTo(left, y);
		g.lineTo(width, y);
		g.stroke();
	}
}

// The whole run does not change while one moves: it is kept as a picture.
interface MapPicture {
	canvas?: HTMLCanvasElement;
	palette?: Palette;
	of?: Strip;
	width?: number;
}

function mapPicture(store: Store, p: Palette, width: number, kept: MapPicture): HTMLCanvasElement {
	const { overview } = store.model;
	if (kept.canvas && kept.of === overview && kept.palette === p && kept.width === width) return kept.canvas;
	const canvas = document.createElement('canvas');
	const g = fitCanvas(canvas, width, MAP_HEIGHT);
	const left = gutter(width);
	const end = runEnd(store);
	if (g) {
		g.fillStyle = p.paper;
		g.fillRect(0, 0, width, MAP_HEIGHT);
		// of the longer of two runs
		const room = ((width - left) * store.model.data.end) / end;
		drawStrip(g, scaled(store, overview), left, 3, MAP_HEIGHT - 6, inks(p), room / overview.width);
		g.font = '12px system-ui, sans-serif';
		g.fillStyle = p.text;
		const length = left < NARROW ? '' : `, ${formatNs(store.model.data.end)}`;
		g.fillText(`Whole run${length}`, 8, 17, left - 14);
	}
	Object.assign(kept, { canvas, of: overview, palette: p, width });
	return canvas;
}

function drawMap(store: Store, p: Palette, canvas: HTMLCanvasElement, kept: MapPicture): void {
	const width = canvas.clientWidth;
	const left = gutter(width);
	const picture = mapPicture(store, p, width, kept);
	const g = fitCanvas(canvas, width, MAP_HEIGHT);
	if (!g) return;
	g.drawImage(picture, 0, 0, width, MAP_HEIGHT);
	const room = width - left;
	const end = runEnd(store);
	const { t0, t1 } = store.view.value;
	const [x0, x1] = [left + (t0 / end) * room, left + (t1 / end) * room];
	g.fillStyle = p.dark ? 'rgb(20 24 29 / 65%)' : 'rgb(255 255 255 / 65%)';
	g.fillRect(left, 0, x0 - left, MAP_HEIGHT);
	g.fillRect(x1, 0, left + room - x1, MAP_HEIGHT);
	g.strokeStyle = p.accent;
	g.lineWidth = 2;
	g.strokeRect(x0, 1, Math.max(3, x1 - x0), MAP_HEIGHT - 2);
}

function dragMap(store: Store, canvas: HTMLCanvasElement): void {
	const go = (e: PointerEvent) => {
		if (!(e.buttons & 1)) return;
		const rect = canvas.getBoundingClientRect();
		const left = gutter(rect.width);
		const t = ((e.clientX - rect.left - left) / (rect.width - left)) * runEnd(store);
		const span = store.view.value.t1 - store.view.value.t0;
		setView(store, { t0: t - span / 2, t1: t + span / 2 });
	};
	canvas.addEventListener('pointerdown', (e) => {
		canvas.setPointerCapture(e.pointerId);
		go(e);
	});
	canvas.addEventListener('pointermove', go);
}

export function Strips({ store, colours }: { store: Store; colours: ReadonlySignal<Palette> }) {
	const main = useRef<HTMLCanvasElement>(null);
	const map = useRef<HTMLCanvasElement>(null);
	const paint = useRef<() => void>(() => {});

	useEffect(() => {
		const [a, b] = [main.current, map.current];
		if (!a || !b) return;
		const kept: MapPicture = {};
		let asked = 0;
		let slow = false;
		let timer = 0;
		let drawn = -1; // of store.lanesRead
		let sum: StripSum | null = null;
		const goOn = () => {
			if (!sum || !a.isConnected) return;
			if (sum.add(performance.now() + SLOW_MS)) {
				drawMain(store, colours.value, a, sum);
				sum = null;
			} else {
				slow = true;
				requestAnimationFrame(goOn);
			}
		};
		const begin = () => {
			if (!a.isConnected) return;
			const idle = !sum;
			slow = false;
			sum = beginStrip(store, a);
			if (idle) goOn();
		};
		paint.current = () => {
			if (asked) return;
			asked = requestAnimationFrame(() => {
				asked = 0;
				if (!a.isConnected) return; // another run is in its place
				drawMap(store, colours.value, b, kept);
				clearTimeout(timer);
				// the first time with new data the timeline has enough to do in this frame
				const fresh = drawn !== store.lanesRead.value;
				drawn = store.lanesRead.value;
				if (slow || fresh) timer = window.setTimeout(begin, slow ? CALM_MS : 0);
				else begin();
			});
		};
		dragMap(store, b);
		const now = () => {
			const whole = beginStrip(store, a);
			whole.add(Infinity);
			drawMap(store, colours.value, b, kept);
			drawMain(store, colours.value, a, whole);
		};
		const stopPrint = onPrint(now, now);
		const sizes = new ResizeObserver(() => paint.current());
		sizes.observe(a);
		return () => {
			sizes.disconnect();
			stopPrint();
		};
	}, [store]);
	useSignalEffect(() => {
		void store.view.value;
		void store.lanesRead.value;
		void colours.value;
		paint.current();
	});
	const { mean_running: mean, alone_ns: alone } = store.model.data.meta.summary.parallelism;
	const text = `On average ${about(store.model)}${mean.toFixed(2)} threads ran at once on ${store.model.data.meta.summary.run.cpus} CPUs; for ${about(store.model)}${formatNs(alone)} exactly one ran while a CPU was free and some thread waited.`;
	return (
		<div class="strips">
			<canvas
				ref={map}
				class="map"
				role="img"
				aria-label="The whole run; drag to move the part in view. With the keyboard: arrow keys."
				style={{ height: `${MAP_HEIGHT}px` }}
			/>
			<canvas ref={main} class="strip" role="img" aria-label={text} style={{ height: `${HEIGHT}px` }} />
		</div>
	);
}
