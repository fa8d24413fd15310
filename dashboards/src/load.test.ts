// SPDX-License-Identifier: BSD-2-Clause
// The parser on a page made here by hand, and on the same page broken in every way a byte can be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataReader, parse, type Head } from './load';
import { sketchModel, buildModel, FREE, HELD, HELD_WANTED, threadNames } from './model';
import { inRing, offCpuFlame, proofOf, sumStates, waitEdges } from './sums';
import { makeLanes } from './layout';
import { Column, DataError, splitSections } from './sections';
import { eachColumn } from './visible';
import { describeSlice, exitWords, follow, lineNumber, placeOf, sentenceOf, unbroken } from './words';

const STATES = ['running', 'runnable', 'lock', 'join'];

// ann (0) runs 0..100 ns; bob (1) runs 0..10, waits 10..60 for L1, which ann holds, has no CPU 60..70, runs on.
export const META = {
	summary: {
		run: {
			argv: ['./p'],
			duration_ns: 100,
			cpus: 2,
			exit_status: 0,
			complete: true,
			cpu_samples_hz: 0,
			host: 'h',
		},
		loss: { events: 0, by_kind: {}, damage: null },
		threads: ['ann', 'bob'].map((name, i) => ({
			tid: 10 + i,
			pid: 10,
			name,
			start_ns: 0,
			end_ns: 100,
			running_ns: 100 - 60 * i,
			runnable_ns: 10 * i,
			blocked_ns: i ? { lock: 50 } : {},
		})),
		wakers: [],
		findings: [{ id: 'lock-contention', title: 'everyone queues', severity: 'high', cost_ns: 50, lines: [] }],
	},
	states: STATES,
	strings: ['', 'push', '/src/queue.c', '/bin/p'],
	frames: [
		[0, 0, 0, 0, 0, 0],
		[1, 2, 12, 3, 64, 0],
		[1, 0, 0, 3, 64, 0],
	],
	stacks: [[], [1]],
	syscalls: { 202: 'futex' },
	threads: [
		[0, 0, 0, 120, 0],
		[0, 1, 0, 120, 0],
	],
	processes: [[10, 'p']],
	locks: [[1, 'big_lock', 'mutex', 0, '0x5000', 1, 50, 50, 1, 0]],
	findings: [{ threads: [1], locks: [0], frames: [1] }],
	wakers: [],
	losses: [],
	sources: {},
};

const COLUMNS: Record<string, number[]> = {
	TCNT: [1, 4],
	TFST: [0, 0],
	// state, flags, CPU, wait: the next one, that of the one before
	SKND: [0, 0, 0, 0, /**/ 0, 0, 1, 0, /**/ 2, 0, 1, 1, /**/ 1, 0, 1, 2],
	SKIN: [0, 1, 2, 3, 1],
	SWAI: [],
	SLOR: [100, 10, 30],
	SMIR: [0, 0, 0],
	SHIR: [0, 0, 0],
	SLOW: [10],
	SMIW: [0],
	SHIW: [0],
	SLOB: [50],
	SMIB: [0],
	SHIB: [0],
	WKND: [2, 2, 0, 0, 1, 0, 1, 1, 203, 1, 203, 1, 0],
	WKIN: [0],
	WOWN: [1],
	WWKR: [1],
	WEXC: [],
	LCNT: [2],
	HGAP: [5, 0],
	HDUR: [55, 20],
	HTHR: [0, 1],
	HFLG: [1, 0],
	PFST: [0],
	PDUR: [60, 40],
	PTHR: [0, 1],
	PSTA: [0, 0],
	PLCK: [1, 0],
	PFRM: [0, 0],
	CTIM: [],
	CTHR: [],
	CSTK: [],
	CNRS: [],
	CCPU: [],
};

function section(tag: string, bytes: Uint8Array): Uint8Array {
	const out = new Uint8Array(16 + bytes.length);
	for (let i = 0; i < 4; i++) out[i] = tag.charCodeAt(i);
	new DataView(out.buffer).setBigUint64(8, BigInt(bytes.length), true);
	out.set(bytes, 16);
	return out;
}

function page(columns = COLUMNS, meta: unknown = META, end = true): Uint8Array {
	const parts = [
		new TextEncoder().encode('CTPAGE1\n'),
		section('META', new TextEncoder().encode(JSON.stringify(meta))),
	];
	for (const [tag, numbers] of Object.entries(columns)) parts.push(section(tag, Uint8Array.from(numbers)));
	if (end) parts.push(section('END ', new Uint8Array()));
	return Uint8Array.from(parts.flatMap((p) => [...p]));
}

test('numbers of seven bits a byte', () => {
	const c = new Column(Uint8Array.from([0, 127, 0x80, 1, 0xac, 2, 3, 4]), 'TEST');
	assert.deepEqual([c.next(), c.next(), c.next(), c.next()], [0, 127, 128, 300]);
	assert.equal(c.zigzag(), -2);
	assert.equal(c.zigzag(), 2);
	assert.throws(() => c.next(), DataError);
	assert.throws(() => new Column(new Uint8Array(9).fill(255), 'TEST').next(), /too large/);
});

test('slices, waits and holds come back', () => {
	const data = parse(page());
	assert.deepEqual([...data.slices[1].start], [0, 10, 60, 70, 100]);
	assert.deepEqual([...data.slices[1].wait], [-1, 0, 0, -1]);
	assert.deepEqual([data.waits.thread[0], data.waits.start[0], data.waits.end[0]], [1, 10, 60]);
	assert.deepEqual(
		[data.waits.lock[0], data.waits.owner[0], data.waits.waker[0], data.waits.target[0]],
		[0, 0, 0, -1],
	);
	assert.equal(data.waits.nr[0], 202, '203, two bytes, + 1');
	assert.deepEqual([...data.slices[1].state], [0, 2, 1, 0]);
	assert.deepEqual([...data.slices[1].cpu], [1, 1, 1, 1]);
	assert.deepEqual([data.waits.state[0], data.waits.stack[0], data.waits.frame[0]], [2, 1, 1]);
	assert.deepEqual([...data.holds[0].start], [5, 60]);
	assert.deepEqual([...data.holds[0].end], [60, 80]);
	assert.deepEqual([...data.path.start], [0, 60, 100]);
});

test('the same, whatever pieces the bytes come in, and in whichever order the sections', () => {
	const whole = parse(page());
	const bytes = page(Object.fromEntries(Object.entries(COLUMNS).reverse()));
	for (const length of [1, 3, 16, 1000]) {
		const reader = new DataReader();
		for (let at = 0; at < bytes.length; at += length) reader.add(bytes.subarray(at, at + length));
		assert.deepEqual(reader.finish(), whole, `${length} bytes each`);
	}
});

test('durations of more than two bytes, and of more than three', () => {
	const long = { SLOR: [4, 10, 30], SMIR: [3, 0, 0], SHIR: [2, 0, 0x80, 1], SLOB: [50], SMIB: [1] };
	const data = parse(page({ ...COLUMNS, ...long }));
	assert.deepEqual([...data.slices[0].start], [0, 2 * 65536 + 3 * 256 + 4]);
	assert.deepEqual([...data.slices[1].start], [0, 10, 316, 326, 326 + 128 * 65536 + 30]);
});

test('which wait is whose: the next, the same, one that is listed', () => {
	const kinds = [...COLUMNS.SKND, 2, 0, 1, 3];
	const three = { WKND: COLUMNS.WKND, WKIN: [0, 0, 0], WOWN: [1, 0, 2], WWKR: [1, 1, 1] };
	const more = { TCNT: [1, 5], SLOB: [50, 7, 8], SMIB: [0, 0, 0], SHIB: [0, 0, 0], SLOR: [100, 10] };
	const less = { SMIR: [0, 0], SHIR: [0, 0], SKIN: [0, 1, 2, 3, 4, 2], SKND: kinds, SWAI: [2] };
	const data = parse(page({ ...COLUMNS, ...three, ...more, ...less }));
	assert.deepEqual([...data.slices[1].wait], [-1, 0, 0, 2, 1]);
	assert.deepEqual([...data.waits.start], [10, 77, 70]);
	assert.deepEqual([...data.waits.end], [60, 85, 77]);
	assert.deepEqual([...data.waits.owner], [0, -1, 1]);
});

// Three threads that take turns on one CPU, many times: who does not run waits, half of the times for L1.
function takingTurns(turns: number) {
	const leb = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...leb(Math.floor(n / 128))]);
	const lengths = Array.from({ length: turns }, (_, i) => 1 + ((i * 7919) % 100_000));
	const kinds = { run: 0, wait: 1, idle: 2 };
	const threads = [0, 1, 2].map(() => [] as { kind: number; ns: number }[]);
	lengths.forEach((ns, turn) =>
		threads.forEach((list, t) => {
			const kind = turn % 3 === t ? kinds.run : Math.floor(turn / 3) % 2 ? kinds.wait : kinds.idle;
			const last = list[list.length - 1];
			if (last?.kind === kind) last.ns += ns;
			else list.push({ kind, ns });
		}),
	);
	const all = threads.flat();
	const waits = all.filter((s) => s.kind === kinds.wait).length;
	const of = (group: number, byte: (ns: number) => number[]) =>
		all.filter((s) => Math.min(s.kind, 1) === group).flatMap((s) => byte(s.ns));
	const columns = Object.fromEntries(
		['R', 'B'].flatMap((letter, group) => [
			[`SLO${letter}`, of(group, (ns) => [ns % 256])],
			[`SMI${letter}`, of(group, (ns) => [Math.floor(ns / 256) % 256])],
			[`SHI${letter}`, of(group, (ns) => leb(Math.floor(ns / 65536)))],
		]),
	);
	const end = lengths.reduce((sum, ns) => sum + ns, 0);
	const summary = {
		...META.summary,
		run: { ...META.summary.run, duration_ns: end },
		threads: [...META.summary.threads, META.summary.threads[0]],
	};
	const meta = { ...META, summary, threads: [...META.threads, META.threads[0]] };
	const bytes = page(
		{
			...COLUMNS,
			...columns,
			TCNT: threads.flatMap((list) => leb(list.length)),
			TFST: [0, 0, 0],
			SKND: [0, 0, 0, 0, /**/ 2, 0, 0, 1, /**/ 3, 0, 0, 0],
			SKIN: all.map((s) => s.kind),
			...{ SLOW: [], SMIW: [], SHIW: [] },
			...{ WKIN: new Array(waits).fill(0), WOWN: new Array(waits).fill(1), WWKR: new Array(waits).fill(1) },
			...{ LCNT: [0], HGAP: [], HDUR: [], HTHR: [], HFLG: [] },
		},
		meta,
	);
	return { data: parse(bytes), lengths, threads, end, waits };
}

test('the wait of one slice is found without spelling out the others', () => {
	const { data, waits } = takingTurns(900);
	let next = 0;
	for (const s of data.slices) {
		const alone = Array.from({ length: s.n }, (_, i) => s.waitAt(i));
		assert.deepEqual(alone, [...s.wait]);
		for (const w of alone) if (w >= 0) assert.equal(w, next++);
		assert.ok(s.n > 128, 'more than two marks');
	}
	assert.equal(next, waits);
});

test('lanes made of many lists: every turn of the CPU in order, and how many want the lock', () => {
	const { data, lengths, threads, end } = takingTurns(900);
	const model = buildModel(data);
	assert.deepEqual([...model.cpus[0].thread], lengths.map((_, turn) => turn % 3));
	let now = 0;
	assert.deepEqual([...model.cpus[0].start], [0, ...lengths.map((ns) => (now += ns))]);
	const waited = threads.flat().reduce((sum, s) => sum + (s.kind === 1 ? s.ns : 0), 0);
	const lane = model.locks[0];
	let wanted = 0;
	for (let i = 0; i < lane.n; i++) wanted += lane.waiters[i] * (lane.start[i + 1] - lane.start[i]);
	assert.equal(wanted, waited, 'to the nanosecond');
	// the strip of the whole run: what all columns hold is what all threads did
	const { overview } = model;
	const column = end / overview.width;
	const sum = (of: Float64Array) => of.reduce((all, n) => all + n * column, 0);
	assert.ok(Math.abs(sum(overview.running) - end) < 1);
	assert.ok(Math.abs(sum(overview.blocked) - 2 * end) < 1);
});

test('a first picture of a long trace: shares by column, before anything else is there', () => {
	// two columns of 50 ns: ann runs in both; bob runs 1/5 and waits 4/5, then waits 1/5, has no CPU 1/5, runs
	const over = [2, 1, 0, 255, 1, 1, 0, 255, 1, 2, 0, 51, 2, 204, 1, 3, 2, 51, 1, 51, 0, 153, 1];
	const { TCNT, ...rest } = COLUMNS;
	const bytes = page({ OVER: over, TCNT, ...rest });
	const headEnd = 8 + 16 + new TextEncoder().encode(JSON.stringify(META)).length + 16 + over.length;
	const heads: Head[] = [];
	const reader = new DataReader((h) => heads.push(h));
	reader.add(bytes.subarray(0, headEnd - 1));
	assert.equal(heads.length, 0, 'not yet');
	reader.add(bytes.subarray(headEnd - 1, headEnd));
	assert.equal(heads.length, 1);
	new DataReader((h) => heads.push(h)).add(page());
	assert.equal(heads.length, 1, 'a short trace has none');
	const [head] = heads;
	const [, bob] = head.sketches;
	assert.deepEqual([[...bob.column], [...bob.state]], [[0, 0, 1, 1, 1], [0, 2, 2, 1, 0]]);
	assert.deepEqual([...bob.ns], [10, 40, 10, 10, 30]);
	const model = sketchModel(head.meta, head.sketches);
	const shares: number[][] = [];
	eachColumn(model.threads[1], 0, 100, 4, (_, __, time) => shares.push([...time.subarray(0, 3)]));
	assert.deepEqual(shares, [[5, 0, 20], [5, 0, 20], [15, 5, 5], [15, 5, 5]], 'evenly within a column');
	assert.equal(model.data.slices[1].n, 0);
	assert.deepEqual(parse(bytes).slices[1].n, 4, 'the rest is as without it');
	const cut = page({ OVER: over.slice(0, -1), TCNT, ...rest });
	assert.throws(() => parse(cut), DataError);
});

test('a wait that is not as its slices say', () => {
	const data = parse(page({ ...COLUMNS, WEXC: [0, 1, 12, 40] }));
	assert.deepEqual([data.waits.start[0], data.waits.end[0]], [12, 52]);
});

test('sections that are not known are kept for whoever knows them', () => {
	assert.deepEqual([...parse(page({ ...COLUMNS, XNEW: [1, 2] })).extra.keys()], ['XNEW']);
});

test('the lane of a lock', () => {
	const model = buildModel(parse(page()));
	const lane = model.locks[0];
	assert.deepEqual([...lane.start], [0, 5, 10, 60, 80, 100]);
	assert.deepEqual([...lane.of], [FREE, HELD, HELD_WANTED, HELD, FREE]);
	assert.deepEqual([...lane.holder], [-1, 0, 0, 1, -1]);
	assert.deepEqual([...lane.waiters], [0, 0, 1, 0, 0]);
});

test('the lane of a CPU', () => {
	const model = buildModel(parse(page()));
	assert.deepEqual(model.cpuNumbers, [0, 1]);
	assert.deepEqual([...model.cpus[1].start], [0, 10, 70, 100]);
	assert.deepEqual([...model.cpus[1].thread], [1, -1, 1]);
});

test('in words, and where Enter leads', () => {
	const model = buildModel(parse(page()));
	const text = describeSlice(model, { thread: 1, slice: 1 });
	assert.equal(text.title, 'bob waits for a lock: big_lock for 50 ns');
	assert.deepEqual(text.facts, [
		'When it began, ann had the lock.',
		'ann had the lock for 50 ns of it.',
		'ann woke it, in futex.',
	]);
	assert.equal(text.stack[0].text, 'push (queue.c:12)');
	assert.equal(placeOf(model, 2).text, 'push (p+0x40)');
	assert.deepEqual(follow(model, { thread: 1, slice: 1 }), { thread: 0, slice: 0 });
	assert.deepEqual(
		follow(model, { thread: 1, slice: 3 }),
		{ thread: 1, slice: 1 },
		'why it ran: its last wait',
	);
	assert.equal(follow(model, { thread: 0, slice: 0 }), null);
});

test('Enter leads to the waker where no holder is known, to the holder where nobody woke it', () => {
	const waked = parse(page({ ...COLUMNS, WOWN: [0], LCNT: [0], HGAP: [], HDUR: [], HTHR: [], HFLG: [] }));
	assert.deepEqual(follow(buildModel(waked), { thread: 1, slice: 1 }), { thread: 0, slice: 0 });
	const held = parse(page({ ...COLUMNS, WWKR: [0] }));
	assert.deepEqual(follow(buildModel(held), { thread: 1, slice: 1 }), { thread: 0, slice: 0 });
	const nothing = { ...COLUMNS, WWKR: [0], WOWN: [0], LCNT: [0], HGAP: [], HDUR: [], HTHR: [], HFLG: [] };
	assert.equal(follow(buildModel(parse(page(nothing))), { thread: 1, slice: 1 }), null);
});

test('sums of a range', () => {
	const model = buildModel(parse(page()));
	assert.deepEqual([...sumStates(model, { t0: 5, t1: 65 }, () => true)], [65, 5, 50, 0]);
	assert.deepEqual([...sumStates(model, { t0: 0, t1: 100 }, (t) => t === 1)], [40, 10, 50, 0]);
	const flame = offCpuFlame(model, { t0: 20, t1: 100 }, () => true);
	assert.equal(flame.ns, 40);
	assert.equal(flame.children.get('lock')?.children.get('push (queue.c:12)')?.ns, 40);
});

test('who waits for whom, and rings', () => {
	const model = buildModel(parse(page()));
	assert.deepEqual(waitEdges(model, 30), [{ from: 1, to: 0, lock: 0 }]);
	assert.deepEqual(waitEdges(model, 65), []);
	const edge = (from: number, to: number) => ({ from, to, lock: 0 });
	assert.deepEqual([...inRing([edge(1, 2), edge(2, 3), edge(3, 1), edge(4, 1)])], [1, 2, 3]);
	assert.deepEqual([...inRing([edge(1, 2), edge(2, 3)])], []);
	assert.deepEqual([...inRing([edge(5, 5)])], [5], 'one that waits for itself');
});

test('a sentence begins with a capital, a name stays as it is', () => {
	const model = buildModel(parse(page()));
	model.data.meta.summary.threads[1].name = 'worker-1';
	const said = (title: string) => sentenceOf(model, title);
	assert.equal(said('everyone queues for big_lock'), 'Everyone queues for big_lock');
	assert.equal(said('ann and bob wait for each other'), 'ann and bob wait for each other');
	assert.equal(said('anna waits'), 'Anna waits', 'not the name of a thread here');
	assert.equal(said('big_lock is held by a thread that sleeps'), 'big_lock is held by a thread that sleeps');
	assert.equal(said('worker, worker-2 and ann wait'), 'worker, worker-2 and ann wait');
	assert.equal(said('a thread has ended'), 'A thread has ended');
});

test('small words: how it ended, line numbers under each other, a figure with its unit', () => {
	assert.deepEqual([null, 0, 3, 143, 200].map(exitWords), [
		'',
		', exit status 0',
		', exit status 3',
		', exit status 143 (SIGTERM)',
		', exit status 200',
	]);
	const numbers = [99, 100].map((n) => lineNumber(n, 101, n === 100));
	assert.deepEqual(numbers, ['  99', '▶100']);
	assert.equal(lineNumber(9, 15, false), '  9');
	assert.equal(unbroken('up to 666 ms of 3.87 s (17 %).'), 'up to 666\u00a0ms of 3.87\u00a0s (17\u00a0%).');
	assert.equal(unbroken('4 shelves, 1 hook'), '4 shelves, 1 hook');
});

test('the place that proves a finding', () => {
	assert.deepEqual(proofOf(buildModel(parse(page())), 0), { range: { t0: 10, t1: 60 }, thread: 1, slice: 1 });
});

test('lanes: threads by process, then locks, then CPUs; sorted, filtered', () => {
	const model = buildModel(parse(page()));
	const names = (sort: 'start' | 'name' | 'blocked', filter = '') =>
		makeLanes(model, { sort, filter }).map((l) => l.name);
	assert.deepEqual(names('start'), ['Threads', 'ann', 'bob', 'Locks', 'big_lock', 'CPUs', 'CPU 0', 'CPU 1']);
	assert.deepEqual(names('blocked').slice(1, 3), ['bob', 'ann']);
	assert.deepEqual(names('start', 'AN').slice(0, 3), ['Threads', 'ann', 'Locks']);
});

test('lanes: only some, and none is not some', () => {
	const model = buildModel(parse(page()));
	const names = (threads: number[], locks: number[]) =>
		makeLanes(model, {
			sort: 'start',
			filter: '',
			only: { threads: new Set(threads), locks: new Set(locks) },
		})
			.filter((l) => l.kind !== 'cpu' && l.kind !== 'head')
			.map((l) => l.name);
	assert.deepEqual(names([1], []), ['bob', 'big_lock']);
	assert.deepEqual(names([], [0]), ['ann', 'bob', 'big_lock']);
});

test('names that two threads share get the tid', () => {
	const rows = [
		{ name: 'w', tid: 1 },
		{ name: 'w', tid: 2 },
		{ name: 'x', tid: 3 },
		{ name: '', tid: 4 },
	];
	assert.deepEqual(threadNames(rows), ['w 1', 'w 2', 'x', 'thread 4']);
});

test('what is broken is said, whatever is broken', () => {
	assert.throws(() => parse(new Uint8Array()), /another version/);
	assert.throws(() => parse(page(COLUMNS, META, false)), /ends early/);
	assert.throws(() => splitSections(page().subarray(0, 200)), /ends early/);
	assert.throws(() => parse(page({ ...COLUMNS, SKND: [...COLUMNS.SKND, 9, 0, 0, 0] })), /not there/);
	assert.throws(() => parse(page({ ...COLUMNS, SKIN: [0, 1, 2, 2, 1] })), /entries/);
	assert.throws(() => parse(page({ ...COLUMNS, SKIN: [0, 1, 2, 4, 1] })), /not there/);
	assert.throws(() => parse(page({ ...COLUMNS, WKND: [2, 2, 0, 0, 2, ...COLUMNS.WKND.slice(5)] })), /not there/);
	assert.throws(() => parse(page({ ...COLUMNS, WKIN: [], WOWN: [], WWKR: [] })), /not there/, 'no such wait');
	assert.throws(() => parse(page({ ...COLUMNS, SKIN: [0] })), /1 entries instead of 5/);
	assert.throws(() => parse(page({ ...COLUMNS, SHIR: [0, 0, 128] })), /too few/);
	assert.throws(() => parse(page({ ...COLUMNS, SHIR: [0, 0, 0, 0] })), /too many/);
	assert.throws(() => parse(page(COLUMNS, { ...META, locks: undefined })), /not as this viewer knows/);
	assert.throws(() => parse(page(COLUMNS, null)), /cannot be read/);
	const { LCNT: _, ...less } = COLUMNS;
	assert.throws(() => parse(page(less)), /no "LCNT"/);
});

test('no changed byte and no cut leads to anything but a message or a page', () => {
	const good = page();
	const from = 24 + new TextEncoder().encode(JSON.stringify(META)).length; // JSON may well change unseen
	for (let at = from; at < good.length; at++) {
		for (const value of [0, 1, 127, 255]) {
			const bad = good.slice();
			bad[at] = value;
			try {
				buildModel(parse(bad));
			} catch (error) {
				assert.ok(error instanceof DataError, `byte ${at} = ${value}: ${String(error)}`);
			}
		}
		assert.throws(() => parse(good.subarray(0, at)), DataError);
	}
});
