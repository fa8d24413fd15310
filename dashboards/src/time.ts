// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: times and shares for people, in the words of ctrace's report; and the marks of a ruler.

function three(value: number): string {
	if (value >= 99.95) return value.toFixed(0);
	return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

// "999 ns", "1.23 µs", "45.6 ms", "7.89 s", "3 min 20 s"
export function formatNs(ns: number): string {
	const sign = ns < 0 ? '−' : '';
	const n = Math.abs(ns);
	if (n < 1000) return `${sign}${Math.round(n)} ns`;
	if (n < 999_500) return `${sign}${three(n / 1e3)} µs`;
	if (n < 999_500_000) return `${sign}${three(n / 1e6)} ms`;
	if (n < 60e9) return `${sign}${three(n / 1e9)} s`;
	return `${sign}${Math.floor(n / 60e9)} min ${Math.floor((n % 60e9) / 1e9)} s`;
}

export function formatShare(part: number, whole: number): string {
	const share = whole ? (100 * part) / whole : 0;
	if (part > 0 && share < 0.1) return '<0.1 %';
	if (share === 0 || share === 100) return `${share} %`;
	return share < 9.95 ? `${share.toFixed(1)} %` : `${Math.round(share)} %`;
}

export function formatCount(n: number): string {
	return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

// The distance of a ruler's marks: 1, 2 or 5 times a power of ten, at least `min` ns.
export function rulerStep(min: number): number {
	const power = 10 ** Math.floor(Math.log10(Math.max(1, min)));
	for (const times of [1, 2, 5, 10]) if (power * times >= min) return power * times;
	return power * 10;
}

// The time of a mark, with as many digits as tell it from its neighbours.
export function formatMark(t: number, step: number): string {
	const [unit, scale] =
		step >= 1e8 ? ['s', 1e9] : step >= 1e5 ? ['ms', 1e6] : step >= 100 ? ['µs', 1e3] : ['ns', 1];
	const digits = Math.max(0, Math.round(Math.log10(scale)) - Math.floor(Math.log10(step) + 1e-9));
	return `${(t / scale).toFixed(digits)} ${unit}`;
}

// Both ends of a stretch, with digits enough to see a hundredth of it: "383.33 ms to 388.00 ms".
export function formatSpan(t0: number, t1: number): string {
	const [unit, scale] = t1 >= 10e9 ? ['s', 1e9] : ['ms', 1e6];
	const step = Math.max(1, (t1 - t0) / 100) / scale;
	const digits = Math.min(Math.log10(scale), Math.max(0, Math.ceil(-Math.log10(step))));
	return `${(t0 / scale).toFixed(digits)} ${unit} to ${(t1 / scale).toFixed(digits)} ${unit}`;
}
