#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the Debian packages from the source tarball, in build/deb: nothing of the work tree can slip in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
-h | --help)
	cat <<-TEXT
	usage: packaging/deb.sh [TARBALL]     default: made by packaging/dist.sh
	Result: build/deb/*.deb (OUT= for another directory). kvmi-selftests is left out where
	linux-source-6.1 is not installed. Needs debhelper and dh-dkms.
	TEXT
	exit 0
	;;
esac
command -v dh >/dev/null || {
	echo "deb.sh: error: debhelper is missing" >&2
	echo "deb.sh: next step: apt-get install dpkg-dev debhelper dh-dkms (Debian 11: dkms instead of dh-dkms)" >&2
	exit 1
}
out=${OUT:-build/deb}
tarball=${1:-$(packaging/dist.sh)}
profiles=${DEB_BUILD_PROFILES:-}
[ -e /usr/src/linux-source-6.1.tar.xz ] || profiles="$profiles pkg.kvmi.noselftests"
rm -rf "$out"
mkdir -p "$out"
tar -C "$out" -xf "$tarball"
cd "$out"/kvmi-*/
DEB_BUILD_PROFILES=$profiles dpkg-buildpackage -us -uc ${BINARY_ONLY:+-b}
cd ..
ls ./*.deb
