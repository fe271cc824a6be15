#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The other kernels of a suite: PREEMPT_RT and cloud flavours, and backports. DKMS builds the module from the
# package when they are installed; those that carry KVM are booted and run kvmi-selftests.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() {
	cat <<-TEXT
	usage: lab/pkg-flavours.sh SUITE [FLAVOUR...]
	Default: rt cloud; in bookworm also backports; in bullseye cloud alone, whose RT kernels the archive lists
	and does not have.
	TAP: a flavour without KVM must be skipped by DKMS, any other must get its module, boot and pass.
	TEXT
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1
shift
# trixie's backports and sid's newer kernel are the second kernels of lab/pkg.sh
if [ $# = 0 ]; then
	case $suite in
	bookworm) set -- rt cloud backports ;;
	bullseye) set -- cloud ;;
	*) set -- rt cloud ;;
	esac
fi
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
install_packages "$suite" "$root" "$out/install.log"
echo "# program pkg-flavours-$suite"
n=0 failed=0 boot=()
t() { n=$((n + 1)); echo "$1ok $n - $2"; [ -z "$1" ] || failed=1; }
kernels() { find "$root/lib/modules/" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort; }

# What apt is to install: the kernel that the meta package names, as some archives list that and do not have it.
wanted_for() {
	local kernel
	if [ "$1" = backports ]; then
		"$LAB_DIR/apt.sh" sources "$suite-backports" >"$root/etc/apt/sources.list.d/backports.list"
		inroot "$root" apt-get -qq update >&2
		wanted=(-t "$suite-backports" install linux-image-amd64 linux-headers-amd64)
		return
	fi
	kernel=$(inroot "$root" apt-cache depends "linux-image-$1-amd64" | sed -n 's/^ *Depends: linux-image-//p')
	wanted=(install "linux-image-$kernel" "linux-headers-$kernel")
}

for flavour; do
	wanted_for "$flavour"
	kernels >"$out/before"
	if ! (logged "$out/$flavour.log" inroot "$root" apt-get -q "${wanted[@]}"); then
		t "not " "$flavour: the kernel can be installed"
		continue
	fi
	new=$(kernels | comm -13 "$out/before" -)
	# apt upgrades the other flavours as well then
	[ "$flavour" != backports ] || new=$(grep -v -e -rt- -e -cloud- <<<"$new" || true)
	kver=$(tail -n 1 <<<"$new")
	if [ -z "$kver" ]; then
		t "not " "$flavour: a kernel was installed"
		continue
	fi
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
umount "$root"
[ ${#boot[@]} = 0 ] || "$LAB_DIR/pkg-boot.sh" "$name" "$LAYERS/flavours-$suite/upper:$lower" "${boot[@]}" || failed=1
drop_overlay "flavours-$suite"
exit $failed
