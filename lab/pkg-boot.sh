#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots the kernels of a root in which the packages are installed, from a disk made of it, and runs
# kvmi-selftests there against the module that DKMS built. Started by lab/pkg.sh.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() {
	cat <<-TEXT
	usage: lab/pkg-boot.sh NAME LOWER [KERNEL-RELEASE...]   only from lab/pkg.sh (a namespace of its own)
	NAME is a suite, or SUITE-SOMETHING; LOWER is the root as overlay directories. Default: k1 and k2.
	Environment: PKG_MODE (all, quick, upgrade, signed) for the payload, APPEND for the kernel's command
	line, PKG_VMLINUX for another kernel image.
	TAP: one test for each VM; its own TAP and console are in build/pkg/NAME/logs/RELEASE.
	TEXT
}

# lab/boot.sh with this root in place of the lab's own, and with this disk.
boot() {
	local release=$1 view=$PKG/boot-$name/view f
	mkdir -p "$view/roots"
	for f in "$CACHE"/{apt,locks} "$CACHE"/qemu*; do [ ! -e "$f" ] || ln -sfn "$f" "$view/"; done
	ln -sfn "$PKG/boot-$name" "$view/roots/$suite.current"
	echo "$suite $release" >"$PKG/boot-$name/kernels"
	[ -z "${PKG_VMLINUX:-}" ] || cp "$PKG_VMLINUX" "$PKG/boot-$name/vmlinux-$release"
	TCG_THREAD=single KVMI_LAB_CACHE=$view KVMI_BUILD=$BUILD/pkg/$name/vm LAB_DISK=$disk "$LAB_DIR/boot.sh" "$suite" --emu qemu-disk \
		--payload /kvmi/pkg.sh --append "lab.pkg=${PKG_MODE:-all} ${APPEND:-}" --timeout "${TIMEOUT:-1800}" \
		--out "$BUILD/pkg/$name/logs/$release" >&2
}

# One test for a VM: lab/boot.sh has judged all of its tests and its console.
report() {
	local dir=$BUILD/pkg/$name/logs/$1 rc=$2
	echo "# program pkg-boot-$name-$1"
	echo "1..1"
	python3 - "$dir/verdict.json" <<-'EOF' || true
	import json, sys
	v = json.load(open(sys.argv[1]))
	print("# in the VM: {passed} passed, {failed} failed, {skipped} skipped".format(**v))
	for p in v["problems"] + ["skipped: " + s for s in v["skips"]]:
	    print("#", p)
	EOF
	echo "$([ "$rc" = 0 ] || echo "not ")ok 1 - $1 boots, passes everything and ends cleanly"
	echo "# program pkg-boot-$name-$1 rc=$rc"
}

usage_if_asked "${1:---help}"
[ -n "${KVMI_PKG_NS:-}" ] || die "start lab/pkg.sh"
name=$1 suite=${1%%-*} lower=$2
shift 2
root=$(fresh_overlay "$lower" "boot-$name")
[ $# -gt 0 ] || set -- "$(cat "$root/usr/local/lib/kvmi-lab/k1")" "$(cat "$root/usr/local/lib/kvmi-lab/k2")"
version=$(cat "$TOP/VERSION")
logged "$BUILD/pkg/$name/selftests.log" inroot "$root" -b "$BUILD/pkg/bookworm:/lab/bookworm" sh -ec "
	apt-get -q -y --no-install-recommends install /lab/bookworm/deb-$version/kvmi-selftests_*.deb busybox-static"
disk=$BUILD/pkg/$name/disk.img
rm -f "$disk"
truncate -s 4G "$disk"
say "$name: making the disk"
logged "$BUILD/pkg/$name/mke2fs.log" mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1 -O ^has_journal -d "$root" "$disk"
status=0
for release; do
	rc=0
	boot "$release" || rc=1
	report "$release" $rc
	[ $rc = 0 ] || status=1
done
umount "$root"
rm -f "$disk"
exit $status
