// SPDX-License-Identifier: BSD-2-Clause
//
// Bundles src/ into one self-contained page: node build.mjs OUT.  The script's hash goes into the content
// security policy, which forbids everything else: no request can leave the page.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, '../build/viewer.html'));

const common = {
	bundle: true,
	minify: true,
	write: false,
	target: ['chrome100', 'firefox113', 'safari16.4'],
	legalComments: 'none',
};
const script = await esbuild.build({
	...common,
	entryPoints: [path.join(here, 'src/main.tsx')],
	format: 'iife',
	jsx: 'automatic',
	jsxImportSource: 'preact',
	charset: 'utf8',
});
const style = await esbuild.build({ ...common, entryPoints: [path.join(here, 'src/style.css')] });
// neither may end its element, wherever such text may come from
const js = script.outputFiles[0].text
	.replaceAll('</script', '<\\/script')
	.replaceAll('<!--', '<\\!--')
	.trim();
const css = style.outputFiles[0].text.replaceAll('</style', '<\\/style').trim();
const hash = crypto.createHash('sha256').update(js).digest('base64');

const page = fs
	.readFileSync(path.join(here, 'index.html'), 'utf8')
	.replace('__SCRIPT_HASH__', () => `'sha256-${hash}'`)
	.replace('/*STYLE*/', () => css)
	.replace('/*SCRIPT*/', () => js);
fs.mkdirSync(path.dirname(out), { recursive: true });
fs.writeFileSync(out, page);
