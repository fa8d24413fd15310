#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// How the page bears large traces: made-up ones of 1 and 10 million slices (or as many as are named), from
// opening the file to the first picture, frames while zooming and panning, memory.  Prints a table; never
// fails on a figure.
//
//     tests/bench/page.mjs [SLICES...]
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CTRACE, DIR, launch, ROOT } from '../page/lib/page.mjs';

const CPUS = '8'; // with eight threads each
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1e6, 10e6];
const tool = path.join(DIR, 'page_trace');
const build = path.dirname(CTRACE);
execFileSync(process.env.CC ?? 'gcc', [
	...['-O2', `-I${ROOT}/include`, `-I${ROOT}/user`, `${ROOT}/tests/bench/page_trace.c`],
	...[path.join(build, 'libctrace.a'), '-lz', '-o', tool],
]);

const quantile = (all, part) =>
	[...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))];

// In the page: zooms in by steps to a millionth and out again, panning on the way, a step for each frame.
async function drive() {
	const press = (code) =>
		document.body.dispatchEvent(new KeyboardEvent('keydown', { code, key: '', bubbles: true }));
	const next = () => new Promise((done) => requestAnimationFrame(done));
	const frames = [];
	press('Digit0');
	await next();
	let before = await next();
	for (let i = 0; i < 240; i++) {
		press(
			i % 8 === 7
				? i % 16 === 7
					? 'KeyA'
					: 'KeyD'
				: i < 120
					? i % 4
						? 'KeyD'
						: 'KeyW'
					: i % 4
						? 'KeyA'
						: 'KeyS',
		);
		const now = await next();
		frames.push(now - before);
		before = now;
	}
	return { frames, heap: performance.memory?.usedJSHeapSize ?? 0 };
}

async function measure(slices) {
	const trace = path.join(DIR, 'made.ctrace');
	const html = path.join(DIR, 'made.html');
	execFileSync(tool, [String(slices), CPUS, trace]);
	const begin = process.hrtime.bigint();
	execFileSync(CTRACE, ['export', trace, '-f', 'html', '-o', html], { stdio: 'ignore' });
	const exportS = Number(process.hrtime.bigint() - begin) / 1e9;
	const browser = await launch();
	const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
	await page.addInitScript(() => {
		window.blocked = [];
		new PerformanceObserver((list) => {
			for (const entry of list.getEntries()) window.blocked.push(entry.duration);
		}).observe({ type: 'longtask', buffered: true });
	});
	await page.goto(pathToFileURL(html).href, { timeout: 300_000 });
	await page.waitForSelector('html[data-whole], .broken', { state: 'attached', timeout: 300_000 });
	const ready = Number(await page.evaluate(() => document.documentElement.dataset.ready));
	await page.waitForTimeout(1000);
	const longestOpening = Math.max(0, ...(await page.evaluate(() => window.blocked.splice(0))));
	const { frames, heap } = await page.evaluate(drive);
	const longest = Math.max(0, ...(await page.evaluate(() => window.blocked)));
	await browser.close();
	const size = fs.statSync(html).size;
	console.log(
		`| ${(slices / 1e6).toFixed(0)} M | ${exportS.toFixed(1)} s | ${(size / 1e6).toFixed(1)} MB | ${(size / slices).toFixed(1)} | ` +
			`${(ready / 1e3).toFixed(2)} s | ${quantile(frames, 0.5).toFixed(1)} / ${quantile(frames, 0.95).toFixed(1)} ms | ` +
			`${longestOpening.toFixed(0)} / ${longest.toFixed(0)} ms | ${(heap / 1e6).toFixed(0)} MB |`,
	);
}

console.log(
	'| slices | export | HTML | B/slice | open to picture | frame p50 / p95 | longest task, opening / moving | JS heap |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const slices of sizes) await measure(slices);
fs.rmSync(DIR, { recursive: true, force: true });
