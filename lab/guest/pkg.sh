#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # called by name
# In a lab VM: a distribution on /dev/vda with kvmi's packages installed. Everything is run in there.
# lab.pkg=all      the module loads, kvmictl check is content, kvmi-selftests --all pass
# lab.pkg=quick    the same with the selftests that need no test modules
# lab.pkg=upgrade  the package is upgraded while the module is loaded and a VM hooked
# lab.pkg=signed   with module.sig_enforce=1: the unsigned module is refused, the signed one loads

# shellcheck source-path=SCRIPTDIR source=on-disk.sh
. /kvmi/on-disk.sh
mode=$(sed -n 's/.*lab\.pkg=\([a-z]*\).*/\1/p' /proc/cmdline)
mode=${mode:-all}
rel=$(uname -r)
suite=$(sed -n 's/^VERSION_CODENAME=//p' $R/etc/os-release)
KO=$(in_root modinfo -n kvmi 2>/dev/null)
loaded() { [ -d /sys/module/kvmi ]; }

content() { in_root kvmictl check; }
loads() { ! loaded || why "it is loaded already" || return; in_root modprobe kvmi && loaded; }
is_dkms_file() { case $KO in */updates/dkms/kvmi.ko*) ;; *) why "modprobe takes '$KO'" ;; esac; }
same_source() {
	[ "$(cat /sys/module/kvmi/srcversion)" = "$(in_root modinfo -F srcversion kvmi)" ] || why "another module is loaded" || return
	[ "$(cat /sys/module/kvmi/version)" = "$(in_root modinfo -F version kvmi)" ] || why "another version is loaded"
}
unloads() { in_root rmmod kvmi && ! loaded; }
# readme NAME DIRECTORY: that block of the README.
readme() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_root sh -c 'cd "$1" && lines=$(sh "$2/readme.sh" "$2/README.md" "$0") && bash -exc "$lines"' "$1" "$2" /usr/local/lib/kvmi-lab
}

installed_module() {
	echo "# program pkg-$suite-$rel"
	echo "1..6"
	t "modprobe finds the module of DKMS" is_dkms_file
	t "modprobe kvmi" loads
	t "it is the installed one" same_source
	t "kvmictl check says all is well" content
	t "kvmictl status" in_root kvmictl status
	t "rmmod kvmi" unloads
	echo "# program pkg-$suite-$rel rc=$FAILED"
	pattern=$(sed -n 's/.*lab\.tests=\([^ ]*\).*/\1/p' /proc/cmdline)
	! grep -q 'lab\.mode=full' /proc/cmdline || set -- "$@" --full
	[ -z "$pattern" ] || set -- "$@" "$pattern"
	if [ $# = 0 ]; then readme selftests /; else in_root kvmi-selftests "$@"; fi || FAILED=1
}

# The package's postinst runs DKMS here, in the emulated machine: this takes minutes.
stays() {
	loaded || why "it was unloaded" || return
	[ "$(cat /sys/module/kvmi/version)" = "$old" ] || why "version $(cat /sys/module/kvmi/version)" || return
	[ -e "/proc/$holder/status" ] || why "the VM is gone" || return
	in_root /usr/libexec/kvmi-selftests/guest_load commands 5
}
uses() {
	[ "$(cat /sys/module/kvmi/version)" = "$1" ] || why "version $(cat /sys/module/kvmi/version)" || return
	same_source && in_root /usr/libexec/kvmi-selftests/guest_load commands 5
}
has_built() { in_root modinfo -F version kvmi | grep -qx "$1" || why "modinfo: $(in_root modinfo kvmi)"; }
has_rebuilt() {
	has_built "$1" || return
	[ "$(in_root modinfo -F srcversion kvmi)" != "$(cat /sys/module/kvmi/srcversion)" ] || why "the module is the old one"
}
busy() { ! readme reload / || why "it was unloaded under a VM"; }
upgrade() {
	new=$(in_root dpkg-deb -f "$(cd $R && echo root/kvmi-new/kvmi-dkms_*.deb)" Version)
	echo "# program pkg-upgrade-$suite-$rel"
	echo "1..12"
	t "README: load" readme load /
	old=$(cat /sys/module/kvmi/version)
	mkfifo /tmp/in
	in_root /usr/libexec/kvmi-selftests/guest_load hold /tmp/hold </tmp/in >/tmp/hold.out 2>&1 &
	holder=$!
	exec 9>/tmp/in
	n=0
	until [ -e /tmp/hold ] || [ $n = 60 ]; do sleep 1; n=$((n + 1)); done
	t "a VM is hooked" test -e /tmp/hold
	t "the same version, rebuilt from other sources" in_root sh -c 'apt-get --reinstall install /root/kvmi-same/*.deb'
	t "DKMS has built it" has_rebuilt "$old"
	t "the running module and the VM stay, another session works" stays
	t "README: the line that installs, with $new" readme deb-install /root/kvmi-new
	t "DKMS has built the new one" has_built "$new"
	t "the running module and the VM stay, another session works" stays
	t "reloading is refused while the VM is hooked" busy
	exec 9>&-
	wait $holder
	t "README: reload, when the VM is gone" readme reload /
	t "the new one is used" uses "$new"
	t "rmmod kvmi" unloads
	echo "# program pkg-upgrade-$suite-$rel rc=$FAILED"
}

case $mode in
all) installed_module --all ;;
quick) installed_module ;;
upgrade) upgrade ;;
signed)
	# shellcheck source-path=SCRIPTDIR source=pkg-signed.sh
	. /kvmi/pkg-signed.sh
	signed
	;;
esac
umount -l $R
exit $FAILED
