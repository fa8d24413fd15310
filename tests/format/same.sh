#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
#
# Same trace, same bytes: every exporter, and the report at one width, in other languages, time zones,
# terminals and directories, as another user, with other addresses and dirty memory, and compiled
# without optimisation.  (golden.sh says which bytes, and tries some of this with every text trace.)

cd "$(dirname "$0")/../.." || exit 99
B=${B:-build}
CTRACE=$(realpath "${CTRACE:-$B/ctrace}") || exit 99
[ -x "$CTRACE" ] || { echo "$CTRACE is not built: make"; exit 99; }
TRACES="traces/find_contention.ctt traces/find_lost.ctt traces/find_deadlock.ctt traces/loss.ctt
	traces/names.ctt traces/labels.ctt format/format1.1-watch.ctrace"
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir "$tmp/in" "$tmp/locales"
for trace in $TRACES; do
	cp "tests/$trace" "$tmp/in/" || exit 99
done
cp "$CTRACE" "$tmp/ctrace"
make -s -j"$(nproc)" B="$B/plain" CFLAGS=-O0 "$B/plain/ctrace" >"$tmp/made" 2>&1 || { cat "$tmp/made"; exit 99; }
plain=$(realpath "$B/plain/ctrace")
chmod -R a+rX "$tmp"
unset NO_COLOR LANGUAGE
formats="report $("$CTRACE" export --help | sed -n '/^Formats:/,$ s/^  \([a-z]\{1,\}\) .*/\1/p')"
[ "$formats" != "report " ] || { echo "ctrace export --help names no formats"; exit 99; }

# Figures as "1.234,5"; letters of which i is not the small one of I.
for locale in de_DE tr_TR; do
	localedef -i $locale -f UTF-8 "$tmp/locales/$locale.UTF-8" >/dev/null 2>&1 ||
		echo "# no locale $locale here: compared under the C library's own"
done
chmod -R a+rX "$tmp/locales"

# Of all outputs: format, trace, sum and exit status.
outputs() { # program, what goes before it
	local program=$1 trace format
	shift
	for trace in *.ctt *.ctrace; do
		for format in $formats; do
			case $format in
			report) set -- "$@" "$program" report -v "$trace" ;;
			*) set -- "$@" "$program" export "$trace" -f "$format" -o - ;;
			esac
			echo "$format $trace $("$@" 2>/dev/null | sha256sum; echo "${PIPESTATUS[0]}")"
			case $format in
			report) set -- "${@:1:$#-4}" ;;
			*) set -- "${@:1:$#-7}" ;;
			esac
		done
	done
}

cd "$tmp/in" || exit 99
export COLUMNS=100 LC_ALL=C TZ=UTC
outputs "$tmp/ctrace" >"$tmp/expected"
number=0 bad=0
if [ "$(grep -c . "$tmp/expected")" -lt 2 ] || grep -qvE '^0$| -$' "$tmp/expected"; then
	echo "not ok - every output is made"
	bad=1
fi

program=$tmp/ctrace
compare() { # name, what goes before the program
	local name=$1
	shift
	number=$((number + 1))
	outputs "$program" "$@" >"$tmp/got"
	if diff "$tmp/expected" "$tmp/got" >"$tmp/diff"; then
		echo "ok $number - $name: the same bytes"
	else
		echo "not ok $number - $name: the same bytes"
		head -n 20 "$tmp/diff" | sed 's/^/# /'
		bad=1
	fi
}

# the report draws with what the locale can write (LC_CTYPE): that is C's in all of them
compare "German, in Kathmandu" env LC_ALL= LC_CTYPE=C LANG=de_DE.UTF-8 LOCPATH="$tmp/locales" TZ=Asia/Kathmandu
compare "Turkish, in Caracas" env LC_ALL= LC_CTYPE=C LANG=tr_TR.UTF-8 LOCPATH="$tmp/locales" TZ=America/Caracas
compare "an empty environment" env -i COLUMNS=100
compare "memory that is not zero" env MALLOC_PERTURB_=165
compare "memory from elsewhere" env GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1024
if setarch "$(uname -m)" -R true 2>/dev/null; then
	compare "addresses that do not change" setarch "$(uname -m)" -R
else
	echo "ok $((++number)) - addresses that do not change # SKIP setarch -R is not allowed here"
fi
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	compare "another user, without a home" env HOME=/nonexistent USER=nobody \
		setpriv --reuid=65534 --regid=65534 --clear-groups
else
	compare "without a home" env HOME=/nonexistent USER=nobody
fi
mkdir "$tmp/elsewhere"
mv "$tmp/in" "$tmp/elsewhere/there"
cd "$tmp/elsewhere/there" || exit 99
compare "another directory"
program=$plain
compare "compiled without optimisation"

# the report fits the terminal, the exports know of none
program=$tmp/ctrace formats=${formats#report }
outputs "$program" >"$tmp/expected"
compare "Turkish throughout, no report" env LC_ALL=tr_TR.UTF-8 LOCPATH="$tmp/locales"
compare "German throughout, no report" env LC_ALL=de_DE.UTF-8 LOCPATH="$tmp/locales"
compare "a small terminal with colours, no report" \
	env LC_ALL=C.UTF-8 TERM=xterm-256color COLUMNS=33 LINES=5 CLICOLOR_FORCE=1
exit $bad
