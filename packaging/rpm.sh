#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the rpm packages from the source tarball, in build/rpm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
-h | --help)
	cat <<-TEXT
	usage: packaging/rpm.sh [TARBALL [RPMBUILD-OPTION...]]     default: made by packaging/dist.sh
	Result: build/rpm/RPMS/*/*.rpm and build/rpm/SRPMS/*.rpm (OUT= for another directory).
	TEXT
	exit 0
	;;
esac
command -v rpmbuild >/dev/null || {
	echo "rpm.sh: error: rpmbuild is missing" >&2
	echo "rpm.sh: next step: install rpm-build (Debian: rpm)" >&2
	exit 1
}
out=$(realpath -m "${OUT:-build/rpm}")
tarball=${1:-$(packaging/dist.sh)}
[ $# = 0 ] || shift
rm -rf "$out"
mkdir -p "$out/SOURCES"
cp "$tarball" "$out/SOURCES/"
# rpm's database knows nothing of Debian's gcc and make
[ ! -e /etc/debian_version ] || set -- --nodeps "$@"
rpmbuild -ba --define "_topdir $out" "$@" rpm/kvmi.spec
find "$out" -name '*.rpm' | sort
