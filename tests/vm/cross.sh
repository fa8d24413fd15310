#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# ctrace, the demos and the libraries they need, for a guest with an arm64 processor: Debian's arm64
# packages of what ctrace is built with are unpacked (not installed) into DIR/root, and clang and lld
# build against them into DIR/build.  Kept from run to run; remove DIR to have newer packages.
#
#     tests/vm/cross.sh DIR compiler    the compiler's command line, for one program more
#     tests/vm/cross.sh DIR build       all of it; status 77 and the reason where it cannot be had
#
# `apt` with the options for arm64 is the caller's: $APT_OPTIONS, a word a line.

set -u
cd "$(dirname "$0")/../.." || exit 99
B=${B:-build}
DIR=$1
ROOT=$DIR/root

# What ctrace is linked with (user/gen/deps.sh), and what runs in the guest beside it.
PACKAGES="libc6-dev libbpf-dev libelf-dev libdw-dev zlib1g-dev libjansson-dev libprotobuf-c-dev
	libiberty-dev libzydis-dev busybox-static bpftool"
# What those depend on and no program of ours asks for: sanitizers, Kerberos, half of the download.
UNUSED='^(lib(.*san|itm|gomp|tirpc|nsl|.*krb5|k5crypto|keyutils|ssl|com-err)[-0-9.a-z]*|rpcsvc-proto)$'

skip() {
	echo "$*"
	exit 77
}

apt() { # command...
	# shellcheck disable=SC2086 # words
	(cd "$DIR" && timeout 120 "$@") 2>/dev/null
}

list_packages() {
	local libgcc
	libgcc=$(apt apt-cache $APT_OPTIONS pkgnames libgcc- | grep -xE 'libgcc-[0-9]+-dev' | sort -V | tail -n 1)
	[ "$libgcc" ] && apt apt-get $APT_OPTIONS -s --no-install-recommends install $PACKAGES "$libgcc" |
		awk '/^Inst/ { print $2 }' | grep -vE "$UNUSED"
}

# Links to places that a program of this system would find are turned to those of the packages.
mend_links() { # root
	local link
	find "$1" -type l -lname '/*' | while read -r link; do
		ln -sfn "$ROOT$(readlink "$link")" "$link"
	done
}

fetch_root() {
	local packages deb
	[ -e "$ROOT/usr/include/stdio.h" ] && return
	packages=$(list_packages)
	[ "$packages" ] || return 1
	rm -rf "$DIR/debs" "$ROOT" "$ROOT.new"
	mkdir -p "$DIR/debs" "$ROOT.new"
	# shellcheck disable=SC2086
	(cd "$DIR/debs" && timeout 300 apt-get -qq $APT_OPTIONS download $packages 2>/dev/null) || return 1
	for deb in "$DIR"/debs/*.deb; do
		dpkg-deb -x "$deb" "$ROOT.new" || return 1
	done
	mend_links "$ROOT.new"
	rm -r "$DIR/debs"
	mv "$ROOT.new" "$ROOT"
}

mkdir -p "$DIR" && DIR=$(realpath "$DIR") || exit 99
ROOT=$DIR/root
COMPILER="clang --target=aarch64-linux-gnu --sysroot=$ROOT --gcc-toolchain=$ROOT/usr -fuse-ld=lld"
COMPILER="$COMPILER -Wno-unused-command-line-argument"

case ${2:-} in
compiler) echo "$COMPILER" ;;
build)
	fetch_root || skip "no packages for arm64 in reach"
	# the page is the same everywhere
	mkdir -p "$DIR/build" && cp -u "$B/viewer.html" "$DIR/build/"
	make -j"$(nproc)" --no-print-directory B="$DIR/build" ARCH=arm64 CC="$COMPILER" \
		LDFLAGS=-Wl,--strip-debug "$DIR/build/ctrace" demos
	;;
*)
	echo "usage: cross.sh DIR compiler | build"
	exit 99
	;;
esac
