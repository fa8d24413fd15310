#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// A newcomer's minute with a page: from opening it to the guilty line, counting clicks.
//     minute.mjs PAGE.html LINE-OF-SOURCE...
import { check, details, equal, open, run, shut, until } from './page.mjs';

const [file, ...lines] = process.argv.slice(2);

const guilty = (page, where) =>
	page.evaluate(
		(w) => [...document.querySelectorAll(`${w} .here`)].map((e) => e.textContent).join('\n'),
		where,
	);

await run(async (browser) => {
	const page = await open(browser, file);
	let clicks = 0;
	let shown = await guilty(page, '.card');
	while (!lines.every((line) => shown.includes(line)) && clicks < 3) {
		await page.click(`.card:nth-child(${clicks + 1}) .show`);
		clicks++;
		shown = await guilty(page, '.card');
	}
	check(
		`the guilty line is marked after ${clicks} clicks`,
		lines.every((line) => shown.includes(line)),
		shown,
	);
	await page.click('.card .show');
	const text = await until(
		() => details(page),
		(t) => lines.some((line) => t.includes(line)),
	);
	check(
		'one click shows it in the timeline, with its line',
		lines.some((line) => text.includes(line)),
		text,
	);
	equal('no error', page.errors.join('\n'), '');
	await shut(page);
});
