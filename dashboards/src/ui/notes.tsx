// SPDX-License-Identifier: BSD-2-Clause
//
// Own notes, saved into a copy of the file: the page as it came, with the notes in an element of their own.
import type { Store } from '../store';

const NOTES = 'ct-notes';

// The page without its data, as it was before anything was drawn, and the data still compressed.
export interface Original {
	before: string;
	after: string;
	chunks: Uint8Array[];
}

const MARK = '<!--CTRACE-DATA-->';

export function keepOriginal(chunks: Uint8Array[]): Original {
	document.querySelector(`script.${NOTES}`)?.remove();
	const app = document.getElementById('app');
	const html = `<!doctype html>\n${document.documentElement.outerHTML}\n`;
	const at = app ? html.indexOf('</main>', html.indexOf('id="app"')) + '</main>'.length : 0;
	return { before: html.slice(0, at), after: html.slice(at).replace(MARK, ''), chunks };
}

export function readNotes(): string {
	try {
		return String(JSON.parse(document.querySelector(`script.${NOTES}`)?.textContent ?? '""'));
	} catch {
		return '';
	}
}

function base64(bytes: Uint8Array): string {
	let out = '';
	for (let i = 0; i < bytes.length; i += 0x6000)
		out += btoa(String.fromCharCode(...bytes.subarray(i, i + 0x6000)));
	return out;
}

export function copyWithNotes(original: Original, notes: string): Blob {
	const parts: string[] = [original.before, '\n'];
	for (const chunk of original.chunks)
		parts.push('<script type="application/octet-stream" class="ct-data">', base64(chunk), '</script>\n');
	parts.push(
		`<script type="application/json" class="${NOTES}">`,
		JSON.stringify(notes).replaceAll('<', '\\u003c'),
		'</script>\n',
		original.after,
	);
	return new Blob(parts, { type: 'text/html' });
}

function save(store: Store, original: Original): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(copyWithNotes(original, store.notes.value));
	link.download = 'ctrace-with-notes.html';
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function Notes({ store, original }: { store: Store; original: Original }) {
	return (
		<div class="notes">
			<label>
				Your notes on this run
				<textarea
					rows={6}
					value={store.notes.value}
					onInput={(e) => (store.notes.value = e.currentTarget.value)}
				/>
			</label>
			<p>
				<button type="button" onClick={() => save(store, original)}>
					Save a copy of this page with the notes
				</button>{' '}
				<span class="dim">They are kept nowhere else.</span>
			</p>
		</div>
	);
}
