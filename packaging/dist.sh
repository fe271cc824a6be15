#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Reproducible source tarball of the checkout: what git knows or would know, one time stamp, root's files.
set -euo pipefail
export LC_ALL=C TZ=UTC
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
-h | --help)
	echo "usage: packaging/dist.sh [OUTDIR]     default build; prints the name of kvmi-VERSION.tar.gz"
	exit 0
	;;
esac
out=${1:-build}
name=kvmi-$(cat VERSION)
git rev-parse --show-toplevel >/dev/null 2>&1 || {
	echo "dist.sh: error: this is no git checkout, so it is not known which files belong to the sources" >&2
	echo "dist.sh: next step: use the tarball that this directory came from" >&2
	exit 1
}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
mkdir -p "$out"
# Files deleted in the work tree are still in git's list.
git ls-files -z --cached --others --exclude-standard | sort -zu |
	while IFS= read -r -d '' f; do { [ ! -e "$f" ] && [ ! -L "$f" ]; } || printf '%s\0' "$f"; done |
	tar --create --null --no-recursion --files-from=- --transform="flags=r;s,^,$name/," --format=ustar \
		--owner=0 --group=0 --numeric-owner --mtime="@$epoch" --mode=u+rw,go+r,go-w |
	gzip -n -9 >"$out/$name.tar.gz.$$"
mv "$out/$name.tar.gz.$$" "$out/$name.tar.gz"
echo "$out/$name.tar.gz"
