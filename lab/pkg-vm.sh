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
	  service   systemd boots three times: kvmi.service enabled, then with kvmi.disable, then with
	            module_blacklist=kvmi on the kernel's command line
	  upgrade   reinstallation and upgrade, DKMS building in the emulated machine (minutes)
	TEXT
}

# Enabled already in the chroot: for the first boot. The README's line is run in the VM.
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
	logged "$out/systemd.log" inroot "$root" sh -ec '
		apt-get -q -y --no-install-recommends install systemd-sysv udev
		ln -sf /dev/null /etc/systemd/system/serial-getty@ttyS0.service
		systemctl enable kvmi-lab.service kvmi.service'
}

# The packages to upgrade to, beside the installed ones.
# shellcheck disable=SC2317 # called by name
prepare_upgrade() {
	mkdir -p "$root/root/kvmi-same" "$root/root/kvmi-new"
	cp "$BUILD/pkg/$suite/deb-$version"/kvmi-{dkms,tools}_*.deb "$root/root/kvmi-same/"
	cp "$BUILD/pkg/$suite/deb-$version.1"/kvmi-{dkms,tools}_*.deb "$root/root/kvmi-new/"
}

usage_if_asked "${1:---help}"
case $1 in service) modes=(service killswitch blacklisted) ;; upgrade) modes=(upgrade) ;; *) usage >&2; exit 2 ;; esac
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
install_packages "$suite" "$root" "$out/install.log"
"prepare_$what"
kver=$(kernel_kver "$suite")
umount "$root"
rc=0
"$LAB_DIR/pkg-boot.sh" "$name" "$LAYERS/$what-$suite/upper:$lower" "${modes[@]/#/$kver/}" || rc=1
drop_overlay "$what-$suite"
exit $rc
