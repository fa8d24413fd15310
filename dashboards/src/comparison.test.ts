// SPDX-License-Identifier: BSD-2-Clause
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	groupFigures,
	place,
	readComparison,
	scaleOf,
	sortFindings,
	type Comparison,
	type Figure,
	type FindingChange,
} from './comparison';
import { DataError } from './sections';

const spread = (median: number) => ({ median, least: median, most: median });

const figure = (group: Figure['group'], what: string, a: number, b: number, more: Partial<Figure> = {}) =>
	({
		group,
		title: group,
		name: '',
		what,
		unit: 'ns',
		a: spread(a),
		b: spread(b),
		beyond_noise: true,
		label: what,
		a_words: String(a),
		b_words: String(b),
		change: '',
		better: null,
		noise_low: a,
		noise_high: a,
		...more,
	}) as Figure;

const side = { runs: [{}], shown: 0, duration_words: '', least_words: '', most_words: '' };
const whole = {
	sentence: 'B is faster.',
	a: side,
	b: side,
	figures: [figure('run', 'duration', 2, 1)],
	findings: [],
	remarks: [],
};

function page(sections: [string, string][]): Uint8Array {
	const parts: number[] = [...Buffer.from('CTPAGE1\n')];
	for (const [tag, text] of [...sections, ['END ', '']]) {
		const body = Buffer.from(text);
		const length = Buffer.alloc(8);
		length.writeBigUInt64LE(BigInt(body.length));
		parts.push(...Buffer.from(tag), 0, 0, 0, 0, ...length, ...body);
	}
	return Uint8Array.from(parts);
}

test('a comparison is read, and what is none is refused', () => {
	assert.equal(readComparison(page([['DIFF', JSON.stringify(whole)]])).sentence, 'B is faster.');
	assert.throws(() => readComparison(page([['META', '{}']])), DataError);
	const broken: unknown[] = [
		null,
		{},
		{ ...whole, sentence: 1 },
		{ ...whole, a: { runs: [] } },
		{ ...whole, b: { ...side, shown: 1 } },
		{ ...whole, findings: 'none' },
		{ ...whole, figures: [{ ...whole.figures[0], noise_low: null }] },
		{ ...whole, figures: [null] },
	];
	for (const value of broken)
		assert.throws(
			() => readComparison(page([['DIFF', JSON.stringify(value)]])),
			DataError,
			JSON.stringify(value),
		);
	assert.throws(() => readComparison(page([['DIFF', '{']])), DataError);
});

test('groups keep their order; what is noise is left out and counted, but for the duration', () => {
	const figures = [
		figure('run', 'duration', 10, 10, { beyond_noise: false }),
		figure('run', 'running', 9, 9, { beyond_noise: false }),
		figure('locks', 'wait', 5, 1),
		figure('locks', 'waits', 5, 1, { beyond_noise: false }),
	];
	const groups = groupFigures(figures as Comparison['figures'], false);
	assert.deepEqual(
		groups.map((g) => [g.group, g.rows.map((r) => r.what), g.hidden]),
		[
			['run', ['duration'], 1],
			['locks', ['wait'], 1],
		],
	);
	assert.deepEqual(
		groupFigures(figures, true).map((g) => [g.rows.length, g.hidden]),
		[
			[2, 0],
			[2, 0],
		],
	);
});

test('times of a group have one scale, counts their own', () => {
	const long = figure('locks', 'wait', 70, 20, { b: { median: 20, least: 10, most: 90 } });
	const short = figure('locks', 'wait', 7, 2);
	const count = figure('locks', 'waits', 400, 3, { unit: 'count' });
	const group = { title: 'Locks', group: 'locks' as const, rows: [long, short, count], hidden: 0 };
	assert.equal(scaleOf(group, short), 90);
	assert.equal(scaleOf(group, count), 400);
	assert.equal(place(45, 90), 50);
	assert.equal(place(95, 90), 100);
	assert.equal(place(-1, 90), 0);
	assert.ok(scaleOf(group, figure('locks', 'waits', 0, 0, { unit: 'count' })) > 0);
});

test('findings are gone, in both or new', () => {
	const changes = ['gone', 'new', 'same', 'milder', 'rarer'] as const;
	const fates = sortFindings(changes.map((change) => ({ change }) as FindingChange));
	assert.deepEqual(
		[fates.gone, fates.both, fates.came].map((list) => list.map((f) => f.change)),
		[['gone'], ['same', 'milder', 'rarer'], ['new']],
	);
});
