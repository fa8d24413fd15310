// SPDX-License-Identifier: BSD-2-Clause
// One thread that waits at one line: 100 times for 4 ms, then once for 4.5 ms, once for 300 ms and once for 20 ms.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from './model';
import { proofOf } from './sums';

const MS = 1e6;
const lengths = [...Array.from({ length: 100 }, () => 4), 4.5, 300, 20].map((ms) => ms * MS);
const end = lengths.reduce((sum, ns) => sum + ns, 0);
const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, ns) => sum + ns, 0));

function modelOf(id: string): Model {
	const { length: n } = lengths;
	return {
		data: {
			end,
			meta: {
				summary: { findings: [{ id }] },
				findings: [{ threads: [0], locks: [], frames: [7] }],
			},
			slices: [{ n, start: Float64Array.from([...starts, end]) }],
			waits: {
				n,
				kind: new Uint8Array(n),
				kinds: { lock: [-1], frame: [7] },
				thread: new Int32Array(n),
				start: Float64Array.from(starts),
				end: Float64Array.from(starts, (t, i) => t + lengths[i]),
			},
		},
	} as unknown as Model;
}

test('many waits are proven by one like the others, and with its neighbours', () => {
	// of 724.5 ms of waiting 400 are in those of 4 ms: one of them is in the middle
	const { range, thread, slice } = proofOf(modelOf('waiting-not-overlapped'), 0);
	assert.deepEqual([thread, slice], [0, 100]);
	assert.deepEqual(range, { t0: 391 * MS, t1: 413.5 * MS });
	assert.equal(proofOf(modelOf('switch-storm'), 0).slice, 100);
});

test('what may happen once is proven by the longest', () => {
	const { range, slice } = proofOf(modelOf('blocked-event-loop'), 0);
	assert.equal(slice, 101);
	assert.equal(range.t1 - range.t0, 300 * MS);
});
