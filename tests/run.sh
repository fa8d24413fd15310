#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Selects tests, runs them one after another (the emulated machines beside others), counts.  See
# tests/README.md.
#
#     tests/run.sh all | check | root | lint | unit | golden | format | page | fuzz | sanitize
#                  | kernels | golden-write | NAME...
#
# A test is a program: status 0 passed, 77 skipped (it printed why), 99 the harness is broken, else
# failed.  Lines "ok ...", "not ok ..." and "ok ... # SKIP why" of its output (TAP) count one by one;
# a test without them counts as one.  It may say "# time limit: SECONDS" in its first lines.
# The last line of the output is always "N passed, N failed, N skipped".

cd "$(dirname "$0")/.." || exit 99
export LC_ALL=C TZ=UTC PYTHONDONTWRITEBYTECODE=1 CMOCKA_MESSAGE_OUTPUT=TAP
export B=${B:-build}
export CTRACE=${CTRACE:-$B/ctrace}
TIME_LIMIT_S=120
LOGS=$B/tests/log
passed=0 failed=0 skipped=0
failures=() flaky=() reasons=()
declare -A begun=()

finish() {
	local log
	[ ${#reasons[@]} -gt 0 ] && printf '\nskipped:\n' && printf '  %s\n' "${reasons[@]}" && echo
	[ ${#flaky[@]} -gt 0 ] && printf '\npassed only when asked again (mend them):\n' &&
		printf '  %s\n' "${flaky[@]}" && echo
	for log in "${failures[@]}"; do
		printf '\n---- %s\n' "${log#"$LOGS"/}"
		tail -n 200 "$log"
	done
	[ ${#failures[@]} -gt 0 ] && echo
	echo "$passed passed, $failed failed, $skipped skipped" | tee "$LOGS/counts"
	[ "$failed" -eq 0 ]
	exit
}

# Can this machine record?  Asked once; decides whether a skip is an excuse or a defect.
can_record() {
	if [ -z "$recording" ]; then
		if as_root "$CTRACE" doctor >/dev/null 2>&1; then recording=yes; else recording=no; fi
	fi
	[ "$recording" = yes ]
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -E "$@"; fi
}

be_root() {
	[ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

count() { # passed failed skipped
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# "name: test: why" for each that was skipped; a unit test says why on a line before its verdict.
list_skips() { # name log
	awk -v name="$1" '
		/^[# ]*(SKIP|skip)/ { why = $0; sub(/^[# ]*(SKIP|skipped)[: ]*/, "", why) }
		tolower($0) ~ /^(not )?ok .*# skip/ {
			test = $0; sub(/^(not )?ok [0-9]* *-? */, "", test)
			own = test; sub(/ *# *[Ss][Kk][Ii][Pp].*/, "", test)
			sub(/.*# *[Ss][Kk][Ii][Pp] */, "", own)
			if (!test) { test = own; own = "" } # cmocka: "# SKIP" and its name
			print name ": " test ": " (own ? own : why ? why : "no reason given")
			why = ""; parts++
		}
		END { if (!parts && why) print name ": " why }' "$2"
}

# Weighs one finished test: its status, its log, whether it is one that records.
weigh() { # name status log kind
	local name=$1 status=$2 log=$3 kind=$4 ok bad skips
	# cmocka says "not ok ... # SKIP" of a test that is skipped
	skips=$(grep -ciE '^(not )?ok .*# skip' "$log")
	ok=$(grep -E '^ok ' "$log" | grep -viEc '# skip')
	bad=$(grep -E '^not ok ' "$log" | grep -viEc '# skip')
	verdict=pass
	case $status in
	0) [ "$bad" -gt 0 ] && verdict=FAIL ;;
	77) verdict=skip ;;
	124 | 137) echo "time limit of $limit s reached" >>"$log"; verdict=FAIL ;;
	99) echo "the harness is broken (status 99)" >>"$log"; verdict=FAIL ;;
	*) verdict=FAIL ;;
	esac
	# a registry that cannot be reached says nothing about recording
	if [ "$kind" = e2e ] && { [ $verdict = skip ] || [ "$skips" -gt 0 ]; } &&
		! grep -q '^SKIP network: ' "$log" && can_record; then
		echo "skipped although this machine can record (ctrace doctor): that is a failure" >>"$log"
		verdict=FAIL bad=$((bad + skips)) skips=0
	fi
	case $verdict in
	pass) [ $((ok + skips)) -eq 0 ] && ok=1 ;;
	FAIL) [ "$bad" -eq 0 ] && bad=1; failures+=("$log") ;;
	skip) [ "$skips" -eq 0 ] && skips=1 ;;
	esac
	count "$ok" "$bad" "$skips"
	[ "$skips" -gt 0 ] && [ $verdict != FAIL ] &&
		mapfile -t -O ${#reasons[@]} reasons < <(list_skips "$name" "$log")
	why=
	[ $verdict = skip ] && why="  $(grep -iE 'skip' "$log" | tail -n 1)"
	[ $((ok + bad + skips)) -gt 1 ] && why="  ($ok of $((ok + bad + skips)))"
}

# Recordings of real programs depend on how busy the machine is meanwhile: what fails is asked once
# more.  It is listed all the same: a flaky test is a defect, of the test or of ctrace.
depends_on_the_machine() { # kind name
	[ "$1" = e2e ] || [[ $2 == vm/* ]]
}

failed_now() { # status log
	[ "$1" -ne 77 ] && { [ "$1" -ne 0 ] || grep -E '^not ok ' "$2" | grep -qviE '# skip'; }
}

limit_of() { # command...
	local limit
	limit=$(head -n 20 "$1" 2>/dev/null | tr -d '\0' | sed -n 's/^# time limit: \([0-9]*\)$/\1/p')
	echo "${limit:-$TIME_LIMIT_S}"
}

# Beside other tests, on another CPU; run_one of the same name waits for it.
begin() { # name command...
	local name=$1
	shift
	[ "$(nproc)" -gt 1 ] || return
	mkdir -p "$(dirname "$LOGS/$name")"
	timeout -k 10 "$(limit_of "$@")" "$@" >"$LOGS/$name.log" 2>&1 </dev/null &
	begun[$name]=$!
}

run_one() { # kind name command...
	local kind=$1 name=$2 start=$EPOCHREALTIME status log ms
	shift 2
	log=$LOGS/$name.log
	mkdir -p "$(dirname "$log")"
	limit=$(limit_of "$@")
	if [ "${begun[$name]:-}" ]; then
		wait "${begun[$name]}"
	else
		timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
	fi
	status=$?
	if depends_on_the_machine "$kind" "$name" && failed_now $status "$log"; then
		mv "$log" "${log%.log}.first.log"
		timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
		status=$?
		failed_now $status "$log" || flaky+=("$name: $(grep -m1 '^not ok ' "${log%.log}.first.log")")
	fi
	ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	weigh "$name" $status "$log" "$kind"
	printf '%s  %-34s %4d.%d s%s\n' "$verdict" "$name" $((ms / 1000)) $((ms % 1000 / 100)) "$why"
}

run_script() { # path of a lint, golden, format or e2e script
	local name=${1#tests/}
	name=${name%.*}
	case $1 in
	tests/e2e/*)
		if [ "$(id -u)" -eq 0 ]; then
			run_one e2e "$name" "$1"
		elif be_root; then
			run_one e2e "$name" sudo -n -E "$1"
		else
			run_one e2e "$name" sh -c 'echo "SKIP recording needs root"; exit 77'
		fi ;;
	*) run_one plain "$name" "$1" ;;
	esac
}

run_unit() { # path of a test binary
	run_one unit "unit/$(basename "$1")" "$1"
}

lint() { for t in tests/lint/*.sh; do run_script "$t"; done; }
unit() {
	local source binary
	for source in tests/unit/test_*.c; do
		[ -e "$source" ] || continue
		binary=$B/${source%.c}
		if [ -x "$binary" ]; then
			run_unit "$binary"
		else
			run_one unit "unit/$(basename "$binary")" \
				sh -c 'echo "not built: make units"; exit 1'
		fi
	done
}
golden() { [ ! -e tests/golden.sh ] || run_script tests/golden.sh; }
format() { for t in tests/format/*.sh; do [ -e "$t" ] && run_script "$t"; done; }
e2e() { for t in tests/e2e/*.sh tests/e2e/*.py; do [ -e "$t" ] && run_script "$t"; done; }
page() { for t in tests/page/*.sh tests/page/*.mjs; do [ -e "$t" ] && run_script "$t"; done; }
sanitize() { run_script tests/sanitize.sh; }
fuzz() { run_script tests/fuzz/run.sh; }
kernels() { run_script tests/vm/run.sh; }
check() { lint; unit; golden; format; page; }

named() { # "counts", "e2e/counts", "tests/e2e/counts.py", "test_order", "unit/test_order"
	local t found=
	for t in tests/lint/*.sh tests/golden.sh tests/sanitize.sh tests/format/*.sh tests/page/*.sh \
		tests/page/*.mjs tests/e2e/*.sh tests/e2e/*.py tests/vm/*.sh tests/fuzz/*.sh \
		tests/unit/test_*.c; do
		[ -e "$t" ] || continue
		case $1 in
		"$t" | "$(basename "$t")" | "$(basename "${t%.*}")" | "$(echo "${t%.*}" | cut -d/ -f2-)")
			found=1
			case $t in
			*.c) run_unit "$B/${t%.c}" ;;
			*) run_script "$t" ;;
			esac ;;
		esac
	done
	[ "$found" ] && return
	echo "no test is called '$1'"
	failed=$((failed + 1))
}

trap 'kill "${begun[@]}" 2>/dev/null; failed=$((failed + 1)); finish' INT TERM
mkdir -p "$LOGS" || exit 99
[ $# -gt 0 ] || set -- all
for selection; do
	case $selection in
	# emulated machines take minutes and one CPU: beside what is not to be disturbed by them
	all) begin vm/run tests/vm/run.sh; check; sanitize; fuzz; kernels; e2e ;;
	check | lint | unit | golden | format | page | sanitize | fuzz | kernels) "$selection" ;;
	root) e2e ;;
	golden-write) run_one plain golden-write tests/golden.sh --write ;;
	*) named "$selection" ;;
	esac
done
finish
