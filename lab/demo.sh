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
	Without an argument: host when this machine has svm or vmx and a /dev/kvm, else vm.
	EOF
}

host_has_kvm() { grep -qwE 'svm|vmx' /proc/cpuinfo && [ -c /dev/kvm ] && [ -e "/lib/modules/$(uname -r)/build" ]; }

demo_host() {
	local qemu guest
	qemu=$("$LAB_DIR/qemu.sh")
	! command -v qemu-system-x86_64 >/dev/null || qemu='qemu-system-x86_64'
	guest=$("$LAB_DIR/disk.sh" guest)
	say "building kvmi and kvmictl for $(uname -r)"
	logged "$BUILD/logs/demo/build.log" make -C "$TOP" -j"$JOBS" modules tools
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
	say "no usable KVM on this machine: the demo runs in an emulated one (kernel: $KERNEL)"
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
need_root
"$LAB_DIR/setup.sh"
mode=${1:-}
if [ -z "$mode" ]; then
	mode=vm
	! host_has_kvm || mode=host
fi
case $mode in
host | vm) "demo_$mode" ;;
*) usage >&2; exit 2 ;;
esac
