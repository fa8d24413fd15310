#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 900
#
# Fuzzes what reads bytes from others: fuzz_*.c, with address and undefined-behaviour sanitizers.
#
#     tests/fuzz/run.sh [SECONDS [HARNESS...]]    SECONDS in all (60), split over the harnesses
#
# Begins with the inputs of corpus/HARNESS.tar.xz; what is found goes on in build/fuzz/, so that a
# longer run (make fuzz) builds upon those before it.  A crash, a leak, or an input that takes more
# than half a minute fails, and is kept in build/fuzz/found/.

set -u
cd "$(dirname "$0")/../.." || exit 99
B=${B:-build}
HERE=tests/fuzz
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- reader trace text elf
bad=0 number=0

echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
	"${CLANG:-clang}" -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null || {
	echo "SKIP ${CLANG:-clang} has no fuzzer (make deps-test)"
	exit 77
}
make -s -j"$(nproc)" B="$B" fuzzers || exit 99
# what libelf and libdw leak in broken files is theirs
printf 'leak:libelf.so\nleak:libdw.so\n' >"$B/fuzz/leaks"
export LSAN_OPTIONS=suppressions=$B/fuzz/leaks:print_suppressions=0
mkdir -p "$B/fuzz/found"

for harness; do
	work=$B/fuzz/corpus/$harness
	log=$B/fuzz/$harness.log
	number=$((number + 1))
	mkdir -p "$work" && tar -xJf "$HERE/corpus/$harness.tar.xz" -C "$work" || exit 99
	if "$B/fuzz/$harness" -max_total_time=$((seconds / $#)) -entropic=0 -timeout=30 -rss_limit_mb=2000 \
		-max_len=8192 -print_final_stats=1 -artifact_prefix="$B/fuzz/found/$harness-" \
		"$work" >"$log" 2>&1; then
		echo "ok $number - $harness: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
	else
		echo "not ok $number - $harness"
		grep -vE '^#[0-9]+.(NEW|REDUCE|pulse)' "$log" | tail -n 60
		bad=1
	fi
done
exit $bad
