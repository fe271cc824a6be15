#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages in a booted machine: kvmi.service under systemd and the kill switches, or an upgrade while
# the module is loaded and a VM hooked.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() {
	cat <<-TEXT
	usage: lab/pkg-vm.sh service|upgrade [SUITE]     default bookworm; TAP on stdout
	  service   systemd boots four times: with kvmi.service off, then enabled, then with kvmi.disable, then
	            with module_blacklist=kvmi on the kernel's command line
	  upgrade   reinstallation and upgrade, DKMS building in the emulated machine (minutes)
	TEXT
}

# Enabled already in the chroot; the README's line is run in the VM. The list of the initramfs is for the VM, too.
# shellcheck disable=SC2317 # called by name
prepare_service() {
	cat >"$root/etc/systemd/system/kvmi-lab.service" <<-TEXT
	[Unit]
	Description=Tests of kvmi.service
	After=kvmi.service systemd-modules-load.service systemd-udev-settle.service
	Wants=systemd-udev-settle.service
	[Service]
	Type=oneshot
	TimeoutStartSec=infinity
	ExecStart=/bin/bash /usr/local/lib/kvmi-lab/pkg-service.sh
	[Install]
	WantedBy=multi-user.target
	TEXT
	# shellcheck disable=SC2016 # expanded in the root
	logged "$out/systemd.log" inroot "$root" -b "$BUILD/pkg/$suite/deb-$version:/lab/deb" sh -ec '
		apt-get -q -y --no-install-recommends install systemd-sysv udev initramfs-tools
		mkinitramfs -o /root/initrd "$1"
		mkdir -p /usr/local/lib/kvmi-lab
		lsinitramfs /root/initrd >/usr/local/lib/kvmi-lab/initramfs
		rm /root/initrd
		cp /lab/deb/kvmi-tools_*.deb /usr/local/lib/kvmi-lab/kvmi-tools.deb
		ln -sf /dev/null /etc/systemd/system/serial-getty@ttyS0.service
		systemctl enable kvmi-lab.service kvmi.service' sh "$kver"
}

# The packages to upgrade to, beside the installed ones.
# shellcheck disable=SC2317 # called by name
prepare_upgrade() {
	mkdir -p "$root/root/kvmi-same" "$root/root/kvmi-new"
	cp "$BUILD/pkg/$suite/deb-$version"/kvmi-tools_*.deb "$root/root/kvmi-same/"
	"$TOP/selftests/pkg/rebuilt.sh" "$BUILD/pkg/$suite/deb-$version"/kvmi-dkms_*.deb "$root/root/kvmi-same/kvmi-dkms_rebuilt.deb" >&2
	cp "$BUILD/pkg/$suite/deb-$version.1"/kvmi-{dkms,tools}_*.deb "$root/root/kvmi-new/"
}

usage_if_asked "${1:---help}"
case $1 in service) modes=(off service killswitch blacklisted) ;; upgrade) modes=(upgrade) ;; *) usage >&2; exit 2 ;; esac
in_namespace "$0" "$@"
what=$1 suite=${2:-bookworm} version=$(cat "$TOP/VERSION")
name=$suite-$what
out=$BUILD/pkg/$name
mkdir -p "$out"
for r in "$suite" bookworm; do
	"$LAB_DIR/root.sh" "$r"
	build_debs "$r" "$version"
done
# two builds in the emulated machine, which may have to share this one
[ "$what" != upgrade ] || { build_debs "$suite" "$version.1" binary; export TIMEOUT=${TIMEOUT:-3600}; }
lower=$(root_dir "$suite")
root=$(fresh_overlay "$lower" "$what-$suite")
kver=$(kernel_kver "$suite")
install_packages "$suite" "$root" "$out/install.log"
"prepare_$what"
umount "$root"
rc=0
"$LAB_DIR/pkg-boot.sh" "$name" "$LAYERS/$what-$suite/upper:$lower" "${modes[@]/#/$kver/}" || rc=1
drop_overlay "$what-$suite"
exit $rc
