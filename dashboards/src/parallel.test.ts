// SPDX-License-Identifier: BSD-2-Clause
// How many ran at once, by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestStretch, runningRows } from './parallel';

test('few: a row for each', () => {
	assert.deepEqual(
		runningRows([1, 2, 3]).map((r) => [r.first, r.last, r.ns]),
		[
			[0, 0, 1],
			[1, 1, 2],
			[2, 2, 3],
		],
	);
});

test('many: 3 and 4, 5 to 8, then the rest', () => {
	assert.deepEqual(
		runningRows([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]).map((r) => [r.first, r.last, r.ns]),
		[
			[0, 0, 1],
			[1, 1, 1],
			[2, 2, 1],
			[3, 4, 2],
			[5, 8, 4],
			[9, 9, 1],
		],
	);
	assert.deepEqual(runningRows([]), []);
});

const lane = (start: number[], thread: number[]) => ({
	n: thread.length,
	start: Float64Array.from(start),
	thread: Int32Array.from(thread),
});

// CPU 0: thread 0 until 10, thread 1 until 30, idle until 100.  CPU 1: idle until 20, thread 0 until 50, idle,
// thread 2 from 60 to 75, idle.
const CPUS = [lane([0, 10, 30, 100], [0, 1, -1]), lane([0, 20, 50, 60, 75, 100], [-1, 0, -1, 2, -1])];

test('the longest stretch of each number', () => {
	assert.deepEqual(longestStretch(CPUS, 0, 0), { t0: 75, t1: 100 });
	// a switch from one thread to another on the same CPU does not end it
	assert.deepEqual(longestStretch(CPUS, 1, 1), { t0: 0, t1: 20 });
	assert.deepEqual(longestStretch(CPUS, 2, 2), { t0: 20, t1: 30 });
	assert.deepEqual(longestStretch(CPUS, 1, 2), { t0: 0, t1: 50 });
	assert.equal(longestStretch(CPUS, 3, 4), null);
	assert.equal(longestStretch([], 1, 1), null);
});
