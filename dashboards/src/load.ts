// SPDX-License-Identifier: BSD-2-Clause
//
// Owns the way from the page's bytes to typed arrays; the only parser.  The bytes may have been cut or
// changed on their way: every length, count and index is checked, and what does not fit is a DataError
// with a sentence for people.  The layout is in user/export/html_int.h and html_columns.c.
import type { Meta } from './meta';

export class DataError extends Error {}

// What a thread did: slice k is [start[k], start[k + 1]).
export interface Slices {
	n: number;
	start: Float64Array; // n + 1: the last is the thread's end
	state: Uint8Array;
	flags: Uint8Array;
	cpu: Uint16Array;
	wait: Int32Array; // -1: none
}

export interface Waits {
	n: number;
	state: Uint8Array;
	flags: Uint8Array;
	wakeFlags: Uint8Array;
	file: Uint8Array;
	// -1: none
	lock: Int32Array;
	owner: Int32Array;
	waker: Int32Array;
	target: Int32Array;
	nr: Int32Array;
	wakerNr: Int32Array;
	stack: Int32Array;
	frame: Int32Array;
	fd: Float64Array;
	thread: Int32Array;
	start: Float64Array;
	end: Float64Array;
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

	bytes(tag: string, length?: number): Uint8Array {
		const bytes = this.all.get(tag);
		if (!bytes) throw new DataError(`The data in this page has no "${tag}".`);
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

function readSlices(s: Sections, meta: Meta, waitCnt: number): Slices[] {
	const threads = meta.threads.length;
	const counts = s.ints('TCNT', threads, (c) => c.below(2 ** 28));
	const total = counts.reduce((sum, n) => sum + n, 0);
	const first = s.column('TFST');
	const state = s.bytes('SSTA', total);
	const flags = s.bytes('SFLG', total);
	const [durations, cpus, waits] = [s.column('SDUR'), s.column('SCPU'), s.column('SWAI')];
	const out: Slices[] = [];

	for (const code of state)
		if (code >= meta.states.length) throw new DataError('"SSTA" has a state that is not known.');
	for (let t = 0, at = 0; t < threads; at += counts[t++]) {
		const n = counts[t];
		const start = new Float64Array(n + 1);
		const cpu = new Uint16Array(n);
		const wait = new Int32Array(n);
		let now = first.next();
		let last = 0;
		for (let i = 0; i < n; i++) {
			start[i] = now;
			now += durations.next();
			cpu[i] = cpus.below(65536);
			wait[i] = -1;
			const code = waits.next();
			if (!code) continue;
			last += code % 2 ? (code - 1) / 2 : -code / 2;
			if (last < 0 || last >= waitCnt) throw new DataError('"SWAI" names a wait that is not there.');
			wait[i] = last;
		}
		start[n] = now;
		out.push({
			n,
			start,
			cpu,
			wait,
			state: state.subarray(at, at + n),
			flags: flags.subarray(at, at + n),
		});
	}
	for (const column of [first, durations, cpus, waits]) column.finish();
	return out;
}

// Start, end and thread of each wait are those of the slices that name it.
function placeWaits(waits: Waits, slices: Slices[], blockedFrom: number, exceptions: Column): void {
	waits.thread.fill(-1);
	slices.forEach((s, t) => {
		for (let i = 0; i < s.n; i++) {
			const w = s.wait[i];
			if (w < 0 || s.state[i] < blockedFrom) continue;
			if (waits.thread[w] < 0) waits.start[w] = s.start[i];
			waits.thread[w] = t;
			waits.end[w] = s.start[i + 1];
		}
	});
	while (exceptions.more) {
		const w = exceptions.below(waits.n);
		waits.thread[w] = exceptions.below(slices.length);
		waits.start[w] = exceptions.next();
		waits.end[w] = waits.start[w] + exceptions.next();
	}
}

function readWaits(s: Sections, meta: Meta): Waits {
	const state = s.bytes('WSTA');
	const n = state.length;
	const [threads, locks] = [meta.threads.length, meta.locks.length];
	const fds = s.column('WFDS');
	const fd = new Float64Array(n);

	for (let i = 0; i < n; i++) fd[i] = fds.next();
	for (const code of state)
		if (code >= meta.states.length) throw new DataError('"WSTA" has a state that is not known.');
	return {
		n,
		state,
		fd,
		flags: s.bytes('WFLG', n),
		wakeFlags: s.bytes('WWFL', n),
		file: s.bytes('WFIL', n),
		lock: s.ints('WLCK', n, (c) => c.index(locks)),
		owner: s.ints('WOWN', n, (c) => c.index(threads)),
		waker: s.ints('WWKR', n, (c) => c.index(threads)),
		target: s.ints('WTGT', n, (c) => c.index(threads)),
		stack: s.ints('WSTK', n, (c) => c.below(2 ** 31)),
		frame: s.ints('WFRM', n, (c) => c.below(Math.max(1, meta.frames.length))),
		nr: s.ints('WNRS', n, (c) => c.index(65536)),
		wakerNr: s.ints('WWNR', n, (c) => c.index(65536)),
		thread: new Int32Array(n),
		start: new Float64Array(n),
		end: new Float64Array(n),
	};
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

export function parse(bytes: Uint8Array): Data {
	const all = splitSections(bytes);
	const s = new Sections(all);
	const meta = readMeta(s);
	const waits = readWaits(s, meta);
	const slices = readSlices(s, meta, waits.n);

	placeWaits(waits, slices, 2, s.column('WEXC'));
	const holds = readHolds(s, meta);
	const path = readPath(s, meta);
	const samples = readSamples(s, meta);
	return { meta, end: meta.summary.run.duration_ns, slices, waits, holds, path, samples, extra: all };
}
