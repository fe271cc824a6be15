#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2046 # called by name; lists of words
# A host that has nothing that is needed to build a module, with Recommends on, as Debian's apt has them: the
# README's line alone must bring it all.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program "pkg-recommends-$SUITE"

bare() {
	apt-get -q update && apt-get purge dkms gcc make sparse libc6-dev \
		$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-headers-*' | sed -n 's/^installed //p') &&
		apt-get autoremove --purge || return
	! type dkms gcc make || why "there is a tool" || return
	[ ! -e "/lib/modules/$K1/build" ] || why "there are headers"
}
# All that the installation has brought goes, but for what apt keeps: the headers of an installed kernel.
# dkms recommends sudo, which does not let itself be removed where root has no password unless told so.
purged() {
	purge && SUDO_FORCE_REMOVE=yes apt-get autoremove --purge || return
	! dpkg-query -W -f '${db:Status-Status} ${Package}\n' linux-headers-amd64 dkms kvmi-dkms kvmi-tools 2>/dev/null | grep -v ^not-installed ||
		why "these are left"
}

t "no dkms, no compiler and no headers" bare
t "apt install ./kvmi-dkms_*.deb ./kvmi-tools_*.deb, with Recommends" install_debs "$DEBS"
t "DKMS has built it for $K1" installed "$K1" "$VERSION"
t "the package is configured" configured
t "purge, and autoremove" purged
t "no module is left for $K1" not_installed "$K1"
t "nothing is left" leftovers
finish
