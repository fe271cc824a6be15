#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2015,SC2046,SC2086 # called by name; tests; lists of words
# Kernel removal, what can go wrong in a build, unsupported kernels, removal. After install.sh.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kernels.sh
. "$(dirname "$0")/kernels.sh"
program "pkg-remove-$SUITE"

remove_kernel() {
	$APT purge linux-image-amd64 linux-headers-amd64 \
		$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "linux-*-$K2" | sed -n 's/^installed //p')
}
try_install() { saying install_debs "$DEBS"; }
heals() { dkms autoinstall -k "$K1" && installed "$K1" "$VERSION"; }

# ------------------------------------------------------------ headers missing
no_headers() { $APT purge "linux-headers-$K1"; }
headers_back() { $APT install "linux-headers-$K1"; }

# ----------------------------------------------------------- compiler missing
hide_compilers() {
	local f
	mkdir -p /root/hidden
	for f in /usr/bin/*gcc /usr/bin/*gcc-[0-9]* /usr/bin/cc /usr/bin/c99 /usr/bin/c89; do
		[ ! -e "$f" ] && [ ! -L "$f" ] || mv "$f" /root/hidden/
	done
}
show_compilers() { mv /root/hidden/* /usr/bin/ && rmdir /root/hidden; }

# ------------------------------------------------------------------ disk full
small_disk() {
	local keys=/root/keys
	rm -rf $keys
	cp -a /var/lib/dkms $keys
	tmpfs /var/lib/dkms 0 size=1200k
	cp -a $keys/mok.* $keys/dkms_dbversion /var/lib/dkms/ 2>/dev/null || true
}
large_disk() { tmpfs /var/lib/dkms 32 size=300m; }
own_disk() {
	$APT purge kvmi-dkms kvmi-tools
	unmount /var/lib/dkms
	rm -rf /root/keys
}

# --------------------------------------------------------------------- removal
left_admins_file() { [ -e /etc/dkms/kvmi.conf ] || why "the administrator's file is gone"; }
# The list of all files before the first installation, and now.
same_files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /lab -o -path /var/cache \
		-o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /usr/local/lib/kvmi-lab \
		-o -path '/lib/modules/*/modules.*' -o -path '/usr/lib/modules/*/modules.*' \) -prune -o -print | sort >"$W/after"
	# kernels and their linux-libc-dev come and go in between, and the first build makes dkms's own signing key
	diff /usr/local/lib/kvmi-lab/before "$W/after" |
		grep -E '^[<>]' | grep -vE "$(quoted "$K2")|/var/lib/dkms/(mok|dkms_dbversion)|/(boot|vmlinuz|initrd)|linux-(headers|kbuild|compiler|base|image|perf)|/usr/(src|lib)/linux-" |
		grep -vE '^[<>] /(usr/include/|run/reboot-required|usr/share/(doc|bug|lintian|man)|etc/kernel|var/lib/(systemd|ucf|initramfs))' >"$W/diff"
	[ ! -s "$W/diff" ] || { cat "$W/diff"; why "other files than before"; }
}

t "the newer kernel can be removed" remove_kernel
t "its module is gone" not_installed "$K2"
t "the other kernel keeps its module" installed "$K1" "$NEW_VERSION"
t "purge" purge
t "no module is left for $K1" not_installed "$K1"

t "without the headers of the kernel" no_headers
t "the package can be installed" try_install
t "it is configured" configured
t "the message names the headers" says "no module for kernel $(quoted "$K1"): its headers are missing"
t "the message says the next step" says "next step: install linux-headers-$(quoted "$K1")"
t "the headers can be installed" headers_back
t "DKMS has built the module by itself" installed "$K1" "$VERSION"
t "purge after that" purge

hide_compilers
t "without a compiler, the package can be installed" try_install
t "it is configured" configured
t "the message names the compiler" says 'kvmi-dkms: cause: .*compiler'
t "the message says the next step" says 'next step: .*dkms autoinstall'
show_compilers
t "dkms autoinstall heals it" heals
t "purge after that" purge

small_disk
t "with a full disk, the package can be installed" try_install
t "it is configured" configured
t "the message names the disk" says 'kvmi-dkms: cause: .*(no space|are free)'
t "the message says the next step" says 'make room, then run: dkms autoinstall'
large_disk
t "dkms autoinstall heals it" heals
t "purge after that" own_disk

t "the package for the unsupported kernels" install_debs "$DEBS"
unsupported_kernels
t "remove" $APT remove kvmi-dkms kvmi-tools
t "purge" purge
[ "$SUITE" != bullseye ] || rm -f /etc/dkms/sign_module.sh
t "nothing is left" leftovers
t "the administrator's file is" left_admins_file
t "the files on the disk are those of before" same_files
finish
