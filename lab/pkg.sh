#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages in a suite's real root: install, upgrade, new kernel, failures, removal; then boots of it.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

usage() {
	cat <<-TEXT
	usage: lab/pkg.sh SUITE [chroot|boot|lint]     suites: $PKG_SUITES
	       default: chroot, then boot; lint is lintian and the checks of versions and of make dist

	Output: TAP. The packages are built in the suite itself (kvmi-selftests in bookworm), installed in a
	copy of the suite's root with an older kernel, and the kernels with the modules that DKMS built are
	booted from that copy (NOBOOT=1: not). Logs: build/pkg/SUITE.
	TEXT
}

VERSION=$(cat "$TOP/VERSION")
NEW_VERSION=$VERSION.1
MAIN_APT="apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io"

# The root with one kernel, an older one where the suite has it, and the packages of the newer one fetched.
first_root() {
	local base key name root
	base=$(root_dir "$suite")
	key=$({ echo "$base"; cat "$LAB_DIR/guest/pkg-kernels.sh"; } | short_hash)
	name=first-$suite-$key
	if [ ! -e "$PKG/$name/ok" ]; then
		say "$suite: a root with the older kernel, and the newer one fetched (about 60 s)"
		rm -rf --one-file-system "$PKG/first-$suite-"*
		root=$(overlay "$base" "$name")
		mkdir -p "$root/usr/local/lib/kvmi-lab"
		cp "$LAB_DIR/guest/pkg-kernels.sh" "$root/usr/local/lib/kvmi-lab/"
		[ "$suite" != sid ] || "$LAB_DIR/apt.sh" sources experimental >>"$root/etc/apt/sources.list"
		logged "$PKG/$name/first.log" inroot "$root" env "APT=$MAIN_APT" sh /usr/local/lib/kvmi-lab/pkg-kernels.sh first "$suite"
		umount "$root"
		touch "$PKG/$name/ok"
	fi
	echo "$PKG/$name/upper:$base"
}

packages() {
	build_debs "$suite" "$VERSION" || return 1
	build_debs "$suite" "$NEW_VERSION" binary || return 1
	[ "$suite" = bookworm ] || build_debs bookworm "$VERSION"
}

# phase NAME: a part of selftests/pkg in the copy; its TAP lines go on.
phase() {
	local out=$BUILD/pkg/$suite
	inroot "$root" -b "$out:/lab/pkg" -b "$TOP/selftests/pkg:/lab/t" -b "$BUILD/pkg/bookworm:/lab/bookworm" \
		env "APT=$MAIN_APT" "VERSION=$VERSION" "NEW_VERSION=$NEW_VERSION" "SUITE=$suite" \
		bash "/lab/t/$1.sh" </dev/null
}

run_chroot() {
	local lower rc=0
	lower=$(first_root)
	root=$(fresh_overlay "$lower" "test-$suite")
	phase install || rc=1
	[ -n "${NOBOOT:-}" ] || [ "$1" = chroot ] || run_boot || rc=1
	phase remove || rc=1
	phase make || rc=1
	umount "$root"
	return $rc
}

# From another layer, so that the removal below finds what the installation left.
run_boot() {
	umount "$root"
	"$LAB_DIR/pkg-boot.sh" "$suite" "$PKG/test-$suite/upper:$lower" || { root=$(overlay "$lower" "test-$suite"); return 1; }
	root=$(overlay "$lower" "test-$suite")
}

run_lint() {
	bash "$TOP/selftests/pkg/source.sh"
	echo "# program lintian"
	echo "1..1"
	build_debs bookworm "$VERSION"
	if lint_debs bookworm "$VERSION" | sed 's/^/# /'; then
		echo "ok 1 - lintian finds no error and no warning"
		echo "# program lintian rc=0"
	else
		echo "not ok 1 - lintian finds no error and no warning"
		echo "# program lintian rc=1"
	fi
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1
case " $PKG_SUITES " in *" $suite "*) ;; *) die "unknown suite $suite; known: $PKG_SUITES" ;; esac
mkdir -p "$PKG" "$BUILD/pkg/$suite"
for r in "$suite" bookworm; do "$LAB_DIR/root.sh" "$r"; done
case ${2:-all} in
lint) run_lint ;;
chroot | all)
	packages || die "$suite: the packages cannot be built (build/pkg/$suite/deb-*/build.log)"
	run_chroot "${2:-all}"
	;;
*) usage >&2; exit 2 ;;
esac
