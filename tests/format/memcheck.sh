#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
#
# What reads traces, under valgrind: no byte is used that nobody wrote or owns, none is lost.  The
# sanitizers see other mistakes, and do not see bytes that were never set.  Broken trace files, and
# text traces of each kind of finding through every exporter, diff and check.

cd "$(dirname "$0")/../.." || exit 99
command -v valgrind >/dev/null || { echo "SKIP valgrind is not installed (make deps-test)"; exit 77; }
B=${B:-build}
export CTRACE=${CTRACE:-$B/ctrace} LC_ALL=C TZ=UTC COLUMNS=100
[ -x "$CTRACE" ] || { echo "$CTRACE is not built: make"; exit 99; }
out=$(mktemp -d) || exit 99
trap 'rm -rf "$out"' EXIT
export out
TRACES="find_contention find_lost loss find_deadlock"

# What the C library keeps of the user database's modules until the end.
cat >"$out/suppressions" <<'END'
{
   user-database
   Memcheck:Leak
   match-leak-kinds: reachable
   ...
   fun:_dl_open
   ...
}
END

formats=$("$CTRACE" export --help | sed -n '/^Formats:/,$ s/^  \([a-z]\{1,\}\) .*/\1/p')
[ "$formats" ] || { echo "ctrace export --help names no formats"; exit 99; }
{
	for trace in tests/format/*.ctrace; do
		echo "report -v $trace"
	done
	for trace in $TRACES; do
		echo "report -v tests/traces/$trace.ctt"
		for format in $formats; do
			echo "export tests/traces/$trace.ctt -f $format -o -"
		done
	done
	echo "diff -v tests/diff/lock.a.ctt tests/diff/lock.b.ctt"
	echo "diff --json tests/diff/hang.a.ctt tests/diff/hang.b.ctt"
	echo "report --json tests/traces/names.ctt"
	echo "export tests/format/format1.1-watch.ctrace -f text -o -"
	echo "check tests/format tests/traces/loss.ctt --rule threads==2"
} >"$out/commands"

# One command; damaged files end with 125, runs that break a rule with 90.
# shellcheck disable=SC2016
printf '%s\n' "$(cat "$out/commands")" | xargs -P "$(nproc)" -I '{}' bash -c '
	log=$(mktemp "$out/log.XXXXXX")
	set -- {}
	valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
		--suppressions="$out/suppressions" --error-exitcode=99 --log-file="$log" \
		"$CTRACE" "$@" >/dev/null 2>"$log.err"
	status=$?
	# an older valgrind does not know Landlock and says so; the program is told that there is none
	sed -i "/WARNING: unhandled .* syscall: 444$/,/it at http/d" "$log"
	case $status in
	0 | 90 | 125) [ ! -s "$log" ] && echo "ok - $*" && exit ;;
	esac
	echo "not ok - $* (status $status)"
	sed "s/^/# /" "$log" "$log.err" | head -n 40' | tee "$out/verdicts"
[ "$(grep -cE '^(not )?ok ' "$out/verdicts")" -eq "$(wc -l <"$out/commands")" ] ||
	{ echo "not ok - every command had its verdict"; exit 1; }
! grep -q '^not ok' "$out/verdicts"
