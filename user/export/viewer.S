/* SPDX-License-Identifier: BSD-2-Clause */
/* The viewer's one file, as bytes in ctrace; html.c writes it. */
	.section .rodata
	.globl ct_viewer_start, ct_viewer_end
ct_viewer_start:
	.incbin "viewer.html"
ct_viewer_end:
	.section .note.GNU-stack, "", %progbits
