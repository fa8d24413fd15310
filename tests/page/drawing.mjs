#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// The timeline is drawn: pixels of the canvases at places worked out from what the traces say.  Each function
// that draws has a check here that fails when nothing is drawn by it.
/*
# time limit: 300
*/
import { check, equal, makePage, open, run, shut, until, writeTrace } from './lib/page.mjs';

const GUTTER = 168;
const RULER = 24;
const HEAD = 20;
const LANE = 22;
const MS = 1e6;

// Light theme (draw/colours.ts).  A pattern's darker pixels are 0.62 of its colour.
const RUNNING = [0, 158, 115];
const RUNNING_2 = [92, 195, 164]; // on a CPU: another thread
const RUNNABLE = [230, 159, 0];
const LOCK = [213, 94, 0];
const SLEEP = [217, 222, 228];
const IO = [86, 180, 233];
const HELD = [86, 180, 233];
const FREE = [244, 246, 248];
const WHITE = [255, 255, 255];
const PATTERN = 0.62;
const mix = (colour, over, part) => colour.map((c, i) => c * (1 - part) + over[i] * part);

const near = (px, colour, by = 3) => colour.every((c, i) => Math.abs(px[i] - c) <= by);
const isOf = (colour, by) => (px) => near(px, colour, by) || near(px, mix(colour, [0, 0, 0], 1 - PATTERN), by);
// Darker than every colour and its pattern: what is written or drawn in black.
const isDark = (px) => Math.max(...px) < 110;

// Pixels of a canvas, [r, g, b] each, row by row; x, y are px of the element.
const pixels = (page, x, y, w, h, of = '.lanes') =>
	page.evaluate(
		({ x, y, w, h, of }) => {
			const found = document.querySelector(of);
			const canvas = found.matches('canvas') ? found : found.querySelector('canvas');
			const { data } = canvas.getContext('2d').getImageData(Math.round(x), Math.round(y), w, h);
			return Array.from({ length: w * h }, (_, i) => [...data.subarray(4 * i, 4 * i + 3)]);
		},
		{ x, y, w, h, of },
	);

// A page of which the part in view is known.
async function openAt(browser, file, t0, t1, more = '') {
	const page = await open(browser, file, { hash: `#t=${t0},${t1}${more}` });
	page.view = [t0, t1];
	page.room = (await page.evaluate(() => document.querySelector('.lanes canvas').clientWidth)) - GUTTER;
	return page;
}

async function look(page, t0, t1) {
	await page.evaluate((to) => {
		location.hash = to;
	}, `#t=${t0},${t1}`);
	page.view = [t0, t1];
}

const xOf = (page, t) => GUTTER + ((t - page.view[0]) / (page.view[1] - page.view[0])) * page.room;

// How many of the pixels in a box with its middle at time t are `what`; waits for `fits`.
function counted(page, t, y, w, h, what, fits, of) {
	return until(
		async () => (await pixels(page, xOf(page, t) - (w - 1) / 2, y, w, h, of)).filter(what).length,
		fits,
	);
}

async function isAll(page, name, t, y, colour, { w = 9, h = 2, of, by } = {}) {
	const n = await counted(page, t, y, w, h, isOf(colour, by), (got) => got === w * h, of);
	if (n === w * h) return check(name, true);
	const [seen] = await pixels(page, xOf(page, t), y, 1, 1, of);
	return check(name, false, `${n} of ${w * h} pixels, one is ${seen}`);
}

async function hasInk(page, name, t, y, w, h, { least, what = isDark, of }) {
	const drawn = (n) => n >= least && n < w * h; // a canvas without anything is black
	const n = await counted(page, t, y, w, h, what, drawn, of);
	check(name, drawn(n), `${n} pixels of at least ${least}`);
}

// Once something that is drawn with it has been waited for.
async function hasNone(page, name, t, y, w, h, { what = isDark, of } = {}) {
	const n = await counted(page, t, y, w, h, what, (got) => got === 0, of);
	equal(name, n, 0);
}

// y of the n-th lane of threads, when all of them are of one process; rows 2 and 3 of a lane are above its names.
const threadY = (n) => RULER + HEAD + n * LANE;
const BARE = 2;

// ---- tests/traces/find_contention.ctt: ann and bob, big_lock, two CPUs ----

const ANN = threadY(0);
const BOB = threadY(1);
const BIG_LOCK = threadY(2) + HEAD;
const CPU0 = BIG_LOCK + LANE + HEAD;
const CPU1 = CPU0 + 20;

async function lanes(browser, file) {
	const page = await openAt(browser, file, 0, 120 * MS);
	await isAll(page, "ann's lane: runs at 12 ms", 12 * MS, ANN + BARE, RUNNING);
	await isAll(page, 'has the lock waited for at 29 ms', 29 * MS, ANN + BARE, LOCK);
	await isAll(page, 'and runs at 44 ms', 44 * MS, ANN + BARE, RUNNING);
	await isAll(page, "bob's lane: runs at 2 ms", 2 * MS, BOB + BARE, RUNNING);
	await isAll(page, 'waits for the lock at 12 ms', 12 * MS, BOB + BARE, LOCK);
	await isAll(page, 'runs at 29 ms', 29 * MS, BOB + BARE, RUNNING);
	await isAll(page, "the lock's lane: nobody known to hold it at 2 ms", 2 * MS, BIG_LOCK + BARE, FREE);
	await isAll(page, 'held while another wants it at 12 ms', 12 * MS, BIG_LOCK + BARE, LOCK);
	await isAll(page, 'CPU 0 is taken at 12 ms', 12 * MS, CPU0 + BARE, RUNNING);
	await isAll(page, 'and idle at 29 ms', 29 * MS, CPU0 + BARE, FREE);
	await isAll(page, 'CPU 1 is idle at 12 ms', 12 * MS, CPU1 + BARE, FREE);
	await isAll(page, 'and taken at 29 ms', 29 * MS, CPU1 + BARE, RUNNING_2);
	await look(page, 19.99 * MS, 20.02 * MS);
	await isAll(page, 'zoomed in: bob has no CPU for 10 us', 20.005 * MS, BOB + BARE, RUNNABLE);
	await isAll(page, 'before that he waits for the lock', 19.995 * MS, BOB + BARE, LOCK);
	await isAll(page, 'after that he runs', 20.015 * MS, BOB + BARE, RUNNING);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// From the lock's release on it is bob's, and nobody wants it until ann comes 3 ms later.
async function held(browser, file) {
	const page = await openAt(browser, file, 19 * MS, 25 * MS);
	await isAll(page, "the lock's lane: held at 22 ms", 22 * MS, BIG_LOCK + BARE, HELD);
	await isAll(page, 'held while another wants it at 24 ms', 24 * MS, BIG_LOCK + BARE, LOCK);
	await shut(page);
}

async function names(browser, file) {
	const page = await openAt(browser, file, 0, 40 * MS);
	const label = [42, 10, { least: 15 }]; // w, h
	const at = (ms) => ms * MS + (24 / page.room) * 40 * MS; // the names begin at the slices' left edges
	await hasInk(page, "a name in bob's wait", at(5), BOB + 6, ...label);
	await hasInk(page, "one in the lock's lane", at(5), BIG_LOCK + 6, ...label);
	await hasInk(page, 'one on a CPU', at(0), CPU0 + 5, 36, 10, { least: 15 });
	await hasNone(page, 'and none at the end of the wait', 19 * MS, BOB + 6, 20, 10);
	await look(page, 0, 120 * MS);
	await isAll(page, 'nor of what is not wide enough', 20 * MS, ANN + BARE, RUNNING);
	const sep = await openAt(browser, file, 0, 40 * MS);
	await hasInk(sep, 'a line between two slices', 5 * MS, BOB + 3, 3, 2, { least: 2, what: (px) => Math.min(...px) > 120 });
	await shut(sep);
	await shut(page);
}

async function strips(browser, file) {
	const page = await openAt(browser, file, 0, 120 * MS);
	// the minimap's columns are no whole px wide: paper shines through between them
	const [strip, map] = [{ w: 6, of: '.strip' }, { w: 6, of: '.map', by: 15 }];
	await isAll(page, 'parallelism: two run at 2 ms, at the top', 2 * MS, 8, RUNNING, strip);
	await isAll(page, 'and at the bottom', 2 * MS, 50, RUNNING, strip);
	await isAll(page, 'at 12 ms one runs', 12 * MS, 36, RUNNING, strip);
	await isAll(page, 'over it one waits', 12 * MS, 26, SLEEP, strip);
	await isAll(page, 'minimap: two run at 2 ms', 2 * MS, 5, RUNNING, map);
	await isAll(page, 'at 12 ms one runs', 12 * MS, 15, RUNNING, map);
	await isAll(page, 'over it one waits', 12 * MS, 7, SLEEP, map);
	await look(page, 19.99 * MS, 20.02 * MS);
	await isAll(page, 'parallelism, zoomed in: one has no CPU', 20.005 * MS, 26, RUNNABLE, strip);
	await isAll(page, 'and the other runs', 20.005 * MS, 36, RUNNING, strip);
	await look(page, 40 * MS, 80 * MS);
	page.view = [0, 120 * MS]; // which the minimap shows
	await isAll(page, 'minimap: what is not in view is pale', 12 * MS, 15, mix(RUNNING, WHITE, 0.65), map);
	await isAll(page, 'what is in view is not', 60 * MS, 15, RUNNING, map);
	for (const ms of [40, 80])
		await hasInk(page, `and has a frame, at ${ms} ms`, ms * MS, 6, 5, 12, { least: 12, of: '.map' });
	await shut(page);
}

// Half a column is half a column: 4000 times 10 us of running and 10 us of waiting.
async function shares(browser) {
	const lines = ['run argv=./p pid=100 start=0 end=80_000_000 cpus=1 futex=switch', 'syscall 230 clock_nanosleep'];
	lines.push('0 0 task_new 101 tgid=100 flags=found prio=120', '0 0 task_name 101 name=ann', '0 0 switch 0 next=101');
	for (let t = 10_000; t < 80_000_000; t += 20_000) {
		lines.push(`${t} 0 block 101 state=S nr=clock_nanosleep`);
		lines.push(`${t + 9_990} 0 waking 101 flags=hardirq`, `${t + 10_000} 0 switch 0 next=101`);
	}
	const file = makePage(writeTrace('halves', [...lines, 'end', ''].join('\n')));
	const page = await openAt(browser, file, 0, 80 * MS);
	for (const t of [10, 40, 70]) {
		// of a lane's 20 px 10 are green, from the ground up
		await isAll(page, `zoomed out, at ${t} ms: the lower half runs`, t * MS, ANN + 13, RUNNING, { h: 7 });
		await isAll(page, 'the upper one sleeps', t * MS, ANN + 2, SLEEP, { h: 7 });
		const green = await counted(page, t * MS, ANN + 1, 5, 20, isOf(RUNNING), (n) => n > 40);
		check('in equal parts', Math.abs(green - 50) <= 10, `${green} of 100`);
	}
	await shut(page);
}

// Bob's wait ends at 20 ms: ann wakes him.  At 35 ms he wakes her.
async function arrows(browser, file) {
	const page = await openAt(browser, file, 10 * MS, 50 * MS);
	const gap = [BOB - 1, 5, 2]; // between the lanes, where nothing else is drawn
	await isAll(page, 'the lanes are there', 12 * MS, ANN + BARE, RUNNING);
	await hasNone(page, 'nothing selected: no arrow', 20 * MS, ...gap);
	await page.evaluate(() => {
		location.hash = `${location.hash}&s=1,1`;
	});
	await hasInk(page, 'bob selected: an arrow from ann to him', 20 * MS, ...gap, { least: 2 });
	for (const side of [-2.5, 2.5])
		await hasInk(page, 'with a head', 20 * MS + (side * 40 * MS) / page.room, BOB, 2, 4, { least: 1 });
	await hasInk(page, 'and one to her that is paler', 35 * MS, ...gap, { least: 2, what: (px) => px[0] > 110 && px[0] < 215 });
	await hasNone(page, 'and none elsewhere', 28 * MS, ...gap);
	await page.keyboard.press('Escape');
	await hasNone(page, 'Escape takes it away', 20 * MS, ...gap);
	await shut(page);
}

// Two threads that wake each other 1000 times: how many arrows cross the gap between their lanes.
async function crowdOfArrows(browser) {
	const lines = ['run argv=./p pid=100 start=0 end=80_000_000 cpus=2 futex=switch', 'syscall 202 futex'];
	for (const tid of [101, 102]) lines.push(`0 0 task_new ${tid} tgid=100 flags=found prio=120`);
	lines.push('0 0 task_name 101 name=ann', '0 0 task_name 102 name=bob', '0 0 switch 0 next=101');
	for (let i = 0; i < 2000; i++) {
		const [t, me, cpu] = [i * 40_000 + 1000, 101 + (i % 2), i % 2];
		lines.push(`${t + 14_000} ${cpu} waking ${203 - me} waker=${me} nr=futex`);
		lines.push(`${t + 15_000} ${cpu} block ${me} state=S nr=futex arg0=0x6000 arg1=0x80`);
		lines.push(`${t + 20_000} ${1 - cpu} switch 0 next=${203 - me}`);
	}
	const file = makePage(writeTrace('dense', [...lines, 'end', ''].join('\n')));
	const page = await openAt(browser, file, 0, 80 * MS);
	const crossings = (fits) =>
		until(async () => {
			const row = (await pixels(page, GUTTER, BOB - 1, page.room, 1)).map((px) => Math.max(...px) < 225);
			return row.filter((on, x) => on && !row[x - 1]).length;
		}, fits);
	equal('many wake-ups: nothing selected, no arrow', await crossings((n) => n === 0), 0);
	await page.evaluate(() => {
		location.hash = `${location.hash}&s=0,1000`;
	});
	const whole = await crossings((n) => n > 12);
	// a stretch is 110 to 220 px wide, and both ways have one in each; the selected slice has two at most
	const stretches = Math.ceil(page.room / 110) + 1;
	check('zoomed out: few arrows for 2000 wake-ups', whole > 12 && whole <= 2 * stretches + 2, whole);
	const white = await until(
		async () => (await pixels(page, GUTTER, BOB + 5, page.room, 12)).filter((px) => near(px, WHITE)).length,
		(n) => n > 300,
	);
	check('each with its number, on white', white > 300, white);
	await look(page, 40.001 * MS, 40.401 * MS);
	const near10 = await crossings((n) => n >= 9 && n <= 11);
	check('zoomed in: one for each of ten', near10 >= 9 && near10 <= 11, near10);
	await shut(page);
}

async function selection(browser, file) {
	const page = await openAt(browser, file, 0, 40 * MS);
	const edge = (t) => [t * MS, BOB, 15, 3];
	await isAll(page, 'the lanes are there', 12 * MS, ANN + BARE, RUNNING);
	await hasNone(page, 'nothing selected: no frame', ...edge(12));
	await page.evaluate(() => {
		location.hash = `${location.hash}&s=1,2`;
	});
	await hasInk(page, "bob's wait selected: a frame, above", ...edge(10), { least: 30 });
	await hasInk(page, 'below', 10 * MS, BOB + LANE - 2, 15, 3, { least: 15 });
	for (const t of [5, 20]) await hasInk(page, `at ${t} ms`, t * MS, BOB + 3, 7, 16, { least: 28 });
	await hasNone(page, 'and not around what is beside it', ...edge(28));
	await page.keyboard.press('Escape');
	await hasNone(page, 'Escape takes it away', ...edge(10));
	await shut(page);
}

// ---- other traces ----

// tests/traces/path_fork_join.ctt: the path goes from 101 to 103 at 1500 ns, and back at 11000 ns.
async function criticalPath(browser) {
	const page = await openAt(browser, makePage('path_fork_join'), 0, 12000);
	const foot = (lane) => [threadY(lane) + LANE - 4, 9, 4];
	const on = { least: 18 }; // a line of 2 px
	await isAll(page, 'the lanes are there', 700, threadY(0) + BARE, RUNNING);
	await hasNone(page, 'no critical path at first', 8000, ...foot(2));
	await page.keyboard.press('c');
	await hasInk(page, 'C: the path begins in the first thread', 700, ...foot(0), on);
	await hasInk(page, 'goes through the third', 4000, ...foot(2), on);
	await hasInk(page, 'to its end', 10500, ...foot(2), on);
	await hasInk(page, 'and ends in the first', 11500, ...foot(0), on);
	await hasNone(page, 'which it has left meanwhile', 5000, ...foot(0));
	await hasNone(page, 'never in the second', 4000, ...foot(1));
	for (const t of [1500, 11000])
		await hasInk(page, `a line leads across it at ${t} ns`, t, threadY(1) + 2, 5, 18, { least: 30 });
	await page.keyboard.press('c');
	await hasNone(page, 'C again takes it away', 8000, ...foot(2));
	await shut(page);
}

// tests/traces/find_loss.ctt: 100 events are lost from 25 to 30 ms.
async function losses(browser) {
	const page = await openAt(browser, makePage('find_loss'), 0, 40 * MS);
	const shade = (colour) => mix(colour, [0, 0, 0], 0.22);
	await isAll(page, 'before the loss the lane is as ever', 24 * MS, ANN + BARE, RUNNING);
	await isAll(page, 'while events are lost it is darker', 27 * MS, ANN + BARE, shade(RUNNING));
	await isAll(page, 'in every lane', 27 * MS, BOB + BARE, shade(RUNNING));
	await isAll(page, 'and not after it', 31 * MS, ANN + BARE, RUNNING);
	const height = await page.evaluate(() => document.querySelector('.lanes canvas').clientHeight);
	await hasInk(page, 'how many were lost is written at its foot', 27 * MS, height - 16, 90, 12, { least: 60 });
	await shut(page);
}

// tests/traces/attach.ctt: threads are cut at both ends.  In states.ctt the program begins and ends.
async function cuts(browser) {
	const page = await openAt(browser, makePage('attach'), 0, 3950);
	const notch = { least: 12 }; // three, of about 6 by 4 px
	const edge = (at, side, t) => [t + (side * 2.5 * at.view[1]) / at.room, threadY(0) + 3, 4, 16];
	await hasInk(page, 'attached: a jagged edge where it began', ...edge(page, 1, 0), notch);
	await hasInk(page, 'and where the recording ended', ...edge(page, -1, 3950), notch);
	await shut(page);
	const whole = await openAt(browser, makePage('states'), 0, 1000);
	await isAll(whole, 'a whole run is there', 100, threadY(0) + BARE, RUNNING);
	await hasNone(whole, 'with no jagged edge where it began', ...edge(whole, 1, 0));
	await hasNone(whole, 'nor where it ended', ...edge(whole, -1, 950));
	await shut(whole);
}

// tests/traces/find_loop.ctt: the card of its loop is about the first of three threads.
async function lit(browser) {
	const page = await openAt(browser, makePage('find_loop'), 0, 14 * MS);
	const [loop, other] = [threadY(0) + BARE, threadY(1) + BARE];
	await isAll(page, 'nothing lit: the loop sleeps at 6 ms', 6 * MS, loop, SLEEP);
	await isAll(page, 'another thread, too', 6 * MS, other, IO);
	await page.click('.card .show');
	await look(page, 0, 14 * MS);
	await isAll(page, 'a card clicked: what it is not about is pale', 6 * MS, other, mix(IO, WHITE, 0.62));
	await isAll(page, 'what it is about is not', 6 * MS, loop + 3, SLEEP);
	await page.keyboard.press('Escape');
	await isAll(page, 'Escape puts the light out', 6 * MS, other, IO);
	await shut(page);
}

// Three threads, told apart by what they do at 30 ms: "b" is there from the start on and waits for a lock for ever
// from 20 ms on, "a10" runs from 5 ms on, "a9" has no CPU from 9 to 20 ms and sleeps in the end.
function orders() {
	const lines = ['run argv=./p pid=100 start=0 end=40_000_000 cpus=2 futex=switch'];
	lines.push('syscall 202 futex', 'syscall 230 clock_nanosleep');
	lines.push('0 0 task_new 101 tgid=100 flags=found prio=120', '0 0 task_name 101 name=b', '0 0 switch 0 next=101');
	const born = (at, tid, name) =>
		lines.push(`${at} 0 task_new ${tid} tgid=100 parent=101 prio=120`, `${at} 0 task_name ${tid} name=${name}`);
	born(5_000_000, 102, 'a10');
	lines.push('5_001_000 1 switch 0 next=102');
	born(9_000_000, 103, 'a9');
	lines.push('20_000_000 0 block 101 state=S nr=futex arg0=0x6000 arg1=0x80 arg2=2 owner=102');
	lines.push('20_001_000 0 switch 0 next=103', '38_000_000 0 block 103 state=S nr=clock_nanosleep', 'end', '');
	return makePage(writeTrace('orders', lines.join('\n')));
}

// Which thread each of the first lanes shows: at 30 ms b waits, both others run; at 15 ms a9 waits for a CPU.
async function orderOnScreen(page, n) {
	const seen = [];
	for (let lane = 0; lane < n; lane++) {
		const of = async (ms) => (await pixels(page, xOf(page, ms * MS), threadY(lane) + BARE, 1, 1))[0];
		const [first, second] = [await of(15), await of(30)];
		if (isOf(LOCK)(second)) seen.push('b');
		else if (isOf(RUNNABLE)(first)) seen.push('a9');
		else if (isOf(RUNNING)(first) && isOf(RUNNING)(second)) seen.push('a10');
		else seen.push(`? ${first} ${second}`);
	}
	return seen.join(' ');
}

// Order and filter are seen in the lanes: which thread is where, and that others go.
async function arranged(browser) {
	const page = await openAt(browser, orders(), 0, 40 * MS);
	const shows = async (name, wanted) => {
		const n = wanted.split(' ').length;
		equal(name, await until(() => orderOnScreen(page, n), (seen) => seen === wanted), wanted);
	};
	const height = () => page.evaluate(() => document.querySelector('.lanes').scrollHeight);
	const order = page.locator('.time select');
	await shows('by start: as they came', 'b a10 a9');
	await order.selectOption('name');
	await shows('by name: numbers in names count as numbers', 'a9 a10 b');
	await order.selectOption('blocked');
	await shows('by time blocked: who waited most is first', 'b a9 a10');
	await order.selectOption('start');
	await shows('and by start again', 'b a10 a9');
	const all = await height();
	const filter = page.locator('.time input[type=text]');
	await filter.fill('A1');
	await shows('filter: the one that is named so', 'a10');
	equal('the lanes of the others are gone', await until(height, (h) => h === all - 2 * LANE), all - 2 * LANE);
	await filter.fill('a');
	await shows('a part of a name is enough', 'a10 a9');
	await order.selectOption('name');
	await shows('the order is for those', 'a9 a10');
	await filter.fill('');
	await shows('nothing in it: all are back', 'a9 a10 b');
	equal('as high as before', await height(), all);
	await shut(page);
}

// The strip above moves the part in view to where the pointer is, the length stays.
async function minimap(browser, file) {
	const page = await openAt(browser, file, 0, 20 * MS);
	const box = await page.locator('.map').boundingBox();
	const at = (ms) => [box.x + GUTTER + (ms / 120) * (box.width - GUTTER), box.y + 12];
	const frame = async (t) => {
		page.view = [0, 120 * MS]; // which the minimap shows
		const n = await counted(page, t * MS, 6, 5, 12, isDark, (got) => got >= 12, '.map');
		check(`its frame has an edge at ${t} ms`, n >= 12, n);
	};
	const shows = async (name, t0, t1) => {
		const near2 = (v) => v && Math.abs(v[0] - t0 * MS) < 0.3 * MS && Math.abs(v[1] - t1 * MS) < 0.3 * MS;
		const view = await until(async () => {
			const hash = await page.evaluate(() => location.hash);
			return /t=(\d+),(\d+)/.exec(hash)?.slice(1).map(Number);
		}, near2);
		check(`${name}: ${t0} to ${t1} ms are in view`, near2(view), view);
		await frame(t0);
		await frame(t1);
		page.view = [t0 * MS, t1 * MS];
	};
	await isAll(page, 'at first bob runs at 2 ms', 2 * MS, BOB + BARE, RUNNING);
	await page.mouse.move(...at(50));
	await page.mouse.down();
	await shows('the minimap pressed', 40, 60);
	await isAll(page, 'and bob waits there, at 45 ms', 45 * MS, BOB + BARE, LOCK);
	await isAll(page, 'and runs at 51.5 ms', 51.5 * MS, BOB + BARE, RUNNING);
	await page.mouse.move(...at(70));
	await page.mouse.move(...at(90));
	await shows('dragged', 80, 100);
	await isAll(page, 'and ann waits there, at 90 ms', 90 * MS, ANN + BARE, LOCK);
	await page.mouse.move(...at(200));
	await shows('dragged over its end', 100, 120);
	await page.mouse.up();
	await page.mouse.move(...at(30));
	await isAll(page, 'let go: bob runs at 112 ms, whatever the pointer does', 112 * MS, BOB + BARE, RUNNING);
	await shut(page);
}

// tests/traces/find_lost.ctt: at 29 us anna writes, access 11; her access before is at 28 us.
async function rings(browser) {
	const page = await openAt(browser, makePage('find_lost'), 24_000, 34_000);
	const T = 29_000;
	const middle = (lane) => RULER + HEAD + (lane + 1) * (LANE + 15) - 8.5; // of the accesses of a lane
	const left = T - (7.5 * 10_000) / page.room; // on its right stands what it wrote
	const anna = [
		[left, middle(0) - 2, 3, 4],
		[T, middle(0) - 9, 5, 4],
		[T, middle(0) + 5, 5, 4],
	];
	const variable = [left, middle(1) + HEAD + LANE + 15 - 2, 3, 4];
	await hasInk(page, 'an access has a mark', T, middle(0) - 5, 11, 10, { least: 20, what: (px) => px[0] < 225 });
	for (const at of [...anna, variable]) await hasNone(page, 'and no ring', ...at);
	await page.evaluate(() => {
		location.hash = `${location.hash}&a=11`;
	});
	for (const at of anna) await hasInk(page, 'selected, it has a ring', ...at, { least: 4 });
	await hasInk(page, "and one in the variable's lane", ...variable, { least: 4 });
	await page.keyboard.press('Escape');
	for (const at of [...anna, variable]) await hasNone(page, 'Escape takes it away', ...at);
	await shut(page);
}

// Marks at each 20 ms of 120 ms, and a time beside them; none where the lanes are not.
async function ruler(browser, file) {
	const page = await openAt(browser, file, 0, 120 * MS);
	const dim = (px) => Math.max(...px) < 235;
	for (const ms of [20, 60, 100]) {
		await hasInk(page, `the ruler: a mark at ${ms} ms`, ms * MS, RULER - 7, 3, 6, { least: 6, what: dim });
		await hasInk(page, 'with its time', ms * MS + (20 / page.room) * 120 * MS, 6, 34, 12, { least: 30, what: dim });
	}
	await hasNone(page, 'and none between', 50 * MS, RULER - 7, 9, 6, { what: dim });
	await look(page, 40 * MS, 80 * MS);
	await hasInk(page, 'it goes along with the view', 50 * MS, RULER - 7, 3, 6, { least: 6, what: dim });
	await shut(page);
}

// The same places in the dark: states keep their colours, paper and lanes do not.
async function dark(browser, file) {
	const page = await open(browser, file, { hash: '#t=0,120000000', scheme: 'dark' });
	page.view = [0, 120 * MS];
	page.room = (await page.evaluate(() => document.querySelector('.lanes canvas').clientWidth)) - GUTTER;
	const light = (px) => Math.min(...px) > 140;
	await isAll(page, 'dark: ann runs at 12 ms', 12 * MS, ANN + BARE, RUNNING);
	await isAll(page, 'and waits for the lock at 29 ms', 29 * MS, ANN + BARE, LOCK);
	await isAll(page, 'a lane without anything is dark', 12 * MS, CPU1 + BARE, [28, 33, 39]);
	await isAll(page, 'as is the paper between lanes', 12 * MS, BOB - 1, [20, 24, 29], { h: 1 });
	await hasInk(page, 'the ruler is light', 60 * MS + (20 / page.room) * 120 * MS, 6, 34, 12, { least: 20, what: light });
	const name = -(GUTTER - 34) / (page.room / (120 * MS)); // in the gutter
	await hasInk(page, 'so are the names', name, ANN + 4, 40, 16, { least: 20, what: light });
	await page.evaluate(() => {
		location.hash = '#t=10000000,50000000&s=1,1';
	});
	page.view = [10 * MS, 50 * MS];
	await hasInk(page, 'arrows, too', 20 * MS, BOB - 1, 5, 2, { least: 2, what: light });
	await page.keyboard.press('t'); // from as the system to dark
	await page.keyboard.press('t');
	await isAll(page, 'T makes it light', 12 * MS, BOB - 1, WHITE, { h: 1 });
	await shut(page);
}

await run(async (browser) => {
	const file = makePage('find_contention');
	await lanes(browser, file);
	await held(browser, file);
	await names(browser, file);
	await strips(browser, file);
	await shares(browser);
	await arrows(browser, file);
	await crowdOfArrows(browser);
	await selection(browser, file);
	await criticalPath(browser);
	await losses(browser);
	await cuts(browser);
	await lit(browser);
	await arranged(browser);
	await minimap(browser, file);
	await rings(browser);
	await ruler(browser, file);
	await dark(browser, file);
});
