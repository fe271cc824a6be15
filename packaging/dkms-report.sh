#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# After the package was installed: for which kernels is the module there, and if not, why and what to do?
# Never fails: a module that cannot be built now must not leave the package manager in a broken state.
# usage: dkms-report.sh VERSION [STATUS-OF-DKMS]
set -u
export LC_ALL=C
version=${1:?usage: dkms-report.sh VERSION [STATUS]}
status=${2:-0}
tree=/var/lib/dkms/kvmi/$version
log=$tree/build/make.log

say() { printf 'kvmi-dkms: %s\n' "$*" >&2; }
full() { df -Pk "$1" 2>/dev/null | awk 'END { exit $4 < 20000 ? 0 : 1 }'; }
headers_package() {
	if [ -e /etc/debian_version ]; then echo "linux-headers-$1"; else echo "kernel-devel-$1"; fi
}

# The cause in one line, then the next step in one line.
cause() {
	local dir
	if grep -qs 'No space left on device' "$log"; then
		say "cause: no space left on the disk during the build"
		say "next step: make room, then run: dkms autoinstall"
		return
	fi
	for dir in /var/lib/dkms /tmp "/lib/modules"; do
		full "$dir" || continue
		say "cause: less than 20 MB are free in $dir"
		say "next step: make room, then run: dkms autoinstall"
		return
	done
	if grep -qsE '(gcc|clang|cc)[-0-9]*: (command )?not found|(gcc|clang|cc)[-0-9]*: No such file' "$log" ||
		! { command -v gcc || command -v cc || command -v clang; } >/dev/null; then
		say "cause: the compiler of the kernel is missing ($(grep -m 1 -oE '[a-z0-9_-]*(gcc|clang)[-0-9]*' "$log" 2>/dev/null || echo gcc))"
		say "next step: install it (it comes with the headers of the kernel), then run: dkms autoinstall"
		return
	fi
	if ! command -v make >/dev/null; then
		say "cause: make is missing"
		say "next step: install make, then run: dkms autoinstall"
		return
	fi
	grep -s '^probe\.sh: error: ' "$log" | tail -n 1 | sed 's/^probe\.sh: error: /kvmi-dkms: cause: /' >&2
	say "next step: read $log; when that is put right, run: dkms autoinstall"
}

built=0 missing=0
for dir in /lib/modules/*/; do
	[ -e "$dir/modules.order" ] || [ -e "$dir/modules.builtin" ] || continue
	kver=$(basename "$dir")
	if ls "$tree/$kver"/*/module/kvmi.ko* >/dev/null 2>&1; then
		built=$((built + 1))
	elif [ ! -e "$dir/build/include" ]; then
		missing=$((missing + 1))
		say "no module for kernel $kver: its headers are missing"
		say "next step: install $(headers_package "$kver"); DKMS then builds the module by itself"
	fi
done
if [ "$status" != 0 ]; then
	say "the module could not be built (dkms exit status $status)"
	cause
elif [ "$built" = 0 ] && [ "$missing" = 0 ]; then
	say "no module was built: no installed kernel is supported, or none has its headers"
	say "next step: install the headers of your kernel, then run: dkms autoinstall"
fi
exit 0
