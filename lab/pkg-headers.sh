#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kernel of a suite and of its backports whose headers the archive still has, in all flavours: the
# module builds, without a warning, with the suite's own compiler. Nothing is booted: see lab/pkg-flavours.sh.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() {
	cat <<-TEXT
	usage: lab/pkg-headers.sh SUITE      one of: $PKG_SUITES
	TAP: one test for each kernel; logs in build/pkg/headers-SUITE.
	TEXT
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1 name=headers-$1
out=$BUILD/pkg/$name
rm -rf "$out"
mkdir -p "$out"
"$LAB_DIR/root.sh" "$suite"
root=$(fresh_overlay "$(root_dir "$suite")" "$name")
never_asks "$root"
case $suite in
bookworm | trixie) "$LAB_DIR/apt.sh" sources "$suite-backports" >"$root/etc/apt/sources.list.d/backports.list" ;;
esac
say "$suite: installing all kernel headers"
# shellcheck disable=SC2016 # expanded in the root
logged "$out/install.log" inroot "$root" sh -ec 'apt-get -q update
	apt-get -q install $(apt-cache search --names-only "^linux-headers-[0-9].*-amd64\$" | cut -d" " -f1)'
source_tree "$out/src" "$(cat "$TOP/VERSION")"

echo "# program pkg-headers-$suite"
n=0 failed=0
t() { n=$((n + 1)); echo "$1ok $n - $2"; [ -z "$1" ] || failed=1; }
for dir in "$root"/usr/src/linux-headers-*-amd64; do
	kver=${dir##*/linux-headers-}
	[ -e "$dir/.config" ] || continue
	rm -rf "$out/build"
	cp -r "$out/src" "$out/build"
	if inroot "$root" -b "$out/build:/lab/src" make -C /lab/src -j"$JOBS" modules KVER="$kver" KDIR="/usr/src/${dir##*/}" \
		KCFLAGS=-Werror >"$out/$kver.log" 2>&1 && [ -e "$out/build/kvmi.ko" ]; then
		t "" "$kver"
	else
		tail -n 15 "$out/$kver.log" >&2
		t "not " "$kver"
	fi
done
[ $n -gt 0 ] || failed=1
echo "1..$n"
echo "# program pkg-headers-$suite rc=$failed"
drop_overlay "$name"
exit $failed
