#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make shell KERNEL=...: an interactive root shell in a VM with kvmi built for that kernel.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/shell.sh [KERNEL]     kernels: $(kernel_names | tr '\n' ' ')(default trixie)

	The serial line is this terminal. "exit" ends the VM, Ctrl-A X kills it. DISK=1 adds the disk with
	Debian's QEMU (mount /dev/vda after modprobe virtio_pci virtio_blk ext4).
	EOF
}

usage_if_asked "${1:-}"
kernel=${1:-trixie}
check_kernel "$kernel"
"$LAB_DIR/setup.sh"
"$LAB_DIR/build.sh" "$kernel" >/dev/null
"$LAB_DIR/userland.sh"
exec "$LAB_DIR/boot.sh" "$kernel" --shell --emu "qemu${DISK:+-disk}"
