#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make demo on a host with KVM: an emulated machine that runs bookworm, with the packages that the demo
# installs, Debian's own QEMU, a copy of this checkout and what the demo takes from the lab's cache.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() { echo "usage: lab/demo-host.sh      TAP on stdout; the VM's logs are in build/demo-host/logs"; }

# shellcheck disable=SC2317 # called by name
install_host() {
	say "installing what a host needs for the demo (about 60 s)"
	# shellcheck disable=SC2016 # expanded in the root
	logged "$2/apt.log" inroot "$1" -b "$TOP:/lab/top" sh -ec '
		apt-get -q update
		apt-get -q -y --no-install-recommends install qemu-system-x86 $(/lab/top/lab/setup.sh list)
		apt-get clean'
}

# The guest, and why lab/disk.sh takes it for the right one: there is no network to make it with.
copy_cache() {
	local to=$1/root/.cache/kvmi-lab guest
	guest=$(dirname "$("$LAB_DIR/disk.sh" guest)")
	mkdir -p "$to/roots/trixie.current/root" "$to/apt/trixie"
	cp "$CACHE/roots/trixie.current/kernels" "$to/roots/trixie.current/"
	cp "$CACHE/apt/trixie/"version-* "$to/apt/trixie/"
	# mke2fs keeps no parts of seconds, and the versions are to be newer.
	touch -d '1 hour ago' "$to/apt/trixie/fresh"
	mkdir -p "$to/${guest##*/}"
	cp -a "$guest/l2" "$guest/ok" "$to/${guest##*/}/"
}

# Built here, as the emulated machine needs 20 minutes for it; make in there finds it up to date.
copy_checkout() {
	mkdir -p "$1/root/kvmi"
	tar -C "$1/root/kvmi" --strip-components=1 -xf "$(cd "$TOP" && packaging/dist.sh "$out/dist")"
	logged "$out/build.log" inroot "$1" make -C /root/kvmi -j"$JOBS" KVER="$(kernel_kver bookworm)" modules tools
}

usage_if_asked "${1:-}"
in_namespace "$0" "$@"
out=$BUILD/demo-host rc=0
logs=${PKG_LOGS:+$PKG_LOGS/vm-demo-host}
logs=${logs:-$out/logs}
mkdir -p "$out"
"$LAB_DIR/root.sh" bookworm
base=$(root_dir bookworm)
lower=$(kept demo-host "$({ echo "$base"; cat "$LAB_DIR/setup.sh"; declare -f install_host; } | short_hash)" "$base" install_host)
root=$(fresh_overlay "$lower" demo-host)
copy_cache "$root"
copy_checkout "$root"
rm -f "$out/disk.img"
truncate -s 8G "$out/disk.img"
say "making the disk"
logged "$out/mke2fs.log" mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1 -O ^has_journal -d "$root" "$out/disk.img"
drop_overlay demo-host
KVMI_BUILD=$out/vm LAB_DISK=$out/disk.img "$LAB_DIR/boot.sh" bookworm --emu qemu-disk --payload /kvmi/demo-host.sh \
	--timeout 3600 --out "$logs" >&2 || rc=1
rm -f "$out/disk.img"
report_vm demo-host "$logs" "make demo" "make demo on a host with KVM" $rc
