#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# clang-tidy (with all of clang --analyze), cppcheck and gcc -fanalyzer over user/, the demos and the
# programs of tests/bench, as far as they are installed.  A warning that is not in
# tests/analyze.accepted fails; that file says of each accepted one why.  Four minutes of CPU.
#
#     tests/analyze.sh [FILE...]    all of them, or some files

set -u
cd "$(dirname "$0")/.." || exit 99
B=${B:-build}
OUT=$B/analyze
ACCEPTED=tests/analyze.accepted
[ -e "$B/gen/version.h" ] || { echo "not built: make"; exit 99; }
mkdir -p "$OUT"
[ $# -gt 0 ] || set -- $(find user demos tests/bench -name '*.c' ! -path 'user/gen/*' | sort)
FLAGS="-std=gnu11 -Iinclude -Iuser -I$B/gen -D_GNU_SOURCE="
ran=

# Bugs, not taste: what the analyzer of clang finds, and the checks that find mistakes.
CHECKS='-*,clang-analyzer-*,bugprone-*,cert-err34-c,misc-redundant-expression'
CHECKS+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
CHECKS+=',-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions'
CHECKS+=',-bugprone-reserved-identifier,-bugprone-macro-parentheses'
CHECKS+=',-bugprone-implicit-widening-of-multiplication-result,-bugprone-assignment-in-if-condition'
CHECKS+=',-bugprone-branch-clone,-bugprone-suspicious-include,-bugprone-suspicious-string-compare'
CHECKS+=',-bugprone-not-null-terminated-result,-bugprone-misplaced-widening-cast,-bugprone-sizeof-expression'

if command -v clang-tidy >/dev/null; then
	ran="$ran clang-tidy"
	# shellcheck disable=SC2086
	printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 sh -c 'checks=$1 flags=$2; shift 2
		clang-tidy --quiet "--checks=$checks" "$@" -- $flags 2>/dev/null' sh "$CHECKS" "$FLAGS" |
		grep --line-buffered -E '(warning|error):' >"$OUT/clang-tidy"
fi
if command -v cppcheck >/dev/null; then
	ran="$ran cppcheck"
	# shellcheck disable=SC2086
	cppcheck -q -j "$(nproc)" --enable=warning,portability --inline-suppr --std=c11 \
		--suppress=missingIncludeSystem --template='{file}:{line}: warning: {message} [{id}]' \
		-Iinclude -Iuser -I"$B/gen" -D_GNU_SOURCE= -D__x86_64__ \
		'-DLIBBPF_OPTS(type,name,...)=struct type name = { __VA_ARGS__ }' "$@" 2>&1 | grep warning: >"$OUT/cppcheck"
fi
if "${CC:-gcc}" -fanalyzer -x c -c /dev/null -o /dev/null 2>/dev/null; then
	ran="$ran gcc-fanalyzer"
	# shellcheck disable=SC2086
	printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c 'gcc -O1 -fanalyzer -fdiagnostics-plain-output $0 \
		-c "$1" -o /dev/null 2>&1' "$FLAGS" | grep warning: >"$OUT/gcc-fanalyzer"
fi
[ "$ran" ] || { echo "SKIP no clang-tidy, no cppcheck and no gcc -fanalyzer here"; exit 77; }

# not of generated files, which are others' work; without line and column, so that an accepted one stays so when lines move
cat "$OUT"/clang-tidy "$OUT"/cppcheck "$OUT"/gcc-fanalyzer 2>/dev/null |
	sed -E "s|^$PWD/||" | grep -v "^$B/gen/" | sed -E "s/^([^:]*)(:[0-9]+)+: (warning|error): /\1: /" | sort | uniq -c |
	sed -E 's/^ *([0-9]+) /\1 x /' >"$OUT/found"
sed -E 's/^[0-9]+ x //' "$OUT/found" | grep -vxFf <(grep -v '^#' "$ACCEPTED") >"$OUT/new"
echo "ran:$ran; $(wc -l <"$OUT/found") warnings, $(wc -l <"$OUT/new") of them new"
cat "$OUT/new"
[ ! -s "$OUT/new" ]
