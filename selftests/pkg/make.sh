#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2015 # called by name
# Without packages: make dkms-install, make install, make dkms-uninstall, as README.md says. The running
# kernel is not this root's, so KVER is given. /lab/pkg/src-VERSION: the sources.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program "pkg-make-$SUITE"
cd "/lab/pkg/src-$VERSION" || exit 1

list() { find /usr /etc /var/lib/dkms "/lib/modules/$K1" -xdev ! -path '*/modules.*' | grep -v '/var/lib/dkms/mok\.' | sort; }
uninstall_files() {
	(cd /usr/local && rm sbin/kvmictl lib/libkvmic.a include/kvmic{,_host}.h include/linux/kvmi.h share/man/man*/{kvmi,libkvmic}*)
}
nothing_left() {
	find /usr/local -type d -empty -newer "$W/before" -delete
	list >"$W/after"
	diff <(grep -v '^/usr/local' "$W/before") <(grep -v '^/usr/local' "$W/after") && [ -z "$(dkms_says)" ] &&
		! find /usr/local -name '*kvmi*' ! -path '*/kvmi-lab*' | grep .
}

list >"$W/before"
t "make dkms-install" make dkms-install KVER="$K1"
t "DKMS has it" installed "$K1" "$VERSION"
t "make dkms-install again" make dkms-install KVER="$K1"
t "make install" make install O=/tmp/host
t "kvmictl from there" sh -c "/usr/local/sbin/kvmictl --version | grep -q '^kvmictl $VERSION,'"
t "make dkms-uninstall" make dkms-uninstall
t "make dkms-uninstall again" make dkms-uninstall
t "the README's line removes the rest" uninstall_files
t "nothing is left" nothing_left
finish
