#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests compat/probe.sh: every probe's answer must flip when a copy of the headers is patched the way a
# distribution's backport would, known kernels must give the answers in golden.tsv, and every wrong
# environment must stop the build with a message. TAP on stdout.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
PROBE=$TOP/compat/probe.sh
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$HERE/tap.sh"
# shellcheck source-path=SCRIPTDIR source=stops.sh
. "$HERE/stops.sh"

usage() {
	cat <<-EOF
	usage: selftests/probes/run.sh [-a] [-q] [-s] [-g] ROOT_OR_KDIR...

	  KDIR  a kernel build tree. ROOT: a directory with a whole system; every kernel build tree in
	        its /usr/src is tested inside it, with its own compiler (needs root).
	  -a    the audit of the probes only; no kernel is needed
	  -q    without the wrong environments, which test the script more than the kernel
	  -s    one patch at a time (slow: finds a patch that flips more than it should)
	  -g    print the answers as a column for golden.tsv instead of testing
	EOF
}

probe_names() { for f in "$TOP"/compat/probes/*.c; do basename "$f" .c; done | grep -v '^sanity_'; }
# field NAME PROBE: a line of a probe's header comment
field() { sed -n "s,^\(/\*\| \*\) $1: *,,p" "$TOP/compat/probes/$2.c" | head -n 1; }

audit() {
	local p n group member used text
	for p in $(probe_names); do
		n=${p^^} text=''
		[ "$(wc -l <"$TOP/compat/probes/$p.c")" -le 25 ] || text+=" longer than 25 lines;"
		[ -n "$(field since "$p")" ] || text+=" no 'since:' line;"
		[ -f "$TOP/$(field used-by "$p")" ] || text+=" 'used-by:' names no file;"
		[ -n "$(field flip-yes "$p")" ] && [ -n "$(field flip-no "$p")" ] || text+=" no 'flip-yes:'/'flip-no:' lines;"
		group=$(field group "$p") used=''
		for member in $p $([ -z "$group" ] || grep -lx " \* group: $group" "$TOP"/compat/probes/*.c); do
			member=$(basename "$member" .c)
			! grep -qsw "KVMI_HAVE_${member^^}" "$TOP"/compat/*.[ch] || used=1
		done
		[ -n "$used" ] || text+=" compat/ uses neither it nor its group: use it or delete it;"
		grep -qP "^$n\t" "$HERE/golden.tsv" || text+=" no line in golden.tsv;"
		is "audit $p" "$text" ""
	done
	while read -r n; do
		is "audit $n has a probe" "$(probe_names | grep -x "${n,,}")" "${n,,}"
	done < <({
		grep -ohE 'KVMI_HAVE_[A-Z0-9_]+' "$TOP"/compat/*.[ch] | sed 's/^KVMI_HAVE_//'
		sed 1d "$HERE/golden.tsv" | cut -f1
	} | sort -u)
}

flip_patch() { # PROBE DIR: HEADER SED of its header comment
	local line
	line=$(field "flip-$([ "$(answer base "${1^^}")" = y ] && echo yes || echo no)" "$1")
	mutate "$2" "${line%% *}" "${line#* }"
}
other() { [ "$1" = y ] && echo n || echo y; }

test_flips() {
	local p all=$OUT/mut
	if [ -z "$SINGLE" ]; then
		for p in $(probe_names); do flip_patch "$p" "$all" || is "patch for $p" bad good; done
		run_probe flipped "$(with_headers "$all")" || sed 's/^/# /' "$OUT/flipped.log"
	fi
	for p in $(probe_names); do
		if [ -n "$SINGLE" ]; then
			flip_patch "$p" "$OUT/mut-$p" || is "patch for $p" bad good
			run_probe flipped "$(with_headers "$OUT/mut-$p")" || sed 's/^/# /' "$OUT/flipped.log"
		fi
		is "$RELEASE: ${p^^} flips" "$(answer flipped "${p^^}")" "$(other "$(answer base "${p^^}")")"
	done
}

test_golden() {
	local p col version=${RELEASE%%[!0-9.]*}
	version=$(cut -d. -f1,2 <<<"$version")
	col=$(head -n 1 "$HERE/golden.tsv" | tr '\t' '\n' | grep -nx "$version" | cut -d: -f1 || true)
	if [ -z "$col" ]; then
		skip "$RELEASE: golden answers" "no column $version in golden.tsv (run.sh -g makes one)"
		return
	fi
	for p in $(probe_names); do
		is "$RELEASE: ${p^^} golden" "$(answer base "${p^^}")" "$(awk -F'\t' -v p="${p^^}" -v c="$col" '$1 == p { print $c }' "$HERE/golden.tsv")"
	done
}

test_cache() {
	local before
	before=$(stat -c %Y.%i "$OUT/base/kvmi_autoconf.h")
	run_probe base
	is "$RELEASE: second run is cached" "$(grep -c ' cached; ' "$OUT/base.log") $(stat -c %Y.%i "$OUT/base/kvmi_autoconf.h")" "1 $before"
	MAKEFLAGS='-n --no-print-directory' M=/nowhere KBUILD_EXTMOD=/nowhere KERNELRELEASE=0 sub_make_done=1 W=1 run_probe outer
	is "$RELEASE: outer make does not matter" "$(grep -v '^ \* key' "$OUT/outer/kvmi_autoconf.h" | sha256sum)" "$(grep -v '^ \* key' "$OUT/base/kvmi_autoconf.h" | sha256sum)"
	is "$RELEASE: nothing left behind" "$(ls "$OUT/base")" $'kvmi_autoconf.h\nprobe.log'
}

test_kdir() {
	local p
	KDIR=$1
	OUT=$(mktemp -d)
	trap 'rm -rf "$OUT"' EXIT
	run_probe base || { sed 's/^/# /' "$OUT/base.log"; is "$KDIR: probe.sh works" failed works; return; }
	RELEASE=$(sed -n 's/^ \* kernel: //p' "$OUT/base/kvmi_autoconf.h")
	if [ -n "$GOLDEN" ]; then
		echo "# $RELEASE"
		for p in $(probe_names); do printf '%s\t%s\n' "${p^^}" "$(answer base "${p^^}")"; done
	else
		SRC=$(source_tree)
		test_golden
		test_flips
		[ -n "$QUICK" ] || test_stops
		test_cache
	fi
	rm -rf "$OUT"
}

test_root() {
	local tree out
	# shellcheck source-path=SCRIPTDIR source=../../lab/lib.sh
	. "$TOP/lab/lib.sh"
	need_root
	for tree in "$1"/usr/src/linux-headers-*; do
		[ -e "$tree/Module.symvers" ] || continue
		out=$(inroot "$1" -b "$TOP:/tmp/kvmi" /tmp/kvmi/selftests/probes/run.sh ${SINGLE:+-s} ${GOLDEN:+-g} ${QUICK:+-q} \
			"${tree#"$1"}" </dev/null || true)
		if [ -n "$GOLDEN" ]; then echo "$out"; else nested "$out"; fi
	done
}

SINGLE='' GOLDEN='' AUDIT='' QUICK=''
while getopts asgqh opt; do
	case $opt in
	a) AUDIT=1 ;;
	q) QUICK=1 ;;
	s) SINGLE=1 ;;
	g) GOLDEN=1 ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || [ -n "$AUDIT" ] || { usage >&2; exit 2; }
if [ -n "$AUDIT" ]; then audit; fi
for arg in "$@"; do
	if [ -d "$arg/usr/src" ]; then test_root "$(cd "$arg" && pwd)"; else test_kdir "$arg"; fi
done
[ -n "$GOLDEN" ] || finish
