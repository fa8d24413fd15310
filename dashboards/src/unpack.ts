// SPDX-License-Identifier: BSD-2-Clause
//
// From the page's data elements to bytes: base64, then gzip.  Each element is taken out of the document
// once read, so that a large trace is in memory once; the compressed bytes stay, for saving a copy.
import { DataError } from './load';

function decodeBase64(text: string): Uint8Array {
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

export function takeChunks(root: ParentNode): Uint8Array[] {
	const chunks: Uint8Array[] = [];
	for (const element of root.querySelectorAll('script.ct-data')) {
		chunks.push(decodeBase64(element.textContent ?? ''));
		element.remove();
	}
	if (!chunks.length)
		throw new DataError('There is no data in this page. Make one with: ctrace export TRACE -f html');
	return chunks;
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

export async function inflate(chunks: Uint8Array[]): Promise<Uint8Array> {
	if (typeof DecompressionStream === 'undefined')
		throw new DataError('This browser is too old for this page: it cannot decompress.');
	const parts: Uint8Array[] = [];
	try {
		const gzip = new DecompressionStream('gzip');
		const reader = gzip.readable.getReader();
		const writer = gzip.writable.getWriter();
		const fed = (async () => {
			for (const chunk of chunks) await writer.write(chunk as BufferSource);
			await writer.close();
		})();
		fed.catch(() => {}); // the reader tells of the same error
		for (;;) {
			const { value, done } = await reader.read();
			if (done) break;
			parts.push(value);
		}
		await fed;
	} catch {
		throw new DataError(
			'The data in this page is damaged: its checksum is wrong or a part is missing. Copy the file again, ' +
				'or make it anew from the trace: ctrace export TRACE -f html',
		);
	}
	return join(parts);
}
