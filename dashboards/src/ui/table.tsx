// SPDX-License-Identifier: BSD-2-Clause
//
// A table that is sorted by a click on a column, and whose rows lead into the timeline.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Store } from '../store';
import { formatCount } from '../time';

export interface Col<Row> {
	title: string;
	value: (row: Row) => number | string;
	show?: (row: Row) => ComponentChildren;
	drawn?: true; // no figure in digits, though it is sorted by one
}

const ROWS = 200; // shown at first; all of them are sorted

function compare(a: number | string, b: number | string): number {
	return typeof a === 'number' && typeof b === 'number'
		? a - b
		: String(a).localeCompare(String(b), 'en', { numeric: true });
}

export function Table<Row>(props: {
	store: Store;
	caption: string;
	rows: Row[];
	cols: Col<Row>[];
	sort: number;
	up?: true; // the least first
	go: (row: Row) => void;
	lit?: (row: Row) => boolean;
}) {
	const sort = useSignal({ col: props.sort, down: !props.up });
	const all = useSignal(false);
	const { cols } = props;
	const { col, down } = sort.value;
	const rows = [...props.rows].sort(
		(a, b) => compare(cols[col].value(a), cols[col].value(b)) * (down ? -1 : 1),
	);
	const shown = all.value ? rows : rows.slice(0, ROWS);
	if (!rows.length) return <p class="dim">{props.caption}: none.</p>;
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label={props.caption}>
			<table>
				<caption>{props.caption}</caption>
				<thead>
					<tr>
						{cols.map((c, i) => (
							<th
								key={c.title}
								scope="col"
								aria-sort={i === col ? (down ? 'descending' : 'ascending') : 'none'}
							>
								<button
									type="button"
									onClick={() =>
										(sort.value = { col: i, down: i === col ? !down : typeof c.value(rows[0]) === 'number' })
									}
								>
									{c.title}
									{i === col ? (down ? ' ▾' : ' ▴') : ''}
								</button>
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{shown.map((row, i) => (
						<tr key={i} class={props.lit?.(row) ? 'lit' : ''}>
							{cols.map((c, k) => {
								const text = c.show ? c.show(row) : c.value(row);
								const number = typeof c.value(row) === 'number' && !c.drawn;
								return k === 0 ? (
									<th key={k} scope="row">
										<button
											type="button"
											class="link"
											onClick={() => {
												props.go(row);
												props.store.wanted.value++;
											}}
										>
											{text || '(no name)'}
										</button>
									</th>
								) : (
									<td key={k} class={number ? 'number' : ''}>
										{text}
									</td>
								);
							})}
						</tr>
					))}
				</tbody>
			</table>
			{shown.length < rows.length && (
				<button type="button" onClick={() => (all.value = true)}>
					Show all {formatCount(rows.length)}
				</button>
			)}
		</div>
	);
}
