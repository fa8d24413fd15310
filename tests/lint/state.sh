#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# No mutable state at file scope outside user/capture: the objects have no bytes in .data and .bss.
# (user/base/log.c keeps the message level, the one thing that every layer shares.)

B=${B:-build}
objects=$(find "$B/user" -name '*.o' ! -path "$B/user/capture/*" 2>/dev/null | sort)
if [ -z "$objects" ]; then
	echo "SKIP nothing is built under $B/user"
	exit 77
fi
bad=$(set -o pipefail
for object in $objects; do
	[ "$object" = "$B/user/base/log.o" ] && continue
	objdump -t "$object" | awk -v object="$object" '
		NF < 5 || $(NF-1) ~ /^0+$/ { next }
		{ section = $(NF-2) }
		section ~ /^\.data\.rel\.ro/ { next } # constant, but for what the loader writes there
		section == "*COM*" || section ~ /^\.t?(data|bss)(\.|$)/ {
			print object ": " $NF " in " section
		}' || exit 99
done) || exit 99
[ -n "$bad" ] && echo "$bad"
[ -z "$bad" ]
