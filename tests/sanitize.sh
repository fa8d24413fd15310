#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 900
#
# Everything again, built with the address, leak and undefined-behaviour sanitizers: the unit tests,
# every export of every text trace against its expectation, the trace files that are broken, and, as
# root, the recordings of SANITIZED_E2E.

set -u
cd "$(dirname "$0")/.." || exit 99
FROM=${B:-build}
export B=$FROM/sanitize CTRACE=$FROM/sanitize/ctrace LC_ALL=C TZ=UTC COLUMNS=100
SANITIZED_E2E=${SANITIZED_E2E:-e2e/nasty e2e/start}
number=0 bad=0
unset NO_COLOR

echo 'int main(void) { return 0; }' | ${CC:-gcc} -fsanitize=address,undefined -x c - -o /dev/null 2>/dev/null || {
	echo "SKIP ${CC:-gcc} has no sanitizers (its libasan and libubsan are missing)"
	exit 77
}
make -s -j"$(nproc)" B="$B" CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	"$CTRACE" units || exit 99
mkdir -p "$B/out"
# what libelf and libdw leak in broken files is theirs, and so is the string
# that libdw 0.188 follows past the end of a broken .debug_line: which of the
# damaged files has one depends on the paths in them, that is on the folder
printf 'leak:libelf.so\nleak:libdw.so\n' >"$B/leaks"
printf 'interceptor_via_lib:libdw.so\n' >"$B/overreads"
export ASAN_OPTIONS=suppressions=$PWD/$B/overreads:print_suppressions=0
export LSAN_OPTIONS=suppressions=$PWD/$B/leaks:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1

verdict() { # what, 0 or not, file with the reason
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		tail -n 60 "$3"
		bad=1
	fi
}

sound() { # file: no report of a sanitizer in it
	! grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$1"
}

units() {
	local test out status
	for test in tests/unit/test_*.c; do
		test=$(basename "$test" .c)
		out=$B/out/$test
		timeout -k 5 300 "$B/tests/unit/$test" >"$out" 2>&1
		status=$?
		[ $status -eq 124 ] && echo "it took more than 300 s" >>"$out"
		[ $status -eq 0 ] && sound "$out"
		verdict "$test" $? "$out"
	done
}

# report -v has all of the report's code in it; the others are one each
exports() {
	local trace format status=0 out=$B/out/export err=$B/out/export.err
	for trace in tests/traces/*.ctt; do
		status=0
		for format in report-verbose json csv folded text; do
			case $format in
			report-verbose) "$CTRACE" report -v "$trace" ;;
			*) "$CTRACE" export "$trace" -f $format -o - ;;
			esac >"$out" 2>"$err" && sound "$err" &&
				cmp "tests/golden/$(basename "$trace" .ctt).$format.expect" "$out" >>"$err" || status=1
			[ $status -eq 0 ] || break
		done
		verdict "$(basename "$trace"): every export" $status "$err"
	done
}

broken() {
	local trace command out=$B/out/broken
	for trace in tests/format/*.ctrace; do
		for command in "report -v" "export -f json -o -" "export -f text -o -"; do
			# shellcheck disable=SC2086
			set -- $command
			"$CTRACE" "$1" "$trace" "${@:2}"
			case $? in 0 | 125) ;; *) echo "ERROR: AddressSanitizer? status" ;; esac
		done >"$out" 2>&1
		sound "$out"
		verdict "$(basename "$trace")" $? "$out"
	done
}

# Leaks are not looked for here: a process that gave up its rights cannot be looked into.
recordings() {
	local out=$B/out/recordings
	[ "$(id -u)" -eq 0 ] || { echo "ok $((++number)) - recordings # SKIP they need root"; return; }
	# shellcheck disable=SC2086
	ASAN_OPTIONS=detect_leaks=0 DEMOS_OF=$FROM tests/run.sh $SANITIZED_E2E >"$out" 2>&1
	verdict "recordings: $SANITIZED_E2E" $? "$out"
}

units
exports
broken
recordings
exit $bad
