#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// The page in use: every panel, by pointer and by keyboard alone, links, search, ranges, notes.
// The trace is tests/traces/find_contention.ctt: bob waits for big_lock, which ann has, again and again.
/*
# time limit: 300
*/
import fs from 'node:fs';
import path from 'node:path';
import { check, details, DIR, equal, hashOf, makePage, open, run, shut, until } from './lib/page.mjs';

const viewOf = async (page) => {
	const [, t] = /t=([\d,]+)/.exec(await hashOf(page)) ?? [];
	return t ? t.split(',').map(Number) : null;
};

const PANELS = [
	['threads', /bob/],
	['locks', /big_lock.*mutex/],
	['lines', /p\.c:\d+/],
	['wakers', /ann/],
	['offcpu', /waits for a lock/],
	['oncpu', /no CPU samples|samples/],
	['graph', /At .*(waits for|no thread waits)/],
	['path', /runs, holding big_lock.*75 %/],
	['parallel', /2 threads.*27 %/],
	['whatif', /as recorded|No change/],
	['notes', /Save a copy/],
];

async function byPointer(browser, file) {
	const page = await open(browser, file);
	check(
		'the verdict is the heading',
		/big_lock/.test(await page.textContent('h1')),
		await page.textContent('h1'),
	);
	for (const [id, wanted] of PANELS) {
		await page.click(`#tab-${id}`);
		const text = await until(
			() => page.textContent('#panel'),
			(t) => wanted.test(t),
		);
		check(`the panel ${id}`, wanted.test(text), text);
	}
	await page.click('.card .show');
	const text = await until(
		() => details(page),
		(t) => t.includes('bob waits'),
	);
	check(
		'a click on the finding selects the wait that proves it',
		/bob waits for a lock: big_lock for 15\.0 ms/.test(text),
		text,
	);
	check('and says who had the lock', /ann had the lock for/.test(text), text);
	check('and which line waited', /p\.c:\d+/.test(text), text);
	const [t0, t1] = (await until(
		() => viewOf(page),
		(v) => v && v[1] - v[0] < 60e6,
	)) ?? [0, 0];
	check('and shows it: 5 to 20 ms are in view', t0 < 5e6 && t1 > 20e6 && t1 - t0 < 60e6, `${t0}..${t1}`);
	const [card, lanes] = await page.evaluate(() =>
		['.card', '.lanes'].map((what) => {
			const { top, bottom } = document.querySelector(what).getBoundingClientRect();
			return Math.min(bottom, window.innerHeight) - Math.max(top, 0);
		}),
	);
	check('card and timeline are in sight', card >= 100 && lanes >= 100, `${card} and ${lanes} px`);
	await page.keyboard.press('Enter');
	const next = await until(
		() => details(page),
		(t) => !t.includes('bob waits for a lock'),
	);
	check('Enter goes on from there', !next.includes('bob waits for a lock'), next);
	await page.click('#tab-locks');
	check('and lights up its lock', (await page.locator('#panel tr.lit').count()) === 1);
	await page.click('#tab-threads');
	const headers = page.locator('#panel thead button');
	await headers.nth(0).click();
	const first = () => page.textContent('#panel tbody tr th');
	const before = await first();
	await headers.nth(0).click();
	check('a table is sorted both ways', before !== (await first()), before);
	await page.click('#panel tbody tr:first-child th button');
	check('a row of a table selects its thread', /^.*(ann|bob)/.test(await details(page)), await details(page));
	await dragged(page);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

async function dragged(page) {
	await page.keyboard.press('Escape');
	await page.keyboard.press('0');
	await page.locator('.lanes canvas').scrollIntoViewIfNeeded();
	const box = await page.locator('.lanes canvas').boundingBox();
	const x = (part) => box.x + 168 + part * (box.width - 168);
	await page.mouse.move(x(0.25), box.y + 60);
	await page.mouse.down();
	await page.mouse.move(x(0.4), box.y + 60);
	await page.mouse.move(x(0.5), box.y + 60);
	await page.mouse.up();
	// a quarter of 120 ms; a pixel is a tenth of a millisecond
	const text = await until(
		() => details(page),
		(t) => t.includes('marked'),
	);
	check('a drag sums up what is in it', /(29|30)\.\d ms marked/.test(text), text);
	check('by state', /runs.*ms/.test(text) && /waits for a lock/.test(text), text);
}

async function byKeyboard(browser, file) {
	const page = await open(browser, file);
	const press = (key) => page.keyboard.press(key);
	await press('n');
	const chosen = await until(
		() => details(page),
		(t) => t.includes('bob waits'),
	);
	check('N goes to the first finding', chosen.includes('bob waits for a lock: big_lock'), chosen);
	await press('Enter');
	check(
		'Enter goes to who woke it',
		/ann/.test(
			await until(
				() => details(page),
				(t) => /^ann/.test(t),
			),
		),
		await details(page),
	);
	await press('Backspace');
	check(
		'Backspace goes back',
		/^bob waits/.test(
			await until(
				() => details(page),
				(t) => /^bob waits/.test(t),
			),
		),
	);
	await press('.');
	check(
		'full stop: the next slice',
		/^bob could run/.test(
			await until(
				() => details(page),
				(t) => /^bob could/.test(t),
			),
		),
		await details(page),
	);
	await press(',');
	check(
		'comma: the one before',
		/^bob waits/.test(
			await until(
				() => details(page),
				(t) => /^bob waits/.test(t),
			),
		),
	);
	const moves = [
		['0', (a, b) => b[0] === 0 && b[1] === 120e6],
		['w', (a, b) => b[1] - b[0] < a[1] - a[0]],
		['d', (a, b) => b[0] > a[0]],
		['a', (a, b) => b[0] < a[0]],
		['ArrowRight', (a, b) => b[0] > a[0]],
		['ArrowLeft', (a, b) => b[0] < a[0]],
		['s', (a, b) => b[1] - b[0] > a[1] - a[0]],
		['f', (a, b) => b[1] - b[0] < 60e6],
	];
	for (const [key, fits] of moves) {
		const before = await viewOf(page);
		await press(key);
		const after = await until(
			() => viewOf(page),
			(v) => v && fits(before ?? v, v),
		);
		check(`${key} moves the view`, after && fits(before ?? after, after), `${before} -> ${after}`);
	}
	const wide = await viewOf(page);
	await page.evaluate(() =>
		document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'z', code: 'KeyW', bubbles: true })),
	);
	const near = await until(
		() => viewOf(page),
		(v) => v[1] - v[0] < wide[1] - wide[0],
	);
	check('keys count by their place: W on a keyboard where it types z', near[1] - near[0] < wide[1] - wide[0]);
	await press('g');
	check(
		'G shows who waits for whom',
		/bob waits for ann/.test(
			await until(
				() => page.textContent('#panel'),
				(t) => /bob waits/.test(t),
			),
		),
	);
	const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
	const height = () => page.evaluate(() => document.querySelector('.lanes').scrollHeight);
	await press('n');
	const full = await height();
	await page.locator('#tab-threads').click();
	await page.click('#panel tbody tr:first-child th button');
	await page.keyboard.press('o');
	check('O leaves only what is lit', (await until(height, (h) => h < full)) < full, full);
	await press('o');
	await press('t');
	check('T changes the theme', (await until(theme, (t) => t === 'dark')) === 'dark');
	await press('c');
	check('C shows the critical path', await page.isChecked('.time input[type=checkbox]'));
	await press('?');
	check('? shows the help', await page.locator('.dialog').isVisible());
	await press('Escape');
	check(
		'Escape closes it',
		(await until(
			() => page.locator('.dialog').count(),
			(n) => n === 0,
		)) === 0,
	);
	await press('/');
	await page.keyboard.type('ann');
	await press('Enter');
	check(
		'search leads to a thread',
		/^ann/.test(
			await until(
				() => details(page),
				(t) => /^ann/.test(t),
			),
		),
		await details(page),
	);
	await page.locator('.lanes canvas').focus();
	await press('ArrowDown');
	check(
		'the arrow down goes to the next thread',
		/^bob/.test(
			await until(
				() => details(page),
				(t) => /^bob/.test(t),
			),
		),
		await details(page),
	);
	const said = await page.textContent('#said');
	check('what is selected is said', /^bob/.test(said), said);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// On a phone, by fingers on the timeline: a tap, a move, two fingers, a finger that rests and then moves.
async function byFingers(browser, file) {
	const page = await open(browser, file, { width: 360, height: 740, touch: true, hash: '#t=20000000,80000000' });
	const session = await page.context().newCDPSession(page);
	await page.locator('.lanes canvas').scrollIntoViewIfNeeded();
	const box = await page.locator('.lanes canvas').boundingBox();
	const [left, room] = [box.x + 96, box.width - 96];
	// px of the lanes of each finger; 55 px down is ann's lane
	const touch = (type, ...xs) =>
		session.send('Input.dispatchTouchEvent', {
			type,
			touchPoints: xs.map((x, id) => ({ x: left + x, y: box.y + 55, id })),
		});
	const glide = async (...steps) => {
		for (const xs of steps) await touch('touchMove', ...xs);
		await touch('touchEnd');
	};
	const view = (fits) => until(() => viewOf(page), (v) => v && fits(v));
	const about = (t, wanted) => Math.abs(t - wanted) < 2e6;

	await touch('touchStart', room * 0.8);
	await glide([room * 0.7], [room * 0.55], [room * 0.3]);
	// half of the 60 ms in view
	const moved = await view((v) => about(v[0], 50e6));
	check('a finger moves the timeline', about(moved[0], 50e6) && about(moved[1], 110e6), moved);
	await touch('touchStart', room * 0.4, room * 0.6);
	await glide([room * 0.3, room * 0.7], [room * 0.2, room * 0.8]);
	// what was 24 ms wide between the fingers fills three times the room: 20 ms around 80 ms
	const zoomed = await view((v) => v[1] - v[0] < 25e6);
	check('two fingers zoom in', about(zoomed[0], 70e6) && about(zoomed[1], 90e6), zoomed);
	await touch('touchStart', room * 0.2, room * 0.8);
	await glide([room * 0.3, room * 0.7], [room * 0.4, room * 0.6]);
	const wide = await view((v) => v[1] - v[0] > 50e6);
	check('and out', about(wide[0], 50e6) && about(wide[1], 110e6), wide);
	await touch('touchStart', room * 0.5);
	await glide();
	const tapped = await until(() => details(page), (t) => /^ann/.test(t));
	check('a tap selects', /^ann/.test(tapped), tapped);
	await touch('touchStart', room * 0.25);
	// by now it rests: the cursor is under it, at 65 ms
	await new Promise((done) => setTimeout(done, 700));
	await glide([room * 0.4], [room * 0.6], [room * 0.75]);
	const sum = await until(() => details(page), (t) => t.includes('marked'));
	check('a finger that rests, then moves, marks a stretch', /(29|30)\.\d ms marked/.test(sum), sum);
	const still = await viewOf(page);
	check('and moves nothing', about(still[0], 50e6) && about(still[1], 110e6), still);
	await page.click('text=Help');
	const help = await page.locator('.dialog').innerText();
	check('the help names the gestures', /one finger moves.*two zoom.*rests/s.test(help), help);
	check('and no keys, which a phone has not', !/Backspace/.test(help), help);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// From the top of the page by Tab and Enter alone, as somebody without a pointer does.
async function byTab(browser, file) {
	const page = await open(browser, file);
	let reached = '';
	for (let i = 0; i < 40 && !reached.includes('show'); i++) {
		await page.keyboard.press('Tab');
		reached = await page.evaluate(() => document.activeElement?.className ?? '');
	}
	await page.keyboard.press('Enter');
	check(
		'Tab and Enter open a finding',
		/bob waits/.test(
			await until(
				() => details(page),
				(t) => t.includes('bob waits'),
			),
		),
	);
	for (let i = 0; i < 40 && reached !== 'CANVAS'; i++) {
		await page.keyboard.press('Tab');
		reached = await page.evaluate(() => document.activeElement?.tagName ?? '');
	}
	equal('Tab reaches the timeline', reached, 'CANVAS');
	await page.keyboard.press('Tab');
	check('and leaves it again', (await page.evaluate(() => document.activeElement?.tagName)) !== 'CANVAS');
	await shut(page);
}

async function byLink(browser, file) {
	const page = await open(browser, file, { hash: '#t=20000000,40000000&s=1,3&tab=locks' });
	check('a link restores the panel', (await page.getAttribute('#tab-locks', 'aria-selected')) === 'true');
	check('and the selection', /^bob/.test(await details(page)), await details(page));
	await page.keyboard.press('d');
	const view = await until(
		() => viewOf(page),
		(v) => v && v[0] !== 20e6,
	);
	equal('and the view, moved by a fifth since', view?.join(), '24000000,44000000');
	for (const hash of ['#t=x,y&s=99,99&f=77&tab=none', '#t=5,1&s=-1,2', '#%E0%A4%A']) {
		const odd = await open(browser, file, { hash });
		check(
			`a link that makes no sense is ignored: ${hash}`,
			(await odd.locator('h1.verdict').count()) === 1 && !odd.errors.length,
			odd.errors.join(),
		);
		await shut(odd);
	}
	await shut(page);
}

async function notes(browser, file) {
	const page = await open(browser, file, { hash: '#tab=notes' });
	const words = 'why at 20 ms? </script><b>not bold</b> \u00e4\u{1f512}';
	await page.fill('.notes textarea', words);
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('.notes button')]);
	const copy = path.join(DIR, 'copy.html');
	await download.saveAs(copy);
	await shut(page);
	const again = await open(browser, copy, { hash: '#tab=notes' });
	equal('notes are in the copy', await again.inputValue('.notes textarea'), words);
	check(
		'which is a page like the first',
		/big_lock/.test(await again.textContent('h1')) && !again.errors.length,
		again.errors.join(),
	);
	await again.fill('.notes textarea', 'other');
	const [second] = await Promise.all([again.waitForEvent('download'), again.click('.notes button')]);
	const copy2 = path.join(DIR, 'copy2.html');
	await second.saveAs(copy2);
	await shut(again);
	const third = await open(browser, copy2, { hash: '#tab=notes' });
	equal('a copy of a copy has the newer notes', await third.inputValue('.notes textarea'), 'other');
	check('and is not larger', Math.abs(fs.statSync(copy2).size - fs.statSync(copy).size) < 200);
	await shut(third);
}

await run(async (browser) => {
	const file = makePage('find_contention');
	check(
		'the viewer is smaller than 200 kB',
		fs.statSync(file).size < 200_000 + 20_000,
		fs.statSync(file).size,
	);
	await byPointer(browser, file);
	await byKeyboard(browser, file);
	await byFingers(browser, file);
	await byTab(browser, file);
	await byLink(browser, file);
	await notes(browser, file);
});
