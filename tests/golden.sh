#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
#
# Every text trace of tests/traces through every exporter and the report, compared byte by byte with
# tests/golden/<trace>.<output>.expect.
#
#     tests/golden.sh            compare; TAP on stdout, differences on stderr
#     tests/golden.sh --write    write the expectations anew; review them as a diff
#
# Each output is made three times: as expected; in another locale, time zone and directory, from a copy
# of the trace by another name; and through the exporter's -o FILE.  Same trace, same bytes.  An output
# that is not text is compared as text all the same, decoded by its own description.

cd "$(dirname "$0")/.." || exit 99
B=${B:-build}
CTRACE=$(realpath "${CTRACE:-$B/ctrace}") || exit 99
[ -x "$CTRACE" ] || { echo "$CTRACE is not built: make"; exit 99; }
unset NO_COLOR LANGUAGE
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

formats=$("$CTRACE" export --help | sed -n '/^Formats:/,$ s/^  \([a-z]\{1,\}\) .*/\1/p')
# the page holds the viewer; tests/page looks at it in a browser
formats=$(echo "$formats" | grep -vx html)
[ "$formats" ] || { echo "ctrace export --help names no formats"; exit 99; }
# report: plain; utf8: with block characters, wider; verbose: nothing left out
outputs="$formats report report-utf8 report-verbose"

# make OUTPUT TRACE: as expected
make_output() {
	case $1 in
	report) LC_ALL=C TZ=UTC COLUMNS=80 "$CTRACE" report "$2" ;;
	report-utf8) LC_ALL=C.UTF-8 TZ=UTC COLUMNS=120 "$CTRACE" report "$2" ;;
	report-verbose) LC_ALL=C TZ=UTC COLUMNS=100 "$CTRACE" report -v "$2" 2>/dev/null ;;
	*) LC_ALL=C TZ=UTC "$CTRACE" export "$2" -f "$1" -o - ;;
	esac
}

# A locale that writes figures otherwise ("1.234,5"), made for the test where it can be; else the C
# library takes its own, and the run still differs in time zone, directory and name.
if localedef -i de_DE -f UTF-8 "$tmp/de_DE.UTF-8" >/dev/null 2>&1; then
	export LOCPATH=$tmp
	german=de_DE.UTF-8
else
	echo "# no German locale here: compared under C.UTF-8"
	german=C.UTF-8
fi

# The same elsewhere.
make_elsewhere() {
	cp "$2" "$tmp/elsewhere.ctt"
	cd "$tmp" || exit 99
	case $1 in
	report) LC_ALL= LANG=C LC_NUMERIC=$german TZ=Asia/Kathmandu COLUMNS=80 "$CTRACE" report elsewhere.ctt ;;
	report-utf8) LC_ALL=$german TZ=America/Caracas COLUMNS=120 "$CTRACE" report elsewhere.ctt ;;
	report-verbose) LC_ALL=POSIX TZ=right/UTC COLUMNS=100 "$CTRACE" report -v elsewhere.ctt 2>/dev/null ;;
	*) LC_ALL=$german TZ=Asia/Kathmandu "$CTRACE" export elsewhere.ctt -f "$1" -o - ;;
	esac
}

make_file() {
	case $1 in
	report*) make_output "$1" "$2" ;;
	*) rm -f "$tmp/file" && "$CTRACE" export "$2" -f "$1" -o "$tmp/file" >&2 && cat "$tmp/file" ;;
	esac
}

# readable OUTPUT FILE: as text.  Of a protobuf a line for each packet; what its description does not
# know has a number for a name, and fails.
readable() {
	case $1 in
	perfetto)
		protoc-c --decode=ctrace.Trace -I user/export user/export/perfetto.proto <"$2" >"$tmp/decoded" || return 1
		grep -qE '^ *[0-9]+(:| \{)' "$tmp/decoded" && { echo "unknown fields" >&2; return 1; }
		awk '{ gsub(/^ +/, "") }
			$1 == "packet" { line = ""; next }
			$0 == "}" && !depth { print line; packets++; next }
			packets && /^(sequence_flags: 2|machine_id: [0-9]+)$/ { next } # of every packet
			$1 ~ /:$/ && $1 == key { sub(/^[^ ]* /, "") } # one more of a column
			$1 ~ /:$/ { key = $1 }
			$1 !~ /:$/ && !/^[-0-9"]/ { key = "" }
			{ depth += /\{$/; depth -= /^\}$/; line = line (line == "" ? "" : " ") $0 }' "$tmp/decoded" ;;
	*) cat "$2" ;;
	esac
}

number=0
bad=0
verdict() { # what, 0 or not
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		bad=$((bad + 1))
	fi
}

check_output() { # trace output
	local name expect status=0
	name=$(basename "$1" .ctt).$2
	expect=tests/golden/$name.expect
	[ -e "$expect" ] || { echo "$expect is missing: make golden" >&2; verdict "$name" 1; return; }
	for how in make_output make_elsewhere make_file; do
		if ! ($how "$2" "$1") >"$tmp/raw" 2>"$tmp/err"; then
			echo "$name: $how failed:" >&2
			cat "$tmp/err" >&2
			status=1
		elif [ $how != make_output ]; then
			cmp -s "$tmp/first" "$tmp/raw" && continue
			diff -au --label make_output --label "$how" "$tmp/first" "$tmp/raw" | head -n 60 >&2
			status=1
		elif mv "$tmp/raw" "$tmp/first" && ! readable "$2" "$tmp/first" >"$tmp/out"; then
			status=1
		elif ! diff -u --label "$expect" --label "$how" "$expect" "$tmp/out" >"$tmp/diff"; then
			head -n 60 "$tmp/diff" >&2
			status=1
		fi
	done
	verdict "$name" $status
}

# Pairs of traces beside each other: tests/diff/NAME.a.ctt and NAME.b.ctt, and what diff says of them.
pair_outputs="text utf8 json"

make_pair() { # output name, in the directory of the traces
	case $1 in
	text) COLUMNS=80 "$CTRACE" diff "$2.a.ctt" "$2.b.ctt" ;;
	utf8) COLUMNS=120 "$CTRACE" diff -v "$2.a.ctt" "$2.b.ctt" 2>/dev/null ;;
	json) "$CTRACE" diff --json "$2.a.ctt" "$2.b.ctt" ;;
	esac
}

pair_here() {
	cd tests/diff || exit 99
	[ "$1" = utf8 ] && export LC_ALL=C.UTF-8 || export LC_ALL=C
	TZ=UTC make_pair "$1" "$2"
}

pair_elsewhere() {
	cp tests/diff/"$2".[ab].ctt "$tmp/"
	cd "$tmp" || exit 99
	[ "$1" = utf8 ] && export LC_ALL=$german || export LC_ALL= LANG=C LC_NUMERIC=$german
	TZ=Asia/Kathmandu make_pair "$1" "$2"
}

check_pair() { # name output
	local expect=tests/diff/$1.$2.expect status=0
	[ -e "$expect" ] || { echo "$expect is missing: make golden" >&2; verdict "diff $1.$2" 1; return; }
	for how in pair_here pair_elsewhere; do
		($how "$2" "$1") >"$tmp/out" 2>"$tmp/err" || { cat "$tmp/err" >&2; status=1; }
		diff -u --label "$expect" --label "$how" "$expect" "$tmp/out" >&2 || status=1
	done
	verdict "diff $1.$2" $status
}

pairs() {
	local trace
	for trace in tests/diff/*.a.ctt; do
		basename "$trace" .a.ctt
	done
}

check_stale() {
	local expect trace output
	for expect in tests/diff/*.expect; do
		trace=$(basename "$expect" .expect)
		[ -e "tests/diff/${trace%.*}.a.ctt" ] && [[ " $pair_outputs " == *" ${trace##*.} "* ]] && continue
		echo "$expect belongs to no pair: delete it" >&2
		verdict "stale $(basename "$expect")" 1
	done
	for expect in tests/golden/*.expect; do
		[ -e "$expect" ] || continue
		trace=$(basename "$expect" .expect)
		output=${trace##*.}
		[ -e "tests/traces/${trace%.*}.ctt" ] && [[ " ${outputs//$'\n'/ } " == *" $output "* ]] && continue
		echo "$expect belongs to no trace or no output: delete it" >&2
		verdict "stale $(basename "$expect")" 1
	done
}

write_all() {
	local trace output name
	mkdir -p tests/golden
	rm -f tests/golden/*.expect
	for trace in tests/traces/*.ctt; do
		for output in $outputs; do
			name=$(basename "$trace" .ctt).$output.expect
			(make_output "$output" "$trace") >"$tmp/raw" || bad=$((bad + 1))
			readable "$output" "$tmp/raw" >"tests/golden/$name" || bad=$((bad + 1))
		done
	done
	rm -f tests/diff/*.expect
	for trace in $(pairs); do
		for output in $pair_outputs; do
			(pair_here "$output" "$trace") >"tests/diff/$trace.$output.expect" || bad=$((bad + 1))
		done
	done
	echo "$(find tests/golden tests/diff -name '*.expect' | wc -l) expectations written; review them: git diff"
}

[ -n "$(find tests/traces -name '*.ctt' -print -quit)" ] || { echo "tests/traces holds no *.ctt"; exit 1; }
case ${1-} in
--write) write_all ;;
'')
	for trace in tests/traces/*.ctt; do
		for output in $outputs; do
			check_output "$trace" "$output"
		done
	done
	for pair in $(pairs); do
		for output in $pair_outputs; do
			check_pair "$pair" "$output"
		done
	done
	check_stale
	;;
*) echo "usage: tests/golden.sh [--write]"; exit 99 ;;
esac
[ "$bad" -eq 0 ]
