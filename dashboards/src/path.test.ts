// SPDX-License-Identifier: BSD-2-Clause
// The critical path added up: a path of six segments, sums by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from './model';
import { reasonWords, sumPath, whoWords, type PathBy } from './path';

const [RUNNING, LOCK, SLEEP] = [0, 1, 2];

// ann runs 10, bob runs 30 with the lock that ann wants, bob sleeps 20 in f, ann runs 5 and sleeps 4 in g, bob runs 1.
const model = {
	threadNames: ['ann', 'bob'],
	data: {
		meta: {
			states: ['running', 'lock', 'sleep'],
			strings: ['', 'f', 'g', 'p.c'],
			frames: [[], [1, 3, 1, 0, 0, 0], [2, 3, 2, 0, 0, 0]],
			locks: [[1, 'big', 'mutex']],
		},
		path: {
			n: 6,
			start: Float64Array.of(0, 10, 40, 60, 65, 69, 70),
			thread: Int32Array.of(0, 1, 1, 0, 0, 1),
			state: Uint8Array.of(RUNNING, RUNNING, SLEEP, RUNNING, SLEEP, RUNNING),
			lock: Int32Array.of(-1, 0, -1, -1, -1, -1),
			frame: Int32Array.of(0, 0, 1, 0, 2, 0),
		},
	},
} as unknown as Model;

const told = (by: PathBy) => sumPath(model, by).map((s) => [s.ns, s.state, s.lock, s.frame, s.frameNs, s.longest]);

test('by reason: which state, holding which lock', () => {
	assert.deepEqual(told('reason'), [
		[30, RUNNING, 0, 0, 30, 1],
		[24, SLEEP, -1, 1, 20, 2],
		[16, RUNNING, -1, 0, 16, 0],
	]);
});

test('by thread', () => {
	assert.deepEqual(told('thread'), [
		[51, RUNNING, 0, 0, 31, 1],
		[19, RUNNING, -1, 0, 15, 0],
	]);
});

test('by line', () => {
	assert.deepEqual(told('line'), [
		[30, RUNNING, 0, 0, 30, 1],
		[20, SLEEP, -1, 1, 20, 2],
		[16, RUNNING, -1, 0, 16, 0],
		[4, SLEEP, -1, 2, 4, 4],
	]);
});

test('each adds up to the run', () => {
	for (const by of ['reason', 'thread', 'line'] as const)
		assert.equal(
			sumPath(model, by).reduce((sum, s) => sum + s.ns, 0),
			70,
		);
});

test('in words', () => {
	const shares = sumPath(model, 'reason');
	assert.equal(reasonWords(model, shares[0]), 'runs, holding big');
	assert.equal(reasonWords(model, shares[1]), 'sleeps');
	assert.equal(reasonWords(model, { ...shares[0], state: LOCK }), 'waits for a lock: big');
	assert.equal(whoWords(model, shares[1]), 'bob and 1 more');
	assert.equal(whoWords(model, shares[0]), 'bob');
});
