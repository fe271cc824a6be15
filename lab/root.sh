#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes one root directory per Debian suite: its compiler, its kernels and their headers.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/root.sh [ROOT...]     roots: $(root_names | tr '\n' ' ')(default: all of them)

	A root is a plain directory \$KVMI_LAB_CACHE/roots/NAME-KEY/root; the key is made of the
	candidate versions of the kernel packages and of how a root is made, so a new kernel makes a new root.
	NAME.current points to it and the file "kernels" beside it names the kernel versions in it.
	EOF
}

INCLUDE=make,gcc,libc6-dev,bash,kmod,dkms,sparse,apt-utils,ca-certificates
key_of() {
	local suite
	{
		declare -f make_dummy base_root add_suite
		echo "$INCLUDE"
		"$LAB_DIR/apt.sh" version "$1" -- linux-image-amd64
		for suite in $(root_suites "$1"); do
			"$LAB_DIR/apt.sh" version "$1" "$suite" -- linux-image-amd64
		done
	} | short_hash
}

# A package that says it can make initrds and does not: saves 26 s and 35 MB per kernel. Nothing in
# the lab boots from the distribution's initrd.
make_dummy() {
	local dir=$1
	mkdir -p "$dir/pkg/DEBIAN"
	cat >"$dir/pkg/DEBIAN/control" <<-EOF
	Package: kvmi-lab-no-initramfs
	Version: 1
	Architecture: all
	Maintainer: kvmi lab <root@localhost>
	Provides: linux-initramfs-tool
	Description: stands in for initramfs-tools in the kvmi lab
	EOF
	dpkg-deb -Zgzip --root-owner-group -b "$dir/pkg" "$dir/dummy.deb" >/dev/null
	{
		cat "$dir/pkg/DEBIAN/control"
		printf 'Filename: ./dummy.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s "$dir/dummy.deb")" \
			"$(sha256sum "$dir/dummy.deb" | cut -d' ' -f1)"
	} >"$dir/Packages"
	rm -rf "$dir/pkg"
}

base_root() {
	local name=$1 dir=$2
	make_dummy "$dir/repo"
	"$LAB_DIR/apt.sh" options >"$dir/apt.options"
	{
		"$LAB_DIR/apt.sh" sources "$name"
		echo "deb [trusted=yes] copy:$dir/repo ./"
	} >"$dir/sources.list"
	logged "$dir/mmdebstrap.log" mmdebstrap --mode=root --variant=apt --format=directory \
		--aptopt="$dir/apt.options" --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
		--include="kvmi-lab-no-initramfs,linux-image-amd64,linux-headers-amd64,$INCLUDE" \
		--customize-hook="printf '%s\n' '#!/bin/sh' 'exit 101' >\"\$1/usr/sbin/policy-rc.d\"; chmod 755 \"\$1/usr/sbin/policy-rc.d\"" \
		--skip=check/qemu,cleanup/reproducible "$name" "$dir/root" "$dir/sources.list"
	"$LAB_DIR/apt.sh" sources "$name" >"$dir/root/etc/apt/sources.list"
	rm -f "$dir"/root/etc/apt/sources.list.d/* "$dir/root/etc/resolv.conf"
	note_kernel "$name" "$dir"
}

add_suite() {
	local dir=$1 suite=$2
	"$LAB_DIR/apt.sh" sources "$suite" >>"$dir/root/etc/apt/sources.list"
	logged "$dir/apt-$suite.log" inroot "$dir/root" sh -ec "
		apt-get -q update
		apt-get -q -y --no-install-recommends -t $suite install linux-image-amd64 linux-headers-amd64
		apt-get clean"
	note_kernel "$suite" "$dir"
}

# The kernel that is there and was not yet noted belongs to this suite.
note_kernel() {
	local k
	for k in "$2"/root/lib/modules/*/kernel; do
		k=$(basename "$(dirname "$k")")
		grep -qs " $k\$" "$2/kernels.new" && continue
		[ -L "$2/root/lib/modules/$k/build" ] || die "root $1: kernel $k has no headers ($2)"
		echo "$1 $k" >>"$2/kernels.new"
	done
}

make_root() {
	local name=$1 key dir suite
	key=$(key_of "$name")
	dir=$CACHE/roots/$name-$key
	if [ ! -e "$dir/kernels" ]; then
		need_root
		mkdir -p "$CACHE/roots"
		# a run that is going on may still use the one before
		find "$CACHE/roots" -maxdepth 1 -name "$name-[0-9a-f]*" -mtime +1 -exec rm -rf --one-file-system {} +
		rm -rf --one-file-system "$dir"
		mkdir -p "$dir"
		say "making the $name root (about 45 s)"
		base_root "$name" "$dir"
		for suite in $(root_suites "$name"); do
			say "adding the $suite kernel to the $name root (about 25 s)"
			add_suite "$dir" "$suite"
		done
		mv "$dir/kernels.new" "$dir/kernels"
		say "root $name: $(tr '\n' ';' <"$dir/kernels")"
	fi
	ln -sfn "$name-$key" "$CACHE/roots/$name.current"
}

usage_if_asked "${1:-}"
[ $# -gt 0 ] || mapfile -t roots < <(root_names)
for root in "${@:-${roots[@]}}"; do
	if [ "$root" = debug ]; then
		"$LAB_DIR/debug-kernel.sh"
		continue
	fi
	root_names | grep -qx "$root" || die "unknown root '$root'; known: $(root_names | tr '\n' ' ')"
	with_lock "root-$root" make_root "$root"
done
