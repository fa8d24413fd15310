// SPDX-License-Identifier: BSD-2-Clause
//
// On paper: light, and everything drawn at once, before the browser takes its picture.

export function onPrint(before: () => void, after: () => void): () => void {
	window.addEventListener('beforeprint', before);
	window.addEventListener('afterprint', after);
	return () => {
		window.removeEventListener('beforeprint', before);
		window.removeEventListener('afterprint', after);
	};
}
