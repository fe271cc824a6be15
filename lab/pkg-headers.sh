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
logged "$out/install.log" inroot "$root" apt-get -q update
source_tree "$out/src" "$(cat "$TOP/VERSION")"

echo "# program pkg-headers-$suite"
n=0 failed=0
t() { n=$((n + 1)); echo "$1ok $n - $2"; [ -z "$1" ] || failed=1; }
# One at a time: an archive lists some that it does not have any more. Anything else that goes wrong is ours.
headers() {
	local package=$1 log=$out/$1.log
	! inroot "$root" apt-get -q install "$package" >"$log" 2>&1 || return 0
	grep -q '404 *Not Found' "$log" || { tail -n 15 "$log" >&2; return 1; }
	missing+=("$package")
	return 2
}

builds() {
	local kver=$1 log=$out/$1.log
	rm -rf "$out/build"
	cp -r "$out/src" "$out/build"
	inroot "$root" -b "$out/build:/lab/src" make -C /lab/src -j"$JOBS" modules KVER="$kver" KDIR="/usr/src/linux-headers-$kver" \
		KCFLAGS=-Werror >"$log" 2>&1 && [ -e "$out/build/kvmi.ko" ] && return
	tail -n 15 "$log" >&2
	return 1
}

missing=()
for package in $(inroot "$root" apt-cache search --names-only '^linux-headers-[0-9].*-amd64$' | cut -d' ' -f1 | sort -V); do
	rc=0
	headers "$package" || rc=$?
	[ $rc != 2 ] || continue
	if [ $rc = 0 ] && builds "${package#linux-headers-}"; then
		t "" "${package#linux-headers-}"
	else
		t "not " "${package#linux-headers-}"
	fi
done
[ ${#missing[@]} = 0 ] || printf '# listed by the archive, which has no such file: %s\n' "${missing[@]}"
[ $n -gt 0 ] || failed=1
echo "1..$n"
echo "# program pkg-headers-$suite rc=$failed"
drop_overlay "$name"
exit $failed
