#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# ctrace has one thread: no object makes another, so there is nothing for the thread sanitizer to
# find.  Whoever adds one adds a lane to tests/sanitize.sh that records a program with it, built with
# -fsanitize=thread, and this passes again.  (That no library makes one: e2e/faults.py looks.)

B=${B:-build}
objects=$(find "$B/user" "$B/gen" -name '*.o' 2>/dev/null | sort)
if [ -z "$objects" ]; then
	echo "SKIP nothing is built under $B/user"
	exit 77
fi
grep -q -- '-fsanitize=thread' tests/sanitize.sh && exit 0
# shellcheck disable=SC2086
found=$(nm -A -u $objects | grep -wE 'pthread_create|thrd_create|clone|clone3|timer_create') || exit 0
echo "$found" | sed 's/$/   (a thread: give tests\/sanitize.sh a lane with -fsanitize=thread)/'
exit 1
