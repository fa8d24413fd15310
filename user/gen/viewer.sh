#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Builds the page's viewer: one file of HTML, from dashboards/ with npm.
#
#     sh user/gen/viewer.sh FOLDER OUT
#
# ctrace can do without: where there is no npm, or its packages cannot be had, OUT is an empty file, one
# line says so, and the exit status is 0.  What is in the way of a viewer that could be built is an error.

folder=$1 out=$2

without() {
	echo "  the page is left out: $*; ctrace does everything else" >&2
	[ -e "$out" ] && [ ! -s "$out" ] || : >"$out"
	exit 0
}

command -v npm >/dev/null 2>&1 || without "there is no npm (make deps installs it)"
major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null)
[ "${major:-0}" -ge 18 ] || without "it needs node 18 or newer"

# npm leaves a list of what it installed; older than the lock file: packages have changed
list=$folder/node_modules/.package-lock.json
if [ ! -e "$list" ] || [ "$folder/package-lock.json" -nt "$list" ]; then
	(cd "$folder" && npm ci --omit=dev --no-audit --no-fund --prefer-offline --loglevel=error) ||
		without "npm could not install its packages (no network?)"
	touch "$list"
fi
node "$folder/build.mjs" "$out"
