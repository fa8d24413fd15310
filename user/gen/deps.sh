#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Installs what building ctrace and running its tests need, by the distribution's package manager.
#
#     sh user/gen/deps.sh build [test] [bench]    look; say what is missing; install that and look again
#     sh user/gen/deps.sh bpftool         print a bpftool that works on this machine
#
# What is there is found out by looking for the command, or by compiling against the library, so that
# nothing is asked of the package manager when nothing is missing.  CC and SUDO are respected.

set -u
CC=${CC:-gcc}

# Who needs it, how to tell that it is there, and its package for apt, dnf, pacman and zypper.  The
# first of a|b that the package manager knows is taken.
wanted() {
	# Ubuntu keeps bpftool and perf in packages of each kernel
	tools="linux-tools-$(uname -r)|linux-tools-generic"
	cat <<-END
		build cmd:$CC           gcc             gcc             gcc     gcc
		build cmd:make          make            make            make    make
		build cmd:clang         clang           clang           clang   clang
		build bpftool           bpftool|$tools  bpftool         bpf     bpftool
		build lib:c:stdio.h     libc6-dev       glibc-devel     glibc   glibc-devel
		build lib:bpf:bpf/libbpf.h      libbpf-dev  libbpf-devel  libbpf  libbpf-devel
		build lib:elf:gelf.h    libelf-dev      elfutils-libelf-devel libelf libelf-devel
		build lib:dw:elfutils/libdwfl.h libdw-dev   elfutils-devel libelf  libdw-devel
		build lib:z:zlib.h      zlib1g-dev      zlib-devel      zlib    zlib-devel
		build lib:jansson:jansson.h     libjansson-dev jansson-devel jansson libjansson-devel
		build lib:protobuf-c:protobuf-c/protobuf-c.h libprotobuf-c-dev protobuf-c-devel protobuf-c libprotobuf-c-devel
		build cmd:protoc-c      protobuf-c-compiler protobuf-c-compiler protobuf-c protobuf-c
		build lib:iberty:stdio.h        libiberty-dev  binutils-devel binutils binutils-devel
		page  cmd:node          nodejs          nodejs          nodejs  nodejs
		page  cmd:npm           npm             npm|nodejs-npm  npm     npm
		browser browser         chromium        chromium        chromium chromium
		build lib:Zydis:Zydis/Zydis.h   libzydis-dev   zydis-devel   zydis   zydis-devel
		test  cmd:g++           g++             gcc-c++         gcc     gcc-c++
		test  cmocka            libcmocka-dev   libcmocka-devel cmocka  libcmocka-devel
		test  cmd:sysbench      sysbench        sysbench        sysbench sysbench
		test  cmd:stress-ng     stress-ng       stress-ng       stress-ng stress-ng
		test  cmd:hackbench     rt-tests        realtime-tests  rt-tests rt-tests
		test  perf              linux-perf|$tools perf          perf    perf
		test  cmd:python3       python3         python3         python  python3
		test  cmd:xz            xz-utils        xz              xz      xz
		test  postgres          postgresql      postgresql-server postgresql postgresql-server
		test  pgbench           postgresql-contrib postgresql-contrib postgresql postgresql-contrib
		test  cmd:redis-server  redis-server    redis|valkey    redis|valkey redis|valkey
		test  cmd:redis-benchmark redis-tools   redis|valkey    redis|valkey redis|valkey
		test  cmd:strace        strace          strace          strace  strace
		test  cmd:jq            jq              jq              jq      jq
		test  setcap            libcap2-bin     libcap          libcap  libcap-progs
		test  cmd:setpriv       util-linux      util-linux      util-linux util-linux
		test  fuzzer            libclang-rt-14-dev|libclang-rt-dev|libclang-rt-18-dev compiler-rt compiler-rt clang
		test  cmd:cpio          cpio            cpio            cpio    cpio
		test  busybox           busybox-static  busybox         busybox busybox-static
		test  cmd:qemu-system-x86_64 qemu-system-x86 qemu-system-x86-core qemu-system-x86 qemu-x86
		test  cmd:qemu-system-aarch64 qemu-system-arm qemu-system-aarch64-core qemu-system-aarch64 qemu-arm
		test  cmd:ld.lld        lld             lld             lld     lld
		test  cmd:valgrind      valgrind        valgrind        valgrind valgrind
		bench cmd:trace-cmd     trace-cmd       trace-cmd       trace-cmd trace-cmd
		bench cmd:bpftrace      bpftrace        bpftrace        bpftrace bpftrace
		bench offcputime        bpfcc-tools     bcc-tools       bcc-tools bcc-tools
		test  cmd:node          nodejs          nodejs          nodejs  nodejs
		test  cmd:npm           npm             npm|nodejs-npm  npm     npm
		test  openmetrics       python3-prometheus-client python3-prometheus_client python-prometheus_client python3-prometheus_client
	END
}

# ---- is it there? ----------------------------------------------------------------------------

# The wrapper that Ubuntu has in /usr/sbin fails when there is no package for the running kernel;
# that of any other kernel does for what the build asks of it.
find_bpftool() {
	for tool in bpftool /usr/sbin/bpftool /usr/local/sbin/bpftool \
		/usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool; do
		"$tool" version >/dev/null 2>&1 && echo "$tool" && return
	done
	return 1
}

compiles() { # header library [text before]
	printf '%s\n#include <%s>\nint main(void) { return 0; }\n' "${3:-}" "$1" |
		"$CC" -x c - "-l$2" -o "$scratch/out"
}

any_file() { # pattern, unexpanded when there is none
	[ -e "$1" ]
}

have() {
	parser='import prometheus_client.openmetrics.parser'
	case $1 in
	cmd:*) command -v "${1#cmd:}" ;;
	lib:*)
		set -- "${1#lib:}"
		compiles "${1#*:}" "${1%%:*}"
		;;
	cmocka)
		compiles cmocka.h cmocka '#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>'
		;;
	bpftool) find_bpftool ;;
	openmetrics) python3 -c "$parser" || /usr/bin/python3 -c "$parser" ;;
	browser) command -v chromium || command -v chromium-browser ;;
	fuzzer) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
		clang -fsanitize=fuzzer,address -x c - -o "$scratch/out" ;;
	setcap) command -v setcap || any_file /usr/sbin/setcap || any_file /sbin/setcap ;;
	busybox) busybox true && ! ldd "$(command -v busybox)" ;;
	perf) perf version || any_file /usr/lib/linux-tools-*/perf ;;
	postgres) command -v postgres || any_file /usr/lib/postgresql/*/bin/postgres ;;
	offcputime) command -v offcputime-bpfcc || any_file /usr/share/bcc/tools/offcputime ;;
	pgbench) command -v pgbench || any_file /usr/lib/postgresql/*/bin/pgbench ;;
	esac >/dev/null 2>&1
}

# Lines of wanted() that are for one of the purposes in $1 and not there.
missing() {
	wanted | while read -r purpose check packages; do
		case " $1 " in *" $purpose "*) ;; *) continue ;; esac
		have "$check" || echo "$check $packages"
	done
}

# ---- package managers ------------------------------------------------------------------------

find_manager() {
	for manager in apt-get dnf pacman zypper; do
		command -v "$manager" >/dev/null 2>&1 && echo "$manager" && return
	done
	return 1
}

known() { # package
	case $manager in
	apt-get) apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]' ;;
	dnf) dnf -q info "$1" >/dev/null 2>&1 ;;
	pacman) pacman -Si "$1" >/dev/null 2>&1 ;;
	zypper) zypper -q info "$1" 2>/dev/null | grep -q '^Name' ;;
	esac
}

refresh() {
	case $manager in
	apt-get) as_root apt-get -q update ;;
	dnf) as_root dnf -q makecache ;;
	pacman) as_root pacman -Sy ;;
	zypper) as_root zypper -q refresh ;;
	esac
}

# RUNLEVEL: a server that comes with a package shall not be started by its installation
install() {
	case $manager in
	apt-get)
		as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get -q -y --no-install-recommends install "$@"
		;;
	dnf) as_root dnf -y install "$@" ;;
	pacman) as_root pacman -S --needed --noconfirm "$@" ;;
	zypper) as_root zypper -n install "$@" ;;
	esac
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else ${SUDO:-sudo} "$@"; fi
}

# Names of the packages for the lines on stdin, one each; "? CHECK NAMES" where none is known.
pick_packages() {
	while read -r check apt dnf pacman zypper; do
		case $manager in
		apt-get) names=$apt ;;
		dnf) names=$dnf ;;
		pacman) names=$pacman ;;
		zypper) names=$zypper ;;
		esac
		found=
		for name in $(echo "$names" | tr '|' ' '); do
			known "$name" && found=$name && break
		done
		echo "${found:-? $check $names}"
	done | sort -u
}

# ---- what is asked ---------------------------------------------------------------------------

fail() {
	echo "deps: $*" >&2
	exit 1
}

names_of() { # lines of missing() -> "gcc, libbpf"
	sed 's/ .*//; s/^cmd://; s/^lib:\([^:]*\):.*/lib\1/' | tr '\n' ' ' | sed 's/ $//; s/ /, /g'
}

install_missing() { # purposes
	lines=$(missing "$1")
	[ -z "$lines" ] && return
	echo "deps: missing: $(echo "$lines" | names_of)"
	manager=$(find_manager) ||
		fail "no apt-get, dnf, pacman or zypper here; install these by hand"
	[ "$(id -u)" -eq 0 ] || command -v "${SUDO:-sudo}" >/dev/null 2>&1 ||
		fail "not root, and no sudo: run 'sh $0 $1' as root"
	packages=$(echo "$lines" | pick_packages)
	case $packages in
	*'?'*)
		echo "deps: $manager update (a package is not known yet)"
		refresh || fail "'$manager' could not read its package lists; is the network there?"
		packages=$(echo "$lines" | pick_packages)
		;;
	esac
	unknown=$(echo "$packages" | sed -n 's/^? [^ ]* //p' | tr '\n' ' ')
	[ -n "$unknown" ] &&
		fail "$manager knows no package ${unknown}(is the network there, and the main repository on?)"
	packages=$(echo "$packages" | tr '\n' ' ' | sed 's/ $//')
	echo "deps: $manager install $packages"
	# shellcheck disable=SC2086 # a list of names
	install $packages || { echo "deps: once more, with new package lists"; refresh && install $packages; } ||
		fail "'$manager install $packages' failed; its own words are above"
	lines=$(missing "$1")
	[ -z "$lines" ] || fail "still missing after that: $(echo "$lines" | names_of)"
}

# The page and its tests: ctrace builds and is tested without them, so that failing is no failure.
install_page() { # purposes
	(install_missing page) || {
		echo "deps: without npm ctrace is built without its page"
		return
	}
	case " $1 " in *" test "*) ;; *) return ;; esac
	(install_missing browser) || echo "deps: without chromium the page is not tested"
	list=dashboards/node_modules/.package-lock.json
	[ -d dashboards/node_modules/playwright-core ] &&
		[ ! dashboards/package-lock.json -nt "$list" ] && return
	echo "deps: npm ci (in dashboards)"
	(cd dashboards && npm ci --no-audit --no-fund --prefer-offline --loglevel=error) &&
		touch "$list" || echo "deps: npm could not install what the page's tests need"
}

case ${1:-} in
bpftool) find_bpftool || { echo bpftool; exit 1; } ;;
build | test)
	scratch=$(mktemp -d) || fail "cannot make a directory in ${TMPDIR:-/tmp}"
	trap 'rm -rf "$scratch"' EXIT
	install_missing "$*"
	install_page "$*"
	;;
*) fail "usage: deps.sh build [test] | bpftool" ;;
esac
