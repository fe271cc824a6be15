#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make demo: an unmodified QEMU runs a Linux guest on a stock kernel, and kvmictl looks into it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

KERNEL=${KERNEL:-trixie-backports}
usage() {
	cat <<-EOF
	usage: lab/demo.sh [vm|host]

	host  use this machine's KVM: builds kvmi for the running kernel, loads it and unloads it at the end;
	      a kvmi that is loaded already is used as it is and stays
	vm    boot the lab (kernel $KERNEL, KERNEL= to choose) under emulation and do the same in there
	Without an argument: host where kvmi builds and loads, else vm, and why.
	where only says which of the two it would be, without an attempt to build.
	EOF
}

# why_not_host [ROOT]: prints what the host lacks, if anything. ROOT is for tests.
why_not_host() {
	local root=${1:-} rel
	rel=$(uname -r)
	if ! grep -qwE 'svm|vmx' "$root/proc/cpuinfo"; then
		echo "this machine's processor offers no virtualization"
	elif ! [ -c "$root/dev/kvm" ]; then
		echo "there is no /dev/kvm (modprobe kvm_amd or kvm_intel)"
	elif ! [ -e "$root/lib/modules/$rel/build" ]; then
		echo "the headers of the running kernel are missing (apt install linux-headers-$rel)"
	fi
}

build_for_host() {
	say "building kvmi and kvmictl for $(uname -r)"
	logged "$BUILD/logs/demo/build.log" make -C "$TOP" -j"$JOBS" modules tools
}

# As the demo will do it; the kernel says why not.
loads_on_host() {
	[ ! -d /sys/module/kvmi ] || return 0
	modprobe -q kvm
	insmod "$TOP/kvmi.ko" && rmmod kvmi
}

# Sets mode to host where that works, else to vm.
choose() {
	local why
	mode=vm
	why=$(why_not_host)
	if [ -n "$why" ]; then
		:
	elif ! (build_for_host); then
		why="kvmi cannot be built for $(uname -r)"
	elif ! loads_on_host; then
		why="kvmi does not load here (dmesg says why)"
	else
		mode=host
		return
	fi
	say "$why: the demo runs in an emulated machine"
}

demo_host() {
	local qemu=qemu-system-x86_64 guest
	# With KVM any version will do, so the one that its VMs run with.
	command -v $qemu >/dev/null || qemu=$("$LAB_DIR/qemu.sh")
	guest=$("$LAB_DIR/disk.sh" guest)
	build_for_host
	env PATH="$BUILD/host:$PATH" L2_DIR="$guest" L2_QEMU="$qemu" KVMI_KO="$TOP/kvmi.ko" IN_VM='' sh "$LAB_DIR/guest/l2.sh"
}

# Everything the payload prints, as it comes.
follow() {
	local out=$1
	until [ -e "$out/tap.log" ]; do sleep 1; done
	tail -q -n +1 -f "$out/tap.log" --pid="$2" | sed -u -e 's/\r$//' -e '/^# lab /d' -e '/^# program /d' -e 's/^# \{0,1\}//'
}

demo_vm() {
	local out=$BUILD/logs/demo rc=0
	say "kernel of the emulated machine: $KERNEL"
	"$LAB_DIR/build.sh" "$KERNEL" >/dev/null
	"$LAB_DIR/userland.sh" tools
	"$LAB_DIR/disk.sh" >/dev/null
	"$LAB_DIR/qemu.sh" >/dev/null
	rm -rf "$out"
	"$LAB_DIR/boot.sh" "$KERNEL" --emu qemu-disk --append lab.demo=1 --out "$out" >"$BUILD/demo.verdict" &
	follow "$out" $!
	wait $! || rc=$?
	cat "$BUILD/demo.verdict"
	return $rc
}

usage_if_asked "${1:-}"
mode=${1:-}
if [ "$mode" = where ]; then
	why=$(why_not_host "${2:-}")
	echo "${why:+vm: }${why:-host}"
	exit
fi
need_root
"$LAB_DIR/setup.sh"
[ -n "$mode" ] || choose
case $mode in
host | vm) "demo_$mode" ;;
*) usage >&2; exit 2 ;;
esac
