// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: long names made short for display.  What a C++ compiler calls a function may fill the screen; what tells
// it apart from others is its name proper, and the file and line at the end.

const LIST_LEAST = 4; // characters between the brackets; a shorter list says as much as the mark for one
const IN_PROSE = 24;
const CUT = /\.\.\.(?= \(|$)/; // where a name was too long to be recorded whole
const FILE = /^\(\S+(:\d+|\+0x[\da-f]+)\)$/;

// Where the bracket at `from` is closed, or -1.  "->" and "=>" close nothing.
function closing(text: string, from: number): number {
	for (let i = from, depth = 0; i < text.length; i++) {
		if (text[i] === '<') depth++;
		else if (text[i] === '>' && !/[-=]/.test(text[i - 1]) && --depth === 0) return i;
	}
	return -1;
}

// "std::map<int, std::string>::find" -> "std::map<…>::find".  A comparison and an operator are no list.
function foldLists(text: string, least: number): string {
	let out = '';
	for (let i = 0; i < text.length; i++) {
		const opens = text[i] === '<' && /\w$/.test(out) && !/\boperator$/.test(out);
		const end = opens ? closing(text, i) : -1;
		const cut = opens && end < 0 ? text.slice(i).search(CUT) : -1;
		if (cut > 0) {
			out += '<…';
			i += cut + 2;
		} else if (end - i - 1 < least) out += text[i];
		else {
			out += '<…>';
			i = end;
		}
	}
	return out;
}

// A name in at most `most` characters: lists of template arguments go first, then those of functions, then the
// middle.
export function shortName(text: string, most: number): string {
	if (text.length <= most) return text;
	let short = foldLists(text, LIST_LEAST);
	// but not the file at the end
	if (short.length > most) short = short.replace(/\([^()]{4,}\)/g, (list) => (FILE.test(list) ? list : '(…)'));
	if (short.length <= most) return short;
	const file = /( \([^()]*\))?$/.exec(short)?.[0].length ?? 0;
	const tail = Math.min(most - 1, Math.max(file, Math.ceil((most - 1) / 2)));
	return `${short.slice(0, most - 1 - tail)}…${short.slice(-tail)}`;
}

// A sentence in which names stand.
export const foldNames = (text: string): string => foldLists(text, IN_PROSE);
