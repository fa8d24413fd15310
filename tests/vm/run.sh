#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 1200
#
# Boots the kernels of kernels.txt under qemu, each with ctrace, the demos and guest.sh in its first
# file system, and judges what they recorded (judge.py).  Needs no root and installs nothing: kernels
# are unpacked from the distribution's packages into build/vm/ and kept there.
#
#     tests/vm/run.sh [NAME...]    all, or some, of kernels.txt
#
# A kernel that cannot be had (no network, not a Debian, the package gone) is skipped, loudly; so is
# one for arm64 where ctrace cannot be built for that processor (cross.sh).

set -u
cd "$(dirname "$0")/../.." || exit 99
B=${B:-build}
HERE=tests/vm
VM=$B/vm
# seconds for one kernel; it is an end, not a measure (an emulated boot takes 3 s on an idle machine)
BOOT_LIMIT_S=${BOOT_LIMIT_S:-300}
number=0 bad=0

skip_all() {
	echo "SKIP $*"
	exit 77
}

for tool in qemu-system-x86_64 cpio busybox python3 gzip; do
	command -v $tool >/dev/null || skip_all "$tool is not installed (make deps-test)"
done
command -v apt-get >/dev/null || skip_all "kernels come as Debian packages, and there is no apt-get"
[ "$(uname -m)" = x86_64 ] || skip_all "the kernels of kernels.txt are for x86_64"
[ -x "$B/ctrace" ] || { echo "$B/ctrace is not built: make"; exit 99; }
mkdir -p "$VM/lists/partial" "$VM/cache/archives/partial" || exit 99
VM=$(realpath "$VM")
CROSS=$VM/arm64-build
: >"$VM/nothing-installed"

# ---- kernels ----------------------------------------------------------------------------------

# "site suite" of the machine's own Debian sources
own_sources() {
	apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian //p' | sort -u
}

# The machine's own mirror, for a suite that it does not list: the host of its Debian sources.  "."
# is what it does list, for another processor.
write_source() { # suite, file
	local site
	site=$(own_sources | case $1 in
		.) cat ;;
		*-security) grep -- -security | sed -n "1s/ .*/ $1/p" ;;
		*) grep -v -- -security | sed -n "1s/ .*/ $1/p" ;;
		esac)
	[ "$site" ] && echo "$site" | sed 's/.*/deb & main/' >"$2"
}

source_list() { # suite
	case $arch in
	amd64) echo "$VM/$1.list" ;;
	*) echo "$VM/$arch-${1#.}.list" ;;
	esac
}

# apt for a suite: the machine's own configuration, or a private one that touches nothing outside
apt_options() { # suite
	[ "$1 $arch" = ". amd64" ] && return
	printf '%s\n' -o "Dir::Etc::sourcelist=$(source_list "$1")" -o Dir::Etc::sourceparts=/dev/null \
		-o "Dir::State::lists=$VM/lists" -o "Dir::Cache=$VM/cache" -o APT::Get::List-Cleanup=0
	[ "$arch" = amd64 ] || printf '%s\n' -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
		-o "Dir::State::status=$VM/nothing-installed"
}

update_suite() { # suite; once a run
	local list
	list=$(source_list "$1")
	[ "$1 $arch" = ". amd64" ] && return
	[ -e "$list" ] && [ -z "$(find "$list" -mmin +720)" ] && return
	write_source "$1" "$list" || return
	# shellcheck disable=SC2046 # one word a line, none with spaces but in the build directory's name
	timeout 60 apt-get -qq $(apt_options "$1") update 2>/dev/null || { rm -f "$list"; return 1; }
}

# The newest package that matches; unpacks its kernel, prints the path.
fetch_kernel() { # suite pattern
	local package kernel
	kernel=$(find "$VM" -maxdepth 1 -name 'vmlinuz-*' | grep -E "/vmlinuz-$2\$" | sort -V | tail -n 1)
	# what was unpacked before does for a day, so that a run needs no network
	[ "$kernel" ] && [ -z "$(find "$kernel" -mmin +1440)" ] && echo "$kernel" && return
	if update_suite "$1"; then
		# shellcheck disable=SC2046
		package=$(apt-cache $(apt_options "$1") pkgnames linux- | grep -xE "$2" | sort -V | tail -n 1)
	fi
	[ "${package:-}" ] || { [ "$kernel" ] && echo "$kernel"; return; }
	if [ "$kernel" = "$VM/vmlinuz-$package" ]; then
		touch "$kernel"
	else
		# shellcheck disable=SC2046
		(cd "$VM" && timeout 120 apt-get -qq $(apt_options "$1") download "$package" 2>/dev/null &&
			dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xO --wildcards '*/vmlinuz*' >"vmlinuz-$package.new" &&
			mv "vmlinuz-$package.new" "vmlinuz-$package")
		rm -f "$VM/$package"_*.deb "$VM/vmlinuz-$package.new"
		[ -s "$VM/vmlinuz-$package" ] && kernel=$VM/vmlinuz-$package
	fi
	[ "$kernel" ] && echo "$kernel"
}

# ---- the guest's file system --------------------------------------------------------------------

# The libraries that a program for arm64 needs, from the packages that it was built with.
copy_libraries() { # program
	local library file
	for library in ld-linux-aarch64.so.1 $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		[ -e "$root/lib/$library" ] && continue
		for file in "$CROSS"/root{/usr,}/lib{/aarch64-linux-gnu,}/"$library"; do
			[ -e "$file" ] && cp -L "$file" "$root/lib/" && copy_libraries "$root/lib/$library" && break
		done
	done
}

copy_program() { # program: with the libraries it is linked to
	local library
	cp "$1" "$root/t/"
	[ "$arch" = amd64 ] || { copy_libraries "$1"; return; }
	for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
}

# What is for this processor; sets build, busybox, bpftool, compiler.
use_own() {
	build=$B
	busybox=$(command -v busybox)
	bpftool=$(command -v "$(sh user/gen/deps.sh bpftool)")
	compiler="gcc -O1"
}

# What is for arm64; prints why it cannot be had.  Return addresses are signed there, as some
# distributions have it.
use_cross() {
	local tool
	for tool in qemu-system-aarch64 clang ld.lld readelf make; do
		command -v $tool >/dev/null || { echo "$tool is not installed (make deps-test)"; return 77; }
	done
	update_suite . || { echo "no packages for arm64 in reach"; return 77; }
	APT_OPTIONS=$(apt_options .) "$HERE/cross.sh" "$CROSS" build >"$CROSS.log" 2>&1 ||
		{ tool=$?; tail -n 1 "$CROSS.log"; return $tool; }
	build=$CROSS/build
	busybox=$CROSS/root/bin/busybox
	bpftool=$CROSS/root/usr/sbin/bpftool
	compiler="$("$HERE/cross.sh" "$CROSS" compiler) -O1 -mbranch-protection=standard"
}

# The first file system of a guest with processor $arch; 77 and a line where there can be none.
make_initrd() {
	local program
	initrd=$VM/initrd-$arch.gz
	[ -z "${made[$arch]:-}" ] || return "${made[$arch]}"
	if [ "$arch" = amd64 ]; then use_own; else use_cross; fi
	made[$arch]=$?
	[ "${made[$arch]}" -eq 0 ] || return "${made[$arch]}"
	root=$scratch/$arch
	mkdir -p "$root"/{bin,proc,sys,dev,tmp,t,etc,lib}
	cp "$busybox" "$root/bin/busybox"
	cp "$HERE/guest.sh" "$root/init"
	chmod 755 "$root/init"
	$compiler -g -pthread tests/e2e/prog/locks.c -o "$scratch/locks" || exit 99
	if [ "$arch" = arm64 ]; then # as for a processor without instructions that add
		$compiler -g -pthread -march=armv8-a -mno-outline-atomics tests/e2e/prog/exclusive.c \
			-o "$root/t/exclusive" || exit 99
	fi
	for program in "$scratch/locks" "$build/ctrace" "$build"/demos/{deadlock,race,io} "$bpftool"; do
		copy_program "$program"
	done
	[ "$arch" != amd64 ] || strip -g "$root/t/ctrace"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$initrd"
}

# ---- booting ------------------------------------------------------------------------------------

# KVM only where the processor itself does it: under some hypervisors /dev/kvm is there and cannot run
# a stock kernel.  thread=single: with several threads the guest crashes when code is patched.
accelerator() {
	if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; }; then
		echo "-accel kvm -cpu host"
	else
		echo "-accel tcg,thread=single -cpu max,la57=off"
	fi
}

# pauth-impdef: signing by the architecture's own algorithm takes three times as long
machine() {
	case $arch in
	amd64) echo "qemu-system-x86_64 -M q35 $(accelerator)" ;;
	arm64) echo "qemu-system-aarch64 -M virt -accel tcg,thread=single -cpu max,pauth-impdef=on" ;;
	esac
}

# The serial port of the kernel's log comes first, that of the files second.
boot() { # kernel, where its log and its files go
	local console=ttyS0 port=isa-serial
	[ "$arch" = amd64 ] || { console=ttyAMA0 port=pci-serial; }
	# shellcheck disable=SC2046
	timeout -k 5 "$BOOT_LIMIT_S" $(machine) -smp 2 -m 1G -nodefaults -no-user-config -display none \
		-serial stdio -chardev "file,id=files,path=$2/out.tar.gz" -device "$port,chardev=files" \
		-no-reboot -kernel "$1" -initrd "$initrd" \
		-append "console=$console quiet panic=-1 oops=panic softlockup_panic=1" \
		</dev/null 2>&1 | tr -d '\r' >"$2/log"
	grep -q '^@@ done' "$2/log" && tar -xzf "$2/out.tar.gz" -C "$2"
}

check_kernel() { # name suite pattern verdict
	local kernel dir=$VM/$1 start=$EPOCHREALTIME arch=${3##*-}
	number=$((number + 1))
	make_initrd >"$VM/why"
	case $? in
	0) ;;
	77)
		echo "ok $number - $1 # SKIP $(cat "$VM/why")"
		return
		;;
	*)
		echo "not ok $number - $1: ctrace cannot be built for $arch ($CROSS.log)"
		tail -n 40 "$CROSS.log"
		bad=1
		return
		;;
	esac
	kernel=$(fetch_kernel "$2" "$3")
	if [ -z "$kernel" ]; then
		echo "ok $number - $1 # SKIP no package $3 in reach (suite $2)"
		return
	fi
	rm -rf "$dir" && mkdir -p "$dir" || exit 99
	if boot "$kernel" "$dir" && "$HERE/judge.py" "$dir" "$4" >"$dir/judged" 2>&1; then
		echo "ok $number - $(basename "$kernel"): $(grep -c '^ok' "$dir/judged") checks"
	else
		echo "not ok $number - $(basename "$kernel") ($dir)"
		grep -v '^ok' "$dir/judged" 2>/dev/null || tail -n 40 "$dir/log"
		bad=1
	fi
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "# %.1f s\n", b - a }'
}

scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
declare -A made
while read -r name suite pattern verdict; do
	case $name in '' | '#'*) continue ;; esac
	[ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
	check_kernel "$name" "$suite" "$pattern" "$verdict" </dev/null
done <"$HERE/kernels.txt"
[ $number -gt 0 ] || { echo "kernels.txt has none of: $*"; exit 99; }
exit $bad
