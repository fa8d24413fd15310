#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The viewer's own: types, unit tests of its pure parts, its size, its lock file.

cd "$(dirname "$0")/../../dashboards" || exit 99
command -v node >/dev/null || { echo "SKIP node is not installed (make deps)"; exit 77; }
[ -e node_modules/typescript/bin/tsc ] || { echo "SKIP typescript is not installed (make deps-test)"; exit 77; }

says() { # name, status
	if [ "$2" -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi
}

node node_modules/typescript/bin/tsc --noEmit
says "types" $?

node test.mjs | sed 's/^\(ok\|not ok\) [0-9]* - /\1 - /'

out=$(mktemp)
trap 'rm -f "$out"' EXIT
node build.mjs "$out"
size=$(stat -c %s "$out")
echo "# viewer: $size bytes"
[ "$size" -gt 50000 ] && [ "$size" -lt 200000 ]
says "the viewer is under 200 kB" $?

# where a package is fetched from is the business of who fetches
! grep -nE '"resolved"|https?://(registry|[a-z.]*npm)' package-lock.json
says "the lock file names no registry" $?
