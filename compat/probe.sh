#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Asks a kernel's headers the questions in probes/*.c and writes the answers to kvmi_autoconf.h.
# README.md in this directory explains how to add a question.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
UAPI=$HERE/../include/uapi
NEED="X86_64 MODULES NET KVM KPROBES FUNCTION_TRACER DYNAMIC_FTRACE DYNAMIC_FTRACE_WITH_REGS KALLSYMS KALLSYMS_ALL"
WANT="DEBUG_FS"
KDIR='' OUT='' PROBES=$HERE/probes VERBOSE='' WORK='' LOG=''

usage() {
	cat <<-EOF
	usage: compat/probe.sh -k KDIR -o OUTDIR [-v] [-p PROBEDIR] [VARIABLE=VALUE...]

	  -k KDIR      kernel build tree, for example /lib/modules/\$(uname -r)/build
	  -o OUTDIR    where to write kvmi_autoconf.h and probe.log
	  -v           list the answers, and keep the directory with the compiled probes
	  -p PROBEDIR  other probes than compat/probes (for tests)
	  VARIABLE=VALUE goes to the kernel's make, for example CC=clang LLVM=1.

	Environment: CC, LLVM, CROSS_COMPILE are handed on. KVMI_FORCE="NAME=y NAME2=n" overrides
	answers; mention it in a bug report.
	EOF
}

# die CAUSE NEXT-STEP: with the end of the compile log when there is one.
die() {
	if [ -s "$LOG" ]; then
		echo "---- end of $LOG"
		tail -n 20 "$LOG"
		echo "----"
	fi >&2
	printf 'probe.sh: error: %s\nprobe.sh: next step: %s\n' "$1" "$2" >&2
	exit 1
}
warn() { printf 'probe.sh: %s\n' "$*" >&2; }
cleanup() { [ -z "$WORK" ] || [ -n "$VERBOSE" ] || rm -rf "$WORK"; }
# field NAME FILE: a line of the probe's header comment
field() { sed -n "s,^\(/\*\| \*\) $1: *,,p" "$2" | head -n 1; }

# An outer make (ours, dkms, a distribution's) must not steer the kernel's.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS M O W C V KBUILD_EXTMOD KBUILD_OUTPUT \
	KBUILD_VERBOSE KBUILD_EXTRA_WARN KBUILD_CHECKSRC KERNELRELEASE KERNELVERSION sub_make_done \
	srctree objtree need_sub_make

kmake() {
	make -C "$KDIR" M="$WORK" "${ARGS[@]}" "$@"
}

read_args() {
	local opt
	while getopts k:o:p:vh opt; do
		case $opt in
		k) KDIR=$OPTARG ;;
		o) OUT=$OPTARG ;;
		p) PROBES=$(cd "$OPTARG" && pwd) ;;
		v) VERBOSE=1 ;;
		h) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	if [ -z "$KDIR" ] || [ -z "$OUT" ]; then
		usage >&2
		exit 2
	fi
	ARGS=()
	[ -z "${CC:-}" ] || ARGS+=("CC=$CC")
	[ -z "${LLVM:-}" ] || ARGS+=("LLVM=$LLVM")
	[ -z "${CROSS_COMPILE:-}" ] || ARGS+=("CROSS_COMPILE=$CROSS_COMPILE")
	for opt in "$@"; do
		case $opt in
		[A-Za-z_]*=*) ARGS+=("$opt") ;;
		*) die "'$opt' is not VARIABLE=VALUE" "compat/probe.sh -h" ;;
		esac
	done
}

check_tree() {
	local f rel
	rel=${KDIR%/build}
	rel=${rel##*/}
	rel=${rel#linux-headers-}
	case $rel in [0-9]*) ;; *) rel=$(uname -r) ;; esac
	for f in Makefile .config Module.symvers include/generated/autoconf.h include/generated/utsrelease.h; do
		[ -e "$KDIR/$f" ] || die "$KDIR is not a kernel build tree: $f is missing" \
			"install linux-headers-$rel (kernel-devel on Fedora and RHEL), or name another tree with -k"
	done
	KDIR=$(cd "$KDIR" && pwd)
	RELEASE=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' "$KDIR/include/generated/utsrelease.h")
	mkdir -p "$OUT"
	OUT=$(cd "$OUT" && pwd)
	case $OUT$HERE in
	*[[:space:]:#%]*) die "kbuild cannot work in '$OUT' or '$HERE': blank, colon, # or % in the path" \
		"move the sources to another directory" ;;
	esac
}

check_config() {
	local opt missing=''
	for opt in $NEED; do
		grep -qE "^CONFIG_$opt=[ym]$" "$KDIR/.config" && continue
		warn "kernel $RELEASE has no CONFIG_$opt, which kvmi needs"
		missing+=" CONFIG_$opt"
	done
	grep -qE '^CONFIG_KVM_(INTEL|AMD)=[ym]$' "$KDIR/.config" || {
		warn "kernel $RELEASE has neither CONFIG_KVM_INTEL nor CONFIG_KVM_AMD; kvmi needs one of them"
		missing+=" CONFIG_KVM_INTEL|CONFIG_KVM_AMD"
	}
	for opt in $WANT; do
		grep -q "^CONFIG_$opt=y$" "$KDIR/.config" ||
			warn "note: kernel $RELEASE has no CONFIG_$opt; kvmi works, but without its status files"
	done
	[ -z "$missing" ] || die "the configuration of kernel $RELEASE lacks$missing" \
		"use a kernel that is built with it (every stock Debian amd64 kernel is)"
}

# One cheap run of the kernel's build: the compiler it uses, and all that the probes can see.
read_headers() {
	WORK=$(mktemp -d "$OUT/probe.XXXXXX")
	trap cleanup EXIT
	LOG=$OUT/probe.log
	cat >"$WORK/macros.c" <<-EOF
	#include <linux/kvm.h>
	kvmi_ours
	#include <linux/kvmi.h>
	kvmi_others
	$(sed -n 's/^#include *</#include </p' "$PROBES"/*.c | sort -u)
	EOF
	# shellcheck disable=SC2016 # for make, not for the shell
	printf '%s\n' "ccflags-y := -Werror -I$UAPI -I$WORK" 'CFLAGS_macros.o := -dD -Wno-error' \
		'obj-m := macros.o' '$(info kvmi-cc: $(shell $(CC) --version 2>&1 | head -n 1))' >"$WORK/Kbuild"
	kmake macros.i >"$LOG" 2>&1 || die "the kernel's build cannot preprocess a file with KVM's headers" \
		"install the compiler and tools that the log misses (Debian: gcc, make, linux-headers-$RELEASE)"
	COMPILER=$(sed -n 's/^kvmi-cc: //p' "$LOG" | head -n 1)
	grep -v '^# [0-9]' "$WORK/macros.i" >"$WORK/macros"
	# For the probes about capability numbers: KVMI_CAP_IS(n) is true if any KVM_CAP_* is n.
	awk 'BEGIN { printf "#define KVMI_CAP_IS(n) (0" }
		/^kvmi_ours$/ { exit }
		/^#define KVM_CAP_[A-Za-z0-9_]+ / { printf " || %s == (n)", $2 }
		END { print ")" }' "$WORK/macros" >"$WORK/kvmi_caps.h"
	grep -q ' KVM_CAP_USER_MEMORY ' "$WORK/kvmi_caps.h" ||
		die "no KVM_CAP_USER_MEMORY among the macros of this kernel's linux/kvm.h" \
			"report this with $LOG: the header's form has changed"
	"$HERE/check-ioctl.sh" "$WORK/macros" >"$WORK/ioctl_check.c" 2>>"$LOG" ||
		die "the ioctl numbers of this kernel cannot be compared with ours" "see the log above"
	KEY=$({ cat "$HERE/probe.sh" "$HERE/check-ioctl.sh" "$PROBES"/*.c "$WORK/macros"
		echo "$RELEASE $COMPILER ${ARGS[*]} ${KVMI_FORCE:-}"; } | sha256sum | cut -c1-16)
}

compile_probes() {
	local f name
	NAMES=()
	for f in "$PROBES"/*.c; do
		name=$(basename "$f" .c)
		[ "$(field probe "$f")" = "${name^^}" ] || die "$f does not begin with /* probe: ${name^^}" \
			"name the file after its probe (compat/README.md)"
		cp "$f" "$WORK/probe_$name.c"
		case $name in sanity_*) ;; *) NAMES+=("${name^^}") ;; esac
	done
	for f in sanity_pass sanity_fail; do
		[ -e "$WORK/probe_$f.c" ] || die "$PROBES/$f.c is missing" "restore it from the sources"
	done
	(cd "$WORK" && printf 'obj-m += %s\n' ioctl_check.c probe_*.c) | sed 's/\.c$/.o/' >>"$WORK/Kbuild"
	sed -i 's/^obj-m := macros.o$/obj-m :=/' "$WORK/Kbuild"
	kmake -k -j"$(nproc)" modules >"$LOG" 2>&1 || true
}
compiled() { [ -e "$WORK/$1.o" ]; }

judge() {
	local name force macro
	compiled probe_sanity_pass || die "a file that only includes KVM's headers does not compile: every answer would be wrong" \
		"see the log above; does a module like 'hello world' build against $KDIR?"
	! compiled probe_sanity_fail || die "a file with an error in it compiles: every answer would be yes" \
		"do not switch warnings off (CC, KCFLAGS); the compiler is: $COMPILER"
	if ! compiled ioctl_check; then
		macro=$(sed -n 's/.*ioctl_check\.c:\([0-9]*\):.*/\1p/p' "$LOG" | sort -u |
			sed -n -f - "$WORK/ioctl_check.c" | sed -n 's/^COMPARE(\(.*\))$/\1/p' | head -n 5 | tr '\n' ' ')
		die "ioctl number check: ${macro:-a macro }of this kernel's linux/kvm.h equals, or cannot be compared with, a number of include/uapi/linux/kvmi.h" \
			"do not use kvmi on this kernel; report it with $LOG"
	fi
	declare -gA ANSWER=()
	for name in "${NAMES[@]}"; do
		ANSWER[$name]=n
		! compiled "probe_${name,,}" || ANSWER[$name]=y
	done
	for force in ${KVMI_FORCE:-}; do
		name=${force%%=*}
		[[ -n ${ANSWER[$name]:-} && $force =~ ^[A-Z0-9_]+=[yn]$ ]] || die "KVMI_FORCE: '$force' is not NAME=y or NAME=n of a probe" \
			"use one of: ${NAMES[*]}"
		warn "*** FORCED: $force (the probe says ${ANSWER[$name]}); you are on your own ***"
		ANSWER[$name]=${force#*=}
	done
}

check_groups() {
	local name group variants yes list
	for group in $(for name in "${NAMES[@]}"; do field group "$PROBES/${name,,}.c"; done | sort -u); do
		yes=0 variants=''
		for name in "${NAMES[@]}"; do
			[ "$(field group "$PROBES/${name,,}.c")" = "$group" ] || continue
			variants+=" $name=${ANSWER[$name]}"
			[ "${ANSWER[$name]}" = n ] || yes=$((yes + 1))
		done
		[ "$yes" -eq 1 ] && continue
		list=$([ "$yes" -eq 0 ] && echo "none" || echo "$yes")
		die "group $group: $list of its variants fit kernel $RELEASE, exactly one must:$variants" \
			"this kernel differs from all known ones: report it with $LOG, or try KVMI_FORCE (-h)"
	done
}

write_header() {
	local name new=$WORK/kvmi_autoconf.h
	{
		printf '/* SPDX-License-Identifier: GPL-2.0-only */\n/*\n * Made by compat/probe.sh; do not edit.\n'
		printf ' * kernel: %s\n * compiler: %s\n * key: %s\n' "$RELEASE" "$COMPILER" "$KEY"
		[ -z "${KVMI_FORCE:-}" ] || printf ' * FORCED: %s\n' "$KVMI_FORCE"
		for name in "${NAMES[@]}"; do printf ' * %s=%s\n' "$name" "${ANSWER[$name]}"; done
		printf ' */\n'
		for name in "${NAMES[@]}"; do
			[ "${ANSWER[$name]}" = n ] || printf '#define KVMI_HAVE_%s 1\n' "$name"
		done
	} >"$new"
	cmp -s "$new" "$OUT/kvmi_autoconf.h" || mv "$new" "$OUT/kvmi_autoconf.h"
}

read_args "$@"
check_tree
check_config
read_headers
if grep -qsx " \* key: $KEY" "$OUT/kvmi_autoconf.h"; then
	[ -z "${KVMI_FORCE:-}" ] || warn "*** FORCED: $KVMI_FORCE; you are on your own ***"
	STATE=cached
else
	compile_probes
	judge
	check_groups
	write_header
	STATE="$(sed -n 's,^/\* \([0-9]*\) of.*,\1,p' "$WORK/ioctl_check.c") ioctl numbers compared"
fi
[ -z "$VERBOSE" ] || sed -n 's/^ \* \([A-Z0-9_]*=[yn]\)$/  \1/p' "$OUT/kvmi_autoconf.h"
echo "probe.sh: kernel $RELEASE, $COMPILER: $(grep -c '^#define' "$OUT/kvmi_autoconf.h" || true) of" \
	"$(grep -cE '^ \* [A-Z0-9_]+=[yn]$' "$OUT/kvmi_autoconf.h") probes yes, $STATE; log $LOG"
