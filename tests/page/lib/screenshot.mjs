#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// The pictures in README.md and demos/README.md: the first finding of a page, with the place in the
// timeline that proves it; or, where there is no finding, the whole run.
//     screenshot.mjs PAGE.html OUT.png [whole]
import fs from 'node:fs';
import { check, details, hashOf, open, run, shut, until } from './page.mjs';

const [file, out, whole] = process.argv.slice(2);
const LARGEST = 250_000; // bytes; it is in the repository

/* The address of the place that proves the first finding. */
async function proof(browser) {
	const first = await open(browser, file);
	await first.keyboard.press('n');
	await until(
		() => details(first),
		(t) => !t.startsWith('Click'),
	);
	const hash = await until(
		() => hashOf(first),
		(h) => h.includes('f=0'),
	);
	await shut(first);
	return hash.replace('&f=0', '');
}

await run(async (browser) => {
	const hash = whole ? '' : await proof(browser);
	const page = await open(browser, file, { hash, width: 1240, height: 960 });
	await page.screenshot({ path: out });
	const { size } = fs.statSync(out);
	check(`${out}: ${size} bytes`, size < LARGEST);
	await shut(page);
});
