// SPDX-License-Identifier: BSD-2-Clause
//
// Reading a trace off the main thread, so that the page stays alive meanwhile: the same script once more as a
// worker, which gets the texts of the data elements as they come and gives back the model.  Where there are
// no workers it is read in place.
import { DataError, MemoryError, parse, parseHead, Slices, Waits, type Sketch } from './load';
import type { Meta } from './meta';
import { beginModel, type MergedLanes, type Model } from './model';
import { NO_DATA, takeElements, Unpacker } from './unpack';

type Question = { text: string } | { end: true };
export interface Head {
	meta: Meta;
	sketches: Sketch[];
}
type Answer = { head: Head } | { model: Model } | { lanes: MergedLanes } | { wrong: string; memory: boolean };

const finish = async (unpacker: Unpacker) => beginModel(parse(await unpacker.finish()));

async function readInPlace(texts: string[]): Promise<Model> {
	const unpacker = new Unpacker();
	for (const text of texts) unpacker.add(text);
	const { model, merge } = await finish(unpacker);
	return Object.assign(model, merge());
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

const HEAD_MOST = 16 << 20; // bytes; what is longer is not worth waiting for

export function serve(): void {
	// as a worker's types would have it; those of a document do not go with them
	const scope = globalThis as unknown as {
		onmessage: (event: MessageEvent<Question>) => void;
		postMessage: (answer: Answer, handOver?: Transferable[]) => void;
	};
	const fail = (error: unknown) => {
		const wrong =
			error instanceof DataError ? error.message : `The page could not be read: ${String(error)}`;
		// what an array that cannot be had throws
		scope.postMessage({ wrong, memory: error instanceof RangeError } satisfies Answer);
	};
	const sayHead = (bytes: Uint8Array): boolean => {
		if (bytes.length > HEAD_MOST) return true;
		const head = parseHead(bytes);
		if (head) scope.postMessage({ head } satisfies Answer);
		return head !== null;
	};
	let unpacker: Unpacker | null = null;
	scope.onmessage = ({ data }) => {
		try {
			unpacker ??= new Unpacker(sayHead);
			if ('text' in data) unpacker.add(data.text);
			else
				finish(unpacker)
					.then(({ model, merge }) => {
						scope.postMessage({ model } satisfies Answer, [...buffersIn(model)]);
						const lanes = merge();
						scope.postMessage({ lanes } satisfies Answer, [...buffersIn(lanes)]);
					})
					.catch(fail);
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

export interface Reading {
	model: Model; // without the merged lanes
	lanes: Promise<MergedLanes> | null; // null: the model has them
	texts: string[]; // of the data elements
}

// What a worker says, in order.
class Answers {
	private readonly got: (Answer | null)[] = [];
	private waiting: ((answer: Answer | null) => void) | null = null;

	take(answer: Answer | null): void {
		if (this.waiting) this.waiting(answer);
		else this.got.push(answer);
		this.waiting = null;
	}

	next(): Promise<Answer | null> {
		if (this.got.length) return Promise.resolve(this.got.shift() as Answer | null);
		return new Promise((done) => (this.waiting = done));
	}
}

async function nextLanes(worker: Worker, answers: Answers): Promise<MergedLanes> {
	const got = await answers.next();
	worker.terminate();
	if (got && 'lanes' in got) return got.lanes;
	throw new DataError(
		got && 'wrong' in got ? got.wrong : 'There is not enough memory for the lanes of locks and CPUs.',
	);
}

// Calls onHead once the start of a long trace is there.
export async function readModel(
	root: Document | Element,
	onHead: (head: Head) => void = () => {},
): Promise<Reading> {
	const worker = startWorker();
	const texts: string[] = [];
	const answers = new Answers(); // null: it failed as a worker, and may be all right in place
	let failed = !worker;
	if (worker) {
		worker.onmessage = ({ data }: MessageEvent<Answer>) => {
			if ('head' in data) onHead(data.head);
			else answers.take(data);
		};
		worker.onerror = () => {
			failed = true;
			answers.take(null);
		};
	} else answers.take(null);
	const cnt = await takeElements(root, (text) => {
		texts.push(text);
		if (!failed) worker?.postMessage({ text } satisfies Question);
	});
	if (!cnt) {
		worker?.terminate();
		throw new DataError(NO_DATA);
	}
	worker?.postMessage({ end: true } satisfies Question);
	const got = await answers.next();
	if (worker && got && 'model' in got)
		return { model: revive(got.model), lanes: nextLanes(worker, answers), texts };
	worker?.terminate();
	if (got && 'wrong' in got) throw got.memory ? new MemoryError(got.wrong) : new DataError(got.wrong);
	return { model: await readInPlace(texts), lanes: null, texts };
}
