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
// dagre comes as one file with tables of all its algorithms.  Those that it asks for itself stay; what nothing but
// a table names goes with the others.  (So graph.tsx takes what it needs by name.)
const asked = /^(pre|post)order:/;
const leaner = {
	name: 'leaner',
	setup(build) {
		build.onLoad({ filter: /dagre\.esm\.js$/ }, ({ path: file }) => ({
			contents: fs
				.readFileSync(file, 'utf8')
				.replace(
					/(?<=;[\w$]+\([\w$]+,\{)(\w+:\(\)=>[\w$]+,?)+(?=\}\))/g,
					(rows) => rows.split(',').filter((row) => asked.test(row)).join(','),
				),
		}));
	},
};
// Names of properties that are in no JSON, no string and no browser; the first kind is dagre's own.
const inside = [
	'_[a-zA-Z]{2,}',
	...['setEdge', 'setNode', 'edgeObj', 'hasNode', 'removeEdge', 'removeNode', 'setParent', 'selfEdges', 'nodeCount'],
	...['threadNames', 'byVariable', 'byThread', 'stateAt', 'flagsAt', 'lanesRead', 'onlyLit', 'waitsOfLock'],
];
const script = await esbuild.build({
	...common,
	entryPoints: [path.join(here, 'src/main.tsx')],
	format: 'iife',
	jsx: 'automatic',
	jsxImportSource: 'preact',
	charset: 'utf8',
	mangleProps: new RegExp(`^(${inside.join('|')})$`),
	plugins: [leaner],
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
