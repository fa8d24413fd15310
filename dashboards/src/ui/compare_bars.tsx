// SPDX-License-Identifier: BSD-2-Clause
//
// The comparison in figures: how long each run took, each figure as a pair of bars with the noise around A,
// and the findings that went, stayed and came.
import {
	groupFigures,
	place,
	scaleOf,
	sortFindings,
	type Figure,
	type FindingChange,
	type Group,
	type Spread,
} from '../comparison';
import { Long, Prose } from './long';
import { findingIn, showFigure, showFindingOf, SIDES, type Compared, type SideName } from './compare';

const ROOM = 1.06; // to the right of the longest bar, for the noise around it

const percent = (value: number, scale: number): string => `${place(value, scale)}%`;

// The hatched stretch in which a B says nothing.
function Noise({ figure, scale }: { figure: Figure; scale: number }) {
	const [low, high] = [place(figure.noise_low, scale), place(figure.noise_high, scale)];
	return <u class="band" style={{ left: `${low}%`, width: `${high - low}%` }} />;
}

function Bar({ side, spread, scale }: { side: SideName; spread: Spread; scale: number }) {
	const [low, high] = [place(spread.least, scale), place(spread.most, scale)];
	return (
		<div class={`bar ${side}`}>
			<i style={{ width: percent(spread.median, scale) }} />
			{high > low && <s style={{ left: `${low}%`, width: `${high - low}%` }} />}
		</div>
	);
}

// ---- durations ----

function RunRows({ c, side, scale }: { c: Compared; side: SideName; scale: number }) {
	const { runs, duration_words, least_words, most_words } = c.comparison[side];
	const duration = c.comparison.figures.find((f) => f.group === 'run' && f.what === 'duration');
	return (
		<tbody>
			{runs.map((run, i) => (
				<tr key={i} class={side}>
					<th scope="row">
						<b class={`badge ${side}`}>{side.toUpperCase()}</b>{' '}
						{runs.length > 1 ? run.trace : run.command}
						{runs.length > 1 && i === c.picked.value[side] && <span class="dim"> (drawn below)</span>}
					</th>
					<td class="pair">
						{duration && <Noise figure={duration} scale={scale} />}
						<div class={`bar ${side}`}>
							<i style={{ width: percent(run.duration_ns, scale) }} />
						</div>
					</td>
					<td class="number">{run.duration_words}</td>
					<td class="dim">{run.outcome}</td>
				</tr>
			))}
			{runs.length > 1 && (
				<tr class="sum">
					<th scope="row">
						{side.toUpperCase()}: median of {runs.length} runs
					</th>
					<td class="pair">
						{duration && <Noise figure={duration} scale={scale} />}
						{duration && <Bar side={side} spread={duration[side]} scale={scale} />}
					</td>
					<td class="number">
						<b>{duration_words}</b>
					</td>
					<td class="dim">
						{least_words} to {most_words}
					</td>
				</tr>
			)}
		</tbody>
	);
}

export function Durations({ c }: { c: Compared }) {
	const all = SIDES.flatMap((side) => c.comparison[side].runs.map((r) => r.duration_ns));
	const scale = ROOM * Math.max(...all, 1);
	return (
		<section aria-labelledby="durations">
			<h2 id="durations">How long</h2>
			<div class="scroll" tabIndex={0} role="region" aria-label="Durations of all runs">
				<table class="pairs durations">
					<thead class="hidden">
						<tr>
							<th scope="col">run</th>
							<th scope="col">as a bar</th>
							<th scope="col">duration</th>
							<th scope="col">how it ended</th>
						</tr>
					</thead>
					{SIDES.map((side) => (
						<RunRows key={side} c={c} side={side} scale={scale} />
					))}
				</table>
			</div>
			<p class="dim legend">
				<span>
					<i class="swatch band" aria-hidden="true" />
					noise around A
				</span>
				<span>Noise: {c.comparison.noise_words}.</span>
			</p>
		</section>
	);
}

// ---- what changed ----

const MOST_ROWS = 8; // of a group; the others at a click

// As the text form has it: a change within the noise is none.
function verdictOf(f: Figure): string {
	if (!f.beyond_noise || f.better === null) return '';
	return f.better ? 'better' : 'worse';
}

function Row({ c, group, figure }: { c: Compared; group: Group; figure: Figure }) {
	const scale = ROOM * scaleOf(group, figure);
	const verdict = verdictOf(figure);
	return (
		<tr class={c.chosen.value === figure ? 'lit' : ''}>
			<th scope="row">
				<button type="button" class="link" onClick={() => showFigure(c, figure)}>
					<Long text={figure.label} />
				</button>
			</th>
			<td class="pair">
				<Noise figure={figure} scale={scale} />
				<Bar side="a" spread={figure.a} scale={scale} />
				<Bar side="b" spread={figure.b} scale={scale} />
			</td>
			<td class="number">{figure.a_words}</td>
			<td class="number">{figure.b_words}</td>
			<td class={`change ${verdict}`}>
				{figure.beyond_noise ? figure.change : 'noise'} <span>{verdict}</span>
			</td>
		</tr>
	);
}

function Rows({ c, group }: { c: Compared; group: Group }) {
	const all = c.unfolded.value.has(group.group);
	const left = all ? 0 : Math.max(0, group.rows.length - MOST_ROWS);
	const shown = left ? group.rows.slice(0, MOST_ROWS) : group.rows;
	const unfold = () => (c.unfolded.value = new Set([...c.unfolded.value, group.group]));
	return (
		<tbody class="group">
			<tr class="title">
				<th scope="rowgroup">{group.title}</th>
				<td class="pair" />
				<td class="number">A</td>
				<td class="number">B</td>
				<td class="change">change</td>
			</tr>
			{shown.map((f) => (
				<Row key={`${f.name} ${f.what}`} c={c} group={group} figure={f} />
			))}
			{left > 0 && (
				<tr>
					<td colSpan={5}>
						<button type="button" class="link" onClick={unfold}>
							{left} more
						</button>
					</td>
				</tr>
			)}
		</tbody>
	);
}

export function Changes({ c }: { c: Compared }) {
	const groups = groupFigures(c.comparison.figures, c.noiseToo.value);
	const hidden = groups.reduce((n, g) => n + g.hidden, 0);
	return (
		<section aria-labelledby="changes">
			<h2 id="changes">What changed</h2>
			<p class="tools">
				<span class="legend">
					<span>
						<i class="swatch a" aria-hidden="true" />A
					</span>
					<span>
						<i class="swatch b" aria-hidden="true" />B
					</span>
					<span>
						<i class="swatch band" aria-hidden="true" />
						noise around A
					</span>
				</span>
				<label>
					<input
						type="checkbox"
						checked={c.noiseToo.value}
						onChange={(e) => (c.noiseToo.value = e.currentTarget.checked)}
					/>{' '}
					also what differs by no more than the noise{hidden > 0 && ` (${hidden} more)`}
				</label>
			</p>
			<div class="scroll all" tabIndex={0} role="region" aria-label="Figures of both sides">
				<table class="pairs">
					{groups.map(
						(group) => group.rows.length > 0 && <Rows key={group.group} c={c} group={group} />,
					)}
				</table>
			</div>
		</section>
	);
}

// ---- findings ----

// What it is called in the run that is drawn of a side; '': it is not in that one.
function titleIn(c: Compared, side: (typeof SIDES)[number], id: string): string {
	const drawn = c.runs.value?.[side];
	const at = findingIn(c, side, id);
	return drawn && typeof drawn !== 'string' && at >= 0 ? drawn.store.model.data.meta.summary.findings[at].title : '';
}

function FindingCard({ c, finding }: { c: Compared; finding: FindingChange }) {
	const side = SIDES.find((s) => findingIn(c, s, finding.id) >= 0);
	const titles = SIDES.map((s) => titleIn(c, s, finding.id));
	const title = titles.find((words) => words) ?? finding.id;
	const other = titles[1] && titles[1] !== title ? titles[1] : '';
	const severity = (finding.b_severity ?? finding.a_severity) || 'info';
	const { a, b } = c.comparison;
	const several = a.runs.length + b.runs.length > 2;
	const parts = [
		finding.change === 'milder' || finding.change === 'worse'
			? `${finding.change}: ${finding.b_severity}, was ${finding.a_severity}`
			: ['rarer', 'more often'].includes(finding.change)
				? finding.change
				: '',
		several
			? `${finding.a_runs} of ${a.runs.length} runs of A, ${finding.b_runs} of ${b.runs.length} of B`
			: '',
	].filter((words) => words);
	const inside = (
		<>
			<span class="severity">{severity === 'info' ? 'note' : severity}</span>
			<strong>
				<Prose text={title} />
			</strong>
			{other && (
				<span>
					in B: <Prose text={other} />
				</span>
			)}
			{title !== finding.id && <code>{finding.id}</code>}
			{parts.length > 0 && <span class="cost">{parts.join('; ')}</span>}
		</>
	);
	return (
		<li class={`card ${severity}`}>
			{side ? (
				<button type="button" class="show" onClick={() => showFindingOf(c, finding.id)}>
					{inside}
				</button>
			) : (
				<p class="show">{inside}</p>
			)}
		</li>
	);
}

export function FindingChanges({ c }: { c: Compared }) {
	const fates = sortFindings(c.comparison.findings);
	const columns: [string, FindingChange[], string][] = [
		['Gone in B', fates.gone, 'gone'],
		['In both', fates.both, 'stayed'],
		['New in B', fates.came, 'came'],
	];
	return (
		<section aria-labelledby="findings">
			<h2 id="findings">Findings</h2>
			<div class="fates">
				{columns.map(([title, list, name]) => (
					<div key={name} class={name}>
						<h3>{title}</h3>
						<ul class="cards">
							{list.map((f) => (
								<FindingCard key={f.id} c={c} finding={f} />
							))}
						</ul>
						{!list.length && <p class="dim">none</p>}
					</div>
				))}
			</div>
		</section>
	);
}
