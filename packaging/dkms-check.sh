#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Can kvmi be built for this kernel? Run by dkms.conf before a build. Exit status 1 skips the kernel, with
# one line that says why. 0 lets dkms try: also when the trouble is this machine's (no compiler, no room),
# so that the build fails with its own message and is not mistaken for an unsupported kernel.
# The answers of the headers stay in ANSWERS, for the next check and for the build.
set -uo pipefail
export LC_ALL=C

# Newest series that the tests cover: beyond it, a kernel is skipped when a trial build fails.
NEWEST=7.3
OLDEST=5.10
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kver=${1:-}
kdir=${2:-/lib/modules/$kver/build}
answers=${3:-}

beyond="it is newer than $NEWEST, the newest known to work, and"
skip() {
	printf 'kvmi: kernel %s is skipped: %s\n' "$kver" "$1" >&2
	exit 1
}

if [ -z "$kver" ]; then
	echo "usage: packaging/dkms-check.sh KERNEL-VERSION [BUILD-TREE [ANSWERS]]" >&2
	exit 2
fi
[ "$(printf '%s\n' "$OLDEST" "$kver" | sort -V | head -n 1)" = "$OLDEST" ] || skip "it is older than $OLDEST"
# No headers: dkms says so by itself, and so does the package.
[ -e "$kdir/.config" ] || exit 0
if grep -qx 'CONFIG_KVM=n' "$kdir/.config" || ! grep -qE '^CONFIG_KVM=[ym]$' "$kdir/.config"; then
	skip "it has no KVM (CONFIG_KVM is not set)"
fi

newer=''
series=${kver%%[!0-9.]*}
[ "$(printf '%s\n' "$NEWEST.999" "$series" | sort -V | tail -n 1)" = "$NEWEST.999" ] || newer=1

work=$(mktemp -d) || exit 0
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
[ -z "$answers" ] || cp "$answers/kvmi_autoconf.h" "$work/out/" 2>/dev/null
# The compiler that dkms names for the build: with another one the answers would have to be asked for again.
if [ -e "$kdir/.kernelvariables" ]; then
	# shellcheck disable=SC2016 # for make
	CC=$(printf 'show-%%:\n\t@echo $($*)\ninclude %s/.kernelvariables\n' "$kdir" |
		env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -f - show-CC 2>/dev/null)
	export CC
fi
if "$TOP/compat/probe.sh" -k "$kdir" -o "$work/out" >"$work/log" 2>&1; then
	[ -z "$answers" ] || { mkdir -p "$answers" && cp "$work/out/kvmi_autoconf.h" "$answers/"; } 2>/dev/null
	[ -n "$newer" ] || exit 0
	for f in src compat include Kbuild Makefile VERSION; do cp -a "$TOP/$f" "$work/"; done
	make -C "$work" -j"$(nproc)" KVER="$kver" KDIR="$kdir" modules >"$work/log" 2>&1 && exit 0
	df -P "$work" | awk 'END { exit $4 < 20000 ? 0 : 1 }' && exit 0
	skip "$beyond the module does not build for it; look for a newer kvmi"
fi

why=$(sed -n 's/^probe\.sh: error: //p' "$work/log" | head -n 1)
case $why in
"group "*) skip "$why; look for a newer kvmi" ;;
"ioctl number check"* | "the configuration of"*) skip "$why" ;;
"the kernel's build cannot preprocess"*)
	gone=$(sed -n 's/.*fatal error: \(.*\): No such file or directory$/\1/p' "$work/out/probe.log" | head -n 1)
	[ -n "$gone" ] || exit 0
	[ -z "$newer" ] || skip "$beyond its headers have no $gone; look for a newer kvmi"
	# All known kernels have it. A half-unpacked package looks like a vendor's own form.
	skip "its headers have no $gone: they are incomplete, or unlike all known ones; install them again, then run: dkms autoinstall"
	;;
"a file that only includes"*)
	# The compiler works, or the step before this one would have failed.
	[ -z "$newer" ] || skip "$beyond KVM's headers differ; look for a newer kvmi"
	;;
esac
exit 0
