// SPDX-License-Identifier: BSD-2-Clause
//
// How many threads ran at once, and for how long.  A row leads to its longest stretch.
import type { ReadonlySignal } from '@preact/signals';
import type { Palette } from '../draw/colours';
import { REST, RUNNING } from '../model';
import { longestStretch, runningRows, type RunningRow } from '../parallel';
import { runEnd, select, setView, type Store } from '../store';
import { formatNs, formatShare } from '../time';
import { around } from '../time_scale';
import { about, stateWords, unbroken } from '../words';
import { Share } from './share';
import { Table } from './table';

const FITS: Record<string, string> = {
	sequential: 'one thread is enough for so little',
	async: 'its waits can overlap in one thread: an event loop fits',
	threads: 'threads fit',
	processes: 'processes fit: its threads run one at a time',
};

const plural = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

const nameOf = ({ first, last }: RunningRow): string =>
	first === last ? plural(first, 'thread') : `${first} to ${last} threads`;

function show(store: Store, row: RunningRow): void {
	const stretch = longestStretch(store.model.cpus, row.first, row.last);
	if (!stretch) return;
	select(store, null);
	store.range.value = stretch;
	setView(store, around(stretch.t0, stretch.t1, runEnd(store)));
}

// Exactly one ran although CPUs were free and others waited: how long, who, and for what.
function aloneWords(store: Store): string {
	const { parallelism: p, run, threads } = store.model.data.meta.summary;
	const [who] = [...p.alone_threads].sort((a, b) => b.ns - a.ns);
	// for an end, or for whatever comes, tells nothing
	const [what] = Object.entries(p.alone_waiting_ns)
		.filter(([state]) => !['runnable', 'join', 'child', 'poll'].includes(state))
		.sort((a, b) => b[1] - a[1]);
	if (!who || p.alone_ns < run.duration_ns / 100) return '';
	const share = (part: number, whole: number) => `${about(store.model)}${formatShare(part, whole)}`;
	const name = store.model.threadNames[threads.findIndex((t) => t.tid === who.tid)] ?? '';
	const meanwhile = what
		? `; ${share(what[1], p.alone_ns)} of that somebody else ${stateWords(what[0]).replace(/^waits/, 'waited')}`
		: '';
	return `One ran alone, with a CPU free and others waiting, ${share(p.alone_ns, run.duration_ns)} of the time (most: ${name}, ${share(who.ns, p.alone_ns)})${meanwhile}.`;
}

export function Parallelism({ store, colours }: { store: Store; colours: ReadonlySignal<Palette> }) {
	const { parallelism: p, run, work } = store.model.data.meta.summary;
	const tilde = about(store.model);
	const mean = `On average ${tilde}${p.mean_running.toFixed(2)} threads ran at once on ${plural(run.cpus, 'CPU')}; some thread waited for a CPU ${tilde}${formatShare(p.wait_cpu_ns, run.duration_ns)} of the time.`;
	const fits = FITS[work.fits] && work.kind !== 'waiting' ? `The work as a whole is ${work.kind}; ${FITS[work.fits]}.` : '';
	const { states } = colours.value;
	return (
		<>
			{[mean, aloneWords(store), fits].filter(Boolean).map((words) => (
				<p key={words}>{unbroken(words)}</p>
			))}
			<Table
				store={store}
				caption="How many threads ran at once; a row leads to the longest stretch of it"
				rows={runningRows(p.running_ns)}
				sort={0}
				up
				go={(row) => show(store, row)}
				cols={[
					{ title: 'Running', value: (r) => r.first, show: nameOf },
					{
						title: 'of the run',
						value: (r) => r.ns,
						drawn: true,
						show: (r) => (
							<Share
								part={r.ns}
								whole={run.duration_ns}
								ink={states[r.first ? RUNNING : REST]}
								about={tilde}
							/>
						),
					},
					{ title: 'time', value: (r) => r.ns, show: (r) => formatNs(r.ns) },
				]}
			/>
		</>
	);
}
