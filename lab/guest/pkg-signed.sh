# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317,SC2154 # called by name; variables of pkg.sh
# Sourced by pkg.sh: the kernel enforces module signatures. /root/unsigned/kvmi.ko is what DKMS built,
# without the signature.

enforced() { [ "$(cat /sys/module/module/parameters/sig_enforce)" = Y ] || why "module.sig_enforce is not on"; }
swap_in() { mv "$R$KO" "$R/root/signed.ko" && cp "$R/root/unsigned/kvmi.ko" "$R$KO" && in_root depmod; }
swap_back() { mv "$R/root/signed.ko" "$R$KO" && in_root depmod; }
refused() {
	! in_root modprobe kvmi 2>/tmp/refused || why "it was loaded" || return
	cat /tmp/refused
	grep -qE 'Key was rejected|Required key not available' /tmp/refused
}
# kvmictl check: not content, names the file and the way out.
hint() {
	! in_root kvmictl check >/tmp/check 2>&1 || { cat /tmp/check; why "kvmictl check is content"; } || return
	grep -q "kvmi.ko is not signed, and this kernel demands it" /tmp/check && grep -q "mokutil --import" /tmp/check && return
	cat /tmp/check
	why "no hint"
}
foreign_refused() {
	cp "$R/root/unsigned/kvmi.ko" "$R/tmp/foreign.ko"
	printf 'PKCS#7 nonsense\0\0\2\0\0\0\0\0\0\0\0\20~Module signature appended~\n' >>"$R/tmp/foreign.ko"
	! in_root insmod /tmp/foreign.ko 2>/tmp/refused || why "it was loaded"
}
stranger_refused() {
	in_root modinfo -F signer /root/stranger.ko | grep -x stranger || why "it is not signed by a stranger" || return
	! in_root insmod /root/stranger.ko || why "it was loaded" || return
	dmesg | grep 'module with unavailable key is rejected' || why "not for its key"
}
a_session() { in_root /usr/libexec/kvmi-selftests/guest_load commands 5; }

signed() {
	echo "# program pkg-signed-$suite-$rel"
	echo "1..11"
	t "the kernel enforces module signatures" enforced
	t "the unsigned module in place of the signed one" swap_in
	t "modprobe of the unsigned module is refused" refused
	t "kvmictl check says so and what to do" hint
	sed 's/^/# /' /tmp/check
	t "a broken signature is refused" foreign_refused
	t "a good signature by a key that nobody trusts is refused" stranger_refused
	t "the module that DKMS signed, put back" swap_back
	t "modprobe kvmi" loads
	t "kvmictl check is content" content
	t "a session works" a_session
	t "rmmod kvmi" unloads
	echo "# program pkg-signed-$suite-$rel rc=$FAILED"
}
