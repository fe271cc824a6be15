#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bochs: the only emulator here that has VMX/EPT (and an AMD model with #BP intercepts). Builds and runs it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/bochs.sh build                                 (2.6 CPU minutes; kept in the cache)
	       lab/bochs.sh run KERNEL EMU OUT TIMEOUT CMDLINE    used by lab/boot.sh; prints the exit status

	EMU is bochs-vmx (Intel Haswell), bochs-svm (AMD Ryzen) or bochs-ibt (Intel Tiger Lake, which can check where
	indirect branches land). Built from Debian's source package 3.0 (trixie), because Debian's binary has the slow
	debugger in it and bookworm's 2.7 is too old.
	EOF
}

CONFIGURE="--with-nogui --enable-x86-64 --enable-smp --enable-cpu-level=6 --enable-vmx=2 --enable-svm
	--enable-avx --enable-evex --enable-cet --enable-fast-function-calls --enable-handlers-chaining
	--enable-repeat-speedups --enable-all-optimizations --enable-long-phy-address --enable-pci --disable-docbook --disable-plugins
	--disable-debugger --without-x --without-x11 --without-sdl --without-sdl2 --without-wx"

# Tiger Lake tells the frequency of a real one's TSC. Bochs's counts instructions, and Linux's clock would be 50 times
# too slow; it measures the frequency if it is not told.
NO_FREQUENCY='/case 0x0000001[56]:/{n;s/get_leaf(.*/get_reserved_leaf(leaf);/}'

compile() {
	local dir=$1 src
	cd "$dir"
	tar -xf bochs_*.orig.tar.*
	src=$(find . -maxdepth 1 -mindepth 1 -type d | head -n1)
	cd "$src"
	[ -e configure ] || cd bochs
	sed -i "$NO_FREQUENCY" cpu/cpudb/intel/tigerlake.cc
	# shellcheck disable=SC2086 # a list of options
	./configure $CONFIGURE CXXFLAGS="-O2 -pipe" CFLAGS="-O2 -pipe"
	make -j"$JOBS" bochs
	strip -o "$dir/bochs" bochs
}

build() {
	local conf ver dir
	conf=$("$LAB_DIR/apt.sh" conf trixie)
	ver=$(APT_CONFIG=$conf apt-cache showsrc bochs | awk '$1 == "Version:" { print $2 }' | sort -V | tail -n1)
	[ -n "$ver" ] || die "no bochs source package in trixie's index"
	dir=$CACHE/bochs-${ver//[+~:]/_}-$(echo "$CONFIGURE $NO_FREQUENCY" | short_hash)
	if [ ! -e "$dir/ok" ]; then
		rm -rf "$dir"
		mkdir -p "$dir/src"
		say "building Bochs $ver (about 90 s on two idle cores)"
		# Only the orig tarball is needed (apt checks its hash); a mirror may lack the .dsc.
		(cd "$dir/src" && APT_CONFIG=$conf apt-get source --download-only "bochs=$ver" >"$dir/fetch.log" 2>&1) || true
		ls "$dir"/src/bochs_*.orig.tar.* >/dev/null 2>&1 ||
			die "cannot fetch the bochs source package: see $dir/fetch.log"
		(logged "$dir/build.log" compile "$dir/src")
		mv "$dir/src/bochs" "$dir/bochs"
		fetch_bios "$conf" "$dir"
		rm -rf "$dir/src"
		touch "$dir/ok"
	fi
	ln -sfn "$dir" "$CACHE/bochs"
}

# BIOS images: those of the source package are stripped by Debian (dfsg), so take the built ones.
fetch_bios() {
	local conf=$1 dir=$2 deb
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && APT_CONFIG=$conf logged "$dir/bios.log" apt-get download bochsbios vgabios)
	for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/data"; done
	rm -rf "$dir/debs"
}

iso() {
	local kernel=$1 out=$2 cmdline=$3 tree
	tree=$out/iso
	mkdir -p "$tree/boot/grub"
	cp -L "$BUILD/$kernel/vmlinuz" "$BUILD/$kernel/initrd" "$tree/boot/"
	cat >"$tree/boot/grub/grub.cfg" <<-EOF
	set timeout=0
	terminal_output console
	linux /boot/vmlinuz $cmdline
	initrd /boot/initrd
	boot
	EOF
	grub-mkrescue -d /usr/lib/grub/i386-pc --install-modules="linux normal iso9660 biosdisk" --fonts= --locales= --themes= \
		-o "$out/boot.iso" "$tree" >"$out/iso.log" 2>&1 || die "grub-mkrescue failed: see $out/iso.log"
	rm -rf "$tree"
}

config() {
	local emu=$1 out=$2 model=corei7_haswell_4770 data=$CACHE/bochs/data/usr/share
	case $emu in
	bochs-svm) model=ryzen ;;
	bochs-ibt) model=tigerlake ;;
	esac
	cat <<-EOF
	config_interface: textconfig
	display_library: nogui
	memory: guest=${MEM:-1536}, host=${MEM:-1536}
	romimage: file=$data/bochs/BIOS-bochs-latest
	vgaromimage: file=$data/vgabios/vgabios.bin
	cpu: model=$model, count=${SMP:-1}, ips=50000000, reset_on_triple_fault=0
	clock: sync=none, time0=utc
	boot: cdrom
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=cdrom, path=$out/boot.iso, status=inserted
	com1: enabled=1, mode=file, dev=$out/console.log
	com2: enabled=1, mode=file, dev=$out/tap.log
	log: $out/emulator.log
	panic: action=fatal
	error: action=ignore
	info: action=ignore
	debug: action=ignore
	EOF
}

run() {
	local kernel=$1 emu=$2 out=$3 timeout=$4 cmdline=$5 rc=0
	with_lock bochs build
	iso "$kernel" "$out" "$cmdline" >&2
	config "$emu" "$out" >"$out/bochsrc"
	TERM=dumb timeout --foreground --kill-after=10 "$timeout" "$CACHE/bochs/bochs" -q -f "$out/bochsrc" \
		</dev/null >"$out/bochs.out" 2>&1 || rc=$?
	rm -f "$out/boot.iso"
	if [ $rc = 124 ] || [ $rc = 137 ]; then
		echo timeout
	elif grep -qs 'Shutdown port' "$out/emulator.log" "$out/bochs.out"; then
		echo 0
	else
		echo "$rc"
	fi
}

usage_if_asked "${1:---help}"
case $1 in
build) with_lock bochs build ;;
run) shift; run "$@" ;;
*) usage >&2; exit 2 ;;
esac
