// SPDX-License-Identifier: BSD-2-Clause
//
// Owns the way from the page's bytes to typed arrays; the only parser.  The bytes may have been cut or
// changed on their way: every length, count and index is checked, and what does not fit is a DataError
// with a sentence for people.  The layout is in user/export/html_int.h, html_threads.c and html_columns.c.
import type { Meta } from './meta';

export class DataError extends Error {}
export class MemoryError extends Error {} // the browser has not enough of it

export type Numbers = Uint8Array | Uint16Array | Uint32Array;
export type Indices = Int16Array | Int32Array; // -1: none

const numbersBelow = (limit: number, n: number): Numbers =>
	limit <= 256 ? new Uint8Array(n) : limit <= 65536 ? new Uint16Array(n) : new Uint32Array(n);
const indicesBelow = (limit: number, n: number): Indices =>
	limit <= 32768 ? new Int16Array(n) : new Int32Array(n);

// The combinations of what a slice is, and how it says which wait is its own.
export interface SliceKinds {
	n: number;
	state: Uint8Array;
	flags: Uint8Array;
	cpu: Uint16Array;
	wait: Uint8Array;
}
const WAIT_NEXT = 1; // 0: none, 2: the one before
const WAIT_LISTED = 3;
const MARK = 64;

// What a thread did: slice k is [start[k], start[k + 1]).  Only what every picture needs is there from the
// start; the rest is spelled out for the threads that somebody asks about.
export class Slices {
	private spelled: { state?: Uint8Array; flags?: Uint8Array; cpu?: Uint16Array; wait?: Int32Array } = {};

	constructor(
		readonly n: number,
		readonly start: Float64Array, // n + 1: the last is the thread's end
		readonly kind: Numbers,
		readonly kinds: SliceKinds,
		private readonly firstWait: number,
		private readonly listed: Int32Array, // its part of SWAI
		private readonly waitMarks: Int32Array, // how it stands with the waits before every MARK slices
	) {}

	stateAt(slice: number): number {
		return this.kinds.state[this.kind[slice]];
	}

	flagsAt(slice: number): number {
		return this.kinds.flags[this.kind[slice]];
	}

	cpuAt(slice: number): number {
		return this.kinds.cpu[this.kind[slice]];
	}

	// -1: none
	waitAt(slice: number): number {
		if (!this.kinds.wait[this.kind[slice]]) return -1;
		const mark = Math.floor(slice / MARK);
		const [next, last, l] = this.waitMarks.subarray(3 * mark, 3 * mark + 3);
		return this.followWaits(mark * MARK, slice + 1, next, last, l, null);
	}

	// From a slice on, the wait of each; gives the last one.
	private followWaits(
		from: number,
		until: number,
		next: number,
		last: number,
		l: number,
		out: Int32Array | null,
	): number {
		const { kind, kinds, listed } = this;
		for (let i = from; i < until; i++) {
			const how = kinds.wait[kind[i]];
			if (!how) continue;
			if (how === WAIT_NEXT) last = next++;
			else if (how === WAIT_LISTED) last = listed[l++];
			if (out) out[i] = last;
		}
		return last;
	}

	private look<T extends Uint8Array | Uint16Array>(out: T, of: T): T {
		for (let i = 0; i < this.n; i++) out[i] = of[this.kind[i]];
		return out;
	}

	get state(): Uint8Array {
		return (this.spelled.state ??= this.look(new Uint8Array(this.n), this.kinds.state));
	}

	get flags(): Uint8Array {
		return (this.spelled.flags ??= this.look(new Uint8Array(this.n), this.kinds.flags));
	}

	get cpu(): Uint16Array {
		return (this.spelled.cpu ??= this.look(new Uint16Array(this.n), this.kinds.cpu));
	}

	// -1: none
	get wait(): Int32Array {
		if (this.spelled.wait) return this.spelled.wait;
		const out = (this.spelled.wait = new Int32Array(this.n).fill(-1));
		this.followWaits(0, this.n, this.firstWait, -1, 0, out);
		return out;
	}
}

const WAIT_FIELDS = [
	'state',
	'flags',
	'wakeFlags',
	'file',
	'lock',
	'target',
	'stack',
	'frame',
	'nr',
	'wakerNr',
	'fd',
] as const;
type WaitField = (typeof WAIT_FIELDS)[number];
export type WaitKinds = Record<WaitField, Int32Array> & { n: number }; // by kind

// All waits; what they were for is spelled out once somebody asks.
export class Waits {
	private spelled: Partial<Record<WaitField, Int32Array>> = {};

	constructor(
		readonly n: number,
		readonly kind: Numbers,
		readonly kinds: WaitKinds,
		readonly owner: Indices,
		readonly waker: Indices,
		readonly thread: Indices,
		readonly start: Float64Array,
		readonly end: Float64Array,
	) {}

	at(field: WaitField, wait: number): number {
		return this.kinds[field][this.kind[wait]];
	}

	private look(field: WaitField): Int32Array {
		const known = this.spelled[field];
		if (known) return known;
		const out = (this.spelled[field] = new Int32Array(this.n));
		const of = this.kinds[field];
		for (let w = 0; w < this.n; w++) out[w] = of[this.kind[w]];
		return out;
	}

	get state() {
		return this.look('state');
	}
	get flags() {
		return this.look('flags');
	}
	get wakeFlags() {
		return this.look('wakeFlags');
	}
	get file() {
		return this.look('file');
	}
	// from here on -1: none
	get lock() {
		return this.look('lock');
	}
	get target() {
		return this.look('target');
	}
	get stack() {
		return this.look('stack');
	}
	get frame() {
		return this.look('frame');
	}
	get nr() {
		return this.look('nr');
	}
	get wakerNr() {
		return this.look('wakerNr');
	}
	get fd() {
		return this.look('fd');
	}
}

export interface Holds {
	n: number;
	start: Float64Array;
	end: Float64Array;
	thread: Int32Array;
	flags: Uint8Array;
}

export interface Path {
	n: number;
	start: Float64Array; // n + 1
	thread: Int32Array;
	state: Uint8Array;
	lock: Int32Array;
	frame: Int32Array;
}

export interface Samples {
	n: number;
	time: Float64Array;
	thread: Int32Array;
	stack: Int32Array;
	nr: Int32Array;
	cpu: Uint16Array;
}

export interface Data {
	meta: Meta;
	end: number; // ns: the run's
	slices: Slices[]; // by thread
	waits: Waits;
	holds: Holds[]; // by lock
	path: Path;
	samples: Samples;
	extra: Map<string, Uint8Array>; // sections this viewer has no use for
}

const MAGIC = 'CTPAGE1\n';

export function splitSections(bytes: Uint8Array): Map<string, Uint8Array> {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const text = (at: number, n: number) => String.fromCharCode(...bytes.subarray(at, at + n));
	const sections = new Map<string, Uint8Array>();

	if (bytes.length < 8 || text(0, 8) !== MAGIC)
		throw new DataError('The data in this page is of another version than its viewer.');
	for (let at = 8; ;) {
		if (at + 16 > bytes.length)
			throw new DataError('The data in this page ends early: a part of the file is missing.');
		const tag = text(at, 4);
		const length = Number(view.getBigUint64(at + 8, true));
		if (tag === 'END ') return sections;
		if (length > bytes.length - at - 16)
			throw new DataError(`The data in this page ends early, in "${tag.trim()}".`);
		sections.set(tag, bytes.subarray(at + 16, at + 16 + length));
		at += 16 + length;
	}
}

// The numbers of one column, in order.
export class Column {
	private at = 0;

	constructor(
		private readonly bytes: Uint8Array,
		private readonly tag: string,
	) {}

	next(): number {
		const byte = this.bytes[this.at];
		if (byte < 128) {
			this.at++;
			return byte;
		}
		return this.long();
	}

	private long(): number {
		let value = 0;
		let scale = 1;
		for (let i = 0; i < 8; i++) {
			if (this.at >= this.bytes.length) throw new DataError(`"${this.tag}" has too few numbers.`);
			const byte = this.bytes[this.at++];
			value += (byte & 127) * scale;
			if (byte < 128) return value;
			scale *= 128;
		}
		throw new DataError(`"${this.tag}" has a number that is too large.`);
	}

	// < limit
	below(limit: number): number {
		const value = this.next();
		if (value >= limit) throw new DataError(`"${this.tag}" names something that is not there.`);
		return value;
	}

	// "+1" numbers: -1 for none
	index(limit: number): number {
		return this.below(limit + 1) - 1;
	}

	zigzag(): number {
		const n = this.next();
		return n % 2 ? -(n + 1) / 2 : n / 2;
	}

	get more(): boolean {
		return this.at < this.bytes.length;
	}

	finish(): void {
		if (this.more) throw new DataError(`"${this.tag}" has too many numbers.`);
	}
}

class Sections {
	constructor(private readonly all: Map<string, Uint8Array>) {}

	peek(tag: string): Uint8Array {
		const bytes = this.all.get(tag);
		if (!bytes) throw new DataError(`The data in this page has no "${tag}".`);
		return bytes;
	}

	bytes(tag: string, length?: number): Uint8Array {
		const bytes = this.peek(tag);
		if (length !== undefined && bytes.length !== length)
			throw new DataError(`"${tag}" has ${bytes.length} entries instead of ${length}.`);
		this.all.delete(tag);
		return bytes;
	}

	column(tag: string): Column {
		return new Column(this.bytes(tag), tag);
	}

	ints(tag: string, n: number, get: (c: Column) => number): Int32Array {
		const column = this.column(tag);
		const out = new Int32Array(n);
		for (let i = 0; i < n; i++) out[i] = get(column);
		column.finish();
		return out;
	}
}

const LISTS = [
	'states',
	'strings',
	'frames',
	'stacks',
	'threads',
	'processes',
	'locks',
	'findings',
	'wakers',
	'losses',
] as const;

// The checksum of the whole has been compared by now: this is for pages made by another version.
function checkMeta(meta: Meta): void {
	const { summary } = meta;
	const whole =
		LISTS.every((key) => Array.isArray(meta[key])) &&
		summary.threads.length === meta.threads.length &&
		summary.findings.length === meta.findings.length &&
		summary.wakers.length === meta.wakers.length &&
		Number.isFinite(summary.run.duration_ns);
	if (!whole) throw new DataError('The description of the run in this page is not as this viewer knows it.');
}

function readMeta(s: Sections): Meta {
	const bytes = s.bytes('META');
	try {
		const meta = JSON.parse(new TextDecoder().decode(bytes)) as Meta;
		checkMeta(meta);
		return meta;
	} catch (error) {
		if (error instanceof DataError) throw error;
		throw new DataError('The description of the run in this page cannot be read.');
	}
}

function readSliceKinds(s: Sections, meta: Meta): SliceKinds {
	const column = s.column('SKND');
	const rows: number[][] = [];
	while (column.more)
		rows.push([
			column.below(meta.states.length),
			column.below(256),
			column.below(65536),
			column.below(WAIT_LISTED + 1),
		]);
	const field = (k: number) => rows.map((row) => row[k]);
	return {
		n: rows.length,
		state: Uint8Array.from(field(0)),
		flags: Uint8Array.from(field(1)),
		cpu: Uint16Array.from(field(2)),
		wait: Uint8Array.from(field(3)),
	};
}

// One column of numbers below a limit, many of them.
function readNumbers(s: Sections, tag: string, n: number, limit: number): Numbers {
	const bytes = s.bytes(tag, limit <= 128 ? n : undefined);
	if (bytes.length < n) throw new DataError(`"${tag}" has too few numbers.`);
	if (limit <= 128) {
		const copy = bytes.slice();
		let most = 0;
		for (let i = 0; i < n; i++) most = copy[i] > most ? copy[i] : most;
		if (n && most >= limit) throw new DataError(`"${tag}" names something that is not there.`);
		return copy;
	}
	const out = numbersBelow(limit, n);
	const column = new Column(bytes, tag);
	for (let i = 0; i < n; i++) out[i] = column.below(limit);
	column.finish();
	return out;
}

const GROUPS = 3; // running, waiting for a CPU, blocked: each has its own columns of durations
const groupOf = (state: number): number => Math.min(state, GROUPS - 1);

// The columns of durations, read side by side: the next byte of each group is at its cursor.
class Durations {
	readonly low: Uint8Array[] = [];
	readonly middle: Uint8Array[] = [];
	readonly high: Uint8Array[] = [];
	readonly at = new Uint32Array(GROUPS); // in low and middle
	readonly highAt = new Uint32Array(GROUPS);

	constructor(s: Sections, kinds: SliceKinds, kind: Numbers) {
		const counts = new Uint32Array(kinds.n);
		for (let i = 0; i < kind.length; i++) counts[kind[i]]++;
		'RWB'.split('').forEach((letter, group) => {
			const cnt = counts.reduce((sum, n, k) => sum + (groupOf(kinds.state[k]) === group ? n : 0), 0);
			this.low.push(s.bytes(`SLO${letter}`, cnt));
			this.middle.push(s.bytes(`SMI${letter}`, cnt));
			this.high.push(s.bytes(`SHI${letter}`));
		});
	}

	// Above 65535 x 127 ns: the first byte has been seen.
	long(group: number): number {
		const bytes = this.high[group];
		let value = 0;
		for (let i = 0, scale = 1; i < 7; i++, scale *= 128) {
			if (this.highAt[group] >= bytes.length) break;
			const byte = bytes[this.highAt[group]++];
			value += (byte & 127) * scale;
			if (byte < 128) return value;
		}
		throw new DataError('"SHI" has too few numbers, or one that is too large.');
	}

	finish(): void {
		if (this.high.some((bytes, group) => this.highAt[group] !== bytes.length))
			throw new DataError('"SHI" has too many numbers.');
	}
}

interface SliceReader {
	kinds: SliceKinds;
	durations: Durations;
	listed: Column; // SWAI
	waits: Waits;
	next: number; // the first wait that no slice has named
}

// Reads a thread's slices: fills in `start`, and start, end and thread of the waits that they name.
function readThread(r: SliceReader, thread: number, kind: Numbers, start: Float64Array, first: number): Slices {
	const { kinds, durations, waits } = r;
	const { low, middle, high, at, highAt } = durations;
	const { state, wait } = kinds;
	const n = kind.length;
	const listed: number[] = [];
	const firstWait = r.next;
	const marks = new Int32Array(3 * Math.ceil(n / MARK));
	let now = first;
	let last = -1;
	for (let i = 0; i < n; i++) {
		const k = kind[i];
		const group = state[k] < 2 ? state[k] : 2;
		const p = at[group]++;
		const top = high[group][highAt[group]];
		if (i % MARK === 0) {
			const m = (3 * i) / MARK;
			marks[m] = r.next;
			marks[m + 1] = last;
			marks[m + 2] = listed.length;
		}
		start[i] = now;
		now += low[group][p] + middle[group][p] * 256;
		if (top < 128) {
			highAt[group]++;
			now += top * 65536;
		} else now += durations.long(group) * 65536;
		const how = wait[k];
		if (!how) continue;
		if (how === WAIT_NEXT) last = r.next++;
		else if (how === WAIT_LISTED) listed.push((last = r.listed.below(waits.n)));
		if (last < 0 || last >= waits.n) throw new DataError('"SKIN" names a wait that is not there.');
		if (group < 2) continue;
		if (waits.thread[last] < 0) waits.start[last] = start[i];
		waits.thread[last] = thread;
		waits.end[last] = now;
	}
	start[n] = now;
	return new Slices(n, start, kind, kinds, firstWait, Int32Array.from(listed), marks);
}

function readSlices(s: Sections, meta: Meta, waits: Waits): Slices[] {
	const threads = meta.threads.length;
	const counts = s.ints('TCNT', threads, (c) => c.below(2 ** 28));
	const total = counts.reduce((sum, n) => sum + n, 0);
	const first = s.column('TFST');
	const kinds = readSliceKinds(s, meta);
	const kind = readNumbers(s, 'SKIN', total, kinds.n);
	const durations = new Durations(s, kinds, kind);
	const reader: SliceReader = { kinds, durations, listed: s.column('SWAI'), waits, next: 0 };
	const starts = new Float64Array(total + threads); // of all, so that there is one thing to hand over
	const out: Slices[] = [];

	for (let t = 0, at = 0; t < threads; at += counts[t++]) {
		const start = starts.subarray(at + t, at + t + counts[t] + 1);
		out.push(readThread(reader, t, kind.subarray(at, at + counts[t]), start, first.next()));
	}
	durations.finish();
	first.finish();
	reader.listed.finish();
	return out;
}

// Waits that are not as the slices say.
function readExceptions(waits: Waits, threads: number, exceptions: Column): void {
	while (exceptions.more) {
		const w = exceptions.below(waits.n);
		waits.thread[w] = exceptions.below(threads);
		waits.start[w] = exceptions.next();
		waits.end[w] = waits.start[w] + exceptions.next();
	}
}

function readWaitKinds(s: Sections, meta: Meta): WaitKinds {
	const column = s.column('WKND');
	const [threads, locks] = [meta.threads.length, meta.locks.length];
	const rows: number[][] = [];

	while (column.more)
		rows.push([
			column.below(meta.states.length),
			column.below(256),
			column.below(256),
			column.below(256),
			column.index(locks),
			column.index(threads),
			column.below(2 ** 31),
			column.below(Math.max(1, meta.frames.length)),
			column.index(65536),
			column.index(65536),
			column.below(2 ** 32) | 0,
		]);
	const fields = WAIT_FIELDS.map((field, k) => [field, Int32Array.from(rows, (row) => row[k])]);
	return { n: rows.length, ...Object.fromEntries(fields) } as WaitKinds;
}

function readIndices(s: Sections, tag: string, n: number, limit: number): Indices {
	const column = s.column(tag);
	const out = indicesBelow(limit, n);
	for (let i = 0; i < n; i++) out[i] = column.index(limit);
	column.finish();
	return out;
}

function readWaits(s: Sections, meta: Meta): Waits {
	const kinds = readWaitKinds(s, meta);
	const threads = meta.threads.length;
	// each number of a column ends with a byte below 128
	const n = s.peek('WKIN').reduce((cnt, byte) => cnt + (byte < 128 ? 1 : 0), 0);
	return new Waits(
		n,
		readNumbers(s, 'WKIN', n, kinds.n),
		kinds,
		readIndices(s, 'WOWN', n, threads),
		readIndices(s, 'WWKR', n, threads),
		indicesBelow(threads, n).fill(-1),
		new Float64Array(n),
		new Float64Array(n),
	);
}

function readHolds(s: Sections, meta: Meta): Holds[] {
	const counts = s.ints('LCNT', meta.locks.length, (c) => c.below(2 ** 28));
	const [gaps, durations, threads, flags] = ['HGAP', 'HDUR', 'HTHR', 'HFLG'].map((t) => s.column(t));
	const out: Holds[] = [];

	for (const n of counts) {
		const holds: Holds = {
			n,
			start: new Float64Array(n),
			end: new Float64Array(n),
			thread: new Int32Array(n),
			flags: new Uint8Array(n),
		};
		for (let i = 0, now = 0; i < n; i++) {
			holds.start[i] = now += gaps.next();
			holds.end[i] = now += durations.next();
			holds.thread[i] = threads.below(meta.threads.length);
			holds.flags[i] = flags.below(256);
		}
		out.push(holds);
	}
	for (const column of [gaps, durations, threads, flags]) column.finish();
	return out;
}

function readPath(s: Sections, meta: Meta): Path {
	const durations = s.column('PDUR');
	const start = [s.column('PFST').next()];

	while (durations.more) start.push(start[start.length - 1] + durations.next());
	const n = start.length - 1;
	return {
		n,
		start: Float64Array.from(start),
		thread: s.ints('PTHR', n, (c) => c.below(meta.threads.length)),
		state: Uint8Array.from(s.ints('PSTA', n, (c) => c.below(meta.states.length))),
		lock: s.ints('PLCK', n, (c) => c.index(meta.locks.length)),
		frame: s.ints('PFRM', n, (c) => c.below(Math.max(1, meta.frames.length))),
	};
}

function readSamples(s: Sections, meta: Meta): Samples {
	const times = s.column('CTIM');
	const time: number[] = [];

	while (times.more) time.push((time[time.length - 1] ?? 0) + times.zigzag());
	const n = time.length;
	return {
		n,
		time: Float64Array.from(time),
		thread: s.ints('CTHR', n, (c) => c.index(meta.threads.length)),
		stack: s.ints('CSTK', n, (c) => c.below(2 ** 31)),
		nr: s.ints('CNRS', n, (c) => c.index(65536)),
		cpu: Uint16Array.from(s.ints('CCPU', n, (c) => c.below(65536))),
	};
}

// A first picture of a thread: how long it was in which state in each of some equal parts of the run.
export interface Sketch {
	columns: number;
	column: Uint16Array; // which part, ascending
	state: Uint8Array;
	ns: Float64Array;
}

// What a long trace begins with; null while it is not there yet, false when there is no such thing.
export function parseHead(bytes: Uint8Array): { meta: Meta; sketches: Sketch[] } | null | false {
	const sections = new Map<string, Uint8Array>();
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	for (let at = 8, i = 0; i < 2; i++) {
		if (at + 16 > bytes.length) return null;
		const tag = String.fromCharCode(...bytes.subarray(at, at + 4));
		const length = Number(view.getBigUint64(at + 8, true));
		if (tag !== ['META', 'OVER'][i]) return false;
		if (at + 16 + length > bytes.length) return null;
		sections.set(tag, bytes.subarray(at + 16, at + 16 + length));
		at += 16 + length;
	}
	const s = new Sections(sections);
	const meta = readMeta(s);
	return { meta, sketches: readSketches(s.column('OVER'), meta) };
}

function readSketches(column: Column, meta: Meta): Sketch[] {
	const columns = column.below(1 << 16);
	const width = meta.summary.run.duration_ns / columns;
	const sketches = meta.threads.map(() => {
		const rows: [number, number, number][] = [];
		for (let c = 0; c < columns; c++) {
			const first = rows.length;
			let sum = 0;
			for (let k = column.below(meta.states.length + 1); k > 0; k--) {
				rows.push([c, column.below(meta.states.length), column.below(256)]);
				sum += rows[rows.length - 1][2];
			}
			// rounded up together they may be more than there is
			for (let i = first; i < rows.length; i++) rows[i][2] *= width / Math.max(255, sum);
		}
		return {
			columns,
			column: Uint16Array.from(rows, (row) => row[0]),
			state: Uint8Array.from(rows, (row) => row[1]),
			ns: Float64Array.from(rows, (row) => row[2]),
		};
	});
	column.finish();
	return sketches;
}

// Data of which nothing but the description is known.
export function emptyData(meta: Meta): Data {
	const numbers = () => new Int32Array(0);
	const kinds = { n: 0, state: new Uint8Array(0), flags: new Uint8Array(0), cpu: new Uint16Array(0) };
	const sliceKinds: SliceKinds = { ...kinds, wait: new Uint8Array(0) };
	const fields = Object.fromEntries(WAIT_FIELDS.map((field) => [field, numbers()]));
	const waitKinds = { n: 0, ...fields } as WaitKinds;
	const times = () => new Float64Array(0);
	const none = { n: 0, thread: numbers(), flags: new Uint8Array(0), state: new Uint8Array(0) };
	return {
		meta,
		end: meta.summary.run.duration_ns,
		slices: meta.threads.map(
			() => new Slices(0, new Float64Array(1), new Uint8Array(0), sliceKinds, 0, numbers(), numbers()),
		),
		waits: new Waits(0, new Uint8Array(0), waitKinds, numbers(), numbers(), numbers(), times(), times()),
		holds: meta.locks.map(() => ({ ...none, start: times(), end: times() })),
		path: { ...none, start: new Float64Array(1), lock: numbers(), frame: numbers() },
		samples: { ...none, time: times(), stack: numbers(), nr: numbers(), cpu: new Uint16Array(0) },
		extra: new Map(),
	};
}

// Of its own: what is handed over to another thread goes with all of the memory it is in.
const copyOf = (sections: Map<string, Uint8Array>) =>
	new Map([...sections].map(([tag, bytes]) => [tag, bytes.slice()]));

export function parse(bytes: Uint8Array): Data {
	const all = splitSections(bytes);
	const s = new Sections(all);
	const meta = readMeta(s);
	all.delete('OVER'); // shown meanwhile
	const waits = readWaits(s, meta);
	const slices = readSlices(s, meta, waits);

	readExceptions(waits, slices.length, s.column('WEXC'));
	const holds = readHolds(s, meta);
	const path = readPath(s, meta);
	const samples = readSamples(s, meta);
	return { meta, end: meta.summary.run.duration_ns, slices, waits, holds, path, samples, extra: copyOf(all) };
}
