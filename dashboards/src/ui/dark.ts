// SPDX-License-Identifier: BSD-2-Clause
//
// Owns which of the two palettes is in force.
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { palette, type Palette } from '../draw/colours';
import type { Store } from '../store';

type Theme = Store['theme'];
import { onPrint } from './print';

export function paletteOf(chosen: Theme): ReadonlySignal<Palette> {
	const query = window.matchMedia('(prefers-color-scheme: dark)');
	const systemDark = signal(query.matches);
	query.addEventListener('change', () => (systemDark.value = query.matches));
	const printing = signal(false);
	onPrint(
		() => (printing.value = true),
		() => (printing.value = false),
	);
	return computed(() => {
		const theme = chosen.value;
		const dark = !printing.value && (theme === 'auto' ? systemDark.value : theme === 'dark');
		document.documentElement.dataset.theme = dark ? 'dark' : 'light';
		return palette(dark);
	});
}
