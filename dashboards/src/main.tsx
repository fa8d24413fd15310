// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up: find the data, build the store, mount.  What goes wrong with the data is said in its place.
import { render } from 'preact';
import type { Model } from './model';
import { DataError, MemoryError } from './sections';
import { addLanes, makeStore, setModel, type Store } from './store';
import { App } from './ui/app';
import { startComparison } from './ui/compare';
import { paletteOf } from './ui/dark';
import { listenKeys } from './ui/keys';
import { whenIdle } from './ui/later';
import { keepLink } from './ui/link';
import { keepOriginal, readNotes } from './ui/notes';
import { isComparison } from './unpack';
import { readModel, serve, type Reading } from './worker';

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

// What follows is a task of its own, so that neither it nor what came before blocks the page for long.
const nextTask = () => new Promise((done) => setTimeout(done));

async function start(app: HTMLElement): Promise<void> {
	const original = keepOriginal();
	if (await isComparison(document)) return startComparison(app, original);
	const { dataset } = document.documentElement;
	const now = () => String(Math.round(performance.now()));
	const sketch: { store?: Store } = {};
	const show = (model: Model): Store => {
		const made = makeStore(model);
		const { run, loss } = model.data.meta.summary;
		const { argv } = run;
		// figures in tables get a ~ (style.css)
		if (loss.events > 0) dataset.lossy = '';
		document.title = `ctrace: ${argv[0]?.slice(argv[0].lastIndexOf('/') + 1) ?? 'a run'}`;
		app.textContent = '';
		listenKeys(() => made);
		render(<App store={made} colours={paletteOf(made.theme)} original={original} />, app);
		return made;
	};
	let reading: Reading;
	try {
		reading = await readModel(document, (model) => {
			sketch.store = show(model);
			sketch.store.reading.value = true;
			dataset.sketch = now();
		});
	} catch (error) {
		if (!sketch.store || !(error instanceof MemoryError)) throw error;
		sketch.store.tooLarge.value = true;
		dataset.whole = now();
		return;
	}
	const { model, lanes, texts } = reading;
	original.parts = [{ name: null, texts }];
	const notes = readNotes();
	await nextTask();
	if (sketch.store) setModel(sketch.store, model);
	const store = sketch.store ?? show(model);
	store.notes.value = notes || store.notes.value;
	keepLink(store);
	dataset.ready = now();
	try {
		if (lanes) addLanes(store, await lanes);
	} catch (error) {
		store.said.value = error instanceof Error ? error.message : String(error);
	}
	const whole = now();
	whenIdle(() => (dataset.whole = whole)); // tables are there by then, too
}

// The same script is the worker that reads the data.
if (typeof document === 'undefined') serve();
else {
	const app = document.getElementById('app');
	if (app) start(app).catch((error: unknown) => sayWhatIsWrong(app, error));
}
