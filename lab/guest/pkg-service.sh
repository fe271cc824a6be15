#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # called by name
# In a VM that systemd has booted, as kvmi-lab.service: what kvmi.service, which is enabled, does here.
# lab.pkg=off           kept from starting: nothing else loads the module
# lab.pkg=service       at a boot, by hand, and the uninstallation
# lab.pkg=killswitch    with kvmi.disable on the kernel's command line
# lab.pkg=blacklisted   with module_blacklist=kvmi

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
exec >/dev/ttyS1 2>&1
N=0 FAILED=0
OUT=/run/kvmi-lab.out
LAB=/usr/local/lib/kvmi-lab
mode=$(sed -n 's/.*lab\.pkg=\([a-z]*\).*/\1/p' /proc/cmdline)
t() {
	local name=$1
	shift
	N=$((N + 1))
	if "$@" >$OUT 2>&1; then
		echo "ok $N - $name"
	else
		tail -n 40 $OUT | sed 's/^/# /'
		echo "not ok $N - $name"
		FAILED=1
	fi
}
why() { echo "$*"; return 1; }
readme() { sh $LAB/readme.sh $LAB/README.md "$1" >$OUT.sh && bash -ex $OUT.sh; }

loaded() { [ -d /sys/module/kvmi ] || why "kvmi is not loaded"; }
not_loaded() { [ ! -d /sys/module/kvmi ] || why "kvmi is loaded"; }
active() { systemctl is-active kvmi.service || { systemctl status --no-pager kvmi.service; return 1; }; }
not_active() { ! systemctl is-active kvmi.service; }
enabled() { systemctl is-enabled kvmi.service; }
not_enabled() { ! systemctl is-enabled kvmi.service; }
at_boot() { loaded && active; }
entered() { systemctl show -P ActiveEnterTimestampMonotonic kvmi.service; }
stays_loaded() {
	local before
	before=$(entered)
	apt-get -q -y --reinstall install $LAB/kvmi-tools.deb && at_boot || return
	[ "$(entered)" = "$before" ] || why "the service was started again"
}
by_hand() { loaded && active && enabled; }
off() { not_loaded && not_active && not_enabled; }
# neither active nor failed: either would stay in systemd's lists when the unit's file has gone
dead() {
	local state
	state=$(systemctl show -P ActiveState kvmi.service)
	[ "$state" = inactive ] || why "kvmi.service is $state"
}
prerm() { /var/lib/dpkg/info/kvmi-tools.prerm remove && dead; }
no_unit() {
	not_loaded || return
	[ "$(systemctl show -P LoadState kvmi.service)" = not-found ] || why "systemd still knows kvmi.service" || return
	dead || return
	! find /etc /lib /usr -xdev -name '*kvmi*' ! -path '*kvmi-lab*' ! -path '*/kvmi-selftests*' ! -path '/usr/src/*' | grep .
}
no_failed_units() { ! systemctl --no-pager --failed --no-legend | grep -F kvmi; }
condition_failed() {
	[ "$(systemctl show -P ConditionResult kvmi.service)" = no ] || why "the unit's condition held" || return
	not_active && no_failed_units
}
kernel_refuses() {
	! modprobe kvmi || why "modprobe has succeeded" || return
	not_loaded && dmesg | grep -F "Module kvmi is blacklisted"
}
unit_failed() { [ "$(systemctl show -P Result kvmi.service)" != success ] || why "the unit did not notice"; }
# Written when the packages were installed (lab/pkg-vm.sh).
not_in_initramfs() {
	grep -q '/virtio_blk\.ko' $LAB/initramfs || why "no list of an initramfs" || return
	! grep kvmi $LAB/initramfs
}
booted() { [ "$(cat /proc/1/comm)" = systemd ] && systemctl is-active basic.target && [ -e /dev/kvm ]; }

echo "LAB-BOOTED $(uname -r) by systemd" >/dev/console
echo "# program pkg-$mode"
t "systemd has booted the machine and udev has loaded KVM" booted
case $mode in
off)
	t "the module is not loaded" not_loaded
	t "the service is off" not_active
	t "the initramfs has modules, and not this one" not_in_initramfs
	;;
service)
	t "kvmi.service, enabled, has loaded the module at boot" at_boot
	t "kvmictl check says all is well" kvmictl check
	t "kvmi-tools, installed again, leaves the module and the service alone" stays_loaded
	t "systemctl restart unloads it and loads it again" systemctl restart kvmi.service
	t "it is loaded" at_boot
	t "systemctl disable --now kvmi.service" systemctl disable --now kvmi.service
	t "the module is unloaded, the service off" off
	t "debian/tests/load" sh $LAB/tests/load
	t "README: enable" readme enable
	t "it is loaded and will be at the next boot" by_hand
	t "README: unload" readme unload
	t "kvmi-tools' prerm finds the module gone and leaves no failed unit" prerm
	t "systemctl restart kvmi.service" systemctl restart kvmi.service
	t "it is loaded, the service active" at_boot
	t "README: apt purge, as it is" readme deb-remove
	t "no module, no unit and no file is left" no_unit
	;;
killswitch)
	t "kvmi.service has loaded nothing and is no failure" condition_failed
	t "the module is not loaded" not_loaded
	t "modprobe by hand still works" modprobe kvmi
	t "rmmod kvmi" rmmod kvmi
	;;
blacklisted)
	t "the module is not loaded" not_loaded
	t "kvmi.service says so" unit_failed
	t "the kernel refuses modprobe" kernel_refuses
	;;
*) t "unknown mode $mode" false ;;
esac
echo "1..$N"
echo "# program pkg-$mode rc=$FAILED"

for m in kvmi kvm_amd; do [ ! -d /sys/module/$m ] || rmmod $m || FAILED=91; done
{
	[ $FAILED != 0 ] || echo LAB-SUCCESS
	echo "LAB-EXIT rc=$FAILED"
} >/dev/console
sync
sleep 1
# shellcheck disable=SC2059 # the format is the byte
printf "\\$(printf %03o $((FAILED & 127)))" | dd of=/dev/port bs=1 seek=$((0xf4)) conv=notrunc
