#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// Watched variables on the page: the card of a lost update leads to its arrows and values, by pointer and by
// keyboard; marks, the note beside the pointer, the table, links, axe.  The trace is tests/traces/find_lost.ctt:
// at 40 us anna reads 9, at 42 us ben writes 10, at 43 us anna writes 10 over it.
/*
# time limit: 300
*/
import {
	axe,
	axeSource,
	check,
	equal,
	hashOf,
	makePage,
	open,
	run,
	says,
	shut,
	soon,
	until,
	writeTrace,
} from './lib/page.mjs';

const GUTTER = 168;
const ANNA = 72.5; // y of her accesses: ruler, head, her states, half of the band
const BEN = ANNA + 37;
const COUNTER = BEN + 7.5 + 20 + 22 + 7.5;

const view = async (page) => {
	const [, t] = /t=([\d,]+)/.exec(await hashOf(page)) ?? [];
	return t ? t.split(',').map(Number) : null;
};

// px of the timeline that can be seen.
const inSight = (page) =>
	page.evaluate(() => {
		const { top, bottom } = document.querySelector('.lanes').getBoundingClientRect();
		return Math.min(bottom, window.innerHeight) - Math.max(top, 0);
	});

const placeOf = async (page, t, y) => {
	const box = await page.locator('.lanes canvas').boundingBox();
	const [t0, t1] = await view(page);
	return { x: box.x + GUTTER + ((t - t0) / (t1 - t0)) * (box.width - GUTTER), y: box.y + y };
};

// How many pixels of the arrows' colour there are in a square of 13 px around a point of the timeline.
async function redAt(page, t, y) {
	const { x, y: top } = await placeOf(page, t, y);
	return page.evaluate(
		({ x, y }) => {
			const canvas = document.querySelector('.lanes canvas');
			const box = canvas.getBoundingClientRect();
			const g = canvas.getContext('2d');
			const { data } = g.getImageData(x - box.x - 6, y - box.y - 6, 13, 13);
			let n = 0;
			for (let i = 0; i < data.length; i += 4)
				if (Math.abs(data[i] - 192) < 12 && Math.abs(data[i + 1] - 58) < 12 && data[i + 2] < 12) n++;
			return n;
		},
		{ x, y: top },
	);
}

async function card(browser, file) {
	const page = await open(browser, file);
	equal(
		'the verdict is about values, not about time',
		await page.textContent('h1'),
		'Updates of counter are lost, 2 times in this run.',
	);
	const rows = await page.locator('.card:first-child .witness tbody tr').allTextContents();
	const told = rows.map((r) => r.replace(/\s+/g, ' ').trim());
	check(
		'the card has the four accesses, from the top',
		told.length === 4 &&
			/^0 ns.*reads 9.*look \(p\.c:11\)/.test(told[0]) &&
			/^1\.00 µs.*reads 9/.test(told[1]) &&
			/^2\.00 µs.*writes 10 \(is lost\).*count \(p\.c:22\)/.test(told[2]) &&
			/^3\.00 µs.*writes 10 \(over it, unseen\)/.test(told[3]),
		told.join('\n'),
	);
	await page.click('.card .show');
	await says(page, 'a click on it selects the write that loses', /anna writes counter: 10 → 10/);
	await says(page, 'and says from which reading it follows', /anna's reading of 9, 3\.00 µs before/);
	await says(page, 'and what is lost', /ben wrote 10: that update is lost/);
	const [t0, t1] = (await until(
		() => view(page),
		(v) => v && v[1] - v[0] < 20e3,
	)) ?? [0, 0];
	check('all four are in view', t0 < 40e3 && t1 > 43e3 && t1 - t0 < 20e3, `${t0}..${t1}`);
	const between = (ANNA + BEN) / 2;
	const read = await until(
		() => redAt(page, 41e3, between),
		(n) => n > 10,
	);
	check('an arrow goes from the old reading to the write of the other', read > 10, read);
	const over = await redAt(page, 42.5e3, between);
	check('another one from that to the write over it', over > 10, over);
	equal('and nowhere else', await redAt(page, 44.5e3, between), 0);
	equal('the table of variables is shown', await page.getAttribute('#tab-watched', 'aria-selected'), 'true');
	await page.keyboard.press('Escape');
	const gone = await until(
		() => redAt(page, 41e3, between),
		(n) => n === 0,
	);
	equal('Escape takes the arrows away', gone, 0);
	await page.click('.card:first-child .witness tbody tr:nth-child(2) button');
	await says(page, 'a row of the card selects its access', /ben reads counter: 9/);
	for (const [what, show] of [
		['L', () => page.keyboard.press('l')],
		['a row of the table', () => page.evaluate(() => document.querySelector('[role=tabpanel] tbody button').click())],
	]) {
		await page.setViewportSize({ width: 1400, height: 420 });
		await page.evaluate(() => window.scrollTo(0, 0));
		await show();
		const seen = await until(
			() => inSight(page),
			(px) => px >= 120,
		);
		check(`${what} brings the timeline into sight`, seen >= 120, seen);
	}
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

async function pointer(browser, file) {
	const page = await open(browser, file, { hash: '#t=38000,46000' });
	await page.keyboard.press('Escape');
	await page.locator('.lanes canvas').scrollIntoViewIfNeeded();
	await page.keyboard.press('d');
	await page.keyboard.press('a');
	await until(
		() => view(page),
		(v) => v && v[0] === 38000,
	);
	const note = () => page.evaluate(() => document.querySelector('.hover')?.textContent ?? '');
	const over = async (t, y) => {
		const at = await placeOf(page, t, y);
		await page.mouse.move(at.x + 1, at.y);
	};
	await over(42e3, BEN);
	const said = await until(note, (t) => t.includes('ben'));
	check(
		'beside the pointer: value before and after, line, lock, atomic or not',
		/ben writes counter: 9 → 10/.test(said) &&
			/count \(p\.c:22\)/.test(said) &&
			/no lock/.test(said) &&
			/Not atomic/.test(said) &&
			/This update is lost/.test(said),
		said,
	);
	await over(41e3, COUNTER);
	check('on the lane of the variable, too', /ben reads counter: 9/.test(await until(note, (t) => /reads/.test(t))), await note());
	await over(44e3, BEN);
	equal('and nothing where nothing is', await until(note, (t) => !t), '');
	const at = await placeOf(page, 40e3, ANNA);
	await page.mouse.click(at.x, at.y);
	await says(page, 'a click on a mark selects it', /anna reads counter: 9/);
	await says(page, 'with what came of it', /old when anna writes what follows from it: ben has written/);
	const above = await placeOf(page, 40e3, ANNA - 18);
	await page.mouse.click(above.x, above.y);
	await says(page, 'a click above it selects the slice', /^anna runs/);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

async function keyboard(browser, file) {
	const page = await open(browser, file);
	const press = async (key, name, wanted) => {
		await page.keyboard.press(key);
		await says(page, name, wanted);
	};
	await press('k', 'K selects the first access', /anna reads counter: 5/);
	await press('k', 'and the one after it, of another thread', /ben reads counter: 5/);
	await press('j', 'J the one before', /anna reads counter: 5/);
	await press('.', 'full stop the next of the same thread', /anna writes counter: 7 → 6/);
	await press(',', 'comma the one before', /anna reads counter: 5/);
	await press('l', 'L the next lost update', /anna writes counter: 7 → 6/);
	await press('l', 'and the one after that', /anna writes counter: 10 → 10/);
	await page.locator('.lanes canvas').focus();
	await press('Enter', 'Enter leads to what is lost', /^ben writes counter: 9 → 10/);
	await press('Enter', 'and to the reading that missed it', /^anna reads counter: 9/);
	await press('Enter', 'and to the write that it saw', /^anna writes counter: 8 → 9/);
	await press('Backspace', 'Backspace leads back', /^anna reads counter: 9/);
	const said = await page.textContent('#said');
	equal('what is selected is said', said, 'anna reads counter: 9');
	await press('ArrowDown', 'the arrow down goes to the thread below', /^ben runs/);
	await page.keyboard.press('?');
	const help = await page.textContent('.dialog');
	check('the help tells of it', /next lost update/.test(help) && /Under a thread stand its accesses/.test(help), help);
	await page.keyboard.press('Escape');
	await page.keyboard.press('/');
	await page.keyboard.type('counter');
	const hits = await page.locator('.hits').textContent();
	check('search finds the variable', /variable counter/.test(hits), hits);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
}

async function table(browser) {
	const page = await open(browser, makePage('find_unprotected'), { hash: '#tab=watched' });
	const rows = () => page.locator('#panel tbody tr').allTextContents();
	const find = (all, name) => all.find((r) => r.startsWith(name)) ?? '';
	const all = await rows();
	equal('a row for each variable', all.length, 5);
	check('the guarded one with its lock', /guarded.*a_lock.*every access/.test(find(all, 'guarded')), all.join('\n'));
	check('the unguarded one', /UNGUARDED/.test(find(all, 'counter')), all.join('\n'));
	check('the one that was out of sight for a while', /a sample/.test(find(all, 'paused')), all.join('\n'));
	await page.locator('#panel thead button').first().click();
	const up = await rows();
	await page.locator('#panel thead button').first().click();
	const down = await rows();
	equal('it is sorted both ways', [...up].reverse().join('|'), down.join('|'));
	await page.click('#panel tbody tr:has-text("mixed") button');
	await says(page, 'a row leads to an access that tells most', /ben writes mixed: 1 → 2|anna writes mixed/);
	await says(page, 'with the lock it held', /held b_lock|held a_lock/);
	const id = /a=(\d+)/.exec(
		await until(
			() => hashOf(page),
			(h) => /a=\d+/.test(h),
		),
	)?.[1];
	const chosen = await page.textContent('.details h2');
	await shut(page);
	const linked = await open(browser, makePage('find_unprotected'), { hash: `#a=${id}` });
	equal('a link restores the access', await linked.textContent('.details h2'), chosen);
	await shut(linked);
	for (const hash of ['#a=9999', '#a=-1', '#a=x']) {
		const odd = await open(browser, makePage('find_unprotected'), { hash });
		check(`a link to no access is ignored: ${hash}`, (await odd.locator('.details h2').count()) === 0 && !odd.errors.length);
		await shut(odd);
	}
}

const ODD = `run argv=./p pid=100 start=0 end=1_000_000 cpus=2 futex=switch libc=glibc
addr 100 0x6000 kind=global symbol=idle
addr 100 0x6008 kind=global symbol=wide
addr 100 0x6010 kind=global symbol=byte
addr 100 0x6018 kind=global symbol=ratio
addr 100 0x6020 kind=global symbol=single
0 0 task_new 101 tgid=100 flags=found prio=120
0 0 task_name 101 name=ann
0 0 switch 0 next=101 next_prio=120
1_000 1 watch 0 var=1 tgid=100 addr=0x6000 size=8 on=on
1_000 1 watch 0 var=2 tgid=100 addr=0x6008 size=8 on=on
1_000 1 watch 0 var=3 tgid=100 addr=0x6010 size=1 on=on
1_000 1 watch 0 var=4 tgid=100 addr=0x6018 size=8 on=on
1_000 1 watch_type 0 var=4 type=float
1_000 1 watch 0 var=5 tgid=100 addr=0x6020 size=4 on=on
1_000 1 watch_type 0 var=5 type=float
2_000 0 access 101 var=2 size=8 ip=0x1010 value=0x8000000000000001 stack=77
3_000 0 access 101 var=3 how=read|write|before size=1 ip=0x1010 value=255 before=0
4_000 0 access 101 var=3 how=read|write|before|atomic size=1 ip=0x1010 value=0 before=255
5_000 0 access 101 var=4 how=write|before size=8 ip=0x1010 value=0xc004000000000000 before=0x3fb999999999999a
6_000 0 access 101 var=5 how=read size=4 ip=0x1010 value=0x3dcccccd
end
`;

async function others(browser, file) {
	const none = await open(browser, makePage('find_contention'));
	equal('without --watch there is no table of variables', await none.locator('#tab-watched').count(), 0);
	await none.keyboard.press('k');
	await none.keyboard.press('l');
	equal('and no access to go to', none.errors.join('\n'), '');
	await shut(none);
	const odd = await open(browser, makePage(writeTrace('odd', ODD)), { hash: '#tab=watched' });
	const shown = await odd.textContent('#panel');
	check('a variable that nobody touched', /idle.*not touched/.test(shown), shown);
	await odd.keyboard.press('k');
	await says(odd, 'a value of 64 bits, one of 8 bits, an access of which little is known', /ann touches wide, how is not known: -9223372036854775807/);
	await odd.keyboard.press('.');
	await says(odd, 'signed', /ann changes byte: 0 → -1/);
	await odd.keyboard.press('.');
	await says(odd, 'atomic', /ann changes byte atomically: -1 → 0/);
	await odd.keyboard.press('.');
	await says(odd, 'floating point', /ann writes ratio: 0\.1 → -2\.5/);
	await odd.keyboard.press('.');
	await soon(odd, /single/);
	equal('of four bytes', await odd.textContent('.details h2'), 'ann reads single: 0.1');
	equal('and no error', odd.errors.join('\n'), '');
	await shut(odd);
	for (const scheme of ['light', 'dark']) {
		const page = await open(browser, file, { scheme });
		await page.evaluate(axeSource());
		await page.click('.card .show');
		await soon(page, /anna writes/);
		await axe(page, `${scheme}, a lost update`);
		await shut(page);
	}
	const phone = await open(browser, file, { width: 390, height: 800 });
	await phone.click('.card .show');
	const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
	check('on a phone nothing is wider than the screen', wide <= 390, wide);
	await shut(phone);
}

await run(async (browser) => {
	const file = makePage('find_lost');
	await card(browser, file);
	await pointer(browser, file);
	await keyboard(browser, file);
	await table(browser);
	await others(browser, file);
});
