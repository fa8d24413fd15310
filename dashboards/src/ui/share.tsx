// SPDX-License-Identifier: BSD-2-Clause
//
// A share of a whole as a bar, in the colour of what it is a share of, with the figure behind it.
import { css, type Ink } from '../draw/colours';
import { formatShare } from '../time';

export function Share({ part, whole, ink, about }: { part: number; whole: number; ink: Ink; about: string }) {
	return (
		<span class="share">
			<span aria-hidden="true">
				<i
					class={`swatch ${ink.pattern}`}
					style={{ width: `${whole ? (100 * part) / whole : 0}%`, backgroundColor: css(ink) }}
				/>
			</span>
			{`${about}${formatShare(part, whole)}`}
		</span>
	);
}
