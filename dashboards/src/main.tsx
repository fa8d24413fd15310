// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: find the data, build the store, mount.  What goes wrong with the data is said in its place.
import { render } from 'preact';
import { DataError } from './load';
import { addLanes, makeStore } from './store';
import { App } from './ui/app';
import { paletteOf } from './ui/dark';
import { listenKeys } from './ui/keys';
import { keepLink } from './ui/link';
import { keepOriginal, readNotes } from './ui/notes';
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
	const original = keepOriginal();
	const { model, lanes, texts } = await readModel(document);
	const store = makeStore(model);
	original.texts = texts;
	store.notes.value = readNotes();
	const { argv } = store.model.data.meta.summary.run;
	document.title = `ctrace: ${argv[0]?.slice(argv[0].lastIndexOf('/') + 1) ?? 'a run'}`;
	app.textContent = '';
	keepLink(store);
	listenKeys(store);
	render(<App store={store} colours={paletteOf(store)} original={original} />, app);
	const { dataset } = document.documentElement;
	const now = () => String(Math.round(performance.now()));
	dataset.ready = now();
	try {
		if (lanes) addLanes(store, await lanes);
	} catch (error) {
		store.said.value = error instanceof Error ? error.message : String(error);
	}
	dataset.whole = now();
}

// The same script is the worker that reads the data.
if (typeof document === 'undefined') serve();
else {
	const app = document.getElementById('app');
	if (app) start(app).catch((error: unknown) => sayWhatIsWrong(app, error));
}
