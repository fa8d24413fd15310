// SPDX-License-Identifier: BSD-2-Clause
//
// What nobody sees yet keeps nobody waiting: it is shown once the browser has drawn what stands above it.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

const PATIENCE_MS = 200; // with a browser that is never idle
const SOON_MS = 50; // with one that cannot tell

// In the order in which it is asked.
export function whenIdle(act: () => void): void {
	if (typeof requestIdleCallback === 'undefined') setTimeout(act, SOON_MS);
	else requestIdleCallback(act, { timeout: PATIENCE_MS });
}

export function Later({ children }: { children: ComponentChildren }): ComponentChildren {
	const due = useSignal(false);
	useLayoutEffect(() => whenIdle(() => (due.value = true)), []);
	return due.value ? children : null;
}
