// SPDX-License-Identifier: BSD-2-Clause
//
// Names that may be very long: short where they stand beside others, whole under the pointer.
import { foldNames, shortName } from '../names';

const MOST = 72;

const told = (short: string, text: string) => (short === text ? <>{text}</> : <span title={text}>{short}</span>);

export const Long = ({ text, most = MOST }: { text: string; most?: number }) => told(shortName(text, most), text);

// A sentence with names in it.
export const Prose = ({ text }: { text: string }) => told(foldNames(text), text);
