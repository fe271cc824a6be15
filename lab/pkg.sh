#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages in a suite's real root: install, upgrade, new kernel, failures, removal; then boots of it.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

usage() {
	cat <<-TEXT
	usage: lab/pkg.sh SUITE [chroot|build|lint|recommends]     suites: $PKG_SUITES
	       default: everything in a chroot, with boots in between; chroot: without the boots; build: only
	       the packages; lint: lintian, the checks of versions and of make dist; recommends: installed where
	       nothing is that a build needs, with Recommends on

	Output: TAP. The packages are built in the suite itself (kvmi-selftests in bookworm), installed in a
	copy of the suite's root with an older kernel, and the kernels with the modules that DKMS built are
	booted from that copy (PKG_MODE=quick: without the selftests that load and unload). Logs: build/pkg/SUITE.
	TEXT
}

VERSION=$(cat "$TOP/VERSION")
NEW_VERSION=$VERSION.1
MAIN_APT="apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io"

# The root with one kernel, an older one where the suite has it, and the packages of the newer one fetched.
first_root() {
	local base
	base=$(root_dir "$suite")
	kept "first-$suite" "$({ echo "$base"; cat "$LAB_DIR/guest/pkg-kernels.sh"; } | short_hash)" "$base" older_kernel
}
older_kernel() {
	say "$suite: a root with the older kernel, and the newer one fetched (about 60 s)"
	mkdir -p "$1/usr/local/lib/kvmi-lab"
	cp "$LAB_DIR/guest/pkg-kernels.sh" "$1/usr/local/lib/kvmi-lab/"
	[ "$suite" != sid ] || "$LAB_DIR/apt.sh" sources experimental >>"$1/etc/apt/sources.list"
	logged "$2/first.log" inroot "$1" env "APT=$MAIN_APT" sh /usr/local/lib/kvmi-lab/pkg-kernels.sh first "$suite"
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
	never_asks "$root"
	phase install || rc=1
	[ "$1" = chroot ] || run_boot || rc=1
	phase remove || rc=1
	phase make || rc=1
	drop_overlay "test-$suite"
	return $rc
}

# In the suite's root, without what builds modules. Here alone apt is left as Debian has it.
run_recommends() {
	local rc=0 lab
	root=$(fresh_overlay "$(root_dir "$suite")" "recommends-$suite")
	never_asks "$root"
	sed -i '/Install-Recommends/d' "$root/etc/apt/apt.conf.d/90lab"
	lab=$root/usr/local/lib/kvmi-lab
	mkdir -p "$lab"
	kernel_kver "$suite" | tee "$lab/k1" >"$lab/k2"
	phase recommends || rc=1
	drop_overlay "recommends-$suite"
	return $rc
}

# From another layer, so that the removal below finds what the installation left.
run_boot() {
	umount "$root"
	"$LAB_DIR/pkg-boot.sh" "$suite" "$LAYERS/test-$suite/upper:$lower" || { root=$(overlay "$lower" "test-$suite"); return 1; }
	root=$(overlay "$lower" "test-$suite")
}

# one_test PROGRAM NAME COMMAND...: a TAP program of one test.
one_test() {
	local program=$1 name=$2 rc=0
	shift 2
	echo "# program $program"
	echo "1..1"
	"$@" 2>&1 | sed 's/^/# /' || rc=1
	if [ $rc = 0 ]; then echo "ok 1 - $name"; else echo "not ok 1 - $name"; fi
	echo "# program $program rc=$rc"
	return $rc
}

# In a root without any tools, by the README's lines.
clean_checkout() {
	local root
	root=$(fresh_overlay "$(root_dir bookworm)" checkout)
	never_asks "$root"
	git clone -q "$TOP" "$root/root/kvmi"
	# shellcheck disable=SC2016 # expanded in the root
	inroot "$root" -b "$TOP:/lab/top" bash -ec 'apt-get -qq update
		cd /root/kvmi
		lines=$(/lab/top/selftests/pkg/readme.sh /lab/top/README.md deb-build)
		bash -exc "$lines"
		ls build/deb/kvmi-dkms_*_all.deb build/deb/kvmi-tools_*_amd64.deb build/deb/libkvmic-dev_*_amd64.deb
		[ -z "$(git status --porcelain)" ]' >"$BUILD/pkg/bookworm/checkout.log" 2>&1 ||
		{ tail -n 20 "$BUILD/pkg/bookworm/checkout.log"; return 1; }
	drop_overlay checkout
}

run_lint() {
	local rc=0
	bash "$TOP/selftests/pkg/source.sh" || rc=1
	build_debs bookworm "$VERSION"
	one_test lintian "lintian finds no error and no warning" lint_debs bookworm "$VERSION" || rc=1
	one_test checkout "README: make deb, in a clean checkout and a bare root" clean_checkout || rc=1
	return $rc
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1
case " $PKG_SUITES " in *" $suite "*) ;; *) die "unknown suite $suite; known: $PKG_SUITES" ;; esac
mkdir -p "$BUILD/pkg/$suite"
for r in "$suite" bookworm; do "$LAB_DIR/root.sh" "$r"; done
case ${2:-all} in
lint) run_lint ;;
build) packages >&2 ;;
recommends)
	build_debs "$suite" "$VERSION"
	run_recommends
	;;
chroot | all)
	packages || die "$suite: the packages cannot be built (build/pkg/$suite/deb-*/build.log)"
	run_chroot "${2:-all}"
	;;
*) usage >&2; exit 2 ;;
esac
