// SPDX-License-Identifier: BSD-2-Clause
//
// Reading a trace off the main thread, so that the page stays alive meanwhile: the same script once more as a
// worker, which gets the texts of the data elements as they come and gives back the model.  Where there are
// no workers it is read in place.
import { DataReader, Slices, Waits, type Data } from './load';
import type { Meta } from './meta';
import {
	beginModel,
	joinLanes,
	mergeLanes,
	sketchModel,
	splitParts,
	type MergedLanes,
	type Model,
	type Parts,
	type SomeLanes,
} from './model';
import { DataError, MemoryError } from './sections';
import { NO_DATA, takeElements, Unpacker } from './unpack';

type Question = { text: string } | { end: true; helped: boolean } | { merge: Parts };
type Answer =
	| { meta: string } // of the models that follow, as JSON: a page takes that over in a third of the time
	| { sketch: Model }
	| { parts: Parts } // for the helper
	| { model: Model }
	| { lanes: SomeLanes }
	| { wrong: string; memory: boolean };

async function readInPlace(texts: string[]): Promise<Model> {
	const reader = new DataReader();
	const unpacker = new Unpacker((bytes) => reader.add(bytes));
	for (const text of texts) unpacker.add(text);
	await unpacker.finish();
	const { model, parts } = beginModel(reader.finish());
	return Object.assign(model, joinLanes(model, [mergeLanes(parts)]));
}

type Numbers = Uint8Array | Float64Array; // and the like

// Calls `take` for each array of numbers in a value, with how to put another one into its place.
function eachArray(
	value: unknown,
	take: (array: Numbers, put: (other: Numbers) => void) => void,
	seen = new Set<unknown>(),
): void {
	if (!value || typeof value !== 'object' || seen.has(value)) return;
	seen.add(value);
	const look = (part: unknown, put: (other: Numbers) => void) => {
		if (ArrayBuffer.isView(part)) take(part as Numbers, put);
		else eachArray(part, take, seen);
	};
	if (value instanceof Map) for (const [key, part] of value) look(part, (other) => value.set(key, other));
	else if (Array.isArray(value)) value.forEach((part, i) => look(part, (other) => (value[i] = other)));
	else
		for (const [key, part] of Object.entries(value))
			if (key !== 'meta') look(part, (other) => Object.assign(value, { [key]: other }));
}

const SMALL = 4096; // bytes

// Puts small arrays into one piece of memory: of thousands of threads and locks there are ten times as many
// pieces, and to take them over one by one would block the page for a tenth of a second.
function pack(value: unknown): void {
	const places = new Map<Numbers, { at: number; puts: ((other: Numbers) => void)[] }>();
	let size = 0;
	eachArray(value, (array, put) => {
		if (array.buffer.byteLength > SMALL) return;
		const known = places.get(array);
		if (known) known.puts.push(put);
		else {
			places.set(array, { at: size, puts: [put] });
			size += (array.byteLength + 7) & ~7;
		}
	});
	const memory = new ArrayBuffer(size);
	for (const [array, { at, puts }] of places) {
		const make = array.constructor as new (memory: ArrayBuffer, at: number, n: number) => Numbers;
		const moved = new make(memory, at, array.length);
		moved.set(array);
		for (const put of puts) put(moved);
	}
}

// All memory behind the arrays in a value: it is handed over, not copied.
function buffersIn(value: unknown): ArrayBuffer[] {
	const found = new Set<ArrayBuffer>();
	pack(value);
	eachArray(value, (array) => found.add(array.buffer as ArrayBuffer));
	return [...found];
}

// What came over is plain objects: methods are given back to them.
function revive(model: Model, meta: Meta): Model {
	model.data.meta = meta;
	for (const s of model.data.slices) Object.setPrototypeOf(s, Slices.prototype);
	Object.setPrototypeOf(model.data.waits, Waits.prototype);
	return model;
}

// One reader, and for a long trace a helper that merges some of the lanes meanwhile.
export function serve(): void {
	// as a worker's types would have it; those of a document do not go with them
	const scope = globalThis as unknown as {
		onmessage: (event: MessageEvent<Question>) => void;
		postMessage: (answer: Answer, handOver?: Transferable[]) => void;
	};
	const say = (answer: Answer) => scope.postMessage(answer, buffersIn(answer));
	const fail = (error: unknown) => {
		const wrong =
			error instanceof DataError ? error.message : `The page could not be read: ${String(error)}`;
		// what an array that cannot be had throws
		scope.postMessage({ wrong, memory: error instanceof RangeError });
	};
	let told = false; // the description
	const sayModel = (name: 'sketch' | 'model', { data, ...rest }: Model) => {
		if (!told) say({ meta: JSON.stringify(data.meta) });
		told = true;
		say({ [name]: { ...rest, data: { ...data, meta: null } } } as unknown as Answer);
	};
	const makeModel = (data: Data, helped: boolean) => {
		let mine: Parts | null = null;
		const { model } = beginModel(data, (parts) => {
			const [kept, given] = helped ? splitParts(parts) : [parts, null];
			mine = kept;
			if (given) say({ parts: given });
		});
		sayModel('model', model);
		if (mine) say({ lanes: mergeLanes(mine) });
	};
	const reader = new DataReader(({ meta, sketches }) => sayModel('sketch', sketchModel(meta, sketches)));
	let unpacker: Unpacker | null = null;
	scope.onmessage = ({ data: asked }) => {
		try {
			if ('merge' in asked) {
				say({ lanes: mergeLanes(asked.merge) });
				return;
			}
			unpacker ??= new Unpacker((bytes) => reader.add(bytes));
			if ('text' in asked) unpacker.add(asked.text);
			else
				unpacker
					.finish()
					.then(() => makeModel(reader.finish(), asked.helped))
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

const NO_LANES = 'There is not enough memory for the lanes of locks and CPUs.';

function lanesIn(got: Answer | null): SomeLanes {
	if (got && 'lanes' in got) return got.lanes;
	throw new DataError(got && 'wrong' in got ? got.wrong : NO_LANES);
}

// A worker and what it says; null where there are no workers.
function ask(onAnswer: (answer: Answer) => boolean = () => false): { worker: Worker; answers: Answers } | null {
	const worker = startWorker();
	if (!worker) return null;
	const answers = new Answers(); // null: it failed as a worker
	worker.onmessage = ({ data }: MessageEvent<Answer>) => {
		if (!onAnswer(data)) answers.take(data);
	};
	worker.onerror = () => answers.take(null);
	return { worker, answers };
}

type Asked = NonNullable<ReturnType<typeof ask>>;

async function nextLanes(model: Model, askedOf: Asked[]): Promise<MergedLanes> {
	try {
		return joinLanes(model, await Promise.all(askedOf.map(async (a) => lanesIn(await a.answers.next()))));
	} finally {
		for (const { worker } of askedOf) worker.terminate();
	}
}

// Calls onSketch once the start of a long trace is there.
export async function readModel(
	root: Document | Element,
	onSketch: (model: Model) => void = () => {},
): Promise<Reading> {
	const texts: string[] = [];
	let helper: Asked | null = null;
	let long = false;
	let meta: Meta | null = null;
	const reader = ask((answer) => {
		if ('meta' in answer) meta = JSON.parse(answer.meta) as Meta;
		else if ('sketch' in answer) {
			onSketch(revive(answer.sketch, meta as unknown as Meta));
			long = true;
		} else if ('parts' in answer)
			helper?.worker.postMessage({ merge: answer.parts } satisfies Question, buffersIn(answer.parts));
		else return false;
		return true;
	});
	const cnt = await takeElements(root, (text) => {
		texts.push(text);
		reader?.worker.postMessage({ text } satisfies Question);
	});
	const all = () => [reader, helper].filter((a) => a !== null);
	const stop = () => all().forEach(({ worker }) => worker.terminate());
	if (!cnt) {
		stop();
		throw new DataError(NO_DATA);
	}
	if (long) helper = ask(); // when the sketch has been drawn
	reader?.worker.postMessage({ end: true, helped: helper !== null } satisfies Question);
	const got = (await reader?.answers.next()) ?? null; // null: it may be all right in place
	if (got && 'model' in got) {
		const model = revive(got.model, meta as unknown as Meta);
		return { model, lanes: nextLanes(model, all()), texts };
	}
	stop();
	if (got && 'wrong' in got) throw got.memory ? new MemoryError(got.wrong) : new DataError(got.wrong);
	return { model: await readInPlace(texts), lanes: null, texts };
}
