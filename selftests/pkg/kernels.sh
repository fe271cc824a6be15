# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2317,SC2015,SC2016,SC2086 # called by name; tests; $ is sed's; lists of words
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
# one_line RELEASE REASON: it says exactly this, however often.
one_line() {
	local want="kvmi: kernel $1 is skipped: $2"
	[ "$(grep -F 'is skipped' "$W/said" | sort -u)" = "$want" ] || { cat "$W/said"; why "it did not say: $want"; }
}
# build_status RELEASE [OPTION...]: dkms build refuses; a build that fails ends with another status.
build_status() {
	local rc=0
	saying dkms build -m kvmi -v "$VERSION" -k "$@" || rc=$?
	[ $rc = 77 ] || { [ "$SUITE" = bullseye ] && [ $rc = 9 ]; } || { cat "$W/said"; why "exit status $rc"; }
}

# Changes of the fake kernel in the current directory.
without() { sed -i "s/^CONFIG_$1=.*/# CONFIG_$1 is not set/" .config; }
header() { sed -i "$2" "$PWD-common/include/$1"; }
no_header() { rm "$PWD-common/include/$1"; }

# refused RELEASE NAME REASON CHANGE...: two tests; the fake kernel stays.
refused() {
	local rel=$1 name=$2 reason=$3
	shift 3
	fake_kernel "$rel"
	(cd "/usr/src/fake-$rel" && "$@") || why "$name: it cannot be made"
	t "$name: dkms build is refused politely" build_status "$rel"
	t "$name: one line says why" one_line "$rel" "$reason"
}
undisturbed() {
	t "$2: the kernel's installation is not disturbed" hook "$1" || sed 's/^/# /' "$W/said"
	t "$2: there is no module" skipped "$1"
}

# Each reason of dkms-check.sh. What follows from a refusal is the same for all, so that those that take a
# build are not installed.
reasons() {
	local base=${K1%-amd64} rel option beyond gone=linux/kvm_host.h
	beyond="it is newer than $(sed -n 's/^NEWEST=//p' "/usr/src/kvmi-$VERSION/packaging/dkms-check.sh"), the newest known to work, and"
	cheap() { refused "$@"; undisturbed "$1" "$2"; drop_kernel "$1"; }
	costly() { refused "$@"; drop_kernel "$1"; }

	cheap 5.4.0-1-amd64 "a kernel before 5.10" "it is older than 5.10" true
	cheap "$base-nokvm" "a kernel without KVM" "it has no KVM (CONFIG_KVM is not set)" without KVM
	for option in X86_64 KPROBES DYNAMIC_FTRACE_WITH_REGS KALLSYMS; do
		rel=$base-no-${option,,}
		rel=${rel//_/-}
		cheap "$rel" "a kernel without $option" "the configuration of kernel $rel lacks CONFIG_$option" without "$option"
	done
	cheap "$base-half" "half-installed headers" \
		"its headers have no $gone: they are incomplete, or unlike all known ones; install them again, then run: dkms autoinstall" \
		no_header $gone
	rel=$base-backport
	costly "$rel" "a kernel with another prototype" \
		"group ftrace_func: none of its variants fit kernel $rel, exactly one must: FTRACE_FUNC_TAKES_FREGS=n FTRACE_FUNC_TAKES_REGS=n; look for a newer kvmi" \
		header linux/ftrace.h 's/^typedef void (\*ftrace_func_t)(/&char backport, /'
	costly "$base-ioctl" "a kernel that has one of our numbers" \
		"ioctl number check: KVM_BACKPORT of this kernel's linux/kvm.h equals, or cannot be compared with, a number of include/uapi/linux/kvmi.h" \
		header uapi/linux/kvm.h '$s|^|#define KVM_BACKPORT 0xAECC\n|'
	cheap 9.9.0-1-amd64 "a too new kernel in which a header is gone" "$beyond its headers have no $gone; look for a newer kvmi" \
		no_header $gone
	costly 9.9.1-1-amd64 "a too new kernel with other headers" "$beyond KVM's headers differ; look for a newer kvmi" \
		header $gone '$s|^|struct kvm_unknown kvm_unknown;\n|'
	costly 9.9.2-1-amd64 "a too new kernel with another structure" "$beyond the module does not build for it; look for a newer kvmi" \
		header $gone 's/\bpid_t userspace_pid;/pid_t other_pid;/'
}
# This one is dkms's own answer: a kernel's name does not tell its architecture.
other_arch() { build_status "$K1" -a aarch64 && says BUILD_EXCLUSIVE; }

unsupported_kernels() {
	local rel=9.9.3-1-amd64
	reasons
	t "another architecture: dkms build is refused politely" other_arch
	fake_kernel $rel
	t "a too new kernel with the same headers gets its module" hook $rel || sed 's/^/# /' "$W/said"
	t "and DKMS has it" installed $rel "$VERSION"
	dkms remove -m kvmi -v "$VERSION" -k $rel >/dev/null 2>&1
	drop_kernel $rel
}
