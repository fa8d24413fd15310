// SPDX-License-Identifier: BSD-2-Clause
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCount, formatMark, formatNs, formatShare, formatSpan, rulerStep } from './time';
import { around, clampView, pan, toTime, toX, zoomAt } from './time_scale';

test('times in words', () => {
	assert.equal(formatNs(999), '999 ns');
	assert.equal(formatNs(1230), '1.23 µs');
	assert.equal(formatNs(45_600_000), '45.6 ms');
	assert.equal(formatNs(999_600_000), '1.00 s');
	assert.equal(formatNs(7.89e9), '7.89 s');
	assert.equal(formatNs(200e9), '3 min 20 s');
	assert.equal(formatNs(-1500), '−1.50 µs');
});

test('shares say 0 and 100 only when that is exact', () => {
	assert.equal(formatShare(0, 10), '0 %');
	assert.equal(formatShare(1, 1e6), '<0.1 %');
	assert.equal(formatShare(5, 100), '5.0 %');
	assert.equal(formatShare(10, 10), '100 %');
	assert.equal(formatShare(1, 0), '<0.1 %');
	assert.equal(formatCount(1234567), '1,234,567');
});

test('marks of the ruler', () => {
	assert.equal(rulerStep(1), 1);
	assert.equal(rulerStep(3), 5);
	assert.equal(rulerStep(60), 100);
	assert.equal(rulerStep(2.1e9), 5e9);
	assert.equal(formatMark(1_500_000_000, 500_000_000), '1.5 s');
	assert.equal(formatMark(592_400_000, 100_000), '592.4 ms');
	assert.equal(formatMark(30, 10), '30 ns');
});

test('both ends of a stretch', () => {
	assert.equal(formatSpan(383_327_000, 388_002_000), '383.33 ms to 388.00 ms');
	assert.equal(formatSpan(82e6, 3874e6), '82 ms to 3874 ms');
	assert.equal(formatSpan(5, 7), '0.000005 ms to 0.000007 ms');
	assert.equal(formatSpan(0, 90e9), '0.0 s to 90.0 s');
});

test('the part in view stays within the run', () => {
	assert.deepEqual(clampView({ t0: -50, t1: 50 }, 1000), { t0: 0, t1: 200 });
	assert.deepEqual(clampView({ t0: 900, t1: 1400 }, 1000), { t0: 500, t1: 1000 });
	assert.deepEqual(clampView({ t0: 0, t1: 5000 }, 1000), { t0: 0, t1: 1000 });
	assert.deepEqual(pan({ t0: 0, t1: 1000 }, 0.5, 10_000), { t0: 500, t1: 1500 });
});

test('zooming keeps the time under the pointer', () => {
	const view = zoomAt({ t0: 0, t1: 10_000 }, 2500, 0.5, 10_000);
	assert.deepEqual(view, { t0: 1250, t1: 6250 });
	assert.equal(toX(view, 2500, 100), 25);
	assert.equal(toTime(view, 25, 100), 2500);
	assert.deepEqual(around(4000, 5000, 10_000), { t0: 3400, t1: 5600 });
});
