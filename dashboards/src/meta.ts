// SPDX-License-Identifier: BSD-2-Clause
//
// The JSON part of the data, as types: the summary has the keys of `ctrace export -f json`
// (user/export/json.c), the rest is user/export/html_meta.c.

export type Times = Record<string, number>;

export interface Switches {
	voluntary: number;
	involuntary: number;
}

export interface ThreadRow {
	tid: number;
	pid: number;
	name: string;
	start_ns: number;
	end_ns: number;
	running_ns: number;
	runnable_ns: number;
	blocked_ns: Times;
	switches: Switches;
	kernel_switches: Switches | null;
	switches_agree: boolean | null;
	cpu_ns: number | null; // as the kernel counts it
	migrations: number;
	kind: string;
	runnable_max_ns: number;
	lossy: boolean;
	cut: { start: boolean; end: boolean };
}

export interface FindingRow {
	id: string;
	severity: 'info' | 'low' | 'medium' | 'high';
	certainty: 'seen' | 'inferred';
	cost_ns: number;
	share: number;
	lines: string[];
	evidence: string;
	lesson: string;
	advice: string;
	title: string;
	because_of: string | null;
	since_ns?: number;
	until_ns?: number;
}

export interface LockSummary {
	id: string;
	sites: {
		function: string | null;
		file: string | null;
		line: number | null;
		wait_ns: number;
		waits: number;
	}[];
	blocked_by: { waiter: number | null; owner: number | null; waits: number; wait_ns: number }[];
	holders_ns: Times;
}

export interface WhatIf {
	change: string;
	duration_ns: number;
	speedup: number;
	at_least_ns: number;
	saves_at_most_ns: number;
	lock: string | null;
	tid: number | null;
	assumes: string;
}

export interface WatchRow {
	name: string;
	address: string;
	size: number;
	pid: number;
	sharing: string;
	reads: number;
	writes: number;
	complete: boolean;
	locks: string[];
	threads: { tid: number; reads: number; writes: number }[];
	lost_updates: number;
}

export interface Summary {
	run: {
		argv: string[];
		pid: number;
		exit_status: number | null;
		duration_ns: number;
		cpus: number;
		kernel: string;
		ctrace: string;
		start_time: string | null;
		host: string;
		complete: boolean;
		unrecorded?: { name: string; tid: number; since_ns: number }[];
		attached: boolean;
		cpu_samples_hz: number;
		events: number;
		futex: string;
		cost: { probes_ns: number | null; collector_ns: number | null };
	};
	loss: { events: number; by_kind: Record<string, number>; damage: string | null; anomalies: number };
	threads: ThreadRow[];
	locks: LockSummary[];
	parallelism: {
		mean_running: number;
		running_ns: number[]; // by how many
		wait_cpu_ns: number;
		alone_ns: number;
		alone_waiting_ns: Times;
		alone_threads: { tid: number | null; ns: number }[];
	};
	lines: {
		function: string | null;
		file: string | null;
		line: number | null;
		reason: string;
		waits: number;
		wait_ns: number;
		max_wait_ns: number;
		threads: number;
	}[];
	wakers: { waker: number | null; wakee: number | null; wakes: number; ended_ns: number }[];
	work: { kind: string; fits: string };
	what_if: WhatIf[];
	what_if_replay: { duration_ns: number; error: number; cpus: number; usable: boolean };
	findings: FindingRow[];
	watch?: WatchRow[]; // with --watch
}

export interface Source {
	path: string;
	newer: boolean;
	from: number[];
	text: string[][];
}

export interface Meta {
	summary: Summary;
	states: string[];
	strings: string[];
	frames: [fn: number, file: number, line: number, module: number, offset: number, inlined: number][];
	stacks: number[][];
	syscalls: Record<string, string>;
	threads: [process: number, parent: number, startFrame: number, prio: number, flags: number][];
	processes: [pid: number, name: string][];
	locks: [
		id: number,
		name: string,
		kind: string,
		process: number,
		address: string,
		waits: number,
		waitNs: number,
		maxNs: number,
		maxWaiters: number,
		shared: number,
	][];
	findings: {
		threads: number[];
		locks: number[];
		frames: number[];
		hang?: [thread: number, wait: number, owner: number, holds: number][];
		watched?: number; // index into watched: a finding about a variable
	}[];
	wakers: [waker: number, wakee: number][]; // + 1
	losses: [since: number, until: number, cpu: number, kind: string, count: number][];
	sources: Record<string, Source>;
	// one for each of summary.watch
	watched: {
		threads: number[];
		spans: [since: number, until: number][];
		witness: number[];
		racy: number[];
		type: string;
		words: string;
	}[];
	locksets: string[][];
}
