#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317 # functions are called by name
# Runs the selftests inside a VM under test: loads kvmi, then every program and
# every shell test. kvm and its vendor module are loaded already.
#
# TESTS=GLOB   only tests whose name matches, for example TESTS='hook*'
# FULL=1       full counts; otherwise the quick ones
# Exit status: 0 when the module could be loaded and no test failed.

dir=${0%/*}
# shellcheck source=lib.sh
. "$dir/lib.sh"

TESTS=${TESTS:-*}
case $FULL in
1) mode=-f ;;
*) mode=-q ;;
esac
export FULL KVMI

selected() {
	# shellcheck disable=SC2254 # a pattern
	case $1 in
	$TESTS) return 0 ;;
	*) return 1 ;;
	esac
}

# program NAME COMMAND...
program() {
	name=$1
	shift
	selected "$name" || return 0
	ran=$((ran + 1))
	echo "# program $name"
	start=$(cut -d. -f1 /proc/uptime)
	"$@"
	rc=$?
	echo "# $name took $(($(cut -d. -f1 /proc/uptime) - start)) s"
	echo "# program $name rc=$rc"
	[ $rc = 0 ] || failed=$((failed + 1))
}

# What capability 206 is without us, and whether the headers leave it free. kvmi-selftests knows already.
ask_cap_206() {
	[ -z "${KVMI_CAP206_STOCK:-}" ] || return 0
	KVMI_CAP206_STOCK=$("$PROGS/guest_load" cap 206)
	case $(modinfo_field "$KVMI/modules/kvmi_test_headers.ko" cap_206) in
	free) KVMI_CAP206_FREE=1 ;;
	taken) KVMI_CAP206_FREE=0 ;;
	*) return ;;
	esac
	export KVMI_CAP206_STOCK KVMI_CAP206_FREE
}

ran=0
failed=0
ask_cap_206
# shellcheck disable=SC2119 # no parameters
loaded kvmi || load || { echo "Bail out! kvmi.ko cannot be loaded"; dmesg | tail -20; exit 1; }
for p in "$PROGS"/*_test; do
	program "${p##*/}" "$p" $mode
done
for p in "$dir"/*_test.sh; do
	# kvmi-selftests without --all has none of these
	[ -e "$p" ] || continue
	# It loads kvmi some 70 times, minutes on Bochs, and but for SEV no vendor matters. Asked for, it runs.
	case ${LAB_EMU:-}/$TESTS/${p##*/} in bochs*/\*/refusal_test.sh) continue ;; esac
	program "${p##*/}" "$p"
done
echo "# $ran programs, $failed failed"
[ $ran -gt 0 ] && [ $failed = 0 ]
