// SPDX-License-Identifier: BSD-2-Clause
//
// Pure: the page's bytes, as they come, to whole sections, and sections to columns of numbers.  Each section gets
// memory of its own, so that it can be read, handed over and forgotten by itself.  The layout is in
// user/export/html_int.h.
export class DataError extends Error {}
export class MemoryError extends Error {} // the browser has not enough of it

const MAGIC = 'CTPAGE1\n';
const HEAD = 16; // bytes: tag, zero, length
const AT_ONCE = 64 << 20; // bytes: what a length alone, which may be wrong, makes us ask for

export class Splitter {
	private readonly head = new Uint8Array(HEAD);
	private headLength = 0;
	private magic = false;
	private tag = ''; // of the section that is being read
	private length = 0;
	private have = 0;
	private body = new Uint8Array(0);
	private ended = false;

	constructor(private readonly take: (tag: string, bytes: Uint8Array) => void) {}

	add(bytes: Uint8Array): void {
		for (let at = 0; at < bytes.length && !this.ended; ) {
			at += this.tag ? this.addToBody(bytes.subarray(at)) : this.addToHead(bytes.subarray(at));
			if (this.tag && this.have === this.length) {
				const { tag, body } = this;
				this.tag = '';
				this.body = new Uint8Array(0);
				this.take(tag, body);
			}
		}
	}

	private addToHead(bytes: Uint8Array): number {
		const want = this.magic ? HEAD : MAGIC.length;
		const part = bytes.subarray(0, want - this.headLength);
		this.head.set(part, this.headLength);
		this.headLength += part.length;
		if (this.headLength < want) return part.length;
		this.headLength = 0;
		if (this.magic) this.begin();
		else if (String.fromCharCode(...this.head.subarray(0, want)) === MAGIC) this.magic = true;
		else throw new DataError('The data in this page is of another version than its viewer.');
		return part.length;
	}

	private begin(): void {
		const tag = String.fromCharCode(...this.head.subarray(0, 4));
		this.ended = tag === 'END ';
		if (this.ended) return;
		this.tag = tag;
		this.length = Number(new DataView(this.head.buffer).getBigUint64(8, true));
		this.have = 0;
		this.body = new Uint8Array(Math.min(this.length, AT_ONCE));
	}

	private addToBody(bytes: Uint8Array): number {
		const part = bytes.subarray(0, this.length - this.have);
		const need = this.have + part.length;
		if (need > this.body.length) {
			const more = new Uint8Array(Math.min(this.length, Math.max(need, 2 * this.body.length)));
			more.set(this.body);
			this.body = more;
		}
		this.body.set(part, this.have);
		this.have = need;
		return part.length;
	}

	finish(): void {
		if (this.ended) return;
		if (!this.magic) throw new DataError('The data in this page is of another version than its viewer.');
		throw new DataError(
			this.tag
				? `The data in this page ends early, in "${this.tag.trim()}".`
				: 'The data in this page ends early: a part of the file is missing.',
		);
	}
}

export function splitSections(bytes: Uint8Array): Map<string, Uint8Array> {
	const sections = new Map<string, Uint8Array>();
	const splitter = new Splitter((tag, body) => sections.set(tag, body));
	splitter.add(bytes);
	splitter.finish();
	return sections;
}

// The numbers of one column, in order.
export class Column {
	private at = 0;

	constructor(
		private readonly bytes: Uint8Array,
		private readonly tag: string,
	) {}

	next(): number {
		const byte = this.bytes[this.at];
		if (byte < 128) {
			this.at++;
			return byte;
		}
		return this.long();
	}

	private long(): number {
		let value = 0;
		let scale = 1;
		for (let i = 0; i < 8; i++) {
			if (this.at >= this.bytes.length) throw new DataError(`"${this.tag}" has too few numbers.`);
			const byte = this.bytes[this.at++];
			value += (byte & 127) * scale;
			if (byte < 128) return value;
			scale *= 128;
		}
		throw new DataError(`"${this.tag}" has a number that is too large.`);
	}

	// < limit
	below(limit: number): number {
		const value = this.next();
		if (value >= limit) throw new DataError(`"${this.tag}" names something that is not there.`);
		return value;
	}

	// "+1" numbers: -1 for none
	index(limit: number): number {
		return this.below(limit + 1) - 1;
	}

	zigzag(): number {
		const n = this.next();
		return n % 2 ? -(n + 1) / 2 : n / 2;
	}

	get more(): boolean {
		return this.at < this.bytes.length;
	}

	finish(): void {
		if (this.more) throw new DataError(`"${this.tag}" has too many numbers.`);
	}
}

export class Sections {
	constructor(private readonly all: Map<string, Uint8Array>) {}

	has(tag: string): boolean {
		return this.all.has(tag);
	}

	peek(tag: string): Uint8Array {
		const bytes = this.all.get(tag);
		if (!bytes) throw new DataError(`The data in this page has no "${tag}".`);
		return bytes;
	}

	bytes(tag: string, length?: number): Uint8Array {
		const bytes = this.peek(tag);
		if (length !== undefined && bytes.length !== length)
			throw new DataError(`"${tag}" has ${bytes.length} entries instead of ${length}.`);
		this.all.delete(tag);
		return bytes;
	}

	column(tag: string): Column {
		return new Column(this.bytes(tag), tag);
	}

	ints(tag: string, n: number, get: (c: Column) => number): Int32Array {
		const column = this.column(tag);
		const out = new Int32Array(n);
		for (let i = 0; i < n; i++) out[i] = get(column);
		column.finish();
		return out;
	}
}
