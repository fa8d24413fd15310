#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
#
# /init of the guest: mounts what a system has mounted, records in every way that needs no tool but a
# shell, and sends what came of it through the second serial port, as a tar file, to be judged
# outside (judge.py).  Prints "@@ done" when it got that far; the kernel log is on the first port.

/bin/busybox --install -s /bin
export PATH=/bin:/t LC_ALL=C HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
ip link set lo up 2>/dev/null
mkdir /tmp/out
cd /tmp/out || poweroff -f

# NAME OPTIONS... -- PROGRAM...: one recording; NAME.ctrace, .status, .err and .truth
record() {
	local name=$1
	shift
	CTRACE_TRUTH=1 ctrace --quiet -o "$name.ctrace" "$@" 2>"$name.err" 3>"$name.truth" >"$name.stdout"
	echo $? >"$name.status"
}

uname -r >kernel
uname -m >machine
ctrace doctor >doctor 2>&1
echo $? >doctor.status
record first -- true
ctrace -v -- true >verbose 2>&1 # what the verifier says, where it refuses
if [ "$(cat first.status)" -eq 0 ]; then
	record calls --futex=calls -- locks calls.log
	record switch --futex=switch --stack=off -- locks switch.log
	record deadlock -- deadlock ab-ba 1
	record race --cpu-samples=500 -- race mutex
	record watch --watch counter -- race plain 300
	[ ! -x /t/exclusive ] || record exclusive --watch counter -- exclusive
	record io -- io event-loop
	record processes -- sh -c 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i + 1)); done'
	record sleeper -- sleep 0.2
	record clock -- sh -c 'i=0; while [ $i -lt 6 ]; do date -s @$((1000000000 + i % 2 * 500000000)); sleep 0.05
		i=$((i + 1)); done'
	record unplug -- sh -c 'race mutex & for on in 0 1 0 1; do echo $on; echo $on >/sys/devices/system/cpu/cpu1/online
		sleep 0.05; done; wait'
	# off when recording begins: the rings have no place for what happens on it
	echo 0 >/sys/devices/system/cpu/cpu1/online
	# the shell ends where there is a ring: the end of a thread says what the kernel counted for it
	record plug -- sh -c 'race mutex & echo 1 >/sys/devices/system/cpu/cpu1/online
		for i in 1 2 3 4 5; do taskset 2 sleep 0.02; done; wait; taskset -p 1 $$'
	cat /sys/devices/system/cpu/online >cpus
	sh -c 'while :; do sleep 0.01; done' &
	echo $! >attach.pid
	record attach -p $! -d 1
	kill $!
fi
# a link that is not of ctrace's making: this kernel has nothing but what ran here
bpftool prog list >left 2>&1
bpftool map list >>left 2>&1
port=/dev/ttyS1
[ "$(uname -m)" = x86_64 ] || port=/dev/ttyS0 # the log's port has another name there
stty -F $port raw -echo 2>/dev/null
tar -cf - . | gzip -1 >$port
sync
echo "@@ done"
poweroff -f
