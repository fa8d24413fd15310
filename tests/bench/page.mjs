#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// How the page bears large traces: made-up ones of 1, 10 and 50 million slices (or as many as are named), from
// opening the file to the first picture and to the last lane, frames while zooming and panning, memory.  Prints
// a table; never fails on a figure.  With --json the rows are written to a file, too.
//
//     tests/bench/page.mjs [--json FILE] [SLICES...]
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CTRACE, DIR, launch, ROOT } from '../page/lib/page.mjs';

const CPUS = '8'; // with eight threads each
const CALM_MS = 2500; // a browser that has just started is busy with itself
const words = process.argv.slice(2);
const json = words[0] === '--json' ? words.splice(0, 2)[1] : null;
const sizes = words.length ? words.map(Number) : [1e6, 10e6, 50e6];
const rows = [];
const tool = path.join(DIR, 'page_trace');
const build = path.dirname(CTRACE);
execFileSync(process.env.CC ?? 'gcc', [
	...['-O2', `-I${ROOT}/include`, `-I${ROOT}/user`, `${ROOT}/tests/bench/page_trace.c`],
	...[path.join(build, 'libctrace.a'), '-lz', '-o', tool],
]);

const quantile = (all, part) =>
	[...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))];

// In the page: zooms in by steps to a ten-millionth and out again, panning on the way, a step for each frame.
// Each frame with how far it was zoomed in, as a power of ten.
async function drive() {
	const press = (code) =>
		document.body.dispatchEvent(new KeyboardEvent('keydown', { code, key: '', bubbles: true }));
	const next = () => new Promise((done) => requestAnimationFrame(done));
	const frames = [];
	let zoom = 0;
	press('Digit0');
	await next();
	let before = await next();
	for (let i = 0; i < 240; i++) {
		const way = i < 120 ? ['KeyW', 'KeyD'] : ['KeyS', 'KeyA'];
		if (i % 8 === 7) press(i % 16 === 7 ? 'KeyA' : 'KeyD');
		else press(way[i % 4 ? 1 : 0]);
		if (i % 4 === 0) zoom += i < 120 ? 1 : -1;
		const now = await next();
		frames.push([now - before, Math.floor(-zoom * Math.log10(0.6))]);
		before = now;
	}
	return frames;
}

// Runs in the page before anything of it.
function watch() {
	window.blocked = [];
	window.work = [];
	new PerformanceObserver((list) => {
		for (const entry of list.getEntries()) window.blocked.push(entry.duration);
	}).observe({ type: 'longtask', buffered: true });
	const ask = window.requestAnimationFrame.bind(window);
	window.requestAnimationFrame = (act) =>
		ask((now) => {
			const begin = performance.now();
			act(now);
			window.work.push(performance.now() - begin);
		});
}

// The most memory that a process of the browser which shows pages had, MB.
async function mostMemory(browser) {
	const session = await browser.newBrowserCDPSession();
	const { processInfo } = await session.send('SystemInfo.getProcessInfo');
	let most = 0;
	for (const { type, id } of processInfo) {
		if (type !== 'renderer') continue;
		const kib = /VmHWM:\s*(\d+)/.exec(fs.readFileSync(`/proc/${id}/status`, 'utf8'))?.[1];
		most = Math.max(most, (Number(kib ?? 0) * 1024) / 1e6);
	}
	return most;
}

function makePage(slices) {
	const trace = path.join(DIR, 'made.ctrace');
	const html = path.join(DIR, 'made.html');
	execFileSync(tool, [String(slices), CPUS, trace]);
	const begin = process.hrtime.bigint();
	execFileSync(CTRACE, ['export', trace, '-f', 'html', '-o', html], { stdio: 'ignore' });
	return { html, exportS: Number(process.hrtime.bigint() - begin) / 1e9 };
}

async function measure(slices) {
	const { html, exportS } = makePage(slices);
	const size = fs.statSync(html).size;
	const browser = await launch();
	const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
	const row = { slices, exportS, mb: size / 1e6, bytes: size / slices };
	await page.addInitScript(watch);
	await page.waitForTimeout(CALM_MS);
	await page.goto(pathToFileURL(html).href, { timeout: 300_000 });
	await page.waitForSelector('html[data-whole], .broken', { state: 'attached', timeout: 300_000 });
	const { sketch, ready, whole } = await page.evaluate(() => ({ ...document.documentElement.dataset }));
	Object.assign(row, { pictureS: (sketch ?? ready) / 1e3, readyS: ready / 1e3, wholeS: whole / 1e3 });
	await page.waitForTimeout(1000);
	row.blockedOpening = Math.max(0, ...(await page.evaluate(() => window.blocked.splice(0))));
	await page.evaluate(() => window.work.splice(0));
	const frames = await page.evaluate(drive);
	const all = frames.map(([ms]) => ms);
	const scales = [...new Set(frames.map(([, scale]) => scale))].sort((a, b) => a - b);
	row.p50 = quantile(all, 0.5);
	row.p95 = quantile(all, 0.95);
	row.byScale = scales.map((s) => [
		s,
		quantile(
			frames.filter(([, scale]) => scale === s).map(([ms]) => ms),
			0.95,
		),
	]);
	row.work95 = quantile(await page.evaluate(() => window.work), 0.95);
	row.blocked = Math.max(0, ...(await page.evaluate(() => window.blocked)));
	row.memory = await mostMemory(browser);
	await browser.close();
	return row;
}

const ms = (value) => value.toFixed(1);

function print(r) {
	const scales = r.byScale.map(([s, p95]) => `10^-${s} ${p95.toFixed(0)}`).join(', ');
	console.log(
		`| ${(r.slices / 1e6).toFixed(0)} M | ${r.exportS.toFixed(1)} s | ${r.mb.toFixed(1)} MB | ${r.bytes.toFixed(1)} | ` +
			`${r.pictureS.toFixed(2)} / ${r.readyS.toFixed(2)} / ${r.wholeS.toFixed(2)} s | ${ms(r.p50)} / ${ms(r.p95)} ms | ${ms(r.work95)} ms | ` +
			`${r.blockedOpening.toFixed(0)} / ${r.blocked.toFixed(0)} ms | ${r.memory.toFixed(0)} MB |`,
	);
	console.error(`  p95 of frames by share of the run in view, ms: ${scales}`);
}

console.log(
	'| slices | export | HTML | B/slice | open to picture / slices / all lanes | frame p50 / p95 | work in a frame p95 | ' +
		'longest task, opening / moving | memory |',
);
console.log('|---|---|---|---|---|---|---|---|---|');
for (const slices of sizes) {
	rows.push(await measure(slices));
	print(rows[rows.length - 1]);
}
if (json) fs.writeFileSync(json, JSON.stringify(rows, null, '\t'));
fs.rmSync(DIR, { recursive: true, force: true });
