// SPDX-License-Identifier: BSD-2-Clause
//
// Whether all of it can be trusted: what was lost, whether the kernel counted the same, what recording took.
import type { Store } from '../store';
import type { ThreadRow } from '../meta';
import { formatCount, formatNs, formatShare } from '../time';
import { about, unbroken } from '../words';

const DISAGREE_SHOWN = 3;

const plural = (n: number, what: string) => `${formatCount(n)} ${what}${n === 1 ? '' : 's'}`;
const times = (rows: ThreadRow[], of: (t: ThreadRow) => number) => rows.reduce((sum, t) => sum + of(t), 0);

// "CPU 0: 12 switch, 3 block; CPU 1: 4 switch"
function lossList(store: Store): string {
	const sums = new Map<number, Map<string, number>>();
	for (const [, , cpu, kind, cnt] of store.model.data.meta.losses) {
		const of = sums.get(cpu) ?? new Map<string, number>();
		sums.set(cpu, of.set(kind, (of.get(kind) ?? 0) + cnt));
	}
	return [...sums]
		.sort((a, b) => a[0] - b[0])
		.map(([cpu, of]) => `CPU ${cpu}: ${[...of].map(([kind, n]) => `${formatCount(n)} ${kind}`).join(', ')}`)
		.join('; ');
}

function lost(store: Store): string {
	const { loss, run } = store.model.data.meta.summary;
	if (loss.events)
		return `Lost events: ${plural(loss.events, 'event')} (${lossList(store)}); figures marked ~ may be off.`;
	const unseen = loss.anomalies
		? `; ${plural(loss.anomalies, 'time')} a thread was found on a CPU without having been seen to come (the kernel did not report it; other tracers do not see it either)`
		: '';
	return `Lost events: none${run.complete ? '' : ' before it was cut'}${unseen}.`;
}

function agreement(threads: ThreadRow[]): string {
	const known = threads.filter((t) => t.switches_agree !== null).length;
	const good = threads.filter((t) => t.switches_agree).length;
	if (!known) return "The kernel's own switch counts are not in this trace.";
	const rest = known < threads.length ? '; of the others they are not known' : '';
	return `The kernel's own switch counts agree for ${formatCount(good)} of ${plural(known, 'thread')}${rest}.`;
}

function disagreements(store: Store): string[] {
	const { threads } = store.model.data.meta.summary;
	const bad = threads.map((t, i) => ({ t, i })).filter(({ t }) => t.switches_agree === false);
	const words = bad.slice(0, DISAGREE_SHOWN).map(({ t, i }) => {
		const [ours, theirs] = [t.switches, t.kernel_switches];
		return `${store.model.threadNames[i]}: recorded ${ours.voluntary} voluntary and ${ours.involuntary} involuntary, the kernel counts ${theirs?.voluntary} and ${theirs?.involuntary}.`;
	});
	return bad.length > words.length ? [...words, `And ${bad.length - words.length} more.`] : words;
}

// Time on a CPU that the kernel did not count as the threads' own.
function stolen(store: Store): string {
	const { threads, loss } = store.model.data.meta.summary;
	const counted = threads.filter((t) => t.cpu_ns);
	const [onCpu, own] = [times(counted, (t) => t.running_ns), times(counted, (t) => t.cpu_ns ?? 0)];
	if (onCpu - own < onCpu / 100 || onCpu <= own) return '';
	const tilde = about(store.model);
	const or = loss.events ? ', or it is what the lost events would have told' : '';
	return `Threads were on a CPU for ${tilde}${formatNs(onCpu)}, of which the kernel counts ${tilde}${formatNs(own)} as theirs; switching, interrupts or the hypervisor took the rest${or}.`;
}

function cost(store: Store): string {
	const { run, threads } = store.model.data.meta.summary;
	const { probes_ns: probes, collector_ns: beside } = run.cost;
	if (!beside) return '';
	const share = probes ? formatShare(probes, times(threads, (t) => t.running_ns)) : '';
	const took = probes
		? `some ${formatNs(probes)} in the probes, ${share} of the time that the program was on a CPU, and ${formatNs(beside)} of CPU time beside it`
		: `${formatNs(beside)} of CPU time beside the program; that of the probes is not known`;
	const calls =
		run.futex === 'calls'
			? '. Meanwhile every system call on the machine was slower by some tens of nanoseconds; --futex=switch spares them that'
			: '';
	return `Recording took ${took}${calls}.`;
}

export function Trust({ store }: { store: Store }) {
	const { threads } = store.model.data.meta.summary;
	const bad = disagreements(store);
	return (
		<section class="trust" aria-labelledby="trust">
			<h2 id="trust">Can it be trusted?</h2>
			<ul>
				<li>{unbroken(lost(store))}</li>
				<li>
					{agreement(threads)}
					{bad.length > 0 && (
						<ul>
							{bad.map((words) => (
								<li key={words}>{words}</li>
							))}
						</ul>
					)}
				</li>
				{[stolen(store), cost(store)].filter(Boolean).map((words) => (
					<li key={words}>{unbroken(words)}</li>
				))}
			</ul>
		</section>
	);
}
