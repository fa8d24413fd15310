// SPDX-License-Identifier: BSD-2-Clause
// Shares of time: worked out by hand, then against a plain sum over random lanes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachColumn, findSlice, makeTrack, timeBefore } from './visible';

// 0..10 class 0, 10..15 class 1, 15..40 class 0, 40..100 class 2
const small = makeTrack(Float64Array.from([0, 10, 15, 40, 100]), Uint8Array.from([0, 1, 0, 2]), 3);

function columns(track: typeof small, t0: number, t1: number, width: number) {
	const out: (number | number[])[] = new Array(width).fill(-2);
	eachColumn(track, t0, t1, width, (x, whole, time) => {
		out[x] = whole >= 0 ? whole : [...time];
	});
	return out;
}

test('the slice at a time', () => {
	assert.equal(findSlice(small, 0), 0);
	assert.equal(findSlice(small, 9.5), 0);
	assert.equal(findSlice(small, 10), 1);
	assert.equal(findSlice(small, 99), 3);
	assert.equal(findSlice(small, 100), 4);
	assert.equal(findSlice(small, -1), -1);
	assert.equal(findSlice(small, 12, 3), 1, 'a hint that is too late');
});

test('the time before', () => {
	const out = new Float64Array(3);
	assert.equal(timeBefore(small, 50, 0, out), 3);
	assert.deepEqual([...out], [35, 5, 10]);
	timeBefore(small, 1000, 0, out);
	assert.deepEqual([...out], [35, 5, 60]);
});

test('shares of columns, by hand', () => {
	// columns of 20: 0..20 has 10 + 5 of class 0 and 5 of class 1; 20..40 is slice 2; the rest is slice 3
	assert.deepEqual(columns(small, 0, 100, 5), [[15, 5, 0], 2, 3, 3, 3]);
	// of 25: 0..25, 25..50 (15 of class 0, 10 of class 2), 50..75, 75..100
	assert.deepEqual(columns(small, 0, 100, 4), [[20, 5, 0], [15, 0, 10], 3, 3]);
});

test('a lane that lives only for a while leaves the other columns alone', () => {
	const short = makeTrack(Float64Array.from([30, 50]), Uint8Array.from([1]), 3);
	assert.deepEqual(columns(short, 0, 100, 5), [-2, [0, 10, 0], [0, 10, 0], -2, -2]);
});

function random(seed: number): () => number {
	let s = seed;
	return () => (s = (s * 1103515245 + 12345) % 2147483648) / 2147483648;
}

test('the shares of all columns add up to the truth, to the nanosecond, at every zoom', () => {
	const rand = random(7);
	for (let round = 0; round < 40; round++) {
		const n = 1 + Math.floor(rand() * 500);
		const start = new Float64Array(n + 1);
		start[0] = Math.floor(rand() * 1000);
		for (let i = 0; i < n; i++) start[i + 1] = start[i] + Math.floor(rand() * 10 ** (1 + (i % 5)));
		const of = Uint8Array.from({ length: n }, () => Math.floor(rand() * 5));
		const track = makeTrack(start, of, 5);
		const width = 2 ** (1 + Math.floor(rand() * 9)); // so that columns begin at exact times
		const span = width * (1 + Math.floor(rand() * 5000));
		const t0 = Math.floor(rand() * start[n]);
		const got = new Float64Array(5);
		eachColumn(track, t0, t0 + span, width, (_, whole, time) => {
			if (whole >= 0) got[of[whole]] += span / width;
			else for (let c = 0; c < 5; c++) got[c] += time[c];
		});
		const truth = new Float64Array(5);
		for (let i = 0; i < n; i++)
			truth[of[i]] += Math.max(0, Math.min(start[i + 1], t0 + span) - Math.max(start[i], t0));
		assert.deepEqual([...got], [...truth], `round ${round}`);
	}
});
