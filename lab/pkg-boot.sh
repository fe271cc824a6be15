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
	usage: lab/pkg-boot.sh NAME LOWER [RELEASE[/MODE]...]   only from lab/pkg*.sh (a namespace of its own)
	NAME is a suite, or SUITE-SOMETHING; LOWER is the root as overlay directories. Default: k1 and k2.
	MODE is what the payload does: all, quick, upgrade, signed (lab/guest/pkg.sh), off, service, killswitch,
	blacklisted (lab/guest/pkg-service.sh, booted by systemd); default: \$PKG_MODE or all.
	Environment: PKG_VMLINUX for another kernel image, PKG_LOGS for a directory that takes the VMs' logs;
	TESTS and FULL=1 as in lab/boot.sh.
	TAP: one test for each VM; its own TAP and console are in build/pkg/NAME/logs/RELEASE-MODE.
	TEXT
}

# What the kernel's command line has besides, in a mode.
words_of() {
	case $1 in
	signed) echo module.sig_enforce=1 ;;
	service) echo rdinit=/kvmi/pkg-systemd.sh systemd.show_status=0 ;;
	off) echo "$(words_of service) systemd.mask=kvmi.service" ;;
	killswitch) echo "$(words_of service) kvmi.disable" ;;
	blacklisted) echo "$(words_of service) module_blacklist=kvmi" ;;
	esac
}
logs_of() { if [ -n "${PKG_LOGS:-}" ]; then echo "$PKG_LOGS/vm-$name-$1-$2"; else echo "$BUILD/pkg/$name/logs/$1-$2"; fi; }

# lab/boot.sh with this root in place of the lab's own, and with this disk.
boot() {
	local release=$1 view=$LAYERS/boot-$name/view f rt=''
	mkdir -p "$view/roots"
	for f in "$CACHE"/{apt,locks} "$CACHE"/qemu*; do [ ! -e "$f" ] || ln -sfn "$f" "$view/"; done
	ln -sfn "$LAYERS/boot-$name" "$view/roots/$suite.current"
	echo "$suite $release" >"$LAYERS/boot-$name/kernels"
	[ -z "${PKG_VMLINUX:-}" ] || cp "$PKG_VMLINUX" "$LAYERS/boot-$name/vmlinux-$release"
	! grep -qs '^CONFIG_PREEMPT_RT=y' "$root/boot/config-$1" || rt=1
	SMP=${SMP:-2} CONSTANT_TSC=$rt KVMI_LAB_CACHE=$view KVMI_BUILD=$BUILD/pkg/$name/vm LAB_DISK=$disk "$LAB_DIR/boot.sh" \
		"$suite" --emu qemu-disk --payload /kvmi/pkg.sh --append "lab.pkg=$2 $(words_of "$2")" --timeout "${TIMEOUT:-1800}" \
		--out "$(logs_of "$1" "$2")" >&2
}

usage_if_asked "${1:---help}"
[ -n "${KVMI_PKG_NS:-}" ] || die "start lab/pkg.sh"
name=$1 suite=${1%%-*} lower=$2
shift 2
root=$(fresh_overlay "$lower" "boot-$name")
lab=$root/usr/local/lib/kvmi-lab
[ $# -gt 0 ] || set -- "$(cat "$lab/k1")" "$(cat "$lab/k2")"
mkdir -p "$lab"
cp -r "$TOP/README.md" "$TOP/selftests/pkg/readme.sh" "$TOP/debian/tests" "$LAB_DIR/guest/pkg-service.sh" "$lab/"
version=$(cat "$TOP/VERSION")
# shellcheck disable=SC2016 # expanded in the root
logged "$BUILD/pkg/$name/selftests.log" inroot "$root" -b "$BUILD/pkg/bookworm/deb-$version:/lab/deb" sh -ec '
	apt-get -q -y --no-install-recommends install busybox-static
	cd /lab/deb
	lines=$(sh "$0/readme.sh" "$0/README.md" selftests-install)
	bash -exc "$lines"' /usr/local/lib/kvmi-lab
disk=$BUILD/pkg/$name/disk.img
rm -f "$disk"
truncate -s 4G "$disk"
say "$name: making the disk"
logged "$BUILD/pkg/$name/mke2fs.log" mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1 -O ^has_journal -d "$root" "$disk"
status=0
for vm; do
	case $vm in */*) mode=${vm#*/} ;; *) mode=${PKG_MODE:-all} ;; esac
	rc=0
	boot "${vm%/*}" "$mode" || rc=1
	report_vm "pkg-boot-$name-${vm%/*}-$mode" "$(logs_of "${vm%/*}" "$mode")" "packages: $name $mode" \
		"${vm%/*} ($mode) boots, passes everything and ends cleanly" $rc || status=1
done
drop_overlay "boot-$name"
rm -f "$disk"
exit $status
