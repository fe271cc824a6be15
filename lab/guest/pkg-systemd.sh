#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# PID 1 of a lab VM in place of lab/guest/init (rdinit=): hands over to the systemd of the distribution
# on /dev/vda. There kvmi-lab.service runs pkg-service.sh, which ends the VM.

export PATH=/bin:/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
grep -q ' /dev ' /proc/mounts || mount -t devtmpfs devtmpfs /dev
for m in virtio_pci virtio_blk ext4; do modprobe $m; done
n=0
until [ -b /dev/vda ] || [ $n = 30 ]; do sleep 1; n=$((n + 1)); done
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt || echo "LAB-ERROR cannot mount /dev/vda"
for d in proc sys dev; do mount --move /$d /mnt/$d; done
exec switch_root /mnt /lib/systemd/systemd
