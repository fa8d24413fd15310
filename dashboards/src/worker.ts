// SPDX-License-Identifier: BSD-2-Clause
//
// Reading a trace off the main thread, so that the page stays alive meanwhile: the same script once more as a
// worker, which gets the texts of the data elements as they come and gives back the model.  Where there are
// no workers it is read in place.
import { DataError, parse, Slices, Waits } from './load';
import { buildModel, type Model } from './model';
import { takeElements, Unpacker } from './unpack';

type Question = { text: string } | { end: true };
type Answer = { model: Model } | { wrong: string };

const finish = async (unpacker: Unpacker): Promise<Model> => buildModel(parse(await unpacker.finish()));

function readInPlace(texts: string[]): Promise<Model> {
	const unpacker = new Unpacker();
	for (const text of texts) unpacker.add(text);
	return finish(unpacker);
}

// All memory behind typed arrays in a value: it is handed over, not copied.
function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
	if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
	else if (value instanceof Map || Array.isArray(value)) for (const v of value.values()) buffersIn(v, found);
	else if (value && typeof value === 'object')
		for (const [key, v] of Object.entries(value)) if (key !== 'meta') buffersIn(v, found);
	return found;
}

// What came over is plain objects: methods are given back to them.
function revive(model: Model): Model {
	for (const s of model.data.slices) Object.setPrototypeOf(s, Slices.prototype);
	Object.setPrototypeOf(model.data.waits, Waits.prototype);
	return model;
}

export function serve(): void {
	// as a worker's types would have it; those of a document do not go with them
	const scope = globalThis as unknown as {
		onmessage: (event: MessageEvent<Question>) => void;
		postMessage: (answer: Answer, handOver?: Transferable[]) => void;
	};
	const fail = (error: unknown) => {
		const wrong =
			error instanceof DataError ? error.message : `The page could not be read: ${String(error)}`;
		scope.postMessage({ wrong } satisfies Answer);
	};
	let unpacker: Unpacker | null = null;
	scope.onmessage = ({ data }) => {
		try {
			unpacker ??= new Unpacker();
			if ('text' in data) unpacker.add(data.text);
			else
				finish(unpacker).then(
					(model) => scope.postMessage({ model } satisfies Answer, [...buffersIn(model)]),
					fail,
				);
		} catch (error) {
			fail(error);
		}
	};
}

function startWorker(): Worker | null {
	const script = [...document.scripts].find((s) => !s.type && s.textContent);
	try {
		const url = URL.createObjectURL(new Blob([script?.textContent ?? ''], { type: 'text/javascript' }));
		return new Worker(url);
	} catch {
		return null;
	}
}

// The model of the page's data, and the data's texts.
export async function readModel(document: Document): Promise<{ model: Model; texts: string[] }> {
	const worker = startWorker();
	const texts: string[] = [];
	let failed = false; // as a worker: it may be all right in place
	const answer = new Promise<Answer | null>((done) => {
		if (!worker) return done(null);
		worker.onmessage = ({ data }: MessageEvent<Answer>) => done(data);
		worker.onerror = () => {
			failed = true;
			done(null);
		};
	});
	const cnt = await takeElements(document, (text) => {
		texts.push(text);
		if (!failed) worker?.postMessage({ text } satisfies Question);
	});
	if (!cnt) {
		worker?.terminate();
		throw new DataError('There is no data in this page. Make one with: ctrace export TRACE -f html');
	}
	worker?.postMessage({ end: true } satisfies Question);
	const got = await answer;
	worker?.terminate();
	if (!got) return { model: await readInPlace(texts), texts };
	if ('wrong' in got) throw new DataError(got.wrong);
	return { model: revive(got.model), texts };
}
