// SPDX-License-Identifier: BSD-2-Clause
//
// From the page's data elements to bytes: base64, then gzip.  The data stand after the script, so that they
// are unpacked while the browser still reads the file.  Each element is taken out of the document once
// read; its text stays, for saving a copy.
import { DataError } from './sections';

export const NO_DATA = 'There is no data in this page. Make one with: ctrace export TRACE -f html';

// Calls look while the browser reads on, until that gives true; in the end with true, when all is there.
function whileRead(document: Document, look: (all: boolean) => boolean): Promise<void> {
	return new Promise((done) => {
		if (look(document.readyState !== 'loading')) {
			done();
			return;
		}
		const again = (all: boolean) => {
			if (!look(all) && !all) return;
			changes.disconnect();
			document.removeEventListener('DOMContentLoaded', last);
			done();
		};
		const last = () => again(true);
		const changes = new MutationObserver(() => again(false));
		changes.observe(document.body, { childList: true });
		document.addEventListener('DOMContentLoaded', last);
	});
}

// Whether the page is of two sides of runs: as soon as the browser has come to the data.
export async function isComparison(document: Document): Promise<boolean> {
	await whileRead(document, (all) => all || document.querySelector('.ct-part, script.ct-data') !== null);
	return document.querySelector('.ct-part') !== null;
}

export const whole = (document: Document): Promise<void> => whileRead(document, (all) => all);

// Calls take with the text of each data element as soon as it is whole; resolves with how many there were.
export async function takeElements(root: Document | Element, take: (text: string) => void): Promise<number> {
	let cnt = 0;
	await whileRead(root.ownerDocument ?? root, (all) => {
		for (const element of [...root.querySelectorAll('script.ct-data')]) {
			if (!all && !element.nextElementSibling) break; // the browser is in it
			cnt++;
			take(element.textContent ?? '');
			element.remove();
		}
		return all;
	});
	return cnt;
}

export function decodeBase64(text: string): Uint8Array {
	const quick = (Uint8Array as unknown as { fromBase64?: (s: string) => Uint8Array }).fromBase64;
	try {
		if (quick) return quick.call(Uint8Array, text);
		const binary = atob(text);
		const bytes = new Uint8Array(binary.length);
		for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
		return bytes;
	} catch {
		throw new DataError('The data in this page has been changed on its way: it is not base64.');
	}
}

function join(parts: Uint8Array[]): Uint8Array {
	const whole = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const part of parts) {
		whole.set(part, at);
		at += part.length;
	}
	return whole;
}

// Takes the texts one by one and gives the bytes in them as they come.  What goes wrong is said in the end.
export class Unpacker {
	private readonly writer: WritableStreamDefaultWriter<BufferSource>;
	private readonly read: Promise<void>;
	private wrong: DataError | null = null;

	constructor(take: (bytes: Uint8Array) => void) {
		if (typeof DecompressionStream === 'undefined')
			throw new DataError('This browser is too old for this page: it cannot decompress.');
		const gzip = new DecompressionStream('gzip');
		const reader = gzip.readable.getReader();
		this.writer = gzip.writable.getWriter();
		this.read = (async () => {
			for (;;) {
				const { value, done } = await reader.read();
				if (done) break;
				take(value);
			}
		})();
		this.read.catch(() => {}); // finish() tells
	}

	add(text: string): void {
		if (this.wrong) return;
		try {
			this.writer.write(decodeBase64(text) as BufferSource).catch(() => {});
		} catch (error) {
			this.wrong = error as DataError;
		}
	}

	async finish(): Promise<void> {
		const closed = this.writer.close();
		try {
			await Promise.all([closed, this.read]);
		} catch {
			this.wrong ??= new DataError(
				'The data in this page is damaged: its checksum is wrong or a part is missing. Copy the file again, ' +
					'or make it anew from the trace: ctrace export TRACE -f html',
			);
		}
		if (this.wrong) throw this.wrong;
	}
}

// The bytes of all data elements in it, here and now, and their texts.
export async function inflate(root: Document | Element): Promise<{ bytes: Uint8Array; texts: string[] }> {
	const parts: Uint8Array[] = [];
	const texts: string[] = [];
	const unpacker = new Unpacker((bytes) => parts.push(bytes));
	const take = (text: string) => {
		texts.push(text);
		unpacker.add(text);
	};
	if (!(await takeElements(root, take))) throw new DataError(NO_DATA);
	await unpacker.finish();
	return { bytes: join(parts), texts };
}
