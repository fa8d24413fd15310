// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: two sides of runs, as `ctrace diff -f html` puts them into the page (user/export/diff_html.c):
// figures and words are its; here they are read, grouped and given places.
import { DataError, splitSections } from './sections';

export interface Spread {
	median: number;
	least: number;
	most: number;
}

export interface Run {
	trace: string;
	command: string;
	duration_ns: number;
	duration_words: string;
	outcome: string;
	labels: Record<string, string>;
	findings: string[];
}

export interface Side {
	runs: Run[];
	shown: number; // whose timeline is drawn first
	duration_words: string; // median
	least_words: string;
	most_words: string;
}

export interface Figure {
	group: 'run' | 'critical path' | 'threads' | 'locks' | 'lines';
	title: string;
	name: string;
	name_b?: string; // a line that moved
	what: string;
	unit: 'ns' | 'count' | 'ratio';
	a: Spread;
	b: Spread;
	beyond_noise: boolean;
	label: string;
	a_words: string;
	b_words: string;
	change: string;
	better: boolean | null;
	noise_low: number;
	noise_high: number;
}

export interface Severities {
	a_severity: string | null;
	b_severity: string | null;
}

export interface FindingChange extends Severities {
	id: string;
	a_runs: number;
	b_runs: number;
	change: 'gone' | 'new' | 'rarer' | 'more often' | 'milder' | 'worse' | 'same';
	better: boolean | null;
}

export interface Comparison {
	headline: string;
	sentence: string;
	noise: string;
	noise_words: string;
	a: Side;
	b: Side;
	figures: Figure[];
	findings: FindingChange[];
	remarks: string[];
}

const isSide = (side: Side): boolean =>
	Array.isArray(side?.runs) && side.runs.length > 0 && side.runs[side.shown] !== undefined;

const isFigure = (f: Figure): boolean =>
	[f.a.median, f.a.least, f.a.most, f.b.median, f.b.least, f.b.most, f.noise_low, f.noise_high].every(
		Number.isFinite,
	) && typeof f.label === 'string';

// Section `tag` of the bytes, as JSON that `whole` accepts.
function readSection<T>(bytes: Uint8Array | undefined, whole: (value: T) => boolean, what: string): T {
	if (!bytes) throw new DataError(`The data in this page has no ${what}.`);
	try {
		const value = JSON.parse(new TextDecoder().decode(bytes)) as T;
		if (whole(value)) return value;
	} catch {
		// said below
	}
	throw new DataError(`The ${what} in this page is not as this viewer knows it.`);
}

export const readComparison = (bytes: Uint8Array): Comparison =>
	readSection<Comparison>(
		splitSections(bytes).get('DIFF'),
		(c) =>
			typeof c.sentence === 'string' &&
			isSide(c.a) &&
			isSide(c.b) &&
			[c.figures, c.findings, c.remarks].every(Array.isArray) &&
			c.figures.every(isFigure),
		'comparison',
	);

// What a run's threads, locks and lines are called in the figures.
export interface Names {
	threads: string[];
	locks: string[];
	lines: [frame: number, state: number, name: string][];
}

export const readNames = (bytes: Uint8Array | undefined): Names =>
	readSection<Names>(bytes, (n) => [n.threads, n.locks, n.lines].every(Array.isArray), 'list of names');

// ---- the table ----

export interface Group {
	title: string;
	group: Figure['group'];
	rows: Figure[];
	hidden: number; // rows within the noise that are left out
}

// As they come: groups in their order, in each the largest difference first.
export function groupFigures(figures: Figure[], noiseToo: boolean): Group[] {
	const groups: Group[] = [];
	for (const f of figures) {
		let group = groups.find((g) => g.group === f.group);
		if (!group) groups.push((group = { title: f.title, group: f.group, rows: [], hidden: 0 }));
		if (f.beyond_noise || noiseToo || f.what === 'duration') group.rows.push(f);
		else group.hidden++;
	}
	return groups;
}

// The value at the right end of a row's bars.  Times of a group share one, so that a long bar is a long time;
// counts and ratios have their own each.
export function scaleOf(group: Group, row: Figure): number {
	const most = (f: Figure) => Math.max(f.a.most, f.b.most);
	const rows = row.unit === 'ns' ? group.rows.filter((f) => f.unit === 'ns') : [row];
	return Math.max(...rows.map(most), Number.MIN_VALUE);
}

// Per cent from the left, within the bar.
export const place = (value: number, scale: number): number =>
	Math.min(100, Math.max(0, (100 * value) / scale));

// ---- findings ----

export interface Fates {
	gone: FindingChange[];
	both: FindingChange[];
	came: FindingChange[];
}

export function sortFindings(findings: FindingChange[]): Fates {
	return {
		gone: findings.filter((f) => f.change === 'gone'),
		both: findings.filter((f) => f.change !== 'gone' && f.change !== 'new'),
		came: findings.filter((f) => f.change === 'new'),
	};
}
