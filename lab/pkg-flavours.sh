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
	Default: rt cloud; in bookworm also backports.
	TAP: a flavour without KVM must be skipped by DKMS, any other must get its module, boot and pass.
	TEXT
}

usage_if_asked "${1:---help}"
in_namespace "$0" "$@"
suite=$1
shift
# trixie's backports and sid's newer kernel are the second kernels of lab/pkg.sh
[ $# -gt 0 ] || { set -- rt cloud; [ "$suite" != bookworm ] || set -- rt cloud backports; }
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

# The kernel that the flavour's meta package names, and older ones of its series, named 5.10.0-46 or
# 6.12.118+deb13: some archives list what they have no more.
kernels_of() {
	local named major minor
	named=$(inroot "$root" apt-cache depends "linux-image-$1-amd64" | sed -n 's/^ *Depends: linux-image-//p')
	echo "$named"
	IFS=. read -r major minor _ <<<"$named"
	inroot "$root" apt-cache search --names-only "^linux-image-${major}[.]${minor}[.][^-]*(-[0-9.]+)?-$1-amd64\$" |
		sed 's/^linux-image-\([^ ]*\) .*/\1/' | sort -rV | grep -vxF "$named" || true
}

# A build that failed leaves no module either: dkms must say that it has refused, and we must say why.
skipped_without_kvm() {
	local log=$out/$1.skipped rc=0
	inroot "$root" dkms build -m kvmi -v "$version" -k "$1" >"$log" 2>&1 || rc=$?
	[ $rc = 77 ] || { [ "$suite" = bullseye ] && [ $rc = 9 ]; } || { echo "# dkms build: exit status $rc"; return 1; }
	grep -qxF "kvmi: kernel $1 is skipped: it has no KVM (CONFIG_KVM is not set)" "$log" || { sed 's/^/# /' "$log"; return 1; }
	[[ $(inroot "$root" dkms status -m kvmi -k "$1") != *": "@(built|installed)* ]] || { echo "# dkms has a module"; return 1; }
}

install_flavour() {
	local log=$out/$1.log kernel
	for kernel in $(kernels_of "$1"); do
		! inroot "$root" apt-get -q install "linux-image-$kernel" "linux-headers-$kernel" >"$log" 2>&1 || return 0
		grep -q '404 *Not Found' "$log" || break
		echo "# the archive lists linux-image-$kernel and does not have all of it"
	done
	tail -n 15 "$log" >&2
	return 1
}

install_backports() {
	"$LAB_DIR/apt.sh" sources "$suite-backports" >"$root/etc/apt/sources.list.d/backports.list"
	inroot "$root" apt-get -qq update >&2
	(logged "$out/backports.log" inroot "$root" apt-get -q -t "$suite-backports" install linux-image-amd64 linux-headers-amd64)
}

for flavour; do
	kernels >"$out/before"
	rc=0
	case $flavour in backports) install_backports ;; *) install_flavour "$flavour" ;; esac || rc=1
	if [ $rc != 0 ]; then
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
	if ! grep -q '^CONFIG_KVM=[ym]' "$root/boot/config-$kver"; then
		rc='not '
		! skipped_without_kvm "$kver" || rc=''
		t "$rc" "$kver has no KVM and is skipped"
		continue
	fi
	case $(inroot "$root" dkms status -m kvmi -k "$kver") in
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
