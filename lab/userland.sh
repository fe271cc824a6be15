#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the static programs that run in the VMs: kvmictl and the KVM selftests.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/userland.sh            build/user/bin/kvmictl, build/user/kvm/*
	       lab/userland.sh tools      only kvmictl
	       lab/userland.sh ksrc       only fetch the kernel source, print its path

	The selftests use the KVM selftest library of Debian's linux-source-6.1 package, which is fetched
	and unpacked into the cache; none of it is copied into this repository.
	EOF
}

fetch_ksrc() {
	local conf ver dir
	conf=$("$LAB_DIR/apt.sh" conf bookworm)
	ver=$("$LAB_DIR/apt.sh" version bookworm -- linux-source-6.1)
	dir=$CACHE/linux-source-6.1-${ver//[+~:]/_}
	if [ ! -e "$dir/ok" ]; then
		say "fetching and unpacking linux-source-6.1 (about 20 s)"
		rm -rf "$CACHE"/linux-source-6.1-*
		mkdir -p "$dir/deb"
		(cd "$dir/deb" && APT_CONFIG=$conf logged "$dir/fetch.log" apt-get download linux-source-6.1)
		dpkg-deb -x "$dir"/deb/*.deb "$dir/deb/x"
		tar -C "$dir" --strip-components=1 -xf "$dir"/deb/x/usr/src/linux-source-6.1.tar.xz \
			linux-source-6.1/tools linux-source-6.1/scripts
		rm -rf "$dir/deb"
		touch "$dir/ok"
	fi
	ln -sfn "$dir" "$CACHE/ksrc"
}

build_tools() {
	ls "$TOP"/tools/*.c >/dev/null 2>&1 || die "tools/ has no sources: kvmictl cannot be built"
	logged "$BUILD/user/tools.log" make -C "$TOP" -j"$JOBS" tools STATIC=1 O="$BUILD/user/obj" CFLAGS="-O2 -g -Werror"
	mkdir -p "$BUILD/user/bin"
	strip -o "$BUILD/user/bin/kvmictl" "$BUILD/user/obj/kvmictl"
}

build_selftests() {
	mkdir -p "$BUILD/user/kvm"
	logged "$BUILD/user/kvm.log" make -C "$TOP/selftests/kvm" -j"$JOBS" KSRC="$(readlink -f "$CACHE/ksrc")" \
		OUTPUT="$BUILD/user/kvm"
}

usage_if_asked "${1:-}"
case ${1:-all} in
tools) build_tools ;;
ksrc)
	with_lock ksrc fetch_ksrc
	readlink -f "$CACHE/ksrc"
	;;
all)
	with_lock ksrc fetch_ksrc
	build_tools
	build_selftests
	;;
*) usage >&2; exit 2 ;;
esac
