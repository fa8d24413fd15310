#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Includes go one way only, from the probes to the reports, and each third-party library is visible in
# one folder.  The table is the architecture: change it only together with that.

bad=$(mktemp) || exit 99
trap 'rm -f "$bad"' EXIT

# folder | quoted includes it may have (extended regular expression, whole name)
layers() {
	cat <<'TABLE'
bpf           | (\.\./include/)?ct_abi\.h|ctrace_events\.def|[a-z_]*\.bpf\.h
user/base     | ct_base\.h|(base/)?[a-z_]*\.h
user/symbols  | ct_base\.h|ct_trace\.h|ct_abi\.h|base/[a-z_]*\.h|(symbols/)?[a-z_]*\.h
user/trace    | ct_base\.h|ct_abi\.h|ct_trace\.h|ctrace_events\.def|base/[a-z_]*\.h|(trace/)?[a-z_]*\.h
user/capture  | ct_base\.h|ct_abi\.h|ct_trace\.h|ctrace_events\.def|base/[a-z_]*\.h|symbols/symbolize\.h|ctrace\.skel\.h|syscall_table\.h|version\.h|(capture/)?[a-z_]*\.h
user/model    | ct_base\.h|ct_abi\.h|ct_trace\.h|ct_model\.h|ctrace_events\.def|base/[a-z_]*\.h|(model/)?[a-z_]*\.h
user/analysis | ct_base\.h|ct_model\.h|ct_findings\.h|ct_diff\.h|ct_outcomes\.h|ct_rules\.h|base/[a-z_]*\.h|(analysis/)?[a-z_]*\.h
user/export   | ct_base\.h|ct_trace\.h|ct_model\.h|ct_findings\.h|ct_diff\.h|ct_outcomes\.h|ct_rules\.h|ct_export\.h|base/[a-z_]*\.h|version\.h|perfetto\.pb-c\.h|(export/)?[a-z_]*\.h
user/cmd      | ct_[a-z]*\.h|base/[a-z_]*\.h|cli\.h|version\.h|capture/[a-z_]*\.h|symbols/symbolize\.h|(cmd/)?[a-z_]*\.h
user          | ct_[a-z]*\.h|base/[a-z_]*\.h|cli\.h|version\.h|cmd/[a-z_]*\.h
include       | ct_[a-z]*\.h|ctrace_events\.def
demos         | demo\.h|truth\.h
TABLE
}

# system include (extended regular expression) | the one folder that may have it; zlib has two, since
# both the trace and the page are files that it makes small
libraries() {
	cat <<'TABLE'
bpf/bpf_(helpers|tracing|core_read|endian)\.h | bpf
bpf/(bpf|libbpf|btf)\.h                       | user/capture
(lib|g)?elf\.h|dwarf\.h|elfutils/.*|dwfl\.h    | user/symbols
(libiberty/)?demangle\.h|libiberty.*           | user/symbols
Zydis/.*\.h                                   | user/capture user/symbols
zlib\.h|zstd\.h                               | user/trace user/export
jansson\.h                                    | user/export
(google/)?protobuf-c/.*|protobuf-c.*           | user/export
TABLE
}

includes() { # folder, opening, closing character -> file:line:name
	grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$2" "$1"/*.c "$1"/*.h 2>/dev/null |
		sed -E "s/^([^:]*:[0-9]+):.*$2([^\"<>]*)$3.*/\\1:\\2/"
}

# A name that may be in a folder of its own must really be there, else it is another layer's.
reachable() { # folder name
	case $2 in
	ct_*.h | ../include/ct_*.h | ctrace_events.def | version.h | syscall_table.h | demo_table.h | ctrace.skel.h | perfetto.pb-c.h) return 0 ;;
	*/*) [ -e "user/$2" ] ;;
	*) [ -e "$1/$2" ] || [ -e "user/$2" ] ;;
	esac
}

layers | while IFS='|' read -r folder allowed; do
	folder=$(echo "$folder" | tr -d ' ')
	allowed=$(echo "$allowed" | tr -d ' ')
	includes "$folder" '"' '"' | while IFS=: read -r file line name; do
		if ! echo "$name" | grep -qxE "$allowed" || ! reachable "$folder" "$name"; then
			echo "$file:$line: \"$name\" is not visible from $folder/" >>"$bad"
		fi
	done
done

libraries | while read -r row; do
	folders=${row##*| }
	header=$(echo "${row% |*}" | sed 's/ *$//')
	for other in bpf include demos user user/*/; do
		other=${other%/}
		case " $folders " in *" $other "*) continue ;; esac
		includes "$other" '<' '>' | while IFS=: read -r file line name; do
			echo "$name" | grep -qxE "$header" &&
				echo "$file:$line: <$name> belongs to $folders alone" >>"$bad"
		done
	done
done

# what a layer must not know at all (snprintf, which stdio.h declares, is neither input nor output)
for file in user/model/*.c user/analysis/*.c; do
	[ -e "$file" ] || continue
	grep -nE '#include <(time|sys/time|unistd|fcntl)\.h>|[^_[:alnum:]](FILE|stdin|stdout|stderr)\b' \
		"$file" | grep -vE ':[[:space:]]*/?\*' | sed "s|^|$file:|" >>"$bad"
	grep -nE '[^_[:alnum:]](getenv|v?f?printf|puts|fopen|open|read|write|time|clock_gettime)\(' \
		"$file" | grep -vE ':[[:space:]]*/?\*' | sed "s|^|$file:|" >>"$bad"
done

cat "$bad"
[ ! -s "$bad" ]
