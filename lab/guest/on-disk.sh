# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
# TAP, and a distribution on /dev/vda in which the tests run things. Sourced by payloads of a lab VM.

N=0
FAILED=0
R=/mnt
# Not a mere chroot, in which nobody may make a user namespace: the disk becomes the root, as at a boot.
in_root() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare -m sh -c 'mount --make-rprivate / && cd "$0" && mount --move . / && exec chroot . "$@"' $R \
		/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}
t() {
	name=$1
	shift
	N=$((N + 1))
	if "$@" >/tmp/out 2>&1; then
		echo "ok $N - $name"
	else
		sed 's/^/# /' /tmp/out
		echo "not ok $N - $name"
		# shellcheck disable=SC2034 # who sources this exits with it
		FAILED=1
	fi
}
why() { echo "$*"; return 1; }

for m in virtio_pci virtio_blk ext4; do modprobe $m; done
n=0
until [ -b /dev/vda ] || [ $n = 30 ]; do sleep 1; n=$((n + 1)); done
mkdir -p $R
mount -t ext4 /dev/vda $R || { echo "Bail out! cannot mount /dev/vda"; exit 1; }
for d in proc sys dev tmp run; do mount --rbind /$d $R/$d; done
