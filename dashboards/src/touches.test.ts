// SPDX-License-Identifier: BSD-2-Clause
// Accesses to watched variables: columns made here by hand, counts worked out by hand and against a plain
// count, and what is said of a lost update.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from './sections';
import type { Meta } from './meta';
import {
	ATOMIC,
	atomicWords,
	countBefore,
	countIn,
	doesWhat,
	eachBin,
	followTouch,
	heightOf,
	locksHeld,
	LOSES,
	nearest,
	neighbour,
	nextLoss,
	READ,
	readTouches,
	realText,
	spanOf,
	Steps,
	touchFacts,
	touchWords,
	UPDATE,
	valueOf,
	valueText,
	variableOrder,
	WRITE,
	type Touches,
} from './touches';

const [R, W, B] = [1, 2, 16]; // read, write, the value before is known

// counter (0): ann reads 5 (0), bob reads 5 (1) and writes 6 (2), ann writes 6 over it (3), bob reads 6 (4);
// flag (1): ann sets -1 atomically (5), bob reads it (6) under a lock, after a gap.
const COLUMNS: Record<string, number[]> = {
	AVAR: [0, 0, 0, 0, 0, 1, 1],
	ATIM: [100, 10, 10, 10, 70, 100, 100],
	ATHR: [0, 1, 1, 0, 1, 0, 1],
	ACPU: [0, 1, 1, 0, 1, 0, 1],
	AHOW: [R | B, R | B, W | B, W | B, R | B, R | W | B | 4, R | B],
	AFLG: [0, 0, 0, 0, 0, 0, 1],
	AVAL: [10, 0, 2, 0, 0, 1, 0],
	AOLD: [0, 0, 0],
	ALCK: [0, 0, 0, 0, 0, 0, 1],
	AFRM: [1, 1, 1, 1, 1, 1, 1],
	ASTK: [0, 0, 0, 0, 0, 0, 0],
	XCNT: [1, 0],
	XWRI: [3],
	XFOR: [1],
	XREA: [2],
};

const watch = (name: string, sharing: string, threads: number, lost: number) => ({
	name,
	sharing,
	threads: new Array(threads).fill({}),
	lost_updates: lost,
	reads: 3,
	writes: 2,
});

const META = {
	summary: { watch: [watch('counter', 'unguarded', 2, 1), watch('flag', 'atomic', 2, 0)] },
	threads: [[], []],
	frames: [[], []],
	watched: [
		{ threads: [0, 1], spans: [[0, 400]], witness: [0, 1, 2, 3], racy: [2, 3], type: 'signed' },
		{ threads: [0, 1], spans: [[0, 400]], witness: [], racy: [], type: 'signed' },
	],
	locksets: [[], ['m1', 'm2']],
} as unknown as Meta;

const sections = (columns: Record<string, number[]>) =>
	new Map(Object.entries(columns).map(([tag, numbers]) => [tag, Uint8Array.from(numbers)]));
const read = (changed: Record<string, number[]> = {}, meta = META) =>
	readTouches(sections({ ...COLUMNS, ...changed }), meta);
const named = (touches: Touches) => ({ touches, threadNames: ['ann', 'bob'], data: { meta: META } });

test('steps of any size come back', () => {
	const least = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
	const steps = new Steps(Uint8Array.from([0, 1, 2, 127, 0x80, 1, ...least]), 'TEST');
	assert.deepEqual(
		[0, 1, 2, 3, 4].map(() => steps.next()),
		[0n, -1n, 1n, -64n, 64n],
	);
	assert.equal(steps.next(), -(2n ** 63n));
	steps.finish();
	assert.throws(() => steps.next(), /too few/);
	assert.throws(() => new Steps(new Uint8Array(12).fill(255), 'TEST').next(), /too large/);
});

test('columns come back as accesses', () => {
	const t = read();
	assert.equal(t.n, 7);
	assert.deepEqual([...t.time], [100, 110, 120, 130, 200, 300, 400]);
	assert.deepEqual([...t.value], [5n, 5n, 6n, 6n, 6n, -1n, -1n]);
	assert.deepEqual([...t.before], [5n, 5n, 5n, 6n, 6n, 0n, -1n], 'of a reading: what it read');
	assert.deepEqual([...t.kind], [READ, READ, WRITE, LOSES, READ, ATOMIC, READ]);
	assert.deepEqual([t.lost[3], t.old[3], t.over[2], t.stale[0]], [2, 0, 3, 3]);
	assert.deepEqual([...t.byThread[0].ids], [0, 3, 5]);
	assert.deepEqual([...t.byThread[1].ids], [1, 2, 4, 6]);
	assert.deepEqual([...t.byVariable[0].ids], [0, 1, 2, 3, 4]);
	assert.deepEqual([...t.byVariable[0].losses], [0, 0, 0, 0, 1, 1]);
});

test('values that wrap around 64 bits', () => {
	const up = [254, 255, 255, 255, 255, 255, 255, 255, 255, 1]; // + (2^63 - 1)
	const t = read({ AVAL: [...up, 0, 2, 0, 0, 1, 0], AOLD: [0, 0, 0] });
	assert.equal(t.value[0], 2n ** 63n - 1n);
	assert.equal(t.value[2], -(2n ** 63n), 'one more');
});

test('numbers as their types have them', () => {
	const t = { ...read(), types: ['signed', 'unsigned'] };
	const texts = (value: bigint) => [valueText(t, 0, value), valueText(t, 1, value)];
	assert.deepEqual(texts(-1n), ['-1', '18446744073709551615']);
	assert.deepEqual(texts(0x7f0123456789n), [String(0x7f0123456789), '0x7f0123456789'], 'a pointer');
	assert.deepEqual(texts(0x54ffffffffffn), [String(0x54ffffffffff), String(0x54ffffffffff)]);
	assert.equal(valueOf(t, 2), '6');
	assert.deepEqual([heightOf(t, 2), heightOf(t, 5)], [6, 2 ** 64], 'and on a curve');
});

test('a page without watched variables has none', () => {
	const t = readTouches(new Map(), { threads: [[], []] } as unknown as Meta);
	assert.deepEqual([t.n, t.byThread.length, t.byThread[1].n, t.byVariable.length], [0, 2, 0, 0]);
	const early = readTouches(new Map(), META);
	assert.deepEqual([early.n, early.byVariable.length], [0, 2], 'nor one whose columns are not there yet');
});

test('counts of an interval', () => {
	const t = read();
	const list = t.byVariable[0];
	assert.equal(countBefore(t, list, 100), 0);
	assert.equal(countBefore(t, list, 101), 1);
	assert.equal(countBefore(t, list, 1e9), 5);
	assert.deepEqual(countIn(t, list, 110, 131), { all: 3, writes: 2, losses: 1 });
	assert.deepEqual(countIn(t, list, 110, 130), { all: 2, writes: 1, losses: 0 }, 'the end is not in it');
	assert.deepEqual(countIn(t, t.byThread[1], 0, 1e9), { all: 4, writes: 1, losses: 0 });
});

test('all columns together have every access once, at any zoom', () => {
	const n = 3000;
	let seed = 5;
	const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
	const steps = Array.from({ length: n }, () => random(100));
	const how = Array.from({ length: n }, () => (random(2) ? R | B : W));
	const zeros: number[] = new Array(n).fill(0);
	const t = read({
		...Object.fromEntries(Object.keys(COLUMNS).map((tag) => [tag, zeros])),
		ATIM: steps,
		AHOW: how,
		AOLD: [],
		XCNT: [0, 0],
		XWRI: [],
		XFOR: [],
		XREA: [],
	});
	const end = t.time[n - 1];
	for (let round = 0; round < 60; round++) {
		const [a, b] = [random(end), random(end)];
		const [t0, t1] = [Math.min(a, b), Math.max(a, b) + 1];
		const width = 1 + random(900);
		let [all, writes] = [0, 0];
		eachBin(t, t.byVariable[0], t0, t1, width, (x, c) => {
			assert.ok(x >= 0 && x < width);
			all += c.all;
			writes += c.writes;
		});
		const inside = [...t.time.keys()].filter((i) => t.time[i] >= t0 && t.time[i] < t1);
		assert.equal(all, inside.length, `round ${round}`);
		assert.equal(writes, inside.filter((i) => how[i] & W).length, `round ${round}`);
	}
});

test('which column an access falls into', () => {
	const t = read();
	const seen: number[][] = [];
	eachBin(t, t.byVariable[0], 100, 200, 10, (x, c) => seen.push([x, c.all]));
	assert.deepEqual(
		seen,
		[0, 1, 2, 3].map((x) => [x, 1]),
		'200 is not in it',
	);
});

test('the nearest, the neighbours, the next that is lost', () => {
	const t = read();
	const list = t.byVariable[0];
	assert.equal(nearest(t, list, 104, 50), 0);
	assert.equal(nearest(t, list, 106, 50), 1);
	assert.equal(nearest(t, list, 160, 20), -1, 'too far');
	assert.equal(nearest(t, list, 1000, 5000), 4);
	assert.deepEqual([neighbour(list, 2, 1), neighbour(list, 2, -1), neighbour(list, 4, 1)], [3, 1, -1]);
	assert.equal(neighbour(t.byThread[1], 2, 1), 4);
	assert.deepEqual([nextLoss(t, -1), nextLoss(t, 3)], [3, 3], 'around to itself');
	const { XWRI: _w, XFOR: _f, XREA: _r, ...rest } = COLUMNS;
	const none = readTouches(sections({ ...rest, XCNT: [0, 0], XWRI: [], XFOR: [], XREA: [] }), META);
	assert.equal(nextLoss(none, -1), -1);
});

test('the stretch in which an access is understood', () => {
	const t = read();
	for (const id of [0, 2, 3]) assert.deepEqual(spanOf(t, id), { t0: 100, t1: 130 }, 'the loss as a whole');
	assert.deepEqual(spanOf(t, 1), { t0: 100, t1: 120 });
	assert.deepEqual(spanOf(t, 4), { t0: 130, t1: 200 });
});

test('Enter leads back in time: over, lost, old reading', () => {
	const t = read();
	assert.deepEqual(
		[3, 2, 4, 1, 6].map((id) => followTouch(t, id)),
		[2, 0, 3, -1, -1],
		'a reading after a gap has no known writer',
	);
});

test('in words', () => {
	const m = named(read());
	assert.equal(touchWords(m, 0), 'reads counter: 5');
	assert.equal(touchWords(m, 2), 'writes counter: 5 → 6');
	assert.equal(touchWords(m, 3), 'writes counter: 6 → 6');
	assert.equal(touchWords(m, 5), 'changes flag atomically: 0 → -1');
	assert.equal(doesWhat(m.touches, 5), 'makes it -1');
	assert.match(atomicWords(m.touches, 5), /^Atomic/);
	assert.match(atomicWords(m.touches, 2), /^Not atomic/);
	assert.equal(locksHeld(m, 6), 'm1 and m2');
	assert.deepEqual(touchFacts(m, 3), [
		"It follows from ann's reading of 5, 30 ns before. In between bob wrote 6: that update is lost.",
		'Its thread held no lock that is known.',
		'Not atomic: a plain instruction.',
	]);
	assert.match(touchFacts(m, 2)[0], /^This update is lost: 10 ns later ann writes 6 over it/);
	assert.match(touchFacts(m, 0)[0], /old when ann writes .* bob has written in between/);
	assert.ok(touchFacts(m, 4).includes('ann had written that 70 ns before.'));
	assert.ok(touchFacts(m, 6).includes('Its thread held m1 and m2.'));
	assert.ok(touchFacts(m, 6).some((f) => f.startsWith('Accesses may be missing before it')));
	assert.ok(!touchFacts(m, 6).some((f) => f.includes('had written that')), 'nobody knows, after a gap');
});

test('a change in one plain instruction, and one whose kind is not known', () => {
	const m = named(read({ AHOW: [R | W | B, R | B, W | B, W | B, R | B, B, R | B], XCNT: [0, 0], XWRI: [], XFOR: [], XREA: [] }));
	assert.equal(m.touches.kind[0], UPDATE);
	assert.match(atomicWords(m.touches, 0), /another CPU can come between/);
	assert.equal(touchWords(m, 5), 'touches flag, how is not known: -1');
});

test('variables: the gravest first, none that nobody touched', () => {
	const rows = [
		watch('own', 'one-thread', 1, 0),
		watch('never', 'untouched', 0, 0),
		watch('few', 'unguarded', 2, 1),
		watch('many', 'unguarded', 2, 7),
		watch('safe', 'guarded', 2, 0),
	];
	assert.deepEqual(variableOrder({ summary: { watch: rows } } as unknown as Meta), [3, 2, 4, 0]);
});

test('what is broken is said', () => {
	assert.throws(() => read({ AVAR: [0, 0, 0, 0, 0, 1, 2] }), /not there/);
	assert.throws(() => read({ ATHR: [0, 1, 1, 0, 1, 0, 2] }), /not there/);
	assert.throws(() => read({ ALCK: [0, 0, 0, 0, 0, 0, 2] }), /not there/);
	assert.throws(() => read({ AFLG: [0] }), /1 entries instead of 7/);
	assert.throws(() => read({ ATIM: [1] }), /too few/);
	assert.throws(() => read({ AVAL: [0, 0, 0, 0, 0, 0, 0, 0] }), /too many/);
	assert.throws(() => read({ XWRI: [7] }), /not there/);
	assert.throws(() => read({ XREA: [9] }), /not there/);
	assert.throws(() => read({}, { ...META, watched: [] }), /watched variables/);
	const { ASTK: _, ...less } = COLUMNS;
	assert.throws(() => readTouches(sections(less), META), /no "ASTK"/);
});

test('no changed byte leads to anything but a message or accesses', () => {
	for (const [tag, numbers] of Object.entries(COLUMNS))
		for (let at = 0; at < numbers.length; at++)
			for (const value of [0, 1, 5, 127, 128, 255]) {
				const bad = numbers.slice();
				bad[at] = value;
				try {
					const m = named(read({ [tag]: bad }));
					for (let id = 0; id < m.touches.n; id++) touchFacts(m, id);
				} catch (error) {
					assert.ok(error instanceof DataError, `${tag} ${at} = ${value}: ${String(error)}`);
				}
			}
});

// ---- floating point ----

// LEB128 of a zigzagged difference between the bits of two doubles.
function bitSteps(values: number[]): number[] {
	const view = new DataView(new ArrayBuffer(8));
	const out: number[] = [];
	let before = 0n;
	for (const value of values) {
		view.setFloat64(0, value);
		const bits = view.getBigInt64(0);
		const step = BigInt.asIntN(64, bits - before);
		before = bits;
		let zigzag = BigInt.asUintN(64, (step << 1n) ^ (step >> 63n));
		for (; zigzag > 127n; zigzag >>= 7n) out.push(Number(zigzag & 127n) | 128);
		out.push(Number(zigzag));
	}
	return out;
}

test('floating-point values are read to the last bit, and shown as the report shows them', () => {
	const values = [0.1, -2.5, 1e300, -1e300, Infinity, NaN, 1 / 3];
	const n = values.length;
	const all = (value: number) => new Array(n).fill(value);
	const meta = {
		...META,
		summary: { watch: [{ ...watch('ratio', 'unguarded', 2, 0), size: 8 }] },
		watched: [{ ...META.watched[0], witness: [], racy: [], type: 'float' }],
	} as unknown as Meta;
	const columns = { AVAR: all(0), ATIM: all(10), ATHR: all(0), ACPU: all(0), AHOW: all(R | B), AFLG: all(0) };
	const rest = { AVAL: bitSteps(values), AOLD: [], ALCK: all(0), AFRM: all(1), ASTK: all(0) };
	const none = { XCNT: [0], XWRI: [], XFOR: [], XREA: [] };
	const t = readTouches(sections({ ...columns, ...rest, ...none }), meta);
	assert.deepEqual(
		values.map((_, i) => valueOf(t, i)),
		['0.1', '-2.5', '1e+300', '-1e+300', 'inf', 'nan', '0.333333333333333'],
	);
	assert.deepEqual(
		values.map((_, i) => heightOf(t, i)),
		[0.1, -2.5, 1e300, -1e300, 0, 0, 1 / 3],
	);
});

// What printf("%.7g") and printf("%.15g") print.
test('numbers as C prints them', () => {
	const of7 = ['0', '-0', '0.0001', '1e-05', '123456.7', '1234568', '1.234568e+07', '100000', '1e+07', '-0.333'];
	assert.deepEqual(
		[0, -0, 1e-4, 1e-5, 123456.7, 1234567.8, 12345678, 100000, 1e7, -0.333].map((x) => realText(x, 7)),
		of7,
	);
	assert.equal(realText(Math.fround(0.1), 7), '0.1');
	assert.equal(realText(0.1 + 0.2, 15), '0.3');
	assert.equal(realText(1e15, 15), '1e+15');
	assert.equal(realText(9.999999e-5, 7), '9.999999e-05');
	assert.equal(realText(123456789012345, 15), '123456789012345');
});
