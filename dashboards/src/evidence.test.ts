// SPDX-License-Identifier: BSD-2-Clause
// Two workers and main.  worker 1 waits 10..40 for shelf+8 and 50..55 for big, worker 2 20..30 for shelf;
// main runs 0..60, then sleeps.  On the critical path: 0..40 main, 40..100 worker 1, 60..100 of it for big.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Figure, Names } from './comparison';
import { evidenceOf } from './evidence';
import type { Model } from './model';

const [RUNNING, RUNNABLE, LOCK, SLEEP] = [0, 1, 2, 3];
const slices = (start: number[], state: number[]) => ({
	n: state.length,
	start: Float64Array.from(start),
	state: Uint8Array.from(state),
});
const ints = (...list: number[]) => Int32Array.from(list);

const model = {
	data: {
		meta: { states: ['running', 'runnable', 'lock', 'sleep'] },
		slices: [
			slices([0, 60, 100], [RUNNING, SLEEP]),
			slices([0, 10, 40, 50, 55, 100], [RUNNING, LOCK, RUNNING, LOCK, RUNNABLE]),
			slices([5, 20, 30, 100], [RUNNING, LOCK, RUNNING]),
		],
		waits: {
			n: 4,
			thread: ints(1, 1, 2, -1), // the last was cut off and has no slice
			start: Float64Array.from([10, 50, 20, 0]),
			end: Float64Array.from([40, 55, 30, 100]),
			lock: ints(1, 2, 0, 1),
			state: Uint8Array.from([LOCK, LOCK, LOCK, LOCK]),
			frame: ints(7, 8, 7, 7),
		},
		path: {
			n: 3,
			start: Float64Array.from([0, 40, 60, 100]),
			thread: ints(0, 1, 1),
			state: Uint8Array.from([RUNNING, RUNNING, RUNNABLE]),
			lock: ints(-1, -1, 2),
		},
	},
} as unknown as Model;

const names: Names = {
	threads: ['main', 'worker-*', 'worker-* in work'],
	locks: ['shelf', 'shelf+8', 'big'],
	lines: [
		[7, LOCK, 'take (p.c:11)'],
		[7, SLEEP, 'take (p.c:11)'],
		[8, LOCK, 'take (p.c:12)'],
	],
};

const of = (group: Figure['group'], name: string, what: string, nameB?: string) =>
	({ group, name, what, ...(nameB ? { name_b: nameB } : {}) }) as Figure;

function place(figure: Figure, side: 'a' | 'b' = 'a') {
	const { thread, slice, threads, locks, frames } = evidenceOf(model, names, figure, side);
	return { at: [thread, slice], threads, locks, frames };
}

test('a role: all its threads, also those whose start was not seen, and the longest slice of that state', () => {
	assert.deepEqual(place(of('threads', 'worker-* in work', 'running')), {
		at: [2, 2],
		threads: [1, 2],
		locks: [],
		frames: [],
	});
	assert.deepEqual(place(of('threads', 'main', 'running')).at, [0, 0]);
	assert.deepEqual(place(of('threads', 'main', 'lock')).at, [-1, -1], 'main never waits for a lock');
	assert.deepEqual(place(of('threads', 'main', 'threads')).at, [-1, -1], 'a count has no slice');
});

test('a lock: the longest wait for it; those of an array are one', () => {
	assert.deepEqual(place(of('locks', 'big', 'wait')), { at: [1, 3], threads: [1], locks: [2], frames: [] });
	assert.deepEqual(place(of('locks', 'shelf+*', 'wait')).locks, [0, 1]);
	assert.deepEqual(place(of('locks', 'shelf+*', 'wait')).at, [1, 1]);
	assert.deepEqual(place(of('locks', 'shelf', 'wait')).at, [2, 1]);
	assert.deepEqual(place(of('locks', 'gone', 'wait')), {
		at: [-1, -1],
		threads: [],
		locks: [],
		frames: [],
	});
});

test('a line: the longest wait there for that reason; in B by its name there', () => {
	assert.deepEqual(place(of('lines', 'take (p.c:11)', 'lock')), {
		at: [1, 1],
		threads: [1],
		locks: [],
		frames: [7],
	});
	const moved = of('lines', 'take (p.c:9)', 'lock', 'take (p.c:12)');
	assert.deepEqual(place(moved, 'b').at, [1, 3]);
	assert.deepEqual(place(moved, 'a').at, [-1, -1]);
});

test('the critical path: its longest part of that state or for that lock', () => {
	assert.deepEqual(place(of('critical path', 'running', 'critical path')).at, [0, 0]);
	assert.deepEqual(place(of('critical path', 'big', 'critical path, for the lock')), {
		at: [1, 4],
		threads: [1],
		locks: [2],
		frames: [],
	});
});

test('the run: the longest slice of a state, nothing for its duration', () => {
	assert.deepEqual(place(of('run', '', 'runnable')).at, [1, 4]);
	assert.deepEqual(place(of('run', '', 'duration')).at, [-1, -1]);
});
