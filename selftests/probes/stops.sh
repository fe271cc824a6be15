# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Wrong environments for compat/probe.sh: each must stop it. Sourced by run.sh, never run.
# shellcheck disable=SC2016 # $ in the patches is for sed
# shellcheck disable=SC2153 # KDIR, RELEASE, SRC and others are run.sh's

# run_probe NAME ARG...: answers to $OUT/NAME/kvmi_autoconf.h, messages to $OUT/NAME.log, exit status
run_probe() {
	local name=$1 rc=0
	shift
	"$PROBE" -k "$KDIR" -o "$OUT/$name" "$@" >"$OUT/$name.log" 2>&1 || rc=$?
	return $rc
}
answer() { sed -n "s/^ \* $2=\([yn]\)$/\1/p" "$OUT/$1/kvmi_autoconf.h" 2>/dev/null || true; }

# The source tree of the headers, as the kernel's own build sees it.
source_tree() {
	mkdir -p "$OUT/src"
	# shellcheck disable=SC2016 # for make
	echo '$(info kvmi-src: $(abspath $(srctree)))' >"$OUT/src/Kbuild"
	env -u MAKEFLAGS make -C "$KDIR" M="$OUT/src" modules 2>&1 | sed -n 's/^kvmi-src: //p' | head -n 1
}

# mutate DIR HEADER SED: patches DIR's copy of a header. DIR is searched before the kernel's own headers,
# so that only patched files need copies.
mutate() {
	local dir=$1 header=$2 script=$3 copy
	! grep -qsxF "$header $script" "$dir.done" || return 0
	echo "$header $script" >>"$dir.done"
	copy=$dir/${header##*include/}
	case $header in include/uapi/*) copy=$dir/${header#include/uapi/} ;; include/*) copy=$dir/${header#include/} ;; esac
	case $header in arch/x86/include/*) copy=$dir/${header#arch/x86/include/} ;; esac
	mkdir -p "$(dirname "$copy")"
	[ -e "$copy" ] || cp "$SRC/$header" "$copy"
	cp "$copy" "$copy.before"
	sed -i "$script" "$copy"
	if cmp -s "$copy" "$copy.before"; then
		echo "# patch without effect: $header: $script"
		return 1
	fi
}
with_headers() { echo "NOSTDINC_FLAGS=-nostdinc -isystem $(gcc_include) -I$1"; }
# Before 5.15 the kernel takes stdarg.h from the compiler, and names that directory here.
gcc_include() { local cc; cc=$(sed -n 's/^kvmi-cc: \([^ ]*\).*/\1/p' "$OUT/base/probe.log" | head -n 1); "$cc" -print-file-name=include; }

# stops NAME TEXT ARG...: probe.sh must fail, must say TEXT and what to do, and must write no header
stops() {
	local name=$1 text=$2 rc=0 failed=$FAILED
	shift 2
	rm -rf "$OUT/stop"
	run_probe stop "$@" || rc=$?
	is "$RELEASE: $name: exit status" "$rc" 1
	is "$RELEASE: $name: message" "$(grep -cE "^probe.sh: (error: )?.*$text" "$OUT/stop.log" | sed 's/^[1-9][0-9]*$/said/')" said
	is "$RELEASE: $name: next step" "$(grep -c '^probe.sh: next step: ..' "$OUT/stop.log")" 1
	is "$RELEASE: $name: no header" "$([ -e "$OUT/stop/kvmi_autoconf.h" ] && echo written)" ""
	[ "$failed" = "$FAILED" ] || sed 's/^/# /' "$OUT/stop.log"
}
# few PROBE...: a directory with the sanity probes and these
few() {
	local dir=$OUT/few p
	rm -rf "$dir"
	mkdir "$dir"
	for p in sanity_pass sanity_fail "$@"; do cp "$TOP/compat/probes/$p.c" "$dir"; done
	echo "$dir"
}
compiler() { # MODE: a compiler that breaks only in that way
	local cc
	cc=$(sed -n 's/^kvmi-cc: \([^ ]*\).*/\1/p' "$OUT/base/probe.log" | head -n 1)
	cat >"$OUT/cc-$1" <<-EOF
	#!/bin/bash
	object=''; for a; do case \$last:\$a in -o:*/probe_*.o|-o:probe_*.o) object=\$a ;; esac; last=\$a; done
	[ -n "\$object" ] || exec $cc "\$@"
	case $1 in rejects) exit 1 ;; accepts) $cc "\$@" 2>/dev/null || exec $cc -c -x c /dev/null -o "\$object" ;; esac
	EOF
	chmod +x "$OUT/cc-$1"
	echo "$OUT/cc-$1"
}

test_stops() {
	local dir kdir kvm=include/uapi/linux/kvm.h
	dir=$(few)
	stops "compiler that is none" "cannot preprocess" -p "$dir" CC=/bin/false
	stops "compiler that rejects all" "does not compile: every answer would be wrong" -p "$dir" "CC=$(compiler rejects)"
	stops "compiler that accepts all" "with an error in it compiles" -p "$dir" "CC=$(compiler accepts)"
	stops "warnings switched off" "with an error in it compiles" -p "$dir" KCFLAGS=-w

	few ftrace_func_takes_regs ftrace_func_takes_fregs >/dev/null
	mutate "$OUT/none" include/linux/ftrace.h 's/^typedef void (\*ftrace_func_t)(/&char backport, /'
	stops "group without a yes" "group ftrace_func: none .*FTRACE_FUNC_TAKES_FREGS=n FTRACE_FUNC_TAKES_REGS=n" -p "$dir" "$(with_headers "$OUT/none")"
	mutate "$OUT/both" include/linux/ftrace.h 's/^typedef void (\*ftrace_func_t)(/typedef void *ftrace_func_t; typedef void (*was_func_t)(/'
	stops "group with two yes" "group ftrace_func: 2 .*FTRACE_FUNC_TAKES_FREGS=y FTRACE_FUNC_TAKES_REGS=y" -p "$dir" "$(with_headers "$OUT/both")"

	# FORCE: said loudly, does override, and an unknown name is an error
	KVMI_FORCE="FTRACE_FUNC_TAKES_REGS=n FTRACE_FUNC_TAKES_FREGS=y" run_probe force -p "$dir" || true
	is "$RELEASE: KVMI_FORCE" "$(answer force FTRACE_FUNC_TAKES_FREGS)$(answer force FTRACE_FUNC_TAKES_REGS)$(grep -c 'FORCED' "$OUT/force.log")" yn2
	export KVMI_FORCE=NO_SUCH_PROBE=y
	stops "KVMI_FORCE of an unknown name" "KVMI_FORCE: 'NO_SUCH_PROBE=y'" -p "$dir"
	unset KVMI_FORCE

	dir=$(few)
	mutate "$OUT/same" "$kvm" '$s|.*|struct kvm_backport { char c[24]; };\n#define KVM_BACKPORT _IOW(KVMIO, 0xc8, struct kvm_backport)\n&|'
	stops "ioctl equal to KVM_INTROSPECTION_HOOK" "ioctl number check: KVM_BACKPORT of" -p "$dir" "$(with_headers "$OUT/same")"
	mutate "$OUT/nr" "$kvm" '$s|.*|#define KVM_BASE_NR 0xc0\n#define KVM_BACKPORT _IO(KVMIO, KVM_BASE_NR + 9)\n&|'
	stops "ioctl with a computed number" "ioctl number check: KVM_BACKPORT of" -p "$dir" "$(with_headers "$OUT/nr")"
	mutate "$OUT/raw" "$kvm" '$s|.*|#define KVM_BACKPORT 0xAECC\n&|'
	stops "ioctl written as a plain number" "ioctl number check: KVM_BACKPORT of" -p "$dir" "$(with_headers "$OUT/raw")"
	mutate "$OUT/type" "$kvm" '$s|.*|#define KVM_BACKPORT _IOW(KVMIO, 0xca, struct kvm_of_other_arch)\n&|'
	stops "same nr, unknown type" "ioctl number check: KVM_BACKPORT of" -p "$dir" "$(with_headers "$OUT/type")"
	mutate "$OUT/ours" "$kvm" '$s|.*|#define KVM_INTROSPECTION_HOOK _IOW(KVMIO, 0xc8, struct kvm_introspection_hook)\n&|'
	stops "kernel with introspection" "cannot be compared" -p "$dir" "$(with_headers "$OUT/ours")"
	mutate "$OUT/fine" "$kvm" '$s|.*|#define KVM_BACKPORT _IOW(KVMIO, 0xfa, struct kvm_of_other_arch)\n&|'
	run_probe fine -p "$dir" "$(with_headers "$OUT/fine")" || sed 's/^/# /' "$OUT/fine.log"
	is "$RELEASE: other nr, unknown type is no collision" "$([ -e "$OUT/fine/kvmi_autoconf.h" ] && echo fine)" fine

	kdir=$KDIR KDIR=$OUT/kdir
	mkdir -p "$KDIR"
	ln -s "$kdir"/* "$KDIR"
	sed 's/^CONFIG_KPROBES=y/# CONFIG_KPROBES is not set/;/^CONFIG_KVM_\(INTEL\|AMD\)=/d' "$kdir/.config" >"$KDIR/.config"
	stops "configuration" "lacks CONFIG_KPROBES CONFIG_KVM_INTEL" -p "$dir"
	is "$RELEASE: one line per option" "$(grep -cE '^probe.sh: kernel .* has (no|neither) CONFIG_' "$OUT/stop.log")" 2
	rm "$KDIR/Module.symvers"
	stops "no build tree" "is not a kernel build tree: Module.symvers is missing" -p "$dir"
	is "$RELEASE: names the package" "$(grep -c 'install linux-headers-' "$OUT/stop.log")" 1
	KDIR=$kdir
}

