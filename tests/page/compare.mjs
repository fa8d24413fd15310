#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// The page of two sides of runs (`ctrace diff -f html`): it says what the text and the JSON say of the pairs in
// tests/diff/, a row leads to its place in both timelines, keys alone do it all, axe, hostile names, damage.
/*
# time limit: 300
*/
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import {
	axeSource,
	check,
	CTRACE,
	DIR,
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

const cwd = path.join(ROOT, 'tests/diff');
const env = { ...process.env, LC_ALL: 'C', COLUMNS: '200' };
const stdio = ['ignore', 'pipe', 'pipe'];
const diff = (...words) => execFileSync(CTRACE, ['diff', ...words], { cwd, env, stdio }).toString();

const PAIRS = ['lock', 'hang'];

function makeComparison(name, ...sides) {
	const to = path.join(DIR, `${name}.diff.html`);
	diff(...sides, '-f', 'html', '-o', to);
	return to;
}

const pairPage = (name) => makeComparison(name, `${name}.a.ctt`, `${name}.b.ctt`);

// ---- the data in the file ----

const partOf = (html, name) => {
	const from = html.indexOf(`data-part="${name}"`);
	return html.slice(from, html.indexOf('</div>', from));
};

function sectionOf(part, wanted) {
	const chunks = [...part.matchAll(/class="ct-data">([A-Za-z0-9+/=]*)<\/script>/g)];
	const bytes = zlib.gunzipSync(Buffer.concat(chunks.map((m) => Buffer.from(m[1], 'base64'))));
	for (let at = 8; ; ) {
		const tag = bytes.toString('latin1', at, at + 4);
		const length = Number(bytes.readBigUInt64LE(at + 8));
		if (tag === wanted) return JSON.parse(bytes.toString('utf8', at + 16, at + 16 + length));
		if (tag === 'END ') return null;
		at += 16 + length;
	}
}

// What a page adds to --json is words and places; without them it is the same.
function without(value, like) {
	if (Array.isArray(like)) return value.map((v, i) => without(v, like[i]));
	if (!like || typeof like !== 'object') return value;
	return Object.fromEntries(Object.keys(like).map((key) => [key, without(value[key], like[key])]));
}

function sameSource(name, file) {
	const html = fs.readFileSync(file, 'utf8');
	const data = sectionOf(partOf(html, 'comparison'), 'DIFF');
	const json = JSON.parse(diff('--json', `${name}.a.ctt`, `${name}.b.ctt`));
	equal(`${name}: the page holds what --json says`, JSON.stringify(without(data, json)), JSON.stringify(json));
	const text = diff('-v', `${name}.a.ctt`, `${name}.b.ctt`).replace(/\s+/g, ' ');
	const missing = data.figures
		.filter((f) => f.beyond_noise)
		.map((f) => [f.label, f.a_words, f.b_words, f.change].join(' '))
		.filter((line) => !text.includes(line));
	equal(`${name}: and the words of the text`, missing.join('; '), '');
	const lost = ['a', 'b'].map((side) => json[side].runs.some((r) => r.lost_events > 0));
	// 'new' and 'gone' are no figures
	const marks = (f, off) =>
		[off[0], off[1], (off[0] || off[1]) && /\d/.test(f.change)].map((o) => (o ? '~' : '')).join();
	const unmarked = data.figures
		.filter((f) => f.change !== '')
		.filter((f) => {
			const off = f.group === 'run' && f.what === 'duration' ? [false, false] : lost;
			return [f.a_words, f.b_words, f.change].map((w) => /^~*/.exec(w)[0]).join() !== marks(f, off);
		});
	equal(
		`${name}: a ~ before what a loss could have changed, and nothing else (lost: ${lost})`,
		unmarked.map((f) => `${f.label} ${f.a_words} ${f.b_words} ${f.change}`).join('; '),
		'',
	);
	const odd = data.figures.filter(
		(f) => f.beyond_noise === (f.noise_low <= f.b.median && f.b.median <= f.noise_high),
	);
	equal(`${name}: what counts is outside of the noise, the rest inside`, odd.map((f) => f.label).join(), '');
	for (const side of ['a', 'b']) {
		const alone = sectionOf(
			fs.readFileSync(makePage(path.join(cwd, `${name}.${side}.ctt`), 'alone.html'), 'utf8'),
			'META',
		);
		const meta = sectionOf(partOf(html, side), 'META');
		equal(`${name}: run ${side} is as in a page of its own`, JSON.stringify(meta), JSON.stringify(alone));
	}
	return data;
}

// ---- what is seen ----

const rows = (page) =>
	page.$$eval('.pairs .group tr:not(.title)', (all) =>
		all.map((tr) => [...tr.children].filter((c) => !c.matches('.pair')).map((c) => c.textContent.trim())),
	);

async function shows(browser, name, file, data) {
	const page = await open(browser, file);
	const heading = (await page.textContent('h1')).replaceAll('\u00a0', ' ');
	equal(`${name}: the sentence is the heading`, heading, `${data.headline}.`);
	const wanted = data.figures
		.filter((f) => f.beyond_noise || f.what === 'duration')
		.map((f) => [
			f.label,
			f.a_words,
			f.b_words,
			`${f.change} ${f.better === null ? '' : f.better ? 'better' : 'worse'}`.trim(),
		]);
	equal(`${name}: the rows beyond the noise`, JSON.stringify(await rows(page)), JSON.stringify(wanted));
	await page.check('.compare input[type=checkbox]');
	const all = await until(
		() => page.locator('.pairs .group tr:not(.title)').count(),
		(n) => n > wanted.length,
	);
	const more = await page.locator('.group td[colspan]').count();
	check(
		`${name}: and all of them when asked for`,
		all > wanted.length && (more > 0 || all === data.figures.length),
		`${all} rows of ${data.figures.length}, ${more} folded`,
	);
	const header = await page.textContent('header');
	const silent = data.remarks.filter((r) => !header.includes(r.slice(1)));
	equal(`${name}: what to keep in mind is said`, silent.join(), '');
	check(`${name}: what is noise, too`, (await page.textContent('body')).includes(data.noise_words));
	for (const [column, fates] of Object.entries({
		gone: ['gone'],
		stayed: ['same', 'rarer', 'more often', 'milder', 'worse'],
		came: ['new'],
	})) {
		const ids = data.findings.filter((f) => fates.includes(f.change)).map((f) => f.id);
		const cards = await page.$$eval(`.fates .${column} .card code`, (all) => all.map((c) => c.textContent));
		equal(`${name}: findings: ${column}`, cards.join(), ids.join());
	}
	equal(`${name}: no error`, page.errors.join('\n'), '');
	equal(`${name}: no request`, page.requests.filter((u) => !/^(file|blob):/.test(u)).join(), '');
	await shut(page);
}

// Bars by hand: in lock, A's duration is 100 ms and B's 50, the noise 95 to 105.3 ms; in all, threads ran
// 126 ms in A, the longest bar of the group, 6 % short of the right end.
async function bars(browser, file) {
	const page = await open(browser, file);
	const px = await page.evaluate(() => {
		const row = document.querySelector('.pairs .group tr:nth-child(2)');
		const whole = row.querySelector('.pair').getBoundingClientRect();
		const at = (selector) => {
			const r = row.querySelector(selector).getBoundingClientRect();
			return [r.left, r.right].map((x) => (x - whole.left) / whole.width);
		};
		return { a: at('.bar.a i'), b: at('.bar.b i'), band: at('.band') };
	});
	const unit = 1 / (126 * 1.06);
	const near = (x, ms) => Math.abs(x - ms * unit) < 0.005;
	check(
		'the bars and the noise are as long as they should be',
		near(px.a[0], 0) &&
			near(px.a[1], 100) &&
			near(px.b[1], 50) &&
			near(px.band[0], 95) &&
			near(px.band[1], 105.3),
		JSON.stringify(px),
	);
	await shut(page);
}

// ---- to the evidence ----

const chosen = (page, side) =>
	page.evaluate((s) => {
		const all = [...document.querySelectorAll('.both > div')];
		const at = all.find((d) => d.querySelector('.badge')?.textContent === s.toUpperCase());
		return at?.querySelector('.details h2')?.textContent ?? '';
	}, side);

// lock: row, what is selected in A, in B
const PLACES = [
	['worker-*, lock', /^worker-1 waits for a lock: big_lock for 40\.0 ms/, /^$/],
	['napper-*, sleep', /^napper-7 sleeps.*20\.0 ms/, /^napper-1 sleeps.*40\.0 ms/],
	['main, running', /^prog runs.*60\.0 ms/, /^prog runs.*50\.0 ms/],
	['big_lock, wait time', /^worker-1 waits for a lock: big_lock for 40\.0 ms/, /^$/],
	['take (p.c:11), lock', /^worker-1 waits for a lock: big_lock for 40\.0 ms/, /^$/],
	['nap (p.c:33, now 35), sleep', /^napper-7 sleeps.*20\.0 ms/, /^napper-1 sleeps.*40\.0 ms/],
	['waiting for or holding big_lock', /^prog runs/, /^$/],
];

async function evidence(browser, file) {
	const page = await open(browser, file);
	for (const [label, a, b] of PLACES) {
		await page.click(`.pairs .link:text-is("${label}")`);
		const gotA = await until(
			() => chosen(page, 'a'),
			(t) => a.test(t),
		);
		const gotB = await until(
			() => chosen(page, 'b'),
			(t) => b.test(t),
		);
		check(`${label}: leads to its place in both runs`, a.test(gotA) && b.test(gotB), `${gotA} | ${gotB}`);
	}
	const about = await page.textContent('.about');
	check('what is lit up is named', /waiting for or holding big_lock: A 40\.0 ms, B 0 ns, gone/.test(about), about);
	await page.click('.about button');
	equal(
		'and a button leads back to its row',
		await page.evaluate(() => document.activeElement?.textContent),
		'waiting for or holding big_lock',
	);
	const said = await page.textContent('#said');
	check('and says it', /40\.0 ms.*0 ns/.test(said), said);
	await page.click('.fates .gone .card .show');
	const wait = await until(
		() => chosen(page, 'a'),
		(t) => t.includes('waits for a lock'),
	);
	check('a finding leads to its wait in the run that has it', /big_lock/.test(wait), wait);
	equal('and to nothing in the other', await chosen(page, 'b'), '');
	await page.click('.pairs .link:text-is("main, running")');
	await until(
		() => chosen(page, 'b'),
		(t) => t !== '',
	);
	await page.keyboard.press('Escape');
	const left = await until(
		() => page.locator('.both .details, .about, .pairs tr.lit').count(),
		(n) => n === 0,
	);
	equal('Escape forgets it in both', left, 0);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// What is in view, by the ruler that is drawn: the picture of both timelines changes together.
async function together(browser, file) {
	const page = await open(browser, file);
	const picture = async (side) =>
		(await page.locator(`.side.${side} .lanes canvas`).screenshot()).toString('base64');
	const [a, b] = [await picture('a'), await picture('b')];
	await page.locator('.side.b .lanes canvas').focus();
	await page.keyboard.press('w');
	check('zooming in B moves A', (await until(() => picture('a'), (p) => p !== a)) !== a);
	check('and B', (await picture('b')) !== b);
	await page.keyboard.press('0');
	await page.locator('.side.a .lanes canvas').focus();
	await page.keyboard.press('x');
	equal(
		'X goes to the other run',
		await page.evaluate(() => document.activeElement?.closest('.side')?.className),
		'side b',
	);
	await page.keyboard.press('ArrowDown');
	const inB = await until(
		() => chosen(page, 'b'),
		(t) => t !== '',
	);
	check('whose keys they are then', /prog/.test(inB) && (await chosen(page, 'a')) === '', inB);
	await page.keyboard.press('Escape');
	await page.keyboard.press('?');
	const help = await page.textContent('.dialog');
	check('help explains the bars', /upper one is A/.test(help) && /other of the two runs/.test(help), help);
	await page.keyboard.press('Escape');
	await page.keyboard.press('/');
	await page.keyboard.type('worker-3');
	await page.keyboard.press('Enter');
	const found = await until(
		() => chosen(page, 'b'),
		(t) => /worker-3/.test(t),
	);
	check('search is in the run with the focus', /worker-3/.test(found), found);
	equal(
		'which keeps it',
		await page.evaluate(() => document.activeElement?.closest('.side')?.className),
		'side b',
	);
	await page.keyboard.press('/');
	await page.keyboard.press('Escape');
	await until(
		() => page.locator('.dialog').count(),
		(n) => n === 0,
	);
	check('Escape that closes it forgets nothing', /worker-3/.test(await chosen(page, 'b')));
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

async function byTab(browser, file) {
	const page = await open(browser, file);
	let reached = '';
	for (let i = 0; i < 40 && reached !== 'worker-*, lock'; i++) {
		await page.keyboard.press('Tab');
		reached = await page.evaluate(() => document.activeElement?.textContent ?? '');
	}
	await page.keyboard.press('Enter');
	const got = await until(
		() => chosen(page, 'a'),
		(t) => t !== '',
	);
	check('Tab and Enter lead from a row to its place', /worker-1 waits for a lock/.test(got), got);
	await shut(page);
}

// A place can be sent to somebody who has the same file.
async function links(browser, file) {
	const page = await open(browser, file);
	await page.click('.pairs .link:text-is("napper-*, sleep")');
	await page.click('.side.b canvas.map');
	await page.click('#tab-locks');
	const hash = await until(
		() => hashOf(page),
		(h) => /row=\d+.*on=b.*tab=locks/.test(h),
	);
	check('the address says what is shown', /^#t=\d+,\d+&row=\d+&sa=\d+,\d+&sb=\d+,\d+&on=b&tab=locks$/.test(hash), hash);
	const [a, b] = [await chosen(page, 'a'), await chosen(page, 'b')];
	await shut(page);
	const again = await open(browser, file, { hash });
	const shown = async (p) =>
		JSON.stringify([
			await chosen(p, 'a'),
			await chosen(p, 'b'),
			await p.textContent('.pairs tr.lit .link'),
			await p.getAttribute('.of-side [aria-pressed=true]', 'aria-pressed'),
			await p.textContent('.of-side [aria-pressed=true] .badge'),
			await p.getAttribute('#tab-locks', 'aria-selected'),
		]);
	const wanted = JSON.stringify([a, b, 'napper-*, sleep', 'true', 'B', 'true']);
	equal('and leads there', await until(() => shown(again), (s) => s === wanted), wanted);
	check('which is a place in both runs', /napper-7/.test(a) && /napper-1/.test(b), `${a} ${b}`);
	await until(
		() => hashOf(again),
		(h) => h === hash,
	);
	equal('it stays as it is', await hashOf(again), hash);
	await again.evaluate(() => (location.hash = '#f=lock-contention'));
	const wait = await until(
		() => chosen(again, 'a'),
		(t) => /waits for a lock/.test(t),
	);
	check('a finding by its id', /big_lock/.test(wait), wait);
	await shut(again);
	for (const odd of ['#t=x,y&row=777&sa=99,99&f=none&on=c&tab=none', '#row=-1&sb=-1,2', '#%E0%A4%A']) {
		const page2 = await open(browser, file, { hash: odd });
		const calm = !(await chosen(page2, 'a')) && !page2.errors.length && (await rows(page2)).length > 5;
		check(`a link that makes no sense is ignored: ${odd}`, calm, page2.errors.join());
		await shut(page2);
	}
}

// Tables of either side, and notes that go with a copy of the file.
async function tables(browser, file) {
	const page = await open(browser, file);
	const cells = () => page.textContent('.of-side table');
	const inA = await cells();
	await page.click('.of-side .tools button >> nth=1');
	const inB = await until(cells, (t) => t !== inA);
	check('the table of threads is that of the run with the focus', /worker-1/.test(inA) && inA !== inB, inB);
	for (const tab of ['locks', 'lines', 'wakers', 'offcpu', 'oncpu', 'graph', 'whatif']) {
		await page.click(`#tab-${tab}`);
		check(`of two runs: ${tab}`, (await page.textContent('#panel')).length > 10);
	}
	await page.click('#tab-offcpu');
	const flames = () => page.textContent('#panel');
	const ofB = await flames();
	await page.keyboard.press('x');
	check('X changes it, too', (await until(flames, (t) => t !== ofB)) !== ofB);
	await page.click('#tab-notes');
	await page.fill('.notes textarea', 'B sleeps </script> longer');
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('.notes button')]);
	const copy = path.join(DIR, 'notes.diff.html');
	await download.saveAs(copy);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
	const again = await open(browser, copy, { hash: '#tab=notes' });
	equal('notes come back in the copy', await again.inputValue('.notes textarea'), 'B sleeps </script> longer');
	equal('which has both runs', await again.locator('.side .lanes canvas').count(), 2);
	check('and all rows', (await rows(again)).length > 5);
	await shut(again);
}

// ---- several runs ----

async function several(browser) {
	const at = (name) => path.join(cwd, `lock.${name}.ctt`);
	const read = (name) => fs.readFileSync(at(name), 'latin1');
	// side A: 100, 100 and 110 ms; side B: 50 ms three times
	const longer = writeTrace('longer', read('a').replaceAll('100_000_000', '110_000_000'));
	const file = makeComparison('several', `${longer},${at('a')},${at('a')}`, [at('b'), at('b'), at('b')].join());
	const page = await open(browser, file);
	const durations = await page.$$eval('.durations tbody tr', (all) =>
		all.map((tr) => {
			const cells = [...tr.querySelectorAll('td:not(.pair)')].map((c) => c.textContent);
			return [tr.className, ...cells].join(' ');
		}),
	);
	equal(
		'each run, the median and from where to where',
		durations.join('; '),
		'a 110 ms exit status 0; a 100 ms exit status 0; a 100 ms exit status 0; sum 100 ms 100 ms to 110 ms; ' +
			'b 50.0 ms exit status 0; b 50.0 ms exit status 0; b 50.0 ms exit status 0; sum 50.0 ms 50.0 ms to 50.0 ms',
	);
	const drawn = await page.textContent('.side.a');
	check(
		'the run nearest to the median is drawn',
		/100 ms/.test(await page.textContent('.side.a h3')) && /run 2 of 3: 100 ms, the nearest to their median/.test(drawn),
		drawn,
	);
	const whisker = await page.evaluate(() => {
		const row = document.querySelector('.pairs .group tr:nth-child(2)');
		const [bar, line] = ['.bar.a i', '.bar.a s'].map((s) => row.querySelector(s).getBoundingClientRect());
		return [Math.abs(line.left - bar.right) < 1, line.width / bar.width, row.querySelector('.bar.b s')];
	});
	check(
		'a line from the least to the most, where they differ',
		whisker[0] && Math.abs(whisker[1] - 0.1) < 0.01 && whisker[2] === null,
		JSON.stringify(whisker),
	);
	const counts = await page.textContent('.fates .gone .card:first-child');
	check('in how many runs a finding was made', /3 of 3 runs of A, 0 of 3 of B/.test(counts), counts);
	await shut(page);
}

// Another run can be drawn in its place: of A the long one, in which worker-1 is called worker-9.
async function choice(browser) {
	const at = (name) => path.join(cwd, `lock.${name}.ctt`);
	const read = (name) => fs.readFileSync(at(name), 'latin1');
	const other = read('a').replaceAll('100_000_000', '110_000_000').replaceAll('name=worker-1', 'name=worker-9');
	const file = makeComparison('choice', `${writeTrace('other', other)},${at('a')},${at('a')}`, [at('b'), at('b')].join());
	const page = await open(browser, file);
	const picked = () => page.$eval('.side.a select', (s) => s.selectedOptions[0].textContent);
	equal('all runs of a side are there to be chosen', await page.locator('.side.a option').count(), 3);
	equal('first the nearest to the median', await picked(), 'run 2 of 3: 100 ms, the nearest to their median');
	await page.click('.pairs .link:text-is("worker-*, lock")');
	await until(
		() => chosen(page, 'a'),
		(t) => t !== '',
	);
	await page.locator('.side.a select').focus();
	await page.keyboard.press('ArrowUp');
	const moved = await until(
		() => chosen(page, 'a'),
		(t) => /worker-9/.test(t),
	);
	check('by the keyboard another one is drawn, with the row that was chosen', /^worker-9 waits for a lock/.test(moved), moved);
	check('which its heading says', /110 ms/.test(await page.textContent('.side.a h3')));
	check('and the bars', /drawn below/.test(await page.textContent('.durations tr.a:first-child')));
	check('the choice keeps the focus', await page.evaluate(() => document.activeElement.matches('.side.a select')));
	check('its tables follow', /worker-9/.test(await page.textContent('.of-side table')));
	const hash = await until(
		() => hashOf(page),
		(h) => /ra=0/.test(h),
	);
	check('the address says so', /ra=0/.test(hash) && !/rb=/.test(hash), hash);
	await page.locator('.side.b .lanes canvas').focus();
	const before = (await page.locator('.side.a .lanes canvas').screenshot()).toString('base64');
	await page.keyboard.press('0');
	const after = await until(
		async () => (await page.locator('.side.a .lanes canvas').screenshot()).toString('base64'),
		(p) => p !== before,
	);
	check('both are moved together as before', after !== before);
	equal('no error', page.errors.join('\n'), '');
	await page.click('#tab-notes');
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('.notes button')]);
	const copy = path.join(DIR, 'choice.copy.html');
	await download.saveAs(copy);
	await shut(page);
	const again = await open(browser, copy, { hash });
	const there = await until(
		() => chosen(again, 'a'),
		(t) => /worker-9/.test(t),
	);
	check('a link leads to the run and the place, in a copy with notes, too', /worker-9 waits/.test(there), there);
	await again.selectOption('.side.a select', '1');
	check('and back', /worker-1 /.test(await until(() => chosen(again, 'a'), (t) => /worker-1 /.test(t))), await chosen(again, 'a'));
	equal('no error there', again.errors.join('\n'), '');
	await shut(again);
	for (const odd of ['#ra=7', '#ra=-1', '#ra=x&rb=1e9']) {
		const calm = await open(browser, file, { hash: odd });
		check(`a link to no run is ignored: ${odd}`, /run 2 of 3/.test(await calm.textContent('.side.a select option:checked')) && !calm.errors.length);
		await shut(calm);
	}
	// as ctrace writes it where a run is too long
	const html = fs.readFileSync(file, 'utf8');
	const from = html.indexOf('<div class="ct-part" data-part="a0"');
	const short = path.join(DIR, 'short.html');
	fs.writeFileSync(short, html.slice(0, from) + html.slice(html.indexOf('</div>', from) + 7));
	const less = await open(browser, short);
	check('what is too long is left out', /1 of the runs is too long/.test(await less.textContent('.side.a .choice')));
	equal('and cannot be chosen', await less.locator('.side.a option').count(), 2);
	await shut(less);
}

// ---- what anyone can read ----

async function accessible(browser, file) {
	for (const scheme of ['light', 'dark']) {
		const page = await open(browser, file, { scheme });
		await page.evaluate(axeSource());
		const axe = async (name) => {
			const bad = await page.evaluate(async () =>
				(await window.axe.run(document)).violations.map(
					(v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 120)} ${n.any[0]?.message ?? ''}`).join(' | ')}`,
				),
			);
			equal(`axe finds nothing: ${scheme}, ${name}`, bad.join('\n'), '');
		};
		await axe('as it opens');
		await page.check('.compare input[type=checkbox]');
		await page.click('.pairs .link:text-is("napper-*, sleep")');
		await until(
			() => chosen(page, 'b'),
			(t) => t !== '',
		);
		await axe('a row chosen');
		await page.keyboard.press('Escape');
		await page.keyboard.press('?');
		await axe('help');
		await shut(page);
	}
	for (const name of PAIRS) {
		const phone = await open(browser, pairPage(name), { width: 390, height: 800 });
		const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
		check(`${name}: on a phone nothing is wider than the screen`, wide <= 390, wide);
		const hidden = await phone.$$eval('.pairs td.number, .pairs th', (all) =>
			all.filter((c) => c.offsetWidth && c.scrollWidth > c.clientWidth + 1).map((c) => c.textContent),
		);
		equal(`${name}: and nothing is cut off`, hidden.join(), '');
		await shut(phone);
	}
}

// ---- what comes from outside ----

const SCRIPT = '<script>window.hacked=1</script>';
const IMAGE = '</div><img src=x onerror=window.hacked=1>';
const HOSTILE = (end) => `run argv="./-->${SCRIPT}" argv="${IMAGE}" pid=100 start=0 end=${end} cpus=2 label="x=</script><b>y"
syscall 202 futex
addr 100 0x5000 kind=global symbol="<svg onload=window.hacked=1>"
frame 1 function="f</script>\\xff()" file="/src/<b>p.c" line=11 module="/src/p" offset=0x100
stack 1 1
0 0 task_new 101 tgid=100 flags=found prio=120
0 0 task_name 101 name="</script><b>x"
0 0 task_new 102 tgid=100 flags=found prio=120
0 0 task_name 102 name="<img src=x>\\xf0"
0 0 switch 0 next=101
0 1 switch 0 next=102
5_000_000 1 block 102 state=S nr=202 arg0=0x5000 arg1=0x80 arg2=2 owner=101 stack=1
${end - 5_000_000} 0 waking 102 waker=101 nr=202
${end - 4_990_000} 1 switch 0 next=102
end
`;

async function hostile(browser) {
	const file = makeComparison(
		'hostile',
		writeTrace('<img src=x onerror=1>', HOSTILE(50_000_000)),
		writeTrace('hostile', HOSTILE(90_000_000)),
	);
	check('no name stands in the file as it is', !fs.readFileSync(file, 'utf8').includes('hacked'));
	const page = await open(browser, file);
	await page.click('.pairs .link >> nth=2');
	const all = await page.textContent('body');
	check(
		'they are shown as text',
		all.includes('<svg onload=window.hacked=1>') && all.includes('<img src=x onerror=1>.ctt'),
		all.slice(0, 800),
	);
	equal('and are nothing else', await page.evaluate(() => window.hacked), undefined);
	equal('no element came of them', await page.locator('main b:text-is("x"), main img, main svg').count(), 0);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// Accesses to watched variables, in one of the two runs.
async function watched(browser) {
	const page = await open(browser, makeComparison('watched', 'lock.a.ctt', '../traces/find_lost.ctt'));
	await page.click('.side.b canvas.map');
	await page.keyboard.press('l');
	const said = await until(
		() => chosen(page, 'b'),
		(t) => t !== '',
	);
	check('the next lost update of the run that has the focus', /counter: \d+ → \d+/.test(said), said);
	equal('and nothing in the other', await chosen(page, 'a'), '');
	await page.keyboard.press('Escape');
	await until(
		() => chosen(page, 'b'),
		(t) => t === '',
	);
	equal('Escape forgets it', await chosen(page, 'b'), '');
	equal('no exception', page.errors.join('\n'), '');
	await shut(page);
}

async function damaged(browser, file) {
	const html = fs.readFileSync(file, 'utf8');
	const cut = (part) => {
		const from = html.indexOf(`data-part="${part}"`);
		const at = html.indexOf('class="ct-data">', from) + 'class="ct-data">'.length;
		return html.slice(0, at) + html.slice(html.indexOf('</script>', at));
	};
	const broken = path.join(DIR, 'broken.html');
	fs.writeFileSync(broken, cut('comparison'));
	let page = await open(browser, broken);
	const shown = await page.evaluate(() => document.querySelector('.broken')?.textContent ?? '');
	check('no comparison: a clear message', /damaged/.test(shown), shown);
	await shut(page);
	fs.writeFileSync(broken, cut('b'));
	page = await open(browser, broken);
	check('a run is damaged: the comparison is there', (await rows(page)).length > 5);
	const instead = await page.textContent('.side.b');
	check('and in place of the run a clear message', /cannot be drawn.*damaged/.test(instead), instead);
	await page.click('.pairs .link:text-is("main, running")');
	const a = await until(
		() => chosen(page, 'a'),
		(t) => t !== '',
	);
	check('the other run still shows its places', /prog runs/.test(a), a);
	equal('no exception', page.errors.join('\n'), '');
	await shut(page);
}

await run(async (browser) => {
	makePage('find_contention'); // skips where there is no page
	const lock = pairPage('lock');
	for (const name of PAIRS) {
		const file = pairPage(name);
		await shows(browser, name, file, sameSource(name, file));
	}
	await bars(browser, lock);
	await evidence(browser, lock);
	await together(browser, lock);
	await byTab(browser, lock);
	await links(browser, lock);
	await tables(browser, lock);
	await several(browser);
	await choice(browser);
	await watched(browser);
	await accessible(browser, lock);
	await hostile(browser);
	await damaged(browser, lock);
});
