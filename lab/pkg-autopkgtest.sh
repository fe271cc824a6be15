#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# debian/tests by autopkgtest, in a chroot: a copy of the suite's root. The one test that needs a machine
# (load) is run by lab/pkg-vm.sh service.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() { echo "usage: lab/pkg-autopkgtest.sh [SUITE]     default bookworm; TAP on stdout, log in build/pkg/SUITE/autopkgtest"; }

# From autopkgtest's own summary: a line for each test. All of debian/tests/control but those for a machine must have passed.
tap_of() {
	local n=0 failed=0 test word
	echo "# program pkg-autopkgtest-$suite"
	# shellcheck disable=SC2013 # a name a line
	for test in $(awk '/^Tests:/ { t = $2 } /^Restrictions:/ && !/isolation-machine/ { print t }' "$TOP/debian/tests/control"); do
		n=$((n + 1))
		word=$(awk -v t="$test" '$1 == t { print $2 }' "$out/autopkgtest.summary" 2>/dev/null)
		if [ "$word" = PASS ]; then echo "ok $n - $test"; else echo "not ok $n - $test (${word:-did not run})"; failed=1; fi
	done
	echo "1..$n"
	[ $failed = 0 ] || tail -n 60 "$out/autopkgtest.log" | sed 's/^/# /'
	echo "# program pkg-autopkgtest-$suite rc=$failed"
	return $failed
}

usage_if_asked "${1:-}"
in_namespace "$0" "$@"
suite=${1:-bookworm} version=$(cat "$TOP/VERSION")
out=$BUILD/pkg/$suite
mkdir -p "$out"
for r in "$suite" bookworm; do "$LAB_DIR/root.sh" "$r"; done
build_debs "$suite" "$version"
target=$(fresh_overlay "$(root_dir "$suite")" "autopkgtest-$suite")
never_asks "$target"
tools=$(fresh_overlay "$(tools_root bookworm)" "autopkgtest-tools-$suite")
rm -rf "$out"/autopkgtest*
# shellcheck disable=SC2016 # expanded in the root
inroot "$tools" -b "$target:/target" -b "$out:/lab/pkg" sh -ec '
	mount -t proc proc /target/proc
	mount --rbind /dev /target/dev
	for f in resolv.conf hosts; do cp "/etc/$f" "/target/etc/$f"; done
	exec autopkgtest --no-built-binaries --output-dir /lab/pkg/autopkgtest --summary-file /lab/pkg/autopkgtest.summary \
		/lab/pkg/deb-"$0"/*.deb /lab/pkg/src-"$0"/ -- chroot /target' "$version" \
	>"$out/autopkgtest.log" 2>&1 </dev/null || true
drop_overlay "autopkgtest-tools-$suite"
rc=0
tap_of || rc=1
drop_overlay "autopkgtest-$suite"
exit $rc
