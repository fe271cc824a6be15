#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2015,SC2086 # called by name; tests; lists of words
# Install, reinstall, upgrade, a second kernel. Leaves the new version installed for both kernels.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program "pkg-install-$SUITE"
echo "# dkms $(dpkg-query -W -f '${Version}' dkms), kernels $K1 and $K2"

# Everything on the disk that the tests do not change themselves.
snapshot() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /lab -o -path /var/cache \
		-o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /usr/local/lib/kvmi-lab \
		-o -path '/lib/modules/*/modules.*' -o -path '/usr/lib/modules/*/modules.*' \) -prune -o -print | sort
}

describes_itself() {
	local f
	for f in version srcversion description license vermagic; do
		[ -n "$(modinfo -k "$K1" -F $f kvmi)" ] || why "no $f" || return
	done
	[ "$(modinfo -k "$K1" -F license kvmi)" = GPL ] || why license || return
	modinfo -k "$K1" -F vermagic kvmi | grep -q "^$K1 " || why vermagic
}
# dkms 2.8 signs only when it is told how: by the lines of the document. The set-up stays for the tests after it.
signed() {
	if [ "$SUITE" = bullseye ]; then
		DOC=docs/secure-boot.md readme sign-helper || return
		dkms remove -m kvmi -v "$VERSION" -k "$K1" && dkms install -m kvmi -v "$VERSION" -k "$K1" || return
	fi
	modinfo -k "$K1" -F signer kvmi | grep -x 'DKMS module signing key' || why "signed by '$(modinfo -k "$K1" -F signer kvmi)'"
}
opt_in() {
	! grep -rqs kvmi /etc/modules-load.d /usr/lib/modules-load.d /lib/modules-load.d /etc/modprobe.d \
		/lib/modprobe.d /usr/lib/modprobe.d /etc/initramfs-tools /usr/share/initramfs-tools || why "something loads it" || return
	! find /etc/systemd /etc/rc?.d -name '*kvmi*' 2>/dev/null | grep . || why "the service is enabled"
}
tools() {
	kvmictl --version | grep -q "^kvmictl $VERSION" || why "kvmictl --version" || return
	bash -c '. /usr/share/bash-completion/completions/kvmictl && complete -p kvmictl' >/dev/null || return
	[ -e /lib/systemd/system/kvmi.service ] || [ -e /usr/lib/systemd/system/kvmi.service ] || why "no unit"
}
one_entry() {
	[ "$(dkms_says | cut -d, -f1,2 | sed 's/, [0-9].*-amd64$//' | sort -u | wc -l)" = 1 ] || { dkms_says; why "more than one version"; }
}
old_is_gone() {
	[ ! -e "/usr/src/kvmi-$VERSION" ] && [ ! -e "/var/lib/dkms/kvmi/$VERSION" ] || why "$VERSION is still there"
}
same_rebuilt() {
	local srcversion
	srcversion=$(modinfo -k "$K1" -F srcversion kvmi)
	sh /lab/t/rebuilt.sh "$DEBS"/kvmi-dkms_*.deb "$W/kvmi-dkms_rebuilt.deb" || return
	$APT --reinstall install "$W/kvmi-dkms_rebuilt.deb" "$DEBS"/kvmi-tools_*.deb || return
	[ "$(modinfo -k "$K1" -F srcversion kvmi)" != "$srcversion" ] || why "the module is the old one"
}
second_kernel() { sh /usr/local/lib/kvmi-lab/pkg-kernels.sh second "$SUITE"; }
hash_of() { sha256sum <"$(ko_of "$K1")"; }
# With the sources of the source package in place of the installed ones.
rebuilt_from_source() {
	local one
	one=$(hash_of)
	dpkg-source --no-check -x "$DEBS/kvmi_$VERSION.dsc" "$W/source" || return
	dkms remove -m kvmi -v "$VERSION" --all || return
	[ -z "$(ko_of "$K1")" ] || why "it was not removed" || return
	make -C "$W/source" dkms-uninstall && make -C "$W/source" dkms-install KVER="$K1" || return
	[ "$(hash_of)" = "$one" ] || why "the module differs"
}
rebuilt_equal() {
	local one
	one=$(hash_of)
	dkms uninstall -m kvmi -v "$NEW_VERSION" -k "$K1" || return
	dkms unbuild -m kvmi -v "$NEW_VERSION" -k "$K1" || dkms remove -m kvmi -v "$NEW_VERSION" -k "$K1" || return
	[ -z "$(ko_of "$K1")" ] || why "it was not removed" || return
	dkms install -m kvmi -v "$NEW_VERSION" -k "$K1" || return
	[ "$(hash_of)" = "$one" ] || why "the second build differs"
}

# Admins' own files must survive the purge.
mkdir -p /etc/dkms
echo '# an override' >/etc/dkms/kvmi.conf
snapshot >/usr/local/lib/kvmi-lab/before

t "apt install ./kvmi-dkms_*.deb ./kvmi-tools_*.deb" install_debs "$DEBS" || cat "$W/out"
t "DKMS has built it for $K1" installed "$K1" "$VERSION"
t "the module says version, srcversion, description, licence, vermagic" describes_itself
t "DKMS has signed it with its key" signed
t "nothing loads it by itself" opt_in
t "kvmictl, completion and unit are there" tools
t "built from the source package, the module is the same to the bit" rebuilt_from_source
t "the same version, rebuilt from other sources" same_rebuilt
t "it is still there" installed "$K1" "$VERSION"
t "DKMS knows one version" one_entry
t "upgrade to $NEW_VERSION" install_debs "$NEW_DEBS"
t "DKMS has built the new one" installed "$K1" "$NEW_VERSION"
t "the old one is gone" old_is_gone
t "DKMS knows one version after the upgrade" one_entry
t "a newer kernel can be installed" second_kernel
t "DKMS has built it for $K2 by itself" installed "$K2" "$NEW_VERSION"
t "the one for $K1 is still there" installed "$K1" "$NEW_VERSION"
t "built twice, the module is the same to the bit" rebuilt_equal
finish
