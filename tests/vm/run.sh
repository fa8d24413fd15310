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
# A kernel that cannot be had (no network, not a Debian, the package gone) is skipped, loudly.

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

# ---- kernels ----------------------------------------------------------------------------------

# The machine's own mirror, for a suite that it does not list: the host of its Debian sources.
write_source() { # suite
	local site
	site=$(apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian //p' | sort -u)
	case $1 in
	*-security) site=$(echo "$site" | grep -- -security) ;;
	*) site=$(echo "$site" | grep -v -- -security) ;;
	esac
	site=$(echo "$site" | head -n 1)
	[ "$site" ] && echo "deb $site $1 main" >"$VM/$1.list"
}

# apt for a suite: the machine's own configuration, or a private one that touches nothing outside
apt_options() { # suite
	[ "$1" = . ] || printf '%s\n' -o "Dir::Etc::sourcelist=$VM/$1.list" -o Dir::Etc::sourceparts=/dev/null \
		-o "Dir::State::lists=$VM/lists" -o "Dir::Cache=$VM/cache" -o APT::Get::List-Cleanup=0
}

update_suite() { # suite; once a run
	[ "$1" = . ] && return
	[ -e "$VM/$1.list" ] && [ -z "$(find "$VM/$1.list" -mmin +720)" ] && return
	write_source "$1" || return
	# shellcheck disable=SC2046 # one word a line, none with spaces but in the build directory's name
	timeout 60 apt-get -qq $(apt_options "$1") update 2>/dev/null || { rm -f "$VM/$1.list"; return 1; }
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

copy_program() { # program: with the libraries it is linked to, at the same paths
	local library
	cp "$1" "$root/t/"
	for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
}

make_initrd() {
	root=$(mktemp -d) || exit 99
	trap 'rm -rf "$root"' EXIT
	mkdir -p "$root"/{bin,proc,sys,dev,tmp,t,etc}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$HERE/guest.sh" "$root/init"
	chmod 755 "$root/init"
	gcc -O1 -g -pthread tests/e2e/prog/locks.c -o "$root/locks" || exit 99
	copy_program "$root/locks"
	rm "$root/locks"
	for program in "$B/ctrace" "$B"/demos/{deadlock,race,io} "$(command -v "$(sh user/gen/deps.sh bpftool)")"; do
		copy_program "$program"
	done
	strip -g "$root/t/ctrace"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$VM/initrd.gz"
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

boot() { # kernel, where its log and its files go
	# shellcheck disable=SC2046
	timeout -k 5 "$BOOT_LIMIT_S" qemu-system-x86_64 -M q35 $(accelerator) -smp 2 -m 1G -nodefaults \
		-no-user-config -display none -serial stdio -serial "file:$2/out.tar.gz" -no-reboot \
		-kernel "$1" -initrd "$VM/initrd.gz" \
		-append "console=ttyS0 quiet panic=-1 oops=panic softlockup_panic=1" \
		</dev/null 2>&1 | tr -d '\r' >"$2/log"
	grep -q '^@@ done' "$2/log" && tar -xzf "$2/out.tar.gz" -C "$2"
}

check_kernel() { # name suite pattern verdict
	local kernel dir=$VM/$1 start=$EPOCHREALTIME
	number=$((number + 1))
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

make_initrd
while read -r name suite pattern verdict; do
	case $name in '' | '#'*) continue ;; esac
	[ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
	check_kernel "$name" "$suite" "$pattern" "$verdict" </dev/null
done <"$HERE/kernels.txt"
[ $number -gt 0 ] || { echo "kernels.txt has none of: $*"; exit 99; }
exit $bad
