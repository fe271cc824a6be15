#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes the disk of the "unmodified VM" tests: a Debian with its own QEMU, and a small Linux guest for it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/disk.sh          prints the path of the ext4 image (made when missing, about 70 s)
	       lab/disk.sh guest    prints the directory with the small guest: vmlinux, initrd, banner
	       lab/disk.sh debian   prints the path of the disk of a guest that is a whole Debian (made when missing,
	                            about 100 s)

	The image holds trixie's packages as they come (qemu-system-x86) and /l2, the guest: trixie's kernel
	with an initramfs of busybox. "banner" says at which guest physical address the guest kernel
	keeps its version string, and that string: what a tool must read there. The guest prints
	"L2-READY N CPUs", then every second "L2-TICK N UPTIME", and between them as fast as it can
	"L2-SUM N SHA256 UPTIME", the checksum of "seq N \$((N + 2000))".

	The Debian guest has the same kernel with Debian's own initramfs and systemd, and prints the same from
	a service. Full runs use it instead of the small one.
	EOF
}

# What the guest does. Needs sh, sleep, nproc, seq, sha256sum in its PATH.
workload() {
	cat <<-'EOF'
	line() { read -r up _ </proc/uptime; echo "$* $up" >/dev/console; }
	sum() { seq "$1" $(($1 + 2000)) | sha256sum; }
	echo "L2-READY $(nproc) CPUs" >/dev/console
	n=0
	while :; do
		n=$((n + 1))
		set -- $(sum $n)
		line L2-SUM $n $1
	done &
	n=0
	while :; do
		sleep 1
		n=$((n + 1))
		line L2-TICK $n
	done
	EOF
}

make_guest() {
	local dir=$1 vmlinux=$2 st
	mkdir -p "$dir"
	cp "$vmlinux" "$dir/vmlinux"
	python3 - "$vmlinux" >"$dir/banner" <<-'EOF'
	import re, struct, sys
	data = open(sys.argv[1], "rb").read()
	phoff, phentsize, phnum = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
	m = re.search(rb"Linux version [0-9][^\0\n]*", data)
	for i in range(phnum):
	    _, _, off, _, paddr, filesz, _, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
	    if off <= m.start() < off + filesz:
	        print(hex(paddr + m.start() - off), m.group()[:40].decode())
	        break
	else:
	    sys.exit("no version string in the guest kernel")
	EOF
	st=$(mktemp -d)
	mkdir -p "$st"/{bin,proc,dev,sys}
	cp /bin/busybox "$st/bin/"
	{
		cat <<-'EOF'
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		/bin/busybox mount -t proc proc /proc
		for a in sleep nproc seq sha256sum; do /bin/busybox ln -s busybox /bin/$a; done
		PATH=/bin
		EOF
		workload
	} >"$st/init"
	chmod 755 "$st/init"
	(cd "$st" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$dir/initrd"
	rm -rf "$st"
}

make_disk() {
	local dir=$1 list=$1/sources.list
	"$LAB_DIR/apt.sh" sources trixie >"$list"
	"$LAB_DIR/apt.sh" options >"$dir/apt.options"
	logged "$dir/mmdebstrap.log" mmdebstrap --mode=root --variant=apt --format=directory --aptopt="$dir/apt.options" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io --include=qemu-system-x86 \
		--skip=check/qemu,cleanup/reproducible trixie "$dir/root" "$list"
	cp -a "$dir/l2" "$dir/root/"
	truncate -s 3G "$dir/disk.img"
	logged "$dir/mke2fs.log" mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1 -d "$dir/root" "$dir/disk.img"
	rm -rf --one-file-system "$dir/root"
}

make_debian() {
	local dir=$1 kver=$2 unit=lab-workload.service root=$1/root
	"$LAB_DIR/apt.sh" sources trixie >"$dir/sources.list"
	"$LAB_DIR/apt.sh" options >"$dir/apt.options"
	logged "$dir/mmdebstrap.log" mmdebstrap --mode=root --variant=minbase --format=directory --aptopt="$dir/apt.options" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
		--include="systemd-sysv,udev,initramfs-tools,linux-image-$kver" \
		--skip=check/qemu,cleanup/reproducible trixie "$root" "$dir/sources.list"
	{ echo '#!/bin/sh'; workload; } >"$root/usr/local/sbin/lab-workload"
	chmod 755 "$root/usr/local/sbin/lab-workload"
	cat >"$root/etc/systemd/system/$unit" <<-'EOF'
	[Service]
	ExecStart=/usr/local/sbin/lab-workload
	[Install]
	WantedBy=multi-user.target
	EOF
	logged "$dir/systemctl.log" inroot "$root" systemctl enable "$unit"
	# Its prompt would come between the lines of the workload.
	logged "$dir/systemctl.log" inroot "$root" systemctl mask serial-getty@ttyS0.service
	cp "$root/boot/initrd.img-$kver" "$root/boot/initrd"
	truncate -s 1G "$dir/guest.img"
	logged "$dir/mke2fs.log" mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1 -d "$root" "$dir/guest.img"
	rm -rf --one-file-system "$root"
}

provide_debian() {
	local key dir kver
	[ -e "$CACHE/roots/trixie.current/kernels" ] || "$LAB_DIR/root.sh" trixie
	kver=$(kernel_kver trixie)
	key=$({ cat "$LAB_DIR/disk.sh"; echo "$kver"; "$LAB_DIR/apt.sh" version trixie -- systemd; } | short_hash)
	dir=$CACHE/guest-$key
	if [ ! -e "$dir/ok" ]; then
		need_root
		say "making the disk of a Debian guest (about 100 s)"
		rm -rf --one-file-system "$CACHE"/guest-*
		mkdir -p "$dir"
		make_debian "$dir" "$kver"
		touch "$dir/ok"
	fi
	ln -sfn "$dir" "$CACHE/guest"
}

provide() {
	local key dir root kver
	[ -e "$CACHE/roots/trixie.current/kernels" ] || "$LAB_DIR/root.sh" trixie
	root=$(kernel_root trixie)
	kver=$(kernel_kver trixie)
	key=$({ cat "$LAB_DIR/disk.sh"; echo "$kver"; "$LAB_DIR/apt.sh" version trixie -- qemu-system-x86; } | short_hash)
	dir=$CACHE/disk-$key
	if [ ! -e "$dir/ok" ]; then
		need_root
		say "making the disk with Debian's QEMU and a small guest (about 70 s)"
		rm -rf --one-file-system "$CACHE"/disk-*
		mkdir -p "$dir"
		[ -e "$root/../vmlinux-$kver" ] || "$LAB_DIR/image.sh" trixie
		make_guest "$dir/l2" "$root/../vmlinux-$kver"
		make_disk "$dir"
		touch "$dir/ok"
	fi
	ln -sfn "$dir" "$CACHE/disk"
}

usage_if_asked "${1:-}"
case ${1:-} in
debian)
	with_lock guest provide_debian
	readlink -f "$CACHE/guest/guest.img"
	;;
guest)
	with_lock disk provide
	readlink -f "$CACHE/disk/l2"
	;;
"")
	with_lock disk provide
	readlink -f "$CACHE/disk/disk.img"
	;;
*) usage >&2; exit 2 ;;
esac
