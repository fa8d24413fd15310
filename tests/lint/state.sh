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
bad=$(for object in $objects; do
	[ "$object" = "$B/user/base/log.o" ] && continue
	objdump -t "$object" | awk -v object="$object" '
		($(NF-2) ~ /^\.(data|bss|tdata|tbss)(\..*)?$/ && $(NF-2) !~ /^\.data\.rel\.ro/ ||
			$(NF-2) == "*COM*") && $0 !~ / d +\.(t?data|t?bss)/ && $(NF-1) !~ /^0+$/ {
			print object ": " $NF " in " $(NF-2)
		}'
done)
[ -n "$bad" ] && echo "$bad"
[ -z "$bad" ]
