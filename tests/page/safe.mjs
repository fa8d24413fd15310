#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// What comes from outside: hostile names, damaged files, and that nothing leaves the page.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { check, DIR, equal, makePage, open, ROOT, run, shut, until, writeTrace } from './lib/page.mjs';

const HOSTILE = `run argv="./--><script>window.hacked=1</script>" argv="\\xff\\xfe" pid=100 start=0 end=50_000_000 cpus=2 host="<img src=x onerror=window.hacked=1>"
syscall 202 "</script><script>window.hacked=1</script>"
addr 100 0x5000 kind=global symbol="<svg onload=window.hacked=1>"
frame 1 function="std::map<int, </script>>::f\\xff()" file="/src/<b>p\\xc3.c" line=11 module="/src/p" offset=0x100
stack 1 1
0 0 task_new 101 tgid=100 flags=found prio=120
0 0 task_name 101 name="\\xe2\\x80\\xae</script><b>x"
0 0 task_new 102 tgid=100 flags=found prio=120
0 0 task_name 102 name="<img src=x>\\xf0"
0 0 switch 0 next=101
0 1 switch 0 next=102
5_000_000 1 block 102 state=S nr=202 arg0=0x5000 arg1=0x80 arg2=2 owner=101 stack=1
45_000_000 0 waking 102 waker=101 nr=202
45_010_000 1 switch 0 next=102
end
`;

const NOBODY = `run argv="./prog" pid=100 start=1000 end=1_000_000 cpus=2
end
`;

async function hostileNames(browser) {
	const file = makePage(writeTrace('hostile', HOSTILE));
	const text = fs.readFileSync(file, 'utf8');
	check('no name stands in the file as it is', !text.includes('hacked'));
	const page = await open(browser, file);
	for (const tab of ['threads', 'locks', 'lines', 'wakers', 'offcpu', 'graph', 'whatif'])
		await page.click(`#tab-${tab}`);
	await page.click('.card .show');
	const all = await page.textContent('body');
	check(
		'they are shown as text',
		all.includes('</script><b>x') && all.includes('--><script>window.hacked=1'),
		all.slice(0, 500),
	);
	equal('and are nothing else', await page.evaluate(() => window.hacked), undefined);
	equal(
		'no element came of them',
		await page.locator('main b:text-is("x"), main img, main svg[onload]').count(),
		0,
	);
	check('and none turns the direction of what follows', !/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(all));
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// What was recorded of nobody, and of threads without a moment of their own.
async function nobody(browser) {
	const still = await open(browser, makePage('labels'));
	equal('a trace of threads that did nothing makes a page', await still.locator('.broken').count(), 0);
	equal('no error of that', still.errors.join('\n'), '');
	await shut(still);
	const page = await open(browser, makePage(writeTrace('nobody', NOBODY)));
	equal('a trace without threads makes a page', await page.locator('.broken').count(), 0);
	check('which says so', (await page.textContent('header')).includes('prog'));
	equal('no error of it', page.errors.join('\n'), '');
	await shut(page);
}

// A server that nobody may reach.
async function nothingLeaves(browser, file) {
	let hits = 0;
	const server = http.createServer((_, answer) => {
		hits++;
		answer.end();
	});
	await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
	const url = `http://127.0.0.1:${server.address().port}/`;
	const page = await open(browser, file);
	for (const tab of ['locks', 'offcpu', 'graph', 'whatif', 'notes']) await page.click(`#tab-${tab}`);
	equal(
		'the page asks for itself and nothing else',
		page.requests.filter((u) => !/^(file|blob):/.test(u)).join(),
		'',
	);
	const tried = await page.evaluate(async (to) => {
		const how = [];
		await fetch(to).then(
			() => how.push('fetch'),
			() => {},
		);
		const load = (make) =>
			new Promise((done) => {
				const element = make();
				element.onload = () => done(true);
				element.onerror = () => done(false);
				document.body.append(element);
				setTimeout(() => done(false), 1500);
			});
		if (await load(() => Object.assign(new Image(), { src: to }))) how.push('image');
		if (await load(() => Object.assign(document.createElement('script'), { src: to }))) how.push('script');
		if (await load(() => Object.assign(document.createElement('link'), { rel: 'stylesheet', href: to })))
			how.push('style');
		try {
			new WebSocket(to.replace('http', 'ws'));
		} catch {
			// refused at once
		}
		return how.join();
	}, url);
	equal('even a script in it cannot send anything', tried, '');
	equal('nothing arrived', hits, 0);
	server.close();
	await shut(page);
}

async function saysIt(browser, name, text, wanted) {
	const file = path.join(DIR, 'broken.html');
	fs.writeFileSync(file, text);
	const page = await open(browser, file);
	const shown = await page.evaluate(() => document.querySelector('.broken')?.textContent ?? '');
	check(`${name}: a clear message`, wanted.test(shown), shown);
	equal(`${name}: and no exception`, page.errors.join('\n'), '');
	await shut(page);
}

async function damaged(browser, file) {
	const text = fs.readFileSync(file, 'utf8');
	// the last: the viewer knows the words, too
	const from = text.lastIndexOf('class="ct-data">') + 'class="ct-data">'.length;
	const to = text.indexOf('</script>', from);
	const middle = (from + to) >> 1;
	const other = text[middle] === 'A' ? 'B' : 'A';
	await saysIt(
		browser,
		'a changed character',
		text.slice(0, middle) + other + text.slice(middle + 1),
		/damaged/,
	);
	await saysIt(browser, 'a part is missing', text.slice(0, middle) + text.slice(middle + 400), /damaged/);
	await saysIt(browser, 'the end is missing', text.slice(0, to - 400) + text.slice(to), /damaged/);
	await saysIt(browser, 'an element was emptied', text.slice(0, from) + text.slice(to), /damaged/);
	await saysIt(browser, 'not base64', `${text.slice(0, middle)}%%%${text.slice(middle + 3)}`, /not base64/);
	await saysIt(
		browser,
		'the viewer alone',
		text.slice(0, text.lastIndexOf('<script type="application/octet')) + text.slice(to + 9),
		/no data/,
	);
}

// What stands before the figures in the tables of all panels: each mark once.
async function marksOf(page) {
	const marks = new Set();
	for (const panel of ['threads', 'lines', 'whatif']) {
		await page.click(`#tab-${panel}`);
		await until(
			() => page.locator('td.number').count(),
			(n) => n > 0,
		);
		for (const mark of await page.evaluate(() =>
			[...document.querySelectorAll('td.number')].map((cell) => getComputedStyle(cell, '::before').content),
		))
			marks.add(mark);
	}
	return [...marks].join(' ');
}

await run(async (browser) => {
	const file = makePage('find_contention');
	await hostileNames(browser);
	await nobody(browser);
	await nothingLeaves(browser, file);
	await damaged(browser, file);
	const odd = await open(browser, makePage(path.join(ROOT, 'tests/format/format1.1-watch.ctrace')));
	equal('stacks that are named and not there do no harm', await odd.locator('.broken').count(), 0);
	equal('not one', odd.errors.join('\n'), '');
	await shut(odd);
	// what was lost is said at the top
	const loss = await open(browser, makePage('loss'));
	check(
		'lost events are said',
		/events were lost/.test(
			await until(
				() => loss.textContent('header'),
				(t) => /lost/.test(t),
			),
		),
	);
	check('each figure of the tables is marked then', (await marksOf(loss)) === '"~"', await marksOf(loss));
	check('so is the first line', /; ~\s*2 threads/.test(await loss.textContent('header')));
	await shut(loss);
	const whole = await open(browser, file);
	check('and none else', (await marksOf(whole)) === 'none', await marksOf(whole));
	await shut(whole);
});
