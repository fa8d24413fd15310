// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: find the data, build the store, mount.  What goes wrong with the data is said in its place.
import { render } from 'preact';
import { DataError } from './load';
import { makeStore } from './store';
import { App } from './ui/app';
import { startComparison } from './ui/compare';
import { paletteOf } from './ui/dark';
import { listenKeys } from './ui/keys';
import { keepLink } from './ui/link';
import { keepOriginal, readNotes } from './ui/notes';
import { takeChunks } from './unpack';
import { readModel, serve } from './worker';

function sayWhatIsWrong(app: HTMLElement, error: unknown): void {
	const text = error instanceof DataError ? error.message : `The page could not be shown: ${String(error)}`;
	document.title = 'ctrace: damaged page';
	render(
		<section class="broken" role="alert">
			<h1>This page cannot be shown</h1>
			<p>{text}</p>
		</section>,
		app,
	);
}

async function start(app: HTMLElement): Promise<void> {
	if (document.querySelector('.ct-part')) return startComparison(app);
	const notes = readNotes();
	const chunks = takeChunks(document);
	const original = keepOriginal(chunks);
	const store = makeStore(await readModel(chunks));
	store.notes.value = notes;
	const { run, loss } = store.model.data.meta.summary;
	const { argv } = run;
	// figures in tables get a ~ (style.css)
	if (loss.events > 0) document.documentElement.dataset.lossy = '';
	document.title = `ctrace: ${argv[0]?.slice(argv[0].lastIndexOf('/') + 1) ?? 'a run'}`;
	app.textContent = '';
	keepLink(store);
	listenKeys(() => store);
	render(<App store={store} colours={paletteOf(store.theme)} original={original} />, app);
	document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

// The same script is the worker that reads the data.
if (typeof document === 'undefined') serve();
else {
	const app = document.getElementById('app');
	if (app) start(app).catch((error: unknown) => sayWhatIsWrong(app, error));
}
