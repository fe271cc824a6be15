#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds a 6.12 kernel with KASAN, lockdep and kmemleak, laid out like a root, for make check KERNEL=debug.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/debug-kernel.sh      (about 15 CPU minutes; kept in the cache)

	Source: trixie's linux-source-6.12; configuration: tinyconfig and lab/debug.config; compiler:
	trixie's, in its root. Prints every option that did not stick.
	EOF
}

fetch() {
	local dir=$1 ver=$2 conf
	conf=$("$LAB_DIR/apt.sh" conf trixie)
	mkdir -p "$dir/deb" "$dir/tree"
	(cd "$dir/deb" && APT_CONFIG=$conf logged "$dir/fetch.log" apt-get download "linux-source-6.12=$ver")
	dpkg-deb -x "$dir"/deb/*.deb "$dir/deb/x"
	tar -C "$dir/tree" --strip-components=1 -xf "$dir"/deb/x/usr/src/linux-source-6.12.tar.xz
	rm -rf "$dir/deb"
}

# Options of the fragment that kconfig changed: each one may be a bug catcher that is silently off.
lost_options() {
	local dir=$1 line
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$dir/tree/.config" || say "did not stick: $line" ;;
		'# CONFIG_'*' is not set') ! grep -q "^${line:2:-11}=" "$dir/tree/.config" || say "is still set: $line" ;;
		esac
	done <"$LAB_DIR/debug.config"
}

compile() {
	local dir=$1 root
	root=$(kernel_root trixie)
	logged "$dir/apt.log" inroot "$root" sh -ec 'apt-get -q update
		apt-get -q -y --no-install-recommends install flex bison bc libelf-dev libssl-dev perl python3'
	cp "$LAB_DIR/debug.config" "$dir/tree/"
	logged "$dir/config.log" inroot "$root" -b "$dir/tree:/lab/linux" sh -ec 'cd /lab/linux
		make -s tinyconfig
		scripts/kconfig/merge_config.sh -m .config debug.config
		make -s olddefconfig'
	lost_options "$dir"
	logged "$dir/build.log" inroot "$root" -b "$dir/tree:/lab/linux" make -C /lab/linux -j"$JOBS" bzImage modules
	logged "$dir/install.log" inroot "$root" -b "$dir:/lab/debug" -b "$dir/tree:/lab/linux" make -C /lab/linux \
		modules_install INSTALL_MOD_PATH=/lab/debug/root
}

provide() {
	local ver key dir kver
	"$LAB_DIR/root.sh" trixie
	ver=$("$LAB_DIR/apt.sh" version trixie -- linux-source-6.12)
	key=$({ cat "$LAB_DIR/debug-kernel.sh" "$LAB_DIR/debug.config"; echo "$ver"; } | short_hash)
	dir=$CACHE/roots/debug-$key
	if [ ! -e "$dir/kernels" ]; then
		need_root
		rm -rf --one-file-system "$CACHE"/roots/debug-[0-9a-f]*
		mkdir -p "$dir/root/boot"
		say "building the debug kernel from linux-source-6.12 $ver (15 CPU minutes)"
		fetch "$dir" "$ver"
		compile "$dir"
		kver=$(cat "$dir/tree/include/config/kernel.release")
		cp "$dir/tree/arch/x86/boot/bzImage" "$dir/root/boot/vmlinuz-$kver"
		echo "debug $kver" >"$dir/kernels"
	fi
	ln -sfn "debug-$key" "$CACHE/roots/debug.current"
}

usage_if_asked "${1:-}"
with_lock root-debug provide
