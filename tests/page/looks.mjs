#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// Every kind of finding leads into the timeline; the page passes axe in light and dark; its colours can be
// told apart with any colour vision, or by their patterns.
/*
# time limit: 300
*/
import fs from 'node:fs';
import path from 'node:path';
import {
	axe,
	axeSource,
	check,
	details,
	equal,
	hashOf,
	makePage,
	open,
	ROOT,
	run,
	shut,
	until,
	writeTrace,
} from './lib/page.mjs';

const TABS = ['threads', 'locks', 'lines', 'wakers', 'offcpu', 'oncpu', 'graph', 'whatif', 'notes'];

const IDS = `abandoned-lock async-on-cpu-work blocked-event-loop busy-wait cpu-bound deadlock healthy imbalance io-bound
lock-contention lock-convoy lock-held-while-blocked lost-update oversubscribed priority-inversion serialized stuck
switch-storm thundering-herd unprotected-sharing waiting-not-overlapped`.split(/\s/);
// Not about one slice of one thread: a click only moves to a stretch of time.
const WHOLE = ['imbalance', 'serialized', 'oversubscribed', 'healthy', 'io-bound', 'cpu-bound'];

// Two threads that wake each other 1500 times, and compute for 4 us in between.
function storm() {
	const lines = ['run argv=./p pid=100 start=0 end=15_000_000 cpus=2 futex=switch', 'syscall 202 futex'];
	lines.push('frame 1 function=hand_over file=/src/p.c line=11 module=/src/p offset=0x100', 'stack 1 1');
	for (const tid of [101, 102]) lines.push(`0 0 task_new ${tid} tgid=100 flags=found prio=120`);
	lines.push('0 0 switch 0 next=101');
	for (let i = 0; i < 1500; i++) {
		const [t, me, cpu] = [i * 10_000 + 1000, 101 + (i % 2), i % 2];
		lines.push(`${t + 4000} ${cpu} waking ${203 - me} waker=${me} nr=futex`);
		lines.push(`${t + 4000} ${cpu} block ${me} state=S nr=futex arg0=0x6000 arg1=0x80 stack=1`);
		lines.push(`${t + 10_000} ${1 - cpu} switch 0 next=${203 - me}`);
	}
	return makePage(writeTrace('storm', [...lines, 'end', ''].join('\n')));
}

async function everyFinding(browser) {
	const seen = new Set();
	const traces = fs
		.readdirSync(path.join(ROOT, 'tests/traces'))
		.filter((n) => /^(find|path|states|primitives)/.test(n) && !n.includes('_not'));
	for (const trace of [...traces, 'storm']) {
		const file = trace === 'storm' ? storm() : makePage(trace.replace('.ctt', ''));
		const page = await open(browser, file);
		const cards = page.locator('.card .show');
		const n = await cards.count();
		for (let i = 0; i < n; i++) {
			const id = await cards.nth(i).locator('code').textContent();
			if (seen.has(id)) continue;
			seen.add(id);
			await cards.nth(i).click();
			const hash = await until(
				() => hashOf(page),
				(h) => h.includes(`f=${i}`),
			);
			const placed =
				/t=\d+,\d+/.test(hash) &&
				(/s=\d+,\d+|a=\d+/.test(hash) || WHOLE.includes(id));
			check(`${id} leads into the timeline`, placed, `${trace} ${hash} ${await details(page)}`);
		}
		if (page.errors.length) check(`${trace}: no error`, false, page.errors.join('\n'));
		await shut(page);
	}
	equal('every kind of finding was there', [...seen].sort().join(' '), IDS.join(' '));
}

async function accessible(browser) {
	for (const scheme of ['light', 'dark']) {
		const page = await open(browser, makePage('find_deadlock'), { scheme });
		await page.evaluate(axeSource());
		await page.click('.card .show');
		for (const tab of scheme === 'light' ? TABS : ['offcpu', 'graph']) {
			await page.click(`#tab-${tab}`);
			await axe(page, `${scheme}, ${tab}`);
		}
		await page.keyboard.press('Escape');
		await page.keyboard.press('?');
		await axe(page, `${scheme}, help`);
		await page.keyboard.press('Escape');
		await page.keyboard.press('/');
		await page.keyboard.type('a');
		await axe(page, `${scheme}, search`);
		await shut(page);
	}
	const phone = await open(browser, makePage('find_deadlock'), { width: 390, height: 800 });
	const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
	check('on a phone nothing is wider than the screen', wide <= 390, wide);
	const hint = await phone.evaluate(() => document.querySelector('.details').innerText);
	check('which has no keys, so none are spoken of', /sum up a stretch\.$/.test(hint.trim()), hint);
	const rows = await phone.$$eval('#panel tbody tr', (all) => all.map((tr) => tr.offsetHeight));
	check('its table has rows of one line', rows.length > 1 && rows.every((h) => h < 36), rows.join());
	await shut(phone);
}

// Wide tables on a phone: what a row is about stays in sight while the rest is moved under it.
async function phoneTables(browser) {
	const page = await open(browser, makePage('find_contention'), { width: 360, height: 740, touch: true });
	for (const tab of ['threads', 'locks', 'lines', 'wakers']) {
		await page.click(`#tab-${tab}`);
		await page.waitForSelector('#panel tbody th');
		const seen = await page.evaluate(() => {
			const box = document.querySelector('#panel .scroll');
			box.scrollLeft = 1000;
			const [left, right] = [box.getBoundingClientRect().left, box.getBoundingClientRect().right];
			box.scrollIntoView({ block: 'center' });
			const columns = ['thead th', 'tbody th'].map((what) => {
				const { x, y, width, height } = box.querySelector(what).getBoundingClientRect();
				const top = document.elementFromPoint(x + 5, y + height / 2);
				return { x, width, top: !!top?.closest(`#panel ${what}`) };
			});
			return { moved: box.scrollLeft, left, room: right - left, columns };
		});
		const inSight = seen.columns.every((c) => Math.abs(c.x - seen.left) < 1 && c.top && c.width < seen.room / 2);
		const fits = tab === 'threads' ? seen.moved > 100 : seen.moved > 0 || tab === 'wakers';
		check(`on a phone, ${tab}: the first column stays`, inSight && fits, JSON.stringify(seen));
	}
	await page.click('#tab-whatif');
	await page.waitForSelector('.whatif');
	const { room, wide, rows } = await page.evaluate(() => ({
		room: document.querySelector('#panel .scroll').clientWidth,
		wide: document.querySelector('#panel .scroll').scrollWidth,
		rows: document.querySelectorAll('.whatif tr').length,
	}));
	check('what-if needs no moving', rows > 1 && wide <= room, `${wide} px in ${room}, ${rows} rows`);
	await page.evaluate(axeSource());
	await axe(page, 'phone');
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// On paper the page is light, whatever it is on the screen, and shows all lanes.
async function paper(browser) {
	const page = await open(browser, makePage('find_crowd'), { scheme: 'dark', height: 220 });
	const look = () =>
		page.evaluate(() => {
			const box = document.querySelector('.lanes');
			return { theme: document.documentElement.dataset.theme, hidden: box.scrollHeight - box.clientHeight };
		});
	const screen = await look();
	check(
		'on the screen: dark, some lanes below',
		screen.theme === 'dark' && screen.hidden > 50,
		JSON.stringify(screen),
	);
	await page.evaluate(() => {
		window.dispatchEvent(new Event('beforeprint'));
	});
	const printed = await look();
	check(
		'on paper: light, all lanes',
		printed.theme === 'light' && printed.hidden < 10,
		JSON.stringify(printed),
	);
	await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
	check('and as before after it', (await look()).theme === 'dark');
	check('a PDF can be made', (await page.pdf()).length > 10_000);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// Mean colour of an image, and how much of it is darker than that.
async function measure(lab, png) {
	return lab.evaluate(async (data) => {
		const image = new Image();
		image.src = `data:image/png;base64,${data}`;
		await image.decode();
		const canvas = document.createElement('canvas');
		[canvas.width, canvas.height] = [image.width, image.height];
		const g = canvas.getContext('2d');
		g.drawImage(image, 0, 0);
		const { data: px } = g.getImageData(2, 2, image.width - 4, image.height - 4);
		const mean = [0, 0, 0];
		for (let i = 0; i < px.length; i += 4) for (let c = 0; c < 3; c++) mean[c] += px[i + c] / (px.length / 4);
		return mean;
	}, png.toString('base64'));
}

async function colours(browser) {
	const page = await open(browser, makePage('find_contention'));
	const lab = await browser.newPage();
	const session = await page.context().newCDPSession(page);
	const swatches = page.locator('.legend .swatch');
	const n = 7; // of the states; what a lock's lane shows comes after
	const patterns = await swatches.evaluateAll((all) => all.map((s) => s.className));
	for (const type of ['none', 'deuteranopia', 'protanopia', 'tritanopia', 'achromatopsia']) {
		await session.send('Emulation.setEmulatedVisionDeficiency', { type });
		const means = [];
		for (let i = 0; i < n; i++) means.push(await measure(lab, await swatches.nth(i).screenshot()));
		const close = [];
		for (let a = 0; a < n; a++)
			for (let b = a + 1; b < n; b++) {
				const apart = Math.hypot(...means[a].map((v, c) => v - means[b][c]));
				if (apart < 30 && patterns[a] === patterns[b]) close.push(`${a} and ${b}: ${apart.toFixed(0)}`);
			}
		equal(`states can be told apart: ${type}`, close.join('; '), '');
	}
	await lab.close();
	await shut(page);
}

await run(async (browser) => {
	await everyFinding(browser);
	await accessible(browser);
	await phoneTables(browser);
	await paper(browser);
	await colours(browser);
});
