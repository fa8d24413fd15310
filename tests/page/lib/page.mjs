// SPDX-License-Identifier: BSD-2-Clause
//
// What the tests of the page share: TAP, pages made from text traces, a browser that may not go out.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const CTRACE = path.resolve(ROOT, process.env.CTRACE ?? path.join(process.env.B ?? 'build', 'ctrace'));
export const DIR = fs.mkdtempSync(path.join(os.tmpdir(), 'ctrace-page-'));
const PATIENCE_MS = 20_000; // of waiting for the page; it takes a tenth of a second on an idle machine

let good = 0;
let bad = 0;

export function check(name, value, info = '') {
	if (value) good++;
	else bad++;
	console.log(`${value ? 'ok' : 'not ok'} - ${name}`);
	if (!value && info !== '') console.log(`# ${String(info).slice(0, 2000).replaceAll('\n', '\n# ')}`);
	return value;
}

export function equal(name, got, expected) {
	return check(
		name,
		Object.is(got, expected),
		`got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`,
	);
}

function skip(why) {
	console.log(`SKIP ${why}`);
	fs.rmSync(DIR, { recursive: true, force: true });
	process.exit(77);
}

// From dashboards/, where npm put it (make deps-test).
function need(name) {
	try {
		return createRequire(path.join(ROOT, 'dashboards/package.json'))(name);
	} catch {
		return skip(`${name} is not installed (make deps-test)`);
	}
}

export const axeSource = () => need('axe-core').source;

// The source is in the page by now.
export async function axe(page, name) {
	const result = await page.evaluate(async () => {
		const { violations, passes } = await window.axe.run(document);
		return {
			bad: violations.map(
				(v) =>
					`${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 120)} ${n.any[0]?.message ?? ''}`).join(' | ')}`,
			),
			good: passes.length,
		};
	});
	check(`axe finds nothing: ${name}`, result.bad.length === 0 && result.good > 10, result.bad.join('\n'));
}

function browserPath() {
	for (const name of ['chromium', 'chromium-browser'])
		for (const dir of ['/usr/bin', '/usr/local/bin'])
			if (fs.existsSync(path.join(dir, name))) return path.join(dir, name);
	return skip('chromium is not installed (make deps-test)');
}

export async function launch() {
	const { chromium } = need('playwright-core');
	const executablePath = browserPath();
	const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
	args.push('--disable-background-networking', '--disable-component-update', '--disable-sync');
	return chromium.launch({ executablePath, args, timeout: 60_000 });
}

// The page of a trace: a file of tests/traces by its name, or any path.
export function makePage(trace, out = `${path.basename(trace).replace(/\.\w+$/, '')}.html`) {
	const from = trace.includes('/') ? trace : path.join(ROOT, 'tests/traces', `${trace}.ctt`);
	const to = path.join(DIR, out);
	try {
		execFileSync(CTRACE, ['export', from, '-f', 'html', '-o', to], { stdio: ['ignore', 'ignore', 'pipe'] });
	} catch (error) {
		if (String(error.stderr).includes('without its page'))
			skip('ctrace was built without npm, so without its page');
		throw error;
	}
	return to;
}

export function writeTrace(name, text) {
	const file = path.join(DIR, `${name}.ctt`);
	fs.writeFileSync(file, text, 'latin1');
	return file;
}

// Opens a page; what it logs as errors and asks for is kept on the page object.
export async function open(browser, file, { hash = '', width = 1400, height = 1000, scheme = 'light', touch = false } = {}) {
	const context = await browser.newContext({
		viewport: { width, height },
		colorScheme: scheme,
		reducedMotion: 'reduce',
		hasTouch: touch,
		isMobile: touch,
	});
	const page = await context.newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	page.errors = [];
	page.requests = [];
	page.on('pageerror', (error) => page.errors.push(String(error.stack ?? error)));
	page.on('console', (message) => message.type() === 'error' && page.errors.push(message.text()));
	page.on('request', (request) => page.requests.push(request.url()));
	await page.goto(pathToFileURL(file).href + hash);
	await page.waitForSelector('html[data-whole], .broken', { state: 'attached' });
	return page;
}

export const shut = (page) => page.context().close();

// Waits until `get` (run here) gives what `fits` wants; returns the last answer.
export async function until(get, fits) {
	const end = Date.now() + PATIENCE_MS;
	for (;;) {
		const value = await get();
		if (fits(value) || Date.now() > end) return value;
		await new Promise((done) => setTimeout(done, 40));
	}
}

export const hashOf = (page) => page.evaluate(() => location.hash);
export const details = (page) => page.evaluate(() => document.querySelector('.details')?.textContent ?? '');
// What is said of the selection, once it is what is wanted, or patience has an end.
export const soon = (page, wanted) =>
	until(
		() => details(page),
		(t) => wanted.test(t),
	);

export async function says(page, name, wanted) {
	const text = await soon(page, wanted);
	check(name, wanted.test(text), text);
}

export async function run(test) {
	const browser = await launch();
	try {
		await test(browser);
	} catch (error) {
		check(`the test ended by an error: ${error.message.split('\n')[0]}`, false, error.stack);
	} finally {
		await browser.close().catch(() => {});
		fs.rmSync(DIR, { recursive: true, force: true });
	}
	if (!good && !bad) process.exit(99);
	process.exit(bad ? 1 : 0);
}
