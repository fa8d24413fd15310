// SPDX-License-Identifier: BSD-2-Clause
//
// Runs the unit tests beside the pure files, src/**/*.test.ts: bundled by esbuild, run by node's own test
// runner.  node test.mjs [FILE...]
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const all = fs
	.readdirSync(path.join(here, 'src'))
	.filter((name) => name.endsWith('.test.ts'))
	.map((name) => path.join(here, 'src', name));
const wanted = process.argv.slice(2).map((name) => path.resolve(name));
const out = fs.mkdtempSync(path.join(os.tmpdir(), 'ctrace-viewer-'));
try {
	await esbuild.build({
		entryPoints: wanted.length ? wanted : all,
		bundle: true,
		platform: 'node',
		format: 'esm',
		outExtension: { '.js': '.mjs' },
		outdir: out,
		logLevel: 'warning',
	});
	const files = fs.readdirSync(out).map((name) => path.join(out, name));
	process.exitCode =
		spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...files], { stdio: 'inherit' }).status ??
		1;
} finally {
	fs.rmSync(out, { recursive: true, force: true });
}
