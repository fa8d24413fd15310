// SPDX-License-Identifier: BSD-2-Clause
//
// Own notes, saved into a copy of the file: the page as it came, with the notes in an element of their own.
import type { Store } from '../store';

const NOTES = 'ct-notes';

// The page without its data, as it was before anything was drawn, and the data as they came: of one run, or of the
// parts of a comparison.
export interface Original {
	before: string;
	after: string;
	parts: { name: string | null; texts: string[] }[];
}

// To be called before the browser has come to the data.
export function keepOriginal(): Original {
	const html = `<!doctype html>\n${document.documentElement.outerHTML}\n`;
	const at = html.lastIndexOf('</body>');
	return { before: html.slice(0, at), after: html.slice(at), parts: [] };
}

export function readNotes(): string {
	try {
		return String(JSON.parse(document.querySelector(`script.${NOTES}`)?.textContent ?? '""'));
	} catch {
		return '';
	}
}

export function copyWithNotes(original: Original, notes: string): Blob {
	const parts: string[] = [original.before, '\n'];
	for (const { name, texts } of original.parts) {
		if (name) parts.push(`<div class="ct-part" data-part="${name}" hidden>\n`);
		for (const text of texts)
			parts.push('<script type="application/octet-stream" class="ct-data">', text, '</script>\n');
		if (name) parts.push('</div>\n');
	}
	parts.push(
		`<script type="application/json" class="${NOTES}">`,
		JSON.stringify(notes).replaceAll('<', '\\u003c'),
		'</script>\n',
		original.after,
	);
	return new Blob(parts, { type: 'text/html' });
}

// A name that any file system takes.
function programOf(store: Store): string {
	const [program = ''] = store.model.data.meta.summary.run.argv;
	return program.replace(/^.*\//, '').replace(/[^\w.+-]+/g, '_') || 'ctrace';
}

function save(store: Store, original: Original): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(copyWithNotes(original, store.notes.value));
	link.download = `${programOf(store)}-with-notes.html`;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function Notes({ store, original }: { store: Store; original: Original }) {
	return (
		<div class="notes">
			<label>
				Your notes
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
