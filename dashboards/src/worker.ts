// SPDX-License-Identifier: BSD-2-Clause
//
// Reading a trace off the main thread, so that the page stays alive meanwhile: the same script once more as a
// worker, which gets the compressed chunks and gives back the model.  Where there are no workers it is read
// in place.
import { DataError, parse } from './load';
import { buildModel, type Model } from './model';
import { inflate } from './unpack';

type Answer = { model: Model } | { wrong: string };

const read = async (chunks: Uint8Array[]): Promise<Model> => buildModel(parse(await inflate(chunks)));

// All memory behind typed arrays in a value: it is handed over, not copied.
function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
	if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
	else if (value instanceof Map || Array.isArray(value)) for (const v of value.values()) buffersIn(v, found);
	else if (value && typeof value === 'object')
		for (const [key, v] of Object.entries(value)) if (key !== 'meta') buffersIn(v, found);
	return found;
}

export function serve(): void {
	// as a worker's types would have it; those of a document do not go with them
	const scope = globalThis as unknown as {
		onmessage: (event: MessageEvent<Uint8Array[]>) => void;
		postMessage: (answer: Answer, handOver?: Transferable[]) => void;
	};
	scope.onmessage = (event) => {
		read(event.data).then(
			(model) => scope.postMessage({ model } satisfies Answer, [...buffersIn(model)]),
			(error: unknown) => {
				const wrong =
					error instanceof DataError ? error.message : `The page could not be read: ${String(error)}`;
				scope.postMessage({ wrong } satisfies Answer);
			},
		);
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

export function readModel(chunks: Uint8Array[]): Promise<Model> {
	const worker = startWorker();
	if (!worker) return read(chunks);
	return new Promise((done, failed) => {
		worker.onmessage = ({ data }: MessageEvent<Answer>) => {
			worker.terminate();
			if ('model' in data) done(data.model);
			else failed(new DataError(data.wrong));
		};
		worker.onerror = () => {
			worker.terminate();
			read(chunks).then(done, failed);
		};
		worker.postMessage(chunks);
	});
}
