#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2015 # called by name
# Without packages, by README.md's lines. The running kernel is not this root's, so KVER is given.
# /lab/pkg/src-VERSION: the sources.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program "pkg-make-$SUITE"
cd "/lab/pkg/src-$VERSION" || exit 1
export KVER=$K1 O=/tmp/host

# Python writes its byte code beside the tools that README.md has installed, when they run.
list() { find /usr /etc /var/lib/dkms "/lib/modules/$K1" -xdev ! -path '*/modules.*' ! -path '*/__pycache__*' | grep -v '/var/lib/dkms/mok\.' | sort; }
older() {
	cp -r . "$W/older" && echo 0.0.1~rc1 >"$W/older/VERSION" &&
		sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="0.0.1~rc1"/' "$W/older/dkms.conf" &&
		make -C "$W/older" dkms-install && installed "$K1" 0.0.1~rc1
}
only_this() {
	[ "$(dkms_says | grep -c .)" = 1 ] || { dkms_says; why "dkms has more than one"; } || return
	[ "$(echo /usr/src/kvmi-* /var/lib/dkms/kvmi/[0-9]*)" = "/usr/src/kvmi-$VERSION /var/lib/dkms/kvmi/$VERSION" ] ||
		why "there is also $(echo /usr/src/kvmi-* /var/lib/dkms/kvmi/[0-9]*)"
}
nothing_left() {
	find /usr/local -type d -empty -newer "$W/before" -delete
	list >"$W/after"
	diff <(grep -v '^/usr/local' "$W/before") <(grep -v '^/usr/local' "$W/after") && [ -z "$(dkms_says)" ] &&
		! find /usr/local -name '*kvmi*' ! -path '*/kvmi-lab*' | grep .
}

t "README: what is needed" readme make-needs
list >"$W/before"
t "make dkms-install of an older version" older
t "README: make dkms-install, make install" readme make-install
t "DKMS has it" installed "$K1" "$VERSION"
t "the older version is gone" only_this
t "make dkms-install again" make dkms-install
t "kvmictl from there" sh -c "/usr/local/sbin/kvmictl --version | grep -q '^kvmictl $VERSION,'"
t "README: make dkms-uninstall, and the rest" readme make-remove
t "make dkms-uninstall again" make dkms-uninstall
t "nothing is left" nothing_left
finish
