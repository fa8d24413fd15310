// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: accesses to watched variables: their columns (user/export/html_touches.c), lists of them by thread and
// by variable, counts in any interval, and one of them in words.
import { Column, DataError } from './sections';
import type { Meta } from './meta';
import { formatCount, formatNs } from './time';

const READ_BIT = 1;
const WRITE_BIT = 2;
const ATOMIC_BIT = 4;
const BEFORE_BIT = 16;
const LATE_BIT = 32;
const BLIND_BIT = 64;
const GAP = 1;
const PART = 2;
const VAGUE = 4;

// ---- kinds: what has a mark of its own ----
export const READ = 0;
export const WRITE = 1;
export const UPDATE = 2; // both in one instruction, which another CPU can come between
export const ATOMIC = 3;
export const UNKNOWN = 4;
export const LOSES = 5; // a write over what its thread has not seen
export const MARK_WORDS = [
	'read',
	'write',
	'both in one instruction',
	'atomic',
	'not known which',
	'write that loses an update',
];

// Some accesses, by time, with counts of all before each.
export interface TouchList {
	n: number;
	ids: Int32Array;
	writes: Uint32Array; // n + 1
	losses: Uint32Array; // n + 1
}

// Access i is the i-th of the run.
export interface Touches {
	n: number;
	types: string[]; // of the variables: how their values are to be read
	digits: number[]; // of floating-point variables: as many are shown
	time: Float64Array;
	variable: Int32Array;
	thread: Int32Array;
	cpu: Uint16Array;
	how: Uint8Array;
	flags: Uint8Array;
	value: BigInt64Array;
	before: BigInt64Array; // with BEFORE_BIT
	locks: Int32Array; // index into meta.locksets
	frame: Int32Array;
	stack: Int32Array;
	kind: Uint8Array;
	// of a lost update, each leads to the others; -1: none
	lost: Int32Array; // from the write that loses: the write of another thread that is lost
	old: Int32Array; // from the same: the reading that it follows from
	over: Int32Array; // from the lost write: the one that went over it
	stale: Int32Array; // from the old reading: the write that follows from it
	byThread: TouchList[];
	byVariable: TouchList[];
}

// ---- the columns ----

type Extra = Map<string, Uint8Array>;

// Takes the column away: its bytes are not needed again.
function take(extra: Extra, tag: string): Uint8Array {
	const bytes = extra.get(tag);
	if (!bytes) throw new DataError(`The data in this page has no "${tag}".`);
	extra.delete(tag);
	return bytes;
}

function numbers(extra: Extra, tag: string, n: number, get: (c: Column) => number): Int32Array {
	const column = new Column(take(extra, tag), tag);
	const out = new Int32Array(n);
	for (let i = 0; i < n; i++) out[i] = get(column);
	column.finish();
	return out;
}

function bytesOf(extra: Extra, tag: string, n: number): Uint8Array {
	const bytes = take(extra, tag);
	if (bytes.length !== n) throw new DataError(`"${tag}" has ${bytes.length} entries instead of ${n}.`);
	return bytes.slice();
}

// Differences of any size: a value may fill all 64 bits.
export class Steps {
	private at = 0;

	constructor(
		private readonly bytes: Uint8Array,
		private readonly tag: string,
	) {}

	next(): bigint {
		const { bytes, at } = this;
		if (bytes[at] < 128) {
			this.at++;
			return BigInt(bytes[at] & 1 ? -((bytes[at] + 1) >> 1) : bytes[at] >> 1);
		}
		let value = 0n;
		for (let shift = 0n; shift < 70n; shift += 7n) {
			if (this.at >= bytes.length) throw new DataError(`"${this.tag}" has too few numbers.`);
			const byte = bytes[this.at++];
			value |= BigInt(byte & 127) << shift;
			if (byte < 128) return value & 1n ? -((value + 1n) >> 1n) : value >> 1n;
		}
		throw new DataError(`"${this.tag}" has a number that is too large.`);
	}

	finish(): void {
		if (this.at < this.bytes.length) throw new DataError(`"${this.tag}" has too many numbers.`);
	}
}

const isWrite = (how: number) => (how & WRITE_BIT) !== 0;
const isKnown = (how: number) => (how & (READ_BIT | WRITE_BIT)) !== 0;

function readValues(extra: Extra, t: Touches, variables: number): void {
	const [values, olds] = [new Steps(take(extra, 'AVAL'), 'AVAL'), new Steps(take(extra, 'AOLD'), 'AOLD')];
	const last = new BigInt64Array(variables);
	for (let i = 0; i < t.n; i++) {
		const v = t.variable[i];
		const before = last[v];
		last[v] = before + values.next();
		t.value[i] = last[v];
		if (!isWrite(t.how[i])) t.before[i] = last[v];
		else if (t.how[i] & BEFORE_BIT) t.before[i] = before + olds.next();
	}
	values.finish();
	olds.finish();
}

function readLosses(extra: Extra, t: Touches, variables: number): void {
	const [counts, writes, foreign, reads] = ['XCNT', 'XWRI', 'XFOR', 'XREA'].map(
		(tag) => new Column(take(extra, tag), tag),
	);
	for (let v = 0; v < variables; v++) {
		const n = counts.next();
		for (let k = 0, write = 0; k < n; k++) {
			write += writes.next();
			const lost = write - foreign.next();
			const old = lost - reads.next();
			if (old < 0 || write >= t.n) throw new DataError('"XWRI" names an access that is not there.');
			t.kind[write] = LOSES;
			t.lost[write] = lost;
			t.old[write] = old;
			t.over[lost] = write;
			t.stale[old] = write;
		}
	}
	for (const column of [counts, writes, foreign, reads]) column.finish();
}

function kindOf(how: number): number {
	if (how & ATOMIC_BIT) return ATOMIC;
	if (!isWrite(how)) return how & READ_BIT ? READ : UNKNOWN;
	return how & READ_BIT ? UPDATE : WRITE;
}

function group(t: Touches, of: Int32Array, groups: number): TouchList[] {
	const counts = new Int32Array(groups);
	for (let i = 0; i < t.n; i++) counts[of[i]]++;
	const lists = Array.from(counts, (n) => ({
		n: 0,
		ids: new Int32Array(n),
		writes: new Uint32Array(n + 1),
		losses: new Uint32Array(n + 1),
	}));
	for (let i = 0; i < t.n; i++) {
		const list = lists[of[i]];
		const k = list.n++;
		list.ids[k] = i;
		list.writes[k + 1] = list.writes[k] + (isWrite(t.how[i]) ? 1 : 0);
		list.losses[k + 1] = list.losses[k] + (t.kind[i] === LOSES ? 1 : 0);
	}
	return lists;
}

function emptyTouches(n: number): Touches {
	const none = () => new Int32Array(n).fill(-1);
	const [i32, u8] = [() => new Int32Array(n), () => new Uint8Array(n)];
	return {
		n,
		types: [],
		digits: [],
		time: new Float64Array(n),
		variable: i32(),
		thread: i32(),
		cpu: new Uint16Array(n),
		how: u8(),
		flags: u8(),
		value: new BigInt64Array(n),
		before: new BigInt64Array(n),
		locks: i32(),
		frame: i32(),
		stack: i32(),
		kind: u8(),
		lost: none(),
		old: none(),
		over: none(),
		stale: none(),
		byThread: [],
		byVariable: [],
	};
}

function checkWatched(meta: Meta, n: number): void {
	const good =
		Array.isArray(meta.watched) &&
		Array.isArray(meta.locksets) &&
		meta.watched.length === (meta.summary.watch?.length ?? 0) &&
		meta.watched.every(
			(w) =>
				[...w.witness, ...w.racy].every((i) => i < n) &&
				w.threads.every((thread) => thread < meta.threads.length),
		);
	if (!good) throw new DataError('The watched variables in this page are not as this viewer knows them.');
}

export function readTouches(extra: Extra, meta: Meta): Touches {
	const threads = meta.threads.length;
	if (!extra.has('AHOW')) {
		const none = emptyTouches(0);
		// one and the same: it is handed over once
		none.byThread = new Array<TouchList>(threads).fill(group(none, none.thread, 1)[0]);
		none.byVariable = group(none, none.variable, meta.summary?.watch?.length ?? 0);
		return none;
	}
	const t = emptyTouches(extra.get('AHOW')?.length ?? 0);
	const { n } = t;
	checkWatched(meta, n);
	const variables = meta.watched.length;
	t.types = meta.watched.map((w) => w.type);
	t.digits = (meta.summary.watch ?? []).map((w) => (w.size === 4 ? 7 : 15));
	const times = new Column(take(extra, 'ATIM'), 'ATIM');
	for (let i = 0, now = 0; i < n; i++) t.time[i] = now += times.next();
	times.finish();
	t.how = bytesOf(extra, 'AHOW', n);
	t.flags = bytesOf(extra, 'AFLG', n);
	t.variable = numbers(extra, 'AVAR', n, (c) => c.below(variables));
	t.thread = numbers(extra, 'ATHR', n, (c) => c.below(threads));
	t.cpu = Uint16Array.from(numbers(extra, 'ACPU', n, (c) => c.below(65536)));
	t.locks = numbers(extra, 'ALCK', n, (c) => c.below(meta.locksets.length));
	t.frame = numbers(extra, 'AFRM', n, (c) => c.below(Math.max(1, meta.frames.length)));
	t.stack = numbers(extra, 'ASTK', n, (c) => c.below(2 ** 31));
	t.kind = t.how.map(kindOf);
	readValues(extra, t, variables);
	readLosses(extra, t, variables);
	t.byThread = group(t, t.thread, threads);
	t.byVariable = group(t, t.variable, variables);
	return t;
}

// ---- by time ----

// How many of the list come before t.
export function countBefore(t: Touches, list: TouchList, at: number, from = 0): number {
	let lo = from;
	let hi = list.n;
	// near `from` mostly: columns are asked for one after the other
	for (let step = 1; lo + step < hi; step *= 2) {
		if (t.time[list.ids[lo + step]] >= at) {
			hi = lo + step;
			break;
		}
		lo += step;
	}
	while (lo < hi) {
		const middle = (lo + hi) >> 1;
		if (t.time[list.ids[middle]] < at) lo = middle + 1;
		else hi = middle;
	}
	return lo;
}

export interface Counts {
	all: number;
	writes: number;
	losses: number;
}

// In [t0, t1).
export function countIn(t: Touches, list: TouchList, t0: number, t1: number): Counts {
	const a = countBefore(t, list, t0);
	const b = countBefore(t, list, t1, a);
	return { all: b - a, writes: list.writes[b] - list.writes[a], losses: list.losses[b] - list.losses[a] };
}

// Counts of each of `width` columns of [t0, t1), exact: none is left out and none counts twice.
export function eachBin(
	t: Touches,
	list: TouchList,
	t0: number,
	t1: number,
	width: number,
	paint: (x: number, counts: Counts) => void,
): void {
	let a = countBefore(t, list, t0);
	for (let x = 0; x < width && a < list.n; x++) {
		const b = countBefore(t, list, x + 1 === width ? t1 : t0 + ((x + 1) * (t1 - t0)) / width, a);
		if (b === a) continue;
		paint(x, {
			all: b - a,
			writes: list.writes[b] - list.writes[a],
			losses: list.losses[b] - list.losses[a],
		});
		a = b;
	}
}

// The access nearest to a time, if it is no farther than `reach`; else -1.
export function nearest(t: Touches, list: TouchList, at: number, reach: number): number {
	const k = countBefore(t, list, at);
	let best = -1;
	for (const i of [k - 1, k]) {
		if (i < 0 || i >= list.n) continue;
		const far = Math.abs(t.time[list.ids[i]] - at);
		if (far <= reach && (best < 0 || far < Math.abs(t.time[best] - at))) best = list.ids[i];
	}
	return best;
}

// The access before (by = -1) or after of the same list, or -1.
export function neighbour(list: TouchList, id: number, by: number): number {
	let lo = 0;
	let hi = list.n;
	while (lo < hi) {
		const middle = (lo + hi) >> 1;
		if (list.ids[middle] < id) lo = middle + 1;
		else hi = middle;
	}
	return list.ids[lo + by] ?? -1;
}

// The next access from `id` on that loses an update, around the end to the first; -1: there is none.
export function nextLoss(t: Touches, id: number): number {
	for (let k = 1; k <= t.n; k++) {
		const i = (id + k) % t.n;
		if (t.kind[i] === LOSES) return i;
	}
	return -1;
}

// The stretch in which an access is understood: a lost update from the old reading on, else from the access
// of the variable before it to the one after it.
export function spanOf(t: Touches, id: number): { t0: number; t1: number } {
	const write = t.lost[id] >= 0 ? id : t.over[id] >= 0 ? t.over[id] : t.stale[id];
	if (write >= 0) return { t0: t.time[t.old[write]], t1: t.time[write] };
	const list = t.byVariable[t.variable[id]];
	const [a, b] = [neighbour(list, id, -1), neighbour(list, id, 1)];
	return { t0: t.time[a < 0 ? id : a], t1: t.time[b < 0 ? id : b] };
}

// ---- in words ----

interface Named {
	touches: Touches;
	threadNames: string[];
	data: { meta: Meta };
}

export const variableName = (m: Named, variable: number): string =>
	m.data.meta.summary.watch?.[variable]?.name ?? '';

export const locksHeld = (m: Named, id: number): string =>
	(m.data.meta.locksets[m.touches.locks[id]] ?? []).join(' and ');

// Where programs, their libraries, heaps and stacks are: what lies there is a pointer (as in user/model/touches.c).
const [ADDRESS_MIN, ADDRESS_MAX] = [0x550000000000n, 0x7fffffffffffn];

const isUnsigned = (t: Touches, variable: number): boolean => t.types[variable] === 'unsigned';

const isFloat = (t: Touches, variable: number): boolean => t.types[variable] === 'float';

const BITS = new DataView(new ArrayBuffer(8));

// A floating-point value is there as the bits of a double.
function numberOf(bits: bigint): number {
	BITS.setBigInt64(0, bits);
	return BITS.getFloat64(0);
}

// As C prints a number by "%.*g".
export function realText(value: number, digits: number): string {
	if (Number.isNaN(value)) return 'nan';
	if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
	if (value === 0) return Object.is(value, -0) ? '-0' : '0';
	const trim = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
	const [mantissa, power] = value.toExponential(digits - 1).split('e');
	const exponent = Number(power);
	if (exponent >= -4 && exponent < digits) return trim(value.toFixed(digits - 1 - exponent));
	return `${trim(mantissa)}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

export function valueText(t: Touches, variable: number, value: bigint): string {
	if (isFloat(t, variable)) return realText(numberOf(value), t.digits[variable]);
	if (!isUnsigned(t, variable)) return String(value);
	const n = BigInt.asUintN(64, value);
	return n >= ADDRESS_MIN && n <= ADDRESS_MAX ? `0x${n.toString(16)}` : String(n);
}

// To be drawn to scale; infinity and what is no number have no height.
export function heightOf(t: Touches, id: number): number {
	const [variable, value] = [t.variable[id], t.value[id]];
	if (!isFloat(t, variable)) return Number(isUnsigned(t, variable) ? BigInt.asUintN(64, value) : value);
	const number = numberOf(value);
	return Number.isFinite(number) ? number : 0;
}

export const valueOf = (t: Touches, id: number): string => valueText(t, t.variable[id], t.value[id]);

export const hasBefore = (t: Touches, id: number): boolean => (t.how[id] & BEFORE_BIT) !== 0;

// "reads 5", "writes 6", "makes it 6": in a row of a table, beside a mark.
export function doesWhat(t: Touches, id: number): string {
	if (!isKnown(t.how[id])) return `touches it: ${valueOf(t, id)}`;
	const verb = !isWrite(t.how[id]) ? 'reads' : t.how[id] & READ_BIT ? 'makes it' : 'writes';
	return `${verb} ${valueOf(t, id)}`;
}

// "writes counter: 5 → 6"
export function touchWords(m: Named, id: number): string {
	const t = m.touches;
	const name = variableName(m, t.variable[id]);
	const atomic = t.how[id] & ATOMIC_BIT ? ' atomically' : '';
	if (!isKnown(t.how[id])) return `touches ${name}, how is not known: ${valueOf(t, id)}`;
	if (!isWrite(t.how[id])) return `reads ${name}${atomic}: ${valueOf(t, id)}`;
	const verb = t.how[id] & READ_BIT ? 'changes' : 'writes';
	const before = hasBefore(t, id) ? `${valueText(t, t.variable[id], t.before[id])} → ` : '';
	return `${verb} ${name}${atomic}: ${before}${valueOf(t, id)}`;
}

export function atomicWords(t: Touches, id: number): string {
	if (!isKnown(t.how[id])) return 'What instruction it was is not known.';
	if (t.how[id] & ATOMIC_BIT) return 'Atomic: one instruction that no other CPU can come between.';
	if (t.kind[id] === UPDATE) return 'Not atomic: one instruction, but another CPU can come between its reading and its writing.';
	return 'Not atomic: a plain instruction.';
}

export function lockWords(m: Named, id: number): string {
	const held = locksHeld(m, id);
	return held ? `Its thread held ${held}.` : 'Its thread held no lock that is known.';
}

// What an access has to do with a lost update.
function lossFacts(m: Named, id: number): string[] {
	const t = m.touches;
	const who = (i: number) => m.threadNames[t.thread[i]];
	const facts: string[] = [];
	if (t.lost[id] >= 0) {
		const [old, lost] = [t.old[id], t.lost[id]];
		facts.push(
			`It follows from ${who(old)}'s reading of ${valueOf(t, old)}, ${formatNs(t.time[id] - t.time[old])} before. ` +
				`In between ${who(lost)} wrote ${valueOf(t, lost)}: that update is lost.`,
		);
	}
	if (t.over[id] >= 0)
		facts.push(
			`This update is lost: ${formatNs(t.time[t.over[id]] - t.time[id])} later ${who(t.over[id])} writes ` +
				`${valueOf(t, t.over[id])} over it, and has not seen it.`,
		);
	if (t.stale[id] >= 0)
		facts.push(
			`What it read is old when ${who(t.stale[id])} writes what follows from it: ${who(t.lost[t.stale[id]])} ` +
				'has written in between.',
		);
	return facts;
}

// The write that an access found there, or -1.
function writerBefore(t: Touches, id: number): number {
	const list = t.byVariable[t.variable[id]];
	for (let i = neighbour(list, id, -1), k = 0; i >= 0 && k < 1000; i = neighbour(list, i, -1), k++) {
		if (t.flags[i] & GAP) return isWrite(t.how[i]) ? i : -1;
		if (isWrite(t.how[i])) return i;
	}
	return -1;
}

// Where Enter leads from an access, always back in time: from a write that loses an update to the one that is
// lost, from that to the old reading that missed it; from a reading to the write that it saw; from a write to its
// thread's access before.
export function followTouch(t: Touches, id: number): number {
	if (t.lost[id] >= 0) return t.lost[id];
	if (t.over[id] >= 0) return t.old[t.over[id]];
	if (t.kind[id] === READ) return t.flags[id] & GAP ? -1 : writerBefore(t, id);
	for (let i = neighbour(t.byThread[t.thread[id]], id, -1); i >= 0; i = neighbour(t.byThread[t.thread[id]], i, -1))
		if (t.variable[i] === t.variable[id]) return i;
	return -1;
}

export function followTouchWords(m: Named, id: number): string {
	const t = m.touches;
	const to = followTouch(t, id);
	if (to < 0) return '';
	const who = m.threadNames[t.thread[to]];
	if (t.lost[id] >= 0) return `${who}'s write, which is lost`;
	if (t.over[id] >= 0) return `${who}'s reading, which came too early to see it`;
	if (t.kind[id] === READ) return `${who}'s write, which it saw`;
	return `its own access before`;
}

export function touchFacts(m: Named, id: number): string[] {
	const t = m.touches;
	const facts = [...lossFacts(m, id), lockWords(m, id), atomicWords(t, id)];
	const from = t.kind[id] === READ && !(t.flags[id] & GAP) ? writerBefore(t, id) : -1;
	if (from >= 0 && t.value[from] === t.value[id])
		facts.push(
			`${m.threadNames[t.thread[from]]} had written that ${formatNs(t.time[id] - t.time[from])} before.`,
		);
	if (t.flags[id] & GAP)
		facts.push('Accesses may be missing before it: the variable was out of sight for a while.');
	if (t.flags[id] & PART) facts.push("It touches only some of the variable's bytes.");
	if (t.how[id] & LATE_BIT)
		facts.push(
			t.flags[id] & VAGUE
				? 'The value was read from memory a moment later: another thread may have been faster.'
				: 'The value was read from memory a moment later; no other thread was seen to write just then.',
		);
	if (t.how[id] & BLIND_BIT) facts.push('Its value was not taken: it is what was there before.');
	return facts;
}

// Many at once, where marks would lie on each other.
export function countWords(c: Counts): string {
	const losses = c.losses ? `; ${formatCount(c.losses)} lose an update` : '';
	return `${formatCount(c.all)} accesses, ${formatCount(c.writes)} of them writes${losses}`;
}

// ---- variables ----

const GRAVEST = ['unguarded', 'mixed', 'one-writer', 'guarded-writes', 'guarded', 'atomic'];

// Those that several threads touched first, the unguarded before all.
export function variableOrder(meta: Meta): number[] {
	const rows = meta.summary.watch ?? [];
	const rank = (v: number) => {
		const at = GRAVEST.indexOf(rows[v].sharing);
		return at < 0 ? GRAVEST.length : at;
	};
	const total = (v: number) => rows[v].reads + rows[v].writes;
	return rows
		.map((_, v) => v)
		.filter((v) => rows[v].threads.length > 0)
		.sort(
			(a, b) => rank(a) - rank(b) || rows[b].lost_updates - rows[a].lost_updates || total(b) - total(a) || a - b,
		);
}
