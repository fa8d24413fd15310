#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The house style, as far as a pattern can check it: licence line, file comment, comments, width,
# names, and nothing left unfinished.

bad=$(mktemp) || exit 99
trap 'rm -f "$bad"' EXIT
complain() { sed "s|\$|   ($1)|" >>"$bad"; }

c_files=$(find include bpf user demos tests -name '*.[ch]' | sort)
all_files=$(find include bpf user demos tests .ci Makefile -type f \
	\( -name '*.[ch]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' -o -name '*.cc' -o -name run -o -name Makefile \) | sort)

for file in $c_files; do
	# what the kernel loads may use its GPL-only helpers, so it carries both licences
	head -n 1 "$file" | grep -qxE '/\* SPDX-License-Identifier: BSD-2-Clause( OR GPL-2.0)? \*/' ||
		echo "$file:1" | complain 'the first line is the licence'
	sed -n 2p "$file" | grep -q '^/\*' ||
		echo "$file:2" | complain 'a comment says what the file owns'
done
for file in $(echo "$all_files" | grep -vE '\.[chf]$|\.def$|^Makefile$'); do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
		echo "$file:1" | complain 'no licence line'
done

# strings and block comments are taken out before looking for line comments
for file in $c_files; do
	awk '{
		line = $0
		gsub(/\\"/, "", line); gsub(/"[^"]*"/, "\"\"", line); gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
		if (inside) { if (match(line, /\*\//)) { line = substr(line, RSTART + 2); inside = 0 } else next }
		if (match(line, /\/\*/)) { inside = 1; line = substr(line, 1, RSTART - 1) }
		if (line ~ /\/\//) print FILENAME ":" FNR
	}' "$file" | complain 'comments are /* */'
done

# a tab is eight columns wide, a character of several bytes one; shell and tables may be wider
for file in $(echo "$all_files" | grep -E '\.(c|h|cc|py)$'); do
	expand -t 8 "$file" | LC_ALL=C.UTF-8 awk -v file="$file" 'length($0) > 100 { print file ":" NR ": " length($0) }' |
		complain 'more than 100 columns'
done
grep -nE '[[:space:]]+$' $all_files | cut -d: -f1,2 | complain 'space at the end of the line'

# names: what leaves a file of user/ is ct_; times carry their unit
# (a folder's private header, *_int.h, may name its own)
for file in $(find user -name '*.h' ! -name '*_int.h' ! -path 'user/gen/*'); do
	grep -nE '^[a-z_].*[ *]([a-z_0-9]+)\(' "$file" | grep -vE '[ *](ct_[a-z_0-9]+|main|cmd_[a-z_0-9]+)\(|^[0-9]+:static|__attribute__|^[0-9]+:(typedef|enum|struct [a-z_]+ \{)' |
		sed "s|^|$file:|" | complain 'public names start with ct_'
done
grep -nE '\b(u64|u32|ct_ns|double|int|long) (timeout|duration|delay|elapsed|interval)\b *[;=,)]' \
	$(echo "$c_files" | grep -E '^(user|include|bpf)/') /dev/null | cut -d: -f1-2 | complain 'a time says its unit: _ns, _ms, _s'

# nothing unfinished, nothing that kills by name
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $(echo "$all_files" | grep -v '^tests/lint/style.sh$') /dev/null |
	cut -d: -f1,2 | complain 'finish it or write an issue'
grep -nE '\b(pkill|killall)\b' $(echo "$all_files" | grep -v '^tests/lint/style.sh$') /dev/null |
	cut -d: -f1,2 | complain 'processes are ended by pid'
# memory: the allocators of base/ end the program, so nobody checks
grep -nE '[^_[:alnum:]](malloc|calloc|realloc|strdup|strndup|asprintf)\(' \
	$(find user -name '*.c' ! -path 'user/base/mem.c' ! -path 'user/gen/*') /dev/null |
	grep -vE ':[[:space:]]*/?\*' | cut -d: -f1,2 | complain 'ct_alloc and its like'

cat "$bad"
[ ! -s "$bad" ]
