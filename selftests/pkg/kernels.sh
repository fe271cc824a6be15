# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2317,SC2015,SC2086 # called by name; tests; lists of words
# Kernels that kvmi cannot be built for, made from the headers of $K1: they are skipped with one line, and
# neither dkms nor the hooks of a kernel's installation fail. Sourced by remove.sh.

# fake_kernel RELEASE: /lib/modules/RELEASE with a build tree of its own, to be changed. As deep in the
# tree as the real one: its links are relative.
fake_kernel() {
	local rel=$1 dir=/usr/src/fake-$1 common real
	real=$(readlink -f "/lib/modules/$K1/build")
	common=$(sed -n 's,^include \(/usr/src/[^ ]*\)/Makefile$,\1,p' "/lib/modules/$K1/build/Makefile")
	rm -rf "$dir" "$dir-common"
	mkdir -p "/lib/modules/$rel"
	cp -a "$real" "$dir"
	cp -a "$common" "$dir-common"
	sed -i "s,^include $common/,include $dir-common/,;s,$real$,$dir," "$dir/Makefile"
	grep -rlI "$common" "$dir" --include=Makefile --include=.kernelvariables 2>/dev/null |
		xargs -r sed -i "s,$common,$dir-common,g"
	chmod u+w "$dir/include/generated/utsrelease.h"
	sed -i "s/$K1/$rel/" "$dir/include/generated/utsrelease.h"
	ln -sfn "$dir" "/lib/modules/$rel/build"
	cp "/lib/modules/$K1"/modules.{order,builtin,builtin.modinfo} "/lib/modules/$rel/"
	# dkms 3.2 calls depmod only where it was called before
	depmod "$rel"
}
drop_kernel() { rm -rf "/lib/modules/$1" "/usr/src/fake-$1" "/usr/src/fake-$1-common"; }

# The hook that a kernel's header package runs, and its exit status.
hook() { saying run-parts --exit-on-error --arg="$1" /etc/kernel/header_postinst.d; }
skipped() { ! dkms_says | grep -F "$1, " | grep -E ': (built|installed)'; }
one_line() {
	grep -F "kvmi: kernel $1 is skipped" "$W/said" >"$W/lines" || { cat "$W/said"; why "no line says why"; } || return
	[ "$(sort -u "$W/lines" | wc -l)" = 1 ] || { cat "$W/lines"; why "more than one line"; }
	echo "# $(head -n 1 "$W/lines")" >&3
}
build_status() {
	local rc=0
	saying dkms build -m kvmi -v "$VERSION" -k "$1" || rc=$?
	[ $rc = 77 ] || { [ "$SUITE" = bullseye ] && [ $rc = 9 ]; } || { cat "$W/said"; why "exit status $rc"; }
}

# unsupported NAME RELEASE: four tests.
unsupported() {
	t "$1: dkms build is refused politely" build_status "$2"
	t "$1: one line says why" one_line "$2"
	t "$1: the kernel's installation is not disturbed" hook "$2" || sed 's/^/# /' "$W/said"
	t "$1: there is no module" skipped "$2"
	drop_kernel "$2"
}

unsupported_kernels() {
	local rel
	exec 3>&1
	rel=5.4.0-1-amd64
	fake_kernel $rel
	unsupported "a kernel before 5.10" $rel
	rel=${K1%-amd64}-nokvm
	fake_kernel "$rel"
	sed -i 's/^CONFIG_KVM=.*/# CONFIG_KVM is not set/' "/lib/modules/$rel/build/.config"
	unsupported "a kernel without KVM" "$rel"
	rel=${K1%-amd64}-noftrace
	fake_kernel "$rel"
	sed -i '/^CONFIG_DYNAMIC_FTRACE_WITH_REGS=/d;/^CONFIG_KPROBES=/d' "/lib/modules/$rel/build/.config"
	unsupported "a kernel without ftrace and kprobes" "$rel"
	rel=9.9.0-1-amd64
	fake_kernel $rel
	sed -i 's/\bstruct kvm_memslots \*/struct kvm_otherslots */' /usr/src/fake-$rel-common/include/linux/kvm_host.h
	unsupported "a too new kernel with other headers" $rel
	rel=9.9.2-1-amd64
	fake_kernel $rel
	rm /usr/src/fake-$rel-common/include/linux/kvm_host.h
	unsupported "a too new kernel in which a header is gone" $rel
	rel=9.9.1-1-amd64
	fake_kernel $rel
	t "a too new kernel with the same headers gets its module" hook $rel || sed 's/^/# /' "$W/said"
	t "and DKMS has it" installed $rel "$VERSION"
	dkms remove -m kvmi -v "$VERSION" -k $rel >/dev/null 2>&1
	drop_kernel $rel
}
