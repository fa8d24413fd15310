#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Generated files that are committed equal what their generator makes today.  One line per file:
# the file, then the command that writes it to standard output.

B=${B:-build}
out=$(mktemp) || exit 99
trap 'rm -f "$out"' EXIT
failed=0

generated() {
	cat <<'TABLE'
include/EVENTS.md            build/gen/schema_gen events-md
dashboards/src/schema.gen.ts build/gen/schema_gen schema-ts
TABLE
}

while read -r file command; do
	git ls-files --error-unmatch "$file" >/dev/null 2>&1 || continue
	command=${command/#build\//$B/}
	if ! $command >"$out" 2>&1 || ! cmp -s "$out" "$file"; then
		echo "$file is stale: run $command > $file"
		failed=1
	fi
done < <(generated)

# and nothing that is built has been committed
built=$(git ls-files 'build/*' '*.o' '*.skel.h' '*.ctrace' '*.pyc' 2>/dev/null |
	grep -v '^tests/format/') # whose traces are there to be read
if [ -n "$built" ]; then
	echo "built files are committed:" $built
	failed=1
fi
exit $failed
