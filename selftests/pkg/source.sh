#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks of the packaging files themselves, on any machine with git and make: one version everywhere, a
# reproducible tarball, dkms.conf, man pages, completion. TAP.
# shellcheck disable=SC2317,SC2015,SC2086 # called by name
set -u
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
VERSION=$(cat VERSION)
N=0 FAILED=0
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT

t() {
	local name=$1
	shift
	N=$((N + 1))
	if "$@" >"$W/out" 2>&1; then
		echo "ok $N - $name"
	else
		sed 's/^/# /' "$W/out"
		echo "not ok $N - $name"
		FAILED=1
	fi
}
why() { echo "$*"; return 1; }

same_version() {
	local rc=0
	[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || why "VERSION is '$VERSION'" || rc=1
	grep -qx "PACKAGE_VERSION=\"$VERSION\"" dkms.conf || why "dkms.conf" || rc=1
	grep -qx "Version: *$VERSION" rpm/kvmi.spec || why "rpm/kvmi.spec" || rc=1
	grep -q "^\* .* - $VERSION-" rpm/kvmi.spec || why "rpm/kvmi.spec: changelog" || rc=1
	head -n 1 debian/changelog | grep -qF "($VERSION)" || why "debian/changelog" || rc=1
	return $rc
}
tool_says_version() {
	make -s tools O="$W/host" >/dev/null && "$W/host/kvmictl" --version | grep -q "^kvmictl $VERSION,"
}
dist_twice() {
	packaging/dist.sh "$W/a" && sleep 1 && packaging/dist.sh "$W/b" && cmp "$W/a/kvmi-$VERSION.tar.gz" "$W/b/kvmi-$VERSION.tar.gz"
}
dist_elsewhere() {
	mkdir "$W/copy" && tar -cf - --exclude=./build . | tar -C "$W/copy" -xf - && find "$W/copy" -path "$W/copy/.git" -prune -o -exec touch {} + &&
		(umask 077 && "$W/copy/packaging/dist.sh" "$W/c") && cmp "$W/a/kvmi-$VERSION.tar.gz" "$W/c/kvmi-$VERSION.tar.gz"
}
dist_complete() {
	local f
	for f in Makefile Kbuild dkms.conf compat/probe.sh debian/rules rpm/kvmi.spec src/main.c include/uapi/linux/kvmi.h; do
		tar -tzf "$W/a/kvmi-$VERSION.tar.gz" | grep -qx "kvmi-$VERSION/$f" || why "$f is missing" || return
	done
	! tar -tzf "$W/a/kvmi-$VERSION.tar.gz" | grep -E '\.(o|ko|cmd)$|/build/|/\.git/' || why "built files are in it"
}
destdir() {
	make -s install O="$W/host" DESTDIR="$W/dest" PREFIX=/usr &&
		make -s dkms-install DESTDIR="$W/dest" || return
	[ -x "$W/dest/usr/sbin/kvmictl" ] && [ -e "$W/dest/usr/include/kvmic.h" ] || why "tools" || return
	[ -e "$W/dest/usr/src/kvmi-$VERSION/dkms.conf" ] && [ -x "$W/dest/usr/src/kvmi-$VERSION/packaging/dkms-check.sh" ] ||
		why "dkms sources" || return
	make -s dkms-uninstall DESTDIR="$W/dest" && [ ! -e "$W/dest/usr/src/kvmi-$VERSION" ] || why "dkms-uninstall"
}
# As dkms sources it; nothing may be printed, and no directive is deprecated.
conf_is_quiet() {
	local out
	out=$(kernelver='' kernel_source_dir='' action=status bash -euc '. ./dkms.conf' 2>&1) || return
	[ -z "$out" ] || why "$out" || return
	! grep -nE '^(REMAKE_INITRD|MODULES_CONF|OBSOLETE_BY|CLEAN="?make)' dkms.conf || why "deprecated"
}
newest_follows() {
	local want
	want=$(awk '$2 == "NEWEST_KERNEL" { printf "%d.%d", $3 / 1000, $3 % 1000 }' tools/check_kernel.c)
	grep -qx "NEWEST=$want" packaging/dkms-check.sh || why "tools/check_kernel.c says $want"
}
old_kernel_skipped() {
	! packaging/dkms-check.sh 5.9.1-amd64 /nowhere 2>"$W/err" || why "not skipped" || return
	[ "$(cat "$W/err")" = "kvmi: kernel 5.9.1-amd64 is skipped: it is older than 5.10" ] ||
		why "it says: $(cat "$W/err")"
}
service_opts_in() {
	grep -q '^ConditionKernelCommandLine=!kvmi.disable$' packaging/kvmi.service || why "kill switch" || return
	! grep -rnE 'modules-load|update-initramfs|debconf' debian rpm/kvmi.spec || why "loads or asks"
}

echo "# program pkg-source"
t "one version in all files" same_version
t "kvmictl says it" tool_says_version
t "make dist twice gives the same tarball" dist_twice
t "a copy of the checkout with other times and umask gives the same" dist_elsewhere
t "the tarball has the sources and nothing built" dist_complete
t "install, dkms-install and dkms-uninstall respect DESTDIR" destdir
t "dkms.conf prints nothing and has no deprecated directive" conf_is_quiet
t "the newest kernel is the same in kvmictl check and for dkms" newest_follows
t "a kernel before 5.10 is skipped with one line" old_kernel_skipped
t "nothing is loaded, put into an initramfs or asked" service_opts_in
t "man pages" mandoc -T lint -W warning packaging/*.8
echo "1..$N"
echo "# program pkg-source rc=$FAILED"
exit $FAILED
