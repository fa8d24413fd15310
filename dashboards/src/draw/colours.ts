// SPDX-License-Identifier: BSD-2-Clause
//
// Owns the colours and the patterns.  Okabe and Ito's colours can be told apart with any colour vision;
// what matters most has a pattern too, so that grey prints and projectors do.

export interface Ink {
	rgb: [number, number, number];
	// which pixels of a lane are darker: a second way to tell classes apart
	pattern: 'solid' | 'stripes' | 'dots' | 'bars' | 'rain' | 'columns';
	text: string; // on it
}

export interface Palette {
	dark: boolean;
	paper: string;
	lane: string; // the background of a lane
	text: string;
	dim: string;
	line: string;
	accent: string;
	states: Ink[]; // by class of state
	locks: Ink[]; // by class of a lock
	cpus: Ink[]; // 0: idle
	// accesses to watched variables: their marks differ in shape, too
	read: string;
	write: string;
	loss: string;
}

const ink = (hex: string, pattern: Ink['pattern'] = 'solid', text = '#000'): Ink => ({
	rgb: [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as Ink['rgb'],
	pattern,
	text,
});

// all of them running: tints of its green
const cpuInks = ['#009E73', '#5CC3A4', '#2FB08A', '#8FD8C2'].map((c) => ink(c));

export function palette(dark: boolean): Palette {
	const lane = dark ? '#1c2127' : '#f4f6f8';
	return {
		dark,
		lane,
		paper: dark ? '#14181d' : '#ffffff',
		text: dark ? '#e6e9ed' : '#15191e',
		dim: dark ? '#a3acb7' : '#55606d',
		line: dark ? '#343c46' : '#d5dae0',
		accent: dark ? '#ffffff' : '#000000',
		states: [
			ink('#009E73'),
			ink('#E69F00', 'rain'),
			ink('#D55E00', 'stripes'),
			ink('#CC79A7', 'dots'),
			ink('#56B4E9', 'bars'),
			ink(dark ? '#3a424c' : '#d9dee4', 'solid', dark ? '#e6e9ed' : '#15191e'),
			ink(dark ? '#6a737f' : '#9aa3ae', 'columns', '#000'),
		],
		locks: [ink(lane), ink('#56B4E9'), ink('#D55E00', 'stripes'), ink('#F0E442', 'dots')],
		cpus: [ink(lane), ...cpuInks],
		read: dark ? '#6cbdf0' : '#0072b2',
		write: dark ? '#e6e9ed' : '#15191e',
		loss: dark ? '#ff8a50' : '#c03a00',
	};
}

export const css = (i: Ink): string => `rgb(${i.rgb.join(' ')})`;

function isDark(pattern: Ink['pattern'], x: number, y: number): boolean {
	switch (pattern) {
		case 'stripes':
			return (x + y) % 7 < 2;
		case 'dots':
			return x % 5 === 0 && y % 5 === 0;
		case 'bars':
			return y % 5 === 0;
		case 'columns':
			return x % 5 === 0;
		case 'rain':
			return (x - y + 7000) % 7 === 0;
		default:
			return false;
	}
}

export const TILE = 35; // 5 and 7 divide it

// Pixels of some inks, one after the other, each by (x mod TILE, y mod TILE), as an ImageData wants them.
export function makeTiles(inks: Ink[]): Uint32Array {
	const out = new Uint32Array(inks.length * TILE * TILE);
	inks.forEach((i, k) => {
		const [plain, dark] = [1, 0.62].map((by) => {
			const [r, g, b] = i.rgb.map((c) => Math.round(c * by));
			return (255 << 24) | (b << 16) | (g << 8) | r;
		});
		for (let y = 0; y < TILE; y++)
			for (let x = 0; x < TILE; x++)
				out[(k * TILE + y) * TILE + x] = isDark(i.pattern, x, y) ? dark : plain;
	});
	return out;
}
