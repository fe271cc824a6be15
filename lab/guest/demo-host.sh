#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # called by name
# In a lab VM: a Debian on /dev/vda, with a checkout of kvmi in /root/kvmi, for which this machine is a host
# with KVM. No network. Started by lab/demo-host.sh.

# shellcheck source-path=SCRIPTDIR source=on-disk.sh
. /kvmi/on-disk.sh

loaded() { [ -d /sys/module/kvmi ]; }
# The demo, from the checkout; what it prints is in /tmp/demo.
demo() { in_root make -C /root/kvmi demo >/tmp/demo 2>&1 </dev/null; }
passes() {
	demo
	rc=$?
	cat /tmp/demo
	[ "$rc" = 0 ] || why "exit status $rc" || return
	[ "$(grep -c '^ok ' /tmp/demo)" = 14 ] && ! grep -q '^not ok ' /tmp/demo
}
chooses_host() { in_root /root/kvmi/lab/demo.sh where | grep -x host; }
is_native() { ! grep -q 'emulated machine' /tmp/demo && grep 'guest: L2-READY 2 CPUs' /tmp/demo; }
own_qemu() {
	grep "Debian's own QEMU: $(in_root qemu-system-x86_64 --version | head -n 1)" /tmp/demo
}
no_error() { ! grep -E 'FATAL|ERROR|[Ww]arning:' /tmp/demo; }

echo "# program demo-host"
echo "1..9"
t "the demo would be on the host" chooses_host
t "make demo passes" passes
t "it was on the host" is_native
t "with the host's own QEMU" own_qemu
t "without a word of an error" no_error
t "kvmi is unloaded" eval '! loaded'
t "a kvmi that is loaded before" eval 'in_root insmod /root/kvmi/kvmi.ko && loaded'
t "make demo passes with it" passes
t "it stays loaded" eval 'loaded && in_root rmmod kvmi'
echo "# program demo-host rc=$FAILED"
umount -l $R
exit $FAILED
