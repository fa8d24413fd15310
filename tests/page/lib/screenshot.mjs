#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// The picture in README.md: the first finding of a page, with the place in the timeline that proves it.
//     screenshot.mjs PAGE.html OUT.png
import fs from 'node:fs';
import { check, details, hashOf, open, run, shut, until } from './page.mjs';

const [file, out] = process.argv.slice(2);
const LARGEST = 250_000; // bytes; it is in the repository

await run(async (browser) => {
	const first = await open(browser, file);
	await first.keyboard.press('n');
	await until(
		() => details(first),
		(t) => !t.startsWith('Click'),
	);
	const hash = (
		await until(
			() => hashOf(first),
			(h) => h.includes('f=0'),
		)
	).replace('&f=0', '');
	await shut(first);
	const page = await open(browser, file, { hash, width: 1240, height: 960 });
	await page.screenshot({ path: out });
	const { size } = fs.statSync(out);
	check(`${out}: ${size} bytes`, size < LARGEST);
	await shut(page);
});
