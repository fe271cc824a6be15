#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The other kernels of a suite: PREEMPT_RT and cloud flavours. DKMS builds the module from the package when
# they are installed; those that carry KVM are booted and run kvmi-selftests.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() {
	cat <<-TEXT
	usage: lab/pkg-flavours.sh SUITE [FLAVOUR...]   default: rt cloud
	TAP: a flavour without KVM must be skipped by DKMS, any other must get its module, boot and pass.
	TEXT
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1
shift
[ $# -gt 0 ] || set -- rt cloud
version=$(cat "$TOP/VERSION")
name=$suite-flavours
out=$BUILD/pkg/$name
mkdir -p "$out"
for r in "$suite" bookworm; do
	"$LAB_DIR/root.sh" "$r"
	build_debs "$r" "$version"
done
lower=$(root_dir "$suite")
root=$(fresh_overlay "$lower" "flavours-$suite")
logged "$out/install.log" inroot "$root" -b "$BUILD/pkg/$suite:/lab/pkg" sh -ec "
	apt-get -q update
	apt-get -q -y --no-install-recommends install /lab/pkg/deb-$version/kvmi-dkms_*.deb /lab/pkg/deb-$version/kvmi-tools_*.deb"
echo "# program pkg-flavours-$suite"
n=0 failed=0 boot=()
t() { n=$((n + 1)); echo "$1ok $n - $2"; [ -z "$1" ] || failed=1; }
for flavour; do
	if ! logged "$out/$flavour.log" inroot "$root" sh -ec "apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
		install linux-image-$flavour-amd64 linux-headers-$flavour-amd64"; then
		t "not " "$flavour: the kernel can be installed"
		continue
	fi
	kver=$(cd "$root/lib/modules" && find . -maxdepth 1 -name "*$flavour*" -printf '%f\n' | sort -V | tail -n 1)
	built=$(inroot "$root" dkms status -m kvmi -k "$kver")
	if ! grep -q '^CONFIG_KVM=[ym]' "$root/boot/config-$kver"; then
		echo "# $(grep -m 1 'is skipped' "$out/$flavour.log" || true)"
		case $built in *": installed"*) t "not " "$kver has no KVM and is skipped" ;; *) t "" "$kver has no KVM and is skipped" ;; esac
		continue
	fi
	case $built in
	*": installed"*)
		t "" "$kver: DKMS has built the module"
		boot+=("$kver")
		;;
	*) t "not " "$kver: DKMS has built the module" ;;
	esac
done
echo "1..$n"
echo "# program pkg-flavours-$suite rc=$failed"
mkdir -p "$root/usr/local/lib/kvmi-lab"
umount "$root"
[ ${#boot[@]} = 0 ] || "$LAB_DIR/pkg-boot.sh" "$name" "$PKG/flavours-$suite/upper:$lower" "${boot[@]}" || failed=1
exit $failed
