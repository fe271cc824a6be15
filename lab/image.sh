#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes what a VM boots: the kernel as an ELF file and an initramfs with modules and tests.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/image.sh KERNEL

	Result: build/KERNEL/{vmlinux,vmlinuz,initrd}. The initramfs holds busybox, the kernel's own kvm
	modules, and whatever of these exists: build/KERNEL/src/kvmi.ko and test modules,
	build/user/ (static kvmictl and selftest programs), selftests/vm/.
	EOF
}

MODULES="kvm kvm_amd kvm_intel virtio_pci virtio_blk ext4 fuse"

# The kernel's own modules, unpacked, and depmod's tables for them.
stage_modules() {
	local root=$1 kver=$2 st=$3 ko rel
	mkdir -p "$st/lib/modules/$kver"
	cp "$root/lib/modules/$kver"/modules.{builtin,builtin.modinfo,order} "$st/lib/modules/$kver/"
	for ko in $(for m in $MODULES; do modprobe -d "$root" -S "$kver" --show-depends "$m"; done |
		awk '$1 == "insmod" { print $2 }' | sort -u); do
		rel=lib/modules/$kver/${ko##*/lib/modules/"$kver"/}
		mkdir -p "$st/${rel%/*}"
		case $ko in
		*.xz) xz -dc "$ko" >"$st/${rel%.xz}" ;;
		*.zst) zstd -qdc "$ko" >"$st/${rel%.zst}" ;;
		*) cp "$ko" "$st/$rel" ;;
		esac
	done
}

stage_base() {
	local st=$1 d
	for d in bin sbin proc sys dev run tmp etc root usr/bin kvmi/bin kvmi/modules kvmi/kvm kvmi/selftests; do
		mkdir -p "$st/$d"
	done
	cp /bin/busybox "$st/bin/busybox"
	busybox --list | while read -r d; do [ "$d" = busybox ] || ln -s busybox "$st/bin/$d"; done
	ln -s ../../bin/env "$st/usr/bin/env"
	ln -s /bin/modprobe "$st/sbin/modprobe"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$st/etc/passwd"
	echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>"$st/etc/passwd"
	echo 'root:x:0:' >"$st/etc/group"
	install -m755 "$LAB_DIR/guest/init" "$st/init"
	cp "$LAB_DIR/guest/"*.sh "$st/kvmi/"
}

# Without debug information, as dkms installs it: 9 MB at each insmod are a long time in emulation.
stage_module() { # FILE DESTINATION
	mkdir -p "${2%/*}"
	strip -g -o "$2" "$1"
}

# Everything of ours; parts that do not exist (yet) are left out, lab/check.sh insists on them.
stage_kvmi() {
	local kernel=$1 kver=$2 st=$3 src=$BUILD/$1/src
	[ ! -e "$src/kvmi.ko" ] || stage_module "$src/kvmi.ko" "$st/lib/modules/$kver/updates/kvmi.ko"
	ln -s "/lib/modules/$kver/updates/kvmi.ko" "$st/kvmi/kvmi.ko"
	for f in "$src"/selftests/modules/*.ko; do [ ! -e "$f" ] || stage_module "$f" "$st/kvmi/modules/${f##*/}"; done
	[ ! -d "$BUILD/user/bin" ] || cp -a "$BUILD/user/bin/." "$st/kvmi/bin/"
	for f in "$BUILD"/user/kvm/*; do
		[ ! -f "$f" ] || [ ! -x "$f" ] || strip -o "$st/kvmi/kvm/${f##*/}" "$f"
	done
	[ ! -d "$TOP/selftests/vm" ] || cp -a "$TOP/selftests/vm" "$st/kvmi/selftests/"
	[ -z "${LAB_OVERLAY:-}" ] || cp -a "$LAB_OVERLAY/." "$st/"
	find "$st/kvmi" -name '*.sh' -exec chmod 755 {} +
}

image() {
	local kernel=$1 root kver out
	root=$(kernel_root "$kernel")
	kver=$(kernel_kver "$kernel")
	out=$BUILD/$kernel
	mkdir -p "$out"
	if [ ! -e "$root/../vmlinux-$kver" ]; then
		python3 "$LAB_DIR/extract-vmlinux.py" "$root/boot/vmlinuz-$kver" "$root/../vmlinux-$kver.new"
		mv "$root/../vmlinux-$kver.new" "$root/../vmlinux-$kver"
	fi
	ln -sfn "$(readlink -f "$root/../vmlinux-$kver")" "$out/vmlinux"
	ln -sfn "$root/boot/vmlinuz-$kver" "$out/vmlinuz"
	# KASAN's code does not survive being entered directly.
	[ ! -d "$root/../tree" ] || ln -sfn vmlinuz "$out/vmlinux"
	st=$(mktemp -d "$out/stage.XXXXXX")
	trap 'rm -rf "$st"' EXIT
	stage_base "$st"
	stage_modules "$root" "$kver" "$st"
	stage_kvmi "$kernel" "$kver" "$st"
	depmod -b "$st" "$kver"
	(cd "$st" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$out/initrd.new"
	mv "$out/initrd.new" "$out/initrd"
}

usage_if_asked "${1:---help}"
check_kernel "$1"
image "$1"
