#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Makes the pictures of the lab guide anew, from runs of this machine: demos/pictures.sh, as root or with
# sudo, after make. Needs node, and chromium with playwright-core (make deps-test).

set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
[ "$(id -u)" -eq 0 ] && sudo= || sudo=sudo
mkdir -p "$B/pictures" demos/pictures

# DEMO VARIANT [WHOLE]: with a finding, the place that proves it; whole: all of a healthy run
picture() {
	trace=$B/pictures/$1.ctrace
	$sudo "$B/ctrace" --quiet --no-html -o "$trace" "$B/demos/$1" "$2" ${4:-} >/dev/null 2>&1 || :
	"$B/ctrace" export "$trace" -f html -o "$B/pictures/$1.html"
	node tests/page/lib/screenshot.mjs "$B/pictures/$1.html" "demos/pictures/$1.png" ${3:-}
}

picture juggling one-core whole
picture waiting one-by-one
picture deadlock ab-ba '' 1
ls -l demos/pictures
