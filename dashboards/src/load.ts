// SPDX-License-Identifier: BSD-2-Clause
//
// Owns the way from the page's bytes to typed arrays; the only parser.  The bytes may have been cut or
// changed on their way: every length, count and index is checked, and what does not fit is a DataError
// with a sentence for people.  The layout is in user/export/html_threads.c and html_columns.c.
import type { Meta } from './meta';
import { Column, DataError, Sections, Splitter } from './sections';

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
		let most = 0;
		for (let i = 0; i < n; i++) most = bytes[i] > most ? bytes[i] : most;
		if (n && most >= limit) throw new DataError(`"${tag}" names something that is not there.`);
		return bytes; // its memory is its own
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

// Reads a thread's slices: fills in `start`, and start, end and thread of the waits that they name.  The
// loop that a long trace spends most of its time in: cursors and columns are locals.
function readThread(r: SliceReader, thread: number, kind: Numbers, start: Float64Array, first: number): Slices {
	const { kinds, durations, waits } = r;
	const { at, highAt } = durations;
	const [lowR, lowW, lowB] = durations.low;
	const [middleR, middleW, middleB] = durations.middle;
	const [highR, highW, highB] = durations.high;
	const { wait } = kinds;
	const groups = Uint8Array.from(kinds.state, groupOf);
	const n = kind.length;
	const listed: number[] = [];
	const firstWait = r.next;
	const marks = new Int32Array(3 * Math.ceil(n / MARK));
	const { thread: threadOf, start: startOf, end: endOf } = waits;
	let [p, q, b] = at;
	let [hp, hq, hb] = highAt;
	let { next } = r;
	let now = first;
	let last = -1;
	for (let i = 0; i < n; i++) {
		const k = kind[i];
		const group = groups[k];
		if (i % MARK === 0) {
			const m = (3 * i) / MARK;
			marks[m] = next;
			marks[m + 1] = last;
			marks[m + 2] = listed.length;
		}
		start[i] = now;
		let top: number;
		if (group === 0) {
			now += lowR[p] + (middleR[p++] << 8);
			top = highR[hp++];
		} else if (group === 1) {
			now += lowW[q] + (middleW[q++] << 8);
			top = highW[hq++];
		} else {
			now += lowB[b] + (middleB[b++] << 8);
			top = highB[hb++];
		}
		if (top < 128) now += top * 65536;
		else {
			highAt[group] = (group === 0 ? hp : group === 1 ? hq : hb) - 1;
			now += durations.long(group) * 65536;
			if (group === 0) hp = highAt[0];
			else if (group === 1) hq = highAt[1];
			else hb = highAt[2];
		}
		const how = wait[k];
		if (!how) continue;
		if (how === WAIT_NEXT) last = next++;
		else if (how === WAIT_LISTED) listed.push((last = r.listed.below(waits.n)));
		if (last < 0 || last >= waits.n) throw new DataError('"SKIN" names a wait that is not there.');
		if (group < 2) continue;
		if (threadOf[last] < 0) startOf[last] = start[i];
		threadOf[last] = thread;
		endOf[last] = now;
	}
	start[n] = now;
	at.set([p, q, b]);
	highAt.set([hp, hq, hb]);
	r.next = next;
	return new Slices(n, start, kind, kinds, firstWait, Int32Array.from(listed), marks);
}

// Which combination each slice is, and how many slices a thread has.
interface KindOfAll {
	counts: Int32Array;
	kinds: SliceKinds;
	kind: Numbers;
}

function readKinds(s: Sections, meta: Meta): KindOfAll {
	const counts = s.ints('TCNT', meta.threads.length, (c) => c.below(2 ** 28));
	const total = counts.reduce((sum, n) => sum + n, 0);
	const kinds = readSliceKinds(s, meta);
	return { counts, kinds, kind: readNumbers(s, 'SKIN', total, kinds.n) };
}

function readSlices(s: Sections, { counts, kinds, kind }: KindOfAll, waits: Waits): Slices[] {
	const first = s.column('TFST');
	const durations = new Durations(s, kinds, kind);
	const reader: SliceReader = { kinds, durations, listed: s.column('SWAI'), waits, next: 0 };
	// of all, so that there is one thing to hand over
	const starts = new Float64Array(kind.length + counts.length);
	const out: Slices[] = [];

	for (let t = 0, at = 0; t < counts.length; at += counts[t++]) {
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
	const out = indicesBelow(limit, n);
	if (limit < 128) {
		const bytes = readNumbers(s, tag, n, limit + 1);
		for (let i = 0; i < n; i++) out[i] = bytes[i] - 1;
		return out;
	}
	const column = s.column(tag);
	for (let i = 0; i < n; i++) out[i] = column.index(limit);
	column.finish();
	return out;
}

// Each number of a column ends with a byte below 128.
function countNumbers(bytes: Uint8Array): number {
	let cnt = 0;
	for (let i = 0; i < bytes.length; i++) cnt += (bytes[i] >> 7) ^ 1;
	return cnt;
}

function readWaits(s: Sections, meta: Meta): Waits {
	const kinds = readWaitKinds(s, meta);
	const threads = meta.threads.length;
	const n = countNumbers(s.peek('WKIN'));
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
	const total = counts.reduce((sum, n) => sum + n, 0);
	const [gaps, durations] = ['HGAP', 'HDUR'].map((t) => s.column(t));
	const threads = readNumbers(s, 'HTHR', total, meta.threads.length);
	const flags = readNumbers(s, 'HFLG', total, 256);
	const out: Holds[] = [];

	let from = 0;
	for (const n of counts) {
		const [start, end] = [new Float64Array(n), new Float64Array(n)];
		for (let i = 0, now = 0; i < n; i++) {
			start[i] = now += gaps.next();
			end[i] = now += durations.next();
		}
		const part = from;
		from += n;
		out.push({
			n,
			start,
			end,
			thread: Int32Array.from(threads.subarray(part, from)),
			flags: Uint8Array.from(flags.subarray(part, from)),
		});
	}
	for (const column of [gaps, durations]) column.finish();
	return out;
}

function readPath(s: Sections, meta: Meta): Path {
	const n = countNumbers(s.peek('PDUR'));
	const durations = s.column('PDUR');
	const start = new Float64Array(n + 1);

	start[0] = s.column('PFST').next();
	for (let i = 0; i < n; i++) start[i + 1] = start[i] + durations.next();
	durations.finish();
	return {
		n,
		start,
		thread: Int32Array.from(readNumbers(s, 'PTHR', n, meta.threads.length)),
		state: Uint8Array.from(readNumbers(s, 'PSTA', n, meta.states.length)),
		lock: Int32Array.from(readIndices(s, 'PLCK', n, meta.locks.length)),
		frame: Int32Array.from(readNumbers(s, 'PFRM', n, Math.max(1, meta.frames.length))),
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

// What can be read before all is there, and from which sections.
const PIECES = {
	waits: { of: ['WKND', 'WKIN', 'WOWN', 'WWKR'], read: readWaits },
	holds: { of: ['LCNT', 'HGAP', 'HDUR', 'HTHR', 'HFLG'], read: readHolds },
	path: { of: ['PFST', 'PDUR', 'PTHR', 'PSTA', 'PLCK', 'PFRM'], read: readPath },
	samples: { of: ['CTIM', 'CTHR', 'CSTK', 'CNRS', 'CCPU'], read: readSamples },
	kinds: { of: ['TCNT', 'SKND', 'SKIN'], read: readKinds },
};
type Piece = keyof typeof PIECES;
type Pieces = { [P in Piece]: ReturnType<(typeof PIECES)[P]['read']> };

export interface Head {
	meta: Meta;
	sketches: Sketch[];
}

// Reads bytes as they come.  What is wrong with them is kept for finish(): that something was lost on the
// way explains more than what the loss led to.
export class DataReader {
	private readonly all = new Map<string, Uint8Array>();
	private readonly sections = new Sections(this.all);
	private readonly splitter = new Splitter((tag, bytes) => this.take(tag, bytes));
	private readonly pieces: Partial<Pieces> = {};
	private meta: Meta | null = null;
	private wrong: unknown = null;

	// Calls onHead with what a long trace begins with.
	constructor(private readonly onHead: (head: Head) => void = () => {}) {}

	add(bytes: Uint8Array): void {
		if (this.wrong) return;
		try {
			this.splitter.add(bytes);
		} catch (error) {
			this.wrong = error;
		}
	}

	private take(tag: string, bytes: Uint8Array): void {
		this.all.set(tag, bytes);
		if (tag === 'META') this.meta = readMeta(this.sections);
		if (!this.meta) return;
		if (tag === 'OVER')
			this.onHead({ meta: this.meta, sketches: readSketches(this.sections.column(tag), this.meta) });
		for (const piece of Object.keys(PIECES) as Piece[])
			if (PIECES[piece].of.every((part) => this.all.has(part))) this.read(piece);
	}

	private read<P extends Piece>(piece: P): Pieces[P] {
		const meta = this.meta ?? readMeta(this.sections); // which says that it is missing
		const known = this.pieces[piece];
		return known ?? (this.pieces[piece] = PIECES[piece].read(this.sections, meta) as Pieces[P]);
	}

	finish(): Data {
		if (this.wrong) throw this.wrong;
		this.splitter.finish();
		const [waits, kinds] = [this.read('waits'), this.read('kinds')];
		const slices = readSlices(this.sections, kinds, waits);
		readExceptions(waits, slices.length, this.sections.column('WEXC'));
		const [holds, path, samples] = [this.read('holds'), this.read('path'), this.read('samples')];
		const meta = this.meta as Meta;
		return { meta, end: meta.summary.run.duration_ns, slices, waits, holds, path, samples, extra: this.all };
	}
}

export function parse(bytes: Uint8Array): Data {
	const reader = new DataReader();
	reader.add(bytes);
	return reader.finish();
}
