// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: slices, places and locks in words, and where the chain of causes leads from a slice.
import type { Model } from './model';
import { holdAt, holdsBefore, sliceAt } from './model';
import { formatNs } from './time';

// Before a figure that lost events may have changed; tables have it from style.css.
export const about = (model: Model): string => (model.data.meta.summary.loss.events > 0 ? '~' : '');

const WAIT_TIMED = 1;
const WAIT_WOKEN = 2;
const WAIT_TIMED_OUT = 8;
const WAIT_FOUND = 16;
const WAKE_INTERRUPT = 1 | 2 | 4;
const WAKE_FOREIGN = 32;
const SLICE_CUT_START = 1;
const SLICE_CUT_END = 2;
const SLICE_LOSS = 4;
const SLICE_PREEMPTED = 8;
const HOLD_SEEN = 1;

const FILE_WORDS: Record<number, string> = {
	1: 'a pipe',
	2: 'a device or terminal',
	4: 'a directory',
	6: 'a disk device',
	8: 'a file',
	9: 'an event descriptor',
	12: 'a socket',
};

// What a thread does in a state, as a verb.
const STATE_WORDS: Record<string, string> = {
	running: 'runs',
	runnable: 'could run, but has no CPU',
	lock: 'waits for a lock',
	rwlock: 'waits for a read-write lock',
	cond: 'waits at a condition variable',
	sem: 'waits at a semaphore',
	barrier: 'waits at a barrier',
	join: 'waits for a thread to end',
	futex: 'waits at a futex',
	sleep: 'sleeps',
	poll: 'waits for events (poll, epoll, select)',
	'io-disk': 'waits for the disk',
	'io-net': 'waits for the network',
	pipe: 'waits at a pipe',
	child: 'waits for a child process',
	fault: 'waits for memory (page fault)',
	stopped: 'is stopped',
	other: 'waits, for what is not known',
};

export const stateWords = (state: string): string => STATE_WORDS[state] ?? state;
// Where it stands beside others.
export const stateBriefly = (state: string): string =>
	state === 'runnable' ? 'waits for a CPU' : stateWords(state);

export interface Place {
	fn: string;
	file: string; // as the compiler was given it
	fileId: number;
	line: number;
	text: string; // "push (queue.c:12)"; "" when unknown
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);

export function placeOf(model: Model, frame: number): Place {
	const { frames, strings } = model.data.meta;
	const row = frames[frame];
	if (!frame || !row) return { fn: '', file: '', fileId: 0, line: 0, text: '' };
	const [fn, file, line, module, offset] = row;
	const name = strings[fn] ?? '';
	const path = strings[file] ?? '';
	let text = name;
	if (path && line) text = name ? `${name} (${baseName(path)}:${line})` : `${baseName(path)}:${line}`;
	else if (strings[module]) {
		const address = `${baseName(strings[module])}+0x${offset.toString(16)}`;
		text = name ? `${name} (${address})` : address;
	}
	return { fn: name, file: path, fileId: file, line, text };
}

export function stackOf(model: Model, stack: number): Place[] {
	return (model.data.meta.stacks[stack] ?? []).map((frame) => placeOf(model, frame));
}

export const lockName = (model: Model, lock: number): string => model.data.meta.locks[lock]?.[1] ?? '';
export const syscallName = (model: Model, nr: number): string =>
	nr < 0 ? '' : (model.data.meta.syscalls[String(nr)] ?? `call ${nr}`);

export interface Ref {
	thread: number;
	slice: number;
}

// Short: what stands on the slice in the timeline.
export function sliceLabel(model: Model, thread: number, slice: number): string {
	const { data } = model;
	const s = data.slices[thread];
	const state = data.meta.states[s.stateAt(slice)];
	if (state === 'running') return `CPU ${s.cpuAt(slice)}`;
	if (state === 'runnable') return s.flagsAt(slice) & SLICE_PREEMPTED ? 'preempted' : 'no CPU';
	const w = s.waitAt(slice);
	if (w < 0) return state;
	const { kind, kinds } = data.waits;
	const [lock, target] = [kinds.lock[kind[w]], kinds.target[kind[w]]];
	if (state === 'join') return target >= 0 ? `join ${model.threadNames[target]}` : state;
	return lock >= 0 ? `${state} ${lockName(model, lock)}` : state;
}

function whatFor(model: Model, w: number): string {
	const { waits, meta } = model.data;
	const [lock, target] = [waits.at('lock', w), waits.at('target', w)];
	const state = meta.states[waits.at('state', w)];
	const timed = waits.at('flags', w) & WAIT_TIMED ? ', with a timeout' : '';
	if (state === 'join' && target >= 0) return `waits for ${model.threadNames[target]} to end`;
	if (lock >= 0) return `${stateWords(state)}: ${lockName(model, lock)}${timed}`;
	const call = syscallName(model, waits.at('nr', w));
	const file = FILE_WORDS[waits.at('file', w)];
	const where = file ? ` on ${file} (descriptor ${waits.at('fd', w)})` : '';
	return `${stateWords(state)}${call ? ` in ${call}` : ''}${where}${timed}`;
}

// Who had the lock while the thread waited, with what is known of it.
function holdersMeanwhile(model: Model, w: number): string[] {
	const { data } = model;
	const { waits } = data;
	const lock = waits.at('lock', w);
	if (lock < 0) return [];
	const holds = data.holds[lock];
	const times = new Map<number, { ns: number; seen: boolean }>();
	const first = Math.max(0, holdsBefore(data, lock, waits.start[w]) - 1);
	for (let i = first; i < holds.n && holds.start[i] < waits.end[w]; i++) {
		const ns = Math.min(holds.end[i], waits.end[w]) - Math.max(holds.start[i], waits.start[w]);
		if (ns <= 0) continue;
		const entry = times.get(holds.thread[i]) ?? { ns: 0, seen: true };
		entry.ns += ns;
		entry.seen &&= (holds.flags[i] & HOLD_SEEN) !== 0;
		times.set(holds.thread[i], entry);
	}
	return [...times]
		.sort((a, b) => b[1].ns - a[1].ns)
		.map(
			([thread, { ns, seen }]) =>
				`${model.threadNames[thread]} had the lock for ${formatNs(ns)} of it${seen ? '' : ' (inferred)'}`,
		);
}

function whoEnded(model: Model, w: number): string {
	const { waits } = model.data;
	const flags = waits.at('wakeFlags', w);
	if (!(waits.at('flags', w) & WAIT_WOKEN)) return 'Nothing ended it before the recording did.';
	if (waits.at('flags', w) & WAIT_TIMED_OUT) return 'Its timeout ended it.';
	if (flags & WAKE_INTERRUPT) return 'An interrupt ended it (a timer, a disk, the network).';
	if (waits.waker[w] >= 0) {
		const call = syscallName(model, waits.at('wakerNr', w));
		return `${model.threadNames[waits.waker[w]]} woke it${call ? `, in ${call}` : ''}.`;
	}
	return flags & WAKE_FOREIGN
		? 'Something outside the program woke it: a signal, or another program.'
		: 'The kernel woke it.';
}

export interface SliceText {
	title: string;
	facts: string[];
	stack: Place[];
	frame: number;
	next: string; // what Enter does; "" nothing
}

function runningFacts(model: Model, ref: Ref): string[] {
	const s = model.data.slices[ref.thread];
	const facts = [`On CPU ${s.cpuAt(ref.slice)}.`];
	if (ref.slice > 0) facts.push(`Before it: ${stateWords(model.data.meta.states[s.stateAt(ref.slice - 1)])}.`);
	if (ref.slice + 1 < s.n) {
		const after =
			s.flagsAt(ref.slice + 1) & SLICE_PREEMPTED
				? 'the CPU was taken away'
				: `it ${stateWords(model.data.meta.states[s.stateAt(ref.slice + 1)])}`;
		facts.push(`After it: ${after}.`);
	}
	return facts;
}

export function describeSlice(model: Model, ref: Ref): SliceText {
	const { data } = model;
	const s = data.slices[ref.thread];
	const { slice } = ref;
	const state = data.meta.states[s.stateAt(slice)];
	const w = s.waitAt(slice);
	const took = formatNs(s.start[slice + 1] - s.start[slice]);
	const facts: string[] = [];
	let what = stateWords(state);
	let stack: Place[] = [];
	let frame = 0;

	if (state === 'running') facts.push(...runningFacts(model, ref));
	else if (state === 'runnable') {
		facts.push(
			s.flagsAt(slice) & SLICE_PREEMPTED
				? `The scheduler took CPU ${s.cpuAt(slice)} away from it, for another thread.`
				: w >= 0
					? `It had been woken: ${whoEnded(model, w)}`
					: 'It was ready to run; all CPUs it may use were busy, or one had to wake up first.',
		);
	} else if (w >= 0) {
		what = whatFor(model, w);
		frame = data.waits.at('frame', w);
		stack = stackOf(model, data.waits.at('stack', w));
		if (data.waits.at('flags', w) & WAIT_FOUND) facts.push('It waited already when the recording began.');
		if (data.waits.owner[w] >= 0)
			facts.push(`When it began, ${model.threadNames[data.waits.owner[w]]} had the lock.`);
		facts.push(...holdersMeanwhile(model, w).map((f) => `${f}.`), whoEnded(model, w));
	}
	if (s.flagsAt(slice) & SLICE_CUT_START) facts.push('Cut: it began before the recording.');
	if (s.flagsAt(slice) & SLICE_CUT_END) facts.push('Cut: it had not ended when the recording did.');
	if (s.flagsAt(slice) & SLICE_LOSS) facts.push('Events were lost near it: state and end may be wrong.');
	return {
		title: `${model.threadNames[ref.thread]} ${what} for ${took}`,
		facts,
		stack,
		frame,
		next: followWords(model, ref),
	};
}

// ---- the chain: who or what is behind this slice ----

function lastBlocked(model: Model, ref: Ref): Ref | null {
	const s = model.data.slices[ref.thread];
	for (let i = ref.slice - 1; i >= 0; i--) if (s.stateAt(i) >= 2) return { thread: ref.thread, slice: i };
	return null;
}

// What kept a CPU from a thread that was preempted: the thread that ran there then.
function ranInstead(model: Model, ref: Ref): Ref | null {
	const { slices } = model.data;
	const s = slices[ref.thread];
	const t = s.start[ref.slice];
	for (let thread = 0; thread < slices.length; thread++) {
		const slice = sliceAt(model, thread, t + 1);
		if (
			thread !== ref.thread &&
			slice >= 0 &&
			!slices[thread].stateAt(slice) &&
			slices[thread].cpuAt(slice) === s.cpuAt(ref.slice)
		)
			return { thread, slice };
	}
	return null;
}

function causeOfWait(model: Model, w: number): { thread: number; t: number } | null {
	const { data } = model;
	const { waits } = data;
	if (waits.waker[w] >= 0) return { thread: waits.waker[w], t: waits.end[w] };
	if (waits.at('target', w) >= 0) return { thread: waits.at('target', w), t: waits.end[w] };
	if (waits.at('lock', w) >= 0) {
		const hold = holdAt(data, waits.at('lock', w), waits.start[w]);
		const thread = hold >= 0 ? data.holds[waits.at('lock', w)].thread[hold] : waits.owner[w];
		if (thread >= 0) return { thread, t: (waits.start[w] + waits.end[w]) / 2 };
	}
	return null;
}

// The slice to go to from here: the waker at the moment of waking, the holder, who ran instead; from a
// running slice, the wait before it.
export function follow(model: Model, ref: Ref): Ref | null {
	const s = model.data.slices[ref.thread];
	const w = s.waitAt(ref.slice);
	if (!s.stateAt(ref.slice)) return lastBlocked(model, ref);
	if (w < 0) return s.stateAt(ref.slice) === 1 ? ranInstead(model, ref) : null;
	const cause = causeOfWait(model, w);
	if (!cause) return null;
	const other = model.data.slices[cause.thread];
	// the waker is caught in the act: at the moment, or just before its own slice ended
	let slice = sliceAt(model, cause.thread, cause.t);
	if (slice < 0) slice = other.n - 1;
	if (slice > 0 && other.stateAt(slice) && other.start[slice] === cause.t) slice--;
	return slice >= 0 ? { thread: cause.thread, slice } : null;
}

function followWords(model: Model, ref: Ref): string {
	const to = follow(model, ref);
	if (!to) return '';
	const s = model.data.slices[ref.thread];
	if (!s.stateAt(ref.slice)) return 'what it waited for before';
	const name = model.threadNames[to.thread];
	const w = s.waitAt(ref.slice);
	if (w < 0) return `${name}, which ran instead`;
	return model.data.waits.waker[w] >= 0 ? `${name}, which woke it` : `${name}, which it waits for`;
}

// A figure and its unit stay on one line.
export const unbroken = (text: string): string => text.replace(/(\d) (?=(?:ns|µs|ms|s|min|h|%)(?:\W|$))/g, '$1\u00a0');

const SIGNALS: Record<number, string> = { 1: 'HUP', 2: 'INT', 3: 'QUIT', 6: 'ABRT', 8: 'FPE', 9: 'KILL', 11: 'SEGV', 15: 'TERM' };

// As a shell counts: what a signal ended has its number and 128.
export function exitWords(status: number | null): string {
	if (status === null) return '';
	const signal = SIGNALS[status - 128];
	return `, exit status ${status}${signal ? ` (SIG${signal})` : ''}`;
}

// A column of line numbers, one of which is marked.
export const lineNumber = (line: number, last: number, here: boolean): string =>
	(here ? '▶' : ' ') + String(line).padStart(String(last).length);

// A sentence begins with a capital, but a name stays as it is.
export function sentenceOf(model: Model, title: string): string {
	const { summary, locks, processes } = model.data.meta;
	const word = /^\S*?(?=[,:]?(\s|$))/.exec(title)?.[0] ?? '';
	const names = [...summary.threads.map((t) => t.name), ...locks.map((l) => l[1]), ...processes.map((p) => p[1])];
	// "worker" is the name of the kind of "worker-1" and "worker-2", too
	const named = names.some((name) => name.startsWith(word) && !/[a-z]/i.test(name.charAt(word.length)));
	return named ? title : title.charAt(0).toUpperCase() + title.slice(1);
}
