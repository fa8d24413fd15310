#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Subjects of this branch's commits: "area: what it does", at most 72 columns, then an empty line.

areas='bpf|capture|symbols|trace|model|analysis|export|cmd|cli|base|viewer|demos|tests|build|docs|schema'

# Too long by a few columns, and seen too late to be said anew.
known='^(1448f2e|f89887c|5f1f13b)'

if ! git rev-parse HEAD >/dev/null 2>&1; then
	echo "SKIP no git history here"
	exit 77
fi
bad=$(git log --no-merges --format='%h %s' HEAD | grep -vE "$known" |
	while read -r commit subject; do
	echo "$subject" | grep -qE "^($areas): [a-z]" || echo "$commit '$subject' does not start with an area"
	[ ${#subject} -le 72 ] || echo "$commit '$subject' is longer than 72 columns"
	echo "$subject" | grep -q '\.$' && echo "$commit '$subject' ends with a full stop"
	git log -1 --format=%B "$commit" | sed -n 2p | grep -q . && echo "$commit: the second line is not empty"
done)
[ -n "$bad" ] && echo "$bad"
[ -z "$bad" ]
