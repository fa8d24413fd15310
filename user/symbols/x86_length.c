/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many bytes an x86-64 instruction has: what it takes to find the jumps among the bytes of a
 * function without mistaking data for them.  Nothing else is decoded.
 *
 * An instruction is prefixes, an opcode of one of four maps, a modrm byte that may bring a scale
 * byte and a distance, and an immediate value.  The maps below say for each opcode which of these
 * follow; they were checked against a disassembler on all of Debian's C library.
 */
#include "symbols/symbols_int.h"

#define LENGTH_MAX 15 /* the processor takes no more */

/*
 * '-' nothing follows      'm' modrm         'b' 1 byte     'B' modrm and 1 byte
 * 'z' 4 bytes, 2 if 0x66   'Z' modrm and z   'j' 4 bytes    'w' 2 bytes   'e' 3 bytes
 * 'v' z, 8 bytes if REX.W  'a' an address    't' modrm, and a value if the operation is a test
 * '.' no such opcode, a prefix or the way to another map
 */
static const char one_byte_map[16][17] = {
	"mmmmbz..mmmmbz..", "mmmmbz..mmmmbz..", "mmmmbz..mmmmbz..", "mmmmbz..mmmmbz..",
	"................", "----------------", "...m....zZbB----", "bbbbbbbbbbbbbbbb",
	"BZ.Bmmmmmmmmmmmm", "----------.-----", "aaaa----bz------", "bbbbbbbbvvvvvvvv",
	"BBw-..BZe-w--b.-", "mmmm...-mmmmmmmm", "bbbbbbbbjj.b----", ".-..--tt------mm",
};
static const char two_byte_map[16][17] = {
	"mmmm.-----.-.m-B", "mmmmmmmmmmmmmmmm", "mmmm....mmmmmmmm", "--------........",
	"mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "BBBBmmm-mmmmmmmm",
	"jjjjjjjjjjjjjjjj", "mmmmmmmmmmmmmmmm", "---mBm..---mBmmm", "mmmmmmmmmmBmmmmm",
	"mmBmBBBm--------", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm",
};

struct prefixes {
	bool narrow;  /* 66 */
	bool address; /* 67 */
	bool wide;    /* REX.W */
};

static u32 read_prefixes(const u8 *code, struct prefixes *p)
{
	u32 at = 0;
	*p = (struct prefixes){ 0 };
	for (; at < LENGTH_MAX; at++) {
		u8 c = code[at];
		if (c != 0x66 && c != 0x67 && (c & 0xe7) != 0x26 && (c & 0xfe) != 0x64 &&
			c != 0xf0 && (c & 0xfe) != 0xf2)
			break;
		p->narrow |= c == 0x66;
		p->address |= c == 0x67;
	}
	if (at < LENGTH_MAX && (code[at] & 0xf0) == 0x40)
		p->wide = code[at++] & 8;
	return at;
}

static char look_up(const char map[16][17], u8 opcode)
{
	return map[opcode >> 4][opcode & 15];
}

/* Moves *at past the opcode. */
static char find_form(const u8 *code, u32 *at)
{
	u32 map = 0; /* 1: 0f, 2: 0f 38, 3: 0f 3a */
	u8 first = code[(*at)++];
	if (first == 0x0f) {
		map = code[*at] == 0x38 ? 2 : code[*at] == 0x3a ? 3 : 1;
		*at += map > 1;
	} else if (first == 0xc5) {
		map = 1;
		*at += 1;
	} else if (first == 0xc4) {
		map = code[*at] & 0x1f;
		*at += 2;
	} else if (first == 0x62) {
		map = code[*at] & 7;
		*at += 3;
	} else {
		return look_up(one_byte_map, first);
	}
	u8 opcode = code[(*at)++];
	return map == 1 ? look_up(two_byte_map, opcode) : map == 3 ? 'B' : map ? 'm' : '.';
}

u32 ct_x86__operand_bytes(const u8 *modrm)
{
	u32 mod = modrm[0] >> 6;
	u32 base = modrm[0] & 7;
	u32 len = 1;
	if (mod == 3)
		return len;
	if (base == 4) {
		base = modrm[1] & 7;
		len++;
	}
	if (mod == 1)
		return len + 1;
	return mod == 2 || base == 5 ? len + 4 : len;
}

static u32 value_bytes(char form, const struct prefixes *p, u8 first, u8 modrm)
{
	u32 z = p->narrow && !p->wide ? 2 : 4;
	switch (form) {
	case 'b':
	case 'B':
		return 1;
	case 'w':
		return 2;
	case 'e':
		return 3;
	case 'j':
		return 4;
	case 'z':
	case 'Z':
		return z;
	case 'v':
		return p->wide ? 8 : z;
	case 'a':
		return p->address ? 4 : 8;
	case 't':
		return modrm & 0x30 ? 0 : first == 0xf6 ? 1 : z;
	default:
		return 0;
	}
}

u32 ct_x86__length(const u8 code[CT_X86_BYTES])
{
	struct prefixes p;
	u32 at = read_prefixes(code, &p);
	if (at == LENGTH_MAX)
		return 0;
	u8 first = code[at];
	char form = find_form(code, &at);
	if (form == '.')
		return 0;
	u8 modrm = code[at];
	if (form == 'm' || form == 'B' || form == 'Z' || form == 't')
		at += ct_x86__operand_bytes(code + at);
	at += value_bytes(form, &p, first, modrm);
	return at <= LENGTH_MAX ? at : 0;
}
