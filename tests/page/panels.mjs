#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// What the text report tells the page tells, too: critical path, parallelism, what holders of locks did, what if,
// and whether all of it can be trusted.  Rows and hits of the search lead to their place; long names are short.
/*
# time limit: 300
*/
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import {
	axe,
	axeSource,
	check,
	CTRACE,
	equal,
	hashOf,
	makePage,
	open,
	ROOT,
	run,
	says,
	shut,
	until,
	writeTrace,
} from './lib/page.mjs';

const MS = 1e6;

// In one line each, without the line breaks and the signs between clauses, small letters.
const plain = (text) => text.toLowerCase().replace(/[:.;]/g, ' ').replace(/\s+/g, ' ').trim();

function report(trace) {
	const env = { ...process.env, LC_ALL: 'C', COLUMNS: '200' };
	const file = trace.includes('/') ? trace : path.join(ROOT, 'tests/traces', `${trace}.ctt`);
	return execFileSync(CTRACE, ['report', file], { env, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}

const section = (text, title) => text.split(/\n\n/).find((part) => part.startsWith(title)) ?? '';

const cells = (page) =>
	page.$$eval('#panel tbody tr', (all) => all.map((tr) => [...tr.children].map((c) => c.textContent.trim())));

// px of the timeline that can be seen.
const inSight = (page) =>
	page.evaluate(() => {
		const { top, bottom } = document.querySelector('.lanes').getBoundingClientRect();
		return Math.min(bottom, window.innerHeight) - Math.max(top, 0);
	});

// From below the timeline on a low screen; `act` is to bring it into sight.
async function leads(page, name, act, wanted) {
	await page.setViewportSize({ width: 1400, height: 420 });
	await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
	const before = await inSight(page);
	await act();
	await says(page, name, wanted);
	const seen = await until(
		() => inSight(page),
		(px) => px >= 120,
	);
	check(`${name}: the timeline comes into sight`, before < 120 && seen >= 120, `${before}, then ${seen} px`);
}

// ---- the critical path ----

// "running, holding big_lock: ann and 1 more" of the report, as time and thread.
function pathOf(trace) {
	const lines = section(report(trace), 'Critical path').split('\n').slice(1);
	return lines.map((l) => {
		const [, time] = /^ +[~<>]*\d+ % +([~\d.]+ \S+) /.exec(l) ?? [];
		return `${time?.replace('us', 'µs')} | ${l.split(': ').pop()}`;
	});
}

async function criticalPath(browser) {
	for (const trace of ['find_contention', 'find_held', 'path_fork_join', 'path_pipeline', 'loss']) {
		const page = await open(browser, makePage(trace), { hash: '#tab=path' });
		const lossy = trace === 'loss' ? '~' : '';
		const told = (await cells(page)).map(([, , time, who]) => `${lossy}${time} | ${who}`);
		const wanted = pathOf(trace);
		equal(`${trace}: the path as the report has it`, told.slice(0, wanted.length).join('\n'), wanted.join('\n'));
		await shut(page);
	}
	const page = await open(browser, makePage('find_contention'), { hash: '#tab=path' });
	const width = await page.$$eval('#panel .share .swatch', (all) =>
		all.map((i) => Math.round((100 * i.getBoundingClientRect().width) / i.parentElement.clientWidth)),
	);
	equal('bars are as long as the shares', width.slice(0, 2).join(), '75,25');
	const first = () => page.click('#panel tbody tr:first-child button');
	// the longest of it: ann has the lock from 5 to 20 ms, while bob waits
	await leads(page, 'a row of the path leads to its longest part', first, /^ann runs for 23\.0 ms/);
	check('and shows the path in the timeline', await page.isChecked('.time input[type=checkbox]'));
	await page.click('#tab-locks');
	equal('and lights up its lock', await page.locator('#panel tr.lit').count(), 1);
	await page.click('#tab-path');
	await page.click('text=by thread');
	const threads = await cells(page);
	equal('by thread', threads.map(([who, , time]) => `${who} ${time}`).join(), 'ann 75.0 ms,bob 45.0 ms');
	await page.click('text=by line');
	check('by line', /^no line known/.test((await cells(page))[0][0]), (await cells(page)).join('\n'));
	await shut(page);
	const held = await open(browser, makePage('find_held'), { hash: '#tab=path' });
	await held.locator('#panel tbody tr:has-text("nap") button').focus();
	await held.keyboard.press('Enter');
	await says(held, 'by the keyboard, to the sleep of the holder', /^ann sleeps.*10\.0 ms/);
	await held.click('text=by line');
	await held.click('#panel tbody button:has-text("nap (p.c:33)")');
	await says(held, 'by line, to the same', /^ann sleeps.*10\.0 ms/);
	equal('no error', held.errors.join('\n'), '');
	await shut(held);
}

// ---- how many ran at once ----

async function parallelism(browser) {
	for (const trace of ['find_contention', 'find_held', 'parallel', 'find_crowd']) {
		const page = await open(browser, makePage(trace), { hash: '#tab=parallel' });
		const text = section(report(trace), 'Parallelism');
		const wanted = [...text.matchAll(/^ +([\d-]+) running +[<>]*(\d+) %/gm)].map((m) => `${m[1]} ${m[2]}`);
		const told = (await cells(page)).map(([who, share]) => {
			const whole = /^[<\d.]+/.exec(share)[0];
			return `${/^[\d to]*\d/.exec(who)[0].replace(' to ', '-')} ${whole.startsWith('<') ? 1 : Math.round(whole)}`;
		});
		equal(`${trace}: as many ran as in the report`, told.join(), wanted.join());
		const mean = /on average ([\d.]+)/.exec(text)[1];
		const says = await page.textContent('#panel');
		check(`${trace}: and the mean`, says.includes(`On average ${mean} threads`), says);
		equal(`${trace}: and whether one ran alone`, /One ran alone/.test(says), /one ran alone/.test(text));
		await shut(page);
	}
	const page = await open(browser, makePage('find_contention'), { hash: '#tab=parallel' });
	const row = (words) => () => page.click(`#panel tbody button:text-is("${words}")`);
	// both run at first, for 3 ms after each hand-over, and from 110.01 ms to the end
	await leads(page, 'a row leads to its longest stretch', row('2 threads'), /9\.99 ms marked/);
	await row('1 thread')();
	await says(page, 'of one alone, too: 5 to 20.01 ms', /15\.0 ms marked/);
	const [t0, t1] = /t=(\d+),(\d+)/.exec(
		await until(
			() => hashOf(page),
			(h) => /t=[1-4]?\d{6},/.test(h),
		),
	).slice(1).map(Number);
	check('which is in view', t0 <= 5 * MS && t1 >= 20 * MS && t1 < 60 * MS, `${t0}..${t1}`);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// ---- locks ----

async function locks(browser) {
	const page = await open(browser, makePage('find_held'), { hash: '#tab=locks' });
	const [row] = await cells(page);
	const told = row.join(' | ').replaceAll('\u00a0', ' ');
	check(
		'a lock: where it is waited for, who has it, and what that one does meanwhile',
		/0\.60 \| 1 \| work \(p\.c:11\) \| ann \| sleeps 83 %; runs 17 %; waits for a CPU <0\.1 %/.test(told),
		told,
	);
	await shut(page);
	const two = await open(browser, makePage('find_contention'), { hash: '#tab=locks' });
	const both = (await cells(two))[0].join(' | ').replaceAll('\u00a0', ' ');
	check('of several holders the one with most: 51 of 87 ms', /\| ann, 59 % \|/.test(both), both);
	await shut(two);
}

// ---- what if ----

async function whatIf(browser) {
	const page = await open(browser, makePage('preempt'), { hash: '#tab=whatif' });
	const text = (await page.textContent('#panel')).replaceAll('\u00a0', ' ');
	check(
		'what the replay cannot repeat is said in words',
		/with nothing changed, the work takes 4\.80 µs, 4\.0 % too little; the times here are corrected for that\./.test(text),
		text,
	);
	check('and what a change saves', /1\.55 times as fast: saves 1\.77 µs, 35 %; if /.test(text), text);
	await shut(page);
	const exact = await open(browser, makePage('find_contention'), { hash: '#tab=whatif' });
	check('an exact one', /the work takes 120\sms, as recorded\./.test(await exact.textContent('#panel')));
	await shut(exact);
}

// ---- trust ----

// 1 voluntary switch was seen, the kernel counts 3.
const COUNTS = `run argv=./p pid=100 start=0 end=1_000_000 cpus=2 futex=switch
syscall 230 clock_nanosleep
0 0 task_new 101 tgid=100 flags=found prio=120
0 0 task_name 101 name=ann
0 0 switch 0 next=101
10_000 0 block 101 state=S nr=clock_nanosleep
20_000 0 waking 101
21_000 0 switch 0 next=101
900_000 0 task_counts 101 voluntary=3 involuntary=0
end
`;

async function trust(browser) {
	const seen = [];
	const traces = ['find_contention', 'cost', 'loss', 'states', 'raised', 'reuse', writeTrace('counts', COUNTS)];
	for (const trace of traces) {
		const page = await open(browser, makePage(trace));
		const items = await page.$$eval('.trust li', (all) => all.map((li) => li.firstChild.textContent));
		const text = plain(report(trace));
		const missing = items.map(plain).filter((words) => !text.includes(words));
		equal(`${path.basename(trace)}: what is said of trust is in the report`, missing.join('\n'), '');
		seen.push(...items);
		await shut(page);
	}
	const all = seen.join('\n').replaceAll('\u00a0', ' ');
	for (const words of [
		'Lost events: none.',
		'Lost events: 7 events (CPU 0: 7 block)',
		'1 time a thread was found on a CPU',
		'switch counts are not in this trace',
		'switch counts agree for',
		'ann: recorded 1 voluntary and 0 involuntary, the kernel counts 3 and 0',
		'3.00 ms in the probes, 7.5 % of the time',
		'--futex=switch',
	])
		check(`said in one of them: ${words}`, all.includes(words), all);
}

// ---- search ----

// ann waits for big_lock three times, 10, 50 and 20 ms; for the second one 30 ms in another line.
const WAITS = `run argv=./p pid=100 start=0 end=200_000_000 cpus=2 futex=switch
syscall 202 futex
addr 100 0x5000 kind=global symbol=big_lock
addr 100 0x6000 kind=global symbol=other_lock
frame 1 function=take file=/src/p.c line=11 module=/src/p offset=0x100
frame 2 function=look file=/src/p.c line=22 module=/src/p offset=0x200
stack 1 1
stack 2 2
0 0 task_new 101 tgid=100 flags=found prio=120
0 0 task_name 101 name=ann
0 0 task_new 102 tgid=100 flags=found prio=120
0 0 task_name 102 name=bob
0 0 switch 0 next=101
0 1 switch 0 next=102
${[
	[10, 10, '0x5000', 1],
	[30, 50, '0x5000', 1],
	[90, 20, '0x5000', 1],
	[120, 5, '0x6000', 2],
	[130, 30, '0x6000', 2],
]
	.map(
		([at, long, lock, stack]) =>
			`${at * MS} 0 block 101 state=S nr=futex arg0=${lock} arg1=0x80 arg2=2 owner=102 stack=${stack}\n` +
			`${(at + long) * MS} 1 waking 101 waker=102 nr=futex\n${(at + long) * MS + 1000} 0 switch 0 next=101`,
	)
	.join('\n')}
end
`;

async function search(browser) {
	const page = await open(browser, makePage(writeTrace('waits', WAITS)));
	for (const [word, wanted] of [
		['big_lock', /^ann waits for a lock: big_lock for 50\.0 ms/],
		['other_lock', /^ann waits for a lock: other_lock for 30\.0 ms/],
		['p.c:22', /^ann waits for a lock: other_lock for 30\.0 ms/],
		['ann', /^ann waits for a lock: big_lock for 50\.0 ms/],
		['bob', /^bob runs for 200 ms/],
	]) {
		const find = async () => {
			await page.keyboard.press('/');
			await page.keyboard.type(word);
			await page.locator(`.hits .severity:text-matches("${word === 'p.c:22' ? 'line' : 'lock|thread'}")`).first().click();
		};
		await leads(page, `search for ${word}: its longest wait`, find, wanted);
		await page.keyboard.press('Escape');
	}
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

// ---- long names ----

const NAME = `shop::Queue<std::map<std::string, std::vector<${'std::pair<int, long>, '.repeat(8)}int> > >::take`;

async function longNames(browser) {
	const text = WAITS.replace('function=take', `function="${NAME}"`);
	const file = makePage(writeTrace('long', text));
	const page = await open(browser, file, { hash: '#tab=lines' });
	const row = page.locator('#panel tbody tr:has-text("p.c:11") th');
	equal('a long name is short in a table', await row.textContent(), 'shop::Queue<…>::take (p.c:11)');
	equal('and whole under the pointer', await row.locator('span').getAttribute('title'), `${NAME} (p.c:11)`);
	await row.locator('button').click();
	await says(page, 'the selection says all of it', new RegExp(NAME.replace(/[^\w ]/g, '.')));
	for (const tab of ['locks', 'path', 'offcpu', 'whatif']) {
		await page.click(`#tab-${tab}`);
		const wide = await page.$$eval('#panel th, #panel td, #panel .flame button', (all) =>
			all.filter((c) => c.innerText.includes('std::pair')).map((c) => c.innerText),
		);
		equal(`short in ${tab}`, wide.join('\n'), '');
	}
	await page.keyboard.press('/');
	await page.keyboard.type('std::pair');
	equal('search finds by any part of it', (await page.textContent('.hits li')).trim(), 'line shop::Queue<…>::take (p.c:11)');
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
	const phone = await open(browser, file, { width: 390, height: 800, hash: '#tab=path' });
	const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
	check('on a phone nothing is wider than the screen', wide <= 390, wide);
	await shut(phone);
}

async function accessible(browser) {
	for (const scheme of ['light', 'dark']) {
		const page = await open(browser, makePage('find_held'), { scheme });
		await page.evaluate(axeSource());
		for (const tab of ['path', 'parallel', 'locks', 'whatif']) {
			await page.click(`#tab-${tab}`);
			await axe(page, `${scheme}, ${tab}`);
		}
		await shut(page);
	}
}

await run(async (browser) => {
	await criticalPath(browser);
	await parallelism(browser);
	await locks(browser);
	await whatIf(browser);
	await trust(browser);
	await search(browser);
	await longNames(browser);
	await accessible(browser);
});
