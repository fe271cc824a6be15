#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs what the lab and the checks need on a bare Debian 12; nothing to do when it is all there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES="	make gcc g++ libc6-dev flex bison bc libelf-dev libssl-dev git patch perl python3 rsync cpio kmod
	xz-utils zstd gzip e2fsprogs util-linux mmdebstrap debian-archive-keyring busybox-static grub-common
	grub-pc-bin xorriso mtools sparse shellcheck mandoc clang libclang-rt-14-dev linux-headers-amd64
	gcc-multilib"

usage() {
	cat <<-EOF
	usage: lab/setup.sh        install with apt-get what is missing of:
	$PACKAGES
	       lab/setup.sh list   only print the missing ones

	QEMU and Bochs are not installed: they are unpacked and built in the lab's cache.
	EOF
}

missing() {
	local p
	for p in $PACKAGES; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
	done
}

usage_if_asked "${1:-}"
mapfile -t wanted < <(missing)
if [ "${1:-}" = list ]; then
	printf '%s\n' "${wanted[@]}"
	exit 0
fi
if [ ${#wanted[@]} -gt 0 ]; then
	need_root
	say "installing: ${wanted[*]}"
	logged "$BUILD/logs/setup/apt.log" sh -ec 'apt-get -q update
		apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"' sh "${wanted[@]}"
fi
